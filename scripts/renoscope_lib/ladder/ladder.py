# SPDX-License-Identifier: GPL-2.0
"""One conversation as a ladder: its segments, and what each end made of them.

Between two rails, one an end, the segments are the rungs, in the order in which
they were sent (or arrived, where the sender was not recorded).  Beside them stand
each end's states, and between them what the recorder alone knows: timers that
fired and what they had waited, causes, cwnd and ssthresh, queues, probes.

Every event of the recording passes here, as a loss concerns all; of the segments
only those asked for are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ring.schema import LOST, Event, Schema
from ..tcp.flows import is_restored
from ..tcp.segments import Numbers, has_socket
from ..tcp.sequence import ACK, FIN, RST, SYN, is_after, relative, scaled_window
from ..tcp.tcp_states import FIN_WAIT_2, SYNCHRONIZED, SYN_RECEIVED, SYN_SENT
from ..views.arrivals import Arrivals
from ..views.gaps import MARK_WORDS
from ..views.sentences import CAUSES, Sentences
from ..words import INFINITE_SSTHRESH, duration, plural, spaced, ssthresh_words
from .analyst import Analyst
from .conversations import Conversation, Conversations
from .hearing import HEARD_BY, Hearing
from .rungs import DROPPED, Rung, Segments
from .seen import Seen, told_of

NEEDED_KINDS = ("segment", "ack", "state", "retransmit", "synack_retransmit",
                "syn", "synack", "request", "time_wait", "time_wait_end",
                "reset_sent", "reset_received", "rto", "probe", "zero_window",
                "ca_state", "bad_checksum")

# Rungs, and lines between them, kept of a conversation.
MOST_RUNGS = 50_000
MOST_LINES = 200_000

PROBE_WORDS = "tail loss probe"

# What is told in a sentence between the rungs.
FACTS = ("request", "synack", "synack_retransmit", "refused", "completed",
         "accepted", "request_end", "cookie_checked", "error", "reset_sent",
         "time_wait_end", "rto", "probe", "zero_window", "reno_phase",
         "reno_reduction", "reno_undo", "reno_restart")

# Marks that are told between the rungs.
MARKS = ("frozen", "thawed", "filter")

# Wireshark's tcp.completeness.
SAW_SYN, SAW_SYNACK, SAW_ACK, SAW_DATA, SAW_FIN, SAW_RST = 1, 2, 4, 8, 16, 32


@dataclass(slots=True)
class Step:
    """An end enters a state."""

    time_ns: int
    end: int
    state: str
    detail: str = ""


@dataclass(slots=True)
class Fact:
    """What the recorder knows besides; of no end if it is of the recording."""

    time_ns: int
    end: int | None
    kind: str
    words: str


Line = Rung | Step | Fact


@dataclass(frozen=True)
class Part:
    """What was asked for of a long ladder; times count from the first event."""

    from_ns: int = 0
    to_ns: int | None = None
    limit: int = 0


@dataclass(slots=True)
class _Speed:
    """What was last told of an end's cwnd, and the round trip since."""

    cwnd: int
    ssthresh: int
    ca_state: int
    round_ends: int


def _ssthresh(value: int) -> str:
    return ssthresh_words(value, "none yet")


def _changed(name: str, old: str, new: str) -> str:
    return f"{name} {new}" if old == new else f"{name} {old} -> {new}"


class Ladder:
    """Feed it every joined event; it builds one conversation's ladder."""

    def __init__(self, schema: Schema, number: int, part: Part = Part()) -> None:
        self._schema = schema
        self._number = number
        self._part = part
        self._states_named = schema.values.get("state", {})
        self._conversations = Conversations(schema)
        self.gaps = Hearing(schema, NEEDED_KINDS)
        self.conversation: Conversation | None = None
        self.lines: list[Line] = []
        self.kept_rungs = 0
        self.left_out_rungs = 0
        self.next_ns: int | None = None
        self._segments = Segments(self.gaps)
        self._arrivals = Arrivals(schema, self.gaps)
        self.dropped = 0
        self._analyst = Analyst(self.scaled)
        self._sentences = Sentences(schema, Numbers(), headers=False)
        self._states_told = ["", ""]
        self._fin_came = [False, False]
        self._speeds: list[_Speed | None] = [None, None]
        self._cpus_in_doubt: set[int] = set()
        self.scales: list[int | None] = [None, None]
        self._offered: list[int | None] = [None, None]
        self.mss: list[int | None] = [None, None]
        self._deaf = False
        self.told_all = [False, False]
        self.told_less = [False, False]
        self.completeness = 0
        self._syn: Rung | None = None
        self._third: Rung | None = None
        self._handshake_repeated = False
        self._held_syn: tuple[Seen, Event] | None = None

    # ---- events in

    def feed(self, event: Event) -> None:
        """The next event."""
        if self.gaps.takes(event):
            self._see_gap(event)
            return
        conversation = self._conversations.of(event)
        is_ours = self._is_ours(conversation)
        if is_ours:
            self._see_syn(event)
            self.conversation = conversation
        self._cpus_in_doubt.discard(event["cpu"])
        if conversation is None:
            return
        holder = self._conversations.holder(event, conversation)
        if holder is not None and self._is_ours(holder):
            self._see_end(event, holder.end_of(event), holder)
        if is_ours:
            self._see_segments(event, conversation)

    def _is_ours(self, conversation: Conversation | None) -> bool:
        return conversation is not None and conversation.number == self._number

    def _see_end(self, event: Event, end: int, conversation: Conversation) -> None:
        """What the event tells of the socket that saw it."""
        self._see_scales(event, end)
        self._see_speed(event, end)
        self._see_state(event, end, conversation.states[end].now)
        self._see_fact(event, end)

    def _see_segments(self, event: Event, conversation: Conversation) -> None:
        """What it tells of segments."""
        self._analyst.one_way = conversation.is_with_itself
        end = conversation.end_of(event)
        for seen in told_of(event, end, self._schema):
            if not seen.outgoing:
                self._fin_came[end] = bool(seen.flags & FIN)
                if conversation.is_with_itself:
                    seen.end = 1 - end  # what comes is what this end sent
            if seen.kind == "state":
                self._held_syn = seen, event
            else:
                self._see_segment(seen, event)

    def _see_syn(self, after: Event | None = None) -> None:
        """The SYN that a SYN-SENT tells of, unless what comes after it shows none."""
        held, self._held_syn = self._held_syn, None
        if held and not (after and is_restored(self._schema, after)):
            self._see_segment(*held)

    def _see_gap(self, event: Event) -> None:
        self._see_syn()
        if event.kind == LOST:
            words = f"{plural(event['lost_events'], 'event')} LOST here"
            self._cpus_in_doubt.add(event["cpu"])
        else:
            cause = self._schema.name_of("mark_cause", event["mark_cause"])
            words = MARK_WORDS[cause] if cause in MARKS else ""
            on = self._schema.kinds_on(event)
            self._deaf = cause == "frozen" or not any(
                kind in on for kind in HEARD_BY)
            if cause == "filter" or "segment" not in on:
                self._analyst.tells_of_sending = [False, False]
        if words or self._deaf:
            self._segments.doubt()
        if words and self.conversation is not None:
            self._keep(Fact(event["time_ns"], None, event.kind, words))

    # ---- what an end is

    def _see_scales(self, event: Event, end: int) -> None:
        state = self._states_named.get(event["state"])
        # a small sock, as in TIME-WAIT, has forgotten its ISN and its scales
        if event["snd_isn"] and state in SYNCHRONIZED and has_socket(event):
            self.scales[end] = event["rcv_wscale"]
            self.scales[1 - end] = event["snd_wscale"]

    def scaled(self, way: int, raw: int) -> int | None:
        """A window field of an established connection's direction, in bytes."""
        scale = self.scales[way]
        return None if scale is None else scaled_window(raw, scale, 0)

    def window(self, rung: Rung) -> int | None:
        """Its window in bytes; None where there is none or no scale is known."""
        if rung.window is None or rung.flags & SYN:
            return rung.window
        return self.scaled(rung.way, rung.window)

    def relative(self, number: int, way: int) -> int | None:
        """Counted from the ISN of that end, None where that is not known."""
        isn = self.conversation.isns[way] if self.conversation else None
        return None if isn is None else relative(number, isn)

    def _see_state(self, event: Event, end: int, now: str) -> None:
        step = (self._schema.name_of("time_wait_step", event["time_wait_step"])
                if event.kind == "time_wait" else "")
        state = self._new_state(end, now) if step != "overflow" else ""  # it is closed at once
        lasts = event.values.get("time_wait_us", 0)
        detail = f"for {duration(lasts)}" if lasts else ""
        if event.kind == "destroy":
            detail = "by now"
        if is_restored(self._schema, event):
            detail = "restored (TCP_REPAIR)"
        if state:
            if state in (SYN_SENT, SYN_RECEIVED):
                self._speeds[end] = None
            self._keep(Step(event["time_ns"], end, state, detail))
        if not state and step not in ("", "segment"):
            self._keep(Fact(event["time_ns"], end, event.kind, self._sentences.what(event)))

    def _new_state(self, end: int, now: str) -> str:
        """Empty if it is none; a FIN that came with the ACK of ours leads straight on."""
        if now == self._states_told[end] or now == FIN_WAIT_2 and self._fin_came[end]:
            return ""
        self._states_told[end] = now
        return now

    # ---- facts

    def _see_fact(self, event: Event, end: int) -> None:
        if event.kind == "ca_state" and event["old_ca_state"] != event["ca_state"] \
                or event.kind in FACTS:
            self._keep(Fact(event["time_ns"], end, event.kind,
                            self._sentences.what(event)))

    def _see_speed(self, event: Event, end: int) -> None:
        """cwnd once a round trip if it changed, and whenever it is cut."""
        if not event["cookie"] or not event["cwnd"] or not has_socket(event) \
                or self._states_named.get(event["state"]) not in SYNCHRONIZED \
                or self._is_before_the_first_window(event):
            return
        told = self._speeds[end]
        new = _Speed(event["cwnd"], event["ssthresh"], event["ca_state"],
                     event["snd_nxt"])
        if told is None:
            words = f"cwnd {new.cwnd}, ssthresh {_ssthresh(new.ssthresh)}"
        elif (told.cwnd, told.ssthresh) == (new.cwnd, new.ssthresh):
            return
        elif told.ssthresh == new.ssthresh and told.ca_state == new.ca_state \
                and new.cwnd * 2 > told.cwnd \
                and is_after(told.round_ends, event["snd_una"]):
            return
        else:
            words = (_changed("cwnd", str(told.cwnd), str(new.cwnd)) + ", "
                     + _changed("ssthresh", _ssthresh(told.ssthresh),
                                _ssthresh(new.ssthresh)))
        self._speeds[end] = new
        self._keep(Fact(event["time_ns"], end, "cwnd", words))

    def _is_before_the_first_window(self, event: Event) -> bool:
        """Whether cwnd is still what a SYN's timeout left of it (tcp_init_transfer())."""
        return (event.kind == "state" and event["ssthresh"] < INFINITE_SSTHRESH
                and self._states_named.get(event["old_state"]) in (SYN_SENT, SYN_RECEIVED))

    # ---- segments

    def _see_segment(self, seen: Seen, event: Event) -> None:
        if seen.kind == "segment":
            self.told_all[seen.end] = True
            self._analyst.tells_of_sending[seen.end] = True
        elif seen.kind == "ack" and not self.told_all[seen.end]:
            self.told_less[seen.end] = True
        if not seen.outgoing:
            self.gaps.hear(event, seen.end)
        rung, is_new = self._segments.see(seen)
        if seen.kind == event.kind:
            self._arrivals.feed(event, rung)
        if rung is None:
            return
        if self._cpus_in_doubt or self._deaf:
            rung.unsure = True
        self._explain(rung, seen, event)
        if is_new:
            self._analyst.see(rung)
            self._keep(rung)
        self._see_handshake(rung)

    def _explain(self, rung: Rung, seen: Seen, event: Event) -> None:
        """What the event knows of its segment besides the header."""
        if seen.kind == "retransmit":
            cause = self._schema.name_of("retransmit_cause",
                                         event["retransmit_cause"])
            self._sent_again(rung, CAUSES.get(cause, spaced(cause)))
        elif seen.kind == "synack_retransmit":
            self._sent_again(rung, "SYN-ACK timer" if event["by_timer"]
                             else "duplicate SYN")
        elif seen.kind == "loss_probe":
            rung.mark("loss_probe", PROBE_WORDS)
        elif seen.kind == "probe":
            cause = self._schema.name_of("probe_cause", event["probe_cause"])
            rung.mark("probe", f"{spaced(cause)} probe")
        elif seen.kind == "bad_checksum":
            rung.mark("bad_checksum", "wrong checksum: dropped")
        elif seen.kind == "refused":
            rung.mark("refused", "dropped by the listener")

    def _sent_again(self, rung: Rung, cause: str) -> None:
        self._analyst.again += not rung.again
        rung.again = True
        rung.cause = cause

    def _see_handshake(self, rung: Rung) -> None:
        flags = rung.flags
        is_syn = bool(flags & SYN)
        self.completeness |= (
            SAW_RST if flags & RST else
            (SAW_SYNACK if flags & ACK else SAW_SYN) if is_syn else
            (SAW_ACK if flags & ACK and self.completeness & SAW_SYNACK else 0)
            | (SAW_DATA if rung.length else 0) | (SAW_FIN if flags & FIN else 0))
        if is_syn:
            self._handshake_repeated |= rung.again
            self._see_offer(rung)
            if not flags & ACK and self._syn is None:
                self._syn = rung
        elif self._third is None and self._syn is not None \
                and flags & ACK and rung.way == self._syn.way:
            self._third = rung

    def _see_offer(self, rung: Rung) -> None:
        if rung.options is None:
            return
        is_with_itself = self.conversation is not None and self.conversation.is_with_itself
        for way in (0, 1) if is_with_itself else (rung.way,):
            self.mss[way] = rung.options.mss
            self._offered[way] = rung.options.wscale
        if rung.flags & ACK and None in self._offered:
            self.scales = [self.scales[0] or 0, self.scales[1] or 0]
        elif rung.flags & ACK:
            self.scales = list(self._offered)

    # ---- what is kept

    def _keep(self, line: Line) -> None:
        first_ns = self.gaps.first_ns or 0
        time_ns = line.first_ns if isinstance(line, Rung) else line.time_ns
        if line_is_lost(line):
            inside = bool(self.lines)
        else:
            inside = time_ns - first_ns >= self._part.from_ns and (
                self._part.to_ns is None
                or time_ns - first_ns <= self._part.to_ns)
        most = min(self._part.limit or MOST_RUNGS, MOST_RUNGS)
        is_full = (self.next_ns is not None or len(self.lines) >= MOST_LINES
                   or isinstance(line, Rung) and self.kept_rungs >= most)
        if inside and is_full and self.next_ns is None:
            self.next_ns = time_ns
        if inside and not is_full:
            self.lines.append(line)
            self.kept_rungs += isinstance(line, Rung)
        else:
            self.left_out_rungs += isinstance(line, Rung)

    def finish(self, end_ns: int | None) -> None:
        """Nothing more comes."""
        self._see_syn()
        last_ns = self.gaps.ended_ns(end_ns)
        self._segments.finish(last_ns)
        for arrival in self._arrivals.all_dropped(last_ns):
            self.dropped += 1
            if isinstance(arrival.tag, Rung):
                arrival.tag.fate = DROPPED

    # ---- what came of it

    @property
    def rungs(self) -> int:
        """Segments in all, kept or not."""
        return self._segments.count

    @property
    def sent_again(self) -> int:
        """Segments that were sent again."""
        return self._analyst.again

    @property
    def lost(self) -> int:
        """Segments that arrived nowhere."""
        return self._segments.lost

    @property
    def initial_rtt_us(self) -> int | None:
        """From the SYN to the handshake's last segment, by one end's clock."""
        syn, third = self._syn, self._third
        if syn is None or third is None or self._handshake_repeated \
                or third.again:
            return None
        for began, ended in ((syn.sent_ns, third.sent_ns),
                             (syn.received_ns, third.received_ns)):
            if began is not None and ended is not None and ended >= began:
                return (ended - began) // 1000
        return None

    @property
    def is_partial(self) -> bool:
        """Whether segments that were sent, and arrived unrecorded, are missing."""
        return any(told and not all_ for told, all_ in zip(
            self.conversation.recorded if self.conversation else (),
            self.told_all)) or any(self.told_less)


def line_is_lost(line: Line) -> bool:
    """Whether it tells of lost events, whose time is only that of being told."""
    return isinstance(line, Fact) and line.kind == LOST
