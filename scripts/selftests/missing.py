# SPDX-License-Identifier: GPL-2.0
"""What a recording holds nothing of, as far as whoever compares its views knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from renoscope_lib.ring.schema import Event


@dataclass(frozen=True)
class Missing:
    """Kinds that were off, and events that were lost."""

    off: frozenset[str] = frozenset()
    lost: tuple[Event, ...] = ()

    def lacks(self, who: Any, kinds: Collection[str]) -> bool:
        """Whether events of these kinds are missing of a connection, or of either end of it.

        Of the whole recording any event is missing that is.
        """
        return bool(self.off.intersection(kinds)) or any(
            event.kind in kinds and _may_be_of(event, who) for event in self.lost)


def _may_be_of(event: Event, who: Any) -> bool:
    ends = [getattr(who, name, "").rpartition(":")[2] for name in ("local", "remote")]
    return not any(ends) or sorted(ends) == sorted(
        [str(event["local_port"]), str(event["remote_port"])])
