# SPDX-License-Identifier: GPL-2.0
"""What must be seen of a listener's queues: rows M4, M5 and M6.

Half-open requests are mostly those of ghosts (raw_tcp.py): they keep silent, flood, or
answer what nobody asked.  The wire is the witness of every number.
"""

from __future__ import annotations

import socket

from hosts import CLIENT, SERVER
from inside import cookie_of, inside, sysctl
from raw_tcp import ACK, RST, SYN, Ghost
from recorder import wait_until
from renoscope_lib.ring.schema import Event
from stage import DOMAINS, Stage, address_of, ends_of_client, for_each_family

FLOOD = 150


# ---- M4: the two queues ---------------------------------------------------

def _connect_and_wait(stage: Stage, listener: socket.socket, family: int) -> Event:
    """One more connection for the accept queue; its `completed`."""
    before = len(stage.story.of("completed", listener=cookie_of(listener)))
    stage.connect(listener, family)
    return stage.story.wait("completed", before + 1, listener=cookie_of(listener))[-1]


def test_m4_accept_queue() -> None:
    """M4: the accept queue's length and limit, entering and leaving; full: a SYN is dropped, a last ACK is dropped, each named"""
    with Stage() as stage:
        def check(family: int) -> None:
            with stage.listener(family, backlog=2) as listener:
                _fill_accept_queue(stage, family, listener)
        for_each_family(check)


def _fill_accept_queue(stage: Stage, family: int, listener: socket.socket) -> None:
    story, listening = stage.story, cookie_of(listener)
    late = stage.ghost(listener)
    late.half_open()
    entered = [_connect_and_wait(stage, listener, family) for _ in range(3)]
    assert [e["accept_queue"] for e in entered] == [0, 1, 2], entered
    assert {e["accept_limit"] for e in entered} == {2}
    assert {e["half_open"] for e in entered} <= {1, 2}, "the ghost, and it itself"

    early = stage.ghost(listener)
    early.knock()
    refused = story.one("refused", listener=listening, remote_addr=early.address)
    assert story.word(refused, "refusal") == "accept_queue_full"
    assert refused["seg_flags"] == SYN and refused["seg_seq"] == early.isn
    assert (refused["accept_queue"], refused["accept_limit"]) == (3, 2)

    late.send(ACK)
    refused = story.one("refused", listener=listening, remote_addr=late.address)
    assert story.word(refused, "refusal") == "accept_queue_full"
    assert refused["seg_flags"] == ACK and refused["seg_ack"] == (late.rcv_isn + 1) % 2**32
    assert refused["cookie"] == story.one("request", remote_addr=late.address)["cookie"]

    taken = [cookie_of(stage.accept(listener)) for _ in range(2)]
    assert [e["cookie"] for e in entered[:2]] == taken
    for cookie in taken:
        left = story.one("accepted", cookie=cookie)
        assert left["time_ns"] > story.one("completed", cookie=cookie)["time_ns"]
    late.send(ACK, seq=late.snd_nxt)
    last = story.one("completed", listener=listening, remote_addr=late.address)
    assert (last["accept_queue"], last["half_open"]) == (1, 1), last.values


def test_m4_half_open_queue() -> None:
    """M4: the half-open queue's length and limit; without cookies it overflows at the backlog, and earlier for unproven peers"""
    with Stage() as stage:
        sysctl(SERVER, "tcp_syncookies", 0)

        def overflow(family: int, backlog: int, refusal: str) -> int:
            with stage.listener(family, backlog) as listener:
                return _fill_half_open_queue(stage, listener, refusal)

        def check(family: int) -> None:
            sysctl(SERVER, "tcp_max_syn_backlog", 128)
            assert overflow(family, 4, "half_open_queue_full") in (4, 4 + 1)
            sysctl(SERVER, "tcp_max_syn_backlog", 8)
            assert overflow(family, 100, "unproven_peer") == 8 - 8 // 4 + 1
        for_each_family(check)


def _fill_half_open_queue(stage: Stage, listener: socket.socket, refusal: str) -> int:
    """Fill it, see one refused, empty it, see that one enter; how many it held."""
    story, listening = stage.story, cookie_of(listener)
    ghosts: list[Ghost] = []
    while not story.of("refused", listener=listening):
        ghosts.append(stage.ghost(listener))
        ghosts[-1].knock()
        wait_until("an answer or none", lambda: len(ghosts) == sum(
            len(story.of(kind, listener=listening)) for kind in ("request", "refused")))
    refused_one = ghosts.pop()
    room = len(ghosts)
    queued = story.of("request", listener=listening)
    assert [e["half_open"] for e in queued] == list(range(room))
    refused = story.one("refused", listener=listening, remote_addr=refused_one.address)
    assert story.word(refused, "refusal") == refusal, refused.values
    assert refused["half_open"] == room and refused["accept_queue"] == 0
    assert story.one("syn", remote_addr=refused_one.address)["half_open"] == room
    for ghost in ghosts:
        ghost.expect(SYN | ACK)
        ghost.reset()
    story.wait("request_end", room, listener=listening)
    again = stage.ghost(listener)
    again.half_open()
    assert story.one("request", remote_addr=again.address)["half_open"] == 0
    again.reset()
    return room


# ---- M5: SYN-ACKs sent again ----------------------------------------------

def test_m5_backoff_to_the_end() -> None:
    """M5: waits of 1, 2, 4 s double, attempts counted, given up after tcp_synack_retries timeouts; a duplicate SYN is not the timer's"""
    with Stage() as stage:
        sysctl(SERVER, "tcp_synack_retries", 2)
        listeners = {family: stage.listener(family) for family in (4, 6)}
        silent = {family: stage.ghost(listeners[family]) for family in (4, 6)}
        eager = {family: stage.ghost(listeners[family]) for family in (4, 6)}
        for family in (4, 6):
            silent[family].half_open()
            eager[family].half_open()
            eager[family].send(SYN, seq=eager[family].isn)
            eager[family].expect(SYN | ACK)
            eager[family].reset()
        for_each_family(lambda family: _check_duplicate(stage, eager[family]))
        for_each_family(lambda family: _check_expiry(stage, silent[family]))


def _check_duplicate(stage: Stage, ghost: Ghost) -> None:
    """Answered at once, counted as sent again but not as a timeout."""
    again = stage.story.one("synack_retransmit", remote_addr=ghost.address)
    assert (again["by_timer"], again["num_retrans"], again["num_timeout"]) == (0, 0, 0)
    assert again["rto_us"] == 1_000_000, "the wait begins anew, not doubled"
    assert again["since_synack_us"] < 1_000_000


def _check_expiry(stage: Stage, ghost: Ghost) -> None:
    story = stage.story
    end = story.one("request_end", remote_addr=ghost.address)
    request = story.one("request", remote_addr=ghost.address)
    synack = story.one("synack", remote_addr=ghost.address)
    again = story.of("synack_retransmit", remote_addr=ghost.address)
    assert story.word(end, "request_ending") == "expired"
    assert {e["cookie"] for e in (end, synack, *again)} == {request["cookie"]}
    assert [e["by_timer"] for e in again] == [1, 1]
    assert [e["num_retrans"] for e in again] == [0, 1]
    assert (end["num_timeout"], end["num_retrans"], end["max_retries"]) == (2, 2, 2)
    steps = [synack, *again]
    assert [e["rto_us"] for e in steps] == [1_000_000, 2_000_000, 4_000_000]
    for step, following in zip(steps, [*again, end]):
        waited_us = (following["time_ns"] - step["time_ns"]) / 1000
        assert 0.95 <= waited_us / step["rto_us"] < 1.5, (step.values, waited_us)
    on_wire = [s for s in stage.wire.segments() if s.ends[2:] == (ghost.address, ghost.port)]
    assert [(s.flags, s.seq, s.ack) for s in on_wire] == [
        (e["seg_flags"], e["seg_seq"], e["seg_ack"]) for e in steps]


def test_m5_other_ends_of_a_request() -> None:
    """M5: a request ended by the peer's RST, by ours, by the listener's end, by an ICMP error: each named"""
    with Stage() as stage:
        story = stage.story

        def ends(ghost: Ghost, ending: str) -> None:
            event = story.one("request_end", remote_addr=ghost.address)
            assert story.word(event, "request_ending") == ending, event.values
            assert event["cookie"] == story.one(
                "request", remote_addr=ghost.address)["cookie"]

        def check(family: int) -> None:
            listener = stage.listener(family)
            ghosts = [stage.ghost(listener) for _ in range(5)]
            synacks = [ghost.half_open() for ghost in ghosts]
            reset, wrong, unreachable, guessing, left = ghosts
            reset.reset()
            ends(reset, "reset_by_peer")
            wrong.send(SYN, seq=wrong.isn + 7)
            wrong.expect(RST | ACK)
            ends(wrong, "reset_by_us")
            stage.wire.forge_unreachable(synacks[2], unreachable.address)
            ends(unreachable, "other")
            guessing.send(ACK, ack=guessing.rcv_nxt + 99)
            guessing.expect(RST)
            assert not story.of("request_end", remote_addr=guessing.address), (
                "a wrong guess must not end somebody's handshake")
            listener.close()
            left.send(ACK)
            ends(left, "listener_gone")
            ends(guessing, "listener_gone")
        for_each_family(check)


SYNACKS_STAY = ("add table inet wall; "
                "add chain inet wall out { type filter hook output priority 0; }; "
                "add rule inet wall out tcp flags & (syn | ack) == syn | ack drop")


def test_m5_synack_that_cannot_be_sent_again() -> None:
    """M5: a firewall of our own keeps the SYN-ACK back, at once or after two timeouts: not `expired`, which needs its time"""
    with Stage() as stage:
        sysctl(SERVER, "tcp_synack_retries", 5)
        listeners = {family: stage.listener(family) for family in (4, 6)}
        late = {family: stage.ghost(listeners[family]) for family in (4, 6)}
        for family in (4, 6):
            late[family].half_open()
        for family in (4, 6):
            stage.story.wait("synack_retransmit", 2, remote_addr=late[family].address)
        stage.hosts.run(SERVER, "nft", SYNACKS_STAY)
        early = {family: stage.ghost(listeners[family]) for family in (4, 6)}
        for family in (4, 6):
            early[family].knock()
        for family in (4, 6):
            for ghost, timeouts in ((late[family], 2), (early[family], 0)):
                end = stage.story.one("request_end", remote_addr=ghost.address)
                assert stage.story.word(end, "request_ending") == "unsent", end.values
                assert (end["num_timeout"], end["num_retrans"], end["max_retries"]) == (
                    timeouts, timeouts, 5), end.values


def _sharing_listener(stage: Stage, family: int, port: int = 0) -> socket.socket:
    with inside(SERVER):
        sock = stage.keep(socket.socket(DOMAINS[family], socket.SOCK_STREAM))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((address_of(SERVER, family), port))
    sock.listen(16)
    return sock


def test_m5_request_that_moves_does_not_end() -> None:
    """M5: a request whose connection moves to another listener has not ended, also where `completed` is not recorded"""
    with Stage("events=request,request_end,accepted") as stage:
        stage.set("tcp_migrate_req", 1)

        def check(family: int) -> None:
            first = _sharing_listener(stage, family)
            ghost = stage.ghost(first)
            ghost.half_open()
            second = _sharing_listener(stage, family, first.getsockname()[1])
            first.close()
            ghost.send(ACK)
            stage.accept(second)
            for kind, count in (("request", 1), ("accepted", 1), ("request_end", 0)):
                found = stage.story.of(kind, remote_addr=ghost.address)
                assert len(found) == count, (kind, found)
        for_each_family(check)


def test_m5_connection_that_moves_is_completed_once() -> None:
    """M5: one that waits in the accept queue, and moves to another listener, was completed once"""
    with Stage("events=completed,accepted") as stage:
        stage.set("tcp_migrate_req", 1)

        def check(family: int) -> None:
            first = _sharing_listener(stage, family)
            ghost = stage.ghost(first)
            ghost.half_open()
            ghost.send(ACK)
            stage.story.one("completed", remote_addr=ghost.address)
            second = _sharing_listener(stage, family, first.getsockname()[1])
            first.close()
            stage.accept(second)
            for kind in ("completed", "accepted"):
                found = stage.story.of(kind, remote_addr=ghost.address)
                assert len(found) == 1, (kind, found)
        for_each_family(check)


def test_m5_fast_open_reset_is_no_request_end() -> None:
    """M5: a Fast Open connection reset before the third segment: its request was never half-open, so it does not end with the listener"""
    with Stage() as stage:
        stage.set("tcp_fastopen", 0x603)    # for everybody, and without a cookie

        def check(family: int) -> None:
            listener = stage.listener(family)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
            ghost = stage.ghost(listener)
            ghost.send(SYN, b"hello")
            ghost.expect(SYN | ACK)
            server = stage.accept(listener)
            ghost.reset()
            stage.story.one("reset_received", cookie=cookie_of(server))
            at_listener = cookie_of(listener)
            listener.close()
            stage.story.one("destroy", cookie=at_listener)
            assert not stage.story.of("request_end", remote_addr=ghost.address)
        for_each_family(check)


# ---- M6: SYN flood --------------------------------------------------------

def _flood(stage: Stage, listener: socket.socket) -> set[str]:
    """SYNs from as many sources; their addresses."""
    ghosts = [stage.ghost(listener, port=1024 + number * 7) for number in range(FLOOD)]
    for ghost in ghosts:
        ghost.knock()
    return {ghost.address for ghost in ghosts}


def test_m6_flood_without_cookies() -> None:
    """M6: a flood from many sources without cookies: the half-open queue grows to its limit, the rest is refused, a real client too"""
    with Stage() as stage:
        sysctl(SERVER, "tcp_syncookies", 0)

        def check(family: int) -> None:
            story = stage.story
            with stage.listener(family, backlog=64) as listener:
                listening = cookie_of(listener)
                sources = _flood(stage, listener)
                story.wait("syn", FLOOD, listener=listening)
                lengths = [e["half_open"] for e in story.of("syn", listener=listening)]
                full = lengths[-1]
                assert lengths == [min(n, full) for n in range(FLOOD)], lengths
                assert full in (64, 64 + 1)
                assert len(story.of("request", listener=listening)) == full
                refused = story.wait("refused", FLOOD - full, listener=listening)
                assert {story.word(e, "refusal") for e in refused} == {
                    "half_open_queue_full"}
                assert len({e["remote_addr"] for e in story.of(
                    "syn", listener=listening)}) == len(sources) == FLOOD
                client = stage.start_connecting(CLIENT, family, listener.getsockname()[:2])
                story.wait("refused", listener=listening,
                           remote_port=client.getsockname()[1])
        for_each_family(check)


def test_m6_flood_with_cookies() -> None:
    """M6: with cookies the flood is answered, a real client gets in by its cookie, a made-up ACK does not, nor a good one into a full accept queue"""
    with Stage() as stage:
        sysctl(SERVER, "tcp_syncookies", 1)

        def check(family: int) -> None:
            story = stage.story
            with stage.listener(family, backlog=16) as listener:
                listening = cookie_of(listener)
                _flood(stage, listener)
                story.wait("syn", FLOOD, listener=listening)
                kept = len(story.of("request", listener=listening))
                assert kept in (16, 16 + 1)
                sent = story.wait("synack", FLOOD - kept, listener=listening,
                                  synack_type="cookie")
                assert not story.of("refused", listener=listening)
                assert {e["cookie"] for e in sent} == {0}, "nothing is kept"
                _enter_by_cookie(stage, family, listener)
                _guess_a_cookie(stage, listener)
                _come_too_late(stage, family, listener)
        for_each_family(check)


def _enter_by_cookie(stage: Stage, family: int, listener: socket.socket) -> None:
    story = stage.story
    client, server = stage.pair(listener, family)
    sent = story.one("synack", synack_type="cookie", **ends_of_client(client))
    checked = story.one("cookie_checked", **ends_of_client(client))
    synack = stage.first_three(client)[1]
    assert story.word(checked, "cookie_verdict") == "valid"
    assert sent["snd_isn"] == checked["snd_isn"] == synack.seq == sent["seg_seq"]
    assert checked["cookie"] == cookie_of(server)
    completed = story.one("completed", cookie=cookie_of(server))
    assert completed["listener"] == cookie_of(listener)
    assert stage.life_of(server)[-1] == "ESTABLISHED"


def _guess_a_cookie(stage: Stage, listener: socket.socket) -> None:
    guess = stage.ghost(listener)
    guess.send(ACK, ack=0x12345678)
    guess.expect(RST)
    checked = stage.story.one("cookie_checked", remote_addr=guess.address)
    assert stage.story.word(checked, "cookie_verdict") == "invalid"
    assert checked["snd_isn"] == 0x12345677 and not checked["cookie"]


def _come_too_late(stage: Stage, family: int, listener: socket.socket) -> None:
    late = stage.ghost(listener)
    late.half_open()
    while len(stage.story.of("completed", listener=cookie_of(listener))) < 18:
        _connect_and_wait(stage, listener, family)
    late.send(ACK)
    checked = stage.story.one("cookie_checked", remote_addr=late.address)
    assert stage.story.word(checked, "cookie_verdict") == "valid_refused", checked.values
    refused = stage.story.one("refused", remote_addr=late.address)
    assert stage.story.word(refused, "refusal") == "accept_queue_full"
