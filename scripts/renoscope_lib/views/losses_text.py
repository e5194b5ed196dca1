# SPDX-License-Identifier: GPL-2.0
"""What was sent again, for a terminal and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from ..output.tables import aligned, aligned_twice, and_more, note
from ..tcp.ca_states import CA_STATES, CWR, DISORDER, LOSS, OPEN, RECOVERY
from ..tcp.connections import both_ends, heading, identity_json, name_of
from ..tcp.wanted import Filter
from ..words import connection, duration, finite_ssthresh, plural, ssthresh_words
from .gaps import Gaps
from .losses import CAUSES, SYNACK, Episode, Flow, Losses, Speed, Sums


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
                      "sent_again": t.sent or None, "unsent": t.unsent}
                     for t in episode.timeouts],
        "timeouts_left_out": episode.timeouts_left_out,
        "undone": episode.undone, "detail": episode.detail,
    }


def _flow_json(flow: Flow) -> dict[str, Any]:
    return {
        **identity_json(flow),
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
    "Disorder something is out of order; CWR an ECN mark, a full queue of this host's "
    "own, or a loss that a tail loss probe made good for; Recovery after a fast "
    "retransmit; Loss after a timeout, or when the path's MTU shrank.")
HOW_TO_READ_EPISODES = (
    "cwnd and ssthresh are in segments: before, when it began, after. `dup` counts duplicate "
    "ACKs or SACKed segments when it began, `again` segments sent again during it. "
    "An RTO's wait doubles with each step of its backoff; its number is the oldest "
    "sequence number not acknowledged. In Loss `without RTO` no timer was seen to "
    "fire: segments had become too large for the path, Fast Open's data was not taken, "
    "or `rto` was not recorded.")


def _summary_row(flow: Flow) -> tuple[str, ...]:
    timeouts = str(flow.timeouts)
    if flow.highest_backoff:
        timeouts += f" (2^{flow.highest_backoff})"
    return (connection(flow.cookie), str(flow.sent_again),
            *(str(flow.segments[cause] or ".") for cause in CAUSES),
            timeouts, str(flow.undone or "."), both_ends(flow))


def _total_row(sums: Sums) -> tuple[str, ...]:
    return ("total", str(sums.segments.total()),
            *(str(sums.segments[cause] or ".") for cause in CAUSES),
            str(sums.timeouts), str(sums.undone or "."), "")


def _summary(flows: Callable[[], Iterable[Flow]], sums: Sums) -> Iterator[str]:
    head = ("connection", "again", *(HEADINGS[cause] for cause in CAUSES),
            "timeouts", "undone", "local - peer")
    last = len(head) - 1
    columns = [i for i, cell in enumerate(_total_row(sums)) if cell != "."
               or i in (0, 1, last)]

    def rows() -> Iterator[Sequence[str]]:
        yield [head[i] for i in columns]
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
                yield (name_of(flow),
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


def _outcome_of_syn(episode: Episode, gaps: Gaps) -> str:
    """Its timer sends nothing while the SYN before still stands in this host's queue."""
    if episode.segments:
        return ""
    if any(timeout.gave_up for timeout in episode.timeouts):
        return "given up"
    return ("none seen to go" if gaps.may_lack("retransmit", since_ns=episode.began_ns)
            else "nothing went out")


def _outcome(episode: Episode, gaps: Gaps) -> str:
    if episode.what == "SYN":
        return _outcome_of_syn(episode, gaps)
    if episode.what not in WHAT_WORDS:
        return episode.detail
    if episode.undone:
        return "undone: not lost"
    if episode.ended_by is None:
        return "still in it at the end"
    return {OPEN: "recovered", DISORDER: "recovered, in disorder",
            "not seen": "its end was not seen"}.get(
                episode.ended_by, f"ended by {episode.ended_by}"
                if episode.ended_by.startswith("a ") else episode.ended_by)


def _episode_row(episode: Episode, gaps: Gaps) -> tuple[str, ...]:
    main = episode.what in WHAT_WORDS
    lasted = ""
    if main:
        lasted = ("?" if episode.ended_ns is None else
                  duration((episode.ended_ns - episode.began_ns) // 1000))
    return (gaps.moment(episode.began_ns),
            _what(episode), lasted,
            _change(episode, True), _change(episode, False),
            str(episode.dup_acks) if main else "", str(episode.segments),
            _outcome(episode, gaps))


def _timeout_lines(episode: Episode, gaps: Gaps) -> list[str]:
    lines = []
    for timeout in episode.timeouts:
        number = f", number {timeout.seq}" if timeout.seq is not None else ""
        lines.append(f"    {gaps.moment(timeout.time_ns)}  RTO after "
                     f"{duration(timeout.waited_us)}, backoff "
                     f"{timeout.backoff}{number}"
                     f"{', nothing went out' if timeout.unsent else ''}")
    if episode.timeouts_left_out:
        lines.append(f"    (and {episode.timeouts_left_out} more)")
    return lines


def _episodes(flow: Flow, gaps: Gaps) -> list[str]:
    columns = (f"at ({gaps.moment_unit})", "what", "lasted", "cwnd", "ssthresh", "dup", "again",
               "outcome")
    head, *table = aligned(
        [columns, *(_episode_row(episode, gaps)
                    for episode in flow.episodes)],
        right=(0, 2, 5, 6), indent=2)
    lines = ["", heading(flow),
             head]
    for episode, line in zip(flow.episodes, table):
        lines += [line, *_timeout_lines(episode, gaps)]
    left_out = flow.episodes_seen - len(flow.episodes)
    if left_out:
        lines.append(f"  ({plural(left_out, 'earlier episode')} left out)")
    if flow.partly:
        lines += note("(" + "; ".join(flow.partly) + ")", "  ")
    return lines


def as_text(losses: Losses, end_ns: int | None, wanted: Filter = Filter(),
            verbose: bool = False, limit: int = 0) -> Iterator[str]:
    """The summary, the congestion states, and if asked for every episode.

    A limit is of connections in each of these; the total is that of all.
    """
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
        return islice((flow for flow in losses.flows(wanted) if flow.had_losses),
                      limit or None)

    is_sent_again = bool(sums.segments or sums.timeouts)
    yield "Sent again:" if is_sent_again else (
        "Nothing was seen sent again, but a loss probe, or a state other than Open:")
    yield from _summary(lossy, sums)
    yield from and_more(sums.lossy - (limit or sums.lossy))
    if is_sent_again:
        yield from _legend(sums)
    rest = sums.connections - sums.lossy
    if rest:
        yield (f"{plural(rest, 'connection')} without "
               f"{'a loss' if is_sent_again else 'these'} not shown.")
    yield from _standing(lossy, sums)
    if verbose:
        for flow in lossy():
            yield from _episodes(flow, losses.gaps)
        yield from note(HOW_TO_READ_EPISODES)
