# SPDX-License-Identifier: GPL-2.0
"""The flight recorder proper: each time the ring freezes, save it and go on.

The module stops recording just after what `freeze_on` names, so that the
minutes before it survive.  Here somebody waits for that, writes what the ring
holds into a file, and lets recording go on.  Only a bounded number of files,
of bounded size, is kept.

After a save the triggers rest for a while: what goes wrong once a second shall
not push out the recording of how it began.  Recording itself does not rest.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .chosen import NO_TRIGGER
from .errors import BAD_INPUT, NOT_PERMITTED, NOT_SO, NOT_THERE, Problem
from .host import MODULE, Host, set_command
from .output_file import NoRoom, OutputFile
from .recorder import Limits, Recorder, Ring, Summary, meta
from .recording import RecordingWriter
from .save_order import Name, in_order
from .stats import parse_stats
from .stopping import Stop
from .words import plural

# A module parameter cannot be waited for.  Nothing is recorded between the freeze
# and the next look, so it is short; and it costs the reading of one small file.
LOOK_S = 0.5

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
    """A folder of recordings, of which the oldest make room for new ones.

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
        while older and (len(older) + 1 > self._bounds.files
                         or total > self._bounds.total_bytes):
            path, size = older.pop(0)
            path.unlink()
            total -= size


@dataclass(frozen=True)
class Triggers:
    """What is to freeze the ring; None leaves it as it is set now."""

    kinds: str | None = None
    after: int | None = None
    rest_s: float = 60.0


def _set(host: Host, name: str, value: str) -> None:
    path = host.path(f"/sys/module/{MODULE}/parameters/{name}")
    try:
        path.write_text(value)
    except FileNotFoundError:
        raise Problem("the module is no longer loaded", NOT_THERE) from None
    except PermissionError:
        raise Problem(f"setting {name} needs root; run it with sudo",
                      NOT_PERMITTED) from None
    except OSError as error:
        raise Problem(f"cannot set {name} to {value!r}: {error.strerror}; "
                      "see: sudo dmesg; by hand: "
                      f"{set_command(value, name)}", BAD_INPUT) from None


def _read(host: Host, name: str) -> str:
    text = host.read(f"/sys/module/{MODULE}/parameters/{name}")
    if text is None:
        raise Problem("the module is no longer loaded", NOT_THERE)
    return text.strip()


class Held:
    """A parameter that is ours for a while, unless somebody else sets it."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name
        self._ours = self.before = _read(host, name)

    def set(self, value: str) -> None:
        """The module may say it in other words."""
        _set(self._host, self._name, value)
        self._ours = _read(self._host, self._name)

    def is_ours(self) -> bool:
        """Whether it still says what was set here."""
        return _read(self._host, self._name) == self._ours

    def leave(self) -> str:
        """What somebody else has set stays."""
        self._ours = self.before = _read(self._host, self._name)
        return self.before

    def give_back(self) -> None:
        """As it was."""
        if self.is_ours():
            self.set(self.before)


class FreezeWatch:
    """Waits for freezes until it is told to stop, and saves each."""

    def __init__(self, host: Host, ring: Ring, shelf: Shelf, stop: Stop,
                 say: Callable[[str], None],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._ring = ring
        self._shelf = shelf
        self._stop = stop
        self._say = say
        self._clock = clock
        self._freeze_on = Held(host, "freeze_on")
        self._freeze_after = Held(host, "freeze_after")
        self._all_add_up = True

    def run(self, triggers: Triggers) -> bool:
        """Whether every recording saved adds up."""
        kinds = triggers.kinds or self._freeze_on.before
        if kinds in NO_TRIGGER:
            raise Problem("nothing is set that would freeze the ring; name it: "
                          "--on reset_received,rto=3", BAD_INPUT)
        with self._given_back():
            if triggers.after is not None:
                self._freeze_after.set(str(triggers.after))
            self._freeze_on.set(kinds)
            self._say(f"watching for {kinds}; Ctrl-C ends")
            self._watch(kinds, triggers.rest_s)
            self._finish()
        return self._all_add_up

    def _watch(self, kinds: str, rest_s: float) -> None:
        rests_until: float | None = None
        while not self._stop.asked:
            if not self._freeze_on.is_ours():
                kinds = self._freeze_on.leave()
                rests_until = None
                self._say(f"somebody has set freeze_on to {kinds}: watching for "
                          "that now, and leaving it so in the end")
            if self._is_frozen():
                self._freeze_on.set("none")
                self._save_and_thaw()
                rests_until = self._clock() + rest_s
            elif rests_until is not None and self._clock() >= rests_until:
                self._freeze_on.set(kinds)
                rests_until = None
            self._stop.wait(LOOK_S)

    def _finish(self) -> None:
        """Leave no freeze behind: nobody would save it, and nobody would thaw.

        Once no trigger can fire, one that has fired counts down to the freeze
        or has come to it.  Asked in this order, neither escapes.
        """
        if self._freeze_on.is_ours():
            self._freeze_on.set("none")
        pending = parse_stats(self._ring.stats_text()).pending
        if pending:
            self._say("a trigger has fired; not waiting for "
                      f"{plural(pending, 'more event')}")
            _set(self._host, "frozen", "1")
        if self._is_frozen():
            self._save_and_thaw()

    def _save_and_thaw(self) -> None:
        """Frozen it stays if it cannot be saved."""
        try:
            path, summary = self._shelf.save(self._fill)
        except Problem as problem:
            if problem.exit_code != NOT_SO:
                raise
            raise Problem(f"{problem}; the ring stays frozen, and nothing is "
                          "recorded, until watch can save it, or by hand: "
                          f"{set_command('0', 'frozen')}", NOT_SO) from None
        self._say(f"saved {path}: {summary}")
        self._all_add_up = self._all_add_up and summary.adds_up
        _set(self._host, "frozen", "0")

    def _fill(self, file: OutputFile) -> Summary:
        """What the ring holds at this moment."""
        at_once = Stop()
        at_once.ask()
        return Recorder(self._ring, RecordingWriter(file.write),
                        Limits(whole_ring=True), at_once
                        ).run(lambda: meta(self._host))

    @contextmanager
    def _given_back(self) -> Iterator[None]:
        """The triggers in the end as they were: nobody would thaw."""
        try:
            yield
        finally:
            with suppress(Problem):
                self._freeze_on.give_back()
                self._freeze_after.give_back()

    def _is_frozen(self) -> bool:
        return _read(self._host, "frozen") == "1"
