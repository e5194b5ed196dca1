# SPDX-License-Identifier: GPL-2.0
"""What explain says: to a person the worst first, on 80 columns; to programs all."""

from __future__ import annotations

import heapq
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..output.tables import and_more
from ..place import INSTALLED
from ..tcp.life import opened_words
from ..tcp.wanted import Filter
from ..views.show import RESET
from ..words import connection, file_word, plural
from .explain import Explained
from .finding import FINE, NOTEWORTHY, SEVERITIES, TROUBLE, Finding, Report
from .groups import Groups

# Connections told one by one; --limit sets another number.
LIMIT = 20

# Told beside trouble: both ends of one connection, say.
FEW_FINE = 2

# What a person's terminal has at the least.
COLUMNS = 79
FEW_LINES = 4

LABELS = {severity: severity.upper() if severity == TROUBLE else severity
          for severity in SEVERITIES}
LABEL_WIDTH = 12

COLOURS = {TROUBLE: "\033[1;31m", NOTEWORTHY: "\033[33m", FINE: "\033[32m"}

FROM_FIRST = "Times count from the first event, as in `renoscope show`."
BY_WALL_CLOCK = "Times are UTC, as in `renoscope show --absolute`."

BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:us|ms|s)\b)")

HOW_TO_READ = (
    "TROUBLE cost time or broke something, noteworthy may have, fine is as it should "
    "be. {} Lost is what did "
    "not arrive, whoever dropped it. (implied) is worked out from what happened around "
    "it. Where no event tells a cause, those that fit are named, or the usual one with "
    "`most likely`.")


@dataclass(frozen=True)
class Typed:
    """How a person runs the command: its name, and the recording or none."""

    command: str = INSTALLED
    file: str | None = None

    def step_lines(self, step: str) -> Iterator[tuple[str, bool]]:
        """The lines of a next step, and whether each is a command to be pasted."""
        name = {None: "", "-": " FILE"}.get(
            self.file, f" {file_word(self.file or '')}")
        for line in step.splitlines():
            view = line.removeprefix(f"{INSTALLED} ")
            if view == line:
                yield line, False
            else:
                yield f"{self.command} {view.replace(' FILE', name, 1)}", True


def coloured(lines: Iterable[str]) -> Iterator[str]:
    """The same lines, the words of severity in colour."""
    for line in lines:
        for severity, label in LABELS.items():
            if line.lstrip().startswith(f"{label:<{LABEL_WIDTH}}"):
                line = line.replace(label, f"{COLOURS[severity]}{label}{RESET}", 1)
        yield line


def _wrapped(text: str, first: str, indent: int) -> list[str]:
    """A number stays with its unit."""
    lines = textwrap.wrap(BEFORE_UNIT.sub("\xa0", text), COLUMNS, initial_indent=first,
                          subsequent_indent=" " * indent,
                          break_long_words=False, break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


def _leaves_out_fine(groups: Groups, limit: int, verbose: bool) -> bool:
    """Who has trouble to read of is not shown many that have none."""
    return not verbose and bool(limit) and FEW_FINE < groups.fine < groups.reports


def _summary(groups: Groups, limit: int, leaves_out_fine: bool) -> Iterator[str]:
    """The worst of all, in a line or two each."""
    serious = [g for g in groups.worst_first() if g.severity != FINE]
    shown = serious[:limit] if limit else serious
    for group in shown:
        yield from _wrapped(group.words(),
                            f"{LABELS[group.severity]:<{LABEL_WIDTH}}",
                            LABEL_WIDTH)
    if len(serious) > len(shown):
        yield f"... and {len(serious) - len(shown)} more: --limit 0 shows all"
    if groups.fine:
        words = ("nothing wrong with the only connection"
                 if groups.fine == groups.reports == 1 else
                 f"nothing wrong with {plural(groups.fine, 'connection')}"
                 + (" (-v tells of each)" if leaves_out_fine else ""))
        yield from _wrapped(words, f"{LABELS[FINE]:<{LABEL_WIDTH}}", LABEL_WIDTH)
    if groups.told_twice:
        yield from _wrapped(_both_ends(groups, bool(serious)), "", 0)


def _both_ends(groups: Groups, has_lines: bool) -> str:
    """Nobody shall take the two ends of one connection for two."""
    pairs = [f"{connection(one)} and {connection(other)}" for one, other in groups.pairs]
    left = groups.told_twice - len(pairs)
    sides = (": `to` lines are of the one that connected, `at` lines of the one that accepted"
             if has_lines else "")
    return (f"Both ends of {plural(groups.told_twice, 'connection')} were recorded "
            f"({', '.join(pairs)}{f' and {left} more' if left else ''}), and each end is "
            f"counted{sides}.")


def _finding_lines(finding: Finding, verbose: bool, typed: Typed) -> Iterator[str]:
    yield from _wrapped(finding.sentence,
                        f"  {LABELS[finding.severity]:<{LABEL_WIDTH}}",
                        LABEL_WIDTH + 2)
    if finding.severity == FINE and not verbose:
        return
    evidence = finding.evidence
    shown = evidence if verbose else evidence[:FEW_LINES]
    for line in shown:
        yield from _wrapped(line, " " * (LABEL_WIDTH + 4), LABEL_WIDTH + 6)
    if len(evidence) > len(shown):
        yield (" " * (LABEL_WIDTH + 4)
               + f"({len(evidence) - len(shown)} more: -v)")
    yield from _next_lines(finding.next_step, typed)


def _next_lines(step: str, typed: Typed) -> Iterator[str]:
    """A command stays whole, so that it can be copied."""
    first, indent = " " * (LABEL_WIDTH + 2) + "next: ", LABEL_WIDTH + 8
    for line, is_command in typed.step_lines(step):
        yield from [first + line] if is_command else _wrapped(line, first, indent)
        first = " " * indent


def _report_lines(report: Report, verbose: bool, typed: Typed) -> Iterator[str]:
    opened = opened_words(report.subject.opened_by, report.subject.opener)
    yield f"{report.subject}{f', {opened}' if opened else ''}"
    for finding in report.findings:
        yield from _finding_lines(finding, verbose, typed)


def as_text(explained: Explained, end_ns: int | None,
            wanted: Filter = Filter(), limit: int = LIMIT,
            verbose: bool = False, typed: Typed = Typed()) -> Iterator[str]:
    """The summary for those in a hurry, then each connection, the worst first."""
    groups = Groups()
    reports = groups.passing(explained.reports(end_ns, wanted))
    worst = (heapq.nsmallest(limit, reports, key=lambda r: r.rank) if limit
             else sorted(reports, key=lambda r: r.rank))
    yield from explained.left_out()
    if not worst:
        yield _none(explained, end_ns, wanted)
    else:
        leaves_out_fine = _leaves_out_fine(groups, limit, verbose)
        if leaves_out_fine:
            worst = [report for report in worst if not report.is_fine]
        yield from _summary(groups, limit, leaves_out_fine)
        yield ""
        for report in worst:
            yield from _report_lines(report, verbose, typed)
            yield ""
        yield from and_more(groups.reports - len(worst)
                            - (groups.fine if leaves_out_fine else 0))
        is_wall = explained.gaps.wall_offset_ns is not None
        yield from _wrapped(HOW_TO_READ.format(BY_WALL_CLOCK if is_wall else FROM_FIRST),
                            "", 0)
    for line in explained.unknown():
        yield from _wrapped(line, "", 2)


def _none(explained: Explained, end_ns: int | None, wanted: Filter) -> str:
    return wanted.none_seen(0 if wanted.takes_all else sum(
        not report.subject.is_listener for report in explained.reports(end_ns)))


# ---- for programs

def as_json(explained: Explained, end_ns: int | None,
            wanted: Filter = Filter()) -> dict[str, Any]:
    """Every report, then the summary; times in ns and us."""
    groups = Groups()
    return {
        "reports": ({"subject": str(report.subject),
                     "findings": [f.as_json() for f in report.findings]}
                    for report in groups.passing(
                        explained.reports(end_ns, wanted))),
        "summary": (group.as_json() for group in groups.worst_first()),
        "forgotten": explained.forgotten,
        "listeners_forgotten": explained.listeners_forgotten,
        "closed_port_syns_left_out": explained.closed_port_syns_left_out,
        "unheard_syns_left_out": explained.unheard_syns_left_out,
        "not_known": explained.unknown(),
        **explained.gaps.as_json(end_ns)}
