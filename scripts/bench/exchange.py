# SPDX-License-Identifier: GPL-2.0
"""The traffic that everything is measured with: messages to and fro on loopback.

One process holds both ends, so nobody waits for a scheduler: each message is sent,
passes the kernel's TCP and is read, before the next. Each is one segment that
acknowledges the one before, and passes tcp:tcp_probe once.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

Pair = tuple[socket.socket, socket.socket]


def connect(count: int = 1) -> list[Pair]:
    """So many connections, both ends of each."""
    pairs = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        for _ in range(count):
            client = socket.create_connection(listener.getsockname())
            server, _peer = listener.accept()
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pairs.append((client, server))
    return pairs


def close(pairs: Sequence[Pair]) -> None:
    """The end of them."""
    for client, server in pairs:
        client.close()
        server.close()


def messages(pair: Pair, count: int) -> None:
    """So many messages in all, an even number, in turns each way."""
    client, server = pair
    for _ in range(count // 2):
        client.send(b"x")
        server.recv(1)
        server.send(b"y")
        client.recv(1)


def round_robin(pairs: Sequence[Pair], count: int) -> None:
    """So many messages, each connection carrying two and then the next."""
    for number in range(count // 2):
        messages(pairs[number % len(pairs)], 2)
