# SPDX-License-Identifier: GPL-2.0
"""Copies of a recording that lack a part, as if it had been made so.

A cut is what comes of a recording that began later (`suffix:NUMBER`, the first record that
it has), ended earlier (`prefix:NUMBER`, the first that it has not), had one record
overwritten in the ring (`lose:NUMBER`) or was made without a kind (`off:KIND`). They can
be combined: `suffix:100+prefix:300+off:ack`.

The copy is made by the recorder itself, from a ring that plays the records back: so its
law, its sums and what it says of itself are a real recording's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from renoscope_lib.recording.parser import RecordingParser
from renoscope_lib.recording.recorder import Limits, Recorder
from renoscope_lib.recording.recording_file import CHUNK_HEADER, MAGIC, SCHEMA, RecordingWriter
from renoscope_lib.ring.schema import LOST, MARK, OWN_KINDS, Event, Schema
from renoscope_lib.ring.stats import parse_stats
from renoscope_lib.stopping import Stop

# What a reader of the ring gets at once.
READ_RECORDS = 256

# How long after its last record a recording that ends earlier goes on.
ENDS_AFTER_NS = 1_000_000

# What is said of a recording's end, and is of no time but its own.
ENDED = ("ended_monotonic_ns", "ended_realtime_ns")
LOOKED = ("silent",)

Written = dict[int, int]


class Cut(NamedTuple):
    """What a copy lacks; records are counted in the recording that is cut."""

    first: int = 0
    end: int | None = None
    lost: int | None = None
    off: str = ""

    @classmethod
    def parse(cls, text: str) -> Cut:
        """From its name; ValueError says what is wrong with it."""
        values: dict[str, Any] = {}
        for word in text.split("+"):
            how, _, what = word.partition(":")
            if how not in NAMES or not what:
                raise ValueError(f"no cut: {word!r}; one is {'|'.join(NAMES)}:NUMBER|KIND")
            values[NAMES[how]] = what if how == "off" else int(what)
        return cls(**values)

    def __str__(self) -> str:
        return "+".join(f"{how}:{value}" for how, name in NAMES.items()
                        if (value := getattr(self, name)) not in (0, None, ""))


NAMES = {"suffix": "first", "prefix": "end", "lose": "lost", "off": "off"}


@dataclass(frozen=True)
class Moment:
    """What was recorded at some place of a recording, as its parameters would say."""

    kinds_on: frozenset[str] | None
    frozen: bool

    def after(self, schema: Schema, mark: Event) -> Moment:
        """Behind a mark."""
        cause = schema.name_of("mark_cause", mark["mark_cause"])
        if cause in ("frozen", "thawed"):
            return Moment(self.kinds_on, cause == "frozen")
        off = schema.kinds_off(mark)
        return Moment(frozenset(schema.kinds.values()).difference(off, OWN_KINDS), self.frozen)


class Whole:
    """A recording, whole and as it was made."""

    def __init__(self, data: bytes) -> None:
        parser = RecordingParser()
        blobs = list(parser.records_of([data]))
        if parser.complaint or parser.done is None:
            raise ValueError(parser.complaint or "has no end")
        assert parser.schema is not None
        self.schema = parser.schema
        self.schema_text = _schema_text(data)
        self.meta, self.done, self.stats = parser.meta, parser.done, parser.stats
        self.records = [record for blob in blobs for record in self.schema.each(blob)]
        self.events = list(map(self.schema.decode, self.records))

    @cached_property
    def of_whole_ring(self) -> bool:
        """Whether it has what was in the ring before recording began."""
        began_ns = self.meta["clocks"]["monotonic_ns"]
        return not any(self.starts.values()) and any(
            event["time_ns"] < began_ns for event in self.events if event.kind != LOST)

    @cached_property
    def starts(self) -> Written:
        """Behind which serial of each CPU it begins."""
        cpus = self.done.get("cpus", {})
        return {cpu: cpus.get(str(cpu), {}).get("start", 0)
                for cpu in parse_stats(self.stats[-1]).cpus}

    def end_of(self, cut: Cut) -> int:
        """Behind a cut's last record."""
        return len(self.records) if cut.end is None else cut.end

    def written_at(self, place: int) -> Written:
        """The last serial of each CPU before a record."""
        written = dict(self.starts)
        for event in self.events[:place]:
            written[event["cpu"]] = last_serial(event)
        return written

    def marks(self, *causes: str) -> list[int]:
        """Where marks of these causes are."""
        numbers = self.schema.numbers_of("mark_cause", *causes)
        return [place for place, event in enumerate(self.events)
                if event.kind == MARK and event["mark_cause"] in numbers]

    def moment_at(self, place: int) -> Moment:
        """What was recorded just before a record."""
        parameters = self.meta.get("parameters", {})
        named = parameters.get("events")
        now = Moment(None if named is None else frozenset(named.split(",")),
                     not self.of_whole_ring and parameters.get("frozen") in ("1", "Y"))
        for event in self.events[:place]:
            if event.kind == MARK:
                now = now.after(self.schema, event)
        return now

    def off_between(self, first: int, end: int) -> frozenset[str]:
        """Kinds that were off for some of these records."""
        heard = [place for place in range(first, end) if self.events[place].kind not in OWN_KINDS]
        if not heard:
            return frozenset()
        all_kinds = frozenset(self.schema.kinds.values()).difference(OWN_KINDS)
        places = [heard[0], *(mark + 1 for mark in self.marks("events", "begun", "filter")
                              if heard[0] < mark < end)]
        return frozenset().union(*(
            all_kinds - kinds_on for kinds_on in (self.moment_at(at).kinds_on for at in places)
            if kinds_on is not None))

    @cached_property
    def may_begin(self) -> range:
        """Where another recording could begin: nobody knows which filter a mark ended.

        The parameters were read where it began; behind all events, if it has what was
        in the ring before.
        """
        if self.of_whole_ring:
            return self.may_end
        return range(1, min([len(self.records), *(at + 1 for at in self.marks("filter"))]))

    @cached_property
    def may_end(self) -> range:
        """Where it could end."""
        known_from = [0]
        if self.of_whole_ring:
            known_from += self.marks("filter") + self.marks("begun", "events")[:1]
        return range(max(known_from) + 1, len(self.records))


def _schema_text(data: bytes) -> str:
    at = len(MAGIC)
    while True:
        type_, length = CHUNK_HEADER.unpack_from(data, at)
        at += CHUNK_HEADER.size
        if type_ == SCHEMA:
            return data[at:at + length].decode()
        at += length


def last_serial(event: Event) -> int:
    """The serial behind which its CPU goes on."""
    return int(event["serial"]) + max(event.values.get("lost_events", 0), 1) - 1


# ---- cutting

class Field:
    """Changes one field of records of a kind."""

    def __init__(self, schema: Schema, name: str, kind: str) -> None:
        self._place = next(place for place in schema.fields_of(kind) if place.name == name)
        self._order = schema.byte_order

    def set(self, record: bytes, value: int) -> bytes:
        """The same record with another value."""
        place = self._place
        return (record[:place.offset] + value.to_bytes(place.size, self._order)
                + record[place.end:])


class Copy:
    """A copy on its way: its records, and what the module would say at both of its ends."""

    def __init__(self, whole: Whole, cut: Cut) -> None:
        self._whole, self._cut, self._schema = whole, cut, whole.schema
        self._end = whole.end_of(cut)
        within = range(cut.first, self._end)
        if self._end > len(whole.records) or cut.lost is not None and cut.lost not in within:
            raise ValueError(f"{cut} is not within {len(whole.records)} records")
        self._removed: dict[int, list[int]] = {}
        self._serial, self._time = (Field(self._schema, name, LOST)
                                    for name in ("serial", "time_ns"))
        self.of_whole_ring = whole.of_whole_ring and not cut.first

    def records(self) -> list[bytes]:
        """Those that it has."""
        kept = list(zip(self._whole.records, self._whole.events))[self._cut.first:self._end]
        if self._cut.lost is not None:
            self._lose(kept, self._cut.lost - self._cut.first)
        if self._cut.off:
            kept = list(self._without(kept))
        return self._losses_dated(kept)

    def _lose(self, kept: list[tuple[bytes, Event]], at: int) -> None:
        """A loss stands behind the record of its CPU that came before."""
        _record, event = kept.pop(at)
        before = [place for place in range(at) if kept[place][1]["cpu"] == event["cpu"]]
        lost = self._schema.encode(LOST, serial=event["serial"], cpu=event["cpu"],
                                   lost_events=1)
        kept.insert(before[-1] + 1 if before else 0, (lost, self._schema.decode(lost)))

    def _without(self, kept: list[tuple[bytes, Event]]) -> Iterator[tuple[bytes, Event]]:
        """As if the module had not written a kind: its serials run on without it."""
        moment = self._whole.moment_at(self._cut.first)
        on = None if self.of_whole_ring else self._less(moment.kinds_on)
        for record, event in kept:
            if event.kind == self._cut.off:
                self._removed.setdefault(event["cpu"], []).append(event["serial"])
                continue
            if event.kind == MARK:
                moment = moment.after(self._schema, event)
                before, on = on, self._less(moment.kinds_on)
                if before == on and self._cause(event) == "events":
                    self._removed.setdefault(event["cpu"], []).append(event["serial"])
                    continue    # what changes nothing leaves no mark
                record = self._mark_without(record, event)
            yield self._serial.set(record, self._renumbered(
                event["cpu"], event["serial"])), event

    def _less(self, kinds: frozenset[str] | None) -> frozenset[str] | None:
        return None if kinds is None else kinds - {self._cut.off}

    def _cause(self, mark: Event) -> str:
        return self._schema.name_of("mark_cause", mark["mark_cause"])

    def _mark_without(self, record: bytes, mark: Event) -> bytes:
        bit = 1 << self._schema.kind_number(self._cut.off)
        return Field(self._schema, "kinds_on", MARK).set(record, mark["kinds_on"] & ~bit)

    def _renumbered(self, cpu: int, serial: int) -> int:
        """A serial, without those of the kind before it."""
        return serial - sum(one <= serial for one in self._removed.get(cpu, ()))

    def _losses_dated(self, kept: list[tuple[bytes, Event]]) -> list[bytes]:
        """A loss has the time of the record before it, 0 if there is none."""
        records, last_ns = [], 0
        for record, event in kept:
            if event.kind == LOST:
                record = self._time.set(record, last_ns)
            else:
                last_ns = event["time_ns"]
            records.append(record)
        return records

    # -- what is said at its ends

    def _parameters(self, moment: Moment) -> dict[str, str]:
        parameters = dict(self._whole.meta.get("parameters", {}))
        kinds = self._less(moment.kinds_on)
        if kinds is not None and "events" in parameters:
            parameters["events"] = ",".join(
                kind for kind in self._schema.kinds.values() if kind in kinds)
        if "frozen" in parameters:
            parameters["frozen"] = str(int(moment.frozen))
        return parameters

    @cached_property
    def _read_at(self) -> int:
        """Before which record the parameters are read as recording begins."""
        return self._end if self.of_whole_ring else self._cut.first

    def meta(self) -> dict[str, Any]:
        """As the recorder would say it."""
        meta = dict(self._whole.meta)
        if "parameters" in meta:
            meta["parameters"] = self._parameters(self._whole.moment_at(self._read_at))
        later_ns = self._began_ns() - meta["clocks"]["monotonic_ns"]
        meta["clocks"] = {name: value + later_ns for name, value in meta["clocks"].items()}
        return meta

    def _began_ns(self) -> int:
        """Between what it has not and what it has; behind all, where it has the ring."""
        first = self._cut.first
        if not first:
            return min(int(self._whole.meta["clocks"]["monotonic_ns"]), self._ended_ns())
        kept = [event["time_ns"] for event in self._whole.events[first:self._end]
                if event.kind != LOST]
        return min([self._whole.events[first - 1]["time_ns"], *kept])

    def _ended_ns(self) -> int:
        """The same at its end."""
        last_ns = max((event["time_ns"] for event in self._whole.events[:self._end]), default=0)
        if self._end == len(self._whole.events):
            return int(self._whole.done.get("ended_monotonic_ns", last_ns))
        return min(last_ns + ENDS_AFTER_NS,
                   max(last_ns, self._whole.events[self._end]["time_ns"]))

    def done(self) -> dict[str, Any]:
        """What the recorder cannot know of its end: its clocks, and looks in between."""
        done = self._whole.done
        earlier_ns = done.get("ended_monotonic_ns", 0) - self._ended_ns()
        return {name: done[name] - earlier_ns for name in ENDED if name in done} | {
            name: done[name] for name in LOOKED if name in done}

    def stats(self) -> list[str]:
        """Before the reader is placed, when it is, and at the end."""
        whole = self._whole
        written = {place: whole.written_at(place) for place in (self._cut.first, self._end)}
        first, last = (parse_stats(text).written() for text in (whole.stats[0], whole.stats[-1]))
        at_end = last if self._cut.end is None else written[self._end]
        if self._cut.first:
            before = placed = written[self._cut.first]
        elif self.of_whole_ring:
            before = placed = {cpu: min(count, at_end.get(cpu, 0)) for cpu, count in first.items()}
        else:
            before, placed = first, whole.starts
        return [self._stats_text(text, numbers, place) for text, numbers, place in (
            (whole.stats[0], before, self._read_at), (whole.stats[0], placed, self._read_at),
            (whole.stats[-1], at_end, self._end))]

    def _stats_text(self, text: str, written: Written, place: int) -> str:
        moment = self._whole.moment_at(place)
        return "".join(self._stats_line(line, written, moment) + "\n"
                       for line in text.splitlines())

    def _stats_line(self, line: str, written: Written, moment: Moment) -> str:
        word, *rest = line.split(" ")
        if word == "cpu":
            return self._cpu_line(int(rest[0]), written, dict(zip(rest[1::2], map(
                int, rest[2::2]))))
        kinds = self._less(moment.kinds_on)
        if word == "kinds_off" and kinds is not None:
            off = [kind for kind in self._schema.kinds.values()
                   if kind not in kinds and kind not in OWN_KINDS]
            return f"kinds_off {','.join(off) or 'none'}"
        if word == "freeze":
            return line.replace(f"frozen {1 - moment.frozen} ", f"frozen {int(moment.frozen)} ")
        if word == "source" and self._cut.off and not set(rest[0].split(",")) - {self._cut.off}:
            return " ".join([word, *rest[:2], "off"])
        return line

    def _cpu_line(self, cpu: int, written: Written, numbers: dict[str, int]) -> str:
        count = self._renumbered(cpu, written.get(cpu, 0))
        numbers["oldest"] = min(self._renumbered(cpu, numbers["oldest"] - 1) + 1, count + 1)
        numbers["written"] = count
        return " ".join([f"cpu {cpu}", *(f"{name} {value}" for name, value in numbers.items())])


class Played:
    """A ring that plays records back."""

    def __init__(self, schema_text: str, records: list[bytes], stats: list[str]) -> None:
        self._schema_text, self._stats = schema_text, list(stats)
        self._pieces = [b"".join(records[at:at + READ_RECORDS])
                        for at in range(0, len(records), READ_RECORDS)]

    def schema_text(self) -> str:
        """The recording's."""
        return self._schema_text

    def stats_text(self) -> str:
        """The next reading; the last one for ever."""
        return self._stats.pop(0) if len(self._stats) > 1 else self._stats[0]

    def reader(self, record_bytes: int, only_new: bool = False) -> Played:
        """There is but one."""
        return self

    def read(self) -> bytes:
        """Nothing is the end."""
        return self._pieces.pop(0) if self._pieces else b""

    def wait(self, timeout_s: float | None, wake_fd: int | None = None) -> None:
        """All is there."""

    def close(self) -> None:
        """All was read."""


class Writer(RecordingWriter):
    """Writes a copy, whose clocks are of another time than now."""

    def __init__(self, write: Callable[[bytes], object], done: dict[str, Any]) -> None:
        super().__init__(write)
        self._done = done

    def end(self, stats: str, done: dict[str, Any]) -> None:
        """Everything that stands behind the last record."""
        counted = {name: value for name, value in done.items() if name not in ENDED}
        super().end(stats, counted | self._done)


def cut_copy(whole: Whole, cut: Cut) -> bytes:
    """The file of a copy."""
    copy = Copy(whole, cut)
    records = copy.records()        # what is removed is known behind this only
    file = bytearray()
    Recorder(Played(whole.schema_text, records, copy.stats()),
             Writer(file.extend, copy.done()),
             Limits(whole_ring=copy.of_whole_ring), Stop()).run(copy.meta)
    return bytes(file)
