# SPDX-License-Identifier: GPL-2.0
"""What bookkeeping takes of records, one by one and many at once."""

import itertools
import re
import sys
import unittest

from renoscope_lib.ring.heads import Heads
from renoscope_lib.ring.schema_parser import parse_schema

from . import support
from .support import Scene


class OfRecords(unittest.TestCase):
    def test_one_by_one(self) -> None:
        scene = Scene()
        records = (scene.pack("ack", cpu=3)
                   + scene.pack("lost", cpu=1, serial=7, lost_events=12)
                   + scene.pack("destroy", cpu=1, bytes_acked=99))
        self.assertEqual([head[:3] for head in Heads(support.schema()).each(records)],
                         [(1, 3, 0), (7, 1, 12), (2, 1, 0)])

    def test_a_run_for_each_cpu_or_none(self) -> None:
        scene = Scene()

        def acks(*places: tuple[int, int]) -> bytes:
            return b"".join(scene.pack("ack", cpu=cpu, serial=serial)
                            for cpu, serial in places)

        runs = Heads(support.schema()).runs
        self.assertEqual(runs(b""), [])
        self.assertEqual(runs(acks((3, 7))), [(3, 7, 1)])
        self.assertEqual(runs(acks((300, 2**40), (300, 2**40 + 1))), [(300, 2**40, 2)])
        for first in (2, 250, 255, 65_530, 2**32 - 3, 2**40 + 65_500):
            places = [(258, first + more) for more in range(40)]
            self.assertEqual(runs(acks(*places)), [(258, first, 40)])
            for at, more in itertools.product((0, 39), (-1, 1, 256, 65_536, 2**48)):
                wrong = (258, first + at + more)
                self.assertIsNone(runs(acks(*places[:at], wrong, *places[at + 1:])))
            for at, cpu in itertools.product((1, 20, 38), (2, 257)):
                self.assertIsNone(runs(acks(*places[:at], (cpu, first + at),
                                            *places[at + 1:])))
            # The last of it is then a run by itself, of another CPU.
            self.assertEqual(runs(acks(*places[:-1], (257, 7))), [(258, first, 39), (257, 7, 1)])
            for at, more in itertools.product(range(40), (-1, 1, 2, 255)):
                wrong = (258, first + at + more)
                self.assertIsNone(runs(acks(*places[:at], wrong, *places[at + 1:])))
        mixed = (1, 5), (0, 9), (0, 10), (1, 6), (0, 11)
        self.assertEqual(runs(acks(*mixed)), [(1, 5, 2), (0, 9, 3)])
        self.assertIsNone(runs(acks(*mixed, (257, 4))), "more than one byte tells them apart")
        self.assertIsNone(runs(acks((1, 5), (257, 6), (1, 7))))
        self.assertIsNone(runs(acks((1, 5)) + scene.pack("lost", cpu=1, serial=6)))
        for odd in (acks((0, 1), (0, 3)), acks((0, 2), (0, 1)), acks((0, 4), (0, 4)),
                    acks((1, 5), (0, 9), (1, 7)),
                    acks((0, 1), (1, 1), (0, 1), (0, 2), (0, 4)),
                    acks((0, 1), (1, 1), (0, 3), (0, 2), (0, 4)),
                    acks((0, 1), (1, 1), (0, 77_777), (0, 3))):
            self.assertIsNone(runs(odd))

    def test_what_no_run_can_have_stands_by_itself(self) -> None:
        for text in ("", "a", "aaa", "l", "la", "al", "aalmaala", "llmaa"):
            scene = Scene()
            records = [scene.pack({"a": "ack", "l": "lost", "m": "mark"}[letter])
                       for letter in text]
            stretches = list(Heads(support.schema()).stretches(b"".join(records)))
            lengths = [len(part) for part in re.findall("a+|l|m", text)]
            self.assertEqual(b"".join(stretches), b"".join(records))
            self.assertEqual([len(part) // len(records[0]) for part in stretches], lengths)

    def test_runs_of_another_machine(self) -> None:
        """Other byte order, or fields that do not lie on multiples of their size."""
        order = "big" if sys.byteorder == "little" else "little"
        other = parse_schema(support.schema_text().replace(
            f"byte_order {sys.byteorder}", f"byte_order {order}"))
        records = b"".join(support.pack("ack", cpu=2, serial=serial) for serial in (8, 9))
        swapped = bytearray(records)
        for at in range(0, len(swapped), other.record_bytes):
            for name in ("serial", "cpu"):
                place = other.field_named(name)
                swapped[at + place.offset:at + place.end] = reversed(
                    records[at + place.offset:at + place.end])
        self.assertNotEqual(bytes(swapped), records)
        self.assertEqual(Heads(other).runs(bytes(swapped)), [(2, 8, 2)])


if __name__ == "__main__":
    unittest.main()
