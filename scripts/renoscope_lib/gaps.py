# SPDX-License-Identifier: GPL-2.0
"""What a view was not told: lost events, and times when less was recorded.

A gap concerns every connection, as nobody can say whose events are missing.  So
whoever follows connections notes, with each, how many gaps there were when it was
last heard of.  A later number means: what is said of it may be out of date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .schema import Event, Schema
from .tables import seconds
from .words import plural

# How a parameter that chooses nothing reads.
NO_FILTER = ("", "(null)", "none")

# Changes told one by one: how it began and how it ended; the rest is counted.
TOLD_FIRST, TOLD_LAST = 2, 3


def begins_time(event: Event) -> bool:
    """Whether time may be counted from it, if it is the first of its sort.

    Every view counts from the first record that is neither a mark nor a loss:
    what a recorder says of itself is no beginning, and a loss has no time.
    """
    return event.kind not in ("lost", "mark")


class Gaps:
    """Feed it every event; it takes those that tell of gaps.

    `needs` are the kinds without which the view cannot say what it should, `loss`
    says what lost events mean for it.
    """

    def __init__(self, schema: Schema, needs: Iterable[str],
                 loss: str = "what is said here may lack a part") -> None:
        self._schema = schema
        self._needs = tuple(needs)
        self._loss = loss
        self._marks: list[tuple[int, str]] = []
        self._marks_left_out = 0
        self._off: list[str] = []
        self._ever_off: set[str] = set()
        self._filter = ""
        self._frozen: bool | None = None
        self._began_frozen = False
        self.first_ns: int | None = None
        self.last_ns = 0
        self.lost_events = 0
        self.number = 0
        self.freezes: set[int] = set()

    def begin(self, parameters: Mapping[str, str]) -> None:
        """What the module was told to record when watching began."""
        events = parameters.get("events")
        if events is not None:
            on = events.replace(",", " ").split()
            self._off = [kind for kind in self._needs if kind not in on
                         and kind in self._schema.kind_meanings]
            self._ever_off.update(self._off)
        self._filter = parameters.get("filter", "").strip()
        self._began_frozen = parameters.get("frozen", "").strip() in ("1", "Y")

    def takes(self, event: Event) -> bool:
        """Whether the event is of no connection, but of the recording."""
        if event.kind == "lost":
            self.lost_events += event["lost_events"]
            self.number += 1
            return True
        if self.first_ns is None and begins_time(event):
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
            "begun": "recording began",
        }.get(cause, "other kinds are recorded")
        off = self._kinds_off(event["kinds_on"])
        self.number += 1
        if cause == "frozen":
            self.freezes.add(self.number)
            self._frozen = True
        else:
            self._ever_off.update(off)
            if off:
                words += "; not recorded from here on: " + ", ".join(off)
        if cause == "thawed":
            self._frozen = False
        if not off and (cause == "begun"
                        or cause == "events" and not self._marks):
            return  # nothing this view needs was or is off
        self._marks.append((event["time_ns"], words))
        if len(self._marks) > TOLD_FIRST + TOLD_LAST:
            del self._marks[TOLD_FIRST]
            self._marks_left_out += 1

    def _kinds_off(self, kinds_on: int) -> list[str]:
        return [kind for number, kind in self._schema.kinds.items()
                if kind in self._needs and not kinds_on >> number & 1]

    @property
    def frozen_throughout(self) -> bool:
        """Whether there was nothing to see from the first moment on."""
        return (self._began_frozen and self._frozen is None
                and self.first_ns is None)

    def known_until_ns(self, end_ns: int | None) -> int:
        """The last moment of which anything is known: a freeze is the end of it."""
        if self._frozen or (self._began_frozen and self._frozen is None):
            return self.last_ns
        return max(end_ns or 0, self.last_ns)

    def unknown_kinds(self) -> list[str]:
        """Kinds the view needs and the module that recorded does not have."""
        return [kind for kind in self._needs
                if kind not in self._schema.kind_meanings]

    def not_recorded(self, *kinds: str) -> list[str]:
        """Which of these the view did not get, or not all the time."""
        return [kind for kind in kinds if kind in self._ever_off
                or kind not in self._schema.kind_meanings]

    def _mark_lines(self) -> list[str]:
        lines = []
        for time_ns, words in self._marks:
            if self.first_ns is None or time_ns < self.first_ns:
                lines.append(f"note: before the first event {words}")
            else:
                lines.append(f"note: at {seconds(time_ns, self.first_ns)} s "
                             f"{words}")
        if self._marks_left_out:
            lines.insert(TOLD_FIRST, "note: then "
                         f"{plural(self._marks_left_out, 'change')} more")
        if self._frozen:
            lines[-1] += ", and it is frozen now"
        elif self._began_frozen and self._frozen is None:
            lines.append("note: recording was frozen when this began, so "
                         "nothing is known from then on")
        return lines

    def notes(self) -> list[str]:
        """Why something may be missing other than by a loss."""
        lines = []
        if self._off:
            lines.append("note: not recorded here, so nothing is known of it: "
                         + ", ".join(self._off))
        if self._filter not in NO_FILTER:
            lines.append(f"note: recorded with the filter {self._filter!r}")
        lines += self._mark_lines()
        missing = self.unknown_kinds()
        if missing:
            lines.append("note: the module that recorded this has no kind "
                         + ", ".join(missing))
        return lines

    def remarks(self) -> list[str]:
        """Lines for the end of a view; none if nothing is known to be missing."""
        if not self.lost_events:
            return self.notes()
        return [f"*** {plural(self.lost_events, 'event')} LOST: {self._loss} ***",
                *self.notes()]

    def as_json(self, end_ns: int | None) -> dict[str, Any]:
        """What every view says besides: from when to when, and what is missing."""
        return {"first_ns": self.first_ns,
                "end_ns": max(end_ns or 0, self.last_ns),
                "lost_events": self.lost_events, "notes": self.remarks()}
