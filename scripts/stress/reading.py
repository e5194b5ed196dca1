# SPDX-License-Identifier: GPL-2.0
"""Runs a reader command as a person would, in bounds, and judges what it did.

Each runs in a process of its own, forked from this one so that nothing must be loaded
anew, with so much memory and so much time.
"""

from __future__ import annotations

import contextlib
import csv
import gc
import io
import json
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from renoscope_lib import cli

# What a reader may have beyond what a Python with all modules loaded takes.
MEMORY_BYTES = 600 << 20
PATIENCE_S = 60

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
COMPLAINT = re.compile(r"renoscope: .*")
# With a code of its own: the recording is in order, but who is asked for is not in it.
NOT_SEEN = re.compile(r"renoscope: \w+: [^;]* was not seen\b")


@dataclass(frozen=True)
class Done:
    """What came of it."""

    code: int
    out: bytes
    complaints: str


def _address_space() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


def _child(arguments: Sequence[str], stdin: int, out: int, complaints: int) -> None:
    """Never returns."""
    code = 1
    try:
        for number, target in ((stdin, 0), (out, 1), (complaints, 2)):
            os.dup2(number, target)
        sys.stdout = open(1, "w", closefd=False)
        sys.stderr = open(2, "w", closefd=False)
        limit = _address_space() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = cli.main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(pid: int) -> int:
    """Its exit code; TimeoutError if it hangs."""
    process = os.pidfd_open(pid)
    try:
        if not select.select([process], [], [], PATIENCE_S)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise TimeoutError(f"hangs: no end after {PATIENCE_S} s")
    finally:
        os.close(process)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _read_all(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as file:
        return file.read()


def run(arguments: Sequence[str], piped: Path | None = None) -> Done:
    """One command; `piped` is what its standard input gives."""
    out, complaints = os.memfd_create("out"), os.memfd_create("complaints")
    stdin, feeder = os.open(os.devnull, os.O_RDONLY), 0
    if piped is not None:
        os.close(stdin)
        stdin, feeder = _pipe(piped)
    gc.freeze()
    try:
        pid = os.fork()
        if not pid:
            _child(arguments, stdin, out, complaints)
        return Done(_wait(pid), _read_all(out), _read_all(complaints).decode(errors="replace"))
    finally:
        for fd in (out, complaints, stdin):
            os.close(fd)
        if feeder:
            os.waitpid(feeder, 0)


def _pipe(path: Path) -> tuple[int, int]:
    """The reading end of a pipe, and the process that fills it."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            os.close(ours)
            with open(theirs, "wb") as pipe:
                pipe.write(path.read_bytes())
        os._exit(0)
    os.close(theirs)
    return ours, pid


def run_on_terminal(arguments: Sequence[str]) -> Done:
    """The same where standard output is a terminal."""
    terminal, tty = os.openpty()
    complaints = os.memfd_create("complaints")
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        pid = os.fork()
        if not pid:
            os.close(terminal)
            _child(arguments, nothing, tty, complaints)
        os.close(tty)
        out = _drain(terminal, time.monotonic() + PATIENCE_S)
        return Done(_wait(pid), out.replace(b"\r\n", b"\n"),
                    _read_all(complaints).decode(errors="replace"))
    finally:
        for fd in (terminal, complaints, nothing):
            os.close(fd)


def _drain(terminal: int, deadline_s: float) -> bytes:
    shown = bytearray()
    while select.select([terminal], [], [], max(deadline_s - time.monotonic(), 0))[0]:
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:     # EIO: the other side was closed
            break
        if not data:
            break
        shown += data
    return bytes(shown)


# ---- what may be seen of it

def judge(done: Done, form: str, on_terminal: bool = False) -> None:
    """AssertionError says what is wrong with a run; `form` is what it should give."""
    last = done.complaints[-1500:]
    assert "Traceback" not in done.complaints, f"a traceback: {last}"
    lines = done.complaints.splitlines()
    answers = (0, 1, 2) if lines and NOT_SEEN.match(lines[-1]) else (0, 2)
    assert done.code in answers, f"exit code {done.code}: {last}"
    assert all(COMPLAINT.fullmatch(line) for line in lines), f"it complains: {last}"
    assert done.code == 0 or lines, f"an exit code of {done.code} without a word"
    _check_harmless(done.complaints)
    FORMS[form](done)
    if form == "text":
        text = done.out.decode()
        _check_harmless(COLOURS.sub("", text) if on_terminal else text)


def _check_harmless(text: str) -> None:
    found = CONTROLS.search(text)
    assert not found, f"control characters: {text[max(found.start() - 100, 0):][:200]!r}"


def _refused(value: str) -> None:
    raise AssertionError(f"{value} in JSON")


def _json(done: Done) -> None:
    if done.out:
        json.loads(done.out, parse_constant=_refused)


def _json_lines(done: Done) -> None:
    for line in done.out.splitlines():
        json.loads(line, parse_constant=_refused)


def _csv(done: Done) -> None:
    rows = list(csv.reader(io.StringIO(done.out.decode())))
    assert len({len(row) for row in rows}) <= 1, "rows of different lengths"
    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "@")), f"a formula: {cell!r}"


def _html(done: Done) -> None:
    page = done.out.decode()
    assert "<script>alert" not in page, "what the recording says is run"
    assert "\0" not in page


def _metrics(done: Done) -> None:
    for line in done.out.decode().splitlines():
        assert re.fullmatch(r"#.*|[a-z_]+(\{.*\})? [-+.0-9e]+", line), f"no metric: {line!r}"


def _anything(_: Done) -> None:
    pass


FORMS = {"text": lambda done: done.out.decode(), "json": _json, "json lines": _json_lines,
         "csv": _csv, "html": _html, "metrics": _metrics, "binary": _anything}
