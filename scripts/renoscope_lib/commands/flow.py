# SPDX-License-Identifier: GPL-2.0
"""flow: the ladder of one connection.

Two passes: the first sees who is there, the second tells of the one that is meant.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..errors import BAD_INPUT, NOT_SO, Problem
from ..ladder import ladder_json, ladder_svg, ladder_text, ladder_words
from ..ladder.conversations import Conversation, Conversations
from ..ladder.ladder import Ladder, Part
from ..ladder.replay import Replay
from ..options import add_choice, add_command, add_input, limit, seconds_from
from ..output.json_pieces import json_pieces
from ..output.tables import aligned, seconds
from ..output.whole_file import WholeFile, check_is_another
from ..place import COMMAND
from ..tcp.wanted import Filter, chosen, which_ports, who_was
from ..views.gaps import begins_time
from ..views.telling import coloured, finish, print_view
from ..words import connection, duration, file_word

# Rungs on a terminal, and connections in the table, unless asked for more.
RUNGS = 100
ROWS = 40

NUMBERED = "no:"
A_CONNECTION = re.compile(r"sk:[0-9a-fA-F]{1,16}|no:[0-9]{1,9}|[0-9]{1,5}")


# ---- which one

def _sort_positionals(options: argparse.Namespace) -> None:
    """`flow 5000` is the live ring's port 5000, unless there is such a file."""
    word = options.file
    if options.which is None and word is not None \
            and A_CONNECTION.fullmatch(word) and not os.path.exists(word):
        options.file, options.which = None, word


def _check(word: str | None) -> None:
    if word is not None and not A_CONNECTION.fullmatch(word):
        raise Problem(f"flow: {word!r} names no connection: give its id as in "
                      "ss -e (sk:2), or a port", BAD_INPUT)


def _is_meant(conversation: Conversation, options: argparse.Namespace) -> bool:
    ports = [port for _, port in conversation.ends]
    word = options.which or ""
    if word.startswith(NUMBERED):
        named = conversation.number == int(word.removeprefix(NUMBERED))
    elif word.startswith("sk:"):
        named = conversation.has(int(word.removeprefix("sk:"), 16))
    else:
        named = not word or int(word) in ports
    return (named
            and (options.port is None or options.port in ports)
            and (options.addr is None
                 or any(options.addr.has(host) for host, _ in conversation.ends))
            and (options.netns is None or options.netns in conversation.netns)
            and (options.connection is None
                 or conversation.has(options.connection)))


def _wanted_id(options: argparse.Namespace) -> int | None:
    word = options.which or ""
    if word.startswith("sk:"):
        return int(word.removeprefix("sk:"), 16)
    return options.connection


def _words_to_type(found: list[Conversation]) -> list[str]:
    """For each its id, where that is of no other one here."""
    count = Counter(cookie for one in found for cookie in set().union(*one.ids))
    words = []
    for one in found:
        cookie = next((cookie for ids in one.ids for cookie in ids
                       if count[cookie] == 1), None)
        words.append(connection(cookie) if cookie
                     else f"{NUMBERED}{one.number}")
    return words


def _rows(found: list[Conversation], first_ns: int | None,
          words: list[str]) -> Iterator[tuple[str, ...]]:
    yield ("CONNECTION", "at (s)", "lasted", "events", "again", "RST", "state",
           "local - peer")
    for word, one in zip(words, found):
        left = ladder_words.left_end(one, None)
        lasted_us = max(one.last_ns - one.first_ns, 0) // 1000
        states = [one.states[end].now or "-" for end in (left, 1 - left)
                  if one.recorded[end]]
        yield (word, seconds(one.first_ns, first_ns), duration(lasted_us),
               str(one.events), str(one.sent_again or "."),
               str(one.resets or "."), " / ".join(states),
               f"{one.names[left]} - {one.names[1 - left]}")


def _ends_json(one: Conversation) -> Iterator[dict[str, Any]]:
    """As in a ladder's, as far as the first reading tells."""
    for name, ids, netns, state in zip(one.names, one.ids, one.netns, one.states):
        yield {"address": name, "connections": list(map(connection, ids)),
               "netns": netns, "state": state.now or None}


def _list_as_json(found: list[Conversation], words: list[str]) -> None:
    for piece in json_pieces({"connections": ({
            "choose": word, "ends": list(_ends_json(one)), "first_ns": one.first_ns,
            "last_ns": one.last_ns, "events": one.events,
            "segments_sent_again": one.sent_again, "resets": one.resets}
            for word, one in zip(words, found))}):
        sys.stdout.write(piece)
    print()


def _list(found: list[Conversation], first_ns: int | None, words: list[str],
          most: int) -> None:
    """Show whom one can choose."""
    shown = found[:most] if most else found
    for line in aligned(_rows(shown, first_ns, words), right=range(1, 6)):
        print(line)
    if len(shown) < len(found):
        print(f"and {len(found) - len(shown)} more: --limit 0 shows all, "
              "--port N those of a port")


# ---- the ladder

def _part(options: argparse.Namespace) -> Part:
    most = options.limit
    if most is None:
        most = RUNGS if sys.stdout.isatty() and not options.json else 0
    return Part(round((options.begin or 0) * 1e9),
                None if options.end is None else round(options.end * 1e9), most)


def _build(replay: Replay, number: int, part: Part) -> Ladder:
    ladder = Ladder(replay.source.schema, number, part)
    source = replay.source
    ladder.gaps.begin(source.parameters(), *source.parameters_read())
    for event in replay.second():
        ladder.feed(event)
    ladder.gaps.see_sources(replay.source.stats())
    ladder.finish(replay.source.end_ns())
    return ladder


def _write_svg(path: str, ladder: Ladder, flag_words: dict[int, str],
               left: int) -> None:
    with WholeFile(path) as file:
        for line in ladder_svg.lines(ladder, flag_words, left):
            file.write(f"{line}\n".encode())


def _tell(options: argparse.Namespace, replay: Replay,
          meant: Conversation) -> None:
    ladder = _build(replay, meant.number, _part(options))
    flag_words = replay.source.schema.values.get("tcp_flags", {})
    assert ladder.conversation is not None
    left = ladder_words.left_end(ladder.conversation, _wanted_id(options))
    if options.svg:
        _write_svg(options.svg, ladder, flag_words, left)
    if options.json:
        for piece in json_pieces(ladder_json.as_json(
                ladder, flag_words, replay.source.end_ns())):
            sys.stdout.write(piece)
        print()
    else:
        text = ladder_text.TextLadder(ladder, flag_words, left,
                                      ladder_text.look(coloured()))
        print_view(text.lines(), ladder.gaps.remarks())


def _flow(options: argparse.Namespace) -> int:
    _sort_positionals(options)
    _check(options.which)
    check_is_another("flow", options.file, options.svg)
    replay = Replay(options.file)
    conversations = Conversations(replay.source.schema)
    first_ns = None
    for event in replay.first():
        if first_ns is None and begins_time(event):
            first_ns = event["time_ns"]
        conversations.of(event)
    found = [one for one in conversations if _is_meant(one, options)]
    if len(found) == 1:
        _tell(options, replay, found[0])
        return finish(replay.source)
    replay.close()
    if found:
        words = _words_to_type(found)
        if options.json:
            _list_as_json(found, words)
        else:
            print_view(conversations.left_out(), [])
            _list(found, first_ns, words,
                  ROWS if options.limit is None else options.limit)
        file = f"{file_word(options.file)} " if options.file else ""
        raise Problem(f"flow: {len(found)} connections: say which one, as in: "
                      f"{COMMAND} flow {file}{words[0]}", BAD_INPUT)
    if options.json:
        _list_as_json([], [])
    return _none(options, replay, conversations)


def _none(options: argparse.Namespace, replay: Replay,
          conversations: Conversations) -> int:
    """The exit code where nobody was found; a complaint if somebody was asked for."""
    word = options.which or ""
    asked = [f"port {word}" if word.isdigit() else word] if word else []
    asked += chosen(options).words()
    if not asked and not options.json:
        print(Filter().none_seen(0))
    code = finish(replay.source)
    if asked:
        ids = {cookie for one in conversations for ids in one.ids for cookie in ids}
        ports = {port for one in conversations for _, port in one.ends}
        others = (which_ports(ports) if all(one.startswith("port") for one in asked)
                  else who_was(ids))
        raise Problem(f"flow: {' '.join(asked)} was not seen{others}", NOT_SO)
    return code


def add(commands: Any) -> None:
    """The ladder."""
    flow = add_command(
        commands, "flow", _flow, "the ladder of one connection, segment by segment",
        "Without FILE: what the ring holds now. Wireshark's flow graph, with each "
        "end's states beside it and between the segments what only the recorder "
        "knows. Every segment is there if `segment` was on (echo +segment | sudo "
        "tee /sys/module/tcp_renoscope/parameters/events); both ends if both are "
        "of this machine. Without CONNECTION: the only one, or a list to choose "
        "from.",
        "scripts/renoscope flow session.renoscope sk:2")
    add_choice(flow)
    flow.add_argument("--from", type=seconds_from_first, metavar="S", dest="begin",
                      help="only from S seconds after the first event on")
    flow.add_argument("--to", type=seconds_from_first, metavar="S", dest="end",
                      help="only until S seconds after the first event")
    flow.add_argument("--svg", metavar="FILE.svg",
                      help="also draw it, arrows aslant from sending to arrival")
    flow.add_argument("--limit", type=limit, metavar="N",
                      help=f"rungs to show, 0 for all (default: {RUNGS} on a terminal, "
                      "otherwise all)")
    add_input(flow, "one JSON object: the rungs, states and facts")
    flow.add_argument("which", nargs="?", metavar="CONNECTION",
                      help="its id (sk:2), or a port of either end")
    flow.options_between = True     # between FILE and CONNECTION


def seconds_from_first(text: str) -> float:
    """A time as `renoscope show` counts it."""
    return seconds_from(0, text)


seconds_from_first.__name__ = "number of seconds"
