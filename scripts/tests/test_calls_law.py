# SPDX-License-Identifier: GPL-2.0
"""The law that reads with faults are judged by: every record, once, in its turn."""

from __future__ import annotations

import sys
import unittest

from .support import SCRIPTS

sys.path[:0] = [str(SCRIPTS / "stress"), str(SCRIPTS / "selftests")]

import faulting  # noqa: E402  (found through the line above)

ALL = [(cpu, serial, b"record %d %d" % (cpu, serial)) for serial in (1, 2, 3) for cpu in (0, 1)]
WRITTEN = {0: 3, 1: 3}


class EachOnce(unittest.TestCase):
    def check(self, got: list[faulting.Entry]) -> None:
        faulting.check_each_once("trace_raw", got, ALL, WRITTEN)

    def test_all_in_turn(self) -> None:
        self.check(ALL)

    def test_one_is_missing(self) -> None:
        for place, what in ((0, "serial 2 where 1 is next"), (2, "serial 3 where 2 is next"),
                            (5, "2 of 3")):
            with self.subTest(place), self.assertRaisesRegex(AssertionError, what):
                self.check(ALL[:place] + ALL[place + 1:])

    def test_one_comes_twice(self) -> None:
        with self.assertRaisesRegex(AssertionError, "CPU 0: serial 1 where 2 is next"):
            self.check([ALL[0], *ALL])

    def test_two_change_places(self) -> None:
        with self.assertRaisesRegex(AssertionError, "serial 3 where 2 is next"):
            self.check([ALL[0], ALL[4], *ALL])

    def test_one_reads_otherwise(self) -> None:
        with self.assertRaisesRegex(AssertionError, "otherwise than undisturbed"):
            self.check([*ALL[:5], (1, 3, b"record 1 4")])

    def test_nothing_was_written(self) -> None:
        with self.assertRaisesRegex(AssertionError, "0 of 0"):
            faulting.check_each_once("trace_raw", [], [], {0: 0})

    def test_one_of_another_cpu(self) -> None:
        with self.assertRaises(AssertionError):
            faulting.check_each_once("per_cpu/cpu0/trace_raw", ALL, ALL, {0: 3})


if __name__ == "__main__":
    unittest.main()
