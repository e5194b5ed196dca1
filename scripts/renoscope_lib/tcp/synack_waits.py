# SPDX-License-Identifier: GPL-2.0
"""How long a SYN-ACK, or a SYN, waited before it was sent again, and should have.

The wait seen is the time since the SYN-ACK before; the wait predicted is what
the module computed when that one was sent.  Both need the event before, so
whoever shows a retransmit asks here, with every retransmit in order.

A timer may fire and send nothing: the last ACK had come, and TCP_DEFER_ACCEPT waits
for data (reqsk_timer_handler(): it drops a request whose SYN-ACK it cannot send).
Then the wait seen is that of several timers, each twice as long as the one before.

A SYN's own timer is simpler: when it is sent again, rto_us is still the wait
that has just ended (the kernel doubles it afterwards).  Not every wait doubles:
from 6.5 on one more than tcp_syn_linear_timeouts, the first, are all of 1 s.

Which wait of a SYN-ACK is the last is decided when it ends: reqsk_timer_handler()
allows fewer timeouts while more than half of the backlog is half-open.  So what
max_retries says of such a queue holds only if the queue is as crowded then.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ring.schema import Event
from .kernel_timers import doubled_us
from .kept import remember
from .sequence import MODULUS

TIMER = "timer"
DUPLICATE_SYN = "duplicate SYN"

# Requests remembered at once; a SYN flood makes any number of them.
REMEMBERED = 100_000

# reqsk_timer_handler() takes a smaller backlog for this.
LEAST_BACKLOG = 8


@dataclass(frozen=True)
class Wait:
    """One retransmit; None where the event before was not seen.

    predicted_us is None as well if a duplicate SYN caused it: the timer had
    not ended, so there was nothing to meet.  After the last wait the request is given
    up; is_last_if_crowded says that it is if the queue is still as crowded.
    """

    attempt: int
    by: str
    waited_us: int | None
    predicted_us: int | None
    next_us: int
    is_last: bool
    is_last_if_crowded: bool


@dataclass(frozen=True)
class SynWait:
    """A SYN sent again; waited_us is None where the one before was not seen.

    had_data tells of Fast Open's, which counts as sent although it goes no more.
    """

    time_ns: int
    attempt: int
    waited_us: int | None
    predicted_us: int
    had_data: bool

    @classmethod
    def of(cls, event: Event, attempt: int, last_ns: int | None) -> SynWait:
        """From the retransmit event, and the time of the SYN before it."""
        waited = None if last_ns is None else (event["time_ns"] - last_ns) // 1000
        had_data = (event["snd_nxt"] - event["snd_una"]) % MODULUS > 1
        return cls(event["time_ns"], attempt, waited, event["rto_us"], had_data)


def ack_was_deferred(event: Event) -> bool:
    """Whether a request's timer fired without sending: its last ACK had come.

    Of an event with the counts of a request; Fast Open's has no such timer, and no listener.
    """
    return (event["num_timeout"] > event["num_retrans"]
            and bool(event.values.get("listener", 1)))


def _timers_us(event: Event, first: int) -> int:
    """What the timers wait, from the one with that number to the one that fired now."""
    return sum(doubled_us(event["synack_timeout_us"], number)
               for number in range(first, event["num_timeout"] + 1))


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
        may_be_last = event["num_timeout"] + by_timer >= event["max_retries"]
        crowded = _is_crowded(event)
        return Wait(
            attempt=event["num_retrans"] + 1,
            by=TIMER if by_timer else DUPLICATE_SYN,
            waited_us=waited,
            predicted_us=predicted if by_timer else None,
            next_us=event["rto_us"],
            is_last=may_be_last and not crowded,
            is_last_if_crowded=may_be_last and crowded,
        )

    @staticmethod
    def _before(event: Event,
                previous: Event | None) -> tuple[int | None, int | None]:
        """The wait that ended with this event: seen, predicted."""
        if event["num_retrans"] == 0:
            return event["since_synack_us"] or None, _timers_us(event, 0)
        if previous and previous["num_retrans"] + 1 == event["num_retrans"]:
            seen_ns = event["time_ns"] - previous["time_ns"]
            following = previous["num_timeout"] + previous["by_timer"] + 1
            return seen_ns // 1000, previous["rto_us"] + _timers_us(event, following)
        return None, None


def _is_crowded(event: Event) -> bool:
    """Whether the kernel was less patient with requests, for want of room."""
    return 2 * event["half_open"] > max(LEAST_BACKLOG, event["accept_limit"])
