# SPDX-License-Identifier: GPL-2.0
"""A file to write into, whose failures a user understands.

One process at a time writes a file: the second would begin by emptying it.  A pipe and
a device take what anybody writes, and standard output is what somebody else opened.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from ..errors import NOT_SO, Problem
from .only_one import first_holder

CLOSED = -1

# Between opening a file and having it alone somebody may replace it, who had it before.
TRIES = 10


class NoRoom(Problem):
    """The disk is full, or what its user may have of it."""


def have_alone(fd: int, name: str) -> None:
    """Nobody else may be writing the open file, or begin to while it is open."""
    if holder := first_holder(fd):
        raise Problem(f"cannot write {name}: {holder} writes it already; wait until it has "
                      "ended, or name another file", NOT_SO)


def _has_name(fd: int, name: str) -> bool:
    """Whether who opens the name now gets this file."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(name))
    except FileNotFoundError:
        return False


class OutputFile:
    """Where a recording goes; every failure to write is one clear Problem."""

    def __init__(self, name: str, new: bool = False) -> None:
        """`new` refuses what is there already, a planted link too."""
        self.name = "standard output" if name == "-" else name
        self._fd = 1
        if name == "-":
            return
        try:
            self._open(name, new)
        except OSError as error:
            raise self._failed(error) from None

    def _open(self, name: str, new: bool) -> None:
        """What is there already stays whose it is; it may be a device."""
        for _ in range(TRIES):
            if self._open_once(name, new):
                return
        raise Problem(f"cannot write {self.name}: again and again it is replaced", NOT_SO)

    def _open_once(self, name: str, new: bool) -> bool:
        """Whether what is open now is what has the name."""
        how = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        is_made = True
        try:
            self._fd = os.open(name, how | os.O_EXCL, 0o600)
        except FileExistsError:
            if new:
                raise
            is_made = False
            # With O_CREAT the kernel guards it against planted ones.
            self._fd = os.open(name, how, 0o600)
        try:
            if stat.S_ISREG(os.fstat(self._fd).st_mode):
                have_alone(self._fd, self.name)
                if not _has_name(self._fd, name):
                    self._let_go()
                    return False
                os.ftruncate(self._fd, 0)
            if is_made:
                self._give_away()
        except BaseException:
            self._let_go()
            raise
        return True

    def _let_go(self) -> None:
        fd, self._fd = self._fd, CLOSED
        os.close(fd)

    def _give_away(self) -> None:
        """Under sudo what was made here is for whoever typed the command."""
        uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
        if os.geteuid() == 0 and uid and gid:
            self._give_to(int(uid), int(gid))

    def _give_to(self, uid: int, gid: int) -> None:
        """Some file systems know no owners, as that of a USB stick: it stays as it is."""
        with suppress(OSError):
            os.fchown(self._fd, uid, gid)

    def _failed(self, error: OSError) -> Problem:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return (NoRoom if full else Problem)(
            f"cannot write {self.name}: {error.strerror}", NOT_SO)

    def write(self, data: bytes) -> None:
        """All of it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest):]
        except OSError as error:
            raise self._failed(error) from None

    def sync(self) -> None:
        """Until it is where a loss of power leaves it."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Some file systems tell only now that they have no room; once is enough."""
        fd, self._fd = self._fd, CLOSED
        if fd in (1, CLOSED):
            return
        try:
            os.close(fd)
        except OSError as error:
            raise self._failed(error) from None
