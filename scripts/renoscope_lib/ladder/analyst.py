# SPDX-License-Identifier: GPL-2.0
"""What an analyst says of each segment, as Wireshark does.

Both directions are followed in the order of the ladder: that of sending where the
sender was recorded, otherwise that of arrival.  In the order of sending, numbers
that come a second time were sent again.  In the order of arrival they may also have
been overtaken; then timestamps decide, where there are any.  Of what an end sent unseen
that tells of all it sends, as before recording began, no order is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..tcp.kept import remember
from ..tcp.sequence import ACK, FIN, MODULUS, RST, SYN, is_after
from ..words import plural
from .rungs import SHAPE, Rung, is_before

# Remembered of one direction: segments by their numbers, and gaps in what came.
MOST_OUTSTANDING = 10_000
MOST_GAPS = 64

# No window reaches further back (RFC 7323, 2.3).
MOST_UNSEEN = 1 << 30


@dataclass(slots=True)
class _Gap:
    """Numbers that have not come yet, and the timestamp of what showed it."""

    left: int
    right: int
    stamp: int | None


@dataclass(slots=True)
class _Way:
    """One direction so far."""

    next: int | None = None
    ack: int | None = None
    window: int | None = None
    repeats: int = 0
    asked: bool = False
    gaps: list[_Gap] = field(default_factory=list)
    outstanding: deque[Rung] = field(
        default_factory=lambda: deque(maxlen=MOST_OUTSTANDING))
    latest: dict[int, Rung] = field(default_factory=dict)


def _stamp(rung: Rung) -> int | None:
    options = rung.options
    return options.timestamps[0] if options and options.timestamps else None


class Analyst:
    """Give it every new rung in order; it marks them.

    `scaled` says what a window field of a direction stands for, None where the
    scale is not known.  With `one_way` a socket talks to itself: its segments
    acknowledge its own.
    """

    def __init__(self, scaled: Callable[[int, int], int | None]) -> None:
        self._ways = (_Way(), _Way())
        self._scaled = scaled
        self.one_way = False
        self.tells_of_sending = [False, False]
        self.again = 0

    def see(self, rung: Rung) -> None:
        """The next rung."""
        way = self._ways[rung.way]
        other = way if self.one_way else self._ways[1 - rung.way]
        is_ask = self._see_asking(rung, way)
        if not is_ask:
            self._see_repetition(rung, way)
            self._see_window(rung, way, other)
        self._see_ack(rung, way, other)
        self._advance(rung, way)
        way.asked = is_ask

    # ---- numbers

    @staticmethod
    def _see_asking(rung: Rung, way: _Way) -> bool:
        """Keepalives and Linux's window probes bear the number before the next."""
        asks = (not rung.length and not rung.flags & SHAPE
                and way.next is not None
                and rung.seq == (way.next - 1) % MODULUS)
        if asks:
            rung.mark("keepalive", "asks whether the peer is there: keepalive "
                      "or window probe")
        return asks

    def _see_repetition(self, rung: Rung, way: _Way) -> None:
        rung.crosses = self._crosses(rung, way)
        if way.next is None or not rung.takes or rung.crosses:
            return
        if rung.sent_ns is None:
            if not self.tells_of_sending[rung.way]:
                self._see_order(rung, way)
        elif is_before(rung.seq, way.next):
            self._mark_again(rung, way)

    @staticmethod
    def _crosses(rung: Rung, way: _Way) -> bool:
        """In a simultaneous open the SYN goes once more, with its ACK of the other's."""
        first = way.latest.get(rung.seq)
        return (first is not None and bool(first.flags & rung.flags & SYN)
                and not first.flags & ACK and bool(rung.flags & ACK))

    def _mark_again(self, rung: Rung, way: _Way) -> None:
        self.again += not rung.again
        rung.again = True
        first = way.latest.get(rung.seq)
        if first is not None and first is not rung:
            rung.original = first.original or first
            first.sent_twice = True
        words = "sent again"
        if rung.original is not None:
            words += f", as {rung.original.number}"
        rung.mark("retransmission", words)

    def _see_order(self, rung: Rung, way: _Way) -> None:
        """In the order of arrival, what came before may also have overtaken."""
        expected = way.next
        assert expected is not None
        if is_after(rung.seq, expected):
            missing = (rung.seq - expected) % MODULUS
            rung.mark("gap", f"{plural(missing, 'byte')} before it "
                      f"{'has' if missing == 1 else 'have'} not come")
            way.gaps.append(_Gap(expected, rung.seq, _stamp(rung)))
            del way.gaps[:-MOST_GAPS]
        elif is_before(rung.seq, expected):
            gap = next((g for g in way.gaps if not is_before(rung.seq, g.left)
                        and is_before(rung.seq, g.right)), None)
            if gap is None:
                self._mark_again(rung, way)
                return
            self._fill(rung, way, gap)

    def _fill(self, rung: Rung, way: _Way, gap: _Gap) -> None:
        way.gaps.remove(gap)
        if is_before(rung.after, gap.right):
            way.gaps.append(_Gap(rung.after, gap.right, gap.stamp))
        if is_before(gap.left, rung.seq):
            way.gaps.append(_Gap(gap.left, rung.seq, gap.stamp))
        stamp = _stamp(rung)
        if stamp is None or gap.stamp is None:
            rung.mark("fills_gap", "fills a gap: sent again, or overtaken")
        elif is_after(stamp, gap.stamp):
            rung.mark("fills_gap", "fills a gap: sent again")
            rung.again = True
            self.again += 1
        else:
            rung.mark("out_of_order", "fills a gap: overtaken on the way")

    @staticmethod
    def _advance(rung: Rung, way: _Way) -> None:
        """What is expected next, and what waits to be acknowledged."""
        if rung.flags & RST:
            return
        if way.next is None and rung.sent_ns is None and not rung.flags & SYN:
            # it may itself have overtaken what was sent before
            way.gaps.append(_Gap((rung.seq - MOST_UNSEEN) % MODULUS, rung.seq, _stamp(rung)))
        if way.next is None or is_after(rung.after, way.next) \
                or rung.flags & SYN and not rung.again:
            way.next = rung.after
        if rung.takes:
            way.outstanding.append(rung)
            way.latest.pop(rung.seq, None)
            remember(way.latest, rung.seq, rung, MOST_OUTSTANDING)

    # ---- windows

    def _see_window(self, rung: Rung, way: _Way, other: _Way) -> None:
        if rung.flags & SHAPE or rung.window is None:
            return
        if rung.length and other.window is not None and other.ack is not None:
            room = self._scaled(1 - rung.way, other.window)
            if room and rung.after == (other.ack + room) % MODULUS:
                rung.mark("window_full", "fills the peer's window")
        if not rung.window:
            rung.mark("zero_window", "window of zero")
        elif not rung.length and way.ack == rung.ack and rung.seq == way.next \
                and way.window is not None and way.window != rung.window:
            rung.mark("window_update", "window update" if way.window else
                      "window update: it was zero")

    # ---- acknowledgments

    def _see_ack(self, rung: Rung, way: _Way, other: _Way) -> None:
        if rung.ack is None or rung.flags & RST \
                or rung.window is None and not rung.flags & SYN:
            return  # or the socket's own view: that ACK is not news
        if way.ack is None or is_after(rung.ack, way.ack):
            self._acknowledge(rung, other)
            way.repeats = 0
        elif self._repeats(rung, way, other):
            way.repeats += 1
            rung.mark("duplicate_ack", f"duplicate ACK #{way.repeats}")
        if way.ack is None or not is_before(rung.ack, way.ack):
            way.ack = rung.ack
            if rung.window is not None:
                way.window = rung.window

    @staticmethod
    def _repeats(rung: Rung, way: _Way, other: _Way) -> bool:
        """As Wireshark has it; what answers a keepalive or probe is none."""
        if rung.length or rung.flags & SHAPE or rung.ack != way.ack \
                or rung.seq != way.next:
            return False
        if other.asked:
            rung.mark("keepalive_ack", "answers the probe")
            return False
        return bool(rung.window) and rung.window == way.window

    @staticmethod
    def _acknowledge(rung: Rung, other: _Way) -> None:
        assert rung.ack is not None
        newest, count = None, 0
        while other.outstanding and not is_after(other.outstanding[0].after,
                                                 rung.ack):
            first = other.outstanding.popleft()
            count += not (first.again or first.crosses)
            if newest is None or is_after(first.after, newest.after):
                newest = first
        if newest is None:
            # a part of a larger one, which was sent again by itself
            newest = next((part for part in reversed(other.outstanding)
                           if part.after == rung.ack), None)
        if newest is None:
            return
        newest = _sent_last(newest, other)
        rung.acks = newest.number
        rung.acks_what = ("SYN" if newest.flags & SYN else
                          "FIN" if newest.flags & FIN else "")
        rung.acks_several = count > 1
        rung.acked_sent_ns = newest.sent_ns
        rung.acked_received_ns = newest.received_ns
        rung.acked_again = newest.again or newest.sent_twice or newest.crosses


def _sent_last(rung: Rung, way: _Way) -> Rung:
    """Of a segment sent more than once, the last one."""
    later = way.latest.get(rung.seq)
    if later is not None and later.after == rung.after:
        return later
    return rung
