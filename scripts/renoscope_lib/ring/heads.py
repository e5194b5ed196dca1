# SPDX-License-Identifier: GPL-2.0
"""What bookkeeping needs of records, without decoding them: serials, CPUs, losses.

A recorder accounts for each record that it writes, and must keep up with the kernel.
Most of what it gets at once is a run of one CPU's serials, and that shows in a few
operations on all of the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress
from typing import NamedTuple

from .schema import LOST, OWN_KINDS, Schema

# The lowest byte of every number of 16 bits, one after the other, and the one above it.
LOW_BYTES = bytes(range(256)) * 256
NEXT_BYTES = b"".join(bytes([byte]) * 256 for byte in range(256))


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

        Byte by byte, over all records at once: the same bytes of successive serials
        are slices of LOW_BYTES and NEXT_BYTES, which are too short where the higher ones
        change; these and the CPU's must not.
        """
        size = self._schema.record_bytes
        count = len(records) // size
        at, cpu_at = self._serial.offset, self._cpu.offset
        first = int.from_bytes(records[at:at + 8], "little")
        low = first & 0xFFFF
        if not count or self._schema.byte_order != "little" or self._serial.size != 8:
            return None
        if (records[at::size] != LOW_BYTES[low:low + count]
                or records[at + 1::size] != NEXT_BYTES[low:low + count]):
            return None
        same = (*range(at + 2, at + 8), *range(cpu_at, self._cpu.end))
        if any(records[place::size] != records[place:place + 1] * count for place in same):
            return None
        return Run(int.from_bytes(records[cpu_at:self._cpu.end], "little"), first, count)
