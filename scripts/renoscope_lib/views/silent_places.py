# SPDX-License-Identifier: GPL-2.0
"""Places in the kernel that told a view nothing, or not of everything.

The module's `stats` say of each place whether it is attached, and how many calls its
probe had to let pass.  A view names the kinds that it needs; of others it is not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..ring.stats import Source, Stats, missed_between, unhooked_words
from ..words import plural


class SilentPlaces:
    """Those that concern one view.

    `kinds` are the kinds that did not come, `partly_kinds` those of which some events
    did not; `missed` are the calls let pass, by place.
    """

    def __init__(self, needs: Iterable[str]) -> None:
        self._needs = frozenset(needs)
        self._silent: dict[str, set[str]] = {}
        self._unhooked = 0
        self._unhooked_kinds: set[str] = set()
        self.kinds: set[str] = set()
        self.partly_kinds: set[str] = set()
        self.missed: dict[str, int] = {}

    def see(self, readings: Sequence[Stats]) -> None:
        """Readings at the beginning and the end.

        One reading alone stands for all the time since the module was loaded.
        """
        for stats in readings:
            for source in stats.sources:
                self._see_source(source)
        if not readings:
            return
        before, after = (readings[0] if len(readings) > 1 else None), readings[-1]
        missed = missed_between(before, after)
        self.missed = {}
        for source in after.sources:
            if source.place in missed and (kinds := self._needed_of(source)):
                self.missed[source.place] = missed[source.place]
                self.partly_kinds |= kinds

    def _see_source(self, source: Source) -> None:
        kinds = self._needed_of(source)
        if kinds and source.is_missing:
            self._silent.setdefault(source.named, set()).update(kinds)
            self.kinds |= kinds
        elif kinds and source.unhooked:
            self._unhooked = max(self._unhooked, source.unhooked)
            self._unhooked_kinds |= kinds
            self.partly_kinds |= kinds

    def _needed_of(self, source: Source) -> set[str]:
        return set(source.kinds.split(",")).intersection(self._needs)

    def notes(self) -> Iterator[str]:
        """What to say of them."""
        for place, kinds in self._silent.items():
            yield f"note: nothing came from {place}: {', '.join(sorted(kinds))}"
        if self._unhooked:
            yield (f"note: nothing came from {unhooked_words(self._unhooked)}: "
                   + ", ".join(sorted(self._unhooked_kinds)))
        if self.missed:
            yield (f"note: the kernel skipped {plural(sum(self.missed.values()), 'call')}"
                   f" of probes that this needs ({', '.join(self.missed)})")
