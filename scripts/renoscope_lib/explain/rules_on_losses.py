# SPDX-License-Identifier: GPL-2.0
"""Rules on what was lost, or taken for lost, and what it did to the sender.

Losses has joined the events to episodes.  Which of the reductions without a loss
were ECN's and which a full queue of this host's, Pace has counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..tcp.ca_states import CWR, LOSS, RECOVERY, REDUCING
from ..tcp.sequence import MODULUS, relative
from ..views.arrivals import Arrival
from ..views.endings import IMPLIED
from ..views.losses import PROBE, Episode, Flow, Timeout
from ..views.pace import Sender
from ..words import listed, often, plural, share
from .finding import (FINE, LET_IN, LET_OUT, NOTEWORTHY, RULES, TROUBLE, Clock, Finding, Subject,
                      brief, capped, look, spelled)

# Waits that a person feels, and a rate that TCP does not shrug off: at 2% Reno's
# window is about 1.2 / sqrt(0.02), some eight segments (RFC 5348, Mathis).
LONG_WAIT_US = 1_000_000
MANY_TIMEOUTS = 3
HIGH_RATE = 0.02
ENOUGH_LOST = 10
MANY_DROPPED = 3


# A loss leaves half of cwnd, CUBIC's more: where a quarter or less is left, there were
# mostly several, or a timeout. A window below eight segments cannot fall far.
DEEP_FALL = 4
WAS_A_WINDOW = 8

# Without a timeout; what is sent again after one belongs to it.
REPAIRS = {"fast_retransmit": "fast retransmit",
           "tail_loss_probe": "tail loss probe"}


@dataclass(frozen=True)
class Seen:
    """What of a connection was seen to its full extent, each one that there was."""

    timeouts: bool
    probes: bool
    sent_again: bool


def findings(flow: Flow, pace: Sender | None, seen: Seen,
             subject: Subject, clock: Clock) -> Iterator[Finding]:
    """Everything about one connection's losses."""
    causes = _causes(flow, pace, seen)
    yield from _timeouts(flow, subject, clock)
    yield from _repaired(flow, pace, seen, subject, clock)
    yield from _spurious(flow, pace, seen, subject, clock)
    yield from _collapsed(flow, causes, subject, clock)
    yield from _reductions(flow, causes, subject, clock)
    yield from _restarts(pace, subject, clock)


def _at_least(flow: Flow) -> str:
    """Episodes may be too many to keep."""
    return "at least " if flow.episodes_seen > len(flow.episodes) else ""


# ---- timeouts

def _of(flow: Flow, what: str) -> list[Episode]:
    return [episode for episode in flow.episodes if episode.what == what]


def _timeouts(flow: Flow, subject: Subject, clock: Clock) -> Iterator[Finding]:
    episodes = [e for e in _of(flow, LOSS) if e.timeouts]
    timeouts = [t for e in episodes for t in e.timeouts]
    if not timeouts:
        return
    waited_us = sum(t.waited_us for t in timeouts)
    highest = max(t.backoff for t in timeouts)
    longest_us = max(t.waited_us for t in timeouts)
    least = _at_least(flow)
    count = len(timeouts) + sum(e.timeouts_left_out for e in episodes)
    undone = sum(e.undone for e in episodes)
    sentence = (f"{least}{spelled(count, 'retransmission timeout')}"
                f"{_sent_words(timeouts, count)}, "
                f"{brief(waited_us)} of waiting{' in all' if count > 1 else ''}")
    if highest:
        sentence += f"; backoff up to {brief(longest_us)} (doubled {often(highest)})"
    unsent = [t for t in timeouts if t.unsent]
    for_nothing = undone == len(episodes)
    sentence += _outcome(episodes, undone) + _unsent_words(unsent, count, for_nothing)
    next_step = look("losses", subject, "-v")
    yield Finding(
        "timeouts", _severity_of(waited_us, count, undone, episodes), subject,
        sentence, _gist_of_timeouts(count, len(unsent), for_nothing),
        capped(timeout_line(t, clock) for t in timeouts),
        f"{LET_OUT}\n{next_step}" if unsent else next_step,
        timeouts[0].time_ns, waited_us)


SENT_WORDS = {"SYN": "the SYN", "SYN-ACK": "the SYN-ACK", "data": "data",
              "FIN": "the FIN", "data and FIN": "data with the FIN",
              PROBE: "a zero-window probe"}


def _sent_words(timeouts: list[Timeout], count: int) -> str:
    """`that sent data again`; with counts if it was not always the same."""
    sent = Counter(t.sent for t in timeouts if t.sent)
    gave_up = ", the last of which gave the connection up" if timeouts[-1].gave_up else ""
    if not sent:
        return gave_up
    unsent = sum(t.unsent for t in timeouts)
    unseen = count - sent.total() - unsent - timeouts[-1].gave_up
    parts = [f"{SENT_WORDS[what]} ({often(n)})" for what, n in sent.most_common()]
    if unseen:
        parts.append(f"what was not seen ({often(unseen)})")
    if len(parts) == 1 and not unsent:
        parts = [SENT_WORDS[what] for what in sent]
    return f" that sent {' and '.join(parts)} again{gave_up}"


def _unsent_words(unsent: list[Timeout], count: int, for_nothing: bool) -> str:
    """What the kernel tried to send again, and no tracepoint told of."""
    if not unsent:
        return ""
    of_which = "" if len(unsent) == count else f" at {len(unsent)} of {count}"
    return (f". What was to be sent again did not leave this host{of_which}: "
            f"{_why_unsent(unsent, for_nothing)}")


IN_QUEUE = "what was sent before still stood in a queue of this host's"


def _why_unsent(unsent: list[Timeout], for_nothing: bool) -> str:
    """Which errors it may have been: __tcp_retransmit_skb(), tcp_retransmit_timer()."""
    if all(t.by_queue for t in unsent):
        return f"a queue of its own had no room{IMPLIED}"
    if for_nothing:
        return f"most likely {IN_QUEUE}"
    causes = ["the output firewall dropped it", "there was no route", IN_QUEUE]
    if any(t.by_queue is not False for t in unsent):
        causes.insert(1, "a queue was full")
    return f"most likely {listed(causes, 'or')}"


def _severity_of(waited_us: int, count: int, undone: int,
                 episodes: list[Episode]) -> str:
    if undone == len(episodes) and count < MANY_TIMEOUTS:
        return NOTEWORTHY
    return (TROUBLE if waited_us >= LONG_WAIT_US or count >= MANY_TIMEOUTS
            else NOTEWORTHY)


def _outcome(episodes: list[Episode], undone: int) -> str:
    if undone == len(episodes):
        return (": for nothing, the segments were late or reordered, or their ACKs were "
                "lost or late")
    words = ": no ACK for the oldest segment meanwhile"
    if undone:
        words += f"; {undone} of {len(episodes)} were for nothing"
    if episodes[-1].ended_by is None:
        words += "; not recovered when watching ended"
    elif episodes[-1].ended_by == "the connection ended":
        words += "; the connection ended so"
    return words


def _gist_of_timeouts(count: int, unsent: int, for_nothing: bool) -> str:
    if for_nothing:
        return "timeouts for nothing: the data had arrived"
    if unsent == count:
        return "what was to be sent again did not leave this host"
    return "several timeouts" if count > 1 else "one timeout"


def timeout_line(timeout: Timeout, clock: Clock) -> str:
    """When it fired, and what for."""
    number = "" if timeout.seq is None else f", no ACK for seq={timeout.seq}"
    sent = f", sent again: {SENT_WORDS[timeout.sent]}" if timeout.sent else ""
    if timeout.unsent:
        sent = ", and nothing went out"
    if timeout.gave_up:
        sent = ": given up"
    return (f"{clock.at(timeout.time_ns)} the timer fired after "
            f"{brief(timeout.waited_us)}, backoff {timeout.backoff}{number}{sent}")


# ---- repaired without one

def _repaired(flow: Flow, pace: Sender | None, seen: Seen, subject: Subject,
              clock: Clock) -> Iterator[Finding]:
    counts = {cause: flow.segments[cause] for cause in REPAIRS
              if flow.segments[cause]}
    if not counts:
        return
    lost = sum(counts.values())
    sent, rate = _rate(lost, pace, seen)
    how = [_by(cause, count, len(counts) > 1) for cause, count in counts.items()]
    recoveries = [e for e in _of(flow, RECOVERY) if not e.undone]
    really = lost - sum(e.segments for e in _of(flow, RECOVERY) if e.undone)
    high = sent and really >= ENOUGH_LOST and really >= HIGH_RATE * sent
    yield Finding(
        "losses", TROUBLE if high else NOTEWORTHY, subject,
        f"{spelled(lost, 'segment')} sent again{rate}, {', '.join(how)}"
        f"{_cut_words(recoveries)}",
        f"by {' and '.join(REPAIRS[cause] for cause in counts)}",
        capped(episode_line(e, clock) for e in flow.episodes
               if e.what in (RECOVERY, "loss probe")),
        look("losses", subject, "-v"),
        next((e.began_ns for e in recoveries), None))


def _by(cause: str, count: int, is_one_of_several: bool) -> str:
    """Fast retransmit sends many, a probe is one segment."""
    how = REPAIRS[cause]
    if cause == "tail_loss_probe":
        how = f"a {how}" if count == 1 else f"{how}s"
    return f"{count} by {how}" if is_one_of_several else f"by {how}"


def _rate(lost: int, pace: Sender | None, seen: Seen) -> tuple[int, str]:
    """How many segments it sent meanwhile, and which share of these was lost.

    The kernel's own counts are of the whole life, and of 32 bits.  That of all segments
    has ACKs in it, and is only taken where the module does not tell of those with data:
    how many small ones there were, the bytes do not say.
    """
    if pace is None:
        return 0, ""
    of_bytes = pace.sent_bytes // pace.mss if pace.mss else 0
    sent, what = pace.data_segments_out, " with data"
    if sent is None:
        sent, what = pace.segments_out, ", ACKs among them"
    what = plural(sent, "segment") + what
    if not seen.sent_again:
        sent = 0
    if pace.mss and (not sent or 2 * sent < of_bytes):
        sent = max(of_bytes, lost)
        what = f"about {plural(sent, 'full segment')}"
    return sent, f" ({share(lost, sent)} of {what})" if sent else ""


def _cut_words(recoveries: list[Episode]) -> str:
    cuts = [(e.before.cwnd, e.after.cwnd) for e in recoveries
            if e.before is not None and e.after is not None
            and e.after.cwnd < e.before.cwnd]
    if not cuts:
        return ""
    before, after = max(cuts, key=lambda cut: cut[0] - cut[1])
    most = "" if len(cuts) == 1 else "the most "
    return f"; cwnd was cut {often(len(cuts))}, {most}from {before} to {after}"


def _change(episode: Episode) -> str:
    speeds = [s for s in (episode.before, episode.within, episode.after)
              if s is not None]
    numbers: list[str] = []
    for speed in speeds:
        if numbers[-1:] != [str(speed.cwnd)]:
            numbers.append(str(speed.cwnd))
    return f", cwnd {' -> '.join(numbers)}" if numbers else ""


EPISODE_WORDS = {RECOVERY: "fast recovery", CWR: "reduction",
                 "loss probe": "tail loss probe"}
DETAIL_WORDS = {"sent again": "a segment sent again"}


def episode_line(episode: Episode, clock: Clock) -> str:
    """When it began, and what it did."""
    words = EPISODE_WORDS.get(episode.what, episode.what)
    if episode.what == LOSS:
        words = "timeout" if episode.timeouts else "Loss without a timeout"
    if episode.detail:
        words += f", {DETAIL_WORDS.get(episode.detail, episode.detail)}"
    if episode.what == RECOVERY:
        known = episode.dup_acks
        words += (f" ({plural(known, 'duplicate ACK')} or SACKed "
                  f"{'segment' if known == 1 else 'segments'}), "
                  f"{plural(episode.segments, 'segment')} sent again")
    undone = ", undone: nothing was lost" if episode.undone else ""
    return f"{clock.at(episode.began_ns)} {words}{_change(episode)}{undone}"


# ---- dropped here

def on_arrival(dropped: list[Arrival], subject: Subject,
               clock: Clock) -> Iterator[Finding]:
    """What came to this host and did not get to its connection."""
    if not dropped:
        return
    count = len(dropped)
    yield Finding(
        "dropped-on-arrival",
        TROUBLE if count >= MANY_DROPPED else NOTEWORTHY, subject,
        f"{spelled(count, 'segment')} came to this host and never reached "
        f"{'its' if count == 1 else 'their'} connection: dropped here, most likely by "
        "the firewall's input chain",
        "by this host, most likely its input firewall",
        capped(f"{clock.at(one.time_ns)} seq={relative(one.seq, one.isn)} next="
               f"{relative((one.seq + one.takes) % MODULUS, one.isn)} passed IP, and "
               "did not reach it" for one in dropped),
        f"{LET_IN}nstat -az TcpExtTCPBacklogDrop (a full backlog), a socket filter, MD5 or AO\n"
        + look("flow", subject), dropped[0].time_ns)


# ---- for nothing

def _spurious(flow: Flow, pace: Sender | None, seen: Seen, subject: Subject,
              clock: Clock) -> Iterator[Finding]:
    duplicates = pace.duplicates if pace is not None else 0
    if duplicates and not flow.undone and not flow.sent_again:
        yield _doubled(duplicates, seen.sent_again, subject)
        return
    words = []
    if flow.undone:
        words.append(f"{spelled(flow.undone, 'reduction')} of cwnd undone by the "
                     "kernel: what it took for lost had arrived")
    if duplicates:
        or_doubled = ", or doubled on the way" if duplicates > flow.sent_again else ""
        words.append(f"{_told_of(duplicates)}: sent again for nothing{or_doubled}")
    if not words:
        return
    yield Finding(
        "spurious", NOTEWORTHY, subject,
        "; ".join(words) + ". The data had arrived: it was late or reordered, or its ACK "
        "was lost or late", "the data had arrived",
        _undone_lines(flow, clock),
        look("losses", subject, "-v"),
        next((e.began_ns for e in flow.episodes if e.undone), None))


def _undone_lines(flow: Flow, clock: Clock) -> tuple[str, ...]:
    """Those that _repaired() lists are not listed again."""
    is_listed = any(flow.segments[cause] for cause in REPAIRS)
    undone = [e for e in flow.episodes if e.undone]
    rest = [e for e in undone if not (is_listed and e.what == RECOVERY)]
    lines = capped(episode_line(e, clock) for e in rest)
    if len(rest) == len(undone):
        return lines
    return (*lines, f"fast recoveries undone: {_listed_with('losses')}")


def _told_of(duplicates: int) -> str:
    return f"the peer told of {spelled(duplicates, 'duplicate')} (D-SACK)"


def _doubled(duplicates: int, all_seen: bool, subject: Subject) -> Finding:
    """What was not seen to be sent again, and came twice."""
    most_likely = ("doubled on the way, most likely" if all_seen
                   else "it was sent again unseen, or doubled on the way")
    return Finding(
        "doubled", NOTEWORTHY, subject,
        f"{_told_of(duplicates)}, though nothing was seen to be sent again: {most_likely}",
        most_likely, next_step=look("flow", subject))


# ---- cwnd

@dataclass(frozen=True)
class Causes:
    """What the reductions without a recovery came from, counted.

    An algorithm of ours tells of drops; where it does not, they are what is left:
    nothing else enters CWR but tcp_cdg.  Of those not known `unmarked` can be no echo's.
    """

    probed: int
    marked: int
    dropped: int
    dropped_is_implied: bool
    unknown: int
    unmarked: int
    probes_seen: bool

    @property
    def may_be_ecn(self) -> bool:
        """Whether one that is not known may have come from an echo."""
        return self.unknown > self.unmarked

    @property
    def why(self) -> str:
        """One cause, if it is one: which reduction had which is not kept."""
        words = [what for count, what in (
            (self.probed or self.unknown and not self.probes_seen, "loss at the end of a flight"),
            (self.marked or self.may_be_ecn, "ECN"),
            (self.dropped + self.unknown, "segments dropped by this host itself"))
            if count]
        return listed(words, "or") if words else "congestion"


def _causes(flow: Flow, pace: Sender | None, seen: Seen) -> Causes:
    """A tail loss probe that repairs a loss enters CWR as well: tcp_process_tlp_ack()."""
    probed = max(flow.repairs, pace.repaired if pace is not None else 0)
    marked = max(pace.marked, pace.reduced_by_ece) if pace is not None else 0
    told = pace.dropped_here if pace is not None else 0
    unmarked = max(0, (pace.not_by_ece if pace is not None else 0) - probed - told)
    left = max(0, flow.entered[CWR] - probed - marked - told)
    implied = min(unmarked, left) if seen.probes else 0
    return Causes(probed, marked, told + implied, implied > 0, left - implied,
                  unmarked - implied, seen.probes)


def _collapsed(flow: Flow, causes: Causes, subject: Subject,
               clock: Clock) -> Iterator[Finding]:
    """The deepest fall from a window to what one or more reductions left."""
    cuts = [e for e in flow.episodes if e.what in REDUCING and not e.undone]
    falls = list(_falls(cuts))
    if not falls:
        return
    peak, low, places = max(falls, key=lambda fall: fall[0] / max(fall[1], 1))
    if peak < WAS_A_WINDOW or low * DEEP_FALL > peak:
        return
    between = cuts[places]
    first, last = between[0], between[-1]
    whys = list(dict.fromkeys(_why(e, causes) for e in between))
    count = len(between)
    steps = "" if count == 1 else f" in {count} steps"
    yield Finding(
        "cwnd-collapsed", NOTEWORTHY, subject,
        f"cwnd fell from {peak} to {low}{steps}: {', then '.join(whys)}",
        f"to a quarter or less, by {whys[0]}",
        (episode_line(first, clock),
         *([episode_line(last, clock)] if last is not first else [])),
        look("losses", subject, "-v"), first.began_ns)


WHY = {RECOVERY: "loss", LOSS: "a timeout"}


def _why(episode: Episode, causes: Causes) -> str:
    if episode.what == CWR:
        return causes.why
    if episode.what == LOSS and not episode.timeouts:
        return "Loss without a timeout that was seen"
    return WHY[episode.what]


def _falls(cuts: list[Episode]) -> Iterator[tuple[int, int, slice]]:
    """(from, to, its episodes' places); a higher window begins anew."""
    peak, first = 0, None
    for place, episode in enumerate(cuts):
        if episode.before is None:
            continue
        if first is None or episode.before.cwnd >= peak:
            peak, first = episode.before.cwnd, place
        lows = [s.cwnd for s in (episode.within, episode.after)
                if s is not None]
        if lows:
            yield peak, min(lows), slice(first, place + 1)


# ---- without a loss

def _reductions(flow: Flow, causes: Causes, subject: Subject,
                clock: Clock) -> Iterator[Finding]:
    """Which of them had which cause is not kept: the first finding lists them all."""
    cuts = _of(flow, CWR)
    evidence = capped(episode_line(e, clock) for e in cuts)
    at_ns = next((e.began_ns for e in cuts), None)
    for finding in _by_cause(causes, subject, at_ns):
        yield replace(finding, evidence=evidence)
        if len(evidence) > 1:
            evidence = (_listed_with(finding.rule),)


def _listed_with(rule: str) -> str:
    """Where the same evidence stands, also on a page in another order."""
    return f"listed once, with `{RULES[rule].about}`"


def _by_cause(causes: Causes, subject: Subject, at_ns: int | None) -> Iterator[Finding]:
    """The worst first, as they are told."""
    if causes.dropped:
        implied = IMPLIED if causes.dropped_is_implied else ""
        yield Finding(
            "local-drops", NOTEWORTHY, subject,
            f"cwnd was cut {often(causes.dropped)} as this host dropped segments of its "
            f"own before they left{implied}: most likely a queue of its own was full",
            "most likely a full queue of this host's own", (),
            "tc -s qdisc shows drops; fq paces senders: tc qdisc replace dev "
            "DEV root fq; or raise txqueuelen", at_ns)
    if causes.unknown:
        yield _for_unknown_cause(causes, subject, at_ns)
    if causes.marked:
        yield Finding(
            "ecn", FINE, subject,
            f"cwnd was cut {often(causes.marked)} as the peer echoed congestion (ECN), "
            "and not for a loss: most likely a router marked segments",
            "the peer echoed congestion", (), look("losses", subject, "-v"), at_ns)


def _for_unknown_cause(causes: Causes, subject: Subject, at_ns: int | None) -> Finding:
    what = ["ECN"] if causes.may_be_ecn else []
    what.append("segments dropped by this host itself")
    needs = ["ack"] if causes.may_be_ecn else []
    without = " without a loss on the way"
    if not causes.probes_seen:
        what.append("a loss that a tail loss probe made good for")
        needs.append("loss_probe")
        without = ", and no loss was seen"
    cause = listed(what, "or")
    return Finding(
        "reduced", NOTEWORTHY, subject,
        f"cwnd was cut {often(causes.unknown)}{without}: {cause}; which, was not recorded",
        cause, (), "tc -s qdisc shows drops of this host's; where each "
        f"{' and each '.join(needs)} is recorded, from a connection's beginning on, that "
        "tells the cause", at_ns)


def _restarts(pace: Sender | None, subject: Subject,
              clock: Clock) -> Iterator[Finding]:
    if pace is None or not pace.restarts:
        return
    first, count = pace.restarts[0], len(pace.restarts)
    yield Finding(
        "idle-restart", NOTEWORTHY, subject,
        f"cwnd was lowered {often(count)} because the connection had been idle "
        f"({'first ' if count > 1 else ''}from {first.before} to {first.after} "
        "segments): it has to grow again", "it has to grow again",
        capped(f"{clock.at(one.time_ns)} after a rest, cwnd {one.before} -> "
               f"{one.after}" for one in pace.restarts),
        "net.ipv4.tcp_slow_start_after_idle=0 keeps cwnd over a rest",
        first.time_ns)
