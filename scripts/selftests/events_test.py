# SPDX-License-Identifier: GPL-2.0
"""Events of real traffic: what a record says is what happened."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import threading
from pathlib import Path

import loopback
import sessions
from endpoints import connected, seen_on
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from inside import abort, cookie_of
from raw_tcp import ACK, Segment
from recorder import Recorder, wait_until
from renoscope_lib.ring.schema import Event

ACTIVE_CLOSE = ["FIN-WAIT-1", "FIN-WAIT-2", "CLOSED"]
PASSIVE_CLOSE = ["CLOSE-WAIT", "LAST-ACK", "CLOSED"]


def _address(packed: bytes) -> str:
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def _cookie_of(host: str, events: list[Event]) -> int:
    """The connection on a host: the only one that came to ESTABLISHED."""
    cookies = {event["cookie"] for event in seen_on(host, events)
               if event.kind == "ack"}
    assert len(cookies) == 1, cookies
    return cookies.pop()


def _relative(event: Event, field: str, isn: str) -> int:
    return (event[field] - event[isn]) % 2**32


def _check_session(ipv6: bool) -> None:
    with Recorder() as it, TwoHosts(delay_ms=5) as hosts:
        sessions.greet(hosts, "Ann", ipv6)
        sessions.await_end(it)
        events = it.events()
        client, server = (_cookie_of(host, events) for host in (CLIENT, SERVER))
        assert it.path(client) == ["SYN-SENT", "ESTABLISHED", *PASSIVE_CLOSE]
        assert it.path(server) == ["ESTABLISHED", *ACTIVE_CLOSE]
        _check_numbers(events, client, server, _gave_way_early(it, events, server))
        _check_endpoints(events, client, ipv6)


def _gave_way_early(it: Recorder, events: list[Event], server: int) -> bool:
    """Whether the full socket was gone before the peer's FIN came."""
    first = next(event for event in events
                 if event.kind == "time_wait" and event["cookie"] == server)
    return it.state_name(first["state"]) == "FIN-WAIT-2"


def _check_numbers(events: list[Event], client: int, server: int,
                   gave_way_early: bool) -> None:
    """The greeting moves the acknowledgments as the textbook says."""
    at_server = [(_relative(e, "seg_seq", "rcv_isn"),
                  _relative(e, "seg_ack", "snd_isn"), e["seg_len"])
                 for e in events if e.kind == "ack" and e["cookie"] == server]
    assert (1, 9, 0) in at_server, at_server          # "Welcome!" is 8 bytes
    assert (1, 9, 3) in at_server, at_server          # "Ann"
    assert any(ack == 20 for _seq, ack, _len in at_server)  # "Hello, Ann!": 11
    at_client = [(_relative(e, "seg_seq", "rcv_isn"),
                  _relative(e, "seg_ack", "snd_isn"), e["seg_len"])
                 for e in events if e.kind == "ack" and e["cookie"] == client]
    assert (1, 1, 8) in at_client, at_client
    assert (9, 4, 11) in at_client, at_client
    totals = {e["cookie"]: (e["bytes_acked"], e["bytes_received"])
              for e in events if e.kind == "destroy"}
    assert totals[client] == (9, 20), totals          # SYN, 7 bytes, FIN
    # 19 bytes, FIN; a client slow to close finds the small sock of FIN-WAIT-2,
    # and its FIN is not among the 7 bytes then.
    assert totals[server] == (20, 8 - gave_way_early), totals
    isns = {(e["snd_isn"], e["rcv_isn"]) for e in events
            if e["cookie"] == client and e["rcv_isn"]}
    mirrored = {(e["rcv_isn"], e["snd_isn"]) for e in events
                if e["cookie"] == server and e["rcv_isn"]}
    assert len(isns) == 1 and isns == mirrored, (isns, mirrored)


def _check_endpoints(events: list[Event], client: int, ipv6: bool) -> None:
    which = 1 if ipv6 else 0
    for event in events:
        if event["cookie"] != client or event.kind != "ack":
            continue
        assert event["family"] == (6 if ipv6 else 4)
        assert _address(event["local_addr"]) == ADDRESSES[CLIENT][which]
        assert _address(event["remote_addr"]) == ADDRESSES[SERVER][which]
        assert event["remote_port"] == sessions.PORT
        assert event["cwnd"] == 10
        assert event["mss"] > (1000 if event["srtt_us"] else 500)


def test_session_ipv4() -> None:
    """The sample program's session over IPv4: states, numbers, ends"""
    _check_session(ipv6=False)


def test_session_ipv6() -> None:
    """The sample program's session over IPv6: states, numbers, ends"""
    _check_session(ipv6=True)


def test_connection_id_is_the_one_of_ss() -> None:
    """The connection id equals sk: of ss -e, at both ends"""
    with Recorder() as it, TwoHosts() as hosts:
        server = sessions.start_server(hosts)
        client = sessions.start_client(hosts, "--wait")
        for host in (CLIENT, SERVER):
            wait_until("ss to show the connection", lambda h=host: re.search(
                r"sk:", hosts.run(h, "ss", "-tneH", "state", "established")))
            shown = hosts.run(host, "ss", "-tneH", "state", "established")
            found = re.search(r"sk:([0-9a-f]+)", shown)
            assert found
            cookie = int(found[1], 16)
            seen = {e["cookie"] for e in seen_on(host, it.events("state"))
                    if it.state_name(e["state"]) == "ESTABLISHED"}
            assert seen == {cookie}, (seen, shown)
        sessions.finish(client, "\n")
        sessions.finish(server)


def _who(it: Recorder, cookie: int) -> dict[str, tuple[int, bytes]]:
    """Of each state that a socket entered, the process in whose call that was."""
    return {it.state_name(e["state"]): (e["pid"], e["comm"].rstrip(b"\0"))
            for e in it.events("state") if e["cookie"] == cookie}


def _named(name: str) -> tuple[int, bytes]:
    """This process, which is called so from now on, as far as it has room."""
    Path("/proc/thread-self/comm").write_text(name)
    return os.getpid(), name.encode()[:15]


def _shut_as(sock: socket.socket, name: str) -> None:
    """A thread has a name of its own, and the number of its process."""
    _named(name)
    sock.shutdown(socket.SHUT_WR)


def test_processes_are_named() -> None:
    """Who opens, listens, accepts, shuts and kills is named; what a segment does is nobody's"""
    nobody = (0, b"")
    before = Path("/proc/thread-self/comm").read_text()
    with Recorder() as it, TwoHosts() as hosts:
        me = _named("a name of 2 dozen letters")
        try:
            with connected(False) as pair:
                client, server = map(cookie_of, pair)
                thread = threading.Thread(target=_shut_as, args=(pair.client, "shutter"))
                thread.start()
                thread.join()
                assert not pair.server.recv(1)
                hosts.run(SERVER, "ss", "-K", "state", "close-wait")
                wait_until("the killed end", lambda: "CLOSED" in it.path(server))
        finally:
            _named(before)
        listener, = {e["cookie"] for e in it.events("state")
                     if it.state_name(e["state"]) == "LISTEN"}
        # The child has no id of its own before it is established.
        listened = _who(it, listener)
        assert listened == {"LISTEN": me, "SYN-RECEIVED": nobody, "CLOSED": me}, listened
        opened = _who(it, client)
        assert (opened["SYN-SENT"], opened["FIN-WAIT-1"]) == (me, (me[0], b"shutter")), opened
        accepted = _who(it, server)
        killer = accepted.pop("CLOSED")
        taken, = it.events("accepted")
        assert (taken["pid"], taken["comm"].rstrip(b"\0")) == me, taken
        assert killer[0] not in (0, me[0]) and killer[1] == b"ss", killer
        assert accepted == {"ESTABLISHED": nobody, "CLOSE-WAIT": nobody}, accepted


def test_lost_data_is_retransmitted() -> None:
    """Lost data: retransmit events with the lost numbers, and CA state Loss"""
    with Recorder() as it, TwoHosts() as hosts:
        server = sessions.start_server(hosts)
        client = sessions.start_client(hosts, "--wait", "--name", "Bartholomew")
        wait_until("the greeting to be acknowledged",
                   lambda: any(e["snd_nxt"] - e["snd_isn"] == 9
                               for e in seen_on(SERVER, it.events("ack"))))
        hosts.drop(SERVER, "tcp dport 5000 tcp flags & psh == psh")
        assert client.stdin is not None
        client.stdin.write("\n")
        client.stdin.flush()
        wait_until("two retransmissions",
                   lambda: len(seen_on(CLIENT, it.events("retransmit"))) >= 2)
        hosts.stop_dropping(SERVER)
        sessions.finish(client)
        sessions.finish(server)
        resent = seen_on(CLIENT, it.events("retransmit"))
        assert {_relative(e, "seg_seq", "snd_isn") for e in resent} == {1}
        assert {e["seg_len"] for e in resent} == {len("Bartholomew")}
        assert [e["total_retrans"] for e in resent] == list(
            range(1, len(resent) + 1))
        loss = [e for e in seen_on(CLIENT, it.events("ca_state"))
                if it.schema.name_of("ca_state", e["ca_state"]) == "Loss"]
        assert loss and loss[0]["ssthresh"] <= 10, loss


def test_refused_connections() -> None:
    """A closed port: one RST received, and one sent without a socket, both families

    Kernels before 6.10 give no reasons.
    """
    with Recorder() as it:
        loopback.refuse("127.0.0.1")
        loopback.refuse("::1")
        sent, received = it.events("reset_sent"), it.events("reset_received")
        assert [e["family"] for e in received] == [4, 6], received
        for event in received:
            assert it.state_name(event["state"]) == "SYN-SENT"
            assert event["remote_port"] == 9 and event["snd_isn"]
        assert [e["family"] for e in sent] == [4, 6], sent
        for event, answer in zip(sent, received):
            assert event["cookie"] == 0 and event["local_port"] == 9
            assert event["seg_flags"] == 0x02, "the refused segment is a SYN"
            assert event["seg_seq"] == answer["snd_isn"]
            assert event["remote_port"] == answer["local_port"]
            if "reset_reason" in it.schema.values:
                assert it.schema.name_of("reset_reason",
                                         event["reset_reason"]) == "NO_SOCKET"


def _send_stray_ack(source_port: int, port: int) -> None:
    """An ACK that belongs to no connection, to loopback."""
    here = "127.0.0.1"
    ack = Segment(here, source_port, here, port, seq=111, ack=222, flags=ACK)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.sendto(ack.tcp(), (here, 0))


def _packet_with_a_time(address: str, kind: int, protocol: int) -> None:
    """One packet that lo gives a time of sending; it comes as a report without an error."""
    so_timestamping, by_software, told_software = 37, 1 << 1, 1 << 4
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind, protocol) as sock:
        sock.setsockopt(socket.SOL_SOCKET, so_timestamping, by_software | told_software)
        sock.connect((address, 9))
        sock.send(bytes(20))
        wait_until("the time", lambda: sock.recvmsg(100, 1000, socket.MSG_ERRQUEUE
                                                    | socket.MSG_DONTWAIT)[1])


def test_error_of_a_raw_socket_is_none_of_tcps() -> None:
    """Raw sockets of IPPROTO_TCP report errors as TCP's do, and are no tcp_sock"""
    with Recorder("events=error") as it:
        for address in ("127.0.0.1", "::1"):
            _packet_with_a_time(address, socket.SOCK_RAW, socket.IPPROTO_TCP)
        assert not it.events("error"), it.events("error")
        loopback.refuse()
        wait_until("TCP's own", lambda: it.events("error"))


def test_reset_of_a_listener_names_the_peer() -> None:
    """A stray ACK to a listener: the RST's record has the peer's address and port"""
    with Recorder() as it, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        _send_stray_ack(4444, port)
        wait_until("the reset", lambda: it.events("reset_sent"))
        event = it.events("reset_sent")[0]
        assert it.state_name(event["state"]) == "LISTEN" and event["cookie"]
        assert (event["local_port"], event["remote_port"]) == (port, 4444)
        assert _address(event["remote_addr"]) == "127.0.0.1"
        assert (event["seg_seq"], event["seg_ack"]) == (111, 222)


def test_abort_is_a_reset_from_either_view() -> None:
    """An aborted connection: RST sent by one end, received by the other"""
    with Recorder() as it:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            connection, _peer = listener.accept()
            abort(client)
            wait_until("the reset", lambda: it.events("reset_received"))
            connection.close()
        sent, received = it.events("reset_sent"), it.events("reset_received")
        assert len(sent) == 1 and len(received) == 1
        assert sent[0]["local_port"] == received[0]["remote_port"]
        assert it.state_name(received[0]["state"]) == "ESTABLISHED"


def test_serials_have_no_gap() -> None:
    """On each CPU the serials run from 1 to what stats calls written"""
    with Recorder() as it, TwoHosts() as hosts:
        sessions.greet(hosts)
        sessions.await_end(it)
        serials: dict[int, list[int]] = {}
        for event in it.events():
            serials.setdefault(event["cpu"], []).append(event["serial"])
        assert serials
        for cpu, seen in serials.items():
            assert seen == list(range(1, len(seen) + 1)), (cpu, seen)


def test_order_of_time() -> None:
    """A reader of all CPUs gets events in order of time"""
    with Recorder() as it, TwoHosts() as hosts:
        sessions.greet(hosts)
        times = [event["time_ns"] for event in it.events()]
        assert len(times) > 20 and times == sorted(times)
