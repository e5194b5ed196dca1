# SPDX-License-Identifier: GPL-2.0
"""Cut copies of a recording: as the recorder writes them, and nothing else is changed."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib.recording.parser import RecordingParser
from renoscope_lib.recording.recorder import Limits, Recorder
from renoscope_lib.recording.recording_file import RecordingWriter
from renoscope_lib.ring.schema import LOST, OWN_KINDS
from renoscope_lib.ring.stats import parse_stats
from renoscope_lib.stopping import Stop

from . import support
from .support import MS, SCRIPTS, SECOND, Scene, number_of

sys.path.insert(0, str(SCRIPTS / "selftests"))

import agreement  # noqa: E402  (found through the line above)
import cut_copy  # noqa: E402
import cuts  # noqa: E402
from all_told import Key  # noqa: E402
from cut_copy import Cut, Played, Whole  # noqa: E402
from missing import Missing  # noqa: E402

KINDS = [kind for kind in support.schema().kinds.values() if kind not in OWN_KINDS]
USUAL = [kind for kind in KINDS if kind != "segment"]
BEGAN_NS = support.META["clocks"]["monotonic_ns"]    # type: ignore[index]
BEFORE = {0: 100, 1: 50}    # written before it began


def mask(kinds: list[str]) -> int:
    return sum(1 << number for number, kind in support.schema().kinds.items()
               if kind in kinds)


def stats(written: dict[int, int], *lines: str) -> str:
    text = support.stats_text(*lines, **{f"cpu{cpu}": n for cpu, n in written.items()})
    return text + "source rto kprobe:tcp_retransmit_timer attached\n"


class Maker:
    """Makes a recording of two CPUs, by the recorder."""

    def __init__(self, whole_ring: bool = False) -> None:
        self.scene = Scene()
        self.whole_ring = whole_ring
        self.before = dict.fromkeys(BEFORE, 0) if whole_ring else dict(BEFORE)
        self.written = dict(self.before)
        self.records: list[bytes] = []

    def add(self, kind: str, **values: Any) -> None:
        """The next record, 1 ms after the last one; on the other CPU each third time."""
        cpu = int(len(self.records) % 3 == 2)
        self.written[cpu] += 1
        self.records.append(self.scene.pack(
            kind, (len(self.records) + 1) * MS, cpu, **{"serial": self.written[cpu]} | values))

    def mark(self, cause: str, kinds: list[str]) -> None:
        self.add("mark", cookie=0, netns=0, mark_cause=number_of("mark_cause", cause),
                 kinds_on=mask([*kinds, *OWN_KINDS]))

    def file(self, kinds: list[str], **parameters: str) -> bytes:
        """Made with these kinds on when recording began."""
        began_ns = BEGAN_NS + SECOND if self.whole_ring else BEGAN_NS
        meta = support.META | {
            "clocks": {"monotonic_ns": began_ns, "realtime_ns": 7 * began_ns},
            "parameters": {"events": ",".join(kinds), "frozen": "0"} | parameters}
        off = ",".join(kind for kind in KINDS if kind not in kinds) or "none"
        lines = f"kinds_off {off}", "freeze frozen 0 after 0 on none pending 0"
        first = stats(self.written if self.whole_ring else self.before, *lines)
        ring = Played(support.schema_text(), self.records,
                      [first, first, stats(self.written, *lines)])
        file = bytearray()
        with mock.patch("time.monotonic_ns", lambda: BEGAN_NS + 2 * SECOND):
            Recorder(ring, RecordingWriter(file.extend), Limits(whole_ring=self.whole_ring),
                     Stop()).run(lambda: meta)
        return bytes(file)


def a_recording(whole_ring: bool = False) -> Whole:
    """Of 40 events, every fourth of them a timeout."""
    maker = Maker(whole_ring)
    if whole_ring:
        maker.mark("begun", USUAL)
        maker.mark("events", KINDS)
    for number in range(40):
        maker.add("rto" if number % 4 == 1 else "ack", cookie=5 + number % 2)
    return Whole(maker.file(KINDS))


class Copies(unittest.TestCase):
    """cut_copy.py"""

    def copy(self, whole: Whole, cut: str) -> Whole:
        """A copy that keeps the law."""
        copy = Whole(cut_copy.cut_copy(whole, Cut.parse(cut)))
        self.assertTrue(copy.done["adds_up"])
        self.assertEqual(copy.done["records"], len(copy.records))
        for cpu, account in copy.done["cpus"].items():
            self.assertEqual(account["read"] + account["lost"],
                             account["written"] - account["start"], cpu)
            serials = [(event["serial"], cut_copy.last_serial(event)) for event in copy.events
                       if event["cpu"] == int(cpu)]
            self.assertEqual([first for first, _ in serials], [
                account["start"] + 1, *(last + 1 for _, last in serials)][:len(serials)])
            self.assertEqual(parse_stats(copy.stats[-1]).cpus[int(cpu)].written,
                             account["written"])
        self.assertLessEqual(copy.meta["clocks"]["monotonic_ns"],
                             copy.done["ended_monotonic_ns"])
        return copy

    def test_without_a_cut_nothing_is_changed(self) -> None:
        for whole_ring in (False, True):
            whole = a_recording(whole_ring)
            copy = Whole(cut_copy.cut_copy(whole, Cut()))
            for name in ("meta", "schema_text", "stats", "records", "done"):
                self.assertEqual(getattr(copy, name), getattr(whole, name), name)
            self.assertEqual(copy.of_whole_ring, whole_ring)

    def test_one_that_begins_later(self) -> None:
        whole = a_recording()
        copy = self.copy(whole, "suffix:10")
        self.assertEqual(copy.records, whole.records[10:])
        self.assertEqual(copy.starts, whole.written_at(10))
        self.assertEqual(parse_stats(copy.stats[0]).written(), copy.starts)
        self.assertEqual(copy.meta["clocks"], {
            "monotonic_ns": BEGAN_NS + 10 * MS, "realtime_ns": 7 * BEGAN_NS + 10 * MS})
        self.assertEqual(copy.done["ended_monotonic_ns"], whole.done["ended_monotonic_ns"])

    def test_one_that_ends_earlier(self) -> None:
        whole = a_recording()
        copy = self.copy(whole, "prefix:10")
        self.assertEqual(copy.records, whole.records[:10])
        self.assertEqual((copy.meta, copy.stats[0]), (whole.meta, whole.stats[0]))
        self.assertEqual(parse_stats(copy.stats[-1]).written(), whole.written_at(10))
        self.assertEqual(copy.done["ended_monotonic_ns"], BEGAN_NS + 11 * MS)
        self.assertEqual(whole.done["ended_realtime_ns"] - copy.done["ended_realtime_ns"],
                         2 * SECOND - 11 * MS)

    def test_of_a_whole_ring(self) -> None:
        """Its clocks were read behind all events, its sums begin at 0."""
        whole = a_recording(whole_ring=True)
        early = self.copy(whole, "prefix:10")
        self.assertTrue(early.of_whole_ring)
        self.assertEqual(early.meta["clocks"]["monotonic_ns"], early.done["ended_monotonic_ns"])
        late = self.copy(whole, "suffix:10")
        self.assertFalse(late.of_whole_ring)
        self.assertEqual(late.meta["clocks"]["monotonic_ns"], whole.events[9]["time_ns"])

    def test_one_that_lost_a_record(self) -> None:
        whole = a_recording()
        copy = self.copy(whole, "lose:11")      # of CPU 1, as 8 and 14 are
        lost, = [event for event in copy.events if event.kind == LOST]
        self.assertEqual(copy.events.index(lost), 9)
        self.assertEqual((lost["serial"], lost["cpu"], lost["lost_events"], lost["time_ns"]),
                         (whole.events[11]["serial"], 1, 1, whole.events[8]["time_ns"]))
        self.assertEqual(copy.records[:9] + copy.records[10:],
                         whole.records[:11] + whole.records[12:])
        self.assertEqual((copy.done["lost"], copy.done["events"]), (1, 39))

    def test_a_cpu_that_begins_with_a_loss(self) -> None:
        copy = self.copy(a_recording(), "lose:2")
        self.assertEqual((copy.events[0].kind, copy.events[0]["time_ns"]), (LOST, 0))

    def test_one_without_a_kind(self) -> None:
        whole = a_recording()
        copy = self.copy(whole, "off:rto")
        self.assertEqual([event.values | {"serial": 0} for event in copy.events],
                         [event.values | {"serial": 0} for event in whole.events
                          if event.kind != "rto"])
        self.assertNotIn("rto", copy.meta["parameters"]["events"])
        self.assertEqual(len(copy.meta["parameters"]["events"].split(",")), len(KINDS) - 1)
        for text in copy.stats:
            self.assertEqual(parse_stats(text).kinds_off, ["rto"])
            self.assertEqual([source.status for source in parse_stats(text).sources],
                             ["attached", "off"])
        self.assertEqual(copy.done["not_asked_for"], ["without rto"])
        self.assertEqual(copy.starts, BEFORE)

    def test_marks_without_a_kind(self) -> None:
        """What no longer changes anything has left no mark."""
        whole = a_recording(whole_ring=True)
        for kind, marks in (("rto", 2), ("segment", 1)):
            copy = self.copy(whole, f"off:{kind}")
            found = [event for event in copy.events if event.kind == "mark"]
            self.assertEqual(len(found), marks)
            for event in found:
                self.assertIn(kind, copy.schema.kinds_off(event))

    def test_the_parameters_are_those_of_its_beginning(self) -> None:
        maker = Maker()
        maker.add("ack")
        maker.mark("events", ["ack"])
        maker.add("ack")
        maker.mark("frozen", ["ack"])
        maker.mark("thawed", ["ack"])
        maker.add("ack")
        whole = Whole(maker.file(KINDS))
        for first, kinds, frozen in ((1, KINDS, 0), (2, ["ack"], 0), (4, ["ack"], 1),
                                     (5, ["ack"], 0)):
            copy = self.copy(whole, f"suffix:{first}")
            self.assertEqual(copy.meta["parameters"], {"events": ",".join(kinds),
                                                       "frozen": str(frozen)}, first)
            self.assertEqual(parse_stats(copy.stats[0]).frozen, bool(frozen), first)
            self.assertEqual(parse_stats(copy.stats[0]).kinds_off,
                             [kind for kind in KINDS if kind not in kinds])

    def test_several_at_once(self) -> None:
        whole = a_recording()
        copy = self.copy(whole, "suffix:10+prefix:30+lose:16+off:rto")
        self.assertEqual({event.kind for event in copy.events}, {"ack", LOST})
        self.assertEqual(len(copy.events), 20 - 5)

    def test_names(self) -> None:
        for text in ("suffix:10", "prefix:3", "lose:7", "off:ack", "suffix:1+prefix:9+lose:2"):
            self.assertEqual(str(Cut.parse(text)), text)
        for text in ("", "suffix", "middle:3", "lose:ack"):
            with self.assertRaises(ValueError):
                Cut.parse(text)
        with self.assertRaisesRegex(ValueError, "not within 40 records"):
            cut_copy.cut_copy(a_recording(), Cut.parse("suffix:10+lose:3"))

    def test_one_that_was_cut_off_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "cut off"):
            Whole(support.recording(Scene().pack("ack"))[:-5])


class Chosen(unittest.TestCase):
    """cuts.py: which cuts"""

    def test_the_same_seed_chooses_the_same(self) -> None:
        whole = a_recording()
        first, again, other = (cuts.Chooser(whole, seed).cuts(25) for seed in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)
        self.assertEqual(len(set(first)), 25)
        for name in ("first", "end", "lost", "off"):
            self.assertTrue(any(getattr(cut, name) for cut in first), name)

    def test_all_can_be_made(self) -> None:
        for whole_ring in (False, True):
            whole = a_recording(whole_ring)
            for cut in cuts.Chooser(whole, 3).cuts(30) + cuts.Chooser(whole, 3, 12).cuts(30):
                parser = RecordingParser()
                list(parser.records_of([cut_copy.cut_copy(whole, cut)]))
                self.assertIsNone(parser.complaint, cut)
                assert parser.done is not None
                self.assertTrue(parser.done["adds_up"], cut)

    def test_of_few_records(self) -> None:
        for cut in cuts.Chooser(a_recording(), 1, 12).cuts(20):
            self.assertLessEqual((cut.end or 40) - cut.first, 12, cut)

    def test_there_may_be_fewer(self) -> None:
        maker = Maker()
        self.assertEqual(cuts.Chooser(Whole(maker.file(KINDS)), 1).cuts(5), [])
        maker.add("ack")
        self.assertEqual(cuts.Chooser(Whole(maker.file(KINDS)), 1).cuts(5),
                         [Cut(lost=0), Cut(off="ack")])

    def test_nobody_knows_a_filter_from_its_mark(self) -> None:
        for whole_ring, begins, ends in ((False, range(1, 3), range(1, 5)),
                                         (True, range(3, 5), range(3, 5))):
            maker = Maker(whole_ring)
            for kind in ("ack", "ack", "", "ack", "ack"):
                if kind:
                    maker.add(kind)
                else:
                    maker.mark("filter", KINDS)
            whole = Whole(maker.file(KINDS))
            self.assertEqual((whole.may_begin, whole.may_end), (begins, ends))


class Compared(unittest.TestCase):
    """cuts.py: what comes of them"""

    def test_what_is_missing(self) -> None:
        whole = a_recording()
        found = cuts.missing_in(whole, Cut.parse("lose:3+off:rto"))
        self.assertEqual(found, Missing(frozenset({"rto"}), (whole.events[3],)))
        mine, other = (Key(1, "sk:5", "10.77.0.1:40112", f"10.77.0.2:{port}")
                       for port in (5000, 5001))
        self.assertTrue(found.lacks(mine, ["ack"]))
        self.assertTrue(found.lacks("all of it", ["ack"]))
        self.assertFalse(found.lacks(other, ["ack"]))
        self.assertFalse(found.lacks(mine, ["state"]))
        self.assertTrue(found.lacks(other, ["rto"]))

    def test_what_was_off_before(self) -> None:
        """From the first event on: before it nothing was missed."""
        self.assertEqual(cuts.missing_in(a_recording(whole_ring=True), Cut()), Missing())
        maker = Maker()
        maker.add("ack")
        maker.mark("events", USUAL)
        maker.add("ack")
        self.assertEqual(cuts.missing_in(Whole(maker.file(KINDS)), Cut()).off, {"segment"})

    def compared(self, **patched: Any) -> cuts.Found:
        with mock.patch.object(agreement, "compare", **patched):
            return cuts.compare_cuts("my.renoscope", a_recording(), [Cut.parse("suffix:7")])

    def test_a_difference_names_the_cut(self) -> None:
        found = self.compared(return_value=agreement.Verdict(
            {agreement.Pair("a", "x", "y"): 3}, ["states: 1; flow: 2"]))
        self.assertEqual(found, cuts.Found(1, 3, [
            "scripts/selftests/cuts.py my.renoscope --cut suffix:7: states: 1; flow: 2"]))

    def test_a_view_that_fails_is_a_difference(self) -> None:
        found = self.compared(side_effect=AssertionError("renoscope top: exit 1"))
        self.assertRegex(found.differences[0],
                         r"--cut suffix:7: AssertionError: renoscope top: exit 1 \(.*\.py:\d+\)")

    def test_views_of_a_cut_agree(self) -> None:
        whole = a_recording()
        for cut in cuts.Chooser(whole, 1).cuts(4):
            self.assertEqual(cuts.verdict_on(whole, cut).disagreements, [], cut)

    def test_the_command(self) -> None:
        with mock.patch.object(sys, "argv", ["cuts.py", "--save", "x", "my.renoscope"]), \
                self.assertRaisesRegex(SystemExit, "name it with --cut"):
            cuts.main()
        self.assertTrue(Path(cuts.__file__).stat().st_mode & 0o100)
