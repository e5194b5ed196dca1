# SPDX-License-Identifier: GPL-2.0
"""Flows over a bottleneck, and what the sender's TCP_INFO tells of them.

One process holds all sockets and turns with one selector, so that in the guest that
counts instructions a run is the same each time.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "selftests"))

from bottleneck import RECEIVER, RECEIVER_ADDRESS, SENDER  # noqa: E402
from inside import abort, inside  # noqa: E402  (found through the line above)
from scenarios import Flow, Scenario, algorithm_of  # noqa: E402

SAMPLE_S = 0.05
CHUNK = bytes(256 * 1024)
SEND_BUFFER = 16 << 20
TCP_CONGESTION = 13     # socket's own is not known to the type checker

# struct tcp_info (include/uapi/linux/tcp.h): offsets of what is read here.
_RTT_US = 68
_BYTES_ACKED, _BYTES_RETRANS = 120, 208


@dataclass
class Transfer:
    """One connection: what it was to send, and what became of it."""

    flow: int
    algorithm: str
    began_s: float
    total_bytes: int
    sock: socket.socket
    sent: int = 0
    ended_s: float | None = None
    acked: list[tuple[float, int]] = field(default_factory=list)
    rtt_us: list[int] = field(default_factory=list)
    retrans_bytes: int = 0

    def look(self, now_s: float) -> None:
        """Take one sample."""
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 240)
        acked, = struct.unpack_from("<Q", info, _BYTES_ACKED)
        self.retrans_bytes, = struct.unpack_from("<Q", info, _BYTES_RETRANS)
        rtt_us, = struct.unpack_from("<I", info, _RTT_US)
        self.acked.append((now_s, acked))
        self.rtt_us.append(rtt_us)


class Traffic:
    """All flows of one scenario."""

    def __init__(self, scenario: Scenario, subject: str) -> None:
        self.scenario = scenario
        self.algorithm = algorithm_of(subject)
        self.transfers: list[Transfer] = []
        self._accepted: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()
        self._due = [(flow.starts_s, number)
                     for number, flow in enumerate(scenario.flows)]
        with inside(RECEIVER):
            self._listener = socket.create_server((RECEIVER_ADDRESS, 0), backlog=64)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._began = time.monotonic()
        self._sampled_s = 0.0

    def _now_s(self) -> float:
        return time.monotonic() - self._began

    def _open(self, number: int, flow: Flow) -> None:
        with inside(SENDER):
            sock = socket.socket()
        algorithm = flow.algorithm or self.algorithm
        sock.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, algorithm.encode())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        sock.setblocking(False)
        sock.connect_ex(self._listener.getsockname())
        transfer = Transfer(number, algorithm, self._now_s(), flow.total_bytes, sock)
        self.transfers.append(transfer)
        self._selector.register(sock, selectors.EVENT_WRITE, transfer)

    def _start_what_is_due(self) -> None:
        now = self._now_s()
        for start in [start for start in self._due if start[0] <= now]:
            self._due.remove(start)
            flow = self.scenario.flows[start[1]]
            self._open(start[1], flow)
            if flow.every_s:
                self._due.append((start[0] + flow.every_s, start[1]))

    def _write(self, transfer: Transfer) -> None:
        left = transfer.total_bytes - transfer.sent if transfer.total_bytes else len(CHUNK)
        try:
            transfer.sent += transfer.sock.send(CHUNK[:left])
        except BlockingIOError:
            return
        if transfer.total_bytes and transfer.sent >= transfer.total_bytes:
            transfer.sock.shutdown(socket.SHUT_WR)
            self._selector.unregister(transfer.sock)

    def _read(self, sock: socket.socket) -> None:
        """MSG_TRUNC: TCP counts the bytes as read and copies none (tcp(7))."""
        if not sock.recv(1 << 20, socket.MSG_TRUNC):
            self._selector.unregister(sock)
            sock.close()

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._listener:
            accepted, _peer = self._listener.accept()
            accepted.setblocking(False)
            self._accepted.append(accepted)
            self._selector.register(accepted, selectors.EVENT_READ, "reader")
        elif key.data == "reader":
            assert isinstance(key.fileobj, socket.socket)
            self._read(key.fileobj)
        else:
            self._write(key.data)

    def _sample(self, now_s: float) -> None:
        self._sampled_s = now_s
        for transfer in self.transfers:
            if transfer.ended_s is not None:
                continue
            transfer.look(now_s)
            # The FIN counts as a byte in bytes_acked, the SYN too.
            if transfer.total_bytes and transfer.acked[-1][1] > transfer.total_bytes:
                transfer.ended_s = now_s
                transfer.sock.close()

    def _is_over(self) -> bool:
        if self._now_s() >= self.scenario.seconds:
            return True
        return not self._due and all(t.ended_s is not None for t in self.transfers)

    def run(self) -> list[Transfer]:
        """Play all of it; returns every connection that there was."""
        while not self._is_over():
            self._start_what_is_due()
            for key, _events in self._selector.select(SAMPLE_S / 5):
                self._serve(key)
            now_s = self._now_s()
            finite = any(t.total_bytes and t.ended_s is None for t in self.transfers)
            if now_s - self._sampled_s >= (SAMPLE_S / 10 if finite else SAMPLE_S):
                self._sample(now_s)
        self._sample(self._now_s())
        for sock in (*(transfer.sock for transfer in self.transfers), *self._accepted,
                     self._listener):
            if sock.fileno() >= 0:
                abort(sock)     # what it still had to send would be memory lost to the next
        return self.transfers
