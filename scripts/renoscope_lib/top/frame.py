# SPDX-License-Identifier: GPL-2.0
"""What an interval of `top` showed, for whoever tells it: a table, a screen, a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..views.listeners import Listener


class Connection(NamedTuple):
    """A connection in one interval; what ends in _now counts in it alone."""

    cookie: int
    netns: int
    family: int
    state: str
    may_have_ended: bool
    heard: bool
    local: str
    remote: str
    again_now: int
    again: int
    again_as_told: int | None
    cause: str
    lost: int
    unacked: int
    srtt_us: int
    rttvar_us: int
    min_rtt_us: int
    cwnd: int
    ssthresh: int
    ca_state: str
    rto_us: int
    backoff: int
    acked_now: int
    acked: int
    received_now: int
    received: int

    @property
    def again_in_all(self) -> int:
        """Since it began if the kernel told, or else as far as it was seen."""
        return max(self.again, self.again_as_told or 0)


class Tally(NamedTuple):
    """What is counted of a listener."""

    syns: int = 0
    completed: int = 0
    accepted: int = 0
    synacks_sent_again: int = 0
    refused: int = 0
    cookies_sent: int = 0
    expired: int = 0

    @classmethod
    def of(cls, listener: Listener) -> Tally:
        """As it stands."""
        return cls(listener.syns, listener.completed, listener.accepted,
                   listener.synacks_again, listener.refused,
                   listener.cookies_sent, listener.endings["expired"])

    def since(self, before: Tally) -> Tally:
        """The difference."""
        return Tally(*(now - then for now, then in zip(self, before)))


class Listening(NamedTuple):
    """A listener in one interval."""

    cookie: int
    netns: int
    address: str
    half_open: int
    half_open_peak: int
    accept_queue: int
    accept_queue_peak: int
    limit: int | None
    now: Tally
    in_all: Tally
    reasons_now: Mapping[str, int]
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class Frame:
    """All that an interval showed; `is_history` if it is from before watching began."""

    from_ns: int
    until_ns: int
    first_ns: int | None
    is_history: bool
    events: int
    lost_now: int
    lost: int
    states: Mapping[str, int]
    connections: list[Connection]
    listeners: list[Listening]
    others: int
    forgotten: int
    notes: list[str] = field(default_factory=list)
    listeners_forgotten: int = 0

    @property
    def took_s(self) -> float:
        """How long it was."""
        return (self.until_ns - self.from_ns) / 1e9

    def per_second(self, count: float) -> float:
        """A count of this interval as a rate; 0 if it had no length."""
        return count / self.took_s if self.took_s > 0 else 0.0
