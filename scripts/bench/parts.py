# SPDX-License-Identifier: GPL-2.0
"""What was measured, in files, with what it was measured on and when."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "shared"))

import commits  # noqa: E402  (found through the line above)


@dataclass(frozen=True)
class Part:
    """One part's results, and where they come from."""

    result: Any
    kernel: str
    machine: str
    date: str
    commit: str

    @property
    def origin(self) -> str:
        """In a line."""
        return (f"{self.date}, Linux {self.kernel}, {self.machine}, "
                f"commit {commits.told(self.commit)}")


def processor_of(cpuinfo: str) -> str:
    """The processor's name, and how many there are, from /proc/cpuinfo's text."""
    names = re.findall(r"^model name\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    if not names:
        return "unknown processor"
    return f"{len(names)} x {' '.join(names[0].split())}"


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, text=True, capture_output=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine() -> str:
    """This machine, and the QEMU that its guests run in."""
    qemu = re.search(r"version (\S+)", _said("qemu-system-x86_64", "--version"))
    return (f"QEMU {qemu[1] if qemu else '?'} (TCG) on "
            + processor_of(Path("/proc/cpuinfo").read_text()))


def keep(file: Path, result: Any, kernel: str) -> None:
    """Write one part's results."""
    file.write_text(json.dumps({
        "result": result, "kernel": kernel, "machine": machine(),
        "commit": commits.current(),
        "date": time.strftime("%Y-%m-%d", time.gmtime())}, indent=1) + "\n")


def load(folder: Path, names: Iterable[str]) -> dict[str, Part]:
    """Those parts that were measured."""
    return {name: Part(**json.loads(file.read_text())) for name in names
            if (file := folder / f"{name}.json").exists()}
