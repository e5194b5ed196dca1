# SPDX-License-Identifier: GPL-2.0
"""What a recording says of its module ends up on terminals: nothing may command them."""

from __future__ import annotations

import unittest

from renoscope_lib.chosen import Chosen
from renoscope_lib.errors import Problem
from renoscope_lib.stats import parse_stats

from . import support

ESCAPES = "\x1b[2Jpwn\x07"


class FromElsewhere(unittest.TestCase):
    def test_lines_that_are_not_printable_are_refused(self) -> None:
        good = support.stats_text(cpu0=2)
        self.assertEqual(parse_stats(good + "source state x:y missing\n").sources[-1].place,
                         "x:y")
        for line in (f"source state x{ESCAPES} missing", f"filter {ESCAPES}",
                     f"source state x:y missing: {ESCAPES}", f"word {ESCAPES}",
                     "source state x\u202ey missing"):
            with self.subTest(line), self.assertRaises(Problem) as raised:
                parse_stats(f"{good}{line}\n")
            self.assertTrue(str(raised.exception).isprintable())
            self.assertEqual(raised.exception.exit_code, 2)

    def test_what_was_chosen_is_quoted(self) -> None:
        self.assertEqual(Chosen({"flow_sample": "8", "ack_sample": "1"}).choice(),
                         ["1 in 8 connections"])
        for name in ("filter", "flow_sample", "ack_sample"):
            words = Chosen({name: ESCAPES}).choice()
            self.assertEqual(len(words), 1)
            self.assertTrue(words[0].isprintable(), words)


if __name__ == "__main__":
    unittest.main()
