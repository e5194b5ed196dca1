# SPDX-License-Identifier: GPL-2.0
"""Any call on the files in debugfs, by threads that share them, while traffic runs."""

from __future__ import annotations

import os
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from any_call import ADDRESSES, KINDS_OF_CALLS, RECORD, RESULTS, SIZES, File, fork
from faulting import Faulting, check_each_once, entries
from guarded import mapped
from hosts import run
from ktap_output import comment
from loopback import on_cpu
from recorder import FOLDER, Recorder, content, files, stats
from seeds import check_each

THREADS = 4
CALLS = 40
PATIENCE_S = 120
CONNECTIONS = 60
FAULTS_RECORDS = 16384


def _call(seed: str, shared: list[File], found: list[str]) -> None:
    random_ = random.Random(seed)
    try:
        for _ in range(CALLS):
            call = random_.choice(KINDS_OF_CALLS)
            call(random_, random_.choice(shared))
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")


def _paths() -> list[str]:
    return [str(path.relative_to(FOLDER)) for path in files()]


def _opened(random_: random.Random, paths: list[str]) -> File:
    """Now and then one whose reads wait: for the traffic, of which each CPU need not have any."""
    path = random_.choice(paths)
    waits = path in ("trace_raw", "trace_pipe") and random_.random() < 0.2
    return File(path, os.O_RDONLY | (0 if waits else os.O_NONBLOCK))


def _one(random_: random.Random) -> None:
    """Some files, and threads that share them."""
    paths = _paths()
    shared = [_opened(random_, paths) for _ in range(5)]
    found: list[str] = []
    threads = [threading.Thread(target=_call, args=(f"{random_.random()}", shared, found),
                                daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE_S
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    assert not any(thread.is_alive() for thread in threads), "a call does not come back"
    for file in shared:
        if random_.random() < 0.2:
            fork(random_, file)
        os.close(file.fd)
    assert not found, "; ".join(found)


def _talk(listener: socket.socket) -> None:
    """One connection on loopback, whose events are of the CPU that this runs on."""
    with socket.create_connection(listener.getsockname()) as client:
        server, _peer = listener.accept()
        with server:
            client.sendall(bytes(3000))
            server.recv(1 << 16)


@contextmanager
def _traffic() -> Iterator[None]:
    """Connections on loopback, one after the other."""
    over = threading.Event()

    def talk() -> None:
        with socket.create_server(("127.0.0.1", 5000)) as listener:
            while not over.is_set():
                _talk(listener)
                over.wait(0.02)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_calls() -> None:
    """Any call on our files: a result or a known error, no byte beyond, no torn record"""
    assert not mapped(ADDRESSES, max(SIZES)), "a bad pointer is a good one"
    run("ip", "link", "set", "lo", "up")
    with Recorder("ring_records=512") as it:
        (FOLDER / "schema").read_text()
        with _traffic():
            check_each("calls", _one)
        size = it.schema.record_bytes
        assert size == RECORD, size
        comment(", ".join(f"{count} {what}" for what, count in RESULTS.most_common()))
        assert RESULTS["read"], "no read gave anything"
        assert it.events("state"), "nothing is recorded any more"
        comment(f"files: {' '.join(_paths())}")


# ---- a copy that faults

def _talk_everywhere(connections: int) -> None:
    """So many connections on each CPU."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for cpu in sorted(os.sched_getaffinity(0)):
            with on_cpu(cpu):
                for _ in range(connections):
                    _talk(listener)


def _check_faults(it: Recorder, reader: Faulting) -> None:
    """What is there already, then what comes meanwhile."""
    reader.read_until(lambda: True)
    assert reader.faults and reader.cut, (reader.file.path, reader.faults, reader.cut)
    thread = threading.Thread(target=_talk_everywhere, args=(CONNECTIONS,))
    thread.start()
    reader.read_until(lambda: not thread.is_alive())
    thread.join()
    only = re.match(r"per_cpu/cpu(\d+)/", reader.file.path)
    cpus = {int(only[1])} if only else os.sched_getaffinity(0)
    written = {cpu: counts["written"] for cpu, counts in stats().items() if cpu in cpus}
    reader.read_until(lambda: True)
    got = entries(it, reader.file.path, reader.data)
    all_of_it = entries(it, reader.file.path, content(FOLDER / reader.file.path))
    check_each_once(reader.file.path, got, all_of_it, written)
    comment(f"{reader.file.path}: {reader.faults} faults, {reader.cut} copies cut short, "
            f"{len(got)} entries")


def test_a_copy_that_faults() -> None:
    """A buffer that cannot be written to its end: each record comes once all the same"""
    run("ip", "link", "set", "lo", "up")
    cpus = sorted(os.sched_getaffinity(0))
    for path in ("trace_raw", "trace_pipe", *(f"per_cpu/cpu{cpu}/trace_raw" for cpu in cpus)):
        with Recorder(f"ring_records={FAULTS_RECORDS}") as it:
            reader = Faulting(path)
            try:
                _talk_everywhere(CONNECTIONS)
                _check_faults(it, reader)
            finally:
                os.close(reader.file.fd)
