# SPDX-License-Identifier: GPL-2.0
"""The colours of pictures, on light paper and on dark.

A phase has the same colour in all of them. Words are in colours that can be read on
the paper and on each phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..tcp.phases import LOSS, RECOVERY, REDUCTION, UNTOLD
from ..tcp.reno_words import AVOIDANCE, CSS, SLOW_START


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
    "light", paper="#ffffff", text="#000000", ink="#1f3b5c", threshold="#5e5e5e",
    trouble="#b3261e", srtt="#4f6f52", hole="#b0b0b0",
    phases={SLOW_START: "#dcebf7", CSS: "#c9dff0", AVOIDANCE: "#e6f3e0",
            RECOVERY: "#fbe5d0", REDUCTION: "#f3e3f1", LOSS: "#f8d5d1",
            UNTOLD: "#eeeeee"})

DARK = Palette(
    "dark", paper="#16191d", text="#e3e6ea", ink="#9ecbff", threshold="#b4bac1",
    trouble="#ff9a91", srtt="#a5c9a8", hole="#5f656c",
    phases={SLOW_START: "#1c3a57", CSS: "#244b68", AVOIDANCE: "#21432a",
            RECOVERY: "#5b4015", REDUCTION: "#4d2f55", LOSS: "#5e2328",
            UNTOLD: "#33383e"})

PALETTES = {palette.name: palette for palette in (LIGHT, DARK)}
