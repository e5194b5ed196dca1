# SPDX-License-Identifier: GPL-2.0
"""Every view at once, fed in one pass over the events.

explain.py already feeds the views of handshakes, states, losses, windows and floods
to find what went wrong; the page reads the same ones.
"""

from __future__ import annotations

from collections import Counter

from ..explain.explain import NEEDED_KINDS as EXPLAIN_KINDS, Explained
from ..recording.inputs import Input
from ..ring.heads import Head
from ..ring.ledger import Ledger
from ..ring.schema import LOST, Event, Schema
from ..views.cwnd import NEEDED_KINDS as CWND_KINDS, Cwnd
from ..views.gaps import Gaps
from ..views.handshakes import Handshakes
from ..views.losses import Losses
from ..views.states import States
from ..views.windows import Windows
from .talkers import NEEDED_KINDS as TALKERS_KINDS, Talkers

NEEDED_KINDS = tuple(dict.fromkeys((*EXPLAIN_KINDS, *CWND_KINDS, *TALKERS_KINDS)))


class AllViews(Explained):
    """All that the page tells of; `whole` says what any of it may lack."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self.whole = Gaps(schema, NEEDED_KINDS)
        self.cwnd = Cwnd(schema)
        self.talkers = Talkers(schema)
        self.kinds: Counter[str] = Counter()
        self.ledger = Ledger()

    @property
    def handshakes(self) -> Handshakes:
        """How connections began."""
        return self._handshakes

    @property
    def states(self) -> States:
        """Where they went."""
        return self._states

    @property
    def losses(self) -> Losses:
        """What was sent again."""
        return self._losses

    @property
    def windows(self) -> Windows:
        """Windows that closed."""
        return self._windows

    def all_gaps(self) -> tuple[Gaps, ...]:
        """Of the page, of explain, which tells its own views, and of the others."""
        return self.whole, self.gaps, self.cwnd.gaps, self.talkers.gaps

    def begin(self, source: Input) -> None:
        """What the module was told to record, at some moment."""
        for gaps in self.all_gaps():
            gaps.begin(source.parameters(), *source.parameters_read())

    def feed(self, event: Event) -> None:
        """The next event."""
        lost = event["lost_events"] if event.kind == LOST else 0
        self.ledger.add(Head(event["serial"], event["cpu"], lost))
        if not lost:
            self.kinds[event.kind] += 1
        self.whole.takes(event)
        super().feed(event)
        self.cwnd.feed(event)
        self.talkers.feed(event)

    def end(self, source: Input) -> None:
        """Watching is over."""
        for gaps in self.all_gaps():
            gaps.see_sources(source.stats())
