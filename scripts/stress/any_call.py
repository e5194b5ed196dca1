# SPDX-License-Identifier: GPL-2.0
"""Any call on an open file of debugfs, and what it may give."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import random
import select
import signal
from collections import Counter
from contextlib import ExitStack

from guarded import Buffer, Pages
from recorder import FOLDER

LIBC = ctypes.CDLL(None, use_errno=True)
for _name in ("read", "pread", "lseek", "sendfile", "splice", "readv", "write"):
    getattr(LIBC, _name).restype = ctypes.c_ssize_t
LIBC.read.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)

RECORD = 192
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


def read_to(fd: int, address: int, size: int) -> int:
    return _result(LIBC.read(fd, address, size), "read")


def _read(random_: random.Random, file: File) -> None:
    size = random_.choice(SIZES)
    with Buffer(size) as buffer:
        if random_.random() < 0.5:
            got = read_to(file.fd, buffer.address, size)
        else:
            got = _result(LIBC.pread(file.fd, ctypes.c_void_p(buffer.address),
                                     ctypes.c_size_t(size),
                                     ctypes.c_longlong(random_.choice(OFFSETS))), "pread")
        buffer.check()
    file.check(got, size, "read")


def read_badly(random_: random.Random, file: File) -> None:
    """Where there is no memory, or not enough."""
    what = random_.random()
    if what < 0.3:
        size, address = random_.choice(SIZES), random_.choice(ADDRESSES)
        file.check(read_to(file.fd, address, size), 0, "read to where nothing is")
    elif what < 0.65:
        # The kernel looks only at what it has to write.
        size = random_.choice(HUGE)
        with Pages(ROOM) as pages:
            file.check(read_to(file.fd, pages.address, size), pages.size, "read")
    else:
        # The second of two pages cannot be written: a record lies across.
        before = random_.choice((0, 1, 100, 192, 4000))
        with Pages(mmap.PAGESIZE) as pages:
            file.check(read_to(file.fd, pages.last(before), mmap.PAGESIZE), before, "read")


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
                read_to(fd, buffer.address, buffer.size)
                buffer.check()
        os.close(fd)


def _dup(random_: random.Random, file: File) -> None:
    fd = os.dup(file.fd)
    with Buffer(10 * RECORD) as buffer:
        file.check(read_to(fd, buffer.address, buffer.size), buffer.size, "read")
        buffer.check()
    os.close(fd)


def fork(random_: random.Random, file: File) -> None:
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


KINDS_OF_CALLS = (_read, _read, _read, read_badly, _readv, _seek, _poll, _epoll, _splice, _others,
                  _open, _dup)
