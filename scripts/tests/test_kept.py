# SPDX-License-Identifier: GPL-2.0
"""The connections that a view keeps: packed without a loss, and bounded."""

import gc
import json
import tracemalloc
import unittest
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from unittest import mock

from renoscope_lib.output.json_pieces import json_pieces
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp import kept
from renoscope_lib.tcp.kept import Kept, Packable
from renoscope_lib.views import losses_text, states_text, windows_text
from renoscope_lib.views.losses import Losses
from renoscope_lib.views.states import States
from renoscope_lib.views.windows import Windows

from . import support
from .support import (ACK, CLOSED, ESTABLISHED, LOSS, MS, OPEN, SECOND,
                      SYN_SENT, Scene, number_of)

CLOSE_WAIT = 8

View = States | Losses | Windows

VIEWS = ((States, states_text), (Losses, losses_text),
         (Windows, windows_text))


@dataclass(slots=True)
class Item(Packable):
    name: str
    over: bool = False
    parts: list[str] = field(default_factory=list)


def kept_of(most: int = 100, unpacked: int = 2) -> Kept[Item]:
    return Kept(lambda item: item.over, most, unpacked)


class Keeping(unittest.TestCase):
    def test_what_was_changed_is_found_again_and_in_order(self) -> None:
        items = kept_of()
        for n in range(9):
            items.add(n, Item(f"item {n}"))
        for n in reversed(range(9)):
            item = items.get(n)
            assert item is not None
            item.parts.append(f"part {n}")
        self.assertEqual(list(items), [Item(f"item {n}", parts=[f"part {n}"])
                                       for n in range(9)])
        self.assertIsNone(items.get(9))

    def test_another_with_the_same_id_takes_its_place(self) -> None:
        items = kept_of()
        for n in range(4):
            items.add(5, Item(f"life {n}"))
            items.add(n + 10, Item("other"))
        self.assertEqual(items.get(5), Item("life 3"))
        self.assertEqual([item.name for item in items if item.name != "other"],
                         [f"life {n}" for n in range(4)])

    def test_those_that_are_over_go_first(self) -> None:
        items = kept_of(most=40)
        for n in range(41):
            items.add(n, Item(f"item {n}", over=n % 2 == 1))
        self.assertEqual([item.name for item in items][:4],
                         ["item 0", "item 2", "item 4", "item 6"])
        self.assertEqual((len(items), items.forgotten, items.forgotten_open),
                         (38, 3, 0))
        self.assertEqual(items.left_out(), [
            "3 earlier connections left out: too many to keep (at most "
            "40)"])

    def test_then_those_not_heard_of_lately(self) -> None:
        items = kept_of(most=40, unpacked=10)
        for n in range(41):
            items.get(0)
            items.add(n, Item(f"item {n}"))
        self.assertEqual([item.name for item in items][:2],
                         ["item 0", "item 4"])
        self.assertEqual((items.forgotten, items.forgotten_open), (3, 3))
        self.assertIn("3 earlier connections left out, 3 of them not over",
                      items.left_out()[0])

    def test_never_more_than_that(self) -> None:
        items = kept_of(most=40)
        for n in range(1000):
            items.add(n, Item("item", over=n % 3 == 0))
            self.assertLessEqual(len(items), 40)
        self.assertEqual(len(items) + items.forgotten, 1000)

    def test_it_takes_little_room(self) -> None:
        events = list(chain(*lives(400)))
        for view_class, _ in VIEWS:
            with self.subTest(view_class.__name__):
                view = view_of(view_class, unpacked=2)
                feed(view, events[:len(events) // 2])
                tracemalloc.start()
                feed(view, events[len(events) // 2:])
                gc.collect()  # Python keeps freed tuples for itself
                grown, _ = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                self.assertLess(grown / 200, 400, "bytes each")


def lives(count: int) -> list[list[Event]]:
    """Connections with a timeout and a zero window, each from begin to end."""
    side = {"window_side": number_of("window_side", "peer"), "seg_flags": ACK}
    turn = {name: number_of("window_change", name) for name in ("closed", "opened")}
    steps = (
        ("state", 0, {"old_state": CLOSED, "state": SYN_SENT}),
        ("state", 100, {"old_state": SYN_SENT}),
        ("ack", 200, {"seg_flags": ACK, "seg_window": 500}),
        ("rto", 300, {"rto_us": 200_000}),
        ("retransmit", 305, {"retransmit_cause": number_of("retransmit_cause", "rto"),
                             "seg_flags": ACK, "seg_len": 1000, "ca_state": LOSS}),
        ("ca_state", 310, {"ca_state": LOSS, "old_ca_state": OPEN}),
        ("ca_state", 400, {"ca_state": OPEN, "old_ca_state": LOSS}),
        ("zero_window", 500, {"window_change": turn["closed"]} | side),
        ("probe", 600, {"probe_cause": number_of("probe_cause", "zero_window")}),
        ("zero_window", 700, {"window_change": turn["opened"],
                              "seg_window": 9} | side),
        ("state", 800, {"old_state": ESTABLISHED, "state": CLOSED}),
        ("destroy", 801, {"state": CLOSED}))
    scene = Scene()
    return [[scene.event(kind, at_ms * MS + n * 1000, **{
        "cookie": n, "local_port": 10_000 + n, "snd_isn": 7 * n, "cwnd": 10,
        "state": ESTABLISHED, "rcv_wnd": n} | values)
        for kind, at_ms, values in steps] for n in range(1, count + 1)]


def feed(view: View, events: Iterable[Event]) -> View:
    for event in events:
        view.feed(event)
    return view


def view_of(view_class: type[View], unpacked: int, most: int = 1000) -> View:
    """A view that keeps so many."""
    with mock.patch.object(Kept.__init__, "__defaults__", (most, unpacked)):
        return view_class(support.schema())


class Views(unittest.TestCase):
    def told(self, module: Any, view: View) -> tuple[str, str]:
        return ("\n".join(module.as_text(view, None)),
                "".join(json_pieces(module.as_json(view, None))))

    def test_packed_or_not_they_tell_the_same(self) -> None:
        together = list(chain(*zip(*lives(50))))
        for view_class, module in VIEWS:
            with self.subTest(view_class.__name__):
                as_they_are = feed(view_of(view_class, 1000), together)
                packed = feed(view_of(view_class, 1), together)
                self.assertEqual(self.told(module, packed),
                                 self.told(module, as_they_are))

    def test_too_many_are_left_out_and_it_is_said(self) -> None:
        for view_class, module in VIEWS:
            with self.subTest(view_class.__name__):
                view = feed(view_of(view_class, 2, most=30), chain(*lives(50)))
                content = json.loads("".join(json_pieces(
                    module.as_json(view, None))))
                self.assertEqual(
                    content["forgotten"] + len(content["connections"]), 50)
                words = ("20 earlier connections left out: too many to keep "
                         "(at most 30)")
                self.assertEqual(list(module.as_text(view, None))[0], words)
        self.assertEqual(states_text.counts_as_text(feed(
            view_of(States, 2, most=30), chain(*lives(50))), None), [
                words, "No connection was open at the end."])

    def test_states_does_not_count_on_those_left_out(self) -> None:
        """They may be open still, and come back with their beginning gone."""
        view = view_of(States, 2, most=20)
        first = [life[:2] for life in lives(22)]
        again = [support.schema().decode(Scene(2000 * SECOND).pack(
            "state", cookie=n, old_state=ESTABLISHED, state=CLOSE_WAIT))
            for n in (1, 2)]
        feed(view, [*chain(*first), *again])
        content = json.loads("".join(json_pieces(states_text.as_json(view, None))))
        self.assertEqual(content["counts"], {"ESTABLISHED": 18, "CLOSE-WAIT": 2})
        self.assertEqual((content["forgotten_open"], content["counts_unsure"]),
                         (4, 4))
        self.assertEqual([life["not_seen"] for life in content["connections"]][-2:],
                         [["its beginning was not seen, or is no longer kept"]] * 2)
        words = ("4 connections left out before the end may be open too, if not "
                 "counted here again.")
        self.assertIn(words, states_text.counts_as_text(view, None))
        self.assertIn(words, list(states_text.as_text(view, None)))

    def test_the_bound_is_what_the_page_says(self) -> None:
        page = (support.SCRIPTS.parent / "Documentation/commands.rst").read_text()
        self.assertIn(f"{kept.MOST} connections", page)


if __name__ == "__main__":
    unittest.main()
