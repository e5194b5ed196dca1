# SPDX-License-Identifier: GPL-2.0
"""How many instructions one recorded `ack` event costs.

For a guest booted with --icount, where the clock counts instructions: messages
go to and fro on loopback, in turns with the events off and on, and the
difference is divided by the events that were written. Turns are compared with
their neighbours and the median is taken, so that what drifts cancels.

    B=$(scripts/build-module "$K")
    scripts/qemu/boot --kernel "$K" --root host --icount -- env \\
        RENOSCOPE_MODULE="$B/module/tcp_renoscope.ko" python3 scripts/bench/ack_cost.py
"""

from __future__ import annotations

import gc
import socket
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "selftests"))

import recorder  # noqa: E402  (found through the lines above)

TURNS = 15
MESSAGES = 400


def _pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _peer = listener.accept()
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, server


def _exchange(client: socket.socket, server: socket.socket) -> int:
    """Nanoseconds, that is instructions, for MESSAGES messages each way."""
    began = time.monotonic_ns()
    for _ in range(MESSAGES):
        client.send(b"x")
        server.recv(1)
        server.send(b"y")
        client.recv(1)
    return time.monotonic_ns() - began


def _written() -> int:
    return sum(counts["written"] for counts in recorder.stats().values())


def main() -> None:
    """Measure and print."""
    gc.disable()
    costs = []
    bases = []
    with recorder.Recorder("events=none"):
        events = recorder.PARAMETERS / "events"
        client, server = _pair()
        _exchange(client, server)
        for _ in range(TURNS):
            events.write_text("none")
            base = _exchange(client, server)
            events.write_text("ack")
            before = _written()
            costs.append((_exchange(client, server) - base) / (_written() - before))
            bases.append(base / (2 * MESSAGES))
        client.close()
        server.close()
    print(f"a message, nothing recorded: {statistics.median(bases):.0f} instructions")
    print(f"a recorded ack event:        {statistics.median(costs):.0f} instructions "
          f"(of {TURNS} turns: {min(costs):.0f} to {max(costs):.0f})")


if __name__ == "__main__":
    main()
