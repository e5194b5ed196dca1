# SPDX-License-Identifier: GPL-2.0
"""What views are told of what they were not told."""

import subprocess
import unittest

from renoscope_lib.ring.chosen import Chosen
from renoscope_lib.ring.schema import Event
from renoscope_lib.ring.stats import parse_stats
from renoscope_lib.views.gaps import Gaps
from renoscope_lib.views.show import Clock, LineWriter
from renoscope_lib.views.states import States
from renoscope_lib.views.states_text import as_text, counts_as_text

from . import support
from .support import SECOND, Scene, number_of

ALL = (1 << 64) - 1


def off(*kinds: str) -> int:
    """kinds_on of a mark, without these."""
    numbers = {name: n for n, name in support.schema().kinds.items()}
    return ALL & ~sum(1 << numbers[kind] for kind in kinds)


class GapsCase(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def mark(self, at_s: float, cause: str, kinds_on: int = ALL) -> Event:
        return self.scene.event("mark", round(at_s * SECOND), cookie=0,
                                kinds_on=kinds_on,
                                mark_cause=number_of("mark_cause", cause))

    def notes(self, *events: Event, **parameters: str) -> list[str]:
        gaps = Gaps(support.schema(), ("state", "retransmit"))
        gaps.begin(parameters)
        for event in events:
            gaps.takes(event)
        return gaps.remarks()


class TimeZero(GapsCase):
    def test_show_and_states_count_alike(self) -> None:
        """A mark and a loss before the first event are no beginning."""
        events = [self.mark(0, "events", off("state")),
                  self.scene.event("lost", SECOND, lost_events=1),
                  *(self.scene.event("state", at * SECOND, snd_isn=7,
                                     old_state=number_of("state", old),
                                     state=number_of("state", new))
                    for at, old, new in ((3, "CLOSED", "SYN-SENT"),
                                         (5, "SYN-SENT", "ESTABLISHED")))]
        writer = LineWriter(support.schema(), Clock())
        shown = [writer.line(event) for event in events]
        states = States(support.schema())
        for event in events:
            states.feed(event)
        told = "\n".join(as_text(states, None))
        for line, state in ((shown[2], "SYN-SENT"), (shown[3], "ESTABLISHED")):
            self.assertRegex(told, rf"(?m)^ *{line.split()[0]} +{state}")
        self.assertEqual(shown[3].split()[0], "2.000000")
        self.assertIn("note: not recorded here, so nothing is known of it: "
                      "state", states.gaps.remarks())


class Sources(GapsCase):
    """Places in the kernel that nothing came from, or not all."""

    def gaps(self, *statuses: str) -> Gaps:
        gaps = Gaps(support.schema(), ("state", "retransmit"))
        gaps.see_sources([parse_stats(
            "version 1\nsource state,ack sock:x attached\n"
            f"source retransmit,rto kprobe:y {status}\n"
            f"source syn kprobe:z {status}\n") for status in statuses])
        return gaps

    def test_all_is_well(self) -> None:
        self.assertEqual(self.gaps("attached", "attached").remarks(), [])

    def test_a_silent_place_forbids_a_verdict(self) -> None:
        gaps = self.gaps("attached", "missing: this kernel has no such function")
        self.assertEqual(gaps.remarks(),
                         ["note: nothing came from kprobe:y: retransmit"])
        self.assertEqual(gaps.not_recorded("state", "retransmit"), ["retransmit"])

    def test_kprobes_that_are_off_are_told_once(self) -> None:
        self.assertEqual(
            self.gaps("missing: kprobes are switched off on this machine").remarks(),
            ["note: nothing came from kprobes, which are switched off on this machine: "
             "retransmit"])

    def test_so_is_ftrace(self) -> None:
        self.assertEqual(
            self.gaps("missing: ftrace is switched off on this machine").remarks(),
            ["note: nothing came from ftrace, which is switched off on this machine: "
             "retransmit"])

    def test_namespaces_without_hooks(self) -> None:
        gaps = self.gaps("attached", "attached, but not in 3 namespaces",
                         "attached, but not in 2 namespaces")
        self.assertEqual(gaps.remarks(), [
            "note: nothing came from 3 network namespaces, in which the hooks could not be "
            "attached: retransmit"])
        self.assertEqual(gaps.not_recorded("retransmit"), [], "there is some of it")
        self.assertEqual(gaps.lacks("state", "retransmit"), ["retransmit"])

    def test_calls_that_were_missed_meanwhile(self) -> None:
        told = "attached, missed {} calls"
        self.assertEqual(self.gaps(told.format(7), told.format(7)).remarks(), [])
        self.assertEqual(
            self.gaps(told.format(7), told.format(9)).remarks(),
            ["note: the kernel skipped 2 calls of probes that this needs (kprobe:y)"])
        self.assertEqual(len(self.gaps(told.format(7)).remarks()), 1)


class Marks(GapsCase):
    def test_first_and_last_are_told(self) -> None:
        notes = self.notes(
            self.scene.event("ack"),
            *(self.mark(n, "thawed" if n % 2 else "frozen")
              for n in range(1, 11)))
        self.assertEqual([line.split(" s ")[0] for line in notes], [
            "note: at 1.000000", "note: at 2.000000",
            "note: then 5 changes more", "note: at 8.000000",
            "note: at 9.000000", "note: at 10.000000"])
        self.assertTrue(notes[-1].endswith("frozen at the end of this recording"), notes)

    def test_the_beginning_is_no_change(self) -> None:
        filtered, = self.notes(self.mark(1, "filter"), self.mark(1, "begun"))
        self.assertIn("another filter", filtered)
        self.assertEqual(self.notes(self.mark(1, "begun", off("state"))), [
            "note: not recorded here, so nothing is known of it: state"])

    def test_the_state_at_the_end_whatever_came_last(self) -> None:
        frozen = self.mark(1, "frozen")
        notes = self.notes(self.scene.event("ack"), frozen,
                           self.mark(2, "filter"))
        self.assertTrue(notes[-1].endswith(
            "holds, and was still frozen at the end of this recording"))
        notes = self.notes(self.scene.event("ack"), frozen,
                           self.mark(2, "thawed"))
        self.assertNotIn("frozen", notes[-1])

    def test_frozen_from_the_beginning(self) -> None:
        self.assertIn("was frozen when this began",
                      self.notes(frozen="1")[0])
        self.assertEqual(self.notes(frozen="0"), [])

    def test_until_when_anything_is_known(self) -> None:
        at_ns = self.scene.start_ns
        later_ns = at_ns + 60 * SECOND
        cases: tuple[tuple[list[Event], str, int | None, bool], ...] = (
                ([], "0", 60, False), ([], "Y", None, True),
                ([self.mark(1, "thawed")], "Y", 60, False),
                ([self.scene.event("ack", SECOND)], "Y", 1, False),
                ([self.mark(2, "frozen")], "0", 2, False),
                ([self.mark(2, "frozen"), self.mark(3, "thawed")], "0", 60,
                 False))
        for events, frozen, known_s, throughout in cases:
            gaps = Gaps(support.schema(), ())
            gaps.begin({"frozen": frozen})
            for event in events:
                gaps.takes(event)
            with self.subTest(events=events, frozen=frozen):
                self.assertEqual(
                    gaps.known_until_ns(later_ns),
                    0 if known_s is None else at_ns + known_s * SECOND)
                self.assertEqual(gaps.frozen_throughout, throughout)

    def test_frozen_all_the_time_no_state_is_told(self) -> None:
        states = States(support.schema())
        states.gaps.begin({"frozen": "Y"})
        self.assertEqual(counts_as_text(states, None),
                         ["No connection was seen."])

    def test_kinds_off_at_some_time(self) -> None:
        gaps = Gaps(support.schema(), ("state", "retransmit"))
        gaps.begin({"events": "state"})
        self.assertEqual(gaps.not_recorded("state", "retransmit"),
                         ["retransmit"])
        gaps.takes(self.mark(1, "events", off("state")))
        gaps.takes(self.mark(2, "events"))
        self.assertEqual(gaps.not_recorded("state"), ["state"])

    def test_a_kind_that_comes_back(self) -> None:
        notes = self.notes(
            self.scene.event("ack"), self.mark(1, "events", off("state")),
            self.mark(2, "events", off("ack", "state")), self.mark(3, "events"),
            self.mark(4, "events", off("ack")))
        self.assertEqual(notes, [
            "note: at 1.000000 s other kinds are recorded; not recorded from "
            "here on: state",
            "note: at 3.000000 s other kinds are recorded; recorded from "
            "here on: state"], "kinds that the view does not need are none of it")
        self.assertEqual(
            self.notes(self.scene.event("ack"), self.mark(1, "events"),
                       events="state"),
            ["note: not recorded at first: retransmit",
             "note: at 1.000000 s other kinds are recorded; recorded from "
             "here on: retransmit"])


class Losses(GapsCase):
    """A loss of a CPU lasts until the next record of that CPU."""

    def setUp(self) -> None:
        super().setUp()
        self.gaps = Gaps(support.schema(), ("state",))

    def take(self, kind: str, at_s: float, cpu: int, **values: int) -> int:
        """The number of gaps after an event."""
        self.gaps.takes(self.scene.event(kind, round(at_s * SECOND), cpu, **values))
        return self.gaps.number

    def lost(self, cpu: int) -> int:
        return self.take("lost", 0, cpu, lost_events=3)

    def since(self, at_s: float) -> bool:
        return self.gaps.has_gap_since(self.scene.start_ns + round(at_s * SECOND))

    def test_other_cpus_do_not_end_it(self) -> None:
        self.lost(0)
        heard = self.take("ack", 1, 1)
        self.assertFalse(self.gaps.is_whole_since(heard), "cpu 0 is not back yet")
        self.assertTrue(self.since(1))
        ended = self.take("ack", 990, 0)
        self.assertFalse(self.gaps.is_whole_since(heard), "cpu 0 was deaf until now")
        self.assertTrue(self.gaps.is_whole_since(ended))
        self.assertEqual([self.since(at_s) for at_s in (1, 989, 990, 991)],
                         [True, True, False, False])

    def test_each_cpu_has_its_own(self) -> None:
        self.lost(0)
        self.lost(1)
        self.assertFalse(self.gaps.is_whole_since(self.take("ack", 1, 1)))
        self.assertTrue(self.gaps.is_whole_since(self.take("ack", 2, 0)))

    def test_without_a_loss(self) -> None:
        self.assertTrue(self.gaps.is_whole_since(self.take("ack", 1, 0)))
        self.assertFalse(self.gaps.has_gap_since(None))

    def test_a_time_that_was_not_recorded(self) -> None:
        heard = self.take("ack", 1, 0)
        self.gaps.takes(self.mark(2, "frozen"))
        self.assertTrue(self.gaps.is_whole_until_known(heard))
        self.assertFalse(self.gaps.is_whole_since(heard))
        self.assertFalse(self.since(1), "a freeze is the end of what is known")
        self.gaps.takes(self.mark(3600, "thawed"))
        self.assertFalse(self.gaps.is_whole_until_known(heard))
        self.assertEqual([self.since(1), self.since(3601)], [True, False])


class Lacks(GapsCase):
    """Of which kinds some events may be missing."""

    def lacks(self, *events: Event, missed: str = "", read_s: float = 0,
              **parameters: str) -> list[str]:
        gaps = Gaps(support.schema(), ("state", "retransmit"))
        gaps.begin(parameters, self.scene.start_ns + round(read_s * SECOND))
        gaps.see_sources([parse_stats(support.stats_text(missed))])
        for event in events:
            gaps.takes(event)
        return gaps.lacks("state", "retransmit")

    def test_lacks(self) -> None:
        changed = self.mark(5, "filter")
        both = ["state", "retransmit"]
        for lacking, told in (
                ([], self.lacks()),
                (["retransmit"], self.lacks(events="state")),
                (["retransmit"], self.lacks(
                    missed="source retransmit tcp:x attached, missed 12 calls")),
                ([], self.lacks(filter="port=80")),
                (both, self.lacks(filter="port=80,state!=CLOSE-WAIT")),
                (both, self.lacks(changed)),
                ([], self.lacks(changed, read_s=9))):
            self.assertEqual(told, lacking)

    def test_may_lack(self) -> None:
        gaps = Gaps(support.schema(), ("state", "retransmit"))
        gaps.begin({"events": "state"})
        gaps.takes(self.mark(0, "frozen"))
        gaps.takes(self.mark(5, "thawed"))
        for since_s, lacking in ((1, ["state", "retransmit"]), (6, ["retransmit"])):
            self.assertEqual(lacking, gaps.may_lack(
                "state", "retransmit",
                since_ns=self.scene.start_ns + since_s * SECOND))


class BeforeTheFirstEvent(GapsCase):
    """Of many changes only what they led to counts."""

    def test_what_is_undone_is_not_told(self) -> None:
        undone = [mark for n in range(4) for mark in (
            self.mark(n, "events", off("state")), self.mark(n + 0.5, "events"))]
        gaps = Gaps(support.schema(), ("state", "retransmit"))
        for event in (*undone, self.scene.event("ack", 9 * SECOND)):
            gaps.takes(event)
        self.assertEqual(gaps.remarks(), [])
        self.assertEqual(gaps.not_recorded("state"), [])

    def test_what_holds_is_told_once(self) -> None:
        self.assertEqual(
            self.notes(self.mark(1, "events", off("retransmit")),
                       self.mark(2, "events", off("state", "retransmit")),
                       self.mark(3, "events", off("state")),
                       self.scene.event("ack", 9 * SECOND)),
            ["note: not recorded here, so nothing is known of it: state"])

    def test_nothing_but_changes(self) -> None:
        """What was missed in between was missed."""
        marks = (self.mark(1, "events", off("state")), self.mark(2, "events"))
        self.assertEqual(self.notes(*marks), ["note: not recorded at first: state"])

    def test_another_filter(self) -> None:
        self.assertEqual(
            self.notes(self.mark(1, "filter"), self.scene.event("ack", 9),
                       filter="port=1"),
            ["note: from the first event on another filter or sampling holds "
             "than when recording began"])

    def test_frozen(self) -> None:
        frozen, thawed = self.mark(1, "frozen"), self.mark(2, "thawed")
        note, = self.notes(frozen)
        self.assertTrue(note.endswith("frozen at the end of this recording"), note)
        self.assertEqual(self.notes(frozen, thawed), [])


class OlderThanTheParameters(GapsCase):
    """The live ring: read now, and its events are of before."""

    def notes_now(self, *events: Event, **parameters: str) -> list[str]:
        gaps = Gaps(support.schema(), ("state", "retransmit"))
        gaps.begin(parameters, self.scene.start_ns + 60 * SECOND, Chosen.NOW)
        for event in events:
            gaps.takes(event)
        self.off = gaps.not_recorded("state", "retransmit")
        return gaps.remarks()

    def test_frozen(self) -> None:
        note, = self.notes_now(self.mark(1, "frozen"))
        self.assertTrue(note.endswith("before the first event, and it is frozen now"), note)

    def test_a_kind_switched_off_at_the_end(self) -> None:
        notes = self.notes_now(
            self.mark(0, "begun"), self.scene.event("state", SECOND),
            self.mark(3, "events", off("state")), events="retransmit")
        self.assertEqual(notes, [
            "note: at 2.000000 s other kinds are recorded; not recorded from "
            "here on: state"])
        self.assertEqual(self.off, ["state"])

    def test_a_kind_switched_on_at_the_end(self) -> None:
        """Although the parameters know nothing of it."""
        notes = self.notes_now(
            self.mark(0, "begun", off("state")), self.scene.event("ack", SECOND),
            self.mark(3, "events"), events="state,retransmit")
        self.assertEqual(notes, [
            "note: not recorded at first: state",
            "note: at 2.000000 s other kinds are recorded; recorded from "
            "here on: state"])
        self.assertEqual(self.off, ["state"])

    def test_the_beginning_is_overwritten(self) -> None:
        lost = self.scene.event("lost", lost_events=7)
        ack = self.scene.event("ack", SECOND)
        self.assertEqual(
            self.notes_now(lost, ack, events="retransmit", filter="port=1")[1:],
            ["note: now set: not to record state; since when is not known",
             "note: now set: the filter 'port=1'; since when is not known"])
        self.assertEqual(
            self.notes_now(lost, ack, self.mark(3, "events"),
                           events="state,retransmit")[1:],
            ["note: at 2.000000 s other kinds are recorded"])
        self.assertEqual(
            self.notes_now(lost, self.mark(0, "events", off("state")), ack,
                           events="retransmit", filter="port=1")[1:],
            ["note: not recorded here, so nothing is known of it: state",
             "note: recorded with the filter 'port=1'"], "the oldest mark is there")

    def test_a_filter_that_was_there_from_the_beginning(self) -> None:
        ack = self.scene.event("ack", SECOND)
        for marks in ((), (self.mark(0, "filter"), self.mark(0, "begun"))):
            self.assertEqual(
                self.notes_now(*marks, ack, filter="port=1", flow_sample="8"),
                ["note: recorded with the filter 'port=1', 1 in 8 connections"])

    def test_a_filter_that_came_later(self) -> None:
        began = self.mark(0, "begun"), self.scene.event("ack", SECOND)
        change = "note: at 2.000000 s another filter or sampling holds"
        self.assertEqual(
            self.notes_now(*began, self.mark(3, "filter"), filter="port=1"),
            ["note: now set: the filter 'port=1'", change])
        self.assertEqual(
            self.notes_now(*began, self.mark(3, "filter"), filter="none",
                           flow_sample="1"),
            ["note: now set: no filter and no sampling", change])

    def test_what_comes_after_the_reading_is_no_contradiction(self) -> None:
        """`record --all`: the parameters are those of when recording began."""
        notes = self.notes_now(
            self.mark(0, "begun"), self.scene.event("ack", SECOND),
            self.mark(70, "filter"), filter="port=1")
        self.assertEqual(notes[0], "note: recorded with the filter 'port=1'")

    def test_from_the_command(self) -> None:
        """A recording says when its parameters were read: at 1000 s."""
        for start_s, said in ((1000, "recorded with the filter"),
                              (900, "set when recording began: the filter")):
            self.scene = Scene(start_s * SECOND)
            told = subprocess.run(
                [support.SCRIPTS / "renoscope", "states", "-"], check=True,
                capture_output=True, input=support.recording(
                    self.scene.pack("ack"),
                    self.scene.pack("mark", SECOND, cookie=0, kinds_on=ALL,
                                    mark_cause=number_of("mark_cause", "filter")),
                    parameters={"filter": "port=1"}))
            self.assertIn(said, told.stdout.decode())


if __name__ == "__main__":
    unittest.main()
