# SPDX-License-Identifier: GPL-2.0
"""Events to one JSON object a line.

Every field of the record is there under its own name and as it was recorded;
numbers that stand for names became the names.  What the scripts worked out stands
behind: time_utc, connection, relative, window, filled, error, wait.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from ..ring.schema import Schema
from ..tcp.synack_waits import Wait
from ..words import connection
from .rows import NOTHING, RELATIVE, Derived, Row, RowKind, RowWriter, UtcTexts, texts_of

NO_CONNECTION = connection(0)

# Ours, also where a schema has a field of that name.
RESERVED = ("time_utc", "connection", "relative", "window", "filled", "error", "wait")


def dumps(value: Any) -> str:
    """As short as it gets."""
    return json.dumps(value, separators=(",", ":"))


class _Kind(RowKind):
    """The lines of one kind."""

    def __init__(self, schema: Schema, kind: str, clock: UtcTexts | None) -> None:
        super().__init__(schema, kind, clock)
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
        cookie, utc = row[self._cookie], self.utc(row)
        told_utc = f',"time_utc":"{utc}"' if utc else ""
        return (f"{{{self._template % tuple(cells)}{told_utc},"
                f'"connection":"{f"sk:{cookie:x}" if cookie else NO_CONNECTION}",'
                f'"relative":{_relative(derived)}{shown}'
                f"{self._behind(row, filled, listener, wait)}}}")

    def _behind(self, row: Row, filled: Collection[str],
                listener: int | None, wait: Wait | None) -> str:
        """What only some events have."""
        text = f',"filled":{dumps(sorted(filled))}' if filled else ""
        if self._error is not None:
            text += f',"error":"{self.error_name(row)}"'
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
            "is_last": wait.is_last, "is_last_if_crowded": wait.is_last_if_crowded}


class JsonWriter(RowWriter):
    """Events to objects."""

    def __init__(self, schema: Schema, wall_offset_ns: int | None = None) -> None:
        super().__init__(schema, wall_offset_ns)
        self.kinds = {kind: _Kind(schema, kind, self._clock)
                      for kind in schema.kind_meanings}

    def heading(self) -> str:
        """None."""
        return ""

    def _short_line(self, values: dict[str, Any]) -> str:
        return dumps(values)
