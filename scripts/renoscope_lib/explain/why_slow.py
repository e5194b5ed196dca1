# SPDX-License-Identifier: GPL-2.0
"""Why an opening took its time: who did not hear whom, or which queue was full.

Both ends of a connection are here where both were recorded: then the listener's side
tells what became of each SYN, and the client's which of its ACKs left.  Lost is what
did not arrive: whether on the way or to a firewall no event tells.
"""

from __future__ import annotations

from ..tcp.synack_waits import DUPLICATE_SYN
from ..views.endings import IMPLIED
from ..views.handshakes import Told
from ..views.opening import ACTIVE, Opening, Refusal, refusal_words
from ..views.outcomes import (BEGAN_UNSEEN, DEFERRED, at_least, syns_that_never_came, unsent_words,
                              why_again)
from ..words import often
from .finding import added, brief, spelled

QUEUE_GISTS = {
    "accept_queue_full": "the listener's accept queue was full",
    "half_open_queue_full": "the listener's half-open queue was full",
    "unproven_peer": "the rest of the listener's half-open queue was for known peers",
}

OLDER_GIST = f"the peer still had an older connection{IMPLIED}"
TOO_LARGE_GIST = f"Fast Open's data was too large for the path{IMPLIED}"

UNSENT_GIST = "SYNs did not leave this host"

# All others have a timer that sends nothing, which tells.
DEFERRED_1S = "a TCP_DEFER_ACCEPT of 1 s waited for data"


def waits_us(opening: Opening) -> list[int]:
    """The waits between its SYNs, or its SYN-ACKs."""
    waits = ([wait.waited_us for wait in opening.syn_waits] if opening.opened_by == ACTIVE
             else [attempt.wait.waited_us for attempt in opening.attempts])
    return [waited_us for waited_us in waits if waited_us is not None]


def refusals_of(told: Told) -> list[Refusal]:
    """What a listener dropped of it, on this host or the other."""
    return [*told.opening.refusals,
            *(refusal for one in told.far for refusal in one.refusals)]


def queue_gist(refusals: list[Refusal]) -> str:
    """Which of the listener's queues was full; empty if none."""
    reasons = {refusal.reason for refusal in refusals}
    return next((gist for reason, gist in QUEUE_GISTS.items()
                 if reason in reasons), "")


def cause_of(told: Told) -> tuple[str, str]:
    """What made it slow: in a sentence, and in words that others may share."""
    opening = told.opening
    waits = waits_us(opening)
    waited = f" ({added(waits)})" if waits else ""
    refusals = refusals_of(told)
    for reason, gist in QUEUE_GISTS.items():
        same = [r for r in refusals if r.reason == reason]
        if same:
            after = f"; waits of {added(waits)}" if waits else ""
            after += f"; {BEGAN_UNSEEN}" if told.began_unseen else ""
            return f"{refusal_words(same)}{after}", gist
    if opening.opened_by == ACTIVE:
        unsent = unsent_words(opening, told.lacking)
        if unsent and not opening.syns_again:
            return unsent, UNSENT_GIST
        what, gist = _active_cause(told, waited)
        return "; ".join(filter(None, (what, unsent))), gist
    return _passive_cause(told, waited)


def _active_cause(told: Told, waited: str) -> tuple[str, str]:
    opening = told.opening
    again = opening.syns_again
    if not again:
        return _undisturbed(told)
    if opening.syns_unanswered_before <= 0:
        return (f"{why_again(opening)}{waited}",
                TOO_LARGE_GIST if opening.data_was_too_large else OLDER_GIST)
    if opening.began_unseen:
        return (f"the SYN was sent again {often(again)} or more{waited}: SYNs or SYN-ACKs were "
                "lost or late, or the listener dropped them, or the peer still had an older "
                f"connection; which is not known: {BEGAN_UNSEEN}", "why is not known")
    missing = syns_that_never_came(opening, told.far, told.lacking)
    if missing is None:
        unanswered = spelled(opening.syns_unanswered_before, "SYN")
        return (f"the SYN was sent again {often(again)}{waited}: "
                f"{unanswered} or their SYN-ACKs were lost or late, or the "
                "listener dropped them; "
                + ("which is not known: not all of the listener's side was seen"
                   if told.far else "which, only its own host can tell")
                + (f"; {why_again(opening)}" if why_again(opening) else ""),
                f"{unanswered} without an answer")
    if missing:
        return (f"{spelled(missing, 'SYN')} never came to the listener{waited}",
                f"{spelled(missing, 'SYN')} lost")
    lost = told.synacks_lost
    if not lost:
        return (f"the path is slower than the SYN's timer: the SYN was sent again "
                f"{often(again)}{waited} while its answer was under way",
                "a path slower than the SYN's timer")
    return (f"{spelled(lost, 'SYN-ACK')} {_were(lost)} lost{waited}; every SYN came to "
            "the listener", f"{spelled(lost, 'SYN-ACK')} lost")


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _passive_cause(told: Told, waited: str) -> tuple[str, str]:
    again = told.opening.synacks_again
    if told.opening.deferred:
        return _deferred_cause(again, waited)
    if not again:
        return _undisturbed_passive(told)
    repeated = sum(a.wait.by == DUPLICATE_SYN for a in told.opening.attempts)
    if repeated:
        why, gist = _why_repeated(told)
        return (f"the SYN-ACK was sent again {often(again)}{waited}; the client "
                f"repeated its SYN {often(repeated)}{at_least(told.began_unseen)}, so it had not "
                f"seen the SYN-ACK by then: {why}", gist)
    why, gist = _why_by_timer(told)
    return f"the SYN-ACK was sent again {often(again)}{waited}{why}", gist


def _why_by_timer(told: Told) -> tuple[str, str]:
    """Its timer sent the SYN-ACK again, and no SYN came: who did not hear whom."""
    opening = told.opening
    again = opening.synacks_again
    answer_us = _answer_came_us(told)
    first_wait_us = opening.attempts[0].since_first_us
    if answer_us is not None and answer_us < first_wait_us:
        return (f"; the client's last ACK came after {brief(answer_us)}: "
                f"{DEFERRED_1S}, or something dropped it here",
                "TCP_DEFER_ACCEPT, or the last ACK dropped here")
    had_us = _client_had_it_us(told)
    is_first = again == len(opening.attempts)  # or else those before it were not seen
    if had_us is not None and had_us < first_wait_us and is_first:
        why, gist = _why_last_ack(told)
        return f"; the client had the first one after {brief(had_us)}{why}", gist
    if told.synacks_lost:
        lost = spelled(told.synacks_lost, "SYN-ACK")
        return f": {lost} {_were(told.synacks_lost)} lost", "SYN-ACKs lost"
    either = f": {spelled(again, 'SYN-ACK')} or the client's last ACKs were lost or late"
    is_silent = answer_us is not None and answer_us > opening.attempts[-1].since_first_us
    deferred = f", or {DEFERRED_1S}" if _may_be_deferred(opening) and not is_silent else ""
    return (f"{either}{deferred}", f"SYN-ACK sent again {often(again)}")


def _why_last_ack(told: Told) -> tuple[str, str]:
    """The client had the SYN-ACK in time: what became of its answer."""
    lost = _last_acks_lost(told)
    if lost:
        return f", and its last ACK was lost {often(lost)}", "the handshake's last ACK lost"
    how = "lost or late" if lost is None else "late"
    if not _may_be_deferred(told.opening):
        return f": its last ACK was {how}", f"the last ACK {how}"
    return (f": its last ACK was {how}, or {DEFERRED_1S}",
            f"the last ACK {how}, or TCP_DEFER_ACCEPT")


def _may_be_deferred(opening: Opening) -> bool:
    """Whether the ACK may have come although its timers tell nothing.

    After 1 s the next ACK, which the SYN-ACK sent again asks for, makes the connection.
    """
    return len(opening.attempts) == 1 and not opening.fast_open


def _last_acks_lost(told: Told) -> int | None:
    """How many the client sent that never came; None if nobody knows."""
    if told.client is None or not told.client.last_acks or _answer_came_us(told) is None:
        return None
    return max(0, told.client.last_acks - told.opening.last_acks)


def _answer_came_us(told: Told) -> int | None:
    """How long after the SYN-ACK anything of the client came; None if nobody knows."""
    opening = told.opening
    if (not opening.heard_throughout or opening.answer_came_ns is None
            or opening.synack_ns is None or "synack" in told.lacking):
        return None
    return (opening.answer_came_ns - opening.synack_ns) // 1000


def _client_had_it_us(told: Told) -> int | None:
    """How long after the SYN-ACK the client was established; None if nobody knows."""
    client, synack_ns = told.client, told.opening.synack_ns
    if (client is None or not client.established or client.over_ns is None
            or synack_ns is None):
        return None
    return max(0, client.over_ns - synack_ns) // 1000


def _deferred_cause(again: int, waited: str) -> tuple[str, str]:
    """Its timers tell; when they are over, the SYN-ACK goes again to ask for data."""
    then = f"; then the SYN-ACK was sent again {often(again)}{waited}" if again else ""
    return f"{DEFERRED}{then}", "TCP_DEFER_ACCEPT waited for data"


def _why_repeated(told: Told) -> tuple[str, str]:
    if told.synacks_lost:
        return "SYN-ACKs were lost", "SYN-ACKs lost"
    if told.synacks_lost == 0:
        return ("the path is slower than the SYN's timer",
                "a path slower than the SYN's timer")
    return ("SYN-ACKs were lost, or the path is slower than the SYN's timer",
            "SYN-ACKs lost, or a slow path")


def _undisturbed(told: Told) -> tuple[str, str]:
    why = told.row.why or "nothing was sent again"
    is_unknown = "retransmit" in told.lacking or told.opening.began_unseen
    return why, "why is not known" if is_unknown else "nothing sent again"


def _undisturbed_passive(told: Told) -> tuple[str, str]:
    again = told.opening.syns_again
    if again:
        return f"the client repeated its SYN {often(again)}", "SYN repeated"
    if "synack_retransmit" in told.lacking:
        return told.row.why, "why is not known"
    if told.opening.began_unseen:
        return f"why it took so long is not known: {BEGAN_UNSEEN}", "why is not known"
    return ("nothing was sent again: the round trip itself, or the client, "
            "took so long", "nothing sent again")
