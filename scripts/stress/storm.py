# SPDX-License-Identifier: GPL-2.0
"""The storm on the ring (ring_storm/): asking for one, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import recorder
from hosts import run

MODULE = recorder.MODULE.parent.parent / "ring_storm" / "ring_storm.ko"
PARAMETERS = Path("/sys/module/ring_storm/parameters")
FILE = Path("/sys/kernel/debug/ring_storm")

CONTEXTS = ("task", "softirq", "hardirq", "nmi")
TASK = ("task",)
PACES = ("fast", "waiting", "slow")

Counts = dict[str, int]


@dataclass
class Reader:
    """What one reader found, and what it was told, by CPU."""

    pace: str
    found: Counts
    accounts: dict[int, Counts] = field(default_factory=dict)

    def total(self, what: str) -> int:
        """Records read, or events lost, on all CPUs."""
        return sum(account[what] for account in self.accounts.values())


@dataclass
class Result:
    """A storm's result: the ring's own counts, the writers' and the readers'."""

    cpus: dict[int, Counts] = field(default_factory=dict)
    writers: dict[tuple[int, str], Counts] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)

    def claimed(self, cpu: int) -> int:
        """How many serials the writers of a CPU claimed, by their own count."""
        return sum(self.writers[cpu, context]["wrote"] for context in CONTEXTS)

    def sum_of(self, what: str, *contexts: str) -> int:
        """One of the writers' counts, over all CPUs and some contexts."""
        return sum(counts[what] for (_cpu, context), counts in self.writers.items()
                   if not contexts or context in contexts)


def _pairs(words: list[str]) -> Counts:
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


def parse(text: str) -> Result:
    """Read what the storm's file tells."""
    result = Result()
    for line in text.splitlines():
        what, number, *words = line.split()
        if what == "cpu":
            result.cpus[int(number)] = _pairs(words)
        elif what == "writer":
            result.writers[int(number), words[0]] = _pairs(words[1:])
        elif what == "reader":
            result.readers.append(Reader(words[0], _pairs(words[1:])))
        elif what == "account":
            result.readers[int(number)].accounts[int(words[0])] = _pairs(words[1:])
        else:
            raise ValueError(f"the storm's file: {line!r}")
    return result


def load() -> None:
    """Insert the storm's module, once in a guest.

    What QEMU translated of a module that is gone it might take for the next one's
    code, where the processors are parallel (qemu/machine.py).
    """
    if not PARAMETERS.exists():
        run("insmod", str(MODULE))


def storm(*, records: int = 16, contexts: tuple[str, ...] = CONTEXTS, events: int = 0,
          duration_s: float = 0.0, readers: dict[str, int]) -> Result:
    """Let one happen, of so many events on each CPU or for so long."""
    load()
    settings = {
        "records": records,
        "contexts": sum(1 << CONTEXTS.index(context) for context in contexts),
        "events": events,
        "duration_ms": round(duration_s * 1000),
        "readers": ",".join(str(readers.get(pace, 0)) for pace in PACES),
    }
    for name, value in settings.items():
        (PARAMETERS / name).write_text(str(value))
    FILE.write_text("1")
    return parse(FILE.read_text())
