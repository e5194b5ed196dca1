# SPDX-License-Identifier: GPL-2.0
"""Every step of the load made to fail, one at a time."""

from __future__ import annotations

import itertools
from contextlib import closing

import faults
from fault_trials import OR_LESS, STRIDE, trial_of
from faults import FailingAllocationsOfInit, FailingCalls, call_failer
from ktap_output import comment
from leftovers import Before
from recorder import MODULE


def test_every_allocation_of_init() -> None:
    """The n-th allocation of init fails, for every n: refused or told, nothing left"""
    with (call_failer(), closing(FailingAllocationsOfInit()) as allocations,
          trial_of() as trial):
        for step, n in enumerate(itertools.count(1, STRIDE), 1):
            if not trial.fail(allocations, n):
                break
            if step % 50 == 0:
                trial.check_load()
        trial.check_load()
        comment(f"{n - 1} allocations" + OR_LESS)
    assert any(what.startswith("refused: ") for what in trial.counts), trial.counts


def test_every_call_of_the_load() -> None:
    """The k-th call of each function that the load calls fails, for every k"""
    with call_failer(), trial_of() as trial:
        for function, error in faults.functions_that_fail(MODULE).items():
            with closing(FailingCalls(function, error)) as calls:
                trial.before = Before()
                k = next(k for k in itertools.count(1, STRIDE) if not trial.fail(calls, k))
            comment(f"{k - 1:3} calls of {function}" + OR_LESS)
            assert k > 1, f"{function} is not called"
            trial.before = Before()
            trial.check_load()
