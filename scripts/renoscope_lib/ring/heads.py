# SPDX-License-Identifier: GPL-2.0
"""What bookkeeping needs of records, without decoding them: serials, CPUs, losses.

A recorder accounts for each record that it writes, and must keep up with the kernel.
Most of what it gets at once is a run of one CPU's serials, or a run of each of some
CPUs', and that shows in a few operations on all of the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from typing import NamedTuple

from .schema import LOST, OWN_KINDS, Field, Schema

# The lowest bytes of serials that follow each other are a part of this, again and again.
LOW_BYTES = bytes(range(256))


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

    def stretches(self, records: bytes) -> Iterator[bytes]:
        """All of them, those of kinds that no run can have by themselves."""
        size = self._schema.record_bytes
        begins = 0
        for place in self._places_apart(self._schema.kinds_of(records)):
            if begins < place:
                yield records[begins * size:place * size]
            begins = place + 1
            yield records[place * size:begins * size]
        if rest := records[begins * size:]:
            yield rest

    def _places_apart(self, kinds: bytes) -> list[int]:
        """Where they stand; mostly nowhere, which is seen at once."""
        if not any(number in kinds for number in self._apart):
            return []
        return [place for place, number in enumerate(kinds) if number in self._apart]

    def runs(self, events: bytes) -> list[Run] | None:
        """A run for each CPU; None where each() must look.

        As many as there are from the first of a CPU to the last are all of them, if none
        is there twice: for that the lowest byte of each is looked at, which counts up.
        None where that is not so, where CPUs' numbers differ in more than one byte, and
        where something tells of a loss or of a change of what is recorded.
        """
        if self._places_apart(self._schema.kinds_of(events)):
            return None
        cpus, *highs = (self._byte_of_each(self._cpu, number, events)
                        for number in range(self._cpu.size))
        if any(high != high[:1] * len(high) for high in highs):
            return None
        runs = {cpu: self._run(events, cpus.index(cpu), cpus.rindex(cpu))
                for cpu in _distinct(cpus)}
        if any(run.length != cpus.count(cpu) for cpu, run in runs.items()):
            return None
        if self._byte_of_each(self._serial, 0, events) != _low_bytes(cpus, runs):
            return None
        return list(runs.values())

    def _run(self, events: bytes, first_place: int, last_place: int) -> Run:
        """From the event at one place to that at another."""
        size = self._schema.record_bytes
        first, last = (next(self.each(events[place * size:(place + 1) * size]))
                       for place in (first_place, last_place))
        return Run(first.cpu, first.serial, last.serial - first.serial + 1)

    def _byte_of_each(self, place: Field, number: int, records: bytes) -> bytes:
        """The same byte of a field in all records, counted from its lowest."""
        at = number if self._schema.byte_order == "little" else place.size - 1 - number
        return records[place.offset + at::self._schema.record_bytes]


def _low_bytes(cpus: bytes, runs: Mapping[int, Run]) -> bytes:
    """Of the serials that these runs have, where their CPUs stand."""
    begins = {cpu: run.first % len(LOW_BYTES) for cpu, run in runs.items()}
    if len(runs) == 1:
        begin, = begins.values()
        end = begin + len(cpus)
        return (LOW_BYTES * (end // len(LOW_BYTES) + 1))[begin:end]
    due = {cpu: islice(cycle(LOW_BYTES), begin, None).__next__ for cpu, begin in begins.items()}
    return bytes([take() for take in map(due.__getitem__, cpus)])


def _distinct(numbers: bytes) -> Iterator[int]:
    """Each that is there, once."""
    while numbers:
        yield numbers[0]
        numbers = numbers.translate(None, numbers[:1])
