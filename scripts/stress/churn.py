#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Connections of every sort between the two hosts, one after the other, for a soak.

    churn.py SEED

Runs until its standard input ends; then it finishes what it is at, and prints how
many there were of each sort. Which sort comes next, over which family, with which
congestion control, is drawn by the seed. What gets lost is up to the ports: the test
that starts this loses segments of each port in another way (LOSSES).
"""

from __future__ import annotations

import json
import random
import select
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "selftests")]

import endpoints  # noqa: E402  (found through the line above)
from hosts import CLIENT, SERVER  # noqa: E402
from renoscope_lib.machine.host import CONGESTION_CONTROLS  # noqa: E402
from inside import abort  # noqa: E402
from troubles import fill  # noqa: E402

CALM, LOSSY, BAD, SILENT = 5000, 5100, 5200, 5300
CLOSED = 5400
PORTS_OF_A_WORKER = 10
# What arrives at the server and is dropped, by a worker's first port of each sort.
LOSSES = {
    LOSSY: "meta length > 1000 numgen inc mod 40 == 39",
    BAD: "numgen inc mod 5 == 4",
    SILENT: "tcp flags & (syn | rst) == 0 numgen inc mod 4 != 3",
}
ALGORITHMS = ("reno", "cubic", *CONGESTION_CONTROLS)
PATIENCE_S = 300.0
SMALL_BUFFER = (socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
NO_LINGER = (socket.IPPROTO_TCP, socket.TCP_LINGER2, 2)


class Worker:
    """One of them, with ports of its own."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.number = seed % PORTS_OF_A_WORKER
        self.done: Counter[str] = Counter()

    def port(self, first: int) -> int:
        """This worker's port of a sort."""
        return first + self.number

    def connect(self, first: int, ipv6: bool) -> endpoints.Pair:
        """A connection; both ends are the caller's to close."""
        algorithm = self.choose.choice(ALGORITHMS).encode()
        with endpoints.listen(SERVER, ipv6, port=self.port(first)) as listener:
            client = endpoints.tcp_socket(
                CLIENT, ipv6, (socket.IPPROTO_TCP, socket.TCP_SYNCNT, 6), NO_LINGER)
            client.setsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, algorithm)
            client.settimeout(PATIENCE_S)
            listener.settimeout(PATIENCE_S)
            client.connect((endpoints.address_of(SERVER, ipv6), self.port(first)))
            server, _peer = listener.accept()
        server.settimeout(PATIENCE_S)
        return endpoints.Pair(client, server)

    # ---- the sorts -------------------------------------------------------

    def short(self, ipv6: bool) -> None:
        """A few words, closed by one end or the other."""
        ends = self.connect(self.choose.choice((CALM, BAD)), ipv6)
        endpoints.say(*ends, size=self.choose.randrange(1, 2000))
        endpoints.say(*ends[::-1], size=self.choose.randrange(1, 2000))
        first, second = self.choose.sample(list(ends), 2)
        first.close()
        second.recv(1)
        second.close()

    def long(self, ipv6: bool) -> None:
        """Some hundred segments."""
        client, server = self.connect(self.choose.choice((CALM, LOSSY)), ipv6)
        size = self.choose.randrange(50_000, 400_000)
        receiver = threading.Thread(target=endpoints.receive, args=(server, size))
        receiver.start()
        client.sendall(bytes(size))
        receiver.join()
        client.close()
        server.close()

    def half_closed(self, ipv6: bool) -> None:
        """One way is over long before the other."""
        client, server = self.connect(LOSSY, ipv6)
        client.shutdown(socket.SHUT_WR)
        assert not server.recv(1)
        server.sendall(bytes(30_000))
        server.close()
        endpoints.receive(client, 30_000)
        client.close()

    def aborted(self, ipv6: bool) -> None:
        """A RST by one end, on purpose or because data was left unread."""
        client, server = self.connect(CALM, ipv6)
        if self.choose.random() < 0.5:
            endpoints.say(client, server, 100)
            abort(self.choose.choice((client, server)))
        else:
            client.sendall(bytes(5000))
            select.select([server], [], [], PATIENCE_S)
            server.close()
        client.close()
        server.close()

    def orphaned(self, ipv6: bool) -> None:
        """Closed with data in the queue, which the kernel delivers alone; the other
        end takes its time, or never closes in time."""
        client, server = self.connect(BAD, ipv6)
        client.sendall(bytes(8_000))
        client.close()
        endpoints.receive(server, 8_000)
        if self.choose.random() < 0.5:
            threading.Event().wait(3)
        server.close()

    def stopped(self, ipv6: bool) -> None:
        """The receiver's window closes, and opens when it reads at last."""
        with endpoints.connected(ipv6, server=(SMALL_BUFFER,),
                                 port=self.port(CALM)) as pair:
            sent = fill(pair.client)
            threading.Event().wait(1)
            endpoints.receive(pair.server, sent)

    def refused(self, ipv6: bool) -> None:
        """Nobody listens there."""
        with endpoints.tcp_socket(CLIENT, ipv6) as client:
            address = endpoints.address_of(SERVER, ipv6), self.port(CLOSED)
            assert client.connect_ex(address), "somebody listens"

    def listener_closed(self, ipv6: bool) -> None:
        """Half-open and established connections that nobody accepted, and never will."""
        clients = []
        with endpoints.listen(SERVER, ipv6, port=self.port(SILENT), backlog=2):
            for _ in range(3):
                clients.append(endpoints.tcp_socket(CLIENT, ipv6))
                clients[-1].setblocking(False)
                clients[-1].connect_ex(
                    (endpoints.address_of(SERVER, ipv6), self.port(SILENT)))
            threading.Event().wait(self.choose.random() * 4)
        for client in clients:
            client.close()

    def run(self) -> None:
        """One of some sort, over some family."""
        sort: Callable[[bool], None] = self.choose.choice([
            self.short, self.short, self.short, self.long, self.half_closed,
            self.aborted, self.orphaned, self.stopped, self.refused,
            self.listener_closed])
        try:
            sort(self.choose.random() < 0.5)
            self.done[sort.__name__] += 1
        except (TimeoutError, ConnectionError):
            self.done["given up"] += 1  # where so much is lost, it happens


def main() -> int:
    """Until told to end."""
    worker = Worker(int(sys.argv[1]))
    print("runs", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        worker.run()
    print(json.dumps(worker.done), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
