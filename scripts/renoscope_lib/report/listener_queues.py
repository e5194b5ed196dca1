# SPDX-License-Identifier: GPL-2.0
"""Listeners: what went through their two queues."""

from __future__ import annotations

from ..views.listeners import Listener, Queue
from ..words import spaced
from .markup import Child, join, tag
from .parts import Column, Section, and_more, bar, most, number, prose, quiet, section, table
from .told import Told
from .values import code, count, some


def _fill(queue: Queue, limit: int | None) -> Child:
    if limit is None:
        return f"{queue.peak:,}"
    is_full = queue.peak > limit
    words = tag("span", f"{queue.peak:,} of {limit:,}",
                class_="bad" if is_full else None)
    return join(words, " ", bar(min(queue.peak, limit), limit, is_full)
                if limit else None)


def _refused(one: Listener) -> Child:
    reasons = [f"{n:,} {what}, {spaced(reason)}"
               for what, counts in (("SYN", one.refused_syns),
                                    ("last ACK", one.refused_acks))
               for reason, n in counts.most_common()]
    return tag("span", "; ".join(reasons), class_="bad") if reasons else ""


def _cookies(one: Listener) -> str:
    if not one.cookies_sent and not one.cookies:
        return ""
    checked = one.cookies
    return f"{one.cookies_sent:,} / {checked['valid']:,} / {checked['invalid']:,}"


def _row(one: Listener) -> tuple[Child, ...]:
    return (code(one.address), code(one.name), count(one.syns), count(one.requests),
            count(one.completed), some(one.endings["expired"]), some(one.resets),
            _cookies(one), _fill(one.half_open, one.limit),
            _fill(one.accept, one.limit), _refused(one))


def show(told: Told) -> Section:
    """The section."""
    listeners = told.views.handshakes.listeners()
    title = "Listeners and their queues"
    if not listeners:
        return quiet("listeners", title, "No listener was asked for a connection.")
    shown, left_out = most(listeners, told.limit,
                           lambda one: (one.refused, one.syns, one.requests))
    return section(
        "listeners", title,
        table("What went through each listener's queues",
              (Column("listener"), Column("id"), number("SYNs"),
               number("queued", "entered the half-open queue"),
               number("complete"), number("expired"), number("reset"),
               number("cookies", "SYN cookies sent / valid / invalid"),
               Column("half-open, most"), Column("accept queue, most"),
               prose("refused")),
              map(_row, shown),
              "The most that waited in each queue, of the listener's backlog. A queue "
              "takes one more than that; then SYNs are refused, or answered with "
              "cookies (sent / valid / invalid).",
              and_more(left_out, told.other("handshakes"), "listener")))
