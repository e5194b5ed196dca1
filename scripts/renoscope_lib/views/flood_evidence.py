# SPDX-License-Identifier: GPL-2.0
"""What a listener went through, and the numbers that a verdict is made from.

synflood.py counts it, event by event; flood_verdict.py says what the numbers mean.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from ..words import is_unset
from .listeners import Listener

# The kernel counts a request as young until its timer first fires, 1 s after
# the SYN-ACK: by then even a slow path has brought an answer.
ANSWER_NS = 1_000_000_000

# The half-open queue is sampled so often, and its growth is that of so long.
SAMPLE_NS = 100_000_000
GROWTH_NS = 1_000_000_000


@dataclass(slots=True)
class Pending:
    """A SYN-ACK that waits for its ACK."""

    since_ns: int
    proven: bool = False
    repeated: bool = False
    fast_open: bool = False
    closed_early: bool = False  # Fast Open's child is in FIN-WAIT-1
    again: bool = False
    reset: bool = False

    @property
    def cannot_tell(self) -> bool:
        """FIN-WAIT-1 may last; its timer sends again only what was not answered."""
        return self.closed_early and not self.again


@dataclass(slots=True)
class Growth:
    """The most that a queue grew in a second; a shorter rise counts as one."""

    steepest: float = 0.0
    last_ns: int | None = None
    rising: deque[tuple[int, int]] = field(default_factory=deque)  # the lowest first

    def see(self, now_ns: int, length: int) -> None:
        """Its length at some moment, unless the last one is a moment ago."""
        if self.last_ns is not None and now_ns - self.last_ns < SAMPLE_NS:
            return
        self.last_ns = now_ns
        rising = self.rising
        while rising and now_ns - rising[0][0] > GROWTH_NS:
            rising.popleft()
        if rising:
            self.steepest = max(self.steepest, float(length - rising[0][1]))
        while rising and rising[-1][1] >= length:
            rising.pop()
        rising.append((now_ns, length))


@dataclass
class Pressure:
    """What one listener went through."""

    listener: Listener
    pending: dict[Any, Pending] = field(default_factory=dict)
    answered: int = 0
    unanswered: int = 0
    proven: int = 0
    repeated: int = 0
    expired: int = 0  # Fast Open's children; requests are in the listener's counts
    resets: int = 0
    syns: int = 0
    sources: Counter[bytes] = field(default_factory=Counter)
    growth: Growth = field(default_factory=Growth)
    first_syn_ns: int = 0
    last_syn_ns: int = 0


@dataclass(frozen=True)
class Evidence:
    """The numbers that a verdict is made from."""

    syns: int
    syns_per_s: float
    half_open: int
    half_open_peak: int
    limit: int | None
    old_half_open: int
    growth_per_s: float
    answered: int
    unanswered: int
    repeated: int
    proven: int
    sources: int
    networks: int
    syns_of_others: int
    busiest_share: float
    source_entropy: float
    expired: int
    resets: int
    cookies_sent: int
    cookies_valid: int
    cookies_invalid: int
    refused_half_open: int
    refused_accept: int
    quiet_us: int

    @property
    def decided(self) -> int:
        """SYN-ACKs of which we know, or may fairly say, what became."""
        return self.answered + self.unanswered

    @property
    def overfull(self) -> bool:
        """Whether the half-open queue took more than its limit, where it is known."""
        return self.limit is not None and self.half_open_peak > self.limit

    @property
    def completing(self) -> float | None:
        """The share of SYN-ACKs that were answered."""
        return self.answered / self.decided if self.decided else None

    @property
    def at_least(self) -> str:
        """Before a count of addresses: there were too many to tell them all."""
        return "at least " if self.syns_of_others else ""


def _network(address: bytes) -> bytes:
    """The /24 of an IPv4 address, the /64 of an IPv6 one."""
    return address[:15] if address[:12] == bytes(10) + b"\xff\xff" else address[:8]


def normalized_entropy(counts: Counter[bytes]) -> float:
    """Shannon's, of the sources' shares: 1 if all are alike, 0 if there is one."""
    total = sum(counts.values())
    if len(counts) < 2:
        return 0.0
    bits = -sum(n / total * math.log2(n / total) for n in counts.values())
    return bits / math.log2(len(counts))


def evidence_of(pressure: Pressure, end_ns: int) -> Evidence:
    """The numbers, as they stand at end_ns."""
    listener = pressure.listener
    old = {key: p for key, p in pressure.pending.items()
           if end_ns - p.since_ns >= ANSWER_NS and not p.cannot_tell}
    unproven = [p for p in old.values() if not p.proven]
    # of a cookie, which goes by its ends, nothing waits; Fast Open's has no request
    waiting = sum(isinstance(key, int) and not p.proven and not p.fast_open
                  for key, p in old.items())
    seconds = max((pressure.last_syn_ns - pressure.first_syn_ns) / 1e9, 1.0)
    sources = pressure.sources
    syns = pressure.syns
    return Evidence(
        syns=syns, syns_per_s=syns / seconds,
        half_open=listener.half_open.now,
        half_open_peak=listener.half_open.peak, limit=listener.limit,
        old_half_open=waiting,
        growth_per_s=pressure.growth.steepest,
        answered=pressure.answered + len(old) - len(unproven),
        unanswered=pressure.unanswered + len(unproven),
        repeated=pressure.repeated + sum(p.repeated for p in unproven),
        proven=pressure.proven + len(old) - len(unproven),
        sources=len(sources),
        networks=len({_network(a) for a in sources if not is_unset(a)}),
        syns_of_others=syns - sum(sources.values()),
        busiest_share=max(sources.values(), default=0) / syns if syns else 0.0,
        source_entropy=normalized_entropy(sources),
        expired=listener.endings["expired"] + pressure.expired,
        resets=listener.resets + pressure.resets,
        cookies_sent=listener.cookies_sent,
        cookies_valid=listener.cookies["valid"],
        cookies_invalid=listener.cookies["invalid"],
        refused_half_open=(listener.refused_syns["half_open_queue_full"]
                           + listener.refused_syns["unproven_peer"]),
        refused_accept=(listener.refused_syns["accept_queue_full"]
                        + listener.refused_acks["accept_queue_full"]),
        quiet_us=((end_ns - pressure.last_syn_ns) // 1000 if pressure.last_syn_ns
                  else 0))
