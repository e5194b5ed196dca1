# SPDX-License-Identifier: GPL-2.0
"""Which process it was, where the record knows one."""

from __future__ import annotations

from ..ring.schema import Event
from ..words import task_name


def process_of(event: Event) -> str:
    """Its name and number, as in curl[1234]; nothing if it was none, or is not told."""
    if not event.values.get("pid"):
        return ""
    comm = event.values.get("comm")
    name = task_name(comm) if isinstance(comm, bytes) else ""
    return f"{name}[{event['pid']}]"
