# SPDX-License-Identifier: GPL-2.0
"""Which of a kernel's modules to insert, in which order."""

from __future__ import annotations

import lzma
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "qemu"))

import kernel_modules  # noqa: E402
from kernel_modules import ModuleMissing  # noqa: E402

# As depmod writes it: every need of a module, direct or not, deepest last.
MODULES_DEP = """\
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/net/9p/9pnet.ko.xz: kernel/fs/netfs/netfs.ko.xz
kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/fs/netfs/netfs.ko.xz:
kernel/net/sched/sch-netem.ko.xz:
"""


class InsertionOrder(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.modules = Path(scratch.name)
        (self.modules / "modules.dep").write_text(MODULES_DEP)
        (self.modules / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n")

    def order(self, *wanted: str) -> list[str]:
        files = kernel_modules.insertion_order(self.modules, wanted)
        return [kernel_modules.plain_name(file.name) for file in files]

    def test_needs_come_first_and_once(self) -> None:
        self.assertEqual(
            self.order("9pnet_virtio", "9p"), ["netfs", "9pnet", "9pnet_virtio", "9p"]
        )

    def test_built_in_needs_no_inserting(self) -> None:
        self.assertEqual(self.order("virtio_pci"), [])

    def test_dash_and_underscore_are_one(self) -> None:
        self.assertEqual(self.order("sch_netem"), ["sch_netem"])
        self.assertEqual(self.order("sch-netem"), ["sch_netem"])

    def test_missing_is_named(self) -> None:
        with self.assertRaisesRegex(ModuleMissing, "no overlay"):
            self.order("overlay")

    def test_kernel_without_modules(self) -> None:
        empty = self.modules / "absent"
        self.assertEqual(kernel_modules.insertion_order(empty, []), [])

    def test_compressed_module_is_unpacked(self) -> None:
        for name, data in (("a.ko", b"\x7fELF"), ("b.ko.xz", lzma.compress(b"\x7fELF"))):
            (self.modules / name).write_bytes(data)
            self.assertEqual(kernel_modules.read_module(self.modules / name), b"\x7fELF")


if __name__ == "__main__":
    unittest.main()
