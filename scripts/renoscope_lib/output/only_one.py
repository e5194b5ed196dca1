# SPDX-License-Identifier: GPL-2.0
"""A file that one process at a time may have for itself.

The kernel lets go of such a lock when its process ends, however it ends: there is
nothing to clean up, and nothing is written.  Whoever may open the file, be it for reading
only, can have it: it must be one that nobody without rights can open.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import NOT_SO, Problem


def _holder(fd: int) -> str:
    """Who has it, as far as one may know."""
    file = os.fstat(fd)
    place = (f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:"
             f"{file.st_ino}")
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5] == place:
                return f"process {words[4]}"
    return "another process"


def first_holder(fd: int) -> str:
    """Have the open file for as long as it is open; who has it already, "" if nobody."""
    # Some network file systems have no such locks; then there is none.
    with suppress(OSError):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(fd)
    return ""


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Have it while the block runs; `what` is not possible beside another."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Problem(f"cannot {what}: {error.strerror}", NOT_SO) from None
    try:
        if holder := first_holder(fd):
            raise Problem(f"cannot {what}: {holder} does that already; end it first", NOT_SO)
        yield
    finally:
        os.close(fd)
