# SPDX-License-Identifier: GPL-2.0
"""Traffic that a witness can compare: much, both ways, with loss and reordering."""

from __future__ import annotations

from pathlib import Path

from endpoints import PORT, address_of, quiet
from hosts import CLIENT, SERVER, TwoHosts


def disturb(hosts: TwoHosts) -> None:
    """Loss, reordering and duplication, each way, beyond what is compared.

    Towards the client netem does it; from the client the server drops by count:
    now and then an ACK, and of data now and then every other segment of six, for
    which one window leaves many SACK blocks.
    """
    hosts.netem(SERVER, "delay 3ms reorder 100% gap 7 loss 3% duplicate 2% limit 10000")
    hosts.drop(SERVER, "meta l4proto tcp meta length < 200 numgen inc mod 37 == 0")
    hosts.drop(SERVER, "meta l4proto tcp meta length > 1000 "
               "numgen inc mod 200 { 100, 102, 104, 106, 108, 110 }")


def exchange(hosts: TwoHosts, ipv6: bool, count: int) -> None:
    """Count bytes each way at the same time, and the end of both sockets."""
    program = str(Path(__file__).with_name("bulk_program.py"))
    ends = (address_of(SERVER, ipv6), str(PORT), str(count))
    server = hosts.start_ready(SERVER, "python3", program, "server", *ends)
    client = hosts.start(CLIENT, "python3", program, "client", *ends)
    for process in (client, server):
        process.communicate(timeout=300)
        if process.returncode:
            raise RuntimeError(f"the exchange ended with {process.returncode}")
    quiet(hosts)
