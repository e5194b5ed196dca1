# SPDX-License-Identifier: GPL-2.0
"""What must be seen of handshakes: rows M2 and M7.

Each scenario is played by real sockets on two hosts.  The wire is the witness of every
number.
"""

from __future__ import annotations

import socket

from hosts import CLIENT, SERVER
from inside import cookie_of
from raw_tcp import ACK, SYN, Segment
from recorder import PATIENCE_S
from renoscope_lib.ring.schema import Event
from stage import Stage, ends_of_client, for_each_family

CONNECTIONS = 25


def _after(number: int) -> int:
    return (number + 1) % 2**32


def _segment(event: Event) -> tuple[int, int, int, int]:
    return event["seg_flags"], event["seg_seq"], event["seg_ack"], event["seg_len"]


def _facts(segment: Segment) -> tuple[int, int, int, int]:
    return segment.flags, segment.seq, segment.ack, len(segment.data)


# ---- M2: the three segments -----------------------------------------------

def _check_three(stage: Stage, listener: socket.socket, client: socket.socket,
                 server: socket.socket) -> list[Event]:
    """SYN seq=x; SYN-ACK seq=y ack=x+1; ACK seq=x+1 ack=y+1, as both ends tell it.

    Returns the server's records of the three.
    """
    story = stage.story
    syn, synack, third = stage.first_three(client)
    x, y = syn.seq, synack.seq
    assert (syn.flags & 0x3f, synack.flags & 0x3f) == (SYN, SYN | ACK)
    first = story.one("syn", **ends_of_client(client))
    request = story.one("request", cookie=cookie_of(server))
    second = story.one("synack", cookie=cookie_of(server))
    arrived = story.wait("ack", cookie=cookie_of(server), state="SYN-RECEIVED")[0]
    assert (first["seg_flags"] & SYN, first["seg_seq"], first["seg_ack"]) == (SYN, x, 0)
    assert (request["rcv_isn"], request["rcv_nxt"], request["snd_isn"]) == (x, _after(x), y)
    assert _segment(second) == (SYN | ACK, y, _after(x), 0), second.values
    assert arrived["seg_seq"] == _after(x) and arrived["seg_ack"] == _after(y)
    assert _segment(arrived) == _facts(third), (arrived.values, str(third))
    assert first["listener"] == second["listener"] == cookie_of(listener)
    at_client = story.one("ack", cookie=cookie_of(client), state="SYN-SENT")
    assert at_client["seg_seq"] == y and at_client["seg_ack"] == _after(x)
    assert at_client["seg_flags"] & 0x3f == SYN | ACK
    assert at_client["snd_isn"] == x
    return [first, second, arrived]


def _opened_by(stage: Stage, sock: socket.socket) -> str:
    """Who opened, by the connection's first state event."""
    first = next(e for e in stage.events_of(sock) if e.kind == "state")
    return {"SYN-SENT": "active", "SYN-RECEIVED": "passive"}[
        stage.story.word(first, "state")]


def test_m2_three_way_handshake() -> None:
    """M2: SYN seq=x, SYN-ACK seq=y ack=x+1, ACK seq=x+1 ack=y+1 in the records of both ends; who opens; no data on the first two"""
    with Stage() as stage:
        def check(family: int) -> None:
            with stage.listener(family) as listener:
                client, server = stage.pair(listener, family)
                three = _check_three(stage, listener, client, server)
                assert [e["seg_len"] for e in three] == [0, 0, 0]
                assert three[0]["cookie"] == 0, "no connection yet, so no id"
                ids = {e["cookie"] for e in stage.story.all() if e.kind in (
                    "request", "synack", "completed", "accepted")
                    and e["remote_port"] == client.getsockname()[1]}
                assert ids == {cookie_of(server)}, ids
                assert [_opened_by(stage, s) for s in (client, server)] == [
                    "active", "passive"]
        for_each_family(check)


def test_m2_data_in_the_handshake() -> None:
    """M2: data rides on the third segment; with Fast Open on the first, for a child with an id of its own"""
    with Stage() as stage:
        stage.set("tcp_fastopen", 3)

        def check(family: int) -> None:
            with stage.listener(family) as listener:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
                _data_on_the_third(stage, family, listener)
                _data_on_the_first(stage, family, listener)
        for_each_family(check)


def _send_while_opening(stage: Stage, family: int, listener: socket.socket,
                        data: bytes) -> tuple[socket.socket, socket.socket]:
    client = stage.socket(CLIENT, family)
    client.settimeout(None)     # it must wait inside connecting, data in hand
    client.sendto(data, socket.MSG_FASTOPEN, listener.getsockname()[:2])
    server = stage.accept(listener)
    assert server.recv(99) == data
    return client, server


def _data_on_the_third(stage: Stage, family: int, listener: socket.socket) -> None:
    """A client without a Fast Open cookie asks for one, and waits with its data."""
    client, server = _send_while_opening(stage, family, listener, b"third")
    three = _check_three(stage, listener, client, server)
    assert [e["seg_len"] for e in three] == [0, 0, 5]


def _data_on_the_first(stage: Stage, family: int, listener: socket.socket) -> None:
    story = stage.story
    client, server = _send_while_opening(stage, family, listener, b"at once")
    x = stage.first_three(client)[0].seq
    syn = story.one("syn", **ends_of_client(client))
    assert (syn["seg_flags"] & SYN, syn["seg_seq"], syn["seg_len"]) == (SYN, x, 7)
    synack = story.one("synack", cookie=cookie_of(server))
    assert story.word(synack, "synack_type") == "fastopen"
    assert synack["seg_ack"] == (x + 8) % 2**32, "the SYN and its data"
    assert not story.of("request", cookie=cookie_of(server)), "no request is kept"
    completed = story.one("completed", cookie=cookie_of(server))
    state = story.one("state", cookie=cookie_of(server), state="ESTABLISHED")
    assert completed["time_ns"] < state["time_ns"], "accepted before the third segment"
    assert stage.life_of(server) == ["SYN-RECEIVED", "ESTABLISHED"]


def _accepted_before_the_third(stage: Stage, family: int,
                               listener: socket.socket) -> None:
    """The SYN-ACK is long on its way; the server has the data and answers."""
    story = stage.story
    client = stage.socket(CLIENT, family)
    client.setblocking(False)   # it would wait for the SYN-ACK
    with stage.held(SERVER):
        client.sendto(b"at once", socket.MSG_FASTOPEN, listener.getsockname()[:2])
        addr, port = client.getsockname()[:2]
        ends = {"remote_addr": addr, "remote_port": port,
                "local_port": listener.getsockname()[1]}
        server = stage.accept(listener)
        assert server.recv(99) == b"at once"
        server.sendall(b"soon")
        accepted = story.one("accepted", cookie=cookie_of(server))
        assert stage.life_of(server) == ["SYN-RECEIVED"]
        assert not story.of("request_end", **ends)
    client.settimeout(PATIENCE_S)
    assert client.recv(99) == b"soon"
    opened = story.one("state", cookie=cookie_of(server), state="ESTABLISHED")
    assert accepted["time_ns"] < opened["time_ns"]
    assert stage.life_of(server) == ["SYN-RECEIVED", "ESTABLISHED"]
    story.one("completed", cookie=cookie_of(server))
    for kind in ("request", "request_end", "refused"):
        assert not story.of(kind, **ends), kind


def test_m2_fast_open_accepted_before_the_third_segment() -> None:
    """M2: Fast Open on a slow path: accepted and answered in SYN-RECEIVED, and no request ends before or after the third segment"""
    with Stage() as stage:
        stage.set("tcp_fastopen", 3)

        def check(family: int) -> None:
            with stage.listener(family) as listener:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
                _data_on_the_third(stage, family, listener)
                _accepted_before_the_third(stage, family, listener)
        for_each_family(check)


# ---- M7: initial sequence numbers -----------------------------------------

def test_m7_isns() -> None:
    """M7: both ends' ISNs in the records of every connection, on every event, as the wire has them"""
    with Stage() as stage:
        def check(family: int) -> None:
            with stage.listener(family) as listener:
                pairs = [stage.pair(listener, family) for _ in range(CONNECTIONS)]
                for client, server in pairs:
                    client.sendall(b"x")
                    assert server.recv(9) == b"x"
                isns = set()
                for client, server in pairs:
                    _check_isns(stage, client, server)
                    isns.add(stage.first_three(client)[0].seq)
                assert len(isns) == CONNECTIONS, "no two alike"
        for_each_family(check)


def _check_isns(stage: Stage, client: socket.socket, server: socket.socket) -> None:
    syn, synack, _third = stage.first_three(client)
    story = stage.story
    first = story.one("syn", **ends_of_client(client))
    assert first["rcv_isn"] == syn.seq
    for sock, isns in ((client, (syn.seq, synack.seq)), (server, (synack.seq, syn.seq))):
        events = stage.events_of(sock)
        whole = [e for e in events if e["rcv_isn"]]
        assert {(e["snd_isn"], e["rcv_isn"]) for e in whole} == {isns}, (isns, whole)
        assert {e["snd_isn"] for e in events} == {isns[0]}
        assert any(e.kind == "ack" and story.word(e, "state") == "ESTABLISHED"
                   for e in whole)
    assert any(e.kind == "synack" for e in stage.events_of(server))
