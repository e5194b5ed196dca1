# SPDX-License-Identifier: GPL-2.0
"""The module under test: loaded, asked, its ring read, its events waited for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from hosts import run
from renoscope_lib.ring.schema import Event, Schema
from renoscope_lib.ring.schema_parser import parse_schema

MODULE = Path(os.environ.get("RENOSCOPE_MODULE", ""))
NAME = "tcp_renoscope"
FOLDER = Path("/sys/kernel/debug/renoscope")
PARAMETERS = Path("/sys/module", NAME, "parameters")
T = TypeVar("T")
COMMAND = Path(__file__).resolve().parent.parent / "renoscope"

# In the kernel's log: the taint that every load brings; and an emulated processor that was
# kept waiting.
NOT_OURS = ("taint", "hrtimer: interrupt took")

MISSED = re.compile(r", missed \d+ calls")

# Emulated machines are slow: long enough that only a defect reaches it.
PATIENCE_S = 60.0


def wait_until(what: str, condition: Callable[..., object],
               patience_s: float = PATIENCE_S) -> None:
    """Wait for a condition; TimeoutError names it if it does not come."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience_s:.0f} s for {what}")
        time.sleep(0.02)


def steady(what: str, look: Callable[[], T]) -> T:
    """What one sees, once it is the same twice in a row."""
    seen = [look()]

    def is_steady() -> bool:
        seen.append(look())
        return seen[-1] == seen[-2]
    wait_until(f"{what} to stand still", is_steady)
    return seen[-1]


def is_loaded() -> bool:
    """Whether the module is in the kernel."""
    return PARAMETERS.exists()


def kernel_log() -> str:
    """What the kernel has logged so far."""
    return run("dmesg")


def log_since(before: str) -> str:
    """What it has logged since, of the module."""
    lines = kernel_log().removeprefix(before).splitlines()
    return "\n".join(line for line in lines
                     if not any(words in line for words in NOT_OURS))


def parameter(name: str) -> str:
    """A parameter as it is now."""
    return (PARAMETERS / name).read_text().strip()


def references() -> int:
    """How many hold the module."""
    return int((PARAMETERS.parent / "refcnt").read_text())


def files() -> list[Path]:
    """Every file that a reader opens."""
    return sorted(path for path in FOLDER.rglob("*") if path.is_file())


def content(path: Path) -> bytes:
    """Everything that there is to read of a file now, even if more may come."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    found = b""
    try:
        while piece := os.read(fd, 1 << 17):
            found += piece
    except BlockingIOError:
        pass
    finally:
        os.close(fd)
    return found


def stats() -> dict[int, dict[str, int]]:
    """The stats file's counts, by CPU."""
    counts = {}
    for line in (FOLDER / "stats").read_text().splitlines():
        words = line.split()
        if words[0] == "cpu":
            counts[int(words[1])] = {words[i]: int(words[i + 1])
                                     for i in range(2, len(words), 2)}
    return counts


def written() -> int:
    """All events so far, on all CPUs."""
    return sum(counts["written"] for counts in stats().values())


def gate() -> dict[str, int]:
    """How many events were let in, and how many kept out, by what."""
    for line in (FOLDER / "stats").read_text().splitlines():
        words = line.split()
        if words[0] == "gate":
            return dict(zip(words[1::2], map(int, words[2::2])))
    raise AssertionError("no gate line in stats")


def sources() -> dict[str, str]:
    """The status of each place that events come from, by its name."""
    lines = [line.split(maxsplit=3)
             for line in (FOLDER / "stats").read_text().splitlines()]
    return {words[2]: words[3] for words in lines if words[0] == "source"}


def statuses() -> dict[str, str]:
    """The same, but for the calls that the kernel kept from a place meanwhile."""
    return {place: MISSED.sub("", status) for place, status in sources().items()}


class Reader:
    """An independent cursor on trace_raw."""

    def __init__(self, schema: Schema, file: str = "trace_raw") -> None:
        self.schema = schema
        self.fd = os.open(FOLDER / file, os.O_RDONLY | os.O_NONBLOCK)

    def close(self) -> None:
        """End the reader."""
        os.close(self.fd)

    def read(self) -> list[Event]:
        """Everything there is to read now."""
        events: list[Event] = []
        while True:
            try:
                data = os.read(self.fd, 256 * self.schema.record_bytes)
            except BlockingIOError:
                return events
            size = self.schema.record_bytes
            events += [self.schema.decode(data[i:i + size])
                       for i in range(0, len(data), size)]


class Recorder:
    """The module, loaded for the time of a with block."""

    def __init__(self, *parameters: str, module: Path = MODULE) -> None:
        self.parameters = parameters
        self.module = module
        self.schema: Schema

    def __enter__(self) -> Recorder:
        run("insmod", str(self.module), *self.parameters)
        self.schema = parse_schema((FOLDER / "schema").read_text())
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None,
                 trace: TracebackType | None) -> None:
        wait_until("the module to be free",
                   lambda: "exit" not in run_rmmod())

    def reader(self, file: str = "trace_raw") -> Reader:
        """A reader that stands at the oldest event."""
        return Reader(self.schema, file)

    def events(self, kind: str = "") -> list[Event]:
        """All events in the ring, or those of one kind."""
        reader = self.reader()
        try:
            return [event for event in reader.read()
                    if not kind or event.kind == kind]
        finally:
            reader.close()

    def state_name(self, number: int) -> str:
        """The name of a TCP state."""
        return self.schema.name_of("state", number)

    def path(self, cookie: int) -> list[str]:
        """The states one connection went through, by its state events."""
        states = []
        for event in self.events("state"):
            if event["cookie"] == cookie:
                states.append(self.state_name(event["state"]))
        return states


def run_rmmod() -> str:
    """Try to unload; empty on success, otherwise words with 'exit' in them."""
    if not is_loaded():
        return ""
    done = subprocess.run(["rmmod", NAME], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return f"exit {done.returncode}: {done.stdout}" if done.returncode else ""


def renoscope(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command; its output and exit code are what is tested."""
    return subprocess.run([sys.executable, str(COMMAND), *arguments], text=True,
                          capture_output=True, check=False)


def told(*arguments: str) -> Any:
    """What a command tells to a program."""
    done = renoscope(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
