# SPDX-License-Identifier: GPL-2.0
"""show: events as they are, one line each."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from ..export.json_lines import JsonWriter
from ..options import (add_absolute, add_choice, add_command, add_input, check_kinds, complain_if,
                       kinds)
from ..recording.inputs import Input
from ..tcp.wanted import chosen
from ..views.show import Clock, LineWriter
from ..views.telling import (choice_of, coloured, finish_choice, joined, open_input,
                             wall_offset_asked_ns)
from ..words import clock_moved


def _show_writer(options: argparse.Namespace,
                 source: Input) -> LineWriter | JsonWriter:
    if options.json:
        return JsonWriter(source.schema, source.wall_offset_ns())
    writer = LineWriter(source.schema, Clock(wall_offset_asked_ns(options, source)),
                        options.raw_seq, coloured(), options.short)
    print(writer.heading())
    return writer


def _show(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=not options.once,
                        prints_meanwhile=True)
    check_kinds("show", options.kind, source.schema)
    writer = _show_writer(options, source)
    wanted = replace(chosen(options), kinds=options.kind)
    choice = choice_of(options, source)
    for event in joined(source):
        choice.see(event)
        if wanted.wants(event):
            print(writer.line(event))
        else:
            writer.note(event)
    if options.json or options.absolute:
        complain_if(clock_moved(source.wall_clock_moved_ns()))
    return finish_choice(options, source, choice)


def add(commands: Any) -> None:
    """The plainest view."""
    show = add_command(
        commands, "show", _show, "show events, one line each",
        "Without FILE: live, from the oldest event in the ring on, until "
        "Ctrl-C. The local end stands left, the peer right; < is a segment "
        "received, > one sent. una, nxt and rcv are the oldest number not "
        "acknowledged, the next to send and the next expected; those of an "
        "ack are from before it is processed. (raw) marks a sequence number as it "
        "is on the wire: its ISN was not seen.",
        "sudo scripts/renoscope show --port 5000 --kind state,retransmit")
    add_choice(show)
    show.add_argument("--once", action="store_true",
                      help="live: end when all that the ring holds is shown")
    show.add_argument("--short", action="store_true",
                      help="narrow lines: no processor, local end, nor where the connection "
                      "stood")
    show.add_argument("--raw-seq", action="store_true",
                      help="sequence numbers as on the wire, not relative")
    add_absolute(show)
    show.add_argument("--kind", type=kinds, metavar="K,...",
                      help="only these kinds (a loss is always shown)")
    add_input(show, "one JSON object a line, with every field")
