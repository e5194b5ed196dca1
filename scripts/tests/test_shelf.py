# SPDX-License-Identifier: GPL-2.0
"""Recordings that are kept: the oldest make room, whatever the clock says."""

import errno
import os
import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib.errors import NOT_SO, Problem
from renoscope_lib.output.output_file import NoRoom, OutputFile
from renoscope_lib.recording.recorder import Summary
from renoscope_lib.recording.recording_file import RecordingWriter
from renoscope_lib.recording.shelf import Bounds, Shelf

from . import support

NOON = 1700000000 + 43200 - 1700000000 % 86400


class Keeping(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.now = NOON
        self.said: list[str] = []

    def shelf(self, files: int = 3, total_bytes: int = 1000) -> Shelf:
        return Shelf(self.folder, Bounds(files, total_bytes), self.said.append,
                     lambda: self.now)

    def save(self, shelf: Shelf, size: int = 10) -> str:
        def fill(file: OutputFile) -> Summary:
            file.write(bytes(size))
            return Summary(0, 0, [])
        return shelf.save(fill)[0].name

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def test_the_oldest_make_room(self) -> None:
        shelf = self.shelf(files=3)
        names = []
        for _ in range(5):
            names.append(self.save(shelf))
            self.now += 60
        self.assertEqual(self.files(), names[2:])
        self.assertEqual(self.said, [f"gave up the oldest, {name}: at most 3 recordings kept"
                                     for name in names[:2]])

    def test_more_than_ten_in_one_second(self) -> None:
        shelf = self.shelf(files=3)
        names = [self.save(shelf) for _ in range(12)]
        self.assertEqual(names[-1], "freeze-20231114T120000Z-12.renoscope")
        self.assertEqual([path.name for path in shelf.kept()], names[-3:])

    def test_the_oldest_make_room_by_size_too(self) -> None:
        shelf = self.shelf(files=100, total_bytes=5 << 20)
        names = []
        for size in (2 << 20, 2 << 20, 2 << 20, 3 << 20):
            names.append(self.save(shelf, size))
            self.now += 1
        self.assertEqual(self.files(), names[2:])
        self.assertEqual(self.said, [
            f"gave up the oldest, {name}: at most 5 MB of recordings kept"
            for name in names[:2]])
        self.save(shelf, 10 << 20)
        self.assertEqual(len(self.files()), 1, "the newest always")

    def test_the_clock_was_set_back(self) -> None:
        shelf = self.shelf(files=1)
        self.save(shelf)
        self.now -= 3600
        self.assertEqual([self.save(shelf)], self.files())

    def test_set_back_the_clock_makes_nothing_older(self) -> None:
        """Not what was saved last, nor what was before it."""
        shelf = self.shelf(files=3)
        names = [self.save(shelf)]
        for step_s in (60, -3600, 60, -60, 0, 7200):
            self.now += step_s
            names.append(self.save(shelf))
            self.assertEqual(self.files(), sorted(names[-3:]))
        self.assertEqual(len(set(names)), len(names), "no two have one name")

    def test_set_back_a_name_is_never_given_twice(self) -> None:
        """The same second comes again, and what was saved in it first stays as it is."""
        shelf = self.shelf(files=9, total_bytes=1000)
        for size in (1, 2):
            self.save(shelf, size)
        self.now += 60
        self.save(shelf, 3)
        self.now -= 60
        self.save(shelf, 4)
        self.assertEqual([path.stat().st_size for path in shelf.kept()], [1, 2, 3, 4])

    def test_set_back_a_name_may_come_again(self) -> None:
        """Of a file that is gone."""
        shelf = self.shelf(files=2)
        names = []
        for second in (0, 1, 2, 0, 2, 0, 1, 3):
            self.now = NOON + second
            names.append(self.save(shelf))
            self.assertEqual(self.files(), sorted(names[-2:]))
        self.assertEqual(names[3], names[0])

    def test_no_room_while_the_clock_is_set_back(self) -> None:
        shelf = self.shelf()
        first = self.save(shelf)
        self.now -= 3600
        second = self.save(shelf)
        shelf._give_up_the_oldest(NoRoom("full", NOT_SO))
        self.assertEqual(self.files(), [second])
        self.assertIn(first, self.said[0])

    def recording(self, moment: str, boot: str, monotonic_ns: object) -> str:
        """A recording that an earlier watch has left."""
        name = f"freeze-{moment}.renoscope"
        written: list[bytes] = []
        RecordingWriter(written.append).begin(
            {"boot_id": boot, "clocks": {"monotonic_ns": monotonic_ns}},
            support.schema_text(), "")
        (self.folder / name).write_bytes(b"".join(written))
        return name

    def test_an_earlier_watch_has_seen_the_clock_set_back(self) -> None:
        """Then the clock that is never set tells, in each boot; this one is the last."""
        older = [self.recording("20300101T000000Z", "before", 7),
                 self.recording("20200101T000000Z", "now", 1),
                 self.recording("20200101T000002Z", "now", 2),
                 self.recording("20200101T000001Z", "now", 3)]
        strange = self.recording("20400101T000000Z", "now", "x")
        shelf = Shelf(self.folder, Bounds(3, 1 << 20), self.said.append,
                      lambda: self.now, "now")
        self.assertEqual([path.name for path in shelf.kept()],
                         [older[0], strange, *older[1:]])
        self.now = 0
        newest = self.save(shelf)
        self.assertEqual(self.files(), sorted([*older[2:], newest]))

    def test_only_its_own_are_removed(self) -> None:
        others = ["freeze-mine.renoscope", "session.renoscope", "notes.part",
                  "freeze-20231114T120000Z.renoscope.old"]
        for name in others:
            (self.folder / name).write_bytes(bytes(5000))
        shelf = self.shelf(files=1, total_bytes=1)
        self.save(shelf)
        self.assertEqual(self.save(shelf), "freeze-20231114T120000Z-2.renoscope")
        self.assertEqual(self.files(), sorted(
            [*others, "freeze-20231114T120000Z-2.renoscope"]))

    def test_a_half_written_one_goes(self) -> None:
        (self.folder / "freeze-20231114T120000Z.renoscope.part").touch()
        self.shelf()
        self.assertEqual(self.files(), [])

        def fill(_: OutputFile) -> Summary:
            raise Problem("no room", NOT_SO)
        with self.assertRaises(Problem):
            self.shelf().save(fill)
        self.assertEqual(self.files(), [])

    def test_a_planted_link_is_not_followed(self) -> None:
        precious = self.folder / "precious"
        precious.write_text("precious")
        shelf = self.shelf()
        planted = "freeze-20231114T120000Z.renoscope.part"
        os.symlink(precious, self.folder / planted)
        saved = self.save(shelf)
        self.assertEqual(saved, "freeze-20231114T120000Z-2.renoscope")
        self.assertEqual(precious.read_text(), "precious")
        self.assertEqual(self.files(), sorted([planted, "precious", saved]),
                         "nor removed: it is not ours")

    def plant(self) -> list[str]:
        """What is no regular file, with older and younger names than any that we give."""
        planted = []
        for year in ("1999", "2099"):
            for end in ("renoscope", "renoscope.part"):
                base = f"freeze-{year}0101T00000%dZ.{end}"
                os.symlink("/nonexistent", self.folder / (base % 0))
                os.symlink("/", self.folder / (base % 1))
                (self.folder / (base % 2)).mkdir()
                os.mkfifo(self.folder / (base % 3))
                planted += [base % number for number in range(4)]
        return planted

    def test_only_regular_files_count_and_go(self) -> None:
        """Neither at the start nor later anything else is in the way."""
        planted = self.plant()
        names = []
        for files in (1, 1, 2):
            shelf = self.shelf(files=files)
            names += [self.save(shelf), self.save(shelf)]
        self.assertEqual([path.name for path in shelf.kept()], names[-2:])
        self.assertEqual(self.files(), sorted([*planted, *names[-2:]]))
        self.assertEqual(len(self.said), len(names[:-2]), self.said)

    def test_no_room_and_only_regular_files_go(self) -> None:
        planted = self.plant()
        shelf = self.shelf()
        name = self.save(shelf)
        shelf._give_up_the_oldest(NoRoom("full", NOT_SO))
        self.assertEqual(self.files(), sorted(planted))
        self.assertEqual(self.said, [f"full; gave up the oldest, {name}"])
        with self.assertRaises(NoRoom):
            shelf._give_up_the_oldest(NoRoom("full", NOT_SO))

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_what_others_own_neither_counts_nor_goes(self) -> None:
        """It may say that it is the youngest, and be as large as it likes."""
        huge = self.folder / self.recording("20000101T000000Z", "now", 1 << 62)
        others = [huge, self.folder / "freeze-19990101T000000Z.renoscope",
                  self.folder / "freeze-19990101T000000Z.renoscope.part"]
        for path in others:
            path.touch()
            os.chown(path, support.NOBODY, support.NOBODY)
        os.truncate(huge, 1 << 40)
        ours = [self.recording(f"2023010{day}T000000Z", "now", day) for day in (1, 2)]
        shelf = Shelf(self.folder, Bounds(3, 1 << 20), self.said.append,
                      lambda: self.now, "now")
        newest = self.save(shelf)
        self.assertEqual([path.name for path in shelf.kept()], [*ours, newest])
        self.assertEqual(self.files(), sorted([*(path.name for path in others), *ours, newest]))
        self.assertEqual(self.said, [])

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_under_sudo_it_stays_ours(self) -> None:
        """Whose it were could make it huge, or the youngest; and it would not be counted."""
        with mock.patch.dict(os.environ, {"SUDO_UID": "1234", "SUDO_GID": "1235"}):
            shelf = self.shelf(files=1)
            newest = [self.save(shelf) for _ in range(2)][-1]
        self.assertEqual(self.files(), [newest])
        found = (self.folder / newest).stat()
        self.assertEqual((found.st_uid, found.st_mode & 0o777), (0, 0o600))

    @contextmanager
    def unremovable(self, *names: str) -> Iterator[None]:
        """As with chattr +i."""
        whole = Path.unlink

        def unlink(path: Path, missing_ok: bool = False) -> None:
            if path.name in names:
                raise PermissionError(errno.EPERM, "Operation not permitted")
            whole(path, missing_ok)
        with mock.patch.object(Path, "unlink", unlink):
            yield

    def test_what_cannot_be_removed_is_told(self) -> None:
        """The next one goes in its place, and what is new is saved."""
        part = "freeze-20230101T000000Z.renoscope.part"
        (self.folder / part).touch()
        first = "freeze-20231114T120000Z.renoscope"
        with self.unremovable(part, first):
            shelf = self.shelf(files=2)
            names = [self.save(shelf) for _ in range(3)]
            shelf._give_up_the_oldest(NoRoom("full", NOT_SO))
        cannot = "cannot remove %s: Operation not permitted"
        self.assertEqual(self.said, [
            cannot % part, cannot % first,
            f"gave up the oldest, {names[1]}: at most 2 recordings kept",
            cannot % first, f"full; gave up the oldest, {names[2]}"])
        self.assertEqual(self.files(), sorted([part, first]))

    def vanishing(self, step: str, name: str) -> Any:
        """Somebody removes it just before it is looked at, or removed."""
        whole = getattr(Path, step)

        def vanish(path: Path, **how: bool) -> object:
            if path.name == name:
                os.remove(path)
            return whole(path, **how)
        return mock.patch.object(Path, step, vanish)

    def test_what_vanishes_meanwhile_is_gone(self) -> None:
        for step in ("lstat", "unlink"):
            shelf = self.shelf(files=1)
            older = self.save(shelf)
            self.now += 60
            with self.vanishing(step, older):
                newest = self.save(shelf)
            self.assertEqual(self.files(), [newest])
            (self.folder / newest).unlink()
        self.assertNotIn("cannot", " ".join(self.said))

    def test_saved_it_is_though_no_room_can_be_made(self) -> None:
        shelf = self.shelf(files=1)
        older = self.save(shelf)
        there = list(self.folder.iterdir())
        with mock.patch.object(Path, "iterdir", side_effect=[
                iter(there), OSError(errno.EIO, "bad disk")]):
            newest = self.save(shelf)
        self.assertEqual(self.said, [f"cannot make room in {self.folder}: bad disk"])
        self.assertEqual([path.name for path in shelf.kept()], [older, newest])

    def save_while_full(self, kept: int) -> None:
        """The disk has room once no more than so many are kept."""
        shelf = self.shelf()

        def fill(file: OutputFile) -> Summary:
            file.write(bytes(10))
            if len(shelf.kept()) > kept:
                OutputFile("/dev/full").write(b"x")
            return Summary(0, 0, [])
        self.now += 60
        shelf.save(fill)

    def test_the_oldest_is_given_up_where_there_is_no_room(self) -> None:
        names = []
        for _ in range(2):
            names.append(self.save(self.shelf()))
            self.now += 60
        self.save_while_full(kept=1)
        self.assertEqual(self.files()[0], names[1])
        self.assertEqual(len(self.files()), 2)
        self.assertIn("No space left on device; gave up the oldest, " + names[0],
                      self.said[0])

    def test_only_one_is_given_up(self) -> None:
        for _ in range(3):
            self.save(self.shelf())
            self.now += 60
        with self.assertRaisesRegex(Problem, "No space left"):
            self.save_while_full(kept=0)
        self.assertEqual(len(self.files()), 2)

    def test_nothing_to_give_up(self) -> None:
        with self.assertRaisesRegex(Problem, "No space left"):
            self.save_while_full(kept=-1)
        self.assertEqual(self.files(), [])

    def test_an_unfinished_one_keeps_no_room(self) -> None:
        """Open, it would, though it has no name any more."""
        before = os.listdir("/proc/self/fd")
        with mock.patch.object(os, "fsync", side_effect=OSError(5, "bad disk")), \
                self.assertRaisesRegex(Problem, "bad disk"):
            self.save(self.shelf())
        self.assertEqual(os.listdir("/proc/self/fd"), before)

    def test_the_name_is_on_disk_when_it_is_saved(self) -> None:
        synced = []
        whole = os.fsync

        def fsync(fd: int) -> None:
            synced.append((os.readlink(f"/proc/self/fd/{fd}"), self.files()))
            whole(fd)
        with mock.patch.object(os, "fsync", fsync):
            name = self.save(self.shelf())
        unfinished = f"{name}.part"
        self.assertEqual(synced, [
            (str(self.folder / unfinished), [unfinished]),
            (str(self.folder), [name])])

    def test_a_missing_folder_is_named(self) -> None:
        self.folder = self.folder / "absent"
        with self.assertRaises(Problem) as caught:
            self.shelf()
        self.assertIn("absent: No such file", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
