# SPDX-License-Identifier: GPL-2.0
"""Parts of a scenario: never so small that nothing is left to test."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from unittest import mock

from .support import SCRIPTS

sys.path.insert(0, str(SCRIPTS / "stress"))

import measure  # noqa: E402  (found through the line above)


class Part(unittest.TestCase):
    def test_never_none(self) -> None:
        with mock.patch.object(measure, "PART", 0.0001):
            self.assertEqual(measure.part(200), 1)
            self.assertEqual(measure.part(200, least=6), 6)

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


if __name__ == "__main__":
    unittest.main()
