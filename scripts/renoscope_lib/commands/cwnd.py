# SPDX-License-Identifier: GPL-2.0
"""cwnd: cwnd and ssthresh over time and by round trip."""

from __future__ import annotations

import argparse
import shutil
import sys
from functools import partial
from typing import Any

from ..options import add_choice, add_command, add_input, limit
from ..output.pictures import format_of, of_one
from ..output.whole_file import check_is_another
from ..tcp.wanted import chosen
from ..views import cwnd_figure, cwnd_text
from ..views.cwnd import Cwnd
from ..views.palettes import PALETTES
from ..views.telling import coloured, open_input, tell


def _paper() -> cwnd_text.Paper:
    """The terminal, or a file that somebody will look at in one."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return cwnd_text.Paper(shutil.get_terminal_size((80, 24)).columns,
                           encoding == "utf8", coloured())


def _cwnd(options: argparse.Namespace) -> int:
    for path in options.draw:
        format_of(path, "cwnd")
    check_is_another("cwnd", options.file, *options.draw)
    source = open_input(options.file, follows=False)
    view = Cwnd(source.schema)
    wanted = chosen(options)
    code = tell(options, source, view,
                partial(cwnd_text.as_json, view, wanted=wanted),
                lambda _end_ns: cwnd_text.as_text(view, wanted, options.limit,
                                                  _paper(), options.rounds))
    for path in options.draw:
        series = of_one("cwnd", view.series(wanted), "sent data")
        cwnd_figure.draw(series, path, PALETTES[options.palette])
    return code


def add(commands: Any) -> None:
    """Of any algorithm; rounds is of our own alone."""
    command = add_command(
        commands, "cwnd", _cwnd,
        "how cwnd and ssthresh went, losses marked, phases named",
        "Without FILE: what the ring holds now. Of any congestion control: charts in "
        "the terminal, and with --draw a picture over time and by round trip. The "
        "connections with most losses and most data come first.",
        "scripts/renoscope cwnd transfer.renoscope --connection 1f --draw cwnd.png")
    add_choice(command)
    command.add_argument("--rounds", action="store_true",
                         help="under each connection's charts its round trips, one "
                         "line each")
    command.add_argument("--draw", action="append", default=[], metavar="FILE.png",
                         help="also draw one connection, as PNG or SVG; may be "
                         "repeated (needs python3-matplotlib)")
    command.add_argument("--palette", choices=sorted(PALETTES), default="light",
                         help="for light or dark paper (default light)")
    command.add_argument("--limit", type=limit, metavar="N", default=cwnd_text.SHOWN,
                         help="connections to show, 0 for all (default "
                         f"{cwnd_text.SHOWN}; --json has all)")
    add_input(command, "one JSON object: every connection's series")
