# SPDX-License-Identifier: GPL-2.0
"""A process beside what is measured: it is started, is ready at some moment, and ends."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from needs import Unavailable, reason_in

# Of the guest's clock, which leaps while nothing runs, also where a file is waited for.
PATIENCE_S = 20_000.0
SIGNAL_AGAIN_S = 200.0
# Ready is who hardly ran for so many looks in a row: some look for events by the clock.
CALM, LOOK_S, POLLING_NS = 20, 0.05, 2_500_000


def _time_if_waiting(pid: int) -> int:
    """Nanoseconds that a process and its children ran; -1 unless all of them wait.

    A thread that reads a file does not wait in this sense: its state is D.
    """
    ran = 0
    try:
        for thread in Path("/proc", str(pid), "task").iterdir():
            state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
            times = [int((thread / "schedstat").read_text().split()[0])]
            times += [_time_if_waiting(int(child))
                      for child in (thread / "children").read_text().split()]
            if state != "S" or -1 in times:
                return -1
            ran += sum(times)
    except OSError:
        return -1
    return ran


class Process:
    """A command that is started, is ready at some moment, and ends on SIGINT."""

    def __init__(self, command: list[str], output: Path) -> None:
        self._output = output
        self._command = command
        with output.open("w") as file:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                             stdout=file, stderr=subprocess.STDOUT)

    def said(self) -> str:
        """What it printed so far."""
        return self._output.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Until it printed this."""
        self.wait_until(f"say {text!r}", lambda: text in self.said())

    def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        """Until something is so; it is ended if that does not come."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if self._process.poll() is not None:
                raise Unavailable(f"it ended with {self._process.returncode}: "
                                  + reason_in(self.said()))
            if time.monotonic() > deadline:
                self._process.kill()
                self._process.wait()
                raise Unavailable(f"it did not {what} for {PATIENCE_S:g} s of the "
                                  "guest's clock")
            time.sleep(LOOK_S)

    def wait_idle(self) -> None:
        """Until it does nothing but wait, for some seconds of the guest's clock."""
        seen: list[int] = []

        def calm() -> bool:
            seen.append(_time_if_waiting(self._process.pid))
            last = seen[-CALM:]
            return len(last) == CALM and min(last) >= 0 and (
                last[-1] - last[0] <= POLLING_NS * CALM)
        self.wait_until("become ready", calm)

    def interrupt(self) -> str:
        """End it as Ctrl-C does; what it printed. bpftrace may miss a signal."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(SIGNAL_AGAIN_S)
                return self.said()
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    self._process.kill()
                    self._process.wait()
                    raise Unavailable(f"{self._command[0]} does not end") from None
