# SPDX-License-Identifier: GPL-2.0
"""The kernel's text as it is at the moment, patches and all (/proc/kcore)."""

from __future__ import annotations

import struct
from pathlib import Path

KCORE, KALLSYMS = Path("/proc/kcore"), Path("/proc/kallsyms")
LOADABLE = 1
# Of an ELF file with 64 bits: where the table of segments is said to be, and an entry of it.
PHOFF, PHENTSIZE = 32, 54
SEGMENT = struct.Struct("<IIQQQQ")      # type, flags, offset, address, physical, size in the file
# A direct call: its opcode, and how far from its end the target is.
CALL = struct.Struct("<Bi")
CALL_OPCODE = 0xe8


def function(name: str, module: str = "") -> range:
    """The addresses of a function: up to the next symbol."""
    symbols = [line.split() for line in KALLSYMS.read_text().splitlines()]
    starts = sorted(int(words[0], 16) for words in symbols)
    owner = [f"[{module}]"] if module else []
    begin, = (int(words[0], 16) for words in symbols if words[2:] == [name, *owner])
    return range(begin, next(start for start in starts if start > begin))


def read(addresses: range) -> bytes:
    """What stands there now."""
    with KCORE.open("rb") as file:
        head = file.read(64)
        at, = struct.unpack_from("<Q", head, PHOFF)
        size, count = struct.unpack_from("<HH", head, PHENTSIZE)
        file.seek(at)
        table = file.read(size * count)
        for number in range(count):
            kind, _, offset, address, _, length = SEGMENT.unpack_from(table, number * size)
            if kind == LOADABLE and address <= addresses.start < address + length:
                file.seek(offset + addresses.start - address)
                return file.read(len(addresses))
    raise AssertionError(f"{addresses.start:#x} is in no segment of {KCORE}")


def directly_called(addresses: range) -> set[int]:
    """All that may be the target of a direct call in a function (x86)."""
    text = read(addresses)
    return {addresses.start + at + CALL.size + CALL.unpack_from(text, at)[1]
            for at in range(len(text) - CALL.size + 1) if text[at] == CALL_OPCODE}
