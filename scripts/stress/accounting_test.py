# SPDX-License-Identifier: GPL-2.0
"""The law of the ring, by the module's own files and with TCP's own events.

A known number of connections is made on each processor, through a ring of 16
records, while readers are at work. How many events there were is told by another
witness: the kernel's own tracing, on the tracepoint that the kind `state` comes
from.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import recorder
from following import CHUNK, LOOK_MS, Account, Reader, events
from ktap_output import comment
from loopback import on_cpu
from measure import part
from recorder import FOLDER, Recorder

RING_RECORDS = 16
CONNECTIONS = 200
# Of both ends, from CLOSE to CLOSE or TIME-WAIT.
STATES_AT_LEAST = 10

TRACING = Path("/sys/kernel/tracing")
WITNESS = TRACING / "events" / "sock" / "inet_sock_set_state" / "enable"


# ---- writers, and the witness ----------------------------------------------------


def _connect_on(cpu: int, connections: int) -> None:
    with on_cpu(cpu), socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(connections):
            with socket.create_connection(listener.getsockname()) as client:
                listener.accept()[0].close()
                client.recv(1)


@contextlib.contextmanager
def _witness() -> Iterator[Callable[[], dict[int, int]]]:
    """The kernel's tracing of every change of state; its counts, by CPU."""
    (TRACING / "buffer_size_kb").write_text("8192")
    (TRACING / "trace").write_text("")
    WITNESS.write_text("1")
    try:
        yield _traced
    finally:
        WITNESS.write_text("0")


def _traced() -> dict[int, int]:
    counts = {}
    for folder in (TRACING / "per_cpu").glob("cpu*"):
        lines = (folder / "stats").read_text().splitlines()
        stats = dict(line.split(": ", 1) for line in lines if ": " in line)
        counts[int(folder.name.removeprefix("cpu"))] = (
            int(stats["entries"]) + int(stats["overrun"]) + int(stats["dropped events"]))
    return counts


# ---- the tests --------------------------------------------------------------------


def _written() -> dict[int, int]:
    return {cpu: counts["written"] for cpu, counts in recorder.stats().items()}


def _check(name: str, account: Account, written: dict[int, int], cpus: set[int]) -> None:
    assert not account.misplaced, (name, account)
    for cpu in cpus:
        assert account.read[cpu] + account.lost[cpu] == written[cpu], (
            name, cpu, account, written)
    assert set(account.read) | set(account.lost) <= cpus, (name, account)


def _readers(it: Recorder, count: int, slow: bool, cpus: list[int],
             stop: int, stopper: int) -> list[Reader]:
    """So many readers, on the module's files in turn."""
    files = ["trace_raw", "trace_pipe", *(f"per_cpu/cpu{cpu}/trace_raw" for cpu in cpus)]
    return [Reader(it, files[number % len(files)], slow, stop, stopper)
            for number in range(count)]


def _account_for(count: int, slow: bool) -> None:
    """Connections on each CPU, and so many readers beside."""
    cpus = sorted(os.sched_getaffinity(0))
    stop, stopper = os.pipe()
    with Recorder(f"ring_records={RING_RECORDS}", "events=state") as it:
        before = _written()
        with _witness() as traced:
            readers = _readers(it, count, slow, cpus, stop, stopper)
            for cpu in cpus:
                _connect_on(cpu, part(CONNECTIONS))
            os.close(stopper)
            accounts = [reader.finish() for reader in readers]
            witnessed = traced()
        written = _written()
    os.close(stop)
    comment(f"written {written}, of these before {before}; the kernel traced {witnessed}")
    for cpu in cpus:
        assert written[cpu] - before[cpu] == witnessed[cpu], (cpu, written, before, witnessed)
        assert witnessed[cpu] >= STATES_AT_LEAST * part(CONNECTIONS), (cpu, witnessed)
    for reader, account in zip(readers, accounts, strict=True):
        only = re.match(r"per_cpu/cpu(\d+)/", reader.file)
        _check(reader.name, account, written, {int(only[1])} if only else set(cpus))
        comment(f"{reader.name}: {account.read.total()} read, {account.lost.total()} lost")
        assert account.read.total(), reader.name
        assert not slow or account.lost.total(), reader.name


def test_one_fast() -> None:
    """One fast reader of trace_raw: read + lost = written = what the kernel traced"""
    _account_for(1, slow=False)


def test_one_slow() -> None:
    """One slow reader of trace_raw: it is told what it misses, and the sum is right"""
    _account_for(1, slow=True)


def test_two_fast() -> None:
    """Two fast readers, of trace_raw and trace_pipe: the sum is right for each"""
    _account_for(2, slow=False)


def test_two_slow() -> None:
    """Two slow readers: each is told what it misses, and the sum is right for each"""
    _account_for(2, slow=True)


def test_eight_fast() -> None:
    """Eight fast readers, of trace_raw, trace_pipe and each CPU's own file: the sum is right for each"""
    _account_for(8, slow=False)


def test_eight_slow() -> None:
    """Eight slow readers: each is told what it misses, and the sum is right for each"""
    _account_for(8, slow=True)


# ---- one open file, several users ------------------------------------------------


def _take_share(it: Recorder, fd: int, done: threading.Event, account: Account) -> None:
    """Read what is there until done, and then the rest; others read the same file."""
    while True:
        ended = done.is_set()
        try:
            data = os.read(fd, CHUNK * it.schema.record_bytes)
        except BlockingIOError:
            if ended:
                return
            select.select([fd], [], [], LOOK_MS / 1000)
            continue
        for event in events(it, data):
            assert event.kind in ("state", "lost"), event.values
            account.count(event["cpu"], event["lost_events"] if event.kind == "lost" else 0)


def test_shared() -> None:
    """Four threads read and poll one open file: together read + lost = written"""
    cpus = sorted(os.sched_getaffinity(0))
    done = threading.Event()
    accounts = [Account(Counter(), Counter(), Counter()) for _ in range(4)]
    with Recorder(f"ring_records={RING_RECORDS}", "events=state") as it:
        fd = os.open(FOLDER / "trace_raw", os.O_RDONLY | os.O_NONBLOCK)
        with ThreadPoolExecutor() as pool:
            shares = [pool.submit(_take_share, it, fd, done, account) for account in accounts]
            for cpu in cpus:
                _connect_on(cpu, part(CONNECTIONS))
            done.set()
            for share in shares:
                share.result()
        written = _written()
        os.close(fd)
    none: Counter[int] = Counter()
    read = sum((account.read for account in accounts), none)
    lost = sum((account.lost for account in accounts), none)
    comment(f"written {written}, read by each {[a.read.total() for a in accounts]}, lost {lost}")
    assert {cpu: read[cpu] + lost[cpu] for cpu in cpus} == written, (read, lost, written)
    assert all(written.values()), written


def _seek(fd: int, done: threading.Event) -> None:
    while not done.is_set():
        os.lseek(fd, 0, os.SEEK_SET)
        os.lseek(fd, 0, os.SEEK_END)


def test_shared_and_sought() -> None:
    """Two threads read and seek one open file: each record is whole, and none is missing"""
    done = threading.Event()
    account = Account(Counter(), Counter(), Counter())
    with Recorder(f"ring_records={RING_RECORDS}", "events=state") as it:
        fd = os.open(FOLDER / "trace_raw", os.O_RDONLY | os.O_NONBLOCK)
        with ThreadPoolExecutor() as pool:
            users = [pool.submit(_take_share, it, fd, done, account),
                     pool.submit(_seek, fd, done)]
            for cpu in sorted(os.sched_getaffinity(0)):
                _connect_on(cpu, part(CONNECTIONS))
            done.set()
            for user in users:
                user.result()
        os.close(fd)
    assert set(account.read) == os.sched_getaffinity(0), account
