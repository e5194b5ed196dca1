# SPDX-License-Identifier: GPL-2.0
"""Row M9: flow control: windows, zero windows, the persist timer and its probes."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Iterator

import endpoints
import recorder
from crafted import CraftedPeer, Segment
from endpoints import (FAMILIES, PORT, await_records, both_families, connected,
                       receive, records, relative, tcp_info, word)
from ftrace import TRACING
from hosts import CLIENT, SERVER, TwoHosts
from raw_tcp import ACK, PSH, RST, SYN
from recorder import Recorder, wait_until
from renoscope_lib.ring.schema import Event
from troubles import fill

SMALL_BUFFER = (socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
PROBES = 4
STALL_US = 10e6                 # a crowded emulator stands still now and then
CRAFTED_PORT = 4000
NOP_WSCALE_7 = bytes([1, 3, 3, 7])
TCPI_SND_WND = 228              # where tcpi_snd_wnd is in struct tcp_info


def _changes(it: Recorder, sock: socket.socket, side: str) -> list[Event]:
    """What became of one side's window, as one end saw it."""
    return [e for e in records(it, sock, "zero_window")
            if word(it, e, "window_side") == side]


def _words(it: Recorder, events: Iterable[Event]) -> list[str]:
    return [word(it, e, "window_change") for e in events]


def _check_probes(probes: list[Event]) -> None:
    """Each comes after twice the wait of the one before; backoff numbers them."""
    assert [e["backoff"] for e in probes] == list(range(len(probes))), probes
    assert not any(e["probe_carries_data"] or e["snd_wnd"] for e in probes)
    waits = [(after["time_ns"] - before["time_ns"]) / 1000
             for before, after in zip(probes, probes[1:])]
    for number, waited_us in enumerate(waits, 1):
        expected_us = probes[0]["rto_us"] << number
        assert 0.9 * expected_us < waited_us < 3 * expected_us + STALL_US, (
            number, waits)


def _check_answers(it: Recorder, sender: socket.socket, probes: list[Event]) -> None:
    """Each probe is answered: nothing new is acknowledged, the window still 0."""
    for probe, following in zip(probes, probes[1:]):
        answers = [e for e in records(it, sender, "ack")
                   if probe["time_ns"] < e["time_ns"] < following["time_ns"]]
        assert len(answers) == 1, answers
        assert answers[0]["seg_window"] == 0, answers[0].values
        assert answers[0]["seg_ack"] == answers[0]["snd_una"]
    assert not any(e["probes_out"] for e in probes), "an answer begins the count anew"


def _check_standstill(it: Recorder, sender: socket.socket, receiver: socket.socket,
                      read_ns: int) -> None:
    """The window closed, probes, and the window opened when it was read from."""
    closed, opened = _changes(it, sender, "peer")[:2]
    own_closed, own_opened = _changes(it, receiver, "own")[:2]
    assert _words(it, (closed, opened, own_closed, own_opened)) == [
        "closed", "opened"] * 2
    probes = [e for e in records(it, sender, "probe")
              if closed["time_ns"] < e["time_ns"] < opened["time_ns"]]
    assert {word(it, e, "probe_cause") for e in probes} == {"zero_window"}
    assert len(probes) >= PROBES
    assert not any(closed["time_ns"] < e["time_ns"] < opened["time_ns"]
                   for e in records(it, sender, "rto")), "nothing is on its way"
    _check_probes(probes)
    _check_answers(it, sender, probes)
    # The receiver closes and opens its window first, then the sender learns of it.
    assert own_closed["time_ns"] < closed["time_ns"] < probes[0]["time_ns"]
    assert read_ns < own_opened["time_ns"] < opened["time_ns"]
    assert closed["seg_window"] == 0 < opened["seg_window"]
    assert own_closed["rcv_wnd"] == 0 < own_opened["rcv_wnd"]


def _stand_still(it: Recorder, directions: list[tuple[socket.socket, socket.socket]]
                 ) -> None:
    """Fill the receivers, wait for probes, let them read; then all is told."""
    sent = [fill(sender) for sender, _receiver in directions]
    for sender, _receiver in directions:
        await_records(it, sender, "probe", PROBES)
    for (sender, receiver), size in zip(directions, sent):
        read_ns = time.monotonic_ns()
        receive(receiver, size)
        wait_until("the window to open", lambda s=sender: _words(
            it, _changes(it, s, "peer"))[-1:] == ["opened"])
        _check_standstill(it, sender, receiver, read_ns)


def test_m9_zero_window() -> None:
    """M9: both directions: window closed, probes with doubling waits, opened again"""
    with Recorder() as it, TwoHosts() as hosts:
        for host in (CLIENT, SERVER):   # else a second probe may go unanswered
            hosts.sysctl(host, "net.ipv4.tcp_invalid_ratelimit=0")
        with both_families(client=(SMALL_BUFFER,), server=(SMALL_BUFFER,)) as pairs:
            _stand_still(it, [(pairs[0].client, pairs[0].server),
                              (pairs[1].server, pairs[1].client)])
            _stand_still(it, [(pairs[0].server, pairs[0].client),
                              (pairs[1].client, pairs[1].server)])


@contextlib.contextmanager
def _function_graph(function: str) -> Iterator[None]:
    """ftrace's tracer of calls and returns, on one function."""
    settings = {"set_ftrace_filter": function, "current_tracer": "function_graph"}
    for name, value in settings.items():
        (TRACING / name).write_text(value)
    try:
        yield
    finally:
        (TRACING / "current_tracer").write_text("nop")
        (TRACING / "set_ftrace_filter").write_text("")


@contextlib.contextmanager
def _return_probe(function: str) -> Iterator[None]:
    """A probe of the function's return, as bpftrace would set it."""
    (TRACING / "kprobe_events").write_text(f"r:renoscope_test {function}\n")
    switch = TRACING / "events" / "kprobes" / "renoscope_test" / "enable"
    switch.write_text("1")
    try:
        yield
    finally:
        switch.write_text("0")
        (TRACING / "kprobe_events").write_text("")


def test_m9_other_tracers() -> None:
    """M9: function_graph and a return probe on the function that says our window hide nothing"""
    tracers = (_function_graph, _return_probe)
    for others in (tracers[:1], tracers[1:], tracers):
        with Recorder() as it, TwoHosts(), contextlib.ExitStack() as stack:
            for tracer in others:
                stack.enter_context(tracer("__tcp_select_window"))
            with connected(False, server=(SMALL_BUFFER,)) as pair:
                sent = fill(pair.client)
                await_records(it, pair.client, "zero_window", 1)
                assert _words(it, _changes(it, pair.server, "own")) == ["closed"], others
                receive(pair.server, sent)
                wait_until("the window to open", lambda p=pair: _words(
                    it, _changes(it, p.client, "peer"))[-1:] == ["opened"])
                words = _words(it, _changes(it, pair.server, "own"))
                assert words[1::2] == ["opened"] * len(words[1::2]), words
                assert set(words[::2]) == {"closed"} and len(words) % 2 == 0, words
            assert recorder.sources()["ftrace:__tcp_select_window"] == "attached"


def test_m9_lost_window_update() -> None:
    """M9: the window update is lost, and answers to probes; the next answer ends the deadlock"""
    with Recorder() as it, TwoHosts() as hosts:
        with both_families(server=(SMALL_BUFFER,)) as pairs:
            sent = [fill(pair.client) for pair in pairs]
            for pair in pairs:
                wait_until("the window to close", lambda p=pair: (
                    _changes(it, p.client, "peer")))
            hosts.drop(CLIENT, f"tcp sport {PORT}")
            drop_ns = time.monotonic_ns()
            got = [len(pair.server.recv(size)) for pair, size in zip(pairs, sent)]
            for pair in pairs:          # the window is open, but nobody says so
                wait_until("three probes without an answer", lambda p=pair: len(
                    _probes_between(it, p, drop_ns)) >= 3)
                assert _words(it, _changes(it, pair.client, "peer")) == ["closed"]
            hosts.stop_dropping(CLIENT)
            for pair, size, part in zip(pairs, sent, got):
                receive(pair.server, size - part)
                _check_lost_answers(it, pair, drop_ns)


def _probes_between(it: Recorder, pair: endpoints.Pair, begin_ns: int,
                    end_ns: int = 2**63) -> list[Event]:
    return [e for e in records(it, pair.client, "probe")
            if begin_ns < e["time_ns"] < end_ns]


def _check_lost_answers(it: Recorder, pair: endpoints.Pair, drop_ns: int) -> None:
    opened = _changes(it, pair.client, "peer")[1]
    assert word(it, opened, "window_change") == "opened"
    _check_probes(_probes_between(it, pair, 0, opened["time_ns"]))
    unanswered = [e["probes_out"] for e in _probes_between(
        it, pair, drop_ns, opened["time_ns"])]
    first = unanswered[0]               # of the one before, the answer may be lost, too
    assert first in (0, 1) and unanswered == list(
        range(first, first + len(unanswered))), unanswered


def test_m9_window_slides() -> None:
    """M9: the window advertised each way, with its scale, moves with what is read"""
    buffer = (socket.SOL_SOCKET, socket.SO_RCVBUF, 262144)
    with Recorder() as it, TwoHosts(), both_families(server=(buffer,)) as pairs:
        for pair in pairs:
            _check_sliding(it, pair)


def _acknowledged(it: Recorder, sock: socket.socket) -> int:
    """How many bytes the segments that arrived acknowledge."""
    last = records(it, sock, "ack")[-1:]
    return relative(last[0]["seg_ack"], last[0]["snd_isn"]) - 1 if last else 0


def _check_sliding(it: Recorder, pair: endpoints.Pair) -> None:
    for number in range(1, 5):
        pair.client.sendall(bytes(1000))
        wait_until("the ACK", lambda n=number: (
            _acknowledged(it, pair.client) == n * 1000))
        if number == 2:
            receive(pair.server, 2000)
    acks = records(it, pair.client, "ack")
    edges = [relative(e["seg_ack"], e["snd_isn"]) + (e["seg_window"] << e["snd_wscale"])
             for e in acks]
    assert edges == sorted(edges), edges            # the right edge never goes back
    server = records(it, pair.server, "ack")[-1]    # before it is acknowledged
    assert acks[-1]["snd_wscale"] == server["rcv_wscale"] > 0
    assert acks[-2]["seg_window"] << server["rcv_wscale"] == server["rcv_wnd"]
    assert acks[-1]["snd_wnd"] == server["rcv_wnd"]
    receive(pair.server, 2000)


def _check_shrunk(it: Recorder, sock: socket.socket) -> None:
    """The second segment is outside the window now; it is sent as a probe."""
    wait_until("the window to close", lambda: _changes(it, sock, "peer"))
    closed, = _changes(it, sock, "peer")
    assert _words(it, [closed]) == ["closed"] and closed["packets_out"] == 2

    def since(kind: str) -> list[Event]:
        return [e for e in records(it, sock, kind) if e["time_ns"] > closed["time_ns"]]
    wait_until("two probes", lambda: len(since("retransmit")) >= 2)
    for event in since("retransmit"):
        assert word(it, event, "retransmit_cause") == "zero_window", event.values
        assert relative(event["seg_seq"], event["snd_isn"]) == 501
    assert not since("rto"), "a probe is no timeout"


def _crafted_receiver(it: Recorder, hosts: TwoHosts, ipv6: bool) -> None:
    """A peer that shrinks its window to 0 while data is on its way."""
    hosts.drop(CLIENT, f"tcp sport {PORT}")
    with (endpoints.listen(SERVER, ipv6) as listener,
          CraftedPeer(ipv6, CRAFTED_PORT, PORT) as peer):
        answer = peer.shake_hands(7000, NOP_WSCALE_7, window=1000)
        with listener.accept()[0] as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            endpoints.send_segments(sock, 2, 500)
            assert [peer.hear(PSH).seq for _ in range(2)] == [
                answer.seq + 1, answer.seq + 501]
            peer.send(Segment(7001, answer.seq + 501, window=0))
            _check_shrunk(it, sock)
            peer.send(Segment(7001, answer.seq + 1001, window=1000))
            wait_until("the window to open", lambda: len(_changes(it, sock, "peer")) > 1)
            opened = _changes(it, sock, "peer")[1]
            assert _words(it, [opened]) == ["opened"]
            assert opened["seg_window"] << opened["snd_wscale"] == 128_000
            peer.send(Segment(7001, answer.seq + 1001, flags=RST))
            await_records(it, sock, "reset_received")
    hosts.stop_dropping(CLIENT)


def test_m9_window_shrinks() -> None:
    """M9: the peer shrinks its window to 0 with data on its way: that data is the probe"""
    with Recorder() as it, TwoHosts() as hosts:
        hosts.sysctl(SERVER, "net.ipv4.tcp_early_retrans=0")
        for ipv6 in FAMILIES:
            _crafted_receiver(it, hosts, ipv6)


def _peer_is_closed(it: Recorder, sock: socket.socket) -> bool:
    return _words(it, _changes(it, sock, "peer"))[-1:] == ["closed"]


def _zero_from_the_beginning(it: Recorder, hosts: TwoHosts, ipv6: bool) -> None:
    """A peer whose handshake ends with a window of 0."""
    hosts.drop(CLIENT, f"tcp sport {PORT}")
    with (endpoints.listen(SERVER, ipv6) as listener,
          CraftedPeer(ipv6, CRAFTED_PORT, PORT) as peer):
        peer.send(Segment(7000, flags=SYN, window=1000))
        answer = peer.hear(SYN | ACK)
        peer.send(Segment(7001, answer.seq + 1, window=0))
        with listener.accept()[0] as sock:
            wait_until("the window to close", lambda: _peer_is_closed(it, sock))
            closed, = _changes(it, sock, "peer")
            assert it.state_name(closed["state"]) == "SYN-RECEIVED", closed.values
            assert (closed["seg_seq"], closed["seg_window"]) == (7001, 0), closed.values
            sock.sendall(b"held back")
            await_records(it, sock, "probe")
            peer.send(Segment(7001, answer.seq + 1, window=1000))
            wait_until("the window to open", lambda: not _peer_is_closed(it, sock))
            assert _words(it, _changes(it, sock, "peer")) == ["closed", "opened"]
            peer.send(Segment(7001, answer.seq + 1, flags=RST))
            await_records(it, sock, "reset_received")
    hosts.stop_dropping(CLIENT)


def test_m9_zero_window_of_the_third_segment() -> None:
    """M9: the handshake's third segment has a window of 0: closed, a probe, opened"""
    with Recorder() as it, TwoHosts() as hosts:
        for ipv6 in FAMILIES:
            _zero_from_the_beginning(it, hosts, ipv6)


def _kernel_says_closed(sock: socket.socket) -> bool:
    """By the window that it goes by itself."""
    return tcp_info(sock, TCPI_SND_WND) == 0


def _segments_with_windows(una: int) -> list[Segment]:
    """To a socket that waits for byte 7001 and has sent 1000 bytes from una on."""
    def at(seq: int, ack: int, window: int = 0, size: int = 0) -> Segment:
        return Segment(seq, una + ack, window=window, data=bytes(size))
    return [
        at(7001, 5000),                 # for what was never sent
        at(7001, -10),                  # for what was before the connection
        at(7001 + 10_000_000, 0),       # far beyond our window
        at(6901, 0),                    # long received
        at(7011, 0, 1000, 10),          # the later one first ...
        at(7001, 0, 0, 10),             # ... then the one before it
        at(7021, 0, 1000),
        at(7021, 0),                    # nothing new: a matter of the kernel's age
        at(7021, 0, 1000),
        at(7021, 500),                  # at last one that counts everywhere
        at(7021, 500, 1000),
    ]


def _compare_windows(it: Recorder, hosts: TwoHosts, ipv6: bool) -> None:
    hosts.drop(CLIENT, f"tcp sport {PORT}")
    seen = []
    with (endpoints.listen(SERVER, ipv6) as listener,
          CraftedPeer(ipv6, CRAFTED_PORT, PORT) as peer):
        answer = peer.shake_hands(7000, window=1000)
        with listener.accept()[0] as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            endpoints.send_segments(sock, 2, 500)
            for segment in _segments_with_windows(answer.seq + 1):
                arrived = len(records(it, sock, "ack"))
                peer.send(segment)
                await_records(it, sock, "ack", arrived + 1)
                seen.append(_kernel_says_closed(sock))
                assert _peer_is_closed(it, sock) == seen[-1], (segment, seen)
            peer.send(Segment(7021, answer.seq + 501, flags=RST))
            await_records(it, sock, "reset_received")
    hosts.stop_dropping(CLIENT)
    assert seen[:7] == [False] * 7 and seen[-2:] == [True, False], seen


def test_m9_the_kernels_window_is_the_witness() -> None:
    """M9: forged, old and reordered segments close the peer's window where TCP_INFO does, and only there"""
    with Recorder() as it, TwoHosts() as hosts:
        for ipv6 in FAMILIES:
            _compare_windows(it, hosts, ipv6)
