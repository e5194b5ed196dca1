# SPDX-License-Identifier: GPL-2.0
"""Generated parts of the pages in Documentation: tables, and their place there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ENDS = ".. generated ends"


def table(head: Sequence[str], rows: Iterable[Sequence[str]],
          widths: Sequence[int]) -> list[str]:
    """A list-table, in which a cell may hold any one line."""
    lines = [".. list-table::", "   :header-rows: 1",
             f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in (head, *rows):
        lines += [f"   {'*' if place == 0 else ' '} - {cell}".rstrip()
                  for place, cell in enumerate(row)]
    return [*lines, ""]


def parts_of(text: str, begins: str) -> tuple[str, str, str]:
    """What stands above the mark, between both and below; ValueError without them."""
    before, _, rest = text.partition(begins + "\n")
    made, ends, after = rest.partition(ENDS)
    if not ends:
        raise ValueError(f"no lines {begins!r} and {ENDS!r}")
    return before, made, after


def updated(text: str, begins: str, made: str) -> str:
    """The page with its generated part replaced."""
    before, _, after = parts_of(text, begins)
    return f"{before}{begins}\n{made}{ENDS}{after}"
