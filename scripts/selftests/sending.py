# SPDX-License-Identifier: GPL-2.0
"""One sender on a path whose delay, losses and marks are placed: what it decides.

All data lies in the sender's queue at once, and the receiver reads nothing and has
room for everything: only cwnd holds the sender back. What an emulated machine's
pauses would bring about by chance is switched off, tail loss probes, or made late,
timeouts (by rto_min). A segment is a packet.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import endpoints
from endpoints import PORT, SO_RCVBUFFORCE, SO_SNDBUFFORCE
from hosts import CLIENT, SERVER, TwoHosts, run
from inside import abort, cookie_of
from recorder import PARAMETERS, PATIENCE_S, Recorder, wait_until
from renoscope_lib.ring.schema import Event

PLAIN_WIRE = "delay 20ms limit 10000"
LAST_SENT_OFFSET = 44           # tcpi_last_data_sent, in milliseconds
SEGMENT_BYTES = 1448            # with timestamps, on a wire of 1500
ROOM_BYTES = 16 << 20
RTO_MIN_S = 2
DATA = f"tcp dport {PORT} meta length > 1000"
SETTINGS = ("tcp_early_retrans=0", "tcp_no_metrics_save=1", "tcp_ecn=1",
            "tcp_wmem=4096 16384 33554432", "tcp_rmem=4096 131072 33554432")


@contextmanager
def path(netem: str = PLAIN_WIRE, *, back: str = PLAIN_WIRE) -> Iterator[TwoHosts]:
    """Two hosts; what the client sends goes through this netem, ACKs through the other."""
    with TwoHosts() as hosts:
        hosts.set_offloads(False)
        for host, qdisc in ((CLIENT, netem), (SERVER, back)):
            for setting in SETTINGS:
                hosts.sysctl(host, f"net.ipv4.{setting}")
            run("ip", "-n", host, "route", "change", "10.77.0.0/24", "dev", "wire",
                "quickack", "1", "rto_min", f"{RTO_MIN_S}s")
            hosts.netem(host, qdisc)
        (PARAMETERS / "filter").write_text(f"netns={hosts.inode(CLIENT)}")
        yield hosts


def mark(hosts: TwoHosts, when: str) -> None:
    """Let data that arrives at the server carry a mark, by a rule of nft."""
    hosts.on_arrival(SERVER, f"{DATA} ip ecn != not-ect {when} ip ecn set ce")


class Sender:
    """A connection's sending end, and its events as they come."""

    def __init__(self, it: Recorder, sock: socket.socket) -> None:
        self.it = it
        self.sock = sock
        self.events: list[Event] = []
        self._cookie = cookie_of(sock)
        self._reader = it.reader()

    def close(self) -> None:
        """Look no more."""
        self._reader.close()

    def look(self, *kinds: str) -> list[Event]:
        """The events up to now, of some kinds or all; fails if any was overwritten."""
        for event in self._reader.read():
            assert event.kind != "lost", "the ring was too small"
            if event["cookie"] == self._cookie:
                self.events.append(event)
        return [e for e in self.events if not kinds or e.kind in kinds]

    def word(self, event: Event, field: str) -> str:
        """The word that a field's number stands for."""
        return endpoints.word(self.it, event, field)

    def phases(self) -> list[tuple[str, str]]:
        """The phases gone through, and why."""
        return [(self.word(e, "phase"), self.word(e, "reno_cause"))
                for e in self.look("reno_phase")]

    def entered(self, state: str) -> list[Event]:
        """Events of entering a congestion state from another."""
        return [e for e in self.look("ca_state") if self.word(e, "ca_state") == state
                and e["ca_state"] != e["old_ca_state"]]

    def unacknowledged(self) -> int:
        """Bytes that are in the queue or on the way."""
        return endpoints.unacknowledged(self.sock)

    def tcp_info(self, offset: int) -> int:
        """The four bytes there of struct tcp_info."""
        return endpoints.tcp_info(self.sock, offset)

    def rest(self) -> None:
        """Say nothing for longer than the RTO."""
        rto_ms = self.look("ack")[-1]["rto_us"] // 1000
        wait_until("a rest", lambda: self.tcp_info(LAST_SENT_OFFSET) > 1.5 * rto_ms)

    def put(self, segments: int) -> None:
        """Into the queue, all at once."""
        self.sock.sendall(bytes(segments * SEGMENT_BYTES))

    def send(self, segments: int) -> None:
        """The same, until all is acknowledged."""
        self.put(segments)
        wait_until("all to be acknowledged", lambda: not self.unacknowledged())


def time_out_for_nothing(flow: Sender) -> None:
    """ACKs come only when the timer has fired."""
    timeouts, undone = (len(flow.look(kind)) for kind in ("rto", "reno_undo"))
    TwoHosts.netem(SERVER, "delay 20s limit 10000")
    flow.put(5)
    wait_until("a timeout", lambda: len(flow.look("rto")) > timeouts)
    TwoHosts.netem(SERVER, PLAIN_WIRE)
    wait_until("its undoing", lambda: len(flow.look("reno_undo")) > undone)
    wait_until("all to be acknowledged", lambda: not flow.unacknowledged())


@contextmanager
def unread(algorithm: str) -> Iterator[socket.socket]:
    """The sending end of a connection by an algorithm, its window yet to open.

    The other end reads nothing and has room for everything: when a program runs must
    not matter. Its low-water mark lets it acknowledge as if somebody read. Leaving ends
    it with a RST: what lies in queues shall not come again.
    """
    room = (socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM_BYTES)
    low_water = (socket.SOL_SOCKET, socket.SO_RCVLOWAT, ROOM_BYTES)
    with ExitStack() as stack:
        listener = stack.enter_context(endpoints.listen(SERVER, False, room, low_water))
        sock = stack.enter_context(endpoints.tcp_socket(
            CLIENT, False, (socket.SOL_SOCKET, SO_SNDBUFFORCE, ROOM_BYTES)))
        sock.setsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, algorithm.encode())
        sock.settimeout(PATIENCE_S)
        sock.connect(listener.getsockname())
        stack.enter_context(listener.accept()[0])
        stack.callback(abort, sock)
        yield sock


@contextmanager
def sender(it: Recorder, algorithm: str) -> Iterator[Sender]:
    """Such a connection, looked at."""
    with unread(algorithm) as sock, closing(Sender(it, sock)) as made:
        yield made
