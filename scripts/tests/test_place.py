# SPDX-License-Identifier: GPL-2.0
"""The command speaks of itself as it is typed: in the sources, or installed."""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from renoscope_lib import VERSION, place
from renoscope_lib.cli import build_parser
from renoscope_lib.machine.host import Host
from renoscope_lib.machine.kernel_config import takes_modules

from . import support

LIBRARY = support.SCRIPTS / "renoscope_lib"
LOADED = Path("/sys/module/tcp_renoscope").exists()


def commands() -> list[str]:
    """The names of all commands."""
    return [name for action in build_parser()._actions
            if isinstance(action.choices, dict) for name in action.choices]


class Installed(unittest.TestCase):
    """A copy of the command where there is no module beside it."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        share = Path(folder.name) / "usr/share/renoscope"
        shutil.copytree(LIBRARY, share / "renoscope_lib",
                        ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(support.SCRIPTS / "renoscope", share)
        self.command = Path(folder.name) / "renoscope"
        self.command.symlink_to(share / "renoscope")

    def run_it(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.command, *words], text=True, cwd="/",
                              capture_output=True, check=False)

    def test_help(self) -> None:
        for command in commands():
            with self.subTest(command):
                text = self.run_it(command, "--help").stdout
                self.assertRegex(text, f"example:\n  (sudo )?renoscope {command}")
                self.assertNotIn("scripts/", text)
        self.assertIn("sudo renoscope load && sudo renoscope show",
                      self.run_it("--help").stdout)

    def test_complaints(self) -> None:
        self.assertIn("(see: renoscope show --help)",
                      self.run_it("show", "--x").stderr)

    @unittest.skipIf(LOADED, "the module is loaded here")
    def test_module_missing(self) -> None:
        said = self.run_it("load").stderr
        if takes_modules(Host()):
            self.assertRegex(said, "none is installed for .*renoscope-dkms linux-headers-")
            self.assertIn(f"dkms install tcp_renoscope/{VERSION} -k", said)
        else:
            self.assertIn("this kernel takes no modules", said)
        self.assertNotIn("make", said)
        self.assertIn("load it with: sudo renoscope load",
                      self.run_it("show").stderr)
        doctor = self.run_it("doctor").stdout
        if "without CONFIG_MODULES" not in doctor:      # there nothing is to be loaded
            self.assertIn("&& sudo renoscope load", doctor)


class WhereOneMayNotLook(unittest.TestCase):
    def test_the_module_is_looked_for_in_vain(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder)
            tree.chmod(0o755)
            shutil.copytree(LIBRARY, tree / "scripts/renoscope_lib",
                            ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(support.SCRIPTS / "renoscope", tree / "scripts")
            (tree / "module").mkdir(mode=0)
            done = subprocess.run(
                [tree / "scripts/renoscope", "--version"], text=True, capture_output=True,
                check=False, user=support.NOBODY if os.geteuid() == 0 else None)
        self.assertEqual((done.stdout, done.stderr), (f"renoscope {VERSION}\n", ""))


class AsRun(unittest.TestCase):
    """What is proposed is called as the command was; test_explain pastes it."""

    def as_run(self, name: str, **environment: str) -> str:
        plain = {key: value for key, value in os.environ.items() if key != "SUDO_UID"}
        with mock.patch.object(sys, "argv", [name]), \
                mock.patch.dict(os.environ, plain | environment, clear=True):
            return place.as_run()

    def test_by_a_path(self) -> None:
        self.assertEqual(self.as_run("../a copy/renoscope"), "'../a copy/renoscope'")

    def test_with_sudo(self) -> None:
        self.assertEqual(self.as_run("scripts/renoscope", SUDO_UID="1000"),
                         "sudo scripts/renoscope")

    def test_by_another_program(self) -> None:
        self.assertEqual(self.as_run("/usr/bin/python3"), place.COMMAND)


class TypedName(unittest.TestCase):
    """The sources' copy, with a link to it where commands are, as in the guest."""

    def test_found_by_name(self) -> None:
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(place, "SUDOS_PATH", folder):
            link = Path(folder, "renoscope")
            link.symlink_to(support.SCRIPTS / "renoscope")
            for typed, name in ((str(link), "renoscope"),
                                (str(support.SCRIPTS / "renoscope"), "scripts/renoscope"),
                                ("-c", "scripts/renoscope")):
                with mock.patch.object(sys, "argv", [typed]):
                    self.assertEqual(place.typed_name(), name)


class InTheSources(unittest.TestCase):
    def test_the_name_is_not_written_out(self) -> None:
        """Only examples may say scripts/renoscope; add_command() mends them."""
        for path in sorted(LIBRARY.rglob("*.py")):
            if path.name == "place.py":
                continue
            tree = ast.parse(path.read_text())
            examples = {id(part) for call in ast.walk(tree)
                        if isinstance(call, ast.Call)
                        and getattr(call.func, "id", "") == "add_command"
                        for part in ast.walk(call)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and id(node) not in examples:
                    self.assertNotIn(
                        "scripts/renoscope", str(node.value), "say place.COMMAND, "
                        f"{path.name}:{node.lineno}")


if __name__ == "__main__":
    unittest.main()
