# SPDX-License-Identifier: GPL-2.0
"""Facts about the running machine, all asked for in one place.

Files are looked up under `root` and commands go through run(), so that tests
can describe a machine as a directory and never touch the real one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import NOT_PERMITTED, NOT_THERE, Problem
from ..place import COMMAND

MODULE = "tcp_renoscope"
PARAMETERS = f"/sys/module/{MODULE}/parameters"
DEBUGFS_DIR = "renoscope"
CONGESTION_CONTROLS = (    # as in module/reno_rules.h
    "renoscope", "reno_textbook", "reno_modern")

USUAL_DEBUGFS = "/sys/kernel/debug"
MOUNT_DEBUGFS = f"sudo mount -t debugfs none {USUAL_DEBUGFS}"

SYSTEM_PATH = ":/usr/local/sbin:/usr/sbin:/sbin"


def write_command(value: str, path: str) -> str:
    """What anybody who may use sudo can paste to write to a file of root's."""
    return f"echo {value} | sudo tee {shlex.quote(path)}"


def set_command(value: str, parameter: str) -> str:
    """The command that sets a parameter of the module."""
    return write_command(value, f"{PARAMETERS}/{parameter}")


def is_there(path: Path) -> bool | None:
    """Whether there is such a file; None where we may not look.

    Path.exists() raises PermissionError there.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    return True


@dataclass
class Host:
    """This machine, or one that a test describes."""

    root: Path = Path("/")
    release: str = field(default_factory=lambda: os.uname().release)
    machine: str = field(default_factory=lambda: os.uname().machine)
    euid: int = field(default_factory=os.geteuid)

    def path(self, name: str) -> Path:
        """Where an absolute path lies on this machine."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """A file's text, None if it is not there or may not be read."""
        data = self.read_bytes(name)
        return None if data is None else data.decode(errors="replace")

    def read_bytes(self, name: str) -> bytes | None:
        """The same without decoding."""
        try:
            return self.path(name).read_bytes()
        except OSError:
            return None

    def boot_id(self) -> str:
        """Another one each time the kernel has booted."""
        return (self.read("/proc/sys/kernel/random/boot_id") or "").strip()

    def find_tool(self, name: str) -> str | None:
        """A command's path; those in sbin are found for everybody."""
        return shutil.which(name,
                            path=os.environ.get("PATH", "") + SYSTEM_PATH)

    def run(self, argv: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
        """Run a command to its end; None if there is no such command."""
        tool = self.find_tool(argv[0])
        if tool is None:
            return None
        return subprocess.run([tool, *argv[1:]], text=True, errors="replace",
                              stdin=subprocess.DEVNULL, capture_output=True,
                              check=False)

    def module_loaded(self) -> bool:
        """Whether the module is in the kernel, and has finished coming up."""
        state = self.read(f"/sys/module/{MODULE}/initstate")
        return state is not None and state.strip() == "live"

    def debugfs_mount(self) -> str | None:
        """Where debugfs is mounted, in this mount namespace."""
        mounts = self.read("/proc/mounts") or ""
        places = [line.split()[1] for line in mounts.splitlines()
                  if line.split()[2:3] == ["debugfs"]]
        if USUAL_DEBUGFS in places:
            return USUAL_DEBUGFS
        return places[0] if places else None

    def parameters(self) -> dict[str, str]:
        """The module's parameters as they are now."""
        folder = self.path(PARAMETERS)
        try:
            names = sorted(entry.name for entry in folder.iterdir())
        except OSError:
            return {}
        found = {name: self.read(f"{PARAMETERS}/{name}") for name in names}
        return {name: text.strip() for name, text in found.items()
                if text is not None}

    def renoscope_dir(self) -> Path:
        """The module's debugfs folder; Problem says what it takes to have it."""
        if not self.module_loaded():
            raise Problem("the module is not loaded; load it with: "
                          f"sudo {COMMAND} load", NOT_THERE)
        mount = self.debugfs_mount()
        if mount is None:
            raise Problem("debugfs is not mounted; mount it with: "
                          f"{MOUNT_DEBUGFS}", NOT_THERE)
        folder = self.path(f"{mount}/{DEBUGFS_DIR}")
        try:
            folder.stat()
        except PermissionError:
            raise Problem(f"{mount} is for root only; run it with sudo",
                          NOT_PERMITTED) from None
        except OSError as error:
            raise Problem(f"the module is loaded, but {folder}: "
                          f"{error.strerror}; see: sudo dmesg", NOT_THERE) from None
        return folder

    def need_root(self, what: str) -> None:
        """Refuse in time what only root may do."""
        if self.euid != 0:
            raise Problem(f"{what} needs root; run it with sudo", NOT_PERMITTED)
