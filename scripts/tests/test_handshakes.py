# SPDX-License-Identifier: GPL-2.0
"""SYN-ACK retransmits and handshake times."""

import errno
import itertools
import re
import unittest
import unittest.mock
from typing import Any

from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.views import openings
from renoscope_lib.views.handshakes import EXPECTED_KINDS, Handshakes, OpeningRow
from renoscope_lib.views.handshakes_text import as_json, as_text
from renoscope_lib.views.outcomes import synacks_lost_between

from . import support
from .handshake_scene import (ACCEPT_FULL, EXPIRED, FAST_OPEN, HALF_OPEN_FULL, INVALID,
                              LISTENER_GONE, OTHER, RESET_BY_PEER, RESET_BY_US, UNPROVEN,
                              UNSENT, US, VALID, VALID_REFUSED, ListenerScene)
from .support import (ANY, CLIENT, CLOSED, ESTABLISHED, LISTEN, MS, SECOND,
                      SERVER, SYN, SYN_RECEIVED, SYN_SENT, Scene, feed,
                      number_of)


ENDED_OTHERWISE = number_of("request_ending", "other")


def watch(*events: Event) -> Handshakes:
    return feed(Handshakes(support.schema()), *events)


def watch_without_ends(*events: Event) -> Handshakes:
    """The same where it was not recorded how requests end."""
    view = Handshakes(support.schema())
    view.gaps.begin({"events": ",".join(
        kind for kind in EXPECTED_KINDS if kind != "request_end")})
    return feed(view, *events)


class Retransmits(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def again(self, at_s: float, retrans: int, timeouts: int,
              by_timer: bool = True, **values: Any) -> Event:
        """A SYN-ACK sent again at_s seconds after the first one."""
        return self.scene.event("synack_retransmit", round(at_s * SECOND), **{
            "local_addr": SERVER, "local_port": 5000, "remote_addr": CLIENT,
            "remote_port": 40112, "state": SYN_RECEIVED, "snd_isn": 7,
            "since_synack_us": round(at_s * US), "synack_timeout_us": US,
            "num_retrans": retrans, "num_timeout": timeouts,
            "by_timer": by_timer, "max_retries": 4,
            "rto_us": US << (timeouts + by_timer)} | values)

    def silent(self, **values: Any) -> list[Event]:
        """One that nobody answers: sent again until its last wait begins."""
        return [self.again(at, n, n, **values)
                for n, at in enumerate((1.01, 3.02, 7.03, 15.04))]

    def child(self, at_s: float, state: int) -> Event:
        return self.scene.event(
            "state", round(at_s * SECOND), old_state=SYN_RECEIVED, state=state,
            local_addr=SERVER, local_port=5000, remote_addr=CLIENT,
            remote_port=40112, snd_isn=7)

    def test_waits_of_1_2_4_8_16_seconds_are_predicted_and_the_end_reckoned(self) -> None:
        handshakes = watch_without_ends(*self.silent())
        rows = handshakes.retransmits(self.scene.start_ns + 40 * SECOND)
        self.assertEqual([r.attempt for r in rows], [1, 2, 3, 4])
        self.assertEqual([r.waited_us for r in rows],
                         [1_010_000, 2_010_000, 4_010_000, 8_010_000])
        self.assertEqual([r.predicted_us for r in rows],
                         [1 * US, 2 * US, 4 * US, 8 * US])
        self.assertEqual([r.next_wait_us for r in rows],
                         [2 * US, 4 * US, 8 * US, 16 * US])
        self.assertEqual({r.request for r in rows},
                         {"given up after 31.04 s (reckoned)"})
        self.assertEqual({r.by for r in rows}, {"timer"})
        self.assertEqual((rows[0].local, rows[0].remote, rows[0].connection),
                         ("10.77.0.2:5000", "10.77.0.1:40112", "sk:5"))

    def test_timers_that_sent_nothing_are_part_of_the_wait(self) -> None:
        """Of 1 s and 2 s before the first one, of 4 s, 8 s and 16 s before the next."""
        rows = watch(self.again(3.01, 0, 1), self.again(31.02, 1, 4)).retransmits()
        self.assertEqual([(r.attempt, r.waited_us, r.predicted_us) for r in rows],
                         [(1, 3_010_000, 3 * US), (2, 28_010_000, 28 * US)])
        duplicate = watch(self.again(3, 0, 1), self.again(3.5, 1, 2, by_timer=False),
                          self.again(15.5, 2, 3)).retransmits()
        self.assertEqual([r.predicted_us for r in duplicate], [3 * US, None, 12 * US])

    def test_duplicate_syn_has_no_timer_to_meet(self) -> None:
        """It restarts the wait that was running and does not double it."""
        rows = watch(self.again(1, 0, 0),
                     self.again(1.5, 1, 1, by_timer=False),
                     self.again(3.5, 2, 1)).retransmits()
        self.assertEqual([r.by for r in rows],
                         ["timer", "duplicate SYN", "timer"])
        self.assertEqual([r.waited_us for r in rows], [US, US // 2, 2 * US])
        self.assertEqual([r.predicted_us for r in rows], [US, None, 2 * US])
        self.assertEqual([r.next_wait_us for r in rows],
                         [2 * US, 2 * US, 4 * US])

    def test_without_the_one_before_a_wait_is_not_known(self) -> None:
        """Without the one before, the wait is not known and not guessed."""
        rows = watch(self.again(3, 1, 1), self.again(7, 2, 2),
                     self.again(31, 4, 4)).retransmits()
        self.assertEqual([r.waited_us for r in rows], [None, 4 * US, None])
        self.assertEqual([r.predicted_us for r in rows], [None, 4 * US, None])

    def test_requests_do_not_mix(self) -> None:
        rows = watch(self.again(1, 0, 0),
                     self.again(1.4, 0, 0, cookie=6, snd_isn=8,
                                since_synack_us=US),
                     self.again(3, 1, 1),
                     self.again(3.5, 1, 1, cookie=6, snd_isn=8)).retransmits()
        self.assertEqual([(r.connection, r.waited_us) for r in rows],
                         [("sk:5", US), ("sk:6", US), ("sk:5", 2 * US),
                          ("sk:6", 2_100_000)])

    def test_each_end_of_a_request_is_told(self) -> None:
        once = self.again(1, 0, 0)
        start = self.scene.start_ns
        for events, end_s, expected in (
                ([self.child(1.25, ESTABLISHED)], 9, "established after 1.25 s"),
                ([self.child(1.25, CLOSED)], 9, "closed after 1.25 s"),
                ([], 2.5, "half-open when watching ended"),
                ([], 3.5, "end not seen")):
            with self.subTest(expected):
                row, = watch_without_ends(once, *events).retransmits(
                    start + end_s * SECOND)
                self.assertEqual(row.request, expected)

    def ends(self, *events: Event, end_s: float, may_miss: bool = True) -> set[str]:
        """What the table of SYN-ACKs sent again says they became."""
        watched = (watch_without_ends if may_miss else watch)(*events)
        return {row.request for row in watched.retransmits(
            self.scene.start_ns + round(end_s * SECOND))}

    def test_one_whose_end_would_be_known_is_half_open(self) -> None:
        self.assertEqual(self.ends(*self.silent(), end_s=90, may_miss=False),
                         {"half-open when watching ended"})
        lost = self.scene.event("lost", lost_events=5)
        self.assertEqual(self.ends(*self.silent(), lost, end_s=90, may_miss=False),
                         {"given up after 31.04 s (reckoned)"})

    def test_a_timer_may_be_late(self) -> None:
        """By an eighth of its wait: the wheel's buckets are as wide."""
        self.assertEqual(self.ends(*self.silent(), end_s=33),
                         {"half-open when watching ended"})
        self.assertEqual(self.ends(*self.silent(), end_s=33.1),
                         {"given up after 31.04 s (reckoned)"})

    def test_the_last_wait_in_a_crowded_queue_may_not_be_the_last(self) -> None:
        """When its timer fires, the kernel asks how crowded the queue is then."""
        for half_open, limit, expected in (
                (17, 32, "end not seen"), (16, 32, "given up after 31.04 s (reckoned)"),
                (5, 1, "end not seen"), (4, 1, "given up after 31.04 s (reckoned)")):
            with self.subTest(half_open=half_open, limit=limit):
                self.assertEqual(expected, *self.ends(*self.silent(
                    half_open=half_open, accept_limit=limit), end_s=90))

    def test_a_reckoned_end_is_told_as_one(self) -> None:
        request = self.scene.event("request", 0, local_addr=SERVER, local_port=5000,
                                   remote_addr=CLIENT, remote_port=40112)
        handshakes = watch_without_ends(request, *self.silent())
        end_ns = self.scene.start_ns + 90 * SECOND
        summary, *lines = as_text(handshakes, end_ns)
        self.assertEqual(summary, "1 opened by the peer: 1 given up (reckoned)")
        rows = [line for line in lines if line.startswith("sk:5 ")]
        self.assertEqual([line.count("given up (reckoned)") for line in rows], [1] * 5)
        self.assertEqual(as_json(handshakes, end_ns)["summary"],
                         {"peer": {"given up": 1}})

    def test_it_takes_from_the_first_synack_on(self) -> None:
        row, = watch(self.again(1, 0, 0),
                     self.child(1.25, ESTABLISHED)).openings()
        self.assertEqual((row.opened_by, row.took_us, row.measured,
                          row.synacks_sent_again),
                         ("peer", 1_250_000, "first SYN-ACK", 1))


class Openings(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def connecting(self) -> Event:
        return self.scene.event("state", 0, old_state=CLOSED, state=SYN_SENT,
                                local_port=0)

    def test_an_active_open_takes_from_its_syn_on(self) -> None:
        row, = watch(
            self.connecting(),
            self.scene.event("retransmit", SECOND, seg_flags=SYN, snd_isn=7),
            self.scene.event("state", 1036 * MS, old_state=SYN_SENT,
                             state=ESTABLISHED, snd_isn=7)).openings()
        self.assertEqual((row.opened_by, row.result, row.took_us,
                          row.measured, row.syns_sent_again, row.local),
                         ("us", "established", 1_036_000, "SYN", 1,
                          "10.77.0.1:40112"))

    def test_one_whose_syn_was_not_seen_takes_from_the_first_one_seen_on(self) -> None:
        """The longer of the two times that are known: it took that or more."""
        again = self.scene.event("retransmit", SECOND, seg_flags=SYN, snd_isn=7)
        for srtt_us, took_us, measured in (
                (20_000, 36_000, "first SYN seen"),
                (900_000, 900_000, "SYN-ACK (first RTT sample)")):
            row, = watch(again, self.scene.event(
                "state", 1036 * MS, old_state=SYN_SENT, state=ESTABLISHED, snd_isn=7,
                srtt_us=srtt_us)).openings()
            self.assertEqual((row.took_us, row.measured, row.syns_sent_again),
                             (took_us, measured, 1))
            self.assertIn("the SYN was sent again once or more", row.why)
            self.assertEqual(row.steps[0]["what"], "SYN sent again, predicted 0 us")

    def test_an_active_open_that_is_closed_has_failed(self) -> None:
        row, = watch(
            self.connecting(),
            self.scene.event("state", 3 * MS, old_state=SYN_SENT,
                             state=CLOSED, snd_isn=7)).openings()
        self.assertEqual((row.result, row.took_us), ("failed", 3000))

    def test_a_simultaneous_open_is_ours(self) -> None:
        """Both send a SYN: through SYN-RECEIVED, and still opened by us."""
        row, = watch(
            self.connecting(),
            self.scene.event("state", MS, old_state=SYN_SENT,
                             state=SYN_RECEIVED, snd_isn=7),
            self.scene.event("state", 2 * MS, old_state=SYN_RECEIVED,
                             state=ESTABLISHED, snd_isn=7)).openings()
        self.assertEqual((row.opened_by, row.result, row.took_us),
                         ("us", "established", 2000))

    def test_an_active_open_without_its_end_is_not_seen(self) -> None:
        row, = watch(self.connecting()).openings()
        self.assertEqual((row.result, row.took_us), ("not seen", None))

    def test_one_whose_end_may_be_lost_is_not_connecting(self) -> None:
        lost = self.scene.event("lost", MS, lost_events=1)
        for events, outcome in (([], "connecting"), ([lost], "not seen")):
            row, = watch(self.connecting(), *events).openings()
            self.assertEqual((row.outcome, row.result), (outcome, "not seen"))

    def test_one_socket_that_connects_twice_is_two_openings(self) -> None:
        rows = watch(
            self.connecting(),
            self.scene.event("state", 3 * MS, old_state=SYN_SENT,
                             state=CLOSED, snd_isn=7),
            self.scene.event("state", 4 * MS, old_state=CLOSED,
                             state=SYN_SENT, local_port=0),
            self.scene.event("state", 9 * MS, old_state=SYN_SENT,
                             state=ESTABLISHED, snd_isn=8)).openings()
        self.assertEqual([(r.result, r.took_us) for r in rows],
                         [("failed", 3000), ("established", 5000)])

    def test_a_passive_open_takes_a_round_trip(self) -> None:
        """Both state events are the third segment's; the RTT tells the time."""
        row, = watch(
            self.scene.event("state", 0, old_state=LISTEN, state=SYN_RECEIVED,
                             cookie=1, local_port=5000, remote_addr=ANY,
                             local_addr=ANY, remote_port=0),
            self.scene.event("state", 10_000, old_state=SYN_RECEIVED,
                             state=ESTABLISHED, local_port=5000, cookie=8,
                             remote_port=3, srtt_us=36_020)).openings()
        self.assertEqual((row.connection, row.opened_by, row.took_us,
                          row.remote),
                         ("sk:8", "peer", 36_020, "10.77.0.2:3"))

    def test_a_child_that_was_not_found_is_no_connection(self) -> None:
        rows = watch(self.scene.event(
            "state", 0, old_state=LISTEN, state=SYN_RECEIVED, cookie=1,
            local_port=5000)).openings()
        self.assertEqual(rows, [])

    def test_closing_later_does_not_change_it(self) -> None:
        rows = watch(
            self.connecting(),
            self.scene.event("state", MS, old_state=SYN_SENT,
                             state=ESTABLISHED, snd_isn=7),
            self.scene.event("state", SECOND, old_state=ESTABLISHED,
                             state=4, snd_isn=7)).openings()
        self.assertEqual([(r.result, r.took_us) for r in rows],
                         [("established", 1000)])


class Lives(unittest.TestCase):
    """A listener's side, event by event, as the kernel tells it."""

    def setUp(self) -> None:
        self.at = ListenerScene()
        self.end_ns = self.at.scene.start_ns + 100 * SECOND

    def row(self, *events: Event, end_s: float = 100) -> OpeningRow:
        row, = watch(*events).openings(
            self.at.scene.start_ns + round(end_s * SECOND))
        return row

    def what(self, row: OpeningRow) -> list[str]:
        return [step["what"].split(",")[0].split(" (")[0]
                for step in row.steps]

    def test_a_whole_life_is_told_step_by_step(self) -> None:
        row = self.row(*self.at.queued(0, 40, 9), self.at.completed(0.02, 40, 9),
                       self.at.accepted(3.02, 40, 9))
        self.assertEqual(
            (row.connection, row.opened_by, row.result, row.outcome,
             row.took_us, row.measured, row.accept_wait_us),
            ("sk:9", "peer", "established", "established", 20_000, "SYN",
             3 * US))
        self.assertEqual(self.what(row), [
            "SYN arrived", "request queued", "SYN-ACK sent",
            "completed: the last ACK came", "accepted by a process after 3 s"])
        self.assertEqual([s["after_us"] for s in row.steps],
                         [0, 0, 0, 20_000, 3_020_000])
        self.assertIn("waited 3 s in the accept queue", row.why)

    def test_one_that_goes_well_needs_no_reason(self) -> None:
        row = self.row(*self.at.queued(0, 40, 9), self.at.completed(0.02, 40, 9),
                       self.at.accepted(0.03, 40, 9))
        self.assertEqual(row.why, "")

    def left_behind(self, *between: Event, ends_s: float = 5.1,
                    sock_flags: int = 0) -> list[Event]:
        """Its listener is closed at 5 s; then it is."""
        ends = {"local_addr": SERVER, "local_port": 5000,
                "remote_addr": CLIENT, "remote_port": 40}
        return [
            *self.at.queued(0, 40, 9), self.at.completed(0.02, 40, 9), *between,
            self.at.scene.event("state", 5 * SECOND, cookie=self.at.listener,
                                old_state=LISTEN, state=CLOSED),
            self.at.scene.event("state", round(ends_s * SECOND), cookie=9,
                                old_state=ESTABLISHED, state=CLOSED,
                                sock_flags=sock_flags, **ends)]

    def test_one_left_in_the_accept_queue_was_never_accepted(self) -> None:
        row = self.row(*self.left_behind())
        self.assertEqual((row.outcome, row.never_accepted),
                         ("established", True))
        self.assertEqual(row.why, "never accepted: its listener was closed "
                         "while it waited in the accept queue")
        self.assertEqual(self.what(row)[-1], "ended: its listener was closed")

    def test_one_that_may_have_been_accepted_is_not_said_to_be_left(self) -> None:
        lost = self.at.scene.event("lost", lost_events=5)
        for between, ends_s in (([self.at.accepted(3, 40, 9)], 5.1),
                                ([lost], 5.1), ([], 7)):
            with self.subTest(between=between, ends_s=ends_s):
                row = self.row(*self.left_behind(*between, ends_s=ends_s))
                self.assertFalse(row.never_accepted)
                self.assertNotIn("never accepted", row.why)

    def test_of_mptcp_nobody_knows(self) -> None:
        """What accept() hands over is another socket."""
        row = self.row(*self.left_behind(
            sock_flags=1 << number_of("sock_flags", "mptcp")))
        self.assertEqual((row.never_accepted, row.why), (False, ""))

    def test_the_table_says_never(self) -> None:
        for on, word in (("completed,accepted,state", "never"),
                         ("completed,state", "-")):
            with self.subTest(on):
                self.setUp()
                view = Handshakes(support.schema())
                view.gaps.begin({"events": on})
                feed(view, *self.left_behind())
                line, = (line for line in as_text(view, None)
                         if line.startswith("sk:9 "))
                self.assertEqual(line.split()[-1], word)

    def test_an_expired_request_had_no_answer(self) -> None:
        row = self.row(*self.at.queued(0, 40, 9),
                       *(self.at.again(at, 40, 9, n, n)
                         for n, at in enumerate((1, 3, 7, 15, 31))),
                       self.at.request_end(63, 40, 9, EXPIRED))
        self.assertEqual((row.outcome, row.result, row.took_us,
                          row.synacks_sent_again),
                         ("expired", "failed", 63 * US, 5))
        self.assertIn("no answer to 6 SYN-ACKs", row.why)
        self.assertNotIn("DEFER", row.why, "each timer sent one, so no ACK had come")

    def test_timers_that_sent_nothing_tell_of_a_deferred_ack(self) -> None:
        """TCP_DEFER_ACCEPT: reqsk_timer_handler() counts a timeout, and no retransmit."""
        at = self.at
        row = self.row(*at.queued(0, 40, 9), at.again(3, 40, 9, 0, 1),
                       at.completed(3.02, 40, 9, num_retrans=1, num_timeout=2))
        self.assertEqual((row.outcome, row.why), (
            "established", "the last ACK came, and TCP_DEFER_ACCEPT waited for data; the "
            "SYN-ACK was sent again once"))
        self.assertIn("waited 3 s, predicted 3 s; a timer before sent nothing",
                      row.steps[3]["what"])
        row = self.row(*at.queued(0, 40, 9),
                       at.completed(2, 40, 9, num_timeout=1))
        self.assertEqual(row.why, "the last ACK came, and TCP_DEFER_ACCEPT waited for data")
        row = self.row(*at.queued(0, 40, 9), at.request_end(
            63, 40, 9, EXPIRED, num_retrans=2, num_timeout=5))
        self.assertEqual((row.outcome, row.why), (
            "expired", "the last ACK came, and TCP_DEFER_ACCEPT waited for data in vain"))
        row = self.row(*at.fast_open(0, 40, 9), at.fast_open_again(
            3, 40, 9, 0, num_timeout=1), end_s=4)
        self.assertEqual(row.why, "the SYN-ACK was sent again once",
                         "Fast Open's timer counts one that could not be sent")

    def test_its_retransmits_say_so_too(self) -> None:
        rows = watch(*self.at.queued(0, 40, 9), self.at.again(1, 40, 9, 0, 0),
                     self.at.request_end(3, 40, 9, EXPIRED)).retransmits()
        self.assertEqual(rows[0].request, "expired after 3 s")

    def test_each_other_end_has_its_outcome_and_why(self) -> None:
        for ending, outcome, why in (
                (RESET_BY_PEER, "reset by peer", "forged and it never asked"),
                (RESET_BY_US, "reset by us", "does not fit"),
                (LISTENER_GONE, "listener gone", "listener was closed"),
                (UNSENT, "unsent", "its output firewall")):
            with self.subTest(outcome):
                row = self.row(*self.at.queued(0, 40, 9),
                               self.at.request_end(1, 40, 9, ending))
                self.assertEqual((row.outcome, row.result), (outcome, "failed"))
                self.assertIn(why, row.why)

    def test_a_last_ack_that_fits_is_reset_for_want_of_room(self) -> None:
        """tcp_abort_on_overflow; what comes later does not fit."""
        for end_s, why in ((1.0001, "tcp_abort_on_overflow is 1"), (3, "does not fit")):
            with self.subTest(end_s=end_s):
                self.setUp()
                row = self.row(*self.at.queued(0, 40, 9),
                               self.at.last_ack_refused(1, 40, 9),
                               self.at.request_end(end_s, 40, 9, RESET_BY_US))
                self.assertEqual(row.outcome, "reset by us")
                self.assertIn(why, row.why)

    def test_each_reason_of_a_refusal_is_told(self) -> None:
        for reason, why in ((ACCEPT_FULL, "accept queue full (129 waiting"),
                            (HALF_OPEN_FULL, "SYN cookies are off"),
                            (UNPROVEN, "peers known from before"),
                            (OTHER, "the kernel does not say")):
            with self.subTest(why):
                row = self.row(self.at.syn(0, 40),
                               self.at.refused(0, 40, reason, accept_queue=129))
                self.assertEqual((row.outcome, row.result, row.refused),
                                 ("refused", "failed", 1))
                self.assertIn(why, row.why)

    def test_refused_first_and_let_in_later_is_one_handshake(self) -> None:
        """The same ISN: one handshake, and slow by the refusals."""
        row = self.row(self.at.syn(0, 40), self.at.refused(0, 40, ACCEPT_FULL),
                       self.at.syn(1, 40), self.at.refused(1, 40, ACCEPT_FULL),
                       *self.at.queued(3, 40, 9), self.at.completed(3.1, 40, 9))
        self.assertEqual((row.outcome, row.took_us, row.refused,
                          row.syns_sent_again, row.syns_arrived_again),
                         ("established", 3_100_000, 2, 0, 2))
        self.assertIn("2 SYNs dropped by the listener, accept queue full",
                      row.why)

    def test_the_same_ends_with_another_isn_are_two_handshakes(self) -> None:
        rows = watch(self.at.syn(0, 40, isn=7),
                     self.at.refused(0, 40, ACCEPT_FULL),
                     *self.at.queued(1, 40, 9, isn=(1 << 32) - 1),
                     self.at.completed(1.1, 40, 9, rcv_isn=(1 << 32) - 1)
                     ).openings()
        self.assertEqual([r.outcome for r in rows], ["refused", "established"])

    def test_a_repeated_syn_is_a_reason_where_refusals_were_not_recorded(self) -> None:
        row = self.row(self.at.syn(0, 40), *self.at.queued(1, 40, 9), self.at.completed(1.1, 40, 9))
        self.assertEqual(row.why, "the client repeated its SYN once")

    def test_two_isns_refused_are_two_handshakes(self) -> None:
        """Another client of the same address, or another attempt."""
        rows = watch(self.at.syn(0, 40, isn=7),
                     self.at.refused(0, 40, ACCEPT_FULL, isn=7),
                     self.at.syn(1, 40, isn=8),
                     self.at.refused(1, 40, ACCEPT_FULL, isn=8)).openings()
        self.assertEqual([(r.outcome, r.refused) for r in rows],
                         [("refused", 1), ("refused", 1)])

    def test_without_syn_events_two_isns_refused_are_two_handshakes_too(self) -> None:
        rows = watch(self.at.refused(0, 40, ACCEPT_FULL, isn=7),
                     self.at.refused(1, 40, ACCEPT_FULL, isn=7),
                     self.at.refused(2, 40, ACCEPT_FULL, isn=8)).openings()
        self.assertEqual([r.refused for r in rows], [2, 1])

    def test_the_same_ports_after_the_end_are_another_handshake(self) -> None:
        rows = watch(*self.at.queued(0, 40, 9), self.at.completed(0.1, 40, 9),
                     *self.at.queued(1, 40, 10), self.at.completed(1.1, 40, 10)
                     ).openings()
        self.assertEqual(
            [(r.connection, r.took_us, r.measured, r.syns_sent_again)
             for r in rows],
            [("sk:9", 100_000, "SYN", 0), ("sk:a", 100_000, "SYN", 0)])

    def test_after_a_refused_last_ack_the_handshake_goes_on(self) -> None:
        """The request stays, and its SYN-ACK brings the ACK once more."""
        row = self.row(*self.at.queued(0, 40, 9),
                       self.at.last_ack_refused(0.1, 40, 9),
                       self.at.again(1, 40, 9, 0, 0),
                       self.at.completed(1.1, 40, 9))
        self.assertEqual((row.outcome, row.took_us), ("established", 1_100_000))
        self.assertIn("1 last ACK dropped by the listener", row.why)

    def test_one_that_ended_otherwise_may_have_been_killed(self) -> None:
        row = self.row(*self.at.queued(0, 40, 9),
                       self.at.request_end(3, 40, 9, ENDED_OTHERWISE))
        self.assertEqual((row.outcome, row.result), ("ended", "failed"))
        self.assertIn("or ss -K", row.why)

    def test_a_further_subflow_of_mptcps_was_not_refused(self) -> None:
        """Its request ends with its child's birth; one that MPTCP refuses is closed before."""
        joined = self.at.request_end(0.1, 40, 9, number_of("request_ending", "joined"))
        queued = [*self.at.queued(0, 40, 9), self.at.change(0.1, 40, 9, "LISTEN", "SYN-RECEIVED")]
        for last, outcome in (
                ([joined, self.at.change(0.1, 40, 9, "SYN-RECEIVED", "ESTABLISHED")],
                 "established"),
                ([self.at.change(0.1, 40, 9, "SYN-RECEIVED", "CLOSED"), joined],
                 "refused by MPTCP"), ([joined], "not seen")):
            with self.subTest(outcome):
                row = self.row(*queued, *last)
                self.assertEqual(row.outcome, outcome)
                self.assertNotIn("RST", row.why)
                self.assertEqual("made no further subflow" in row.why,
                                 outcome == "refused by MPTCP")

    def test_expired_after_refused_last_acks_is_no_silent_client(self) -> None:
        row = self.row(*self.at.queued(0, 40, 9),
                       self.at.last_ack_refused(0.1, 40, 9),
                       self.at.request_end(63, 40, 9, EXPIRED))
        self.assertIn("accept queue full", row.why)
        self.assertNotIn("no answer", row.why)

    def test_a_cookie_is_joined_to_its_child(self) -> None:
        """The child has an id never seen before, and both ends of the SYN."""
        row = self.row(*self.at.cookie_sent(0, 40, half_open=129),
                       self.at.completed(0.1, 40, 0x77, by_cookie=True,
                                         snd_isn=555),
                       self.at.cookie_checked(0.1, 40, VALID, cookie=0x77),
                       self.at.accepted(0.2, 40, 0x77))
        self.assertEqual((row.connection, row.outcome, row.cookies_sent,
                          row.took_us, row.accept_wait_us),
                         ("sk:77", "established", 1, 100_000, 100_000))
        self.assertIn("SYN cookie (the half-open queue was full)", row.why)

    def test_a_cookie_from_a_queue_with_room_names_the_sysctl(self) -> None:
        row = self.row(*self.at.cookie_sent(0, 40))
        self.assertEqual((row.outcome, row.result), ("cookie sent", "not seen"))
        self.assertIn("tcp_syncookies is 2", row.why)

    def test_each_verdict_on_a_cookie_has_its_outcome(self) -> None:
        for verdict, outcome in ((INVALID, "cookie invalid"),
                                 (VALID_REFUSED, "refused")):
            row = self.row(*self.at.cookie_sent(0, 40),
                           self.at.cookie_checked(0.1, 40, verdict))
            self.assertEqual((row.outcome, row.result), (outcome, "failed"))

    def test_an_ack_out_of_nowhere_is_no_handshake(self) -> None:
        self.assertEqual(
            watch(self.at.cookie_checked(0, 40, INVALID)).openings(), [])

    def test_fast_open_completes_before_any_last_ack(self) -> None:
        row = self.row(self.at.syn(0, 40),
                       self.at.event("synack", 0, 40, cookie=9, rcv_isn=7,
                                     synack_type=FAST_OPEN),
                       self.at.completed(0, 40, 9))
        self.assertEqual((row.connection, row.outcome), ("sk:9", "half-open"))
        self.assertIn("Fast Open", row.steps[1]["what"])
        self.assertEqual(row.steps[2]["what"], "completed by Fast Open: with "
                         "the SYN, before any last ACK, accept queue now 1")

    def test_fast_open_is_established_when_its_synack_is_acknowledged(self) -> None:
        at = self.at
        for new in ("ESTABLISHED", "CLOSE-WAIT"):
            with self.subTest(new=new):
                row = self.row(*at.fast_open(0, 40, 9), at.accepted(0.1, 40, 9),
                               at.fast_open_again(1, 40, 9, 0),
                               at.change(1.02, 40, 9, "SYN-RECEIVED", new))
                self.assertEqual(
                    (row.outcome, row.took_us, row.accept_wait_us, row.synacks_sent_again),
                    ("established", 1_020_000, 100_000, 1))
                self.assertEqual(row.steps[-1]["what"], f"the last ACK came: {new}")

    def test_fast_open_that_nobody_answers_is_half_open(self) -> None:
        row = self.row(*self.at.fast_open(0, 40, 9),
                       self.at.fast_open_again(1, 40, 9, 0), end_s=2)
        self.assertEqual((row.outcome, row.result, row.took_us),
                         ("half-open", "not seen", None))
        self.assertEqual(row.why, "the SYN-ACK was sent again once")

    def test_fast_open_closed_here_waits_for_its_last_ack_all_the_same(self) -> None:
        at = self.at
        closed = [*at.fast_open(0, 40, 9), at.accepted(0, 40, 9),
                  at.change(0.01, 40, 9, "SYN-RECEIVED", "FIN-WAIT-1")]
        self.assertEqual(self.row(*closed, end_s=0.5).outcome, "half-open")
        self.assertEqual(self.row(*closed, end_s=50).outcome, "not seen")
        for new in ("FIN-WAIT-2", "CLOSING"):
            row = self.row(*closed, at.change(0.03, 40, 9, "FIN-WAIT-1", new))
            self.assertEqual((row.outcome, row.took_us), ("established", 30_000))
        row = self.row(*closed, at.event("reset_received", 0.02, 40, cookie=9),
                       at.change(0.03, 40, 9, "FIN-WAIT-1", "CLOSED"))
        self.assertEqual((row.outcome, row.result), ("reset by peer", "failed"))
        row = self.row(*closed, at.event("reset_received", 0.02, 40, cookie=9),
                       at.change(0.03, 40, 9, "FIN-WAIT-1", "CLOSED", srtt_us=20_000))
        self.assertEqual(row.outcome, "established")

    def test_fast_open_ends_without_an_answer(self) -> None:
        at = self.at
        closed = at.change(0.1, 40, 9, "SYN-RECEIVED", "CLOSED")
        expired = at.event("error", 0.1, 40, cookie=9, sk_error=errno.ETIMEDOUT)
        for events, outcome, why in (
                ([closed], "failed", "closed here, before its last ACK came"),
                ([closed, expired], "expired", "no answer to 1 SYN-ACK: the peer is gone, "
                 "its address is forged, or the way back is cut"),
                ([expired, closed], "expired", "no answer to 1 SYN-ACK: the peer is gone, "
                 "its address is forged, or the way back is cut"),
                ([at.event("error", 0.1, 40, cookie=9, sk_error=errno.EHOSTUNREACH),
                  closed], "failed", "EHOSTUNREACH, before its last ACK came")):
            with self.subTest(outcome=outcome, why=why):
                row = self.row(*at.fast_open(0, 40, 9), *events)
                self.assertEqual((row.outcome, row.result, row.why),
                                 (outcome, "failed", why))

    def test_fast_open_is_known_without_its_synack(self) -> None:
        """The child's flags tell, if there was data in the SYN."""
        fast_open = 1 << number_of("sock_flags", "fastopen")
        row = self.row(self.at.syn(0, 40),
                       self.at.completed(0, 40, 9, sock_flags=fast_open))
        self.assertIn("completed by Fast Open", row.steps[1]["what"])

    def test_one_still_open_is_half_open_or_not_seen(self) -> None:
        """In TCP_DEFER_ACCEPT's time nothing is sent again, so silence tells nothing."""
        events = list(self.at.queued(0, 40, 9))
        for watched, end_s, outcome in (
                (watch, 0.5, "half-open"), (watch, 50, "half-open"),
                (watch_without_ends, 0.5, "half-open"),
                (watch_without_ends, 50, "not seen")):
            row, = watched(*events).openings(
                self.at.scene.start_ns + round(end_s * SECOND))
            self.assertEqual(row.outcome, outcome, (watched, end_s))

    def test_ipv6_ends_are_told_in_brackets(self) -> None:
        at = ListenerScene(local="fd77::2")
        row = self.row(*at.queued(0, 40, 9, peer="fd77::1"),
                       at.completed(0.1, 40, 9, peer="fd77::1"))
        self.assertEqual((row.local, row.remote, row.outcome),
                         ("[fd77::2]:5000", "[fd77::1]:40", "established"))

    def test_after_a_freeze_nothing_is_reckoned(self) -> None:
        """The answer may have come when nothing was recorded any more."""
        frozen = self.at.scene.event("mark", 100 * MS, cookie=0,
                                     mark_cause=number_of("mark_cause", "frozen"))
        row = self.row(*self.at.queued(0, 40, 9), frozen, end_s=90)
        self.assertEqual(row.outcome, "half-open")
        view = Handshakes(support.schema())
        view.gaps.begin({"frozen": "Y"})
        text = "\n".join(as_text(view, None))
        self.assertIn("No handshake was seen.", text)
        self.assertNotIn("SYN-ACK was sent again", text)

    def test_after_a_loss_what_is_left_still_joins(self) -> None:
        """What is left still joins, and nothing is guessed."""
        lost = self.at.scene.event("lost", lost_events=5)
        queued = list(self.at.queued(0, 40, 9))
        row = self.row(queued[0], lost, self.at.completed(0.1, 40, 9))
        self.assertEqual((row.connection, row.took_us), ("sk:9", 100_000))
        row = self.row(lost, queued[1], self.at.completed(
            0.1, 40, 9, since_synack_us=90_000))
        self.assertEqual((row.took_us, row.measured), (90_000, "first SYN-ACK"))
        row = self.row(lost, self.at.completed(0.1, 40, 9))
        self.assertEqual((row.outcome, row.took_us), ("established", None))
        self.assertEqual(watch(lost, self.at.accepted(1, 40, 9)).openings(), [])


class WhyConnectFails(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def connecting(self) -> Event:
        return self.scene.event("state", 0, old_state=CLOSED, state=SYN_SENT,
                                snd_isn=7)

    def closed(self, at_ms: int) -> Event:
        return self.scene.event("state", at_ms * MS, old_state=SYN_SENT,
                                state=CLOSED, snd_isn=7)

    def again(self, at_ms: int, waited_us: int) -> Event:
        return self.scene.event("retransmit", at_ms * MS, seg_flags=SYN,
                                snd_isn=7, rto_us=waited_us)

    def error(self, at_ms: int, number: int) -> Event:
        return self.scene.event("error", at_ms * MS, sk_error=number)

    def test_a_rst_refuses_before_or_after_the_error(self) -> None:
        """The error may come before the state or after it."""
        reset = self.scene.event("reset_received", 2 * MS, state=SYN_SENT)
        for rest in ([self.closed(2), self.error(2, 111)],
                     [self.error(2, 111), self.closed(2)], [self.closed(2)]):
            row, = watch(self.connecting(), reset, *rest).openings()
            self.assertEqual((row.outcome, row.result),
                             ("refused by RST", "failed"))
            self.assertIn("nobody listens there, or a firewall refuses", row.why)

    def test_a_rst_after_the_peers_own_syn_says_no_such_thing(self) -> None:
        """In a simultaneous open: the error is ECONNRESET (tcp_reset())."""
        reset = self.scene.event("reset_received", 2 * MS, state=SYN_RECEIVED)
        row, = watch(self.connecting(), reset, self.closed(2),
                     self.error(2, 104)).openings()
        self.assertIn("after the peer's own SYN, which had crossed ours", row.why)
        self.assertNotIn("listens", row.why)

    def test_a_connect_that_timed_out_tells_its_waits(self) -> None:
        row, = watch(self.connecting(), self.again(1005, US),
                     self.again(3010, 2 * US), self.closed(7010),
                     self.error(7010, 110)).openings()
        self.assertEqual((row.outcome, row.took_us, row.syns_sent_again,
                          row.syns_arrived_again), ("timed out", 7_010_000, 2, 0))
        self.assertIn("no answer to 3 SYNs", row.why)
        self.assertIn("after waits of 1.005 s, 2.005 s", row.why)
        self.assertIn("waited 2.005 s, predicted 2 s", row.steps[2]["what"])

    def test_other_errors_are_named_and_without_one_it_was_given_up(self) -> None:
        row, = watch(self.connecting(), self.error(2, 113),
                     self.closed(2)).openings()
        self.assertEqual(row.outcome, "failed")
        self.assertEqual(row.why, "EHOSTUNREACH: no answer to ARP or NDP, no route, "
                         "or a firewall answered with ICMP")
        row, = watch(self.connecting(), self.error(2, 101),
                     self.closed(2)).openings()
        self.assertEqual(row.why, "ENETUNREACH: no route, or a firewall "
                         "answered with ICMP")
        row, = watch(self.connecting(), self.error(2, 13),
                     self.closed(2)).openings()
        self.assertEqual(row.why, "EACCES: Permission denied")
        row, = watch(self.connecting(), self.again(1032, 1_000_000),
                     self.error(2000, 113), self.closed(2000)).openings()
        self.assertTrue(row.why.endswith("sent again once, after 1.032 s"))
        row, = watch(self.connecting(), self.closed(2)).openings()
        self.assertEqual(row.outcome, "given up")

    def test_a_syn_that_does_not_leave_this_host(self) -> None:
        fired = [self.scene.event("rto", at * 1000 * MS, state=SYN_SENT, snd_isn=7)
                 for at in (1, 2, 3)]
        none = "none of 2 SYNs that were to go again left this host (implied)"
        for error, why in (
                (110, f"ETIMEDOUT: {none}"),
                (101, f"ENETUNREACH: no route, or a firewall answered with ICMP; {none}")):
            row, = watch(self.connecting(), *fired, self.error(3000, error),
                         self.closed(3000)).openings()
            self.assertEqual(row.why, why)

    def test_a_connect_without_a_port_sent_no_syn(self) -> None:
        connecting = self.scene.event("state", 0, old_state=CLOSED, state=SYN_SENT, local_port=0)
        for port, outcome in ((0, "no local port"), (40112, "no SYN sent")):
            row, = watch(connecting, self.scene.event(
                "state", 2 * MS, old_state=SYN_SENT, state=CLOSED, local_port=port)).openings()
            self.assertEqual((row.outcome, row.result, row.took_us, row.measured),
                             (outcome, "failed", 2000, "connect()"))
            self.assertEqual([step["what"] for step in row.steps],
                             ["connect() called", "CLOSED: no SYN was sent"])
            self.assertEqual("EADDRNOTAVAIL (implied)" in row.why, not port)

    def test_an_error_without_any_syn_is_told_as_such(self) -> None:
        row, = watch(
            self.scene.event("state", 0, old_state=CLOSED, state=SYN_SENT),
            self.error(2, 101), self.scene.event(
                "state", 2 * MS, old_state=SYN_SENT, state=CLOSED)).openings()
        self.assertEqual((row.outcome, row.why[:11]), ("failed", "ENETUNREACH"))

    def test_a_report_without_an_error_is_no_failure(self) -> None:
        """tcp_v4_err() first puts the ICMP message on the error queue: a report of its own."""
        for first, later in ((0, 113), (113, 0)):
            row, = watch(self.connecting(), self.error(2, first), self.closed(3),
                         self.error(3, later)).openings()
            self.assertEqual(row.outcome, "failed")
            self.assertEqual([step["what"] for step in row.steps
                              if "fails" in step["what"]],
                             ["connect() fails: EHOSTUNREACH"])

    def test_an_abort_is_no_refusal(self) -> None:
        """A RST would be ECONNREFUSED here; ECONNRESET is our own."""
        row, = watch(self.connecting(), self.closed(2),
                     self.error(2, 104)).openings()
        self.assertEqual((row.outcome, row.result, row.why), (
            "given up", "failed",
            "we gave it up (SO_LINGER 0 or disconnect) (implied)"))

    def test_an_error_long_after_is_not_the_handshakes(self) -> None:
        row, = watch(self.connecting(), self.scene.event(
            "state", 2 * MS, old_state=SYN_SENT, state=ESTABLISHED, snd_isn=7),
            self.error(9000, 110)).openings()
        self.assertEqual((row.outcome, row.why, len(row.steps)),
                         ("established", "", 2))

    def test_slow_without_a_retransmit_is_the_round_trip(self) -> None:
        row, = watch(self.connecting(), self.scene.event(
            "state", 800 * MS, old_state=SYN_SENT, state=ESTABLISHED,
            snd_isn=7)).openings()
        self.assertIn("the round trip itself, the peer, or ARP or NDP", row.why)

    def test_a_connection_of_both_ends_is_said_to_be_counted_twice(self) -> None:
        at = ListenerScene(scene=self.scene)
        ours = self.connecting()
        far = [*at.queued(0.02, 40112, 9), at.completed(0.06, 40112, 9)]
        alone = [*at.queued(0.03, 40113, 10, isn=8), at.completed(0.07, 40113, 10, rcv_isn=8)]
        for events, count in (([ours, *far, *alone], 1), ([ours, *alone], 0), (far, 0)):
            handshakes = watch(*events)
            self.assertEqual(as_json(handshakes, None)["both_ends"], count)
            self.assertEqual("both ends of 1 connection are in it, and each end is counted"
                             in as_text(handshakes, None), bool(count))

    def test_of_one_end_nobody_says_that_the_other_sent_nothing_again(self) -> None:
        at = ListenerScene(scene=self.scene)
        ours, others = self.connecting(), self.scene.event(
            "state", 0, old_state=CLOSED, state=SYN_SENT, cookie=6, local_port=40113, snd_isn=7)
        far = [*at.queued(0.02, 40112, 9), at.again(1, 40112, 9, 0, 0),
               at.again(3, 40112, 9, 1, 1), at.completed(3.1, 40112, 9)]
        for events, cookie, words in (
                ([ours, others, *far], 5, "sk:5 sent no SYN-ACK again; its other end did: "
                                          "sk:9, twice (--connection 9)."),
                ([ours, others, *far], 6, "sk:6 sent no SYN-ACK again."),
                ([ours], 5, "sk:5 sent no SYN-ACK again."),
                ([ours, *far], at.listener, ""), ([ours], None, "No SYN-ACK was sent again.")):
            with self.subTest(cookie=cookie, count=len(events)):
                lines = as_text(feed(Handshakes(support.schema(), Filter(cookie=cookie)), *events),
                                None)
                self.assertEqual([line for line in lines if "SYN-ACK" in line and "again" in line],
                                 [words] if words else [])

    def test_a_client_whose_last_ack_is_under_way_is_not_established_alone(self) -> None:
        at = ListenerScene(scene=self.scene)
        connected = self.scene.event("state", 1010 * MS, old_state=SYN_SENT,
                                     state=ESTABLISHED, snd_isn=7)
        refused = [at.syn(0, 40112), at.refused(0, 40112, ACCEPT_FULL)]
        view = watch(self.connecting(), *refused, self.again(1005, US),
                     *at.queued(1.005, 40112, 9), connected)
        for end_s, is_alone in ((1.02, False), (3, True)):
            client = view.openings(self.scene.start_ns + round(end_s * SECOND))[0]
            self.assertEqual("established here alone" in client.why, is_alone)

    def test_a_listener_takes_from_the_first_syn_seen_if_its_client_sent_one_before(self) -> None:
        at = ListenerScene(scene=self.scene)
        far = [*at.queued(1.01, 40112, 9), at.completed(1.05, 40112, 9)]
        again = self.again(1000, US)
        for events, measured in (([self.connecting(), again, *far], "SYN"),
                                 ([again, *far], "first SYN seen")):
            row = watch(*events).openings()[-1]
            self.assertEqual((row.took_us, row.measured), (40_000, measured))

    def test_a_client_of_many_far_ends_is_looked_at_once(self) -> None:
        """A forged SYN with its ISN makes one each time; none of them goes through all."""
        at = ListenerScene(scene=self.scene)
        far = [event for number in range(100) for event in (
            *at.queued(number, 40112, 0x100 + number),
            at.request_end(number + 0.1, 40112, 0x100 + number, RESET_BY_PEER))]
        view = watch(self.connecting(), *far)
        with unittest.mock.patch("renoscope_lib.views.handshakes.synacks_lost_between",
                                 wraps=synacks_lost_between) as looked:
            self.assertEqual(len(view.openings()), 101)
        self.assertEqual(looked.call_count, 1)

    def test_what_the_peer_took_for_an_older_connections_was_not_lost(self) -> None:
        at = ListenerScene(scene=self.scene)
        connected = self.scene.event("state", 14 * MS, old_state=SYN_SENT,
                                     state=ESTABLISHED, snd_isn=7)
        client = watch(self.connecting(), self.again(12, US), *at.queued(0.012, 40112, 9),
                       connected).openings()[0]
        self.assertIn("the first answer was to an older connection", client.why)
        self.assertNotIn("never came", client.why)

    def test_what_the_listener_saw_tells_which_way_it_was_lost(self) -> None:
        at = ListenerScene(scene=self.scene)
        connected = self.scene.event("state", 1010 * MS, old_state=SYN_SENT,
                                     state=ESTABLISHED, snd_isn=7)
        first, again = self.connecting(), self.again(1005, US)
        refused = watch(first, at.syn(0, 40112),
                        at.refused(0, 40112, ACCEPT_FULL), again,
                        *at.queued(1.005, 40112, 9), connected,
                        at.completed(1.01, 40112, 9)).openings()[0]
        self.assertIn("seen at the listener: 1 SYN dropped", refused.why)
        never_came = watch(first, again, *at.queued(1.005, 40112, 9),
                           connected).openings()[0]
        self.assertIn("1 SYN of these never came there", never_came.why)
        resets = [event for n, at_s in enumerate((0, 1.005, 3))
                  for event in (*at.queued(at_s, 40112, 20 + n),
                                at.request_end(at_s, 40112, 20 + n,
                                               RESET_BY_PEER))]
        fire = [first, *resets[:4], again, *resets[4:8],
                self.again(3000, 2 * US), *resets[8:]]
        walled = watch(*fire).openings()
        self.assertIn("all 3 SYNs came; each SYN-ACK was answered with a RST "
                      "from the client's address, and the client asked on: a firewall, at its "
                      "host or between, answers in its place (implied)", walled[0].why)
        self.assertNotIn("never came there", walled[0].why)
        self.assertIn("or a firewall refuses", walled[1].why)
        part = watch(*fire[:-4])
        self.assertIn("1 SYN of these never came there; each SYN-ACK",
                      part.openings(self.scene.start_ns + 4 * SECOND)[0].why)
        self.assertNotIn("never came", part.openings()[0].why)  # it may be under way
        answers_lost = watch(first, *at.queued(0, 40112, 9), again,
                             at.again(1.005, 40112, 9, 0, 0, by_timer=False),
                             connected).openings()[0]
        self.assertIn("every SYN came, and 1 SYN-ACK did not come back",
                      answers_lost.why)


class ListenersTable(unittest.TestCase):
    def test_everything_a_listener_did_is_counted(self) -> None:
        at = ListenerScene(limit=2)
        one, = watch(
            *at.queued(0, 40, 9), at.completed(0.1, 40, 9),
            at.accepted(0.2, 40, 9), *at.queued(0, 41, 10),
            at.again(1, 41, 10, 0, 0), at.request_end(3, 41, 10, EXPIRED),
            *at.queued(4, 42, 11), *at.queued(4, 43, 12),
            at.request_end(4, 42, 11, RESET_BY_PEER),
            at.syn(5, 44), at.refused(5, 44, ACCEPT_FULL),
            at.last_ack_refused(5, 43, 12), *at.cookie_sent(6, 45),
            at.completed(6, 45, 13, by_cookie=True),
            at.cookie_checked(6, 45, VALID, cookie=13),
            at.cookie_checked(6, 46, INVALID)).listeners()
        self.assertEqual(
            (one.syns, one.requests, one.completed, one.accepted, one.refused,
             one.resets, one.synacks_again),
            (6, 4, 2, 1, 2, 1, 1))
        self.assertEqual(one.endings, {"expired": 1, "reset_by_peer": 1})
        self.assertEqual(one.refused_syns, {"accept_queue_full": 1})
        self.assertEqual(one.refused_acks, {"accept_queue_full": 1})
        self.assertEqual((one.cookies_sent, one.cookies),
                         (1, {"valid": 1, "invalid": 1}))
        self.assertEqual((one.half_open.peak, one.half_open.now), (2, 1))
        self.assertEqual((one.accept.peak, one.accept.now, one.limit),
                         (1, 1, 2))

    def test_what_the_last_event_does_to_the_queue_counts(self) -> None:
        """Each event tells the length before it; what it does is added."""
        at = ListenerScene()
        syn, request, _ = at.queued(0, 40, 9)
        one, = watch(syn, request).listeners()
        self.assertEqual((one.half_open.now, one.half_open.peak), (1, 1))

    def test_accepted_counts_for_the_listener_that_completed_it(self) -> None:
        """Two listeners share a port; accept() does not say which it was."""
        scene = Scene()
        first, second = (ListenerScene(listener=n, scene=scene) for n in (1, 2))
        counts = watch(*first.queued(0, 40, 9), first.completed(0, 40, 9),
                       *second.queued(0, 41, 10), second.completed(0, 41, 10),
                       first.accepted(1, 40, 9)).listeners()
        self.assertEqual([(c.name, c.accepted) for c in counts],
                         [("sk:1", 1), ("sk:2", 0)])

    def test_a_listener_at_two_addresses_has_the_wildcard(self) -> None:
        at = ListenerScene()
        other = ListenerScene(scene=at.scene, local="10.88.0.2")
        one, = watch(at.syn(0, 40), other.syn(0, 40)).listeners()
        self.assertEqual(one.address, "*:5000")

    def test_the_same_address_in_two_namespaces_is_two_listeners(self) -> None:
        at = ListenerScene()
        other = ListenerScene(scene=at.scene, netns=77, listener=2)
        self.assertEqual(len(watch(at.syn(0, 40),
                                   other.syn(0, 40)).listeners()), 2)


class Tables(unittest.TestCase):
    def test_without_a_handshake_it_says_so(self) -> None:
        self.assertEqual(as_text(watch(), None), [
            "No SYN-ACK was sent again.", "", "No handshake was seen."])
        self.assertEqual(as_json(watch(), None), {
            "listeners_forgotten": 0,
            "synack_retransmits": [], "handshakes": [], "summary": {}, "both_ends": 0,
            "listeners": [], "forgotten": 0, "kinds_switched_off": [],
            "first_ns": None, "end_ns": 0, "lost_events": 0, "notes": []})

    def test_a_synack_sent_again_has_its_row(self) -> None:
        scene = Scene()
        lines = as_text(watch(scene.event(
            "synack_retransmit", 2, local_port=5000, since_synack_us=1_020_000,
            synack_timeout_us=US, rto_us=2 * US, by_timer=1, max_retries=5)),
            None)
        lines = lines[lines.index("SYN-ACKs sent again:"):]
        self.assertRegex(lines[1], "connection +local +peer +no +by +waited")
        self.assertRegex(lines[2], r"^sk:5 +10.77.0.1:5000 +10.77.0.2:5000 +1 "
                         r"+timer +1.02 s +1 s +2 s +half-open")

    def whole(self) -> Handshakes:
        at = ListenerScene()
        events: list[Event] = []
        for n in range(60):
            events += at.queued(n, 1000 + n, 0x200 + n)
            events.append(at.request_end(n + 0.5, 1000 + n, 0x200 + n, EXPIRED))
        return watch(*events)

    def test_text_is_a_page_wide(self) -> None:
        for steps in (False, True):
            lines = as_text(self.whole(), None, steps=steps)
            self.assertLessEqual(max(map(len, lines)), 100)

    def test_more_than_the_limit_is_counted(self) -> None:
        text = "\n".join(as_text(self.whole(), None))
        self.assertIn("60 opened by the peer: 60 expired", text)
        self.assertIn("... and 10 more", text)
        self.assertNotIn("more: --limit", "\n".join(
            as_text(self.whole(), None, limit=0)))

    def test_the_worst_are_shown_in_order_of_time(self) -> None:
        """Failed ones, then slow ones, whenever they came."""
        at = ListenerScene()
        events: list[Event] = []
        for n in range(8):
            events += at.queued(10 * n, 1000 + n, 0x200 + n)
            events.append(at.request_end(10 * n + 0.5, 1000 + n, 0x200 + n, EXPIRED)
                          if n == 6 else
                          at.completed(10 * n + (3 if n in (2, 7) else 0.1), 1000 + n,
                                       0x200 + n))
        for limit, shown in ((1, "6"), (2, "26"), (3, "267"), (4, "0267"), (8, "01234567")):
            text = "\n".join(as_text(watch(*events), None, limit=limit))
            self.assertEqual("".join(re.findall(r"(?m)^sk:20(.) ", text)), shown)
            self.assertEqual(f"... and {8 - limit} more, no worse: --limit 0" in text, limit < 8)

    def test_only_who_was_asked_for_is_told(self) -> None:
        at = ListenerScene()
        events = [*at.queued(0, 40, 9), at.again(1, 40, 9, 0, 0),
                  *at.queued(0, 41, 10), at.again(1, 41, 10, 0, 0)]
        for port, cookie, count in ((40, None, 1), (5000, None, 2),
                                    (None, 10, 1), (7, None, 0)):
            view = feed(Handshakes(support.schema(), Filter(None, port, cookie)), *events)
            self.assertEqual((len(view.openings()), len(view.retransmits())),
                             (count, count))
        self.assertIn("No connection with port 7 was seen; 2 others were.", as_text(view, None))

    def listener_lines(self, *events: Event,
                       cookie: int | None = None) -> list[list[str]]:
        lines = as_text(feed(Handshakes(support.schema(), Filter(cookie=cookie)),
                             *events), None)
        begin = lines.index("Listeners:") + 2
        return [line.split() for line in itertools.takewhile(
            lambda line: not line.startswith(" "), lines[begin:])]

    def test_listeners_of_one_address_are_told_apart_by_their_ids(self) -> None:
        """Two of one address; only the one of the connection asked for."""
        scene = Scene()
        first, second = (ListenerScene(listener=n, scene=scene) for n in (1, 2))
        events = [*first.queued(0, 40, 9), *second.queued(0, 41, 10)]
        for cookie, rows in (
                (None, [["sk:1", "10.77.0.2:5000"], ["sk:2", "10.77.0.2:5000"]]),
                (10, [["sk:2", "10.77.0.2:5000"]])):
            with self.subTest(cookie):
                lines = self.listener_lines(*events, cookie=cookie)
                self.assertEqual([line[:2] for line in lines], rows)

    def test_a_backlog_that_no_event_told_is_a_dash(self) -> None:
        for limit, events, words in (
                (0, lambda at: at.queued(0, 40, 9), "of 0"),
                (128, lambda at: [at.accepted(0, 40, 9)], "of -"),
                (0, lambda at: [at.again(1, 40, 9, 0, 0)], "of -")):
            with self.subTest(words):
                line = self.listener_lines(*events(ListenerScene(limit)))[0]
                self.assertEqual(" ".join(line[-2:]), words)

    def test_nothing_is_said_of_what_was_not_recorded(self) -> None:
        view = Handshakes(support.schema())
        view.gaps.begin({"events": "state"})
        scene = Scene()
        feed(view, scene.event("state", 0, old_state=CLOSED, state=SYN_SENT,
                               snd_isn=7),
             scene.event("state", 800 * MS, old_state=SYN_SENT,
                         state=ESTABLISHED, snd_isn=7))
        row, = view.openings()
        self.assertIn("not known: retransmit was not recorded", row.why)
        text = "\n".join(as_text(view, None))
        self.assertNotIn("No SYN-ACK was sent again", text)
        self.assertIn("note: not recorded here", view.gaps.remarks()[0])
        self.assertIn("synack_retransmit", view.missing_kinds)

    def test_what_was_switched_off_on_the_way_is_noted(self) -> None:
        kinds = {name: n for n, name in support.schema().kinds.items()}
        on = sum(1 << n for name, n in kinds.items() if name != "syn")
        scene = Scene()
        events = [scene.event("ack"), scene.event("mark", 1, kinds_on=on)]
        self.assertEqual(watch(*events).missing_kinds, ["syn"])
        self.assertIn("not recorded from here on: syn",
                      watch(*events).gaps.remarks()[-1])

    def test_what_is_forgotten_is_counted(self) -> None:
        with unittest.mock.patch.object(openings, "REMEMBERED", 50):
            view = self.whole()
        self.assertEqual((len(view.openings()), view.forgotten), (50, 10))
        self.assertEqual(view.listeners()[0].syns, 60)


if __name__ == "__main__":
    unittest.main()
