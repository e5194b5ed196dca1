# SPDX-License-Identifier: GPL-2.0
"""Saving each freeze: the order of steps, the rest after one, and whose triggers hold."""

import contextlib
import errno
import fcntl
import io
import os
import tempfile
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib import cli
from renoscope_lib.commands import watch as watch_command
from renoscope_lib.errors import BAD_INPUT, NOT_SO, NOT_THERE, Problem
from renoscope_lib.machine.held_parameter import set_parameter
from renoscope_lib.machine.module_log import KINDS_ARE_IN
from renoscope_lib.recording.freezes import FreezeWatch, Triggers
from renoscope_lib.recording.parser import RecordingParser
from renoscope_lib.recording.shelf import Bounds, Shelf
from renoscope_lib.stopping import Stop

from . import support
from .fake_host import STATS, OnFakeHost, fake_host, loaded
from .support import Scene
from .test_recorder import FakeRing
from .test_shelf import NOON

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

    def test_without_a_trigger_it_ends_at_once(self) -> None:
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

    def test_what_is_planted_meanwhile_is_not_in_the_way(self) -> None:
        """It goes on, and what it saved it does not call unsaved."""
        def plant() -> None:
            os.symlink("/nonexistent", self.kept / "freeze-20000101T000000Z.renoscope")
            (self.kept / "freeze-20000102T000000Z.renoscope").mkdir()
            self.freeze()
        self.assertTrue(self.watch(Looks(plant, lambda: None), kinds="rto"))
        self.assertEqual(len(self.files()), 2 + 1)
        self.assertEqual(self.parameter("frozen"), "0")

    def test_thawed_it_is_though_no_room_can_be_made(self) -> None:
        for number in range(11):
            (self.kept / f"freeze-20000101T0000{number:02}Z.renoscope").touch()
        with mock.patch.object(Path, "unlink", side_effect=OSError(errno.EROFS, "no")):
            self.assertTrue(self.watch(Looks(self.freeze, lambda: None), kinds="rto"))
        self.assertIn("cannot remove freeze-20000101T000000Z.renoscope: no", self.said)
        self.assertEqual(len(self.files()), 12)
        self.assertEqual(self.parameter("frozen"), "0")

    def test_it_ends_when_the_module_goes(self) -> None:
        def unload() -> None:
            for name in ("frozen", "freeze_on", "freeze_after"):
                self.host.path(f"{PARAMETERS}/{name}").unlink()
        with self.assertRaises(Problem) as caught:
            self.watch(Looks(unload, lambda: None), kinds="rto")
        self.assertEqual(caught.exception.exit_code, NOT_THERE)


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    def refused(self, name: str, *words: str) -> None:
        with self.assertRaises(Problem) as caught:
            watch_command._folder(f"{self.folder}/{name}")
        self.assertEqual(caught.exception.exit_code, BAD_INPUT)
        for part in words:
            self.assertIn(part, str(caught.exception))

    def test_one_that_is_not_there(self) -> None:
        self.assertEqual(watch_command._folder(str(self.folder)), self.folder)
        (self.folder / "file").write_text("")
        self.refused("file", "is no folder")
        self.refused("no one", "make it with: sudo install -d -m 0750 "
                     f"'{self.folder}/no one'")

    def test_one_that_others_may_write(self) -> None:
        """The cause is named, and the mend."""
        self.folder.chmod(0o1777)
        self.refused("", f"watch: everybody may write in {self.folder} (mode 1777)",
                     "sudo install -d -m 0750 /var/lib/renoscope")

    def test_the_one_that_a_link_leads_to(self) -> None:
        """Whoever can change the link shall not choose another one later."""
        (self.folder / "kept").mkdir()
        os.symlink("kept", self.folder / "link")
        self.assertEqual(watch_command._folder(f"{self.folder}/link"), self.folder / "kept")


class Command(OnFakeHost):
    """The command as a whole, but for the watching."""

    def setUp(self) -> None:
        super().setUp()
        loaded(self.host, STATS)
        for name in ("freeze_on", "freeze_after"):
            self.host.put(f"{PARAMETERS}/{name}", "none\n")
        self.kept = self.folder / "kept"
        self.kept.mkdir()
        self.stats = self.host.path("/sys/kernel/debug/renoscope/stats")

    def watch(self) -> int:
        with mock.patch.object(watch_command, "Host", lambda: self.host), \
                mock.patch.object(FreezeWatch, "run", lambda *_: True):
            return cli.main(["watch", str(self.kept)])

    @contextmanager
    def locked(self, path: Path) -> Iterator[None]:
        fd = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def test_the_ring_is_what_one_process_has(self) -> None:
        self.assertEqual(self.watch(), 0)
        said = io.StringIO()
        with self.locked(self.stats), contextlib.redirect_stderr(said):
            self.assertEqual(self.watch(), NOT_SO)
        self.assertEqual(said.getvalue(), "renoscope: cannot watch this ring: process "
                         f"{os.getpid()} does that already; end it first\n")

    def test_who_may_look_into_the_folder_cannot_keep_watch_from_it(self) -> None:
        self.folder.chmod(0o755)
        self.kept.chmod(0o755)
        with support.powerless(), self.locked(self.kept):
            pass
        with self.locked(self.kept):
            self.assertEqual(self.watch(), 0)


class Refused(OnFakeHost):
    """A trigger that the module does not know."""

    def told(self, log: str, number: int = errno.EINVAL) -> str:
        self.host.answers["dmesg"] = (0, log, "")
        error = OSError(number, os.strerror(number))
        with mock.patch.object(Path, "write_text", side_effect=error), \
                self.assertRaises(Problem) as caught:
            set_parameter(self.host, "freeze_on", "refuse")
        self.assertEqual(caught.exception.exit_code, BAD_INPUT)
        return str(caught.exception)

    def test_the_modules_words_are_told(self) -> None:
        """Those on this parameter, the last; and nothing to repeat."""
        log = ("[1.0] tcp_renoscope: freeze_on: 'older': no\n"
               "[2.0] tcp_renoscope: freeze_on: 'refuse': a trigger is a kind of event "
               f"({KINDS_ARE_IN}), or none alone\n"
               "[2.1] tcp_renoscope: filter: 'x': no\n[2.2] other\n")
        self.assertRegex(self.told(log), r"^freeze_on: 'refuse': a trigger is a kind of event "
                         r"\(there are: state .* refused .*\), or none alone$")

    def test_where_the_log_is_not_to_be_had(self) -> None:
        self.assertEqual(self.told(""), "cannot set freeze_on to 'refuse': Invalid argument; "
                         "see: sudo dmesg")

    def test_what_may_go_better_by_hand(self) -> None:
        self.assertIn("; by hand: echo refuse | sudo tee ", self.told("", errno.EIO))


if __name__ == "__main__":
    unittest.main()
