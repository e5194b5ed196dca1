# SPDX-License-Identifier: GPL-2.0
"""How much of a scenario is asked for: all of it, or a part for a first look."""

from __future__ import annotations

import os

PART = float(os.environ.get("RENOSCOPE_STRESS_PART", "1"))


def part(whole: int) -> int:
    """That part of so many repetitions or seconds, at least one."""
    return max(1, round(whole * PART))
