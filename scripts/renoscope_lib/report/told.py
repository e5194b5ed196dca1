# SPDX-License-Identifier: GPL-2.0
"""What every section is given: the views, and what is known of their source."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from ..recording.inputs import Input
from ..words import clock, file_word
from .all_views import AllViews
from .parts import ROWS


@dataclass
class Told:
    """Everything that was seen, once it has been seen."""

    views: AllViews
    name: str | None
    meta: dict[str, Any] = field(default_factory=dict)
    done: dict[str, Any] = field(default_factory=dict)
    wall_offset_ns: int | None = None
    wall_clock_moved_ns: int = 0
    end_ns: int = 0
    cut_off: str | None = None
    limit: int = ROWS
    command: str = ""

    @classmethod
    def of(cls, views: AllViews, source: Input, name: str | None, limit: int,
           command: str) -> Told:
        """After the last event."""
        meta = {"parameters": source.parameters(), **source.about()}
        return cls(views, name, meta, source.done(),
                   source.wall_offset_ns(), source.wall_clock_moved_ns(),
                   views.whole.known_until_ns(source.end_ns()),
                   source.complaint(), limit, command)

    @property
    def first_ns(self) -> int | None:
        """Times count from here."""
        return self.views.whole.first_ns

    @property
    def title(self) -> str:
        """The recording's name, without where it lies."""
        if self.name is None:
            return "the ring, live"
        return "standard input" if self.name == "-" else os.path.basename(self.name)

    def clock(self, time_ns: int) -> str:
        """The wall clock's time, to the second; empty where it is not known."""
        return "" if self.wall_offset_ns is None else clock(time_ns + self.wall_offset_ns)

    def other(self, view: str) -> str:
        """The command that tells all of something."""
        if self.name in (None, "-"):
            return f"renoscope {view}"
        return f"renoscope {view} {file_word(self.title)}"
