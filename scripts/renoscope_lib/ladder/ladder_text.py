# SPDX-License-Identifier: GPL-2.0
"""A ladder in the terminal, as wide as that is."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from ..output.tables import COLUMNS, note, seconds
from ..views.show import COLOURS, RESET
from ..words import duration, plural
from . import ladder_words
from .ladder import Fact, Ladder, Line, Step
from .rungs import DROPPED, LOST, Rung

NARROWEST, WIDEST = 60, 160

# Nothing happened for so long: worth a line of its own.
PAUSE_NS = 200_000_000

GREEN, RED, YELLOW, DIM, BOLD = ("\033[32m", "\033[31m", "\033[33m", "\033[2m",
                                 "\033[1m")


@dataclass(frozen=True)
class Look:
    """How the terminal is."""

    width: int = COLUMNS
    unicode: bool = True
    colour: bool = False

    @property
    def signs(self) -> dict[str, str]:
        """What lines are made of."""
        if self.unicode:
            return {"rail": "│", "line": "─", "right": "▶", "left": "◀",
                    "lost": "✗", "state": "●", "pause": "┊", "arrow": "→",
                    "dash": "—"}
        return {"rail": "|", "line": "-", "right": ">", "left": "<",
                "lost": "X", "state": "o", "pause": ":", "arrow": "->",
                "dash": "-"}


def look(colour: bool) -> Look:
    """What standard output is; COLUMNS decides if it is set."""
    width = COLUMNS
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        width = shutil.get_terminal_size((COLUMNS, 24)).columns
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Look(max(NARROWEST, min(width, WIDEST)), encoding == "utf8", colour)


class TextLadder:
    """Lines for a person."""

    def __init__(self, ladder: Ladder, flag_words: dict[int, str], left: int,
                 appearance: Look) -> None:
        self._ladder = ladder
        self._flags = flag_words
        self._left = left
        self._look = appearance
        self._signs = appearance.signs
        assert ladder.conversation is not None
        self._conversation = ladder.conversation
        self._number_width = len(str(max(ladder.rungs, 99)))
        self._margin = self._number_width + 14
        self._inside = appearance.width - self._margin - 2

    # ---- pieces

    def _coloured(self, text: str, colour: str) -> str:
        return f"{colour}{text}{RESET}" if self._look.colour and colour else text

    def _time(self, time_ns: int) -> str:
        return seconds(time_ns, self._ladder.gaps.first_ns or 0)

    def _before(self, number: int | None, time_ns: int | None) -> str:
        told = "" if number is None else str(number)
        time = "" if time_ns is None else self._time(time_ns)
        return f"{told:>{self._number_width}} {time:>12} "

    def _line(self, before: str, inside: str, colour: str = "",
              left: str = "", right: str = "") -> str:
        """One line between the rails; `left` and `right` stand for a rail."""
        rail = self._signs["rail"]
        return (f"{before}{left or rail}"
                f"{self._coloured(f'{inside:<{self._inside}}', colour)}"
                f"{right or rail}").rstrip()

    def _beside(self, end: int, text: str) -> Iterator[str]:
        """Text next to the rail of an end, wrapped."""
        lines = textwrap.wrap(text, self._inside - 2,
                              break_on_hyphens=False) or [""]
        for line in lines:
            yield (f" {line}" if end == self._left
                   else f"{line} ".rjust(self._inside))

    # ---- lines of the ladder

    def _ends(self) -> Iterator[str]:
        names = [self._conversation.names[end]
                 for end in (self._left, 1 - self._left)]
        told = [ladder_words.ids(self._conversation, end)
                for end in (self._left, 1 - self._left)]
        width = self._inside + 2
        for one, other in (names, told):
            if len(one) + len(other) + 2 > width:
                yield " " * self._margin + one
                one = ""
            yield " " * self._margin + one + other.rjust(width - len(one))

    def _of(self, line: Line) -> Iterator[str]:
        if isinstance(line, Rung):
            yield from self._rung(line)
        elif isinstance(line, Step):
            yield from self._step(line)
        else:
            yield from self._fact(line)

    def _step(self, step: Step) -> Iterator[str]:
        text = f"{step.state} {step.detail}".rstrip()
        inside, = self._beside(step.end, text)
        sign = self._coloured(self._signs["state"], GREEN)
        is_left = step.end == self._left
        yield self._line(self._before(None, step.time_ns), inside, BOLD + GREEN,
                         left=sign if is_left else "",
                         right="" if is_left else sign)

    def _fact(self, fact: Fact) -> Iterator[str]:
        if fact.end is None:
            text = f" *** {fact.words} *** ".center(self._inside, "*")
            yield self._line(self._before(None, None), text, COLOURS["lost"])
            return
        colour = COLOURS.get(fact.kind, DIM)
        before = self._before(None, fact.time_ns)
        for inside in self._beside(fact.end, fact.words):
            yield self._line(before, inside, colour)
            before = self._before(None, None)

    def _rung(self, rung: Rung) -> Iterator[str]:
        label = ladder_words.label(self._ladder, rung, self._flags)
        full = (ladder_words.ports(self._conversation, rung,
                                   self._signs["arrow"]) + " " + label)
        room = self._inside - 8
        rest = list(ladder_words.notes(self._ladder, rung))
        said = ladder_words.options(self._ladder, rung)
        if len(full) <= room:
            label = full
        if said and len(f"{label} {said}") <= room:
            label = f"{label} {said}"
        elif said:
            rest.insert(0, said)
        if len(label) > room + 2:
            label, numbers = label.split("] ", 1)
            label += "]"
            rest.insert(0, numbers)
        delay = "" if rung.delay_us is None else duration(rung.delay_us)
        if delay and len(label) + len(delay) + 10 > self._inside:
            rest.append(f"{delay} on its way")
            delay = ""
        colour = (RED if rung.fate in (LOST, DROPPED) else YELLOW if rung.again
                  else "")
        yield self._line(self._before(rung.number, rung.at_ns),
                         self._arrow(rung, label, delay), colour)
        if rest:
            for line in textwrap.wrap("; ".join(rest), self._inside - 6,
                                      break_on_hyphens=False):
                text = f"   {line}"
                if rung.way != self._left:
                    text = f"{line}   ".rjust(self._inside)
                yield self._line(self._before(None, None), text, colour or DIM)

    def _arrow(self, rung: Rung, label: str, delay: str) -> str:
        """A line with a head, the label near its tail, the delay near its head."""
        sign, width = self._signs, self._inside
        is_lost = rung.fate == LOST
        if is_lost:
            width = max(width * 4 // 5, min(len(label) + 8, width))
        goes_right = rung.way == self._left
        stops = is_lost or rung.fate == DROPPED
        head = sign["lost" if stops else "right" if goes_right else "left"]
        delay = delay and f" {delay} "
        text = f" {label} "
        shaft = sign["line"] * (width - 4 - len(text) - len(delay))
        near = sign["line"]
        if goes_right:
            line = f"{near * 2}{text}{shaft}{delay}{near}{head}"
            return line.ljust(self._inside)
        line = f"{head}{near}{delay}{shaft}{text}{near * 2}"
        return line.rjust(self._inside)

    def _pause(self, waited_ns: int) -> str:
        sign = self._signs["pause"]
        text = f" {duration(waited_ns // 1000)} ".center(self._inside)
        return self._line(self._before(None, None), text, DIM, sign, sign)

    def _rungs(self) -> Iterator[str]:
        last_ns: int | None = None
        for line in self._ladder.lines:
            time_ns = line.at_ns if isinstance(line, Rung) else line.time_ns
            if not (isinstance(line, Fact) and line.end is None):
                if last_ns is not None and time_ns - last_ns >= PAUSE_NS:
                    yield self._pause(time_ns - last_ns)
                last_ns = time_ns
            yield from self._of(line)

    # ---- all of it

    def lines(self) -> Iterator[str]:
        """The ladder, and how to read it."""
        yield from note(ladder_words.heading(self._ladder))
        yield ""
        yield from self._ends()
        yield from self._rungs()
        yield ""
        yield from left_out(self._ladder)
        yield from note(HOW_TO_READ)
        text = ladder_words.missing(self._ladder)
        if text:
            yield from note(text)


HOW_TO_READ = (
    "Left the number of the segment and when it was sent (or came, where the sending "
    "was not recorded), in seconds from the first event. Seq and Ack count from each "
    "side's ISN, Win is scaled, Len is payload. The time at an arrow's head is how "
    "long it was on its way. Beside a rail stands what its end did and knew.")


def left_out(ladder: Ladder) -> Iterator[str]:
    """How many rungs are not here, and how to have them."""
    if not ladder.left_out_rungs:
        return
    text = (f"{plural(ladder.kept_rungs, 'rung')} of {ladder.rungs} shown")
    if ladder.next_ns is not None:
        at = seconds(ladder.next_ns, ladder.gaps.first_ns or 0)
        text += f"; it goes on with --from {at}, --limit 0 shows all"
    yield f"{text}."
