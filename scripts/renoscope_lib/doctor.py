# SPDX-License-Identifier: GPL-2.0
"""Will it work here, and if not, what to type: one line for each check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import VERSION, kmod, signing
from .errors import NOT_SO, OK, Problem
from .host import (CONGESTION_CONTROLS, MODULE, MOUNT_DEBUGFS, Host,
                   set_command, write_command)
from .kernel_config import another_kernel, architecture, config_text, takes_modules
from .place import BUILT, COMMAND, build_command
from .stats import ATTACHED, Stats, parse_stats

GOOD = "ok"
WARN = "warn"
FAIL = "FAIL"

OLDEST_KERNEL = (6, 1)
TESTED_KERNELS = ((6, 1), (6, 12))
NEEDED_CONFIG = ("MODULES", "INET", "NETFILTER", "TRACEPOINTS", "KPROBES", "KRETPROBES",
                 "HAVE_FUNCTION_ARG_ACCESS_API", "DEBUG_FS", "64BIT")

# Kinds that nobody misses who did not ask for them.
OFF_BY_DEFAULT = ("segment",)

# Both switches: where ftrace is off, kprobes are silent, too.
PROBES_MEND = (write_command("1", "/sys/kernel/debug/kprobes/enabled")
               + " && sudo sysctl -w kernel.ftrace_enabled=1")

SECURE_BOOT = ("/sys/firmware/efi/efivars/"
               "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
EFI = "/sys/firmware/efi"
LOCKDOWN = "/sys/kernel/security/lockdown"
SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"


@dataclass(frozen=True)
class Check:
    """One line: what is so, and how to mend it where it should not be."""

    level: str
    what: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{self.level:<5} {self.what}"
        return f"{line}  — mend: {self.mend}" if self.mend else line


def _limits(stats: Stats) -> Iterator[Check]:
    """What keeps events out of the ring, and how to let them in."""
    if stats.frozen:
        yield Check(WARN, "recording is frozen: nothing is recorded",
                    set_command("0", "frozen"))
    if stats.filter:
        yield Check(WARN, "a filter is set, only this is recorded: "
                    f"{stats.filter}", set_command("none", "filter"))
    for name, sample in (("flow_sample", stats.flow_sample),
                         ("ack_sample", stats.ack_sample)):
        if sample > 1:
            yield Check(WARN, f"{name}: only one in {sample} is recorded",
                        set_command("1", name))


class Doctor:
    """Runs every check on one machine."""

    def __init__(self, host: Host, built: Path = BUILT) -> None:
        self._host = host
        self._built = built
        self._loaded = host.module_loaded()
        self._signature_told = False

    def checks(self) -> Iterator[Check]:
        """All of them, from the kernel up to the module's own state."""
        parts: tuple[Callable[[], Iterator[Check]], ...] = (
            self._root, self._kernel, self._headers, self._config,
            self._debugfs, self._lockdown, self._sig_enforce, self._secure_boot,
            self._module, self._sources, self._congestion_controls)
        for part in parts:
            yield from part()

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
        new_enough = series >= OLDEST_KERNEL
        wide = "64" in machine or machine == "s390x"
        if new_enough and wide:
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
        if self._host.path(f"{build}/Makefile").exists():
            yield Check(GOOD, f"kernel headers: {build}")
            return
        if not takes_modules(self._host):
            return
        spare = self._loaded or self._found_module() is not None
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
                        "what it lacks is not known",
                        "sudo apt-get install --reinstall linux-image-"
                        + self._host.release if self._is_packaged() else
                        "sudo cp THE-FOLDER-IT-WAS-BUILT-IN/.config /boot/config-"
                        + self._host.release)
            return
        on = set(re.findall(r"^CONFIG_(\w+)=[ym]$", text, re.MULTILINE))
        lacking = [name for name in NEEDED_CONFIG if name not in on]
        if not lacking:
            yield Check(GOOD, "kernel configuration: "
                        + " ".join(f"CONFIG_{n}" for n in NEEDED_CONFIG))
        for name in lacking:
            yield Check(FAIL, f"the kernel was built without CONFIG_{name}",
                        another_kernel(self._host))

    def _debugfs(self) -> Iterator[Check]:
        mount = self._host.debugfs_mount()
        if mount is None:
            yield Check(FAIL, "debugfs is not mounted", MOUNT_DEBUGFS)
        else:
            yield Check(GOOD, f"debugfs is mounted at {mount}")

    def _lockdown_name(self) -> str | None:
        text = self._host.read(LOCKDOWN)
        if text is None:
            return None
        state = re.search(r"\[(\w+)\]", text)
        return state[1] if state else text.strip()

    def _lockdown(self) -> Iterator[Check]:
        name = self._lockdown_name()
        if name is None:
            yield Check(GOOD, "kernel lockdown: none to be seen")
        elif name == "none":
            yield Check(GOOD, "kernel lockdown: none")
        else:
            yield Check(GOOD, f"kernel lockdown: {name}; the files can be read all "
                        "the same, and only a signed module will load")
            yield from self._signature()

    def _sig_enforce(self) -> Iterator[Check]:
        """By the command line, or because the kernel was built so."""
        if (self._host.read(SIG_ENFORCE) or "").strip() == "Y":
            yield Check(GOOD, "module.sig_enforce: on, only a signed module will load")
            yield from self._signature()

    def _secure_boot_is_on(self) -> bool | None:
        """None if it cannot be told."""
        data = self._host.read_bytes(SECURE_BOOT)
        if data is None:
            return None if self._host.path(EFI).exists() else False
        return data[-1:] == b"\1"

    def _secure_boot(self) -> Iterator[Check]:
        """It asks for nothing by itself: the kernel locks itself down because of it."""
        if not self._secure_boot_is_on():
            yield Check(GOOD, "Secure Boot: off, or no EFI")
            return
        lockdown = self._lockdown_name()
        yield Check(GOOD, "Secure Boot: on" + (
            ", and the kernel is not locked down" if lockdown == "none" else ""))
        if lockdown is None:
            yield from self._signature()

    def _signature(self) -> Iterator[Check]:
        """Once, whichever of them asks for it."""
        if self._signature_told:
            return
        self._signature_told = True
        if self._loaded:
            yield Check(GOOD, "module signature: good, as the module is loaded")
            return
        if self._secure_boot_is_on() is False:
            yield Check(WARN, "module signature: with Secure Boot off the kernel takes "
                        "no enrolled key, only those it was built with",
                        "switch Secure Boot on in the firmware's setup, or take "
                        "lockdown= and module.sig_enforce off the kernel's command line")
            return
        verdict = signing.judge(self._host, self._found_module())
        yield Check(GOOD if verdict.is_fine else WARN,
                    f"module signature: {verdict.what}", verdict.mend)

    @staticmethod
    def _read_module(path: str) -> bytes:
        try:
            return Path(path).read_bytes()
        except OSError:
            return b""

    def _found_module(self) -> str | None:
        """The module file that would be loaded, if it suits this kernel."""
        if (self._built.exists() and kmod.built_for(
                self._read_module(str(self._built))) == self._host.release):
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
        path = self._found_module()
        if path is not None:
            yield Check(FAIL, f"{MODULE} is not loaded",
                        f"sudo {COMMAND} load")
            return
        other = None
        if self._built.exists():
            other = kmod.built_for(self._read_module(str(self._built)))
        why = (f"{self._built} was built for {other}" if other
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

    def _sources(self) -> Iterator[Check]:
        if not self._loaded or self._host.debugfs_mount() is None:
            return
        try:
            text = (self._host.renoscope_dir() / "stats").read_text()
            stats = parse_stats(text)
        except (Problem, OSError) as error:
            yield Check(FAIL, f"the event sources are not known: {error}",
                        "sudo dmesg | grep renoscope" if self._host.euid == 0
                        else f"sudo {COMMAND} doctor")
            return
        sources = stats.sources
        attached = [source for source in sources if source.status == ATTACHED]
        yield Check(GOOD, "places in the kernel that events come from: "
                    f"{len(attached)} attached")
        nothing_asked = self._host.parameters().get("events") == "none"
        if nothing_asked:
            yield Check(WARN, "events=none: nothing is recorded",
                        set_command("default", "events"))
        yield from _limits(stats)
        silent = [source for source in sources if source.switched_off]
        if silent:
            what = " and ".join(sorted({source.switched_off for source in silent}))
            yield Check(FAIL, f"{len(silent)} of these places are silent; switched off on "
                        f"this machine: {what}", PROBES_MEND)
        for source in sources:
            name = f"source {source.kinds} ({source.place})"
            if source in silent:
                continue
            if source.is_off:
                if not nothing_asked and source.kinds not in OFF_BY_DEFAULT:
                    yield Check(WARN, f"{name}: switched off by the events "
                                "parameter", set_command("default", "events"))
            elif source.status != ATTACHED:
                yield Check(FAIL, f"{name}: {source.status}",
                            "sudo dmesg | grep renoscope")

    def _congestion_controls(self) -> Iterator[Check]:
        folder = "/proc/sys/net/ipv4"
        available, allowed, default = (
            (self._host.read(f"{folder}/tcp_{name}congestion_control")
             or "").split()
            for name in ("available_", "allowed_", ""))
        ours = [name for name in CONGESTION_CONTROLS if name in available]
        if not ours:
            if self._loaded:
                yield Check(FAIL, "no congestion control of ours is registered",
                            "sudo dmesg | grep renoscope")
            return
        yield Check(GOOD, f"congestion control registered: {' '.join(ours)}")
        barred = [name for name in ours if name not in allowed]
        if barred:
            wanted = " ".join(allowed + barred)
            yield Check(WARN, f"only root may choose {' '.join(barred)}",
                        "sudo sysctl -w net.ipv4.tcp_allowed_congestion_control="
                        f'"{wanted}"')
        else:
            yield Check(GOOD, "everybody may choose it")
        name = default[0] if default else "not known"
        yield Check(GOOD, f"the default congestion control is {name}")


def examine(host: Host) -> int:
    """The subcommand: prints every check; the exit code says if one failed."""
    failed = False
    for check in Doctor(host).checks():
        print(check)
        failed = failed or check.level == FAIL
    return NOT_SO if failed else OK
