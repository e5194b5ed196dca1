# SPDX-License-Identifier: GPL-2.0
"""What a damaged recording has lost: where the serials of a CPU do not run on.

Serials run without gaps on each CPU, over events and what a reader was told of losses
(ledger.py).  So what stands behind damage tells how much is gone, and that is told as
any loss is: by a record of kind lost, which every view knows.
"""

from __future__ import annotations

from ..ring.heads import Heads
from ..ring.schema import LOST, Schema

# More than any recording holds: the serial itself is damaged.
MOST_MISSING = 1 << 40
MOST_CPUS = 1 << 13
A_DAY_NS = 86_400 * 1_000_000_000


class Continuity:
    """Shown all records of a recording, in blocks that have no damage within."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._heads = Heads(schema)
        self._next: dict[int, int] = {}
        self._awaited: dict[int, int] = {}
        self._last_ns = 0

    def interrupted(self) -> None:
        """Something may be missing here."""
        self._awaited.update(self._next)

    def expects(self, record: bytes) -> bool:
        """Whether just this record, to be sure, would be its CPU's next."""
        head = next(self._heads.each(record))
        return (self._schema.knows_kinds_of(record)
                and self._next.get(head.cpu) == head.serial)

    def may_follow(self, record: bytes) -> bool:
        """The same, or it is one of a CPU that is new, and of about that time."""
        head = next(self._heads.each(record))
        if head.cpu in self._next:
            return self.expects(record)
        return (self._schema.knows_kinds_of(record) and head.cpu < MOST_CPUS
                and 0 < head.serial < MOST_MISSING
                and (not self._last_ns or abs(
                    self._schema.time_of(record) - self._last_ns) < A_DAY_NS))

    def missing_before(self, records: bytes) -> bytes:
        """Records of kind lost that belong before these; b"" if nothing is missing."""
        cpus = self._schema.column("cpu", records)
        lost = b""
        if self._awaited:
            firsts = dict(zip(reversed(cpus), range(len(cpus) - 1, -1, -1)))
            for cpu in sorted(self._awaited.keys() & firsts.keys()):
                lost += self._missing(cpu, self._head(records, firsts[cpu])[0])
        for cpu, at in dict(zip(cpus, range(len(cpus)))).items():
            serial, lost_events = self._head(records, at)
            self._next[cpu] = serial + max(lost_events, 1)
        self._last_ns = self._schema.time_of(records[-self._schema.record_bytes:])
        return lost

    def _head(self, records: bytes, at: int) -> tuple[int, int]:
        size = self._schema.record_bytes
        head = next(self._heads.each(records[at * size:(at + 1) * size]))
        return head.serial, head.lost_events

    def _missing(self, cpu: int, serial: int) -> bytes:
        awaited = self._awaited.pop(cpu)
        if not 0 < serial - awaited <= MOST_MISSING:
            return b""
        return self._schema.encode(LOST, serial=awaited, time_ns=self._last_ns, cpu=cpu,
                                   lost_events=serial - awaited)
