# SPDX-License-Identifier: GPL-2.0
"""How long a SYN-ACK, or a SYN, waited before it was sent again, and should have.

The wait seen is the time since the SYN-ACK before; the wait predicted is what
the module computed when that one was sent.  Both need the event before, so
whoever shows a retransmit asks here, with every retransmit in order.

A SYN's own timer is simpler: when it is sent again, rto_us is still the wait
that has just ended (the kernel doubles it afterwards).  Not every wait doubles:
from 6.5 on one more than tcp_syn_linear_timeouts, the first, are all of 1 s.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ring.schema import Event
from .kept import remember

TIMER = "timer"
DUPLICATE_SYN = "duplicate SYN"

# Requests remembered at once; a SYN flood makes any number of them.
REMEMBERED = 100_000


@dataclass(frozen=True)
class Wait:
    """One retransmit; None where the event before was not seen.

    predicted_us is None as well if a duplicate SYN caused it: the timer had
    not ended, so there was nothing to meet.
    """

    attempt: int
    by: str
    waited_us: int | None
    predicted_us: int | None
    next_us: int
    is_last: bool


@dataclass(frozen=True)
class SynWait:
    """A SYN sent again; waited_us is None where the one before was not seen."""

    time_ns: int
    attempt: int
    waited_us: int | None
    predicted_us: int

    @classmethod
    def of(cls, event: Event, attempt: int, last_ns: int | None) -> SynWait:
        """From the retransmit event, and the time of the SYN before it."""
        waited = None if last_ns is None else (event["time_ns"] - last_ns) // 1000
        return cls(event["time_ns"], attempt, waited, event["rto_us"])


class SynackWaits:
    """Remembers the last retransmit of each request."""

    def __init__(self) -> None:
        self._previous: dict[tuple[int, ...], Event] = {}

    def see(self, event: Event) -> Wait:
        """The next synack_retransmit event."""
        key = (event["cookie"], event["netns"], event["local_port"],
               event["remote_port"], event["snd_isn"])
        waited, predicted = self._before(event, self._previous.pop(key, None))
        remember(self._previous, key, event, REMEMBERED)
        by_timer = bool(event["by_timer"])
        timeouts = event["num_timeout"] + by_timer
        return Wait(
            attempt=event["num_retrans"] + 1,
            by=TIMER if by_timer else DUPLICATE_SYN,
            waited_us=waited,
            predicted_us=predicted if by_timer else None,
            next_us=event["rto_us"],
            is_last=timeouts >= event["max_retries"],
        )

    @staticmethod
    def _before(event: Event,
                previous: Event | None) -> tuple[int | None, int | None]:
        """The wait that ended with this event: seen, predicted."""
        if event["num_retrans"] == 0:
            return event["since_synack_us"] or None, event["synack_timeout_us"]
        if previous and previous["num_retrans"] + 1 == event["num_retrans"]:
            seen_ns = event["time_ns"] - previous["time_ns"]
            return seen_ns // 1000, previous["rto_us"]
        return None, None
