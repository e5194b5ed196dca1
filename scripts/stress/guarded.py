# SPDX-License-Identifier: GPL-2.0
"""Memory for a kernel that may write too much: pages that nobody may touch lie around it.

    | no access | margin  buffer  margin ... | no access |

What a read writes beyond its buffer lands in a margin, where it is seen, or faults.
Python's own memory is out of its reach, however large the count is.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int,
                      ctypes.c_int, ctypes.c_long)
LIBC.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)

PAGE = mmap.PAGESIZE
NO_ACCESS = 0
READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
MARGIN = b"\xa5" * 64


class Overrun(AssertionError):
    """Something was written that is no part of the buffer."""


class Pages:
    """So many bytes, in whole pages, for the time of a with block."""

    def __init__(self, size: int) -> None:
        self.size = max(-(-size // PAGE), 1) * PAGE
        self._all = self.size + 2 * PAGE
        # MAP_FAILED is all ones.
        base = LIBC.mmap(None, self._all, NO_ACCESS, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if base in (None, 2 ** (8 * ctypes.sizeof(ctypes.c_void_p)) - 1):
            raise MemoryError(f"no {self._all} bytes: errno {ctypes.get_errno()}")
        self._base = base
        self.address = base + PAGE
        self._allow(self.address, self.size)

    def _allow(self, address: int, size: int) -> None:
        if LIBC.mprotect(address, size, READ_WRITE):
            raise MemoryError(f"mprotect: errno {ctypes.get_errno()}")

    @property
    def end(self) -> int:
        """The first byte that cannot be written."""
        return self.address + self.size

    def last(self, size: int) -> int:
        """Where so many bytes begin that end where the pages do."""
        return self.end - size

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        LIBC.munmap(self._base, self._all)


class Buffer:
    """A buffer between margins, for the time of a with block."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pages = Pages(size + 2 * len(MARGIN))
        self.address = self._pages.address + len(MARGIN)
        self._margins = (self._pages.address, self.address + size)
        for margin in self._margins:
            ctypes.memmove(margin, MARGIN, len(MARGIN))

    def check(self) -> None:
        """Overrun if a margin was hit."""
        if any(ctypes.string_at(margin, len(MARGIN)) != MARGIN for margin in self._margins):
            raise Overrun("bytes beyond the buffer were written")

    def __enter__(self) -> Buffer:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._pages.__exit__(kind, value, trace)
        # Its memory is gone: whoever uses it now must not hit what comes there next.
        self.address = 0


def mapped(addresses: Iterable[int], size: int) -> list[int]:
    """Those of the addresses at which so many bytes meet memory of this process."""
    areas = [tuple(int(end, 16) for end in line.split()[0].split("-"))
             for line in Path("/proc/self/maps").read_text(encoding="ascii").splitlines()]
    return [address for address in addresses
            if any(begin < address + size and address < end for begin, end in areas)]
