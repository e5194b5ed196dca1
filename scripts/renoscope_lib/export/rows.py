# SPDX-License-Identifier: GPL-2.0
"""Records as rows of texts, fast: what the lines of JSON and CSV have in common.

A million events must not take minutes.  So nothing is asked twice: each kind of
record knows from its schema which of its values are plain numbers and which stand
for words, and the text of each possible word is made beforehand (256 of them for a
byte) or remembered.  A line is then one `template % row`.

What a record does not hold but follows from it (relative sequence numbers, the
window in bytes) is worked out here too, and by the rules of segments.py.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from ..ring.schema import LOST, MARK, OWN_KINDS, Event, Field, Schema
from ..tcp.flows import is_lost, is_of_recording
from ..tcp.segments import HEADER_KINDS, MAX_SACK_BLOCKS, OUTGOING, OWN_WINDOW, RECEIVED_KINDS
from ..tcp.sequence import MODULUS, SYN
from ..tcp.synack_waits import SynackWaits, Wait
from ..words import address, connection, task_name, wall_clock

SYNACK_AGAIN = "synack_retransmit"

# Kinds whose lines need more than their record's row.
SLOW_KINDS = (*OWN_KINDS, SYNACK_AGAIN)

# Texts of one field's values; in a flood each address is a new one.
REMEMBERED = 4096
BIT_UNITS = ("tcp_flags", "sock_flags", "segment_flags")
# Words that are the kernel's own. One before 6.10 has none; a text it is all the same,
# for whoever gave it a column.
KERNELS_WORDS = "reset_reason"
SACK_EDGES = ("sack1_left", "sack1_right", "sack2_left", "sack2_right",
              "sack3_left", "sack3_right", "tsval", "tsecr")

SECOND_NS = 1_000_000_000

# Where years of four digits end.
YEAR_10000_S = 253_402_300_800

Row = tuple[Any, ...]
Texts = Sequence[str] | Mapping[Any, str]
Words = Callable[[Any], str | list[str]]
Encode = Callable[[str | list[str]], str]

NOTHING: frozenset[str] = frozenset()


class Remembered(dict[Any, str]):
    """Texts of values that were seen lately."""

    def __init__(self, words: Words, encode: Encode) -> None:
        super().__init__()
        self._words = words
        self._encode = encode

    def __missing__(self, value: Any) -> str:
        if len(self) >= REMEMBERED:
            self.clear()
        text = self[value] = self._encode(self._words(value))
        return text


def texts_of(schema: Schema, field: Field, encode: Encode) -> Texts | None:
    """The text of each value of a field; None if it is a plain number."""
    words = _words_of(schema, field)
    if words is None:
        return None
    if field.type == "u8":
        return [encode(words(number)) for number in range(256)]
    return Remembered(words, encode)


def _words_of(schema: Schema, field: Field) -> Words | None:
    if field.name == "kind":
        return lambda number: schema.kinds.get(number, "")
    if field.type == "addr":
        return address
    if field.type == "text":
        return task_name
    if field.name == "listener":
        return connection
    if field.unit in BIT_UNITS:
        return lambda bits: schema.bit_names(field.unit, bits)
    if field.unit in schema.values or field.unit == KERNELS_WORDS:
        return lambda number: schema.name_of(field.unit, number)
    return None


class UtcTexts:
    """Wall-clock times as words.wall_clock() has them, quickly."""

    def __init__(self, offset_ns: int) -> None:
        self._offset_ns = offset_ns
        self._second = -1
        self._begin = ""

    def text(self, time_ns: int) -> str:
        """Empty if it is no time that a calendar has."""
        second, rest_ns = divmod(time_ns + self._offset_ns, SECOND_NS)
        if second != self._second:
            if not 0 <= second < YEAR_10000_S:
                return ""
            self._second = second
            self._begin = wall_clock(second * SECOND_NS)[:-len("000000Z")]
        return f"{self._begin}{rest_ns // 1000:06d}Z"


# What follows from a record: snd_una, snd_nxt, rcv_nxt, seg_seq, seg_ack and the SACK
# blocks counted from their ISNs, and the window in bytes.  None where that is not
# known; the window is False where the event is about no segment, and so has none.
Derived = tuple[int | None, int | None, int | None, int | None, int | None,
                list[tuple[int, int]] | None, int | None]
RELATIVE = ("snd_una", "snd_nxt", "rcv_nxt", "seg_seq", "seg_ack", "sack")
NUMBERS = ("snd_isn", "rcv_isn", "snd_una", "snd_nxt", "rcv_nxt", "seg_seq", "seg_ack",
           "seg_len", "seg_flags", "seg_window", "snd_wscale", "rcv_wscale")


class RowKind(ABC):
    """The lines of one kind: where each value stands, and what follows from them."""

    def __init__(self, schema: Schema, kind: str, clock: UtcTexts | None) -> None:
        self._clock = clock
        self.fields = sorted(schema.fields_of(kind), key=lambda f: f.offset)
        self.names = [field.name for field in self.fields]
        # Which bits of which value say that the segment is ours; of most kinds it
        # is the kind that says so, and no bit is looked at.
        always = ("kind", 0, -1 if kind in RECEIVED_KINDS else 0)
        way, self._way_bits, self._ours = {
            "segment": ("segment_flags", OUTGOING, OUTGOING),
            "zero_window": ("window_side", -1, OWN_WINDOW),
        }.get(kind, always)
        self._numbers = itemgetter(*map(self.names.index, (*NUMBERS, way)))
        self._time, self._cookie = map(self.names.index, ("time_ns", "cookie"))
        self._error = self.names.index("sk_error") if kind == "error" else None
        self._listener = (self.names.index("listener")
                          if "listener" in self.names else None)
        self._has_zero_window = kind in HEADER_KINDS
        self._is_segment = kind == "segment"
        if self._is_segment:
            self._edges = itemgetter(*map(self.names.index, SACK_EDGES))
            self._blocks = self.names.index("sack_blocks")

    @abstractmethod
    def line(self, row: Row, filled: Collection[str] = NOTHING,
             listener: int | None = None, wait: Wait | None = None) -> str:
        """The line of a row; what is not in its record stands behind."""

    def utc(self, row: Row) -> str:
        """Its wall-clock time, empty where that is not known."""
        return self._clock.text(row[self._time]) if self._clock else ""

    def error_name(self, row: Row) -> str:
        """ECONNRESET of an error, empty for any other kind."""
        if self._error is None:
            return ""
        return errno.errorcode.get(row[self._error], "unknown")

    def derived(self, row: Row, filled: Collection[str] = NOTHING) -> Derived:
        """What follows from a row.

        An ISN that was filled in later is not counted from: what stands beside it
        is older.
        """
        (sent, received, una, nxt, rcv, seq, ack, length, flags, window, snd_wscale,
         rcv_wscale, way) = self._numbers(row)
        if filled:
            sent = 0 if "snd_isn" in filled else sent
            received = 0 if "rcv_isn" in filled else received
        has_socket = una or nxt or rcv
        if sent and has_socket:
            una, nxt = (una - sent) % MODULUS, (nxt - sent) % MODULUS
        else:
            una = nxt = None
        rcv = (rcv - received) % MODULUS if received and has_socket else None
        if not (flags or seq or length or self._is_segment):
            return una, nxt, rcv, None, None, None, False
        sack = None
        if way & self._way_bits == self._ours:
            of_seq, of_ack, shift = sent, received, rcv_wscale
            if not window and not self._has_zero_window:
                window = None
        else:
            of_seq, of_ack, shift = received, sent, snd_wscale
        if window and not flags & SYN:
            window <<= shift
        if of_ack:
            ack = (ack - of_ack) % MODULUS
            sack = self._sack(row, of_ack) if self._is_segment else None
        else:
            ack = None
        return una, nxt, rcv, (seq - of_seq) % MODULUS if of_seq else None, ack, sack, window

    def _sack(self, row: Row, of_ack: int) -> list[tuple[int, int]]:
        blocks = row[self._blocks]
        if not blocks:
            return []
        edges = [(edge - of_ack) % MODULUS
                 for edge in self._edges(row)[:2 * min(blocks, MAX_SACK_BLOCKS)]]
        return list(zip(edges[::2], edges[1::2]))


def row_of(event: Event) -> Row:
    """An event's values as RowKind has them: by offset."""
    return tuple(event.values.values())


class RowWriter(ABC):
    """Events in their order to lines; the wall clock is told where it is known."""

    kinds: Mapping[str, RowKind]

    def __init__(self, schema: Schema, wall_offset_ns: int | None = None) -> None:
        self._schema = schema
        self._waits = SynackWaits()
        self._clock = None if wall_offset_ns is None else UtcTexts(wall_offset_ns)

    @abstractmethod
    def heading(self) -> str:
        """What stands before the first line."""

    @abstractmethod
    def _short_line(self, values: dict[str, Any]) -> str:
        """The line of what has these values and no more."""

    def note(self, event: Event) -> None:
        """An event that is not shown still counts for those after it."""
        if event.kind == SYNACK_AGAIN:
            self._waits.see(event)

    def line(self, event: Event) -> str:
        """An event's line, without a newline."""
        if is_of_recording(event):
            return self._short_line(self._values(event))
        wait = self._waits.see(event) if event.kind == SYNACK_AGAIN else None
        return self.kinds[event.kind].line(row_of(event), event.filled,
                                           event.listener, wait)

    def _values(self, event: Event) -> dict[str, Any]:
        """All that a loss or a mark says."""
        values = {name: event[name] for name in ("serial", "time_ns", "cpu")}
        if is_lost(event):
            values |= {"lost_events": event["lost_events"], "kind": LOST}
        else:
            values |= {"kind": MARK, "mark_cause": self._schema.name_of(
                "mark_cause", event["mark_cause"]),
                "kinds_on": self._schema.kinds_on(event)}
        utc = self._utc(event)
        return values | ({"time_utc": utc} if utc else {})

    def _utc(self, event: Event) -> str:
        """A loss has the time of the record before, 0 if there was none."""
        if not self._clock or is_lost(event) and not event["time_ns"]:
            return ""
        return self._clock.text(event["time_ns"])
