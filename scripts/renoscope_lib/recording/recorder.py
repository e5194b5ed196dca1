# SPDX-License-Identifier: GPL-2.0
"""From the live ring into a recording, with proof that nothing is missing.

Where recording begins and ends is settled by serials and not by time: the
`stats` are read before and after the reader is placed, and again when it is to
stop; what was claimed by then is still read, what came later is left out.  So
read + lost = written can be checked on each CPU to the last event.

What was never written is another matter.  Somebody may switch kprobes off and on
again meanwhile: the `stats` say so as long as it lasts, so they are read in between,
too (unrecorded.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ..machine import clocks
from ..machine.host import Host, set_command
from ..ring.heads import Heads
from ..ring.ledger import Account, Ledger
from ..ring.schema_parser import parse_schema
from ..ring.stats import Stats, parse_stats
from ..stopping import Stop
from ..words import plural
from .recording_file import RecordingWriter
from .unrecorded import Unrecorded, limits_of

# How long the last events may let one wait for the next; they are there already.
DRAIN_S = 1.0

# How often to look whether the places that events come from are silent: it costs the
# reading of one small file.
LOOK_S = 1.0

THAW = f"frozen: nothing will come until {set_command('0', 'frozen')}"


class Reader(Protocol):
    """What is needed of live_ring.LiveReader."""

    def read(self) -> bytes | None: ...

    def wait(self, timeout_s: float | None,
             wake_fd: int | None = None) -> None: ...

    def close(self) -> None: ...


class Ring(Protocol):
    """What is needed of live_ring.LiveRing."""

    def schema_text(self) -> str: ...

    def stats_text(self) -> str: ...

    def reader(self, record_bytes: int, only_new: bool = False) -> Reader: ...


@dataclass(frozen=True)
class Limits:
    """When to end by itself, and where to begin."""

    duration_s: float | None = None
    count: int | None = None
    whole_ring: bool = False


@dataclass(frozen=True)
class Summary:
    """What came of it."""

    read: int
    lost: int
    accounts: list[Account]
    limits: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    @property
    def adds_up(self) -> bool:
        """Whether the law holds on every CPU."""
        return all(account.holds for account in self.accounts)

    def _not_seen(self) -> list[str]:
        """What was asked for, and happened or may have without a record."""
        skipped = ([f"the kernel skipped probes ({', '.join(self.skipped)})"]
                   if self.skipped else [])
        return [*self.silent, *skipped]

    def __str__(self) -> str:
        sums = ", ".join(str(a) for a in self.accounts
                         if a.written - a.start or not a.holds)
        if not self.adds_up:
            verdict = "NOT COMPLETE: it does not add up"
        elif self.silent or self.skipped:
            verdict = f"not complete: {'; '.join(self._not_seen())}"
        elif self.lost:
            verdict = "not complete, but every loss is counted"
        elif self.limits:
            verdict = "complete for what was asked"
        else:
            verdict = "complete"
        if self.limits:
            verdict += f" ({'; '.join(self.limits)})"
        law = f" (read + lost = written: {sums})" if sums else ""
        return f"{plural(self.read, 'event')}, {self.lost} lost{law}: {verdict}"


def meta(host: Host) -> dict[str, Any]:
    """What a recording says of where it was made; nothing of who made it."""
    return {
        "kernel": host.release,
        "machine": host.machine,
        "boot_id": host.boot_id(),
        "clocks": {"monotonic_ns": clocks.monotonic_ns(host),
                   "realtime_ns": clocks.realtime_ns()},
        "parameters": host.parameters(),
    }


def _left_aside(stats: Stats) -> list[str]:
    """What happened before and could be had."""
    kept = stats.kept()
    if not kept:
        return []
    return [f"{plural(kept, 'earlier event')} in the ring, which --all records, too"]


def beginning(stats_text: str, whole_ring: bool) -> str:
    """What holds when recording begins, in parentheses, for who waits for it."""
    stats = parse_stats(stats_text)
    holds = [THAW if limit == "frozen" else limit for limit in limits_of(stats)]
    if not whole_ring:
        holds += _left_aside(stats)
    return f" ({'; '.join(holds)})" if holds else ""


class Recorder:
    """One recording, from begin to end."""

    def __init__(self, ring: Ring, writer: RecordingWriter, limits: Limits,
                 stop: Stop,
                 begun: Callable[[str], None] = lambda _: None) -> None:
        self._ring = ring
        self._writer = writer
        self._begun = begun
        self._limits = limits
        self._stop = stop
        self._schema_text = ring.schema_text()
        self._schema = parse_schema(self._schema_text)
        self._heads = Heads(self._schema)
        self._unrecorded = Unrecorded(self._schema, limits.whole_ring)
        self._ledger = Ledger()
        self._records = 0

    def run(self, about: Callable[[], dict[str, Any]]) -> Summary:
        """Record until a limit or a signal; `about` is called where it begins.

        What is changed after the reader is placed leaves a mark for it to read.  So
        what held before is asked for only then, or a change in between would show
        nowhere.
        """
        before = self._ring.stats_text()
        reader = self._ring.reader(self._schema.record_bytes,
                                   only_new=not self._limits.whole_ring)
        try:
            self._begin(before, self._ring.stats_text(), about)
            self._follow(reader)
            return self._finish(reader)
        finally:
            reader.close()

    def _begin(self, before: str, placed: str,
               about: Callable[[], dict[str, Any]]) -> None:
        """With the stats from before and after the reader was placed."""
        if not self._limits.whole_ring:
            self._ledger = Ledger.between(parse_stats(before).written(),
                                          parse_stats(placed).written())
        self._unrecorded.see_stats(before)
        self._unrecorded.see_stats(placed)
        self._writer.begin(about(), self._schema_text, before)
        self._begun(beginning(placed, self._limits.whole_ring))

    def _follow(self, reader: Reader) -> None:
        now = time.monotonic()
        next_look = now + LOOK_S
        deadline = math.inf
        if self._limits.duration_s is not None:
            deadline = now + self._limits.duration_s
        while not self._stop.asked and not self._counted_enough():
            now = time.monotonic()
            if now >= deadline:
                return
            if now >= next_look:
                self._unrecorded.look(self._ring.stats_text)
                next_look = now + LOOK_S
            records = reader.read()
            if records == b"":
                return
            if records is None:
                reader.wait(min(next_look, deadline) - now, self._stop.wake_fd)
            else:
                self._take(records)

    def _counted_enough(self) -> bool:
        return (self._limits.count is not None
                and self._ledger.read >= self._limits.count)

    def _finish(self, reader: Reader) -> Summary:
        stats_text = self._ring.stats_text()
        mark = parse_stats(stats_text).written()
        if not self._counted_enough():
            self._drain(reader, mark)
        if self._counted_enough():
            mark = self._ledger.lasts()
        self._unrecorded.see_stats(stats_text)
        summary = Summary(self._ledger.read, self._ledger.lost, self._ledger.accounts(mark),
                          self._unrecorded.limits(), self._unrecorded.skipped,
                          self._unrecorded.silent())
        self._writer.end(stats_text, self._done(summary))
        return summary

    def _drain(self, reader: Reader, mark: dict[int, int]) -> None:
        """Read on until the mark; what is behind it is not taken.

        It may be a whole ring, so time begins anew with all that is taken.  That
        is at most what the mark counts: traffic does not keep this from ending.
        """
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline:
            records = reader.read()
            taken = self._records
            if records:
                self._take(records, mark)
            if self._records > taken:
                deadline = time.monotonic() + DRAIN_S
            if (self._ledger.reached(mark) or self._counted_enough()
                    or records == b""):
                return
            if records is None:
                reader.wait(DRAIN_S / 10)

    def _take(self, records: bytes, mark: dict[int, int] | None = None) -> None:
        """Account for records and write them, as far as they are wanted."""
        if mark is not None or self._limits.count is not None:
            records = self._wanted(records, mark)
        for stretch in self._heads.stretches(records):
            self._account(stretch)
        self._writer.records(records)
        self._records += len(records) // self._schema.record_bytes

    def _account(self, records: bytes) -> None:
        runs = self._heads.runs(records)
        if runs is None:
            self._account_each(records)
            return
        for run in runs:
            self._ledger.add_run(run)
            self._unrecorded.see_event()

    def _account_each(self, records: bytes) -> None:
        for head, record in zip(self._heads.each(records), self._schema.each(records)):
            self._ledger.add(head)
            if head.kind == self._unrecorded.mark_kind:
                self._unrecorded.see_mark(self._schema.decode(record))
            else:
                self._unrecorded.see_event()

    def _wanted(self, records: bytes, mark: dict[int, int] | None) -> bytes:
        """The records up to the count and the mark."""
        wanted = bytearray()
        read = self._ledger.read
        for head, record in zip(self._heads.each(records), self._schema.each(records)):
            if self._limits.count is not None and read >= self._limits.count:
                break
            if mark is not None and head.serial > mark.get(head.cpu, 0):
                continue
            wanted += record
            read += not head.lost_events
        return bytes(wanted)

    def _done(self, summary: Summary) -> dict[str, Any]:
        cpus = {}
        for account in summary.accounts:
            seen = self._ledger.cpus.get(account.cpu)
            cpus[str(account.cpu)] = {
                "first_serial": seen.first if seen else None,
                **{name: number for name, number in asdict(account).items()
                   if name != "cpu"},
            }
        return {
            "records": self._records,
            "events": summary.read,
            "lost": summary.lost,
            "adds_up": summary.adds_up,
            "not_asked_for": summary.limits,
            "skipped": summary.skipped,
            "silent": summary.silent,
            "ended_monotonic_ns": clocks.monotonic_ns(),
            "ended_realtime_ns": clocks.realtime_ns(),
            "cpus": cpus,
        }
