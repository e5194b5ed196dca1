# SPDX-License-Identifier: GPL-2.0
"""What doctor says of one thing: a line, with how to mend it."""

from __future__ import annotations

from dataclasses import dataclass

GOOD = "ok"
WARN = "warn"
FAIL = "FAIL"


@dataclass(frozen=True)
class Check:
    """One line: what is so, and how to mend it where it should not be."""

    level: str
    what: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{self.level:<5} {self.what}"
        return f"{line}  — mend: {self.mend}" if self.mend else line
