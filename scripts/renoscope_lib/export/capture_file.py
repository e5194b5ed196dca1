# SPDX-License-Identifier: GPL-2.0
"""A recording as a capture that Wireshark reads: segments, and why they came.

Each segment event becomes a packet (packets.py) with comments: where its connection
stood, and what else was recorded of it.  What is about a segment that has just
passed (sent again, refused, the RST that it provoked) stands with that one; anything
else with the connection's next.  So packets are held back for a few events.

Each network namespace is an interface of its own: with both ends in a recording,
each segment of theirs is there twice, as two captures would have it.  On loopback
within one namespace it is there once, as a capture has it, and the receiver's
comments stand with the sender's.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..ring.schema import Event, Schema
from ..tcp.flows import ends_of
from ..tcp.namespace_words import Namespaces
from ..tcp.packets import packet_of
from ..tcp.segments import has_segment, is_received
from ..tcp.turns import ENDPOINTS
from ..tcp.wanted import ChoiceSeen, Filter
from ..views.gaps import Gaps
from ..views.show import Clock, LineWriter
from ..words import connection, plural
from .pcapng import PcapngWriter

# Events that a packet waits for what comes of it.
HELD_EVENTS = 256

# Comments of a packet, and connections whose comments wait for one.
MOST_COMMENTS = 16
MOST_WAITING = 100_000
MOST_INTERFACES = 4096
ENDS_REMEMBERED = 10_000

# It says of the segment what the packet itself shows.
SILENT_KIND = "ack"

# Of these the segment is one from before; what they do comes next.
BEFORE_KINDS = ("rto", "probe")

SAME_SEGMENT = ("seg_seq", "seg_ack", "seg_len", "seg_flags", "seg_window",
                "tsval", "tsecr")

Key = tuple[Any, ...]


@dataclass
class _Held:
    """A packet that may still get comments."""

    event: Event
    number: int
    comments: list[str] = field(default_factory=list)
    left_out: int = 0

    def add(self, comment: str) -> None:
        """One more, or one more that is only counted."""
        if len(self.comments) < MOST_COMMENTS:
            self.comments.append(comment)
        else:
            self.left_out += 1

    def all_comments(self) -> list[str]:
        """What the packet is given."""
        more = [f"and {self.left_out} more"] if self.left_out else []
        return self.comments + more


def _segment_key(event: Event) -> Key:
    return (*ends_of(event), is_received(event), event["seg_seq"])


class CaptureFile:
    """Feed it joined events; finish() at the end."""

    def __init__(self, schema: Schema, wall_offset_ns: int | None, wanted: Filter,
                 netns: int | None, write: Callable[[bytes], None]) -> None:
        self._schema = schema
        self._offset_ns = wall_offset_ns or 0
        self._wanted = wanted
        self._is_choosing = wanted != Filter()
        self._netns = netns
        self._file = PcapngWriter(write)
        self._lines = LineWriter(schema, Clock())
        self._held: deque[_Held] = deque()
        self._latest: dict[Key, _Held] = {}
        self._waiting: OrderedDict[Key, list[str]] = OrderedDict()
        self._of_all: list[str] = []
        self._interfaces: dict[int, int] = {}
        self._wanted_ends: OrderedDict[Key, None] = OrderedDict()
        self._senders: OrderedDict[Key, int] = OrderedDict()
        self._events = 0
        self.gaps = Gaps(schema, ("segment",))
        self.chosen = ChoiceSeen(wanted, schema)
        self.segments = 0
        self.packets = 0
        self.both_ends: set[int] = set()
        self.namespaces = Namespaces(schema, MOST_INTERFACES)

    def begin(self, about: dict[str, Any]) -> None:
        """What stands before all packets; `about` is a recording's META."""
        machine, kernel = (str(about.get(name, "unknown"))
                           for name in ("machine", "kernel"))
        self._file.begin(machine, f"Linux {kernel}", "renoscope")

    def feed(self, event: Event) -> None:
        """The next event."""
        self._events += 1
        is_of_all = self.gaps.takes(event)
        self.chosen.see(event)
        if is_of_all:
            self._add_to(self._of_all, self._lines.line(event).strip(" -*"))
        elif self._netns is not None and event["netns"] != self._netns:
            self._lines.note(event)
        elif event.kind == "segment":
            self._segment(event)
        else:
            self._other(event)
        while self._held and self._held[0].number + HELD_EVENTS < self._events:
            self._let_go()

    def flush(self) -> None:
        """Nothing comes for a moment, or ever: let all go."""
        while self._held:
            self._let_go()

    def finish(self) -> None:
        """What waited for a next packet that did not come stands with the last."""
        lasts = {self._connection(held.event): held for held in self._held}
        for key, comments in self._waiting.items():
            for comment in comments:
                if key in lasts:
                    lasts[key].add(f"after this: {comment}")
        if self._held:
            for comment in self._of_all:
                self._held[-1].add(f"after this: {comment}")
        self.flush()

    # ---- events in

    @staticmethod
    def _connection(event: Event) -> Key:
        return (event["cookie"],) if event["cookie"] else ends_of(event)

    def _segment(self, event: Event) -> None:
        self.segments += 1
        if self._is_choosing and event["cookie"] and self._wanted.chooses(event):
            self._remember(self._wanted_ends, ends_of(event), None)
        twin = self._twin(event)
        if twin is not None:
            twin.add(f"received here too, by {self._stood(event)}")
            held = twin
        else:
            held = _Held(event, self._events)
            held.add(self._stood(event))
            self._held.append(held)
        self._latest[_segment_key(event)] = held
        for comment in self._waiting.pop(self._connection(event), []):
            held.add(comment)
        for comment in self._of_all:
            held.add(comment)
        self._of_all.clear()

    def _twin(self, event: Event) -> _Held | None:
        """The same segment as its sender in this namespace sent it."""
        if not is_received(event):
            return None
        held = self._latest.get((
            event["netns"], event["remote_addr"], event["remote_port"],
            event["local_addr"], event["local_port"], False, event["seg_seq"]))
        if held is None or any(held.event[name] != event[name]
                               for name in SAME_SEGMENT):
            return None
        return held

    def _other(self, event: Event) -> None:
        if event.kind == SILENT_KIND:
            self._lines.note(event)
            return
        comment = self._lines.what(event)
        held = None
        if has_segment(event) and event.kind not in BEFORE_KINDS:
            held = self._latest.get(_segment_key(event))
        if held is not None:
            held.add(comment)
            return
        key = self._connection(event)
        if key not in self._waiting:
            self._remember(self._waiting, key, [], MOST_WAITING)
        self._add_to(self._waiting[key], comment)

    @staticmethod
    def _add_to(comments: list[str], comment: str) -> None:
        if len(comments) < MOST_COMMENTS:
            comments.append(comment)

    @staticmethod
    def _remember(kept: OrderedDict[Key, Any], key: Key, value: Any,
                  most: int = ENDS_REMEMBERED) -> None:
        """The latest ones only."""
        kept[key] = value
        if len(kept) > most:
            kept.popitem(last=False)

    def _stood(self, event: Event) -> str:
        """Whose it is, and where that stood."""
        if not event["cookie"]:
            return f"{connection(0)}: of no connection, or of none yet"
        state, ca_state = (self._schema.name_of(name, event[name])
                           for name in ("state", "ca_state"))
        stood = self._lines.where_it_stood(event)
        ca = "" if " ca=" in stood else f" ca={ca_state}"
        return f"{connection(event['cookie'])} in {state}: {stood}{ca}"

    # ---- packets out

    def _is_wanted(self, event: Event) -> bool:
        """A segment without an id belongs to who has its ends."""
        return self._wanted.chooses(event) or ends_of(event) in self._wanted_ends

    def _let_go(self) -> None:
        held = self._held.popleft()
        event = held.event
        for key in (_segment_key(event), self._twin_key(event)):
            if self._latest.get(key) is held:
                del self._latest[key]
        if not self._is_wanted(event):
            return
        packet = packet_of(event)
        for text in packet.notes:
            held.add(text)
        self._note_sender(event)
        self._file.packet(self._interface(event["netns"]),
                          event["time_ns"] + self._offset_ns, packet.headers,
                          packet.original_bytes, not is_received(event),
                          held.all_comments())
        self.packets += 1

    @staticmethod
    def _twin_key(event: Event) -> Key:
        return (event["netns"], event["remote_addr"], event["remote_port"],
                event["local_addr"], event["local_port"], True, event["seg_seq"])

    def _interface(self, netns: int) -> int:
        number = self._interfaces.get(netns)
        if number is None:
            if len(self._interfaces) >= MOST_INTERFACES:
                return 0
            number = self._file.interface(
                f"netns {netns}", f"TCP segments in and out of the network namespace {netns}, "
                "headers rebuilt from renoscope's segment events")
            self._interfaces[netns] = number
        return number

    def _note_sender(self, event: Event) -> None:
        """Whether another namespace has the other end."""
        self.namespaces.see(event)
        ends = tuple(event[name] for name in ENDPOINTS)
        there = self._senders.get((*ends[2:], *ends[:2]))
        if there is not None and there != event["netns"]:
            self.both_ends.update((there, event["netns"]))
        self._remember(self._senders, ends, event["netns"])

    def summary(self) -> str:
        """What came of it, in one line."""
        return (f"{plural(self.packets, 'packet')} of "
                f"{plural(len(self._interfaces), 'network namespace')}")
