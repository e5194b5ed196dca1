# SPDX-License-Identifier: GPL-2.0
"""The phases of a sender: how they are told apart, and their names.

Slow start and congestion avoidance are told by cwnd and ssthresh, as the kernel does
(tcp_in_slow_start()); conservative slow start only by our own algorithms. In fast
recovery and in a cwnd reduction the core sets cwnd, whatever the algorithm. In Loss,
after a timeout, the algorithm grows cwnd again: that is slow start too, and a phase of
its own where time is drawn, as what is sent then was sent before.

Views of rounds and of time, the textbook's picture and cwnd's take all this from here.
"""

from __future__ import annotations

from . import ca_states
from .reno_words import AVOIDANCE, CSS, SLOW_START, phase_name

RECOVERY = "recovery"
REDUCTION = "reduction"
LOSS = "loss"
UNTOLD = "untold"

CORES_PHASES = {ca_states.RECOVERY: RECOVERY, ca_states.CWR: REDUCTION}
NAMES = {RECOVERY: "fast recovery", REDUCTION: "cwnd reduction",
         LOSS: "slow start in Loss", UNTOLD: "phase not told"}
IN_ORDER = (SLOW_START, CSS, AVOIDANCE, RECOVERY, REDUCTION, LOSS, UNTOLD)


def name_of(phase: str) -> str:
    """The phase for people."""
    return NAMES.get(phase) or phase_name(phase)


def phase_of(ca_state: str, cwnd: int, ssthresh: int, in_css: bool = False) -> str:
    """The phase of a sender in this congestion state."""
    cores = CORES_PHASES.get(ca_state)
    if cores:
        return cores
    if cwnd >= ssthresh:
        return AVOIDANCE
    return CSS if in_css else SLOW_START
