# SPDX-License-Identifier: GPL-2.0
"""How connections began: SYN-ACKs sent again, and how long handshakes took.

What is known of an end:

 - a request whose child reaches ESTABLISHED is told by that state event;
 - a request that is given up leaves without an event.  Its end is reckoned:
   the last wait the kernel began has passed and nothing more was seen.

How a handshake's time is measured:

 - opened actively, from CLOSED -> SYN-SENT to ESTABLISHED;
 - opened passively, the kernel makes the child at the third segment, so its
   state events say nothing of the time before.  The time since the first
   SYN-ACK comes from a retransmit of it, or without one from the first RTT
   sample, which is the time from SYN-ACK to third segment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from .flows import StateNames
from .schema import Event, Schema
from .sequence import SYN
from .synack_waits import SynackWaits, Wait
from .words import connection, duration, local_endpoint, remote_endpoint

ESTABLISHED = "ESTABLISHED"
CLOSED = "CLOSED"
ACTIVE = "us"
PASSIVE = "peer"


@dataclass
class Attempt:
    """A SYN-ACK sent again."""

    time_ns: int
    since_first_us: int
    wait: Wait


@dataclass
class Opening:
    """One connection's beginning, as far as it was seen."""

    cookie: int
    netns: int
    local: str
    remote: str
    attempts: list[Attempt] = field(default_factory=list)
    opened_by: str | None = None
    syn_sent_ns: int | None = None
    syns_again: int = 0
    ended: str | None = None
    ended_ns: int | None = None
    took_us: int | None = None
    measured: str | None = None


@dataclass(frozen=True)
class RetransmitRow:
    """One line of the first table."""

    connection: str
    netns: int
    listener: str
    peer: str
    attempt: int
    by: str
    waited_us: int | None
    predicted_us: int | None
    next_wait_us: int
    request: str


@dataclass(frozen=True)
class OpeningRow:
    """One line of the second."""

    connection: str
    netns: int
    local: str
    remote: str
    opened_by: str
    result: str
    took_us: int | None
    measured: str | None
    syns_sent_again: int
    synacks_sent_again: int


class Handshakes:
    """Feed it joined events, then ask for the tables."""

    def __init__(self, schema: Schema) -> None:
        self._states = StateNames(schema)
        self._waits = SynackWaits()
        self._openings: dict[tuple[Any, ...], Opening] = {}
        self._last_ns = 0

    def feed(self, event: Event) -> None:
        """The next event."""
        if event.kind == "lost":
            return
        self._last_ns = max(self._last_ns, event["time_ns"])
        if event.kind == "synack_retransmit":
            self._sent_again(event)
        elif event.kind == "retransmit" and event["seg_flags"] & SYN:
            opening = self._openings.get(self._key(event))
            if opening is not None:
                opening.syns_again += 1
        else:
            change = self._states.change(event)
            if change is not None:
                self._changed(event, *change)

    @staticmethod
    def _key(event: Event) -> tuple[Any, ...]:
        """The connection; one without a cookie is known by its addresses."""
        if event["cookie"]:
            return (event["cookie"],)
        return (event["netns"], event["local_addr"], event["local_port"],
                event["remote_addr"], event["remote_port"])

    def _opening(self, event: Event, new: bool = False) -> Opening:
        key = self._key(event)
        if new or key not in self._openings:
            self._openings[key] = Opening(event["cookie"], event["netns"],
                                          local_endpoint(event),
                                          remote_endpoint(event))
        return self._openings[key]

    def _sent_again(self, event: Event) -> None:
        self._opening(event).attempts.append(Attempt(
            event["time_ns"], event["since_synack_us"],
            self._waits.see(event)))

    def _changed(self, event: Event, old: str, new: str) -> None:
        if (old, new) == (CLOSED, "SYN-SENT"):
            opening = self._reopened(event)
            opening.opened_by = ACTIVE
            opening.syn_sent_ns = event["time_ns"]
        elif (old, new) == ("LISTEN", "SYN-RECEIVED"):
            # without a listener the child was not found: not a connection
            if event.listener is not None:
                self._opening(event).opened_by = PASSIVE
        elif old == "SYN-RECEIVED" or (old == "SYN-SENT"
                                       and new in (ESTABLISHED, CLOSED)):
            opening = self._opening(event)
            if opening.opened_by is None and old == "SYN-RECEIVED":
                opening.opened_by = PASSIVE
            self._ended(opening, event, new)

    def _reopened(self, event: Event) -> Opening:
        """A socket may connect again after an attempt that failed."""
        key = self._key(event)
        if key in self._openings:
            self._openings[(*key, event["time_ns"])] = self._openings.pop(key)
        return self._opening(event, new=True)

    def _ended(self, opening: Opening, event: Event, new: str) -> None:
        opening.ended = new
        opening.ended_ns = event["time_ns"]
        if opening.syn_sent_ns is not None:
            opening.took_us = (event["time_ns"] - opening.syn_sent_ns) // 1000
            opening.measured = "SYN"
        elif opening.attempts:
            opening.took_us = self._since_first_us(opening, event["time_ns"])
            opening.measured = "first SYN-ACK"
        elif new == ESTABLISHED and event["srtt_us"]:
            opening.took_us = event["srtt_us"]
            opening.measured = "SYN-ACK (first RTT sample)"

    @staticmethod
    def _since_first_us(opening: Opening, time_ns: int) -> int:
        last = opening.attempts[-1]
        return last.since_first_us + (time_ns - last.time_ns) // 1000

    def retransmits(self, end_ns: int | None = None) -> list[RetransmitRow]:
        """Every SYN-ACK sent again; end_ns is when watching ended."""
        end_ns = max(end_ns or 0, self._last_ns)
        rows = []
        for opening in self._openings.values():
            request = self._request_end(opening, end_ns)
            for attempt in opening.attempts:
                rows.append((attempt.time_ns, RetransmitRow(
                    connection(opening.cookie), opening.netns, opening.local,
                    opening.remote, attempt.wait.attempt, attempt.wait.by,
                    attempt.wait.waited_us, attempt.wait.predicted_us,
                    attempt.wait.next_us, request)))
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])]

    def _request_end(self, opening: Opening, end_ns: int) -> str:
        if not opening.attempts:
            return ""
        if opening.ended is not None and opening.ended_ns is not None:
            after = duration(self._since_first_us(opening, opening.ended_ns))
            if opening.ended == CLOSED:
                return f"closed after {after}"
            return f"established after {after}"
        last = opening.attempts[-1]
        due_ns = last.time_ns + last.wait.next_us * 1000
        if end_ns < due_ns:
            return "half-open when watching ended"
        if last.wait.is_last:
            after = duration(self._since_first_us(opening, due_ns))
            return f"given up after {after} (reckoned)"
        return "end not seen"

    def openings(self) -> list[OpeningRow]:
        """Every connection whose opening has state events."""
        return [self._row(opening) for opening in self._openings.values()
                if opening.opened_by is not None]

    @staticmethod
    def _row(opening: Opening) -> OpeningRow:
        result = {None: "not seen", CLOSED: "failed"}.get(opening.ended,
                                                          "established")
        return OpeningRow(
            connection(opening.cookie), opening.netns, opening.local,
            opening.remote, opening.opened_by or "", result, opening.took_us,
            opening.measured, opening.syns_again, len(opening.attempts))


def as_json(handshakes: Handshakes, end_ns: int | None) -> dict[str, Any]:
    """Both tables, times in microseconds."""
    return {
        "synack_retransmits": [asdict(row)
                               for row in handshakes.retransmits(end_ns)],
        "handshakes": [asdict(row) for row in handshakes.openings()],
    }


def _time(us: int | None) -> str:
    return "-" if us is None else duration(us)


def _aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    table = list(rows)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths))
            .rstrip() for row in table]


def _retransmit_table(rows: list[RetransmitRow]) -> list[str]:
    heading = ("connection", "listener", "peer", "attempt", "by", "waited",
               "predicted", "next wait", "the request")
    return _aligned([heading] + [
        (row.connection, row.listener, row.peer, str(row.attempt), row.by,
         _time(row.waited_us), _time(row.predicted_us),
         duration(row.next_wait_us), row.request) for row in rows])


def _opening_table(rows: list[OpeningRow]) -> list[str]:
    heading = ("connection", "local", "remote", "opened by", "result", "took",
               "since", "SYNs again", "SYN-ACKs again")
    return _aligned([heading] + [
        (row.connection, row.local, row.remote, row.opened_by, row.result,
         _time(row.took_us), row.measured or "-", str(row.syns_sent_again),
         str(row.synacks_sent_again)) for row in rows])


def as_text(handshakes: Handshakes, end_ns: int | None) -> list[str]:
    """Both tables for people."""
    lines = []
    retransmits = handshakes.retransmits(end_ns)
    if retransmits:
        lines += ["SYN-ACKs sent again:", *_retransmit_table(retransmits)]
    else:
        lines.append("No SYN-ACK was sent again.")
    openings = handshakes.openings()
    if openings:
        lines += ["", "Handshakes:", *_opening_table(openings)]
    else:
        lines += ["", "No handshake was seen."]
    return lines
