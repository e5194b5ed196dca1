# SPDX-License-Identifier: GPL-2.0
"""cwnd by round trip, as a textbook draws it.

Our algorithms record a reno_round whenever a round trip begins: when the first
ACK arrives for what was sent in the round before. Its cwnd is the window with
which the sender enters it. A round of which everything is lost sees no ACK; its
window is the one that the retransmission timer finds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .flows import is_chosen
from .gaps import Gaps
from .kept import Kept, Packable
from .schema import Event, Schema
from .show import INFINITE_SSTHRESH, Filter
from .tables import aligned, none_chosen, note, seconds
from .words import connection, local_endpoint, plural, remote_endpoint

NEEDED_KINDS = ("reno_round", "reno_phase", "reno_reduction", "rto")

SLOW_START = "slow start"
CSS = "conservative slow start"
AVOIDANCE = "congestion avoidance"
RECOVERY = "fast recovery"

TIMEOUT = "timeout"

# Rounds kept of one connection, the latest; so memory has a bound.
KEPT = 10_000

HOW_TO_READ = (
    "cwnd and ssthresh, in segments, are those with which the round begins; "
    "what happened is in the course of it. A round of which all is lost is told "
    "when the timer fires. Only this module's own algorithms tell rounds.")


@dataclass(slots=True)
class Round(Packable):
    """One round trip: how it began, and what happened in it."""

    time_ns: int
    cwnd: int
    ssthresh: int
    phase: str
    happened: str = ""


@dataclass(slots=True)
class Flow(Packable):
    """One connection's rounds, the last `snd_nxt` and phase with them."""

    cookie: int
    netns: int
    family: int
    local: str
    remote: str
    rounds: deque[Round] = field(default_factory=lambda: deque(maxlen=KEPT))
    rounds_seen: int = 0
    in_css: bool = False
    snd_nxt: int | None = None

    def add(self, round_: Round) -> None:
        """One more."""
        self.rounds.append(round_)
        self.rounds_seen += 1

    @property
    def first_number(self) -> int:
        """The number of the first round that is kept, counted from 1."""
        return self.rounds_seen - len(self.rounds) + 1


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
        flow = self.kept.get(event["cookie"]) or self.kept.add(
            event["cookie"], Flow(
                event["cookie"], event["netns"], event["family"],
                local_endpoint(event), remote_endpoint(event)))
        getattr(self, f"_see_{event.kind}")(flow, event)

    def flows(self, wanted: Filter | None = None) -> Iterator[Flow]:
        """The connections of which rounds are known."""
        for flow in self.kept:
            if flow.rounds and (wanted is None or is_chosen(
                    flow, wanted.cookie, wanted.port)):
                yield flow

    def _see_reno_round(self, flow: Flow, event: Event) -> None:
        flow.add(self._round(flow, event))
        flow.snd_nxt = event["snd_nxt"]

    def _see_reno_phase(self, flow: Flow, event: Event) -> None:
        flow.in_css = self._word(event, "phase", "reno_phase") == "css"

    def _see_reno_reduction(self, flow: Flow, event: Event) -> None:
        cause = self._word(event, "reno_cause", "reno_cause")
        if flow.rounds and cause != "rto":
            flow.rounds[-1].happened = {
                "loss": f"{plural(event['sacked_out'], 'duplicate ACK')}",
                "ecn": "ECN mark", "css_rounds": "delay grew",
            }.get(cause, "local drop")

    def _see_rto(self, flow: Flow, event: Event) -> None:
        """All that the last round began with is acknowledged: this is the next."""
        if event["snd_una"] == flow.snd_nxt:
            flow.add(self._round(flow, event))
            flow.snd_nxt = None
        if flow.rounds:
            flow.rounds[-1].happened = TIMEOUT

    def _round(self, flow: Flow, event: Event) -> Round:
        return Round(event["time_ns"], event["cwnd"], event["ssthresh"],
                     self._phase(flow, event))

    def _phase(self, flow: Flow, event: Event) -> str:
        if self._word(event, "ca_state", "ca_state") == "Recovery":
            return RECOVERY
        if event["cwnd"] >= event["ssthresh"]:
            return AVOIDANCE
        return CSS if flow.in_css else SLOW_START

    def _word(self, event: Event, name: str, unit: str) -> str:
        return self._schema.name_of(unit, event[name])


# ---- for people ----------------------------------------------------------


def _threshold(ssthresh: int) -> str:
    return "inf" if ssthresh >= INFINITE_SSTHRESH else str(ssthresh)


def _flow_text(flow: Flow, first_ns: int | None) -> list[str]:
    rows = [("round", "seconds", "cwnd", "ssthresh", "phase", "happened")]
    rows += [(str(number), seconds(r.time_ns, first_ns), str(r.cwnd),
              _threshold(r.ssthresh), r.phase, r.happened)
             for number, r in enumerate(flow.rounds, flow.first_number)]
    return [f"{connection(flow.cookie)}  {flow.local} - {flow.remote}",
            *aligned(rows, right=range(4), indent=2), ""]


def as_text(rounds: Rounds, wanted: Filter) -> Iterator[str]:
    """A table for each connection."""
    yield from rounds.kept.left_out()
    shown = 0
    for flow in rounds.flows(wanted):
        shown += 1
        yield from _flow_text(flow, rounds.gaps.first_ns)
    if shown:
        yield from note(HOW_TO_READ)
    else:
        yield none_chosen(sum(1 for _ in rounds.flows()), wanted.port,
                          wanted.cookie, "round")


def _round_json(round_: Round) -> dict[str, Any]:
    infinite = round_.ssthresh >= INFINITE_SSTHRESH
    return {"time_ns": round_.time_ns, "cwnd": round_.cwnd,
            "ssthresh": None if infinite else round_.ssthresh,
            "phase": round_.phase, "happened": round_.happened}


def _flow_json(flow: Flow) -> dict[str, Any]:
    return {"connection": connection(flow.cookie), "netns": flow.netns,
            "family": flow.family, "local": flow.local, "remote": flow.remote,
            "first_round": flow.first_number,
            "rounds": [_round_json(round_) for round_ in flow.rounds]}


def as_json(rounds: Rounds, end_ns: int | None, wanted: Filter) -> dict[str, Any]:
    """The same for programs; an ssthresh of null is none yet."""
    return {"connections": (_flow_json(flow) for flow in rounds.flows(wanted)),
            "forgotten": rounds.kept.forgotten, **rounds.gaps.as_json(end_ns)}
