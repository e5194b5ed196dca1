# SPDX-License-Identifier: GPL-2.0
"""The demo's scenes: what is said at their end, and where they are told of."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from renoscope_lib.cli import build_parser

from . import support
from .support import SCRIPTS
from .test_cli import session

sys.path.insert(0, str(SCRIPTS / "selftests"))

import demo  # noqa: E402  (found through the line above)
import pages  # noqa: E402
import scenes  # noqa: E402

ROOT = SCRIPTS.parent


class Ending(unittest.TestCase):
    """What a scene leaves to see."""

    def test_what_explain_says(self) -> None:
        """Asked in the tree, where the next commands are typed."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            (out / "slow-connect.renoscope").write_bytes(support.recording(session()))
            said = demo.ending("slow-connect", out)
        self.assertRegex(said, r"(?m)^(TROUBLE|noteworthy|fine) ")
        lines = said.splitlines()
        for command in demo.next_commands("slow-connect", os.path.relpath(
                out / "slow-connect.renoscope", ROOT)):
            self.assertIn(f"  {command}", lines)
        self.assertEqual(lines[-4:], [
            "On a machine of yours, after `make && sudo scripts/renoscope load` there:",
            "  sudo scripts/renoscope explain", "  sudo scripts/renoscope handshakes",
            "  sudo scripts/renoscope flow"])

    def test_two_commands_that_there_are(self) -> None:
        """Nobody who pastes them is told of an option that is none."""
        for name in scenes.SCENES:
            commands = demo.next_commands(name, "x")
            self.assertEqual(len(commands), 2)
            for command in commands:
                program, *words = shlex.split(command)
                self.assertTrue((ROOT / program).exists())
                self.assertEqual(build_parser().parse_args(words).file, "x")
            for command in demo.live_commands(name):
                _sudo, program, *words = shlex.split(command)
                self.assertTrue((ROOT / program).exists())
                self.assertIsNone(build_parser().parse_args(words).file)

    def test_its_page_shows_the_same_commands(self) -> None:
        """So that what they print is tested, too."""
        for name in scenes.SCENES:
            shown = {one.command for one in pages.shown_in(
                ROOT / "Documentation" / f"{name}.rst")}
            commands = demo.next_commands(name, f"out/demo/{name}.renoscope")
            self.assertLessEqual(set(commands), shown)

    def test_they_are_listed(self) -> None:
        """In README, the quick start and make help."""
        helped = subprocess.run(["make", "-s", "help"], cwd=ROOT, text=True,
                                capture_output=True, check=True).stdout
        for place, text in (
                ("make help", helped), *((path, (ROOT / path).read_text()) for path in (
                    "README.md", "Documentation/quick-start.rst"))):
            for name in scenes.SCENES:
                self.assertRegex(text, rf"(SCENE=|[ `]){name}[`,. \n]", place)


if __name__ == "__main__":
    unittest.main()
