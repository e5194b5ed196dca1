# SPDX-License-Identifier: GPL-2.0
"""What QEMU is started with: the guest's clock has the host's rate, where it is the host's."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

from .support import SCRIPTS

sys.path.insert(0, str(SCRIPTS / "qemu"))

from host_tsc import tsc_khz  # noqa: E402
from machine import Machine  # noqa: E402

ARGUMENT = re.compile(r"\btsc_early_khz=(\d+)\b")


def kernel_arguments(append: str = "", icount: bool = False) -> str:
    machine = Machine(Path("image"), Path("initrd"), Path("log"), "initramfs", [], smp=1,
                      memory_mb=512, append=append, icount=icount, parallel=False)
    line = machine.command_line()
    return line[line.index("-append") + 1]


@unittest.skipIf(platform.machine() != "x86_64", "its own counter is not what guests have")
class Clock(unittest.TestCase):
    def test_the_rate_is_the_kernels(self) -> None:
        said = subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"tsc: Detected ([\d.]+) MHz", said)
        if not found:
            self.skipTest("dmesg does not tell what the kernel measured")
        khz = tsc_khz()
        assert khz
        self.assertAlmostEqual(khz / 1000 / float(found[1]), 1, delta=0.01)

    def test_guests_are_told(self) -> None:
        told, = ARGUMENT.findall(kernel_arguments("quiet"))
        self.assertEqual(int(told), tsc_khz())
        self.assertRegex(kernel_arguments("quiet"), " quiet$")

    def test_a_clock_that_is_not_the_hosts(self) -> None:
        self.assertNotRegex(kernel_arguments(icount=True), ARGUMENT)
        with mock.patch.dict(os.environ, RENOSCOPE_ACCEL="kvm"):
            self.assertNotRegex(kernel_arguments(), ARGUMENT)

    def test_no_program_may_be_made(self) -> None:
        tsc_khz.cache_clear()
        self.addCleanup(tsc_khz.cache_clear)
        with mock.patch("host_tsc.mmap.mmap", side_effect=PermissionError):
            self.assertNotRegex(kernel_arguments(), ARGUMENT)


if __name__ == "__main__":
    unittest.main()
