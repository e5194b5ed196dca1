# SPDX-License-Identifier: GPL-2.0
"""cwnd and ssthresh of any sender: over time, and by round trip.

Every event of a socket shows cwnd, ssthresh and srtt as they were at that moment. Most
come with an ACK, before it is worked in: what an ACK or a timer changes shows in the
next event, be that seconds later. So a change is dated to the event before the one that
shows it. Except for a fall in Open, which no ACK brings about but sending after a rest,
and where ACKs are not recorded: then a change is dated to the event that shows it.

Phases follow from cwnd, ssthresh and the congestion state (phases.py); losses are told by
the kernel's timers, retransmissions and changes of that state.

Round trips are our own algorithms' word where these are at work (rounds.py), and
derived from sequence numbers for all others (derived_rounds.py); a series says which.

Over events that were lost, or a time when less was recorded, nothing is drawn: there is
a hole. Room is bounded (steps.py), and a series says what was thinned for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..machine.host import CONGESTION_CONTROLS
from ..ring.schema import Event, Schema
from ..tcp import ca_states
from ..tcp.ca_states import CWR, GROWING, RECOVERY, REDUCING
from ..tcp.connections import Connection, identity_of
from ..tcp.kept import Kept
from ..tcp.phases import LOSS, UNTOLD, phase_of
from ..tcp.reno_words import CSS, RENO_KINDS, SLOW_START
from ..tcp.segments import has_socket, segments_sent_again
from ..tcp.sequence import ECE, MODULUS, is_after, passes
from ..tcp.steps import Line, Mark, Marks, Span, Spans, Step
from ..tcp.tcp_states import FIN_WAIT_2, IDLE, LAST_ACK, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from ..tcp.undoing import Reduction
from ..tcp.wanted import Filter
from ..words import INFINITE_SSTHRESH, duration, listed, plural
from .derived_rounds import Trips, acknowledged
from .gaps import Gaps
from .rounds import ECN, LOSS_PROBE, REDUCED, UNDONE, Flow, Rounds, tell_loss

NEEDED_KINDS = ("ack", "retransmit", "ca_state", "rto", "loss_probe")

# Connections kept, and of these as they are: a long one takes 100 KB, packed a tenth.
MOST_CONNECTIONS = 50_000
UNPACKED = 2048

# What may be marked, in the order of a picture's rows.
RTO = "rto"
FAST = "fast_retransmit"
TLP = "loss_probe"
MARK_NAMES = {RTO: "RTO", FAST: "fast retransmit", TLP: "tail loss probe",
              ECN: "ECN mark", REDUCED: "reduced otherwise", UNDONE: "undone"}

OURS = listed(CONGESTION_CONTROLS, "or")
NOT_OURS = "none of this module's"
DERIVED = ("Round trips are derived: one is over when an acknowledgment passes what "
           "snd_nxt was at its beginning.")
TOLD = "Round trips are told by the algorithm itself."

# Where slow start is only supposed, as ssthresh was never set: resolved at the end.
OPENING = "opening"

FIN_ACKED_STATES = (FIN_WAIT_2, TIME_WAIT)

# What one ACK may acknowledge: 65535 scaled by 14 bits.
LARGEST_WINDOW = 1 << 30


@dataclass(frozen=True)
class Series:
    """One connection, ready to be told or drawn; times are CLOCK_MONOTONIC.

    epoch_ns is what times are counted from for people: the recording's first event.
    A step or span of which nothing is known has the value None or an empty word.
    """

    cookie: int
    netns: int
    family: int
    local: str
    remote: str
    algorithm: str
    epoch_ns: int
    began_ns: int
    ended_ns: int
    is_whole: bool
    bytes_acked: int
    bytes_received: int
    sent_again: int
    timeouts: int
    recoveries: int
    cwnd: list[Step]
    ssthresh: list[Step]
    srtt_us: list[Step]
    phases: list[Span]
    marks: list[Mark]
    holes: list[tuple[int, int]]
    rounds: Flow
    derived: bool
    notes: list[str]

    @property
    def how_rounds(self) -> str:
        """Whose word the round trips are."""
        return DERIVED if self.derived else TOLD

    def facts(self) -> Iterator[str]:
        """What one would ask first."""
        yield f"algorithm: {self.algorithm}"
        yield duration((self.ended_ns - self.began_ns) // 1000)
        yield f"{plural(self.bytes_acked, 'byte')} acknowledged"
        yield f"{plural(self.sent_again, 'segment')} sent again"
        if self.timeouts:
            yield plural(self.timeouts, "timeout")


@dataclass(slots=True)
class Track(Connection):
    """What is kept of one connection while it is watched."""

    trips: Trips
    began_ns: int
    last_ns: int
    una: int
    rcv_nxt: int
    ca_state: str
    gaps_before: int
    is_whole: bool
    cwnd: Line = field(default_factory=Line)
    ssthresh: Line = field(default_factory=Line)
    srtt_us: Line = field(default_factory=Line)
    phases: Spans = field(default_factory=Spans)
    marks: Marks = field(default_factory=Marks)
    bytes_acked: int = 0
    bytes_received: int = 0
    sent_again: int = 0
    timeouts: int = 0
    recoveries: int = 0
    reduction: Reduction = field(default_factory=Reduction)
    own: bool = False
    tells_rounds: bool = False
    in_css: bool = False
    sees_ecn: bool = False
    sees_acks: bool = False
    last_cwnd: int = 0
    last_una: int = 0
    last_mss: int = 0
    probed_to: int = 0
    last_ca_state: str = ""
    idle_ssthresh: bool = False
    fin_acked: bool = False
    over: bool = False

    @property
    def data_acked(self) -> int:
        """Bytes of data that the peer has; a FIN is none."""
        return max(0, self.bytes_acked - self.fin_acked)

    @property
    def sent_data(self) -> bool:
        """Whether cwnd has mattered: one that only receives is not worth a picture."""
        return bool(self.data_acked or self.importance[0])

    @property
    def importance(self) -> tuple[int, int]:
        """Those with losses come first, then those with most data."""
        return self.sent_again + self.timeouts + self.recoveries, self.bytes_acked

    def mark(self, event: Event, what: str) -> None:
        """Something happened that a picture shows."""
        self.marks.add(event["time_ns"], what)

    def break_off(self) -> None:
        """What follows the last event is not known."""
        for line in (self.cwnd, self.ssthresh, self.srtt_us):
            line.break_off(self.last_ns)
        self.phases.break_off(self.last_ns)
        self.trips.forget()


class Cwnd:
    """Feed it joined events, then ask for the series."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._own = Rounds(schema)
        self.gaps = Gaps(schema, NEEDED_KINDS)
        self.kept: Kept[Track] = Kept(lambda track: track.over,
                                      MOST_CONNECTIONS, UNPACKED)

    def feed(self, event: Event) -> None:
        """The next event."""
        self._own.feed(event)
        if self.gaps.takes(event) or not event["cookie"]:
            return
        track = self.kept.get(event.key)
        if self._state(event) in IDLE:
            if track is not None:
                self._see_end(track, event)
        elif event["cwnd"] and has_socket(event) and event["remote_port"]:
            if track is None or track.over:
                track = self._begin(event)
            self._see(track, event)

    # ---- from its beginning to its end

    def _state(self, event: Event) -> str:
        return self._schema.name_of("state", event["state"])

    def _word(self, event: Event, name: str, unit: str | None = None) -> str:
        return self._schema.name_of(unit or name, event[name])

    def _begin(self, event: Event) -> Track:
        """A change of the congestion state may be what is heard of it first."""
        identity = identity_of(event)
        before = "old_ca_state" if event.kind == "ca_state" else "ca_state"
        return self.kept.add(event.key, Track(
            *identity, Trips(Flow(*identity)), event["time_ns"], event["time_ns"],
            event["snd_una"], event["rcv_nxt"], self._word(event, before, "ca_state"),
            self.gaps.number, self._opens(event)))

    def _opens(self, event: Event) -> bool:
        """Whether it comes just before the algorithm chooses its first window."""
        return event.kind == "state" and self._word(
            event, "old_state", "state") in (SYN_SENT, SYN_RECEIVED)

    def _see_end(self, track: Track, event: Event) -> None:
        """No sender any more; a handshake's later ends know nothing of its bytes."""
        if event.kind == "state" and not track.over:
            was = self._word(event, "old_state", "state")
            self._count(track, event)
            track.fin_acked |= (was == LAST_ACK
                                and event["snd_una"] == event["snd_nxt"])
            track.last_ns = max(track.last_ns, event["time_ns"])
            track.over = True
        track.fin_acked |= self._state(event) == TIME_WAIT

    def _see(self, track: Track, event: Event) -> None:
        if track.gaps_before != self.gaps.number:
            track.break_off()
            track.gaps_before = self.gaps.number
            track.last_ns = max(track.last_ns, event["time_ns"])
        self._count(track, event)
        self._see_ca_state(track, event)
        getattr(self, f"_see_{event.kind}", self._see_nothing)(track, event)
        if not track.tells_rounds:
            track.trips.see(event, track.ca_state)
        if not self._opens(event):
            self._see_values(track, event)
        track.last_ns = max(track.last_ns, event["time_ns"])

    def _see_values(self, track: Track, event: Event) -> None:
        cwnd, ssthresh = event["cwnd"], event["ssthresh"]
        at = self._date(track, event)
        track.idle_ssthresh |= (ssthresh >= INFINITE_SSTHRESH
                                and self._should_be_set(track, event))
        track.last_cwnd, track.last_mss = cwnd, event["mss"]
        if event.kind not in RENO_KINDS:  # these come from within an ACK's work
            track.last_una = event["snd_una"]
        track.cwnd.add(at, cwnd)
        track.ssthresh.add(at, min(ssthresh, INFINITE_SSTHRESH))
        if event["srtt_us"]:
            track.srtt_us.add(at, event["srtt_us"])
        track.phases.add(at if track.ca_state == track.last_ca_state
                         else event["time_ns"], self._phase(track, cwnd, ssthresh))
        track.last_ca_state = track.ca_state

    @staticmethod
    def _should_be_set(track: Track, event: Event) -> bool:
        """Whether ssthresh should be finite: but for bbr and its like it is.

        Loss without a timeout is a path's MTU that shrank, and leaves it as it is. So
        does one that grew (tcp_mtup_probe_success()): fewer segments are as many bytes.
        """
        if track.ca_state in REDUCING:
            return track.ca_state != ca_states.LOSS or bool(event["retransmits"])
        is_fall: bool = event["cwnd"] < min(track.last_cwnd, event["packets_out"])
        return is_fall and event["mss"] == track.last_mss

    def _date(self, track: Track, event: Event) -> int:
        """When what an event shows came about; see above."""
        if track.is_whole and not track.cwnd.values and not self.gaps.not_recorded("ack"):
            return track.began_ns
        fell_at_rest = (event["cwnd"] < track.last_cwnd
                        and track.ca_state in GROWING)
        if track.sees_acks and not fell_at_rest:
            return track.last_ns
        at: int = event["time_ns"]
        return at

    @staticmethod
    def _phase(track: Track, cwnd: int, ssthresh: int) -> str:
        phase = phase_of(track.ca_state, cwnd, ssthresh, track.in_css)
        if phase == SLOW_START and ssthresh >= INFINITE_SSTHRESH:
            return OPENING
        if track.ca_state == ca_states.LOSS and phase in (SLOW_START, CSS):
            return LOSS
        return phase

    def _count(self, track: Track, event: Event) -> None:
        una = acknowledged(event)
        if not _is_just_behind(track.una, una):
            track.bytes_acked += _progress(track.una, una)
            track.una = una
        track.bytes_received += _progress(track.rcv_nxt, event["rcv_nxt"])
        track.rcv_nxt = event["rcv_nxt"]
        track.fin_acked |= self._state(event) in FIN_ACKED_STATES

    # ---- the congestion state

    def _see_ca_state(self, track: Track, event: Event) -> None:
        """Every event shows it; the one of its change comes first if it is recorded.

        What the algorithm tells while it is told of the change has still the old one.
        """
        name = self._word(event, "ca_state")
        if track.reduction.is_undone(event, name, self.gaps.number):
            track.mark(event, UNDONE)
            track.trips.flow.tell(UNDONE)
        if name == track.ca_state or event.kind in RENO_KINDS:
            return
        track.ca_state = name
        if name == RECOVERY:
            track.recoveries += 1
            track.mark(event, FAST)
            tell_loss(self._schema, track.trips.flow, event)
        elif name == CWR:
            what = ECN if track.sees_ecn else REDUCED
            track.mark(event, what)
            track.trips.flow.tell(LOSS_PROBE if what == REDUCED
                                  and self._is_repaired(track, event) else what)
        track.trips.flow.probed = False

    @staticmethod
    def _is_repaired(track: Track, event: Event) -> bool:
        """Whether a tail loss probe has made good for a loss (tcp_process_tlp_ack()).

        The ACK that shows it is the first one beyond what was out at the probe.
        """
        return (track.trips.flow.probed
                and passes(track.probed_to, track.last_una, event["snd_una"]))

    # ---- kinds that tell something of their own

    def _see_nothing(self, track: Track, event: Event) -> None:
        """The kind tells nothing but where the connection stands."""

    def _see_ack(self, track: Track, event: Event) -> None:
        track.sees_acks = True
        track.sees_ecn = bool(event["seg_flags"] & ECE)

    def _see_rto(self, track: Track, event: Event) -> None:
        track.timeouts += 1
        track.mark(event, RTO)
        track.trips.flow.probed = False

    def _see_loss_probe(self, track: Track, event: Event) -> None:
        track.mark(event, TLP)
        track.trips.flow.probed = bool(event["probe_retransmits"])
        track.probed_to = event["snd_nxt"]

    def _see_retransmit(self, track: Track, event: Event) -> None:
        track.sent_again += segments_sent_again(event)

    def _see_reno_phase(self, track: Track, event: Event) -> None:
        track.own = True
        track.in_css = self._word(event, "phase", "reno_phase") == CSS

    def _see_reno_round(self, track: Track, _event: Event) -> None:
        track.own = track.tells_rounds = True

    def _see_reno_reduction(self, track: Track, event: Event) -> None:
        track.own = True
        track.sees_ecn = self._word(event, "reno_cause") == ECN

    # ---- what came of it

    def series(self, wanted: Filter = Filter()) -> Iterator[Series]:
        """The connections that sent data: with most losses first, then most data."""
        chosen = sorted(
            ((track.importance, track.cookie, place) for place, track
             in self.kept.places() if track.sent_data and wanted.includes(track)),
            reverse=True)
        for *_, place in chosen:
            track = self.kept.at(place)
            if track is not None:
                yield self._series(track)

    def silent(self, wanted: Filter) -> int:
        """How many of the chosen connections sent no data."""
        return sum(not track.sent_data and wanted.includes(track)
                   for track in self.kept)

    def _series(self, track: Track) -> Series:
        for line in (track.cwnd, track.ssthresh, track.srtt_us):
            line.settle()
        track.marks.settle()
        cwnd, ssthresh, srtt_us = (list(line.steps(track.last_ns)) for line in (
            track.cwnd, track.ssthresh, track.srtt_us))
        own = self._own.kept.get(track.key) if track.tells_rounds else None
        if track.idle_ssthresh:
            _untell_slow_start(track.trips.flow)
        rounds = own if own is not None else track.trips.flow
        holes = [(step.began_ns, step.ended_ns) for step in cwnd if step.value is None]
        return Series(
            track.cookie, track.netns, track.family, track.local, track.remote,
            OURS if track.own else NOT_OURS, self.gaps.first_ns or track.began_ns,
            track.began_ns, track.last_ns, track.is_whole,
            track.data_acked, track.bytes_received, track.sent_again, track.timeouts,
            track.recoveries, cwnd, ssthresh, srtt_us, _resolved(track),
            list(track.marks.all), holes, rounds, own is None,
            list(_notes(track, holes, rounds)))


def _progress(before: int, now: int) -> int:
    """Sequence numbers from one to another, 0 if it did not go forward."""
    return (now - before) % MODULUS if is_after(now, before) else 0


def _is_just_behind(counted: int, una: int) -> bool:
    """Whether it is from before the last ACK, which a zero_window of that ACK still shows."""
    return 0 < (counted - una) % MODULUS <= LARGEST_WINDOW


def _resolved(track: Track) -> list[Span]:
    """The phases; what was supposed to be slow start is, if ssthresh is ever set."""
    opening = UNTOLD if track.idle_ssthresh else SLOW_START
    found: list[Span] = []
    for span in track.phases.spans(track.last_ns):
        word = opening if span.word == OPENING else span.word
        if found and found[-1].word == word:
            found[-1] = found[-1]._replace(ended_ns=span.ended_ns)
        else:
            found.append(span._replace(word=word))
    return found


def _untell_slow_start(flow: Flow) -> None:
    """The same of the rounds that were derived."""
    for round_ in flow.rounds:
        if round_.phase == SLOW_START and round_.ssthresh >= INFINITE_SSTHRESH:
            round_.phase = UNTOLD


def _notes(track: Track, holes: list[tuple[int, int]], rounds: Flow) -> Iterator[str]:
    """What a reader must know so as not to be misled."""
    if not track.is_whole:
        yield "Its beginning was not seen."
    if holes:
        long = duration(sum(ended - began for began, ended in holes) // 1000)
        yield (f"{plural(len(holes), 'hole')}, {long} in all: events were lost, or what "
               "is recorded was changed, so nothing is known of it there.")
    if not track.sees_acks:
        yield ("No ACK of it was recorded: cwnd is known only where something else "
               "happened.")
    if track.idle_ssthresh:
        yield ("ssthresh stayed infinite where it should have been set, as with bbr: "
               "its phases are not told by it.")
    widest = max(line.bucket_ns for line in (track.cwnd, track.ssthresh, track.srtt_us))
    if widest:
        yield (f"Thinned: of every {duration(max(1, widest // 1000))} only the first, "
               "lowest, highest and last value are left.")
    if track.phases.shortest_ns:
        yield ("Phases shorter than "
               f"{duration(max(1, track.phases.shortest_ns // 1000))} may be missing.")
    if track.marks.bucket_ns:
        yield ("Marks of a kind within "
               f"{duration(max(1, track.marks.bucket_ns // 1000))} are joined.")
    if rounds.first_number > 1:
        yield f"The first {plural(rounds.first_number - 1, 'round trip')} left out."
