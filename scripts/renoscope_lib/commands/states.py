# SPDX-License-Identifier: GPL-2.0
"""states: what each connection went through, and how long."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from ..options import add_absolute, add_choice, add_command, add_input, add_limit, complain_if
from ..tcp.wanted import chosen
from ..views import states_text
from ..views.states import States
from ..views.telling import open_input, tell_dated


def _states(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = States(source.schema, chosen(options))
    if options.counts:
        return tell_dated(options, source, view,
                          partial(states_text.counts_as_json, view, wanted=chosen(options)),
                          partial(states_text.counts_as_text, view, wanted=chosen(options)),
                          complain_if)
    return tell_dated(options, source, view,
                      partial(states_text.as_json, view, wanted=chosen(options)),
                      partial(states_text.as_text, view, wanted=chosen(options),
                              limit=options.limit),
                      complain_if)


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands, "states", _states,
        "each connection's states and the time in each",
        "Without FILE: what the ring holds now. SYN-RECEIVED counts from the "
        "request on, TIME-WAIT to its real end. Who reset a connection and why "
        "is told; (implied) stands where it is worked out. Last come the "
        "counts by state, as netstat -ant has them.",
        "scripts/renoscope states tcp.renoscope --port 5000")
    add_choice(command)
    add_absolute(command)
    command.add_argument("--counts", action="store_true",
                         help="only the counts by state")
    add_limit(command)
    add_input(command, "one JSON object: every connection, and the counts")
