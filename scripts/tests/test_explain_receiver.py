# SPDX-License-Identifier: GPL-2.0
"""Rules on what a receiver sees: each with its fault, and nearly with it."""

from typing import Any

from renoscope_lib.explain.finding import NOTEWORTHY, TROUBLE, Finding
from renoscope_lib.ring.schema import Event

from .explain_scene import ISN, MSS, Case, without
from .handshake_scene import ListenerScene
from .support import ACK, FIN, RST, SECOND


class Receiving(Case):
    def ahead(self, at_s: float, missing: int = 1, size: int = MSS, **values: Any) -> Event:
        """A segment comes behind what is due."""
        life = self.life
        return life.event("ack", at_s, seg_flags=values.pop("seg_flags", ACK),
                          seg_seq=(life.rcv_nxt + missing * MSS) % 2**32, seg_len=size,
                          seg_ack=life.snd_nxt, **values)

    def filled(self, at_s: float, behind: int) -> list[Event]:
        """What was due comes, and then the next one after what had waited behind it."""
        first = self.life.gets(at_s)
        self.life.rcv_nxt += behind * MSS
        return [first, self.life.gets(at_s + 0.001)]


class Gaps(Receiving):
    def hole(self, at_s: float, took_s: float = 0.25, **values: Any) -> list[Event]:
        """One segment is missing, three come behind it, and then it comes."""
        return [*(self.ahead(at_s + n / 1000, n + 1, **values) for n in range(3)),
                *self.filled(at_s + took_s, 3)]

    def test_gaps_tell_how_many_and_how_long(self) -> None:
        life = self.life
        finding = self.found(*life.opens(), life.gets(0.5), *(
            event for n in range(20) for event in self.hole(1 + n)))["came-with-gaps"]
        self.assertEqual((finding.severity, finding.cost_us, finding.gist),
                         (TROUBLE, 5_000_000, "lost or overtaken before it came here"))
        self.assertEqual(finding.sentence, (
            "what the peer sent came with 20 gaps (20000 bytes), lost or overtaken before it "
            "came here: what came behind stood still for 5 s, the longest time 250 ms"))
        self.assertEqual(finding.evidence[0], (
            "at 1.000 s seq=1001 has not come, what is behind it stands still for 250 ms"))
        self.assertEqual(len(finding.evidence), 20)
        self.assertIn("ethtool -S", finding.next_step)

    def test_nothing_is_wrong_with_what_is_overtaken_for_a_moment(self) -> None:
        life = self.life
        self.assert_healthy(*life.opens(), *(
            event for n in range(20) for event in self.hole(1 + n, took_s=0.004)))

    def test_a_short_one_is_no_trouble(self) -> None:
        found = self.found(*self.life.opens(), *self.hole(1))["came-with-gaps"]
        self.assertEqual(found.severity, NOTEWORTHY)
        self.assertIn("with 1 gap (1000 bytes)", found.sentence)
        self.assertTrue(found.sentence.endswith("stood still for 250 ms"), found.sentence)

    def test_with_its_sender_recorded_it_is_no_trouble_of_its_own(self) -> None:
        """That end tells what was lost; here are the ends of one connection."""
        life, at = self.life, ListenerScene(scene=self.scene)
        far = [*at.queued(0.02, life.port, 9, ISN), at.completed(0.05, life.port, 9, rcv_isn=ISN)]
        for sender, severity, advice in ((far, NOTEWORTHY, "its other end, sk:9, tells"),
                                         ([], TROUBLE, "record at the peer, too")):
            with self.subTest(severity=severity):
                life.snd_nxt = life.snd_una = ISN + 1
                finding = {f.rule: f for report in self.reports(*sorted(
                    (*life.opens(), *self.hole(1, took_s=2), *sender),
                    key=lambda event: event["time_ns"])) for f in report.findings
                    if report.subject.cookie == life.cookie}["came-with-gaps"]
                self.assertEqual(finding.severity, severity)
                self.assertIn(advice, finding.next_step)

    def test_it_begins_where_the_first_stands_still(self) -> None:
        found = self.found(*self.life.opens(), *self.hole(1), *self.hole(2))["came-with-gaps"]
        self.assertEqual(found.at_ns, self.scene.start_ns + SECOND)

    def test_the_longest_of_several_is_told_whichever_it_is(self) -> None:
        for took_s in ((0.5, 0.2), (0.2, 0.5)):
            with self.subTest(took_s):
                self.setUp()
                found = self.found(*self.life.opens(), *(
                    event for at_s, took in enumerate(took_s, 1)
                    for event in self.hole(at_s, took)))["came-with-gaps"]
                self.assertIn("for 700 ms, the longest time 500 ms", found.sentence)
        self.setUp()
        lasts = self.found(*self.life.opens(), *self.hole(1, 0.5), self.ahead(2), end_s=2.2)
        self.assertIn("for 700 ms, the longest time 500 ms; not filled when watching ended",
                      lasts["came-with-gaps"].sentence)

    def test_a_moment_is_counted_and_not_shown(self) -> None:
        life = self.life
        events = [*life.opens(), *self.hole(1, 0.003), self.ahead(2), life.gets(2.0004)]
        life.rcv_nxt += MSS
        found = self.found(*events, life.gets(2.0005), *self.hole(3))["came-with-gaps"]
        self.assertIn("3 gaps", found.sentence)
        self.assertEqual(len(found.evidence), 2)

    def test_half_closed_it_still_reads(self) -> None:
        for state, reads in (("FIN-WAIT-1", True), ("FIN-WAIT-2", True), ("CLOSE-WAIT", False)):
            with self.subTest(state):
                self.setUp()
                found = self.found(*self.life.opens(), self.ahead(1, state=state), end_s=9)
                self.assertEqual("came-with-gaps" in found, reads)

    def test_merged_segments_leave_one_gap(self) -> None:
        """GRO: one event for what came behind it."""
        found = self.found(*self.life.opens(), self.ahead(1, size=3 * MSS),
                           *self.filled(1.25, 3))["came-with-gaps"]
        self.assertIn("1 gap (1000 bytes)", found.sentence)
        self.assertEqual(found.cost_us, 250_000)

    def test_one_gap_after_another_is_one_standstill_each(self) -> None:
        """The second and the fifth are missing; what is between goes on meanwhile."""
        life = self.life
        events = [*life.opens(), self.ahead(1), self.ahead(1.01, 3), life.gets(1.2)]
        life.rcv_nxt += MSS
        events += [life.gets(1.5)]
        life.rcv_nxt += MSS
        found = self.found(*events, life.gets(1.6))["came-with-gaps"]
        self.assertIn("2 gaps (2000 bytes)", found.sentence)
        self.assertIn("for 500 ms, the longest time 300 ms", found.sentence)

    def test_what_comes_in_the_middle_of_a_gap_is_no_other(self) -> None:
        found = self.found(*self.life.opens(), self.ahead(1, 5), self.ahead(1.1, 2),
                           *self.filled(1.3, 5))["came-with-gaps"]
        self.assertIn("1 gap (5000 bytes)", found.sentence)

    def test_numbers_begin_anew_in_the_middle(self) -> None:
        life = self.life
        life.rcv_nxt = 2**32 - MSS // 2
        events = [*life.opens(), *(self.ahead(1 + n / 1000, n + 1) for n in range(3))]
        due = life.event("ack", 1.5, seg_flags=ACK, seg_seq=life.rcv_nxt, seg_len=MSS)
        life.rcv_nxt = (life.rcv_nxt + 4 * MSS) % 2**32
        found = self.found(*events, due, life.gets(1.6))["came-with-gaps"]
        self.assertIn("1 gap (1000 bytes)", found.sentence)
        self.assertEqual(found.cost_us, 500_000)

    def test_a_gap_that_is_not_filled_lasts_until_the_end(self) -> None:
        life = self.life
        found = self.found(*life.opens(), self.ahead(1), end_s=4)["came-with-gaps"]
        self.assertIn("stood still for 3 s; not filled when watching ended", found.sentence)
        self.setUp()
        life = self.life
        found = self.found(*life.opens(), self.ahead(1), life.change(
            3, "ESTABLISHED", "CLOSED"), end_s=4)["came-with-gaps"]
        self.assertTrue(found.sentence.endswith("stood still for 2 s"), found.sentence)
        self.setUp()
        found = self.found(*self.life.opens(), *self.hole(1)[:4], end_s=9)["came-with-gaps"]
        self.assertTrue(found.sentence.endswith("stood still for 250 ms"), found.sentence)

    def test_what_is_not_seen_is_not_told(self) -> None:
        """A loss of events hides when the gap was filled, and what came before."""
        life = self.life
        lost = self.scene.event("lost", lost_events=9)
        events = [*life.opens(), self.ahead(1), self.ahead(1.2, 2), lost]
        life.rcv_nxt += 20 * MSS
        found = self.found(*events, life.gets(9), end_s=10)["came-with-gaps"]
        self.assertIn("about 1 gap (about 1000 bytes)", found.sentence)
        self.assertIn("at least 200 ms", found.sentence)
        self.setUp()
        lost = self.scene.event("lost", lost_events=9)
        lasts = self.found(*self.life.opens(), self.ahead(1), self.ahead(1.3, 2), lost, end_s=9)
        self.assertTrue(lasts["came-with-gaps"].sentence.endswith(
            "stood still for at least 300 ms"), "nobody knows how long it lasts")
        self.setUp()
        late = self.found(self.ahead(1), *self.filled(1.3, 1))["came-with-gaps"]
        self.assertIn("about 1 gap", late.sentence, "begun late")
        self.setUp()
        sampled = self.found(*self.life.opens(), *self.hole(1), ack_sample="10")
        self.assertIn("about 1 gap", sampled["came-with-gaps"].sentence)

    def test_what_came_while_nothing_was_recorded_is_no_gap(self) -> None:
        life = self.life
        events = [*life.opens(), life.gets(0.5), self.scene.event("lost", lost_events=9)]
        life.rcv_nxt += 20 * MSS
        found = self.found(*events, self.ahead(2), *self.filled(2.5, 1))["came-with-gaps"]
        self.assertIn("about 1 gap (about 1000 bytes)", found.sentence)

    def test_what_is_due_and_not_taken_fills_nothing(self) -> None:
        life = self.life
        due = life.event("ack", 1.2, seg_flags=ACK, seg_seq=life.rcv_nxt, seg_len=MSS)
        bare = life.event("ack", 1.5, seg_flags=ACK, seg_seq=life.rcv_nxt)
        found = self.found(*life.opens(), self.ahead(1), due, bare, end_s=4)["came-with-gaps"]
        self.assertIn("stood still for 3 s; not filled when watching ended", found.sentence)

    def test_what_is_no_data_of_the_window_leaves_no_gap(self) -> None:
        life = self.life
        for name, event in (
                ("a bare ACK", self.ahead(1, size=0)),
                ("a RST", self.ahead(1, seg_flags=ACK | RST)),
                ("beyond our window", self.ahead(1, rcv_wnd=MSS // 2)),
                ("right behind our window", self.ahead(1, rcv_wnd=MSS))):
            with self.subTest(name):
                self.assertNotIn("came-with-gaps", self.found(
                    *life.opens(), event, end_s=9))

    def test_without_acks_nothing_is_told(self) -> None:
        view = self.explained(*self.life.opens(), *self.hole(1), events=without("ack"))
        rules = [f.rule for report in view.reports() for f in report.findings]
        self.assertNotIn("came-with-gaps", rules)
        self.assertTrue(any("data came with gaps" in line for line in view.unknown()))


class NotTaken(Receiving):
    def again(self, at_s: float, **values: Any) -> Event:
        """What is due comes; rcv_nxt stays where it is."""
        life = self.life
        return life.event("ack", at_s, seg_seq=life.rcv_nxt, seg_ack=life.snd_nxt, **{
            "seg_flags": ACK, "seg_len": MSS} | values)

    def refused(self, *events: Event) -> Finding | None:
        return self.found(*self.life.opens(), *events).get("arrived-not-taken")

    def test_data_that_tcp_throws_away_is_told(self) -> None:
        finding = self.refused(*(self.again(1 + 25 * n / 8) for n in range(9)))
        assert finding is not None
        self.assertEqual((finding.severity, finding.cost_us), (TROUBLE, 25_000_000))
        self.assertIn("8 segments with the data that was due came to the connection, with room "
                      "in our window, and TCP did not take them: nothing went on for 25 s",
                      finding.sentence)
        self.assertIn("nstat -az TcpExtPAWSEstab TcpExtTCPRcvQDrop", finding.next_step)
        self.assertEqual(len(finding.evidence), 8)

    def test_one_is_no_trouble(self) -> None:
        finding = self.refused(self.again(1), self.life.gets(1.3), self.life.gets(1.4))
        assert finding is not None
        self.assertEqual(finding.severity, NOTEWORTHY)
        self.assertIn("one segment with the data", finding.sentence)
        self.assertIn("did not take it", finding.sentence)

    def test_each_is_counted_once(self) -> None:
        """And until the next segment, whatever that is."""
        finding = self.refused(self.again(1), *(
            self.life.event("ack", at_s, seg_flags=ACK, seg_seq=self.life.rcv_nxt)
            for at_s in (2, 3, 4)))
        assert finding is not None
        self.assertTrue(finding.sentence.startswith("one segment with the data"))
        self.assertIn("nothing went on for 1 s.", finding.sentence)
        self.assertEqual(finding.evidence,
                         ("at 1.000 s what is due comes, and rcv_nxt does not move",))
        self.assertEqual((finding.at_ns, finding.cost_us),
                         (self.scene.start_ns + SECOND, 1_000_000))

    def test_the_last_one_may_have_been_taken(self) -> None:
        """Only a later segment shows; what the ACK itself brings about shows nothing."""
        life = self.life
        self.assertIsNone(self.refused(
            self.again(1), life.turn(1.0001, "Open", "Disorder")))
        self.assertIsNone(self.refused(life.gets(1), life.gets(1.1)))

    def test_clocks_of_two_cpus_may_differ(self) -> None:
        """A bare ACK that came before, by another CPU's clock a moment later."""
        life = self.life
        earlier = life.event("ack", 1.0005, cpu=1, seg_flags=ACK, seg_seq=life.rcv_nxt)
        self.assertIsNone(self.refused(self.again(1), earlier))
        for at_s, cpu in ((1.5, 1), (1.0005, 0)):
            later = life.event("ack", at_s, cpu=cpu, seg_flags=ACK, seg_seq=life.rcv_nxt)
            self.assertIsNotNone(self.refused(self.again(1), later))

    def test_what_nobody_has_to_take_is_not_called_so(self) -> None:
        for name, values in (
                ("a probe of our zero window", {"rcv_wnd": 0, "seg_len": 1}),
                ("a RST", {"seg_flags": ACK | RST}),
                ("a bare ACK", {"seg_len": 0}),
                ("a FIN state", {"state": "FIN-WAIT-2", "seg_flags": ACK | FIN})):
            with self.subTest(name):
                self.assertIsNone(self.refused(
                    *(self.again(1 + n, **values) for n in range(5))))

    def test_old_data_is_no_data_that_is_due(self) -> None:
        """A keepalive, and what came twice."""
        life = self.life
        life.gets(0.5)
        self.assertIsNone(self.refused(*(
            life.event("ack", 1 + n, seg_flags=ACK, seg_seq=life.rcv_nxt - back, seg_len=back)
            for n, back in enumerate((1, 1, MSS, MSS, MSS)))))


class OwnLimit(Receiving):
    def rounds(self, window: int, segments: int = 8, rounds: int = 50, rtt_s: float = 0.04,
               **values: Any) -> list[Event]:
        """In each round trip so many segments come."""
        return [self.life.gets(1 + n * rtt_s + k / 10_000, rcv_wnd=window, **values)
                for n in range(rounds) for k in range(segments)]

    def limits(self, *args: Any, **values: Any) -> Finding | None:
        self.setUp()
        return self.found(*self.life.opens(), *self.rounds(*args, **values)).get(
            "we-limit-the-peer")

    def test_a_window_that_is_filled_each_round_trip_is_told(self) -> None:
        finding = self.limits(8 * MSS)
        assert finding is not None
        self.assertEqual((finding.severity, finding.gist),
                         (NOTEWORTHY, "our receive window is full"))
        self.assertIn("our receive window held the peer back for 2 s at least (100% of the "
                      "round trips in which data came): it filled the 8000 bytes that we "
                      "advertise, too few for this path, or our program reads slowly",
                      finding.sentence)
        self.assertIn("net.ipv4.tcp_rmem", finding.next_step)
        self.assertIn("SO_RCVBUF", finding.next_step)
        self.assertEqual((finding.at_ns, finding.cost_us),
                         (self.scene.start_ns + SECOND, 1_960_000))

    def test_every_size_that_was_filled_is_told(self) -> None:
        found = self.found(*self.life.opens(), *self.rounds(8 * MSS, rounds=25), *(
            self.life.gets(at_s + n * 0.04 + k / 10_000, rcv_wnd=segments * MSS)
            for at_s, segments in ((5, 6), (9, 7)) for n in range(25) for k in range(segments)))
        self.assertIn("6000 to 8000 bytes", found["we-limit-the-peer"].sentence)

    def test_the_share_is_of_the_time_in_which_data_came(self) -> None:
        found = self.found(*self.life.opens(), *self.rounds(8 * MSS, rounds=30), *(
            self.life.gets(5 + n * 0.04, rcv_wnd=8 * MSS) for n in range(10)))
        self.assertIn("(77% of the", found["we-limit-the-peer"].sentence)

    def test_in_whichever_order_it_came_the_window_was_filled(self) -> None:
        for order in ((0, 1, 2, 3, 4, 5, 7, 6), (1, 2, 3, 4, 5, 6, 7, 0)):
            with self.subTest(order):
                self.setUp()
                life, events = self.life, self.life.opens()
                for n in range(50):
                    events += [life.event(
                        "ack", 1 + n * 0.04 + turn / 10_000, seg_flags=ACK, seg_len=MSS,
                        seg_seq=life.rcv_nxt + k * MSS, rcv_wnd=8 * MSS)
                        for turn, k in enumerate(order)]
                    life.rcv_nxt += 8 * MSS
                self.assertIn("we-limit-the-peer", self.found(*events))

    def test_what_brings_nothing_new_has_no_share_in_it(self) -> None:
        for name, back, window, size in (("came twice", MSS, 8 * MSS, MSS),
                                         ("a probe of our zero window", 0, 0, 1)):
            with self.subTest(name):
                self.setUp()
                filled = self.rounds(8 * MSS, rounds=26)
                found = self.found(*self.life.opens(), *filled, *(self.life.event(
                    "ack", 5 + n * 0.04, seg_flags=ACK, seg_seq=self.life.rcv_nxt - back,
                    rcv_wnd=window, seg_len=size) for n in range(60)))
                self.assertIn("for 1 s at least (100% of", found["we-limit-the-peer"].sentence)

    def test_half_closed_it_still_has_a_window(self) -> None:
        for state, reads in (("FIN-WAIT-1", True), ("FIN-WAIT-2", True), ("CLOSE-WAIT", False)):
            with self.subTest(state):
                self.assertEqual(self.limits(8 * MSS, state=state) is not None, reads)

    def test_what_arrives_evenly_fills_it_as_well(self) -> None:
        """Each ACK lets two segments come, a round trip later."""
        life = self.life
        found = self.found(*life.opens(), *(
            life.gets(1 + n * 0.005, rcv_wnd=8 * MSS) for n in range(400)))
        self.assertIn("we-limit-the-peer", found)

    def test_a_window_with_room_is_not(self) -> None:
        self.assertIsNotNone(self.limits(9 * MSS), "a second segment does not fit, or may not")
        self.assertIsNone(self.limits(10 * MSS))
        self.assertIsNotNone(self.limits(100 * MSS, segments=88))
        self.assertIsNone(self.limits(100 * MSS, segments=85))
        self.assertIsNone(self.limits(2 * MSS, segments=1), "half of it")
        self.assertIsNotNone(self.limits(5 * MSS, segments=4), "one segment of room")

    def test_most_of_the_round_trips_count_and_some_time(self) -> None:
        self.assertIsNone(self.limits(8 * MSS, rounds=6), "240 ms")
        life = self.life
        found = self.found(*life.opens(), *self.rounds(8 * MSS, rounds=10), *(
            life.gets(5 + n * 0.04, rcv_wnd=8 * MSS) for n in range(20)))
        self.assertNotIn("we-limit-the-peer", found)

    def test_more_than_the_window_came_in_less_than_a_round_trip(self) -> None:
        """So it was measured too long, and nothing is proved."""
        self.assertIsNone(self.limits(8 * MSS, segments=12))

    def test_without_a_round_trip_nothing_is_told(self) -> None:
        self.assertIsNone(self.limits(8 * MSS, min_rtt_us=0))

    def test_what_was_not_seen_is_no_round_trip(self) -> None:
        """Each is cut off by a loss of events."""
        life, events = self.life, self.life.opens()
        for n in range(50):
            events += [life.gets(1 + n * 0.04, 7 * MSS, rcv_wnd=8 * MSS),
                       self.scene.event("lost", lost_events=1)]
        self.assertNotIn("we-limit-the-peer", self.found(*events))

    def test_one_that_is_not_scaled_cannot_grow(self) -> None:
        finding = self.limits(65_535, segments=64)
        assert finding is not None
        self.assertIn("window scaling was not agreed", finding.sentence)
        self.assertNotIn("tcp_rmem", finding.next_step)
        self.assertIn("tcpdump -v 'tcp[13] & 2 != 0'", finding.next_step)
