# SPDX-License-Identifier: GPL-2.0
"""Turns compared with their neighbours, so that what drifts cancels.

Turns with nothing switched on stand before, between and after those with it:
off, on, off, on, off. Each `on` is compared with the mean of the two beside it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """A median and what it is the median of, in short."""

    median: float
    low: float
    high: float
    mean: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value; `low` and `high` are the quartiles."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], values[0], 1)
    low, _middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(statistics.median(values), low, high, statistics.fmean(values),
                  len(values))


def alternate(turns: int, off: Callable[[], float],
              on: Callable[[], float]) -> tuple[list[float], list[float]]:
    """The values of so many turns on, and of those off around them."""
    without, with_it = [off()], []
    for _ in range(turns):
        with_it.append(on())
        without.append(off())
    return without, with_it


def _neighbours(without: Sequence[float], with_it: Sequence[float]) -> list[float]:
    if len(without) != len(with_it) + 1:
        raise ValueError(f"{len(with_it)} turns on, {len(without)} off: not one more")
    return [(before + after) / 2 for before, after in zip(without, without[1:])]


def differences(without: Sequence[float], with_it: Sequence[float]) -> list[float]:
    """How much more each turn took than its neighbours."""
    return [on - off for on, off in zip(with_it, _neighbours(without, with_it))]


def ratios(without: Sequence[float], with_it: Sequence[float]) -> list[float]:
    """How many times as long as its neighbours each turn took."""
    return [on / off for on, off in zip(with_it, _neighbours(without, with_it))]
