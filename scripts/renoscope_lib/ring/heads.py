# SPDX-License-Identifier: GPL-2.0
"""What bookkeeping needs of records, without decoding them: serials, CPUs, losses.

A recorder accounts for each record that it writes, and must keep up with the kernel.
Most of what it gets at once is a run of one CPU's serials, and that shows in a few
operations on all of the bytes.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from itertools import compress
from typing import NamedTuple

from .schema import LOST, OWN_KINDS, TYPE_FORMATS, Schema

# Every number of 16 bits in its order, and once more, because serials wrap in theirs.
HALVES = memoryview(array("H", [*range(1 << 16)] * 2))


class Head(NamedTuple):
    """What bookkeeping needs of a record; lost_events is 0 if it is an event."""

    serial: int
    cpu: int
    lost_events: int
    kind: int = 0


class Run(NamedTuple):
    """Events of one CPU that follow each other without a gap."""

    cpu: int
    first: int
    length: int


class Heads:
    """The heads of one schema's records."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._unpacker, self._names = schema.layout(
            field for field in schema.fields_of(LOST) if field.name in Head._fields)
        self._lost = schema.kind_number(LOST)
        self._apart = [number for number, kind in schema.kinds.items() if kind in OWN_KINDS]
        self._serial, self._cpu = schema.field_named("serial"), schema.field_named("cpu")
        # Where numbers of the records can be looked at in place, as this machine's.
        self._lies_well = (schema.byte_order == sys.byteorder == "little"
                           and self._serial.size == 8
                           and not any(number % place.size for place in (self._serial, self._cpu)
                                       for number in (place.offset, schema.record_bytes)))

    def each(self, records: bytes) -> Iterator[Head]:
        """Of whole records, one by one."""
        serial, cpu, lost_events, kind = map(self._names.index, Head._fields)
        for row in self._unpacker.iter_unpack(records):
            yield Head(row[serial], row[cpu],
                       row[lost_events] if row[kind] == self._lost else 0, row[kind])

    def runs(self, records: bytes) -> list[Run] | None:
        """Of many events at once; None where each() must look.

        That is where something tells of a loss or of a change of what is recorded, or
        a CPU's serials do not follow each other. Else it is a run for each CPU.
        """
        kinds = self._schema.kinds_of(records)
        if any(number in kinds for number in self._apart):
            return None
        run = self._one_run(records)
        if run:
            return [run]
        serials, cpus = (self._schema.column(name, records) for name in ("serial", "cpu"))
        runs = []
        for cpu in set(cpus):
            own = list(compress(serials, map(cpu.__eq__, cpus)))
            if own != list(range(own[0], own[0] + len(own))):
                return None
            runs.append(Run(cpu, own[0], len(own)))
        return runs

    def _one_run(self, records: bytes) -> Run | None:
        """All records as a run of one CPU; None where that is not to be seen so.

        The same number of all records is a view of their bytes, and views are compared
        at once: the low 16 bits of successive serials are a slice of HALVES, and what
        is above them is, as the CPU, that of the record before.
        """
        if not records or not self._lies_well:
            return None
        step, at, cpu_at = self._schema.record_bytes, self._serial.offset, self._cpu.offset

        def of_each(offset: int, code: str) -> memoryview:
            size = struct.calcsize(code)
            return memoryview(records).cast(code)[offset // size::step // size]

        low, cpu = of_each(at, "H"), of_each(cpu_at, TYPE_FORMATS[self._cpu.type])
        if low != HALVES[low[0]:low[0] + len(low)]:
            return None
        if any(part[1:] != part[:-1] for part in (of_each(at + 2, "H"), of_each(at + 4, "I"), cpu)):
            return None
        return Run(cpu[0], of_each(at, "Q")[0], len(low))
