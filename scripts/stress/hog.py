# SPDX-License-Identifier: GPL-2.0
"""A process that holds memory until little is left, and is there to be killed for it."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType

import memory

# The OOM killer takes it first, and not the tests.
CODE = """
import mmap, sys
open("/proc/self/oom_score_adj", "w").write("1000")
held = mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
                 | mmap.MAP_POPULATE)
print("holds", flush=True)
sys.stdin.readline()
"""


class Hog:
    """All memory but so many bytes, for the time of a with block."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __enter__(self) -> Hog:
        size = memory.of_the_kernel("MemAvailable") - self.left
        assert size > 0, "less than that is left without it"
        self.process = subprocess.Popen([sys.executable, "-c", CODE, str(size)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), "it got no memory"
        return self

    def is_alive(self) -> bool:
        """Whether nobody has killed it."""
        return self.process.poll() is None

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()
