# SPDX-License-Identifier: GPL-2.0
"""Rules on ends: each with its fault, and nearly with it."""

import errno
from collections.abc import Sequence
from typing import Any
from unittest import mock

from renoscope_lib.explain import explain_text
from renoscope_lib.explain.finding import NOTEWORTHY, TROUBLE, Finding
from renoscope_lib.ring.schema import Event
from renoscope_lib.views import states

from .explain_scene import ISN, PEER_ISN, Case, without
from .handshake_scene import ListenerScene
from .support import ACK, FIN, RST, SECOND, SYN, number_of


class Ends(Case):
    def of(self, *events: Event, end_s: float | None = None
           ) -> dict[str, Finding]:
        return self.found(*self.life.opens(), *events, end_s=end_s)

    def reset_sent(self, at_s: float, state: str = "ESTABLISHED") -> Event:
        return self.life.event("reset_sent", at_s, state)

    def error(self, at_s: float, number: int, state: str = "CLOSED") -> Event:
        return self.life.event("error", at_s, state, sk_error=number)

    # ---- resets

    def test_a_reset_in_close_wait_is_trouble_and_tells_why(self) -> None:
        life = self.life
        finding = self.of(
            life.change(1, "ESTABLISHED", "CLOSE-WAIT"),
            life.reset_received(2, "CLOSE-WAIT", snd_nxt=life.snd_nxt + 9),
            life.change(2, "CLOSE-WAIT", "CLOSED"))["reset-by-peer"]
        self.assertEqual(finding.severity, TROUBLE)
        self.assertEqual(finding.sentence, (
            "reset by the peer in CLOSE-WAIT: the peer had closed, and more came from "
            "us (implied)"))
        self.assertEqual(finding.evidence[-2:], (
            "at 1.000 s CLOSE-WAIT for 1 s",
            "at 2.000 s RST received, with data or a FIN of ours not "
            "acknowledged"))
        self.assertIn("read the end of file before writing", finding.next_step)

    def test_who_wrote_nothing_is_not_told_to_write_less(self) -> None:
        life = self.life
        finding = self.of(
            life.change(1, "ESTABLISHED", "CLOSE-WAIT"),
            life.reset_received(2, "CLOSE-WAIT", snd_una=life.snd_nxt),
            life.change(2, "CLOSE-WAIT", "CLOSED"))["reset-by-peer"]
        self.assertIn("the peer had closed, and waited no more (implied)", finding.sentence)
        self.assertNotIn("wrote", finding.next_step)

    def test_a_peer_that_acknowledged_after_its_fin_had_not_closed(self) -> None:
        """shutdown(SHUT_WR): to write on is no fault of ours."""
        for acked, is_half in ((0, False), (300, True)):
            with self.subTest(acked=acked):
                self.setUp()
                life = self.life
                events = [life.change(1, "ESTABLISHED", "CLOSE-WAIT")]
                if acked:
                    events.append(life.acked(1.04, acked, state="CLOSE-WAIT"))
                finding = self.of(
                    *events, life.reset_received(2, "CLOSE-WAIT", snd_nxt=life.snd_nxt + 9),
                    life.change(2, "CLOSE-WAIT", "CLOSED"))["reset-by-peer"]
                half = ("the peer had shut down its sending only, as 300 bytes that we sent "
                        "after its FIN were acknowledged")
                self.assertEqual(half in finding.sentence, is_half)
                self.assertEqual("the peer had closed" in finding.sentence, not is_half)
                self.assertEqual("before writing" in finding.next_step, not is_half)
                self.assertNotIn("300", finding.gist)

    def test_what_was_sent_before_the_peers_fin_tells_no_half_close(self) -> None:
        life = self.life
        before = life.change(1, "ESTABLISHED", "CLOSE-WAIT", snd_nxt=life.snd_nxt + 300)
        finding = self.of(before, life.acked(1.04, 300, state="CLOSE-WAIT"),
                          life.reset_received(2, "CLOSE-WAIT"),
                          life.change(2, "CLOSE-WAIT", "CLOSED"))["reset-by-peer"]
        self.assertIn("the peer had closed", finding.sentence)

    def test_a_close_in_close_wait_is_healthy(self) -> None:
        life = self.life
        self.assert_healthy(
            *life.opens(), life.change(1, "ESTABLISHED", "CLOSE-WAIT"),
            life.change(2, "CLOSE-WAIT", "LAST-ACK"),
            life.change(2.04, "LAST-ACK", "CLOSED"))

    def test_a_reset_by_the_peer_names_the_state(self) -> None:
        life = self.life
        found = self.of(life.reset_received(1),
                        life.change(1, "ESTABLISHED", "CLOSED"))
        self.assertEqual(found["reset-by-peer"].sentence,
                         "reset by the peer in ESTABLISHED")

    def other_end(self, closes_s: float, isn: int = ISN, is_reset: bool = True) -> list[Event]:
        """The listener's child, which closes with data that nobody has read."""
        at, port = ListenerScene(scene=self.scene), self.life.port
        closed = at.change(closes_s, port, 9, "ESTABLISHED", "CLOSED", rcv_isn=isn)
        return [*at.queued(0.02, port, 9, isn), at.completed(0.05, port, 9, rcv_isn=isn),
                at.change(0.05, port, 9, "SYN-RECEIVED", "ESTABLISHED", rcv_isn=isn), closed,
                *([at.event("reset_sent", closes_s, port, cookie=9, rcv_isn=isn, snd_isn=99,
                            state=number_of("state", "CLOSED"))] if is_reset else [])]

    def test_a_reset_by_the_peer_is_told_as_its_other_end_tells_it(self) -> None:
        """If that was recorded, is of the same connection and sent it before it came."""
        for other, is_known in (
                ({"closes_s": 0.98}, True), ({"closes_s": 1.005}, True),
                ({"closes_s": 0.98, "isn": 77}, False),
                ({"closes_s": 0.98, "is_reset": False}, False)):
            with self.subTest(other):
                self.setUp()
                life = self.life
                finding = self.found(*sorted(
                    (*life.opens(), life.reset_received(1),
                     life.change(1, "ESTABLISHED", "CLOSED"), *self.other_end(**other)),
                    key=lambda event: event["time_ns"]))["reset-by-peer"]
                why = "closed with unread data (implied)"
                self.assertEqual(
                    (finding.sentence, finding.gist), (
                        f"reset by the peer in ESTABLISHED: its other end, sk:9, sent it: {why}",
                        f"in ESTABLISHED, its other end: {why}") if is_known
                    else ("reset by the peer in ESTABLISHED", "in ESTABLISHED"))
                self.assertEqual(finding.next_step, (
                    "look at the end that sent it\nrenoscope explain FILE --connection 9"
                    if is_known else
                    "did the peer's program end it (its log), or a firewall or a load balancer "
                    "between?\nrenoscope show FILE --connection 5"))

    def told_of_both(self, *more: Event, closes_s: float = 2, end_s: float = 3,
                     opens: bool = True, **parameters: str) -> list[Finding]:
        """A RST comes at 1 s; the other end is closed and sends its own later, or never."""
        life = self.life
        far = self.other_end(closes_s)
        events = sorted(
            (*life.opens(), life.reset_received(1), life.change(1, "ESTABLISHED", "CLOSED"),
             *far[0 if opens else -2:len(far) if closes_s else -2], *more),
            key=lambda event: event["time_ns"])
        return [finding for report in self.reports(*events, end_s=end_s, **parameters)
                for finding in report.findings]

    def in_the_peers_name(self, *more: Event, **choice: Any) -> dict[str, Finding]:
        return {finding.rule: finding for finding in self.told_of_both(*more, **choice)
                if finding.subject.cookie == self.life.cookie}

    def test_a_reset_that_neither_end_sent_is_of_something_between(self) -> None:
        found = self.in_the_peers_name()
        finding = found["reset-by-neither"]
        self.assertNotIn("reset-by-peer", found)
        self.assertEqual((finding.severity, finding.sentence, finding.gist), (
            TROUBLE, "reset in ESTABLISHED by a RST in the peer's name that its end, sk:9, did "
            "not send: something between did (implied)",
            "in ESTABLISHED, by a RST that the peer's end did not send"))
        self.assertEqual(finding.evidence[-2:], (
            "at 1.000 s RST received",
            "no RST of sk:9 was recorded by then, nor one without a socket under its name"))
        self.assertIn("capture on both sides and compare (tcpdump -nvi any tcp port 5000)",
                      finding.next_step)
        self.assertTrue(finding.next_step.endswith("\nrenoscope show FILE --connection 5"))

    def reset_sent_by_mptcp(self, at_s: float) -> Event:
        """By the other end, which tells of it as late as its task comes to that."""
        return ListenerScene(scene=self.scene).event(
            "reset_sent", at_s, self.life.port, cookie=9, rcv_isn=ISN, snd_isn=99,
            state=number_of("state", "CLOSED"), sock_flags=1 << number_of("sock_flags", "mptcp"))

    def test_both_may_get_one_that_neither_sent(self) -> None:
        life, at = self.life, ListenerScene(scene=self.scene)
        found = self.told_of_both(
            at.event("reset_received", 0.99, life.port, cookie=9, state=1, rcv_isn=ISN,
                     snd_isn=99, seg_flags=4),
            at.change(0.99, life.port, 9, "ESTABLISHED", "CLOSED", rcv_isn=ISN), closes_s=0)
        self.assertEqual(
            [(finding.subject.cookie, f"sk:{far}" in finding.sentence) for finding, far in zip(
                (one for one in found if one.rule == "reset-by-neither"), (9, 5))],
            [(5, True), (9, True)])

    def test_who_else_may_have_sent_it_is_not_called_between(self) -> None:
        at = ListenerScene(scene=self.scene)
        nobodys = at.event("reset_sent", 0.99, self.life.port, state=0)
        others = at.event("reset_sent", 0.99, 7, state=0)
        lost = self.life.event("lost", 0.9, lost_events=1)
        closed = at.change(0.9, self.life.port, 9, "ESTABLISHED", "CLOSED", rcv_isn=ISN)
        ended = at.event("reset_received", 0.9, self.life.port, cookie=9, state=1, rcv_isn=ISN,
                         snd_isn=99, seg_flags=RST)
        for more, parameters, is_told in (
                ((others,), {}, True), ((nobodys,), {}, False), ((lost,), {}, False),
                ((), {"events": without("reset_sent")}, False),
                ((), {"filter": "state=established"}, False),
                ((), {"filter": "port=5000", "flow_sample": "2"}, True),
                ((ended, closed), {}, True), ((closed,), {}, False),
                ((ended, closed), {"flow_sample": "2"}, False),
                ((ended, closed), {"filter": "cookie=5,9"}, False)):
            with self.subTest(kinds=[event.kind for event in more], parameters=parameters):
                found = self.in_the_peers_name(
                    *more, closes_s=0 if closed in more else 2, **parameters)
                self.assertEqual("reset-by-neither" in found, is_told)
                self.assertEqual("reset-by-peer" in found, not is_told)
        late = self.reset_sent_by_mptcp(2.2)
        self.assertNotIn("reset-by-neither", self.in_the_peers_name(late))
        for where, choice in (("watched too short", {"end_s": 1.05, "closes_s": 1.04}),
                              ("begun unseen", {"opens": False})):
            with self.subTest(where):
                self.assertNotIn("reset-by-neither", self.in_the_peers_name(**choice))

    def test_of_two_that_may_be_the_peers_end_each_may_have_sent_it(self) -> None:
        at, port = ListenerScene(scene=self.scene), self.life.port
        self.assertNotIn("reset-by-neither", self.in_the_peers_name(
            at.completed(0.06, port, 10, rcv_isn=ISN),
            at.change(0.06, port, 10, "SYN-RECEIVED", "ESTABLISHED", rcv_isn=ISN)))

    def test_of_too_many_resets_one_may_be_its_own(self) -> None:
        others = ListenerScene(scene=self.scene).event("reset_sent", 0.99, 7, state=0)
        with mock.patch.object(states, "MOST_RESETS", 1):
            self.assertNotIn("reset-by-neither", self.in_the_peers_name(others))

    def test_for_a_moment_after_the_rst_came_its_own_end_may_tell_of_it(self) -> None:
        """That long must have been watched, and no RST gone under its name."""
        for at_s, is_told in ((1.09, False), (1.11, True)):
            with self.subTest(at_s):
                self.setUp()
                nobodys = ListenerScene(scene=self.scene).event(
                    "reset_sent", at_s, self.life.port, state=0)
                self.assertEqual("reset-by-neither" in self.in_the_peers_name(nobodys), is_told)
                self.setUp()
                self.assertEqual("reset-by-neither" in self.in_the_peers_name(
                    end_s=at_s, closes_s=0), is_told)

    def test_the_other_ends_we_is_our_it(self) -> None:
        life, after = self.life, number_of("state", "FIN-WAIT-2")
        far = self.other_end(2, is_reset=False)[:-1]
        at = ListenerScene(scene=self.scene)
        moves = [at.change(0.9, life.port, 9, "ESTABLISHED", "FIN-WAIT-1", rcv_isn=ISN),
                 at.change(0.95, life.port, 9, "FIN-WAIT-1", "FIN-WAIT-2", rcv_isn=ISN),
                 at.event("reset_received", 1, life.port, cookie=9, state=after, seg_len=3,
                          seg_flags=ACK, rcv_isn=ISN),
                 at.change(1, life.port, 9, "FIN-WAIT-2", "CLOSED", rcv_isn=ISN)]
        finding = self.found(*sorted(
            (*life.opens(), life.change(0.92, "ESTABLISHED", "CLOSE-WAIT"), *far, *moves,
             life.reset_received(1.02, "CLOSE-WAIT", snd_nxt=life.snd_nxt + 9),
             life.change(1.02, "CLOSE-WAIT", "CLOSED")),
            key=lambda event: event["time_ns"]))["reset-by-peer"]
        self.assertEqual(finding.sentence, (
            "reset by the peer in CLOSE-WAIT: the peer had closed, and more came from us "
            "(implied); its other end, sk:9, sent it: data came after it had closed"))
        self.assertIn("read the end of file before writing", finding.next_step)

    def test_who_opened_closed_and_reset_it_is_told(self) -> None:
        life = self.life
        events = [life.change(0, "CLOSED", "SYN-SENT", comm=b"curl", pid=9),
                  *life.opens()[1:]]
        explained = self.explained(
            *events, life.change(1, "ESTABLISHED", "FIN-WAIT-1", comm=b"worker", pid=8),
            life.change(2, "FIN-WAIT-1", "CLOSED", comm=b"ss", pid=7),
            life.event("reset_sent", 2, "CLOSED"))
        found = {finding.rule: finding for report in explained.reports()
                 for finding in report.findings}["reset-by-us"]
        self.assertIn("opened by us (curl[9])", "\n".join(
            explain_text.as_text(explained, None)))
        self.assertTrue(found.evidence[-2].endswith(", by worker[8]"), found.evidence)
        self.assertIn("RST sent, by ss[7]", found.evidence[-1])

    def test_who_was_there_by_chance_when_a_segment_came_is_not_named(self) -> None:
        life = self.life
        found = self.of(life.change(1, "ESTABLISHED", "CLOSE-WAIT", comm=b"reader", pid=8),
                        life.change(2, "CLOSE-WAIT", "CLOSED", comm=b"ss", pid=7),
                        self.reset_sent(2, "CLOSED"))["reset-by-us"]
        self.assertNotIn("reader", "\n".join(found.evidence))

    def test_the_last_four_states_are_told(self) -> None:
        life = self.life
        found = self.of(
            *life.closes(1)[:2], life.reset_received(3, "FIN-WAIT-2"),
            life.change(3, "FIN-WAIT-2", "CLOSED"))["reset-by-peer"]
        self.assertEqual([line.split()[3] for line in found.evidence[:-1]],
                         ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"])

    def test_programs_are_told_that_nobody_is_known(self) -> None:
        for values, opener in (({"comm": b"curl", "pid": 9}, "curl[9]"), ({}, None)):
            self.setUp()
            found = self.found(self.life.connects(**values), *self.life.opens()[1:])
            self.assertEqual(found["healthy"].as_json()["opener"], opener)

    def test_a_reset_by_us_for_unread_data_is_trouble(self) -> None:
        life = self.life
        found = self.of(life.change(1, "ESTABLISHED", "CLOSED"),
                        self.reset_sent(1, "CLOSED"))
        finding = found["reset-by-us"]
        self.assertEqual((finding.severity, finding.sentence), (
            TROUBLE, "reset by us in ESTABLISHED: closed with unread data "
            "(implied)"))
        self.assertIn("read everything before close()", finding.next_step)

    def closed_at_once(self, state: str, *between: Event, took_s: float = 1e-5,
                       cpu: int = 0) -> Finding:
        """Our FIN, and so soon CLOSED and a RST."""
        life, before = self.life, "CLOSE-WAIT" if state == "LAST-ACK" else "ESTABLISHED"
        peers = life.rcv_nxt + (state == "LAST-ACK")
        return self.of(
            *[life.change(0.9, "ESTABLISHED", before)] * (before == "CLOSE-WAIT"),
            life.change(1, before, state, rcv_nxt=peers), *between,
            life.change(1 + took_s, state, "CLOSED", cpu=cpu, rcv_nxt=peers),
            self.reset_sent(1 + took_s, "CLOSED"))["reset-by-us"]

    def test_a_close_that_sent_its_fin_first_found_nothing_unread(self) -> None:
        """__tcp_close() looks for unread data before, and for memory after that."""
        memory = "too many orphans, or tcp_mem is exhausted (implied)"
        either = "too many orphans, tcp_mem is exhausted, or closed with unread data (implied)"
        unread = "closed with unread data (implied)"
        for state, after_shutdown, got, took_s, cpu, words in (
                ("FIN-WAIT-1", False, 0, 1e-5, 0, memory),
                ("LAST-ACK", False, 0, 1e-5, 0, memory),
                ("FIN-WAIT-1", False, 300, 1e-5, 0, either),
                ("FIN-WAIT-1", False, 300, 1e-5, 1, unread),
                ("FIN-WAIT-1", False, 300, 0.3, 0, unread),
                ("FIN-WAIT-1", False, 300, 2, 0, either),       # SO_LINGER
                ("FIN-WAIT-1", True, 300, 0.3, 0, memory),
                ("LAST-ACK", True, 300, 0.3, 0, memory)):
            with self.subTest(state=state, after_shutdown=after_shutdown, got=got,
                              took_s=took_s, cpu=cpu):
                self.setUp()
                if got:
                    self.life.gets(0.5, got)
                close = [self.life.change(1.2, state, state)] * after_shutdown
                finding = self.closed_at_once(state, *close, took_s=took_s, cpu=cpu)
                self.assertEqual((finding.severity, finding.sentence),
                                 (TROUBLE, f"reset by us in {state}: {words}"))
                self.assertEqual("TcpExtTCPAbortOnMemory" in finding.next_step,
                                 words is not unread)
                self.assertEqual("read everything" in finding.next_step,
                                 words is not memory)

    def test_what_one_call_takes_and_what_lingers(self) -> None:
        """Between the two another call of the program did it, and had read nothing."""
        for took_s, may_lack_memory in ((0.00019, True), (0.00021, False), (0.99, False),
                                        (1.0, True)):
            with self.subTest(took_s):
                self.setUp()
                self.life.gets(0.5, 300)
                finding = self.closed_at_once("FIN-WAIT-1", took_s=took_s)
                self.assertEqual("too many orphans" in finding.sentence, may_lack_memory)

    def test_in_last_ack_one_call_may_have_done_it_as_well(self) -> None:
        self.life.gets(0.5, 300)
        self.assertIn("too many orphans", self.closed_at_once("LAST-ACK").sentence)

    def test_where_another_call_may_have_gone_unseen_memory_is_not_ruled_out(self) -> None:
        self.life.gets(0.5, 300)
        lost = self.life.event("lost", 1.1, lost_events=1)
        self.assertIn("too many orphans",
                      self.closed_at_once("FIN-WAIT-1", lost, took_s=0.3).sentence)

    def test_a_timer_that_lacks_memory_was_asked_for_by_nobody(self) -> None:
        for state, sure in (("FIN-WAIT-1", False), ("LAST-ACK", True)):
            with self.subTest(state):
                self.setUp()
                life = self.life
                finding = self.of(
                    *[life.change(0.9, "ESTABLISHED", "CLOSE-WAIT")] * sure,
                    life.change(1, "CLOSE-WAIT" if sure else "ESTABLISHED", state),
                    self.reset_sent(9, state), life.change(9.001, state, "CLOSED")
                    )["reset-by-us"]
                self.assertEqual((finding.severity, finding.sentence), (
                    TROUBLE, f"reset by us in {state}: too many orphans"
                    + (", or tcp_mem is exhausted (implied)" if sure else
                       ", tcp_mem is exhausted, or killed, as by ss -K (implied)")))
                self.assertIn("net.ipv4.tcp_mem", finding.next_step)

    def test_a_kill_was_asked_for(self) -> None:
        life = self.life
        found = self.of(self.reset_sent(1), self.error(1, errno.ECONNABORTED),
                        life.change(1, "ESTABLISHED", "CLOSED"))
        self.assertEqual(found["reset-by-us"].severity, NOTEWORTHY)

    def test_a_reset_that_was_asked_for_is_no_trouble(self) -> None:
        """SO_LINGER 0: the program wanted it."""
        life = self.life
        found = self.of(self.reset_sent(1, "CLOSED"),
                        life.change(1, "ESTABLISHED", "CLOSED",),
                        self.error(1, errno.ECONNRESET))
        self.assertEqual(found["reset-by-us"].severity, NOTEWORTHY)

    def test_where_closed_was_not_seen_another_word_tells_what_it_left(self) -> None:
        """The RST's own, or what it was in before."""
        life, lost = self.life, "a state that was not seen (after CLOSE-WAIT)"
        for events, rule, words in (
                (lambda: [life.reset_received(2, "CLOSE-WAIT")], "reset-by-peer",
                 "reset by the peer in CLOSE-WAIT"),
                (lambda: [self.reset_sent(2, "CLOSED")], "reset-by-us",
                 f"reset by us in {lost}: "),
                (lambda: [self.error(2, errno.EHOSTUNREACH)], "failed",
                 f"ended in {lost} by an error: "),
                (lambda: [self.error(2, errno.ETIMEDOUT)], "timed-out",
                 f"the kernel gave it up in {lost}: ")):
            with self.subTest(rule):
                self.setUp()
                life = self.life
                found = self.of(life.change(1, "ESTABLISHED", "CLOSE-WAIT"), *events(),
                                life.event("lost", 2, lost_events=1),
                                life.event("destroy", 2, "CLOSED"))
                self.assertIn(words, found[rule].sentence)

    def test_what_ended_it_is_not_guessed_where_it_may_lack(self) -> None:
        life = self.life
        finding = self.of(life.change(1, "ESTABLISHED", "FIN-WAIT-1"),
                          life.event("lost", 1.5, lost_events=1),
                          life.change(2, "FIN-WAIT-1", "CLOSED", snd_una=life.snd_nxt - 1)
                          )["healthy"]
        self.assertIn("gone from FIN-WAIT-1: why was not recorded", finding.sentence)

    def test_a_rst_in_time_wait_harms_nobody(self) -> None:
        life = self.life
        self.assert_healthy(*life.opens(), *life.closes(1), life.event(
            "time_wait_end", 5, "TIME-WAIT",
            time_wait_ending=number_of("time_wait_ending", "reset")))

    def test_unanswered_keepalives_are_no_reset_of_ours(self) -> None:
        life = self.life
        found = self.of(self.reset_sent(9), self.error(9, errno.ETIMEDOUT),
                        life.change(9, "ESTABLISHED", "CLOSED"))
        self.assertIn("no answer to keepalives",
                      found["keepalive-timeout"].sentence)
        self.assertNotIn("reset-by-us", found)

    def keepalive(self, at_s: float, unanswered: int) -> Event:
        return self.life.event("probe", at_s, probes_out=unanswered, probe_cause=number_of(
            "probe_cause", "keepalive"))

    def test_a_user_timeout_may_end_what_one_keepalive_asked(self) -> None:
        """tcp_keepalive_timer() counts the probes only without one."""
        for probes, seen in (((), " (net"), ((7,), ", one probe seen (net"),
                             ((7, 8, 9), ", three probes seen (net")):
            with self.subTest(probes=probes):
                self.setUp()
                finding = self.of(
                    self.keepalive(2, 0), self.life.event("ack", 2.04, seg_flags=ACK),
                    *(self.keepalive(at_s, n) for n, at_s in enumerate(probes)),
                    self.reset_sent(14), self.error(14, errno.ETIMEDOUT),
                    self.life.change(14, "ESTABLISHED", "CLOSED"))["keepalive-timeout"]
                self.assertIn(f"no answer to keepalives (implied){seen}", finding.sentence)
                self.assertIn("TCP_USER_TIMEOUT)", finding.sentence)
                self.assertEqual(finding.gist, "no answer to keepalives")
                for setting in ("tcp_keepalive_probes", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"):
                    self.assertIn(setting, finding.next_step)

    def test_keepalives_are_known_without_the_reset(self) -> None:
        """Everything was acknowledged: the probes alone got no answer."""
        for asked, unacked, rule, words in (
                (True, 0, "keepalive-timeout", "no answer to keepalives (implied), two probes "
                 "seen (net.ipv4.tcp_keepalive_*, or our program's TCP_USER_TIMEOUT); the peer"),
                (True, 9, "timed-out", "what was sent last was never acknowledged"),
                (False, 0, "timed-out", "what was sent was acknowledged, so most likely "
                                        "keepalives got no answer")):
            with self.subTest(asked=asked, unacked=unacked):
                self.setUp()
                life = self.life
                probes = [self.keepalive(7, 0), self.keepalive(8, 1)] * asked
                found = self.of(*probes, life.change(
                    9, "ESTABLISHED", "CLOSED", snd_nxt=life.snd_nxt + unacked),
                    self.error(9, errno.ETIMEDOUT))
                self.assertIn(words, found[rule].sentence)

    # ---- RSTs and SYNs that do not fit

    def came(self, flags: int, offsets: Sequence[int], at_s: float = 1, **values: Any
             ) -> list[Event]:
        """Segments so far off what is expected next."""
        life = self.life
        return [life.event("ack", at_s + n / 100, seg_flags=flags,
                           seg_seq=(life.rcv_nxt + off) % 2**32, **values)
                for n, off in enumerate(offsets)]

    def test_rsts_and_syns_that_do_not_fit_are_counted(self) -> None:
        finding = self.of(*self.came(RST, range(3, 53)),
                          *self.came(SYN, [-70_000] * 50, at_s=2))["challenged"]
        self.assertEqual((finding.severity, finding.sentence, finding.gist, finding.evidence), (
            NOTEWORTHY, "50 RSTs and 50 SYNs came for it that did not fit and had no effect (the "
            "kernel asks back with a challenge ACK, or drops them): somebody guesses its "
            "numbers, or the peer has forgotten it", "RSTs and SYNs that did not fit",
            ("at 1.000 s to 1.490 s 50 RSTs, +3 to +52 off the number expected next",
             "at 2.000 s to 2.490 s 50 SYNs, -70000 off the number expected next")))
        for words in ("TcpExtTCPChallengeACK", "TcpExtTCPSYNChallenge", "tcp port 5000 ",
                      "\nrenoscope show FILE --connection 5"):
            self.assertIn(words, finding.next_step)

    def test_a_few_that_do_not_fit_are_healthy(self) -> None:
        life, own = self.life, PEER_ISN - self.life.rcv_nxt
        self.assert_healthy(*life.opens(), *self.came(RST, [9, 10]), *life.closes(2))
        self.setUp()
        self.assert_healthy(*self.life.opens(), *self.came(SYN | ACK, [own] * 5))

    def test_the_rst_that_ended_it_had_its_effect(self) -> None:
        life = self.life
        for ending, count in (([life.reset_received(1.03), life.change(
                1.03, "ESTABLISHED", "CLOSED")], "3 RSTs"), ([], "4 RSTs"),
                ([life.event("lost", 1.5, lost_events=1)], "3 RSTs")):
            with self.subTest(count=count):
                found = self.of(*self.came(RST, [5, 6, 7, 0]), *ending)
                self.assertIn(f"{count} came", found["challenged"].sentence)

    def test_before_it_is_established_nothing_is_challenged(self) -> None:
        found = self.found(self.life.connects(), *self.came(
            RST, range(5, 15), at_s=0.5, state="SYN-SENT", rcv_isn=0))
        self.assertNotIn("challenged", found)

    def test_a_syn_of_an_unknown_isn_may_be_the_peers_own(self) -> None:
        self.assertNotIn("challenged", self.of(*self.came(SYN, range(5, 15), rcv_isn=0)))

    def test_the_last_rst_before_a_gap_may_have_ended_it(self) -> None:
        found = self.of(*self.came(RST, [5, 6, 7, 8]), self.scene.event("lost", lost_events=1),
                        *self.came(RST, [9], at_s=2))
        self.assertIn("4 RSTs came", found["challenged"].sentence)

    def test_one_kind_is_enough_to_tell_that_a_rst_had_its_effect(self) -> None:
        """The RST or the state it led to; without both the last one is not counted."""
        for missing in ((), ("state",), ("reset_received",), ("state", "reset_received")):
            with self.subTest(missing):
                self.setUp()
                life = self.life
                ending = {"reset_received": life.reset_received(1.04),
                          "state": life.change(1.04, "ESTABLISHED", "CLOSED")}
                found = self.found(
                    *life.opens(), *self.came(RST, [5, 6, 7, 0]),
                    *(ending[kind] for kind in ending if kind not in missing),
                    events=without(*missing))
                self.assertIn("3 RSTs came", found["challenged"].sentence)

    def test_while_one_kind_would_tell_the_last_rst_counts_as_well(self) -> None:
        found = self.found(*self.life.opens(), *self.came(RST, [5, 6, 7]),
                           events=without("state"))
        self.assertIn("3 RSTs came", found["challenged"].sentence)

    def test_they_began_with_the_first_of_either(self) -> None:
        found = self.of(*self.came(SYN, [70] * 3), *self.came(RST, [7] * 3, at_s=2))
        self.assertEqual(found["challenged"].at_ns, self.scene.start_ns + SECOND)

    def test_where_acks_are_sampled_they_are_the_least_there_were(self) -> None:
        found = self.found(*self.life.opens(), *self.came(RST, range(1, 9)), ack_sample="10")
        self.assertTrue(found["challenged"].sentence.startswith("at least 8 RSTs came"))

    # ---- given up

    def test_one_that_timed_out_was_given_up_by_the_kernel(self) -> None:
        life = self.life
        found = self.of(self.error(60, errno.ETIMEDOUT, "ESTABLISHED"),
                        life.change(60, "ESTABLISHED", "CLOSED"))
        self.assertIn("the kernel gave it up in ESTABLISHED: no answer any more "
                      "(ETIMEDOUT)", found["timed-out"].sentence)

    def test_an_orphan_given_up_tells_its_timeouts(self) -> None:
        life = self.life
        found = self.of(life.change(1, "ESTABLISHED", "FIN-WAIT-1"),
                        *(life.timeout(2 ** n, 1, retransmits=n, state="FIN-WAIT-1")
                          for n in range(4)),
                        life.change(20, "FIN-WAIT-1", "CLOSED", retransmits=3))
        self.assertIn("after our close(): after 4 timeouts in a row",
                      found["orphan-given-up"].sentence)
        self.assertTrue(found["orphan-given-up"].sentence.endswith(
            "may be lost (net.ipv4.tcp_orphan_retries, or our program's TCP_USER_TIMEOUT)"))

    def test_an_orphan_is_given_up_in_last_ack_as_well(self) -> None:
        life = self.life
        found = self.of(life.change(1, "ESTABLISHED", "CLOSE-WAIT"),
                        life.change(2, "CLOSE-WAIT", "LAST-ACK"),
                        life.change(20, "LAST-ACK", "CLOSED", retransmits=7,
                                    snd_nxt=life.snd_nxt + 1))
        self.assertIn("given up in LAST-ACK, after our close(): after 7 retransmissions by "
                      "timeout (implied)",
                      found["orphan-given-up"].sentence)

    def test_an_orphan_has_no_error(self) -> None:
        """It has no socket: what reports one was shut down, and not closed."""
        life = self.life
        found = self.of(life.change(1, "ESTABLISHED", "FIN-WAIT-1"),
                        life.change(900, "FIN-WAIT-1", "CLOSED", retransmits=15),
                        self.error(900, errno.ETIMEDOUT))
        self.assertNotIn("orphan-given-up", found)
        self.assertIn("the kernel gave it up in FIN-WAIT-1: no answer any more",
                      found["timed-out"].sentence)
        self.assertIn("net.ipv4.tcp_retries2", found["timed-out"].sentence)

    def at_zero(self, answered: bool) -> Finding:
        self.setUp()
        life = self.life
        events = [*life.opens(), life.window(1, "closed")]
        for n, at_s in enumerate((1.3, 1.8, 2.8, 4.8, 8.8)):
            events.append(life.event(
                "probe", at_s, snd_wnd=0, probes_out=0 if answered else n,
                probe_cause=number_of("probe_cause", "zero_window")))
            if answered:
                events.append(life.event("ack", at_s + 0.04, seg_flags=ACK, snd_wnd=0,
                                         seg_seq=life.rcv_nxt, seg_ack=life.snd_nxt))
        return self.found(
            *events, life.change(10, "ESTABLISHED", "CLOSED", snd_wnd=0),
            self.error(10, errno.ETIMEDOUT))["timed-out"]

    def test_a_user_timeout_at_a_zero_window_is_no_silent_peer(self) -> None:
        """The kernel waits for ever for a peer that answers, unless told not to."""
        finding = self.at_zero(answered=True)
        self.assertEqual(finding.sentence, (
            "the kernel gave it up in ESTABLISHED (ETIMEDOUT), though the peer "
            "answered: its window stayed zero longer than our program's "
            "TCP_USER_TIMEOUT allows"))
        self.assertNotIn("no answer", finding.gist)
        finding = self.at_zero(answered=False)
        self.assertIn("no answer to five probes was seen", finding.sentence)
        self.assertIn("tcp_retries2, or", finding.sentence)

    def test_without_an_error_it_was_an_orphan_at_a_zero_window_as_well(self) -> None:
        life = self.life
        found = self.of(
            life.window(1, "closed"), life.change(2, "ESTABLISHED", "FIN-WAIT-1", snd_wnd=0),
            *(life.event("probe", at_s, "FIN-WAIT-1", snd_wnd=0, probes_out=n,
                         probe_cause=number_of("probe_cause", "zero_window"))
              for n, at_s in enumerate((2.3, 2.8, 3.8))),
            life.change(10, "FIN-WAIT-1", "CLOSED", snd_wnd=0, snd_nxt=life.snd_nxt + 1))
        self.assertNotIn("timed-out", found)
        self.assertIn("given up in FIN-WAIT-1, after our close()",
                      found["orphan-given-up"].sentence)

    def test_a_peer_that_was_heard_is_not_called_silent(self) -> None:
        for heard_s, flags, told in ((8, ACK, "the peer was still heard"),
                                     (8, RST, "no answer any more"),
                                     (3, ACK, "no answer any more")):
            self.setUp()
            life = self.life
            heard = life.event("ack", heard_s, seg_flags=flags, seg_seq=life.rcv_nxt,
                               seg_ack=life.snd_una, rto_us=4_000_000)
            found = self.of(heard, life.change(9, "ESTABLISHED", "CLOSED",
                                               snd_nxt=life.snd_nxt + 9),
                            self.error(9, errno.ETIMEDOUT))
            self.assertIn(told, found["timed-out"].sentence)

    def test_another_error_is_named(self) -> None:
        life = self.life
        found = self.of(self.error(1, errno.EHOSTUNREACH, "ESTABLISHED"),
                        life.change(1, "ESTABLISHED", "CLOSED"))
        self.assertIn("error EHOSTUNREACH", found["failed"].sentence)

    # ---- hanging

    def test_a_long_close_wait_is_our_programs_trouble(self) -> None:
        life = self.life
        found = self.of(life.change(1, "ESTABLISHED", "CLOSE-WAIT"), end_s=41)
        finding = found["close-wait-long"]
        self.assertEqual((finding.severity, finding.cost_us),
                         (TROUBLE, 40_000_000))
        self.assertIn("our program did not close for 40 s after the peer had, "
                      "and still has not (CLOSE-WAIT)", finding.sentence)

    def test_a_close_wait_of_a_moment_is_healthy(self) -> None:
        life = self.life
        self.assert_healthy(
            *life.opens(), life.change(1, "ESTABLISHED", "CLOSE-WAIT"), end_s=4)

    def test_a_close_wait_that_may_be_over_is_not_told(self) -> None:
        """After a loss nobody knows."""
        life = self.life
        found = self.of(life.change(1, "ESTABLISHED", "CLOSE-WAIT"),
                        self.scene.event("lost", lost_events=3), end_s=41)
        self.assertNotIn("close-wait-long", found)

    def test_a_long_fin_wait_2_is_the_peers(self) -> None:
        life = self.life
        found = self.of(*life.closes(1)[:2], end_s=31)
        self.assertEqual(
            found["fin-wait-2-long"].sentence,
            "the peer's FIN did not come for 30 s after ours, and still has not "
            "(FIN-WAIT-2): its program did not close, or the peer is gone")
        sends_on = life.event("ack", 20, "FIN-WAIT-2", seg_flags=ACK, seg_seq=life.rcv_nxt,
                              seg_ack=life.snd_nxt, seg_len=100)
        found = self.of(*life.closes(1)[:2], sends_on, end_s=31)
        self.assertTrue(found["fin-wait-2-long"].sentence.endswith(
            "its program did not close, and sent on"))
        self.assert_healthy(*life.opens(40), *life.closes(41), end_s=90)

    def small(self, at_s: float, state: str) -> Event:
        return self.life.event(
            "time_wait", at_s, state, time_wait_us=60_000_000,
            time_wait_step=number_of("time_wait_step", "started"))

    def test_a_fin_wait_2_that_timed_out_names_the_sysctl(self) -> None:
        life = self.life
        found = self.of(*life.closes(1)[:2], self.small(1.1, "FIN-WAIT-2"),
                        life.event("time_wait_end", 61, "FIN-WAIT-2",
                                   time_wait_ending=number_of(
                                       "time_wait_ending", "timer")))
        self.assertTrue(found["fin-wait-2-long"].sentence.endswith(
            "or the peer is gone; then its time was over (net.ipv4.tcp_fin_timeout, or our "
            "program's TCP_LINGER2), and nobody waits any more"))

    def test_a_fin_sent_again_tells_its_wait(self) -> None:
        life = self.life
        found = self.of(
            life.change(1, "ESTABLISHED", "FIN-WAIT-1"),
            life.again(1.2, "rto", seg_flags=ACK | FIN,
                       state="FIN-WAIT-1"),
            *(life.closes(4)[1:]))
        self.assertIn("our FIN waited 3 s for its ACK (FIN-WAIT-1) and was sent "
                      "again once", found["fin-unanswered"].sentence)

    def test_a_fin_behind_much_data_is_healthy(self) -> None:
        """A FIN that waits for its turn is not lost."""
        life = self.life
        self.assert_healthy(*life.opens(),
                            life.change(1, "ESTABLISHED", "FIN-WAIT-1"),
                            *(life.closes(9)[1:]))

    def test_no_room_for_time_wait_is_told(self) -> None:
        life = self.life
        found = self.of(
            *life.closes(1)[:2],
            life.event("time_wait", 1.05, "TIME-WAIT", time_wait_step=number_of(
                "time_wait_step", "overflow")),
            life.change(1.05, "FIN-WAIT-2", "CLOSED"))
        self.assertIn("no room for its TIME-WAIT",
                      found["time-wait-full"].sentence)

    def test_time_wait_is_as_it_should_be(self) -> None:
        life = self.life
        found = self.of(*life.closes(1), end_s=30)
        self.assertEqual(list(found), ["healthy"])
        self.assertIn("closed first by us, now in TIME-WAIT",
                      found["healthy"].sentence)

    def test_time_wait_of_both_says_so(self) -> None:
        """As `states` does: the FINs crossed, and nobody was first."""
        life = self.life
        found = self.of(life.change(1, "ESTABLISHED", "FIN-WAIT-1"),
                        life.change(1.02, "FIN-WAIT-1", "CLOSING"),
                        self.small(1.04, "TIME-WAIT"), end_s=30)
        self.assertIn("closed by both at once, now in TIME-WAIT",
                      found["healthy"].sentence)
