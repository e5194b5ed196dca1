# SPDX-License-Identifier: GPL-2.0
"""Floods are told, and busy listeners are not taken for one."""

import errno
import random
import unittest
from collections import Counter
from unittest import mock

from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.views import flood_evidence, flood_verdict, synflood, synflood_text
from renoscope_lib.views.counter_measures import counter_measures
from renoscope_lib.views.flood_evidence import Evidence, evidence_of
from renoscope_lib.views.flood_verdict import Verdict, verdict_of
from renoscope_lib.views.listeners import Listener
from renoscope_lib.views.synflood import FloodWatch

from . import support
from .handshake_scene import (EXPIRED, HALF_OPEN_FULL, INVALID, LISTENER_GONE,
                              RESET_BY_PEER, UNSENT, VALID, VALID_REFUSED, ListenerScene)
from .support import MS, SECOND, feed, number_of


def forged(rng: random.Random, ipv6: bool = False) -> str:
    if ipv6:
        return "2001:db8:" + ":".join(f"{rng.randrange(1, 65536):x}"
                                      for _ in range(6))
    return ".".join(str(rng.randrange(1, 255)) for _ in range(4))


class FloodCase(unittest.TestCase):
    """Makes floods and clients of one listener."""

    def setUp(self) -> None:
        self.at = ListenerScene(limit=64)
        self.rng = random.Random(1)
        self.events: list[Event] = []

    def flood(self, count: int, start_s: float = 0, per_s: float = 100,
              cookies: bool = True, sources: list[str] | None = None,
              ipv6: bool = False) -> float:
        """SYNs that nobody follows up; when the last one came."""
        for n in range(count):
            at_s = start_s + n / per_s
            peer = (self.rng.choice(sources) if sources
                    else forged(self.rng, ipv6))
            port, isn = 1024 + n, self.rng.randrange(1, 1 << 32)
            if self.at.half_open <= self.at.limit:
                self.events += self.at.queued(at_s, port, self.at.new_id(),
                                              isn, peer=peer)
            elif cookies:
                self.events += self.at.cookie_sent(at_s, port, isn, peer=peer)
            else:
                self.events += [self.at.syn(at_s, port, isn, peer=peer),
                                self.at.refused(at_s, port, HALF_OPEN_FULL,
                                                isn, peer=peer)]
        return at_s

    def clients(self, count: int, start_s: float = 0, per_s: float = 100,
                sources: int = 20) -> None:
        """Handshakes as they should be."""
        for n in range(count):
            at_s, port, cookie = start_s + n / per_s, 2000 + n, self.at.new_id()
            peer = f"10.0.0.{1 + n % sources}"
            self.events += self.at.queued(at_s, port, cookie, peer=peer)
            self.events.append(self.at.completed(at_s + 0.005, port, cookie,
                                                 peer=peer))
            self.events.append(self.at.accepted(at_s + 0.006, port, cookie,
                                                peer=peer))

    def fast_opens(self, count: int) -> list[tuple[int, int, str]]:
        """Forged SYNs with data, each with a child: port, id and peer."""
        children = [(1024 + n, self.at.new_id(), forged(self.rng)) for n in range(count)]
        for n, (port, cookie, peer) in enumerate(children):
            self.events += self.at.fast_open(n / 100, port, cookie, peer=peer)
        return children

    def changed(self, at_s: float, *states: str) -> None:
        """One Fast Open child, and what its states are."""
        self.events += self.at.fast_open(0, 40, 9)
        for old, new in zip(("SYN-RECEIVED", *states), states):
            self.events.append(self.at.change(at_s, 40, 9, old, new))

    def seen(self, end_s: float) -> Evidence:
        watch = feed(FloodWatch(support.schema()), *self.events)
        pressure, = watch.pressures()
        return evidence_of(pressure, self.at.scene.start_ns
                           + round(end_s * SECOND))

    def verdict(self, end_s: float) -> Verdict:
        return verdict_of(self.seen(end_s))


class Floods(FloodCase):
    def test_unanswered_synacks_while_the_queue_has_room_make_one_likely(self) -> None:
        end_s = self.flood(50)
        verdict = self.verdict(end_s + 2)
        self.assertEqual(verdict.words, flood_verdict.LIKELY)
        self.assertIn("50 of 50 handshakes went unanswered", verdict.why)

    def test_cookies_let_real_clients_in(self) -> None:
        end_s = self.flood(300)
        self.clients(5, end_s)
        seen = self.seen(end_s + 2)
        self.assertEqual(verdict_of(seen).words, flood_verdict.HOLDING)
        self.assertEqual((seen.half_open_peak, seen.cookies_sent, seen.answered,
                          seen.unanswered), (65 + 1, 235, 5, 300))
        self.assertAlmostEqual(seen.growth_per_s, 65, delta=12)

    def test_what_holding_cookies_did_is_not_overstated(self) -> None:
        """That clients come in is known from their cookies; the queue may have room by now."""
        end_s = self.flood(100)
        self.assertIn("the half-open queue was full (65 of 64) and 35 SYNs got a cookie "
                      "instead, so real clients can still come in", self.verdict(end_s + 2).why)
        self.events.append(self.at.cookie_checked(end_s, 4000, VALID))
        self.assertIn("so real clients still come in", self.verdict(end_s + 2).why)

    def test_a_full_queue_without_cookies_shuts_real_clients_out(self) -> None:
        end_s = self.flood(300, cookies=False)
        self.assertEqual(self.verdict(end_s + 2).words, flood_verdict.REFUSING)

    def test_with_many_real_clients_in_between(self) -> None:
        """The share looks fair, the queue does not."""
        end_s = self.flood(60, per_s=30)
        self.clients(400)
        self.events.sort(key=lambda e: e["time_ns"])
        seen = self.seen(end_s + 2)
        self.assertGreater(seen.completing, 0.8)
        self.assertEqual(verdict_of(seen).words, flood_verdict.LIKELY)
        self.assertIn("hold the half-open queue", verdict_of(seen).why)

    def test_one_is_over_when_no_syn_came_for_a_while(self) -> None:
        end_s = self.flood(100)
        self.assertEqual(self.verdict(end_s + 60).words, flood_verdict.OVER)

    def test_requests_that_expired_count(self) -> None:
        for n in range(40):
            self.events += self.at.queued(n / 10, 40 + n, 0x300 + n,
                                          peer=forged(self.rng))
            self.events.append(self.at.request_end(
                n / 10 + 0.05, 40 + n, 0x300 + n, EXPIRED))
        seen = self.seen(5)
        self.assertEqual((seen.unanswered, seen.expired, seen.old_half_open),
                         (40, 40, 0))
        self.assertEqual(verdict_of(seen).words, flood_verdict.LIKELY)

    def test_one_second_of_grace(self) -> None:
        """A request younger than a second may still be answered."""
        end_s = self.flood(50, per_s=1000)
        self.assertEqual(self.seen(end_s + 0.5).unanswered, 0)
        self.assertEqual(self.seen(end_s + 1.5).unanswered, 50)

    def test_ipv6_sources_count_by_their_64(self) -> None:
        self.at = ListenerScene(limit=64, local="fd77::2")
        end_s = self.flood(100, ipv6=True)
        seen = self.seen(end_s + 2)
        self.assertEqual(verdict_of(seen).words, flood_verdict.HOLDING)
        self.assertEqual((seen.sources, seen.networks), (100, 100))

    def test_half_of_the_events_are_enough_for_the_verdict(self) -> None:
        """Half of the SYNs were lost before they were read."""
        end_s = self.flood(300)
        self.events = self.events[len(self.events) // 2:]
        self.events.insert(0, self.at.scene.event("lost", lost_events=400))
        self.assertEqual(self.verdict(end_s + 2).words, flood_verdict.HOLDING)


class FastOpens(FloodCase):
    """A child is `completed` with its SYN: nobody has answered by then."""

    def counts(self, end_s: float) -> tuple[int, int, int, int]:
        seen = self.seen(end_s)
        return seen.answered, seen.unanswered, seen.expired, seen.resets

    def test_forged_ones_are_a_flood(self) -> None:
        for n, (port, cookie, peer) in enumerate(self.fast_opens(30)):
            self.events.append(self.at.fast_open_again(1 + n / 100, port, cookie, 0,
                                                       peer=peer))
        seen = self.seen(3)
        self.assertEqual((seen.answered, seen.unanswered, seen.old_half_open), (0, 30, 0))
        self.assertEqual(verdict_of(seen), Verdict(
            flood_verdict.LIKELY, "30 of 30 handshakes went unanswered; the half-open "
            "queue is not full yet"))

    def test_the_childs_state_tells_the_answer(self) -> None:
        for states in (("ESTABLISHED",), ("CLOSE-WAIT",), ("FIN-WAIT-1", "FIN-WAIT-2"),
                       ("FIN-WAIT-1", "CLOSING")):
            with self.subTest(states=states):
                self.events.clear()
                self.changed(0.1, *states)
                self.assertEqual(self.counts(9), (1, 0, 0, 0))

    def test_one_answered_after_it_was_sent_again_counts_once(self) -> None:
        self.events += self.at.fast_open(0, 40, 9)
        self.events.append(self.at.fast_open_again(1, 40, 9, 0))
        self.events.append(self.at.change(1.1, 40, 9, "SYN-RECEIVED", "ESTABLISHED"))
        self.assertEqual(self.counts(9), (1, 0, 0, 0))

    def test_closed_here_it_may_have_been_answered(self) -> None:
        """Until its timer sends the SYN-ACK again."""
        self.changed(0.1, "FIN-WAIT-1")
        self.assertEqual(self.counts(9), (0, 0, 0, 0))
        self.events.append(self.at.fast_open_again(1, 40, 9, 0))
        self.assertEqual(self.counts(9), (0, 1, 0, 0))

    def test_a_child_that_ended_unanswered(self) -> None:
        for at_s, unanswered in ((0.5, 0), (3, 1)):
            with self.subTest(at_s=at_s):
                self.events.clear()
                self.changed(at_s, "CLOSED")
                self.assertEqual(self.counts(9), (0, unanswered, 0, 0))

    def test_a_child_that_expired(self) -> None:
        self.changed(127, "CLOSED")
        self.events.append(self.at.event("error", 127, 40, cookie=9,
                                         sk_error=errno.ETIMEDOUT))
        self.assertEqual(self.counts(128), (0, 1, 1, 0))

    def test_a_rst_is_an_answer_of_its_own(self) -> None:
        for states in (["CLOSED"], ["FIN-WAIT-1", "CLOSED"]):
            with self.subTest(states=states):
                self.events.clear()
                self.changed(0.2, *states)
                self.events.insert(-1, self.at.event("reset_received", 0.2, 40, cookie=9))
                self.assertEqual(self.counts(9), (0, 0, 0, 1))

    def test_a_child_whose_change_of_state_was_lost_ends_with_it(self) -> None:
        self.events += self.at.fast_open(0, 40, 9)
        self.events.append(self.at.event("destroy", 0.5, 40, cookie=9))
        self.assertEqual(self.counts(9), (0, 0, 0, 0))

    def test_nobody_knows_the_answer_without_its_state(self) -> None:
        self.fast_opens(30)
        on = ",".join(kind for kind in support.schema().kind_meanings if kind != "state")
        watch = FloodWatch(support.schema())
        watch.gaps.begin({"events": on})
        feed(watch, *self.events)
        seen = evidence_of(watch.pressures()[0], self.at.scene.start_ns + 9 * SECOND)
        self.assertEqual((watch.why_not(), seen.decided, seen.syns), ("", 0, 30))

    def test_a_child_made_before_watching_began(self) -> None:
        self.events.append(self.at.fast_open_again(1, 40, 9, 0))
        self.assertEqual(self.counts(3), (0, 1, 0, 0))
        self.events.append(self.at.change(1.1, 40, 9, "SYN-RECEIVED", "ESTABLISHED"))
        self.assertEqual(self.counts(3), (1, 0, 0, 0))


class NoFloods(FloodCase):
    def test_busy_and_healthy(self) -> None:
        self.clients(2000, per_s=1000)
        seen = self.seen(2.1)
        self.assertEqual(verdict_of(seen).words, flood_verdict.NO_FLOOD)
        self.assertEqual(seen.completing, 1.0)

    def test_a_burst_of_real_clients_that_fills_the_queue(self) -> None:
        """Cookies are sent, and come back."""
        for n in range(200):
            self.events += self.at.cookie_sent(n / 1000, 2000 + n, isn=7,
                                               half_open=66)
        for n in range(200):
            self.events.append(self.at.completed(
                0.3, 2000 + n, 0x900 + n, by_cookie=True))
            self.events.append(self.at.cookie_checked(
                0.3, 2000 + n, VALID, cookie=0x900 + n))
        verdict = self.verdict(3)
        self.assertEqual(verdict.words, flood_verdict.NO_FLOOD)
        self.assertRegex(verdict.why, "^more real clients at once .*: most of them answer$")

    def test_clients_that_are_silent_under_tcp_defer_accept(self) -> None:
        """A timer that sent nothing tells that they had answered."""
        for n in range(60):
            self.events += self.at.queued(n / 100, 2000 + n, 0x900 + n)
        for n in range(60):
            self.events.append(self.at.again(3 + n / 100, 2000 + n, 0x900 + n, 0, 1))
        seen = self.seen(4)
        self.assertEqual((seen.proven, seen.unanswered), (60, 0))
        self.assertEqual(verdict_of(seen).words, flood_verdict.NO_FLOOD)
        self.events.append(self.at.request_end(63, 2000, 0x900, EXPIRED,
                                               num_retrans=1, num_timeout=5))
        self.assertEqual(self.seen(64).unanswered, 0)

    def test_slow_accept(self) -> None:
        """Last ACKs refused: these clients have proven themselves."""
        for n in range(60):
            self.events += self.at.queued(n / 100, 2000 + n, 0x900 + n)
            self.events.append(self.at.last_ack_refused(
                n / 100, 2000 + n, 0x900 + n))
        seen = self.seen(4)
        self.assertEqual((seen.proven, seen.unanswered), (60, 0))
        self.assertEqual(verdict_of(seen).words, flood_verdict.NO_FLOOD)
        self.assertRegex(verdict_of(seen).why,
                         r"^the accept queue was full.* slow to accept\(\)")

    def test_valid_cookies_refused_count_once(self) -> None:
        self.events += self.at.cookie_sent(0, 40)
        for n in range(4):
            self.events.append(self.at.cookie_checked(n, 40, VALID_REFUSED))
        self.assertEqual(self.seen(9).answered, 1)

    def test_what_a_closed_listener_leaves(self) -> None:
        """Who had its time to answer did not; of the others nobody can say."""
        for n in range(3):
            self.events += self.at.queued(0, 2000 + n, 0x900 + n)
        self.events += self.at.queued(7.5, 2003, 0x903)
        for n in range(4):
            self.events.append(self.at.request_end(8, 2000 + n, 0x900 + n, LISTENER_GONE,
                                                   listener=0))
        self.assertEqual(self.seen(9).unanswered, 3)

    def test_a_cookie_does_not_wait_in_the_queue(self) -> None:
        self.events += self.at.queued(0, 2000, 0x900)
        self.events += self.at.cookie_sent(0, 40)
        seen = self.seen(9)
        self.assertEqual((seen.unanswered, seen.old_half_open), (2, 1))

    def test_cookie_checked_again_while_the_connection_is_made(self) -> None:
        self.events += self.at.cookie_sent(0, 40)
        self.events.append(self.at.cookie_checked(0.1, 40, VALID_REFUSED))
        self.events.append(self.at.completed(0.1, 40, 0x900, by_cookie=True))
        self.assertEqual(self.seen(9).answered, 1)

    def test_clients_whose_path_is_broken(self) -> None:
        """They repeat their SYN, which forged addresses do not."""
        for n in range(40):
            self.events += self.at.queued(n / 100, 2000 + n, 0x900 + n)
            self.events.append(self.at.again(1.2, 2000 + n, 0x900 + n, 0, 0,
                                             by_timer=False))
        verdict = self.verdict(4)
        self.assertEqual(verdict.words, flood_verdict.NO_FLOOD)
        self.assertIn("repeated their SYN, as real clients do: most likely", verdict.why)

    def test_health_checks_that_reset(self) -> None:
        for n in range(60):
            self.events += self.at.queued(n / 10, 2000 + n, 0x900 + n)
            self.events.append(self.at.request_end(
                n / 10 + 0.01, 2000 + n, 0x900 + n, RESET_BY_PEER))
        verdict = self.verdict(9)
        self.assertEqual(verdict.words, flood_verdict.NO_FLOOD)
        self.assertRegex(verdict.why, r"^\d+ handshakes ended by a RST")

    def test_who_was_sent_no_synack_is_not_silent(self) -> None:
        for n in range(60):
            self.events += self.at.queued(n / 10, 2000 + n, 0x900 + n)
            self.events.append(self.at.request_end(
                n / 10 + 1, 2000 + n, 0x900 + n, UNSENT))
        self.assertEqual(self.verdict(9).words, flood_verdict.NO_FLOOD)

    def test_few_that_fill_a_small_queue_are_not_called_real(self) -> None:
        self.at.limit = 4
        self.flood(15)
        self.assertEqual(self.verdict(9).why,
                         "more SYNs at once than the backlog of 4 has room for")

    def test_a_few_dead_clients(self) -> None:
        end_s = self.flood(10)
        self.assertEqual(self.verdict(end_s + 5).words, flood_verdict.NO_FLOOD)

    def test_acks_that_are_no_cookies(self) -> None:
        for n in range(50):
            self.events.append(self.at.cookie_checked(n / 10, 40 + n, INVALID))
        self.assertEqual(self.verdict(9).words, flood_verdict.NO_FLOOD)

    def test_a_queue_of_backlog_zero(self) -> None:
        self.at = ListenerScene(limit=0)
        self.clients(50)
        self.assertEqual(self.verdict(2).words, flood_verdict.NO_FLOOD)

    def test_where_no_syn_came_it_says_so(self) -> None:
        self.assertIn("No SYN", synflood_text.as_text(
            FloodWatch(support.schema()), None)[0])


class Sources(FloodCase):
    def test_random_addresses_look_forged(self) -> None:
        end_s = self.flood(200)
        words = flood_verdict.sources_in_words(self.seen(end_s + 2), True)
        self.assertIn("forged random addresses", words)

    def test_few_sources_can_be_stopped_by_a_firewall(self) -> None:
        end_s = self.flood(200, sources=["10.0.0.1", "10.0.0.2"])
        words = flood_verdict.sources_in_words(self.seen(end_s + 2), True)
        self.assertIn("2 addresses in 1 network", words)
        self.assertIn("a firewall rule can stop them", words)

    def test_many_sources_that_are_not_random_are_a_botnet_s(self) -> None:
        bots = [f"10.0.{n // 100}.{1 + n % 100}" for n in range(300)]
        end_s = self.flood(900, sources=bots)
        words = flood_verdict.sources_in_words(self.seen(end_s + 2), True)
        self.assertIn("neither few nor random", words)

    def test_more_than_can_be_counted(self) -> None:
        """The SYNs are all counted, and the addresses are a lower bound."""
        end_s = self.flood(1000)
        watch = FloodWatch(support.schema())
        with mock.patch.object(synflood, "COUNTED_SOURCES", 100):
            feed(watch, *self.events)
        end_ns = self.at.scene.start_ns + round((end_s + 2) * SECOND)
        seen = evidence_of(watch.pressures()[0], end_ns)
        self.assertEqual((seen.syns, seen.sources, seen.syns_of_others),
                         (1000, 100, 900))
        self.assertAlmostEqual(seen.syns_per_s, 100.1, 1)
        self.assertAlmostEqual(seen.busiest_share, 0.001)
        text = "\n".join(synflood_text.as_text(watch, end_ns))
        self.assertRegex(text, r"(?m)^10.77.0.2:5000 .* 100\.1 +100\+$")
        self.assertIn("at least 100 addresses in at least 100 networks", text)
        self.assertIn("forged random addresses", text)

    def test_entropy_is_1_if_all_are_alike_and_0_of_one(self) -> None:
        alike = Counter({bytes([n]): 5 for n in range(8)})
        self.assertAlmostEqual(flood_evidence.normalized_entropy(alike), 1.0)
        one = Counter({b"a": 97, b"b": 1, b"c": 1, b"d": 1})
        self.assertLess(flood_evidence.normalized_entropy(one), 0.2)
        self.assertEqual(flood_evidence.normalized_entropy(Counter({b"a": 9})), 0.0)

    def test_without_the_syn_kind(self) -> None:
        """Requests and cookies tell the sources as well."""
        end_s = self.flood(100)
        self.events = [e for e in self.events if e.kind != "syn"]
        self.assertEqual(self.seen(end_s + 2).sources, 100)


class Numbers(unittest.TestCase):
    def test_growth_is_the_steepest_rise_within_a_second(self) -> None:
        def grown(*lengths: int) -> float:
            growth = flood_evidence.Growth()
            for n, length in enumerate(lengths):
                growth.see(n * 250 * MS, length)
            return growth.steepest
        self.assertEqual(grown(0, 10, 20, 30, 40, 50, 60), 40)
        self.assertEqual(grown(50, 40, 30), 0)
        self.assertEqual(grown(0, 9, 0, 3), 9)
        self.assertEqual(grown(), 0)


class Shown(FloodCase):
    def watch(self) -> tuple[FloodWatch, int]:
        end_s = self.flood(300)
        return (feed(FloodWatch(support.schema()), *self.events),
                self.at.scene.start_ns + round((end_s + 2) * SECOND))

    def test_text(self) -> None:
        lines = synflood_text.as_text(*self.watch())
        self.assertLessEqual(max(map(len, lines)), 100)
        text = "\n".join(lines)
        for name in ("tcp_syncookies", "somaxconn", "tcp_max_syn_backlog",
                     "tcp_synack_retries", "tcp_abort_on_overflow"):
            self.assertIn(name, text)
        self.assertIn("5: a request is kept 63 s, 7 s or more in a queue over half full", text)
        self.assertIn("5 keeps a request up to 63 s, 2 only 7 s", text)
        self.assertIn("(a SYN is dropped all the same)", " ".join(text.split()),
                      "tcp_conn_request() drops it, only tcp_check_req() resets")

    def test_a_crowded_queue_keeps_requests_for_less(self) -> None:
        """What is set, and what came of it: the soonest that one was given up."""
        self.flood(300)
        for at_s, port in ((7.5, 1), (7.1, 2)):
            self.events.append(self.at.request_end(
                at_s, port, port, EXPIRED, max_retries=2,
                since_synack_us=round(at_s * 1e6)))
        watch = feed(FloodWatch(support.schema()), *self.events)
        self.assertIn("5: a request is kept 63 s, here 7.1 s in a queue over half full",
                      "\n".join(synflood_text.as_text(watch, None)))
        listener, = (pressure.listener for pressure in watch.pressures())
        self.assertEqual(listener.as_json()["given_up_after_us"], 7_100_000)

    def test_few_retries_are_not_lowered(self) -> None:
        for retries, words in ((2, "2: a request is kept 7 s"), (0, "not seen")):
            listener = Listener(1, 1, "*:1", 1, max_retries=retries)
            self.assertEqual(counter_measures(listener)[3].now, words)

    def test_no_counter_measures_where_nothing_is_wrong(self) -> None:
        self.clients(50)
        watch = feed(FloodWatch(support.schema()), *self.events)
        self.assertNotIn("What helps", "\n".join(synflood_text.as_text(watch, None)))

    def test_one_port(self) -> None:
        self.flood(60)
        for port, count in ((5000, 1), (80, 0)):
            watch = feed(FloodWatch(support.schema(), Filter(port=port)), *self.events)
            self.assertEqual(len(synflood_text.as_json(watch, None)["listeners"]),
                             count)
        self.assertEqual(synflood_text.as_text(watch, None), [
            "No listener with port 80 was seen; 1 other was."])

    def test_a_backlog_that_no_event_told(self) -> None:
        watch = feed(FloodWatch(support.schema()), self.at.accepted(0, 40, 9))
        text = "\n".join(synflood_text.as_text(watch, None))
        self.assertIn("backlog -;", text)
        one, = synflood_text.as_json(watch, None)["listeners"]
        self.assertIsNone(one["evidence"]["half_open"]["limit"])

    def test_json(self) -> None:
        one, = synflood_text.as_json(*self.watch())["listeners"]
        self.assertEqual((one["verdict"], one["is_flood"], one["local"]),
                         (flood_verdict.HOLDING, True, "10.77.0.2:5000"))
        evidence = one["evidence"]
        self.assertEqual(evidence["unanswered"], 300)
        self.assertEqual((evidence["half_open"], evidence["accept_queue"]), (
            {"now": 65, "peak": 65, "limit": 64}, {"now": 0, "peak": 0, "limit": 64}))
        self.assertEqual({"half_open_peak", "limit", "accept_peak"} & set(evidence), set())
        self.assertEqual(len(one["counter_measures"]), 5)


class NotRecorded(FloodCase):
    def test_no_verdict_without_its_kinds(self) -> None:
        self.flood(60)
        every = list(support.schema().kind_meanings)
        for kind in ("syn", "request", "completed"):
            watch = FloodWatch(support.schema())
            watch.gaps.begin({"events": ",".join(
                one for one in every if one != kind)})
            empty = synflood_text.as_text(watch, None)[0]
            self.assertEqual(empty, f"Cannot tell: `{kind}` was not recorded.")
            feed(watch, *self.events)
            text = "\n".join(synflood_text.as_text(watch, None))
            self.assertIn(": cannot tell\n", text)
            self.assertRegex(text, rf"because +`{kind}` was not recorded")
            self.assertNotIn("What helps", text)
            self.assertIn("note: not recorded here", watch.gaps.remarks()[0])
            row, = synflood_text.as_json(watch, None)["listeners"]
            self.assertFalse(row["is_flood"])

    def test_a_freeze_and_a_filter_are_told(self) -> None:
        watch = FloodWatch(support.schema())
        watch.gaps.begin({"filter": "port=1", "frozen": "1"})
        notes = "\n".join(synflood_text.as_json(watch, None)["notes"])
        self.assertIn("filter 'port=1'", notes)
        self.assertIn("was frozen", notes)

    def test_frozen_from_its_start_there_is_no_verdict(self) -> None:
        """`No SYN reached a listener` would be a lie."""
        watch = FloodWatch(support.schema())
        watch.gaps.begin({"frozen": "Y"})
        why = "recording was frozen all the time"
        self.assertEqual(synflood_text.as_text(watch, None)[0],
                         f"Cannot tell: {why}.")
        self.assertEqual(synflood_text.as_json(watch, None)["cannot_tell"], why)
        feed(watch, self.at.scene.event(
            "mark", SECOND, cookie=0, kinds_on=(1 << 64) - 1,
            mark_cause=number_of("mark_cause", "thawed")))
        self.assertIn("No SYN reached", synflood_text.as_text(watch, None)[0])

    def test_frozen_under_way_it_is_not_over(self) -> None:
        """What came after the freeze nobody knows, answers neither."""
        last_s = self.flood(300)
        ids = self.at.new_id()
        queued = list(self.at.queued(last_s, 9, ids))
        frozen = self.at.scene.event(
            "mark", round((last_s + 0.01) * SECOND), cookie=0,
            mark_cause=number_of("mark_cause", "frozen"))
        watch = feed(FloodWatch(support.schema()), *self.events, *queued, frozen)
        end_ns = self.at.scene.start_ns + 600 * SECOND
        row, = synflood_text.as_json(watch, end_ns)["listeners"]
        self.assertEqual(row["verdict"], flood_verdict.HOLDING)
        self.assertLess(row["evidence"]["quiet_us"], SECOND // 1000)


if __name__ == "__main__":
    unittest.main()
