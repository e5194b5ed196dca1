# SPDX-License-Identifier: GPL-2.0
"""How many instructions the guest has executed, those of every process counted.

In a guest booted with --icount a nanosecond of the clock is an instruction, but
while nothing runs the clock leaps to the next timer. The kernel counts those
leaps: so what the clock went on by, less what the kernel calls idle, was executed,
by whomever. A reader that works while the one who measures sleeps is counted, too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

TIMER_LIST = Path("/proc/timer_list")
IDLE = re.compile(r"^\s*\.idle_sleeptime\s*:\s*(\d+) nsecs$", re.MULTILINE)


def idle_of(timer_list: str) -> int:
    """The nanoseconds that the only processor was idle, from timer_list's text."""
    found = IDLE.findall(timer_list)
    if len(found) != 1:
        raise ValueError(f"{len(found)} processors in {TIMER_LIST}, not one: boot with "
                         "--icount")
    return int(found[0])


def cost(work: Callable[[], object]) -> int:
    """Instructions that something takes."""
    began = instructions()
    work()
    return instructions() - began


def instructions() -> int:
    """Executed so far, but for a constant."""
    idle = idle_of(TIMER_LIST.read_text())
    return time.monotonic_ns() - idle
