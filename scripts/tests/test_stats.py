# SPDX-License-Identifier: GPL-2.0
"""The module's `stats`: what they say, and what is refused of them."""

from __future__ import annotations

import unittest

from renoscope_lib.errors import Problem
from renoscope_lib.ring.chosen import Chosen
from renoscope_lib.ring.stats import parse_stats

from . import support

GOOD = support.stats_text(cpu0=3)
ESCAPES = "\x1b[2Jpwn\x07"


class Parsing(unittest.TestCase):
    def test_cpus_and_sources_are_read(self) -> None:
        stats = parse_stats(GOOD + "source x y:z missing: two words\n")
        self.assertEqual(stats.written(), {0: 3})
        self.assertEqual(stats.sources[1].status, "missing: two words")

    def test_broken_lines_are_refused(self) -> None:
        for text in ("", "version 2\n", GOOD + "cpu 1 written x\n",
                     GOOD + "cpu 1 written 4\n", GOOD + "source x\n"):
            with self.subTest(text), self.assertRaises(Problem):
                parse_stats(text)

    def test_a_ring_holds_what_was_not_overwritten(self) -> None:
        """What was overwritten is gone; a CPU without slots holds none."""
        stats = parse_stats(support.stats_text(
            "cpu 4 written 100 oldest 85 unwritten 0", "cpu 5 written 7 oldest 8 unwritten 7"))
        self.assertEqual(stats.kept(), 16)


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
