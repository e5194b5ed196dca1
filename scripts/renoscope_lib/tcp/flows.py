# SPDX-License-Identifier: GPL-2.0
"""Which connection an event belongs to, where the event alone cannot say.

Some events come before the kernel has finished naming the connection:

 - CLOSED -> SYN-SENT comes before connect() has chosen the local port and the
   ISN.  The next event of the same cookie knows both.
 - LISTEN -> SYN-RECEIVED is a child just cloned from its listener: it has the
   listener's cookie and no peer.  The kernel finishes it on the same CPU, sets
   its congestion state and goes on to SYN-RECEIVED -> something, with Fast Open
   much later; the first event of these names the child.

And the last ones, from CLOSED on, may come after it has taken an end away again,
as when a connect() fails; earlier events of the same cookie knew it.

A cookie is a socket's, which may have several connections one after another:
turns.py tells of which of them an event is.

Joiner remembers who is who, and holds an early event, and whatever comes after
it, until the missing part has come.  Order never changes.  A view of something
live must not wait for ever: then the joiner is given a longest time to hold.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator
from typing import Any

from ..ring.schema import LOST, OWN_KINDS, Event, Schema
from ..words import is_unset
from .kept import remember
from .tcp_states import CLOSED, ESTABLISHED, LISTEN, SYN_RECEIVED, SYN_SENT
from .turns import ENDPOINTS, NO_ENDS, PACKED_ENDS, Turns, begins, packed_ends

# The longest queue behind one unfinished event; bounds memory in any case.
HOLD_EVENTS = 200_000

# Connections remembered at once, the latest ones.
REMEMBERED = 200_000

IDENTITY = ("cookie", "family", "local_addr", "local_port", "remote_addr",
            "remote_port", "snd_isn", "rcv_isn")
CHOSEN_AT_CONNECT = ("local_addr", "local_port", "snd_isn")


@dataclasses.dataclass
class _Held:
    event: Event
    waits: bool = False


def _is_set(value: object) -> bool:
    return not is_unset(value) if isinstance(value, bytes) else bool(value)


def _unpacked_ends(packed: bytes) -> dict[str, Any]:
    return dict(zip(ENDPOINTS, PACKED_ENDS.unpack(packed)))


def filled_from(event: Event, other: Event | dict[str, Any],
                names: tuple[str, ...]) -> Event:
    """The event with what it does not know taken from another one."""
    new = {name: other[name] for name in names
           if other[name] != event[name] and _is_set(other[name])}
    return dataclasses.replace(event, values=event.values | new,
                               filled=event.filled | new.keys())


def is_lost(event: Event) -> bool:
    """Whether it tells of events that nobody will see."""
    return event.kind == LOST


def is_of_recording(event: Event) -> bool:
    """Whether it is of no connection: a mark, or a loss."""
    return event.kind in OWN_KINDS


Ends = tuple[int, bytes, int, bytes, int]


def ends_of(event: Event) -> Ends:
    """Namespace and both ends: what a segment without an id is known by."""
    return (event["netns"], event["local_addr"], event["local_port"],
            event["remote_addr"], event["remote_port"])


def is_fast_open(schema: Schema, event: Event) -> bool:
    """Whether its connection was opened with Fast Open, and data in the SYN."""
    return "fastopen" in schema.bit_names("sock_flags", event["sock_flags"])


def is_passive(schema: Schema, event: Event) -> bool:
    """Whether its connection was opened by the peer."""
    return "passive" in schema.bit_names("sock_flags", event["sock_flags"])


def scales_windows(schema: Schema, event: Event) -> bool:
    """Whether both ends of its connection scale their windows (RFC 7323)."""
    return "wscale" in schema.bit_names("sock_flags", event["sock_flags"])


def is_restored(schema: Schema, event: Event) -> bool:
    """Whether the connection begins without a handshake, by TCP_REPAIR.

    connect() then leaves SYN-SENT itself (tcp_connect()), and nothing was
    acknowledged; a SYN-ACK acknowledges the SYN.
    """
    return (event.kind == "state"
            and schema.name_of("state", event["old_state"]) == SYN_SENT
            and schema.name_of("state", event["state"]) == ESTABLISHED
            and event["snd_una"] == event["snd_isn"])


def sent_no_syn(schema: Schema, event: Event) -> bool:
    """Whether a connect() is over that never sent a SYN.

    tcp_v4_connect() enters SYN-SENT before it looks for a port and a route, and
    tcp_connect() sets the numbers just before it sends.
    """
    return (event.kind == "state"
            and schema.name_of("state", event["old_state"]) == SYN_SENT
            and schema.name_of("state", event["state"]) == CLOSED
            and not event["snd_isn"])


def is_mptcp(schema: Schema, event: Event) -> bool:
    """Whether its connection is a subflow of MPTCP."""
    return "mptcp" in schema.bit_names("sock_flags", event["sock_flags"])


def uses_ecn(schema: Schema, event: Event) -> bool:
    """Whether both ends of its connection agreed on ECN."""
    return "ecn" in schema.bit_names("sock_flags", event["sock_flags"])


def is_cwnd_limited(schema: Schema, event: Event) -> bool:
    """Whether its sender had more to send than cwnd let it, in the last round trip."""
    return "cwnd_limited" in schema.bit_names("sock_flags", event["sock_flags"])


class StateNames:
    """What state events say, in words."""

    def __init__(self, schema: Schema) -> None:
        self._names = schema.values.get("state", {})

    def name_of(self, event: Event) -> str:
        """The state an event shows."""
        return self._names.get(event["state"], "?")

    def change(self, event: Event) -> tuple[str, str] | None:
        """(old, new) of a state event, None of any other."""
        if event.kind != "state":
            return None
        return (self._names.get(event["old_state"], "?"),
                self._names.get(event["state"], "?"))


def _may_be_child(newborn: Event, later: Event) -> bool:
    """Whether the later event can be of the child that the listener got."""
    if (newborn["netns"], newborn["local_port"]) != (later["netns"],
                                                     later["local_port"]):
        return False
    return (newborn["local_addr"] == later["local_addr"]
            or is_unset(newborn["local_addr"]))


class Joiner:
    """Events in, the same events in the same order out, completed."""

    def __init__(self, schema: Schema, hold_ns: int | None = None) -> None:
        self._states = StateNames(schema)
        self._hold_ns = hold_ns
        self._queue: deque[_Held] = deque()
        self._connecting: dict[int, _Held] = {}
        self._newborn: dict[int, _Held] = {}
        self._known: dict[int, bytes] = {}
        self._turns = Turns(schema)

    def feed(self, event: Event) -> Iterator[Event]:
        """One event more; yields those that are complete by now."""
        self._complete_earlier(event)
        held = _Held(self._with_known_endpoints(event))
        self._see_whether_it_waits(held)
        self._queue.append(held)
        while self._queue and self._may_go(event):
            yield self._pop()

    @property
    def is_idle(self) -> bool:
        """Whether it holds nothing back and waits for nothing."""
        return not (self._queue or self._connecting or self._newborn)

    def knows(self, cookie: int, packed_ends: bytes) -> bool:
        """Whether these are the ends it remembers: then there is nothing to fill."""
        return self._known.get(cookie) == packed_ends

    def flush(self) -> Iterator[Event]:
        """Everything held, complete or not."""
        while self._queue:
            yield self._pop()

    def _complete_earlier(self, event: Event) -> None:
        if is_lost(event):
            self._give_up(self._newborn.pop(event["cpu"], None))
            return
        change = self._states.change(event)
        newborn = self._newborn.get(event["cpu"])
        if (newborn is not None and self._is_of_a_child(event, change)
                and _may_be_child(newborn.event, event)):
            self._adopt(self._newborn.pop(event["cpu"]), event)
        connecting = self._connecting.pop(event["cookie"], None)
        if connecting is not None:
            connecting.event = filled_from(connecting.event, event,
                                           CHOSEN_AT_CONNECT)
            connecting.waits = False

    def _with_known_endpoints(self, event: Event) -> Event:
        """The event with its turn, and the ends that an earlier one of that had."""
        cookie = event["cookie"]
        if not cookie or is_lost(event):
            return event
        change = self._states.change(event)
        if begins(change) and cookie in self._known:
            self._turns.next(cookie, self._known.pop(cookie))
        turn = self._turns.now(cookie)
        event.turn = turn and self._turns.of(event, self._known.get(cookie, NO_ENDS))
        if change == (CLOSED, SYN_SENT):
            # the port of an earlier attempt is not this one's
            remember(self._known, cookie, packed_ends(event, local_port=0), REMEMBERED)
        elif event["local_port"]:
            if event.turn == turn:
                remember(self._known, cookie, packed_ends(event), REMEMBERED)
        elif self._known.get(cookie):
            event = filled_from(event, _unpacked_ends(self._known[cookie]),
                                ENDPOINTS)
        if event.kind == "destroy" and not turn:
            self._known.pop(cookie, None)
        return event

    def _adopt(self, newborn: _Held, child: Event) -> None:
        listener = newborn.event["cookie"]
        newborn.event = filled_from(newborn.event, child, IDENTITY)
        newborn.event.turn = self._turns.now(child["cookie"])
        newborn.event.listener = listener
        newborn.waits = False

    def _is_of_a_child(self, event: Event,
                       change: tuple[str, str] | None) -> bool:
        """Whether it is the first that a cloned socket tells of itself."""
        if change is not None:
            return change[0] == SYN_RECEIVED
        return event.kind == "ca_state" and self._states.name_of(event) == SYN_RECEIVED

    def _see_whether_it_waits(self, held: _Held) -> None:
        change = self._states.change(held.event)
        if change == (LISTEN, SYN_RECEIVED):
            self._give_up(self._newborn.get(held.event["cpu"]))
            self._newborn[held.event["cpu"]] = held
        elif (change == (CLOSED, SYN_SENT)
              and not held.event["snd_isn"] and held.event["cookie"]):
            self._connecting[held.event["cookie"]] = held
        else:
            return
        held.waits = True

    @staticmethod
    def _give_up(held: _Held | None) -> None:
        if held is not None:
            held.waits = False

    def _may_go(self, newest: Event) -> bool:
        head = self._queue[0]
        if not head.waits or len(self._queue) > HOLD_EVENTS:
            return True
        # a lost event is timed by when it was told, not by when it was lost
        if self._hold_ns is None or is_lost(newest):
            return False
        return newest["time_ns"] - head.event["time_ns"] > self._hold_ns

    def _pop(self) -> Event:
        held = self._queue.popleft()
        if held.waits:
            self._forget(held)
        return held.event

    def _forget(self, held: _Held) -> None:
        for waiting, key in ((self._connecting, held.event["cookie"]),
                             (self._newborn, held.event["cpu"])):
            if waiting.get(key) is held:
                del waiting[key]
