# SPDX-License-Identifier: GPL-2.0
"""The law that proves nothing is missing: read + lost = written, on each CPU.

Serials run without gaps on each CPU, so a reader that counts what it got, and
what it was told it lost, must arrive at the serial the module says it wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .heads import Head, Run


@dataclass(frozen=True)
class Account:
    """One CPU's sum, from behind serial `start` to serial `written`."""

    cpu: int
    start: int
    written: int
    read: int
    lost: int
    disorder: int

    @property
    def holds(self) -> bool:
        """Whether every serial is accounted for, once and in order."""
        return self.read + self.lost == self.due and not self.disorder

    @property
    def due(self) -> int:
        """How many must have been read or lost."""
        return self.written - self.start

    def __str__(self) -> str:
        if self.holds:
            return f"cpu{self.cpu} {self.read} + {self.lost} = {self.due}"
        order = f", {self.disorder} times out of order" if self.disorder else ""
        return f"cpu{self.cpu} {self.read} + {self.lost} but {self.due} written{order}"


@dataclass
class CpuLedger:
    """What came from one CPU so far.

    A reader told to begin with what comes next begins at some serial between
    the ones written just before and just after it was told: start_low and
    start_high.  The first serial that comes shows which.
    """

    start_low: int = 0
    start_high: int = 0
    first: int | None = None
    last: int = 0
    read: int = 0
    lost: int = 0
    disorder: int = 0

    def add(self, serial: int, lost_events: int) -> None:
        """One record: an event, or a run of lost ones."""
        if self.first is None:
            self.first = serial
        elif serial != self.last + 1:
            self.disorder += 1
        self.last = serial + max(lost_events, 1) - 1
        if lost_events:
            self.lost += lost_events
        else:
            self.read += 1

    def add_run(self, first: int, count: int) -> None:
        """So many events, whose serials follow each other."""
        if count:
            self.add(first, 0)
            self.last += count - 1
            self.read += count - 1

    def start(self, written: int) -> int:
        """The serial behind which this reader began."""
        begun = written if self.first is None else self.first - 1
        return min(max(begun, self.start_low), self.start_high)


@dataclass
class Ledger:
    """The same for all CPUs."""

    cpus: dict[int, CpuLedger] = field(default_factory=dict)

    @classmethod
    def between(cls, before: dict[int, int], after: dict[int, int]) -> Ledger:
        """For a reader placed between two readings of the written serials."""
        return cls({cpu: CpuLedger(before.get(cpu, 0), high)
                    for cpu, high in after.items()})

    def add(self, head: Head) -> None:
        """One record."""
        self.cpus.setdefault(head.cpu, CpuLedger()).add(head.serial,
                                                        head.lost_events)

    def add_run(self, run: Run) -> None:
        """Many events at once."""
        self.cpus.setdefault(run.cpu, CpuLedger()).add_run(run.first, run.length)

    def last(self, cpu: int) -> int:
        """The last serial accounted for on a CPU."""
        ledger = self.cpus.get(cpu)
        if ledger is None:
            return 0
        return ledger.start_low if ledger.first is None else ledger.last

    def reached(self, mark: dict[int, int]) -> bool:
        """Whether every CPU's serials are accounted for up to the mark."""
        return all(self.last(cpu) >= written for cpu, written in mark.items())

    def lasts(self) -> dict[int, int]:
        """Where each CPU stands: the mark of a reader that stops right here.

        One that nothing came from stands where the reader was placed.
        """
        return {cpu: self.last(cpu) for cpu in self.cpus}

    def accounts(self, mark: dict[int, int]) -> list[Account]:
        """Each CPU's sum up to the mark.

        A loss is told in one record and may reach beyond the mark; what it
        tells of was written all the same.
        """
        sums = []
        for cpu in sorted(self.cpus.keys() | mark.keys()):
            ledger = self.cpus.get(cpu, CpuLedger())
            written = max(mark.get(cpu, 0), ledger.last)
            sums.append(Account(cpu, ledger.start(written), written,
                                ledger.read, ledger.lost, ledger.disorder))
        return sums

    @property
    def read(self) -> int:
        """Events got, on all CPUs."""
        return sum(ledger.read for ledger in self.cpus.values())

    @property
    def lost(self) -> int:
        """Events lost, on all CPUs."""
        return sum(ledger.lost for ledger in self.cpus.values())
