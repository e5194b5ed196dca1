#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""SYNs that nobody follows up, for a test's own network namespace.

    raw_syn.py SOURCES TARGET PORT COUNT [PAUSE_S]

Sends COUNT SYNs (4096 at most) to TARGET, each from another address of the
network SOURCES, in numbers that come out the same each time, and with a pause
between two of them, of 2 ms unless told.  The host that
runs this must own no address of SOURCES, and have no way back to them: the
SYN-ACKs are for nobody.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import sys
import time

from raw_tcp import SYN, Segment

MOST = 4096
PAUSE_S = 0.002


def main() -> None:
    """Send them."""
    network = ipaddress.IPv4Network(sys.argv[1])
    target, port = sys.argv[2], int(sys.argv[3])
    pause_s = float(sys.argv[5]) if sys.argv[5:] else PAUSE_S
    numbers = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW,
                       socket.IPPROTO_RAW) as sender:
        for host in numbers.sample(range(1, network.num_addresses - 1),
                                   min(int(sys.argv[4]), MOST)):
            syn = Segment(str(network[host]), numbers.randrange(1024, 65536),
                          target, port, seq=numbers.randrange(1 << 32), ack=0,
                          flags=SYN, window=64240)
            sender.sendto(syn.packet(), (target, 0))
            time.sleep(pause_s)


if __name__ == "__main__":
    main()
