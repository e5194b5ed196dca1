# SPDX-License-Identifier: GPL-2.0
"""100,000 SYNs from as many addresses that do not exist, against one listener.

forged_syns.c sends them as fast as it can. The ring's memory must not change, real
clients must be served, every SYN and what became of it be counted as nstat counts
it, and whoever reads meanwhile be told of each event that was overwritten.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import counters
import endpoints
import memory
import sockets
from endpoints import PORT
from hosts import CLIENT, SERVER, TwoHosts
from ktap_output import comment
from measure import part
from programs import program
from raw_tcp import packed
from recorder import Recorder
from saved import Recording, Saved

SYNS = 100_000
BACKLOG = 128
FORGED = {False: ("10.128.0.0", 12), True: ("fd99::", 64)}
FILE = Path("/tmp/flood.renoscope")
# Room for two events of each SYN on one CPU, and for what follows.
ROOM = "ring_records=262144"
PACE_S = 0.5
# One real client of so many may be reset while the flood lasts, and one more.
MOST_RESET = 20
ENDING_S = 300


class Server:
    """A listener that accepts at once and answers a greeting, on a thread.

    The client speaks first. The ACK that brings a cookie back may be lost, and nobody
    sends it again; what the client has to say goes again, and brings it back as well.
    """

    def __init__(self, ipv6: bool) -> None:
        self.listener = endpoints.listen(SERVER, ipv6, backlog=BACKLOG)
        self.listener.settimeout(None)
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def close(self) -> None:
        """Accept no more."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(ENDING_S)
                if endpoints.receive(connection, 5) == b"Hello":
                    connection.sendall(b"Welcome!")


@contextmanager
def _stage(ipv6: bool, cookies: int) -> Iterator[TwoHosts]:
    """Two hosts whose server believes the forged network to be behind the client."""
    # A packet that the kernel drops before TCP is nobody's to count.
    Path("/proc/sys/net/core/netdev_max_backlog").write_text("1000000")
    with TwoHosts() as hosts:
        hosts.route_to_nobody("/".join(map(str, FORGED[ipv6])))
        hosts.sysctl(SERVER, f"net.ipv4.tcp_syncookies={cookies}")
        hosts.sysctl(SERVER, "net.ipv4.tcp_synack_retries=1")
        # So that the listener's backlog is the limit, whatever the machine's memory.
        hosts.sysctl(SERVER, "net.ipv4.tcp_max_syn_backlog=4096")
        server = Server(ipv6)
        try:
            yield hosts
        finally:
            server.close()


def _visit(ipv6: bool) -> bool:
    """A real client, and whether it was served.

    In a slow guest its ACK may come when its request was given up, after one timeout
    and 3 s: then it is reset, as it should be.
    """
    with endpoints.tcp_socket(CLIENT, ipv6) as client:
        client.settimeout(ENDING_S)
        try:
            client.connect((endpoints.address_of(SERVER, ipv6), PORT))
            client.sendall(b"Hello")
            greeting = endpoints.receive(client, 8)
        except ConnectionResetError:
            return False
        assert greeting == b"Welcome!", greeting
        return True


def _flood(hosts: TwoHosts, ipv6: bool, served: bool) -> int:
    """All SYNs; how many real clients were served while they came."""
    flood = hosts.start(CLIENT, program("forged_syns"), FORGED[ipv6][0],
                        endpoints.address_of(SERVER, ipv6), str(PORT), str(part(SYNS)))
    visits: list[bool] = []
    while flood.poll() is None:
        if served:
            visits.append(_visit(ipv6))
        time.sleep(PACE_S)
    assert not flood.returncode
    assert visits.count(False) <= 1 + len(visits) / MOST_RESET, visits
    return visits.count(True)


def _is_forged(address: bytes, ipv6: bool) -> bool:
    start, bits = FORGED[ipv6]
    bits += 0 if ipv6 else 96
    first, this = (int.from_bytes(a, "big") >> 128 - bits for a in (packed(start), address))
    return first == this


def _check_syns(ipv6: bool) -> None:
    """Each forged SYN is there, once, and no two from the same address."""
    sources = [event["remote_addr"] for event in Recording(FILE).events("syn")]
    forged = [source for source in sources if _is_forged(source, ipv6)]
    assert len(forged) == len(set(forged)) == part(SYNS), (len(forged), len(set(forged)))


def _check_counted(cookies: int, ipv6: bool) -> None:
    with Recorder(ROOM) as it, _stage(ipv6, cookies) as hosts:
        before = memory.check()
        free = memory.of_the_kernel("MemAvailable")
        with Saved(FILE) as saved:
            began = time.monotonic()
            visits = _flood(hosts, ipv6, served=bool(cookies))
            took = time.monotonic() - began
            assert memory.check() == before
            used = free - memory.of_the_kernel("MemAvailable")
            sockets.wait_for_none(only=sockets.SYN_RECV)
            assert _visit(ipv6), "nobody is served after the flood"
            sockets.wait_for_none(but=(sockets.LISTEN, sockets.TIME_WAIT))
            witnesses = {host: counters.steady_witness(hosts, host)
                         for host in (CLIENT, SERVER)}
        comment(saved.said.strip())
        assert not saved.lost
        assert not cookies or visits, "no real client was served during the flood"
        sums = counters.compare(it.schema, Recording(FILE).events(*counters.KINDS),
                                hosts, witnesses, saved.missed)
        _check_syns(ipv6)
    comment(f"{part(SYNS)} SYNs in {took:.1f} s, {saved.read} events; {visits} real "
            f"clients meanwhile; module {before >> 20} MiB throughout, the guest "
            f"{used >> 20} MiB less free")
    comment(f"agree: {counters.in_words(sums)}")
    refused, sent = sums["TcpExtTCPReqQFullDrop"], sums["TcpExtSyncookiesSent"]
    assert (sent > part(SYNS) / 2) if cookies else (refused > part(SYNS) / 2), sums


def test_flood_with_cookies() -> None:
    """100,000 forged SYNs, cookies on: each is counted, real clients are served meanwhile"""
    _check_counted(1, False)


def test_flood_without_cookies() -> None:
    """100,000 forged SYNs, cookies off: each is counted, a real client is served right after"""
    _check_counted(0, False)


def test_flood_ipv6() -> None:
    """100,000 forged SYNs over IPv6, cookies on: each is counted, real clients are served meanwhile"""
    _check_counted(1, True)


def test_flood_over_a_small_ring() -> None:
    """A ring of 64 records in a flood: each reader is told of every event it missed"""
    with Recorder("ring_records=64"), _stage(False, 1) as hosts:
        before = memory.check()
        with Saved() as one, Saved() as other:
            with one.asleep():
                _flood(hosts, False, served=True)
            assert memory.check() == before
    for saved in (one, other):
        comment(f"{saved.read} read + {saved.lost} lost")
    assert one.read and one.lost > part(SYNS), one.said
    assert other.read, other.said
