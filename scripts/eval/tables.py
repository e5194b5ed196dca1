# SPDX-License-Identifier: GPL-2.0
"""What was measured, as text: a table a group, and the targets with what came of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from results import Result
from scenarios import SUBJECTS

Column = tuple[str, Callable[[Result], str]]


def _completion(result: Result) -> str:
    if not result.completion_s:
        return "-"
    return f"{statistics.median(result.completion_s):.3f}"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


COLUMNS: dict[str, tuple[Column, ...]] = {
    "start": (("done s", _completion),
              ("sent again kB", lambda r: f"{r.retrans_bytes / 1e3:.0f}"),
              ("RTOs", lambda r: str(r.timeouts)),
              ("RTT p50 ms", lambda r: f"{r.rtt_p50_ms:.0f}"),
              ("p95", lambda r: f"{r.rtt_p95_ms:.0f}")),
    "long": (("Mbit/s", lambda r: f"{r.goodput_mbit:.2f}"),
             ("sent again kB", lambda r: f"{r.retrans_bytes / 1e3:.0f}"),
             ("RTOs", lambda r: str(r.timeouts)),
             ("RTT p50 ms", lambda r: f"{r.rtt_p50_ms:.0f}"),
             ("p95", lambda r: f"{r.rtt_p95_ms:.0f}")),
    "share": (("Mbit/s", lambda r: f"{r.goodput_mbit:.2f}"),
              ("its own", lambda r: f"{r.subject_mbit:.2f}"),
              ("Jain", lambda r: _or_dash(r.jain, ".3f")),
              ("fair after s", lambda r: _or_dash(r.convergence_s, ".0f")),
              ("RTT p95 ms", lambda r: f"{r.rtt_p95_ms:.0f}")),
    "short": (("median s", _completion),
              ("worst s", lambda r: f"{max(r.completion_s, default=0):.3f}"),
              ("done", lambda r: str(len(r.completion_s))),
              ("sent again kB", lambda r: f"{r.retrans_bytes / 1e3:.0f}"),
              ("Mbit/s of all", lambda r: f"{r.goodput_mbit:.2f}")),
}


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join(word.ljust(width) if n < 2 else word.rjust(width)
                               for n, (word, width) in enumerate(zip(row, widths))).rstrip()
                     for row in rows)


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


def _ratio(results: list[Result], value: Callable[[Result], float], subject: str,
           base: str, keep: Callable[[Result], bool]) -> list[float]:
    """A subject's value over the base's, for each scenario where the base has one."""
    bases = {r.scenario.name: value(r) for r in results if r.subject == base and keep(r)}
    return [value(r) / bases[r.scenario.name] for r in results
            if r.subject == subject and bases.get(r.scenario.name)]


def _is_start_at_1_bdp(result: Result) -> bool:
    return result.scenario.group == "start" and result.scenario.path.buffer_bdp == 1


def _seconds(result: Result) -> float:
    return statistics.median(result.completion_s) if result.completion_s else 0.0


def targets(results: list[Result]) -> str:
    """What was aimed at, and what came of it."""
    def spread(ratios: list[float]) -> str:
        if not ratios:
            return "not measured"
        return (f"{min(ratios):.3f} to {max(ratios):.3f}, median "
                f"{statistics.median(ratios):.3f}")

    def again(result: Result) -> float:
        return float(result.retrans_bytes)

    fair = [r.jain for r in results if r.scenario.name == "share-reno-1bdp"
            and r.subject == "reno_modern" and r.jain is not None]
    lines = [
        "renoscope over reno (1 is the same)",
        "  sent again:       " + spread(_ratio(results, again, "renoscope", "reno",
                                               lambda r: True)),
        "  time of transfer: " + spread(_ratio(results, _seconds, "renoscope", "reno",
                                               lambda r: True)),
        "reno_modern over reno, one transfer, buffer of 1 BDP",
        "  sent again:       " + spread(_ratio(results, again, "reno_modern", "reno",
                                               _is_start_at_1_bdp)),
        "  time of transfer: " + spread(_ratio(results, _seconds, "reno_modern", "reno",
                                               _is_start_at_1_bdp)),
        "reno_modern beside reno, buffer of 1 BDP, Jain's index: "
        + (f"{fair[0]:.3f}" if fair else "not measured"),
    ]
    return "\n".join(lines)


def text(results: list[Result]) -> str:
    """All of it."""
    groups = dict.fromkeys(result.scenario.group for result in results)
    return "\n\n".join([*(table(group, results) for group in groups),
                        targets(results)]) + "\n"
