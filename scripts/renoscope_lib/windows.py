# SPDX-License-Identifier: GPL-2.0
"""Windows that closed: whose, for how long, and what ended it.

A receiver whose buffer is full advertises a window of zero, and the sender stops.
The update that opens the window again is a bare ACK, which nobody retransmits: if
it were lost, both would wait for ever.  So the sender's persist timer sends probes,
each after twice the wait of the one before.

An episode begins when a window closes and ends when it opens, or with the
connection.  A window of the peer's holds us back; one of ours holds the peer back,
and then the probes come from there and are not seen here.  Whether anybody stood
still is another question: only who has something to send does.

The wait that begins with a probe is what tcp_send_probe0() and tcp_probe0_when()
set: the RTO, at least 200 ms, doubled once more with each probe that was sent, at
most 120 s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .gaps import Gaps
from .kept import Kept, Packable
from .schema import Event, Schema
from .segments import has_segment
from .sequence import MODULUS, RST, SYN, relative
from .tables import aligned, aligned_twice, note, seconds
from .wanted import Filter
from .words import (connection, duration, local_endpoint, plural,
                    remote_endpoint)

NEEDED_KINDS = ("zero_window", "probe", "ack", "state")

PEER, OWN = "peer", "own"
OPENED, ENDED, UNSEEN = "opened", "connection ended", "not seen"

# net/ipv4/tcp_timer.c, include/net/tcp.h: TCP_RTO_MIN, TCP_RTO_MAX, and the
# doublings from one to the other.
SHORTEST_WAIT_US = 200_000
LONGEST_WAIT_US = 120_000_000
MOST_DOUBLINGS = (LONGEST_WAIT_US // SHORTEST_WAIT_US).bit_length()

# Episodes kept of one connection, and probes of one episode, the latest.
KEPT = 1000


def persist_wait_us(rto_us: int, backoff: int) -> int:
    """How long the persist timer waits with so many doublings."""
    wait = max(rto_us, SHORTEST_WAIT_US) << min(backoff, MOST_DOUBLINGS)
    return min(wait, LONGEST_WAIT_US)


@dataclass(frozen=True, slots=True)
class Window(Packable):
    """A window as it stands in the segment, and what that means."""

    raw: int
    shift: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.raw << self.shift

    def __str__(self) -> str:
        return f"{self.raw} x {1 << self.shift} = {self.size}"


@dataclass(frozen=True, slots=True)
class Probe(Packable):
    """The persist timer fired.

    The number counts within the episode, None if its beginning was not seen.
    (The kernel's own count begins anew with each answer.)
    """

    number: int | None
    unanswered: int
    time_ns: int
    backoff: int
    waited_us: int | None
    next_wait_us: int | None
    carries_data: bool


@dataclass(slots=True)
class Episode(Packable):
    """A window was zero; None where beginning or end was not seen."""

    side: str
    began_ns: int | None
    ended_ns: int | None = None
    ended_by: str | None = None
    probes: deque[Probe] = field(default_factory=lambda: deque(maxlen=KEPT))
    probes_seen: int = 0
    update: Window | None = None
    update_ack: int | None = None

    @property
    def took_us(self) -> int | None:
        """How long it lasted, where both ends were seen."""
        if self.began_ns is None or self.ended_ns is None:
            return None
        return (self.ended_ns - self.began_ns) // 1000


@dataclass(slots=True)
class Range(Packable):
    """The windows that one side advertised, zero ones included."""

    smallest: Window
    largest: Window
    last: Window

    def add(self, window: Window) -> None:
        """One more."""
        self.last = window
        if window.size < self.smallest.size:
            self.smallest = window
        if window.size > self.largest.size:
            self.largest = window


@dataclass(slots=True)
class Flow(Packable):
    """One connection's windows."""

    cookie: int
    netns: int
    family: int
    local: str
    remote: str
    ranges: dict[str, Range] = field(default_factory=dict)
    open: dict[str, Episode] = field(default_factory=dict)
    episodes: deque[Episode] = field(
        default_factory=lambda: deque(maxlen=KEPT))
    episodes_seen: dict[str, int] = field(
        default_factory=lambda: {PEER: 0, OWN: 0})
    stalled_ns: dict[str, int] = field(
        default_factory=lambda: {PEER: 0, OWN: 0})
    longest_us: dict[str, int] = field(
        default_factory=lambda: {PEER: 0, OWN: 0})
    persist_probes: int = 0
    probes_of_zero: int = 0
    keepalive_probes: int = 0
    again_at_zero: int = 0
    asked_for_ours: int = 0
    ended: bool = False
    gaps_before: int = 0
    partly: list[str] = field(default_factory=list)

    def note_once(self, what: str) -> None:
        """Something that was not seen."""
        if what not in self.partly:
            self.partly.append(what)

    def somebody_waited(self, side: str) -> bool:
        """Whether anything shows that there was something to send.

        A closed window holds up only who has. Then the persist timer asks, or what
        is on its way goes again.
        """
        if side == PEER:
            return bool(self.probes_of_zero or self.again_at_zero)
        return bool(self.asked_for_ours)

    @property
    def left_out(self) -> int:
        """Episodes that are counted but no longer kept."""
        return sum(self.episodes_seen.values()) - len(self.episodes)


class Windows:
    """Feed it joined events, then ask for the flows."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.gaps = Gaps(schema, NEEDED_KINDS)
        self.kept: Kept[Flow] = Kept(lambda flow: flow.ended)

    def feed(self, event: Event) -> None:
        """The next event."""
        if self.gaps.takes(event) or not event["cookie"]:
            return
        name = self._schema.name_of("state", event["state"])
        if name in ("LISTEN", "SYN-SENT", "SYN-RECEIVED"):
            return  # windows are not scaled there, and nothing waits for them
        if name in ("CLOSED", "TIME-WAIT") or event.kind in (
                "destroy", "time_wait", "time_wait_end"):
            self._ends(event)
            return
        flow = self._flow(event)
        self._see_gap(flow, event)
        if event.kind == "zero_window":
            self._see_zero_window(flow, event)
        elif event.kind == "probe":
            self._see_probe(flow, event)
        elif event.kind == "retransmit":
            flow.again_at_zero += self._schema.name_of(
                "retransmit_cause", event["retransmit_cause"]) == "zero_window"
        elif event.kind == "ack":
            flow.asked_for_ours += self._asks_for_ours(flow, event)
        self._see_sizes(flow, event)

    def _flow(self, event: Event) -> Flow:
        flow = self.kept.get(event["cookie"])
        return flow or self.kept.add(event["cookie"], Flow(
            event["cookie"], event["netns"], event["family"],
            local_endpoint(event), remote_endpoint(event),
            gaps_before=self.gaps.number))

    # ---- sizes

    def _see_sizes(self, flow: Flow, event: Event) -> None:
        flags = event["seg_flags"]
        if event.kind in ("ack", "zero_window") and has_segment(event) \
                and not flags & (SYN | RST):
            self._add_size(flow, PEER, Window(event["seg_window"],
                                              event["snd_wscale"]))
        if event.kind != "reset_sent":
            shift = event["rcv_wscale"]
            self._add_size(flow, OWN, Window(event["rcv_wnd"] >> shift, shift))

    @staticmethod
    def _add_size(flow: Flow, side: str, window: Window) -> None:
        if side in flow.ranges:
            flow.ranges[side].add(window)
        else:
            flow.ranges[side] = Range(window, window, window)

    # ---- episodes

    def _begin(self, flow: Flow, side: str, began_ns: int | None) -> Episode:
        episode = Episode(side, began_ns)
        flow.open[side] = episode
        flow.episodes.append(episode)
        flow.episodes_seen[side] += 1
        if began_ns is None:
            flow.note_once("a window was zero before it was seen to close")
        return episode

    def _end(self, flow: Flow, episode: Episode, ended_ns: int | None,
             ended_by: str) -> None:
        del flow.open[episode.side]
        episode.ended_ns = ended_ns
        episode.ended_by = ended_by
        if episode.began_ns is not None and ended_ns is not None:
            flow.stalled_ns[episode.side] += ended_ns - episode.began_ns
            flow.longest_us[episode.side] = max(
                flow.longest_us[episode.side], episode.took_us or 0)

    def _see_zero_window(self, flow: Flow, event: Event) -> None:
        side = self._schema.name_of("window_side", event["window_side"])
        change = self._schema.name_of("window_change", event["window_change"])
        if side not in (PEER, OWN):
            return
        episode = flow.open.get(side)
        if change == "closed":
            if episode is not None:
                self._end(flow, episode, None, UNSEEN)
                flow.note_once("a window opened unseen")
            self._begin(flow, side, event["time_ns"])
            return
        if episode is None:
            episode = self._begin(flow, side, None)
        episode.update, episode.update_ack = self._update(event, side)
        self._end(flow, episode, event["time_ns"], OPENED)

    @staticmethod
    def _update(event: Event, side: str) -> tuple[Window | None, int | None]:
        """The window that opened it, and the number it acknowledges."""
        if side == OWN:
            shift = event["rcv_wscale"]
            ack = (relative(event["rcv_nxt"], event["rcv_isn"])
                   if event["rcv_isn"] else None)
            return Window(event["rcv_wnd"] >> shift, shift), ack
        if not has_segment(event):
            return None, None
        ack = (relative(event["seg_ack"], event["snd_isn"])
               if event["snd_isn"] else None)
        return Window(event["seg_window"], event["snd_wscale"]), ack

    def _see_probe(self, flow: Flow, event: Event) -> None:
        cause = self._schema.name_of("probe_cause", event["probe_cause"])
        if cause == "keepalive":
            flow.keepalive_probes += 1
            return
        if cause != "zero_window":
            return
        flow.persist_probes += 1
        episode = flow.open.get(PEER)
        if episode is None:
            if event["snd_wnd"]:
                return  # the window is too small, not zero
            episode = self._begin(flow, PEER, None)
        flow.probes_of_zero += 1
        episode.probes_seen += 1
        episode.probes.append(self._probe(event, episode))

    @staticmethod
    def _probe(event: Event, episode: Episode) -> Probe:
        before = episode.probes[-1].time_ns if episode.probes else None
        carries = bool(event["probe_carries_data"])
        return Probe(
            number=(None if episode.began_ns is None
                    else episode.probes_seen),
            unanswered=event["probes_out"], time_ns=event["time_ns"],
            backoff=event["backoff"],
            waited_us=(None if before is None
                       else (event["time_ns"] - before) // 1000),
            next_wait_us=(None if carries else persist_wait_us(
                event["rto_us"], event["backoff"] + 1)),
            carries_data=carries)

    @staticmethod
    def _asks_for_ours(flow: Flow, event: Event) -> bool:
        """Whether it is a probe of our zero window: an old number, or one byte."""
        if OWN not in flow.open:
            return False
        ahead = relative(event["seg_seq"], event["rcv_nxt"])
        return ahead == MODULUS - 1 or (ahead == 0 and event["seg_len"] > 0)

    def _see_gap(self, flow: Flow, event: Event) -> None:
        """After a gap, a window that is open again tells so by its size."""
        if flow.gaps_before == self.gaps.number:
            return
        flow.gaps_before = self.gaps.number
        opens = (event.kind == "zero_window" and self._schema.name_of(
            "window_change", event["window_change"]) == OPENED)
        for side, size in ((PEER, "snd_wnd"), (OWN, "rcv_wnd")):
            if side in flow.open and event[size] and not opens:
                self._end(flow, flow.open[side], None, UNSEEN)
                flow.note_once("a window opened unseen")

    def _ends(self, event: Event) -> None:
        flow = self.kept.get(event["cookie"])
        if flow is None:
            return
        flow.ended = True
        # after a gap it may have opened, or ended, before this
        ended_ns = None if self.is_stale(flow) else event["time_ns"]
        for episode in list(flow.open.values()):
            self._end(flow, episode, ended_ns, ENDED)

    # ---- what came of it

    def flows(self, wanted: Filter = Filter()) -> Iterator[Flow]:
        """The connections, in order of their first event."""
        for flow in self.kept:
            if wanted.includes(flow):
                yield flow

    def is_stale(self, flow: Flow) -> bool:
        """Whether what it last told may be out of date."""
        return not self.gaps.is_whole_since(flow.gaps_before)

    def stalled_us(self, flow: Flow, side: str, end_ns: int) -> int:
        """All its episodes together, and what is still going on."""
        total = flow.stalled_ns[side]
        episode = flow.open.get(side)
        if episode is not None and episode.began_ns is not None \
                and not self.is_stale(flow):
            total += end_ns - episode.began_ns
        return total // 1000


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
        "connection": connection(flow.cookie), "netns": flow.netns,
        "family": flow.family, "local": flow.local, "remote": flow.remote,
        "windows": {side: {name: _window_json(getattr(sizes, name))
                           for name in ("smallest", "largest", "last")}
                    for side, sizes in sorted(flow.ranges.items())},
        "zero_windows": dict(flow.episodes_seen),
        "stalled_us": {side: windows.stalled_us(flow, side, end_ns)
                       for side in (PEER, OWN)},
        "longest_us": dict(flow.longest_us),
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
    end = max(end_ns or 0, windows.gaps.last_ns)
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
    "for these, never for a window that stays zero.")

WHOSE = {PEER: "peer's", OWN: "ours"}
CLOSED = {PEER: "the peer's window closed", OWN: "our window closed"}
STOOD_STILL = {PEER: "we stood still", OWN: "the peer stood still"}


def _size_rows(flows: Iterable[Flow]) -> Iterator[tuple[str, ...]]:
    yield "connection", "whose", "smallest", "largest", "last"
    for flow in flows:
        for side in (PEER, OWN):
            sizes = flow.ranges.get(side)
            if sizes is not None:
                yield (connection(flow.cookie), WHOSE[side],
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
    longest = max(flow.longest_us[side], _lasting_us(flow, side, end_ns))
    return (connection(flow.cookie), WHOSE[side],
            str(flow.episodes_seen[side]),
            duration(windows.stalled_us(flow, side, end_ns)),
            duration(longest),
            str(flow.probes_of_zero) if side == PEER else "-", now,
            f"{flow.local} - {flow.remote}")


def _what_closed(flow: Flow, side: str) -> str:
    """As much as is known of what it did."""
    if flow.somebody_waited(side):
        return f"{CLOSED[side]}: {STOOD_STILL[side]}"
    return CLOSED[side]


def _lasting_us(flow: Flow, side: str, end_ns: int) -> int:
    episode = flow.open.get(side)
    if episode is None or episode.began_ns is None:
        return 0
    return (end_ns - episode.began_ns) // 1000


def _ending_words(windows: Windows, flow: Flow, episode: Episode,
                  end_ns: int) -> str:
    if episode.ended_by is None:
        if windows.is_stale(flow):
            return "not seen any more; its end may be lost"
        lasts = ("" if episode.began_ns is None else
                 f" after {duration((end_ns - episode.began_ns) // 1000)}")
        return f"still zero at the end{lasts}"
    took = "" if episode.took_us is None else f" after {duration(episode.took_us)}"
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
    lines = ["", f"{connection(flow.cookie)}  {flow.local} - {flow.remote}"]
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
            wanted: Filter = Filter()) -> Iterator[str]:
    """Sizes, standstills, then each of these with its probes."""
    end = max(end_ns or 0, windows.gaps.last_ns)

    def shown() -> Iterator[Flow]:
        return (flow for flow in windows.flows(wanted) if flow.ranges)

    def stalled() -> Iterator[Flow]:
        return (flow for flow in shown() if any(flow.episodes_seen.values()))

    yield from windows.kept.left_out()
    if next(shown(), None) is None:
        yield _none(windows, wanted)
        return
    yield "Windows:"
    yield from aligned_twice(lambda: _size_rows(shown()), right=(2, 3, 4))
    yield from note(HOW_TO_READ_SIZES)
    yield ""
    if next(stalled(), None) is None:
        yield "No window closed."
        return
    yield "Zero windows:"
    yield from aligned_twice(lambda: _stall_rows(windows, stalled(), end),
                             right=(2, 3, 4, 5))
    yield from note(HOW_TO_READ_ZERO)
    for flow in stalled():
        yield from _episodes(windows, flow, end)
    yield from note(HOW_TO_READ_EPISODES)
