# SPDX-License-Identifier: GPL-2.0
"""A folder of recordings, of which the oldest make room for new ones.

Only a bounded number of files, of bounded size, is kept: whoever records for ever must
not fill the disk.  save_order.py says which ones are the oldest.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import NOT_SO, Problem
from ..output.output_file import NoRoom, OutputFile
from ..words import plural
from .recorder import Summary
from .save_order import Name, in_order

KEPT_NAME = re.compile(r"freeze-(\d{8}T\d{6}Z)(?:-(\d+))?\.renoscope")
UNFINISHED = ".part"


@dataclass(frozen=True)
class Bounds:
    """How much is kept: files, and bytes of them all; the newest one always."""

    files: int
    total_bytes: int


def _name(path: Path) -> Name:
    """The wall clock as it was saved, and which one of that second it is."""
    moment, again = re.findall(KEPT_NAME, path.name)[0]
    return moment, int(again or 1)


class Shelf:
    """The folder.

    Only files whose names it has given itself are ever removed.  The wall clock gives
    them names and no more: it may be set back, and what it calls oldest be the newest.
    """

    def __init__(self, folder: Path, bounds: Bounds, say: Callable[[str], None],
                 now: Callable[[], float] = time.time, boot_id: str = "") -> None:
        self._folder = folder
        self._bounds = bounds
        self._say = say
        self._now = now
        try:
            for path in folder.iterdir():
                if KEPT_NAME.fullmatch(path.name.removesuffix(UNFINISHED)) \
                        and path.name.endswith(UNFINISHED):
                    path.unlink()
            self._order = in_order(((path, _name(path)) for path in self._names()),
                                   boot_id)
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> Problem:
        return Problem(f"cannot keep recordings in {self._folder}: "
                       f"{error.strerror}", NOT_SO)

    def _new_name(self) -> str:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
        before = [number for at, number in map(_name, self._names()) if at == moment]
        again = f"-{max(before) + 1}" if before else ""
        return f"freeze-{moment}{again}.renoscope"

    def save(self, fill: Callable[[OutputFile], Summary]) -> tuple[Path, Summary]:
        """A new recording; it has its name only when it is whole, and on disk."""
        try:
            path = self._folder / self._new_name()
            try:
                summary = self._write(path, fill)
            except NoRoom as problem:
                self._give_up_the_oldest(problem)
                summary = self._write(path, fill)
            self._order = [*(one for one in self._order if one != path), path]
            self._sync_names()
            self._make_room(path)
        except OSError as error:
            raise self._failed(error) from None
        return path, summary

    @staticmethod
    def _write(path: Path, fill: Callable[[OutputFile], Summary]) -> Summary:
        """Under another name until it is whole.  Closed, it holds no room."""
        unfinished = path.with_name(path.name + UNFINISHED)
        file = OutputFile(str(unfinished), new=True)
        try:
            summary = fill(file)
            file.sync()
            file.close()
            unfinished.rename(path)
        except BaseException:
            with suppress(Problem):
                file.close()
            with suppress(OSError):
                unfinished.unlink()
            raise
        return summary

    def _sync_names(self) -> None:
        """A loss of power may otherwise take the new name back."""
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _give_up_the_oldest(self, problem: NoRoom) -> None:
        """One at each try, so that whoever fills the disk does not get all at once."""
        kept = self.kept()
        if not kept:
            raise problem
        kept[0].unlink()
        self._say(f"{problem}; gave up the oldest, {kept[0].name}")

    def _names(self) -> list[Path]:
        return [path for path in self._folder.iterdir()
                if KEPT_NAME.fullmatch(path.name)]

    def kept(self) -> list[Path]:
        """From the oldest on; what somebody else has put here is older than ours."""
        there = set(self._names())
        self._order = [path for path in self._order if path in there]
        return sorted(there.difference(self._order), key=_name) + self._order

    def _make_room(self, newest: Path) -> None:
        older = [(path, path.stat().st_size) for path in self.kept()
                 if path != newest]
        total = sum(size for _, size in older) + newest.stat().st_size
        while older and (reason := self._too_many(len(older) + 1, total)):
            path, size = older.pop(0)
            path.unlink()
            total -= size
            self._say(f"gave up the oldest, {path.name}: {reason}")

    def _too_many(self, files: int, total_bytes: int) -> str:
        """Which bound does not hold; empty if both do."""
        if files > self._bounds.files:
            return f"at most {plural(self._bounds.files, 'recording')} kept"
        if total_bytes > self._bounds.total_bytes:
            return f"at most {self._bounds.total_bytes >> 20} MB of recordings kept"
        return ""
