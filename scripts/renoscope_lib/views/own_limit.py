# SPDX-License-Identifier: GPL-2.0
"""Whether our own receive window held the peer back, short of zero.

What comes within a round trip was sent before any answer to the first of it could
arrive: under the window that we had advertised by then.  So time is cut into round trips
of the shortest length that was measured; where the peer used its window up in one, all but
a little, it could have sent no more.

The window's right edge is rcv_wup + rcv_wnd, and rcv_wup, which is not recorded, is
rcv_nxt or lies a little before: so the edge is reckoned too far to the right, and the
window filled too seldom.  What comes from behind that edge shows that the peer has heard
more: then a round trip takes less than was measured, and that one proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ring.schema import Event, Schema
from ..tcp.flows import scales_windows
from ..tcp.kept import Kept, Packable
from ..tcp.sequence import MODULUS, RST, SYN, is_after, relative, segment_length
from ..tcp.tcp_states import CLOSED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, TIME_WAIT
from .gaps import Gaps

# So little room counts as none: two segments, as the second waits for its ACK and a
# third does not fit (or an eighth of the window, as round trips differ), and never more
# than half.
SEGMENTS_LEFT = 2
PART_LEFT = 8
LEAST_PART_FILLED = 2


@dataclass(slots=True)
class OwnWindow(Packable):
    """How far the peer filled our window, by round trip."""

    gaps_before: int
    began_ns: int | None = None     # of the round trip that lasts
    lasts_ns: int = 0
    first: int = 0                  # numbers: what was due when it began,
    reach: int = 0                  # and what has come since
    window: int = 0
    segment: int = 0
    busy_ns: int = 0
    filled_ns: int = 0
    filled_at_ns: int | None = None
    least: int = 0
    most: int = 0
    scales: bool = True
    is_over: bool = False


class OwnLimit:
    """Feed it joined events."""

    def __init__(self, schema: Schema, gaps: Gaps) -> None:
        self._schema = schema
        self._gaps = gaps
        self._reading = schema.numbers_of("state", ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2)
        self._over = schema.numbers_of("state", CLOSED, TIME_WAIT)
        self.kept: Kept[OwnWindow] = Kept(lambda flow: flow.is_over)

    def feed(self, event: Event) -> None:
        """The next event, not a mark and not a loss."""
        if event.kind == "ack":
            if event["cookie"] and event["state"] in self._reading:
                self._comes(event)
        elif event.kind == "state" and event["state"] in self._over:
            flow = self.kept.get(event.key)
            if flow is not None:
                flow.is_over = True

    def _comes(self, event: Event) -> None:
        takes = segment_length(event["seg_len"], event["seg_flags"])
        end = (event["seg_seq"] + takes) % MODULUS
        if not takes or event["seg_flags"] & (SYN | RST) \
                or not is_after(end, event["rcv_nxt"]):
            return
        flow = self.kept.get(event.key) or self.kept.add(
            event.key, OwnWindow(self._gaps.number))
        if flow.gaps_before != self._gaps.number:
            flow.gaps_before = self._gaps.number
            flow.began_ns = None
        if flow.began_ns is not None and event["time_ns"] - flow.began_ns >= flow.lasts_ns:
            self._judge(flow, event)
            flow.began_ns = None
        if flow.began_ns is None:
            self._begin(flow, event, end)
        elif is_after(end, flow.reach):
            flow.reach = end

    @staticmethod
    def _begin(flow: OwnWindow, event: Event, end: int) -> None:
        """A window of zero lets nothing come but probes."""
        if not event["rcv_wnd"]:
            return
        flow.began_ns = event["time_ns"]
        flow.lasts_ns = event["min_rtt_us"] * 1000
        flow.first, flow.reach = event["rcv_nxt"], end
        flow.window, flow.segment = event["rcv_wnd"], event["mss"]

    def _judge(self, flow: OwnWindow, event: Event) -> None:
        flow.busy_ns += flow.lasts_ns
        came = relative(flow.reach, flow.first)
        left = flow.window - came
        little = min(max(SEGMENTS_LEFT * flow.segment, flow.window // PART_LEFT + 1),
                     flow.window // LEAST_PART_FILLED)
        if not 0 <= left < little:
            return
        flow.filled_ns += flow.lasts_ns
        if flow.filled_at_ns is None:
            flow.filled_at_ns = flow.began_ns
        flow.least = min(flow.least or flow.window, flow.window)
        flow.most = max(flow.most, flow.window)
        flow.scales = scales_windows(self._schema, event)
