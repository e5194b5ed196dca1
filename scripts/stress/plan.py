# SPDX-License-Identifier: GPL-2.0
"""The plan of the stress: which scenario runs on which kernel, on what machine."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from renoscope_lib.ring import schema_source

HERE = Path(__file__).resolve().parent

STOCK = ("stock-6.1", "stock-6.12")
DEBUG = ("debug-6.1", "debug-6.12")
KCSAN = ("kcsan-6.12",)
# A C compiler, by whatever name.
CC = "a C compiler"
# No kernel of ours: this machine, where only programs are tried.
HOST = "host"
KERNELS = (HOST, *STOCK, *DEBUG, *KCSAN)

# An emulated processor stands still for seconds when this machine is busy: what
# makes none of its way for two minutes is a lockup.
SLOW = "watchdog_thresh=60"

# Where processors are parallel, the kernel's text is to stay as it is while there is
# traffic. What loading the module attaches is written before. But seconds later, at a
# moment that nobody chooses, kprobes that are breakpoints would be made jumps.
AS_LOADED = "sysctl.debug.kprobes-optimization=0"


@dataclass(frozen=True)
class Scenario:
    """A file of tests, where it runs, and on what machine.

    Parallel processors are real threads: needed where races are looked for, and only
    for scenarios that have no traffic while they load modules or attach probes, on
    kernels without static keys (see qemu/machine.py and host_root.config). Where a
    scenario is not `clean`, a kernel log without trouble is what fails; one that judges
    the kernel's warnings itself brings `taint` about. A scenario
    `in_busybox` is NAME.sh, so many times, in a guest that has no other files: the
    host's would not come back after a suspend. What it `needs` are programs of this
    machine, which a guest has, too.
    """

    name: str
    kernels: Sequence[str]
    timeout_s: int = 1800
    processors: int = 2
    memory_mb: int = 1536
    parallel: bool = False
    append: str = ""
    clean: bool = True
    taint: str = ""
    in_busybox: int = 0
    needs: Sequence[str] = ()


# A scenario, and one of its kernels.
Place = tuple[Scenario, str]

PLAN = (
    # Whether the checkers check: these guests' logs must not be clean.
    Scenario("planted", (*DEBUG, *KCSAN), append="kasan_multi_shot", clean=False),
    # The ring: accounting, wrapping, nesting.
    Scenario("ring", STOCK, timeout_s=2400, processors=4),
    Scenario("ring", (*DEBUG, *KCSAN), timeout_s=3600, processors=4, parallel=True),
    Scenario("accounting", (*STOCK, *DEBUG), timeout_s=2400),
    Scenario("accounting", KCSAN, timeout_s=2400, parallel=True),
    Scenario("readers", (HOST,), 1800, needs=[CC]),
    Scenario("parameters", (*STOCK, *DEBUG), 3600),
    Scenario("filters", (*STOCK, *DEBUG), 3600),
    Scenario("calls", (*STOCK, *DEBUG), 3600),
    Scenario("calls", KCSAN, 3600, parallel=True),
    Scenario("secrets", (*STOCK, *DEBUG), 1800),
    Scenario("reload", (*STOCK, *DEBUG), 7200),
    # Without memory where only a debug kernel lets it fail; with calls that fail on any.
    Scenario("load_faults", STOCK, 7200, needs=["nm", "strip"]),
    Scenario("load_faults", DEBUG, 9000, taint="W", needs=["nm", "strip"]),
    Scenario("unload_faults", DEBUG, 7200, taint="W", needs=["strip"]),
    Scenario("attach_faults", STOCK, 7200, needs=["nm", "strip"]),
    Scenario("attach_faults", DEBUG, 9000, taint="W", needs=["nm", "strip"]),
    Scenario("file_faults", DEBUG, 7200, taint="W", needs=["strip"]),
    # Traffic, and what happens to it.
    Scenario("switch_storm", STOCK, needs=[CC]),
    Scenario("switch_storm", (*DEBUG, *KCSAN), processors=4, parallel=True, needs=[CC]),
    Scenario("attach", (*STOCK, *DEBUG), timeout_s=7200, needs=["bpftrace"]),
    Scenario("namespaces", (*STOCK, *DEBUG), timeout_s=5400),
    Scenario("syn_storm", (*STOCK, *DEBUG), timeout_s=7200, needs=[CC]),
    Scenario("processors", (*STOCK, *DEBUG), timeout_s=3600, processors=4, append="maxcpus=2"),
    Scenario("suspend", (*STOCK, *DEBUG), in_busybox=20),
    Scenario("soak", (*STOCK, "debug-6.12"), timeout_s=5400, memory_mb=4096,
             needs=[CC]),
    Scenario("holders", (*STOCK, *DEBUG), 3600, needs=[CC, "bpftrace"]),
    Scenario("open_unload", (*STOCK, *DEBUG), 7200, taint="W"),
    # Locked down, nobody may write to kmemleak's file, so it cannot be asked.
    Scenario("lockdown", (*STOCK, *DEBUG), append="lockdown=integrity kmemleak=off",
             needs=["openssl"]),
)


def chosen(names: Sequence[str], kernels: Sequence[str]) -> list[Place]:
    """The scenarios and kernels asked for, all of them without names."""
    return [(scenario, kernel) for scenario in PLAN for kernel in scenario.kernels
            if (not names or scenario.name in names) and (not kernels or kernel in kernels)]


def is_here(program: str) -> bool:
    """Whether this machine has it."""
    if program == CC:
        return schema_source.find_compiler() is not None
    return shutil.which(program) is not None


def missing(plan: Sequence[Place]) -> str:
    """The programs that these scenarios need and that are not here, in words."""
    needing: dict[str, list[str]] = {}
    for name, programs in {scenario.name: scenario.needs for scenario, _ in plan}.items():
        for program in programs:
            needing.setdefault(program, []).append(name)
    return ", ".join(f"{program} (for {' and '.join(names)})"
                     for program, names in needing.items() if not is_here(program))


def title_of(scenario: Scenario) -> str:
    """What its file says of it first."""
    if scenario.in_busybox:
        text = (HERE / f"{scenario.name}.sh").read_text("utf-8")
        return next(line[2:] for line in text.splitlines()[2:] if line.startswith("# "))
    text = (HERE / f"{scenario.name}_test.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
