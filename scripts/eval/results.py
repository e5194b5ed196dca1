# SPDX-License-Identifier: GPL-2.0
"""From what the sender saw to the numbers that algorithms are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arithmetic import convergence_s, jain, percentile
from scenarios import Scenario, by_name

SLICE_S = 1.0
# What share of a run counts as long-lived: all after its flows have met.
SETTLED_AFTER_S = 10.0


@dataclass(frozen=True)
class Result:
    """One scenario with one algorithm."""

    scenario: Scenario
    subject: str
    timeouts: int
    retrans_bytes: int
    goodput_mbit: float
    rtt_p50_ms: float
    rtt_p95_ms: float
    completion_s: tuple[float, ...]
    unfinished: int
    subject_mbit: float
    jain: float | None
    convergence_s: float | None


def _acked_at(samples: Sequence[Sequence[float]], when_s: float) -> float:
    """Bytes acknowledged by then, by the last sample before."""
    before = 0.0
    for sampled_s, count in samples:
        if sampled_s > when_s:
            break
        before = count
    return before


def _rate_mbit(transfer: dict[str, Any], from_s: float, to_s: float) -> float:
    acked = transfer["acked"]
    return (_acked_at(acked, to_s) - _acked_at(acked, from_s)) * 8e-6 / (to_s - from_s)


def _long_lived(transfers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [t for t in transfers if not t["total_bytes"]]


def _fairness(transfers: list[dict[str, Any]], met_s: float,
              end_s: float) -> tuple[float | None, float | None]:
    """Jain's index once the flows have settled, and when it came to 0.9 after they met."""
    flows = _long_lived(transfers)
    if len(flows) < 2:
        return None, None
    settled = jain([_rate_mbit(t, min(met_s + SETTLED_AFTER_S, end_s - SLICE_S), end_s)
                    for t in flows])
    times = [met_s + n * SLICE_S for n in range(1, int((end_s - met_s) / SLICE_S) + 1)]
    by_slice = [jain([_rate_mbit(t, when - SLICE_S, when) for t in flows])
                for when in times]
    fair_s = convergence_s(times, by_slice)
    return settled, None if fair_s is None else fair_s - met_s


def _end_s(transfers: list[dict[str, Any]]) -> float:
    return max(t["acked"][-1][0] for t in transfers)


def summarize(told: dict[str, Any]) -> Result:
    """What `play` printed of one run."""
    scenario = by_name(told["scenario"])
    transfers = told["transfers"]
    end_s = _end_s(transfers)
    met_s = max(t["began_s"] for t in _long_lived(transfers)) if _long_lived(transfers) else 0.0
    settled, fair_s = _fairness(transfers, met_s, end_s)
    own = [t for t in transfers if not scenario.flows[t["flow"]].algorithm]
    rtts = [rtt / 1e3 for t in own for rtt in t["rtt_us"] if rtt]
    return Result(
        scenario, told["subject"], told["timeouts"],
        retrans_bytes=sum(t["retrans_bytes"] for t in own),
        goodput_mbit=sum(t["acked"][-1][1] for t in transfers) * 8e-6 / end_s,
        rtt_p50_ms=percentile(rtts, 50), rtt_p95_ms=percentile(rtts, 95),
        completion_s=tuple(t["ended_s"] - t["began_s"] for t in own
                           if t["ended_s"] is not None),
        unfinished=sum(t["ended_s"] is None for t in own if t["total_bytes"]),
        subject_mbit=sum(_rate_mbit(t, met_s, end_s) for t in own
                         if not t["total_bytes"]) if _long_lived(own) else 0.0,
        jain=settled, convergence_s=fair_s)
