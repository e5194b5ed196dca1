# SPDX-License-Identifier: GPL-2.0
"""What a small sock has forgotten, from what its connection told before.

TIME-WAIT, and FIN-WAIT-2 without a process, live in a small sock: it keeps the
connection's id, and neither ISNs nor window scales.
"""

from __future__ import annotations

import dataclasses
import struct

from ..ring.schema import Event, Schema
from .kept import MOST, remember
from .segments import has_socket, is_received
from .sequence import RST, SYN
from .tcp_states import IN_SMALL_SOCKS, SYNCHRONIZED

NAMES = ("snd_isn", "rcv_isn", "snd_wscale", "rcv_wscale")
ISNS = frozenset(NAMES[:2])
PACKED = struct.Struct("IIBB")


class SmallSocks:
    """Show it every event; it completes those of small socks.

    The latest connections are remembered.
    """

    def __init__(self, schema: Schema, most: int = MOST) -> None:
        self._small = schema.numbers_of("state", *IN_SMALL_SOCKS)
        self._synchronized = schema.numbers_of("state", *SYNCHRONIZED)
        self._most = most
        self._known: dict[int, bytes] = {}

    def see(self, event: Event) -> None:
        """The next event."""
        if event["cookie"] and event["state"] in self._synchronized and has_socket(event) \
                and event["snd_isn"] and event["rcv_isn"] \
                and ISNS.isdisjoint(event.filled):
            told = PACKED.pack(*(event[name] for name in NAMES))
            remember(self._known, event.key, told, self._most)

    def completed(self, event: Event) -> Event:
        """The same event, or one that has what its small sock has forgotten."""
        if event["state"] not in self._small or event["snd_isn"] or event["rcv_isn"]:
            return event
        known = self._known.get(event.key)
        if known is None:
            return event
        values = dict(zip(NAMES, PACKED.unpack(known)))
        if event["seg_flags"] & (SYN | RST):
            # a SYN's own number is another ISN, a RST's may be nobody's
            del values["rcv_isn" if is_received(event) else "snd_isn"]
        return dataclasses.replace(event, values=event.values | values)
