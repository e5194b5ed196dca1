# SPDX-License-Identifier: GPL-2.0
"""Whose data race KCSAN reports: a module's, or the kernel's own.

By the strict rules that find races in a module a kernel has many of its own, most
of them known and meant. A report is a module's if one of the two accesses
was made by it, or in what it called; not if the access was made in an interrupt
that merely found the module's code running. What a module calls may be meant to
race: the clock that can be read in an NMI is read while it is set, of which KCSAN
knows since Linux 6.13.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_EDGE = re.compile(r"={60,}$")
_TITLE = re.compile(r"\bBUG: KCSAN: ")
_MEANT = re.compile(r": data-race in ktime_get_mono_fast_ns / timekeeping_update$")
_ACCESS = re.compile(r"\b(?:read|write)\b.* of \d+ bytes by ")
# A frame of a module's, and where a processor is taken away from what it did.
_IN_MODULE = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+ \[\w+\]")
_INTERRUPTION = re.compile(r" (?:asm_(?:sysvec|common|exc)\w*"
                           r"|\w*do_softirq\w*|handle_softirqs)\+0x")


def reports(lines: Sequence[str]) -> Iterator[range]:
    """The lines of each report, between its two edges; one that has no end is whole."""
    begin: int | None = None
    for index, line in enumerate(lines):
        if _TITLE.search(line):
            begin = index
        elif begin is not None and _EDGE.search(line):
            yield range(begin, index + 1)
            begin = None
    if begin is not None:
        yield range(begin, len(lines))


def is_of_a_module(report: Sequence[str]) -> bool:
    """Whether one of the accesses was made on behalf of a module."""
    if _MEANT.search(report[0]):
        return False
    on_behalf = False
    for line in report:
        if _ACCESS.search(line):
            on_behalf = True
        elif _INTERRUPTION.search(line):
            on_behalf = False
        elif on_behalf and _IN_MODULE.search(line):
            return True
    return False


def of_the_kernel(lines: Sequence[str]) -> set[int]:
    """The numbers of the lines that announce one of the kernel's own races.

    Of these alone: what stands between them may be another processor's trouble, and a
    report whose end was lost goes on to the end of the log.
    """
    return {report.start for report in reports(lines)
            if not is_of_a_module(lines[report.start:report.stop])}
