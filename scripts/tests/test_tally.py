# SPDX-License-Identifier: GPL-2.0
"""Counting what guests say: also those in which faults are planted."""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "qemu"))

import tally  # noqa: E402
from boot_codes import BootCode  # noqa: E402

GOOD = "KTAP version 1\n1..1\nok 1 a\n"
BAD = "KTAP version 1\n1..1\nnot ok 1 a\n"
SKIPPED = "KTAP version 1\n1..0 # SKIP no hosts\n"


class CountGuest(unittest.TestCase):
    def counted(self, expected: int, code: int, output: str) -> tuple[int, list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            guest = tally.Guest("g", "kernel", Path(folder), [], expected_code=expected)
            count = tally.Tally()
            tally.count_guest(count, guest, code, output)
        return count.passed, count.failures

    def test_clean_guest(self) -> None:
        self.assertEqual(self.counted(BootCode.OK, 0, GOOD), (1, []))

    def test_a_guest_that_ran_nothing_is_named_with_its_reason(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            count = tally.Tally()
            tally.count_guest(count, tally.Guest("g", "kernel", Path(folder), []), 0, SKIPPED)
        self.assertEqual((count.passed, count.failures), (0, []))
        self.assertIn("no hosts", "".join(count.skips))

    def test_trouble_in_the_log_fails_though_the_tests_passed(self) -> None:
        passed, (failure,) = self.counted(BootCode.OK, BootCode.LOG_NOT_CLEAN, GOOD)
        self.assertEqual(passed, 1)
        self.assertIn("ended with code 3, see", failure)

    def test_trouble_that_was_planted_is_what_passes(self) -> None:
        self.assertEqual(
            self.counted(BootCode.LOG_NOT_CLEAN, BootCode.LOG_NOT_CLEAN, GOOD), (1, [])
        )

    def test_planted_trouble_that_is_not_found_fails(self) -> None:
        _, (failure,) = self.counted(BootCode.LOG_NOT_CLEAN, BootCode.OK, GOOD)
        self.assertIn("ended with code 0 and not 3, see", failure)

    def test_a_guest_that_died_fails_where_trouble_was_planted(self) -> None:
        for code in (4, 5, 124):
            with self.subTest(code):
                self.assertEqual(len(self.counted(BootCode.LOG_NOT_CLEAN, code, GOOD)[1]), 1)

    def test_failing_test_is_counted_once(self) -> None:
        for expected in (BootCode.OK, BootCode.LOG_NOT_CLEAN):
            with self.subTest(expected):
                self.assertEqual(self.counted(expected, 3, BAD), (0, ["g: a"]))

    def test_a_death_is_told_beside_a_failing_test(self) -> None:
        for code in (5, 124):
            with self.subTest(code):
                _, (test, death) = self.counted(BootCode.OK, code, BAD)
                self.assertEqual(test, "g: a")
                self.assertIn(f"ended with code {code}, see", death)


if __name__ == "__main__":
    unittest.main()
