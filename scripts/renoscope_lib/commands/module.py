# SPDX-License-Identifier: GPL-2.0
"""doctor, load, unload: the module and this machine."""

from __future__ import annotations

import argparse
from typing import Any

from .. import doctor, modctl
from ..host import Host
from ..options import add_command


def _doctor(_: argparse.Namespace) -> int:
    return doctor.examine(Host())


def _load(options: argparse.Namespace) -> int:
    return modctl.load(options.words, Host())


def _unload(_: argparse.Namespace) -> int:
    return modctl.unload(Host())


def add(commands: Any) -> None:
    """What concerns the module."""
    add_command(commands, "doctor", _doctor, "check that it can work here",
                "One line for each check: ok, warn or FAIL, what is so, and the "
                "command that mends it.", "sudo scripts/renoscope doctor")
    load = add_command(
        commands, "load", _load, "load the module",
        "Without MODULE.ko: the one built beside these scripts, or else the "
        "installed one.",
        "sudo scripts/renoscope load 'filter=port=443 addr=10.0.0.0/8'")
    load.add_argument("words", nargs="*", metavar="[MODULE.ko] PARAM=VALUE",
                      help="the module's file, and parameters for it; "
                      "modinfo -p lists them")
    add_command(commands, "unload", _unload, "unload the module",
                "If it is in use: who holds it, and the safe step that lets go.",
                "sudo scripts/renoscope unload")
