# SPDX-License-Identifier: GPL-2.0
"""Rules on what came: with gaps, in vain, or no faster than we let it come.

receiving.py and own_limit.py have watched it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..tcp.life import Life
from ..tcp.sequence import is_as_large_as_can_be
from ..views.own_limit import OwnWindow
from ..views.receiving import Receiver, Receiving
from ..words import connection, plural, share
from .finding import (NO_SCALING, NOTEWORTHY, SCALE, SCALING_GIST, TROUBLE, Clock, Finding,
                      Subject, brief, capped, look)

# Less than this nobody feels: segments that overtake each other, and are there at once.
WORTH_NS = 100_000_000

# What stands still so long is felt.
LONG_NS = 1_000_000_000

# A segment that is thrown away goes again; several are no accident.
SEVERAL = 3

COUNTERS = ("nstat -az TcpExtPAWSEstab TcpExtTCPRcvQDrop TcpExtTCPOFODrop TcpExtPruneCalled "
            "TcpInCsumErrors TcpExtTCPChallengeACK: which of them grows?")


# How long, and of what share of the time, our window has to hold the peer back.
HELD_NS = 250_000_000
MOSTLY = 0.5


def findings(receiving: Receiving, flow: Receiver, window: OwnWindow | None,
             sender: Life | None, subject: Subject, clock: Clock) -> Iterator[Finding]:
    """What the peer's data met on its way here, and here; `sender` if it was recorded."""
    yield from _gaps(receiving, flow, sender, subject, clock)
    yield from _not_taken(flow, subject, clock)
    if window is not None and window.filled_ns >= max(MOSTLY * window.busy_ns, HELD_NS):
        yield _we_limit(window, subject, clock)


def _gaps(receiving: Receiving, flow: Receiver, sender: Life | None, subject: Subject,
          clock: Clock) -> Iterator[Finding]:
    """Of a sender that was recorded, too, its own findings tell the cause."""
    stood = receiving.stood(flow, clock.end_ns)
    if not flow.gaps or stood.all_ns < WORTH_NS:
        return
    exact = receiving.is_exact(flow)
    about, at_least = ("", "") if exact else ("about ", "at least ")
    long = (f"{at_least}{brief(stood.all_ns // 1000)}"
            + (f", the longest time {brief(stood.longest_ns // 1000)}"
               if flow.gaps > 1 else ""))
    yield Finding(
        "came-with-gaps",
        TROUBLE if stood.all_ns >= LONG_NS and sender is None else NOTEWORTHY, subject,
        f"what the peer sent came with {about}{plural(flow.gaps, 'gap')} "
        f"({about}{plural(flow.missing, 'byte')}), lost or overtaken before it came here: "
        f"what came behind stood still for {long}"
        + ("; not filled when watching ended" if stood.still else ""),
        "lost or overtaken before it came here",
        capped(f"{clock.at(stall.began_ns)} seq={stall.seq} has not come, what is behind it "
               f"stands still for {brief(stall.took_ns // 1000)}" for stall in stood.stalls),
        _why_gaps(sender) + f"\n{look('flow', subject)}",
        next((stall.began_ns for stall in stood.stalls), None), stood.all_ns // 1000)


def _why_gaps(sender: Life | None) -> str:
    if sender is not None:
        return f"its other end, {connection(sender.cookie)}, tells what it sent again, and why"
    return ("ip -s link, ethtool -S DEV: does this host's card drop? If not, record at the peer, "
            "too: was it sent again?")


def _not_taken(flow: Receiver, subject: Subject, clock: Clock) -> Iterator[Finding]:
    if not flow.refused:
        return
    which = ("one segment" if flow.refused == 1 else plural(flow.refused, "segment"))
    yield Finding(
        "arrived-not-taken", TROUBLE if flow.refused >= SEVERAL else NOTEWORTHY, subject,
        f"{which} with the data that was due came to the connection, with room in our window, "
        f"and TCP did not take {'it' if flow.refused == 1 else 'them'}: nothing went on for "
        f"{brief(flow.refused_ns // 1000)}. An old timestamp (PAWS, as where a NAT puts several "
        "hosts behind one address), no memory, a wrong checksum or an ACK number out of range",
        "came, and TCP threw it away",
        capped(f"{clock.at(time_ns)} what is due comes, and rcv_nxt does not move"
               for time_ns in flow.refused_at),
        f"{COUNTERS}\n{look('flow', subject)}", next(iter(flow.refused_at), None),
        flow.refused_ns // 1000)


def _we_limit(window: OwnWindow, subject: Subject, clock: Clock) -> Finding:
    held_us = window.filled_ns // 1000
    size = (f"{window.least}" if window.least == window.most
            else f"{window.least} to {window.most}")
    why, gist, next_step = (
        (f"; {NO_SCALING}", SCALING_GIST, SCALE)
        if is_as_large_as_can_be(window.most, window.scales) else
        (", too few for this path, or our program reads slowly", "our receive window is full",
         "ss -tm: does its Recv-Q stay full? Then our program reads slowly. If not: raise "
         "net.ipv4.tcp_rmem, or SO_RCVBUF if our program sets it (that ends autotuning)"))
    return Finding(
        "we-limit-the-peer", NOTEWORTHY, subject,
        f"our receive window held the peer back for {brief(held_us)} at least "
        f"({share(window.filled_ns, window.busy_ns)} of the round trips in which data came): it "
        f"filled the {size} bytes that we advertise{why}", gist,
        (f"{clock.at(window.filled_at_ns)} within a round trip our window is filled",),
        f"{next_step}\n{look('windows', subject)}", window.filled_at_ns, held_us)
