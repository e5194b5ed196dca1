# SPDX-License-Identifier: GPL-2.0
"""Which packages each command brings, that wrong words bring none, and who may."""

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

# Written down, with which arguments it was called; it answers from its environment.
SUDO = """\
echo "$*" >>"$SUDO_LOG"
case $1 in
-n) exit "$WITHOUT_PASSWORD" ;;
-v) exit "$WITH_PASSWORD" ;;
esac
"""
STANDINS = {"sudo": SUDO, "id": "echo 1000\n", "dpkg-query": "exit 1\n"}
YES, NO = "0", "1"


class Packages(unittest.TestCase):
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

    def test_another_group_is_refused(self) -> None:
        for groups in ([], ["kernel"], ["bench", "all"]):
            done = subprocess.run([SCRIPTS / "install-deps", *groups], env=self.env, text=True,
                                  capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertTrue(done.stderr.startswith("usage: install-deps demo|test|"))


class Sudo(unittest.TestCase):
    """A user who is not root, on a machine that lacks all packages."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name, text in STANDINS.items():
            program = self.folder / name
            program.write_text(f"#!/bin/sh\n{text}")
            program.chmod(0o755)

    def install(self, without: str, with_one: str = NO) -> tuple[int, list[str]]:
        """The exit code, and what sudo was called with."""
        log = self.folder / "log"
        done = subprocess.run(
            [SCRIPTS / "install-deps", "stress"], capture_output=True, check=False,
            stdin=subprocess.DEVNULL, timeout=60, env={
                "PATH": f"{self.folder}:{os.environ['PATH']}", "SUDO_LOG": str(log),
                "WITHOUT_PASSWORD": without, "WITH_PASSWORD": with_one})
        return done.returncode, log.read_text().splitlines()

    def is_installed(self, calls: list[str]) -> bool:
        """Whether apt-get was to install something."""
        return any("apt-get" in call and " install " in call for call in calls)

    def test_no_password_where_none_is_needed(self) -> None:
        """`sudo -v` would want one: an entry without NOPASSWD matches as well."""
        code, calls = self.install(without=YES, with_one=NO)
        self.assertEqual(code, 0)
        self.assertNotIn("-v", calls)
        self.assertTrue(self.is_installed(calls), calls)

    def test_a_password_is_asked_for_first(self) -> None:
        """It is asked for before anything is done."""
        code, calls = self.install(without=NO, with_one=YES)
        self.assertEqual((code, calls[:2]), (0, ["-n true", "-v"]))
        self.assertTrue(self.is_installed(calls), calls)

    def test_who_is_not_allowed_is_told_at_once(self) -> None:
        """Nothing is tried then."""
        self.assertEqual(self.install(without=NO, with_one=NO), (1, ["-n true", "-v"]))


if __name__ == "__main__":
    unittest.main()
