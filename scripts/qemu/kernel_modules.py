# SPDX-License-Identifier: GPL-2.0
"""Find a kernel's own modules and what they need, in the order to insert them.

Stock kernels have 9p, overlay and much else as modules, so the initramfs must
carry some before anything can be mounted.  busybox inserts only plain .ko
files; the compressed ones of newer Debian kernels are unpacked here.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from pathlib import Path


class ModuleMissing(Exception):
    """A module is neither in the kernel nor beside it."""


def plain_name(path: str) -> str:
    """The module's name as the kernel says it: sch-netem.ko.xz -> sch_netem."""
    return Path(path).name.split(".ko", maxsplit=1)[0].replace("-", "_")


def builtin_names(modules: Path) -> set[str]:
    """What is compiled into the kernel and needs no inserting."""
    listing = modules / "modules.builtin"
    if not listing.is_file():
        return set()
    return {plain_name(line) for line in listing.read_text(encoding="ascii").split()}


def dependencies(modules: Path) -> dict[str, tuple[Path, list[str]]]:
    """modules.dep as: name -> its file, and the names it needs, nearest first."""
    listing = modules / "modules.dep"
    if not listing.is_file():
        return {}
    table = {}
    for line in listing.read_text(encoding="ascii").splitlines():
        file, _, needs = line.partition(":")
        table[plain_name(file)] = (modules / file, [plain_name(need) for need in needs.split()])
    return table


def insertion_order(modules: Path, wanted: Iterable[str]) -> list[Path]:
    """The files to insert, each after all that it needs, none twice."""
    builtin = builtin_names(modules)
    table = dependencies(modules)
    order: dict[str, Path] = {}
    for name in map(plain_name, wanted):
        if name in builtin:
            continue
        if name not in table:
            raise ModuleMissing(f"this kernel has no {name}, built in or as a module")
        # modules.dep lists every need, direct or not, the deepest last.
        for need in [*reversed(table[name][1]), name]:
            order.setdefault(need, table[need][0])
    return list(order.values())


def read_module(file: Path) -> bytes:
    """The plain ELF module, whether or not the file is compressed."""
    data = file.read_bytes()
    return lzma.decompress(data) if file.suffix == ".xz" else data
