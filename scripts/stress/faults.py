# SPDX-License-Identifier: GPL-2.0
"""Making the kernel's calls fail: the n-th allocation, or the n-th call of a function.

A debug kernel (CONFIG_FAULT_INJECTION) lets a task ask that its n-th allocation from
now on fails (/proc/thread-self/fail-nth). The module call_failer does the same for any
function, on any kernel. Both stop by themselves after one fault.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hosts import run
from ktap_output import Skip
from recorder import MODULE

DEBUGFS = Path("/sys/kernel/debug")
CACHES = Path("/sys/kernel/slab")
# Memory of the checkers themselves, which know how to go without.
CHECKERS = ("kmemleak", "debug_objects", "lock", "stack_depot")
CALL_FAILER = Path("/sys/module/call_failer/parameters")
CALL_FAILER_MODULE = MODULE.parent.parent / "call_failer" / "call_failer.ko"

# Imports that sound as if they could fail, and those of them that failslab fails, that
# give back what they got, that are a table, or that belong to events and to KASAN.
MAY_FAIL = re.compile(r"alloc|create|memdup|register|setup|add_instance")
FAILS_OTHERWISE = re.compile(r"_*(kmalloc|kvmalloc|kmemdup|\w*unregister|asan_|perf_trace_buf_)")

Action = Callable[..., object]


@dataclass(frozen=True)
class Outcome:
    """What came of an action in which one call was to fail."""

    hit: bool               # there was such a call, and it failed
    error: int              # errno of the action, 0 if it succeeded


def _error_of(action: Action) -> int:
    try:
        action()
    except OSError as error:
        return error.errno or 0
    return 0


def _leave_out_checkers() -> None:
    """As far as it goes: 6.1 cannot be told by cache, nor aliases of a cache by any."""
    if not (CACHES / "kmalloc-64" / "failslab").stat().st_mode & 0o200:
        return
    for cache in CACHES.iterdir():
        with contextlib.suppress(OSError):
            (cache / "failslab").write_text(str(int(not cache.name.startswith(CHECKERS))))
    (DEBUGFS / "failslab" / "cache-filter").write_text("Y")


def _outcome(nth: int, action: Action) -> Outcome:
    """Do it; the file that counts down to the fault tells whether it came to that."""
    error = _error_of(action)
    left = int(os.pread(nth, 16, 0))
    os.pwrite(nth, b"0", 0)
    return Outcome(left == 0, error)


class FailingAllocations:
    """The n-th allocation of this thread fails, be it of slab memory or of pages."""

    def __init__(self) -> None:
        if not (DEBUGFS / "failslab").is_dir():
            raise Skip("only a debug kernel lets allocations fail")
        _leave_out_checkers()
        for setting in ("failslab/ignore-gfp-wait", "fail_page_alloc/ignore-gfp-wait"):
            (DEBUGFS / setting).write_text("N")
        for setting in ("failslab/verbose", "fail_page_alloc/verbose",
                        "fail_page_alloc/min-order"):
            (DEBUGFS / setting).write_text("0")
        self._nth = os.open("/proc/thread-self/fail-nth", os.O_RDWR)

    def run(self, n: int, action: Action) -> Outcome:
        """Do it, with the n-th allocation failing."""
        os.pwrite(self._nth, str(n).encode(), 0)
        return _outcome(self._nth, action)

    def close(self) -> None:
        """The last of it."""
        os.close(self._nth)
        (DEBUGFS / "failslab" / "cache-filter").write_text("N")


class FailingAllocationsOfInit(FailingAllocations):
    """The same, counted from where a module's init is called.

    Before that the kernel's loader is at work, with a WARN of its own where memory for
    trace events is wanting.
    """

    def __init__(self) -> None:
        super().__init__()
        (CALL_FAILER / "function").write_text("do_one_initcall")

    def run(self, n: int, action: Action) -> Outcome:
        """Do it, with the n-th allocation of init failing."""
        (CALL_FAILER / "nth_allocation").write_text(str(n))
        return _outcome(self._nth, action)

    def close(self) -> None:
        """The last of it."""
        super().close()
        (CALL_FAILER / "function").write_text("\n")


@contextlib.contextmanager
def call_failer() -> Iterator[None]:
    """The module of that name, for the time of a with block."""
    run("insmod", str(CALL_FAILER_MODULE))
    try:
        yield
    finally:
        run("rmmod", CALL_FAILER_MODULE.stem)


class FailingCalls:
    """The n-th call that this thread makes of one function fails (call_failer.c)."""

    def __init__(self, function: str, error: int) -> None:
        (CALL_FAILER / "error").write_text(str(error))
        (CALL_FAILER / "function").write_text(function)
        self._nth = os.open(CALL_FAILER / "nth", os.O_RDWR)

    def run(self, n: int, action: Action) -> Outcome:
        """Do it, with the n-th call failing."""
        os.pwrite(self._nth, str(n).encode(), 0)
        return _outcome(self._nth, action)

    def close(self) -> None:
        """The last of it."""
        os.close(self._nth)
        (CALL_FAILER / "function").write_text("\n")


def functions_that_fail(module: Path) -> dict[str, int]:
    """Functions that a module imports and that can fail, by their names; what they return."""
    imported = {line.split()[-1] for line in run("nm", "-u", str(module)).splitlines()}
    return {name: 0 if "alloc" in name else -errno.ENOMEM for name in sorted(imported)
            if MAY_FAIL.search(name) and not FAILS_OTHERWISE.match(name)}
