# SPDX-License-Identifier: GPL-2.0
"""How fast a million records are saved and read: as JSON lines, as a table, as columns.

Makes a recording of that many records in a folder for temporary files (each is of one
of 100 connections that send, lose and recover; the mix of kinds is that of a recorded
transfer with segments on), exports it, and prints seconds and the most memory of each.
Output goes to /dev/null, so that decoding is measured and not the disk.

`record` is what `renoscope record` does, with a file in the place of trace_raw: the
program's part alone, and none of the kernel's.

    python3 scripts/bench/decode.py
    python3 scripts/bench/decode.py --records 4000000 --formats jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

from renoscope_lib.recording.recording_file import RecordingWriter  # noqa: E402
from renoscope_lib.ring import schema_source  # noqa: E402  (found through the line above)
from renoscope_lib.ring.schema import Schema  # noqa: E402
from renoscope_lib.ring.schema_parser import parse_schema  # noqa: E402

DEBIAN_PYTHON = "/usr/bin/python3"  # which has numpy
CONNECTIONS = 100
CHUNK_RECORDS = 341      # what one read of the ring gives
CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "addr": "16s", "text": "16s"}
MIX = {"segment": 620, "ack": 300, "retransmit": 15, "reno_round": 20, "ca_state": 15,
       "state": 10, "rto": 4, "loss_probe": 4, "synack_retransmit": 4, "destroy": 4,
       "reno_reduction": 2, "zero_window": 2}
STATS = "version 1\nrecords_per_cpu 8192\ncpu 0 written 0 oldest 1 unwritten 0\n"

# To columns: all that a report may want of the two busiest kinds.
TO_COLUMNS = """
import sys
sys.path.insert(0, {scripts!r})
from renoscope_lib.export import columns
read = columns.read({file!r})
for kind in ("ack", "segment"):
    rows = read.of(kind)
    for name in ("time_ns", "cookie", "snd_una", "snd_nxt", "cwnd", "ssthresh",
                 "srtt_us", "rto_us", "packets_out", "lost_out"):
        rows[name]
"""

# What record does, from a file that holds nothing but records.
TO_FILE = """
import sys
sys.path.insert(0, {scripts!r})
from pathlib import Path
from renoscope_lib.output.output_file import OutputFile
from renoscope_lib.recording.recorder import Limits, Recorder
from renoscope_lib.recording.recording_file import RecordingWriter
from renoscope_lib.stopping import Stop
from renoscope_lib.ring.live_ring import LiveReader
folder = Path({folder!r})
class Ring:
    def schema_text(self):
        return (folder / "schema").read_text()
    def stats_text(self):
        return {stats!r}
    def reader(self, record_bytes, only_new=False):
        return LiveReader(folder / "trace_raw", record_bytes)
output = OutputFile("/dev/null")
summary = Recorder(Ring(), RecordingWriter(output.write), Limits(whole_ring=True),
                   Stop()).run(dict)
assert summary.read == {count} and summary.adds_up, summary
"""


class Maker:
    """Records that look like those of transfers."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._random = random.Random(1)
        self._kinds = {name: number for number, name in schema.kinds.items()}
        self._deck = [kind for kind, share in MIX.items() for _ in range(share)]
        self._serial = 0

    def _put(self, record: bytearray, of: str, /, **values: int | bytes) -> None:
        places = {f.name: f for f in self._schema.fields_of(of)}
        for name, value in values.items():
            struct.pack_into("=" + CODES[places[name].type], record,
                             places[name].offset, value)

    def _template(self, kind: str) -> bytearray:
        """What does not change from record to record."""
        record = bytearray(self._schema.record_bytes)
        mapped = bytes(10) + b"\xff\xff"
        self._put(record, kind, kind=self._kinds[kind], family=4, state=1,
                  netns=4026531840, local_addr=mapped + bytes([10, 77, 0, 1]),
                  remote_addr=mapped + bytes([10, 77, 0, 2]), remote_port=5000,
                  mss=1448, seg_len=1448, seg_flags=0x10, seg_window=501,
                  snd_wscale=7, rcv_wscale=7, sock_flags=0x0E, ssthresh=0x7FFFFFFF,
                  snd_wnd=64128, rcv_wnd=65280, rto_us=236000, packets_out=10)
        if kind == "segment":
            self._put(record, kind, header_words=8, segment_flags=0x11, tsval=77)
        return record

    def chunks(self, count: int) -> Iterator[bytes]:
        """So many records, a chunk at a time."""
        templates = {kind: self._template(kind) for kind in MIX}
        for begun in range(0, count, CHUNK_RECORDS):
            yield b"".join(self._record(templates) for _ in range(
                min(CHUNK_RECORDS, count - begun)))

    def _record(self, templates: dict[str, bytearray]) -> bytes:
        self._serial += 1
        kind = self._random.choice(self._deck)
        record = templates[kind]
        number = self._serial % CONNECTIONS
        isn = 2712239078 + number * 40_000_000
        at = isn + 1 + self._serial // CONNECTIONS * 1448
        one, two = isn & 0xFFFFFFFF, (isn + 7) & 0xFFFFFFFF
        struct.pack_into("=QQQ", record, 0, self._serial,
                         10**12 + self._serial * 11_000, 4097 + number)
        self._put(record, kind, local_port=40000 + number, snd_isn=one, rcv_isn=two,
                  snd_una=at & 0xFFFFFFFF, snd_nxt=(at + 14480) & 0xFFFFFFFF,
                  rcv_nxt=(two + 1) & 0xFFFFFFFF, seg_seq=at & 0xFFFFFFFF,
                  seg_ack=(two + 1) & 0xFFFFFFFF, cwnd=10 + self._serial % 90,
                  srtt_us=36020 + self._serial % 977)
        return bytes(record)


def make(path: Path, count: int) -> None:
    """A recording of so many records."""
    text = schema_source.schema_text(schema_source.read_source(), {0: "NOT_SPECIFIED"})
    now = time.time_ns()
    with path.open("wb") as file:
        writer = RecordingWriter(file.write)
        writer.begin({"kernel": "made", "machine": os.uname().machine,
                      "clocks": {"monotonic_ns": 10**12, "realtime_ns": now}}, text, STATS)
        for records in Maker(parse_schema(text)).chunks(count):
            writer.records(records)
        writer.end(STATS, {"records": count, "events": count, "lost": 0})


@dataclass(frozen=True)
class Took:
    """What one way to read took; memory is the most it had."""

    what: str
    records: int
    seconds: float
    processor_s: float
    memory_mib: float


def measure(what: str, count: int, *command: str) -> Took:
    """Seconds on the clock and of the processor, and the most memory."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = Took(what, count, time.monotonic() - began,
                usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    if process.returncode:
        raise SystemExit(f"{what}: {said.decode(errors='replace').strip()}")
    print(f"{what:<10} {took.seconds:6.2f} s  (processor {took.processor_s:6.2f} s, "
          f"{took.memory_mib:6.0f} MiB at most)", flush=True)
    return took


def make_ring(folder: Path, count: int) -> None:
    """What debugfs would give: the schema, and so many records in trace_raw."""
    text = schema_source.schema_text(schema_source.read_source(), {0: "NOT_SPECIFIED"})
    (folder / "schema").write_text(text)
    with (folder / "trace_raw").open("wb") as file:
        file.writelines(Maker(parse_schema(text)).chunks(count))


def _commands(folder: Path, file: Path, count: int, formats: Sequence[str]
              ) -> Iterator[tuple[str, list[str]]]:
    """By what each is done."""
    here = str(SCRIPTS)
    for name in formats:
        if name == "columns":
            yield name, [DEBIAN_PYTHON, "-c", TO_COLUMNS.format(scripts=here, file=str(file))]
        elif name == "record":
            make_ring(folder, count)
            stats = STATS.replace("written 0", f"written {count}")
            yield name, [sys.executable, "-c", TO_FILE.format(
                scripts=here, folder=str(folder), stats=stats, count=count)]
        else:
            yield name, [sys.executable, str(SCRIPTS / "renoscope"), "export", str(file),
                         "--format", name, "-o", "/dev/null"]


def main() -> None:
    """Make, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--formats", default="record,jsonl,csv,pcapng,perfetto,columns")
    parser.add_argument("--output", type=Path, help="where the results go, as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "made.renoscope"
        make(file, options.records)
        print(f"{options.records} records, {file.stat().st_size / 1e6:.0f} MB")
        told = [measure(name, options.records, *command) for name, command in _commands(
            Path(folder), file, options.records, options.formats.split(","))]
    if options.output:
        options.output.write_text(json.dumps(list(map(asdict, told))))


if __name__ == "__main__":
    main()
