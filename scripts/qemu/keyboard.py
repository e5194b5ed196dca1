# SPDX-License-Identifier: GPL-2.0
"""The user's terminal, lent to a guest and given back as it was.

While it is lent, every key goes to the guest, Ctrl-C too, and the guest's own terminal
does what a terminal does: echo, lines, signals. One key stays with us, as a guest that
hangs would otherwise keep the terminal for good.
"""

from __future__ import annotations

import contextlib
import os
import re
import termios
import tty
from types import TracebackType
from typing import Any

LEAVING_KEY = b"\x1d"  # Ctrl-], as telnet has it
READ_SIZE = 4096

# Private modes of a terminal: the alternate screen is 1049, and so on. All are off
# until a program asks for them, but for the two of a cursor that is seen and of lines
# that wrap.
MODES = re.compile(rb"\033\[\?([0-9;]+)([hl])")
UNFINISHED = re.compile(rb"\033(\[(\?[0-9;]*)?)?$")
ON_AT_FIRST = frozenset({b"7", b"25"})
PLAIN = b"\033[0m"


class Left(Exception):
    """The user wants no more of the guest, or is gone."""


class ScreenModes:
    """What the guest's programs have switched on or off, and what undoes it."""

    def __init__(self) -> None:
        self._changed: set[bytes] = set()
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """What is sent to the terminal."""
        data = self._rest + data
        for found in MODES.finditer(data):
            for mode in found[1].split(b";"):
                if (found[2] == b"h") == (mode in ON_AT_FIRST):
                    self._changed.discard(mode)
                else:
                    self._changed.add(mode)
        unfinished = UNFINISHED.search(data)
        self._rest = unfinished[0] if unfinished else b""

    def undo(self) -> bytes:
        """What gives the screen back; nothing if nothing was left behind."""
        back = [b"\033[?%b%b" % (mode, b"h" if mode in ON_AT_FIRST else b"l")
                for mode in sorted(self._changed)]
        self._changed.clear()
        return b"".join([PLAIN, *back]) if back else b""


class Keyboard:
    """A terminal, from its first loan to the end of a with block."""

    def __init__(self, fd: int = 0, screen_fd: int = 1) -> None:
        self.fd = fd
        self.is_lent = False
        self._screen_fd = screen_fd
        self._screen = ScreenModes()
        self._saved: list[Any] = []

    def __enter__(self) -> Keyboard:
        self._saved = termios.tcgetattr(self.fd)
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None, trace: TracebackType | None) -> None:
        self.give_back()

    def lend(self) -> None:
        """From now on every key is the guest's; what was typed before is kept."""
        tty.setraw(self.fd, termios.TCSADRAIN)
        self.is_lent = True

    def give_back(self) -> None:
        """The terminal as it was, as far as it is still there."""
        if not self.is_lent:
            return
        self.is_lent = False
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self.fd, termios.TCSANOW, self._saved)
        with contextlib.suppress(OSError):
            os.write(self._screen_fd, self._screen.undo())

    def typed(self) -> bytes:
        """The keys for the guest, of which there are some."""
        try:
            data = os.read(self.fd, READ_SIZE)
        except OSError:
            data = b""
        if not data or LEAVING_KEY in data:
            raise Left
        return data

    def saw(self, data: bytes) -> None:
        """What the guest has sent to the screen."""
        self._screen.feed(data)
