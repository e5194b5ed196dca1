# SPDX-License-Identifier: GPL-2.0
"""Recording: read + lost = written, and every way in which it may not hold."""

import itertools
import random
import unittest
from collections.abc import Callable
from unittest import mock
from typing import Any

from renoscope_lib.errors import NOT_SO, Problem
from renoscope_lib.recording.parser import RecordingParser
from renoscope_lib.recording.recorder import Limits, Recorder, Summary
from renoscope_lib.recording.recording_file import RecordingWriter
from renoscope_lib.recording.unrecorded import Unrecorded
from renoscope_lib.ring.heads import Heads
from renoscope_lib.ring.ledger import Ledger
from renoscope_lib.stopping import Stop

from . import support
from .support import Scene, number_of

Written = dict[str, int]


class FakeRing:
    """A ring whose reads are scripted: bytes, None (nothing now), a function."""

    def __init__(self, stats: list[Written],
                 reads: list[bytes | None | Callable[[], None]],
                 lines: tuple[str, ...] = ()) -> None:
        self._stats = list(stats)
        self._lines = lines
        self._reads = list(reads)
        self.only_new: bool | None = None
        self.closed = False

    def schema_text(self) -> str:
        return support.schema_text()

    def stats_text(self) -> str:
        """Each reading of stats; the last one for ever."""
        written = self._stats.pop(0) if len(self._stats) > 1 else self._stats[0]
        return support.stats_text(*self._lines, **written)

    def change(self, *lines: str) -> None:
        """Other lines from now on."""
        self._lines = lines

    def reader(self, record_bytes: int, only_new: bool = False) -> "FakeRing":
        self.only_new = only_new
        return self

    def read(self) -> bytes | None:
        step = self._reads.pop(0) if self._reads else None
        if callable(step):
            step()
            return None
        return step

    def wait(self, timeout_s: float | None,
             wake_fd: int | None = None) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def record(ring: FakeRing, stop: Stop,
           limits: Limits) -> tuple[Summary, list[int], RecordingParser]:
    """Summary, serials in the file, and the file."""
    file = bytearray()
    summary = Recorder(ring, RecordingWriter(file.extend), limits,
                       stop).run(lambda: support.META)
    parser = RecordingParser()
    serials = [head.serial for blob in parser.feed(bytes(file))
               for head in Heads(support.schema()).each(blob)]
    parser.close()
    return summary, serials, parser


class RecordingCase(unittest.TestCase):
    """Records what a FakeRing gives."""

    def setUp(self) -> None:
        self.stop = Stop()
        self.scene = Scene()

    def acks(self, *serials: int, cpu: int = 0) -> bytes:
        return b"".join(self.scene.pack("ack", cpu=cpu, serial=serial)
                        for serial in serials)

    def lost(self, serial: int, count: int, cpu: int = 0) -> bytes:
        return self.scene.pack("lost", cpu=cpu, serial=serial,
                               lost_events=count)

    def run_with(self, stats: list[Written], reads: list[Any],
                 lines: tuple[str, ...] = (),
                 **limits: Any) -> tuple[Summary, list[int], RecordingParser]:
        ring = FakeRing(stats, reads, lines)
        result = record(ring, self.stop, Limits(**limits))
        self.assertEqual(ring.only_new, not limits.get("whole_ring", False))
        self.assertTrue(ring.closed)
        return result


class Recording(RecordingCase):
    def test_many_at_once_are_accounted_for_as_one_by_one(self) -> None:
        chooses = random.Random(5)
        serials = {0: 10, 1: 20}
        for trial in range(200):
            places = []
            for _ in range(chooses.randrange(1, 12)):
                cpu = chooses.randrange(2)
                serials[cpu] += chooses.choice((1, 1, 1, 1, 1, 1, 0, 2))
                places.append((cpu, serials[cpu]))
            records = b"".join(self.acks(serial, cpu=cpu) for cpu, serial in places)
            at_once, each = Ledger(), Ledger()
            for head in Heads(support.schema()).each(records):
                each.add(head)
            runs = Heads(support.schema()).runs(records)
            for run in runs or ():
                at_once.add_run(run)
            is_whole = not any(cpu.disorder for cpu in each.cpus.values())
            self.assertEqual(runs is not None, is_whole, (trial, places))
            if runs is not None:
                self.assertEqual(at_once, each, (trial, places))

    def test_all_read_is_complete(self) -> None:
        summary, serials, parser = self.run_with(
            [{"cpu0": 10, "cpu1": 5}, {"cpu0": 10, "cpu1": 5},
             {"cpu0": 12, "cpu1": 6}],
            [self.acks(11, 12), self.acks(6, cpu=1), self.stop.ask])
        self.assertEqual(serials, [11, 12, 6])
        self.assertEqual(str(summary), "3 events, 0 lost (read + lost = "
                         "written: cpu0 2 + 0 = 2, cpu1 1 + 0 = 1): complete")
        self.assertEqual(parser.done["cpus"]["0"], {
            "first_serial": 11, "start": 10, "written": 12, "read": 2,
            "lost": 0, "disorder": 0})
        self.assertEqual((parser.done["records"], parser.done["events"]),
                         (3, 3))

    def test_what_holds_is_told_at_the_beginning(self) -> None:
        """Before anything is read: else one might wait for ever."""
        for lines, said in (
                ((), ""),
                (("filter port=443", "freeze frozen 1 after 0 on rto"),
                 " (filter port=443; frozen: nothing will come until echo 0 | "
                 "sudo tee /sys/module/tcp_renoscope/parameters/frozen)")):
            self.assertEqual(self.told_at_the_beginning({"cpu0": 0}, lines), said)

    def told_at_the_beginning(self, written: Written, lines: tuple[str, ...] = (),
                              whole_ring: bool = False) -> str:
        told: list[str] = []
        ring = FakeRing([written], [
            lambda: told.append("read"), self.stop.ask], lines)
        Recorder(ring, RecordingWriter(bytearray().extend),
                 Limits(whole_ring=whole_ring), self.stop,
                 told.append).run(lambda: support.META)
        self.stop.asked = False
        return told[0]

    def test_what_the_ring_holds_is_told_where_it_is_left_aside(self) -> None:
        """The trouble may be over when somebody begins to record."""
        self.assertEqual(
            self.told_at_the_beginning({"cpu0": 10, "cpu1": 3}, ("filter port=443",)),
            " (filter port=443; 13 earlier events in the ring, which --all records, too)")
        self.assertEqual(self.told_at_the_beginning({"cpu0": 1}),
                         " (1 earlier event in the ring, which --all records, too)")
        self.assertEqual(self.told_at_the_beginning({"cpu0": 10}, whole_ring=True), "")

    def test_it_may_begin_anywhere_between_two_readings_of_stats(self) -> None:
        """The reader was placed at 11: neither 10, read before, nor 12."""
        summary, _, _ = self.run_with(
            [{"cpu0": 10}, {"cpu0": 12}, {"cpu0": 13}],
            [self.acks(12, 13), self.stop.ask])
        self.assertTrue(summary.adds_up, summary)

    def test_a_missing_first_event_does_not_add_up(self) -> None:
        """Serial 13 must have come: the reader was placed before it."""
        summary, _, _ = self.run_with(
            [{"cpu0": 10}, {"cpu0": 12}, {"cpu0": 15}],
            [self.acks(14, 15), self.stop.ask])
        self.assertFalse(summary.adds_up)
        self.assertIn("NOT COMPLETE", str(summary))

    def test_nothing_from_a_cpu_that_wrote_does_not_add_up(self) -> None:
        summary, _, _ = self.run_with(
            [{"cpu0": 10}, {"cpu0": 10}, {"cpu0": 11}], [self.stop.ask])
        self.assertFalse(summary.adds_up)
        self.assertIn("cpu0 0 + 0 but 1 written", str(summary))

    def test_nothing_written_is_complete(self) -> None:
        summary, _, _ = self.run_with([{"cpu0": 10}], [self.stop.ask])
        self.assertEqual(str(summary), "0 events, 0 lost: complete")

    def test_losses_are_counted_and_kept(self) -> None:
        summary, serials, parser = self.run_with(
            [{"cpu0": 0}, {"cpu0": 20}],
            [self.lost(1, 15), self.acks(*range(16, 21)), self.stop.ask],
            whole_ring=True)
        self.assertEqual(serials, [1, 16, 17, 18, 19, 20])
        self.assertTrue(summary.adds_up)
        self.assertIn("5 events, 15 lost", str(summary))
        self.assertIn("cpu0 5 + 15 = 20", str(summary))
        self.assertIn("not complete, but every loss is counted", str(summary))
        self.assertEqual(parser.done["lost"], 15)

    def test_whole_ring_must_begin_with_serial_1(self) -> None:
        summary, _, _ = self.run_with(
            [{"cpu0": 3}], [self.acks(2, 3), self.stop.ask], whole_ring=True)
        self.assertFalse(summary.adds_up)

    def test_a_gap_that_nobody_tells_of_does_not_add_up(self) -> None:
        summary, _, _ = self.run_with(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": 4}],
            [self.acks(1, 2, 4), self.stop.ask])
        self.assertFalse(summary.adds_up)

    def test_gap_and_repetition_do_not_make_up_for_each_other(self) -> None:
        summary, _, _ = self.run_with(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": 4}],
            [self.acks(1, 1, 2, 4), self.stop.ask])
        self.assertFalse(summary.adds_up)
        self.assertIn("out of order", str(summary))

    def test_what_was_claimed_at_the_end_is_still_read(self) -> None:
        summary, serials, _ = self.run_with(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": 3}],
            [self.acks(1), self.stop.ask, self.acks(2), None, self.acks(3, 4)])
        self.assertEqual(serials, [1, 2, 3], "and nothing after it")
        self.assertTrue(summary.adds_up)

    def drain_slowly(self, stats: list[Written], reads: list[Any],
                     ) -> tuple[Summary, FakeRing]:
        """Each look at the clock is a third of a second after the last."""
        ring = FakeRing(stats, [self.stop.ask, *reads])
        clock = itertools.count(1000, 1 / 3)
        with mock.patch("renoscope_lib.recording.recorder.time.monotonic",
                        lambda: next(clock)):
            summary, _, _ = record(ring, self.stop, Limits())
        return summary, ring

    def test_the_rest_is_read_however_long_it_takes(self) -> None:
        """As long as something comes it is waited for: it can be a whole ring."""
        summary, _ = self.drain_slowly(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": 30}],
            [self.acks(serial) for serial in range(1, 31)])
        self.assertEqual((summary.read, summary.adds_up), (30, True))

    def test_traffic_does_not_keep_it_from_ending(self) -> None:
        """What came later is no reason to wait for what does not come."""
        summary, ring = self.drain_slowly(
            [{"cpu0": 0, "cpu1": 0}, {"cpu0": 0, "cpu1": 0},
             {"cpu0": 2, "cpu1": 1}],
            [self.acks(serial) for serial in range(1, 31)])
        self.assertIn("cpu1 0 + 0 but 1 written", str(summary))
        self.assertEqual(summary.read, 2)
        self.assertIsNotNone(ring.read(), "not all was read before it ended")

    def test_a_loss_may_reach_across_the_end(self) -> None:
        summary, _, _ = self.run_with(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": 3}],
            [self.acks(1), self.stop.ask, self.lost(2, 9)])
        self.assertTrue(summary.adds_up)
        self.assertEqual(summary.lost, 9)

    def test_count_counts_events_and_no_losses(self) -> None:
        summary, serials, _ = self.run_with(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": 9}],
            [self.lost(1, 4) + self.acks(5, 6, 7, 8)], count=2)
        self.assertEqual(serials, [1, 5, 6], "a loss is no event")
        self.assertTrue(summary.adds_up)
        self.assertEqual(summary.read, 2)

    def test_count_adds_up_with_a_cpu_that_nothing_came_from(self) -> None:
        """Nothing was due from it, wherever it stands."""
        for later in (599, 601):
            summary, _, parser = self.run_with(
                [{"cpu0": 10, "cpu1": 599}, {"cpu0": 10, "cpu1": later},
                 {"cpu0": 20, "cpu1": 700}], [self.acks(11)], count=1)
            self.assertEqual(str(summary), "1 event, 0 lost (read + lost = "
                             "written: cpu0 1 + 0 = 1): complete")
            self.assertEqual(parser.done["cpus"]["1"]["start"],
                             parser.done["cpus"]["1"]["written"])

    def test_count_is_reached_after_the_end(self) -> None:
        """What it does not want any more is not missing."""
        summary, serials, _ = self.run_with(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": 9}],
            [self.acks(1), self.stop.ask, self.acks(*range(2, 10))], count=3)
        self.assertEqual(serials, [1, 2, 3])
        self.assertTrue(summary.adds_up, summary)

    def test_it_ends_after_its_duration(self) -> None:
        summary, serials, _ = self.run_with(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": 1}],
            [self.acks(1)], duration_s=0.05)
        self.assertEqual(serials, [1])
        self.assertTrue(summary.adds_up)


class NotAskedFor(RecordingCase):
    """A recording that is complete says so of what was asked, and names the rest."""

    ALL_ON = sum(1 << number for number, name in support.schema().kinds.items()
                 if name not in ("lost", "mark", "segment"))

    def mark(self, cause: str, serial: int, on: int = ALL_ON) -> bytes:
        return self.scene.pack("mark", serial=serial, kinds_on=on,
                               mark_cause=number_of("mark_cause", cause))

    def limits_with(self, *marks: bytes, lines: tuple[str, ...] = (),
                    ) -> list[str]:
        summary, _, parser = self.run_with(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": len(marks)}],
            [*marks, self.stop.ask], lines)
        self.assertTrue(summary.adds_up, summary)
        self.assertEqual(parser.done["not_asked_for"], summary.limits)
        said = str(summary).rpartition(": ")[2] if not lines else str(summary)
        self.assertEqual("complete for what was asked" in said,
                         bool(summary.limits))
        return summary.limits

    def test_mark_of_all_kinds_is_no_limit(self) -> None:
        self.assertEqual(self.limits_with(self.mark("events", 1)), [])

    def test_thawed_alone_tells_of_a_freeze(self) -> None:
        """The mark of the freeze can lie before the first record."""
        self.assertEqual(self.limits_with(self.mark("thawed", 1)), ["frozen"])

    def test_what_changes_while_the_reader_is_placed(self) -> None:
        """The reader stands behind the mark; what held there is asked for then."""
        ring = FakeRing([{"cpu0": 0}, {"cpu0": 1}], [])
        told: list[str] = []
        asked_at: list[bool | None] = []

        def place(record_bytes: int, only_new: bool = False) -> FakeRing:
            ring.change("freeze frozen 1 after 0 on none", "kinds_off ack")
            return FakeRing.reader(ring, record_bytes, only_new)

        def about() -> dict[str, Any]:
            asked_at.append(ring.only_new)
            return support.META

        def thaw(holds: str) -> None:
            told.append(holds)
            ring.change()
            self.stop.ask()

        with mock.patch.object(ring, "reader", place):
            summary = Recorder(ring, RecordingWriter(bytearray().extend), Limits(),
                               self.stop, thaw).run(about)
        self.assertEqual(summary.limits, ["without ack", "frozen"])
        self.assertEqual(asked_at, [True], "once, and behind the reader")
        self.assertIn("(without ack; frozen: nothing will come until", told[0])

    def test_segments_for_a_part_of_the_time(self) -> None:
        """Nobody misses what was never on; what is on for a while has an end."""
        segment = 1 << support.schema().kind_number("segment")
        off, on = ("kinds_off segment",), ("kinds_off none",)
        for lines, kinds, without in (
                (off, self.ALL_ON, False), (on, self.ALL_ON | segment, False),
                (on, self.ALL_ON, True), (off, self.ALL_ON | segment, True)):
            with self.subTest(lines, kinds=kinds):
                self.stop.asked = False
                self.assertEqual(
                    self.limits_with(self.mark("events", 1, kinds), lines=lines),
                    ["without segment"] if without else [])

    def test_marks_are_told_once(self) -> None:
        without = self.ALL_ON & ~(1 << next(
            number for number, name in support.schema().kinds.items()
            if name == "ack"))
        self.assertEqual(self.limits_with(
            self.mark("events", 1, without), self.mark("filter", 2),
            self.mark("frozen", 3), self.mark("thawed", 4),
            self.mark("frozen", 5)),
            ["without ack", "filter or sampling changed", "frozen"])

    def test_what_held_all_the_time_is_told(self) -> None:
        self.assertEqual(self.limits_with(lines=(
            "kinds_off state,ack,segment", "filter port=5000 state!=LISTEN",
            "sample flow 8 ack 100", "freeze frozen 1 after 0 on rto=3")),
            ["without ack, state", "filter port=5000 state!=LISTEN",
             "1 in 8 connections", "1 in 100 plain acks", "frozen"])

    def said_with(self, *lines: str) -> str:
        summary, _, parser = self.run_with(
            [{"cpu0": 0}], [self.stop.ask], lines)
        self.assertEqual(parser.done["silent"], summary.silent)
        self.assertEqual(summary.limits, [])
        return str(summary).removeprefix("0 events, 0 lost: ")

    def test_places_that_this_kernel_has_not(self) -> None:
        """They were asked for, so it is not complete for what was asked."""
        self.assertEqual(self.said_with(
            "source rto kprobe:tcp_retransmit_timer missing: no such function"),
            "not complete: nothing from kprobe:tcp_retransmit_timer")

    def test_kprobes_switched_off_are_told_once(self) -> None:
        off = "missing: kprobes are switched off on this machine"
        self.assertEqual(self.said_with(
            f"source rto kprobe:tcp_write_err {off}",
            f"source syn kprobe:tcp_conn_request {off}"),
            "not complete: nothing from kprobes, which are switched off on this "
            "machine")

    def said_of_seconds(self, *steps: Callable[[FakeRing], None]) -> str:
        """What is told at the end, with a second between two steps."""
        ring = FakeRing([{"cpu0": 0}], [])
        ring._reads = [*(lambda step=step: step(ring) for step in steps), self.stop.ask]
        clock = itertools.count(1000)
        with mock.patch("renoscope_lib.recording.recorder.time.monotonic", lambda: next(clock)):
            summary, _, parser = record(ring, self.stop, Limits())
        self.assertEqual(parser.done["silent"], summary.silent)
        self.stop.asked = False
        return str(summary).removeprefix("0 events, 0 lost: ")

    def test_kprobes_switched_off_and_on_again_meanwhile(self) -> None:
        """It leaves no mark: the stats of the beginning and the end do not have it."""
        for word, verb in (("kprobes", "are"), ("ftrace", "is")):
            off = f"source rto kprobe:x missing: {word} {verb} switched off on this machine"
            self.assertEqual(
                self.said_of_seconds(lambda ring: ring.change(off),
                                     lambda ring: ring.change()),
                f"not complete: nothing for a while from {word}, which "
                f"{'were' if verb == 'are' else 'was'} switched off on this machine")
            self.assertEqual(
                self.said_of_seconds(lambda ring: ring.change(off)),
                f"not complete: nothing for a while from {word}, which "
                f"{'were' if verb == 'are' else 'was'} switched off on this machine")

    def test_in_between_nothing_else_is_asked(self) -> None:
        """What a mark tells of is told by the mark."""
        self.assertEqual(self.said_of_seconds(
            lambda ring: ring.change("filter port=1", "kinds_off ack"),
            lambda ring: ring.change()), "complete")

    def test_it_looks_once_a_second_and_reads_on(self) -> None:
        looks: list[int] = []
        reads = 40
        ring = FakeRing([{"cpu0": reads}],
                        [self.acks(serial) for serial in range(1, reads + 1)]
                        + [self.stop.ask])
        clock = itertools.count(1000, 0.1)
        stats_text = ring.stats_text

        def counted() -> str:
            looks.append(len(ring._reads))
            return stats_text()

        with mock.patch("renoscope_lib.recording.recorder.time.monotonic", lambda: next(clock)), \
                mock.patch.object(ring, "stats_text", counted):
            summary, _, _ = record(ring, self.stop, Limits(whole_ring=True))
        self.assertEqual(summary.read, reads)
        self.assertEqual(len(looks[2:-1]), reads // 10)

    def test_it_wakes_to_look(self) -> None:
        """Where nothing comes, nothing else would end its sleep."""
        for duration, longest in ((None, 1), (0.25, 0.25)):
            ring = FakeRing([{"cpu0": 0}], [None, self.stop.ask])
            slept: list[float | None] = []
            with mock.patch("renoscope_lib.recording.recorder.time.monotonic", lambda: 1000.0), \
                    mock.patch.object(ring, "wait", lambda s, fd=None: slept.append(s)):
                record(ring, self.stop, Limits(duration))
            self.assertEqual(slept[0], longest)
            self.stop.asked = False

    def test_a_look_that_fails_ends_nothing(self) -> None:
        def fail(ring: FakeRing) -> None:
            whole = ring.stats_text
            setattr(ring, "stats_text", broken)
            ring._reads.insert(0, lambda: setattr(ring, "stats_text", whole))

        def broken() -> str:
            raise Problem("cannot read stats: Cannot allocate memory", NOT_SO)

        self.assertEqual(self.said_of_seconds(fail),
                         "not complete: it was not seen whether places were silent: "
                         "cannot read stats: Cannot allocate memory")

    def test_namespaces_without_hooks(self) -> None:
        """The segments in them were asked for, too; the four hooks are told as one."""
        def hooks(status: str) -> list[str]:
            return [f"source segment netfilter:{place} {status}"
                    for place in ("ipv4-in", "ipv4-out", "ipv6-in", "ipv6-out")]
        self.assertEqual(self.said_with(*hooks("attached, but not in 1 namespaces")),
                         "not complete: no segments from 1 network namespace, in which "
                         "the hooks could not be attached")
        self.stop.asked = False
        self.assertEqual(self.said_with(*hooks("attached")), "complete")
        self.stop.asked = False
        self.assertEqual(
            self.said_of_seconds(*(
                lambda ring, n=n: ring.change(*hooks(f"attached, but not in {n} namespaces"))
                for n in (2, 11, 3)), lambda ring: ring.change()),
            "not complete: no segments from 11 network namespaces, in which the hooks "
            "could not be attached")

    def test_silent_skipped_and_not_asked_for(self) -> None:
        said = str(Summary(1, 0, [], ["frozen"], ["2 calls missed at x"],
                           ["nothing from y"]))
        self.assertTrue(said.endswith(
            "not complete: nothing from y; the kernel skipped probes (2 calls "
            "missed at x) (frozen)"), said)

    def test_the_whole_ring_begins_with_its_first_event(self) -> None:
        no_ack = self.ALL_ON & ~(1 << next(
            number for number, name in support.schema().kinds.items()
            if name == "ack"))
        undone = [self.mark("events", 1, no_ack), self.mark("filter", 2),
                  self.mark("events", 3)]
        held = [self.mark("begun", 1), self.mark("filter", 2),
                self.mark("events", 3, no_ack)]
        for marks, behind, limits in (
                (undone, [self.acks(4)], []),
                (held, [self.acks(4)], ["without ack"]),
                (undone, [self.acks(4), self.mark("filter", 5)],
                 ["filter or sampling changed"]),
                (undone, [], ["without ack"])):
            records = [*marks, *behind]
            summary, _, _ = self.run_with(
                [{"cpu0": len(records)}], [*records, self.stop.ask],
                whole_ring=True)
            self.assertTrue(summary.adds_up)
            self.assertEqual(summary.limits, limits)

    def test_skipped_probes_are_no_completeness(self) -> None:
        unrecorded = Unrecorded(support.schema())
        line = "source syn kprobe:tcp_conn_request attached{}"
        for told in ("", ", missed 2 calls"):
            unrecorded.see_stats(support.stats_text(line.format(told), cpu0=1))
        self.assertEqual(unrecorded.skipped,
                         ["2 calls missed at kprobe:tcp_conn_request"])
        said = str(Summary(1, 0, [], [], unrecorded.skipped))
        self.assertIn("not complete: the kernel skipped probes (2 calls", said)

    def test_skipped_probes_that_are_off_at_the_end(self) -> None:
        """To switch a kind off takes nothing back of what it missed."""
        for now in ("off", "missing: kprobes are switched off on this machine"):
            unrecorded = Unrecorded(support.schema())
            for status in ("attached, missed 1 calls", f"{now}, missed 3 calls"):
                unrecorded.see_stats(support.stats_text(
                    f"source syn kprobe:tcp_conn_request {status}", cpu0=1))
            self.assertEqual(unrecorded.skipped,
                             ["2 calls missed at kprobe:tcp_conn_request"])

    def test_earlier_skips_are_not_ours(self) -> None:
        unrecorded = Unrecorded(support.schema())
        for _ in range(2):
            unrecorded.see_stats(support.stats_text(
                "source syn kprobe:tcp_conn_request attached, missed 2 calls",
                cpu0=1))
        self.assertEqual(unrecorded.skipped, [])

    def test_earlier_skips_are_of_the_whole_ring(self) -> None:
        """The events that were missed then would be in the ring."""
        summary, _, parser = self.run_with(
            [{"cpu0": 1}], [self.mark("begun", 1), self.stop.ask],
            ("source syn kprobe:tcp_conn_request attached, missed 2 calls",),
            whole_ring=True)
        self.assertIn("skipped probes (2 calls missed", str(summary))
        self.assertEqual(parser.done["skipped"], summary.skipped)

    def test_what_limits_nothing_is_not_told(self) -> None:
        self.assertEqual(self.limits_with(lines=(
            "kinds_off segment", "filter none", "sample flow 1 ack 1",
            "freeze frozen 0 after 5 on none",
            "gate let_in 0 filtered 0 sampled 0 frozen 0")), [])

    def test_limits_stand_behind_the_verdict(self) -> None:
        summary, _, _ = self.run_with(
            [{"cpu0": 0}, {"cpu0": 0}, {"cpu0": 1}],
            [self.mark("frozen", 1), self.stop.ask], ("filter port=1",))
        self.assertTrue(str(summary).endswith(
            ": complete for what was asked (filter port=1; frozen)"), summary)

    def test_losses_are_told_before_limits(self) -> None:
        summary, _, _ = self.run_with(
            [{"cpu0": 0}, {"cpu0": 3}], [self.lost(1, 2), self.acks(3),
                                         self.stop.ask],
            ("filter port=1",), whole_ring=True)
        self.assertTrue(str(summary).endswith(
            "not complete, but every loss is counted (filter port=1)"), summary)

    def test_broken_lines_of_stats_are_refused(self) -> None:
        for line in ("sample flow x ack 1", "sample flow 1", "freeze frozen",
                     "freeze on none"):
            with self.subTest(line), self.assertRaisesRegex(Problem, "broken"):
                self.run_with([{"cpu0": 0}], [self.stop.ask], (line,))


if __name__ == "__main__":
    unittest.main()
