# SPDX-License-Identifier: GPL-2.0
"""What runs a scenario of the plan: a guest for it, or a process on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from boot_codes import BootCode
from plan import AS_LOADED, HOST, SLOW, Scenario
from tally import Guest, path_from

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parent
OUT = SCRIPTS.parent / "out" / "stress"


def kernel_path(name: str) -> str:
    """The folder of a kernel that the plan names: fetched or built if need be."""
    kind, _, series = name.partition("-")
    if kind == "stock":
        return path_from(SCRIPTS / "qemu" / "fetch-kernel", series)
    return path_from(SCRIPTS / "qemu" / "build-kernel", "--series", series, kind)


class OnHost(Guest):
    """A scenario that needs no guest: its file runs by itself."""

    def command(self) -> list[str | Path]:
        """What runs it; Debian's Python is the one that has numpy."""
        return ["timeout", str(self.timeout_s), *self.arguments]


def machine_of(scenario: Scenario) -> list[str]:
    """The options of scripts/qemu/boot that say what it runs on."""
    append = [SLOW, *([AS_LOADED] if scenario.parallel else []), scenario.append]
    return ["--root", "host", "--smp", str(scenario.processors),
            "--memory", str(scenario.memory_mb), "--append", " ".join(append).strip(),
            *(["--parallel"] if scenario.parallel else []),
            *(["--taint", scenario.taint] if scenario.taint else [])]


def guest_of(scenario: Scenario, kernel: str, part: float) -> Guest:
    """What runs one scenario on one kernel."""
    if kernel == HOST:
        return OnHost(f"{scenario.name}-{HOST}", "", OUT, [
            "env", f"RENOSCOPE_STRESS_PART={part:g}", "/usr/bin/python3",
            HERE / f"{scenario.name}_test.py"], scenario.timeout_s)
    folder = kernel_path(kernel)
    built = path_from(SCRIPTS / "build-module", "--stress", folder)
    if scenario.in_busybox:
        return _guest_in_busybox(scenario, kernel, folder, f"{built}/module/tcp_renoscope.ko",
                                 max(1, round(scenario.in_busybox * part)))
    command: list[str | Path] = [
        HERE / "in_guest", "env", f"RENOSCOPE_MODULE={built}/module/tcp_renoscope.ko",
        f"RENOSCOPE_KERNEL_BUILD={folder}/build", f"RENOSCOPE_STRESS_PART={part:g}",
        f"RENOSCOPE_STRESS_SEED={os.environ.get('RENOSCOPE_STRESS_SEED', '')}",
        SCRIPTS / "selftests" / "run", "--folder", HERE, scenario.name]
    return Guest(f"{scenario.name}-{kernel}", folder, OUT, [
        *machine_of(scenario), "--share", OUT, "--", *command], scenario.timeout_s,
        BootCode.OK if scenario.clean else BootCode.LOG_NOT_CLEAN)


def _guest_in_busybox(scenario: Scenario, kernel: str, folder: str, module: str,
                      times: int) -> Guest:
    """The same, of a scenario that is a shell script."""
    name = f"{scenario.name}.sh"
    return Guest(f"{scenario.name}-{kernel}", folder, OUT, [
        "--smp", str(scenario.processors), "--memory", str(scenario.memory_mb),
        "--file", f"{HERE / name}:/{name}", "--file", f"{module}:/module.ko",
        "--", f"/{name}", "/module.ko", str(times)], scenario.timeout_s)
