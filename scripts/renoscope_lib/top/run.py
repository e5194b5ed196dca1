# SPDX-License-Identifier: GPL-2.0
"""`top` from its input to whoever looks: a terminal, a pipe, or a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from ..errors import NOT_THERE, OK, Problem
from ..output.screen import Screen, is_fit, size_of
from ..recording.inputs import Input, RecordingInput
from ..stopping import Stop, stop_on_signals
from ..tcp.wanted import Filter
from ..views.telling import coloured, finish, open_input
from ..words import clock_moved
from .frame import Frame
from .intervals import Intervals, StreamClock
from .table import Choice, plain
from .terminal import TopView
from .top import Top
from .top_json import as_json

USUAL_INTERVAL_S = 2.0
STDOUT = 1


@dataclass
class Asked:
    """What was asked for besides which rows."""

    file: str | None
    interval_s: float | None
    once: bool
    json: bool


def _end_of(name: str) -> int:
    """When a recording ended."""
    source = RecordingInput(name)
    for _ in source.records():
        pass
    return source.end_ns() or 0


def _every_and_begin(asked: Asked, source: Input) -> tuple[int | None, int]:
    """How long intervals are, None for one alone; and where the first begins."""
    every_ns = int((asked.interval_s or USUAL_INTERVAL_S) * 1e9)
    if source.follows and not asked.once:
        return every_ns, source.parameters_read()[0]
    if asked.file in (None, "-") or source.follows or asked.interval_s is None:
        return None, 0
    if asked.once:
        return every_ns, max(_end_of(asked.file or "") - every_ns, 1)
    return every_ns, 0


class Teller:
    """Prints a frame: a block of lines, or an object on one line."""

    def __init__(self, asked: Asked, source: Input, view: Top,
                 choice: Choice) -> None:
        self._asked = asked
        self._source = source
        self._view = view
        self._choice = choice
        self._told: list[str] = []
        self._blocks = 0

    def tell(self, frame: Frame) -> None:
        """At once, as somebody may wait for it."""
        if self._asked.json:
            content = as_json(frame, self._choice, self._view.gaps)
            print(json.dumps(content, separators=(",", ":")), flush=True)
            return
        if self._blocks:
            print()
        width = size_of(STDOUT)[0] if sys.stdout.isatty() else None
        lines = plain(frame, self._choice, self._source.wall_offset_ns(), width,
                      self._told)
        print("\n".join(lines), flush=True)
        self._told = frame.notes
        self._blocks += 1


def _print_all(frames: Iterator[Frame | None], teller: Teller, stop: Stop,
               only_last: bool) -> bool:
    """Each frame, or the last one; whether it was stopped by a signal."""
    last = None
    for frame in frames:
        if stop.asked:
            return True
        if frame is None:
            continue
        if only_last:
            last = frame
        else:
            teller.tell(frame)
    if last is not None:
        teller.tell(last)
    return False


def _draw_all(intervals: Intervals, source: Input, view: TopView) -> bool:
    """On the terminal, until it ends or the user ends it; whether the user did."""
    with Screen(STDOUT, coloured()) as screen:
        for frame in intervals.frames():
            is_new = False
            if frame is not None:
                view.wall_offset_ns = source.wall_offset_ns()
                is_new = view.see(frame, intervals.behind_ns)
            is_new |= view.press(screen.keys())
            if screen.is_over or view.wants_to_quit:
                return True
            if is_new or screen.is_stale:
                screen.draw(view.picture(*screen.size()))
    return False


def run(asked: Asked, choice: Choice, wanted: Filter) -> int:
    """The whole command; the exit code."""
    source = open_input(asked.file, follows=not asked.once)
    view = Top(source.schema, wanted)
    view.gaps.begin(source.parameters(), *source.parameters_read())
    every_ns, begins_ns = _every_and_begin(asked, source)
    is_followed = source.follows and not asked.once
    intervals = Intervals(source, view, every_ns, begins_ns,
                          StreamClock(source.parameters_read()[0]))
    teller = Teller(asked, source, view, choice)
    if is_followed and not asked.json and is_fit(STDOUT):
        shown = TopView(choice)
        if _draw_all(intervals, source, shown):
            return OK
        if shown.frame is not None:
            teller.tell(shown.frame)
        if asked.file is not None:
            print("The recording has ended.")
    else:
        with stop_on_signals() if is_followed else nullcontext(Stop()) as stop:
            if _print_all(intervals.frames(), teller, stop,
                          asked.once and every_ns is not None):
                return OK
    if asked.file is not None and not asked.json:
        moved = clock_moved(source.wall_clock_moved_ns())
        if moved:
            print(moved)
    if is_followed and asked.file is None:
        raise Problem("the ring has ended: the module was unloaded", NOT_THERE)
    return finish(source)
