# SPDX-License-Identifier: GPL-2.0
"""What the command line takes, as plain data read from its parser.

For the man page and the completion, which are generated from it, so that
neither can forget a command or an option.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

from .cli import build_parser
from .place import INSTALLED, IN_SOURCES


@dataclass(frozen=True)
class Argument:
    """An option (with its spellings) or an operand (with none)."""

    spellings: tuple[str, ...]
    value: str                  # what stands for it in the usage; "" for a switch
    help: str
    choices: tuple[str, ...]
    is_required: bool
    repeats: bool


@dataclass(frozen=True)
class Command:
    """One subcommand."""

    name: str
    description: str
    example: str
    arguments: tuple[Argument, ...]

    @property
    def options(self) -> tuple[Argument, ...]:
        """Those that begin with a dash."""
        return tuple(a for a in self.arguments if a.spellings)

    @property
    def operands(self) -> tuple[Argument, ...]:
        """The others, in their order."""
        return tuple(a for a in self.arguments if not a.spellings)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        return str(action.metavar)
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def _argument(action: argparse.Action) -> Argument:
    spellings = tuple(action.option_strings)
    required = action.required if spellings else action.nargs not in ("?", "*")
    return Argument(spellings, _value(action),
                    " ".join(((action.help or "") % {"default": action.default})
                             .split()),
                    tuple(map(str, action.choices or ())), required,
                    action.nargs in ("*", "+"))


def _example(epilog: str) -> str:
    found = re.search(r"example:\n((?:  .*\n)+)", epilog)
    if found is None:
        return ""
    lines = [line.strip() for line in found[1].splitlines()]
    return "\n".join(lines).replace(IN_SOURCES, INSTALLED)


def commands() -> list[Command]:
    """All of them, in the order of the help."""
    subparsers = next(action for action in build_parser()._actions
                      if isinstance(action, argparse._SubParsersAction))
    return [Command(name, " ".join((parser.description or "").split()),
                    _example(parser.epilog or ""),
                    tuple(map(_argument, parser._actions)))
            for name, parser in subparsers.choices.items()]
