# SPDX-License-Identifier: GPL-2.0
"""Time cut into intervals, by the events' own clock.

An interval ends with the first event behind it.  While nothing comes, it ends when
the clock says so, which is this machine's, or that of the machine whose events come
through a pipe: how far the two are apart is learnt from the events, as none can come
before it happened.

What the ring or a recording holds from before watching began is an interval of its
own, the first, however long; a quiet time is one, too, however long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import takewhile

from ..recording.inputs import Input
from ..ring.schema import OWN_KINDS, Schema
from .frame import Frame
from .top import Top


class StreamClock:
    """What time it is where the events come from."""

    def __init__(self, start_ns: int,
                 here_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._here_ns = here_ns
        self._ahead_ns = here_ns() - start_ns

    def see(self, event_ns: int) -> None:
        """An event has come."""
        self._ahead_ns = min(self._ahead_ns, self._here_ns() - event_ns)

    def now_ns(self) -> int:
        """Now, there."""
        return self._here_ns() - self._ahead_ns


def _bytes_before(schema: Schema, records: bytes, boundary_ns: int) -> int:
    """How many bytes of the records lie before a moment."""
    times = map(schema.time_of, schema.each(records))
    before = sum(1 for _ in takewhile(lambda time_ns: time_ns < boundary_ns, times))
    return before * schema.record_bytes


class Intervals:
    """Feeds a view with all that a source has, and ends its intervals."""

    def __init__(self, source: Input, view: Top, every_ns: int | None,
                 begins_ns: int, clock: StreamClock) -> None:
        """every_ns None: one interval alone; begins_ns 0: with the first event."""
        self._source = source
        self._view = view
        self._every_ns = every_ns
        self._boundary_ns = begins_ns
        self._history = begins_ns > 0
        self._clock = clock
        self.behind_ns = 0

    def frames(self) -> Iterator[Frame | None]:
        """Each interval as it ends; None says that some more was read, or nothing.

        What is left when the source ends is a shorter one.
        """
        for records in self._source.records():
            if self._every_ns is None:
                self._view.take(records)
            else:
                yield from self._cut(records)
            yield None
        end_ns = self._source.end_ns() or 0
        if self._every_ns is not None:
            yield from self._advance(end_ns - 1)
        yield self._end(end_ns)

    def _end(self, until_ns: int) -> Frame:
        self._view.gaps.see_sources(self._source.stats())
        frame = self._view.end_interval(until_ns, self._history)
        self._history = False
        return frame

    def _cut(self, records: bytes) -> Iterator[Frame]:
        schema = self._source.schema
        if not records:
            if self._source.follows:
                self.behind_ns = 0
                yield from self._advance(self._clock.now_ns())
            return
        newest_ns = schema.time_of(records[-schema.record_bytes:])
        self._clock.see(newest_ns)
        if self._source.follows:
            self.behind_ns = max(self._clock.now_ns() - newest_ns, 0)
        if not self._boundary_ns:
            self._begin(records)
        while self._boundary_ns and newest_ns >= self._boundary_ns:
            before = _bytes_before(schema, records, self._boundary_ns)
            self._view.take(records[:before])
            records = records[before:]
            yield from self._advance(schema.time_of(records[:schema.record_bytes]))
        self._view.take(records)

    def _begin(self, records: bytes) -> None:
        """With the first event: what a recorder says of itself is no beginning."""
        schema = self._source.schema
        for kind, record in zip(schema.kinds_of(records), schema.each(records)):
            if schema.kinds.get(kind) not in OWN_KINDS:
                self._boundary_ns = schema.time_of(record) + (self._every_ns or 0)
                return

    def _advance(self, now_ns: int) -> Iterator[Frame]:
        """End what has ended by now; the boundary then lies ahead."""
        if not self._boundary_ns or now_ns < self._boundary_ns:
            return
        assert self._every_ns is not None
        yield self._end(self._boundary_ns)
        quiet = (now_ns - self._boundary_ns) // self._every_ns
        if quiet:
            self._boundary_ns += quiet * self._every_ns
            yield self._end(self._boundary_ns)
        self._boundary_ns += self._every_ns
