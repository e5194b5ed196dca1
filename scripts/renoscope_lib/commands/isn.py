# SPDX-License-Identifier: GPL-2.0
"""isn: how predictable initial sequence numbers are."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from ..options import add_command, add_input
from ..views import isn_text
from ..views.isn import IsnAudit
from ..views.telling import open_input, tell


def _isn(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = IsnAudit(source.schema)
    return tell(options, source, view, partial(isn_text.as_json, view),
                lambda _end_ns: isn_text.as_text(view))


def add(commands: Any) -> None:
    """Its options."""
    audit = add_command(
        commands, "isn", _isn,
        "how predictable initial sequence numbers are",
        "Without FILE: what the ring holds now. Each host's own ISNs and each "
        "peer's, over many connections: steps between them, clock, estimated "
        "bits of uncertainty, and a verdict with its reason.",
        "scripts/renoscope isn many-connections.renoscope")
    add_input(audit, "one JSON object: the audit of each host")
