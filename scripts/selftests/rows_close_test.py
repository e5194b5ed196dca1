# SPDX-License-Identifier: GPL-2.0
"""What must be seen of a connection's end: row M8.

Each scenario is played by real sockets on two hosts, or by one real socket and
a ghost (raw_tcp.py) that does what no kernel would; then the story that the
records tell is laid beside what was done, and beside the wire.
"""

from __future__ import annotations

import contextlib
import socket

from hosts import CLIENT, SERVER
from in_states import ACCEPTED, ACTIVE_CLOSE, OPENED, in_state, wait_for_state
from inside import cookie_of, sysctl
from raw_tcp import ACK, FIN, RST, Ghost, Segment
from recorder import wait_until
from renoscope_lib.ring.schema import Event
from stage import Stage, for_each_family
from tun import Tun, far_address


# A ghost's, beside the usual one.
OTHER_PORT = 4001


# ---- M8: closing ----------------------------------------------------------

def _closing(segments: list[Segment]) -> list[tuple[int, int, int]]:
    """(flags, seq, ack) from the first FIN on."""
    first = next(i for i, s in enumerate(segments) if s.flags & FIN)
    return [(s.flags, s.seq, s.ack) for s in segments[first:]]


def _arrivals(stage: Stage, sock: socket.socket) -> list[tuple[int, int, int]]:
    return [(e["seg_flags"], e["seg_seq"], e["seg_ack"]) for e in stage.events_of(sock)
            if e.kind == "ack" or (e.kind == "time_wait" and stage.story.word(
                e, "time_wait_step") == "segment")]


def _check_close_on_the_wire(stage: Stage, client: socket.socket, server: socket.socket,
                             names: tuple[tuple[str, int], tuple[str, int]],
                             shape: list[int]) -> None:
    """The closing segments, as the wire has them, arrived where they should."""
    segments = stage.wire.between(*names)
    closing = _closing(segments)
    assert [flags for flags, _seq, _ack in closing] == shape, closing
    at = {names[0]: _arrivals(stage, client), names[1]: _arrivals(stage, server)}
    for segment in segments[-len(closing):]:
        arrived = (segment.flags, segment.seq, segment.ack)
        assert arrived in at[segment.ends[2:]], (str(segment), at)


def _relative_close(stage: Stage, client: socket.socket,
                    server: socket.socket) -> None:
    """FIN of the one that sent 7 bytes: seq 8, acknowledged by 9; and so on."""
    fin = [e for e in stage.events_of(server) if e.kind == "ack"
           and e["seg_flags"] & FIN][0]
    assert (fin["seg_seq"] - fin["rcv_isn"]) % 2**32 == 8
    acks = {(e["seg_ack"] - e["snd_isn"]) % 2**32 for e in stage.events_of(client)
            if e.kind == "ack"}
    assert max(acks) == 9, acks
    fin = [e for e in stage.events_of(client) if e.kind == "ack"
           and e["seg_flags"] & FIN][0]
    assert (fin["seg_seq"] - fin["rcv_isn"]) % 2**32 == 5
    last = [e for e in stage.events_of(server) if e.kind == "ack"][-1]
    assert stage.story.word(last, "state") == "LAST-ACK"
    assert (last["seg_ack"] - last["snd_isn"]) % 2**32 == 6


def _close_after_talk(stage: Stage, listener: socket.socket, family: int,
                      in_three: bool) -> tuple[socket.socket, socket.socket, list[int]]:
    """7 bytes one way, 4 the other, then the client closes first."""
    client, server = stage.pair(listener, family)
    names = client.getsockname()[:2], client.getpeername()[:2]
    client.sendall(b"Ann Lee")
    assert server.recv(9) == b"Ann Lee"
    server.sendall(b"Hi!\n")
    assert client.recv(9) == b"Hi!\n"
    if in_three:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    client.shutdown(socket.SHUT_WR)
    if not in_three:
        wait_until("the ACK of the FIN", lambda: stage.life_of(client)[-1] == "FIN-WAIT-2")
    assert server.recv(1) == b""
    server.shutdown(socket.SHUT_WR)
    wait_for_state(stage, cookie_of(server), "CLOSED")
    wait_for_state(stage, cookie_of(client), "TIME-WAIT")
    shape = [flags for flags, _seq, _ack in _closing(stage.wire.between(*names))]
    if not in_three:
        _check_close_on_the_wire(stage, client, server, names, shape)
    return client, server, shape


def test_m8_four_way_close() -> None:
    """M8: four-way close, and in three segments when the ACK rides on the FIN: numbers of both ends as on the wire"""
    with Stage() as stage:
        def check(family: int) -> None:
            with stage.listener(family) as listener:
                client, server, shape = _close_after_talk(stage, listener, family, False)
                assert shape == [FIN | ACK, ACK, FIN | ACK, ACK], shape
                _relative_close(stage, client, server)
                # the kernel delays its ACK for 40 ms at least: enough, or once more
                for _ in range(20):
                    client, server, shape = _close_after_talk(stage, listener, family, True)
                    if len(shape) == 3:
                        break
                assert shape == [FIN | ACK, FIN | ACK, ACK], shape
                _relative_close(stage, client, server)
                arrived = [flags for flags, _seq, _ack in _arrivals(stage, client)]
                assert arrived.count(FIN | ACK) == 1 and arrived[-1] == FIN | ACK
        for_each_family(check)


# ---- M8: TIME-WAIT --------------------------------------------------------

def _one_ending(stage: Stage, cookie: int, ending: str) -> Event:
    event = stage.story.one("time_wait_end", cookie=cookie)
    assert stage.story.word(event, "time_wait_ending") == ending, event.values
    return event


def _ended_by_reset(stage: Stage, family: int) -> None:
    ghost, sock = in_state(stage, family, "TIME-WAIT")
    sysctl(SERVER, "tcp_rfc1337", 1)
    ghost.reset()
    stage.story.wait("time_wait", cookie=cookie_of(sock), seg_flags=RST | ACK)
    sysctl(SERVER, "tcp_rfc1337", 0)
    assert not stage.story.of("time_wait_end", cookie=cookie_of(sock)), "RFC 1337"
    ghost.reset()
    _one_ending(stage, cookie_of(sock), "reset")


def _fin_again(stage: Stage, family: int) -> None:
    """The peer's FIN comes again: answered, and the wait begins anew."""
    ghost, sock = in_state(stage, family, "TIME-WAIT")
    story = stage.story
    ghost.expect(ACK)
    sent = ghost.send(FIN | ACK, seq=ghost.snd_nxt - 1)
    assert ghost.expect(ACK).ack == ghost.snd_nxt
    seen = story.one("time_wait", cookie=cookie_of(sock), time_wait_step="segment",
                     seg_flags=FIN | ACK)
    assert (seen["seg_seq"], seen["seg_ack"]) == (sent.seq, sent.ack)
    again = story.one("time_wait", cookie=cookie_of(sock), time_wait_step="timer_set")
    assert again["time_wait_us"] == 60_000_000 and again["time_ns"] > seen["time_ns"]
    ghost.reset()
    _one_ending(stage, cookie_of(sock), "reset")


def _ended_by_new_syn(stage: Stage, family: int) -> None:
    with stage.listener(family) as listener:
        ghost = stage.ghost(listener)
        cookie = _wait_through(stage, listener, ghost)
        anew = Ghost(stage.wire, ghost.peer, address=ghost.address,
                     isn=(ghost.snd_nxt + 100_000) % 2**32)
        anew.open()
        _one_ending(stage, cookie, "new_syn")
        again = stage.accept(listener)
        assert cookie_of(again) != cookie
        assert stage.life_of(again) == ACCEPTED
        anew.reset()


def _ended_by_reuse(stage: Stage, family: int) -> None:
    """A connect() from the same port to the same server takes TIME-WAIT's place."""
    with stage.listener(family) as listener:
        client, server = stage.pair(listener, family)
        client.shutdown(socket.SHUT_WR)
        assert server.recv(1) == b""
        server.close()
        cookie, port = cookie_of(client), client.getsockname()[1]
        wait_for_state(stage, cookie, "TIME-WAIT")
        again = stage.socket(CLIENT, family, port)

        def connects() -> bool:
            # its timestamp clock must be a second ahead: until then refused
            with contextlib.suppress(OSError):
                again.connect(listener.getsockname()[:2])
                return True
            return False
        wait_until("the port to be reused", connects)
        _one_ending(stage, cookie, "reused")
        stage.accept(listener)


def _overflow(stage: Stage, family: int) -> None:
    sysctl(SERVER, "tcp_max_tw_buckets", 0)
    ghost, sock = in_state(stage, family, "FIN-WAIT-2")
    ghost.send(FIN | ACK)
    wait_for_state(stage, cookie_of(sock), "CLOSED")
    event = stage.story.one("time_wait", cookie=cookie_of(sock))
    assert stage.story.word(event, "time_wait_step") == "overflow", event.values
    assert not stage.story.of("time_wait_end", cookie=cookie_of(sock))
    sysctl(SERVER, "tcp_max_tw_buckets", 1000)


def test_m8_ends_of_time_wait() -> None:
    """M8: a FIN answered from TIME-WAIT; TIME-WAIT ended by a RST (not with tcp_rfc1337), a new SYN, a connect(), its host; no room for it"""
    with Stage() as stage:
        stage.set("tcp_tw_reuse", 1)
        for situation in (_ended_by_reset, _fin_again, _ended_by_new_syn,
                          _ended_by_reuse, _overflow):
            for_each_family(lambda family, play=situation: play(stage, family))
        socks = [in_state(stage, family, "TIME-WAIT")[1] for family in (4, 6)]
        cookies = [cookie_of(sock) for sock in socks]
        stage.take_down()
        for cookie in cookies:
            _one_ending(stage, cookie, "other")


def test_m8_ends_of_time_wait_without_a_softirq() -> None:
    """M8: a small sock ended by a RST, by a new SYN and by data that a process receives through tun, in no softirq"""
    with Stage() as stage:
        tun = Tun(stage.hosts, SERVER)
        stage.closing(tun)

        def check(family: int) -> None:
            with stage.listener(family) as listener:
                peer = listener.getsockname()[:2]
                _orphan_gets_data(stage, listener, Ghost(
                    tun, peer, port=OTHER_PORT, address=far_address(family)))
                for ending in ("reset", "new_syn"):
                    ghost = Ghost(tun, peer, address=far_address(family))
                    cookie = _wait_through(stage, listener, ghost)
                    if ending == "reset":
                        ghost.reset()
                    else:
                        Ghost(tun, ghost.peer, address=ghost.address,
                              isn=(ghost.snd_nxt + 100_000) % 2**32).knock()
                    _one_ending(stage, cookie, ending)
        for_each_family(check)


def _orphan_gets_data(stage: Stage, listener: socket.socket, ghost: Ghost) -> None:
    """It is in FIN-WAIT-2 without a process, and data ends it with a RST."""
    sock = _closes_first(stage, listener, ghost)
    cookie = cookie_of(sock)
    ghost.send(ACK)
    wait_for_state(stage, cookie, "FIN-WAIT-2")
    sock.close()
    stage.story.wait("time_wait", cookie=cookie, state="FIN-WAIT-2")
    ghost.send(ACK, b"too late")
    _one_ending(stage, cookie, "other")


def _closes_first(stage: Stage, listener: socket.socket, ghost: Ghost) -> socket.socket:
    ghost.open()
    sock = stage.accept(listener)
    sock.shutdown(socket.SHUT_WR)
    ghost.expect(FIN | ACK)
    return sock


def _wait_through(stage: Stage, listener: socket.socket, ghost: Ghost) -> int:
    """A listener's connection, brought into TIME-WAIT; its id."""
    sock = _closes_first(stage, listener, ghost)
    ghost.send(FIN | ACK)
    ghost.expect(ACK)
    wait_for_state(stage, cookie_of(sock), "TIME-WAIT")
    return cookie_of(sock)


def test_m8_time_wait_lasts_60_s() -> None:
    """M8: TIME-WAIT lasts 60 s by its timer, as it said at its start

    The kernel's timers of that length run up to an eighth late.
    """
    with Stage() as stage:
        cookies = {}
        for family in (4, 6):
            with stage.listener(family) as listener:
                client, server = stage.pair(listener, family)
            client.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""
            server.close()
            cookies[family] = cookie_of(client)
            wait_for_state(stage, cookies[family], "TIME-WAIT")
        for cookie in cookies.values():
            began = stage.story.one("time_wait", cookie=cookie, time_wait_step="started")
            wait_until("the end of TIME-WAIT", lambda c=cookie: stage.story.of(
                "time_wait_end", cookie=c), patience_s=100)
            ended = _one_ending(stage, cookie, "timer")
            assert began["time_wait_us"] == 60_000_000
            lasted_s = (ended["time_ns"] - began["time_ns"]) / 1e9
            assert 60 <= lasted_s < 70, lasted_s
            assert stage.story.life(cookie) == [*OPENED, *ACTIVE_CLOSE, "CLOSED"]
