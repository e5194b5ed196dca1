# SPDX-License-Identifier: GPL-2.0
"""One connection's opening, joined from the events of its whole life.

How events find each other:

 - opened actively: by the socket's id, from CLOSED -> SYN-SENT on;
 - opened passively: a SYN has no id yet.  It is known by both ends and the
   namespace until `request` gives it an id, which the child keeps;
 - a SYN cookie keeps nothing: the child that a valid one makes has an id never
   seen before, and is found by both ends again.

A SYN with another ISN between the same ends is another opening; with the same
ISN it is the same one, sent again.
"""

from __future__ import annotations

from errno import ETIMEDOUT

from ..ring.schema import Event, Schema
from ..tcp.fast_open import is_answered
from ..tcp.flows import Ends, StateNames, ends_of, is_fast_open, is_of_recording, sent_no_syn
from ..tcp.processes import process_of
from ..tcp.segments import is_received
from ..tcp.sequence import ACK, FIN, MODULUS, RST, SYN
from ..tcp.synack_waits import SynWait, SynackWaits, Wait, ack_was_deferred
from ..tcp.tcp_states import (CLOSED, ESTABLISHED, FIN_WAIT_1, LISTEN, SYN_RECEIVED,
                              SYN_SENT)
from ..words import duration, errno_words, local_endpoint, remote_endpoint, spaced
from .listeners import AcceptQueues, is_last_ack
from .opening import ACTIVE, JOINED, PASSIVE, Attempt, Opening, Refusal, Step

# The latest ones are kept; a flood makes any number of them.
REMEMBERED = 200_000


class Openings:
    """Feed it joined events; it keeps one Opening for each handshake."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._states = StateNames(schema)
        self._waits = SynackWaits()
        self._queues = AcceptQueues(schema)
        self._all: dict[int, Opening] = {}
        self._by_cookie: dict[int, Opening] = {}
        self._by_ends: dict[Ends, Opening] = {}
        self.forgotten = 0

    def all(self) -> list[Opening]:
        """Every opening, in the order they began."""
        return list(self._all.values())

    def feed(self, event: Event) -> None:
        """The next event."""
        left_behind = self._queues.leaves_behind(event)
        if is_of_recording(event):
            return
        if left_behind:
            self._left_behind(event)
        take = getattr(self, f"_take_{event.kind}", None)
        if take is not None:
            take(event)

    # ---- finding the opening

    def _new(self, event: Event, opened_by: str) -> Opening:
        opening = Opening(event["cookie"], event["netns"],
                          local_endpoint(event), remote_endpoint(event),
                          ends_of(event), event["time_ns"], opened_by, event.turn)
        self._all[id(opening)] = opening
        self._index(opening)
        if len(self._all) > REMEMBERED:
            self._forget(self._all.pop(next(iter(self._all))))
        return opening

    def _index(self, opening: Opening) -> None:
        if opening.cookie:
            self._by_cookie[opening.cookie] = opening
        if opening.opened_by != ACTIVE:
            self._by_ends[opening.ends] = opening

    def _forget(self, opening: Opening) -> None:
        self.forgotten += 1
        if self._by_cookie.get(opening.cookie) is opening:
            del self._by_cookie[opening.cookie]
        if self._by_ends.get(opening.ends) is opening:
            del self._by_ends[opening.ends]

    def _found(self, event: Event) -> Opening | None:
        """By id; what has no id yet, or no more, by its ends."""
        cookie = event["cookie"]
        if cookie in self._by_cookie:
            return self._by_cookie[cookie]
        opening = self._by_ends.get(ends_of(event))
        if opening is None or (cookie and opening.cookie):
            return None
        return opening

    def _passive(self, event: Event) -> Opening:
        """The opening of an event that bears the connection's own id."""
        opening = self._found(event)
        isn = event["rcv_isn"]
        if opening is None or (isn and opening.rcv_isn not in (0, isn)):
            opening = self._new(event, PASSIVE)
        if event["cookie"] and not opening.cookie:
            opening.cookie = event["cookie"]
            self._index(opening)
        opening.rcv_isn = isn or opening.rcv_isn
        opening.snd_isn = event["snd_isn"] or opening.snd_isn
        opening.listener = (event.values.get("listener", 0)
                            or opening.listener)
        return opening

    # ---- the listener's side

    def _take_syn(self, event: Event) -> None:
        opening = self._by_ends.get(ends_of(event))
        isn = event["seg_seq"]
        again = (opening is not None and opening.rcv_isn == isn
                 and opening.over_ns is None)
        if not again or opening is None:
            opening = self._new(event, PASSIVE)
            opening.rcv_isn = isn
            opening.syn_ns = event["time_ns"]
        opening.listener = event["listener"] or opening.listener
        opening.syns_again += again
        opening.step(event, f"SYN arrived{' again' if again else ''}, ISN "
                     f"{isn} {self._queue_words(event)}")

    @staticmethod
    def _queue_words(event: Event) -> str:
        return (f"(half-open {event['half_open']}, accept queue "
                f"{event['accept_queue']}, limit {event['accept_limit']})")

    def _take_request(self, event: Event) -> None:
        opening = self._passive(event)
        opening.queued_ns = event["time_ns"]
        opening.step(event, "request queued, half-open now "
                     f"{event['half_open'] + 1}")

    def _take_synack(self, event: Event) -> None:
        opening = self._passive(event)
        kind = self._schema.name_of("synack_type", event["synack_type"])
        if kind == "cookie":
            opening.cookies_sent += 1
            opening.cookie_needed |= event["half_open"] > event["accept_limit"]
            opening.step(event, f"SYN cookie sent, ISN {event['snd_isn']}; "
                         "nothing is kept")
            opening.synack_ns = opening.synack_ns or event["time_ns"]
            return
        opening.fast_open |= kind == "fastopen"
        opening.synack_ns = event["time_ns"]
        opening.step(event, f"SYN-ACK sent, ISN {event['snd_isn']}"
                     f"{', Fast Open' if opening.fast_open else ''}")

    def _take_synack_retransmit(self, event: Event) -> None:
        opening = self._passive(event)
        wait = self._waits.see(event)
        opening.attempts.append(Attempt(event["time_ns"],
                                        event["since_synack_us"], wait))
        words = _wait_words(wait)
        if ack_was_deferred(event):
            opening.deferred = True
            words += "; a timer before sent nothing, as the ACK had come (TCP_DEFER_ACCEPT)"
        opening.step(event, f"SYN-ACK sent again, attempt {wait.attempt} "
                     f"({wait.by}){words}")

    def _take_segment(self, event: Event) -> None:
        """Of a request its SYN-ACKs, and what the client answers."""
        opening = self._by_cookie.get(event["cookie"])
        if opening is None:
            return
        flags, of_client = event["seg_flags"], (
            is_received(event) == (opening.opened_by == PASSIVE))
        opening.last_acks += of_client and _is_bare_last_ack(event)
        if opening.opened_by == ACTIVE or opening.over_ns is not None:
            return
        opening.synacks_left += not of_client and bool(flags & SYN)
        if of_client and not flags & (SYN | RST) and opening.answer_came_ns is None:
            opening.answer_came_ns = event["time_ns"]

    def _take_refused(self, event: Event) -> None:
        opening = self._found(event)
        last_ack = is_last_ack(event)
        isn = event["rcv_isn"] if last_ack else event["seg_seq"]
        is_another = not last_ack and opening is not None and (
            opening.over_ns is not None or opening.rcv_isn not in (0, isn))
        if opening is None or is_another:
            opening = self._new(event, PASSIVE)
            opening.rcv_isn = isn
        opening.listener = event["listener"] or opening.listener
        reason = self._schema.name_of("refusal", event["refusal"])
        opening.refusals.append(Refusal(
            event["time_ns"], reason, last_ack, event["half_open"],
            event["accept_queue"], event["accept_limit"]))
        what = "the last ACK" if last_ack else "the SYN"
        opening.step(event, f"{what} dropped: {spaced(reason)} "
                     f"{self._queue_words(event)}")

    def _take_completed(self, event: Event) -> None:
        opening = self._passive(event)
        opening.completed_ns = event["time_ns"]
        opening.since_synack_us = (event["since_synack_us"]
                                   or opening.since_synack_us)
        opening.fast_open |= is_fast_open(self._schema, event)
        opening.deferred |= ack_was_deferred(event)
        how = ("completed by Fast Open: with the SYN, before any last ACK"
               if opening.fast_open else "completed: the last ACK came")
        opening.step(event, f"{how}, accept queue now "
                     f"{event['accept_queue'] + 1}")

    def _take_accepted(self, event: Event) -> None:
        opening = self._by_cookie.get(event["cookie"])
        if opening is None:
            return  # completed before watching began
        opening.accepted_ns = event["time_ns"]
        wait = opening.accept_wait_us
        waited = "" if wait is None else f" after {duration(wait)}"
        opening.step(event, f"accepted by {process_of(event) or 'a process'}{waited}")

    def _left_behind(self, event: Event) -> None:
        opening = self._by_cookie.get(event["cookie"])
        if opening is not None and not opening.never_accepted:
            opening.never_accepted = True
            opening.step(event, "ended: its listener was closed")

    def _take_request_end(self, event: Event) -> None:
        opening = self._passive(event)
        ending = self._schema.name_of("request_ending",
                                      event["request_ending"])
        opening.request_ending = ending
        opening.deferred |= ack_was_deferred(event)
        if ending != JOINED:  # of which its child's state tells
            opening.ended, opening.ended_ns = CLOSED, event["time_ns"]
        opening.since_synack_us = (event["since_synack_us"]
                                   or opening.since_synack_us)
        opening.step(event, f"request ended: {spaced(ending)}")

    def _take_cookie_checked(self, event: Event) -> None:
        """A valid one's child is complete by now, and the event bears its id.

        An invalid one without a SYN is no handshake: the listener's count tells.
        """
        verdict = self._schema.name_of("cookie_verdict",
                                       event["cookie_verdict"])
        opening = self._found(event)
        if verdict == "valid":
            opening = opening or self._new(event, PASSIVE)
        elif opening is None or opening.over_ns is not None:
            return
        opening.cookie_verdict = verdict
        opening.step(event, "the ACK's cookie: "
                     + verdict.replace("_", ", but "))

    # ---- the side that connects, and what both have

    def _take_rto(self, event: Event) -> None:
        """What goes again has its `retransmit` right after it, unless this host drops it.

        __tcp_retransmit_skb() tells only of what was sent. Of the last one nothing is to
        go again, where the kernel gives up.
        """
        opening = self._by_cookie.get(event["cookie"])
        if (opening is None or opening.opened_by != ACTIVE or opening.over_ns is not None
                or self._states.name_of(event) != SYN_SENT):
            return
        if opening.syn_timer_ns is not None:
            opening.syns_unsent += 1
            if not opening.syns_again and opening.steps:  # nobody tells of the first, either
                opening.steps[0].words = opening.steps[0].words.replace("SYN sent", "SYN made")
            opening.steps.append(Step(opening.syn_timer_ns, "the SYN's timer fired"))
        opening.syn_timer_ns = event["time_ns"]

    def _take_retransmit(self, event: Event) -> None:
        if not event["seg_flags"] & SYN:
            return
        opening = self._by_cookie.get(event["cookie"])
        if opening is None:
            if event["seg_flags"] & ACK:
                return  # of a Fast Open child: its SYN-ACK
            opening = self._new(event, ACTIVE)
        last_ns = (opening.syn_waits[-1].time_ns if opening.syn_waits
                   else opening.syn_ns)
        wait = SynWait.of(event, opening.syns_again + 1, last_ns)
        opening.syns_again += 1
        opening.syn_timer_ns = None
        opening.snd_isn = opening.snd_isn or event["snd_isn"]
        opening.syn_waits.append(wait)
        attempt = "" if opening.began_unseen else f", attempt {wait.attempt}"
        opening.step(event, f"SYN sent again{attempt}{_wait_words(wait)}")

    def _take_reset_sent(self, event: Event) -> None:
        """In SYN-SENT it tells of an answer that does not fit, and nothing ends."""
        opening = self._by_cookie.get(event["cookie"])
        if (opening is not None and opening.opened_by == ACTIVE and opening.over_ns is None
                and self._states.name_of(event) == SYN_SENT):
            opening.misfits.add(opening.syns_again)
            opening.step(event, "an answer that does not fit came: RST sent")

    def _take_reset_received(self, event: Event) -> None:
        opening = self._by_cookie.get(event["cookie"])
        if opening is not None and opening.over_ns is None:
            opening.reset_received = True
            opening.step(event, "RST received")

    def _take_error(self, event: Event) -> None:
        """It comes before or after the state event that it explains.

        Without an error, an ICMP message was put on the socket's queue: no failure yet.
        """
        opening = self._by_cookie.get(event["cookie"])
        if opening is not None and event["sk_error"] and not opening.established:
            opening.error = event["sk_error"]
            if opening.fast_open and opening.error == ETIMEDOUT:
                opening.request_ending = "expired"
            what = "connect() fails" if opening.opened_by == ACTIVE else "error"
            opening.step(event, f"{what}: {errno_words(event['sk_error'])}")

    def _take_state(self, event: Event) -> None:
        change = self._states.change(event)
        assert change is not None
        old, new = change
        known = self._by_cookie.get(event["cookie"])
        if known is not None and known.is_undecided_child:
            self._child_changes(known, event, old, new)
        elif (old, new) == (CLOSED, SYN_SENT):
            self._connects(event)
        elif (old, new) == (LISTEN, SYN_RECEIVED):
            # without a listener the child was not found: not a connection
            if event.listener is not None:
                child = self._passive(event)
                child.listener = child.listener or event.listener
        elif old == SYN_RECEIVED or (old == SYN_SENT
                                     and new in (ESTABLISHED, CLOSED)):
            self._ends(event, old, new)
        elif old == SYN_SENT and new == SYN_RECEIVED and known is not None:
            known.step(event, "SYN received while ours was on its way: "
                       "simultaneous open")

    @staticmethod
    def _child_changes(opening: Opening, event: Event, old: str, new: str) -> None:
        """A Fast Open child's state, as long as its SYN-ACK is not answered."""
        answered = is_answered(event, old, new)
        if answered is None:
            if new == FIN_WAIT_1:
                opening.closed_early = True
                opening.step(event, f"{new}: closed here, before any last ACK")
            return
        opening.ended = ESTABLISHED if answered else CLOSED
        if not answered and opening.reset_received:
            opening.request_ending = "reset_by_peer"
        opening.ended_ns = event["time_ns"]
        opening.first_rtt_us = event["srtt_us"]
        opening.step(event, f"the last ACK came: {new}" if answered else new)

    def _connects(self, event: Event) -> None:
        """A socket may connect again after an attempt that failed."""
        opening = self._new(event, ACTIVE)
        opening.syn_ns = event["time_ns"]
        opening.snd_isn = event["snd_isn"]
        opening.step(event, f"SYN sent, ISN {opening.snd_isn}" if opening.snd_isn
                     else "connect() called")

    def _ends(self, event: Event, old: str, new: str) -> None:
        active = old == SYN_SENT
        opening = self._by_cookie.get(event["cookie"])
        if opening is None:
            opening = (self._new(event, ACTIVE) if active
                       else self._passive(event))
        opening.first_rto_us, opening.first_rtt_us = event["rto_us"], event["srtt_us"]
        if opening.ended is not None or opening.completed_ns is not None:
            opening.ended = opening.ended or new
            return
        opening.ended, opening.ended_ns = new, event["time_ns"]
        opening.snd_isn = opening.snd_isn or event["snd_isn"]
        if sent_no_syn(self._schema, event) and not opening.snd_isn:
            opening.no_syn, opening.no_port = True, not event["local_port"]
        opening.step(event, f"{new}: no SYN was sent" if opening.no_syn else new)


def _is_bare_last_ack(event: Event) -> bool:
    """Whether a client's segment is its handshake's last ACK, or that once more."""
    if event["seg_len"] or event["seg_flags"] & (SYN | FIN | RST | ACK) != ACK:
        return False
    isns = event["snd_isn"], event["rcv_isn"]
    own, peer = reversed(isns) if is_received(event) else isns
    return (event["seg_seq"], event["seg_ack"]) == (
        (own + 1) % MODULUS, (peer + 1) % MODULUS)


def _wait_words(wait: Wait | SynWait) -> str:
    words = ""
    if wait.waited_us is not None:
        words += f": waited {duration(wait.waited_us)}"
    if wait.predicted_us is not None:
        words += f", predicted {duration(wait.predicted_us)}"
    return words
