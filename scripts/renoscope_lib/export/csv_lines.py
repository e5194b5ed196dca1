# SPDX-License-Identifier: GPL-2.0
"""Events to rows of one CSV table: a column for each field of each kind.

A column that a kind does not have is empty.  Numbers that stand for words became
the words, lists stand with spaces between.  Quoted as RFC 4180 says; and as the
words come from the recording, which may come from anywhere, none may begin as a
spreadsheet's formula does: such a one gets an apostrophe in front.
"""

from __future__ import annotations

from collections.abc import Collection
from operator import itemgetter
from typing import Any

from ..ring.schema import Schema
from ..tcp.synack_waits import Wait
from ..words import connection
from .rows import NOTHING, RELATIVE, Row, RowKind, RowWriter, UtcTexts, texts_of

FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")
TO_QUOTE = frozenset('",\r\n')

# Before and behind the record's own fields.
FIRST = ("time_utc", "connection")
LAST = (*(f"relative_{name}" for name in RELATIVE), "window", "filled", "error",
        "waited_us", "predicted_us", "next_us")


def cell(value: str | list[str]) -> str:
    """One value as it stands in the table."""
    text = value if isinstance(value, str) else " ".join(value)
    if text.startswith(FORMULA_BEGINS):
        text = f"'{text}"
    if TO_QUOTE.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


class _Kind(RowKind):
    """The rows of one kind."""

    def __init__(self, schema: Schema, kind: str, columns: list[str],
                 clock: UtcTexts | None) -> None:
        super().__init__(schema, kind, clock)
        self._texts = []
        forms = dict.fromkeys(columns, "")
        for place, field in enumerate(self.fields):
            if field.name not in forms:  # one of ours has that name
                continue
            texts = texts_of(schema, field, cell)
            forms[field.name] = "%d" if texts is None else "%s"
            if texts is not None:
                self._texts.append((place, texts))
        self._in_order = itemgetter(*(self.names.index(name) for name in columns
                                      if name in self.names))
        self._template = ",".join(forms.values())

    def line(self, row: Row, filled: Collection[str] = NOTHING,
             listener: int | None = None, wait: Wait | None = None) -> str:
        """The line of a row."""
        cells = list(row)
        for place, texts in self._texts:
            cells[place] = texts[cells[place]]
        if listener is not None and self._listener is not None:
            cells[self._listener] = connection(listener)
        *numbers, sack, window = self.derived(row, filled)
        una, nxt, rcv, seq, ack = ("" if n is None else n for n in numbers)
        return (f"{self.utc(row)},{connection(row[self._cookie])},"
                f"{self._template % self._in_order(cells)},"
                f"{una},{nxt},{rcv},{seq},{ack},"
                f"{' '.join(f'{left}:{right}' for left, right in sack or ())},"
                f"{'' if window is None or window is False else window},"
                f"{cell(sorted(filled))},{self.error_name(row)},{_wait_cells(wait)}")


def _wait_cells(wait: Wait | None) -> str:
    if wait is None:
        return ",,"
    return ",".join("" if us is None else str(us) for us in
                    (wait.waited_us, wait.predicted_us, wait.next_us))


class CsvWriter(RowWriter):
    """Events to rows of the table."""

    def __init__(self, schema: Schema, wall_offset_ns: int | None = None) -> None:
        super().__init__(schema, wall_offset_ns)
        fields = list(dict.fromkeys(
            field.name for field in schema.fields
            if field.name not in (*FIRST, *LAST)))
        self.columns = [*FIRST, *fields, *LAST]
        self.kinds = {kind: _Kind(schema, kind, fields, self._clock)
                      for kind in schema.kind_meanings}

    def heading(self) -> str:
        """The columns' names, with a newline."""
        return ",".join(map(cell, self.columns)) + "\n"

    def _short_line(self, values: dict[str, Any]) -> str:
        cells = {name: cell(value if isinstance(value, list) else str(value))
                 for name, value in values.items()}
        return ",".join(cells.get(name, "") for name in self.columns)
