# SPDX-License-Identifier: GPL-2.0
"""handshakes: how connections began, or why they did not."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from ..options import add_absolute, add_choice, add_command, add_input, complain_if, limit
from ..tcp.wanted import chosen
from ..views import handshakes_text
from ..views.handshakes import Handshakes
from ..views.handshakes_text import ROWS
from ..views.telling import open_input, tell_dated


def _handshakes(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = Handshakes(source.schema, chosen(options))
    return tell_dated(options, source, view,
                      partial(handshakes_text.as_json, view),
                      partial(handshakes_text.as_text, view, limit=options.limit,
                              steps=options.steps),
                      complain_if)


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands, "handshakes", _handshakes,
        "how connections began, or why they did not",
        "Without FILE: what the ring holds now. Tables of the listeners and "
        "their queues, of SYN-ACKs sent again with the waits predicted and "
        "seen, and of handshakes, with the reason of those that failed or "
        "were slow.",
        "scripts/renoscope handshakes syn-flood.renoscope")
    add_choice(command)
    add_absolute(command)
    command.add_argument("--steps", action="store_true",
                         help="under each handshake, what happened and when")
    command.add_argument("--limit", type=limit, metavar="N", default=ROWS,
                         help=f"rows of a table, 0 for all (default {ROWS})")
    add_input(command, "one JSON object: all tables with every row")
