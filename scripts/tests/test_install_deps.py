# SPDX-License-Identifier: GPL-2.0
"""Which packages each command brings, and that wrong words bring none."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from .support import SCRIPTS

# What a machine without any of them would say.
NOTHING_INSTALLED = "#!/bin/sh\nexit 1\n"

SERVERS = {"prometheus", "clickhouse-server", "chromium", "tshark", "lintian", "dkms"}
PEERS = {"bpftrace", "bpfcc-tools", "libbpf-tools", "linux-perf", "tcpdump", "trace-cmd"}
KERNEL = {"gcc", "flex", "bison", "bc", "libelf-dev", "xz-utils", "perl", "libc6-dev"}
GUESTS = {"qemu-system-x86", "make", "gcc-12", "iproute2", "python3"}


class InstallDeps(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        query = Path(folder.name, "dpkg-query")
        query.write_text(NOTHING_INSTALLED)
        query.chmod(0o755)
        self.env = os.environ | {"DEPS": "no", "PATH": f"{folder.name}:{os.environ['PATH']}"}

    def would_install(self, *groups: str) -> list[str]:
        """Every package of these groups."""
        said = subprocess.run([SCRIPTS / "install-deps", *groups], env=self.env, text=True,
                              capture_output=True, check=True).stderr
        return said.partition("--no-install-recommends ")[2].split()

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What make would do."""
        return subprocess.run(["make", *words], cwd=SCRIPTS.parent, env=self.env, text=True,
                              capture_output=True, check=False)

    def groups_of(self, target: str) -> list[str]:
        """The groups that a target of the Makefile asks for."""
        found = re.search(r"^scripts/install-deps (.*)$", self.make("-n", target).stdout,
                          re.MULTILINE)
        assert found, target
        return found[1].split()

    def test_what_is_measured_needs_no_tests(self) -> None:
        wanted = self.would_install(*self.groups_of("bench"))
        self.assertLess(GUESTS | PEERS | {"python3-numpy"}, set(wanted))
        self.assertFalse(set(wanted) & (SERVERS | KERNEL), wanted)

    def test_the_stress_needs_kernels_and_no_servers(self) -> None:
        wanted = self.would_install(*self.groups_of("stress"))
        self.assertLess(GUESTS | KERNEL | {"libssl-dev", "openssl", "bpftrace"}, set(wanted))
        self.assertFalse(set(wanted) & (SERVERS | {"bpfcc-tools"}), wanted)

    def test_the_tests_need_all_but_the_bench_s_own(self) -> None:
        self.assertLess(GUESTS | KERNEL | SERVERS, set(self.would_install("test")))

    def test_each_is_named_once(self) -> None:
        for groups in (["bench"], ["test", "stress"], ["demo", "test", "stress", "bench"]):
            wanted = self.would_install(*groups)
            self.assertEqual(sorted(wanted), sorted(set(wanted)))

    def test_wrong_words_install_nothing(self) -> None:
        for words, complaint in ((["bench", "PARTS=limits"], "no such part: limits"),
                                 (["stress", "SCENARIO=rings"], "no such scenario: rings"),
                                 (["stress", "PART=5"], "at most 1")):
            done = self.make(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(complaint, done.stderr)
            self.assertNotIn("missing Debian packages", done.stderr)

    def test_no_such_group(self) -> None:
        for groups in ([], ["kernel"], ["bench", "all"]):
            done = subprocess.run([SCRIPTS / "install-deps", *groups], env=self.env, text=True,
                                  capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertTrue(done.stderr.startswith("usage: install-deps demo|test|"))


if __name__ == "__main__":
    unittest.main()
