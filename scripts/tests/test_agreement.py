# SPDX-License-Identifier: GPL-2.0
"""The comparison of views: what disagrees is named, and what compares nothing."""

from __future__ import annotations

import json
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
import told_words  # noqa: E402
from agreement import Fact, Pair, Verdict  # noqa: E402
from all_told import Key, LadderEnd, Told  # noqa: E402
from missing import Missing  # noqa: E402
from tellers import Teller  # noqa: E402

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

    def test_what_is_not_known_is_like_nothing_that_is(self) -> None:
        """None beside a number, where two numbers would be compared by how close they are."""
        verdict = self.compared(Fact("how long", {
            "handshakes": lambda told: {ONE: None, OTHER: None},
            "states": lambda told: {ONE: 7, OTHER: None}}, same=told_words.close_us))
        self.assertEqual(verdict.disagreements, [
            "how long of sk:5 a:1 - b:2: handshakes: None; states: 7"])

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


class Partly(unittest.TestCase):
    """What is not said of a recording that lacks something"""

    def told(self, *events: dict[str, Any], missing: Missing = Missing()) -> Told:
        """A recording of these events, of which ONE is told."""
        lines = [json.dumps({"netns": 1, "connection": "sk:5", "local_addr": "a",
                             "local_port": 1, "remote_addr": "b", "remote_port": 2} | event)
                 for event in events]
        return Told(Path("none"), lambda *words: "\n".join(lines), missing)

    def says(self, wrapped: Teller, told: Told) -> bool:
        return ONE in wrapped(told)

    def test_without_a_kind_or_an_event(self) -> None:
        def teller(told: Told) -> dict[Key, int]:
            return {ONE: 3}
        lost = Scene().event("ack", local_port=2, remote_port=1)
        for missing, on, whole in ((Missing(), True, True),
                                   (Missing(frozenset({"rto"})), True, True),
                                   (Missing(frozenset({"ack"})), False, False),
                                   (Missing(lost=(lost,)), True, False)):
            told = self.told(missing=missing)
            self.assertEqual(self.says(tellers.where_on(teller, "ack"), told), on)
            self.assertEqual(self.says(tellers.where_whole(teller, "ack"), told), whole)

    def test_without_the_beginning(self) -> None:
        def stays(told: Told) -> dict[Key, Any]:
            return {ONE: [("SYN-RECEIVED", 7), ("ESTABLISHED", 8)]}
        for event, seen in (({"kind": "request"}, True), ({"kind": "synack"}, False),
                            ({"kind": "state", "state": "SYN-SENT"}, True),
                            ({"kind": "state", "state": "SYN-RECEIVED"}, False)):
            told = self.told(event)
            self.assertEqual(self.says(tellers.from_start(stays), told), seen, event)
            self.assertEqual(len(tellers.but_opening(stays)(told)[ONE]), 1 + seen, event)

    def test_begun_between_a_segment_and_its_event(self) -> None:
        def teller(told: Told) -> dict[Key, Any]:
            return {ONE: 1, Key(1, "sk:6", "b:2", "a:1"): 1, OTHER: 1}
        self.assertEqual(set(tellers.begun_between(teller)(self.told(
            {"kind": "loss_probe"}, {"kind": "ack"}))), {OTHER})
        self.assertEqual(len(tellers.begun_between(teller)(self.told(
            {"kind": "ack"}, {"kind": "loss_probe"}))), 3)

    def test_before_the_end(self) -> None:
        def teller(told: Told) -> dict[Key, Any]:
            return {ONE: False}
        acks = [{"kind": "ack", "rcv_nxt": number} for number in (1, 6)]
        caught_up = tellers.caught_up(teller, "rcv_nxt")
        self.assertTrue(self.says(caught_up, self.told(*acks)))
        self.assertFalse(self.says(caught_up, self.told(*acks, {"kind": "state", "rcv_nxt": 7})))
        settled = tellers.if_settled(teller)
        self.assertTrue(self.says(settled, self.told({"kind": "synack"})))
        self.assertFalse(self.says(settled, self.told({"kind": "completed"})))

    def test_a_ladder_may_leave_out_what_was_before_it(self) -> None:
        cases: tuple[tuple[list[str], list[str], bool], ...] = (
                (["SYN-SENT", "CLOSED"], ["SYN-SENT", "CLOSED"], True),
                (["?SYN-SENT", "CLOSED"], ["CLOSED"], True),
                (["?SYN-SENT", "CLOSED"], ["SYN-SENT", "CLOSED"], True),
                (["SYN-SENT", "CLOSED"], ["CLOSED"], False),
                (["?SYN-SENT", "CLOSED"], [], False),
                (["CLOSED"], ["SYN-SENT", "CLOSED"], False))
        for path, steps, same in cases:
            self.assertEqual(told_words.same_path(path, steps), same, (path, steps))

    def ladder(self, *steps: str, sent_again: tuple[bool, ...] = (),
               ends_later: bool = False, fin_ns: int | None = None) -> LadderEnd:
        """Its first end's."""
        rungs = [{"from_end": 0, "sent_again": again, "sent_ns": 10 * at, "flags": [],
                  "marks": ["loss_probe"] if again else [], "cause": None}
                 for at, again in enumerate(sent_again, 1)]
        rungs += [{"from_end": 0, "sent_again": False, "sent_ns": fin_ns, "received_ns": 500,
                   "flags": ["FIN"], "marks": [], "cause": None}] if steps else []
        return LadderEnd({
            "ends": [{"every_segment": True}] * 2, "rungs": rungs,
            "states": [{"end": 0, "state": state, "time_ns": 1} for state in steps],
            "facts": [{"end": 0, "time_ns": 1000}] if ends_later else []}, 0)

    def test_a_segment_that_a_recording_ends_with_has_no_event_yet(self) -> None:
        for again, later, count in (((True,), True, 1), ((True,), False, None),
                                    ((True, False), False, 1), ((), False, 0)):
            end = self.ladder(sent_again=again, ends_later=later)
            self.assertEqual(told_words.segments_again(end), count, again)
            self.assertEqual(told_words.loss_probes(end), count, again)

    def test_the_first_fin_that_was_seen_may_be_the_second(self) -> None:
        for steps, fin_ns, closer in ((("FIN-WAIT-1",), 400, "us"), (("LAST-ACK",), 400, None),
                                      (("FIN-WAIT-1",), None, None)):
            self.assertEqual(told_words.ladder_closer(self.ladder(*steps, fin_ns=fin_ns)), closer)

    def test_what_leads_straight_to_time_wait(self) -> None:
        """The FIN is its own, and the peer's at the other end."""
        ladder = self.ladder("FIN-WAIT-1", fin_ns=400).ladder
        self.assertFalse(LadderEnd(ladder, 0).leads_straight_on())
        ladder["states"][0]["end"] = 1
        self.assertTrue(LadderEnd(ladder, 1).leads_straight_on())
        ladder["states"].append({"end": 1, "state": "TIME-WAIT", "time_ns": 2})
        self.assertFalse(LadderEnd(ladder, 1).leads_straight_on())

    def test_whether_a_ladder_was_opened(self) -> None:
        for steps, is_open in ((("SYN-SENT", "CLOSED"), False), (("CLOSED",), None), ((), None),
                               (("FIN-WAIT-1", "CLOSED"), True)):
            self.assertEqual(told_words.ladder_open(self.ladder(*steps)), is_open, steps)


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
