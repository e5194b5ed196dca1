# SPDX-License-Identifier: GPL-2.0
"""Rules on segments too large for the path."""

from typing import Any

from renoscope_lib.explain.finding import TROUBLE, Finding
from renoscope_lib.ring.schema import Event

from .explain_scene import ISN, MSS, Case
from .support import SECOND, number_of

SACK = 1 << number_of("sock_flags", "sack")
TIMESTAMPS = 1 << number_of("sock_flags", "timestamps")
FASTOPEN = 1 << number_of("sock_flags", "fastopen")
SMALL = 100


class BlackHole(Case):
    def timers(self, count: int, *lowered: int, sent: int = MSS, **values: Any) -> list[Event]:
        """Timeouts of one segment; at the last ones the timer lowers the MSS to so much."""
        life, events = self.life, []
        values = {"sock_flags": SACK | TIMESTAMPS, "packets_out": 2, "sacked_out": 1,
                  "snd_nxt": ISN + 1 + MSS + SMALL} | values
        sizes = [MSS] * (count - len(lowered)) + list(lowered)
        for n, (before, mss) in enumerate(zip([MSS, *sizes], sizes)):
            at_s = 1 + 0.2 * 2**n
            events += [life.timeout(at_s, 0.2 * 2**n, n, ca="Loss" if n else "Open",
                                    **values | {"mss": before}),
                       life.again(at_s, "rto", "Loss", seg_len=min(sent, mss),
                                  **values | {"mss": mss})]
        return events

    def told(self, *events: Event) -> Finding | None:
        return self.found(*self.life.opens(), *events, end_s=100).get("mtu-black-hole")

    def test_what_is_smaller_was_sacked(self) -> None:
        finding = self.told(*self.timers(7))
        assert finding is not None
        self.assertEqual(finding.severity, TROUBLE)
        self.assertEqual(finding.sentence, (
            "only full segments are lost: seven timeouts sent one of 1000 bytes again in vain, "
            "and no more were SACKed than were smaller. Most likely the path takes only "
            "smaller ones, and its ICMP messages do not arrive (implied)"))
        self.assertIn("tracepath 10.77.0.2; ping -M do -s 1024 10.77.0.2: does as much go?",
                      finding.next_step)
        self.assertIn("tcp_mtu_probing=1", finding.next_step)
        self.assertIn("backoff 6", finding.evidence[-1])

    def test_without_timestamps_a_header_is_smaller(self) -> None:
        finding = self.told(*self.timers(3, sock_flags=SACK))
        assert finding is not None
        self.assertIn("-s 1012 ", finding.next_step)

    def test_what_came_through_once_the_mss_fell(self) -> None:
        """tcp_mtu_probing() is called by the timer, before it sends again."""
        life = self.life
        fallen = self.timers(5, 536, sacked_out=0)
        ends = life.turn(9, "Loss", "Open", cwnd=5, ssthresh=5, mss=536)
        finding = self.told(*fallen, ends)
        assert finding is not None
        self.assertIn("four timeouts sent one of 1000 bytes again in vain; the MSS fell from 1000 "
                      "to 536 as the timer fired (tcp_mtu_probing, or the route has learnt a "
                      "smaller MTU), and then it came through", finding.sentence)
        self.assertIsNone(self.told(*fallen), "nothing came through yet")
        finding = self.told(*self.timers(5, 536))
        assert finding is not None
        self.assertIn("were smaller; the MSS fell from 1000 to 536", finding.sentence)
        self.assertNotIn("came through", finding.sentence)

    def test_an_mss_that_fell_twice_fell_to_the_smaller_one(self) -> None:
        finding = self.told(*self.timers(6, 900, 536))
        assert finding is not None
        self.assertIn("four timeouts sent one of 1000 bytes again in vain, and", finding.sentence)
        self.assertIn("the MSS fell from 1000 to 536 as", finding.sentence)

    def test_what_else_may_have_been_lost_is_no_black_hole(self) -> None:
        last, sacked = self.timers(4), {"packets_out": 3, "sacked_out": 2,
                                        "snd_nxt": ISN + 1 + 2 * MSS + 9}
        for name, events in (
                ("too few", self.timers(2)),
                ("nothing SACKed", self.timers(4, sacked_out=0)),
                ("more SACKed than were small", self.timers(4, **sacked)),
                ("more SACKed than were small later", [*last[:4],
                                                       *self.timers(4, **sacked)[4:]]),
                ("small ones time out", self.timers(4, sent=MSS - 1)),
                ("a small one times out as well", [*last, *self.timers(5, sent=MSS - 1)[-2:]]),
                ("one came through", [*last[:-2], *(
                    self.life.timeout(9, 1, 3, ca="Loss", snd_una=ISN + 1 + MSS),)]),
                ("one was not seen to go", [*last[:3], *last[4:]]),
                ("its retransmissions were not recorded", last[::2]),
                ("no SACK, but duplicate ACKs", self.timers(4, sock_flags=0))):
            with self.subTest(name):
                self.assertIsNone(self.told(*events))


class WithoutTimeout(Case):
    """Segments go again in Loss, and no timer had fired."""

    def told(self, *before: Event, mss: int = MSS, **values: Any) -> Finding:
        life = self.life
        values = {"cwnd": 10, "mss": mss} | values
        return self.found(
            *before, life.turn(1, "Open", "Loss", **values),
            life.again(1, "loss_recovery", "Loss", 9, **values),
            life.turn(1.1, "Loss", "Open", **values))["path-mtu"]

    def test_a_fall_of_the_mss_is_the_path_mtu(self) -> None:
        finding = self.told(*self.life.opens(), self.life.acked(0.5), mss=900)
        self.assertEqual(finding.sentence, (
            "9 segments sent again with no timeout before: they had become too large for the "
            "path; the MSS fell from 1000 to 900, as an ICMP message tells of a smaller MTU "
            "(implied)"))
        self.assertEqual(finding.gist, "the path's MTU shrank (implied)")
        self.assertIn("ip route get", finding.next_step)

    def test_without_a_fall_a_probe_was_lost(self) -> None:
        finding = self.told(*self.life.opens(), self.life.acked(0.5))
        self.assertIn("before: the MSS stayed, so a probe for a larger MTU was lost "
                      "(tcp_mtu_probing, implied)", finding.sentence)
        self.assertEqual(finding.gist, "a probe for a larger MTU was lost (implied)")

    def test_of_an_mss_that_grew_no_cause_is_known(self) -> None:
        finding = self.told(*self.life.opens(), self.life.acked(0.5), mss=1100)
        self.assertIn("or Fast Open's data was not taken", finding.sentence)
        self.assertEqual(finding.gist, "")

    def test_with_only_the_syn_acknowledged_it_is_fast_opens_data(self) -> None:
        flags = {"sock_flags": FASTOPEN}
        finding = self.told(*self.life.opens(), **flags)
        self.assertIn("before: Fast Open's data was not taken (implied)", finding.sentence)
        self.setUp()
        finding = self.told(*self.life.opens(), self.life.acked(0.5), **flags)
        self.assertNotIn("Fast Open", finding.sentence, "what came later")
        self.setUp()
        finding = self.told(*self.life.opens(), mss=900, **flags)
        self.assertNotIn("Fast Open", finding.sentence, "an ICMP message came for it")

    def test_what_the_mss_was_before_something_was_not_seen_is_not_known(self) -> None:
        mark = self.scene.event("mark", SECOND // 2, kinds_on=(1 << 60) - 1,
                                mark_cause=number_of("mark_cause", "events"))
        finding = self.told(*self.life.opens(), self.life.acked(0.4), mark, mss=900)
        self.assertIn("(its MTU shrank), a probe for a larger MTU was lost (tcp_mtu_probing), "
                      "or Fast Open's data was not taken", finding.sentence)
        self.assertEqual(finding.gist, "")
