# SPDX-License-Identifier: GPL-2.0
"""What a receiver sees of a broken transfer: gaps, and data that was not taken.

An `ack` shows a segment as it meets its connection, and rcv_nxt as it stands before the
segment is worked through.  So:

 - A segment behind rcv_nxt came with a gap before it: that was lost, or overtaken.
   Until rcv_nxt moves, what came behind stands still: no program gets it.
 - A segment with the number that was due is taken, or TCP throws it away: old by its
   timestamp (PAWS), no memory, a wrong checksum, an ACK number out of range.  Only the
   next `ack` tells which: there rcv_nxt has moved, or it has not.

Numbers are compared, and segments are not counted, so merged ones (GRO) do no harm.  A
gap is counted where a segment begins behind all that came before; what comes in the
middle of one makes it smaller.  Where an event may be missing, so may be what came
before: then gaps are counted `about`, and no time is longer than it was seen to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..ring.schema import Event, Schema
from ..tcp.kept import Kept, Packable
from ..tcp.sequence import MODULUS, RST, SYN, is_after, relative, segment_length
from ..tcp.tcp_states import CLOSED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, TIME_WAIT
from .arrivals import CLOCKS_NS
from .gaps import Gaps

# A stall or a refusal is kept, to be told by itself: so many of one connection, the
# first ones, and no stall that nobody would notice.
KEPT = 40
WORTH_KEEPING_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Stall(Packable):
    """rcv_nxt did not move, and there was data behind it."""

    began_ns: int
    seq: int            # from the peer's ISN
    took_ns: int


@dataclass(slots=True)
class Receiver(Packable):
    """What came for one connection."""

    gaps_before: int
    is_whole: bool
    rcv_nxt: int
    top: int                        # behind all that came
    stood_ns: int                   # when rcv_nxt was last seen to stand there
    began_ns: int | None = None     # of the stall that lasts
    is_filled: bool = False         # what was due came last, if it was taken
    isn: int = 0
    gaps: int = 0
    missing: int = 0
    stalled_ns: int = 0
    longest_ns: int = 0
    stalls: list[Stall] = field(default_factory=list)
    offered: tuple[int, int] | None = None      # when, and on which CPU
    refused: int = 0
    refused_ns: int = 0
    refused_at: list[int] = field(default_factory=list)
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Stood:
    """How long data stood still, with a stall that lasts."""

    all_ns: int
    longest_ns: int
    stalls: tuple[Stall, ...]
    still: bool


class Receiving:
    """Feed it joined events."""

    def __init__(self, schema: Schema, gaps: Gaps) -> None:
        self._gaps = gaps
        self._established = schema.numbers_of("state", ESTABLISHED)
        self._reading = schema.numbers_of("state", ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2)
        self._over = schema.numbers_of("state", CLOSED, TIME_WAIT)
        self.kept: Kept[Receiver] = Kept(lambda flow: flow.is_over)

    def feed(self, event: Event) -> None:
        """The next event, not a mark and not a loss."""
        if not event["cookie"]:
            return
        if event.kind == "ack":
            if event["state"] in self._reading:
                self._comes(self._flow(event), event)
        elif event.kind == "state":
            self._turns(event)

    def _flow(self, event: Event) -> Receiver:
        """Nothing can have come unseen of one that is seen to become ESTABLISHED."""
        flow = self.kept.get(event.key)
        if flow is None or flow.is_over:
            flow = self.kept.add(event.key, Receiver(
                self._gaps.number, event.kind == "state", event["rcv_nxt"],
                event["rcv_nxt"], event["time_ns"]))
        flow.isn = flow.isn or event["rcv_isn"]
        if flow.gaps_before != self._gaps.number:
            flow.gaps_before = self._gaps.number
            flow.is_whole = False
        return flow

    def _turns(self, event: Event) -> None:
        if event["state"] in self._established:
            self._flow(event)
            return
        flow = self.kept.get(event.key)
        if flow is None or flow.is_over:
            return
        if event["rcv_nxt"] != flow.rcv_nxt:
            self._moves(flow, event)
        elif not flow.is_filled:
            flow.stood_ns = event["time_ns"]
        if event["state"] in self._over:
            self._ends_stall(flow)
            flow.is_over = True

    def _comes(self, flow: Receiver, event: Event) -> None:
        if event["rcv_nxt"] != flow.rcv_nxt:
            self._moves(flow, event)
        else:
            self._stands(flow, event)
        takes = segment_length(event["seg_len"], event["seg_flags"])
        if not takes or event["seg_flags"] & (SYN | RST):
            return
        seq, rcv_nxt = event["seg_seq"], event["rcv_nxt"]
        end = (seq + takes) % MODULUS
        if is_after(seq, rcv_nxt):
            if relative(seq, rcv_nxt) < event["rcv_wnd"]:
                self._leaves_gap(flow, event, end)
        elif is_after(end, rcv_nxt):
            self._is_due(flow, event, end)

    # ---- whether rcv_nxt has moved

    def _moves(self, flow: Receiver, event: Event) -> None:
        """What stood still goes on, up to the next gap."""
        began_ns = self._ends_stall(flow)
        flow.offered = None
        flow.rcv_nxt = event["rcv_nxt"]
        flow.stood_ns = event["time_ns"]
        if is_after(flow.top, flow.rcv_nxt):
            flow.began_ns = began_ns
        else:
            flow.top = flow.rcv_nxt

    @staticmethod
    def _stands(flow: Receiver, event: Event) -> None:
        """What was due at the event before was not taken.

        Unless the clocks of two CPUs have put these two in another order.
        """
        if flow.offered is not None:
            time_ns, cpu = flow.offered
            passed_ns = event["time_ns"] - time_ns
            if event["cpu"] == cpu or passed_ns > CLOCKS_NS:
                flow.refused += 1
                flow.refused_ns += max(0, passed_ns)
                if len(flow.refused_at) < KEPT:
                    flow.refused_at.append(time_ns)
            flow.offered = None
        flow.is_filled = False
        flow.stood_ns = max(flow.stood_ns, event["time_ns"])

    # ---- what comes

    @staticmethod
    def _leaves_gap(flow: Receiver, event: Event, end: int) -> None:
        seq = event["seg_seq"]
        if is_after(seq, flow.top):
            flow.gaps += 1
            flow.missing += relative(seq, flow.top)
        if is_after(end, flow.top):
            flow.top = end
        if flow.began_ns is None:
            flow.began_ns = flow.stood_ns = event["time_ns"]

    def _is_due(self, flow: Receiver, event: Event, end: int) -> None:
        """A window of zero takes nothing: then it is a probe."""
        flow.is_filled = True
        if is_after(end, flow.top):
            flow.top = end
        if event["rcv_wnd"] and event["state"] in self._established:
            flow.offered = event["time_ns"], event["cpu"]

    # ---- stalls

    @staticmethod
    def _ends_stall(flow: Receiver) -> int:
        """When it was over: another one may have begun then."""
        until_ns = flow.stood_ns
        if flow.began_ns is not None:
            stall = _stall(flow, until_ns)
            flow.stalled_ns += stall.took_ns
            flow.longest_ns = max(flow.longest_ns, stall.took_ns)
            if stall.took_ns >= WORTH_KEEPING_NS and len(flow.stalls) < KEPT:
                flow.stalls.append(stall)
        flow.began_ns = None
        flow.is_filled = False
        return until_ns

    def stood(self, flow: Receiver, end_ns: int) -> Stood:
        """All of it; what lasts does until the end, if nothing can have been missed."""
        if flow.began_ns is None:
            return Stood(flow.stalled_ns, flow.longest_ns, tuple(flow.stalls), False)
        still = not flow.is_filled and self.is_exact(flow)
        last = _stall(flow, end_ns if still else flow.stood_ns)
        return Stood(flow.stalled_ns + last.took_ns, max(flow.longest_ns, last.took_ns),
                     (*flow.stalls, last), still)

    def is_exact(self, flow: Receiver) -> bool:
        """Whether nothing that came can be missing."""
        return (flow.is_whole and not self._gaps.may_sample_acks
                and not self._gaps.lacks("ack")
                and self._gaps.is_whole_until_known(flow.gaps_before))


def _stall(flow: Receiver, until_ns: int) -> Stall:
    assert flow.began_ns is not None
    return Stall(flow.began_ns, relative(flow.rcv_nxt, flow.isn),
                 max(0, until_ns - flow.began_ns))
