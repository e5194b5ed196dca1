# SPDX-License-Identifier: GPL-2.0
"""Recordings: whole, cut off at every byte, damaged, and under way."""

import json
import struct
import unittest

from renoscope_lib.errors import BAD_INPUT, Problem
from renoscope_lib.recording import RecordingParser

from . import support
from .support import Scene

SIZE = 192


def read(data: bytes, step: int | None = None) -> tuple[bytes, RecordingParser]:
    """All records of a recording that comes in pieces of `step` bytes."""
    parser = RecordingParser()
    records = b""
    step = step or len(data) or 1
    for at in range(0, len(data), step):
        for blob in parser.feed(data[at:at + step]):
            records += blob
    parser.close()
    return records, parser


def record_ends(data: bytes) -> list[int]:
    """File offsets behind each record, found by walking the chunks."""
    ends = []
    at = 8
    while at < len(data):
        type_, length = struct.unpack_from("<4sI", data, at)
        at += 8
        if type_ == b"RECS":
            ends += range(at + SIZE, at + length + 1, SIZE)
        at += length
    return ends


def schema_end(data: bytes) -> int:
    """The file offset behind the schema chunk."""
    at = data.index(b"SCHM")
    return at + 8 + struct.unpack_from("<I", data, at + 4)[0]


class Whole(unittest.TestCase):
    def setUp(self) -> None:
        scene = Scene()
        self.records = [scene.pack("ack", at_ns=i) for i in range(5)]
        self.file = support.recording(b"".join(self.records[:3]),
                                      b"".join(self.records[3:]), lost=0)

    def test_format(self) -> None:
        """The bytes themselves: recordings outlive the scripts."""
        self.assertTrue(self.file.startswith(b"RENOSCP1META"))
        length = struct.unpack_from("<I", self.file, 12)[0]
        self.assertEqual(json.loads(self.file[16:16 + length]), support.META)
        self.assertEqual(self.file[16 + length:20 + length], b"SCHM")

    def test_records_come_back(self) -> None:
        for step in (None, 1, 7, 191, 193, 4096):
            with self.subTest(step):
                records, parser = read(self.file, step)
                self.assertEqual(records, b"".join(self.records))
                self.assertIsNone(parser.cut_off)
                self.assertEqual(parser.meta, support.META)
                self.assertEqual(parser.done, {"records": 5, "lost": 0})
                self.assertEqual(len(parser.stats), 2)

    def test_cut_off_at_every_byte(self) -> None:
        """Every whole record before the cut, then word of the cut."""
        ends = record_ends(self.file)
        self.assertEqual(len(ends), 5)
        for cut in range(len(self.file)):
            data = self.file[:cut]
            if cut < schema_end(self.file):
                with self.assertRaises(Problem) as caught:
                    read(data)
                self.assertEqual(caught.exception.exit_code, BAD_INPUT)
                continue
            records, parser = read(data)
            whole = sum(end <= cut for end in ends)
            self.assertEqual(records, b"".join(self.records[:whole]), cut)
            self.assertIn(f"after {whole} whole record", parser.cut_off)

    def test_empty_file(self) -> None:
        with self.assertRaisesRegex(Problem, "empty"):
            read(b"")

    def test_records_come_before_their_chunk_is_whole(self) -> None:
        parser = RecordingParser()
        end = record_ends(self.file)[1]
        got = b"".join(parser.feed(self.file[:end + 100]))
        self.assertEqual(got, b"".join(self.records[:2]))

    def test_unknown_chunk_is_passed_over(self) -> None:
        at = schema_end(self.file)
        data = self.file[:at] + b"NOTE\5\0\0\0hello" + self.file[at:]
        self.assertEqual(read(data)[0], b"".join(self.records))


class Damaged(unittest.TestCase):
    def setUp(self) -> None:
        self.record = Scene().pack("ack")
        self.file = support.recording(self.record)
        self.recs = self.file.index(b"RECS")

    def refused(self, data: bytes, words: str) -> None:
        with self.assertRaisesRegex(Problem, words) as caught:
            read(data)
        self.assertEqual(caught.exception.exit_code, BAD_INPUT)

    def put(self, at: int, new: bytes) -> bytes:
        return self.file[:at] + new + self.file[at + len(new):]

    def test_something_else(self) -> None:
        self.refused(b"\xd4\xc3\xb2\xa1 a pcap file", "not a recording")
        self.refused(b"x", "not a recording")

    def test_other_version(self) -> None:
        self.refused(b"RENOSCP2" + self.file[8:], "version '2'")

    def test_chunk_type(self) -> None:
        self.refused(self.put(self.recs, b"\0\1\2\3"), "damaged")

    def test_length_of_records(self) -> None:
        self.refused(self.put(self.recs + 4, struct.pack("<I", 191)),
                     "damaged.*191 bytes")
        self.refused(self.put(self.recs + 4, struct.pack("<I", 0)), "damaged")

    def test_monstrous_length(self) -> None:
        self.refused(self.put(self.recs + 4, b"\xff\xff\xff\x7f"), "damaged")

    def test_records_before_the_schema(self) -> None:
        self.refused(b"RENOSCP1" + self.file[self.recs:],
                     "before their schema")

    def test_meta_is_no_json(self) -> None:
        self.refused(self.put(16, b"}"), "META chunk is no JSON")

    def test_count_at_the_end(self) -> None:
        done = self.file.index(b'{"records": 1}')
        self.refused(self.put(done, b'{"records": 2}'),
                     "1 record where its end says 2")

    def test_something_behind_the_end(self) -> None:
        self.refused(self.file + b"x", "behind its end")

    def test_broken_schema(self) -> None:
        at = self.file.index(b"record_bytes 192")
        self.refused(self.put(at, b"record_bytex"), "schema: broken")

    def test_good_records_come_before_the_damage(self) -> None:
        parser = RecordingParser()
        got = []
        with self.assertRaises(Problem):
            for blob in parser.feed(self.file + b"x"):
                got.append(blob)
        self.assertEqual(got, [self.record])


if __name__ == "__main__":
    unittest.main()
