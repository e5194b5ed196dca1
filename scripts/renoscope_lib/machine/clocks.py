# SPDX-License-Identifier: GPL-2.0
"""The clock that events are told by, and the wall clock.

Events have the kernel's own CLOCK_MONOTONIC.  It stands still while the machine
sleeps, so the wall clock is then ahead of it by more than before; and in a time
namespace a process reads another one, which /proc tells how far off (the kernel's
kernel/time/namespace.c, proc_timens_show_offsets()).
"""

from __future__ import annotations

import time

from .host import Host

SECOND_NS = 1_000_000_000
OFFSETS = "/proc/self/timens_offsets"


def _ahead_ns(host: Host) -> int:
    """How far CLOCK_MONOTONIC of this time namespace is ahead of the kernel's."""
    for line in (host.read(OFFSETS) or "").splitlines():
        name, *numbers = line.split()
        if name == "monotonic" and len(numbers) == 2:
            return int(numbers[0]) * SECOND_NS + int(numbers[1])
    return 0


def monotonic_ns(host: Host | None = None) -> int:
    """CLOCK_MONOTONIC as the kernel has it."""
    return time.monotonic_ns() - _ahead_ns(host or Host())


def realtime_ns() -> int:
    """The wall clock, since 1970."""
    return time.time_ns()


def wall_offset_ns() -> int:
    """What turns an event's time into the wall clock's, as that is set now."""
    return realtime_ns() - monotonic_ns()
