# SPDX-License-Identifier: GPL-2.0
"""What changes over time, in bounded room: values, spans, and marks.

A value is kept where it changes, and holds until the next change. If there are too
many, time is cut into equal buckets, and of each the first, the lowest, the highest
and the last stay: drawn as steps that is the same picture, and no peak and no fall is
lost. Of spans the shortest go, into the span before; marks of one bucket become one,
with their number.

A hole is a time of which nothing is known. It is kept as a value of its own, so that
nothing is ever drawn across it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from .kept import Packable

# Points kept of one line; after thinning it is half of them or less.
MOST_POINTS = 3000
MOST_SPANS = 1000
MOST_MARKS = 1000

# First, lowest, highest, last, and one hole.
OF_A_BUCKET = 5

HOLE = -1


class Step(NamedTuple):
    """From one time to another it was so; a value of None is a hole."""

    began_ns: int
    ended_ns: int
    value: int | None


def _bucket_ns(span_ns: int, buckets: int) -> int:
    """The width with which a span of time makes so many buckets at the most.

    A power of two: wider buckets are made of whole narrower ones, so that what is
    first, lowest, highest and last stays exact however often it is thinned.
    """
    return 1 << (span_ns // buckets).bit_length()


@dataclass(slots=True)
class Line(Packable):
    """One number over time; bucket_ns is the thinned buckets' width, 0 if all is kept."""

    times: array[int] = field(default_factory=lambda: array("Q"))
    values: array[int] = field(default_factory=lambda: array("q"))
    bucket_ns: int = 0

    def add(self, time_ns: int, value: int) -> None:
        """From this time on it is so."""
        if self.values and self.values[-1] == value:
            return
        self.times.append(max(time_ns, self.times[-1] if self.times else 0))
        self.values.append(value)
        if len(self.times) > MOST_POINTS:
            self._thin()

    def break_off(self, time_ns: int) -> None:
        """From this time on it is not known."""
        if self.values:
            self.add(time_ns, HOLE)

    def settle(self) -> None:
        """If it was ever thinned: the same width everywhere."""
        if self.bucket_ns:
            self._thin()

    def _thin(self) -> None:
        began, ended = self.times[0], self.times[-1]
        self.bucket_ns = max(self.bucket_ns, _bucket_ns(
            ended - began, MOST_POINTS // (2 * OF_A_BUCKET)))
        kept: list[int] = []
        for _, places in groupby(range(len(self.times)), key=lambda place: (
                self.times[place] - began) // self.bucket_ns):
            kept += self._outline(list(places))
        self.times = array("Q", (self.times[place] for place in kept))
        self.values = array("q", (self.values[place] for place in kept))

    def _outline(self, places: list[int]) -> list[int]:
        """Of a bucket the points that its picture needs."""
        known = [place for place in places if self.values[place] != HOLE]
        holes = [place for place in places if self.values[place] == HOLE]
        wanted = set()
        if known:
            wanted = {known[0], known[-1], min(known, key=self.values.__getitem__),
                      max(known, key=self.values.__getitem__)}
        if holes:
            wanted.add(max(holes, key=self._length))
        return sorted(wanted)

    def _length(self, place: int) -> int:
        following = place + 1
        return (self.times[following] - self.times[place]
                if following < len(self.times) else 0)

    def steps(self, end_ns: int) -> Iterator[Step]:
        """Each value with its time; the last one until end_ns."""
        for place, (began, value) in enumerate(zip(self.times, self.values)):
            following = place + 1
            ended = self.times[following] if following < len(self.times) else end_ns
            yield Step(began, max(began, ended), None if value == HOLE else value)

    def known(self) -> Iterator[int]:
        """All values that are none of a hole."""
        return (value for value in self.values if value != HOLE)


class Span(NamedTuple):
    """From one time to another it was so; an empty word is a hole."""

    began_ns: int
    ended_ns: int
    word: str


@dataclass(slots=True)
class Spans(Packable):
    """One word over time; those shorter than shortest_ns may be missing."""

    changes: list[tuple[int, str]] = field(default_factory=list)
    shortest_ns: int = 0

    def add(self, time_ns: int, word: str) -> None:
        """From this time on it is so."""
        if self.changes and self.changes[-1][1] == word:
            return
        self.changes.append((max(time_ns, self.changes[-1][0] if self.changes else 0),
                             word))
        if len(self.changes) > MOST_SPANS:
            while len(self.changes) > MOST_SPANS // 2:
                self._thin()

    def break_off(self, time_ns: int) -> None:
        """From this time on it is not known."""
        if self.changes:
            self.add(time_ns, "")

    def _thin(self) -> None:
        began, ended = self.changes[0][0], self.changes[-1][0]
        self.shortest_ns = max(2 * self.shortest_ns,
                               _bucket_ns(ended - began, 2 * MOST_SPANS))
        kept = self.changes[:1]
        for (at, word), (until, _) in zip(self.changes[1:], self.changes[2:]):
            if word != kept[-1][1] and until - at >= self.shortest_ns:
                kept.append((at, word))
        if self.changes[-1][1] != kept[-1][1]:
            kept.append(self.changes[-1])
        self.changes = kept

    def spans(self, end_ns: int) -> Iterator[Span]:
        """Each with its time; the last one until end_ns."""
        ends = [at for at, _ in self.changes[1:]] + [end_ns]
        for (began, word), ended in zip(self.changes, ends):
            yield Span(began, max(began, ended), word)


@dataclass(slots=True)
class Mark(Packable):
    """Something happened, so often from that time on."""

    time_ns: int
    what: str
    count: int = 1


@dataclass(slots=True)
class Marks(Packable):
    """What happened, in order; what lay within bucket_ns of each other is one."""

    all: list[Mark] = field(default_factory=list)
    bucket_ns: int = 0

    def add(self, time_ns: int, what: str) -> None:
        """Something happened."""
        self.all.append(Mark(time_ns, what))
        if len(self.all) > MOST_MARKS:
            while len(self.all) > MOST_MARKS // 2:
                self._thin()

    def settle(self) -> None:
        """If marks were ever joined: everywhere alike."""
        if self.bucket_ns:
            self._join()

    def _thin(self) -> None:
        span_ns = self.all[-1].time_ns - self.all[0].time_ns
        self.bucket_ns = max(2 * self.bucket_ns, _bucket_ns(span_ns, MOST_MARKS))
        self._join()

    def _join(self) -> None:
        joined: dict[tuple[int, str], Mark] = {}
        for mark in self.all:
            key = mark.time_ns // self.bucket_ns, mark.what
            if key in joined:
                joined[key].count += mark.count
            else:
                joined[key] = mark
        self.all = list(joined.values())
