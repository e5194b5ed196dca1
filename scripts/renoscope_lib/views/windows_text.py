# SPDX-License-Identifier: GPL-2.0
"""Windows that closed, for a terminal and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from ..output.tables import aligned, aligned_twice, and_more, note, seconds
from ..tcp.connections import both_ends, heading, identity_json, name_of
from ..tcp.wanted import Filter
from ..words import connection, duration, plural
from .windows import ENDED, OPENED, OWN, PEER, Episode, Flow, Probe, Window, Windows

# Connections, as often as they are asked for.
Flows = Callable[[], Iterator[Flow]]


# ---- for programs

def _window_json(window: Window | None) -> dict[str, int] | None:
    return None if window is None else {
        "raw": window.raw, "scale": window.shift, "bytes": window.size}


def _probe_json(probe: Probe) -> dict[str, Any]:
    return {"number": probe.number, "unanswered_before": probe.unanswered,
            "time_ns": probe.time_ns,
            "backoff": probe.backoff, "waited_us": probe.waited_us,
            "next_wait_us": probe.next_wait_us,
            "carries_data": probe.carries_data}


def _episode_json(episode: Episode) -> dict[str, Any]:
    return {
        "side": episode.side, "began_ns": episode.began_ns,
        "took_us": episode.took_us, "ended_by": episode.ended_by,
        "update": _window_json(episode.update),
        "update_ack": episode.update_ack,
        "probes": [_probe_json(probe) for probe in episode.probes],
        "probes_seen": episode.probes_seen,
    }


def _flow_json(windows: Windows, flow: Flow, end_ns: int) -> dict[str, Any]:
    return {
        **identity_json(flow),
        "windows": {side: {name: _window_json(getattr(sizes, name))
                           for name in ("smallest", "largest", "last")}
                    for side, sizes in sorted(flow.ranges.items())},
        "zero_windows": dict(flow.episodes_seen),
        "stalled_us": {side: windows.stalled_us(flow, side, end_ns)
                       for side in (PEER, OWN)},
        "longest_us": {side: windows.longest_us(flow, side, end_ns)
                       for side in (PEER, OWN)},
        "still_zero": sorted(flow.open), "ended": flow.ended,
        "persist_probes": flow.persist_probes,
        "persist_probes_of_zero_windows": flow.probes_of_zero,
        "keepalive_probes": flow.keepalive_probes,
        "episodes": [_episode_json(episode) for episode in flow.episodes],
        "episodes_left_out": flow.left_out,
        "not_seen": flow.partly, "may_have_changed": windows.is_stale(flow),
    }


def as_json(windows: Windows, end_ns: int | None,
            wanted: Filter = Filter()) -> dict[str, Any]:
    """Every connection, one by one, those whose windows never closed too."""
    end = windows.gaps.ended_ns(end_ns)
    return {
        "connections": (_flow_json(windows, flow, end)
                        for flow in windows.flows(wanted)),
        "forgotten": windows.kept.forgotten,
        **windows.gaps.as_json(end_ns)}


# ---- for people

HOW_TO_READ_SIZES = (
    "Windows as `field in the header x scale = bytes`. A peer's window limits what "
    "we send, our own what the peer sends.")
HOW_TO_READ_ZERO = (
    "`zero` counts the times a window closed, `zero for` is their time together. A sender "
    "stands still only if it has something to send: then it probes. "
    "Probes are the persist timer's, keepalives not among them; `now` is how the window "
    "stood at the end, or that the connection has ended.")
HOW_TO_READ_EPISODES = (
    "Probes ask a closed window whether it has room again, lest a lost update leave "
    "both sides waiting. Each wait is twice the one before, up to 120 s; `next wait` "
    "is what the timer is set to; the first `waited` counts from the closing. "
    "`unanswered` counts the probes before that got no ACK: a connection is given up "
    "for these; for a window that stays zero only after our close(), or with "
    "TCP_USER_TIMEOUT.")

WHOSE = {PEER: "peer's", OWN: "ours"}
CLOSED = {PEER: "the peer's window closed", OWN: "our window closed"}
STOOD_STILL = {PEER: "we stood still", OWN: "the peer stood still"}


def _size_rows(flows: Iterable[Flow]) -> Iterator[tuple[str, ...]]:
    yield "connection", "whose", "smallest", "largest", "last"
    for flow in flows:
        for side in (PEER, OWN):
            sizes = flow.ranges.get(side)
            if sizes is not None:
                yield (name_of(flow), WHOSE[side],
                       str(sizes.smallest), str(sizes.largest),
                       str(sizes.last))


def _stall_rows(windows: Windows, flows: Iterable[Flow],
                end_ns: int) -> Iterator[tuple[str, ...]]:
    yield ("connection", "whose", "zero", "zero for", "longest", "probes",
           "now", "local - peer")
    for flow in flows:
        for side in (PEER, OWN):
            if flow.episodes_seen[side]:
                yield _stall_row(windows, flow, side, end_ns)


def _stall_row(windows: Windows, flow: Flow, side: str,
               end_ns: int) -> tuple[str, ...]:
    now = "ended" if flow.ended else "open"
    if side in flow.open:
        now = "zero?" if windows.is_stale(flow) else "zero"
    return (connection(flow.cookie), WHOSE[side],
            str(flow.episodes_seen[side]),
            _at_least(windows, flow, side, windows.stalled_us(flow, side, end_ns)),
            _at_least(windows, flow, side, windows.longest_us(flow, side, end_ns)),
            str(flow.probes_of_zero) if side == PEER else "-", now,
            both_ends(flow))


def _what_closed(flow: Flow, side: str) -> str:
    """As much as is known of what it did."""
    if flow.somebody_waited(side):
        return f"{CLOSED[side]}: {STOOD_STILL[side]}"
    return CLOSED[side]


def _at_least(windows: Windows, flow: Flow, side: str, us: int) -> str:
    """A time; `?` if there is none, as beginning or end was not seen."""
    if not windows.is_at_least(flow, side):
        return duration(us)
    return f"at least {duration(us)}" if us else "?"


def _after(episode: Episode, until_ns: int | None) -> str:
    """How long it had been zero by then."""
    if until_ns is None:
        return ""
    least_us = episode.least_ns(until_ns) // 1000
    if episode.began_ns is not None:
        return f" after {duration(least_us)}"
    return f" after {duration(least_us)} at least" if least_us else ""


def _ending_words(windows: Windows, flow: Flow, episode: Episode,
                  end_ns: int) -> str:
    if episode.ended_by is None:
        if windows.is_stale(flow):
            return "not seen any more; its end may be lost"
        return f"still zero at the end{_after(episode, end_ns)}"
    took = _after(episode, episode.ended_ns)
    if episode.ended_by == OPENED:
        update = "" if episode.update is None else f" to {episode.update}"
        ack = ("" if episode.update_ack is None
               else f", update with ack={episode.update_ack}")
        return f"opened{took}{update}{ack}"
    if episode.ended_by == ENDED:
        return f"ended with the connection{took}"
    return "its end was not seen"


def _probe_rows(episode: Episode,
                first_ns: int | None) -> Iterator[tuple[str, ...]]:
    yield "at (s)", "probe", "unanswered", "waited", "backoff", "next wait"
    began_ns = episode.began_ns
    for probe in episode.probes:
        waited_us = probe.waited_us
        if waited_us is None and probe.number == 1 and began_ns is not None:
            waited_us = (probe.time_ns - began_ns) // 1000
        next_wait = ("data goes, there is room" if probe.carries_data
                     else duration(probe.next_wait_us or 0))
        yield (seconds(probe.time_ns, first_ns), str(probe.number or "?"),
               str(probe.unanswered),
               "?" if waited_us is None else duration(waited_us),
               str(probe.backoff), next_wait)


def _episode_text(windows: Windows, flow: Flow, episode: Episode,
                  end_ns: int) -> list[str]:
    first_ns = windows.gaps.first_ns
    ending = _ending_words(windows, flow, episode, end_ns)
    lines = [f"  at {seconds(episode.began_ns, first_ns)} s "
             f"{_what_closed(flow, episode.side)}",
             f"     {ending}"]
    if episode.probes:
        lines += aligned(_probe_rows(episode, first_ns), right=range(6),
                         indent=5)
        left_out = episode.probes_seen - len(episode.probes)
        if left_out:
            lines.append(f"     ({plural(left_out, 'earlier probe')} left out)")
    return lines


def _episodes(windows: Windows, flow: Flow, end_ns: int) -> list[str]:
    lines = ["", heading(flow)]
    if flow.left_out:
        lines.append(f"  ({plural(flow.left_out, 'earlier episode')} left out)")
    for episode in flow.episodes:
        lines += _episode_text(windows, flow, episode, end_ns)
    if flow.partly:
        lines += note("(" + "; ".join(flow.partly) + ")", "  ")
    return lines


def _none(windows: Windows, wanted: Filter) -> str:
    """No window at all, or not of the connection asked for."""
    if any(True for _ in windows.flows(wanted)):
        return "No window was seen."
    others = sum(bool(flow.ranges) for flow in windows.flows())
    return wanted.none_seen(others) if others else "No window was seen."


def as_text(windows: Windows, end_ns: int | None,
            wanted: Filter = Filter(), limit: int = 0) -> Iterator[str]:
    """Sizes, standstills, then each of these with its probes.

    A limit is of connections in each of these tables.
    """
    def seen() -> Iterator[Flow]:
        return (flow for flow in windows.flows(wanted) if flow.ranges)

    def stalled() -> Iterator[Flow]:
        return (flow for flow in seen() if any(flow.episodes_seen.values()))

    yield from windows.kept.left_out()
    if next(seen(), None) is None:
        yield _none(windows, wanted)
        return
    yield from _sizes(seen, limit)
    yield ""
    if next(stalled(), None) is None:
        yield "No window closed."
        return
    yield from _stalls(windows, stalled, windows.gaps.ended_ns(end_ns), limit)


def _first(flows: Flows, limit: int) -> Iterator[Flow]:
    return islice(flows(), limit or None)


def _left_out(flows: Flows, limit: int) -> list[str]:
    return and_more(sum(1 for _ in flows()) - limit) if limit else []


def _sizes(seen: Flows, limit: int) -> Iterator[str]:
    yield "Windows:"
    yield from aligned_twice(lambda: _size_rows(_first(seen, limit)), right=(2, 3, 4))
    yield from _left_out(seen, limit)
    yield from note(HOW_TO_READ_SIZES)


def _stalls(windows: Windows, stalled: Flows, end_ns: int, limit: int) -> Iterator[str]:
    yield "Zero windows:"
    yield from aligned_twice(
        lambda: _stall_rows(windows, _first(stalled, limit), end_ns), right=(2, 3, 4, 5))
    yield from _left_out(stalled, limit)
    yield from note(HOW_TO_READ_ZERO)
    for flow in _first(stalled, limit):
        yield from _episodes(windows, flow, end_ns)
    yield from note(HOW_TO_READ_EPISODES)
