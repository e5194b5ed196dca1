# SPDX-License-Identifier: GPL-2.0
"""What sections are built of: tables, small bars, lists of facts."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .markup import Child, Html, join, tag
from .values import code, counted

T = TypeVar("T")

# Rows of a table that a person reads; --limit sets another number.
ROWS = 50

# From so many columns on a table takes all the width there is.
WIDE = 7


@dataclass(frozen=True)
class Column:
    """A column's head; numbers stand flush right, and prose may break its lines."""

    name: str
    is_number: bool = False
    meaning: str = ""
    is_prose: bool = False

    @property
    def css_class(self) -> str | None:
        """How its cells are set."""
        return "n" if self.is_number else "prose" if self.is_prose else None


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and the number it is sorted by if that is another."""

    shown: Child
    key: float | None = None


def number(name: str, meaning: str = "") -> Column:
    """A column of numbers."""
    return Column(name, True, meaning)


def prose(name: str) -> Column:
    """A column of sentences."""
    return Column(name, is_prose=True)


def _head(column: Column) -> Html:
    return tag("th", column.name, scope="col", title=column.meaning or None,
               class_=column.css_class)


def _shown(cell: Child | Cell) -> Child:
    return cell.shown if isinstance(cell, Cell) else cell


def _cell(column: Column, cell: Child | Cell, is_first: bool) -> Html:
    key = cell.key if isinstance(cell, Cell) else None
    return tag("th" if is_first else "td", _shown(cell),
               scope="row" if is_first else None, class_=column.css_class, data_key=key)


def table(caption: str, columns: Sequence[Column],
          rows: Iterable[Sequence[Child | Cell]], note: Child = None,
          more: Html | None = None, total: Sequence[Child] = ()) -> Html:
    """A table in a box that scrolls if it is too wide; empty columns are left out.

    `note` says how to read it, `more` what it leaves out.
    """
    cells = [tuple(row) for row in rows]
    full = [n for n in range(len(columns)) if n == 0 or any(
        _shown(row[n]) not in ("", None) for row in cells)]

    def line(row: Sequence[Child | Cell]) -> Html:
        return tag("tr", [_cell(columns[n], row[n], n == 0) for n in full])

    classes = ["wide"] * (len(full) >= WIDE) + ["sorts"] * (len(cells) > 2)
    whole = tag("table", tag("caption", caption),
                tag("thead", tag("tr", [_head(columns[n]) for n in full])),
                tag("tbody", map(line, cells)),
                tag("tfoot", line(total)) if total else None,
                class_=" ".join(classes) or None)
    return join(tag("div", whole, class_="scroll", tabindex="0", role="region",
                    aria_label=caption),
                more, tag("p", note, class_="note") if note else None)


def most(items: Iterable[T], limit: int,
         weight: Callable[[T], Any]) -> tuple[list[T], int]:
    """The weightiest, and how many others there are; a limit of 0 takes all."""
    left_out = 0

    def counting() -> Iterable[T]:
        nonlocal left_out
        for item in items:
            left_out += 1
            yield item

    if not limit:
        kept = sorted(counting(), key=weight, reverse=True)
    else:
        kept = heapq.nlargest(limit, counting(), key=weight)
    return kept, left_out - len(kept)


def and_more(left_out: int, command: str, noun: str) -> Html | None:
    """A line on what is left out, and which command tells it; None if nothing is."""
    if not left_out:
        return None
    return tag("p", "and ", counted(left_out, noun), " more; see ", code(command),
               class_="more")


def facts(*pairs: tuple[Child, Child]) -> Html:
    """A list of names and what they are."""
    return tag("dl", [join(tag("dt", name), tag("dd", what))
                      for name, what in pairs])


@dataclass(frozen=True)
class Section:
    """A part of the page; of a quiet one there is nothing to tell but that."""

    anchor: str
    title: str
    content: Html
    is_quiet: bool = False

    def html(self) -> Html:
        """With its heading."""
        heading = f"{self.anchor}-title"
        return tag("section", tag("h2", self.title, id=heading), self.content,
                   id=self.anchor, aria_labelledby=heading)


def section(anchor: str, title: str, *children: Child) -> Section:
    """A section that has something to tell."""
    return Section(anchor, title, join(children))


def quiet(anchor: str, title: str, *said: Child) -> Section:
    """One of which there is a sentence to say."""
    return Section(anchor, title, join(said), is_quiet=True)


def bar(part: float, whole: float, is_bad: bool = False) -> Html:
    """How large a share is; the number stands beside it."""
    width = 100 * part / whole if whole else 0
    return tag("svg",
               tag("rect", x="0", y="0", height="8", width="100%", class_="track"),
               tag("rect", x="0", y="0", height="8",
                   width=f"{max(width, 1.5 if part else 0):.2f}%",
                   class_="bad" if is_bad else "mark"),
               class_="bar", height="8", aria_hidden="true")
