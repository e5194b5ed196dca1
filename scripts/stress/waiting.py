# SPDX-License-Identifier: GPL-2.0
"""Readers that sleep in the kernel, one in read() and one in poll(), until they are woken."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from recorder import FOLDER, PATIENCE_S, wait_until

# Each line that it is given lets it wait once, for what is not written yet.
CODE = """
import os, select, sys
fd = os.open(sys.argv[2], os.O_RDONLY)
poll = select.poll()
poll.register(fd, select.POLLIN)
for _ in sys.stdin:
    os.lseek(fd, 0, os.SEEK_END)
    if sys.argv[1] == "read":
        os.read(fd, 1 << 16)
    else:
        poll.poll()
    print("woken", flush=True)
"""
# In which function of the kernel each sleeps.
PLACES = {"read": "ring_reader_wait", "poll": "poll"}
# Who goes to sleep starts a timer of the ring's, which looks once (RING_WAKE_AGE, 50 ms).
# Behind it nobody but a writer wakes them.
TIMER_S = 0.2


class _Waiter:
    """One of them."""

    def __init__(self, how: str, file: str) -> None:
        self.how = how
        self.name = f"{how}() of {file}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, how, str(FOLDER / file)], bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def begin(self) -> None:
        """Wait once more."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    def sleeps(self) -> bool:
        """Whether it does so where it should."""
        return PLACES[self.how] in Path(f"/proc/{self.process.pid}/wchan").read_text()

    def is_woken(self, patience_s: float) -> bool:
        """Whether it has been, or is within that time."""
        return bool(select.select([self.process.stdout], [], [], patience_s)[0])

    def confirm(self) -> None:
        """It has told that it was woken."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"woken\n", self.name

    def end(self) -> None:
        """Wherever it sleeps."""
        self.process.kill()
        self.process.communicate()


class Waiting:
    """Two for each of some files, for the time of a with block."""

    def __init__(self, *files: str) -> None:
        self.files = files

    def __enter__(self) -> Waiting:
        self.waiters = [_Waiter(how, file) for file in self.files for how in PLACES]
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        for waiter in self.waiters:
            waiter.end()

    def fall_asleep(self) -> None:
        """All of them, so that only an event can wake them."""
        for waiter in self.waiters:
            waiter.begin()
        for waiter in self.waiters:
            wait_until(f"{waiter.name} to sleep", waiter.sleeps)
        time.sleep(TIMER_S)
        self.check_asleep("nothing happened")

    def check_asleep(self, what: str) -> None:
        """Nobody was woken."""
        for waiter in self.waiters:
            wait_until(f"{waiter.name} to sleep again",
                       lambda waiter=waiter: waiter.sleeps() or waiter.is_woken(0))
            assert not waiter.is_woken(0), f"{waiter.name} was woken: {what}"

    def check_woken(self, by: str) -> None:
        """Every one was."""
        for waiter in self.waiters:
            assert waiter.is_woken(PATIENCE_S), f"{waiter.name} sleeps on after {by}"
            waiter.confirm()
