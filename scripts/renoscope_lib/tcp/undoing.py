# SPDX-License-Identifier: GPL-2.0
"""Reductions that the kernel takes back, as an event after them shows.

Where the original of what was sent again turns out to have arrived, cwnd and ssthresh
become what they were. Mostly that ends recovery: ssthresh has risen when the congestion
state is left. But D-SACKs that tell it may come when recovery is over
(tcp_try_undo_dsack()): then no change of the state tells of the undoing, and cwnd and
ssthresh alone are back where they were.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ring.schema import Event
from ..words import INFINITE_SSTHRESH
from .ca_states import CWR, GROWING, REDUCING
from .kept import Packable


@dataclass(frozen=True, slots=True)
class Cut(Packable):
    """cwnd and ssthresh before a reduction, and the ssthresh that it set."""

    cwnd: int
    ssthresh: int
    within: int

    @property
    def prior_ssthresh(self) -> int:
        """What it is undone to (tcp_current_ssthresh())."""
        return max(self.ssthresh, (self.cwnd >> 1) + (self.cwnd >> 2))

    def is_taken_back(self, last_cwnd: int, cwnd: int, ssthresh: int) -> bool:
        """Whether an event shows it, after one that showed last_cwnd.

        ssthresh rises to three quarters of cwnd also after a rest, or where the
        application was what limited; but no cwnd leaps up to where it was then.
        """
        return (ssthresh == self.prior_ssthresh > self.within and cwnd >= self.cwnd
                and (ssthresh >= INFINITE_SSTHRESH or cwnd > last_cwnd + 1))


@dataclass(slots=True)
class Reduction(Packable):
    """One connection's latest reduction: what its events told of it so far.

    `within` is the ssthresh that the present state of the three began with; `cut` is
    there as long as the reduction may still be taken back.
    """

    ca_state: str = ""
    cwnd: int = 0
    ssthresh: int = 0
    within: int | None = None
    cut: Cut | None = None
    gaps: int = 0

    def is_undone(self, event: Event, ca_state: str, gaps: int) -> bool:
        """The next event of a sender: whether it is the first to show the undoing.

        `gaps` are those so far; across one nothing is known.
        """
        if gaps != self.gaps or not self.ca_state:
            self._begin_anew(event, ca_state, gaps)
            return False
        undone = self._is_undone_now(event, ca_state)
        if undone:
            self.cut = None
        if ca_state != self.ca_state:
            self._change(event, ca_state)
        self.cwnd, self.ssthresh = event["cwnd"], event["ssthresh"]
        return undone

    def _begin_anew(self, event: Event, ca_state: str, gaps: int) -> None:
        self.within = (event["ssthresh"] if self.ca_state and ca_state in REDUCING
                       else None)
        self.cut = None
        self.ca_state, self.gaps = ca_state, gaps
        self.cwnd, self.ssthresh = event["cwnd"], event["ssthresh"]

    def _is_undone_now(self, event: Event, ca_state: str) -> bool:
        """By the change of the state, or by what a later event shows.

        CWR is never undone (tcp_enter_cwr(), tcp_process_tlp_ack()); at its end an
        algorithm may raise ssthresh, as westwood does (CA_EVENT_COMPLETE_CWR).
        """
        if ca_state not in GROWING or self.ca_state == CWR:
            return False
        if self.ca_state in REDUCING and event.kind == "ca_state":
            return self.within is not None and event["ssthresh"] > self.within
        return self.cut is not None and self.cut.is_taken_back(
            self.cwnd, event["cwnd"], event["ssthresh"])

    def _change(self, event: Event, ca_state: str) -> None:
        """The state is another than at the event before."""
        if ca_state == CWR:
            self.cut = None  # which is not undone once it is over
        elif ca_state in REDUCING and self.ca_state in GROWING:
            self.cut = Cut(self.cwnd, self.ssthresh, event["ssthresh"])
        self.within = event["ssthresh"] if ca_state in REDUCING else None
        self.ca_state = ca_state
