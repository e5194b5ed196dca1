# SPDX-License-Identifier: GPL-2.0
"""How fast this machine's time stamp counter counts, which is the guest's under TCG.

A guest that finds it out by itself compares the counter with QEMU's timer chip for a few
milliseconds. If QEMU has to wait for a processor meanwhile, it is led astray: its clock ran
up to eight times too fast, in two of twenty boots of a busy machine, and every time that it
told was wrong. So it is told. Here the same two clocks are compared with care: longer, and
a look that was interrupted does not count.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import platform
import time
from collections.abc import Callable

# rdtsc; shl $32,%rdx; or %rdx,%rax; ret
READ_TSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")
LOOKS = 50
SPAN_S = 0.05


@functools.cache
def tsc_khz() -> int | None:
    """In kHz; None where there is no such counter, or no program may be made to read it."""
    if platform.machine() != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page.write(READ_TSC)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    begin_ns, begin = _look(read)
    time.sleep(SPAN_S)
    end_ns, end = _look(read)
    return round((end - begin) * 1_000_000 / (end_ns - begin_ns))


def _look(read: Callable[[], int]) -> tuple[float, int]:
    """The time and the counter at one moment: the quickest of some looks."""
    best = None
    for _ in range(LOOKS):
        before = time.monotonic_ns()
        counter = read()
        took = time.monotonic_ns() - before
        if best is None or took < best[0]:
            best = took, before + took / 2, counter
    assert best
    return best[1:]
