# SPDX-License-Identifier: GPL-2.0
"""How many instructions an ACK costs under renoscope, and how many under reno.

For a guest booted with --icount, where the clock counts instructions: messages of
one segment go to and fro between two hosts, each acknowledging the one before, in
turns with the sockets under reno and under one of ours. Turns are compared with
their neighbours and the median is taken, so that what drifts cancels. What stands
for an ACK is all that a message costs, programs and both hosts' kernels included.

A window of one segment, locked by the route, is always full; so cwnd is to grow
with every ACK, in slow start or in congestion avoidance.

    K=$(scripts/qemu/fetch-kernel 6.12)
    B=$(scripts/build-module "$K")
    scripts/qemu/boot --kernel "$K" --root host --icount --timeout 900 -- env \\
        RENOSCOPE_MODULE="$B/module/tcp_renoscope.ko" python3 scripts/bench/reno_cost.py
"""

from __future__ import annotations

import argparse
import gc
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "selftests"))

import endpoints  # noqa: E402  (found through the lines above)
from hosts import CLIENT, SERVER, TwoHosts, run  # noqa: E402
from recorder import PARAMETERS, Recorder  # noqa: E402

TURNS = 15
MESSAGES = 400
OURS = ("renoscope", "reno_modern")

# How the window is held, by the route to the other host: cwnd and ssthresh then.
MODES = {"cwnd not full": ("", ()),
         "slow start": ("cwnd lock 1", (1, 2**31 - 1)),
         "congestion avoidance": ("cwnd lock 1 ssthresh lock 1", (1, 1))}


def _use(pair: endpoints.Pair, algorithm: str) -> None:
    for end in pair:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, algorithm.encode())


def _exchange(pair: endpoints.Pair) -> int:
    """Nanoseconds, that is instructions, for MESSAGES messages each way."""
    client, server = pair
    began = time.monotonic_ns()
    for _ in range(MESSAGES):
        client.send(b"x")
        server.recv(1)
        server.send(b"y")
        client.recv(1)
    return time.monotonic_ns() - began


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


def _measure(it: Recorder, words: str, route: str, window: tuple[int, ...]) -> None:
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
            for ours in OURS:
                reno, extra = [], []
                for _ in range(TURNS):
                    reno.append(_per_ack(pair, "reno"))
                    extra.append(_per_ack(pair, ours) - reno[-1])
                base, more = statistics.median(reno), statistics.median(extra)
                print(f"{words:<22}{ours:<14}{base:>8.0f}{base + more:>8.0f}"
                      f"{more:>+7.0f}  {more / base:+.2%}  "
                      f"({min(extra):+.0f} to {max(extra):+.0f})", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    gc.disable()
    print(f"{'instructions per ACK':<36}{'reno':>8}{'ours':>8}{'more':>7}")
    with Recorder("events=none") as it:
        for words, (route, window) in MODES.items():
            _measure(it, words, route, window)


if __name__ == "__main__":
    main()
