# SPDX-License-Identifier: GPL-2.0
"""Pictures of what was measured; without matplotlib there are the tables alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from results import Result
from scenarios import AGAIN, RFC9406, subjects_of
from tables import seconds_of

COLOURS = {"reno": "#888888", "renoscope": "#1f4e79", "reno_modern": "#c55a11",
           AGAIN: "#bbbbbb", RFC9406: "#d9a066",
           "cubic": "#548235", "bbr": "#7030a0"}


def _pyplot() -> Any:
    import matplotlib       # noqa: PLC0415  (an extra: what needs it says so)
    matplotlib.use("Agg")
    from matplotlib import pyplot       # noqa: PLC0415
    return pyplot


def _bars(results: list[Result], group: str, title: str, unit: str,
          value: Callable[[Result], float], file: Path) -> None:
    """One bar for each algorithm, side by side for each scenario."""
    pyplot = _pyplot()
    chosen = [result for result in results if result.scenario.group == group]
    names = list(dict.fromkeys(result.scenario.name for result in chosen))
    figure, axes = pyplot.subplots(figsize=(max(7, 0.55 * len(names) + 2), 4.5))
    subjects = subjects_of(group)
    width = 0.8 / len(subjects)
    for number, subject in enumerate(subjects):
        heights = [next(value(r) for r in chosen
                        if (r.scenario.name, r.subject) == (name, subject))
                   for name in names]
        places = [at + (number - (len(subjects) - 1) / 2) * width
                  for at in range(len(names))]
        axes.bar(places, heights, width, label=subject, color=COLOURS[subject])
    axes.set_xticks(range(len(names)),
                    [name.partition("-")[2] for name in names], rotation=45, ha="right",
                    fontsize=8)
    axes.set_ylabel(unit)
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8, ncols=len(subjects))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(file)
    pyplot.close(figure)


PICTURES: tuple[tuple[str, str, str, str, Callable[[Result], float]], ...] = (
    ("start-retransmitted", "start", "Sent again in one transfer", "kB",
     lambda r: r.retrans_bytes / 1e3),
    ("start-completion", "start", "Time of one transfer", "s", seconds_of),
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
            _bars(results, group, title, unit, value, files[-1])
    return files
