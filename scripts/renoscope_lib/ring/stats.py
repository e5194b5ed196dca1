# SPDX-License-Identifier: GPL-2.0
"""The module's `stats` text: how much each CPU wrote, what it does not record, which
sources work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..errors import BAD_INPUT, Problem
from ..words import plural

SUPPORTED_VERSION = "1"
SOURCE = "source"
ATTACHED = "attached"
OFF = "off"
# What the module found out by calls that nobody heard.
SWITCHED_OFF = re.compile(r"missing: (\w+) (is|are) switched off on this machine")

UNHOOKED = re.compile(r"attached, but not in (\d+) namespaces")


@dataclass(frozen=True)
class CpuStats:
    """One CPU's serials: the last claimed, the oldest kept."""

    written: int
    oldest: int


@dataclass(frozen=True)
class Source:
    """A place that kinds of events come from, and whether they do."""

    kinds: str
    place: str
    status: str

    @property
    def missed(self) -> int:
        """How many calls a probe had to let pass unseen."""
        found = re.search(r"missed (\d+) calls", self.status)
        return int(found.group(1)) if found else 0

    @property
    def unhooked(self) -> int:
        """In how many network namespaces a hook could not be attached."""
        found = UNHOOKED.match(self.status)
        return int(found.group(1)) if found else 0

    @property
    def is_off(self) -> bool:
        """Whether it is not there because nobody wants it now."""
        return self.status.partition(",")[0] == OFF

    @property
    def is_missing(self) -> bool:
        """Whether it was wanted and is not there."""
        return self.status.startswith("missing")

    @property
    def switched_off(self) -> str:
        """What is switched off on this machine, if it is missing with all of that sort."""
        found = SWITCHED_OFF.match(self.status)
        return found.group(1) if found else ""

    @property
    def named(self) -> str:
        """The place; all that share one cause have one name."""
        return self._named({"is": "is", "are": "are"})

    @property
    def named_later(self) -> str:
        """The same when that is over."""
        return self._named({"is": "was", "are": "were"})

    def _named(self, verbs: dict[str, str]) -> str:
        found = SWITCHED_OFF.match(self.status)
        if found:
            return (f"{found.group(1)}, which {verbs[found.group(2)]} switched off on "
                    "this machine")
        return self.place


@dataclass
class Stats:
    """One reading of the file; kinds_off is None where it does not say."""

    filter: str = ""
    flow_sample: int = 1
    ack_sample: int = 1
    frozen: bool = False
    pending: int = 0    # events to come until a trigger that has fired freezes it
    kinds_off: list[str] | None = None
    cpus: dict[int, CpuStats] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)

    def written(self) -> dict[int, int]:
        """The last serial claimed, by CPU."""
        return {cpu: stats.written for cpu, stats in self.cpus.items()}

    def kept(self) -> int:
        """How many events a reader finds that begins with the oldest."""
        return sum(max(stats.written + 1 - stats.oldest, 0)
                   for stats in self.cpus.values())


def unhooked_words(count: int) -> str:
    """What so many network namespaces are called, where there is no hook."""
    return (f"{plural(count, 'network namespace')}, in which the hooks could not be "
            "attached")


def missed_between(before: Stats | None, after: Stats) -> dict[str, int]:
    """Calls that probes missed, by place; since the module was loaded without a `before`."""
    known = {source.place: source.missed for source in before.sources} if before else {}
    return {source.place: source.missed - known.get(source.place, 0)
            for source in after.sources
            if source.missed > known.get(source.place, 0)}


def _cpu_line(rest: str) -> tuple[int, CpuStats]:
    cpu, *pairs = rest.split()
    numbers = {name: int(number)
               for name, number in zip(pairs[::2], pairs[1::2], strict=True)}
    return int(cpu), CpuStats(numbers["written"], numbers["oldest"])


def _pairs(rest: str) -> dict[str, str]:
    words = rest.split()
    return dict(zip(words[::2], words[1::2]))


def _unless_none(rest: str) -> str:
    return "" if rest == "none" else rest


def _line(stats: Stats, word: str, rest: str) -> None:
    """One line after `version`; of what is let into the ring a module that cannot
    choose says nothing."""
    if word == "cpu":
        cpu, numbers = _cpu_line(rest)
        stats.cpus[cpu] = numbers
    elif word == SOURCE:
        stats.sources.append(Source(*rest.split(" ", 2)))
    elif word == "filter":
        stats.filter = _unless_none(rest)
    elif word == "kinds_off":
        stats.kinds_off = [kind for kind in _unless_none(rest).split(",") if kind]
    elif word == "sample":
        stats.flow_sample = int(_pairs(rest)["flow"])
        stats.ack_sample = int(_pairs(rest)["ack"])
    elif word == "freeze":
        pairs = _pairs(rest)
        stats.frozen = bool(int(pairs["frozen"]))
        stats.pending = int(pairs.get("pending", 0))


def sources_text(text: str) -> str:
    """What holds all that the file says of sources, parsed or not: its end."""
    return text.partition(f"\n{SOURCE} ")[2]


def parse_stats(text: str) -> Stats:
    """Read what the debugfs file `stats` says; lines of other words are left."""
    stats = Stats()
    version = None
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        try:
            if not line.isprintable():  # what it says ends up on terminals
                raise ValueError
            if word == "version":
                version = rest
            else:
                _line(stats, word, rest)
        except (ValueError, KeyError, TypeError):
            raise Problem(f"stats: broken line {line[:60]!r}",
                          BAD_INPUT) from None
    if version != SUPPORTED_VERSION:
        raise Problem(f"stats: version {version} is not supported, only "
                      f"version {SUPPORTED_VERSION}", BAD_INPUT)
    return stats
