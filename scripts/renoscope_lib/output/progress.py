# SPDX-License-Identifier: GPL-2.0
"""How far a long reading has come, for a person who waits.

A line on standard error, only where that is a terminal, only once reading has taken
2 s, and gone again before anything else is said.  It is rubbed out with spaces, not
with control sequences, and not drawn at all on a terminal that calls itself dumb.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

AFTER_S = 2.0
EVERY_S = 0.2
BAR = 30  # characters
COLUMNS = 80  # where the terminal does not know

_shown: Progress | None = None


def erase() -> None:
    """Make room for something else to be said; there is at most one."""
    if _shown is not None:
        _shown.erase()


def _left(seconds: float) -> str:
    """A time that a person waits."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 600:
        return "hours left"
    return f"{minutes} min {rest} s left" if minutes else f"{rest} s left"


class Progress:
    """Of so many bytes."""

    def __init__(self, total: int,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._began = clock()
        self._next = self._began + AFTER_S
        self._done = 0
        self._width = 0

    @classmethod
    def of(cls, total: int) -> Progress | None:
        """One if there is somebody to see it."""
        if (sys.stderr is None or not sys.stderr.isatty()
                or os.environ.get("TERM", "dumb") == "dumb" or total <= 0):
            return None
        return cls(total)

    def advance(self, count: int) -> None:
        """So many bytes more."""
        self._done += count
        now = self._clock()
        if now >= self._next:
            self._next = now + EVERY_S
            self._draw(now - self._began)

    def _draw(self, took_s: float) -> None:
        global _shown
        _shown = self
        text = self.text(took_s)[:self._columns() - 1]
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)

    def text(self, took_s: float) -> str:
        """The line."""
        share = min(self._done / self._total, 1.0)
        rate = self._done / took_s
        bar = ("#" * int(share * BAR)).ljust(BAR, ".")
        left = _left(max(self._total - self._done, 0) / rate) if rate else "?"
        return f"{share:4.0%} [{bar}] {rate / 1e6:.1f} MB/s, {left}"

    def erase(self) -> None:
        """As if it had not been."""
        global _shown
        _shown = None
        if self._width:
            self._write("\r" + " " * self._width + "\r")
            self._width = 0

    @staticmethod
    def _columns() -> int:
        """The terminal's; some do not know."""
        try:
            return os.get_terminal_size(sys.stderr.fileno()).columns or COLUMNS
        except (OSError, ValueError):
            return COLUMNS

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # the terminal went away; the reading goes on
            pass
