# SPDX-License-Identifier: GPL-2.0
"""`renoscope record` at work beside a scenario, and what it saved.

It is the reader that people use, so the law it proves is the one they rely on:
read + lost = written, on each CPU. Every recording here must prove it.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import memory
import recorder
from renoscope_lib.recording.parser import RecordingParser
from renoscope_lib.ring.schema import Event

DRAINING_S = 600
READ_BYTES = 1 << 20
NOWHERE = Path("/dev/null")


class Saved:
    """Everything from here to the end of a with block, in a file, or in none."""

    def __init__(self, file: Path = NOWHERE) -> None:
        self.file = file
        self.said = ""
        self.read = self.lost = self.missed = 0

    def __enter__(self) -> Saved:
        self.process = subprocess.Popen(
            [sys.executable, str(recorder.COMMAND), "record", "--all", str(self.file)],
            text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        assert first.startswith("renoscope: recording to"), first
        return self

    def __exit__(self, kind: type[BaseException] | None, *_unused: object) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            _, self.said = self.process.communicate(timeout=DRAINING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        if kind is None:
            self._check_law()

    def _check_law(self) -> None:
        """What the command says, and its sums once more."""
        assert self.process.returncode == 0, self.said
        counts = re.search(r"(\d+) events?, (\d+) lost", self.said)
        assert counts, self.said
        self.read, self.lost = map(int, counts.groups())
        sums = re.findall(r"cpu\d+ (\d+) \+ (\d+) = (\d+)", self.said)
        assert sums and all(int(read) + int(lost) == int(written)
                            for read, lost, written in sums), self.said
        assert sum(int(read) for read, _lost, _written in sums) == self.read, self.said
        self.missed = sum(map(int, re.findall(r"(\d+) calls? missed", self.said)))

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """It reads nothing for the time of a with block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def is_alive(self) -> bool:
        """Whether it still records."""
        return self.process.poll() is None

    def resident_bytes(self) -> int:
        """Memory that its process holds now."""
        return memory.of_process(self.process.pid)


class Recording:
    """A file that Saved made, read again piece by piece."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.done: dict[str, Any] = {}

    def pieces(self) -> Iterator[tuple[Any, bytes]]:
        """Runs of whole records, each with the schema."""
        parser = RecordingParser()
        with self.file.open("rb") as file:
            while data := file.read(READ_BYTES):
                for records in parser.feed(data):
                    yield parser.schema, records
        parser.close()
        assert parser.done is not None, parser.cut_off
        self.done = parser.done

    def kinds(self) -> Counter[str]:
        """How many records of each kind."""
        numbers: Counter[int] = Counter()
        schema = None
        for schema, records in self.pieces():
            place = schema.field_named("kind").offset
            numbers.update(records[place::schema.record_bytes])
        assert schema is not None, "nothing was recorded"
        return Counter({schema.kinds[number]: count for number, count in numbers.items()})

    def events(self, *kinds: str) -> Iterator[Event]:
        """The events of these kinds, in the order of the file; all without names."""
        for schema, records in self.pieces():
            size = schema.record_bytes
            place = schema.field_named("kind").offset
            wanted = {number for number, name in schema.kinds.items()
                      if not kinds or name in kinds}
            for number, kind in enumerate(records[place::size]):
                if kind in wanted:
                    yield schema.decode(records[number * size:(number + 1) * size])
