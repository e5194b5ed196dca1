# SPDX-License-Identifier: GPL-2.0
"""Columns of a recording are what its records hold, also where it is damaged.

numpy may be missing in the Python that runs these tests and be there in Debian's:
then they run once more in that one.
"""

import builtins
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib.errors import NOT_THERE, Problem
from renoscope_lib.export import columns
from renoscope_lib.recording.parser import RecordingParser

from . import support
from .support import Scene
from .test_recording_parser import record_ends

DEBIAN_PYTHON = "/usr/bin/python3"
# A number's own way out of numpy; a text of it has lost the NULs at its end.
VALUES: dict[str, Callable[[Any], Any]] = {"V": bytes, "S": lambda v: bytes(v).ljust(16, b"\0")}
HAS_NUMPY = importlib.util.find_spec("numpy") is not None
NEEDS_NUMPY = unittest.skipUnless(
    HAS_NUMPY, "no numpy here: apt-get install python3-numpy")


def random_record(random_: random.Random, kind: str) -> bytes:
    """Any bytes, of that kind."""
    record = bytearray(random_.randbytes(support.schema().record_bytes))
    at = support.schema().field_named("kind").offset
    record[at] = support.schema().kind_number(kind)
    return bytes(record)


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "a.renoscope"

    def read(self, data: bytes) -> columns.Columns:
        self.path.write_bytes(data)
        return columns.read(self.path)


@NEEDS_NUMPY
class Whole(Files):
    def setUp(self) -> None:
        super().setUp()
        random_ = random.Random(1)
        self.kinds = [random_.choice(list(support.schema().kinds.values()))
                      for _ in range(300)]
        self.records = [random_record(random_, kind) for kind in self.kinds]
        blobs = [self.records[:1], self.records[1:7], self.records[7:299],
                 self.records[299:]]
        self.columns = self.read(support.recording(*map(b"".join, blobs), lost=3))

    def decoded(self, *kinds: str) -> list[Any]:
        return [support.schema().decode(record) for record, kind
                in zip(self.records, self.kinds) if kind in kinds]

    def check(self, rows: columns.Rows, events: list[Any]) -> None:
        self.assertEqual(len(rows), len(events))
        for name in rows.names:
            self.assertEqual(rows[name].tolist(), [e[name] for e in events], name)

    def test_every_kind_and_field(self) -> None:
        for kind in support.schema().kinds.values():
            rows = self.columns.of(kind)
            self.assertEqual(sorted(rows.names), sorted(
                f.name for f in support.schema().fields_of(kind)))
            self.check(rows, self.decoded(kind))

    def test_all_kinds_together_have_the_common_fields(self) -> None:
        rows = self.columns.of()
        self.assertNotIn("old_state", rows)
        self.check(rows, self.decoded(*support.schema().kinds.values()))

    def test_kinds_together_have_what_they_share(self) -> None:
        rows = self.columns.of("syn", "request_end")
        self.assertIn("half_open", rows)
        self.check(rows, self.decoded("syn", "request_end"))
        self.assertNotIn("half_open", self.columns.of("syn", "ack"))

    def test_a_kind_that_is_not_there_has_no_rows(self) -> None:
        self.assertEqual(len(self.columns.of("dance")), 0)
        self.assertEqual(self.columns.of("dance")["cwnd"].tolist(), [])
        with self.assertRaises(KeyError):
            self.columns.of("ack")["old_state"]

    def test_what_is_known_of_the_recording_comes_along(self) -> None:
        self.assertEqual(self.columns.count, 300)
        self.assertEqual(self.columns.meta, support.META)
        self.assertEqual(self.columns.done, {"records": 300, "lost": 3})
        self.assertIsNone(self.columns.complaint)
        self.assertEqual(self.columns.counts(), {
            kind: self.kinds.count(kind)
            for kind in support.schema().kinds.values() if kind in self.kinds})

    def test_a_pipe_is_read_as_a_file(self) -> None:
        ours, theirs = os.pipe()
        with os.fdopen(ours, "rb") as source, os.fdopen(theirs, "wb") as writer:
            writer.write(support.recording(self.records[0]))
            writer.close()
            piped = columns.read(f"/dev/fd/{source.fileno()}")
        self.assertEqual(piped.of()["serial"].tolist(),
                         [support.schema().decode(self.records[0])["serial"]])


@NEEDS_NUMPY
class Damaged(Files):
    def setUp(self) -> None:
        super().setUp()
        scene = Scene()
        self.file = support.recording(scene.pack("ack"),
                                      scene.pack("ack") + scene.pack("state"))

    def verdict(self, data: bytes) -> tuple[str | None, int]:
        """What columns say of it, and how many records there are."""
        try:
            read = self.read(data)
        except Problem as problem:
            return str(problem).removeprefix(f"{self.path}: "), -1
        self.assertEqual(len(read.of()["serial"]), read.count)
        return read.complaint, read.count

    @staticmethod
    def parsers(data: bytes) -> tuple[str | None, int]:
        """The same of the parser that streams."""
        parser = RecordingParser()
        count = 0
        try:
            for records in (*parser.feed(data), *parser.rest()):
                count += len(records) // 192
            parser.close()
        except Problem as problem:
            return str(problem), -1
        return parser.complaint, count

    def test_cut_off_at_every_place_it_has_what_there_is(self) -> None:
        ends = record_ends(self.file)
        places = [len(self.file), *range(0, 40, 3), *range(ends[0] - 200, len(self.file), 17)]
        for end in places:
            with self.subTest(end):
                self.assertEqual(self.verdict(self.file[:end]),
                                 self.parsers(self.file[:end]))

    def test_any_byte_changed(self) -> None:
        random_ = random.Random(2)
        for _ in range(60):
            damaged = bytearray(self.file)
            at = random_.choice((random_.randrange(len(damaged)),
                                 random_.randrange(len(damaged) - 900, len(damaged))))
            damaged[at] ^= 1 << random_.randrange(8)
            with self.subTest(at):
                self.assertEqual(self.verdict(bytes(damaged)),
                                 self.parsers(bytes(damaged)))

    def test_an_unknown_kind_is_told_as_damage(self) -> None:
        record = bytearray(Scene().pack("ack"))
        record[support.schema().field_named("kind").offset] = 200
        self.assertEqual(self.verdict(support.recording(bytes(record))),
                         ("damaged recording: record 1 is of no kind that its schema has", 0))

    def test_shortened_while_it_is_used(self) -> None:
        """Nobody who can write to the file can end whoever reads its columns."""
        read = self.read(self.file)
        os.truncate(self.path, 0)
        self.assertEqual(read.of()["serial"].tolist(), [1, 2, 3])

    def test_something_behind_the_end(self) -> None:
        self.assertEqual(self.verdict(self.file + b"x"), self.parsers(self.file + b"x"))

    def test_no_room_for_the_copy(self) -> None:
        """Each process may write files of so many bytes."""
        self.path.write_bytes(support.recording(Scene().pack("ack") * 10_000))
        done = subprocess.run(
            ["sh", "-c", 'ulimit -f 100; trap "" XFSZ; exec "$@"', "sh", sys.executable, "-c",
             "import sys\nfrom renoscope_lib import errors\n"
             "from renoscope_lib.export import columns\n"
             "try: columns.read(sys.argv[1])\n"
             "except errors.Problem as problem: print(problem.exit_code, problem)",
             self.path], cwd=support.SCRIPTS, capture_output=True, text=True, check=False)
        self.assertRegex(done.stdout, "^1 .*: cannot keep the records in .*: File too large; "
                         "TMPDIR names another folder\n$")
        self.assertEqual(done.stderr, "")

    def test_a_file_that_is_not_there_is_told(self) -> None:
        with self.assertRaisesRegex(Problem, "cannot read /nix: No such file"):
            columns.read("/nix")


@NEEDS_NUMPY
class Archive(Files):
    """export --format npz"""

    def export(self, data: bytes, *more: str) -> subprocess.CompletedProcess[str]:
        self.path.write_bytes(data)
        self.npz = self.path.with_suffix(".npz")
        return subprocess.run(
            [sys.executable, support.SCRIPTS / "renoscope", "export", self.path, "--format",
             "npz", "-o", self.npz, *more], text=True, capture_output=True, check=False)

    def arrays(self) -> Any:
        import numpy
        return numpy.load(self.npz)

    def test_every_field_of_every_kind(self) -> None:
        random_ = random.Random(2)
        kinds = [kind for kind in support.schema().kinds.values() for _ in range(3)]
        records = [random_record(random_, kind) for kind in kinds]
        done = self.export(support.recording(*records))
        self.assertEqual(done.returncode, 0, done.stderr)
        arrays = self.arrays()
        for kind in set(kinds):
            events = [support.schema().decode(record) for record in records
                      if support.schema().decode(record).kind == kind]
            for name in events[0].values:
                self.assertEqual([VALUES.get(v.dtype.kind, int)(v)
                                  for v in arrays[f"{kind}/{name}"]],
                                 [event[name] for event in events], (kind, name))
        words = json.loads(arrays["words.json"])
        self.assertEqual(words["state"]["1"], "ESTABLISHED")

    def test_some_kinds_and_always_the_lost(self) -> None:
        scene = Scene()
        done = self.export(support.recording(
            scene.pack("ack", 1), scene.pack("state", 2),
            scene.pack("lost", 3, serial=3, lost_events=5)), "--kind", "ack")
        self.assertIn("*** 5 events LOST", done.stderr)
        self.assertEqual({name.split("/")[0] for name in self.arrays().files},
                         {"ack", "lost", "words.json"})

    def test_damage_leaves_the_old_file_and_a_cut_gives_what_there_is(self) -> None:
        whole = support.recording(Scene().pack("ack", 1), Scene().pack("ack", 2))
        self.assertEqual(self.export(whole).returncode, 0)
        self.assertEqual(self.export(b"no recording at all").returncode, 2)
        self.assertEqual(len(self.arrays()["ack/cwnd"]), 2)
        done = self.export(whole[:record_ends(whole)[1] - 7])
        self.assertEqual((done.returncode, len(self.arrays()["ack/cwnd"])), (2, 1))
        self.assertIn("cut off", done.stderr)

    def test_what_does_not_go_together(self) -> None:
        for words, more in (("choose in numpy", ["--port", "5"]),
                            ("cannot be followed", ["--follow"]),
                            ("there is no kind 'x'", ["--kind", "x"])):
            done = self.export(support.recording(), *more)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)


class WithoutNumpy(Files):
    def test_it_says_what_to_install(self) -> None:
        real = builtins.__import__

        def without_numpy(name: str, *more: Any, **most: Any) -> Any:
            if name == "numpy":
                raise ModuleNotFoundError(name=name)
            return real(name, *more, **most)

        with mock.patch.object(builtins, "__import__", without_numpy), \
                self.assertRaisesRegex(Problem, "apt-get install python3-numpy") as caught:
            self.read(support.recording())
        self.assertEqual(caught.exception.exit_code, NOT_THERE)


@unittest.skipIf(HAS_NUMPY, "this Python has numpy: all of them ran here")
class InDebiansPython(unittest.TestCase):
    def test_all_of_them(self) -> None:
        if subprocess.run([DEBIAN_PYTHON, "-c", "import numpy"], check=False,
                          capture_output=True).returncode:
            self.skipTest("no numpy: apt-get install python3-numpy")
        done = subprocess.run([DEBIAN_PYTHON, "-m", "unittest", "-v", "tests.test_columns"],
                              cwd=support.SCRIPTS, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("test_every_kind_and_field", done.stderr)


if __name__ == "__main__":
    unittest.main()
