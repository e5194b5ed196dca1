# SPDX-License-Identifier: GPL-2.0
"""cwnd by round trip, as a textbook draws it.

Our algorithms record a reno_round whenever a round trip is over: when the first
ACK arrives for what was sent in it. The event's cwnd is the window of those
segments. A round of which everything is lost sees no ACK; its window is the one
that the retransmission timer finds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ..machine.host import CONGESTION_CONTROLS
from ..output.tables import aligned, and_more, note, seconds
from ..ring.schema import Event, Schema
from ..tcp.connections import Connection, heading, identity_json, identity_of
from ..tcp.kept import Kept, Packable
from ..tcp.phases import name_of, phase_of
from ..tcp.reno_words import CSS, RENO_KINDS
from ..tcp.sequence import is_after
from ..tcp.wanted import Filter
from ..words import finite_ssthresh, listed, plural, spaced, ssthresh_words
from .gaps import Gaps

NEEDED_KINDS = (*RENO_KINDS, "rto", "loss_probe")

# What happened in a round, in JSON; for people it is in HAPPENED.
TIMEOUT = "timeout"
DUPLICATE_ACKS = "duplicate_acks"
LOSS = "loss"
LOSS_PROBE = "loss_probe"
LOCAL_DROP = "local_drop"
REST = "rest"
UNDONE = "undone"
ECN = "ecn"
REDUCED = "reduced"

HAPPENED = {
    LOSS_PROBE: "loss (tail loss probe)", UNDONE: "undone: nothing was lost",
    ECN: "ECN mark", REDUCED: "reduced: no loss", LOCAL_DROP: "local drop",
    "delay": "delay grew", "ack_train": "ACK train", "jitter": "false alarm",
    "css_rounds": "delay stayed",
}

# Causes of phases that are told, too.
HYSTART_CAUSES = ("delay", "ack_train", "jitter")

# Rounds kept of one connection, the latest; so memory has a bound.
KEPT = 10_000

HOW_TO_READ = (
    "cwnd is the round's window, ssthresh the threshold then, both in segments. "
    "seconds is when the first ACK for the window's segments came, one round trip "
    "after they were sent; for a window that is lost whole, when the timer fired. "
    "What happened came then or later, before the next line.")

WHO_TELLS = (
    f"Only {listed(CONGESTION_CONTROLS, 'and')} tell rounds. For connections to "
    "come choose one with: sudo sysctl net.ipv4.tcp_congestion_control=renoscope; "
    "in a network namespace that exists already behind ip netns exec NAME; "
    "for one socket with setsockopt(TCP_CONGESTION).")


@dataclass(slots=True)
class Round(Packable):
    """One round trip: how it began, and what happened in it.

    `segments` is how many the duplicate ACKs were, or how many were SACKed.
    """

    time_ns: int
    cwnd: int
    ssthresh: int
    phase: str
    happened: str = ""
    segments: int = 0

    @property
    def phase_name(self) -> str:
        """The phase for people."""
        return name_of(self.phase)

    @property
    def happened_words(self) -> str:
        """What happened, for people; empty if nothing did."""
        if self.happened == DUPLICATE_ACKS:
            return plural(self.segments, "duplicate ACK")
        if self.happened == LOSS and self.segments:
            return f"loss ({plural(self.segments, 'segment')} SACKed)"
        return HAPPENED.get(self.happened) or spaced(self.happened)


@dataclass(slots=True)
class Flow(Connection):
    """One connection's rounds, and what the next event is understood by.

    `snd_nxt` is that of the last round, or of the beginning, `probed` whether a tail
    loss probe sent something again since the last reduction.
    """

    rounds: deque[Round] = field(default_factory=lambda: deque(maxlen=KEPT))
    rounds_seen: int = 0
    in_css: bool = False
    snd_nxt: int | None = None
    probed: bool = False

    def add(self, round_: Round) -> None:
        """One more."""
        self.rounds.append(round_)
        self.rounds_seen += 1

    def tell(self, happened: str, segments: int = 0) -> None:
        """What happened in the round that is the last so far."""
        if self.rounds:
            self.rounds[-1].happened = happened
            self.rounds[-1].segments = segments

    @property
    def first_number(self) -> int:
        """The number of the first round that is kept, counted from 1."""
        return self.rounds_seen - len(self.rounds) + 1


def tell_loss(schema: Schema, flow: Flow, event: Event) -> None:
    """Tell what showed a loss, of which an event of entering recovery knows.

    With SACK duplicate ACKs are not counted; sacked_out is something else.
    Neither SACKed nor lost: what was lost the probe has made good for.
    """
    flags = schema.bit_names("sock_flags", event["sock_flags"])
    sacked = event["sacked_out"]
    if flow.probed and not sacked and not event["lost_out"]:
        flow.tell(LOSS_PROBE)
    elif sacked and "sack" not in flags:
        flow.tell(DUPLICATE_ACKS, sacked)
    else:
        flow.tell(LOSS, sacked)


class Rounds:
    """Feed it joined events, then ask for the flows."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.gaps = Gaps(schema, NEEDED_KINDS)
        self.kept: Kept[Flow] = Kept(lambda _flow: False)

    def feed(self, event: Event) -> None:
        """The next event."""
        if self.gaps.takes(event) or event.kind not in NEEDED_KINDS:
            return
        flow = self.kept.get(event.key)
        if flow is None and event.kind in RENO_KINDS:
            flow = self.kept.add(event.key, Flow(
                *identity_of(event)))
        if flow is not None:
            getattr(self, f"_see_{event.kind}")(flow, event)

    def flows(self, wanted: Filter = Filter()) -> Iterator[Flow]:
        """The connections of which rounds are known."""
        for flow in self.kept:
            if flow.rounds and wanted.includes(flow):
                yield flow

    def _see_reno_round(self, flow: Flow, event: Event) -> None:
        flow.add(self._round(flow, event))
        flow.snd_nxt = event["snd_nxt"]

    def _see_reno_phase(self, flow: Flow, event: Event) -> None:
        flow.in_css = self._word(event, "phase", "reno_phase") == CSS
        cause = self._word(event, "reno_cause", "reno_cause")
        if cause == "begin":
            flow.snd_nxt = event["snd_nxt"]
        if cause in HYSTART_CAUSES:
            flow.tell(cause)

    def _see_reno_reduction(self, flow: Flow, event: Event) -> None:
        cause = self._word(event, "reno_cause", "reno_cause")
        if cause == "loss":
            tell_loss(self._schema, flow, event)
        elif cause != "rto":
            flow.tell(LOCAL_DROP if cause == "other" else cause)
        flow.probed = False

    def _see_reno_undo(self, flow: Flow, _event: Event) -> None:
        flow.tell(UNDONE)

    def _see_reno_restart(self, flow: Flow, _event: Event) -> None:
        flow.tell(REST)

    def _see_loss_probe(self, flow: Flow, event: Event) -> None:
        flow.probed = bool(event["probe_retransmits"])

    def _see_rto(self, flow: Flow, event: Event) -> None:
        """All that the last round began with is acknowledged: this is the next.

        If more is, and no round was told for it, another algorithm is at work now.
        """
        flow.probed = False
        if flow.snd_nxt is not None and is_after(event["snd_una"], flow.snd_nxt):
            return
        if event["snd_una"] == flow.snd_nxt:
            flow.add(self._round(flow, event))
            flow.snd_nxt = None
        flow.tell(TIMEOUT)

    def _round(self, flow: Flow, event: Event) -> Round:
        return Round(event["time_ns"], event["cwnd"], event["ssthresh"],
                     self._phase(flow, event))

    def _phase(self, flow: Flow, event: Event) -> str:
        return phase_of(self._word(event, "ca_state", "ca_state"), event["cwnd"],
                        event["ssthresh"], flow.in_css)

    def _word(self, event: Event, name: str, unit: str) -> str:
        return self._schema.name_of(unit, event[name])


# ---- for people ----------------------------------------------------------


def table(flow: Flow, first_ns: int | None) -> list[str]:
    """A connection's rounds, a line each."""
    rows = [("round", "seconds", "cwnd", "ssthresh", "phase", "happened")]
    rows += [(str(number), seconds(r.time_ns, first_ns), str(r.cwnd),
              ssthresh_words(r.ssthresh), r.phase_name, r.happened_words)
             for number, r in enumerate(flow.rounds, flow.first_number)]
    return aligned(rows, right=range(4), indent=2)


def as_text(rounds: Rounds, wanted: Filter, limit: int = 0) -> Iterator[str]:
    """A table for each connection, for so many of them or for all."""
    yield from rounds.kept.left_out()
    shown = 0
    flows = rounds.flows(wanted)
    for flow in islice(flows, limit or None):
        shown += 1
        yield heading(flow)
        yield from table(flow, rounds.gaps.first_ns)
        yield ""
    if shown:
        yield from and_more(sum(1 for _ in flows))
        yield from note(HOW_TO_READ)
    else:
        yield wanted.none_seen(sum(1 for _ in rounds.flows()),
                               "connection that tells rounds")
        yield from note(WHO_TELLS)


def round_json(round_: Round) -> dict[str, Any]:
    """One round for programs."""
    happened = round_.happened or None
    return {"time_ns": round_.time_ns, "cwnd": round_.cwnd,
            "ssthresh": finite_ssthresh(round_.ssthresh),
            "phase": round_.phase, "happened": happened,
            "duplicate_acks": round_.segments if happened == DUPLICATE_ACKS else None,
            "sacked": round_.segments if happened == LOSS else None}


def _flow_json(flow: Flow) -> dict[str, Any]:
    return {**identity_json(flow),
            "first_round": flow.first_number,
            "rounds": [round_json(round_) for round_ in flow.rounds]}


def as_json(rounds: Rounds, end_ns: int | None, wanted: Filter) -> dict[str, Any]:
    """The same for programs; an ssthresh of null is none yet."""
    return {"connections": (_flow_json(flow) for flow in rounds.flows(wanted)),
            "forgotten": rounds.kept.forgotten, **rounds.gaps.as_json(end_ns)}
