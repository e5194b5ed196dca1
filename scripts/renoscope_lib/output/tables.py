# SPDX-License-Identifier: GPL-2.0
"""Plain text tables for people: columns, and the words that explain them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..words import wall_clock

# What a person's terminal is taken to have.
COLUMNS = 100


def aligned(rows: Iterable[Sequence[str]], right: Iterable[int] = (),
            indent: int = 0) -> list[str]:
    """Rows of cells to lines; the columns named in `right` end flush."""
    table = [tuple(row) for row in rows]
    return list(aligned_twice(lambda: table, right, indent))


def aligned_twice(rows: Callable[[], Iterable[Sequence[str]]],
                  right: Iterable[int] = (), indent: int = 0) -> Iterator[str]:
    """The same of rows too many to hold: they are asked for twice."""
    flush = frozenset(right)
    widths: list[int] = []
    for row in rows():
        widths = [max(pair) for pair in zip(
            map(len, row), widths or [0] * len(row))]
    for row in rows():
        yield " " * indent + "  ".join(
            cell.rjust(width) if i in flush else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths))).rstrip()


def note(text: str, indent: str = "", first: str | None = None) -> list[str]:
    """A sentence or more, wrapped; `first` is what its first line begins with."""
    return textwrap.wrap(text, COLUMNS, break_long_words=False,
                         break_on_hyphens=False, subsequent_indent=indent,
                         initial_indent=indent if first is None else first)


def labelled(label: str, text: str, width: int = 18) -> list[str]:
    """`  label   text`, the text wrapped under itself."""
    return note(text, " " * width, f"  {label:<{width - 2}}")


def seconds(time_ns: int | None, first_ns: int | None) -> str:
    """A time counted from the first event, as `renoscope show` counts it."""
    if time_ns is None or first_ns is None:
        return "?"
    return f"{(time_ns - first_ns) / 1e9:.6f}"


def moment(time_ns: int | None, first_ns: int | None, wall_offset_ns: int | None) -> str:
    """The same, or where the wall clock is told its time, as `show --absolute` has it."""
    if wall_offset_ns is None or time_ns is None:
        return seconds(time_ns, first_ns)
    return wall_clock(time_ns + wall_offset_ns)


def and_more(left_out: int, of_them: str = "") -> list[str]:
    """A line on what --limit leaves out; none if that is nothing."""
    if left_out <= 0:
        return []
    more = f"more, {of_them}" if of_them else "more"
    return [f"... and {left_out} {more}: --limit 0 shows all, --json too"]
