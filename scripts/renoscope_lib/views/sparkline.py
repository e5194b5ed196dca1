# SPDX-License-Identifier: GPL-2.0
"""Small charts of text: a value over time, a few lines high.

A column is a stretch of time. It is full up to the lowest value in it and shaded from
there to the highest, so that a peak or a fall shorter than a column shows all the same.
A column of which nothing is known is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..tcp.steps import Step

EIGHTHS = 8


@dataclass(frozen=True)
class Blocks:
    """What a chart is made of: from empty to full, and what a range is shaded with."""

    levels: str
    range: str


UNICODE = Blocks(" ▁▂▃▄▅▆▇█", "░")
ASCII = Blocks(" ..::==##", "|")


class Column(NamedTuple):
    """The lowest and the highest value in a stretch of time."""

    low: int
    high: int


@dataclass(frozen=True)
class Scale:
    """Which column a moment is in."""

    began_ns: int
    ended_ns: int
    columns: int

    def column(self, time_ns: int) -> int:
        """The column of a moment; what is outside belongs to the outermost."""
        span = max(1, self.ended_ns - self.began_ns)
        place = (time_ns - self.began_ns) * self.columns // span
        return min(max(place, 0), self.columns - 1)

    def stretch(self, began_ns: int, ended_ns: int) -> range:
        """The columns from one moment to another, that of the end only if it is in it."""
        first = self.column(began_ns)
        return range(first, max(first, self.column(max(began_ns, ended_ns - 1))) + 1)


def columns(steps: Iterable[Step], scale: Scale) -> list[Column | None]:
    """The range of values in each column, None where none is known."""
    found: list[Column | None] = [None] * scale.columns
    for step in steps:
        if step.value is None:
            continue
        for place in scale.stretch(step.began_ns, step.ended_ns):
            so_far = found[place]
            found[place] = Column(step.value, step.value) if so_far is None else Column(
                min(so_far.low, step.value), max(so_far.high, step.value))
    return found


def chart(values: Sequence[Column | None], highest: int, rows: int,
          blocks: Blocks) -> list[str]:
    """The lines of a chart, from the top; its bottom is 0."""
    return ["".join(_cell(value, highest, rows, row, blocks) for value in values)
            for row in reversed(range(rows))]


def _cell(value: Column | None, highest: int, rows: int, row: int,
          blocks: Blocks) -> str:
    if value is None:
        return " "
    low, high = (_level(number, highest, rows) - row * EIGHTHS for number in value)
    if low >= EIGHTHS:
        return blocks.levels[-1]
    if high <= 0:
        return " "
    if high <= EIGHTHS and (low > 0 or value.low == value.high):
        return blocks.levels[high]
    return blocks.levels[low] if low > 0 else blocks.range


def _level(number: int, highest: int, rows: int) -> int:
    """A value in eighths of a line; the smallest that is not 0 is seen."""
    full = rows * EIGHTHS
    return min(full, max(1, round(number * full / highest))) if number else 0
