# SPDX-License-Identifier: GPL-2.0
"""A client whose segments are made by hand, for what no kernel sends of its own accord.

It has the client's own address. The client's kernel knows nothing of it and would
answer with RSTs; those who use it drop on the client what comes from the server's port
(TwoHosts.drop).
"""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple

import raw_tcp
from endpoints import address_of
from hosts import CLIENT, SERVER
from raw_tcp import ACK, SYN, Wire, flag_names


class Segment(NamedTuple):
    """What stands in a TCP segment, its two ends left out."""

    seq: int
    ack: int = 0
    flags: int = ACK
    window: int = 65535
    options: bytes = b""                # padded on the wire to whole words
    data: bytes = b""
    urgent: int = 0


class CraftedPeer:
    """A client that is no socket: it sends what it is told and hears the answers."""

    def __init__(self, ipv6: bool, port: int, server_port: int) -> None:
        self._wire = Wire(CLIENT)
        self._here = address_of(CLIENT, ipv6), port
        self._there = address_of(SERVER, ipv6), server_port
        self._heard = 0

    def __enter__(self) -> CraftedPeer:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._wire.close()

    def send(self, segment: Segment, spoil: bool = False) -> None:
        """Put a segment on the wire, its checksum right or spoilt."""
        self._wire.forge(raw_tcp.Segment(*self._here, *self._there, **segment._asdict()),
                         spoil)

    def hear(self, flags: int = 0) -> Segment:
        """The next segment from the server that has all these flags."""
        ends = (*self._there, *self._here)
        number = self._wire.wait(f"{flag_names(flags)} to a segment by hand", lambda heard: (
            heard.ends == ends and heard.flags & flags == flags), self._heard)
        self._heard = number + 1
        heard = self._wire.segments()[number]
        return Segment(*(getattr(heard, name) for name in Segment._fields))

    def shake_hands(self, isn: int, options: bytes = b"", window: int = 65535,
                    flags: int = SYN) -> Segment:
        """Open a connection; returns the server's SYN-ACK."""
        self.send(Segment(isn, flags=flags, options=options, window=window))
        answer = self.hear(SYN | ACK)
        self.send(Segment(isn + 1, answer.seq + 1, window=window))
        return answer
