# SPDX-License-Identifier: GPL-2.0
"""How every run begins and ends.

Whatever happens, the user gets at most one line beginning with `renoscope:`
and an exit code from errors.py.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from . import VERSION
from .commands import modules
from .errors import EXIT_CODES_HELP, INTERRUPTED, NOT_SO, OK, Problem
from .options import Parser, complain
from .output import progress
from .place import COMMAND


def build_parser(word: str = "") -> argparse.ArgumentParser:
    """The subcommand that this word is, or every one; with their options."""
    parser = Parser(
        prog="renoscope",
        description="See TCP work: the kernel's state changes, sequence "
        "numbers, cwnd\nand SYN-ACK retransmits, live or from a recording.",
        epilog=f"example:\n  sudo {COMMAND} load && sudo {COMMAND} show\n\n"
        f"{EXIT_CODES_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version",
                        version=f"renoscope {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND",
                                     required=True, parser_class=Parser)
    for module in modules(word):
        module.add(commands)
    return parser


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


def _told(error: OSError) -> str:
    """The kernel's word, and of which file, where it is of one."""
    word = error.strerror or str(error)
    if not isinstance(error.filename, str | bytes):     # of an open one it is a number
        return word
    return f"{os.fsdecode(error.filename)}: {word}"


def _stand_in_for_closed_streams() -> None:
    """Whoever closed one wants nothing there; no file may take its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)      # the lowest number that is free
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    _stand_in_for_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = sys.argv[1:] if arguments is None else arguments
    try:
        options, unknown = build_parser(*words[:1]).parse_known_args(words)
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
        progress.erase()
        return INTERRUPTED
    except OSError as error:
        _forget_stdout()
        complain(_told(error))
        return NOT_SO
