# SPDX-License-Identifier: GPL-2.0
"""In which order recordings were saved, though the wall clock was set back meanwhile.

Their names tell the wall clock, and an NTP step or a virtual machine that goes on may
set it to any time.  Of one boot the monotonic clock decides, which each recording has
noted; what this boot has saved is younger than what others have.  Only of other boots
among themselves the names decide, each boot's earliest, and of what is no recording.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import Problem
from .parser import RecordingParser
from .recording_file import MAX_TEXT_BYTES

PIECE_BYTES = 1 << 16

# What a name says: the second of the wall clock, and which one of that second it is.
Name = tuple[str, int]


@dataclass(frozen=True)
class Began:
    """When a recording began, by the clock that is never set; boot is "" if unknown."""

    boot: str = ""
    monotonic_ns: int = 0


def _parsed(path: Path) -> RecordingParser:
    """As far as what stands first in it; a planted pipe makes nobody wait."""
    parser = RecordingParser()
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(fd, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return parser
        while not parser.meta and file.tell() < MAX_TEXT_BYTES:
            piece = file.read(PIECE_BYTES)
            if not piece:
                break
            for _ in parser.feed(piece):
                pass
    return parser


def began(path: Path) -> Began:
    """As the recording itself tells it, whatever it may be."""
    try:
        meta = _parsed(path).meta
    except (OSError, Problem):
        return Began()
    boot, clocks = meta.get("boot_id"), meta.get("clocks")
    monotonic_ns = clocks.get("monotonic_ns") if isinstance(clocks, dict) else None
    if not isinstance(boot, str) or not isinstance(monotonic_ns, int):
        return Began()
    return Began(boot, monotonic_ns)


def in_order(names: Iterable[tuple[Path, Name]], this_boot: str) -> list[Path]:
    """From the oldest on."""
    found = [(path, name, began(path)) for path, name in names]
    earliest: dict[str, Name] = {}
    for _, name, at in found:
        earliest[at.boot] = min(name, earliest.get(at.boot, name))

    def age(one: tuple[Path, Name, Began]) -> tuple[bool, Name, str, int, Name]:
        _, name, at = one
        if not at.boot:
            return False, name, "", 0, name
        return (at.boot == this_boot, earliest[at.boot], at.boot, at.monotonic_ns,
                name)

    return [path for path, *_ in sorted(found, key=age)]
