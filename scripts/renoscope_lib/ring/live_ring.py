# SPDX-License-Identifier: GPL-2.0
"""The ring as it lives in debugfs: its texts, and a reader of its records."""

from __future__ import annotations

import os
import select
from pathlib import Path

from ..errors import NOT_PERMITTED, NOT_THERE, Problem

# One read gives some records; so many bytes are worth handling at once.
BATCH_BYTES = 1 << 19

# poll() takes no more milliseconds than an int holds.
LONGEST_WAIT_S = 86_400.0


def _refused(path: Path, error: OSError) -> Problem:
    if isinstance(error, PermissionError):
        return Problem(f"{path} is for root only; run it with sudo", NOT_PERMITTED)
    return Problem(f"cannot read {path}: {error.strerror}", NOT_THERE)


class LiveReader:
    """One cursor of its own; it takes nothing away from other readers."""

    def __init__(self, path: Path, record_bytes: int,
                 only_new: bool = False) -> None:
        self._path = path
        self._record_bytes = record_bytes
        self._batch_bytes = max(BATCH_BYTES // record_bytes, 1) * record_bytes
        self._kept = b""    # what a pipe gave of a record that it has not all of yet
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            if only_new:
                os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            raise _refused(path, error) from None
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def close(self) -> None:
        """Give the cursor back."""
        os.close(self._fd)

    def read(self) -> bytes | None:
        """Whole records; None when there is nothing now, b"" at the end."""
        try:
            got = os.read(self._fd, self._batch_bytes)
        except BlockingIOError:
            return None
        except OSError as error:
            raise _refused(self._path, error) from None
        if not got:
            return b""
        records = self._kept + got
        whole = len(records) - len(records) % self._record_bytes
        self._kept = records[whole:]
        return records[:whole] or None

    def wait(self, timeout_s: float | None, wake_fd: int | None = None) -> None:
        """Sleep until there is something to read, or wake_fd has something.

        Of a very long time it sleeps a day: whoever waits looks at the clock.
        """
        if wake_fd is not None:
            self._poll.register(wake_fd, select.POLLIN)
        self._poll.poll(None if timeout_s is None
                        else min(timeout_s, LONGEST_WAIT_S) * 1000)
        if wake_fd is not None:
            self._poll.unregister(wake_fd)


class LiveRing:
    """The module's debugfs folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _text(self, name: str) -> str:
        path = self._folder / name
        try:
            return path.read_text()
        except OSError as error:
            raise _refused(path, error) from None

    def schema_text(self) -> str:
        """What a record consists of."""
        return self._text("schema")

    def stats_text(self) -> str:
        """How much each CPU wrote by now."""
        return self._text("stats")

    def reader(self, record_bytes: int, only_new: bool = False) -> LiveReader:
        """A cursor at the oldest event, or at what comes next."""
        return LiveReader(self._folder / "trace_raw", record_bytes, only_new)
