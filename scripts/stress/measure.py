# SPDX-License-Identifier: GPL-2.0
"""How much of a scenario is asked for: all of it, or a part for a first look."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def fraction(text: str) -> float:
    """Above 0 and at most 1; ValueError if not, as nothing would be tried."""
    found = float(text)
    if not 0 < found <= 1:
        raise ValueError(f"RENOSCOPE_STRESS_PART={text} is no fraction above 0, at most 1")
    return found


PART = fraction(os.environ.get("RENOSCOPE_STRESS_PART") or "1")


def part(whole: int, least: int = 1) -> int:
    """That part of so many repetitions or seconds, and no fewer than are needed."""
    if not 0 < least <= whole:
        raise ValueError(f"at least {least} of {whole}")
    return max(least, round(whole * PART))


def some(things: Sequence[T]) -> list[T]:
    """That part of these, and one at least: evenly spread, so that the last are met, too."""
    count = part(len(things))
    return [things[number * len(things) // count] for number in range(count)]
