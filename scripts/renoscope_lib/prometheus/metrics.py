# SPDX-License-Identifier: GPL-2.0
"""What happened, as numbers that Prometheus scrapes and keeps.

Counters count what was read, from a beginning on (event_counts.py, listening_ports.py,
state_times.py).  What was lost, filtered out or never recorded is not in them, so they
are lower bounds; the metrics made here say whether that is so, and an alert can ask
them whether to trust.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..ring.schema import LOST, Event, Schema
from ..ring.stats import Stats, missed_between
from ..views.gaps import begins_time
from ..views.states import NEEDED_KINDS as KINDS_OF_STATES
from .event_counts import EventCounts
from .exposition import COUNTER, GAUGE, HISTOGRAM, Family, Sample, exposition
from .listening_ports import PORTS, ListeningPorts
from .state_times import StateTimes

# The kinds that the metrics are made of.
NEEDED_KINDS = tuple(dict.fromkeys((
    "retransmit", "rto", "synack_retransmit", *KINDS_OF_STATES, "syn", "synack",
    "refused", "completed", "cookie_checked", "zero_window")))

LOSS = "every counter here is a lower bound"


class Metrics:
    """Feed it joined events, then ask for the text."""

    def __init__(self, schema: Schema, ports: int = PORTS,
                 began_s: float | None = None) -> None:
        self._schema = schema
        self._began_s = began_s
        self._first_stats: Stats | None = None
        self._stats: Stats | None = None
        self._states = StateTimes(schema, NEEDED_KINDS, LOSS)
        self.gaps = self._states.gaps
        self._counts = EventCounts(schema)
        self._ports = ListeningPorts(schema, ports)

    def feed(self, event: Event) -> None:
        """The next event."""
        self._states.feed(event)
        if event.kind != LOST:
            self._counts.feed(event)
            if begins_time(event):
                self._ports.feed(event)

    # ---- what the module says of itself

    def see_stats(self, readings: Sequence[Stats]) -> None:
        """As the readings were before the first event and after the last.

        One alone stands for all the time since the module was loaded.
        """
        if readings:
            self._first_stats = readings[0] if len(readings) > 1 else None
            self._stats = readings[-1]
            self.gaps.see_sources(readings)

    def _trust(self) -> Iterator[Family]:
        """Whether what is counted is all that there was."""
        yield Family("renoscope_lost_events_total", COUNTER,
                     "Events overwritten in the ring before they were read. Where "
                     f"this grows, {LOSS}.",
                     [Sample({}, self.gaps.lost_events)])
        yield Family("renoscope_forgotten_connections_total", COUNTER,
                     "Connections open at once beyond what is kept: their times in "
                     "state are not counted.",
                     [Sample({}, self._states.kept.forgotten)])
        if self._began_s is not None:
            yield Family("renoscope_start_time_seconds", GAUGE,
                         "When counting began, since the epoch.",
                         [Sample({}, self._began_s)])
        if self._stats is not None:
            yield from self._trust_in_the_module(self._stats)

    def _trust_in_the_module(self, stats: Stats) -> Iterator[Family]:
        missed = missed_between(self._first_stats, stats)
        yield Family("renoscope_missed_calls_total", COUNTER,
                     "Calls that the kernel let pass without asking a probe: events "
                     "that were never made.", [Sample({}, sum(missed.values()))])
        yield Family("renoscope_frozen", GAUGE,
                     "1 while recording is frozen: nothing is counted.",
                     [Sample({}, int(stats.frozen))])
        yield Family("renoscope_filtered", GAUGE,
                     "1 while a filter or sampling lets only some connections in.",
                     [Sample({}, int(_is_filtered(stats)))])
        if stats.kinds_off is not None:
            yield Family("renoscope_kind_recorded", GAUGE,
                         "1 if events of this kind are recorded now; 0 if they are "
                         "switched off, or no place gives them: then nothing is "
                         "counted of it.",
                         [Sample({"kind": kind}, int(_is_recorded(stats, kind)))
                          for kind in NEEDED_KINDS
                          if kind in self._schema.kind_meanings])

    # ---- out

    def _families(self) -> Iterator[Family]:
        yield from self._trust()
        yield from self._counts.families()
        yield from self._ports.families()
        yield Family("renoscope_state_seconds", HISTOGRAM,
                     "How long connections stood in a TCP state, where beginning and "
                     "end were seen. SYN-RECEIVED is the time as a half-open "
                     "request.", [
                         sample for state, histogram
                         in self._states.seconds.items()
                         for sample in histogram.samples({"state": state})])

    def text(self) -> Iterator[str]:
        """Line by line; what may be missing stands at the end, in comments."""
        return exposition(self._families(), self.gaps.remarks())


def _is_filtered(stats: Stats) -> bool:
    return bool(stats.filter) or stats.flow_sample > 1


def _is_recorded(stats: Stats, kind: str) -> bool:
    return (kind not in (stats.kinds_off or ())
            and not any(source.is_missing for source in stats.sources
                        if kind in source.kinds.split(",")))
