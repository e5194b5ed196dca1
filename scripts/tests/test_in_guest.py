# SPDX-License-Identifier: GPL-2.0
"""What runs a scenario in a guest: a kernel that has kmemleak must have looked."""

from __future__ import annotations

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

IN_GUEST = Path(__file__).resolve().parent.parent / "stress" / "in_guest"
BUILT_IN = "0000000000000000 T kmemleak_alloc\n0000000000000000 t other\n"
NOT_BUILT_IN = "0000000000000000 T kmemleak_alloc_beside\n"
# Can be read, and refuses what is written: so does kmemleak's file once it is off.
REFUSES = "/proc/version"


class Kernel(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.leaks = self.root / "sys/kernel/debug/kmemleak"
        for file in ("sys/kernel/debug/x", "proc/x", "bin/x"):
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        self.put("bin/sleep", "#!/bin/sh\n", 0o755)

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the guest."""
        (self.root / path).write_text(text)
        (self.root / path).chmod(mode)

    def ran(self, command: str = "true", kernel: str = BUILT_IN,
            command_line: str = "console=ttyS0") -> tuple[int, str]:
        """Exit code and complaints."""
        self.put("proc/cmdline", command_line + "\n")
        self.put("proc/kallsyms", kernel)
        done = subprocess.run(
            ["sh", IN_GUEST, "sh", "-c", command], text=True, capture_output=True, check=False,
            timeout=60,
            env={**os.environ, "RENOSCOPE_GUEST_ROOT": str(self.root), "LEAKS": str(self.leaks),
                 "PATH": f"{self.root / 'bin'}:/usr/bin:/bin"})
        return done.returncode, done.stderr

    def test_it_looks(self) -> None:
        self.leaks.write_text("")
        # What stands in the file then is the last word that kmemleak was told.
        code, said = self.ran('test "$(cat "$LEAKS")" = clear')
        self.assertEqual((code, said), (0, "scan\n"))

    def test_the_commands_own_failure_is_kept(self) -> None:
        self.leaks.write_text("")
        self.assertEqual(self.ran("exit 7")[0], 7)
        self.leaks.unlink()
        self.leaks.symlink_to(REFUSES)
        self.assertEqual(self.ran("exit 7")[0], 7)

    def test_a_kernel_without_it(self) -> None:
        self.assertEqual(self.ran(kernel=NOT_BUILT_IN), (0, ""))

    def test_off_by_the_command_line(self) -> None:
        """Its file is there then, and refuses; locked down it cannot be opened."""
        self.leaks.symlink_to(REFUSES)
        for words in ("a=b lockdown=integrity kmemleak=off", "kmemleak=off quiet"):
            self.assertEqual(self.ran(command_line=words), (0, ""))

    def test_off_of_itself_before_the_command(self) -> None:
        self.leaks.symlink_to(REFUSES)
        for words in ("quiet", "kmemleak=on", "nokmemleak=off", "kmemleak=offline"):
            code, said = self.ran(command_line=words)
            self.assertEqual(code, 1)
            self.assertIn("kmemleak refuses 'scan=off' before the command", said)

    def test_off_of_itself_while_the_command_runs(self) -> None:
        self.leaks.write_text("")
        code, said = self.ran(f'ln -sf {REFUSES} "$LEAKS"')
        self.assertEqual(code, 1)
        self.assertIn("kmemleak refuses 'scan' after the command", said)

    def test_built_in_and_not_to_be_found(self) -> None:
        (self.root / "sys/kernel/debug").rmdir()    # not mounted
        code, said = self.ran()
        self.assertEqual(code, 1)
        self.assertIn("before the command", said)

    def test_what_it_found_cannot_be_read(self) -> None:
        self.leaks.write_text("")
        self.put("bin/cat", "#!/bin/sh\nexit 1\n", 0o755)
        code, said = self.ran()
        self.assertEqual(code, 1)
        self.assertIn("kmemleak cannot be read", said)


if __name__ == "__main__":
    unittest.main()
