# SPDX-License-Identifier: GPL-2.0
"""A machine described as a directory, with commands that only pretend."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tempfile
import unittest
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from renoscope_lib.errors import Problem
from renoscope_lib.machine.host import Host

RELEASE = "6.12.0-test-amd64"
STATS = ("version 1\nrecords_per_cpu 8\ncpu 0 written 3 oldest 1 unwritten 0\n"
         "source state sock:inet_sock_set_state attached\n")


@dataclass
class FakeHost(Host):
    """Answers commands from a table; remembers what was run."""

    answers: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
        """The answer to the longest beginning that is in the table."""
        command = " ".join(argv)
        self.ran.append(command)
        fitting = [known for known in self.answers if command.startswith(known)]
        if not fitting:
            return None
        code, out, err = self.answers[max(fitting, key=len)]
        return subprocess.CompletedProcess(argv, code, out, err)

    def put(self, name: str, content: str | bytes = "") -> None:
        """Make a file."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, path)


def fake_host(root: Path, **changes: Any) -> FakeHost:
    """A machine with nothing on it."""
    return FakeHost(**{"root": root, "release": RELEASE, "machine": "x86_64",
                       "euid": 0} | changes)


def module_file(release: str = RELEASE) -> bytes:
    """What matters of a .ko file."""
    return b"\x7fELF...\0license=GPL\0parmtype=x:y\0parm=events:kinds (default all)\0" \
        b"parm=ring_records:how many\0vermagic=%s SMP preempt\0rest" \
        % release.encode()


def loaded(host: FakeHost, stats: str) -> None:
    """The module in the kernel and its files in debugfs."""
    host.put("/sys/module/tcp_renoscope/initstate", "live\n")
    host.put("/proc/mounts", "none /sys/kernel/debug debugfs rw 0 0\n")
    host.put("/sys/kernel/debug/renoscope/stats", stats)


class OnFakeHost(unittest.TestCase):
    """Runs commands on one, and hears what they say."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.built = self.folder / "tcp_renoscope.ko"
        self.host = fake_host(self.folder / "root")

    def printed(self, run: Any) -> tuple[int, str]:
        """Exit code and what was printed."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = run()
        return code, out.getvalue()

    def refused(self, code: int, words: str, run: Any) -> None:
        with self.assertRaises(Problem) as caught:
            self.printed(run)
        self.assertEqual(caught.exception.exit_code, code)
        self.assertIn(words, str(caught.exception))
