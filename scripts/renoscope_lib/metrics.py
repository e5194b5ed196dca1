# SPDX-License-Identifier: GPL-2.0
"""What happened, as numbers that Prometheus scrapes and keeps.

Counters count what was read, from a beginning on.  What was lost, filtered out or
never recorded is not in them, so they are lower bounds; other metrics say whether
that is so, and an alert can ask them whether to trust.  Every word that may become
a label is known from the beginning and stands there with 0: a rate needs two values,
and the first loss of a host would otherwise be none.  No address of a peer is ever a
label.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from .exposition import (COUNTER, GAUGE, HISTOGRAM, Family, Sample, exposition)
from .gaps import begins_time
from .listeners import is_last_ack
from .listening_ports import AT_LEAST, PORTS, ListeningPorts
from .schema import LOST, Event, Schema
from .segments import has_segment, segments_sent_again
from .sequence import RST
from .state_times import StateTimes
from .states import NEEDED_KINDS as KINDS_OF_STATES
from .stats import Stats, missed_between
from .synack_waits import DUPLICATE_SYN, TIMER

# The kinds that the metrics are made of.
NEEDED_KINDS = tuple(dict.fromkeys((
    "retransmit", "rto", "synack_retransmit", *KINDS_OF_STATES, "syn", "synack",
    "refused", "completed", "cookie_checked", "zero_window")))

LOSS = "every counter here is a lower bound"

# SYN-ACKs sent again, by number: those from here on are one.  The eighth waited
# 128 s; tcp_synack_retries is 5 unless somebody changed it.
LAST_NUMBER = 8

NOT_TOLD = "not_told"
UNKNOWN = "unknown"
NONE = "none"


class Counted:
    """Counts by labels, which may all be there from the beginning."""

    def __init__(self, name: str, help_: str, labels: tuple[str, ...],
                 known: Iterable[tuple[str, ...]] = ()) -> None:
        self._name = f"renoscope_{name}_total"
        self._help = f"{help_} {AT_LEAST}"
        self._labels = labels
        self._counts: Counter[tuple[str, ...]] = Counter(
            dict.fromkeys(known, 0))

    def add(self, *labels: str, count: int = 1) -> None:
        """So many more with these labels."""
        self._counts[labels] += count

    def family(self) -> Family:
        """As Prometheus has it."""
        return Family(self._name, COUNTER, self._help, [
            Sample(dict(zip(self._labels, labels)), count)
            for labels, count in self._counts.items()])


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
        self._ports = ListeningPorts(schema, ports)
        self._events = Counted(
            "events", "Events read, by kind.", ("kind",),
            ((kind,) for kind in schema.kind_meanings if kind != LOST))
        self._retransmits = Counted(
            "retransmits", "Segments sent again, by cause; SYN-ACKs apart.",
            ("cause",), self._words("retransmit_cause"))
        self._rtos = Counted(
            "rtos", "Times that a retransmission timer fired.", (), [()])
        self._synacks = Counted(
            "synack_retransmits",
            "SYN-ACKs sent again, by number within the request, and by what made it "
            "go: its timer, or a SYN that came again.", ("number", "by"),
            ((_number(number), by) for by in (TIMER, DUPLICATE_SYN)
             for number in range(1, LAST_NUMBER + 1)))
        self._refused = Counted(
            "refused", "Handshakes that a listener dropped a segment of, by reason "
            "and by what it was: the SYN or the last ACK.", ("reason", "segment"),
            ((*reason, segment) for reason in self._words("refusal", but=NONE)
             for segment in ("syn", "ack")))
        self._request_ends = Counted(
            "requests_ended", "Half-open requests that ended without a connection, "
            "by reason.", ("reason",), self._words("request_ending", but=NONE))
        self._cookies = Counted(
            "syn_cookies_sent", "SYN-ACKs with a SYN cookie: nothing was kept of the "
            "request.", (), [()])
        self._cookies_checked = Counted(
            "syn_cookies_checked", "ACKs that were taken for a SYN cookie, by what "
            "came of it.", ("verdict",), self._words("cookie_verdict", but=NONE))
        self._resets = Counted(
            "resets", "RSTs; the kernel tells the reason of those it sends, from "
            "Linux 6.10 on.", ("direction", "reason"),
            (("received", NOT_TOLD), ("sent", NOT_TOLD),
             *(("sent", *reason) for reason
               in self._words("reset_reason", but="NOT_SPECIFIED"))))
        self._errors = Counted(
            "errors", "Errors that sockets reported to their process.", ("error",),
            (("ETIMEDOUT",), ("ECONNREFUSED",), ("ECONNRESET",)))
        self._zero_windows = Counted(
            "zero_windows", "Windows that closed: the peer's, so that we stood still, "
            "or our own.", ("side",), self._words("window_side"))
        self._counted = (
            self._events, self._retransmits, self._rtos, self._synacks,
            self._refused, self._request_ends, self._cookies,
            self._cookies_checked, self._resets, self._errors,
            self._zero_windows)

    def _words(self, unit: str, but: str = "") -> list[tuple[str]]:
        """What a field of this unit may say."""
        return [(word,) for word in self._schema.values.get(unit, {}).values()
                if word != but]

    def _word(self, event: Event, name: str, unit: str) -> str:
        """What it says; numbers without a word are one, as labels must be few."""
        return self._schema.values.get(unit, {}).get(event[name], UNKNOWN)

    # ---- events in

    def feed(self, event: Event) -> None:
        """The next event."""
        self._states.feed(event)
        if event.kind == LOST:
            return
        self._events.add(event.kind)
        if not begins_time(event):
            return
        self._ports.feed(event)
        getattr(self, f"_see_{event.kind}", self._see_any)(event)

    def _see_any(self, event: Event) -> None:
        """Most kinds are only counted."""

    def _see_retransmit(self, event: Event) -> None:
        self._retransmits.add(
            self._word(event, "retransmit_cause", "retransmit_cause"),
            count=segments_sent_again(event))

    def _see_rto(self, _: Event) -> None:
        self._rtos.add()

    def _see_synack_retransmit(self, event: Event) -> None:
        self._synacks.add(_number(event["num_retrans"] + 1),
                          TIMER if event["by_timer"] else DUPLICATE_SYN)

    def _see_refused(self, event: Event) -> None:
        self._refused.add(self._word(event, "refusal", "refusal"),
                          "ack" if is_last_ack(event) else "syn")

    def _see_request_end(self, event: Event) -> None:
        self._request_ends.add(
            self._word(event, "request_ending", "request_ending"))

    def _see_synack(self, event: Event) -> None:
        if self._word(event, "synack_type", "synack_type") == "cookie":
            self._cookies.add()

    def _see_cookie_checked(self, event: Event) -> None:
        self._cookies_checked.add(
            self._word(event, "cookie_verdict", "cookie_verdict"))

    def _see_reset_sent(self, event: Event) -> None:
        reason = self._word(event, "reset_reason", "reset_reason")
        self._resets.add("sent", NOT_TOLD if reason in ("NOT_SPECIFIED", UNKNOWN)
                         else reason)

    def _see_reset_received(self, event: Event) -> None:
        """The kernel tells in the same way of data that came after close."""
        if not has_segment(event) or event["seg_flags"] & RST:
            self._resets.add("received", NOT_TOLD)

    def _see_error(self, event: Event) -> None:
        if event["sk_error"]:
            self._errors.add(errno.errorcode.get(event["sk_error"], UNKNOWN))

    def _see_zero_window(self, event: Event) -> None:
        if self._word(event, "window_change", "window_change") == "closed":
            self._zero_windows.add(self._word(event, "window_side", "window_side"))

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
        for counted in self._counted:
            yield counted.family()
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


def _number(number: int) -> str:
    return str(number) if number < LAST_NUMBER else f"{LAST_NUMBER}+"


def _is_filtered(stats: Stats) -> bool:
    return bool(stats.filter) or stats.flow_sample > 1


def _is_recorded(stats: Stats, kind: str) -> bool:
    return (kind not in (stats.kinds_off or ())
            and not any(source.is_missing for source in stats.sources
                        if kind in source.kinds.split(",")))
