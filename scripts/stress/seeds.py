# SPDX-License-Identifier: GPL-2.0
"""Chance that can be repeated: each try has a seed of its own, and a failure names it.

RENOSCOPE_STRESS_SEED=TEST/SERIES:NUMBER does that one try again, and the other tests
skip; a number alone begins another series. No try at all is a failure: what a seed
names must be there.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ktap_output import Skip, comment
from measure import part

TEN_MINUTES_S = 600
GIVEN = os.environ.get("RENOSCOPE_STRESS_SEED", "")

# The tests that can be seeded, by scenario.
TESTS = {
    "readers": ("readers", "whole"),
    "parameters": ("parameters", "load"),
    "filters": ("filters",),
    "calls": ("calls",),
}
_SEED = re.compile(r"(?:(?P<test>\w+)/\d+:\d+|(?P<series>\d+))?", re.ASCII)


class NoSuchTest(ValueError):
    """A seed that nothing would be tried with."""


@dataclass(frozen=True)
class Seed:
    """What RENOSCOPE_STRESS_SEED says: one try of a test, another series, or nothing."""

    test: str
    series: str


def parse(text: str) -> Seed:
    """NoSuchTest if it is no seed."""
    found = _SEED.fullmatch(text)
    if not found:
        raise NoSuchTest(f"RENOSCOPE_STRESS_SEED={text} is neither TEST/SERIES:NUMBER "
                         "nor a number")
    return Seed(found["test"] or "", found["series"] or "")


def check_fits(text: str, scenarios: Sequence[str]) -> None:
    """NoSuchTest if one of these scenarios would try nothing with that seed.

    Of scenarios that know no seeds there may be others, but not those alone.
    """
    test = parse(text).test
    seeded = [name for name in scenarios if name in TESTS]
    strange = [name for name in seeded if test not in TESTS[name]]
    if test and (strange or not seeded):
        raise NoSuchTest(f"RENOSCOPE_STRESS_SEED={text} names no test of "
                         f"{' and '.join(strange) or 'what is to run'}")


def tries(name: str, seconds: int = TEN_MINUTES_S) -> Iterator[tuple[str, random.Random]]:
    """(seed, chance) of one try after the other, until the time is over."""
    given = parse(GIVEN)
    if given.test:
        _check_is_of(given.test, name)
        yield GIVEN, random.Random(GIVEN)
        return
    series = f"{name}/{given.series or time.time_ns() // 1000 % 10**9}"
    comment(f"seed {series}")
    end = time.monotonic() + part(seconds)
    number = 0
    while time.monotonic() < end:
        seed = f"{series}:{number}"
        yield seed, random.Random(seed)
        number += 1
    comment(f"{number} tries")


def _check_is_of(test: str, name: str) -> None:
    """Skip where the seed names another test of the same scenario."""
    scenario = next(scenario for scenario, tests in TESTS.items() if name in tests)
    check_fits(GIVEN, [scenario])
    if test != name:
        raise Skip(f"the seed is one of {test}")


def check_each(name: str, one: Callable[[random.Random], None],
               seconds: int = TEN_MINUTES_S) -> None:
    """Do one try after the other; the first that fails says how to repeat it."""
    done = 0
    for seed, random_ in tries(name, seconds):
        try:
            one(random_)
        except Exception as error:
            raise AssertionError(f"RENOSCOPE_STRESS_SEED={seed}: {error}") from error
        done += 1
    assert done, f"{name}: nothing was tried in {part(seconds)} s"
