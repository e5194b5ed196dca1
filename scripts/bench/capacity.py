# SPDX-License-Identifier: GPL-2.0
"""What renoscope costs where it grows: memory, connections, connections a second.

For a guest booted with --icount, with nothing else running:

memory        what a load takes, by /proc/modules and /proc/meminfo, at several sizes
              of the ring, and whether 10,000 connections change it
flat          what an `ack` event costs while 1, 100 and 10,000 connections are open,
              each carrying messages in its turn
connections   what a connection costs more, opened, used for a message and closed
sustained     how many events a second the default kinds write while two connections
              talk as fast as they can and `renoscope record` saves, and what is lost

    K=$(scripts/qemu/fetch-kernel 6.12)
    B=$(scripts/build-module "$K"); mkdir -p out/bench
    scripts/qemu/boot --kernel "$K" --root host --icount --timeout 1800 \\
        --share out/bench -- env RENOSCOPE_MODULE="$B/module/tcp_renoscope.ko" \\
        python3 scripts/bench/capacity.py --output out/bench/capacity.json
"""

from __future__ import annotations

import argparse
import gc
import json
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import busy  # noqa: E402  (found through the line above)
import exchange  # noqa: E402
import needs  # noqa: E402
import peers  # noqa: E402
import recorder  # noqa: E402
import turns  # noqa: E402

TURNS = 5
MESSAGES = 20_000
OPEN = (1, 100, 10_000)
CONNECTIONS = 300
RINGS = (1024, 8192, 65536)
SUSTAINED_MESSAGES = 50_000
PAGES = ("VmallocUsed", "Percpu", "Slab")


# ---- memory ---------------------------------------------------------------


def meminfo() -> dict[str, int]:
    """Kibibytes of what a module can take."""
    lines = dict(line.split(":") for line in
                 Path("/proc/meminfo").read_text().splitlines())
    return {name: int(lines[name].split()[0]) for name in PAGES}


def _module_bytes() -> int:
    for line in Path("/proc/modules").read_text().splitlines():
        if line.startswith(recorder.NAME + " "):
            return int(line.split()[1])
    raise SystemExit("capacity: the module is not in /proc/modules")


def _load(records: int) -> dict[str, Any]:
    before = meminfo()
    with recorder.Recorder(f"ring_records={records}"):
        after = meminfo()
        return {"ring_records": records, "module_bytes": _module_bytes(),
                "more_kib": {name: after[name] - before[name] for name in PAGES}}


def memory() -> dict[str, Any]:
    """What loads take; the first one also pays for what stays, so it is not told."""
    _load(1024)
    told = {"loads": [_load(records) for records in RINGS]}
    with recorder.Recorder():
        before = meminfo()
        pairs = exchange.connect(OPEN[-1])
        exchange.round_robin(pairs, 2 * len(pairs))
        used = {name: meminfo()[name] - before[name] for name in ("VmallocUsed", "Percpu")}
        exchange.close(pairs)
    return told | {"connections": OPEN[-1], "more_kib_with_connections": used}


# ---- cost by connections --------------------------------------------------


def _events(kinds: str) -> None:
    (recorder.PARAMETERS / "events").write_text(kinds)


def _flat(count: int) -> dict[str, Any]:
    """An event's cost with so many connections; those were seen before, as most are."""
    pairs = exchange.connect(count)
    _events("ack")
    exchange.round_robin(pairs, 2 * count)
    seen: list[int] = []

    def off() -> float:
        _events("none")
        return busy.cost(lambda: exchange.round_robin(pairs, MESSAGES))

    def on() -> float:
        _events("ack")
        before = recorder.written()
        cost = busy.cost(lambda: exchange.round_robin(pairs, MESSAGES))
        seen.append(recorder.written() - before)
        return cost

    off()
    without, turned_on = turns.alternate(TURNS, off, on)
    _events("none")
    exchange.close(pairs)
    more = turns.differences(without, turned_on)
    costs = [cost / events for cost, events in zip(more, seen)]
    return {"open": count, "event": asdict(turns.spread(costs)),
            "message": turns.spread(without).median / MESSAGES}


def flat() -> list[dict[str, Any]]:
    """The same for each number of connections."""
    with recorder.Recorder("events=none"):
        return [_flat(count) for count in OPEN]


# ---- connections a second -------------------------------------------------


def _one_connection(listener: socket.socket) -> None:
    client = socket.create_connection(listener.getsockname())
    server, _peer = listener.accept()
    client.send(b"x")
    server.recv(1)
    client.close()
    server.recv(1)
    server.close()


def connections(folder: Path) -> list[dict[str, Any]]:
    """What one connection costs, beside nothing."""
    there_are = peers.makers()
    rows = []
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        def many() -> None:
            for _ in range(CONNECTIONS):
                _one_connection(listener)

        def one() -> float:
            many()              # what a load leaves to be done first is not counted
            time.sleep(1)
            return busy.cost(many) / CONNECTIONS

        for name in ("renoscope-none", "renoscope-default", "renoscope-default-saved",
                     "renoscope-all"):
            peer = there_are[name][1](folder)

            def with_it(peer: peers.Peer = peer) -> float:
                peer.on()
                try:
                    return one()
                finally:
                    peer.off()

            without, turned_on = turns.alternate(3 if "saved" in name else TURNS, one,
                                                 with_it)
            recorded = peer.recorded()
            rows.append({"name": name, "title": there_are[name][0],
                         "off": asdict(turns.spread(without)),
                         "more": asdict(turns.spread(
                             turns.differences(without, turned_on))),
                         "connections": 2 * CONNECTIONS * len(turned_on),
                         "recorded": asdict(recorded) if recorded else None})
    return rows


# ---- events a second ------------------------------------------------------


def sustained(folder: Path, wanted: str = "renoscope-default-saved") -> dict[str, Any]:
    """As fast as one processor can: traffic, events and the reader share it."""
    peer = peers.makers()[wanted][1](folder)
    pair, = exchange.connect()
    peer.on()
    began = time.monotonic_ns()
    exchange.messages(pair, SUSTAINED_MESSAGES)
    took_s = (time.monotonic_ns() - began) / 1e9
    time.sleep(1)
    peer.off()
    exchange.close([pair])
    recorded = peer.recorded()
    assert recorded is not None
    return {"messages": SUSTAINED_MESSAGES, "seconds": took_s, **asdict(recorded)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all, tell and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where the results go, as JSON")
    options = parser.parse_args(arguments)
    gc.disable()
    told: dict[str, Any] = {}
    with needs.memory_folder() as folder:
        for name, measure in (("memory", memory), ("flat", flat),
                              ("connections", lambda: connections(folder)),
                              ("sustained", lambda: sustained(folder))):
            told[name] = measure()
            print(name, json.dumps(told[name], indent=1), flush=True)
    if options.output:
        options.output.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
