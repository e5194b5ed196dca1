# SPDX-License-Identifier: GPL-2.0
"""The comparison of views: what disagrees is named, and what compares nothing."""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib.ladder.end_states import EndState
from renoscope_lib.views import losses

from .explain_scene import Life
from .support import SCRIPTS, Scene, recording

sys.path.insert(0, str(SCRIPTS / "selftests"))

import agreement  # noqa: E402  (found through the line above)
import all_told  # noqa: E402
import tellers  # noqa: E402
from agreement import Fact, Pair, Verdict  # noqa: E402
from all_told import Key, Told  # noqa: E402

ONE, OTHER = Key(1, "sk:5", "a:1", "b:2"), Key(1, "sk:6", "a:2", "b:2")


class Recorded(Scene):
    """Keeps its records."""

    def __init__(self) -> None:
        super().__init__()
        self.records = b""

    def pack(self, kind: str, at_ns: int = 0, cpu: int = 0, **values: Any) -> bytes:
        record = super().pack(kind, at_ns, cpu, **values)
        self.records += record
        return record


def lives(count: int) -> bytes:
    """A recording of connections that each time out once and then close first."""
    scene = Recorded()
    for number in range(count):
        life, at_s = Life(scene, cookie=5 + number, port=40112 + number), 10 * number
        life.opens(at_s)
        life.acked(at_s + 1)
        life.timeout(at_s + 2, 0.24)
        life.turn(at_s + 2, "Open", "Loss")
        life.again(at_s + 2, "rto", "Loss")
        life.acked(at_s + 2.1, ca="Loss")
        life.turn(at_s + 2.1, "Loss", "Open")
        life.closes(at_s + 3)
    return recording(scene.records)


def verdict_on(file: bytes) -> Verdict:
    """What comes of comparing."""
    with tempfile.NamedTemporaryFile(suffix=".renoscope") as place:
        place.write(file)
        place.flush()
        return agreement.compare(Told(Path(place.name)))


class Comparing(unittest.TestCase):
    """agreement.py, without a recording"""

    def compared(self, *facts: Fact) -> Verdict:
        with mock.patch.object(agreement, "FACTS", facts):
            return agreement.compare(Told(Path("none")))

    def test_both_words_are_named(self) -> None:
        verdict = self.compared(Fact("state", {
            "states": lambda told: {ONE: "CLOSED", OTHER: "LISTEN"},
            "flow": lambda told: {ONE: "TIME-WAIT"}}))
        self.assertEqual(verdict.disagreements, [
            "state of sk:5 a:1 - b:2: states: CLOSED; flow: TIME-WAIT"])

    def test_each_two_are_compared(self) -> None:
        verdict = self.compared(Fact("timeouts", {
            name: lambda told: {ONE: 3} for name in ("losses", "cwnd", "export")}))
        self.assertEqual(verdict, Verdict({
            Pair("timeouts", "losses", "cwnd"): 1, Pair("timeouts", "losses", "export"): 1,
            Pair("timeouts", "cwnd", "export"): 1}, []))

    def test_what_does_not_matter_does_not_count(self) -> None:
        """Nor does what only one of the two tells."""
        verdict = self.compared(Fact("timeouts", {
            "losses": lambda told: {ONE: 0, OTHER: 2}, "cwnd": lambda told: {ONE: 0}}))
        self.assertEqual(verdict.disagreements, [])
        self.assertEqual(verdict.never_compared(), ["timeouts: losses and cwnd"])

    def test_of_several_recordings(self) -> None:
        """A pair has to compare something in one of them."""
        here, there = Pair("a", "x", "y"), Pair("b", "x", "y")
        both = Verdict({here: 0, there: 1}, ["one"]).and_of(Verdict({here: 2}, ["other"]))
        self.assertEqual(both, Verdict({here: 2, there: 1}, ["one", "other"]))
        self.assertEqual(both.never_compared(), [])

    def test_numbers_of_sentences(self) -> None:
        self.assertEqual(list(map(tellers.number, ("once", "twice", "13", "four"))),
                         [1, 2, 13, 4])

    def test_every_fact_has_two_tellers(self) -> None:
        names = [fact.name for fact in agreement.FACTS]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual([fact.name for fact in agreement.FACTS if len(fact.tellers) < 2], [])


class Views(unittest.TestCase):
    """agreement.py on real views"""

    def test_they_agree(self) -> None:
        for count in (1, 3):
            with self.subTest(count):
                verdict = verdict_on(lives(count))
                self.assertEqual(verdict.disagreements, [])
                self.assertEqual({number for pair, number in verdict.compared.items()
                                  if pair.fact == "timeouts once open"}, {count})

    def test_a_view_that_errs_is_caught(self) -> None:
        def errs(state: EndState, *_: object) -> None:
            state.now = "LISTEN"
        with mock.patch.object(EndState, "see", errs):
            said = "\n".join(verdict_on(lives(2)).disagreements)
        for number in (5, 6):
            self.assertRegex(said, rf"(?m)^state of sk:{number} .*: states: TIME-WAIT; "
                             "flow: LISTEN$")

    def test_a_count_that_errs_is_caught(self) -> None:
        with mock.patch.object(losses, "segments_sent_again", lambda event: 2):
            said = "\n".join(verdict_on(lives(2)).disagreements)
        for word in ("segments sent again of sk:5", "losses: 2; top: 1"):
            self.assertIn(word, said)

    def test_a_command_that_fails_is_named(self) -> None:
        with self.assertRaisesRegex(AssertionError, "renoscope states /none --json: exit"):
            all_told.run("states", "/none", "--json")
