# SPDX-License-Identifier: GPL-2.0
"""A page of Documentation that shows commands and what they print.

In a page's literal blocks a line `$ command` is followed by its output, up to the
next command or the block's end. `[...]` stands for what is left out.

Two runs of a scene differ: in numbers and the units that go with them, in how many
rows alike a table has, in the curves of a chart, and therefore in where a sentence is
wrapped. All that is taken out of both, what was shown and what was printed; the words
that remain must be the same, each in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PROMPT = "$ "
LEFT_OUT = "[...]"

_COUNTS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_NUMBER = rf"(?<![A-Za-z])[-+]?\d+(?:[.,]\d+)*(?: (?:us|ms|s|min|h)\b)?|\b(?:{_COUNTS})\b"

# In this order.
_TAKEN_OUT = tuple((re.compile(pattern), word) for pattern, word in (
    (r"(\bsk:|--connection )[0-9a-f]+", r"\1#"),
    ("[\u2581-\u2588\u2591]+", "~"),            # a chart
    (r"^(\s*(?:losses|phases)) .*", r"\1 ~"),   # a chart of letters
    ("[\u2500\u250a]+", "-"),                   # an arrow's shaft
    (_NUMBER, "#"),
    (r"#(?:(?: \+|,) (?:\.\.\. \+ )?#)+", "#"),   # a sum, a list
    (r"(?:timer|duplicate SYN) +# +[-#] +#", "by # # #"),    # whose clock came first
    (r"\b(?:once|twice)\b", "# times"),
    (r"\bwere\b", "was"),
    (r"(\w*[A-Za-rt-z])s\b", r"\1"),             # 1 SYN, 2 SYNs
    (r"~(?:\s+~)+", "~")))


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


def plain(text: str) -> str:
    """What two runs have in common of it."""
    for pattern, word in _TAKEN_OUT:
        text = pattern.sub(word, text)
    return " ".join(text.split())


def _without_rows_alike(lines: Iterable[str]) -> Iterator[str]:
    """How many there are is chance."""
    before = ""
    for line in lines:
        alike = plain(line)
        if alike == LEFT_OUT or alike and alike != before:
            yield alike
        before = before if alike == LEFT_OUT else alike


def _pattern(lines: Iterable[str]) -> str:
    """Of the words of some lines; what is left out may be anything."""
    parts = [plain(part) for part in " ".join(lines).split(LEFT_OUT)]
    return r"\s?.*?\s?".join(re.escape(part) for part in parts)


def missing(shown: Shown, printed: str) -> str | None:
    """The first line shown that was not printed in its place; None if all were."""
    real = plain(" ".join(_without_rows_alike(printed.splitlines())))
    lines = list(_without_rows_alike(shown.lines))
    if re.fullmatch(_pattern(lines), real):
        return None
    for count in range(1, len(lines) + 1):
        if not re.match(_pattern(lines[:count]), real):
            return lines[count - 1]
    return "nothing more, but there was"
