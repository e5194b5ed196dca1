# SPDX-License-Identifier: GPL-2.0
"""Traffic that a witness can compare: with loss and reordering, offloads on or off."""

from __future__ import annotations

from pathlib import Path

from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from recorder import wait_until

PORT = 5000


def set_offloads(hosts: TwoHosts, on: bool) -> None:
    """Switch segmentation and reassembly by the device on or off.

    TCP makes super-segments even for a device without TSO and GSO, and has them
    cut before the driver, below our hooks: only gso_max_segs ends that.
    """
    state = "on" if on else "off"
    for host in (CLIENT, SERVER):
        hosts.run(host, "ethtool", "-K", "wire", "tso", state, "gso", state,
                  "gro", state)
        if not on:
            hosts.run(host, "ip", "link", "set", "wire", "gso_max_segs", "1")


def disturb(hosts: TwoHosts) -> None:
    """Loss, reordering and duplication, each way, beyond what is compared.

    Towards the client netem does it; from the client the server drops by count:
    now and then an ACK, and of data now and then every other segment of six, for
    which one window leaves many SACK blocks.
    """
    hosts.run(SERVER, "tc", "qdisc", "add", "dev", "wire", "root", "netem",
              "delay", "3ms", "reorder", "100%", "gap", "7", "loss", "3%",
              "duplicate", "2%", "limit", "10000")
    hosts.drop(SERVER, "meta l4proto tcp meta length < 200 numgen inc mod 37 == 0")
    hosts.drop(SERVER, "meta l4proto tcp meta length > 1000 "
               "numgen inc mod 200 { 100, 102, 104, 106, 108, 110 }")


def exchange(hosts: TwoHosts, ipv6: bool, count: int) -> None:
    """Count bytes each way at the same time, and the end of both sockets."""
    address = ADDRESSES[SERVER][1 if ipv6 else 0]
    program = str(Path(__file__).with_name("bulk_program.py"))
    words = ("python3", program)
    ends = (address, str(PORT), str(count))
    server = hosts.start(SERVER, *words, "server", *ends)
    assert server.stdout is not None
    if "listens" not in server.stdout.readline():
        raise RuntimeError("the server does not listen")
    client = hosts.start(CLIENT, *words, "client", *ends)
    for process in (client, server):
        process.communicate(timeout=300)
        if process.returncode:
            raise RuntimeError(f"the exchange ended with {process.returncode}")
    wait_until("both ends to close",
               lambda: not any(hosts.is_busy(host) for host in (CLIENT, SERVER)))
