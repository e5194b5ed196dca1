# SPDX-License-Identifier: GPL-2.0
"""Programs of the scenarios: small ones in C, and those that Debian's packages bring.

What an interpreter is too slow for is in C. A guest has this machine's files and so its
compiler; what it builds is gone with it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hosts import run
from renoscope_lib.ring import schema_source

HERE = Path(__file__).resolve().parent
BUILT = Path("/tmp/stress-programs")


def program(name: str) -> str:
    """The path of a program, built from NAME.c the first time."""
    built = BUILT / name
    if not built.exists():
        BUILT.mkdir(exist_ok=True)
        run(schema_source.find_compiler() or "gcc", "-O2", "-Wall", "-Werror", "-pthread",
            "-o", str(built),
            str(HERE / f"{name}.c"))
    return str(built)


def need(name: str) -> None:
    """A scenario that lacks a program fails: skipped, it would count as passed."""
    if not shutil.which(name):
        raise RuntimeError(f"no {name} here: scripts/install-deps stress")
