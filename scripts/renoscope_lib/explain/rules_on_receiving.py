# SPDX-License-Identifier: GPL-2.0
"""Rules on what came: with gaps.  receiving.py has watched it."""

from __future__ import annotations

from collections.abc import Iterator

from ..views.receiving import Receiver, Receiving
from ..words import plural
from .finding import NOTEWORTHY, TROUBLE, Clock, Finding, Subject, brief, capped, look

# Less than this nobody feels: segments that overtake each other, and are there at once.
WORTH_NS = 100_000_000

# What stands still so long is felt.
LONG_NS = 1_000_000_000


def findings(receiving: Receiving, flow: Receiver, subject: Subject,
             clock: Clock) -> Iterator[Finding]:
    """What the peer's data met on its way here."""
    yield from _gaps(receiving, flow, subject, clock)


def _gaps(receiving: Receiving, flow: Receiver, subject: Subject,
          clock: Clock) -> Iterator[Finding]:
    stood = receiving.stood(flow, clock.end_ns)
    if not flow.gaps or stood.all_ns < WORTH_NS:
        return
    exact = receiving.is_exact(flow)
    about, at_least = ("", "") if exact else ("about ", "at least ")
    long = (f"{at_least}{brief(stood.all_ns // 1000)}"
            + (f", the longest time {brief(stood.longest_ns // 1000)}"
               if flow.gaps > 1 else ""))
    yield Finding(
        "came-with-gaps", TROUBLE if stood.all_ns >= LONG_NS else NOTEWORTHY, subject,
        f"what the peer sent came with {about}{plural(flow.gaps, 'gap')} "
        f"({about}{plural(flow.missing, 'byte')}), lost or overtaken before it came here: "
        f"what came behind stood still for {long}"
        + ("; not filled when watching ended" if stood.still else ""),
        "lost or overtaken before it came here",
        capped(f"{clock.at(stall.began_ns)} seq={stall.seq} has not come, what is behind it "
               f"stands still for {brief(stall.took_ns // 1000)}" for stall in stood.stalls),
        "ip -s link, ethtool -S DEV: does this host's card drop? If not, record at the peer, "
        f"too: was it sent again?\n{look('flow', subject)}",
        next((stall.began_ns for stall in stood.stalls), None), stood.all_ns // 1000)
