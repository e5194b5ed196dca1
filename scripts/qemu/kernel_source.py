# SPDX-License-Identifier: GPL-2.0
"""Debian's kernel source in the cache: what the KUnit kernel is built from.

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

PACKAGE = "linux-source-6.12"
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


def cached_sources(shelf: Path) -> list[Path]:
    """The complete source trees in the cache, newest last."""
    found = shelf.glob(f"{PACKAGE}_*") if shelf.is_dir() else []
    return sorted(found, key=lambda path: path.stat().st_mtime)


def fetch(version: str, final: Path) -> None:
    """Download one version of the package and unpack its tarball."""
    with tempfile.TemporaryDirectory(prefix="renoscope-source-") as scratch:
        say(f"fetching {PACKAGE} {version}")
        (package,) = debian.download([f"{PACKAGE}={version}"], Path(scratch))
        debian.unpack(package, Path(scratch))
        tarball = Path(scratch) / "usr" / "src" / f"{PACKAGE}.tar.xz"
        with cache.publish(final) as tree:
            say(f"unpacking {tarball.name}")
            command = ["tar", "-xJf", str(tarball), "-C", str(tree), "--strip-components=1"]
            command += [f"--exclude={pattern}" for pattern in LEFT_PACKED]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise PackageError(f"cannot unpack {tarball.name}: {done.stderr.strip()}")


def source_tree() -> Path:
    """The newest source tree: from the cache, or fetched into it.

    The directory's name holds the package's version.  Where apt offers none or
    cannot be reached, the newest tree in the cache is used.
    """
    shelf = cache.cache_root() / SHELF
    with cache.one_at_a_time(shelf):
        try:
            if debian.lists_are_absent():
                debian.update_lists()
            version = debian.version(PACKAGE)
            if not version:
                raise PackageError(
                    f"apt offers no {PACKAGE}: add Debian's main, updates and security suites "
                    "to its sources, then run 'apt-get update' as root"
                )
            tree = shelf / f"{PACKAGE}_{version}"
            if not tree.is_dir():
                tree = fetch_with_fresh_lists(version, shelf)
        except PackageError as error:
            have = cached_sources(shelf)
            if not have:
                raise
            say(f"{error}; using {have[-1].name} from the cache")
            return have[-1]
        for old in cached_sources(shelf):
            if old != tree:
                shutil.rmtree(old)
        return tree


def fetch_with_fresh_lists(version: str, shelf: Path) -> Path:
    """Fetch a version; where apt's lists turn out to be old, renew them once."""
    try:
        fetch(version, shelf / f"{PACKAGE}_{version}")
    except PackageError as error:
        say(f"{error}; perhaps apt's lists are old")
        debian.update_lists()
        version = debian.version(PACKAGE) or version
        fetch(version, shelf / f"{PACKAGE}_{version}")
    return shelf / f"{PACKAGE}_{version}"
