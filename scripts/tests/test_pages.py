# SPDX-License-Identifier: GPL-2.0
"""Pages that show commands: what counts as printed and what does not."""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

from .support import SCRIPTS

sys.path.insert(0, str(SCRIPTS / "selftests"))

import pages  # noqa: E402  (found through the line above)

PAGE = """\
Words.

::

    $ make demo
    $ renoscope states FILE
    sk:5  took 1.016 s  by the timer
    [...]
    2 lines, [...] end

Not $ this.
"""


class Pages(unittest.TestCase):
    """pages.py"""

    def shown(self, text: str = PAGE) -> list[pages.Shown]:
        """The commands of a page."""
        with tempfile.NamedTemporaryFile("w", suffix=".rst") as file:
            file.write(text)
            file.flush()
            return list(pages.shown_in(Path(file.name)))

    def test_commands_and_their_lines(self) -> None:
        """A command's lines end where the next command or the text begins."""
        first, second = self.shown()
        self.assertEqual(first, ("make demo", []))
        self.assertEqual(second.command, "renoscope states FILE")
        self.assertEqual(len(second.lines), 3)

    def missing(self, printed: str) -> str | None:
        """What the second command should have printed."""
        return pages.missing(self.shown()[1], printed)

    def test_other_numbers_ids_and_units(self) -> None:
        """They differ from run to run."""
        self.assertIsNone(self.missing("sk:a  took 986.2 ms by the timer\nx\ny\n7 lines, a b end"))
        self.assertIsNone(self.missing("sk:a  took 3 s by the timer\n7 lines, end"))

    def test_another_word(self) -> None:
        """A page must not outlive what it tells of."""
        self.assertIn("timer", self.missing("sk:a took 1 s by a timer\n7 lines, end") or "")
        self.assertIn("line", self.missing("sk:a took 1 s by the timer\n7 rows, end") or "")

    def test_what_two_runs_need_not_have_in_common(self) -> None:
        """Rows alike, curves, where a sentence is wrapped, one or several."""
        for one, other in (
                ("sk:1  1 s\nsk:2  2 s", "sk:a  3 s"),
                ("cwnd max 9 \u2591\u2588 \u2581", "cwnd max 110 \u2583"),
                ("losses  FF R", "losses  T"),
                ("was lost after\n  a while", "was lost\n  after a while"),
                ("two SYN-ACKs were lost (1 s + 2 s)", "one SYN-ACK was lost (3 s)"),
                ("sent again 3 times", "sent again once"),
                ("2  timer  1 s  1 s  2 s  gone", "2  duplicate SYN  1 s  -  2 s  gone"),
                ("x --connection 1b -v", "x --connection 2 -v"),
                ("(1 s + 1 s + ... + 4 s)", "(1 s)")):
            with self.subTest(one):
                self.assertIsNone(pages.missing(pages.Shown("x", one.splitlines()), other))
                self.assertIsNone(pages.missing(pages.Shown("x", other.splitlines()), one))

    def test_what_they_must(self) -> None:
        """A word, an order, a row of another kind."""
        for one, other in (
                ("a SYN was lost", "a SYN-ACK was lost"),
                ("cwnd max 9 \u2591", "ssthresh max 9 \u2591"),
                ("losses  FF R", "phases  FF R"),
                ("sk:1 timer\nsk:2 timer", "sk:1 timer\nsk:2 duplicate SYN"),
                ("first\nsecond", "second\nfirst")):
            with self.subTest(one):
                self.assertIsNotNone(
                    pages.missing(pages.Shown("x", one.splitlines()), other))

    def test_a_line_too_many_and_too_few(self) -> None:
        """Only [...] stands for lines that are not shown."""
        whole = "sk:a took 1 s by the timer\n7 lines, end"
        self.assertIn("more", self.missing(f"{whole}\nmore") or "")
        self.assertIsNotNone(self.missing("more\n" + whole))
        self.assertIsNotNone(self.missing(""))
        self.assertIsNotNone(self.missing("sk:a took 1 s by the timer"))


if __name__ == "__main__":
    unittest.main()
