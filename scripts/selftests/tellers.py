# SPDX-License-Identifier: GPL-2.0
"""Ways to tell a fact of connections: by a view's rows, ladders, events or sentences.

A teller gives its word by connection, of those that it says something of. What is of the
whole recording stands under ALL.
"""

from __future__ import annotations

import functools
import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from all_told import Key, LadderEnd, Row, Told, key_of_event
from renoscope_lib.explain.finding import NUMBERS

Words = Mapping[Any, Any]
Teller = Callable[[Told], Words]

ALL = "all of it"
SHOW_NUMBERS = ("ack", "state", "retransmit", "segment")


def column(view: str, *path: str) -> Teller:
    """A value of each row of a view, by its key or keys; null is not said."""
    return of_rows(view, lambda row: functools.reduce(operator.getitem, path, row))


def of_rows(view: str, word: Callable[[Row], Any]) -> Teller:
    """What follows from each row of a view; None is not said."""
    def tell(told: Told) -> Words:
        return said({key: word(row) for key, row in told.rows(view).items()})
    return tell


def of_ladders(word: Callable[[LadderEnd], Any]) -> Teller:
    """What follows from each end's ladder; None is not said."""
    def tell(told: Told) -> Words:
        return said({key: word(end) for key, end in told.ladders.items()})
    return tell


def of_events(kind: str, count: Callable[[Row], int] = lambda event: 1) -> Teller:
    """How many events of a kind each connection has, or what they add up to."""
    def tell(told: Told) -> Words:
        found: Counter[Key] = Counter({key: 0 for key in told.rows("states")})
        for event in told.events:
            if event["kind"] == kind:
                found[key_of_event(event)] += count(event)
        return found
    return tell


def of_sentences(rule: str, pattern: str, word: Callable[..., Any]) -> Teller:
    """What a rule's sentence says, in the groups of a pattern that it fits."""
    def tell(told: Told) -> Words:
        words: dict[Key, Any] = {}
        for key, findings in told.findings.items():
            matches = [re.search(pattern, finding["sentence"]) for finding in findings
                       if finding["rule"] == rule]
            if matches and matches[0]:
                words[key] = word(*matches[0].groups())
        return words
    return tell


def whole(word: Callable[[Told], Any]) -> Teller:
    """One word on the whole recording."""
    return lambda told: {ALL: word(told)}


def said(words: Mapping[Key, Any]) -> Words:
    """What is not None."""
    return {key: word for key, word in words.items() if word is not None}


def number(word: str) -> int:
    """Of `three`, `12`, `once`."""
    times = {"once": 1, "twice": 2}
    if word in times:
        return times[word]
    return NUMBERS.index(word) if word in NUMBERS else int(word)


def marks(row: Row, what: str) -> int:
    """How often cwnd marked this."""
    return sum(mark["count"] for mark in row["marks"] if mark["what"] == what)


def of_marks(what: str) -> Teller:
    """The same of every connection."""
    return of_rows("cwnd", lambda row: marks(row, what))


def peer_of(teller: Teller, meaning: Callable[[Any], Any] = lambda word: word) -> Teller:
    """What the teller's word on the connection's other end means for this one."""
    def tell(told: Told) -> Words:
        words = teller(told)
        ends: dict[int, list[Key]] = {}
        for key, end in told.ladders.items():
            ends.setdefault(id(end.ladder), []).append(key)
        found = {}
        for pair in ends.values():
            if len(pair) == 2:
                for key, peer in (pair, reversed(pair)):
                    if peer in words:
                        found[key] = meaning(words[peer])
        return said(found)
    return tell


def listeners(*path: str) -> Teller:
    """The sum over all listeners of a count, or of a table of counts."""
    def count(told: Told) -> int:
        found = 0
        for row in told.whole("handshakes")["listeners"]:
            for name in path:
                value = row[name]
                found += sum(value.values()) if isinstance(value, dict) else value
        return found
    return whole(count)


def of_listeners(word: Callable[[Row], Any], *view: str) -> Teller:
    """What follows from each listener's row."""
    return lambda told: {key: word(row) for key, row in told.listeners(*view).items()}


def rows_sum(view: str, name: str) -> Teller:
    """The sum over a view's rows, those without an id too."""
    def total(told: Told) -> int:
        rows = told.whole(view)["handshakes" if view == "handshakes" else "connections"]
        return sum(row[name] for row in rows)
    return whole(total)


def sample(name: str) -> Teller:
    """A metric's sum over all its labels."""
    return whole(lambda told: round(sum(
        value for (named, _labels), value in told.samples.items() if named == name)))


def kind_count(*kinds: str) -> Teller:
    """How many events of these kinds were exported."""
    return whole(lambda told: sum(event["kind"] in kinds for event in told.events))


def said_healthy(pattern: str) -> Teller:
    """Whom explain finds well in this, so that a view should have none."""
    return of_sentences("healthy", pattern, lambda: 0)


def explained_cost(rule: str) -> Teller:
    """How long somebody waited, by a rule's finding."""
    def tell(told: Told) -> Words:
        return {key: finding["cost_us"] for key, findings in told.findings.items()
                for finding in findings if finding["rule"] == rule}
    return tell


def went_well(teller: Teller) -> Teller:
    """Of those whose FIN was acknowledged: top is one ACK behind where nothing follows it."""
    def tell(told: Told) -> Words:
        rows = told.rows("states")
        return {key: word for key, word in teller(told).items() if key in rows
                and {"FIN-WAIT-2", "TIME-WAIT"} & {
                    stay["state"] for stay in rows[key]["path"]}}
    return tell


# ---- of recordings that lack something

def where_on(teller: Teller, *kinds: str) -> Teller:
    """What is counted by events of these kinds, or follows from them: not where one is off."""
    def tell(told: Told) -> Words:
        return {} if told.missing.off.intersection(kinds) else teller(told)
    return tell


def where_whole(teller: Teller, *kinds: str) -> Teller:
    """The same; nor of a connection of which one was lost."""
    def tell(told: Told) -> Words:
        return {who: word for who, word in teller(told).items()
                if not told.missing.lacks(who, kinds)}
    return tell


def from_start(teller: Teller) -> Teller:
    """What is counted since a connection began: of those whose beginning was recorded."""
    def tell(told: Told) -> Words:
        return {who: word for who, word in teller(told).items() if who in told.seen_to_begin}
    return tell


def begun_between(teller: Teller) -> Teller:
    """Of segments: not where recording began behind one and before the event that counts it.

    Nor of the connection's other end.
    """
    def tell(told: Told) -> Words:
        ends = {frozenset((key.local, key.remote)) for key in told.begun_behind_a_segment}
        return {who: word for who, word in teller(told).items()
                if frozenset((who.local, who.remote)) not in ends}
    return tell


def but_straight_on(teller: Teller) -> Teller:
    """Not of who is in FIN-WAIT-1 and has the peer's FIN: it leads on to TIME-WAIT at once.

    The kernel passes through FIN-WAIT-2 then, and a ladder leaves that out.
    """
    def tell(told: Told) -> Words:
        return {who: word for who, word in teller(told).items()
                if who not in told.ladders or not told.ladders[who].leads_straight_on()}
    return tell


def but_opening(teller: Teller) -> Teller:
    """Times in states; of those whose beginning was not recorded, without its opening's.

    `states` dates that by what a SYN-ACK tells of the time before the recording; a ladder
    has only what happened in it.
    """
    def tell(told: Told) -> Words:
        return {who: stays if who in told.seen_to_begin else [
            stay for stay in stays if stay[0] not in ("SYN-SENT", "SYN-RECEIVED")]
            for who, stays in teller(told).items()}
    return tell


def if_settled(teller: Teller) -> Teller:
    """Whether it was opened: not of whose last ACK came, and who is half open yet."""
    def tell(told: Told) -> Words:
        return {who: is_open for who, is_open in teller(told).items()
                if is_open or who not in told.completed}
    return tell


def caught_up(teller: Teller, number: str, fin: int = 0) -> Teller:
    """Of those whose last ACK shows a number as their last event does: top is one ACK behind.

    With `fin` that of a FIN may lack, which the last ACK is still to acknowledge.
    """
    def tell(told: Told) -> Words:
        by_ack, last = {}, {}
        for event in told.events:
            if event["kind"] in SHOW_NUMBERS:
                key = key_of_event(event)
                last[key] = event[number]
                if event["kind"] == "ack":
                    by_ack[key] = event[number]
        return {who: word for who, word in teller(told).items()
                if who in by_ack and (last[who] - by_ack[who]) % 2**32 <= fin}
    return tell
