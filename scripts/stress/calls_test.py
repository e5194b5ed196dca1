# SPDX-License-Identifier: GPL-2.0
"""Any call on the files in debugfs, by threads that share them, while traffic runs."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import random
import re
import select
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from guarded import Buffer, Pages, mapped
from hosts import run
from ktap_output import comment
from loopback import on_cpu
from recorder import FOLDER, Recorder, content, files, stats
from seeds import check_each

LIBC = ctypes.CDLL(None, use_errno=True)
for _name in ("read", "pread", "lseek", "sendfile", "splice", "readv", "write"):
    getattr(LIBC, _name).restype = ctypes.c_ssize_t
LIBC.read.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)

RECORD = 192
THREADS = 4
CALLS = 40
PATIENCE_S = 120
SIZES = (0, 1, 7, 191, 192, 193, 383, 384, 4095, 4096, 4097, 65536, 1 << 17)
# Of which no buffer is that large: the kernel must not believe it before it looks.
HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**32 + 192, 2**63 - 1, 2**63, 2**64 - 1)
OFFSETS = (0, 1, -1, 191, 192, 4096, 2**31, 2**32, 2**63 - 1, -2**63)
# More than all that the ring has, as records; of text it is one fault.
ROOM = 1 << 20
# Of which none is memory that we have, whatever the size.
ADDRESSES = (0, 1, 4095, 0xffff800000000000, 0xffffffff81000000, 2**64 - 1, 2**47 - 1)
FLAGS = (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_TRUNC, os.O_APPEND, os.O_CREAT,
         os.O_CREAT | os.O_EXCL, os.O_DIRECT, os.O_PATH, os.O_DIRECTORY, os.O_NOFOLLOW,
         os.O_ASYNC, os.O_SYNC, os.O_TMPFILE, os.O_NOATIME, os.O_CLOEXEC)
ALLOWED = {getattr(errno, name) for name in (
    "EINVAL EAGAIN EFAULT ESPIPE EBADF EACCES EPERM ENODEV ENOTTY EINTR EISDIR ENOTDIR ELOOP "
    "ENXIO EOVERFLOW EEXIST EOPNOTSUPP ENOENT EFBIG").split()}


class Wrong(AssertionError):
    """A call gave what it must not."""


# How often each call gave something, nothing, and which error: threads may lose a count,
# but not the last.
RESULTS: Counter[str] = Counter()


def _result(value: int, what: str) -> int:
    """The result; a negative one is an error, which must be one that is known."""
    if value >= 0:
        RESULTS[what if value else f"{what} of nothing"] += 1
        return value
    code = ctypes.get_errno()
    RESULTS[errno.errorcode.get(code, str(code))] += 1
    if code not in ALLOWED:
        raise Wrong(f"{what}: {errno.errorcode.get(code, code)}")
    return -code


class File:
    """An open file of ours."""

    def __init__(self, path: str, flags: int) -> None:
        self.path = path
        self.fd = os.open(FOLDER / path, flags)
        self.raw = path.endswith("raw")

    def check(self, count: int, size: int, what: str) -> None:
        """Whole records, and no more than was asked for."""
        if count > size:
            raise Wrong(f"{what} of {size} bytes of {self.path} gave {count}")
        if self.raw and count > 0 and count % RECORD:
            raise Wrong(f"{what} of {size} bytes of {self.path} gave {count}: a torn record")
        if self.raw and 0 < size < RECORD and count >= 0:
            raise Wrong(f"{what} of {size} bytes of {self.path} gave {count}: no room for one")


def _read_to(fd: int, address: int, size: int) -> int:
    return _result(LIBC.read(fd, address, size), "read")


def _read(random_: random.Random, file: File) -> None:
    size = random_.choice(SIZES)
    with Buffer(size) as buffer:
        if random_.random() < 0.5:
            got = _read_to(file.fd, buffer.address, size)
        else:
            got = _result(LIBC.pread(file.fd, ctypes.c_void_p(buffer.address),
                                     ctypes.c_size_t(size),
                                     ctypes.c_longlong(random_.choice(OFFSETS))), "pread")
        buffer.check()
    file.check(got, size, "read")


def _read_badly(random_: random.Random, file: File) -> None:
    """Where there is no memory, or not enough."""
    what = random_.random()
    if what < 0.3:
        size, address = random_.choice(SIZES), random_.choice(ADDRESSES)
        file.check(_read_to(file.fd, address, size), 0, "read to where nothing is")
    elif what < 0.65:
        # The kernel looks only at what it has to write.
        size = random_.choice(HUGE)
        with Pages(ROOM) as pages:
            file.check(_read_to(file.fd, pages.address, size), pages.size, "read")
    else:
        # The second of two pages cannot be written: a record lies across.
        before = random_.choice((0, 1, 100, 192, 4000))
        with Pages(mmap.PAGESIZE) as pages:
            file.check(_read_to(file.fd, pages.last(before), mmap.PAGESIZE), before, "read")


def _readv(random_: random.Random, file: File) -> None:
    class Vector(ctypes.Structure):
        """struct iovec"""
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    with ExitStack() as stack:
        buffers = [stack.enter_context(Buffer(random_.choice(SIZES[:9])))
                   for _ in range(random_.randrange(5))]
        vectors = (Vector * max(len(buffers), 1))(*[
            Vector(buffer.address, buffer.size) for buffer in buffers])
        got = _result(LIBC.readv(file.fd, vectors, len(buffers)), "readv")
        room = sum(buffer.size for buffer in buffers)
        if got > room:
            raise Wrong(f"readv of {room} bytes of {file.path} gave {got}")
        for buffer in buffers:
            buffer.check()


def _seek(random_: random.Random, file: File) -> None:
    whence, offset = random_.choice((-1, 0, 0, 1, 2, 2, 3, 4, 5, 99)), random_.choice(OFFSETS)
    got = _result(LIBC.lseek(file.fd, ctypes.c_longlong(offset), whence), "lseek")
    if file.raw and got >= 0 and (offset or whence not in (0, 2)):
        raise Wrong(f"lseek of {file.path} to {offset} from {whence} gave {got}")


def _poll(random_: random.Random, file: File) -> None:
    poll = select.poll()
    poll.register(file.fd, random_.choice((select.POLLIN, select.POLLOUT, 0xffff)))
    poll.poll(random_.choice((0, 1, 20)))


def _epoll(_random: random.Random, file: File) -> None:
    with select.epoll() as epoll:
        try:
            epoll.register(file.fd, select.EPOLLIN | select.EPOLLET)
            epoll.poll(0.01)
        except OSError as error:
            if error.errno not in ALLOWED:
                raise


def _splice(random_: random.Random, file: File) -> None:
    """To a pipe, or by sendfile() to one."""
    ours, theirs = os.pipe2(os.O_NONBLOCK)
    try:
        size = ctypes.c_size_t(random_.choice((*SIZES, *HUGE)))
        if random_.random() < 0.5:
            _result(LIBC.splice(file.fd, None, theirs, None, size,
                                ctypes.c_uint(random_.randrange(16))), "splice")
        else:
            _result(LIBC.sendfile(theirs, file.fd, None, size), "sendfile")
    finally:
        os.close(ours)
        os.close(theirs)


def _others(random_: random.Random, file: File) -> None:
    """What our files do not have."""
    what = random_.randrange(4)
    if what == 0:
        _result(LIBC.write(file.fd, b"x" * 10, ctypes.c_size_t(random_.choice((0, 1, 10)))),
                "write")
    elif what == 1:
        _result(LIBC.ioctl(file.fd, ctypes.c_ulong(random_.randrange(1 << 32)),
                           ctypes.c_void_p(random_.choice(ADDRESSES))), "ioctl")
    elif what == 2:
        try:
            mmap.mmap(file.fd, mmap.PAGESIZE, prot=mmap.PROT_READ).close()
            raise Wrong(f"{file.path} can be mapped")
        except (OSError, ValueError):
            pass
    else:
        _result(LIBC.ftruncate(file.fd, ctypes.c_longlong(random_.choice(OFFSETS))),
                "ftruncate")


def _open(random_: random.Random, file: File) -> None:
    """Anew with any flags; a new cursor takes nothing from another."""
    flags = random_.choice(FLAGS) | random_.choice(FLAGS) | os.O_NONBLOCK
    fd = _result(LIBC.open(os.fsencode(FOLDER / file.path), flags, 0o600), "open")
    if fd >= 0:
        if random_.random() < 0.5:
            with Buffer(4096) as buffer:
                _read_to(fd, buffer.address, buffer.size)
                buffer.check()
        os.close(fd)


def _dup(random_: random.Random, file: File) -> None:
    fd = os.dup(file.fd)
    with Buffer(10 * RECORD) as buffer:
        file.check(_read_to(fd, buffer.address, buffer.size), buffer.size, "read")
        buffer.check()
    os.close(fd)


def _fork(random_: random.Random, file: File) -> None:
    """A child that reads the same open file, and one that dies of it."""
    pid = os.fork()
    if not pid:
        os.set_blocking(file.fd, False)
        try:
            os.read(file.fd, random_.choice((192, 4096)))
        except OSError:
            pass
        os._exit(0)
    if random_.random() < 0.3:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


KINDS_OF_CALLS = (_read, _read, _read, _read_badly, _readv, _seek, _poll, _epoll, _splice, _others,
                  _open, _dup)


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
            _fork(random_, file)
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

CONNECTIONS = 60
FAULTS_RECORDS = 16384
# What can be written of a buffer: less than the module copies at once, and more.
BEFORE_THE_FAULT = (0, 1, 100, 192, 4000, mmap.PAGESIZE, 3 * mmap.PAGESIZE, 5 * mmap.PAGESIZE)
BEYOND_THE_FAULT = 4 * mmap.PAGESIZE
LINE = re.compile(rb" cpu=(\d+) serial=(\d+) ")
LOOK_S = 0.2

Entry = tuple[int, int, bytes]      # the CPU, the serial, all of it


def _talk_everywhere(connections: int) -> None:
    """So many connections on each CPU."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for cpu in sorted(os.sched_getaffinity(0)):
            with on_cpu(cpu):
                for _ in range(connections):
                    _talk(listener)


class Faulting:
    """Reads a file, every other time into a buffer of which the end cannot be written."""

    def __init__(self, path: str) -> None:
        self.file = File(path, os.O_RDONLY | os.O_NONBLOCK)
        self.random = random.Random(path)
        self.data = b""
        self.faults = self.cut = 0

    def _take(self, address: int, size: int, room: int) -> int:
        """Read, keep what came; how much that was, or the error."""
        got = _read_to(self.file.fd, address, size)
        if got > room:
            raise Wrong(f"read of {self.file.path} gave {got} where {room} could be written")
        if got > 0:
            self.data += ctypes.string_at(address, got)
        return got

    def _read_with_a_fault(self) -> int:
        before = self.random.choice(BEFORE_THE_FAULT)
        with Pages(before) as pages:
            got = self._take(pages.last(before), before + BEYOND_THE_FAULT, before)
        if got == -errno.EFAULT:
            self.faults += 1
            # It is still to be had, and poll() knows.
            assert select.select([self.file.fd], [], [], 0)[0], self.file.path
        return got

    def _read_well(self) -> int:
        size = self.random.randrange(RECORD, 6 * RECORD)
        with Buffer(size) as buffer:
            got = self._take(buffer.address, size, size)
            buffer.check()
        return got

    def read_until(self, over: Callable[[], bool]) -> None:
        """All that there is, until nothing comes any more."""
        while True:
            ended = over()
            faulted, got = self._read_with_a_fault(), self._read_well()
            self.cut += faulted > 0 and got > 0
            for result in (faulted, got):
                assert result not in (0, -errno.EINVAL), (self.file.path, result)
            if got == -errno.EAGAIN:
                if ended:
                    return
                select.select([self.file.fd], [], [], LOOK_S)


def _entries(it: Recorder, path: str, data: bytes) -> list[Entry]:
    """The records or lines; AssertionError if one is torn, or tells of a loss."""
    if path.endswith("raw"):
        assert len(data) % RECORD == 0, (path, len(data))
        records = [data[at:at + RECORD] for at in range(0, len(data), RECORD)]
        events = [it.schema.decode(record) for record in records]
        assert not any(event.kind == "lost" for event in events), f"{path}: something was lost"
        return [(event["cpu"], event["serial"], record)
                for event, record in zip(events, records, strict=True)]
    *lines, rest = data.split(b"\n")
    found = [LINE.search(line) for line in lines]
    wrong = [line for line, match in zip(lines, found, strict=True) if not match]
    assert not rest and not wrong, (path, rest, wrong[:3])
    return [(int(match[1]), int(match[2]), line)
            for line, match in zip(lines, found, strict=True) if match]


def check_each_once(path: str, got: list[Entry], all_of_it: list[Entry],
                    written: dict[int, int]) -> None:
    """On each CPU serials from 1 on without a gap, and nothing but what was written."""
    for cpu, count in written.items():
        serials = [serial for at, serial, _entry in got if at == cpu]
        wrong = next((pair for pair in enumerate(serials, 1) if pair[0] != pair[1]), None)
        assert wrong is None, f"{path}, CPU {cpu}: serial {wrong[1]} where {wrong[0]} is next"
        assert len(serials) >= count > 0, f"{path}, CPU {cpu}: {len(serials)} of {count}"
    assert {at for at, _serial, _entry in got} == set(written), path
    assert set(got) <= set(all_of_it), f"{path}: an entry reads otherwise than undisturbed"


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
    got = _entries(it, reader.file.path, reader.data)
    all_of_it = _entries(it, reader.file.path, content(FOLDER / reader.file.path))
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
