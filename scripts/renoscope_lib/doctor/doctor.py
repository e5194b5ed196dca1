# SPDX-License-Identifier: GPL-2.0
"""Will it work here, and if not, what to type: one line for each check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from .. import VERSION
from ..errors import NOT_SO, OK
from ..machine import kmod
from ..machine.host import MODULE, MOUNT_DEBUGFS, Host, is_there
from ..machine.kernel_config import another_kernel, architecture, config_text, takes_modules
from ..place import BUILT, COMMAND, build_command
from . import doctor_ring
from .doctor_check import FAIL, GOOD, WARN, Check
from .doctor_trust import Trust

OLDEST_KERNEL = (6, 1)
# From 6.16 on DECLARE_TRACE() makes functions of another name (linux/tracepoint.h), and
# from 6.17 on tcp_retransmit_skb has another signature: dkms.conf stops here, too.
NEWEST_KERNEL = (6, 15)
TESTED_KERNELS = ((6, 1), (6, 12))
NEEDED_CONFIG = ("MODULES", "INET", "NETFILTER", "TRACEPOINTS", "KPROBES", "KRETPROBES",
                 "HAVE_FUNCTION_ARG_ACCESS_API", "DEBUG_FS", "64BIT")


class Doctor:
    """Runs every check on one machine."""

    def __init__(self, host: Host, built: Path = BUILT) -> None:
        self._host = host
        self._built = built
        self._loaded = host.module_loaded()

    def checks(self) -> Iterator[Check]:
        """All of them, from the kernel up to the module's own state."""
        yield from self._root()
        yield from self._kernel()
        yield from self._headers()
        yield from self._config()
        yield from self._debugfs()
        yield from Trust(self._host, self._loaded, self._found_module).checks()
        yield from self._module()
        if self._loaded and self._host.debugfs_mount() is not None:
            yield from doctor_ring.sources(self._host)
        yield from doctor_ring.congestion_controls(self._host, self._loaded)

    def _root(self) -> Iterator[Check]:
        if self._host.euid == 0:
            yield Check(GOOD, "running as root")
        else:
            yield Check(FAIL, "not running as root: what follows is only what "
                        "everybody may see", f"sudo {COMMAND} doctor")

    def _kernel(self) -> Iterator[Check]:
        release, machine = self._host.release, self._host.machine
        version = re.match(r"(\d+)\.(\d+)", release)
        series = (int(version[1]), int(version[2])) if version else (0, 0)
        new_enough, too_new = series >= OLDEST_KERNEL, series > NEWEST_KERNEL
        wide = "64" in machine or machine == "s390x"
        if too_new:
            yield Check(WARN, f"kernel {release} is newer than 6.15: the module is not written "
                        "for its tracepoints, and is not expected to build",
                        another_kernel(self._host))
        elif new_enough and wide:
            tested = series in TESTED_KERNELS
            yield Check(GOOD, f"kernel {release} on {machine}: 64 bit, " + (
                "tested" if tested else "not older than 6.1, not tested"))
        if not new_enough:
            yield Check(FAIL, f"kernel {release} is older than 6.1",
                        another_kernel(self._host))
        if not wide:
            yield Check(FAIL, f"{machine} is not a 64-bit kernel",
                        another_kernel(self._host))

    def _headers(self) -> Iterator[Check]:
        release = self._host.release
        build = f"/lib/modules/{release}/build"
        found = is_there(self._host.path(f"{build}/Makefile"))
        if found:
            yield Check(GOOD, f"kernel headers: {build}")
            return
        if not takes_modules(self._host):
            return
        if found is None:
            yield Check(WARN, f"kernel headers: {build} may not be looked into",
                        f"ls -ld $(readlink -f {build})" if self._host.euid == 0
                        else f"sudo {COMMAND} doctor")
            return
        spare = self._loaded or self._found_module is not None
        yield Check(WARN if spare else FAIL,
                    f"no kernel headers at {build}, so no module can be built",
                    f"sudo apt-get install linux-headers-{release}"
                    if self._is_packaged() else
                    f"sudo ln -s THE-FOLDER-IT-WAS-BUILT-IN {build}, as no package has "
                    "the headers of a kernel of one's own")

    def _is_packaged(self) -> bool:
        """Whether the kernel has the name of one that Debian, or Ubuntu, packs."""
        return self._host.release.endswith((f"-{architecture(self._host)}", "-generic"))

    def _config(self) -> Iterator[Check]:
        text = config_text(self._host)
        if text is None:
            yield Check(WARN, "the kernel's configuration cannot be read, so "
                        "what it lacks is not known", self._config_mend())
            return
        on = set(re.findall(r"^CONFIG_(\w+)=[ym]$", text, re.MULTILINE))
        lacking = [name for name in NEEDED_CONFIG if name not in on]
        if not lacking:
            yield Check(GOOD, "kernel configuration: "
                        + " ".join(f"CONFIG_{n}" for n in NEEDED_CONFIG))
        for name in lacking:
            yield Check(FAIL, f"the kernel was built without CONFIG_{name}",
                        another_kernel(self._host))

    def _config_mend(self) -> str:
        """Root may be able to read what is there."""
        if self._host.euid != 0:
            return f"sudo {COMMAND} doctor"
        if self._is_packaged():
            return f"sudo apt-get install --reinstall linux-image-{self._host.release}"
        return ("sudo cp THE-FOLDER-IT-WAS-BUILT-IN/.config /boot/config-"
                + self._host.release)

    def _debugfs(self) -> Iterator[Check]:
        mount = self._host.debugfs_mount()
        if mount is None:
            yield Check(FAIL, "debugfs is not mounted", MOUNT_DEBUGFS)
        else:
            yield Check(GOOD, f"debugfs is mounted at {mount}")

    @cached_property
    def _built_for(self) -> str | None:
        """Of which kernel the module beside these scripts is; None without one."""
        try:
            return kmod.built_for(self._built.read_bytes())
        except OSError:
            return None

    @cached_property
    def _found_module(self) -> str | None:
        """The module file that would be loaded, if it suits this kernel."""
        if self._built_for == self._host.release:
            return str(self._built)
        return kmod.installed(self._host)

    def _module(self) -> Iterator[Check]:
        if self._loaded:
            yield self._loaded_version()
            return
        if not takes_modules(self._host):
            yield Check(FAIL, f"{MODULE} is not loaded, and cannot be: this kernel takes "
                        "no modules", another_kernel(self._host))
            return
        if self._found_module is not None:
            yield Check(FAIL, f"{MODULE} is not loaded",
                        f"sudo {COMMAND} load")
            return
        why = (f"{self._built} was built for {self._built_for}" if self._built_for
               else f"there is no {MODULE}.ko")
        yield Check(FAIL, f"{MODULE} is not loaded, and {why}",
                    f"{build_command(self._host.release)} && "
                    f"sudo {COMMAND} load")

    def _loaded_version(self) -> Check:
        """After an upgrade the module of before is still in the kernel."""
        version = self._host.read(f"/sys/module/{MODULE}/version") or VERSION
        if version.strip() == VERSION:
            return Check(GOOD, f"{MODULE} is loaded")
        return Check(WARN, f"{MODULE} is loaded in version {version.strip()}, and "
                     f"this command is {VERSION}",
                     f"sudo {COMMAND} unload && sudo {COMMAND} load")


def examine(host: Host) -> int:
    """The subcommand: prints every check; the exit code says if one failed."""
    failed = False
    for check in Doctor(host).checks():
        print(check)
        failed = failed or check.level == FAIL
    return NOT_SO if failed else OK
