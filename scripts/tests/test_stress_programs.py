# SPDX-License-Identifier: GPL-2.0
"""A stress scenario whose subject cannot be started fails, and does not skip."""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

from .support import SCRIPTS

sys.path[:0] = [str(SCRIPTS / "stress"), str(SCRIPTS / "selftests")]

import attach_test  # noqa: E402  (found through the line above)
import holders_test  # noqa: E402

REFUSES = "#!/bin/sh\necho no BTF here >&2\nexit 1\n"


class WithoutBpftrace(unittest.TestCase):
    """PATH is a folder with nothing but what a test puts there."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        path = mock.patch.dict(os.environ, {"PATH": folder.name})
        path.start()
        self.addCleanup(path.stop)

    def test_absent(self) -> None:
        absent: tuple[tuple[str, AbstractContextManager[object]], ...] = (
            ("attach", attach_test.Witness()),
            ("holders", holders_test._bpftrace(mock.Mock())))
        for name, holder in absent:
            with (self.subTest(name), self.assertRaisesRegex(RuntimeError, "no bpftrace here"),
                  holder):
                pass

    def test_refused(self) -> None:
        program = self.folder / "bpftrace"
        program.write_text(REFUSES)
        program.chmod(0o755)
        with (mock.patch.object(attach_test, "OUTPUT", self.folder / "output"),
              self.assertRaisesRegex(RuntimeError, "no BTF here"), attach_test.Witness()):
            pass


if __name__ == "__main__":
    unittest.main()
