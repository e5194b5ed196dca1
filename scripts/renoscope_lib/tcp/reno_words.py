# SPDX-License-Identifier: GPL-2.0
"""The words of this module's own algorithms, as people write them.

A newer module may have more of them; those show as they are.
"""

from __future__ import annotations

from ..words import spaced

# What these algorithms tell of themselves. It comes from within the kernel's change of
# the congestion state, before that is stored: `ca_state` is still the one before.
RENO_KINDS = ("reno_round", "reno_phase", "reno_reduction", "reno_undo",
              "reno_restart")

SLOW_START = "slow_start"
CSS = "css"
AVOIDANCE = "avoidance"

PHASES = {
    SLOW_START: "slow start", CSS: "conservative slow start",
    AVOIDANCE: "congestion avoidance",
}

CAUSES = {
    "none": "the core lowered cwnd itself",
    "begin": "the connection begins, or the algorithm for it",
    "ssthresh": "cwnd reached ssthresh",
    "delay": "round trips grew longer",
    "ack_train": "ACKs arrive for half a round trip",
    "jitter": "a false alarm, round trips are short again or never grew",
    "css_rounds": "conservative slow start lasted its five rounds",
    "loss": "a segment was lost",
    "rto": "the retransmission timer fired",
    "ecn": "the peer echoes an ECN mark",
    "other": "this host dropped a segment before it left",
    "restart": "the connection was idle",
    "undo": "the reduction before it was undone",
}


def phase_name(word: str) -> str:
    """A phase by its name in the field."""
    return PHASES.get(word, spaced(word))


def cause_words(word: str) -> str:
    """Why a phase began or ssthresh was lowered."""
    return CAUSES.get(word, spaced(word))
