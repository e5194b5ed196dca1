# SPDX-License-Identifier: GPL-2.0
"""The picture in every textbook: cwnd by round trip, phases named.

Phases are named where they are, or in a legend of colours if a name has no room.
Of other words those stay away that would lie over something: the table has all.

The curve of a connection's rounds fits into any axes of matplotlib: cwnd_figure.py
has it beside cwnd over time.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..output import pictures
from ..words import INFINITE_SSTHRESH
from .palettes import LIGHT, Palette
from .rounds import TIMEOUT, Flow, Round

# Beyond so many rounds a number at each point cannot be read, nor a name in each span.
LABELLED_ROUNDS = 60
MOST_TICKS = 30
WIDE_SPAN = 2           # rounds; a name stands upright over fewer

INCHES_A_ROUND, LEAST_INCHES, MOST_INCHES = 0.48, 8.0, 24.0
HEIGHT_INCHES = 5.4

# Where a word on what happened may stand, as a share of the height.
BOTTOM, TOP = (0.03, "bottom"), (0.985, "top")


def short_words(round_: Round) -> str:
    """What happened, without the details, which the table has."""
    return re.split(r":| \(", round_.happened_words)[0]


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


class RoundsCurve:
    """One connection's rounds on axes of matplotlib while they are drawn.

    `taken` is where words stand already that others must not lie over, `breaks` the
    places of rounds behind which something is not known. Where has_legend is false
    the phases that have no room for their names have them elsewhere.
    """

    def __init__(self, axes: Any, flow: Flow, palette: Palette = LIGHT,
                 breaks: frozenset[int] = frozenset(),
                 has_legend: bool = True) -> None:
        self.axes = axes
        self.palette = palette
        self.breaks = breaks
        self.has_legend = has_legend
        self.rounds: list[Round] = list(flow.rounds)
        self.first = flow.first_number
        self.top = 1.28 * max(r.cwnd for r in self.rounds)
        self.is_long = len(self.rounds) > LABELLED_ROUNDS
        self.curve: Any = None
        self.event_lines: list[Any] = []
        self.taken: list[Any] = []

    def number(self, index: float) -> float:
        """A round's place on the axis."""
        return self.first + index

    def edges(self, span: Span) -> tuple[float, float]:
        """Where a span begins and ends on the axis."""
        return self.number(span.first - 0.5), self.number(span.last + 0.5)

    def draw(self) -> None:
        """Everything, from the back to the front; then away with what has no room."""
        self._frame()
        names = self._phases()
        thresholds = self._thresholds()
        self._curve()
        numbers = self._numbers()
        events = self._events()
        if self.is_long or not all(self._fits(name, span) for span, name in names):
            for _, name in names:
                name.remove()
            if self.has_legend:
                self._legend()
        else:
            self._keep_free([name for _, name in names])
        self._keep_free(numbers)
        self._take_upright_lines()
        self._settle(events)
        self._keep_free([text for text in thresholds if self._is_inside(text)],
                        may_cross=False)

    def _frame(self) -> None:
        self.axes.set_xlim(self.number(-0.6), self.number(len(self.rounds) - 0.4))
        self.axes.set_ylim(0, self.top)
        self.axes.set_xlabel("round trip")
        self.axes.set_ylabel("congestion window (segments)")
        for side in ("top", "right"):
            self.axes.spines[side].set_visible(False)

    # ---- what is drawn

    def _phases(self) -> list[tuple[Span, Any]]:
        names = []
        for span in spans([r.phase for r in self.rounds]):
            left, right = self.edges(span)
            round_ = self.rounds[span.first]
            self.axes.axvspan(left, right, color=self.palette.phases[round_.phase], lw=0, zorder=0)
            narrow = span.last - span.first + 1 < WIDE_SPAN
            name = round_.phase_name
            names.append((span, self.axes.text(
                (left + right) / 2, 0.985 * self.top,
                name if narrow else name.replace(" ", "\n", 1), ha="center", va="top",
                fontsize=10, color=self.palette.ink, rotation=90 if narrow else 0)))
        return names

    def _thresholds(self) -> list[Any]:
        values = [r.ssthresh for r in self.rounds]
        labels = []
        for span in spans(values):
            value = values[span.first]
            if value >= INFINITE_SSTHRESH:
                continue
            left, right = self.edges(span)
            self.axes.hlines(value, left, right, color=self.palette.threshold, lw=1.2,
                             linestyles=(0, (5, 3)), zorder=1)
            above = self.rounds[span.first].cwnd < value
            labels.append(self.axes.annotate(
                f"ssthresh {value}", (left, value), (4, 3 if above else -4),
                textcoords="offset points", ha="left", fontsize=9,
                va="bottom" if above else "top", color=self.palette.threshold))
        return labels

    def _curve(self) -> None:
        numbers = [self.number(index) for index in range(len(self.rounds))]
        points: list[tuple[float, float]] = []
        for index, round_ in enumerate(self.rounds):
            points.append((numbers[index], round_.cwnd))
            if index in self.breaks:
                points.append((numbers[index], math.nan))
        self.curve, = self.axes.plot(*zip(*points), color=self.palette.ink, lw=1.6,
                                     marker="o", ms=2 if self.is_long else 5, zorder=3)
        for index in self.breaks:
            self.axes.axvline(self.number(index + 0.5), color=self.palette.hole, lw=4)
        if self.is_long:
            self.axes.xaxis.get_major_locator().set_params(integer=True)
        else:
            step = 1 if len(numbers) <= MOST_TICKS else 5
            self.axes.set_xticks([number for number in numbers if number % step == 0])

    def _numbers(self) -> list[Any]:
        labels = []
        before = 0
        for index, round_ in enumerate([] if self.is_long else self.rounds):
            beside_the_line = (8 if round_.cwnd < before else -2, 6)
            labels.append(self.axes.annotate(
                str(round_.cwnd), (self.number(index), round_.cwnd), beside_the_line,
                textcoords="offset points", ha="center", fontsize=9, color=self.palette.ink,
                zorder=4))
            before = round_.cwnd
        return labels

    def _events(self) -> list[Any]:
        """What ended a round's growth, on the line to the next."""
        labels = []
        for index, round_ in enumerate(self.rounds):
            if not round_.happened:
                continue
            place = self.number(index + 0.5)
            self.event_lines.append(self.axes.axvline(
                place, color=self.palette.trouble, lw=1.2, zorder=2,
                linestyle="-" if round_.happened == TIMEOUT else ":"))
            labels.append(self.axes.annotate(
                short_words(round_), (place, BOTTOM[0] * self.top), (-4, 0),
                textcoords="offset points", ha="right", va=BOTTOM[1], rotation=90,
                fontsize=10, color=self.palette.trouble))
        return labels

    def _legend(self) -> None:
        from matplotlib.patches import Patch
        names = {r.phase: r.phase_name for r in self.rounds}
        patches = [Patch(color=self.palette.phases[phase], label=name)
                   for phase, name in names.items()]
        self.axes.legend(handles=patches, loc="lower left", bbox_to_anchor=(0, 1),
                         ncols=len(patches), frameon=False, fontsize=10)

    # ---- what has room

    def _crosses_curve(self, box: Any) -> bool:
        path = self.curve.get_path().transformed(self.curve.get_transform())
        return bool(path.intersects_bbox(box, filled=False))

    def _fits(self, name: Any, span: Span) -> bool:
        box = name.get_window_extent()
        left, right = (self.axes.transData.transform((edge, 0))[0]
                       for edge in self.edges(span))
        return (left <= box.x0 and box.x1 <= right and not self._crosses_curve(box)
                and not any(box.overlaps(line.get_window_extent())
                            for line in self.event_lines))

    def _is_inside(self, text: Any) -> bool:
        """One that lies over an edge goes."""
        box, axes = text.get_window_extent(), self.axes.get_window_extent()
        if box.y0 >= axes.y0 and box.x1 <= axes.x1:
            return True
        text.remove()
        return False

    def _is_free(self, box: Any) -> bool:
        return not any(box.overlaps(taken) for taken in self.taken)

    def _take_upright_lines(self) -> None:
        lines = [self.axes.spines["left"], *self.event_lines]
        self.taken += [line.get_window_extent() for line in lines]

    def _keep_free(self, texts: Sequence[Any], may_cross: bool = True) -> None:
        """Keep those that lie over nothing, in this order."""
        for text in texts:
            box = text.get_window_extent()
            if self._is_free(box) and (may_cross or not self._crosses_curve(box)):
                self.taken.append(box)
            else:
                text.remove()

    def _settle(self, events: Sequence[Any]) -> None:
        """Where no name of a phase is, or else at the other end; or else it goes."""
        for text in events:
            for height, alignment in (TOP, BOTTOM) if self.is_long else (BOTTOM, TOP):
                text.xy = (text.xy[0], height * self.top)
                text.set_va(alignment)
                box = text.get_window_extent()
                if self._is_free(box) and not self._crosses_curve(box):
                    self.taken.append(box)
                    break
            else:
                text.remove()


def draw(flow: Flow, path: str) -> None:
    """Write one connection's picture to a file; its name says the format."""
    form = pictures.format_of(path, "rounds")
    width = min(max(LEAST_INCHES, INCHES_A_ROUND * len(flow.rounds)), MOST_INCHES)
    with pictures.style("rounds"):
        figure = pictures.empty(width, HEIGHT_INCHES)
        RoundsCurve(figure.subplots(), flow).draw()
        pictures.save(figure, path, form)
