# SPDX-License-Identifier: GPL-2.0
"""What --json gives to programs is described, key by key: Documentation/json.rst."""

import contextlib
import errno
import functools
import io
import json
import re
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from renoscope_lib.cli import main
from renoscope_lib.command_table import commands
from renoscope_lib.ring.schema import Event
from renoscope_lib.top import top_json
from renoscope_lib.top.table import LISTENERS, Choice
from renoscope_lib.top.top import Top
from renoscope_lib.views import handshakes_text, losses_text, states_text, synflood_text
from renoscope_lib.views.handshakes import Handshakes
from renoscope_lib.views.losses import Losses
from renoscope_lib.views.states import States
from renoscope_lib.views.synflood import FloodWatch

from . import support
from .explain_scene import ISN, MSS, Life
from .handshake_scene import ACCEPT_FULL, EXPIRED, ListenerScene
from .support import ACK, MS, PSH, SECOND, SYN, Scene, feed, number_of

# Of these what they tell differs with the options.
WORDS = {"flow": (("sk:5",), ()), "top": ((), ("--by", "listener")),
         "states": ((), ("--counts",))}

# Events one by one, and what to choose from: no view.
NO_VIEW = ("show", "flow")

# Lists of plain words and numbers, which may be empty.
PLAIN = {"kinds_switched_off", "not_known", "not_seen", "holes", "sock_flags", "still_zero"}

# Keys that are words of what is counted: an outcome, a state, a reason.
COUNTED_BY = ("summary", "counts", "by_severity", "request_endings", "refused_syns",
              "refused_last_acks", "cookies_checked", "refused_by_reason",
              "refused_by_reason_seen")


def keys_of(value: Any) -> Iterator[str]:
    """Of objects in objects, too."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            if key not in COUNTED_BY or isinstance(part, list):
                yield from keys_of(part)
    elif isinstance(value, list):
        for part in value:
            yield from keys_of(part)


def empty_lists(value: Any, name: str = "") -> Iterator[tuple[str, bool]]:
    """Each list by its key, and whether nothing is in it."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from empty_lists(part, key)
    elif isinstance(value, list):
        yield name, not value
        for part in value:
            yield from empty_lists(part, name)


class Kept(Scene):
    """Keeps the records that it makes, for a recording."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    def pack(self, kind: str, at_ns: int = 0, cpu: int = 0, **values: Any) -> bytes:
        """One more."""
        self.records.append(super().pack(kind, at_ns, cpu, **values))
        return self.records[-1]


def events(scene: Scene) -> list[Event]:
    """Something of all that the views tell."""
    at = ListenerScene(scene=scene)
    life = Life(scene)
    syn = {"seg_flags": SYN, "segment_flags": 0x1f, "option_mss": 1460, "tsval": 7,
           "option_wscale": 7, "seg_seq": ISN, "header_words": 10}
    return [
        *at.queued(0, 1000, 0x200), at.again(1, 1000, 0x200, 0, 0),
        at.refused(2, 1001, ACCEPT_FULL),
        at.request_end(9, 1000, 0x200, EXPIRED),
        life.connects(10), life.event("segment", 10.01, "SYN-SENT", **syn),
        life.change(10.04, "SYN-SENT", "ESTABLISHED"),
        life.event("reno_round", 10.5), life.acked(11), life.acked(11.1),
        life.event("segment", 11.5, seg_flags=ACK | PSH, seg_len=MSS, sack_blocks=1,
                   seg_seq=life.snd_nxt, sack1_left=life.rcv_nxt, header_words=8,
                   sack1_right=life.rcv_nxt + MSS, segment_flags=1),
        life.timeout(12, 1), life.again(12, "rto", "Loss", seg_len=MSS),
        life.turn(13, "Loss", "Open"), life.window(14, "closed"),
        life.event("probe", 15, rto_us=240_000,
                   probe_cause=number_of("probe_cause", "zero_window")),
        life.window(16, "opened"), *life.closes(17)]


@functools.cache
def recorded() -> bytes:
    """A recording of the same, and of what else `show` has words for."""
    scene = Kept()
    events(scene)
    scene.pack("state", 18 * SECOND, cookie=1, remote_port=0, local_port=5000,
               old_state=number_of("state", "LISTEN"), state=number_of("state", "SYN-RECEIVED"))
    for at, old, new, port in ((1, "CLOSED", "SYN-SENT", 0), (2, "SYN-SENT", "ESTABLISHED", 9)):
        scene.pack("state", 18 * SECOND + at * MS, cookie=0x300, local_port=port,
                   old_state=number_of("state", old), state=number_of("state", new))
    scene.pack("error", 18 * SECOND + 3 * MS, sk_error=errno.ETIMEDOUT, cookie=0x300)
    scene.pack("mark", 18 * SECOND + 4 * MS, kinds_on=2**60 - 1,
               mark_cause=number_of("mark_cause", "events"))
    scene.pack("lost", 18 * SECOND + 4 * MS, lost_events=1)
    return support.recording(b"".join(scene.records))


def told(command: str, file: Path) -> list[list[Any]]:
    """What a command gives to programs, with each choice of words: its objects."""
    outputs = []
    for words in WORDS.get(command, ((),)):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            main([command, str(file), *words, "--json"])
        lines = said.getvalue().splitlines()
        outputs.append([json.loads("".join(lines))] if lines[0] == "{"
                       else list(map(json.loads, lines)))
    return outputs


@functools.cache
def told_by_command() -> dict[str, list[list[Any]]]:
    """Of every command that has --json."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "all.renoscope")
        file.write_bytes(recorded())
        return {command.name: told(command.name, file) for command in commands()
                if any("--json" in option.spellings for option in command.options)}


class OneName(unittest.TestCase):
    """What several views tell of, each calls the same: top, and those of a recording."""

    def setUp(self) -> None:
        seen = events(Scene())
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
    """A key stands in its command's section, in one that this refers to, or in that of all."""

    def setUp(self) -> None:
        page = (support.SCRIPTS.parent / "Documentation/json.rst").read_text()
        _, *parts = re.split(r"^(.+)\n=+\n", page.partition(":depth: 1")[2], flags=re.MULTILINE)
        self.sections = dict(zip(parts[::2], parts[1::2]))
        self.of_all = self.sections.pop("Of every view")
        self.keys = {command: set(keys_of(outputs))
                     for command, outputs in told_by_command().items()}

    def described(self, section: str) -> str:
        text = self.sections[section]
        others = re.findall(r"\b(\w+)_(?!\w)", text)
        return "".join([self.of_all, text, *(self.sections.get(name, "") for name in others)])

    def test_every_command_has_a_section(self) -> None:
        self.assertEqual(set(self.sections), set(self.keys))

    def test_every_key_is(self) -> None:
        """The record's own fields have a page: events.rst."""
        fields = {field.name for field in support.schema().fields}
        for command, keys in self.keys.items():
            with self.subTest(command):
                text = self.described(command)
                missing = {key for key in keys if f"``{key}``" not in text}
                self.assertEqual(missing - (fields if command == "show" else set()), set())

    def test_no_key_is_that_it_does_not_have(self) -> None:
        """Nor is the recording too poor to show one."""
        for command, text in [*self.sections.items(), ("", self.of_all)]:
            with self.subTest(command):
                keys = self.keys.get(command) or set().union(*self.keys.values())
                rows = re.findall(r"^(``\w+``(?:, ``\w+``)*),?(?:  |$)", text, re.MULTILINE)
                self.assertTrue(rows)
                self.assertEqual(set(re.findall(r"\w+", " ".join(rows))) - keys, set())

    def test_no_list_is_empty_everywhere(self) -> None:
        """Nothing can be seen of what would be in it."""
        for command, outputs in told_by_command().items():
            with self.subTest(command):
                lists = list(empty_lists(outputs))
                self.assertEqual({name for name, _ in lists} - {
                    name for name, is_empty in lists if not is_empty} - PLAIN, set())

    def test_what_is_of_every_view_is(self) -> None:
        for command, outputs in told_by_command().items():
            for one in (one for output in outputs for one in output):
                if command not in NO_VIEW or "rungs" in one:
                    self.assertLessEqual({"first_ns", "end_ns", "lost_events", "notes"}, set(one))
