# SPDX-License-Identifier: GPL-2.0
"""Put together the initramfs that a guest starts from.

It holds busybox, the two scripts in guest/, the modules that must be inserted
before the command's root can be mounted, the command itself, and whatever
files the caller wants in the guest.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import kernel_modules
from initramfs import Initramfs

GUEST_SCRIPTS = Path(__file__).resolve().parent / "guest"
SETTINGS = "/run/renoscope"

NINEP_MODULES = ("virtio_pci", "9pnet_virtio", "9p")
OVERLAY_MODULES = ("overlay",)

# The host's files do not change under a test, so the guest may cache them;
# shared directories are for results, which both sides must see at once.
NINEP_ROOT_OPTIONS = "msize=131072,cache=loose"
NINEP_SHARE_OPTIONS = "msize=131072,cache=none"

# Host directories that the guest finds empty.
EMPTIED = (Path("/tmp"), Path("/run"), Path("/var/tmp"))


class GuestError(Exception):
    """One line for the user: why no guest can be made."""


@dataclass(frozen=True)
class Kernel:
    """A kernel as fetch-kernel and build-kernel lay it out."""

    directory: Path

    @property
    def release(self) -> str:
        """What uname -r will say."""
        return (self.directory / "release").read_text(encoding="ascii").strip()

    @property
    def image(self) -> Path:
        """What QEMU loads: the unpacked kernel where there is one, for speed."""
        unpacked = self.directory / "vmlinux"
        return unpacked if unpacked.is_file() else self.directory / "vmlinuz"

    @property
    def modules(self) -> Path:
        """The kernel's own modules; absent where all is built in."""
        return self.directory / "modules"

    def has(self, option: str) -> bool:
        """Whether a configuration option is on, built in or as a module."""
        config = (self.directory / "config").read_text(encoding="utf-8")
        return f"\nCONFIG_{option}=y\n" in config or f"\nCONFIG_{option}=m\n" in config


@dataclass(frozen=True)
class Terminal:
    """The user's terminal, of which the guest's is to be the like."""

    name: str
    columns: int
    rows: int


@dataclass(frozen=True)
class Guest:
    """All that a boot's initramfs is made from."""

    kernel: Kernel
    root: str
    command: Sequence[str]
    workdir: Path
    token: str
    files: Sequence[tuple[Path, str]]
    shares: Sequence[Path]
    modules: Sequence[str]
    terminal: Terminal | None = None
    stdin: bytes = b""

    def uses_9p(self) -> bool:
        """Whether the guest mounts anything of the host."""
        return self.root == "host" or bool(self.shares)


def command_text(command: Sequence[str]) -> str:
    """The shell script to run: one word is shell text already, several are quoted."""
    return (command[0] if len(command) == 1 else shlex.join(command)) + "\n"


def share_tag(index: int) -> str:
    """The name by which the guest asks QEMU for a shared directory."""
    return f"share{index}"


def paths_to_keep(workdir: Path) -> list[Path]:
    """What to keep visible of the directories that the guest finds empty.

    A checkout below /tmp is kept whole, from the directory just below /tmp.
    """
    for emptied in EMPTIED:
        if emptied in workdir.parents:
            return [emptied / workdir.relative_to(emptied).parts[0]]
    return []


def wanted_modules(guest: Guest) -> list[str]:
    """The kernel's modules to insert before the command runs."""
    wanted = list(guest.modules)
    if guest.uses_9p():
        if not guest.kernel.has("NET_9P_VIRTIO") or not guest.kernel.has("9P_FS"):
            raise GuestError(
                f"kernel {guest.kernel.release} has no 9p, which --root host and --share need: "
                "use a stock kernel, or --file to bring files in"
            )
        wanted = [*NINEP_MODULES, *wanted]
    if guest.root == "host":
        wanted = [*OVERLAY_MODULES, *wanted]
    return wanted


def busybox() -> bytes:
    """The statically linked busybox, which runs without any library."""
    path = shutil.which("busybox")
    data = Path(path).read_bytes() if path else b""
    # A dynamic program names its interpreter; a static one has none.
    if not data or b"/ld-linux" in data[:4096]:
        raise GuestError("no static busybox found: install the package busybox-static")
    return data


def settings_text(guest: Guest, inserted: Sequence[str]) -> str:
    """The shell assignments that guest/init and guest/finish read."""
    modules = guest.kernel.modules
    terminal = guest.terminal
    values = {
        "root": guest.root,
        "release": guest.kernel.release,
        "token": guest.token,
        "workdir": str(guest.workdir) if guest.root == "host" else "/",
        "kernel_modules": os.path.realpath(modules) if modules.is_dir() else "",
        "modules": " ".join(inserted),
        "ninep_root": NINEP_ROOT_OPTIONS,
        "ninep_share": NINEP_SHARE_OPTIONS,
        "input": f"{SETTINGS}/stdin" if guest.stdin else "/dev/null",
        "terminal": f"rows {terminal.rows} cols {terminal.columns}" if terminal else "",
        "terminal_name": terminal.name if terminal else "dumb",
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _lines(items: Sequence[str]) -> bytes:
    return "".join(f"{item}\n" for item in items).encode()


def build(guest: Guest) -> bytes:
    """The initramfs of one boot."""
    archive = Initramfs()
    archive.add_file("/bin/busybox", busybox(), executable=True)
    archive.add_symlink("/bin/sh", "busybox")
    archive.add_file("/init", (GUEST_SCRIPTS / "init").read_bytes(), executable=True)
    archive.add_file(f"{SETTINGS}/finish", (GUEST_SCRIPTS / "finish").read_bytes(), True)
    archive.add_file(f"{SETTINGS}/command", command_text(guest.command).encode())
    archive.add_file(f"{SETTINGS}/stdin", guest.stdin)

    inserted = []
    try:
        order = kernel_modules.insertion_order(guest.kernel.modules, wanted_modules(guest))
    except kernel_modules.ModuleMissing as error:
        raise GuestError(str(error)) from error
    for file in order:
        name = f"{SETTINGS}/modules/{kernel_modules.plain_name(file.name)}.ko"
        archive.add_file(name, kernel_modules.read_module(file))
        inserted.append(name)

    # Where the host's files become the root, the caller's are copied over them.
    top = f"{SETTINGS}/files" if guest.root == "host" else ""
    for source, destination in guest.files:
        archive.add_tree(source, top + destination)

    shares = [f"{share_tag(index)} {path}" for index, path in enumerate(guest.shares)]
    archive.add_file(f"{SETTINGS}/shares", _lines(shares))
    archive.add_file(f"{SETTINGS}/keep", _lines([str(p) for p in paths_to_keep(guest.workdir)]))
    archive.add_file(f"{SETTINGS}/settings", settings_text(guest, inserted).encode())
    return archive.to_bytes()
