# SPDX-License-Identifier: GPL-2.0
"""What was sent again, why, and what it did to the sender."""

import unittest
from unittest import mock
from typing import Any

from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.views.losses import Flow, Losses
from renoscope_lib.views.losses_text import as_json, as_text
from renoscope_lib.words import INFINITE_SSTHRESH

from . import support
from .support import (ACK, ANY, CLOSED, ESTABLISHED, LISTEN, MS, SYN, SYN_SENT,
                      Scene, number_of)

CA = {name: number_of("ca_state", name)
      for name in ("Open", "Disorder", "CWR", "Recovery", "Loss")}


def watch(*events: Event) -> Losses:
    losses = Losses(support.schema())
    for event in events:
        losses.feed(event)
    return losses


class Stage(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def event(self, kind: str, at_ms: float, ca: str = "Open", cwnd: int = 24,
              ssthresh: int = INFINITE_SSTHRESH, **values: Any) -> Event:
        return self.scene.event(kind, round(at_ms * MS), **{
            "state": ESTABLISHED, "ca_state": CA[ca], "cwnd": cwnd,
            "ssthresh": ssthresh} | values)

    def turn(self, at_ms: float, old: str, new: str, **values: Any) -> Event:
        return self.event("ca_state", at_ms, new, old_ca_state=CA[old],
                          **values)

    def again(self, at_ms: float, cause: str, ca: str = "Open", segs: int = 1,
              **values: Any) -> Event:
        return self.event("retransmit", at_ms, ca, retransmit_cause=number_of(
            "retransmit_cause", cause), retransmit_segs=segs,
            seg_flags=ACK, **values)

    def one(self, *events: Event) -> Flow:
        losses = watch(*events)
        losses.end(None)
        flow, = losses.flows()
        return flow


class Waits(Stage):
    def waits(self, state: int, *at_ms: int) -> list[int]:
        """What timers of 200, 400 ... ms waited that fired then."""
        flow = self.one(self.event("ack", 0, state=state), *(
            self.event("rto", ms, "Loss" if n else "Open", state=state, backoff=n,
                       rto_us=200_000 << n) for n, ms in enumerate(at_ms)))
        return [t.waited_us // 1000 for e in flow.episodes for t in e.timeouts]

    def test_a_timer_waits_for_its_rto_or_less(self) -> None:
        """TCP_USER_TIMEOUT does not let it wait any longer (tcp_clamp_rto_...())."""
        for state in (ESTABLISHED, SYN_SENT):
            with self.subTest(state=state):
                self.setUp()
                self.assertEqual(self.waits(state, 200, 603, 1410), [200, 400, 800])
                self.setUp()
                self.assertEqual(self.waits(state, 200, 603, 900), [200, 400, 297])

    def test_a_timer_that_was_set_shorter_waits_less(self) -> None:
        """SACKed data is asked for again, or a SYN was answered for an older connection."""
        def waited(fired_ms: float, *before: Event) -> int:
            flow = self.one(*before, self.event("rto", fired_ms, rto_us=960_000))
            return flow.episodes[-1].timeouts[-1].waited_us
        numbers = {"snd_una": 100, "snd_nxt": 900, "seg_flags": ACK}
        for fired_ms, expected_us in ((1158, 158_000), (1600, 960_000)):
            self.setUp()
            self.assertEqual(waited(
                fired_ms, self.event("ack", 1000, seg_ack=500, **numbers),
                self.event("ack", fired_ms - 1, seg_ack=500, **numbers | {"snd_una": 500})),
                expected_us)
        self.setUp()
        connects = self.event("state", 1000, state=SYN_SENT, old_state=number_of(
            "state", "CLOSED"))
        self.assertEqual(waited(1022, connects), 22_000)


class Unsent(Stage):
    def told(self, *events: Event) -> tuple[Any, str]:
        """Whether the first timeout sent nothing, in JSON and in words."""
        losses = watch(*events)
        row, = (line for line in as_text(losses, None, verbose=True) if "backoff 0" in line)
        connection, = as_json(losses, None)["connections"]
        return connection["episodes"][0]["timeouts"][0]["unsent"], row

    def test_a_timer_whose_retransmission_was_not_recorded_sent_nothing(self) -> None:
        timers = [self.event("rto", 200 * n, "Loss", backoff=n) for n in range(2)]
        unsent, row = self.told(*timers)
        self.assertTrue(unsent)
        self.assertIn(", nothing went out", row)
        for later in ((), (self.again(1, "rto", "Loss"), timers[1]),
                      (self.again(1, "loss_recovery", "Loss"), timers[1]),
                      (self.scene.event("lost", lost_events=1), timers[1])):
            unsent, row = self.told(timers[0], *later)
            self.assertFalse(unsent)
            self.assertNotIn("nothing", row)

    def test_one_that_gave_up_had_nothing_to_send(self) -> None:
        """Its socket may be connected anew."""
        flow = self.one(
            self.event("rto", 0, "Loss"),
            self.event("state", 0, "Loss", state=CLOSED, old_state=ESTABLISHED),
            self.event("state", 10, state=SYN_SENT, old_state=CLOSED),
            self.event("rto", 1010, state=SYN_SENT))
        timeout, = flow.episodes[0].timeouts
        self.assertEqual((timeout.gave_up, timeout.unsent), (True, False))


class Causes(Stage):
    def test_each_cause_by_its_segments(self) -> None:
        flow = self.one(
            self.again(1, "rto"), self.again(2, "fast_retransmit", segs=3),
            self.again(3, "loss_recovery", segs=2),
            self.again(4, "tail_loss_probe"), self.again(5, "zero_window"),
            self.again(6, "unknown"),
            self.event("synack_retransmit", 7, by_timer=1, rto_us=2_000_000))
        self.assertEqual(dict(flow.segments), {
            "rto": 1, "fast_retransmit": 3, "loss_recovery": 2,
            "tail_loss_probe": 1, "zero_window": 1, "unknown": 1, "synack": 1})
        self.assertEqual(flow.sent_again, 10)

    def test_a_syn_is_one_whatever_the_cause_says(self) -> None:
        flow = self.one(
            self.event("rto", 1000, state=SYN_SENT, rto_us=1_000_000),
            self.event("retransmit", 1000, state=SYN_SENT, seg_flags=SYN),
            self.event("rto", 3000, state=SYN_SENT, rto_us=2_000_000,
                       backoff=1),
            self.event("retransmit", 3000, state=SYN_SENT, seg_flags=SYN))
        self.assertEqual(flow.segments["syn"], 2)
        self.assertEqual([(e.what, e.segments, e.timeouts[0].waited_us)
                          for e in flow.episodes],
                         [("SYN", 1, 1_000_000), ("SYN", 1, 2_000_000)])
        self.assertEqual(flow.stood_ns, {}, "no congestion control yet")

    def test_a_cause_of_a_newer_module_is_unknown(self) -> None:
        event = self.again(1, "rto")
        event.values["retransmit_cause"] = 200
        self.assertEqual(self.one(event).segments["unknown"], 1)


class Recoveries(Stage):
    def test_textbook_fast_recovery(self) -> None:
        """cwnd 24 becomes 12, after three duplicate ACKs."""
        flow = self.one(
            self.event("ack", 0, cwnd=24),
            self.turn(1, "Open", "Disorder", cwnd=24),
            self.turn(2, "Disorder", "Recovery", cwnd=24, ssthresh=12,
                      sacked_out=3, lost_out=1),
            self.again(2, "fast_retransmit", "Recovery", cwnd=13, ssthresh=12),
            self.turn(42, "Recovery", "Open", cwnd=14, ssthresh=12),
            self.event("ack", 43, cwnd=12, ssthresh=12))
        episode, = flow.episodes
        self.assertEqual((episode.what, episode.before.cwnd,
                          episode.within.ssthresh, episode.after.cwnd,
                          episode.dup_acks, episode.segments, episode.undone),
                         ("Recovery", 24, 12, 12, 3, 1, False))
        self.assertEqual(((episode.ended_ns or 0) - episode.began_ns) // MS, 40)
        self.assertEqual({k: v // MS for k, v in flow.stood_ns.items()},
                         {"Open": 2, "Disorder": 1, "Recovery": 40})

    def test_what_an_algorithm_tells_from_within_the_change(self) -> None:
        """Of these events the congestion state is the one before."""
        flow = self.one(
            self.event("ack", 0),
            self.event("rto", 200, rto_us=200_000),
            self.event("reno_reduction", 200),
            self.turn(200, "Open", "Loss", cwnd=1, ssthresh=12),
            self.event("reno_phase", 200, cwnd=1, ssthresh=12),
            self.again(200, "rto", "Loss", cwnd=1, ssthresh=12),
            self.turn(700, "Loss", "Open", cwnd=8, ssthresh=12))
        episode, = flow.episodes
        self.assertEqual((episode.what, episode.before.cwnd, episode.after.cwnd),
                         ("Loss", 24, 8))
        self.assertEqual({k: v // MS for k, v in flow.stood_ns.items()},
                         {"Open": 200, "Loss": 500})

    def test_timeouts_with_their_backoff(self) -> None:
        """cwnd 24: ssthresh 12 and cwnd 1, each wait twice the one before."""
        flow = self.one(
            self.event("ack", 0),
            self.event("rto", 200, rto_us=200_000, snd_una=3, snd_isn=2),
            self.turn(200, "Open", "Loss", cwnd=1, ssthresh=12),
            self.again(200, "rto", "Loss", cwnd=1, ssthresh=12),
            self.event("rto", 600, "Loss", rto_us=400_000, backoff=1, cwnd=1,
                       ssthresh=12, snd_una=3, snd_isn=2),
            self.turn(600, "Loss", "Loss", cwnd=1, ssthresh=12),
            self.again(600, "rto", "Loss", cwnd=1, ssthresh=12),
            self.again(650, "loss_recovery", "Loss", 5, cwnd=2, ssthresh=12),
            self.turn(700, "Loss", "Open", cwnd=8, ssthresh=12))
        episode, = flow.episodes
        self.assertEqual([(t.waited_us, t.backoff, t.seq)
                          for t in episode.timeouts],
                         [(200_000, 0, 1), (400_000, 1, 1)])
        self.assertEqual((episode.before.cwnd, episode.within.cwnd,
                          episode.within.ssthresh, episode.after.cwnd,
                          episode.segments), (24, 1, 12, 8, 7))
        self.assertEqual((flow.timeouts, flow.longest_rto_us,
                          flow.highest_backoff), (2, 400_000, 1))
        self.assertEqual(flow.entered, {"Loss": 1})
        text = as_text(watch(*(self.event("rto", n, backoff=n)
                               for n in range(4))), None, verbose=True)
        self.assertIn("RTO after 0 us, backoff 3", "\n".join(text))

    def test_loss_without_a_timeout(self) -> None:
        """The path's MTU shrank: no timer fired, nothing is said of a timeout."""
        losses = watch(
            self.turn(5, "Open", "Loss", cwnd=10, ssthresh=2**31 - 1),
            self.again(5, "loss_recovery", "Loss", 9, cwnd=10),
            self.turn(90, "Loss", "Open", cwnd=10))
        row, = (line for line in as_text(losses, None, verbose=True)
                if "without RTO  " in line)
        self.assertNotIn("timeout", row)

    def test_timeouts_of_one_episode_are_bounded(self) -> None:
        with mock.patch("renoscope_lib.views.losses.KEPT", 2):
            losses = watch(*(self.event("rto", n) for n in range(5)))
        self.assertIn("(and 3 more)", "\n".join(
            as_text(losses, None, verbose=True)))

    def test_a_number_behind_the_wrap(self) -> None:
        flow = self.one(self.event("rto", 0, snd_isn=2**32 - 10, snd_una=90))
        self.assertEqual(flow.episodes[0].timeouts[0].seq, 100)

    def test_a_rise_of_ssthresh_undoes_a_reduction(self) -> None:
        """ssthresh rises only when a reduction is taken back."""
        def recovery(back_to: int) -> Flow:
            return self.one(
                self.event("ack", 0, ssthresh=40),
                self.turn(1, "Open", "Recovery", ssthresh=12),
                self.turn(9, "Recovery", "Open", ssthresh=back_to))
        self.assertEqual(recovery(40).undone, 1)
        self.setUp()
        self.assertEqual(recovery(12).undone, 0)

    def after_recovery(self, *rest: tuple[int, int]) -> Flow:
        """cwnd 24 and ssthresh 40, cut to 12; what follows in Open, as (cwnd, ssthresh)."""
        return self.one(
            self.event("ack", 0, ssthresh=40),
            self.turn(1, "Open", "Recovery", ssthresh=12),
            self.turn(9, "Recovery", "Open", cwnd=12, ssthresh=12), *(
                self.event("ack", 10 + n, cwnd=cwnd, ssthresh=ssthresh)
                for n, (cwnd, ssthresh) in enumerate(rest)))

    def test_a_reduction_undone_after_its_end(self) -> None:
        """As by a D-SACK: the congestion state stays Open."""
        flow = self.after_recovery((12, 12), (24, 40), (25, 40))
        episode, = flow.episodes
        self.assertEqual((flow.undone, episode.undone), (1, True))
        self.assertEqual((episode.after.cwnd, episode.after.ssthresh), (24, 40))

    def test_ssthresh_rises_after_a_rest_as_well(self) -> None:
        """To three quarters of cwnd, which has grown back to where it was."""
        def after(*rest: tuple[int, int]) -> int:
            self.setUp()
            flow = self.one(
                self.event("ack", 0, cwnd=24, ssthresh=16),
                self.turn(1, "Open", "Recovery", ssthresh=12),
                self.turn(9, "Recovery", "Open", cwnd=12, ssthresh=12), *(
                    self.event("ack", 10 + n, cwnd=cwnd, ssthresh=ssthresh)
                    for n, (cwnd, ssthresh) in enumerate(rest)))
            return flow.undone
        self.assertEqual(after((23, 12), (24, 18)), 0)
        self.assertEqual(after((26, 12), (24, 18)), 0)
        self.assertEqual(after((12, 12), (24, 18)), 1)

    def test_a_mark_is_not_undone(self) -> None:
        flow = self.one(
            self.event("ack", 0, ssthresh=40),
            self.turn(1, "Open", "CWR", ssthresh=12),
            self.turn(9, "CWR", "Open", cwnd=15, ssthresh=15),  # as westwood has it
            self.event("ack", 10, cwnd=24, ssthresh=40))
        self.assertEqual(flow.undone, 0)

    def test_a_timeout_ends_a_recovery(self) -> None:
        flow = self.one(
            self.event("ack", 0),
            self.turn(1, "Open", "Recovery", ssthresh=12),
            self.event("rto", 300, "Recovery", rto_us=300_000, ssthresh=12),
            self.turn(300, "Recovery", "Loss", cwnd=1, ssthresh=12),
            self.turn(400, "Loss", "Open", cwnd=9, ssthresh=12))
        self.assertEqual([(e.what, e.ended_by) for e in flow.episodes],
                         [("Recovery", "a timeout"), ("Loss", "Open")])

    def test_the_connection_ends_in_it(self) -> None:
        flow = self.one(
            self.event("ack", 0),
            self.event("rto", 300, rto_us=300_000),
            self.turn(300, "Open", "Loss", cwnd=1),
            self.event("state", 900, "Loss", state=CLOSED, old_state=ESTABLISHED),
            self.event("destroy", 990, "Loss", state=CLOSED))
        episode, = flow.episodes
        self.assertEqual(episode.ended_by, "the connection ended")
        self.assertEqual(flow.stood_ns["Loss"], 600 * MS)

    def test_a_listener_and_a_request_have_no_speed(self) -> None:
        """What cwnd they show is nobody's."""
        flow = self.one(
            self.event("ca_state", 0, state=number_of("state", "SYN-RECEIVED"),
                       cwnd=99, old_ca_state=0),
            self.event("ack", 1, cwnd=24),
            self.turn(2, "Open", "Recovery", ssthresh=12))
        self.assertEqual(flow.episodes[0].before.cwnd, 24)

    def test_still_in_it_until_the_end(self) -> None:
        losses = watch(self.event("ack", 0),
                       self.turn(100, "Open", "Loss", cwnd=1))
        losses.end(self.scene.start_ns + 350 * MS)
        flow, = losses.flows()
        self.assertEqual(flow.stood_ns["Loss"], 250 * MS)
        flow, = losses.flows()
        self.assertEqual(flow.stood_ns["Loss"], 250 * MS, "not counted again")
        self.assertIn("still in it", "\n".join(
            as_text(losses, None, verbose=True)))

    def test_probes_that_send_again_are_told_from_new_data(self) -> None:
        flow = self.one(self.event("loss_probe", 1, probe_retransmits=1),
                        self.event("loss_probe", 2))
        self.assertEqual((flow.probes_again, flow.probes_new), (1, 1))


class InPart(Stage):
    def test_lost_changes_are_unknown_time(self) -> None:
        flow = self.one(
            self.event("ack", 0),
            self.scene.event("lost", 0, lost_events=9),
            self.event("ack", 100, "Recovery", ssthresh=12),
            self.turn(130, "Recovery", "Open", ssthresh=12))
        self.assertEqual({k: v // MS for k, v in flow.stood_ns.items()},
                         {"unknown": 100, "Recovery": 30, "Open": 0}
                         | {"unknown": 100})
        self.assertTrue(flow.partly)
        self.assertIsNone(flow.episodes[0].before, "it was not seen")

    def test_after_a_loss_nothing_is_said_of_the_end(self) -> None:
        losses = watch(self.event("ack", 0), self.event("ack", 40),
                       self.scene.event("lost", 0, lost_events=9))
        losses.end(self.scene.start_ns + 1000 * MS)
        self.assertEqual(next(losses.flows()).stood_ns["Open"], 40 * MS)

    def test_memory_is_bounded(self) -> None:
        with mock.patch("renoscope_lib.views.losses.KEPT", 3):
            losses = watch(*(self.event("loss_probe", n) for n in range(9)))
            flow, = losses.flows()
        content = next(as_json(losses, None)["connections"])
        self.assertEqual((len(flow.episodes), content["episodes_left_out"]),
                         (3, 6))
        self.assertIn("6 earlier episodes left out",
                      "\n".join(as_text(losses, None, verbose=True)))


class Tables(Stage):
    def test_a_probe_with_new_data_is_not_told_as_sent_again(self) -> None:
        quiet = self.event("ack", 0, cookie=6)
        first, *rest = as_text(watch(quiet, self.event("loss_probe", 2)), None)
        self.assertIn("Nothing was seen sent again, but a loss probe", first)
        self.assertIn("1 connection without these not shown.", rest)
        self.assertNotIn("by cause", "\n".join(rest))
        first, *rest = as_text(watch(
            quiet, self.event("loss_probe", 2), self.again(3, "rto")), None)
        self.assertEqual(first, "Sent again:")
        self.assertIn("1 connection without a loss not shown.", rest)

    def test_nothing_seen_and_nothing_lost_are_said(self) -> None:
        self.assertEqual(list(as_text(watch(), None)),
                         ["No connection was seen."])
        self.assertIn("1 connection without a loss",
                      next(as_text(watch(self.event("ack", 0)), None)))

    def test_totals_and_both_families(self) -> None:
        losses = watch(
            self.again(0, "rto"),
            self.again(1, "rto", segs=2, cookie=6, family=6,
                       local_addr="fd77::1", remote_addr="fd77::2"))
        text = list(as_text(losses, None))
        self.assertRegex(text[1], r"connection +again +RTO")
        self.assertRegex(text[3], r"^sk:6 +2 +2 .*\[fd77::1\]:40112")
        self.assertRegex(text[4], r"^total +3 +3")
        self.assertLess(max(map(len, text)), 101)
        self.assertEqual(as_json(losses, None)["total"]["rto"], 3)

    def test_a_limit_leaves_connections_out_and_not_the_total(self) -> None:
        losses = watch(*(self.again(n, "rto", cookie=n) for n in range(5, 8)))
        text = list(as_text(losses, None, verbose=True, limit=1))
        self.assertIn("... and 2 more: --limit 0 shows all, --json too", text)
        self.assertIn("total           3", "\n".join(text))
        self.assertNotIn("sk:6", "\n".join(text))
        self.assertNotIn("more:", "\n".join(as_text(losses, None, limit=3)))

    def test_an_address_that_is_known_only_later_is_told(self) -> None:
        flow = self.one(self.again(0, "rto", local_addr=ANY), self.again(1, "rto"))
        self.assertEqual(flow.local, "10.77.0.1:40112")

    def test_a_listener_is_no_connection(self) -> None:
        listens = {"cookie": 7, "remote_addr": ANY, "remote_port": 0}
        losses = watch(
            self.event("state", 0, old_state=CLOSED, state=LISTEN, **listens),
            self.again(1, "rto"), self.event("ack", 1, cookie=6),
            self.event("state", 2, old_state=LISTEN, state=CLOSED, **listens),
            self.event("destroy", 2, state=CLOSED, **listens))
        self.assertIn("1 connection without a loss not shown.",
                      list(as_text(losses, None)))
        self.assertIn("No connection with port 1 was seen; 2 others were.",
                      as_text(losses, None, Filter(port=1)))

    def test_the_timer_of_a_synack_is_none_of_the_timeouts(self) -> None:
        text = " ".join(as_text(watch(self.event(
            "synack_retransmit", 7, by_timer=1, rto_us=2_000_000)), None))
        self.assertIn("a SYN-ACK's timer is not counted", text)

    def outcome_of_a_timer(self, *then: Event) -> str:
        """Of a SYN's timer, and of what comes after it."""
        rto = self.event("rto", 1000, state=SYN_SENT, rto_us=1_000_000, serial=7)
        line, = (line for line in as_text(watch(rto, *then), None, verbose=True)
                 if line.startswith("  0.") and "SYN" in line)
        return line.split("  ")[-1].strip()

    def test_a_timer_that_sends_no_syn_has_given_nothing_up(self) -> None:
        """The SYN before may still stand in this host's queue."""
        def closes(serial: int, state: int = CLOSED) -> Event:
            return self.event("state", 1001, old_state=SYN_SENT, state=state, serial=serial)

        self.assertEqual(self.outcome_of_a_timer(closes(8)), "given up")
        for then in ((closes(8, ESTABLISHED),), (closes(9),), ()):
            self.assertEqual(self.outcome_of_a_timer(*then), "nothing went out")
        self.assertEqual(self.outcome_of_a_timer(
            closes(9), self.scene.event("lost", 0, lost_events=1),
            self.event("ack", 1002, serial=10)),
            "none seen to go")

    def test_filter(self) -> None:
        losses = watch(self.again(0, "rto"), self.again(0, "rto", cookie=6))
        content = as_json(losses, None, Filter(cookie=6))
        self.assertEqual([c["connection"] for c in content["connections"]],
                         ["sk:6"])


if __name__ == "__main__":
    unittest.main()
