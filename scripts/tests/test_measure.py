# SPDX-License-Identifier: GPL-2.0
"""Parts of a scenario: never so small that nothing is left to test."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import unittest
from unittest import mock

from .support import SCRIPTS

sys.path[:0] = [str(SCRIPTS / "stress"), str(SCRIPTS / "selftests")]

import measure  # noqa: E402  (found through the line above)
import reading  # noqa: E402
import readers_test  # noqa: E402
import samples  # noqa: E402

A_RECORDING = samples.of_every_kind()
SAMPLES = {name: A_RECORDING for name in ("of every kind", "another", "a third")}


class Part(unittest.TestCase):
    def test_never_none(self) -> None:
        with mock.patch.object(measure, "PART", 0.0001):
            self.assertEqual(measure.part(200), 1)
            self.assertEqual(measure.part(200, least=6), 6)

    def test_some_of_all_kinds(self) -> None:
        """Each of so many, or few from the first to the last."""
        things = [(row, column) for row in "abcde" for column in range(46)]
        self.assertEqual(measure.some(things), things)
        for fraction, count in ((0.5, 115), (0.05, 12), (0.001, 1)):
            with mock.patch.object(measure, "PART", fraction):
                chosen = measure.some(things)
            self.assertEqual((len(chosen), len(set(chosen))), (count, count))
            if count > 1:
                self.assertEqual({row for row, _ in chosen}, set("abcde"))
                self.assertGreater(len({column for _, column in chosen}), 9)

    def test_as_asked(self) -> None:
        with mock.patch.object(measure, "PART", 0.25):
            self.assertEqual((measure.part(200), measure.part(200, 6)), (50, 50))
        with mock.patch.object(measure, "PART", 1.0):
            self.assertEqual((measure.part(200), measure.part(6, 6)), (200, 6))

    def test_none_of_anything_is_refused(self) -> None:
        for whole, least in ((0, 1), (-5, 1), (5, 0), (5, 6)):
            with self.subTest(whole=whole, least=least):
                self.assertRaises(ValueError, measure.part, whole, least)

    def test_what_is_no_fraction_is_refused(self) -> None:
        for text in ("0", "-1", "1.5", "nan", "inf", "half"):
            with self.subTest(text):
                self.assertRaises(ValueError, measure.fraction, text)
        self.assertEqual([measure.fraction(text) for text in ("1", "0.05")], [1, 0.05])

    def test_it_is_looked_at_when_a_scenario_begins(self) -> None:
        for text, code in (("0", 1), ("0.5", 0), ("", 0)):
            done = subprocess.run([sys.executable, "-c", "import measure"], check=False,
                                  cwd=SCRIPTS / "stress", capture_output=True,
                                  env={**os.environ, "RENOSCOPE_STRESS_PART": text})
            self.assertEqual(done.returncode, code, text)


class Readers(unittest.TestCase):
    """What is tried of damaged and hostile recordings, although no reader is run."""

    def readings(self, fraction: float) -> list[int]:
        """How many commands each of the tests runs that have no time of their own."""
        counts = []
        ran = mock.Mock(return_value=mock.Mock(code=2))
        for test in (readers_test.test_whole_recordings, readers_test.test_giants,
                     readers_test.test_nested_and_endless_words):
            ran.reset_mock()
            with (mock.patch.object(measure, "PART", fraction),
                  mock.patch.object(readers_test, "samples", lambda: SAMPLES),
                  mock.patch.multiple(reading, run=ran, run_on_terminal=ran,
                                      judge=mock.Mock()),
                  contextlib.redirect_stdout(io.StringIO())):
                test()
            counts.append(ran.call_count)
        return counts

    def test_a_part_of_each(self) -> None:
        readers = len(readers_test._readers())
        self.assertEqual(self.readings(1), [3 * readers, 2 * 3 * readers, 5 * readers])
        with mock.patch.object(measure, "PART", 0.01):
            few = [measure.part(times * readers) for times in (3, 6, 5)]
        self.assertEqual(self.readings(0.01), few)


if __name__ == "__main__":
    unittest.main()
