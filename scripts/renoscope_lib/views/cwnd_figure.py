# SPDX-License-Identifier: GPL-2.0
"""One connection's cwnd in a picture: over time, and by round trip.

From top to bottom, on one axis of time: cwnd and ssthresh with the phases behind them;
a row for each sort of loss, so that no mark lies over another one's name; srtt. Then
the rounds, as the textbook draws them (rounds_figure.py). Holes are hatched, and no line
crosses one.

svg() is for pages: text stays text, the size is the container's, and all ids begin with
a prefix, so that many pictures may stand in one page.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from ..output import pictures
from ..tcp.phases import IN_ORDER, name_of
from ..tcp.steps import Step
from ..words import INFINITE_SSTHRESH, connection
from .cwnd import MARK_NAMES, RTO, Series
from .palettes import LIGHT, Palette
from .rounds_figure import RoundsCurve

WIDTH = 10.0            # inches, as all lengths here
LEFT, RIGHT = 1.2, 0.15
HEADING, LEGEND_ROW, BELOW_LEGEND = 0.56, 0.22, 0.1
TIME, MARK_ROW, SRTT, ROUNDS = 2.9, 0.2, 0.8, 2.7
BELOW_TIME, BELOW_ROUNDS, BETWEEN = 0.62, 0.5, 0.08

# More marks than these have no lines through the picture; their rows have them all.
MOST_LINES = 20

FONTS = ["DejaVu Sans", "Verdana", "Arial", "sans-serif"]

# Where an id stands: where it is given, and in both sorts of reference.
IDS = re.compile(r'\bid="|href="#|url\(#')

# matplotlib's rules for all elements of a document; here they are for the picture's.
RULES = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)


def _style(palette: Palette, paper: str) -> dict[str, Any]:
    ink = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color",
           "ytick.color")
    return dict.fromkeys(ink, palette.text) | {
        "figure.facecolor": paper, "savefig.facecolor": paper,
        "axes.facecolor": "none", "svg.fonttype": "none", "font.size": 9,
        "hatch.linewidth": 0.6, "font.sans-serif": FONTS}


class _Picture:
    """One series while it is drawn, from the top down."""

    def __init__(self, series: Series, palette: Palette) -> None:
        self.series = series
        self.palette = palette
        self.figure = pictures.empty(WIDTH, 1)
        self.legend_rows = 1
        self.figure_legend: Any = None
        self.thresholds = list(_finite(series.ssthresh))
        self.kinds = [kind for kind in MARK_NAMES
                      if any(mark.what == kind for mark in series.marks)]
        self.has_srtt = any(step.value is not None for step in series.srtt_us)
        self.has_rounds = bool(series.rounds.rounds)
        self.height = self.place = 0.0

    def draw(self) -> Any:
        """Everything; the figure."""
        self._legend()
        self.height = self.place = self._whole_height()
        self.figure.set_size_inches(WIDTH, self.height)
        self._heading()
        self._over_time()
        if self.has_rounds:
            self._by_round()
        return self.figure

    def _whole_height(self) -> float:
        return (HEADING + self.legend_rows * LEGEND_ROW + BELOW_LEGEND + TIME
                + self._marks_height() + (BETWEEN + SRTT) * self.has_srtt + BELOW_TIME
                + (ROUNDS + BELOW_ROUNDS) * self.has_rounds)

    def _marks_height(self) -> float:
        return BETWEEN + MARK_ROW * len(self.kinds) if self.kinds else 0.0

    def _axes(self, height: float, above: float = 0.0, **more: Any) -> Any:
        """Axes of this height below all that is there."""
        self.place -= above + height
        return self.figure.add_axes(
            (LEFT / WIDTH, self.place / self.height, (WIDTH - LEFT - RIGHT) / WIDTH,
             height / self.height), **more)

    # ---- words

    def _heading(self) -> None:
        series = self.series
        who = f"{connection(series.cookie)}, {series.local} - {series.remote}"
        self.place -= 0.22
        self._words(who, fontsize=11, fontweight="bold")
        self.place -= 0.2
        self._words("; ".join(series.facts()), fontsize=9)
        self.place -= HEADING - 0.42 + self.legend_rows * LEGEND_ROW + BELOW_LEGEND

    def _words(self, text: str, **more: Any) -> None:
        self.figure.text(0.12 / WIDTH, self.place / self.height, text, **more)

    def _legend(self) -> None:
        """In as few rows as there is room for; the figure's height depends on them."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch
        colours = self.palette
        words = {span.word for span in self.series.phases}
        words.update(round_.phase for round_ in self.series.rounds.rounds)
        handles: list[Any] = [
            Line2D([], [], color=colours.ink, lw=1.6, label="cwnd")]
        if any(step.value is not None for step in self.thresholds):
            handles.append(Line2D([], [], color=colours.threshold, lw=1.2,
                                  linestyle=(0, (5, 3)), label="ssthresh"))
        handles += [Patch(color=colours.phases[phase], label=name_of(phase))
                    for phase in IN_ORDER if phase in words]
        if self.series.holes:
            handles.append(Patch(facecolor="none", edgecolor=colours.hole,
                                 hatch="////", label="not known"))
        for columns in range(len(handles), 0, -1):
            legend = self.figure.legend(
                handles=handles, ncols=columns, loc="upper left", frameon=False,
                borderpad=0, borderaxespad=0, handlelength=1.8, columnspacing=1.4)
            if legend.get_window_extent().width <= (WIDTH - 0.3) * self.figure.dpi:
                break
            legend.remove()
        self.legend_rows = math.ceil(len(handles) / columns)
        self.figure_legend = legend

    # ---- over time

    def _seconds(self, time_ns: int) -> float:
        return (time_ns - self.series.epoch_ns) / 1e9

    def _over_time(self) -> None:
        self.figure_legend.set_bbox_to_anchor(
            (0.12 / WIDTH, 1 - HEADING / self.height), self.figure.transFigure)
        top = self._axes(TIME)
        panels = [top]
        self._windows(top)
        if self.kinds:
            panels.append(self._axes(MARK_ROW * len(self.kinds), BETWEEN, sharex=top))
            self._marks(panels[-1], top)
        if self.has_srtt:
            panels.append(self._axes(SRTT, BETWEEN, sharex=top))
            self._srtt(panels[-1])
        for panel in panels:
            self._holes(panel)
            for side in ("top", "right"):
                panel.spines[side].set_visible(False)
            panel.tick_params(labelbottom=panel is panels[-1])
        began, ended = (self._seconds(at) for at in (
            self.series.began_ns, self.series.ended_ns))
        margin = (ended - began) / 100 or 0.001
        top.set_xlim(began - margin, ended + margin)
        panels[-1].set_xlabel("seconds since the recording's first event")
        self.place -= BELOW_TIME

    def _windows(self, axes: Any) -> None:
        for span in self.series.phases:
            if span.word:
                axes.axvspan(self._seconds(span.began_ns), self._seconds(span.ended_ns),
                             color=self.palette.phases[span.word], lw=0, zorder=0)
        self._steps(axes, self.thresholds, color=self.palette.threshold, lw=1.2,
                    linestyle=(0, (5, 3)), zorder=2)
        self._steps(axes, self.series.cwnd, color=self.palette.ink, lw=1.4, zorder=3)
        highest = _highest(self.series.cwnd)
        threshold = max((step.value for step in self.thresholds
                         if step.value is not None
                         and step.value <= 1.5 * highest), default=0)
        axes.set_ylim(0, 1.1 * max(highest, threshold, 1))
        axes.set_ylabel("segments")
        axes.yaxis.get_major_locator().set_params(integer=True)

    def _steps(self, axes: Any, steps: Sequence[Step], scale: float = 1,
               **more: Any) -> None:
        for run in _runs(steps):
            times = [self._seconds(step.began_ns) for step in run]
            values = [(step.value or 0) * scale for step in run]
            axes.plot([*times, self._seconds(run[-1].ended_ns)], [*values, values[-1]],
                      drawstyle="steps-post", **more)

    def _marks(self, axes: Any, top: Any) -> None:
        rows = {kind: -row for row, kind in enumerate(self.kinds)}
        for kind, row in rows.items():
            times = [self._seconds(mark.time_ns) for mark in self.series.marks
                     if mark.what == kind]
            axes.plot(times, [row] * len(times), linestyle="none", marker="|", ms=9,
                      mew=1.2, color=self.palette.trouble)
            if len(times) <= MOST_LINES:
                for time in times:
                    top.axvline(time, color=self.palette.trouble, lw=0.8, zorder=1,
                                linestyle="-" if kind == RTO else ":")
        axes.set_yticks(list(rows.values()), [MARK_NAMES[kind] for kind in rows])
        axes.set_ylim(min(rows.values()) - 0.6, 0.6)
        axes.tick_params(axis="y", length=0, labelsize=8)

    def _srtt(self, axes: Any) -> None:
        highest = _highest(self.series.srtt_us)
        unit, scale = (("us", 1.0) if highest < 1000 else ("ms", 1e-3)
                       if highest < 10_000_000 else ("s", 1e-6))
        self._steps(axes, self.series.srtt_us, scale, color=self.palette.srtt, lw=1.1)
        axes.set_ylim(0, 1.15 * highest * scale)
        axes.set_ylabel(f"srtt ({unit})")
        axes.locator_params(axis="y", nbins=3)

    def _holes(self, axes: Any) -> None:
        for began, ended in self.series.holes:
            axes.axvspan(self._seconds(began), self._seconds(ended), facecolor="none",
                         edgecolor=self.palette.hole, hatch="////", lw=1, zorder=1)

    # ---- by round trip

    def _by_round(self) -> None:
        series = self.series
        axes = self._axes(ROUNDS)
        RoundsCurve(axes, series.rounds, self.palette, frozenset(_breaks(series)),
                    has_legend=False).draw()
        axes.set_ylabel("segments")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("round trip, " + ("derived from sequence numbers"
                                          if series.derived else
                                          "told by the algorithm itself"))


def _finite(steps: Sequence[Step]) -> Iterator[Step]:
    """An ssthresh that is none yet is not drawn."""
    for step in steps:
        infinite = step.value is not None and step.value >= INFINITE_SSTHRESH
        yield step._replace(value=None) if infinite else step


def _highest(steps: Sequence[Step]) -> int:
    return max((step.value for step in steps if step.value is not None), default=1)


def _runs(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Steps on end that are known."""
    run: list[Step] = []
    for step in steps:
        if step.value is not None:
            run.append(step)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _breaks(series: Series) -> Iterator[int]:
    """The places of rounds behind which there is a hole."""
    times = [round_.time_ns for round_ in series.rounds.rounds]
    for place, (one, next_) in enumerate(zip(times, times[1:])):
        if any(one <= began < next_ for began, _ in series.holes):
            yield place


def svg(series: Series, palette: Palette = LIGHT, prefix: str = "") -> str:
    """An <svg> element for a page, as wide as what it stands in.

    Its ids begin with the prefix, by default one made of the connection and palette.
    """
    text = io.StringIO()
    with pictures.style("cwnd", **_style(palette, "none")):
        _Picture(series, palette).draw().savefig(
            text, format="svg", metadata=dict.fromkeys(
                ("Creator", "Date", "Format", "Type")))
    return _embedded(text.getvalue(), prefix or f"cwnd-{series.cookie:x}-{palette.name}-",
                     f"cwnd of {connection(series.cookie)}, {series.local} - "
                     f"{series.remote}, over time and by round trip")


def _embedded(document: str, prefix: str, title: str) -> str:
    body = document[document.index("<svg"):]
    opening, rest = body.split(">", 1)
    view = re.search(r'viewBox="[^"]*"', opening)
    assert view is not None
    return (f'<svg xmlns="http://www.w3.org/2000/svg" '
            f'xmlns:xlink="http://www.w3.org/1999/xlink" {view[0]} '
            'style="width:100%;height:auto;stroke-linejoin:round" role="img">'
            f"<title>{escape(title)}</title>"
            + IDS.sub(lambda match: match[0] + prefix, RULES.sub("", rest, 1)))


def draw(series: Series, path: str, palette: Palette = LIGHT) -> None:
    """Write one connection's picture to a file; its name says the format."""
    form = pictures.format_of(path, "cwnd")
    with pictures.style("cwnd", **_style(palette, palette.paper)):
        pictures.save(_Picture(series, palette).draw(), path, form)
