# SPDX-License-Identifier: GPL-2.0
"""Runs guests that print KTAP, and counts what came of them.

Nothing counts as passed because it did not run: a guest without results is a
failure, it must report in good order, and what is skipped is named with its
reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import ktap
from boot_codes import DEATHS, BootCode

ROOT = Path(__file__).resolve().parents[2]
BOOT = ROOT / "scripts" / "qemu" / "boot"
GUEST_TIMEOUT_S = 1200


@dataclass
class Tally:
    """What came of the tests so far."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)

    def add(self, name: str, status: ktap.Status, reason: str = "") -> None:
        """Count one test."""
        if status is ktap.Status.PASSED:
            self.passed += 1
        elif status is ktap.Status.SKIPPED:
            self.skips.append(f"{name}: {reason or 'no reason given'}")
        else:
            self.failures.append(f"{name}: {reason}" if reason else name)

    def fail(self, name: str) -> None:
        """Count something that is wrong with the run itself."""
        self.add(name, ktap.Status.FAILED)

    def include(self, other: Tally) -> None:
        """Count what another counted."""
        self.passed += other.passed
        self.failures += other.failures
        self.skips += other.skips

    def closing_line(self) -> str:
        """The counts in the form that machines look for."""
        line = f"{self.passed} passed, {len(self.failures)} failed"
        return f"{line}, {len(self.skips)} skipped" if self.skips else line

    def sum_up(self) -> int:
        """Name what was skipped and what failed, then count; return the exit code."""
        for skip in self.skips:
            print(f"skipped: {skip}")
        for failure in self.failures:
            print(f"FAILED: {failure}")
        print(self.closing_line(), flush=True)
        return 0 if self.passed and not self.failures else 1


@dataclass(frozen=True)
class Guest:
    """A guest that prints KTAP; its log and its output are kept in a folder.

    Where faults are planted, the code expected of scripts/qemu/boot is another than 0.
    """

    name: str
    kernel: str
    folder: Path
    arguments: Sequence[str | Path]
    timeout_s: int = GUEST_TIMEOUT_S
    expected_code: int = BootCode.OK

    @property
    def log(self) -> Path:
        """Where its kernel's log goes."""
        return self.folder / f"{self.name}.kernel.log"

    def command(self) -> list[str | Path]:
        """What boots it."""
        return [BOOT, "--kernel", self.kernel, "--log", self.log,
                "--timeout", str(self.timeout_s), *self.arguments]


def path_from(*command: str | Path) -> str:
    """Run a command whose standard output is a path; progress stays visible."""
    done = subprocess.run([str(word) for word in command], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(str(command[0])).name} failed")
    return done.stdout.strip()


def count_guest(tally: Tally, guest: Guest, code: int, output: str) -> None:
    """Count what a guest said."""
    name, log = guest.name, guest.log
    (guest.folder / f"{name}.ktap").write_text(output)
    if code == BootCode.CANNOT_RUN and not shutil.which("qemu-system-x86_64"):
        tally.add(name, ktap.Status.SKIPPED, output.strip().rpartition("\n")[2])
        return
    report = ktap.parse(output)
    if report.skip_reason:
        tally.add(name, ktap.Status.SKIPPED, report.skip_reason)
    for test_name, test in report.leaves():
        tally.add(f"{name}: {test_name}", test.status, test.reason)
    for problem in report.problems:
        tally.fail(f"{name}: {problem}")
    # Of trouble in the log a failing test is often the cause, or the witness; a death is
    # always one more.
    if code != guest.expected_code and (code in DEATHS or not report.failures()):
        expected = f" and not {guest.expected_code}" if guest.expected_code else ""
        tally.fail(f"{name}: the guest ended with code {code}{expected}, see {log}")


def run_quietly(guest: Guest) -> tuple[int, str, float]:
    """Run a guest beside others: its output is returned in one piece."""
    began = time.monotonic()
    done = subprocess.run([str(word) for word in guest.command()], cwd=ROOT, text=True,
                          errors="replace", check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout, time.monotonic() - began


def _nothing_more(_guest: Guest, _tally: Tally, _seconds: float) -> None:
    """For those who want no more than the sum."""


def run_guests(tally: Tally, guests: Sequence[Guest], at_once: int = 0,
               ended: Callable[[Guest, Tally, float], None] = _nothing_more) -> None:
    """Run guests, several at once; `ended` is told what one came to, and how long it took."""
    # Each keeps one processor busy, and they wait often: for timers, for TIME-WAIT.
    with ThreadPoolExecutor(max_workers=at_once or (os.cpu_count() or 1) + 1) as pool:
        running = {pool.submit(run_quietly, guest): guest for guest in guests}
        for number, finished in enumerate(as_completed(running), 1):
            guest = running[finished]
            code, output, seconds = finished.result()
            print(f"  -- {guest.name}: {seconds:.0f} s, {number} of {len(guests)}")
            print(textwrap.indent(output, "  "), end="", flush=True)
            its = Tally()
            count_guest(its, guest, code, output)
            tally.include(its)
            ended(guest, its, seconds)
