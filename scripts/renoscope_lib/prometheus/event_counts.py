# SPDX-License-Identifier: GPL-2.0
"""What is counted of events for Prometheus, by labels.

Every word that may become a label is known from the beginning and stands there with
0: a rate needs two values, and the first loss of a host would otherwise be none.  No
address of a peer is ever a label.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..ring.schema import LOST, Event, Schema
from ..tcp.segments import has_segment, segments_sent_again
from ..tcp.sequence import RST
from ..tcp.synack_waits import DUPLICATE_SYN, TIMER
from ..tcp.tcp_states import (CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, LAST_ACK, SYN_RECEIVED,
                              SYN_SENT)
from ..views.gaps import begins_time
from ..views.listeners import is_last_ack
from .exposition import AT_LEAST, COUNTER, Family, Sample

# SYN-ACKs sent again, by number: those from here on are one.  The eighth waited
# 128 s; tcp_synack_retries is 5 unless somebody changed it.
LAST_NUMBER = 8

NOT_TOLD = "not_told"
UNKNOWN = "unknown"
NONE = "none"

Labels = tuple[str, ...]


def _number(number: int) -> str:
    return str(number) if number < LAST_NUMBER else f"{LAST_NUMBER}+"


def _words(unit: str, but: str = "") -> Callable[[Schema], Iterable[Labels]]:
    """What a field of this unit may say."""
    return lambda schema: ((word,) for word in schema.values.get(unit, {}).values()
                           if word != but)


def _refusals(schema: Schema) -> Iterable[Labels]:
    return ((*reason, segment) for reason in _words("refusal", but=NONE)(schema)
            for segment in ("syn", "ack"))


def _resets(schema: Schema) -> Iterable[Labels]:
    yield from (("received", NOT_TOLD), ("sent", NOT_TOLD))
    for reason in _words("reset_reason", but="NOT_SPECIFIED")(schema):
        yield ("sent", *reason)


class Counted(NamedTuple):
    """A counter: its labels, and which there are before anything is counted."""

    help: str
    labels: Labels
    known: Callable[[Schema], Iterable[Labels]]


# The states in which something may have to be sent again.
SENDING = (SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, CLOSE_WAIT, CLOSING, LAST_ACK)

COUNTED = {
    "events": Counted(
        "Events read, by kind.", ("kind",),
        lambda schema: ((kind,) for kind in schema.kind_meanings if kind != LOST)),
    "retransmits": Counted(
        "Segments sent again, by cause; SYN-ACKs apart.", ("cause",),
        _words("retransmit_cause")),
    "rtos": Counted(
        "Times that a retransmission timer fired, by the connection's state: in SYN-SENT "
        "nobody has answered yet.", ("state",),
        lambda _: ((state,) for state in SENDING)),
    "synack_retransmits": Counted(
        "SYN-ACKs sent again, by number within the request, and by what made it go: "
        "its timer, or a SYN that came again.", ("number", "by"),
        lambda _: ((_number(number), by) for by in (TIMER, DUPLICATE_SYN)
                   for number in range(1, LAST_NUMBER + 1))),
    "refused": Counted(
        "Handshakes that a listener dropped a segment of, by reason and by what it "
        "was: the SYN or the last ACK.", ("reason", "segment"), _refusals),
    "requests_ended": Counted(
        "Half-open requests that ended without a connection, by reason.", ("reason",),
        _words("request_ending", but=NONE)),
    "syn_cookies_sent": Counted(
        "SYN-ACKs with a SYN cookie: nothing was kept of the request. By the half-open "
        "queue: it was full, or had room (tcp_syncookies is 2).", ("queue",),
        lambda _: ((queue,) for queue in ("full", "room"))),
    "syn_cookies_checked": Counted(
        "ACKs that were taken for a SYN cookie, by what came of it.", ("verdict",),
        _words("cookie_verdict", but=NONE)),
    "resets": Counted(
        "RSTs; the kernel tells the reason of those it sends, from Linux 6.10 on.",
        ("direction", "reason"), _resets),
    "errors": Counted(
        "Errors that sockets reported to their process.", ("error",),
        lambda _: (("ETIMEDOUT",), ("ECONNREFUSED",), ("ECONNRESET",))),
    "zero_windows": Counted(
        "Windows that closed, the peer's or our own: who has something to send then "
        "stands still.",
        ("side",), _words("window_side")),
}


class EventCounts:
    """Feed it joined events, then ask for the families."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._counts: dict[str, Counter[Labels]] = {
            name: Counter(dict.fromkeys(counted.known(schema), 0))
            for name, counted in COUNTED.items()}

    def feed(self, event: Event) -> None:
        """The next event, but for a loss; of a mark there is only that it came."""
        self._add("events", event.kind)
        if begins_time(event):
            getattr(self, f"_see_{event.kind}", _see_any)(event)

    def families(self) -> Iterator[Family]:
        """As Prometheus has them."""
        for name, (help_, labels, _known) in COUNTED.items():
            yield Family(f"renoscope_{name}_total", COUNTER, f"{help_} {AT_LEAST}", [
                Sample(dict(zip(labels, values)), count)
                for values, count in self._counts[name].items()])

    def _add(self, name: str, *labels: str, count: int = 1) -> None:
        """So many more with these labels."""
        self._counts[name][labels] += count

    def _word(self, event: Event, name: str) -> str:
        """What a field says; numbers without a word are one, as labels must be few."""
        return self._schema.values.get(name, {}).get(event[name], UNKNOWN)

    def _see_retransmit(self, event: Event) -> None:
        self._add("retransmits", self._word(event, "retransmit_cause"),
                  count=segments_sent_again(event))

    def _see_rto(self, event: Event) -> None:
        self._add("rtos", self._word(event, "state"))

    def _see_synack_retransmit(self, event: Event) -> None:
        self._add("synack_retransmits", _number(event["num_retrans"] + 1),
                  TIMER if event["by_timer"] else DUPLICATE_SYN)

    def _see_refused(self, event: Event) -> None:
        self._add("refused", self._word(event, "refusal"),
                  "ack" if is_last_ack(event) else "syn")

    def _see_request_end(self, event: Event) -> None:
        self._add("requests_ended", self._word(event, "request_ending"))

    def _see_synack(self, event: Event) -> None:
        if self._word(event, "synack_type") == "cookie":
            self._add("syn_cookies_sent",
                      "full" if event["half_open"] > event["accept_limit"] else "room")

    def _see_cookie_checked(self, event: Event) -> None:
        self._add("syn_cookies_checked", self._word(event, "cookie_verdict"))

    def _see_reset_sent(self, event: Event) -> None:
        reason = self._word(event, "reset_reason")
        self._add("resets", "sent",
                  NOT_TOLD if reason in ("NOT_SPECIFIED", UNKNOWN) else reason)

    def _see_reset_received(self, event: Event) -> None:
        """The kernel tells in the same way of data that came after close."""
        if not has_segment(event) or event["seg_flags"] & RST:
            self._add("resets", "received", NOT_TOLD)

    def _see_error(self, event: Event) -> None:
        if event["sk_error"]:
            self._add("errors", errno.errorcode.get(event["sk_error"], UNKNOWN))

    def _see_zero_window(self, event: Event) -> None:
        if self._word(event, "window_change") == "closed":
            self._add("zero_windows", self._word(event, "window_side"))


def _see_any(_event: Event) -> None:
    """Most kinds are only counted."""
