# SPDX-License-Identifier: GPL-2.0
"""What a view was not told: lost events, and times when less was recorded.

A gap concerns every connection, as nobody can say whose events are missing.  So
whoever follows connections notes, with each, how many gaps there were when it was
last heard of.  A later number means: what is said of it may be out of date.

A loss is told where it is found, which is not where it ends: what is lost of a CPU
lies anywhere before the next record of that CPU.  A ring that was full begins with
one loss for each CPU, and the CPUs reach back differently far.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ..output.tables import moment
from ..ring.chosen import Chosen
from ..ring.schema import LOST, MARK, Event, Schema
from ..ring.stats import Stats
from ..tcp.flows import is_of_recording
from ..words import plural
from .silent_places import SilentPlaces

# Changes told one by one: how it began and how it ended; the rest is counted.
TOLD_FIRST, TOLD_LAST = 2, 3


MARK_WORDS = {
    "frozen": "recording stopped (frozen)",
    "thawed": "recording went on",
    "filter": "another filter or sampling holds",
    "begun": "recording began",
}


def begins_time(event: Event) -> bool:
    """Whether time may be counted from it, if it is the first of its sort.

    Every view counts from the first record that is neither a mark nor a loss:
    what a recorder says of itself is no beginning, and a loss has no time.
    """
    return not is_of_recording(event)


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
        self._chosen = Chosen()
        self._older = False
        self._opened_by_mark = False
        self._off: list[str] | None = []
        self._off_at_first: list[str] = []
        self._on_later: set[str] = set()
        self._ever_off: set[str] = set()
        self._kinds_marked = False
        self._filter_marked_at_first = False
        self._filter_marked_before_read = False
        self._silent_places = SilentPlaces(self._needs)
        self._filter_unknown = False
        self._frozen: bool | None = None
        self._began_frozen = False
        self._cpus_in_doubt: set[int] = set()
        self._gap_until_ns: int | None = None
        self.first_ns: int | None = None
        self.wall_offset_ns: int | None = None      # if times are told by the wall clock
        self.last_ns = 0
        self.lost_events = 0
        self.number = 0
        self.freezes: set[int] = set()

    def begin(self, parameters: Mapping[str, str], read_ns: int = 0,
              when: str = Chosen.WHEN_RECORDING_BEGAN) -> None:
        """What the module was told to record, at some moment.

        Of what came before that moment only the marks tell.
        """
        chosen = self._chosen = Chosen(parameters, read_ns, when)
        on = chosen.kinds_on()
        if on is not None:
            self._hold_from_first([kind for kind in self._needs if kind not in on
                                   and kind in self._schema.kind_meanings])
        self._began_frozen = chosen.frozen

    def see_sources(self, readings: Sequence[Stats]) -> None:
        """What the module said of its places, at the beginning and the end."""
        self._silent_places.see(readings)

    def takes(self, event: Event) -> bool:
        """Whether the event is of no connection, but of the recording."""
        if event.kind == LOST:
            self.lost_events += event["lost_events"]
            self._cpus_in_doubt.add(event["cpu"])
            self.number += 1
            return True
        if self.waits_for(event):
            self._cpus_in_doubt.remove(event["cpu"])
            self._gap_ends(event)
            self.number += 1
        self._older = self._older or event["time_ns"] < self._chosen.read_ns
        if self.first_ns is None and begins_time(event):
            self.first_ns = event["time_ns"]
            self._ever_off = set(self._off_at_first)
        self.last_ns = max(self.last_ns, event["time_ns"])
        if event.kind != MARK:
            return False
        self._mark(event)
        return True

    def waits_for(self, event: Event) -> bool:
        """Whether a loss ends with it: it is the next one of that CPU."""
        return event["cpu"] in self._cpus_in_doubt

    def _gap_ends(self, event: Event) -> None:
        self._gap_until_ns = max(self._gap_until_ns or 0, event["time_ns"])

    def is_whole_since(self, number: int) -> bool:
        """Whether nothing can be missing since then, up to now."""
        return number == self.number and not self._cpus_in_doubt

    def is_whole_until_known(self, number: int) -> bool:
        """The same up to `known_until_ns`: a freeze there hides nothing before it."""
        return self.is_whole_since(number + 1 if self._frozen
                                   and number + 1 == self.number else number)

    def has_gap_since(self, since_ns: int | None) -> bool:
        """Whether there was a gap after a moment; without one, whether ever."""
        return bool(self._cpus_in_doubt) or (
            self._gap_until_ns is not None
            and (since_ns is None or since_ns < self._gap_until_ns))

    def _mark(self, event: Event) -> None:
        cause = self._schema.name_of("mark_cause", event["mark_cause"])
        self.number += 1
        if cause in ("thawed", "filter"):
            self._gap_ends(event)
        if cause == "filter" and event["time_ns"] >= self._chosen.read_ns:
            self._filter_unknown = True
        if cause == "frozen":
            self.freezes.add(self.number)
            self._frozen = True
        elif cause == "thawed":
            self._frozen = False
        if self.first_ns is None:
            self._mark_at_first(cause, event)
        else:
            self._mark_later(cause, event)

    def _mark_at_first(self, cause: str, event: Event) -> None:
        """Before the first event: all that counts is what holds when it comes."""
        self._opened_by_mark = True
        if cause != "frozen":
            self._kinds_marked = True
            self._hold_from_first(self._kinds_off(event))
        if cause == "filter":
            self._filter_marked_at_first = True

    def _mark_later(self, cause: str, event: Event) -> None:
        words = MARK_WORDS.get(cause, "other kinds are recorded")
        is_before_read = event["time_ns"] < self._chosen.read_ns
        if cause == "filter" and is_before_read:
            self._filter_marked_before_read = True
        if cause != "frozen":
            if is_before_read and not self._kinds_marked:
                self._forget_kinds()
            self._kinds_marked = True
            change = self._change_kinds(self._kinds_off(event))
            if change is None and cause in ("begun", "events"):
                return  # not of kinds that this view needs
            words += change or ""
        self._marks.append((event["time_ns"], words))
        if len(self._marks) > TOLD_FIRST + TOLD_LAST:
            del self._marks[TOLD_FIRST]
            self._marks_left_out += 1

    def _hold_from_first(self, off: list[str]) -> None:
        """These kinds are off when the first event comes, if no mark comes before."""
        self._off = self._off_at_first = off
        self._ever_off.update(off)

    def _forget_kinds(self) -> None:
        """The parameters are those of another time: nobody knows what held."""
        self._off, self._off_at_first = None, []
        self._ever_off.clear()

    def _change_kinds(self, off: list[str]) -> str | None:
        """From here on these are off; what that changes, None if nothing."""
        before, self._off = self._off, off
        self._ever_off.update(off)
        new = [kind for kind in off if kind not in (before or ())]
        ended = [kind for kind in before or () if kind not in off]
        if before is not None and not new and not ended:
            return None
        self._on_later.update(ended)
        return "".join(f"; {words} from here on: {', '.join(kinds)}"
                       for words, kinds in (("not recorded", new),
                                            ("recorded", ended)) if kinds)

    def _kinds_off(self, mark: Event) -> list[str]:
        return [kind for kind in self._schema.kinds_off(mark) if kind in self._needs]

    @property
    def frozen_throughout(self) -> bool:
        """Whether there was nothing to see from the first moment on."""
        return (self._began_frozen and self._frozen is None
                and self.first_ns is None)

    def ended_ns(self, end_ns: int | None) -> int:
        """When watching ended: the source says, or the last event."""
        return max(end_ns or 0, self.last_ns)

    def known_until_ns(self, end_ns: int | None) -> int:
        """The last moment of which anything is known: a freeze is the end of it."""
        if self._frozen or (self._began_frozen and self._frozen is None):
            return self.last_ns
        return self.ended_ns(end_ns)

    def unknown_kinds(self) -> list[str]:
        """Kinds the view needs and the module that recorded does not have."""
        return [kind for kind in self._needs
                if kind not in self._schema.kind_meanings]

    def not_recorded(self, *kinds: str) -> list[str]:
        """Which of these the view did not get, or not all the time."""
        return [kind for kind in kinds if kind in self._ever_off
                or kind in self._silent_places.kinds
                or kind not in self._schema.kind_meanings]

    @property
    def missed_calls(self) -> bool:
        """Whether the kernel skipped a call of a probe that the view needs."""
        return bool(self._silent_places.missed)

    @property
    def may_sample_acks(self) -> bool:
        """Whether `ack_sample` may have left out some."""
        return self._filter_unknown or self._chosen.samples("ack")

    @property
    def lets_everything_in(self) -> bool:
        """Whether neither a filter nor the sampling of connections may have left out some."""
        return not (self._filter_unknown or self._chosen.filter
                    or self._chosen.samples("flow"))

    @property
    def _may_filter_by_state(self) -> bool:
        """Whether a connection may have been recorded in some of its states only."""
        return self._filter_unknown or "state" in self._chosen.filter

    def lacks(self, *kinds: str) -> list[str]:
        """Of which of these some events may be missing other than in a gap."""
        if self._may_filter_by_state:
            return list(kinds)
        missing = self._silent_places.partly_kinds.union(self.not_recorded(*kinds))
        return [kind for kind in kinds if kind in missing]

    def may_lack(self, *kinds: str, since_ns: int | None) -> list[str]:
        """Of which of these some events since then may be missing, for any reason."""
        return list(kinds) if self.has_gap_since(since_ns) else self.lacks(*kinds)

    def moment(self, time_ns: int | None) -> str:
        """A time as the view's tables have it."""
        return moment(time_ns, self.first_ns, self.wall_offset_ns)

    @property
    def moment_unit(self) -> str:
        """What such times are in."""
        return "s" if self.wall_offset_ns is None else "UTC"

    def _mark_lines(self) -> list[str]:
        lines = []
        for time_ns, words in self._marks:
            unit = " s" if self.wall_offset_ns is None else ""
            lines.append(f"note: at {self.moment(time_ns)}{unit} {words}")
        if self._marks_left_out:
            lines.insert(TOLD_FIRST, "note: then "
                         f"{plural(self._marks_left_out, 'change')} more")
        still = (", and it is frozen now" if self._chosen.is_now
                 else ", and was still frozen at the end of this recording")
        if self._frozen and lines:
            lines[-1] += still
        elif self._frozen:
            lines.append("note: recording stopped (frozen) before the first "
                         f"event{still}")
        elif self._began_frozen and self._frozen is None:
            lines.append("note: recording was frozen when this began, so "
                         "nothing is known from then on")
        return lines

    @property
    def _holds_from_first(self) -> bool:
        """Whether no mark can be missing of a change since the first event."""
        return (not self._older or self._opened_by_mark
                or not self.lost_events)

    def _kinds_lines(self) -> list[str]:
        throughout = [kind for kind in self._off_at_first
                      if kind not in self._on_later]
        at_first = [kind for kind in self._off_at_first
                    if kind in self._on_later]
        if self.first_ns is None:  # all of it was before the first event
            at_first += sorted(self._ever_off.difference(throughout))
        lines = []
        if throughout and not (self._kinds_marked or self._holds_from_first):
            lines.append(f"note: {self._chosen.when}: not to record "
                         f"{', '.join(throughout)}; since when is not known")
        elif throughout:
            lines.append("note: not recorded here, so nothing is known of it: "
                         + ", ".join(throughout))
        if at_first:
            lines.append(f"note: not recorded at first: {', '.join(at_first)}")
        return lines

    def _filter_lines(self) -> list[str]:
        if self._filter_marked_at_first and not self._older:
            return ["note: from the first event on another filter or sampling "
                    "holds than when recording began"]
        choice = ", ".join(self._chosen.choice())
        if self._filter_marked_before_read:
            return [f"note: {self._chosen.when}: "
                    + (choice or "no filter and no sampling")]
        if choice and not self._holds_from_first:
            return [f"note: {self._chosen.when}: {choice}; since when is not known"]
        return [f"note: recorded with {choice}"] if choice else []

    def notes(self) -> list[str]:
        """Why something may be missing other than by a loss."""
        lines = self._kinds_lines() + self._filter_lines()
        lines += self._mark_lines()
        lines += self._silent_places.notes()
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
                "end_ns": self.ended_ns(end_ns),
                "lost_events": self.lost_events, "notes": self.remarks()}


class View(Protocol):
    """What is fed with events and tells of them."""

    @property
    def gaps(self) -> Gaps:
        """What was missed."""

    def feed(self, event: Event) -> None:
        """The next event."""
