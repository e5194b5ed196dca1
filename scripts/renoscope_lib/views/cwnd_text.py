# SPDX-License-Identifier: GPL-2.0
"""cwnd over time for a terminal, and for programs.

For each connection: who, the facts, and on one axis of time small charts of cwnd,
ssthresh and srtt, the losses and the phases under them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, starmap
from typing import Any

from ..output.tables import note, seconds
from ..tcp.connections import heading, identity_json
from ..tcp.phases import IN_ORDER, LOSS, RECOVERY, REDUCTION, UNTOLD, name_of
from ..tcp.reno_words import AVOIDANCE, CSS, SLOW_START
from ..tcp.steps import Step
from ..tcp.wanted import Filter
from ..words import INFINITE_SSTHRESH, duration, finite_ssthresh, plural
from . import rounds
from .cwnd import FAST, MARK_NAMES, RTO, TLP, Cwnd, Series
from .rounds import ECN, REDUCED, UNDONE
from .show import RESET
from .sparkline import ASCII, UNICODE, Blocks, Scale, chart, columns

# Connections shown if nothing else is asked for.
SHOWN = 5

# What stands left of a chart: a name and a number.
GUTTER = 23
LEAST_COLUMNS, MOST_COLUMNS = 20, 200

HEIGHTS = {"cwnd": 4, "ssthresh": 2, "srtt": 2}

# One letter each, in the order in which one hides another in the same column.
MARKS = {RTO: "R", FAST: "F", ECN: "E", REDUCED: "C", TLP: "T", UNDONE: "u"}
UNKNOWN = "?"

PHASES = {SLOW_START: "s", CSS: "h", AVOIDANCE: "a", RECOVERY: "r", REDUCTION: "c",
          LOSS: "L", UNTOLD: "-"}

# On a terminal the cwnd of a phase has the colour of its name.
CYAN, GREEN, YELLOW, MAGENTA, RED, DIM = (
    "\033[36m", "\033[32m", "\033[33m", "\033[35m", "\033[1;31m", "\033[2m")
PHASE_COLOURS = {SLOW_START: CYAN, CSS: CYAN, AVOIDANCE: GREEN, RECOVERY: YELLOW,
                 REDUCTION: MAGENTA, LOSS: RED, UNTOLD: DIM}
MARK_COLOURS = {"R": RED, "F": YELLOW, "E": MAGENTA, "C": MAGENTA, "T": YELLOW,
                "u": GREEN, UNKNOWN: DIM}

HOW_TO_READ = (
    "cwnd and ssthresh are in segments, charts begin at 0. A column is full up to the "
    "lowest value in it, and {} up to the highest. Phases follow from cwnd, ssthresh "
    "and the congestion state: slow start is cwnd below ssthresh, in Loss (after a "
    "timeout) too. Times count from the recording's first event.")


@dataclass(frozen=True)
class Paper:
    """What a terminal can show: how wide, and whether more than ASCII, and colours."""

    width: int = 80
    unicode: bool = True
    coloured: bool = False

    @property
    def blocks(self) -> Blocks:
        """What charts are made of here."""
        return UNICODE if self.unicode else ASCII

    @property
    def columns(self) -> int:
        """How wide a chart is."""
        return min(max(self.width - GUTTER, LEAST_COLUMNS), MOST_COLUMNS)

    def painted(self, line: str, colours: Sequence[str]) -> str:
        """A line, each character in the colour of its column."""
        if not self.coloured:
            return line
        runs = ((colour, "".join(character for character, _ in run)) for colour, run
                in groupby(zip(line.rstrip(), colours), lambda pair: pair[1]))
        return "".join(f"{colour}{text}{RESET}" if colour and text.strip() else text
                       for colour, text in runs)


# ---- one connection


def _three_digits(us: int) -> str:
    """A duration as short as an axis wants it."""
    digits = max(0, len(str(us)) - 3)
    return duration(round(us, -digits))


def _line(name: str, number: str, line: str) -> str:
    return f"  {name:<9}{number:<{GUTTER - 11}}{line}".rstrip()


def _chart(name: str, steps: Sequence[Step], scale: Scale, highest: int,
           unit: Any, blocks: Blocks) -> Iterator[tuple[str, str, str]]:
    values = [step.value for step in steps if step.value is not None]
    rows = HEIGHTS[name]
    numbers = [f"max {unit(max(values))}", *[""] * (rows - 2),
               f"min {unit(min(values))}"]
    names = [name, *[""] * (rows - 1)]
    yield from zip(names, numbers,
                   chart(columns(steps, scale), highest, rows, blocks))


def _thresholds(series: Series) -> list[Step]:
    """What ssthresh was where it was finite."""
    return [step for step in series.ssthresh
            if step.value is not None and step.value < INFINITE_SSTHRESH]


def _charts(series: Series, scale: Scale, paper: Paper,
            phases: Sequence[str]) -> Iterator[str]:
    if not series.cwnd:
        yield _line("cwnd", "not known", "")
        return
    thresholds = _thresholds(series)
    highest = max(step.value or 1 for step in series.cwnd)
    colours = [PHASE_COLOURS.get(phase, "") for phase in phases]
    for name, number, line in _chart("cwnd", series.cwnd, scale, highest, str,
                                     paper.blocks):
        yield _line(name, number, paper.painted(line, colours))
    if thresholds:
        highest = max(step.value or 1 for step in thresholds)
        yield from starmap(_line, _chart("ssthresh", thresholds, scale, highest, str,
                                         paper.blocks))
    else:
        yield _line("ssthresh", "inf", "")
    longest = max((step.value or 0 for step in series.srtt_us), default=0)
    if longest:
        yield from starmap(_line, _chart("srtt", series.srtt_us, scale, longest,
                                         _three_digits, paper.blocks))


def _losses(series: Series, scale: Scale, paper: Paper) -> Iterator[str]:
    row = [" "] * scale.columns
    for began, ended in series.holes:
        for place in scale.stretch(began, ended):
            row[place] = UNKNOWN
    for what, letter in reversed(MARKS.items()):
        for mark in series.marks:
            if mark.what == what:
                row[scale.column(mark.time_ns)] = letter
    line = "".join(row)
    if line.strip():
        colours = [MARK_COLOURS.get(letter, "") for letter in row]
        yield _line("losses", "", paper.painted(line, colours))


def _phase_columns(series: Series, scale: Scale) -> list[str]:
    """Of each column the phase that takes most of it."""
    shares: list[dict[str, int]] = [{} for _ in range(scale.columns)]
    width = max(1, (scale.ended_ns - scale.began_ns) // scale.columns)
    for span in series.phases:
        for place in scale.stretch(span.began_ns, span.ended_ns):
            from_ns = scale.began_ns + place * width
            share = (min(span.ended_ns, from_ns + width) - max(span.began_ns, from_ns))
            shares[place][span.word] = shares[place].get(span.word, 0) + max(share, 1)
    return [max(share, key=lambda word: share[word]) if share else ""
            for share in shares]


def _phases(phases: Sequence[str]) -> tuple[str, set[str]]:
    """Each phase by its name where that has room, or by its letter; and which are."""
    row, letters = "", set()
    for word, places in groupby(phases):
        width = len(list(places))
        name = f"|{name_of(word)}" if word else ""
        if len(name) >= width:
            letters.add(word)
            name = PHASES.get(word, "-") * width
        row += name.ljust(width)
    return row, letters


def _key(series: Series, letters: set[str]) -> Iterator[str]:
    """What the letters say that are there."""
    words = []
    for what, letter in MARKS.items():
        count = sum(mark.count for mark in series.marks if mark.what == what)
        if count:
            words.append(f"{letter} {MARK_NAMES[what]}"
                         + (f" ({count})" if count > 1 else ""))
    if series.holes:
        words.append(f"{UNKNOWN} not known")
    words += [f"{PHASES[phase]} {name_of(phase)}" for phase in IN_ORDER
              if phase in letters]
    if words:
        yield from note("; ".join(words), "    ")


def _times(series: Series, scale: Scale) -> str:
    began, ended = (seconds(at, series.epoch_ns) for at in (
        series.began_ns, series.ended_ns))
    return _line("seconds", "", f"{began}{ended:>{scale.columns - len(began)}}")


def _rounds(series: Series) -> str:
    count = len(series.rounds.rounds)
    how = ("derived from sequence numbers" if series.derived
           else "told by the algorithm itself")
    return f"{plural(count, 'round trip')}, {how}"


def _one(series: Series, paper: Paper, with_rounds: bool) -> Iterator[str]:
    scale = Scale(series.began_ns, series.ended_ns, paper.columns)
    yield heading(series)
    yield from note("; ".join([*series.facts(), _rounds(series)]), "  ")
    phases = _phase_columns(series, scale)
    yield from _charts(series, scale, paper, phases)
    yield from _losses(series, scale, paper)
    row, letters = _phases(phases)
    yield _line("phases", "", paper.painted(
        row, [PHASE_COLOURS.get(phase, "") for phase in phases]))
    yield _times(series, scale)
    yield from _key(series, letters)
    for words in series.notes:
        yield from note(f"note: {words}", "  ")
    if with_rounds and series.rounds.rounds:
        yield from rounds.table(series.rounds, series.epoch_ns)
    yield ""


def as_text(cwnd: Cwnd, wanted: Filter, limit: int = SHOWN,
            paper: Paper = Paper(), with_rounds: bool = False) -> Iterator[str]:
    """The charts of so many connections, 0 for all of them; and tables of rounds."""
    yield from cwnd.kept.left_out()
    all_series = cwnd.series(wanted)
    shown = 0
    for series in islice(all_series, limit or None):
        shown += 1
        yield from _one(series, paper, with_rounds)
    if not shown:
        yield wanted.none_seen(sum(1 for _ in cwnd.series()),
                               "connection that sent data")
        return
    left = sum(1 for _ in all_series)
    if left:
        yield (f"{plural(left, 'more connection')} not shown, with fewer losses or less "
               "data (--limit 0 shows all).")
    silent = cwnd.silent(wanted)
    if silent:
        yield f"{plural(silent, 'connection')} that sent no data not shown."
    yield from note(HOW_TO_READ.format("shaded" if paper.unicode else "shows |"))
    if with_rounds:
        yield from note(rounds.HOW_TO_READ)


# ---- for programs


def _steps_json(steps: Sequence[Step]) -> list[list[int | None]]:
    """Of each step that is known its begin, its end and its value."""
    return [[step.began_ns, step.ended_ns,
             finite_ssthresh(step.value)]
            for step in steps if step.value is not None]


def _series_json(series: Series) -> dict[str, Any]:
    return {
        **identity_json(series),
        "algorithm": series.algorithm, "began_ns": series.began_ns,
        "ended_ns": series.ended_ns, "seen_from_beginning": series.is_whole,
        "bytes_acked": series.bytes_acked, "bytes_received": series.bytes_received,
        "segments_sent_again": series.sent_again, "timeouts": series.timeouts,
        "recoveries": series.recoveries,
        "cwnd": _steps_json(series.cwnd), "ssthresh": _steps_json(series.ssthresh),
        "srtt_us": _steps_json(series.srtt_us),
        "phases": [list(span) for span in series.phases if span.word],
        "marks": [{"time_ns": mark.time_ns, "what": mark.what, "count": mark.count}
                  for mark in series.marks],
        "holes": [list(hole) for hole in series.holes],
        "rounds_derived": series.derived, "first_round": series.rounds.first_number,
        "rounds": [rounds.round_json(round_) for round_ in series.rounds.rounds],
        "notes": series.notes}


def as_json(cwnd: Cwnd, end_ns: int | None, wanted: Filter) -> dict[str, Any]:
    """Every connection that sent data; an ssthresh of null is none yet."""
    return {"connections": (_series_json(series) for series in cwnd.series(wanted)),
            "forgotten": cwnd.kept.forgotten, **cwnd.gaps.as_json(end_ns)}
