# SPDX-License-Identifier: GPL-2.0
"""The checkers, checked: planted sins, each of which the kernel must report.

Judged the other way round: a sin that leaves no line in the kernel's log for
scripts/qemu/kernel_log.py to find is a failure, and so is a guest whose log is
clean at the end (the scenario's `clean` is False).
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import recorder
from hosts import run
from ktap_output import comment

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "qemu"))

import kernel_log  # noqa: E402  (found through the line above)

MODULE = recorder.MODULE.parent.parent / "planted" / "planted.ko"
SIN = Path("/sys/module/planted/parameters/sin")
KMEMLEAK = Path("/sys/kernel/debug/kmemleak")
LEAK_AGE_S = 6
SOFT_LOCKUP = Path("/proc/sys/kernel/watchdog_thresh")
RCU_STALL = Path("/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout")

# What the log says of each, in an order in which none hides another: lockdep is
# silent after its first report, and after one of most others.
DEBUG_SINS = (
    ("rcu_without_lock", "suspicious RCU usage"),
    ("lock_order", "possible circular locking dependency"),
    ("sleep_in_atomic", "BUG: scheduling while atomic"),
    ("use_after_free", r"KASAN: slab-use-after-free|KASAN: use-after-free"),
    ("out_of_bounds", "KASAN: slab-out-of-bounds"),
    ("out_of_bounds_vmalloc", "KASAN: vmalloc-out-of-bounds"),
    ("leak", r"kmemleak: \d+ new suspected"),
    ("shift", "UBSAN: shift-out-of-bounds"),
    ("index_beyond", "UBSAN: array-index-out-of-bounds"),
    ("free_active_timer", "ODEBUG: free active"),
    ("reference_count", "refcount_t: "),
    ("warning", r"WARNING: .*planted"),
)
KCSAN_SINS = (
    ("data_race", r"KCSAN: data-race in race"),
    ("warning", r"WARNING: .*planted"),
)
IS_KCSAN = Path("/sys/kernel/debug/kcsan").exists()
Test = Callable[[], None]


def _commit(sin: str) -> None:
    if not SIN.exists():
        run("insmod", str(MODULE))
    SIN.write_text(sin)
    if sin == "leak":
        time.sleep(LEAK_AGE_S)
        for _ in range(2):
            KMEMLEAK.write_text("scan")


def _findings(sin: str) -> list[str]:
    """The troubling lines in the log since the sin was committed."""
    since = run("dmesg").rpartition(f"planted: {sin}\n")[2]
    return [line for line in since.splitlines() if kernel_log.kind_of(line)]


def _expect(sin: str, report: str) -> None:
    def reported() -> list[str]:
        return [line for line in _findings(sin) if re.search(report, line)]

    recorder.wait_until(f"a report of {sin}", reported, patience_s=20)
    comment(reported()[0])


def _test_of(sin: str, report: str) -> Test:
    def test() -> None:
        _commit(sin)
        _expect(sin, report)

    test.__doc__ = f"{sin} is reported, and the report is found"
    return test


for _sin, _report in KCSAN_SINS if IS_KCSAN else DEBUG_SINS:
    globals()[f"test_{_sin}"] = _test_of(_sin, _report)


def test_stall() -> None:
    """A processor that does nothing else for 12 s is reported: soft lockup, RCU stall"""
    SOFT_LOCKUP.write_text("2")
    RCU_STALL.write_text("3")
    _commit("busy")
    _expect("busy", "soft lockup")
    _expect("busy", r"rcu: .*stall")
