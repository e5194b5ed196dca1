# SPDX-License-Identifier: GPL-2.0
"""The pcapng file format, as far as it takes to write packets with comments.

	section header, then for each interface a description before its first packet,
	then packets: block type, length, body, length again; options at a body's end

Source: draft-ietf-opsawg-pcapng. Numbers are little-endian, times nanoseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

SECTION_HEADER, INTERFACE, ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D  # written as the other numbers are, it tells their order
LINKTYPE_RAW = 101  # an IPv4 or IPv6 header comes first

END_OF_OPTIONS, COMMENT = 0, 1
SECTION_HARDWARE, SECTION_OS, SECTION_APPLICATION = 2, 3, 4
INTERFACE_NAME, INTERFACE_DESCRIPTION, TIME_RESOLUTION = 2, 3, 9
PACKET_FLAGS = 2
INBOUND, OUTBOUND = 1, 2

# An option's length has 16 bits, and a time is two words of 32.
MOST_OPTION_BYTES = 65000
MOST_TIME = 1 << 64

OptionList = list[tuple[int, bytes]]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(options: OptionList) -> bytes:
    if not options:
        return b""
    parts = [struct.pack("<HH", code, len(value)) + _padded(value)
             for code, value in options]
    return b"".join(parts) + struct.pack("<HH", END_OF_OPTIONS, 0)


def _text(text: str) -> bytes:
    """As an option has it: UTF-8, and not too long for one."""
    return text.encode(errors="replace")[:MOST_OPTION_BYTES]


class PcapngWriter:
    """Blocks in their order; `write` must take all it is given."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self.interfaces = 0

    def _block(self, type_: int, body: bytes) -> None:
        length = 12 + len(body)
        self._write(struct.pack("<II", type_, length) + body
                    + struct.pack("<I", length))

    def begin(self, machine: str, system: str, application: str) -> None:
        """The section header, once."""
        self._block(SECTION_HEADER, struct.pack(
            "<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1) + _options([
                (SECTION_HARDWARE, _text(machine)), (SECTION_OS, _text(system)),
                (SECTION_APPLICATION, _text(application))]))

    def interface(self, name: str, description: str) -> int:
        """One place that packets are seen at; the number packets name it by."""
        self._block(INTERFACE, struct.pack("<HHI", LINKTYPE_RAW, 0, 0) + _options([
            (INTERFACE_NAME, _text(name)), (INTERFACE_DESCRIPTION, _text(description)),
            (TIME_RESOLUTION, b"\x09")]))
        self.interfaces += 1
        return self.interfaces - 1

    def packet(self, interface: int, time_ns: int, data: bytes, original_bytes: int,
               is_outbound: bool, comments: Iterable[str]) -> None:
        """One packet, of which `data` is the beginning."""
        time_ns %= MOST_TIME
        options = [(COMMENT, _text(comment)) for comment in comments]
        options.append((PACKET_FLAGS, struct.pack(
            "<I", OUTBOUND if is_outbound else INBOUND)))
        self._block(ENHANCED_PACKET, struct.pack(
            "<IIIII", interface, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data),
            original_bytes) + _padded(data) + _options(options))
