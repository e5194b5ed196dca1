# SPDX-License-Identifier: GPL-2.0
"""Read KTAP, the kernel's test results, and believe nothing that is not there.

KUnit speaks it (run-kunit) and so do our selftests.  A harness that only counts
"not ok" passes a run that stopped half way; so plans, numbers and parents are
checked too, and a text without any result is a failure.  The format:
Documentation/dev-tools/ktap.rst in the kernel.  One liberty of KUnit is known
here: the cases of a parameterised test have no plan.  Their count is checked
against the "pass:A fail:B skip:C total:D" line, where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

_VERSION = re.compile(r"K?TAP version \d+$")
_PLAN = re.compile(r"1\.\.(\d+)(?: +# *SKIP\b *(.*))?$", re.IGNORECASE)
_RESULT = re.compile(r"(not )?ok\b(?: +(\d+))?(?: +- +| +-$| +|$)(.*)$")
_DIRECTIVE = re.compile(r"^(.*?)(?:^| +)# *SKIP\b *(.*)$", re.IGNORECASE)
_SUBTEST = re.compile(r"# Subtest: (.+)$")
_TOTALS = re.compile(r"# (.+): pass:\d+ fail:\d+ skip:\d+ total:(\d+)$")
_BAIL_OUT = re.compile(r"Bail out!(.*)$")

# KUnit prints suites at column 0, cases at 4 and parameters at 8.
_FIRST_PLANLESS_COLUMN = 8


class Status(Enum):
    """How a test ended."""

    PASSED = "ok"
    FAILED = "not ok"
    SKIPPED = "skip"


@dataclass
class Test:
    """One result line, and the results that it sums up."""

    name: str
    status: Status
    reason: str = ""
    children: list[Test] = field(default_factory=list)

    def leaves(self, parents: str = "") -> Iterator[tuple[str, Test]]:
        """Every test below that sums up no other, with its full name."""
        name = f"{parents}{self.name}"
        if not self.children:
            yield name, self
        for child in self.children:
            yield from child.leaves(f"{name}.")


@dataclass
class Report:
    """All results of a text, and all that is wrong with the text itself."""

    tests: list[Test] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    skip_reason: str = ""

    def leaves(self) -> list[tuple[str, Test]]:
        """Every single test with its full name."""
        return [leaf for test in self.tests for leaf in test.leaves()]

    def failures(self) -> list[str]:
        """One line for everything that makes this no pass."""
        failed = [f"not ok: {name}" for name, test in self.leaves() if test.status is Status.FAILED]
        return failed + self.problems


@dataclass
class _Block:
    """Results at one column that wait for the line that sums them up."""

    column: int
    name: str = ""
    has_version: bool = False
    plan: int | None = None
    tests: list[Test] = field(default_factory=list)
    skip_reason: str = ""

    def described(self) -> str:
        return f"subtest {self.name or '(unnamed)'}" if self.column else "the results"


class _Parser:
    """Reads line by line; deeper columns are children of the next shallower result."""

    def __init__(self) -> None:
        self.report = Report()
        self.blocks: dict[int, _Block] = {}
        self.totals: dict[str, int] = {}

    def read(self, line: str) -> None:
        """Take in one line; lines that are not KTAP mean nothing here."""
        text = line.lstrip(" ")
        column = len(line) - len(text)
        if _VERSION.match(text):
            self._version(column)
        elif found := _PLAN.match(text):
            self._plan(column, int(found.group(1)), found.group(2))
        elif found := _SUBTEST.match(text):
            self._block(column).name = found.group(1)
        elif found := _TOTALS.match(text):
            self.totals[found.group(1)] = int(found.group(2))
        elif found := _RESULT.match(text):
            self._result(column, found)
        elif found := _BAIL_OUT.match(text):
            self._problem(f"bailed out:{found.group(1)}")

    def finish(self) -> Report:
        """Close what is open and give the report."""
        self._end_document()
        if not self.report.tests and not self.report.problems and not self.report.skip_reason:
            self._problem("no test results at all")
        return self.report

    def _problem(self, text: str) -> None:
        self.report.problems.append(text)

    def _block(self, column: int) -> _Block:
        return self.blocks.setdefault(column, _Block(column))

    def _version(self, column: int) -> None:
        if column == 0:
            self._end_document()
        elif column in self.blocks:
            self._abandon(self.blocks.pop(column))
        self._block(column).has_version = True

    def _plan(self, column: int, count: int, skip_reason: str | None) -> None:
        block = self._block(column)
        if block.plan is not None:
            self._problem(f"{block.described()}: two plans")
        block.plan = count
        if count == 0 and skip_reason is not None:
            block.skip_reason = skip_reason or "no reason given"

    def _result(self, column: int, found: re.Match[str]) -> None:
        block = self._block(column)
        number = int(found.group(2)) if found.group(2) else None
        test = _make_test(bool(found.group(1)), found.group(3).strip())
        self._check_number(block, number, test.name)
        self._adopt_children(column, test)
        block.tests.append(test)

    def _check_number(self, block: _Block, number: int | None, name: str) -> None:
        expected = len(block.tests) + 1
        if number == expected:
            return
        what = "no number" if number is None else f"number {number}"
        self._problem(f"{block.described()}: {name} has {what}, not {expected}")

    def _adopt_children(self, column: int, test: Test) -> None:
        deeper = sorted(other for other in self.blocks if other > column)
        if deeper:
            block = self.blocks.pop(deeper[0])
            block.name = block.name or test.name
            self._check_plan(block)
            test.children = block.tests
        for other in deeper[1:]:
            self._abandon(self.blocks.pop(other))
        self._check_total(test)
        bad = [child.name for child in test.children if child.status is Status.FAILED]
        if bad and test.status is not Status.FAILED:
            self._problem(f"{test.name} says {test.status.value}, but {', '.join(bad)} failed")
        if test.status is Status.FAILED and test.children and not bad:
            self._problem(f"{test.name} is not ok, though nothing in it failed")

    def _check_total(self, test: Test) -> None:
        total = self.totals.pop(test.name, None)
        if total is not None and test.children and total != len(test.children):
            self._problem(f"{test.name}: {total} results announced, {len(test.children)} seen")

    def _check_plan(self, block: _Block) -> None:
        reported = len(block.tests)
        if block.plan is None:
            if block.column < _FIRST_PLANLESS_COLUMN:
                self._problem(f"{block.described()}: no plan")
        elif reported != block.plan:
            self._problem(f"{block.described()}: {block.plan} tests planned, {reported} reported")

    def _abandon(self, block: _Block) -> None:
        self._problem(f"{block.described()}: no result line sums it up")
        self.report.tests += block.tests

    def _end_document(self) -> None:
        """End the outermost results: the text is over, or another set begins."""
        top = self.blocks.pop(0, None)
        for column in sorted(self.blocks):
            self._abandon(self.blocks.pop(column))
        self.totals.clear()
        if top is None:
            return
        if not top.has_version:
            self._problem("no KTAP version line")
        if top.plan == 0 and not top.skip_reason:
            self._problem("an empty plan without a reason")
        self._check_plan(top)
        self.report.tests += top.tests
        self.report.skip_reason = self.report.skip_reason or top.skip_reason


def _make_test(failed: bool, description: str) -> Test:
    """A test from its result line; what is skipped must not have failed too."""
    status = Status.FAILED if failed else Status.PASSED
    found = _DIRECTIVE.match(description)
    if not found:
        return Test(description, status)
    name, reason = found.group(1), found.group(2)
    return Test(name, status if failed else Status.SKIPPED, reason)


def parse(text: str) -> Report:
    """Read a whole text."""
    parser = _Parser()
    for line in text.splitlines():
        parser.read(line.rstrip())
    return parser.finish()
