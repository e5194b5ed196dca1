# SPDX-License-Identifier: GPL-2.0
"""Segments made by hand, for what no kernel sends of its own accord.

Layouts: RFC 9293 section 3.1, RFC 791 and RFC 8200 for the pseudo headers,
RFC 1071 for the checksum.
"""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import NamedTuple

from endpoints import address_of, family_of, inside
from hosts import CLIENT, SERVER

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
NEXT_HEADER_TCP = 6
ETH_P_ALL = 3
ETHERNET_BYTES = 14
IPV6_BYTES = 40


def checksum(data: bytes) -> int:
    """The Internet checksum."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _pseudo_header(ipv6: bool, source: str, destination: str, size: int) -> bytes:
    family = family_of(ipv6)
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    form = "!I3xB" if ipv6 else "!xBH"
    numbers = (size, NEXT_HEADER_TCP) if ipv6 else (NEXT_HEADER_TCP, size)
    return ends + struct.pack(form, *numbers)


class Segment(NamedTuple):
    """What stands in a TCP segment, ports left out."""

    seq: int
    ack: int = 0
    flags: int = ACK
    window: int = 65535
    options: bytes = b""                # padded here to whole words
    data: bytes = b""
    urgent: int = 0

    def packed(self, ipv6: bool, ends: tuple[str, str], ports: tuple[int, int],
               spoil: bool = False) -> bytes:
        """The bytes of the segment, its checksum right or spoilt."""
        options = self.options + bytes(-len(self.options) % 4)
        head = struct.pack("!HHIIBBHHH", *ports, self.seq % 2**32, self.ack % 2**32,
                           5 + len(options) // 4 << 4, self.flags, self.window,
                           0, self.urgent)
        whole = head + options + self.data
        right = checksum(_pseudo_header(ipv6, *ends, len(whole)) + whole)
        return whole[:16] + struct.pack("!H", right ^ spoil) + whole[18:]


def parse(packet: bytes) -> tuple[tuple[int, int], Segment] | None:
    """Ports and segment of an Ethernet frame, if it is TCP."""
    packet = packet[ETHERNET_BYTES:]
    if packet[0] >> 4 == 6:
        size, protocol = struct.unpack_from("!HB", packet, 4)
        body = packet[IPV6_BYTES:IPV6_BYTES + size]
    else:
        size, protocol = struct.unpack_from("!H", packet, 2)[0], packet[9]
        body = packet[(packet[0] & 15) * 4:size]
    if protocol != NEXT_HEADER_TCP:
        return None
    source, destination, seq, ack, offset, flags, window, _, urgent = (
        struct.unpack_from("!HHIIBBHHH", body))
    start = (offset >> 4) * 4
    return (source, destination), Segment(seq, ack, flags, window, body[20:start],
                                          body[start:], urgent)


class CraftedPeer:
    """A client that is no socket: it sends what it is told and hears the answers.

    The client's kernel knows nothing of it and would answer with RSTs; those who
    use it drop on the client what comes from the server's port (TwoHosts.drop).
    """

    def __init__(self, ipv6: bool, port: int, server_port: int) -> None:
        self.ipv6 = ipv6
        self.ends = address_of(CLIENT, ipv6), address_of(SERVER, ipv6)
        self.ports = port, server_port
        with inside(CLIENT):
            self.sender = socket.socket(family_of(ipv6), socket.SOCK_RAW,
                                        socket.IPPROTO_TCP)
            self.hearer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                        socket.htons(ETH_P_ALL))
        self.hearer.bind(("wire", ETH_P_ALL))
        self.hearer.settimeout(60)

    def __enter__(self) -> CraftedPeer:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.sender.close()
        self.hearer.close()

    def send(self, segment: Segment, spoil: bool = False) -> None:
        """Put a segment on the wire."""
        self.sender.sendto(segment.packed(self.ipv6, self.ends, self.ports, spoil),
                           (self.ends[1], 0))

    def hear(self, flags: int = 0) -> Segment:
        """The next segment from the server that has all these flags."""
        while True:
            heard = parse(self.hearer.recv(65536))
            if (heard and heard[0] == self.ports[::-1]
                    and heard[1].flags & flags == flags):
                return heard[1]

    def shake_hands(self, isn: int, options: bytes = b"", window: int = 65535,
                    flags: int = SYN) -> Segment:
        """Open a connection; returns the server's SYN-ACK."""
        self.send(Segment(isn, flags=flags, options=options, window=window))
        answer = self.hear(SYN | ACK)
        self.send(Segment(isn + 1, answer.seq + 1, window=window))
        return answer
