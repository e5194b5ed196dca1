# SPDX-License-Identifier: GPL-2.0
"""The shape of a record, and what decodes records by it.

The module is the only place that defines fields.  Whoever reads records reads
the schema first, live from debugfs or from the recording that carries it, so
scripts and module never have to agree on column numbers.  schema_parser.py makes
one of the text.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import BAD_INPUT, Problem

SCOPE_ALL = "all"
LOST = "lost"
MARK = "mark"

# Beside a cookie, a u64, stands which of its connections it is (tcp/turns.py).
COOKIE_BITS = 64

# What the module says of the ring itself: nobody asks for these, and nothing that TCP
# does is told by them.
OWN_KINDS = (LOST, MARK)

# Off by default, because nobody should pay for it unasked.
EXTRA_KIND = "segment"

TYPE_FORMATS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "addr": "16s",
                "text": "16s"}
ByteOrder = Literal["little", "big"]
BYTE_ORDERS: dict[ByteOrder, str] = {"little": "<", "big": ">"}


class SchemaError(Problem):
    """The schema text cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(f"schema: {message}", BAD_INPUT)


@dataclass(frozen=True)
class Field:
    """One named place in a record."""

    name: str
    type: str
    offset: int
    size: int
    unit: str
    scope: str
    meaning: str

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size


def fields_of(fields: Iterable[Field], kind: str) -> list[Field]:
    """Those that a record of this kind has, by offset."""
    return sorted((f for f in fields if f.scope in (SCOPE_ALL, kind)),
                  key=lambda f: f.offset)


def key_of(cookie: int, turn: int) -> int:
    """What tells a connection from all others."""
    return cookie | turn << COOKIE_BITS


@dataclass
class Event:
    """One decoded record.

    `filled` names the values that flows.py took from a later event, because
    the kernel had not set them yet; `listener` is the listener's cookie where
    flows.py gave the event to the child instead; `turn` says which of the
    cookie's connections it is of (turns.py).
    """

    kind: str
    values: dict[str, Any]
    filled: frozenset[str] = frozenset()
    listener: int | None = None
    turn: int = 0

    @property
    def key(self) -> int:
        """Its connection's, which no other one has: a cookie may have several."""
        return key_of(self["cookie"], self.turn)

    def __getitem__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise SchemaError(f"broken: kind {self.kind} has no field {name}"
                              ) from None


@dataclass
class Schema:
    """Fields, kinds and names, and the decoders made from them."""

    version: int
    record_bytes: int
    byte_order: ByteOrder
    kinds: dict[int, str]
    kind_meanings: dict[str, str]
    fields: list[Field]
    values: dict[str, dict[int, str]]
    _layouts: dict[int, tuple[str, struct.Struct, list[str]]] = field(
        init=False, repr=False)
    _kind_offset: int = field(init=False, repr=False)
    _time: Field = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._layouts = {
            number: (name, *self.layout(self.fields_of(name)))
            for number, name in self.kinds.items()
        }
        self._kind_offset = self.field_named("kind").offset
        self._time = self.field_named("time_ns")

    def fields_of(self, kind: str) -> list[Field]:
        """The fields that a record of this kind has, by offset."""
        return fields_of(self.fields, kind)

    def field_named(self, name: str) -> Field:
        """The field of that name; the parser has made sure of the needed ones."""
        return next(f for f in self.fields if f.name == name)

    def layout(self, fields: Iterable[Field]) -> tuple[struct.Struct, list[str]]:
        """The struct that unpacks just these fields of a whole record."""
        codes = [BYTE_ORDERS[self.byte_order]]
        names = []
        position = 0
        for place in sorted(fields, key=lambda f: f.offset):
            codes.append(f"{place.offset - position}x")
            codes.append(TYPE_FORMATS[place.type])
            names.append(place.name)
            position = place.end
        codes.append(f"{self.record_bytes - position}x")
        return struct.Struct("".join(codes)), names

    def decode(self, record: bytes) -> Event:
        """One record of record_bytes bytes."""
        layout = self._layouts.get(record[self._kind_offset])
        if layout is None:
            raise Problem("damaged record: kind "
                          f"{record[self._kind_offset]} is not in its schema",
                          BAD_INPUT)
        name, unpacker, names = layout
        return Event(name, dict(zip(names, unpacker.unpack(record))))

    def encode(self, kind: str, **values: int) -> bytes:
        """A record of that kind; what is not given is 0."""
        record = bytearray(self.record_bytes)
        values["kind"] = self.kind_number(kind)
        for place in self.fields_of(kind):
            number = values.get(place.name, 0) % (1 << 8 * place.size)
            record[place.offset:place.end] = number.to_bytes(
                place.size, self.byte_order)
        return bytes(record)

    def each(self, records: bytes) -> Iterator[bytes]:
        """Whole records one by one."""
        size = self.record_bytes
        return (records[at:at + size] for at in range(0, len(records), size))

    def kinds_of(self, records: bytes) -> bytes:
        """Each record's kind, by its number."""
        return records[self._kind_offset::self.record_bytes]

    def knows_kinds_of(self, records: bytes) -> bool:
        """Whether each of these whole records is of a kind that there is."""
        return set(self.kinds_of(records)) <= self.kinds.keys()

    def unpacker(self, kind: str) -> struct.Struct:
        """What gives the values of a record of this kind, by offset."""
        return self.layout(self.fields_of(kind))[0]

    def column(self, name: str, records: bytes) -> list[int]:
        """One field of all records, without a loop where the layout lets it."""
        place = self.field_named(name)
        size, step = place.size, self.record_bytes
        if self.byte_order == sys.byteorder and not (place.offset % size or step % size):
            column = memoryview(records).cast(TYPE_FORMATS[place.type])
            return column[place.offset // size::step // size].tolist()
        return [row[0] for row in self.layout([place])[0].iter_unpack(records)]

    def time_of(self, record: bytes) -> int:
        """One record's time_ns, cheaply."""
        return int.from_bytes(record[self._time.offset:self._time.end], self.byte_order)

    def kind_number(self, kind: str) -> int:
        """The number of a kind; -1 if there is none of that name."""
        return next((number for number, name in self.kinds.items() if name == kind), -1)

    def kinds_on(self, mark: Event) -> list[str]:
        """The kinds that a mark says are recorded from now on."""
        bits = mark["kinds_on"]
        return [self.kinds.get(bit, f"kind{bit}")
                for bit in range(bits.bit_length()) if bits >> bit & 1]

    def kinds_off(self, mark: Event) -> list[str]:
        """The kinds that a mark says are not recorded from now on."""
        return [kind for number, kind in self.kinds.items()
                if not mark["kinds_on"] >> number & 1]

    def numbers_of(self, unit: str, *names: str) -> list[int]:
        """The numbers of this unit that stand for these names."""
        return [number for number, name in self.values.get(unit, {}).items()
                if name in names]

    def name_of(self, unit: str, number: int) -> str:
        """The name that a number of this unit stands for."""
        return self.values.get(unit, {}).get(number, f"unknown({number})")

    def bit_names(self, unit: str, bits: int) -> list[str]:
        """The names of the bits that are set."""
        names = self.values.get(unit, {})
        return [names.get(bit, f"bit{bit}")
                for bit in range(bits.bit_length()) if bits >> bit & 1]
