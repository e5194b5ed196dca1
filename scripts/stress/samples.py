# SPDX-License-Identifier: GPL-2.0
"""Recordings to damage: real ones where there are any, and one of every kind of event."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

from renoscope_lib.ring.schema import Field
from tests import support
from tests.support import MS, Scene

# Where the demo, the selftests and the stress leave theirs; or a folder of one's own.
FOLDER = Path(os.environ.get("RENOSCOPE_RECORDINGS")
              or Path(__file__).resolve().parents[2] / "out")
MOST_BYTES = 400_000
MOST_FILES = 20
A_CHUNK = 6


# Names of processes: a thread may call itself anything.
NAMES = (b"curl", b"a name\x1b[31m", b"as long as can be", b"")


def _value(random_: random.Random, place: Field) -> int | bytes:
    """Mostly what could be; 0 as often as it is in real records."""
    if place.type == "text":
        return random_.choice(NAMES)
    words, size = support.schema().values.get(place.unit), place.size
    if words and random_.random() < 0.95:
        return random_.choice(sorted(words))
    if random_.random() < 0.4:
        return 0
    return random_.randrange(1 << random_.choice((4, 10, 8 * size)) % (8 * size + 1))


def _records(random_: random.Random) -> Iterator[bytes]:
    """A few connections of which everything is told, in no sensible order."""
    scene = Scene()
    kinds = [kind for kind in support.schema().kind_meanings if kind != "lost"]
    for step in range(240):
        kind = random_.choice(kinds)
        details = {field.name: _value(random_, field)
                   for field in support.schema().fields_of(kind)
                   if field.scope == kind or field.name in (
                       "state", "ca_state", "cwnd", "ssthresh", "srtt_us", "rto_us", "seg_seq",
                       "seg_ack", "seg_len", "seg_flags", "seg_window")}
        number = random_.randrange(4)
        details |= {"local_port": 40000 + number, "cookie": 5 + number,
                    "snd_isn": 1000, "rcv_isn": 2000, "snd_una": 1001 + step,
                    "snd_nxt": 1001 + 2 * step, "rcv_nxt": 2001 + step}
        names = {field.name for field in support.schema().fields_of(kind)}
        yield scene.pack(kind, step * MS, random_.randrange(3), **{
            name: value for name, value in details.items() if name in names})


def of_every_kind() -> bytes:
    """One that needs no guest to be made."""
    records = list(_records(random.Random(1)))
    return support.recording(*(b"".join(records[at:at + A_CHUNK])
                               for at in range(0, len(records), A_CHUNK)), parameters={
        "events": " ".join(support.schema().kind_meanings), "filter": "port=5000",
        "flow_sample": "1", "ack_sample": "4", "frozen": "0"}, ended_monotonic_ns=2 ** 40)


def samples() -> dict[str, bytes]:
    """By name; the smallest of each folder, as many of them can be read then."""
    found = sorted((path for path in FOLDER.rglob("*.renoscope") if path.is_file()
                    and path.stat().st_size < MOST_BYTES), key=lambda path: path.stat().st_size)
    return {"of every kind": of_every_kind()} | {
        path.name: path.read_bytes() for path in found[:MOST_FILES]}
