# SPDX-License-Identifier: GPL-2.0
"""doctor: check that it can work here."""

from __future__ import annotations

import argparse
from typing import Any

from ..doctor import doctor
from ..machine.host import Host
from ..options import add_command


def _doctor(_: argparse.Namespace) -> int:
    return doctor.examine(Host())


def add(commands: Any) -> None:
    """Its options."""
    add_command(commands, "doctor", _doctor, "check that it can work here",
                "One line for each check: ok, warn or FAIL, what is so, and the "
                "command that mends it.", "sudo scripts/renoscope doctor")
