# SPDX-License-Identifier: GPL-2.0
"""Saving each freeze: the order of steps, the rest after one, what is kept."""

import os
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest import mock
from typing import Any

from renoscope_lib.errors import BAD_INPUT, NOT_SO, NOT_THERE, Problem
from renoscope_lib.freezes import Bounds, FreezeWatch, Shelf, Triggers
from renoscope_lib.only_one import only_one
from renoscope_lib.output_file import NoRoom, OutputFile
from renoscope_lib.recorder import Summary
from renoscope_lib.commands import watch as watch_command
from renoscope_lib.recording import RecordingParser, RecordingWriter
from renoscope_lib.stopping import Stop

from . import support
from .fake_host import fake_host
from .support import Scene
from .test_recorder import FakeRing

NOON = 1700000000 + 43200 - 1700000000 % 86400
PARAMETERS = "/sys/module/tcp_renoscope/parameters"


class Looks(Stop):
    """A Stop whose waits each let something happen; stops after the last."""

    def __init__(self, *happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens = list(happens)

    def wait(self, timeout_s: float) -> None:
        if self._happens:
            self._happens.pop(0)()
        if not self._happens:
            self.ask()


class Watching(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.host = fake_host(Path(folder.name) / "root")
        self.kept = Path(folder.name) / "kept"
        self.kept.mkdir()
        self.said: list[str] = []
        self.now = 0.0
        self.at_save: list[dict[str, str]] = []
        for name, value in (("frozen", "0"), ("freeze_on", "none"),
                            ("freeze_after", "7")):
            self.host.put(f"{PARAMETERS}/{name}", value)
        self.ring = FakeRing([{"cpu0": 2}], [self.note, Scene().pack("ack")
                                             + Scene().pack("ack", serial=2)])

    def note(self) -> None:
        self.at_save.append({name: self.parameter(name)
                             for name in ("frozen", "freeze_on")})

    def parameter(self, name: str) -> str:
        return self.host.read(f"{PARAMETERS}/{name}") or ""

    def freeze(self) -> None:
        self.host.put(f"{PARAMETERS}/frozen", "1")

    def watch(self, stop: Stop, **triggers: Any) -> bool:
        shelf = Shelf(self.kept, Bounds(10, 1 << 20), self.said.append,
                      lambda: NOON)
        watch = FreezeWatch(self.host, self.ring, shelf, stop,
                            self.said.append, lambda: self.now)
        return watch.run(Triggers(**triggers))

    def files(self) -> list[str]:
        return sorted(path.name for path in self.kept.iterdir())

    def test_a_freeze_is_saved_before_the_thaw(self) -> None:
        self.assertTrue(self.watch(Looks(self.freeze, lambda: None),
                                   kinds="rto=3", after=20))
        self.assertEqual(self.at_save, [{"frozen": "1", "freeze_on": "none"}])
        self.assertEqual(self.parameter("frozen"), "0")
        self.assertEqual(self.files(), ["freeze-20231114T120000Z.renoscope"])
        parser = RecordingParser()
        data = (self.kept / self.files()[0]).read_bytes()
        self.assertEqual(len(b"".join(parser.feed(data))),
                         2 * support.schema().record_bytes)
        self.assertIsNotNone(parser.done)
        self.assertIn("2 events, 0 lost", self.said[1])

    def test_namespaces_without_hooks_are_told(self) -> None:
        self.ring.change("source segment netfilter:ipv4-in attached, but not in 2 namespaces")
        self.watch(Looks(self.freeze, lambda: None), kinds="rto=3")
        self.assertIn(": not complete: no segments from 2 network namespaces", self.said[1])

    def test_what_it_sets_holds_only_while_it_runs(self) -> None:
        seen = []
        self.watch(Looks(lambda: seen.append((self.parameter("freeze_on"),
                                              self.parameter("freeze_after")))),
                   kinds="rto=3,refused", after=20)
        self.assertEqual(seen, [("rto=3,refused", "20")])
        self.assertEqual(self.parameter("freeze_on"), "none")
        self.assertEqual(self.parameter("freeze_after"), "7")
        self.assertEqual(self.files(), [])

    def test_what_is_set_already_is_taken(self) -> None:
        self.host.put(f"{PARAMETERS}/freeze_on", "refused\n")
        self.watch(Looks(self.freeze, lambda: None))
        self.assertIn("watching for refused", self.said[0])
        self.assertEqual(self.parameter("freeze_on"), "refused")
        self.assertEqual(self.parameter("freeze_after"), "7")
        self.assertEqual(len(self.files()), 1)

    def test_triggers_rest_after_a_save(self) -> None:
        seen = []

        def look(now: float) -> Callable[[], None]:
            def step() -> None:
                seen.append(self.parameter("freeze_on"))
                self.now = now
            return step
        self.watch(Looks(self.freeze, look(29.9), look(30.0), look(31.0)),
                   kinds="rto", rest_s=30.0)
        self.assertEqual(seen, ["none", "none", "rto"])

    def test_frozen_while_they_rest_is_saved_too(self) -> None:
        """Somebody has frozen it by hand."""
        self.watch(Looks(self.freeze, self.freeze, lambda: None), kinds="rto")
        self.assertEqual(len(self.files()), 2)

    def test_frozen_as_it_is_told_to_stop(self) -> None:
        self.watch(Looks(self.freeze), kinds="rto")
        self.assertEqual(len(self.files()), 1)
        self.assertEqual(self.parameter("frozen"), "0")

    def test_a_trigger_has_fired_as_it_is_told_to_stop(self) -> None:
        """The freeze is still to come, and nobody would save it."""
        def fire() -> None:
            self.ring.change("freeze frozen 0 after 200 on rto pending 150")
        self.watch(Looks(fire), kinds="rto", after=200)
        self.assertEqual(self.at_save, [{"frozen": "1", "freeze_on": "none"}])
        self.assertEqual(len(self.files()), 1)
        self.assertEqual(self.parameter("frozen"), "0")
        self.assertIn("not waiting for 150 more events", self.said[1])

    def test_what_somebody_else_sets_stays(self) -> None:
        seen = []

        def somebody_sets(name: str, value: str) -> Callable[[], None]:
            return lambda: self.host.put(f"{PARAMETERS}/{name}", value)

        def look() -> None:
            seen.append(self.parameter("freeze_on"))
            self.now += 30
        self.watch(Looks(somebody_sets("freeze_on", "error\n"),
                         somebody_sets("freeze_after", "50\n"),
                         self.freeze, look, look, look),
                   kinds="rto", after=20, rest_s=30)
        self.assertEqual(seen, ["none", "error", "error"], "it rests, too")
        self.assertEqual(self.parameter("freeze_on"), "error")
        self.assertEqual(self.parameter("freeze_after"), "50\n")
        self.assertIn("somebody has set freeze_on to error", self.said[1])

    def test_nothing_to_wait_for(self) -> None:
        for value in ("none\n", "(null)\n", ""):
            self.host.put(f"{PARAMETERS}/freeze_on", value)
            with self.assertRaises(Problem) as caught:
                self.watch(Looks())
            self.assertEqual(caught.exception.exit_code, BAD_INPUT)
            self.assertIn("--on", str(caught.exception))

    def test_frozen_it_stays_if_it_cannot_be_saved(self) -> None:
        def fill_the_disk() -> None:
            self.freeze()
            self.kept.rmdir()
        with self.assertRaises(Problem) as caught:
            self.watch(Looks(fill_the_disk, lambda: None), kinds="rto")
        self.assertEqual(caught.exception.exit_code, NOT_SO)
        self.assertIn("the ring stays frozen", str(caught.exception))
        self.assertEqual(self.parameter("frozen"), "1")
        self.assertEqual(self.parameter("freeze_on"), "none")

    def test_the_module_goes(self) -> None:
        def unload() -> None:
            for name in ("frozen", "freeze_on", "freeze_after"):
                self.host.path(f"{PARAMETERS}/{name}").unlink()
        with self.assertRaises(Problem) as caught:
            self.watch(Looks(unload, lambda: None), kinds="rto")
        self.assertEqual(caught.exception.exit_code, NOT_THERE)


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

    def test_more_than_ten_in_one_second(self) -> None:
        shelf = self.shelf(files=3)
        names = [self.save(shelf) for _ in range(12)]
        self.assertEqual(names[-1], "freeze-20231114T120000Z-12.renoscope")
        self.assertEqual([path.name for path in shelf.kept()], names[-3:])

    def test_by_size(self) -> None:
        shelf = self.shelf(files=100, total_bytes=100)
        names = []
        for size in (40, 40, 40, 60):
            names.append(self.save(shelf, size))
            self.now += 1
        self.assertEqual(self.files(), names[2:])
        self.save(shelf, 500)
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
        os.mkfifo(self.folder / "freeze-19990101T000000Z.renoscope")
        shelf = Shelf(self.folder, Bounds(3, 1 << 20), self.said.append,
                      lambda: self.now, "now")
        self.assertEqual([path.name for path in shelf.kept()],
                         ["freeze-19990101T000000Z.renoscope",
                          older[0], strange, *older[1:]])
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
        os.symlink(precious, self.folder
                   / "freeze-20231114T120000Z.renoscope.part")
        with self.assertRaises(Problem):
            self.save(shelf)
        self.assertEqual(precious.read_text(), "precious")
        self.assertEqual(len(self.files()), 2, "nor removed: it is not ours")

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

    def test_no_such_folder(self) -> None:
        self.folder = self.folder / "absent"
        with self.assertRaises(Problem) as caught:
            self.shelf()
        self.assertIn("absent: No such file", str(caught.exception))


class OnlyOne(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_a_second_is_told_who_is_first(self) -> None:
        with only_one(self.folder, "keep it"):
            with self.assertRaises(Problem) as caught, \
                    only_one(self.folder, "keep it"):
                self.fail("both have it")
            self.assertEqual(str(caught.exception), "cannot keep it: process "
                             f"{os.getpid()} does that already")
        with only_one(self.folder, "keep it"):
            pass

    def test_nothing_there(self) -> None:
        with self.assertRaisesRegex(Problem, "cannot keep it: No such file"), \
                only_one(self.folder / "absent", "keep it"):
            pass


class Folder(unittest.TestCase):
    def test_one_that_is_not_there(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            self.assertEqual(watch_command._folder(name), Path(name))
            (Path(name) / "file").write_text("")
            for path, words in (("no one", f"make it with: sudo mkdir -p '{name}/no one'"),
                                ("file", "is no folder")):
                with self.assertRaises(Problem) as caught:
                    watch_command._folder(f"{name}/{path}")
                self.assertIn(words, str(caught.exception))
                self.assertEqual(caught.exception.exit_code, BAD_INPUT)


if __name__ == "__main__":
    unittest.main()
