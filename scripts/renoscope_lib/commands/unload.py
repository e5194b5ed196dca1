# SPDX-License-Identifier: GPL-2.0
"""unload: take the module out, or say who holds it."""

from __future__ import annotations

import argparse
from typing import Any

from ..machine import loading
from ..machine.host import Host
from ..options import add_command


def _unload(_: argparse.Namespace) -> int:
    return loading.unload(Host())


def add(commands: Any) -> None:
    """Its options."""
    add_command(commands, "unload", _unload, "unload the module",
                "If it is in use: who holds it, and the safe step that lets go.",
                "sudo scripts/renoscope unload")
