# SPDX-License-Identifier: GPL-2.0
"""A wire that ends in this process: what is written is received at once.

The kernel receives it in the writing process, with softirqs off but in none.  So
do busy polling and the threads of NAPI; a usual interface receives in a softirq.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import struct

from hosts import TwoHosts, run
from inside import inside
from raw_tcp import Segment, Wire, checksum, family_of, parse

NETS = {4: "10.98.0.0/16", 6: "fd98::/64"}
NAME = "tun"
_TUNSETIFF = 0x400454ca
_IFF_TUN_NO_PI = 0x1001


def far_address(family: int) -> str:
    """An address at the wire's far end."""
    return str(ipaddress.ip_network(NETS[family])[7])


class Tun(Wire):
    """A tun device of a host, with the ghosts' other network behind it."""

    def __init__(self, hosts: TwoHosts, host: str) -> None:
        run("modprobe", "tun")
        with inside(host):
            self._device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self._device, _TUNSETIFF,
                        struct.pack("16sH22x", NAME.encode(), _IFF_TUN_NO_PI))
        self._seen: list[Segment] = []
        hosts.run(host, "ip", "link", "set", NAME, "up")
        for net in NETS.values():
            hosts.run(host, "ip", "route", "add", net, "dev", NAME)

    def close(self) -> None:
        """Take the device away."""
        os.close(self._device)

    def segments(self) -> list[Segment]:
        """Every segment that came out so far."""
        while True:
            try:
                segment = parse(os.read(self._device, 65536))
            except BlockingIOError:
                return self._seen
            if segment is not None:
                self._seen.append(segment)

    def forge(self, segment: Segment, spoil: bool = False) -> None:
        """Put a segment in; the host has processed it on return."""
        packet = segment.packet(spoil)
        if family_of(segment.source) == 4:  # nobody fills it in here
            packet = packet[:2] + struct.pack("!H", len(packet)) + packet[4:]
            packet = packet[:10] + struct.pack("!H", checksum(packet[:20])) + packet[12:]
        os.write(self._device, packet)
