# SPDX-License-Identifier: GPL-2.0
"""Packages are installed by whoever may, and a password is asked for only if it must be."""

from __future__ import annotations

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from .support import SCRIPTS

# Written down, with which arguments it was called; it answers from its environment.
SUDO = """\
echo "$*" >>"$SUDO_LOG"
case $1 in
-n) exit "$WITHOUT_PASSWORD" ;;
-v) exit "$WITH_PASSWORD" ;;
esac
"""
STANDINS = {"sudo": SUDO, "id": "echo 1000\n", "dpkg-query": "exit 1\n"}
YES, NO = "0", "1"


class Sudo(unittest.TestCase):
    """A user who is not root, on a machine that lacks all packages."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name, text in STANDINS.items():
            program = self.folder / name
            program.write_text(f"#!/bin/sh\n{text}")
            program.chmod(0o755)

    def install(self, without: str, with_one: str = NO) -> tuple[int, list[str]]:
        """The exit code, and what sudo was called with."""
        log = self.folder / "log"
        done = subprocess.run(
            [SCRIPTS / "install-deps", "stress"], capture_output=True, check=False,
            stdin=subprocess.DEVNULL, timeout=60, env={
                "PATH": f"{self.folder}:{os.environ['PATH']}", "SUDO_LOG": str(log),
                "WITHOUT_PASSWORD": without, "WITH_PASSWORD": with_one})
        return done.returncode, log.read_text().splitlines()

    def is_installed(self, calls: list[str]) -> bool:
        """Whether apt-get was to install something."""
        return any("apt-get" in call and " install " in call for call in calls)

    def test_no_password_where_none_is_needed(self) -> None:
        """`sudo -v` would want one: an entry without NOPASSWD matches as well."""
        code, calls = self.install(without=YES, with_one=NO)
        self.assertEqual(code, 0)
        self.assertNotIn("-v", calls)
        self.assertTrue(self.is_installed(calls), calls)

    def test_a_password(self) -> None:
        """It is asked for before anything is done."""
        code, calls = self.install(without=NO, with_one=YES)
        self.assertEqual((code, calls[:2]), (0, ["-n true", "-v"]))
        self.assertTrue(self.is_installed(calls), calls)

    def test_not_allowed(self) -> None:
        """Nothing is tried then."""
        self.assertEqual(self.install(without=NO, with_one=NO), (1, ["-n true", "-v"]))


if __name__ == "__main__":
    unittest.main()
