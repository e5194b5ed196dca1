# SPDX-License-Identifier: GPL-2.0
"""flow: rungs from the events of one end or both, what is said of them, the ladder."""

from __future__ import annotations

import io
import json
import math
import os
import re
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib.cli import main
from renoscope_lib.commands import flow
from renoscope_lib.ladder import ladder_json, ladder_svg, ladder_text, ladder_words
from renoscope_lib.ladder.conversations import Conversations
from renoscope_lib.ladder.ladder import Fact, Ladder, Part, Step
from renoscope_lib.ladder.rungs import (IN_FLIGHT, LOST, NOT_SEEN, PARTLY_LOST, RECENT, Rung,
                                        _same_there)
from renoscope_lib.ring.schema import Event
from tests.support import (ACK, CLIENT, CLOSED, ESTABLISHED, FIN, ISN_A, ISN_B,
                           LISTEN, MS, PSH, READABLE, RST, SERVER, SYN, SYN_SENT,
                           Scene, contrast, feed, number_of, powerless,
                           recording, schema)

A, B = "client", "server"  # whose ISNs are ISN_A and ISN_B
PORT_A, PORT_B = 63164, 22
OUTGOING, MSS, WSCALE, SACK_OK, STAMPS = 0x01, 0x02, 0x04, 0x08, 0x10
WRAP = 1 << 32
NETNS = {A: 101, B: 102}
COOKIES = {A: 0xa, B: 0xb}
SCALES = {A: 8, B: 7}


class Stage(unittest.TestCase):
    """Two ends, their events, and the ladder that comes of them."""

    isns = {A: ISN_A, B: ISN_B}
    netns = NETNS

    def setUp(self) -> None:
        self.scene = Scene()
        self.events: list[Event] = []
        self.blobs: list[bytes] = []

    @staticmethod
    def other(end: str) -> str:
        return B if end == A else A

    def ends_of(self, end: str) -> dict[str, Any]:
        other = self.other(end)
        addresses = {A: CLIENT, B: SERVER}
        ports = {A: PORT_A, B: PORT_B}
        return {"netns": self.netns[end], "cookie": COOKIES[end],
                "local_addr": addresses[end], "remote_addr": addresses[other],
                "local_port": ports[end], "remote_port": ports[other],
                "snd_isn": self.isns[end], "rcv_isn": self.isns[other],
                "snd_wscale": SCALES[other], "rcv_wscale": SCALES[end],
                "snd_una": 1, "snd_nxt": 1, "rcv_nxt": 1,
                "state": ESTABLISHED, "cpu": 0}

    def put(self, kind: str, end: str, ms: float, **values: Any) -> Event:
        """One event at one end."""
        record = self.scene.pack(kind, round(ms * MS),
                                 **self.ends_of(end) | values)
        self.blobs.append(record)
        self.events.append(schema().decode(record))
        return self.events[-1]

    def header(self, sender: str, seq: int, ack: int | None, length: int,
               flags: int, window: int) -> dict[str, Any]:
        """Relative numbers as they are in a header."""
        receiver = self.other(sender)
        if ack is not None:
            flags |= ACK
        return {"seg_seq": (self.isns[sender] + seq) % WRAP,
                "seg_ack": 0 if ack is None else
                (self.isns[receiver] + ack) % WRAP,
                "seg_len": length, "seg_flags": flags, "seg_window": window}

    def sent(self, sender: str, ms: float, seq: int, ack: int | None = None,
             length: int = 0, flags: int = 0, window: int = 511,
             **values: Any) -> None:
        """A segment event where it is sent."""
        flags_of = values.pop("segment_flags", 0) | OUTGOING
        self.put("segment", sender, ms, segment_flags=flags_of, header_words=8,
                 **self.header(sender, seq, ack, length, flags, window)
                 | values)

    def came(self, sender: str, ms: float, seq: int, ack: int | None = None,
             length: int = 0, flags: int = 0, window: int = 511,
             kinds: tuple[str, ...] = ("segment", "ack"), **values: Any) -> None:
        """The same where it arrives: what passes IP, then what meets the socket."""
        for kind in kinds:
            more = dict(values)
            if kind == "segment":
                more.setdefault("segment_flags", 0)
            else:
                more = {name: value for name, value in more.items() if name
                        in ("cookie", "state", "snd_isn", "rcv_isn")}
            self.put(kind, self.other(sender), ms, **self.header(
                sender, seq, ack, length, flags, window) | more)

    def over(self, sender: str, ms: float, seq: int, ack: int | None = None,
             length: int = 0, flags: int = 0, window: int = 511,
             delay: float = 20) -> None:
        """Sent and arrived."""
        self.sent(sender, ms, seq, ack, length, flags, window)
        self.came(sender, ms + delay, seq, ack, length, flags, window)

    def lossy(self, *events: Event) -> None:
        self.events += events

    def sorted_events(self) -> list[Event]:
        return sorted(self.events, key=lambda event: event["time_ns"])

    def ladder(self, part: Part = Part(), end_ms: float = 60_000) -> Ladder:
        ladder = feed(Ladder(schema(), 1, part), *self.sorted_events())
        ladder.finish(self.scene.start_ns + round(end_ms * MS))
        return ladder

    @staticmethod
    def rungs(ladder: Ladder) -> list[Rung]:
        return [line for line in ladder.lines if isinstance(line, Rung)]

    @staticmethod
    def flag_words() -> dict[int, str]:
        return schema().values["tcp_flags"]

    def labels(self, ladder: Ladder) -> list[str]:
        conversation = ladder.conversation
        assert conversation is not None
        return [ladder_words.ports(conversation, rung, "->") + " "
                + ladder_words.label(ladder, rung, self.flag_words())
                for rung in self.rungs(ladder)]

    def notes(self, ladder: Ladder, number: int) -> str:
        rung = next(rung for rung in self.rungs(ladder)
                    if rung.number == number)
        return "; ".join(ladder_words.notes(ladder, rung))

    def handshake(self) -> None:
        """SYN, SYN-ACK and ACK, 20 ms each way."""
        self.put("state", A, 0, state=SYN_SENT, old_state=CLOSED, rcv_isn=0,
                 snd_una=0, snd_nxt=0, rcv_nxt=0)
        options = {"segment_flags": MSS | WSCALE | SACK_OK, "option_mss": 1460}
        self.sent(A, 0.1, 0, flags=SYN, window=64240, state=SYN_SENT,
                  option_wscale=SCALES[A], rcv_isn=0, **options)
        self.came(A, 20, 0, flags=SYN, window=64240, kinds=("segment", "syn"),
                  cookie=0, snd_isn=0, rcv_isn=0, state=CLOSED, **options)
        synack = self.header(B, 0, 1, 0, SYN, 65160)
        self.put("synack", B, 20.1, **synack)
        self.sent(B, 20.2, 0, 1, flags=SYN, window=65160,
                  option_wscale=SCALES[B], **options)
        self.came(B, 40, 0, 1, flags=SYN, window=65160, **options)
        self.over(A, 40.1, 1, 1)


class Numbers(Stage):
    """MISSION's numbers, to the letter."""

    def test_the_handshake_is_three_rungs_whoever_told_of_them(self) -> None:
        self.handshake()
        ladder = self.ladder()
        self.assertEqual(self.labels(ladder), [
            "63164 -> 22 [SYN] Seq=0 Win=64240 Len=0",
            "22 -> 63164 [SYN, ACK] Seq=0 Ack=1 Win=65160 Len=0",
            "63164 -> 22 [ACK] Seq=1 Ack=1 Win=130816 Len=0"])
        third = self.rungs(ladder)[2]
        self.assertEqual((third.seq, third.ack), (2712239079, 1288781509))
        self.assertEqual(ladder.initial_rtt_us, 40_000)
        self.assertEqual([rung.delay_us for rung in self.rungs(ladder)],
                         [19_900, 19_800, 20_000])
        self.assertEqual(ladder.completeness, 7)

    def test_lengths_fins_and_windows(self) -> None:
        self.handshake()
        self.over(B, 100, 1, 1, 8, PSH, 294)            # Welcome!
        self.over(A, 120.1, 1, 9)
        self.over(A, 200, 1, 9, 725, PSH)
        self.over(B, 220.1, 9, 726, window=294)
        self.over(B, 300, 4478, 3343, 0, FIN, 294)
        self.over(A, 320.1, 3343, 4479)
        self.over(A, 400, 3343, 4478, 0, FIN)
        self.over(B, 420.1, 4479, 3344, window=294)
        ladder = self.ladder()
        labels = self.labels(ladder)[3:]
        self.assertEqual(labels, [
            "22 -> 63164 [PSH, ACK] Seq=1 Ack=1 Win=37632 Len=8",
            "63164 -> 22 [ACK] Seq=1 Ack=9 Win=130816 Len=0",
            "63164 -> 22 [PSH, ACK] Seq=1 Ack=9 Win=130816 Len=725",
            "22 -> 63164 [ACK] Seq=9 Ack=726 Win=37632 Len=0",
            "22 -> 63164 [FIN, ACK] Seq=4478 Ack=3343 Win=37632 Len=0",
            "63164 -> 22 [ACK] Seq=3343 Ack=4479 Win=130816 Len=0",
            "63164 -> 22 [FIN, ACK] Seq=3343 Ack=4478 Win=130816 Len=0",
            "22 -> 63164 [ACK] Seq=4479 Ack=3344 Win=37632 Len=0"])
        self.assertEqual([rung.acks for rung in self.rungs(ladder)[3:]],
                         [None, 4, None, 6, None, 8, None, 10])
        self.assertEqual(ladder.completeness, 31)
        self.assertIn("complete, with data", ladder_words.heading(ladder))

    def test_960_bytes_and_a_fin_raw(self) -> None:
        self.over(A, 0, 1, 1, 960)
        self.over(B, 21, 1, 961)
        self.over(B, 100, 269, 961, flags=FIN)
        self.over(A, 121, 961, 270)
        data, ack, fin, last = self.rungs(self.ladder())
        self.assertEqual((data.seq, data.after, ack.ack),
                         (2712239079, 2712240039, 2712240039))
        self.assertEqual((fin.seq, fin.after, last.ack),
                         (1288781777, 1288781778, 1288781778))

    def test_the_rtt_is_from_the_senders_clock(self) -> None:
        self.sent(A, 0, 1, 1, 1448)
        self.came(A, 16, 1, 1, 1448)
        self.sent(B, 16.5, 1, 1449)
        self.came(B, 36.02, 1, 1449)
        ack = self.rungs(self.ladder())[1]
        self.assertEqual((ack.acks, ack.rtt_us, ack.answered_us),
                         (1, 36_020, 500))


class FastOpenSyn(Stage):
    """connect() tells of a SYN; what rides on it, and when it goes, is seen later."""

    def fast_open(self, sent_ms: float, with_segment: bool) -> list[Rung]:
        self.put("state", A, 0, state=SYN_SENT, old_state=CLOSED, rcv_isn=0,
                 snd_una=0, snd_nxt=0, rcv_nxt=0)
        if with_segment:
            self.sent(A, sent_ms, 0, flags=SYN, length=5, state=SYN_SENT, rcv_isn=0)
        self.came(A, sent_ms + 20, 0, flags=SYN, length=5, cookie=0, snd_isn=0,
                  rcv_isn=0, state=CLOSED,
                  kinds=("segment", "syn") if with_segment else ("syn",))
        self.over(B, sent_ms + 20.1, 0, 6, flags=SYN)
        self.over(A, sent_ms + 40.2, 6, 1)
        return self.rungs(self.ladder())

    def test_it_is_one_segment_with_its_data(self) -> None:
        for sent_ms, with_segment in ((0.1, True), (3000, True), (0.1, False)):
            with self.subTest(sent_ms=sent_ms, with_segment=with_segment):
                self.setUp()
                rungs = self.fast_open(sent_ms, with_segment)
                self.assertEqual([(rung.length, rung.fate, rung.again) for rung in rungs],
                                 [(5, "", False), (0, "", False), (0, "", False)])
                self.assertEqual((rungs[0].delay_us, rungs[1].acks),
                                 (20_000 if with_segment else 20_100, 1))


class WrapAround(Stage):
    isns = {A: WRAP - 4, B: WRAP - 1}

    def test_numbers_go_on_past_2_to_the_32(self) -> None:
        self.handshake()
        self.over(A, 100, 1, 1, 8)          # raw 2^32-3 to 5
        self.over(B, 120.1, 1, 9)
        self.sent(A, 200, 9, 1, 100)
        self.sent(A, 500, 9, 1, 100)        # again
        self.came(A, 520, 9, 1, 100)
        self.over(B, 520.1, 1, 109)
        ladder = self.ladder()
        self.assertEqual(self.labels(ladder)[3:], [
            "63164 -> 22 [ACK] Seq=1 Ack=1 Win=130816 Len=8",
            "22 -> 63164 [ACK] Seq=1 Ack=9 Win=65408 Len=0",
            "63164 -> 22 [ACK] Seq=9 Ack=1 Win=130816 Len=100",
            "63164 -> 22 [ACK] Seq=9 Ack=1 Win=130816 Len=100",
            "22 -> 63164 [ACK] Seq=1 Ack=109 Win=65408 Len=0"])
        rungs = self.rungs(ladder)
        self.assertEqual([rung.again for rung in rungs],
                         [False] * 6 + [True, False])
        self.assertEqual((rungs[4].acks, rungs[7].acks, rungs[7].acked_again),
                         (4, 7, True))
        self.assertEqual((rungs[5].fate, rungs[6].fate), (LOST, ""))

    def test_what_lies_across_it_is_sent_again(self) -> None:
        self.sent(A, 100, 1, 1, 8)          # ends behind 2^32
        self.sent(A, 300, 1, 1, 8)
        self.assertEqual([rung.again for rung in self.rungs(self.ladder())],
                         [False, True])


class BothEnds(Stage):
    def test_sent_and_never_received_is_lost(self) -> None:
        self.over(A, 0, 1, 1, 100)
        self.sent(A, 1, 101, 1, 100)
        self.over(A, 2, 201, 1, 100)
        ladder = self.ladder()
        self.assertEqual([rung.fate for rung in self.rungs(ladder)],
                         ["", LOST, ""])
        self.assertEqual(ladder.lost, 1)
        self.assertIn("LOST: it never arrived", self.notes(ladder, 2))

    def test_at_the_end_it_is_still_on_its_way(self) -> None:
        self.over(A, 0, 1, 1, 100)
        self.sent(A, 30, 101, 1, 100)
        ladder = self.ladder(end_ms=40)
        self.assertEqual(self.rungs(ladder)[1].fate, IN_FLIGHT)
        self.assertEqual(ladder.lost, 0)

    def test_after_lost_events_nobody_knows(self) -> None:
        self.over(A, 0, 1, 1, 100)
        self.sent(A, 30, 101, 1, 100, cpu=1)
        self.lossy(self.scene.event("lost", 31 * MS, lost_events=7))
        self.sent(A, 32, 201, 1, 100, cpu=1)
        self.over(A, 2000, 301, 1, 100)
        ladder = self.ladder()
        self.assertEqual([rung.fate for rung in self.rungs(ladder)],
                         ["", NOT_SEEN, NOT_SEEN, ""])
        self.assertEqual(ladder.lost, 0)
        fact, = (line for line in ladder.lines if isinstance(line, Fact)
                 and line.kind == "lost")
        self.assertEqual(fact.words, "7 events LOST here")

    def test_nor_where_arrivals_were_not_recorded(self) -> None:
        self.put("retransmit", A, 300, retransmit_cause=1,
                 **self.header(A, 1, 1, 100, ACK, 0))
        self.put("state", B, 5000, state=CLOSED, old_state=ESTABLISHED)
        rung, = self.rungs(self.ladder())
        self.assertEqual((rung.fate, rung.cause), ("", "RTO"))

    def test_nor_while_those_kinds_are_off(self) -> None:
        self.over(A, 0, 1, 1, 100)
        on = 1 << number_of_kind("retransmit")
        self.lossy(self.scene.event(
            "mark", 30 * MS, kinds_on=on, cookie=0, netns=0,
            mark_cause=number_of("mark_cause", "events")))
        self.put("retransmit", A, 300, retransmit_cause=1,
                 **self.header(A, 101, 1, 100, ACK, 0))
        self.assertEqual(self.rungs(self.ladder())[1].fate, NOT_SEEN)

    def test_what_is_sent_while_an_earlier_one_arrives_is_on_its_way(self) -> None:
        for number in range(20):
            self.sent(A, 10 * number, 1 + 100 * number, 1, 100)
        for number in range(10):
            self.came(A, 10 * number + 100, 1 + 100 * number, 1, 100)
        ladder = self.ladder(end_ms=196)
        self.assertEqual([rung.fate for rung in self.rungs(ladder)],
                         [""] * 10 + [IN_FLIGHT] * 10)
        self.assertEqual(ladder.lost, 0)

    def test_for_as_long_as_others_were(self) -> None:
        self.over(A, 0, 1, 1, 100, delay=3000)
        self.sent(A, 3100, 101, 1, 100)
        self.assertEqual(self.rungs(self.ladder(end_ms=6000))[1].fate, IN_FLIGHT)
        self.assertEqual(self.rungs(self.ladder(end_ms=6200))[1].fate, LOST)

    def test_what_is_sent_again_tells_nothing_of_those_between(self) -> None:
        """What arrives may be the first one, sent before them."""
        self.sent(A, 0, 1, 1, 100)
        self.sent(A, 1, 101, 1, 100)
        self.sent(A, 200, 1, 1, 100)
        self.came(A, 250, 1, 1, 100)
        self.assertEqual(self.rungs(self.ladder(end_ms=252))[1].fate, IN_FLIGHT)

    def test_in_parts_too(self) -> None:
        self.sent(A, 0, 1, 1, 100)
        self.sent(A, 10, 101, 1, 200)
        self.sent(A, 20, 301, 1, 100)
        self.came(A, 50, 101, 1, 100)
        self.came(A, 51, 201, 1, 100)
        self.assertEqual([rung.fate for rung in self.rungs(self.ladder(end_ms=60))],
                         [LOST, "", IN_FLIGHT])

    def test_among_many_acks_on_their_way(self) -> None:
        for number in range(300):
            self.sent(A, number, 1, 1 + number)
            self.came(A, number + 400, 1, 1 + number, kinds=("segment",))
        self.assertEqual([rung.delay_us for rung in self.rungs(self.ladder())],
                         [400_000] * 300)

    def test_of_many_alike_the_first_and_the_last_are_tried(self) -> None:
        """Their timestamps are rewritten on the way: none is the one that comes."""
        for number in range(2000):
            self.sent(A, number, 1, 1, segment_flags=STAMPS, tsval=number)
            self.came(A, number + 0.5, 1, 1, kinds=("segment",),
                      segment_flags=STAMPS, tsval=5000 + number)
        with mock.patch("renoscope_lib.ladder.rungs._same_there",
                        wraps=_same_there) as compared:
            self.ladder()
        self.assertLess(compared.call_count, 2000 * 4 * RECENT)

    def fates(self, **parameters: str) -> list[str]:
        ladder = Ladder(schema(), 1)
        ladder.gaps.begin(parameters, self.scene.start_ns)
        feed(ladder, *self.sorted_events())
        ladder.finish(self.scene.start_ns + 60_000 * MS)
        return [rung.fate for rung in self.rungs(ladder)]

    def test_an_end_that_another_filter_leaves_out_tells_nothing(self) -> None:
        self.over(A, 0, 1, 1, 100)
        self.lossy(self.scene.event(
            "mark", 500 * MS, kinds_on=WRAP - 1, cookie=0, netns=0,
            mark_cause=number_of("mark_cause", "filter")))
        self.sent(A, 1000, 101, 1, 100)
        self.assertEqual(self.fates(), ["", ""])
        self.over(A, 1010, 201, 1, 100)
        self.assertEqual(self.fates(), ["", "", ""], "it may be a filter by state")
        for event in self.events:   # as if it was marked before the parameters were read
            event.values["time_ns"] -= 600 * MS
        self.assertEqual(self.fates(), ["", LOST, ""])

    def test_a_syn_may_be_left_out_by_a_filter_that_nobody_read(self) -> None:
        self.lossy(self.scene.event(
            "mark", MS, kinds_on=WRAP - 1, cookie=0, netns=0,
            mark_cause=number_of("mark_cause", "filter")))
        self.sent(A, 10, 0, flags=SYN, window=64240)
        self.came(A, 60, 1, 1, 100, kinds=("ack",))
        self.assertEqual(self.fates(), ["", ""])

    def keepalive(self) -> None:
        self.came(A, 0, 1, 1, 100, kinds=("ack",))
        self.put("probe", A, 10_000, probe_cause=1, snd_una=ISN_A + 101)
        self.came(A, 20_000, 101, 1, 100, kinds=("ack",))

    def test_one_ack_in_so_many_tells_nothing_of_the_others(self) -> None:
        self.keepalive()
        self.assertEqual(self.fates(ack_sample="1"), ["", LOST, ""])
        self.assertEqual(self.fates(ack_sample="16"), ["", "", ""])
        self.assertEqual(self.fates(filter="state=ESTABLISHED"), ["", "", ""])

    def test_nor_after_a_change_that_may_be_of_that(self) -> None:
        self.lossy(self.scene.event(
            "mark", -MS, kinds_on=WRAP - 1, cookie=0, netns=0,
            mark_cause=number_of("mark_cause", "filter")))
        self.keepalive()
        self.assertEqual(self.fates(ack_sample="1"), ["", LOST, ""])
        self.events[0] = self.scene.event(
            "mark", MS, kinds_on=WRAP - 1, cookie=0, netns=0,
            mark_cause=number_of("mark_cause", "filter"))
        self.assertEqual(self.fates(ack_sample="1"), ["", "", ""])

    def test_what_reaches_a_listener_is_not_of_the_connections_end(self) -> None:
        """flow_sample keeps what has no id; the end itself may be left out."""
        for cookie in (0, 0xc):
            self.events.clear()
            self.sent(A, 0, 0, flags=SYN, window=64240)
            self.came(A, 20, 0, flags=SYN, window=64240, kinds=("segment",),
                      cookie=cookie, state=LISTEN)
            self.sent(A, 60, 1, 1, 100)
            self.assertEqual(self.fates(), ["", LOST])
            self.assertEqual(self.fates(flow_sample="10"), ["", ""])
            self.assertEqual(self.fates(filter="port=22"), ["", ""])

    def test_a_syn_is_lost_if_it_would_have_been_told(self) -> None:
        self.sent(A, 0, 0, flags=SYN, window=64240)
        self.came(A, 60, 1, 1, 100, kinds=("ack",))
        self.assertEqual(self.fates(), [LOST, ""])
        self.assertEqual(self.fates(events="segment,ack"), [NOT_SEEN, ""])
        self.came(A, 90, 101, 1, 100)
        self.assertEqual(self.fates(events="segment,ack"), [LOST, "", ""])
        self.assertEqual(self.fates(filter="cookie=10,11"), [NOT_SEEN, "", ""])

    def test_what_was_under_way_when_recording_began_was_not_sent_again(self) -> None:
        """Nor what is sent while the record of its sending is lost."""
        self.sent(A, 0, 401, 1, 100)
        for n, seq in enumerate((1, 201, 101, 301)):
            self.came(A, 1 + n, seq, 1, 100)
        self.came(A, 20, 401, 1, 100)
        self.sent(A, 30, 501, 1, 100)
        self.sent(A, 32, 701, 1, 100)
        for n, seq in enumerate((501, 601, 701)):
            self.came(A, 50 + n, seq, 1, 100)
        ladder = self.ladder()
        self.assertEqual([rung.number for rung in self.rungs(ladder)
                          if rung.again or rung.marks], [])
        self.assertNotIn("sent again", ladder_words.heading(ladder))

    def test_but_where_no_more_is_told_of_sending_what_came_shows_it(self) -> None:
        self.sent(A, 0, 1, 1, 100)
        self.came(A, 20, 1, 1, 100)
        self.put("mark", A, 30, mark_cause=number_of("mark_cause", "events"),
                 kinds_on=0)
        for n, seq in enumerate((201, 101, 1)):
            self.came(A, 40 + n, seq, 1, 100, kinds=("ack",))
        self.assertEqual([[code for code, _ in rung.marks] for rung in self.rungs(
            self.ladder())], [
            [], ["gap"], ["fills_gap"], ["retransmission"]])

    def test_sent_again_with_its_cause(self) -> None:
        self.sent(A, 0, 1, 1, 100)
        self.put("rto", A, 200, rto_us=200_000)
        self.sent(A, 200.1, 1, 1, 100)
        self.put("retransmit", A, 200.2, retransmit_cause=1,
                 **self.header(A, 1, 1, 100, ACK, 0))
        self.came(A, 220, 1, 1, 100)
        self.over(B, 220.1, 1, 101)
        ladder = self.ladder()
        first, second, ack = self.rungs(ladder)
        self.assertEqual((first.fate, second.received_ns is not None), (LOST, True))
        self.assertEqual(self.notes(ladder, 2), "sent again: RTO, first as 1")
        self.assertEqual((ack.acks, ack.rtt_us), (2, None))
        self.assertEqual((ladder.sent_again, ladder.lost), (1, 1))
        self.assertIn("RTO of 200 ms fired", [
            line.words for line in ladder.lines if isinstance(line, Fact)])

    def test_a_part_sent_again_is_what_its_ack_names(self) -> None:
        self.sent(A, 0, 1, 1, 200)
        self.over(A, 100, 1, 1, 100)
        self.over(B, 121, 1, 101)
        ack = self.rungs(self.ladder())[2]
        self.assertEqual((ack.acks, ack.rtt_us), (2, None))

    def test_needlessly(self) -> None:
        self.over(A, 0, 1, 1, 100, delay=400)
        self.over(A, 200, 1, 1, 100, delay=300, window=510)
        self.assertIn("which arrived later", self.notes(self.ladder(), 2))

    def test_timestamps_tell_the_original_from_its_repetition(self) -> None:
        for ms, tsval in ((0, 50), (200, 250)):
            self.sent(A, ms, 1, 1, 100, segment_flags=STAMPS, tsval=tsval)
        self.came(A, 220, 1, 1, 100, segment_flags=STAMPS, tsval=50)
        self.over(A, 300, 101, 1, 100)
        first, again, _ = self.rungs(self.ladder())
        self.assertEqual((first.delay_us, first.fate, again.fate),
                         (220_000, "", LOST))

    def test_a_bare_ack_twice_is_told_in_order(self) -> None:
        self.over(B, 0, 1, 1)
        for ms in (10, 11, 12):
            self.sent(B, ms, 1, 1)
        for ms in (31, 32):
            self.came(B, ms, 1, 1)
        self.over(B, 50, 1, 1, 10)
        rungs = self.rungs(self.ladder())
        self.assertEqual([rung.delay_us for rung in rungs],
                         [20_000, 21_000, 21_000, None, 20_000])
        self.assertEqual(rungs[3].fate, LOST)

    def test_cut_on_the_way(self) -> None:
        self.sent(A, 0, 1, 1, 300, PSH)
        for part in range(3):
            self.came(A, 20 + part, 1 + 100 * part, 1, 100)
        self.sent(A, 40, 301, 1, 300, PSH)
        self.came(A, 60, 301, 1, 100)
        ladder = self.ladder()
        whole, partly = self.rungs(ladder)
        self.assertEqual((whole.fate, whole.delay_us, whole.pieces),
                         ("", 22_000, 3))
        self.assertEqual((partly.fate, partly.arrived), (PARTLY_LOST, 100))
        self.assertIn("100 of 300 bytes arrived", self.notes(ladder, 2))

    def test_joined_on_the_way(self) -> None:
        for part in range(3):
            self.sent(A, part, 1 + 100 * part, 1, 100)
        self.came(A, 20, 1, 1, 300)
        rungs = self.rungs(self.ladder())
        self.assertEqual([rung.delay_us for rung in rungs],
                         [20_000, 19_000, 18_000])

    def test_without_segment_more_may_be_lost_than_is_seen(self) -> None:
        self.came(A, 20, 1, 1, 100, kinds=("ack",))
        self.came(B, 40, 1, 101, kinds=("ack",))
        for ms in (60, 300):
            self.put("retransmit", A, ms, retransmit_cause=1, retransmit_segs=1,
                     **self.header(A, 101, 1, 100, ACK, 0))
        self.came(A, 320, 101, 1, 100, kinds=("ack",))
        self.assertIn("; 2 sent again; at least 1 lost; ",
                      ladder_words.heading(self.ladder()))

    def test_without_segment_only_what_came_is_drawn(self) -> None:
        self.came(A, 20, 1, 1, 100, kinds=("ack",))
        self.came(B, 40, 1, 101, kinds=("ack",))
        ladder = self.ladder()
        data, ack = self.rungs(ladder)
        self.assertEqual((data.sent_ns, data.delay_us, data.fate), (None, None, ""))
        self.assertEqual((ack.acks, ack.rtt_us), (1, None))
        text = ladder_words.missing(ladder)
        self.assertIn("echo +segment", text)
        self.assertIn("one lost on its way is not here", text)

    def test_the_same_host_at_both_ends(self) -> None:
        self.netns = {A: 101, B: 101}
        self.over(A, 0, 1, 1, 100)
        rung, = self.rungs(self.ladder())
        self.assertEqual(rung.delay_us, 20_000)

    def test_in_time_wait_numbers_and_windows_go_on(self) -> None:
        self.handshake()
        for kind in ("segment", "time_wait"):
            more = {"segment_flags": 0} if kind == "segment" else {
                "time_wait_step": number_of("time_wait_step", "segment")}
            self.put(kind, A, 100, snd_isn=0, rcv_isn=0, snd_wscale=0,
                     state=number_of("state", "FIN-WAIT-2"), cwnd=0,
                     **self.header(B, 4478, 3344, 0, FIN, 294) | more)
        self.assertEqual(
            self.labels(self.ladder())[-1],
            "22 -> 63164 [FIN, ACK] Seq=4478 Ack=3344 Win=37632 Len=0")


class SimultaneousOpen(Stage):
    def crossing(self) -> None:
        """Both SYNs, and both again with the other's ACK."""
        for sender, at in ((A, 0), (B, 5)):
            self.over(sender, at, 0, flags=SYN, window=64240)
        for sender, at in ((A, 30), (B, 35)):
            self.over(sender, at, 0, 1, flags=SYN, window=64240)

    def test_a_syn_with_its_ack_is_not_sent_again(self) -> None:
        self.crossing()
        ladder = self.ladder()
        self.assertEqual((ladder.rungs, ladder.sent_again), (4, 0))
        self.assertIn("acknowledges 3 (SYN), sent more than once", self.notes(ladder, 4))

    def test_but_once_more_it_is(self) -> None:
        self.crossing()
        self.over(A, 1030, 0, 1, flags=SYN, window=64240)
        ladder = self.ladder()
        self.assertEqual(ladder.sent_again, 1)
        self.assertIn("first as 3", self.notes(ladder, 5))


class WithItself(Stage):
    """A socket that connected to its own port: it gets what it sends."""

    isns = {A: ISN_A, B: ISN_A}

    def ends_of(self, end: str) -> dict[str, Any]:
        ends = super().ends_of(A)
        return ends | {"remote_addr": ends["local_addr"],
                       "remote_port": ends["local_port"]}

    def setUp(self) -> None:
        super().setUp()
        self.put("state", A, 0, state=SYN_SENT, old_state=CLOSED, rcv_isn=0)
        self.over(A, 1, 0, flags=SYN, window=64240)
        self.over(A, 30, 0, 1, flags=SYN, window=64240)
        self.over(A, 60, 1, 1, 100)
        self.over(A, 90, 101, 101)

    def test_each_segment_is_one_rung(self) -> None:
        ladder = self.ladder()
        self.assertEqual([(rung.way, rung.delay_us) for rung in self.rungs(ladder)],
                         [(0, 20_000)] * 4)
        self.assertEqual((ladder.sent_again, ladder.lost, ladder.is_partial),
                         (0, 0, False))
        self.assertIn("4 segments, with itself; 0 lost", ladder_words.heading(ladder))

    def test_they_acknowledge_its_own(self) -> None:
        self.assertEqual([rung.acks for rung in self.rungs(self.ladder())],
                         [None, 1, None, 3])

    def test_its_id_stands_at_both_ends(self) -> None:
        conversation = self.ladder().conversation
        assert conversation is not None
        self.assertEqual([ladder_words.ids(conversation, end) for end in (0, 1)],
                         ["sk:a"] * 2)


class OneEnd(Stage):
    def test_the_senders(self) -> None:
        self.sent(A, 0, 1, 1, 1448)
        self.sent(A, 1, 1449, 1, 1448)
        self.came(B, 40, 1, 2897)
        ladder = self.ladder()
        one, two, ack = self.rungs(ladder)
        self.assertEqual([one.fate, two.fate, ack.fate], ["", "", ""])
        self.assertEqual((ack.acks, ack.acks_several, ack.rtt_us),
                         (2, True, 39_000))
        self.assertEqual(self.notes(ladder, 3),
                         "acknowledges all up to 2, RTT 39 ms")
        self.assertEqual(ladder_words.missing(ladder), "")
        self.assertIn("one end recorded", ladder_words.heading(ladder))

    def test_the_receivers(self) -> None:
        self.came(A, 0, 1, 1, 1448)
        self.sent(B, 0.5, 1, 1449)
        ladder = self.ladder()
        self.assertEqual(self.notes(ladder, 2),
                         "acknowledges 1, 500 us after it came")

    def test_without_segment(self) -> None:
        self.put("state", A, 0, state=SYN_SENT, old_state=CLOSED, rcv_isn=0,
                 snd_una=0, snd_nxt=0, rcv_nxt=0)
        self.came(B, 40, 0, 1, flags=SYN, window=65160, kinds=("ack",))
        self.put("loss_probe", A, 90, probe_retransmits=1,
                 **self.header(A, 1, 1, 9, PSH, 0))
        self.put("retransmit", A, 90.1, retransmit_cause=number_of(
            "retransmit_cause", "tail_loss_probe"),
            **self.header(A, 1, 1, 9, PSH, 0))
        ladder = self.ladder()
        self.assertEqual(self.labels(ladder), [
            "63164 -> 22 [SYN] Seq=0 Len=0",
            "22 -> 63164 [SYN, ACK] Seq=0 Ack=1 Win=65160 Len=0",
            "63164 -> 22 [PSH, ACK] Seq=1 Ack=1 Len=9"])
        self.assertEqual(self.notes(ladder, 3), "sent again: tail loss probe")
        self.assertEqual(self.rungs(ladder)[1].rtt_us, 40_000)
        self.assertIn("most of what that end sent is not here",
                      ladder_words.missing(ladder))

    def test_gaps_in_what_came(self) -> None:
        def stamped(ms: float, seq: int, tsval: int) -> None:
            self.came(A, ms, seq, 1, 100, segment_flags=STAMPS, tsval=tsval)
        stamped(0, 1, 50)
        stamped(1, 201, 51)     # 101 is missing
        stamped(2, 101, 50)     # overtaken
        stamped(3, 501, 52)     # 301 and 401 are
        stamped(300, 301, 300)  # sent again
        stamped(301, 1, 301)    # it had come
        ladder = self.ladder()
        self.assertEqual([self.notes(ladder, n) for n in range(2, 7)], [
            "100 bytes before it have not come",
            "fills a gap: overtaken on the way",
            "200 bytes before it have not come",
            "sent again; fills a gap: sent again",
            "sent again, first as 1"])
        self.assertEqual([rung.again for rung in self.rungs(ladder)],
                         [False, False, False, False, True, True])

    def test_before_the_first_that_came_others_may_be_missing(self) -> None:
        """Recording began in the midst of it: the first may have overtaken them."""
        self.came(A, 0, 501, 1, 100)
        self.came(A, 1, 101, 1, 100)
        self.came(A, 2, 101, 1, 100)
        ladder = self.ladder()
        self.assertEqual([self.notes(ladder, n) for n in (2, 3)], [
            "fills a gap: sent again, or overtaken", "sent again, first as 2"])
        self.assertEqual(ladder_words.heading(ladder).count("1 sent again"), 1)

    def test_a_syn_again_is_known_by_its_answer(self) -> None:
        """Without `segment` a listener tells of one only by sending its SYN-ACK again."""
        syn = self.header(A, 0, None, 0, SYN, 64240)
        synack = self.header(B, 0, 1, 0, SYN, 65160)
        self.put("state", A, 0, old_state=CLOSED, state=SYN_SENT, rcv_isn=0)
        self.put("syn", B, 20, cookie=0, state=0, **syn)
        self.put("synack", B, 20.1, **synack)
        self.put("retransmit", A, 1000, **syn)
        self.put("synack_retransmit", B, 1020, by_timer=0, **synack)
        self.put("retransmit", A, 1100, **syn)
        self.put("ack", B, 3000, **self.header(A, 1, 1, 5, PSH, 511))
        rungs = self.rungs(self.ladder())
        again = [rung for rung in rungs if rung.way == rungs[0].way and rung.again]
        self.assertEqual([(rung.delay_us, rung.fate) for rung in again],
                         [(20_000, ""), (None, NOT_SEEN)])

    def test_a_reset_is_drawn_with_the_numbers_it_must_have(self) -> None:
        stray = self.header(B, 500, 700, 10, PSH, 1)
        self.put("reset_sent", A, 0, **stray)
        self.put("reset_sent", A, 1000, snd_nxt=ISN_A + 7, rcv_nxt=ISN_B + 9)
        self.assertEqual(self.labels(self.ladder())[1:], [
            "63164 -> 22 [RST] Seq=700 Len=0",
            "63164 -> 22 [RST, ACK] Seq=7 Ack=9 Len=0"])

    def test_a_reset_told_twice_is_one(self) -> None:
        self.put("reset_sent", A, 0, snd_nxt=ISN_A + 7, rcv_nxt=ISN_B + 9)
        self.sent(A, 0.1, 8, 9, flags=RST, window=0)
        self.assertEqual(self.labels(self.ladder()), [
            "63164 -> 22 [RST, ACK] Seq=8 Ack=9 Win=0 Len=0"])


class Marks(Stage):
    def marks(self) -> list[list[str]]:
        return [[code for code, _ in rung.marks]
                for rung in self.rungs(self.ladder())]

    def test_duplicate_acks_are_counted(self) -> None:
        self.over(B, 0, 1, 1)
        for n in range(3):
            self.over(B, 10 + n, 1, 1)
        self.over(B, 20, 1, 101)
        self.over(B, 21, 1, 101)
        ladder = self.ladder()
        self.assertEqual([self.notes(ladder, n) for n in range(1, 7)], [
            "", "duplicate ACK #1", "duplicate ACK #2", "duplicate ACK #3",
            "", "duplicate ACK #1"])

    def test_windows(self) -> None:
        self.over(B, 0, 1, 1, window=4)              # 4 x 128
        self.over(A, 30, 1, 1, 512)
        self.over(B, 51, 1, 513, window=0)
        self.over(B, 300, 1, 513, window=4)
        self.over(B, 301, 1, 513, window=5)
        self.assertEqual(self.marks(), [
            [], ["window_full"], ["zero_window"], ["window_update"],
            ["window_update"]])
        self.assertIn("window update: it was zero", self.notes(self.ladder(), 4))

    def test_probes_are_not_repetitions(self) -> None:
        self.over(A, 0, 1, 1, 100)
        self.over(B, 21, 1, 101, window=0)
        self.put("probe", A, 300, snd_una=ISN_A + 101, rcv_nxt=ISN_B + 1,
                 probe_cause=number_of("probe_cause", "zero_window"),
                 rto_us=204_000)
        self.over(A, 300.1, 100, 1)
        self.over(B, 321, 1, 101, window=0)
        ladder = self.ladder()
        self.assertEqual(self.marks()[2:], [
            ["probe", "keepalive"], ["zero_window", "keepalive_ack"]])
        self.assertFalse(ladder.sent_again)
        self.assertIn("zero-window probe 1, next in 408 ms", [
            line.words for line in ladder.lines if isinstance(line, Fact)])

    def test_sack_and_the_options_of_a_syn(self) -> None:
        self.handshake()
        self.sent(B, 100, 1, 1, sack_blocks=1, sack1_left=ISN_A + 101,
                  sack1_right=ISN_A + 201)
        ladder = self.ladder()
        said = [ladder_words.options(ladder, rung)
                for rung in self.rungs(ladder)]
        self.assertEqual(said, ["MSS=1460 SACK_PERM WS=256",
                                "MSS=1460 SACK_PERM WS=128", "",
                                "SLE=101 SRE=201"])


def number_of_kind(name: str) -> int:
    """A kind's bit in kinds_on."""
    return next(n for n, kind in schema().kinds.items() if kind == name)


class StatesAndFacts(Stage):
    def steps(self, ladder: Ladder) -> list[tuple[int, str]]:
        return [(line.end, line.state) for line in ladder.lines
                if isinstance(line, Step)]

    def change(self, end: str, ms: float, old: str, new: str) -> None:
        self.put("state", end, ms, state=number_of("state", new),
                 old_state=number_of("state", old))

    def small(self, ms: float, state: str, step: str) -> None:
        self.put("time_wait", A, ms, state=number_of("state", state),
                 time_wait_step=number_of("time_wait_step", step),
                 time_wait_us=60_000_000)

    def test_a_fin_with_the_ack_leads_straight_to_time_wait(self) -> None:
        self.change(A, 0, "ESTABLISHED", "FIN-WAIT-1")
        self.came(B, 1, 1, 2, flags=FIN)
        self.change(A, 1.1, "FIN-WAIT-1", "FIN-WAIT-2")
        self.small(1.2, "TIME-WAIT", "started")
        self.change(A, 1.3, "FIN-WAIT-2", "CLOSED")
        self.put("time_wait_end", A, 60_000, state=number_of("state", "TIME-WAIT"),
                 time_wait_ending=number_of("time_wait_ending", "timer"))
        ladder = self.ladder()
        self.assertEqual(self.steps(ladder), [
            (0, "FIN-WAIT-1"), (0, "TIME-WAIT"), (0, "CLOSED")])
        self.assertEqual(next(line.detail for line in ladder.lines
                              if isinstance(line, Step)
                              and line.state == "TIME-WAIT"), "for 60 s")

    def test_what_is_destroyed_is_closed(self) -> None:
        """Its change to CLOSED was lost; TIME-WAIT goes on without the socket."""
        closed = number_of("state", "CLOSED")
        self.change(A, 0, "CLOSE-WAIT", "LAST-ACK")
        self.put("destroy", A, 1, state=closed)
        ladder = self.ladder()
        self.assertEqual([(step.state, step.detail) for step in ladder.lines
                          if isinstance(step, Step)], [("LAST-ACK", ""), ("CLOSED", "by now")])
        self.setUp()
        self.change(A, 0, "CLOSING", "TIME-WAIT")
        self.small(0, "TIME-WAIT", "started")
        self.put("destroy", A, 1, state=closed)
        self.assertEqual(self.steps(self.ladder()), [(0, "TIME-WAIT")])

    def test_no_room_for_time_wait(self) -> None:
        """It is closed at once: there is no small sock."""
        for state, came in (("TIME-WAIT", FIN), ("FIN-WAIT-2", 0)):
            with self.subTest(state):
                self.setUp()
                self.change(A, 0, "ESTABLISHED", "FIN-WAIT-1")
                self.came(B, 1, 1, 2, flags=came)
                self.change(A, 1.1, "FIN-WAIT-1", "FIN-WAIT-2")
                self.small(1.2, state, "overflow")
                self.change(A, 1.3, "FIN-WAIT-2", "CLOSED")
                self.assertEqual([state for _, state in self.steps(self.ladder())],
                                 ["FIN-WAIT-1", *([] if came else ["FIN-WAIT-2"]), "CLOSED"])

    def test_an_ack_shows_an_opening_of_which_the_event_was_lost(self) -> None:
        self.change(A, 0, "CLOSED", "SYN-SENT")
        self.came(B, 1, 1, 1)
        self.came(B, 2, 1, 9)
        self.assertEqual(self.steps(self.ladder()), [(0, "SYN-SENT"), (0, "ESTABLISHED")])

    def test_a_syn_that_ends_time_wait(self) -> None:
        """The socket is the old connection's, the SYN the new one's."""
        forgotten = {"snd_isn": 0, "rcv_isn": 0, "state": number_of("state", "TIME-WAIT")}
        self.change(A, 0, "ESTABLISHED", "FIN-WAIT-1")
        self.small(1, "TIME-WAIT", "started")
        self.change(A, 1.1, "FIN-WAIT-1", "CLOSED")
        self.isns = {A: 0, B: ISN_B + 70_000}
        self.came(B, 100, 0, flags=SYN, kinds=("segment", "time_wait"), **forgotten)
        self.put("time_wait_end", A, 100.1, **forgotten,
                 time_wait_ending=number_of("time_wait_ending", "new_syn"))
        self.isns = {A: ISN_A + 90_000, B: ISN_B + 70_000}
        self.put("request", A, 100.2, cookie=0xd, state=number_of("state", "SYN-RECEIVED"))
        old, new = self.ladder(), feed(Ladder(schema(), 2), *self.sorted_events())
        self.assertEqual(self.steps(old), [(0, "FIN-WAIT-1"), (0, "TIME-WAIT"), (0, "CLOSED")])
        new.finish(None)
        self.assertEqual(self.steps(new), [(0, "SYN-RECEIVED")])
        assert old.conversation and new.conversation
        self.assertEqual((old.conversation.ids[0], new.conversation.ids[0]), ([0xa], [0xd]))
        self.assertEqual((old.rungs, new.rungs), (0, 1))

    def test_a_fin_later_does_not(self) -> None:
        self.change(A, 0, "ESTABLISHED", "FIN-WAIT-1")
        self.came(B, 1, 1, 2)
        self.change(A, 1.1, "FIN-WAIT-1", "FIN-WAIT-2")
        self.assertEqual(self.steps(self.ladder())[-1], (0, "FIN-WAIT-2"))

    def test_cwnd_once_a_round_trip_and_when_it_is_cut(self) -> None:
        def at(ms: float, una: int, nxt: int, cwnd: int, ssthresh: int) -> None:
            self.put("ack", A, ms, snd_una=ISN_A + una, snd_nxt=ISN_A + nxt,
                     cwnd=cwnd, ssthresh=ssthresh,
                     **self.header(B, 1, una, 0, 0, 100))
        none = 0x7fffffff
        at(0, 1, 1001, 10, none)
        at(1, 101, 1001, 11, none)
        at(2, 201, 1001, 12, none)
        at(3, 1001, 2001, 20, none)      # a round trip later
        at(4, 1101, 2001, 21, none)
        at(5, 1201, 2001, 21, 10)        # cut
        words = [line.words for line in self.ladder().lines
                 if isinstance(line, Fact)]
        self.assertEqual(words, ["cwnd 10, ssthresh none yet",
                                 "cwnd 10 -> 20, ssthresh none yet",
                                 "cwnd 20 -> 21, ssthresh none yet -> 10"])

    def test_cwnd_after_a_syn_sent_again(self) -> None:
        """What its timeout left of cwnd is not what the connection begins with."""
        self.put("state", A, 0, state=ESTABLISHED, old_state=SYN_SENT, cwnd=1, ssthresh=7)
        self.put("ack", A, 1, cwnd=10, ssthresh=0x7fffffff,
                 **self.header(B, 1, 1, 0, 0, 100))
        self.assertEqual([line.words for line in self.ladder().lines
                          if isinstance(line, Fact)], ["cwnd 10, ssthresh none yet"])

    def begins(self, end: str, ms: float, una: int) -> None:
        """CLOSED, SYN-SENT and ESTABLISHED; una is relative."""
        self.put("state", end, ms, state=SYN_SENT, old_state=CLOSED, rcv_isn=0)
        self.put("state", end, ms + 0.1, state=ESTABLISHED, old_state=SYN_SENT,
                 snd_una=self.isns[end] + una, cwnd=10)

    def test_a_restored_connection_sent_no_syn(self) -> None:
        """TCP_REPAIR at both ends: nothing acknowledges what was never sent."""
        for una, detail, lost in ((0, "restored (TCP_REPAIR)", 0), (1, "", 2)):
            with self.subTest(una=una):
                self.setUp()
                self.begins(A, 0, una)
                self.begins(B, 7, una)
                self.over(A, 10, 1, 1)
                self.over(B, 40, 1, 1)
                ladder = self.ladder()
                self.assertEqual((ladder.rungs, ladder.lost), (2 + lost, lost))
                self.assertEqual([line.detail for line in ladder.lines
                                  if isinstance(line, Step)], ["", detail] * 2)

    def test_a_syn_of_which_nothing_more_is_seen_is_kept(self) -> None:
        self.put("state", A, 0, state=SYN_SENT, old_state=CLOSED, rcv_isn=0)
        self.assertEqual(self.ladder().rungs, 1)


class Joining(Stage):
    def numbers(self) -> list[int | None]:
        conversations = Conversations(schema())
        found = [conversations.of(event) for event in self.sorted_events()]
        return [one and one.number for one in found]

    def test_both_ends_of_the_same(self) -> None:
        self.over(A, 0, 1, 1, 10)
        self.assertEqual(self.numbers(), [1, 1, 1])

    def test_the_same_ends_with_other_isns_are_another_one(self) -> None:
        self.over(A, 0, 1, 1, 10)
        self.isns = {A: ISN_A + 70_000, B: ISN_B + 1000}
        self.over(A, 100, 1, 1, 10)
        self.assertEqual(self.numbers(), [1, 1, 1, 2, 2, 2])

    def test_the_list_says_where_an_end_is(self) -> None:
        """As `states` does: a small sock outlives its full one."""
        def small(kind: str, ms: float, state: str, step: str) -> None:
            unit = {"time_wait": "time_wait_step", "time_wait_end": "time_wait_ending",
                    "request_end": "request_ending"}[kind]
            self.put(kind, A, ms, state=number_of("state", state),
                     **{unit: number_of(unit, step)})

        def state() -> str:
            conversations = Conversations(schema())
            for event in self.sorted_events():
                conversations.of(event)
            return next(iter(conversations)).states[0].now

        self.put("state", A, 1, state=number_of("state", "FIN-WAIT-2"))
        small("time_wait", 2, "TIME-WAIT", "started")
        self.put("state", A, 3, state=CLOSED)
        self.assertEqual(state(), "TIME-WAIT")
        small("time_wait_end", 60_000, "TIME-WAIT", "timer")
        self.assertEqual(state(), "CLOSED")
        self.setUp()
        self.put("state", A, 1, state=number_of("state", "FIN-WAIT-2"))
        small("time_wait", 2, "TIME-WAIT", "overflow")
        self.put("state", A, 3, state=CLOSED)
        self.assertEqual(state(), "CLOSED")
        self.setUp()
        self.put("request", A, 1, state=number_of("state", "SYN-RECEIVED"))
        self.assertEqual(state(), "SYN-RECEIVED")
        small("request_end", 2, "SYN-RECEIVED", "expired")
        self.assertEqual(state(), "CLOSED")
        self.setUp()
        small("request_end", 2, "SYN-RECEIVED", "expired")  # its beginning was not recorded
        self.assertEqual(state(), "CLOSED")
        self.setUp()
        small("time_wait", 2, "TIME-WAIT", "started")
        self.came(B, 3, 90_000, flags=SYN)      # another ISN: the next connection
        small("time_wait_end", 4, "TIME-WAIT", "new_syn")
        self.assertEqual(state(), "CLOSED")
        self.setUp()
        small("time_wait_end", 1, "TIME-WAIT", "timer")     # recording began in it
        self.assertEqual(state(), "CLOSED")

    def test_a_peer_that_still_has_an_older_connection(self) -> None:
        """It challenges the SYN, gets a RST, and answers the SYN that goes again."""
        self.over(A, 0, 1, 1, 10)
        old = dict(self.isns)
        new = old | {A: old[A] + 70_000}
        anew = {"cookie": 0xc, "state": SYN_SENT, "snd_isn": new[A], "rcv_isn": 0,
                "snd_nxt": new[A] + 1}
        self.isns = new
        self.put("state", A, 100, old_state=CLOSED, **anew | {"snd_nxt": 0})
        self.sent(A, 101, 0, flags=SYN, **anew)
        self.came(A, 120, 0, flags=SYN, snd_isn=old[B], rcv_isn=old[A])
        self.isns = old
        self.sent(B, 121, 1, 11)
        self.came(B, 140, 1, 11, **anew)
        self.put("reset_sent", A, 140, **self.header(B, 1, 11, 0, 0, 511) | anew)
        self.sent(A, 141, 11, flags=RST, **anew)
        self.came(A, 160, 11, flags=RST)
        self.isns = new | {B: old[B] + 90_000}
        self.over(B, 200, 0, 1, flags=SYN)
        numbers = self.numbers()
        self.assertEqual((numbers[:3], numbers[3:7]), ([1] * 3, [2] * 4))
        self.assertEqual((numbers[7:-3], numbers[-3:]), ([1] * 7, [2] * 3))

    def test_an_isn_that_is_one_off_is_the_same(self) -> None:
        self.over(A, 0, 1, 1, 10)
        self.isns = {A: ISN_A - 1, B: ISN_B}
        self.over(A, 100, 1, 1, 10)
        self.assertEqual(set(self.numbers()), {1})

    def test_the_same_addresses_on_other_hosts_are_others(self) -> None:
        self.over(A, 0, 1, 1, 10)
        self.isns, self.netns = {A: 7, B: 9}, {A: 201, B: 202}
        self.put("ack", A, 50, cookie=0xc, **self.header(B, 1, 1, 0, 0, 1))
        self.put("ack", B, 51, cookie=0xd, **self.header(A, 1, 1, 0, 0, 1))
        self.assertEqual(self.numbers(), [1, 1, 1, 2, 2])

    def test_one_other_isn_is_enough(self) -> None:
        self.over(A, 0, 1, 1, 10)
        self.isns = {A: ISN_A + 70_000, B: 0}
        self.put("state", A, 100, state=SYN_SENT, old_state=CLOSED)
        self.assertEqual(self.numbers()[-1], 2)

    def test_an_end_is_on_one_host_only(self) -> None:
        self.over(A, 0, 1, 1, 10)
        self.put("reset_sent", A, 50, netns=999, cookie=0, snd_isn=0, rcv_isn=0,
                 **self.header(B, 1, 1, 0, 0, 1))
        self.assertEqual(self.numbers()[-1], 2)

    def test_a_listener_is_none(self) -> None:
        self.put("state", B, 0, remote_port=0, remote_addr="0.0.0.0",
                 snd_isn=0, rcv_isn=0)
        self.assertEqual(self.numbers(), [None])

    def test_the_earliest_are_forgotten(self) -> None:
        conversations = Conversations(schema())
        with mock.patch("renoscope_lib.ladder.conversations.MOST", 3):
            for port in range(1, 6):
                conversations.of(self.put("ack", A, port, local_port=port,
                                          cookie=port))
        self.assertEqual((len(conversations), conversations.forgotten), (3, 2))
        self.assertEqual([one.number for one in conversations], [3, 4, 5])
        self.assertIn("2 earlier connections left out", conversations.left_out()[0])
        self.assertEqual(len(conversations._found), 6)


class Pictures(Stage):
    def text(self, ladder: Ladder, **look: Any) -> list[str]:
        return list(ladder_text.TextLadder(
            ladder, self.flag_words(), 0, ladder_text.Look(**look)).lines())

    def whole(self) -> None:
        self.handshake()
        self.over(A, 100, 1, 1, 1448)
        self.over(B, 120.1, 1, 1449)
        self.sent(B, 900, 1, 1449, 10, PSH)

    def test_no_line_is_wider_than_the_terminal(self) -> None:
        self.whole()
        for width in (60, 80, 100, 131):
            for line in self.text(self.ladder(), width=width):
                if "│" in line:
                    self.assertLessEqual(len(line), width, line)

    def test_ascii_and_no_colour(self) -> None:
        self.whole()
        lines = "\n".join(self.text(self.ladder(), unicode=False))
        self.assertTrue(lines.isascii())
        self.assertNotIn("\033", lines)
        self.assertIn("|-- 63164 -> 22 [ACK] Seq=1 Ack=1 Win=130816 Len=1448 -",
                      lines)
        self.assertIn(" 20 ms ->|", lines)
        self.assertIn("o SYN-SENT", lines)
        coloured = "\n".join(self.text(self.ladder(), colour=True))
        self.assertIn("\033[31m", coloured)

    def test_a_lost_one_does_not_reach_the_other_rail(self) -> None:
        self.whole()
        line, = (line for line in self.text(self.ladder(), unicode=False)
                 if "Len=10 " in line)
        self.assertRegex(line, r"\|    +X-")
        self.assertIn("779.9 ms", "\n".join(self.text(self.ladder())))

    def test_a_part_of_it(self) -> None:
        self.whole()
        ladder = self.ladder(Part(limit=2))
        self.assertEqual([rung.number for rung in self.rungs(ladder)], [1, 2])
        self.assertIn("2 rungs of 6 shown; it goes on with --from 0.040100, "
                      "--limit 0 shows all.", self.text(ladder))
        ladder = self.ladder(Part(from_ns=round(0.0401 * 1e9),
                                  to_ns=round(0.11 * 1e9)))
        self.assertEqual([rung.number for rung in self.rungs(ladder)], [3, 4])
        self.assertEqual(self.labels(ladder)[1],
                         "63164 -> 22 [ACK] Seq=1 Ack=1 Win=130816 Len=1448")

    def test_the_picture_is_xml_and_slants_by_time(self) -> None:
        self.whole()
        ladder = self.ladder()
        assert ladder.conversation is not None
        ladder.conversation.names = ('<script>"', "b&\x1b")
        ladder.gaps.begin({"filter": "\x1b[2J<script>"})
        document = "\n".join(ladder_svg.lines(ladder, self.flag_words(), 0))
        root = ET.fromstring(document)
        space = "{http://www.w3.org/2000/svg}"
        lines = [line for line in root.iter(f"{space}line")
                 if (line.get("class") or "").startswith("rung")]
        self.assertEqual(len(lines), 6)
        slants = [float(line.attrib["y2"]) - float(line.attrib["y1"])
                  for line in lines]
        self.assertTrue(all(slant > 5 for slant in slants), slants)
        self.assertEqual([line.get("class") for line in lines].count("rung lost"), 1)
        self.assertNotIn("<script", document)
        words = "".join(root.itertext())
        self.assertIn("[SYN, ACK] Seq=0 Ack=1 Win=65160 Len=0", words)
        self.assertIn("SYN-SENT", words)

    def test_the_pictures_words_can_be_read(self) -> None:
        for rule in re.findall(r"\.(\w+)\{([^}]*)\}", ladder_svg.STYLE):
            for colour in re.findall("fill:(#[0-9a-f]{6})", rule[1]):
                if rule[0] != "dot":
                    with self.subTest(rule[0]):
                        self.assertGreaterEqual(contrast(colour, "#ffffff"), READABLE)

    def test_a_note_and_the_next_rung_keep_clear_of_each_other(self) -> None:
        """A note leans as its rung does: its far end is its lowest."""
        self.whole()
        root = ET.fromstring("\n".join(
            ladder_svg.lines(self.ladder(), self.flag_words(), 0)))
        texts = {(element.text or "").split()[0]: element for element in root.iter(
            "{http://www.w3.org/2000/svg}text")
            if (element.get("class") or "").startswith(("note", "label"))}
        note = texts["MSS=1460"]        # the SYN-ACK's, which is the last of that name
        turned = re.match(r"rotate\((\S+) ", note.attrib["transform"])
        assert turned is not None
        lowest = float(note.attrib["y"]) + abs(math.tan(math.radians(
            float(turned[1])))) * 5.6 * len(note.text or "")
        self.assertLess(lowest, float(texts["3"].attrib["y"]) - 9)

    def test_as_data(self) -> None:
        self.whole()
        data = ladder_json.as_json(self.ladder(), self.flag_words(), None)
        data["rungs"] = list(data["rungs"])
        data = json.loads(json.dumps(data))
        fourth = data["rungs"][3]
        self.assertEqual((fourth["seq"], fourth["len"], fourth["next"],
                          fourth["window"], fourth["raw"]["window"],
                          fourth["delay_us"], fourth["flags"]),
                         (1, 1448, 1449, 130816, 511, 20_000, ["ACK"]))
        self.assertEqual(data["rungs"][4]["acknowledges"], 4)
        self.assertEqual(data["rungs"][4]["rtt_us"], 40_100)
        self.assertEqual(data["rungs"][5]["fate"], "lost")
        self.assertEqual(data["states"][0]["state"], "SYN-SENT")
        self.assertEqual([end["isn"] for end in data["ends"]], [ISN_A, ISN_B])


class Command(Stage):
    def run_flow(self, *words: str, columns: str = "100") -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.dict(os.environ, {"COLUMNS": columns}):
            file = Path(folder) / "x.renoscope"
            order = sorted(range(len(self.events)),
                           key=lambda i: self.events[i]["time_ns"])
            file.write_bytes(recording(*(self.blobs[i] for i in order)))
            with mock.patch("sys.stdout", _Standard(out)), \
                    mock.patch("sys.stderr", _Standard(err)):
                code = main(["flow", str(file), *words])
        return code, out.getvalue(), err.getvalue()

    def two(self) -> None:
        self.over(A, 0, 1, 1, 10)
        self.put("ack", A, 50, cookie=0xc, local_port=7777,
                 **self.header(B, 1, 1, 0, 0, 1))

    def test_the_only_one_needs_no_choice(self) -> None:
        self.over(A, 0, 1, 1, 10)
        code, out, err = self.run_flow()
        self.assertEqual((code, err), (0, ""))
        self.assertIn("[ACK] Seq=1 Ack=1 Win=130816 Len=10", out)

    def test_of_many_one_must_be_named(self) -> None:
        self.two()
        code, out, err = self.run_flow()
        self.assertEqual(code, 2)
        self.assertRegex(out, r"(?m)^sk:a .*10.77.0.1:63164 - 10.77.0.2:22$")
        self.assertRegex(out, r"(?m)^sk:c .*10.77.0.1:7777 - 10.77.0.2:22$")
        self.assertRegex(err, "^renoscope: flow: 2 connections: say which one, "
                         r"as in: (\S+/)?renoscope flow \S+ sk:a\n$")

    def test_again_counts_segments(self) -> None:
        """Not events, of which one may tell of several."""
        self.two()
        self.put("retransmit", A, 60, retransmit_cause=1, retransmit_segs=3,
                 **self.header(A, 1, 1, 3000, ACK, 0))
        _, out, _ = self.run_flow("--json")
        self.assertEqual([one["segments_sent_again"]
                          for one in json.loads(out)["connections"]], [3, 0])
        _, out, _ = self.run_flow("sk:a")
        self.assertIn("; 1 sent again (3 as `losses` counts, by the MSS); ", out)

    def test_as_data_too(self) -> None:
        self.two()
        code, out, _ = self.run_flow("--json")
        self.assertEqual(code, 2)
        listed = json.loads(out)["connections"]
        self.assertEqual([(one["choose"], [end["connections"] for end in one["ends"]])
                          for one in listed],
                         [("sk:a", [["sk:a"], ["sk:b"]]),
                          ("sk:c", [["sk:c"], []])])
        _, out, _ = self.run_flow("sk:a", "--json")
        for end, in_ladder in zip(listed[0]["ends"], json.loads(out)["ends"]):
            state = end.pop("state")
            self.assertIsNone(state)
            self.assertEqual(end, {key: in_ladder[key] for key in end})
        code, out, _ = self.run_flow("sk:99", "--json")
        self.assertEqual((code, json.loads(out)), (1, {"connections": []}))

    def test_one_without_an_id_is_named_by_its_number(self) -> None:
        self.two()
        self.put("reset_sent", B, 60, cookie=0, local_port=9, snd_isn=0, rcv_isn=0,
                 **self.header(A, 0, None, 0, SYN, 1))
        _, out, _ = self.run_flow()
        self.assertRegex(out, r"(?m)^no:3 .*:9$|^no:3 .*10.77.0.2:9 ")
        code, out, _ = self.run_flow("no:3")
        self.assertEqual(code, 0)
        self.assertIn("[RST, ACK]", out)

    def test_by_id_of_either_end_port_number_and_place(self) -> None:
        self.two()
        for words in (["sk:a"], ["sk:b"], ["63164"], ["no:1"],
                      ["--port", "63164"], ["--connection", "a"],
                      ["22", "--connection", "a"]):
            code, out, err = self.run_flow(*words)
            self.assertEqual((code, err), (0, ""), words)
            self.assertIn("Len=10", out)
            self.assertNotIn("7777", out)

    def test_the_end_that_was_asked_for_stands_left(self) -> None:
        self.two()
        for word, left in (("sk:a", "10.77.0.1:63164"), ("sk:b", "10.77.0.2:22")):
            _, out, _ = self.run_flow(word)
            heads = next(line for line in out.splitlines() if "63164" in line)
            self.assertTrue(heads.strip().startswith(left), heads)

    def test_none_and_nonsense(self) -> None:
        self.two()
        ids, ports = "sk:a, sk:b, sk:c", "22, 7777, 63164"
        for asked, told, there in (
                (("sk:99",), "sk:99", ids), (("9",), "port 9", ports),
                (("--port", "9"), "port 9", ports),
                (("--connection", "99", "--port", "9"), "sk:99 port 9", ids)):
            code, out, err = self.run_flow(*asked)
            self.assertEqual((code, out), (1, ""))
            self.assertIn(f"flow: {told} was not seen; these were: {there}\n", err)
        code, _, err = self.run_flow("nonsense")
        self.assertEqual(code, 2)
        self.assertIn("'nonsense' names no connection", err)

    def test_a_port_where_one_may_not_look_for_a_file(self) -> None:
        here = os.open(".", os.O_RDONLY)
        self.addCleanup(os.close, here)
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0)
            os.chdir(folder)
            try:
                with powerless(), \
                        mock.patch.object(flow, "Replay", side_effect=StopIteration) as replay, \
                        self.assertRaises(StopIteration):
                    main(["flow", "5000"])
            finally:
                os.chdir(here)
                os.chmod(folder, 0o700)
        replay.assert_called_once_with(None)

    def test_json_and_svg(self) -> None:
        self.two()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.svg"
            code, out, err = self.run_flow("sk:a", "--json", "--svg", str(path))
            self.assertEqual((code, err), (0, ""))
            self.assertEqual(len(json.loads(out)["rungs"]), 1)
            ET.fromstring(path.read_text())
            code, _, err = self.run_flow("sk:a", "--svg", folder)
            self.assertEqual(code, 1)
            self.assertIn("cannot write", err)

    def test_from_a_pipe(self) -> None:
        self.over(A, 0, 1, 1, 10)
        order = sorted(zip(self.events, self.blobs),
                       key=lambda pair: pair[0]["time_ns"])
        read_end, write_end = os.pipe()
        os.write(write_end, recording(*(blob for _, blob in order)))
        os.close(write_end)
        keep = os.dup(0)
        out = io.StringIO()
        try:
            os.dup2(read_end, 0)
            with mock.patch("sys.stdout", _Standard(out)):
                code = main(["flow", "-"])
        finally:
            os.dup2(keep, 0)
            os.close(keep)
            os.close(read_end)
        self.assertEqual(code, 0)
        self.assertIn("[ACK] Seq=1 Ack=1 Win=130816 Len=10", out.getvalue())


class _Standard(io.TextIOWrapper):
    """A standard stream that writes into a StringIO."""

    def __init__(self, target: io.StringIO) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self._target = target

    def write(self, text: str) -> int:
        return self._target.write(text)


if __name__ == "__main__":
    unittest.main()
