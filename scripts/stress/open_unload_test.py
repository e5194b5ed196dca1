# SPDX-License-Identifier: GPL-2.0
"""Opening, reading, polling and closing every file while the module comes and goes.

A file of ours may be open only while the module is there: an open that comes too
late must be refused, an unload that comes too early too, and neither may meet what
the other has freed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import module_calls
from kernel_messages import OPEN_BETWEEN, Messages
from ktap_output import comment
from measure import part
from recorder import FOLDER, PATIENCE_S, content, files, wait_until

LOADS = 1000
# Attaching the sources is most of what a load takes, and no file is different for it: they
# are attached each tenth time.
WITH_SOURCES = 10
# The folder is not there, or not any more; or it is, and its files are on their way out.
REFUSALS = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO}


def _files() -> list[Path]:
    """Every file there is, asked of a module that stays for the moment."""
    module_calls.load()
    try:
        return files()
    finally:
        module_calls.unload()


def _open_and_close(path: Path) -> None:
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


def _read_to_the_end(path: Path) -> None:
    content(path)


def _poll(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        poll = select.poll()
        poll.register(fd)
        poll.poll(1)
    finally:
        os.close(fd)


def _wait_on_epoll(path: Path) -> None:
    """epoll keeps the file on a waiting list of the module's until it is closed.

    It takes no file that cannot be waited for.
    """
    if path.name in ("schema", "stats"):
        return
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with select.epoll() as epoll:
            epoll.register(fd, select.EPOLLIN | select.EPOLLET)
            epoll.poll(0.001)
            os.lseek(fd, 0, os.SEEK_SET)
    finally:
        os.close(fd)


def _list(path: Path) -> None:
    """Not the file itself: the folder that it is in, and what is said of it."""
    os.listdir(path.parent)
    path.stat()


VISITS = (_open_and_close, _read_to_the_end, _poll, _wait_on_epoll, _list)


class Visitors:
    """Threads that each do one thing to all files, over and over."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.done = Counter({visit.__name__: 0 for visit in VISITS})
        self.refused: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(visit,))
                         for visit in VISITS]

    def _visit(self, visit: Callable[[Path], None]) -> None:
        while not self._stop.is_set():
            for path in self.paths:
                began = time.monotonic()
                try:
                    visit(path)
                except OSError as error:
                    self._note_refusal(visit, path, error)
                else:
                    self.done[visit.__name__] += 1
                # Open a tenth of the time: now and then nobody holds the module.
                time.sleep(9 * (time.monotonic() - began))

    def _note_refusal(self, visit: Callable[[Path], None], path: Path,
                      error: OSError) -> None:
        self.refused[errno.errorcode[error.errno or 0]] += 1
        if error.errno not in REFUSALS:
            self.wrong.append(f"{visit.__name__} {path}: {error}")

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """They run for the time of a with block."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(PATIENCE_S)


def _unload(refused: Counter[str]) -> None:
    """Try until nobody has a file open."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            module_calls.unload()
        except OSError as error:
            refused[errno.errorcode[error.errno or 0]] += 1
            if time.monotonic() > deadline:
                raise
            time.sleep(0.0005)
        else:
            return


def test_open_against_unload() -> None:
    """Every file opened, read, polled and closed in five threads, against 1000 unloads"""
    visitors = Visitors(_files())
    assert len(visitors.paths) >= 5 + (os.cpu_count() or 1), visitors.paths
    unloads_refused: Counter[str] = Counter()
    loads = part(LOADS)
    with Messages(known=OPEN_BETWEEN) as messages, visitors.at_work():
        for number in range(loads):
            before = visitors.done.total()
            module_calls.load("events=none" if number % WITH_SOURCES else "")
            wait_until("a visit", lambda before=before: visitors.done.total() > before)
            _unload(unloads_refused)
        said = messages.ours()
    comment(f"{loads} loads; visits {dict(visitors.done)}, refused {dict(visitors.refused)}; "
            f"unloads refused {dict(unloads_refused)}; opens between two steps of the kernel's "
            f"unload, at which it warns: {messages.known_warnings}")
    assert not visitors.wrong, visitors.wrong[:5]
    assert set(unloads_refused) <= {"EAGAIN"}, unloads_refused
    assert not said, said
    # Otherwise nobody met anybody, and nothing was tried.
    assert all(visitors.done.values()), visitors.done
    assert unloads_refused["EAGAIN"] and visitors.refused["ENOENT"]
    assert not FOLDER.exists()
