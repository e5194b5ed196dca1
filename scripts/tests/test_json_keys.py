# SPDX-License-Identifier: GPL-2.0
"""What the views give to programs is described, key by key: Documentation/json.rst."""

import json
import re
import unittest
from collections.abc import Iterator
from typing import Any

from renoscope_lib.output.json_pieces import json_pieces
from renoscope_lib.ring.schema import Event
from renoscope_lib.top import top_json
from renoscope_lib.top.table import LISTENERS, Choice
from renoscope_lib.top.top import Top
from renoscope_lib.views import (handshakes_text, losses_text, states_text, synflood_text,
                                 windows_text)
from renoscope_lib.views.handshakes import Handshakes
from renoscope_lib.views.losses import Losses
from renoscope_lib.views.states import States
from renoscope_lib.views.synflood import FloodWatch
from renoscope_lib.views.windows import Windows

from . import support
from .explain_scene import Life
from .handshake_scene import EXPIRED, ListenerScene
from .support import feed, number_of

VIEWS = ((Handshakes, handshakes_text), (States, states_text),
         (Losses, losses_text), (Windows, windows_text))

# Keys that are words of what is counted: an outcome, a state, a reason.
COUNTED_BY = ("summary", "counts", "request_endings", "refused_syns",
              "refused_last_acks", "cookies_checked")


def keys_of(value: Any) -> Iterator[str]:
    """Of objects in objects, too."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            if key not in COUNTED_BY:
                yield from keys_of(part)
    elif isinstance(value, list):
        for part in value:
            yield from keys_of(part)


def events() -> list[Event]:
    """Something of all that these views tell."""
    at = ListenerScene()
    life = Life(at.scene)
    return [
        *at.queued(0, 1000, 0x200), at.again(1, 1000, 0x200, 0, 0),
        at.request_end(9, 1000, 0x200, EXPIRED),
        *life.opens(10), life.timeout(12, 1), life.again(12, "rto", "Loss"),
        life.turn(13, "Loss", "Open"), life.window(14, "closed"),
        life.event("probe", 15, rto_us=240_000,
                   probe_cause=number_of("probe_cause", "zero_window")),
        life.window(16, "opened"), *life.closes(17)]


def keys_by_view() -> dict[str, set[str]]:
    """Of each view's JSON."""
    told = {}
    for view, text in VIEWS:
        seen = feed(view(support.schema()), *events())
        told[view.__name__] = set(keys_of(json.loads("".join(json_pieces(
            text.as_json(seen, None))))))
    return told


class OneName(unittest.TestCase):
    """What several views tell of, each calls the same: top, and those of a recording."""

    def setUp(self) -> None:
        seen = events()
        schema = support.schema()
        handshakes = feed(Handshakes(schema), *seen)
        flood = feed(FloodWatch(schema), *seen)
        self.states = states_text.as_json(feed(States(schema), *seen), None)
        self.losses = losses_text.as_json(feed(Losses(schema), *seen), None)
        top = Top(schema)
        for event in seen:
            top.see(event)
        frame = top.end_interval(seen[-1]["time_ns"] + 1)
        self.top = top_json.as_json(frame, Choice(), top.gaps)
        self.listeners = [*handshakes_text.as_json(handshakes, None)["listeners"],
                          *synflood_text.as_json(flood, None)["listeners"],
                          *top_json.as_json(frame, Choice(LISTENERS, "half-open"),
                                            top.gaps)["listeners"]]

    def test_a_listener_and_its_queues(self) -> None:
        self.assertEqual(len(self.listeners), 3)
        told = [({key: one[key] for key in ("listener", "netns", "local")},
                 {key: one.get("evidence", one)[key] for key in ("half_open", "accept_queue")})
                for one in self.listeners]
        self.assertEqual(told[1:], told[:1] * 2)
        self.assertEqual(set(told[0][1]["half_open"]), {"now", "peak", "limit"})

    def test_sent_again(self) -> None:
        in_top, = (one for one in self.top["connections"] if one["last_cause"] == "rto")
        in_losses, = (one for one in self.losses["connections"]
                      if one["connection"] == in_top["connection"])
        self.assertEqual(in_top["segments_sent_again_seen"],
                         in_losses["segments_sent_again"])
        handshakes, _, top = self.listeners
        self.assertEqual(top["seen"]["synacks_sent_again"],
                         handshakes["synacks_sent_again"])

    def test_what_is_told_of_a_connection(self) -> None:
        """What both have a key for they say alike."""
        in_top = {one["connection"]: one for one in self.top["connections"]}
        both = [(one, in_top[one["connection"]]) for one in self.states["connections"]
                if one["connection"] in in_top]
        self.assertTrue(both)
        for one, other in both:
            common = set(one) & set(other)
            self.assertLessEqual({"family", "local", "netns", "remote", "state",
                                  "may_have_ended"}, common)
            self.assertEqual({key: one[key] for key in common},
                             {key: other[key] for key in common})

    def test_states(self) -> None:
        """In counts as in each connection."""
        for counts in (self.states["counts"], self.top["counts"]):
            self.assertLessEqual(set(counts), set(support.schema().values["state"].values()))


class Described(unittest.TestCase):
    def setUp(self) -> None:
        self.page = (support.SCRIPTS.parent / "Documentation/json.rst").read_text()

    def test_every_key_is(self) -> None:
        for view, keys in keys_by_view().items():
            with self.subTest(view):
                self.assertEqual(sorted(
                    key for key in keys if f"``{key}``" not in self.page), [])

    def test_no_key_is_that_no_view_has(self) -> None:
        described = set(re.findall(r"^``(\w+)``  ", self.page, re.MULTILINE))
        self.assertEqual(described - set().union(*keys_by_view().values()), set())
