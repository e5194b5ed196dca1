# SPDX-License-Identifier: GPL-2.0
"""Windows that closed: whose, for how long, and what ended it.

A receiver whose buffer is full advertises a window of zero, and the sender stops.
The update that opens the window again is a bare ACK, which nobody retransmits: if
it were lost, both would wait for ever.  So the sender's persist timer sends probes,
each after twice the wait of the one before.

An episode begins when a window closes and ends when it opens, or with the
connection.  A window of the peer's holds us back; one of ours holds the peer back,
and then the probes come from there and are not seen here.  Whether anybody stood
still is another question: only who has something to send does.  On the wire a peer's probe of
our window looks like its keepalive: an old number, no data.  But no keepalive comes
within a second, as its time is set in seconds; and all come after the same time, as we
answer, where each wait of the persist timer is longer than the one before.

The wait that begins with a probe is what tcp_send_probe0() sets: kernel_timers.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..ring.schema import Event, Schema
from ..tcp.connections import PartlySeen, identity_of
from ..tcp.kept import Kept, Lasting, Packable
from ..tcp.kernel_timers import persist_wait_us
from ..tcp.segments import has_segment
from ..tcp.sequence import MODULUS, MOST_UNSCALED, RST, SYN, relative, relative_if_known
from ..tcp.tcp_states import CLOSED, LISTEN, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from ..tcp.wanted import Filter
from .gaps import Gaps

NEEDED_KINDS = ("zero_window", "probe", "ack", "state")

PEER, OWN = "peer", "own"
OPENED, ENDED, UNSEEN = "opened", "connection ended", "not seen"

# A segment that comes sooner than this is no keepalive; TCP_KEEPIDLE is 1 s or more.
LEAST_KEEPALIVE_NS = 900_000_000
# The waits of a persist timer double.
GROWS = 1.5

# Episodes kept of one connection, and probes of one episode, the latest.
KEPT = 1000


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
class Episode(Lasting):
    """A window was zero; None where beginning or end was not seen."""

    side: str
    began_ns: int | None
    seen_ns: int
    ended_ns: int | None = None
    ended_by: str | None = None
    probes: deque[Probe] = field(default_factory=lambda: deque(maxlen=KEPT))
    probes_seen: int = 0
    update: Window | None = None
    update_ack: int | None = None

    def least_ns(self, until_ns: int | None) -> int:
        """So long it was zero at the least: from when it was seen until it last was."""
        if until_ns is None:
            until_ns = self.probes[-1].time_ns if self.probes else self.seen_ns
        return until_ns - self.seen_ns


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
class Flow(PartlySeen):
    """One connection's windows."""

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
    at_least: set[str] = field(default_factory=set)  # of these sides not all was seen
    persist_probes: int = 0
    probes_of_zero: int = 0
    keepalive_probes: int = 0
    again_at_zero: int = 0
    asked_for_ours: int = 0
    may_have_asked: int = 0     # or these were keepalives
    heard_ns: int = 0
    question_wait_ns: int = 0
    ended: bool = False
    gaps_before: int = 0

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


def _own(event: Event) -> Window:
    """Ours: the kernel would grant more than it has room to say (tcp_select_window())."""
    shift = event["rcv_wscale"]
    return Window(min(event["rcv_wnd"] >> shift, MOST_UNSCALED), shift)


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
        if name in (LISTEN, SYN_SENT, SYN_RECEIVED):
            return  # windows are not scaled there, and nothing waits for them
        if name in (CLOSED, TIME_WAIT) or event.kind in (
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
            self._see_question(flow, event)
        self._see_sizes(flow, event)

    def _flow(self, event: Event) -> Flow:
        flow = self.kept.get(event.key)
        return flow or self.kept.add(event.key, Flow(
            *identity_of(event), gaps_before=self.gaps.number))

    # ---- sizes

    def _see_sizes(self, flow: Flow, event: Event) -> None:
        flags = event["seg_flags"]
        if event.kind in ("ack", "zero_window") and has_segment(event) \
                and not flags & (SYN | RST):
            self._add_size(flow, PEER, Window(event["seg_window"],
                                              event["snd_wscale"]))
        if event.kind != "reset_sent":
            self._add_size(flow, OWN, _own(event))

    @staticmethod
    def _add_size(flow: Flow, side: str, window: Window) -> None:
        if side in flow.ranges:
            flow.ranges[side].add(window)
        else:
            flow.ranges[side] = Range(window, window, window)

    # ---- episodes

    def _begin(self, flow: Flow, side: str, event: Event, closes: bool) -> Episode:
        began_ns = event["time_ns"] if closes else None
        episode = Episode(side, began_ns, event["time_ns"])
        flow.open[side] = episode
        flow.episodes.append(episode)
        flow.episodes_seen[side] += 1
        if began_ns is None:
            flow.at_least.add(side)
            flow.note_once("a window was zero before it was seen to close")
        return episode

    def _end(self, flow: Flow, episode: Episode, ended_ns: int | None,
             ended_by: str) -> None:
        del flow.open[episode.side]
        episode.ended_ns = ended_ns
        episode.ended_by = ended_by
        if ended_ns is None:
            flow.at_least.add(episode.side)
        least_ns = episode.least_ns(ended_ns)
        flow.stalled_ns[episode.side] += least_ns
        flow.longest_us[episode.side] = max(flow.longest_us[episode.side], least_ns // 1000)

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
            self._begin(flow, side, event, closes=True)
            if side == OWN:
                flow.heard_ns = event["time_ns"]  # what filled it, and we answered
            return
        if episode is None:
            episode = self._begin(flow, side, event, closes=False)
        episode.update, episode.update_ack = self._update(event, side)
        self._end(flow, episode, event["time_ns"], OPENED)

    @staticmethod
    def _update(event: Event, side: str) -> tuple[Window | None, int | None]:
        """The window that opened it, and the number it acknowledges."""
        if side == OWN:
            ack = relative_if_known(event["rcv_nxt"], event["rcv_isn"])
            return _own(event), ack
        if not has_segment(event):
            return None, None
        ack = relative_if_known(event["seg_ack"], event["snd_isn"])
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
            episode = self._begin(flow, PEER, event, closes=False)
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
                event["rto_us"], event["backoff"])),
            carries_data=carries)

    @staticmethod
    def _see_question(flow: Flow, event: Event) -> None:
        """What may be a probe of our zero window: an old number, or one byte."""
        before_ns, flow.heard_ns = flow.heard_ns, event["time_ns"]
        if OWN not in flow.open:
            flow.question_wait_ns = 0
            return
        ahead = relative(event["seg_seq"], event["rcv_nxt"])
        if ahead == 0 and event["seg_len"]:
            flow.asked_for_ours += 1
        if ahead != MODULUS - 1:
            return
        wait_ns = event["time_ns"] - before_ns if before_ns else 0
        last_ns, flow.question_wait_ns = flow.question_wait_ns, wait_ns
        if 0 < wait_ns < LEAST_KEEPALIVE_NS or 0 < GROWS * last_ns <= wait_ns:
            flow.asked_for_ours += 1
        else:
            flow.may_have_asked += 1

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
        flow = self.kept.get(event.key)
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
        """All its episodes together, and what is still going on; at the least."""
        return (flow.stalled_ns[side] + self._lasting_ns(flow, side, end_ns)) // 1000

    def longest_us(self, flow: Flow, side: str, end_ns: int) -> int:
        """The longest of them, at the least."""
        return max(flow.longest_us[side], self._lasting_ns(flow, side, end_ns) // 1000)

    def is_at_least(self, flow: Flow, side: str) -> bool:
        """Whether these times may have been longer."""
        return side in flow.at_least or side in flow.open and self.is_stale(flow)

    def _lasting_ns(self, flow: Flow, side: str, end_ns: int) -> int:
        episode = flow.open.get(side)
        if episode is None:
            return 0
        return episode.least_ns(None if self.is_stale(flow) else end_ns)
