# SPDX-License-Identifier: GPL-2.0
"""Listeners without end: those last heard of are kept, and what is not is told."""

import gc
import heapq
import json
import tracemalloc
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

from renoscope_lib.explain import explain_text, rules_on_ports
from renoscope_lib.explain.explain import Explained
from renoscope_lib.output.json_pieces import json_pieces
from renoscope_lib.prometheus import listening_ports
from renoscope_lib.prometheus.metrics import Metrics
from renoscope_lib.ring.schema import Event
from renoscope_lib.top import top_json
from renoscope_lib.top.table import LISTENERS, Choice, plain
from renoscope_lib.top.top import Top
from renoscope_lib.views import handshakes_text, listeners, synflood, synflood_text
from renoscope_lib.views.flood_evidence import evidence_of
from renoscope_lib.views.handshakes import Handshakes
from renoscope_lib.views.listeners import Listeners
from renoscope_lib.views.synflood import FloodWatch
from renoscope_lib.words import address

from . import support
from .handshake_scene import ACCEPT_FULL, ListenerScene
from .support import SECOND, SYN, Scene, feed, ip
from .test_metrics import told as metrics_of
from .test_report import page

MOST = 10


def address_of(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class Crowd(unittest.TestCase):
    """Each listener of a crowd has an address, a client, and refuses another."""

    def setUp(self) -> None:
        self.scene = Scene()
        for module in (listeners, listening_ports):
            patch = mock.patch.object(module, "MOST", MOST)
            patch.start()
            self.addCleanup(patch.stop)

    def listener(self, number: int) -> ListenerScene:
        return ListenerScene(listener=number, scene=self.scene,
                             local=address_of(number))

    def events_of(self, number: int) -> Iterator[Event]:
        one, at_s = self.listener(number), number / 1000
        cookie = number + (1 << 20)
        yield from one.queued(at_s, 4000, cookie)
        yield one.completed(at_s, 4000, cookie)
        yield one.refused(at_s, 4001, ACCEPT_FULL)

    def crowd(self, count: int, first: int = 1) -> list[Event]:
        return [event for number in range(first, first + count)
                for event in self.events_of(number)]


class Keeping(Crowd):
    def names(self, counted: Listeners) -> list[int]:
        return [one.cookie for one in counted.all()]

    def test_those_last_heard_of_stay_in_their_order(self) -> None:
        counted = Listeners(support.schema())
        feed(counted, *self.crowd(MOST), self.listener(2).syn(1, 9),
             *self.crowd(3, first=50))
        self.assertEqual(self.names(counted), [2, 5, 6, 7, 8, 9, 10, 50, 51, 52])
        self.assertEqual(counted.left_out.lines(), [
            "3 listeners left out, not heard of for the longest time, with 3 SYNs, 3 "
            "handshakes completed and 3 refusals: too many to keep (at most 10)"])

    def test_as_many_as_there_is_room_for(self) -> None:
        counted = feed(Listeners(support.schema()), *self.crowd(MOST))
        self.assertEqual((len(counted), counted.left_out.lines()), (MOST, []))

    def test_closed_ones_are_not_left_out(self) -> None:
        counted = Listeners(support.schema())
        for number in range(1, 3 * MOST):
            feed(counted, *self.events_of(number))
            counted.forget(counted.all()[-1])
        self.assertEqual((len(counted), counted.left_out.count), (0, 0))

    def test_of_one_that_is_gone_nothing_is_found(self) -> None:
        """Neither by its id, nor by its address, nor by its connection: it is new."""
        counted = feed(Listeners(support.schema()), *self.crowd(MOST + 1))
        one = self.listener(1)
        accepted = counted.feed(one.accepted(2, 4000, 1 + (1 << 20)))
        assert accepted is not None
        self.assertEqual((accepted.accepted, accepted.completed, accepted.number),
                         (1, 0, MOST + 2))
        again = counted.feed(one.syn(3, 4002))
        self.assertIs(again, accepted)
        self.assertEqual((accepted.cookie, accepted.syns), (1, 1))

    def test_memory_has_a_bound(self) -> None:
        """Of what is beside the addresses and children that are remembered, too."""
        with mock.patch.object(listeners, "REMEMBERED", 20), \
                mock.patch.object(synflood, "FOLLOWED", 40), \
                mock.patch.object(synflood, "COUNTED_SOURCES", 40):
            watch = FloodWatch(support.schema())
            feed(watch, *self.crowd(100))
            late = self.crowd(2000, first=200)
            gc.collect()
            tracemalloc.start()
            feed(watch, *late)
            address.cache_clear()
            gc.collect()  # Python keeps freed tuples for itself
            grown, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        self.assertLess(grown, 500_000, "bytes for 2000 listeners")
        self.assertEqual(len(watch.pressures()), MOST)


class Floods(Crowd):
    """What a flood is known by has a bound for all listeners together."""

    def waiting(self, number: int, count: int) -> list[Event]:
        return [event for n in range(count) for event in self.listener(number).queued(
            n / 1000 + number, 4000 + n, number << 20 | n, peer=address_of(n))]

    def seen(self, watch: FloodWatch, end_s: float = 30) -> list[tuple[int, int, int]]:
        end_ns = self.scene.start_ns + round(end_s * SECOND)
        return [(one.unanswered, one.sources, one.syns_of_others)
                for one in (evidence_of(pressure, end_ns)
                            for pressure in watch.pressures())]

    def test_requests(self) -> None:
        with mock.patch.object(synflood, "FOLLOWED", 100):
            watch = feed(FloodWatch(support.schema()), *self.waiting(1, 90),
                         *self.waiting(2, 90))
            followed = [len(one.pending) for one in watch.pressures()]
        self.assertLessEqual(sum(followed), 100)
        self.assertEqual(followed[1], 90, "the oldest go, whoever's they are")
        self.assertEqual(self.seen(watch), [(90, 90, 0), (90, 90, 0)],
                         "nothing of the count is lost")

    def test_requests_that_ended_make_room(self) -> None:
        """They are not searched for each time, and nothing goes before its time."""
        one = self.listener(1)
        events = []
        for n in range(500):
            events += [*one.queued(n, 4000, 9 + n), one.completed(n, 4000, 9 + n)]
        with mock.patch.object(synflood, "FOLLOWED", 100), \
                mock.patch.object(heapq, "nsmallest", wraps=heapq.nsmallest) as search:
            watch = feed(FloodWatch(support.schema()), *events)
        self.assertLess(search.call_count, 10)
        self.assertEqual(watch.pressures()[0].answered, 500)
        self.assertEqual(watch.pressures()[0].unanswered, 0)

    def test_sources(self) -> None:
        with mock.patch.object(synflood, "COUNTED_SOURCES", 100):
            watch = feed(FloodWatch(support.schema()), *self.waiting(1, 90),
                         *self.waiting(2, 90))
            self.assertEqual(self.seen(watch), [(90, 90, 0), (90, 10, 80)])
            feed(watch, *self.crowd(MOST - 1, first=50), *self.waiting(3, 90))
        self.assertEqual(self.seen(watch)[-1][1:], (90, 0),
                         "a listener that goes makes room for addresses")


class Told(Crowd):
    """Every view that keeps listeners says how many it does not."""

    WORDS = ("15 listeners left out, not heard of for the longest time, with 15 SYNs, 15 "
             "handshakes completed and 15 refusals: too many to keep (at most 10)")

    def setUp(self) -> None:
        super().setUp()
        self.events = self.crowd(MOST + 15)

    def views(self) -> Iterator[tuple[Any, Any]]:
        for view, module in ((Handshakes, handshakes_text), (FloodWatch, synflood_text),
                             (Explained, explain_text)):
            yield view(support.schema()), module

    def test_for_people_and_for_programs(self) -> None:
        for view, module in self.views():
            with self.subTest(module.__name__):
                feed(view, *self.events)
                as_text = module.as_text
                self.assertIn(self.WORDS, list(as_text(view, None)))
                told = json.loads("".join(json_pieces(module.as_json(view, None))))
                self.assertEqual(told["listeners_forgotten"], 15)

    def test_nothing_where_all_are_kept(self) -> None:
        for view, module in self.views():
            with self.subTest(module.__name__):
                feed(view, *self.crowd(MOST))
                as_text = module.as_text
                self.assertNotIn("left out", "\n".join(as_text(view, None)))

    def test_report(self) -> None:
        self.assertIn(self.WORDS + ".", page(*self.events).of("li"))

    def test_top(self) -> None:
        top = Top(support.schema())
        for event in self.events:
            top.see(event)
        frame = top.end_interval(self.scene.start_ns + SECOND)
        choice = Choice(by=LISTENERS)
        self.assertIn("15 listeners left out: too many to keep",
                      plain(frame, choice, None))
        self.assertEqual(top_json.as_json(frame, choice, top.gaps)[
            "listeners_forgotten"], 15)

    def test_top_remembers_no_closed_ones_that_it_does_not_know(self) -> None:
        top = Top(support.schema())
        for number in range(5 * MOST):
            top.see(self.scene.event("state", 0, cookie=number + 1,
                                     old_state=support.LISTEN, state=support.CLOSED))
        self.assertEqual(top._closed, set())

    def test_metrics(self) -> None:
        self.assertEqual(metrics_of(*self.events)["listeners_not_shown_total"], 15)
        self.assertEqual(metrics_of(*self.crowd(MOST))["listeners_not_shown_total"], 0)
        text = "\n".join(feed(Metrics(support.schema()), *self.events).text())
        self.assertIn("beyond the 10 last heard of", text)


class ClosedPorts(unittest.TestCase):
    """Ports where nobody listens, of which a scan makes any number."""

    def explained(self, *ends: tuple[int, int]) -> Explained:
        scene = Scene()
        with mock.patch.object(rules_on_ports, "MOST_PORTS", 20):
            return feed(Explained(support.schema()), *(
                scene.event("reset_sent", n * SECOND, cookie=0, seg_flags=SYN,
                            local_addr=ip(address_of(host)), local_port=port,
                            remote_addr=ip("10.0.0.1"), remote_port=7)
                for n, (host, port) in enumerate(ends)))

    def test_more_ports_than_are_kept(self) -> None:
        explained = self.explained(*((1, port) for port in range(1, 31)))
        with mock.patch.object(rules_on_ports, "MOST_PORTS", 20):
            lines = list(explain_text.as_text(explained, None))
            told = json.loads("".join(json_pieces(explain_text.as_json(explained, None))))
        self.assertEqual(lines[0], "10 SYNs for more closed ports left out: too many "
                         "ports to keep (at most 20)")
        self.assertEqual(told["closed_port_syns_left_out"], 10)
        self.assertIn("connects to at least 20 ports of 10.0.0.1 were refused at least "
                      "20 times", told["reports"][0]["findings"][0]["sentence"])

    def test_more_addresses_than_are_kept(self) -> None:
        explained = self.explained(*((host, 9) for host in range(1, 31)))
        self.assertEqual(len(explained._ports._ports), 20)
        self.assertEqual(explained.closed_port_syns_left_out, 10)


if __name__ == "__main__":
    unittest.main()
