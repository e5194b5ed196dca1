# SPDX-License-Identifier: GPL-2.0
"""One connection's life in events, as much of it as a rule needs.

Times are in seconds.  What is not given stands as in a connection that does well:
ESTABLISHED, Open, cwnd 10, a round trip of 40 ms, nothing on its way.
"""

from __future__ import annotations

import unittest
from typing import Any

from renoscope_lib.explain.explain import Explained
from renoscope_lib.explain.finding import RULES, Finding, Report
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.wanted import Filter

from . import support
from .support import ACK, SECOND, SYN, Scene, feed, number_of

ISN = 1000
PEER_ISN = 5000
MSS = 1000


def without(*kinds: str) -> str:
    """The parameter that records every kind but these."""
    return ",".join(kind for kind in support.schema().kinds.values()
                    if kind not in (*kinds, "lost", "mark"))


def findings(view: Explained, end_ns: int | None = None,
             wanted: Filter = Filter()) -> list[Finding]:
    """Everything found, connection by connection."""
    return [finding for report in view.reports(end_ns, wanted)
            for finding in report.findings]


class Life:
    """Makes the events of one connection."""

    def __init__(self, scene: Scene | None = None, cookie: int = 5,
                 port: int = 40112) -> None:
        self.scene = scene or Scene()
        self.cookie = cookie
        self.port = port
        self.snd_una = self.snd_nxt = ISN + 1
        self.rcv_nxt = PEER_ISN + 1

    def event(self, kind: str, at_s: float, state: str = "ESTABLISHED",
              ca: str = "Open", **values: Any) -> Event:
        """One event; the numbers stand where the life has brought them."""
        whole = {
            "state": number_of("state", state), "cookie": self.cookie,
            "ca_state": number_of("ca_state", ca), "local_port": self.port,
            "snd_isn": ISN, "rcv_isn": PEER_ISN, "snd_una": self.snd_una,
            "snd_nxt": self.snd_nxt, "rcv_nxt": self.rcv_nxt, "mss": MSS,
            "cwnd": 10, "ssthresh": 2**31 - 1, "srtt_us": 40_000,
            "min_rtt_us": 40_000, "rto_us": 240_000, "snd_wnd": 64_000,
            "rcv_wnd": 64_000}
        return self.scene.event(kind, round(at_s * SECOND), **whole | values)

    def change(self, at_s: float, old: str, new: str, **values: Any) -> Event:
        """A change of state."""
        return self.event("state", at_s, new, old_state=number_of("state", old),
                          **values)

    def connects(self, at_s: float = 0, **values: Any) -> Event:
        """connect() is called."""
        return self.change(at_s, "CLOSED", "SYN-SENT", srtt_us=0,
                           rto_us=1_000_000, rcv_isn=0, **values)

    def syn_again(self, at_s: float, waited_s: float) -> Event:
        """The SYN's timer has fired."""
        return self.event("retransmit", at_s, "SYN-SENT", seg_flags=SYN,
                          seg_seq=ISN, rto_us=round(waited_s * 1e6), rcv_isn=0,
                          retransmit_cause=number_of("retransmit_cause", "syn"))

    def misfit(self, at_s: float) -> Event:
        """A SYN was answered for an older connection: a RST goes back, and nothing ends."""
        return self.event("reset_sent", at_s, "SYN-SENT", seg_seq=555_555, seg_ack=ISN - 1000,
                          seg_flags=ACK, rcv_isn=0)

    def opens(self, at_s: float = 0, took_s: float = 0.04) -> list[Event]:
        """A handshake as it should be."""
        return [self.connects(at_s),
                self.change(at_s + took_s, "SYN-SENT", "ESTABLISHED")]

    def acked(self, at_s: float, sent: int = MSS, **values: Any) -> Event:
        """So much was sent; now its ACK comes."""
        self.snd_nxt += sent
        event = self.event(
            "ack", at_s, seg_flags=ACK, seg_seq=self.rcv_nxt,
            seg_ack=self.snd_nxt, seg_window=500,
            **{"packets_out": -(-sent // MSS)} | values)
        self.snd_una = self.snd_nxt
        return event

    def gets(self, at_s: float, size: int = MSS, **values: Any) -> Event:
        """Data comes."""
        event = self.event("ack", at_s, seg_flags=ACK, seg_seq=self.rcv_nxt,
                           seg_ack=self.snd_nxt, seg_len=size, seg_window=500,
                           **values)
        self.rcv_nxt += size
        return event

    def closes(self, at_s: float) -> list[Event]:
        """We close first, the peer at once."""
        return [self.change(at_s, "ESTABLISHED", "FIN-WAIT-1"),
                self.change(at_s + 0.04, "FIN-WAIT-1", "FIN-WAIT-2"),
                self.event("time_wait", at_s + 0.041, "TIME-WAIT",
                           time_wait_step=number_of("time_wait_step", "started"),
                           time_wait_us=60_000_000)]

    def turn(self, at_s: float, old: str, new: str, **values: Any) -> Event:
        """The congestion state changes."""
        return self.event("ca_state", at_s, ca=new,
                          old_ca_state=number_of("ca_state", old), **values)

    def timeout(self, at_s: float, waited_s: float, backoff: int = 0,
                **values: Any) -> Event:
        """The retransmission timer fires."""
        return self.event("rto", at_s, rto_us=round(waited_s * 1e6),
                          backoff=backoff, **{"packets_out": 1} | values)

    def again(self, at_s: float, cause: str, ca: str = "Open", segs: int = 1,
              **values: Any) -> Event:
        """Segments go again."""
        return self.event("retransmit", at_s, ca=ca, **{
            "seg_flags": ACK, "retransmit_segs": segs, "seg_seq": self.snd_una,
            "retransmit_cause": number_of("retransmit_cause", cause)} | values)

    def window(self, at_s: float, change: str, side: str = "peer") -> Event:
        """A window closes or opens."""
        size = 64_000 if change == "opened" else 0
        return self.event(
            "zero_window", at_s, seg_flags=ACK, seg_window=size >> 7,
            window_side=number_of("window_side", side),
            window_change=number_of("window_change", change),
            **{"snd_wnd" if side == "peer" else "rcv_wnd": size})

    def reset_received(self, at_s: float, state: str = "ESTABLISHED",
                       **values: Any) -> Event:
        """A RST comes."""
        return self.event("reset_received", at_s, state, seg_flags=4, **values)


class Case(unittest.TestCase):
    """Asks what is found of events."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.life = Life(self.scene)

    def explained(self, *events: Event, **parameters: str) -> Explained:
        """The view, fed."""
        view = Explained(support.schema())
        view.gaps.begin(parameters)
        explained: Explained = feed(view, *events)
        return explained

    def reports(self, *events: Event, end_s: float | None = None,
                **parameters: str) -> list[Report]:
        """What is found, by connection."""
        return list(self.explained(*events, **parameters).reports(
            self.end_ns(end_s)))

    def end_ns(self, end_s: float | None) -> int | None:
        """When watching ended."""
        return (None if end_s is None
                else self.scene.start_ns + round(end_s * SECOND))

    def found(self, *events: Event, end_s: float | None = None,
              **parameters: str) -> dict[str, Finding]:
        """What is found of all, by rule."""
        findings = {}
        for report in self.reports(*events, end_s=end_s, **parameters):
            for finding in report.findings:
                self.assertIn(finding.rule, RULES)
                self.assertTrue(finding.sentence)
                findings[finding.rule] = finding
        return findings

    def assert_healthy(self, *events: Event, end_s: float | None = None) -> None:
        """Nothing but good is found, of any connection."""
        for report in self.reports(*events, end_s=end_s):
            self.assertTrue(report.is_fine, report)
            self.assertIn("healthy", [f.rule for f in report.findings])
