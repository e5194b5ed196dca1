# SPDX-License-Identifier: GPL-2.0
"""How connections began, or why they did not: the whole life of each request.

openings.py joins the events; here each opening gets its row, with the outcome and
the reason that outcomes.py finds, and meets its other side where both were recorded.
Of these are three tables (handshakes_text.py): the listeners, the SYN-ACKs sent again
with the waits predicted and seen, and the handshakes.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..ring.schema import Event, Schema
from ..tcp.wanted import Filter
from ..words import connection
from .gaps import Gaps
from .listeners import LeftOut, Listener, Listeners
from .opening import ACTIVE, PASSIVE, SYN_SEEN, Opening
from .openings import Openings
from .outcomes import Lacking, outcome_of, reasons_of, request_end, result_of, synacks_lost_between

EXPECTED_KINDS = ("state", "syn", "request", "synack", "synack_retransmit",
                  "refused", "completed", "accepted", "request_end",
                  "cookie_checked", "retransmit", "rto", "reset_received", "error")


@dataclass(frozen=True)
class RetransmitRow:
    """One line of the table of SYN-ACKs sent again."""

    connection: str
    netns: int
    local: str
    remote: str
    attempt: int
    by: str
    waited_us: int | None
    predicted_us: int | None
    next_wait_us: int
    request: str
    time_ns: int


@dataclass(frozen=True)
class OpeningRow:
    """One line of the table of handshakes.

    result is established, failed or not seen; outcome says more. syns_sent_again are
    ours, syns_arrived_again the peer's as far as they came.
    """

    connection: str
    netns: int
    local: str
    remote: str
    opened_by: str
    result: str
    outcome: str
    took_us: int | None
    measured: str | None
    accept_wait_us: int | None
    never_accepted: bool
    syns_sent_again: int
    syns_arrived_again: int
    synacks_sent_again: int
    cookies_sent: int
    refused: int
    why: str
    steps: list[dict[str, Any]]
    began_ns: int


class Told(NamedTuple):
    """An opening, its line of the table, what the listener saw, and what is lacking.

    synacks_lost is how many SYN-ACKs did not come; None unless both ends tell. client
    is the other end of one that the peer opened.
    """

    opening: Opening
    row: OpeningRow
    far: list[Opening]
    lacking: Lacking
    synacks_lost: int | None
    client: Opening | None

    @property
    def began_unseen(self) -> bool:
        """Whether SYNs before its first event may be missing: its client tells, too."""
        return self.opening.began_unseen or _began_unseen(self.client)


class Handshakes:
    """Feed it joined events, then ask for the tables.

    What they show can be restricted to what is wanted.
    """

    def __init__(self, schema: Schema, wanted: Filter = Filter()) -> None:
        self._schema = schema
        self._wanted = wanted
        self._openings = Openings(schema)
        self._listeners = Listeners(schema)
        self.gaps = Gaps(schema, EXPECTED_KINDS,
                         loss="connections may be missing here")

    def feed(self, event: Event) -> None:
        """The next event."""
        self.gaps.takes(event)
        self._openings.feed(event)
        self._listeners.feed(event)

    def see_segment(self, event: Event) -> None:
        """The same of a segment, where others tell of gaps."""
        self._openings.feed(event)

    @property
    def missing_kinds(self) -> list[str]:
        """What these tables are made of and was switched off."""
        return [kind for kind in self.gaps.not_recorded(*EXPECTED_KINDS)
                if kind in self._schema.kind_meanings]

    @property
    def knows_retransmits(self) -> bool:
        """Whether a SYN-ACK sent again would have been recorded."""
        return not (self.gaps.not_recorded("synack_retransmit")
                    or self.gaps.frozen_throughout)

    @property
    def forgotten(self) -> int:
        """Openings too many to keep: the first ones seen."""
        return self._openings.forgotten

    def listeners(self) -> list[Listener]:
        """Each listener's counts."""
        chosen = None
        if self._wanted.cookie is not None:
            chosen = {opening.listener for opening in self._chosen()} - {0}
        return [one for one in self._listeners.all()
                if self._wanted.includes_listener(one)
                and (chosen is None or one.cookie in chosen)]

    @property
    def listeners_left_out(self) -> LeftOut:
        """Those too many to keep."""
        return self._listeners.left_out

    def _chosen(self) -> list[Opening]:
        return list(filter(self._wanted.includes, self._openings.all()))

    def retransmits(self, end_ns: int | None = None) -> list[RetransmitRow]:
        """Every SYN-ACK sent again; end_ns is when watching ended."""
        end_ns = self.gaps.known_until_ns(end_ns)
        lacking_of = self._lacking()
        rows = []
        for opening in self._chosen():
            request = request_end(opening, end_ns, lacking_of(opening))
            for attempt in opening.attempts:
                rows.append((attempt.time_ns, RetransmitRow(
                    connection(opening.cookie), opening.netns, opening.local,
                    opening.remote, attempt.wait.attempt, attempt.wait.by,
                    attempt.wait.waited_us, attempt.wait.predicted_us,
                    attempt.wait.next_us, request, attempt.time_ns)))
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])]

    def openings(self, end_ns: int | None = None) -> list[OpeningRow]:
        """Every connection whose opening was seen, not only a retransmit."""
        tell = self.teller(end_ns)
        return [tell(opening).row for opening in self.chosen()]

    def chosen(self) -> Iterator[Opening]:
        """The openings that are rows, in the order they began."""
        return filter(_is_shown, self._chosen())

    def both_ends(self) -> int:
        """Of how many connections both ends are rows."""
        rows = list(self.chosen())
        far = set(_far_ends(rows))
        return sum(opening.opened_by == ACTIVE and _far_key(opening, ACTIVE) in far
                   for opening in rows)

    @property
    def is_of_one(self) -> bool:
        """Whether a single connection was asked for."""
        return self._wanted.cookie is not None

    def other_ends_again(self) -> dict[int, int]:
        """How many SYN-ACKs the other ends of those chosen sent again, by their ids."""
        listeners = _far_ends(self._openings.all())
        counts: Counter[int] = Counter()
        for opening in self.chosen():
            if opening.opened_by == ACTIVE and opening.snd_isn:
                for far in listeners.get(_far_key(opening, ACTIVE), []):
                    counts[far.cookie] += len(far.attempts)
        return {cookie: count for cookie, count in counts.items() if count}

    def teller(self, end_ns: int | None = None) -> Callable[[Opening], Told]:
        """What makes a row of an opening: there may be too many to have all."""
        until_ns = self.gaps.known_until_ns(end_ns)
        listeners = _far_ends(self._openings.all())
        clients = {_far_key(opening, ACTIVE): opening
                   for opening in self._openings.all()
                   if opening.opened_by == ACTIVE and opening.snd_isn}
        lacking_of = self._lacking()

        @functools.cache  # all of a client's far ends are told of it
        def synacks_lost(key: tuple[Any, ...]) -> int | None:
            client = clients[key]
            return synacks_lost_between(client, listeners.get(key, []), lacking_of(client))

        def tell(opening: Opening) -> Told:
            lacking = lacking_of(opening)
            active = opening.opened_by == ACTIVE
            key = _far_key(opening, ACTIVE if active else PASSIVE)
            far = listeners.get(key, [])
            client = clients.get(key)
            row = _row(opening, until_ns, far if active else [], lacking)
            if not active and row.measured == "SYN" and _began_unseen(client):
                row = replace(row, measured=SYN_SEEN)
            return Told(opening, row, far if active else [], lacking,
                        None if client is None else synacks_lost(key),
                        None if active else client)
        return tell

    def _lacking(self) -> Callable[[Opening], Lacking]:
        """What tells of an opening of which kinds events may be missing."""
        off = self.gaps.not_recorded(*EXPECTED_KINDS)
        always = {kind: f"{kind} was not recorded" if kind in off
                  else f"some of {kind} may be missing"
                  for kind in self.gaps.lacks(*EXPECTED_KINDS)}
        in_gap = dict.fromkeys(EXPECTED_KINDS, "events may be missing") | always
        return lambda opening: (in_gap if self.gaps.has_gap_since(opening.began_ns)
                                else always)

    def none_chosen(self) -> str:
        """What to say where there is no row."""
        if self._wanted.takes_all or any(map(_is_shown, self._chosen())):
            return "No handshake was seen."
        others = sum(map(_is_shown, self._openings.all()))
        return (self._wanted.none_seen(others) if others
                else "No handshake was seen.")


def _is_shown(opening: Opening) -> bool:
    """Not if only a retransmit was seen of it."""
    return (opening.opened_by == ACTIVE or opening.ended is not None
            or len(opening.steps) > len(opening.attempts))


def _began_unseen(client: Opening | None) -> bool:
    return client is not None and client.began_unseen


# ---- finding the other side

def _far_key(opening: Opening, side: str) -> tuple[Any, ...]:
    """Both ends and the opener's ISN, as the opener sees them."""
    _, local, local_port, remote, remote_port = opening.ends
    if side == ACTIVE:
        return (local, local_port, remote, remote_port, opening.snd_isn)
    return (remote, remote_port, local, local_port, opening.rcv_isn)


def _far_ends(openings: list[Opening]) -> dict[tuple[Any, ...], list[Opening]]:
    """Listeners' sides, to be found by the side that connected.

    There are many where a SYN sent again makes a new request each time, as the
    one before was refused or reset.
    """
    found: dict[tuple[Any, ...], list[Opening]] = {}
    for opening in openings:
        if opening.opened_by != ACTIVE:
            found.setdefault(_far_key(opening, PASSIVE), []).append(opening)
    return found


def _row(opening: Opening, end_ns: int, far: list[Opening],
         lacking: Lacking) -> OpeningRow:
    outcome = outcome_of(opening, end_ns, lacking)
    arrived = opening.opened_by == PASSIVE
    return OpeningRow(
        connection(opening.cookie), opening.netns, opening.local,
        opening.remote, opening.opened_by, result_of(outcome), outcome,
        opening.took_us, opening.measured, opening.accept_wait_us,
        opening.never_accepted and "accepted" not in lacking,
        0 if arrived else opening.syns_again, opening.syns_again if arrived else 0,
        len(opening.attempts), opening.cookies_sent, len(opening.refusals),
        "; ".join(reasons_of(opening, outcome, far, lacking, end_ns)),
        [{"after_us": (s.time_ns - opening.began_ns) // 1000,
          "what": s.words} for s in opening.steps],
        opening.began_ns)


def summary_of(rows: list[OpeningRow]) -> dict[str, dict[str, int]]:
    """Counts by outcome, for each side."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row.opened_by, Counter())[row.outcome] += 1
    return {side: dict(count.most_common()) for side, count in counts.items()}
