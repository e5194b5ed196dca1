# SPDX-License-Identifier: GPL-2.0
"""Where fetched and built kernels are kept, and how they get there whole.

A kernel takes minutes to fetch or build and is the same for every working
tree, so it lives in the user's cache.  A directory appears there under its
final name only when it is complete: it is filled under a temporary name and
renamed, one process at a time, so that an interrupted run leaves nothing that
looks usable.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PARTIAL_PREFIX = ".partial-"


def cache_root() -> Path:
    """The directory that holds everything this bench keeps between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(Path.home(), ".cache")
    return Path(base).absolute() / "renoscope"


@contextlib.contextmanager
def one_at_a_time(shelf: Path) -> Iterator[None]:
    """Hold the lock of one shelf of the cache; other processes wait here."""
    shelf.mkdir(parents=True, exist_ok=True)
    with open(shelf / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def publish(final: Path) -> Iterator[Path]:
    """Give a temporary directory; rename it to final if the block succeeds.

    Leftovers of runs that were killed are swept first: the caller holds the
    shelf's lock, so nobody else can be using them.
    """
    shelf = final.parent
    for leftover in shelf.glob(PARTIAL_PREFIX + "*"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL_PREFIX, dir=shelf))
    partial.chmod(0o755)
    try:
        yield partial
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
