# SPDX-License-Identifier: GPL-2.0
"""Rules on segments too large for the path.

A router that drops one tells with an ICMP message, and the kernel sends smaller ones
(tcp_v4_mtu_reduced()).  Where that message does not arrive, full segments go again and
again, and only timeouts tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..tcp.ca_states import GROWING, LOSS
from ..views.endings import IMPLIED
from ..views.losses import Episode, Flow, Timeout
from ..words import listed, plural
from .finding import NOTEWORTHY, TROUBLE, Clock, Finding, Subject, capped, look, spelled
from .rules_on_losses import MANY_TIMEOUTS, Seen, episode_line, timeout_line

# What a TCP header has more than that of ping's: 20 bytes are 12 more than 8, and
# timestamps are another 12.
MORE_THAN_PING = 12
TIMESTAMPS = 12


def findings(flow: Flow, seen: Seen, subject: Subject, clock: Clock) -> Iterator[Finding]:
    """Everything about the sizes of one connection's segments."""
    episodes = [e for e in flow.episodes if e.what == LOSS]
    yield from _black_holes(episodes, flow, subject, clock)
    if seen.timeouts:  # else one may have begun it
        yield from _path_mtu(episodes, subject, clock)


# ---- only full ones are lost

@dataclass(frozen=True)
class Tries:
    """The timeouts of one episode of Loss, all of one segment."""

    episode: Episode

    @property
    def full(self) -> list[Timeout]:
        """Those that sent a full segment again, as large as the first one was."""
        size = self.episode.timeouts[0].mss
        return [t for t in self.episode.timeouts if t.is_full and t.sent_mss == size]

    @property
    def fall(self) -> tuple[int, int] | None:
        """How the timer itself lowered the MSS."""
        lowered = [t.sent_mss for t in self.episode.timeouts if 0 < t.sent_mss < t.mss]
        return (self.full[0].mss, min(lowered)) if lowered else None

    @property
    def small_sacked(self) -> bool | None:
        """None: nothing was SACKed; False: more than were small."""
        told = {t.small_sacked for t in self.full} - {None}
        return all(told) if told else None

    @property
    def came_through(self) -> bool:
        """Whether it was acknowledged in the end."""
        return self.episode.ended_by in GROWING and not self.episode.undone

    @property
    def tell_of_black_hole(self) -> bool:
        """Whether full segments did not come through, and smaller ones did."""
        timeouts = self.episode.timeouts
        unseen = sum(not t.sent for t in timeouts[:-1])
        is_one = len({t.seq for t in timeouts}) == 1 and timeouts[0].seq is not None
        if (len(self.full) < MANY_TIMEOUTS or unseen or not is_one or self.episode.undone
                or not all(t.is_full for t in timeouts if t.sent)):
            return False
        came_smaller = self.fall is not None and self.came_through
        return self.small_sacked is not False and (bool(self.small_sacked) or came_smaller)


def _black_holes(episodes: list[Episode], flow: Flow, subject: Subject,
                 clock: Clock) -> Iterator[Finding]:
    """The first one tells it."""
    every = (Tries(episode) for episode in episodes if episode.timeouts)
    tries = next((one for one in every if one.tell_of_black_hole), None)
    if tries is not None:
        size = tries.full[0].mss
        yield Finding(
            "mtu-black-hole", TROUBLE, subject, _black_hole_words(tries, size),
            "most likely the path takes only smaller ones, and its ICMP does not arrive",
            capped(timeout_line(t, clock) for t in tries.episode.timeouts),
            f"{_by_hand(size, flow, subject)}\n{look('losses', subject, '-v')}",
            tries.episode.began_ns)


def _black_hole_words(tries: Tries, size: int) -> str:
    came = ", and then it came through" if tries.came_through else ""
    words = f"{spelled(len(tries.full), 'timeout')} sent one of {size} bytes again in vain"
    if tries.small_sacked:
        words += ", and no more were SACKed than were smaller"
    if tries.fall:
        words += (f"; the MSS fell from {tries.fall[0]} to {tries.fall[1]} as the timer fired "
                  f"(tcp_mtu_probing, or the route has learnt a smaller MTU){came}")
    return (f"only full segments are lost: {words}. Most likely the path takes only smaller "
            f"ones, and its ICMP messages do not arrive{IMPLIED}")


def _by_hand(size: int, flow: Flow, subject: Subject) -> str:
    """Ping's packet is as large as the full segment's."""
    peer = subject.remote.rpartition(":")[0].strip("[]")
    ping = size + MORE_THAN_PING + (TIMESTAMPS if flow.timestamps else 0)
    return (f"tracepath {peer}; ping -M do -s {ping} {peer}: does as much go? Does a firewall "
            "drop ICMP? net.ipv4.tcp_mtu_probing=1 finds what goes")


# ---- without a timeout

def _path_mtu(episodes: list[Episode], subject: Subject, clock: Clock) -> Iterator[Finding]:
    """What begins Loss without a timeout, each cause by itself.

    Who lowers the MSS does so before he sends again (tcp_v4_mtu_reduced()); a probe that
    was lost and Fast Open leave it as it is.
    """
    by_cause: dict[Cause, list[Episode]] = {}
    for episode in episodes:
        if not episode.timeouts and episode.segments and episode.before is not None:
            by_cause.setdefault(_cause(episode), []).append(episode)
    for cause, every in by_cause.items():
        yield Finding(
            "path-mtu", NOTEWORTHY, subject,
            f"{plural(sum(e.segments for e in every), 'segment')} sent again "
            f"with no timeout before: {cause.words}{_mss_words(cause, every)}",
            cause.gist, capped(episode_line(e, clock) for e in every),
            cause.next_step, every[0].began_ns)


@dataclass(frozen=True)
class Cause:
    """Why segments go again in Loss that no timer began."""

    words: str
    gist: str
    next_step: str


SHRANK = Cause(
    "they had become too large for the path", f"the path's MTU shrank{IMPLIED}",
    "ip route get ADDRESS shows the mtu it has learnt; a tunnel or a VPN on the way?")
FAST_OPEN = Cause(
    f"Fast Open's data was not taken{IMPLIED}, and went once more after the handshake",
    f"Fast Open's data was not taken{IMPLIED}",
    "on the peer: sysctl net.ipv4.tcp_fastopen; does its program ask for TCP_FASTOPEN?")
PROBE_LOST = Cause(
    "the MSS stayed, so a probe for a larger MTU was lost (tcp_mtu_probing, implied)",
    f"a probe for a larger MTU was lost{IMPLIED}",
    "it cost no cwnd; net.ipv4.tcp_mtu_probing=0 ends such probes")
NOT_KNOWN = Cause(
    "they had become too large for the path (its MTU shrank), a probe for a larger MTU was "
    "lost (tcp_mtu_probing), or Fast Open's data was not taken", "", SHRANK.next_step)


def _cause(episode: Episode) -> Cause:
    if episode.mss is None:
        return NOT_KNOWN
    before, within = episode.mss
    if within < before:
        return SHRANK
    if episode.is_fast_open:
        return FAST_OPEN
    return PROBE_LOST if within == before else NOT_KNOWN


def _mss_words(cause: Cause, episodes: list[Episode]) -> str:
    falls = [e.mss for e in episodes if e.mss is not None]
    if cause is not SHRANK or not falls:
        return ""
    steps = listed([f"from {before} to {within}" for before, within in dict.fromkeys(falls)],
                   "and")
    return f"; the MSS fell {steps}, as an ICMP message tells of a smaller MTU{IMPLIED}"
