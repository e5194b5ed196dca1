# SPDX-License-Identifier: GPL-2.0
"""Who suffers now: each connection and each listener, interval by interval.

A busy ring is nearly all `ack` records, and of a connection's acks only the last
matters here: what lies between two of them shows in its numbers, as snd_una and
rcv_nxt never go back.  So the acks of a connection that is known are put aside
undecoded, the last of each, and decoded when the interval ends, or when something
else happens to the connection.  Everything else is looked at one by one.

What counts in an interval is kept apart from what counts since watching began.
Segments sent again are also told by the kernel, since the connection began; that
number is right even where events were lost.

A connection that is over leaves the table with the interval in which it ended.
One that was not heard of since events were lost, or since less was recorded, may
have ended unseen: it stays for a while, and says so.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from ..ring.schema import Event, Schema, key_of
from ..tcp.flows import StateNames, is_of_recording
from ..tcp.segments import has_socket, segments_sent_again
from ..tcp.sequence import SYN, is_after, relative
from ..tcp.tcp_states import CLOSED, LISTEN, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from ..tcp.turns import NO_ENDS, Turns, begins, packed_ends
from ..tcp.wanted import Filter
from ..views.gaps import Gaps
from ..views.listeners import HANDSHAKE_KINDS, Listener, Listeners
from ..views.losses import CAUSES, SYNACK
from ..words import local_endpoint, remote_endpoint
from .frame import Connection, Frame, Listening, Tally

OVER = (CLOSED, TIME_WAIT)

NEEDED_KINDS = ("state", "ack", "retransmit", "rto", "destroy", "time_wait",
                "time_wait_end", *HANDSHAKE_KINDS)
LOSS = "counts are lower bounds, and what ended meanwhile may still be here"

# Connections kept at the most, those last heard of.
MOST = 50_000

# Too many go together with this share of the rest, as a search for them takes time.
ROOM_MADE = 20

# Acks put aside before they are counted in: few enough that what they
# acknowledge stays far below 2^31 on the fastest path.
PUT_ASIDE = 16_384

# How long a connection that may be over stays without being heard of.
UNSURE_NS = 60_000_000_000

# TIME-WAIT lasts 60 s, and its timer may come an eighth late.
TIME_WAIT_NS = 70_000_000_000

# Without the connection's own numbers: a segment's, a listener's or a request's.
NOT_OF_A_SOCKET = ("syn", "refused", "cookie_checked", "segment")
OF_A_REQUEST = ("request", "synack", "synack_retransmit", "request_end")
OF_A_SMALL_SOCK = ("time_wait", "time_wait_end")


@dataclass(slots=True)
class Flow:
    """One connection, as far as it was heard of."""

    cookie: int
    netns: int
    family: int
    local: str
    remote: str
    ends: bytes
    is_named: bool
    state: str
    heard_ns: int
    gaps_before: int
    in_small_sock: bool = False
    snd_una: int | None = None
    rcv_nxt: int | None = None
    acked: int = 0
    received: int = 0
    again: int = 0
    again_as_told: int | None = None
    cause: str = ""
    cwnd: int = 0
    ssthresh: int = 0
    srtt_us: int = 0
    rttvar_us: int = 0
    min_rtt_us: int = 0
    rto_us: int = 0
    backoff: int = 0
    unacked: int = 0
    lost: int = 0
    ca_state: str = ""
    acked_before: int = 0
    received_before: int = 0
    again_before: int = 0

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to see of it any more."""
        return self.state in OVER

    def hear(self, event: Event) -> None:
        """Where it stands now, by any event of its full socket."""
        if not has_socket(event) or not event["cwnd"]:
            return
        self.cwnd, self.ssthresh = event["cwnd"], event["ssthresh"]
        self.srtt_us, self.rttvar_us = event["srtt_us"], event["rttvar_us"]
        self.min_rtt_us = event["min_rtt_us"]
        self.rto_us, self.backoff = event["rto_us"], event["backoff"]
        self.unacked, self.lost = event["packets_out"], event["lost_out"]
        if self.state in (SYN_SENT, SYN_RECEIVED):
            return  # a SYN has a number, and is no data
        self.acked += _grown(self.snd_una, event["snd_una"])
        self.received += _grown(self.rcv_nxt, event["rcv_nxt"])
        self.snd_una, self.rcv_nxt = event["snd_una"], event["rcv_nxt"]

    def begin_interval(self) -> None:
        """What is counted from now on is the next interval's."""
        self.acked_before, self.received_before = self.acked, self.received
        self.again_before = self.again


def _grown(before: int | None, now: int) -> int:
    """By how much; records of several CPUs may be out of order for nanoseconds."""
    return relative(now, before) if before is not None and is_after(now, before) else 0


def _reasons(listener: Listener) -> Counter[str]:
    return listener.refused_syns + listener.refused_acks


class Top:
    """Feed it whole records in their order, then end the interval."""

    def __init__(self, schema: Schema, wanted: Filter | None = None,
                 most: int = MOST) -> None:
        self._schema = schema
        self._states = StateNames(schema)
        self._wanted = wanted or Filter()
        self._most = most
        self.gaps = Gaps(schema, NEEDED_KINDS, LOSS)
        self._flows: OrderedDict[int, Flow] = OrderedDict()
        self._put_aside: dict[int, bytes] = {}
        self._aside = 0
        self._turns = Turns(schema)
        self._listeners = Listeners(schema)
        self._closed: set[tuple[int, int]] = set()
        self._tallies: dict[int, tuple[Tally, Counter[str]]] = {}
        self._states_seen = True
        self._from_ns: int | None = None
        self._events = 0
        self._lost_before = 0
        self._forgotten = 0
        self._ack = next((number for number, kind in schema.kinds.items()
                          if kind == "ack"), None)

    # ---- records in

    def take(self, records: bytes) -> None:
        """Whole records, in their order; at once no more than one read brings."""
        schema, ack, flows, aside = (self._schema, self._ack, self._flows,
                                     self._put_aside)
        size, kind_at = schema.record_bytes, schema.field_named("kind").offset
        place, order = schema.field_named("cookie"), schema.byte_order
        cookie_at, cookie_end, number_of = place.offset, place.end, int.from_bytes
        turn_of = self._turns.now
        for at in range(0, len(records), size):
            record = records[at:at + size]
            if record[kind_at] == ack:
                cookie = number_of(record[cookie_at:cookie_end], order)
                if cookie in flows or turn_of(cookie):
                    aside[cookie] = record
                    self._aside += 1
                    continue
            self.see(schema.decode(record))
        self._events += len(records) // size
        if self._aside >= PUT_ASIDE:
            self._count_in()

    def _count_in(self) -> None:
        """The acks that were put aside."""
        aside = list(self._put_aside.values())
        self._put_aside.clear()
        self._aside = 0
        for record in aside:
            self._hear(self._schema.decode(record))

    def _hear(self, event: Event) -> None:
        """An event that only shows where its connection stands."""
        self.gaps.takes(event)
        event.turn = self._turn(event)
        flow = self._flow(event)
        if flow is not None:
            self._enter(flow, event)

    def see(self, event: Event) -> None:
        """The next event, if it is no ack that can wait."""
        if is_of_recording(event):
            self._count_in()
            self._events -= 1
        if self.gaps.takes(event):
            return
        self._listen(event)
        cookie = event["cookie"]
        if not cookie or event.kind in NOT_OF_A_SOCKET:
            return
        last_ack = self._put_aside.pop(cookie, None)
        if last_ack is not None:
            self._hear(self._schema.decode(last_ack))
        change = self._states.change(event)
        if change == (LISTEN, SYN_RECEIVED):
            return  # a child that still wears its listener's id
        if begins(change):
            self._begin_turn(cookie)
        event.turn = self._turn(event)
        flow = self._flow(event)
        if flow is not None:
            self._enter(flow, event)
            getattr(self, f"_see_{event.kind}", _nothing_more)(flow, event)

    def _now(self, cookie: int) -> Flow | None:
        """What its socket is at now."""
        return self._flows.get(key_of(cookie, self._turns.now(cookie)))

    def _begin_turn(self, cookie: int) -> None:
        """A socket connects or listens, maybe again."""
        before = self._now(cookie)
        if before is not None:
            self._turns.next(cookie, before.ends)

    def _turn(self, event: Event) -> int:
        """Which of its socket's connections it is of."""
        cookie = event["cookie"]
        if not self._turns.now(cookie):
            return 0
        now = self._now(cookie)
        is_named = now is not None and now.is_named
        return self._turns.of(event, now.ends if now and is_named else NO_ENDS)

    def _flow(self, event: Event) -> Flow | None:
        """Its connection; none of a listener, or of one that was over before."""
        cookie, key = event["cookie"], event.key
        flow = self._flows.get(key)
        if flow is None:
            state = self._states.name_of(event)
            if (not cookie or not event["remote_port"] or state in (LISTEN, CLOSED)
                    or event.kind in ("request_end", "time_wait_end")):
                return None
            flow = self._flows[key] = Flow(
                cookie, event["netns"], event["family"], local_endpoint(event),
                remote_endpoint(event), packed_ends(event), self._is_named(event), state,
                event["time_ns"], self.gaps.number)
            if len(self._flows) > self._most:
                self._make_room()
            return flow
        self._flows.move_to_end(key)
        if not flow.is_named and event["local_port"]:
            flow.local = local_endpoint(event)
            flow.remote = remote_endpoint(event)
            flow.ends = packed_ends(event)
            flow.is_named = True
        return flow

    def _is_named(self, event: Event) -> bool:
        """Not where connect() has still to choose a port, and an earlier one may stand."""
        return bool(event["local_port"]) and not begins(self._states.change(event))

    def _make_room(self) -> None:
        """A share of them goes: first those that are over, then the silent ones."""
        surplus = max(1, self._most // ROOM_MADE)
        over = [key for key, flow in self._flows.items() if flow.is_over]
        for key in over[:surplus]:
            del self._flows[key]
        for _ in range(surplus - len(over)):
            self._flows.popitem(last=False)
            self._forgotten += 1

    def _enter(self, flow: Flow, event: Event) -> None:
        """The state that an event tells of, and the rest it shows."""
        flow.heard_ns = max(flow.heard_ns, event["time_ns"])
        flow.gaps_before = self.gaps.number
        if event.kind in OF_A_SMALL_SOCK:
            return
        state = self._states.name_of(event)
        if event.kind in OF_A_REQUEST:
            if flow.state == SYN_RECEIVED:
                flow.rto_us = event["rto_us"] or event["synack_timeout_us"]
                flow.backoff = event["num_timeout"]
            return
        if not flow.in_small_sock:
            flow.state = state
        if event.kind != "destroy":
            flow.ca_state = self._schema.name_of("ca_state", event["ca_state"])
            flow.hear(event)

    # ---- what some kinds tell besides

    def _see_retransmit(self, flow: Flow, event: Event) -> None:
        flow.again += segments_sent_again(event)
        told = event.values.get("total_retrans")
        if told is not None:
            flow.again_as_told = told
        flow.cause = self._cause(event)

    def _cause(self, event: Event) -> str:
        if event["seg_flags"] & SYN:
            return "syn"
        name = self._schema.name_of("retransmit_cause", event["retransmit_cause"])
        return name if name in CAUSES else "unknown"

    def _see_synack_retransmit(self, flow: Flow, _: Event) -> None:
        flow.again += 1
        flow.cause = SYNACK

    def _see_request_end(self, flow: Flow, _: Event) -> None:
        flow.state = CLOSED

    def _see_destroy(self, flow: Flow, event: Event) -> None:
        told = event["retrans_segs"]
        if told:
            flow.again_as_told = told
        if not flow.in_small_sock:
            flow.state = CLOSED

    def _see_time_wait(self, flow: Flow, event: Event) -> None:
        step = self._schema.name_of("time_wait_step", event["time_wait_step"])
        if step != "overflow":
            flow.in_small_sock = True
            flow.state = self._states.name_of(event)

    def _see_time_wait_end(self, flow: Flow, _: Event) -> None:
        flow.state = CLOSED

    # ---- listeners

    def _listen(self, event: Event) -> None:
        listener = self._listeners.feed(event)
        if listener is not None:
            self._closed.discard((listener.netns, listener.cookie))
        elif self._states.change(event) == (LISTEN, CLOSED):
            ends = event["netns"], event["cookie"]
            if self._listeners.known(*ends) is not None:
                self._closed.add(ends)

    # ---- an interval ends

    def end_interval(self, until_ns: int, is_history: bool = False) -> Frame:
        """What it showed; the next one begins."""
        self._count_in()
        if self._from_ns is None:
            self._from_ns = (until_ns if self.gaps.first_ns is None
                             else self.gaps.first_ns)
        until_ns = max(until_ns, self._from_ns)
        self._states_seen = not self.gaps.not_recorded("state")
        self._drop_the_silent(until_ns)
        chosen = list(filter(self._wanted.includes, self._flows.values()))
        frame = Frame(
            self._from_ns, until_ns, self.gaps.first_ns, is_history, self._events,
            self.gaps.lost_events - self._lost_before, self.gaps.lost_events,
            Counter(flow.state for flow in chosen if flow.state != CLOSED),
            [row for row in map(self._row, chosen)
             if row.heard or row.state not in OVER],
            [self._listener_row(each) for each in self._listeners.all()
             if self._is_wanted(each)],
            len(self._flows) - len(chosen), self._forgotten, self.gaps.notes(),
            self._listeners.left_out.count)
        self._begin_next(until_ns)
        return frame

    def _may_have_ended(self, flow: Flow) -> bool:
        return not self.gaps.is_whole_since(flow.gaps_before) or not self._states_seen

    def _drop_the_silent(self, until_ns: int) -> None:
        """Those that may be over, or are, and of which nothing was heard for long.

        Who was heard of the longest time ago comes first.
        """
        for key, flow in list(self._flows.items()):
            silent_ns = until_ns - flow.heard_ns
            if silent_ns <= UNSURE_NS:
                break
            if (silent_ns > TIME_WAIT_NS if flow.state == TIME_WAIT
                    else self._may_have_ended(flow)):
                del self._flows[key]

    def _begin_next(self, until_ns: int) -> None:
        self._from_ns = until_ns
        self._events = 0
        self._lost_before = self.gaps.lost_events
        for key in [key for key, flow in self._flows.items()
                    if flow.state == CLOSED]:
            del self._flows[key]
        for flow in self._flows.values():
            flow.begin_interval()
        for listener in self._listeners.all():
            if (listener.netns, listener.cookie) in self._closed:
                self._listeners.forget(listener)
        self._closed.clear()
        self._tallies = {each.number: (Tally.of(each), _reasons(each))
                         for each in self._listeners.all()}

    def _row(self, flow: Flow) -> Connection:
        return Connection(
            flow.cookie, flow.netns, flow.family, flow.state,
            not flow.is_over and self._may_have_ended(flow),
            flow.heard_ns >= (self._from_ns or 0), flow.local, flow.remote,
            flow.again - flow.again_before, flow.again, flow.again_as_told,
            flow.cause, flow.lost, flow.unacked, flow.srtt_us, flow.rttvar_us,
            flow.min_rtt_us, flow.cwnd, flow.ssthresh, flow.ca_state, flow.rto_us,
            flow.backoff, flow.acked - flow.acked_before, flow.acked,
            flow.received - flow.received_before, flow.received)

    def _is_wanted(self, listener: Listener) -> bool:
        return (self._wanted.cookie in (None, listener.cookie)
                and self._wanted.includes_listener(listener))

    def _listener_row(self, listener: Listener) -> Listening:
        before, reasons_before = self._tallies.get(
            listener.number, (Tally(), Counter()))
        in_all, reasons = Tally.of(listener), _reasons(listener)
        return Listening(
            listener.cookie, listener.netns, listener.address,
            listener.half_open.now, listener.half_open.peak, listener.accept.now,
            listener.accept.peak, listener.limit, in_all.since(before), in_all,
            reasons - reasons_before, reasons)


def _nothing_more(_flow: Flow, _event: Event) -> None:
    """Of most kinds all is said by where the connection stands."""
