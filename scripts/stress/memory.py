# SPDX-License-Identifier: GPL-2.0
"""What memory the module holds, and the kernel."""

from __future__ import annotations

import re
from pathlib import Path

import recorder
from recorder import FOLDER, NAME

PAGE, POINTER = 4096, 8


def _areas() -> list[str]:
    """The kernel's vmalloc areas that the module asked for."""
    return [line for line in Path("/proc/vmallocinfo").read_text().splitlines()
            if f"[{NAME}]" in line]


def of_the_module() -> int:
    """Bytes of them."""
    # Behind each area lies a page that is not there, to catch who runs past its end.
    return sum(int(line.split()[1]) - PAGE for line in _areas())


def check() -> int:
    """The module has what it promises and no more; how much."""
    has = of_the_module()
    assert has == promised(), (has, promised(), _areas())
    return has


def _whole_pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _area(size: int) -> int:
    """What vmalloc takes for so much: whole pages, and the list of them, which is an
    area of its own where it is longer than a page."""
    pages = _whole_pages(size)
    the_list = pages // PAGE * POINTER
    return pages + (_whole_pages(the_list) if the_list > PAGE else 0)


def promised() -> int:
    """Bytes of the ring: so many records of so many bytes for each CPU there is."""
    per_cpu = re.findall(r"^records_per_cpu (\d+)$", (FOLDER / "stats").read_text(),
                         re.MULTILINE)[0]
    record = re.findall(r"^record_bytes (\d+)$", (FOLDER / "schema").read_text(),
                        re.MULTILINE)[0]
    return len(recorder.stats()) * _area(int(per_cpu) * int(record))


def of_the_kernel(name: str) -> int:
    """A line of /proc/meminfo, in bytes."""
    text = Path("/proc/meminfo").read_text()
    return int(re.findall(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[0]) * 1024


def of_process(pid: int) -> int:
    """Bytes that a process holds in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[0]) * 1024
