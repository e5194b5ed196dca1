# SPDX-License-Identifier: GPL-2.0
"""What a network namespace is, for somebody who has only its number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from ..ring.schema import Event, Schema
from ..words import address
from .flows import is_passive
from .segments import has_socket, is_received
from .sequence import ACK, SYN
from .tcp_states import SYNCHRONIZED

# Told of one namespace, the first ones.
FEW = 2

T = TypeVar("T")


@dataclass(slots=True)
class _Namespace:
    addresses: dict[str, None] = field(default_factory=dict)
    listens_on: dict[int, None] = field(default_factory=dict)
    connects: bool = False


def _add(kept: dict[T, None], one: T) -> None:
    """One more, and one too many so that it shows that there are more."""
    if len(kept) <= FEW:
        kept[one] = None


def _few(kept: dict[T, None]) -> str:
    words = list(map(str, kept))
    return ", ".join(words[:FEW]) + (" ..." if len(words) > FEW else "")


class Namespaces:
    """Show it segment events; it says whose address and listener each one is."""

    def __init__(self, schema: Schema, most: int) -> None:
        self._schema = schema
        self._synchronized = schema.numbers_of("state", *SYNCHRONIZED)
        self._most = most
        self._known: dict[int, _Namespace] = {}

    def see(self, event: Event) -> None:
        """The next segment event."""
        netns = event["netns"]
        if netns not in self._known:
            if len(self._known) >= self._most:
                return
            self._known[netns] = _Namespace()
        place = self._known[netns]
        _add(place.addresses, address(event["local_addr"]))
        by_peer = self._is_passive(event)
        if by_peer:
            _add(place.listens_on, event["local_port"])
        elif by_peer is not None:
            place.connects = True

    def _is_passive(self, event: Event) -> bool | None:
        """Whether its connection was opened by the peer; None if it does not tell."""
        flags = event["seg_flags"]
        if flags & SYN:
            return is_received(event) != bool(flags & ACK)
        # A small sock, of FIN-WAIT-2 without a process, has no cwnd, and no such flag.
        if event["state"] in self._synchronized and has_socket(event) and event["cwnd"]:
            return is_passive(self._schema, event)
        return None

    def words(self, netns: int) -> str:
        """`4026532158 (10.0.0.2, its listener 9000)`."""
        place = self._known.get(netns)
        if place is None:
            return str(netns)
        parts = [_few(place.addresses)]
        if place.listens_on:
            noun = "listener" if len(place.listens_on) == 1 else "listeners"
            parts.append(f"its {noun} {_few(place.listens_on)}")
        if place.connects:
            parts.append("and clients" if place.listens_on else "a client")
        return f"{netns} ({', '.join(parts)})"
