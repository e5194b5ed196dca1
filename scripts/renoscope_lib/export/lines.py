# SPDX-License-Identifier: GPL-2.0
"""Lines of an input's events (JSON, CSV), written as its records come.

Every event must pass the joiner, which completes some with what later ones tell; but
most it would give back as they are.  Those take a short cut: from the record's bytes
to the line, and no Event is made.  What the joiner must see, and all that comes while
it holds something back, goes the long way.  Both ways give the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from ..errors import Problem
from ..recording.inputs import Input
from ..ring.schema import LOST, Event
from ..tcp.flows import Joiner
from ..tcp.turns import ENDPOINTS, PACKED_ENDS
from ..tcp.wanted import ChoiceSeen, Filter
from ..views.telling import LIVE_HOLD_NS
from .rows import SLOW_KINDS, Row, RowWriter

# Kinds that may name a connection's ends anew, or end it; and those whose lines
# take more than a row.
LONG_WAY = ("state", "destroy", *SLOW_KINDS)

Write = Callable[[bytes], None]


class _Way(NamedTuple):
    """How a record of one kind becomes a line."""

    kind: str
    names: list[str]
    unpack_from: Callable[[bytes, int], Row]
    line: Callable[[Row], str]
    cookie: int
    ends: Callable[[Row], tuple[Any, ...]]
    is_long: bool


class Lines:
    """Records in, lines out."""

    def __init__(self, source: Input, format_: RowWriter, wanted: Filter) -> None:
        schema = self._schema = source.schema
        self._source = source
        self._format = format_
        self._wanted = wanted
        self.chosen = ChoiceSeen(wanted, schema)
        self.lost_events = 0
        self._joiner = Joiner(schema, LIVE_HOLD_NS if source.follows else None)
        self._kind_at = schema.field_named("kind").offset
        self._ways = {number: self._way(kind) for number, kind in schema.kinds.items()}

    def _way(self, kind: str) -> _Way:
        rows = self._format.kinds[kind]
        return _Way(kind, rows.names, self._schema.unpacker(kind).unpack_from,
                    rows.line, rows.names.index("cookie"),
                    itemgetter(*map(rows.names.index, ENDPOINTS)),
                    kind in LONG_WAY or self._wanted != Filter())

    def write(self, write: Write, flush: Callable[[], None] = lambda: None) -> None:
        """Everything the source has; flush() is called where more may be long."""
        write(self._format.heading().encode())
        try:
            for records in self._source.records():
                lines = self._lines(records) if records else self._held()
                write("".join(f"{line}\n" for line in lines).encode())
                if self._source.follows:
                    flush()
        except KeyboardInterrupt:
            # the one way to end what follows
            if not self._source.follows:
                raise
        except Problem:
            write("".join(f"{line}\n" for line in self._held()).encode())
            raise
        write("".join(f"{line}\n" for line in self._held()).encode())

    def _held(self) -> Iterator[str]:
        for event in self._joiner.flush():
            yield from self._line(event)

    def _line(self, event: Event) -> Iterator[str]:
        self.chosen.see(event)
        if event.kind == LOST:
            self.lost_events += event["lost_events"]
        if self._wanted.wants(event):
            yield self._format.line(event)
        else:
            self._format.note(event)

    def _lines(self, records: bytes) -> Iterator[str]:
        """Of whole records."""
        size = self._schema.record_bytes
        ways, joiner = self._ways, self._joiner
        knows, pack, is_idle = joiner.knows, PACKED_ENDS.pack, joiner.is_idle
        for at, number in zip(range(0, len(records), size),
                              records[self._kind_at::size]):
            way = ways.get(number)
            if way is None:
                self._schema.decode(records[at:at + size])  # says what is wrong
                continue
            row = way.unpack_from(records, at)
            cookie = row[way.cookie]
            if is_idle and not way.is_long and (
                    not cookie or knows(cookie, pack(*way.ends(row)))):
                yield way.line(row)
                continue
            for event in joiner.feed(Event(way.kind, dict(zip(way.names, row)))):
                yield from self._line(event)
            is_idle = joiner.is_idle
