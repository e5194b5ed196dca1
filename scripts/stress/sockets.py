# SPDX-License-Identifier: GPL-2.0
"""Which sockets a host still has, seen without touching them.

/proc/net/tcp is read under the table's locks. `ss` is not used here: it holds a
reference to each socket that it shows, and a request that expires meanwhile lives on
until `ss` lets it go.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from hosts import CLIENT, SERVER
from inside import inside
from recorder import wait_until

SYN_RECV, TIME_WAIT, LISTEN = 3, 6, 10


def states(host: str) -> list[int]:
    """The state of each TCP socket, of requests and TIME-WAIT, too."""
    with inside(host):
        texts = [Path("/proc/thread-self/net", name).read_text()
                 for name in ("tcp", "tcp6")]
    return [int(line.split()[3], 16) for text in texts for line in text.splitlines()[1:]]


def wait_for_none(but: Collection[int] = (), only: int | None = None,
                  patience_s: float = 600) -> None:
    """Until neither host has a socket, but in these states; or none in that one."""
    def are_gone() -> bool:
        left = [state for host in (CLIENT, SERVER) for state in states(host)
                if state not in but]
        return only not in left if only is not None else not left
    wait_until("sockets to be gone", are_gone, patience_s)
