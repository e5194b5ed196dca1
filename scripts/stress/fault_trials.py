# SPDX-License-Identifier: GPL-2.0
"""Trials with a fault: the module loaded, or its sources attached, and one call that fails.

A load is refused with the right error and a word in the log that names the step, or it
succeeds, and what is missing is named in the log and in `stats`. Either way nothing is
left of it afterwards, and the next load finds everything in order.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import leftovers
import module_calls
import recorder
from faults import FailingAllocations, FailingCalls, Outcome
from hosts import run
from kernel_messages import PROBE_LEFT, Messages
from ktap_output import comment
from leftovers import AVAILABLE, Before
from measure import PART
from recorder import FOLDER, MODULE, PARAMETERS

# Every part of the module has something to do.
EVERYTHING = "events=all filter=port!=1 flow_sample=2 freeze_on=rto ring_records=64"
TRACING = Path("/sys/kernel/tracing")
# A module of its own, so that its build is not read through the network each time.
COPY = Path("/tmp/module.ko")
# A first look leaves out steps, and so counts no better than to the next one.
STRIDE = round(1 / PART)
OR_LESS = " or less" if STRIDE > 1 else ""

Fails = FailingAllocations | FailingCalls


def _sources() -> dict[str, str]:
    """Their status; a function that ftrace cannot call us for is probed instead."""
    return {place.replace("ftrace:", "kprobe:"): status
            for place, status in recorder.statuses().items()}


def all_there() -> set[str]:
    """All that a loaded module shows to be there, by the names that it tells of it with."""
    files = {f"file {path.relative_to(FOLDER)}" for path in recorder.files()}
    names = {f"control {name}" for name in AVAILABLE.read_text().split()}
    if "file stats" not in files:
        return files | names
    return files | names | {f"source {place}" for place, status
                            in _sources().items() if status == "attached"}


def missing_of(whole: set[str]) -> set[str]:
    """What of it is not there; without `stats` nothing is known of sources."""
    missing = whole - all_there()
    if "file stats" in missing:
        missing = {name for name in missing if not name.startswith("source ")}
    return missing


def _is_told(said: list[str], missing: str) -> bool:
    """Whether the module has told of it: in `stats` of a source, and in the log."""
    kind, name = missing.split()
    if kind == "source" and not _sources()[name].startswith(
            ("missing: ", "attached, but not in ")):
        return False
    # Hooks that one namespace lacks are told in `stats` alone.
    return name.startswith("netfilter:") or any(
        name.rpartition(":")[2] in line for line in said)


def check_told(said: list[str], missing: set[str]) -> None:
    untold = [name for name in sorted(missing) if not _is_told(said, name)]
    assert not untold, f"missing and not told: {untold}; it said {said}"


class InitWatch:
    """Whether the module's init was called, and what it returned."""

    def __init__(self) -> None:
        self._switch = TRACING / "events/initcall/initcall_finish/enable"
        self._switch.write_text("1")

    def forget(self) -> None:
        """From now on."""
        (TRACING / "trace").write_text("")

    def returned(self) -> int | None:
        """None if it was not called."""
        lines = [line for line in (TRACING / "trace").read_text().splitlines()
                 if "initcall_finish" in line]
        return int(lines[-1].rpartition("ret=")[2]) if lines else None

    def close(self) -> None:
        """No more of it."""
        self._switch.write_text("0")


class Trial:
    """Loads with a fault, and judges what came of them."""

    def __init__(self, messages: Messages, parameters: str = EVERYTHING) -> None:
        self.parameters = parameters
        self.messages = messages
        self.init = InitWatch()
        self.counts: Counter[str] = Counter()
        run("strip", "-g", "-o", str(COPY), str(MODULE))
        self.fd = os.open(COPY, os.O_RDONLY)
        self.before = Before()
        # Kernels lack a function or two that a source is made of, and it says so.
        self.usual: list[str] = []
        self.said()
        self.load()
        self.whole = all_there()
        self.unload()
        self.usual = self.said()

    def said(self) -> list[str]:
        """What the module said since the last time, but for what it says at each load."""
        return [line for line in self.messages.ours() if line not in self.usual]

    def load(self) -> None:
        """One system call."""
        module_calls.load_open(self.fd, self.parameters)

    def unload(self) -> None:
        """And nothing is left."""
        module_calls.unload()
        self.before.check()

    def check_load(self) -> None:
        """Without a fault all is there, and nothing is said."""
        self.said()
        self.load()
        assert all_there() == self.whole, sorted(all_there() ^ self.whole)
        self.unload()
        leftovers.make_namespace()
        said = self.said()
        assert not said, said

    def fail(self, fails: Fails, n: int) -> bool:
        """One load, its n-th call failing; False if it has not so many."""
        self.said()
        self.init.forget()
        outcome = fails.run(n, self.load)
        returned = self.init.returned()
        said = self.said()
        if outcome.error:
            what = self._judge_refusal(outcome, returned, said)
            self.before.check()
        else:
            what = self._judge_success(outcome, said)
            self.unload()
        self.counts[what] += 1
        said = self.said()
        assert not said, f"at unload: {said}"
        return outcome.hit

    def _judge_refusal(self, outcome: Outcome, returned: int | None,
                       said: list[str]) -> str:
        error = errno.errorcode[outcome.error]
        assert error == "ENOMEM", f"refused with {error}; it said {said}"
        if returned is None:
            return "refused by the kernel's loader"
        assert returned == -outcome.error, (returned, said)
        assert said, "refused without a word"
        return f"refused: {said[-1]}"

    def _judge_success(self, outcome: Outcome, said: list[str]) -> str:
        missing = missing_of(self.whole)
        if not outcome.hit:
            assert not missing and not said, (missing, said)
            return "no fault"
        check_told(said, missing)
        leftovers.make_connections()
        return "loaded, less by " + ", ".join(sorted(missing)) if missing else "loaded, whole"

    def close(self) -> None:
        """All loads are over."""
        os.close(self.fd)
        self.init.close()

    def report(self) -> None:
        """How many steps there were, by what came of their failing."""
        for what, count in self.counts.most_common():
            comment(f"{count:5} {what}")


@contextlib.contextmanager
def trial_of(parameters: str = EVERYTHING) -> Iterator[Trial]:
    with Messages(known=PROBE_LEFT) as messages:
        trial = Trial(messages, parameters)
        try:
            yield trial
        finally:
            trial.close()
            trial.report()
            # What failed is told; the next test is to have a kernel without it.
            recorder.run_rmmod()


class Attaching:
    """`events` written from none to all with a fault, and what came of it."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.while_off = leftovers.registered()
        self.events = os.open(PARAMETERS / "events", os.O_WRONLY)
        self.attach()
        self.whole = all_there()
        self.detach()
        self.counts: Counter[str] = Counter()

    def attach(self) -> None:
        """One system call."""
        os.pwrite(self.events, b"all", 0)

    def detach(self) -> None:
        """And none is left but what stays while it is loaded."""
        os.pwrite(self.events, b"none", 0)
        assert "attached" not in recorder.statuses().values(), recorder.sources()
        assert leftovers.registered() == self.while_off

    def fail(self, fails: Fails, n: int) -> bool:
        """Attach with the n-th call failing; False if there are not so many."""
        self.trial.said()
        outcome = fails.run(n, self.attach)
        said = self.trial.said()
        missing = missing_of(self.whole)
        if outcome.error:
            assert outcome.error == errno.ENOMEM, outcome
            assert (PARAMETERS / "events").read_text() == "none\n", said
        else:
            check_told(said, missing)
            assert outcome.hit or not missing and not said, (missing, said)
        self.counts["refused" if outcome.error else "attached, less by "
                    + ", ".join(sorted(missing)) if missing else "attached, whole"] += 1
        leftovers.make_connections()
        self.detach()
        return outcome.hit


@contextlib.contextmanager
def attaching_all() -> Iterator[Attaching]:
    """The module loaded with everything, and nothing attached."""
    with trial_of(EVERYTHING.replace("events=all", "events=none")) as trial:
        trial.load()
        attaching = Attaching(trial)
        try:
            yield attaching
            attaching.attach()
            assert all_there() == attaching.whole
        finally:
            os.close(attaching.events)
            trial.unload()
            trial.counts = attaching.counts
