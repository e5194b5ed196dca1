# SPDX-License-Identifier: GPL-2.0
"""How the page was made, and of what."""

from __future__ import annotations

from .completeness import when
from .markup import join
from .parts import Section, facts, section
from .told import Told
from .values import code, count

# Kinds that are listed; no module has as many.
MOST_KINDS = 100


def _kinds(told: Told) -> str:
    kinds = told.views.kinds.most_common(MOST_KINDS)
    return ", ".join(f"{kind} {count(number)}" for kind, number in kinds) or "none"


def _parameters(told: Told, names: tuple[str, ...]) -> str:
    found = told.meta.get("parameters")
    known = found if isinstance(found, dict) else {}
    return ", ".join(f"{name} {known[name]}" for name in names
                     if isinstance(known.get(name), str)) or "not told"


def show(told: Told) -> Section:
    """The section."""
    rows = [("recording", code(told.title)),
            ("made by", code(told.command)),
            ("events by kind", _kinds(told)),
            ("recorded with", _parameters(told, (
                "ring_records", "filter", "flow_sample", "ack_sample")))]
    boot = told.meta.get("boot_id")
    if isinstance(boot, str):
        rows.append(("boot", code(boot)))
    first = when(told.first_ns, told) if told.first_ns is not None else None
    if first:
        rows.append(("first event", join(first, ", which is 0 s here")))
    return section("made", "How this was made", facts(*rows))
