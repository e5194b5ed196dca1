# SPDX-License-Identifier: GPL-2.0
"""What an end would have told of a segment's arrival.

Only where it would have told is a segment lost that it does not tell of.  An end is
heard from its first event on that tells of arrivals: `segment` tells of all of them,
`ack` of most, those that met a socket.  But

 - `ack_sample` leaves out most of the `ack`s, so these prove nothing then;
 - `flow_sample` and filters may leave an end out, and yet let in what has no
   connection's id, as a SYN that reaches a listener;
 - a filter by state leaves arrivals out at any moment;
 - after a change of these an end must be heard anew.  What holds then is not known,
   where the parameters were read before: it may be any sampling, and a filter by
   state, so nothing that does not arrive is lost for sure from there on.

A SYN meets a listener, which tells of it by `syn` or not at all.
"""

from __future__ import annotations

import re

from ..ring.schema import MARK, Event
from ..tcp.sequence import ACK, RST, SYN
from ..tcp.tcp_states import LISTEN
from ..views.gaps import Gaps

# A RST is often alone: its socket is gone.
MOST_SEGMENTS, EVERY_SEGMENT = 1, 2
HEARD_BY = {"ack": MOST_SEGMENTS, "segment": EVERY_SEGMENT}

BY_STATE = re.compile(r"(^|\s)state!?=")
BY_ID = re.compile(r"(^|\s)cookie!?=")


class Hearing(Gaps):
    """The gaps of a view that says what did not arrive."""

    _heard = (0, 0)

    def takes(self, event: Event) -> bool:
        """Whether the event is of no connection, but of the recording."""
        if event.kind == MARK and self._schema.name_of(
                "mark_cause", event["mark_cause"]) == "filter":
            self._heard = (0, 0)
        return super().takes(event)

    def hear(self, event: Event, end: int) -> None:
        """An end tells of an arrival."""
        heard = HEARD_BY.get(event.kind, 0)
        chosen = self._chosen
        if self._filter_unknown or BY_STATE.search(chosen.filter) \
                or heard == MOST_SEGMENTS and chosen.samples("ack") \
                or (chosen.filter or chosen.samples("flow")) \
                and not self._is_of_its_own(event):
            return
        both = list(self._heard)
        both[end] = max(both[end], heard)
        self._heard = (both[0], both[1])

    def _is_of_its_own(self, event: Event) -> bool:
        """Whether it has the connection's id, and not none or the listener's."""
        return bool(event["cookie"]) and self._schema.name_of(
            "state", event["state"]) != LISTEN

    def hears(self, end: int, flags: int) -> bool:
        """Whether it tells of such segments, if not of every one."""
        return self._heard[end] >= (EVERY_SEGMENT if flags & RST else MOST_SEGMENTS)

    def would_tell(self, end: int, flags: int, again: bool) -> bool:
        """Whether it would have told of this one.

        A listener that has answered a SYN tells of more only when it answers these,
        too, at most twice a second: tcp_minisocks.c, tcp_check_req().
        """
        if not flags & SYN or flags & ACK:
            return True
        if self._filter_unknown or BY_ID.search(self._chosen.filter):
            return False
        return self._heard[end] >= EVERY_SEGMENT \
            or not again and not self.not_recorded("syn")
