# SPDX-License-Identifier: GPL-2.0
"""Rows M10 to M12: the textbook's numbers, every one, from a live recording."""

from __future__ import annotations

from endpoints import relative, word
from recorder import Recorder
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.ca_states import LOSS, RECOVERY as FAST_RECOVERY
from renoscope_lib.tcp.phases import RECOVERY
from renoscope_lib.tcp.reno_words import AVOIDANCE, SLOW_START
from renoscope_lib.views.losses import Losses
from renoscope_lib.views.rounds import Flow, Rounds
from textbook import (CLIMB, INITIAL_SSTHRESH, LOSS_AT, ONE_SEGMENT,
                      SEGMENT_BYTES, WHOLE_WINDOW, bare_hosts, play)

HALF = LOSS_AT // 2
AGAIN = [1, 2, 4, 8, HALF, 13, 14]      # after the timeout
ONWARD = [HALF, 13, 14, 15]             # after fast recovery
SLOW_ROUNDS = [SLOW_START] * 4          # 1, 2, 4, 8


def _flow(it: Recorder, events: list[Event]) -> Flow:
    rounds = Rounds(it.schema)
    for event in events:
        rounds.feed(event)
    flow, = rounds.flows()
    return flow


def _check_episode(it: Recorder, events: list[Event], what: str) -> None:
    """`losses` makes the same of it: one episode, seen whole, at 24, then ssthresh 12."""
    losses = Losses(it.schema)
    for event in events:
        losses.feed(event)
    losses.end(None)
    flow, = losses.flows()
    episode, = flow.episodes
    assert not flow.partly, flow.partly
    assert episode.before and episode.within
    assert (episode.what, episode.before.cwnd, episode.within.ssthresh) == (
        what, LOSS_AT, HALF), episode


def _of(events: list[Event], kind: str) -> list[Event]:
    return [event for event in events if event.kind == kind]


def _one(events: list[Event], kind: str) -> Event:
    event, = _of(events, kind)
    return event


def _segment(event: Event) -> int:
    """Which segment an event is about, counted from 0."""
    place, rest = divmod(relative(event["seg_seq"], event["snd_isn"]) - 1,
                         SEGMENT_BYTES)
    assert not rest and event["seg_len"] == SEGMENT_BYTES, event.values
    return place


def _told(it: Recorder, events: list[Event]) -> list[tuple[int, str]]:
    """What was sent again, and why."""
    return [(_segment(e), word(it, e, "retransmit_cause"))
            for e in _of(events, "retransmit")]


def _ca_path(it: Recorder, events: list[Event]) -> list[str]:
    return [word(it, e, "ca_state") for e in _of(events, "ca_state")]


def _phases(it: Recorder, events: list[Event]) -> list[tuple[str, str]]:
    return [(word(it, e, "phase"), word(it, e, "reno_cause"))
            for e in _of(events, "reno_phase")]


def _check_climb(events: list[Event], flow: Flow) -> None:
    """1, 2, 4, 8 in slow start, 16, 17 ... 24 in congestion avoidance."""
    climb = list(flow.rounds)[:len(CLIMB)]
    assert [r.cwnd for r in climb] == CLIMB == [
        1, 2, 4, 8, 16, 17, 18, 19, 20, 21, 22, 23, 24]
    assert {r.ssthresh for r in climb} == {INITIAL_SSTHRESH} == {16}
    assert [r.phase for r in climb] == SLOW_ROUNDS + [AVOIDANCE] * 9
    for told, cwnd in zip(_of(events, "reno_round")[1:], CLIMB[:-2]):
        assert (told["old_cwnd"], told["round_acked"]) == (cwnd, cwnd), told.values
        assert 100_000 <= told["round_rtt_us"] < 5_000_000, told.values


def _check_timeout(it: Recorder, events: list[Event]) -> None:
    """One timeout finds cwnd at 24; then ssthresh is 12 and cwnd 1."""
    rto = _one(events, "rto")
    assert (rto["cwnd"], rto["packets_out"], rto["backoff"]) == (24, 24, 0)
    reduction = _one(events, "reno_reduction")
    assert (reduction["cwnd"], reduction["ssthresh"]) == (24, 16)
    assert (reduction["new_ssthresh"], word(it, reduction, "reno_cause")) == (12, "rto")
    lost = _of(events, "ca_state")[0]
    assert (lost["cwnd"], lost["ssthresh"], lost["lost_out"]) == (1, 12, 24)
    assert _ca_path(it, events) == ["Loss", "Open"], _ca_path(it, events)
    assert _told(it, events) == [(WHOLE_WINDOW[0], "rto")] + [
        (number, "loss_recovery") for number in WHOLE_WINDOW[1:]]


def test_timeout() -> None:
    """M10, M11: 1 2 4 8 16 17 ... 24, a timeout: ssthresh 12, cwnd 1 2 4 8 12 13 14"""
    with Recorder() as it, bare_hosts() as hosts:
        events = play(it, hosts, WHOLE_WINDOW, len(CLIMB) - 1 + len(AGAIN))
        flow = _flow(it, events)
        _check_climb(events, flow)
        _check_timeout(it, events)
        _check_episode(it, events, LOSS)
        rounds = list(flow.rounds)[len(CLIMB):]
        assert [r.cwnd for r in rounds] == AGAIN, rounds
        assert {r.ssthresh for r in rounds} == {HALF} == {12}
        assert [r.phase for r in rounds] == SLOW_ROUNDS + [AVOIDANCE] * 3
        assert [r.happened for r in flow.rounds] == (
            [""] * 12 + ["timeout"] + [""] * 7)
        assert _phases(it, events) == [
            ("slow_start", "begin"), ("avoidance", "ssthresh"),
            ("slow_start", "rto"), ("avoidance", "ssthresh")]


def _check_duplicates(it: Recorder, events: list[Event]) -> None:
    """Three duplicate ACKs, not two and not four, and the segment goes again."""
    retransmit = _one(events, "retransmit")
    duplicates = [e for e in _of(events, "ack")
                  if e["time_ns"] < retransmit["time_ns"]
                  and e["seg_ack"] == e["snd_una"] and e["packets_out"]]
    assert [e["sacked_out"] for e in duplicates] == [0, 1, 2], duplicates
    lost, = ONE_SEGMENT
    assert {relative(e["seg_ack"], e["snd_isn"]) for e in duplicates} == {
        1 + lost * SEGMENT_BYTES}
    assert _told(it, events) == [(lost, "fast_retransmit")]
    assert (retransmit["sacked_out"], retransmit["lost_out"]) == (3, 1)


def _check_halving(it: Recorder, events: list[Event]) -> None:
    """ssthresh 12 when it begins, cwnd 12 when it ends, and no timeout."""
    assert not _of(events, "rto")
    reduction = _one(events, "reno_reduction")
    assert (reduction["cwnd"], reduction["ssthresh"]) == (24, 16)
    assert (reduction["new_ssthresh"], word(it, reduction, "reno_cause")) == (12, "loss")
    assert _ca_path(it, events) == ["Disorder", "Recovery", "Open"]
    _disorder, recovery, recovered = _of(events, "ca_state")
    assert (recovery["cwnd"], recovery["ssthresh"]) == (24, 12)
    assert (recovered["cwnd"], recovered["ssthresh"]) == (12, 12)


def test_fast_recovery() -> None:
    """M12: three duplicate ACKs at 24: ssthresh 12, cwnd 12 after recovery, then 13 14"""
    with Recorder() as it, bare_hosts() as hosts:
        events = play(it, hosts, ONE_SEGMENT, len(CLIMB) + 1 + len(ONWARD))
        flow = _flow(it, events)
        _check_climb(events, flow)
        _check_duplicates(it, events)
        _check_halving(it, events)
        _check_episode(it, events, FAST_RECOVERY)
        assert [r.happened_words for r in flow.rounds] == (
            [""] * 12 + ["3 duplicate ACKs"] + [""] * 5)
        recovery, *rounds = list(flow.rounds)[len(CLIMB):]
        assert (recovery.phase, recovery.cwnd) == (RECOVERY, HALF), recovery
        assert [r.cwnd for r in rounds] == ONWARD, rounds
        assert {r.ssthresh for r in rounds} == {HALF} == {12}
        assert {r.phase for r in rounds} == {AVOIDANCE}
        assert _phases(it, events) == [
            ("slow_start", "begin"), ("avoidance", "ssthresh")]
