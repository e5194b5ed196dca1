# SPDX-License-Identifier: GPL-2.0
"""How connections began, or why they did not: the whole life of each request.

openings.py joins the events; here each opening gets its outcome and the reason,
and three tables are made: the listeners, the SYN-ACKs sent again with the waits
predicted and seen, and the handshakes.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from .gaps import Gaps
from .listeners import LeftOut, Listener, Listeners
from .openings import (ACTIVE, CLOSED, Opening, Openings, errno_words,
                       refusal_words)
from .schema import Event, Schema
from .synack_waits import DUPLICATE_SYN
from .tables import aligned, note
from .wanted import Filter
from .words import connection, duration, or_dash, plural

# What a person calls slow: longer than any round trip on this planet.
SLOW_US = 400_000

# Rows of one table that a person reads; --limit sets another number.
ROWS = 50

ECONNREFUSED, ETIMEDOUT, ECONNRESET = 111, 110, 104

UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH)

EXPECTED_KINDS = ("state", "syn", "request", "synack", "synack_retransmit",
                  "refused", "completed", "accepted", "request_end",
                  "cookie_checked", "retransmit", "reset_received", "error")

# What a listener's side must have told before its silence means anything.
LISTENER_TELLS = ("syn", "synack", "synack_retransmit", "refused")

# Kinds of which events may be missing in an opening's time, and why.
Lacking = Mapping[str, str]

ENDINGS = {"expired": "expired", "reset_by_peer": "reset by peer",
           "reset_by_us": "reset by us", "listener_gone": "listener gone"}


@dataclass(frozen=True)
class RetransmitRow:
    """One line of the table of SYN-ACKs sent again."""

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
    """One line of the table of handshakes.

    result is established, failed or not seen; outcome says more.
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
    synacks_sent_again: int
    cookies_sent: int
    refused: int
    why: str
    steps: list[dict[str, Any]]


class Told(NamedTuple):
    """An opening, its line of the table, what the listener saw, and what is lacking.

    synacks_lost is how many SYN-ACKs did not come; None unless both ends tell.
    """

    opening: Opening
    row: OpeningRow
    far: list[Opening]
    lacking: Lacking
    synacks_lost: int | None


class Handshakes:
    """Feed it joined events, then ask for the tables.

    What they show can be restricted to one port, at either end, and to one
    connection.
    """

    def __init__(self, schema: Schema, port: int | None = None,
                 cookie: int | None = None) -> None:
        self._schema = schema
        self._wanted = Filter(None, port, cookie)
        self._openings = Openings(schema)
        self._listeners = Listeners(schema)
        self.gaps = Gaps(schema, EXPECTED_KINDS,
                         loss="connections may be missing here")

    def feed(self, event: Event) -> None:
        """The next event."""
        self.gaps.takes(event)
        self._openings.feed(event)
        self._listeners.feed(event)

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
                if self._wanted.port in (None, one.port)
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
        rows = []
        for opening in self._chosen():
            request = request_end(opening, end_ns)
            for attempt in opening.attempts:
                rows.append((attempt.time_ns, RetransmitRow(
                    connection(opening.cookie), opening.netns, opening.local,
                    opening.remote, attempt.wait.attempt, attempt.wait.by,
                    attempt.wait.waited_us, attempt.wait.predicted_us,
                    attempt.wait.next_us, request)))
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])]

    def openings(self, end_ns: int | None = None) -> list[OpeningRow]:
        """Every connection whose opening was seen, not only a retransmit."""
        tell = self.teller(end_ns)
        return [tell(opening).row for opening in self.chosen()]

    def chosen(self) -> Iterator[Opening]:
        """The openings that are rows, in the order they began."""
        return filter(_is_shown, self._chosen())

    def teller(self, end_ns: int | None = None) -> Callable[[Opening], Told]:
        """What makes a row of an opening: there may be too many to have all."""
        until_ns = self.gaps.known_until_ns(end_ns)
        listeners = _far_ends(self._openings.all())
        clients = {_far_key(opening, ACTIVE): opening
                   for opening in self._openings.all()
                   if opening.opened_by == ACTIVE and opening.snd_isn}
        off = self.gaps.not_recorded(*EXPECTED_KINDS)
        always = {kind: f"{kind} was not recorded" if kind in off
                  else f"some of {kind} may be missing"
                  for kind in self.gaps.lacks(*EXPECTED_KINDS)}
        in_gap = dict.fromkeys(EXPECTED_KINDS, "events may be missing") | always

        def tell(opening: Opening) -> Told:
            lacking = (in_gap if self.gaps.has_gap_since(opening.began_ns)
                       else always)
            active = opening.opened_by == ACTIVE
            key = _far_key(opening, ACTIVE if active else "peer")
            far = listeners.get(key, [])
            return Told(
                opening, _row(opening, until_ns, far if active else [], lacking),
                far if active else [], lacking,
                _synacks_lost(clients.get(key), far, lacking))
        return tell

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


def times(count: int) -> str:
    """`once`, `3 times`."""
    return "once" if count == 1 else f"{count} times"


# ---- what became of it

def request_end(opening: Opening, end_ns: int) -> str:
    """What became of a request whose SYN-ACK was sent again, with times."""
    if not opening.attempts:
        return ""
    over_ns = opening.over_ns
    if over_ns is not None:
        after = duration(opening.since_first_us(over_ns))
        if opening.established:
            return f"established after {after}"
        words = ENDINGS.get(opening.request_ending or "", "closed")
        return f"{words} after {after}"
    last = opening.attempts[-1]
    due_ns = last.time_ns + last.wait.next_us * 1000
    if end_ns < due_ns:
        return "half-open when watching ended"
    if last.wait.is_last:
        after = duration(opening.since_first_us(due_ns))
        return f"given up after {after} (reckoned)"
    return "end not seen"


def outcome_of(opening: Opening, end_ns: int, lacking: Lacking) -> str:
    """One or two words."""
    if opening.established:
        return "established"
    if opening.opened_by == ACTIVE:
        return _active_outcome(opening, lacking)
    if opening.request_ending is not None:
        return ENDINGS.get(opening.request_ending, "ended")
    if opening.ended == CLOSED:
        return "failed"
    if opening.queued_ns is None and not opening.attempts:
        return _unqueued_outcome(opening)
    if opening.attempts:
        words = request_end(opening, end_ns)
        return ("half-open" if words.startswith("half-open") else
                "given up" if words.startswith("given up") else "not seen")
    due_us = 1_000_000  # the kernel's first wait; then we would know more
    since_ns = end_ns - (opening.synack_ns or opening.began_ns)
    return "half-open" if since_ns <= 2 * due_us * 1000 else "not seen"


def _active_outcome(opening: Opening, lacking: Lacking) -> str:
    if opening.ended is None:
        return "connecting"
    if opening.error == ECONNREFUSED or opening.reset_received:
        return "refused by RST" if opening.reset_received else "refused"
    if opening.error == ECONNRESET:
        return "given up"  # a RST would be ECONNREFUSED: tcp_disconnect()
    if not opening.error:
        return "failed" if "error" in lacking else "given up"
    return "timed out" if opening.error == ETIMEDOUT else "failed"


def _unqueued_outcome(opening: Opening) -> str:
    if opening.cookie_verdict == "valid_refused":
        return "refused"
    if opening.cookie_verdict == "invalid":
        return "cookie invalid"
    if opening.cookies_sent:
        return "cookie sent"
    return "refused" if opening.refusals else "not seen"


def _result_of(outcome: str) -> str:
    """The coarse word that programs have known from the beginning."""
    if outcome == "established":
        return outcome
    open_still = ("connecting", "half-open", "not seen", "cookie sent")
    return "not seen" if outcome in open_still else "failed"


# ---- and why

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
            found.setdefault(_far_key(opening, "peer"), []).append(opening)
    return found


def _row(opening: Opening, end_ns: int, far: list[Opening],
         lacking: Lacking) -> OpeningRow:
    outcome = outcome_of(opening, end_ns, lacking)
    return OpeningRow(
        connection(opening.cookie), opening.netns, opening.local,
        opening.remote, opening.opened_by or "", _result_of(outcome), outcome,
        opening.took_us, opening.measured, opening.accept_wait_us,
        opening.never_accepted and "accepted" not in lacking, opening.syns_again,
        len(opening.attempts), opening.cookies_sent, len(opening.refusals),
        "; ".join(_reasons(opening, outcome, far, lacking)),
        [{"after_us": (s.time_ns - opening.began_ns) // 1000,
          "what": s.words} for s in opening.steps])


def _reasons(opening: Opening, outcome: str, far: list[Opening],
             lacking: Lacking) -> list[str]:
    """Why it failed or was slow; nothing of one that went well."""
    active = opening.opened_by == ACTIVE
    reasons = (_active_reasons(opening, outcome, lacking) if active
               else _passive_reasons(opening, outcome))
    if active and far:
        reasons += _far_reasons(opening, far, lacking)
    slow_us = opening.took_us or 0
    if outcome == "established" and not reasons and slow_us >= SLOW_US:
        kind = "retransmit" if active else "synack_retransmit"
        reasons.append(
            f"why it took so long is not known: {lacking[kind]}"
            if kind in lacking else
            "nothing was sent again: the round trip itself, or the peer, took "
            "so long")
    if opening.never_accepted and "accepted" not in lacking:
        reasons.append("never accepted: its listener was closed while it "
                       "waited in the accept queue")
    accept_us = opening.accept_wait_us or 0
    if accept_us >= SLOW_US:
        reasons.append(f"then waited {duration(accept_us)} in the accept "
                       "queue: the process came late to accept()")
    return reasons


def _far_reasons(opening: Opening, far: list[Opening],
                 lacking: Lacking) -> list[str]:
    """What the listener's side, if it was recorded too, adds."""
    refusals = [refusal for one in far for refusal in one.refusals]
    if refusals:
        words = "seen at the listener: " + refusal_words(refusals)
        if opening.established and not any(one.established for one in far):
            words += "; so it is established here alone"
        return [words]
    if not opening.syns_again:
        return []
    reset = sum(one.request_ending == "reset_by_peer" for one in far)
    missing = syns_that_never_came(opening, far, lacking)
    if missing is None:
        return _reset_between(reset, reset == len(far)) if reset else []
    sent = 1 + opening.syns_again
    if missing > 0:
        words = (f"seen at the listener: {plural(missing, 'SYN')} of these "
                 "never came there")
    elif not reset:
        lost = synacks_lost(opening, far)
        words = "seen at the listener: every SYN came, " + (
            f"and {plural(lost, 'SYN-ACK')} did not come back" if lost else
            "and its answer was under way: the path is slower than the SYN's timer")
    else:
        words = f"seen at the listener: all {sent} SYNs came"
    return [words, *_reset_between(reset, reset == len(far))]


def syns_that_never_came(opening: Opening, far: list[Opening],
                         lacking: Lacking) -> int | None:
    """How many of our SYNs the listener did not see; None if nobody knows."""
    if (not far or any(one.syn_ns is None for one in far)
            or any(kind in lacking for kind in LISTENER_TELLS)):
        return None
    came = sum(1 + one.syns_again + sum(a.wait.by == DUPLICATE_SYN
                                        for a in one.attempts) for one in far)
    return max(0, 1 + opening.syns_again - came)


def synacks_lost(opening: Opening, far: list[Opening]) -> int:
    """How many SYN-ACKs did not come, where every SYN came to the listener.

    Those sent within the last round trip may have, all of them.
    """
    path_ns = min((one.syn_ns or 0) for one in far) - (opening.syn_ns or 0)
    sent = [sent_ns for one in far
            for sent_ns in (one.synack_ns, *(a.time_ns for a in one.attempts))
            if sent_ns is not None]
    if opening.over_ns is None or not opening.established:
        return len(sent)
    early = sum(sent_ns < opening.over_ns - 2 * path_ns for sent_ns in sent)
    return max(0, min(early, len(sent) - 1))


def _synacks_lost(client: Opening | None, far: list[Opening],
                  lacking: Lacking) -> int | None:
    """The same if both ends tell, and every SYN did come."""
    if client is None or syns_that_never_came(client, far, lacking) != 0:
        return None
    return synacks_lost(client, far)


def _reset_between(reset: int, is_each: bool) -> list[str]:
    """Somebody answers our SYN-ACKs in the client's name, and it asks again."""
    if not reset:
        return []
    which = "each SYN-ACK was" if is_each else (
        "1 SYN-ACK was" if reset == 1 else f"{reset} SYN-ACKs were")
    return [f"{which} answered with a RST from the client's address, which the "
            "client never sent: something between, such as a firewall, answers "
            "in its place"]


def _syn_wait_words(opening: Opening) -> str:
    waited = [w.waited_us for w in opening.syn_waits]
    known = [duration(us) for us in waited if us is not None]
    again = f"the SYN was sent again {times(opening.syns_again)}"
    waits = "waits of " if len(known) > 1 else ""
    return again + (f", after {waits}{', '.join(known)}" if known else "")


def _active_reasons(opening: Opening, outcome: str,
                    lacking: Lacking) -> list[str]:
    reasons = []
    if outcome == "refused by RST":
        reasons.append("the peer answered with a RST: nothing listens there, "
                       "or a firewall refuses")
    elif outcome == "refused":
        reasons.append("ECONNREFUSED: a RST or an ICMP message refused it")
    elif opening.error == ECONNRESET and outcome == "given up":
        reasons.append("we gave it up (SO_LINGER 0 or disconnect) (implied)")
    elif outcome == "timed out":
        reasons.append("ETIMEDOUT: no answer to "
                       f"{plural(opening.syns_again + 1, 'SYN')}: the peer is "
                       "gone, a firewall drops, or the listener is full")
    elif outcome == "failed":
        reasons.append(f"{errno_words(opening.error)}: "
                       + _why_failed(opening.error) if opening.error else
                       f"why is not known: {lacking['error']}")
    elif outcome == "given up":
        reasons.append("no error was seen: the process itself gave it up")
    if opening.syns_again:
        reasons.append(_syn_wait_words(opening))
    return reasons


def _why_failed(error: int) -> str:
    """What an error of connect() comes from."""
    if error in UNREACHABLE:
        return "no route, or a firewall answered with ICMP"
    return os.strerror(error)


def _cookie_cause(opening: Opening) -> str:
    """tcp_syncookies=1 sends cookies when there is need, 2 always."""
    if not opening.cookies_sent:
        return "its sending was not seen"
    return ("the half-open queue was full" if opening.cookie_needed else
            "the queue had room: tcp_syncookies is 2, always")


def _passive_reasons(opening: Opening, outcome: str) -> list[str]:
    reasons = []
    sent = 1 + len(opening.attempts)
    proven = any(r.last_ack for r in opening.refusals)
    if outcome in ("expired", "given up") and not proven:
        reasons.append(f"no answer to {plural(sent, 'SYN-ACK')}: the peer is "
                       "gone, its address is forged, or the way back is cut; "
                       "or its ACK came and TCP_DEFER_ACCEPT waited for data")
    elif outcome == "reset by peer":
        reasons.append("the peer answered the SYN-ACK with a RST: it gave up, "
                       "its address was forged and it never asked, or a "
                       "firewall refuses")
    elif outcome == "reset by us":
        reasons.append("a segment came that does not fit the handshake")
    elif outcome == "listener gone":
        reasons.append("the listener was closed while the request waited")
    elif outcome == "ended":
        reasons.append("an ICMP error, a lost race, or the end of the "
                       "namespace, or somebody killed it (ss -K)")
    elif outcome == "cookie sent":
        reasons.append(f"a SYN cookie was sent ({_cookie_cause(opening)}); no "
                       "ACK came back with it")
    elif outcome == "cookie invalid":
        reasons.append("the ACK that came is no cookie of ours, or too old")
    if outcome == "established" and opening.cookie_verdict == "valid":
        reasons.append(f"made from a SYN cookie ({_cookie_cause(opening)})")
    if opening.refusals:
        reasons.append(refusal_words(opening.refusals))
    if opening.attempts and outcome == "established":
        reasons.append("the SYN-ACK was sent again "
                       f"{times(len(opening.attempts))}")
    return reasons


# ---- the tables

def summary_of(rows: list[OpeningRow]) -> dict[str, dict[str, int]]:
    """Counts by outcome, for each side."""
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row.opened_by or "?", Counter())[row.outcome] += 1
    return {side: dict(count.most_common()) for side, count in counts.items()}


def as_json(handshakes: Handshakes, end_ns: int | None) -> dict[str, Any]:
    """All tables, times in microseconds."""
    rows = handshakes.openings(end_ns)
    return {
        "synack_retransmits": [asdict(row)
                               for row in handshakes.retransmits(end_ns)],
        "handshakes": [asdict(row) for row in rows],
        "summary": summary_of(rows),
        "listeners": [one.as_json() for one in handshakes.listeners()],
        "listeners_forgotten": handshakes.listeners_left_out.count,
        "forgotten": handshakes.forgotten,
        "kinds_switched_off": handshakes.missing_kinds,
        **handshakes.gaps.as_json(end_ns)}


def _time(us: int | None) -> str:
    return "-" if us is None else duration(us)


def _retransmit_table(rows: list[RetransmitRow]) -> list[str]:
    heading = ("connection", "listener", "peer", "no", "by", "waited",
               "predicted", "next", "became")
    return aligned([heading] + [
        (row.connection, row.listener, row.peer, str(row.attempt), row.by,
         _time(row.waited_us), _time(row.predicted_us),
         duration(row.next_wait_us), _became(row.request)) for row in rows])


def _became(request: str) -> str:
    """The word without the time, which the table of handshakes has."""
    return request.split(" after ")[0].removesuffix(" when watching ended")


def _since(measured: str | None) -> str:
    return {None: "-", "first SYN-ACK": "SYN-ACK",
            "SYN-ACK (first RTT sample)": "RTT"}.get(measured, measured or "-")


def _opening_table(rows: list[OpeningRow], steps: bool) -> list[str]:
    heading = ("connection", "local", "remote", "by", "outcome", "took",
               "since", "accepted")
    table = aligned([heading] + [
        (row.connection, row.local, row.remote, row.opened_by, row.outcome,
         _time(row.took_us), _since(row.measured),
         "never" if row.never_accepted else _time(row.accept_wait_us))
        for row in rows])
    lines = table[:1]
    for row, line in zip(rows, table[1:]):
        lines.append(line)
        if steps:
            lines += [f"    {duration(step['after_us']):>10}  {step['what']}"
                      for step in row.steps]
        if row.why:
            lines += note(row.why, " " * 9, "    why: ")
    return lines


def _listener_table(listeners: list[Listener]) -> list[str]:
    heading = ("listener", "address", "SYNs", "queued", "done", "expired", "reset",
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
        refused = [f"{count} {what}, {reason.replace('_', ' ')}"
                   for what, counts in (("SYN", one.refused_syns),
                                        ("last ACK", one.refused_acks))
                   for reason, count in counts.most_common()]
        if refused:
            lines += note("; ".join(refused), " " * 13, "    refused: ")
    return lines


def _cookie_counts(one: Listener) -> str:
    return f"{one.cookies_sent}/{one.cookies['valid']}/{one.cookies['invalid']}"


def _cut(lines: list[Any], limit: int) -> tuple[list[Any], list[str]]:
    """The first rows, and a word on the rest."""
    if not limit or len(lines) <= limit:
        return lines, []
    return lines[:limit], [f"... and {len(lines) - limit} more: --limit 0 "
                           "shows all, --json too"]


def _summary_lines(handshakes: Handshakes, rows: list[OpeningRow]) -> list[str]:
    lines = []
    for side, counts in summary_of(rows).items():
        who = {"us": "opened by us", "peer": "opened by the peer"}.get(
            side, "opened by whom was not seen")
        lines += note(", ".join(f"{n} {outcome}"
                                for outcome, n in counts.items()),
                      "    ", f"{sum(counts.values())} {who}: ")
    if handshakes.forgotten:
        lines.append(f"{handshakes.forgotten} earlier handshakes are in the "
                     "listeners' counts only: too many to keep")
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
    "arrived), the first SYN-ACK, or one round trip (RTT) where no more was "
    "seen. `accepted` is the wait in the accept queue, - if its end was not "
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
        lines += ["", *_retransmit_lines(again, limit)]
    elif handshakes.knows_retransmits:
        lines += ["", "No SYN-ACK was sent again."]
    lines += ["", *(_opening_lines(rows, limit, steps) if rows
                    else [handshakes.none_chosen()])]
    return lines if lines[0] else lines[1:]


def _retransmit_lines(rows: list[RetransmitRow], limit: int) -> list[str]:
    shown, more = _cut(rows, limit)
    return ["SYN-ACKs sent again:", *_retransmit_table(shown), *more,
            *note(RETRANSMIT_HELP, "  ")]


def _opening_lines(rows: list[OpeningRow], limit: int,
                   steps: bool) -> list[str]:
    shown, more = _cut(rows, limit)
    return ["Handshakes:", *_opening_table(shown, steps), *more,
            *note(OPENING_HELP, "  ")]
