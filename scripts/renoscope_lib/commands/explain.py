# SPDX-License-Identifier: GPL-2.0
"""explain: a verdict on each connection, in plain words with its evidence."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from functools import partial
from typing import Any

from ..explain import explain_text
from ..explain.explain import Explained
from ..options import add_absolute, add_choice, add_command, add_input, complain_if, limit
from ..place import as_run
from ..tcp.wanted import chosen
from ..views.telling import coloured, open_input, tell_dated


def _explain(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = Explained(source.schema)

    def as_text(end_ns: int | None) -> Iterable[str]:
        lines = explain_text.as_text(
            view, end_ns, chosen(options), options.limit, options.verbose,
            explain_text.Typed(as_run(), options.file))
        return explain_text.coloured(lines) if coloured() else lines
    return tell_dated(options, source, view,
                      partial(explain_text.as_json, view, wanted=chosen(options)), as_text,
                      complain_if)


def add(commands: Any) -> None:
    """It alone."""
    command = add_command(
        commands, "explain", _explain,
        "what went wrong, in plain words, and what to do next",
        "Without FILE: what the ring holds now. First the worst of all "
        "connections and listeners, then each with its evidence: slow or failed "
        "connects, full queues, timeouts and losses, zero windows, resets, "
        "sockets left half-closed.",
        "scripts/renoscope explain tcp.renoscope")
    add_choice(command)
    add_absolute(command)
    command.add_argument("-v", "--verbose", action="store_true",
                         help="all the evidence")
    command.add_argument("--limit", type=limit, metavar="N",
                         default=explain_text.LIMIT,
                         help="connections to show one by one, 0 for all (default "
                         f"{explain_text.LIMIT}; --json has all)")
    add_input(command, "one JSON object: every finding, and the summary")
