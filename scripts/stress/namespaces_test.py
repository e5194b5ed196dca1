# SPDX-License-Identifier: GPL-2.0
"""Network namespaces that vanish in the midst of what their connections do.

Each round makes two hosts, brings connections of both families into one of the
stages below, and takes everything away at once: wires, sockets, namespaces. Every
segment is recorded, so a netfilter hook of ours is in each namespace.

Whether a namespace is really gone, with its last reference, the kernel tells by its
own limit: it counts them down only then. The limit is set so low that a round in a
hundred that leaves one behind would be noticed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import endpoints
import lives
import sockets
from endpoints import FAMILIES, PORT
from hosts import CLIENT, SERVER, TwoHosts, run
from ktap_output import comment
from measure import part
from recorder import Recorder, wait_until
from renoscope_lib.ring.schema import Schema
from saved import Recording, Saved

ROUNDS = 200
FILE = Path("/tmp/namespaces.renoscope")
LIMIT = Path("/proc/sys/user/max_net_namespaces")
HOSTS = 2
# Namespaces are taken down by a worker, in batches; so many may be on their way.
ON_THEIR_WAY = 6
GOING_S = 300
AGAIN_S = 1.0
NONBLOCKING_BYTES = 200_000

Stage = Callable[[TwoHosts, bool, ExitStack], None]


def _half_open(ipv6: bool, stack: ExitStack) -> None:
    """A request whose SYN-ACKs do not arrive, and a client that has no answer."""
    stack.enter_context(endpoints.listen(SERVER, ipv6))
    client = stack.enter_context(endpoints.tcp_socket(CLIENT, ipv6))
    client.setblocking(False)
    before = sockets.states(SERVER).count(sockets.SYN_RECV)
    client.connect_ex((endpoints.address_of(SERVER, ipv6), PORT))
    wait_until("a request", lambda: sockets.states(SERVER).count(
        sockets.SYN_RECV) > before)


def mid_handshake(hosts: TwoHosts, ipv6: bool, stack: ExitStack) -> None:
    """Half-open on one side, SYN-SENT on the other."""
    if not ipv6:
        hosts.drop(CLIENT, f"tcp sport {PORT}")
    _half_open(ipv6, stack)


def mid_transfer(hosts: TwoHosts, ipv6: bool, stack: ExitStack) -> None:
    """Data on its way and in the queues, of which nobody reads the end."""
    pair = stack.enter_context(endpoints.connected(ipv6))
    pair.client.setblocking(False)
    try:
        pair.client.sendall(bytes(NONBLOCKING_BYTES))
    except BlockingIOError:
        pass
    pair.server.recv(10_000)


def in_time_wait(hosts: TwoHosts, ipv6: bool, stack: ExitStack) -> None:
    """TIME-WAIT on one side, and FIN-WAIT-2 of another connection."""
    with endpoints.connected(ipv6) as pair:
        pair.client.close()
        assert not pair.server.recv(1)
    pair = stack.enter_context(endpoints.connected(ipv6, port=PORT + 1))
    pair.client.close()
    assert not pair.server.recv(1)


STAGES: tuple[Stage, ...] = (mid_handshake, mid_transfer, in_time_wait)


def _rounds() -> int:
    """Each stage at least twice: sockets go before the namespace, and after it."""
    return part(ROUNDS, least=2 * len(STAGES))


def _build() -> TwoHosts:
    hosts = TwoHosts(delay_ms=2)
    hosts.__enter__()
    for host in (CLIENT, SERVER):
        # Sockets that nobody holds any more hold their namespace, so give up soon.
        hosts.sysctl(host, "net.ipv4.tcp_orphan_retries=1")
    return hosts


def _is_over_the_limit(error: Exception) -> bool:
    return "No space left on device" in str(error)


def _hosts_within_limit() -> TwoHosts:
    """Two new hosts, as soon as the limit lets them be."""
    deadline = time.monotonic() + GOING_S
    while True:
        try:
            return _build()
        except RuntimeError as error:
            if not _is_over_the_limit(error) or time.monotonic() > deadline:
                raise
        # The one that was made in vain must go first, too.
        time.sleep(AGAIN_S)


def _take_away(sockets_first: bool, stack: ExitStack) -> None:
    """Names, wires and sockets, in this order or the other one."""
    if sockets_first:
        stack.close()
    for host in (CLIENT, SERVER):
        run("ip", "netns", "del", host)
    stack.close()


def _round(number: int) -> set[int]:
    """One; the inodes of its namespaces."""
    hosts = _hosts_within_limit()
    with ExitStack() as stack:
        for ipv6 in FAMILIES:
            STAGES[number % len(STAGES)](hosts, ipv6, stack)
        inodes = {hosts.inode(host) for host in (CLIENT, SERVER)}
        _take_away(bool(number // len(STAGES) % 2), stack)
    return inodes


def test_vanishing_namespaces() -> None:
    """Namespaces vanish 200 times, mid-handshake, mid-transfer, in TIME-WAIT: all references go"""
    before = LIMIT.read_text()
    LIMIT.write_text(str(HOSTS + ON_THEIR_WAY))
    inodes: set[int] = set()
    try:
        with Recorder("ring_records=65536", "events=all") as it:
            with Saved(FILE) as saved:
                for number in range(_rounds()):
                    inodes |= _round(number)
                LIMIT.write_text(str(HOSTS))
                last = _hosts_within_limit()
            last.__exit__(None, None, None)
        assert not saved.lost, saved.said
        _check_lives(it.schema, inodes)
    finally:
        LIMIT.write_text(before)
    comment(f"{_rounds()} rounds, {saved.read} events, none lost")


def _check_lives(schema: Schema, inodes: Iterable[int]) -> None:
    """Of every connection in them the end is recorded, too."""
    seen = lives.Lives(schema)
    for event in Recording(FILE).events(*lives.KINDS):
        if event["netns"] in inodes:
            seen.add(event)
    comment(f"each with its end: {seen.check()}")
