# SPDX-License-Identifier: GPL-2.0
"""The shape of a record, learnt from the module's `schema` text.

The module is the only place that defines fields.  Whoever reads records reads
the schema first, live from debugfs or from the recording that carries it, so
scripts and module never have to agree on column numbers.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, Literal, NamedTuple

from .errors import BAD_INPUT, Problem

SUPPORTED_VERSION = 1
SCOPE_ALL = "all"
LOST = "lost"
MARK = "mark"

TYPE_FORMATS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "addr": "16s"}
ByteOrder = Literal["little", "big"]
BYTE_ORDERS: dict[ByteOrder, str] = {"little": "<", "big": ">"}

# What the scripts themselves look at in every record.
NEEDED_FIELDS = (
    "serial", "time_ns", "cookie", "netns", "kind", "family", "state",
    "ca_state", "local_addr", "remote_addr", "local_port", "remote_port",
    "cpu", "snd_isn", "rcv_isn", "snd_una", "snd_nxt", "rcv_nxt", "seg_seq",
    "seg_ack", "seg_len", "seg_window", "seg_flags", "sock_flags",
    "snd_wscale", "rcv_wscale", "backoff", "cwnd", "ssthresh", "srtt_us",
    "rto_us",
)

# Of these the scripts shift by as many bits: a byte's worth, or memory is gone.  And a
# kind is looked up by its byte.
BYTES = ("snd_wscale", "rcv_wscale", "backoff", "kind")

# Far above what a module has (256 kinds there can be): a schema from elsewhere may say
# anything, and what it says takes memory and time.
MAX_RECORD_BYTES = 1 << 12
MAX_FIELDS = 1 << 10

HANDSHAKE_DETAILS = (
    "listener", "since_synack_us", "half_open", "accept_queue",
    "accept_limit", "syn_backlog", "num_timeout",
)

# And what they look at in the records of one kind, where there is that kind.
# Schemas of version 1 began without most kinds: recordings made then stay good.
NEEDED_DETAILS = {
    "lost": ("lost_events",),
    "state": ("old_state",),
    "synack_retransmit": (
        "since_synack_us", "synack_timeout_us", "half_open", "accept_queue",
        "accept_limit", "num_retrans", "num_timeout", "by_timer",
        "max_retries",
    ),
    "ca_state": ("old_ca_state",),
    "reset_sent": ("reset_reason",),
    "destroy": (
        "bytes_acked", "bytes_received", "segs_out", "segs_in",
        "retrans_segs",
    ),
    "syn": HANDSHAKE_DETAILS,
    "request": HANDSHAKE_DETAILS,
    "synack": (*HANDSHAKE_DETAILS, "synack_type"),
    "refused": (*HANDSHAKE_DETAILS, "refusal"),
    "completed": HANDSHAKE_DETAILS,
    "accepted": HANDSHAKE_DETAILS,
    "request_end": (*HANDSHAKE_DETAILS, "request_ending"),
    "cookie_checked": (*HANDSHAKE_DETAILS, "cookie_verdict"),
    "time_wait": ("time_wait_us", "time_wait_step"),
    "time_wait_end": ("time_wait_ending",),
    "loss_probe": ("probe_retransmits",),
    "probe": ("probe_cause", "probes_out", "probe_carries_data"),
    "zero_window": ("window_side", "window_change"),
    "error": ("sk_error",),
    "segment": (
        "tsval", "tsecr", "sack1_left", "sack1_right", "sack2_left",
        "sack2_right", "sack3_left", "sack3_right", "urgent_pointer",
        "option_mss", "option_wscale", "header_words", "sack_blocks",
        "segment_flags",
    ),
    "mark": ("kinds_on", "mark_cause"),
}


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


@dataclass
class Event:
    """One decoded record.

    `filled` names the values that flows.py took from a later event, because
    the kernel had not set them yet; `listener` is the listener's cookie where
    flows.py gave the event to the child instead.
    """

    kind: str
    values: dict[str, Any]
    filled: frozenset[str] = frozenset()
    listener: int | None = None

    def __getitem__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise SchemaError(f"broken: kind {self.kind} has no field {name}"
                              ) from None


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


# The lowest byte of every number of 16 bits, one after the other, and the one above it.
LOW_BYTES = bytes(range(256)) * 256
NEXT_BYTES = b"".join(bytes([byte]) * 256 for byte in range(256))


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
    _head: struct.Struct = field(init=False, repr=False)
    _head_names: list[str] = field(init=False, repr=False)
    _kind_offset: int = field(init=False, repr=False)
    _lost_kind: int = field(init=False, repr=False)
    _apart: list[int] = field(init=False, repr=False)
    _serial: Field = field(init=False, repr=False)
    _cpu: Field = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._layouts = {
            number: (name, *self._layout(self.fields_of(name)))
            for number, name in self.kinds.items()
        }
        heads = [f for f in self.fields_of(LOST)
                 if f.name in ("serial", "cpu", "kind", "lost_events")]
        self._head, self._head_names = self._layout(heads)
        self._kind_offset = self.field_named("kind").offset
        self._lost_kind = next(n for n, k in self.kinds.items() if k == LOST)
        self._apart = [n for n, k in self.kinds.items() if k in (LOST, MARK) and n < 256]
        self._serial, self._cpu = self.field_named("serial"), self.field_named("cpu")

    def fields_of(self, kind: str) -> list[Field]:
        """The fields that a record of this kind has, by offset."""
        return [f for f in self.fields if f.scope in (SCOPE_ALL, kind)]

    def field_named(self, name: str) -> Field:
        """The field of that name; the parser has made sure of the needed ones."""
        return next(f for f in self.fields if f.name == name)

    def _layout(self, fields: list[Field]) -> tuple[struct.Struct, list[str]]:
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
        values["kind"] = next(n for n, name in self.kinds.items() if name == kind)
        for place in self.fields_of(kind):
            number = values.get(place.name, 0) % (1 << 8 * place.size)
            record[place.offset:place.end] = number.to_bytes(
                place.size, self.byte_order)
        return bytes(record)

    def knows_kinds_of(self, records: bytes) -> bool:
        """Whether each of these whole records is of a kind that there is."""
        kinds = set(records[self._kind_offset::self.record_bytes])
        return kinds <= self.kinds.keys()

    def unpacker(self, kind: str) -> struct.Struct:
        """What gives the values of a record of this kind, by offset."""
        return self._layout(self.fields_of(kind))[0]

    def heads(self, records: bytes) -> Iterator[Head]:
        """The bookkeeping part of whole records, cheaply."""
        names = self._head_names
        serial, cpu, kind, lost = (names.index(name) for name in (
            "serial", "cpu", "kind", "lost_events"))
        for row in self._head.iter_unpack(records):
            lost_events = row[lost] if row[kind] == self._lost_kind else 0
            yield Head(row[serial], row[cpu], lost_events, row[kind])

    def runs(self, records: bytes) -> list[Run] | None:
        """The bookkeeping of many events at once; None where heads() must look.

        That is where something tells of a loss or of a change of what is recorded, or
        a CPU's serials do not follow each other. Else it is a run for each CPU.
        """
        kinds = records[self._kind_offset::self.record_bytes]
        if any(number in kinds for number in self._apart):
            return None
        run = self._one_run(records)
        if run:
            return [run]
        serials, cpus = (self._column(place, records)
                         for place in (self._serial, self._cpu))
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
        count, size = len(records) // self.record_bytes, self.record_bytes
        at, cpu_at = self._serial.offset, self._cpu.offset
        first = int.from_bytes(records[at:at + 8], "little")
        low = first & 0xFFFF
        if not count or self.byte_order != "little" or self._serial.size != 8:
            return None
        if (records[at::size] != LOW_BYTES[low:low + count]
                or records[at + 1::size] != NEXT_BYTES[low:low + count]):
            return None
        same = (*range(at + 2, at + 8), *range(cpu_at, self._cpu.end))
        if any(records[place::size] != records[place:place + 1] * count for place in same):
            return None
        return Run(int.from_bytes(records[cpu_at:self._cpu.end], "little"), first, count)

    def _column(self, place: Field, records: bytes) -> list[int]:
        """One field of all records, without a loop where the layout lets it."""
        size, step = place.size, self.record_bytes
        if self.byte_order == sys.byteorder and not (place.offset % size or step % size):
            column = memoryview(records).cast(TYPE_FORMATS[place.type])
            return column[place.offset // size::step // size].tolist()
        return [row[0] for row in self._layout([place])[0].iter_unpack(records)]

    def time_of(self, record: bytes) -> int:
        """One record's time_ns, cheaply."""
        place = self.field_named("time_ns")
        return int.from_bytes(record[place.offset:place.end], self.byte_order)

    def name_of(self, unit: str, number: int) -> str:
        """The name that a number of this unit stands for."""
        return self.values.get(unit, {}).get(number, f"unknown({number})")

    def bit_names(self, unit: str, bits: int) -> list[str]:
        """The names of the bits that are set."""
        names = self.values.get(unit, {})
        return [names.get(bit, f"bit{bit}")
                for bit in range(bits.bit_length()) if bits >> bit & 1]


class _Parser:
    """Collects the lines of one schema text; finish() checks the whole."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.kinds: dict[int, str] = {}
        self.kind_meanings: dict[str, str] = {}
        self.fields: list[Field] = []
        self.values: dict[str, dict[int, str]] = {}

    def line(self, line: str) -> None:
        """Take one line; ValueError if it is malformed."""
        word, _, rest = line.partition(" ")
        if word in ("version", "record_bytes", "byte_order"):
            if word in self.settings:
                raise ValueError(f"a second {word}")
            self.settings[word] = rest
            if word == "version" and rest != str(SUPPORTED_VERSION):
                raise SchemaError(
                    f"version {rest} is not supported, only version "
                    f"{SUPPORTED_VERSION}: use the scripts that came with "
                    "that module")
        elif word == "kind":
            number, name, meaning = rest.split(" ", 2)
            if not 0 <= int(number) < 256:
                raise ValueError("a kind is a byte")
            if int(number) in self.kinds or name in self.kind_meanings:
                raise ValueError(f"a second kind {number} or {name}")
            self.kinds[int(number)] = name
            self.kind_meanings[name] = meaning
        elif word == "field":
            if len(self.fields) == MAX_FIELDS:
                raise ValueError("too many fields")
            name, type_, offset, size, unit, scope, meaning = rest.split(" ", 6)
            self.fields.append(Field(name, type_, int(offset), int(size),
                                     unit, scope, meaning))
        elif word == "value":
            unit, number, name = rest.split(" ", 2)
            self.values.setdefault(unit, {})[int(number)] = name
        else:
            raise ValueError("not a line of a schema")

    def finish(self) -> Schema:
        """The schema, if its lines fit together."""
        for word in ("version", "record_bytes", "byte_order"):
            if word not in self.settings:
                raise SchemaError(f"broken: it has no {word} line")
        order = next((known for known in BYTE_ORDERS
                      if known == self.settings["byte_order"]), None)
        if order is None:
            raise SchemaError("broken: byte_order is "
                              f"{self.settings['byte_order']!r}")
        try:
            record_bytes = int(self.settings["record_bytes"])
        except ValueError:
            raise SchemaError("broken: record_bytes is no number") from None
        if not 0 < record_bytes <= MAX_RECORD_BYTES:
            raise SchemaError(f"broken: records of {record_bytes} bytes")
        self._check_fields(record_bytes)
        self._check_needed()
        return Schema(int(self.settings["version"]), record_bytes,
                      order, self.kinds, self.kind_meanings, self.fields, self.values)

    def _check_fields(self, record_bytes: int) -> None:
        for place in self.fields:
            code = TYPE_FORMATS.get(place.type)
            if code is None or struct.calcsize("<" + code) != place.size:
                raise SchemaError(f"broken: field {place.name} is a "
                                  f"{place.type} of {place.size} bytes")
            if place.offset < 0 or place.end > record_bytes:
                raise SchemaError(f"broken: field {place.name} does not lie "
                                  "in the record")
            if place.scope not in (SCOPE_ALL, *self.kind_meanings):
                raise SchemaError(f"broken: field {place.name} belongs to "
                                  f"{place.scope!r}, which is no kind")
        for kind in self.kind_meanings:
            self._check_overlap(kind)

    def _check_overlap(self, kind: str) -> None:
        names: set[str] = set()
        position = 0
        mine = (f for f in self.fields if f.scope in (SCOPE_ALL, kind))
        for place in sorted(mine, key=lambda f: f.offset):
            if place.offset < position or place.name in names:
                raise SchemaError(f"broken: field {place.name} overlaps "
                                  f"another one of kind {kind}")
            names.add(place.name)
            position = place.end

    def _check_needed(self) -> None:
        if LOST not in self.kind_meanings:
            raise SchemaError(f"broken: it has no kind {LOST}")
        common = {f.name for f in self.fields if f.scope == SCOPE_ALL}
        for name in NEEDED_FIELDS:
            if name not in common:
                raise SchemaError(f"broken: it has no field {name}")
        self._check_types({*NEEDED_FIELDS, *sum(NEEDED_DETAILS.values(), ())})
        for kind, names in NEEDED_DETAILS.items():
            have = {f.name for f in self.fields if f.scope == kind}
            for name in names:
                if kind in self.kind_meanings and name not in have:
                    raise SchemaError(f"broken: kind {kind} has no field "
                                      f"{name}")

    def _check_types(self, needed: set[str]) -> None:
        """Numbers are to be reckoned with, and addresses are not."""
        for place in self.fields:
            is_wrong = (place.type == "addr") != place.name.endswith("_addr")
            if place.name in BYTES:
                is_wrong = place.type != "u8"
            if is_wrong and place.name in needed:
                raise SchemaError(f"broken: field {place.name} is a {place.type}")


def parse_schema(text: str) -> Schema:
    """Read what the debugfs file `schema` says."""
    parser = _Parser()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.isprintable():  # what it says ends up on terminals
            raise SchemaError(f"broken at line {number}: control characters")
        if not line or line.startswith("#"):
            continue
        try:
            parser.line(line)
        except ValueError as error:
            raise SchemaError(
                f"broken at line {number}: {line[:60]!r}: {error}") from None
    return parser.finish()
