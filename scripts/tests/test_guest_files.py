# SPDX-License-Identifier: GPL-2.0
"""What a guest is started with: its command, its settings, what it may see."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "qemu"))

import guest_files  # noqa: E402
from guest_files import Guest, GuestError, Kernel, Terminal  # noqa: E402


class Command(unittest.TestCase):
    def test_one_word_is_shell_text(self) -> None:
        self.assertEqual(guest_files.command_text(["echo a; exit 3"]), "echo a; exit 3\n")

    def test_several_words_stay_as_they_are(self) -> None:
        words = ["a b", "$c", "d'e", "", "*"]
        text = guest_files.command_text(["printf", "%s|", *words])
        shown = subprocess.run(["sh", "-c", text], capture_output=True, text=True).stdout
        self.assertEqual(shown, "a b|$c|d'e||*|")


class Keep(unittest.TestCase):
    def test_a_checkout_below_tmp_stays_whole(self) -> None:
        keep = guest_files.paths_to_keep(Path("/tmp/checkout/scripts/qemu"))
        self.assertEqual(keep, [Path("/tmp/checkout")])

    def test_nothing_else_of_tmp_does(self) -> None:
        self.assertEqual(guest_files.paths_to_keep(Path("/home/me/tmp/x")), [])
        self.assertEqual(guest_files.paths_to_keep(Path("/tmp")), [])


class Settings(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = Path(scratch.name)
        (self.directory / "release").write_text("6.12.0-test\n")
        (self.directory / "config").write_text("\nCONFIG_NET_9P_VIRTIO=m\n# CONFIG_9P_FS off\n")

    def guest(self, **changes: object) -> Guest:
        values = {
            "kernel": Kernel(self.directory),
            "root": "initramfs",
            "command": ["true"],
            "workdir": Path("/it's here/$(false)"),
            "token": "t",
            "files": [],
            "shares": [],
            "modules": [],
        }
        return Guest(**{**values, **changes})  # type: ignore[arg-type]

    def test_shell_reads_back_what_was_meant(self) -> None:
        text = guest_files.settings_text(self.guest(root="host"), ["/m/a.ko", "/m/b.ko"])
        script = text + 'printf "%s|" "$root" "$workdir" "$modules" "$release"'
        shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout
        self.assertEqual(shown, "host|/it's here/$(false)|/m/a.ko /m/b.ko|6.12.0-test|")

    def terminal_settings(self, **changes: object) -> str:
        text = guest_files.settings_text(self.guest(**changes), [])
        script = text + 'printf "%s|" "$input" "$terminal" "$terminal_name"'
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout

    def test_what_the_command_reads(self) -> None:
        self.assertEqual(self.terminal_settings(), "/dev/null||dumb|")
        self.assertEqual(self.terminal_settings(terminal=Terminal("xterm", 100, 30)),
                         "/dev/null|rows 30 cols 100|xterm|")
        self.assertEqual(self.terminal_settings(stdin=b"ls\n"), "/run/renoscope/stdin||dumb|")

    def test_kernel_without_9p_is_refused_early(self) -> None:
        with self.assertRaisesRegex(GuestError, "no 9p"):
            guest_files.wanted_modules(self.guest(root="host"))
        with self.assertRaisesRegex(GuestError, "no 9p"):
            guest_files.wanted_modules(self.guest(shares=[Path("/x")]))
        self.assertEqual(guest_files.wanted_modules(self.guest(modules=["veth"])), ["veth"])


if __name__ == "__main__":
    unittest.main()
