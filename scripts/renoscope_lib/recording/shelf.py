# SPDX-License-Identifier: GPL-2.0
"""A folder of recordings, of which the oldest make room for new ones.

Only a bounded number of files, of bounded size, is kept: whoever records for ever must
not fill the disk.  save_order.py says which ones are the oldest.

Only regular files of whoever keeps the shelf count, and go: anything else that has such
a name is left alone.  What is saved stays saved, whether or not others can make room.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterable
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


def _our_size(path: Path) -> int | None:
    """Of a regular file of ours; None of what is not, and of what a link leads to."""
    with suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            return found.st_size
    return None


class _KeptFile(OutputFile):
    """Ours it stays, under sudo as well: whose it were could change it."""

    def _give_away(self) -> None:
        """Not at all."""


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
            self._remove_unfinished()
            self._order = in_order(((path, _name(path)) for path in self._ours()), boot_id)
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> Problem:
        return Problem(f"cannot keep recordings in {self._folder}: "
                       f"{error.strerror}", NOT_SO)

    def _remove_unfinished(self) -> None:
        """What somebody has left who was killed."""
        for path in self._named():
            if path.name.endswith(UNFINISHED) and _our_size(path) is not None:
                self._is_gone(path)

    def _new_name(self) -> str:
        """One that nothing has, nor has unfinished, whatever it is."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
        before = [number for at, number in map(_name, self._named()) if at == moment]
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
        except OSError as error:
            raise self._failed(error) from None
        self._make_room(path)
        return path, summary

    @staticmethod
    def _write(path: Path, fill: Callable[[OutputFile], Summary]) -> Summary:
        """Under another name until it is whole.  Closed, it holds no room."""
        unfinished = path.with_name(path.name + UNFINISHED)
        file = _KeptFile(str(unfinished), new=True)
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
        for path in self.kept():
            if self._is_gone(path):
                self._say(f"{problem}; gave up the oldest, {path.name}")
                return
        raise problem

    def _is_gone(self, path: Path) -> bool:
        """Once it is removed, by whomever; what cannot be is told, and stays."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._say(f"cannot remove {path.name}: {error.strerror}")
            return False
        return True

    def _named(self) -> list[Path]:
        """Whatever has such a name."""
        return [path for path in self._folder.iterdir()
                if KEPT_NAME.fullmatch(path.name.removesuffix(UNFINISHED))]

    def _ours(self) -> dict[Path, int]:
        """Our recordings, and how large they are."""
        sizes = {path: _our_size(path) for path in self._named()
                 if not path.name.endswith(UNFINISHED)}
        return {path: size for path, size in sizes.items() if size is not None}

    def _by_age(self, paths: Iterable[Path]) -> list[Path]:
        """From the oldest on; what was put here by hand is older than what we saved."""
        there = set(paths)
        self._order = [path for path in self._order if path in there]
        return sorted(there.difference(self._order), key=_name) + self._order

    def kept(self) -> list[Path]:
        """From the oldest on."""
        return self._by_age(self._ours())

    def _make_room(self, newest: Path) -> None:
        """As far as that can be: the newest is saved in any case."""
        try:
            sizes = self._ours()
        except OSError as error:
            self._say(f"cannot make room in {self._folder}: {error.strerror}")
            return
        for path in self._by_age(sizes):
            reason = self._too_many(len(sizes), sum(sizes.values()))
            if not reason:
                break
            if path != newest and self._is_gone(path):
                del sizes[path]
                self._say(f"gave up the oldest, {path.name}: {reason}")

    def _too_many(self, files: int, total_bytes: int) -> str:
        """Which bound does not hold; empty if both do."""
        if files > self._bounds.files:
            return f"at most {plural(self._bounds.files, 'recording')} kept"
        if total_bytes > self._bounds.total_bytes:
            return f"at most {self._bounds.total_bytes >> 20} MB of recordings kept"
        return ""
