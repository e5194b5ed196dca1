# SPDX-License-Identifier: GPL-2.0
"""bpftrace programs on renoscope's tracepoints, run beside a test."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ktap_output import Skip
from recorder import references, wait_until

TOOLS = Path(__file__).resolve().parents[1] / "bpftrace"
PROBE = re.compile(r"^tracepoint:renoscope:(\w+)", re.MULTILINE)
# Loading a program into an emulated kernel takes its time.
ATTACHING_S = 180.0
AGAIN_S = 20.0
ENDING_S = 60.0


def interrupt(process: subprocess.Popen[str],
              patience_s: float) -> tuple[str, str]:
    """End bpftrace as Ctrl-C does; what it printed, and said on stderr.

    bpftrace 0.17 looks for a SIGINT only when its epoll_wait() was interrupted, and
    forgets one that comes while it attaches or prints; so it is sent again until it
    is heeded.
    """
    deadline = time.monotonic() + patience_s
    while True:
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=AGAIN_S)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise


class Bpftrace:
    """A program, attached for the time of a with block; afterwards its maps.

    perf holds the module once a probe, and the module itself once a tracepoint:
    by that it is known when all are attached.
    """

    def __init__(self, program: Path, *options: str) -> None:
        if not shutil.which("bpftrace"):
            raise Skip("bpftrace is not installed")
        self.command = ["bpftrace", *options, str(program)]
        probes = PROBE.findall(program.read_text())
        self.references = len(probes) + len(set(probes))
        self.output = ""

    def __enter__(self) -> Self:
        before = references()
        self.process = subprocess.Popen(self.command, text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        try:
            wait_until("bpftrace to attach", lambda: self.process.poll() is not None
                       or references() == before + self.references, ATTACHING_S)
        except TimeoutError:
            self.process.kill()
            self.process.communicate()
            raise
        if self.process.poll() is not None:
            raise RuntimeError(f"bpftrace ended: {self.process.communicate()[0]}")
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            self.output = interrupt(self.process, ENDING_S)[0]
        except subprocess.TimeoutExpired:
            stack = Path(f"/proc/{self.process.pid}/stack").read_text()
            self.process.kill()
            self.output, _ = self.process.communicate()
            raise RuntimeError(f"bpftrace did not end; it printed {self.output!r} "
                               f"and was at:\n{stack}") from None
        if self.process.returncode:
            raise RuntimeError(f"bpftrace ended with {self.process.returncode}: {self.output}")

    def maps(self) -> dict[str, Any]:
        """The maps by name, of a program run with -f json."""
        found: dict[str, Any] = {}
        for line in self.output.splitlines():
            message = json.loads(line) if line.startswith("{") else {}
            if message.get("type") in ("map", "hist", "stats"):
                found.update(message["data"])
        return found


class Tool(Bpftrace):
    """A tool of scripts/bpftrace."""

    def __init__(self, name: str) -> None:
        super().__init__(TOOLS / name, "-f", "json")


def documented_maps(name: str) -> set[str]:
    """The maps that the example in a tool's header shows."""
    header = (TOOLS / name).read_text().partition("*/")[0]
    return set(re.findall(r"^ \*\s+(@\w+)", header, re.MULTILINE))


def buckets(histogram: list[dict[str, int]]) -> dict[tuple[int, int], int]:
    """The filled buckets of a histogram: first and last value, and the count."""
    return {(b.get("min", -1), b.get("max", -1)): b["count"]
            for b in histogram if b["count"]}
