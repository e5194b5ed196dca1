# SPDX-License-Identifier: GPL-2.0
"""The way through the states, and the time in each."""

import errno
import json
import subprocess
import unittest
from collections.abc import Callable
from typing import Any

from renoscope_lib.ring import schema_source
from renoscope_lib.ring.schema import Event, Schema
from renoscope_lib.ring.schema_parser import parse_schema
from renoscope_lib.tcp.life import Life
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.views.states import States
from renoscope_lib.views.states_text import as_json, as_text, counts_as_text

from . import support
from .support import (ACK, ANY, CLIENT, FIN, MS, RST, SECOND, SERVER, SYN, Scene,
                      feed, number_of)

LISTENER = 3
NAMES = ("CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED",
         "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK",
         "TIME-WAIT")
TCP = {name: number_of("state", name) for name in NAMES}


REASONS = {0: "NOT_SPECIFIED", 3: "NO_SOCKET", 5: "TCP_ABORT_ON_CLOSE",
           6: "TCP_STATE", 7: "TCP_SOMETHING_NEW",
           8: "TCP_ABORT_ON_MEMORY"}


def watch(*events: Event, schema: Schema | None = None) -> States:
    states: States = feed(States(schema or support.schema()), *events)
    return states


class Stage(unittest.TestCase):
    """Makes events of one connection by the names of their words."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.ends: dict[str, object] = {"snd_isn": 7, "rcv_isn": 9}

    def event(self, kind: str, at_ms: float, state: str = "ESTABLISHED",
              **values: Any) -> Event:
        return self.scene.event(kind, round(at_ms * MS), **self.ends | {
            "state": TCP[state]} | values)

    def change(self, at_ms: float, old: str, new: str, **values: Any) -> Event:
        return self.event("state", at_ms, new, old_state=TCP[old], **values)

    def path(self, at_ms: float, *names: str, step_ms: float = 1) -> list[Event]:
        """State events from each name to the next one."""
        return [self.change(at_ms + n * step_ms, old, new)
                for n, (old, new) in enumerate(zip(names, names[1:]))]

    def small(self, at_ms: float, step: str, state: str = "TIME-WAIT",
              wait_us: int = 0, **values: Any) -> Event:
        return self.event("time_wait", at_ms, state, time_wait_us=wait_us,
                          time_wait_step=number_of("time_wait_step", step),
                          **values)

    def small_end(self, at_ms: float, why: str, state: str = "TIME-WAIT",
                  **values: Any) -> Event:
        return self.event("time_wait_end", at_ms, state,
                          time_wait_ending=number_of("time_wait_ending", why), **values)

    def one(self, *events: Event) -> Life:
        life, = watch(*events).lives()
        return life

    @staticmethod
    def stays(life: Life) -> list[tuple[str, int | None]]:
        return [(stay.state, stay.took_us) for stay in life.stays]


class Opening(Stage):
    def test_active(self) -> None:
        life = self.one(
            self.change(0, "CLOSED", "SYN-SENT", local_port=0, snd_isn=0),
            self.change(36, "SYN-SENT", "ESTABLISHED"))
        self.assertEqual(self.stays(life), [("SYN-SENT", 36_000),
                                            ("ESTABLISHED", None)])
        self.assertEqual((life.opened_by, life.opening_seen, life.local),
                         ("us", True, "10.77.0.1:40112"))

    def passive(self, *kinds: str) -> list[Event]:
        """What a listener's host tells of a handshake of 40 ms."""
        here = {"local_addr": SERVER, "local_port": 5000,
                "remote_addr": CLIENT, "remote_port": 40112}
        newborn = here | {"cookie": LISTENER, "remote_addr": ANY,
                          "remote_port": 0, "local_addr": ANY}
        events = {
            "syn": lambda: self.event("syn", 0, "LISTEN", cookie=0, **here),
            "request": lambda: self.event("request", 0, "SYN-RECEIVED", **here),
            "synack": lambda: self.event("synack", 0.1, "SYN-RECEIVED", **here),
            "born": lambda: self.change(40, "LISTEN", "SYN-RECEIVED", **newborn),
            "completed": lambda: self.event(
                "completed", 40.01, "SYN-RECEIVED", since_synack_us=40_000,
                **here),
            "grown": lambda: self.change(40.02, "SYN-RECEIVED", "ESTABLISHED",
                                         **here),
        }
        return [events[kind]() for kind in kinds]

    def test_passive_begins_with_its_request(self) -> None:
        """Not with the kernel's late LISTEN -> SYN-RECEIVED."""
        life = self.one(*self.passive("syn", "request", "synack", "born",
                                      "completed", "grown"))
        self.assertEqual(self.stays(life), [("SYN-RECEIVED", 40_020),
                                            ("ESTABLISHED", None)])
        self.assertEqual((life.opened_by, life.partly), ("peer", []))

    def test_the_first_synack_will_do(self) -> None:
        for kinds, took in ((("synack", "born", "grown"), 39_920),
                            (("born", "completed", "grown"), 40_010)):
            with self.subTest(kinds):
                life = self.one(*self.passive(*kinds))
                self.assertEqual(life.stays[0].took_us, took)

    def test_unseen_request_is_not_guessed(self) -> None:
        life = self.one(*self.passive("born", "grown"))
        self.assertEqual(self.stays(life), [("SYN-RECEIVED", None),
                                            ("ESTABLISHED", None)])
        self.assertEqual(life.partly, ["its request was not seen"])

    def test_a_syn_ack_sent_again_begins_no_connection(self) -> None:
        """Fast Open's has the id of a request that no event but `segment` has."""
        born, later = self.passive("born", "grown")
        again = self.event("segment", 1000, "SYN-RECEIVED", cookie=99, seg_flags=SYN | ACK,
                           segment_flags=1)
        states = watch(born, again, later)
        self.assertEqual([life.cookie for life in states.lives()], [later["cookie"]])
        self.assertNotIn("SYN_RECV", states.counts(self.scene.start_ns)[0])

    def test_ipv6(self) -> None:
        self.ends |= {"family": 6}
        ends = {"local_addr": "fd77::2", "remote_addr": "fd77::1"}
        life = self.one(
            self.event("request", 0, "SYN-RECEIVED", **ends),
            self.change(5, "SYN-RECEIVED", "ESTABLISHED", **ends))
        self.assertEqual((life.family, life.local, life.remote),
                         (6, "[fd77::2]:40112", "[fd77::1]:5000"))

    def test_fast_open_child_lives_from_the_syn_on(self) -> None:
        born = self.passive("born")[0]
        later = self.change(90, "SYN-RECEIVED", "ESTABLISHED", local_addr=SERVER,
                            local_port=5000, remote_addr=CLIENT,
                            remote_port=40112, sock_flags=1 << 6)
        self.assertEqual(self.one(born, later).stays[0].took_us, 50_000)

    def test_fast_open_by_its_synack(self) -> None:
        """That one is the child's, and comes when the child is there."""
        here = {"local_addr": SERVER, "local_port": 5000,
                "remote_addr": CLIENT, "remote_port": 40112}
        born = self.passive("born")[0]
        named = self.event("ca_state", 40.01, "SYN-RECEIVED", **here)
        synack = self.event("synack", 40.02, "SYN-RECEIVED", **here,
                            synack_type=number_of("synack_type", "fastopen"))
        later = self.change(90, "SYN-RECEIVED", "ESTABLISHED", **here)
        life = self.one(born, named, synack, later)
        self.assertEqual((life.stays[0].took_us, life.partly), (50_000, []))

    def test_syn_cookie(self) -> None:
        cookie = self.event("synack", 0, "SYN-RECEIVED", cookie=0,
                            synack_type=number_of("synack_type", "cookie"))
        normal = self.event("synack", 0, "SYN-RECEIVED", cookie=0)
        checked = self.event("cookie_checked", 1, "SYN-RECEIVED",
                             cookie_verdict=number_of("cookie_verdict", "valid"))
        wrong = self.event("cookie_checked", 1, "LISTEN",
                           cookie_verdict=number_of("cookie_verdict", "invalid"), cookie=77)
        states = watch(cookie, normal, wrong, checked,
                       self.change(2, "SYN-RECEIVED", "ESTABLISHED"))
        life, = states.lives()
        self.assertEqual(states.cookie_synacks, 1)
        self.assertIsNone(life.stays[0].took_us)
        self.assertIn("SYN cookie", life.partly[0])
        self.assertFalse(life.opening_seen)

    def test_a_listener_has_no_peer(self) -> None:
        """Though some of its events name whose segment they are about."""
        stray = {"remote_addr": CLIENT, "remote_port": 4444}
        here = {"local_addr": SERVER, "local_port": 5000}
        life = self.one(
            self.change(0, "CLOSED", "LISTEN", **here, remote_addr=ANY,
                        remote_port=0),
            self.event("reset_sent", 1, "LISTEN", **here, **stray,
                       seg_flags=ACK))
        self.assertEqual((life.local, life.remote), ("10.77.0.2:5000", "*:*"))
        self.setUp()
        life = self.one(self.event("reset_sent", 1, "LISTEN", **here, **stray,
                                   seg_flags=ACK))
        self.assertEqual((life.remote, life.opened_by), ("*:*", None))

    def test_simultaneous(self) -> None:
        life = self.one(*self.path(0, "CLOSED", "SYN-SENT", "SYN-RECEIVED",
                                   "ESTABLISHED"))
        self.assertEqual(life.stays[1].left_by, "the peer acknowledged our SYN")
        self.assertEqual(self.stays(life), [
            ("SYN-SENT", 1000), ("SYN-RECEIVED", 1000), ("ESTABLISHED", None)])
        self.assertIn("simultaneous open", life.stays[0].left_by)
        self.assertEqual((life.opened_by, life.partly), ("us", []))

    def test_request_given_up(self) -> None:
        states = watch(
            self.event("request", 0, "SYN-RECEIVED"),
            self.event("synack_retransmit", 1000, "SYN-RECEIVED",
                       since_synack_us=1_000_000, accept_limit=5),
            self.event("request_end", 3000, "SYN-RECEIVED",
                       request_ending=number_of("request_ending", "expired")))
        life, = states.lives()
        self.assertEqual(self.stays(life), [("SYN-RECEIVED", 3_000_000),
                                            ("CLOSED", None)])
        self.assertEqual((states.ending(life).how, life.synacks_again),
                         ("given up", 1))
        self.assertEqual(
            states.ending(life).words(),
            "given up: no ACK completed it, SYN-ACK sent again once")
        self.assertIn("TCP_DEFER_ACCEPT then waits for data",
                      " ".join(as_text(states, None)))

    def test_request_ended_otherwise(self) -> None:
        states = watch(
            self.event("request", 0, "SYN-RECEIVED"),
            self.event("request_end", 30, "SYN-RECEIVED",
                       request_ending=number_of("request_ending", "other")))
        ending = states.ending(next(states.lives()))
        self.assertEqual(ending.how, "failed")
        self.assertIn("or ss -K", ending.words())
        self.assertLess(max(map(len, as_text(states, None))), 101)

    def test_a_socket_that_connects_again_is_another_connection(self) -> None:
        lives = list(watch(
            *self.path(0, "CLOSED", "SYN-SENT", "CLOSED"),
            *self.path(5, "CLOSED", "SYN-SENT", "ESTABLISHED")).lives())
        self.assertEqual([[stay.state for stay in life.stays] for life in lives],
                         [["SYN-SENT", "CLOSED"], ["SYN-SENT", "ESTABLISHED"]])


class Closing(Stage):
    UP = ("CLOSED", "SYN-SENT", "ESTABLISHED")

    def test_time_wait_to_its_real_end(self) -> None:
        """FIN-WAIT-2 -> CLOSED of the full socket is not the end."""
        states = watch(
            *self.path(0, *self.UP, "FIN-WAIT-1", "FIN-WAIT-2"),
            self.small(10, "started", wait_us=60_000_000),
            self.change(10.1, "FIN-WAIT-2", "CLOSED"),
            self.event("destroy", 10.2, "CLOSED"),
            self.small_end(60_510, "timer"))
        life, = states.lives()
        self.assertEqual(self.stays(life)[-3:], [
            ("FIN-WAIT-2", 7000), ("TIME-WAIT", 60_500_000), ("CLOSED", None)])
        self.assertEqual(states.ending(life).words(), "its time was over")
        self.assertEqual((life.closed_first_by(), life.partly), ("us", []))

    def test_close_after_shutdown_is_no_new_stay(self) -> None:
        """The kernel then tells of a change from the state to itself."""
        for state, way in (("FIN-WAIT-1", ()), ("FIN-WAIT-2", ("FIN-WAIT-2",))):
            with self.subTest(state):
                self.setUp()
                states = watch(
                    *self.path(0, *self.UP, "FIN-WAIT-1", *way, state),
                    self.change(400, state, "CLOSED"))
                life, = states.lives()
                names = ["SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", *way, "CLOSED"]
                self.assertEqual([stay.state for stay in life.stays], names)
                self.assertEqual(life.stays[-2].took_us, 398_000 - 1000 * len(way))
                rows = next(as_json(states, None)["connections"])["path"]
                self.assertEqual([row["state"] for row in rows], names)

    def test_fin_wait_2_as_a_small_sock(self) -> None:
        """It becomes TIME-WAIT with the peer's FIN, and the FIN may come again."""
        life = self.one(
            *self.path(0, *self.UP, "FIN-WAIT-1", "FIN-WAIT-2"),
            self.small(3, "started", "FIN-WAIT-2", 60_000_000),
            self.change(3, "FIN-WAIT-2", "CLOSED"),
            self.small(500, "segment", "FIN-WAIT-2", seg_flags=FIN | ACK),
            self.small(500, "timer_set", "TIME-WAIT", 60_000_000),
            self.small(700, "segment", "TIME-WAIT", seg_flags=FIN | ACK),
            self.small(700, "timer_set", "TIME-WAIT", 60_000_000),
            self.small_end(60_700, "timer"))
        self.assertEqual(self.stays(life)[-3:], [
            ("FIN-WAIT-2", 497_000), ("TIME-WAIT", 60_200_000), ("CLOSED", None)])
        self.assertEqual((life.small.segments, life.small.fins_again), (2, 1))

    def test_fin_with_the_ack_of_ours(self) -> None:
        """FIN-WAIT-1 straight to TIME-WAIT, as the RFC has it."""
        for seg_flags, expected in (
                (FIN | ACK, ["ESTABLISHED", "FIN-WAIT-1", "TIME-WAIT"]),
                (ACK, ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"])):
            with self.subTest(seg_flags):
                life = self.one(
                    *self.path(0, *self.UP, "FIN-WAIT-1"),
                    self.event("ack", 9, "FIN-WAIT-1", seg_flags=seg_flags,
                               seg_ack=50, snd_nxt=50),
                    self.change(9.01, "FIN-WAIT-1", "FIN-WAIT-2"),
                    self.small(9.02, "started"),
                    self.change(9.03, "FIN-WAIT-2", "CLOSED"))
                self.assertEqual([s.state for s in life.stays][1:], expected)
        self.assertIn("(implied)", life.stays[-2].left_by)

    def test_a_fin_long_after_the_ack_is_its_own_segment(self) -> None:
        life = self.one(
            *self.path(0, *self.UP, "FIN-WAIT-1", "FIN-WAIT-2"),
            self.small(500, "started"))
        self.assertEqual(life.stays[-2].left_by, "the peer's FIN came")

    def test_simultaneous(self) -> None:
        life = self.one(*self.path(0, *self.UP, "FIN-WAIT-1", "CLOSING"),
                        self.small(9, "started"),
                        self.change(9, "CLOSING", "CLOSED"))
        self.assertEqual([s.state for s in life.stays][-2:],
                         ["CLOSING", "TIME-WAIT"])
        self.assertEqual(life.closed_first_by(), "both")

    def test_a_syn_that_crossed_goes_again(self) -> None:
        """It has an ACK then, and is our SYN still."""
        again = self.event("retransmit", 5, "SYN-RECEIVED")
        life = self.one(*self.path(0, "CLOSED", "SYN-SENT", "SYN-RECEIVED"), again)
        self.assertEqual(life.syns_again, 1)

    def test_what_goes_again_where_no_event_told_of_the_opening_is_no_syn(self) -> None:
        """As of a recording without `state`: the life stands where a segment showed it."""
        life = self.one(self.event("ack", 0, "SYN-SENT"), self.event("retransmit", 5))
        self.assertEqual((life.now.state, life.syns_again), ("SYN-SENT", 0))

    def test_passive(self) -> None:
        states = watch(*self.path(0, *self.UP, "CLOSE-WAIT", "LAST-ACK",
                                  "CLOSED"))
        life, = states.lives()
        self.assertEqual(states.ending(life).words(),
                         "our FIN was acknowledged")
        self.assertEqual(life.closed_first_by(), "peer")

    def test_time_wait_without_room(self) -> None:
        states = watch(*self.path(0, *self.UP, "FIN-WAIT-1", "FIN-WAIT-2"),
                       self.small(9, "overflow"),
                       self.change(9, "FIN-WAIT-2", "CLOSED"))
        life, = states.lives()
        self.assertTrue(life.is_over)
        self.assertIn("no room", states.ending(life).words())

    def test_time_wait_without_room_for_a_fin_with_the_ack(self) -> None:
        """FIN-WAIT-2 is none then either."""
        for seg_flags, way in ((FIN | ACK, ["FIN-WAIT-1", "CLOSED"]),
                               (ACK, ["FIN-WAIT-1", "FIN-WAIT-2", "CLOSED"])):
            with self.subTest(seg_flags):
                self.setUp()
                states = watch(
                    *self.path(0, *self.UP, "FIN-WAIT-1"),
                    self.event("ack", 9, "FIN-WAIT-1", seg_flags=seg_flags,
                               seg_ack=50, snd_nxt=50),
                    self.change(9.01, "FIN-WAIT-1", "FIN-WAIT-2"),
                    self.small(9.02, "overflow"),
                    self.change(9.03, "FIN-WAIT-2", "CLOSED"))
                life, = states.lives()
                self.assertEqual([stay.state for stay in life.stays][-len(way):], way)
                self.assertEqual(life.stays[-2].ended_ns, life.now.began_ns)
                rows = next(as_json(states, None)["connections"])["path"]
                self.assertIn("no room", rows[-2]["left_by"])

    def test_how_time_wait_can_end(self) -> None:
        for why, how, words in (
                ("reset", "reset", "a RST came"),
                ("new_syn", "closed", "a new SYN took its place"),
                ("reused", "closed", "a connect() took its port, or ss -K"),
                ("other", "closed", "the kernel does not say")):
            with self.subTest(why):
                self.setUp()
                states = watch(
                    *self.path(0, *self.UP, "FIN-WAIT-1", "CLOSING"),
                    self.small(9, "started"), self.small_end(50, why))
                ending = states.ending(next(states.lives()))
                self.assertEqual((ending.how, ending.words()), (how, words))

    def test_time_wait_that_should_be_over_is_not_sure(self) -> None:
        states = watch(
            *self.path(0, *self.UP, "FIN-WAIT-1", "CLOSING"),
            self.small(0, "started", wait_us=60_000_000))
        for after_s, unsure in ((59, 0), (66, 0), (90, 1)):
            with self.subTest(after_s):
                end_ns = self.scene.start_ns + after_s * SECOND
                self.assertEqual(states.counts(end_ns),
                                 ({"TIME-WAIT": 1}, unsure))
        end_ns = self.scene.start_ns + 20 * SECOND
        self.assertIn("40 s to go", "\n".join(as_text(states, end_ns)))

    def test_data_for_a_small_sock(self) -> None:
        states = watch(
            *self.path(0, *self.UP, "FIN-WAIT-1", "FIN-WAIT-2"),
            self.small(3, "started", "FIN-WAIT-2", 60_000_000),
            self.change(3, "FIN-WAIT-2", "CLOSED"),
            self.small(4, "segment", "FIN-WAIT-2", seg_flags=ACK, seg_len=4),
            self.event("reset_sent", 4, "FIN-WAIT-2", seg_flags=ACK, seg_len=4),
            self.small_end(4, "other", "FIN-WAIT-2"))
        ending = states.ending(next(states.lives()))
        self.assertEqual(ending.words(),
                         "we sent a RST: data came after we had closed")


class WhoClosedFirst(Stage):
    def test_ours_only_once_it_is_acknowledged(self) -> None:
        """Before, the peer's FIN may be on its way."""
        for way, who in ((("FIN-WAIT-1",), None), (("FIN-WAIT-1", "FIN-WAIT-2"), "us"),
                         (("FIN-WAIT-1", "CLOSING"), "both"), (("CLOSE-WAIT",), "peer"),
                         (("FIN-WAIT-1", "CLOSED"), None)):
            with self.subTest(way=way):
                self.setUp()
                life = self.one(*self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED", *way))
                self.assertEqual(life.closed_first_by(), who)


class Resets(Stage):
    UP = ("CLOSED", "SYN-SENT", "ESTABLISHED")

    def ending(self, *events: Event) -> str:
        states = watch(*self.path(0, *self.UP), *events)
        return states.ending(next(states.lives())).words()

    def closed(self, at_ms: float, old: str = "ESTABLISHED", **values: Any) -> Event:
        return self.change(at_ms, old, "CLOSED", **values)

    def test_received(self) -> None:
        self.assertEqual(self.ending(
            self.event("reset_received", 9, seg_flags=RST), self.closed(9),
            self.event("error", 9, "CLOSED", sk_error=errno.ECONNRESET)),
            "a RST came")

    def test_received_after_the_peer_closed(self) -> None:
        self.assertEqual(self.ending(
            *self.path(5, "ESTABLISHED", "CLOSE-WAIT"),
            self.event("reset_received", 9, "CLOSE-WAIT", seg_flags=RST,
                       snd_una=50, snd_nxt=60),
            self.closed(9, "CLOSE-WAIT")),
            "a RST came: the peer had closed, and more came from us (implied)")

    def test_received_after_the_peer_closed_and_nothing_came(self) -> None:
        """As from a peer whose TCP_LINGER2 is below 0."""
        self.assertEqual(self.ending(
            *self.path(5, "ESTABLISHED", "CLOSE-WAIT"),
            self.event("reset_received", 9, "CLOSE-WAIT", seg_flags=RST,
                       snd_una=60, snd_nxt=60),
            self.closed(9, "CLOSE-WAIT")),
            "a RST came: the peer had closed, and waited no more "
            "(implied)")

    def test_a_reset_answers_the_ack_of_our_fin(self) -> None:
        """The kernel closes the socket, then resets: no small sock follows."""
        schema = parse_schema(schema_source.schema_text(
            support.source(), {0: "NOT_SPECIFIED", 4: "TCP_ABORT_ON_DATA"}))
        linger = "TCP_LINGER2 below 0: no wait for FIN (implied)"
        data = "data came after we had closed"
        for number, seg_len, flags, words in (
                (4, 0, ACK, linger), (0, 0, ACK, linger),
                (4, 3, ACK, data), (4, 0, ACK | FIN, data),
                (0, 3, ACK, data + " (implied)")):
            with self.subTest(words, number=number):
                self.setUp()
                states = watch(
                    *self.path(0, *self.UP, "FIN-WAIT-1", "FIN-WAIT-2"),
                    self.closed(9, "FIN-WAIT-2"),
                    self.event("destroy", 9, "CLOSED"),
                    self.event("reset_sent", 9, "CLOSED", seg_flags=flags,
                               seg_len=seg_len, reset_reason=number),
                    schema=schema)
                life, = states.lives()
                ending = states.ending(life)
                self.assertEqual((ending.how, ending.by, ending.words()), (
                    "reset", "us", f"we sent a RST: {words}"))
                self.assertEqual(states.took_us(life, life.stays[-2]), 6000)
                self.assertLess(max(map(len, as_text(states, None))), 101)

    def test_a_reset_before_fin_wait_2_went_is_not_its_end(self) -> None:
        """A small sock may have taken over, and nobody saw it."""
        self.assertIn("TIME-WAIT was not recorded", self.ending(
            *self.path(3, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"),
            self.event("reset_sent", 6, "FIN-WAIT-2", seg_flags=ACK, seg_len=3),
            self.closed(9, "FIN-WAIT-2")))

    def test_refused(self) -> None:
        states = watch(
            self.change(0, "CLOSED", "SYN-SENT"),
            self.event("reset_received", 1, "SYN-SENT", seg_flags=RST | ACK),
            self.closed(1, "SYN-SENT"))
        self.assertEqual(states.ending(next(states.lives())).words(),
                         "a RST came: nobody listens there, or a firewall "
                         "refuses (implied)")

    def test_refused_by_what_may_have_been_a_reset(self) -> None:
        """An ICMP message it is only where a RST would have been recorded."""
        for on, lost, sort in (("state,error,reset_received", False, "an ICMP message"),
                               ("state,error", False, "a RST or an ICMP message"),
                               ("state,error,reset_received", True,
                                "a RST or an ICMP message")):
            with self.subTest(on=on, lost=lost):
                self.setUp()
                states = States(support.schema())
                states.gaps.begin({"events": on})
                feed(states, self.change(0, "CLOSED", "SYN-SENT"),
                     *[self.event("lost", 1, lost_events=1)] * lost,
                     self.closed(1, "SYN-SENT"),
                     self.event("error", 1, "CLOSED", sk_error=errno.ECONNREFUSED))
                ending = states.ending(next(states.lives()))
                self.assertEqual((ending.how, ending.words()),
                                 ("failed", f"refused by {sort} (implied)"))

    def test_data_after_close_is_our_reset(self) -> None:
        """The kernel tells of it as of a RST received."""
        self.assertEqual(self.ending(
            *self.path(5, "ESTABLISHED", "FIN-WAIT-1"),
            self.event("reset_received", 9, "FIN-WAIT-1", seg_flags=ACK,
                       seg_len=3),
            self.closed(9, "FIN-WAIT-1"),
            self.event("reset_sent", 9, "CLOSED", seg_flags=ACK, seg_len=3)),
            "we sent a RST: data came after we had closed")

    def test_what_the_order_gives_away(self) -> None:
        def sent(state: str = "CLOSED") -> Event:
            return self.event("reset_sent", 9, state)

        def error(number: int) -> Event:
            return self.event("error", 9, "CLOSED", sk_error=number)

        def of_mptcp(event: Event) -> Event:
            event.values["sock_flags"] = 1 << number_of("sock_flags", "mptcp")
            return event

        for make, words in (
                (lambda: [self.closed(8), sent()], "closed with unread data"),
                (lambda: [self.closed(8), sent(),
                          self.scene.event("lost", lost_events=1)],
                 "closed with unread data, or SO_LINGER 0"),
                (lambda: [*self.path(5, "ESTABLISHED", "FIN-WAIT-1"),
                          self.closed(9, "FIN-WAIT-1"), sent()], "closed with unread data"),
                (lambda: [self.event("ack", 5, "FIN-WAIT-1"),   # its beginning was not seen
                          self.closed(9, "FIN-WAIT-1"), sent()],
                 "too many orphans, tcp_mem is exhausted, or closed with unread data"),
                (lambda: [self.closed(8), sent(), error(errno.ECONNRESET)],
                 "SO_LINGER 0, or disconnected by its program"),
                (lambda: [sent("ESTABLISHED"), error(errno.ETIMEDOUT),
                          self.closed(9)], "no answer to keepalives"),
                (lambda: [sent("ESTABLISHED"), self.closed(9),
                          error(errno.ECONNABORTED)], "killed, as by ss -K"),
                (lambda: [sent("ESTABLISHED"), error(errno.EHOSTUNREACH),
                          self.closed(10)], "no answer to keepalives"),
                (lambda: [sent("ESTABLISHED"), self.closed(10)], "killed, as by ss -K"),
                (lambda: [sent("ESTABLISHED"), self.closed(10),
                          self.scene.event("lost", lost_events=1)],
                 "killed, as by ss -K, or no answer to keepalives"),
                (lambda: [sent("FIN-WAIT-1"), self.closed(10, "FIN-WAIT-1")],
                 "too many orphans, tcp_mem is exhausted, or killed, as by ss -K"),
                (lambda: [sent("LAST-ACK"), self.closed(10, "LAST-ACK")],
                 "too many orphans, or tcp_mem is exhausted"),
                (lambda: [of_mptcp(sent("ESTABLISHED")), self.closed(10)],
                 "MPTCP reset it: closed with unread data, or a fault that MPTCP found")):
            with self.subTest(words):
                self.assertEqual(self.ending(*make()),
                                 f"we sent a RST: {words} (implied)")

    def test_a_close_in_fin_wait_2_may_not_want_to_wait(self) -> None:
        """Before 6.10 it looks like one with unread data: no error, CLOSED, then the RST."""
        self.assertEqual(self.ending(
            *self.path(5, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"),
            self.closed(9, "FIN-WAIT-2"), self.event("reset_sent", 9, "CLOSED")),
            "we sent a RST: closed with unread data, or TCP_LINGER2 below 0 (implied)")

    def test_left_in_the_accept_queue(self) -> None:
        """Its listener closes, and the kernel disconnects it."""
        def life(*between: Event, closed_ms: float = 9) -> States:
            return watch(
                self.event("completed", 1, "SYN-RECEIVED", listener=LISTENER),
                *self.path(2, "SYN-RECEIVED", "ESTABLISHED"), *between,
                self.change(8, "LISTEN", "CLOSED", cookie=LISTENER),
                self.closed(closed_ms), self.event("reset_sent", closed_ms, "CLOSED"),
                self.event("error", closed_ms, "CLOSED",
                           sk_error=errno.ECONNRESET))

        abandoned = "its listener was closed while it waited in the accept queue"
        program = "SO_LINGER 0, or disconnected by its program"
        either = f"SO_LINGER 0, disconnected by its program, or {abandoned}"
        cases: list[tuple[Callable[[], States], str]] = [
            (life, abandoned),
            (lambda: life(self.event("accepted", 3)), program),
            (lambda: life(self.event("lost", 3, lost_events=1)), either),
            (lambda: life(closed_ms=2000), program)]
        for make, words in cases:
            with self.subTest(words):
                self.setUp()
                states = make()
                ending = states.ending(next(states.lives()))
                self.assertEqual(ending.words(),
                                 f"we sent a RST: {words} (implied)")

    def test_it_may_have_waited_since_before_recording_began(self) -> None:
        """Its listener went just before; whether a program had it is not known."""
        def told(*before: Event, cookie: int = LISTENER, port: int = 40112,
                 lost: bool = False) -> str:
            states = watch(
                self.event("ack", 0), *before,
                self.change(8, "LISTEN", "CLOSED", cookie=cookie, local_port=port),
                *[self.event("lost", 8, lost_events=1)] * lost,
                self.closed(9), self.event("reset_sent", 9, "CLOSED"),
                self.event("error", 9, "CLOSED", sk_error=errno.ECONNRESET))
            ending = states.ending(next(states.lives()))
            assert ending is not None
            return ending.reason

        self.ends = {"snd_isn": 0, "rcv_isn": 0}
        waited = "its listener was closed while it waited in the accept queue"
        self.assertIn(waited, told())
        self.assertIn(waited, told(port=7, lost=True))
        for elsewhere in (told(port=7), told(self.event("accepted", 1))):
            self.assertEqual(elsewhere, "SO_LINGER 0, or disconnected by its program")
        self.ends = {"snd_isn": 7, "rcv_isn": 9}    # we opened it
        self.assertNotIn(waited, told())

    def test_left_behind_only_where_an_accept_would_be_known(self) -> None:
        """A CPU that is overwritten may have had its accept()."""
        opening = [self.event("completed", 1, "SYN-RECEIVED", listener=LISTENER),
                   *self.path(2, "SYN-RECEIVED", "ESTABLISHED"),
                   self.change(8, "LISTEN", "CLOSED", cookie=LISTENER),
                   self.closed(9), self.event("reset_sent", 9, "CLOSED"),
                   self.event("error", 9, "CLOSED", sk_error=errno.ECONNRESET)]
        lost = self.scene.event("lost", cpu=1, lost_events=9)
        for before, told in (([], "its listener was closed"), ([lost], "SO_LINGER 0")):
            states = watch(*before, *opening)
            ending = states.ending(next(states.lives()))
            assert ending is not None
            self.assertIn(told, ending.reason)

    def test_what_the_kernel_says(self) -> None:
        """From 6.10 on; its word goes before what could be worked out."""
        schema = parse_schema(schema_source.schema_text(support.source(),
                                                        REASONS))
        for number, state, closes_ms, words in (
                (5, "ESTABLISHED", 8, "closed with unread data"),
                (7, "ESTABLISHED", 8, "TCP_SOMETHING_NEW"),
                (8, "FIN-WAIT-1", 8, "too many orphans, or tcp_mem is exhausted"),
                (8, "LAST-ACK", 9, "too many orphans, or tcp_mem is exhausted"),
                (6, "FIN-WAIT-1", 9, "killed, as by ss -K (implied)"),
                (6, "FIN-WAIT-2", 9, "the peer's FIN did not come in time (implied)"),
                (6, "FIN-WAIT-2", 8,
                 "SO_LINGER 0, or disconnected by its program (implied)"),
                (6, "ESTABLISHED", 8,
                 "SO_LINGER 0, or disconnected by its program (implied)")):
            with self.subTest(number=number, state=state, closes_ms=closes_ms):
                self.setUp()
                reset = self.event("reset_sent", 8.5, "CLOSED", reset_reason=number)
                states = watch(
                    *self.path(0, "LISTEN", state),
                    *sorted((self.closed(closes_ms, state), reset),
                            key=lambda event: event["time_ns"]), schema=schema)
                self.assertEqual(states.ending(next(states.lives())).words(),
                                 f"we sent a RST: {words}")

    def test_no_answer_to_the_syn(self) -> None:
        states = watch(
            self.change(0, "CLOSED", "SYN-SENT"),
            self.event("retransmit", 1000, "SYN-SENT"),
            self.event("retransmit", 3000, "SYN-SENT"),
            self.event("error", 7000, "SYN-SENT", sk_error=errno.ETIMEDOUT),
            self.closed(7000, "SYN-SENT"))
        self.assertEqual(states.ending(next(states.lives())).words(),
                         "no answer to our 3 SYNs (ETIMEDOUT)")

    def test_who_did_it_is_named(self) -> None:
        """A process that only happens to be in a call as something comes has not done it."""
        def by(name: str) -> dict[str, Any]:
            return {"comm": name.encode(), "pid": 77}
        states = watch(
            self.change(0, "CLOSED", "SYN-SENT", **by("curl")),
            *self.path(1, "SYN-SENT", "ESTABLISHED"),
            self.change(3, "ESTABLISHED", "CLOSE-WAIT", **by("reader")),
            self.change(5, "CLOSE-WAIT", "LAST-ACK", **by("closer")),
            self.change(6, "LAST-ACK", "CLOSED", **by("sleeper")))
        heading, _, *rows = list(as_text(states, None))[:7]
        self.assertIn("opened by us (curl[77]), closed first by the peer", heading)
        self.assertTrue(rows[2].endswith("we closed too: FIN, by closer[77]"), rows)
        self.assertNotIn("er[77]", rows[0] + rows[1] + rows[3] + rows[4])
        connection, = as_json(states, None)["connections"]
        self.assertEqual([row["process"] for row in connection["path"]], [
            "curl[77]", None, "reader[77]", "closer[77]", "sleeper[77]"])

    def test_who_reset_it_is_named(self) -> None:
        for mine in (True, False):
            self.setUp()
            reset = (self.event("reset_sent", 8, "CLOSED") if mine else
                     self.event("reset_received", 8, seg_flags=RST))
            closed = self.closed(8, comm=b"curl", pid=77)
            states = watch(*self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED"),
                           *((closed, reset) if mine else (reset, closed)))
            life, = states.lives()
            self.assertEqual(states.ending(life).words(states.by(life, life.now)),
                             "we sent a RST, by curl[77]: closed with unread data (implied)"
                             if mine else "a RST came")

    def test_who_accepted_it_and_who_closed_its_listener_is_named(self) -> None:
        self.ends = {"snd_isn": 0, "rcv_isn": 0}
        states = watch(
            self.change(0, "CLOSED", "LISTEN", cookie=LISTENER, comm=b"nginx", pid=1),
            self.event("accepted", 4, comm=b"worker", pid=2, sock_flags=1 << number_of(
                "sock_flags", "passive")),
            self.change(8, "LISTEN", "CLOSED", cookie=LISTENER, comm=b"nginx", pid=1))
        told = "\n".join(as_text(states, None))
        self.assertIn("a listener (nginx[1])", told)
        self.assertIn("the listener was closed, by nginx[1]", told)
        self.assertIn("opened by the peer (accepted by worker[2])", told)
        self.assertEqual([one["opener"] for one in as_json(states, None)["connections"]],
                         ["nginx[1]", "worker[2]"])

    def test_a_listener_is_closed_by_who_closes_it_and_not_by_who_made_it(self) -> None:
        states = watch(self.change(0, "CLOSED", "LISTEN", comm=b"nginx", pid=7),
                       self.change(5, "LISTEN", "CLOSED", comm=b"killer", pid=8))
        life, = states.lives()
        self.assertEqual([states.by(life, stay) for stay in life.stays],
                         [", by nginx[7]", ", by killer[8]"])

    def test_nobody_is_named_where_nobody_is_known(self) -> None:
        states = watch(*self.path(0, *self.UP))
        self.assertNotIn("()", "\n".join(as_text(states, None)))

    def test_an_answer_that_was_reset_is_none_that_fits(self) -> None:
        states = watch(
            self.change(0, "CLOSED", "SYN-SENT"),
            self.event("reset_sent", 500, "SYN-SENT", seg_flags=ACK),
            self.event("retransmit", 1000, "SYN-SENT"),
            self.event("error", 7000, "SYN-SENT", sk_error=errno.ETIMEDOUT),
            self.closed(7000, "SYN-SENT"))
        self.assertEqual(states.ending(next(states.lives())).words(),
                         "no answer that fits to our 2 SYNs (ETIMEDOUT)")

    def test_syns_that_this_host_dropped(self) -> None:
        """The kernel counts its tries, and tells of those only that went."""
        told = "state,error,retransmit"
        kept_here = "SYNs to be sent again did not leave this host (ETIMEDOUT) (implied)"
        for sent, on, words in (
                (0, told, f"2 of 2 {kept_here}"), (1, told, f"1 of 2 {kept_here}"),
                (2, told, "no answer to our 3 SYNs (ETIMEDOUT)"),
                (0, "state,error", "no answer to our 1 SYN (ETIMEDOUT)")):
            with self.subTest(sent=sent, on=on):
                self.setUp()
                states = States(support.schema())
                states.gaps.begin({"events": on})
                feed(states, self.change(0, "CLOSED", "SYN-SENT"),
                     *[self.event("retransmit", 1000 + n, "SYN-SENT") for n in range(sent)],
                     self.event("error", 7000, "SYN-SENT", sk_error=errno.ETIMEDOUT),
                     self.closed(7000, "SYN-SENT", retransmits=2))
                self.assertEqual(states.ending(next(states.lives())).words(), words)

    def test_a_process_that_gave_its_connect_up(self) -> None:
        """The kernel would have reported an error; was that recorded?"""
        for on, timeouts, words in (
                ("state,error", 4, "closed by us before an answer came, "
                                   "after 4 timeouts (implied)"),
                ("state,error", 0, "closed by us before an answer came (implied)"),
                ("state", 4, "why was not recorded, after 4 retransmissions by timeout")):
            with self.subTest(on=on, timeouts=timeouts):
                self.setUp()
                states = States(support.schema())
                states.gaps.begin({"events": on})
                feed(states, self.change(0, "CLOSED", "SYN-SENT"),
                     self.closed(4500, "SYN-SENT", retransmits=timeouts))
                self.assertEqual(states.ending(next(states.lives())).words(),
                                 words)

    def test_a_connect_that_sent_no_syn(self) -> None:
        """It knows the peer all the same, once its socket has forgotten it."""
        life, = (states := watch(
            self.change(0, "CLOSED", "SYN-SENT", snd_isn=0, local_port=0),
            self.change(1, "SYN-SENT", "CLOSED", snd_isn=0, local_port=0),
            self.event("destroy", 2, "CLOSED", snd_isn=0, rcv_isn=0, local_port=0,
                       remote_port=0))).lives()
        ending = states.ending(life)
        self.assertEqual((ending.how, ending.by, ending.words()),
                         ("failed", None, "no SYN was sent"))
        self.assertEqual(life.remote, "10.77.0.2:5000")

    def test_a_connect_that_sent_no_syn_has_an_error_of_its_own(self) -> None:
        states = watch(self.change(0, "CLOSED", "SYN-SENT", snd_isn=0),
                       self.event("error", 1, "SYN-SENT", sk_error=errno.ENETUNREACH),
                       self.closed(1, "SYN-SENT", snd_isn=0))
        self.assertIn("ENETUNREACH", states.ending(next(states.lives())).words())

    def test_given_up_before_an_answer_by_an_abort(self) -> None:
        """SO_LINGER 0 and close(): ECONNRESET, and no RST came."""
        states = watch(
            self.change(0, "CLOSED", "SYN-SENT"), self.closed(346, "SYN-SENT"),
            self.event("error", 346, "CLOSED", sk_error=errno.ECONNRESET))
        ending = states.ending(next(states.lives()))
        self.assertEqual((ending.how, ending.by, ending.words()), (
            "failed", "us",
            "we gave it up (SO_LINGER 0 or disconnect) (implied)"))

    def test_resets_of_no_connection_are_counted(self) -> None:
        states = watch(self.event("reset_sent", 0, "CLOSED", cookie=0))
        self.assertEqual((states.resets_without_connection,
                          list(states.lives())), (1, []))

    def test_what_is_of_no_connection_is_counted_as_far_as_it_was_chosen(self) -> None:
        cookie = {"cookie": 0, "synack_type": number_of("synack_type", "cookie")}
        events = [self.change(0, "CLOSED", "SYN-SENT"),
                  self.event("reset_sent", 1, "CLOSED", cookie=0, local_port=80),
                  self.event("synack", 2, "SYN-RECEIVED", local_port=80, **cookie),
                  self.event("synack", 3, "SYN-RECEIVED", listener=LISTENER, **cookie)]
        for wanted, cookies, resets in (
                (Filter(), 2, 1), (Filter(port=80), 1, 1), (Filter(port=40112), 1, 0),
                (Filter(cookie=5), 0, 0), (Filter(cookie=LISTENER), 1, 0)):
            with self.subTest(wanted):
                states = feed(States(support.schema(), wanted), *events)
                told = as_json(states, None, wanted)
                self.assertEqual((told["cookie_synacks"], told["resets_without_connection"]),
                                 (cookies, resets))

    def test_an_error_long_ago_is_no_cause(self) -> None:
        self.assertEqual(self.ending(
            self.event("error", 5, sk_error=errno.EHOSTUNREACH),
            *self.path(6, "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED")),
            "our FIN was acknowledged")

    def test_a_reset_for_a_stray_segment_ends_nothing(self) -> None:
        self.assertEqual(self.ending(
            self.event("reset_sent", 5, seg_flags=ACK, seg_seq=4),
            *self.path(6, "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED")),
            "our FIN was acknowledged")

    def test_a_fin_that_nobody_acknowledged(self) -> None:
        """An orphan is given up without an error; its FIN may not even have gone."""
        probe = {"probe_cause": number_of("probe_cause", "zero_window"), "snd_nxt": 500,
                 "snd_una": 500}
        early = "before our FIN was acknowledged (implied)"
        for way, at_end, events, words in (
                (("CLOSE-WAIT", "LAST-ACK"), {"snd_una": 501, "snd_nxt": 501}, [],
                 "our FIN was acknowledged"),
                (("CLOSE-WAIT", "LAST-ACK"),
                 {"snd_una": 500, "snd_nxt": 501, "retransmits": 3}, [],
                 "after 3 retransmissions by timeout (implied)"),
                (("CLOSE-WAIT", "LAST-ACK"), {"snd_una": 500, "snd_nxt": 500},
                 [self.event("probe", 8, "LAST-ACK", **probe)], early),
                (("CLOSE-WAIT", "LAST-ACK"), {"snd_una": 501, "snd_nxt": 501},
                 [self.event("probe", 8, "LAST-ACK", **probe)],
                 "our FIN was acknowledged"),
                (("FIN-WAIT-1",), {"snd_una": 500, "snd_nxt": 500}, [], early),
                (("FIN-WAIT-1", "CLOSING"), {"snd_una": 500, "snd_nxt": 501}, [],
                 early)):
            with self.subTest(way=way, at_end=at_end):
                self.setUp()
                self.assertEqual(self.ending(
                    *self.path(5, "ESTABLISHED", *way), *events,
                    self.closed(9, way[-1], **at_end)), words)

    def test_what_ended_it_may_not_be_recorded(self) -> None:
        """A RST or an ICMP message, too, ends what is not acknowledged."""
        def lost(at_ms: float) -> Event:
            return self.event("lost", at_ms, lost_events=1)

        def gone(at_ms: float) -> Event:
            return self.event("destroy", at_ms, "CLOSED")

        def ends(between: Callable[[], list[Event]] = list,
                 after: Callable[[], list[Event]] = list, off: str = "") -> list[str]:
            found = []
            for way, timeouts in (("FIN-WAIT-1", 0), ("FIN-WAIT-1", 3), ("ESTABLISHED", 3)):
                self.setUp()
                states = States(support.schema())
                states.gaps.begin({"events": ",".join(
                    kind for kind in support.schema().kind_meanings if kind != off)})
                feed(states, *self.path(0, *self.UP, way), *between(),
                     self.closed(9, way, snd_una=500, snd_nxt=501, retransmits=timeouts),
                     *after())
                found.append(states.ending(next(states.lives())).words())
            return found

        after = "after 3 retransmissions by timeout"
        told = ["before our FIN was acknowledged (implied)", *[f"{after} (implied)"] * 2]
        unknown = ["why was not recorded", *[f"why was not recorded, {after}"] * 2]
        self.assertEqual(ends(), told)
        for off in ("reset_received", "reset_sent", "error"):
            self.assertEqual(ends(off=off), unknown)
        self.assertEqual(ends(between=lambda: [lost(8)]), unknown)
        self.assertEqual(ends(between=lambda: [lost(7), self.event("ack", 8)]), told)
        self.assertEqual(ends(after=lambda: [lost(9), gone(9)]), unknown)
        self.assertEqual(ends(after=lambda: [lost(9)]), unknown)
        self.assertEqual(ends(after=lambda: [gone(9), lost(10)]), told)

    def test_a_request_that_found_no_room(self) -> None:
        """tcp_abort_on_overflow resets it at once; a later segment may not fit."""
        for end_ms, words in (
                (40.5, "we sent a RST: the accept queue was full, and "
                       "tcp_abort_on_overflow is 1 (implied)"),
                (90, "we sent a RST: a segment did not fit the handshake")):
            with self.subTest(end_ms=end_ms):
                self.setUp()
                states = watch(
                    self.event("request", 0, "SYN-RECEIVED"),
                    self.event("refused", 40, "SYN-RECEIVED", seg_flags=ACK,
                               refusal=number_of("refusal", "accept_queue_full")),
                    self.event("request_end", end_ms, "SYN-RECEIVED",
                               request_ending=number_of("request_ending", "reset_by_us")))
                self.assertEqual(states.ending(next(states.lives())).words(), words)

    def test_a_disconnect_waits_for_no_ack(self) -> None:
        """Nor sends it a RST here: the FIN had gone (tcp_disconnect())."""
        for way in (("CLOSE-WAIT", "LAST-ACK"), ("FIN-WAIT-1", "CLOSING")):
            with self.subTest(way=way):
                self.setUp()
                self.assertEqual(self.ending(
                    *self.path(5, "ESTABLISHED", *way),
                    self.closed(9, way[-1], snd_una=500, snd_nxt=501),
                    self.event("error", 9, "CLOSED", sk_error=0)),
                    "SO_LINGER 0, or disconnected by its program, before our FIN was "
                    "acknowledged (implied)")

    def test_timeouts(self) -> None:
        self.assertEqual(self.ending(
            self.event("error", 9, sk_error=errno.ETIMEDOUT), self.closed(9)),
            "no answer any more (ETIMEDOUT)")

    def test_keepalives_without_an_answer(self) -> None:
        """Their RST is not recorded; nothing else waited for an ACK."""
        for way, unacked, words in (
                ((), 0, "no answer to keepalives (implied)"),
                (("FIN-WAIT-1", "FIN-WAIT-2"), 0, "no answer to keepalives (implied)"),
                ((), 1, "no answer any more (ETIMEDOUT)"),
                (("FIN-WAIT-1",), 0, "no answer any more (ETIMEDOUT)")):
            with self.subTest(way=way, unacked=unacked):
                self.setUp()
                state = ("ESTABLISHED", *way)[-1]
                self.assertEqual(self.ending(
                    *self.path(3, "ESTABLISHED", *way),
                    self.event("probe", 7, state, probe_cause=number_of(
                        "probe_cause", "keepalive")),
                    self.closed(9, state, snd_una=500, snd_nxt=500 + unacked),
                    self.event("error", 9, "CLOSED", sk_error=errno.ETIMEDOUT)), words)

    def test_timeouts_in_a_row(self) -> None:
        """The kernel does not count the one that gave up: 3 went again, the 4th did not."""
        lost, heard = self.scene.event("lost", lost_events=1), self.event("ack", 8)
        for before, events, words in (
                ((0, 1, 2, 3), (), "4 timeouts in a row"),
                ((0, 1, 2), (), "3 timeouts in a row"),
                ((), (), "3 retransmissions by timeout"),
                ((0, 1), (), "3 retransmissions by timeout"),
                ((0, 1, 2), (lost, heard), "3 retransmissions by timeout")):
            with self.subTest(before=before, events=events):
                self.setUp()
                self.assertEqual(self.ending(
                    *(self.event("rto", 1 + n, retransmits=number)
                      for n, number in enumerate(before)), *events,
                    self.closed(9, retransmits=3)), f"after {words} (implied)")


class InPart(Stage):
    def test_not_both_ends_opened_it(self) -> None:
        """Both were there before; a child of listen(fd, 0) does not show that it is one."""
        other: dict[str, Any] = {"cookie": 6, "local_addr": SERVER, "remote_addr": CLIENT,
                                 "local_port": 5000, "remote_port": 40112}
        cases: list[tuple[dict[str, int], list[str | None]]] = [
            ({}, [None, None]), ({"sock_flags": 1}, ["us", "peer"]),
            ({"remote_port": 1}, ["us", "us"])]
        for more, openers in cases:
            with self.subTest(more=more):
                self.setUp()
                states = watch(self.event("ack", 0), self.event("ack", 1, **other | more))
                self.assertEqual([life.opened_by for life in states.lives()], openers)

    def test_from_the_middle(self) -> None:
        life = self.one(self.event("ack", 0, sock_flags=1),
                        *self.path(5, "ESTABLISHED", "CLOSE-WAIT"))
        self.assertEqual(self.stays(life), [("ESTABLISHED", None),
                                            ("CLOSE-WAIT", None)])
        self.assertEqual((life.opened_by, life.opening_seen, life.partly),
                         ("peer", False, ["its beginning was not seen"]))

    def test_lost_changes_are_told_not_guessed(self) -> None:
        states = watch(
            *self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED"),
            self.scene.event("lost", 0, lost_events=40),
            *self.path(500, "LAST-ACK", "CLOSED"))
        life, = states.lives()
        self.assertEqual(self.stays(life), [
            ("SYN-SENT", 1000), ("ESTABLISHED", None), ("LAST-ACK", None),
            ("CLOSED", None)])
        self.assertEqual(life.stays[1].left_by, "its end was not seen")
        self.assertEqual(states.gaps.lost_events, 40)

    def test_a_loss_that_did_not_matter(self) -> None:
        """A change that fits is whole, whatever was lost elsewhere."""
        life = self.one(
            self.change(0, "CLOSED", "SYN-SENT"),
            self.scene.event("lost", 0, lost_events=40),
            self.change(8, "SYN-SENT", "ESTABLISHED"))
        self.assertEqual(self.stays(life)[0], ("SYN-SENT", 8000))
        self.assertEqual(life.partly, [])

    def test_a_loss_at_the_end_makes_the_rest_unsure(self) -> None:
        states = watch(*self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED"),
                       self.scene.event("lost", 0, lost_events=1))
        self.assertEqual(states.counts(self.scene.start_ns),
                         ({"ESTABLISHED": 1}, 1))
        self.assertIn("may have ended unseen",
                      "\n".join(as_text(states, None)))

    def test_frozen_is_a_gap(self) -> None:
        states = watch(
            *self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED"),
            self.event("mark", 5, "CLOSED", cookie=0, kinds_on=0,
                       mark_cause=number_of("mark_cause", "frozen")))
        self.assertEqual(states.counts(0)[1], 1)
        self.assertIn("frozen", states.gaps.remarks()[0])

    def test_frozen_right_after_a_reset(self) -> None:
        frozen = number_of("mark_cause", "frozen")
        thawed = number_of("mark_cause", "thawed")
        for kind, by, said in (("reset_received", "peer", "a RST came"),
                               ("reset_sent", "us", "a RST was sent")):
            events = [
                *self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED"),
                self.event(kind, 4),
                self.event("mark", 5, "CLOSED", cookie=0, mark_cause=frozen)]
            states = watch(*events)
            self.assertEqual(states.counts(0), ({}, 0))
            text = "\n".join(as_text(states, None))
            self.assertIn(f"{said}; recording stopped there", text)
            ending = next(as_json(states, None)["connections"])["ending"]
            self.assertEqual((ending["how"], ending["by"]), ("reset", by))
            # with anything between, or another cause, nothing is sure
            for last in (self.event("mark", 5, "CLOSED", cookie=0,
                                    mark_cause=thawed),
                         self.scene.event("lost", 0, lost_events=1)):
                self.assertEqual(watch(*events[:-1], last).counts(0)[1], 1)
            between = self.event("ack", 4.5)
            self.assertEqual(watch(*events[:-1], between,
                                   events[-1]).counts(0)[1], 1)

    def test_an_unseen_small_sock_ends_nothing(self) -> None:
        """FIN-WAIT-2 -> CLOSED of the full socket says little by itself."""
        before = self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED", "FIN-WAIT-1",
                           "FIN-WAIT-2", "CLOSED")
        states = watch(*before)
        life, = states.lives()
        self.assertIsNone(states.took_us(life, life.stays[-2]))
        self.assertIn("TIME-WAIT was not recorded",
                      states.ending(life).words())
        life = self.one(*before, self.small(90, "segment"),
                        self.small_end(60_000, "timer"))
        self.assertEqual(self.stays(life)[-3:], [
            ("FIN-WAIT-2", None), ("TIME-WAIT", None), ("CLOSED", None)])

    def test_only_the_fin_itself_dates_time_wait(self) -> None:
        """A later segment shows that TIME-WAIT is there, not since when."""
        def life(*rest: Event) -> Life:
            return self.one(*self.path(
                0, "CLOSED", "SYN-SENT", "ESTABLISHED", "FIN-WAIT-1",
                "FIN-WAIT-2"), self.small(3, "started", "FIN-WAIT-2"),
                self.scene.event("lost", 0, lost_events=2), *rest)
        late = life(self.small(700, "segment"), self.small(700, "timer_set"))
        self.assertEqual(self.stays(late)[-2:], [("FIN-WAIT-2", None),
                                                 ("TIME-WAIT", None)])
        self.setUp()
        first = life(self.small(500, "segment", "FIN-WAIT-2"),
                     self.small(500, "timer_set"))
        self.assertEqual(self.stays(first)[-2][1], 497_000)

    def test_fin_wait_1_to_time_wait_lacks_a_step(self) -> None:
        life = self.one(*self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED",
                                   "FIN-WAIT-1"), self.small(9, "started"))
        self.assertEqual(self.stays(life)[-2:], [("FIN-WAIT-1", None),
                                                 ("TIME-WAIT", None)])
        self.assertTrue(life.partly)

    def test_a_state_seen_in_passing_after_a_gap(self) -> None:
        life = self.one(
            *self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED"),
            self.scene.event("lost", 0, lost_events=1),
            self.event("retransmit", 9, "FIN-WAIT-1"))
        self.assertEqual(self.stays(life)[-2:], [("ESTABLISHED", None),
                                                 ("FIN-WAIT-1", None)])

    def test_a_cpu_that_reaches_back_less_far(self) -> None:
        """A whole ring: what ended it may have been on a CPU that is overwritten."""
        opening = self.path(1, "CLOSED", "SYN-SENT", "ESTABLISHED", "CLOSE-WAIT")
        for event in opening:
            event.values["cpu"] = 1
        lost = self.scene.event("lost", 0, lost_events=8000)
        others = self.event("ack", 990_000, cookie=99)
        for events, unsure in (([lost, *opening, others], True),
                               ([lost, *opening], True),
                               ([lost, others, *opening], False),
                               ([*opening, others], False)):
            states = watch(*events)
            life = next(life for life in states.lives() if life.cookie != 99)
            self.assertEqual(states.may_have_ended(life, others["time_ns"]), unsure)
            self.assertNotEqual(states.is_known_to_last(life), unsure)

    def test_a_filter_by_state_shows_no_end(self) -> None:
        """A change is let in or not by the state that is left."""
        for choice, unsure in (("state!=CLOSE-WAIT", True), ("port=5000", False)):
            states = States(support.schema())
            states.gaps.begin({"filter": choice})
            feed(states, *self.path(1, "CLOSED", "SYN-SENT", "ESTABLISHED",
                                    "CLOSE-WAIT"))
            life = next(states.lives())
            self.assertEqual(states.may_have_ended(life, SECOND), unsure)
            self.assertNotEqual(states.is_known_to_last(life), unsure)

    def test_given_up_only_where_an_error_would_be_known(self) -> None:
        events = self.path(1, "CLOSED", "SYN-SENT", "CLOSED")
        lost = self.scene.event("lost", 2 * MS, lost_events=1)
        for more, how in (([], "failed"), ([lost], "closed")):
            states = watch(*events, *more)
            ending = states.ending(next(states.lives()))
            assert ending is not None
            self.assertEqual(ending.how, how)

    def test_a_freeze_is_the_end_of_what_is_known(self) -> None:
        frozen = self.scene.event("mark", 9 * MS, cookie=0,
                                  mark_cause=number_of("mark_cause", "frozen"))
        states = watch(*self.path(1, "CLOSED", "SYN-SENT", "ESTABLISHED"), frozen)
        life = next(states.lives())
        self.assertTrue(states.may_have_ended(life, 99 * SECOND))
        self.assertTrue(states.is_known_to_last(life))


class Tables(Stage):
    def test_a_limit_is_of_connections_and_not_of_the_counts(self) -> None:
        states = watch(*(self.event("ack", n, cookie=n) for n in range(5, 8)))
        text = list(as_text(states, None, limit=1))
        self.assertIn("... and 2 more: --limit 0 shows all, --json too", text)
        self.assertNotIn("sk:6", "\n".join(text))
        self.assertIn("  ESTABLISHED  3", text)
        self.assertNotIn("more:", "\n".join(as_text(states, None, limit=3)))

    def test_counts_are_netstats(self) -> None:
        def at(cookie: int, *names: str) -> list[Event]:
            return [self.change(n, old, new, cookie=cookie)
                    for n, (old, new) in enumerate(zip(names, names[1:]))]

        states = watch(
            *at(1, "CLOSED", "LISTEN"),
            self.event("request", 1, "SYN-RECEIVED", cookie=2),
            self.event("request", 1, "SYN-RECEIVED", cookie=3),
            *at(4, "CLOSED", "SYN-SENT", "ESTABLISHED", "CLOSE-WAIT"),
            *at(5, "CLOSED", "SYN-SENT", "CLOSED"))
        counts, unsure = states.counts(self.scene.start_ns + SECOND)
        self.assertEqual(counts, {"LISTEN": 1, "SYN-RECEIVED": 2, "CLOSE-WAIT": 1})
        self.assertEqual(unsure, 0)
        text = counts_as_text(states, None)
        self.assertRegex(text[2], r"^  SYN_RECV +2$")
        self.assertIn("idle", text[-1] + text[-2])

    def test_a_listener_is_none_of_the_other_connections(self) -> None:
        states = watch(
            self.change(0, "CLOSED", "LISTEN", cookie=LISTENER, local_port=80),
            *self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED"))
        self.assertEqual(
            list(as_text(states, None, Filter(port=7))),
            ["No connection with port 7 was seen; 1 other was."])

    def test_filter(self) -> None:
        states = watch(*self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED"))
        for wanted, count in ((Filter(port=5000), 1), (Filter(port=500), 0),
                              (Filter(cookie=5), 1), (Filter(cookie=6), 0)):
            with self.subTest(wanted):
                self.assertEqual(len(list(states.lives(wanted))), count)

    def test_lines_fit(self) -> None:
        states = watch(
            *self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED", "CLOSE-WAIT"),
            self.event("reset_received", 9, "CLOSE-WAIT", seg_flags=RST),
            self.change(9, "CLOSE-WAIT", "CLOSED"))
        self.assertLess(max(map(len, as_text(states, None))), 101)

    def test_nothing(self) -> None:
        self.assertEqual(list(as_text(watch(), None)),
                         ["No connection was seen."])
        self.assertEqual(list(as_json(watch(), None)["connections"]), [])

    def test_memory_does_not_grow_with_events(self) -> None:
        acks = [self.event("ack", n) for n in range(300)]
        life = self.one(*acks)
        self.assertEqual(len(life.stays), 1)


class Command(Stage):
    """All three views of whole connections, as a person runs them."""

    VIEWS = ("states", "losses", "windows")

    @staticmethod
    def run_it(*arguments: str,
               stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([support.SCRIPTS / "renoscope", *arguments],
                              input=stdin, timeout=60, capture_output=True,
                              check=False)

    def recording(self) -> bytes:
        numbers = {"snd_isn": 7, "rcv_isn": 9}
        return support.recording(
            self.scene.pack("state", 0, old_state=TCP["CLOSED"],
                            state=TCP["SYN-SENT"], local_port=0),
            self.scene.pack("state", 36 * MS, old_state=TCP["SYN-SENT"],
                            state=TCP["ESTABLISHED"], **numbers),
            self.scene.pack("retransmit", 40 * MS, state=TCP["ESTABLISHED"],
                            retransmit_segs=2, rcv_wnd=512, **numbers),
            self.scene.pack("lost", serial=4, lost_events=3))

    def test_text_and_json_from_standard_input(self) -> None:
        words = {"states": b"36 ms", "losses": b"sk:5 ", "windows": b"512"}
        for view in self.VIEWS:
            with self.subTest(view):
                done = self.run_it(view, "-", stdin=self.recording())
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertIn(words[view], done.stdout)
                self.assertIn(b"3 events LOST", done.stdout)
                done = self.run_it(view, "-", "--json", "--port", "5000",
                                   stdin=self.recording())
                content = json.loads(done.stdout)
                self.assertEqual(content["lost_events"], 3)
                self.assertEqual(content["connections"][0]["connection"], "sk:5")

    def test_states_of_a_port_tell_of_no_others_resets(self) -> None:
        data = support.recording(
            self.scene.pack("ack", 0, state=TCP["ESTABLISHED"]),
            self.scene.pack("reset_sent", MS, cookie=0, state=TCP["CLOSED"], local_port=80))
        words = b"1 RST answered segments of no connection."
        for options, is_told in ((), True), (("--port", "5000"), True), (
                ("--port", "40112"), False), (("--connection", "5"), False):
            done = self.run_it("states", "-", *options, stdin=data)
            self.assertEqual(words in done.stdout, is_told, options)

    def test_options(self) -> None:
        for arguments, expected in (
                (("states", "-", "--counts"), b"ESTABLISHED  1"),
                (("states", "-", "--port", "1"),
                 b"states: port 1 was not seen; these were: 5000, 40112\n"),
                (("states", "-", "--counts", "--connection", "77"),
                 b"states: sk:77 was not seen; these were: sk:5\n"),
                (("losses", "-", "--port", "1"), b"losses: port 1 was not seen;"),
                (("losses", "-", "-v"), b"sk:5 "),
                (("windows", "-", "--connection", "6"),
                 b"windows: sk:6 was not seen; these were: sk:5\n")):
            with self.subTest(arguments):
                done = self.run_it(*arguments, stdin=self.recording())
                self.assertIn(expected, done.stderr + done.stdout)
                self.assertTrue(done.stdout.startswith(b"***") or not done.stderr)
        done = self.run_it("states", "-", "--counts", "--json",
                           stdin=self.recording())
        content = json.loads(done.stdout)
        self.assertEqual(content["counts"], {"ESTABLISHED": 1})
        self.assertNotIn("connections", content)

    def test_cut_off_is_shown_and_told(self) -> None:
        for view in self.VIEWS:
            with self.subTest(view):
                done = self.run_it(view, "-", stdin=self.recording()[:-30])
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)

    def test_what_every_view_says_besides_is_alike(self) -> None:
        part = "what is said here may lack a part"
        for view, loss in (
                ("states", part), ("losses", part), ("windows", part),
                ("handshakes", "connections may be missing here"),
                ("synflood", "the counts are too low"),
                ("isn", "some differences span a connection not seen")):
            with self.subTest(view):
                done = self.run_it(view, "-", "--json", stdin=self.recording())
                content = json.loads(done.stdout)
                self.assertEqual(
                    (content["first_ns"], content["lost_events"]),
                    (self.scene.start_ns, 3))
                self.assertGreaterEqual(content["end_ns"], 40 * MS)
                self.assertEqual(content["notes"][0],
                                 f"*** 3 events LOST: {loss} ***")
                text = self.run_it(view, "-", stdin=self.recording()).stdout
                self.assertIn(content["notes"][0], text.decode())

    def test_empty(self) -> None:
        for view in self.VIEWS:
            with self.subTest(view):
                done = self.run_it(view, "-", stdin=support.recording())
                self.assertEqual(done.returncode, 0)
                self.assertRegex(done.stdout, b"^No .* seen\\.\n")

    def test_what_was_not_recorded_is_said(self) -> None:
        """`Nothing was sent again` would be a lie without it."""
        for parameters, words in (
                ({"events": "state,ack"}, b"not recorded here"),
                ({"filter": "port=80"}, b"filter 'port=80'")):
            with self.subTest(parameters):
                done = self.run_it("losses", "-", stdin=support.recording(
                    parameters=parameters))
                self.assertIn(words, done.stdout)
        done = self.run_it("losses", "-", stdin=support.recording(parameters={
            "events": ",".join(support.schema().kind_meanings),
            "filter": "none"}))
        self.assertNotIn(b"note:", done.stdout)

    def test_help(self) -> None:
        for view in self.VIEWS:
            with self.subTest(view):
                text = self.run_it(view, "--help").stdout.decode()
                self.assertRegex(text, "example:\\n  (sudo )?scripts/renoscope "
                                 f"{view}")
                self.assertLess(max(map(len, text.splitlines())), 81)


if __name__ == "__main__":
    unittest.main()
