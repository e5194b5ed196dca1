# SPDX-License-Identifier: GPL-2.0
"""A ladder as a picture: arrows aslant from sending to arrival, in plain SVG.

Time runs down, but not evenly: a microsecond and a second would not fit into one
picture.  Each moment stands below the one before by a height that grows with the
logarithm of the time between, and at least by what its words need.  So order is
always true and a longer wait is always taller; the times beside the rails are exact.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from ..output.tables import seconds
from ..words import duration, harmless, plural
from . import ladder_words
from .conversations import Conversation
from .ladder import Fact, Ladder, Step
from .rungs import DROPPED, LOST, PARTLY_LOST, Rung

# More than that nobody scrolls through; --from, --to and --limit choose.
MOST_RUNGS = 1000

# In pixels, where the drawing is shown at its own size.
LEFT_RAIL, RAILS_APART, MARGIN = 320, 660, 320
WIDTH = LEFT_RAIL + RAILS_APART + MARGIN
RIGHT_RAIL = LEFT_RAIL + RAILS_APART
TOP = 128
ROW, NOTE_ROW = 15, 13
LABEL_ROOM = 17
SIDE_CHARACTERS = 40
NOTE_CHARACTERS, NOTE_CHARACTER = 84, 5.6
TALLEST_GAP = 60

# Words lie along their arrow, but for steeper ones: these come where many are in flight.
STEEPEST_WORDS_DEGREES = 6

# As long as the shortest RTO, a wait is worth a word.
PAUSE_NS = 200_000_000

STYLE = """
text{font-family:system-ui,'DejaVu Sans',Arial,sans-serif;font-size:12px;fill:#1b1f24}
.title{font-size:17px;font-weight:600}.end{font-size:14px;font-weight:600}
.small{font-size:10.5px;fill:#57606a}.time{font-size:10px;fill:#687078}
.state{font-weight:600;fill:#116329}.fact{font-size:11px;fill:#6639ba}
.label{font-size:12px}.halo{stroke:#fff;stroke-width:4px;paint-order:stroke}
.note{font-size:10.5px;fill:#57606a}.lost{fill:#b42318}.again{fill:#9a4d00}
line.rail{stroke:#424a53;stroke-width:2}line.rung{stroke:#1f6feb;stroke-width:1.4}
line.rung.again{stroke:#c4680a}line.rung.lost{stroke:#cf222e;stroke-dasharray:6 4}
.dot{fill:#2da44e}.gap{fill:#b42318;font-weight:600}
.pause{stroke:#8c959f;stroke-dasharray:2 4}
"""


def _arrow(name: str, colour: str) -> str:
    """An arrow's head."""
    return (f'<marker id="{name}" viewBox="0 0 10 8" refX="9" refY="4" markerWidth="11" '
            'markerHeight="9" orient="auto" markerUnits="userSpaceOnUse">'
            f'<path d="M0,0 L10,4 L0,8 z" fill="{colour}"/></marker>')


# What a rung ends with: a head, or the cross of one that was lost.
MARKERS = (
    _arrow("segment", "#1f6feb") + _arrow("again", "#c4680a")
    + '<marker id="lost" viewBox="0 0 12 12" refX="6" refY="6" markerWidth="14" '
    'markerHeight="14" markerUnits="userSpaceOnUse"><path d="M2,2 L10,10 M10,2 L2,10" '
    'stroke="#cf222e" stroke-width="2.4"/></marker>')


@dataclass(slots=True)
class _Moment:
    """Something at one time: a sending, an arrival, a state, a fact."""

    time_ns: int
    order: int
    what: Rung | Step | Fact
    arrives: bool = False


def _moments(ladder: Ladder) -> list[_Moment]:
    """Sendings and arrivals apart, in the order of time."""
    found: list[_Moment] = []
    rungs = 0
    for order, line in enumerate(ladder.lines):
        if not isinstance(line, Rung):
            found.append(_Moment(line.time_ns, order, line))
            continue
        rungs += 1
        if rungs > MOST_RUNGS:
            break
        found.append(_Moment(line.at_ns, order, line))
        if line.delay_us is not None and line.received_ns is not None:
            found.append(_Moment(line.received_ns, order, line, True))
    return sorted(found, key=lambda moment: (moment.time_ns, moment.order))


def _height(waited_ns: int) -> float:
    """How far below the moment before: by the logarithm of the wait."""
    if waited_ns <= 0:
        return 0.0
    return min(TALLEST_GAP, 8 * math.log10(1 + waited_ns / 100_000))


def _sort(rung: Rung) -> str:
    """What its colour tells; a segment as any other has none."""
    if rung.fate in (LOST, DROPPED):
        return "lost"
    return "again" if rung.again else ""


# ---- elements

def _safe(words: str) -> str:
    """For SVG: escaped, and nothing that XML may not hold."""
    return escape(harmless(words))


def _words(x: float, y: float, words: str, style: str, anchor: str = "start",
           turn: float = 0) -> str:
    turned = f' transform="rotate({turn:.2f} {x:.1f} {y:.1f})"' if turn else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" '
            f'text-anchor="{anchor}"{turned}>{_safe(words)}</text>')


def _line(x1: float, y1: float, x2: float, y2: float, style: str,
          more: str = "") -> str:
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'class="{style}"{more}/>')


class _Picture:
    """Places every moment, then draws from the back to the front."""

    def __init__(self, ladder: Ladder, flag_words: dict[int, str],
                 left: int) -> None:
        self._ladder = ladder
        self._flags = flag_words
        self._left = left
        self._shapes: list[str] = []
        self._texts: list[str] = []
        self._began: dict[int, float] = {}
        self._side = {True: float(TOP), False: float(TOP)}
        self._labels = float(TOP - LABEL_ROOM)
        self._y = float(TOP)

    def _text(self, x: float, y: float, words: str, style: str,
              anchor: str = "start", turn: float = 0) -> None:
        self._texts.append(_words(x, y, words, style, anchor, turn))

    def _rule(self, x1: float, y1: float, x2: float, y2: float, style: str,
              more: str = "") -> None:
        self._shapes.append(_line(x1, y1, x2, y2, style, more))

    def _is_left(self, end: int) -> bool:
        return end == self._left

    def _rail(self, end: int) -> float:
        return LEFT_RAIL if self._is_left(end) else RIGHT_RAIL

    def _time(self, time_ns: int) -> str:
        return seconds(time_ns, self._ladder.gaps.first_ns or 0)

    def _beside(self, end: int, y: float, words: str, style: str,
                time_ns: int | None) -> float:
        """Words outside a rail, below what stands there; where they begin."""
        is_left = self._is_left(end)
        y = max(y, self._side[is_left] + ROW)
        x, anchor = ((LEFT_RAIL - 10, "end") if is_left
                     else (RIGHT_RAIL + 10, "start"))
        wrapped = textwrap.wrap(words, SIDE_CHARACTERS) if words else []
        for number, line in enumerate(wrapped):
            self._text(x, y + 4 + number * NOTE_ROW, line, style, anchor)
        self._side[is_left] = y + max(len(wrapped) - 1, 0) * NOTE_ROW
        if time_ns is not None and not words:
            self._text(x, y + 3, self._time(time_ns), "time", anchor)
        elif time_ns is not None:
            far, anchor = ((8, "start") if is_left else (WIDTH - 8, "end"))
            self._text(far, y + 3, self._time(time_ns), "time", anchor)
        return y

    # ---- moments

    def place(self) -> None:
        """All of them, downwards."""
        before_ns: int | None = None
        for moment in _moments(self._ladder):
            if before_ns is not None:
                waited_ns = moment.time_ns - before_ns
                self._y += _height(waited_ns)
                if waited_ns >= PAUSE_NS:
                    self._pause(waited_ns)
            before_ns = moment.time_ns
            self._place(moment)

    def _place(self, moment: _Moment) -> None:
        what = moment.what
        if isinstance(what, Rung) and moment.arrives:
            self._arrive(what)
        elif isinstance(what, Rung):
            self._send(what)
        elif isinstance(what, Step):
            words = f"{what.state} {what.detail}".rstrip()
            self._y = self._beside(what.end, self._y, words, "state",
                                   what.time_ns)
            self._shapes.append(f'<circle cx="{self._rail(what.end)}" '
                                f'cy="{self._y:.1f}" r="5" class="dot"/>')
        elif what.end is not None:
            self._y = self._beside(what.end, self._y, what.words, "fact",
                                   what.time_ns)
        else:
            self._y = max(self._y, self._labels) + 2 * LABEL_ROOM
            self._labels = self._y
            self._text((LEFT_RAIL + RIGHT_RAIL) / 2, self._y, what.words, "gap",
                       "middle")

    def _pause(self, waited_ns: int) -> None:
        self._y = max(self._y, self._labels + 2 * LABEL_ROOM)
        middle = (LEFT_RAIL + RIGHT_RAIL) / 2
        self._rule(middle - 90, self._y, middle - 45, self._y, "pause")
        self._rule(middle + 45, self._y, middle + 90, self._y, "pause")
        self._text(middle, self._y + 4, duration(waited_ns // 1000), "small halo",
                   "middle")
        self._labels = self._y + LABEL_ROOM
        self._y += ROW

    def _send(self, rung: Rung) -> None:
        sender = rung.way if rung.sent_ns is not None else 1 - rung.way
        self._y = max(self._y, self._labels + LABEL_ROOM)
        self._y = self._beside(sender, self._y, "", "time", rung.at_ns)
        notes = self._notes(rung)
        self._labels = self._y + len(notes) * NOTE_ROW + 7 * bool(notes)
        self._began[rung.number] = self._y
        if rung.delay_us is None or rung.fate == PARTLY_LOST:
            self._draw(rung, self._y, self._y)

    def _arrive(self, rung: Rung) -> None:
        if rung.fate == PARTLY_LOST:
            return
        self._y = self._beside(1 - rung.way, self._y, "", "time",
                               rung.received_ns)
        self._draw(rung, self._began[rung.number], self._y)

    def _notes(self, rung: Rung) -> list[str]:
        said = ladder_words.options(self._ladder, rung)
        told = [said, *ladder_words.notes(self._ladder, rung)]
        return textwrap.wrap("; ".join(filter(None, told)), NOTE_CHARACTERS)

    def _draw(self, rung: Rung, began: float, ended: float) -> None:
        """Its arrow, as far as it came, and what is said of it."""
        x1, x2 = float(self._rail(rung.way)), float(self._rail(1 - rung.way))
        is_right = x2 > x1
        if rung.fate == LOST:
            x2, ended = x1 + (x2 - x1) * 0.72, ended + 10
        else:
            x2 += -3 if is_right else 3
        sort = _sort(rung)
        self._rule(x1, began, x2, ended, f"rung {sort}".rstrip(),
                   f' marker-end="url(#{sort or "segment"})"')
        turn = math.degrees(math.atan((ended - began) / (x2 - x1)))
        if abs(turn) > STEEPEST_WORDS_DEGREES:
            turn = 0.0  # level words keep out of each other's way
        self._label(rung, x1 + (14 if is_right else -14), x1, began, turn)
        if rung.delay_us is not None and rung.fate != PARTLY_LOST:
            self._delay(rung, x2 - (16 if is_right else -16), x2, ended, turn)

    def _label(self, rung: Rung, x: float, x1: float, began: float,
               turn: float) -> None:
        """Its header above the line, notes below it, both beginning at the sender."""
        text = (f"{rung.number}  "
                f"{ladder_words.ports(self._conversation(), rung, '→')} "
                f"{ladder_words.label(self._ladder, rung, self._flags)}")
        slope = math.tan(math.radians(turn))
        y = began + slope * (x - x1)
        anchor = "start" if x > x1 else "end"
        self._text(x, y - 6, text, f"label halo {_sort(rung)}".rstrip(), anchor, turn)
        for number, line in enumerate(self._notes(rung)):
            below = y + 12 + number * NOTE_ROW
            self._text(x, below, line, f"note halo {_sort(rung)}".rstrip(), anchor, turn)
            # its far end stands lower: what is sent next keeps clear of it
            self._labels = max(self._labels,
                               below + abs(slope) * NOTE_CHARACTER * len(line))

    def _delay(self, rung: Rung, x: float, x2: float, ended: float,
               turn: float) -> None:
        """How long it took, near the receiver."""
        y = ended + math.tan(math.radians(turn)) * (x - x2)
        self._text(x, y - 5, duration(rung.delay_us or 0), "small halo",
                   "end" if x < x2 else "start", turn)

    def _conversation(self) -> Conversation:
        conversation = self._ladder.conversation
        assert conversation is not None
        return conversation

    # ---- the whole

    def lines(self) -> Iterator[str]:
        """The document."""
        self.place()
        bottom = max(self._y, self._labels, *self._side.values()) + 30
        foot = self._foot()
        height = bottom + 20 + 14 * len(foot)
        names = self._conversation().names
        title = f"{names[self._left]} - {names[1 - self._left]}"
        yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
               f'height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}" '
               'role="img">')
        yield f"<title>{_safe(title)}</title>"
        yield f"<style>{STYLE}</style>"
        yield f"<defs>{MARKERS}</defs>"
        yield f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>'
        yield from self._head(bottom)
        yield from self._shapes
        yield from self._texts
        for number, line in enumerate(foot):
            yield _words(8, bottom + 20 + 14 * number, line, "small")
        yield "</svg>"

    def _head(self, bottom: float) -> Iterator[str]:
        conversation = self._conversation()
        yield _words(8, 26, ladder_words.heading(self._ladder), "title")
        for end in (0, 1):
            x = self._rail(end)
            yield _words(x, 64, conversation.names[end], "end", "middle")
            yield _words(x, 82, ladder_words.ids(conversation, end), "small", "middle")
            yield _line(x, 92, x, bottom, "rail")

    def _foot(self) -> list[str]:
        """What is not here."""
        ladder = self._ladder
        texts = [ladder_words.missing(ladder), *ladder.gaps.remarks()]
        shown = min(ladder.kept_rungs, MOST_RUNGS)
        if shown < ladder.rungs:
            texts.append(f"{plural(shown, 'rung')} of {ladder.rungs} drawn.")
        texts.append("Times are seconds from the first event; heights grow with the "
                     "logarithm of the time between. Blue: a segment; orange: sent "
                     "again; red: lost.")
        return [line for text in texts if text
                for line in textwrap.wrap(text, 190)]


def lines(ladder: Ladder, flag_words: dict[int, str],
          left: int) -> Iterator[str]:
    """The picture, line by line."""
    return _Picture(ladder, flag_words, left).lines()
