# SPDX-License-Identifier: GPL-2.0
"""What the kernel says meanwhile: read as it comes, and judged where it is expected.

A scenario that provokes messages keeps them off the console, where scripts/qemu/boot
would take them for trouble, and judges them itself by the same list.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType

from hosts import run
from ktap_output import comment
from recorder import NAME

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "qemu"))

import kernel_log  # noqa: E402  (found through the line above)

LOG = Path("/dev/kmsg")
CONSOLE = Path("/proc/sys/kernel/printk")
OURS = f"{NAME}: "
# What the kernel tells of a failed allocation, with a backtrace.
OF_MEMORY = ("trace", "memory")
# Warnings that the kernel gives whatever a module does, each by the line before it.
# Without memory a probe stays in what ftrace traces: __disarm_kprobe_ftrace().
PROBE_LEFT = "Failed to disarm kprobe-ftrace at "
# An open came where the count of the module's users was 0 already, and its state not yet
# that of one that goes: full_proxy_open() looks at both, try_stop_module() writes both.
OPEN_BETWEEN = "debugfs file owner did not clean up at exit: "
# What the kernel says of the machine below it, where that stood still for some milliseconds:
# hrtimer_interrupt(), cs_watchdog_read(), perf_sample_event_took().
OF_THE_EMULATOR = ("hrtimer: interrupt took ", "clocksource: ", "perf: interrupt took ")


def texts() -> set[str]:
    """Every message in the log, without its time: what was said before is no news."""
    said = (line.partition("] ")[2] for line in run("dmesg").splitlines())
    return {text for text in said if not text.startswith(OF_THE_EMULATOR)}


class Messages:
    """The kernel's messages of the time of a with block, off the console.

    `known` is the line before a warning that is no fault of the module's.
    """

    def __init__(self, known: str) -> None:
        self._known = known
        self.known_warnings = 0

    def __enter__(self) -> Messages:
        self._fd = os.open(LOG, os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)
        self._console = CONSOLE.read_text()
        CONSOLE.write_text("1")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Nobody else sees what nobody asked for any more: it is judged here."""
        try:
            CONSOLE.write_text(self._console)
            lines = self._read()
        finally:
            os.close(self._fd)
        if kind is None:
            self._check(lines)
            return
        for line in self._trouble(lines):
            comment(f"the kernel said: {line}")

    def _read(self) -> list[str]:
        """Since the last time; a message that was overwritten unread is an error."""
        lines: list[str] = []
        while True:
            try:
                record = os.read(self._fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return lines
            lines.append(record.partition(";")[2].partition("\n")[0])

    def _trouble(self, lines: list[str]) -> list[str]:
        found = []
        for before, line in zip(["", *lines], lines):
            kind = None if line.startswith(OURS) else kernel_log.kind_of(line)
            if kind == "warning" and before.startswith(self._known):
                self.known_warnings += 1
            elif kind not in (None, *OF_MEMORY):
                found.append(line)
        return found

    def _check(self, lines: list[str]) -> None:
        assert not self._trouble(lines), "\n".join(lines)

    def ours(self) -> list[str]:
        """What the module said since the last time; AssertionError if there was trouble."""
        lines = self._read()
        self._check(lines)
        return [line.removeprefix(OURS) for line in lines
                if line.startswith(OURS) and "taint" not in line]
