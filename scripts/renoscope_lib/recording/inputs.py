# SPDX-License-Identifier: GPL-2.0
"""Where a view's events come from: a recording, a pipe, or the live ring.

All give batches of decoded events, or of whole records as they are for a view
that decodes only some of them.  An empty batch means that nothing came for a
moment: whoever holds something back shows it then.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterator
from typing import Any, Protocol

from ..errors import BAD_INPUT, Problem
from ..machine import clocks
from ..machine.host import Host
from ..output.progress import Progress
from ..ring.chosen import Chosen
from ..ring.heads import Heads
from ..ring.ledger import Ledger
from ..ring.live_ring import LiveRing
from ..ring.schema import Event, Schema
from ..ring.schema_parser import parse_schema
from ..ring.stats import Stats, parse_stats
from .parser import RecordingParser

READ_BYTES = 1 << 16

# Where ktime_t ends, in the year 2262.
MOST_NS = 1 << 63

# What tells of a loss by damage has no record: its count is worked out.
DAMAGED = frozenset(("lost_events",))

# Nothing came for so long: show what is held back.  No person notices.
PAUSE_S = 0.2


class Input(Protocol):
    """What a view needs of its source."""

    schema: Schema
    follows: bool

    def batches(self) -> Iterator[list[Event]]:
        """Events in order; an empty list is a pause."""

    def records(self) -> Iterator[bytes]:
        """The same, not decoded: whole records; b"" is a pause."""

    def wall_offset_ns(self) -> int | None:
        """Wall clock minus CLOCK_MONOTONIC, where it is known."""

    def wall_clock_moved_ns(self) -> int:
        """How far that changed by the end, after the last batch; 0 if it is not known."""

    def end_ns(self) -> int | None:
        """CLOCK_MONOTONIC when watching ended, after the last batch."""

    def parameters(self) -> dict[str, str]:
        """The module's parameters at some moment, where they are known."""

    def parameters_read(self) -> tuple[int, str]:
        """That moment: CLOCK_MONOTONIC, and what to say of it."""

    def about(self) -> dict[str, Any]:
        """The machine: kernel and machine, where they are known."""

    def stats(self) -> list[Stats]:
        """What the module said of itself at its beginning and its end, as far as known."""

    def done(self) -> dict[str, Any]:
        """What the recorder said at its end, after the last batch."""

    def complaint(self) -> str | None:
        """What was wrong with it, after the last batch."""


def _nanoseconds(value: object) -> int | None:
    """What a kernel's clock may say; None if none does."""
    return value if isinstance(value, int) and 0 <= value < MOST_NS else None


def input_name(name: str) -> str:
    """A recording as a person calls it; - is standard input."""
    return "standard input" if name == "-" else name


def decode(schema: Schema, records: bytes) -> list[Event]:
    """Whole records to events."""
    return list(map(schema.decode, schema.each(records)))


class RecordingInput:
    """A recording from a file, or from a pipe while it is being written."""

    def __init__(self, name: str, shows_progress: bool = False) -> None:
        self._name = input_name(name)
        self._fd = self._open(name)
        status = os.fstat(self._fd)
        self.follows = not stat.S_ISREG(status.st_mode)
        self._progress = (Progress.of(status.st_size)
                          if shows_progress and not self.follows else None)
        self._parser = RecordingParser()
        self._last_ns: int | None = None
        self._source = self._read()
        self._first: bytes | None = b""
        while self._parser.schema is None and self._first is not None:
            self._first = next(self._source, None)
        assert self._parser.schema is not None, "the parser would have raised"
        self.schema = self._parser.schema

    @staticmethod
    def _open(name: str) -> int:
        if name == "-":
            return 0
        try:
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Problem(f"cannot read {name}: {error.strerror}",
                          BAD_INPUT) from None

    def _read(self) -> Iterator[bytes]:
        """Whole records as they come; b"" is a pause."""
        try:
            yield from self._parser.records_of(self._pieces())
        except Problem as problem:
            raise Problem(f"{self._name}: {problem}",
                          problem.exit_code) from None
        except OSError as error:
            raise Problem(f"cannot read {self._name}: {error.strerror}",
                          BAD_INPUT) from None
        finally:
            if self._progress is not None:
                self._progress.erase()

    def _pieces(self) -> Iterator[bytes]:
        """What there is to read; b"" is a pause."""
        while True:
            if self.follows and not self._something_comes():
                yield b""
                continue
            data = os.read(self._fd, READ_BYTES)
            if not data:
                return
            if self._progress is not None:
                self._progress.advance(len(data))
            yield data

    def _something_comes(self) -> bool:
        return bool(select.select([self._fd], [], [], PAUSE_S)[0])

    def batches(self) -> Iterator[list[Event]]:
        """Its events in order."""
        for records in self.records():
            events = decode(self.schema, records)
            if self._parser.tells_damage:
                for event in events:
                    event.filled = DAMAGED
            yield events

    def records(self) -> Iterator[bytes]:
        """Its records in order."""
        if self._first is None:
            return
        yield self._noted(self._first)
        for records in self._source:
            yield self._noted(records)

    def _noted(self, records: bytes) -> bytes:
        if records:
            self._last_ns = self.schema.time_of(records[-self.schema.record_bytes:])
        return records

    def wall_offset_ns(self) -> int | None:
        """From the two clocks that were noted when recording began."""
        realtime_ns, monotonic_ns = self._clock("realtime_ns"), self._clock("monotonic_ns")
        if realtime_ns is None or monotonic_ns is None:
            return None
        return realtime_ns - monotonic_ns

    def wall_clock_moved_ns(self) -> int:
        """From the two clocks that were noted when recording ended."""
        done = self._parser.done or {}
        realtime_ns = _nanoseconds(done.get("ended_realtime_ns"))
        monotonic_ns = _nanoseconds(done.get("ended_monotonic_ns"))
        offset_ns = self.wall_offset_ns()
        if realtime_ns is None or monotonic_ns is None or offset_ns is None:
            return 0
        return realtime_ns - monotonic_ns - offset_ns

    def _clock(self, name: str) -> int | None:
        """A clock as it was when recording began."""
        clocks = self._parser.meta.get("clocks")
        return _nanoseconds(clocks.get(name)) if isinstance(clocks, dict) else None

    def end_ns(self) -> int | None:
        """When recording ended; the last event's time if it was cut off."""
        done = self._parser.done or {}
        ended_ns = _nanoseconds(done.get("ended_monotonic_ns"))
        return self._last_ns if ended_ns is None else ended_ns

    def parameters(self) -> dict[str, str]:
        """As they were when recording began."""
        found = self._parser.meta.get("parameters")
        return {name: text for name, text in found.items()
                if isinstance(text, str)} if isinstance(found, dict) else {}

    def parameters_read(self) -> tuple[int, str]:
        """`record --all` holds events from before it."""
        return self._clock("monotonic_ns") or 0, Chosen.WHEN_RECORDING_BEGAN

    def about(self) -> dict[str, Any]:
        """That it was recorded on."""
        return self._parser.meta

    def stats(self) -> list[Stats]:
        """As they were noted when recording began and when it ended."""
        return [parse_stats(text) for text in self._parser.stats]

    def done(self) -> dict[str, Any]:
        """Nothing if it was cut off."""
        return self._parser.done or {}

    def complaint(self) -> str | None:
        """Whether it is damaged or was cut off, and where."""
        complaint = self._parser.complaint
        return f"{self._name}: {complaint}" if complaint else None


class LiveInput:
    """The ring: from the oldest event on, for ever or just what it holds.

    With only_new: from the next event on.
    """

    def __init__(self, ring: LiveRing, follows: bool,
                 only_new: bool = False) -> None:
        self._ring = ring
        self.follows = follows
        self.schema = parse_schema(ring.schema_text())
        self._reader = ring.reader(self.schema.record_bytes, only_new)
        self._wall_offset_ns = clocks.wall_offset_ns()

    def batches(self) -> Iterator[list[Event]]:
        """Its events in order."""
        return (decode(self.schema, records) for records in self.records())

    def records(self) -> Iterator[bytes]:
        """Its records in order."""
        return self._following() if self.follows else self._as_it_is()

    def _following(self) -> Iterator[bytes]:
        while True:
            records = self._reader.read()
            if records == b"":
                return
            if records is None:
                self._reader.wait(PAUSE_S)
                records = self._reader.read()
            yield records or b""

    def _as_it_is(self) -> Iterator[bytes]:
        """Until each CPU's last serial of this moment has come.

        The reader merges by time, so a busy CPU's newer events can come
        before a quiet one's last: these are left out.
        """
        mark = parse_stats(self._ring.stats_text()).written()
        ledger, heads = Ledger(), Heads(self.schema)
        while not ledger.reached(mark):
            records = self._reader.read()
            if not records:
                return
            wanted = []
            for head, record in zip(heads.each(records), self.schema.each(records)):
                ledger.add(head)
                if head.serial <= mark.get(head.cpu, 0):
                    wanted.append(record)
            yield b"".join(wanted)

    def wall_offset_ns(self) -> int | None:
        """From this machine's clocks, now."""
        return clocks.wall_offset_ns()

    def wall_clock_moved_ns(self) -> int:
        """Since watching began."""
        return clocks.wall_offset_ns() - self._wall_offset_ns

    def end_ns(self) -> int | None:
        """Now."""
        return clocks.monotonic_ns()

    def parameters(self) -> dict[str, str]:
        """As they are now."""
        return Host().parameters()

    def parameters_read(self) -> tuple[int, str]:
        """What is in the ring is older."""
        return clocks.monotonic_ns(), Chosen.NOW

    def about(self) -> dict[str, Any]:
        """This one."""
        host = Host()
        return {"kernel": host.release, "machine": host.machine}

    def stats(self) -> list[Stats]:
        """As they are now."""
        return [parse_stats(self._ring.stats_text())]

    def done(self) -> dict[str, Any]:
        """Nothing has ended."""
        return {}

    def complaint(self) -> str | None:
        """The ring tells of a loss by itself."""
        return None
