# SPDX-License-Identifier: GPL-2.0
"""Rules on losses, windows and pace: each with its fault, and nearly with it."""

import errno
from collections.abc import Iterator
from typing import Any
from unittest import mock

from renoscope_lib.explain.finding import FINE, NOTEWORTHY, RULES, TROUBLE, Finding
from renoscope_lib.ring.schema import Event
from renoscope_lib.views import losses

from . import support
from .explain_scene import ISN, MSS, PEER_ISN, Case, Life, findings, without
from .support import ACK, FIN, SYN, number_of

ECE = 0x40
ECN = 1 << number_of("sock_flags", "ecn")

UNTIL_S = 0.04                  # a life's handshake is over then


def cause(name: str) -> int:
    return number_of("reno_cause", name)


class Losses(Case):
    def sender(self, *events: Event, end_s: float | None = None
               ) -> dict[str, Finding]:
        return self.found(*self.life.opens(), *events, end_s=end_s)

    def backing_off(self, count: int, first_s: float = 0.2) -> list[Event]:
        """Timeouts in a row, each wait twice the one before."""
        life, at_s, events = self.life, 1.0, []
        for n in range(count):
            at_s += first_s * 2**n
            speed = {"cwnd": 10 if not n else 1}
            events.append(life.timeout(at_s, first_s * 2**n, n, ca=(
                "Open" if not n else "Loss"), **speed))
            if not n:
                events.append(life.turn(at_s, "Open", "Loss", cwnd=1, ssthresh=5))
            events.append(life.again(at_s, "rto", "Loss", cwnd=1, ssthresh=5,
                                     packets_out=1))
        return events

    def test_timeouts_tell_their_waiting_and_backoff(self) -> None:
        finding = self.sender(*self.backing_off(7), end_s=40)["timeouts"]
        self.assertEqual((finding.severity, finding.cost_us, finding.gist),
                         (TROUBLE, 25_400_000, "several timeouts"))
        self.assertIn("seven retransmission timeouts, 25.4 s of waiting in all; "
                      "backoff up to 12.8 s (doubled 6 times): no ACK for the "
                      "oldest segment meanwhile; not recovered when watching ended",
                      finding.sentence)
        self.assertIn("at 1.200 s the timer fired after 200 ms, backoff 0, "
                      "no ACK for seq=1", finding.evidence)

    def sent_by(self, *again: dict[str, Any] | None) -> Finding:
        """The finding on one timeout after another; None is one that sent nothing."""
        life, events = self.life, []
        for n, sent in enumerate(again):
            events.append(life.timeout(1 + n, 0.2, n, ca="Loss" if n else "Open"))
            if sent is not None:
                events.append(life.again(1 + n, **{
                    "cause": "rto", "ca": "Loss"} | sent))
        return self.sender(*events, end_s=20)["timeouts"]

    def test_what_the_timer_sent_again_is_named(self) -> None:
        for sent, told in (
                ({"seg_len": MSS}, "data"),
                ({"seg_flags": ACK | FIN}, "the FIN"),
                ({"seg_len": 1, "seg_flags": ACK | FIN}, "data with the FIN"),
                ({"seg_flags": SYN}, "the SYN"),
                ({"seg_flags": SYN | ACK}, "the SYN-ACK"),
                ({"seg_len": 1, "cause": "zero_window"}, "a zero-window probe")):
            with self.subTest(told):
                finding = self.sent_by(sent)
                self.assertIn(f"one retransmission timeout that sent {told} again, "
                              "200 ms", finding.sentence)
                self.assertIn(f"no ACK for seq=1, sent again: {told}",
                              finding.evidence[0])

    def test_what_timers_sent_again_is_counted(self) -> None:
        data, fin = {"seg_len": MSS}, {"seg_flags": ACK | FIN}
        for sent, told in (
                ([data, data], "timeouts that sent data again, 4"),
                ([data, fin, data], "timeouts that sent data (twice) and the FIN (once) "
                 "again, 6"),
                ([data, None], "timeouts that sent data (once) and what was not seen "
                 "(once) again, 4"),
                ([None, None], "timeouts, 4")):
            with self.subTest(told):
                self.assertIn(told, self.sent_by(*sent).sentence)

    def test_a_timer_that_gives_up_sends_nothing(self) -> None:
        for gives_up, told in (
                (True, "three retransmission timeouts that sent data again, the last of "
                       "which gave the connection up, 1.4 s"),
                (False, "sent data (twice) again, 1.4 s")):
            with self.subTest(told):
                self.setUp()
                life = self.life
                events = [*self.backing_off(2), life.timeout(3, 0.8, 2, ca="Loss")]
                for event in events:
                    if event.kind == "retransmit":
                        event.values["seg_len"] = MSS
                if not gives_up:
                    events.append(life.event("ack", 3.5, ca="Loss", seg_flags=ACK))
                finding = self.sender(*events, life.change(
                    4, "ESTABLISHED", "CLOSED", ca="Loss", retransmits=2))["timeouts"]
                self.assertIn(told, finding.sentence)
                self.assertEqual(finding.evidence[-1].endswith("seq=1: given up"), gives_up)

    def unsent(self, *timers: tuple[float, int], then: str = "ack",
               rto_us: int = 200_000, **parameters: str) -> Finding:
        """Timers that fire so late with such a backoff, and no retransmission is told of."""
        life = self.life
        events = [life.timeout(at_s, (rto_us << n) / 1e6, n, ca="Loss" if at_s > 1 else "Open")
                  for at_s, n in timers]
        if then:
            events.append(life.event(then, timers[-1][0] + 0.1, ca="Loss", seg_flags=ACK))
        return self.found(*life.opens(), *events, end_s=20, **parameters)["timeouts"]

    def given_up(self, *events: Event) -> Finding:
        life = self.life
        return self.sender(*events, life.change(
            2.6, "ESTABLISHED", "CLOSED", snd_nxt=life.snd_nxt + 9, ca="Loss", retransmits=3),
            life.event("error", 2.6, "CLOSED", sk_error=errno.ETIMEDOUT))["timed-out"]

    def none_leaves(self) -> list[Event]:
        """Four timeouts, and nothing goes."""
        return [self.life.timeout(1 + 0.2 * 2**n, 0.2 * 2**n, n, ca="Loss" if n else "Open")
                for n in range(4)]

    def test_one_given_up_for_that_blames_nobody_else(self) -> None:
        """One retransmission that went, and the peer may be silent, too."""
        for goes in (False, True):
            self.setUp()
            events = self.none_leaves()
            if goes:
                events.insert(1, self.life.again(1.2, "rto", "Loss"))
            found = self.given_up(*events)
            with self.subTest(goes=goes):
                self.assertEqual("what was to be sent again never left this host"
                                 in found.sentence, not goes)
                self.assertEqual("OUTPUT" in found.next_step, not goes)
                self.assertEqual("ping" in found.next_step, goes)

    def test_what_is_not_known_of_every_timeout_blames_the_peer_as_well(self) -> None:
        """Of so many that not all are kept, or of none at all."""
        never = "what was to be sent again never left this host"
        with mock.patch.object(losses, "KEPT", 3):
            self.assertNotIn(never, self.given_up(*self.none_leaves()).sentence)
        self.setUp()
        self.assertNotIn(never, self.given_up(
            self.life.turn(1, "Open", "Loss", cwnd=10)).sentence)

    def test_what_did_not_leave_this_host_is_told(self) -> None:
        """NF_DROP in OUTPUT: an error, no tracepoint, and the backoff grows."""
        growing = [(1 + 0.2 * 2**n, n) for n in range(5)]
        finding = self.unsent(*growing, then="")
        self.assertIn("meanwhile; not recovered when watching ended. What was to be sent "
                      "again did not leave this host at 4 of 5: most likely the output "
                      "firewall dropped it, there was no route or what was sent before still "
                      "stood in a queue of this host's", finding.sentence)
        self.assertIn("nft list ruleset (or iptables -vnL OUTPUT)", finding.next_step)
        self.assertIn("renoscope losses", finding.next_step)
        self.assertIn("no ACK for seq=1, and nothing went out", finding.evidence[0])
        self.assertNotIn("nothing", finding.evidence[-1], "watching ended: not known")
        self.setUp()
        finding = self.unsent(*growing)
        self.assertIn("did not leave this host: most likely the output firewall dropped it, a "
                      "queue was full", finding.sentence, "after the last an ACK came")
        self.assertEqual(finding.gist, "what was to be sent again did not leave this host")

    def test_a_full_queue_keeps_the_backoff(self) -> None:
        """TCP_RESOURCE_PROBE_INTERVAL, whatever the RTO."""
        words = "did not leave this host at 2 of 3: a queue of its own had no room (implied)"
        half = (1, 0), (1.502, 0), (2.004, 0)
        self.assertIn(words, self.unsent(*half, then="").sentence)
        for timers, rto_us in (((*half[:2], (1.702, 0)), 200_000), (half, 500_000),
                               ((*half[:2], (2.502, 0)), 200_000)):
            self.setUp()
            self.assertNotIn("(implied)", self.unsent(*timers, then="", rto_us=rto_us).sentence,
                             "a thin stream's backoff does not grow either")

    def test_a_backoff_that_is_kept_may_be_a_full_queues_or_a_thin_streams(self) -> None:
        finding = self.unsent((1, 0), (1.2, 0), (1.4, 0), then="")
        self.assertIn("most likely the output firewall dropped it, a queue was full,",
                      finding.sentence)

    def test_nothing_is_said_to_have_stayed_where_it_may_have_gone_unseen(self) -> None:
        for parameters in ({"events": without("retransmit")},
                           {"filter": "state=ESTABLISHED"}):
            with self.subTest(parameters):
                self.setUp()
                finding = self.unsent((1, 0), (1.4, 1), **parameters)
                self.assertNotIn("leave", finding.sentence)
                self.assertNotIn("OUTPUT", finding.next_step)
        self.setUp()
        life = self.life
        finding = self.sender(life.timeout(1, 0.2), life.scene.event("lost", lost_events=1),
                              life.timeout(1.4, 0.4, 1, ca="Loss"), end_s=20)["timeouts"]
        self.assertNotIn("leave", finding.sentence)

    def test_what_arrived_after_all_had_not_left_yet(self) -> None:
        life = self.life
        found = self.sender(life.timeout(1, 0.2), life.turn(
            1, "Open", "Loss", cwnd=1, ssthresh=5), life.event(
                "ack", 1.3, ca="Loss", cwnd=1, ssthresh=5, seg_flags=ACK),
            life.turn(1.3, "Loss", "Open", cwnd=10))
        self.assertIn("did not leave this host: most likely what was sent before still stood "
                      "in a queue of this host's", found["timeouts"].sentence)
        self.assertEqual(found["timeouts"].gist, "timeouts for nothing: the data had arrived")

    def test_what_a_timer_sent_is_not_guessed(self) -> None:
        """Not from what goes by itself in Loss, nor from what goes after a loss."""
        life = self.life
        data = {"seg_len": MSS}
        finding = self.sent_by(data | {"cause": "loss_recovery"})
        self.assertIn("timeout, 200 ms", finding.sentence)
        finding = self.sender(
            life.timeout(1, 0.2), life.scene.event("lost", lost_events=1),
            life.again(1.5, "rto", "Loss", **data), end_s=20)["timeouts"]
        self.assertIn("timeout, 200 ms", finding.sentence)

    def test_one_short_timeout_is_no_trouble(self) -> None:
        found = self.sender(*self.backing_off(1), self.life.turn(
            1.3, "Loss", "Open", cwnd=5, ssthresh=5))
        self.assertEqual(found["timeouts"].severity, NOTEWORTHY)
        self.assertIn("one retransmission timeout, 200 ms of waiting: no ACK for the oldest "
                      "segment meanwhile",
                      found["timeouts"].sentence)
        self.assertNotIn("not recovered", found["timeouts"].sentence)

    def test_an_undone_timeout_was_for_nothing(self) -> None:
        """ssthresh comes back: the kernel has undone it."""
        found = self.sender(*self.backing_off(1), self.life.turn(
            1.3, "Loss", "Open", cwnd=10))
        self.assertIn("for nothing, the segments were late or reordered, or their ACKs were "
                      "lost or late", found["timeouts"].sentence)
        self.assertIn("one reduction of cwnd undone", found["spurious"].sentence)
        self.assertNotIn("cwnd-collapsed", found)

    def test_a_lost_syn_is_no_timeout_of_this_rule(self) -> None:
        life = self.life
        found = self.found(
            life.connects(),
            life.timeout(1, 1, state="SYN-SENT"),
            life.syn_again(1, 1), life.change(1.04, "SYN-SENT", "ESTABLISHED"))
        self.assertEqual(list(found), ["connect-slow"])

    def recovery(self, at_s: float, segs: int, before: int = 24,
                 undone: bool = False, duplicates: int = 3) -> list[Event]:
        life, half = self.life, before // 2
        return [life.event("ack", at_s, cwnd=before, seg_flags=ACK,
                           seg_ack=life.snd_nxt, seg_seq=life.rcv_nxt),
                life.turn(at_s, "Open", "Recovery", cwnd=before, ssthresh=half,
                          sacked_out=duplicates, lost_out=segs),
                life.again(at_s, "fast_retransmit", "Recovery", segs,
                           cwnd=half, ssthresh=half),
                life.turn(at_s + 0.04, "Recovery", "Open", cwnd=half,
                          ssthresh=before if undone else half),
                life.event("ack", at_s + 0.05, seg_flags=ACK, ssthresh=half,
                           cwnd=before if undone else half,
                           seg_ack=life.snd_nxt, seg_seq=life.rcv_nxt)]

    def destroyed(self, data_segs_out: int, acks: int = 0) -> Event:
        return self.life.event("destroy", 9, "CLOSED", data_segs_out=data_segs_out,
                               segs_out=data_segs_out + acks)

    def test_a_repaired_loss_tells_its_share_and_the_cut(self) -> None:
        found = self.sender(*self.recovery(1, 2), self.destroyed(1000))
        finding = found["losses"]
        self.assertEqual(finding.severity, NOTEWORTHY)
        self.assertEqual(finding.sentence, (
            "two segments sent again (0.2% of 1000 segments with data), by fast retransmit; cwnd "
            "was cut once, from 24 to 12"))
        self.assertIn("at 1.000 s fast recovery (3 duplicate ACKs or SACKed segments), "
                      "2 segments sent again, cwnd 24 -> 12", finding.evidence)
        self.assertNotIn("cwnd-collapsed", found, "halved, as it should be")

    def test_one_of_each_is_told_in_the_singular(self) -> None:
        found = self.sender(*self.recovery(1, 1, duplicates=1))
        self.assertIn("at 1.000 s fast recovery (1 duplicate ACK or SACKed segment), "
                      "1 segment sent again, cwnd 24 -> 12", found["losses"].evidence)

    def test_the_deepest_cut_is_counted_in_segments(self) -> None:
        """In segments: the half of 15 is 7, which is no deeper cut than 110 to 55."""
        found = self.sender(*self.recovery(1, 1, before=110),
                            *self.recovery(2, 1, before=15))
        self.assertIn("cut twice, the most from 110 to 55", found["losses"].sentence)

    def test_a_high_rate_of_many_segments_is_trouble(self) -> None:
        found = self.sender(*self.recovery(1, 20), self.destroyed(1000))
        self.assertEqual(found["losses"].severity, TROUBLE)
        found = self.sender(*self.recovery(1, 5), self.destroyed(10))
        self.assertEqual(found["losses"].severity, NOTEWORTHY,
                         "five of ten are too few to tell a rate")

    def test_acks_do_not_make_a_rate_small(self) -> None:
        """Twelve of 32 segments with data; 5000 ACKs besides."""
        found = self.sender(*self.recovery(1, 12), self.destroyed(32, acks=5000))["losses"]
        self.assertIn("(38% of 32 segments with data)", found.sentence)
        self.assertEqual(found.severity, TROUBLE)

    def test_a_module_that_does_not_count_data_tells_of_all_segments(self) -> None:
        destroyed = self.destroyed(32, acks=5000)
        del destroyed.values["data_segs_out"]
        found = self.sender(*self.recovery(1, 12), destroyed)["losses"]
        self.assertIn("(0.24% of 5032 segments, ACKs among them)", found.sentence)
        self.assertEqual(found.severity, NOTEWORTHY)

    def test_a_rate_is_of_what_was_sent_while_losses_were_seen(self) -> None:
        """The kernel counts a whole life, and to 2^32; the recording may begin later."""
        life = self.life
        opening = life.opens()
        before = [life.acked(n / 100, sent=100 * MSS) for n in range(50)]
        later = [life.acked(1, sent=100 * MSS), *self.recovery(2, 15), self.destroyed(5633)]
        found = self.found(before[-1], *later)["losses"]
        self.assertEqual(found.severity, TROUBLE)
        self.assertIn("15 segments sent again (7.5% of about 200 full segments)", found.sentence)
        lost = self.scene.event("lost", lost_events=8000)
        found = self.found(*opening, before[0], lost, before[-1], *later)["losses"]
        self.assertIn("(7.5% of about 200 full segments)", found.sentence)
        whole = self.found(*opening, *before, *later[:-1], self.destroyed(7))["losses"]
        self.assertIn("15 segments sent again (0.29% of about 5100 full segments)", whole.sentence)

    def test_what_was_sent_is_counted_beyond_4_gigabytes(self) -> None:
        """Its number begins anew: 20 segments of five million are no high rate."""
        life = self.life
        opening, far = life.opens(), []
        for n in range(5):
            life.snd_una = life.snd_nxt = (life.snd_nxt + (1 << 30)) % 2**32
            far.append(life.event("ack", 0.2 + n / 100, seg_flags=ACK,
                                  seg_ack=life.snd_nxt, seg_seq=life.rcv_nxt))
        found = self.found(*opening, *far, *self.recovery(1, 20))
        self.assertEqual(found["losses"].severity, NOTEWORTHY)
        sent = 5 * (1 << 30) // MSS
        self.assertIn(f"of about {sent} full segments)", found["losses"].sentence)

    def test_disorder_without_a_retransmit_is_healthy(self) -> None:
        life = self.life
        self.assert_healthy(*life.opens(), life.turn(1, "Open", "Disorder"),
                            life.turn(1.1, "Disorder", "Open"))

    def test_an_undone_reduction_is_no_cut(self) -> None:
        found = self.sender(*self.recovery(1, 1, undone=True))
        self.assertEqual(found["spurious"].gist,
                         "the data had arrived")
        self.assertNotIn("cwnd was cut", found["losses"].sentence)

    def test_what_was_sent_again_for_nothing_was_no_loss(self) -> None:
        found = self.sender(*self.recovery(1, 20, undone=True), self.destroyed(1000))
        self.assertEqual(found["losses"].severity, NOTEWORTHY)
        self.assertEqual(RULES["losses"].about, "sent again without a timeout")

    def dsack(self, left: int, right: int) -> Event:
        return self.life.event(
            "segment", 1, seg_flags=ACK, seg_ack=self.life.snd_nxt,
            sack_blocks=1, sack1_left=left, sack1_right=right)

    def test_a_d_sack_is_a_duplicate_and_a_sack_is_none(self) -> None:
        life = self.life
        opening = [*life.opens(), life.again(0.3, "tail_loss_probe"), life.acked(0.5)]
        acked = life.snd_nxt
        found = self.found(*opening, self.dsack(acked - MSS, acked))
        self.assertEqual(found["spurious"].sentence, (
            "the peer told of one duplicate (D-SACK): sent again for nothing. The data "
            "had arrived: it was late or reordered, or its ACK was lost or late"))
        twice = self.found(*opening, *[self.dsack(acked - MSS, acked)] * 2)
        self.assertIn("two duplicates (D-SACK): sent again for nothing, or doubled on the "
                      "way", twice["spurious"].sentence)
        found = self.found(*opening, self.dsack(acked + MSS, acked + 2 * MSS))
        self.assertNotIn("spurious", found, "that is SACK: a hole")

    def test_a_d_sack_of_what_was_sent_once_was_doubled(self) -> None:
        life = self.life
        found = self.found(*life.opens(), life.acked(0.5),
                           self.dsack(life.snd_nxt - MSS, life.snd_nxt))
        self.assertNotIn("spurious", found)
        self.assertEqual(found["doubled"].sentence, (
            "the peer told of one duplicate (D-SACK), though nothing was seen to be sent "
            "again: doubled on the way, most likely"))

    def test_what_was_sent_again_before_recording_began_may_be_what_came_twice(self) -> None:
        life = self.life
        acked = life.acked(0.5)
        twice = self.dsack(life.snd_nxt - MSS, life.snd_nxt)
        words = "again: it was sent again unseen, or doubled on the way"
        self.assertIn(words, self.found(acked, twice)["doubled"].sentence)
        self.assertIn(words, self.found(*life.opens(), life.event(
            "lost", 0.4, lost_events=1), acked, twice)["doubled"].sentence)

    def test_a_d_sack_of_the_syn_tells_of_nothing_sent_again(self) -> None:
        """After a simultaneous open Linux gets our SYN twice, once in the SYN-ACK."""
        opening = [*self.life.opens(), self.life.acked(0.5)]
        found = self.found(*opening, self.dsack(ISN, ISN + 1))
        self.assertNotIn("doubled", found)
        found = self.found(*opening, self.dsack(ISN + 1, ISN + 2))
        self.assertIn("doubled", found, "that is a byte of data")

    def test_cuts_without_growth_in_between_collapse_cwnd(self) -> None:
        found = self.sender(*self.recovery(1, 1, 40), *self.recovery(2, 1, 20),
                            *self.recovery(3, 1, 10))
        self.assertEqual(found["cwnd-collapsed"].sentence,
                         "cwnd fell from 40 to 5 in 3 steps: loss")

    def test_cuts_with_growth_in_between_do_not(self) -> None:
        found = self.sender(*self.recovery(1, 1, 40), *self.recovery(2, 1, 40))
        self.assertNotIn("cwnd-collapsed", found)

    def test_it_collapses_where_time_goes_backwards_as_well(self) -> None:
        found = self.sender(*self.recovery(3, 1, 40), *self.recovery(2, 1, 20),
                            *self.recovery(1, 1, 10))
        self.assertEqual(found["cwnd-collapsed"].sentence,
                         "cwnd fell from 40 to 5 in 3 steps: loss")

    def test_resending_all_without_a_timeout_is_the_path_mtu(self) -> None:
        life = self.life
        events = [*life.opens(), life.acked(0.5),
                  life.turn(1, "Open", "Loss", cwnd=10),
                  life.again(1, "loss_recovery", "Loss", 9),
                  life.turn(1.1, "Loss", "Open")]
        view = self.explained(*events, events="state ack ca_state retransmit")
        self.assertNotIn("path-mtu", [f.rule for f in findings(view)],
                         "a timeout may have been its cause")
        found = self.found(*events)
        self.assertIn("9 segments sent again with no timeout before",
                      found["path-mtu"].sentence)
        self.assertIn("a probe for a larger MTU was lost", found["path-mtu"].sentence)
        self.assertIn("Loss without a timeout", found["path-mtu"].evidence[0])
        self.assertNotIn("timeouts", found)

    # ---- reductions without a loss

    def cut(self, **values: Any) -> list[Event]:
        """A reduction, of a connection that has ECN."""
        values = {"sock_flags": ECN} | values
        return [self.life.turn(1, "Open", "CWR", ssthresh=5, **values),
                self.life.turn(1.1, "CWR", "Open", cwnd=5, ssthresh=5, **values)]

    def reduced(self, *before: Event, own: str = "") -> dict[str, Finding]:
        life = self.life
        own_word = [life.event("reno_reduction", 1, reno_cause=cause(own),
                               new_ssthresh=5)] if own else []
        return self.sender(*before, *own_word, *self.cut())

    def test_drops_of_this_host_are_told_as_such(self) -> None:
        found = self.reduced(own="other")
        self.assertEqual(
            found["local-drops"].sentence,
            "cwnd was cut once as this host dropped segments of its own before they left: "
            "most likely a queue of its own was full")
        self.assertFalse({"ecn", "reduced"} & found.keys())

    def test_ecn_marks_are_fine(self) -> None:
        found = self.reduced(own="ecn")
        self.assertEqual(found["ecn"].severity, FINE)
        self.assertIn("healthy", found)
        self.assertFalse({"local-drops", "reduced"} & found.keys())

    def test_ecn_is_known_by_the_ack_before(self) -> None:
        """The ACK before it echoes the mark."""
        echo = self.life.event("ack", 0.99, seg_flags=ACK | 0x40)
        self.assertIn("ecn", self.reduced(echo))
        found = self.reduced(echo, self.life.event("ack", 0.995, seg_flags=ACK))
        self.assertNotIn("ecn", found, "it was not that ACK")

    def test_an_echo_that_ends_a_reduction_may_begin_the_next(self) -> None:
        """One ACK: CWR is over, and a mark in it sets out anew."""
        life = self.life
        found = self.sender(
            life.event("ack", 0.99, seg_flags=ACK | 0x40),
            life.turn(1, "Open", "CWR", ssthresh=5),
            life.event("ack", 1.04, ca="CWR", seg_flags=ACK | 0x40),
            life.turn(1.0401, "CWR", "Open", cwnd=5, ssthresh=5),
            life.turn(1.0402, "Open", "CWR", cwnd=5, ssthresh=3),
            life.turn(1.1, "CWR", "Open", cwnd=3, ssthresh=3))
        self.assertEqual(
            found["ecn"].sentence,
            "cwnd was cut twice as the peer echoed congestion (ECN), and not for a loss: "
            "most likely a router marked segments")
        self.assertNotIn("reduced", found)

    def test_a_reduction_without_a_reason_names_what_it_may_be(self) -> None:
        found = self.reduced()
        self.assertEqual(
            found["reduced"].sentence,
            "cwnd was cut once without a loss on the way: ECN or segments dropped by this "
            "host itself; which, was not recorded")
        self.assertIn("where each ack is recorded", found["reduced"].next_step)

    def drops(self, *before: Event, sock_flags: int = ECN, **parameters: str
              ) -> dict[str, Finding]:
        return self.found(*self.life.opens(), *before, *self.cut(sock_flags=sock_flags),
                          **parameters)

    def test_without_an_echo_it_was_this_hosts_own_drop(self) -> None:
        """tcp_enter_cwr() of __tcp_transmit_skb() is what is left."""
        life = self.life
        acks = life.acked(0.5), life.event("ack", 0.9, seg_flags=ACK | ECE), life.acked(0.99)
        words = ("cwnd was cut once as this host dropped segments of its own before they left "
                 "(implied): most likely a queue of its own was full")
        found = self.drops(*acks)
        self.assertEqual(found["local-drops"].sentence, words)
        self.assertEqual(found["local-drops"].gist,
                         "most likely a full queue of this host's own")
        self.assertNotIn("reduced", found)
        self.setUp()
        found = self.drops(sock_flags=0, ack_sample="8", events=without("ack"))
        self.assertEqual(found["local-drops"].sentence, words, "no ECN: no echo is looked at")

    def test_an_echo_that_may_have_come_unseen_is_not_ruled_out(self) -> None:
        for parameters in ({"ack_sample": "8"}, {"events": without("ack")}):
            with self.subTest(parameters):
                self.setUp()
                found = self.drops(self.life.acked(0.5), **parameters)
                self.assertIn("ECN", found["reduced"].sentence)
                self.assertNotIn("local-drops", found)
        for lost in (True, False):
            with self.subTest(lost=lost):
                self.setUp()
                life = self.life
                found = self.drops(*(
                    [life.acked(0.5), self.scene.event("lost", lost_events=1),
                     life.window(0.7, "opened")] if lost else
                    [life.event("ack", 0.9, seg_flags=ACK | ECE), life.window(0.91, "opened")]))
                self.assertIn("ECN", found["reduced"].sentence)
                self.assertNotIn("local-drops", found)

    def test_without_ecn_a_reduction_is_a_drop_or_a_probes(self) -> None:
        """The connection began before the recording."""
        late = self.found(*self.cut(sock_flags=0))["reduced"]
        self.assertEqual(
            late.sentence,
            "cwnd was cut once, and no loss was seen: segments dropped by this host itself or "
            "a loss that a tail loss probe made good for; which, was not recorded")
        self.assertIn("where each loss_probe is recorded", late.next_step)

    def test_it_may_have_been_a_probes_where_that_is_not_known(self) -> None:
        """loss_probe is off, or the connection began before the recording."""
        life = self.life
        sentence = ("cwnd was cut once, and no loss was seen: ECN, segments dropped by this "
                    "host itself or a loss that a tail loss probe made good for; which, was "
                    "not recorded")
        late = self.found(*self.cut())["reduced"]
        self.assertEqual(late.sentence, sentence)
        self.assertIn("each ack and each loss_probe is recorded", late.next_step)
        self.setUp()
        off = self.reduced(life.event("lost", 0.5, lost_events=1),
                           life.event("reno_round", 0.9))["reduced"]
        self.assertEqual(off.sentence, sentence)

    def test_what_the_algorithm_tells_of_a_cut_goes_before_the_probes_own(self) -> None:
        found = self.reduced(own="loss")
        self.assertFalse({"ecn", "reduced", "local-drops"} & found.keys())

    def test_reductions_of_two_causes_are_listed_once(self) -> None:
        life = self.life
        found = self.reduced(
            life.event("reno_reduction", 0.9, reno_cause=cause("other"), new_ssthresh=5),
            life.turn(0.9, "Open", "CWR", ssthresh=5, sock_flags=ECN),
            life.turn(0.95, "CWR", "Open", cwnd=5, ssthresh=5))
        self.assertEqual(len(found["local-drops"].evidence), 2)
        self.assertEqual(found["reduced"].evidence,
                         ("listed once, with `dropped by this host itself`",))
        self.assertLess(list(found).index("local-drops"), list(found).index("reduced"))

    def test_a_recovery_undone_is_listed_once(self) -> None:
        found = self.sender(*self.recovery(1, 1, undone=True))
        self.assertIn("undone: nothing was lost", found["losses"].evidence[0])
        self.assertEqual(found["spurious"].evidence, (
            "fast recoveries undone: listed once, with `sent again without a timeout`",))
        found = self.sender(*self.backing_off(1), self.life.turn(1.3, "Loss", "Open", cwnd=10))
        self.assertIn("timeout, cwnd", found["spurious"].evidence[0])

    def test_what_a_reduction_may_have_come_of_is_an_alternative(self) -> None:
        """A collapse by steps of which it is not kept which had which cause."""
        life = self.life
        steps = [event for at_s, cwnd in ((1, 40), (2, 20), (3, 10)) for event in (
            life.turn(at_s, "Open", "CWR", cwnd=cwnd, ssthresh=cwnd // 2, sock_flags=ECN),
            life.turn(at_s + 0.1, "CWR", "Open", cwnd=cwnd // 2, ssthresh=cwnd // 2))]
        drop = life.event("reno_reduction", 1, reno_cause=cause("other"), new_ssthresh=20)
        self.assertEqual(
            self.sender(drop, *steps)["cwnd-collapsed"].sentence,
            "cwnd fell from 20 to 5 in 2 steps: ECN or segments dropped by this host itself")

    def test_a_probe_that_repaired_is_no_mark(self) -> None:
        life = self.life
        probe = (life.event("loss_probe", 0.9, probe_retransmits=1),
                 life.again(0.9, "tail_loss_probe"))
        life.acked(0.95)            # the first ACK beyond, as CWR shows it
        found = self.reduced(*probe, own="loss")
        self.assertFalse({"ecn", "reduced", "local-drops"} & found.keys())
        self.assertIn("one segment sent again (100% of about 1 full segment), by a tail loss probe",
                      found["losses"].sentence)
        self.assertEqual(found["losses"].evidence, (
            "at 0.900 s tail loss probe, a segment sent again",))

    def test_a_reduction_long_after_a_probe_has_another_cause(self) -> None:
        """The ACK beyond the probe reduced nothing: the segment had arrived."""
        life = self.life
        before = (life.event("loss_probe", 0.8, probe_retransmits=1),
                  life.again(0.8, "tail_loss_probe"), life.acked(0.9), life.acked(0.95))
        self.assertIn("local-drops", self.reduced(*before))

    def test_several_probes_are_counted_by_cause(self) -> None:
        life = self.life
        probes = [(life.event("loss_probe", at_s, probe_retransmits=1),
                   life.again(at_s, "tail_loss_probe")) for at_s in (0.9, 1.9)]
        found = self.sender(*probes[0], *probes[1])
        self.assertIn(", by tail loss probes", found["losses"].sentence)
        found = self.sender(*probes[0], *self.recovery(1, 2))
        self.assertIn(", 2 by fast retransmit, 1 by a tail loss probe;",
                      found["losses"].sentence)
        self.assertEqual(found["losses"].gist, "by fast retransmit and tail loss probe")

    def rest(self, before: int, after: int) -> dict[str, Finding]:
        life = self.life
        return self.sender(life.event("reno_restart", 5, cwnd=before),
                           life.acked(5.05, cwnd=after))

    def test_an_idle_restart_tells_what_it_cost(self) -> None:
        self.assertIn("lowered once because the connection had been idle (from 80 to "
                      "20 segments)", self.rest(80, 20)["idle-restart"].sentence)

    def test_a_rest_that_costs_nothing_is_not_told(self) -> None:
        self.assertNotIn("idle-restart", self.rest(10, 10))


class Windows(Case):
    def probe(self, at_s: float, backoff: int) -> Event:
        return self.life.event(
            "probe", at_s, snd_wnd=0, backoff=backoff,
            probe_cause=number_of("probe_cause", "zero_window"))

    def standing(self, side: str, until_s: float | None = 5.1,
                 probes: int = 3) -> list[Event]:
        life = self.life
        events = [*life.opens(), life.window(1, "closed", side)]
        if side == "peer":
            events += [self.probe(1.24 + n, n) for n in range(probes)]
        else:
            events += [life.event("ack", 1.24 + n, seg_flags=ACK, seg_ack=life.snd_nxt,
                                  seg_seq=life.rcv_nxt - 1, rcv_wnd=0)
                       for n in range(probes)]
        if until_s is not None:
            events.append(life.window(until_s, "opened", side))
        return events

    def test_a_zero_window_with_probes_stood_still(self) -> None:
        finding = self.found(*self.standing("peer"))["stood-still"]
        self.assertEqual((finding.severity, finding.cost_us),
                         (TROUBLE, 4_100_000))
        self.assertEqual(finding.sentence, (
            "stood still for 4.1 s on the peer's zero window: most likely its program "
            "did not read; the window was zero once, three probes asked for it"))
        self.assertEqual(finding.gist, "most likely the peer's program did not read")
        self.assertIn("at 5.100 s open again after 4.1 s", finding.evidence)
        self.assertTrue(any(line.startswith("at 1.240 s three probes, the last at 3.240 s")
                            for line in finding.evidence), finding.evidence)

    def test_our_zero_window_made_the_peer_wait(self) -> None:
        found = self.found(*self.standing("own"))
        self.assertIn("made the peer stand still for 4.1 s on our zero window: most likely "
                      "our program did not read;", found["made-peer-wait"].sentence)
        self.assertNotIn("stood-still", found)

    def test_a_keepalive_is_no_probe_of_our_zero_window(self) -> None:
        """Both are an old number without data; the persist timer's waits double."""
        life = self.life

        def asked(at_s: float, **values: Any) -> Event:
            return life.event("ack", at_s, seg_flags=ACK, seg_ack=life.snd_nxt,
                              rcv_wnd=0, **{"seg_seq": life.rcv_nxt - 1} | values)

        opening = [*life.opens(), life.window(1, "closed", "own")]
        for questions, waited in (
                ([asked(2), asked(3), asked(4)], False),
                ([asked(3), asked(4)], False),
                ([asked(2.1), asked(4.3)], True),
                ([asked(1.3)], True),
                ([asked(3, seg_seq=life.rcv_nxt, seg_len=1)], True)):
            found = self.found(*opening, *questions, life.window(9, "opened", "own"))
            self.assertEqual("made-peer-wait" in found, waited, questions)
            if not waited:
                self.assertEqual(found["own-window-zero"].sentence, (
                    "our window was zero once, for 8 s; the peer asked for it, or had nothing "
                    "to send and its keepalive on"))

    def test_a_short_one_is_no_trouble(self) -> None:
        found = self.found(*self.standing("peer", 1.5, 1))
        self.assertEqual(found["stood-still"].severity, NOTEWORTHY)
        self.assertTrue(any(line.startswith("at 1.240 s one probe") and "the last" not in line
                            for line in found["stood-still"].evidence))

    def test_a_zero_window_that_nobody_waited_for_is_no_standstill(self) -> None:
        """With something to send, the persist timer would have asked."""
        for side, rule, whose in (("peer", "peer-window-zero", "the peer's"),
                                  ("own", "own-window-zero", "our")):
            self.setUp()
            found = self.found(*self.standing(side, 301, 0), *self.life.closes(302))
            self.assertEqual(
                {name: finding.severity for name, finding in found.items()},
                {rule: NOTEWORTHY})
            self.assertEqual(found[rule].sentence, (
                f"{whose} window was zero once, for 300 s; nothing shows that "
                "anything waited to be sent"))

    def test_of_a_short_one_no_probe_can_tell(self) -> None:
        """It may have held the sender back, and that is told beside it."""
        for side, rule in (("peer", "peer-window-zero"), ("own", "own-window-zero")):
            for until_s, is_short in ((1.19, True), (1.21, False)):
                with self.subTest(side=side, until_s=until_s):
                    self.setUp()
                    found = self.found(*self.standing(side, until_s, 0))[rule]
                    self.assertEqual("too short for a probe" in found.sentence, is_short)
                    self.assertEqual("nothing shows" in found.sentence, not is_short)

    def test_a_restored_connection_has_no_window_yet(self) -> None:
        """TCP_REPAIR: nothing acknowledged its SYN, and no window was ever zero."""
        for una, is_restored in ((ISN, True), (ISN + 1, False)):
            with self.subTest(restored=is_restored):
                self.setUp()
                life = self.life
                begins = [life.connects(), life.change(
                    0, "SYN-SENT", "ESTABLISHED", snd_una=una, snd_wnd=0)]
                found = self.found(*begins, life.window(0.04, "opened"))
                self.assertEqual("peer-window-zero" in found, not is_restored)
                self.assertEqual("healthy" in found, is_restored)
                found = self.found(*begins, life.window(0.04, "opened"),
                                   life.window(2, "closed"))
                self.assertIn("peer-window-zero", found, "a later one is told")

    def test_what_is_sent_again_at_a_zero_window_stood_still(self) -> None:
        """Then it is not the persist timer that asks."""
        life = self.life
        found = self.found(*life.opens(), life.window(1, "closed"),
                           life.again(1.3, "zero_window", snd_wnd=0),
                           life.window(5, "opened"))
        self.assertEqual(found["stood-still"].severity, TROUBLE)

    def test_whether_anything_waited_may_not_be_known(self) -> None:
        view = self.explained(*self.standing("peer", 301, 0),
                              events="state zero_window ack")
        self.assertIn("is not known (probe was not recorded)", " ".join(
            finding.sentence for finding in findings(view)))

    def test_a_window_still_zero_costs_until_the_end(self) -> None:
        finding = self.found(*self.standing("peer", None), end_s=9)["stood-still"]
        self.assertEqual(finding.cost_us, 8_000_000)
        self.assertIn("still zero when watching ended", finding.sentence)

    def test_after_a_loss_it_is_not_called_still_zero(self) -> None:
        life = self.life
        finding = self.found(
            *self.standing("peer", None), self.scene.event("lost", lost_events=5),
            life.event("ack", 9, snd_wnd=64_000, seg_flags=ACK))["stood-still"]
        self.assertNotIn("still zero", finding.sentence)
        self.assertNotIn("for 8", finding.sentence)

    def test_small_windows_are_not_zero(self) -> None:
        life = self.life
        self.assert_healthy(*life.opens(),
                            life.event("ack", 1, seg_flags=ACK, snd_wnd=10))


class Pace(Case):
    def bulk(self, seconds: float = 2, window: int = 64_000, out: int = 10,
             **values: Any) -> Iterator[Event]:
        """Each 40 ms an ACK, with so much on its way."""
        life = self.life
        for n in range(round(seconds / 0.04)):
            yield life.acked(0.08 + n * 0.04, out * MSS, snd_wnd=window,
                             packets_out=out, **values)

    def test_a_full_cwnd_sets_the_pace(self) -> None:
        found = self.found(*self.life.opens(), *self.bulk())
        self.assertEqual(found["cwnd-limited"].severity, FINE)
        self.assertIn("its pace was set by cwnd for 2 s",
                      found["cwnd-limited"].sentence)
        self.assertIn("healthy", found)
        self.assertNotIn("losses kept it small", found["cwnd-limited"].sentence)

    def test_the_kernel_waits_with_little_to_spare(self) -> None:
        """To send more at once; what it has noted stands longer than it waits."""
        noted = next(1 << bit for bit, name in
                     support.schema().values["sock_flags"].items() if name == "cwnd_limited")
        for out, flags, rule in ((98, noted, "cwnd-limited"), (98, 0, "application-limited"),
                                 (67, noted, "cwnd-limited"),
                                 (66, noted, "application-limited"),
                                 (3, noted, "application-limited")):
            with self.subTest(out=out, flags=flags):
                self.setUp()
                found = self.found(*self.life.opens(), *self.bulk(
                    8, 200_000, out, cwnd=100, sock_flags=flags))
                self.assertEqual(list(found), ["healthy", rule])

    def test_a_full_window_goes_before_what_was_noted(self) -> None:
        found = self.found(*self.life.opens(), *self.bulk(
            2, 9_000, 9, cwnd=10, sock_flags=0xff))
        self.assertIn("receiver-limited", found)
        self.assertNotIn("cwnd-limited", found)

    def test_what_repairs_of_losses_took_is_told_beside_it(self) -> None:
        life = self.life
        found = self.found(*life.opens(), *self.bulk(), life.turn(3, "Open", "Recovery"),
                           life.turn(4, "Recovery", "Open"))
        self.assertIn("meanwhile; losses kept it small, and 960 ms (24%) went into "
                      "repairing them", found["cwnd-limited"].sentence)

    def test_a_full_window_of_the_peers_sets_the_pace(self) -> None:
        found = self.found(*self.life.opens(), *self.bulk(
            window=10_000, cwnd=50))
        self.assertIn("held back by the peer's receive window for 2 s",
                      found["receiver-limited"].sentence)
        self.assertIn("it advertises 10000 bytes",
                      found["receiver-limited"].sentence)
        self.assertNotIn("cwnd-limited", found)

    def limited(self, window: int, flags: int) -> Finding:
        return self.found(*self.life.opens(), *self.bulk(
            window=window, out=window // MSS, cwnd=90, sock_flags=flags))["receiver-limited"]

    def test_a_window_that_is_not_scaled_cannot_grow(self) -> None:
        wscale = next(1 << bit for bit, name in
                      support.schema().values["sock_flags"].items() if name == "wscale")
        words = "window scaling was not agreed, so 65535 is the most there can be"
        finding = self.limited(65_535, 0)
        self.assertIn(f"it advertises 65535 bytes; {words}: one end does not offer it",
                      finding.sentence)
        self.assertNotIn("tcp_rmem", finding.next_step)
        self.assertIn("net.ipv4.tcp_window_scaling", finding.next_step)
        for window, flags in ((65_535, wscale), (16_000, 0)):
            with self.subTest(window=window, flags=flags):
                self.setUp()
                finding = self.limited(window, flags)
                self.assertNotIn("scaling", finding.sentence)
                self.assertIn("tcp_rmem", finding.next_step)

    def test_with_room_in_both_windows_neither_held_it_back(self) -> None:
        """Nobody is named: the program, its buffer, pacing and Nagle look alike."""
        found = self.found(*self.life.opens(), *self.bulk(8, out=3, cwnd=100))
        self.assertEqual(list(found), ["healthy", "application-limited"])
        finding = found["application-limited"]
        self.assertEqual(finding.severity, FINE)
        self.assertIn("less was sent than cwnd and the peer's window allowed for 8 s (100% of "
                      "the time): 3 of 100 segments on their way at the most", finding.sentence)
        self.assertIn("8 s (100%) both windows had room", finding.evidence[0])
        self.assertIn("sndbuf_limited", finding.next_step)

    def test_what_lasts_for_a_moment_held_nobody_back(self) -> None:
        life = self.life
        self.assertEqual(["healthy"], list(self.found(
            *life.opens(), *self.bulk(0.4, out=5), life.gets(0.6), life.gets(0.7))))

    def test_what_is_known_of_a_moment_sets_no_pace(self) -> None:
        """The pace is told of half a second or more, and what set it was so for half of that."""
        for seconds, is_known in ((0.48, False), (0.56, True)):
            with self.subTest(seconds):
                self.setUp()
                found = self.found(*self.life.opens(), *self.bulk(seconds))
                self.assertEqual("cwnd-limited" in found, is_known)
        for seconds, is_enough in ((0.24, False), (0.32, True)):
            for rule, window, cwnd in (("cwnd-limited", 64_000, 10),
                                       ("receiver-limited", 10_000, 50)):
                with self.subTest(rule, seconds=seconds):
                    self.setUp()
                    found = self.found(
                        *self.life.opens(), *self.bulk(seconds, window, cwnd=cwnd),
                        self.life.acked(9, 0, packets_out=0))
                    self.assertEqual(rule in found, is_enough)

    def test_who_receives_is_not_called_a_slow_sender(self) -> None:
        """Nothing of its own is on its way."""
        life = self.life
        found = self.found(*life.opens(), *(life.gets(0.1 * n) for n in range(1, 60)))
        self.assertEqual(list(found), ["healthy"])

    def test_without_acks_the_pace_is_not_known(self) -> None:
        view = self.explained(*self.life.opens(), *self.bulk(),
                              events="state retransmit ca_state rto")
        self.assertEqual([f.rule for f in findings(view)], ["healthy"])
        self.assertTrue(any("held back by cwnd" in line
                            for line in view.unknown()))

    def quiet(self) -> list[Event]:
        """Every two seconds one segment, acknowledged at once."""
        life = self.life
        return [*life.opens(), *(life.acked(2 * n) for n in range(1, 6)),
                *life.closes(11)]

    def test_a_silent_program_is_told(self) -> None:
        finding = self.found(*self.quiet())["silent"]
        self.assertIn("nothing of ours was on its way, no window was closed, nothing new "
                      "came. The peer sent nothing, or it did not arrive",
                      finding.sentence)
        self.assertNotIn("program", finding.sentence, "a receiver cannot tell")
        self.assertEqual(finding.severity, FINE)

    def outage(self, *again_at_s: float, port: int = 5000) -> dict[str, Finding]:
        """Data comes at 1 s and at 9 s; the peer, seen as well, sends again."""
        life, peer = self.life, Life(self.scene, cookie=6)
        ends = {"local_addr": support.SERVER, "remote_addr": support.CLIENT,
                "local_port": port, "remote_port": life.port}
        return self.found(
            *life.opens(), life.gets(1),
            *(peer.again(at_s, "rto", "Loss", **ends) for at_s in again_at_s),
            life.gets(9), life.gets(9.1))

    def test_what_the_peers_end_sent_again_did_not_arrive(self) -> None:
        finding = self.outage(1.3, 1.7, 2.5, 4.1)["not-arrived"]
        self.assertEqual((finding.severity, finding.cost_us), (NOTEWORTHY, 7_700_000))
        self.assertIn("nothing new came for 7.7 s while the peer sent again, or tried to "
                      "(sk:6, its end, is recorded, too): that was lost or late",
                      finding.sentence)
        self.assertIn("at 1.300 s sk:6 sends again", finding.evidence[0])
        self.assertIn("--connection 6", finding.next_step)

    def test_it_begins_with_what_did_not_arrive(self) -> None:
        """Not with what came again at once, in answer to an ACK."""
        life, peer = self.life, Life(self.scene, cookie=6)
        ends = {"local_addr": support.SERVER, "remote_addr": support.CLIENT,
                "local_port": 5000, "remote_port": life.port}
        found = self.found(
            *life.opens(), life.gets(1), peer.again(1.01, "fast_retransmit", **ends),
            life.gets(1.05), peer.again(2, "rto", "Loss", **ends), life.gets(9))
        self.assertIn("at 2.000 s sk:6 sends again", found["not-arrived"].evidence[0])

    def test_silence_before_and_after_the_peer_sent_again_is_silence(self) -> None:
        self.assertNotIn("not-arrived", self.outage())
        self.assertNotIn("not-arrived", self.outage(0.5, 0.9), "before anything came")
        self.assertNotIn("not-arrived", self.outage(8.7), "it may be on its way")
        self.assertNotIn("not-arrived", self.outage(2, port=5001), "another connection")

    def test_the_persist_timer_of_the_peers_end_tells_it_too(self) -> None:
        """Data that did not leave its host; a probe says nothing of data."""
        for data in (True, False):
            with self.subTest(data=data):
                self.setUp()
                life, peer = self.life, Life(self.scene, cookie=6)
                tried = peer.event(
                    "probe", 2, local_port=5000, remote_port=life.port,
                    local_addr=support.SERVER, remote_addr=support.CLIENT,
                    probe_cause=number_of("probe_cause", "zero_window"),
                    probe_carries_data=int(data))
                found = self.found(*life.opens(), life.gets(1), tried, life.gets(9))
                self.assertEqual("not-arrived" in found, data)

    def test_receiving_is_not_silence(self) -> None:
        life = self.life
        found = self.found(*life.opens(),
                           *(life.gets(0.1 * n) for n in range(1, 60)))
        self.assertNotIn("silent", found)

    def test_no_silence_where_something_was_not_seen(self) -> None:
        """As with ack_sample: the numbers have moved on."""
        life = self.life
        events = life.opens()
        for n in range(1, 6):
            events.append(life.acked(2 * n))
            life.rcv_nxt += 50 * MSS
        self.assertNotIn("silent", self.found(*events))

    def test_zero_window_is_not_silence(self) -> None:
        life = self.life
        found = self.found(
            *life.opens(), life.acked(0.1), life.window(0.2, "closed"),
            life.event("ack", 9, snd_wnd=0, seg_flags=ACK,
                       seg_seq=PEER_ISN + 1, seg_ack=life.snd_nxt),
            life.window(9.1, "opened"))
        self.assertIn("peer-window-zero", found)
        self.assertNotIn("silent", found)

    def tried(self, at_s: float, backoff: int = 0) -> Event:
        """The persist timer sends data."""
        return self.life.event(
            "probe", at_s, backoff=backoff, probes_out=backoff, probe_carries_data=1,
            probe_cause=number_of("probe_cause", "zero_window"))

    def tries(self) -> list[Event]:
        """Three: the first at 1 s, and only the last one goes."""
        return [*self.life.opens(), self.tried(1), self.tried(1.5, 1),
                self.life.gets(2), self.tried(2.5, 2)]

    def test_what_cannot_leave_this_host_is_told(self) -> None:
        found = self.found(*self.tries(), self.life.acked(3))
        finding = found["unsent"]
        self.assertEqual((finding.severity, finding.cost_us), (TROUBLE, 1_500_000))
        self.assertIn("did not leave this host for 1.5 s at least: the persist timer "
                      "tried twice in vain, with room in the peer's window",
                      finding.sentence)
        self.assertIn("at 1.000 s the persist timer tries", finding.evidence[0])
        self.assertIn("OUTPUT", finding.next_step)

    def test_a_try_that_goes_is_none_in_vain(self) -> None:
        """A window smaller than a segment: that is sent by the timer, too."""
        life = self.life
        restart = life.event("reno_restart", 1.001)  # in the middle of sending
        found = self.found(*life.opens(), self.tried(1), restart, life.acked(1.04),
                           self.tried(2), life.acked(2.04))
        self.assertNotIn("unsent", found)

    def test_after_a_loss_a_try_may_have_gone(self) -> None:
        found = self.found(*self.life.opens(), self.tried(1),
                           self.scene.event("lost", lost_events=1), self.life.gets(2))
        self.assertNotIn("unsent", found)

    def test_a_connection_given_up_with_nothing_sent_blames_nobody_else(self) -> None:
        life = self.life
        end = life.change(9, "ESTABLISHED", "CLOSED")
        error = life.event("error", 9, "CLOSED", sk_error=errno.ETIMEDOUT)
        found = self.found(*self.tries(), end, error)
        self.assertIn("what was to be sent last never left this host",
                      found["timed-out"].sentence)
        self.assertNotIn("ping", found["timed-out"].next_step)
        self.assertEqual(found["unsent"].cost_us, 8_000_000)
        self.setUp()
        found = self.found(*self.tries(), self.life.acked(3), end, error)
        self.assertIn("was never acknowledged", found["timed-out"].sentence)

    def test_one_given_up_without_an_error_is_an_orphan_whatever_it_could_not_send(self) -> None:
        life = self.life
        found = self.found(*self.tries(), life.change(3, "ESTABLISHED", "FIN-WAIT-1"),
                           life.change(9, "FIN-WAIT-1", "CLOSED", snd_nxt=life.snd_nxt + 1))
        self.assertIn("unsent", found)
        self.assertIn("given up in FIN-WAIT-1, after our close()",
                      found["orphan-given-up"].sentence)

    def test_round_trips_that_grow_with_a_queue_are_bufferbloat(self) -> None:
        found = self.found(*self.life.opens(), *self.bulk(srtt_us=320_000))
        self.assertIn("round trips grew from 40 ms to 320 ms while 10 segments "
                      "were on their way", found["bufferbloat"].sentence)
        self.assertEqual(found["bufferbloat"].severity, NOTEWORTHY)

    def test_much_bufferbloat_is_trouble(self) -> None:
        found = self.found(*self.life.opens(), *self.bulk(srtt_us=900_000))
        self.assertEqual(found["bufferbloat"].severity, TROUBLE)

    def test_growth_with_little_on_its_way_is_no_bufferbloat(self) -> None:
        """It does not fill a queue; somebody else may."""
        found = self.found(*self.life.opens(), *self.bulk(
            out=2, srtt_us=320_000))
        self.assertNotIn("bufferbloat", found)

    def test_growth_of_next_to_nothing_is_no_bufferbloat(self) -> None:
        """Three times next to nothing is nothing."""
        found = self.found(*self.life.opens(), *self.bulk(
            srtt_us=900, min_rtt_us=100))
        self.assertNotIn("bufferbloat", found)

    def test_a_long_path_is_told_by_its_shortest_round_trip(self) -> None:
        life = self.life
        far = life.change(0.62, "SYN-SENT", "ESTABLISHED", min_rtt_us=620_000)
        found = self.found(life.connects(), far, life.acked(1, min_rtt_us=620_000))
        self.assertIn("shorter than 620 ms", found["long-path"].sentence)
        self.assert_healthy(*life.opens(), life.acked(1, min_rtt_us=200_000))

    def test_a_handshake_alone_tells_no_path_that_something_else_may_lengthen(
            self) -> None:
        """A last ACK that was lost, or TCP_DEFER_ACCEPT; a SYN that went again."""
        for opener, took_us, is_told in (
                ("SYN-RECEIVED", 620_000, False), ("SYN-SENT", 620_000, True),
                ("SYN-SENT", 1_040_000, False)):
            with self.subTest(opener, took_us=took_us):
                self.setUp()
                life, rtt = self.life, {"min_rtt_us": took_us, "srtt_us": took_us}
                began = (life.connects() if opener == "SYN-SENT" else
                         life.change(0, "LISTEN", opener, srtt_us=0))
                events = (began, life.change(took_us / 1e6, opener, "ESTABLISHED", **rtt),
                          life.acked(2, **rtt))
                self.assertEqual("long-path" in self.found(*events), is_told)
                found = self.found(*events, life.acked(3, **rtt | {"srtt_us": 618_000}))
                self.assertIn("long-path", found, "measured once more")
                self.assertEqual("an ACK was lost" in found["long-path"].sentence,
                                 not is_told)
                found = self.found(*events, *(life.acked(n, **rtt | {"srtt_us": 618_000 + n})
                                              for n in (3, 4)))
                self.assertNotIn("an ACK was lost", found["long-path"].sentence)

    def test_the_kernels_shortest_round_trip_may_rise(self) -> None:
        """It forgets what is older than net.ipv4.tcp_min_rtt_wlen."""
        life = self.life
        self.assertNotIn("long-path", self.found(
            *life.opens(), life.acked(1, min_rtt_us=1_000),
            life.acked(400, min_rtt_us=400_000)))
