# SPDX-License-Identifier: GPL-2.0
"""What came to this host and never reached its connection; and what only seems so."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

from renoscope_lib.explain import explain_text, rules_on_ports
from renoscope_lib.explain.finding import NOTEWORTHY, TROUBLE, Finding
from renoscope_lib.ladder import ladder_json, ladder_words
from renoscope_lib.ladder.ladder import Ladder
from renoscope_lib.ladder.ladder_text import Look, TextLadder
from renoscope_lib.ladder.rungs import DROPPED
from renoscope_lib.ring.schema import Event
from renoscope_lib.views import arrivals
from tests.explain_scene import ISN, PEER_ISN, Case, Life, without
from tests.handshake_scene import ListenerScene
from tests.support import ACK, CLIENT, MS, RST, SECOND, SERVER, SYN, number_of, schema
from tests.test_flow import A, B, Stage


class Flow(Stage):
    """B gets three segments; the second was dropped at first, and sent again."""

    def dropped_once(self) -> None:
        self.over(A, 0, 1, 1, 100)
        self.sent(A, 1, 101, 1, 100)
        self.came(A, 21, 101, 1, 100, kinds=("segment",))
        self.over(A, 2, 201, 1, 100)
        self.over(A, 60, 101, 1, 100)
        self.put("retransmit", A, 60.1, retransmit_cause=number_of(
            "retransmit_cause", "fast_retransmit"),
            **self.header(A, 101, 1, 100, ACK, 0))

    def fates(self, ladder: Ladder) -> list[str]:
        return [rung.fate for rung in self.rungs(ladder)]

    def test_the_first_was_dropped_here_and_its_repetition_was_not(self) -> None:
        self.dropped_once()
        ladder = self.ladder()
        self.assertEqual(self.fates(ladder), ["", DROPPED, "", ""])
        self.assertEqual((ladder.lost, ladder.dropped), (0, 1))
        self.assertIn("1 sent again; 0 lost on the way; 1 dropped on arrival;",
                      ladder_words.heading(ladder))
        self.assertIn("never reached its connection", self.notes(ladder, 2))
        self.assertEqual(self.notes(ladder, 4), "sent again: fast retransmit, first as "
                         "2, which was dropped on arrival")
        data = ladder_json.as_json(ladder, self.flag_words(), None)
        self.assertEqual(data["segments_dropped"], 1)

    def test_its_arrow_ends_in_a_cross(self) -> None:
        self.dropped_once()
        lines = TextLadder(self.ladder(), self.flag_words(), 0, Look()).lines()
        arrow, = (line for line in lines if "Seq=101" in line and "✗" in line)
        self.assertTrue(arrow.endswith("✗│"), arrow)

    def test_where_all_arrived_nothing_is_said_of_drops(self) -> None:
        self.over(A, 0, 1, 1, 100)
        ladder = self.ladder()
        self.assertIn("; 0 lost; ", ladder_words.heading(ladder))
        self.assertNotIn("dropped", ladder_words.heading(ladder))

    def test_a_wrong_checksum_is_a_cause_of_its_own(self) -> None:
        self.dropped_once()
        self.put("bad_checksum", B, 21.1, cookie=0, **self.header(
            A, 101, 1, 100, ACK, 511))
        self.assertNotIn(DROPPED, self.fates(self.ladder()))


class Evidence(Case):
    """One connection's arrivals: they pass IP, and reach it or do not."""

    def setUp(self) -> None:
        super().setUp()
        self.life = Life(self.scene)

    def header(self, seq: int, size: int, flags: int = ACK) -> dict[str, Any]:
        return {"seg_seq": (PEER_ISN + seq) % (1 << 32), "seg_ack": ISN + 1,
                "seg_len": size, "seg_flags": flags, "seg_window": 500}

    def passes(self, at_ms: float, seq: int, size: int = 1000,
               **values: Any) -> Any:
        """A segment comes to this host."""
        flags = values.pop("flags", ACK)
        return self.life.event("segment", at_ms / 1000, segment_flags=0,
                               **self.header(seq, size, flags) | values)

    def meets(self, at_ms: float, seq: int, size: int = 1000,
              **values: Any) -> Any:
        """The connection gets it."""
        flags = values.pop("flags", ACK)
        return self.life.event("ack", at_ms / 1000,
                               **self.header(seq, size, flags) | values)

    def both(self, at_ms: float, seq: int, size: int = 1000) -> list[Any]:
        return [self.passes(at_ms, seq, size), self.meets(at_ms + 0.01, seq, size)]

    def dropped(self, *events: Any, end_s: float = 60,
                **parameters: str) -> Finding | None:
        return self.found(*self.life.opens(), *events, end_s=end_s,
                          **parameters).get("dropped-on-arrival")

    def clean(self, *events: Any, end_s: float = 60, **parameters: str) -> None:
        self.assertIsNone(self.dropped(*events, end_s=end_s, **parameters))

    # ---- dropped

    def test_what_passes_and_does_not_arrive(self) -> None:
        found = self.dropped(self.passes(100, 1), *self.both(101, 1001),
                             *self.both(300, 1))
        assert found is not None
        self.assertEqual(found.severity, NOTEWORTHY)
        self.assertIn("one segment came to this host and never reached its "
                      "connection", found.sentence)
        self.assertEqual(found.evidence, (
            "at 0.100 s seq=1 next=1001 passed IP, and did not reach it",))
        self.assertIn("nft list ruleset", found.next_step)

    def test_many_are_trouble(self) -> None:
        found = self.dropped(*(self.passes(100 + n, 1) for n in range(3)),
                             *self.both(300, 1))
        assert found is not None
        self.assertEqual(found.severity, TROUBLE)
        self.assertEqual(len(found.evidence), 3)

    def test_a_repetition_that_was_cut_or_joined_otherwise(self) -> None:
        for name, again in (("parts", [(1, 1000), (1001, 1000)]), ("one", [(1, 2000)]),
                            ("more", [(1, 5000)])):
            with self.subTest(name):
                self.setUp()
                found = self.dropped(
                    self.passes(100, 1, 2000),
                    *(event for n, (seq, size) in enumerate(again)
                      for event in self.both(300 + n, seq, size)))
                assert found is not None
                self.assertEqual(len(found.evidence), 1)

    def test_across_the_end_of_the_numbers(self) -> None:
        seq = (1 << 32) - 500 - PEER_ISN
        found = self.dropped(self.passes(100, seq), *self.both(300, seq))
        self.assertIsNotNone(found)

    def test_the_last_ones_are_kept(self) -> None:
        found = self.dropped(*(self.passes(100 + n, 1 + 1000 * n)
                               for n in range(1200)), *self.both(5000, 1))
        assert found is not None
        self.assertTrue(found.sentence.startswith("999 segments"), found.sentence)

    # ---- not so

    def test_it_arrives_later(self) -> None:
        """A socket in use queues what comes."""
        self.clean(self.passes(100, 1), self.passes(101, 1001), self.passes(300, 1),
                   self.meets(400, 1), self.meets(400.1, 1001), self.meets(400.2, 1))

    def test_its_backlog_joins_segments(self) -> None:
        self.clean(self.passes(100, 1), self.passes(101, 1001), self.passes(102, 2001),
                   self.meets(103, 1, 3000), *self.both(200, 3001))

    def test_bare_acks_are_joined_to_nothing(self) -> None:
        self.clean(*(self.passes(100 + n, 1, 0) for n in range(3)),
                   self.meets(110, 1, 0), *self.both(200, 1))

    def test_nothing_came_through_after_it(self) -> None:
        self.clean(*self.both(50, 1), self.passes(100, 1001), self.passes(101, 2001))

    def test_after_close_no_one_takes_it(self) -> None:
        self.clean(self.passes(100, 1),
                   self.life.change(0.101, "ESTABLISHED", "CLOSED"),
                   self.passes(110, 1, state="CLOSED"))

    def test_not_yet_established(self) -> None:
        self.clean(self.passes(60, 1, state="SYN-RECEIVED"), *self.both(300, 1))

    def test_a_reset_needs_no_connection(self) -> None:
        self.clean(self.passes(100, 1, 5, flags=RST), *self.both(300, 1))

    def test_of_what_comes_when_watching_ends(self) -> None:
        events = self.passes(100, 1), *self.both(101, 1001), *self.both(300, 1)
        self.clean(*events, end_s=0.55)

    def test_another_hook_changes_the_numbers(self) -> None:
        self.clean(self.passes(100, 1), self.passes(101, 1001), self.meets(101.1, 1007),
                   *self.both(300, 5001))

    def test_only_a_part_of_it_arrives(self) -> None:
        """A socket's filter may cut a segment."""
        self.clean(self.passes(100, 1, 1000), self.meets(100.1, 1, 400),
                   *self.both(300, 1001))

    def test_clocks_of_two_cpus(self) -> None:
        self.clean(*self.both(60, 1), self.meets(99.99, 1001), self.passes(100, 1001),
                   *self.both(300, 2001))

    def test_another_connections_segment(self) -> None:
        other = Life(self.scene, cookie=6, port=40113)
        met = other.event("ack", 0.2, **self.header(1001, 1000))
        self.clean(self.passes(100, 1), met)

    # ---- not everything was recorded

    def lossy(self, *between: Any, **parameters: str) -> None:
        self.clean(self.passes(100, 1), *self.both(101, 1001), *between,
                   *self.both(300, 1), **parameters)

    def mark(self, cause: str) -> Any:
        return self.scene.event("mark", 200 * MS, cookie=0, netns=0,
                                kinds_on=(1 << 60) - 1,
                                mark_cause=number_of("mark_cause", cause))

    def test_lost_events(self) -> None:
        self.lossy(self.scene.event("lost", 200 * MS, lost_events=1))

    def test_lost_events_after_all_that_is_of_this_one(self) -> None:
        self.clean(self.passes(100, 1), *self.both(101, 1001), *self.both(300, 1),
                   self.scene.event("lost", 400 * MS, lost_events=1))

    def test_recording_stood_still(self) -> None:
        self.lossy(self.mark("frozen"), self.mark("thawed"))

    def test_another_filter(self) -> None:
        self.lossy(self.mark("filter"))

    def test_one_ack_in_so_many(self) -> None:
        self.lossy(ack_sample="10")

    def test_a_filter_by_state(self) -> None:
        self.lossy(filter="state=ESTABLISHED")

    def test_a_kind_that_was_off(self) -> None:
        for kind in ("ack", "bad_checksum"):
            with self.subTest(kind):
                self.setUp()
                self.lossy(events=",".join(
                    other for other in schema().kinds.values() if other != kind))

    def test_a_wrong_checksum(self) -> None:
        self.lossy(self.life.event("bad_checksum", 0.2, cookie=0,
                                   **self.header(1, 1000)))

    def test_of_too_many_with_a_wrong_checksum_one_may_be_this(self) -> None:
        others = self.life.event("bad_checksum", 0.2, cookie=0, local_port=7,
                                 **self.header(1, 1000))
        events = [self.passes(100, 1), *self.both(101, 1001), others, *self.both(300, 1)]
        self.assertIsNotNone(self.dropped(*events))
        with mock.patch.object(arrivals, "MOST_BAD", 1):
            self.clean(*events)


class Syns(Case):
    """SYNs that pass IP; a listener tells of those that it gets."""

    def setUp(self) -> None:
        super().setUp()
        self.at = ListenerScene(scene=self.scene)

    def passes(self, at_s: float, port: int = 3000, isn: int = 7, **values: Any) -> Event:
        """A SYN comes to this host."""
        return self.at.event("segment", at_s, port, seg_seq=isn, seg_flags=SYN, state=7, **values)

    def four(self, **values: Any) -> list[Event]:
        return [self.passes(at_s, **values) for at_s in (0, 1, 3, 7)]

    def unheard(self, *events: Event, end_s: float = 20, **parameters: str) -> Finding | None:
        return self.found(*events, end_s=end_s, **parameters).get("syns-unheard")

    def test_those_that_no_listener_got_were_dropped_here(self) -> None:
        finding = self.unheard(*self.four())
        assert finding is not None
        self.assertEqual((finding.severity, finding.sentence), (
            NOTEWORTHY, f"4 SYNs for {SERVER}:5000 passed IP and never reached TCP: dropped "
            "here, most likely by the firewall's input chain; or IPVS or SYNPROXY took them"))
        self.assertEqual(finding.evidence[0], f"at 0.000 s the first SYN, at 7.000 s the last, "
                         f"from {CLIENT}")
        self.assertIn("nft list ruleset", finding.next_step)
        lines = list(explain_text.as_text(self.explained(*self.four()), self.end_ns(20)))
        self.assertFalse(any("No connection was seen" in line for line in lines))

    def test_what_tcp_told_of_was_not_dropped(self) -> None:
        """An input chain may translate where it came from; NFQUEUE may take its time."""
        came = self.passes(0)
        synack = {"segment_flags": 1, "seg_seq": 99, "seg_flags": SYN | ACK}
        for heard in (self.at.syn(0.000001, 3000), self.at.syn(0.4, 3001),
                      self.at.event("reset_sent", 0, 3000, seg_seq=7, seg_flags=SYN),
                      self.at.event("bad_checksum", 0, 3000, seg_seq=7, seg_flags=SYN),
                      self.at.event("segment", 0, 3000, **synack, seg_ack=8)):
            self.assertIsNone(self.unheard(came, heard), heard.kind)
        for other in (self.at.syn(0, 3000, isn=8), self.at.event(
                "segment", 0, 3000, **synack, seg_ack=9)):
            self.assertIsNotNone(self.unheard(came, other))

    def test_tcp_may_take_its_time_while_others_come(self) -> None:
        self.assertIsNone(self.unheard(
            self.passes(0), self.passes(0.5, 3001, 8), self.at.syn(0.5, 3001, 8),
            self.at.syn(0.9, 3000)))

    def test_each_of_the_same_syn_is_counted(self) -> None:
        came = self.four()
        finding = self.unheard(*came[:2], self.at.syn(1, 3000), *came[2:])
        assert finding is not None
        self.assertIn("3 SYNs for", finding.sentence)

    def test_of_what_may_be_missing_nothing_is_said(self) -> None:
        came = self.four()
        lost = self.scene.event("lost", 8 * SECOND, lost_events=1)
        for events, parameters in (
                ([*came, lost], {}), ([self.passes(19.9)], {}),
                (came, {"events": without("syn")}), (came, {"events": without("reset_sent")}),
                (came, {"filter": "state=ESTABLISHED"}), (self.four(cookie=9), {}),
                ([self.passes(0, seg_ack=1, segment_flags=1)], {})):
            self.assertIsNone(self.unheard(*events, **parameters))
        after = [lost, self.at.syn(8.1, 3001), self.passes(9, 3002)]
        finding = self.unheard(*came, *after)
        assert finding is not None
        self.assertIn("1 SYN for", finding.sentence)

    def test_a_scan_is_told_by_address(self) -> None:
        finding = self.unheard(*(self.passes(n / 10, local_port=100 + n) for n in range(9)))
        assert finding is not None
        self.assertIn(f"9 SYNs for {SERVER}:* (9 ports) passed IP", finding.sentence)
        self.assertEqual(len(self.reports(*(
            self.passes(n / 10, local_port=100 + n) for n in range(8)), end_s=20)), 8)

    def test_memory_has_a_bound(self) -> None:
        with mock.patch.object(arrivals, "MOST_SYNS", 3), \
                mock.patch.object(rules_on_ports, "MOST_PORTS", 2):
            explained = self.explained(*(self.passes(n / 1000, isn=n) for n in range(9)))
            syns = explained._unheard._syns
            self.assertEqual((len(syns._came), len(syns._waiting), len(syns._heard)), (3, 3, 0))
            view = self.explained(*(self.passes(2 * n, local_port=n) for n in range(1, 9)))
            list(view.reports(self.end_ns(90)))
        self.assertEqual(view.unheard_syns_left_out, 6)
        self.assertIn("6 SYNs for more ports behind a firewall left out", view.left_out()[0])


if __name__ == "__main__":
    unittest.main()
