# SPDX-License-Identifier: GPL-2.0
"""Records for tests, packed by the layout that the C headers give.

Nothing here uses the decoder under test: a record is packed field by field at
the offsets that schema_source.py summed up.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import importlib.util
import ipaddress
import itertools
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from renoscope_lib.recording.recording_file import RecordingWriter
from renoscope_lib.ring import schema_source
from renoscope_lib.ring.schema import Event, Schema
from renoscope_lib.ring.schema_parser import parse_schema
from renoscope_lib.tcp.flows import Joiner

SCRIPTS = Path(__file__).resolve().parents[1]

NO_SOCKET = 3
REASONS = {0: "NOT_SPECIFIED", NO_SOCKET: "NO_SOCKET"}

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

NOBODY = 65534

# MISSION's numbers.
ISN_A = 2712239078
ISN_B = 1288781508

ESTABLISHED, SYN_SENT, SYN_RECEIVED, CLOSED, LISTEN = 1, 2, 3, 7, 10
OPEN, LOSS = 0, 4

CLIENT, SERVER, ANY = "10.77.0.1", "10.77.0.2", "0.0.0.0"

SECOND = 1_000_000_000
MS = 1_000_000

# WCAG 2, AA: the contrast of words and what is behind them.
READABLE = 4.5

CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "addr": "16s", "text": "16s"}


def load_script(path: Path) -> ModuleType:
    """A program without .py in its name as a module; nothing is left beside it."""
    name = f"{path.parent.name}_{path.name}".replace("-", "_")
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module              # where dataclasses look for their module
    write_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = write_bytecode
    return module


@contextlib.contextmanager
def powerless() -> Iterator[None]:
    """As root is refused nothing: as somebody who is, for the time of a with block."""
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(uid)


@functools.cache
def source() -> schema_source.Source:
    """The headers, read once."""
    return schema_source.read_source()


@functools.cache
def schema_text() -> str:
    """The schema as the module would print it."""
    return schema_source.schema_text(source(), REASONS)


@functools.cache
def schema() -> Schema:
    """The same, parsed."""
    return parse_schema(schema_text())


def ip(text: str) -> bytes:
    """An address as a record has it."""
    address = ipaddress.ip_address(text)
    if address.version == 4:
        return ipaddress.IPv6Address(f"::ffff:{text}").packed
    return address.packed


def pack(kind: str, **values: Any) -> bytes:
    """One record; what is not given is 0."""
    record = bytearray(source().record_bytes)
    numbers = {name: n for n, (name, _) in enumerate(source().kinds, 1)}
    values["kind"] = numbers[kind]
    places = {f.name: f for f in source().fields if f.scope in ("all", kind)}
    order = "<" if sys.byteorder == "little" else ">"
    for name, value in values.items():
        place = places[name]
        if place.type == "addr":
            value = ip(value)
        struct.pack_into(order + CODES[place.type], record, place.offset, value)
    return bytes(record)


class Scene:
    """Makes records in time order, counting serials on each CPU."""

    def __init__(self, start_ns: int = 1000 * SECOND) -> None:
        self.start_ns = start_ns
        self._serials: dict[int, itertools.count[int]] = {}

    def pack(self, kind: str, at_ns: int = 0, cpu: int = 0,
             **values: Any) -> bytes:
        """The next record, at_ns after the scene's start."""
        serials = self._serials.setdefault(cpu, itertools.count(1))
        whole = {"serial": next(serials), "time_ns": self.start_ns + at_ns,
                 "cpu": cpu, "family": 4, "netns": 4026531840,
                 "local_addr": CLIENT, "remote_addr": SERVER,
                 "local_port": 40112, "remote_port": 5000, "cookie": 5}
        return pack(kind, **whole | values)

    def event(self, kind: str, at_ns: int = 0, cpu: int = 0,
              **values: Any) -> Event:
        """The same, decoded."""
        return schema().decode(self.pack(kind, at_ns, cpu, **values))


def _light(colour: str) -> float:
    """WCAG 2: the relative luminance of #rrggbb."""
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else
                        ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2: between two colours; words need READABLE."""
    low, high = sorted(map(_light, (one, other)))
    return (high + 0.05) / (low + 0.05)


def stats_text(*more: str, **written: int) -> str:
    """Stats of CPUs, and more lines: stats_text("filter port=1", cpu0=3)."""
    lines = ["version 1", "records_per_cpu 16"]
    lines += [f"cpu {cpu[3:]} written {count} oldest 1 unwritten 0"
              for cpu, count in written.items()]
    lines += more
    lines.append("source state sock:inet_sock_set_state attached")
    return "\n".join(lines) + "\n"


META = {"kernel": "6.12.0", "clocks": {"monotonic_ns": 1000 * SECOND,
                                       "realtime_ns": 1700000000 * SECOND}}


def recording(*blobs: bytes, parameters: dict[str, str] | None = None,
              **done: Any) -> bytes:
    """A whole recording with one RECS chunk for each blob of records."""
    file = bytearray()
    writer = RecordingWriter(file.extend)
    about = {} if parameters is None else {"parameters": parameters}
    writer.begin(META | about, schema_text(), stats_text(cpu0=0))
    for blob in blobs:
        writer.records(blob)
    count = sum(len(blob) for blob in blobs) // source().record_bytes
    writer.end(stats_text(cpu0=count), {"records": count} | done)
    return bytes(file)


def number_of(unit: str, name: str) -> int:
    """The number that a word of the schema has, as `state` FIN-WAIT-1."""
    return next(number for number, word in schema().values[unit].items()
                if word == name)


def feed(view: Any, *events: Event) -> Any:
    """Give a view what the joiner makes of the events."""
    joiner = Joiner(schema())
    for event in events:
        for joined in joiner.feed(event):
            view.feed(joined)
    for joined in joiner.flush():
        view.feed(joined)
    return view
