# SPDX-License-Identifier: GPL-2.0
"""Every step of attaching the sources made to fail, one at a time."""

from __future__ import annotations

import itertools
from contextlib import closing

import faults
import leftovers
from fault_trials import OR_LESS, STRIDE, attaching_all
from faults import FailingAllocations, FailingCalls, call_failer
from ktap_output import comment
from recorder import MODULE


def test_every_allocation_of_attaching() -> None:
    """The n-th allocation while `events` is written fails: refused or told, nothing left"""
    with attaching_all() as attaching, closing(FailingAllocations()) as allocations:
        for n in itertools.count(1, STRIDE):
            if not attaching.fail(allocations, n):
                break
        comment(f"{n - 1} allocations" + OR_LESS)


def test_every_call_of_attaching() -> None:
    """The k-th call of each function while `events` is written fails: refused or told"""
    with call_failer(), attaching_all() as attaching:
        for function, error in faults.functions_that_fail(MODULE).items():
            with closing(FailingCalls(function, error)) as calls:
                attaching.while_off = leftovers.registered()
                k = next(k for k in itertools.count(1, STRIDE) if not attaching.fail(calls, k))
            if k > 1:
                comment(f"{k - 1:3} calls of {function}" + OR_LESS)
