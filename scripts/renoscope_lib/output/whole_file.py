# SPDX-License-Identifier: GPL-2.0
"""A file that takes its place when it is whole.

Until then it has a name of its own beside it, so a full disk, a Ctrl-C or a fault
costs nothing that was there before.  A pipe, a device and a link are written where
they are, and so is a file of somebody else's: the kernel guards that against planted
ones, and a rename would go round its guard.  What is read while it is written
(`at_once` is false) is written where it is, too.

Nobody else may write meanwhile what it is to replace, nor have begun to when it does.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import Self

from ..errors import BAD_INPUT, Problem
from .output_file import CLOSED, OutputFile, have_alone


class WholeFile(OutputFile):
    """Closed it takes its place; dropped it leaves what was there."""

    def __init__(self, name: str, at_once: bool = True) -> None:
        self._asked_for = name
        self._unfinished: str | None = None
        self._place = CLOSED
        self.is_open = False
        try:
            old = self._old = _old(name)
        except OSError as error:
            raise self._failed(error) from None
        if at_once and _may_be_replaced(name, old):
            self._take_place()
            self._unfinished = os.path.join(
                os.path.dirname(name), f".renoscope-{secrets.token_hex(8)}")
        try:
            super().__init__(self._unfinished or name, new=bool(self._unfinished))
        except Problem:
            self._leave_place()
            raise
        self.is_open = True
        if self._unfinished and old is not None:
            with suppress(OSError):  # then it stays its owner's alone
                os.fchmod(self._fd, old.st_mode & 0o777)

    def _give_away(self) -> None:
        """In place of an old one it is whose that was."""
        if self._old is None:
            super()._give_away()
        elif os.geteuid() == 0:
            self._give_to(self._old.st_uid, self._old.st_gid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.drop()

    def _failed(self, error: OSError) -> Problem:
        """Whoever reads it knows only the name that was asked for."""
        self.name = self._asked_for
        return super()._failed(error)

    def _take_place(self) -> None:
        """What is there now is had alone, until this is closed or dropped."""
        with suppress(OSError):     # nothing there, or nothing that can be written
            if not stat.S_ISREG(os.lstat(self._asked_for).st_mode):
                return
            fd = os.open(self._asked_for, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                         | os.O_CLOEXEC)
            if self._place != CLOSED and os.path.sameopenfile(fd, self._place):
                os.close(fd)
                return
            self._leave_place()
            self._place = fd
            try:
                have_alone(fd, self._asked_for)
            except Problem:
                self._leave_place()
                raise

    def _leave_place(self) -> None:
        fd, self._place = self._place, CLOSED
        if fd != CLOSED:
            os.close(fd)

    def close(self) -> None:
        """Nothing of the old one is given up before the new one is safe."""
        if not self.is_open:
            return
        try:
            if self._unfinished:
                self.sync()
                self._take_place()
            self.is_open = False
            super().close()
            if self._unfinished:
                os.rename(self._unfinished, self._asked_for)
            self._leave_place()
        except OSError as error:
            self.drop()
            raise self._failed(error) from None
        except Problem:
            self.drop()
            raise

    def drop(self) -> None:
        """As if it had never been begun, where that can be."""
        if self.is_open:
            self.is_open = False
            with suppress(Problem):
                super().close()
        if self._unfinished:
            with suppress(OSError):
                os.unlink(self._unfinished)
        self._leave_place()


def _old(name: str) -> os.stat_result | None:
    try:
        return os.lstat(name)
    except FileNotFoundError:
        return None


def _may_be_replaced(name: str, old: os.stat_result | None) -> bool:
    if name == "-":
        return False
    if old is None:
        return True
    ours = {os.geteuid(), int(os.environ.get("SUDO_UID") or os.geteuid())}
    return (stat.S_ISREG(old.st_mode) and old.st_uid in ours
            and os.access(os.path.dirname(name) or ".", os.W_OK))


def check_is_another(command: str, recording: str | None, *outputs: str | None) -> None:
    """Refuse to write over the recording that is read."""
    for output in outputs:
        if output is not None and _is_same(recording, output):
            raise Problem(f"{command}: {output} is the recording itself", BAD_INPUT)


def _is_same(recording: str | None, output: str) -> bool:
    """Whether both are one regular file, by whatever names."""
    try:
        if recording is None or output == "-":
            return False
        read = os.fstat(0) if recording == "-" else os.stat(recording)
        return stat.S_ISREG(read.st_mode) and os.path.samestat(read, os.stat(output))
    except OSError:
        return False
