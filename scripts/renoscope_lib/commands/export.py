# SPDX-License-Identifier: GPL-2.0
"""export: events in the format of another program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..csv_lines import CsvWriter
from ..errors import BAD_INPUT, Problem
from ..export import Lines, Write
from ..inputs import Input
from ..json_lines import JsonWriter
from ..options import add_choice, add_command, check_kinds, complain, kinds
from ..recorder import OutputFile
from ..show import Filter
from ..telling import finish, open_input
from ..words import plural

BINARY = ("pcapng",)


@contextmanager
def _output(options: argparse.Namespace) -> Iterator[Write]:
    """Where to; what is written to standard output can be read at once."""
    if options.output is not None:
        file = OutputFile(options.output)
        yield file.write
        file.close()
        return
    stream = sys.stdout.buffer

    def write(data: bytes) -> None:
        stream.write(data)
        stream.flush()

    yield write


def _lines(options: argparse.Namespace, source: Input, wanted: Filter,
           write: Write) -> None:
    writers = {"jsonl": JsonWriter, "csv": CsvWriter}
    lines = Lines(source, writers[options.format](source.schema,
                                                  source.wall_offset_ns()), wanted)
    lines.write(write)
    if lines.lost_events:
        complain(f"*** {plural(lines.lost_events, 'event')} LOST: overwritten before "
                 "they were read; the lines of kind lost say where ***")
    if lines.chosen.none_chosen():
        complain(lines.chosen.none_chosen())


FORMATS: dict[str, Callable[[argparse.Namespace, Input, Filter, Write], None]] = {
    "jsonl": _lines, "csv": _lines,
}


def _export(options: argparse.Namespace) -> int:
    if options.format in BINARY and options.output is None and sys.stdout.isatty():
        raise Problem(f"export: {options.format} is not for a terminal; name a file "
                      "with -o", BAD_INPUT)
    if options.follow and options.file is not None:
        raise Problem("export: --follow is for the ring; a pipe is followed anyway",
                      BAD_INPUT)
    source = open_input(options.file, follows=options.follow)
    check_kinds("export", options.kind, source.schema)
    wanted = Filter(options.kind, options.port, options.connection)
    with _output(options) as write:
        FORMATS[options.format](options, source, wanted, write)
    return finish(source)


def add(commands: Any) -> None:
    """To other programs."""
    export = add_command(
        commands, "export", _export, "events in the format of another program",
        "Without FILE: what the ring holds now. jsonl is one JSON object an event, "
        "csv one table with a column for each field.",
        "scripts/renoscope export transfer.renoscope --format csv -o transfer.csv")
    export.add_argument("file", nargs="?", metavar="FILE",
                        help="a recording; - is standard input")
    export.add_argument("--format", required=True, choices=FORMATS,
                        help="which")
    export.add_argument("-o", "--output", metavar="OUT",
                        help="where to (default: standard output)")
    export.add_argument("--follow", action="store_true",
                        help="live: go on with what comes, until Ctrl-C")
    export.add_argument("--kind", type=kinds, metavar="K,...",
                        help="only these kinds (a loss is always told)")
    add_choice(export)
