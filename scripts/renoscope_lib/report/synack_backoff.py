# SPDX-License-Identifier: GPL-2.0
"""SYN-ACKs sent again: each wait beside the one that the kernel's timer was set to.

Two lines of dots on one scale of time: when they stand below each other, the timer
did what it said.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..views.handshakes import RetransmitRow
from .markup import Child, Html, tag
from .parts import Cell, Column, Section, and_more, most, number, quiet, section, table
from .told import Told
from .values import code, count, counted, span

# Pictures; all the rest has its place in the table.
FIGURES = 6

# A wait narrower than this share of the picture has no room for its length.
WIDE_ENOUGH = 11.0


class Wait(NamedTuple):
    """From one SYN-ACK to the next."""

    began_us: int
    lasted_us: int

    @property
    def ended_us(self) -> int:
        """When the next one went, or should have."""
        return self.began_us + self.lasted_us


@dataclass
class Request:
    """One request's SYN-ACKs, in order."""

    rows: list[RetransmitRow]

    @property
    def first(self) -> RetransmitRow:
        """Who it is."""
        return self.rows[0]

    @property
    def weight(self) -> int:
        """How much there is to see."""
        return len(self.rows)

    def waits(self) -> tuple[list[Wait], list[Wait]] | None:
        """Those seen and those predicted, us from the first SYN-ACK.

        None where a wait is not known, as then no later one has a place.
        """
        seen, due, now_us = [], [], 0
        for row in self.rows:
            if row.waited_us is None:
                return None
            if row.predicted_us is not None:
                due.append(Wait(now_us, row.predicted_us))
            seen.append(Wait(now_us, row.waited_us))
            now_us += row.waited_us
        return seen, due


def requests(rows: Iterable[RetransmitRow]) -> list[Request]:
    """Rows by request, in the order of their first one."""
    found: dict[tuple[str, int, str, str], list[RetransmitRow]] = defaultdict(list)
    for row in rows:
        found[row.connection, row.netns, row.local, row.remote].append(row)
    return [Request(rows) for rows in found.values()]


# ---- the picture

def _x(us: int, whole_us: int) -> float:
    return 1.5 + 94 * us / whole_us


def _lane(waits: list[Wait], whole_us: int, class_: str) -> Html:
    pieces: list[Child] = [tag("line", x1=f"{_x(0, whole_us):.2f}%", y1="22", y2="22",
                               x2=f"{_x(whole_us, whole_us):.2f}%", class_="axis")]
    for wait in waits:
        left, right = _x(wait.began_us, whole_us), _x(wait.ended_us, whole_us)
        if right - left >= WIDE_ENOUGH:
            pieces.append(tag("text", span(wait.lasted_us), y="15",
                              x=f"{(left + right) / 2:.2f}%"))
    for mark in (0, *(wait.ended_us for wait in waits)):
        pieces.append(tag("circle", cx=f"{_x(mark, whole_us):.2f}%", cy="22", r="4",
                          class_=class_))
    return tag("svg", pieces, class_="lane", height="30", aria_hidden="true")


def _figure(request: Request) -> Html | None:
    waits = request.waits()
    if waits is None:
        return None
    whole_us = max(wait.ended_us for some in waits for wait in some) or 1
    row = request.first
    said, due = (", ".join(span(wait.lasted_us) for wait in some) for some in waits)
    return tag(
        "figure",
        tag("figcaption", code(row.connection), " ", code(row.remote), " to ",
            code(row.local), f": {request.rows[-1].request}"),
        tag("div", tag("span", "seen"), _lane(waits[0], whole_us, "seen"),
            tag("span", "predicted"), _lane(waits[1], whole_us, "due"),
            class_="lanes", role="img",
            aria_label=f"Waits seen: {said}; predicted: {due}"),
        class_="backoff")


# ---- the tables

def _difference(row: RetransmitRow) -> str:
    if row.waited_us is None or row.predicted_us is None:
        return ""
    late_us = row.waited_us - row.predicted_us
    return f"{'−' if late_us < 0 else '+'}{span(abs(late_us))}"


def _single_rows(found: list[Request]) -> Iterable[tuple[Child | Cell, ...]]:
    for request in found:
        for row in request.rows:
            yield (code(row.connection), code(row.remote), str(row.attempt), row.by,
                   Cell(span(row.waited_us), row.waited_us or 0),
                   Cell(span(row.predicted_us), row.predicted_us or 0),
                   _difference(row), span(row.next_wait_us), row.request)


def _singles(told: Told, found: list[Request], left_out: int) -> Html:
    return table(
        "Each SYN-ACK sent again",
        (Column("connection"), Column("peer"), number("attempt"), Column("by"),
         number("waited"), number("predicted"), number("difference"),
         number("next wait"), Column("became")),
        _single_rows(found),
        "waited is the time since the SYN-ACK before; predicted is what the kernel "
        "set its timer to then, 1 s and twice as long each time; the difference is "
        "how late the timer was. A duplicate SYN comes before the timer has ended "
        "and does not double it.",
        and_more(left_out, told.other("handshakes --limit 0"), "request"))


def _by_attempt(rows: list[RetransmitRow]) -> Html:
    waits: dict[int, list[RetransmitRow]] = defaultdict(list)
    for row in rows:
        if row.waited_us is not None and row.predicted_us is not None:
            waits[row.attempt].append(row)
    picks: tuple[Callable[[Iterable[int]], float], ...] = (min, statistics.median, max)
    return table(
        "All requests together, sent again by the timer",
        (Column("attempt"), number("SYN-ACKs"), number("predicted"),
         number("shortest wait"), number("median wait"), number("longest wait")),
        [(str(attempt), count(len(some)),
          span(int(statistics.median(r.predicted_us or 0 for r in some))),
          *(span(int(pick(r.waited_us or 0 for r in some)))
            for pick in picks))
         for attempt, some in sorted(waits.items())])


def show(told: Told) -> Section:
    """The section."""
    rows = told.views.handshakes.retransmits(told.end_ns)
    title = "SYN-ACK backoff"
    if not rows:
        return quiet("backoff", title, (
            "No SYN-ACK was sent again." if told.views.handshakes.knows_retransmits
            else "SYN-ACKs sent again were not recorded all the time; none was seen."))
    everyone = requests(rows)
    found, left_out = most(everyone, told.limit, lambda request: request.weight)
    figures = [figure for figure in map(_figure, found[:FIGURES]) if figure]
    return section(
        "backoff", title,
        tag("p", f"{counted(len(rows), 'SYN-ACK')} of "
            f"{counted(len(everyone), 'request')} went out again: the answer to the "
            "one before did not come in time, or its SYN came again."),
        figures, _by_attempt(rows) if len(everyone) > 1 else None,
        _singles(told, found, left_out))
