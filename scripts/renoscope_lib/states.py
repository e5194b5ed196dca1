# SPDX-License-Identifier: GPL-2.0
"""Each connection's way through the states of RFC 9293, and the time in each.

The kernel's own state changes tell most of it, but not all:

 - A passive open has no socket before the handshake's last ACK.  Then the kernel
   runs LISTEN -> SYN-RECEIVED -> ESTABLISHED in one go.  SYN-RECEIVED truly began
   when the request entered the half-open queue; the request's id is the child's.
   (A Fast Open child does exist from the SYN on: its changes are true ones.)
 - TIME-WAIT, and FIN-WAIT-2 once no process holds the socket, live on in a small
   sock of their own.  The full socket goes to CLOSED when that takes over, which
   is not the connection's end; time_wait_end is.
 - A FIN that comes with the ACK of ours takes the kernel through FIN-WAIT-2 within
   one segment, where the RFC goes from FIN-WAIT-1 straight to TIME-WAIT.

Why a connection was reset is told by the kernel only from 6.10 on, and only by
whoever sends the RST.  Otherwise it is inferred from what happened around it, and
says so: "(implied)".  What was not seen is called unseen, never guessed.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .flows import StateNames, is_fast_open
from .gaps import Gaps
from .kept import Kept, Packable
from .listeners import AcceptQueues
from .schema import Event, Schema
from .segments import has_segment
from .sequence import ACK, FIN, RST
from .tables import COLUMNS, aligned, note, seconds
from .wanted import Filter
from .words import (connection, duration, local_endpoint, plural,
                    remote_endpoint)

LISTEN, SYN_SENT, SYN_RECEIVED = "LISTEN", "SYN-SENT", "SYN-RECEIVED"
ESTABLISHED, CLOSED = "ESTABLISHED", "CLOSED"
FIN_WAIT_1, FIN_WAIT_2 = "FIN-WAIT-1", "FIN-WAIT-2"
CLOSE_WAIT, CLOSING, LAST_ACK = "CLOSE-WAIT", "CLOSING", "LAST-ACK"
TIME_WAIT = "TIME-WAIT"

# As netstat spells them, in the order of a connection's life.
NETSTAT_NAMES = {
    LISTEN: "LISTEN", SYN_SENT: "SYN_SENT", SYN_RECEIVED: "SYN_RECV",
    ESTABLISHED: "ESTABLISHED", FIN_WAIT_1: "FIN_WAIT1",
    FIN_WAIT_2: "FIN_WAIT2", CLOSE_WAIT: "CLOSE_WAIT", CLOSING: "CLOSING",
    LAST_ACK: "LAST_ACK", TIME_WAIT: "TIME_WAIT",
}

US, PEER, BOTH = "us", "peer", "both"
IMPLIED = " (implied)"

NEEDED_KINDS = ("state", "request", "request_end", "accepted", "time_wait",
                "time_wait_end", "reset_sent", "reset_received", "error")

# What makes a connection leave a state for another, where that is certain.
LEFT_BY = {
    (CLOSED, SYN_SENT): "connect(): our SYN goes out",
    (SYN_SENT, ESTABLISHED): "the peer's SYN-ACK came",
    (SYN_SENT, SYN_RECEIVED): "the peer's SYN crossed ours: simultaneous open",
    (SYN_RECEIVED, ESTABLISHED): "the handshake's last ACK came",
    (SYN_RECEIVED, FIN_WAIT_1): "we closed before the handshake's last ACK",
    (SYN_RECEIVED, CLOSE_WAIT): "the peer's FIN came with the last ACK",
    (ESTABLISHED, FIN_WAIT_1): "we closed our direction first: FIN",
    (ESTABLISHED, CLOSE_WAIT): "the peer closed first: its FIN came",
    (FIN_WAIT_1, FIN_WAIT_2): "our FIN was acknowledged",
    (FIN_WAIT_1, CLOSING): "the peer's FIN crossed ours: simultaneous close",
    (FIN_WAIT_1, TIME_WAIT): "the peer's FIN came with the ACK of ours",
    (FIN_WAIT_2, TIME_WAIT): "the peer's FIN came",
    (CLOSING, TIME_WAIT): "our FIN was acknowledged",
    (CLOSE_WAIT, LAST_ACK): "we closed too: FIN",
    (LAST_ACK, CLOSED): "our FIN was acknowledged",
    (LISTEN, CLOSED): "the listener was closed",
}

# Standing in one of these for long has a reason worth knowing.
STANDING = {
    SYN_SENT: "no answer to our SYN yet",
    SYN_RECEIVED: "half-open: the handshake's last ACK has not come",
    CLOSE_WAIT: "half-closed: the peer has closed, our program has not",
    FIN_WAIT_1: "our FIN is not acknowledged yet",
    FIN_WAIT_2: "half-closed: we have closed, the peer has not",
    LAST_ACK: "our FIN is not acknowledged yet",
}

REQUEST_ENDINGS = {
    "expired": "given up: no ACK completed it",
    "reset_by_peer": "the peer sent a RST",
    "reset_by_us": "we sent a RST: a segment did not fit the handshake",
    "listener_gone": "the listener was closed",
    "other": "an ICMP error, a lost race, the namespace's end, or ss -K",
}

TIME_WAIT_ENDINGS = {
    "timer": "its time was over",
    "reset": "a RST ended it",
    "new_syn": "a new SYN took its place",
    "reused": "a connect() took its port",
    "other": "the kernel does not say",
}

# The kernel's words for why it resets, in ours.
RESET_REASONS = {
    "TCP_ABORT_ON_CLOSE": "closed with unread data",
    "TCP_ABORT_ON_LINGER": "TCP_LINGER2 below 0: no wait for FIN",
    "TCP_ABORT_ON_MEMORY": "no memory, or too many orphans",
    "TCP_ABORT_ON_DATA": "data came after we had closed",
    "TCP_KEEPALIVE_TIMEOUT": "no answer to keepalives",
    "TCP_DISCONNECT_WITH_DATA": "disconnected with unsent data",
    "TCP_TIMEWAIT_SOCKET": "a segment that TIME-WAIT cannot take",
}

# Where recording was frozen before the change to CLOSED that follows a RST.
RESET_THEN_FROZEN = {
    PEER: "the peer sent a RST; recording stopped there",
    US: "a RST was sent; recording stopped there",
}

# A FIN that is handled within the same segment leaves FIN-WAIT-2 this soon.
SAME_SEGMENT_NS = 200_000


@dataclass(slots=True)
class Stay(Packable):
    """A time in one state; None where beginning or end was not seen."""

    state: str
    began_ns: int | None
    ended_ns: int | None = None
    left_by: str = ""

    @property
    def took_us(self) -> int | None:
        """How long it was, where both ends were seen."""
        if self.began_ns is None or self.ended_ns is None:
            return None
        return (self.ended_ns - self.began_ns) // 1000


@dataclass(slots=True)
class Reset(Packable):
    """A RST, and where the connection was."""

    time_ns: int
    reason: str
    answers_segment: bool
    has_rst_flag: bool
    place: tuple[int, int]
    once_closed: bool = False
    segment_was_empty: bool = False
    ours_outstanding: bool = False


@dataclass(frozen=True)
class Ending:
    """How a connection came to its end."""

    how: str
    by: str | None
    reason: str
    implied: bool

    def words(self) -> str:
        """For the table."""
        who = {US: "we sent a RST", PEER: "the peer sent a RST"}
        text = who[self.by] if self.how == "reset" and self.by else ""
        reason = self.reason + (IMPLIED if self.implied else "")
        return f"{text}: {reason}" if text and reason else text or reason


@dataclass(slots=True)
class SmallSock(Packable):
    """What TIME-WAIT, or FIN-WAIT-2 in a small sock, went through."""

    due_ns: int | None = None
    segments: int = 0
    fins_again: int = 0
    data_last: bool = False
    timer_set: int = 0


@dataclass(slots=True)
class Life(Packable):
    """One connection, as far as it was seen."""

    cookie: int
    netns: int
    family: int
    local: str
    remote: str
    stays: list[Stay]
    opened_by: str | None = None
    opening_seen: bool = False
    gaps_before: int = 0
    syns_again: int = 0
    synacks_again: int = 0
    newborn_ns: int | None = None
    small: SmallSock | None = None
    no_room: bool = False
    by_cookie: bool = False
    request_ending: str = ""
    closed_from: str | None = None
    timeouts: int = 0
    reset_sent: Reset | None = None
    reset_received: Reset | None = None
    error: int = 0
    error_ns: int = 0
    left_behind: bool = False
    fin_and_ack: bool = False
    last_place: tuple[int, int] = (-1, 0)
    partly: list[str] = field(default_factory=list)

    @property
    def now(self) -> Stay:
        """The state it is in."""
        return self.stays[-1]

    @property
    def is_over(self) -> bool:
        """Whether its end was seen."""
        return self.now.state == CLOSED

    def note_once(self, what: str) -> None:
        """Something that was not seen."""
        if what not in self.partly:
            self.partly.append(what)

    def closed_first_by(self) -> str | None:
        """Whose FIN came first; None while there is none, or it was unseen."""
        states = {stay.state for stay in self.stays}
        if CLOSING in states:
            return BOTH
        if CLOSE_WAIT in states:
            return PEER
        return US if FIN_WAIT_1 in states else None


def _place(event: Event) -> tuple[int, int]:
    return event["cpu"], event["serial"]


class States:
    """Feed it joined events, then ask for the connections."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._states = StateNames(schema)
        self.gaps = Gaps(schema, NEEDED_KINDS)
        self.kept: Kept[Life] = Kept(lambda life: life.is_over)
        self._queues = AcceptQueues(schema)
        self.cookie_synacks = 0
        self.resets_without_connection = 0

    # ---- events in

    def feed(self, event: Event) -> None:
        """The next event."""
        left_behind = self._queues.leaves_behind(event)
        if self.gaps.takes(event):
            return
        if not event["cookie"]:
            self._see_without_connection(event)
            return
        handler = getattr(self, f"_see_{event.kind}", self._see_any)
        handler(event)
        life = self.kept.get(event["cookie"])
        if life is not None:
            life.gaps_before = self.gaps.number
            life.last_place = _place(event)
            life.left_behind |= left_behind
            if self._is_wildcard(life.local) or self._is_wildcard(life.remote):
                life.local = local_endpoint(event)
                life.remote = self._remote(event)

    def _see_without_connection(self, event: Event) -> None:
        if event.kind == "reset_sent":
            self.resets_without_connection += 1
        elif event.kind == "synack" and self._is_cookie(event):
            self.cookie_synacks += 1

    def _is_cookie(self, event: Event) -> bool:
        return self._schema.name_of("synack_type",
                                    event["synack_type"]) == "cookie"

    @staticmethod
    def _is_wildcard(end: str) -> bool:
        return end.startswith("*") or end.endswith("*")

    def _remote(self, event: Event) -> str:
        """A listener has no peer, whoever's segment an event is about."""
        life = self.kept.get(event["cookie"])
        if life is not None and life.stays[0].state == LISTEN:
            return "*:*"
        return remote_endpoint(event)

    def _new(self, event: Event, stay: Stay, opened_by: str | None) -> Life:
        life = Life(event["cookie"], event["netns"], event["family"],
                    local_endpoint(event), remote_endpoint(event), [stay],
                    opened_by, opening_seen=stay.began_ns is not None)
        if stay.state == LISTEN:
            life.remote = "*:*"
        life.gaps_before = self.gaps.number
        return self.kept.add(event["cookie"], life)

    def _from_the_middle(self, event: Event, state: str) -> Life:
        """A connection that was there before anything was seen of it."""
        opened_by = None
        if "passive" in self._schema.bit_names("sock_flags",
                                               event["sock_flags"]):
            opened_by = PEER
        elif event["snd_isn"] and state != LISTEN:
            opened_by = US
        life = self._new(event, Stay(state, None), opened_by)
        life.note_once("its beginning " + self._was_not_seen())
        return life

    def _was_not_seen(self) -> str:
        """Once connections were left out, one may be among them that was seen."""
        return ("was not seen, or is no longer kept" if self.kept.forgotten
                else "was not seen")

    def _life(self, event: Event, state: str) -> Life:
        """The connection, which the event says is in that state."""
        life = self.kept.get(event["cookie"])
        if life is None or (life.is_over and state != CLOSED):
            return self._from_the_middle(event, state)
        if life.now.state != state:
            self._missed(life, state)
        return life

    def _missed(self, life: Life, state: str) -> None:
        """It changed its state and nobody saw it."""
        if life.now.state != CLOSED:
            life.now.left_by = "its end was not seen"
        life.note_once("states between were not seen")
        life.stays.append(Stay(state, None))

    def _move(self, life: Life, event: Event, new: str) -> None:
        """Leave the present state for a new one."""
        old = life.now
        old.ended_ns = event["time_ns"]
        old.left_by = LEFT_BY.get((old.state, new), "")
        if old.state == SYN_RECEIVED and life.opened_by == US \
                and new == ESTABLISHED:
            old.left_by = "the peer acknowledged our SYN"
        life.stays.append(Stay(new, event["time_ns"]))
        if new != CLOSED:
            life.reset_sent = life.reset_received = None
            life.error = 0

    # ---- full sockets

    def _see_state(self, event: Event) -> None:
        old, new = self._states.change(event) or ("?", "?")
        if (old, new) == (LISTEN, SYN_RECEIVED):
            self._born(event)
        elif old == CLOSED and new in (SYN_SENT, LISTEN):
            self._new(event, Stay(new, event["time_ns"]),
                      US if new == SYN_SENT else None)
        elif new == CLOSED:
            self._closes(event, old)
        else:
            life = self._life(event, old)
            if new == old:
                return  # shutdown() has sent the FIN, now comes close()
            self._settle_birth(life, event)
            same_segment = self._same_segment(life, event)
            self._move(life, event, new)
            if new == FIN_WAIT_2:
                life.fin_and_ack = same_segment and life.fin_and_ack

    def _born(self, event: Event) -> None:
        """A listener's child, whose request came long before it."""
        if event.listener is None:
            return  # not adopted: it wears the listener's id
        life = self.kept.get(event["cookie"])
        if life is None or life.is_over:
            life = self._new(event, Stay(SYN_RECEIVED, None), PEER)
        life.newborn_ns = event["time_ns"]

    def _settle_birth(self, life: Life, event: Event) -> None:
        """Leaving SYN-RECEIVED: when had it begun?"""
        stay = life.now
        if stay.state != SYN_RECEIVED or stay.began_ns is not None:
            return
        if is_fast_open(self._schema, event) and life.newborn_ns is not None:
            stay.began_ns = life.newborn_ns
            life.opening_seen = True
        elif life.by_cookie:
            life.note_once("opened with a SYN cookie: nothing was kept before "
                           "its last ACK")
        else:
            life.note_once("its request " + self._was_not_seen())

    def _same_segment(self, life: Life, event: Event) -> bool:
        """Whether nothing came between on that CPU since its last event."""
        cpu, serial = life.last_place
        return (cpu, serial + 1) == (event["cpu"], event["serial"])

    def _closes(self, event: Event, old: str) -> None:
        life = self.kept.get(event["cookie"])
        if life is not None and life.small is not None:
            return  # the small sock has taken over
        life = self._life(event, old)
        if life.is_over:
            return
        self._settle_birth(life, event)
        life.closed_from = old
        life.timeouts = event["retransmits"]
        self._move(life, event, CLOSED)

    def _see_destroy(self, event: Event) -> None:
        life = self.kept.get(event["cookie"])
        if life is None:
            if event["snd_isn"]:
                self._from_the_middle(event, CLOSED)
        elif not life.is_over and life.small is None:
            self._missed(life, CLOSED)

    def _see_reset_sent(self, event: Event) -> None:
        reason = ""
        if "reset_reason" in self._schema.values:
            reason = self._schema.name_of("reset_reason",
                                          event["reset_reason"])
        self._see_any(event)
        life = self.kept.get(event["cookie"])
        if life is not None:
            life.reset_sent = Reset(
                event["time_ns"], reason, has_segment(event), False,
                _place(event), self._states.name_of(event) == CLOSED,
                not event["seg_len"] and not event["seg_flags"] & FIN)

    def _see_reset_received(self, event: Event) -> None:
        self._see_any(event)
        life = self.kept.get(event["cookie"])
        if life is not None and not life.is_over:
            life.reset_received = Reset(
                event["time_ns"], "", has_segment(event),
                bool(event["seg_flags"] & RST), _place(event),
                ours_outstanding=event["snd_una"] != event["snd_nxt"])

    def _see_error(self, event: Event) -> None:
        self._see_any(event)
        life = self.kept.get(event["cookie"])
        if life is not None and event["sk_error"]:
            life.error = event["sk_error"]
            life.error_ns = event["time_ns"]

    def _see_retransmit(self, event: Event) -> None:
        self._see_any(event)
        life = self.kept.get(event["cookie"])
        if life is not None and life.now.state == SYN_SENT:
            life.syns_again += 1

    def _see_ack(self, event: Event) -> None:
        """A segment is processed next: is it a FIN that acknowledges ours?"""
        self._see_any(event)
        life = self.kept.get(event["cookie"])
        if life is not None:
            flags = event["seg_flags"]
            life.fin_and_ack = bool(flags & FIN and flags & ACK
                                    and life.now.state == FIN_WAIT_1
                                    and event["seg_ack"] == event["snd_nxt"])

    def _see_any(self, event: Event) -> None:
        """Any event says in passing where its connection stands."""
        state = self._states.name_of(event)
        life = self.kept.get(event["cookie"])
        if life is None or (life.is_over and state == ESTABLISHED):
            if state != CLOSED and state in NETSTAT_NAMES:
                self._from_the_middle(event, state)
        elif (not self.gaps.is_whole_since(life.gaps_before) and not life.is_over
              and life.small is None and state != life.now.state):
            self._missed(life, state)

    # ---- requests

    def _see_syn(self, event: Event) -> None:
        """A SYN is of no connection yet."""

    _see_refused = _see_syn

    def _see_cookie_checked(self, event: Event) -> None:
        verdict = self._schema.name_of("cookie_verdict",
                                       event["cookie_verdict"])
        if verdict == "valid":
            self._half_open(event, None).by_cookie = True

    def _see_request(self, event: Event) -> None:
        self._half_open(event, event["time_ns"])

    def _see_synack(self, event: Event) -> None:
        """The first one; of Fast Open it is the child's, which exists."""
        began_ns = event["time_ns"]
        sort = self._schema.name_of("synack_type", event["synack_type"])
        life = self.kept.get(event["cookie"])
        if sort == "fastopen" and life is not None:
            began_ns = life.newborn_ns or began_ns
        self._half_open(event, began_ns)

    def _see_synack_retransmit(self, event: Event) -> None:
        if not (event["half_open"] or event["accept_queue"]
                or event["accept_limit"]):
            # a Fast Open child's: in no queue, its state events tell
            life = self.kept.get(event["cookie"])
        else:
            life = self._half_open(event, self._first_synack_ns(event))
        if life is not None:
            life.synacks_again += 1

    def _see_completed(self, event: Event) -> None:
        self._half_open(event, self._first_synack_ns(event))

    def _see_accepted(self, event: Event) -> None:
        if self.kept.get(event["cookie"]) is None:
            self._see_any(event)

    @staticmethod
    def _first_synack_ns(event: Event) -> int | None:
        since_us = event["since_synack_us"]
        return event["time_ns"] - since_us * 1000 if since_us else None

    def _half_open(self, event: Event, began_ns: int | None) -> Life:
        life = self.kept.get(event["cookie"])
        if life is None or life.is_over:
            life = self._new(event, Stay(SYN_RECEIVED, began_ns), PEER)
            life.opening_seen = began_ns is not None
        elif life.now.state == SYN_RECEIVED and life.now.began_ns is None:
            life.now.began_ns = began_ns
            life.opening_seen = began_ns is not None
        return life

    def _see_request_end(self, event: Event) -> None:
        life = self._half_open(event, self._first_synack_ns(event))
        if life.now.state != SYN_RECEIVED:
            return  # its child lives on
        life.request_ending = self._schema.name_of(
            "request_ending", event["request_ending"])
        life.closed_from = SYN_RECEIVED
        self._move(life, event, CLOSED)

    # ---- small socks

    def _small_state(self, event: Event) -> str:
        state = self._states.name_of(event)
        return state if state in (FIN_WAIT_2, TIME_WAIT) else TIME_WAIT

    def _small(self, event: Event) -> tuple[Life, SmallSock]:
        state = self._small_state(event)
        life = self.kept.get(event["cookie"])
        if life is not None and _may_live_on(life):
            # the full socket went, and nobody saw the small one begin
            life.stays.pop()
            life.now.ended_ns = None
            if life.now.state != state:
                self._missed(life, state)
        elif life is None or life.is_over:
            life = self._from_the_middle(event, state)
        if life.small is None:
            life.small = SmallSock()
        return life, life.small

    def _see_time_wait(self, event: Event) -> None:
        step = self._schema.name_of("time_wait_step", event["time_wait_step"])
        if step == "overflow":
            self._overflow(event)
            return
        state = self._small_state(event)
        life, small = self._small(event)
        if step == "started":
            self._starts(life, event, state)
        elif life.now.state != state:
            if (life.now.state == FIN_WAIT_2 and step == "timer_set"
                    and (self.gaps.is_whole_since(life.gaps_before)
                         or self._same_segment(life, event))):
                self._move(life, event, state)
            else:
                self._missed(life, state)
        if step == "segment":
            self._segment_in_small(event, state, small)
        small.timer_set += step == "timer_set"
        if event["time_wait_us"]:
            small.due_ns = event["time_ns"] + event["time_wait_us"] * 1000

    @staticmethod
    def _segment_in_small(event: Event, state: str, small: SmallSock) -> None:
        small.segments += 1
        small.data_last = bool(event["seg_len"])
        small.fins_again += bool(state == TIME_WAIT
                                 and event["seg_flags"] & FIN)

    def _overflow(self, event: Event) -> None:
        life = self.kept.get(event["cookie"])
        if life is not None:
            life.no_room = True

    def _starts(self, life: Life, event: Event, state: str) -> None:
        """The full socket makes place for the small one."""
        if life.now.state == state:
            return  # FIN-WAIT-2 goes on
        stay = life.now
        if stay.state not in (FIN_WAIT_2, CLOSING):
            # the kernel always passes through one of these
            self._missed(life, state)
            life.now.began_ns = event["time_ns"]
            return
        at_once = (stay.state == FIN_WAIT_2 and len(life.stays) > 1
                   and self._same_segment(life, event)
                   and stay.began_ns is not None
                   and life.stays[-2].state == FIN_WAIT_1)
        if at_once and life.fin_and_ack:
            life.stays.pop()
            self._move(life, event, state)
            return
        self._move(life, event, state)
        if at_once and (stay.took_us or 0) * 1000 < SAME_SEGMENT_NS:
            stay.left_by = "the peer's FIN came with that ACK" + IMPLIED

    def _see_time_wait_end(self, event: Event) -> None:
        state = self._small_state(event)
        life, _ = self._small(event)
        if life.now.state != state:
            self._missed(life, state)
        why = self._schema.name_of("time_wait_ending",
                                   event["time_wait_ending"])
        life.closed_from = state
        self._move(life, event, CLOSED)
        life.stays[-2].left_by = TIME_WAIT_ENDINGS.get(why, why)

    # ---- what came of it

    @staticmethod
    def took_us(life: Life, stay: Stay) -> int | None:
        """How long it was in a state; None where that is not known."""
        if (stay.state == FIN_WAIT_2 and _may_live_on(life)
                and stay is life.stays[-2]):
            return None  # a small sock may have gone on
        return stay.took_us

    def lives(self, wanted: Filter = Filter()) -> Iterator[Life]:
        """The connections, in order of their first event."""
        for life in self.kept:
            if wanted.includes(life):
                yield life

    def ending(self, life: Life) -> Ending | None:
        """How it ended; None if that was not seen."""
        if not life.is_over:
            side = self.last_reset(life)
            return Ending("reset", side, "", False) if side else None
        if life.request_ending:
            return _request_ending(life)
        if life.small is not None:
            return self._small_ending(life)
        if life.reset_received is not None:
            return self._reset_received(life, life.reset_received)
        if life.reset_sent is not None and not life.reset_sent.answers_segment:
            return self._reset_sent(life, life.reset_sent)
        if _was_reset_at_fin_wait_2(life):
            return self._reset_at_fin_wait_2(life.reset_sent)
        if life.error:
            return _error(life)
        if life.closed_from == SYN_SENT and not self.gaps.may_lack(
                "error", since_ns=life.stays[-2].began_ns):
            return _given_up_by_us(life)
        return _quiet_ending(life)

    def _small_ending(self, life: Life) -> Ending:
        reason = life.stays[-2].left_by if len(life.stays) > 1 else ""
        if reason == TIME_WAIT_ENDINGS["reset"]:
            return Ending("reset", PEER, "", False)
        if (reason == TIME_WAIT_ENDINGS["other"] and life.small is not None
                and life.reset_sent is not None
                and life.reset_sent.answers_segment):
            return Ending("reset", US, RESET_REASONS[
                "TCP_ABORT_ON_DATA" if life.small.data_last
                else "TCP_TIMEWAIT_SOCKET"], False)
        return Ending("closed", None, reason, False)

    def _told(self, reset: Reset) -> str:
        """The kernel's own reason, in words; none if it says nothing."""
        if reset.reason in ("", "NOT_SPECIFIED"):
            return ""
        return RESET_REASONS.get(reset.reason, reset.reason)

    def _reset_received(self, life: Life, received: Reset) -> Ending:
        sent = life.reset_sent
        if received.answers_segment and not received.has_rst_flag:
            # the kernel tells of data after close as of a RST
            return Ending("reset", US, RESET_REASONS["TCP_ABORT_ON_DATA"], False)
        if (sent is not None and sent.answers_segment
                and not received.answers_segment
                and life.closed_from in (FIN_WAIT_1, FIN_WAIT_2)):
            told = self._told(sent)
            return Ending("reset", US, told or RESET_REASONS["TCP_ABORT_ON_DATA"],
                          not told)
        it_had_closed = ("it had closed, and more came from us"
                         if received.ours_outstanding
                         else "it had closed, and waited no more")
        reasons = {
            SYN_SENT: "nobody listens there",
            SYN_RECEIVED: "the peer gave up its connect()",
            CLOSE_WAIT: it_had_closed, LAST_ACK: it_had_closed,
        }
        reason = reasons.get(life.closed_from or "", "")
        return Ending("reset", PEER, reason, bool(reason))

    def _reset_at_fin_wait_2(self, sent: Reset | None) -> Ending:
        """The kernel calls either cause data; an empty segment shows the other."""
        if sent is None or sent.segment_was_empty:
            return Ending("reset", US, RESET_REASONS["TCP_ABORT_ON_LINGER"],
                          True)
        told = self._told(sent)
        return Ending("reset", US, told or RESET_REASONS["TCP_ABORT_ON_DATA"],
                      not told)

    def _reset_sent(self, life: Life, sent: Reset) -> Ending:
        told = self._told(sent)
        if told and told != "TCP_STATE":
            return Ending("reset", US, told, False)
        if told == "TCP_STATE" and life.closed_from == FIN_WAIT_2:
            return Ending("reset", US, "the peer's FIN did not come in time",
                          True)
        return Ending("reset", US, self._why_we_reset(life, sent, bool(told)),
                      True)

    def _why_we_reset(self, life: Life, sent: Reset, disconnect: bool) -> str:
        """What the order of reset, CLOSED and error gives away."""
        error = errno.errorcode.get(life.error, "")
        if error == "ETIMEDOUT":
            return "no answer to keepalives"
        if error == "ECONNABORTED":
            return "killed, as by ss -K"
        closed_ns = life.now.began_ns
        if closed_ns is not None and sent.time_ns < closed_ns:
            if life.closed_from == FIN_WAIT_2:
                return "the peer's FIN did not come in time"
            return "killed, or too many orphans"
        if life.left_behind and not self.gaps.may_lack(
                "accepted", since_ns=life.stays[0].began_ns):
            return "its listener was closed while it waited in the accept queue"
        if disconnect or error == "ECONNRESET":
            return "SO_LINGER 0, or disconnected by its program"
        if self.gaps.may_lack("error", since_ns=sent.time_ns):
            return "closed with unread data, or SO_LINGER 0"
        return "closed with unread data"

    def last_reset(self, life: Life) -> str | None:
        """Who reset it, if recording was frozen right after the RST.

        The change to CLOSED follows a RST at once, so what is missing is known.
        """
        if (life.is_over or life.small is not None
                or life.now.state == LISTEN
                or life.gaps_before + 1 not in self.gaps.freezes):
            return None
        received, sent = life.reset_received, life.reset_sent
        if received is not None and received.place == life.last_place:
            # the kernel tells of data after close as of a RST
            by_us = received.answers_segment and not received.has_rst_flag
            return US if by_us else PEER
        if (sent is not None and sent.place == life.last_place
                and not (sent.answers_segment
                         and life.now.state in (SYN_SENT, SYN_RECEIVED))):
            return US
        return None

    def may_have_ended(self, life: Life, end_ns: int) -> bool:
        """Whether its end may have been in what was not seen."""
        if life.is_over or self.last_reset(life):
            return False
        if (not self.gaps.is_whole_since(life.gaps_before)
                or self.gaps.lacks("state")):
            return True
        due_ns = life.small.due_ns if life.small is not None else None
        # timers of a minute may be late by an eighth of it
        return (due_ns is not None
                and end_ns > due_ns + (due_ns - (life.now.began_ns or due_ns)) / 4)

    def is_known_to_last(self, life: Life) -> bool:
        """Whether it was where it is until the last moment that is known."""
        return (not life.is_over and not self.gaps.lacks("state")
                and self.gaps.is_whole_until_known(life.gaps_before))

    def counts(self, end_ns: int,
               wanted: Filter = Filter()) -> tuple[dict[str, int], int]:
        """Open connections by netstat's names; how many are not certain."""
        counts: Counter[str] = Counter()
        unsure = 0
        for life in self.lives(wanted):
            if life.now.state in NETSTAT_NAMES and not self.last_reset(life):
                counts[NETSTAT_NAMES[life.now.state]] += 1
                unsure += self.may_have_ended(life, end_ns)
        return {name: counts[name] for name in NETSTAT_NAMES.values()
                if counts[name]}, unsure


def _may_live_on(life: Life) -> bool:
    """Whether only its full socket went: a small sock may have taken over."""
    return (life.is_over and life.small is None and not life.no_room
            and len(life.stays) > 1
            and life.closed_from in (FIN_WAIT_1, FIN_WAIT_2, CLOSING)
            and (life.reset_sent is None or life.reset_sent.answers_segment)
            and not _was_reset_at_fin_wait_2(life)
            and life.reset_received is None and not life.error)


def _was_reset_at_fin_wait_2(life: Life) -> bool:
    """Whether the kernel closed it as our FIN was acknowledged.

    So it does with a TCP_LINGER2 below 0, and where data came with that ACK: it
    closes the socket, then answers the segment with a RST.
    """
    sent = life.reset_sent
    return (life.small is None and sent is not None and sent.answers_segment
            and sent.once_closed and life.closed_from in (FIN_WAIT_1, FIN_WAIT_2))


def _request_ending(life: Life) -> Ending:
    how = {"reset_by_peer": ("reset", PEER), "reset_by_us": ("reset", US),
           "expired": ("given up", None)}
    kind, by = how.get(life.request_ending, ("failed", None))
    words = REQUEST_ENDINGS.get(life.request_ending, life.request_ending)
    if kind == "reset":
        return Ending(kind, by, "" if by == PEER else
                      "a segment did not fit the handshake", False)
    if kind == "given up" and life.synacks_again:
        words += f", SYN-ACK sent again {plural(life.synacks_again, 'time')}"
    return Ending(kind, by, words, False)


def _error(life: Life) -> Ending:
    name = errno.errorcode.get(life.error, f"error {life.error}")
    if name == "ETIMEDOUT":
        if life.closed_from == SYN_SENT:
            return Ending("given up", None,
                          f"no answer to our {1 + life.syns_again} SYNs (ETIMEDOUT)",
                          False)
        return Ending("given up", None, "no answer any more (ETIMEDOUT)", False)
    if name == "ECONNREFUSED":
        return Ending("failed", PEER, "refused by an ICMP message", True)
    if name == "ECONNRESET" and life.closed_from == SYN_SENT:
        # a RST would be ECONNREFUSED here: this is tcp_disconnect()'s
        return Ending("failed", US,
                      "we gave it up (SO_LINGER 0 or disconnect)", True)
    return Ending("failed", None, f"error {name}", False)


def _given_up_by_us(life: Life) -> Ending:
    """A connect() without an answer; the kernel would have reported ETIMEDOUT."""
    after = f", after {plural(life.timeouts, 'timeout')}" if life.timeouts else ""
    return Ending("failed", US, "closed by us before an answer came" + after, True)


def _quiet_ending(life: Life) -> Ending:
    """CLOSED without a RST and without an error."""
    if life.no_room:
        return Ending("closed", None, "closed at once: no room for TIME-WAIT",
                      False)
    if life.now.began_ns is None:
        return Ending("closed", None, "its end was not seen", False)
    if life.closed_from == LISTEN or life.closed_from == LAST_ACK:
        return Ending("closed", None, LEFT_BY[life.closed_from, CLOSED], False)
    if life.timeouts:
        return Ending("given up", None,
                      f"after {plural(life.timeouts, 'timeout')} in a row", True)
    if life.closed_from in (FIN_WAIT_1, FIN_WAIT_2, CLOSING):
        return Ending("closed", None,
                      "its socket went; TIME-WAIT was not recorded", False)
    return Ending("closed", None, "why was not recorded", False)


# ---- for programs

def _path(states: States, life: Life) -> list[dict[str, Any]]:
    ending = states.ending(life)
    rows = []
    for n, stay in enumerate(life.stays):
        left_by = stay.left_by
        if ending is not None and life.is_over and n == len(life.stays) - 2:
            left_by = ending.words()
        rows.append({"state": stay.state, "began_ns": stay.began_ns,
                     "took_us": states.took_us(life, stay), "left_by": left_by or None})
    return rows


def _small_json(life: Life) -> dict[str, int] | None:
    small = life.small
    return None if small is None else {
        "segments": small.segments, "fins_again": small.fins_again,
        "timer_set": small.timer_set}


def _life_json(states: States, life: Life, end_ns: int) -> dict[str, Any]:
    ending = states.ending(life)
    return {
        "connection": connection(life.cookie), "netns": life.netns,
        "family": life.family, "local": life.local, "remote": life.remote,
        "opened_by": life.opened_by, "opening_seen": life.opening_seen,
        "closed_first_by": life.closed_first_by(), "state": life.now.state,
        "path": _path(states, life),
        "syns_sent_again": life.syns_again,
        "synacks_sent_again": life.synacks_again,
        "small_sock": _small_json(life),
        "ending": None if ending is None else {
            "how": ending.how, "by": ending.by, "reason": ending.reason,
            "implied": ending.implied},
        "not_seen": life.partly,
        "may_have_ended": states.may_have_ended(life, end_ns),
    }


def as_json(states: States, end_ns: int | None,
            wanted: Filter = Filter()) -> dict[str, Any]:
    """Every connection, one by one, and the counts; times in ns and us."""
    end = max(end_ns or 0, states.gaps.last_ns)
    counts, unsure = states.counts(end, wanted)
    return {
        "connections": (_life_json(states, life, end)
                        for life in states.lives(wanted)),
        "forgotten": states.kept.forgotten,
        "forgotten_open": states.kept.forgotten_open,
        "counts": counts,
        "counts_unsure": unsure + states.kept.forgotten_open,
        "cookie_synacks": states.cookie_synacks,
        "resets_without_connection": states.resets_without_connection,
        **states.gaps.as_json(end_ns)}


def counts_as_json(states: States, end_ns: int | None,
                   wanted: Filter = Filter()) -> dict[str, Any]:
    """The counts alone."""
    whole = as_json(states, end_ns, wanted)
    del whole["connections"]
    return whole


# ---- for people

OPENED = {US: "opened by us", PEER: "opened by the peer"}
CLOSED_FIRST = {US: "closed first by us", PEER: "closed first by the peer",
                BOTH: "closed by both at once"}


def _heading(life: Life, ending: Ending | None) -> list[str]:
    """Who it is and the gist of it, in one line if there is room."""
    parts = [OPENED.get(life.opened_by or "", "")]
    if life.stays[0].state == LISTEN:
        parts = ["a listener"]
    parts.append(CLOSED_FIRST.get(life.closed_first_by() or "", ""))
    if ending is not None and ending.how != "closed":
        by = {US: " by us", PEER: " by the peer"}.get(ending.by or "", "")
        parts.append(ending.how + (by if ending.how == "reset" else ""))
    said = ", ".join(part for part in parts if part)
    ends = f"{connection(life.cookie)}  {life.local} - {life.remote}"
    whole = f"{ends}  {said}".rstrip()
    return [whole] if len(whole) <= COLUMNS else [ends, f"  {said}"]


def _stay_rows(states: States, life: Life,
               end_ns: int) -> Iterator[tuple[str, str, str, str]]:
    first_ns = states.gaps.first_ns
    for row, stay in zip(_path(states, life), life.stays):
        at = seconds(stay.began_ns, first_ns)
        if stay is life.now:
            yield (at, stay.state, *_last_cells(states, life, end_ns))
            continue
        took = "?" if row["took_us"] is None else duration(row["took_us"])
        yield at, stay.state, took, row["left_by"] or ""


def _last_cells(states: States, life: Life, end_ns: int) -> tuple[str, str]:
    """How long, and what then, of the state it was last seen in."""
    stay = life.now
    if life.is_over:
        return "", ""
    side = states.last_reset(life)
    if side is not None:
        return "?", RESET_THEN_FROZEN[side]
    if states.may_have_ended(life, end_ns):
        return "?", "not seen any more; its end may be lost"
    took = (f"{duration((end_ns - stay.began_ns) // 1000)}+"
            if stay.began_ns is not None else "?")
    hint = STANDING.get(stay.state, "")
    if life.small is not None and life.small.due_ns is not None:
        to_go = duration(max(0, life.small.due_ns - end_ns) // 1000)
        hint = f"{hint}; {to_go} to go" if hint else f"{to_go} to go"
    return took, "still so" + (f": {hint}" if hint else "")


def _small_words(small: SmallSock) -> list[str]:
    words = []
    if small.segments:
        again = (f", {plural(small.fins_again, 'FIN')} of the peer's again"
                 if small.fins_again else "")
        words.append(f"{plural(small.segments, 'segment')} came when only a "
                     f"small sock was left{again}")
    if small.timer_set:
        words.append(f"its time began anew {plural(small.timer_set, 'time')}")
    return words


def _remarks(life: Life) -> list[str]:
    remarks = list(life.partly)
    if life.syns_again:
        remarks.append(f"SYN sent again {plural(life.syns_again, 'time')}")
    if life.synacks_again and life.request_ending != "expired":
        remarks.append(
            f"SYN-ACK sent again {plural(life.synacks_again, 'time')}")
    if life.small is not None:
        remarks += _small_words(life.small)
    return remarks


def _life_text(states: States, life: Life, end_ns: int) -> list[str]:
    lines = _heading(life, states.ending(life))
    rows = [("at (s)", "state", "for", "then"),
            *_stay_rows(states, life, end_ns)]
    lines += aligned(rows, right=(0,), indent=2)
    remarks = _remarks(life)
    if remarks:
        lines += note("(" + "; ".join(remarks) + ")", "  ")
    return lines


HOW_TO_READ = (
    "`at` counts from the first event of the recording, ? was not seen, + means "
    "still going on. A reason with (implied) is worked out from what happened "
    "around it; others are the kernel's own words. TIME-WAIT belongs to whoever "
    "closed first and lasts 60 s on Linux. A request that was given up may have had "
    "its ACK: TCP_DEFER_ACCEPT then waits for data, and no event tells of it.")
HOW_TO_READ_COUNTS = (
    "As `netstat -ant` names them, all network namespaces together; SYN_RECV are "
    "half-open requests. Only connections of which an event was recorded are "
    "known here: those that stood idle all the time are not counted.")


def counts_as_text(states: States, end_ns: int | None,
                   wanted: Filter = Filter()) -> list[str]:
    """How many connections were in which state when watching ended."""
    return [*states.kept.left_out(), *_count_lines(states, end_ns, wanted)]


def _count_lines(states: States, end_ns: int | None,
                 wanted: Filter) -> list[str]:
    end = max(end_ns or 0, states.gaps.last_ns)
    counts, unsure = states.counts(end, wanted)
    if not counts:
        if next(states.lives(wanted), None) is None \
                and next(states.lives(), None) is not None:
            return [_none(states, wanted)]
        if states.kept.forgotten_open:
            return ["No connection that is kept was open at the end.",
                    *_forgotten_lines(states)]
        return ["No connection was seen." if states.gaps.frozen_throughout
                else "No connection was open at the end."]
    rows = [(name, str(count)) for name, count in counts.items()]
    lines = ["Open at the end:",
             *aligned([*rows, ("total", str(sum(counts.values())))],
                      right=(1,), indent=2)]
    if unsure:
        lines.append(f"{unsure} of these may have ended unseen.")
    lines += _forgotten_lines(states)
    return lines + note(HOW_TO_READ_COUNTS)


def _forgotten_lines(states: States) -> list[str]:
    """Those that were left out while open: are they open still?"""
    count = states.kept.forgotten_open
    if not count:
        return []
    return note(f"{plural(count, 'connection')} left out before the end may be "
                "open too, if not counted here again.")


def _none(states: States, wanted: Filter) -> str:
    others = sum(life.stays[0].state != LISTEN for life in states.lives())
    return wanted.none_seen(others)


def as_text(states: States, end_ns: int | None,
            wanted: Filter = Filter()) -> Iterator[str]:
    """Every connection's states, then the counts."""
    end = max(end_ns or 0, states.gaps.last_ns)
    yield from states.kept.left_out()
    if next(states.lives(wanted), None) is None:
        yield _none(states, wanted)
        return
    for life in states.lives(wanted):
        yield from _life_text(states, life, end)
        yield ""
    yield from note(HOW_TO_READ)
    yield ""
    yield from _count_lines(states, end_ns, wanted)
    if states.cookie_synacks:
        yield (f"{plural(states.cookie_synacks, 'SYN-ACK')} with a SYN "
               "cookie: nothing was kept of these.")
    if states.resets_without_connection:
        yield (f"{plural(states.resets_without_connection, 'RST')} "
               "answered segments of no connection.")
