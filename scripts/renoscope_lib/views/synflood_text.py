# SPDX-License-Identifier: GPL-2.0
"""Floods and what helps, for a terminal and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..output.tables import aligned, labelled, note
from ..words import or_dash, share
from .counter_measures import counter_measures
from .flood_evidence import Evidence, Pressure, evidence_of
from .flood_verdict import CANNOT_TELL, Verdict, sources_in_words, verdict_of
from .listeners import Listener
from .synflood import FloodWatch


def _rows(watch: FloodWatch, end_ns: int | None
          ) -> list[tuple[Pressure, Evidence, Verdict]]:
    rows = []
    why_not = watch.why_not()
    for pressure in watch.pressures():
        seen = evidence_of(pressure, watch.gaps.known_until_ns(end_ns))
        rows.append((pressure, seen, Verdict(CANNOT_TELL, why_not) if why_not
                     else verdict_of(seen)))
    return rows


def _evidence_json(listener: Listener, seen: Evidence) -> dict[str, Any]:
    """The queues stand as in the other views."""
    return {**{name: value for name, value in asdict(seen).items()
               if name not in ("half_open", "half_open_peak", "limit")},
            **listener.queues_as_json(),
            "decided": seen.decided, "completing": seen.completing}


def as_json(watch: FloodWatch, end_ns: int | None) -> dict[str, Any]:
    """Everything, as plain data."""
    return {"listeners": [
        {"listener": p.listener.name, "netns": p.listener.netns,
         "local": p.listener.address, "verdict": verdict.words,
         "is_flood": verdict.is_flood, "why": verdict.why,
         "evidence": _evidence_json(p.listener, seen),
         "counter_measures": [asdict(m)
                              for m in counter_measures(p.listener)]}
        for p, seen, verdict in _rows(watch, end_ns)],
            "listeners_forgotten": watch.listeners_left_out.count,
            "cannot_tell": watch.why_not() or None,
            **watch.gaps.as_json(end_ns)}


HELP = (
    "How to read it: `answered` is the share of handshakes whose SYN-ACK a client "
    "answered, near 100% when all is well. `half-open` is how many requests "
    "wait for that answer now, and the most there were, of the backlog.")


def as_text(watch: FloodWatch, end_ns: int | None) -> list[str]:
    """The same for people."""
    rows = _rows(watch, end_ns)
    left_out = watch.listeners_left_out.lines()
    if not rows:
        return [*left_out, watch.none_seen()]
    heading = ("local", "verdict", "answered", "half-open", "most", "of",
               "SYNs/s", "sources")
    lines = left_out + aligned([heading] + [
        (p.listener.address, verdict.words,
         "-" if seen.completing is None else share(seen.completing, 1),
         str(seen.half_open), str(seen.half_open_peak),
         or_dash(seen.limit), f"{seen.syns_per_s:.1f}",
         f"{seen.sources}{'+' if seen.syns_of_others else ''}")
        for p, seen, verdict in rows], frozenset(range(2, 8)))
    lines += note(HELP, "  ")
    for pressure, seen, verdict in rows:
        lines += ["", *_evidence_lines(pressure, seen, verdict)]
    flooded = [p.listener for p, _, verdict in rows if verdict.is_flood]
    for listener in flooded:
        lines += ["", *_measure_lines(listener)]
    return lines


def _evidence_lines(pressure: Pressure, seen: Evidence,
                    verdict: Verdict) -> list[str]:
    listener = pressure.listener
    lines = [f"{listener.address} ({listener.name}, netns {listener.netns}): "
             f"{verdict.words}"]
    lines += labelled("because", verdict.why)
    lines += labelled("half-open queue", f"{seen.half_open} now, "
                      f"{seen.half_open_peak} at most, backlog {or_dash(seen.limit)}; "
                      f"grew by up to {seen.growth_per_s:g} in a second; "
                      f"{seen.old_half_open} have waited for over a second")
    lines += labelled("handshakes", f"{seen.answered} answered, "
                      f"{seen.unanswered} not; {seen.expired} expired, "
                      f"{seen.resets} reset; {seen.repeated} of the "
                      "unanswered repeated their SYN")
    lines += labelled("sources", sources_in_words(seen, verdict.is_flood))
    lines += labelled("cookies", f"{seen.cookies_sent} sent, "
                      f"{seen.cookies_valid} validated, "
                      f"{seen.cookies_invalid} invalid")
    lines += labelled("refused", f"{seen.refused_half_open} for want of room in "
                      f"the half-open queue, {seen.refused_accept} in the accept queue")
    return lines


def _measure_lines(listener: Listener) -> list[str]:
    lines = [f"What helps {listener.address}:"]
    for measure in counter_measures(listener):
        lines += [f"  {measure.sysctl}: {measure.now}"]
        lines += note(measure.meaning + ".", "      ")
    return lines
