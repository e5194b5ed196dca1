# SPDX-License-Identifier: GPL-2.0
"""A reader whose buffer cannot be written to its end, and what it must get all the same."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import random
import re
import select
from collections.abc import Callable

from any_call import RECORD, File, Wrong, read_to
from guarded import Buffer, Pages
from recorder import Recorder

# What can be written of a buffer: less than the module copies at once, and more.
BEFORE_THE_FAULT = (0, 1, 100, 192, 4000, mmap.PAGESIZE, 3 * mmap.PAGESIZE, 5 * mmap.PAGESIZE)
BEYOND_THE_FAULT = 4 * mmap.PAGESIZE
LINE = re.compile(rb" cpu=(\d+) serial=(\d+) ")
LOOK_S = 0.2

Entry = tuple[int, int, bytes]      # the CPU, the serial, all of it


class Faulting:
    """Reads a file, every other time into a buffer of which the end cannot be written."""

    def __init__(self, path: str) -> None:
        self.file = File(path, os.O_RDONLY | os.O_NONBLOCK)
        self.random = random.Random(path)
        self.data = b""
        self.faults = self.cut = 0

    def _take(self, address: int, size: int, room: int) -> int:
        """Read, keep what came; how much that was, or the error."""
        got = read_to(self.file.fd, address, size)
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


def entries(it: Recorder, path: str, data: bytes) -> list[Entry]:
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
