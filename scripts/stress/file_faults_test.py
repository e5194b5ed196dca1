# SPDX-License-Identifier: GPL-2.0
"""Parameters written and files read without memory: it holds, or an error and no change."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import leftovers
import recorder
from fault_trials import OR_LESS, STRIDE, trial_of
from faults import FailingAllocations, Outcome
from ktap_output import comment
from recorder import FOLDER, PARAMETERS, content


def _fail_each(action: Callable[..., object], check: Callable[[Outcome], None]) -> int:
    """Do it with each of its allocations failing once; how many there were."""
    with closing(FailingAllocations()) as allocations:
        for n in itertools.count(1, STRIDE):
            outcome = allocations.run(n, action)
            check(outcome)
            if not outcome.hit:
                assert n > 1, "it allocates nothing"
                return n - 1
    raise AssertionError("it never ends")


def test_every_allocation_of_writing_parameters() -> None:
    """The n-th allocation while a parameter is written fails: it holds, or ENOMEM and nothing changed"""
    with trial_of() as trial:
        trial.load()
        for name, text in (("filter", "port!=2"), ("flow_sample", "3"), ("freeze_on", "error"),
                           ("frozen", "1"), ("frozen", "0")):
            path = PARAMETERS / name
            before = path.read_text()
            fd = os.open(path, os.O_WRONLY)

            def check(outcome: Outcome, path: Path = path, fd: int = fd,
                      before: str = before, after: str = f"{text}\n") -> None:
                now = path.read_text()
                assert outcome.error in (0, errno.ENOMEM), outcome
                assert now == (before if outcome.error else after), (outcome, now)
                os.pwrite(fd, before.encode(), 0)

            steps = _fail_each(lambda fd=fd, text=text: os.pwrite(fd, text.encode(), 0), check)
            comment(f"{steps} allocations for {name}={text}" + OR_LESS)
            os.close(fd)
        trial.said()
        trial.unload()


def test_every_allocation_of_reading() -> None:
    """The n-th allocation while a file is opened and read fails: all of it is read, or an error"""
    with trial_of() as trial:
        trial.load()
        leftovers.make_connections()
        (PARAMETERS / "events").write_text("none")      # nothing more comes
        for path in recorder.files():
            whole = content(path)
            found: list[bytes] = []

            def check(outcome: Outcome, whole: bytes = whole, found: list[bytes] = found,
                      path: Path = path) -> None:
                assert outcome.error in (0, errno.ENOMEM), outcome
                assert outcome.error or found.pop() == whole, path
                found.clear()

            steps = _fail_each(lambda path=path, found=found: found.append(content(path)), check)
            comment(f"{steps} allocations for {path.relative_to(FOLDER)}" + OR_LESS)
        trial.said()
        trial.unload()
