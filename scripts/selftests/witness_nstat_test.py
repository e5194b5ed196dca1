# SPDX-License-Identifier: GPL-2.0
"""nstat as witness: the kernel's counters of each namespace against the events.

A scenario provokes some of counters.COUNTERS on both hosts' fresh namespaces, over
both families, and names those; then every counter of the list must equal its events
on each host, provoked or not.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import counters
import endpoints
import troubles
from crafted import CraftedPeer, Segment
from endpoints import FAMILIES, PORT, connected, quiet, say
from hosts import CLIENT, SERVER, TwoHosts
from inside import abort, abort_on_close, cookie_of
from ktap_output import comment
from raw_tcp import RST, SYN
from recorder import Recorder, wait_until

CRAFTED_PORT = 4000
SMALL_BUFFER = (socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)


def _compare(it: Recorder, hosts: TwoHosts) -> dict[str, int]:
    """Both hosts' counters must be their events; the sums over both."""
    witnesses = {host: counters.steady_witness(hosts, host) for host in (CLIENT, SERVER)}
    return counters.compare(it.schema, endpoints.whole(it), hosts, witnesses)


@contextmanager
def _witnessed(*provoked: str, delay_ms: int = 0) -> Iterator[tuple[Recorder, TwoHosts]]:
    """Two hosts; at the end all counters must agree and those named not be 0."""
    with Recorder() as it, TwoHosts(delay_ms) as hosts:
        yield it, hosts
        sums = _compare(it, hosts)
        comment(f"agree: {counters.in_words(sums)}")
        missing = [name for name in provoked if not sums[name]]
        assert not missing, f"not provoked: {missing}"


# ---- losses --------------------------------------------------------------


def _check_losses(sack: int, *provoked: str) -> None:
    with _witnessed("TcpRetransSegs", "TcpExtTCPSynRetrans", "TcpExtTCPTimeouts",
                    "TcpExtTCPFastRetrans", "TcpExtTCPSlowStartRetrans",
                    *provoked, delay_ms=10) as (it, hosts):
        hosts.most_segments_a_packet(1)
        hosts.sysctl(CLIENT, f"net.ipv4.tcp_sack={sack}")
        for ipv6 in FAMILIES:
            troubles.lossy_life(it, hosts, ipv6)
        quiet(hosts)


def test_losses() -> None:
    """nstat counts as we record: lost SYNs and data, with SACK and tail loss probes"""
    _check_losses(1, "TcpExtTCPSackRecovery", "TcpExtTCPLossProbes")


def test_losses_without_sack() -> None:
    """nstat counts as we record: lost SYNs and data, without SACK"""
    _check_losses(0, "TcpExtTCPRenoRecovery")


# ---- windows -------------------------------------------------------------


def test_windows_and_keepalive() -> None:
    """nstat counts as we record: zero windows both ways, probes, keepalive"""
    with _witnessed("TcpExtTCPWinProbe", "TcpExtTCPToZeroWindowAdv",
                    "TcpExtTCPFromZeroWindowAdv", "TcpExtTCPKeepAlive") as (it, hosts):
        for ipv6 in FAMILIES:
            with connected(ipv6, client=(SMALL_BUFFER,), server=(SMALL_BUFFER,)) as pair:
                _keep_alive(it, pair.client)
                for sender, receiver in (pair, pair[::-1]):
                    sent = troubles.fill(sender)
                    endpoints.await_records(it, sender, "probe", 3)
                    endpoints.receive(receiver, sent)
        quiet(hosts)


def _keep_alive(it: Recorder, sock: socket.socket) -> None:
    """Let one keepalive probe go out, and no more."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    endpoints.await_records(it, sock, "probe")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)


def _probes_and_their_count(it: Recorder, hosts: TwoHosts,
                            sock: socket.socket) -> tuple[int, int]:
    """What is recorded and what nstat says, with no probe in between: waits double."""
    seen = [(-1, 0)]

    def no_probe_in_between() -> bool:
        before = len(endpoints.records(it, sock, "probe"))
        seen[0] = before, counters.witness(hosts, CLIENT)["TcpExtTCPWinProbe"]
        return len(endpoints.records(it, sock, "probe")) == before
    wait_until("a moment without a probe", no_probe_in_between)
    return seen[0]


def test_urgent_window_probe() -> None:
    """nstat: with urgent data waiting, each window probe is two segments"""
    with Recorder() as it, TwoHosts() as hosts:
        with connected(False, server=(SMALL_BUFFER,)) as pair:
            pair.client.sendall(bytes(20_000))
            pair.client.send(b"!", socket.MSG_OOB)
            endpoints.await_records(it, pair.client, "probe", 3)
            probes, counted = _probes_and_their_count(it, hosts, pair.client)
            assert probes < counted <= 2 * probes, (probes, counted)
            abort(pair.client)


# ---- handshakes ----------------------------------------------------------


def _connect_without_waiting(ipv6: bool) -> socket.socket:
    sock = endpoints.tcp_socket(CLIENT, ipv6)
    sock.setblocking(False)
    sock.connect_ex((endpoints.address_of(SERVER, ipv6), PORT))
    return sock


def _overflow_accept_queue(it: Recorder, hosts: TwoHosts, ipv6: bool) -> None:
    """A backlog of 0 has room for one connection; the next SYN is dropped."""
    with ExitStack() as stack:
        stack.enter_context(endpoints.listen(SERVER, ipv6, backlog=0))
        for expected in ("completed", "refused"):
            before = len(it.events(expected))
            stack.enter_context(_connect_without_waiting(ipv6))
            wait_until(expected, lambda k=expected, b=before: len(it.events(k)) > b)
    quiet(hosts)


def _third_segment_refused(it: Recorder, hosts: TwoHosts, ipv6: bool) -> None:
    """Two requests for one place: one of their third segments finds it taken."""
    hosts.sysctl(SERVER, "net.ipv4.tcp_synack_retries=5")   # the third segments come late
    refused, again, completed = (len(it.events(kind)) for kind in (
        "refused", "synack_retransmit", "completed"))
    with ExitStack() as stack:
        stack.enter_context(endpoints.listen(SERVER, ipv6, backlog=1))
        stack.enter_context(_connect_without_waiting(ipv6))
        wait_until("one of two places to be taken",
                   lambda: len(it.events("completed")) > completed)
        hosts.drop(SERVER, f"tcp dport {PORT} tcp flags & syn == 0")
        for _ in range(2):
            stack.enter_context(_connect_without_waiting(ipv6))
        wait_until("a SYN-ACK to be sent again",
                   lambda: len(it.events("synack_retransmit")) > again)
        hosts.stop_dropping(SERVER)
        wait_until("the refusal of a third segment", lambda: any(
            not event["seg_flags"] & SYN for event in it.events("refused")[refused:]))
    quiet(hosts)


def _half_open_requests(it: Recorder, ipv6: bool, count: int) -> list[CraftedPeer]:
    """Requests of peers that stay silent after their SYN."""
    peers = [CraftedPeer(ipv6, CRAFTED_PORT + number, PORT) for number in range(count)]
    for peer in peers:
        before = len(it.events("syn"))
        peer.send(Segment(1000, flags=SYN))
        wait_until("the SYN", lambda b=before: len(it.events("syn")) > b)
    return peers


def _full_half_open_queue(it: Recorder, hosts: TwoHosts, ipv6: bool) -> None:
    """Silent requests: refused ones, one reset, the others given up."""
    hosts.drop(CLIENT, f"tcp sport {PORT}")
    ended = len(it.events("request_end"))
    with endpoints.listen(SERVER, ipv6, backlog=2):
        peers = _half_open_requests(it, ipv6, 4)
        peers[0].send(Segment(1001, flags=RST))
        wait_until("the requests to end",
                   lambda: len(it.events("request_end")) >= ended + 2)
        for peer in peers:
            peer.__exit__(None, None, None)
    hosts.stop_dropping(CLIENT)


def test_refused_handshakes() -> None:
    """nstat counts as we record: both queues overflow, requests expire and are reset, without cookies"""
    with _witnessed("TcpExtListenOverflows", "TcpExtListenDrops", "TcpAttemptFails",
                    "TcpExtTCPReqQFullDrop", "TcpExtTCPSynRetrans",
                    "TcpExtTCPTimeouts", "TcpPassiveOpens",
                    "TcpActiveOpens") as (it, hosts):
        hosts.sysctl(SERVER, "net.ipv4.tcp_syncookies=0")
        hosts.sysctl(SERVER, "net.ipv4.tcp_synack_retries=1")
        for ipv6 in FAMILIES:
            _overflow_accept_queue(it, hosts, ipv6)
            _full_half_open_queue(it, hosts, ipv6)
        _third_segment_refused(it, hosts, False)


def _answer_cookies(it: Recorder, hosts: TwoHosts, ipv6: bool) -> None:
    """One cookie comes back right, one wrong, one to a full accept queue."""
    hosts.drop(CLIENT, f"tcp sport {PORT}")
    with ExitStack() as stack:
        stack.enter_context(endpoints.listen(SERVER, ipv6, backlog=0))
        peers = [stack.enter_context(CraftedPeer(ipv6, CRAFTED_PORT + number, PORT))
                 for number in range(3)]
        for peer in peers:
            peer.send(Segment(1000, flags=SYN))
        cookies = [peer.hear(SYN).seq for peer in peers]
        before = len(it.events("cookie_checked"))
        for peer, answer in zip(peers, (cookies[0], cookies[1] ^ 0x10000, cookies[2])):
            peer.send(Segment(1001, answer + 1))
        wait_until("the cookies' verdicts",
                   lambda: len(it.events("cookie_checked")) >= before + 3)
        hosts.stop_dropping(CLIENT)
    quiet(hosts)


def test_cookies() -> None:
    """nstat counts as we record: SYN cookies sent, returned, wrong, and returned to a full queue"""
    with _witnessed("TcpExtSyncookiesSent", "TcpExtSyncookiesRecv",
                    "TcpExtSyncookiesFailed",
                    "TcpExtListenOverflows") as (it, hosts):
        hosts.sysctl(SERVER, "net.ipv4.tcp_syncookies=2")
        for ipv6 in FAMILIES:
            _answer_cookies(it, hosts, ipv6)


# ---- ends ----------------------------------------------------------------


def test_resets_and_checksums() -> None:
    """nstat counts as we record: refused, aborted, closed with data unread, wrong checksums"""
    with _witnessed("TcpOutRsts", "TcpEstabResets", "TcpAttemptFails",
                    "TcpInCsumErrors") as (it, hosts):
        for ipv6 in FAMILIES:
            troubles.refused(ipv6)
            troubles.aborted(it, ipv6)
            with CraftedPeer(ipv6, CRAFTED_PORT, PORT) as peer:
                before = len(it.events("bad_checksum"))
                peer.send(Segment(1, flags=SYN), spoil=True)
                wait_until("the wrong checksum",
                           lambda b=before: len(it.events("bad_checksum")) > b)
        quiet(hosts)


def _closed_by_client(it: Recorder, ipv6: bool, port: int = 0) -> int:
    """A connection that the client closes first; its port there."""
    bind = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with ExitStack() as stack:
        listener = stack.enter_context(endpoints.listen(SERVER, ipv6))
        client = stack.enter_context(endpoints.tcp_socket(CLIENT, ipv6, bind))
        client.bind((endpoints.address_of(CLIENT, ipv6), port))
        client.connect((endpoints.address_of(SERVER, ipv6), PORT))
        server = stack.enter_context(listener.accept()[0])
        number = client.getsockname()[1]
        cookie = cookie_of(client)
        client.close()
        server.close()
        wait_until("TIME-WAIT", lambda: endpoints.records(it, cookie, "time_wait"))
    return number


def _orphan(it: Recorder, ipv6: bool) -> None:
    """FIN-WAIT-2 without a process, until its time is over."""
    with connected(ipv6) as pair:
        cookie = cookie_of(pair.client)
        pair.client.close()
        wait_until("the orphan's end",
                   lambda: endpoints.records(it, cookie, "time_wait_end"))
        abort_on_close(pair.server)


def test_time_wait() -> None:
    """nstat counts as we record: TIME-WAIT begun, reused by a connect(), without room; FIN-WAIT-2 given up"""
    with _witnessed("TcpExtTW", "TcpExtTWKilled", "TcpExtTWRecycled",
                    "TcpExtTCPTimeWaitOverflow") as (it, hosts):
        hosts.sysctl(CLIENT, "net.ipv4.tcp_fin_timeout=1")
        hosts.sysctl(CLIENT, "net.ipv4.tcp_tw_reuse=1")
        ports = [_closed_by_client(it, ipv6) for ipv6 in FAMILIES]
        for ipv6 in FAMILIES:
            _orphan(it, ipv6)           # takes longer than the second reuse asks for
        for ipv6, port in zip(FAMILIES, ports):
            _closed_by_client(it, ipv6, port)
        hosts.sysctl(CLIENT, "net.ipv4.tcp_max_tw_buckets=0")
        for ipv6 in FAMILIES:
            _closed_by_client(it, ipv6)
        quiet(hosts)


def test_nothing_is_left_out() -> None:
    """nstat: a session without any trouble has none of these counters but opens and TW"""
    with _witnessed("TcpActiveOpens", "TcpPassiveOpens", "TcpExtTW") as (it, hosts):
        with connected(False) as pair:
            say(*pair)
            say(*pair[::-1])
        quiet(hosts)
        sums = _compare(it, hosts)
        comment(f"agree: {counters.in_words(sums)}")
        assert {name for name, count in sums.items() if count} == {
            "TcpActiveOpens", "TcpPassiveOpens", "TcpExtTW"}, sums
