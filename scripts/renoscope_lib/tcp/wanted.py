# SPDX-License-Identifier: GPL-2.0
"""Whom the user asked for, by port, id, address or namespace, and whether they are there."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..ring.schema import MARK, Event, Schema
from ..words import UNSET, address, connection, raw_address
from .flows import is_lost, is_of_recording
from .tcp_states import LISTEN

# Ids, or ports, told to somebody who has named none of them.
FEW = 8

# And addresses remembered for that: a flood has many.
MOST_ADDRESSES = 1000

# A listener has no peer.
NOBODY = "*:*"


class Ends(Protocol):
    """A connection as a view keeps it: its id, and both ends in words."""

    @property
    def cookie(self) -> int:
        """Its id."""

    @property
    def netns(self) -> int:
        """Its network namespace."""

    @property
    def local(self) -> str:
        """Our end."""

    @property
    def remote(self) -> str:
        """The peer's."""


class Listening(Protocol):
    """A listener as a view keeps it."""

    @property
    def netns(self) -> int:
        """Its network namespace."""

    @property
    def port(self) -> int:
        """Its port."""

    @property
    def address(self) -> str:
        """Its end, in words."""


class Network(NamedTuple):
    """Addresses that begin alike, of 128 bits: IPv4 is ::ffff:a.b.c.d."""

    words: str
    first: int
    mask: int

    @classmethod
    def of(cls, text: str) -> Network:
        """ADDR or ADDR/LEN; ValueError if it is neither."""
        network = ipaddress.ip_network(text, strict=False)
        unused = network.max_prefixlen - network.prefixlen
        mask = (1 << 128) - (1 << unused)
        raw = raw_address(network.network_address)
        return cls(text, int.from_bytes(raw, "big") & mask, mask)

    def has(self, raw: bytes | None) -> bool:
        """Whether the address is one of them; None is one that is not known."""
        return raw is not None and int.from_bytes(raw, "big") & self.mask == self.first


def _host(end: str) -> bytes | None:
    """The address of an end in words; None of the wildcard."""
    host = end.rpartition(":")[0].strip("[]")
    return None if host == "*" else raw_address(ipaddress.ip_address(host))


def _may_be(network: Network, listens_at: str) -> bool:
    """Whether a listener is at one of these addresses, or at every one."""
    host = _host(listens_at)
    return host is None or network.has(host)


@dataclass(frozen=True)
class Filter:
    """What the user asked to see.

    A connection id finds a listener's handshakes, too, and an address the listeners that
    are at every address.  A loss is always shown, and a
    mark unless other kinds were asked for: what is missing behind it is missing of
    every connection.
    """

    kinds: frozenset[str] | None = None
    port: int | None = None
    cookie: int | None = None
    network: Network | None = None
    netns: int | None = None

    def wants(self, event: Event) -> bool:
        """Whether the event is to be shown."""
        if is_lost(event):
            return True
        if self.kinds is not None and event.kind not in self.kinds:
            return False
        return event.kind == MARK or self.chooses(event)

    def chooses(self, event: Event) -> bool:
        """Whether the event is of a connection that was asked for."""
        if self.cookie is not None and self.cookie not in (
                event["cookie"], event.values.get("listener")):
            return False
        if self.netns is not None and event["netns"] != self.netns:
            return False
        if self.network is not None and not (self.network.has(event["local_addr"])
                                             or self.network.has(event["remote_addr"])):
            return False
        return self.port is None or self.port in (event["local_port"],
                                                  event["remote_port"])

    def includes(self, one: Ends) -> bool:
        """Whether a connection that a view keeps was asked for."""
        if self.cookie is not None and one.cookie != self.cookie:
            return False
        if self.netns is not None and one.netns != self.netns:
            return False
        if self.network is not None and not self._is_at(self.network, one):
            return False
        ports = (end.rpartition(":")[2] for end in (one.local, one.remote))
        return self.port is None or str(self.port) in ports

    @staticmethod
    def _is_at(network: Network, one: Ends) -> bool:
        if one.remote == NOBODY and one.local != NOBODY:
            return _may_be(network, one.local)
        return any(network.has(_host(end)) for end in (one.local, one.remote))

    def includes_listener(self, one: Listening) -> bool:
        """Whether a listener was asked for; by its id, who asks knows himself."""
        return (self.port in (None, one.port) and self.netns in (None, one.netns)
                and (self.network is None or _may_be(self.network, one.address)))

    @property
    def takes_all(self) -> bool:
        """Whether no connection was named."""
        return self == Filter(self.kinds)

    def words(self) -> Iterator[str]:
        """Each thing that was asked for."""
        if self.cookie is not None:
            yield connection(self.cookie)
        if self.port is not None:
            yield f"port {self.port}"
        if self.network is not None:
            yield f"address {self.network.words}"
        if self.netns is not None:
            yield f"network namespace {self.netns}"

    def none_seen(self, others: int, what: str = "connection") -> str:
        """What to say instead of an empty table: nothing there, or not that one."""
        if not others or self.takes_all:
            return f"No {what} was seen."
        asked = [] if self.cookie is None else [f"with the id {connection(self.cookie)}"]
        if self.port is not None:
            asked.append(f"with port {self.port}")
        if self.network is not None:
            asked.append(f"with an address of {self.network.words}")
        if self.netns is not None:
            asked.append(f"in the network namespace {self.netns}")
        were = "other was" if others == 1 else "others were"
        return f"No {what} {' and '.join(asked)} was seen; {others} {were}."


class ChoiceSeen:
    """Whether a connection that was asked for was seen, or how many others."""

    def __init__(self, wanted: Filter, schema: Schema | None = None) -> None:
        self._wanted = wanted
        self._listening = schema.numbers_of("state", LISTEN) if schema else []
        self._found = wanted.takes_all
        self._others: set[int] = set()
        self._ports: set[int] = set()
        self._services: set[int] = set()
        self._addresses: set[bytes] = set()
        self._namespaces: set[int] = set()

    def see(self, event: Event) -> None:
        """The next event, shown or not."""
        if self._found or is_of_recording(event):
            return
        if self._wanted.chooses(event):
            self._found = True
            self._others.clear()
            return
        self._ports.update((event["local_port"], event["remote_port"]))
        self._namespaces.add(event["netns"])
        if len(self._addresses) < MOST_ADDRESSES:
            self._addresses.update((event["local_addr"], event["remote_addr"]))
        if event["state"] in self._listening:
            self._services.add(event["local_port"])
        elif event["cookie"]:
            self._others.add(event["cookie"])

    def not_there(self) -> str:
        """What to say if there was none, and whom one could name; empty if there was one."""
        if self._found:
            return ""
        wanted = self._wanted
        return f"{' '.join(wanted.words())} was not seen" + (
            who_was(self._others) if wanted.cookie is not None
            else which(sorted(self._namespaces)) if wanted.netns is not None
            else which(sorted(map(address, self._addresses - set(UNSET))))
            if wanted.network is not None
            else which_ports(self._ports, self._services))


def who_was(cookies: Collection[int]) -> str:
    """Goes on from `was not seen`."""
    if not cookies:
        return ", nor was any connection"
    if len(cookies) > FEW:
        return f"; {len(cookies)} other ids were"
    return f"; these were: {', '.join(map(connection, sorted(cookies)))}"


def which_ports(ports: Collection[int], services: Collection[int] = ()) -> str:
    """The same of a port: those that somebody listens on come first."""
    return which(sorted(filter(None, ports), key=lambda port: (port not in services, port)))


def which(every: Sequence[object]) -> str:
    """The same of anything."""
    if not every:
        return ", nor was any connection"
    more = f" and {len(every) - FEW} more" if len(every) > FEW else ""
    return f"; these were: {', '.join(map(str, every[:FEW]))}{more}"


def chosen(options: argparse.Namespace) -> Filter:
    """Whom --port, --connection, --addr and --netns choose, where a command has them."""
    return Filter(None, *(getattr(options, name, None)
                          for name in ("port", "connection", "addr", "netns")))
