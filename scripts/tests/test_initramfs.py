# SPDX-License-Identifier: GPL-2.0
"""The initramfs writer, judged by the cpio command and by the format's rules."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "qemu"))

from initramfs import Initramfs  # noqa: E402


class Archive(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)

    def unpack(self, archive: Initramfs) -> Path:
        """The archive as the cpio command understands it."""
        if not shutil.which("cpio"):
            self.skipTest("cpio is not installed")
        root = self.scratch / "root"
        root.mkdir()
        subprocess.run(
            ["cpio", "--quiet", "-idm", "--no-absolute-filenames"],
            input=archive.to_bytes(),
            cwd=root,
            check=True,
        )
        return root

    def test_contents_and_modes(self) -> None:
        archive = Initramfs()
        archive.add_file("/init", b"#!/bin/sh\n", executable=True)
        archive.add_file("/a/b/odd", b"12345")
        archive.add_symlink("/a/link", "b/odd")
        archive.add_directory("/proc")
        root = self.unpack(archive)
        self.assertEqual((root / "init").read_bytes(), b"#!/bin/sh\n")
        self.assertEqual(stat.S_IMODE((root / "init").stat().st_mode), 0o755)
        self.assertEqual((root / "a/link").read_bytes(), b"12345")
        self.assertEqual(stat.S_IMODE((root / "a/b/odd").stat().st_mode), 0o644)
        self.assertTrue((root / "proc").is_dir())

    def test_tree(self) -> None:
        source = self.scratch / "source"
        (source / "deep").mkdir(parents=True)
        (source / "tool").write_text("x")
        (source / "tool").chmod(0o755)
        (source / "deep/data").write_bytes(b"\0" * 4097)
        archive = Initramfs()
        archive.add_tree(source, "/opt")
        root = self.unpack(archive)
        self.assertEqual((root / "opt/deep/data").stat().st_size, 4097)
        self.assertTrue(stat.S_IMODE((root / "opt/tool").stat().st_mode) & stat.S_IXUSR)

    def test_parents_come_first_and_once(self) -> None:
        archive = Initramfs()
        archive.add_file("/a/b/one", b"")
        archive.add_file("/a/b/two", b"")
        data = archive.to_bytes()
        self.assertEqual(data.count(b"a/b\0"), 1)
        self.assertLess(data.index(b"a/b\0"), data.index(b"a/b/one\0"))

    def test_every_entry_starts_on_four_bytes(self) -> None:
        archive = Initramfs()
        for length in range(9):
            archive.add_file("/" + "n" * (length + 1), b"d" * length)
        data = archive.to_bytes()
        starts = [at for at in range(len(data)) if data.startswith(b"070701", at)]
        self.assertEqual(len(starts), 10)
        self.assertEqual([at % 4 for at in starts], [0] * 10)
        self.assertTrue(data.rstrip(b"\0").endswith(b"TRAILER!!!"))

    def test_what_cannot_be_meant_is_refused(self) -> None:
        archive = Initramfs()
        archive.add_file("/one", b"")
        for path in ("/one", "/", "/a/../../b"):
            with self.subTest(path), self.assertRaises(ValueError):
                archive.add_file(path, b"")


if __name__ == "__main__":
    unittest.main()
