# SPDX-License-Identifier: GPL-2.0
"""What the commands have in common on the command line: values and options."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from .errors import BAD_INPUT, EXIT_CODES_HELP, Problem
from .output import progress
from .place import COMMAND, as_typed
from .ring.schema import Schema
from .tcp.wanted import Network
from .words import harmless


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line."""

    # argparse wants FILE and ID side by side; set, options may stand between them.
    options_between = False

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.allow_abbrev = False

    def parse_known_args(self, args: Any = None,
                         namespace: Any = None) -> Any:
        if not self.options_between:
            return super().parse_known_args(args, namespace)
        self.options_between = False    # it comes back here for each of the two
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.options_between = True

    def error(self, message: str) -> NoReturn:
        command = self.prog.removeprefix("renoscope").strip()
        where = f"{command}: " if command else ""
        helps = f"{COMMAND} {command}".strip()
        raise Problem(f"{where}{message} "
                      f"(see: {helps} --help)", BAD_INPUT)


def complain(message: object) -> None:
    """One line on standard error, if there is one, and it is not gone."""
    with suppress(OSError):
        progress.erase()
        if sys.stderr is not None:
            print(f"renoscope: {harmless(str(message))}", file=sys.stderr, flush=True)


def complain_if(message: str) -> None:
    """The same, if there is something to say."""
    if message:
        complain(message)


# ---- the values of options

# No more than the kernel's calls and Python's own take, and far more than is of use.
MOST_S = 366 * 86_400
AT_MOST = f"at most {MOST_S} (a year)"
MOST = 10 ** 12

# Of a word that is refused, somebody's whole file perhaps.
TOLD_CHARACTERS = 40


def number_of_seconds(text: str) -> float:
    """More than none; what is no number at all, argparse tells."""
    seconds = float(text)
    if not 0 < seconds <= MOST_S:
        raise argparse.ArgumentTypeError(f"must be more than 0 and {AT_MOST}")
    return seconds


def seconds_from(least: float, text: str) -> float:
    """So many or more."""
    seconds = float(text)
    if not least <= seconds <= MOST_S:
        raise argparse.ArgumentTypeError(f"must be {least:g} or more and {AT_MOST}")
    return seconds


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text[:TOLD_CHARACTERS]!r} is not a whole number") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"must be {least} or more")
    if number > MOST:
        raise argparse.ArgumentTypeError(f"must be {MOST} or less")
    return number


def count(text: str) -> int:
    """A whole number from 1 on."""
    return _at_least(1, text)


def limit(text: str) -> int:
    """A whole number; 0 is for no limit."""
    return _at_least(0, text)


def port(text: str) -> int:
    """A TCP port."""
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError
    return number


def cookie(text: str) -> int:
    """A connection id, as ss -e shows it."""
    return int(text.removeprefix("sk:"), 16)


def network(text: str) -> Network:
    """An address, or those that begin as it does."""
    return Network.of(text)


def kinds(text: str) -> frozenset[str]:
    """Kinds of events, with commas between."""
    return frozenset(word for word in text.split(",") if word)


def check_kinds(command: str, asked: frozenset[str] | None, schema: Schema) -> None:
    """Refuse a kind that the schema does not have."""
    unknown = sorted((asked or frozenset()) - schema.kind_meanings.keys())
    if unknown:
        raise Problem(f"{command}: there is no kind {unknown[0]!r}; there are: "
                      f"{' '.join(schema.kind_meanings)}", BAD_INPUT)


# What argparse calls a value that these refuse.
number_of_seconds.__name__ = "number of seconds"
port.__name__ = "port number"
network.__name__ = "address, with or without /LEN"
cookie.__name__ = "connection id (hexadecimal, as ss -e shows it)"


# ---- a command, and options that many have

def add_command(commands: Any, name: str,
                run: Callable[[argparse.Namespace], int], purpose: str,
                more: str, example: str) -> Parser:
    """One command: what it is for, more on it, and one example."""
    parser: Parser = commands.add_parser(
        name, help=purpose,
        description=textwrap.fill(f"{purpose[0].upper()}{purpose[1:]}. {more}", 78),
        epilog=f"example:\n  {as_typed(example)}\n\n{EXIT_CODES_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_choice(command: argparse.ArgumentParser) -> None:
    """For views of connections."""
    _add_port(command, "connections with this port at either end")
    command.add_argument("--connection", type=cookie, metavar="HEX",
                         help="only this connection, by its id as in ss -e (1f or sk:1f)")
    _add_place(command, "connections with this address, or one of these, at either end")


def add_choice_of_listeners(command: argparse.ArgumentParser) -> None:
    """For views of listeners alone."""
    _add_port(command, "listeners with this port")
    _add_place(command, "listeners at this address, at one of these, or at every address")


def _add_port(command: argparse.ArgumentParser, whom: str) -> None:
    command.add_argument("--port", type=port, metavar="N", help=f"only {whom}")


def _add_place(command: argparse.ArgumentParser, whom: str) -> None:
    command.add_argument("--addr", type=network, metavar="ADDR[/LEN]", help=f"only {whom}")
    command.add_argument("--netns", type=count, metavar="INODE",
                         help="only what is of this network namespace, by its inode as in "
                         "/proc/PID/ns/net")


def add_absolute(command: argparse.ArgumentParser) -> None:
    """For views that can tell times of day."""
    command.add_argument("--absolute", action="store_true",
                         help="wall-clock time, UTC")


def add_limit(command: argparse.ArgumentParser) -> None:
    """For views that show every connection unless told otherwise."""
    command.add_argument("--limit", type=limit, metavar="N", default=0,
                         help="connections to show, 0 for all (the default; --json "
                         "has all)")


def add_file(command: argparse.ArgumentParser) -> None:
    """What a view reads."""
    command.add_argument("file", nargs="?", metavar="FILE",
                         help="a recording; - is standard input")


def add_input(command: argparse.ArgumentParser, json_help: str) -> None:
    """For every view that speaks to programs, too; behind its other options."""
    add_file(command)
    command.add_argument("--json", action="store_true", help=json_help)
