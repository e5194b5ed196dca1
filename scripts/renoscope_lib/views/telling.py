# SPDX-License-Identifier: GPL-2.0
"""From an input to a view, and from the view to what a person or a program reads."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..errors import BAD_INPUT, NOT_SO, OK, Problem
from ..machine.host import Host
from ..output.json_pieces import json_pieces, with_utc
from ..output.tables import note
from ..recording.inputs import Input, LiveInput, RecordingInput
from ..ring.live_ring import LiveRing
from ..ring.schema import Event
from ..tcp.flows import Joiner
from ..tcp.wanted import ChoiceSeen, chosen
from ..words import clock_moved
from .gaps import View

# What follows live may keep a person waiting so long for a missing part.
LIVE_HOLD_NS = 200_000_000


def open_input(name: str | None, follows: bool,
               prints_meanwhile: bool = False) -> Input:
    """A recording, or without a name the ring.

    Who prints to a terminal while reading shows thereby how far that has come.
    """
    if name is not None:
        return RecordingInput(name, shows_progress=not (
            prints_meanwhile and sys.stdout.isatty()))
    return LiveInput(LiveRing(Host().renoscope_dir()), follows)


def finish(source: Input) -> int:
    """The exit code; a complaint if the input was cut off."""
    complaint = source.complaint()
    if complaint:
        raise Problem(complaint, BAD_INPUT)
    return OK


def choice_of(options: argparse.Namespace, source: Input) -> ChoiceSeen:
    """Who looks out for those that the options choose."""
    return ChoiceSeen(chosen(options), source.schema)


def finish_choice(options: argparse.Namespace, source: Input,
                  choice: ChoiceSeen) -> int:
    """The exit code, which tells as well if there was none of those asked for."""
    complaint = source.complaint()
    if not choice.not_there():
        return finish(source)
    raise Problem(f"{command_of(options)}: {choice.not_there()}"
                  + (f"; {complaint}" if complaint else ""),
                  BAD_INPUT if complaint else NOT_SO)


def coloured() -> bool:
    """Whether a person looks."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def command_of(options: argparse.Namespace) -> str:
    """Its name, for a complaint."""
    return str(options.parser.prog).split()[-1]


def joined(source: Input,
           paused: Callable[[], None] = lambda: None) -> Iterator[Event]:
    """The source's events, completed; none is kept back longer than needed.

    `paused` is called when nothing comes for a moment.
    """
    joiner = Joiner(source.schema, LIVE_HOLD_NS if source.follows else None)
    try:
        for batch in source.batches():
            for event in batch:
                yield from joiner.feed(event)
            if not batch:
                yield from joiner.flush()
                paused()
            if source.follows:
                sys.stdout.flush()
    except KeyboardInterrupt:
        # the one way to end a view that follows
        if not source.follows:
            raise
    except Problem:
        yield from joiner.flush()
        raise
    yield from joiner.flush()


def tell(options: argparse.Namespace, source: Input, view: View,
         as_json: Callable[[int | None], dict[str, Any]],
         as_text: Callable[[int | None], Iterable[str]]) -> int:
    """Feed everything the source has to a view, then print what it says."""
    view.gaps.begin(source.parameters(), *source.parameters_read())
    choice = choice_of(options, source)
    for event in joined(source):
        choice.see(event)
        view.feed(event)
    view.gaps.see_sources(source.stats())
    if options.json:
        for piece in json_pieces(as_json(source.end_ns())):
            sys.stdout.write(piece)
        print()
    else:
        print_view([] if choice.not_there() else as_text(source.end_ns()),
                   view.gaps.remarks())
    return finish_choice(options, source, choice)


def wall_offset_asked_ns(options: argparse.Namespace, source: Input) -> int | None:
    """What turns times into those of day, if --absolute asks for them."""
    if not options.absolute:
        return None
    offset_ns = source.wall_offset_ns()
    if offset_ns is None:
        raise Problem(f"{command_of(options)}: the recording does not tell the wall clock",
                      BAD_INPUT)
    return offset_ns


def tell_dated(options: argparse.Namespace, source: Input, view: View,
               as_json: Callable[[int | None], dict[str, Any]],
               as_text: Callable[[int | None], Iterable[str]],
               complain_if: Callable[[str], None]) -> int:
    """The same by the wall clock: with --absolute, and to programs besides."""
    if not options.json:
        view.gaps.wall_offset_ns = wall_offset_asked_ns(options, source)

    def dated_json(end_ns: int | None) -> dict[str, Any]:
        complain_if(clock_moved(source.wall_clock_moved_ns()))
        return with_utc(as_json(end_ns), source.wall_offset_ns())

    def dated_text(end_ns: int | None) -> Iterable[str]:
        if options.absolute:
            complain_if(clock_moved(source.wall_clock_moved_ns()))
        return as_text(end_ns)
    return tell(options, source, view, dated_json, dated_text)


def print_view(lines: Iterable[str], remarks: list[str]) -> None:
    """What a view says, then what may be missing."""
    told = False
    for line in lines:
        told = True
        print(line)
    if remarks and told:
        print()
    for remark in remarks:
        print("\n".join(note(remark)))
