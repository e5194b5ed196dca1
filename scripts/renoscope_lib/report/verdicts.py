# SPDX-License-Identifier: GPL-2.0
"""What went wrong, the worst first: explain's findings, those of a sort together.

Each is a sentence; the evidence is folded, and what to do next stands below it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from ..explain.explain_text import Typed
from ..explain.finding import FINE, NOTEWORTHY, RULES, TROUBLE, Finding, Report
from ..explain.groups import Group, Groups
from ..words import connection
from .markup import Child, Html, join, tag
from .parts import Section, and_more, section
from .told import Told
from .values import at, code, counted

# Sorts of trouble that are told; and of one sort, whose evidence.
SHOWN = 20
EXAMPLES = 5

Key = tuple[str, str, str, bool]

LABELS = {TROUBLE: "Trouble", NOTEWORTHY: "Noteworthy", FINE: "Fine"}


@dataclass
class Verdicts:
    """What is found of everybody, once; `fine` of all that was judged."""

    groups: list[Group]
    examples: dict[int, list[Finding]]
    judged: int = 0
    fine: int = 0


class _Worst:
    """Keeps the worst findings of each group, of equals the earlier ones."""

    def __init__(self) -> None:
        self._kept: dict[Key, list[tuple[tuple[int, int], int, Finding]]] = {}
        self._order = 0

    def passing(self, reports: Iterator[Report]) -> Iterator[Report]:
        """The same reports."""
        for report in reports:
            for finding in report.findings:
                if finding.severity != FINE:
                    self._keep(finding)
            yield report

    def _keep(self, finding: Finding) -> None:
        severity, cost = finding.rank
        kept = self._kept.setdefault(_key(finding), [])
        self._order -= 1
        entry = ((-severity, -cost), self._order, finding)
        if len(kept) < EXAMPLES:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)

    def of(self, group: Group) -> list[Finding]:
        """The worst first."""
        return [finding for _, _, finding in sorted(
            self._kept.get(_key(group.first), []), reverse=True)]


def _key(finding: Finding) -> Key:
    subject = finding.subject
    return finding.rule, subject.service, finding.gist, subject.is_listener


def verdicts_of(told: Told) -> Verdicts:
    """Look at every connection and listener."""
    groups, worst = Groups(), _Worst()
    for _ in groups.passing(worst.passing(told.views.reports(told.end_ns))):
        pass
    serious = [group for group in groups.worst_first() if group.severity != FINE]
    return Verdicts(serious, {id(group): worst.of(group) for group in serious},
                    groups.reports, groups.fine)


# ---- in words

def _who(finding: Finding) -> Html:
    subject = finding.subject
    if subject.is_listener:
        return join("listener " if subject.cookie else None, code(subject.local))
    return join(code(connection(subject.cookie)), " ", code(subject.local), " – ",
                code(subject.remote))


def _next(told: Told, finding: Finding) -> Child:
    if not finding.next_step:
        return None
    typed = Typed(file=told.name if told.name in (None, "-") else told.title)
    words = [code(line) if is_command else line
             for line, is_command in typed.step_lines(finding.next_step)]
    return tag("p", "Next:", [join(" ", word) for word in words], class_="next")


def _evidence(told: Told, findings: list[Finding], is_alone: bool) -> Html | None:
    """Who, when, and what shows it; of the worst of a sort."""
    parts = []
    for finding in findings:
        when = None if finding.at_ns is None else \
            f"at {at(finding.at_ns, told.first_ns)} s"
        who = [_who(finding), join(", ", when) if when else None]
        lines = tag("ul", [tag("li", line) for line in finding.evidence]) \
            if finding.evidence else None
        parts.append(join(
            tag("p", who) if is_alone else
            tag("p", who, ": ", finding.sentence), lines))
    return tag("details", tag("summary", "Evidence"), parts)


def _one(told: Told, group: Group, findings: list[Finding]) -> Html:
    is_alone = group.count == 1
    first = findings[0] if findings else group.first
    words = first.sentence if is_alone else group.words()
    title = RULES[group.rule].about if group.rule in RULES else group.rule
    bad = group.severity == TROUBLE
    left_out = group.count - len(findings) if findings else 0
    return tag(
        "article",
        tag("h3", tag("span", LABELS[group.severity], class_="bad" if bad else "quiet"),
            " ", title),
        tag("p", _sentence(first, words, is_alone)),
        _evidence(told, findings, is_alone),
        and_more(left_out, told.other("explain --limit 0"),
                 "listener" if first.subject.is_listener else "connection"),
        _next(told, first), class_=f"verdict {group.severity}")


def _sentence(finding: Finding, words: str, is_alone: bool) -> Html:
    """A sort's words begin with what it is, which the heading has said."""
    if is_alone:
        return join(_who(finding), ": ", _ended(words))
    about = f"{RULES[finding.rule].about}: " if finding.rule in RULES else ""
    rest = words.removeprefix(about)
    return join(_ended(f"{rest[:1].upper()}{rest[1:]}"))


def _ended(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _fine(verdicts: Verdicts) -> Html | None:
    if not verdicts.fine:
        return None
    if verdicts.fine == verdicts.judged:
        who = ("the only connection" if verdicts.fine == 1
               else f"all {verdicts.fine:,} connections")
        return tag("p", f"Nothing is wrong with {who}.")
    return tag("p", f"Nothing is wrong with {counted(verdicts.fine, 'connection')}.")


def _title(verdicts: Verdicts) -> str:
    if not verdicts.groups:
        return "Nothing went wrong"
    has_trouble = verdicts.groups[0].severity == TROUBLE
    return "What went wrong" if has_trouble else "Worth a look"


def show(told: Told, verdicts: Verdicts) -> Section:
    """The section."""
    shown = verdicts.groups[:SHOWN if told.limit else None]
    left_out = len(verdicts.groups) - len(shown)
    unknown = [tag("li", f"{line[0].upper()}{line[1:]}.")
               for line in told.views.unknown()]
    nothing = (tag("p", "There was no connection to judge.")
               if not verdicts.groups and not verdicts.fine else None)
    return section(
        "verdicts", _title(verdicts),
        [_one(told, group, verdicts.examples[id(group)]) for group in shown],
        and_more(left_out, told.other("explain --limit 0"), "sort"),
        _fine(verdicts), nothing,
        tag("ul", unknown, class_="note") if unknown else None)
