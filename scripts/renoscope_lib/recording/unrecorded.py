# SPDX-License-Identifier: GPL-2.0
"""What a recording holds no event of, though none was lost.

The law read + lost = written covers what the module wrote.  What it was told not
to write (kinds off, a filter, sampling, a freeze) shows in two places: the `stats` say
what holds when recording begins and ends, and the marks in the ring tell of each change
in between.  Nothing marks that somebody switched kprobes or ftrace off and on again:
for that alone the `stats` are looked at again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import Problem
from ..ring.schema import EXTRA_KIND, MARK, OWN_KINDS, Event, Schema
from ..ring.stats import Stats, missed_between, parse_stats, sources_text, unhooked_words

# The extra kind is told of apart: it is missed only where it was on once.
NEVER_MISSED = frozenset({*OWN_KINDS, EXTRA_KIND})


def _without(kinds: Iterable[str]) -> str:
    return f"without {', '.join(sorted(kinds))}"


def _kinds_off(kinds: set[str]) -> list[str]:
    missed = kinds - NEVER_MISSED
    return [_without(missed)] if missed else []


def limits_of(stats: Stats) -> list[str]:
    """What holds at the moment of the stats, in words."""
    limits = _kinds_off(set(stats.kinds_off or ()))
    if stats.filter:
        limits.append(f"filter {stats.filter}")
    if stats.flow_sample > 1:
        limits.append(f"1 in {stats.flow_sample} connections")
    if stats.ack_sample > 1:
        limits.append(f"1 in {stats.ack_sample} plain acks")
    if stats.frozen:
        limits.append("frozen")
    return limits


class Places:
    """Where nothing comes from at a moment of the stats."""

    def __init__(self, stats: Stats) -> None:
        # As they are called now and later; of what all kprobes share one is enough.
        self.missing = {source.named: source.named_later for source in stats.sources
                        if source.is_missing}
        # All hooks miss the same namespaces.
        self.unhooked = max((source.unhooked for source in stats.sources), default=0)


class Unrecorded:
    """Collects what was not asked for or did not come, each once, in the order it was seen.

    `whole_ring` is for a recording of all that the ring holds: what the kernel
    skipped before the first reading of `stats` concerns it too.
    """

    def __init__(self, schema: Schema, whole_ring: bool = False) -> None:
        self._schema = schema
        self._is_before_all = whole_ring
        self._off_before_all: list[set[str]] = []
        self._limits: dict[str, None] = {}
        self._missed_since_load = whole_ring
        self._first_stats: Stats | None = None
        self._looks = 0
        self._seen_last: tuple[str, Places] | None = None
        self._silent: dict[str, int] = {}   # in how many looks
        self._named_later: dict[str, str] = {}
        self._unknown: dict[str, None] = {}
        self._unhooked = 0
        self._extra_was_off: set[bool] = set()
        self.skipped: list[str] = []
        self.mark_kind = schema.kind_number(MARK)

    def see_stats(self, text: str) -> None:
        """A reading of `stats`: before and after the reader is placed, and at the end."""
        stats = parse_stats(text)
        self._note(limits_of(stats))
        self._see(Places(stats))
        if stats.kinds_off is not None:
            self._extra_was_off.add(EXTRA_KIND in stats.kinds_off)
        if self._first_stats is None:
            self._first_stats = stats
        since = None if self._missed_since_load else self._first_stats
        self.skipped = [f"{count} calls missed at {place}"
                        for place, count in missed_between(since, stats).items()]

    def look(self, stats_text: Callable[[], str]) -> None:
        """In between: which places are silent now.  All else leaves a mark."""
        try:
            self._see(self._places(stats_text()))
        except Problem as problem:  # the events can still be read
            self._unknown[f"it was not seen whether places were silent: {problem}"] = None

    def _places(self, text: str) -> Places:
        """Mostly nothing has changed, and then there is nothing to be understood."""
        sources = sources_text(text)
        if self._seen_last is None or self._seen_last[0] != sources:
            self._seen_last = sources, Places(parse_stats(text))
        return self._seen_last[1]

    def _see(self, places: Places) -> None:
        self._looks += 1
        for name, later in places.missing.items():
            self._silent[name] = self._silent.get(name, 0) + 1
            self._named_later[name] = later
        self._unhooked = max(self._unhooked, places.unhooked)

    def see_event(self) -> None:
        """An event that was recorded, or was lost."""
        if self._is_before_all:
            self._is_before_all = False
            del self._off_before_all[:-1]
            self._note_early()

    def see_mark(self, event: Event) -> None:
        """A mark that was recorded.

        A recording of the whole ring begins with the first event in it: what was
        changed before that and changed back left nothing out.
        """
        cause = self._schema.name_of("mark_cause", event["mark_cause"])
        off = set(self._schema.kinds_off(event))
        if self._is_before_all:
            self._off_before_all.append(off)
        elif cause in ("events", "begun"):
            self._note_kinds(off)
        elif cause == "filter":
            self._note(["filter or sampling changed"])
        elif cause in ("frozen", "thawed"):
            # The mark of the freeze may lie before the first record.
            self._note(["frozen"])

    def _note_early(self) -> None:
        while self._off_before_all:
            self._note_kinds(self._off_before_all.pop(0))

    def _note_kinds(self, off: set[str]) -> None:
        self._note(_kinds_off(off))
        self._extra_was_off.add(EXTRA_KIND in off)

    def _note(self, limits: Iterable[str]) -> None:
        self._limits.update(dict.fromkeys(limits))

    def silent(self) -> list[str]:
        """What was asked for and cannot have come; empty if there is no such place."""
        return [*(f"nothing from {name}" if looks == self._looks
                  else f"nothing for a while from {self._named_later[name]}"
                  for name, looks in self._silent.items()),
                *([f"no segments from {unhooked_words(self._unhooked)}"]
                  if self._unhooked else []),
                *self._unknown]

    def limits(self) -> list[str]:
        """All that was not asked for; empty if all was."""
        self._note_early()      # no event came: any of it may have left some out
        partly = [_without([EXTRA_KIND])] if len(self._extra_was_off) > 1 else []
        return [*self._limits, *partly]
