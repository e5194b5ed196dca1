# SPDX-License-Identifier: GPL-2.0
"""One event, one line: for a person, or as JSON for a program.

A line tells who (time, CPU, connection, local end, peer), what happened in the
field's words, and behind the bar where the connection stood at that moment.
Sequence numbers are relative to the ISN of whoever sent them.  Where an ISN is
not known, the raw number is shown and says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .flows import is_lost
from .schema import Event, Schema
from .sequence import following, relative, scaled_window, segment_length
from .synack_waits import SynackWaits, Wait
from .words import (address, connection, duration, local_endpoint, plural,
                    remote_endpoint, wall_clock)

INFINITE_SSTHRESH = 0x7fffffff

RECEIVED_KINDS = ("ack", "reset_sent", "reset_received")
ARROWS = {
    "ack": "<", "reset_received": "<",
    "retransmit": ">", "synack_retransmit": ">", "reset_sent": ">",
}

# Here the kernel resets on data as well, and tells of it in the same way.
SHUT_STATES = ("FIN-WAIT-1", "FIN-WAIT-2")

RESET = "\033[0m"
COLOURS = {
    "lost": "\033[1;37;41m", "state": "\033[32m", "retransmit": "\033[33m",
    "synack_retransmit": "\033[33m", "ca_state": "\033[35m",
    "reset_sent": "\033[31m", "reset_received": "\033[31m",
    "destroy": "\033[2m",
}


@dataclass(frozen=True)
class Filter:
    """What the user asked to see; a loss is always shown."""

    kinds: frozenset[str] | None = None
    port: int | None = None
    cookie: int | None = None

    def wants(self, event: Event) -> bool:
        """Whether the event is to be shown."""
        if is_lost(event):
            return True
        if self.kinds is not None and event.kind not in self.kinds:
            return False
        if self.cookie is not None and event["cookie"] != self.cookie:
            return False
        return self.port is None or self.port in (event["local_port"],
                                                  event["remote_port"])


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
        """The event's time; a loss has none, only that of being told."""
        if is_lost(event):
            return "-"
        time_ns = event["time_ns"]
        if self.first_ns is None:
            self.first_ns = time_ns
        if self.wall_offset_ns is not None:
            return wall_clock(time_ns + self.wall_offset_ns)
        return f"{(time_ns - self.first_ns) / 1e9:.6f}"


def known_isn(event: Event, name: str) -> int:
    """An ISN that the other numbers of this event are counted from, or 0.

    One that was filled in later is not: the numbers beside it are older.
    """
    return 0 if name in event.filled else event[name]


@dataclass(frozen=True)
class Numbers:
    """Turns raw sequence numbers of an event into what is shown."""

    raw: bool = False

    def show(self, number: int, isn: int) -> str:
        """A sequence number against its ISN."""
        if self.raw:
            return str(number)
        return str(relative(number, isn)) if isn else f"{number}(raw)"


def segment_isns(event: Event) -> tuple[int, int]:
    """The ISNs that seg_seq and seg_ack are counted from."""
    sent, received = known_isn(event, "snd_isn"), known_isn(event, "rcv_isn")
    return (received, sent) if event.kind in RECEIVED_KINDS else (sent, received)


def segment_window(event: Event) -> int | None:
    """The event's segment's window in bytes, None where there is none."""
    if event.kind in RECEIVED_KINDS:
        return scaled_window(event["seg_window"], event["snd_wscale"],
                             event["seg_flags"])
    if not event["seg_window"]:
        return None
    return scaled_window(event["seg_window"], event["rcv_wscale"],
                         event["seg_flags"])


def has_segment(event: Event) -> bool:
    """Whether the event tells of a segment."""
    return bool(event["seg_flags"] or event["seg_seq"] or event["seg_len"])


WHO_HEADING = (f"{'cpu':<5} {'connection':<10} {'local':<21} - "
               f"{'peer':<21}")


def who(event: Event) -> str:
    """Where an event was seen, and whose it is."""
    return (f"cpu{event['cpu']:<2} {connection(event['cookie']):<10} "
            f"{local_endpoint(event):<21} {ARROWS.get(event.kind, '-')} "
            f"{remote_endpoint(event):<21}")


class LineWriter:
    """Events in their order to lines.

    Who an event is of can be told in other words, by those who know more.
    """

    def __init__(self, schema: Schema, clock: Clock, raw: bool = False,
                 colour: bool = False,
                 who_words: Callable[[Event], str] = who) -> None:
        self._schema = schema
        self._clock = clock
        self._who = who_words
        self._numbers = Numbers(raw)
        self._colour = colour
        self._waits = SynackWaits()

    def heading(self) -> str:
        """Names for the columns of every line."""
        return (f"{self._clock.heading} {WHO_HEADING}  what happened  | "
                "where the connection stood")

    def note(self, event: Event) -> None:
        """An event that is not shown still counts for those after it."""
        self._clock.text(event)
        if event.kind == "synack_retransmit":
            self._waits.see(event)

    def line(self, event: Event) -> str:
        """The event's line, without a newline."""
        if is_lost(event):
            text = self._lost(event)
        else:
            text = (f"{self._clock.text(event):>12} {self._who(event)}  "
                    f"{self._what(event)}")
            stood = self._where_it_stood(event)
            if stood:
                text += f"  | {stood}"
        if self._colour and event.kind in COLOURS:
            return f"{COLOURS[event.kind]}{text}{RESET}"
        return text

    def _lost(self, event: Event) -> str:
        count = event["lost_events"]
        return (f"*** {plural(count, 'event')} LOST on cpu{event['cpu']}, "
                f"serial {event['serial']} to {event['serial'] + count - 1}: "
                "overwritten before they were read ***")

    def _what(self, event: Event) -> str:
        words = getattr(self, f"_words_{event.kind}", None)
        return words(event) if words else event.kind

    # ---- what happened, by kind

    def _words_state(self, event: Event) -> str:
        old, new = (self._schema.name_of("state", event[name])
                    for name in ("old_state", "state"))
        isn = event["snd_isn"] if "snd_isn" in event.filled else 0
        chosen = f", ISN {isn}" if isn and new == "SYN-SENT" else ""
        return f"{old} -> {new}{chosen}"

    def _words_ack(self, event: Event) -> str:
        return f"received {self._segment(event)}"

    def _words_retransmit(self, event: Event) -> str:
        ca_state = self._schema.name_of("ca_state", event["ca_state"])
        return f"sent again {self._segment(event)} ({ca_state})"

    def _words_synack_retransmit(self, event: Event) -> str:
        wait = self._waits.see(event)
        waited = (f"waited {duration(wait.waited_us)}"
                  if wait.waited_us is not None else
                  f"{duration(event['since_synack_us'])} after the first one")
        then = "last wait" if wait.is_last else "next wait"
        return (f"SYN-ACK sent again, attempt {wait.attempt} ({wait.by}): "
                f"{waited}, {then} {duration(wait.next_us)}")

    def _words_ca_state(self, event: Event) -> str:
        old, new = (self._schema.name_of("ca_state", event[name])
                    for name in ("old_ca_state", "ca_state"))
        if old == new:
            return f"congestion state set to {new}"
        return f"congestion state {old} -> {new}"

    def _words_reset_sent(self, event: Event) -> str:
        text = "RST sent"
        if "reset_reason" in self._schema.values:
            text += ": " + self._schema.name_of("reset_reason",
                                                event["reset_reason"])
        if has_segment(event):
            text += f", in answer to {self._segment(event)}"
        return text

    def _words_reset_received(self, event: Event) -> str:
        state = self._schema.name_of("state", event["state"])
        segment = f" {self._segment(event)}" if has_segment(event) else ""
        if state in SHUT_STATES:
            return (f"reset in {state}: RST received, or data after both "
                    f"directions were shut{segment}")
        return f"RST received in {state}{segment}"

    def _words_destroy(self, event: Event) -> str:
        return (f"destroyed; segments: {event['segs_out']} out, "
                f"{event['segs_in']} in, {event['retrans_segs']} sent again")

    # ---- parts

    def _segment(self, event: Event) -> str:
        of_seq, of_ack = segment_isns(event)
        flags = event["seg_flags"]
        names = ",".join(self._schema.bit_names("tcp_flags", flags))
        parts = [f"[{names}]",
                 f"seq={self._numbers.show(event['seg_seq'], of_seq)}"]
        if "ACK" in names:
            parts.append(f"ack={self._numbers.show(event['seg_ack'], of_ack)}")
        parts.append(f"len={event['seg_len']}")
        if segment_length(event["seg_len"], flags):
            after = following(event["seg_seq"], event["seg_len"], flags)
            parts.append(f"next={self._numbers.show(after, of_seq)}")
        window = segment_window(event)
        if window is not None:
            parts.append(f"win={window}")
        return " ".join(parts)

    def _where_it_stood(self, event: Event) -> str:
        if event.kind == "synack_retransmit":
            if not (event["half_open"] or event["accept_queue"]
                    or event["accept_limit"]):
                return ""  # a Fast Open child, which is in no queue
            return (f"half-open {event['half_open']}, accept queue "
                    f"{event['accept_queue']} of {event['accept_limit']}")
        parts = self._sequence_parts(event)
        if event["cwnd"] and event["cookie"] and not self._listens(event):
            parts += self._congestion_parts(event)
        return " ".join(parts)

    def _listens(self, event: Event) -> bool:
        """Whether its congestion numbers are a listener's: they mean nothing."""
        names = ["state", "old_state"] if event.kind == "state" else ["state"]
        return "LISTEN" in [self._schema.name_of("state", event[name])
                            for name in names]

    def _sequence_parts(self, event: Event) -> list[str]:
        parts = []
        for label, name, isn_name in (("una", "snd_una", "snd_isn"),
                                      ("nxt", "snd_nxt", "snd_isn"),
                                      ("rcv", "rcv_nxt", "rcv_isn")):
            isn = known_isn(event, isn_name)
            if isn or event[name]:
                parts.append(f"{label}={self._numbers.show(event[name], isn)}")
        return parts

    def _congestion_parts(self, event: Event) -> list[str]:
        ssthresh = event["ssthresh"]
        parts = [
            f"cwnd={event['cwnd']}",
            f"ssthresh={'inf' if ssthresh >= INFINITE_SSTHRESH else ssthresh}",
            f"srtt={duration(event['srtt_us']) if event['srtt_us'] else '-'}",
            f"rto={duration(event['rto_us'])}",
        ]
        if event["backoff"]:
            parts.append(f"backoff={event['backoff']}")
        ca_state = self._schema.name_of("ca_state", event["ca_state"])
        if ca_state != "Open" and event.kind != "ca_state":
            parts.append(f"ca={ca_state}")
        return parts


class JsonWriter:
    """Events to one JSON object a line.

    Every field of the record is there under its own name and as it was
    recorded; numbers that stand for names became the names.  What the scripts
    worked out stands beside: connection, relative, window, filled, wait.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._waits = SynackWaits()

    def note(self, event: Event) -> None:
        """An event that is not shown still counts for those after it."""
        if event.kind == "synack_retransmit":
            self._waits.see(event)

    def line(self, event: Event) -> str:
        """The event's object."""
        return json.dumps(self.object(event), separators=(",", ":"))

    def object(self, event: Event) -> dict[str, Any]:
        """The event as plain data."""
        if is_lost(event):
            return {name: event[name] for name in
                    ("serial", "time_ns", "cpu", "lost_events")} | {
                        "kind": "lost"}
        plain = {field.name: self._value(event, field.name, field.unit)
                 for field in self._schema.fields_of(event.kind)}
        plain["connection"] = connection(event["cookie"])
        plain["relative"] = self._relative(event)
        if has_segment(event):
            plain["window"] = segment_window(event)
        if event.filled:
            plain["filled"] = sorted(event.filled)
        if event.listener is not None:
            plain["listener"] = connection(event.listener)
        if event.kind == "synack_retransmit":
            plain["wait"] = self._wait(self._waits.see(event))
        return plain

    def _value(self, event: Event, name: str, unit: str) -> Any:
        value = event[name]
        if name == "kind":
            return event.kind
        if unit == "address":
            return address(value)
        if unit in ("tcp_flags", "sock_flags"):
            return self._schema.bit_names(unit, value)
        if unit in self._schema.values:
            return self._schema.name_of(unit, value)
        return value

    @staticmethod
    def _relative(event: Event) -> dict[str, int]:
        """Sequence numbers from their ISNs; those that are not known left out."""
        sent, received = (known_isn(event, name)
                          for name in ("snd_isn", "rcv_isn"))
        numbers = {"snd_una": sent, "snd_nxt": sent, "rcv_nxt": received}
        if has_segment(event):
            numbers["seg_seq"], numbers["seg_ack"] = segment_isns(event)
        return {name: relative(event[name], isn)
                for name, isn in numbers.items() if isn}

    @staticmethod
    def _wait(wait: Wait) -> dict[str, Any]:
        return {"attempt": wait.attempt, "by": wait.by,
                "waited_us": wait.waited_us,
                "predicted_us": wait.predicted_us,
                "next_us": wait.next_us, "is_last": wait.is_last}
