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
from .output_file import OutputFile
from .recorder import Limits, Recorder, Ring, Summary, meta
from .recording import RecordingWriter
from .stopping import Stop

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


def _age(path: Path) -> tuple[str, int]:
    """When it was saved, and which one of that second it is."""
    moment, again = re.findall(KEPT_NAME, path.name)[0]
    return moment, int(again or 1)


class Shelf:
    """A folder of recordings, of which the oldest make room for new ones.

    Only files whose names it has given itself are ever removed.
    """

    def __init__(self, folder: Path, bounds: Bounds,
                 now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._bounds = bounds
        self._now = now
        try:
            for path in folder.iterdir():
                if KEPT_NAME.fullmatch(path.name.removesuffix(UNFINISHED)) \
                        and path.name.endswith(UNFINISHED):
                    path.unlink()
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> Problem:
        return Problem(f"cannot keep recordings in {self._folder}: "
                       f"{error.strerror}", NOT_SO)

    def _new_name(self) -> str:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
        before = [number for path in self.kept()
                  for at, number in [_age(path)] if at == moment]
        again = f"-{max(before) + 1}" if before else ""
        return f"freeze-{moment}{again}.renoscope"

    def save(self, fill: Callable[[OutputFile], Summary]) -> tuple[Path, Summary]:
        """A new recording; it has its name only when it is whole, and on disk."""
        try:
            path = self._folder / self._new_name()
            unfinished = path.with_name(path.name + UNFINISHED)
            file = OutputFile(str(unfinished), new=True)
            summary = fill(file)
            file.sync()
            file.close()
            unfinished.rename(path)
            self._make_room(path)
        except OSError as error:
            raise self._failed(error) from None
        except Problem:
            with suppress(OSError):
                unfinished.unlink()
            raise
        return path, summary

    def kept(self) -> list[Path]:
        """From the oldest on."""
        return sorted((path for path in self._folder.iterdir()
                       if KEPT_NAME.fullmatch(path.name)), key=_age)

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
        self._all_add_up = True

    def run(self, triggers: Triggers) -> bool:
        """Whether every recording saved adds up."""
        with self._set_for_now(triggers) as kinds:
            self._say(f"watching for {kinds}; Ctrl-C ends")
            self._watch(kinds, triggers.rest_s)
        if self._is_frozen():   # since the last look
            self._save_and_thaw()
        return self._all_add_up

    def _watch(self, kinds: str, rest_s: float) -> None:
        rests_until: float | None = None
        while not self._stop.asked:
            if self._is_frozen():
                self._set("freeze_on", "none")
                self._save_and_thaw()
                rests_until = self._clock() + rest_s
            elif rests_until is not None and self._clock() >= rests_until:
                self._set("freeze_on", kinds)
                rests_until = None
            self._stop.wait(LOOK_S)

    def _save_and_thaw(self) -> None:
        """Frozen it stays if it cannot be saved."""
        path, summary = self._shelf.save(self._fill)
        self._say(f"saved {path}: {summary}")
        self._all_add_up = self._all_add_up and summary.adds_up
        self._set("frozen", "0")

    def _fill(self, file: OutputFile) -> Summary:
        """What the ring holds at this moment."""
        at_once = Stop()
        at_once.ask()
        return Recorder(self._ring, RecordingWriter(file.write),
                        Limits(whole_ring=True), at_once
                        ).run(lambda: meta(self._host))

    @contextmanager
    def _set_for_now(self, triggers: Triggers) -> Iterator[str]:
        """The triggers set, and in the end what was set before.

        Nobody would thaw what freezes when this is over.
        """
        before = self._host.parameters()
        kinds = triggers.kinds or before.get("freeze_on", "")
        if kinds in NO_TRIGGER:
            raise Problem("nothing is set that would freeze the ring; name it: "
                          "--on reset_received,rto=3", BAD_INPUT)
        try:
            if triggers.after is not None:
                self._set("freeze_after", str(triggers.after))
            self._set("freeze_on", kinds)
            yield kinds
        finally:
            with suppress(Problem):
                for name in ("freeze_on", "freeze_after"):
                    self._set(name, before[name])

    def _is_frozen(self) -> bool:
        text = self._host.read(f"/sys/module/{MODULE}/parameters/frozen")
        if text is None:
            raise Problem("the module is no longer loaded", NOT_THERE)
        return text.strip() == "1"

    def _set(self, name: str, value: str) -> None:
        path = self._host.path(f"/sys/module/{MODULE}/parameters/{name}")
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
