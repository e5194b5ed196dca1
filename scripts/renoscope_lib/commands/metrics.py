# SPDX-License-Identifier: GPL-2.0
"""metrics: counters and gauges for Prometheus, once or for ever."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import BAD_INPUT, OK, Problem
from ..machine.host import Host
from ..options import add_command, add_file, count, number_of_seconds
from ..prometheus.listening_ports import PORTS
from ..prometheus.metrics import Metrics
from ..prometheus.textfile import TextFile, keep_true
from ..recording.inputs import LiveInput
from ..ring.live_ring import LiveRing
from ..stopping import stop_on_signals
from ..views.telling import finish, joined, open_input

# As often as Prometheus' own example configuration asks.
INTERVAL_S = 15.0


def _print_once(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    metrics = Metrics(source.schema, options.ports)
    metrics.gaps.begin(source.parameters(), *source.parameters_read())
    for event in joined(source):
        metrics.feed(event)
    metrics.see_stats(source.stats())
    for line in metrics.text():
        print(line)
    return finish(source)


def _metrics(options: argparse.Namespace) -> int:
    if options.textfile is None:
        return _print_once(options)
    if options.file is not None:
        raise Problem("metrics: --textfile follows the ring; of a recording, print: "
                      "metrics FILE > FILE.prom", BAD_INPUT)
    with TextFile(options.textfile) as textfile, stop_on_signals() as stop:
        ring = LiveRing(Host().renoscope_dir())
        keep_true(LiveInput(ring, follows=True, only_new=True), textfile,
                  options.interval, options.ports, stop)
    return OK


def add(commands: Any) -> None:
    """The way to Prometheus."""
    command = add_command(
        commands, "metrics", _metrics, "counters and gauges for Prometheus",
        "Without FILE: what the ring holds now. With --textfile: counts from now on, "
        "and renews that file for node exporter's textfile collector until SIGTERM or "
        "Ctrl-C; then the file is removed.",
        "sudo scripts/renoscope metrics --textfile \\\n"
        "      /var/lib/prometheus/node-exporter/renoscope.prom")
    add_file(command)
    command.add_argument("--textfile", metavar="FILE.prom",
                         help="follow the ring and keep this file true")
    command.add_argument("--interval", type=number_of_seconds, metavar="S",
                         default=INTERVAL_S,
                         help=f"renew it every S seconds (default {INTERVAL_S:.0f})")
    command.add_argument("--ports", type=count, metavar="N", default=PORTS,
                         help="listening ports with a label of their own; later ones "
                         f"count as other (default {PORTS})")
