# SPDX-License-Identifier: GPL-2.0
"""Segments of one conversation, each told once: the rungs of its ladder.

Several events may tell of one segment: `segment` as it passes IP, `ack` as it
reaches the socket, `retransmit` as it is sent again, and all this at both ends
where both are recorded.  Here they become one rung, by these rules:

 - At one end, a kind of event tells of a segment once.  An event whose numbers are
   those of a segment that another kind told of just before is of that segment.
 - At the other end, what arrives is what was sent with the same numbers.  If that
   was sent twice, what takes sequence numbers is taken for the later one, as the
   earlier one was probably lost, and a bare ACK for the earlier one.
 - Offloads may cut a segment on its way or join several: then the bytes that
   arrive are counted off against those that were sent.

What was sent and arrives nowhere was lost, if the other end could have told.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from ..tcp.sequence import FIN, MODULUS, RST, SYN, following, is_after, segment_length
from .hearing import Hearing
from .seen import FROM_THE_SOCKET, STATE, Options, Seen

SHAPE = SYN | FIN | RST
FLAGS_COMPARED = 0x3f  # ECE and CWR may be changed on the way

# Events of one segment at one end come within this time.
SAME_NS = 500_000_000

# Nothing that is on its way for longer will arrive.
ON_ITS_WAY_NS = 60_000_000_000

# How far is searched: segments of one end and way, and in flight.
RECENT = 64
RECENT_IN_FLIGHT = 256
MOST_IN_FLIGHT = 10_000


@dataclass(slots=True, eq=False)
class Rung:
    """A segment on its way from one end to the other."""

    number: int
    way: int
    seq: int
    ack: int | None
    length: int
    flags: int
    window: int | None
    options: Options | None
    first_ns: int
    sent_ns: int | None = None
    received_ns: int | None = None
    fate: str = ""
    unsure: bool = False
    arrived: int = 0
    pieces: int = 0
    again: bool = False
    sent_twice: bool = False
    of_connect: bool = False
    crosses: bool = False
    cause: str = ""
    original: Rung | None = None
    marks: list[tuple[str, str]] = field(default_factory=list)
    acks: int | None = None
    acks_what: str = ""
    acks_several: bool = False
    acked_sent_ns: int | None = None
    acked_received_ns: int | None = None
    acked_again: bool = False

    @property
    def at_ns(self) -> int:
        """When it was sent, or came if its sending was not seen."""
        if self.sent_ns is not None:
            return self.sent_ns
        return self.first_ns if self.received_ns is None else self.received_ns

    @property
    def takes(self) -> int:
        """Sequence numbers it takes."""
        return segment_length(self.length, self.flags)

    @property
    def after(self) -> int:
        """The sequence number behind it."""
        return following(self.seq, self.length, self.flags)

    def mark(self, code: str, words: str) -> None:
        """What an analyst would say of it."""
        if code not in [known for known, _ in self.marks]:
            self.marks.append((code, words))

    def has_mark(self, code: str) -> bool:
        """Whether that was said."""
        return any(code == known for known, _ in self.marks)

    @property
    def delay_us(self) -> int | None:
        """How long it was on its way, where both ends told."""
        if self.sent_ns is None or self.received_ns is None \
                or self.received_ns < self.sent_ns:
            return None
        return (self.received_ns - self.sent_ns) // 1000

    @property
    def rtt_us(self) -> int | None:
        """From the sending of what it acknowledges to its arrival there."""
        if self.received_ns is None or self.acked_sent_ns is None \
                or self.acked_again or self.received_ns < self.acked_sent_ns:
            return None
        return (self.received_ns - self.acked_sent_ns) // 1000

    @property
    def answered_us(self) -> int | None:
        """From the arrival of what it acknowledges to its own sending."""
        if self.sent_ns is None or self.acked_received_ns is None \
                or self.sent_ns < self.acked_received_ns:
            return None
        return (self.sent_ns - self.acked_received_ns) // 1000


LOST, PARTLY_LOST, IN_FLIGHT, NOT_SEEN = ("lost", "partly lost", "in flight",
                                          "not seen to arrive")
DROPPED = "dropped on arrival"


# ---- which segment it is

def _same_here(one: Seen, other: Seen) -> bool:
    """Whether two kinds of event at one end tell of the same segment."""
    loose = (one.kind in FROM_THE_SOCKET) or (other.kind in FROM_THE_SOCKET)
    if loose and one.flags & other.flags & RST:
        return True
    of_connect = STATE in (one.kind, other.kind)
    return (one.seq == other.seq and (one.length == other.length or of_connect)
            and (one.flags ^ other.flags) & SHAPE == 0
            and (loose or one.ack == other.ack))


def _same_there(rung: Rung, seen: Seen) -> bool:
    """Whether what arrives can be what was sent, or the other way round."""
    if (rung.flags ^ seen.flags) & SHAPE or rung.seq != seen.seq or (
            rung.length != seen.length and not rung.of_connect and seen.kind != STATE):
        return False
    if rung.window is None or seen.window is None:
        return True  # the socket's own view: its flags and ACK may differ
    stamps = [options.timestamps for options in (rung.options, seen.options)
              if options is not None and options.timestamps is not None]
    return ((rung.flags ^ seen.flags) & FLAGS_COMPARED == 0
            and rung.ack == seen.ack and rung.window == seen.window
            and (len(stamps) < 2 or stamps[0] == stamps[1]))


def _common(first: int, length: int, second: int, other: int) -> int:
    """How many numbers two ranges have in common, each below 2^31 long."""
    ahead = (second - first) % MODULUS
    if ahead < length:
        return min(length - ahead, other)
    behind = (first - second) % MODULUS
    return min(other - behind, length) if behind < other else 0


def _key(ack: int | None, window: int | None) -> tuple[int | None, int | None]:
    """By what segments of one sequence number are told apart."""
    return (None, None) if window is None else (ack, window)


@dataclass(slots=True)
class _Told:
    """A segment at one end, and the kinds of event that have told of it."""

    seen: Seen
    kinds: set[str]
    rung: Rung | None


def _waited(told: _Told, seen: Seen) -> bool:
    """Whether it is the SYN of a connect() that waited for data (TCP_FASTOPEN_CONNECT)."""
    return told.kinds == {STATE} and seen.kind == "segment"


# Of each sequence number the rungs in flight, by the rest of their header and number.
_BySeq = dict[int, dict[tuple[int | None, int | None], dict[int, Rung]]]


class Segments:
    """Give it every word of a segment in order; it makes the rungs."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing
        self._recent: dict[tuple[int, bool], deque[_Told]] = {
            (end, outgoing): deque(maxlen=RECENT)
            for end in (0, 1) for outgoing in (False, True)}
        self._in_flight: tuple[dict[int, Rung], dict[int, Rung]] = ({}, {})
        self._by_seq: tuple[_BySeq, _BySeq] = ({}, {})
        self._arrived_sent_ns = [0, 0]
        self._longest_ns = [0, 0]
        self.count = 0
        self.lost = 0

    def see(self, seen: Seen) -> tuple[Rung | None, bool]:
        """The rung that this is of, and whether it is a new one.

        None where what arrives was sent otherwise: in parts, or joined.
        """
        recent = self._recent[seen.end, seen.outgoing]
        for told in reversed(recent):
            if seen.time_ns - told.seen.time_ns > SAME_NS and not _waited(told, seen):
                break
            if seen.kind not in told.kinds and _same_here(told.seen, seen):
                self._confirm(told, seen)
                return told.rung, False
        rung, is_new = (self._sent if seen.outgoing else self._arrived)(seen)
        recent.append(_Told(seen, {seen.kind}, rung))
        return rung, is_new

    def _confirm(self, told: _Told, seen: Seen) -> None:
        """Another kind tells of it: the header as it passed IP is the best."""
        told.kinds.add(seen.kind)
        rung = told.rung
        better = seen.kind == "segment" or told.seen.window is None \
            and seen.window is not None
        if not better:
            return
        told.seen = seen
        if rung is None or rung.way != seen.way:
            return
        is_in_flight = rung.number in self._in_flight[rung.way]
        if is_in_flight:
            self._settle(rung)
        rung.seq, rung.ack, rung.flags = seen.seq, seen.ack, seen.flags
        rung.window, rung.length, rung.of_connect = seen.window, seen.length, False
        if is_in_flight:
            self._await(rung)
        rung.options = seen.options or rung.options
        if seen.outgoing and rung.received_ns is None:
            rung.sent_ns = seen.time_ns

    def _new(self, seen: Seen) -> Rung:
        self.count += 1
        return Rung(self.count, seen.way, seen.seq, seen.ack, seen.length,
                    seen.flags, seen.window, seen.options, seen.time_ns,
                    of_connect=seen.kind == STATE)

    def _sent(self, seen: Seen) -> tuple[Rung, bool]:
        for told in reversed(self._recent[1 - seen.end, False]):
            rung = told.rung
            if seen.time_ns - told.seen.time_ns > SAME_NS:
                break
            if rung is not None and rung.sent_ns is None \
                    and _same_there(rung, seen):
                rung.sent_ns = seen.time_ns
                self._see_delay(rung)
                return rung, False
        rung = self._new(seen)
        rung.sent_ns = seen.time_ns
        self._await(rung)
        return rung, True

    # ---- in flight

    def _await(self, rung: Rung) -> None:
        flying = self._in_flight[rung.way]
        flying[rung.number] = rung
        self._by_seq[rung.way].setdefault(rung.seq, {}).setdefault(
            _key(rung.ack, rung.window), {})[rung.number] = rung
        if len(flying) > MOST_IN_FLIGHT:
            self._settle(next(iter(flying.values())))

    def _settle(self, rung: Rung) -> None:
        """It is not awaited any more."""
        del self._in_flight[rung.way][rung.number]
        of_seq = self._by_seq[rung.way][rung.seq]
        key = _key(rung.ack, rung.window)
        del of_seq[key][rung.number]
        if not of_seq[key]:
            del of_seq[key]
        if not of_seq:
            del self._by_seq[rung.way][rung.seq]

    def _alike(self, seen: Seen) -> list[Rung]:
        """What is in flight and may be what arrives, in order: the first and the last.

        A receiver's ACKs all have one sequence number, and there may be thousands
        under way; the socket's own view of what it sends fits any header.
        """
        of_seq = self._by_seq[seen.way].get(seen.seq, {})
        keys = (islice(of_seq, RECENT) if seen.window is None
                else ((None, None), (seen.ack, seen.window)))
        found: dict[int, Rung] = {}
        for rungs in (of_seq.get(key, {}) for key in keys):
            found.update(islice(rungs.items(), RECENT))
            found.update(islice(reversed(rungs.items()), RECENT))
        return [rung for _, rung in sorted(found.items())]

    def _arrived(self, seen: Seen) -> tuple[Rung | None, bool]:
        self._give_up(seen)
        same = [rung for rung in self._alike(seen)
                if _same_there(rung, seen) and not rung.pieces]
        if same:
            takes = segment_length(seen.length, seen.flags)
            rung = same[-1 if takes else 0]
            self._settle(rung)
            rung.received_ns = seen.time_ns
            rung.options = rung.options or seen.options
            if rung.window is None:
                rung.window, rung.flags, rung.ack = (seen.window, seen.flags,
                                                     seen.ack)
            if rung.of_connect:
                rung.length, rung.of_connect = seen.length, False
            self._see_delay(rung)
            return rung, False
        if seen.length and self._arrived_in_parts(seen):
            return None, False
        rung = self._new(seen)
        rung.received_ns = seen.time_ns
        return rung, True

    def _arrived_in_parts(self, seen: Seen) -> bool:
        """Count what arrives off against what was sent, the latest first."""
        left = seen.length
        flying = self._in_flight[seen.way]
        for rung in list(islice(reversed(flying.values()), RECENT_IN_FLIGHT)):
            common = _common(rung.seq, rung.length, seen.seq, seen.length)
            if not common:
                continue
            rung.arrived = min(rung.arrived + common, rung.length)
            rung.pieces += 1
            rung.received_ns = seen.time_ns
            self._see_delay(rung)
            if rung.arrived >= rung.length:
                self._settle(rung)
            left -= common
            if left <= 0:
                break
        return left < seen.length

    def _see_delay(self, rung: Rung) -> None:
        """One has come: what was sent before it should have, too.

        What was sent again may be the first that came, sent long before.
        """
        sent_ns, received_ns = rung.sent_ns or 0, rung.received_ns or 0
        self._longest_ns[rung.way] = max(self._longest_ns[rung.way],
                                         received_ns - sent_ns)
        if not rung.again:
            self._arrived_sent_ns[rung.way] = max(
                self._arrived_sent_ns[rung.way], sent_ns)

    def _give_up(self, seen: Seen) -> None:
        flying = self._in_flight[seen.way]
        while flying:
            first = next(iter(flying.values()))
            if seen.time_ns - (first.sent_ns or 0) < ON_ITS_WAY_NS:
                break
            self._settle(first)
            self._judge(first, seen.time_ns)

    # ---- what did not arrive

    def doubt(self) -> None:
        """Events are missing here: what is in flight may have arrived unseen."""
        for flying in self._in_flight:
            for rung in flying.values():
                rung.unsure = True

    def _judge(self, rung: Rung, end_ns: int) -> None:
        end = 1 - rung.way
        if not self._hearing.hears(end, rung.flags):
            return
        if rung.unsure or not self._hearing.would_tell(end, rung.flags, rung.again):
            rung.fate = NOT_SEEN
        elif rung.pieces:
            rung.fate = PARTLY_LOST
        elif rung.at_ns < self._arrived_sent_ns[rung.way] \
                or end_ns - rung.at_ns > max(2 * SAME_NS, self._longest_ns[rung.way]):
            rung.fate = LOST
            self.lost += 1
        else:
            rung.fate = IN_FLIGHT

    def finish(self, end_ns: int) -> None:
        """Nothing more comes."""
        for flying in self._in_flight:
            for rung in list(flying.values()):
                self._settle(rung)
                self._judge(rung, end_ns)


def is_before(number: int, other: int) -> bool:
    """Whether a sequence number lies before another."""
    return is_after(other, number)
