# SPDX-License-Identifier: GPL-2.0
"""A clean end on a signal: whoever works looks whether it is time to stop.

Three signals end a command: Ctrl-C, what a service is ended with, and a terminal
that goes away, as when an ssh session breaks.  Under nohup the last one is ignored
from the start, and stays so.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ending_signals() -> list[signal.Signals]:
    """Those of ENDING that are to end this process."""
    return [number for number in ENDING if number != signal.SIGHUP
            or signal.getsignal(number) is not signal.SIG_IGN]


class Stop:
    """Set by one of these signals; its fd becomes readable then."""

    def __init__(self, wake_fd: int | None = None) -> None:
        self.wake_fd = wake_fd
        self.asked = False

    def ask(self, *_: object) -> None:
        """Stop at the next opportunity."""
        self.asked = True

    def wait(self, timeout_s: float) -> None:
        """Sleep, but not when it is time to stop."""
        if not self.asked:
            select.select([] if self.wake_fd is None else [self.wake_fd],
                          [], [], timeout_s)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn them into a clean end while the block runs."""
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    stop = Stop(wake_read)
    old_fd = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    old = {number: signal.signal(number, stop.ask)
           for number in ending_signals()}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_fd)
        os.close(wake_read)
        os.close(wake_write)
