# SPDX-License-Identifier: GPL-2.0
"""Messages kept off the console: no trouble among them goes unseen."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(SCRIPTS / "stress"), str(SCRIPTS / "selftests"), str(SCRIPTS)]

import kernel_messages  # noqa: E402  (found through the line above)

BUG = "BUG: KASAN: slab-use-after-free in f+0x1/0x2"
KNOWN = kernel_messages.OPEN_BETWEEN
WARNING = "WARNING: CPU: 0 PID: 122 at fs/debugfs/file.c:418 full_proxy_open+0x1a2/0x850"
NO_MEMORY = ["insmod: page allocation failure: order:0, mode:0xcc0", "Call Trace:"]


class OffTheConsole(unittest.TestCase):
    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.console = Path(folder) / "printk"
        self.console.write_text("8\t4\t1\t7\n")
        self.enterContext(mock.patch.object(kernel_messages, "CONSOLE", self.console))
        self.enterContext(mock.patch.object(kernel_messages, "LOG", Path("/dev/null")))
        self.said: list[list[str]] = []
        self.enterContext(mock.patch.object(
            kernel_messages.Messages, "_read", lambda _: self.said.pop(0) if self.said else []))

    def test_what_the_module_says_is_given(self) -> None:
        self.said = [["tcp_renoscope: no memory", *NO_MEMORY]]
        with kernel_messages.Messages(KNOWN) as messages:
            self.assertEqual(self.console.read_text(), "1")
            self.assertEqual(messages.ours(), ["no memory"])
        self.assertEqual(self.console.read_text(), "8\t4\t1\t7\n")

    def test_trouble_fails_where_it_is_looked_at(self) -> None:
        self.said = [[BUG]]
        with kernel_messages.Messages(KNOWN) as messages:
            self.assertRaisesRegex(AssertionError, "KASAN", messages.ours)

    def test_a_known_warning_is_counted_and_no_other_forgiven(self) -> None:
        known = ["------------[ cut here ]------------", f"{KNOWN}trace_pipe", WARNING]
        with kernel_messages.Messages(KNOWN) as messages:
            self.said = [[*known, *known]]
            self.assertEqual(messages.ours(), [])
            self.assertEqual(messages.known_warnings, 2)
            for other in ([WARNING], [known[0], WARNING], [*known, "", WARNING], [*known, BUG]):
                self.said = [other]
                self.assertRaisesRegex(AssertionError, "WARNING|BUG", messages.ours)

    def test_trouble_after_the_last_look_fails(self) -> None:
        with self.assertRaisesRegex(AssertionError, "KASAN"):
            with kernel_messages.Messages(KNOWN) as messages:
                messages.ours()
                self.said = [[BUG]]
        self.assertEqual(self.console.read_text(), "8\t4\t1\t7\n")

    def test_memory_that_lacks_is_expected_to_the_end(self) -> None:
        with kernel_messages.Messages(KNOWN):
            self.said = [NO_MEMORY]

    def test_kmemleak_that_gives_up_is_not(self) -> None:
        with self.assertRaisesRegex(AssertionError, "kmemleak"):
            with kernel_messages.Messages(KNOWN):
                self.said = [[*NO_MEMORY, "kmemleak: Cannot allocate a kmemleak_object structure"]]

    def test_of_a_machine_that_stood_still_it_is_no_news(self) -> None:
        log = ("[   67.621378] hrtimer: interrupt took 4350232 ns\n"
               "[   68.000001] tcp_renoscope: no memory\n")
        with mock.patch.object(kernel_messages, "run", lambda _: log):
            self.assertEqual(kernel_messages.texts(), {"tcp_renoscope: no memory"})

    def test_beside_another_failure_it_is_told(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as out, self.assertRaises(KeyError):
            with kernel_messages.Messages(KNOWN):
                self.said = [[BUG, *NO_MEMORY]]
                raise KeyError
        self.assertIn(BUG, out.getvalue())
        self.assertNotIn("allocation", out.getvalue())


if __name__ == "__main__":
    unittest.main()
