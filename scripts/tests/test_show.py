# SPDX-License-Identifier: GPL-2.0
"""Lines for people and JSON, with the numbers of MISSION.md."""

import errno
import json
import re
import unittest
from typing import Any

from renoscope_lib import words
from renoscope_lib.export.json_lines import JsonWriter
from renoscope_lib.place import MODULE_SOURCE
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp import reno_words, segments, sequence
from renoscope_lib.tcp.flows import Joiner
from renoscope_lib.tcp.small_socks import SmallSocks
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.views.show import Clock, LineWriter

from . import support
from .support import (ACK, CLOSED, ESTABLISHED, FIN, ISN_A, ISN_B, LISTEN,
                      LOSS, MS, NO_SOCKET, OPEN, PSH, RST, SECOND, SYN,
                      SYN_RECEIVED, SYN_SENT, Scene)

FIN_WAIT_2, TIME_WAIT = 5, 6
URG = 0x20


def line(event: Event, raw: bool = False, colour: bool = False) -> str:
    return LineWriter(support.schema(), Clock(), raw, colour).line(event)


def number_of(unit: str, word: str) -> int:
    """The number that a word of the schema stands for."""
    return {name: number for number, name
            in support.schema().values[unit].items()}[word]


def bits_of(unit: str, *names: str) -> int:
    """Flags by their names."""
    return sum(1 << number_of(unit, name) for name in names)


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

    def test_a_line_has_the_segment_and_where_the_connection_stands(self) -> None:
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

    def test_raw_numbers_if_asked_for(self) -> None:
        shown = line(self.ack(), raw=True)
        self.assertIn(f"seq={ISN_B + 1} ack={ISN_A + 726}", shown)
        self.assertIn(f"una={ISN_A + 1} nxt={ISN_A + 726} rcv={ISN_B + 1}",
                      shown)

    def test_relative_numbers_go_on_past_2_to_the_32(self) -> None:
        shown = line(self.ack(snd_isn=0xFFFFFFFE, snd_una=0xFFFFFFFF,
                              snd_nxt=724, seg_ack=724))
        self.assertIn("ack=726", shown)
        self.assertIn("una=1 nxt=726", shown)

    def test_unknown_isn_shows_raw_numbers_as_such(self) -> None:
        shown = line(self.ack(snd_isn=0))
        self.assertIn(f"ack={ISN_A + 726}(raw)", shown)
        self.assertIn(f"una={ISN_A + 1}(raw)", shown)
        self.assertIn("seq=1 ", shown, "the other side is known")

    def test_what_is_out_of_the_ordinary_is_named(self) -> None:
        shown = line(self.ack(ssthresh=12, backoff=2, ca_state=LOSS,
                              srtt_us=0))
        self.assertIn("ssthresh=12 srtt=- rto=236 ms backoff=2 ca=Loss", shown)

    def test_json_has_both_the_raw_and_the_relative_numbers(self) -> None:
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


class SmallSock(unittest.TestCase):
    """In TIME-WAIT the kernel has forgotten ISNs and scales; show has not."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.writer = LineWriter(support.schema(), Clock())

    def whole(self, **values: Any) -> Event:
        return self.scene.event("ack", **{
            "snd_isn": ISN_A, "rcv_isn": ISN_B, "snd_una": ISN_A + 1,
            "snd_nxt": ISN_A + 1, "rcv_nxt": ISN_B + 1, "seg_seq": ISN_B + 1,
            "seg_ack": ISN_A + 1, "seg_flags": ACK, "seg_window": 511,
            "snd_wscale": 8, "rcv_wscale": 7, "state": ESTABLISHED} | values)

    def small(self, kind: str = "segment", **values: Any) -> Event:
        return self.scene.event(kind, **{
            "seg_seq": ISN_B + 9, "seg_ack": ISN_A + 21, "seg_flags": FIN | ACK,
            "seg_window": 511, "state": FIN_WAIT_2,
            "snd_una": ISN_A + 21, "snd_nxt": ISN_A + 21,
            "rcv_nxt": ISN_B + 9} | values)

    def test_its_numbers_go_on(self) -> None:
        for see in (self.writer.line, self.writer.note):
            for state in (FIN_WAIT_2, TIME_WAIT):
                with self.subTest(see=see.__name__, state=state):
                    self.setUp()
                    see = getattr(self.writer, see.__name__)
                    see(self.whole())
                    shown = self.writer.line(self.small(state=state))
                    self.assertIn("[FIN,ACK] seq=9 ack=21 len=0 next=10 win=130816",
                                  shown)
                    self.assertIn("| una=21 nxt=21 rcv=9", shown)
                    self.assertNotIn("(raw)", shown)

    def test_of_one_not_seen_before_numbers_are_raw(self) -> None:
        self.writer.line(self.whole(cookie=6))
        shown = self.writer.line(self.small())
        self.assertIn(f"seq={ISN_B + 9}(raw) ack={ISN_A + 21}(raw)", shown)
        self.assertIn("(raw): a number as on the wire, its ISN was not seen",
                      self.writer.heading())

    def test_what_it_was_before_it_connected_anew_is_forgotten(self) -> None:
        """Its segment in TIME-WAIT may come even so, and is known by its ends."""
        joiner = Joiner(support.schema())
        again = self.scene.event("state", state=SYN_SENT, old_state=CLOSED, snd_isn=77)
        new, old = self.small(local_port=40113), self.small()
        *_, new, old = [event for each in (self.whole(), again, new, old)
                        for event in joiner.feed(each)]
        self.writer.line(self.whole())
        self.assertIn("(raw)", self.writer.line(new))
        self.assertNotIn("(raw)", self.writer.line(old))

    def test_a_new_syn_counts_from_itself(self) -> None:
        self.writer.line(self.whole())
        self.assertIn("[SYN] seq=0 ", self.writer.line(self.small(
            seg_seq=77, seg_flags=SYN, state=TIME_WAIT)))

    def test_the_earliest_are_forgotten(self) -> None:
        socks = SmallSocks(support.schema(), most=2)
        for cookie in (1, 2, 3):
            socks.see(self.whole(cookie=cookie))
        self.assertEqual([socks.completed(self.small(cookie=cookie))["snd_isn"]
                          for cookie in (1, 2, 3)], [0, ISN_A, ISN_A])


class OtherKinds(unittest.TestCase):
    def test_a_change_of_state_names_both(self) -> None:
        shown = line(Scene().event("state", old_state=SYN_SENT,
                                   state=ESTABLISHED))
        self.assertIn("  SYN-SENT -> ESTABLISHED", shown)
        self.assertNotIn(", by", shown)

    def test_whose_call_it_was(self) -> None:
        for comm, name in ((b"curl", "curl"), (b"x" * 16, "x" * 16), (b"", ""),
                           (b"a\x1b[2J\n\xff", "a?[2J?\N{REPLACEMENT CHARACTER}")):
            shown = line(Scene().event("state", old_state=CLOSED, state=SYN_SENT,
                                       pid=77, comm=comm))
            self.assertTrue(shown.endswith(f"  CLOSED -> SYN-SENT, by {name}[77]"), shown)

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

    def test_what_is_sent_again_is_named_with_its_numbers(self) -> None:
        shown = line(Scene().event(
            "retransmit", snd_isn=ISN_A, rcv_isn=ISN_B, seg_seq=ISN_A + 1,
            seg_ack=ISN_B + 9, seg_len=1448, seg_flags=ACK, ca_state=LOSS,
            rcv_wscale=8, snd_wscale=7))
        self.assertIn("> 10.77.0.2:5000", shown)
        self.assertIn("sent again [ACK] seq=1 ack=9 len=1448 next=1449 (Loss)",
                      shown)
        self.assertNotIn("win=", shown, "the queue's segments have no header")

    def test_a_syn_sent_again_counts_from_itself(self) -> None:
        shown = line(Scene().event("retransmit", snd_isn=ISN_A, seg_seq=ISN_A,
                                   seg_flags=SYN))
        self.assertIn("sent again [SYN] seq=0 len=0 next=1 (Open)", shown)

    def test_a_synack_sent_again_tells_what_it_waited_and_will_wait(self) -> None:
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

    def test_the_last_wait_of_a_crowded_queue_may_not_be_the_last(self) -> None:
        """As kernels of a flood told it: max_retries is 2, then 5 again."""
        scene = Scene()
        writer = LineWriter(support.schema(), Clock())
        lines = [writer.line(scene.event(
            "synack_retransmit", at * SECOND, by_timer=1, num_retrans=n, num_timeout=n,
            max_retries=retries, half_open=half_open, accept_limit=32,
            since_synack_us=at * 1_000_000, rto_us=2_000_000 << n))
            for n, (at, retries, half_open) in enumerate(
                ((1, 5, 33), (3, 2, 33), (7, 5, 16)))]
        self.assertIn("waited 2 s, last wait 4 s if the queue stays crowded  |", lines[1])
        self.assertIn("waited 4 s, next wait 8 s  |", lines[2])

    def test_a_hidden_retransmit_counts_for_the_next(self) -> None:
        scene = Scene()
        writer = LineWriter(support.schema(), Clock())
        writer.note(scene.event("synack_retransmit", SECOND, by_timer=1))
        self.assertIn("waited 2 s", writer.line(scene.event(
            "synack_retransmit", 3 * SECOND, num_retrans=1, by_timer=1)))

    def test_a_change_of_congestion_state_names_both(self) -> None:
        shown = line(Scene().event("ca_state", old_ca_state=OPEN,
                                   ca_state=LOSS))
        self.assertIn("congestion state Open -> Loss", shown)

    def test_the_same_congestion_state_is_set_not_changed(self) -> None:
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

    def test_in_short_the_connection_its_peer_and_what_happened(self) -> None:
        writer = LineWriter(support.schema(), Clock(), short=True)
        shown = writer.line(Scene().event("ca_state", cpu=3))
        self.assertEqual(shown.split(maxsplit=4)[1:4], ["sk:5", "-", "10.77.0.2:5000"])
        for left_out in ("cpu3", "10.77.0.1:", "|"):
            self.assertNotIn(left_out, shown)
        heading = writer.heading()
        for name, value in (("connection", "sk:5"), ("peer", "10.77.0.2:"),
                            ("what happened", "congestion state")):
            self.assertEqual(heading.index(name), shown.index(value), name)

    def test_a_rst_names_its_reason_and_what_it_answers(self) -> None:
        shown = line(Scene().event(
            "reset_sent", cookie=0, reset_reason=NO_SOCKET, seg_flags=SYN,
            seg_seq=ISN_A, seg_window=64240))
        self.assertIn("sk:- ", shown)
        self.assertIn("RST sent: NO_SOCKET, in answer to [SYN] seq=0 len=0 "
                      "next=1 win=64240", shown)

    def test_a_syn_counts_from_itself(self) -> None:
        """Its number is the ISN that nobody has told yet."""
        for kind in ("syn", "segment", "reset_sent", "refused"):
            with self.subTest(kind):
                event = Scene().event(kind, seg_flags=SYN, seg_seq=ISN_A)
                self.assertIn("[SYN] seq=0 len=0 next=1", line(event))
                self.assertIn(f"[SYN] seq={ISN_A} len=0 next={ISN_A + 1}",
                              line(event, raw=True))
                self.assertEqual(plain(event)["seg_seq"], ISN_A)
        data = Scene().event("ack", seg_flags=ACK, seg_seq=ISN_A)
        self.assertIn(f"seq={ISN_A}(raw)", line(data))

    def test_the_rst_that_answers_a_syn_counts_from_nobodys_number(self) -> None:
        for seq, said in ((0, "seq=0 ack="), (77, "seq=77(raw) ack=")):
            event = Scene().event("segment", seg_flags=RST | ACK,
                                  seg_seq=seq, seg_ack=ISN_A + 1)
            self.assertIn(f"[RST,ACK] {said}", line(event))

    def test_a_rst_without_its_segment_names_the_state_alone(self) -> None:
        shown = line(Scene().event("reset_received", state=ESTABLISHED))
        self.assertIn("RST received in ESTABLISHED", shown)
        self.assertNotIn("seq=", shown)

    def test_a_destroyed_sockets_segments_are_counted(self) -> None:
        shown = line(Scene().event("destroy", bytes_acked=726,
                                   bytes_received=9, segs_out=5, segs_in=4,
                                   retrans_segs=1))
        self.assertIn("destroyed; segments: 5 out, 4 in, 1 sent again", shown)

    def test_a_disconnect_has_cleared_the_counts(self) -> None:
        self.assertIn("destroyed; its counts were cleared by a disconnect",
                      line(Scene().event("destroy", remote_port=0)))

    def test_lost_is_loud_and_always_shown(self) -> None:
        event = Scene().event("lost", cpu=1, serial=5, lost_events=123)
        self.assertTrue(line(event).startswith(
            "*** 123 events LOST on cpu1, serial 5 to 127"))
        self.assertTrue(Filter(frozenset({"ack"}), 1, 1).wants(event))
        self.assertEqual(plain(event)["lost_events"], 123)

    def test_ipv6_addresses_stand_in_brackets(self) -> None:
        shown = line(Scene().event("ack", local_addr="::1", family=6,
                                   remote_addr="2001:db8::2"))
        self.assertRegex(shown, r"\[::1\]:40112 +< \[2001:db8::2\]:5000")

    def test_every_kind_has_words(self) -> None:
        for kind in support.schema().kind_meanings:
            shown = line(Scene().event(kind))
            self.assertNotRegex(shown, rf"  {kind.replace('_', '[_ ]')}$",
                                f"sentences.py has no _{kind}()")


class Retransmits(unittest.TestCase):
    def shown(self, cause: str, **values: Any) -> str:
        return line(Scene().event(
            "retransmit", snd_isn=ISN_A, rcv_isn=ISN_B, seg_seq=ISN_A + 1,
            seg_ack=ISN_B + 1, seg_len=1448, seg_flags=ACK,
            retransmit_cause=number_of("retransmit_cause", cause), **values))

    def test_each_cause_has_its_words(self) -> None:
        for cause, said in (
                ("rto", "(RTO, Open)"),
                ("fast_retransmit", "(fast retransmit, Open)"),
                ("loss_recovery", "(loss recovery, Open)"),
                ("tail_loss_probe", "(tail loss probe, Open)"),
                ("syn", "(SYN not answered, Open)"),
                ("zero_window",
                 "(timer while the peer's window was zero, Open)"),
                ("unknown", "next=1449 (Open)")):
            with self.subTest(cause):
                self.assertIn(said, self.shown(cause))

    def test_several_segments_together_are_counted(self) -> None:
        self.assertIn("sent again 3 segments together, [ACK] seq=1",
                      self.shown("rto", retransmit_segs=3))
        self.assertNotIn("together", self.shown("rto", retransmit_segs=1))


class OwnAlgorithms(unittest.TestCase):
    def shown(self, kind: str, **values: Any) -> str:
        return line(Scene().event(kind, **values))

    def reduced(self, cause: int) -> str:
        return self.shown("reno_reduction", new_ssthresh=12, reno_cause=cause)

    def test_a_new_phase_names_the_one_before_and_why(self) -> None:
        for old, new, cause, said in (
                ("none", "slow_start", "begin",
                 "  slow start: the connection begins, or the algorithm for it"),
                ("slow_start", "avoidance", "ssthresh",
                 "  slow start -> congestion avoidance: cwnd reached ssthresh"),
                ("slow_start", "css", "ack_train", "  slow start -> conservative "
                 "slow start: ACKs arrive for half a round trip")):
            with self.subTest(cause):
                self.assertIn(said, self.shown(
                    "reno_phase", old_phase=number_of("reno_phase", old),
                    phase=number_of("reno_phase", new),
                    reno_cause=number_of("reno_cause", cause)))

    def test_every_cause_and_phase_has_words(self) -> None:
        values = support.schema().values
        self.assertEqual(set(values["reno_cause"].values()), set(reno_words.CAUSES))
        self.assertEqual(set(values["reno_phase"].values()) - {"none"},
                         set(reno_words.PHASES))

    def test_words_of_a_newer_module_show_as_they_are(self) -> None:
        self.assertEqual(reno_words.cause_words("full_moon"), "full moon")
        self.assertEqual(reno_words.phase_name("fast_start"), "fast start")
        self.assertIn("  ssthresh 12 wanted: unknown(200)", self.reduced(200))

    def test_a_round_tells_what_was_acknowledged_and_its_rtt(self) -> None:
        self.assertIn("  round trip over: 20 segments acknowledged, shortest RTT "
                      "51.2 ms, cwnd was 10", self.shown(
                          "reno_round", round_acked=20, round_rtt_us=51_200,
                          old_cwnd=10))
        self.assertIn("1 segment acknowledged, no RTT measured, cwnd was 1",
                      self.shown("reno_round", round_acked=1, old_cwnd=1))
        self.assertIn("no segment acknowledged before this ACK",
                      self.shown("reno_round", round_acked=0, old_cwnd=1))

    def test_a_reduction_names_what_is_wanted_and_why(self) -> None:
        self.assertIn("  ssthresh 12 wanted: the retransmission timer fired",
                      self.reduced(number_of("reno_cause", "rto")))

    def test_an_undo_tells_cwnd_and_a_restart_why(self) -> None:
        self.assertIn("  reduction undone: cwnd 40",
                      self.shown("reno_undo", new_cwnd=40))
        self.assertIn("  restart after a rest", self.shown("reno_restart"))


class Handshakes(unittest.TestCase):
    """The life of a request, from the SYN to accept()."""

    def event(self, kind: str, **values: Any) -> Event:
        return Scene().event(kind, **{
            "listener": 11, "half_open": 3, "accept_queue": 1,
            "accept_limit": 128, "state": SYN_RECEIVED} | values)

    def test_a_syn_names_its_listener_and_both_queues(self) -> None:
        event = self.event("syn", cookie=0, state=LISTEN, rcv_isn=ISN_A,
                           seg_seq=ISN_A, seg_flags=SYN, seg_window=64240)
        shown = line(event)
        self.assertIn("SYN arrived for the listener sk:b (half-open 3 of 128): "
                      "[SYN] seq=0 len=0 next=1 win=64240  "
                      "| half-open 3, accept queue 1 of 128", shown)
        self.assertRegex(shown, r":40112 +< ")
        self.assertEqual(plain(event)["listener"], "sk:b")
        self.assertEqual(plain(event)["relative"], {"seg_seq": 0},
                         "a SYN alone has no socket's numbers")

    def test_a_listener_is_asked_for_by_its_id(self) -> None:
        event = self.event("syn", cookie=0)
        self.assertTrue(Filter(cookie=11).wants(event))
        self.assertFalse(Filter(cookie=12).wants(event))

    def test_a_request_counts_itself_into_the_queue(self) -> None:
        self.assertIn("request enters the half-open queue (4 of 128)",
                      line(self.event("request")))

    def test_a_synack_is_plain_a_cookie_or_fast_open(self) -> None:
        sent = {"snd_isn": ISN_B, "rcv_isn": ISN_A, "seg_seq": ISN_B,
                "seg_ack": ISN_A + 1, "seg_flags": SYN | ACK}
        shown = line(self.event("synack", rto_us=1_000_000, **sent))
        self.assertIn("SYN-ACK sent: [SYN,ACK] seq=0 ack=1 len=0 next=1, "
                      "next wait 1 s", shown)
        self.assertRegex(shown, r":40112 +> ")
        cookie = number_of("synack_type", "cookie")
        shown = line(self.event("synack", synack_type=cookie, **sent))
        self.assertIn("SYN cookie sent, nothing is kept: [SYN,ACK]", shown)
        self.assertNotIn("wait", shown)
        fast = number_of("synack_type", "fastopen")
        self.assertIn("SYN-ACK sent, Fast Open: ", line(self.event(
            "synack", synack_type=fast, **sent)))

    def test_a_refused_syn_names_the_reason(self) -> None:
        for word, said in (
                ("accept_queue_full", "SYN refused: accept queue full "
                                      "(129 of 128), [SYN] seq="),
                ("half_open_queue_full", "half-open queue full (3 of 128), "
                                         "SYN cookies are off"),
                ("unproven_peer", "known peers (3 of tcp_max_syn_backlog "
                                  "512), SYN cookies are off"),
                ("other", "SYN refused: no memory, no route, or a policy")):
            event = self.event("refused", accept_queue=129, syn_backlog=512,
                               seg_seq=ISN_A, seg_flags=SYN, rcv_isn=ISN_A,
                               refusal=number_of("refusal", word))
            with self.subTest(word):
                self.assertIn(said, line(event))
                self.assertEqual(plain(event)["refusal"], word)

    def test_a_backlog_of_nought_is_shown_as_it_is(self) -> None:
        """listen(fd, 0): one may wait, and the queue is full above 0."""
        shown = line(self.event("refused", seg_flags=SYN, half_open=0,
                                accept_limit=0, refusal=1))
        self.assertIn("accept queue full (1 of 0)", shown)
        shown = line(self.event("syn", half_open=0, accept_queue=0,
                                accept_limit=0))
        self.assertIn("| half-open 0, accept queue 0 of 0", shown)

    def test_a_refused_last_ack_is_no_refused_syn(self) -> None:
        self.assertIn("last ACK of a handshake refused: accept queue full",
                      line(self.event("refused", seg_flags=ACK, refusal=1)))

    def test_completed_counts_who_waits(self) -> None:
        self.assertIn(
            "handshake complete: waits in the accept queue (1 of 5), 36.02 ms "
            "after the first SYN-ACK", line(self.event(
                "completed", accept_queue=0, accept_limit=5,
                since_synack_us=36020)))
        shown = line(self.event(
            "completed", accept_queue=0, accept_limit=5, sock_flags=1 << number_of(
                "sock_flags", "fastopen")))
        self.assertIn("complete by Fast Open, before any last ACK: waits in "
                      "the accept queue (1 of 5)", shown)

    def test_who_accepts_is_named(self) -> None:
        """A recording from before that was recorded does not tell."""
        for values, who in (({"comm": b"nginx", "pid": 7}, "nginx[7]"), ({}, "a process")):
            shown = line(Scene().event(
                "accepted", state=ESTABLISHED, snd_isn=ISN_B, rcv_isn=ISN_A, cwnd=10,
                snd_una=ISN_B + 1, snd_nxt=ISN_B + 1, rcv_nxt=ISN_A + 1, **values))
            self.assertIn(f"accepted by {who}  | una=1 nxt=1 rcv=1 cwnd=10", shown)

    def test_each_end_of_a_request_has_its_words(self) -> None:
        self.assertIn(
            "request given up after 5 timeouts, 63 s after the first SYN-ACK",
            line(self.event("request_end", num_timeout=5, num_retrans=5,
                            since_synack_us=63_000_000,
                            request_ending=number_of("request_ending",
                                                     "expired"))))
        for word, said in (
                ("reset_by_peer", "request ended: a RST came"),
                ("reset_by_us", "made us send a RST"),
                ("listener_gone", "request ended: the listener was closed"),
                ("unsent", "its SYN-ACK could not be sent again, for a rule"),
                ("other", "request ended: an ICMP error"),
                ("other", "or ss -K")):
            with self.subTest(word):
                self.assertIn(said, line(self.event(
                    "request_end",
                    request_ending=number_of("request_ending", word))))

    def test_each_verdict_on_a_cookie_has_its_words(self) -> None:
        for word, said in (
                ("valid", "SYN cookie valid: a connection is made of it: "
                          "[ACK] seq=1 ack=1"),
                ("invalid", "SYN cookie invalid: not one of ours, too old, or with options "
                            "refused"),
                ("valid_refused", "SYN cookie valid, but the connection was "
                                  "refused")):
            with self.subTest(word):
                self.assertIn(said, line(self.event(
                    "cookie_checked", rcv_isn=ISN_A, snd_isn=ISN_B,
                    seg_seq=ISN_A + 1, seg_ack=ISN_B + 1, seg_flags=ACK,
                    cookie_verdict=number_of("cookie_verdict", word))))


class TimeWait(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.writer = LineWriter(support.schema(), Clock())

    def wait(self, step: str, at_ns: int = 0, state: int = TIME_WAIT,
             **values: Any) -> Event:
        return self.scene.event("time_wait", at_ns, state=state,
                                time_wait_step=number_of("time_wait_step",
                                                         step), **values)

    def end(self, word: str, at_ns: int, **values: Any) -> Event:
        return self.scene.event(
            "time_wait_end", at_ns, state=TIME_WAIT,
            time_wait_ending=number_of("time_wait_ending", word), **values)

    def test_each_step_is_told_and_at_the_end_how_long_it_was(self) -> None:
        self.assertIn("TIME-WAIT begins, 60 s", self.writer.line(
            self.wait("started", time_wait_us=60_000_000)))
        self.assertIn("segment in TIME-WAIT: [FIN,ACK] seq=3343 ack=1",
                      self.writer.line(self.wait(
                          "segment", SECOND, seg_flags=FIN | ACK,
                          snd_isn=ISN_A, rcv_isn=ISN_B, seg_seq=ISN_B + 3343,
                          seg_ack=ISN_A + 1)))
        self.assertIn("TIME-WAIT timer set anew, 60 s", self.writer.line(
            self.wait("timer_set", SECOND, time_wait_us=60_000_000)))
        self.assertIn("TIME-WAIT over: timer (after 61.02 s)",
                      self.writer.line(self.end("timer", 61_020 * MS)))

    def test_a_hidden_begin_counts(self) -> None:
        self.writer.note(self.wait("started"))
        self.assertIn("over: timer (after 60 s)", self.writer.line(
            self.end("timer", 60 * SECOND)))

    def test_an_end_whose_begin_was_not_seen_has_no_duration(self) -> None:
        self.assertNotIn("after", self.writer.line(self.end("timer", SECOND)))

    def test_a_segment_is_no_begin(self) -> None:
        """Of one that was in TIME-WAIT before anything was seen of it."""
        self.writer.line(self.wait("segment"))
        self.assertNotIn("after", self.writer.line(self.end("timer", SECOND)))

    def test_each_connection_has_its_own(self) -> None:
        self.writer.line(self.wait("started"))
        self.writer.line(self.wait("started", SECOND, cookie=6))
        self.assertIn("(after 4 s)", self.writer.line(
            self.end("timer", 5 * SECOND, cookie=6)))

    def test_fin_wait_2_becomes_time_wait(self) -> None:
        self.assertIn("FIN-WAIT-2 begins, 60 s", self.writer.line(
            self.wait("started", 0, FIN_WAIT_2, time_wait_us=60_000_000)))
        self.assertIn("FIN-WAIT-2 becomes TIME-WAIT, 60 s", self.writer.line(
            self.wait("timer_set", 2 * SECOND, time_wait_us=60_000_000)))
        self.assertIn("TIME-WAIT over: timer (after 60 s)", self.writer.line(
            self.end("timer", 62 * SECOND)))

    def test_only_what_was_seen_is_said_to_have_changed(self) -> None:
        self.assertIn("TIME-WAIT timer set anew", self.writer.line(
            self.wait("timer_set")))
        self.writer.line(self.wait("started", 0, FIN_WAIT_2, cookie=6))
        self.assertIn("  segment in TIME-WAIT", self.writer.line(
            self.wait("segment", SECOND, cookie=6)))

    def test_each_other_step_and_ending_has_its_words(self) -> None:
        self.assertIn("no room for TIME-WAIT: closed at once",
                      line(self.wait("overflow")))
        for word, said in (("reset", "a RST ended it"),
                           ("new_syn", "a new SYN took its place"),
                           ("reused", "a connect() took its port, or ss -K"),
                           ("other", "the kernel does not say")):
            with self.subTest(word):
                self.assertIn(said, line(self.end(word, SECOND)))


class TimersAndWindows(unittest.TestCase):
    def test_a_timeout_tells_its_wait_and_backoff(self) -> None:
        self.assertIn("RTO of 204 ms fired", line(Scene().event(
            "rto", rto_us=204_000)))
        self.assertIn("RTO of 816 ms fired, backoff 2", line(Scene().event(
            "rto", rto_us=816_000, backoff=2)))

    def test_a_loss_probe_tells_what_it_sent(self) -> None:
        self.assertIn("tail loss probe, new data",
                      line(Scene().event("loss_probe")))
        self.assertIn("tail loss probe, sent again",
                      line(Scene().event("loss_probe", probe_retransmits=1)))

    def test_zero_window_probes_double_their_wait(self) -> None:
        for backoff, rto_us, said in (
                (0, 204_000, "probe 1, next in 408 ms"),
                (2, 204_000, "probe 3, next in 1.632 s"),
                (0, 100_000, "probe 1, next in 400 ms"),  # 200 ms at least
                (11, 204_000, "probe 12, next in 120 s")):  # at most
            with self.subTest(said):
                self.assertIn(f"zero-window {said}", line(Scene().event(
                    "probe", backoff=backoff, rto_us=rto_us)))
        self.assertIn("zero-window probe 3, 1 before it unanswered, next in",
                      line(Scene().event("probe", probes_out=1, backoff=2)))

    def test_a_keepalive_has_no_next_wait_and_data_may_go_instead(self) -> None:
        keepalive = number_of("probe_cause", "keepalive")
        shown = line(Scene().event("probe", probe_cause=keepalive,
                                   probes_out=1, rto_us=204_000))
        self.assertIn("keepalive probe 2, 1 before it unanswered", shown)
        self.assertNotIn("next in", shown)
        self.assertIn("persist timer 2, the window has room: data, not a probe",
                      line(Scene().event("probe", backoff=1, probe_carries_data=1)))

    def test_data_that_the_persist_timer_sends_never_left_before(self) -> None:
        for unanswered, backoff, said in (
                (0, 3, ""), (3, 3, "; 3 before it did not leave this host"),
                (1, 3, "; 1 before it did"),
                (2, 0, "")):  # those were keepalives
            with self.subTest(unanswered=unanswered, backoff=backoff):
                shown = line(Scene().event("probe", probes_out=unanswered,
                                           backoff=backoff, probe_carries_data=1))
                self.assertIn(f"data, not a probe{said}", shown)
                self.assertEqual("before it" in shown, bool(said))

    def test_each_side_closed_or_opened_has_its_words(self) -> None:
        for side, change, said in (
                ("peer", "closed", "peer's window is zero: the sender stands "
                                   "still: [ACK] seq=1 ack=1 len=0 win=0"),
                ("peer", "opened", "peer's window open again: [ACK]"),
                ("own", "closed", "our window is zero: the peer must stand "
                                  "still"),
                ("own", "opened", "our window open again (65535 bytes)")):
            segment = {"seg_flags": ACK, "snd_isn": ISN_A, "rcv_isn": ISN_B,
                       "seg_seq": ISN_B + 1, "seg_ack": ISN_A + 1}
            event = Scene().event(
                "zero_window", rcv_wnd=65535,
                window_side=number_of("window_side", side),
                window_change=number_of("window_change", change),
                **(segment if side == "peer" else {}))
            with self.subTest(said):
                self.assertIn(said, line(event))
                self.assertEqual((plain(event)["window_side"],
                                  plain(event)["window_change"]),
                                 (side, change))

    def test_an_error_has_its_name_and_meaning(self) -> None:
        event = Scene().event("error", sk_error=errno.ETIMEDOUT)
        self.assertIn("error ETIMEDOUT reported: Connection timed out",
                      line(event))
        self.assertEqual((plain(event)["sk_error"], plain(event)["error"]),
                         (110, "ETIMEDOUT"))
        self.assertIn("error report without an error: disconnected",
                      line(Scene().event("error", state=number_of("state", "CLOSED"))))
        for state in ("SYN-SENT", "ESTABLISHED"):
            self.assertIn("put on its error queue (an ICMP message", line(
                Scene().event("error", state=number_of("state", state))))
        self.assertIn("error 4095 reported",
                      line(Scene().event("error", sk_error=4095)))

    def test_a_wrong_checksum_is_told_with_the_segment(self) -> None:
        shown = line(Scene().event("bad_checksum", snd_isn=ISN_A,
                                   rcv_isn=ISN_B, seg_flags=ACK, seg_len=8,
                                   seg_seq=ISN_B + 9, seg_ack=ISN_A + 1))
        self.assertIn("wrong checksum, the segment is dropped: [ACK] seq=9 "
                      "ack=1 len=8", shown)

    def test_a_rst_is_told_with_its_segment(self) -> None:
        self.assertIn("RST received in ESTABLISHED [RST] seq=1 len=0",
                      line(Scene().event(
                          "reset_received", state=ESTABLISHED, seg_flags=RST,
                          rcv_isn=ISN_B, seg_seq=ISN_B + 1)))


class Segments(unittest.TestCase):
    """Every segment, with its options."""

    def segment(self, *flags: str, **values: Any) -> Event:
        return Scene().event("segment", **{
            "snd_isn": ISN_A, "rcv_isn": ISN_B, "seg_seq": ISN_A + 1,
            "seg_ack": ISN_B + 9, "seg_len": 725, "seg_flags": PSH | ACK,
            "seg_window": 511, "rcv_wscale": 8, "snd_wscale": 7,
            "header_words": 8, "tsval": 1000, "tsecr": 2000,
            "segment_flags": bits_of("segment_flags", *flags)} | values)

    def test_numbers_that_the_scripts_know_are_the_headers(self) -> None:
        self.assertEqual(segments.OUTGOING,
                         bits_of("segment_flags", "outgoing"))
        self.assertEqual(segments.OWN_WINDOW,
                         number_of("window_side", "own"))

    def test_the_kinds_of_received_segments_are_the_modules(self) -> None:
        text = (MODULE_SOURCE / "event_text.c").read_text()
        body = text.partition("static bool is_received(")[2].partition("return true;")[0]
        self.assertEqual(re.findall(r"case EVENT_KIND_(\w+):", body),
                         list(segments.RECEIVED_KINDS))

    def test_a_sent_segment_takes_our_scale_and_isn(self) -> None:
        event = self.segment("outgoing", "timestamps")
        shown = line(event)
        self.assertRegex(shown, r":40112 +> ")
        self.assertIn("sent [PSH,ACK] seq=1 ack=9 len=725 next=726 win=130816 "
                      "header=32 <TS val=1000 ecr=2000>", shown)
        self.assertEqual(plain(event)["segment_flags"],
                         ["outgoing", "timestamps"])

    def test_a_received_segment_takes_the_peers_and_sack_ours(self) -> None:
        event = self.segment("timestamps", seg_seq=ISN_B + 1,
                             seg_ack=ISN_A + 726, seg_window=294,
                             sack_blocks=2, sack1_left=ISN_A + 1449,
                             sack1_right=ISN_A + 2897, sack2_left=ISN_A + 4345,
                             sack2_right=ISN_A + 5793)
        shown = line(event)
        self.assertRegex(shown, r":40112 +< ")
        self.assertIn("received [PSH,ACK] seq=1 ack=726 len=725 next=726 "
                      "win=37632", shown)
        self.assertIn("ecr=2000 sack=1449:2897,4345:5793>", shown)
        self.assertEqual(plain(event)["relative"]["sack"],
                         [[1449, 2897], [4345, 5793]])

    def test_a_syns_options_are_all_told(self) -> None:
        shown = line(self.segment(
            "outgoing", "mss", "wscale", "sack_permitted", "timestamps",
            seg_flags=SYN, seg_seq=ISN_A, seg_len=0, header_words=10,
            option_mss=1460, option_wscale=7))
        self.assertIn("sent [SYN] seq=0 len=0 next=1 win=511 header=40 "
                      "<mss=1460 wscale=7 sackOK TS val=1000 ecr=2000>", shown)

    def test_fourth_sack_block_lies_where_timestamps_would(self) -> None:
        shown = line(self.segment(
            sack_blocks=4, sack1_left=ISN_A + 1, sack1_right=ISN_A + 2,
            sack2_left=ISN_A + 3, sack2_right=ISN_A + 4, sack3_left=ISN_A + 5,
            sack3_right=ISN_A + 6, tsval=ISN_A + 7, tsecr=ISN_A + 8))
        self.assertIn("<sack=1:2,3:4,5:6,7:8>", shown)
        self.assertNotIn("TS val", shown)

    def test_sack_without_an_isn_is_raw(self) -> None:
        shown = line(self.segment(snd_isn=0, sack_blocks=1, sack1_left=7,
                                  sack1_right=9))
        self.assertIn("<sack=7(raw):9(raw)>", shown)

    def test_an_urgent_pointer_and_a_shut_window_are_told(self) -> None:
        shown = line(self.segment("outgoing", "unverified", "fastopen",
                                  "other", seg_flags=ACK | URG, seg_window=0,
                                  urgent_pointer=5))
        self.assertIn("win=0 urgent=5 header=32 <fast open another option> "
                      "checksum not verified yet", shown)
        self.assertNotIn("urgent", line(self.segment("outgoing")))


class Marks(unittest.TestCase):
    def mark(self, cause: str, *kinds: str, serial: int = 9) -> Event:
        numbers = {name: number for number, name
                   in support.schema().kinds.items()}
        return Scene().event("mark", cookie=0, serial=serial,
                             kinds_on=sum(1 << numbers[kind]
                                          for kind in kinds),
                             mark_cause=number_of("mark_cause", cause))

    def test_each_cause_has_its_words(self) -> None:
        for cause, said in (
                ("events", "--- other kinds are recorded now; kinds on now: "
                           "state, ack, mark ---"),
                ("filter", "--- filter or sampling changed (what holds now: "
                           "sudo cat /sys/kernel/debug/renoscope/stats) ---"),
                ("frozen", "--- recording frozen; "),
                ("thawed", "--- recording goes on; ")):
            with self.subTest(cause):
                self.assertIn(said, line(self.mark(cause, "state", "ack",
                                                   "mark")))

    def test_only_the_first_mark_of_a_recording_is_its_beginning(self) -> None:
        kinds = [kind for kind in support.schema().kind_meanings
                 if kind not in ("segment", "lost")]
        self.assertIn("--- recording begins; kinds on: all but segment ---",
                      line(self.mark("begun", *kinds, serial=2)))
        self.assertIn("--- other kinds are recorded now; kinds on now: ",
                      line(self.mark("events", *kinds, serial=1)))

    def test_nothing_on_and_unknown_kinds_are_named(self) -> None:
        self.assertIn("kinds on now: none ---", line(self.mark("events")))
        event = Scene().event("mark", serial=2, kinds_on=1 << 60 | 1 << 2)
        self.assertIn("kinds on now: state, kind60 ---", line(event))

    def test_json_names_the_cause_and_the_kinds_that_are_on(self) -> None:
        self.assertEqual(plain(self.mark("frozen", "state", "mark")), {
            "kind": "mark", "mark_cause": "frozen", "cpu": 0, "serial": 9,
            "time_ns": 1000 * SECOND, "kinds_on": ["state", "mark"]})

    def test_shown_unless_other_kinds_were_asked_for(self) -> None:
        event = self.mark("frozen")
        self.assertTrue(Filter(port=80, cookie=9).wants(event))
        self.assertFalse(Filter(kinds=frozenset({"ack"})).wants(event))


class Time(unittest.TestCase):
    def test_time_counts_from_the_first_event_that_is_no_loss(self) -> None:
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

    def test_a_wall_clock_takes_the_place_of_seconds(self) -> None:
        writer = LineWriter(support.schema(),
                            Clock(1_700_000_000 * SECOND - 1000 * SECOND))
        self.assertIn("2023-11-14T22:13:20.001000Z",
                      writer.line(Scene().event("ack", MS)))

    def test_durations_have_the_unit_that_fits(self) -> None:
        self.assertEqual(
            [words.duration(us) for us in (0, 999, 36_020, 204_000, 1_000_000,
                                           2_020_000, 120_000_000)],
            ["0 us", "999 us", "36.02 ms", "204 ms", "1 s", "2.02 s", "120 s"])


class Colour(unittest.TestCase):
    def test_there_are_colours_only_when_asked_for(self) -> None:
        event = Scene().event("retransmit")
        self.assertNotIn("\033", line(event))
        self.assertTrue(line(event, colour=True).startswith("\033[33m"))
        self.assertTrue(line(event, colour=True).endswith("\033[0m"))


class Filtering(unittest.TestCase):
    def test_all_that_was_asked_for_must_hold(self) -> None:
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
