# SPDX-License-Identifier: GPL-2.0
"""What was measured, as text: a table a group, and the targets with what came of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from renoscope_lib.output.tables import aligned
from results import Result
from scenarios import AGAIN, RFC9406, SUBJECTS

Column = tuple[str, Callable[[Result], str]]


def _completion(result: Result) -> str:
    if not result.completion_s:
        return "unfinished"
    return f"{statistics.median(result.completion_s):.3f}"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


GOODPUT: Column = ("Mbit/s", lambda r: f"{r.goodput_mbit:.2f}")
SENT_AGAIN: Column = ("sent again kB", lambda r: f"{r.retrans_bytes / 1e3:.0f}")
TIMEOUTS: Column = ("RTOs", lambda r: str(r.timeouts))
SRTT: tuple[Column, Column] = (("srtt p50 ms", lambda r: f"{r.rtt_p50_ms:.0f}"),
                               ("p95", lambda r: f"{r.rtt_p95_ms:.0f}"))

COLUMNS: dict[str, tuple[Column, ...]] = {
    "start": (("done s", _completion), SENT_AGAIN, TIMEOUTS, *SRTT),
    "long": (GOODPUT, SENT_AGAIN, TIMEOUTS, *SRTT),
    "share": (GOODPUT,
              ("its own", lambda r: f"{r.subject_mbit:.2f}"),
              ("Jain", lambda r: _or_dash(r.jain, ".3f")),
              ("0.9 after s", lambda r: _or_dash(r.convergence_s, ".0f")),
              SENT_AGAIN, TIMEOUTS, *SRTT),
    "short": (("median s", _completion),
              ("worst s", lambda r: f"{max(r.completion_s, default=0):.3f}"),
              ("done", lambda r: str(len(r.completion_s))),
              SENT_AGAIN, ("RTOs of all", TIMEOUTS[1]), *SRTT,
              ("Mbit/s of all", GOODPUT[1])),
}


def _aligned(rows: list[list[str]], left: int = 2) -> str:
    return "\n".join(aligned(rows, right=range(left, len(rows[0]))))


def table(group: str, results: list[Result]) -> str:
    """One group's results, a line for each scenario and algorithm."""
    columns = COLUMNS[group]
    rows = [["scenario", "algorithm", *(title for title, _told in columns)]]
    for result in results:
        if result.scenario.group == group:
            first = result.subject == SUBJECTS[0]
            rows.append([result.scenario.name if first else "", result.subject,
                         *(told(result) for _title, told in columns)])
    return _aligned(rows)


# ---- one number of each, side by side --------------------------------------

SHORT: tuple[tuple[str, str, Callable[[Result], str]], ...] = (
    ("long", "one long flow, Mbit/s", GOODPUT[1]),
    ("long", "its smoothed RTT, p95, ms", SRTT[1][1]),
    ("long", "sent again, kB", SENT_AGAIN[1]),
    ("share", "Jain's index", lambda r: _or_dash(r.jain, ".3f")),
    ("share", "Jain's index 0.9 for 5 s, after s",
     lambda r: _or_dash(r.convergence_s, ".0f")),
    ("share", "sent again by its own, kB", SENT_AGAIN[1]),
    ("share", "Mbit/s of all", GOODPUT[1]),
    ("short", "short flows, median s", _completion),
)


def side_by_side(results: list[Result], group: str, title: str,
                 told: Callable[[Result], str]) -> str:
    """A line a scenario, a column an algorithm."""
    chosen = [r for r in results if r.scenario.group == group]
    rows = [[title, *dict.fromkeys(r.subject for r in chosen)]]
    for name in dict.fromkeys(r.scenario.name for r in chosen):
        rows.append([name, *(told(r) for r in chosen if r.scenario.name == name)])
    return _aligned(rows, left=1)


# ---- what was aimed at -----------------------------------------------------

HALF, TWO_PERCENT_MORE, FAIR = 0.5, 1.02, 0.95


def seconds_of(result: Result) -> float:
    """What was not done until the scenario's end took at least as long."""
    done = list(result.completion_s) + [result.scenario.seconds] * result.unfinished
    return statistics.median(done) if done else 0.0


def _sent_again(result: Result) -> float:
    return float(result.retrans_bytes)


def _ratios(results: list[Result], subject: str, value: Callable[[Result], float],
            keep: Callable[[Result], bool] = lambda _result: True) -> list[float]:
    """A subject's value over reno's, for each scenario where reno has one."""
    bases = {r.scenario.name: value(r) for r in results if r.subject == "reno" and keep(r)}
    return [value(r) / bases[r.scenario.name] for r in results
            if r.subject == subject and bases.get(r.scenario.name)]


def _in_all(results: list[Result], subject: str,
            keep: Callable[[Result], bool]) -> str:
    """What was sent again in all scenarios, also those in which reno sent nothing again."""
    sums = {name: sum(r.retrans_bytes for r in results if r.subject == name and keep(r))
            for name in (subject, "reno")}
    return f"{sums[subject] / sums['reno']:.3f}" if sums["reno"] else "-"


def _spread(ratios: list[float]) -> str:
    if not ratios:
        return "not measured"
    return f"{min(ratios):.3f} to {max(ratios):.3f}, median {statistics.median(ratios):.3f}"


def _is_start(result: Result) -> bool:
    return result.scenario.group == "start"


def _start_with(buffer_bdp: float) -> Callable[[Result], bool]:
    return lambda r: _is_start(r) and r.scenario.path.buffer_bdp == buffer_bdp


def _met(values: list[float], is_met: Callable[[float], bool]) -> str:
    return f"in {sum(map(is_met, values))} of {len(values)}" if values else "not measured"


def _beside_reno(results: list[Result]) -> list[float]:
    return [r.jain for r in results if r.scenario.name.startswith("share-reno-")
            and r.subject == "reno_modern" and r.jain is not None]


def targets(results: list[Result]) -> str:
    """What was aimed at, and what came of it; 1 is as much as reno."""
    comparisons: list[tuple[str, str, Callable[[Result], bool]]] = [
        ("itself once more, one transfer", AGAIN, _is_start),
        ("renoscope, one transfer", "renoscope", _is_start)]
    comparisons += [(f"{subject}, one transfer, {depth:g} BDP", subject, _start_with(depth))
                    for subject in (RFC9406, "reno_modern") for depth in (0.25, 1, 4)]
    rows = [["over reno", "sent again", "in all", "time of transfer"]]
    rows += [[name, _spread(_ratios(results, subject, _sent_again, keep)),
              _in_all(results, subject, keep),
              _spread(_ratios(results, subject, seconds_of, keep))]
             for name, subject, keep in comparisons]
    again, times = (_ratios(results, "reno_modern", value, _start_with(1))
                    for value in (_sent_again, seconds_of))
    fair = _beside_reno(results)
    return "\n".join([
        _aligned(rows), "",
        "reno_modern, one transfer, 1 BDP: at most half sent again: "
        + _met(again, lambda ratio: ratio <= HALF),
        "  at most 2 % longer: " + _met(times, lambda ratio: ratio <= TWO_PERCENT_MORE),
        "reno_modern beside reno: Jain's index at least 0.95: "
        + _met(fair, lambda index: index >= FAIR)
        + "".join(f" {index:.3f}" for index in fair)])


def text(results: list[Result]) -> str:
    """All of it."""
    groups = dict.fromkeys(result.scenario.group for result in results)
    return "\n\n".join([
        *(table(group, results) for group in groups),
        *(side_by_side(results, group, title, told)
          for group, title, told in SHORT if group in groups),
        targets(results)]) + "\n"
