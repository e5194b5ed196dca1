# SPDX-License-Identifier: GPL-2.0
"""What was sent again, why, and what it did to the sender.

An episode is one thing that a loss, or the suspicion of one, made the sender do:

 - recovery: three duplicate ACKs, SACK or RACK told of a loss.  From the moment
   the congestion state becomes Recovery until it is left.
 - timeout: the retransmission timer fired.  From there until Loss is left; every
   further timeout meanwhile belongs to it.
 - without RTO: Loss that no timer began: segments became too large for the path.
 - reduced: congestion without a loss (ECN, or a full queue of our own): CWR.
 - loss probe, SYN, SYN-ACK, zero window: a segment sent to find out.

cwnd and ssthresh before are those of the last event before the episode's first;
after are those of the first event behind its end, when the ACK that ended it has
been worked through.  The kernel takes a reduction back ("undone") when the
original turns out to have arrived: then ssthresh is higher when the state is left
than it was within.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .gaps import Gaps
from .kept import Kept, Packable
from .reno_words import OWN_KINDS
from .schema import Event, Schema
from .sequence import ACK, FIN, SYN, relative
from .tables import aligned, aligned_twice, note, seconds
from .wanted import Filter
from .words import (connection, duration, finite_ssthresh, local_endpoint, plural,
                    remote_endpoint, ssthresh_words)

NEEDED_KINDS = ("retransmit", "synack_retransmit", "ca_state", "rto",
                "loss_probe")

RECOVERY, LOSS, CWR = "Recovery", "Loss", "CWR"
CA_STATES = ("Open", "Disorder", CWR, RECOVERY, LOSS)
SYNACK = "synack"
CAUSES = ("rto", "fast_retransmit", "loss_recovery", "tail_loss_probe", "syn",
          SYNACK, "zero_window", "unknown")

# Causes of what the retransmission timer sends; in Loss the rest goes by itself.
BY_TIMER = ("rto", "syn", "zero_window")
PROBE = "probe"

# Episodes kept of one connection, the latest; so memory has a bound.
KEPT = 1000

# States without a congestion control at work.
IDLE_STATES = ("LISTEN", "CLOSED", "SYN-SENT", "SYN-RECEIVED", "TIME-WAIT")


@dataclass(frozen=True, slots=True)
class Speed(Packable):
    """What limits a sender."""

    cwnd: int
    ssthresh: int


@dataclass(slots=True)
class Timeout(Packable):
    """The retransmission timer fired; `sent` is what went again, "" if not seen."""

    time_ns: int
    waited_us: int
    backoff: int
    seq: int | None
    sent: str = ""


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

    def add_timeout(self, timeout: Timeout) -> None:
        """One more, as long as there is room."""
        if len(self.timeouts) < KEPT:
            self.timeouts.append(timeout)
        else:
            self.timeouts_left_out += 1


@dataclass(slots=True)
class Flow(Packable):
    """One connection's losses."""

    cookie: int
    netns: int
    family: int
    local: str
    remote: str
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
    waits_for_after: Episode | None = None
    episodes: deque[Episode] = field(
        default_factory=lambda: deque(maxlen=KEPT))
    episodes_seen: int = 0
    over: bool = False
    settled: bool = False
    partly: list[str] = field(default_factory=list)

    @property
    def sent_again(self) -> int:
        """Segments, whatever the cause."""
        return sum(self.segments.values())

    @property
    def had_losses(self) -> bool:
        """Whether there is anything to tell of it."""
        return bool(self.segments or self.episodes_seen or self.timeouts)

    def note_once(self, what: str) -> None:
        """Something that was not seen."""
        if what not in self.partly:
            self.partly.append(what)

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
        if event.kind not in OWN_KINDS:
            getattr(self, f"_see_{event.kind}", self._see_any)(flow, event)
        flow.last_ns = event["time_ns"]
        flow.over = (event.kind == "request_end"
                     or self._state(event) in ("CLOSED", "TIME-WAIT"))
        if event["cwnd"] and self._sends(event):
            flow.speed = Speed(event["cwnd"], event["ssthresh"])

    def _flow(self, event: Event) -> Flow | None:
        """None of a listener, which has no peer and sends nothing."""
        flow = self.kept.get(event["cookie"])
        if flow is None and not event["remote_port"]:
            return None
        if flow is None:
            return self.kept.add(event["cookie"], Flow(
                event["cookie"], event["netns"], event["family"],
                local_endpoint(event), remote_endpoint(event),
                gaps_before=self.gaps.number))
        if flow.local.endswith("*") or flow.remote.endswith("*"):
            flow.local = local_endpoint(event)
            flow.remote = remote_endpoint(event)
        return flow

    def _state(self, event: Event) -> str:
        return self._schema.name_of("state", event["state"])

    def _sends(self, event: Event) -> bool:
        return self._state(event) not in IDLE_STATES

    # ---- the congestion state

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
        if flow.ca_state is None or event.kind not in (
                "state", "destroy", "time_wait"):
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
        if name in (RECOVERY, LOSS, CWR):
            self._enter(flow, event, name, seen=ended_by != "not seen")

    def _enter(self, flow: Flow, event: Event, name: str, seen: bool) -> None:
        flow.entered[name] += 1
        episode = flow.current
        if episode is None:
            episode = flow.begin(Episode(name, event["time_ns"]))
            episode.before = flow.speed if seen else None
        episode.within = Speed(event["cwnd"], event["ssthresh"])
        episode.dup_acks = event["sacked_out"]
        episode.lost = event["lost_out"]
        flow.current = episode
        flow.waits_for_after = None

    def _leave(self, flow: Flow, event: Event, ended_by: str) -> None:
        """The state is left; its episode is over."""
        episode = flow.current
        if episode is None:
            return
        episode.ended_ns = event["time_ns"]
        episode.ended_by = ended_by
        episode.undone = (ended_by in ("Open", "Disorder")
                          and episode.within is not None
                          and event["ssthresh"] > episode.within.ssthresh)
        flow.undone += episode.undone
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

    # ---- what was sent again

    def _see_rto(self, flow: Flow, event: Event) -> None:
        flow.timeouts += 1
        flow.longest_rto_us = max(flow.longest_rto_us, event["rto_us"])
        flow.highest_backoff = max(flow.highest_backoff, event["backoff"])
        timeout = Timeout(event["time_ns"], event["rto_us"], event["backoff"],
                          _relative(event, "snd_una"))
        flow.fired, flow.fired_gaps = timeout, self.gaps.number
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

    def _timeout_of_syn(self, flow: Flow, event: Event,
                        timeout: Timeout) -> None:
        episode = flow.begin(Episode("SYN", event["time_ns"],
                                     ended_ns=event["time_ns"]))
        episode.add_timeout(timeout)

    def _see_retransmit(self, flow: Flow, event: Event) -> None:
        cause = self._cause(event)
        count = event.values.get("retransmit_segs", 1) or 1
        flow.segments[cause] += count
        if cause in BY_TIMER:
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
        if timeout is not None and flow.fired_gaps == self.gaps.number:
            timeout.sent = _segment(event, cause)

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
        number = event.values.get("retransmit_cause")
        if number is None:
            return "unknown"  # recorded before causes were
        name = self._schema.name_of("retransmit_cause", number)
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
        self._end_ns = max(end_ns or 0, self.gaps.last_ns)

    def _settle(self, flow: Flow) -> None:
        """Once watching is over: account for the state it was left in."""
        if self._end_ns is None or flow.settled:
            return
        if flow.ca_state is not None:
            lost = not self.gaps.is_whole_since(flow.gaps_before)
            self._account(flow, flow.last_ns if lost else self._end_ns,
                          flow.ca_state)
        flow.settled = True


def _relative(event: Event, name: str) -> int | None:
    isn = event["snd_isn"]
    return relative(event[name], isn) if isn else None


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


# ---- for programs

def _speed_json(speed: Speed | None) -> dict[str, int | None] | None:
    if speed is None:
        return None
    return {"cwnd": speed.cwnd, "ssthresh": finite_ssthresh(speed.ssthresh)}


def _episode_json(episode: Episode) -> dict[str, Any]:
    took_us = (None if episode.ended_ns is None
               else (episode.ended_ns - episode.began_ns) // 1000)
    return {
        "what": episode.what, "began_ns": episode.began_ns,
        "took_us": took_us, "ended_by": episode.ended_by,
        "before": _speed_json(episode.before),
        "within": _speed_json(episode.within),
        "after": _speed_json(episode.after),
        "dup_acks_or_sacked": episode.dup_acks, "lost": episode.lost,
        "segments_sent_again": episode.segments,
        "timeouts": [{"time_ns": t.time_ns, "rto_us": t.waited_us,
                      "backoff": t.backoff, "seq": t.seq,
                      "sent_again": t.sent or None}
                     for t in episode.timeouts],
        "timeouts_left_out": episode.timeouts_left_out,
        "undone": episode.undone, "detail": episode.detail,
    }


def _flow_json(flow: Flow) -> dict[str, Any]:
    return {
        "connection": connection(flow.cookie), "netns": flow.netns,
        "family": flow.family, "local": flow.local, "remote": flow.remote,
        "segments_sent_again": flow.sent_again,
        "by_cause": {cause: flow.segments[cause] for cause in CAUSES},
        "timeouts": flow.timeouts, "longest_rto_us": flow.longest_rto_us,
        "highest_backoff": flow.highest_backoff,
        "recoveries": flow.entered[RECOVERY],
        "loss_recoveries": flow.entered[LOSS],
        "reductions": flow.entered[CWR],
        "undone": flow.undone, "loss_probes": {
            "new_data": flow.probes_new, "sent_again": flow.probes_again},
        "stood_us": {name: flow.stood_ns[name] // 1000
                     for name in (*CA_STATES, "unknown")},
        "episodes": [_episode_json(episode) for episode in flow.episodes],
        "episodes_left_out": flow.episodes_seen - len(flow.episodes),
        "not_seen": flow.partly,
    }


def as_json(losses: Losses, end_ns: int | None,
            wanted: Filter = Filter()) -> dict[str, Any]:
    """Every connection, one by one, also without a loss; times in ns and us."""
    losses.end(end_ns)
    total: Counter[str] = Counter()
    for flow in losses.flows(wanted):
        total += flow.segments
    return {
        "connections": (_flow_json(flow) for flow in losses.flows(wanted)),
        "forgotten": losses.kept.forgotten,
        "total": {cause: total[cause] for cause in CAUSES},
        **losses.gaps.as_json(end_ns)}


# ---- for people

HEADINGS = {"rto": "RTO", "fast_retransmit": "fast", "loss_recovery": "recov",
            "tail_loss_probe": "TLP", "syn": "SYN", SYNACK: "SYN-ACK",
            "zero_window": "zerowin", "unknown": "other"}

CAUSE_WORDS = {
    "rto": "RTO the retransmission timer fired",
    "fast_retransmit": "fast duplicate ACKs, SACK or RACK told of a loss",
    "loss_recovery": "recov in Loss, the rest of what is taken for lost",
    "tail_loss_probe": "TLP a tail loss probe, as no ACK came",
    "syn": "SYN it was not answered", SYNACK: "SYN-ACK it was not answered",
    "zero_window": "zerowin into a zero window",
    "unknown": "other the cause was not recorded",
}

HOW_TO_READ = (
    "`again` counts segments sent again, the columns behind it by cause: {}. "
    "`timeouts` counts how often the connection's retransmission timer fired, with "
    "2^n the longest wait's doublings; a SYN-ACK's timer is not counted. `undone` how "
    "often it turned out that nothing was lost.")
HOW_TO_READ_STATES = (
    "How long each stood in which state of congestion avoidance: Open all is well; "
    "Disorder something is out of order; CWR congestion without a loss; Recovery "
    "after a fast retransmit; Loss after a timeout, or when the path's MTU shrank.")
HOW_TO_READ_EPISODES = (
    "cwnd and ssthresh are in segments: before, when it began, after. `dup` counts duplicate "
    "ACKs or SACKed segments when it began, `again` segments sent again during it. "
    "An RTO's wait doubles with each step of its backoff; its number is the oldest "
    "sequence number not acknowledged. In Loss `without RTO` no timer fired that was "
    "recorded: segments had become too large for the path, or Fast Open's data was "
    "not taken.")


def _summary_row(flow: Flow) -> tuple[str, ...]:
    timeouts = str(flow.timeouts)
    if flow.highest_backoff:
        timeouts += f" (2^{flow.highest_backoff})"
    return (connection(flow.cookie), str(flow.sent_again),
            *(str(flow.segments[cause] or ".") for cause in CAUSES),
            timeouts, str(flow.undone or "."), f"{flow.local} - {flow.remote}")


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


def _total_row(sums: Sums) -> tuple[str, ...]:
    return ("total", str(sums.segments.total()),
            *(str(sums.segments[cause] or ".") for cause in CAUSES),
            str(sums.timeouts), str(sums.undone or "."), "")


def _summary(flows: Callable[[], Iterable[Flow]], sums: Sums) -> Iterator[str]:
    heading = ("connection", "again", *(HEADINGS[cause] for cause in CAUSES),
               "timeouts", "undone", "local - peer")
    last = len(heading) - 1
    columns = [i for i, cell in enumerate(_total_row(sums)) if cell != "."
               or i in (0, 1, last)]

    def rows() -> Iterator[Sequence[str]]:
        yield [heading[i] for i in columns]
        for row in map(_summary_row, flows()):
            yield [row[i] for i in columns]
        if sums.lossy > 1:
            row = _total_row(sums)
            yield [row[i] for i in columns]

    return aligned_twice(rows, right=range(1, len(columns) - 1))


def _legend(sums: Sums) -> list[str]:
    """How to read the summary, with the causes that are in it."""
    seen = [words for cause, words in CAUSE_WORDS.items()
            if sums.segments[cause]]
    return note(HOW_TO_READ.format("; ".join(seen) or "none"))


def _standing(flows: Callable[[], Iterable[Flow]], sums: Sums) -> Iterator[str]:
    if not sums.stood_ns:
        return
    names = [name for name in (*CA_STATES, "unknown") if sums.stood_ns[name]]

    def rows() -> Iterator[Sequence[str]]:
        yield "connection", *names
        for flow in flows():
            if flow.stood_ns:
                yield (connection(flow.cookie),
                       *(duration(flow.stood_ns[name] // 1000)
                         if flow.stood_ns[name] else "." for name in names))

    yield ""
    yield from aligned_twice(rows, right=range(1, len(names) + 1))
    yield from note(HOW_TO_READ_STATES)


WHAT_WORDS = {RECOVERY: "recovery", LOSS: "timeout", CWR: "reduced"}


def _what(episode: Episode) -> str:
    if episode.what == LOSS and not episode.timeouts:
        return "without RTO"
    return WHAT_WORDS.get(episode.what, episode.what)


def _change(episode: Episode, cwnd: bool) -> str:
    """Before, at its beginning and after it; what stays the same once."""
    if episode.within is None and episode.before is None:
        return ""
    words: list[str] = []
    for speed in (episode.before, episode.within, episode.after):
        if speed is None:
            word = "?" if speed is episode.before else ""
        else:
            word = str(speed.cwnd) if cwnd else ssthresh_words(speed.ssthresh)
        if word and words[-1:] != [word]:
            words.append(word)
    return " -> ".join(words)


def _outcome(episode: Episode) -> str:
    if episode.what == "SYN":
        return "" if episode.segments else "given up"
    if episode.what not in WHAT_WORDS:
        return episode.detail
    if episode.undone:
        return "undone: not lost"
    if episode.ended_by is None:
        return "still in it at the end"
    return {"Open": "recovered", "Disorder": "recovered, in disorder",
            "not seen": "its end was not seen"}.get(
                episode.ended_by, f"ended by {episode.ended_by}"
                if episode.ended_by.startswith("a ") else episode.ended_by)


def _episode_row(episode: Episode, first_ns: int | None) -> tuple[str, ...]:
    main = episode.what in WHAT_WORDS
    lasted = ""
    if main:
        lasted = ("?" if episode.ended_ns is None else
                  duration((episode.ended_ns - episode.began_ns) // 1000))
    return (seconds(episode.began_ns, first_ns),
            _what(episode), lasted,
            _change(episode, True), _change(episode, False),
            str(episode.dup_acks) if main else "", str(episode.segments),
            _outcome(episode))


def _timeout_lines(episode: Episode, first_ns: int | None) -> list[str]:
    lines = []
    for timeout in episode.timeouts:
        number = f", number {timeout.seq}" if timeout.seq is not None else ""
        lines.append(f"    {seconds(timeout.time_ns, first_ns)}  RTO after "
                     f"{duration(timeout.waited_us)}, backoff "
                     f"{timeout.backoff}{number}")
    if episode.timeouts_left_out:
        lines.append(f"    (and {episode.timeouts_left_out} more)")
    return lines


def _episodes(flow: Flow, first_ns: int | None) -> list[str]:
    heading = ("at (s)", "what", "lasted", "cwnd", "ssthresh", "dup", "again",
               "outcome")
    head, *table = aligned(
        [heading, *(_episode_row(episode, first_ns)
                    for episode in flow.episodes)],
        right=(0, 2, 5, 6), indent=2)
    lines = ["", f"{connection(flow.cookie)}  {flow.local} - {flow.remote}",
             head]
    for episode, line in zip(flow.episodes, table):
        lines += [line, *_timeout_lines(episode, first_ns)]
    left_out = flow.episodes_seen - len(flow.episodes)
    if left_out:
        lines.append(f"  ({plural(left_out, 'earlier episode')} left out)")
    if flow.partly:
        lines += note("(" + "; ".join(flow.partly) + ")", "  ")
    return lines


def as_text(losses: Losses, end_ns: int | None, wanted: Filter = Filter(),
            verbose: bool = False) -> Iterator[str]:
    """The summary, the congestion states, and if asked for every episode."""
    losses.end(end_ns)
    sums = Sums.of(losses.flows(wanted))
    yield from losses.kept.left_out()
    if not sums.connections:
        yield wanted.none_seen(len(losses.kept))
        return
    if not sums.lossy:
        yield ("Nothing was sent again; "
               f"{plural(sums.connections, 'connection')} without a loss.")
        return

    def lossy() -> Iterator[Flow]:
        return (flow for flow in losses.flows(wanted) if flow.had_losses)

    yield "Sent again:"
    yield from _summary(lossy, sums)
    yield from _legend(sums)
    rest = sums.connections - sums.lossy
    if rest:
        yield f"{plural(rest, 'connection')} without a loss not shown."
    yield from _standing(lossy, sums)
    if verbose:
        for flow in lossy():
            yield from _episodes(flow, losses.gaps.first_ns)
        yield from note(HOW_TO_READ_EPISODES)
