# SPDX-License-Identifier: GPL-2.0
"""A file for node exporter's textfile collector, there only while it is true.

Each text replaces the one before in one step, so that nobody reads half of it.
The file is taken away when the run ends, and when it begins: metrics that nobody
renews would say for ever that nothing happens.  Prometheus then ends their series.
A killed run cannot take it away; node_textfile_mtime_seconds tells its age.

It is no WholeFile: that one goes where a link leads, is its owner's alone and waits for
the disk; this one is for another user, in a folder of that user's, and lasts seconds.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..errors import BAD_INPUT, NOT_SO, NOT_THERE, Problem
from ..recording.inputs import Input
from ..stopping import Stop
from ..tcp.flows import Joiner
from ..views.telling import LIVE_HOLD_NS
from .metrics import Metrics

SUFFIX = ".prom"


class TextFile:
    """The file, for the time of a with block."""

    def __init__(self, name: str) -> None:
        self._path = Path(name)
        if not self._path.name.removesuffix(SUFFIX) or self._path.suffix != SUFFIX:
            raise Problem(f"metrics: {name}: node exporter reads only files whose "
                          f"names end in {SUFFIX}", BAD_INPUT)
        self._new = self._path.with_name(f".{self._path.name}.new")

    def __enter__(self) -> TextFile:
        self._remove()
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _failed(self, error: OSError) -> Problem:
        return Problem(f"cannot write {self._path}: {error.strerror}", NOT_SO)

    def _remove(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
            self._new.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error) from None

    def write(self, text: str) -> None:
        """All of it at once.

        The folder may belong to node exporter's user, whose links root does not
        follow: what stands under the other name goes, and is made anew.
        """
        try:
            self._new.unlink(missing_ok=True)
            fd = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL
                         | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(fd, 0o644)
            self._new.rename(self._path)
        except OSError as error:
            raise self._failed(error) from None


def keep_true(source: Input, textfile: TextFile, interval_s: float, ports: int,
              stop: Stop) -> None:
    """Count what comes from now on, and renew the file, until it is to stop."""
    metrics = Metrics(source.schema, ports, began_s=time.time())
    metrics.gaps.begin(source.parameters(), *source.parameters_read())
    first_stats = source.stats()
    joiner = Joiner(source.schema, LIVE_HOLD_NS)
    due_s = time.monotonic()
    for batch in source.batches():
        for event in batch:
            for complete in joiner.feed(event):
                metrics.feed(complete)
        if not batch:
            for complete in joiner.flush():
                metrics.feed(complete)
        if stop.asked:
            return
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + interval_s
            metrics.see_stats([*first_stats, *source.stats()])
            textfile.write("".join(f"{line}\n" for line in metrics.text()))
    raise Problem("the ring has ended: the module was unloaded", NOT_THERE)
