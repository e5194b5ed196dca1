# SPDX-License-Identifier: GPL-2.0
"""How kernels get into the cache: whole or not at all, and the right ones."""

from __future__ import annotations

import lzma
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from .support import SCRIPTS, load_script

QEMU = SCRIPTS / "qemu"
sys.path.insert(0, str(QEMU))

import bzimage  # noqa: E402
import cache  # noqa: E402

fetch_kernel = load_script(QEMU / "fetch-kernel")
build_kernel = load_script(QEMU / "build-kernel")


class Scratch(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)


class Publish(Scratch):
    def test_appears_only_when_complete(self) -> None:
        final = self.scratch / "kernel"
        with cache.publish(final) as partial:
            (partial / "vmlinuz").write_text("x")
            self.assertFalse(final.exists())
        self.assertTrue((final / "vmlinuz").exists())

    def test_failure_leaves_nothing(self) -> None:
        with self.assertRaises(KeyboardInterrupt), cache.publish(self.scratch / "kernel"):
            raise KeyboardInterrupt
        self.assertEqual(list(self.scratch.iterdir()), [])

    def test_what_a_killed_run_left_is_swept(self) -> None:
        (self.scratch / f"{cache.PARTIAL_PREFIX}old").mkdir()
        with cache.publish(self.scratch / "kernel"):
            pass
        self.assertEqual([path.name for path in self.scratch.iterdir()], ["kernel"])


class Series(unittest.TestCase):
    def test_6_1_is_not_6_12(self) -> None:
        belongs = fetch_kernel.belongs_to
        self.assertTrue(belongs("6.1.0-56-amd64", "6.1"))
        self.assertTrue(belongs("6.12.117+deb12-amd64", "6.12"))
        self.assertTrue(belongs("6.12+1-amd64", "6.12"))
        self.assertFalse(belongs("6.12.117+deb12-amd64", "6.1"))
        self.assertFalse(belongs("6.1.0-56-amd64", "6.12"))


class Headers(Scratch):
    def test_include_finds_its_neighbour_wherever_the_cache_is(self) -> None:
        for name in ("linux-headers-9-amd64", "linux-headers-9-common"):
            (self.scratch / name).mkdir()
        (self.scratch / "linux-headers-9-common/Makefile").write_text("all:\n\t@echo found\n")
        makefile = self.scratch / "linux-headers-9-amd64/Makefile"
        makefile.write_text("include /usr/src/linux-headers-9-common/Makefile\n")
        fetch_kernel.point_headers_here(makefile)
        link = self.scratch / "build"
        link.symlink_to("linux-headers-9-amd64")
        done = subprocess.run(["make", "-s", "-C", link], capture_output=True, text=True)
        self.assertEqual((done.stdout, done.stderr), ("found\n", ""))

    def test_unknown_makefile_is_refused(self) -> None:
        makefile = self.scratch / "Makefile"
        makefile.write_text("all:\n")
        with self.assertRaises(fetch_kernel.PackageError):
            fetch_kernel.point_headers_here(makefile)


class BzImage(unittest.TestCase):
    def image(self, packed: bytes) -> bytes:
        """A bzImage of two setup sectors, with its payload 64 bytes into the rest."""
        setup = bytearray(3 * bzimage.SECTOR)
        setup[bzimage.SETUP_SECTORS_AT] = 2
        setup[bzimage.MAGIC_AT : bzimage.MAGIC_AT + 4] = b"HdrS"
        struct.pack_into("<II", setup, bzimage.PAYLOAD_AT, 64, len(packed) + 4)
        return bytes(setup) + b"\xcc" * 64 + packed + struct.pack("<I", 99) + b"\xcc" * 100

    def test_unpacks_the_kernel_proper(self) -> None:
        kernel = b"\x7fELF" + b"kernel" * 1000
        self.assertEqual(bzimage.unpack(self.image(lzma.compress(kernel))), kernel)

    def test_what_it_cannot_unpack_is_left(self) -> None:
        self.assertIsNone(bzimage.unpack(self.image(b"\x1f\x8b gzip")))
        self.assertIsNone(bzimage.unpack(b"\0" * 4096))


class Configuration(unittest.TestCase):
    CONFIG = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_NR=8\n"

    def lost(self, fragment: str) -> list[str]:
        return build_kernel.lost_lines(fragment, self.CONFIG)

    def test_everything_survived(self) -> None:
        self.assertEqual(self.lost("# a remark\n\nCONFIG_A=y\nCONFIG_NR=8\n"), [])
        self.assertEqual(self.lost("# CONFIG_B is not set\n# CONFIG_C is not set\n"), [])

    def test_lost_lines_are_named(self) -> None:
        fragment = "CONFIG_A=y\nCONFIG_B=y\nCONFIG_NR=4\nCONFIG_MISTYPED=y\n"
        self.assertEqual(self.lost(fragment), ["CONFIG_B=y", "CONFIG_NR=4", "CONFIG_MISTYPED=y"])
        self.assertEqual(self.lost("# CONFIG_A is not set\n"), ["# CONFIG_A is not set"])

    def test_later_fragment_prevails(self) -> None:
        merged = build_kernel.merged(["CONFIG_A=y\nCONFIG_B=4\n", "# CONFIG_A is not set\n"])
        self.assertEqual(merged, "# CONFIG_A is not set\nCONFIG_B=4\n")

    def test_a_series_may_have_a_fragment_of_its_own(self) -> None:
        names = [file.name for file in build_kernel.fragments_of("debug", "6.1")]
        self.assertEqual(names[-2:], ["debug.config", "debug-6.1.config"])
        names = [file.name for file in build_kernel.fragments_of("kcsan", "6.12")]
        self.assertEqual(names[-1], "kcsan.config")

    def test_single_fragment_is_itself(self) -> None:
        self.assertEqual(build_kernel.merged(["# why\nCONFIG_A=y\n"]), "# why\nCONFIG_A=y\n")

    def test_key_changes_with_every_ingredient(self) -> None:
        key = build_kernel.cache_key
        keys = {
            key(Path("s/linux-source-6.12_6.12.1-1"), "CONFIG_A=y\n", "gcc 12"),
            key(Path("s/linux-source-6.12_6.12.2-1"), "CONFIG_A=y\n", "gcc 12"),
            key(Path("s/linux-source-6.12_6.12.1-1"), "CONFIG_B=y\n", "gcc 12"),
            key(Path("s/linux-source-6.12_6.12.1-1"), "CONFIG_A=y\n", "gcc 13"),
            key(Path("s/linux-source-6.12_6.12.1-1"), "# why\nCONFIG_A=y\n", "gcc 12"),
        }
        self.assertEqual(len(keys), 4)


if __name__ == "__main__":
    unittest.main()
