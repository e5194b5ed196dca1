# SPDX-License-Identifier: GPL-2.0
"""How many instructions one recorded `ack` event costs, and one that is turned away.

For a guest booted with --icount, where the clock counts instructions: messages
go to and fro on loopback, in turns with the events off and on, and the
difference is divided by the events that were written, or turned away by a filter
or a sampling. Turns are compared with their neighbours and the median is taken, so
that what drifts cancels.

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


def _turned_away() -> int:
    """Events that a filter or a sampling kept out of the ring."""
    for line in (recorder.FOLDER / "stats").read_text().splitlines():
        words = line.split()
        if words[0] == "gate":
            counts = dict(zip(words[1::2], map(int, words[2::2])))
            return counts["filtered"] + counts["sampled"]
    raise SystemExit("ack_cost: stats has no line of the gate")


# What is set, by parameter, and how it is called.
GATES = (("filter", "port=9", "turned away by port=9"),
         ("filter", "port=9,10,11,12 addr=192.168.0.0/16 state=LISTEN",
          "turned away by 4 ports, a range and a state"),
         ("filter", "addr=127.0.0.0/8", "recorded, let in by a range"),
         ("flow_sample", "1000000000", "turned away by flow_sample"),
         ("ack_sample", "1000000000", "turned away by ack_sample"),
         ("freeze_on", "rto=3", "recorded, watched by freeze_on"))
OFF = {"filter": "none", "flow_sample": "1", "ack_sample": "1",
       "freeze_on": "none"}


def _gated_cost(client: socket.socket, server: socket.socket, name: str,
                value: str) -> float:
    """Instructions for an ack event while one parameter is set."""
    events = recorder.PARAMETERS / "events"
    costs = []
    for _ in range(TURNS):
        events.write_text("none")
        base = _exchange(client, server)
        (recorder.PARAMETERS / name).write_text(value)
        events.write_text("ack")
        before = _written() + _turned_away()
        cost = _exchange(client, server) - base
        costs.append(cost / (_written() + _turned_away() - before))
        (recorder.PARAMETERS / name).write_text(OFF[name])
    return statistics.median(costs)


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
        gated = [(_gated_cost(client, server, name, value), words)
                 for name, value, words in GATES]
        client.close()
        server.close()
    print(f"a message, nothing recorded: {statistics.median(bases):.0f} instructions")
    print(f"a recorded ack event:        {statistics.median(costs):.0f} instructions "
          f"(of {TURNS} turns: {min(costs):.0f} to {max(costs):.0f})")
    for cost, words in gated:
        print(f"{words + ':':<44} {cost:.0f} instructions")


if __name__ == "__main__":
    main()
