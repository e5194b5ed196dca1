# SPDX-License-Identifier: GPL-2.0
"""Rows M11 and M12: timeouts, fast retransmit, tail loss probes, lost SYNs.

Which segments are lost is chosen by their sequence numbers. Reno holds (renoscope),
so that windows are halved; RACK, whose timer would come in between on a slow
machine, is off, and so is what a test does not want to see. Both families run at
the same time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import endpoints
from endpoints import (FAMILIES, PORT, Pair, await_records, both_families, receive,
                       records, relative, say, send_segments, sent_isn, word)
from hosts import CLIENT, SERVER, TwoHosts
from recorder import Recorder, wait_until
from renoscope_lib.ring.schema import Event
from troubles import ONCE

DELAY_MS = 50                   # RTTs that an emulated machine's own delays do not blur
SIZE = 1000
STALL_US = 10e6                 # a crowded emulator stands still now and then
CWND = 10
HALF = CWND // 2
NO_THRESHOLD = 2**31 - 1
SYN_LINEAR = "/proc/sys/net/ipv4/tcp_syn_linear_timeouts"


@contextmanager
def _two_hosts(*settings: str) -> Iterator[tuple[Recorder, TwoHosts]]:
    with Recorder() as it, TwoHosts(DELAY_MS) as hosts:
        hosts.most_segments_a_packet(1)
        for host in (CLIENT, SERVER):
            for setting in ("tcp_congestion_control=renoscope", "tcp_recovery=0",
                            "tcp_slow_start_after_idle=0", *settings):
                hosts.sysctl(host, f"net.ipv4.{setting}")
        yield it, hosts


def _number_of(it: Recorder, pair: Pair, number: int) -> int:
    """The sequence number of the client's n-th segment of SIZE, from 0."""
    return (sent_isn(it, pair.client) + 1 + number * SIZE) % 2**32


def _lose(it: Recorder, hosts: TwoHosts, pair: Pair, number: int) -> None:
    """Lose that segment, once."""
    hosts.drop(SERVER, f"tcp dport {PORT} tcp sequence "
               f"{_number_of(it, pair, number)} {ONCE}")


def _place(event: Event) -> int:
    """Which of the client's segments of SIZE an event is about."""
    place, rest = divmod(relative(event["seg_seq"], event["snd_isn"]) - 1, SIZE)
    assert not rest and event["seg_len"] == SIZE, event.values
    return place


def _told(it: Recorder, pair: Pair) -> list[tuple[int, str]]:
    """What was sent again, and why."""
    return [(_place(e), word(it, e, "retransmit_cause"))
            for e in records(it, pair.client, "retransmit")]


def _ca_path(it: Recorder, pair: Pair) -> list[str]:
    """The states gone through; the kernel also says when one is entered anew."""
    return [word(it, e, "ca_state") for e in records(it, pair.client, "ca_state")
            if e["ca_state"] != e["old_ca_state"]]


def _await_open(it: Recorder, pair: Pair) -> None:
    wait_until("CA state Open", lambda: _ca_path(it, pair)[-1:] == ["Open"])


# ---- M11 -----------------------------------------------------------------


def _check_timeouts(timeouts: list[Event]) -> None:
    """Each waits twice as long as the one before."""
    count = len(timeouts)
    assert [e["backoff"] for e in timeouts] == list(range(count)), timeouts
    assert [e["retransmits"] for e in timeouts] == list(range(count)), timeouts
    first_us = timeouts[0]["rto_us"]
    assert [e["rto_us"] for e in timeouts] == [first_us << n for n in range(count)]
    assert 2 * DELAY_MS * 1000 < first_us < 10_000_000, first_us
    for before, after in zip(timeouts, timeouts[1:]):
        waited_us = (after["time_ns"] - before["time_ns"]) / 1000
        assert 0.9 * after["rto_us"] < waited_us < 3 * after["rto_us"] + STALL_US


def _check_collapse(it: Recorder, pair: Pair, timeouts: list[Event]) -> None:
    """At the first one ssthresh is half, cwnd 1, the CA state Loss; it stays so."""
    assert (timeouts[0]["cwnd"], timeouts[0]["ssthresh"]) == (CWND, NO_THRESHOLD)
    assert timeouts[0]["packets_out"] == CWND
    for again in timeouts[1:]:
        assert (again["cwnd"], again["ssthresh"], again["lost_out"]) == (
            1, HALF, CWND), again.values
        assert word(it, again, "ca_state") == "Loss"
    first = records(it, pair.client, "retransmit")[0]
    assert (first["cwnd"], first["ssthresh"]) == (1, HALF), first.values


def _check_slow_start(it: Recorder, pair: Pair) -> None:
    """The window opens again from 1, to ssthresh at least, as ACKs come."""
    windows = [e["cwnd"] for e in records(it, pair.client, "retransmit")
               if word(it, e, "retransmit_cause") == "loss_recovery"]
    assert windows[0] == 2 and windows == sorted(windows), windows
    assert windows[-1] >= HALF, windows


def _check_life_after_timeouts(it: Recorder, pair: Pair) -> None:
    timeouts = records(it, pair.client, "rto")
    _check_timeouts(timeouts)
    _check_collapse(it, pair, timeouts)
    assert _told(it, pair) == [(0, "rto")] * len(timeouts) + [
        (place, "loss_recovery") for place in range(1, CWND)]
    assert _ca_path(it, pair) == ["Loss", "Open"], _ca_path(it, pair)
    _check_slow_start(it, pair)


def test_m11_timeout() -> None:
    """M11: RTO doubles with each timeout, ssthresh is half, cwnd 1, then slow start again"""
    with _two_hosts("tcp_early_retrans=0", "tcp_frto=0") as (it, hosts):
        with both_families() as pairs:
            hosts.drop(SERVER, f"tcp dport {PORT}")
            for pair in pairs:
                send_segments(pair.client, CWND, SIZE)
            for pair in pairs:
                await_records(it, pair.client, "rto", 3)
            hosts.stop_dropping(SERVER)
            for pair in pairs:
                receive(pair.server, CWND * SIZE)
                _await_open(it, pair)
                _check_life_after_timeouts(it, pair)


def test_m11_spurious_timeout() -> None:
    """M11: a timeout that was for nothing: the ACKs were late; cwnd and ssthresh come back"""
    with _two_hosts("tcp_early_retrans=0") as (it, hosts):
        with both_families() as pairs:
            hosts.drop(CLIENT, f"tcp sport {PORT}")
            for pair in pairs:
                send_segments(pair.client, 5, SIZE)
            for pair in pairs:
                await_records(it, pair.client, "rto")
            hosts.stop_dropping(CLIENT)
            for pair in pairs:
                receive(pair.server, 5 * SIZE)
                _await_open(it, pair)
                say(*pair[::-1])
                last = records(it, pair.client, "ack")[-1]
                assert (last["ssthresh"], last["retransmits"]) == (NO_THRESHOLD, 0)
                assert last["cwnd"] >= CWND and last["lost_out"] == 0, last.values
                timeouts = len(records(it, pair.client, "rto"))
                assert _told(it, pair) == [(0, "rto")] * timeouts
                assert _ca_path(it, pair) == ["Loss", "Open"], _ca_path(it, pair)


# ---- M12 -----------------------------------------------------------------


def _duplicates(it: Recorder, pair: Pair, until_ns: int) -> list[Event]:
    """Duplicate ACKs that came before a moment: nothing new, nothing in them."""
    return [e for e in records(it, pair.client, "ack")
            if e["time_ns"] < until_ns and e["seg_ack"] == e["snd_una"]
            and e["packets_out"] and not e["seg_len"]]


def _check_fast_retransmit(it: Recorder, pair: Pair, lost: int) -> None:
    """At the third duplicate ACK, and to half the window, without a timeout."""
    assert _told(it, pair) == [(lost, "fast_retransmit")], _told(it, pair)
    event = records(it, pair.client, "retransmit")[0]
    duplicates = _duplicates(it, pair, event["time_ns"])
    assert [e["sacked_out"] for e in duplicates] == [0, 1, 2], duplicates
    assert {relative(e["seg_ack"], e["snd_isn"]) for e in duplicates} == {
        1 + lost * SIZE}
    assert (event["sacked_out"], event["lost_out"]) == (3, 1), event.values
    assert (event["ssthresh"], event["backoff"]) == (HALF, 0), event.values
    assert word(it, event, "ca_state") == "Recovery"
    assert _ca_path(it, pair) == ["Disorder", "Recovery", "Open"], _ca_path(it, pair)
    assert not records(it, pair.client, "rto")


def _check_after_recovery(it: Recorder, pair: Pair) -> None:
    """No slow start: cwnd goes on from ssthresh."""
    say(*pair[::-1])
    last = records(it, pair.client, "ack")[-1]
    assert last["ssthresh"] == HALF <= last["cwnd"] <= HALF + 1, last.values


def _fast_retransmit(sack: int) -> None:
    lost = 1
    with _two_hosts("tcp_early_retrans=0", f"tcp_sack={sack}") as (it, hosts):
        with both_families() as pairs:
            for pair in pairs:
                say(*pair, SIZE)        # now the peer's window stands
                _lose(it, hosts, pair, lost)
                send_segments(pair.client, CWND, SIZE)
            for pair in pairs:
                receive(pair.server, CWND * SIZE)
                say(*pair)              # NewReno's recovery needs one more ACK
                _await_open(it, pair)
                _check_fast_retransmit(it, pair, lost)
                _check_after_recovery(it, pair)


def test_m12_fast_retransmit_with_sack() -> None:
    """M12: three SACKs, then the lost segment again; ssthresh and cwnd are half, no timeout"""
    _fast_retransmit(sack=1)


def test_m12_fast_retransmit_without_sack() -> None:
    """M12: without SACK: three duplicate ACKs, then the lost segment again; ssthresh and cwnd are half"""
    _fast_retransmit(sack=0)


def test_m12_tail_loss_probe() -> None:
    """M12: the last segment lost: a tail loss probe sends it again, no timeout"""
    with _two_hosts() as (it, hosts):
        with both_families() as pairs:
            for pair in pairs:
                _lose(it, hosts, pair, 3)
                send_segments(pair.client, 4, SIZE)
            for pair in pairs:
                receive(pair.server, 4 * SIZE)
                assert _told(it, pair) == [(3, "tail_loss_probe")], _told(it, pair)
                probe, = await_records(it, pair.client, "loss_probe")
                assert probe["probe_retransmits"] == 1, probe.values
                assert not records(it, pair.client, "rto")


def test_m12_tail_loss_probe_with_new_data() -> None:
    """M12: where there is new data, the tail loss probe is that"""
    with _two_hosts() as (it, hosts):
        with both_families() as pairs:
            hosts.drop(SERVER, f"tcp dport {PORT}")
            for pair in pairs:
                send_segments(pair.client, CWND + 1, SIZE)
            for pair in pairs:
                await_records(it, pair.client, "loss_probe")
            hosts.stop_dropping(SERVER)
            for pair in pairs:
                probe = records(it, pair.client, "loss_probe")[0]
                receive(pair.server, (CWND + 1) * SIZE)
                assert probe["probe_retransmits"] == 0, probe.values
                assert probe["packets_out"] == CWND + 1, probe.values
                assert relative(probe["snd_nxt"], probe["snd_isn"]) == (
                    1 + (CWND + 1) * SIZE)
                assert "tail_loss_probe" not in {cause for _, cause in _told(it, pair)}


def test_m12_lost_syns() -> None:
    """M12: two SYNs lost: each sent again with its cause, after 1 s and 2 s more"""
    with _two_hosts() as (it, hosts), ExitStack() as stack:
        if os.path.exists(SYN_LINEAR):
            hosts.sysctl(CLIENT, "net.ipv4.tcp_syn_linear_timeouts=0")
        hosts.drop(SERVER, f"tcp dport {PORT} tcp flags syn")
        openers = []
        for ipv6 in FAMILIES:
            stack.enter_context(endpoints.listen(SERVER, ipv6))
            opener = stack.enter_context(endpoints.tcp_socket(CLIENT, ipv6))
            opener.setblocking(False)
            opener.connect_ex((endpoints.address_of(SERVER, ipv6), PORT))
            openers.append(opener)
        for opener in openers:
            await_records(it, opener, "retransmit", 2)
        hosts.stop_dropping(SERVER)
        for opener in openers:
            resent = records(it, opener, "retransmit")
            assert {word(it, e, "retransmit_cause") for e in resent} == {"syn"}
            assert {(e["seg_seq"], e["seg_flags"], e["seg_len"]) for e in resent} == {
                (resent[0]["snd_isn"], 0x02, 0)}
            timeouts = records(it, opener, "rto")
            assert [e["rto_us"] for e in timeouts[:2]] == [1_000_000, 2_000_000]
            assert [e["backoff"] for e in timeouts[:2]] == [0, 1]
            assert {it.state_name(e["state"]) for e in timeouts} == {"SYN-SENT"}
