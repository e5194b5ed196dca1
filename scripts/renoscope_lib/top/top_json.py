# SPDX-License-Identifier: GPL-2.0
"""An interval of `top` for programs: everything, under names that say what counts when.

Counts are of the interval, or if their name ends in _seen since watching began.
segments_sent_again_total is the kernel's own count since the connection began, null
where no event told it.  Bytes are sequence numbers: a FIN counts as one.
"""

from __future__ import annotations

from typing import Any

from ..views.gaps import Gaps
from ..words import connection, finite_ssthresh
from .frame import Connection, Frame, Listening
from .table import CONNECTIONS, Choice


def _connection_json(row: Connection, frame: Frame) -> dict[str, Any]:
    has_cwnd = bool(row.cwnd)
    return {
        "connection": connection(row.cookie), "netns": row.netns,
        "family": row.family, "state": row.state, "may_have_ended": row.may_have_ended,
        "heard": row.heard, "local": row.local, "remote": row.remote,
        "segments_sent_again": row.again_now, "segments_sent_again_seen": row.again,
        "segments_sent_again_total": row.again_as_told, "last_cause": row.cause or None,
        "lost": row.lost, "unacked": row.unacked,
        "srtt_us": row.srtt_us or None,
        "rttvar_us": row.rttvar_us if row.srtt_us else None,
        "min_rtt_us": row.min_rtt_us or None, "cwnd": row.cwnd or None,
        "ssthresh": finite_ssthresh(row.ssthresh) if has_cwnd else None,
        "ca_state": row.ca_state or None, "rto_us": row.rto_us or None,
        "backoff": row.backoff, "bytes_acked": row.acked_now,
        "bytes_acked_seen": row.acked, "bytes_received": row.received_now,
        "bytes_received_seen": row.received,
        "bits_acked_per_s": round(8 * frame.per_second(row.acked_now)),
        "bits_received_per_s": round(8 * frame.per_second(row.received_now)),
    }


def _listener_json(row: Listening, frame: Frame) -> dict[str, Any]:
    return {
        "listener": connection(row.cookie), "netns": row.netns, "local": row.address,
        "half_open": {"now": row.half_open, "peak": row.half_open_peak,
                      "limit": row.limit},
        "accept_queue": {"now": row.accept_queue, "peak": row.accept_queue_peak,
                         "limit": row.limit},
        "syns_per_s": round(frame.per_second(row.now.syns), 3),
        "interval": row.now._asdict(), "seen": row.in_all._asdict(),
        "refused_by_reason": dict(row.reasons_now),
        "refused_by_reason_seen": dict(row.reasons),
    }


def as_json(frame: Frame, choice: Choice, gaps: Gaps) -> dict[str, Any]:
    """One interval, as plain data."""
    rows = choice.rows(frame)
    shown = rows[:choice.limit or None]
    told = ({"connections": [_connection_json(row, frame) for row in shown]}
            if choice.by == CONNECTIONS
            else {"listeners": [_listener_json(row, frame) for row in shown]})
    return {
        "from_ns": frame.from_ns, "until_ns": frame.until_ns,
        "is_history": frame.is_history, "events": frame.events,
        "events_per_s": round(frame.per_second(frame.events), 3),
        "lost_events_in_interval": frame.lost_now,
        "counts": dict(frame.states), **told, "left_out": len(rows) - len(shown),
        "forgotten": frame.forgotten,
        "listeners_forgotten": frame.listeners_forgotten, **gaps.as_json(frame.until_ns)}
