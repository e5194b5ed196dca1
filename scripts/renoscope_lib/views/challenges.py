# SPDX-License-Identifier: GPL-2.0
"""RSTs and SYNs that came for a connection, did not fit and had no effect.

A RST ends a connection only with the very number that is expected next; one that is
merely in the window, and a SYN, get a challenge ACK, and a RST outside of the window is
dropped (RFC 5961; tcp_validate_incoming()).  A connection's `ack` shows each of them,
and a RST that takes effect is followed by `reset_received` and CLOSED.

The peer's own SYN, or SYN-ACK, sent again is none of them: an ACK of ours was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..ring.schema import Event, Schema
from ..tcp.kept import Kept, Packable
from ..tcp.sequence import RST, SYN, distance, isns_differ
from ..tcp.tcp_states import CLOSED, SYNCHRONIZED
from .gaps import Gaps


@dataclass(slots=True)
class Misfits(Packable):
    """Segments of one sort: how many, from when to when, how far off the number expected."""

    count: int = 0
    first_ns: int = 0
    last_ns: int = 0
    least: int = 0
    most: int = 0

    def add(self, time_ns: int, far: int) -> None:
        """One more."""
        self.first_ns = self.first_ns or time_ns
        self.last_ns = time_ns
        self.least = min(self.least, far) if self.count else far
        self.most = max(self.most, far) if self.count else far
        self.count += 1


@dataclass(slots=True)
class Challenged(Packable):
    """What came for one connection; of the last RST its effect is not known yet."""

    gaps_before: int
    rsts: Misfits = field(default_factory=Misfits)
    syns: Misfits = field(default_factory=Misfits)
    last_rst: tuple[int, int] | None = None

    def settle(self) -> None:
        """The last RST had no effect."""
        if self.last_rst is not None:
            self.rsts.add(*self.last_rst)
        self.last_rst = None


class Challenges:
    """Feed it joined events that are of a connection."""

    def __init__(self, schema: Schema, gaps: Gaps) -> None:
        self._gaps = gaps
        self._synchronized = frozenset(schema.numbers_of("state", *SYNCHRONIZED))
        self._closed = schema.numbers_of("state", CLOSED)
        self._kept: Kept[Challenged] = Kept(lambda one: False)

    def feed(self, event: Event) -> None:
        """The next event, not a mark and not a loss."""
        if event.kind == "ack":
            if event["seg_flags"] & (RST | SYN) and event["state"] in self._synchronized:
                self._came(event)
        elif event.kind == "reset_received" or (
                event.kind == "state" and event["state"] in self._closed):
            one = self._kept.get(event.key)
            if one is not None:
                one.last_rst = None

    def _came(self, event: Event) -> None:
        is_rst = event["seg_flags"] & RST
        if not is_rst and not isns_differ(event["seg_seq"], event["rcv_isn"] or None):
            return
        one = self._kept.get(event.key) or self._kept.add(
            event.key, Challenged(self._gaps.number))
        if one.gaps_before != self._gaps.number:
            one.last_rst = None
            one.gaps_before = self._gaps.number
        one.settle()
        seen = event["time_ns"], distance(event["seg_seq"], event["rcv_nxt"])
        if is_rst:
            one.last_rst = seen
        else:
            one.syns.add(*seen)

    def of(self, key: int) -> Challenged | None:
        """What came for a connection, up to the end."""
        one = self._kept.get(key)
        if one is not None and self._gaps.is_whole_since(one.gaps_before) \
                and len(self._gaps.lacks("reset_received", "state")) < 2:
            one.settle()
        return one
