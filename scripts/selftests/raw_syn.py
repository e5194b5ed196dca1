#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""SYNs that nobody follows up, for a test's own network namespace.

    raw_syn.py SOURCES TARGET PORT COUNT

Sends COUNT SYNs (4096 at most) to TARGET, each from another address of the
network SOURCES, in numbers that come out the same each time.  The host that
runs this must own no address of SOURCES, and have no way back to them: the
SYN-ACKs are for nobody.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import struct
import sys
import time

MOST = 4096
PAUSE_S = 0.002
SYN = 0x02


def checksum(data: bytes) -> int:
    """The Internet's: RFC 1071."""
    words = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn_segment(source: bytes, target: bytes, ports: tuple[int, int],
                isn: int) -> bytes:
    """A TCP header without options."""
    header = struct.pack("!HHIIBBHHH", *ports, isn, 0, 5 << 4, SYN, 64240, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, socket.IPPROTO_TCP,
                                           len(header))
    return (header[:16] + struct.pack("!H", checksum(pseudo + header))
            + header[18:])


def packet(source: bytes, target: bytes, segment: bytes) -> bytes:
    """With an IPv4 header; the kernel fills in its checksum."""
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 0, 0, 64,
                       socket.IPPROTO_TCP, 0, source, target) + segment


def main() -> None:
    """Send them."""
    network = ipaddress.IPv4Network(sys.argv[1])
    target, port = sys.argv[2], int(sys.argv[3])
    numbers = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW,
                       socket.IPPROTO_RAW) as sender:
        for host in numbers.sample(range(1, network.num_addresses - 1),
                                   min(int(sys.argv[4]), MOST)):
            source = network[host].packed
            segment = syn_segment(source, socket.inet_aton(target),
                                  (numbers.randrange(1024, 65536), port),
                                  numbers.randrange(1 << 32))
            sender.sendto(packet(source, socket.inet_aton(target), segment),
                          (target, 0))
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
