# SPDX-License-Identifier: GPL-2.0
"""A terminal taken for a while, and given back as it was, whatever happens.

The alternate screen keeps what stood there; each picture is one write, every line
put in its place and filled to its end, so nothing flickers.  Keys come unbuffered
and without an echo.  Signals only set flags: whoever draws looks at them, and so no
write is broken off in the middle.
"""

from __future__ import annotations

import os
import re
import select
import signal
import termios
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from ..stopping import ending_signals

ENTER = "\033[?1049h\033[?25l"
LEAVE = "\033[?25h\033[?1049l"
PLAIN, BOLD, REVERSE, ALARM = "\033[0m", "\033[1m", "\033[7m", "\033[1;37;41m"

USUAL_SIZE = (80, 24)
READ_BYTES = 64  # keys: more than anybody presses between two looks
LFLAG, IFLAG, CC = 3, 0, 6

# Arrows and the like, which mean nothing here.
OTHER_KEYS = re.compile(rb"\033(\[[0-9;]*[A-Za-z~]|O.|.)?")


class Line(NamedTuple):
    """One line, and how it stands out."""

    text: str
    look: str = ""


def is_fit(fd: int) -> bool:
    """Whether it is a terminal that can be drawn on."""
    return os.isatty(fd) and os.environ.get("TERM", "dumb") not in ("", "dumb")


def size_of(fd: int) -> tuple[int, int]:
    """Columns and lines; the usual ones where it does not say."""
    try:
        columns, lines = os.get_terminal_size(fd)
    except OSError:
        return USUAL_SIZE
    return columns or USUAL_SIZE[0], lines or USUAL_SIZE[1]


def _keyboard() -> int | None:
    """Standard input, or the terminal itself where that is something else."""
    if os.isatty(0):
        return 0
    try:
        return os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return None


class Screen:
    """The terminal behind standard output, for the time of a with block."""

    def __init__(self, fd: int = 1, colour: bool = True) -> None:
        self._fd = fd
        self._colour = colour
        self._keys = _keyboard()
        self._saved: list[Any] | None = None
        self._handlers: dict[int, Any] = {}
        self.is_over = False
        self.is_stale = True

    # ---- taking it and giving it back

    def __enter__(self) -> Screen:
        try:
            for number in ending_signals():
                self._handlers[number] = signal.signal(number, self._end)
            for number in (signal.SIGWINCH, signal.SIGCONT):
                self._handlers[number] = signal.signal(number, self._changed)
            self._handlers[signal.SIGTSTP] = signal.signal(signal.SIGTSTP,
                                                           self._suspend)
            self._take()
        except BaseException:
            self._give_back()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None, trace: TracebackType | None) -> None:
        self._give_back()

    def _take(self) -> None:
        if self._keys is not None:
            self._saved = termios.tcgetattr(self._keys)
            mode = termios.tcgetattr(self._keys)
            mode[LFLAG] &= ~(termios.ICANON | termios.ECHO)
            mode[IFLAG] &= ~termios.IXON
            mode[CC][termios.VMIN], mode[CC][termios.VTIME] = 1, 0
            termios.tcsetattr(self._keys, termios.TCSADRAIN, mode)
        self._write(ENTER)
        self.is_stale = True

    def _give_back(self) -> None:
        """The modes first, as the terminal may take no output any more."""
        try:
            self._release()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _release(self) -> None:
        if self._keys is not None and self._saved is not None:
            try:
                termios.tcsetattr(self._keys, termios.TCSANOW, self._saved)
            except termios.error:
                pass  # it is gone
        try:
            self._write(PLAIN + LEAVE)
        except OSError:
            pass

    # ---- signals

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.is_over = True

    def _changed(self, _number: int, _frame: FrameType | None) -> None:
        self.is_stale = True

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal as it was, and later we ours."""
        self._release()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._suspend)
        self._take()

    # ---- keys

    def keys(self) -> str:
        """What was typed since; a terminal that is gone ends all."""
        if self._keys is None or not select.select([self._keys], [], [], 0)[0]:
            return ""
        try:
            typed = os.read(self._keys, READ_BYTES)
        except OSError:
            typed = b""
        if not typed:
            self.is_over = True
        return OTHER_KEYS.sub(b"", typed).decode("ascii", "replace")

    # ---- pictures

    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        return size_of(self._fd)

    def draw(self, lines: Sequence[Line]) -> None:
        """A whole picture, cut to the terminal's size."""
        self.is_stale = False
        columns, rows = self.size()
        parts = []
        for row in range(rows):
            line = lines[row] if row < len(lines) else Line("")
            text = line.text[:columns].ljust(columns)
            look = line.look if self._colour else ""
            parts.append(f"\033[{row + 1};1H{look}{text}{PLAIN if look else ''}")
        self._write("".join(parts))

    def _write(self, text: str) -> None:
        rest = memoryview(text.encode("ascii", "replace"))
        while rest:
            rest = rest[os.write(self._fd, rest):]
