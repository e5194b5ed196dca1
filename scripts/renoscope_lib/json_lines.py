# SPDX-License-Identifier: GPL-2.0
"""Events to one JSON object a line.

Every field of the record is there under its own name and as it was recorded;
numbers that stand for names became the names.  What the scripts worked out stands
behind: time_utc, connection, relative, window, filled, error, wait.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Collection
from typing import Any

from .cells import (NOTHING, RELATIVE, Derived, Row, RowKind, UtcTexts, row_of,
                    texts_of)
from .flows import is_lost
from .schema import LOST, Event, Schema
from .sentences import kinds_on
from .synack_waits import SynackWaits, Wait
from .words import connection

MARK = "mark"
NO_CONNECTION = connection(0)

# Ours, also where a schema has a field of that name.
RESERVED = ("time_utc", "connection", "relative", "window", "filled", "error", "wait")

# Kinds whose lines need more than their record's row.
SLOW_KINDS = (LOST, MARK, "synack_retransmit")


def dumps(value: Any) -> str:
    """As short as it gets."""
    return json.dumps(value, separators=(",", ":"))


class _Kind(RowKind):
    """The lines of one kind."""

    def __init__(self, schema: Schema, kind: str, clock: UtcTexts | None) -> None:
        super().__init__(schema, kind)
        self._clock = clock
        shown = [(place, field, texts_of(schema, field, dumps))
                 for place, field in enumerate(self.fields)]
        self._texts = [(place, texts) for place, _field, texts in shown
                       if texts is not None]
        self._left_out = [place for place, field, _texts in reversed(shown)
                          if field.name in RESERVED]
        self._template = ",".join(
            f"{dumps(field.name).replace('%', '%%')}:{'%d' if texts is None else '%s'}"
            for place, field, texts in shown if place not in self._left_out)

    def line(self, row: Row, filled: Collection[str] = NOTHING,
             listener: int | None = None, wait: Wait | None = None) -> str:
        """The object of a row."""
        cells = list(row)
        for place, texts in self._texts:
            cells[place] = texts[cells[place]]
        if listener is not None and self._listener is not None:
            cells[self._listener] = dumps(connection(listener))
        for place in self._left_out:
            del cells[place]
        derived = self.derived(row, filled)
        window = derived[-1]
        shown = "" if window is False else (
            f',"window":{"null" if window is None else window}')
        cookie = row[self._cookie]
        return (f"{{{self._template % tuple(cells)}{self._utc(row)},"
                f'"connection":"{f"sk:{cookie:x}" if cookie else NO_CONNECTION}",'
                f'"relative":{_relative(derived)}{shown}'
                f"{self._behind(row, filled, listener, wait)}}}")

    def _utc(self, row: Row) -> str:
        text = self._clock.text(row[self._time]) if self._clock else ""
        return f',"time_utc":"{text}"' if text else ""

    def _behind(self, row: Row, filled: Collection[str],
                listener: int | None, wait: Wait | None) -> str:
        """What only some events have."""
        text = f',"filled":{dumps(sorted(filled))}' if filled else ""
        if self._error is not None:
            name = errno.errorcode.get(row[self._error], "unknown")
            text += f',"error":"{name}"'
        if listener is not None and self._listener is None:
            text += f',"listener":"{connection(listener)}"'
        if wait is not None:
            text += f',"wait":{dumps(_wait(wait))}'
        return text


def _relative(known: Derived) -> str:
    una, nxt, rcv, seq, ack, sack, _window = known
    if una is None or rcv is None or seq is None or ack is None:
        return dumps({name: number for name, number in zip(RELATIVE, known)
                      if number is not None})
    text = (f'{{"snd_una":{una},"snd_nxt":{nxt},"rcv_nxt":{rcv},'
            f'"seg_seq":{seq},"seg_ack":{ack}')
    return f"{text}}}" if sack is None else f'{text},"sack":{dumps(sack) if sack else "[]"}}}'


def _wait(wait: Wait) -> dict[str, Any]:
    return {"attempt": wait.attempt, "by": wait.by, "waited_us": wait.waited_us,
            "predicted_us": wait.predicted_us, "next_us": wait.next_us,
            "is_last": wait.is_last}


class JsonWriter:
    """Events in their order to lines; the wall clock is told where it is known."""

    def __init__(self, schema: Schema, wall_offset_ns: int | None = None) -> None:
        self._schema = schema
        self._waits = SynackWaits()
        self._clock = None if wall_offset_ns is None else UtcTexts(wall_offset_ns)
        self.kinds = {kind: _Kind(schema, kind, self._clock)
                      for kind in schema.kind_meanings}

    def heading(self) -> str:
        """What stands before the first line: nothing."""
        return ""

    def note(self, event: Event) -> None:
        """An event that is not shown still counts for those after it."""
        if event.kind == "synack_retransmit":
            self._waits.see(event)

    def line(self, event: Event) -> str:
        """The event's object, without a newline."""
        if is_lost(event):
            return dumps(self._with_utc(event, {
                name: event[name] for name in
                ("serial", "time_ns", "cpu", "lost_events")} | {"kind": LOST}))
        if event.kind == MARK:
            return dumps(self._with_utc(event, self._mark(event)))
        wait = (self._waits.see(event) if event.kind == "synack_retransmit"
                else None)
        return self.kinds[event.kind].line(row_of(event), event.filled,
                                           event.listener, wait)

    def _mark(self, event: Event) -> dict[str, Any]:
        return {name: event[name] for name in ("serial", "time_ns", "cpu")} | {
            "kind": MARK,
            "mark_cause": self._schema.name_of("mark_cause", event["mark_cause"]),
            "kinds_on": kinds_on(self._schema, event)}

    def _with_utc(self, event: Event, plain: dict[str, Any]) -> dict[str, Any]:
        """A loss has the time of the record before, 0 if there was none."""
        utc = self._clock.text(event["time_ns"]) if self._clock else ""
        if is_lost(event) and not event["time_ns"]:
            utc = ""
        return plain | ({"time_utc": utc} if utc else {})
