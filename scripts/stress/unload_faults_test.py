# SPDX-License-Identifier: GPL-2.0
"""An unload, and the detaching of the sources, without memory: both must do all the same."""

from __future__ import annotations

import errno
import itertools
import os
from contextlib import closing

import leftovers
import module_calls
from fault_trials import all_there, attaching_all, trial_of
from faults import FailingAllocations
from ktap_output import comment
from recorder import PARAMETERS


def test_every_allocation_of_the_unload() -> None:
    """The n-th allocation of an unload fails: it unloads all the same, nothing left"""
    with trial_of() as trial, closing(FailingAllocations()) as allocations:
        for n in itertools.count(1):
            trial.load()
            outcome = allocations.run(n, module_calls.unload)
            assert not outcome.error, outcome
            trial.before.check()
            said = trial.said()
            assert not said, said
            if not outcome.hit:
                break
        trial.check_load()
        comment(f"{n - 1} allocations")


def test_every_allocation_of_detaching() -> None:
    """The n-th allocation while `events` is emptied fails: nothing is left, and all comes back"""
    with attaching_all() as attaching, closing(FailingAllocations()) as allocations:
        for n in itertools.count(1):
            attaching.attach()
            assert all_there() == attaching.whole
            outcome = allocations.run(n, lambda: os.pwrite(attaching.events, b"none", 0))
            now = (PARAMETERS / "events").read_text()
            assert outcome.error in (0, errno.ENOMEM), outcome
            assert (now == "none\n") == (not outcome.error), (outcome, now)
            leftovers.make_connections()
            attaching.detach()
            assert not attaching.trial.said()
            if not outcome.hit:
                break
        comment(f"{n - 1} allocations")
