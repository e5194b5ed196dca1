# SPDX-License-Identifier: GPL-2.0
"""A page of Documentation that shows commands and what they print.

In a page's literal blocks a line `$ command` is followed by its output, up to the
next command or the block's end. `[...]` stands for what is left out: whole lines if
it is alone on its line, else a part of one. Two runs differ in numbers, and in the
units that go with them; all else must be the same, word for word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROMPT = "$ "
LEFT_OUT = "[...]"

_ID = re.compile(r"\bsk:[0-9a-f]+")
_NUMBER = re.compile(r"(?<![A-Za-z])[-+]?\d+(?:[.,]\d+)*(?: (?:us|ms|s|min|h)\b)?")
_CHART = re.compile("[\u2581-\u2588\u2591]+")
_RULE = re.compile("\u2500+")


class Shown(NamedTuple):
    """One command of a page and the lines that stand behind it."""

    command: str
    lines: list[str]


def shown_in(page: Path) -> Iterator[Shown]:
    """Each command that a page shows."""
    found: Shown | None = None
    for line in page.read_text().splitlines() + ["."]:
        if line.strip() and not line.startswith(" "):
            if found:
                yield found
            found = None
        elif line.strip().startswith(PROMPT):
            if found:
                yield found
            found = Shown(line.strip().removeprefix(PROMPT), [])
        elif found and line.strip():
            found.lines.append(line)


def plain(line: str) -> str:
    """What two runs have in common of a line."""
    for pattern, word in ((_ID, "sk:#"), (_CHART, "~"), (_RULE, "-"), (_NUMBER, "#")):
        line = pattern.sub(word, line)
    return " ".join(line.split())


def _pattern(line: str) -> re.Pattern[str]:
    parts = [re.escape(plain(part)) for part in line.split(LEFT_OUT)]
    return re.compile(r"\s*.*\s*".join(parts))


def missing(shown: Shown, printed: str) -> str | None:
    """The first line shown that was not printed in its place; None if all were."""
    real = [plain(line) for line in printed.splitlines() if line.strip()]
    at, may_skip = 0, False
    for line in shown.lines:
        if line.strip() == LEFT_OUT:
            may_skip = True
            continue
        pattern = _pattern(line)
        last = len(real) if may_skip else at + 1
        place = next((n for n in range(at, min(last, len(real)))
                      if pattern.fullmatch(real[n])), None)
        if place is None:
            return line
        at, may_skip = place + 1, False
    if at < len(real) and not may_skip:
        return f"nothing more, but there was: {real[at]}"
    return None
