# SPDX-License-Identifier: GPL-2.0
"""How a connection came to its end, and why.

Why a connection was reset is told by the kernel only from 6.10 on, and only by
whoever sends the RST.  Otherwise it is inferred from what happened around it, and
says so: "(implied)".  What was not seen is called unseen, never guessed.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from ..tcp.life import LEFT_BY, PEER, US, Life, Reset
from ..tcp.tcp_states import (CLOSED, CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2,
                              LAST_ACK, LISTEN, SYN_RECEIVED, SYN_SENT)
from ..words import errno_words, often, plural
from .gaps import Gaps

IMPLIED = " (implied)"
WHY_UNKNOWN = "why was not recorded"

# Why a RST answers a SYN; and why one answers a SYN-ACK.
NOBODY_OR_FIREWALL = "nobody listens there, or a firewall refuses"
GAVE_UP_OR_FIREWALL = "the peer gave up its connect(), or a firewall refuses"

REQUEST_ENDINGS = {
    "expired": "given up: no ACK completed it",
    "listener_gone": "the listener was closed",
    "other": "an ICMP error, a lost race, the namespace's end, or ss -K",
    "unsent": "our SYN-ACK could not be sent again: a rule, a full queue, or no route of "
              "this host",
    "joined": "MPTCP refused to make a further subflow of it",  # of one that was closed
}

LEFT_BEHIND = "its listener was closed while it waited in the accept queue"
OVERFLOW_RESET = "the accept queue was full, and tcp_abort_on_overflow is 1"

TIME_WAIT_ENDINGS = {
    "timer": "its time was over",
    "reset": "a RST ended it",
    "new_syn": "a new SYN took its place",
    "reused": "a connect() took its port, or ss -K",
    "other": "the kernel does not say",
}


def _either(*causes: str) -> str:
    *most, last = causes
    return f"{', '.join(most)}, or {last}" if most else last


# Causes of a RST of ours.
UNREAD = "closed with unread data"
ABORTED = "SO_LINGER 0"
DISCONNECTED = "disconnected by its program"
KILLED = "killed, as by ss -K"
NO_LINGER = "TCP_LINGER2 below 0"
OUT_OF_MEMORY = ("too many orphans", "tcp_mem is exhausted")

# The kernel's words for why it resets, in ours.
RESET_REASONS = {
    "TCP_ABORT_ON_CLOSE": UNREAD,
    "TCP_ABORT_ON_LINGER": f"{NO_LINGER}: no wait for FIN",
    "TCP_ABORT_ON_MEMORY": _either(*OUT_OF_MEMORY),
    "TCP_ABORT_ON_DATA": "data came after we had closed",
    "TCP_KEEPALIVE_TIMEOUT": "no answer to keepalives",
    "TCP_DISCONNECT_WITH_DATA": "disconnected with unsent data",
    "TCP_TIMEWAIT_SOCKET": "a segment that TIME-WAIT cannot take",
}


# SO_LINGER lets close() wait whole seconds before it closes for want of memory.
LINGERS_US = 1_000_000


@dataclass(frozen=True)
class Ending:
    """How a connection came to its end; `causes` are those of a RST of ours that fit."""

    how: str
    by: str | None
    reason: str
    implied: bool
    causes: tuple[str, ...] = ()

    def words(self, by: str = "") -> str:
        """For the table; `by` whom, as in `, by curl[1234]`."""
        who = {US: "we sent a RST", PEER: "a RST came"}
        text = who[self.by] + by if self.how == "reset" and self.by else ""
        reason = self.reason + ("" if text else by) + (IMPLIED if self.implied else "")
        return f"{text}: {reason}" if text and self.reason else text or reason


def ending_of(life: Life, gaps: Gaps) -> Ending:
    """How one that is over ended."""
    if life.no_syn and not life.error:
        return Ending("failed", None, "no SYN was sent", False)
    if life.request_ending:
        return _request_ending(life)
    if life.small is not None:
        return _small_ending(life)
    if life.reset_received is not None:
        return _reset_received(life, life.reset_received)
    if life.reset_sent is not None and not life.reset_sent.answers_segment:
        return _reset_sent(life, life.reset_sent, gaps)
    if life.was_reset_at_fin_wait_2:
        return _reset_at_fin_wait_2(life.reset_sent)
    if life.error:
        return _error(life, gaps)
    if life.closed_from == SYN_SENT and not _may_lack(life, gaps, "error"):
        return _given_up_by_us(life)
    return _quiet_ending(life, gaps)


def _may_lack(life: Life, gaps: Gaps, *kinds: str) -> bool:
    """Whether events may be missing from between its last one before CLOSED and the next.

    There stands what ended it.
    """
    return (life.ended_in_gap or bool(gaps.lacks(*kinds))
            or not (life.destroyed or gaps.is_whole_since(life.gaps_before)))


def _small_ending(life: Life) -> Ending:
    reason = life.stays[-2].left_by if len(life.stays) > 1 else ""
    if reason == TIME_WAIT_ENDINGS["reset"]:
        return Ending("reset", PEER, "", False)
    if (reason == TIME_WAIT_ENDINGS["other"] and life.small is not None
            and life.reset_sent is not None
            and life.reset_sent.answers_segment):
        return Ending("reset", US, RESET_REASONS[
            "TCP_ABORT_ON_DATA" if life.small.data_last
            else "TCP_TIMEWAIT_SOCKET"], False)
    return Ending("closed", None, reason, False)


def _told(reset: Reset) -> str:
    """The kernel's own reason, in words; none if it says nothing."""
    if reset.reason in ("", "NOT_SPECIFIED"):
        return ""
    return RESET_REASONS.get(reset.reason, reset.reason)


def _reset_received(life: Life, received: Reset) -> Ending:
    sent = life.reset_sent
    if received.answers_segment and not received.has_rst_flag:
        # the kernel tells of data after close as of a RST
        return Ending("reset", US, RESET_REASONS["TCP_ABORT_ON_DATA"], False)
    if (sent is not None and sent.answers_segment
            and not received.answers_segment
            and life.closed_from in (FIN_WAIT_1, FIN_WAIT_2)):
        told = _told(sent)
        return Ending("reset", US, told or RESET_REASONS["TCP_ABORT_ON_DATA"],
                      not told)
    had_closed = ("the peer had closed, and more came from us"
                  if received.ours_outstanding
                  else "the peer had closed, and waited no more")
    reasons = {
        SYN_SENT: NOBODY_OR_FIREWALL,
        SYN_RECEIVED: GAVE_UP_OR_FIREWALL,
        CLOSE_WAIT: had_closed, LAST_ACK: had_closed,
    }
    reason = reasons.get(life.closed_from or "", "")
    return Ending("reset", PEER, reason, bool(reason))


def _reset_at_fin_wait_2(sent: Reset | None) -> Ending:
    """The kernel calls either cause data; an empty segment shows the other."""
    if sent is None or sent.segment_was_empty:
        return Ending("reset", US, RESET_REASONS["TCP_ABORT_ON_LINGER"],
                      True)
    told = _told(sent)
    return Ending("reset", US, told or RESET_REASONS["TCP_ABORT_ON_DATA"],
                  not told)


def _reset_sent(life: Life, sent: Reset, gaps: Gaps) -> Ending:
    told = _told(sent)
    if told and told != "TCP_STATE":
        return Ending("reset", US, told, False, OUT_OF_MEMORY
                      if sent.reason == "TCP_ABORT_ON_MEMORY" else (told,))
    causes = _why_we_reset(life, sent, bool(told), gaps)
    return Ending("reset", US, _either(*causes), True, causes)


def _why_we_reset(life: Life, sent: Reset, disconnect: bool, gaps: Gaps) -> tuple[str, ...]:
    """What the order of reset, CLOSED and error gives away."""
    error = errno.errorcode.get(life.error, "")
    if error == "ETIMEDOUT":
        return (RESET_REASONS["TCP_KEEPALIVE_TIMEOUT"],)
    if error == "ECONNABORTED":
        return (KILLED,)
    closed_ns = life.now.began_ns
    if closed_ns is not None and sent.time_ns < closed_ns:
        return _why_before_closed(life, sent, disconnect, gaps)
    if life.left_behind and not gaps.may_lack(
            "accepted", since_ns=life.stays[0].began_ns):
        return (LEFT_BEHIND,)
    waited = [LEFT_BEHIND] if _may_have_waited(life) else []
    if disconnect or error == "ECONNRESET":
        return (ABORTED, DISCONNECTED, *waited)
    causes = _why_closed(life, gaps)
    if gaps.may_lack("error", since_ns=sent.time_ns):
        return (*causes, ABORTED, *waited)
    return causes


def _why_before_closed(life: Life, sent: Reset, disconnect: bool,
                       gaps: Gaps) -> tuple[str, ...]:
    """Of a RST that went before it was CLOSED: a timer's, or somebody's who kills.

    A timer ends only orphans for want of memory; once the peer's FIN has come, who
    kills an orphan sends no RST (tcp_out_of_resources(), tcp_abort()).
    """
    if life.closed_from == FIN_WAIT_2:
        return ("the peer's FIN did not come in time",)
    if sent.of_mptcp:  # mptcp_do_fastclose(), before it closes
        return (f"MPTCP reset it: {UNREAD}, or a fault that MPTCP found",)
    if disconnect:
        return (KILLED,)
    if life.closed_from in (ESTABLISHED, CLOSE_WAIT):
        silence = RESET_REASONS["TCP_KEEPALIVE_TIMEOUT"]
        if life.error:  # an ICMP message's, which tcp_write_err() tells for ETIMEDOUT
            return (silence,)
        may_lack = gaps.may_lack("error", since_ns=sent.time_ns)
        return (KILLED, silence) if may_lack else (KILLED,)
    if life.closed_from in (CLOSING, LAST_ACK):
        return OUT_OF_MEMORY
    return (*OUT_OF_MEMORY, KILLED)


def _why_closed(life: Life, gaps: Gaps) -> tuple[str, ...]:
    """Of a RST that went once CLOSED, without an error.

    close() looks for unread data before it sends our FIN, and for memory after that
    (__tcp_close()); of a shutdown() just before, nobody can tell the two.
    """
    stay = life.stays[-2] if len(life.stays) > 1 else None
    if life.closed_from == FIN_WAIT_2:
        return UNREAD, NO_LINGER
    if life.closed_from not in (FIN_WAIT_1, CLOSING, LAST_ACK):
        return (UNREAD,)
    if life.found_nothing_unread:
        return OUT_OF_MEMORY
    if (life.closed_in_fin_call or stay is None or stay.took_us is None
            or stay.took_us >= LINGERS_US
            or gaps.may_lack("state", since_ns=stay.began_ns)):
        return (*OUT_OF_MEMORY, UNREAD)
    return (UNREAD,)


def _may_have_waited(life: Life) -> bool:
    """Whether it may have been in the accept queue as its listener went, if nothing proves it."""
    return life.opened_by != US and not life.accepted and (
        life.left_behind or life.with_listener or life.ended_in_gap)


def _request_ending(life: Life) -> Ending:
    how = {"reset_by_peer": ("reset", PEER), "reset_by_us": ("reset", US),
           "expired": ("given up", None)}
    kind, by = how.get(life.request_ending, ("failed", None))
    if kind == "reset":
        if life.overflowed:
            return Ending(kind, by, OVERFLOW_RESET, True)
        return Ending(kind, by, "" if by == PEER else
                      "a segment did not fit the handshake", False)
    words = REQUEST_ENDINGS.get(life.request_ending, life.request_ending)
    if kind == "given up" and life.synacks_again:
        words += f", SYN-ACK sent again {often(life.synacks_again)}"
    return Ending(kind, by, words, False)


def _error(life: Life, gaps: Gaps) -> Ending:
    name = errno_words(life.error)
    if name == "ETIMEDOUT":
        if life.closed_from == SYN_SENT:
            return _no_answer_to_syns(life, gaps)
        if life.asked_alive and life.all_was_acknowledged:
            return Ending("given up", None, RESET_REASONS["TCP_KEEPALIVE_TIMEOUT"], True)
        return Ending("given up", None, "no answer any more (ETIMEDOUT)", False)
    if name == "ECONNREFUSED":
        sort = ("a RST or an ICMP message" if _may_lack(life, gaps, "reset_received")
                else "an ICMP message")
        return Ending("failed", PEER, f"refused by {sort}", True)
    if name == "ECONNRESET" and life.closed_from == SYN_SENT:
        # a RST would be ECONNREFUSED here: this is tcp_disconnect()'s
        return Ending("failed", US,
                      "we gave it up (SO_LINGER 0 or disconnect)", True)
    return Ending("failed", None, f"error {name}", False)


def _no_answer_to_syns(life: Life, gaps: Gaps) -> Ending:
    """A SYN that this host drops is a timeout for the kernel, and no `retransmit`."""
    unsent = life.retransmits - life.syns_again
    if unsent <= 0 or gaps.lacks("retransmit"):
        that_fits = " that fits" if life.reset_sent is not None else ""
        return Ending("given up", None, f"no answer{that_fits} to our "
                      f"{plural(1 + life.syns_again, 'SYN')} (ETIMEDOUT)", False)
    return Ending("given up", None,
                  f"{unsent} of {plural(life.retransmits, 'SYN')} to be sent again did not "
                  "leave this host (ETIMEDOUT)", True)


def _given_up_by_us(life: Life) -> Ending:
    """A connect() without an answer; the kernel would have reported ETIMEDOUT."""
    after = f", after {plural(life.retransmits, 'timeout')}" if life.retransmits else ""
    return Ending("failed", US, "closed by us before an answer came" + after, True)


def _timeouts_words(life: Life) -> str:
    if life.timeouts is None:
        return f"after {plural(life.retransmits, 'retransmission')} by timeout"
    return f"after {plural(life.timeouts, 'timeout')} in a row"


def _quiet_ending(life: Life, gaps: Gaps) -> Ending:
    """CLOSED without a RST and without an error that was seen."""
    if life.no_room:
        return Ending("closed", None, "closed at once: no room for TIME-WAIT",
                      False)
    if life.now.began_ns is None:
        return Ending("closed", None, "its end was not seen", False)
    fin_unacked = life.fin_unacked and life.closed_from in (CLOSING, LAST_ACK)
    if fin_unacked and life.disconnected:
        return Ending("closed", US, "SO_LINGER 0, or disconnected by its program, before "
                      "our FIN was acknowledged", True)
    if life.closed_from == LISTEN or life.closed_from == LAST_ACK and not (
            fin_unacked or life.retransmits):
        return Ending("closed", None, LEFT_BY[life.closed_from, CLOSED], False)
    if _may_lack(life, gaps, "reset_received", "reset_sent", "error"):
        after = f", {_timeouts_words(life)}" if life.retransmits else ""
        return Ending("closed", None, WHY_UNKNOWN + after, False)
    if life.retransmits:
        return Ending("given up", None, _timeouts_words(life), True)
    if fin_unacked or life.closed_from == FIN_WAIT_1:  # an orphan's end is reported to nobody
        return Ending("given up", None, "before our FIN was acknowledged", True)
    if life.closed_from in (FIN_WAIT_2, CLOSING):
        return Ending("closed", None,
                      "its socket went; TIME-WAIT was not recorded", False)
    return Ending("closed", None, WHY_UNKNOWN, False)
