# SPDX-License-Identifier: GPL-2.0
"""Requests of each listener that were followed up, and that were not.

What every listener went through is counted here, request by request; flood_evidence.py
makes numbers of it, flood_verdict.py says what they mean, synflood_text.py how they read.
"""

from __future__ import annotations

import heapq
from errno import ETIMEDOUT
from typing import Any

from ..ring.schema import Event, Schema
from ..tcp.fast_open import is_answered
from ..tcp.flows import Ends, StateNames, ends_of, is_fast_open
from ..tcp.kept import remember
from ..tcp.synack_waits import ack_was_deferred
from ..tcp.tcp_states import FIN_WAIT_1
from ..tcp.wanted import Filter
from .flood_evidence import ANSWER_NS, Pending, Pressure
from .gaps import Gaps
from .listeners import HANDSHAKE_KINDS, LeftOut, Listener, Listeners, is_last_ack

# Memory: requests followed at once, and addresses counted, of all listeners together.
# Too many requests go together with this share of the rest: it takes a search.
FOLLOWED = 200_000
COUNTED_SOURCES = 500_000
ROOM_MADE = 20

# A RST is an answer: somebody is there, and the request's place is free again
# (a scan, a health check, or a forged address whose owner exists).  Who was sent no
# SYN-ACK cannot answer it.
NOT_SILENT = ("reset_by_peer", "reset_by_us", "unsent", "joined")

# Without all of these nobody can say what became of a SYN.
DECIDING_KINDS = ("syn", "request", "synack", "completed", "request_end")

# What Fast Open's children tell by.
NEEDED_KINDS = (*HANDSHAKE_KINDS, "state")


class FloodWatch:
    """Feed it events, then ask for each listener's evidence."""

    def __init__(self, schema: Schema, wanted: Filter = Filter()) -> None:
        self._schema = schema
        self._wanted = wanted
        self._listeners = Listeners(schema, forgets=self._forget)
        self._states = StateNames(schema)
        self._pressures: dict[int, Pressure] = {}
        self._of_child: dict[int, int] = {}  # Fast Open's: the listener's number
        self._followed = 0  # at most so many are followed; those that ended are in it
        self._sources = 0
        self.gaps = Gaps(schema, NEEDED_KINDS, loss="the counts are too low")

    def feed(self, event: Event) -> None:
        """The next event."""
        if self.gaps.takes(event):
            return
        listener = self._listeners.feed(event)
        if listener is None:
            self._feed_child(event)
            return
        pressure = self._pressures.get(listener.number)
        if pressure is None:
            pressure = self._pressures[listener.number] = Pressure(listener)
        pressure.growth.see(event["time_ns"], listener.half_open.now)
        take = getattr(self, f"_take_{event.kind}", None)
        if take is not None:
            take(pressure, event)

    def _forget(self, listener: Listener) -> None:
        pressure = self._pressures.pop(listener.number, None)
        if pressure is not None:
            self._sources -= len(pressure.sources)

    @property
    def listeners_left_out(self) -> LeftOut:
        """Those too many to keep."""
        return self._listeners.left_out

    def why_not(self) -> str:
        """Why there can be no verdict; empty if there can be one."""
        if self.gaps.frozen_throughout:
            return "recording was frozen all the time"
        off = [f"`{kind}`" for kind in self.gaps.not_recorded(*DECIDING_KINDS)]
        if not off:
            return ""
        return f"{', '.join(off)} {'was' if len(off) == 1 else 'were'} not recorded"

    def pressures(self) -> list[Pressure]:
        """Each chosen listener's, in the order they were first seen."""
        return [pressure for pressure in self._pressures.values()
                if self._wanted.includes_listener(pressure.listener)]

    def none_seen(self) -> str:
        """What to say where there is no listener, or none that was chosen."""
        why_not = self.why_not()
        if why_not:
            return f"Cannot tell: {why_not}."
        if self._pressures:
            return self._wanted.none_seen(len(self._pressures), "listener")
        return "No SYN reached a listener while this was watched."

    # ---- requests and cookies

    def _source(self, pressure: Pressure, event: Event) -> None:
        pressure.first_syn_ns = pressure.first_syn_ns or event["time_ns"]
        pressure.last_syn_ns = event["time_ns"]
        pressure.syns += 1
        address = event["remote_addr"]
        if address in pressure.sources:
            pressure.sources[address] += 1
        elif self._sources < COUNTED_SOURCES:
            self._sources += 1
            pressure.sources[address] = 1

    def _take_syn(self, pressure: Pressure, event: Event) -> None:
        self._source(pressure, event)

    def _take_request(self, pressure: Pressure, event: Event) -> None:
        if not pressure.listener.syns:
            self._source(pressure, event)
        self._follow(pressure, event["cookie"] or ends_of(event), event["time_ns"])

    def _take_synack(self, pressure: Pressure, event: Event) -> None:
        kind = self._schema.name_of("synack_type", event["synack_type"])
        if kind == "fastopen":
            self._follow_child(pressure, event, event["time_ns"])
        if kind != "cookie":
            return
        if not pressure.listener.syns:
            self._source(pressure, event)
        ends = ends_of(event)
        if ends in pressure.pending:  # its SYN was repeated
            pressure.pending[ends].repeated = True
        else:
            self._follow(pressure, ends, event["time_ns"])

    def _follow(self, pressure: Pressure, key: Any, since_ns: int) -> None:
        pressure.pending[key] = Pending(since_ns)
        self._followed += 1
        if self._followed > FOLLOWED:
            self._make_room()

    def _make_room(self) -> None:
        """Those that wait longest go, whoever's they are, if there are too many."""
        surplus = (sum(len(pressure.pending) for pressure in self._pressures.values())
                   - FOLLOWED + FOLLOWED // ROOM_MADE)
        everyone = ((pending.since_ns, number, key)
                    for number, pressure in self._pressures.items()
                    for key, pending in pressure.pending.items())
        for _, number, key in heapq.nsmallest(surplus, everyone, key=_since):
            self._gone(self._pressures[number], key)
        self._followed = FOLLOWED - FOLLOWED // ROOM_MADE + min(surplus, 0)

    def _take_synack_retransmit(self, pressure: Pressure,
                                event: Event) -> None:
        key = event["cookie"] or ends_of(event)
        if key not in pressure.pending:  # queued before watching began
            since_ns = event["time_ns"] - event["since_synack_us"] * 1000
            if event.values.get("listener", 1):
                self._follow(pressure, key, since_ns)
            else:  # Fast Open's child sends it itself
                self._follow_child(pressure, event, since_ns)
        pending = pressure.pending.get(key)
        if pending is not None:
            pending.again = True
            pending.proven |= ack_was_deferred(event)
            pending.repeated |= not event["by_timer"]

    def _take_refused(self, pressure: Pressure, event: Event) -> None:
        if not is_last_ack(event):
            return
        pending = self._pending(pressure, event)
        if pending is not None:
            pending.proven = True

    @staticmethod
    def _pending(pressure: Pressure, event: Event) -> Pending | None:
        for key in (event["cookie"], ends_of(event)):
            if key in pressure.pending:
                return pressure.pending[key]
        return None

    def _take_completed(self, pressure: Pressure, event: Event) -> None:
        """By a Fast Open child it comes before any answer."""
        if event["cookie"] in self._of_child:
            return
        if is_fast_open(self._schema, event):
            self._follow_child(pressure, event, event["time_ns"])
            return
        self._answered(pressure, event["cookie"], ends_of(event))

    def _take_cookie_checked(self, pressure: Pressure, event: Event) -> None:
        """A valid one counts by its `completed`.

        Refused is also a second check, of the client's next segment, while the first
        still makes the connection: its `completed` comes later.
        """
        verdict = self._schema.name_of("cookie_verdict",
                                       event["cookie_verdict"])
        pending = self._pending(pressure, event)
        if verdict == "valid_refused" and pending is not None:
            pending.proven = True

    @staticmethod
    def _answered(pressure: Pressure, *keys: int | Ends) -> None:
        for key in keys:
            pressure.pending.pop(key, None)
        pressure.answered += 1

    def _take_request_end(self, pressure: Pressure, event: Event) -> None:
        ending = self._schema.name_of("request_ending",
                                      event["request_ending"])
        key = event["cookie"] or ends_of(event)
        if ending == "listener_gone":
            self._left_behind(pressure, key, event["time_ns"])
        elif ending in NOT_SILENT:
            pressure.pending.pop(key, None)
        elif key in pressure.pending:
            pressure.pending[key].proven |= ack_was_deferred(event)
            self._gone(pressure, key)
        else:
            pressure.unanswered += 1

    def _left_behind(self, pressure: Pressure, key: Any, now_ns: int) -> None:
        """Its listener was closed: it had its time to answer, or nobody can say."""
        pending = pressure.pending.get(key)
        if (pending is not None and now_ns - pending.since_ns >= ANSWER_NS
                and not pending.cannot_tell):
            self._gone(pressure, key)
        else:
            pressure.pending.pop(key, None)

    # ---- Fast Open's children

    def _follow_child(self, pressure: Pressure, event: Event, since_ns: int) -> None:
        """It is in no half-open queue; its state tells who answered, or nothing does."""
        remember(self._of_child, event["cookie"], pressure.listener.number, FOLLOWED)
        if self.gaps.not_recorded("state"):
            return
        self._follow(pressure, event["cookie"], since_ns)
        pressure.pending[event["cookie"]].fast_open = True

    def _feed_child(self, event: Event) -> None:
        pressure = self._pressures.get(self._of_child.get(event["cookie"], 0))
        if pressure is None:
            return
        if event.kind == "state":
            self._child_changes(pressure, event)
        elif event.kind == "error":
            pressure.expired += event["sk_error"] == ETIMEDOUT
        elif event.kind == "reset_received":
            if event["cookie"] in pressure.pending:
                pressure.pending[event["cookie"]].reset = True
        elif event.kind == "destroy":
            self._left_behind(pressure, event["cookie"], event["time_ns"])
            self._of_child.pop(event["cookie"])

    def _child_changes(self, pressure: Pressure, event: Event) -> None:
        pending = pressure.pending.get(event["cookie"])
        change = self._states.change(event)
        if pending is None or change is None:
            return
        answered = is_answered(event, *change)
        if answered:
            self._answered(pressure, event["cookie"])
        elif answered is None:
            pending.closed_early |= change[1] == FIN_WAIT_1
        elif pending.reset:
            pressure.resets += 1
            del pressure.pending[event["cookie"]]
        else:
            self._left_behind(pressure, event["cookie"], event["time_ns"])

    @staticmethod
    def _gone(pressure: Pressure, key: Any) -> None:
        pending = pressure.pending.pop(key)
        if pending.proven:
            pressure.answered += 1
            pressure.proven += 1
            return
        pressure.unanswered += 1
        pressure.repeated += pending.repeated


def _since(waiting: tuple[int, int, Any]) -> int:
    return waiting[0]
