# SPDX-License-Identifier: GPL-2.0
"""Which state an end of a conversation is in, in the RFC's sense.

A full socket's CLOSED is not the end's where a small sock took over: that stays in
FIN-WAIT-2 or TIME-WAIT. states.py says where else the kernel's word differs.
"""

from __future__ import annotations

from ..ring.schema import Event, Schema
from ..tcp.tcp_states import CLOSED, SYN_RECEIVED, SYN_SENT, SYNCHRONIZED


class EndState:
    """Give it the events of one end's sockets; `now` is empty before it is known."""

    __slots__ = ("now", "_is_small")

    def __init__(self) -> None:
        self.now = ""
        self._is_small = False

    def see(self, event: Event, schema: Schema) -> None:
        """The next event."""
        state = schema.name_of("state", event["state"])
        if event.kind == "time_wait":
            self._is_small = schema.name_of(
                "time_wait_step", event["time_wait_step"]) != "overflow"
        elif event.kind == "time_wait_end" and (self._is_small or not self.now):
            self._is_small = False
            self.now = CLOSED
        elif event.kind == "request_end" and self.now in ("", SYN_RECEIVED):
            if schema.name_of("request_ending", event["request_ending"]) != "joined":
                self.now = CLOSED   # MPTCP's child lives on, or its own event tells
        elif event.kind == "destroy" and self.now and not self._is_small:
            self.now = CLOSED       # if nothing else told
        elif event.kind == "state" and state != CLOSED:
            self._is_small = False
        if event.kind in ("time_wait", "request") or (
                event.kind == "state" and not self._is_small) or (
                event.kind == "ack" and state in SYNCHRONIZED
                and self.now in (SYN_SENT, SYN_RECEIVED)):  # the event of its opening was lost
            self.now = state
