# SPDX-License-Identifier: GPL-2.0
"""synflood: whether one is under way, and what helps."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from ..options import add_choice_of_listeners, add_command, add_input
from ..tcp.wanted import chosen
from ..views import synflood_text
from ..views.synflood import FloodWatch
from ..views.telling import open_input, tell


def _synflood(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = FloodWatch(source.schema, chosen(options))
    return tell(options, source, view, partial(synflood_text.as_json, view),
                partial(synflood_text.as_text, view))


def add(commands: Any) -> None:
    """Its options."""
    flood = add_command(
        commands, "synflood", _synflood,
        "whether a SYN flood is under way, and what helps",
        "Without FILE: what the ring holds now. A verdict for each listener "
        "with its evidence: the half-open queue, the share of handshakes that "
        "complete, the sources, cookies and refusals.",
        "scripts/renoscope synflood listener.renoscope")
    add_choice_of_listeners(flood)
    add_input(flood, "one JSON object: verdicts and evidence")
