# SPDX-License-Identifier: GPL-2.0
"""windows: who had to wait for whom."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from ..options import add_choice, add_command, add_input, add_limit
from ..tcp.wanted import chosen
from ..views import windows_text
from ..views.telling import open_input, tell
from ..views.windows import Windows


def _windows(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = Windows(source.schema)
    return tell(options, source, view,
                partial(windows_text.as_json, view, wanted=chosen(options)),
                partial(windows_text.as_text, view, wanted=chosen(options),
                        limit=options.limit))


def add(commands: Any) -> None:
    """Its options."""
    command = add_command(
        commands, "windows", _windows,
        "windows each way, zero windows and their probes",
        "Without FILE: what the ring holds now. Who stood still and how long, "
        "each persist probe with its backoff, and the update that ended it.",
        "scripts/renoscope windows tcp.renoscope")
    add_choice(command)
    add_limit(command)
    add_input(command, "one JSON object: every connection with its episodes")
