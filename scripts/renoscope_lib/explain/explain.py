# SPDX-License-Identifier: GPL-2.0
"""A verdict on each connection and each listener, in plain words with its evidence.

The facts are the views': handshakes, states, losses, windows and synflood, and the
pace of senders (pace.py).  Explained feeds them all; the rules make findings
of what they say, and those of one connection are a Report.  One without a finding
that matters gets `nothing wrong`, as far as it was seen.

Reports come one by one, so that any number of connections needs little room.  What
several have in common is summed up in Groups.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..ring.chosen import Chosen
from ..ring.schema import Event, Schema
from ..ring.stats import Stats
from ..tcp.life import US, Life
from ..tcp.tcp_states import CLOSED, LISTEN, SYN_RECEIVED, SYN_SENT
from ..tcp.wanted import Filter
from ..views.arrivals import SYN_KINDS, Arrivals
from ..views.challenges import Challenges
from ..views.gaps import Gaps, View
from ..views.handshakes import Handshakes, Told
from ..views.listeners import HANDSHAKE_KINDS
from ..views.losses import NEEDED_KINDS as NEEDED_OF_LOSSES
from ..views.losses import Losses
from ..views.opening import Opening
from ..views.own_limit import OwnLimit
from ..views.pace import Pace
from ..views.receiving import Receiving
from ..views.states import States
from ..views.synflood import FloodWatch
from ..views.windows import Windows
from ..words import plural
from . import (rules_on_challenges, rules_on_ends, rules_on_listeners, rules_on_losses,
               rules_on_mtu, rules_on_opening, rules_on_pace, rules_on_ports, rules_on_receiving,
               rules_on_windows)
from .finding import FINE, RULES, Clock, Finding, Report, Subject

NEEDED_KINDS = tuple(dict.fromkeys(
    kind for rule in RULES.values() for kind in rule.needs))

# What the views of listeners and openings look at.
OPENING_KINDS = frozenset((*HANDSHAKE_KINDS, "state", "destroy", "retransmit", "rto",
                           "reset_sent", "reset_received", "error"))


class SharedGaps(Gaps):
    """Tells every view behind it what was recorded, too."""

    def __init__(self, schema: Schema, views: Sequence[View]) -> None:
        super().__init__(schema, NEEDED_KINDS,
                         loss="a verdict may lack a part, be missing, or be wrong")
        self._views = views

    def begin(self, parameters: Mapping[str, str], read_ns: int = 0,
              when: str = Chosen.WHEN_RECORDING_BEGAN) -> None:
        """What the module was told to record, at some moment."""
        super().begin(parameters, read_ns, when)
        for view in self._views:
            view.gaps.begin(parameters, read_ns, when)

    def see_sources(self, readings: Sequence[Stats]) -> None:
        """What the module said of its places."""
        super().see_sources(readings)
        for view in self._views:
            view.gaps.see_sources(readings)


class Explained:
    """Feed it joined events, then ask for the findings."""

    def __init__(self, schema: Schema) -> None:
        self._handshakes = Handshakes(schema)
        self._floods = FloodWatch(schema)
        self._states = States(schema)
        self._losses = Losses(schema)
        self._windows = Windows(schema)
        self._of_openings: tuple[View, ...] = (self._handshakes, self._floods)
        self._of_connections: tuple[View, ...] = (self._states, self._losses,
                                                  self._windows)
        self.gaps = SharedGaps(schema, (*self._of_openings,
                                        *self._of_connections))
        self._pace = Pace(schema, self.gaps)
        self._arrivals = Arrivals(schema, self.gaps)
        self._challenges = Challenges(schema, self.gaps)
        self._receiving = Receiving(schema, self.gaps)
        self._own_limit = OwnLimit(schema, self.gaps)
        self._ports = rules_on_ports.ClosedPorts()
        self._unheard = rules_on_ports.UnheardPorts(self.gaps)
        self._has_begun = False

    def feed(self, event: Event) -> None:
        """The next event."""
        of_recording = self.gaps.takes(event)
        for view in self._of_connections:
            view.feed(event)
        if (of_recording or event.kind in OPENING_KINDS or not self._has_begun
                or self._handshakes.gaps.waits_for(event)):
            for of_openings in self._of_openings:
                of_openings.feed(event)
        if not of_recording:
            self._has_begun = True
            self._pace.feed(event)
            self._arrivals.feed(event)
            if event.kind in SYN_KINDS:
                self._unheard.feed(event)
            self._challenges.feed(event)
            self._receiving.feed(event)
            self._own_limit.feed(event)
            if event.kind == "reset_sent":
                self._ports.feed(event)
            elif event.kind == "segment":
                self._handshakes.see_segment(event)

    # ---- what came of it

    def reports(self, end_ns: int | None = None,
                wanted: Filter = Filter()) -> Iterator[Report]:
        """One for each listener with a finding, then one for each connection."""
        clock = self.clock(end_ns)
        for of_openings in self._of_openings:  # they were not fed everything
            of_openings.gaps.last_ns = self.gaps.last_ns
        self._losses.end(clock.end_ns)
        yield from self._listeners(clock, wanted)
        yield from self._connections(clock, wanted)

    def clock(self, end_ns: int | None) -> Clock:
        """When watching began and ended."""
        return Clock(self.gaps.first_ns, self.gaps.known_until_ns(end_ns),
                     self.gaps.wall_offset_ns)

    def unknown(self) -> list[str]:
        """What was not looked for, as its kinds were not recorded."""
        missing: dict[tuple[str, ...], list[str]] = {}
        for rule in RULES.values():
            kinds = tuple(self.gaps.not_recorded(*rule.needs))
            if kinds:
                missing.setdefault(kinds, []).append(rule.about)
        return [f"not recorded ({', '.join(kinds)}), so not known: "
                f"{', '.join(abouts)}" for kinds, abouts in missing.items()]

    def left_out(self) -> list[str]:
        """Lines on connections, listeners and ports that were too many to keep."""
        return [*self._states.kept.left_out(), *self._floods.listeners_left_out.lines(),
                *self._ports.left_out(), *self._unheard.left_out()]

    @property
    def forgotten(self) -> int:
        """Connections too many to keep."""
        return self._states.kept.forgotten

    @property
    def listeners_forgotten(self) -> int:
        """Listeners too many to keep."""
        return self._floods.listeners_left_out.count

    @property
    def closed_port_syns_left_out(self) -> int:
        """SYNs for ports where nobody listens that are too many to keep."""
        return self._ports.syns_left_out

    @property
    def unheard_syns_left_out(self) -> int:
        """SYNs that never reached TCP, for ports that are too many to keep."""
        return self._unheard.syns_left_out

    # ---- whom it is about

    def _listeners(self, clock: Clock, wanted: Filter) -> Iterator[Report]:
        every = itertools.chain(
            rules_on_listeners.findings(self._floods, clock),
            self._ports.findings(clock), self._unheard.findings(clock))
        for subject, found in itertools.groupby(every, lambda f: f.subject):
            if wanted.includes(subject):
                yield _report(subject, found)

    def _connections(self, clock: Clock, wanted: Filter) -> Iterator[Report]:
        openings = self._openings()
        tell = self._handshakes.teller(clock.end_ns)
        told: set[int] = set()
        for life in self._states.lives(wanted):
            if life.stays[0].state == LISTEN:
                continue
            opened = openings.get(life.key, [])
            is_request = _is_request(life, opened)
            if is_request and wanted.cookie is None:
                continue
            own = [tell(opening) for opening in opened]
            if is_request:
                yield from self._request(life, own, clock)
                continue
            whole = life.key not in told and _got_beyond_syn(life)
            if whole:
                told.add(life.key)
            yield self._connection(life, own, whole, clock)

    def _openings(self) -> dict[int, list[Opening]]:
        openings: dict[int, list[Opening]] = {}
        for opening in self._handshakes.chosen():
            if opening.cookie:
                openings.setdefault(opening.key, []).append(opening)
        return openings

    @staticmethod
    def _request(life: Life, own: list[Told], clock: Clock) -> Iterator[Report]:
        found = [finding for told in own
                 for finding in rules_on_opening.unfinished(told, clock)]
        if found:
            yield _report(rules_on_ends.subject_of(life), found, life.isns)

    def _connection(self, life: Life, own: list[Told], whole: bool,
                    clock: Clock) -> Report:
        others = list(self._other_ends(own))
        found = [*self._of_its_opening(life, own, clock),
                 *(self._of_its_sending(life, others, clock) if whole else ()),
                 *rules_on_ends.findings(
                     self._states, life, self._pace.kept.get(life.key),
                     self._losses.kept.get(life.key), others, clock),
                 *rules_on_opening.kept_out(self._states, life, clock)]
        if all(finding.severity == FINE for finding in found):
            found.insert(0, self._healthy(life, own, whole, clock))
        return _report(rules_on_ends.subject_of(life), found, life.isns)

    def _other_ends(self, own: list[Told]) -> Iterator[Life | None]:
        """Those that are known by their ISN to be of the same connection.

        None stands for one of which nothing is known but how it was opened.
        """
        for told in own:
            far = told.far if told.opening.snd_isn else []
            for opening in far if told.client is None else [told.client]:
                yield self._states.kept.get(opening.key) if opening.cookie else None

    def _of_its_opening(self, life: Life, own: list[Told],
                        clock: Clock) -> Iterator[Finding]:
        still_opens = (life.now.state in (SYN_SENT, SYN_RECEIVED)
                       and self._states.is_known_to_last(life))
        for told in own:
            yield from rules_on_opening.findings(told, still_opens, clock)
            if not life.is_over and "accepted" not in told.lacking:
                yield from rules_on_opening.still_waiting(told, clock)

    def _of_its_sending(self, life: Life, others: list[Life | None],
                        clock: Clock) -> Iterator[Finding]:
        subject = rules_on_ends.subject_of(life)
        lost = self._losses.kept.get(life.key)
        window = self._windows.kept.get(life.key)
        pace = self._pace.kept.get(life.key)
        if lost is not None:
            seen = self._seen_of(life)
            yield from rules_on_losses.findings(lost, pace, seen, subject, clock)
            yield from rules_on_mtu.findings(lost, seen, subject, clock)
        yield from rules_on_losses.on_arrival(
            self._arrivals.dropped(life.key, clock.end_ns), subject, clock)
        challenged = self._challenges.of(life.key)
        if challenged is not None:
            yield from rules_on_challenges.findings(
                challenged, self.gaps.may_sample_acks, subject, clock)
        received = self._receiving.kept.get(life.key)
        if received is not None and not self.gaps.not_recorded("ack"):
            yield from rules_on_receiving.findings(
                self._receiving, received, self._own_limit.kept.get(life.key),
                next(filter(None, others), None), subject, clock)
        if window is not None:
            yield from rules_on_windows.findings(
                self._windows, window, pace, subject, clock)
        if pace is not None:
            yield from rules_on_pace.findings(
                pace, not self.gaps.not_recorded("ack"), subject, clock)

    def _seen_of(self, life: Life) -> rules_on_losses.Seen:
        """What nothing of can be missing."""
        first = life.stays[0]
        may_lack = set(NEEDED_OF_LOSSES)
        if life.opening_seen or first.state in (SYN_SENT, SYN_RECEIVED):
            may_lack = set(self._losses.gaps.may_lack(
                *NEEDED_OF_LOSSES, since_ns=first.began_ns))
        return rules_on_losses.Seen(
            timeouts=not self.gaps.may_lack("rto", since_ns=None),
            probes="loss_probe" not in may_lack, sent_again="retransmit" not in may_lack)

    # ---- nothing wrong

    def _healthy(self, life: Life, own: list[Told], whole: bool,
                 clock: Clock) -> Finding:
        words = [rules_on_opening.healthy_words(told) for told in own[:1]]
        if whole:
            words += self._healthy_sending(life)
        if not self._states.may_have_ended(life, clock.end_ns):
            words.append(rules_on_ends.healthy_words(self._states, life))
        said = ", ".join(word for word in words if word)
        return Finding(
            "healthy", FINE, rules_on_ends.subject_of(life),
            f"nothing wrong{self._as_far_as(life)}" + (said and f": {said}"),
            "", tuple(life.partly))

    def _healthy_sending(self, life: Life) -> Iterator[str]:
        lost = self._losses.kept.get(life.key)
        if lost is not None and not lost.sent_again \
                and not self.gaps.not_recorded("retransmit"):
            yield "nothing sent again"
        if self._windows.kept.get(life.key) is not None \
                and not self.gaps.not_recorded("zero_window"):
            yield "no window closed"

    def _as_far_as(self, life: Life) -> str:
        """What could have hidden something."""
        if self.gaps.lost_events:
            return (f" in what was recorded "
                    f"({plural(self.gaps.lost_events, 'event')} lost)")
        if life.partly:
            return f" as far as it was seen ({life.partly[0]})"
        if self.gaps.missed_calls or self.gaps.may_lack(
                "state", "retransmit", "rto", "zero_window",
                since_ns=life.stays[0].began_ns):
            return " in what was recorded"
        return ""


def _is_request(life: Life, opened: list[Opening]) -> bool:
    """Whether it never became a connection on the side that listens.

    A Fast Open child is one that accept() may return before it is established.
    """
    return (life.opened_by != US
            and not any(opening.established or opening.completed_ns is not None
                        for opening in opened)
            and all(stay.state in (SYN_RECEIVED, CLOSED)
                    for stay in life.stays)
            and life.stays[0].state == SYN_RECEIVED)


def _got_beyond_syn(life: Life) -> bool:
    """What was sent of an attempt that failed is its opening's matter."""
    return life.closed_from != SYN_SENT


def _report(subject: Subject, found: Iterable[Finding],
            isns: tuple[int, int] | None = None) -> Report:
    return Report(subject, tuple(sorted(found, key=lambda f: f.rank)), isns)
