# SPDX-License-Identifier: GPL-2.0
"""cwnd over time and derived round trips, of series that are reckoned by hand."""

import dataclasses
import json
import random
import re
import unittest
from typing import Any

from renoscope_lib.output.json_pieces import json_pieces
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.kept import Kept
from renoscope_lib.tcp.phases import LOSS, RECOVERY, REDUCTION, UNTOLD, phase_of
from renoscope_lib.tcp.reno_words import AVOIDANCE, SLOW_START
from renoscope_lib.tcp.steps import MOST_POINTS
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.views.cwnd import Cwnd, Series
from renoscope_lib.views.cwnd_text import MARK_COLOURS, PHASE_COLOURS, Paper, as_json, as_text
from renoscope_lib.views.rounds import KEPT
from renoscope_lib.views.show import RESET
from renoscope_lib.words import INFINITE_SSTHRESH

from . import support
from .support import ACK, ESTABLISHED, MS, RST, SECOND, Scene, number_of

CA = {name: number_of("ca_state", name)
      for name in ("Open", "Disorder", "CWR", "Recovery", "Loss")}
STATE = {name: number_of("state", name) for name in (
    "ESTABLISHED", "SYN-SENT", "FIN-WAIT-1", "FIN-WAIT-2", "LAST-ACK", "CLOSED")}
CAUSE = {name: number_of("retransmit_cause", name)
         for name in ("rto", "fast_retransmit", "loss_recovery")}
ECE = 0x40
SEGMENT = 1000
ISN = 2**32 - 50_000            # so that numbers wrap on their way
RTT_MS = 100


class Sender:
    """Reno as the textbook has it; its records are as the kernel's: before the ACK."""

    def __init__(self, cookie: int = 5, isn: int = ISN) -> None:
        self.scene = Scene()
        self.cookie = cookie
        self.isn = isn
        self.at_ms = 0.0
        self.cwnd, self.ssthresh, self.ca = 1, 16, "Open"
        self.una = self.sent = self.highest = isn + 1
        self.counted = 0
        self.events: list[Event] = []
        self.tell("state", old_state=STATE["SYN-SENT"], cwnd=10,
                  ssthresh=INFINITE_SSTHRESH)

    def tell(self, kind: str, **values: Any) -> None:
        self.events.append(self.scene.event(kind, round(self.at_ms * MS), **{
            "state": ESTABLISHED, "ca_state": CA[self.ca], "cwnd": self.cwnd,
            "ssthresh": self.ssthresh, "snd_isn": self.isn, "rcv_isn": 7, "rcv_nxt": 8,
            "snd_una": self.una % 2**32, "snd_nxt": self.highest % 2**32,
            "packets_out": self.out(self.highest), "srtt_us": 100_000,
            "cookie": self.cookie} | values))

    def out(self, until: int) -> int:
        return (until - self.una) // SEGMENT

    def send(self) -> None:
        """As much as cwnd lets; after a timeout it is sent again first."""
        while self.out(self.sent) < self.cwnd:
            if self.sent < self.highest:
                self.tell("retransmit", seg_seq=self.sent % 2**32, seg_len=SEGMENT,
                          seg_flags=ACK, retransmit_segs=1,
                          retransmit_cause=CAUSE["loss_recovery"])
            self.sent += SEGMENT
            self.highest = max(self.highest, self.sent)

    def lost(self) -> dict[str, int]:
        """In Loss all but what was sent again is to be sent again."""
        if self.ca != "Loss":
            return {}
        return {"lost_out": self.out(self.highest), "retrans_out": self.out(self.sent)}

    def ack(self) -> None:
        """One segment more; a record, then growth, then what cwnd lets go."""
        self.tell("ack", seg_ack=(self.una + SEGMENT) % 2**32, seg_flags=ACK,
                  **self.lost())
        self.una += SEGMENT
        if self.cwnd < self.ssthresh:
            self.cwnd += 1
        elif self.counted + 1 >= self.cwnd:
            self.cwnd, self.counted = self.cwnd + 1, 0
        else:
            self.counted += 1
        self.send()

    def rounds(self, number: int) -> None:
        """Each is the ACKs of what is on the way, a round trip later."""
        for _ in range(number):
            self.send()
            self.at_ms += RTT_MS
            for _ in range(self.out(self.sent)):
                self.ack()

    def time_out(self) -> None:
        """All that is on the way is lost."""
        self.send()
        self.at_ms += 5000
        self.tell("rto", rto_us=5_000_000)
        self.ssthresh, self.cwnd, self.ca = max(self.cwnd // 2, 2), 1, "Loss"
        self.counted = 0
        self.tell("ca_state", old_ca_state=CA["Open"])
        self.sent = self.una
        self.send()

    def recover(self) -> None:
        """Its end is told with the ACK that brings it."""
        self.tell("ca_state", old_ca_state=CA[self.ca], ca_state=CA["Open"])
        self.ca = "Open"


def watch(*events: Event) -> Cwnd:
    return support.feed(Cwnd(support.schema()), *events)


def one(*events: Event) -> Series:
    series, = watch(*events).series()
    return series


def told(series: Series) -> list[tuple[int, int, str, str]]:
    return [(r.cwnd, r.ssthresh, r.phase, r.happened_words) for r in series.rounds.rounds]


def values(steps: Any) -> list[int | None]:
    return [step.value for step in steps]


def without_time(spans: Any) -> list[str]:
    return [span.word for span in spans]


def timeout_figure() -> Sender:
    sender = Sender()
    sender.rounds(12)           # 1 2 4 8 16 17 ... 23
    sender.time_out()           # at 24
    sender.rounds(3)
    sender.rounds(1)
    sender.recover()
    sender.rounds(3)
    return sender


class Textbook(unittest.TestCase):
    """MISSION's figure, by an algorithm that tells nothing."""

    def test_timeout(self) -> None:
        series = one(*timeout_figure().events)
        self.assertTrue(series.derived)
        self.assertEqual([cwnd for cwnd, *_ in told(series)], [
            1, 2, 4, 8, 16, 17, 18, 19, 20, 21, 22, 23, 24, 1, 2, 4, 8, 12, 13, 14])
        self.assertEqual([ssthresh for _, ssthresh, *_ in told(series)],
                         [16] * 13 + [12] * 7)
        self.assertEqual([phase for *_, phase, _ in told(series)],
                         [SLOW_START] * 4 + [AVOIDANCE] * 9 + [SLOW_START] * 4
                         + [AVOIDANCE] * 3)
        self.assertEqual([happened for *_, happened in told(series)],
                         [""] * 12 + ["timeout"] + [""] * 7)

    def test_timeout_over_time(self) -> None:
        """cwnd is 24 from the last ACK on, not only when the timer finds it there."""
        series = one(*timeout_figure().events)
        self.assertEqual((series.timeouts, [mark.what for mark in series.marks]),
                         (1, ["rto"]))
        rto_ns = series.marks[0].time_ns
        at_24, = (step for step in series.cwnd if step.value == 24)
        self.assertEqual((at_24.ended_ns, at_24.ended_ns - at_24.began_ns),
                         (rto_ns, 5000 * MS))
        self.assertEqual(without_time(series.phases),
                         [SLOW_START, AVOIDANCE, LOSS, AVOIDANCE])
        self.assertEqual(values(series.ssthresh), [16, 12])

    def test_the_window_before_the_algorithms_own_is_no_peak(self) -> None:
        """The event of ESTABLISHED comes before the algorithm chooses cwnd."""
        series = one(*timeout_figure().events)
        self.assertEqual(series.cwnd[0].value, 1)
        self.assertEqual(series.cwnd[0].began_ns, series.began_ns)

    def test_a_second_timeout_at_the_same_place(self) -> None:
        sender = Sender()
        sender.rounds(3)
        sender.time_out()
        sender.at_ms += 9000
        sender.tell("rto", **sender.lost())
        sender.rounds(2)
        self.assertEqual([cwnd for cwnd, *_ in told(one(*sender.events))],
                         [1, 2, 4, 8, 1, 2])

    def fast_recovery(self, **more: int) -> list[Event]:
        """At 24 one segment is lost; in recovery cwnd falls to 12."""
        sender = Sender()
        sender.rounds(12)
        sender.at_ms += RTT_MS
        sender.ack()
        for number in range(3):
            sender.tell("ack", seg_ack=sender.una % 2**32, seg_flags=ACK,
                        sacked_out=number)
        sender.tell("ca_state", old_ca_state=CA["Open"], ca_state=CA["Disorder"])
        sender.ca, sender.ssthresh = "Recovery", 12
        sender.tell("ca_state", old_ca_state=CA["Disorder"], sacked_out=3, **more)
        sender.cwnd = 23
        sender.tell("retransmit", seg_seq=sender.una % 2**32, seg_len=SEGMENT,
                    seg_flags=ACK, retransmit_segs=1,
                    retransmit_cause=CAUSE["fast_retransmit"])
        sender.at_ms += RTT_MS
        sender.cwnd = 12
        sender.tell("ack", seg_ack=sender.highest % 2**32, seg_flags=ACK)
        sender.una = sender.sent = sender.highest
        sender.recover()
        sender.rounds(4)
        return sender.events

    def test_a_recovery_that_is_the_first_that_is_heard(self) -> None:
        sender = Sender()
        sender.ca = "Recovery"
        sender.tell("ca_state", old_ca_state=CA["Disorder"])
        sender.ack()
        self.assertEqual(one(*sender.events[1:]).recoveries, 1)

    def test_without_acks_the_first_window_is_not_that_of_the_beginning(self) -> None:
        """It has grown by the time that something shows it."""
        sender = Sender()
        sender.at_ms, sender.cwnd = 300.0, 31
        sender.send()
        sender.tell("ca_state", old_ca_state=CA["Open"], ca_state=CA["Disorder"])
        sender.una = sender.highest
        sender.tell("retransmit", retransmit_segs=1)
        for off, began_ms in (("", 0), ("ack", 300)):
            cwnd = Cwnd(support.schema())
            cwnd.gaps.begin({"events": ",".join(
                kind for kind in support.schema().kinds.values() if kind != off)})
            support.feed(cwnd, *sender.events)
            series, = cwnd.series()
            self.assertEqual(series.cwnd[0].began_ns - sender.events[0]["time_ns"],
                             began_ms * MS, off)

    def test_a_phase_told_within_the_change_is_no_second_recovery(self) -> None:
        """A timeout in Recovery: the algorithm is told of Loss while Recovery still stands."""
        sender = Sender()
        sender.rounds(5)
        sender.ca = "Recovery"
        sender.tell("ca_state", old_ca_state=CA["Open"])
        sender.tell("rto", rto_us=200_000)
        sender.tell("ca_state", old_ca_state=CA["Recovery"], ca_state=CA["Loss"])
        sender.tell("reno_phase")
        sender.ca = "Loss"
        sender.send()
        series = one(*sender.events)
        self.assertEqual((series.recoveries, series.timeouts), (1, 1))

    def test_fast_recovery(self) -> None:
        series = one(*self.fast_recovery())
        self.assertEqual(told(series)[11:], [
            (23, 16, AVOIDANCE, ""), (24, 16, AVOIDANCE, "3 duplicate ACKs"),
            (12, 12, RECOVERY, ""), (12, 12, AVOIDANCE, ""), (13, 12, AVOIDANCE, ""),
            (14, 12, AVOIDANCE, ""), (15, 12, AVOIDANCE, "")])
        self.assertEqual(without_time(series.phases),
                         [SLOW_START, AVOIDANCE, RECOVERY, AVOIDANCE])
        self.assertEqual((series.recoveries, series.sent_again), (1, 1))

    def test_with_sack_nobody_counts_duplicate_acks(self) -> None:
        sack = 1 << number_of("sock_flags", "sack")
        series = one(*self.fast_recovery(sock_flags=sack))
        self.assertEqual(told(series)[12][-1], "loss (3 segments SACKed)")


class Watching(unittest.TestCase):
    def setUp(self) -> None:
        self.sender = Sender()
        self.sender.rounds(6)

    def test_ours_tell_their_own_rounds(self) -> None:
        self.sender.tell("reno_round", cwnd=77)
        series = one(*self.sender.events)
        self.assertFalse(series.derived)
        self.assertEqual([cwnd for cwnd, *_ in told(series)], [77])
        self.assertIn("renoscope", series.algorithm)

    def test_ours_whose_rounds_are_not_recorded(self) -> None:
        derived = told(one(*self.sender.events))
        self.sender.tell("reno_reduction")
        series = one(*self.sender.events)
        self.assertTrue(series.derived)
        self.assertEqual(told(series), derived)
        self.assertIn("renoscope", series.algorithm)

    def lossy(self, ca: str, **more: Any) -> Series:
        self.sender.ca = ca
        self.sender.tell("ca_state", old_ca_state=CA["Open"], **more)
        self.sender.rounds(1)
        return one(*self.sender.events)

    def test_an_ecn_mark_is_told_from_another_reduction(self) -> None:
        self.assertEqual([m.what for m in self.lossy("CWR").marks], ["reduced"])
        self.assertEqual(without_time(self.lossy("CWR").phases)[-1], REDUCTION)
        self.setUp()
        self.sender.tell("ack", seg_flags=ACK | ECE, seg_ack=self.sender.una % 2**32)
        series = self.lossy("CWR")
        self.assertEqual([m.what for m in series.marks], ["ecn"])
        self.assertEqual(told(series)[-2][-1], "ECN mark")

    def probed(self, *, acked: int, probe_retransmits: int = 1) -> Series:
        """A probe, an ACK of so much beyond what was out then, and CWR behind it."""
        self.setUp()
        out = self.sender.highest
        self.sender.tell("loss_probe", probe_retransmits=probe_retransmits)
        self.sender.una = out
        self.sender.highest = self.sender.sent = out + 4 * SEGMENT
        self.sender.tell("ack", seg_flags=ACK, seg_ack=(out + acked) % 2**32)
        self.sender.una = out + acked
        return self.lossy("CWR")

    def test_a_tail_loss_probe_that_made_good_for_a_loss(self) -> None:
        """By an ACK beyond what was out at the probe; any other CWR has another cause."""
        def happened(series: Series) -> set[str]:
            return {words for *_, words in told(series) if words}
        probe, other = {"loss (tail loss probe)"}, {"reduced: no loss"}
        self.assertEqual(happened(self.probed(acked=SEGMENT)), probe)
        self.assertEqual(happened(self.probed(acked=0)), other)
        self.assertEqual(happened(self.probed(acked=SEGMENT, probe_retransmits=0)), other)
        series = self.probed(acked=SEGMENT)
        self.assertNotIn("no loss", " ".join(as_text(watch(*self.sender.events), Filter())))
        self.assertEqual([mark.what for mark in series.marks], ["loss_probe", "reduced"])

    def test_a_reduction_that_is_undone(self) -> None:
        self.sender.ssthresh = 8
        self.lossy("Recovery")
        self.sender.ssthresh = 16
        self.sender.recover()
        self.assertEqual([m.what for m in one(*self.sender.events).marks],
                         ["fast_retransmit", "undone"])

    def test_a_reduction_that_is_undone_after_its_end(self) -> None:
        """As by a D-SACK: the congestion state is Open already."""
        cwnd, ssthresh = self.sender.cwnd, self.sender.ssthresh
        self.sender.ssthresh = 8
        self.sender.ca = "Recovery"
        self.sender.tell("ca_state", old_ca_state=CA["Open"])
        self.sender.cwnd = 8
        self.sender.recover()
        self.assertEqual([m.what for m in one(*self.sender.events).marks],
                         ["fast_retransmit"])
        self.sender.tell("ack")
        self.sender.cwnd, self.sender.ssthresh = cwnd, ssthresh
        self.sender.tell("ack")
        series = one(*self.sender.events)
        self.assertEqual([m.what for m in series.marks], ["fast_retransmit", "undone"])
        self.assertEqual(told(series)[-1][-1], "undone: nothing was lost")

    def test_a_higher_ssthresh_alone_is_no_undoing(self) -> None:
        """Where no event tells that recovery ended: a rest raises it as well."""
        def marks(*, cwnd: int) -> list[str]:
            self.setUp()
            for (self.sender.ca, self.sender.cwnd, self.sender.ssthresh) in (
                    ("Open", 24, 12), ("Recovery", 12, 12), ("Open", cwnd, 18)):
                self.sender.tell("ack")
            return [mark.what for mark in one(*self.sender.events).marks]
        self.assertEqual(marks(cwnd=12), ["fast_retransmit"])
        self.assertEqual(marks(cwnd=24), ["fast_retransmit", "undone"])

    def test_nothing_is_undone_across_a_hole(self) -> None:
        """A later reduction, from a larger window, may have been missed."""
        for hole in (False, True):
            self.setUp()
            self.sender.ssthresh = 8
            self.sender.ca = "Recovery"
            self.sender.tell("ca_state", old_ca_state=CA["Open"])
            if hole:
                self.sender.events.append(self.sender.scene.event(
                    "lost", round(self.sender.at_ms * MS), lost_events=9))
            self.sender.ssthresh = 16
            self.sender.tell("ack")
            self.sender.recover()
            self.assertEqual("undone" in [m.what for m in one(*self.sender.events).marks],
                             not hole)

    def test_bbr_does_not_tell_its_phases(self) -> None:
        """In recovery without an ssthresh: before that it was not slow start either."""
        self.sender.ssthresh = INFINITE_SSTHRESH
        for event in self.sender.events:
            event.values["ssthresh"] = INFINITE_SSTHRESH
        self.assertEqual(without_time(one(*self.sender.events).phases), [SLOW_START])
        series = self.lossy("Recovery")
        self.assertEqual(without_time(series.phases), [UNTOLD, RECOVERY])
        self.assertEqual({phase for _, _, phase, _ in told(series)[:-1]}, {UNTOLD})
        self.assertIn("as with bbr", " ".join(series.notes))

    def test_bbr_lets_cwnd_fall_below_what_is_on_the_way(self) -> None:
        self.sender.ssthresh = INFINITE_SSTHRESH
        for event in self.sender.events:
            event.values["ssthresh"] = INFINITE_SSTHRESH
        self.sender.tell("ack", cwnd=4, packets_out=16)
        self.assertEqual(without_time(one(*self.sender.events).phases), [UNTOLD])

    def test_a_path_mtu_that_changes_is_no_bbr(self) -> None:
        """cwnd falls as segments grow, and Loss without a timeout sets no ssthresh."""
        self.sender.ssthresh = INFINITE_SSTHRESH
        for event in self.sender.events:
            event.values["ssthresh"] = INFINITE_SSTHRESH
        self.sender.tell("ack", cwnd=8, packets_out=16, mss=1400)
        self.assertEqual(without_time(one(*self.sender.events).phases), [SLOW_START])
        self.sender.ca = "Loss"
        self.sender.tell("ca_state", old_ca_state=CA["Open"], mss=1400)
        self.sender.tell("ack", mss=1400)
        self.assertEqual(without_time(one(*self.sender.events).phases), [SLOW_START])
        self.sender.tell("rto", mss=1400)
        self.sender.tell("ack", mss=1400, retransmits=1)
        self.assertEqual(without_time(one(*self.sender.events).phases), [UNTOLD])

    def test_a_rest_lets_cwnd_fall_without_that(self) -> None:
        """It is dated to when it shows: no ACK brought it about."""
        self.sender.ssthresh = INFINITE_SSTHRESH
        for event in self.sender.events:
            event.values["ssthresh"] = INFINITE_SSTHRESH
        self.sender.at_ms += 20_000
        self.sender.tell("ack", cwnd=10, packets_out=10)
        series = one(*self.sender.events)
        self.assertEqual(without_time(series.phases), [SLOW_START])
        self.assertEqual((series.cwnd[-1].began_ns, series.cwnd[-1].value),
                         (series.ended_ns, 10))

    def test_without_acks_a_change_is_dated_to_what_shows_it(self) -> None:
        sender = Sender()
        for at_ms, cwnd in ((10, 5), (500, 9)):
            sender.at_ms, sender.cwnd = at_ms, cwnd
            sender.una = sender.highest = sender.una + SEGMENT
            sender.tell("loss_probe")
        series = one(*sender.events)
        self.assertEqual([(step.began_ns - series.began_ns) // MS
                          for step in series.cwnd], [0, 500])
        self.assertIn("No ACK of it was recorded", " ".join(series.notes))

    def test_bytes_are_counted_across_the_wrap_and_a_fin_is_none(self) -> None:
        sender = self.sender
        acked = sender.una - sender.isn - 1
        self.assertEqual(one(*sender.events).bytes_acked, acked)
        for state, una in (("FIN-WAIT-1", 0), ("FIN-WAIT-2", 1)):
            sender.una += una
            sender.tell("ack", state=STATE[state])
        self.assertEqual(one(*sender.events).bytes_acked, acked)

    def test_an_ack_that_closes_the_window_is_counted_once(self) -> None:
        """Its zero_window comes behind it, and shows what stood before it, too."""
        sender = self.sender
        before = one(*sender.events).bytes_acked
        for kind in ("ack", "zero_window"):
            sender.tell(kind, seg_ack=(sender.una + SEGMENT) % 2**32, seg_flags=ACK)
        sender.una += SEGMENT
        sender.tell("ack", seg_ack=sender.una % 2**32, seg_flags=ACK)
        self.assertEqual(one(*sender.events).bytes_acked, before + SEGMENT)

    def test_the_ack_of_a_rst_is_none(self) -> None:
        """The kernel resets before it looks at it: the FIN counts for no byte."""
        sender = self.sender
        before = one(*sender.events).bytes_acked
        sender.highest = sender.una + 1
        for kind, values in (("ack", {"state": STATE["FIN-WAIT-1"]}),
                             ("state", {"state": STATE["CLOSED"],
                                        "old_state": STATE["FIN-WAIT-1"]})):
            sender.tell(kind, seg_ack=sender.highest % 2**32, seg_flags=ACK | RST, **values)
        self.assertEqual(one(*sender.events).bytes_acked, before)

    def test_the_last_acks_state_is_the_end(self) -> None:
        sender = self.sender
        before = one(*sender.events).bytes_acked
        sender.at_ms += 50
        sender.una += SEGMENT + 1
        sender.highest = sender.una
        sender.tell("state", state=STATE["CLOSED"], old_state=STATE["LAST-ACK"])
        series = one(*sender.events)
        self.assertEqual(series.bytes_acked, before + SEGMENT)
        self.assertEqual(series.ended_ns, sender.events[-1]["time_ns"])
        sender.tell("destroy", state=STATE["CLOSED"], cwnd=10)
        self.assertEqual(one(*sender.events).cwnd, series.cwnd)

    def test_seen_from_the_middle(self) -> None:
        """What was on the way by then belongs to a round that is not known."""
        tail = self.sender.events[20:]
        series = one(*tail)
        self.assertFalse(series.is_whole)
        self.assertIn("Its beginning was not seen.", series.notes)
        self.assertEqual([cwnd for cwnd, *_ in told(series)], [17])
        self.assertEqual(told(one(*self.sender.events))[-1][0], 17)

    def test_who_sends_nothing_is_not_drawn(self) -> None:
        silent = Sender(cookie=6, isn=99)
        silent.tell("ack", seg_ack=100, seg_flags=ACK)
        view = watch(*self.sender.events, *silent.events)
        self.assertEqual([series.cookie for series in view.series()], [5])
        self.assertEqual(view.silent(Filter()), 1)

    def test_losses_come_first_then_data(self) -> None:
        most, few, lossy = (Sender(cookie=n, isn=99) for n in (7, 8, 9))
        most.rounds(8)
        few.rounds(1)
        lossy.rounds(2)
        lossy.time_out()
        view = watch(*few.events, *most.events, *lossy.events)
        self.assertEqual([series.cookie for series in view.series()], [9, 7, 8])
        self.assertEqual([s.cookie for s in view.series(Filter(cookie=8))], [8])
        text = list(as_text(view, Filter(), 1))
        self.assertIn("2 more connections not shown, with fewer losses or less data "
                      "(--limit 0 shows all).", text)

    def test_connections_put_away_come_back(self) -> None:
        others = [Sender(cookie=n, isn=99) for n in range(20, 30)]
        for other in others:
            other.rounds(3)
        events = sorted((event for who in (self.sender, *others) for event in who.events),
                        key=lambda event: event["time_ns"])
        plain, packed = Cwnd(support.schema()), Cwnd(support.schema())
        packed.kept = Kept(lambda track: track.over, unpacked=1)
        for event in events:
            plain.feed(event)
            packed.feed(event)
        self.assertEqual(list(packed.series()), list(plain.series()))
        self.assertEqual(len(list(plain.series())), 11)


class Holes(unittest.TestCase):
    def lost(self, sender: Sender) -> Event:
        return sender.scene.event("lost", round(sender.at_ms * MS), lost_events=9)

    def holey(self) -> tuple[Series, int, int]:
        """Six rounds, then a loss; then six more that go on at another place."""
        sender = Sender()
        sender.rounds(6)
        began = sender.events[-1]["time_ns"]
        sender.events.append(self.lost(sender))
        sender.at_ms += 300
        sender.una = sender.sent = sender.highest = sender.una + 90 * SEGMENT
        first = len(sender.events)
        sender.rounds(6)
        return one(*sender.events), began, sender.events[first]["time_ns"]

    def test_nothing_crosses_a_hole(self) -> None:
        series, began, ended = self.holey()
        self.assertEqual(series.holes, [(began, ended)])
        for steps in (series.cwnd, series.ssthresh, series.srtt_us):
            inside = [step.value for step in steps if step.began_ns < ended
                      and step.ended_ns > began]
            self.assertEqual(inside, [None])
        self.assertEqual([(span.began_ns, span.ended_ns) for span in series.phases
                          if not span.word], [(began, ended)])
        self.assertIn("1 hole, 400 ms in all", " ".join(series.notes))

    def test_the_round_that_lasted_is_not_known(self) -> None:
        """After the hole a round begins when something sent after it is acknowledged."""
        series, _, ended = self.holey()
        after = [r for r in series.rounds.rounds if r.time_ns >= ended]
        self.assertEqual([r.cwnd for r in after], [19, 20, 21, 22, 23])

    def test_a_change_of_what_is_recorded_makes_one_too(self) -> None:
        sender = Sender()
        sender.rounds(3)
        frozen = number_of("mark_cause", "frozen")
        sender.events.append(sender.scene.event("mark", round(sender.at_ms * MS),
                                                mark_cause=frozen, kinds_on=0))
        sender.rounds(3)
        self.assertEqual(len(one(*sender.events).holes), 1)

    def test_text_and_json_have_it(self) -> None:
        series, began, ended = self.holey()
        sender = Sender()
        sender.rounds(6)
        sender.events.append(self.lost(sender))
        sender.at_ms += 3000
        sender.rounds(1)
        view = watch(*sender.events)
        text = "\n".join(as_text(view, Filter()))
        self.assertIn("? not known", text)
        self.assertRegex(text, r"losses +\?\?\?\?")
        shown, = as_json(view, None, Filter())["connections"]
        (hole,) = shown["holes"]
        self.assertFalse([step for step in shown["cwnd"]
                          if step[0] < hole[1] and step[1] > hole[0]])
        self.assertTrue(series.holes and began < ended)


class Damaged(unittest.TestCase):
    def test_an_ack_of_what_was_not_sent_counts_for_nothing(self) -> None:
        sender = Sender()
        sender.rounds(3)
        before = told(one(*sender.events))
        sender.tell("ack", seg_ack=(sender.highest + 5000) % 2**32, seg_flags=ACK)
        series = one(*sender.events)
        self.assertEqual(told(series), before)
        self.assertEqual(series.bytes_acked, sender.una - sender.isn - 1)

    def test_anything_at_all(self) -> None:
        """Random numbers in every field: no exception, and bounded."""
        rolled = random.Random(3)
        kinds = ("ack", "retransmit", "ca_state", "rto", "loss_probe", "state",
                 "reno_round", "reno_phase", "reno_reduction", "destroy", "lost", "mark")
        sizes = {field.name: field.size for field in support.schema().fields
                 if field.type not in ("addr", "text")}
        view = Cwnd(support.schema())
        template = Sender().events[0]
        for _ in range(20_000):
            kind = rolled.choice(kinds)
            fresh = dict(support.schema().decode(support.pack(kind)).values)
            for name in fresh:
                if name in sizes and name not in ("kind", "lost_events"):
                    fresh[name] = rolled.choice(
                        (0, 1, rolled.randrange(256),
                         rolled.randrange(1 << 8 * sizes[name]),
                         (1 << 8 * sizes[name]) - 1)) % (1 << 8 * sizes[name])
            fresh["cookie"] = rolled.randrange(3)
            fresh["state"] = rolled.choice((1, 1, 1, 4, 5, 7, 200))
            view.feed(dataclasses.replace(template, kind=kind, values=fresh))
        for series in view.series():
            self.assertLessEqual(len(series.cwnd), MOST_POINTS)
        "\n".join(as_text(view, Filter()))
        json.loads("".join(json_pieces(as_json(view, None, Filter()))))

    def test_memory_has_a_bound_and_it_is_told(self) -> None:
        sender = Sender()
        view = Cwnd(support.schema())
        template = sender.events[0]
        for number in range(KEPT + 11):
            sender.una += SEGMENT
            values = template.values | {
                "time_ns": 1000 * SECOND + number * MS, "cwnd": 10 + number % 90,
                "snd_una": sender.una % 2**32,
                "snd_nxt": (sender.una + SEGMENT) % 2**32,
                "seg_ack": (sender.una + SEGMENT) % 2**32, "seg_flags": ACK}
            view.feed(dataclasses.replace(template, kind="ack", values=values))
        series, = view.series()
        self.assertLessEqual(len(series.cwnd), MOST_POINTS)
        self.assertEqual(len(series.rounds.rounds), KEPT)
        notes = " ".join(series.notes)
        self.assertIn("Thinned: of every ", notes)
        self.assertIn("The first 10 round trips left out.", notes)


COLOUR = r"\033\[[0-9;]*m"


def colours(line: str) -> list[str]:
    """Of each character that is to be seen its colour; none of blanks."""
    found, colour = [], ""
    for part in re.split(f"({COLOUR})", line):
        if part.startswith("\033"):
            colour = "" if part == RESET else part
        else:
            found += ["" if character == " " else colour for character in part]
    return found


class Words(unittest.TestCase):
    def setUp(self) -> None:
        self.view = watch(*timeout_figure().events)

    def test_charts(self) -> None:
        text = list(as_text(self.view, Filter(), paper=Paper(60, True)))
        self.assertEqual(text[:14], CHARTS.splitlines())

    def test_charts_in_ascii(self) -> None:
        text = list(as_text(self.view, Filter(), paper=Paper(60, False)))
        self.assertTrue("\n".join(text).isascii())
        self.assertTrue(all(len(line) <= 60 for line in text[3:14]), text)

    def test_colours(self) -> None:
        """Each column of cwnd has its phase's; without them it is the same text."""
        plain = list(as_text(self.view, Filter(), paper=Paper(60, True)))
        shown = list(as_text(self.view, Filter(), paper=Paper(60, True, coloured=True)))
        self.assertEqual([re.sub(COLOUR, "", line) for line in shown], plain)
        cwnd, phases, losses = (colours(next(
            line for line, without in zip(shown, plain) if words in without))
            for words in ("min 1 ", "phases", "losses"))
        self.assertEqual({colour for colour in cwnd if colour},
                         {PHASE_COLOURS[it] for it in (SLOW_START, AVOIDANCE, LOSS)})
        both = [pair for pair in zip(cwnd, phases) if all(pair)]
        self.assertTrue(all(in_chart == named for in_chart, named in both), both)
        self.assertEqual([colour for colour in losses if colour], [MARK_COLOURS["R"]])

    def test_where_no_value_is_known(self) -> None:
        """Of a connection whose events but the last were lost, or not recorded."""
        scene = Scene()
        ends = {"snd_isn": 1000, "cwnd": 10, "ssthresh": 7}
        view = watch(
            scene.event("state", 0, old_state=STATE["SYN-SENT"], snd_una=1001,
                        snd_nxt=1001, state=STATE["ESTABLISHED"], **ends),
            scene.event("lost", SECOND, lost_events=9),
            scene.event("state", 5 * SECOND, old_state=STATE["ESTABLISHED"],
                        state=STATE["CLOSED"], snd_una=9001, snd_nxt=9001, **ends))
        text = "\n".join(as_text(view, Filter()))
        self.assertRegex(text, r"(?m)^  cwnd +not known$")

    def test_no_line_is_wider_than_the_paper(self) -> None:
        for width in (44, 80, 133):
            text = list(as_text(self.view, Filter(), paper=Paper(width, True)))
            self.assertEqual(max(map(len, text[3:13])), width)

    def test_round_by_round(self) -> None:
        text = list(as_text(self.view, Filter(), with_rounds=True))
        self.assertIn("     13  6.200000    24        16  congestion avoidance  timeout",
                      text)
        self.assertIn("     17  6.600000     8        12  slow start", text)

    def test_nothing_of_that_connection(self) -> None:
        self.assertEqual(list(as_text(self.view, Filter(cookie=6))), [
            "No connection that sent data with the id sk:6 was seen; 1 other was."])

    def test_json(self) -> None:
        shown = json.loads("".join(json_pieces(as_json(self.view, None, Filter()))))
        only, = shown["connections"]
        self.assertEqual((only["connection"], only["rounds_derived"],
                          only["segments_sent_again"], shown["notes"]),
                         ("sk:5", True, 24, []))
        self.assertEqual([r["cwnd"] for r in only["rounds"]][12:15], [24, 1, 2])
        began, ended, value = only["cwnd"][0]
        self.assertEqual((began, value), (only["began_ns"], 1))
        self.assertLess(began, ended)

    def test_an_ssthresh_that_is_none_yet_is_null(self) -> None:
        sender = Sender()
        sender.ssthresh = INFINITE_SSTHRESH
        sender.rounds(3)
        only, = as_json(watch(*sender.events), None, Filter())["connections"]
        self.assertEqual([value for _, _, value in only["ssthresh"]], [None])

    def test_how_rounds_are_known_is_said(self) -> None:
        self.assertIn("20 round trips, derived from sequence numbers",
                      " ".join(as_text(self.view, Filter())).replace("\n", " "))


class Phases(unittest.TestCase):
    def test_phase_of(self) -> None:
        self.assertEqual([phase_of(*given) for given in (
            ("Open", 9, 10), ("Open", 10, 10), ("Disorder", 9, 10), ("Recovery", 9, 10),
            ("CWR", 11, 10), ("Loss", 1, 10), ("Loss", 10, 10), ("unknown(9)", 1, 10))],
            [SLOW_START, AVOIDANCE, SLOW_START, RECOVERY, REDUCTION, SLOW_START,
             AVOIDANCE, SLOW_START])


CHARTS = """\
sk:5  10.77.0.1:40112 - 10.77.0.2:5000
  algorithm: none of this module's; 6.9 s; 225000 bytes acknowledged; 24 segments sent again; 1
  timeout; 20 round trips, derived from sequence numbers
  cwnd     max 24         ░▄▇███████████████████████████░
                         ░▇█████████████████████████████░ ░▄
                        ░▃██████████████████████████████░░▃█
           min 1       ▃▃███████████████████████████████▁▃██
  ssthresh max 16      ██████████████████████████████████▄▄▄
           min 12      █████████████████████████████████████
  srtt     max 100 ms  █████████████████████████████████████
           min 100 ms  █████████████████████████████████████
  losses                                                R
  phases               ss|congestion avoidance          LLaa
  seconds              0.000000                     6.900000
"""
