# SPDX-License-Identifier: GPL-2.0
"""Signals that end a command, and those that do not."""

import os
import signal
import unittest

from renoscope_lib.stopping import stop_on_signals


class Signals(unittest.TestCase):
    def setUp(self) -> None:
        old = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.addCleanup(signal.signal, signal.SIGHUP, old)

    def test_each_asks_to_stop_and_wakes(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with stop_on_signals() as stop:
                self.assertFalse(stop.asked)
                os.kill(os.getpid(), number)
                self.assertEqual(len(os.read(stop.wake_fd, 10)), 1)
                self.assertTrue(stop.asked)
        self.assertIs(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)
        self.assertIs(signal.getsignal(signal.SIGHUP), signal.SIG_DFL)

    def test_under_nohup_a_hangup_does_not_end_it(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            self.assertFalse(stop.asked)
        self.assertIs(signal.getsignal(signal.SIGHUP), signal.SIG_IGN)


if __name__ == "__main__":
    unittest.main()
