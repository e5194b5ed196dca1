# SPDX-License-Identifier: GPL-2.0
"""How connections began, for a terminal and for programs."""

from __future__ import annotations

import heapq
from dataclasses import asdict
from typing import Any

from ..output.tables import aligned, and_more, note
from ..tcp.life import OPENED
from ..words import connection, duration, often, or_dash, plural, spaced
from .gaps import Gaps
from .handshakes import Handshakes, OpeningRow, RetransmitRow, summary_of
from .listeners import Listener
from .opening import FIRST_RTT
from .outcomes import RECKONED, outcome_words

# Rows of one table that a person reads; --limit sets another number.
ROWS = 50


# ---- the tables

def as_json(handshakes: Handshakes, end_ns: int | None) -> dict[str, Any]:
    """All tables, times in microseconds."""
    rows = handshakes.openings(end_ns)
    return {
        "synack_retransmits": [asdict(row)
                               for row in handshakes.retransmits(end_ns)],
        "handshakes": [asdict(row) for row in rows],
        "summary": summary_of(rows),
        "both_ends": handshakes.both_ends(),
        "listeners": [one.as_json() for one in handshakes.listeners()],
        "listeners_forgotten": handshakes.listeners_left_out.count,
        "forgotten": handshakes.forgotten,
        "kinds_switched_off": handshakes.missing_kinds,
        **handshakes.gaps.as_json(end_ns)}


def _time(us: int | None) -> str:
    return "-" if us is None else duration(us)


def _by_wall_clock(gaps: Gaps, time_ns: int | None) -> tuple[str, ...]:
    """The heading (None) or a row's cell where the wall clock is told, none where not."""
    if gaps.wall_offset_ns is None:
        return ()
    return ("at (UTC)",) if time_ns is None else (gaps.moment(time_ns),)


def _retransmit_table(rows: list[RetransmitRow], gaps: Gaps) -> list[str]:
    heading = (*_by_wall_clock(gaps, None), "connection", "local", "peer", "no", "by",
               "waited", "predicted", "next", "became")
    return aligned([heading] + [
        (*_by_wall_clock(gaps, row.time_ns),
         row.connection, row.local, row.remote, str(row.attempt), row.by,
         _time(row.waited_us), _time(row.predicted_us),
         duration(row.next_wait_us), _became(row.request)) for row in rows])


def _became(request: str) -> str:
    """The word without the time, which the table of handshakes has."""
    reckoned = RECKONED if request.endswith(RECKONED) else ""
    return request.split(" after ")[0].removesuffix(" when watching ended") + reckoned


def _since(measured: str | None) -> str:
    return {None: "-", "first SYN-ACK": "SYN-ACK",
            FIRST_RTT: "RTT"}.get(measured, measured or "-")


def _opening_table(rows: list[OpeningRow], steps: bool, gaps: Gaps) -> list[str]:
    heading = (*_by_wall_clock(gaps, None), "connection", "local", "peer", "by", "outcome",
               "took", "since", "accepted")
    table = aligned([heading] + [
        (*_by_wall_clock(gaps, row.began_ns),
         row.connection, row.local, row.remote, row.opened_by,
         outcome_words(row.outcome, row.opened_by),
         _time(row.took_us), _since(row.measured),
         "never" if row.never_accepted else _time(row.accept_wait_us))
        for row in rows])
    lines = table[:1]
    for row, line in zip(rows, table[1:]):
        lines.append(line)
        if steps:
            lines += [f"    {_when(row, step, gaps):>10}  {step['what']}"
                      for step in row.steps]
        if row.why:
            lines += note(row.why, " " * 9, "    why: ")
    return lines


def _when(row: OpeningRow, step: dict[str, Any], gaps: Gaps) -> str:
    """So long after it began, or the time of day."""
    if gaps.wall_offset_ns is None:
        return duration(step["after_us"])
    return gaps.moment(row.began_ns + step["after_us"] * 1000)


def _listener_table(listeners: list[Listener]) -> list[str]:
    heading = ("listener", "local", "SYNs", "queued", "done", "expired", "reset",
               "refused", "cookies", "half-open", "accept")
    table = aligned(
        [heading] + [
            (one.name, one.address, str(one.syns), str(one.requests),
             str(one.completed), str(one.endings["expired"]), str(one.resets),
             str(one.refused), _cookie_counts(one),
             f"{one.half_open.peak} of {or_dash(one.limit)}",
             f"{one.accept.peak} of {or_dash(one.limit)}")
            for one in listeners],
        frozenset(range(2, 11)))
    lines = table[:1]
    for one, line in zip(listeners, table[1:]):
        lines.append(line)
        refused = [f"{count} {what}, {spaced(reason)}"
                   for what, counts in (("SYN", one.refused_syns),
                                        ("last ACK", one.refused_acks))
                   for reason, count in counts.most_common()]
        if refused:
            lines += note("; ".join(refused), " " * 13, "    refused: ")
    return lines


def _cookie_counts(one: Listener) -> str:
    return f"{one.cookies_sent}/{one.cookies['valid']}/{one.cookies['invalid']}"


def _summary_lines(handshakes: Handshakes, rows: list[OpeningRow]) -> list[str]:
    lines = []
    for side, counts in summary_of(rows).items():
        lines += note(", ".join(f"{n} {outcome_words(outcome, side)}"
                                for outcome, n in counts.items()),
                      "    ", f"{sum(counts.values())} {OPENED[side]}: ")
    both = handshakes.both_ends()
    if both:
        lines.append(f"both ends of {plural(both, 'connection')} are in it, and each end "
                     "is counted")
    if handshakes.forgotten:
        lines.append(f"of {plural(handshakes.forgotten, 'earlier handshake')} only the "
                     "listeners' counts tell: too many to keep")
    return lines + handshakes.listeners_left_out.lines()


LISTENER_HELP = (
    "How to read it: `queued` entered the half-open queue, `done` is complete; "
    "cookies are sent/valid/invalid. `half-open` and `accept` are the most "
    "that waited in each queue, of the listener's backlog, - if no event told it. A queue takes "
    "one more than that; then SYNs are refused, or answered with cookies.")
RETRANSMIT_HELP = (
    "How to read it: `waited` is the time since the SYN-ACK before, "
    "`predicted` the timer that the kernel had begun then: 1 s, doubled each "
    "time; `next` is the wait that begins now. A duplicate SYN comes before "
    "the timer has ended and does not double it. `became` is the request's "
    "end.")
OPENING_HELP = (
    "How to read it: `took` counts from what `since` names: SYN (sent or "
    "arrived), the first SYN-ACK, or, where its beginning was not seen and it "
    "may have taken more, the first SYN seen or one round trip (RTT). "
    "`accepted` is the wait in the accept queue, - if its end was not "
    "seen, never if the listener was closed first. --steps shows each step.")


def as_text(handshakes: Handshakes, end_ns: int | None, limit: int = ROWS,
            steps: bool = False) -> list[str]:
    """All tables for people; limit 0 shows every row."""
    rows = handshakes.openings(end_ns)
    lines = _summary_lines(handshakes, rows)
    if handshakes.listeners():
        lines += ["", "Listeners:", *_listener_table(handshakes.listeners()),
                  *note(LISTENER_HELP, "  ")]
    again = handshakes.retransmits(end_ns)
    if again:
        lines += ["", *_retransmit_lines(again, limit, handshakes.gaps)]
    elif handshakes.knows_retransmits and (rows or not handshakes.is_of_one):
        lines += ["", *_none_again(handshakes, rows)]
    lines += ["", *(_opening_lines(rows, limit, steps, handshakes.gaps) if rows
                    else [handshakes.none_chosen()])]
    return lines if lines[0] else lines[1:]


def _none_again(handshakes: Handshakes, rows: list[OpeningRow]) -> list[str]:
    """Of one connection only what it sent itself; its other end may have sent some."""
    if not handshakes.is_of_one:
        return ["No SYN-ACK was sent again."]
    others = [f"{connection(cookie)}, {often(count)} (--connection {cookie:x})"
              for cookie, count in handshakes.other_ends_again().items()]
    did = f"; its other end did: {', '.join(others)}" if others else ""
    return note(f"{rows[0].connection} sent no SYN-ACK again{did}.")


def _retransmit_lines(rows: list[RetransmitRow], limit: int, gaps: Gaps) -> list[str]:
    shown = rows[:limit or None]
    return ["SYN-ACKs sent again:", *_retransmit_table(shown, gaps),
            *and_more(len(rows) - len(shown)), *note(RETRANSMIT_HELP, "  ")]


def _opening_lines(rows: list[OpeningRow], limit: int,
                   steps: bool, gaps: Gaps) -> list[str]:
    shown = _worst(rows, limit)
    return ["Handshakes:", *_opening_table(shown, steps, gaps),
            *and_more(len(rows) - len(shown), "no worse"), *note(OPENING_HELP, "  ")]


def _worst(rows: list[OpeningRow], limit: int) -> list[OpeningRow]:
    """Those that failed, then the slow ones, as many as are shown; in order of time."""
    if not limit or limit >= len(rows):
        return rows

    def trouble(number: int) -> tuple[bool, bool, int, int]:
        row = rows[number]
        slow_us = row.took_us or 0 if row.result == "established" else 0
        return row.result != "failed", not row.why, -slow_us, number
    return [rows[number] for number in sorted(
        heapq.nsmallest(limit, range(len(rows)), key=trouble))]
