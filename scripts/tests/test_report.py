# SPDX-License-Identifier: GPL-2.0
"""The page that tells everything: what it says, and what cannot get into it."""

import base64
import hashlib
import os
import re
import tempfile
import unittest
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib.errors import Problem
from renoscope_lib.explain.finding import Clock
from renoscope_lib.report import page as report_page
from renoscope_lib.report.all_views import AllViews
from renoscope_lib.report.markup import Html, join, tag, text
from renoscope_lib.report.parts import ROWS, Column, and_more, number, table
from renoscope_lib.report.told import Told
from renoscope_lib.report.values import amount, at, code, counted, share, span
from renoscope_lib.ring.schema import Event
from renoscope_lib.ring.schema_parser import parse_schema

from . import support
from .handshake_scene import ACCEPT_FULL, EXPIRED, ListenerScene
from .html_page import Page
from .support import (ACK, CLOSED, ESTABLISHED, MS, RST, SECOND, SYN, SYN_RECEIVED,
                      SYN_SENT, Scene, number_of)
from .test_cli import run

PICTURE = "data:image/svg+xml;base64,"

EVIL = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>&\x1b[31m\u202e"


def whole(events: Iterable[Event], lost: int = 0) -> dict[str, Any]:
    """What a recorder writes behind so many events of CPU 0."""
    count = sum(event.kind != "lost" for event in events)
    return {"cpus": {"0": {"start": 0, "written": count + lost, "read": count,
                           "lost": lost, "disorder": 0}}}


def html(*events: Event, limit: int = ROWS, name: str = "x.renoscope",
         parameters: dict[str, str] | None = None, **about: Any) -> str:
    views = AllViews(about.pop("schema", support.schema()))
    for gaps in views.all_gaps():
        gaps.begin(parameters or {})
    for event in events:
        views.feed(event)
    end_ns = about.pop("end_ns", max((e["time_ns"] for e in events), default=0))
    about = {"meta": support.META, "done": whole(events), "end_ns": end_ns} | about
    views.losses.end(end_ns)
    return report_page.html(Told(views, name, limit=limit,
                                 command="renoscope report", **about))


def page(*events: Event, **about: Any) -> Page:
    return Page(html(*events, **about))


class Stage(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.stage = ListenerScene(scene=self.scene)

    def event(self, kind: str, at_ms: float, **values: Any) -> Event:
        return self.scene.event(kind, round(at_ms * MS), **{
            "state": ESTABLISHED, "cwnd": 10} | values)

    def connect(self, at_ms: float, cookie: int = 5, **values: Any) -> Iterator[Event]:
        about = {"cookie": cookie, "snd_isn": 99, "snd_una": 100, "snd_nxt": 100,
                 "rcv_isn": 7, "rcv_nxt": 8} | values
        yield self.event("state", at_ms, old_state=CLOSED,
                         **about | {"state": SYN_SENT})
        yield self.event("state", at_ms + 36, old_state=SYN_SENT, **about)

    def again(self, at_ms: float, cause: str, segs: int = 1, **values: Any) -> Event:
        return self.event("retransmit", at_ms, retransmit_cause=number_of(
            "retransmit_cause", cause), retransmit_segs=segs, seg_flags=ACK, **values)

    def lost_ack(self) -> list[Event]:
        """A handshake whose last ACK comes after three SYN-ACKs more."""
        return [*self.stage.queued(0, 4000, 0x101),
                self.stage.again(1.02, 4000, 0x101, 0, 0),
                self.stage.again(3.04, 4000, 0x101, 1, 1),
                self.stage.again(7.14, 4000, 0x101, 2, 2),
                self.stage.completed(7.2, 4000, 0x101, since_synack_us=7_200_000),
                self.stage.event("state", 7.2, 4000, cookie=0x101, state=ESTABLISHED,
                                 old_state=SYN_RECEIVED),
                self.stage.accepted(7.3, 4000, 0x101)]


class Markup(unittest.TestCase):
    def test_only_html_is_taken_as_it_is(self) -> None:
        self.assertEqual(tag("p", "<b>", Html("<b>"), 7, None, ["&", ("x",)]),
                         "<p>&lt;b&gt;<b>7&amp;x</p>")
        self.assertEqual(join("<", [None]), "&lt;")

    def test_attributes_are_escaped_or_left_out(self) -> None:
        self.assertEqual(
            tag("td", class_="n", data_key=0, title='"><script>', hidden=None,
                open=True, lang=False),
            '<td class="n" data-key="0" title="&quot;&gt;&lt;script&gt;" open></td>')
        self.assertEqual(tag("br"), "<br>")
        self.assertEqual(tag("rect", x="1"), '<rect x="1"/>')

    def test_what_a_page_could_stumble_over(self) -> None:
        for sign in "\x00\x07\x1b\x7f\x9b\u202e\u2066\ufeff\ud800":
            self.assertEqual(text(f"a{sign}b"), "a\ufffdb", repr(sign))
        self.assertEqual(text("é → ü\n"), "é → ü\n")

    def test_no_text_without_end(self) -> None:
        self.assertLess(len(text("x" * 10_000_000)), 3000)

    def test_empty_columns_are_left_out(self) -> None:
        made = table("t", (Column("a"), number("b"), number("c")),
                     [("", "", "1"), ("", None, "2")])
        self.assertEqual(Page(made).tables["t"], [["a", "c"], ["", "1"], ["", "2"]])


class Values(unittest.TestCase):
    def test_a_moment_reads_as_in_the_evidence_beside_it(self) -> None:
        clock = Clock(first_ns=5, end_ns=2 * SECOND)
        self.assertEqual(f"at {at(5 + 16_416_600_000, 5)} s", clock.at(5 + 16_416_600_000))

    def test_times_have_three_digits_and_a_unit(self) -> None:
        self.assertEqual(
            [span(us) for us in (None, 0, 999, 1000, 36020, 142605, 999499, 999600,
                                 7434000, 12200000, 120000000)],
            ["–", "0 µs", "999 µs", "1 ms", "36 ms", "143 ms", "999 ms", "1 s",
             "7.43 s", "12.2 s", "120 s"])

    def test_amounts_have_three_digits_and_a_unit(self) -> None:
        self.assertEqual([amount(n) for n in (None, 0, 725, 1448, 999_600, 8388608)],
                         ["–", "0 B", "725 B", "1.45 kB", "1 MB", "8.39 MB"])
        self.assertEqual(counted(1, "event"), "1 event")
        self.assertEqual(counted(12345, "event"), "12,345 events")

    def test_a_command_is_broken_between_its_words(self) -> None:
        self.assertEqual(code("sk:5"), "<code>sk:5</code>")
        self.assertEqual(code("a --b <c>"), "<code><span>a</span> <span>--b</span> "
                                            "<span>&lt;c&gt;</span></code>")

    def test_a_share_of_nothing_is_none(self) -> None:
        self.assertEqual((share(1, 25), share(0, 0)), ("4.0%", "–"))


class Content(Stage):
    def test_backoff_seen_and_predicted(self) -> None:
        made = page(*self.lost_ack())
        rows = made.tables["Each SYN-ACK sent again"]
        self.assertEqual([row[4:8] for row in rows], [
            ["waited", "predicted", "difference", "next wait"],
            ["1.02 s", "1 s", "+20 ms", "2 s"], ["2.02 s", "2 s", "+20 ms", "4 s"],
            ["4.1 s", "4 s", "+100 ms", "8 s"]])
        self.assertIn("Waits seen: 1.02 s, 2.02 s, 4.1 s; predicted: 1 s, 2 s, 4 s",
                      [a.get("aria-label") for a in made.all("div")])
        self.assertEqual(len(made.all("circle")), 8, "four SYN-ACKs, twice")
        self.assertIn("1 connection was opened by the peer; it was established "
                      "after 7.2 s. 3 SYN-ACKs went out again.", made.text)

    def test_both_ends_of_one_connection_are_said_to_be_that(self) -> None:
        made = page(*self.connect(0, snd_isn=7, local_port=4000), *self.lost_ack())
        self.assertIn("1 connection was opened by us and 1 by the peer (both ends of 1 "
                      "connection are in it); all were established", made.text)

    def test_no_picture_of_a_wait_that_is_not_known(self) -> None:
        made = page(self.stage.again(7, 4000, 0x101, 2, 2))
        self.assertEqual(made.all("circle"), [])
        self.assertEqual(made.tables["Each SYN-ACK sent again"][1][2:5],
                         ["3", "timer", "–"])

    def test_many_requests_together(self) -> None:
        made = page(*(self.stage.again(1 + n / 100, 4000 + n, n + 1, 0, 0)
                      for n in range(60)))
        self.assertEqual(
            made.row("All requests together, sent again by the timer", "1"), {
                "attempt": "1", "SYN-ACKs": "60", "predicted": "1 s",
                "shortest wait": "1 s", "median wait": "1.29 s",
                "longest wait": "1.59 s"})
        self.assertEqual(len(made.all("figure")), 6)
        self.assertIn("and 10 requests more; see renoscope handshakes --limit 0 "
                      "x.renoscope", made.text)

    def test_a_connection_with_its_states(self) -> None:
        made = page(*self.connect(0), self.event("state", 136, old_state=ESTABLISHED,
                                                 state=CLOSED))
        row = made.row("Connections, in order of time", "sk:5")
        self.assertIn("10.77.0.1:4011210.77.0.2:5000", row["local – peer"])
        self.assertEqual(row["lasted"], "136 ms")
        self.assertIn("SYN-SENT → ESTABLISHED → CLOSED", row["states"])
        self.assertIn("SYN-SENT 36 ms: the peer's SYN-ACK came", row["states"])
        widths = [float(a["width"][:-1]) for a in made.all("rect")
                  if a["class"] in ("opening", "open")]
        self.assertEqual(widths, [26.47, 73.53])

    def test_one_that_lasts_and_one_that_a_freeze_cut_off(self) -> None:
        """In the words of states."""
        made = page(*self.connect(0), self.event("ack", 136))
        row = made.row("Connections, in order of time", "sk:5")
        self.assertEqual(row["lasted"], "136 ms+")
        self.assertIn("ESTABLISHED 100 ms+: still so", row["states"])
        frozen = self.event("mark", 136, cookie=0, kinds_on=0, mark_cause=number_of(
            "mark_cause", "frozen"))
        made = page(*self.connect(0), self.event("reset_received", 136), frozen)
        row = made.row("Connections, in order of time", "sk:5")
        self.assertEqual(row["lasted"], "136 ms")
        self.assertIn("ESTABLISHED ?: a RST came; recording stopped there",
                      row["states"])

    def test_a_short_state_can_be_seen_and_the_whole_is_the_whole(self) -> None:
        made = page(*self.connect(0), self.event("state", 1e6, old_state=ESTABLISHED,
                                                 state=CLOSED))
        widths = [float(a["width"][:-1]) for a in made.all("rect")
                  if a["class"] in ("opening", "open")]
        self.assertGreater(widths[0], 0.5)
        self.assertAlmostEqual(sum(widths), 100, places=1)

    def test_losses_are_told_by_cause_and_by_connection(self) -> None:
        made = page(*self.connect(0), self.event("rto", 300, rto_us=264_000),
                    self.again(300, "rto"), self.again(310, "loss_recovery", segs=3))
        row = made.row("Segments sent again, by cause", "timeout")
        self.assertEqual((row["segments"], row["share"]), ("1", "25%"))
        row = made.row(
            "Losses by connection", "sk:5")
        self.assertEqual((row["again"], row["timeouts"]), ("4", "1, longest 264 ms"))
        self.assertIn("4 segments went out again and the retransmission timer fired "
                      "1 time.", made.text)

    def zero_window(self, *meanwhile: Event) -> Page:
        """The peer's window is zero for 3.94 s, and meanwhile something happens."""
        turn = {"window_side": number_of("window_side", "peer"), "seg_flags": ACK}
        return page(
            *self.connect(0),
            self.event("zero_window", 100, window_change=number_of(
                "window_change", "closed"), **turn),
            *meanwhile,
            self.event("zero_window", 4039, seg_window=9, window_change=number_of(
                "window_change", "opened"), **turn))

    def test_a_zero_window_that_stopped_a_sender(self) -> None:
        made = self.zero_window(self.event("probe", 400, probe_cause=number_of(
            "probe_cause", "zero_window")))
        row = made.row("Connections whose window was zero", "sk:5")
        self.assertEqual((row["zero for"], row["stood still"], row["at the end"]),
                         ("3.94 s", "we did", "open"))
        self.assertIn("enders stood still for 3.94 s", made.text)

    def test_a_window_that_is_zero_still_is_the_longest(self) -> None:
        made = page(*self.connect(0), self.event(
            "zero_window", 60, window_side=number_of("window_side", "peer"),
            window_change=number_of("window_change", "closed")),
            self.event("ack", 2060, snd_wnd=0))
        row = made.row("Connections whose window was zero", "sk:5")
        self.assertEqual((row["zero for"], row["longest"], row["at the end"]),
                         ("2 s", "2 s", "still zero"))

    def test_a_zero_window_that_nobody_waited_for(self) -> None:
        made = self.zero_window()
        row = made.row("Connections whose window was zero", "sk:5")
        self.assertEqual((row["zero for"], row.get("stood still")), ("3.94 s", None))
        self.assertNotIn("stood still for", made.text)

    def test_resets_are_told_by_side_state_and_reason(self) -> None:
        made = page(*self.connect(0), self.event("reset_received", 50, seg_flags=RST),
                    self.event("state", 50, old_state=ESTABLISHED, state=CLOSED))
        self.assertEqual(made.tables["Connections ended by a RST"][1][:4],
                         ["the peer", "ESTABLISHED", "it does not say", "1"])
        self.assertIn("1 connection ended by a RST", made.text)

    def test_listeners_and_why_they_refused(self) -> None:
        self.stage.limit, self.stage.accept_queue = 2, 3
        made = page(self.stage.refused(0, 4000, ACCEPT_FULL),
                    self.stage.refused(1, 4001, ACCEPT_FULL))
        row = made.row("What went through each listener's queues", "10.77.0.2:5000")
        self.assertEqual(row["accept queue, most"].strip(), "3 of 2")
        self.assertEqual(row["refused"], "2 SYN, accept queue full")

    def test_talkers_by_the_kernels_counts_or_by_numbers(self) -> None:
        made = page(
            *self.connect(0), *self.connect(1, 6, local_port=40113),
            self.event("ack", 50, cookie=6, local_port=40113, snd_isn=99, snd_una=825,
                       rcv_isn=7, rcv_nxt=1456),
            self.event("destroy", 90, state=CLOSED, bytes_acked=2**33,
                       bytes_received=5, segs_out=7, segs_in=6, retrans_segs=1,
                       data_segs_out=4))
        told = made.row("Bytes by connection", "sk:5")
        self.assertEqual((told["sent"], told["segments out"], told["with data"],
                          told["again"]), ("8.59 GB", "7", "4", "1"))
        counted_ = made.row("Bytes by connection", "sk:6")
        self.assertEqual((counted_["sent"], counted_["received"],
                          counted_["segments out"], counted_["with data"]),
                         ("725 B", "1.45 kB", "–", "–"))
        by_peer = made.row("Bytes by peer", "10.77.0.2")
        self.assertEqual((by_peer["connections"], by_peer["with data"]), ("2", "4"))

    def amounts(self, *states: str, **destroyed: int) -> tuple[str, str]:
        """What 7 bytes there and 5 back are told as, with so many of sequence numbers."""
        self.setUp()
        numbers = {"snd_isn": 99, "rcv_isn": 7, "snd_una": 107, "snd_nxt": 107,
                   "rcv_nxt": 13}
        events = [self.event("ack", 50, **numbers)]
        for n, (old, new) in enumerate(zip(("ESTABLISHED", *states), states)):
            if old == "FIN-WAIT-1" or new == "TIME-WAIT":  # its FIN is acknowledged
                numbers.update(snd_una=108, snd_nxt=108)
            if new in ("CLOSE-WAIT", "CLOSING"):
                numbers.update(rcv_nxt=14)
            kind, more = ("time_wait", {}) if new in (old, "TIME-WAIT") else (
                "state", {"old_state": number_of("state", old)})
            events.append(self.event(kind, 60 + n, state=number_of("state", new),
                                     **numbers | more))
        if destroyed:
            events.append(self.event("destroy", 90, state=CLOSED, segs_out=7, segs_in=6,
                                     **numbers | destroyed))
        if states[-1:] == ("FIN-WAIT-2",) and destroyed:  # its FIN comes later
            step = {"time_wait_step": number_of("time_wait_step", "timer_set")}
            events.append(self.event("time_wait", 95, **step | {
                "state": number_of("state", "TIME-WAIT")}))
        made = page(*self.connect(0), *events)
        row = made.row("Connections, in order of time", "sk:5")
        talker = made.row("Bytes by connection", "sk:5")
        self.assertEqual((row["sent"], row["received"]),
                         (talker["sent"], talker["received"]))
        return row["sent"], row["received"]

    def test_syn_and_fin_are_no_bytes(self) -> None:
        passive = 1 << number_of("sock_flags", "passive")
        for name, states, destroyed in (
                ("open", ("FIN-WAIT-1", "FIN-WAIT-2"), {}),
                ("half closed", ("CLOSE-WAIT",), {}),
                ("we close first", ("FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"),
                 {"bytes_acked": 9, "bytes_received": 6}),
                ("a small sock waits for its FIN",
                 ("FIN-WAIT-1", "FIN-WAIT-2", "FIN-WAIT-2"),
                 {"bytes_acked": 9, "bytes_received": 5}),
                ("the peer does", ("CLOSE-WAIT", "LAST-ACK"),
                 {"bytes_acked": 8, "bytes_received": 6, "sock_flags": passive,
                  "snd_una": 108, "snd_nxt": 108}),
                ("reset in LAST-ACK", ("CLOSE-WAIT", "LAST-ACK"),
                 {"bytes_acked": 8, "bytes_received": 6, "snd_nxt": 108}),
                ("reset", (), {"bytes_acked": 7, "bytes_received": 5,
                               "sock_flags": passive})):
            with self.subTest(name):
                self.assertEqual(self.amounts(*states, **destroyed), ("7 B", "5 B"))

    def test_bytes_go_past_the_wrap(self) -> None:
        numbers = (2**32 - 10 + step for step in (1, *range(0, 2**32 + 2, 2**30)))
        made = page(*(self.event("ack", n, snd_isn=2**32 - 10, snd_una=una % 2**32)
                      for n, una in enumerate(numbers)))
        self.assertEqual(made.row("Bytes by connection", "sk:5")["sent"], "4.29 GB")

    def test_bytes_of_a_connection_that_was_there_before_count_from_then(self) -> None:
        """What its number was before is known to 4 GiB only."""
        made = page(*(self.event("ack", n, snd_isn=99, snd_una=900_000_100 + 1000 * n)
                      for n in range(4)))
        self.assertEqual(made.row("Bytes by connection", "sk:5")["sent"], "3 kB")

    def test_the_slowest_is_one_of_the_established(self) -> None:
        made = page(*self.connect(0), *self.connect(1, 6, local_port=40113),
                    *self.stage.queued(2, 4000, 0x101))
        self.assertIn("2 of these were established, the slowest after 36 ms; "
                      "1 undecided at the end.", made.text)

    def test_connections_with_losses_are_some_of_all(self) -> None:
        made = page(*self.connect(0), *self.connect(1, 6, local_port=40113),
                    self.again(50, "fast_retransmit", segs=2))
        self.assertIn("2 segments went out again; 1 of 2 connections had losses.",
                      made.text)

    def test_what_went_wrong_stands_where_a_phone_shows_it(self) -> None:
        made = page(*self.connect(0), self.event("rto", 50))
        row = made.row("Connections, in order of time", "sk:5")
        self.assertEqual(list(row)[:3], ["connection", "local – peer", "what went wrong"])
        self.assertTrue(row["what went wrong"])

    def test_an_empty_filter_is_none(self) -> None:
        for filter_, words in (("", "ring_records 8192, no filter"),
                               ("port=5000", "ring_records 8192, filter port=5000")):
            made = page(*self.connect(0), meta={"parameters": {
                "ring_records": "8192", "filter": filter_}})
            self.assertIn(words, made.text)

    def test_what_is_not_there_is_told_in_one_place(self) -> None:
        made = page(*self.connect(0))
        for words in ("SYN-ACK backoff: No SYN-ACK was sent again.",
                      "Sent again: Nothing was sent again.",
                      "Zero windows: No window closed",
                      "Resets: No connection was reset."):
            self.assertIn(words, made.text)

    def test_of_what_was_not_recorded_nothing_is_said(self) -> None:
        made = page(*self.connect(0), parameters={"events": "state,ack"})
        for words in ("No SYN-ACK was sent", "Nothing was sent again.",
                      "No window closed", "No connection was reset."):
            self.assertNotIn(words, made.text)
        self.assertIn("Not recorded here, so nothing is known of it: ", made.text)
        self.assertIn("As far as it was recorded, nothing was sent again", made.text)

    def test_a_recording_of_nothing_makes_a_page(self) -> None:
        made = page(done={"cpus": {"0": {"start": 0, "written": 0}}})
        self.assertIn("No connection was seen.", made.text)
        self.assertEqual(made.wrong, [])

    def test_the_head_says_when_and_where(self) -> None:
        made = page(*self.connect(0), self.event("ack", 2500),
                    wall_offset_ns=1_699_999_000 * SECOND)
        self.assertIn("Linux 6.12.0 · 2023-11-14 22:13:20 UTC · 2.5 s recorded",
                      made.text)


class Verdicts(Stage):
    def test_the_worst_first_with_its_evidence(self) -> None:
        made = page(*self.lost_ack(), *self.connect(0, 9, local_port=41000),
                    name="/tmp/x.renoscope")
        self.assertIn("Trouble", made.of("h3")[0])
        self.assertIn("slow to connect", made.of("h3")[0])
        self.assertIn("the SYN-ACK was sent again 3 times", made.of("article")[0])
        self.assertRegex(made.of("details")[0], "Evidence.+at 0.000 s")
        self.assertIn("Next: renoscope handshakes x.renoscope --connection 101 --steps",
                      made.of("article")[0])
        self.assertIn("Nothing is wrong with 1 connection.", made.text)

    def test_a_sort_of_trouble_is_told_once(self) -> None:
        events = []
        for n in range(9):
            events += [*self.connect(n, n + 1, local_port=41000 + n),
                       self.event("reset_received", n + 50, seg_flags=RST,
                                  cookie=n + 1, local_port=41000 + n),
                       self.event("state", n + 50, old_state=ESTABLISHED, state=CLOSED,
                                  cookie=n + 1, local_port=41000 + n)]
        made = page(*events)
        self.assertEqual(len(made.all("article")), 1)
        self.assertIn("9 connections to 10.77.0.2:5000", made.of("article")[0])
        self.assertEqual(made.of("details")[0].count("sk:"), 5)
        self.assertIn("and 4 connections more; see renoscope explain",
                      made.of("article")[0])

    def test_a_port_where_nobody_listens_is_no_listener(self) -> None:
        made = page(*(self.event("reset_sent", n, cookie=0, seg_flags=SYN, local_port=9)
                      for n in range(2)))
        self.assertIn("10.77.0.1:9: connects were refused twice", made.of("article")[0])
        self.assertNotIn("listener 10.77.0.1:9", made.text)

    def test_nothing_went_wrong(self) -> None:
        made = page(*self.connect(0))
        self.assertIn("Nothing went wrong", made.of("h2"))
        self.assertIn("Nothing is wrong with the only connection.", made.text)
        self.assertEqual(made.all("article"), [])

    def test_what_was_not_looked_for(self) -> None:
        made = page(*self.connect(0), parameters={"events": "state,ack"})
        self.assertRegex(made.text, "Not recorded [(].+, so not known: ")


class Plots(Stage):
    def sender(self) -> list[Event]:
        return [*self.connect(0), *(self.event(
            "ack", 40 + n, snd_isn=99, snd_una=100 + n * 1448, snd_nxt=90_000, cwnd=10,
            rcv_isn=7, rcv_nxt=8, ssthresh=2**31 - 1, seg_flags=ACK)
            for n in range(1, 9))]

    def test_a_picture_for_each_colour_scheme(self) -> None:
        with mock.patch("renoscope_lib.report.cwnd_plots.svg",
                        lambda series, palette: f"<svg>{palette.name}</svg>"):
            made = page(*self.sender())
        source, = made.all("source")
        image, = made.all("img")
        self.assertEqual(source["media"], "screen and (prefers-color-scheme: dark)")
        self.assertEqual(base64.b64decode(source["srcset"].removeprefix(PICTURE)),
                         b"<svg>dark</svg>")
        self.assertEqual(base64.b64decode(image["src"].removeprefix(PICTURE)),
                         b"<svg>light</svg>")
        self.assertRegex(image["alt"], "^cwnd over time .+ 10.77.0.1:40112 – ")

    def test_without_matplotlib_the_page_says_so(self) -> None:
        with mock.patch("renoscope_lib.report.cwnd_plots.svg", side_effect=Problem(
                "cwnd: a picture needs matplotlib: apt-get install "
                "python3-matplotlib", 4)):
            made = page(*self.sender())
        self.assertIn("No pictures here: cwnd: a picture needs matplotlib: apt-get "
                      "install python3-matplotlib. The numbers are in renoscope cwnd "
                      "x.renoscope.", made.text)
        self.assertEqual(made.all("img"), [])

    def test_one_is_not_many(self) -> None:
        for many, words in ((1, "and 1 connection more; see "),
                            (2, "and 2 connections more; see ")):
            self.assertEqual(
                and_more(many, "renoscope cwnd", "connection"),
                f'<p class="more">{words}{code("renoscope cwnd")}</p>')
        self.assertIsNone(and_more(0, "renoscope cwnd", "connection"))

    def test_no_page_too_large_to_mail(self) -> None:
        events = [event for n in range(1, 9) for event in (
            *self.connect(n, n), self.event("ack", 99 + n, cookie=n, snd_isn=99,
                                            snd_una=5000, seg_flags=ACK))]
        for size, shown in ((10, 4), (1_000_000, 1), (9_000_000, 0)):
            with mock.patch("renoscope_lib.report.cwnd_plots.svg",
                            lambda *_, size=size: "x" * size):
                made = page(*events)
            self.assertEqual(len(made.all("img")), shown)
            self.assertIn(f"and {8 - shown} connections more; see renoscope cwnd",
                          made.text)


class Completeness(Stage):
    def test_of_a_whole_recording_none_is_lost(self) -> None:
        made = page(*self.connect(0))
        self.assertIn("2 events were recorded and none is lost.", made.text)
        self.assertIn("no filter, no sampling", made.text)
        self.assertEqual(made.tables["Events by processor"][1],
                         ["cpu0", "2", "0", "2", "adds up"])

    def test_lost_events_are_counted_among_all(self) -> None:
        events = [*self.connect(0),
                  self.scene.event("lost", 40 * MS, serial=3, lost_events=98)]
        made = page(*events, done=whole(events, lost=98))
        self.assertIn("Of 100 events, 98 are lost (98%): what is said here may lack "
                      "a part.", made.text)
        self.assertNotIn("none is lost", made.text)
        self.assertEqual(made.tables["Events by processor"][1],
                         ["cpu0", "2", "98", "100", "adds up"])

    def test_serials_that_are_not_accounted_for(self) -> None:
        events = [*self.connect(0), self.event("ack", 50, serial=9)]
        made = page(*events, done={"cpus": {"0": {"start": 0, "written": 9}}})
        self.assertIn("do not add up", made.text)
        self.assertIn("6 not accounted for, 1 time out of order", made.text)

    def test_what_comes_twice_is_more_than_was_written(self) -> None:
        made = page(*self.connect(0), self.event("ack", 50, serial=2),
                    done={"cpus": {"0": {"start": 0, "written": 2}}})
        self.assertEqual(made.tables["Events by processor"][1], [
            "cpu0", "3", "0", "2", "1 more than written, 1 time out of order"])

    def test_a_recorder_that_claims_what_is_not_there(self) -> None:
        """The sum is made from the records, whatever the end says of itself."""
        made = page(*self.connect(0), done={"adds_up": True, "cpus": {
            "0": {"start": 0, "written": 50, "read": 50, "lost": 0}}})
        self.assertIn("48 not accounted for", made.text)
        self.assertNotIn("none is lost", made.text)

    def test_a_processor_of_which_nothing_came(self) -> None:
        made = page(*self.connect(0), done={"cpus": {
            "0": {"start": 0, "written": 2}, "1": {"start": 70, "written": 70}}})
        self.assertEqual(made.tables["Events by processor"][2],
                         ["cpu1", "0", "0", "0", "adds up"])
        self.assertIn("none is lost", made.text)

    def test_a_recording_cut_off_is_not_called_whole(self) -> None:
        made = page(*self.connect(0), done={}, cut_off="x: cut off")
        self.assertIn("The recording was cut off: 2 events can be read", made.text)
        self.assertNotIn("none is lost", made.text)

    def test_what_was_left_out_on_purpose_is_told(self) -> None:
        made = page(*self.connect(0), parameters={
            "filter": "port=5000", "flow_sample": "16", "events": "state"})
        self.assertIn("Recorded with the filter 'port=5000', 1 in 16 connections.",
                      made.text)
        self.assertNotIn("no filter, no sampling", made.text)


class Limits(Stage):
    def test_tables_have_so_many_rows_or_all(self) -> None:
        events = [event for n in range(60) for event in self.connect(n, n + 1)]
        made = page(*events)
        self.assertEqual(
            len(made.tables["Connections, the most troubled, in order of time"]), 51)
        self.assertIn("and 10 connections more; see renoscope states x.renoscope",
                      made.text)
        self.assertEqual(len(page(*events, limit=0).tables[
            "Connections, in order of time"]), 61)

    def test_the_troubled_ones_stay(self) -> None:
        events = [event for n in range(9) for event in self.connect(n, n + 1)]
        made = page(*events, self.again(50, "rto", cookie=7), limit=1)
        self.assertEqual(
            made.tables["Connections, the most troubled, in order of time"][1][0],
            "sk:7")

    def test_names_of_files_are_quoted_for_the_shell(self) -> None:
        events = [event for n in range(2) for event in self.connect(n, n + 1)]
        made = page(*events, limit=1, name="/tmp/a b;c.renoscope")
        self.assertIn("see renoscope states 'a b;c.renoscope'", made.text)

    def test_a_request_that_expired_has_failed(self) -> None:
        made = page(*self.stage.queued(0, 4000, 0x101),
                    self.stage.again(1, 4000, 0x101, 0, 0),
                    self.stage.request_end(3, 4000, 0x101, EXPIRED,
                                           since_synack_us=3_000_000, num_timeout=1))
        self.assertIn("1 failed", made.text)


class Hostile(Stage):
    def check(self, markup: str) -> None:
        made = Page(markup)
        self.assertEqual(made.wrong, [])
        self.assertEqual(len(made.all("script")), 1)
        for image in made.all("img"):
            self.assertTrue(image["src"].startswith(PICTURE), image["src"][:80])
        self.assertNotIn("onerror", {name for _, attributes in made.elements
                                     for name in attributes})
        self.assertNotRegex(markup, "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")

    def test_evil_words_of_meta_are_only_text(self) -> None:
        markup = html(*self.connect(0), name=f"/tmp/{EVIL}", meta={
            "kernel": EVIL, "machine": EVIL, "boot_id": EVIL,
            "parameters": {"filter": EVIL, "ring_records": EVIL}},
            parameters={"filter": EVIL})
        self.check(markup)
        self.assertIn("alert(&#x27;1&#x27;)", markup)

    def test_meta_of_the_wrong_shape_does_no_harm(self) -> None:
        for value in (None, 7, [EVIL], {"x": EVIL}, EVIL * 100_000):
            markup = html(*self.connect(0), meta={
                name: value for name in ("kernel", "machine", "boot_id", "parameters",
                                         "clocks")})
            self.check(markup)
            self.assertLess(len(markup), 100_000)

    def test_an_end_of_the_wrong_shape_does_no_harm(self) -> None:
        shapes: tuple[Any, ...] = (
            None, 7, [7], {"x": {}}, {"0": None}, {"0": {"written": EVIL}},
            {"0": {"start": -1, "written": 2**80}}, {"9" * 5000: {}})
        for cpus in shapes:
            self.check(html(*self.connect(0), done={"cpus": cpus}))

    def test_a_time_beyond_all_calendars_does_no_harm(self) -> None:
        self.check(html(*self.connect(0), wall_offset_ns=2**70, end_ns=2**64 - 1))

    def test_evil_words_of_the_schema_are_only_text(self) -> None:
        evil = EVIL.replace("\x1b", "").replace("\u202e", "")
        schema = parse_schema(re.sub(
            r"^(value (?:state|reset_reason|refusal|ca_state) \d+) .*$",
            lambda found: f"{found[1]} {evil}", support.schema_text(), flags=re.M))
        events = [*self.lost_ack(), *self.connect(0),
                  self.stage.refused(8, 4001, ACCEPT_FULL),
                  self.event("reset_sent", 9000, reset_reason=3)]
        self.check(html(*events, schema=schema))


class Document(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.markup = html(*self.lost_ack(), *self.connect(0), self.again(50, "rto"))
        self.page = Page(self.markup)

    def test_it_is_well_formed(self) -> None:
        self.assertEqual(self.page.wrong, [])
        ids = [attributes["id"] for _, attributes in self.page.elements
               if "id" in attributes]
        self.assertEqual(len(ids), len(set(ids)))
        anchors = {a["href"] for a in self.page.all("a")}
        self.assertLessEqual(anchors, {f"#{id_}" for id_ in ids})

    def test_headings_in_their_order(self) -> None:
        levels = [int(name[1]) for name, _ in self.page.elements
                  if re.fullmatch("h[1-6]", name)]
        self.assertEqual(levels[0], 1)
        self.assertEqual(levels.count(1), 1)
        for before, after in zip(levels, levels[1:]):
            self.assertLessEqual(after, before + 1)

    def test_tables_can_be_listened_to(self) -> None:
        tables = self.page.all("table")
        self.assertEqual(len(tables), len(self.page.all("caption")))
        self.assertEqual({a.get("scope") for a in self.page.all("th")}, {"col", "row"})
        for figure in self.page.all("svg"):
            self.assertEqual(figure.get("aria-hidden"), "true")

    def test_it_asks_nobody_for_anything(self) -> None:
        own = re.sub(f"{PICTURE}[A-Za-z0-9+/=]+", "", self.markup)
        self.assertNotRegex(own, "(?i)https?:|//[a-z]|@import|url[(]|data:[^;]")
        for _, attributes in self.page.elements:
            for name in ("src", "srcset"):
                self.assertTrue(attributes.get(name, PICTURE).startswith(PICTURE))

    def test_only_its_own_style_and_script_are_allowed(self) -> None:
        policy, = (a["content"] for a in self.page.all("meta")
                   if a.get("http-equiv") == "Content-Security-Policy")
        for name in ("style", "script"):
            own, = self.page.of(name)
            digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
            self.assertIn(f"{name}-src 'sha256-{digest}'", policy)
        self.assertTrue(policy.startswith("default-src 'none'"))
        self.assertNotIn("unsafe", policy)
        self.assertFalse([name for _, attributes in self.page.elements
                          for name in attributes
                          if name == "style" or name.startswith("on")])


class Command(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "x.renoscope"
        scene = Scene()
        records = b"".join([
            scene.pack("state", 0, old_state=CLOSED, state=SYN_SENT, snd_isn=9),
            scene.pack("state", 36 * MS, old_state=SYN_SENT, state=ESTABLISHED)])
        self.whole = support.recording(records, cpus={
            "0": {"start": 0, "written": 2}})
        self.file.write_bytes(self.whole)

    def test_it_writes_the_page(self) -> None:
        output = self.folder / "x.html"
        result = run("report", str(self.file), "-o", str(output))
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        made = Page(output.read_text())
        self.assertIn("2 events were recorded and none is lost.", made.text)
        self.assertIn("renoscope report x.renoscope -o x.html", made.text)
        self.assertNotIn(str(self.folder), output.read_text())
        self.assertIn(b"x.html: ", result.stdout)

    def test_to_standard_output_goes_the_page_alone(self) -> None:
        result = run("report", "-", "-o", "-", stdin=self.whole)
        self.assertTrue(result.stdout.startswith(b"<!DOCTYPE html>"))
        self.assertTrue(result.stdout.endswith(b"</html>\n"))

    def test_a_recording_that_is_cut_off_makes_a_page_all_the_same(self) -> None:
        self.file.write_bytes(self.whole[:-60])
        output = self.folder / "x.html"
        result = run("report", str(self.file), "-o", str(output))
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"cut off", result.stderr)
        self.assertIn("The recording was cut off", Page(output.read_text()).text)

    def test_what_cannot_be_written_is_told_in_one_line(self) -> None:
        result = run("report", str(self.file), "-o", "/nix/x.html")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, b"renoscope: cannot write "
                         b"/nix/x.html: No such file or directory\n")

    def test_a_name_that_a_terminal_would_obey_is_told_harmlessly(self) -> None:
        result = run("report", str(self.file), "-o", str(self.folder / "a\x1b[31m\n.html"))
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, rb"^[^\x1b\n]*a\?\[31m\?\.html: .*\n$")
        name = "b\x1b[31m.renoscope"
        (self.folder / name).write_bytes(self.whole)
        (self.folder / "b\x1b[31m.html").write_text("mine")
        self.assertNotIn("\x1b", self.report_here(name)[1])

    def report_here(self, *words: str, stdin: bytes = b"") -> tuple[int, str, list[str]]:
        """Without -o, in the folder: exit code, what is said, and the pages there."""
        done = run("report", *words, stdin=stdin, cwd=self.folder)
        self.assertEqual(done.stdout, b"")
        return (done.returncode, done.stderr.decode(),
                sorted(path.name for path in self.folder.glob("*.html")))

    def test_a_page_without_a_name_is_called_as_the_recording(self) -> None:
        below = self.folder / "a" / "tcp.renoscope"
        below.parent.mkdir()
        below.write_bytes(self.whole)
        code, said, pages = self.report_here("a/tcp.renoscope")
        self.assertEqual((code, pages), (0, ["tcp.html"]), said)
        self.assertRegex(said, r"^renoscope: tcp\.html: \d+ kB, opens in any browser\n$")
        made = Page((self.folder / "tcp.html").read_text())
        self.assertIn("renoscope report tcp.renoscope -o tcp.html", made.text)

    def test_of_standard_input_it_has_our_name(self) -> None:
        self.assertEqual(self.report_here("-", stdin=self.whole)[::2],
                         (0, ["renoscope.html"]))

    def test_an_earlier_page_is_replaced(self) -> None:
        self.assertEqual(self.report_here(self.file.name)[0], 0)
        old = (self.folder / "x.html").stat().st_ino
        self.assertEqual(self.report_here(self.file.name)[0], 0)
        self.assertNotEqual((self.folder / "x.html").stat().st_ino, old)

    def test_what_is_no_page_of_ours_is_left(self) -> None:
        """Unless it was named."""
        output = self.folder / "x.html"
        others: list[Callable[[], object]] = [
            lambda: output.write_text("<html>mine</html>"), output.mkdir,
            lambda: output.symlink_to("nowhere"), lambda: os.mkfifo(output)]
        for make in others:
            make()
            code, said, _ = self.report_here(self.file.name)
            self.assertEqual((code, said), (
                2, "renoscope: report: x.html is there and is no page of renoscope "
                "report; name another with -o\n"))
            if output.is_dir():
                output.rmdir()
            else:
                output.unlink()
        output.write_text("<html>mine</html>")
        self.assertEqual(
            run("report", str(self.file), "-o", str(output)).returncode, 0)

    def test_a_recording_with_a_pages_name_is_left(self) -> None:
        (self.folder / "y.html").write_bytes(self.whole)
        self.assertEqual(self.report_here("y.html")[:2], (
            2, "renoscope: report: y.html is the recording itself\n"))
        self.assertEqual((self.folder / "y.html").read_bytes(), self.whole)

    def test_a_bad_recording_leaves_the_old_page_alone(self) -> None:
        output = self.folder / "x.html"
        output.write_text("old")
        result = run("report", "-", "-o", str(output), stdin=b"hello")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(output.read_text(), "old")


if __name__ == "__main__":
    unittest.main()
