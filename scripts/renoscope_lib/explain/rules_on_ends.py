# SPDX-License-Identifier: GPL-2.0
"""Rules on how a connection ended, and on those that hang on their way out.

States has worked out the ending and says where it is implied.  How a connect()
failed is the matter of rules_on_opening, a request's end that of its listener.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..tcp.life import BY_A_CALL, CLOSED_FIRST, PEER, US, Life, Stay, by_words
from ..tcp.tcp_states import (CLOSED, CLOSE_WAIT, CLOSING, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK,
                              SYN_RECEIVED, SYN_SENT, TIME_WAIT)
from ..views.endings import (ABORTED, DISCONNECTED, IMPLIED, KILLED, LEFT_BEHIND, NO_LINGER,
                             OUT_OF_MEMORY, RESET_REASONS, TIME_WAIT_ENDINGS, UNREAD,
                             WHY_UNKNOWN, Ending)
from ..views.losses import Flow
from ..views.pace import Sender
from ..views.states import TOLD_LATE_NS, States
from ..words import connection, often, plural
from .finding import (DOES_PEER_READ, LET_OUT, NOTEWORTHY, TROUBLE, Clock, Finding, Subject,
                      brief, look, spelled)

# A program that closes when its peer does, does it at once; one that works on
# the rest of its data takes a while.  After a minute it has forgotten.
HANGS_US = 5_000_000
FORGOTTEN_US = 60_000_000

# Longer than any round trip.
FIN_WAITS_US = 1_000_000

KEEPALIVE = RESET_REASONS["TCP_KEEPALIVE_TIMEOUT"]
AFTER_CLOSE = RESET_REASONS["TCP_ABORT_ON_DATA"]

# What ends it without an answer: TCP_USER_TIMEOUT asks for one probe only
# (tcp_keepalive_timer()).
KEEPALIVE_LIMITS = "net.ipv4.tcp_keepalive_*, or our program's TCP_USER_TIMEOUT"

# The reasons of an end, told at the other one.
AT_OTHER_END = {
    AFTER_CLOSE: "data came after it had closed",
    "the peer's FIN did not come in time": "our FIN did not come in time",
}

# A RST that our own program, or an administrator, asked for.
ASKED_FOR = frozenset((ABORTED, DISCONNECTED, KILLED, LEFT_BEHIND, NO_LINGER,
                       RESET_REASONS["TCP_ABORT_ON_LINGER"],
                       RESET_REASONS["TCP_DISCONNECT_WITH_DATA"]))

NEXT = {
    **dict.fromkeys(OUT_OF_MEMORY, (
        "nstat -az TcpExtTCPAbortOnMemory; dmesg tells which of the two; /proc/net/sockstat "
        "(orphan, mem) against sysctl net.ipv4.tcp_max_orphans net.ipv4.tcp_mem")),
    UNREAD: "read everything before close(), or shutdown(SHUT_WR) and read to "
            "the end of file",
    AFTER_CLOSE: "our program closed while the peer still sent: shutdown"
                 "(SHUT_WR) and read to the end of file before close()",
}


class Sent(NamedTuple):
    """Who sent the RST that came, where that end was recorded too, and why."""

    by: Life
    reason: str

    def words(self) -> str:
        """`its other end, sk:3, sent it: closed with unread data`."""
        return (f"its other end, {connection(self.by.cookie)}, sent it"
                + (self.reason and f": {self.reason}"))


def subject_of(life: Life) -> Subject:
    """Whom it is about."""
    return Subject(life.cookie, life.netns, life.local, life.remote,
                   life.opened_by, opener=life.opener)


def findings(states: States, life: Life, pace: Sender | None, lost: Flow | None,
             others: Sequence[Life | None], clock: Clock) -> Iterator[Finding]:
    """Everything about one connection's end; `others` may be its other one.

    None stands for one of which too little is known.
    """
    subject = subject_of(life)
    if life.stays[0].state not in (SYN_SENT, SYN_RECEIVED) or len(life.stays) > 2 \
            or life.closed_from not in (SYN_SENT, SYN_RECEIVED):
        ending = states.ending(life)
        if ending is not None:
            sent = _sent(states, life, ending, others)
            silent = _silent_end(states, life, ending, others, clock)
            if silent is not None:
                yield _reset_by_neither(life, silent, clock)
            else:
                yield from _ending(states, life, ending, pace, lost, sent, clock)
    yield from _hanging(states, life, pace, subject, clock)
    yield from _fin(states, life, pace, subject, clock)
    if life.no_room:
        yield Finding(
            "time-wait-full", NOTEWORTHY, subject,
            "there was no room for its TIME-WAIT: it was closed at once",
            "no room for TIME-WAIT", (),
            "raise net.ipv4.tcp_max_tw_buckets; nstat -az TcpExtTCPTimeWaitOverflow")


# ---- the ending

def _reason(ending: Ending) -> str:
    return ending.reason + (IMPLIED if ending.implied else "")


def _causes(ending: Ending) -> tuple[str, ...]:
    return ending.causes or (ending.reason,)


def _ending(states: States, life: Life, ending: Ending, pace: Sender | None,
            lost: Flow | None, sent: Sent | None, clock: Clock) -> Iterator[Finding]:
    subject, reason = subject_of(life), _reason(ending)
    at_ns = life.now.began_ns if life.is_over else None
    if ending.how == "reset":
        yield from _reset(life, ending, pace, sent, clock)
    elif ending.reason == KEEPALIVE:
        yield _no_answer_to_keepalives(life, reason, at_ns, clock)
    elif ending.how == "given up":
        yield _given_up(states, life, pace, lost, reason, subject, clock)
    elif ending.how == "failed":
        yield Finding(
            "failed", TROUBLE, subject,
            f"ended in {life.ended_in} by an error: {reason}",
            ending.reason, _where(life, clock),
            look("show", subject), at_ns)


def _given_up(states: States, life: Life, pace: Sender | None, lost: Flow | None,
              reason: str, subject: Subject, clock: Clock) -> Finding:
    """An error is reported to nobody if there is no socket any more.

    So one that is told in FIN-WAIT-1 is of a shutdown(), not of a close()
    (tcp_done_with_error()).
    """
    at_ns = life.now.began_ns
    if pace is not None and pace.peer_closed and life.error:
        return _given_up_at_zero(life, pace, subject, clock)
    if pace is not None and pace.unsent and life.error:
        return _given_up_unsent(life, "last", subject, clock)
    if lost is not None and lost.kept_all_here and life.error:
        return _given_up_unsent(life, "again", subject, clock)
    is_orphan = (life.closed_from in (FIN_WAIT_1, CLOSING, LAST_ACK)
                 and not life.error and not states.gaps.not_recorded("error"))
    is_heard = (not life.all_was_acknowledged
                and pace is not None and pace.heard_ns and at_ns is not None
                and at_ns - pace.heard_ns < pace.rto_us * 1000)
    return Finding(
        "orphan-given-up" if is_orphan else "timed-out", TROUBLE, subject,
        _given_up_words(life, reason, is_orphan, bool(is_heard)),
        "never acknowledged, though the peer was heard" if is_heard
        else "no answer any more", _where(life, clock),
        "is the peer still there? ping it; a firewall that forgets idle "
        f"connections?\n{look('losses', subject, '-v')}", at_ns)


def _given_up_words(life: Life, reason: str, is_orphan: bool,
                    is_heard: bool) -> str:
    if is_orphan:
        return (f"given up in {life.ended_in}, after our close(): {reason}; what "
                "was not acknowledged by then may be lost (net.ipv4.tcp_orphan_retries, or "
                "our program's TCP_USER_TIMEOUT)")
    if life.all_was_acknowledged:
        return (f"the kernel gave it up in {life.ended_in}: {reason}; what was sent was "
                "acknowledged, so most likely keepalives got no answer "
                f"({KEEPALIVE_LIMITS})")
    if is_heard:
        reason = "the peer was still heard"
    return (f"the kernel gave it up in {life.ended_in}: {reason}; what was sent "
            "last was never acknowledged (net.ipv4.tcp_retries2, or our program's "
            "TCP_USER_TIMEOUT)")


def _no_answer_to_keepalives(life: Life, reason: str, at_ns: int | None,
                             clock: Clock) -> Finding:
    asked = life.keepalives_unanswered
    seen = f", {spelled(asked, 'probe')} seen" if asked else ""
    return Finding(
        "keepalive-timeout", TROUBLE, subject_of(life),
        f"given up in {life.ended_in}: {reason}{seen} ({KEEPALIVE_LIMITS}); the peer is "
        "gone, or something on the way forgot the connection", "no answer to keepalives",
        _where(life, clock),
        "ping the peer; sysctl net.ipv4.tcp_keepalive_probes, or our program's TCP_KEEPCNT: "
        "so many end it; with its TCP_USER_TIMEOUT that time does, after one probe or more",
        at_ns)


def _given_up_unsent(life: Life, what: str, subject: Subject, clock: Clock) -> Finding:
    """The peer has nothing to do with it, as far as this host could ask it."""
    return Finding(
        "timed-out", TROUBLE, subject,
        f"the kernel gave it up in {life.ended_in} (ETIMEDOUT): what was to be sent "
        f"{what} never left this host (net.ipv4.tcp_retries2, or our program's "
        "TCP_USER_TIMEOUT)", f"what was to be sent {what} never left this host",
        _where(life, clock), f"{LET_OUT}\n{look('show', subject)}", life.now.began_ns)


def _given_up_at_zero(life: Life, pace: Sender, subject: Subject,
                      clock: Clock) -> Finding:
    """A peer that answers its probes is waited for, unless TCP_USER_TIMEOUT is set.

    (tcp_probe_timer().)
    """
    where = f"the kernel gave it up in {life.ended_in} (ETIMEDOUT)"
    if pace.answers_probes:
        return Finding(
            "timed-out", TROUBLE, subject,
            f"{where}, though the peer answered: its window stayed zero longer than "
            "our program's TCP_USER_TIMEOUT allows",
            "a zero window outlasted TCP_USER_TIMEOUT", _where(life, clock),
            f"{DOES_PEER_READ}; or a longer TCP_USER_TIMEOUT\n{look('windows', subject)}",
            life.now.began_ns)
    asked = f" to {spelled(pace.unanswered, 'probe')}" if pace.unanswered else ""
    return Finding(
        "timed-out", TROUBLE, subject,
        f"{where}: the peer's window was zero, and no answer{asked} was seen "
        "(net.ipv4.tcp_retries2, or our program's TCP_USER_TIMEOUT)",
        "no answer to probes of a zero window", _where(life, clock),
        f"is the peer still there? ping it\n{look('windows', subject)}",
        life.now.began_ns)


def _where(life: Life, clock: Clock) -> tuple[str, ...]:
    """The last states, with the time in each."""
    lines = []
    for stay in life.stays[-4:]:
        if stay.state == CLOSED:
            break
        took = "" if stay.took_us is None else f" for {brief(stay.took_us)}"
        by = by_words(stay.process) if stay.state in BY_A_CALL else ""
        lines.append(f"{clock.at(stay.began_ns)} {stay.state}{took}{by}")
    return tuple(lines)


def _reset_ns(life: Life, by_peer: bool) -> int | None:
    """When the RST came, or went."""
    reset = life.reset_received if by_peer else life.reset_sent
    return reset.time_ns if reset is not None else life.now.began_ns


def _silent_end(states: States, life: Life, ending: Ending,
                others: Sequence[Life | None], clock: Clock) -> Life | None:
    """The other end, if it is known and did not send the RST that came."""
    came = life.reset_received
    if (ending.how, ending.by) != ("reset", PEER) or came is None or not came.has_rst_flag \
            or life.ended_in == TIME_WAIT or len(others) != 1:
        return None
    other, = others
    if other is None or not states.sent_no_reset(other, came.time_ns, clock.end_ns):
        return None
    return other


def _reset_by_neither(life: Life, other: Life, clock: Clock) -> Finding:
    subject, at_ns = subject_of(life), _reset_ns(life, True)
    far = connection(other.cookie)
    return Finding(
        "reset-by-neither", TROUBLE, subject,
        f"reset in {life.ended_in} by a RST in the peer's name that its end, {far}, did not "
        f"send: something between did{IMPLIED}",
        f"in {life.ended_in}, by a RST that the peer's end did not send",
        (*_where(life, clock),
         f"{clock.at(at_ns)} RST received{_outstanding(life)}",
         f"no RST of {far} was recorded by then, nor one without a socket under its name"),
        "capture on both sides and compare (tcpdump -nvi any tcp port "
        f"{subject.service_port}): the RST's TTL tells how far it came; who sends it, a "
        "firewall that rejects (nft list ruleset, on either host), a load balancer, a NAT "
        f"or a middlebox?\n{look('show', subject)}", at_ns)


def _sent(states: States, life: Life, ending: Ending,
          others: Iterable[Life | None]) -> Sent | None:
    """The other end, if it was ended by sending a RST, and did not after this one came."""
    if ending.how != "reset" or ending.by != PEER:
        return None
    came_ns = _reset_ns(life, True)
    for other in filter(None, others):
        theirs = states.ending(other)
        if theirs is None or theirs.how != "reset" or theirs.by != US:
            continue
        sent_ns = _reset_ns(other, False)
        if (sent_ns is not None and came_ns is not None
                and sent_ns - came_ns < TOLD_LATE_NS):
            reason = AT_OTHER_END.get(theirs.reason, theirs.reason)
            return Sent(other, reason + (IMPLIED if theirs.implied else ""))
    return None


def _reset(life: Life, ending: Ending, pace: Sender | None, sent: Sent | None,
           clock: Clock) -> Iterator[Finding]:
    state, subject = life.ended_in, subject_of(life)
    if state == TIME_WAIT and ending.by == PEER:
        return  # nobody is harmed any more
    by_peer = ending.by == PEER
    read_on = pace.acked_after_fin if by_peer and pace is not None else 0
    gist = reason = _reason(ending)
    if read_on:
        gist = "the peer had shut down its sending only"
        reason = (f"{gist}, as {plural(read_on, 'byte')} that we sent after its FIN "
                  "were acknowledged")
    if sent is not None:
        gist = gist or (sent.reason and f"its other end: {sent.reason}")
        reason = "; ".join(filter(None, (reason, sent.words())))
    at_ns = _reset_ns(life, by_peer)
    if ending.reason == KEEPALIVE:
        yield _no_answer_to_keepalives(life, reason, at_ns, clock)
        return
    who = "the peer" if by_peer else "us"
    because = f": {reason}" if reason else ""
    asked = ASKED_FOR.issuperset(_causes(ending))
    yield Finding(
        "reset-by-peer" if by_peer else "reset-by-us",
        NOTEWORTHY if asked else TROUBLE, subject,
        f"reset by {who} in {state}{because}",
        f"in {state}" + (gist and f", {gist}"),
        (*_where(life, clock),
         f"{clock.at(at_ns)} RST {'received' if by_peer else 'sent' + by_words(life.now.process)}"
         f"{_outstanding(life)}"),
        _next_of_reset(life, ending, state, bool(read_on), sent), at_ns)


def _outstanding(life: Life) -> str:
    if life.reset_received is not None and life.reset_received.ours_outstanding:
        return ", with data or a FIN of ours not acknowledged"
    return ""


def _next_of_reset(life: Life, ending: Ending, state: str, read_on: bool,
                   sent: Sent | None) -> str:
    subject = subject_of(life)
    if ending.by == US:
        steps = dict.fromkeys(NEXT[cause] for cause in _causes(ending) if cause in NEXT)
        return "; or ".join(steps) or look("show", subject)
    if state == CLOSE_WAIT and not read_on and _outstanding(life):
        return ("our program wrote to a peer that had closed: read the end of "
                "file before writing")
    if sent is not None:
        return f"look at the end that sent it\n{look('explain', subject_of(sent.by))}"
    return ("did the peer's program end it (its log), or a firewall or a load balancer "
            f"between?\n{look('show', subject)}")


# ---- hanging half-closed

def _long_stay(states: States, life: Life, state: str,
               clock: Clock) -> tuple[Stay, int, bool] | None:
    """Its longest stay in a state: how long, and whether it lasts still."""
    longest = None
    for stay in life.stays:
        if stay.state != state or stay.began_ns is None:
            continue
        lasts = stay is life.now
        if lasts and states.may_have_ended(life, clock.end_ns):
            continue
        us = (clock.since_us(stay.began_ns) if lasts
              else states.took_us(life, stay)) or 0
        if longest is None or us > longest[1]:
            longest = stay, us, lasts
    return longest


def _hanging(states: States, life: Life, pace: Sender | None, subject: Subject,
             clock: Clock) -> Iterator[Finding]:
    waits = _long_stay(states, life, CLOSE_WAIT, clock)
    if waits is not None and waits[1] >= HANGS_US:
        stay, us, lasts = waits
        still = ", and still has not" if lasts else ""
        yield Finding(
            "close-wait-long",
            TROUBLE if us >= FORGOTTEN_US or lasts else NOTEWORTHY, subject,
            f"our program did not close for {brief(us)} after the peer had"
            f"{still} (CLOSE-WAIT): it sends on, or has forgotten its socket",
            "our program does not close its sockets",
            _where(life, clock),
            "which process holds it? ss -tanp state close-wait",
            stay.began_ns, us)
    waits = _long_stay(states, life, FIN_WAIT_2, clock)
    if waits is not None and waits[1] >= HANGS_US:
        stay, us, lasts = waits
        still = ", and still has not" if lasts else ""
        yield Finding(
            "fin-wait-2-long", NOTEWORTHY, subject,
            f"the peer's FIN did not come for {brief(us)} after ours{still} (FIN-WAIT-2): "
            f"its program did not close{_or_gone(pace)}{_how_left(life, stay)}",
            "the peer's FIN did not come", _where(life, clock),
            "on the peer: ss -tanp state close-wait; an orphan waits "
            "net.ipv4.tcp_fin_timeout", stay.began_ns, us)


def _or_gone(pace: Sender | None) -> str:
    """Who sends on is there; it may close its direction later."""
    return ", and sent on" if pace is not None and pace.sent_on else ", or the peer is gone"


def _how_left(life: Life, stay: Stay) -> str:
    if life.is_over and stay is life.stays[-2] \
            and stay.left_by == TIME_WAIT_ENDINGS["timer"]:
        return ("; then its time was over (net.ipv4.tcp_fin_timeout, or our program's "
                "TCP_LINGER2), and nobody waits any more")
    return ""


# ---- a FIN without its ACK

def _fin(states: States, life: Life, pace: Sender | None,
         subject: Subject, clock: Clock) -> Iterator[Finding]:
    stays = [found for state in (FIN_WAIT_1, LAST_ACK, CLOSING)
             if (found := _long_stay(states, life, state, clock)) is not None]
    if not stays:
        return
    stay, us, lasts = max(stays, key=lambda found: found[1])
    again = pace.fins_again if pace is not None else 0
    if us < FIN_WAITS_US or not again:
        return  # what it waits for may be data before it
    still = ", and still does" if lasts else ""
    yield Finding(
        "fin-unanswered", NOTEWORTHY, subject,
        f"our FIN waited {brief(us)} for its ACK{still} ({stay.state}) and was "
        f"sent again {often(again)}: it or its ACK was lost, or the peer is gone",
        "", _where(life, clock),
        look("losses", subject, "-v"), stay.began_ns, us)


def healthy_words(states: States, life: Life) -> str:
    """How it ended, of one where nothing went wrong, or nothing tells of it."""
    ending = states.ending(life)
    if ending is not None and ending.reason.startswith(WHY_UNKNOWN):
        return f"gone from {life.ended_in}: {ending.reason}"
    closed = CLOSED_FIRST.get(life.closed_first_by() or "", "closed")
    if life.is_over:
        return closed
    if life.now.state == TIME_WAIT:
        return f"{closed}, now in TIME-WAIT"
    return f"still {life.now.state}"
