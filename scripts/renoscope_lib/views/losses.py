# SPDX-License-Identifier: GPL-2.0
"""What was sent again, why, and what it did to the sender.

An episode is one thing that a loss, or the suspicion of one, made the sender do:

 - recovery: three duplicate ACKs, SACK or RACK told of a loss.  From the moment
   the congestion state becomes Recovery until it is left.
 - timeout: the retransmission timer fired.  From there until Loss is left; every
   further timeout meanwhile belongs to it.
 - without RTO: Loss that no timer began: segments became too large for the path.
 - reduced: CWR, after an ECN mark, a full queue of our own, or a loss that a tail loss
   probe made good for (tcp_process_tlp_ack()).
 - loss probe, SYN, SYN-ACK, zero window: a segment sent to find out.

cwnd and ssthresh before are those of the last event before the episode's first;
after are those of the first event behind its end, when the ACK that ended it has
been worked through.  The kernel takes a reduction back ("undone") when the
original turns out to have arrived (undoing.py).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..ring.schema import Event, Schema
from ..tcp.ca_states import CWR, GROWING, LOSS, REDUCING
from ..tcp.connections import PartlySeen, identity_of
from ..tcp.flows import is_fast_open
from ..tcp.kept import Kept, Packable
from ..tcp.kernel_timers import JIFFY_US, RESOURCE_WAIT_US, latest_us
from ..tcp.reno_words import RENO_KINDS
from ..tcp.segments import segments_sent_again
from ..tcp.sequence import ACK, FIN, SYN, is_after, passes, relative, relative_if_known
from ..tcp.tcp_states import CLOSED, IDLE, SYN_SENT, TIME_WAIT
from ..tcp.undoing import Reduction
from ..tcp.wanted import Filter
from ..words import duration, local_endpoint, remote_endpoint
from .gaps import Gaps

NEEDED_KINDS = ("retransmit", "synack_retransmit", "ca_state", "rto",
                "loss_probe")

SYNACK = "synack"
CAUSES = ("rto", "fast_retransmit", "loss_recovery", "tail_loss_probe", "syn",
          SYNACK, "zero_window", "unknown")

# Causes of what the retransmission timer sends; in Loss the rest goes by itself.
BY_TIMER = ("rto", "syn", "zero_window")
PROBE = "probe"

# Kinds that do not come from within the timer's work, so that it is over.
AFTER_TIMER = ("ack", "rto")

# Episodes kept of one connection, the latest; so memory has a bound.
KEPT = 1000


@dataclass(frozen=True, slots=True)
class Speed(Packable):
    """What limits a sender."""

    cwnd: int
    ssthresh: int


@dataclass(slots=True)
class Timeout(Packable):
    """The retransmission timer fired; `sent` is what went again, "" if not seen.

    Nothing goes where the kernel gives the connection up instead, and nothing left this
    host where it is `unsent`: no retransmission was recorded, though each is. Whether a
    queue of this host's dropped it, `by_queue` tells, None if that is not known.
    `small_sacked`: none was SACKed (None), or no more than were smaller than the MSS.
    """

    time_ns: int
    waited_us: int
    backoff: int
    seq: int | None
    sent: str = ""
    gave_up: bool = False
    unsent: bool = False
    by_queue: bool | None = None
    mss: int = 0
    sent_mss: int = 0           # when it went again: the timer may have lowered it
    is_full: bool = False       # as large as a segment may be then
    small_sacked: bool | None = None


@dataclass(slots=True)
class Episode(Packable):
    """One thing that a loss made the sender do; see above."""

    what: str
    began_ns: int
    ended_ns: int | None = None
    before: Speed | None = None
    within: Speed | None = None
    after: Speed | None = None
    dup_acks: int = 0
    lost: int = 0
    segments: int = 0
    timeouts: list[Timeout] = field(default_factory=list)
    timeouts_left_out: int = 0
    undone: bool = False
    ended_by: str | None = None
    detail: str = ""
    mss: tuple[int, int] | None = None  # of Loss: before it, and as it began
    is_fast_open: bool = False          # Loss with only the SYN acknowledged

    def add_timeout(self, timeout: Timeout) -> None:
        """One more, as long as there is room."""
        if len(self.timeouts) < KEPT:
            self.timeouts.append(timeout)
        else:
            self.timeouts_left_out += 1


@dataclass(slots=True)
class Flow(PartlySeen):
    """One connection's losses."""

    segments: Counter[str] = field(default_factory=Counter)
    timeouts: int = 0
    longest_rto_us: int = 0
    highest_backoff: int = 0
    entered: Counter[str] = field(default_factory=Counter)
    undone: int = 0
    probes_new: int = 0
    probes_again: int = 0
    stood_ns: Counter[str] = field(default_factory=Counter)
    ca_state: str | None = None
    ca_since_ns: int = 0
    gaps_before: int = 0
    last_ns: int = 0
    speed: Speed | None = None
    current: Episode | None = None
    fired: Timeout | None = None  # nothing was seen to go since
    fired_gaps: int = 0
    after_fired: tuple[int, int] = (-1, 0)
    waits_for_after: Episode | None = None
    reduction: Reduction = field(default_factory=Reduction)
    left: Episode | None = None  # of a reduction that may still be undone
    repairs: int = 0  # reductions as a tail loss probe has made good for a loss
    probed_to: int | None = None  # snd_nxt when a probe sent something again
    last_una: int = 0
    mss: tuple[int, int] = (0, 0)       # the last, and how many gaps there were
    timestamps: bool = False
    set_ns: int = 0     # when its timer was last set by a SYN that went or an ACK that came
    episodes: deque[Episode] = field(
        default_factory=lambda: deque(maxlen=KEPT))
    episodes_seen: int = 0
    over: bool = False
    settled: bool = False

    @property
    def sent_again(self) -> int:
        """Segments, whatever the cause."""
        return sum(self.segments.values())

    @property
    def had_losses(self) -> bool:
        """Whether there is anything to tell of it."""
        return bool(self.segments or self.episodes_seen or self.timeouts)

    @property
    def kept_all_here(self) -> bool:
        """Whether the last timeouts, since an ACK came, sent nothing that left this host."""
        last = self.episodes[-1] if self.episodes else None
        if last is None or last.what != LOSS or last.timeouts_left_out:
            return False
        tried = [timeout for timeout in last.timeouts if not timeout.gave_up]
        return bool(tried) and all(timeout.unsent for timeout in tried)

    def begin(self, episode: Episode) -> Episode:
        """Remember one more."""
        self.episodes.append(episode)
        self.episodes_seen += 1
        return episode


class Losses:
    """Feed it joined events, then ask for the flows."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.gaps = Gaps(schema, NEEDED_KINDS)
        self.kept: Kept[Flow] = Kept(lambda flow: flow.over)
        self._end_ns: int | None = None

    def feed(self, event: Event) -> None:
        """The next event."""
        if self.gaps.takes(event) or not event["cookie"]:
            return
        if event.kind in ("syn", "refused", "cookie_checked"):
            return
        flow = self._flow(event)
        if flow is None:
            return
        self._see_speed(flow, event)
        self._see_undoing(flow, event)
        if event.kind in AFTER_TIMER:
            self._see_unsent(flow, event)
        if event.kind not in RENO_KINDS:  # these come from within an ACK's work
            getattr(self, f"_see_{event.kind}", self._see_any)(flow, event)
            flow.last_una = event["snd_una"]
            self._see_timer_set(flow, event)
        flow.last_ns = event["time_ns"]
        flow.over = (event.kind == "request_end"
                     or self._state(event) in (CLOSED, TIME_WAIT))
        if event["cwnd"] and self._sends(event):
            flow.speed = Speed(event["cwnd"], event["ssthresh"])
            flow.mss = event.values.get("mss", 0), self.gaps.number

    def _flow(self, event: Event) -> Flow | None:
        """None of a listener, which has no peer and sends nothing."""
        flow = self.kept.get(event.key)
        if flow is None and not event["remote_port"]:
            return None
        if flow is None:
            return self.kept.add(event.key, Flow(
                *identity_of(event), gaps_before=self.gaps.number))
        if flow.has_wildcard:
            flow.local = local_endpoint(event)
            flow.remote = remote_endpoint(event)
        return flow

    def _state(self, event: Event) -> str:
        return self._schema.name_of("state", event["state"])

    def _sends(self, event: Event) -> bool:
        return self._state(event) not in IDLE

    # ---- the congestion state

    def _see_timer_set(self, flow: Flow, event: Event) -> None:
        if (event.kind == "ack" and is_after(event["seg_ack"], event["snd_una"])
                or event.kind == "state" and self._state(event) == SYN_SENT):
            flow.set_ns = event["time_ns"]

    def _see_any(self, flow: Flow, event: Event) -> None:
        """Every event shows the congestion state in passing."""
        if not self._sends(event) or event.kind in ("time_wait",
                                                    "time_wait_end"):
            self._finish(flow, event)
            return
        name = self._schema.name_of("ca_state", event["ca_state"])
        if flow.ca_state is None:
            self._stand(flow, event, name)
        elif name != flow.ca_state:
            self._jump(flow, event, name)

    def _finish(self, flow: Flow, event: Event) -> None:
        """No sender yet, or no more."""
        if event.kind not in ("state", "destroy", "time_wait"):
            return
        self._gives_up(flow, event)
        if flow.ca_state is None:
            return
        self._account(flow, event["time_ns"], flow.ca_state)
        self._leave(flow, event, "the connection ended")
        flow.ca_state = None

    def _stand(self, flow: Flow, event: Event, name: str) -> None:
        flow.ca_state = name
        flow.ca_since_ns = event["time_ns"]
        flow.gaps_before = self.gaps.number

    def _account(self, flow: Flow, until_ns: int, name: str) -> None:
        flow.stood_ns[name] += max(0, until_ns - flow.ca_since_ns)

    def _jump(self, flow: Flow, event: Event, name: str) -> None:
        """It stands where no event told that it went."""
        self._account(flow, event["time_ns"], "unknown")
        flow.note_once("changes of the congestion state were not seen")
        self._go(flow, event, name, "not seen")

    def _see_ca_state(self, flow: Flow, event: Event) -> None:
        old, new = (self._schema.name_of("ca_state", event[name])
                    for name in ("old_ca_state", "ca_state"))
        if not self._sends(event):
            return
        if flow.ca_state is None:
            self._stand(flow, event, old)
        elif flow.ca_state != old:
            self._jump(flow, event, old)
        if old == new:
            return
        self._account(flow, event["time_ns"], old)
        self._go(flow, event, new, new)

    def _go(self, flow: Flow, event: Event, name: str, ended_by: str) -> None:
        """From one congestion state to another."""
        has_begun = (name == LOSS and flow.current is not None
                     and flow.current.what == LOSS)
        if not has_begun:  # else its timer has told
            self._leave(flow, event, ended_by)
        self._stand(flow, event, name)
        if name in REDUCING:
            self._enter(flow, event, name, ended_by != "not seen")

    def _enter(self, flow: Flow, event: Event, name: str, seen: bool) -> None:
        flow.entered[name] += 1
        episode = flow.current
        if episode is None:
            episode = flow.begin(Episode(name, event["time_ns"]))
            episode.before = flow.speed if seen else None
        episode.within = Speed(event["cwnd"], event["ssthresh"])
        episode.dup_acks = event["sacked_out"]
        episode.lost = event["lost_out"]
        if name == LOSS and seen and flow.mss[1] == self.gaps.number:
            episode.mss = flow.mss[0], event.values.get("mss", 0)
        episode.is_fast_open = (relative_if_known(event["snd_una"], event["snd_isn"]) == 1
                                and is_fast_open(self._schema, event))
        flow.repairs += name == CWR and self._is_repaired(flow, event)
        flow.probed_to = None
        flow.current = episode
        flow.waits_for_after = flow.left = None

    @staticmethod
    def _is_repaired(flow: Flow, event: Event) -> bool:
        """Whether the first ACK beyond what was out at a probe has come."""
        return (flow.probed_to is not None
                and passes(flow.probed_to, flow.last_una, event["snd_una"]))

    def _leave(self, flow: Flow, event: Event, ended_by: str) -> None:
        """The state is left; its episode is over."""
        episode = flow.current
        if episode is None:
            return
        episode.ended_ns = event["time_ns"]
        episode.ended_by = ended_by
        if ended_by in GROWING and not episode.undone:
            flow.left = episode
        flow.current = None
        flow.waits_for_after = episode
        episode.after = Speed(event["cwnd"], event["ssthresh"])

    def _see_speed(self, flow: Flow, event: Event) -> None:
        """The first event behind an episode shows what it left behind."""
        if (flow.waits_for_after is not None and event["cwnd"]
                and self._sends(event)):
            flow.waits_for_after.after = Speed(event["cwnd"],
                                               event["ssthresh"])
            flow.waits_for_after = None

    def _see_undoing(self, flow: Flow, event: Event) -> None:
        """The reduction that lasts, or the one before, may have been taken back."""
        if not event["cwnd"] or not self._sends(event):
            return
        name = self._schema.name_of("ca_state", event["ca_state"])
        if not flow.reduction.is_undone(event, name, self.gaps.number):
            return
        episode = flow.current or flow.left
        if episode is not None:
            episode.undone = True
            episode.after = Speed(event["cwnd"], event["ssthresh"])
            flow.undone += 1
            flow.left = None

    # ---- what was sent again

    def _see_rto(self, flow: Flow, event: Event) -> None:
        flow.timeouts += 1
        waited_us = _waited_us(flow, event)
        flow.longest_rto_us = max(flow.longest_rto_us, waited_us)
        flow.highest_backoff = max(flow.highest_backoff, event["backoff"])
        timeout = Timeout(event["time_ns"], waited_us, event["backoff"],
                          relative_if_known(event["snd_una"], event["snd_isn"]))
        timeout.mss = event.values.get("mss", 0)
        flags = self._schema.bit_names("sock_flags", event["sock_flags"])
        flow.timestamps = "timestamps" in flags
        if "sack" in flags:
            timeout.small_sacked = _is_small_sacked(event, timeout.mss)
        flow.fired, flow.fired_gaps = timeout, self.gaps.number
        flow.after_fired = event["cpu"], event["serial"] + 1
        if not self._sends(event):
            self._timeout_of_syn(flow, event, timeout)
            return
        self._see_any(flow, event)
        if flow.current is not None and flow.current.what != LOSS:
            flow.current.ended_ns = event["time_ns"]
            flow.current.ended_by = "a timeout"
            flow.current = None
        if flow.current is None:
            flow.current = flow.begin(Episode(
                LOSS, event["time_ns"],
                before=Speed(event["cwnd"], event["ssthresh"])))
        flow.current.add_timeout(timeout)

    def _gives_up(self, flow: Flow, event: Event) -> None:
        """Whether its timer has ended it, and sent nothing: tcp_write_timeout()."""
        if (flow.fired is not None and self._state(event) == CLOSED
                and not self.gaps.lacks("retransmit")
                and flow.after_fired == (event["cpu"], event["serial"])):
            flow.fired.gave_up = True
            flow.fired = None

    def _see_unsent(self, flow: Flow, event: Event) -> None:
        """Whether the timer before has sent nothing that could leave (unless it gave up).

        The kernel tells of a retransmission that went (__tcp_retransmit_skb()).
        """
        timeout, flow.fired = flow.fired, None
        if (timeout is None or not self.gaps.is_whole_since(flow.fired_gaps)
                or self.gaps.lacks("retransmit")):
            return
        timeout.unsent = True
        if event.kind == "rto":
            timeout.by_queue = _was_by_queue(timeout, event)

    def _timeout_of_syn(self, flow: Flow, event: Event,
                        timeout: Timeout) -> None:
        episode = flow.begin(Episode("SYN", event["time_ns"],
                                     ended_ns=event["time_ns"]))
        episode.add_timeout(timeout)

    def _see_retransmit(self, flow: Flow, event: Event) -> None:
        cause = self._cause(event)
        count = segments_sent_again(event)
        flow.segments[cause] += count
        self._goes_again(flow, event, cause)
        self._see_any(flow, event)
        if cause == "zero_window":
            flow.begin(Episode("zero window", event["time_ns"],
                               ended_ns=event["time_ns"], segments=count))
        elif cause == "syn":
            self._syn_again(flow, event, count)
        elif cause != "tail_loss_probe" and flow.current is not None:
            flow.current.segments += count

    def _goes_again(self, flow: Flow, event: Event, cause: str) -> None:
        """The timer has sent it, if no event of either may have been lost between."""
        timeout, flow.fired = flow.fired, None
        if cause in BY_TIMER and timeout is not None and flow.fired_gaps == self.gaps.number:
            timeout.sent = _segment(event, cause)
            timeout.sent_mss = event.values.get("mss", 0)
            timeout.is_full = event["seg_len"] >= timeout.sent_mss > 0

    @staticmethod
    def _syn_again(flow: Flow, event: Event, count: int) -> None:
        """Its timeout, where that kind is recorded, has begun the episode."""
        if flow.episodes and flow.episodes[-1].what == "SYN" \
                and not flow.episodes[-1].segments:
            flow.episodes[-1].segments = count
        else:
            flow.begin(Episode("SYN", event["time_ns"],
                               ended_ns=event["time_ns"], segments=count))

    def _cause(self, event: Event) -> str:
        if event["seg_flags"] & SYN:
            return "syn"
        name = self._schema.name_of("retransmit_cause", event["retransmit_cause"])
        return name if name in CAUSES else "unknown"

    def _see_synack_retransmit(self, flow: Flow, event: Event) -> None:
        flow.segments[SYNACK] += 1
        timer = "timer" if event["by_timer"] else "duplicate SYN"
        flow.begin(Episode(
            "SYN-ACK", event["time_ns"], ended_ns=event["time_ns"], segments=1,
            detail=f"by {timer}, next wait {duration(event['rto_us'])}"))

    def _see_loss_probe(self, flow: Flow, event: Event) -> None:
        self._see_any(flow, event)
        again = bool(event["probe_retransmits"])
        flow.probes_again += again
        flow.probes_new += not again
        flow.probed_to = event["snd_nxt"] if again else None
        flow.begin(Episode(
            "loss probe", event["time_ns"], ended_ns=event["time_ns"],
            segments=int(again),
            detail="sent again" if again else "with new data"))

    # ---- what came of it

    def flows(self, wanted: Filter = Filter()) -> Iterator[Flow]:
        """The connections, in order of their first event."""
        for flow in self.kept:
            if wanted.includes(flow):
                self._settle(flow)
                yield flow

    def end(self, end_ns: int | None) -> None:
        """Watching is over: what still lasts, lasted until now."""
        self._end_ns = self.gaps.ended_ns(end_ns)

    def _settle(self, flow: Flow) -> None:
        """Once watching is over: account for the state it was left in."""
        if self._end_ns is None or flow.settled:
            return
        if flow.ca_state is not None:
            lost = not self.gaps.is_whole_since(flow.gaps_before)
            self._account(flow, flow.last_ns if lost else self._end_ns,
                          flow.ca_state)
        flow.settled = True


def _waited_us(flow: Flow, event: Event) -> int:
    """How long the timer had waited: the RTO, or less.

    TCP_USER_TIMEOUT cuts a wait short, and a full queue of this host's own brings the
    timer back in half a second: never longer than since it last fired.  And it is set
    shorter where a SYN was answered for an older connection, or SACKed data is asked
    for again (tcp_check_sack_reneging()): so not longer than since the SYN went, or an
    ACK came.  (Other ACKs set it to what is left of the RTO since a segment went.)
    """
    rto_us: int = event["rto_us"]
    before = flow.episodes[-1].timeouts if flow.episodes else []
    fired_ns = before[-1].time_ns if before else 0
    since_us: int = (event["time_ns"] - max(fired_ns, flow.set_ns)) // 1000
    least_us = since_us + JIFFY_US if fired_ns > flow.set_ns else 2 * since_us
    return since_us if least_us < rto_us else rto_us


def _was_by_queue(timeout: Timeout, following: Event) -> bool | None:
    """Whether a queue of this host's dropped what a timer sent; None if not known.

    The backoff is kept then, and the next wait half a second, whatever the RTO. After
    any other error the backoff grows, but for thin streams (tcp_thin_linear_timeouts).
    """
    if following["backoff"] > timeout.backoff:
        return False
    waited_us = (following["time_ns"] - timeout.time_ns) // 1000
    half_a_second = range(RESOURCE_WAIT_US - JIFFY_US, latest_us(RESOURCE_WAIT_US))
    is_so = waited_us in half_a_second and following["rto_us"] not in half_a_second
    return True if is_so else None


def _is_small_sacked(event: Event, mss: int) -> bool | None:
    """Whether what is SACKed may all be smaller than the MSS, as something is.

    What is out has so many bytes, and so many segments: of these no more are full than
    fill the bytes.
    """
    if not event["sacked_out"] or not mss:
        return None
    out = relative(event["snd_nxt"], event["snd_una"])
    smaller: int = event["packets_out"] - out // mss
    return event["sacked_out"] <= smaller


def _segment(event: Event, cause: str) -> str:
    """What a segment is, as far as its event tells."""
    flags = event["seg_flags"]
    if flags & SYN:
        return "SYN-ACK" if flags & ACK else "SYN"
    if cause == "zero_window":
        return PROBE
    parts = [word for word, is_so in (("data", event["seg_len"]), ("FIN", flags & FIN))
             if is_so]
    return " and ".join(parts)


@dataclass
class Sums:
    """All the connections of a view together, and those that had losses."""

    connections: int = 0
    lossy: int = 0
    timeouts: int = 0
    undone: int = 0
    segments: Counter[str] = field(default_factory=Counter)
    stood_ns: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, flows: Iterable[Flow]) -> Sums:
        """Of these connections."""
        sums = cls()
        for flow in flows:
            sums.connections += 1
            if flow.had_losses:
                sums.lossy += 1
                sums.timeouts += flow.timeouts
                sums.undone += flow.undone
                sums.segments.update(flow.segments)
                sums.stood_ns.update(flow.stood_ns)
        return sums
