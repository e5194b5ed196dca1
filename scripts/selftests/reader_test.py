# SPDX-License-Identifier: GPL-2.0
"""Reading: independent cursors, blocking, poll, and the law of the ring."""

from __future__ import annotations

import os
import select
import socket
import subprocess
from pathlib import Path

import recorder
from loopback import on_cpu
from recorder import FOLDER, Recorder, wait_until

RECORD = 192


def _one_connection() -> None:
    """At least a dozen events."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            connection, _peer = listener.accept()
            connection.close()
            client.recv(1)


def _law_holds(it: Recorder, reader: recorder.Reader) -> tuple[int, int]:
    """read + lost = written, on each CPU; returns the sums."""
    read: dict[int, int] = {}
    lost: dict[int, int] = {}
    for event in reader.read():
        counts, number = ((lost, event["lost_events"]) if event.kind == "lost"
                          else (read, 1))
        counts[event["cpu"]] = counts.get(event["cpu"], 0) + number
    for cpu, told in recorder.stats().items():
        assert read.get(cpu, 0) + lost.get(cpu, 0) == told["written"], (
            cpu, read, lost, told)
    return sum(read.values()), sum(lost.values())


def test_two_pipes_see_the_same() -> None:
    """Two readers of trace_pipe at once get the same lines, none is taken away"""
    with Recorder():
        pipes = [subprocess.Popen(["cat", str(FOLDER / "trace_pipe")], text=True,
                                  stdout=subprocess.PIPE) for _ in range(2)]
        _one_connection()
        lines = len((FOLDER / "trace").read_text().splitlines())
        texts = []
        for pipe in pipes:
            assert pipe.stdout is not None
            texts.append([pipe.stdout.readline() for _ in range(lines)])
            pipe.kill()
            pipe.wait()
        assert lines > 10 and texts[0] == texts[1]


def test_trace_ends_and_pipe_goes_on() -> None:
    """trace ends with what the ring holds; trace_pipe tells the same and waits"""
    with Recorder():
        _one_connection()
        text = (FOLDER / "trace").read_text()
        assert text and recorder.content(FOLDER / "trace_pipe").decode() == text


def test_law_without_loss() -> None:
    """A ring large enough: everything written is read, nothing lost"""
    with Recorder() as it:
        reader = it.reader()
        for _ in range(5):
            _one_connection()
        read, lost = _law_holds(it, reader)
        reader.close()
        assert read > 50 and lost == 0, (read, lost)


def test_law_with_a_tiny_ring() -> None:
    """A ring of 16 records: read + lost = written, on each CPU and for each reader"""
    with Recorder("ring_records=16") as it:
        early = it.reader()
        for cpu in os.sched_getaffinity(0):
            with on_cpu(cpu):
                for _ in range(20):
                    _one_connection()
        assert all(counts["written"] > 100 for counts in recorder.stats().values())
        late = it.reader()
        for reader in (early, late):
            read, lost = _law_holds(it, reader)
            assert 0 < read <= 16 * (os.cpu_count() or 1) and lost > 100
            reader.close()


def _await_sleep(reader: subprocess.Popen[bytes]) -> None:
    wait_until("the reader to sleep", lambda: Path(
        f"/proc/{reader.pid}/stat").read_text().split()[2] == "S")


def test_shared_file_takes_signals() -> None:
    """A second user of a file in which somebody waits can still be ended"""
    with Recorder():
        fd = os.open(FOLDER / "trace_raw", os.O_RDONLY)
        readers = [subprocess.Popen(["cat"], stdin=fd, stdout=subprocess.DEVNULL)
                   for _ in range(2)]
        for reader in readers:
            _await_sleep(reader)
        for reader in reversed(readers):
            reader.terminate()
            assert reader.wait(timeout=60) == -15
        os.close(fd)


def test_per_cpu_files_add_up() -> None:
    """The files of the single CPUs hold, together, what the merged one holds"""
    with Recorder() as it:
        _one_connection()
        merged = it.events()
        single = []
        for cpu in recorder.stats():
            reader = it.reader(f"per_cpu/cpu{cpu}/trace_raw")
            events = reader.read()
            reader.close()
            assert {e["cpu"] for e in events} <= {cpu}
            single += events
        key = lambda e: (e["cpu"], e["serial"])  # noqa: E731
        assert sorted(map(key, merged)) == sorted(map(key, single)) != []


def test_blocking_read_wakes() -> None:
    """A blocked read returns when something happens"""
    with Recorder():
        fd = _open_at_the_end(os.O_RDONLY)
        reading = subprocess.Popen(["head", "-c", str(RECORD)], stdin=fd,
                                   stdout=subprocess.PIPE)
        _await_sleep(reading)
        assert reading.poll() is None
        _one_connection()
        data, _ = reading.communicate(timeout=60)
        os.close(fd)
        assert len(data) == RECORD


def _open_at_the_end(flags: int) -> int:
    """trace_raw, behind the mark that the load has left."""
    fd = os.open(FOLDER / "trace_raw", flags)
    os.lseek(fd, 0, os.SEEK_END)
    return fd


def test_poll() -> None:
    """poll says nothing where nothing is left to read, and speaks when there is"""
    with Recorder():
        fd = _open_at_the_end(os.O_RDONLY | os.O_NONBLOCK)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert poll.poll(100) == []
        _one_connection()
        assert poll.poll(60_000) == [(fd, select.POLLIN)]
        _read_to_the_end(fd)
        wait_until("the last events", lambda: poll.poll(0) == [] or _read_and_wait(fd))
        assert poll.poll(100) == []
        os.close(fd)


def test_edge_triggered_epoll() -> None:
    """An edge-triggered epoll is woken again after each time it read everything"""
    with Recorder():
        fd = os.open(FOLDER / "trace_raw", os.O_RDONLY | os.O_NONBLOCK)
        with select.epoll() as epoll:
            epoll.register(fd, select.EPOLLIN | select.EPOLLET)
            for _ in range(3):
                _one_connection()
                assert epoll.poll(60), "not woken"
                _read_to_the_end(fd)
        os.close(fd)


def _read_and_wait(fd: int) -> bool:
    _read_to_the_end(fd)
    return False


def _read_to_the_end(fd: int) -> None:
    while True:
        try:
            os.read(fd, 65536)
        except BlockingIOError:
            return


def test_poll_on_a_snapshot() -> None:
    """poll on trace never waits: what is left can be read, and so can the end"""
    with Recorder():
        fd = os.open(FOLDER / "trace", os.O_RDONLY)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        assert poll.poll(60_000) and b" mark " in os.read(fd, 65536)
        assert poll.poll(60_000) and os.read(fd, 65536) == b""
        os.close(fd)


def test_seek() -> None:
    """lseek to the end skips what was, to the start brings it back"""
    with Recorder():
        _one_connection()
        fd = os.open(FOLDER / "trace_raw", os.O_RDONLY | os.O_NONBLOCK)
        first = os.read(fd, RECORD)
        os.lseek(fd, 0, os.SEEK_END)
        try:
            os.read(fd, RECORD)
        except BlockingIOError:
            pass
        else:
            raise AssertionError("something was left behind the end")
        os.lseek(fd, 0, os.SEEK_SET)
        assert os.read(fd, RECORD) == first
        for offset, whence in ((1, os.SEEK_SET), (0, os.SEEK_CUR)):
            try:
                os.lseek(fd, offset, whence)
            except OSError:
                continue
            raise AssertionError(f"lseek({offset}, {whence}) was taken")
        os.close(fd)


def test_short_reads_get_whole_records() -> None:
    """A buffer smaller than a record is refused, a larger one gets whole ones"""
    with Recorder():
        _one_connection()
        fd = os.open(FOLDER / "trace_raw", os.O_RDONLY | os.O_NONBLOCK)
        try:
            os.read(fd, RECORD - 1)
        except OSError as error:
            assert error.errno == 22
        else:
            raise AssertionError("a short read was taken")
        assert len(os.read(fd, 2 * RECORD + 100)) == 2 * RECORD
        os.close(fd)


def test_interrupted_read() -> None:
    """A signal ends a blocked read"""
    with Recorder():
        reading = subprocess.Popen(["cat", str(FOLDER / "trace_pipe")],
                                   stdout=subprocess.PIPE)
        _await_sleep(reading)
        reading.terminate()
        assert reading.wait(timeout=60) == -15
