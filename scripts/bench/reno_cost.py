# SPDX-License-Identifier: GPL-2.0
"""How many instructions an ACK costs under ours, cubic and bbr, and how many under reno.

For a guest booted with --icount, where the clock counts instructions: messages of
one segment go to and fro between two hosts, each acknowledging the one before, in
turns with the sockets under reno and under another. Turns are compared with
their neighbours and the median is taken, so that what drifts cancels. What stands
for an ACK is all that a message costs, programs and both hosts' kernels included.

A window of one segment, locked by the route, is always full; so cwnd is to grow
with every ACK, in slow start or in congestion avoidance.

And a bulk transfer without loss, over 20 ms and 20 Mbit/s, from the first segment to
the last ACK: what both kernels execute, divided by the ACKs that came. There bbr also
pays for its pacing.

    K=$(scripts/qemu/fetch-kernel 6.12)
    B=$(scripts/build-module "$K")
    scripts/qemu/boot --kernel "$K" --root host --icount --timeout 900 -- env \\
        RENOSCOPE_MODULE="$B/module/tcp_renoscope.ko" python3 scripts/bench/reno_cost.py
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

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "selftests"))

import busy  # noqa: E402  (found through the lines above)
import endpoints  # noqa: E402
import exchange  # noqa: E402
import parity  # noqa: E402
import turns  # noqa: E402
from hosts import CLIENT, SERVER, TwoHosts, run  # noqa: E402
from inside import inside  # noqa: E402
from recorder import PARAMETERS, Recorder  # noqa: E402
from renoscope_lib.machine.host import CONGESTION_CONTROLS  # noqa: E402
from sending import SEGMENT_BYTES, unread  # noqa: E402

TURNS = 9
MESSAGES = 400
OTHERS = (*CONGESTION_CONTROLS, "cubic", "bbr")
BULK = "bulk transfer"
BULK_SEGMENTS, BULK_S = 3000, 8

# How the window is held, by the route to the other host: cwnd and ssthresh then.
MODES = {"cwnd not full": ("", ()),
         "slow start": ("cwnd lock 1", (1, 2**31 - 1)),
         "congestion avoidance": ("cwnd lock 1 ssthresh lock 1", (1, 1))}


def _use(pair: endpoints.Pair, algorithm: str) -> None:
    for end in pair:
        end.setsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, algorithm.encode())


def _exchange(pair: endpoints.Pair) -> int:
    """Instructions for MESSAGES messages each way."""
    return busy.cost(lambda: exchange.messages(pair, 2 * MESSAGES))


def _per_ack(pair: endpoints.Pair, algorithm: str) -> float:
    _use(pair, algorithm)
    _exchange(pair)             # what a switch leaves behind is not counted
    return _exchange(pair) / (2 * MESSAGES)


def _check_mode(it: Recorder, pair: endpoints.Pair, window: tuple[int, ...]) -> None:
    """That the window is held, and each message is an ACK and hardly any is not."""
    _use(pair, "renoscope")
    _exchange(pair)             # at first some are acknowledged at once as well
    (PARAMETERS / "events").write_text("ack")
    before = len(it.events("ack"))
    _exchange(pair)
    (PARAMETERS / "events").write_text("none")
    acks = it.events("ack")[before:]
    assert 2 * MESSAGES <= len(acks) <= 2.01 * MESSAGES, len(acks)
    held = {(e["cwnd"], e["ssthresh"]) for e in acks}
    assert not window or held == {window}, held


def _row(mode: str, algorithm: str, reno: Sequence[float],
         other: Sequence[float]) -> dict[str, Any]:
    """What came of one comparison, which is told, too."""
    base = turns.spread(reno)
    more = turns.spread(turns.differences(reno, other))
    print(f"{mode:<22}{algorithm:<14}{base.median:>8.0f}{base.median + more.median:>8.0f}"
          f"{more.median:>+7.0f}  {more.median / base.median:+.2%}  "
          f"({more.low:+.0f} to {more.high:+.0f})", flush=True)
    return {"mode": mode, "algorithm": algorithm, "reno": asdict(base),
            "more": asdict(more)}


def _measure(it: Recorder, words: str, route: str, window: tuple[int, ...],
             count: int) -> list[dict[str, Any]]:
    with TwoHosts() as hosts:
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, "net.ipv4.tcp_no_ssthresh_metrics_save=0")
            run("ip", "-n", host, "route", "change", "10.77.0.0/24", "dev", "wire",
                *route.split())
        # The kernel takes what the route says out of what it remembers of an
        # earlier connection: so there must be one.
        with endpoints.connected(False) as pair:
            _exchange(pair)
        endpoints.quiet(hosts)
        with endpoints.connected(False) as pair:
            _check_mode(it, pair, window)
            return [_row(words, other, *turns.alternate(
                count, lambda: _per_ack(pair, "reno"),
                lambda other=other: _per_ack(pair, other)))  # type: ignore[misc]
                    for other in OTHERS]


def acks_in(netstat: str) -> int:
    """How many ACKs without data a host took in, from the text of /proc/net/netstat."""
    names, values = (line.split()[1:] for line in netstat.splitlines()
                     if line.startswith("TcpExt:"))
    counts = dict(zip(names, map(int, values)))
    return counts["TCPPureAcks"] + counts["TCPHPAcks"]


def _acks_at_client() -> int:
    with inside(CLIENT):
        return acks_in(Path("/proc/thread-self/net/netstat").read_text())


def _bulk(algorithm: str) -> float:
    """Instructions an ACK of one transfer, which nobody needs to read or watch."""
    with unread(algorithm) as sock:
        before, began = _acks_at_client(), busy.instructions()
        sock.sendall(bytes(BULK_SEGMENTS * SEGMENT_BYTES))
        time.sleep(BULK_S)
        cost = busy.instructions() - began
        if left := endpoints.unacknowledged(sock):
            raise SystemExit(f"reno_cost: {algorithm}: {left} bytes left after {BULK_S} s")
        return cost / (_acks_at_client() - before)


def _measure_bulk(count: int) -> list[dict[str, Any]]:
    with TwoHosts() as hosts:
        parity.prepare(hosts, parity.Scenario(BULK, parity.bulk(BULK_SEGMENTS),
                                              delayed_acks=True))
        _bulk("reno")
        return [_row(BULK, other, *turns.alternate(
            count, lambda: _bulk("reno"),
            lambda other=other: _bulk(other)))  # type: ignore[misc]
                for other in OTHERS]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where the results go, as JSON")
    parser.add_argument("--fewer", type=int, default=1, metavar="N",
                        help="one turn in N, for a first look")
    options = parser.parse_args(arguments)
    count = max(2, TURNS // options.fewer)
    gc.disable()
    run("modprobe", "tcp_bbr")
    print(f"{'instructions per ACK':<36}{'reno':>8}{'other':>8}{'more':>7}")
    rows: list[dict[str, Any]] = []
    with Recorder("events=none") as it:
        for words, (route, window) in MODES.items():
            rows += _measure(it, words, route, window, count)
        rows += _measure_bulk(count)
    if options.output:
        options.output.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
