# SPDX-License-Identifier: GPL-2.0
"""What a view was not told: lost events, and times when less was recorded.

A gap concerns every connection, as nobody can say whose events are missing.  So
whoever follows connections notes, with each, how many gaps there were when it was
last heard of.  A later number means: what is said of it may be out of date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .schema import Event, Schema
from .tables import seconds
from .words import plural

# How a parameter that chooses nothing reads.
NO_FILTER = ("", "(null)", "none")

# Gaps told one by one; beyond that they are counted.
TOLD = 5


class Gaps:
    """Feed it every event; it takes those that tell of gaps.

    `needs` are the kinds without which the view cannot say what it should.
    """

    def __init__(self, schema: Schema, needs: Iterable[str]) -> None:
        self._schema = schema
        self._needs = tuple(needs)
        self._marks: list[str] = []
        self._marks_left_out = 0
        self._off: list[str] = []
        self._filter = ""
        self.first_ns: int | None = None
        self.last_ns = 0
        self.lost_events = 0
        self.number = 0

    def begin(self, parameters: Mapping[str, str]) -> None:
        """What the module was told to record when watching began."""
        events = parameters.get("events")
        if events is not None:
            on = events.replace(",", " ").split()
            self._off = [kind for kind in self._needs if kind not in on
                         and kind in self._schema.kind_meanings]
        self._filter = parameters.get("filter", "").strip()

    def takes(self, event: Event) -> bool:
        """Whether the event is of no connection, but of the recording."""
        if event.kind == "lost":
            self.lost_events += event["lost_events"]
            self.number += 1
            return True
        if self.first_ns is None:
            self.first_ns = event["time_ns"]
        self.last_ns = max(self.last_ns, event["time_ns"])
        if event.kind != "mark":
            return False
        self._mark(event)
        return True

    def _mark(self, event: Event) -> None:
        cause = self._schema.name_of("mark_cause", event["mark_cause"])
        words = {
            "frozen": "recording stopped (frozen)",
            "thawed": "recording went on",
            "filter": "another filter or sampling holds",
        }.get(cause, "other kinds are recorded")
        off = self._kinds_off(event["kinds_on"])
        if off and cause != "frozen":
            words += "; not recorded from here on: " + ", ".join(off)
        self.number += 1
        if cause == "events" and not off and not self._marks:
            return  # nothing this view needs was or is off
        if len(self._marks) >= TOLD:
            self._marks_left_out += 1
            return
        self._marks.append(f"at {seconds(event['time_ns'], self.first_ns)} s "
                           f"{words}")

    def _kinds_off(self, kinds_on: int) -> list[str]:
        return [kind for number, kind in self._schema.kinds.items()
                if kind in self._needs and not kinds_on >> number & 1]

    def unknown_kinds(self) -> list[str]:
        """Kinds the view needs and the module that recorded does not have."""
        return [kind for kind in self._needs
                if kind not in self._schema.kind_meanings]

    def remarks(self) -> list[str]:
        """Lines for the end of a view; none if nothing is known to be missing."""
        lines = []
        if self.lost_events:
            lines.append(f"*** {plural(self.lost_events, 'event')} LOST: "
                         "what is said here may lack a part ***")
        if self._off:
            lines.append("note: not recorded here, so nothing is known of it: "
                         + ", ".join(self._off))
        if self._filter not in NO_FILTER:
            lines.append(f"note: recorded with the filter {self._filter!r}")
        lines += [f"note: {mark}" for mark in self._marks]
        if self._marks_left_out:
            lines.append(f"note: so {self._marks_left_out} times more")
        missing = self.unknown_kinds()
        if missing:
            lines.append("note: the module that recorded this has no kind "
                         + ", ".join(missing))
        return lines
