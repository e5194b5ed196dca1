# SPDX-License-Identifier: GPL-2.0
"""Debian's kernel source in the cache: what kernels for tests are built from.

checkpatch.pl and kernel-doc come from it too.  Sources of hardware that no
guest here has are left packed: they are half of the tree's 1.6 GB, and their
Kconfig files, which are needed, stay.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import cache
import debian_packages as debian
from debian_packages import PackageError, say

SERIES = ("6.1", "6.12")
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


def cached_sources(package: str, shelf: Path) -> list[Path]:
    """The complete source trees in the cache, newest last."""
    found = shelf.glob(f"{package}_*") if shelf.is_dir() else []
    return sorted(found, key=lambda path: path.stat().st_mtime)


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
    """The newest source tree of a series: from the cache, or fetched into it.

    The directory's name holds the package's version.  Where apt offers none or
    cannot be reached, the newest tree in the cache is used.
    """
    package = package_of(series)
    shelf = cache.cache_root() / SHELF
    with cache.one_at_a_time(shelf):
        try:
            if debian.lists_are_absent():
                debian.update_lists()
            version = debian.version(package)
            if not version:
                raise PackageError(
                    f"apt offers no {package}: add Debian's main, updates and security suites "
                    "to its sources, then run 'apt-get update' as root"
                )
            tree = shelf / f"{package}_{version}"
            if not tree.is_dir():
                tree = fetch_with_fresh_lists(package, version, shelf)
        except PackageError as error:
            have = cached_sources(package, shelf)
            if not have:
                raise
            say(f"{error}; using {have[-1].name} from the cache")
            return have[-1]
        for old in cached_sources(package, shelf):
            if old != tree:
                shutil.rmtree(old)
        return tree


def fetch_with_fresh_lists(package: str, version: str, shelf: Path) -> Path:
    """Fetch a version; where apt's lists turn out to be old, renew them once."""
    try:
        fetch(package, version, shelf / f"{package}_{version}")
    except PackageError as error:
        say(f"{error}; perhaps apt's lists are old")
        debian.update_lists()
        version = debian.version(package) or version
        fetch(package, version, shelf / f"{package}_{version}")
    return shelf / f"{package}_{version}"
