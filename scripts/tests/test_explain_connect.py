# SPDX-License-Identifier: GPL-2.0
"""Rules on beginnings and listeners: each with its fault, and nearly with it."""

import errno
from typing import Any

from renoscope_lib.explain.finding import LET_OUT, NOTEWORTHY, RAISE_BACKLOG, TROUBLE, Finding
from renoscope_lib.ring.schema import Event
from renoscope_lib.ring.stats import parse_stats
from renoscope_lib.tcp.wanted import Filter

from . import support
from .explain_scene import ISN, PEER_ISN, Case, Life, findings, without
from .handshake_scene import (ACCEPT_FULL, EXPIRED, HALF_OPEN_FULL, OTHER,
                              RESET_BY_PEER, UNPROVEN, UNSENT, VALID, ListenerScene)
from .support import (ACK, CLIENT, ESTABLISHED, SECOND, SERVER, SYN, SYN_RECEIVED,
                      number_of)


class Connect(Case):
    """Seen at the client alone."""

    def test_a_slow_connect_is_trouble_and_the_waits_are_named(self) -> None:
        life = self.life
        finding = self.found(
            life.connects(), life.syn_again(1, 1), life.syn_again(3, 2),
            life.change(3.04, "SYN-SENT", "ESTABLISHED"))["connect-slow"]
        self.assertEqual((finding.severity, finding.cost_us, finding.gist),
                         (TROUBLE, 3_040_000, "two SYNs without an answer"))
        self.assertIn("connect() took 3 s: the SYN was sent again twice (1 s + "
                      "2 s)", finding.sentence)
        self.assertIn("only its own host can tell", finding.sentence)
        self.assertEqual(finding.next_step,
                         "renoscope handshakes FILE --connection 5 --steps")
        self.assertIn("at 1.000 s SYN sent again", finding.evidence[1])

    def test_a_connect_in_time_is_healthy(self) -> None:
        self.assert_healthy(*self.life.opens(took_s=0.3))

    def test_slow_without_a_retransmit_is_no_loss(self) -> None:
        """Nobody is accused of a loss."""
        finding = self.found(*self.life.opens(took_s=0.8))["connect-slow"]
        self.assertEqual((finding.severity, finding.gist),
                         (NOTEWORTHY, "nothing sent again"))
        self.assertNotIn("lost", finding.sentence)

    def failing(self, error: int, *before: Event,
                at_s: float = 0.04) -> dict[str, Finding]:
        life = self.life
        return self.found(
            life.connects(), *before,
            life.event("error", at_s, "SYN-SENT", sk_error=error),
            life.change(at_s, "SYN-SENT", "CLOSED"))

    def test_a_refused_connect_is_only_that(self) -> None:
        life = self.life
        found = self.failing(errno.ECONNREFUSED,
                             life.reset_received(0.04, "SYN-SENT"))
        self.assertEqual(list(found), ["connect-failed"])
        self.assertIn("connect() failed after 40 ms: refused by a RST",
                      found["connect-failed"].sentence)
        self.assertEqual(found["connect-failed"].severity, TROUBLE)

    def test_one_that_timed_out_tells_its_waits(self) -> None:
        life = self.life
        finding = self.failing(errno.ETIMEDOUT, life.syn_again(1, 1),
                               life.syn_again(3, 2), at_s=7)["connect-failed"]
        self.assertIn("no answer at all (ETIMEDOUT); the SYN was sent 3 times "
                      "(1 s + 2 s)", finding.sentence)

    def test_without_a_route_the_error_is_the_gist(self) -> None:
        finding = self.failing(errno.EHOSTUNREACH)["connect-failed"]
        self.assertEqual(finding.gist, "EHOSTUNREACH")

    def test_given_up_by_its_program_at_once_is_no_trouble(self) -> None:
        life = self.life
        finding = self.found(
            life.connects(),
            life.change(0.01, "SYN-SENT", "CLOSED"))["connect-failed"]
        self.assertEqual((finding.severity, finding.gist),
                         (NOTEWORTHY, "given up"))

    def timers(self, *at_s: float) -> list[Event]:
        return [self.life.event("rto", second, "SYN-SENT", rcv_isn=0, packets_out=1)
                for second in at_s]

    def test_syns_that_do_not_leave_this_host_are_told_so(self) -> None:
        """An output rule drops them: __tcp_retransmit_skb() tells only of what was sent."""
        fired = self.timers(1, 2, 3, 4, 5)     # the last one gives up
        finding = self.failing(errno.ETIMEDOUT, *fired, at_s=5)["connect-failed"]
        self.assertEqual(
            (finding.severity, finding.gist, finding.sentence),
            (TROUBLE, "SYNs did not leave this host", "connect() failed after 5 s: ETIMEDOUT; "
             "none of 4 SYNs that were to go again left this host (implied)"))
        self.assertEqual(finding.next_step, LET_OUT)
        self.assertEqual(finding.evidence[:2], (
            f"at 0.000 s SYN made, ISN {ISN}", "at 1.000 s the SYN's timer fired"))
        waiting = self.found(self.life.connects(), *fired, end_s=5.5)["connect-waiting"]
        self.assertEqual((waiting.gist, waiting.next_step), (finding.gist, LET_OUT))
        self.assertIn("has waited 5.5 s when watching ended: none of 4 SYNs", waiting.sentence)

    def test_some_syns_may_have_left(self) -> None:
        life = self.life
        fired = self.timers(1, 2, 3, 4)
        events = [*fired[:3], life.syn_again(3, 1), fired[3]]
        finding = self.failing(errno.ETIMEDOUT, *events, at_s=4)["connect-failed"]
        self.assertIn("no answer at all (ETIMEDOUT); 2 of 3 SYNs that were to go again did not "
                      "leave this host (implied)", finding.sentence)
        self.assertEqual(finding.next_step, LET_OUT)
        done = life.change(3.04, "SYN-SENT", "ESTABLISHED")
        self.assertIn("2 of 3 SYNs that were to go again", self.found(
            life.connects(), *events[:4], done)["connect-slow"].sentence)
        slow = self.found(life.connects(), *fired[:2], done)["connect-slow"]
        self.assertIn("took 3 s: the SYN was to go again and did not leave", slow.sentence)
        route = self.failing(errno.EHOSTUNREACH, *fired[:2], at_s=3)["connect-failed"]
        self.assertIn("EHOSTUNREACH; the SYN was to go again and did not", route.sentence)
        self.assertIn("ip neigh", route.next_step)

    def test_syns_that_were_sent_each_time_did_leave(self) -> None:
        life = self.life
        fired = self.timers(1, 2, 3)
        sent = [fired[0], life.syn_again(1, 1), fired[1], life.syn_again(2, 1), fired[2]]
        self.assertNotIn("leave", self.failing(
            errno.ETIMEDOUT, *sent, at_s=3)["connect-failed"].sentence)

    def test_without_both_kinds_nobody_says_that_no_syn_left(self) -> None:
        life = self.life
        over = [life.event("error", 3, "SYN-SENT", sk_error=errno.ETIMEDOUT),
                life.change(3, "SYN-SENT", "CLOSED")]
        events = [life.connects(), *self.timers(1, 2, 3), *over]
        lost = self.scene.event("lost", cpu=1, lost_events=1)
        for found in (self.found(*events, events=without("retransmit")),
                      self.found(*events, events=without("rto")),
                      self.found(lost, *events)):
            self.assertNotIn("this host", found["connect-failed"].sentence)
            self.assertIn("server", found["connect-failed"].next_step)

    def without_syn(self, took_s: float, **values: Any) -> Finding:
        """tcp_v4_connect() goes to CLOSED again before it has chosen a number."""
        life = self.life
        closed = life.change(took_s, "SYN-SENT", "CLOSED", snd_isn=0, **values)
        gone = life.event("destroy", took_s, "CLOSED", snd_isn=0, rcv_isn=0, local_port=0,
                          remote_port=0)
        found = self.found(life.connects(snd_isn=0, **values), closed, gone)
        self.assertEqual(list(found), ["connect-failed"])
        return found["connect-failed"]

    def test_without_a_free_port_no_syn_was_sent(self) -> None:
        """inet_hash_connect() reports no error but to connect()."""
        finding = self.without_syn(0.0004, local_port=0)
        self.assertEqual(
            (finding.severity, finding.gist, finding.sentence),
            (TROUBLE, "no local port", "connect() failed after 400 us: no local port was free: "
             "EADDRNOTAVAIL (implied)"))
        self.assertEqual(finding.evidence, ("at 0.000 s connect() called",
                                            "at 0.000 s CLOSED: no SYN was sent"))
        self.assertIn("net.ipv4.ip_local_port_range", finding.next_step)
        self.assertEqual(finding.subject.service, f"to {SERVER}:5000")

    def test_with_a_port_the_cause_is_not_told(self) -> None:
        """It was bound before: the ends are taken, or no route, or Fast Open waited for data."""
        finding = self.without_syn(3, local_port=40112)
        self.assertEqual((finding.severity, finding.gist), (NOTEWORTHY, "no SYN sent"))
        self.assertIn("connect() came to nothing after 3 s: no SYN was sent, as where",
                      finding.sentence)

    def test_an_error_that_was_not_recorded_is_not_guessed(self) -> None:
        """Nobody is said to have given up whose error nobody could see."""
        life = self.life
        events = [life.connects(), life.syn_again(1, 1),
                  life.change(3, "SYN-SENT", "CLOSED")]
        lost = self.scene.event("lost", 3 * SECOND, lost_events=1)
        for told, why in (
                (self.found(*events, events=without("error")),
                 "error was not recorded"),
                (self.found(*events, lost), "events may be missing")):
            finding = told["connect-failed"]
            self.assertEqual((finding.severity, finding.gist, finding.next_step), (
                TROUBLE, "why is not known",
                "renoscope handshakes FILE --connection 5 --steps"))
            self.assertIn(f"failed after 3 s: why is not known, as {why}; the SYN",
                          finding.sentence)
        self.assertIn("not recorded (error), so not known: could not connect",
                      self.explained(*events, events=without("error")).unknown()[0])
        self.assertIn("given up by our own process before an answer came (implied)",
                      self.found(*events)["connect-failed"].sentence)

    def test_one_that_waits_still_is_told(self) -> None:
        life = self.life
        finding = self.found(life.connects(), life.syn_again(1, 1),
                             end_s=2.5)["connect-waiting"]
        self.assertIn("has waited 2.5 s when watching ended: no answer to two "
                      "SYNs (1 s)", finding.sentence)

    def test_after_a_gap_it_waited_at_least_so_long(self) -> None:
        """What came of it may be on a CPU that was overwritten, or not recorded."""
        life = self.life
        lost = self.scene.event("lost", cpu=1, lost_events=8000)
        thawed = [self.scene.event("mark", at * SECOND, cookie=0, mark_cause=number_of(
            "mark_cause", cause)) for at, cause in ((2, "frozen"), (3, "thawed"))]
        connects = [life.connects(), life.syn_again(1, 1)]
        for events in ([lost, *connects], [*connects, *thawed]):
            found = self.found(*events, end_s=990)
            self.assertNotIn("connect-waiting", found)
            self.assertIn("connect() waited 1 s or more: no answer to one SYN by then "
                          "(1 s); what came of it was not seen",
                          found["connect-slow"].sentence)
        self.assertIn("waited 2 s when watching ended", self.found(
            *connects, thawed[0])["connect-waiting"].sentence)

    def test_one_answered_in_the_name_of_an_older_connection_is_told_so(self) -> None:
        """A RST went back, and its SYN again in two jiffies: that one may be answered yet."""
        life = self.life
        why = "the first answer was to an older connection between the same ports"
        again = [life.connects(), life.syn_again(0.012, 1)]
        for more, end_s, severity, words in (
                ([], 0.02, NOTEWORTHY, "waited 20 ms when watching ended: no answer to one SYN "),
                ([], 0.9, TROUBLE, "waited 900 ms when watching ended: no answer to one SYN "),
                ([life.syn_again(1.012, 1)], 1.1, TROUBLE, "no answer to two SYNs ")):
            finding = self.found(*again, *more, end_s=end_s)["connect-waiting"]
            self.assertEqual(finding.severity, severity)
            self.assertIn(words, finding.sentence)
            self.assertIn(why, finding.sentence)
        finding = self.found(*again, self.scene.event("lost", lost_events=1))["connect-slow"]
        self.assertTrue(finding.sentence.startswith(f"connect() waited 12 ms or more: {why}"))
        self.assertEqual(finding.gist, "the peer still had an older connection (implied)")
        finding = self.found(*again, life.event("error", 2, "SYN-SENT", sk_error=errno.ETIMEDOUT),
                             life.change(2, "SYN-SENT", "CLOSED"))["connect-failed"]
        self.assertIn(f"no answer (ETIMEDOUT); {why}", finding.sentence)
        finding = self.found(*again, life.syn_again(1.012, 1),
                             life.change(1.1, "SYN-SENT", "ESTABLISHED"))["connect-slow"]
        self.assertEqual(finding.gist, "one SYN without an answer")

    def test_syns_that_were_answered_otherwise_are_not_unanswered(self) -> None:
        """Only the first goes again at once; that a RST went back tells of the others."""
        life = self.life
        each = [life.connects(), life.misfit(0.01), life.syn_again(0.02, 1), life.misfit(0.03),
                life.syn_again(2.02, 2), life.misfit(2.03)]
        older = "answers were to an older connection between the same ports: each got a RST"
        over = [life.event("error", 6, "SYN-SENT", sk_error=errno.ETIMEDOUT),
                life.change(6, "SYN-SENT", "CLOSED")]
        for skipped, count in ((0, 3), (2, 2)):
            finding = self.found(*each[skipped:], *over)["connect-failed"]
            self.assertIn(f"no answer that fits (ETIMEDOUT); {count} {older}", finding.sentence)
            self.assertEqual(finding.gist, "no answer that fits")
            self.assertIn("does a firewall drop our RSTs?", finding.next_step)
        finding = self.found(*each[:5], *over)["connect-failed"]
        self.assertIn(f"no answer (ETIMEDOUT); 2 {older}", finding.sentence)
        finding = self.found(*each[:5], life.change(2.04, "SYN-SENT", "ESTABLISHED")
                             )["connect-slow"]
        self.assertIn(f"connect() took 2 s: 2 {older}", finding.sentence)
        self.assertEqual(finding.gist, "the peer still had an older connection (implied)")
        waiting = self.found(*each, end_s=3)["connect-waiting"]
        self.assertIn(f"watching ended: 3 {older}", waiting.sentence)

    def test_fast_opens_data_that_is_too_large_is_no_older_connection(self) -> None:
        """ICMP tells, and tcp_simple_retransmit() sends the SYN without it."""
        life = self.life
        again = life.syn_again(0.15, 1)
        again.values.update(snd_una=ISN, snd_nxt=ISN + 1201)
        done = life.change(0.2, "SYN-SENT", "ESTABLISHED")
        finding = self.found(life.connects(), again, done)["connect-slow"]
        self.assertIn("without Fast Open's data", finding.sentence)
        self.assertEqual(finding.gist, "Fast Open's data was too large for the path (implied)")
        finding = self.found(life.connects(), life.misfit(0.1), again, done)["connect-slow"]
        self.assertIn("the first answer was to an older connection", finding.sentence)

    def test_one_that_went_on_unseen_does_not_wait_still(self) -> None:
        """Its SYN-SENT -> ESTABLISHED was lost; what came later tells that it was answered."""
        life = self.life
        events = [life.connects(), life.syn_again(1, 1),
                  self.scene.event("lost", lost_events=1), *life.closes(2)]
        found = self.found(*events, end_s=9)
        self.assertNotIn("connect-waiting", found)
        self.assertIn("connect() waited 1 s or more: no answer to one SYN by then (1 s); what "
                      "came of it was not seen", found["connect-slow"].sentence)

    def test_one_syn_on_its_way_is_healthy(self) -> None:
        """One SYN that waits for its answer is nothing yet."""
        self.assert_healthy(self.life.connects(), end_s=0.5)

    def test_the_same_socket_again_is_judged_anew(self) -> None:
        """Refused, then connected: the second attempt did well."""
        life = self.life
        reports = self.reports(
            life.connects(), life.reset_received(0.04, "SYN-SENT"),
            life.event("error", 0.04, "SYN-SENT", sk_error=errno.ECONNREFUSED),
            life.change(0.04, "SYN-SENT", "CLOSED"), *life.opens(1))
        self.assertEqual([[f.rule for f in r.findings] for r in reports],
                         [["connect-failed"], ["healthy"]])


class KeptOut(Case):
    """SYNs from the ports of a connection that is in TIME-WAIT here."""

    def setUp(self) -> None:
        super().setUp()
        self.before = [*self.life.opens(), *self.life.closes(1)]

    def syn(self, at_s: float, isn: int = PEER_ISN - 9, state: str = "TIME-WAIT",
            **values: Any) -> Event:
        return self.life.event(
            "time_wait", at_s, state, **{
                "seg_seq": isn, "seg_flags": SYN, "snd_isn": 0, "rcv_isn": 0,
                "time_wait_step": number_of("time_wait_step", "segment")} | values)

    def ends(self, at_s: float, why: str) -> Event:
        return self.life.event("time_wait_end", at_s, "TIME-WAIT", snd_isn=0, rcv_isn=0,
                               time_wait_ending=number_of("time_wait_ending", why))

    def kept_out(self, *events: Event, end_s: float = 20, **parameters: str) -> Finding | None:
        return self.found(*self.before, *events, end_s=end_s, **parameters).get(
            "time-wait-kept-syn")

    def test_syns_that_time_wait_does_not_take_are_told(self) -> None:
        finding = self.kept_out(self.syn(11.041), self.syn(12.041), self.syn(14.041))
        assert finding is not None
        self.assertEqual((finding.severity, finding.cost_us, finding.gist),
                         (TROUBLE, 3_000_000, "TIME-WAIT stood in its place"))
        self.assertEqual(finding.sentence, (
            f"three SYNs of a new connection from {SERVER}:5000 met this one's TIME-WAIT, which "
            "had 47 s left, and were not taken: neither the ISN nor a timestamp is newer than "
            "what this one had received"))
        self.assertIn("(NAT)", finding.next_step)
        one = self.kept_out(self.syn(11, PEER_ISN + 9))
        assert one is not None
        self.assertEqual(one.severity, NOTEWORTHY)
        self.assertIn("was not taken: the timestamp is older", one.sentence)

    def test_one_that_is_taken_is_not(self) -> None:
        """The small sock ends at once then; a RST that ends it later took nothing."""
        taken = self.kept_out(self.syn(11), self.ends(11, "new_syn"))
        self.assertIsNone(taken)
        self.assertIsNone(self.kept_out(self.syn(11), self.ends(11, "other")))
        later = self.kept_out(self.syn(11), self.syn(12), self.ends(12, "new_syn"))
        assert later is not None
        self.assertIn("one SYN of a new connection", later.sentence)
        self.assertIsNotNone(self.kept_out(self.syn(11), self.ends(11.08, "reset")))

    def test_what_may_have_been_taken_or_is_an_old_one_is_not(self) -> None:
        lost = self.scene.event("lost", 12 * SECOND, lost_events=1)
        for events, parameters in (
                ([self.syn(11), lost], {}), ([self.syn(11, PEER_ISN)], {}),
                ([self.syn(11, seg_flags=SYN | ACK)], {}),
                ([self.syn(11)], {"events": without("time_wait_end")})):
            self.assertIsNone(self.kept_out(*events, **parameters))

    def test_of_several_that_differ_each_may_have_its_own_reason(self) -> None:
        finding = self.kept_out(self.syn(11), self.syn(12, PEER_ISN + 9))
        assert finding is not None
        self.assertIn("had received, or the timestamp is older", finding.sentence)

    def test_one_that_came_just_now_may_be_taken_yet(self) -> None:
        self.assertIsNone(self.kept_out(self.syn(11), end_s=11.0001))

    def test_fin_wait_2_keeps_nothing_out(self) -> None:
        self.before = [*self.before[:-1], self.life.event(
            "time_wait", 1.05, "FIN-WAIT-2", time_wait_us=60_000_000,
            time_wait_step=number_of("time_wait_step", "started"))]
        self.assertIsNone(self.kept_out(self.syn(11, state="FIN-WAIT-2")))


class BothEnds(Case):
    """A client, and the listener it speaks to, on one recording."""

    def setUp(self) -> None:
        super().setUp()
        self.at = ListenerScene(scene=self.scene)
        self.isn = ISN

    def client(self, *again: tuple[float, float], took_s: float) -> list[Event]:
        life = self.life
        return [life.connects(), *(life.syn_again(*one) for one in again),
                life.change(took_s, "SYN-SENT", "ESTABLISHED")]

    def two_synacks_lost(self) -> list[Event]:
        """Of both ends: each SYN comes and is answered, the third answer is the first to come."""
        at, port = self.at, 40112
        return [
            *self.client((1, 1), (3, 2), took_s=3.04),
            *at.queued(0.02, port, 0x101, ISN),
            at.again(1.02, port, 0x101, 0, 0, by_timer=False, rcv_isn=ISN),
            at.again(3.02, port, 0x101, 1, 0, by_timer=False, rcv_isn=ISN),
            at.completed(3.06, port, 0x101, rcv_isn=ISN)]

    def ordered(self, *events: Event) -> list[Event]:
        return sorted(events, key=lambda event: event["time_ns"])

    def test_where_every_syn_came_the_synacks_were_lost(self) -> None:
        """Every SYN came: so what was lost are the answers."""
        events = self.two_synacks_lost()
        of_client, of_server = sorted(
            (f for r in self.reports(*self.ordered(*events))
             for f in r.findings if f.rule == "connect-slow"),
            key=lambda f: f.subject.cookie)
        self.assertIn("connect() took 3 s: two SYN-ACKs were lost (1 s + 2 s); "
                      "every SYN came to the listener", of_client.sentence)
        self.assertEqual(of_client.gist, "two SYN-ACKs lost")
        self.assertIn("it had not seen the SYN-ACK", of_server.sentence)
        self.assertEqual(of_server.subject.service, f"at {SERVER}:5000")

    def test_synacks_of_the_timer_and_of_a_syn_are_counted_together(self) -> None:
        """The listener's timer sends some, too; two that race each other may both come."""
        at, port = self.at, 40112
        events = [
            *self.client((1, 1), (3, 2), took_s=3.04),
            *at.queued(0.02, port, 0x101, ISN),
            at.again(1.01, port, 0x101, 0, 0, rcv_isn=ISN),
            at.again(1.02, port, 0x101, 1, 1, by_timer=False, rcv_isn=ISN),
            at.again(3.02, port, 0x101, 2, 1, rcv_isn=ISN),
            at.again(3.02, port, 0x101, 3, 2, by_timer=False, rcv_isn=ISN),
            at.completed(3.06, port, 0x101, rcv_isn=ISN)]
        finding = next(f for r in self.reports(*self.ordered(*events))
                       for f in r.findings if f.gist == "three SYN-ACKs lost")
        self.assertIn("three SYN-ACKs were lost (1 s + 2 s)", finding.sentence)

    def test_a_path_slower_than_the_timer_loses_nothing(self) -> None:
        """Nothing is lost: the SYN goes out again while its answer is under way."""
        at, port = self.at, 40112
        events = [
            *self.client((1, 1), took_s=1.4), *at.queued(0.7, port, 0x101, ISN),
            at.again(1.7, port, 0x101, 0, 0, by_timer=False, rcv_isn=ISN),
            at.completed(2.1, port, 0x101, rcv_isn=ISN)]
        finding = next(f for r in self.reports(*self.ordered(*events))
                       for f in r.findings
                       if f.gist == "a path slower than the SYN's timer")
        self.assertIn("sent again once (1 s) while its answer was under way",
                      finding.sentence)

    def test_the_listener_alone_cannot_tell_a_slow_path_from_loss(self) -> None:
        at, port = self.at, 40112
        of_server = [
            *at.queued(0.7, port, 0x101, ISN),
            at.again(1.7, port, 0x101, 0, 0, by_timer=False, rcv_isn=ISN),
            at.completed(2.1, port, 0x101, rcv_isn=ISN)]
        alone = self.found(*of_server)["connect-slow"]
        self.assertIn("so it had not seen the SYN-ACK by then: SYN-ACKs were lost, or the path "
                      "is slower than the SYN's timer", alone.sentence)
        both = self.reports(*self.ordered(
            *self.client((1, 1), took_s=1.4), *of_server))
        self.assertEqual([f.gist for r in both for f in r.findings],
                         2 * ["a path slower than the SYN's timer"])

    def by_timer(self, *segments: Event, client: bool = True,
                 took_s: float = 0.04) -> Finding:
        """What is said of a SYN-ACK sent again twice by its timer, and then answered."""
        at, port = self.at, 40112
        events = [
            *(self.client(took_s=took_s) if client else ()),
            *at.queued(0.02, port, 0x101, ISN),
            at.again(1.02, port, 0x101, 0, 0, rcv_isn=ISN, since_synack_us=1_000_000),
            at.again(3.02, port, 0x101, 1, 1, rcv_isn=ISN, since_synack_us=3_000_000),
            at.completed(3.3, port, 0x101, rcv_isn=ISN)]
        return next(f for r in self.reports(*self.ordered(*events, *segments))
                    for f in r.findings if f.subject.cookie == 0x101)

    def synacks(self, *at_s: float) -> list[Event]:
        """They leave as segments."""
        return [self.at.event("segment", second, 40112, cookie=0x101, rcv_isn=ISN,
                              snd_isn=99, seg_seq=99, seg_ack=ISN + 1,
                              seg_flags=SYN | ACK, segment_flags=1) for second in at_s]

    def last_acks(self, *at_s: float) -> list[Event]:
        """The client sends them."""
        return [self.life.event("segment", second, seg_flags=ACK, seg_seq=ISN + 1,
                                seg_ack=PEER_ISN + 1, segment_flags=1) for second in at_s]

    def come(self, *at_s: float, size: int = 0) -> list[Event]:
        """They come to the server, or data does."""
        return [self.at.event("segment", second, 40112, cookie=0x101, rcv_isn=ISN,
                              snd_isn=99, seg_seq=ISN + 1, seg_ack=100, seg_flags=ACK,
                              seg_len=size) for second in at_s]

    def test_a_client_that_had_the_synack_lost_its_last_ack(self) -> None:
        """TCP_DEFER_ACCEPT would have had a timer that sends nothing."""
        finding = self.by_timer()
        self.assertIn("the SYN-ACK was sent again twice (1 s + 2 s); the client had the "
                      "first one after 20 ms: its last ACK was lost or late", finding.sentence)
        self.assertEqual(finding.gist, "the last ACK lost or late")

    def test_segments_tell_that_the_last_ack_was_lost(self) -> None:
        acks = self.last_acks(0.04, 1.04, 3.04)
        finding = self.by_timer(*self.synacks(0.02, 1.02, 3.02), *acks,
                                *self.come(3.29, size=3))
        self.assertTrue(finding.sentence.endswith(
            "the client had the first one after 20 ms, and its last ACK was lost 3 times"))
        self.assertEqual(finding.gist, "the handshake's last ACK lost")
        self.assertIn("its last ACK was lost twice", self.by_timer(
            *self.synacks(0.02, 1.02, 3.02), *acks, *self.come(3.29)).sentence)

    def test_segments_not_recorded_from_the_first_tell_no_loss(self) -> None:
        """The client's before may have come."""
        for synacks in ((1.02, 3.02), ()):
            self.assertIn(": its last ACK was lost or late", self.by_timer(
                *self.synacks(*synacks), *self.last_acks(0.04, 1.04), *self.come(3.29)).sentence)

    def test_a_last_ack_that_came_was_not_lost(self) -> None:
        synacks, acks = self.synacks(0.02, 1.02, 3.02), self.last_acks(0.04)
        finding = self.by_timer(*synacks, *acks, *self.come(0.06))
        self.assertIn("; the client's last ACK came after 40 ms: a TCP_DEFER_ACCEPT of 1 s "
                      "waited for data, or something dropped it here", finding.sentence)
        self.assertNotIn("lost", finding.sentence)
        self.assertIn("its last ACK was late", self.by_timer(
            *synacks, *acks, *self.come(3.29)).sentence)

    def test_a_listener_that_heard_nothing_did_not_wait_for_data(self) -> None:
        synacks = self.synacks(0.02, 1.02, 3.02)
        finding = self.by_timer(*synacks, *self.come(3.29), client=False)
        self.assertTrue(finding.sentence.endswith(
            "two SYN-ACKs or the client's last ACKs were lost or late"))
        self.assertNotIn("DEFER", finding.sentence)

    def test_the_rto_that_such_a_handshake_leaves_is_named(self) -> None:
        """With timestamps all its waits are one round trip."""
        def opened(rto_us: int, srtt_us: int = 3_280_000) -> Event:
            return self.at.event("state", 3.3, 40112, cookie=0x101, rto_us=rto_us,
                                 srtt_us=srtt_us, old_state=SYN_RECEIVED, state=ESTABLISHED)
        self.assertTrue(self.by_timer(opened(9_840_000)).sentence.endswith(
            ". The whole time was taken for the first round trip, so the RTO stands at "
            "9.8 s: the next loss may cost as much"))
        self.assertNotIn("RTO", self.by_timer(opened(1_000_000)).sentence)
        self.assertTrue(self.by_timer(opened(3_000_000, 0)).sentence.endswith(
            ". No round trip was measured, so the RTO stands at 3 s"))

    def test_a_client_that_did_not_have_the_synack_lost_no_ack(self) -> None:
        self.assertIn(": two SYN-ACKs were lost",
                      self.by_timer(took_s=3.04).sentence)

    def test_where_the_listener_did_not_tell_all_nothing_is_counted_lost(self) -> None:
        """A SYN-ACK that is not recorded is no SYN that never came."""
        at, port = self.at, 40112
        events = self.ordered(
            *self.client((1, 1), took_s=1.04), *at.queued(0.02, port, 0x101, ISN),
            at.completed(1.06, port, 0x101, rcv_isn=ISN))
        lost = self.scene.event("lost", SECOND, lost_events=1)
        for reports, why in (
                (self.reports(*events, events=without("synack_retransmit")),
                 "synack_retransmit was not recorded"),
                (self.reports(*events, lost), "events may be missing")):
            of_client, of_server = sorted(
                (f for r in reports for f in r.findings if f.rule == "connect-slow"),
                key=lambda f: f.subject.cookie)
            self.assertIn("not all of the listener's side was seen",
                          of_client.sentence)
            self.assertIn(f"why it took so long is not known: {why}",
                          of_server.sentence)
            self.assertEqual(of_server.gist, "why is not known")

    def test_a_syn_that_never_came_was_lost(self) -> None:
        at, port = self.at, 40112
        events = [*self.client((1, 1), took_s=1.04),
                  *at.queued(1.02, port, 0x101, ISN),
                  at.completed(1.06, port, 0x101, rcv_isn=ISN)]
        finding = self.found(*self.ordered(*events))["connect-slow"]
        self.assertIn("one SYN never came to the listener (1 s)", finding.sentence)
        self.assertEqual(finding.gist, "one SYN lost")

    def test_a_syn_answered_in_the_name_of_an_older_connection_was_not_lost(self) -> None:
        """A challenge ACK: a RST goes back, and the SYN again in two jiffies."""
        at, port = self.at, 40112
        events = [*self.client((0.012, 1), took_s=0.02),
                  *at.queued(0.012, port, 0x101, ISN),
                  at.completed(0.021, port, 0x101, rcv_isn=ISN)]
        finding = self.found(*self.ordered(*events))["connect-slow"]
        self.assertIn("the first answer was to an older connection between the same ports",
                      finding.sentence)
        self.assertIn("the SYN went again at once (implied)", finding.sentence)
        self.assertNotIn("lost", finding.sentence + finding.gist)

    def begun_later(self, skipped: int, *events: Event) -> Finding:
        """What is found of the client where the recording begins so many events later."""
        finding, = (f for r in self.reports(*self.ordered(*events)[skipped:])
                    for f in r.findings
                    if f.rule == "connect-slow" and f.subject.cookie == self.life.cookie)
        return finding

    def test_where_the_first_syn_was_before_the_recording_no_loss_is_told(self) -> None:
        """It is not among those sent, nor among those that came."""
        at, port = self.at, 40112
        finding = self.begun_later(
            1, *self.client((1, 1), took_s=1.04), *at.queued(1.02, port, 0x101, ISN),
            at.completed(1.06, port, 0x101, rcv_isn=ISN))
        self.assertIn("connect() took 40 ms or more: the SYN was sent again once or more: SYNs or "
                      "SYN-ACKs were lost or late, or the listener dropped them, or",
                      finding.sentence)
        self.assertIn("which is not known: its beginning was not seen", finding.sentence)
        self.assertEqual((finding.severity, finding.gist), (NOTEWORTHY, "why is not known"))
        self.assertTrue(finding.evidence[0].endswith("SYN sent again, predicted 1 s"))

    def test_nor_is_its_path_slow(self) -> None:
        """The uptime is no time on the path."""
        events = self.two_synacks_lost()
        finding = self.begun_later(1, *events)
        self.assertIn("took 2 s or more: the SYN was sent again twice or more (2 s)",
                      finding.sentence)
        self.assertEqual((finding.severity, finding.gist), (TROUBLE, "why is not known"))
        gists = {f.gist for r in self.reports(*self.ordered(*events)[1:]) for f in r.findings}
        self.assertIn("SYN-ACKs lost, or a slow path", gists)

    def test_a_full_queue_after_the_beginning_is_a_cause_all_the_same(self) -> None:
        at, port = self.at, 40112
        at.accept_queue = 129
        refused = [event for at_s in (0.02, 1.02) for event in (
            at.syn(at_s, port, ISN), at.refused(at_s, port, ACCEPT_FULL, ISN))]
        at.accept_queue = 3
        finding = self.begun_later(
            3, *self.client((1, 1), (2, 1), took_s=2.04), *refused,
            *at.queued(2.02, port, 0x101, ISN), at.completed(2.06, port, 0x101, rcv_isn=ISN))
        self.assertIn("connect() took 1 s or more: 1 SYN dropped by the listener, accept queue "
                      "full", finding.sentence)
        self.assertTrue(finding.sentence.endswith("; waits of 1 s; its beginning was not seen"))
        self.assertEqual(finding.severity, TROUBLE)

    def test_the_listener_did_not_see_what_its_client_sent_before(self) -> None:
        """Its first SYN is one that was sent again, as the client's side tells."""
        at, port = self.at, 40112
        at.accept_queue = 129
        refused = [at.syn(1.02, port, ISN), at.refused(1.02, port, ACCEPT_FULL, ISN)]
        at.accept_queue = 3
        events = self.ordered(
            *self.client((1, 1), (2, 1), took_s=2.04), *refused,
            *at.queued(2.02, port, 0x101, ISN), at.completed(2.06, port, 0x101, rcv_isn=ISN))
        for skipped, words in ((0, "the handshake took 1 s: 1 SYN dropped"),
                               (1, "the handshake took 1 s or more: 1 SYN dropped")):
            explained = self.explained(*events[skipped:])
            finding, = (f for f in findings(explained) if f.rule == "connect-slow"
                        and f.subject.cookie == 0x101)
            self.assertIn(words, finding.sentence)
        self.assertTrue(finding.sentence.endswith("; its beginning was not seen"))

    def test_a_long_round_trip_may_hide_syns_sent_before(self) -> None:
        """With timestamps it may count from the first of them."""
        life = self.life
        finding = self.begun_later(0, life.change(3, "SYN-SENT", "ESTABLISHED", srtt_us=2_600_000))
        self.assertIn("took 2.6 s or more: why it took so long is not known: its beginning was not "
                      "seen", finding.sentence)
        self.assertEqual((finding.severity, finding.gist), (NOTEWORTHY, "why is not known"))

    def test_one_that_waits_or_fails_may_have_waited_longer(self) -> None:
        life = self.life
        again = [life.syn_again(1, 1), life.syn_again(3, 2)]
        failed = [life.event("error", 7, "SYN-SENT", sk_error=errno.ETIMEDOUT),
                  life.change(7, "SYN-SENT", "CLOSED")]
        for rule, more, words in (
                ("connect-waiting", [], "has waited 3 s or more when watching ended: no answer to "
                 "three SYNs or more (2 s)"),
                ("connect-failed", failed, "failed after 6 s or more: no answer at all "
                 "(ETIMEDOUT); the SYN was sent 3 times or more (2 s)")):
            with self.subTest(rule):
                found = self.found(*again, *more, end_s=4 + len(more) * 2)[rule]
                self.assertIn(words, found.sentence)

    def test_a_full_accept_queue_is_the_cause_at_both_ends(self) -> None:
        at, port = self.at, 40112
        at.accept_queue = 129
        refused = [at.syn(0.02, port, ISN), at.refused(0.02, port, ACCEPT_FULL,
                                                       ISN)]
        at.accept_queue = 3
        found = self.found(*self.ordered(
            *self.client((1, 1), took_s=1.04), *refused,
            *at.queued(1.02, port, 0x101, ISN),
            at.completed(1.06, port, 0x101, rcv_isn=ISN)))
        finding = found["connect-slow"]
        self.assertEqual(finding.gist, "the listener's accept queue was full")
        self.assertIn("accept queue full (129 waiting, backlog 128)",
                      finding.sentence)
        self.assertIn("net.core.somaxconn", finding.next_step)
        self.assertIn("1 SYN dropped, as the accept queue was full;",
                      found["accept-queue-full"].sentence)

    def dropped(self, *more: Event) -> list[Event]:
        """Of a client its SYNs, each dropped for a full accept queue, and more."""
        at, port = self.at, 40112
        at.accept_queue = 129
        return self.ordered(
            self.life.connects(), self.life.syn_again(1, 1), *more,
            *(event for at_s in (0.02, 1.02) for event in (
                at.syn(at_s, port, ISN), at.refused(at_s, port, ACCEPT_FULL, ISN))))

    def test_one_that_waits_still_has_the_same_cause_and_advice(self) -> None:
        events = self.dropped()
        lost = self.scene.event("lost", cpu=1, lost_events=8000)
        for rule, finding in (
                ("connect-waiting", self.found(*events, end_s=2.5)),
                ("connect-slow", self.found(lost, *events, end_s=2.5))):
            with self.subTest(rule):
                self.assertEqual(finding[rule].gist,
                                 "the listener's accept queue was full")
                self.assertIn("2 SYNs dropped by the listener, accept queue full",
                              finding[rule].sentence)
                self.assertIn("let the program accept() faster",
                              finding[rule].next_step)

    def test_one_that_gave_up_has_the_same_cause_and_advice(self) -> None:
        life = self.life
        finding = self.found(*self.dropped(
            life.event("error", 3, "SYN-SENT", sk_error=errno.ETIMEDOUT),
            life.change(3, "SYN-SENT", "CLOSED")))["connect-failed"]
        self.assertEqual(finding.gist, "the listener's accept queue was full")
        self.assertIn("let the program accept() faster", finding.next_step)


class Listening(Case):
    """Seen at the listener alone."""

    def setUp(self) -> None:
        super().setUp()
        self.at = ListenerScene(limit=64, scene=self.scene)

    def client(self, n: int = 0, at_s: float = 0, accept_s: float = 0.01,
               cookie: int = 0x200) -> list[Event]:
        port = 3000 + n
        return [*self.at.queued(at_s, port, cookie + n),
                self.at.completed(at_s + 0.04, port, cookie + n),
                self.at.accepted(at_s + 0.04 + accept_s, port, cookie + n)]

    def test_clients_in_time_are_fine(self) -> None:
        found = self.found(*(e for n in range(30)
                             for e in self.client(n, n / 10)), end_s=20)
        self.assertNotIn("syn-flood", found)
        self.assertEqual({f.severity for f in found.values()}, {"fine"})

    def test_a_slow_handshake_tells_its_synacks(self) -> None:
        at = self.at
        finding = self.found(
            *at.queued(0, 3000, 0x200), at.again(1, 3000, 0x200, 0, 0),
            at.again(3, 3000, 0x200, 1, 1),
            at.completed(3.04, 3000, 0x200))["connect-slow"]
        self.assertIn("the handshake took 3 s: the SYN-ACK was sent again twice "
                      "(1 s + 2 s): two SYN-ACKs or the client's last ACKs",
                      finding.sentence)
        self.assertEqual(finding.subject.remote, f"{CLIENT}:3000")

    def test_a_full_accept_queue_is_trouble(self) -> None:
        at = self.at
        at.accept_queue = 65
        drops = [e for n in range(5) for e in (
            at.syn(n / 10, 3000 + n),
            at.refused(n / 10, 3000 + n, ACCEPT_FULL))]
        finding = self.found(*drops)["accept-queue-full"]
        self.assertIn("5 SYNs dropped, as the accept queue was full;", finding.sentence)
        self.assertIn("backlog of 64", finding.sentence)
        self.assertTrue(finding.subject.is_listener)
        self.assertEqual(finding.severity, TROUBLE)

    def test_a_full_accept_queue_beside_one_with_room_is_no_small_backlog(self) -> None:
        """SO_REUSEPORT: each socket has its own queue, and the ends choose the socket."""
        def scene(queue: int, at_s: float = 5, **other: Any) -> list[Event]:
            beside = ListenerScene(limit=16, **{"listener": 2, "scene": self.scene} | other)
            beside.accept_queue = queue
            return [event for n in range(2) for event in (
                beside.syn(at_s + n, 4000 + n), beside.completed(at_s + n, 4000 + n, 0x400 + n),
                beside.accepted(at_s + n, 4000 + n, 0x400 + n))]

        def told(*others: Event) -> Finding:
            return self.found(*sorted((*full, *others), key=lambda event: event["time_ns"])
                              )["accept-queue-full"]
        self.at.limit, self.at.accept_queue = 16, 17
        full = [event for n in range(3) for event in (
            self.at.syn(5.4, 3000 + n), self.at.refused(5.4, 3000 + n, ACCEPT_FULL))]
        finding = told(*scene(0))
        self.assertIn("3 SYNs dropped, as the accept queue was full; connections are unevenly "
                      "spread over 2 sockets (SO_REUSEPORT) (implied), and the other had room",
                      finding.sentence)
        self.assertIn("beside it sk:2: 1 at most, backlog 16, 2 accepted", finding.evidence)
        self.assertIn("ss -ltnpe 'sport = :5000'", finding.next_step)
        self.assertIn("the other had room", told(*scene(15)).sentence, "none is refused at 16")
        for others in (scene(17), scene(0, netns=7), scene(0, local="10.77.0.9"), scene(0, 1),
                       scene(0, 9)):
            self.assertIn("its backlog of 16 is too small", told(*others).sentence)

    def test_without_syn_events_the_handshake_began_with_the_first_one_dropped(self) -> None:
        at = self.at
        at.accept_queue = 129
        events = [at.refused(at_s, 41, ACCEPT_FULL) for at_s in (0, 1)]
        at.accept_queue = 3
        finding = self.found(
            *events, *list(at.queued(3, 41, 0x101))[1:], at.completed(3.04, 41, 0x101),
            events=without("syn"))["connect-slow"]
        self.assertIn("the handshake took 3 s or more: 2 SYNs dropped by the listener",
                      finding.sentence)
        self.assertEqual(finding.severity, TROUBLE)

    def test_a_request_whose_synacks_went_before_the_recording_counts_them_all(self) -> None:
        """Each one sent again has its number; how the time went is not known."""
        at = self.at
        finding = self.found(at.again(3, 41, 0x101, 1, 1), at.completed(
            3.04, 41, 0x101, since_synack_us=3_040_000))["connect-slow"]
        self.assertIn("took 3 s or more: the SYN-ACK was sent again twice: two SYN-ACKs or",
                      finding.sentence)
        finding = self.found(at.completed(
            3.04, 41, 0x101, since_synack_us=3_040_000))["connect-slow"]
        self.assertIn("took 3 s or more: why it took so long is not known: its beginning was not "
                      "seen", finding.sentence)
        self.assertEqual(finding.gist, "why is not known")

    def test_an_accept_queue_at_its_limit_is_not_full(self) -> None:
        """At its limit, and nothing dropped."""
        self.at.accept_queue = 63
        found = self.found(*self.client())
        self.assertNotIn("accept-queue-full", found)

    def test_a_queue_kept_for_known_peers_is_not_called_full(self) -> None:
        at, rest = self.at, "the rest of the half-open queue was for known peers"
        unproven = [at.syn(0, 3000), at.refused(0, 3000, UNPROVEN)]
        self.assertEqual(self.found(*unproven)["half-open-queue-full"].gist, rest)
        self.setUp()
        both = self.found(*unproven, at.syn(1, 3001), at.refused(1, 3001, HALF_OPEN_FULL))
        self.assertEqual(
            both["half-open-queue-full"].sentence, "2 SYNs dropped, as SYN cookies are off: "
            "the half-open queue was full, or its rest for known peers")

    def test_a_full_half_open_queue_is_apart_from_other_refusals(self) -> None:
        at = self.at
        found = self.found(
            at.syn(0, 3000), at.refused(0, 3000, HALF_OPEN_FULL),
            at.syn(1, 3001), at.refused(1, 3001, OTHER))
        self.assertIn("1 SYN dropped, as SYN cookies are off: the half-open queue was full",
                      found["half-open-queue-full"].sentence)
        self.assertIn("1 SYN dropped for another reason",
                      found["refused-otherwise"].sentence)
        self.assertNotIn("accept-queue-full", found)

    def test_an_ack_that_another_one_outran_is_no_refusal(self) -> None:
        """Two segments bring one cookie on two processors: the second finds the connection."""
        late = {"seg_seq": 8, "seg_flags": ACK, "cookie": 0x102}
        for acks, told in ((1, False), (2, True)):
            for ack_s in (0.0499, 0.0501):
                self.setUp()
                at = self.at
                events = [*at.cookie_sent(0, 3000), at.completed(0.05, 3000, 0x101, True),
                          *(at.refused(ack_s + n, 3000, OTHER, **late) for n in range(acks))]
                found = self.found(*sorted(events, key=lambda e: e["time_ns"]))
                with self.subTest(acks=acks, ack_s=ack_s):
                    self.assertEqual("refused-otherwise" in found, told)

    def test_refusals_of_syns_and_acks_are_each_counted_once(self) -> None:
        at = self.at
        found = self.found(at.syn(0, 3000), at.refused(0, 3000, OTHER), *at.queued(1, 3001, 0x101),
                           at.refused(1.1, 3001, OTHER, seg_seq=8, seg_flags=ACK, cookie=0x101))
        self.assertIn("1 SYN and 1 last ACK dropped", found["refused-otherwise"].sentence)

    def test_a_flood_is_told_once_for_the_listener(self) -> None:
        flood = [e for n in range(60) for e in self.at.queued(
            n / 100, 1024 + n, 0x1000 + n, isn=n + 1,
            peer=f"198.{n}.{3 * n % 251}.7")]
        found = self.found(*flood, end_s=4)
        self.assertIn("60 of 60 handshakes went unanswered",
                      found["syn-flood"].sentence)
        self.assertEqual([r.subject.is_listener for r in
                          self.reports(*flood, end_s=4)], [True],
                         "its requests are not told one by one")

    def test_many_clients_are_no_flood(self) -> None:
        clients = [e for n in range(60) for e in self.client(n, n / 100)]
        self.assertNotIn("syn-flood", self.found(
            *sorted(clients, key=lambda e: e["time_ns"]), end_s=4))

    def test_no_verdict_on_a_flood_without_its_kinds(self) -> None:
        flood = [e for n in range(60) for e in self.at.queued(
            n / 100, 1024 + n, 0x1000 + n, isn=n + 1)]
        view = self.explained(*flood, events="syn request synack state")
        self.assertNotIn("syn-flood", [
            f.rule for f in findings(view, self.end_ns(4))])
        self.assertTrue(any("SYN flood" in line for line in view.unknown()))

    def test_cookies_and_their_answers_are_counted(self) -> None:
        at = self.at
        at.half_open = 65
        events = [*at.cookie_sent(0, 3000), at.completed(0.04, 3000, 0x300, True),
                  at.cookie_checked(0.04, 3000, VALID, cookie=0x300)]
        finding = self.found(*events)["syn-cookies"]
        self.assertIn("1 SYN answered with a SYN cookie, as the half-open queue "
                      "was full; 1 came back valid", finding.sentence)

    def test_what_does_nothing_with_cookies_is_not_advised(self) -> None:
        """tcp_conn_request() reads tcp_max_syn_backlog only without them."""
        at = self.at
        at.half_open = 129
        sent = self.found(*at.cookie_sent(0, 3000))["syn-cookies"].next_step
        self.assertIn(RAISE_BACKLOG, sent)
        self.assertNotIn("max_syn_backlog", sent)
        refused = self.found(at.syn(0, 3000), at.refused(0, 3000, HALF_OPEN_FULL))
        self.assertIn(f"or, without cookies, {RAISE_BACKLOG}, together with "
                      "net.ipv4.tcp_max_syn_backlog",
                      refused["half-open-queue-full"].next_step)

    def test_cookies_from_a_queue_with_room_say_so(self) -> None:
        """tcp_syncookies=2: no queue was full."""
        finding = self.found(*self.at.cookie_sent(0, 3000))["syn-cookies"]
        self.assertIn("the queue had room", finding.sentence)

    def test_requests_given_up_and_reset_are_told_apart(self) -> None:
        at = self.at
        found = self.found(
            *at.queued(0, 3000, 0x200), *at.queued(0, 3001, 0x201),
            at.request_end(0.1, 3001, 0x201, RESET_BY_PEER),
            at.request_end(63, 3000, 0x200, EXPIRED))
        self.assertIn("one handshake given up: no answer to up to 6 SYN-ACKs",
                      found["requests-given-up"].sentence)
        self.assertNotIn("DEFER", found["requests-given-up"].sentence)
        self.assertIn("one handshake ended by a RST",
                      found["requests-reset"].sentence)

    def test_synacks_that_could_not_be_sent_are_this_hosts_trouble(self) -> None:
        at = self.at
        found = self.found(*at.queued(0, 3000, 0x200),
                           at.request_end(1, 3000, 0x200, UNSENT))
        self.assertNotIn("requests-given-up", found)
        self.assertEqual(found["synacks-unsent"].severity, TROUBLE)
        self.assertIn("one handshake given up as this host could not send its SYN-ACK again",
                      found["synacks-unsent"].sentence)

    def test_given_up_after_a_deferred_ack_is_no_silent_client(self) -> None:
        """TCP_DEFER_ACCEPT: its timers sent nothing, as it had answered."""
        at = self.at
        self.assertNotIn("requests-given-up", self.found(
            *at.queued(0, 3000, 0x200),
            at.request_end(63, 3000, 0x200, EXPIRED, num_retrans=1, num_timeout=5)))

    def test_a_deferred_ack_is_no_lost_one(self) -> None:
        at = self.at
        queued = list(at.queued(0, 3000, 0x200))
        finding = self.found(
            *queued, at.again(3, 3000, 0x200, 0, 1),
            at.completed(3.02, 3000, 0x200, num_retrans=1, num_timeout=2))["connect-slow"]
        self.assertIn("the handshake took 3 s: the last ACK came, and TCP_DEFER_ACCEPT waited "
                      "for data; then the SYN-ACK was sent again once (3 s)", finding.sentence)
        finding = self.found(
            *queued, at.completed(2, 3000, 0x200, num_timeout=1))["connect-slow"]
        self.assertEqual(finding.gist, "TCP_DEFER_ACCEPT waited for data")
        for timeouts, may_be in ((1, True), (2, False)):
            finding = self.found(
                *queued, *(at.again(2 ** n - 1, 3000, 0x200, n - 1, n - 1)
                           for n in range(1, timeouts + 1)),
                at.completed(9, 3000, 0x200, num_retrans=timeouts,
                             num_timeout=timeouts))["connect-slow"]
            self.assertEqual("or a TCP_DEFER_ACCEPT of 1 s" in finding.sentence, may_be)

    def test_given_up_for_a_full_accept_queue_is_no_silent_client(self) -> None:
        """Its client had answered: it is not accused of silence."""
        at = self.at
        queued = list(at.queued(0, 3000, 0x200))
        at.accept_queue = 65
        found = self.found(*queued, at.last_ack_refused(1, 3000, 0x200),
                           at.request_end(63, 3000, 0x200, EXPIRED))
        self.assertEqual(list(found), ["accept-queue-full"])

    def test_one_request_is_told_if_asked_for(self) -> None:
        at = self.at
        view = self.explained(*at.queued(0, 3000, 0x200),
                              at.request_end(63, 3000, 0x200, EXPIRED))
        finding, = findings(view, None, Filter(cookie=0x200))
        self.assertEqual(finding.rule, "request-unfinished")
        self.assertIn("no answer to 1 SYN-ACK", finding.sentence)

    def test_a_slow_accept_is_trouble(self) -> None:
        finding = self.found(*self.client(accept_s=2.5))["accept-slow"]
        self.assertEqual((finding.severity, finding.cost_us),
                         (TROUBLE, 2_500_000))
        self.assertIn("stood ready for 2.5 s in the accept queue",
                      finding.sentence)

    def test_an_accept_in_time_is_not_told(self) -> None:
        self.assertNotIn("accept-slow",
                         self.found(*self.client(accept_s=0.3)))

    def test_one_not_accepted_yet_is_told_unless_events_were_lost(self) -> None:
        waiting = self.client()[:-1]
        finding = self.found(*waiting, end_s=5.04)["accept-slow"]
        self.assertIn("has waited 5 s in the accept queue", finding.sentence)
        self.assertNotIn("accept-slow", self.found(*waiting, end_s=0.3))
        self.assertNotIn("accept-slow", self.found(*self.client(), end_s=5))
        lost = self.scene.event("lost", lost_events=1)
        self.assertNotIn("accept-slow", self.found(*waiting, lost, end_s=5),
                         "its accept() may be among what was lost")

    def test_one_that_may_have_been_accepted_is_not_told(self) -> None:
        """Its accept() may be among what was not recorded."""
        waiting = self.client()[:-1]
        marks = {cause: self.scene.event(
            "mark", SECOND // 2, cookie=0, kinds_on=2**64 - 1,
            mark_cause=number_of("mark_cause", cause))
            for cause in ("filter", "frozen", "thawed")}
        missed = support.stats_text(
            "source accepted inet_csk_accept attached, missed 12 calls")
        for events, stats, chosen, is_known in (
                ([], "", {}, True),
                ([marks["filter"]], "", {}, False),
                ([marks["frozen"], marks["thawed"]], "", {}, False),
                ([], missed, {}, False),
                ([], "", {"filter": "state=ESTABLISHED"}, False),
                ([], "", {"filter": "port=5000"}, True)):
            view = self.explained(*waiting, *events, **chosen)
            if stats:
                view.gaps.see_sources([parse_stats(stats)])
            rules = [f.rule for f in findings(view, self.end_ns(5.04))]
            self.assertEqual("accept-slow" in rules, is_known, (events, chosen))

    def test_fast_open_that_nobody_answered_is_no_connection_in_17_us(self) -> None:
        """It waits for accept() all the same, and no TCP_DEFER_ACCEPT is asked of it."""
        at = self.at
        child = [*at.fast_open(0, 2000, 0x200), at.fast_open_again(1, 2000, 0x200, 0)]
        found = self.found(*child, end_s=2)
        self.assertEqual(set(found), {"request-unfinished", "accept-slow"})
        self.assertIn("not finished (half-open): the SYN-ACK was sent again once",
                      found["request-unfinished"].sentence)
        self.assertIn("in the accept queue by Fast Open", found["accept-slow"].evidence[0])
        found = self.found(*child, at.change(1.02, 2000, 0x200, "SYN-RECEIVED", "ESTABLISHED"),
                           at.accepted(1.1, 2000, 0x200), end_s=2)
        self.assertIn("the handshake took 1 s: the SYN-ACK was sent again once (1 s): one "
                      "SYN-ACK or the client's last ACKs were lost",
                      found["connect-slow"].sentence)
        self.assertNotIn("DEFER", found["connect-slow"].sentence)

    def test_only_what_no_process_took_was_never_accepted(self) -> None:
        at = self.at
        born = Life(self.scene, 0x200, 5000)
        ends = {"local_addr": SERVER, "remote_addr": CLIENT,
                "remote_port": 3000}
        closing = [
            born.change(0.04, "SYN-RECEIVED", "ESTABLISHED", **ends),
            born.change(2, "LISTEN", "CLOSED", cookie=1),
            born.change(2.01, "ESTABLISHED", "CLOSED", **ends)]
        found = self.found(*at.queued(0, 3000, 0x200),
                           at.completed(0.04, 3000, 0x200), *closing)
        self.assertIn("its listener was closed", found["never-accepted"].sentence)
        found = self.found(*at.queued(0, 3000, 0x200),
                           at.completed(0.04, 3000, 0x200),
                           at.accepted(1, 3000, 0x200), *closing)
        self.assertNotIn("never-accepted", found)


class Ports(Case):
    """SYNs for ports where nobody listens."""

    def refused(self, at_s: float, port: int = 9, flags: int = SYN,
                cookie: int = 0) -> Event:
        return self.scene.event(
            "reset_sent", round(at_s * SECOND), cookie=cookie, seg_flags=flags,
            local_addr=SERVER, remote_addr=CLIENT, local_port=port,
            remote_port=4000)

    def test_a_closed_port_tells_how_often_it_refused(self) -> None:
        finding = self.found(self.refused(1), self.refused(2))["closed-port"]
        self.assertEqual((str(finding.subject), finding.sentence), (
            "10.77.0.2:9", "connects were refused twice with a RST: nobody "
            "listens on 10.77.0.2:9, or not for the interface they came by"))
        self.assertEqual(finding.evidence, (
            "at 0.000 s the first SYN, at 1.000 s the last, from 10.77.0.1",))

    def test_other_resets_are_no_closed_port(self) -> None:
        """Of a connection, and in answer to what is no SYN."""
        self.assertEqual(self.found(self.refused(1, flags=0x10),
                                    self.refused(2, flags=SYN | 0x10)), {})
        self.assertNotIn("closed-port", self.found(self.refused(1, cookie=7)))

    def test_a_scan_is_told_once(self) -> None:
        """Told once, not port by port."""
        report, = self.reports(*(self.refused(n / 10, 100 + n)
                                 for n in range(50)))
        finding, = report.findings
        self.assertIn("connects to 50 ports of 10.77.0.2 were refused 50 times",
                      finding.sentence)
        self.assertEqual(len(self.reports(*(self.refused(n / 10, 100 + n)
                                            for n in range(8)))), 8)
