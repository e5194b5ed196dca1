#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Traffic to look at: sessions between the two hosts, over a wire that loses segments.

Each is the sample program's session with a long letter at its end. Ends on Ctrl-C, and
the wire is whole again.
"""

from __future__ import annotations

import signal
import socket
import sys
import time

from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from inside import inside

PORT = 5000
# Less than any first window, as nobody reads while it is sent.
LETTER_BYTES = 30_000
PAUSE_S = 1
ONE_IN = 20


def session(listener: socket.socket, client: socket.socket) -> None:
    """From the first SYN to the last FIN; this process is both ends."""
    client.connect(listener.getsockname())
    server, _peer = listener.accept()
    with server, client:
        for sender, receiver, text in ((server, client, b"Welcome!"),
                                       (client, server, b"Ann"),
                                       (server, client, b"Hello, Ann!"),
                                       (client, server, bytes(LETTER_BYTES)),
                                       (client, server, b"exit")):
            sender.sendall(text)
            receiver.recv(len(text), socket.MSG_WAITALL)
        server.close()
        client.recv(1)


def chatter() -> None:
    """One after another, without end."""
    with inside(SERVER):
        listener = socket.create_server((ADDRESSES[SERVER][0], PORT))
    while True:
        with inside(CLIENT):
            client = socket.socket()
        session(listener, client)
        time.sleep(PAUSE_S)


def main() -> None:
    """Spoil the wire for as long as it lasts."""
    hosts = TwoHosts()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        for host in (CLIENT, SERVER):
            hosts.drop(host, f"ip protocol tcp numgen random mod {ONE_IN} == 0")
        chatter()
    except KeyboardInterrupt:
        pass
    finally:
        for host in (CLIENT, SERVER):
            hosts.stop_dropping(host)


if __name__ == "__main__":
    main()
