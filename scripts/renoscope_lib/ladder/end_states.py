# SPDX-License-Identifier: GPL-2.0
"""Which state an end of a conversation enters with an event, for its rail."""

from __future__ import annotations

from ..ring.schema import Event
from ..tcp.sequence import FIN
from ..tcp.tcp_states import CLOSED, FIN_WAIT_2, LISTEN, SYN_RECEIVED


class EndStates:
    """An end's states in the RFC's sense; states.py says where they differ."""

    def __init__(self) -> None:
        self.now = ""
        self._small = False
        self._fin_came = False

    def see_arrival(self, flags: int) -> None:
        """A segment that may change the state of this end."""
        self._fin_came = bool(flags & FIN)

    def after(self, event: Event, names: dict[int, str]) -> str:
        """The state that the event leads to; empty if it does not change."""
        new = self._told(event, names)
        if not new or new == self.now:
            return ""
        if new == FIN_WAIT_2 and self._fin_came:
            return ""  # the FIN that came with the ACK leads straight on
        self.now = new
        return new

    def _told(self, event: Event, names: dict[int, str]) -> str:
        state = names.get(event["state"], "?")
        if event.kind == "request":
            return state
        if event.kind in ("request_end", "time_wait_end"):
            return CLOSED
        if event.kind == "time_wait":
            self._small = True
            return state
        if event.kind != "state":
            return ""
        if names.get(event["old_state"]) == LISTEN:
            return state if state == SYN_RECEIVED else ""
        return "" if self._small and state == CLOSED else state
