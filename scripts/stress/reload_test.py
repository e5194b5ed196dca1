# SPDX-License-Identifier: GPL-2.0
"""Loads and unloads under traffic: they cost no memory and no word in the log.

What one load takes is measured first: it is the measure of the rest. What all loads
together may leave is less than a single one takes of vmalloc's memory, where the ring
lies; what else may come and go is what traffic moves, so the bounds are wider there.
"""

from __future__ import annotations

import errno
from pathlib import Path

import kernel_messages
import module_calls
from hosts import TwoHosts
from ktap_output import comment
from measure import part
from recorder import FOLDER, NAME, wait_until, written
from steady_traffic import SteadyTraffic

LOADS = 200
# Until caches and pools have the size that this traffic gives them.
WARM_UP = 20
FIELDS = ("MemAvailable", "SUnreclaim", "VmallocUsed", "Percpu")
# Seen to come and go with nothing leaked: 16 MiB of pages, 1 MiB of slabs.
PAGES_KB = 32 << 10
SLABS_KB = 3 << 10
PERCPU_KB = 64
# On a debug kernel freed slab objects stay in KASAN's quarantine for a while; there
# kmemleak judges, at the end of the guest.
KMEMLEAK = Path("/sys/kernel/debug/kmemleak")


def _meminfo() -> dict[str, int]:
    """The fields in KiB, after everything that can be given back was."""
    for word in ("4", "3"):     # silently from now on; all caches
        Path("/proc/sys/vm/drop_caches").write_text(word)
    for cache in Path("/sys/kernel/slab").glob("*/shrink"):
        cache.write_text("1\n")
    words = [line.split() for line in Path("/proc/meminfo").read_text().splitlines()]
    found = {line[0].rstrip(":"): int(line[1]) for line in words}
    return {field: found[field] for field in FIELDS}


def _unload() -> bool:
    try:
        module_calls.unload()
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise
        return False
    return True


def _reload(traffic: SteadyTraffic, times: int) -> int:
    """Load, let traffic be recorded, unload; how many events there were."""
    events = 0
    for _ in range(times):
        module_calls.load("events=all")
        wait_until("something recorded", lambda: written() > 20)
        events += written()
        wait_until("nobody to hold the module", _unload)
        assert not FOLDER.exists()
        assert traffic.is_alive()
    return events


def _taken_by_one_load() -> dict[str, int]:
    before = _meminfo()
    module_calls.load("events=all")
    while_loaded = _meminfo()
    wait_until("nobody to hold the module", _unload)
    return {field: while_loaded[field] - before[field] for field in FIELDS}


def _check_flat(loads: int, taken: dict[str, int], grown: dict[str, int]) -> None:
    """A ring left behind at each load would be several times what is allowed."""
    ring = taken["VmallocUsed"]
    assert ring > 2048, f"a load was to take a ring of some MiB, it took {taken}"
    assert grown["VmallocUsed"] < ring, grown
    assert -grown["MemAvailable"] < PAGES_KB + loads * ring // 10, grown
    assert grown["Percpu"] < PERCPU_KB, grown
    assert KMEMLEAK.exists() or grown["SUnreclaim"] < SLABS_KB, grown


def test_loads_under_traffic() -> None:
    """200 loads and unloads under traffic with loss: memory flat, nothing in the log"""
    with TwoHosts() as hosts, SteadyTraffic(hosts) as traffic:
        events = _reload(traffic, part(WARM_UP))
        taken = _taken_by_one_load()
        comment(f"one load takes, in KiB: {taken}")
        before, log = _meminfo(), kernel_messages.texts()
        loads = part(LOADS)
        events += _reload(traffic, loads)
        after = _meminfo()
        said = kernel_messages.texts() - log
    assert not said, said
    grown = {field: after[field] - before[field] for field in FIELDS}
    comment(f"after {loads} loads of {NAME}, {traffic.connections} connections and "
            f"{events} events, in KiB: {grown}")
    assert traffic.connections, "no connection came to its end"
    _check_flat(loads, taken, grown)
