# SPDX-License-Identifier: GPL-2.0
"""What the storm on the ring tells, read from its file."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(SCRIPTS / "selftests"), str(SCRIPTS / "stress")]

import storm  # noqa: E402

TOLD = """\
cpu 0 written 50 unwritten 3
cpu 1 written 7 unwritten 0
writer 0 task wrote 30 refused 0 buried 2 in_task 0 in_softirq 0 in_hardirq 0 in_nmi 0
writer 0 softirq wrote 10 refused 1 buried 1 in_task 9 in_softirq 0 in_hardirq 0 in_nmi 0
writer 0 hardirq wrote 6 refused 1 buried 0 in_task 4 in_softirq 1 in_hardirq 0 in_nmi 0
writer 0 nmi wrote 4 refused 1 buried 0 in_task 2 in_softirq 1 in_hardirq 1 in_nmi 0
reader 0 slow torn 0 misplaced 1 busy 12 unfinished 0 cpu_back 3 back 4 back_max_ns 500
account 0 0 read 20 lost 30
account 0 1 read 7 lost 0
"""


class Parse(unittest.TestCase):
    def setUp(self) -> None:
        self.result = storm.parse(TOLD)

    def test_the_rings_own_counts(self) -> None:
        self.assertEqual(self.result.cpus[0], {"written": 50, "unwritten": 3})

    def test_the_writers_counts(self) -> None:
        self.assertEqual(self.result.claimed(0), 50)
        self.assertEqual(self.result.sum_of("refused"), 3)
        self.assertEqual(self.result.sum_of("in_task", "hardirq", "nmi"), 6)

    def test_a_readers_account(self) -> None:
        (reader,) = self.result.readers
        self.assertEqual((reader.pace, reader.found["misplaced"]), ("slow", 1))
        self.assertEqual((reader.total("read"), reader.total("lost")), (27, 30))
        self.assertEqual(reader.accounts[1], {"read": 7, "lost": 0})

    def test_a_line_that_nobody_knows_is_not_passed_over(self) -> None:
        with self.assertRaises(ValueError):
            storm.parse("gpu 0 written 1\n")


if __name__ == "__main__":
    unittest.main()
