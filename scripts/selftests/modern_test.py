# SPDX-License-Identifier: GPL-2.0
"""reno_modern, the parameters, and what our congestion control tells, live."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import recorder
import endpoints
from counters import nstat
from hosts import CLIENT, SERVER, TwoHosts, run
from recorder import PARAMETERS, Recorder, wait_until
from renoscope_lib.ring.schema import Event
from sending import (DATA, LAST_SENT_OFFSET, Sender, mark, path, sender,
                     time_out_for_nothing)
from troubles import ONCE

NO_THRESHOLD = 2**31 - 1
INITIAL_WINDOW = 10
ROOMY_RING = "ring_records=16384"

BETA, BETA_ECN = 50, 80         # percent: RFC 5681, RFC 8511
LEAST_SSTHRESH = 2


def _parameter(name: str, value: int) -> None:
    (PARAMETERS / name).write_text(str(value))


# ---- HyStart++ -----------------------------------------------------------

# 100 ms and 4 Mbit/s hold 33 packets; the queue is thirty times as deep.
QUEUE_PACKETS = 1000
DEEP_QUEUE = f"delay 50ms rate 4mbit limit {QUEUE_PACKETS}"
BACK = "delay 50ms limit 10000"
ENOUGH_SEGMENTS = 5000
ATTEMPTS = 5
CSS_ROUNDS = 5                  # RFC 9406 section 4.3, as the thresholds are
LEAST_THRESHOLD_US, MOST_THRESHOLD_US = 4000, 16000


def _is_over(flow: Sender) -> bool:
    """Slow start is, or a pause of the machine was taken for a queue."""
    phase, cause = flow.phases()[-1]
    return phase == "avoidance" or cause == "jitter" or not flow.unacknowledged()


def _play_slow_start(flow: Sender) -> bool:
    """Whether congestion avoidance came, without a pause that looked like a queue or,
    right after, like a loss."""
    flow.put(ENOUGH_SEGMENTS)
    wait_until("the end of slow start", lambda: _is_over(flow))
    end = flow.look("reno_phase")[-1]
    disturbed = any(cause == "jitter" for _phase, cause in flow.phases())
    if disturbed or flow.word(end, "phase") != "avoidance":
        return False
    wait_until("ACKs after that", lambda: len(
        [e for e in flow.look("ack") if e["time_ns"] > end["time_ns"]]) > 3)
    return flow.look("reno_phase")[-1]["time_ns"] == end["time_ns"]


@contextmanager
def _slow_start(it: Recorder, algorithm: str) -> Iterator[Sender]:
    """A connection until congestion avoidance; a disturbed one does not count."""
    disturbed: list[object] = []
    while len(disturbed) < ATTEMPTS:
        with sender(it, algorithm) as flow:
            if _play_slow_start(flow):
                yield flow
                return
            disturbed.append(flow.phases())
    raise AssertionError(f"each was disturbed: {disturbed}")


def _check_css(flow: Sender, causes: set[str]) -> None:
    """Slow start, conservative slow start for one of these causes, avoidance."""
    assert len(flow.phases()) == 3, flow.phases()
    begin, (phase, cause), end = flow.phases()
    assert begin == ("slow_start", "begin") and end == ("avoidance", "css_rounds")
    assert phase == "css" and cause in causes, (phase, cause)


def _rounds_between(flow: Sender, first: Event, last: Event) -> list[Event]:
    events = flow.events
    return [e for e in events[events.index(first):events.index(last)]
            if e.kind == "reno_round"]


def _check_settled(flow: Sender) -> None:
    """After five rounds, before any loss, ssthresh is what cwnd has become."""
    _begin, css, avoidance = flow.look("reno_phase")
    assert len(_rounds_between(flow, css, avoidance)) == CSS_ROUNDS
    reduction, *others = flow.look("reno_reduction")
    assert not others and flow.word(reduction, "reno_cause") == "css_rounds"
    assert reduction["new_ssthresh"] == reduction["cwnd"] > INITIAL_WINDOW, reduction.values
    trouble = flow.look("retransmit", "rto", "ca_state")
    assert not trouble, (flow.phases(), trouble[0].values)
    place = flow.events.index(reduction)
    before = {e["ssthresh"] for e in flow.events[:place] if e.kind == "ack"}
    after = {e["ssthresh"] for e in flow.events[place:] if e.kind == "ack"}
    assert before == {NO_THRESHOLD} and after == {reduction["new_ssthresh"]}


def _check_delay(flow: Sender) -> None:
    """The round in which the delay was found had grown by the RFC's threshold."""
    css = flow.look("reno_phase")[-2]
    rounds = flow.look("reno_round")
    before = [e for e in rounds if e["time_ns"] < css["time_ns"]][-1]["round_rtt_us"]
    found = [e for e in rounds if e["time_ns"] > css["time_ns"]][0]["round_rtt_us"]
    threshold_us = min(max(before // 8, LEAST_THRESHOLD_US), MOST_THRESHOLD_US)
    assert found >= before + threshold_us, (before, found)


def _check_overflow(flow: Sender) -> None:
    """The queue is this host's own, which learns of the drop at once: no loss, but CWR."""
    assert flow.phases() == [("slow_start", "begin"), ("avoidance", "other")]
    reduction, state = flow.look("reno_reduction")[0], flow.entered("CWR")[0]
    assert flow.word(reduction, "reno_cause") == "other", reduction.values
    assert reduction["packets_out"] > QUEUE_PACKETS, reduction.values
    assert state["ssthresh"] == reduction["new_ssthresh"] == reduction["cwnd"] // 2


def test_hystart() -> None:
    """HyStart++ over a deep queue: slow start ends before it overflows, not without"""
    with Recorder(ROOMY_RING) as it, path(DEEP_QUEUE, back=BACK):
        with _slow_start(it, "reno_modern") as flow:
            _check_css(flow, {"delay", "ack_train"})
            _check_settled(flow)
        _parameter("reno_hystart", 1)
        with _slow_start(it, "renoscope") as flow:
            _check_css(flow, {"delay"})
            _check_settled(flow)
            _check_delay(flow)
        _parameter("reno_hystart", 0)
        with _slow_start(it, "renoscope") as flow:
            _check_overflow(flow)


# ---- reductions ----------------------------------------------------------

# By count: the first comes in slow start, and before HyStart++ could end that.
FAULTS = "numgen inc mod 300 == 100"
MANY_SEGMENTS = 1700
STATE_OF = {"ecn": "CWR", "loss": "Recovery"}


def _is_slow_start(event: Event) -> bool:
    return event["cwnd"] < event["ssthresh"]


def _check_reductions(flow: Sender, cause: str, percent: int,
                      slow_start_percent: int = BETA) -> None:
    """Each for this cause, each with its change of state, each by so much."""
    reductions = flow.look("reno_reduction")
    states = flow.entered(STATE_OF[cause])
    others = flow.entered("Loss") + flow.entered("CWR" if cause == "loss" else "Recovery")
    assert len(reductions) == len(states) and not others, flow.look("ca_state")
    slow = [_is_slow_start(e) for e in reductions]
    assert slow[0] and slow.count(False) >= 4, slow
    for reduction, state, is_slow in zip(reductions, states, slow):
        assert flow.word(reduction, "reno_cause") == cause, reduction.values
        left = slow_start_percent if is_slow else percent
        expected = max(LEAST_SSTHRESH, reduction["cwnd"] * left // 100)
        assert reduction["new_ssthresh"] == expected, (reduction.values, left)
        assert (state["cwnd"], state["ssthresh"]) == (reduction["cwnd"], expected)


def test_abe() -> None:
    """ABE: a mark leaves reno_modern 80 %, 50 % in slow start; renoscope 50 % or as told"""
    with Recorder(ROOMY_RING) as it, path() as hosts:
        for algorithm, abe, percent in (("reno_modern", 0, BETA_ECN),
                                        ("renoscope", 0, BETA), ("renoscope", 1, 65)):
            _parameter("reno_abe", abe)
            _parameter("reno_beta_ecn", 65)     # not reno_modern's affair
            mark(hosts, FAULTS)
            with sender(it, algorithm) as flow:
                flow.send(MANY_SEGMENTS)
                _check_reductions(flow, "ecn", percent)
            hosts.stop_dropping(SERVER)


def test_beta() -> None:
    """A loss leaves reno_modern 50 %; reno_beta refuses 91, and 70 leaves renoscope 70 %"""
    with Recorder(ROOMY_RING) as it, path() as hosts:
        _check_refused("reno_beta", 91)
        _parameter("reno_beta", 70)
        for algorithm, percent in (("reno_modern", BETA), ("renoscope", 70)):
            hosts.drop(SERVER, f"{DATA} {FAULTS}")
            with sender(it, algorithm) as flow:
                flow.send(MANY_SEGMENTS)
                _check_reductions(flow, "loss", percent, percent)
            hosts.stop_dropping(SERVER)


def _check_refused(name: str, value: int) -> None:
    """EINVAL, nothing changed, and the kernel log has the parameter and the word."""
    before, log = (PARAMETERS / name).read_text(), recorder.kernel_log()
    try:
        _parameter(name, value)
    except OSError as error:
        assert error.errno == errno.EINVAL, error
    else:
        raise AssertionError(f"{name} took {value}")
    assert (PARAMETERS / name).read_text() == before
    said = recorder.kernel_log().removeprefix(log)
    assert f"{name}: '{value}' is not a number from 20 to 90" in said, said


# ---- TCP_CC_INFO ---------------------------------------------------------

TCP_CC_INFO = 26
RTT_OFFSET = 68                 # tcpi_rtt in struct tcp_info


def _cc_info(flow: Sender) -> bytes:
    return flow.sock.getsockopt(socket.IPPROTO_TCP, TCP_CC_INFO, 64)


def _rtt_in_ss(hosts: TwoHosts) -> float:
    lines = hosts.run(CLIENT, "ss", "-tinHO", "state", "established").splitlines()
    shown, = [line for line in lines if "cwnd:" in line]
    rtt, = [word for word in shown.split() if word.startswith("rtt:")]
    return float(rtt.removeprefix("rtt:").split("/")[0])


def _check_info(flow: Sender, hosts: TwoHosts, phase: str) -> None:
    """At rest: the phase told last, and the round trips of TCP_INFO, ss and reno_round."""
    info = _cc_info(flow)
    assert len(info) == 16, info
    enabled, samples, rtt_us, least_us = struct.unpack("4I", info)
    last = flow.look("reno_phase")[-1]
    assert enabled == last["phase"] and flow.word(last, "phase") == phase, last.values
    assert rtt_us == flow.tcp_info(RTT_OFFSET) >= 40_000, rtt_us
    assert round(_rtt_in_ss(hosts) * 1000) == rtt_us
    assert least_us == flow.look("reno_round")[-1]["round_rtt_us"] >= 40_000
    assert 1 <= samples <= 8, samples


def test_cc_info() -> None:
    """TCP_CC_INFO: the phase, and the round trips that TCP_INFO, ss and records have"""
    with Recorder(ROOMY_RING) as it, path() as hosts:
        for algorithm in ("renoscope", "reno_modern"):
            with sender(it, algorithm) as flow:
                flow.send(5)            # too few samples for HyStart++ to act
                flow.send(5)            # and a round is over
                _check_info(flow, hosts, "slow_start")
                hosts.drop(SERVER, f"{DATA} {ONCE}")
                flow.send(20)
                hosts.stop_dropping(SERVER)
                _check_info(flow, hosts, "avoidance")
                flow.sock.setsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, b"cubic")
                assert not _cc_info(flow)
                assert round(_rtt_in_ss(hosts) * 1000) == flow.tcp_info(RTT_OFFSET)


# ---- undone, and after rest ------------------------------------------------

UNDOS = ("TcpExtTCPLossUndo", "TcpExtTCPFullUndo", "TcpExtTCPPartialUndo",
         "TcpExtTCPDSACKUndo")


def _undone(hosts: TwoHosts) -> int:
    """How many reductions the kernel says it took back."""
    counts = nstat(hosts, CLIENT)
    return sum(counts[name] for name in UNDOS)


def _lose_one(flow: Sender, hosts: TwoHosts) -> None:
    hosts.drop(SERVER, f"{DATA} {ONCE}")
    flow.send(60)
    hosts.stop_dropping(SERVER)
    flow.send(100)
    assert flow.phases()[-1] == ("avoidance", "loss"), flow.phases()


def test_undo() -> None:
    """ACKs later than the RTO: the timeout is undone, cwnd and ssthresh are back"""
    with Recorder(ROOMY_RING) as it, path() as hosts:
        hosts.sysctl(CLIENT, "net.ipv4.tcp_slow_start_after_idle=0")
        with sender(it, "renoscope") as flow:
            _lose_one(flow, hosts)
            before = _undone(hosts), len(flow.look("reno_undo"))
            began = len(flow.look())
            time_out_for_nothing(flow)
            flow.send(1)
            _check_undone(flow, flow.look()[began:])
            assert _undone(hosts) - before[0] == len(flow.look("reno_undo")) - before[1]


def _three_quarters(cwnd: int) -> int:
    """As tcp_current_ssthresh() rounds: what ssthresh keeps of a cwnd above it."""
    return (cwnd >> 1) + (cwnd >> 2)


def _check_undone(flow: Sender, events: list[Event]) -> None:
    rto = next(e for e in events if e.kind == "rto")
    undo, = [e for e in events if e.kind == "reno_undo"]
    assert undo["cwnd"] < undo["new_cwnd"] == rto["cwnd"], (rto.values, undo.values)
    after = events[events.index(undo) + 1:]
    state = next(e for e in after if e.kind == "ca_state")
    assert flow.word(state, "ca_state") == "Open", state.values
    for event in (state, *(e for e in after if e.kind == "ack")):
        assert event["cwnd"] in (undo["new_cwnd"], undo["new_cwnd"] + 1), event.values
        assert event["ssthresh"] == max(rto["ssthresh"], _three_quarters(rto["cwnd"]))
    assert state["cwnd"] == undo["new_cwnd"], state.values
    assert flow.phases()[-2:] == [("slow_start", "rto"), ("avoidance", "undo")]


def _after_rest(cwnd: int, idle_ms: int, rto_ms: int) -> int:
    """tcp_cwnd_restart(): halved for each RTO but the first, down to the initial window."""
    idle_ms -= rto_ms
    while idle_ms > 0 and cwnd > INITIAL_WINDOW:
        cwnd >>= 1
        idle_ms -= rto_ms
    return max(cwnd, INITIAL_WINDOW)


def test_restart() -> None:
    """After rest: reno_restart, cwnd halved for each RTO, ssthresh 3/4, slow start again"""
    with Recorder(ROOMY_RING) as it, path():
        with sender(it, "reno_textbook") as flow:
            flow.send(1000)
            assert not flow.look("reno_restart", "ca_state", "rto")
            flow.rest()
            least_ms, looked = flow.tcp_info(LAST_SENT_OFFSET), time.monotonic()
            flow.put(30)
            most_ms = least_ms + 1 + int((time.monotonic() - looked) * 1000)
            wait_until("all to be acknowledged", lambda: not flow.unacknowledged())
            _check_restart(flow, least_ms, most_ms)


def _check_restart(flow: Sender, least_ms: int, most_ms: int) -> None:
    restart, = flow.look("reno_restart")
    cwnd, rto_ms = restart["cwnd"], restart["rto_us"] // 1000
    after = flow.events[flow.events.index(restart) + 1:]
    first = next(e for e in after if e.kind == "ack")
    most, least = (_after_rest(cwnd, idle_ms, rto_ms)
                   for idle_ms in (least_ms, most_ms))
    assert 20 < cwnd > most >= first["cwnd"] >= least, (first.values, least_ms, most_ms)
    assert first["ssthresh"] == max(restart["ssthresh"], _three_quarters(cwnd))
    assert first["ssthresh"] > restart["ssthresh"] == 16, first.values
    assert flow.phases()[2] == ("slow_start", "restart"), flow.phases()


# ---- a name that is taken --------------------------------------------------

NAME_TAKER = recorder.MODULE.parent.parent / "name_taker" / "name_taker.ko"
OFFERED = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
OURS = {"renoscope", "reno_modern"}


@contextmanager
def _name_taken() -> Iterator[None]:
    """Another module has the name reno_textbook."""
    run("insmod", str(NAME_TAKER))
    try:
        yield
    finally:
        run("rmmod", NAME_TAKER.stem)


def _check_says(it: Recorder, algorithm: str, ours: bool) -> None:
    with sender(it, algorithm) as flow:
        flow.send(20)
        assert flow.look("ack") and bool(flow.look("reno_phase")) == ours
        assert bool(_cc_info(flow)) == ours


def test_name_taken() -> None:
    """With reno_textbook taken the module says so, has its other names, and unloads"""
    with _name_taken():
        before, log = set(OFFERED.read_text().split()), recorder.kernel_log()
        assert "reno_textbook" in before and not before & OURS, before
        with Recorder(ROOMY_RING) as it, path():
            assert set(OFFERED.read_text().split()) == before | OURS
            for algorithm in OURS:
                _check_says(it, algorithm, True)
            _check_says(it, "reno_textbook", False)
        assert set(OFFERED.read_text().split()) == before
        said = recorder.kernel_log().removeprefix(log)
        line, = [line for line in said.splitlines() if f"{recorder.NAME}: " in line
                 and "taint" not in line]
        assert f"'reno_textbook' (error {-errno.EEXIST})" in line, line
        assert "cut here" not in said and "BUG" not in said, said
