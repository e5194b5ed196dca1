# SPDX-License-Identifier: GPL-2.0
"""From a segment event back to the headers that were on the wire.

What the record has is set as it has it: addresses, ports, numbers, flags, window,
urgent pointer, MSS, window scale, SACK, timestamps, and the header's length.  What it
does not have gets the plainest value: IP's TTL is 64, its identification, TOS and
ECN bits are 0.  Options stand in the order that Linux gives them.  The lengths count
the payload, which is not there; so a TCP checksum can be right only without one, and
is 0 otherwise, which readers do not judge as the packet is cut off behind its headers.

Headers that contradict themselves came from somebody who wanted that, and what is
left of them here cannot be them: then a note says what is different.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..ring.schema import Event
from .segments import OUTGOING, sack_blocks

# segment_flags of event_fields.h, which recordings keep.
MSS, WSCALE, SACK_PERMITTED, TIMESTAMPS, FASTOPEN, OTHER = (
    0x02, 0x04, 0x08, 0x10, 0x20, 0x40)

NOP = b"\x01"
TCP_PROTOCOL = 6
TCP_BYTES, IPV4_BYTES = 20, 20
LEAST_WORDS, MOST_WORDS = 5, 15  # of a TCP header
MOST_IP_BYTES = 65535

# Not in the record: what Linux sends unless told otherwise.
TTL = 64
DONT_FRAGMENT = 0x4000


class Packet(NamedTuple):
    """Its headers, its length with the payload, and what is not as it was."""

    headers: bytes
    original_bytes: int
    notes: list[str]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _option(kind: int, value: bytes) -> bytes:
    return struct.pack("BB", kind, 2 + len(value)) + value


def _options(event: Event) -> list[tuple[str, bytes]]:
    """The options that the record has, with names, in Linux's order."""
    flags = event["segment_flags"]
    blocks = sack_blocks(event)
    options = []
    if flags & MSS:
        options.append(("MSS", _option(2, struct.pack("!H", event["option_mss"]))))
    if flags & SACK_PERMITTED:
        options.append(("SACK permitted", _option(4, b"")))
    if flags & TIMESTAMPS and len(blocks) < 4:
        options.append(("timestamps", _option(8, struct.pack(
            "!II", event["tsval"], event["tsecr"]))))
    if flags & WSCALE:
        options.append(("window scale", _option(3, bytes([event["option_wscale"]]))))
    if blocks:
        options.append(("SACK", _option(5, b"".join(
            struct.pack("!II", *block) for block in blocks))))
    return options


def _aligned(options: list[tuple[str, bytes]]) -> bytes:
    """With NOPs before them where Linux has some; SACK permitted needs none before
    timestamps, as the two fill three words."""
    laid = b""
    for place, (name, option) in enumerate(options):
        follows = options[place + 1][0] if place + 1 < len(options) else ""
        together = name == "SACK permitted" and follows == "timestamps"
        size = len(option) + (len(options[place + 1][1]) if together else 0)
        if len(laid) % 4 == 0:
            laid += NOP * (-size % 4)
        laid += option
    return laid


def _options_within(event: Event, room: int) -> tuple[bytes, list[str]]:
    """Just so many bytes of options, and notes on what is not as it was."""
    options, notes = _options(event), []
    laid = _aligned(options)
    if len(laid) > room:
        laid = b"".join(option for _name, option in options)
    while len(laid) > room:
        notes.append(f"no room for its option {options.pop()[0]}")
        laid = b"".join(option for _name, option in options)
    if event["segment_flags"] & FASTOPEN:
        notes.append("its Fast Open option was not recorded and is not shown")
    if event["segment_flags"] & OTHER:
        notes.append("an option that was not recorded is not shown")
    return laid + NOP * (room - len(laid)), notes


def _tcp(event: Event, words: int, options: bytes) -> bytes:
    ports = event["local_port"], event["remote_port"]
    if not event["segment_flags"] & OUTGOING:
        ports = ports[::-1]
    return struct.pack(
        "!HHIIBBHHH", *ports, event["seg_seq"], event["seg_ack"], words << 4,
        event["seg_flags"], event["seg_window"], 0, event["urgent_pointer"]) + options


def _with_checksum(source: bytes, dest: bytes, tcp: bytes) -> bytes:
    pseudo = source + dest + struct.pack("!IHBB", len(tcp), 0, 0, TCP_PROTOCOL)
    return tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]


def _ipv4(source: bytes, dest: bytes, total: int) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, total, 0, DONT_FRAGMENT, TTL,
                         TCP_PROTOCOL, 0) + source + dest
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def packet_of(event: Event) -> Packet:
    """The packet that a segment event tells of."""
    words = min(max(event["header_words"], LEAST_WORDS), MOST_WORDS)
    options, notes = _options_within(event, 4 * words - TCP_BYTES)
    if words != event["header_words"]:
        notes.append(f"its data offset said {event['header_words']} words")
    tcp = _tcp(event, words, options)
    source, dest = event["local_addr"], event["remote_addr"]
    if not event["segment_flags"] & OUTGOING:
        source, dest = dest, source
    is_ipv6 = event["family"] == 6
    if not is_ipv6:
        source, dest = source[-4:], dest[-4:]
    if not event["seg_len"]:
        tcp = _with_checksum(source, dest, tcp)
    room = MOST_IP_BYTES - len(tcp) - (0 if is_ipv6 else IPV4_BYTES)
    length = min(event["seg_len"], room)
    if length < event["seg_len"]:
        notes.append(f"its payload is {event['seg_len']} bytes, more than an IP header "
                     "can say")
    if is_ipv6:
        ip = struct.pack("!IHBB", 6 << 28, len(tcp) + length, TCP_PROTOCOL, TTL) + source + dest
    else:
        ip = _ipv4(source, dest, IPV4_BYTES + len(tcp) + length)
    return Packet(ip + tcp, len(ip) + len(tcp) + length, notes)
