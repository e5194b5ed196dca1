# SPDX-License-Identifier: GPL-2.0
"""How the running kernel was configured, and what to install where that will not do."""

from __future__ import annotations

import gzip

from .host import Host

DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def config_text(host: Host) -> str | None:
    """Its .config; None where it cannot be read."""
    packed = host.read_bytes("/proc/config.gz")
    if packed is not None:
        try:
            return gzip.decompress(packed).decode(errors="replace")
        except (OSError, EOFError):
            pass
    for name in (f"/boot/config-{host.release}", f"/lib/modules/{host.release}/config",
                 f"/lib/modules/{host.release}/build/.config"):
        text = host.read(name)
        if text is not None:
            return text
    return None


def takes_modules(host: Host) -> bool:
    """Whether any module could be loaded, as far as it is known."""
    text = config_text(host)
    return text is None or "CONFIG_MODULES=y" in text.splitlines()


def architecture(host: Host) -> str:
    """As Debian names it."""
    return DEBIAN_ARCHITECTURES.get(host.machine, host.machine)


def another_kernel(host: Host) -> str:
    """What brings one that will do."""
    return f"sudo apt-get install linux-image-{architecture(host)}, then reboot"
