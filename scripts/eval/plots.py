# SPDX-License-Identifier: GPL-2.0
"""Pictures of what was measured; without matplotlib there are the tables alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from results import Result
from scenarios import AGAIN, RFC9406, Scenario, subjects_of
from tables import seconds_of

COLOURS = {"reno": "#888888", "renoscope": "#1f4e79", "reno_modern": "#c55a11",
           AGAIN: "#bbbbbb", RFC9406: "#d9a066",
           "cubic": "#548235", "bbr": "#7030a0"}


def _pyplot() -> Any:
    import matplotlib       # noqa: PLC0415  (an extra: what needs it says so)
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "renoscope"
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot       # noqa: PLC0415
    return pyplot


def _draw_bars(axes: Any, results: list[Result], group: str,
               value: Callable[[Result], float]) -> None:
    """One bar for each algorithm, side by side for each scenario."""
    scenarios = list(dict.fromkeys(result.scenario for result in results))
    subjects = subjects_of(group)
    width = 0.8 / len(subjects)
    for number, subject in enumerate(subjects):
        heights = [next(value(r) for r in results
                        if (r.scenario, r.subject) == (scenario, subject))
                   for scenario in scenarios]
        places = [at + (number - (len(subjects) - 1) / 2) * width
                  for at in range(len(scenarios))]
        axes.bar(places, heights, width, label=subject, color=COLOURS[subject])
    axes.set_xticks(range(len(scenarios)), list(map(_label, scenarios)), fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _label(scenario: Scenario) -> str:
    """Its name without the group, which the title has, and what the panel says."""
    words = scenario.name.split("-")[1:]
    return "\n".join(words[:-1] if scenario.group == "start" else words)


def _panels(results: list[Result], group: str) -> list[tuple[str, list[Result]]]:
    """Single transfers are shown by the depth of the queue, all else in one."""
    chosen = [result for result in results if result.scenario.group == group]
    if group != "start":
        return [("", chosen)]
    depths = dict.fromkeys(result.scenario.path.buffer_bdp for result in chosen)
    return [(f"queue of {depth:g} BDP", [r for r in chosen
                                         if r.scenario.path.buffer_bdp == depth])
            for depth in depths]


def _picture(results: list[Result], group: str, title: str, unit: str,
             value: Callable[[Result], float], file: Path) -> None:
    pyplot = _pyplot()
    panels = _panels(results, group)
    figure, rows = pyplot.subplots(len(panels), figsize=(9, 1.2 + 2.3 * len(panels)),
                                   squeeze=False)
    for (name, chosen), axes in zip(panels, rows[:, 0]):
        _draw_bars(axes, chosen, group, value)
        axes.set_ylabel(unit, fontsize=8)
        axes.set_title(name, fontsize=9, loc="left")
    figure.suptitle(title, fontsize=11)
    handles, labels = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, ncols=len(labels), loc="lower center",
                  frameon=False)
    figure.tight_layout(rect=(0, 0.22 / figure.get_figheight(), 1, 1))
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def _percent_again(result: Result) -> float:
    return 100 * result.retrans_bytes / result.scenario.flows[0].total_bytes


def _times_ideal(result: Result) -> float:
    """Over the time that the bottleneck takes for as many bytes."""
    path = result.scenario.path
    return (seconds_of(result) * path.rate_mbit * 1e6
            / (8 * result.scenario.flows[0].total_bytes))


PICTURES: tuple[tuple[str, str, str, str, Callable[[Result], float]], ...] = (
    ("start-retransmitted", "start", "Sent again in one transfer of 12 BDPs, or of 1 MB",
     "% of it", _percent_again),
    ("start-completion", "start", "Time of one transfer of 12 BDPs, or of 1 MB",
     "times the bottleneck's", _times_ideal),
    ("long-rtt", "long", "One long flow: smoothed RTT, 95th percentile", "ms",
     lambda r: r.rtt_p95_ms),
    ("share-jain", "share", "Several flows: Jain's index", "1 = all alike",
     lambda r: r.jain or 0.0),
    ("short-completion", "short", "Short flows beside one of reno: median time", "s",
     seconds_of),
)


def draw(results: list[Result], folder: Path) -> list[Path]:
    """All pictures, as SVG; returns their names."""
    groups = {result.scenario.group for result in results}
    files = []
    for name, group, title, unit, value in PICTURES:
        if group in groups:
            files.append(folder / f"{name}.svg")
            _picture(results, group, title, unit, value, files[-1])
    return files
