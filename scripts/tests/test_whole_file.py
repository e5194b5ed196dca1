# SPDX-License-Identifier: GPL-2.0
"""What is written takes its place when it is whole, and never that of what is read."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
import subprocess
import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from renoscope_lib.errors import Problem
from renoscope_lib.output.whole_file import WholeFile

from . import support
from .support import SECOND, Scene

RENOSCOPE = Path(__file__).resolve().parents[1] / "renoscope"


def recording(segments: bool = False) -> bytes:
    """Two ACKs, or one and its segment."""
    scene = Scene()
    kinds = ["ack", "segment" if segments else "ack"]
    return support.recording(*(
        scene.pack(kind, n * SECOND, state=1, seg_flags=support.ACK)
        for n, kind in enumerate(kinds)))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """As by a recorder that writes it."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


class Stage(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def run_it(self, *words: str, stdin: bytes = b"", most: int | None = None,
               ) -> subprocess.CompletedProcess[bytes]:
        """With a file size limit no file grows longer: as good as a full disk."""
        def limit() -> None:
            if most is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        return subprocess.run(["/usr/bin/env", "python3", RENOSCOPE, *words],
                              input=stdin, capture_output=True, check=False,
                              cwd=self.folder, timeout=60, preexec_fn=limit)


class Replacing(Stage):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.folder / "x"

    def test_the_old_one_stays_until_the_new_one_is_whole(self) -> None:
        self.path.write_text("old")
        with WholeFile(str(self.path)) as file:
            file.write(b"new")
            self.assertEqual(self.path.read_text(), "old")
        self.assertEqual(self.path.read_text(), "new")
        self.assertEqual(self.names(), ["x"])

    def test_and_for_good_if_something_fails(self) -> None:
        self.path.write_text("old")
        for error in (Problem("", 1), KeyboardInterrupt()):
            with self.assertRaises(type(error)), WholeFile(str(self.path)) as file:
                file.write(b"new")
                raise error
        self.assertEqual((self.path.read_text(), self.names()), ("old", ["x"]))

    def test_a_rename_that_fails(self) -> None:
        with mock.patch("os.rename", side_effect=OSError(5, "Input/output error")), \
                self.assertRaises(Problem) as raised, WholeFile(str(self.path)) as file:
            file.write(b"new")
        self.assertEqual((str(raised.exception), self.names()),
                         (f"cannot write {self.path}: Input/output error", []))

    def test_who_may_read_it(self) -> None:
        with WholeFile(str(self.path)) as file:
            file.write(b"new")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.path.chmod(0o644)
        with WholeFile(str(self.path)) as file:
            file.write(b"newer")
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o644)

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_under_sudo_it_is_the_callers(self) -> None:
        with mock.patch.dict(os.environ, {"SUDO_UID": "1234", "SUDO_GID": "1235"}):
            for text in (b"new", b"newer"):
                before = self.path.exists() and self.path.stat().st_ino
                with WholeFile(str(self.path)) as file:
                    file.write(text)
                status = self.path.stat()
                self.assertEqual((status.st_uid, status.st_gid), (1234, 1235))
                self.assertNotEqual(status.st_ino, before)

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_under_sudo_what_was_roots_stays_roots(self) -> None:
        self.path.write_text("old")
        with mock.patch.dict(os.environ, {"SUDO_UID": "1234", "SUDO_GID": "1235"}), \
                WholeFile(str(self.path)) as file:
            file.write(b"new")
        status = self.path.stat()
        self.assertEqual((status.st_uid, status.st_gid), (os.getuid(), os.getgid()))
        self.assertEqual(self.path.read_text(), "new")

    @unittest.skipIf(os.geteuid(), "needs root")
    def test_what_is_somebody_elses_is_written_where_it_is(self) -> None:
        self.path.write_text("old")
        os.chown(self.path, 1234, 1235)
        before = self.path.stat()
        with WholeFile(str(self.path)) as file:
            file.write(b"new")
        after = self.path.stat()
        self.assertEqual((after.st_ino, after.st_uid), (before.st_ino, 1234))

    def test_links_and_pipes_stay_what_they_are(self) -> None:
        link = self.folder / "link"
        link.symlink_to("x")
        with WholeFile(str(link)) as file:
            file.write(b"through it")
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.path.read_text(), "through it")
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        with WholeFile(str(pipe)) as file:
            file.write(b"through it")
            self.assertEqual(os.read(reader, 99), b"through it")

    def test_what_is_read_meanwhile(self) -> None:
        with WholeFile(str(self.path), at_once=False) as file:
            file.write(b"now")
            self.assertEqual(self.path.read_text(), "now")

    def test_the_name_that_was_asked_for_is_told(self) -> None:
        for name, why in (("nix/x", "No such file or directory"),
                          (".", "Is a directory"), ("x/y", "Not a directory")):
            self.path.write_text("")
            with self.assertRaises(Problem) as raised:
                WholeFile(f"{self.folder}/{name}")
            self.assertEqual(str(raised.exception),
                             f"cannot write {self.folder}/{name}: {why}")
        self.assertEqual(self.names(), ["x"])


class Commands(Stage):
    def test_the_recording_is_never_written_over(self) -> None:
        words = {"a.html": ["report", "-o"], "a.svg": ["flow", "--svg"],
                 "a.png": ["cwnd", "--draw"], "b.png": ["rounds", "--draw"],
                 "a.csv": ["export", "--format", "csv", "-o"]}
        for name, (command, *option) in words.items():
            file = self.folder / name
            file.write_bytes(recording())
            other = self.folder / f"link-{name}"
            other.symlink_to(name)
            for read, written in ((name, name), (name, str(file)), (str(other), name),
                                  (name, other.name)):
                done = self.run_it(command, read, *option, written)
                self.assertEqual(
                    (done.returncode, done.stderr.decode(), done.stdout),
                    (2, f"renoscope: {command}: {written} is the recording itself\n",
                     b""))
                self.assertEqual(file.read_bytes(), recording())

    def test_nor_one_that_is_written_now(self) -> None:
        """A recorder has it locked; the recording that is read is another one."""
        (self.folder / "a").write_bytes(recording(segments=True))
        (self.folder / "link").symlink_to("b.png")
        for command, name in (
                (["report", "a", "-o"], "b.png"), (["flow", "a", "--svg"], "b.png"),
                (["export", "a", "--format", "pcapng", "-o"], "b.png"),
                (["export", "a", "--format", "jsonl", "-o"], "link")):
            with self.subTest(command=command, name=name):
                (self.folder / "b.png").write_text("half a recording")
                with locked(self.folder / "b.png"):
                    done = self.run_it(*command, name)
                self.assertEqual((done.returncode, done.stderr.decode()), (
                    1, f"renoscope: cannot write {name}: process {os.getpid()} writes it "
                    "already; wait until it has ended, or name another file\n"))
                self.assertEqual((self.folder / "b.png").read_text(),
                                 "half a recording")
                self.assertEqual(self.names(), ["a", "b.png", "link"])

    def test_one_that_is_written_now_is_read_as_always(self) -> None:
        (self.folder / "a").write_bytes(recording())
        with locked(self.folder / "a"):
            done = self.run_it("export", "a", "--format", "jsonl", "-o", "out")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_nor_standard_input(self) -> None:
        file = self.folder / "a"
        file.write_bytes(recording())
        with file.open("rb") as stdin:
            done = subprocess.run(
                [RENOSCOPE, "report", "-", "-o", file], stdin=stdin,
                capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(file.read_bytes(), recording())

    def test_a_full_disk_costs_nothing_that_was_there(self) -> None:
        (self.folder / "a").write_bytes(recording())
        for command in (["report", "a", "-o"], ["flow", "a", "--svg"],
                        ["export", "a", "--format", "jsonl", "-o"]):
            (self.folder / "out").write_text("old")
            done = self.run_it(*command, "out", most=100)
            self.assertEqual((done.returncode, done.stderr),
                             (1, b"renoscope: cannot write out: File too large\n"))
            self.assertEqual((self.folder / "out").read_text(), "old")
            self.assertEqual(self.names(), ["a", "out"])

    def test_a_capture_without_segments(self) -> None:
        (self.folder / "a").write_bytes(recording())
        (self.folder / "out").write_text("old")
        done = self.run_it("export", "a", "--format", "pcapng", "-o", "out")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"no segment event is in it", done.stderr)
        self.assertEqual((self.folder / "out").read_text(), "old")
        self.assertEqual(self.names(), ["a", "out"])

    def test_of_a_damaged_recording_what_there_is(self) -> None:
        whole = recording(segments=True)
        (self.folder / "a").write_bytes(whole[:whole.rindex(b"STAT")])
        for form in ("jsonl", "pcapng"):
            done = self.run_it("export", "a", "--format", form, "-o", "out")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertTrue((self.folder / "out").read_bytes())

    def test_a_page_is_its_owners(self) -> None:
        done = self.run_it("report", "-", "-o", "x.html", stdin=recording())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(stat.S_IMODE((self.folder / "x.html").stat().st_mode), 0o600)


if __name__ == "__main__":
    unittest.main()
