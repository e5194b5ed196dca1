# SPDX-License-Identifier: GPL-2.0
"""How the page was made, and of what."""

from __future__ import annotations

from ..words import clock_moved
from .markup import join
from .parts import Section, facts, section
from .told import Told
from .values import code, count

# Kinds that are listed; no module has as many.
MOST_KINDS = 100

PARAMETERS = ("ring_records", "filter", "flow_sample", "ack_sample")


def _kinds(told: Told) -> str:
    kinds = told.views.kinds.most_common(MOST_KINDS)
    return ", ".join(f"{kind} {count(number)}" for kind, number in kinds) or "none"


def _parameters(told: Told) -> str:
    """Those that say how much was kept; an empty one is none."""
    found = told.meta.get("parameters")
    known = found if isinstance(found, dict) else {}
    said = [f"{name} {known[name]}" if known[name] else f"no {name}"
            for name in PARAMETERS if isinstance(known.get(name), str)]
    return ", ".join(said) or "not told"


def show(told: Told) -> Section:
    """The section."""
    rows = [("recording", code(told.title)),
            ("made by", code(told.command)),
            ("events by kind", _kinds(told)),
            ("recorded with", _parameters(told))]
    boot = told.meta.get("boot_id")
    if isinstance(boot, str):
        rows.append(("boot", code(boot)))
    first = told.clock(told.first_ns) if told.first_ns is not None else ""
    if first:
        rows.append(("first event", join(first, ", which is 0 s here")))
    moved = clock_moved(told.wall_clock_moved_ns)
    if moved:
        rows.append(("wall clock", moved))
    return section("made", "How this was made", facts(*rows))
