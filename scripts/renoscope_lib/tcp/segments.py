# SPDX-License-Identifier: GPL-2.0
"""The segment that an event is about: which way it went, its header in words.

Sequence numbers count from the ISN of whoever sent the segment, acknowledgments
and SACK blocks from that of whoever gets it.  So the direction decides all.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ring.schema import Event, Schema
from .sequence import following, relative, scaled_window, segment_length

RECEIVED_KINDS = (
    "ack", "reset_sent", "reset_received", "syn", "refused", "cookie_checked",
    "time_wait", "bad_checksum",
)

# Kinds about a segment's header as it is on the wire, its window in any case.
HEADER_KINDS = ("segment", "zero_window")

# Numbers of event_fields.h, which recordings keep.
OUTGOING = 0x01  # segment_flags
OWN_WINDOW = 1  # window_side
MAX_SACK_BLOCKS = 4

# Of what an event tells, even where it does not know the segment.
ARROWS = {
    "ack": "<", "reset_received": "<", "syn": "<", "refused": "<",
    "cookie_checked": "<", "bad_checksum": "<",
    "retransmit": ">", "synack_retransmit": ">", "reset_sent": ">",
    "synack": ">", "loss_probe": ">", "probe": ">",
}


def is_received(event: Event) -> bool:
    """Whether the event's segment came from the peer."""
    if event.kind == "segment":
        return not event["segment_flags"] & OUTGOING
    if event.kind == "zero_window":
        return event["window_side"] != OWN_WINDOW
    return event.kind in RECEIVED_KINDS


def has_segment(event: Event) -> bool:
    """Whether the event tells of a segment."""
    return bool(event["seg_flags"] or event["seg_seq"] or event["seg_len"]
                or event.kind == "segment")


def arrow(event: Event) -> str:
    """From the peer, to the peer, or neither."""
    if event.kind in ARROWS:
        return ARROWS[event.kind]
    if not has_segment(event):
        return "-"
    return "<" if is_received(event) else ">"


def segments_sent_again(event: Event) -> int:
    """How many a retransmit event tells of; any other, and one without a count, of one."""
    return event.values.get("retransmit_segs", 1) or 1


def known_isn(event: Event, name: str) -> int:
    """An ISN that the other numbers of this event are counted from, or 0.

    One that was filled in later is not: the numbers beside it are older.
    """
    return 0 if name in event.filled else event[name]


def has_socket(event: Event) -> bool:
    """Whether the event knows a socket's sequence numbers.

    A segment alone, as a SYN for a listener, brings an ISN and none of these.
    """
    return bool(event["snd_una"] or event["snd_nxt"] or event["rcv_nxt"])


def segment_isns(event: Event) -> tuple[int, int]:
    """The ISNs that seg_seq and seg_ack are counted from."""
    sent, received = known_isn(event, "snd_isn"), known_isn(event, "rcv_isn")
    return (received, sent) if is_received(event) else (sent, received)


def segment_window(event: Event) -> int | None:
    """The event's segment's window in bytes, None where there is none."""
    if is_received(event):
        return scaled_window(event["seg_window"], event["snd_wscale"],
                             event["seg_flags"])
    if not event["seg_window"] and event.kind not in HEADER_KINDS:
        return None
    return scaled_window(event["seg_window"], event["rcv_wscale"],
                         event["seg_flags"])


def sack_blocks(event: Event) -> list[tuple[int, int]]:
    """The SACK blocks of a segment event, raw.

    Four of them leave no room for timestamps: the fourth lies in their place.
    """
    names = (("sack1_left", "sack1_right"), ("sack2_left", "sack2_right"),
             ("sack3_left", "sack3_right"), ("tsval", "tsecr"))
    return [(event[left], event[right])
            for left, right in names[:event["sack_blocks"]]]


@dataclass(frozen=True)
class Numbers:
    """Turns raw sequence numbers of an event into what is shown."""

    raw: bool = False

    def show(self, number: int, isn: int) -> str:
        """A sequence number against its ISN."""
        if self.raw:
            return str(number)
        return str(relative(number, isn)) if isn else f"{number}(raw)"


def _counts_from_itself(event: Event, flags: list[str]) -> bool:
    """Whether a segment without a known ISN has a relative number all the same.

    A SYN's own number is its ISN.  A RST for a segment without an ACK has the
    number 0 of nobody's stream (RFC 9293, 3.10.7.1).
    """
    return "SYN" in flags or ("RST" in flags and event["seg_seq"] == 0)


class SegmentWords:
    """Segments as a person reads them."""

    def __init__(self, schema: Schema, numbers: Numbers) -> None:
        self._schema = schema
        self._numbers = numbers

    def header(self, event: Event) -> str:
        """Flags, numbers, length and window."""
        of_seq, of_ack = segment_isns(event)
        flags = event["seg_flags"]
        names = self._schema.bit_names("tcp_flags", flags)
        itself = not of_seq and _counts_from_itself(event, names)
        parts = [f"[{','.join(names)}]",
                 f"seq={self._of_sender(event['seg_seq'], event, itself)}"]
        if "ACK" in names:
            parts.append(f"ack={self._numbers.show(event['seg_ack'], of_ack)}")
        parts.append(f"len={event['seg_len']}")
        if segment_length(event["seg_len"], flags):
            after = following(event["seg_seq"], event["seg_len"], flags)
            parts.append(f"next={self._of_sender(after, event, itself)}")
        window = segment_window(event)
        if window is not None:
            parts.append(f"win={window}")
        return " ".join(parts)

    def _of_sender(self, number: int, event: Event, itself: bool) -> str:
        """A number of the sender's; itself: counted from the segment's own."""
        if itself and not self._numbers.raw:
            return str(relative(number, event["seg_seq"]))
        return self._numbers.show(number, segment_isns(event)[0])

    def whole_header(self, event: Event) -> str:
        """The same of a segment event, with what no other kind has."""
        parts = [self.header(event)]
        if "URG" in self._schema.bit_names("tcp_flags", event["seg_flags"]):
            parts.append(f"urgent={event['urgent_pointer']}")
        if event["header_words"]:
            parts.append(f"header={4 * event['header_words']}")
        options = self._options(event)
        if options:
            parts.append(f"<{' '.join(options)}>")
        if "unverified" in self._flags(event):
            parts.append("checksum not verified yet")
        return " ".join(parts)

    def _flags(self, event: Event) -> list[str]:
        return self._schema.bit_names("segment_flags", event["segment_flags"])

    def _options(self, event: Event) -> list[str]:
        fourth_block = event["sack_blocks"] >= MAX_SACK_BLOCKS
        words = {
            "mss": f"mss={event['option_mss']}",
            "wscale": f"wscale={event['option_wscale']}",
            "sack_permitted": "sackOK",
            "timestamps": "" if fourth_block else
                          f"TS val={event['tsval']} ecr={event['tsecr']}",
            "fastopen": "fast open",
            "other": "another option",
        }
        parts = [words[flag] for flag in self._flags(event)
                 if words.get(flag)]
        return parts + self._sack(event)

    def _sack(self, event: Event) -> list[str]:
        _, of_ack = segment_isns(event)
        edges = [":".join(self._numbers.show(edge, of_ack) for edge in block)
                 for block in sack_blocks(event)]
        return [f"sack={','.join(edges)}"] if edges else []
