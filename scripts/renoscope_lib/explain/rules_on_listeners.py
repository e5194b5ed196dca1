# SPDX-License-Identifier: GPL-2.0
"""Rules on listeners: their two queues, floods, and requests that came to nothing.

A request without an end of its own is told here and not one by one: a flood makes
any number of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..views.counter_measures import counter_measures
from ..views.endings import IMPLIED
from ..views.flood_evidence import Evidence, Pressure, evidence_of
from ..views.flood_verdict import OVER, Verdict, sources_in_words, verdict_of
from ..views.listeners import Listener
from ..views.synflood import FloodWatch
from ..words import plural
from .finding import (HALF_OPEN_ROOM, NOTEWORTHY, RAISE_BACKLOG, TROUBLE, Clock, Finding, Subject,
                      capped, spelled)

HALF_OPEN = ("half_open_queue_full", "unproven_peer")


def subject_of(listener: Listener) -> Subject:
    """Whom it is about."""
    return Subject(listener.cookie, listener.netns, listener.address, "*:*",
                   is_listener=True)


def findings(floods: FloodWatch, clock: Clock) -> Iterator[Finding]:
    """Everything about the listeners."""
    cannot_tell = floods.why_not()
    pressures = floods.pressures()
    at_place: dict[tuple[int, str], list[Listener]] = {}
    for pressure in pressures:
        listener = pressure.listener
        at_place.setdefault((listener.netns, listener.address), []).append(listener)
    for pressure in pressures:
        listener = pressure.listener
        beside = [other for other in at_place[listener.netns, listener.address]
                  if other.had_room_beside(listener)] if listener.refused else []
        yield from _of_one(pressure, beside, cannot_tell, clock)


def _of_one(pressure: Pressure, beside: list[Listener], cannot_tell: str,
            clock: Clock) -> Iterator[Finding]:
    listener = pressure.listener
    subject = subject_of(listener)
    seen = evidence_of(pressure, clock.end_ns)
    yield from _accept_queue(listener, beside, subject)
    yield from _half_open(listener, subject)
    verdict = None if cannot_tell else verdict_of(seen)
    if verdict is not None and verdict.is_flood:
        yield _flood(listener, subject, seen, verdict)
        return
    yield from _cookies(listener, seen, subject)
    yield from _endings(listener, pressure.proven, subject)


def _refused(listener: Listener, *reasons: str) -> tuple[int, int]:
    return (sum(listener.refused_syns[r] for r in reasons),
            sum(listener.refused_acks[r] for r in reasons))


def _split(syns: int, acks: int) -> str:
    parts = [plural(count, what) for count, what in (
        (syns, "SYN"), (acks, "last ACK")) if count]
    return " and ".join(parts)


def _view(listener: Listener) -> str:
    return f"renoscope handshakes FILE --port {listener.port}"


def _counter_measures(listener: Listener) -> str:
    return f"renoscope synflood FILE --port {listener.port}"


def _accept_queue(listener: Listener, beside: list[Listener],
                  subject: Subject) -> Iterator[Finding]:
    """`beside` are those of the same place that had room."""
    syns, acks = _refused(listener, "accept_queue_full")
    if not syns + acks:
        return
    why = ("the program accepts too slowly, or its backlog of "
           f"{listener.limit} is too small")
    step = f"make accept() faster, or {RAISE_BACKLOG}; watch ss -ltn"
    if beside:
        why = (f"connections are unevenly spread over {1 + len(beside)} sockets "
               f"(SO_REUSEPORT){IMPLIED}, and {_others(len(beside))} had room: the process "
               "of this one accepts too slowly for its share")
        step = ("which process has this socket, and what keeps it from accept()? "
                f"ss -ltnpe 'sport = :{listener.port}'")
    yield Finding(
        "accept-queue-full", TROUBLE, subject,
        f"handshakes refused: {_split(syns, acks)} dropped, as the accept queue was full; {why}",
        "the accept queue was full",
        capped((f"accept queue: {listener.accept.peak} at most, backlog {listener.limit}",
                f"{plural(listener.completed, 'handshake')} completed, "
                f"{listener.accepted} accepted",
                *(f"beside it {other.name}: {other.accept.peak} at most, backlog "
                  f"{other.limit}, {other.accepted} accepted" for other in beside))),
        f"{step}\n{_view(listener)}")


def _others(count: int) -> str:
    return "the other" if count == 1 else f"{count} others"


def _half_open(listener: Listener, subject: Subject) -> Iterator[Finding]:
    syns, acks = _refused(listener, *HALF_OPEN)
    if syns + acks:
        why = _why_no_room(listener)
        yield Finding(
            "half-open-queue-full", TROUBLE, subject,
            f"{plural(syns, 'SYN')} dropped, as SYN cookies are off: {why}", why,
            (f"half-open queue: {listener.half_open.peak} at most, backlog "
             f"{listener.limit}, tcp_max_syn_backlog {listener.syn_backlog}",),
            f"{HALF_OPEN_ROOM}\n{_counter_measures(listener)}")
    syns, acks = _refused(listener, *{*listener.refused_syns, *listener.refused_acks}.difference(
        (*HALF_OPEN, "accept_queue_full")))
    acks -= listener.outrun
    if syns + acks:
        yield Finding(
            "refused-otherwise", TROUBLE, subject,
            f"{_split(syns, acks)} dropped for another reason: no memory, no "
            "route back, or a policy; the kernel does not say",
            "refused, the kernel does not say why", (),
            "nstat -az | grep -E 'ListenDrops|ListenOverflows'; dmesg")


def _why_no_room(listener: Listener) -> str:
    """Without cookies the last quarter is for peers known from before."""
    rest = "the rest of the half-open queue was for known peers"
    if not listener.refused_syns["half_open_queue_full"]:
        return rest
    full = "the half-open queue was full"
    return f"{full}, or its rest for known peers" if listener.refused_syns[
        "unproven_peer"] else full


def _flood(listener: Listener, subject: Subject, seen: Evidence,
           verdict: Verdict) -> Finding:
    measures = [f"{m.sysctl}: {m.now}" for m in counter_measures(listener)]
    return Finding(
        "syn-flood", NOTEWORTHY if verdict.words == OVER else TROUBLE, subject,
        f"{verdict.words}: {verdict.why}", verdict.words,
        (f"{seen.syns} SYNs, {seen.syns_per_s:.1f} a second",
         f"sources: {sources_in_words(seen, True)}", *measures),
        f"weigh each counter-measure:\n{_counter_measures(listener)}")


def _cookies(listener: Listener, seen: Evidence,
             subject: Subject) -> Iterator[Finding]:
    if not listener.cookies_sent:
        return
    full = seen.overfull
    why = ("the half-open queue was full" if full else
           "the queue had room: tcp_syncookies is 2, always")
    yield Finding(
        "syn-cookies", NOTEWORTHY, subject,
        f"{plural(listener.cookies_sent, 'SYN')} answered with a SYN cookie, as "
        f"{why}; {listener.cookies['valid']} came back valid. Options such as "
        "window scaling are kept only with timestamps", why,
        (f"half-open queue: {listener.half_open.peak} at most, backlog "
         f"{listener.limit}",
         f"cookies: {listener.cookies_sent} sent, {listener.cookies['valid']} "
         f"valid, {listener.cookies['invalid']} invalid"),
        f"more real clients at once than the backlog has room for? {RAISE_BACKLOG}" if full else
        "net.ipv4.tcp_syncookies=1 sends cookies only when needed")


def _endings(listener: Listener, proven: int,
             subject: Subject) -> Iterator[Finding]:
    expired = max(0, listener.endings["expired"] - proven)
    if expired:
        retries = listener.max_retries
        yield Finding(
            "requests-given-up", NOTEWORTHY, subject,
            f"{spelled(expired, 'handshake')} given up: no answer to up to "
            f"{plural(1 + retries, 'SYN-ACK')} (tcp_synack_retries {retries}). "
            "Those peers are gone, their addresses are forged, or the way back "
            "is cut",
            "no answer to our SYN-ACKs",
            (f"SYN-ACKs sent again: {listener.synacks_again}",
             f"{plural(listener.completed, 'handshake')} completed"),
            _view(listener) + " --steps")
    unsent = listener.endings["unsent"]
    if unsent:
        yield Finding(
            "synacks-unsent", TROUBLE, subject,
            f"{spelled(unsent, 'handshake')} given up as this host could not send its "
            "SYN-ACK again, and maybe not the first time: its output firewall, a full "
            "queue of a device, or no route back",
            "our SYN-ACKs could not be sent",
            (f"{plural(listener.completed, 'handshake')} completed",),
            "nft list ruleset; tc -s qdisc; ip route get PEER")
    reset = listener.endings["reset_by_peer"]
    if reset:
        yield Finding(
            "requests-reset", NOTEWORTHY, subject,
            f"{spelled(reset, 'handshake')} ended by a RST in answer to our "
            "SYN-ACK: the client gave up or was scanning, its address was forged, or a "
            "firewall refuses",
            "RST in answer to SYN-ACKs",
            (f"{plural(listener.completed, 'handshake')} completed",),
            _view(listener) + " --steps")
