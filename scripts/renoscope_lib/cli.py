# SPDX-License-Identifier: GPL-2.0
"""The words of the command line, and how every run ends.

Whatever happens, the user gets at most one line beginning with `renoscope:`
and an exit code from errors.py.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn, Protocol

from . import (doctor, figure, handshakes, isn, losses, modctl, rounds, states,
               synflood, windows)
from .errors import (BAD_INPUT, EXIT_CODES_HELP, INTERRUPTED, NOT_SO, OK,
                     Problem)
from .flows import Joiner
from .gaps import Gaps
from .handshakes import ROWS, Handshakes
from .host import Host
from .inputs import Input, LiveInput, RecordingInput
from .isn import IsnAudit
from .json_pieces import json_pieces
from .recorder import Limits, OutputFile, Recorder, meta, stop_on_signals
from .recording import RecordingWriter
from .schema import Event, Schema
from .show import ChoiceSeen, Clock, Filter, JsonWriter, LineWriter
from .stream import LiveRing
from .synflood import FloodWatch
from .tables import note

# What follows live may keep a person waiting so long for a missing part.
LIVE_HOLD_NS = 200_000_000


class View(Protocol):
    """What is fed with events and tells of them."""

    gaps: Gaps

    def feed(self, event: Event) -> None:
        """The next event."""


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.removeprefix("renoscope").strip()
        where = f"{command}: " if command else ""
        raise Problem(f"{where}{message} "
                      f"(see: scripts/{self.prog} --help)", BAD_INPUT)


def complain(message: object) -> None:
    """One line on standard error, if there is one."""
    if sys.stderr is not None:
        print(f"renoscope: {message}", file=sys.stderr)


# ---- the values of options

def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e9:
        raise ValueError
    return seconds


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"must be {least} or more")
    return number


def _count(text: str) -> int:
    return _at_least(1, text)


def _limit(text: str) -> int:
    return _at_least(0, text)


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError
    return port


def _cookie(text: str) -> int:
    return int(text.removeprefix("sk:"), 16)


def _kinds(text: str) -> frozenset[str]:
    return frozenset(word for word in text.split(",") if word)


# What argparse calls a value that these refuse.
_seconds.__name__ = "number of seconds"
_port.__name__ = "port number"
_cookie.__name__ = "connection id (hexadecimal, as ss -e shows it)"


# ---- the subcommands

def _open_input(name: str | None, follows: bool) -> Input:
    if name is not None:
        return RecordingInput(name)
    return LiveInput(LiveRing(Host().renoscope_dir()), follows)


def _check_kinds(kinds: frozenset[str] | None, schema: Schema) -> None:
    unknown = sorted((kinds or frozenset()) - schema.kind_meanings.keys())
    if unknown:
        raise Problem(f"show: there is no kind {unknown[0]!r}; there are: "
                      f"{' '.join(schema.kind_meanings)}", BAD_INPUT)


def _finish(source: Input) -> int:
    complaint = source.complaint()
    if complaint:
        raise Problem(complaint, BAD_INPUT)
    return OK


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _show_writer(options: argparse.Namespace,
                 source: Input) -> LineWriter | JsonWriter:
    if options.json:
        return JsonWriter(source.schema)
    offset = source.wall_offset_ns() if options.absolute else None
    if options.absolute and offset is None:
        raise Problem("show: the recording does not tell the wall clock",
                      BAD_INPUT)
    writer = LineWriter(source.schema, Clock(offset), options.raw_seq,
                        _coloured())
    print(writer.heading())
    return writer


def _joined(source: Input) -> Iterator[Event]:
    """The source's events, completed; none is kept back longer than needed."""
    joiner = Joiner(source.schema, LIVE_HOLD_NS if source.follows else None)
    try:
        for batch in source.batches():
            for event in batch:
                yield from joiner.feed(event)
            if not batch:
                yield from joiner.flush()
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


def _show(options: argparse.Namespace) -> int:
    source = _open_input(options.file, follows=not options.once)
    _check_kinds(options.kind, source.schema)
    writer = _show_writer(options, source)
    wanted = Filter(options.kind, options.port, options.connection)
    chosen = ChoiceSeen(wanted)
    for event in _joined(source):
        chosen.see(event)
        if wanted.wants(event):
            print(writer.line(event))
        else:
            writer.note(event)
    if not options.json and chosen.none_chosen():
        print(chosen.none_chosen())
    return _finish(source)


def _tell(options: argparse.Namespace, source: Input, view: View,
          as_json: Callable[[int | None], dict[str, Any]],
          as_text: Callable[[int | None], Iterable[str]]) -> int:
    """Feed everything the source has to a view, then print what it says."""
    view.gaps.begin(source.parameters(), *source.parameters_read())
    for event in _joined(source):
        view.feed(event)
    view.gaps.see_sources(source.stats())
    if options.json:
        for piece in json_pieces(as_json(source.end_ns())):
            sys.stdout.write(piece)
        print()
    else:
        _print_view(as_text(source.end_ns()), view.gaps.remarks())
    return _finish(source)


def _print_view(lines: Iterable[str], remarks: list[str]) -> None:
    for line in lines:
        print(line)
    if remarks:
        print()
    for remark in remarks:
        print("\n".join(note(remark)))


def _handshakes(options: argparse.Namespace) -> int:
    source = _open_input(options.file, follows=False)
    view = Handshakes(source.schema, options.port, options.connection)
    return _tell(options, source, view,
                 partial(handshakes.as_json, view),
                 partial(handshakes.as_text, view, limit=options.limit,
                         steps=options.steps))


def _synflood(options: argparse.Namespace) -> int:
    source = _open_input(options.file, follows=False)
    view = FloodWatch(source.schema, options.port)
    return _tell(options, source, view, partial(synflood.as_json, view),
                 partial(synflood.as_text, view))


def _isn(options: argparse.Namespace) -> int:
    source = _open_input(options.file, follows=False)
    view = IsnAudit(source.schema)
    return _tell(options, source, view, partial(isn.as_json, view),
                 lambda _end_ns: isn.as_text(view))


def _chosen(options: argparse.Namespace) -> Filter:
    return Filter(None, options.port, options.connection)


def _states(options: argparse.Namespace) -> int:
    source = _open_input(options.file, follows=False)
    view = states.States(source.schema)
    as_json, as_text = ((states.counts_as_json, states.counts_as_text)
                        if options.counts else (states.as_json, states.as_text))
    return _tell(options, source, view,
                 partial(as_json, view, wanted=_chosen(options)),
                 partial(as_text, view, wanted=_chosen(options)))


def _losses(options: argparse.Namespace) -> int:
    source = _open_input(options.file, follows=False)
    view = losses.Losses(source.schema)
    return _tell(options, source, view,
                 partial(losses.as_json, view, wanted=_chosen(options)),
                 partial(losses.as_text, view, wanted=_chosen(options),
                         verbose=options.verbose))


def _rounds(options: argparse.Namespace) -> int:
    source = _open_input(options.file, follows=False)
    view = rounds.Rounds(source.schema)
    chosen = _chosen(options)
    code = _tell(options, source, view,
                 partial(rounds.as_json, view, wanted=chosen),
                 lambda _end_ns: rounds.as_text(view, chosen))
    for path in options.draw:
        figure.draw(_only_one(list(view.flows(chosen))), path)
    return code


def _only_one(flows: list[rounds.Flow]) -> rounds.Flow:
    if len(flows) != 1:
        raise Problem(f"rounds: a picture is of one connection, here are "
                      f"{len(flows)}: choose with --connection", BAD_INPUT)
    return flows[0]


def _windows(options: argparse.Namespace) -> int:
    source = _open_input(options.file, follows=False)
    view = windows.Windows(source.schema)
    return _tell(options, source, view,
                 partial(windows.as_json, view, wanted=_chosen(options)),
                 partial(windows.as_text, view, wanted=_chosen(options)))


def _record(options: argparse.Namespace) -> int:
    if options.file == "-" and sys.stdout.isatty():
        raise Problem("record: a recording is not for a terminal; name a file",
                      BAD_INPUT)
    host = Host()
    ring = LiveRing(host.renoscope_dir())
    limits = Limits(options.duration, options.count, options.all)
    with stop_on_signals() as stop:
        output = OutputFile(options.file)
        recorder = Recorder(
            ring, RecordingWriter(output.write), limits, stop,
            lambda holds: complain(f"recording to {output.name}{holds}; "
                                   "Ctrl-C ends"))
        summary = recorder.run(lambda: meta(host))
        output.close()
    complain(summary)
    return OK if summary.adds_up else NOT_SO


def _doctor(_: argparse.Namespace) -> int:
    return doctor.examine(Host())


def _load(options: argparse.Namespace) -> int:
    return modctl.load(options.words, Host())


def _unload(_: argparse.Namespace) -> int:
    return modctl.unload(Host())


# ---- the command line

def _add(commands: Any, name: str, run: Callable[[argparse.Namespace], int],
         purpose: str, more: str, example: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=purpose,
        description=textwrap.fill(f"{purpose[0].upper()}{purpose[1:]}. {more}", 78),
        epilog=f"example:\n  {example}\n\n{EXIT_CODES_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(run=run, parser=parser)
    return parser


def build_parser() -> argparse.ArgumentParser:
    """Every subcommand and option."""
    parser = Parser(
        prog="renoscope",
        description="See TCP work: the kernel's state changes, sequence "
        "numbers, cwnd\nand SYN-ACK retransmits, live or from a recording.",
        epilog="example:\n  sudo scripts/renoscope load && sudo "
        f"scripts/renoscope show\n\n{EXIT_CODES_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND",
                                     required=True, parser_class=Parser)
    _add_module_commands(commands)
    _add_record(commands)
    _add_show(commands)
    _add_handshakes(commands)
    _add_states(commands)
    _add_losses(commands)
    _add_rounds(commands)
    _add_windows(commands)
    _add_synflood(commands)
    _add_isn(commands)
    return parser


def _add_module_commands(commands: Any) -> None:
    _add(commands, "doctor", _doctor, "check that it can work here",
         "One line for each check: ok, warn or FAIL, what is so, and the "
         "command that mends it.", "sudo scripts/renoscope doctor")
    load = _add(
        commands, "load", _load, "load the module",
        "Without MODULE.ko: the one built beside these scripts, or else the "
        "installed one.",
        "sudo scripts/renoscope load 'filter=port=443 addr=10.0.0.0/8'")
    load.add_argument("words", nargs="*", metavar="[MODULE.ko] PARAM=VALUE",
                      help="the module's file, and parameters for it; "
                      "modinfo -p lists them")
    _add(commands, "unload", _unload, "unload the module",
         "If it is in use: who holds it, and the safe step that lets go.",
         "sudo scripts/renoscope unload")


def _add_record(commands: Any) -> None:
    record = _add(
        commands, "record", _record, "write events to a file",
        "Begins with what comes next and ends on Ctrl-C, SIGTERM or a limit. "
        "FILE is overwritten; it is empty until recording has begun. The last "
        "line tells whether read + lost = written on each CPU.",
        "sudo scripts/renoscope record handshake.renoscope --duration 60")
    record.add_argument("file", metavar="FILE",
                        help="where to; - is standard output")
    record.add_argument("--duration", type=_seconds, metavar="S",
                        help="end after S seconds")
    record.add_argument("--count", type=_count, metavar="N",
                        help="end after N events")
    record.add_argument("--all", action="store_true",
                        help="begin with what the ring still holds")


def _add_choice(command: argparse.ArgumentParser) -> None:
    """For views of connections."""
    command.add_argument("--port", type=_port, metavar="N",
                         help="only connections with this port at either end")
    command.add_argument("--connection", type=_cookie, metavar="HEX",
                         help="only this connection, by its id as in ss -e")


def _add_input(command: argparse.ArgumentParser, json_help: str) -> None:
    """For every view."""
    command.add_argument("file", nargs="?", metavar="FILE",
                         help="a recording; - is standard input")
    command.add_argument("--json", action="store_true", help=json_help)


def _add_show(commands: Any) -> None:
    show = _add(
        commands, "show", _show, "show events, one line each",
        "Without FILE: live, from the oldest event in the ring on, until "
        "Ctrl-C. The local end stands left, the peer right; < is a segment "
        "received, > one sent. una, nxt and rcv are the oldest number not "
        "acknowledged, the next to send and the next expected; those of an "
        "ack are from before it is processed.",
        "sudo scripts/renoscope show --port 5000 --kind state,retransmit")
    show.add_argument("--once", action="store_true",
                      help="live: end when all that the ring holds is shown")
    show.add_argument("--raw-seq", action="store_true",
                      help="sequence numbers as on the wire, not relative")
    show.add_argument("--absolute", action="store_true",
                      help="wall-clock time, UTC")
    show.add_argument("--kind", type=_kinds, metavar="K,...",
                      help="only these kinds (a loss is always shown)")
    _add_choice(show)
    _add_input(show, "one JSON object a line, with every field")


def _add_handshakes(commands: Any) -> None:
    command = _add(
        commands, "handshakes", _handshakes,
        "how connections began, or why they did not",
        "Without FILE: what the ring holds now. Tables of the listeners and "
        "their queues, of SYN-ACKs sent again with the waits predicted and "
        "seen, and of handshakes, with the reason of those that failed or "
        "were slow.",
        "scripts/renoscope handshakes syn-flood.renoscope")
    _add_choice(command)
    command.add_argument("--steps", action="store_true",
                         help="under each handshake, what happened and when")
    command.add_argument("--limit", type=_limit, metavar="N", default=ROWS,
                         help=f"rows of a table, 0 for all (default {ROWS})")
    _add_input(command, "one JSON object: all tables with every row")


def _add_synflood(commands: Any) -> None:
    flood = _add(
        commands, "synflood", _synflood,
        "whether a SYN flood is under way, and what helps",
        "Without FILE: what the ring holds now. A verdict for each listener "
        "with its evidence: the half-open queue, the share of handshakes that "
        "complete, the sources, cookies and refusals.",
        "scripts/renoscope synflood listener.renoscope")
    flood.add_argument("--port", type=_port, metavar="N",
                       help="only listeners with this port")
    _add_input(flood, "one JSON object: verdicts and evidence")


def _add_isn(commands: Any) -> None:
    audit = _add(
        commands, "isn", _isn,
        "how predictable initial sequence numbers are",
        "Without FILE: what the ring holds now. Each host's own ISNs and each "
        "peer's, over many connections: steps between them, clock, estimated "
        "bits of uncertainty, and a verdict with its reason.",
        "scripts/renoscope isn many-connections.renoscope")
    _add_input(audit, "one JSON object: the audit of each host")


def _add_states(commands: Any) -> None:
    command = _add(
        commands, "states", _states,
        "each connection's states and the time in each",
        "Without FILE: what the ring holds now. SYN-RECEIVED counts from the "
        "request on, TIME-WAIT to its real end. Who reset a connection and why "
        "is told; (implied) stands where it is worked out. Last come the "
        "counts by state, as netstat -ant has them.",
        "scripts/renoscope states tcp.renoscope --port 5000")
    _add_choice(command)
    command.add_argument("--counts", action="store_true",
                         help="only the counts by state")
    _add_input(command, "one JSON object: every connection, and the counts")


def _add_losses(commands: Any) -> None:
    command = _add(
        commands, "losses", _losses,
        "what was sent again, why, and what it did to cwnd",
        "Without FILE: what the ring holds now. Retransmissions by cause, "
        "timeouts with their backoff, recoveries with cwnd and ssthresh before "
        "and after, and the time in each state of congestion avoidance.",
        "scripts/renoscope losses -v tcp.renoscope")
    _add_choice(command)
    command.add_argument("-v", "--verbose", action="store_true",
                         help="every episode of every connection too")
    _add_input(command, "one JSON object: every connection with its episodes")


def _add_rounds(commands: Any) -> None:
    command = _add(
        commands, "rounds", _rounds,
        "cwnd and ssthresh by round trip, phases named",
        "Without FILE: what the ring holds now. Of connections that use one of "
        "this module's own algorithms. --draw makes the textbook's picture.",
        "scripts/renoscope rounds transfer.renoscope --draw transfer.png")
    _add_choice(command)
    command.add_argument("--draw", action="append", default=[],
                         metavar="FILE.png",
                         help="also draw one connection, as PNG or SVG; may be "
                         "repeated (needs python3-matplotlib)")
    _add_input(command, "one JSON object: every connection with its rounds")


def _add_windows(commands: Any) -> None:
    command = _add(
        commands, "windows", _windows,
        "windows each way, zero windows and their probes",
        "Without FILE: what the ring holds now. Who stood still and how long, "
        "each persist probe with its backoff, and the update that ended it.",
        "scripts/renoscope windows tcp.renoscope")
    _add_choice(command)
    _add_input(command, "one JSON object: every connection with its episodes")


def _forget_stdout() -> None:
    """Nobody reads it any more; keep the interpreter from trying again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _failed(problem: Problem) -> int:
    """What was shown before comes before what went wrong."""
    try:
        sys.stdout.flush()
    except OSError:
        _forget_stdout()
    complain(problem)
    return problem.exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="replace")
    try:
        options, unknown = build_parser().parse_known_args(arguments)
        if unknown:  # the subcommand's own --help knows better
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        code = options.run(options)
        sys.stdout.flush()
        return code
    except Problem as problem:
        return _failed(problem)
    except BrokenPipeError:
        _forget_stdout()
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        _forget_stdout()
        complain(error.strerror or error)
        return NOT_SO
    except (RecursionError, OverflowError, struct.error) as error:
        # numbers and depths that no recorder writes
        return _failed(Problem(f"damaged input: {error}", BAD_INPUT))
