# SPDX-License-Identifier: GPL-2.0
"""What helps against a SYN flood, each with its sysctl, as it is set now and its price."""

from __future__ import annotations

from dataclasses import dataclass

from ..tcp.kernel_timers import FIRST_WAIT_US, synack_give_up_us
from .listeners import Listener

# reqsk_timer_handler() lowers the retries to no less for want of room.
LEAST_RETRIES = 2


@dataclass(frozen=True)
class CounterMeasure:
    """One thing that helps."""

    sysctl: str
    now: str
    meaning: str


def _kept_s(retries: int, first_us: int = FIRST_WAIT_US) -> float:
    return synack_give_up_us(retries, first_us) / 1e6


def _cookies_now(listener: Listener) -> str:
    """How tcp_syncookies is set, by what the listener did."""
    if not listener.cookies_sent:
        refused = (listener.refused_syns["half_open_queue_full"]
                   or listener.refused_syns["unproven_peer"])
        return ("off (SYNs were refused)" if refused
                else "not seen: the queue never was full")
    had_room = (listener.limit is not None
                and listener.half_open.peak <= listener.limit)
    return ("2, always (cookies were sent while the queue had room)" if had_room
            else "on (cookies were sent)")


def _retries_now(listener: Listener) -> str:
    """How tcp_synack_retries is set, and what that comes to."""
    retries = listener.max_retries
    first_us = listener.synack_timeout_us or FIRST_WAIT_US
    if not retries:
        return "not seen"
    kept_s, soonest_us = _kept_s(retries, first_us), listener.given_up_after_us
    words = f"{retries}: a request is kept {kept_s:g} s"
    if retries <= LEAST_RETRIES:
        return words
    less = (f"here {soonest_us / 1e6:.1f} s" if soonest_us and soonest_us < kept_s * 1e6
            else f"{_kept_s(LEAST_RETRIES, first_us):g} s or more")
    return f"{words}, {less} in a queue over half full"


def counter_measures(listener: Listener) -> list[CounterMeasure]:
    """What helps, with what is set now as far as the events tell."""
    return [
        CounterMeasure(
            "net.ipv4.tcp_syncookies", _cookies_now(listener),
            "1 sends a cookie when the half-open queue is full: nothing is "
            "kept, and only a real client can answer it. 0 refuses the SYN, "
            "2 always sends cookies. The price: no memory of the request, so "
            "without timestamps no SACK and no window scale"),
        CounterMeasure(
            "net.core.somaxconn and listen()",
            "not seen" if listener.limit is None else str(listener.limit),
            "the listener's backlog is the smaller of the two, and limits "
            "both queues: more room for more half-open requests. The program "
            "must ask for it in listen(), and listen anew"),
        CounterMeasure(
            "net.ipv4.tcp_max_syn_backlog",
            str(listener.syn_backlog or "not seen"),
            "counts only while cookies are off: then its last quarter is kept "
            "for peers known from before. Raise it together with the backlog"),
        CounterMeasure(
            "net.ipv4.tcp_synack_retries", _retries_now(listener),
            f"a shorter timeout frees the queue sooner: 5 keeps a request up to "
            f"{_kept_s(5):g} s, 2 only {_kept_s(2):g} s. A client on a "
            "lossy path then has fewer chances"),
        CounterMeasure(
            "net.ipv4.tcp_abort_on_overflow", "not told by events",
            "no help against a flood: 1 answers a handshake's last ACK with a "
            "RST when the accept queue is full (a SYN is dropped all the same), "
            "and real clients fail at once where they would have come in a "
            "second later. Leave it 0"),
    ]
