# SPDX-License-Identifier: GPL-2.0
"""A terminal for tests: a pty, and what a person would see on it.

It understands the few control sequences that the views send and fails on any
other, so a test knows what stands on the screen and that nothing else was sent.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

PATIENCE_S = 60.0
SEQUENCE = re.compile(rb"\033\[(\??)([0-9;]*)([A-Za-z])")
UNFINISHED = re.compile(rb"\033(\[[?0-9;]*)?$")


class Picture:
    """What the bytes sent to a terminal leave on it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.is_alternate = False
        self.cursor_shown = True
        self.times_entered = 0
        self.normal = ""
        self._cells: list[list[str]] = []
        self._row = self._column = 0
        self._rest = b""
        self._allowed = columns, rows
        self._fits = False
        self.clear()

    def clear(self) -> None:
        """Nothing on it."""
        self._cells = [[" "] * self.columns for _ in range(self.rows)]

    def resize(self, columns: int, rows: int) -> None:
        """Another size; what stood there is gone.

        A picture of the old one may be under way. What it has beyond the new one is
        not seen; once a picture has come that fits, the next must fit, too.
        """
        self._allowed = max(columns, self.columns), max(rows, self.rows)
        self._fits = False
        self.columns, self.rows = columns, rows
        self.clear()

    def lines(self) -> list[str]:
        """The alternate screen."""
        return ["".join(row).rstrip() for row in self._cells]

    def take(self, data: bytes) -> None:
        """What was sent."""
        data = self._rest + data
        unfinished = UNFINISHED.search(data)
        self._rest = data[unfinished.start():] if unfinished else b""
        data = data[:unfinished.start()] if unfinished else data
        at = 0
        for found in SEQUENCE.finditer(data):
            self._text(data[at:found.start()].decode())
            self._control(found[1].decode(), found[2].decode(), found[3].decode())
            at = found.end()
        self._text(data[at:].decode())

    def _control(self, private: str, numbers: str, letter: str) -> None:
        if private and numbers == "1049":
            self.is_alternate = letter == "h"
            self.times_entered += self.is_alternate
            self.clear()
        elif private and numbers == "25":
            self.cursor_shown = letter == "h"
        elif letter == "H":
            row, column = numbers.split(";")
            self._row, self._column = int(row) - 1, int(column) - 1
            if not self._row and not self._column:
                self._begin_picture()
        elif letter != "m" or private:
            raise AssertionError(f"sent ESC[{private}{numbers}{letter}")

    def _begin_picture(self) -> None:
        if self._fits:
            self._allowed = self.columns, self.rows
        self._fits = True

    def _text(self, text: str) -> None:
        if not self.is_alternate:
            self.normal += text
            return
        assert text.isprintable(), f"sent {text!r}"
        for character in text:
            if self._row < self.rows and self._column < self.columns:
                self._cells[self._row][self._column] = character
            else:
                self._fits = False
                assert (self._column < self._allowed[0]
                        and self._row < self._allowed[1]), (
                    f"drew at {self._row},{self._column} of {self.rows}x{self.columns}")
            self._column += 1


class Terminal:
    """A command on a terminal of its own, as a with block."""

    def __init__(self, argv: Sequence[str], columns: int = 80, rows: int = 24,
                 complains_here: bool = False, **environment: str) -> None:
        """complains_here: standard error is the terminal as well."""
        self._argv = argv
        self._complains_here = complains_here
        self._environment = {"TERM": "xterm", **environment}
        self.picture = Picture(columns, rows)
        self.sent = b""

    def __enter__(self) -> Terminal:
        self.controller, self._terminal = pty.openpty()
        self._set_size()
        self.modes_before = self.modes()
        self.process = subprocess.Popen(
            self._argv, stdin=self._terminal, stdout=self._terminal,
            stderr=self._terminal if self._complains_here else subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **self._environment}, preexec_fn=self._control_it)
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        os.close(self.controller)
        os.close(self._terminal)

    @staticmethod
    def _control_it() -> None:
        """Make it the controlling terminal, so that Ctrl-C is a signal.

        Its end is one, too, also where these tests run under nohup.
        """
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def _set_size(self) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack(
            "HHHH", self.picture.rows, self.picture.columns, 0, 0))

    def modes(self) -> list[Any]:
        """The terminal's modes, as whoever looks finds them."""
        return termios.tcgetattr(self._terminal)

    def resize(self, columns: int, rows: int) -> None:
        """As a person does with the mouse; the kernel sends SIGWINCH."""
        self.picture.resize(columns, rows)
        self._set_size()

    def type(self, keys: str) -> None:
        """On the keyboard."""
        os.write(self.controller, keys.encode())

    def signal(self, number: signal.Signals) -> None:
        """To the command."""
        self.process.send_signal(number)

    def look(self, patience_s: float = 0.05) -> None:
        """Take in what was sent since."""
        while select.select([self.controller], [], [], patience_s)[0]:
            try:
                data = os.read(self.controller, 1 << 16)
            except OSError:
                return
            self.sent += data
            self.picture.take(data)
            patience_s = 0

    def wait(self, what: str, condition: Callable[[Picture], object]) -> None:
        """Until the screen shows it."""
        deadline = time.monotonic() + PATIENCE_S
        self.look()
        while not condition(self.picture):
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"waited for {what}; the screen shows:\n"
                    + "\n".join(self.picture.lines()) + self.picture.normal
                    + f"\nexit code {self.process.poll()}")
            self.look()

    def wait_for(self, text: str) -> list[str]:
        """Until that stands on the screen; its lines."""
        self.wait(text, lambda picture: any(text in line for line in picture.lines()))
        return self.picture.lines()

    def end(self) -> tuple[int, str]:
        """Until the command ends: its exit code and what it complained of."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self.look()
        code = self.process.wait(timeout=1)
        self.look()
        stderr = self.process.stderr
        return code, stderr.read().decode() if stderr is not None else ""
