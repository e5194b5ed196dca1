# SPDX-License-Identifier: GPL-2.0
"""How long connections stood in each state, added up as they leave it.

The view of states knows each connection's way.  This one counts a time when a state
is left, and forgets a connection at its end, so that it can follow a host for ever.
What the view may still correct, once the first FIN is out, is counted at the end; or
once the socket is gone, where a RST or a small sock has yet to tell what the end was.
Times whose beginning or end was not seen are left out, not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..ring.schema import Event, Schema
from ..tcp.life import Life, Stay
from ..tcp.tcp_states import CLOSE_WAIT, ESTABLISHED, LISTEN, NETSTAT_NAMES, SYN_RECEIVED, SYN_SENT
from ..views.gaps import Gaps
from ..views.states import States
from .exposition import Histogram

# In seconds.  SYNs and SYN-ACKs are sent again after 1, 3 and 7 s; TIME-WAIT lasts
# 60 s and up to an eighth more.
BOUNDS = (0.001, 0.01, 0.1, 1.0, 3.0, 7.0, 75.0, 3600.0)

COUNTED = tuple(state for state in NETSTAT_NAMES if state != LISTEN)

# When these are left it is for good.
SETTLED_ONCE_LEFT = (SYN_SENT, SYN_RECEIVED, ESTABLISHED, CLOSE_WAIT)


class StateTimes(States):
    """Feed it joined events; `seconds` has a histogram for each state."""

    def __init__(self, schema: Schema, needs: Iterable[str],
                 loss: str) -> None:
        super().__init__(schema)
        self.gaps = Gaps(schema, needs, loss)
        self.seconds = {state: Histogram(BOUNDS) for state in COUNTED}

    def feed(self, event: Event) -> None:
        """The next event."""
        key = event.key if event.values.get("cookie") else 0
        before = self.kept.get(key) if key else None
        stays_before = len(before.stays) if before is not None else 0
        super().feed(event)
        life = self.kept.get(key) if key else None
        if life is None:
            return
        if life is not before:
            stays_before = 1    # its first event may be that of its end
        if len(life.stays) - 1 == stays_before:
            left = life.stays[-2]
            if left.state in SETTLED_ONCE_LEFT:
                self._count(life, left)
        if life.is_over and (not life.may_live_on or event.kind == "destroy"):
            for stay in life.stays:
                if stay.state not in SETTLED_ONCE_LEFT:
                    self._count(life, stay)
            self.kept.drop(key)

    def _count(self, life: Life, stay: Stay) -> None:
        took_us = self.took_us(life, stay)
        if stay.state in self.seconds and took_us is not None:
            self.seconds[stay.state].observe(took_us / 1e6)
