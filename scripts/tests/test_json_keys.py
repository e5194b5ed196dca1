# SPDX-License-Identifier: GPL-2.0
"""What the views give to programs is described, key by key: Documentation/json.rst."""

import json
import re
import unittest
from collections.abc import Iterator
from typing import Any

from renoscope_lib import handshakes_text, losses_text, states_text, windows_text
from renoscope_lib.handshakes import Handshakes
from renoscope_lib.json_pieces import json_pieces
from renoscope_lib.losses import Losses
from renoscope_lib.schema import Event
from renoscope_lib.states import States
from renoscope_lib.windows import Windows

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
