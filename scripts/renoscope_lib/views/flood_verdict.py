# SPDX-License-Identifier: GPL-2.0
"""Is a listener flooded with SYNs that nobody means to follow up?

A flood and a busy hour look alike in the length of a queue.  What tells them
apart is what becomes of the SYN-ACKs: a client that lives answers within a
round trip, a forged address never does.  So the verdict rests on the share of
answered SYN-ACKs; the queues only say how much harm is done.

Three things look like a flood and are none; each is told apart:

 - too many real clients: cookies are sent, but they come back validated;
 - a process too slow to accept(): the last ACKs arrive and are refused, so
   these clients have proven themselves;
 - a path that loses our SYN-ACKs: the clients repeat their SYN, which a flood
   of forged addresses does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..words import duration, plural, share
from .flood_evidence import Evidence

# ---- thresholds, each with its reason

# Fewer unanswered SYN-ACKs than this are a scan, or a few clients that died;
# the smallest backlog in common use (128) would not feel them.
MIN_UNANSWERED = 20

# Healthy listeners see nearly every SYN-ACK answered.  When half are not, dead
# clients cannot explain it any more.
UNANSWERED_SHARE = 0.5

# With real clients in between, a flood may be the smaller part and still fill
# the queue: then the queue decides, when requests that nobody answered for a
# second hold half of the backlog.
OLD_SHARE_OF_LIMIT = 0.5

# A client that lives repeats its SYN when no SYN-ACK comes.  When half of the
# unanswered did, it is their path that is broken.
REPEATED_SHARE = 0.5

# What happened longer ago than this is not under way any more: a flood worth the
# name sends without a pause.
RECENT_US = 5_000_000

# Of randomly forged addresses hardly two share a /24 network; clients of one
# site or a single attacker do.  The busiest source of a forged flood has a
# share near 1 / (number of SYNs).
SPREAD_NETWORKS = 0.5
FEW_SOURCES = 8

NO_FLOOD = "no flood"
LIKELY = "flood likely"
HOLDING = "flood under way, cookies holding"
REFUSING = "flood under way, SYNs are refused"
OVER = "a flood, over by now"
CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Verdict:
    """What we think, and why."""

    words: str
    why: str

    @property
    def is_flood(self) -> bool:
        """Whether a flood was seen at all."""
        return self.words not in (NO_FLOOD, CANNOT_TELL)


def verdict_of(seen: Evidence) -> Verdict:
    """What the numbers say."""
    if seen.unanswered < MIN_UNANSWERED and not seen.refused_half_open:
        return _no_flood(seen)
    if seen.repeated >= REPEATED_SHARE * max(seen.unanswered, 1):
        return Verdict(NO_FLOOD, (
            f"{seen.repeated} of {seen.unanswered} that did not answer repeated their "
            "SYN, as real clients do: most likely our SYN-ACKs or their ACKs are lost"))
    mostly_dead = (seen.decided > 0 and
                   seen.unanswered >= UNANSWERED_SHARE * seen.decided)
    clogged = (seen.limit is not None and seen.limit > 0 and
               seen.old_half_open >= OLD_SHARE_OF_LIMIT * seen.limit)
    if seen.unanswered < MIN_UNANSWERED or not (mostly_dead or clogged):
        return _no_flood(seen)
    why = (f"{seen.unanswered} of {seen.decided} handshakes went unanswered"
           if mostly_dead else
           f"{seen.old_half_open} requests that nobody answered for a second "
           f"hold the half-open queue, of {seen.limit}")
    if seen.quiet_us > RECENT_US:
        return Verdict(OVER, f"{why}, but no SYN came in the last "
                       f"{duration(seen.quiet_us)}")
    if seen.refused_half_open:
        return Verdict(REFUSING, f"{why}, and {seen.refused_half_open} SYNs "
                       "were refused for want of room: real clients are "
                       "shut out")
    if seen.cookies_sent:
        cause = (f"the half-open queue was full ({seen.half_open_peak} of {seen.limit}) and"
                 if seen.overfull else
                 "tcp_syncookies is 2, so the queue is spared:")
        come = "still" if seen.cookies_valid else "can still"
        return Verdict(HOLDING, f"{why}; {cause} {plural(seen.cookies_sent, 'SYN')} got "
                       f"a cookie instead, so real clients {come} come in")
    return Verdict(LIKELY, f"{why}; the half-open queue is not full yet")


def _no_flood(seen: Evidence) -> Verdict:
    if seen.refused_accept:
        return Verdict(NO_FLOOD, (
            "the accept queue was full, and so it refused "
            f"{plural(seen.refused_accept, 'segment')}: the clients answer, "
            "the process is slow to accept() them, or its backlog is too "
            "small"))
    if seen.refused_half_open or seen.cookies_sent and seen.overfull:
        room = f"than the backlog of {seen.limit} has room for"
        return Verdict(NO_FLOOD, (
            f"more real clients at once {room}: most of them answer"
            if (seen.completing or 0) > 1 - UNANSWERED_SHARE
            else f"more SYNs at once {room}"))
    if seen.resets >= MIN_UNANSWERED and seen.resets > seen.answered:
        return Verdict(NO_FLOOD, (
            f"{seen.resets} handshakes ended by a RST: a scan, health checks, a "
            "firewall, or forged addresses of hosts that exist; the queue is free again "
            "at once"))
    if seen.completing is None:
        return Verdict(NO_FLOOD, "too few SYNs to say more")
    return Verdict(NO_FLOOD, f"{share(seen.completing, 1)} of "
                   f"{plural(seen.decided, 'handshake')} answered")


def sources_in_words(seen: Evidence, is_flood: bool) -> str:
    """How many, and how spread they look."""
    if not seen.sources:
        return "no SYN was seen"
    if seen.sources == 1:
        words = f"{seen.at_least}1 address"
    else:
        words = (f"{seen.at_least}{seen.sources} addresses in {seen.at_least}"
                 f"{plural(seen.networks, 'network')} (/24, IPv6 /64); the "
                 f"busiest sent {share(seen.busiest_share, 1)} of the SYNs, "
                 f"evenness {seen.source_entropy:.2f} of 1")
    if not is_flood:
        return words
    if seen.sources <= FEW_SOURCES and not seen.syns_of_others:
        return f"{words}: so few that a firewall rule can stop them"
    if seen.networks >= SPREAD_NETWORKS * (seen.syns - seen.syns_of_others):
        return f"{words}: spread as forged random addresses are"
    return f"{words}: neither few nor random: a botnet, or real hosts"
