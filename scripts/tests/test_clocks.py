# SPDX-License-Identifier: GPL-2.0
"""The clock of the events, also in a time namespace."""

import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from renoscope_lib.machine import clocks

from . import support
from .fake_host import fake_host

AHEAD_S = 50_000
UNSHARE = ("unshare", "--time", "--monotonic", str(AHEAD_S), "--fork")


def can_unshare() -> bool:
    """Root may, where the kernel has time namespaces."""
    return os.geteuid() == 0 and Path("/proc/self/timens_offsets").exists()


class Clocks(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.host = fake_host(Path(folder.name))

    def test_a_kernel_without_time_namespaces(self) -> None:
        before = time.monotonic_ns()
        self.assertGreaterEqual(clocks.monotonic_ns(self.host), before)

    def test_what_the_kernel_says_is_taken_off(self) -> None:
        self.host.put(clocks.OFFSETS, "monotonic   1000   5\nboottime   7   7\n")
        seen = clocks.monotonic_ns(self.host) + 1000 * clocks.SECOND_NS + 5
        self.assertLess(abs(seen - time.monotonic_ns()), clocks.SECOND_NS)

    @unittest.skipUnless(can_unshare(), "needs root, and CONFIG_TIME_NS")
    def test_a_real_time_namespace(self) -> None:
        seen = int(subprocess.run(
            [*UNSHARE, sys.executable, "-c", "from renoscope_lib.machine import clocks\n"
             "print(clocks.monotonic_ns())"], cwd=support.SCRIPTS, check=True,
            stdout=subprocess.PIPE).stdout)
        self.assertLess(abs(seen - time.monotonic_ns()),
                        AHEAD_S / 2 * clocks.SECOND_NS)


if __name__ == "__main__":
    unittest.main()
