# SPDX-License-Identifier: GPL-2.0
"""Which of a socket's connections an event is of.

A socket keeps its id as long as it lives, and may have several connections one after
another: once connect() has failed, or its program has dissolved one with
connect(AF_UNSPEC), it may connect again, or listen.  Each is a turn of its id.  The
first that is heard of is turn 0, and the next one begins where the socket leaves CLOSED
once more.

Meanwhile the turn before may live on in TIME-WAIT, in a small sock with the same id.
What this tells is of the turn that had its ends.

Joiner asks here for every event, so that every view finds Event.turn and Event.key.
"""

from __future__ import annotations

import struct

from ..ring.schema import Event, Schema
from .kept import remember
from .tcp_states import CLOSED, IN_SMALL_SOCKS, LISTEN, SYN_SENT

BEGINNINGS = ((CLOSED, SYN_SENT), (CLOSED, LISTEN))

# Sockets remembered that have had more than one turn, and ends of earlier turns.
REMEMBERED = 200_000

ENDPOINTS = ("local_addr", "local_port", "remote_addr", "remote_port")
PACKED_ENDS = struct.Struct("16sH16sH")

# Of a socket that has not got any yet.
NO_ENDS = b""


def begins(change: tuple[str, str] | None) -> bool:
    """Whether a socket's next connection begins with this change of its state."""
    return change in BEGINNINGS


def packed_ends(event: Event, **instead: int) -> bytes:
    """Both ends, as they are remembered."""
    return PACKED_ENDS.pack(*(instead.get(name, event[name]) for name in ENDPOINTS))


class Turns:
    """Tell it where an id that was heard of begins anew, and ask for an event's turn."""

    def __init__(self, schema: Schema) -> None:
        self._small = frozenset(schema.numbers_of("state", *IN_SMALL_SOCKS))
        self._now: dict[int, int] = {}
        self._earlier: dict[tuple[int, bytes], int] = {}

    def next(self, cookie: int, ends_before: bytes) -> None:
        """Its next one begins; the one before had these ends."""
        turn = self.now(cookie)
        remember(self._earlier, (cookie, ends_before), turn, REMEMBERED)
        remember(self._now, cookie, turn + 1, REMEMBERED)

    def now(self, cookie: int) -> int:
        """The turn that it is in."""
        return self._now.get(cookie, 0)

    def of(self, event: Event, ends_now: bytes) -> int:
        """The event's turn, where its id is known to have these ends now."""
        cookie = event["cookie"]
        turn = self.now(cookie)
        if not turn or not self._may_be_of_small_sock(event):
            return turn
        ends = packed_ends(event)
        return turn if ends == ends_now else self._earlier.get((cookie, ends), turn)

    def _may_be_of_small_sock(self, event: Event) -> bool:
        """These have no ISNs."""
        return (event["state"] in self._small
                and not event["snd_isn"] and not event["rcv_isn"])
