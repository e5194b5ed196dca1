# SPDX-License-Identifier: GPL-2.0
"""Windows, closed ones, and the probes that ask for them."""

import re
import unittest
from unittest import mock
from typing import Any

from renoscope_lib.ring.schema import Event
from renoscope_lib.views.windows import Flow, Window, Windows
from renoscope_lib.views.windows_text import HOW_TO_READ_EPISODES, as_json, as_text

from . import support
from .support import ACK, CLOSED, ESTABLISHED, MS, SYN, SYN_RECEIVED, Scene, number_of


def watch(*events: Event) -> Windows:
    windows = Windows(support.schema())
    for event in events:
        windows.feed(event)
    return windows


class Stage(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def event(self, kind: str, at_ms: float, **values: Any) -> Event:
        return self.scene.event(kind, round(at_ms * MS), **{
            "state": ESTABLISHED, "snd_wscale": 8, "rcv_wscale": 7,
            "rcv_wnd": 64256, "snd_isn": 1} | values)

    def turns(self, at_ms: float, change: str, side: str = "peer",
              **values: Any) -> Event:
        opened = change == "opened"
        return self.event("zero_window", at_ms, **{
            "window_side": number_of("window_side", side),
            "window_change": number_of("window_change", change),
            "seg_flags": ACK if side == "peer" else 0,
            "seg_window": 511 * opened, "seg_ack": 101,
            "rcv_wnd": 64256 * (opened or side == "peer")} | values)

    def probe(self, at_ms: float, backoff: int, cause: str = "zero_window",
              **values: Any) -> Event:
        return self.event("probe", at_ms, **{
            "probe_cause": number_of("probe_cause", cause),
            "backoff": backoff, "rto_us": 240_000} | values)

    def one(self, *events: Event) -> Flow:
        flow, = watch(*events).flows()
        return flow


class Sizes(Stage):
    def test_scaled_and_raw(self) -> None:
        """MISSION's numbers."""
        self.assertEqual(Window(511, 8).size, 130816)
        self.assertEqual(Window(294, 7).size, 37632)
        self.assertEqual(str(Window(511, 8)), "511 x 256 = 130816")

    def test_smallest_largest_last(self) -> None:
        flow = self.one(*(
            self.event("ack", n, seg_flags=ACK, seg_window=raw)
            for n, raw in enumerate((300, 511, 0, 294))))
        sizes = flow.ranges["peer"]
        self.assertEqual((sizes.smallest.raw, sizes.largest.raw,
                          sizes.last.raw), (0, 511, 294))
        self.assertEqual(flow.ranges["own"].last, Window(502, 7))

    def test_a_window_is_no_larger_than_its_field_can_say(self) -> None:
        """The kernel's own count goes on: without scaling, or above 1 GB."""
        for shift in (0, 14):
            self.setUp()
            flow = self.one(self.event("ack", 0, rcv_wscale=shift,
                                       rcv_wnd=65780 << shift))
            self.assertEqual(flow.ranges["own"].last, Window(65535, shift))

    def test_a_syns_window_is_not_scaled_and_not_taken(self) -> None:
        windows = watch(
            self.event("ack", 0, state=SYN_RECEIVED, seg_flags=SYN,
                       seg_window=64240),
            self.event("ack", 1, seg_flags=SYN, seg_window=64240))
        flow, = windows.flows()
        self.assertNotIn("peer", flow.ranges)


class Episodes(Stage):
    def test_closed_probed_opened(self) -> None:
        windows = watch(
            self.turns(0, "closed"), self.probe(240, 0), self.probe(720, 1),
            self.probe(1680, 2, probes_out=1), self.turns(2000, "opened"))
        flow, = windows.flows()
        episode, = flow.episodes
        self.assertEqual((episode.took_us, episode.ended_by, episode.update,
                          episode.update_ack),
                         (2_000_000, "opened", Window(511, 8), 100))
        self.assertEqual([(p.number, p.unanswered, p.backoff, p.waited_us,
                           p.next_wait_us) for p in episode.probes], [
            (1, 0, 0, None, 480_000), (2, 0, 1, 480_000, 960_000),
            (3, 1, 2, 960_000, 1_920_000)])
        self.assertEqual(windows.stalled_us(flow, "peer", 0), 2_000_000)
        self.assertEqual((flow.probes_of_zero, flow.episodes_seen, flow.left_out),
                         (3, {"peer": 1, "own": 0}, 0))

    def test_who_stood_still_is_said_where_somebody_asked(self) -> None:
        closed, opened = self.turns(0, "closed"), self.turns(2000, "opened")
        asked = "\n".join(as_text(watch(closed, self.probe(240, 0), opened), None))
        self.assertIn("the peer's window closed: we stood still\n", asked)
        unasked = "\n".join(as_text(watch(closed, opened), None))
        self.assertIn("the peer's window closed\n", unasked)
        self.assertNotIn("we stood still", unasked)

    def test_the_longest_of_several(self) -> None:
        flow = self.one(*(
            turn for n, took in enumerate((5, 70, 20)) for turn in
            (self.turns(100 * n, "closed"), self.turns(100 * n + took, "opened"))))
        self.assertEqual((flow.longest_us["peer"], flow.stalled_ns["peer"]),
                         (70_000, 95 * MS))

    def test_a_probe_that_brings_data_ends_the_asking(self) -> None:
        flow = self.one(self.turns(0, "closed"),
                        self.probe(1, 0, probe_carries_data=1))
        probe, = flow.episodes[0].probes
        self.assertEqual((probe.carries_data, probe.next_wait_us), (True, None))

    def test_our_own_window_opens_with_its_number(self) -> None:
        flow = self.one(
            self.turns(0, "closed", "own", rcv_isn=9, rcv_nxt=30),
            self.turns(500, "opened", "own", rcv_isn=9, rcv_nxt=30))
        episode, = flow.episodes
        self.assertEqual((episode.side, episode.took_us, episode.update,
                          episode.update_ack),
                         ("own", 500_000, Window(502, 7), 21))
        self.assertEqual(flow.ranges["own"].smallest.size, 0)

    def test_both_sides_windows_are_told_apart(self) -> None:
        flow = self.one(
            self.turns(0, "closed"), self.turns(1, "closed", "own"),
            self.turns(10, "opened"), self.turns(31, "opened", "own"))
        self.assertEqual([(e.side, e.took_us) for e in flow.episodes],
                         [("peer", 10_000), ("own", 30_000)])

    def test_still_zero_at_the_end(self) -> None:
        windows = watch(self.turns(0, "closed"))
        flow, = windows.flows()
        end_ns = self.scene.start_ns + 3000 * MS
        self.assertEqual(windows.stalled_us(flow, "peer", end_ns), 3_000_000)
        text = "\n".join(as_text(windows, end_ns))
        self.assertIn("still zero at the end after 3 s", text)
        told = next(as_json(windows, end_ns)["connections"])
        self.assertEqual((told["stalled_us"]["peer"], told["longest_us"]["peer"]),
                         (3_000_000, 3_000_000))

    def test_ended_with_the_connection(self) -> None:
        flow = self.one(
            self.turns(0, "closed"),
            self.event("state", 700, state=CLOSED, old_state=ESTABLISHED))
        self.assertEqual((flow.episodes[0].ended_by, flow.episodes[0].took_us),
                         ("connection ended", 700_000))

    def test_after_a_gap_the_connections_end_tells_no_time(self) -> None:
        flow = self.one(
            self.turns(0, "closed"),
            self.scene.event("lost", 0, lost_events=2),
            self.event("destroy", 700, state=CLOSED))
        self.assertEqual((flow.episodes[0].ended_by, flow.episodes[0].took_us),
                         ("connection ended", None))

    def test_other_probes_are_not_of_it(self) -> None:
        flow = self.one(
            self.probe(0, 0, "keepalive"),
            self.probe(1, 0, snd_wnd=100, probe_carries_data=1),
            self.turns(2, "closed"), self.probe(3, 0, "keepalive"))
        self.assertEqual((flow.keepalive_probes, flow.persist_probes,
                          flow.probes_of_zero), (2, 1, 0))
        self.assertEqual(flow.episodes[0].probes_seen, 0)

    def test_numbers_behind_the_wrap(self) -> None:
        flow = self.one(self.turns(0, "closed"), self.turns(
            5, "opened", snd_isn=2**32 - 1, seg_ack=99))
        self.assertEqual(flow.episodes[0].update_ack, 100)


class InPart(Stage):
    def test_begins_with_a_probe(self) -> None:
        flow = self.one(self.probe(0, 3), self.probe(2000, 4),
                        self.turns(2500, "opened"))
        episode, = flow.episodes
        self.assertEqual((episode.began_ns, episode.took_us), (None, None))
        self.assertEqual([p.number for p in episode.probes], [None, None])
        self.assertEqual(episode.probes[1].waited_us, 2_000_000)
        self.assertEqual(flow.stalled_ns["peer"], 2_500 * MS)
        self.assertTrue(flow.partly)

    def test_the_time_is_told_as_far_as_it_was_seen(self) -> None:
        """Recording began while it was closed, or a part of it was lost."""
        lost = self.scene.event("lost", 0, lost_events=1)
        opens = self.event("ack", 2900, seg_flags=ACK, snd_wnd=1280)
        for events, least, episode in (
                ((self.probe(0, 3), self.turns(2500, "opened")), "at least 2.5 s",
                 "opened after 2.5 s at least"),
                ((self.probe(0, 3), self.probe(2000, 4)), "at least 3 s",
                 "still zero at the end after 3 s at least"),
                ((self.turns(0, "closed"), self.probe(2000, 3), lost, opens),
                 "at least 2 s", "its end was not seen"),
                ((self.turns(0, "closed"), self.probe(2000, 3), lost),
                 "at least 2 s", "its end may be lost"),
                ((self.turns(0, "opened"),), "?", "opened to"),
                ((self.turns(0, "closed"), self.turns(2000, "opened")), "2 s",
                 "opened after 2 s to")):
            with self.subTest(episode):
                text = list(as_text(watch(*events), self.scene.start_ns + 3000 * MS))
                row = next(line for line in text if "peer's     1" in line)
                self.assertEqual(re.split("  +", row)[3:5], [least, least])
                self.assertIn(episode, "\n".join(text))

    def test_after_a_gap_an_open_window_opened_unseen(self) -> None:
        """A gap, and then the window is open: when it opened is not known."""
        flow = self.one(
            self.turns(0, "closed"),
            self.scene.event("lost", 0, lost_events=3),
            self.event("ack", 900, seg_flags=ACK, seg_window=5, snd_wnd=1280))
        self.assertEqual((flow.episodes[0].ended_by, flow.episodes[0].ended_ns),
                         ("not seen", None))
        self.assertEqual(flow.stalled_ns["peer"], 0)

    def test_gap_and_still_closed(self) -> None:
        flow = self.one(
            self.turns(0, "closed"),
            self.scene.event("lost", 0, lost_events=3),
            self.probe(900, 3), self.turns(1000, "opened", snd_wnd=1))
        self.assertEqual(flow.episodes[0].took_us, 1_000_000)

    def test_a_second_closing_means_that_it_opened_unseen(self) -> None:
        flow = self.one(self.turns(0, "closed"), self.turns(5, "closed"))
        self.assertEqual([e.ended_by for e in flow.episodes],
                         ["not seen", None])

    def test_after_a_loss_the_end_is_not_sure(self) -> None:
        windows = watch(self.turns(0, "closed"),
                        self.scene.event("lost", 0, lost_events=3))
        self.assertIn("zero?", "\n".join(as_text(windows, None)))
        flow, = windows.flows()
        self.assertEqual(windows.stalled_us(flow, "peer", 10**15), 0)

    def test_memory_is_bounded(self) -> None:
        with mock.patch("renoscope_lib.views.windows.KEPT", 2):
            windows = watch(self.turns(0, "closed"),
                            *(self.probe(n, n) for n in range(1, 9)))
        episode = next(as_json(windows, None)["connections"])["episodes"][0]
        self.assertEqual((len(episode["probes"]), episode["probes_seen"]),
                         (2, 8))
        self.assertIn("6 earlier probes left out",
                      "\n".join(as_text(windows, None)))


class Tables(Stage):
    def test_nothing_seen_and_nothing_closed_are_said(self) -> None:
        self.assertEqual(list(as_text(watch(), None)), ["No window was seen."])
        self.assertIn("No window closed.",
                      as_text(watch(self.event("ack", 0, seg_flags=ACK)), None))

    def test_both_families_fit(self) -> None:
        windows = watch(
            self.turns(0, "closed"), self.probe(240, 0), self.turns(9, "opened"),
            self.turns(10, "closed", cookie=6, family=6, local_addr="fd77::1",
                       remote_addr="fd77::2"))
        text = list(as_text(windows, None))
        self.assertLess(max(map(len, text)), 101)
        self.assertIn("[fd77::2]:5000", "\n".join(text))

    def test_who_is_given_up_for_a_window_that_stays_zero(self) -> None:
        """tcp_probe_timer(): an orphan, and whoever set TCP_USER_TIMEOUT."""
        words = " ".join(HOW_TO_READ_EPISODES.split())
        self.assertNotIn("never", words)
        self.assertIn("only after our close(), or with TCP_USER_TIMEOUT", words)

    def test_a_limit_is_of_connections_in_each_table(self) -> None:
        windows = watch(*(self.turns(n, "closed", cookie=n) for n in range(5, 8)),
                        self.event("ack", 9, seg_flags=ACK, seg_window=9, cookie=8))
        text = list(as_text(windows, None, limit=1))
        self.assertEqual([line for line in text if "more:" in line], [
            "... and 3 more: --limit 0 shows all, --json too",
            "... and 2 more: --limit 0 shows all, --json too"])
        self.assertNotIn("sk:6", "\n".join(text))
        self.assertNotIn("more:", "\n".join(as_text(windows, None, limit=4)))


if __name__ == "__main__":
    unittest.main()
