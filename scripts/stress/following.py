# SPDX-License-Identifier: GPL-2.0
"""Readers of the module's files, each a process of its own, and what they were told.

A reader follows a file from its first event to the last, fast or slow, and keeps an
account for each CPU: of what was read, of what was told lost, of what came out of place.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from recorder import FOLDER, Recorder
from renoscope_lib.ring.schema import Event

CHUNK = 64
SLOW_RECORDS = 2
SLOW_S = 0.2
LOOK_MS = 200
FINISHING_S = 180

LINE = re.compile(rb" cpu=(\d+) (?:lost (\d+) events)?")


@dataclass
class Account:
    """What a reader is told, and whether it could be so."""

    read: Counter[int]
    lost: Counter[int]
    next_serial: Counter[int]
    misplaced: int = 0

    def enter(self, cpu: int, serial: int, lost: int) -> None:
        """A record, or so many lost events from a serial on."""
        self.misplaced += serial != self.next_serial[cpu] + 1
        self.next_serial[cpu] = serial + (lost or 1) - 1
        self.count(cpu, lost)

    def count(self, cpu: int, lost: int) -> None:
        """A record, or so many lost events."""
        if lost:
            self.lost[cpu] += lost
        else:
            self.read[cpu] += 1


def events(it: Recorder, data: bytes) -> Iterator[Event]:
    """The events of whole records."""
    size = it.schema.record_bytes
    for place in range(0, len(data), size):
        yield it.schema.decode(data[place:place + size])


def _records(it: Recorder, data: bytes, account: Account) -> bytes:
    for event in events(it, data):
        lost = event["lost_events"] if event.kind == "lost" else 0
        account.enter(event["cpu"], event["serial"], lost)
    return b""


def _lines(_it: Recorder, data: bytes, account: Account) -> bytes:
    """Whole lines are counted, what is behind them is returned."""
    *lines, rest = data.split(b"\n")
    for line in lines:
        found = LINE.search(line)
        assert found, line
        account.count(int(found[1]), int(found[2] or 0))
    return rest


def _read_until(it: Recorder, file: str, slow: bool, stop: int) -> Account:
    """Read a file from its first event until stop is closed, and then the rest."""
    account = Account(Counter(), Counter(), Counter())
    take = _lines if file.endswith("pipe") else _records
    size = (SLOW_RECORDS if slow else CHUNK) * it.schema.record_bytes
    fd = os.open(FOLDER / file, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.register(stop, select.POLLHUP)
    stopped = False
    rest = b""
    while True:
        try:
            rest = take(it, rest + os.read(fd, size), account)
        except BlockingIOError:
            if stopped:
                assert not rest, rest
                return account
            stopped = any(ready == stop for ready, _ in poll.poll(LOOK_MS))
            continue
        if slow and not stopped:
            time.sleep(SLOW_S)
            stopped = bool(select.select([stop], [], [], 0)[0])


class Reader:
    """A process that reads one of the module's files, fast or slow.

    It ends when the stopper is closed, the writing end of a pipe that all share.
    """

    def __init__(self, it: Recorder, file: str, slow: bool, stop: int, stopper: int) -> None:
        self.file = file
        self.name = f"{file}, {'slow' if slow else 'fast'}"
        self.results, tell = os.pipe()
        ready, say_ready = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(stopper)
            _in_child(lambda: _read_until(it, file, slow, stop), say_ready, tell)
        os.close(tell)
        os.close(say_ready)
        os.read(ready, 1)
        os.close(ready)

    def finish(self) -> Account:
        """What it was told; the stopper is closed."""
        with os.fdopen(self.results) as results:
            # What may be wrong with it is a read that never returns.
            in_time = select.select([results], [], [], FINISHING_S)[0]
            if not in_time:
                os.kill(self.pid, signal.SIGKILL)
            text = results.read()
        status = self._wait()
        assert status == 0 and text, f"{self.name}: ended with {status}" if in_time else (
            f"{self.name}: it does not come to an end")
        read, lost, misplaced = json.loads(text)
        return Account(Counter({int(cpu): n for cpu, n in read.items()}),
                       Counter({int(cpu): n for cpu, n in lost.items()}), Counter(), misplaced)

    def _wait(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return status

    def end(self) -> None:
        """Finished or not, it is there no more."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self._wait()


def _in_child(work: Callable[[], Account], say_ready: int, tell: int) -> None:
    """Say that it runs, work, tell, and end: a fork must not go on as its parent."""
    code = 1
    try:
        os.write(say_ready, b"!")
        account = work()
        os.write(tell, json.dumps((account.read, account.lost, account.misplaced)).encode())
        code = 0
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    finally:
        os._exit(code)
