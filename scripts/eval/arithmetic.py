# SPDX-License-Identifier: GPL-2.0
"""The arithmetic of an evaluation: shares, percentiles, convergence."""

from __future__ import annotations

from collections.abc import Sequence


def jain(shares: Sequence[float]) -> float:
    """Jain's index: 1 where all have the same, 1/n where one has all (RFC 5166, 2.3)."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    if not values:
        return 0.0
    ordered = sorted(values)
    place = -(-len(ordered) * percent // 100)       # rounded up
    return ordered[max(0, int(place) - 1)]


def convergence_s(times_s: Sequence[float], fairness: Sequence[float],
                  enough: float = 0.9, for_s: float = 5.0) -> float | None:
    """When shares became fair and stayed so for a while; None if they never did.

    Two flows come to 0.9 where one has twice what the other has.
    """
    began = None
    for now, index in zip(times_s, fairness, strict=True):
        if index < enough:
            began = None
        elif began is None:
            began = now
        if began is not None and now - began >= for_s:
            return began
    return None
