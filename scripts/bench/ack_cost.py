# SPDX-License-Identifier: GPL-2.0
"""How many instructions one recorded `ack` event costs, and one that is turned away.

For a guest booted with --icount, where the clock counts instructions: messages
go to and fro on loopback, in turns with the events off and on (turns.py), and the
difference is divided by the events that were written, or turned away by a filter
or a sampling.

    B=$(scripts/build-module "$K")
    scripts/qemu/boot --kernel "$K" --root host --icount -- env \\
        RENOSCOPE_MODULE="$B/module/tcp_renoscope.ko" python3 scripts/bench/ack_cost.py
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "selftests"))

import busy  # noqa: E402  (found through the lines above)
import exchange  # noqa: E402
import recorder  # noqa: E402
import turns  # noqa: E402

TURNS = 9
MESSAGES = 4000


def _met() -> int:
    """Events written, or kept out of the ring by a filter or a sampling."""
    gate = recorder.gate()
    return recorder.written() + gate["filtered"] + gate["sampled"]


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


def _cost(pair: exchange.Pair) -> int:
    """Instructions for MESSAGES messages."""
    return busy.cost(lambda: exchange.messages(pair, MESSAGES))


def _event_cost(pair: exchange.Pair, name: str = "", value: str = "") -> turns.Spread:
    """Instructions for an ack event, while one parameter is set or none."""
    events = recorder.PARAMETERS / "events"
    seen: list[int] = []

    def off() -> float:
        events.write_text("none")
        return _cost(pair)

    def on() -> float:
        if name:
            (recorder.PARAMETERS / name).write_text(value)
        events.write_text("ack")
        before = _met()
        cost = _cost(pair)
        seen.append(_met() - before)
        if name:
            (recorder.PARAMETERS / name).write_text(OFF[name])
        return cost

    more = turns.differences(*turns.alternate(TURNS, off, on))
    return turns.spread([cost / events for cost, events in zip(more, seen)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where the results go, as JSON")
    output = parser.parse_args(arguments).output
    gc.disable()
    rows: list[dict[str, Any]] = []
    with recorder.Recorder("events=none"):
        pair, = exchange.connect()
        _cost(pair)
        for name, value, words in (("", "", "recorded, nothing set"), *GATES):
            cost = _event_cost(pair, name, value)
            print(f"{words + ':':<50}{cost.median:6.0f} instructions "
                  f"({cost.low:.0f} to {cost.high:.0f})", flush=True)
            rows.append({"title": words, **asdict(cost)})
        exchange.close([pair])
    if output:
        output.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
