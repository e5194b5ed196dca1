# SPDX-License-Identifier: GPL-2.0
"""Debian packages as a source of files: found, downloaded, unpacked, never installed.

Kernels for the bench must not become the host's kernels, and their package
names change with every security update.  So the names are asked of apt each
time, and the packages are only unpacked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

APT_LISTS = Path("/var/lib/apt/lists")


class PackageError(Exception):
    """One line for the user: what could not be had, and how to mend it."""


def say(text: str) -> None:
    """Progress goes to stderr; stdout belongs to the result."""
    print(text, file=sys.stderr, flush=True)


def depends(package: str) -> list[str]:
    """The names that a package depends on, as apt's lists have them."""
    done = subprocess.run(
        ["apt-cache", "depends", package], capture_output=True, text=True, check=False
    )
    return re.findall(r"^\s*\|?Depends: ([^<\s]+)$", done.stdout, re.MULTILINE)


def version(package: str) -> str:
    """The candidate version of a package, or an empty string."""
    done = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", package],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^Version: (\S+)$", done.stdout, re.MULTILINE)
    return found.group(1) if found else ""


def update_lists() -> None:
    """Refresh apt's lists; needs root or sudo."""
    command = ["apt-get", "-qq", "update"]
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise PackageError(
                "apt's package lists are missing or old, and only root may renew them: "
                "run 'apt-get update' as root"
            )
        command.insert(0, "sudo")
    say("renewing apt's package lists")
    done = subprocess.run(command, stdout=sys.stderr.fileno(), check=False)
    if done.returncode != 0:
        raise PackageError("apt-get update failed (see above); is the network there?")


def lists_are_absent() -> bool:
    """Whether apt knows no package at all, as in a fresh container."""
    return not any(APT_LISTS.glob("*_Packages*"))


def download(packages: Sequence[str], into: Path) -> list[Path]:
    """Download packages into a directory and return the files."""
    # As root, apt would drop to the user _apt, who may not write into our
    # directory, and warn about it; it checks the signatures either way.
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages]
    done = subprocess.run(command, cwd=into, capture_output=True, text=True, check=False)
    files = sorted(into.glob("*.deb"))
    if done.returncode != 0 or len(files) < len(packages):
        lines = (done.stderr or done.stdout).strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        raise PackageError(f"cannot download {' '.join(packages)}: {reason}")
    return files


def unpack(package: Path, into: Path) -> None:
    """Unpack the files of one package."""
    done = subprocess.run(
        ["dpkg-deb", "-x", str(package), str(into)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PackageError(f"cannot unpack {package.name}: {done.stderr.strip()}")
