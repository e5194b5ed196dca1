# SPDX-License-Identifier: GPL-2.0
"""What a .ko file says of itself, read without tools."""

from __future__ import annotations

import re

from .host import MODULE, Host

VERMAGIC = re.compile(rb"\0vermagic=([^\0 ]+)")
PARAMETER = re.compile(rb"\0parm=([a-z0-9_]+):")
ELF_MAGIC = b"\x7fELF"


def is_module(data: bytes) -> bool:
    """Whether it is an uncompressed kernel module at all."""
    return data.startswith(ELF_MAGIC) and b"vermagic=" in data


def built_for(data: bytes) -> str | None:
    """The kernel release a module was built for."""
    found = VERMAGIC.search(data)
    return found.group(1).decode() if found else None


def parameters(data: bytes) -> list[str]:
    """The names of the parameters it takes."""
    return sorted({name.decode() for name in PARAMETER.findall(data)})


def signer(host: Host, path: str) -> str | None:
    """Who signed a module; modinfo reads compressed ones too."""
    result = host.run(["modinfo", "-F", "signer", path])
    return (result.stdout.strip() or None) if result is not None else None


def installed(host: Host) -> str | None:
    """The module's path under /lib/modules, as modprobe would find it."""
    result = host.run(["modinfo", "-k", host.release, "-F", "filename", MODULE])
    if result is None or result.returncode != 0:
        return None
    return result.stdout.strip() or None
