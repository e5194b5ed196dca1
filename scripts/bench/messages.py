# SPDX-License-Identifier: GPL-2.0
"""What a message on loopback costs more while somebody records it.

For renoscope, with more or less switched on, and for each tool of peers.py: turns
with it on stand between turns without (turns.py). In a guest booted with --icount it
is instructions, those of a reader that saves the events included; in another it is
seconds on the clock (--wall), of which only the ratio means something.

In instructions: a reader goes on after the last message, so each turn ends with a rest
in which it catches up. What it executes in such a rest though there was no message, as
it looks again and again, is measured by itself and taken off.

    K=$(scripts/qemu/fetch-kernel 6.12)
    B=$(scripts/build-module "$K"); mkdir -p out/bench
    scripts/qemu/boot --kernel "$K" --root host --icount --timeout 1800 \\
        --share out/bench -- env RENOSCOPE_KERNEL="$K" \\
        RENOSCOPE_MODULE="$B/module/tcp_renoscope.ko" \\
        python3 scripts/bench/messages.py --output out/bench/messages.json ftrace

Without names, all; then it takes long.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import busy  # noqa: E402  (found through the line above)
import exchange  # noqa: E402
import needs  # noqa: E402
import peers  # noqa: E402
import turns  # noqa: E402

# Enough that a look at the stats once a second, in one turn more than in another, is little.
MESSAGES = 40_000
WARM_UP = 400
REST_S, RESTS = 1.5, 3
TURNS, SLOW_TURNS = 9, 3


class Meter:
    """Measures turns of messages on one connection."""

    def __init__(self, wall: bool, messages: int) -> None:
        self._wall = wall
        self.messages = messages
        self._pair, = exchange.connect()

    def _instructions(self, count: int) -> int:
        began = busy.instructions()
        exchange.messages(self._pair, count)
        time.sleep(REST_S)
        return busy.instructions() - began

    def __call__(self) -> float:
        """Instructions, or nanoseconds, for a message."""
        exchange.messages(self._pair, WARM_UP)
        if self._wall:
            began = time.perf_counter_ns()
            exchange.messages(self._pair, self.messages)
            took = time.perf_counter_ns() - began
            time.sleep(REST_S)      # some are still to be saved, and then counted
            return took / self.messages
        time.sleep(REST_S)
        # A tool that has just begun may have something left to do: the least of some.
        rest = min(self._instructions(0) for _ in range(RESTS))
        return (self._instructions(self.messages) - rest) / self.messages

    def close(self) -> None:
        """The end of the connection."""
        exchange.close([self._pair])


def _with(peer: peers.Peer, meter: Meter) -> float:
    peer.on()
    try:
        return meter()
    finally:
        peer.off()


def measure(peer: peers.Peer, meter: Meter, turns_: int) -> dict[str, Any]:
    """One tool beside nothing."""
    try:
        without, with_it = turns.alternate(turns_, meter, lambda: _with(peer, meter))
    finally:
        peer.end()
    recorded = peer.recorded()
    return {
        "off": asdict(turns.spread(without)),
        "more": asdict(turns.spread(turns.differences(without, with_it))),
        "ratio": asdict(turns.spread(turns.ratios(without, with_it))),
        "messages": turns_ * (meter.messages + WARM_UP),
        "recorded": asdict(recorded) if recorded else None,
    }


def _row(name: str, title: str, make: Callable[[Path], peers.Peer], meter: Meter,
         folder: Path, fewer: int) -> dict[str, Any]:
    began = time.monotonic()
    row: dict[str, Any] = {"name": name, "title": title}
    try:
        peer = make(folder)
        row["saves"] = peer.saves
        row |= measure(peer, meter, max(2, (TURNS if peer.quick else SLOW_TURNS) // fewer))
    except (needs.Unavailable, TimeoutError, RuntimeError) as reason:
        row["unavailable"] = " ".join(str(reason).split())
    print(_told(row), f"[{time.monotonic() - began:.0f} s]", flush=True)
    return row


def _told(row: dict[str, Any]) -> str:
    if "unavailable" in row:
        return f"{row['name']:<24} {row['unavailable']}"
    more, ratio = row["more"], row["ratio"]
    return (f"{row['name']:<24} {row['off']['median']:8.0f} {more['median']:+8.0f} "
            f"(mean {more['mean']:+.0f}, {more['low']:+.0f} to {more['high']:+.0f}) "
            f"x{ratio['median']:.3f} {row['messages']} messages, {row['recorded']}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each, tell and write."""
    there_are = peers.makers()
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"names: {', '.join(there_are)}",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="only these (default: all)")
    parser.add_argument("--wall", action="store_true", help="seconds instead of instructions")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="in a turn")
    parser.add_argument("--fewer", type=int, default=1, metavar="N",
                        help="one turn in N, for a first look")
    parser.add_argument("--output", type=Path, help="where the results go, as JSON")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.name if name not in there_are]:
        parser.error(f"no such name: {unknown[0]}; there are: {', '.join(there_are)}")
    gc.disable()
    meter = Meter(options.wall, options.messages)
    with needs.memory_folder() as folder:
        rows = []
        for name in options.name or there_are:
            rows.append(_row(name, *there_are[name], meter, folder, options.fewer))
            if options.output:
                options.output.write_text(json.dumps({"wall": options.wall, "rows": rows}))
    meter.close()


if __name__ == "__main__":
    main()
