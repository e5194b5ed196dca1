# SPDX-License-Identifier: GPL-2.0
"""record: from the ring to a file."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import BAD_INPUT, NOT_SO, OK, Problem
from ..machine.host import Host
from ..options import add_command, complain, count, number_of_seconds
from ..output.output_file import OutputFile
from ..recording.recorder import Limits, Recorder, meta
from ..recording.recording_file import RecordingWriter
from ..ring.live_ring import LiveRing
from ..stopping import stop_on_signals


def _record(options: argparse.Namespace) -> int:
    if options.output == "-" and sys.stdout.isatty():
        raise Problem("record: a recording is not for a terminal; name a file",
                      BAD_INPUT)
    host = Host()
    ring = LiveRing(host.renoscope_dir())
    limits = Limits(options.duration, options.count, options.all)
    # Of a pipe that nobody reads this waits, and a signal is to end that.
    output = OutputFile(options.output)
    with stop_on_signals() as stop:
        recorder = Recorder(
            ring, RecordingWriter(output.write), limits, stop,
            lambda holds: complain(f"recording to {output.name}{holds}; "
                                   "Ctrl-C ends"))
        summary = recorder.run(lambda: meta(host))
        output.close()
    complain(summary)
    return OK if summary.adds_up else NOT_SO


def add(commands: Any) -> None:
    """The recorder."""
    record = add_command(
        commands, "record", _record, "write events to a file",
        "Begins with what comes next and ends on Ctrl-C, SIGTERM or a limit. "
        "FILE is overwritten, unless another process writes it already; it is empty "
        "until recording has begun. Under sudo a "
        "FILE that was not there is made for the user who typed sudo. The last "
        "line tells whether read + lost = written on each CPU, and what nothing "
        "came from: kprobes and ftrace, say, which somebody may switch off and on "
        "again; it looks once a second.",
        "sudo scripts/renoscope record handshake.renoscope --duration 60")
    record.add_argument("output", metavar="FILE",
                        help="where to; - is standard output")
    record.add_argument("--duration", type=number_of_seconds, metavar="S",
                        help="end after S seconds, a year at most")
    record.add_argument("--count", type=count, metavar="N",
                        help="end after N events")
    record.add_argument("--all", action="store_true",
                        help="begin with what the ring still holds")
