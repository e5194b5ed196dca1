# SPDX-License-Identifier: GPL-2.0
"""Each connection's states for a terminal, and for programs; and the counts by state."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from ..output.tables import COLUMNS, aligned, and_more, note
from ..tcp.connections import heading, identity_json
from ..tcp.life import CLOSED_FIRST, PEER, US, Life, SmallSock, opened_words
from ..tcp.tcp_states import (CLOSE_WAIT, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, LISTEN, NETSTAT_NAMES,
                              SYN_RECEIVED, SYN_SENT)
from ..tcp.wanted import Filter
from ..words import duration, often, plural
from .endings import Ending
from .states import States

# Standing in one of these for long has a reason worth knowing.
STANDING = {
    SYN_SENT: "no answer to our SYN yet",
    SYN_RECEIVED: "half-open: the handshake's last ACK has not come",
    CLOSE_WAIT: "half-closed: the peer has closed, our program has not",
    FIN_WAIT_1: "our FIN is not acknowledged yet",
    FIN_WAIT_2: "half-closed: we have closed, the peer has not",
    LAST_ACK: "our FIN is not acknowledged yet",
}

# Where recording was frozen before the change to CLOSED that follows a RST.
RESET_THEN_FROZEN = {
    PEER: "a RST came; recording stopped there",
    US: "a RST was sent; recording stopped there",
}


# ---- for programs

def _path(states: States, life: Life, ending: Ending | None) -> list[dict[str, Any]]:
    return [{"state": stay.state, "began_ns": stay.began_ns,
             "took_us": states.took_us(life, stay),
             "left_by": _left_by(life, n, ending) or None,
             "process": stay.process or None} for n, stay in enumerate(life.stays)]


def _left_by(life: Life, n: int, ending: Ending | None, by: str = "") -> str:
    """What ended its nth state, and who, if that was a process."""
    if ending is not None and life.is_over and n == len(life.stays) - 2:
        return ending.words(by)
    return life.stays[n].left_by + by


def _small_json(life: Life) -> dict[str, int] | None:
    small = life.small
    return None if small is None else {
        "segments": small.segments, "fins_arrived_again": small.fins_again,
        "timer_set": small.timer_set}


def _life_json(states: States, life: Life, end_ns: int) -> dict[str, Any]:
    ending = states.ending(life)
    return {
        **identity_json(life),
        "opened_by": life.opened_by, "opener": life.opener or None,
        "opening_seen": life.opening_seen,
        "closed_first_by": life.closed_first_by(), "state": life.now.state,
        "path": _path(states, life, ending),
        "syns_sent_again": life.syns_again,
        "synacks_sent_again": life.synacks_again,
        "small_sock": _small_json(life),
        "ending": None if ending is None else {
            "how": ending.how, "by": ending.by, "reason": ending.reason,
            "implied": ending.implied},
        "not_seen": life.partly,
        "may_have_ended": states.may_have_ended(life, end_ns),
    }


def as_json(states: States, end_ns: int | None,
            wanted: Filter = Filter()) -> dict[str, Any]:
    """Every connection, one by one, and the counts; times in ns and us."""
    end = states.gaps.ended_ns(end_ns)
    counts, unsure = states.counts(end, wanted)
    return {
        "connections": (_life_json(states, life, end)
                        for life in states.lives(wanted)),
        "forgotten": states.kept.forgotten,
        "forgotten_open": states.kept.forgotten_open,
        "counts": counts,
        "counts_unsure": unsure + states.kept.forgotten_open,
        "cookie_synacks": states.cookie_synacks,
        "resets_without_connection": states.resets_without_connection,
        **states.gaps.as_json(end_ns)}


def counts_as_json(states: States, end_ns: int | None,
                   wanted: Filter = Filter()) -> dict[str, Any]:
    """The counts alone."""
    whole = as_json(states, end_ns, wanted)
    del whole["connections"]
    return whole


# ---- for people

def _heading(life: Life, ending: Ending | None) -> list[str]:
    """Who it is and the gist of it, in one line if there is room."""
    parts = [opened_words(life.opened_by, life.opener)]
    if life.stays[0].state == LISTEN:
        parts = ["a listener" + (f" ({life.opener})" if life.opener else "")]
    parts.append(CLOSED_FIRST.get(life.closed_first_by() or "", ""))
    if ending is not None and ending.how != "closed":
        by = {US: " by us", PEER: " by the peer"}.get(ending.by or "", "")
        parts.append(ending.how + (by if ending.how == "reset" else ""))
    said = ", ".join(part for part in parts if part)
    ends = heading(life)
    whole = f"{ends}  {said}".rstrip()
    return [whole] if len(whole) <= COLUMNS else [ends, f"  {said}"]


def _stay_rows(states: States, life: Life, ending: Ending | None,
               end_ns: int) -> Iterator[tuple[str, str, str, str]]:
    for n, stay in enumerate(life.stays):
        at = states.gaps.moment(stay.began_ns)
        if stay is life.now:
            yield (at, stay.state, *last_cells(states, life, end_ns))
            continue
        took_us = states.took_us(life, stay)
        took = "?" if took_us is None else duration(took_us)
        by = states.by(life, life.stays[n + 1])
        yield at, stay.state, took, _left_by(life, n, ending, by)


def last_cells(states: States, life: Life, end_ns: int) -> tuple[str, str]:
    """How long, and what then, of the state that a connection was last seen in."""
    stay = life.now
    if life.is_over:
        return "", ""
    side = states.last_reset(life)
    if side is not None:
        return "?", RESET_THEN_FROZEN[side]
    if states.may_have_ended(life, end_ns):
        return "?", "not seen any more; its end may be lost"
    took = (f"{duration((end_ns - stay.began_ns) // 1000)}+"
            if stay.began_ns is not None else "?")
    hint = STANDING.get(stay.state, "")
    if life.small is not None and life.small.due_ns is not None:
        to_go = duration(max(0, life.small.due_ns - end_ns) // 1000)
        hint = f"{hint}; {to_go} to go" if hint else f"{to_go} to go"
    return took, "still so" + (f": {hint}" if hint else "")


def _small_words(small: SmallSock) -> list[str]:
    words = []
    if small.segments:
        again = (f", {plural(small.fins_again, 'FIN')} of the peer's again"
                 if small.fins_again else "")
        words.append(f"{plural(small.segments, 'segment')} came when only a "
                     f"small sock was left{again}")
    if small.timer_set:
        words.append(f"its time began anew {often(small.timer_set)}")
    return words


def _remarks(life: Life) -> list[str]:
    remarks = list(life.partly)
    if life.syns_again:
        remarks.append(f"SYN sent again {often(life.syns_again)}")
    if life.synacks_again and life.request_ending != "expired":
        remarks.append(
            f"SYN-ACK sent again {often(life.synacks_again)}")
    if life.small is not None:
        remarks += _small_words(life.small)
    return remarks


def _life_text(states: States, life: Life, end_ns: int) -> list[str]:
    ending = states.ending(life)
    lines = _heading(life, ending)
    rows = [(f"at ({states.gaps.moment_unit})", "state", "for", "then"),
            *_stay_rows(states, life, ending, end_ns)]
    lines += aligned(rows, right=(0,), indent=2)
    remarks = _remarks(life)
    if remarks:
        lines += note("(" + "; ".join(remarks) + ")", "  ")
    return lines


FROM_FIRST = "`at` counts from the first event of the recording, "
HOW_TO_READ = (
    "? was not seen, + means still going on. A reason with (implied) is worked out from "
    "what happened around it; others are the kernel's own words. TIME-WAIT belongs to whoever "
    "closed first and lasts 60 s on Linux. A request that was given up may have had "
    "its ACK: TCP_DEFER_ACCEPT then waits for data, as `handshakes` tells.")
HOW_TO_READ_COUNTS = (
    "As `netstat -ant` names them, all network namespaces together; SYN_RECV are "
    "half-open requests. Only connections of which an event was recorded are "
    "known here: those that stood idle all the time are not counted.")


def counts_as_text(states: States, end_ns: int | None,
                   wanted: Filter = Filter()) -> list[str]:
    """How many connections were in which state when watching ended."""
    return [*states.kept.left_out(), *_count_lines(states, end_ns, wanted)]


def _count_lines(states: States, end_ns: int | None,
                 wanted: Filter) -> list[str]:
    end = states.gaps.ended_ns(end_ns)
    counts, unsure = states.counts(end, wanted)
    if not counts:
        if next(states.lives(wanted), None) is None \
                and next(states.lives(), None) is not None:
            return [_none(states, wanted)]
        if states.kept.forgotten_open:
            return ["No connection that is kept was open at the end.",
                    *_forgotten_lines(states)]
        return ["No connection was seen." if states.gaps.frozen_throughout
                else "No connection was open at the end."]
    rows = [(NETSTAT_NAMES[state], str(count)) for state, count in counts.items()]
    lines = ["Open at the end:",
             *aligned([*rows, ("total", str(sum(counts.values())))],
                      right=(1,), indent=2)]
    if unsure:
        lines.append(f"{unsure} of these may have ended unseen.")
    lines += _forgotten_lines(states)
    return lines + note(HOW_TO_READ_COUNTS)


def _forgotten_lines(states: States) -> list[str]:
    """Those that were left out while open: are they open still?"""
    count = states.kept.forgotten_open
    if not count:
        return []
    return note(f"{plural(count, 'connection')} left out before the end may be "
                "open too, if not counted here again.")


def _none(states: States, wanted: Filter) -> str:
    others = sum(life.stays[0].state != LISTEN for life in states.lives())
    return wanted.none_seen(others)


def as_text(states: States, end_ns: int | None,
            wanted: Filter = Filter(), limit: int = 0) -> Iterator[str]:
    """So many connections' states, 0 for all of them; then the counts of all."""
    end = states.gaps.ended_ns(end_ns)
    yield from states.kept.left_out()
    if next(states.lives(wanted), None) is None:
        yield _none(states, wanted)
        return
    lives = states.lives(wanted)
    for life in islice(lives, limit or None):
        yield from _life_text(states, life, end)
        yield ""
    yield from and_more(sum(1 for _ in lives))
    yield from note(("" if states.gaps.wall_offset_ns is not None else FROM_FIRST)
                    + HOW_TO_READ)
    yield ""
    yield from _count_lines(states, end_ns, wanted)
    if states.cookie_synacks:
        yield (f"{plural(states.cookie_synacks, 'SYN-ACK')} with a SYN "
               "cookie: nothing was kept of these.")
    if states.resets_without_connection:
        yield (f"{plural(states.resets_without_connection, 'RST')} "
               "answered segments of no connection.")
