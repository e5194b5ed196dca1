# SPDX-License-Identifier: GPL-2.0
"""The picture in every textbook: cwnd by round trip, phases named.

Needs matplotlib, which nothing else here does; so it is asked for when a picture
is drawn and not before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import BAD_INPUT, NOT_THERE, Problem
from .reno_words import AVOIDANCE, CSS, SLOW_START
from .rounds import RECOVERY, REDUCTION, TIMEOUT, Flow, Round
from .show import INFINITE_SSTHRESH

FORMATS = (".png", ".svg")

COLOURS = {SLOW_START: "#dcebf7", CSS: "#c9dff0", AVOIDANCE: "#e6f3e0",
           RECOVERY: "#fbe5d0", REDUCTION: "#f3e3f1"}
INK, THRESHOLD, TROUBLE = "#1f3b5c", "#7a7a7a", "#b3261e"

# Beyond so many rounds a number at each point cannot be read.
LABELLED_ROUNDS = 60
WIDE_SPAN = 2           # rounds; a name stands upright over fewer

INCHES_A_ROUND, LEAST_INCHES, MOST_INCHES = 0.48, 8.0, 24.0
HEIGHT_INCHES = 5.4


class Span(NamedTuple):
    """Rounds on end that have something in common, counted from 0."""

    first: int
    last: int


def spans(values: Sequence[Any]) -> Iterator[Span]:
    """Where equal values stand next to each other."""
    first = 0
    for _, group in itertools.groupby(values):
        last = first + len(list(group)) - 1
        yield Span(first, last)
        first = last + 1


def _matplotlib() -> Any:
    try:
        import matplotlib
        matplotlib.use("Agg")
        matplotlib.rcParams["svg.hashsalt"] = "renoscope"
        from matplotlib import pyplot
    except ImportError:
        raise Problem("rounds: a picture needs matplotlib: apt-get install "
                      "python3-matplotlib, and run scripts/renoscope with "
                      "/usr/bin/python3", NOT_THERE) from None
    return pyplot


class _Picture:
    """One connection's picture while it is drawn."""

    def __init__(self, axes: Any, flow: Flow) -> None:
        self.axes = axes
        self.rounds: list[Round] = list(flow.rounds)
        self.first = flow.first_number
        self.top = 1.28 * max(r.cwnd for r in self.rounds)

    def number(self, index: float) -> float:
        """A round's place on the axis."""
        return self.first + index

    def draw(self) -> None:
        """Everything, from the back to the front."""
        self._phases()
        self._thresholds()
        self._windows()
        self._troubles()
        self.axes.set_xlim(self.number(-0.6), self.number(len(self.rounds) - 0.4))
        self.axes.set_ylim(0, self.top)
        self.axes.set_xlabel("round trip")
        self.axes.set_ylabel("congestion window (segments)")
        for side in ("top", "right"):
            self.axes.spines[side].set_visible(False)

    def _phases(self) -> None:
        phases = [r.phase for r in self.rounds]
        names = [r.phase_name for r in self.rounds]
        for span in spans(phases):
            left, right = self.number(span.first - 0.5), self.number(span.last + 0.5)
            self.axes.axvspan(left, right, color=COLOURS[phases[span.first]], lw=0,
                              zorder=0)
            name = names[span.first]
            narrow = span.last - span.first + 1 < WIDE_SPAN
            self.axes.text((left + right) / 2, 0.985 * self.top,
                           name if narrow else name.replace(" ", "\n", 1),
                           ha="center", va="top", fontsize=10, color=INK,
                           rotation=90 if narrow else 0)

    def _thresholds(self) -> None:
        values = [r.ssthresh for r in self.rounds]
        for span in spans(values):
            value = values[span.first]
            if value >= INFINITE_SSTHRESH:
                continue
            left, right = self.number(span.first - 0.5), self.number(span.last + 0.5)
            self.axes.hlines(value, left, right, color=THRESHOLD, lw=1.2,
                             linestyles=(0, (5, 3)), zorder=1)
            above = self.rounds[span.first].cwnd < value
            self.axes.annotate(
                f"ssthresh {value}", (left, value), (4, 3 if above else -4),
                textcoords="offset points", ha="left", fontsize=9,
                va="bottom" if above else "top", color=THRESHOLD)

    def _windows(self) -> None:
        numbers = [self.number(index) for index in range(len(self.rounds))]
        self.axes.plot(numbers, [r.cwnd for r in self.rounds], color=INK, lw=1.6,
                       marker="o", ms=5, zorder=3)
        if len(self.rounds) > LABELLED_ROUNDS:
            self.axes.xaxis.get_major_locator().set_params(integer=True)
            return
        self.axes.set_xticks(numbers)
        before = 0
        for number, round_ in zip(numbers, self.rounds):
            beside_the_line = (8 if round_.cwnd < before else -2, 6)
            self.axes.annotate(str(round_.cwnd), (number, round_.cwnd),
                               beside_the_line, textcoords="offset points",
                               ha="center", fontsize=9, color=INK, zorder=4)
            before = round_.cwnd

    def _troubles(self) -> None:
        """What ended a round's growth, on the line to the next."""
        for index, round_ in enumerate(self.rounds):
            if not round_.happened:
                continue
            place = self.number(index + 0.5)
            self.axes.axvline(place, color=TROUBLE, lw=1.2, zorder=2,
                              linestyle="-" if round_.happened == TIMEOUT else ":")
            self.axes.annotate(
                round_.happened_words, (place, 0.03 * self.top), (-4, 0),
                textcoords="offset points", ha="right", va="bottom",
                rotation=90, fontsize=10, color=TROUBLE)


def draw(flow: Flow, path: str) -> None:
    """Write one connection's picture to a file; its name says the format."""
    if Path(path).suffix not in FORMATS:
        raise Problem(f"rounds: {path}: a picture's name ends with "
                      + " or ".join(FORMATS), BAD_INPUT)
    pyplot = _matplotlib()
    width = min(max(LEAST_INCHES, INCHES_A_ROUND * len(flow.rounds)), MOST_INCHES)
    figure, axes = pyplot.subplots(figsize=(width, HEIGHT_INCHES))
    try:
        _Picture(axes, flow).draw()
        figure.savefig(path, dpi=150, bbox_inches="tight", metadata=(
            {"Date": None} if path.endswith(".svg") else None))
    finally:
        pyplot.close(figure)
