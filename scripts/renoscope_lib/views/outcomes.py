# SPDX-License-Identifier: GPL-2.0
"""What became of an opening, and why it failed or was slow, in words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from errno import ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT

from ..tcp.kernel_timers import FIRST_WAIT_US, latest_us
from ..tcp.synack_waits import DUPLICATE_SYN
from ..tcp.tcp_states import CLOSED
from ..words import duration, errno_words, often, plural
from .endings import IMPLIED, NOBODY_OR_FIREWALL, OVERFLOW_RESET
from .opening import (ACTIVE, JOINED, NO_PORT, NO_SYN, PASSIVE, Opening, refusal_words)

# What a person calls slow: longer than any round trip on this planet.
SLOW_US = 400_000

UNREACHABLE = (EHOSTUNREACH, ENETUNREACH)

# What a listener's side must have told before its silence means anything.
LISTENER_TELLS = ("syn", "synack", "synack_retransmit", "refused")

# What tells how a request ended. With all of it, one without an end is half-open.
ENDS_TELL = ("completed", "request_end")

RECKONED = " (reckoned)"
NOT_JOINED = "refused by MPTCP"

BEGAN_UNSEEN = "its beginning was not seen"

# Kinds of which events may be missing in an opening's time, and why.
Lacking = Mapping[str, str]

# The timer of the SYN-ACK told so: it fired and sent nothing.
DEFERRED = "the last ACK came, and TCP_DEFER_ACCEPT waited for data"

CROSSED_RESET = ("a RST came after the peer's own SYN, which had crossed ours: it gave up, or "
                 "a firewall refuses")

OLDER = "to an older connection between the same ports"

DATA_TOO_LARGE = ("the SYN went again at once, without Fast Open's data: an ICMP message told "
                  f"that it was too large for the path{IMPLIED}")

ENDINGS = {"expired": "expired", "reset_by_peer": "reset by peer",
           "reset_by_us": "reset by us", "listener_gone": "listener gone",
           "unsent": "unsent"}


# What connect() met before it sent anything.
UNSENT = {"no local port": NO_PORT + IMPLIED, "no SYN sent": NO_SYN}


def why_again(opening: Opening) -> str:
    """Why SYNs went again that were not lost; empty if there was no such reason."""
    if opening.data_was_too_large:
        return DATA_TOO_LARGE
    count = opening.answered_otherwise
    if not count:
        return ""
    if count > 1:
        return f"{count} answers were {OLDER}: each got a RST{IMPLIED}"
    if opening.went_at_once:
        return (f"the first answer was {OLDER}: it got a RST, and the SYN went again at "
                f"once{IMPLIED}")
    return f"one answer was {OLDER}: it got a RST{IMPLIED}"


def unsent_words(opening: Opening, lacking: Lacking) -> str:
    """How many SYNs were to go again and did not, where that is certain; empty if none.

    A `rto` was followed by another one, and by no `retransmit` before it.
    """
    unsent, sent = opening.syns_unsent, opening.syns_again
    if not unsent or "rto" in lacking or "retransmit" in lacking:
        return ""
    if sent:
        return (f"{unsent} of {unsent + sent} SYNs that were to go again did not leave this "
                f"host{IMPLIED}")
    if unsent == 1:
        return f"the SYN was to go again and did not leave this host{IMPLIED}"
    return f"none of {unsent} SYNs that were to go again left this host{IMPLIED}"


def at_least(began_unseen: bool) -> str:
    """What is said behind a time, or a count of SYNs, that may be too low."""
    return " or more" if began_unseen else ""


# ---- what became of it

def request_end(opening: Opening, end_ns: int, lacking: Lacking) -> str:
    """What became of a request whose SYN-ACK was sent again, with times.

    Reckoned is an end that may have been missed: its time came with the last wait.
    """
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
    passed_us = (end_ns - last.time_ns) // 1000
    if passed_us < latest_us(last.wait.next_us) or not _may_have_ended(lacking):
        return "half-open when watching ended"
    if last.wait.is_last:
        after = duration(last.since_first_us + last.wait.next_us)
        return f"given up after {after}{RECKONED}"
    return "end not seen"


def _may_have_ended(lacking: Lacking) -> bool:
    """Whether a request without an end may have had one."""
    return any(kind in lacking for kind in ENDS_TELL)


def outcome_of(opening: Opening, end_ns: int, lacking: Lacking) -> str:
    """One or two words."""
    if opening.established:
        return "established"
    if opening.opened_by == ACTIVE:
        return _active_outcome(opening, lacking)
    if opening.request_ending == JOINED:
        return NOT_JOINED if opening.ended == CLOSED else "not seen"
    if opening.request_ending is not None:
        return ENDINGS.get(opening.request_ending, "ended")
    if opening.ended == CLOSED:
        return "failed"
    if opening.is_undecided_child:
        return _child_outcome(opening, end_ns, lacking)
    if opening.queued_ns is None and not opening.attempts:
        return _unqueued_outcome(opening)
    if opening.attempts:
        words = request_end(opening, end_ns, lacking)
        return ("half-open" if words.startswith("half-open") else
                "given up" if words.startswith("given up") else "not seen")
    if _timer_is_over(opening, end_ns) and _may_have_ended(lacking):
        return "not seen"
    return "half-open"


def _timer_is_over(opening: Opening, end_ns: int) -> bool:
    """The SYN-ACK's first one would have fired by then, and we would know more."""
    since_ns = end_ns - (opening.synack_ns or opening.began_ns)
    return since_ns > 2 * FIRST_WAIT_US * 1000


def _active_outcome(opening: Opening, lacking: Lacking) -> str:
    if opening.ended is None:
        return "not seen" if "state" in lacking else "connecting"
    if opening.error == ECONNREFUSED or opening.reset_received:
        return "refused by RST" if opening.reset_received else "refused"
    if opening.error == ECONNRESET:
        return "given up"  # a RST would be ECONNREFUSED: tcp_disconnect()
    if opening.no_syn and not opening.error:
        return "no local port" if opening.no_port else "no SYN sent"
    if not opening.error:
        return "failed" if "error" in lacking else "given up"
    return "timed out" if opening.error == ETIMEDOUT else "failed"


def _child_outcome(opening: Opening, end_ns: int, lacking: Lacking) -> str:
    """Of a Fast Open child without an end: in no half-open queue, its state tells.

    One that was closed here is in FIN-WAIT-1 for longer, but its timer sends the SYN-ACK
    again until that is answered.
    """
    if "state" in lacking:
        return "not seen"
    if opening.closed_early and not opening.attempts and _timer_is_over(opening, end_ns):
        return "not seen"
    return "half-open"


def _unqueued_outcome(opening: Opening) -> str:
    if opening.cookie_verdict == "valid_refused":
        return "refused"
    if opening.cookie_verdict == "invalid":
        return "cookie invalid"
    if opening.cookies_sent:
        return "cookie sent"
    return "refused" if opening.refusals else "not seen"


def outcome_words(outcome: str, opened_by: str) -> str:
    """The same for a person: the kernel's own word for a request is `expired`."""
    is_reckoned = outcome == "given up" and opened_by == PASSIVE
    return outcome + RECKONED if is_reckoned else outcome


def result_of(outcome: str) -> str:
    """The coarse word that programs have known from the beginning."""
    if outcome == "established":
        return outcome
    open_still = ("connecting", "half-open", "not seen", "cookie sent")
    return "not seen" if outcome in open_still else "failed"


# ---- and why

def reasons_of(opening: Opening, outcome: str, far: list[Opening],
               lacking: Lacking, end_ns: int) -> list[str]:
    """Why it failed or was slow; nothing of one that went well."""
    active = opening.opened_by == ACTIVE
    reasons = (_active_reasons(opening, outcome, lacking) if active
               else _passive_reasons(opening, outcome))
    if active and far:
        reasons += _far_reasons(opening, far, lacking, end_ns)
    slow_us = opening.took_us or 0
    if outcome == "established" and not reasons and slow_us >= SLOW_US:
        kind = "retransmit" if active else "synack_retransmit"
        reasons.append(
            f"why it took so long is not known: {lacking[kind]}"
            if kind in lacking else
            f"why it took so long is not known: {BEGAN_UNSEEN}"
            if opening.began_unseen else
            "nothing was sent again: the round trip itself, the peer, or ARP or NDP "
            "before the SYN took so long" if active else
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


def _may_be_under_way(sent_ns: int, end_ns: int) -> bool:
    """Whether what was sent may not have come yet when watching ended."""
    return end_ns - sent_ns < FIRST_WAIT_US * 1000


def _far_reasons(opening: Opening, far: list[Opening],
                 lacking: Lacking, end_ns: int) -> list[str]:
    """What the listener's side, if it was recorded too, adds."""
    refusals = [refusal for one in far for refusal in one.refusals]
    if refusals:
        words = "seen at the listener: " + refusal_words(refusals)
        if opening.established and not any(one.established for one in far) and (
                any(refusal.last_ack for refusal in refusals)
                or not _may_be_under_way(opening.over_ns or 0, end_ns)):
            words += "; so it is established here alone"
        return [words]
    if opening.syns_unanswered_before <= 0:
        return []
    reset = sum(one.request_ending == "reset_by_peer" for one in far)
    missing = syns_that_never_came(opening, far, lacking)
    if missing and opening.over_ns is None and _may_be_under_way(
            opening.syn_waits[-1].time_ns, end_ns):
        missing = missing - 1 or None
    if missing is None:
        is_each = reset == len(far) and not opening.began_unseen
        return _reset_between(reset, is_each) if reset else []
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
    if (not far or any(one.syn_ns is None for one in [opening, *far])
            or any(kind in lacking for kind in LISTENER_TELLS)):
        return None
    came = sum(1 + one.syns_again + sum(a.wait.by == DUPLICATE_SYN
                                        for a in one.attempts) for one in far)
    return max(0, opening.syns_unanswered - came)


def synacks_lost(opening: Opening, far: list[Opening]) -> int:
    """How many SYN-ACKs did not come, where every SYN came to the listener.

    Those sent within the last round trip may have, all of them.
    """
    assert opening.syn_ns is not None
    path_ns = min((one.syn_ns or 0) for one in far) - opening.syn_ns
    sent = [sent_ns for one in far
            for sent_ns in (one.synack_ns, *(a.time_ns for a in one.attempts))
            if sent_ns is not None]
    if opening.over_ns is None or not opening.established:
        return len(sent)
    early = sum(sent_ns < opening.over_ns - 2 * path_ns for sent_ns in sent)
    return max(0, min(early, len(sent) - 1))


def synacks_lost_between(client: Opening, far: list[Opening],
                         lacking: Lacking) -> int | None:
    """The same if both ends tell, and every SYN did come."""
    if syns_that_never_came(client, far, lacking) != 0:
        return None
    return synacks_lost(client, far)


def _reset_between(reset: int, is_each: bool) -> list[str]:
    """Somebody answers our SYN-ACKs in the client's name, and it asks again."""
    if not reset:
        return []
    which = "each SYN-ACK was" if is_each else (
        "1 SYN-ACK was" if reset == 1 else f"{reset} SYN-ACKs were")
    return [f"{which} answered with a RST from the client's address, and the client "
            "asked on: a firewall, at its host or between, answers in its "
            f"place{IMPLIED}"]


def _syn_wait_words(opening: Opening) -> str:
    waited = [w.waited_us for w in opening.syn_waits]
    known = [duration(us) for us in waited if us is not None]
    again = f"the SYN was sent again {often(opening.syns_again)}{at_least(opening.began_unseen)}"
    waits = "waits of " if len(known) > 1 else ""
    return again + (f", after {waits}{', '.join(known)}" if known else "")


def _active_reasons(opening: Opening, outcome: str,
                    lacking: Lacking) -> list[str]:
    unsent = unsent_words(opening, lacking)
    if outcome == "timed out" and unsent and not opening.syns_again:
        return [f"ETIMEDOUT: {unsent}"]
    reasons = _failure_reasons(opening, outcome, lacking)
    if opening.syns_again:
        reasons.append(_syn_wait_words(opening))
    return reasons + list(filter(None, (unsent, why_again(opening))))


def _failure_reasons(opening: Opening, outcome: str, lacking: Lacking) -> list[str]:
    reasons = []
    if opening.was_reset_after_crossing:
        reasons.append(CROSSED_RESET)
    elif outcome == "refused by RST":
        reasons.append(f"the peer answered with a RST: {NOBODY_OR_FIREWALL}")
    elif outcome == "refused":
        reasons.append("ECONNREFUSED: a RST or an ICMP message refused it")
    elif opening.error == ECONNRESET and outcome == "given up":
        reasons.append(f"we gave it up (SO_LINGER 0 or disconnect){IMPLIED}")
    elif outcome == "timed out":
        syns = plural(opening.syns_unanswered, "SYN") + at_least(opening.began_unseen)
        reasons.append(f"ETIMEDOUT: no answer to {syns}: the peer is "
                       "gone, a firewall drops, or the listener is full"
                       if opening.syns_unanswered else "ETIMEDOUT: no answer that fits")
    elif outcome == "failed":
        reasons.append(f"{errno_words(opening.error)}: "
                       + _why_failed(opening.error) if opening.error else
                       f"why is not known: {lacking['error']}")
    elif outcome in UNSENT:
        reasons.append(UNSENT[outcome])
    elif outcome == "given up":
        reasons.append(f"no error was seen: the process itself gave it up{IMPLIED}")
    return reasons


def _why_failed(error: int) -> str:
    """What an error of connect() comes from."""
    if error in UNREACHABLE:
        neighbour = "no answer to ARP or NDP, " if error == EHOSTUNREACH else ""
        return f"{neighbour}no route, or a firewall answered with ICMP"
    return os.strerror(error)


def _cookie_cause(opening: Opening) -> str:
    """tcp_syncookies=1 sends cookies when there is need, 2 always."""
    if not opening.cookies_sent:
        return "its sending was not seen"
    return ("the half-open queue was full" if opening.cookie_needed else
            "the queue had room: tcp_syncookies is 2, always")


PASSIVE_REASONS = {
    "reset by peer": "the peer answered the SYN-ACK with a RST: it gave up, its address "
                     "was forged and it never asked, or a firewall refuses",
    "reset by us": "a segment came that does not fit the handshake",
    "listener gone": "the listener was closed while the request waited",
    "ended": "an ICMP error, a lost race, the namespace's end, or ss -K",
    "unsent": "this host could not send its SYN-ACK again, and maybe not the first time: its "
              "output firewall, a full queue, or no route",
    NOT_JOINED: "MPTCP made no further subflow of it: too many, or a token or a proof that is "
                "not its connection's",
    "cookie invalid": "the ACK that came bears no cookie of ours, one too old, or options "
                      "that are refused",
}


def _passive_reasons(opening: Opening, outcome: str) -> list[str]:
    reasons = []
    sent = 1 + opening.synacks_again
    proven = any(r.last_ack for r in opening.refusals)
    if outcome in ("expired", "given up") and not proven:
        reasons.append(f"{DEFERRED} in vain" if opening.deferred else
                       f"no answer to {plural(sent, 'SYN-ACK')}: the peer is "
                       "gone, its address is forged, or the way back is cut")
    elif outcome == "failed" and opening.fast_open:
        why = errno_words(opening.error) if opening.error else "closed here"
        reasons.append(f"{why}, before its last ACK came")
    elif outcome == "cookie sent":
        reasons.append(f"a SYN cookie was sent ({_cookie_cause(opening)}); no "
                       "ACK came back with it")
    elif opening.was_reset_by_overflow:
        reasons.append(OVERFLOW_RESET + IMPLIED)
    elif outcome in PASSIVE_REASONS:
        reasons.append(PASSIVE_REASONS[outcome])
    if outcome == "established" and opening.cookie_verdict == "valid":
        reasons.append(f"made from a SYN cookie ({_cookie_cause(opening)})")
    if outcome == "established" and opening.deferred:
        reasons.append(DEFERRED)
    if opening.refusals:
        reasons.append(refusal_words(opening.refusals))
    elif opening.syns_again and outcome == "established":
        reasons.append(f"the client repeated its SYN {often(opening.syns_again)}")
    if opening.attempts and (outcome == "established" or opening.is_undecided_child):
        reasons.append(f"the SYN-ACK was sent again {often(opening.synacks_again)}")
    return reasons
