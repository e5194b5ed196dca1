# SPDX-License-Identifier: GPL-2.0
"""top: who suffers now."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import BAD_INPUT, Problem
from ..options import add_choice, add_command, add_input, limit, seconds_from
from ..tcp.wanted import chosen
from ..top.run import USUAL_INTERVAL_S, Asked, run
from ..top.table import CONNECTIONS, ORDERS, Choice

ROWS = 20

# Faster than an eye follows.
SHORTEST_S = 0.1


def _interval(text: str) -> float:
    return seconds_from(SHORTEST_S, text)


_interval.__name__ = "number of seconds"


def _choice(options: argparse.Namespace) -> Choice:
    orders = ORDERS[options.by]
    order = options.sort or next(iter(orders))
    if order not in orders:
        raise Problem(f"top: a {options.by} is not sorted by {order!r}, but by: "
                      f"{' '.join(orders)}", BAD_INPUT)
    rows = options.limit
    if rows is None:
        rows = 0 if options.json else ROWS
    return Choice(options.by, order, options.reverse, rows)


def _top(options: argparse.Namespace) -> int:
    asked = Asked(options.file, options.interval, options.once, options.json)
    return run(asked, _choice(options), chosen(options))


def add(commands: Any) -> None:
    """The live table."""
    top = add_command(
        commands, "top", _top,
        "a live table of connections or listeners, the worst first",
        "Without FILE: the ring, drawn anew every interval; q quits, ? shows the "
        "keys. Not on a terminal: a block of lines an interval. A FILE is one "
        "interval, unless --interval cuts it into many; a pipe is followed as "
        "the ring is. Columns are as in ss -ti.",
        "sudo scripts/renoscope top --sort rtt")
    add_choice(top)
    top.add_argument("--by", choices=tuple(ORDERS), default=CONNECTIONS,
                     help="what a line stands for (default connection)")
    top.add_argument("--sort", metavar="BY", help="; ".join(
        f"of a {by}: {', '.join(orders)}" for by, orders in ORDERS.items()))
    top.add_argument("--reverse", action="store_true", help="the least first")
    top.add_argument("--interval", type=_interval, metavar="S",
                     help=f"seconds between two tables (default "
                     f"{USUAL_INTERVAL_S:.0f})")
    top.add_argument("--once", action="store_true",
                     help="one table of what the ring holds now; of a FILE with "
                     "--interval, of its last S seconds")
    top.add_argument("--limit", type=limit, metavar="N",
                     help=f"rows of a table, 0 for all (default {ROWS}, with "
                     "--json all, on a terminal what has room)")
    add_input(top, "one JSON object an interval, each on a line")
