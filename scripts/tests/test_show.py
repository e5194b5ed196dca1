# SPDX-License-Identifier: GPL-2.0
"""Lines for people and JSON, with the numbers of MISSION.md."""

import json
import unittest
from typing import Any

from renoscope_lib import sequence, words
from renoscope_lib.flows import Joiner
from renoscope_lib.schema import Event
from renoscope_lib.show import Clock, Filter, JsonWriter, LineWriter

from . import support
from .support import (ACK, CLOSED, ESTABLISHED, FIN, ISN_A, ISN_B, LISTEN,
                      LOSS, MS, NO_SOCKET, OPEN, PSH, SECOND, SYN,
                      SYN_RECEIVED, SYN_SENT, Scene)


def line(event: Event, raw: bool = False, colour: bool = False) -> str:
    return LineWriter(support.schema(), Clock(), raw, colour).line(event)


def plain(event: Event) -> dict[str, Any]:
    return json.loads(JsonWriter(support.schema()).line(event))


class Arithmetic(unittest.TestCase):
    def test_third_segment(self) -> None:
        self.assertEqual(sequence.following(ISN_A, 0, SYN), 2712239079)
        self.assertEqual(sequence.following(ISN_B, 0, SYN | ACK), 1288781509)

    def test_data_and_fin(self) -> None:
        self.assertEqual(sequence.following(2712239079, 960, ACK), 2712240039)
        self.assertEqual(sequence.following(1288781777, 0, FIN | ACK),
                         1288781778)

    def test_relative(self) -> None:
        for length, after in ((8, 9), (725, 726), (1448, 1449)):
            raw = sequence.following(ISN_A + 1, length, ACK)
            self.assertEqual(sequence.relative(raw, ISN_A), after)
        for fin, acked in ((3343, 3344), (4478, 4479)):
            self.assertEqual(sequence.following(fin, 0, FIN), acked)

    def test_past_2_to_the_32(self) -> None:
        isn = 0xFFFFFFFE
        self.assertEqual(sequence.following(isn, 0, SYN), 0xFFFFFFFF)
        self.assertEqual(sequence.following(0xFFFFFFFF, 725, ACK), 724)
        self.assertEqual(sequence.relative(724, isn), 726)

    def test_windows(self) -> None:
        self.assertEqual(sequence.scaled_window(511, 8, ACK), 130816)
        self.assertEqual(sequence.scaled_window(294, 7, ACK), 37632)
        self.assertEqual(sequence.scaled_window(64240, 7, SYN | ACK), 64240)


class Received(unittest.TestCase):
    def ack(self, **values: Any) -> Event:
        return Scene().event("ack", **{
            "snd_isn": ISN_A, "rcv_isn": ISN_B, "snd_una": ISN_A + 1,
            "snd_nxt": ISN_A + 726, "rcv_nxt": ISN_B + 1,
            "seg_seq": ISN_B + 1, "seg_ack": ISN_A + 726, "seg_len": 8,
            "seg_flags": PSH | ACK, "seg_window": 511, "snd_wscale": 8,
            "rcv_wscale": 7, "cwnd": 10, "ssthresh": 0x7FFFFFFF,
            "srtt_us": 36020, "rto_us": 236000, "state": ESTABLISHED} | values)

    def test_words(self) -> None:
        shown = line(self.ack())
        self.assertIn("sk:5 ", shown)
        self.assertRegex(shown, r"10\.77\.0\.1:40112 +< +10\.77\.0\.2:5000 ")
        self.assertIn("received [PSH,ACK] seq=1 ack=726 len=8 next=9 "
                      "win=130816", shown)
        self.assertIn("| una=1 nxt=726 rcv=1 cwnd=10 ssthresh=inf "
                      "srtt=36.02 ms rto=236 ms", shown)

    def test_received_windows_take_the_peers_scale(self) -> None:
        self.assertIn("win=37632 ", line(self.ack(
            seg_window=294, snd_wscale=7, rcv_wscale=3)) + " ")

    def test_zero_window_is_shown(self) -> None:
        self.assertIn("win=0 ", line(self.ack(seg_window=0)) + " ")

    def test_raw(self) -> None:
        shown = line(self.ack(), raw=True)
        self.assertIn(f"seq={ISN_B + 1} ack={ISN_A + 726}", shown)
        self.assertIn(f"una={ISN_A + 1} nxt={ISN_A + 726} rcv={ISN_B + 1}",
                      shown)

    def test_wrap(self) -> None:
        shown = line(self.ack(snd_isn=0xFFFFFFFE, snd_una=0xFFFFFFFF,
                              snd_nxt=724, seg_ack=724))
        self.assertIn("ack=726", shown)
        self.assertIn("una=1 nxt=726", shown)

    def test_unknown_isn_shows_raw_numbers_as_such(self) -> None:
        shown = line(self.ack(snd_isn=0))
        self.assertIn(f"ack={ISN_A + 726}(raw)", shown)
        self.assertIn(f"una={ISN_A + 1}(raw)", shown)
        self.assertIn("seq=1 ", shown, "the other side is known")

    def test_ssthresh_backoff_and_loss(self) -> None:
        shown = line(self.ack(ssthresh=12, backoff=2, ca_state=LOSS,
                              srtt_us=0))
        self.assertIn("ssthresh=12 srtt=- rto=236 ms backoff=2 ca=Loss", shown)

    def test_json(self) -> None:
        shown = plain(self.ack())
        self.assertEqual(shown["relative"], {
            "snd_una": 1, "snd_nxt": 726, "rcv_nxt": 1, "seg_seq": 1,
            "seg_ack": 726})
        self.assertEqual((shown["kind"], shown["window"], shown["snd_una"],
                          shown["local_addr"], shown["seg_flags"],
                          shown["state"], shown["connection"]),
                         ("ack", 130816, ISN_A + 1, "10.77.0.1",
                          ["PSH", "ACK"], "ESTABLISHED", "sk:5"))
        self.assertNotIn("lost_events", shown)

    def test_json_leaves_out_what_is_not_known(self) -> None:
        self.assertEqual(plain(self.ack(snd_isn=0))["relative"],
                         {"rcv_nxt": 1, "seg_seq": 1})


class OtherKinds(unittest.TestCase):
    def test_state(self) -> None:
        shown = line(Scene().event("state", old_state=SYN_SENT,
                                   state=ESTABLISHED))
        self.assertIn("  SYN-SENT -> ESTABLISHED", shown)

    def test_filled_isn_is_named_and_not_counted_from(self) -> None:
        scene = Scene()
        joiner = Joiner(support.schema())
        early = scene.event("state", old_state=CLOSED, state=SYN_SENT,
                            local_port=0, snd_una=77)
        later = scene.event("state", old_state=SYN_SENT, state=ESTABLISHED,
                            snd_isn=ISN_A)
        first = [*joiner.feed(early), *joiner.feed(later)][0]
        shown = line(first)
        self.assertIn("10.77.0.1:40112", shown)
        self.assertIn(f"CLOSED -> SYN-SENT, ISN {ISN_A}", shown)
        self.assertIn("una=77(raw)", shown)
        self.assertEqual(plain(first)["relative"], {})
        self.assertEqual(plain(first)["filled"], ["local_port", "snd_isn"])

    def test_sent_again(self) -> None:
        shown = line(Scene().event(
            "retransmit", snd_isn=ISN_A, rcv_isn=ISN_B, seg_seq=ISN_A + 1,
            seg_ack=ISN_B + 9, seg_len=1448, seg_flags=ACK, ca_state=LOSS,
            rcv_wscale=8, snd_wscale=7))
        self.assertIn("> 10.77.0.2:5000", shown)
        self.assertIn("sent again [ACK] seq=1 ack=9 len=1448 next=1449 (Loss)",
                      shown)
        self.assertNotIn("win=", shown, "the queue's segments have no header")

    def test_syn_sent_again(self) -> None:
        shown = line(Scene().event("retransmit", snd_isn=ISN_A, seg_seq=ISN_A,
                                   seg_flags=SYN))
        self.assertIn("sent again [SYN] seq=0 len=0 next=1 (Open)", shown)

    def test_synack(self) -> None:
        scene = Scene()
        writer = LineWriter(support.schema(), Clock())
        common = {"by_timer": 1, "max_retries": 2, "synack_timeout_us": SECOND,
                  "half_open": 3, "accept_queue": 1, "accept_limit": 128}
        first = scene.event("synack_retransmit", SECOND, rto_us=2_000_000,
                            since_synack_us=1_000_000, **common)
        second = scene.event("synack_retransmit", 3020 * MS, num_retrans=1,
                             num_timeout=1, rto_us=4_000_000,
                             since_synack_us=3_020_000, **common)
        self.assertIn("SYN-ACK sent again, attempt 1 (timer): waited 1 s, "
                      "next wait 2 s", writer.line(first))
        self.assertIn("SYN-ACK sent again, attempt 2 (timer): waited 2.02 s, "
                      "last wait 4 s  | half-open 3, accept queue 1 of 128",
                      writer.line(second))
        lone = LineWriter(support.schema(), Clock()).line(second)
        self.assertIn("3.02 s after the first one", lone)

    def test_a_hidden_retransmit_counts_for_the_next(self) -> None:
        scene = Scene()
        writer = LineWriter(support.schema(), Clock())
        writer.note(scene.event("synack_retransmit", SECOND, by_timer=1))
        self.assertIn("waited 2 s", writer.line(scene.event(
            "synack_retransmit", 3 * SECOND, num_retrans=1, by_timer=1)))

    def test_congestion_state(self) -> None:
        shown = line(Scene().event("ca_state", old_ca_state=OPEN,
                                   ca_state=LOSS))
        self.assertIn("congestion state Open -> Loss", shown)

    def test_congestion_state_set_again(self) -> None:
        shown = line(Scene().event("ca_state"))
        self.assertIn("congestion state set to Open", shown)

    def test_a_listener_has_no_congestion_window(self) -> None:
        scene = Scene()
        for old, new in ((CLOSED, LISTEN), (LISTEN, SYN_RECEIVED),
                         (LISTEN, CLOSED)):
            self.assertNotIn("cwnd", line(scene.event(
                "state", old_state=old, state=new, cwnd=10)))
        self.assertIn("cwnd=10", line(scene.event(
            "state", old_state=SYN_RECEIVED, state=ESTABLISHED, cwnd=10)))

    def test_heading_stands_above_its_columns(self) -> None:
        for offset in (None, 5):
            writer = LineWriter(support.schema(), Clock(offset))
            shown = writer.line(Scene().event("ca_state"))
            heading = writer.heading()
            for name, value in (("cpu ", "cpu0"), ("connection", "sk:5"),
                                ("local", "10.77.0.1:"),
                                ("peer", "10.77.0.2:"),
                                ("what happened", "congestion state")):
                self.assertEqual(heading.index(name), shown.index(value), name)

    def test_reset_sent(self) -> None:
        shown = line(Scene().event(
            "reset_sent", cookie=0, reset_reason=NO_SOCKET, seg_flags=SYN,
            seg_seq=ISN_A, seg_window=64240))
        self.assertIn("sk:- ", shown)
        self.assertIn(f"RST sent: NO_SOCKET, in answer to [SYN] "
                      f"seq={ISN_A}(raw) len=0 next={ISN_A + 1}(raw) "
                      "win=64240", shown)

    def test_reset_received(self) -> None:
        shown = line(Scene().event("reset_received", state=ESTABLISHED))
        self.assertIn("RST received in ESTABLISHED", shown)
        self.assertNotIn("seq=", shown)

    def test_destroy(self) -> None:
        shown = line(Scene().event("destroy", bytes_acked=726,
                                   bytes_received=9, segs_out=5, segs_in=4,
                                   retrans_segs=1))
        self.assertIn("destroyed; segments: 5 out, 4 in, 1 sent again", shown)

    def test_lost_is_loud_and_always_shown(self) -> None:
        event = Scene().event("lost", cpu=1, serial=5, lost_events=123)
        self.assertTrue(line(event).startswith(
            "*** 123 events LOST on cpu1, serial 5 to 127"))
        self.assertTrue(Filter(frozenset({"ack"}), 1, 1).wants(event))
        self.assertEqual(plain(event)["lost_events"], 123)

    def test_ipv6(self) -> None:
        shown = line(Scene().event("ack", local_addr="::1", family=6,
                                   remote_addr="2001:db8::2"))
        self.assertRegex(shown, r"\[::1\]:40112 +< \[2001:db8::2\]:5000")

    def test_every_kind_has_words(self) -> None:
        for kind in support.schema().kind_meanings:
            shown = line(Scene().event(kind))
            self.assertNotRegex(shown, rf"  {kind}$")


class Time(unittest.TestCase):
    def test_from_the_first_event(self) -> None:
        scene = Scene()
        writer = LineWriter(support.schema(), Clock())
        # the time of a loss is when it was told: no time to count from
        writer.line(scene.event("lost", 9 * SECOND, lost_events=1))
        self.assertIn(" 0.000000 cpu0", writer.line(scene.event("ack", MS)))
        self.assertIn(" 0.040213 cpu0", writer.line(
            scene.event("ack", MS + 40_213_000)))

    def test_a_hidden_event_is_first_as_well(self) -> None:
        scene = Scene()
        writer = LineWriter(support.schema(), Clock())
        writer.note(scene.event("ack", 0))
        self.assertIn(" 2.000000 cpu", writer.line(
            scene.event("ack", 2 * SECOND)))

    def test_wall_clock(self) -> None:
        writer = LineWriter(support.schema(),
                            Clock(1_700_000_000 * SECOND - 1000 * SECOND))
        self.assertIn("2023-11-14T22:13:20.001000Z",
                      writer.line(Scene().event("ack", MS)))

    def test_durations(self) -> None:
        self.assertEqual(
            [words.duration(us) for us in (0, 999, 36_020, 204_000, 1_000_000,
                                           2_020_000, 120_000_000)],
            ["0 us", "999 us", "36.02 ms", "204 ms", "1 s", "2.02 s", "120 s"])


class Colour(unittest.TestCase):
    def test_only_when_asked(self) -> None:
        event = Scene().event("retransmit")
        self.assertNotIn("\033", line(event))
        self.assertTrue(line(event, colour=True).startswith("\033[33m"))
        self.assertTrue(line(event, colour=True).endswith("\033[0m"))


class Filtering(unittest.TestCase):
    def test_kind_port_and_connection(self) -> None:
        event = Scene().event("ack")
        for wanted, expected in (
                (Filter(), True),
                (Filter(kinds=frozenset({"ack"})), True),
                (Filter(kinds=frozenset({"state"})), False),
                (Filter(port=5000), True), (Filter(port=40112), True),
                (Filter(port=80), False),
                (Filter(cookie=5), True), (Filter(cookie=6), False),
                (Filter(port=5000, cookie=6), False)):
            with self.subTest(wanted):
                self.assertEqual(wanted.wants(event), expected)


if __name__ == "__main__":
    unittest.main()
