# SPDX-License-Identifier: GPL-2.0
"""What is kept of Debian's packages: the newest, and what there was where apt fails."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from .support import SCRIPTS

sys.path.insert(0, str(SCRIPTS / "qemu"))

import package_shelf  # noqa: E402  (found through the line above)
from debian_packages import PackageError  # noqa: E402

SHELF = "wares"


class Newest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.shelf = Path(scratch.name, "renoscope", SHELF)
        self.updates = 0
        self.enterContext(mock.patch.dict(os.environ, XDG_CACHE_HOME=scratch.name))
        self.enterContext(mock.patch("debian_packages.lists_are_absent", lambda: False))
        self.enterContext(mock.patch("debian_packages.update_lists", self._update))

    def _update(self) -> None:
        self.updates += 1

    def newest(self, *offered: str, fails: tuple[str, ...] = ()) -> str:
        """By what apt offers, at first and when its lists are new."""
        def newest() -> str:
            return offered[min(self.updates, len(offered) - 1)]

        def fetch(final: Path) -> None:
            if final.name in fails:
                raise PackageError("the network is not there")
            final.mkdir(parents=True)

        ware = package_shelf.Ware("ware", newest, fetch, lambda name: name.startswith("ware-"))
        with contextlib.redirect_stderr(io.StringIO()):
            return package_shelf.newest(SHELF, ware).name

    def on_shelf(self) -> list[str]:
        return sorted(path.name for path in self.shelf.iterdir() if path.name != ".lock")

    def test_fetched_once_and_the_older_one_goes(self) -> None:
        for name in ("ware-1", "ware-1", "ware-2"):
            self.assertEqual(self.newest(name), name)
        (self.shelf / "another-1").mkdir()
        self.assertEqual(self.newest("ware-3"), "ware-3")
        self.assertEqual(self.on_shelf(), ["another-1", "ware-3"])

    def test_old_lists_are_renewed_once(self) -> None:
        self.assertEqual(self.newest("ware-1", "ware-2", fails=("ware-1",)), "ware-2")
        self.assertEqual(self.updates, 1)

    def test_what_there_was_will_do(self) -> None:
        self.newest("ware-1")
        self.assertEqual(self.newest("ware-2", fails=("ware-2",)), "ware-1")
        self.assertEqual(self.newest(""), "ware-1")
        self.assertEqual(self.on_shelf(), ["ware-1"])

    def test_nothing_at_all(self) -> None:
        with self.assertRaisesRegex(PackageError, "apt offers no ware: add Debian's"):
            self.newest("")
        with self.assertRaisesRegex(PackageError, "the network is not there"):
            self.newest("ware-1", fails=("ware-1",))


if __name__ == "__main__":
    unittest.main()
