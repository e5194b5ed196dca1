# SPDX-License-Identifier: GPL-2.0
"""What this machine has, and what to type for what it lacks."""

import unittest
from pathlib import Path
from unittest import mock

from renoscope_lib.errors import NOT_PERMITTED, NOT_THERE

from .fake_host import STATS, OnFakeHost, loaded


class Folder(OnFakeHost):
    """What it takes to have the debugfs files."""

    def test_each_reason_not_to_have_them_has_its_mend(self) -> None:
        self.refused(NOT_THERE, "not loaded; load it with: sudo "
                     "scripts/renoscope load",
                     self.host.renoscope_dir)
        self.host.put("/sys/module/tcp_renoscope/initstate", "live\n")
        self.refused(NOT_THERE, "debugfs is not mounted; mount it with",
                     self.host.renoscope_dir)
        self.host.put("/proc/mounts", "none /sys/kernel/debug debugfs rw 0 0\n")
        self.refused(NOT_THERE, "see: sudo dmesg", self.host.renoscope_dir)

    def test_for_root_only(self) -> None:
        loaded(self.host, STATS)
        with mock.patch.object(Path, "stat", side_effect=PermissionError):
            self.refused(NOT_PERMITTED, "run it with sudo",
                         self.host.renoscope_dir)


if __name__ == "__main__":
    unittest.main()
