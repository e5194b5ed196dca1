# SPDX-License-Identifier: GPL-2.0
"""A file to write into, whose failures a user understands."""

from __future__ import annotations

import errno
import os

from .errors import NOT_SO, Problem

CLOSED = -1


class NoRoom(Problem):
    """The disk is full, or what its user may have of it."""


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
        how = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            self._fd = os.open(name, how | os.O_EXCL, 0o600)
        except FileExistsError:
            if new:
                raise
            # With O_CREAT the kernel guards it against planted ones.
            self._fd = os.open(name, how | os.O_TRUNC, 0o600)
        else:
            self._give_away()

    def _give_away(self) -> None:
        """Under sudo what was made here is for whoever typed the command."""
        uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
        if os.geteuid() == 0 and uid and gid:
            os.fchown(self._fd, int(uid), int(gid))

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
