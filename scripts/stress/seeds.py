# SPDX-License-Identifier: GPL-2.0
"""Chance that can be repeated: each try has a seed of its own, and a failure names it.

RENOSCOPE_STRESS_SEED=TEST:NUMBER does that one try again; a number alone begins another
series.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator

from ktap_output import comment
from measure import part

TEN_MINUTES_S = 600
GIVEN = os.environ.get("RENOSCOPE_STRESS_SEED", "")


def tries(name: str, seconds: int = TEN_MINUTES_S) -> Iterator[tuple[str, random.Random]]:
    """(seed, chance) of one try after the other, until the time is over."""
    series, _, only = GIVEN.rpartition(":")
    if series:
        if series.partition("/")[0] == name:
            yield GIVEN, random.Random(GIVEN)
        return
    series = f"{name}/{only or time.time_ns() // 1000 % 10**9}"
    comment(f"seed {series}")
    end = time.monotonic() + part(seconds)
    number = 0
    while time.monotonic() < end:
        seed = f"{series}:{number}"
        yield seed, random.Random(seed)
        number += 1
    comment(f"{number} tries")


def check_each(name: str, one: Callable[[random.Random], None],
               seconds: int = TEN_MINUTES_S) -> None:
    """Do one try after the other; the first that fails says how to repeat it."""
    for seed, random_ in tries(name, seconds):
        try:
            one(random_)
        except Exception as error:
            raise AssertionError(f"RENOSCOPE_STRESS_SEED={seed}: {error}") from error
