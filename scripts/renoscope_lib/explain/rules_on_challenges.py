# SPDX-License-Identifier: GPL-2.0
"""The rule on RSTs and SYNs that came for a connection and did not fit it."""

from __future__ import annotations

from collections.abc import Iterator

from ..views.challenges import Challenged, Misfits
from ..words import plural
from .finding import NOTEWORTHY, Clock, Finding, Subject, look

# A peer that has rebooted sends a SYN or two, and two RSTs may cross.
FEW = 2


def findings(challenged: Challenged, is_sampled: bool, subject: Subject,
             clock: Clock) -> Iterator[Finding]:
    """Of the few that are normal nothing is said."""
    sorts = [(challenged.rsts, "RST"), (challenged.syns, "SYN")]
    count = sum(misfits.count for misfits, _ in sorts)
    if count <= FEW:
        return
    came = [(misfits, noun) for misfits, noun in sorts if misfits.count]
    words = " and ".join(plural(misfits.count, noun) for misfits, noun in came)
    nouns = " and ".join(f"{noun}s" for _, noun in came)
    yield Finding(
        "challenged", NOTEWORTHY, subject,
        f"{'at least ' if is_sampled else ''}{words} came for it that did not fit and had no "
        "effect (the kernel asks back with a challenge ACK, or drops them): somebody guesses "
        "its numbers, or the peer has forgotten it",
        f"{nouns} that did not fit",
        tuple(_line(misfits, noun, clock) for misfits, noun in came),
        "nstat -az TcpExtTCPChallengeACK TcpExtTCPSYNChallenge; who sends them? tcpdump -nvi any "
        f"tcp port {subject.service_port} shows their TTL: an old connection of a peer that has "
        f"rebooted, or a guess from outside\n{look('show', subject)}",
        min(misfits.first_ns for misfits, _ in came))


def _line(misfits: Misfits, noun: str, clock: Clock) -> str:
    """`at 1.000 s 1 RST, 7 off the number expected next`."""
    when = clock.at(misfits.first_ns)
    if misfits.last_ns != misfits.first_ns:
        when += f" to {clock.at(misfits.last_ns).removeprefix('at ')}"
    far = f"{misfits.least:+d}"
    if misfits.most != misfits.least:
        far += f" to {misfits.most:+d}"
    return f"{when} {plural(misfits.count, noun)}, {far} off the number expected next"
