# SPDX-License-Identifier: GPL-2.0
"""export: events in the format of another program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import BAD_INPUT, NOT_SO, OK, Problem
from ..export import columns, npz_file
from ..export.capture_file import CaptureFile
from ..export.csv_lines import CsvWriter
from ..export.destination import Output
from ..export.json_lines import JsonWriter
from ..export.lines import Lines
from ..export.perfetto_file import PerfettoFile
from ..export.rows import RowWriter
from ..machine.host import set_command
from ..options import add_choice, add_command, add_file, check_kinds, complain, complain_if, kinds
from ..output.whole_file import check_is_another
from ..recording.inputs import Input, input_name
from ..ring.schema import LOST
from ..tcp.wanted import ChoiceSeen, Filter, chosen
from ..views.telling import finish_choice, joined, open_input
from ..words import clock_moved, plural

BINARY = ("pcapng", "npz")
BY_KIND = ("jsonl", "csv", "npz")
LOST_WORDS = "*** {} LOST: overwritten before they were read, or damaged; {} ***"
SEGMENTS_ON = set_command("+segment", "events")


def _lines(options: argparse.Namespace, source: Input, wanted: Filter,
           output: Output) -> ChoiceSeen:
    writers: dict[str, type[RowWriter]] = {"jsonl": JsonWriter, "csv": CsvWriter}
    lines = Lines(source, writers[options.format](source.schema,
                                                  source.wall_offset_ns()), wanted)
    lines.write(output.write, output.flush)
    if lines.lost_events:
        complain(LOST_WORDS.format(plural(lines.lost_events, "event"),
                                   "the lines of kind lost say where"))
    return lines.chosen


def _no_segment(options: argparse.Namespace) -> Problem:
    if options.netns is not None:
        return Problem(f"export: no segment event of the network namespace {options.netns} "
                       "is in it", NOT_SO)
    return Problem("export: no segment event is in it, and a capture is made of these; "
                   f"before recording, switch them on with: {SEGMENTS_ON}", BAD_INPUT)


def _pcapng(options: argparse.Namespace, source: Input, wanted: Filter,
            output: Output) -> ChoiceSeen:
    file = CaptureFile(source.schema, source.wall_offset_ns(), replace(wanted, netns=None),
                       options.netns, output.write)
    file.gaps.begin(source.parameters(), *source.parameters_read())
    file.begin(source.about())
    if source.follows and file.gaps.not_recorded("segment"):
        complain(f"segment events are off; switch them on with: {SEGMENTS_ON}")

    def pause() -> None:
        file.flush()
        output.flush()

    try:
        for event in joined(source, pause):
            file.feed(event)
    finally:  # also of a damaged recording: what there is
        file.finish()
        if not file.segments:
            output.drop()
    if file.chosen.not_there():
        return file.chosen
    if not file.segments:
        raise _no_segment(options)
    if len(file.both_ends) > 1:
        complain("both ends of a connection are in it, and so each of their segments "
                 "twice, which readers take for retransmissions; for one end: "
                 + " or ".join(f"--netns {file.namespaces.words(n)}"
                               for n in sorted(file.both_ends)))
    _say_of(file, source)
    return file.chosen


def _perfetto(_: argparse.Namespace, source: Input, wanted: Filter,
              output: Output) -> ChoiceSeen:
    file = PerfettoFile(source.schema, wanted, output.write)
    file.gaps.begin(source.parameters(), *source.parameters_read())
    file.begin(source.about())
    try:
        for event in joined(source):
            file.feed(event)
    finally:
        file.finish(source.end_ns())
    _say_of(file, source)
    return file.chosen


def _say_of(file: CaptureFile | PerfettoFile, source: Input) -> None:
    """What came of it, and what may be missing."""
    file.gaps.see_sources(source.stats())
    complain(file.summary())
    for remark in file.gaps.remarks():
        complain(remark)


FORMATS: dict[str, Callable[[argparse.Namespace, Input, Filter, Output], ChoiceSeen]] = {
    "jsonl": _lines, "csv": _lines, "pcapng": _pcapng, "perfetto": _perfetto,
}


def _npz(options: argparse.Namespace) -> int:
    """The one format that is not made record by record."""
    recorded = columns.read(options.file)
    counts = recorded.counts()
    check_kinds("export", options.kind, recorded.schema)
    wanted = [kind for kind in counts if options.kind is None
              or kind in options.kind or kind == LOST]
    with Output(options.output) as output:
        npz_file.write(recorded, wanted, output.write)
    if LOST in counts:
        lost = int(recorded.of(LOST)["lost_events"].sum())
        complain(LOST_WORDS.format(plural(lost, "event"), "the arrays of kind lost say where"))
    if recorded.complaint:
        raise Problem(f"{input_name(options.file)}: {recorded.complaint}", BAD_INPUT)
    return OK


def _check(options: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    wrong = ""
    if options.format in BINARY and options.output is None and sys.stdout.isatty():
        wrong = f"{options.format} is not for a terminal; name a file with -o"
    elif options.kind is not None and options.format not in BY_KIND:
        wrong = f"--kind is for {', '.join(BY_KIND)}"
    elif options.format == "npz" and options.file is None:
        wrong = "npz is made of a recording; name it, or make one: renoscope record FILE"
    elif options.format == "npz" and not chosen(options).takes_all:
        wrong = "npz has all connections: choose in numpy, by the array cookie"
    elif options.follow and options.format in ("perfetto", "npz"):
        wrong = f"{options.format} cannot be followed: it is whole only at the end"
    elif options.follow and options.file is not None:
        wrong = "--follow is for the ring; a pipe is followed anyway"
    if wrong:
        raise Problem(f"export: {wrong}", BAD_INPUT)
    check_is_another("export", options.file, options.output)


def _export(options: argparse.Namespace) -> int:
    _check(options)
    if options.format == "npz":
        return _npz(options)
    source = open_input(options.file, follows=options.follow,
                        prints_meanwhile=options.output is None)
    check_kinds("export", options.kind, source.schema)
    wanted = replace(chosen(options), kinds=options.kind)
    with Output(options.output, source.follows) as output:
        choice = FORMATS[options.format](options, source, wanted, output)
    if options.format != "perfetto":
        complain_if(clock_moved(source.wall_clock_moved_ns()))
    return finish_choice(options, source, choice)


def add(commands: Any) -> None:
    """To other programs."""
    export = add_command(
        commands, "export", _export, "events in the format of another program",
        "Without FILE: what the ring holds now. jsonl is one JSON object an event, "
        "csv one table with a column for each field. pcapng is a capture for Wireshark "
        "and tshark, made of segment events: headers, and comments that tell cwnd and "
        "why; the payload was never recorded. perfetto is a trace for ui.perfetto.dev: "
        "states as slices, cwnd, ssthresh and srtt as counters. npz, of a FILE only, "
        "is an array for each field of each kind, for numpy (which it needs).",
        "scripts/renoscope export transfer.renoscope --format csv -o transfer.csv")
    add_file(export)
    export.add_argument("--format", required=True, choices=(*FORMATS, "npz"),
                        help="which")
    add_choice(export)
    export.add_argument("-o", "--output", metavar="OUTFILE",
                        help="where to (default: standard output)")
    export.add_argument("--follow", action="store_true",
                        help="live: go on with what comes, until Ctrl-C")
    export.add_argument("--kind", type=kinds, metavar="K,...",
                        help="jsonl, csv, npz: only these kinds (a loss is always told)")
