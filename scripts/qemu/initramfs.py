# SPDX-License-Identifier: GPL-2.0
"""Write an initramfs: a cpio archive in the kernel's "newc" form.

The archive is small and made anew for each boot, so it is written here rather
than by the cpio command: no tree to lay out on disk first, and files of any
owner come out as root's.  Format: Documentation/driver-api/early-userspace/
buffer-format.rst in the kernel.
"""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath

MAGIC = b"070701"
TRAILER = "TRAILER!!!"
ALIGNMENT = 4


class Initramfs:
    """A growing archive; parents of every path are added by themselves."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 0
        self._seen: set[str] = set()

    def add_directory(self, path: str) -> None:
        """Add a directory, once."""
        name = _inside(path)
        if name and name not in self._seen:
            self._add(name, stat.S_IFDIR | 0o755, b"")

    def add_file(self, path: str, data: bytes, executable: bool = False) -> None:
        """Add a regular file with this content."""
        self._add(_inside(path), stat.S_IFREG | (0o755 if executable else 0o644), data)

    def add_symlink(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(_inside(path), stat.S_IFLNK | 0o777, target.encode())

    def add_tree(self, source: Path, path: str) -> None:
        """Add a host file, or a host directory and all below it."""
        if source.is_dir():
            self.add_directory(path)
            for child in sorted(source.iterdir()):
                self.add_tree(child, f"{path}/{child.name}")
        else:
            mode = source.stat().st_mode
            self.add_file(path, source.read_bytes(), executable=bool(mode & stat.S_IXUSR))

    def to_bytes(self) -> bytes:
        """The whole archive, ended as the kernel wants it."""
        return b"".join([*self._parts, _entry(0, TRAILER, 0, b"")])

    def _add(self, name: str, mode: int, data: bytes) -> None:
        if not name:
            raise ValueError("a file in an initramfs needs a name")
        if name in self._seen:
            raise ValueError(f"two files are to be /{name} in the guest")
        parent = str(PurePosixPath(name).parent)
        if parent != ".":
            self.add_directory(parent)
        self._seen.add(name)
        self._inode += 1
        self._parts.append(_entry(self._inode, name, mode, data))


def _inside(path: str) -> str:
    """A guest path as the archive names it: relative, and without '..'."""
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    if ".." in parts:
        raise ValueError(f"'..' in the guest path {path}")
    return "/".join(parts)


def _padding(length: int) -> bytes:
    return b"\0" * (-length % ALIGNMENT)


def _entry(inode: int, name: str, mode: int, data: bytes) -> bytes:
    """One header, its name and its data, each padded to four bytes."""
    name_bytes = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    owner = group = mtime = device = checksum = 0
    fields = [inode, mode, owner, group, links, mtime, len(data)]
    fields += [device] * 4 + [len(name_bytes), checksum]
    header = MAGIC + b"".join(b"%08X" % field for field in fields)
    head = header + name_bytes
    return head + _padding(len(head)) + data + _padding(len(data))
