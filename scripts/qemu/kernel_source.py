# SPDX-License-Identifier: GPL-2.0
"""Debian's kernel source in the cache: what kernels for tests are built from.

checkpatch.pl and kernel-doc come from it too.  Sources of hardware that no
guest here has are left packed: they are half of the tree's 1.6 GB, and their
Kconfig files, which are needed, stay.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import cache
import debian_packages as debian
import package_shelf
from debian_packages import PackageError, say
from package_shelf import Ware

SHELF = "sources"

LEFT_PACKED = [
    f"*/{directory}/*.{suffix}"
    for directory in (
        *("drivers/gpu/drm", "drivers/infiniband", "drivers/media", "drivers/net/ethernet"),
        *("drivers/net/wireless", "drivers/scsi", "drivers/staging", "sound"),
        *("tools/perf", "tools/testing"),
        *("arch/alpha", "arch/arc", "arch/arm", "arch/arm64", "arch/csky", "arch/hexagon"),
        *("arch/loongarch", "arch/m68k", "arch/microblaze", "arch/mips", "arch/nios2"),
        *("arch/openrisc", "arch/parisc", "arch/powerpc", "arch/riscv", "arch/s390"),
        *("arch/sh", "arch/sparc", "arch/xtensa"),
    )
    for suffix in ("[chS]", "dts", "dtsi")
]


def package_of(series: str) -> str:
    """The package that holds a series' source."""
    return f"linux-source-{series}"


def fetch(package: str, version: str, final: Path) -> None:
    """Download one version of a package and unpack its tarball."""
    with tempfile.TemporaryDirectory(prefix="renoscope-source-") as scratch:
        say(f"fetching {package} {version}")
        (file,) = debian.download([f"{package}={version}"], Path(scratch))
        debian.unpack(file, Path(scratch))
        tarball = Path(scratch) / "usr" / "src" / f"{package}.tar.xz"
        with cache.publish(final) as tree:
            say(f"unpacking {tarball.name}")
            command = ["tar", "-xJf", str(tarball), "-C", str(tree), "--strip-components=1"]
            command += [f"--exclude={pattern}" for pattern in LEFT_PACKED]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise PackageError(f"cannot unpack {tarball.name}: {done.stderr.strip()}")


def source_tree(series: str) -> Path:
    """The newest source tree of a series, in the cache; its name holds the version."""
    package = package_of(series)

    def newest() -> str:
        version = debian.version(package)
        return f"{package}_{version}" if version else ""

    return package_shelf.newest(SHELF, Ware(
        package, newest, lambda final: fetch(package, final.name.partition("_")[2], final),
        lambda name: name.startswith(f"{package}_")))
