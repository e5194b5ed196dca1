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

What was not seen is called unseen, never guessed.  endings.py says what all this came
to, states_text.py how it reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..ring.schema import Event, Schema
from ..tcp.connections import identity_of
from ..tcp.flows import StateNames, is_fast_open, is_passive, sent_no_syn
from ..tcp.kept import Kept, remember
from ..tcp.life import BY_A_CALL, LEFT_BY, PEER, US, Life, Reset, SmallSock, Stay, by_words
from ..tcp.processes import process_of
from ..tcp.segments import has_segment, is_received
from ..tcp.sequence import ACK, FIN, RST, SYN, is_after, relative
from ..tcp.tcp_states import (CLOSED, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK,
                              LISTEN, NETSTAT_NAMES, SYN_RECEIVED, SYN_SENT, TIME_WAIT)
from ..tcp.turns import begins
from ..tcp.wanted import Filter
from ..words import local_endpoint, remote_endpoint
from .endings import IMPLIED, TIME_WAIT_ENDINGS, Ending, ending_of
from .gaps import Gaps
from .listeners import AcceptQueues, is_last_ack
from .opening import AT_ONCE_NS

NEEDED_KINDS = ("state", "request", "request_end", "accepted", "time_wait",
                "time_wait_end", "reset_sent", "reset_received", "error",
                "retransmit")

# A FIN that is handled within the same segment leaves FIN-WAIT-2 this soon.
SAME_SEGMENT_NS = 200_000

# One call of close() sends the FIN and closes for want of memory.  To pass a FIN to the
# driver, or through the loopback to its peer, takes some 10 us, and several times that on a
# debug kernel.
SAME_CALL_NS = 200_000

# Connections of which nobody saw who opened them, to be compared with their other ends.
MOST_SEEM_OPENERS = 1000

# Pairs of ends under which a RST went, to be compared with those that came.
MOST_RESETS = 20_000

# The kernel tells of a RST when it has sent it: between two namespaces it has come by then.
TOLD_LATE_NS = 100_000_000


def _place(event: Event) -> tuple[int, int]:
    return event["cpu"], event["serial"]


class States:
    """Feed it joined events, then ask for the connections.

    What is of no connection is counted as far as `wanted` chooses it.
    """

    def __init__(self, schema: Schema, wanted: Filter = Filter()) -> None:
        self._schema = schema
        self._wanted = wanted
        self._states = StateNames(schema)
        self.gaps = Gaps(schema, NEEDED_KINDS)
        self.kept: Kept[Life] = Kept(lambda life: life.is_over)
        self._queues = AcceptQueues(schema)
        self._seem_openers: dict[tuple[str, str], Life] = {}
        self._rst_ns: dict[int, int] = {}       # the first, by a hash of both ends
        self.cookie_synacks = 0
        self.resets_without_connection = 0

    # ---- events in

    def feed(self, event: Event) -> None:
        """The next event."""
        left_behind = self._queues.leaves_behind(event)
        if self.gaps.takes(event):
            return
        if event.kind == "reset_sent" and len(self._rst_ns) < MOST_RESETS:
            self._rst_ns.setdefault(
                hash((local_endpoint(event), remote_endpoint(event))), event["time_ns"])
        if not event["cookie"]:
            self._see_without_connection(event)
            return
        life = self.kept.get(event.key)
        after_gap = life is not None and not self.gaps.is_whole_since(life.gaps_before)
        handler = getattr(self, f"_see_{event.kind}", self._see_any)
        handler(event)
        life = self.kept.get(event.key)
        if life is not None:
            life.ended_in_gap |= life.is_over and after_gap
            life.gaps_before = self.gaps.number
            life.last_place = _place(event)
            if life.isns is None and event["snd_isn"] and event["rcv_isn"]:
                life.isns = event["snd_isn"], event["rcv_isn"]
            life.left_behind |= left_behind
            if life.has_wildcard:
                life.local = local_endpoint(event)
                life.remote = self._remote(event)

    def _see_without_connection(self, event: Event) -> None:
        if not self._wanted.chooses(event):
            return
        if event.kind == "reset_sent":
            self.resets_without_connection += 1
        elif event.kind == "synack" and self._is_cookie(event):
            self.cookie_synacks += 1

    def _is_cookie(self, event: Event) -> bool:
        return self._schema.name_of("synack_type",
                                    event["synack_type"]) == "cookie"

    def _remote(self, event: Event) -> str:
        """A listener has no peer, whoever's segment an event is about."""
        life = self.kept.get(event.key)
        if life is not None and life.stays[0].state == LISTEN:
            return "*:*"
        return remote_endpoint(event)

    def _new(self, event: Event, stay: Stay, opened_by: str | None) -> Life:
        life = Life(*identity_of(event), stays=[stay], opened_by=opened_by,
                    opening_seen=stay.began_ns is not None)
        if stay.state == LISTEN:
            life.remote = "*:*"
        life.gaps_before = self.gaps.number
        return self.kept.add(event.key, life)

    def _from_the_middle(self, event: Event, state: str) -> Life:
        """A connection that was there before anything was seen of it."""
        opened_by = None
        if is_passive(self._schema, event):
            opened_by = PEER
        elif event["snd_isn"] and state != LISTEN:
            opened_by = US
        life = self._new(event, Stay(state, None), opened_by)
        life.note_once("its beginning " + self._was_not_seen())
        if opened_by == US:
            self._doubt_opener(life)
        return life

    def _doubt_opener(self, life: Life) -> None:
        """Of two ends that both seem to be the opener nobody knows which one is.

        The child of a listener without a backlog does not show that it is one.
        """
        other = self._seem_openers.get((life.remote, life.local))
        if other is not None and other.key != life.key:
            life.opened_by = other.opened_by = None
        remember(self._seem_openers, (life.local, life.remote), life, MOST_SEEM_OPENERS)

    def _was_not_seen(self) -> str:
        """Once connections were left out, one may be among them that was seen."""
        return ("was not seen, or is no longer kept" if self.kept.forgotten
                else "was not seen")

    def _life(self, event: Event, state: str) -> Life:
        """The connection, which the event says is in that state."""
        life = self.kept.get(event.key)
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
        if new in (FIN_WAIT_1, LAST_ACK):
            life.fin_call = event["cpu"], event["time_ns"]
        if new != CLOSED:
            life.reset_sent = life.reset_received = None
            life.error = 0

    # ---- full sockets

    def _see_state(self, event: Event) -> None:
        old, new = self._states.change(event) or ("?", "?")
        if (old, new) == (LISTEN, SYN_RECEIVED):
            self._born(event)
        elif begins((old, new)):
            self._new(event, Stay(new, event["time_ns"]),
                      US if new == SYN_SENT else None)
        elif new == CLOSED:
            self._closes(event, old)
        else:
            life = self._life(event, old)
            if new == old:  # shutdown() has sent the FIN, now comes close()
                life.found_nothing_unread = True
                return
            self._settle_birth(life, event)
            same_segment = self._same_segment(life, event)
            self._move(life, event, new)
            if new == FIN_WAIT_2:
                life.fin_and_ack = same_segment and life.fin_and_ack
        self._see_process(event)

    def _see_process(self, event: Event) -> None:
        """In whose call it has come to where it is now."""
        process = process_of(event)
        life = self.kept.get(event.key) if process else None
        if life is not None and life.now.began_ns == event["time_ns"]:
            life.now.process = process

    def _born(self, event: Event) -> None:
        """A listener's child, whose request came long before it."""
        if event.listener is None:
            return  # not adopted: it wears the listener's id
        life = self.kept.get(event.key)
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
        life = self.kept.get(event.key)
        if life is not None and life.small is not None:
            return  # the small sock has taken over
        life = self._life(event, old)
        if life.is_over:
            return
        self._settle_birth(life, event)
        life.closed_from = old
        life.no_syn = not life.syns_again and sent_no_syn(self._schema, event)
        life.with_listener = self._queues.goes_with_one(event)
        life.retransmits = event["retransmits"]
        life.timeouts = self._timeouts_in_a_row(life)
        life.fin_unacked = (event["snd_una"] != event["snd_nxt"]
                            or event["snd_nxt"] == life.unsent_behind)
        self._see_close_call(life, event, old)
        self._move(life, event, CLOSED)
        if life.no_room and life.fin_and_ack:
            del life.stays[-2]      # FIN-WAIT-2, entered and left with one segment
            life.stays[-2].ended_ns, life.stays[-2].left_by = event["time_ns"], ""

    @staticmethod
    def _see_close_call(life: Life, event: Event, old: str) -> None:
        """Did the call close it that sent our FIN, and could data have waited unread?"""
        if old not in (FIN_WAIT_1, CLOSING, LAST_ACK):
            return
        if life.fin_call is not None:
            cpu, began_ns = life.fin_call
            life.closed_in_fin_call = (cpu == event["cpu"]
                                       and event["time_ns"] - began_ns < SAME_CALL_NS)
        if life.isns is not None and life.opening_seen:
            peers_fin = old in (CLOSING, LAST_ACK)
            life.found_nothing_unread |= relative(
                event["rcv_nxt"], life.isns[1]) == 1 + peers_fin

    def _timeouts_in_a_row(self, life: Life) -> int | None:
        """The kernel counts those that sent again, not the one that gave up."""
        if life.last_timeout is None:
            return None
        number, gaps_before = life.last_timeout
        is_certain = (self.gaps.is_whole_since(gaps_before)
                      and number - life.retransmits in (0, 1))
        return number if is_certain else None

    def _see_rto(self, event: Event) -> None:
        self._see_any(event)
        life = self.kept.get(event.key)
        if life is not None:
            life.last_timeout = event["retransmits"] + 1, self.gaps.number

    def _see_destroy(self, event: Event) -> None:
        life = self.kept.get(event.key)
        if life is None:
            if event["snd_isn"]:
                self._from_the_middle(event, CLOSED)
        elif not life.is_over and life.small is None:
            self._missed(life, CLOSED)
        if life is not None:
            life.destroyed = True

    def _see_reset_sent(self, event: Event) -> None:
        reason = ""
        if "reset_reason" in self._schema.values:
            reason = self._schema.name_of("reset_reason",
                                          event["reset_reason"])
        self._see_any(event)
        life = self.kept.get(event.key)
        if life is not None:
            life.reset_sent = Reset(
                event["time_ns"], reason, has_segment(event), False,
                _place(event), self._states.name_of(event) == CLOSED,
                not event["seg_len"] and not event["seg_flags"] & FIN,
                state=self._states.name_of(event), of_mptcp="mptcp" in
                self._schema.bit_names("sock_flags", event["sock_flags"]))

    def _see_reset_received(self, event: Event) -> None:
        self._see_any(event)
        life = self.kept.get(event.key)
        if life is not None and not life.is_over:
            life.reset_received = Reset(
                event["time_ns"], "", has_segment(event),
                bool(event["seg_flags"] & RST), _place(event),
                ours_outstanding=event["snd_una"] != event["snd_nxt"],
                state=self._states.name_of(event))

    def _see_error(self, event: Event) -> None:
        self._see_any(event)
        life = self.kept.get(event.key)
        if life is not None and event["sk_error"]:
            life.error = event["sk_error"]
        elif life is not None and life.is_over:
            life.disconnected = True

    def _see_probe(self, event: Event) -> None:
        """Of a zero window: what waits behind snd_nxt, the FIN at least, has not gone."""
        self._see_any(event)
        life = self.kept.get(event.key)
        if life is None:
            return
        cause = self._schema.name_of("probe_cause", event["probe_cause"])
        if cause == "zero_window":
            life.unsent_behind = event["snd_nxt"]
        elif cause == "keepalive":
            life.asked_alive = True
            life.keepalives_unanswered = event["probes_out"] + 1

    def _see_retransmit(self, event: Event) -> None:
        self._see_any(event)
        life, state = self.kept.get(event.key), self._states.name_of(event)
        if life is not None and (state == SYN_SENT or (
                state == SYN_RECEIVED and life.opened_by == US)):
            life.syns_again += 1    # with an ACK, once the peer's has crossed it

    def _see_ack(self, event: Event) -> None:
        """A segment is processed next: is it a FIN that acknowledges ours?"""
        self._see_any(event)
        life = self.kept.get(event.key)
        if life is not None:
            flags = event["seg_flags"]
            life.keepalives_unanswered = 0
            life.fin_and_ack = bool(flags & FIN and flags & ACK
                                    and life.now.state == FIN_WAIT_1
                                    and event["seg_ack"] == event["snd_nxt"])

    def _see_segment(self, event: Event) -> None:
        """No SYN-ACK begins a connection: its request has told, or its child.

        Fast Open's, when sent again, has the id of a request that nothing else has.
        """
        if (self.kept.get(event.key) is not None or is_received(event)
                or event["seg_flags"] & (SYN | ACK) != SYN | ACK
                or self.gaps.not_recorded("request")):
            self._see_any(event)

    def _see_any(self, event: Event) -> None:
        """Any event says in passing where its connection stands."""
        state = self._states.name_of(event)
        life = self.kept.get(event.key)
        if life is None or (life.is_over and state == ESTABLISHED):
            if state != CLOSED and state in NETSTAT_NAMES:
                self._from_the_middle(event, state)
        elif (not self.gaps.is_whole_since(life.gaps_before) and not life.is_over
              and life.small is None and state != life.now.state):
            self._missed(life, state)

    # ---- requests

    def _see_syn(self, event: Event) -> None:
        """A SYN is of no connection yet."""

    def _see_refused(self, event: Event) -> None:
        """Its last ACK was dropped, for want of room in the accept queue?"""
        life = self.kept.get(event.key)
        if life is not None and is_last_ack(event) and self._schema.name_of(
                "refusal", event["refusal"]) == "accept_queue_full":
            life.refused_ns = event["time_ns"]

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
        life = self.kept.get(event.key)
        if sort == "fastopen" and life is not None:
            began_ns = life.newborn_ns or began_ns
        self._half_open(event, began_ns)

    def _see_synack_retransmit(self, event: Event) -> None:
        if not (event["half_open"] or event["accept_queue"]
                or event["accept_limit"]):
            # a Fast Open child's: in no queue, its state events tell
            life = self.kept.get(event.key)
        else:
            life = self._half_open(event, self._first_synack_ns(event))
        if life is not None:
            life.synacks_again += 1

    def _see_completed(self, event: Event) -> None:
        self._half_open(event, self._first_synack_ns(event))

    def _see_accepted(self, event: Event) -> None:
        if self.kept.get(event.key) is None:
            self._see_any(event)
        life = self.kept.get(event.key)
        if life is not None:
            life.accepted = True
            life.acceptor = process_of(event)

    @staticmethod
    def _first_synack_ns(event: Event) -> int | None:
        since_us = event["since_synack_us"]
        return event["time_ns"] - since_us * 1000 if since_us else None

    def _half_open(self, event: Event, began_ns: int | None) -> Life:
        life = self.kept.get(event.key)
        if life is None or life.is_over:
            life = self._new(event, Stay(SYN_RECEIVED, began_ns), PEER)
            life.opening_seen = began_ns is not None
        elif life.now.state == SYN_RECEIVED and life.now.began_ns is None:
            life.now.began_ns = began_ns
            life.opening_seen = began_ns is not None
        return life

    def _see_request_end(self, event: Event) -> None:
        ending = self._schema.name_of("request_ending", event["request_ending"])
        known = self.kept.get(event.key)
        if ending == "joined":  # MPTCP has a child of it, or closed that before
            if known is not None and known.is_over:
                known.request_ending = ending
            return
        life = self._half_open(event, self._first_synack_ns(event))
        if life.now.state != SYN_RECEIVED:
            return  # its child lives on
        life.request_ending = ending
        life.overflowed = (life.request_ending == "reset_by_us"
                           and life.refused_ns is not None
                           and event["time_ns"] - life.refused_ns < AT_ONCE_NS)
        life.closed_from = SYN_RECEIVED
        self._move(life, event, CLOSED)

    # ---- small socks

    def _small_state(self, event: Event) -> str:
        state = self._states.name_of(event)
        return state if state in (FIN_WAIT_2, TIME_WAIT) else TIME_WAIT

    def _small(self, event: Event) -> tuple[Life, SmallSock]:
        state = self._small_state(event)
        life = self.kept.get(event.key)
        if life is not None and life.may_live_on:
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
        small.keeps_syn_out()
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
            self._syn_in_small(event, state, life, small)
        small.timer_set += step == "timer_set"
        if event["time_wait_us"]:
            small.due_ns = event["time_ns"] + event["time_wait_us"] * 1000

    @staticmethod
    def _segment_in_small(event: Event, state: str, small: SmallSock) -> None:
        small.segments += 1
        small.data_last = bool(event["seg_len"])
        small.fins_again += bool(state == TIME_WAIT
                                 and event["seg_flags"] & FIN)

    @staticmethod
    def _syn_in_small(event: Event, state: str, life: Life, small: SmallSock) -> None:
        """Unless it is the connection's own, late.

        It is taken if its ISN is newer, or its timestamp, and no timestamp is older
        (tcp_timewait_state_process()); then the small sock ends at once.
        """
        if (state == TIME_WAIT and event["seg_flags"] & (SYN | ACK | RST) == SYN
                and (life.isns is None or event["seg_seq"] != life.isns[1])):
            small.meets_syn(event["time_ns"], is_after(event["seg_seq"], event["rcv_nxt"]))

    def _overflow(self, event: Event) -> None:
        life = self.kept.get(event.key)
        if life is not None:
            life.no_room = True
            life.fin_and_ack &= self._is_at_once(life, event)

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
        at_once = self._is_at_once(life, event)
        if at_once and life.fin_and_ack:
            life.stays.pop()
            self._move(life, event, state)
            return
        self._move(life, event, state)
        if at_once and (stay.took_us or 0) * 1000 < SAME_SEGMENT_NS:
            stay.left_by = "the peer's FIN came with that ACK" + IMPLIED

    def _is_at_once(self, life: Life, event: Event) -> bool:
        """Whether FIN-WAIT-2 was entered with the very segment that ends it."""
        stay = life.now
        return (stay.state == FIN_WAIT_2 and len(life.stays) > 1
                and self._same_segment(life, event) and stay.began_ns is not None
                and life.stays[-2].state == FIN_WAIT_1)

    def _see_time_wait_end(self, event: Event) -> None:
        state = self._small_state(event)
        life, small = self._small(event)
        if small.syn_ns is not None and event["time_ns"] - small.syn_ns > AT_ONCE_NS:
            small.keeps_syn_out()
        small.syn_ns = None
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
        if (stay.state == FIN_WAIT_2 and life.may_live_on
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
        if life.is_over:
            return ending_of(life, self.gaps)
        side = self.last_reset(life)
        return Ending("reset", side, "", False) if side else None

    def by(self, life: Life, stay: Stay) -> str:
        """`, by curl[1234]`, whose call brought it there, and who was not there by chance."""
        ending = self.ending(life) if stay.state == CLOSED else None
        did_it = stay.state in BY_A_CALL or ending is not None and (
            ending.by == US or life.closed_from == LISTEN)
        return by_words(stay.process) if did_it else ""

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

    def sent_no_reset(self, life: Life, came_ns: int, end_ns: int) -> bool:
        """Whether no RST went from its host under its name that could come at that moment.

        It is said only of one that was recorded whole. Once its socket is gone, its own RST
        may be told late, unless one ended it, too; and another may be nobody's or its
        listener's, which a filter or sampling takes for another connection's.
        """
        first_ns = self._rst_ns.get(hash((life.local, life.remote)))
        told_ns = came_ns + TOLD_LATE_NS
        sent = life.reset_sent
        is_whole = (life.opening_seen and not life.partly and told_ns <= end_ns
                    and len(self._rst_ns) < MOST_RESETS
                    and not self.gaps.may_lack("state", "reset_sent",
                                               since_ns=life.stays[0].began_ns))
        was_there = life.small is None and (
            not life.is_over or came_ns < (life.now.began_ns or 0))
        ended = life.reset_received is not None and life.reset_received.has_rst_flag
        return (is_whole and (was_there or ended and self.gaps.lets_everything_in)
                and (first_ns is None or first_ns > told_ns)
                and (sent is None or sent.time_ns > told_ns and not sent.of_mptcp))

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

    def kept_out(self, life: Life, end_ns: int) -> SmallSock | None:
        """Its TIME-WAIT, if that is known to have kept out SYNs of a new connection."""
        small = life.small
        if small is None:
            return None
        if (small.syn_ns is not None and end_ns - small.syn_ns > AT_ONCE_NS
                and self.is_known_to_last(life) and not self.gaps.lacks("time_wait_end")):
            small.keeps_syn_out()
        return small if small.syns_kept else None

    def counts(self, end_ns: int,
               wanted: Filter = Filter()) -> tuple[dict[str, int], int]:
        """Open connections by state; how many are not certain."""
        counts: Counter[str] = Counter()
        unsure = 0
        for life in self.lives(wanted):
            if life.now.state in NETSTAT_NAMES and not self.last_reset(life):
                counts[life.now.state] += 1
                unsure += self.may_have_ended(life, end_ns)
        return {name: counts[name] for name in NETSTAT_NAMES
                if counts[name]}, unsure
