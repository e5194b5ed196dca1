# SPDX-License-Identifier: GPL-2.0
"""The progress line: not before 2 s, only for a person, and gone afterwards."""

import os
import pty
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from renoscope_lib.output.progress import Progress

from . import support
from .support import Scene

RENOSCOPE = support.SCRIPTS / "renoscope"

# The command, its clock wound on by so much with each look at it, and told how many
# bytes to read at once.
WOUND = """
import sys, time
sys.path.insert(0, {scripts!r})
from renoscope_lib import cli
from renoscope_lib.output import progress
from renoscope_lib.recording import inputs
ticks = iter(range(10**9))
progress.Progress.__init__.__defaults__ = (lambda: next(ticks) * {step},)
inputs.READ_BYTES = 4096
sys.exit(cli.main({arguments!r}))
"""


class Words(unittest.TestCase):
    def progress(self, done: int, total: int) -> str:
        shown = Progress(total, lambda: 0.0)
        shown.advance(done)
        return shown.text(2.0)

    def test_text(self) -> None:
        self.assertEqual(self.progress(50_000_000, 200_000_000),
                         " 25% [#######.......................] 25.0 MB/s, 6 s left")
        self.assertIn("1 min 58 s left", self.progress(1_000_000, 60_000_000))
        self.assertIn("hours left", self.progress(1, 60_000_000))

    def test_a_file_that_grew(self) -> None:
        self.assertTrue(self.progress(300, 200).startswith("100% [####"))
        self.assertIn("0 s left", self.progress(300, 200))

    def test_nothing_read_yet(self) -> None:
        self.assertIn("?", self.progress(0, 200))


class OnATerminal(unittest.TestCase):
    def setUp(self) -> None:
        scene = Scene()
        blob = b"".join(scene.pack("ack", at_ns=i) for i in range(300))
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "a.renoscope"
        self.file.write_bytes(support.recording(blob))

    def shown(self, *arguments: str, step: float = 0.5, stdout_too: bool = False,
              **settings: str) -> str:
        """What a terminal at standard error gets."""
        program = WOUND.format(scripts=str(support.SCRIPTS), step=step,
                               arguments=list(arguments))
        try:
            ours, theirs = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminal here: {error.strerror}")
        environment = os.environ | {"TERM": "xterm"} | settings
        with subprocess.Popen([sys.executable, "-c", program], stderr=theirs,
                              stdout=theirs if stdout_too else subprocess.DEVNULL,
                              env=environment):
            os.close(theirs)
            text = b""
            while True:
                try:
                    piece = os.read(ours, 4096)
                except OSError:
                    break
                if not piece:
                    break
                text += piece
            os.close(ours)
        return text.decode()

    def test_a_view(self) -> None:
        shown = self.shown("states", str(self.file))
        self.assertRegex(shown, r"\r *\d+% \[#+\.*\] 0\.0 MB/s, \d+ s left")
        self.assertNotIn("\033", shown)
        self.assertRegex(shown, "\r +\r$", "rubbed out at the end")
        widest = max(map(len, re.findall(r"[^\r]+", shown)))
        self.assertEqual(len(shown.split("\r")[-2]), widest, "all of it")

    def test_not_in_the_first_two_seconds(self) -> None:
        self.assertEqual(self.shown("states", str(self.file), step=0.0001), "")

    def test_export_to_a_file(self) -> None:
        for words in (["--format", "jsonl"], ["--format", "perfetto"]):
            shown = self.shown("export", str(self.file), "-o", "/dev/null", *words)
            self.assertIn("% [#", shown)

    def test_it_is_gone_before_a_complaint(self) -> None:
        self.file.write_bytes(self.file.read_bytes() + b"x")
        shown = self.shown("states", str(self.file))
        self.assertRegex(shown, "\r +\rrenoscope: .*there is something behind its end")

    def test_not_where_it_would_be_in_the_way(self) -> None:
        shown = self.shown("show", str(self.file), stdout_too=True)
        self.assertNotIn("% [", shown)
        self.assertIn("sk:5", shown)
        self.assertEqual(self.shown("states", str(self.file), TERM="dumb"), "")
        self.assertIn("% [", self.shown("show", str(self.file)))

    def test_not_without_a_terminal(self) -> None:
        program = WOUND.format(scripts=str(support.SCRIPTS), step=5,
                               arguments=["states", str(self.file)])
        done = subprocess.run([sys.executable, "-c", program], capture_output=True,
                              check=False, env=os.environ | {"TERM": "xterm"})
        self.assertEqual((done.returncode, done.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main()
