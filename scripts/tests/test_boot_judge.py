# SPDX-License-Identifier: GPL-2.0
"""What becomes of a guest, by how it ended and by what its kernel said, to the last word."""

from __future__ import annotations

import contextlib
import io
import sys
import unittest

from .support import SCRIPTS, load_script

QEMU = SCRIPTS / "qemu"
sys.path.insert(0, str(QEMU))

from boot_codes import BootCode  # noqa: E402
from machine import Outcome  # noqa: E402
from result_stream import Ending  # noqa: E402

boot = load_script(QEMU / "boot")

DONE = Ending(exit_code=0, taint=0)
RUN = "[    1.0] Run /init as init process\r\n"
OOPS = "[    9.0] BUG: kernel NULL pointer dereference, address: 0000000000000008\r\n"
DOWN = "[    9.9] reboot: Power down\r\n"
QUIET = "[    5.0] nothing\r\n" * 30


class Judge(unittest.TestCase):
    def judged(self, log: str, ending: Ending | None = DONE, timed_out: bool = False,
               qemu_code: int | None = 0, taint: str = "") -> tuple[int, str]:
        outcome = Outcome(ending, timed_out, qemu_code, "", 12.0)
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = boot.judge(outcome, log, 300, taint)
        return code, said.getvalue()

    def test_good_order(self) -> None:
        self.assertEqual(self.judged(RUN + DOWN), (BootCode.OK, ""))

    def test_trouble_before_the_command_ended(self) -> None:
        code, said = self.judged(RUN + OOPS + QUIET + DOWN)
        self.assertEqual(code, BootCode.LOG_NOT_CLEAN)
        self.assertIn("NULL pointer", said)

    def test_trouble_while_it_powers_off_counts(self) -> None:
        for log in (RUN + OOPS + DOWN, RUN + DOWN + OOPS):
            code, said = self.judged(log)
            self.assertEqual(code, BootCode.LOG_NOT_CLEAN)
            self.assertIn("NULL pointer", said)

    def test_a_taint_is_allowed_where_it_is_said(self) -> None:
        warned = Ending(exit_code=0, taint=1 << 9)
        code, said = self.judged(RUN + DOWN, warned)
        self.assertEqual(code, BootCode.LOG_NOT_CLEAN)
        self.assertIn("unexpected W", said)
        self.assertEqual(self.judged(RUN + DOWN, warned, taint="W"), (BootCode.OK, ""))
        self.assertEqual(self.judged(RUN + DOWN, Ending(exit_code=0, taint=1 << 7 | 1 << 9),
                                     taint="W")[0], BootCode.LOG_NOT_CLEAN)

    def test_a_reset_while_it_powers_off_counts(self) -> None:
        """A triple fault says nothing, and QEMU ends as it does after a power-off."""
        code, said = self.judged(RUN)
        self.assertEqual(code, BootCode.GUEST_DIED)
        self.assertIn("while it powered off", said)

    def test_a_panic_while_it_powers_off_is_shown(self) -> None:
        code, said = self.judged(RUN + OOPS + QUIET)
        self.assertEqual(code, BootCode.GUEST_DIED)
        self.assertIn("NULL pointer", said)

    def test_qemu_that_crashes_counts(self) -> None:
        self.assertEqual(self.judged(RUN + DOWN, qemu_code=-11)[0], BootCode.GUEST_DIED)

    def test_no_power_off(self) -> None:
        code, said = self.judged(RUN + OOPS, timed_out=True, qemu_code=None)
        self.assertEqual(code, BootCode.TIMED_OUT)
        self.assertIn("did not power off", said)
        self.assertIn("NULL pointer", said)

    def test_a_death_shows_its_cause(self) -> None:
        for timed_out in (False, True):
            code, said = self.judged(RUN + OOPS + QUIET, None, timed_out)
            self.assertIn(code, (BootCode.GUEST_DIED, BootCode.TIMED_OUT))
            self.assertIn("NULL pointer", said)

    def test_the_last_of_many_reports_is_shown(self) -> None:
        log = "".join(f"WARNING: number {number}\r\n{QUIET}" for number in range(9))
        code, said = self.judged(log + OOPS + QUIET, None)
        self.assertEqual(code, BootCode.GUEST_DIED)
        for words in ("number 0\n", "number 2\n", "NULL pointer", "and 6 more reports"):
            self.assertIn(words, said)
        self.assertNotIn("number 3\n", said)

    def test_unclean_whatever_the_command_says(self) -> None:
        code, said = self.judged(RUN + OOPS + DOWN, Ending(exit_code=1, taint=0))
        self.assertEqual(code, BootCode.LOG_NOT_CLEAN)
        self.assertIn("exit code 1", said)


if __name__ == "__main__":
    unittest.main()
