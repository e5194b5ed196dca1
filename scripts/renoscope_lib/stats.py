# SPDX-License-Identifier: GPL-2.0
"""The module's `stats` text: how much each CPU wrote, which sources work."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import BAD_INPUT, Problem

SUPPORTED_VERSION = "1"
ATTACHED = "attached"
OFF = "off"


@dataclass(frozen=True)
class CpuStats:
    """One CPU's serials: the last claimed, the oldest kept, those not stored."""

    written: int
    oldest: int
    unwritten: int


@dataclass(frozen=True)
class Source:
    """A place that kinds of events come from, and whether they do."""

    kinds: str
    place: str
    status: str


@dataclass
class Stats:
    """One reading of the file."""

    records_per_cpu: int = 0
    cpus: dict[int, CpuStats] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)

    def written(self) -> dict[int, int]:
        """The last serial claimed, by CPU."""
        return {cpu: stats.written for cpu, stats in self.cpus.items()}


def _cpu_line(rest: str) -> tuple[int, CpuStats]:
    cpu, *pairs = rest.split()
    numbers = {name: int(number)
               for name, number in zip(pairs[::2], pairs[1::2], strict=True)}
    return int(cpu), CpuStats(numbers["written"], numbers["oldest"],
                              numbers["unwritten"])


def parse_stats(text: str) -> Stats:
    """Read what the debugfs file `stats` says; lines of other words are left."""
    stats = Stats()
    version = None
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        try:
            if word == "version":
                version = rest
            elif word == "records_per_cpu":
                stats.records_per_cpu = int(rest)
            elif word == "cpu":
                cpu, numbers = _cpu_line(rest)
                stats.cpus[cpu] = numbers
            elif word == "source":
                stats.sources.append(Source(*rest.split(" ", 2)))
        except (ValueError, KeyError, TypeError):
            raise Problem(f"stats: broken line {line[:60]!r}",
                          BAD_INPUT) from None
    if version != SUPPORTED_VERSION:
        raise Problem(f"stats: version {version} is not supported, only "
                      f"version {SUPPORTED_VERSION}", BAD_INPUT)
    return stats
