# SPDX-License-Identifier: GPL-2.0
"""What the runs came to: a line each in out/stress, and the table of the last ones.

The table has only runs of all of a scenario: not of a part, nor of one try that a seed
names. In Documentation it keeps the row of what was not run here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import commits
import generated
import seeds

BEGINS = ".. generated begins: scripts/stress/run --table --write-page"
HEAD = ("scenario", "kernel", "Linux", "came to", "took", "on", "commit")
WIDTHS = (14, 12, 22, 24, 10, 12, 24)
NO_RUN = "No run of a whole scenario is kept here yet."

# A scenario, and the kernel as the plan names it.
Place = tuple[str, str]


@dataclass(frozen=True)
class Result:
    """One scenario on one kernel."""

    scenario: str
    kernel: str
    release: str
    part: float
    seed: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    commit: str
    clean: bool
    date: str

    @property
    def place(self) -> Place:
        """What it is a run of."""
        return self.scenario, self.kernel

    @property
    def is_whole(self) -> bool:
        """Whether all of the scenario was run; where no guest can run, nothing was."""
        return (self.part == 1 and not seeds.parse(self.seed).test
                and self.passed + self.failed > 0)

    def came_to(self) -> str:
        """The counts."""
        counts = f"{self.passed} passed, {self.failed} failed"
        return counts + (f", {self.skipped} skipped" if self.skipped else "")

    def row(self) -> tuple[str, ...]:
        """Its cells in the table."""
        commit = commits.told(self.commit + "+" * (not self.clean))
        return (self.scenario, self.kernel, self.release, self.came_to(),
                duration(self.seconds), self.date, commit)


def duration(seconds: float) -> str:
    """As long runs are told of."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def keep(file: Path, result: Result) -> None:
    """Add a line."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(result)) + "\n")


def load(file: Path) -> list[Result]:
    """All lines, the oldest first; none where nothing was run."""
    if not file.exists():
        return []
    return [Result(**json.loads(line)) for line in file.read_text("utf-8").splitlines()]


def rows(results: Iterable[Result]) -> dict[Place, tuple[str, ...]]:
    """The newest whole run of each."""
    return {result.place: result.row() for result in results if result.is_whole}


def rows_in(made: str) -> dict[Place, tuple[str, ...]]:
    """The same out of a table that was made before."""
    found = (tuple(re.findall(r"^   [* ] -(?: (.*))?$", row, re.MULTILINE))
             for row in re.findall(r"^   \* - .*(?:\n     -.*)*", made, re.MULTILINE))
    return {(cells[0], cells[1]): cells for cells in found
            if len(cells) == len(HEAD) and cells != HEAD}


def table(rows_: Mapping[Place, Sequence[str]], plan: Sequence[Place]) -> str:
    """In the plan's order, and what of it was never run."""
    known = [place for place in plan if place in rows_]
    if not known:
        return f"\n{NO_RUN}\n\n"
    lines = ["", *generated.table(HEAD, [rows_[place] for place in known], WIDTHS)]
    missing = [place for place in plan if place not in rows_]
    if missing:
        lines += ["Of these there is no result of a whole run:", "", *_by_scenario(missing), ""]
    return "\n".join(lines) + "\n"


def _by_scenario(places: Sequence[Place]) -> list[str]:
    """A line for each scenario, with its kernels."""
    scenarios = dict.fromkeys(scenario for scenario, _ in places)
    return [f"- {name}: " + ", ".join(kernel for scenario, kernel in places if scenario == name)
            for name in scenarios]


def updated(page: str, results: Iterable[Result], plan: Sequence[Place]) -> str:
    """The page with these; ValueError if it has no place for them."""
    made = generated.parts_of(page, BEGINS)[1]
    return generated.updated(page, BEGINS, table(rows_in(made) | rows(results), plan))
