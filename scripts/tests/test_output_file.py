# SPDX-License-Identifier: GPL-2.0
"""Files to write into: one writer at a time, whose they are, and what fails."""

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib.errors import NOT_SO, Problem
from renoscope_lib.output.output_file import OutputFile, have_alone
from renoscope_lib.output.whole_file import WholeFile
from renoscope_lib.recording.parser import RecordingParser
from renoscope_lib.recording.recording_file import RecordingWriter

from . import support
from .support import Scene


class Writing(unittest.TestCase):
    def test_no_room_is_one_clear_problem(self) -> None:
        output = OutputFile("/dev/full")
        with self.assertRaises(Problem) as caught:
            output.write(b"x")
        self.assertEqual(str(caught.exception), "cannot write /dev/full: "
                         "No space left on device")
        self.assertEqual(caught.exception.exit_code, NOT_SO)
        output.close()

    def test_file_keeps_whole_records_when_there_is_no_more_room(self) -> None:
        """A limit on the file's size stands for a full disk."""
        scene = Scene()
        records = [scene.pack("ack") for _ in range(10)]
        limit = len(support.recording()) + 700
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "full"
            output = OutputFile(str(path))
            writer = RecordingWriter(output.write)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
            try:
                with self.assertRaisesRegex(Problem, "File too large"):
                    writer.begin(support.META, support.schema_text(),
                                 support.stats_text(cpu0=0))
                    for record in records:
                        writer.records(record)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, old)
            output.close()
            parser = RecordingParser()
            kept = list(parser.feed(path.read_bytes()))
            parser.close()
        self.assertGreater(len(kept), 1)
        self.assertEqual(kept, records[:len(kept)])
        self.assertIn("cut off", parser.cut_off)

    def test_all_is_written_however_little_is_taken_at_once(self) -> None:
        """A pipe may take less than it is offered."""
        with tempfile.NamedTemporaryFile() as file:
            output = OutputFile(file.name)
            whole = os.write
            with mock.patch("renoscope_lib.output.output_file.os.write",
                            lambda fd, data: whole(fd, data[:3])):
                output.write(b"0123456789")
            output.close()
            self.assertEqual(Path(file.name).read_bytes(), b"0123456789")

    def test_a_missing_folder_is_told(self) -> None:
        with self.assertRaisesRegex(Problem, "cannot write /nix/da/x"):
            OutputFile("/nix/da/x")


class Alone(unittest.TestCase):
    """Two that write one file at once."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "x"

    def output(self, name: object, new: bool = False) -> OutputFile:
        output = OutputFile(str(name), new)
        self.addCleanup(output.close)
        return output

    def refused(self, write: Callable[[str], object], name: Path) -> None:
        with self.assertRaises(Problem) as raised:
            write(str(name))
        self.assertRegex(
            str(raised.exception),
            rf"^cannot write {name}: (process {os.getpid()}|another process) writes it "
            r"already; wait until it has ended, or name another file$")
        self.assertEqual(raised.exception.exit_code, NOT_SO)

    def test_the_second_is_refused_and_spoils_nothing(self) -> None:
        link = self.path.with_name("link")
        link.symlink_to("x")
        hard = self.path.with_name("hard")
        for new in (True, False):   # as watch does, as record does
            first = self.output(self.path, new)
            first.write(b"of the first")
            hard.hardlink_to(self.path)
            for name in (self.path, link, hard):
                self.refused(OutputFile, name)
                self.refused(WholeFile, name)
                self.refused(lambda name: WholeFile(name, at_once=False), name)
            self.assertEqual(self.path.read_bytes(), b"of the first")
            first.close()
            self.output(self.path).write(b"then")
            self.assertEqual(self.path.read_bytes(), b"then")
            for path in (self.path, hard):
                path.unlink()
        self.assertEqual(list(self.path.parent.iterdir()), [link])

    def test_a_whole_file_is_there_alone_from_its_beginning(self) -> None:
        self.path.write_bytes(b"old")
        with WholeFile(str(self.path)) as first:
            first.write(b"new")
            self.refused(OutputFile, self.path)
            self.refused(WholeFile, self.path)
            self.assertEqual(self.path.read_bytes(), b"old")
        self.assertEqual(self.path.read_bytes(), b"new")
        with WholeFile(str(self.path)) as later:
            later.drop()
        with mock.patch("secrets.token_hex", lambda _: "nix/x"), \
                self.assertRaisesRegex(Problem, "No such file"):
            WholeFile(str(self.path))
        self.output(self.path).write(b"newer")

    def test_a_whole_file_takes_no_place_that_somebody_has_taken(self) -> None:
        for old in (None, b"old"):
            if old:
                self.path.write_bytes(old)
            whole = WholeFile(str(self.path))
            whole.write(b"whole")
            self.path.unlink(missing_ok=True)
            recording = OutputFile(str(self.path))
            recording.write(b"recorded")
            self.refused(lambda _: whole.close(), self.path)
            recording.close()
            self.assertEqual(self.path.read_bytes(), b"recorded")
            self.assertEqual(list(self.path.parent.iterdir()), [self.path])
            self.path.unlink()

    @contextmanager
    def replaced_when_opened(self, times: int) -> Iterator[None]:
        """An export that had the file takes its place as the recorder opens it."""
        left = [times]

        def replace_first(fd: int, name: str) -> None:
            if left[0]:
                left[0] -= 1
                newer = self.path.with_name("newer")
                newer.write_bytes(b"exported")
                newer.rename(self.path)
            have_alone(fd, name)

        with mock.patch("renoscope_lib.output.output_file.have_alone", replace_first):
            yield

    def test_what_is_replaced_while_it_is_opened_is_not_what_is_written(self) -> None:
        for old in (None, b"old"):
            if old:
                self.path.write_bytes(old)
            with self.replaced_when_opened(2):
                recording = self.output(self.path)
            recording.write(b"recorded")
            self.assertEqual(self.path.read_bytes(), b"recorded")
            self.refused(OutputFile, self.path)
            recording.close()
            self.path.unlink()

    def test_what_is_replaced_for_ever_is_given_up(self) -> None:
        with self.replaced_when_opened(1000), \
                self.assertRaisesRegex(Problem, "again and again it is replaced"):
            OutputFile(str(self.path))
        self.assertEqual(self.path.read_bytes(), b"exported")

    def test_what_is_no_file_may_have_many_writers(self) -> None:
        pipe = self.path
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        for name in (pipe, "/dev/null", "/dev/full"):
            self.output(name)
            self.output(name)
            WholeFile(str(name)).close()

    def test_standard_output_is_written_by_any_name(self) -> None:
        for words in (["/dev/stdout"], ["-"]):
            with self.path.open("wb") as stdout:
                subprocess.run(
                    [sys.executable, "-c", "import sys\n"
                     "from renoscope_lib.output.output_file import OutputFile\n"
                     "OutputFile(sys.argv[1]).write(b'new')", *words],
                    stdout=stdout, check=True, cwd=support.SCRIPTS, timeout=60)
            self.assertEqual(self.path.read_bytes(), b"new")

    def test_file_systems_without_locks_may_have_many_writers(self) -> None:
        for error in (errno.ENOLCK, errno.EOPNOTSUPP):
            with mock.patch("fcntl.flock", side_effect=OSError(error, "")):
                self.output(self.path).write(b"one")
                self.output(self.path).write(b"more")
                with WholeFile(str(self.path)) as whole:
                    whole.write(b"whole")
            self.assertEqual(self.path.read_bytes(), b"whole")


# On x86-64, on arm64 and whatever else has the generic table.
OPENAT = {"x86_64": "257"}.get(os.uname().machine, "56")

PIPED = """
import signal
import sys
from pathlib import Path
from typing import Any
from unittest import mock
from renoscope_lib import cli
from renoscope_lib.commands import record
with mock.patch.object(record.Host, "renoscope_dir", lambda _: Path("/nix")):
    signal.signal(signal.SIGINT, signal.default_int_handler)    # which a shell may ignore
    print("begins", flush=True)
    sys.exit(cli.main(["record", sys.argv[1]]))
"""


def _wait_until_it_opens(process: subprocess.Popen[bytes]) -> None:
    """Until it sleeps in openat(), as it does for a reader."""
    proc = Path("/proc", str(process.pid))
    deadline = time.monotonic() + 60
    while (proc / "syscall").read_text().split()[0] != OPENAT:
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"it waits for no reader: {process.returncode}")
        time.sleep(0.01)


class Interrupted(unittest.TestCase):
    def test_a_pipe_that_nobody_reads_is_left_when_asked(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            pipe = Path(folder) / "pipe"
            os.mkfifo(pipe)
            for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)):
                with subprocess.Popen(
                        [sys.executable, "-c", PIPED, pipe], cwd=support.SCRIPTS,
                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
                    assert process.stdout is not None
                    process.stdout.readline()
                    _wait_until_it_opens(process)
                    process.send_signal(number)
                    try:
                        self.assertEqual(process.wait(20), code)
                    finally:
                        process.kill()


class Owner(unittest.TestCase):
    """Under sudo: whose the output is."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.given: list[tuple[str, int, int]] = []
        patches: tuple[Any, ...] = (
                mock.patch.dict(os.environ, {"SUDO_UID": "1234", "SUDO_GID": "1235"}),
                mock.patch("os.geteuid", lambda: 0),
                mock.patch("os.fchown", lambda fd, uid, gid: self.given.append(
                    (os.readlink(f"/proc/self/fd/{fd}"), uid, gid))))
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)

    def write(self, name: str | Path, new: bool = False) -> list[tuple[str, int, int]]:
        """Which files were given away, and to whom."""
        self.given.clear()
        output = OutputFile(str(name), new)
        output.write(b"new")
        output.close()
        return self.given

    def test_what_was_made_here_is_the_callers(self) -> None:
        for new in (False, True):
            path = self.folder / f"x{new}"
            self.assertEqual(self.write(path, new), [(str(path), 1234, 1235)])

    def test_what_was_there_stays_whose_it_is(self) -> None:
        path = self.folder / "x"
        path.write_bytes(b"something old")
        link = self.folder / "link"
        link.symlink_to("x")
        for name in (path, link):
            self.assertEqual(self.write(name), [])
            self.assertEqual(path.read_bytes(), b"new")

    def test_a_device_is_nobodys_to_give(self) -> None:
        self.assertEqual(self.write("/dev/null"), [])

    def test_nor_is_a_pipe(self) -> None:
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.assertEqual(self.write(pipe), [])
        self.assertEqual(os.read(reader, 99), b"new")

    def test_a_file_made_through_a_link_stays_where_the_kernel_guards_it(self) -> None:
        (self.folder / "link").symlink_to("x")
        self.assertEqual(self.write(self.folder / "link"), [])
        self.assertEqual((self.folder / "x").read_bytes(), b"new")

    def test_a_file_system_without_owners_ends_nothing(self) -> None:
        refused = mock.patch("os.fchown", side_effect=PermissionError(errno.EPERM, ""))
        for write in (OutputFile, WholeFile, WholeFile):    # a new one, and two old ones
            with refused:
                output = write(str(self.folder / "x"))
                output.write(b"new")
                output.close()
            self.assertEqual((self.folder / "x").read_bytes(), b"new")

    def test_standard_output_is_nobodys_to_give(self) -> None:
        with mock.patch("os.write", lambda fd, data: len(data)):
            self.assertEqual(self.write("-"), [])


if __name__ == "__main__":
    unittest.main()
