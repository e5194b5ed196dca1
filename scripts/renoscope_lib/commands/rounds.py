# SPDX-License-Identifier: GPL-2.0
"""rounds: cwnd and ssthresh, one value a round trip."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from ..options import add_choice, add_command, add_input, add_limit
from ..output.pictures import format_of, of_one
from ..output.whole_file import check_is_another
from ..tcp.wanted import chosen
from ..views import rounds, rounds_figure
from ..views.telling import open_input, tell


def _rounds(options: argparse.Namespace) -> int:
    for path in options.draw:
        format_of(path, "rounds")
    check_is_another("rounds", options.file, *options.draw)
    source = open_input(options.file, follows=False)
    view = rounds.Rounds(source.schema)
    wanted = chosen(options)
    code = tell(options, source, view,
                partial(rounds.as_json, view, wanted=wanted),
                lambda _end_ns: rounds.as_text(view, wanted, options.limit))
    for path in options.draw:
        rounds_figure.draw(of_one("rounds", view.flows(wanted), "has rounds"), path)
    return code


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands, "rounds", _rounds,
        "cwnd and ssthresh by round trip, phases named",
        "Without FILE: what the ring holds now. Of connections that use one of "
        "this module's own algorithms. --draw makes the textbook's picture.",
        "scripts/renoscope rounds transfer.renoscope --draw transfer.png")
    add_choice(command)
    command.add_argument("--draw", action="append", default=[],
                         metavar="FILE.png",
                         help="also draw one connection, as PNG or SVG; may be "
                         "repeated (needs python3-matplotlib)")
    add_limit(command)
    add_input(command, "one JSON object: every connection with its rounds")
