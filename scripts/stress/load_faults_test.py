# SPDX-License-Identifier: GPL-2.0
"""Every step of the load made to fail, one at a time; and of what is done while loaded.

A load is refused with the right error and a word in the log that names the step, or it
succeeds, and what is missing is named in the log and in `stats`. Either way nothing is
left of it afterwards, and the next load finds everything in order.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import faults
import leftovers
import module_calls
import recorder
from faults import (
    FailingAllocations,
    FailingAllocationsOfInit,
    FailingCalls,
    Outcome,
    call_failer,
)
from hosts import run
from kernel_messages import PROBE_LEFT, Messages
from ktap_output import comment
from leftovers import AVAILABLE, Before
from measure import PART
from recorder import FOLDER, MODULE, PARAMETERS, content

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
            for place, status in recorder.sources().items()}


def _whole() -> set[str]:
    """All that a loaded module shows to be there, by the names that it tells of it with."""
    files = {f"file {path.relative_to(FOLDER)}" for path in recorder.files()}
    names = {f"control {name}" for name in AVAILABLE.read_text().split()}
    if "file stats" not in files:
        return files | names
    return files | names | {f"source {place}" for place, status
                            in _sources().items() if status == "attached"}


def _missing(whole: set[str]) -> set[str]:
    """What of it is not there; without `stats` nothing is known of sources."""
    missing = whole - _whole()
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


def _check_told(said: list[str], missing: set[str]) -> None:
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
        self.whole = _whole()
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
        assert _whole() == self.whole, sorted(_whole() ^ self.whole)
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
        missing = _missing(self.whole)
        if not outcome.hit:
            assert not missing and not said, (missing, said)
            return "no fault"
        _check_told(said, missing)
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
def _trial(parameters: str = EVERYTHING) -> Iterator[Trial]:
    with Messages(known=PROBE_LEFT) as messages:
        trial = Trial(messages, parameters)
        try:
            yield trial
        finally:
            trial.close()
            trial.report()
            # What failed is told; the next test is to have a kernel without it.
            recorder.run_rmmod()


@contextlib.contextmanager
def _closing(fails: Fails) -> Iterator[Fails]:
    try:
        yield fails
    finally:
        fails.close()


def test_every_allocation_of_init() -> None:
    """The n-th allocation of init fails, for every n: refused or told, nothing left"""
    with (call_failer(), _closing(FailingAllocationsOfInit()) as allocations,
          _trial() as trial):
        for step, n in enumerate(itertools.count(1, STRIDE), 1):
            if not trial.fail(allocations, n):
                break
            if step % 50 == 0:
                trial.check_load()
        trial.check_load()
        comment(f"{n - 1} allocations" + OR_LESS)
    assert any(what.startswith("refused: ") for what in trial.counts), trial.counts


def test_every_allocation_of_the_unload() -> None:
    """The n-th allocation of an unload fails: it unloads all the same, nothing left"""
    with _trial() as trial, _closing(FailingAllocations()) as allocations:
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


def test_every_call_of_the_load() -> None:
    """The k-th call of each function that the load calls fails, for every k"""
    with call_failer(), _trial() as trial:
        for function, error in faults.functions_that_fail(MODULE).items():
            with _closing(FailingCalls(function, error)) as calls:
                trial.before = Before()
                k = next(k for k in itertools.count(1, STRIDE) if not trial.fail(calls, k))
            comment(f"{k - 1:3} calls of {function}" + OR_LESS)
            assert k > 1, f"{function} is not called"
            trial.before = Before()
            trial.check_load()


class Attaching:
    """`events` written from none to all with a fault, and what came of it."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.while_off = leftovers.registered()
        self.events = os.open(PARAMETERS / "events", os.O_WRONLY)
        self.attach()
        self.whole = _whole()
        self.detach()
        self.counts: Counter[str] = Counter()

    def attach(self) -> None:
        """One system call."""
        os.pwrite(self.events, b"all", 0)

    def detach(self) -> None:
        """And none is left but what stays while it is loaded."""
        os.pwrite(self.events, b"none", 0)
        assert "attached" not in recorder.sources().values(), recorder.sources()
        assert leftovers.registered() == self.while_off

    def fail(self, fails: Fails, n: int) -> bool:
        """Attach with the n-th call failing; False if there are not so many."""
        self.trial.said()
        outcome = fails.run(n, self.attach)
        said = self.trial.said()
        missing = _missing(self.whole)
        if outcome.error:
            assert outcome.error == errno.ENOMEM, outcome
            assert (PARAMETERS / "events").read_text() == "none\n", said
        else:
            _check_told(said, missing)
            assert outcome.hit or not missing and not said, (missing, said)
        self.counts["refused" if outcome.error else "attached, less by "
                    + ", ".join(sorted(missing)) if missing else "attached, whole"] += 1
        leftovers.make_connections()
        self.detach()
        return outcome.hit


@contextlib.contextmanager
def _attaching() -> Iterator[Attaching]:
    """The module loaded with everything, and nothing attached."""
    with _trial(EVERYTHING.replace("events=all", "events=none")) as trial:
        trial.load()
        attaching = Attaching(trial)
        try:
            yield attaching
            attaching.attach()
            assert _whole() == attaching.whole
        finally:
            os.close(attaching.events)
            trial.unload()
            trial.counts = attaching.counts


def test_every_allocation_of_attaching() -> None:
    """The n-th allocation while `events` is written fails: refused or told, nothing left"""
    with _attaching() as attaching, _closing(FailingAllocations()) as allocations:
        for n in itertools.count(1, STRIDE):
            if not attaching.fail(allocations, n):
                break
        comment(f"{n - 1} allocations" + OR_LESS)


def test_every_allocation_of_detaching() -> None:
    """The n-th allocation while `events` is emptied fails: nothing is left, and all comes back"""
    with _attaching() as attaching, _closing(FailingAllocations()) as allocations:
        for n in itertools.count(1):
            attaching.attach()
            assert _whole() == attaching.whole
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


def test_every_call_of_attaching() -> None:
    """The k-th call of each function while `events` is written fails: refused or told"""
    with call_failer(), _attaching() as attaching:
        for function, error in faults.functions_that_fail(MODULE).items():
            with _closing(FailingCalls(function, error)) as calls:
                attaching.while_off = leftovers.registered()
                k = next(k for k in itertools.count(1, STRIDE) if not attaching.fail(calls, k))
            if k > 1:
                comment(f"{k - 1:3} calls of {function}" + OR_LESS)


def _fail_each(action: Callable[..., object], check: Callable[[Outcome], None]) -> int:
    """Do it with each of its allocations failing once; how many there were."""
    with _closing(FailingAllocations()) as allocations:
        for n in itertools.count(1, STRIDE):
            outcome = allocations.run(n, action)
            check(outcome)
            if not outcome.hit:
                assert n > 1, "it allocates nothing"
                return n - 1
    raise AssertionError("it never ends")


def test_every_allocation_of_writing_parameters() -> None:
    """The n-th allocation while a parameter is written fails: it holds, or ENOMEM and nothing changed"""
    with _trial() as trial:
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
    with _trial() as trial:
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
