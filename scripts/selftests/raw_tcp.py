# SPDX-License-Identifier: GPL-2.0
"""TCP segments by hand: a wire to watch and write on, and a peer made of them.

     wire   everything that passes a host's interface, seen from outside TCP;
            whatever is forged on it the other host takes for real
    Ghost   one end of a connection at an address that no host has.  No kernel
            answers for it, so it can do what a well-bred one would never do:
            keep silent, send a FIN and an ACK as it likes, a RST in any state.

No packet is filtered or delayed for this: the ghosts' network is routed to the
client, which forwards nothing.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from hosts import TwoHosts
from inside import inside

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
NAMES = {FIN: "FIN", SYN: "SYN", RST: "RST", PSH: "PSH", ACK: "ACK", URG: "URG",
         ECE: "ECE", CWR: "CWR"}

GHOST_NETS = {4: "10.99.0.0/16", 6: "fd99::/64"}
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
PATIENCE_S = 60.0
_HEADER = struct.Struct("!HHIIBBHHH")


def flag_names(flags: int) -> str:
    """`SYN+ACK`."""
    return "+".join(name for bit, name in NAMES.items() if flags & bit) or "none"


def family_of(address: str) -> int:
    """4 or 6."""
    return ipaddress.ip_address(address).version


def packed(address: str) -> bytes:
    """16 bytes, as records have it."""
    prefix = "::ffff:" if family_of(address) == 4 else ""
    return ipaddress.IPv6Address(prefix + address).packed


def checksum(data: bytes) -> int:
    """The Internet checksum, RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


@dataclass(frozen=True)
class Segment:
    """One TCP segment with its addresses."""

    source: str
    source_port: int
    dest: str
    dest_port: int
    seq: int
    ack: int
    flags: int
    data: bytes = b""
    window: int = 65535
    options: bytes = b""
    urgent: int = 0

    @property
    def length(self) -> int:
        """The sequence numbers it takes."""
        return len(self.data) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def ends(self) -> tuple[str, int, str, int]:
        """From where to where."""
        return self.source, self.source_port, self.dest, self.dest_port

    def __str__(self) -> str:
        return (f"{self.source}.{self.source_port} > {self.dest}.{self.dest_port}"
                f" {flag_names(self.flags)} seq {self.seq} ack {self.ack}"
                f" len {len(self.data)}")

    def packet(self, spoil: bool = False) -> bytes:
        """The whole IP packet."""
        return _ip_header(self.source, self.dest, socket.IPPROTO_TCP,
                          payload := self.tcp(spoil)) + payload

    def tcp(self, spoil: bool = False) -> bytes:
        """The segment alone, its checksum right or spoilt."""
        options = self.options + b"\0" * (-len(self.options) % 4)
        head = _HEADER.pack(self.source_port, self.dest_port, self.seq % 2**32,
                            self.ack % 2**32, (20 + len(options)) << 2,
                            self.flags, self.window, 0, self.urgent)
        text = head + options + self.data
        ends = b"".join(ipaddress.ip_address(a).packed
                        for a in (self.source, self.dest))
        check = checksum(ends + struct.pack("!II", len(text), socket.IPPROTO_TCP)
                         + text)
        return text[:16] + struct.pack("!H", check ^ spoil) + text[18:]


def _ip_header(source: str, dest: str, protocol: int, payload: bytes) -> bytes:
    ends = b"".join(ipaddress.ip_address(a).packed for a in (source, dest))
    if family_of(source) == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + ends
    # the kernel fills in length and checksum
    return struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, protocol, 0) + ends


def parse(packet: bytes) -> Segment | None:
    """The segment in an IP packet, None if it is not TCP."""
    if packet[0] >> 4 == 4:
        start, protocol, end = (packet[0] & 15) * 4, packet[9], int.from_bytes(
            packet[2:4], "big")
        source, dest = packet[12:16], packet[16:20]
    else:
        start, protocol, end = 40, packet[6], 40 + int.from_bytes(packet[4:6], "big")
        source, dest = packet[8:24], packet[24:40]
    if protocol != socket.IPPROTO_TCP:
        return None
    (source_port, dest_port, seq, ack, offset, flags, window, _check,
     urgent) = _HEADER.unpack_from(packet, start)
    data_start = start + (offset >> 4) * 4
    return Segment(str(ipaddress.ip_address(source)), source_port,
                   str(ipaddress.ip_address(dest)), dest_port, seq, ack, flags,
                   packet[data_start:end], window, packet[start + 20:data_start],
                   urgent)


class Wire:
    """A host's interface: what passes it, in order, and a pen to write on it."""

    def __init__(self, host: str) -> None:
        with inside(host):
            self._tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                      socket.htons(ETH_P_ALL))
            self._pens = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                           socket.IPPROTO_RAW),
                          6: socket.socket(socket.AF_INET6, socket.SOCK_RAW,
                                           socket.IPPROTO_RAW)}
            self._tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
            self._tap.bind(("wire", ETH_P_ALL))
        self._tap.setblocking(False)
        self._seen: list[Segment] = []

    def close(self) -> None:
        """Stop watching."""
        for sock in (self._tap, *self._pens.values()):
            sock.close()

    def segments(self) -> list[Segment]:
        """Every segment so far, both ways."""
        while True:
            try:
                packet = self._tap.recv(65536)
            except BlockingIOError:
                return self._seen
            segment = parse(packet)
            if segment is not None:
                self._seen.append(segment)

    def between(self, one: tuple[str, int], other: tuple[str, int]) -> list[Segment]:
        """The segments of a connection, given its two ends, both ways."""
        ways = ((*one, *other), (*other, *one))
        return [s for s in self.segments() if s.ends in ways]

    def wait(self, what: str, fits: Callable[[Segment], bool],
             since: int = 0) -> int:
        """Wait for a segment, from the one numbered `since` on; its number."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            seen = self.segments()
            for number in range(since, len(seen)):
                if fits(seen[number]):
                    return number
            since = len(seen)
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE_S:.0f} s for {what}; last: "
                                   + "; ".join(map(str, seen[-6:])))
            time.sleep(0.005)

    def forge(self, segment: Segment, spoil: bool = False) -> None:
        """Put a segment on the wire, whoever it claims to be from."""
        self._pens[family_of(segment.source)].sendto(segment.packet(spoil),
                                                     (segment.dest, 0))

    def forge_unreachable(self, returned: Segment, source: str) -> None:
        """An ICMP error in the name of source: this one cannot be delivered.

        Of a kind that TCP takes for final: no such host, or not allowed.
        """
        family = family_of(source)
        protocol = socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6
        quoted = returned.packet()[:48 if family == 6 else 28]
        # host unreachable (type 3 code 1); administratively prohibited (type 1 code 1)
        kind = b"\x03\x01" if family == 4 else b"\x01\x01"
        if family == 4:
            quoted = quoted[:2] + struct.pack("!H", 40) + quoted[4:]
        body = kind + bytes(6) + quoted
        pseudo = b"" if family == 4 else b"".join(
            ipaddress.ip_address(a).packed for a in (source, returned.source)
        ) + struct.pack("!II", len(body), protocol)
        body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
        self._pens[family].sendto(
            _ip_header(source, returned.source, protocol, body) + body,
            (returned.source, 0))


def route_to_ghosts(hosts: TwoHosts) -> None:
    """Let the server believe that ghosts live behind the client."""
    for net in GHOST_NETS.values():
        hosts.route_to_nobody(net)


_ghost_numbers = itertools.count(1)


def ghost_address(family: int) -> str:
    """An address that no other ghost has."""
    net = ipaddress.ip_network(GHOST_NETS[family])
    return str(net[next(_ghost_numbers)])


class Ghost:
    """One end of a connection with a socket on the server, made of segments."""

    def __init__(self, wire: Wire, peer: tuple[str, int], port: int = 4000,
                 address: str = "", isn: int | None = None) -> None:
        self.wire = wire
        self.peer = peer
        self.address = address or ghost_address(family_of(peer[0]))
        self.port = port
        self.isn = int.from_bytes(os.urandom(4), "big") if isn is None else isn
        self.snd_nxt = self.isn
        self.rcv_isn = 0
        self.rcv_nxt = 0
        self._looked_at = len(wire.segments())

    def make(self, flags: int, data: bytes = b"", seq: int | None = None,
             ack: int | None = None, options: bytes = b"") -> Segment:
        """A segment of this end; what is not given is what TCP would put."""
        if ack is None:
            ack = self.rcv_nxt if flags & ACK else 0
        return Segment(self.address, self.port, *self.peer,
                       self.snd_nxt if seq is None else seq % 2**32,
                       ack % 2**32, flags, data, options=options)

    def send(self, flags: int, data: bytes = b"", seq: int | None = None,
             ack: int | None = None, options: bytes = b"") -> Segment:
        """Send a segment; one at an odd seq does not count as sent."""
        segment = self.make(flags, data, seq, ack, options)
        self.wire.forge(segment)
        if seq is None:
            self.snd_nxt = (self.snd_nxt + segment.length) % 2**32
        return segment

    def expect(self, flags: int) -> Segment:
        """The peer's next segment that has just these flags; it is taken in."""
        ends = (*self.peer, self.address, self.port)
        number = self.wire.wait(
            f"{flag_names(flags)} to ghost {self.address}",
            lambda s: s.ends == ends and s.flags & ~PSH == flags, self._looked_at)
        self._looked_at = number + 1
        segment = self.wire.segments()[number]
        if flags & SYN:
            self.rcv_isn = segment.seq
        if segment.length:
            self.rcv_nxt = (segment.seq + segment.length) % 2**32
        return segment

    def knock(self) -> Segment:
        """A SYN, and no more."""
        return self.send(SYN, options=b"\x02\x04\x05\xb4")

    def half_open(self) -> Segment:
        """SYN and SYN-ACK; returns the latter."""
        self.knock()
        return self.expect(SYN | ACK)

    def open(self) -> None:
        """The three segments, as a client."""
        self.half_open()
        self.send(ACK)

    def answer(self) -> None:
        """The three segments, as the server of a connecting socket."""
        self.expect(SYN)
        self.send(SYN | ACK, options=b"\x02\x04\x05\xb4")
        self.expect(ACK)

    def reset(self) -> None:
        """A RST that fits."""
        self.send(RST | ACK)
