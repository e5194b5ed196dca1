# SPDX-License-Identifier: GPL-2.0
"""What views are told of what they were not told."""

import unittest

from renoscope_lib.gaps import Gaps
from renoscope_lib.schema import Event
from renoscope_lib.show import Clock, LineWriter
from renoscope_lib.states import States, as_text, counts_as_text

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
        self.assertIn("note: before the first event other kinds",
                      "\n".join(states.gaps.remarks()))


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
        self.assertTrue(notes[-1].endswith("and it is frozen now"), notes)

    def test_the_beginning_is_no_change(self) -> None:
        filtered, = self.notes(self.mark(1, "filter"), self.mark(1, "begun"))
        self.assertIn("another filter", filtered)
        without, = self.notes(self.mark(1, "begun", off("state")))
        self.assertTrue(without.endswith(
            "recording began; not recorded from here on: state"), without)

    def test_the_state_at_the_end_whatever_came_last(self) -> None:
        frozen = self.mark(1, "frozen")
        notes = self.notes(self.scene.event("ack"), frozen,
                           self.mark(2, "filter"))
        self.assertTrue(notes[-1].endswith("holds, and it is frozen now"))
        notes = self.notes(self.scene.event("ack"), frozen,
                           self.mark(2, "thawed"))
        self.assertNotIn("now", notes[-1])

    def test_frozen_from_the_beginning(self) -> None:
        self.assertIn("was frozen when this began",
                      self.notes(frozen="1")[0])
        self.assertEqual(self.notes(frozen="0"), [])

    def test_until_when_anything_is_known(self) -> None:
        at_ns = self.scene.start_ns
        later_ns = at_ns + 60 * SECOND
        for events, frozen, known_s, throughout in (
                ([], "0", 60, False), ([], "Y", None, True),
                ([self.mark(1, "thawed")], "Y", 60, False),
                ([self.scene.event("ack", SECOND)], "Y", 1, False),
                ([self.mark(2, "frozen")], "0", 2, False),
                ([self.mark(2, "frozen"), self.mark(3, "thawed")], "0", 60,
                 False)):
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


if __name__ == "__main__":
    unittest.main()
