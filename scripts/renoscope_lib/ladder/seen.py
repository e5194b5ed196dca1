# SPDX-License-Identifier: GPL-2.0
"""What an event says of a segment, as one end saw it.

Some have the header as it passed IP (`segment`), some as the socket took it (`ack`),
some only the socket's own numbers (`retransmit`, `state`): then window and ACK may
differ from what went out.  rungs.py makes one segment of all that tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..ring.schema import Event, Schema
from ..tcp.segments import MAX_SACK_BLOCKS, OUTGOING, has_segment, has_socket, sack_blocks
from ..tcp.sequence import ACK, MODULUS, RST, SYN, URG, following
from ..tcp.tcp_states import SYN_SENT

# connect() tells of its SYN: with Fast Open data may ride on it, and it may wait for them.
STATE = "state"

# The socket's own view of what it sends, not the header as it went out.
FROM_THE_SOCKET = (STATE, "retransmit", "loss_probe", "probe", "reset_sent")

# Kinds that tell of a segment that came, where they have one.
ARRIVALS = ("ack", "syn", "refused", "reset_received", "cookie_checked",
            "bad_checksum", "time_wait", "time_wait_end", "request_end",
            "reset_sent")
SENDINGS = ("synack", "synack_retransmit", "retransmit", "loss_probe")


@dataclass(slots=True)
class Options:
    """Of a segment event, what it has."""

    mss: int | None = None
    wscale: int | None = None
    sack_permitted: bool = False
    timestamps: tuple[int, int] | None = None
    sack: list[tuple[int, int]] = field(default_factory=list)
    fastopen: bool = False
    urgent: int | None = None


@dataclass(slots=True)
class Seen:
    """One event's word of one segment."""

    kind: str
    end: int
    outgoing: bool
    time_ns: int
    seq: int
    ack: int | None
    length: int
    flags: int
    window: int | None = None
    options: Options | None = None

    @property
    def way(self) -> int:
        """The end it comes from."""
        return self.end if self.outgoing else 1 - self.end


def _options(event: Event, names: list[str]) -> Options:
    blocks = sack_blocks(event)
    fourth = event["sack_blocks"] >= MAX_SACK_BLOCKS
    return Options(
        event["option_mss"] if "mss" in names else None,
        event["option_wscale"] if "wscale" in names else None,
        "sack_permitted" in names,
        (event["tsval"], event["tsecr"])
        if "timestamps" in names and not fourth else None,
        blocks, "fastopen" in names,
        event["urgent_pointer"] if event["seg_flags"] & URG else None)


def _header(event: Event, end: int, outgoing: bool) -> Seen:
    flags = event["seg_flags"]
    return Seen(event.kind, end, outgoing, event["time_ns"], event["seg_seq"],
                event["seg_ack"] if flags & ACK else None, event["seg_len"],
                flags, event["seg_window"])


def _reset(event: Event, end: int) -> Seen | None:
    """The RST that reset_sent is about; RFC 9293, 3.10.7.1 for its numbers."""
    def seen(seq: int, ack: int | None) -> Seen:
        return Seen(event.kind, end, True, event["time_ns"], seq, ack, 0,
                    RST | (0 if ack is None else ACK))

    if has_segment(event):
        if event["seg_flags"] & ACK:
            return seen(event["seg_ack"], None)
        return seen(0, following(event["seg_seq"], event["seg_len"],
                                 event["seg_flags"]))
    if has_socket(event):
        return seen(event["snd_nxt"], event["rcv_nxt"])
    return None


def told_of(event: Event, end: int, schema: Schema) -> Iterator[Seen]:
    """The segments that an event tells of, in order."""
    kind = event.kind
    if kind == "segment":
        seen = _header(event, end, bool(event["segment_flags"] & OUTGOING))
        seen.options = _options(event, schema.bit_names(
            "segment_flags", event["segment_flags"]))
        yield seen
    elif kind in ARRIVALS and has_segment(event):
        yield _header(event, end, False)
    elif kind in SENDINGS and has_segment(event):
        if kind == "synack_retransmit" and not event["by_timer"]:
            yield Seen("syn again", end, False, event["time_ns"], event["rcv_isn"],
                       None, 0, SYN)
        seen = _header(event, end, True)
        if kind in FROM_THE_SOCKET:
            seen.window = None
        yield seen
    elif kind == "probe" and not event["probe_carries_data"]:
        yield Seen(kind, end, True, event["time_ns"],
                   (event["snd_una"] - 1) % MODULUS, event["rcv_nxt"], 0, ACK)
    elif kind == "state" and event["snd_isn"] and schema.name_of(
            "state", event["state"]) == SYN_SENT:
        yield Seen(kind, end, True, event["time_ns"], event["snd_isn"], None,
                   0, SYN)
    if kind == "reset_sent":
        reset = _reset(event, end)
        if reset is not None:
            yield reset
