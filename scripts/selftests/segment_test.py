# SPDX-License-Identifier: GPL-2.0
"""The `segment` kind: every segment, both ways, and whose it is."""

from __future__ import annotations

import os
import socket
import struct

import loopback
import recorder
import sessions
from endpoints import seen_on
from hosts import ADDRESSES, CLIENT, SERVER, VRF, TwoHosts, run
from raw_tcp import ACK, FIN, RST, SYN, URG
from recorder import FOLDER, PARAMETERS, Recorder, wait_until
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp import sequence

OUTGOING = 0x01
MSS, WSCALE, SACK_PERMITTED, TIMESTAMPS, FASTOPEN, OTHER = (
    0x02, 0x04, 0x08, 0x10, 0x20, 0x40)
UNVERIFIED = 0x80

NAMESPACES = 20


def _out(events: list[Event]) -> list[Event]:
    return [e for e in events if e["segment_flags"] & OUTGOING]


def _in(events: list[Event]) -> list[Event]:
    return [e for e in events if not e["segment_flags"] & OUTGOING]


def _numbers(event: Event) -> tuple[int, ...]:
    """What both ends must agree on about one segment."""
    return tuple(event[name] for name in (
        "seg_seq", "seg_ack", "seg_len", "seg_window", "seg_flags",
        "header_words", "option_mss", "option_wscale", "tsval", "tsecr"))


def _hooks() -> dict[str, str]:
    """The status of each hook."""
    lines = [line.split(maxsplit=3)
             for line in (FOLDER / "stats").read_text().splitlines()]
    return {words[2]: words[3] for words in lines if words[:2] == ["source", "segment"]}


# ---- on and off -------------------------------------------------------------

def test_off_by_default_and_on_by_request() -> None:
    """The hooks are off by default, and go on and off with `events`"""
    names = {f"netfilter:{family}-{way}" for family in ("ipv4", "ipv6")
             for way in ("in", "out")}
    with Recorder() as it:
        assert _hooks() == dict.fromkeys(names, "off")
        _talk_on_loopback()
        assert not it.events("segment")
        (PARAMETERS / "events").write_text("+segment")
        assert _hooks() == dict.fromkeys(names, "attached")
        _talk_on_loopback()
        wait_until("segments", lambda: len(it.events("segment")) >= 10)
        (PARAMETERS / "events").write_text("-segment")
        assert _hooks() == dict.fromkeys(names, "off")
        before = len(it.events("segment"))
        _talk_on_loopback()
        assert len(it.events("segment")) == before


def _talk_on_loopback(address: str = "127.0.0.1") -> int:
    """A connection to ourselves, a word, the end; the client's port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        with socket.create_connection(listener.getsockname()[:2]) as client:
            connection, _peer = listener.accept()
            with connection:
                connection.sendall(b"Welcome!")
                assert client.recv(100) == b"Welcome!"
            return int(client.getsockname()[1])


# ---- a whole session --------------------------------------------------------

def _session(ipv6: bool, vrf: bool = False, qdisc: str = "") -> None:
    with Recorder("events=state,destroy,segment") as it, TwoHosts(delay_ms=2) as hosts:
        if vrf:
            hosts.put_into_vrf(SERVER, qdisc)
        sessions.greet(hosts, "Ann", ipv6)
        sessions.await_end(it)
        events = it.events("segment")
        client, server = seen_on(CLIENT, events), seen_on(SERVER, events)
        for sender, receiver in ((client, server), (server, client)):
            # Each once; in which order they come is the network's affair: two
            # CPUs that send into a veth have a backlog each, and one may stall.
            sent = sorted(map(_numbers, _out(sender)))
            received = sorted(map(_numbers, _in(receiver)))
            assert sent == received, (sent, received)
        _check_handshake(client, server)
        _check_data(client, server)
        _check_ids(it, client, server)
        _check_ends(client, ipv6)


def _check_handshake(client: list[Event], server: list[Event]) -> None:
    """SYN seq=x; SYN+ACK seq=y ack=x+1; ACK seq=x+1 ack=y+1."""
    syn, synack, ack = client[:3]
    assert [e["seg_flags"] for e in (syn, synack, ack)] == [SYN, SYN | ACK, ACK]
    x, y = syn["seg_seq"], synack["seg_seq"]
    assert synack["seg_ack"] == sequence.following(x, 0, SYN)
    assert (ack["seg_seq"], ack["seg_ack"]) == ((x + 1) % 2**32, (y + 1) % 2**32)
    for event in (syn, synack):
        options = event["segment_flags"] & ~(OUTGOING | UNVERIFIED)
        assert options == MSS | WSCALE | SACK_PERMITTED | TIMESTAMPS, event.values
        assert event["option_mss"] in (1440, 1460), event["option_mss"]
        assert event["option_wscale"] and event["header_words"] == 10
    assert ack["segment_flags"] & ~UNVERIFIED == OUTGOING | TIMESTAMPS
    assert synack["tsecr"] == syn["tsval"] and ack["tsecr"] == synack["tsval"]
    established = [e for e in server if e["snd_isn"]]
    assert {e["snd_isn"] for e in established} == {y}


def _check_data(client: list[Event], server: list[Event]) -> None:
    """Each way its bytes, and each segment's ACK is the number that follows."""
    words = ("Welcome!", "Hello, Ann!", "Ann", "exit")
    greeted = sum(e["seg_len"] for e in _in(client))
    answered = sum(e["seg_len"] for e in _out(client))
    assert (greeted, answered) == (len(words[0] + words[1]), len(words[2] + words[3]))
    acks = {e["seg_ack"] for e in _in(server)}
    for event in _out(server):
        if event["seg_len"] or event["seg_flags"] & FIN:
            following = sequence.following(event["seg_seq"], event["seg_len"],
                                           event["seg_flags"])
            assert following in acks, (event.values, acks)


def _check_ids(it: Recorder, client: list[Event], server: list[Event]) -> None:
    """All have the connection's id but the SYN that no socket knows yet."""
    for host, events in ((CLIENT, client), (SERVER, server)):
        ids = {e["cookie"] for e in seen_on(host, it.events("state"))
               if it.state_name(e["state"]) == "ESTABLISHED"}
        assert len(ids) == 1, ids
        strangers = [e for e in events if e["cookie"] not in ids]
        assert [e["seg_flags"] for e in strangers] == (
            [SYN] if host == SERVER else []), [e.values for e in strangers]
        assert all(e["cookie"] == 0 for e in strangers)


def _check_ends(client: list[Event], ipv6: bool) -> None:
    mapped = b"\0" * 10 + b"\xff\xff"
    local, remote = (ADDRESSES[host][ipv6] for host in (CLIENT, SERVER))
    for event in client:
        for text, packed in ((local, event["local_addr"]), (remote, event["remote_addr"])):
            expected = (socket.inet_pton(socket.AF_INET6, text) if ipv6
                        else mapped + socket.inet_aton(text))
            assert packed == expected, (text, packed)
        assert event["remote_port"] == sessions.PORT
        assert event["family"] == (6 if ipv6 else 4)


def test_session_ipv4() -> None:
    """The sample session over IPv4: each segment at both ends, and its id"""
    _session(ipv6=False)


def test_session_ipv6() -> None:
    """The sample session over IPv6: each segment at both ends, and its id"""
    _session(ipv6=True)


# ---- over a VRF -------------------------------------------------------------

QDISCS = ("", "pfifo")


def test_session_over_a_vrf() -> None:
    """A VRF, without and with a qdisc: each segment once, although netfilter has it twice"""
    for qdisc in QDISCS:
        for ipv6 in (False, True):
            _session(ipv6, vrf=True, qdisc=qdisc)


def test_resets_over_a_vrf() -> None:
    """A closed port behind a VRF: the SYN and the RST, once each"""
    for qdisc in QDISCS:
        for address in ADDRESSES[SERVER]:
            with Recorder("events=segment") as it, TwoHosts() as hosts:
                hosts.put_into_vrf(SERVER, qdisc)
                hosts.run(CLIENT, "bash", "-c", f"! (: </dev/tcp/{address}/9) 2>/dev/null")
                of_server = seen_on(SERVER, it.events("segment"))
                assert [(e["seg_flags"], e["segment_flags"] & OUTGOING)
                        for e in of_server] == [(SYN, 0), (RST | ACK, OUTGOING)], [
                            e.values for e in of_server]


WITHIN = """
import socket, sys
def bound(family):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, sys.argv[1].encode())
    return s
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
listener, client = bound(family), bound(family)
listener.bind((sys.argv[2], 5000))
listener.listen()
client.connect((sys.argv[2], 5000))
connection, _peer = listener.accept()
connection.sendall(b"Welcome!")
assert client.recv(100) == b"Welcome!"
connection.close()
client.close()
"""


def test_connection_within_a_vrf() -> None:
    """A host that talks to itself in a VRF: out and in, once each"""
    for qdisc in QDISCS:
        for address in ADDRESSES[SERVER]:
            with Recorder("events=segment") as it, TwoHosts() as hosts:
                hosts.put_into_vrf(SERVER, qdisc)
                hosts.run(SERVER, "python3", "-c", WITHIN, VRF, address)
                wait_until("both FINs", lambda i=it: sum(
                    1 for e in _in(i.events("segment")) if e["seg_flags"] & FIN) >= 2)
                events = it.events("segment")
                sent = sorted(map(_numbers, _out(events)))
                assert sent == sorted(map(_numbers, _in(events))), events
                assert len(sent) == len(set(sent)) >= 6, sent


# ---- whose segment is it ----------------------------------------------------

def test_loopback_segments_have_their_ids() -> None:
    """On loopback, which early demux passes by, the receiver's id is found"""
    for address in ("127.0.0.1", "::1"):
        with Recorder("events=segment") as it:
            port = _talk_on_loopback(address)
            wait_until("both FINs", lambda i=it: sum(
                1 for e in _in(i.events("segment")) if e["seg_flags"] & FIN) >= 2)
            events = it.events("segment")
            of_client = {e["cookie"] for e in events if e["local_port"] == port}
            of_server = {e["cookie"] for e in events if e["local_port"] != port}
            assert len(of_client) == 1 and 0 not in of_client, of_client
            assert len(of_server) == 2 and 0 in of_server, of_server
            strangers = [e for e in events if not e["cookie"]]
            assert [(e["seg_flags"], e["segment_flags"] & OUTGOING)
                    for e in strangers] == [(SYN, 0)], strangers


def test_resets_without_a_socket_have_no_id() -> None:
    """A closed port: the RST is nobody's where it goes out, the client's where it comes in"""
    for address in ("127.0.0.1", "::1"):
        with Recorder("events=segment,state") as it:
            loopback.refuse(address)
            resets = [e for e in it.events("segment") if e["seg_flags"] & RST]
            ids = {e["cookie"] for e in it.events("state")}
            assert len(resets) == 2 and len(ids) == 1, (resets, ids)
            sent, received = _out(resets)[0], _in(resets)[0]
            assert sent["cookie"] == 0 and sent["local_port"] == 9
            assert it.state_name(sent["state"]) == "CLOSED"
            assert sent["netns"] == received["netns"] != 0
            assert {received["cookie"]} == ids
            assert it.state_name(received["state"]) == "SYN-SENT"
            assert _numbers(sent) == _numbers(received)


def test_time_wait_answers_with_the_connections_id() -> None:
    """A FIN answered again from TIME-WAIT: FIN and ACK have the connection's id"""
    for ipv6 in (False, True):
        with Recorder("events=segment,state") as it, TwoHosts() as hosts:
            # The client's FIN is acknowledged, but the client does not see it.
            hosts.drop(CLIENT, "tcp sport 5000 tcp flags & (fin | syn | psh | ack) == ack")
            server = sessions.start_server(hosts, ipv6)
            client = sessions.start_client(hosts, ipv6=ipv6)
            wait_until("the client's FIN, three times", lambda i=it: sum(
                1 for e in _in(seen_on(SERVER, i.events("segment")))
                if e["seg_flags"] & FIN) >= 3)
            hosts.stop_dropping(CLIENT)
            sessions.finish(client)
            sessions.finish(server)
            of_server = seen_on(SERVER, it.events("segment"))
            waiting = [e for e in of_server if it.state_name(e["state"]) == "TIME-WAIT"]
            assert any(e["seg_flags"] & FIN for e in _in(waiting)), "no FIN"
            assert any(e["seg_flags"] == ACK for e in _out(waiting)), "no ACK"
            assert len({e["cookie"] for e in waiting}) == 1
            assert {e["cookie"] for e in waiting} == {
                e["cookie"] for e in seen_on(SERVER, it.events("state"))
                if it.state_name(e["state"]) == "ESTABLISHED"}


def test_cookie_synack_has_no_id() -> None:
    """With SYN cookies nothing is kept, so the SYN-ACK has no id; the rest has"""
    with Recorder("events=segment") as it, TwoHosts() as hosts:
        hosts.sysctl(SERVER, "net.ipv4.tcp_syncookies=2")
        sessions.greet(hosts)
        events = seen_on(SERVER, it.events("segment"))
        synacks = [e for e in events if e["seg_flags"] == SYN | ACK]
        assert [e["cookie"] for e in synacks] == [0], synacks
        ids = {e["cookie"] for e in events if not e["seg_flags"] & SYN and e["seg_len"]}
        assert len(ids) == 1 and 0 not in ids, ids


# ---- the firewall -----------------------------------------------------------

def test_firewall_in_both_directions() -> None:
    """What the input chain drops is shown, what the output chain drops is not"""
    with Recorder("events=segment,syn,ack") as it, TwoHosts() as hosts:
        hosts.run(SERVER, "nft", "add table inet wall; "
                  "add chain inet wall in { type filter hook input priority 0; }; "
                  "add rule inet wall in tcp dport 5000 drop; "
                  "add chain inet wall out { type filter hook output priority 0; }; "
                  "add rule inet wall out tcp sport 9 drop")
        for port in (sessions.PORT, 9):
            _try_to_connect(hosts, port)
        events = seen_on(SERVER, it.events("segment"))
        assert {e["local_port"] for e in _in(events)} == {sessions.PORT, 9}, events
        assert not _out(events), "the RST never left the host"
        assert not seen_on(SERVER, it.events("syn"))


def _try_to_connect(hosts: TwoHosts, port: int) -> None:
    """A connect that must not succeed within half a second."""
    out = hosts.run(CLIENT, "python3", "-c",
                    "import socket, sys; s = socket.socket(); s.settimeout(0.5)\n"
                    "try: s.connect((sys.argv[1], int(sys.argv[2])))\n"
                    "except TimeoutError: print('timed out')",
                    ADDRESSES[SERVER][0], str(port))
    assert out == "timed out\n", out


# ---- headers that one does not meet every day -------------------------------

def test_fast_open_option() -> None:
    """A SYN that asks for a Fast Open cookie, and the SYN with it and data"""
    sysctl = "net.ipv4.tcp_fastopen"
    before = run("sysctl", "-n", sysctl).strip()
    run("sysctl", "-qw", f"{sysctl}=3")
    try:
        with Recorder("events=segment") as it:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
                for _ in range(2):
                    with socket.socket() as client:
                        client.sendto(b"Ann", socket.MSG_FASTOPEN,
                                      listener.getsockname())
                        connection, _peer = listener.accept()
                        connection.close()
            syns = [e for e in _in(it.events("segment")) if e["seg_flags"] & SYN]
            assert [(e["seg_flags"], bool(e["segment_flags"] & FASTOPEN), e["seg_len"])
                    for e in syns] == [(SYN, True, 0), (SYN | ACK, True, 0),
                                       (SYN, True, 3), (SYN | ACK, False, 0)], syns
    finally:
        run("sysctl", "-qw", f"{sysctl}={before}")


def test_header_that_lies() -> None:
    """A data offset beyond the packet, a wrong checksum, odd options: told as they are"""
    def header(source: int, words: int) -> bytes:
        return struct.pack("!HHIIBBHHH", source, 9, 111, 222, words << 4,
                           ACK | URG, 1000, 0xdead, 33)

    with Recorder("events=segment") as it:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
            raw.sendto(header(1, 15), ("127.0.0.1", 0))
            raw.sendto(header(2, 0) + b"data", ("127.0.0.1", 0))
            raw.sendto(header(3, 6) + bytes([77, 4, 1, 2]), ("127.0.0.1", 0))
            raw.sendto(header(4, 5)[:19], ("127.0.0.1", 0))
        seen = {e["remote_port"]: e for e in _in(it.events("segment"))}
        assert sorted(seen) == [1, 2, 3], "the last is too short for a segment"
        assert [seen[i]["header_words"] for i in (1, 2, 3)] == [15, 0, 6]
        assert [seen[i]["seg_len"] for i in (1, 2, 3)] == [0, 4, 0]
        assert [seen[i]["segment_flags"] for i in (1, 2, 3)] == [
            UNVERIFIED, UNVERIFIED, UNVERIFIED | OTHER]
        for event in seen.values():
            assert (event["seg_seq"], event["seg_ack"]) == (111, 222)
            assert (event["seg_window"], event["urgent_pointer"]) == (1000, 33)
            assert event["seg_flags"] == ACK | URG and event["cookie"] == 0
        assert len(_out(it.events("segment"))) == 3, "each went out, too"


# ---- many namespaces --------------------------------------------------------

def _make_namespaces() -> list[str]:
    names = [f"many{i}" for i in range(NAMESPACES)]
    for name in names:
        run("ip", "netns", "add", name)
    return names


def _delete(names: list[str]) -> None:
    for name in names:
        run("ip", "netns", "del", name)


def _switch(on: bool) -> None:
    (PARAMETERS / "events").write_text("+segment" if on else "-segment")


def test_many_namespaces() -> None:
    """20 namespaces come and go, with the hooks on, off, and across an unload"""
    before = recorder.kernel_log()
    for unload_first in (False, True):
        with Recorder("events=segment") as it:
            names = _make_namespaces()              # born while on
            for name in names[::5]:
                _reset_in(name)
            inodes = {os.stat(f"/run/netns/{n}").st_ino for n in names[::5]}
            assert inodes <= {e["netns"] for e in it.events("segment")}
            for on in (False, True, False, True):
                _switch(on)
            _delete(names[:NAMESPACES // 2])        # die while on
            _switch(False)
            more = names[NAMESPACES // 2:]
            _delete(more[:5])                       # die while off
            _switch(True)
            if not unload_first:
                _delete(more[5:])
        if unload_first:
            _delete(more[5:])                       # outlive the module
    assert not recorder.log_since(before), recorder.log_since(before)


def _reset_in(namespace: str) -> None:
    """A SYN and its RST on a namespace's loopback."""
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    run("ip", "netns", "exec", namespace, "bash", "-c",
        "! (: </dev/tcp/127.0.0.1/9) 2>/dev/null")
