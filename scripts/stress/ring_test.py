# SPDX-License-Identifier: GPL-2.0
"""The ring alone, with writers in every context on every processor.

The writers and readers are the module of ring_storm/. Every record carries a
checksum over all of it, and every reader knows the only serial that may come next.
"""

from __future__ import annotations

from itertools import combinations

from ktap_output import comment
from measure import part
from storm import CONTEXTS, PACES, TASK, Result, storm

EVENTS = 20_000
DURATION_S = 60
# Between two CPUs the order is that of their clocks' reading, but for nanoseconds
# (module/event_ring.c, "Order").
BLUR_NS = 1000


def _check_readers(result: Result) -> None:
    """No record torn, none misplaced, and the law, for each reader and CPU."""
    for number, reader in enumerate(result.readers):
        assert not reader.found["torn"], (number, reader)
        assert not reader.found["misplaced"], (number, reader)
        assert not reader.found["unfinished"], (number, reader)
        for cpu, counts in result.cpus.items():
            account = reader.accounts[cpu]
            assert account["read"] + account["lost"] == counts["written"], (
                number, cpu, account, counts)


def _check_writers(result: Result) -> None:
    """The ring counts as the writers do."""
    for cpu, counts in result.cpus.items():
        refused = sum(result.writers[cpu, context]["refused"] for context in CONTEXTS)
        assert counts == {"written": result.claimed(cpu), "unwritten": refused}, (
            cpu, counts, result.claimed(cpu), refused)


def _tell(result: Result) -> None:
    written = sum(counts["written"] for counts in result.cpus.values())
    comment(f"{written} written on {len(result.cpus)} CPUs")
    for reader in result.readers:
        comment(f"{reader.pace}: {reader.total('read')} read, {reader.total('lost')} lost, "
                f"{reader.found['busy']} times busy")


def _account_for(readers: int) -> None:
    """So many readers, of each pace in turn."""
    for pace in PACES:
        result = storm(contexts=TASK, events=part(EVENTS), readers={pace: readers})
        _tell(result)
        assert len(result.readers) == readers
        for counts in result.cpus.values():
            assert counts == {"written": part(EVENTS), "unwritten": 0}, counts
        _check_readers(result)
        for reader in result.readers:
            assert reader.total("read"), reader
            assert pace != "slow" or reader.total("lost"), reader


def test_one_reader() -> None:
    """read + lost = written through 16 records a CPU: one reader, fast, waiting, slow"""
    _account_for(1)


def test_two_readers() -> None:
    """read + lost = written through 16 records a CPU, for each of two readers"""
    _account_for(2)


def test_eight_readers() -> None:
    """read + lost = written through 16 records a CPU, for each of eight readers"""
    _account_for(8)


def _wrap(records: int) -> None:
    """Threads alone write, so that the order by time is strict too."""
    result = storm(records=records, contexts=TASK, duration_s=part(DURATION_S),
                   readers={"fast": 2, "waiting": 1, "slow": 1})
    _tell(result)
    _check_writers(result)
    _check_readers(result)
    for reader in result.readers:
        comment(f"{reader.pace}: {reader.found['back']} older than one before them, "
                f"by {reader.found['back_max_ns']} ns at most")
        assert reader.total("read") and reader.total("lost"), reader
        assert reader.found["cpu_back"] == 0, reader
        assert reader.found["back_max_ns"] <= BLUR_NS, reader


def test_wrap() -> None:
    """60 s of wrapping under readers, 16 records: nothing torn, serials and times in order"""
    _wrap(16)


def test_wrap_large() -> None:
    """60 s of wrapping, 1024 records, in which readers keep up for a while: nothing torn, in order"""
    _wrap(1024)


def _check_nesting(result: Result) -> None:
    """Each context did interrupt an open record of each lower one, on each CPU."""
    for cpu in result.cpus:
        for outer, inner in combinations(CONTEXTS, 2):
            assert result.writers[cpu, inner][f"in_{outer}"], (cpu, inner, outer)
    for inner in CONTEXTS:
        for outer in CONTEXTS[CONTEXTS.index(inner):]:
            assert not result.sum_of(f"in_{outer}", inner), (inner, outer)


def _tell_nesting(result: Result) -> None:
    for context in CONTEXTS:
        inside = ", ".join(f"{result.sum_of(f'in_{outer}', context)} in {outer}"
                           for outer in CONTEXTS[:CONTEXTS.index(context)])
        comment(f"{context}: {result.sum_of('wrote', context)} claimed, "
                f"{result.sum_of('refused', context)} found the slot open, "
                f"{result.sum_of('buried', context)} left a tombstone; "
                f"inside an open record: {inside or 'none'}")


def test_nesting() -> None:
    """Task, softirq, hardirq and NMI at once on each CPU, 60 s, until slots are found open"""
    result = storm(duration_s=part(DURATION_S),
                   readers={"fast": 2, "waiting": 2, "slow": 1})
    _tell(result)
    _tell_nesting(result)
    _check_writers(result)
    _check_nesting(result)
    _check_readers(result)
    assert result.sum_of("refused") and result.sum_of("buried"), result.writers
