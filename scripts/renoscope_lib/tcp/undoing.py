# SPDX-License-Identifier: GPL-2.0
"""Reductions that the kernel takes back when the congestion state is Open again.

D-SACKs that tell that all that was sent again had arrived may come when recovery is
over (tcp_try_undo_dsack()): then no change of the state tells of the undoing, but cwnd
and ssthresh are back where they were.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..words import INFINITE_SSTHRESH
from .kept import Packable

# From these states a reduction begins that can be undone; CWR's cannot.
BEFORE_A_CUT = ("Open", "Disorder")


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
