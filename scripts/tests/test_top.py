# SPDX-License-Identifier: GPL-2.0
"""Who suffers now: counts by interval, aging, and the table in any room."""

import json
import random
import tempfile
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

from renoscope_lib.errors import Problem
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.top.frame import Frame
from renoscope_lib.top.intervals import Intervals, StreamClock
from renoscope_lib.top.table import (CONNECTION_ORDERS, LISTENERS, LISTENER_ORDERS, Choice, plain,
                                     shortened, table)
from renoscope_lib.top.terminal import TopView
from renoscope_lib.top.top import UNSURE_NS, Top
from renoscope_lib.top.top_json import as_json
from renoscope_lib.words import INFINITE_SSTHRESH

from . import support
from .support import (ACK, ANY, CLIENT, CLOSED, ESTABLISHED, LISTEN, MS, SECOND,
                      SERVER, SYN, SYN_RECEIVED, SYN_SENT, Scene, number_of)
from .test_cli import run

TIME_WAIT, FIN_WAIT_2 = (number_of("state", name)
                         for name in ("TIME-WAIT", "FIN-WAIT-2"))
QUEUE_FULL = number_of("refusal", "accept_queue_full")

HEAD = {"state": ESTABLISHED, "snd_isn": 100, "rcv_isn": 200, "snd_una": 1101,
        "snd_nxt": 1101, "rcv_nxt": 1201, "cwnd": 10,
        "ssthresh": INFINITE_SSTHRESH, "srtt_us": 36020, "rttvar_us": 4000,
        "min_rtt_us": 35000, "rto_us": 240000}
LISTENER = {"local_addr": SERVER, "remote_addr": CLIENT, "local_port": 5000,
            "remote_port": 40112, "listener": 3, "accept_limit": 128,
            "state": SYN_RECEIVED}


class Stage(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.top = Top(support.schema())

    def ns(self, at_ms: float) -> int:
        return self.scene.start_ns + round(at_ms * MS)

    def take(self, kind: str, at_ms: float = 0, cpu: int = 0, **values: Any) -> None:
        self.top.take(self.scene.pack(kind, round(at_ms * MS), cpu, **values))

    def ack(self, at_ms: float, **values: Any) -> None:
        self.take("ack", at_ms, **HEAD | values)

    def again(self, at_ms: float, cause: str = "fast_retransmit", segs: int = 1,
              **values: Any) -> None:
        self.take("retransmit", at_ms, retransmit_segs=segs, seg_flags=ACK,
                  retransmit_cause=number_of("retransmit_cause", cause),
                  **HEAD | values)

    def state(self, at_ms: float, old: int, new: int, **values: Any) -> None:
        self.take("state", at_ms, **HEAD | {"old_state": old, "state": new} | values)

    def end(self, at_ms: float) -> Frame:
        return self.top.end_interval(self.ns(at_ms))

    def one(self, at_ms: float) -> Any:
        row, = self.end(at_ms).connections
        return row


class Counts(Stage):
    def test_an_interval_is_kept_apart_from_all(self) -> None:
        self.ack(0)
        self.again(1, segs=2, total_retrans=9)
        row = self.one(2000)
        self.assertEqual((row.again_now, row.again, row.again_as_told,
                          row.again_in_all, row.cause),
                         (2, 2, 9, 9, "fast_retransmit"))
        self.again(2001, "rto", total_retrans=10)
        row = self.one(4000)
        self.assertEqual((row.again_now, row.again, row.again_in_all, row.cause),
                         (1, 3, 10, "rto"))
        row = self.one(6000)
        self.assertEqual((row.again_now, row.again, row.cause, row.heard),
                         (0, 3, "rto", False))

    def test_rates_by_the_events_time(self) -> None:
        """960 bytes in half a second, past 2^32, are 15360 bit/s."""
        self.ack(0, snd_una=2**32 - 500, rcv_nxt=2**32 - 100)
        self.ack(400, snd_una=460, rcv_nxt=100)
        frame = self.end(500)
        row, = frame.connections
        self.assertEqual((row.acked_now, row.received_now), (960, 200))
        self.assertEqual(frame.per_second(8 * row.acked_now), 15360)
        self.ack(600, snd_una=470, rcv_nxt=100)
        row = self.one(1000)
        self.assertEqual((row.acked_now, row.acked, row.received_now), (10, 970, 0))

    def test_more_than_4_gb_in_an_interval(self) -> None:
        """What two acks have between them is only known modulo 2^32."""
        with mock.patch("renoscope_lib.top.top.PUT_ASIDE", 100):
            for n in range(1, 900):
                self.ack(n, snd_una=n * 20_000_000 % 2**32)
        self.assertEqual(self.one(1000).acked, 898 * 20_000_000)

    def test_a_step_back_is_none(self) -> None:
        self.ack(0, snd_una=2000)
        self.ack(1, snd_una=1900)
        self.assertEqual(self.one(2).acked, 0)

    def test_a_handshake_acknowledges_no_data(self) -> None:
        self.state(0, CLOSED, SYN_SENT, local_port=0, snd_una=0, snd_nxt=0,
                   rcv_nxt=0, snd_isn=0, rcv_isn=0)
        self.take("rto", 1000, **HEAD | {"state": SYN_SENT, "snd_una": 100,
                                         "rcv_nxt": 0, "backoff": 1})
        self.take("retransmit", 1000, **HEAD | {
            "state": SYN_SENT, "snd_una": 100, "rcv_nxt": 0, "seg_flags": SYN,
            "backoff": 1,
            "retransmit_segs": 1, "total_retrans": 1})
        row = self.one(1001)
        self.assertEqual((row.state, row.local, row.cause, row.backoff),
                         ("SYN-SENT", "10.77.0.1:40112", "syn", 1))
        self.state(1100, SYN_SENT, ESTABLISHED, snd_una=101)
        self.ack(1200, snd_una=109)
        row = self.one(2000)
        self.assertEqual((row.state, row.acked), ("ESTABLISHED", 8))

    def test_acks_put_aside_are_as_good_as_one_by_one(self) -> None:
        chance = random.Random(77)
        records = []
        una = {cookie: 1000 for cookie in range(5, 25)}
        for n in range(2000):
            cookie = chance.choice(list(una))
            una[cookie] += chance.randrange(3000)
            what = chance.random()
            common = HEAD | {"cookie": cookie, "remote_port": cookie,
                             "snd_una": una[cookie], "cwnd": chance.randrange(1, 99)}
            if what < .9:
                records.append(self.scene.pack("ack", n * MS, **common))
            elif what < .97:
                records.append(self.scene.pack(
                    "retransmit", n * MS, retransmit_segs=2, **common))
            elif what < .99:
                records.append(self.scene.pack("state", n * MS, **common | {
                    "old_state": ESTABLISHED, "state": chance.choice(
                        [ESTABLISHED, CLOSED, FIN_WAIT_2])}))
            else:
                records.append(self.scene.pack("lost", n * MS, lost_events=1))
        slow = Top(support.schema())
        for record in records:
            slow.see(support.schema().decode(record))
        self.top.take(b"".join(records))
        frames = [view.end_interval(self.ns(9000)) for view in (self.top, slow)]
        self.assertTrue(frames[0].connections)
        self.assertEqual(*(sorted(frame.connections) for frame in frames))
        for name in ("states", "lost", "from_ns"):
            self.assertEqual(getattr(frames[0], name), getattr(frames[1], name), name)

    def test_events_are_counted_without_losses_and_marks(self) -> None:
        self.take("mark", 0, mark_cause=number_of("mark_cause", "begun"))
        self.ack(1)
        self.take("lost", 2, lost_events=7)
        self.ack(501)
        frame = self.end(501)
        self.assertEqual((frame.events, frame.lost_now, frame.took_s), (2, 7, .5))
        self.assertEqual(frame.per_second(frame.events), 4)

    def test_a_synack_sent_again(self) -> None:
        request = LISTENER | {"cookie": 9, "snd_isn": 1, "snd_una": 1, "snd_nxt": 2}
        self.take("request", 0, synack_timeout_us=1_000_000, **request)
        self.take("synack_retransmit", 1000, by_timer=1, num_timeout=0,
                  rto_us=2_000_000, **request)
        row = self.one(1500)
        self.assertEqual((row.state, row.again_now, row.cause, row.rto_us, row.cwnd),
                         ("SYN-RECEIVED", 1, "synack", 2_000_000, 0))
        self.take("request_end", 1600, **request)
        self.assertEqual(self.one(2000).state, "CLOSED")
        self.assertEqual(self.end(3000).connections, [])


class Ages(Stage):
    def test_what_is_over_leaves_with_its_interval(self) -> None:
        self.ack(0)
        self.state(1, ESTABLISHED, CLOSED)
        frame = self.end(2000)
        self.assertEqual([row.state for row in frame.connections], ["CLOSED"])
        self.assertEqual(frame.states, {})
        self.assertEqual(self.end(4000).connections, [])

    def test_what_is_open_stays_if_silent(self) -> None:
        self.ack(0)
        self.end(2000)
        row = self.one(600_000)
        self.assertEqual((row.state, row.heard, row.may_have_ended),
                         ("ESTABLISHED", False, False))

    def test_time_wait_is_counted_and_not_shown(self) -> None:
        self.ack(0)
        self.take("time_wait", 1, **HEAD | {"state": TIME_WAIT})
        self.state(1, ESTABLISHED, CLOSED)
        self.assertEqual(self.one(2000).state, "TIME-WAIT")
        frame = self.end(4000)
        self.assertEqual((frame.connections, frame.states), ([], {"TIME-WAIT": 1}))
        self.take("time_wait_end", 60_000, state=TIME_WAIT)
        self.end(61_000)
        self.assertEqual(self.end(62_000).states, {})

    def test_a_time_wait_whose_end_was_not_seen(self) -> None:
        self.ack(0)
        self.take("time_wait", 1, **HEAD | {"state": TIME_WAIT})
        self.assertEqual(self.end(69_000).states, {"TIME-WAIT": 1})
        self.assertEqual(self.end(71_000).states, {})

    def test_fin_wait_2_in_a_small_sock_is_open(self) -> None:
        self.ack(0)
        self.take("time_wait", 1, **HEAD | {"state": FIN_WAIT_2})
        self.state(1, FIN_WAIT_2, CLOSED)
        self.take("destroy", 1, **HEAD | {"state": CLOSED})
        self.end(2000)
        self.assertEqual(self.one(4000).state, "FIN-WAIT-2")

    def test_after_a_loss_it_may_have_ended(self) -> None:
        self.ack(0)
        self.ack(0, cookie=6, local_port=40113)
        self.take("lost", 1, lost_events=5)
        self.ack(2, cookie=6, local_port=40113)
        rows = self.end(2000).connections
        self.assertEqual({row.cookie: row.may_have_ended for row in rows},
                         {5: True, 6: False})
        frame = self.end(2001 + UNSURE_NS / MS)
        self.assertEqual([row.cookie for row in frame.connections], [6])
        self.assertEqual((frame.lost_now, frame.lost), (0, 5))

    def test_without_states_nothing_is_sure(self) -> None:
        self.top.gaps.begin({"events": "ack retransmit"})
        self.ack(0)
        self.assertTrue(self.one(2000).may_have_ended)
        self.assertEqual(self.end(UNSURE_NS / MS + 1).connections, [])

    def test_those_over_go_first_if_there_are_too_many(self) -> None:
        self.top = Top(support.schema(), most=40)
        for n in range(40):
            self.ack(n, cookie=n + 1, remote_port=n + 1)
            if n == 20:
                self.state(n, ESTABLISHED, CLOSED, cookie=n + 1, remote_port=n + 1)
        self.ack(50, cookie=41, remote_port=41)
        frame = self.end(100)
        left = {row.cookie for row in frame.connections}
        self.assertEqual(set(range(1, 42)) - left, {1, 21}, "the silent, and the over")
        self.assertEqual(frame.forgotten, 1)
        self.assertIn("left out: too many to keep",
                      "\n".join(plain(frame, Choice(), None)))


class Listening(Stage):
    def queue(self, kind: str, at_ms: float, **values: Any) -> None:
        self.take(kind, at_ms, **LISTENER | {"cookie": 0} | values)

    def test_queues_rates_and_refusals(self) -> None:
        for n in range(4):
            self.queue("syn", n, half_open=n, accept_queue=1)
            self.queue("request", n, half_open=n, accept_queue=1, cookie=10 + n)
        self.queue("refused", 9, half_open=4, accept_queue=129, refusal=QUEUE_FULL)
        frame = self.end(500)
        row, = frame.listeners
        self.assertEqual((row.address, row.half_open, row.accept_queue, row.limit),
                         ("10.77.0.2:5000", 4, 129, 128))
        self.assertEqual((row.now.syns, row.now.refused, row.reasons_now),
                         (4, 1, {"accept_queue_full": 1}))
        lines = plain(frame, Choice(LISTENERS, "half-open"), None)
        self.assertEqual(lines[-1].split()[:8], [
            "10.77.0.2:5000", "sk:3", "4/128", "129/128", "8.0", ".", ".", "1"])
        self.assertTrue(lines[-1].endswith("accept queue full 1"), lines)
        self.queue("synack_retransmit", 600, half_open=4, accept_queue=0, cookie=10)
        row, = self.end(1000).listeners
        self.assertEqual((row.now.syns, row.now.synacks_sent_again, row.now.refused,
                          row.in_all.syns, row.in_all.refused, row.reasons_now,
                          row.reasons),
                         (0, 1, 0, 4, 1, {}, {"accept_queue_full": 1}))

    def test_one_that_is_closed_leaves(self) -> None:
        self.queue("syn", 0)
        self.state(1, LISTEN, CLOSED, cookie=3, remote_port=0)
        self.assertEqual(len(self.end(2000).listeners), 1)
        self.assertEqual(self.end(4000).listeners, [])

    def test_a_child_that_wears_its_listeners_id_is_no_connection(self) -> None:
        self.state(0, LISTEN, SYN_RECEIVED, cookie=3, remote_addr=ANY)
        self.assertEqual(self.end(1).connections, [])

    def test_a_port_chooses(self) -> None:
        self.top = Top(support.schema(), Filter(port=5001))
        self.queue("syn", 0)
        self.ack(0)
        frame = self.end(1)
        self.assertEqual((frame.listeners, frame.connections, frame.others),
                         ([], [], 1))
        self.assertIn("No such connection was heard of; 1 other was.",
                      plain(frame, Choice(), None))


class Tables(Stage):
    def several(self) -> Frame:
        """Four connections, each the first in another respect."""
        self.ack(0, cookie=1, srtt_us=900_000)
        self.ack(0, cookie=2, cwnd=500)
        self.ack(0, cookie=3)
        self.again(1, cookie=3, total_retrans=1)
        self.take("request", 1, **LISTENER | {"cookie": 4, "rto_us": 0})
        return self.end(2000)

    def test_each_order_has_its_first_and_its_key(self) -> None:
        frame = self.several()
        for order, first in (("retrans", 3), ("rtt", 1), ("cwnd", 2),
                             ("half-open", 4)):
            rows = Choice(order=order).rows(frame)
            self.assertEqual(rows[0].cookie, first, order)
            self.assertEqual(Choice(order=order, is_reversed=True).rows(frame),
                             rows[::-1])
        for by, orders in (("connection", CONNECTION_ORDERS),
                           ("listener", LISTENER_ORDERS)):
            for order in orders:
                Choice(by, order).rows(frame)
            self.assertEqual(len({order.key for order in orders.values()}), len(orders))

    def test_who_waits_for_a_doubled_timer_comes_behind_who_sends_again(self) -> None:
        self.ack(0, cookie=1)
        self.ack(0, cookie=2, backoff=4)
        self.again(0, cookie=3)
        self.assertEqual([row.cookie for row in Choice().rows(self.end(1))], [3, 2, 1])

    def test_a_line_has_the_numbers_of_ss(self) -> None:
        self.ack(0, packets_out=7, lost_out=2, backoff=2)
        self.again(1, segs=3, total_retrans=5, packets_out=7, lost_out=2, backoff=2)
        lines = plain(self.end(2000), Choice(), None)
        self.assertEqual(lines[0], "at 2.000 s: 2 events in 2 s (1.0/s)")
        self.assertEqual(lines[1], "1 connection: 1 ESTAB; 0 listeners")
        self.assertEqual(lines[-1].split(), [
            "ESTAB", "10.77.0.1:40112", "10.77.0.2:5000", "sk:5", "3", "5", "fast",
            "2", "7", "36.0/4.00", "35.0", "10", "inf", "Open", "240.0(2^2)", ".",
            "."])

    def test_ipv6_as_ss_shows_it(self) -> None:
        self.ack(0, family=6, local_addr="fd77::1", remote_addr="2001:db8::17")
        frame = self.end(1)
        self.assertIn("[fd77::1]:40112", plain(frame, Choice(), None)[-1])
        self.assertIn("[2001:db8::17]:5000", plain(frame, Choice(), None)[-1])
        line, = table(frame, Choice(), 40, 5).lines
        self.assertTrue(line.split()[1].endswith("::17]:5000"), line)
        self.assertEqual(shortened("[2001:db8::17]:5000", 12), "..::17]:5000")

    def test_nothing_is_larger_than_the_terminal(self) -> None:
        longest = "2001:db8:1111:2222:3333:4444:5555:6666"
        for n in range(60):
            self.again(n, cookie=n + 1, local_addr=longest, remote_addr=longest,
                       family=6, segs=n, total_retrans=n * 10**6)
        self.take("lost", 61, lost_events=10**9)
        frame = self.end(100)
        for columns, lines in ((80, 24), (40, 10), (200, 50), (10, 4), (1, 1)):
            view = TopView(Choice())
            view.see(frame, 5 * SECOND)
            for key in ("", "l", "?"):
                view.press(key)
                picture = view.picture(columns, lines)
                if key != "?":
                    self.assertLessEqual(len(picture), max(lines, 4))
            shown = table(frame, Choice(), columns, lines)
            self.assertTrue(shown.lines)
            self.assertLessEqual(max(map(len, [shown.heading, *shown.lines])), columns)
        view = TopView(Choice())
        view.see(frame, 0)
        picture = [line.text for line in view.picture(80, 24)]
        self.assertEqual(len(picture), 24)
        self.assertIn("1000000000 events LOST", "\n".join(picture))
        self.assertEqual(sum("]:5000" in line for line in picture), 19)
        small = [line.text for line in view.picture(40, 10)]
        self.assertEqual(len(small), 10)
        self.assertEqual(sum("]:5000" in line for line in small), 5)

    def test_losses_are_loud(self) -> None:
        self.take("lost", 0, lost_events=3)
        self.ack(1)
        line = plain(self.end(2), Choice(), None)[2]
        self.assertIn("*** 3 events LOST in this interval, 3 in all", line)
        self.assertIn("lower bounds", line)

    def test_notes_are_told_once(self) -> None:
        self.top.gaps.begin({"events": "ack"})
        self.ack(1)
        frame = self.end(2)
        self.assertIn("not recorded", "\n".join(plain(frame, Choice(), None)))
        self.assertNotIn("not recorded", "\n".join(
            plain(frame, Choice(), None, told=frame.notes)))

    def test_json_tells_interval_and_whole_apart(self) -> None:
        self.ack(0)
        self.again(1, total_retrans=7, ssthresh=12, backoff=1)
        frame = self.end(2000)
        content = json.loads(json.dumps(as_json(frame, Choice(), self.top.gaps)))
        row, = content["connections"]
        self.assertEqual(
            (row["connection"], row["segments_sent_again"],
             row["segments_sent_again_total"], row["srtt_us"], row["cwnd"], row["ssthresh"],
             row["last_cause"], row["backoff"]),
            ("sk:5", 1, 7, 36020, 10, 12, "fast_retransmit", 1))
        self.assertEqual((content["events_per_s"], content["counts"],
                          content["lost_events"]), (1, {"ESTABLISHED": 1}, 0))
        self.assertNotIn("listeners", content)


class Keys(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.view = TopView(Choice())
        self.ack(0)
        self.view.see(self.end(2000), 0)

    def test_a_key_sorts_and_again_turns_round(self) -> None:
        for key, order in (("t", "rtt"), ("c", "cwnd"), ("h", "half-open"),
                           ("r", "retrans")):
            self.assertTrue(self.view.press(key))
            self.assertEqual((self.view.choice.order, self.view.choice.is_reversed),
                             (order, False))
        self.view.press("r")
        self.assertTrue(self.view.choice.is_reversed)
        self.assertFalse(self.view.press("z"))

    def test_l_goes_to_listeners_and_back(self) -> None:
        self.view.press("tl")
        self.assertEqual((self.view.choice.by, self.view.choice.order),
                         ("listener", "half-open"))
        self.view.press("l")
        self.assertEqual(self.view.choice.order, "rtt")

    def test_space_holds_the_table_still(self) -> None:
        before = self.view.frame
        self.view.press(" ")
        self.assertFalse(self.view.see(self.end(4000), 0))
        self.assertIs(self.view.frame, before)
        self.assertIn("PAUSED", self.view.picture(80, 24)[0].text)
        self.view.press(" ")
        self.assertTrue(self.view.see(self.end(6000), 0))

    def test_help_is_left_by_any_key_and_q_quits(self) -> None:
        self.view.press("?")
        self.assertIn("keys", self.view.picture(80, 24)[0].text)
        self.view.press("t")
        self.assertEqual(self.view.choice.order, "retrans", "only leaves the page")
        self.view.press("?q")
        self.assertTrue(self.view.wants_to_quit)

    def test_falling_behind_is_told(self) -> None:
        self.view.see(self.end(4000), 3 * SECOND)
        self.assertIn("BEHIND by 3.0 s", self.view.picture(80, 24)[0].text)


class Source:
    """Chunks of records, and a clock that goes on as they are read."""

    def __init__(self, *chunks: tuple[int, bytes], end_ns: int = 0,
                 follows: bool = True) -> None:
        self.schema = support.schema()
        self.follows = follows
        self.here_ns = 0
        self._chunks = chunks
        self._end_ns = end_ns

    def records(self) -> Iterator[bytes]:
        for here_ns, records in self._chunks:
            self.here_ns = here_ns
            yield records

    def end_ns(self) -> int:
        return self._end_ns

    def stats(self) -> list[Any]:
        return []


class Time(Stage):
    def frames(self, source: Any, every_ms: float | None,
               begins_ns: int) -> list[Frame]:
        clock = StreamClock(begins_ns, lambda: source.here_ns)
        intervals = Intervals(source, self.top, None if every_ms is None
                              else round(every_ms * MS), begins_ns, clock)
        return [frame for frame in intervals.frames() if frame is not None]

    def acks(self, *at_ms: float) -> bytes:
        return b"".join(self.scene.pack("ack", round(at * MS), **HEAD) for at in at_ms)

    def spans(self, frames: list[Frame]) -> list[tuple[float, float, int]]:
        return [((frame.from_ns - self.scene.start_ns) / MS,
                 (frame.until_ns - self.scene.start_ns) / MS, frame.events)
                for frame in frames]

    def test_a_record_of_an_unknown_kind_is_damage(self) -> None:
        ack = bytearray(self.acks(0))
        ack[support.schema().field_named("kind").offset] = 255
        with self.assertRaisesRegex(Problem, "kind 255 is not in its schema"):
            self.frames(Source((0, bytes(ack)), end_ns=self.ns(1), follows=False),
                        1000, 0)

    def test_a_file_is_cut_at_the_record(self) -> None:
        source = Source((0, self.acks(0, 500, 999, 1000, 1001, 2500)),
                        end_ns=self.ns(2600), follows=False)
        self.assertEqual(self.spans(self.frames(source, 1000, 0)),
                         [(0, 1000, 3), (1000, 2000, 2), (2000, 2600, 1)])

    def test_a_mark_is_no_beginning(self) -> None:
        mark = self.scene.pack("mark", -5000 * MS,
                               mark_cause=number_of("mark_cause", "begun"))
        source = Source((0, mark + self.acks(0, 1500)), end_ns=self.ns(1600),
                        follows=False)
        self.assertEqual(self.spans(self.frames(source, 1000, 0)),
                         [(0, 1000, 1), (1000, 1600, 1)])

    def test_a_quiet_time_is_one_interval(self) -> None:
        source = Source((0, self.acks(0, 3_600_500)), end_ns=self.ns(3_600_600),
                        follows=False)
        self.assertEqual(self.spans(self.frames(source, 1, 0)),
                         [(0, 1, 1), (1, 3_600_500, 0), (3_600_500, 3_600_501, 1),
                          (3_600_501, 3_600_600 - 1, 0),
                          (3_600_600 - 1, 3_600_600, 0)])

    def test_no_interval_is_all_of_it(self) -> None:
        source = Source((0, self.acks(0, 3000)), end_ns=self.ns(4000), follows=False)
        self.assertEqual(self.spans(self.frames(source, None, 0)), [(0, 4000, 2)])

    def test_history_first_then_by_the_clock(self) -> None:
        """Watching began at 1000; nothing comes later, and time goes on."""
        begins = self.ns(1000)
        source = Source((0, self.acks(100, 900)), (0, b""), (500 * MS, b""),
                        (1100 * MS, b""), (4300 * MS, b""),
                        end_ns=self.ns(5400))
        frames = self.frames(source, 1000, begins)
        self.assertEqual([frame.is_history for frame in frames],
                         [True, False, False, False, False])
        self.assertEqual(self.spans(frames), [
            (100, 1000, 2), (1000, 2000, 0), (2000, 3000, 0), (3000, 5000, 0),
            (5000, 5400, 0)])

    def test_the_clock_of_another_machine(self) -> None:
        """Its events come 2 s after it began to record, as seen here."""
        here = 7 * SECOND
        clock = StreamClock(self.ns(0), lambda: here)
        here = 9 * SECOND
        clock.see(self.ns(2500))
        self.assertEqual(clock.now_ns(), self.ns(2500))
        here = 10 * SECOND
        clock.see(self.ns(2600))
        self.assertEqual(clock.now_ns(), self.ns(3500), "that one came late")


class Command(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def file(self, data: bytes) -> str:
        file = tempfile.NamedTemporaryFile()
        self.addCleanup(file.close)
        file.write(data)
        file.flush()
        return file.name

    def acks(self, *at_ms: float) -> bytes:
        return b"".join(self.scene.pack("ack", round(at * MS), **HEAD) for at in at_ms)

    def recording(self) -> str:
        return self.file(support.recording(
            self.acks(0, 1000, 2500),
            ended_monotonic_ns=self.scene.start_ns + 3 * SECOND))

    def test_a_recording_is_one_table(self) -> None:
        done = run("top", self.recording())
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout.count(b"\nState "), 1)
        self.assertIn(b"3 events in 3 s (1.0/s)", done.stdout)
        self.assertNotIn(b"\033", done.stdout)

    def test_or_many(self) -> None:
        done = run("top", self.recording(), "--interval", "1", "--json")
        frames = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([frame["events"] for frame in frames], [1, 1, 1])
        self.assertEqual([frame["is_history"] for frame in frames], [False] * 3)

    def test_or_its_last_seconds(self) -> None:
        done = run("top", self.recording(), "--interval", "2", "--once", "--json")
        frame, = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual((frame["until_ns"] - frame["from_ns"], frame["events"]),
                         (2 * SECOND, 2))

    def test_a_pipe_is_followed_to_its_end(self) -> None:
        data = support.recording(self.acks(0, 1000, 2500))
        done = run("top", "-", "--interval", "1", stdin=data)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreaterEqual(done.stdout.count(b"\nState "), 3)
        done = run("top", "-", "--once", stdin=data)
        self.assertEqual(done.stdout.count(b"\nState "), 1)

    def test_one_that_is_cut_off_is_shown_and_complained_of(self) -> None:
        data = support.recording(self.acks(0, 1000, 2500))
        at = data.index(b"RECS") + 8 + 2 * 192 + 9
        done = run("top", self.file(data[:at]))
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"2 events", done.stdout)
        self.assertIn(b"cut off after 2 whole records", done.stderr)

    def test_wrong_usage_is_told_in_one_line(self) -> None:
        for words, arguments in (
                (b"a listener is not sorted by 'rtt', but by: half-open",
                 ["--by", "listener", "--sort", "rtt"]),
                (b"a connection is not sorted by 'x'", ["--sort", "x"]),
                *((b"must be 0.1 or more and at most 31622400 (a year)", ["--interval", word])
                  for word in ("0.01", "nan", "1e300", "inf")),
                (b"--by", ["--by", "port"])):
            done = run("top", "-", *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stderr.count(b"\n"), 1)

    def test_times_that_no_recorder_writes_do_no_harm(self) -> None:
        """Nothing that a damaged recording says makes it run on, or fail."""
        records = b"".join(self.scene.pack("ack", time_ns=time_ns, **HEAD)
                           for time_ns in (0, 2**64 - 1, 5, 2**63))
        for arguments in ([], ["--interval", "0.1"], ["--json"]):
            done = run("top", self.file(support.recording(records)), *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
