# SPDX-License-Identifier: GPL-2.0
"""Rules on flow control: who stood still on whose zero window.

A zero window holds up only who has something to send.  Then the persist timer
probes it, or what is on its way goes again; where neither was seen, nothing shows
that anybody stood still. But no probe comes before 200 ms: a sender may stand still
often, each time for less, and rules_on_pace.py tells that it was held back.

Why a window is zero no event tells: mostly a program does not read, but memory may be
short, or something between may set it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..tcp.kernel_timers import RTO_MIN_US
from ..views.pace import Sender
from ..views.windows import ENDED, OWN, PEER, Episode, Flow, Windows
from ..words import duration, often
from .finding import (DOES_PEER_READ, NOTEWORTHY, TROUBLE, Clock, Finding, Subject, brief,
                      capped, look, spelled)

# A second of standing still is felt.
LONG_US = 1_000_000


def findings(windows: Windows, flow: Flow, pace: Sender | None, subject: Subject,
             clock: Clock) -> Iterator[Finding]:
    """Everything about one connection's windows."""
    for side in (PEER, OWN):
        if flow.episodes_seen[side] and not (side == PEER and _is_first(flow, pace)):
            yield _standstill(windows, flow, side, subject, clock)


def _is_first(flow: Flow, pace: Sender | None) -> bool:
    """Whether none was told yet: TCP_REPAIR restores a connection without a window."""
    return (pace is not None and pace.restored and flow.episodes_seen[PEER] == 1
            and all(e.began_ns is None for e in flow.episodes if e.side == PEER))


def _standstill(windows: Windows, flow: Flow, side: str, subject: Subject,
                clock: Clock) -> Finding:
    if not flow.somebody_waited(side):
        return _only_zero(windows, flow, side, subject, clock)
    stood_us = windows.stalled_us(flow, side, clock.end_ns)
    episodes = [e for e in flow.episodes if e.side == side]
    words = _peer_words if side == PEER else _own_words
    sentence, gist, next_step = words(_how_long(windows, flow, side, clock), subject)
    sentence += f"; the window was zero {often(flow.episodes_seen[side])}"
    if side == PEER and flow.probes_of_zero:
        sentence += f", {spelled(flow.probes_of_zero, 'probe')} asked for it"
    return Finding(
        "stood-still" if side == PEER else "made-peer-wait",
        TROUBLE if stood_us >= LONG_US else NOTEWORTHY, subject,
        sentence + _how_it_stands(windows, flow, side), gist,
        capped(line for e in episodes for line in _lines(e, clock)),
        next_step, next((e.began_ns for e in episodes), None), stood_us)


def _only_zero(windows: Windows, flow: Flow, side: str, subject: Subject,
               clock: Clock) -> Finding:
    kind, whose = ("probe", "the peer's") if side == PEER else ("ack", "our")
    long = _how_long(windows, flow, side, clock)
    episodes = [e for e in flow.episodes if e.side == side]
    shows = (f"whether anything waited to be sent is not known ({kind} was not "
             "recorded)" if windows.gaps.not_recorded(kind)
             else f"{'each ' if len(episodes) > 1 else ''}too short for a probe, which "
             "alone shows whether anything waited to be sent"
             if not flow.left_out and all(map(_is_short, episodes))
             else "the peer asked for it, or had nothing to send and its keepalive on"
             if side == OWN and flow.may_have_asked
             else "nothing shows that anything waited to be sent")
    return Finding(
        "peer-window-zero" if side == PEER else "own-window-zero",
        NOTEWORTHY, subject,
        f"{whose} window was zero {often(flow.episodes_seen[side])}"
        f"{long and f', for {long}'}; {shows}{_how_it_stands(windows, flow, side)}",
        "", capped(line for e in episodes for line in _lines(e, clock)),
        look("windows", subject), next((e.began_ns for e in episodes), None))


def _is_short(episode: Episode) -> bool:
    """Whether it was over before the persist timer could have asked (tcp_probe0_base())."""
    return episode.took_us is not None and episode.took_us < RTO_MIN_US


def _how_long(windows: Windows, flow: Flow, side: str, clock: Clock) -> str:
    """The time of its episodes together; nothing if that is not known of any."""
    at_least = windows.is_at_least(flow, side)
    stood_us = windows.stalled_us(flow, side, clock.end_ns)
    if at_least and not stood_us:
        return ""
    return f"{'at least ' if at_least else ''}{brief(stood_us)}"


def _peer_words(long: str, subject: Subject) -> tuple[str, str, str]:
    how_long = f" for {long}" if long else ""
    return (f"stood still{how_long} on the peer's zero window: most likely its program "
            "did not read", "most likely the peer's program did not read",
            f"{DOES_PEER_READ}\n{look('windows', subject)}")


def _own_words(long: str, subject: Subject) -> tuple[str, str, str]:
    how_long = f" for {long}" if long else ""
    return (f"made the peer stand still{how_long} on our zero window: most likely our "
            "program did not read", "most likely our program did not read",
            "does our program read? ss -tm shows its Recv-Q\n" + look("windows", subject))


def _how_it_stands(windows: Windows, flow: Flow, side: str) -> str:
    if side in flow.open:
        return ("; whether it is open by now was not seen"
                if windows.is_stale(flow) else
                "; still zero when watching ended")
    last = next((e for e in reversed(flow.episodes) if e.side == side), None)
    if last is not None and last.ended_by == ENDED:
        return "; zero until the connection ended"
    return ""


def _lines(episode: Episode, clock: Clock) -> Iterator[str]:
    whose = "the peer's" if episode.side == PEER else "our"
    if episode.began_ns is None:
        yield f"{clock.at(None)} {whose} window was zero already"
    else:
        yield f"{clock.at(episode.began_ns)} {whose} window is zero"
    if episode.probes_seen:
        last = episode.probes[-1]
        wait = ("" if last.next_wait_us is None
                else f", then a wait of {brief(last.next_wait_us)}")
        until = (f", the last {clock.at(last.time_ns)}" if episode.probes_seen > 1 else "")
        yield (f"{clock.at(episode.probes[0].time_ns)} "
               f"{spelled(episode.probes_seen, 'probe')}{until}{wait}")
    if episode.ended_ns is not None:
        took = ("" if episode.took_us is None
                else f" after {duration(episode.took_us)}")
        end = ("the connection ends" if episode.ended_by == ENDED
               else "open again")
        yield f"{clock.at(episode.ended_ns)} {end}{took}"
