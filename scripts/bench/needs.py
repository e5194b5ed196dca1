# SPDX-License-Identifier: GPL-2.0
"""What a tool needs to be measured here, and why one cannot be."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "selftests"))

from hosts import run  # noqa: E402  (found through the line above)


class Unavailable(Exception):
    """Why a tool cannot be measured here."""


@contextlib.contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder on tmpfs, so that saving costs what saving to a file costs at least."""
    with tempfile.TemporaryDirectory() as folder:
        run("mount", "-t", "tmpfs", "-o", "size=512m", "none", folder)
        try:
            yield Path(folder)
        finally:
            run("umount", "-l", folder)


def lay_out_headers() -> None:
    """Put the kernel's headers where Debian's package has them, which bcc needs."""
    there = Path("/lib/modules", os.uname().release)
    if (there / "source").exists() and (there / "build").exists():
        return
    kernel = Path(os.environ["RENOSCOPE_KERNEL"])
    new = Path(tempfile.mkdtemp())
    for entry in (kernel / "modules").iterdir():
        if entry.name != "build":
            (new / entry.name).symlink_to(entry)
    (new / "build").symlink_to(kernel / "build")
    common, = (kernel / "usr" / "src").glob("linux-headers-*-common")
    (new / "source").symlink_to(common)
    run("mount", "--bind", str(new), str(there))


def need(program: str, package: str) -> None:
    """Unavailable if a program is not there."""
    if not shutil.which(program):
        raise Unavailable(f"no {program}: Debian's {package} is not installed")


def reason_in(said: str) -> str:
    """The line of what a command said that tells best why it failed."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line.lower()]
    return (errors or lines[-1:] or ["it said nothing"])[0][:200]
