# SPDX-License-Identifier: GPL-2.0
"""What single views say of a fact, in words that can be compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from all_told import Key, LadderEnd, Row, Told, key_of
from tellers import ALL, Words, of_sentences, said

# A state, and how long it lasted in microseconds.
Stays = list[tuple[str, int]]

# Where two views count from nanoseconds.
CLOSE_US = 2


def states(row: Row) -> list[str]:
    """The states it went through."""
    return [stay["state"] for stay in row["path"]]


def stays(row: Row) -> Stays | None:
    """Each state that it left, and how long it was there, if all that is known."""
    left = [(stay["state"], stay["took_us"]) for stay in row["path"][:-1]]
    return None if any(took_us is None for _state, took_us in left) else left


def ladder_stays(end: LadderEnd) -> Stays:
    """The same by the ladder's steps."""
    steps = end.states()
    return [(step["state"], (after["time_ns"] - step["time_ns"]) // 1000)
            for step, after in zip(steps, steps[1:])]


def alike_stays(one: Stays, other: Stays) -> bool:
    """The same states, and as long in each."""
    return len(one) == len(other) and all(
        here[0] == there[0] and abs(here[1] - there[1]) <= CLOSE_US
        for here, there in zip(one, other))


def last_state(end: LadderEnd) -> str | None:
    """Where its ladder leaves it."""
    steps = end.states()
    return steps[-1]["state"] if steps else None


def time_wait(left: Stays | None) -> int | None:
    """How long it was in TIME-WAIT."""
    return next((us for state, us in left or () if state == "TIME-WAIT"), None)


def close_us(one: int, other: int) -> bool:
    """The same time, but for rounding."""
    return abs(one - other) <= CLOSE_US


def ladder_opener(end: LadderEnd) -> str | None:
    """Of SYNs that crossed both ends opened it."""
    opener = end.ladder["opened_by_end"]
    if opener is None:
        return None
    syns = {rung["from_end"] for rung in end.ladder["rungs"] if rung["flags"] == ["SYN"]}
    return "us" if opener == end.end or end.end in syns else "peer"


def _both_tell_all(end: LadderEnd) -> bool:
    return all(one["every_segment"] for one in end.ladder["ends"])


def _first_fins(ladder: Row) -> dict[int, Row]:
    fins: dict[int, Row] = {}
    for rung in ladder["rungs"]:
        if "FIN" in rung["flags"]:
            fins.setdefault(rung["from_end"], rung)
    return fins


def ladder_closer(end: LadderEnd) -> str | None:
    """Whose FIN left first; both, where each left before the other's first had come.

    Only who entered FIN-WAIT-1 can be first: where another's FIN is the first that was
    seen, recording began behind the first one.
    """
    if not _both_tell_all(end):
        return None
    fins = _first_fins(end.ladder)
    if not fins or any(None in (rung["sent_ns"], rung["received_ns"]) for rung in fins.values()):
        return None
    first = min(fins, key=lambda way: fins[way]["sent_ns"])
    if "FIN-WAIT-1" not in _ladder_states(LadderEnd(end.ladder, first)):
        return None
    other = fins.get(1 - first)
    if other is not None and other["sent_ns"] < fins[first]["received_ns"]:
        return "both"
    return "us" if first == end.end else "peer"


def segments_again(end: LadderEnd) -> int | None:
    """What it sent again, where every segment was recorded.

    A segment is told just before the kernel says that it went again: where a recording
    ends with it, there is no event to count.
    """
    if not _both_tell_all(end):
        return None
    sent = [rung for rung in end.rungs() if rung["sent_again"]]
    if sent and not end.is_heard_of_after(sent[-1]["sent_ns"] or 0):
        return None
    return sum(rung["sent_again"] for rung in end.rungs())


def _ladder_states(end: LadderEnd) -> list[str]:
    return [step["state"] for step in end.states()]


def sent_again_as(*causes: str) -> Callable[[LadderEnd], int]:
    """How many segments it sent again for one of these."""
    return lambda end: sum(rung["cause"] in causes for rung in end.rungs())


def closed_first(row: Row) -> str | None:
    """Who closed first; not known in FIN-WAIT-1, as the peer's FIN may have crossed ours."""
    return None if row["state"] == "FIN-WAIT-1" else row["closed_first_by"]


def reset_by(row: Row) -> str | None:
    """Who reset it; nobody, if it is over and did not end so."""
    ending = row["ending"]
    if ending is None:
        return None
    return str(ending["by"]) if ending["how"] == "reset" else "nobody"


RESETS = {"reset-by-us": "us", "reset-by-peer": "peer", "reset-by-neither": "peer",
          "keepalive-timeout": "us"}


def blamed_for_reset(told: Told) -> Words:
    """Of connect() that failed its opening tells; keepalives end without their RST, too."""
    words = {}
    for key, findings in told.findings.items():
        rules = {finding["rule"] for finding in findings}
        if told.missing.lacks(key, ("reset_sent",)):
            rules.discard("keepalive-timeout")
        by = [RESETS[rule] for rule in rules if rule in RESETS]
        if by or not rules & {"connect-failed", "connect-waiting", "request-unfinished"}:
            words[key] = by[0] if by else "nobody"
    over = told.rows("states")
    return {key: by for key, by in words.items()
            if key in over and over[key]["ending"] is not None
            and "TIME-WAIT" not in states(over[key])}


def opener_in_findings(told: Told) -> Words:
    """Who opened it, by what explain says of it."""
    return said({key: findings[0]["opened_by"] for key, findings in told.findings.items()})


def cwnd_told(end: LadderEnd) -> list[tuple[int, int]]:
    """Moments, and cwnd then."""
    lines = [(line["time_ns"], re.match(r"cwnd (?:\d+ -> )?(\d+)", line["text"]))
             for line in end.facts("cwnd")]
    return [(time_ns, int(found[1])) for time_ns, found in lines if found]


def is_on_line(line: list[tuple[int, int, int]], told: list[tuple[int, int]]) -> bool:
    """Whether a line of steps has what was told, each at its moment.

    A change is dated to the event before the one that shows it, so at either both fit.
    Where no ACK shows the first window, the line begins later than the connection.
    """
    return all(any(began <= moment <= ended and cwnd == value
                   for began, ended, cwnd in line)
               for moment, value in told if line[0][0] <= moment <= line[-1][1])


def after_opening(row: Row) -> int:
    """Segments sent again but for the handshake's."""
    by_cause = row["by_cause"]
    return int(row["segments_sent_again"] - by_cause["syn"] - by_cause["synack"])


def opening_timeouts(row: Row) -> int:
    """How often the timer of a SYN or a SYN-ACK fired, be it that nothing could be sent."""
    return sum(episode["what"] == "SYN" or timeout["sent_again"] in ("SYN", "SYN-ACK")
               for episode in row["episodes"] for timeout in episode["timeouts"])


def opening(left: Stays) -> int | None:
    """The time before it was open; SYNs that cross make it two states."""
    if not left or left[0][0] != "SYN-SENT":
        return None
    return sum(us for state, us in left[:2] if state in ("SYN-SENT", "SYN-RECEIVED"))


def opened_us(row: Row) -> int | None:
    """How long an active open took, by its first state."""
    left = stays(row)
    return opening(left) if left else None


def is_open(path: list[str]) -> bool:
    """Whether it ever was more than half open."""
    return not set(path) <= {"SYN-SENT", "SYN-RECEIVED", "CLOSED"}


def ladder_open(end: LadderEnd) -> bool | None:
    """The same by the states it entered; not known, where it was in another before."""
    path = _ladder_states(end)
    if is_open(path):
        return True
    return False if path and path[0] != "CLOSED" else None


# Of one whose opening was not seen, or not to its end, `handshakes` does not say.
OPENED = {"established": True, "failed": False}


def path_seen(told: Told) -> Words:
    """The states it went through, with ? those that nobody saw it enter.

    A SYN-ACK tells of SYN-RECEIVED afterwards.
    """
    return {key: [
        f"?{stay['state']}" if stay["began_ns"] is None or (
            stay["state"] == "SYN-RECEIVED" and key not in told.seen_to_begin)
        else stay["state"] for stay in row["path"]]
        for key, row in told.rows("states").items()}


def same_path(path: list[str], steps: list[str]) -> bool:
    """Whether a ladder has the same steps; what was before the first of them it may leave out."""
    before = len(path) - len(steps)
    return before >= 0 and [state.lstrip("?") for state in path[before:]] == steps and all(
        state.startswith("?") for state in path[:before])


def windows_closed(told: Told) -> Words:
    """How often a window closed, in all; not known where some may have been closed before."""
    rows = [row for row in told.whole("windows")["connections"] if any(
        row["zero_windows"].values())]
    if not {key_of(row) for row in rows} <= told.seen_to_begin:
        return {}
    return {ALL: sum(sum(row["zero_windows"].values()) for row in rows)}


# What the view may still correct is counted at a connection's end (state_times.py).
SETTLED = ("SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT")


def settled_seconds(told: Told) -> Words:
    """By state, as the metrics add them up.

    They wait for the end of a socket that may live on as a small one: where one is, only
    the states before closing are theirs yet.
    """
    found: Counter[str] = Counter()
    rows = told.whole("states")["connections"]
    may_live_on = any(row["state"] == "CLOSED" and len(row["path"]) > 1
                      and row["path"][-2]["took_us"] is None for row in rows)
    for row in rows:
        for stay in row["path"]:
            if stay["took_us"] is not None and stay["state"] != "LISTEN" and (
                    stay["state"] in SETTLED
                    or row["state"] == "CLOSED" and not may_live_on):
                found[stay["state"]] += stay["took_us"] / 1e6
    return found


def exported_causes(told: Told) -> Words:
    """Segments sent again, by cause."""
    found: Counter[str] = Counter()
    for event in told.events:
        if event["kind"] == "retransmit":
            found[event["retransmit_cause"]] += event["retransmit_segs"]
    return found


def flow_counts(told: Told) -> Words:
    """Of both ends together, by the first one's name."""
    return {key: row["segments_sent_again"] for row in told.flow_list
            for key in told.ladders if told.ladders[key].end == 0
            and told.ladders[key].ladder is told.ladder_of(row)}


def both_ends_again(told: Told) -> Words:
    """The same by losses."""
    words = {}
    rows = told.rows("losses")
    for key, end in told.ladders.items():
        if end.end == 0 and None not in (
                segments_again(LadderEnd(end.ladder, one)) for one in (0, 1)):
            both = [rows[one]["segments_sent_again"] for one, other in told.ladders.items()
                    if other.ladder is end.ladder and one in rows]
            words[key] = sum(both)
    return words


def persist_probe(event: Row) -> int:
    """Whether it asked for a window."""
    return int(event["probe_cause"] == "zero_window")


def keepalive_probe(event: Row) -> int:
    """Whether it asked for the peer."""
    return int(event["probe_cause"] == "keepalive")


def loss_probes(end: LadderEnd) -> int | None:
    """Tail loss probes in its ladder; of new data there is no word.

    The event comes behind the segment: a recording may end in between.
    """
    found = [rung for rung in end.rungs()
             if "loss_probe" in rung["marks"] or rung["cause"] == "tail loss probe"]
    if found and not end.is_heard_of_after(found[-1]["sent_ns"] or 0):
        return None
    return len(found)


def probes(end: LadderEnd) -> int:
    """Other probes."""
    return sum("probe" in rung["marks"] for rung in end.rungs())


def is_reset(event: Row) -> bool:
    """What comes after both sides closed is received as if it were a RST."""
    return event["kind"] == "reset_sent" or (
        event["kind"] == "reset_received" and "RST" in event["seg_flags"])


def seen(name: str) -> Callable[[Row], Any]:
    """Of a listener's counts in top, since watching began."""
    return lambda row: row["seen"][name]


def refused_by(row: Row) -> dict[str, int]:
    """What a listener refused, by reason."""
    return dict(Counter(row["refused_syns"]) + Counter(row["refused_last_acks"]))


def never_accepted(told: Told) -> Words:
    """Whom explain says that of."""
    return {key: any("never accepted" in finding["sentence"] for finding in findings)
            for key, findings in told.findings.items()}


HOW_LONG = {"healthy": r"(?:opened|connected) in ([^,]+?)(?:,|$)",
            "connect-slow": r"took ([^:]+):", "connect-failed": r"failed after ([^:]+):"}


def opening_in_words(told: Told) -> Words:
    """How long opening took, as explain says it; the least, where its beginning was not seen."""
    words: dict[Key, str] = {}
    for rule, pattern in HOW_LONG.items():
        words |= of_sentences(rule, pattern, lambda took: took.removesuffix(" or more"))(told)
    return words
