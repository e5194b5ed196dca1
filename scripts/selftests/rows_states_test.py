# SPDX-License-Identifier: GPL-2.0
"""What must be seen of states: rows M1 and M15.

Each scenario is played by real sockets on two hosts, or by one real socket and
a ghost (raw_tcp.py) that does what no kernel would; then the story that the
records tell is laid beside what was done, and beside the wire.
"""

from __future__ import annotations

import socket
import time
from collections import Counter

from hosts import CLIENT, SERVER, TwoHosts
from in_states import (ACCEPTED, ACTIVE_CLOSE, OPENED, PASSIVE_CLOSE, in_state,
                       kill_time_wait, stay, wait_for_state)
from inside import abort, cookie_of
from raw_tcp import ACK, FIN, PSH, RST, SYN, Ghost
from recorder import told, wait_until
from renoscope_lib.ring.schema import Event
from stage import Stage, address_of, for_each_family

# How often the kernel may be asked for what it does nearly always.
ORPHANS = 10
ALL_STATES = {"LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
              "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT",
              "CLOSED"}


# ---- M1: the states -------------------------------------------------------

def _close_half_by_half(stage: Stage, family: int) -> set[str]:
    """Client closes its half, gets more data, then the server closes its own."""
    story = stage.story
    with stage.listener(family) as listener:
        client, server = stage.pair(listener, family)
        at_client, at_server = cookie_of(client), cookie_of(server)
        client.shutdown(socket.SHUT_WR)
        wait_for_state(stage, at_client, "FIN-WAIT-2")
        half_closed_ns = time.monotonic_ns()
        assert server.recv(1) == b"", "the client's end of file"
        server.sendall(b"late")
        assert client.recv(9) == b"late", "half a connection still carries data"
        closes_ns = time.monotonic_ns()
        server.shutdown(socket.SHUT_WR)
        wait_for_state(stage, at_server, "CLOSED")
        kill_time_wait(stage, at_client)
        listening = cookie_of(listener)
    assert story.life(at_client) == [*OPENED, *ACTIVE_CLOSE, "CLOSED"]
    assert story.life(at_server) == [*ACCEPTED, *PASSIVE_CLOSE]
    assert story.life(listening) == ["LISTEN", "CLOSED"]
    for cookie, state in ((at_client, "FIN-WAIT-2"), (at_server, "CLOSE-WAIT")):
        entered, left = stay(story.steps(cookie), state)
        assert entered <= half_closed_ns < closes_ns <= left, (state, entered, left)
    return {state for cookie in (at_client, at_server, listening)
            for state in story.life(cookie)}


def _close_at_once(stage: Stage, family: int) -> set[str]:
    """Both ends close before either has heard of it: CLOSING at both."""
    with stage.listener(family) as listener:
        client, server = stage.pair(listener, family)
        with stage.held(CLIENT, SERVER):
            client.shutdown(socket.SHUT_WR)
            server.shutdown(socket.SHUT_WR)
        ways = ["FIN-WAIT-1", "CLOSING", "TIME-WAIT"]
        for sock, host in ((client, CLIENT), (server, SERVER)):
            kill_time_wait(stage, cookie_of(sock), host)
        assert stage.life_of(client) == [*OPENED, *ways, "CLOSED"]
        assert stage.life_of(server) == [*ACCEPTED, *ways, "CLOSED"]
        return set(ways)


def test_m1_every_state() -> None:
    """M1: all eleven states at both ends, each connection under one id from SYN to the end of TIME-WAIT; half-close, simultaneous close; time spent"""
    with Stage() as stage:
        def check(family: int) -> None:
            seen = _close_half_by_half(stage, family) | _close_at_once(stage, family)
            assert seen == ALL_STATES, ALL_STATES - seen
        for_each_family(check)


def test_m1_simultaneous_open() -> None:
    """M1: simultaneous open: SYN-SENT, SYN-RECEIVED, ESTABLISHED at both ends, ISNs of the wire"""
    with Stage() as stage:
        def check(family: int) -> None:
            ports = {CLIENT: 7001, SERVER: 7002}
            with stage.held(CLIENT, SERVER):
                ends = [stage.start_connecting(
                    host, family, (address_of(other, family), ports[other]),
                    ports[host]) for host, other in ((CLIENT, SERVER), (SERVER, CLIENT))]
            for sock in ends:
                wait_for_state(stage, cookie_of(sock), "ESTABLISHED")
                assert stage.life_of(sock) == ["SYN-SENT", "SYN-RECEIVED",
                                               "ESTABLISHED"], stage.life_of(sock)
            ends[0].sendall(b"crossed")
            assert ends[1].recv(9) == b"crossed"
            isns = [_isns_on_the_wire(stage, sock) for sock in ends]
            for sock, isn in zip(ends, isns):
                known = {(e["snd_isn"], e["rcv_isn"]) for e in stage.events_of(sock)
                         if e.kind == "ack" and e["rcv_isn"]}
                assert known == {isn}, (known, isn)
            assert isns[0] == isns[1][::-1]
        for_each_family(check)


def _isns_on_the_wire(stage: Stage, sock: socket.socket) -> tuple[int, int]:
    """(ours, the peer's) as the SYNs of a connection show them."""
    own, peer = sock.getsockname()[:2], sock.getpeername()[:2]
    syns = {s.ends[:2]: s.seq for s in stage.wire.between(own, peer) if s.flags & SYN}
    return syns[own], syns[peer]


def test_m1_fin_and_ack_together() -> None:
    """M1: FIN-WAIT-1 straight to TIME-WAIT when FIN and ACK arrive in one segment"""
    with Stage() as stage:
        def check(family: int) -> None:
            ghost, sock = in_state(stage, family, "FIN-WAIT-1")
            ghost.send(FIN | ACK)
            ghost.expect(ACK)
            wait_for_state(stage, cookie_of(sock), "TIME-WAIT")
            steps = stage.story.steps(cookie_of(sock))
            arrivals = [e for e in stage.events_of(sock)
                        if e.kind == "ack" and e["time_ns"] > stay(steps, "FIN-WAIT-1")[0]]
            assert [e["seg_flags"] for e in arrivals] == [FIN | ACK], arrivals
            assert stay(steps, "FIN-WAIT-1")[1] > arrivals[0]["time_ns"]
            assert stage.life_of(sock) == [*ACCEPTED, *ACTIVE_CLOSE]
        for_each_family(check)


def test_m1_orphan() -> None:
    """M1: an orphan waits in FIN-WAIT-2 as a small sock: to TIME-WAIT by the peer's FIN, to CLOSED by tcp_fin_timeout"""
    with Stage() as stage:
        story = stage.story

        def orphan(family: int) -> tuple[int, socket.socket]:
            """An ACK of its FIN that finds the socket locked leaves the full socket there
            (tcp_rcv_state_process()): seldom, but then it takes another.
            """
            for _ in range(ORPHANS):
                with stage.listener(family) as listener:
                    client, server = stage.pair(listener, family)
                cookie = cookie_of(client)
                client.close()
                wait_for_state(stage, cookie, "FIN-WAIT-2")
                small = story.of("time_wait", cookie=cookie, time_wait_step="started")
                if small:
                    assert story.word(small[0], "state") == "FIN-WAIT-2"
                    return cookie, server
                server.close()
            raise AssertionError(f"none of {ORPHANS} orphans became a small sock")

        def check(family: int) -> None:
            cookie, server = orphan(family)
            assert _wait_of(stage, cookie) == 60_000_000
            server.close()
            kill_time_wait(stage, cookie)
            assert story.life(cookie) == [*OPENED, *ACTIVE_CLOSE, "CLOSED"]

        def check_timeout(family: int) -> None:
            cookie, _server = orphan(family)
            assert _wait_of(stage, cookie) == 1_000_000
            end = story.one("time_wait_end", cookie=cookie, time_wait_ending="timer")
            begin = story.one("time_wait", cookie=cookie, time_wait_step="started")
            assert 1e9 <= end["time_ns"] - begin["time_ns"] < 2e9
            assert story.life(cookie) == [*OPENED, *ACTIVE_CLOSE[:2], "CLOSED"]

        for_each_family(check)
        stage.set("tcp_fin_timeout", 1)
        for_each_family(check_timeout)


def _wait_of(stage: Stage, cookie: int) -> int:
    """How long a small sock said, at its start, that it would stay."""
    return stage.story.one("time_wait", cookie=cookie,
                           time_wait_step="started")["time_wait_us"]


# ---- M1: resets -----------------------------------------------------------

FULL_STATES = ("SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
               "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK")


def test_m1_reset_received() -> None:
    """M1: a RST received in every state, request and TIME-WAIT too, ends the connection; the record has state and segment"""
    with Stage() as stage:
        story = stage.story

        def check_full(family: int) -> None:
            for state in FULL_STATES:
                ghost, sock = in_state(stage, family, state)
                sent = ghost.send(RST | ACK)
                event = story.one("reset_received", cookie=cookie_of(sock))
                assert story.word(event, "state") == state, event.values
                assert (event["seg_flags"], event["seg_seq"]) == (RST | ACK, sent.seq)
                wait_for_state(stage, cookie_of(sock), "CLOSED")
                assert stage.life_of(sock)[-2:] == [state, "CLOSED"]

        def check_small(family: int) -> None:
            ghost, sock = in_state(stage, family, "TIME-WAIT")
            ghost.send(RST | ACK)
            story.one("time_wait_end", cookie=cookie_of(sock), time_wait_ending="reset")
            assert stage.life_of(sock)[-2:] == ["TIME-WAIT", "CLOSED"]
            with stage.listener(family) as listener:
                ghost = stage.ghost(listener)
                ghost.half_open()
                ghost.reset()
                end = story.one("request_end", remote_addr=ghost.address)
                assert story.word(end, "request_ending") == "reset_by_peer"
                assert story.life(end["cookie"]) == ["SYN-RECEIVED", "CLOSED"]

        for_each_family(check_full)
        for_each_family(check_small)


def _state_before(stage: Stage, reset: Event) -> str:
    """The state a socket was in when it decided to reset.

    Where the process or tcp_reset() closes first, the record of the RST shows
    CLOSED, and the state event just before it the state that was left.
    """
    story = stage.story
    before = [e for e in story.of_connection(reset["cookie"])
              if e.kind == "state" and e["time_ns"] <= reset["time_ns"]]
    if story.word(reset, "state") == "CLOSED" and before:
        return str(story.word(before[-1], "old_state"))
    return str(story.word(reset, "state"))


def _check_reset_sent(stage: Stage, cookie: int, state: str, reason: str) -> None:
    story = stage.story
    event = story.wait("reset_sent", cookie=cookie)[0]
    assert _state_before(stage, event) == state, (state, event.values)
    if "reset_reason" in story.schema.values:
        assert story.word(event, "reset_reason") == reason, event.values
    else:
        assert event["reset_reason"] == 0


def _reset_by_abort(stage: Stage, family: int) -> None:
    for state in ("SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT"):
        ghost, sock = in_state(stage, family, state)
        cookie = cookie_of(sock)
        abort(sock)
        ghost.expect(RST | ACK)
        _check_reset_sent(stage, cookie, state, "TCP_STATE")


def _reset_by_late_data(stage: Stage, family: int) -> None:
    for state in ("FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK"):
        ghost, sock = in_state(stage, family, state)
        if state.startswith("FIN"):
            sock.shutdown(socket.SHUT_RD)
            ghost.send(ACK, b"xy", ack=ghost.rcv_nxt - (state == "FIN-WAIT-1"))
        else:
            ghost.send(ACK, b"xy", seq=ghost.snd_nxt - 1,
                       ack=ghost.rcv_nxt - (state != "CLOSE-WAIT"))
        _check_reset_sent(stage, cookie_of(sock), state, "TCP_ABORT_ON_DATA")


def _reset_by_unread_data(stage: Stage, family: int) -> None:
    ghost, sock = in_state(stage, family, "ESTABLISHED")
    ghost.send(ACK | PSH, b"unread")
    ghost.expect(ACK)
    cookie = cookie_of(sock)
    sock.close()
    _check_reset_sent(stage, cookie, "ESTABLISHED", "TCP_ABORT_ON_CLOSE")


def _reset_while_connecting(stage: Stage, family: int) -> None:
    ghost, sock = in_state(stage, family, "SYN-SENT")
    ghost.send(ACK, ack=ghost.rcv_nxt + 1000)
    ghost.expect(RST)
    _check_reset_sent(stage, cookie_of(sock), "SYN-SENT", "TCP_INVALID_ACK_SEQUENCE")
    ghost.reset()


def _reset_of_a_request(stage: Stage, family: int) -> None:
    with stage.listener(family) as listener:
        ghost = stage.ghost(listener)
        ghost.half_open()
        ghost.send(SYN, seq=ghost.isn + 10)
        _check_reset_sent(stage, cookie_of(listener), "LISTEN", "INVALID_SYN")
        end = stage.story.one("request_end", remote_addr=ghost.address)
        assert stage.story.word(end, "request_ending") == "reset_by_us"


def _reset_of_an_orphan(stage: Stage, family: int) -> None:
    ghost, sock = in_state(stage, family, "ESTABLISHED")
    cookie = cookie_of(sock)
    sock.close()
    ghost.expect(FIN | ACK)
    ghost.send(ACK)
    wait_for_state(stage, cookie, "FIN-WAIT-2")
    ghost.send(ACK, b"too late")
    _check_reset_sent(stage, cookie, "FIN-WAIT-2", "TCP_TIMEWAIT_SOCKET")


def _reset_without_a_socket(stage: Stage, family: int) -> None:
    closed = Ghost(stage.wire, (address_of(SERVER, family), 9))
    closed.knock()
    event = stage.story.one("reset_sent", remote_addr=closed.address)
    assert stage.story.word(event, "state") == "CLOSED" and not event["cookie"]


RESETS = (_reset_by_abort, _reset_by_late_data, _reset_by_unread_data,
          _reset_while_connecting, _reset_of_a_request, _reset_of_an_orphan,
          _reset_without_a_socket)


def test_m1_reset_sent() -> None:
    """M1: a RST sent from every state a process or a segment can reset; its reason where the kernel has one"""
    with Stage() as stage:
        for situation in RESETS:
            for_each_family(lambda family, play=situation: play(stage, family))


# ---- M15: the socket table ------------------------------------------------

SS_NAMES = {"ESTAB": "ESTABLISHED", "SYN-RECV": "SYN-RECEIVED", "UNCONN": "CLOSED"}


def _counts_of_ss(hosts: TwoHosts, host: str) -> Counter[str]:
    words = [line.split()[0] for line in hosts.run(host, "ss", "-tanH").splitlines()]
    return Counter(SS_NAMES.get(word, word) for word in words)


def _counts_of_records(stage: Stage, host: str) -> Counter[str]:
    """The connections of a host by the state the records left them in."""
    netns = TwoHosts.inode(host)
    cookies = {e["cookie"] for e in stage.story.joined()
               if e["netns"] == netns and e["cookie"]}
    last = Counter(life[-1] for life in map(stage.story.life, cookies) if life)
    del last["CLOSED"]
    return last


def _counts_of_command() -> Counter[str]:
    """What `renoscope states --counts` says, of all hosts together."""
    return Counter(told("states", "--counts")["counts"])


def test_m15_socket_table() -> None:
    """M15: connections by state, counted from the records and by `renoscope states --counts`, are what `ss -tan` counts; a flood shows in SYN-RECEIVED"""
    with Stage() as stage:
        listeners = {family: stage.listener(family) for family in (4, 6)}
        for family, listener in listeners.items():
            stage.connect(listener, family)         # nobody accepts it
            stage.accept(listener)
            stage.connect(listener, family)
            for state in ("SYN-SENT", "SYN-RECEIVED", *FULL_STATES[2:], "TIME-WAIT"):
                in_state(stage, family, state)
            for _ in range(5):
                stage.ghost(listener).half_open()
        wait_until("both tables to agree", lambda: all(
            _counts_of_ss(stage.hosts, host) == _counts_of_records(stage, host)
            for host in (CLIENT, SERVER)), patience_s=10)
        none: Counter[str] = Counter()
        told, truth = _counts_of_command(), sum(
            (_counts_of_ss(stage.hosts, host) for host in (CLIENT, SERVER)), none)
        assert told == truth, (told, truth)
        table = _counts_of_records(stage, SERVER)
        assert set(table) == ALL_STATES - {"CLOSED"}, table
        assert table["SYN-RECEIVED"] == 12 and table["LISTEN"] == 2, table
