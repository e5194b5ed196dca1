# SPDX-License-Identifier: GPL-2.0
"""Windows that closed: whose, how long, and whether somebody stood still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..views.windows import OWN, PEER, Flow, Windows
from ..words import connection
from .markup import Child, tag
from .parts import Cell, Column, Section, and_more, most, number, quiet, section, table
from .told import Told
from .values import code, count, ends, some, span

WHOSE = {PEER: "the peer's", OWN: "ours"}
STOOD_STILL = {PEER: "we did", OWN: "the peer did"}


@dataclass(frozen=True)
class Stall:
    """All the times that one side's window of a connection was zero."""

    flow: Flow
    side: str
    us: int
    longest_us: int
    now: str


def _stalls(windows: Windows, end_ns: int) -> Iterator[Stall]:
    for flow in windows.flows():
        for side in (PEER, OWN):
            if flow.episodes_seen[side]:
                now = "ended" if flow.ended else "open"
                if side in flow.open:
                    now = "zero?" if windows.is_stale(flow) else "still zero"
                yield Stall(flow, side, windows.stalled_us(flow, side, end_ns),
                            windows.longest_us(flow, side, end_ns), now)


def total_us(told: Told) -> int:
    """How long connections of this side stood still, all together."""
    return sum(stall.us for stall in _stalls(told.views.windows, told.end_ns)
               if stall.side == PEER and stall.flow.somebody_waited(PEER))


def _row(stall: Stall) -> tuple[Child | Cell, ...]:
    flow = stall.flow
    return (code(connection(flow.cookie)),
            ends(flow.local, flow.remote),
            WHOSE[stall.side], count(flow.episodes_seen[stall.side]),
            Cell(span(stall.us), stall.us),
            Cell(span(stall.longest_us or None), stall.longest_us),
            some(flow.probes_of_zero) if stall.side == PEER else "",
            STOOD_STILL[stall.side] if flow.somebody_waited(stall.side) else "",
            stall.now)


def show(told: Told) -> Section:
    """The section."""
    windows = told.views.windows
    shown, left_out = most(_stalls(windows, told.end_ns), told.limit,
                           lambda stall: stall.us)
    title = "Zero windows"
    if not shown:
        unknown = windows.gaps.not_recorded("zero_window")
        return quiet("windows", title, (
            "Zero windows were not recorded all the time; none was seen."
            if unknown else "No window closed: every receiver kept up."))
    return section(
        "windows", title,
        tag("p", "A receiver whose program does not read fast enough closes its "
            "window. A sender that has something to send stands still then."),
        table("Connections whose window was zero",
              (Column("connection"), Column("local – peer"), Column("whose window"),
               number("times"), number("zero for"), number("longest"),
               number("probes", "zero-window probes of the persist timer"),
               Column("stood still",
                      meaning="where something shows that there was something to send"),
               Column("at the end")),
              map(_row, shown), None,
              and_more(left_out, told.other("windows"), "window")))
