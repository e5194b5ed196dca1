# SPDX-License-Identifier: GPL-2.0
"""Exported lines: as the straightforward way has them, whatever the records hold."""

import csv
import io
import json
import random
import struct
import subprocess
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from renoscope_lib.export import csv_lines, json_lines
from renoscope_lib.export.lines import Lines
from renoscope_lib.export.rows import RowWriter
from renoscope_lib.recording.inputs import decode
from renoscope_lib.ring.schema import Schema
from renoscope_lib.ring.schema_parser import parse_schema
from renoscope_lib.tcp.flows import Joiner
from renoscope_lib.tcp.wanted import Filter

from . import support
from .slow_json import SlowJson
from .support import (CLOSED, ESTABLISHED, ISN_A, ISN_B, LISTEN, MS, SECOND,
                      SYN_RECEIVED, SYN_SENT, Scene)

RENOSCOPE = support.SCRIPTS / "renoscope"
OFFSET_NS = 1_700_000_000 * SECOND
SIZE = 192
EXTREMES = {"u8": (0, 1, 127, 128, 255), "u16": (0, 1, 5000, 65535),
            "u32": (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
            "u64": (0, 1, 5, 2**53 + 1, 2**63, 2**64 - 1)}
NAMES = (b"", b"curl", b"Web Content", b'"a",\n\x1b[2J\\', "Zürich".encode(), b"\xff" * 15,
         b"x" * 16)


class Source:
    """Records as an input gives them, in pieces of a few."""

    follows = False

    def __init__(self, records: bytes, pieces: int = 1000,
                 schema: Schema | None = None) -> None:
        self.schema = schema or support.schema()
        self._records = records
        self._bytes = pieces * SIZE

    def records(self) -> Iterator[bytes]:
        for at in range(0, len(self._records), self._bytes):
            yield self._records[at:at + self._bytes]
            yield b""


def lines(source: Any, format_: RowWriter, wanted: Filter = Filter()) -> list[str]:
    written = bytearray()
    Lines(source, format_, wanted).write(written.extend)
    return written.decode().splitlines()


def slow_lines(records: bytes, schema: Schema | None = None, pieces: int = 1000,
               wanted: Filter = Filter()) -> list[str]:
    """The same as lines(), by the straightforward way."""
    schema = schema or support.schema()
    joiner, writer = Joiner(schema), SlowJson(schema, OFFSET_NS)
    told = []
    for at in range(0, len(records), pieces * SIZE):
        for event in decode(schema, records[at:at + pieces * SIZE]):
            told += [e for e in joiner.feed(event)]
        told += joiner.flush()
    texts = [(event, writer.line(event)) for event in told]
    return [text for event, text in texts if wanted.wants(event)]


def anything(random_: random.Random, kind: str) -> bytes:
    """A record of that kind: extremes, some of the few ids, any bytes."""
    schema = support.schema()
    record = bytearray(random_.randbytes(SIZE))
    for field in schema.fields_of(kind):
        if field.type == "addr":
            value = random_.choice((
                bytes(16), support.ip("10.77.0.1"), support.ip("fd77::2"),
                random_.randbytes(16)))
            record[field.offset:field.end] = value
        elif field.type == "text":
            record[field.offset:field.end] = random_.choice(NAMES).ljust(16, b"\0")
        elif random_.random() < 0.5:
            struct.pack_into("=" + support.CODES[field.type], record, field.offset,
                             random_.choice(EXTREMES[field.type]))
    put(record, "kind", next(n for n, k in schema.kinds.items() if k == kind))
    if random_.random() < 0.7:
        put(record, "cookie", random_.randrange(4))
        put(record, "time_ns", 1000 * SECOND + random_.randrange(SECOND))
        put(record, "cpu", random_.randrange(2))
        put(record, "state", random_.choice((ESTABLISHED, SYN_SENT, SYN_RECEIVED,
                                             CLOSED, LISTEN)))
        put(record, "local_port", random_.choice((0, 80, 5000)))
        record[32:48] = support.ip("10.77.0.1")
    return bytes(record)


def put(record: bytearray, name: str, value: int) -> None:
    field = support.schema().field_named(name)
    struct.pack_into("=" + support.CODES[field.type], record, field.offset, value)


def birth(random_: random.Random) -> list[bytes]:
    """A listener's child that still has its id, and the child's first event."""
    newborn = bytearray(anything(random_, "state"))
    child = bytearray(newborn)
    for record, old, new in ((newborn, LISTEN, SYN_RECEIVED),
                             (child, SYN_RECEIVED, ESTABLISHED)):
        put(record, "old_state", old)
        put(record, "state", new)
    put(child, "cookie", 5)
    return [bytes(newborn), bytes(child)]


def many(seed: int, count: int) -> bytes:
    """Records of all kinds, states the most: these are what the joiner holds."""
    random_ = random.Random(seed)
    kinds = list(support.schema().kinds.values())
    records = []
    for _ in range(count):
        kind = random_.choice((*kinds, "state", "state", "ack", "destroy"))
        record = bytearray(anything(random_, kind))
        if kind == "state":
            place = next(f for f in support.schema().fields if f.name == "old_state")
            record[place.offset] = random_.choice((CLOSED, LISTEN, SYN_SENT,
                                                   SYN_RECEIVED))
        records.append(bytes(record))
        if random_.random() < 0.02:
            records += birth(random_)
    return b"".join(records[:count])


class JsonLines(unittest.TestCase):
    def test_any_records_give_the_slow_ways_lines(self) -> None:
        """Every kind, extreme values, holding and filling: byte for byte the same."""
        for seed in range(3):
            records = many(seed, 900)
            for pieces in (1, 7, 1000):
                with self.subTest(seed=seed, pieces=pieces):
                    mine = lines(Source(records, pieces), json_lines.JsonWriter(
                        support.schema(), OFFSET_NS))
                    theirs = slow_lines(records, pieces=pieces)
                    for mine_, theirs_ in zip(mine, theirs, strict=True):
                        self.assertEqual(mine_, theirs_)

    def test_the_fuzz_reaches_what_it_should(self) -> None:
        told = [json.loads(line) for line in slow_lines(many(1, 4000))]
        for key in ("filled", "wait", "error", "window", "lost_events", "kinds_on",
                    "time_utc"):
            self.assertTrue(any(key in event for event in told), key)
        self.assertTrue(any(e.get("window", 1) is None for e in told))
        self.assertTrue(any(e.get("relative", {}).get("sack") for e in told))
        self.assertTrue(any("listener" in e for e in told if e["kind"] == "state"))
        self.assertEqual({e["kind"] for e in told},
                         set(support.schema().kinds.values()))

    def test_the_chosen_are_those_of_the_slow_way(self) -> None:
        records = many(9, 1500)
        for wanted in (Filter(port=5000), Filter(cookie=2), Filter(frozenset({"ack"})),
                       Filter(frozenset({"synack_retransmit"}), cookie=1)):
            with self.subTest(wanted):
                mine = lines(Source(records), json_lines.JsonWriter(
                    support.schema(), OFFSET_NS), wanted)
                self.assertEqual(mine, slow_lines(records, wanted=wanted))
                self.assertTrue(mine)

    def test_without_a_wall_clock(self) -> None:
        line, = lines(Source(Scene().pack("ack")),
                      json_lines.JsonWriter(support.schema()))
        self.assertNotIn("time_utc", json.loads(line))

    def test_the_wall_clock_is_cut_to_microseconds(self) -> None:
        scene = Scene(0)
        records = b"".join(scene.pack("ack", at) for at in (
            0, 999, 1000, SECOND - 1, SECOND, 86400 * SECOND + 36_020 * 1000))
        told = [json.loads(line)["time_utc"] for line in lines(
            Source(records), json_lines.JsonWriter(support.schema(), OFFSET_NS))]
        self.assertEqual(told, [
            "2023-11-14T22:13:20.000000Z", "2023-11-14T22:13:20.000000Z",
            "2023-11-14T22:13:20.000001Z", "2023-11-14T22:13:20.999999Z",
            "2023-11-14T22:13:21.000000Z", "2023-11-15T22:13:20.036020Z"])

    def test_a_time_of_no_calendar_is_left_out(self) -> None:
        for offset_ns in (-2**65, 10**28):
            line, = lines(Source(Scene().pack("ack")), json_lines.JsonWriter(
                support.schema(), offset_ns))
            self.assertNotIn("time_utc", json.loads(line))

    def test_hostile_names_are_quoted(self) -> None:
        """A recording brings its schema, and so its words."""
        schema = hostile_schema()
        record = Scene().pack("ack", state=ESTABLISHED, seg_flags=1)
        line, = lines(Source(record, schema=schema),
                      json_lines.JsonWriter(schema, OFFSET_NS))
        event = json.loads(line)
        self.assertEqual(event["state"], '"}%s%d<=')
        self.assertEqual(event['m"s%s{0}'], 0)
        self.assertEqual(event["connection"], "sk:5", "ours, not the record's")
        self.assertEqual(line.count('"connection"'), 1)

    def test_a_kernel_without_reasons_has_texts_all_the_same(self) -> None:
        """What is a text from one kernel is no number from another."""
        schema = parse_schema("".join(
            line for line in support.schema_text().splitlines(keepends=True)
            if not line.startswith("value reset_reason ")))
        self.assertNotIn("reset_reason", schema.values)
        record = Scene().pack("reset_sent")
        line, = lines(Source(record, schema=schema),
                      json_lines.JsonWriter(schema, OFFSET_NS))
        self.assertEqual(json.loads(line)["reset_reason"], "unknown(0)")

    def test_show_gives_the_same(self) -> None:
        recording = support.recording(many(3, 400))
        outputs = []
        for command in (["show", "--json", "-"], ["export", "--format", "jsonl", "-"]):
            done = subprocess.run([RENOSCOPE, *command], input=recording, check=False,
                                  capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(done.stdout.splitlines()), 400)
            outputs.append(done.stdout)
        self.assertEqual(outputs[0], outputs[1])


def hostile_schema() -> Schema:
    """The schema with names that mean something to JSON, CSV and Python."""
    text = support.schema_text().replace(
        "value state 1 ESTABLISHED", 'value state 1 "}%s%d<=').replace(
        "value tcp_flags 0 FIN", "value tcp_flags 0 =cmd|'/c'!A1").replace(
        "field mss ", 'field m"s%s{0} ').replace(
        "field retransmits ", "field connection ")
    return parse_schema(text)


class Csv(unittest.TestCase):
    def table(self, records: bytes, schema: Schema | None = None,
              ) -> tuple[list[dict[str, str]], list[str]]:
        schema = schema or support.schema()
        written = bytearray()
        Lines(Source(records, schema=schema), csv_lines.CsvWriter(schema, OFFSET_NS),
              Filter()).write(written.extend)
        reader = csv.DictReader(io.StringIO(written.decode(), newline=""))
        rows = list(reader)
        for row in rows:
            self.assertNotIn(None, row, "more cells than columns")
            self.assertNotIn(None, row.values(), "fewer")
        return rows, list(reader.fieldnames or ())

    def test_any_records_say_what_json_says(self) -> None:
        """Each cell says what the JSON line says."""
        records = many(5, 1500)
        rows, columns = self.table(records)
        objects = [json.loads(line) for line in slow_lines(records)]
        for row, told in zip(rows, objects, strict=True):
            relative = {f"relative_{name}": value
                        for name, value in told.pop("relative", {}).items()}
            wait = {name: us for name, us in told.pop("wait", {}).items()
                    if name in columns}
            if told["kind"] == "state":     # a column of its own it has in JSON alone
                told.pop("listener", None)
            self.assertEqual({name: text for name, text in row.items() if text},
                             {name: text for name, value
                              in (told | relative | wait).items()
                              if (text := as_cell(name, value))})

    def test_no_cell_is_a_formula(self) -> None:
        rows, columns = self.table(
            Scene().pack("ack", state=ESTABLISHED, seg_flags=1), hostile_schema())
        self.assertEqual(rows[0]["seg_flags"], "'=cmd|'/c'!A1")
        self.assertEqual(rows[0]["state"], '"}%s%d<=')
        self.assertIn('m"s%s{0}', columns)

    def test_cells_are_quoted_where_they_must_be(self) -> None:
        for value, text in (("a", "a"), ("a,b", '"a,b"'), ('a"b', '"a""b"'),
                            ("=1", "'=1"), ("@x,", "\"'@x,\""), (["a", "b"], "a b"),
                            ("-1", "'-1"), ("+1", "'+1"), ("a\nb", '"a\nb"')):
            self.assertEqual(csv_lines.cell(value), text)


def as_cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "relative_sack":
        return " ".join(f"{left}:{right}" for left, right in value)
    return " ".join(value) if isinstance(value, list) else str(value)


class Command(unittest.TestCase):
    def run_it(self, *words: str, stdin: bytes = b"",
               ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([RENOSCOPE, "export", *words], input=stdin,
                              capture_output=True, check=False, timeout=60)

    def test_a_file_is_written_in_silence(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            done = self.run_it("-", "--format", "csv", "-o", str(out),
                               stdin=support.recording(Scene().pack("ack")))
            self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
            self.assertEqual(len(out.read_text().splitlines()), 2)

    def test_a_recording_is_not_written_over(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(support.recording())
            file.flush()
            done = self.run_it(file.name, "--format", "csv", "-o", file.name)
            self.assertIn(b"is the recording itself", done.stderr)
            self.assertEqual(Path(file.name).read_bytes(), support.recording())

    def test_of_a_recording_cut_off_there_is_what_there_is(self) -> None:
        """What there is, then the complaint."""
        recording = support.recording(Scene().pack("ack"))
        done = self.run_it("-", "--format", "jsonl",
                           stdin=recording[:recording.index(b"RECS") + 8 + SIZE])
        self.assertEqual(done.returncode, 2)
        self.assertEqual(json.loads(done.stdout)["kind"], "ack")
        self.assertIn(b"recording cut off after 1 whole record", done.stderr)

    def test_a_loss_is_told(self) -> None:
        done = self.run_it("-", "--format", "jsonl", "--port", "1", stdin=support.recording(
            Scene().pack("ack") + Scene().pack("lost", lost_events=3)))
        self.assertEqual(json.loads(done.stdout)["lost_events"], 3)
        self.assertIn(b"renoscope: *** 3 events LOST", done.stderr)
        self.assertIn(b"port 1 was not seen", done.stderr)

    def test_none_that_was_asked_for(self) -> None:
        """One line and the exit code say so, as of every view."""
        data = support.recording(Scene().pack("ack") + Scene().pack("segment"))
        for format_ in ("jsonl", "csv", "pcapng", "perfetto"):
            with self.subTest(format_):
                done = self.run_it("-", "--format", format_, "--connection", "99", stdin=data)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, rb"\Arenoscope: export: sk:99 was not seen; these "
                                 rb"were: [^\n]*\n\Z"
                                 if format_ != "perfetto" else rb"export: sk:99 was not seen")

    def test_a_namespace_that_is_not_there(self) -> None:
        """Nobody is told to switch on what was on."""
        done = self.run_it("-", "--format", "pcapng", "--netns", "77",
                           stdin=support.recording(Scene().pack("segment")))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"no segment event of the network namespace 77 is in it", done.stderr)

    def test_a_loss_has_the_time_of_the_record_before(self) -> None:
        data = support.recording(Scene().pack("lost", lost_events=3)
                                 + Scene().pack("lost", lost_events=2, time_ns=0))
        json_lines, csv_lines = (
            self.run_it("-", "--format", name, stdin=data).stdout.decode()
            for name in ("jsonl", "csv"))
        told = [json.loads(line).get("time_utc", "")
                for line in json_lines.splitlines()]
        self.assertEqual(told, ["2023-11-14T22:13:20.000000Z", ""])
        self.assertEqual([row["time_utc"] for row in
                          csv.DictReader(io.StringIO(csv_lines))], told)

    def test_wrong_usage_is_told_in_one_line(self) -> None:
        for words, said in (
                (["-"], "--format"), (["-", "--format", "xls"], "'xls'"),
                (["-", "--format", "csv", "--kind", "nix"], "no kind 'nix'"),
                (["-", "--format", "csv", "--follow"], "--follow is for the ring"),
                (["-", "--format", "pcapng", "--kind", "ack"], "--kind is for jsonl"),
                (["-", "--format", "npz", "--netns", "5", "-o", "/nix/x"], "choose in numpy"),
                (["--format", "perfetto", "--follow"], "perfetto cannot be followed"),
                (["-", "--format", "csv", "-o", "/nix/x"], "cannot write /nix/x")):
            done = self.run_it(*words, stdin=support.recording())
            self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
            self.assertIn(said, done.stderr.decode())
            self.assertNotEqual(done.returncode, 0)

    def test_through_a_pipe_while_it_is_written(self) -> None:
        """Each line comes with its record, before the recording's end."""
        scene = Scene()
        numbers = {"snd_isn": ISN_A, "rcv_isn": ISN_B}
        recording = support.recording(scene.pack("ack", 0, **numbers),
                                      scene.pack("ack", MS, **numbers))
        half = recording.index(b"RECS") + 8 + SIZE
        with subprocess.Popen([RENOSCOPE, "export", "-", "--format", "jsonl"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as it:
            assert it.stdin and it.stdout
            it.stdin.write(recording[:half])
            it.stdin.flush()
            self.assertEqual(json.loads(it.stdout.readline())["serial"], 1)
            it.stdin.write(recording[half:])
            it.stdin.close()
            self.assertEqual(json.loads(it.stdout.readline())["serial"], 2)
        self.assertEqual(it.returncode, 0)

    def test_a_reader_that_leaves_is_no_error(self) -> None:
        recording = support.recording(many(4, 3000))
        done = subprocess.run(f"{RENOSCOPE} export - --format jsonl | head -1",
                              shell=True, input=recording, capture_output=True,
                              check=False)
        self.assertEqual(done.stderr, b"")
        self.assertEqual(len(done.stdout.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
