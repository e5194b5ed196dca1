# SPDX-License-Identifier: GPL-2.0
"""What set a sender's pace, moment by moment: its own window, the peer's, or its program.

Every event shows what was on its way when it came.  So the time since the event
before is laid to what held the sender back meanwhile:

 - recovering: it was in Recovery or Loss, that is another story;
 - cwnd: as many segments were on their way as cwnd permits, or nearly, and the kernel
   waited for more room, to send more at once (TSO);
 - receiver: the peer's window had no room for a whole segment;
 - stopped: it was zero;
 - own: ours was zero, and the peer may have waited for it;
 - unsent: the persist timer tried to send with room in the peer's window, and
   nothing left this host;
 - silent: nothing of ours was on its way, no window was closed, and nothing new
   came from the peer either, for longer than an RTO: it sent nothing, or that did
   not arrive, which no receiver can tell apart;
 - missed: the same, while the peer's end, where it is recorded too, sent again;
 - roomy: something was on its way and no window was full.  Nagle, pacing, the
   send buffer, offloading or the program: nobody can tell these apart here;
 - unknown: nothing was on its way, but not for long, or what was there took longer than
   it can have.

No event tells when something is sent.  If all was acknowledged at the event before
and something is on its way now, it was sent in between; it has not been on its way
for longer than the RTO, or a timeout would be here.  So all but one RTO was silence.
That is taken off in any case: what counts as silence is the least that it was.  And
both directions' numbers must stand where they stood, or something was not seen.

Round trips that grow while much is on its way tell of a queue.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..ring.schema import Event, Schema
from ..tcp.ca_states import CWR, LOSS, RECOVERY
from ..tcp.flows import is_cwnd_limited, is_restored, scales_windows, uses_ecn
from ..tcp.kept import Kept, Packable
from ..tcp.reno_words import RENO_KINDS
from ..tcp.segments import OUTGOING
from ..tcp.sequence import ECE, FIN, RST, SYN, following, is_after, relative
from ..tcp.tcp_states import CLOSE_WAIT, FIN_WAIT_2, SYNCHRONIZED
from .gaps import Gaps
from .sent_again import SentAgain

CWND, RECEIVER, SILENT = "cwnd", "receiver", "silent"
STOPPED, RECOVERING, UNKNOWN = "stopped", "recovering", "unknown"
OWN_CLOSED, UNSENT, MISSED, ROOMY = "own", "unsent", "missed", "roomy"

# Kinds that show a living connection's own numbers.
SHOWING_KINDS = frozenset((
    "ack", "state", "ca_state", "retransmit", "rto", "loss_probe", "probe",
    "zero_window", *RENO_KINDS))

# With TSO the kernel waits while less than this part of cwnd is to spare, and notes that
# cwnd held it back (tcp_tso_should_defer(), net.ipv4.tcp_tso_win_divisor).  The note stands
# for a round trip, and then until something is sent (tcp_cwnd_validate()): by itself it
# does not tell of this moment.
TSO_WAITS_BELOW = 3

# A queue: round trips this many times the shortest, by as much at least, with so
# many segments on their way.  A few segments fill no queue, and a delayed ACK may
# add 40 ms to a round trip.
GROWN_FACTOR = 3
GROWN_US = 60_000
GROWN_SEGMENTS = 8

# What an end does that hears nothing of what it has sent.
AGAIN_KINDS = frozenset(("retransmit", "rto", "probe"))

# Restarts kept of one connection, the first ones.
MOST_RESTARTS = 100


@dataclass(slots=True)
class Restart(Packable):
    """cwnd before a restart after a rest, and after it."""

    time_ns: int
    before: int
    after: int = 0


@dataclass(slots=True)
class Sender(Packable):
    """One sender's pace."""

    cookie: int
    gaps_before: int
    last_ns: int
    last_nxt: int = 0
    last_rcv: int = 0
    all_acked: bool = False
    held_ns: Counter[str] = field(default_factory=Counter)
    rwnd_least: int = 0
    rwnd_most: int = 0
    scales: bool = True         # as its window was full
    cwnd_most: int = 0
    roomy_out: int = 0
    roomy_cwnd: int = 0
    silence_ns: int = 0
    grown_ns: int = 0
    grown_rtt_us: int = 0
    grown_min_us: int = 0
    grown_segments: int = 0
    grown_at_ns: int = 0
    min_rtt_us: int = 0
    srtt_us: int = 0
    srtts: int = 0
    sent_bytes: int = 0
    sent_nxt: int | None = None
    mss: int = 0
    segments_out: int = 0
    data_segments_out: int | None = None    # of these, with data; older modules do not say
    fins_again: int = 0
    marked: int = 0
    dropped_here: int = 0
    reduced_by_ece: int = 0
    not_by_ece: int = 0         # reductions that no echo can have begun
    ack_has_ece: bool = True    # the last one; or none was seen
    repaired: int = 0
    own_cause: str = ""
    uses_ours: bool = False
    restarts: list[Restart] = field(default_factory=list)
    rests: Restart | None = None
    ece_at_ns: int = 0
    duplicates: int = 0
    peer_closed: bool = False
    own_closed: bool = False
    probes: int = 0
    unanswered: int = 0
    heard_ns: int = 0
    rto_us: int = 0
    tries: bool = False
    tries_failed: int = 0
    unsent: bool = False
    unsent_at_ns: int = 0
    peer_cookie: int = 0
    missed_at_ns: int = 0
    sent_on: bool = False       # data came after our FIN was acknowledged
    fin_nxt: int | None = None
    acked_after_fin: int = 0
    restored: bool = False

    @property
    def answers_probes(self) -> bool:
        """Whether the last probe of a zero window got its ACK."""
        return self.probes > 0 and not self.unanswered

    @property
    def measured_after_opening(self) -> bool:
        """Whether a round trip was measured besides that of the handshake."""
        return self.srtts > 1

    @property
    def known_ns(self) -> int:
        """The time of which it is known what held it back."""
        return sum(self.held_ns.values())


class Pace:
    """Feed it joined events that are of a connection."""

    def __init__(self, schema: Schema, gaps: Gaps) -> None:
        self._schema = schema
        self._gaps = gaps
        self.kept: Kept[Sender] = Kept(lambda flow: False)
        self._again = SentAgain()
        self._sending = frozenset(schema.numbers_of("state", *SYNCHRONIZED))
        self._peer_closed = schema.numbers_of("state", CLOSE_WAIT)
        self._own_closed = schema.numbers_of("state", FIN_WAIT_2)
        self._recovering = frozenset(schema.numbers_of("ca_state", RECOVERY, LOSS))
        self._cwr = schema.numbers_of("ca_state", CWR)

    def feed(self, event: Event) -> None:
        """The next event, not a mark and not a loss."""
        if not event["cookie"]:
            return
        if event.kind in SHOWING_KINDS:
            if event["state"] in self._sending:
                self._see(self._flow(event), event)
                if event.kind in AGAIN_KINDS and (
                        event.kind != "probe" or self._is_try(event)):
                    self._again.see(event)
            else:
                self._ends(event)
        elif event.kind == "destroy":
            flow = self.kept.get(event.key)
            if flow is not None:
                flow.segments_out = event["segs_out"]
                flow.data_segments_out = event.values.get("data_segs_out")
        elif event.kind == "segment":
            self._see_segment(event)

    def _flow(self, event: Event) -> Sender:
        return self.kept.get(event.key) or self.kept.add(
            event.key, Sender(event["cookie"], self._gaps.number, event["time_ns"]))

    def _ends(self, event: Event) -> None:
        """What it could not send by its end, it never sent."""
        flow = self.kept.get(event.key)
        if flow is not None and flow.tries and flow.gaps_before == self._gaps.number:
            self._see_tries(flow, event)
            flow.tries = False

    def _see(self, flow: Sender, event: Event) -> None:
        if flow.gaps_before == self._gaps.number:
            if not self._see_tries(flow, event):
                self._account(flow, event)
        else:
            flow.ack_has_ece = True
            flow.gaps_before = self._gaps.number
            flow.own_closed = not event["rcv_wnd"]
            flow.tries = flow.unsent = False
            flow.sent_nxt = event["snd_nxt"]
        if flow.rests is not None:
            self._restarted(flow, event)
        flow.restored = flow.restored or is_restored(self._schema, event)
        self._see_kind(flow, event)
        flow.last_ns = event["time_ns"]
        flow.last_nxt = event["snd_nxt"]
        flow.last_rcv = self._received(event)
        flow.all_acked = not event["packets_out"] or (
            event.kind == "ack" and event["seg_ack"] == event["snd_nxt"])
        if event["min_rtt_us"]:  # of the last minutes: it may rise
            flow.min_rtt_us = min(flow.min_rtt_us or event["min_rtt_us"],
                                  event["min_rtt_us"])
        if event["srtt_us"] != flow.srtt_us:
            flow.srtts += 1
            flow.srtt_us = event["srtt_us"]
        self._see_sent(flow, event)
        if event["state"] in self._peer_closed:
            self._see_half_closed(flow, event)
        elif event["state"] in self._own_closed:
            flow.sent_on |= event.kind == "ack" and event["seg_len"] > 0
        flow.mss = event["mss"]
        flow.rto_us = event["rto_us"]
        self._see_windows(flow, event)

    @staticmethod
    def _see_sent(flow: Sender, event: Event) -> None:
        """From what is on its way at first; by steps, as beyond 2^32 the number begins anew."""
        snd_nxt = event["snd_nxt"]
        if flow.sent_nxt is None:
            flow.sent_nxt = event["snd_una"]
        if is_after(snd_nxt, flow.sent_nxt):
            flow.sent_bytes += relative(snd_nxt, flow.sent_nxt)
            flow.sent_nxt = snd_nxt

    @staticmethod
    def _see_half_closed(flow: Sender, event: Event) -> None:
        """A peer that acknowledges what we send after its FIN reads on."""
        if flow.fin_nxt is None:
            flow.fin_nxt = event["snd_nxt"]
        acked = event["seg_ack"] if event.kind == "ack" else event["snd_una"]
        if is_after(acked, flow.fin_nxt) and not is_after(acked, event["snd_nxt"]):
            flow.acked_after_fin = relative(acked, flow.fin_nxt)

    def _see_windows(self, flow: Sender, event: Event) -> None:
        """How they stand now; an ACK shows the peer's as it was before it."""
        if event.kind == "zero_window":
            is_closed = self._word(event, "window_change") == "closed"
            if self._word(event, "window_side") == "own":
                flow.own_closed = is_closed
            else:
                flow.peer_closed = is_closed
        else:
            flow.peer_closed = not event["snd_wnd"]
        if not flow.peer_closed:
            flow.probes = flow.unanswered = 0
        elif event.kind == "probe":
            flow.probes += 1
            flow.unanswered = event["probes_out"] + 1
        elif event.kind == "retransmit":
            flow.probes += 1
            flow.unanswered += 1
        if event.kind == "ack" and not event["seg_flags"] & (SYN | RST):
            flow.heard_ns = event["time_ns"]
            flow.unanswered = 0

    def _word(self, event: Event, name: str) -> str:
        return self._schema.name_of(name, event[name])

    @staticmethod
    def _received(event: Event) -> int:
        """The next expected number once the event's segment is taken."""
        rcv_nxt: int = event["rcv_nxt"]
        if event.kind != "ack" or event["seg_seq"] != rcv_nxt:
            return rcv_nxt
        return following(rcv_nxt, event["seg_len"], event["seg_flags"])

    # ---- what the peer's end tells

    def _missed_ns(self, flow: Sender, event: Event) -> int:
        """For how long nothing came although the peer's end sent again."""
        again = self._again.by_peer(event, flow.last_ns)
        if again is None:
            return 0
        flow.peer_cookie = again.cookie
        flow.missed_at_ns = flow.missed_at_ns or again.time_ns
        return max(0, event["time_ns"] - again.time_ns)

    def _is_try(self, event: Event) -> bool:
        """Whether the persist timer sends data, and does not probe."""
        return (bool(event["probe_carries_data"])
                and self._word(event, "probe_cause") == "zero_window")

    # ---- what does not leave this host

    @staticmethod
    def _see_tries(flow: Sender, event: Event) -> bool:
        """Whether what the persist timer tried to send is still here.

        It is shown before it tries (tcp_write_wakeup()): whether that went well, the
        next event tells, but for those of our algorithms, which come in between.
        """
        if event["snd_nxt"] != flow.last_nxt:
            flow.tries = flow.unsent = False
        if flow.tries and event.kind not in RENO_KINDS:
            flow.tries = False
            flow.unsent = True
            flow.tries_failed += 1
            flow.unsent_at_ns = flow.unsent_at_ns or flow.last_ns
        if flow.unsent:
            flow.held_ns[UNSENT] += max(0, event["time_ns"] - flow.last_ns)
        return flow.unsent

    # ---- the time since the event before

    def _account(self, flow: Sender, event: Event) -> None:
        passed_ns = event["time_ns"] - flow.last_ns
        if passed_ns <= 0:
            return
        if event["ca_state"] in self._recovering or event["backoff"]:
            flow.held_ns[RECOVERING] += passed_ns
            return
        if (flow.all_acked and event["snd_una"] == flow.last_nxt
                and event["rcv_nxt"] == flow.last_rcv):
            silent_ns = max(0, passed_ns - event["rto_us"] * 1000)
            if silent_ns:
                self._silent(flow, event, silent_ns)
            passed_ns -= silent_ns
        self._held(flow, event, passed_ns)
        self._grown(flow, event, passed_ns)

    def _silent(self, flow: Sender, event: Event, silent_ns: int) -> None:
        """A zero window is no silence: there may be something to send."""
        if flow.peer_closed or not event["snd_wnd"]:
            flow.held_ns[STOPPED] += silent_ns
            return
        if flow.own_closed:
            flow.held_ns[OWN_CLOSED] += silent_ns
            return
        missed_ns = min(silent_ns, self._missed_ns(flow, event))
        flow.held_ns[MISSED] += missed_ns
        silent_ns -= missed_ns
        flow.held_ns[SILENT] += silent_ns
        flow.silence_ns = max(flow.silence_ns, silent_ns)

    def _held(self, flow: Sender, event: Event, passed_ns: int) -> None:
        """Longer than an RTO nothing is on its way without a timeout."""
        out = event["packets_out"]
        if not out or passed_ns > event["rto_us"] * 1000:
            flow.held_ns[UNKNOWN] += passed_ns
            return
        on_the_way = (out - event["sacked_out"] - event["lost_out"]
                      + event["retrans_out"])
        window = event["snd_wnd"]
        room = window - relative(event["snd_nxt"], event["snd_una"])
        spare = event["cwnd"] - on_the_way
        if spare <= 0:
            flow.held_ns[CWND] += passed_ns
            flow.cwnd_most = max(flow.cwnd_most, event["cwnd"])
        elif not window:
            flow.held_ns[STOPPED] += passed_ns
        elif room < (event["mss"] or 1):
            flow.held_ns[RECEIVER] += passed_ns
            flow.rwnd_least = min(flow.rwnd_least or window, window)
            flow.rwnd_most = max(flow.rwnd_most, window)
            flow.scales = scales_windows(self._schema, event)
        elif self._waits_for_room(event, spare):
            flow.held_ns[CWND] += passed_ns
            flow.cwnd_most = max(flow.cwnd_most, event["cwnd"])
        else:
            flow.held_ns[ROOMY] += passed_ns
            if on_the_way > flow.roomy_out:
                flow.roomy_out, flow.roomy_cwnd = on_the_way, event["cwnd"]

    def _waits_for_room(self, event: Event, spare: int) -> bool:
        return spare * TSO_WAITS_BELOW < event["cwnd"] and is_cwnd_limited(self._schema, event)

    @staticmethod
    def _grown(flow: Sender, event: Event, passed_ns: int) -> None:
        rtt_us, least_us = event["srtt_us"], event["min_rtt_us"]
        if (not least_us or event["packets_out"] < GROWN_SEGMENTS
                or rtt_us < GROWN_FACTOR * least_us
                or rtt_us - least_us < GROWN_US):
            return
        flow.grown_ns += passed_ns
        if rtt_us > flow.grown_rtt_us:
            flow.grown_rtt_us, flow.grown_min_us = rtt_us, least_us
            flow.grown_segments = event["packets_out"]
            flow.grown_at_ns = event["time_ns"]

    # ---- what single kinds tell

    def _see_kind(self, flow: Sender, event: Event) -> None:
        kind = event.kind
        flow.uses_ours |= kind in RENO_KINDS
        if kind == "ack":
            flow.ack_has_ece = bool(event["seg_flags"] & ECE)
            if flow.ack_has_ece:
                flow.ece_at_ns = event["time_ns"]
        elif kind == "ca_state":
            by_ece = flow.ece_at_ns == flow.last_ns != 0
            if event["ca_state"] in self._cwr and event["old_ca_state"] not in self._cwr:
                flow.reduced_by_ece += by_ece
                flow.not_by_ece += not by_ece and self._cannot_be_ece(flow, event)
                flow.repaired += flow.own_cause == "loss"  # or it were Recovery
            elif by_ece:  # what one ACK ends, it may begin anew
                flow.ece_at_ns = event["time_ns"]
            flow.own_cause = ""
        elif kind == "probe":
            flow.tries = self._is_try(event)
        elif kind == "retransmit":
            flow.fins_again += bool(event["seg_flags"] & FIN)
        elif kind == "reno_reduction":
            cause = self._schema.name_of("reno_cause", event["reno_cause"])
            flow.marked += cause == "ecn"
            flow.dropped_here += cause == "other"
            flow.own_cause = cause
        elif kind == "reno_restart":
            flow.rests = Restart(event["time_ns"], event["cwnd"])

    def _cannot_be_ece(self, flow: Sender, event: Event) -> bool:
        """Whether the ACK whose work this may be echoes nothing.

        Without ECN the kernel does not look for an echo (tcp_ecn_rcv_ecn_echo()).
        """
        return not uses_ecn(self._schema, event) or not (
            flow.ack_has_ece or self._gaps.may_sample_acks
            or self._gaps.lacks("ack") or not self._gaps.is_whole_since(flow.gaps_before))

    @staticmethod
    def _restarted(flow: Sender, event: Event) -> None:
        """The next event shows what it came to; at the least cwnd stays."""
        assert flow.rests is not None
        flow.rests.after = event["cwnd"]
        if flow.rests.after < flow.rests.before \
                and len(flow.restarts) < MOST_RESTARTS:
            flow.restarts.append(flow.rests)
        flow.rests = None

    def _see_segment(self, event: Event) -> None:
        """A first SACK block behind the ACK is a D-SACK (RFC 2883).

        One that ends with our SYN tells of nothing sent again: after a simultaneous
        open Linux gets it twice, the second time in the SYN-ACK (tcp_send_dupack()).
        """
        if not event["sack_blocks"] or event["segment_flags"] & OUTGOING:
            return
        right = event["sack1_right"]
        is_syn = relative(right, event["snd_isn"]) <= 1
        if relative(event["seg_ack"], right) < 1 << 31 and not is_syn:
            flow = self.kept.get(event.key)
            if flow is not None:
                flow.duplicates += 1
