# SPDX-License-Identifier: GPL-2.0
"""What `handshakes`, `synflood` and `isn` make of real requests and floods."""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import counters
import recorder
from flooding import (BACKLOG, FORGED, connect, flood, let_accept, ready_client, server,
                      start_client)
from hosts import CLIENT, SERVER, TwoHosts
from inside import inside
from raw_tcp import SYN, Segment
from recorder import Recorder, told, wait_until
from renoscope_lib.ring.schema import Event

# For clients and servers, without a cookie, and for every listener.
FAST_OPEN_FOR_ALL = 0x607
FORGED_FAST_OPENS = 20

# Bound to a port; the server closes first, so that TIME-WAIT is the server's.
BOUND_CLIENT_CODE = """
import socket, sys
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
client.bind(("10.77.0.1", int(sys.argv[1])))
client.connect(("10.77.0.2", 5000))
client.recv(1)
"""


def view(command: str) -> dict[str, Any]:
    """What a command makes of what the ring holds now."""
    with tempfile.NamedTemporaryFile(suffix=".renoscope") as file:
        done = recorder.renoscope("record", "--all", "--duration", "0.1",
                                  file.name)
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = told(command, file.name)
    return seen


@contextmanager
def no_request_left(it: Recorder) -> Iterator[None]:
    """Requests outlive their listener: unawaited, the next test sees them end."""
    def open_requests() -> set[int]:
        events = it.events()
        return ({event["cookie"] for event in events if event.kind == "request"}
                - {event["cookie"] for event in events
                   if event.kind in ("request_end", "completed")})

    yield
    wait_until("the end of every request", lambda: not open_requests())


def _kinds(it: Recorder, kind: str) -> Callable[[], int]:
    return lambda: len(it.events(kind))


def _flooded() -> dict[str, Any]:
    listener, = view("synflood")["listeners"]
    return listener


def _is_called(seen: dict[str, Any], words: str) -> bool:
    """On a slow machine the flood may be over before anybody looks."""
    return seen["verdict"] in (words, "a flood, over by now")


def test_flood_with_cookies() -> None:
    """Forged SYNs fill the queue: cookies hold, real clients come in by one"""
    with Recorder() as it, no_request_left(it), TwoHosts() as hosts, \
            server(hosts), ready_client(hosts, 3) as client:
        # The queue stays full for 7 s: then those go who had two more SYN-ACKs.
        flood(hosts, 100)
        client.communicate("now\n")
        wait_until("SYN-ACKs unanswered for longer than a second", lambda: len(
            {e["cookie"] for e in it.events("synack_retransmit")}) > BACKLOG)
        seen = _flooded()
        evidence = seen["evidence"]
        assert _is_called(seen, "flood under way, cookies holding"), seen
        assert evidence["half_open"]["peak"] == BACKLOG + 1, evidence
        assert evidence["cookies_sent"] == 100 + 3 - (BACKLOG + 1), evidence
        # A client's FIN can overtake its ACK, and makes the socket then. The ACK is checked,
        # too: refused if that socket is there by then, and valid if it has come and gone,
        # which is one more connection for the kernel.
        checked = [(it.schema.name_of("cookie_verdict", e["cookie_verdict"]), e["remote_port"])
                   for e in it.events("cookie_checked")]
        valid = [port for verdict, port in checked if verdict == "valid"]
        assert len(set(valid)) == 3, checked
        assert counters.nstat(hosts, SERVER)["TcpExtSyncookiesRecv"] == len(checked), checked
        assert evidence["cookies_valid"] == len(valid), evidence
        assert (evidence["answered"], evidence["unanswered"]) == (len(valid), 100), evidence
        assert evidence["sources"] == 101, evidence
        rows = view("handshakes")["handshakes"]
        by_cookie = [r["remote"] for r in rows if r["cookies_sent"]
                     and r["outcome"] == "established"]
        assert len(set(by_cookie)) == 3, by_cookie


def test_flood_without_cookies() -> None:
    """Forged SYNs with tcp_syncookies=0: SYNs are refused, requests expire"""
    with Recorder() as it, TwoHosts() as hosts:
        hosts.sysctl(SERVER, "net.ipv4.tcp_syncookies=0")
        hosts.sysctl(SERVER, "net.ipv4.tcp_synack_retries=1")
        with server(hosts):
            flood(hosts, 60)
            wait_until("the requests' end", lambda: len(
                it.events("request_end")) > BACKLOG)
            seen = _flooded()
            assert _is_called(seen, "flood under way, SYNs are refused"), seen
            assert seen["evidence"]["expired"] == BACKLOG + 1, seen
            assert seen["evidence"]["refused_half_open"] == 60 - BACKLOG - 1
            summary = view("handshakes")["summary"]
            assert summary["peer"] == {"expired": BACKLOG + 1,
                                       "refused": 60 - BACKLOG - 1}, summary


def _forge_with_data(hosts: TwoHosts, count: int) -> None:
    """Fast Open's SYNs from as many addresses, with a request in each."""
    hosts.route_to_nobody(FORGED)
    with inside(CLIENT):
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with sender:
        for number in range(count):
            syn = Segment(f"10.128.{number}.1", 2000 + number, "10.77.0.2", 5000,
                          seq=number << 20, ack=0, flags=SYN, data=b"GET / HTTP/1.0\r\n\r\n")
            sender.sendto(syn.packet(), ("10.77.0.2", 0))


def _by_fast_open() -> socket.socket:
    """A client that sends its request with the SYN."""
    with inside(CLIENT):
        client = socket.socket()
    client.sendto(b"GET / HTTP/1.0\r\n\r\n", socket.MSG_FASTOPEN, ("10.77.0.2", 5000))
    return client


def test_flood_of_fast_open() -> None:
    """Forged SYNs with data where Fast Open asks for no cookie: ss and nstat count the children, and those that nobody answers are no connections"""
    with Recorder() as it, TwoHosts() as hosts, ExitStack() as clients:
        hosts.sysctl(SERVER, "net.ipv4.tcp_synack_retries=2")
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, f"net.ipv4.tcp_fastopen={FAST_OPEN_FOR_ALL}")
        with server(hosts, accepts="late"):
            _forge_with_data(hosts, FORGED_FAST_OPENS)
            for _ in range(3):
                clients.enter_context(_by_fast_open())
            wait_until("SYN-ACKs sent again", lambda: _kinds(
                it, "synack_retransmit")() >= FORGED_FAST_OPENS)
            counted = counters.nstat(hosts, SERVER)
            assert counted["TcpExtTCPFastOpenPassive"] == FORGED_FAST_OPENS + 3, counted
            half_open = hosts.run(SERVER, "ss", "-tnH", "state", "syn-recv").splitlines()
            assert len(half_open) == FORGED_FAST_OPENS, half_open
            outcomes = view("handshakes")["summary"]["peer"]
            assert outcomes == {"half-open": FORGED_FAST_OPENS, "established": 3}, outcomes
            evidence = _flooded()["evidence"]
            assert (evidence["answered"], evidence["unanswered"]) == (
                3, FORGED_FAST_OPENS), evidence
            wait_until("their end", lambda: len(_closed(it)) == FORGED_FAST_OPENS)
            evidence = _flooded()["evidence"]
            assert [evidence[name] for name in ("answered", "unanswered", "expired")] == [
                3, FORGED_FAST_OPENS, FORGED_FAST_OPENS], evidence
            outcomes = view("handshakes")["summary"]["peer"]
            assert outcomes == {"expired": FORGED_FAST_OPENS, "established": 3}, outcomes


def _closed(it: Recorder) -> list[Event]:
    return [event for event in it.events("state")
            if it.schema.name_of("state", event["old_state"]) == "SYN-RECEIVED"
            and it.schema.name_of("state", event["state"]) == "CLOSED"]


def test_busy_listener_is_no_flood() -> None:
    """Many real clients: no alarm, and all of their handshakes are seen"""
    with Recorder() as it, TwoHosts() as hosts, server(hosts):
        connect(hosts, 60)
        wait_until("60 accepted", lambda: _kinds(it, "accepted")() == 60)
        seen = _flooded()
        assert not seen["is_flood"] and seen["evidence"]["completing"] == 1
        summary = view("handshakes")["summary"]
        assert summary == {"us": {"established": 60},
                           "peer": {"established": 60}}, summary


def test_accept_queue_full() -> None:
    """A process that does not accept(): handshakes says why the third connect() takes seconds"""
    with Recorder() as it, TwoHosts() as hosts:
        with server(hosts, backlog=1, accepts="late") as process:
            clients = [start_client(hosts) for _ in range(3)]
            wait_until("a SYN refused", _kinds(it, "refused"))
            let_accept(process)
            for client in clients:
                client.communicate()
            wait_until("3 accepted", lambda: _kinds(it, "accepted")() == 3)
            seen = view("handshakes")
            slow, = [r for r in seen["handshakes"]
                     if r["opened_by"] == "us" and r["syns_sent_again"]]
            assert slow["outcome"] == "established" and slow["took_us"] > 900_000
            assert "accept queue full (2 waiting, backlog 1)" in slow["why"], slow
            listener, = seen["listeners"]
            assert listener["accept_queue"]["peak"] == 2, listener
            assert not _flooded()["is_flood"]


def test_last_ack_refused() -> None:
    """The accept queue fills while the last ACK is on its way: it is told to be dropped"""
    with Recorder() as it, TwoHosts() as hosts:
        with server(hosts, backlog=0, accepts="late") as process:
            hosts.drop(SERVER, "tcp sport 40000 tcp flags & syn == 0")
            late = hosts.start(CLIENT, sys.executable, "-c",
                               BOUND_CLIENT_CODE, "40000")
            wait_until("a request", _kinds(it, "request"))
            connect(hosts, 1)
            wait_until("the other one complete", _kinds(it, "completed"))
            hosts.stop_dropping(SERVER)
            wait_until("the late ACK refused", lambda: any(
                e["seg_flags"] & 0x10 for e in it.events("refused")))
            let_accept(process)
            late.communicate()
            wait_until("2 accepted", lambda: _kinds(it, "accepted")() == 2)
            rows = [r for r in view("handshakes")["handshakes"]
                    if "last ACK" in r["why"] and r["opened_by"] == "peer"]
            assert rows and rows[0]["outcome"] == "established", rows


def test_why_connect_fails() -> None:
    """Why a connect() failed is told: refused by a RST, or timed out after three SYNs"""
    with Recorder() as it, TwoHosts() as hosts:
        connect(hosts, 1, port=5999)
        hosts.sysctl(CLIENT, "net.ipv4.tcp_syn_retries=1")
        hosts.drop(SERVER, "tcp dport 5000")
        connect(hosts, 1)
        wait_until("both errors", lambda: _kinds(it, "error")() == 2)
        rows = view("handshakes")["handshakes"]
        assert [r["outcome"] for r in rows] == ["refused by RST", "timed out"]
        assert rows[1]["syns_sent_again"] >= 1, rows
        waits = [s["what"] for s in rows[1]["steps"] if "predicted" in s["what"]]
        assert waits and all("predicted 1 s" in w for w in waits[:1]), waits


def _isns(ipv6: bool) -> None:
    with Recorder() as it, TwoHosts() as hosts, server(hosts, ipv6=ipv6):
        connect(hosts, 40, ipv6=ipv6)
        wait_until("40 accepted", lambda: _kinds(it, "accepted")() == 40)
        hosts_seen = view("isn")["hosts"]
        assert len(hosts_seen) == 4, hosts_seen
        for host in hosts_seen:
            assert host["count"] == host["distinct"] == 40, host
            assert host["verdict"] == "looks random at this sample size", host


def test_isns_ipv4() -> None:
    """Linux' ISNs, IPv4: each of 40 seen once at both ends, and random"""
    _isns(False)


def test_isns_ipv6() -> None:
    """Linux' ISNs, IPv6: each of 40 seen once at both ends, and random"""
    _isns(True)


def test_isns_between_the_same_ports() -> None:
    """ISNs between the same two ports grow by the 64 ns clock (RFC 6528)"""
    with Recorder() as it, TwoHosts() as hosts, server(hosts):
        for count in range(1, 4):
            hosts.run(CLIENT, sys.executable, "-c", BOUND_CLIENT_CODE, "40000")
            wait_until("the connection's end", lambda: not hosts.is_busy(
                CLIENT) and _kinds(it, "accepted")() == count)
        own, = [h for h in view("isn")["hosts"]
                if (h["address"], h["whose"]) == ("10.77.0.1", "own")]
        assert own["count"] == 3, own
        assert "Of 2 repeats between the same ports, 2 grew" in own["repeats"]
