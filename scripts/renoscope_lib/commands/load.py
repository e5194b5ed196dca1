# SPDX-License-Identifier: GPL-2.0
"""load: put the module into the kernel."""

from __future__ import annotations

import argparse
from typing import Any

from ..machine import loading
from ..machine.host import Host
from ..options import add_command


def _load(options: argparse.Namespace) -> int:
    return loading.load(options.words, Host())


def add(commands: Any) -> None:
    """Its options."""
    load = add_command(
        commands, "load", _load, "load the module",
        "Without MODULE.ko: the one built beside these scripts, or else the "
        "installed one.",
        "sudo scripts/renoscope load 'filter=port=443 addr=10.0.0.0/8'")
    load.add_argument("words", nargs="*", metavar="[MODULE.ko] PARAM=VALUE",
                      help="the module's file, and parameters for it; "
                      "modinfo -p lists them")
