# SPDX-License-Identifier: GPL-2.0
"""Rules on SYNs for ports where nobody listens, and on those that TCP never got.

The host answers the former with a RST, and neither has a connection.  A client with a
wrong port, or a server that is not running, makes a few ports of these; a scan makes
many, and then its ports are not told one by one.  The latter passed IP, and most likely
the firewall's input chain dropped them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..ring.schema import Event
from ..tcp.sequence import ACK, SYN
from ..views.arrivals import UnheardSyns
from ..views.gaps import Gaps
from ..words import address, local_endpoint, often, plural
from .finding import LET_IN, NOTEWORTHY, Clock, Finding, Subject

# Ports of one address that are told one by one, and kept at all.
FEW_PORTS = 8
MOST_PORTS = 10_000
MOST_PEERS = 100


@dataclass(slots=True)
class Port:
    """What came for one closed port."""

    netns: int
    local: str
    first_ns: int
    syns: int = 0
    last_ns: int = 0
    peers: set[str] = field(default_factory=set)


class Ports:
    """SYNs of no connection, by where they were to go."""

    def __init__(self, which: str) -> None:
        self._which = which
        self._ports: dict[tuple[int, bytes], dict[int, Port]] = {}
        self._kept = 0
        self._has_more: set[tuple[int, bytes]] = set()
        self.syns_left_out = 0

    def add(self, event: Event) -> None:
        """The next SYN, or what answers it."""
        host = event["netns"], event["local_addr"]
        port = self._ports.get(host, {}).get(event["local_port"])
        if port is None:
            if self._kept >= MOST_PORTS:
                self._leave_out(host)
                return
            self._kept += 1
            port = self._ports.setdefault(host, {})[event["local_port"]] = Port(
                event["netns"], local_endpoint(event), event["time_ns"])
        port.syns += 1
        port.last_ns = event["time_ns"]
        if len(port.peers) < MOST_PEERS:
            port.peers.add(address(event["remote_addr"]))

    def _leave_out(self, host: tuple[int, bytes]) -> None:
        self.syns_left_out += 1
        if host in self._ports:
            self._has_more.add(host)

    def clear(self) -> None:
        """Forget them all."""
        self._ports.clear()
        self._has_more.clear()
        self._kept = self.syns_left_out = 0

    def left_out(self) -> list[str]:
        """A line on what came for ports that are not kept; none if all are."""
        if not self.syns_left_out:
            return []
        return [f"{plural(self.syns_left_out, 'SYN')} for more {self._which} left out: too "
                f"many ports to keep (at most {MOST_PORTS})"]

    def hosts(self) -> Iterator[tuple[list[Port], bool]]:
        """The ports of each address, and whether there are more that are not kept."""
        for host, ports in self._ports.items():
            yield list(ports.values()), host in self._has_more


class ClosedPorts(Ports):
    """Feed it events of no connection."""

    def __init__(self) -> None:
        super().__init__("closed ports")

    def feed(self, event: Event) -> None:
        """The next RST that was sent."""
        flags = event["seg_flags"]
        if not event["cookie"] and flags & SYN and not flags & ACK:
            self.add(event)  # a SYN that asks for a connection

    def findings(self, clock: Clock) -> Iterator[Finding]:
        """Each port, or each address with many of them."""
        for every, has_more in self.hosts():
            if len(every) <= FEW_PORTS:
                yield from (_one(port, clock) for port in every)
            else:
                yield _many(every, has_more)


class UnheardPorts(Ports):
    """Feed it what tells of SYNs; it tells of those that TCP never got."""

    def __init__(self, gaps: Gaps) -> None:
        super().__init__("ports behind a firewall")
        self._syns = UnheardSyns(gaps, self.add, self.clear)

    def feed(self, event: Event) -> None:
        """The next event of a kind of SYN_KINDS."""
        self._syns.feed(event)

    def findings(self, clock: Clock) -> Iterator[Finding]:
        """Each port, or each address with many of them."""
        if not self._syns.end(clock.end_ns):
            return
        for every, has_more in self.hosts():
            ports = [[port] for port in every] if len(every) <= FEW_PORTS else [every]
            for some in ports:
                yield _unheard(some, has_more and len(some) > 1, clock)


def _peers(ports: list[Port]) -> str:
    peers = sorted(set().union(*(port.peers for port in ports)))
    more = f" and {len(peers) - 3} more" if len(peers) > 3 else ""
    return f"from {', '.join(peers[:3])}{more}"


def _one(port: Port, clock: Clock) -> Finding:
    subject = Subject(0, port.netns, port.local, "*:*", is_listener=True)
    return Finding(
        "closed-port", NOTEWORTHY, subject,
        f"connects were refused {often(port.syns)} with a RST: nobody listens on "
        f"{port.local}, or not for the interface they came by", "nobody listens there",
        (f"{clock.at(port.first_ns)} the first SYN, "
         f"{clock.at(port.last_ns)} the last, {_peers([port])}",),
        "is the server running, and on this port? ss -ltn", port.first_ns)


def _many(ports: list[Port], has_more: bool) -> Finding:
    host = ports[0].local.rpartition(":")[0]
    first = min(ports, key=lambda port: port.first_ns)
    subject = Subject(0, ports[0].netns, f"{host}:*", "*:*", is_listener=True)
    at_least = "at least " if has_more else ""
    some = ", ".join(port.local.rpartition(":")[2] for port in ports[:FEW_PORTS])
    return Finding(
        "closed-port", NOTEWORTHY, subject,
        f"connects to {at_least}{plural(len(ports), 'port')} of {host} were refused "
        f"{at_least}{often(sum(port.syns for port in ports))} with a RST, as nobody listens "
        "there: a scan, or a client that has lost its way",
        "nobody listens there", (f"ports {some}, ...; {_peers(ports)}",),
        "a firewall rule stops a scan: nft list ruleset", first.first_ns)


def _unheard(ports: list[Port], has_more: bool, clock: Clock) -> Finding:
    first_ns = min(port.first_ns for port in ports)
    last_ns = max(port.last_ns for port in ports)
    local = ports[0].local
    if len(ports) > 1:
        local = f"{local.rpartition(':')[0]}:*"
    count = sum(port.syns for port in ports)
    at_least = "at least " if has_more else ""
    of_ports = f" ({at_least}{plural(len(ports), 'port')})" if len(ports) > 1 else ""
    return Finding(
        "syns-unheard", NOTEWORTHY, Subject(0, ports[0].netns, local, "*:*", is_listener=True),
        f"{at_least}{plural(count, 'SYN')} for {local}{of_ports} passed IP and never reached "
        "TCP: dropped here, most likely by the firewall's input chain; or IPVS or SYNPROXY "
        "took them", "dropped here before TCP, most likely by the input firewall",
        (f"{clock.at(first_ns)} the first SYN, {clock.at(last_ns)} the last, {_peers(ports)}",
         "no listener got them, no RST answered them"),
        f"{LET_IN}ipvsadm -Ln; a socket filter, MD5 or AO", first_ns)
