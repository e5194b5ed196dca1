# SPDX-License-Identifier: GPL-2.0
"""Recordings: whole, cut off at every byte, damaged, and under way."""

import json
import struct
import unittest
from collections.abc import Collection

from renoscope_lib.errors import BAD_INPUT, Problem
from renoscope_lib.recording.parser import RecordingParser
from renoscope_lib.ring.heads import Heads

from . import support
from .support import Scene

SIZE = 192


def read(data: bytes, step: int | None = None) -> tuple[bytes, RecordingParser]:
    """All records of a recording that comes in pieces of `step` bytes."""
    parser = RecordingParser()
    step = step or len(data) or 1
    records = b"".join(parser.records_of(
        data[at:at + step] for at in range(0, len(data), step)))
    return records, parser


def record_ends(data: bytes) -> list[int]:
    """File offsets behind each record, found by walking the chunks."""
    ends: list[int] = []
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

    def test_the_format_stays_as_it_is(self) -> None:
        """The bytes themselves: recordings outlive the scripts."""
        self.assertTrue(self.file.startswith(b"RENOSCP1META"))
        length = struct.unpack_from("<I", self.file, 12)[0]
        self.assertEqual(json.loads(self.file[16:16 + length]), support.META)
        self.assertEqual(self.file[16 + length:20 + length], b"SCHM")

    def test_records_come_back_in_pieces_of_any_size(self) -> None:
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

    def test_an_empty_file_is_no_recording(self) -> None:
        with self.assertRaisesRegex(Problem, "empty"):
            read(b"")

    def test_records_come_before_their_chunk_is_whole(self) -> None:
        parser = RecordingParser()
        end = record_ends(self.file)[1]
        got = b"".join(parser.feed(self.file[:end + 100]))
        self.assertEqual(got, b"".join(self.records[:2]))

    def test_an_unknown_chunk_is_passed_over(self) -> None:
        at = schema_end(self.file)
        data = self.file[:at] + b"NOTE\5\0\0\0hello" + self.file[at:]
        self.assertEqual(read(data)[0], b"".join(self.records))


class Unreadable(unittest.TestCase):
    """Nothing of it can be told."""

    def setUp(self) -> None:
        self.file = support.recording(Scene().pack("ack"))

    def refused(self, data: bytes, words: str) -> None:
        with self.assertRaisesRegex(Problem, words) as caught:
            read(data)
        self.assertEqual(caught.exception.exit_code, BAD_INPUT)

    def test_something_else_is_no_recording(self) -> None:
        self.refused(b"\xd4\xc3\xb2\xa1 a pcap file", "not a recording")
        self.refused(b"x", "not a recording")

    def test_another_version_is_refused(self) -> None:
        self.refused(b"RENOSCP2" + self.file[8:], "version '2'")

    def test_without_its_schema_nothing_can_be_read(self) -> None:
        self.refused(b"RENOSCP1" + self.file[self.file.index(b"RECS"):],
                     "records before their schema")

    def test_a_broken_schema_is_told(self) -> None:
        at = self.file.index(b"record_bytes 192")
        self.refused(self.file[:at] + b"record_bytex" + self.file[at + 12:],
                     "schema: broken")
        self.refused(self.file[:at] + b"\xff" + self.file[at + 1:], "SCHM chunk is no text")


class Damaged(unittest.TestCase):
    """What is whole is given, before and behind the damage; what is gone is counted."""

    def setUp(self) -> None:
        scene = Scene()
        self.records = [scene.pack("ack", at_ns=i, cpu=i % 2) for i in range(12)]
        self.file = support.recording(*(b"".join(self.records[i:i + 4])
                                        for i in (0, 4, 8)))
        self.recs = [at for at in range(len(self.file))
                     if self.file.startswith(b"RECS", at)]

    def put(self, at: int, new: bytes) -> bytes:
        return self.file[:at] + new + self.file[at + len(new):]

    def told(self, data: bytes, gone: Collection[int], words: str) -> None:
        """Of the records just these are gone, and their number is told."""
        for step in (None, 1, 100):
            with self.subTest(step):
                self._told(*read(data, step), gone, words)

    def _told(self, given: bytes, parser: RecordingParser, gone: Collection[int],
              words: str) -> None:
        records = [given[at:at + SIZE] for at in range(0, len(given), SIZE)]
        self.assertRegex(parser.complaint or "", words)
        heads = list(Heads(parser.schema).each(given))
        self.assertEqual(
            [record for record, head in zip(records, heads) if not head.lost_events],
            [record for i, record in enumerate(self.records) if i not in gone])
        told = {(head.cpu, head.serial + i) for head in heads
                for i in range(head.lost_events)}
        # Nobody knows that there were others before the first of a CPU, behind the last.
        behind = [i for i in gone if any(k not in gone for k in range(i % 2, i, 2))
                  and any(k not in gone for k in range(i, 12, 2))]
        self.assertEqual(told, {(i % 2, i // 2 + 1) for i in behind})

    def test_a_whole_one_has_no_complaint(self) -> None:
        given, parser = read(self.file)
        self.assertEqual((given, parser.complaint), (b"".join(self.records), None))

    def test_a_broken_chunk_type_costs_that_chunk(self) -> None:
        self.told(self.put(self.recs[1], b"\0\1\2\3"), range(4, 8),
                  "damaged recording: no chunk begins behind record 4, at byte "
                  f"{self.recs[1]}; its end tells of 12 records, and there are 8$")
        self.told(self.put(self.recs[1], b"SECS"), range(4, 8),
                  "damaged recording: its end tells of 12 records, and there are 8$")

    def test_any_length_of_a_chunk_of_records_costs_nothing(self) -> None:
        """Those that follow are records, whatever is said of their length."""
        for length in (0, 1, 191, 192, 193, 3 * 192, 5 * 192, 100 * 192, 1 << 24, 0xffffffff):
            with self.subTest(length):
                self.told(self.put(self.recs[1] + 4, struct.pack("<I", length)), (),
                          "damaged recording: ")

    def test_a_record_of_no_kind_costs_that_record(self) -> None:
        kind = support.schema().field_named("kind").offset
        for which in range(12):
            with self.subTest(which):
                at = self.recs[which // 4] + 8 + which % 4 * SIZE
                self.told(self.put(at + kind, b"\xff"), (which,),
                          f"^damaged recording: record {which + 1} is of no kind that its "
                          "schema has$")

    def test_a_header_that_is_none_is_told_harmlessly(self) -> None:
        """A record may stand where a chunk should; what it says is not for terminals."""
        at = self.recs[2]
        for type_ in (b"\n\x1b\xd4A", b"DON\xd4", b"NOTE"):
            with self.subTest(type_):
                self.told(self.put(at, type_ + b"\0\0\x80\0"), range(8, 12), "damaged")
                _, parser = read(self.put(at, type_ + b"\0\0\x80\0"))
                self.assertTrue(parser.complaint.isprintable(), parser.complaint)

    def test_a_missing_part_is_counted(self) -> None:
        """As where a file was put together without its middle."""
        self.told(self.file[:self.recs[1]] + self.file[self.recs[2]:], range(4, 8),
                  "^damaged recording: its end tells of 12 records, and there are 8$")

    def test_a_hole_costs_what_it_covers(self) -> None:
        begin = self.recs[0] + 8 + 3 * SIZE
        end = self.recs[1] + 8 + 50
        self.told(self.put(begin, bytes(end - begin)), (3, 4, 5, 6, 7), "damaged")

    def test_a_hole_over_two_headers_costs_both_chunks(self) -> None:
        """What follows does not stand where a record of the first chunk would."""
        begin, end = self.recs[0] + 4, self.recs[1] + 8 + 3 * SIZE
        self.told(self.put(begin, bytes(end - begin)), range(8), "damaged")

    def test_broken_meta_costs_no_record(self) -> None:
        for new in (b"}", b"\xff", b"[" * 40):
            self.told(self.put(16, new), (), "^damaged recording: its META chunk is no JSON$")

    def test_broken_stats_cost_no_record(self) -> None:
        at = self.file.index(b"version 1\nrecords_per_cpu")
        self.told(self.put(at + 8, b"7"), (), "its STAT chunk is not what it should be")
        self.told(self.put(at + 8, b"\xff"), (), "its STAT chunk is no text")
        length = struct.pack("<I", 5000)
        self.told(self.put(at - 4, length), (),
                  "what begins at byte [0-9]+ is longer than all the rest$")
        self.told(self.put(at - 4, struct.pack("<I", 300)), (), "its STAT chunk is no")

    def test_a_wrong_count_at_the_end_is_told(self) -> None:
        done = self.file.index(b'{"records": 12}')
        self.told(self.put(done, b'{"records": 13}'), (),
                  "^damaged recording: its end tells of 13 records, and there are 12$")

    def test_what_is_behind_the_end_is_told(self) -> None:
        self.told(self.file + b"x", (), "something behind its end, at byte "
                  f"{len(self.file)}$")
        self.told(self.file + self.file, (), "another recording begins behind its end: "
                  rf"tail -c \+{len(self.file) + 1} gives that one$")

    def test_of_many_damages_two_are_told(self) -> None:
        kind = support.schema().field_named("kind").offset
        data = bytearray(self.file)
        for which in range(0, 8, 2):
            data[self.recs[which // 4] + 8 + which % 4 * SIZE + kind] = 0
        self.told(bytes(data), (0, 2, 4, 6), "record 1 .*; record 3 .*; 2 more such places$")

    def test_holes_have_an_end(self) -> None:
        """A file may say that it is as long as it likes."""
        parser = RecordingParser()
        for _ in parser.feed(self.file[:self.recs[1]]):
            pass
        fed = 0
        while not parser.ended:
            fed += 1
            self.assertLess(fed, 100)
            self.assertEqual(list(parser.feed(bytes(1 << 20))), [])
        parser.close()
        self.assertRegex(parser.complaint or "", "no chunk in the 64 MiB behind that")

    def test_chunks_in_chunks_have_an_end(self) -> None:
        """What is searched again and again has an end, too."""
        at = self.recs[0]
        inner = b"STAT" + struct.pack("<I", 1 << 19)
        data = self.file[:at] + inner * (1 << 17)
        _, parser = read(data)
        self.assertRegex(parser.complaint or "",
                         "STAT chunk is not what it should be.*more such places")
        self.assertTrue(parser.ended)

    def test_half_a_beginning_behind_the_end_is_told(self) -> None:
        self.told(self.file + b"RENOSC", (), "something behind its end")

    def test_other_chunks_do_not_pile_up(self) -> None:
        parser = RecordingParser()
        stats = support.stats_text(cpu0=1).encode()
        chunk = b"STAT" + struct.pack("<I", len(stats)) + stats
        list(parser.feed(self.file[:self.recs[0]] + chunk * 1000))
        self.assertLessEqual(len(parser.stats), 2)


if __name__ == "__main__":
    unittest.main()
