# SPDX-License-Identifier: GPL-2.0
"""What was sent again, by cause, and what it cost each connection."""

from __future__ import annotations

from collections.abc import Iterable

from ..tcp.ca_states import CA_STATES
from ..views.losses import CAUSES, Flow, Sums
from ..words import connection
from .markup import Child, Html, tag
from .parts import Cell, Column, Section, and_more, bar, most, number, prose, quiet, section, table
from .told import Told
from .values import code, count, counted, ends, share, some, span

CAUSE_NAMES = {
    "rto": ("timeout", "the retransmission timer fired: the sender stood idle"),
    "fast_retransmit": ("fast retransmit",
                        "duplicate ACKs, SACK or RACK told of a loss"),
    "loss_recovery": ("recovery after a timeout",
                      "in Loss, the rest of what is taken for lost"),
    "tail_loss_probe": ("tail loss probe", "no ACK came for two round trips"),
    "syn": ("SYN", "connect() was not answered"),
    "synack": ("SYN-ACK", "the handshake's last ACK did not come, or the SYN came "
               "again"),
    "zero_window": ("zero window", "the timer fired while the peer's window was zero"),
    "unknown": ("other", "the cause was not recorded"),
}


AGAIN_NOTE = "again counts segments, the columns behind it by cause. "
UNDONE_NOTE = "undone is how often it turned out that nothing was lost. "
STANDING_NOTE = (
    "Then the time in each state of congestion avoidance. Open: all is well; Disorder: "
    "something is out of order; CWR: an ECN mark, a full queue of this host's own, or a "
    "loss that a tail loss probe made good for; Recovery: after a fast retransmit; Loss: "
    "after a timeout, or when the path's MTU shrank.")


def _causes(sums: Sums) -> Html:
    total = sums.segments.total()
    rows = [(CAUSE_NAMES[cause][0], count(sums.segments[cause]),
             share(sums.segments[cause], total),
             bar(sums.segments[cause], total, is_bad=cause == "rto"),
             CAUSE_NAMES[cause][1])
            for cause in CAUSES if sums.segments[cause]]
    return table("Segments sent again, by cause",
                 (Column("cause"), number("segments"), number("share"), Column(""),
                  prose("what it means")), rows)


def _timeouts(flow: Flow) -> str:
    if not flow.timeouts:
        return ""
    return (f"{flow.timeouts:,}, longest {span(flow.longest_rto_us)}"
            if flow.longest_rto_us else f"{flow.timeouts:,}")


def _weight(flow: Flow) -> tuple[int, int]:
    return flow.timeouts, flow.sent_again


def _connections(told: Told, sums: Sums) -> Html:
    lossy = (flow for flow in told.views.losses.flows() if flow.had_losses)
    shown, left_out = most(lossy, told.limit, _weight)
    causes = [cause for cause in CAUSES if sums.segments[cause]]
    stood = [name for name in (*CA_STATES, "unknown") if sums.stood_ns[name]]

    def row(flow: Flow) -> Iterable[Child | Cell]:
        yield code(connection(flow.cookie))
        yield ends(flow.local, flow.remote)
        yield some(flow.sent_again)
        for cause in causes:
            yield some(flow.segments[cause])
        yield Cell(_timeouts(flow), flow.timeouts)
        yield some(flow.undone)
        for name in stood:
            ns = flow.stood_ns[name]
            yield Cell(span(ns // 1000) if ns else "", ns)

    columns = [Column("connection"), Column("local – peer"), number("again"),
               *(number(CAUSE_NAMES[cause][0], CAUSE_NAMES[cause][1])
                 for cause in causes),
               number("timeouts"), number("undone", "nothing was lost after all"),
               *(number(f"in {name}") for name in stood)]
    return table(
        "Losses by connection", columns, (list(row(flow)) for flow in shown),
        [AGAIN_NOTE if causes else None, UNDONE_NOTE if sums.undone else None,
         STANDING_NOTE],
        and_more(left_out, told.other("losses"), "connection"))


def show(told: Told) -> Section:
    """The section."""
    sums = Sums.of(told.views.losses.flows())
    title = "Sent again"
    if not sums.lossy:
        unknown = told.views.losses.gaps.not_recorded("retransmit")
        return quiet("losses", title, (
            "Retransmissions were not recorded all the time; none was seen."
            if unknown else "Nothing was sent again."))
    if not sums.segments.total():
        words = ("Nothing was sent again, but congestion made itself felt in "
                 f"{counted(sums.lossy, 'connection')}.")
        return section("losses", title, tag("p", words), _connections(told, sums))
    words = (f"{counted(sums.segments.total(), 'segment')} went out again; "
             f"{sums.lossy:,} of {counted(sums.connections, 'connection')} had losses.")
    return section("losses", title, tag("p", words), _causes(sums),
                   _connections(told, sums))
