# SPDX-License-Identifier: GPL-2.0
"""What happened, in a sentence for each kind of event.

Numbers that stand for words became words; what a person would ask next (of a
full queue, how full; of a timer, what comes then) stands beside them.  Some
sentences tell how long something took and so need the events before: every
event must pass here, in order, be it shown or not.
"""

from __future__ import annotations

import errno
import os

from ..ring.schema import OWN_KINDS, Event, Schema
from ..tcp.flows import is_fast_open
from ..tcp.kept import remember
from ..tcp.kernel_timers import persist_wait_us
from ..tcp.reno_words import cause_words, phase_name
from ..tcp.processes import process_of
from ..tcp.segments import Numbers, SegmentWords, has_segment, is_received
from ..tcp.synack_waits import SynackWaits
from ..tcp.tcp_states import CLOSED, FIN_WAIT_1, FIN_WAIT_2, SYN_SENT
from ..words import connection, duration, plural, spaced

# Here the kernel resets on data as well, and tells of it in the same way.
SHUT_STATES = (FIN_WAIT_1, FIN_WAIT_2)

CAUSES = {
    "rto": "RTO", "syn": "SYN not answered",
    "zero_window": "timer while the peer's window was zero",
}

REQUEST_ENDINGS = {
    "reset_by_peer": "a RST came",
    "reset_by_us": "a segment that does not fit, or tcp_abort_on_overflow, made us send a "
                   "RST",
    "listener_gone": "the listener was closed",
    "other": "an ICMP error, a lost race, the namespace's end, or ss -K",
    "unsent": "its SYN-ACK could not be sent again, for a rule, a full queue or the lack of a "
              "route of this host",
    "joined": "MPTCP makes a further subflow of it, or refuses to",
}

COOKIE_VERDICTS = {
    "valid": "SYN cookie valid: a connection is made of it",
    "invalid": "SYN cookie invalid: not one of ours, too old, or with options refused",
    "valid_refused": "SYN cookie valid, but the connection was refused",
}

TIME_WAIT_ENDINGS = {
    "reset": "a RST ended it",
    "new_syn": "a new SYN took its place",
    "reused": "a connect() took its port, or ss -K",
    "other": "the end of the namespace, or the kernel does not say",
}

WINDOWS = {
    ("peer", "closed"): "peer's window is zero: the sender stands still",
    ("peer", "opened"): "peer's window open again",
    ("own", "closed"): "our window is zero: the peer must stand still",
    ("own", "opened"): "our window open again",
}

PROBES = {"zero_window": "zero-window probe", "keepalive": "keepalive probe"}

# Where it is told, in a line that goes with the recording to other machines.
STATS = "/sys/kernel/debug/renoscope/stats"

MARKS = {
    "events": "other kinds are recorded now",
    "frozen": "recording frozen",
    "thawed": "recording goes on",
}

# TIME-WAITs remembered at once, the latest ones.
REMEMBERED = 100_000


def knows_queues(event: Event) -> bool:
    """Whether the event was taken with a listener, whose queues it knows.

    After listen(fd, 0) the limit is 0, and one connection may wait.
    """
    return bool(event["accept_limit"] or event["half_open"]
                or event["accept_queue"] or event.values.get("listener"))


def of_limit(count: int, event: Event) -> str:
    """How full a queue is."""
    return f"{count} of {event['accept_limit']}"


class TimeWaits:
    """When each connection's small sock began the state it is in."""

    def __init__(self) -> None:
        self._began: dict[int, tuple[int, int | None]] = {}

    def enter(self, event: Event, has_begun: bool = True) -> bool:
        """The next time_wait event, or the first; whether it changed from another state."""
        before = self._began.get(event.key)
        if before is not None and before[0] == event["state"]:
            return False
        began_ns = event["time_ns"] if has_begun or before is not None else None
        remember(self._began, event.key, (event["state"], began_ns), REMEMBERED)
        return before is not None

    def leave(self, event: Event) -> int | None:
        """How long it was, in microseconds; None if its begin was not seen."""
        state, began_ns = self._began.pop(event.key, (None, None))
        if state != event["state"] or began_ns is None:
            return None
        return (event["time_ns"] - began_ns) // 1000


class Sentences:
    """Events in their order to sentences.

    Without headers, for those who show the segment itself beside the sentence.
    """

    def __init__(self, schema: Schema, numbers: Numbers,
                 headers: bool = True) -> None:
        self._schema = schema
        self._headers = headers
        self._segments = SegmentWords(schema, numbers)
        self._synack_waits = SynackWaits()
        self._time_waits = TimeWaits()

    def note(self, event: Event) -> None:
        """An event that is not shown still counts for those after it."""
        if event.kind == "synack_retransmit":
            self._synack_waits.see(event)
        elif event.kind == "time_wait":
            self._enter_time_wait(event)
        elif event.kind == "time_wait_end":
            self._time_waits.leave(event)

    def what(self, event: Event) -> str:
        """What happened."""
        words = getattr(self, f"_{event.kind}", None)
        return words(event) if words else spaced(event.kind)

    # ---- helpers

    def _name(self, event: Event, field: str, unit: str | None = None) -> str:
        return self._schema.name_of(unit or field, event[field])

    def _shows_segment(self, event: Event) -> bool:
        return self._headers and has_segment(event)

    def _with_segment(self, words: str, event: Event) -> str:
        """The words, and the segment where the event has one."""
        if not self._shows_segment(event):
            return words
        return f"{words}: {self._segments.header(event)}"

    @staticmethod
    def _since_first_synack(event: Event) -> str:
        since_us = event["since_synack_us"]
        return (f", {duration(since_us)} after the first SYN-ACK" if since_us
                else "")

    # ---- the socket

    def _state(self, event: Event) -> str:
        old, new = (self._name(event, name, "state")
                    for name in ("old_state", "state"))
        isn = event["snd_isn"] if "snd_isn" in event.filled else 0
        chosen = f", ISN {isn}" if isn and new == SYN_SENT else ""
        return f"{old} -> {new}{chosen}{self._by(event)}"

    @staticmethod
    def _by(event: Event) -> str:
        """In whose call; recordings made before it was recorded do not tell."""
        process = process_of(event)
        return f", by {process}" if process else ""

    def _ca_state(self, event: Event) -> str:
        old, new = (self._name(event, name, "ca_state")
                    for name in ("old_ca_state", "ca_state"))
        if old == new:
            return f"congestion state set to {new}"
        return f"congestion state {old} -> {new}"

    def _error(self, event: Event) -> str:
        number = event["sk_error"]
        if not number:
            return ("error report without an error: disconnected"
                    if self._name(event, "state") == CLOSED else
                    "something was put on its error queue (an ICMP message, "
                    "a timestamp)")
        if number not in errno.errorcode:
            return f"error {number} reported"
        return (f"error {errno.errorcode[number]} reported: "
                f"{os.strerror(number)}")

    def _destroy(self, event: Event) -> str:
        if not event["segs_out"] and not event["segs_in"]:
            return "destroyed; its counts were cleared by a disconnect, if it had any"
        return (f"destroyed; segments: {event['segs_out']} out, "
                f"{event['segs_in']} in, {event['retrans_segs']} sent again")

    # ---- segments

    def _ack(self, event: Event) -> str:
        return f"received {self._segments.header(event)}"

    def _segment(self, event: Event) -> str:
        way = "received" if is_received(event) else "sent"
        return f"{way} {self._segments.whole_header(event)}"

    def _bad_checksum(self, event: Event) -> str:
        return self._with_segment("wrong checksum, the segment is dropped",
                                  event)

    def _reset_sent(self, event: Event) -> str:
        text = "RST sent"
        if "reset_reason" in self._schema.values:
            text += ": " + self._name(event, "reset_reason")
        if self._shows_segment(event):
            text += f", in answer to {self._segments.header(event)}"
        return text

    def _reset_received(self, event: Event) -> str:
        state = self._name(event, "state")
        segment = (f" {self._segments.header(event)}"
                   if self._shows_segment(event) else "")
        if state in SHUT_STATES:
            return (f"reset in {state}: RST received, or data after both "
                    f"directions were shut{segment}")
        return f"RST received in {state}{segment}"

    # ---- the life of a request

    def _syn(self, event: Event) -> str:
        room = of_limit(event["half_open"], event)
        return self._with_segment(
            f"SYN arrived for the listener {connection(event['listener'])} "
            f"(half-open {room})", event)

    def _request(self, event: Event) -> str:
        room = of_limit(event["half_open"] + 1, event)
        return f"request enters the half-open queue ({room})"

    def _synack(self, event: Event) -> str:
        words = {"cookie": "SYN cookie sent, nothing is kept",
                 "fastopen": "SYN-ACK sent, Fast Open"}
        text = self._with_segment(
            words.get(self._name(event, "synack_type"), "SYN-ACK sent"), event)
        wait = event["rto_us"]
        return f"{text}, next wait {duration(wait)}" if wait else text

    def _synack_retransmit(self, event: Event) -> str:
        wait = self._synack_waits.see(event)
        waited = (f"waited {duration(wait.waited_us)}"
                  if wait.waited_us is not None else
                  f"{duration(event['since_synack_us'])} after the first one")
        may_be_last = wait.is_last or wait.is_last_if_crowded
        then = "last wait" if may_be_last else "next wait"
        unless = " if the queue stays crowded" if wait.is_last_if_crowded else ""
        return (f"SYN-ACK sent again, attempt {wait.attempt} ({wait.by}): "
                f"{waited}, {then} {duration(wait.next_us)}{unless}")

    def _refused(self, event: Event) -> str:
        is_syn = "SYN" in self._schema.bit_names("tcp_flags",
                                                 event["seg_flags"])
        text = (f"{'SYN' if is_syn else 'last ACK of a handshake'} refused: "
                f"{self._refusal(event)}")
        if self._shows_segment(event):
            text += f", {self._segments.header(event)}"
        return text

    def _refusal(self, event: Event) -> str:
        half_open = event["half_open"]
        word = self._name(event, "refusal")
        sentences = {
            "accept_queue_full": "accept queue full "
                                 f"({of_limit(event['accept_queue'], event)})",
            "half_open_queue_full": "half-open queue full "
                                    f"({of_limit(half_open, event)}), SYN "
                                    "cookies are off",
            "unproven_peer": "the rest of the half-open queue is for known "
                             f"peers ({half_open} of tcp_max_syn_backlog "
                             f"{event['syn_backlog']}), SYN cookies are off",
            "other": "no memory, no route, or a policy",
        }
        return sentences.get(word, spaced(word))

    def _completed(self, event: Event) -> str:
        room = of_limit(event["accept_queue"] + 1, event)
        how = ("complete by Fast Open, before any last ACK"
               if is_fast_open(self._schema, event) else "handshake complete")
        text = f"{how}: waits in the accept queue ({room})"
        return text + self._since_first_synack(event)

    def _accepted(self, event: Event) -> str:
        return f"accepted by {process_of(event) or 'a process'}"

    def _request_end(self, event: Event) -> str:
        word = self._name(event, "request_ending")
        if word == "expired":
            text = ("request given up after "
                    f"{plural(event['num_timeout'], 'timeout')}")
        else:
            text = f"request ended: {REQUEST_ENDINGS.get(word, spaced(word))}"
        return text + self._since_first_synack(event)

    def _cookie_checked(self, event: Event) -> str:
        word = self._name(event, "cookie_verdict")
        return self._with_segment(
            COOKIE_VERDICTS.get(word, f"SYN cookie: {spaced(word)}"), event)

    # ---- TIME-WAIT

    def _enter_time_wait(self, event: Event) -> bool:
        return self._time_waits.enter(
            event, has_begun=self._name(event, "time_wait_step") == "started")

    def _time_wait(self, event: Event) -> str:
        changed = self._enter_time_wait(event)
        state = self._name(event, "state")
        lasts = (f", {duration(event['time_wait_us'])}"
                 if event["time_wait_us"] else "")
        step = self._name(event, "time_wait_step")
        words = {
            "started": f"{state} begins{lasts}",
            "segment": f"segment in {state}{lasts}",
            "timer_set": f"{state} timer set anew{lasts}",
            "overflow": f"no room for {state}: closed at once",
        }
        if step == "timer_set" and changed:
            return f"FIN-WAIT-2 becomes {state}{lasts}"
        return self._with_segment(
            words.get(step, f"{state} {spaced(step)}{lasts}"), event)

    def _time_wait_end(self, event: Event) -> str:
        lasted_us = self._time_waits.leave(event)
        word = self._name(event, "time_wait_ending")
        text = (f"{self._name(event, 'state')} over: "
                f"{TIME_WAIT_ENDINGS.get(word, spaced(word))}")
        if lasted_us is not None:
            text += f" (after {duration(lasted_us)})"
        return self._with_segment(text, event)

    # ---- timers and windows

    def _retransmit(self, event: Event) -> str:
        reasons = [self._name(event, "ca_state")]
        if event["retransmit_cause"]:
            cause = self._name(event, "retransmit_cause")
            reasons.insert(0, CAUSES.get(cause, spaced(cause)))
        count = event["retransmit_segs"]
        together = f"{count} segments together, " if count > 1 else ""
        return (f"sent again {together}{self._segments.header(event)} "
                f"({', '.join(reasons)})")

    def _rto(self, event: Event) -> str:
        text = f"RTO of {duration(event['rto_us'])} fired"
        if event["backoff"]:
            text += f", backoff {event['backoff']}"
        return self._with_segment(text, event)

    def _loss_probe(self, event: Event) -> str:
        carries = ("sent again" if event["probe_retransmits"] else "new data")
        return self._with_segment(f"tail loss probe, {carries}", event)

    def _probe(self, event: Event) -> str:
        cause = self._name(event, "probe_cause")
        if cause == "zero_window" and event["probe_carries_data"]:
            return self._with_segment(self._persist(event), event)
        unanswered, number = event["probes_out"], event["probes_out"] + 1
        if cause == "zero_window":
            number = event["backoff"] + 1  # an answer does not begin it anew
        text = f"{PROBES.get(cause, 'window probe')} {number}"
        if unanswered:
            text += f", {unanswered} before it unanswered"
        if cause == "zero_window":
            wait_us = persist_wait_us(event["rto_us"], event["backoff"])
            text += f", next in {duration(wait_us)}"
        return self._with_segment(text, event)

    @staticmethod
    def _persist(event: Event) -> str:
        """It sends data, as far as the window has room.

        Room comes with an ACK, and with that the tries count anew: so those before had
        room as well, and did not go (tcp_send_probe0()).
        """
        failed = min(event["probes_out"], event["backoff"])  # an earlier zero window's
        before = f"; {failed} before it did not leave this host" if failed else ""
        return (f"persist timer {event['backoff'] + 1}, the window has room: data, not a "
                f"probe{before}")

    def _zero_window(self, event: Event) -> str:
        side, change = (self._name(event, name)
                        for name in ("window_side", "window_change"))
        text = WINDOWS.get((side, change), f"{side} window {change}")
        if (side, change) == ("own", "opened"):
            text += f" ({event['rcv_wnd']} bytes)"
        return self._with_segment(text, event)

    # ---- this module's own algorithms

    def _reno_cause(self, event: Event) -> str:
        return cause_words(self._name(event, "reno_cause"))

    def _reno_phase(self, event: Event) -> str:
        old, new = (self._name(event, name, "reno_phase")
                    for name in ("old_phase", "phase"))
        before = "" if old == "none" else f"{phase_name(old)} -> "
        return f"{before}{phase_name(new)}: {self._reno_cause(event)}"

    def _reno_round(self, event: Event) -> str:
        rtt_us = event["round_rtt_us"]
        shortest = f"shortest RTT {duration(rtt_us)}" if rtt_us else "no RTT measured"
        # of a connection's first round the kernel counts none before the ACK that ends it
        acked = (f"{plural(event['round_acked'], 'segment')} acknowledged" if event["round_acked"]
                 else "no segment acknowledged before this ACK")
        return f"round trip over: {acked}, {shortest}, cwnd was {event['old_cwnd']}"

    def _reno_reduction(self, event: Event) -> str:
        return f"ssthresh {event['new_ssthresh']} wanted: {self._reno_cause(event)}"

    def _reno_undo(self, event: Event) -> str:
        return f"reduction undone: cwnd {event['new_cwnd']}"

    def _reno_restart(self, _event: Event) -> str:
        return "restart after a rest"

    # ---- the recording itself

    def _mark(self, event: Event) -> str:
        cause = self._name(event, "mark_cause")
        if cause == "filter":
            return f"filter or sampling changed (what holds now: sudo cat {STATS})"
        if cause == "begun":
            return ("recording begins; kinds on: "
                    f"{kinds_in_words(self._schema, event)}")
        return (f"{MARKS.get(cause, spaced(cause))}; kinds on now: "
                f"{kinds_in_words(self._schema, event)}")


def kinds_in_words(schema: Schema, event: Event) -> str:
    """The kinds that a mark says are recorded, or the few that are not."""
    names = schema.kinds_on(event)
    off = [name for name in schema.kind_meanings
           if name not in (*names, *OWN_KINDS)]
    if len(off) < len(names):
        return f"all but {', '.join(off)}" if off else "all"
    return ", ".join(names) or "none"
