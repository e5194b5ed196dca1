# SPDX-License-Identifier: GPL-2.0
"""SYN-ACK retransmits and handshake times."""

import unittest

from renoscope_lib.flows import Joiner
from renoscope_lib.handshakes import Handshakes, as_json, as_text
from renoscope_lib.schema import Event

from . import support
from .support import (ANY, CLIENT, CLOSED, ESTABLISHED, LISTEN, MS, SECOND,
                      SERVER, SYN, SYN_RECEIVED, SYN_SENT, Scene)

US = 1_000_000


def watch(*events: Event) -> Handshakes:
    handshakes = Handshakes(support.schema())
    joiner = Joiner(support.schema())
    for event in events:
        for joined in joiner.feed(event):
            handshakes.feed(joined)
    for joined in joiner.flush():
        handshakes.feed(joined)
    return handshakes


class Retransmits(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def again(self, at_s: float, retrans: int, timeouts: int,
              by_timer: bool = True, **values) -> Event:
        """A SYN-ACK sent again at_s seconds after the first one."""
        return self.scene.event("synack_retransmit", round(at_s * SECOND), **{
            "local_addr": SERVER, "local_port": 5000, "remote_addr": CLIENT,
            "remote_port": 40112, "state": SYN_RECEIVED, "snd_isn": 7,
            "since_synack_us": round(at_s * US), "synack_timeout_us": US,
            "num_retrans": retrans, "num_timeout": timeouts,
            "by_timer": by_timer, "max_retries": 4,
            "rto_us": US << (timeouts + by_timer)} | values)

    def child(self, at_s: float, state: int) -> Event:
        return self.scene.event(
            "state", round(at_s * SECOND), old_state=SYN_RECEIVED, state=state,
            local_addr=SERVER, local_port=5000, remote_addr=CLIENT,
            remote_port=40112, snd_isn=7)

    def test_1_2_4_8_16_seconds_and_given_up(self) -> None:
        times = (1.01, 3.02, 7.03, 15.04)
        handshakes = watch(*(self.again(at, n, n)
                             for n, at in enumerate(times)))
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
        self.assertEqual((rows[0].listener, rows[0].peer, rows[0].connection),
                         ("10.77.0.2:5000", "10.77.0.1:40112", "sk:5"))

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

    def test_beginning_in_the_middle(self) -> None:
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

    def test_how_the_request_ended(self) -> None:
        once = self.again(1, 0, 0)
        start = self.scene.start_ns
        for events, end_s, expected in (
                ([self.child(1.25, ESTABLISHED)], 9, "established after 1.25 s"),
                ([self.child(1.25, CLOSED)], 9, "closed after 1.25 s"),
                ([], 2.5, "half-open when watching ended"),
                ([], 3.5, "end not seen")):
            with self.subTest(expected):
                row, = watch(once, *events).retransmits(start + end_s * SECOND)
                self.assertEqual(row.request, expected)

    def test_handshake_time_of_a_request_with_retransmits(self) -> None:
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

    def test_active(self) -> None:
        row, = watch(
            self.connecting(),
            self.scene.event("retransmit", SECOND, seg_flags=SYN, snd_isn=7),
            self.scene.event("state", 1036 * MS, old_state=SYN_SENT,
                             state=ESTABLISHED, snd_isn=7)).openings()
        self.assertEqual((row.opened_by, row.result, row.took_us,
                          row.measured, row.syns_sent_again, row.local),
                         ("us", "established", 1_036_000, "SYN", 1,
                          "10.77.0.1:40112"))

    def test_active_that_fails(self) -> None:
        row, = watch(
            self.connecting(),
            self.scene.event("state", 3 * MS, old_state=SYN_SENT,
                             state=CLOSED, snd_isn=7)).openings()
        self.assertEqual((row.result, row.took_us), ("failed", 3000))

    def test_simultaneous_open(self) -> None:
        """Both send a SYN: through SYN-RECEIVED, and still opened by us."""
        row, = watch(
            self.connecting(),
            self.scene.event("state", MS, old_state=SYN_SENT,
                             state=SYN_RECEIVED, snd_isn=7),
            self.scene.event("state", 2 * MS, old_state=SYN_RECEIVED,
                             state=ESTABLISHED, snd_isn=7)).openings()
        self.assertEqual((row.opened_by, row.result, row.took_us),
                         ("us", "established", 2000))

    def test_active_whose_end_is_not_there(self) -> None:
        row, = watch(self.connecting()).openings()
        self.assertEqual((row.result, row.took_us), ("not seen", None))

    def test_one_socket_that_connects_twice(self) -> None:
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

    def test_passive(self) -> None:
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


class Tables(unittest.TestCase):
    def test_nothing(self) -> None:
        self.assertEqual(as_text(watch(), None), [
            "No SYN-ACK was sent again.", "", "No handshake was seen."])
        self.assertEqual(as_json(watch(), None),
                         {"synack_retransmits": [], "handshakes": []})

    def test_text(self) -> None:
        scene = Scene()
        lines = as_text(watch(scene.event(
            "synack_retransmit", 2, local_port=5000, since_synack_us=1_020_000,
            synack_timeout_us=US, rto_us=2 * US, by_timer=1, max_retries=5)),
            None)
        self.assertRegex(lines[1], "connection +listener +peer +attempt")
        self.assertRegex(lines[2], r"^sk:5 +10.77.0.1:5000 +10.77.0.2:5000 +1 "
                         r"+timer +1.02 s +1 s +2 s +half-open")


if __name__ == "__main__":
    unittest.main()
