# SPDX-License-Identifier: GPL-2.0
"""Rows of words to aligned lines, and explanations that fit the page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

# What a person's terminal is taken to have.
COLUMNS = 100


def aligned(rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()
            ) -> list[str]:
    """A table; the columns named in `right` hold numbers and stand right."""
    table = list(rows)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return ["  ".join(cell.rjust(width) if i in right else cell.ljust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))
                      ).rstrip() for row in table]


def note(text: str, indent: str = "", first: str | None = None) -> list[str]:
    """A sentence or more, wrapped; `first` is what its first line begins with."""
    return textwrap.wrap(text, COLUMNS, break_long_words=False,
                         break_on_hyphens=False, subsequent_indent=indent,
                         initial_indent=indent if first is None else first)


def labelled(label: str, text: str, width: int = 18) -> list[str]:
    """`  label   text`, the text wrapped under itself."""
    return note(text, " " * width, f"  {label:<{width - 2}}")
