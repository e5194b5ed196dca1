# SPDX-License-Identifier: GPL-2.0
"""Rules on how a connection began: slow, failed, or left waiting for accept().

Handshakes has found the outcome and the reason of each opening; why_slow.py lays
the loss of time to what caused it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..tcp.life import PEER, US, Life
from ..views.endings import IMPLIED, NOBODY_OR_FIREWALL
from ..views.handshakes import Told
from ..views.opening import ACTIVE, Opening, Refusal, refusal_words
from ..views.outcomes import (CROSSED_RESET, SLOW_US, UNSENT, at_least, outcome_words,
                              unsent_words, why_again)
from ..views.states import States
from ..words import errno_words
from .finding import (HALF_OPEN_ROOM, LET_OUT, NOTEWORTHY, RAISE_BACKLOG, TROUBLE, Clock, Finding,
                      Subject, added, brief, capped, look, spelled)
from .rules_on_ends import subject_of as subject_of_life
from .why_slow import OLDER_GIST, UNSENT_GIST, cause_of, queue_gist, refusals_of, waits_us

# Lost time that nobody overlooks: the first SYN's own timer is of 1 s.
TROUBLE_US = 900_000

# A first RTO as long is no path's: it is 3 times the first round trip.
SWOLLEN_RTO_US = 3 * TROUBLE_US

FAILURES = {
    "refused by RST": f"refused by a RST: {NOBODY_OR_FIREWALL}",
    "refused": "refused (ECONNREFUSED): by a RST or an ICMP message",
    "timed out": "no answer at all (ETIMEDOUT)",
    "given up": f"given up by our own process before an answer came{IMPLIED}",
    **UNSENT,
}

NEXT = {
    "refused by RST": "is the server running? on it: ss -ltn",
    "refused": "is the server running? on it: ss -ltn; firewall: nft list ruleset",
    "timed out": "record on the server too: do the SYNs come there?",
    "misfits": "on the peer: which connection has these ports? ss -tan; and does a firewall "
               "drop our RSTs?",
    "failed": "ip route get ADDRESS; ip neigh; does a firewall answer with ICMP?",
    "no local port": "sysctl net.ipv4.ip_local_port_range; who holds them? ss -tan state "
                     "time-wait | wc -l; ss -s",
    "no SYN sent": "is the port in use? ss -tan; ip route get ADDRESS",
}


def subject_of(told: Told) -> Subject:
    """Whom an opening is about."""
    opening = told.opening
    by = US if opening.opened_by == ACTIVE else PEER
    return Subject(opening.cookie, opening.netns, opening.local,
                   opening.remote, by)


def findings(told: Told, still_opens: bool, clock: Clock) -> Iterator[Finding]:
    """Everything about one connection's beginning.

    What is not over may be over unseen, but where it is known to open still.
    """
    active = told.opening.opened_by == ACTIVE
    result = told.row.result
    if result == "established":
        yield from _slow(told, clock)
        yield from _accept_wait(told, clock)
    elif active and result == "failed":
        yield _failed(told, clock)
    elif active:
        yield from _waiting(told, still_opens, clock)
    elif told.opening.fast_open and told.row.why:
        yield from unfinished(told, clock)


def unfinished(told: Told, clock: Clock) -> Iterator[Finding]:
    """One request that came to nothing; several are the listener's matter."""
    if told.opening.opened_by == ACTIVE or told.row.result == "established":
        return
    reason = told.row.why or "what became of it was not seen"
    outcome = outcome_words(told.row.outcome, told.row.opened_by)
    yield Finding(
        "request-unfinished", NOTEWORTHY, subject_of(told),
        f"the peer's handshake was not finished ({outcome}): {reason}",
        outcome, _steps(told.opening, clock),
        look("handshakes", subject_of(told), "--steps"),
        told.opening.began_ns)


def _steps(opening: Opening, clock: Clock) -> tuple[str, ...]:
    return capped(f"{clock.at(step.time_ns)} {step.words}"
                  for step in opening.steps)


# ---- slow

def _was_disturbed(opening: Opening) -> bool:
    return bool(opening.syns_again or opening.attempts or opening.refusals)


def _slow(told: Told, clock: Clock) -> Iterator[Finding]:
    opening, took_us = told.opening, told.row.took_us or 0
    if not _was_disturbed(opening) and took_us < SLOW_US:
        return
    what, gist = cause_of(told)
    what += _swollen_rto(opening)
    who = "connect()" if opening.opened_by == ACTIVE else "the handshake"
    subject = subject_of(told)
    yield Finding(
        "connect-slow",
        TROUBLE if took_us >= TROUBLE_US and _was_disturbed(opening)
        else NOTEWORTHY, subject,
        f"{who} took {brief(took_us)}{at_least(told.began_unseen)}: {what}"
        if told.row.took_us is not None
        else f"{who}: {what}",
        gist, _steps(opening, clock), _next_of_slow(told, subject),
        opening.began_ns, took_us)


def _swollen_rto(opening: Opening) -> str:
    """With timestamps the first round trip is the whole wait, and the RTO follows.

    Without them there is none, and the RTO is 3 s (tcp_init_metrics()).
    """
    rto_us = opening.first_rto_us
    if opening.opened_by == ACTIVE or not opening.attempts or rto_us < SWOLLEN_RTO_US:
        return ""
    if not opening.first_rtt_us:
        return f". No round trip was measured, so the RTO stands at {brief(rto_us)}"
    return (". The whole time was taken for the first round trip, so the RTO stands at "
            f"{brief(rto_us)}: the next loss may cost as much")


def _waits(opening: Opening) -> str:
    waits = waits_us(opening)
    return f" ({added(waits)})" if waits else ""


def _next_of_slow(told: Told, subject: Subject) -> str:
    return _next_of_queue(told) or look("handshakes", subject, "--steps")


def _next_of_queue(told: Told) -> str:
    """What helps against a full queue; empty if none was."""
    reasons = {refusal.reason for refusal in refusals_of(told)}
    if "accept_queue_full" in reasons:
        return f"let the program accept() faster, or {RAISE_BACKLOG}; on the server: ss -ltn"
    if reasons & {"half_open_queue_full", "unproven_peer"}:
        return HALF_OPEN_ROOM
    return ""


# ---- failed, or not over

def _failed(told: Told, clock: Clock) -> Finding:
    opening, outcome = told.opening, told.row.outcome
    words = (CROSSED_RESET if opening.was_reset_after_crossing
             else FAILURES.get(outcome) or _error_words(told))
    if why_again(opening):
        fits = "" if opening.syns_unanswered else " that fits"
        words = f"{words.replace(' at all', fits)}; {why_again(opening)}"
    if _unsent(told):
        words = f"{'ETIMEDOUT' if _is_silent(told) else words}; {_unsent(told)}"
    if opening.syns_again:
        words += (f"; the SYN was sent {1 + opening.syns_again} times"
                  f"{at_least(opening.began_unseen)}{_waits(opening)}")
    refusals = refusals_of(told)
    if refusals:
        words += f"; {refusal_words(refusals)}"
    after = ("" if told.row.took_us is None
             else f" after {brief(told.row.took_us)}{at_least(opening.began_unseen)}")
    quietly = (not opening.error and not opening.syns_again
               and outcome in ("given up", "failed", "no SYN sent"))
    what = "came to nothing" if outcome == "no SYN sent" else "failed"
    subject = subject_of(told)
    return Finding(
        "connect-failed", NOTEWORTHY if quietly else TROUBLE, subject,
        f"connect() {what}{after}: {words}",
        UNSENT_GIST if _is_silent(told) else _gist_of_failure(outcome, opening, refusals),
        (*_why(told), *_steps(opening, clock)),
        _next_of_failure(told, subject),
        opening.began_ns, told.row.took_us or 0)


def _unsent(told: Told) -> str:
    return unsent_words(told.opening, told.lacking)


def _is_silent(told: Told) -> bool:
    """Whether the peer was asked nothing, as far as is known: no SYN was seen to go again."""
    return (bool(_unsent(told)) and not told.opening.syns_again
            and told.row.outcome in ("timed out", "connecting"))


def _next_of_failure(told: Told, subject: Subject) -> str:
    if _next_of_queue(told):
        return _next_of_queue(told)
    outcome = told.row.outcome
    if outcome == "timed out" and _unsent(told):
        return LET_OUT
    if outcome == "timed out" and not told.opening.syns_unanswered:
        return NEXT["misfits"]
    is_known = ((outcome != "failed" or told.opening.error)
                and not told.opening.was_reset_after_crossing)
    return (NEXT.get(outcome, "") if is_known else "") or look(
        "handshakes", subject, "--steps")


def _error_words(told: Told) -> str:
    if told.opening.error:
        return errno_words(told.opening.error)
    return f"why is not known, as {told.lacking['error']}"


def _why(told: Told) -> tuple[str, ...]:
    """What the listener's side adds."""
    return (f"why: {told.row.why}",) if told.far and told.row.why else ()


def _gist_of_failure(outcome: str, opening: Opening,
                     refusals: list[Refusal]) -> str:
    if queue_gist(refusals):
        return queue_gist(refusals)
    if outcome == "failed":
        return errno_words(opening.error) if opening.error else "why is not known"
    no_answer = "no answer" if opening.syns_unanswered else "no answer that fits"
    return {"timed out": no_answer, "refused": "refused by RST or ICMP"
            }.get(outcome, outcome)


def _waiting(told: Told, still_opens: bool, clock: Clock) -> Iterator[Finding]:
    opening = told.opening
    if not (opening.syns_again or _unsent(told)) or opening.ended is not None:
        return
    if not still_opens:
        if opening.syns_again:
            yield _waited_at_least(told, clock)
        return
    since_us = clock.since_us(opening.began_ns) or 0
    waited = f"{brief(since_us)}{at_least(opening.began_unseen)}"
    subject = subject_of(told)
    yield Finding(
        "connect-waiting", TROUBLE if since_us >= TROUBLE_US else NOTEWORTHY, subject,
        f"connect() has waited {waited} when watching ended: "
        f"{_why_waiting(told, opening.syns_unanswered)}",
        queue_gist(refusals_of(told)) or (
            UNSENT_GIST if _is_silent(told) else "no answer yet"), _steps(opening, clock),
        LET_OUT if _is_silent(told) else _next_of_slow(told, subject),
        opening.began_ns, since_us)


def _why_waiting(told: Told, unanswered: int, when: str = "") -> str:
    opening = told.opening
    count = f"{spelled(unanswered, 'SYN')}{at_least(opening.began_unseen)}"
    asked = unanswered and not _is_silent(told)
    said = (f"no answer to {count}{when}{_waits(opening)}" if asked else "",
            _unsent(told), why_again(opening), refusal_words(refusals_of(told)))
    return "; ".join(filter(None, said))


def _waited_at_least(told: Told, clock: Clock) -> Finding:
    """That the SYN was sent again is certain; not that it waits still."""
    opening, subject = told.opening, subject_of(told)
    last_ns = opening.syn_waits[-1].time_ns
    waited_us = clock.since_us(opening.began_ns, last_ns) or 0
    unanswered = opening.syns_unanswered_before
    gist = f"{spelled(unanswered, 'SYN')} without an answer" if unanswered else OLDER_GIST
    return Finding(
        "connect-slow", TROUBLE if waited_us >= TROUBLE_US else NOTEWORTHY, subject,
        f"connect() waited {brief(waited_us)} or more: "
        f"{_why_waiting(told, unanswered, ' by then')}; what came of it was not seen",
        queue_gist(refusals_of(told)) or gist,
        _steps(opening, clock), _next_of_slow(told, subject),
        opening.began_ns, waited_us)


# ---- after it

def _accept_wait(told: Told, clock: Clock) -> Iterator[Finding]:
    opening, row = told.opening, told.row
    subject = subject_of(told)
    if row.never_accepted:
        yield Finding(
            "never-accepted", NOTEWORTHY, subject,
            "never accepted: its listener was closed while it waited in the "
            "accept queue", "", _steps(opening, clock),
            look("handshakes", subject, "--steps"), opening.completed_ns)
    waited_us = row.accept_wait_us or 0
    if waited_us >= SLOW_US:
        yield Finding(
            "accept-slow", TROUBLE if waited_us >= TROUBLE_US else NOTEWORTHY,
            subject, f"the connection stood ready for {brief(waited_us)} in the "
            "accept queue: our program came late to accept()",
            "the program was late to accept()",
            (f"{clock.at(opening.completed_ns)} {_complete(opening)}",
             f"{clock.at(opening.accepted_ns)} accepted"),
            "what keeps the program from accept()? on the server: ss -ltn",
            opening.completed_ns, waited_us)


def _complete(opening: Opening) -> str:
    return ("in the accept queue by Fast Open" if opening.fast_open
            else "handshake complete")


def still_waiting(told: Told, clock: Clock) -> Iterator[Finding]:
    """It stood in the accept queue when watching ended; whoever asks is sure."""
    opening = told.opening
    waited_us = clock.since_us(opening.completed_ns) or 0
    if (opening.completed_ns is None or opening.accepted_ns is not None
            or opening.never_accepted or waited_us < SLOW_US):
        return
    yield Finding(
        "accept-slow", TROUBLE if waited_us >= TROUBLE_US else NOTEWORTHY,
        subject_of(told), f"has waited {brief(waited_us)} in the accept queue when "
        "watching ended: our program does not accept() it",
        "the program does not accept()",
        (f"{clock.at(opening.completed_ns)} {_complete(opening)}",),
        "what keeps the program from accept()? on the server: ss -ltn",
        opening.completed_ns, waited_us)


def kept_out(states: States, life: Life, clock: Clock) -> Iterator[Finding]:
    """A new connection could not begin, as this one's TIME-WAIT stood in its place."""
    small = states.kept_out(life, clock.end_ns)
    if small is None or small.syns_kept_ns is None:
        return
    count, (first_ns, last_ns) = small.syns_kept, small.syns_kept_ns
    subject = subject_of_life(life)
    left_us = max(0, (small.due_ns or 0) - last_ns) // 1000
    left = f", which had {brief(left_us)} left" if left_us else ""
    yield Finding(
        "time-wait-kept-syn", TROUBLE if count > 1 else NOTEWORTHY, subject,
        f"{spelled(count, 'SYN')} of a new connection from {life.remote} met this one's "
        f"TIME-WAIT{left}, and {'was' if count == 1 else 'were'} not taken: "
        f"{_why_kept_out(count, small.syns_older)}",
        "TIME-WAIT stood in its place",
        (f"{clock.at(first_ns)} the first SYN, {clock.at(last_ns)} the last; TIME-WAIT went on",
         f"{small.syns_older} of {count} with an ISN that is not newer than what had come"),
        "do several hosts share the peer's address (NAT), or does it choose its ports anew so "
        "soon? do its RSTs come through the firewall? ss -tano state time-wait\n"
        f"{look('show', subject)}", first_ns, (last_ns - first_ns) // 1000)


def _why_kept_out(count: int, older: int) -> str:
    """tcp_timewait_state_process() says no word; what is newer by its ISN fails otherwise."""
    by_isn = "neither the ISN nor a timestamp is newer than what this one had received"
    by_time = "the timestamp is older than this one's last, or nobody listens there any more"
    return by_isn if older == count else by_time if not older else f"{by_isn}, or {by_time}"


def healthy_words(told: Told) -> str:
    """How it began, of one where nothing went wrong."""
    took_us = told.row.took_us
    if took_us is None or told.row.result != "established":
        return ""
    what = "connected" if told.opening.opened_by == ACTIVE else "opened"
    return f"{what} in {brief(took_us)}{at_least(told.began_unseen)}"
