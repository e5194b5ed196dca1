# SPDX-License-Identifier: GPL-2.0
"""When each end sent again, for its peer's end, which may have missed that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ..ring.schema import Event
from ..tcp.flows import ends_of
from ..tcp.kept import remember

# Ends remembered, the latest ones, and how often each sent again since anything of it
# was acknowledged.
MOST_ENDS = 10_000
MOST_TIMES = 64

Ends = tuple[bytes, int, bytes, int]


class Again(NamedTuple):
    """It sent again."""

    cookie: int
    time_ns: int


@dataclass(slots=True)
class _Unacknowledged:
    """When it sent again, since anything of it was acknowledged."""

    cookie: int
    snd_una: int
    times_ns: list[int] = field(default_factory=list)


def _ends(event: Event) -> Ends:
    """Both, in whatever namespace: the peer's may be another one."""
    return ends_of(event)[1:]


class SentAgain:
    """Feed it what ends send again, and ask it at the other end."""

    def __init__(self) -> None:
        self._by_ends: dict[Ends, _Unacknowledged] = {}

    def see(self, event: Event) -> None:
        """It sends again, or tries to."""
        ends = _ends(event)
        known = self._by_ends.get(ends)
        if known is None or (known.cookie, known.snd_una) != (
                event["cookie"], event["snd_una"]):
            known = _Unacknowledged(event["cookie"], event["snd_una"])
            remember(self._by_ends, ends, known, MOST_ENDS)
        if len(known.times_ns) < MOST_TIMES:
            known.times_ns.append(event["time_ns"])

    def by_peer(self, event: Event, after_ns: int) -> Again | None:
        """The first time after that moment that the peer's end sent again."""
        ends = _ends(event)
        known = self._by_ends.get(ends[2:] + ends[:2])
        if known is None or known.cookie == event["cookie"]:
            return None
        return next((Again(known.cookie, time_ns) for time_ns in known.times_ns
                     if time_ns > after_ns), None)
