# SPDX-License-Identifier: GPL-2.0
"""report: everything on one page, to be mailed."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from ..options import add_command, limit
from ..report import page
from ..report.parts import ROWS
from ..report.told import Told
from ..report.watch import Watch
from ..telling import finish, joined, open_input
from ..whole_file import WholeFile, check_is_another


def _report(options: argparse.Namespace) -> int:
    check_is_another("report", options.file, options.output)
    source = open_input(options.file, follows=False)
    watch = Watch(source.schema)
    watch.begin(source)
    for event in joined(source):
        watch.feed(event)
    watch.end(source)
    told = Told.of(watch, source, options.file, options.limit, _command(options))
    _write(page.html(told), options.output)
    return finish(source)


def _command(options: argparse.Namespace) -> str:
    """What was asked for, without the folders of whoever asked."""
    words = ["renoscope", "report"]
    if options.file:
        words.append(options.file.rpartition("/")[2])
    words += ["-o", options.output.rpartition("/")[2]]
    if options.limit != ROWS:
        words += ["--limit", str(options.limit)]
    return shlex.join(words)


def _write(html: str, path: str) -> None:
    if path == "-":
        sys.stdout.write(html)
        return
    with WholeFile(path) as file:
        file.write(html.encode())
    print(f"{path}: {max(len(html) // 1000, 1)} kB, opens in any browser")


def add(commands: Any) -> None:
    """One page."""
    command = add_command(
        commands, "report", _report, "one page of everything, to open or to mail",
        "Without FILE: what the ring holds now. One HTML file that loads nothing "
        "from anywhere: a summary, what went wrong, whether anything is missing, "
        "every connection with the time in each state, SYN-ACK backoff, losses, "
        "zero windows, queues, top talkers, resets.",
        "scripts/renoscope report tcp.renoscope -o tcp.html")
    command.add_argument("-o", "--output", required=True, metavar="FILE.html",
                         help="where to write the page; - is standard output")
    command.add_argument("--limit", type=limit, metavar="N", default=ROWS,
                         help=f"rows of a table, 0 for all (default {ROWS})")
    command.add_argument("file", nargs="?", metavar="FILE",
                         help="a recording; - is standard input")
