# SPDX-License-Identifier: GPL-2.0
"""One event, one line, for a person.

A line tells who (time, CPU, connection, local end, peer), what happened in the
field's words, and behind the bar where the connection stood at that moment.
Sequence numbers are relative to the ISN of whoever sent them.  Where an ISN is
not known, not even from earlier events, the raw number is shown and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..ring.schema import LOST, MARK, Event, Schema
from ..tcp.ca_states import OPEN
from ..tcp.flows import is_lost
from ..tcp.segments import Numbers, arrow, has_socket, known_isn
from ..tcp.small_socks import SmallSocks
from ..tcp.tcp_states import LISTEN
from ..words import (connection, duration, local_endpoint, plural, remote_endpoint, ssthresh_words,
                     wall_clock)
from .sentences import Sentences, knows_queues, of_limit

RESET = "\033[0m"
COLOURS = {
    LOST: "\033[1;37;41m", "state": "\033[32m", "retransmit": "\033[33m",
    "synack_retransmit": "\033[33m", "ca_state": "\033[35m",
    "reset_sent": "\033[31m", "reset_received": "\033[31m",
    "destroy": "\033[2m", "refused": "\033[31m",
    "request_end": "\033[33m", "accepted": "\033[32m",
    "completed": "\033[32m", "time_wait": "\033[32m",
    "time_wait_end": "\033[32m", "rto": "\033[33m",
    "loss_probe": "\033[33m", "probe": "\033[33m",
    "zero_window": "\033[35m", "error": "\033[31m",
    "bad_checksum": "\033[31m", MARK: "\033[1m",
}


@dataclass
class Clock:
    """How times are shown: since the first event, or as wall clock.

    wall_offset_ns is what turns CLOCK_MONOTONIC into wall-clock time.
    """

    wall_offset_ns: int | None = None
    first_ns: int | None = None

    @property
    def heading(self) -> str:
        """What text() gives, as wide as it."""
        if self.wall_offset_ns is not None:
            return f"{'# time (UTC)':<27}"
        return "#    seconds"

    def text(self, event: Event) -> str:
        """The event's time; a loss has none, only that of being told.

        What a recorder says of itself before the first event is no beginning.
        """
        time_ns = event["time_ns"]
        if is_lost(event) or self._is_early_mark(event):
            return "-"
        if self.first_ns is None:
            self.first_ns = time_ns
        if self.wall_offset_ns is not None:
            return wall_clock(time_ns + self.wall_offset_ns)
        return f"{(time_ns - self.first_ns) / 1e9:.6f}"

    def _is_early_mark(self, event: Event) -> bool:
        return (event.kind == MARK and self.first_ns is None
                and self.wall_offset_ns is None)


WHO_HEADING = (f"{'cpu':<5} {'connection':<10} {'local':<21} - "
               f"{'peer':<21}")


def who(event: Event) -> str:
    """Where an event was seen, and whose it is."""
    return (f"cpu{event['cpu']:<2} {connection(event['cookie']):<10} "
            f"{local_endpoint(event):<21} {arrow(event)} "
            f"{remote_endpoint(event):<21}")


SHORT_HEADING = f"{'connection':<10}   {'peer':<21}"


def who_in_short(event: Event) -> str:
    """Whose an event is, and who is at the other end."""
    return f"{connection(event['cookie']):<10} {arrow(event)} {remote_endpoint(event):<21}"


class LineWriter:
    """Events in their order to lines.

    Who an event is of can be told in other words, by those who know more. In short, that
    is the connection and its peer, and where the connection stood is left out.
    """

    def __init__(self, schema: Schema, clock: Clock, raw: bool = False,
                 colour: bool = False, short: bool = False,
                 who_words: Callable[[Event], str] = who) -> None:
        self._schema = schema
        self._clock = clock
        self._short = short
        self._who = who_in_short if short else who_words
        self._numbers = Numbers(raw)
        self._sentences = Sentences(schema, self._numbers)
        self._small_socks = SmallSocks(schema)
        self._colour = colour

    def heading(self) -> str:
        """Names for the columns of every line."""
        raw = ("" if self._numbers.raw
               else "; (raw): a number as on the wire, its ISN was not seen")
        if self._short:
            return f"{self._clock.heading} {SHORT_HEADING}  what happened{raw}"
        return (f"{self._clock.heading} {WHO_HEADING}  what happened  | "
                f"where the connection stood{raw}")

    def note(self, event: Event) -> None:
        """An event that is not shown still counts for those after it."""
        self._clock.text(event)
        self._small_socks.see(event)
        self._sentences.note(event)

    def what(self, event: Event) -> str:
        """The sentence alone."""
        self._clock.text(event)
        return self._sentences.what(self._completed(event))

    def _completed(self, event: Event) -> Event:
        self._small_socks.see(event)
        return self._small_socks.completed(event)

    def line(self, event: Event) -> str:
        """The event's line, without a newline."""
        event = self._completed(event)
        if is_lost(event):
            text = self._lost(event)
        elif event.kind == MARK:
            text = (f"{self._clock.text(event):>12} --- "
                    f"{self._sentences.what(event)} ---")
        else:
            text = (f"{self._clock.text(event):>12} {self._who(event)}  "
                    f"{self._sentences.what(event)}")
            stood = "" if self._short else self.where_it_stood(event)
            if stood:
                text += f"  | {stood}"
        if self._colour and event.kind in COLOURS:
            return f"{COLOURS[event.kind]}{text}{RESET}"
        return text

    def _lost(self, event: Event) -> str:
        count = event["lost_events"]
        why = ("not in the recording, which is damaged" if event.filled
               else "overwritten before they were read")
        return (f"*** {plural(count, 'event')} LOST on cpu{event['cpu']}, "
                f"serial {event['serial']} to {event['serial'] + count - 1}: {why} ***")

    def where_it_stood(self, event: Event) -> str:
        """Its queues, or its numbers and its congestion state, before the event."""
        event = self._small_socks.completed(event)
        queues = self._queues(event) if "half_open" in event.values else ""
        if queues or event.kind == "synack_retransmit":
            return queues
        parts = self._sequence_parts(event)
        if event["cwnd"] and event["cookie"] and not self._listens(event):
            parts += self._congestion_parts(event)
        return " ".join(parts)

    @staticmethod
    def _queues(event: Event) -> str:
        """How full a listener's queues were before the event."""
        if not knows_queues(event):
            return ""  # of a Fast Open child, or of accept()
        return (f"half-open {event['half_open']}, accept queue "
                f"{of_limit(event['accept_queue'], event)}")

    def _listens(self, event: Event) -> bool:
        """Whether its congestion numbers are a listener's: they mean nothing."""
        names = ["state", "old_state"] if event.kind == "state" else ["state"]
        return LISTEN in [self._schema.name_of("state", event[name])
                          for name in names]

    def _sequence_parts(self, event: Event) -> list[str]:
        parts: list[str] = []
        if not has_socket(event):
            return parts
        for label, name, isn_name in (("una", "snd_una", "snd_isn"),
                                      ("nxt", "snd_nxt", "snd_isn"),
                                      ("rcv", "rcv_nxt", "rcv_isn")):
            isn = known_isn(event, isn_name)
            if isn or event[name]:
                parts.append(f"{label}={self._numbers.show(event[name], isn)}")
        return parts

    def _congestion_parts(self, event: Event) -> list[str]:
        parts = [
            f"cwnd={event['cwnd']}",
            f"ssthresh={ssthresh_words(event['ssthresh'])}",
            f"srtt={duration(event['srtt_us']) if event['srtt_us'] else '-'}",
            f"rto={duration(event['rto_us'])}",
        ]
        if event["backoff"]:
            parts.append(f"backoff={event['backoff']}")
        ca_state = self._schema.name_of("ca_state", event["ca_state"])
        if ca_state != OPEN and event.kind != "ca_state":
            parts.append(f"ca={ca_state}")
        return parts
