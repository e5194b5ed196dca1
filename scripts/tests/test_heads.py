# SPDX-License-Identifier: GPL-2.0
"""What bookkeeping takes of records, one by one and many at once."""

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
        for first in (1, 250, 255, 65_530, 2**32 - 3, 2**40 + 65_500):
            places = [(258, first + more) for more in range(40)]
            self.assertEqual(runs(acks(*places)), [(258, first, 40)])
            for at in (1, 20, 39):
                for other in ((258, first + at + 1), (258, first + at + 256), (2, first + at),
                              (257, first + at), (258, first + at + 65_536),
                              (258, first + at + 2**48)):
                    wrong = runs(acks(*places[:at], other, *places[at + 1:]))
                    self.assertNotEqual(wrong, [(258, first, 40)])
                    self.assertTrue(wrong is None or len(wrong) == 2, wrong)
        mixed = acks((1, 5), (0, 9), (0, 10), (1, 6), (0, 11))
        self.assertEqual(sorted(runs(mixed) or []), [(0, 9, 3), (1, 5, 2)])
        for odd in (acks((0, 1), (0, 3)), acks((0, 2), (0, 1)), acks((0, 4), (0, 4)),
                    acks((1, 5), (0, 9), (1, 7)),
                    acks((0, 1)) + scene.pack("lost", serial=2, lost_events=1),
                    acks((0, 1)) + scene.pack("mark", serial=2)):
            self.assertIsNone(runs(odd))

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
