# SPDX-License-Identifier: GPL-2.0
"""losses: what was sent again, and what it did to cwnd."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from ..options import add_absolute, add_choice, add_command, add_input, add_limit, complain_if
from ..tcp.wanted import chosen
from ..views import losses_text
from ..views.losses import Losses
from ..views.telling import open_input, tell_dated


def _losses(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = Losses(source.schema)
    return tell_dated(options, source, view,
                      partial(losses_text.as_json, view, wanted=chosen(options)),
                      partial(losses_text.as_text, view, wanted=chosen(options),
                              verbose=options.verbose, limit=options.limit),
                      complain_if)


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands, "losses", _losses,
        "what was sent again, why, and what it did to cwnd",
        "Without FILE: what the ring holds now. Retransmissions by cause, "
        "timeouts with their backoff, recoveries with cwnd and ssthresh before "
        "and after, and the time in each state of congestion avoidance.",
        "scripts/renoscope losses -v tcp.renoscope")
    add_choice(command)
    add_absolute(command)
    command.add_argument("-v", "--verbose", action="store_true",
                         help="every episode of every connection too")
    add_limit(command)
    add_input(command, "one JSON object: every connection with its episodes")
