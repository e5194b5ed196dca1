# SPDX-License-Identifier: GPL-2.0
"""One process at a time."""

import os
import tempfile
import unittest
from pathlib import Path

from renoscope_lib.errors import Problem
from renoscope_lib.output.only_one import only_one


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
                             f"{os.getpid()} does that already; end it first")
        with only_one(self.folder, "keep it"):
            pass

    def test_what_is_not_there_nobody_has(self) -> None:
        with self.assertRaisesRegex(Problem, "cannot keep it: No such file"), \
                only_one(self.folder / "absent", "keep it"):
            pass


if __name__ == "__main__":
    unittest.main()
