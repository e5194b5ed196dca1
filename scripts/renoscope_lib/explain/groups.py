# SPDX-License-Identifier: GPL-2.0
"""What several connections have in common, summed up for the person in a hurry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..tcp.sequence import isns_differ
from ..words import connection, plural
from .finding import RULES, SEVERITIES, TROUBLE, Finding, Report, brief

# Both ends of so many connections are named.
FEW_PAIRS = 4

Isns = tuple[int, int] | None


@dataclass
class Group:
    """Findings of one rule with the same gist at the same service."""

    rule: str
    severity: str
    first: Finding
    count: int = 0
    least_us: int = 0
    most_us: int = 0
    total_us: int = 0
    severities: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """One more."""
        cost_us = finding.cost_us
        self.least_us = min(self.least_us, cost_us) if self.count else cost_us
        self.most_us = max(self.most_us, cost_us)
        self.total_us += cost_us
        self.count += 1
        self.severities[finding.severity] += 1
        if SEVERITIES.index(finding.severity) < SEVERITIES.index(self.severity):
            self.severity = finding.severity

    @property
    def rank(self) -> tuple[int, int, int]:
        """Sorts the worst first."""
        return SEVERITIES.index(self.severity), -self.total_us, -self.count

    def words(self) -> str:
        """`slow to connect: 12 connections to 10.0.0.2:443, 3 s each: ...`."""
        subject = self.first.subject
        if self.count == 1 and subject.is_listener:
            what = "listener " if subject.cookie else ""
            return f"{what}{subject.local}: {self.first.sentence}"
        text = f"{RULES[self.rule].about}: {self._who()}{self._cost()}"
        return f"{text}: {self.first.gist}" if self.first.gist else text

    def _who(self) -> str:
        subject = self.first.subject
        if self.count == 1:
            return f"{connection(subject.cookie)} {subject.service}"
        noun = "listener" if subject.is_listener else "connection"
        return f"{plural(self.count, noun)}{self._how_many()} {subject.service}"

    def _how_many(self) -> str:
        """Of each severity, where they are not all of one."""
        if len(self.severities) < 2:
            return ""
        words = ", ".join(
            f"{self.severities[one]} {one.upper() if one == TROUBLE else one}"
            for one in SEVERITIES if self.severities[one])
        return f" ({words})"

    def _cost(self) -> str:
        if not self.total_us:
            return ""
        if self.count == 1:
            return f", {brief(self.total_us)}"
        if self.most_us <= 1.25 * self.least_us:
            return f", {brief(self.total_us // self.count)} each"
        return (f", {brief(self.least_us)} to {brief(self.most_us)}, "
                f"{brief(self.total_us)} in all")

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"rule": self.rule, "severity": self.severity,
                "service": self.first.subject.service,
                "gist": self.first.gist or None,
                "count": self.count, "by_severity": dict(self.severities),
                "least_us": self.least_us,
                "most_us": self.most_us, "total_us": self.total_us,
                "words": self.words()}


def _are_ends(one: Isns, other: Isns) -> bool:
    """Whether nothing speaks against it: each one's own ISN is the other's peer's."""
    return (one is None or other is None
            or not any(map(isns_differ, one, reversed(other))))


class Groups:
    """Sums up the reports that pass it."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str, bool], Group] = {}
        # By a hash of both, there may be many: the id and the ISNs.
        self._ends: dict[int, tuple[int, Isns]] = {}
        self.reports = 0
        self.fine = 0
        self.told_twice = 0     # connections of which both ends have a report
        self.pairs: list[tuple[int, int]] = []  # the ids of the first ones' ends

    def passing(self, reports: Iterable[Report]) -> Iterator[Report]:
        """The same reports, counted."""
        for report in reports:
            self.reports += 1
            self.fine += report.is_fine
            self._see_ends(report)
            for finding in report.findings:
                self._add(finding)
            yield report

    def _see_ends(self, report: Report) -> None:
        """Whether the other end was told of before: of this connection, not of another."""
        subject = report.subject
        if subject.is_listener:
            return
        others = hash((subject.remote, subject.local))
        other = self._ends.get(others)
        if other is None or not _are_ends(other[1], report.isns):
            self._ends[hash((subject.local, subject.remote))] = subject.cookie, report.isns
            return
        del self._ends[others]
        self.told_twice += 1
        if len(self.pairs) < FEW_PAIRS:
            self.pairs.append((other[0], subject.cookie))

    def _add(self, finding: Finding) -> None:
        subject = finding.subject
        key = (finding.rule, subject.service, finding.gist,
               subject.is_listener)
        if key not in self._groups:
            self._groups[key] = Group(finding.rule, finding.severity, finding)
        self._groups[key].add(finding)

    def worst_first(self) -> Iterator[Group]:
        """All of them."""
        yield from sorted(self._groups.values(), key=lambda g: g.rank)
