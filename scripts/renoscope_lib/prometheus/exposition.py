# SPDX-License-Identifier: GPL-2.0
"""Prometheus' text format, as node exporter's textfile collector reads it.

A family is a metric with its help, its type and its samples.  What the format
gives a meaning is escaped, so that a label's value may be anything.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

# Of counters from a ring that may have lost some.
AT_LEAST = "At least so many: see renoscope_lost_events_total."

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

Labels = dict[str, str]


@dataclass(frozen=True)
class Sample:
    """One line; the suffix is what a histogram's lines have behind the name."""

    labels: Labels
    value: float
    suffix: str = ""


@dataclass(frozen=True)
class Family:
    """One metric."""

    name: str
    type: str
    help: str
    samples: list[Sample]


@dataclass
class Histogram:
    """How many values were at most so much, for each of the bounds."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def samples(self, labels: Labels) -> Iterator[Sample]:
        """Each bucket holds those of the ones before it, too."""
        so_far = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts):
            so_far += count
            yield Sample(labels | {"le": _number(bound)}, so_far, "_bucket")
        yield Sample(labels, self.sum, "_sum")
        yield Sample(labels, so_far, "_count")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(text: str, also: str = "") -> str:
    for character, written in (("\\", "\\\\"), ("\n", "\\n"), *(
            (character, f"\\{character}") for character in also)):
        text = text.replace(character, written)
    return text


def _sample_line(name: str, sample: Sample) -> str:
    pairs = ",".join(f'{label}="{_escaped(value, also=chr(34))}"'
                     for label, value in sample.labels.items())
    labels = f"{{{pairs}}}" if pairs else ""
    return f"{name}{sample.suffix}{labels} {_number(sample.value)}"


def exposition(families: Iterable[Family],
               remarks: Iterable[str] = ()) -> Iterator[str]:
    """The lines of all families, and remarks as comments that nothing reads."""
    for family in families:
        if not family.samples:
            continue
        yield f"# HELP {family.name} {_escaped(family.help)}"
        yield f"# TYPE {family.name} {family.type}"
        for sample in family.samples:
            yield _sample_line(family.name, sample)
    for remark in remarks:
        yield f"## {_escaped(remark)}"
