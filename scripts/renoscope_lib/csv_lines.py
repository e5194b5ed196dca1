# SPDX-License-Identifier: GPL-2.0
"""Events to rows of one CSV table: a column for each field of each kind.

A column that a kind does not have is empty.  Numbers that stand for words became
the words, lists stand with spaces between.  Quoted as RFC 4180 says; and as the
words come from the recording, which may come from anywhere, none may begin as a
spreadsheet's formula does: such a one gets an apostrophe in front.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from operator import itemgetter

from .cells import (NOTHING, RELATIVE, Row, RowKind, UtcTexts, row_of, texts_of)
from .flows import is_lost
from .json_lines import MARK
from .schema import LOST, Event, Schema
from .sentences import kinds_on
from .synack_waits import SynackWaits, Wait
from .words import connection

FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")
TO_QUOTE = frozenset('",\r\n')

# Before and behind the record's own fields.
FIRST = ("time_utc", "connection")
LAST = (*(f"relative_{name}" for name in RELATIVE), "window", "filled", "error",
        "waited_us", "predicted_us", "next_us")

# Of these the record says no more than this.
LOST_COLUMNS = ("serial", "time_ns", "cpu", "lost_events")
MARK_COLUMNS = ("serial", "time_ns", "cpu")


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
        super().__init__(schema, kind)
        self._clock = clock
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
        utc = self._clock.text(row[self._time]) if self._clock else ""
        *numbers, sack, window = self.derived(row, filled)
        una, nxt, rcv, seq, ack = ("" if n is None else n for n in numbers)
        return (f"{utc},{connection(row[self._cookie])},"
                f"{self._template % self._in_order(cells)},"
                f"{una},{nxt},{rcv},{seq},{ack},"
                f"{' '.join(f'{left}:{right}' for left, right in sack or ())},"
                f"{'' if window is None or window is False else window},"
                f"{cell(sorted(filled))},{self._error_name(row)},{_wait_cells(wait)}")

    def _error_name(self, row: Row) -> str:
        if self._error is None:
            return ""
        return errno.errorcode.get(row[self._error], "unknown")


def _wait_cells(wait: Wait | None) -> str:
    if wait is None:
        return ",,"
    return ",".join("" if us is None else str(us) for us in
                    (wait.waited_us, wait.predicted_us, wait.next_us))


class CsvWriter:
    """Events in their order to lines of the table."""

    def __init__(self, schema: Schema, wall_offset_ns: int | None = None) -> None:
        self._schema = schema
        self._waits = SynackWaits()
        self._clock = None if wall_offset_ns is None else UtcTexts(wall_offset_ns)
        fields = list(dict.fromkeys(
            field.name for field in schema.fields
            if field.name not in (*FIRST, *LAST)))
        self.columns = [*FIRST, *fields, *LAST]
        self.kinds = {kind: _Kind(schema, kind, fields, self._clock)
                      for kind in schema.kind_meanings}

    def heading(self) -> str:
        """The columns' names, with a newline."""
        return ",".join(map(cell, self.columns)) + "\n"

    def note(self, event: Event) -> None:
        """An event that is not shown still counts for those after it."""
        if event.kind == "synack_retransmit":
            self._waits.see(event)

    def line(self, event: Event) -> str:
        """The event's row, without a newline."""
        if is_lost(event):
            return self._only({name: str(event[name]) for name in LOST_COLUMNS}
                              | {"kind": LOST, "time_utc": self._utc(event)})
        if event.kind == MARK:
            return self._only(self._mark(event))
        wait = (self._waits.see(event) if event.kind == "synack_retransmit"
                else None)
        return self.kinds[event.kind].line(row_of(event), event.filled,
                                           event.listener, wait)

    def _utc(self, event: Event) -> str:
        """A loss has the time of the record before, 0 if there was none."""
        if not self._clock or is_lost(event) and not event["time_ns"]:
            return ""
        return self._clock.text(event["time_ns"])

    def _mark(self, event: Event) -> dict[str, str]:
        return {name: str(event[name]) for name in MARK_COLUMNS} | {
            "time_utc": self._utc(event), "kind": MARK,
            "mark_cause": cell(self._schema.name_of("mark_cause",
                                                    event["mark_cause"])),
            "kinds_on": cell(kinds_on(self._schema, event))}

    def _only(self, cells: dict[str, str]) -> str:
        return ",".join(cells.get(name, "") for name in self.columns)
