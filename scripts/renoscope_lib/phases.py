# SPDX-License-Identifier: GPL-2.0
"""The phases of a sender: how they are told apart, their names, their colours.

Slow start and congestion avoidance are told by cwnd and ssthresh, as the kernel does
(tcp_in_slow_start()); conservative slow start only by our own algorithms. In fast
recovery and in a cwnd reduction the core sets cwnd, whatever the algorithm. In Loss,
after a timeout, the algorithm grows cwnd again: that is slow start too, and has a
colour of its own where time is drawn, as what is sent then was sent before.

Views of rounds and of time, the textbook's picture and cwnd's take all this from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .reno_words import AVOIDANCE, CSS, SLOW_START, phase_name

RECOVERY = "recovery"
REDUCTION = "reduction"
LOSS = "loss"
UNTOLD = "untold"

CORES_PHASES = {"Recovery": RECOVERY, "CWR": REDUCTION}
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


@dataclass(frozen=True)
class Palette:
    """The colours of a picture."""

    name: str
    paper: str
    text: str
    ink: str
    threshold: str
    trouble: str
    srtt: str
    hole: str
    phases: Mapping[str, str]


LIGHT = Palette(
    "light", paper="#ffffff", text="#000000", ink="#1f3b5c", threshold="#7a7a7a",
    trouble="#b3261e", srtt="#4f6f52", hole="#b0b0b0",
    phases={SLOW_START: "#dcebf7", CSS: "#c9dff0", AVOIDANCE: "#e6f3e0",
            RECOVERY: "#fbe5d0", REDUCTION: "#f3e3f1", LOSS: "#f8d5d1",
            UNTOLD: "#eeeeee"})

DARK = Palette(
    "dark", paper="#16191d", text="#e3e6ea", ink="#9ecbff", threshold="#a3a9b0",
    trouble="#ff8a80", srtt="#a5c9a8", hole="#5f656c",
    phases={SLOW_START: "#1c3a57", CSS: "#2c5878", AVOIDANCE: "#21432a",
            RECOVERY: "#5b4015", REDUCTION: "#4d2f55", LOSS: "#5e2328",
            UNTOLD: "#33383e"})

PALETTES = {palette.name: palette for palette in (LIGHT, DARK)}
