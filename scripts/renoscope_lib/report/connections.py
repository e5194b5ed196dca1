# SPDX-License-Identifier: GPL-2.0
"""Every connection on one line: its states to scale, and what went wrong with it.

Of too many the most troubled are shown.  The bar is drawn up to TIME-WAIT, which
would leave no room for anything else and is told in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..tcp.life import Life, Stay, opened_words
from ..tcp.tcp_states import (CLOSED, ESTABLISHED, LISTEN, NETSTAT_NAMES, SYN_RECEIVED, SYN_SENT,
                              TIME_WAIT)
from ..views.endings import Ending
from ..views.states_text import last_cells
from ..views.windows import PEER
from ..words import connection, often
from .markup import Child, Html, join, tag
from .parts import Cell, Column, Section, and_more, most, number, prose, quiet, section, table
from .told import Told
from .values import amount, at, code, counted, ends, some, span

OPENING = frozenset((SYN_SENT, SYN_RECEIVED))
BAD_ENDINGS = frozenset(("reset", "given up", "failed"))

# States that are shown of one connection; no sane one has more.
MOST_STAYS = 40

# A stay is never drawn narrower than this share, or it could not be seen.
LEAST_WIDTH = 0.8


@dataclass
class Line:
    """One connection with what the views know of it."""

    life: Life
    ending: Ending | None
    sent_again: int = 0
    timeouts: int = 0
    stood_still_us: int = 0
    bytes: tuple[int, int] | None = None
    troubles: list[str] = field(default_factory=list)

    @property
    def weight(self) -> tuple[float, ...]:
        """How much a person should look at it; of equals the earlier one."""
        ended_badly = self.ending is not None and self.ending.how in BAD_ENDINGS
        return (ended_badly + bool(self.troubles), self.timeouts,
                self.sent_again, self.stood_still_us,
                self.bytes[0] + self.bytes[1] if self.bytes else 0)


def _line(told: Told, life: Life) -> Line:
    views = told.views
    line = Line(life, views.states.ending(life))
    losses = views.losses.kept.get(life.key)
    if losses is not None:
        line.sent_again, line.timeouts = losses.sent_again, losses.timeouts
    windows = views.windows.kept.get(life.key)
    if windows is not None and windows.somebody_waited(PEER):
        line.stood_still_us = views.windows.stalled_us(windows, PEER, told.end_ns)
    talk = views.talkers.kept.get(life.key)
    if talk is not None:
        line.bytes = talk.sent, talk.received
    line.troubles = list(_troubles(line))
    return line


def _troubles(line: Line) -> Iterator[str]:
    life, ending = line.life, line.ending
    if ending is not None and ending.how in BAD_ENDINGS:
        yield ending.words() or ending.how
    if life.syns_again:
        yield f"SYN sent again {often(life.syns_again)}"
    if life.synacks_again:
        yield f"SYN-ACK sent again {often(life.synacks_again)}"
    if line.timeouts and not life.syns_again:
        yield counted(line.timeouts, "timeout")
    if line.stood_still_us:
        yield f"stood still {span(line.stood_still_us)}, the peer's window was zero"


def lines(told: Told) -> Iterator[Line]:
    """Connections, not listeners, in the order they were first seen."""
    for life in told.views.states.lives():
        if life.stays[0].state != LISTEN:
            yield _line(told, life)


# ---- the bar

def _css_class(state: str) -> str:
    if state in OPENING:
        return "opening"
    return "open" if state == ESTABLISHED else "closing"


def _lengths(told: Told, life: Life) -> list[tuple[str, int, int]]:
    """State, begin and length in ns of each stay that is drawn and known."""
    drawn = []
    for stay in life.stays:
        if stay.state in (CLOSED, TIME_WAIT) or stay.began_ns is None:
            continue
        ended_ns = stay.ended_ns
        if ended_ns is None and stay is life.now:
            ended_ns = max(told.end_ns, stay.began_ns)
        if ended_ns is not None:
            drawn.append((stay.state, stay.began_ns, ended_ns - stay.began_ns))
    return drawn[:MOST_STAYS]


def _bar(drawn: list[tuple[str, int, int]]) -> Html:
    total = sum(length for _, _, length in drawn) or 1
    widths = [max(100 * length / total, LEAST_WIDTH) for _, _, length in drawn]
    scale = 100 / sum(widths)
    x = 0.0
    pieces = []
    for (state, _, length), width in zip(drawn, widths):
        width *= scale
        pieces.append(tag("rect", x=f"{x:.2f}%", y="0", width=f"{width:.2f}%",
                          height="10", class_=_css_class(state)))
        x += width
    return tag("svg", pieces, class_="states", height="10", aria_hidden="true")


def _stay_words(told: Told, line: Line, stay: Stay, after: Stay | None) -> Child:
    life, states = line.life, told.views.states
    if stay is life.now and life.is_over:
        words = line.ending.words(states.by(life, stay)) if line.ending else ""
        return tag("li", tag("b", stay.state), f" {words}" if words else None)
    if stay is life.now:
        took, then = last_cells(states, life, told.end_ns)
    else:
        took, then = span(states.took_us(life, stay)), stay.left_by
        if after is not None and after.state != CLOSED:     # its ending tells by itself
            then += states.by(life, after)
    return tag("li", tag("b", stay.state), f" {took}",
               f": {then}" if then else None)


def _path(told: Told, line: Line) -> Html:
    life = line.life
    drawn = _lengths(told, life)
    items = [_stay_words(told, line, stay, after) for stay, after in zip(
        life.stays[:MOST_STAYS], [*life.stays[1:], None])]
    if life.partly:
        items.append(tag("li", "; ".join(life.partly), class_="quiet"))
    states_seen = [join(" → " if n else None, tag("span", stay.state))
                   for n, stay in enumerate(life.stays[:MOST_STAYS])]
    return tag("details", tag("summary", _bar(drawn) if drawn else None,
                              tag("span", states_seen, class_="path")),
               tag("ol", items, class_="stays"))


def _lasted(told: Told, life: Life) -> Cell:
    """From its first state to TIME-WAIT, CLOSED or now."""
    drawn = _lengths(told, life)
    if not drawn:
        return Cell("–", 0)
    us = (drawn[-1][1] + drawn[-1][2] - drawn[0][1]) // 1000
    lasts_on = not (life.is_over or life.now.state == TIME_WAIT
                    or told.views.states.last_reset(life))
    return Cell(span(us) + "+" * lasts_on, us)


# ---- the table

# What a narrow screen shows without being moved comes first.
COLUMNS = (Column("connection"), Column("local – peer"), prose("what went wrong"),
           number("from (s)", "seconds from the first event"),
           Column("states"), number("lasted", "up to TIME-WAIT or CLOSED"),
           number("sent", "bytes that were acknowledged, without SYN and FIN"),
           number("received", "bytes that came, without the FIN"),
           number("again", "segments sent again"))


def _row(told: Told, line: Line) -> tuple[Child | Cell, ...]:
    life = line.life
    sent, received = line.bytes or (None, None)
    began_ns = life.stays[0].began_ns
    opened = opened_words(life.opened_by, life.opener)
    return (code(connection(life.cookie)),
            join(ends(life.local, life.remote),
                 join(tag("br"), tag("small", opened)) if opened else None),
            tag("span", "; ".join(line.troubles), class_="bad") if line.troubles else "",
            Cell(at(began_ns, told.first_ns), began_ns or 0), _path(told, line),
            _lasted(told, life), Cell(amount(sent), sent or 0),
            Cell(amount(received), received or 0), some(line.sent_again))


LEGEND = join(
    "The bar is the time in each state, to scale but for the shortest: ",
    tag("span", class_="key opening"), "opening, ",
    tag("span", class_="key open"), "ESTABLISHED, ",
    tag("span", class_="key closing"), "closing; TIME-WAIT, 60 s on Linux, is not "
    "drawn. Unfold it to read each state with its time and what ended it. (implied) "
    "stands where a reason is worked out from what happened around it; + is still "
    "going on; – was not seen. What was sent and received is payload, without SYN "
    "and FIN.")


def show(told: Told) -> Section:
    """The section."""
    shown, left_out = most(lines(told), told.limit, lambda line: line.weight)
    shown.sort(key=lambda line: line.life.stays[0].began_ns or 0)
    counts, unsure = told.views.states.counts(told.end_ns)
    if not shown:
        return quiet("connections", "Connections", "No connection was seen.")
    which = "" if not left_out else ", the most troubled"
    return section(
        "connections", "Connections",
        table(f"Connections{which}, in order of time", COLUMNS,
              (_row(told, line) for line in shown), LEGEND,
              and_more(left_out, told.other("states"), "connection")),
        _open_at_the_end(counts, unsure))


def _open_at_the_end(counts: dict[str, int], unsure: int) -> Html:
    if not counts:
        return tag("p", "No connection was open at the end.")
    words = ", ".join(f"{number} {NETSTAT_NAMES[state]}" for state, number in counts.items())
    doubt = f" {unsure:,} of these may have ended unseen." if unsure else ""
    return tag("p", f"Open at the end, as netstat counts: {words}.{doubt}")
