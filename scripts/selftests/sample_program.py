#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The sample program: a server that greets, a client that gives its name.

    server                                client
      listen on port 5000
                   <---- connect ----
      "Welcome!"   ----------------->
                   <----------------     a name
      "Hello, <name>!" ------------->
                   <----------------     "exit"
      close        ----------------->    close

Each side prints one JSON line for each thing it does, stamped with
CLOCK_MONOTONIC, the clock of renoscope's records, so that the two can be laid
side by side.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time

TIMEOUT_S = 60


def say(who: str, what: str) -> None:
    """Print one line of the transcript."""
    print(json.dumps({"time_ns": time.monotonic_ns(), "who": who, "what": what}),
          flush=True)


def receive(connection: socket.socket, who: str) -> str:
    """Receive what has come, and say so."""
    text = connection.recv(4096).decode()
    say(who, f"received {text!r}" if text else "received end of file")
    return text


def receive_greetings(connection: socket.socket, count: int) -> None:
    """Receive so many greetings; each ends with "!", two may come as one."""
    text = ""
    while text.count("!") < count:
        more = receive(connection, "client")
        if not more:
            raise ConnectionError("the server closed before it greeted")
        text += more


def send(connection: socket.socket, who: str, text: str) -> None:
    """Send one message and say so."""
    say(who, f"sends {text!r}")
    connection.sendall(text.encode())


def serve(address: str, port: int) -> None:
    """Be the server, for one client."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as listener:
        listener.settimeout(TIMEOUT_S)
        say("server", f"listens on port {port}")
        connection, _peer = listener.accept()
        with connection:
            connection.settimeout(TIMEOUT_S)
            say("server", "accepted the connection")
            send(connection, "server", "Welcome!")
            name = receive(connection, "server")
            send(connection, "server", f"Hello, {name}!")
            receive(connection, "server")
            say("server", "closes")


def connect(address: str, port: int, name: str, wait_for_word: bool,
            wait_to_close: bool) -> None:
    """Be the client."""
    say("client", f"connects to {address} port {port}")
    with socket.create_connection((address, port), timeout=TIMEOUT_S) as connection:
        say("client", "is connected")
        if wait_for_word:
            sys.stdin.readline()
            send(connection, "client", name)
            receive_greetings(connection, 2)
        else:
            receive_greetings(connection, 1)
            send(connection, "client", name)
            receive_greetings(connection, 1)
        send(connection, "client", "exit")
        receive(connection, "client")
        if wait_to_close:
            sys.stdin.readline()
        say("client", "closes")


def main() -> None:
    """Parse the command line and be one side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=("server", "client"))
    parser.add_argument("address", help="the server's address")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--name", default="Ann")
    parser.add_argument("--wait", action="store_true",
                        help="client: give the name only after a line on standard input")
    parser.add_argument("--wait-to-close", action="store_true",
                        help="client: close only after a line on standard input")
    options = parser.parse_args()
    if options.side == "server":
        serve(options.address, options.port)
    else:
        connect(options.address, options.port, options.name, options.wait,
                options.wait_to_close)


if __name__ == "__main__":
    main()
