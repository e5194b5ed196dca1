#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A server and a client that send each other so many bytes, at the same time.

The server prints a line when it listens; both end with exit code 0 when each has
received everything and the other's end of file.
"""

from __future__ import annotations

import argparse
import socket
import threading

TIMEOUT_S = 300


def exchange(connection: socket.socket, count: int) -> None:
    """Send and receive count bytes."""
    connection.settimeout(TIMEOUT_S)

    def send() -> None:
        connection.sendall(bytes(count))
        connection.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    received = 0
    while data := connection.recv(1 << 16):
        received += len(data)
    sender.join()
    if received != count:
        raise ConnectionError(f"{received} of {count} bytes came")


def main() -> None:
    """Be the server, for one client, or the client."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("role", choices=("server", "client"))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int, help="bytes each way")
    options = parser.parse_args()
    place = (options.address, options.port)
    if options.role == "client":
        with socket.create_connection(place, timeout=TIMEOUT_S) as connection:
            exchange(connection, options.count)
        return
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    with socket.create_server(place, family=family) as listener:
        print("listens", flush=True)
        listener.settimeout(TIMEOUT_S)
        connection, _peer = listener.accept()
        with connection:
            exchange(connection, options.count)


if __name__ == "__main__":
    main()
