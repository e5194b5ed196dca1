# SPDX-License-Identifier: GPL-2.0
"""The views of connections and listeners: each is fed everything, then tells."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from .. import (figure, handshakes, isn, losses, rounds, states, synflood,
                windows)
from ..errors import BAD_INPUT, Problem
from ..handshakes import ROWS, Handshakes
from ..isn import IsnAudit
from ..options import (add_choice, add_command, add_input, chosen, limit,
                       port)
from ..synflood import FloodWatch
from ..telling import open_input, tell
from ..whole_file import check_is_another


def _handshakes(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = Handshakes(source.schema, options.port, options.connection)
    return tell(options, source, view,
                partial(handshakes.as_json, view),
                partial(handshakes.as_text, view, limit=options.limit,
                        steps=options.steps))


def _add_handshakes(commands: Any) -> None:
    command = add_command(
        commands, "handshakes", _handshakes,
        "how connections began, or why they did not",
        "Without FILE: what the ring holds now. Tables of the listeners and "
        "their queues, of SYN-ACKs sent again with the waits predicted and "
        "seen, and of handshakes, with the reason of those that failed or "
        "were slow.",
        "scripts/renoscope handshakes syn-flood.renoscope")
    add_choice(command)
    command.add_argument("--steps", action="store_true",
                         help="under each handshake, what happened and when")
    command.add_argument("--limit", type=limit, metavar="N", default=ROWS,
                         help=f"rows of a table, 0 for all (default {ROWS})")
    add_input(command, "one JSON object: all tables with every row")


def _states(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = states.States(source.schema)
    as_json, as_text = ((states.counts_as_json, states.counts_as_text)
                        if options.counts else (states.as_json, states.as_text))
    return tell(options, source, view,
                partial(as_json, view, wanted=chosen(options)),
                partial(as_text, view, wanted=chosen(options)))


def _add_states(commands: Any) -> None:
    command = add_command(
        commands, "states", _states,
        "each connection's states and the time in each",
        "Without FILE: what the ring holds now. SYN-RECEIVED counts from the "
        "request on, TIME-WAIT to its real end. Who reset a connection and why "
        "is told; (implied) stands where it is worked out. Last come the "
        "counts by state, as netstat -ant has them.",
        "scripts/renoscope states tcp.renoscope --port 5000")
    add_choice(command)
    command.add_argument("--counts", action="store_true",
                         help="only the counts by state")
    add_input(command, "one JSON object: every connection, and the counts")


def _losses(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = losses.Losses(source.schema)
    return tell(options, source, view,
                partial(losses.as_json, view, wanted=chosen(options)),
                partial(losses.as_text, view, wanted=chosen(options),
                        verbose=options.verbose))


def _add_losses(commands: Any) -> None:
    command = add_command(
        commands, "losses", _losses,
        "what was sent again, why, and what it did to cwnd",
        "Without FILE: what the ring holds now. Retransmissions by cause, "
        "timeouts with their backoff, recoveries with cwnd and ssthresh before "
        "and after, and the time in each state of congestion avoidance.",
        "scripts/renoscope losses -v tcp.renoscope")
    add_choice(command)
    command.add_argument("-v", "--verbose", action="store_true",
                         help="every episode of every connection too")
    add_input(command, "one JSON object: every connection with its episodes")


def _rounds(options: argparse.Namespace) -> int:
    check_is_another("rounds", options.file, *options.draw)
    source = open_input(options.file, follows=False)
    view = rounds.Rounds(source.schema)
    wanted = chosen(options)
    code = tell(options, source, view,
                partial(rounds.as_json, view, wanted=wanted),
                lambda _end_ns: rounds.as_text(view, wanted))
    for path in options.draw:
        figure.draw(_only_one(list(view.flows(wanted))), path)
    return code


def _only_one(flows: list[rounds.Flow]) -> rounds.Flow:
    if len(flows) != 1:
        raise Problem(f"rounds: a picture is of one connection, here are "
                      f"{len(flows)}: choose with --connection", BAD_INPUT)
    return flows[0]


def _add_rounds(commands: Any) -> None:
    command = add_command(
        commands, "rounds", _rounds,
        "cwnd and ssthresh by round trip, phases named",
        "Without FILE: what the ring holds now. Of connections that use one of "
        "this module's own algorithms. --draw makes the textbook's picture.",
        "scripts/renoscope rounds transfer.renoscope --draw transfer.png")
    add_choice(command)
    command.add_argument("--draw", action="append", default=[],
                         metavar="FILE.png",
                         help="also draw one connection, as PNG or SVG; may be "
                         "repeated (needs python3-matplotlib)")
    add_input(command, "one JSON object: every connection with its rounds")


def _windows(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = windows.Windows(source.schema)
    return tell(options, source, view,
                partial(windows.as_json, view, wanted=chosen(options)),
                partial(windows.as_text, view, wanted=chosen(options)))


def _add_windows(commands: Any) -> None:
    command = add_command(
        commands, "windows", _windows,
        "windows each way, zero windows and their probes",
        "Without FILE: what the ring holds now. Who stood still and how long, "
        "each persist probe with its backoff, and the update that ended it.",
        "scripts/renoscope windows tcp.renoscope")
    add_choice(command)
    add_input(command, "one JSON object: every connection with its episodes")


def _synflood(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = FloodWatch(source.schema, options.port)
    return tell(options, source, view, partial(synflood.as_json, view),
                partial(synflood.as_text, view))


def _add_synflood(commands: Any) -> None:
    flood = add_command(
        commands, "synflood", _synflood,
        "whether a SYN flood is under way, and what helps",
        "Without FILE: what the ring holds now. A verdict for each listener "
        "with its evidence: the half-open queue, the share of handshakes that "
        "complete, the sources, cookies and refusals.",
        "scripts/renoscope synflood listener.renoscope")
    flood.add_argument("--port", type=port, metavar="N",
                       help="only listeners with this port")
    add_input(flood, "one JSON object: verdicts and evidence")


def _isn(options: argparse.Namespace) -> int:
    source = open_input(options.file, follows=False)
    view = IsnAudit(source.schema)
    return tell(options, source, view, partial(isn.as_json, view),
                lambda _end_ns: isn.as_text(view))


def _add_isn(commands: Any) -> None:
    audit = add_command(
        commands, "isn", _isn,
        "how predictable initial sequence numbers are",
        "Without FILE: what the ring holds now. Each host's own ISNs and each "
        "peer's, over many connections: steps between them, clock, estimated "
        "bits of uncertainty, and a verdict with its reason.",
        "scripts/renoscope isn many-connections.renoscope")
    add_input(audit, "one JSON object: the audit of each host")


def add(commands: Any) -> None:
    """All of them."""
    _add_handshakes(commands)
    _add_states(commands)
    _add_losses(commands)
    _add_rounds(commands)
    _add_windows(commands)
    _add_synflood(commands)
    _add_isn(commands)
