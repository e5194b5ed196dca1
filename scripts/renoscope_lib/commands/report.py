# SPDX-License-Identifier: GPL-2.0
"""report: everything on one page, to be mailed."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import BAD_INPUT, Problem
from ..options import add_command, add_file, complain, limit
from ..output.whole_file import WholeFile, check_is_another
from ..report import page
from ..report.all_views import AllViews
from ..report.parts import ROWS
from ..report.told import Told
from ..views.telling import finish, joined, open_input
from ..words import harmless, shell_word

# Where a page says of itself what it is.
HEAD_BYTES = 4096


def _report(options: argparse.Namespace) -> int:
    is_named = options.output is not None
    if not is_named:
        options.output = _own_name(options.file)
    check_is_another("report", options.file, options.output)
    if not is_named:
        _check_is_ours(options.output)
    source = open_input(options.file, follows=False)
    views = AllViews(source.schema)
    views.begin(source)
    for event in joined(source):
        views.feed(event)
    views.end(source)
    told = Told.of(views, source, options.file, options.limit, _command(options))
    say: Callable[[str], None] = complain
    if is_named:
        say = print
    _write(page.html(told), options.output, say)
    return finish(source)


def _own_name(recording: str | None) -> str:
    """What the page is called if nobody says so; it is made here."""
    if recording is None or recording == "-":
        return "renoscope.html"
    return f"{Path(recording).stem}.html"


def _check_is_ours(path: str) -> None:
    """Nobody asked for this name: only an earlier page is replaced."""
    if os.path.lexists(path) and not _is_page(path):
        raise Problem(f"report: {path} is there and is no page of renoscope report; "
                      "name another with -o", BAD_INPUT)


def _is_page(path: str) -> bool:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return page.MADE_BY.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False


def _command(options: argparse.Namespace) -> str:
    """What was asked for, without the folders of whoever asked."""
    words = ["renoscope", "report"]
    if options.file:
        words.append(options.file.rpartition("/")[2])
    words += ["-o", options.output.rpartition("/")[2]]
    if options.limit != ROWS:
        words += ["--limit", str(options.limit)]
    return " ".join(map(shell_word, words))


def _write(html: str, path: str, say: Callable[[str], None]) -> None:
    if path == "-":
        sys.stdout.write(html)
        return
    with WholeFile(path) as file:
        file.write(html.encode())
    say(f"{harmless(path)}: {max(len(html) // 1000, 1)} kB, opens in any browser")


def add(commands: Any) -> None:
    """One page."""
    command = add_command(
        commands, "report", _report, "one page of everything, to open or to mail",
        "Without FILE: what the ring holds now. One HTML file that loads nothing "
        "from anywhere: a summary, what went wrong, whether anything is missing, "
        "every connection with the time in each state, SYN-ACK backoff, losses, "
        "zero windows, queues, top talkers, resets.",
        "scripts/renoscope report tcp.renoscope -o tcp.html")
    command.add_argument("-o", "--output", metavar="FILE.html",
                         help="where to write the page; - is standard output "
                              "(default: FILE's name with .html, or renoscope.html, in "
                              "the current folder, where only an earlier page is "
                              "replaced)")
    command.add_argument("--limit", type=limit, metavar="N", default=ROWS,
                         help=f"rows of a table, 0 for all (default {ROWS})")
    add_file(command)
