# SPDX-License-Identifier: GPL-2.0
"""What came to this host for a connection, and whether it got there.

An incoming `segment` is taken before the input chain, an `ack` when the connection
gets the segment.  Between the two a segment may be dropped: by a firewall's input
chain, a socket's filter, a wrong signature, a full backlog.  Then the numbers that it
brought come past the first place once more often than past the second.

That is told only where nothing else can be the reason:

 - ESTABLISHED when the segment came, and it takes sequence numbers: bare ACKs are
   merged in the backlog, handshakes and TIME-WAIT meet other places.
 - One that came later got to the connection.  A socket that is in use queues what
   comes, in order, so whatever was queued before has been taken out, too; and one that
   is gone takes nothing.
 - Both places told of everything: no loss, no mark, no freeze since, no sampling of
   acks, no filter by state, no place missing, no wrong checksum.
 - What gets there is what came.  Where a connection gets numbers that did not come so,
   another hook has changed or cut them, and what waits is forgotten.

Merged segments are counted off by the numbers they cover, the latest first: of a
segment and its repetition the one that got there is the second.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..ring.schema import Event, Schema
from ..tcp.flows import Ends, ends_of
from ..tcp.kept import Kept, Packable
from ..tcp.segments import OUTGOING
from ..tcp.sequence import ACK, FIN, MODULUS, RST, SYN, segment_length
from ..tcp.tcp_states import ESTABLISHED
from .gaps import Gaps

# Arrivals of one connection that are waited for, the latest ones.
MOST_WAITING = 1000

# Clocks of two CPUs may differ by less: so much earlier may the later place tell.
CLOCKS_NS = 1_000_000
EARLY = 8

# A segment may be on its way to the socket for so long when recording ends.
UNDER_WAY_NS = 500_000_000

# Connections with a segment of a bad checksum. Once there are so many, others may have
# one that is not known, and nothing is called dropped any more.
MOST_BAD = 1000

# What tells of a SYN of no connection that came. So long the last three may take, and so
# many SYNs are waited for.
SYN_KINDS = ("segment", "syn", "reset_sent", "bad_checksum")
SETTLED_NS = 1_000_000_000
MOST_SYNS = 20_000


@dataclass(slots=True)
class Arrival(Packable):
    """A segment that passed IP.

    `is_due` says that its connection gets it unless it is dropped; `tag` is the
    caller's own.
    """

    number: int
    time_ns: int
    seq: int
    takes: int
    isn: int
    is_due: bool
    tag: object = None


@dataclass(slots=True)
class Reached(Packable):
    """What came for one connection."""

    key: int
    ends: Ends
    gaps_before: int
    came: int = 0
    last_met: int = 0
    waiting: list[Arrival] = field(default_factory=list)
    early: deque[tuple[int, int, int]] = field(
        default_factory=lambda: deque(maxlen=EARLY))

    def forget(self) -> None:
        """Nothing is certain of what waits."""
        self.waiting.clear()
        self.early.clear()


def _is_within(seq: int, takes: int, outer: int, outer_takes: int) -> bool:
    return (seq - outer) % MODULUS + takes <= outer_takes


class Arrivals:
    """Feed it every event of a connection; at the end it names what was dropped."""

    def __init__(self, schema: Schema, gaps: Gaps) -> None:
        self._gaps = gaps
        self._established = schema.numbers_of("state", ESTABLISHED)
        self.kept: Kept[Reached] = Kept(lambda reached: not reached.waiting)
        self._bad: set[Ends] = set()
        self._hears_segments = False

    def feed(self, event: Event, tag: object = None) -> None:
        """The next event, not a mark and not a loss."""
        if event.kind == "bad_checksum":
            if len(self._bad) < MOST_BAD:
                self._bad.add(ends_of(event))
        elif event.kind == "segment":
            self._hears_segments = True
            if event["cookie"] and not event["segment_flags"] & OUTGOING:
                self._passed(event, tag)
        elif event.kind == "ack" and self._hears_segments and event["cookie"]:
            self._met(event)

    def _reached(self, event: Event) -> Reached:
        reached = self.kept.get(event.key) or self.kept.add(
            event.key, Reached(event.key, ends_of(event), self._gaps.number))
        if reached.gaps_before != self._gaps.number:
            reached.forget()
            reached.gaps_before = self._gaps.number
        return reached

    def _passed(self, event: Event, tag: object) -> None:
        takes = segment_length(event["seg_len"], event["seg_flags"])
        if not takes:
            return
        reached = self._reached(event)
        seq, time_ns = event["seg_seq"], event["time_ns"]
        for early in reached.early:
            if _is_within(seq, takes, *early[:2]) and time_ns <= early[2]:
                return
        reached.came += 1
        reached.waiting.append(Arrival(
            reached.came, time_ns, seq, takes, event["rcv_isn"],
            event["state"] in self._established
            and not event["seg_flags"] & (SYN | RST), tag))
        if len(reached.waiting) > MOST_WAITING:
            del reached.waiting[0]

    def _met(self, event: Event) -> None:
        seq = event["seg_seq"]
        takes = segment_length(event["seg_len"], event["seg_flags"])
        if not takes:
            return
        reached = self._reached(event)
        if _count_off(reached, seq, takes) < takes:
            reached.waiting.clear()
            reached.early.append((seq, takes, event["time_ns"] + CLOCKS_NS))

    # ---- what came of it

    @property
    def _tells_all(self) -> bool:
        return not (self._gaps.may_sample_acks
                    or self._gaps.lacks("ack", "bad_checksum"))

    def dropped(self, key: int, end_ns: int) -> list[Arrival]:
        """What came for a connection and never got there, in order."""
        reached = self.kept.get(key)
        if reached is None or not reached.waiting or not self._tells_all \
                or not self._gaps.is_whole_until_known(reached.gaps_before) \
                or len(self._bad) >= MOST_BAD or reached.ends in self._bad:
            return []
        return [one for one in reached.waiting
                if one.is_due and one.number < reached.last_met
                and end_ns - one.time_ns > UNDER_WAY_NS]

    def all_dropped(self, end_ns: int) -> list[Arrival]:
        """The same of all connections."""
        return [one for reached in list(self.kept)
                for one in self.dropped(reached.key, end_ns)]


def _count_off(reached: Reached, seq: int, takes: int) -> int:
    """Take what got there from what waits; how many numbers of it had come."""
    counted = 0
    for place in range(len(reached.waiting) - 1, -1, -1):
        one = reached.waiting[place]
        if not _is_within(one.seq, one.takes, seq, takes):
            continue
        del reached.waiting[place]
        counted += one.takes
        reached.last_met = max(reached.last_met, one.number)
        if counted >= takes:
            break
    return counted


# ---- SYNs

class UnheardSyns:
    """SYNs of no connection that passed IP, and that nothing in TCP told of.

    A listener tells of each one that it gets (`syn`), the host of one that it refuses
    (`reset_sent`) or finds broken (`bad_checksum`); what has a connection with the same
    ends, TIME-WAIT, too, has that one's id and is not looked at.  They are known by where
    they go and their ISN: an input chain may translate where they come from.  What stands
    in a queue for a while (NFQUEUE) is waited for; a SYN-ACK that is of no request is
    somebody's answer in our name (SYNPROXY), or a cookie.

    Each is told to `tell` a second later.  After a gap `forget` is called, and all begins
    anew: what was told of them may be among what is missing.
    """

    def __init__(self, gaps: Gaps, tell: Callable[[Event], None],
                 forget: Callable[[], None]) -> None:
        self._gaps = gaps
        self._tell = tell
        self._forget = forget
        self._gaps_before = gaps.number
        self._came: deque[Event] = deque()
        self._waiting: Counter[Place] = Counter()
        self._heard: Counter[Place] = Counter()

    def feed(self, event: Event) -> None:
        """The next event of a kind of SYN_KINDS."""
        flags = event["seg_flags"] & (SYN | ACK | RST | FIN)
        if event["cookie"] or not flags & SYN:
            return
        if self._gaps_before != self._gaps.number:
            self._begin_anew()
        if event.kind != "segment":
            self._hear(_place_of(event, event["seg_seq"]))
        elif not event["segment_flags"] & OUTGOING:
            if flags == SYN:
                self._take(event)
        elif flags & ACK:
            self._hear(_place_of(event, (event["seg_ack"] - 1) % MODULUS))

    def _begin_anew(self) -> None:
        self._gaps_before = self._gaps.number
        self._came.clear()
        self._waiting.clear()
        self._heard.clear()
        self._forget()

    def _hear(self, place: Place) -> None:
        if self._heard[place] < self._waiting[place]:
            self._heard[place] += 1

    def _take(self, event: Event) -> None:
        self._came.append(event)
        self._waiting[_place_of(event, event["seg_seq"])] += 1
        self._settle(event["time_ns"] - SETTLED_NS)
        if len(self._came) > MOST_SYNS:
            self._is_unheard(self._came.popleft())  # too soon to tell of it

    def _is_unheard(self, event: Event) -> bool:
        place = _place_of(event, event["seg_seq"])
        was_heard = self._heard[place] > 0
        for counts in (self._heard, self._waiting) if was_heard else (self._waiting,):
            counts[place] -= 1
        if not self._waiting[place]:
            del self._waiting[place], self._heard[place]
        return not was_heard

    def _settle(self, until_ns: int) -> None:
        while self._came and self._came[0]["time_ns"] < until_ns:
            event = self._came.popleft()
            if self._is_unheard(event):
                self._tell(event)

    def end(self, end_ns: int) -> bool:
        """Nothing more comes; whether what was told is certain."""
        if self._gaps.lacks(*SYN_KINDS) \
                or not self._gaps.is_whole_until_known(self._gaps_before):
            return False
        self._settle(end_ns - UNDER_WAY_NS)
        return True


Place = tuple[int, bytes, int, int]


def _place_of(event: Event, isn: int) -> Place:
    return event["netns"], event["local_addr"], event["local_port"], isn
