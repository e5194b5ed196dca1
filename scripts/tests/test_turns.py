# SPDX-License-Identifier: GPL-2.0
"""A socket that connects again: every view tells its connections apart."""

import unittest
from typing import Any

from renoscope_lib.report.all_views import AllViews
from renoscope_lib.report.connections import lines
from renoscope_lib.report.talkers import Talkers
from renoscope_lib.report.told import Told
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.flows import Joiner
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.top.top import Top
from renoscope_lib.views.arrivals import Arrivals
from renoscope_lib.views.cwnd import Cwnd
from renoscope_lib.views.gaps import Gaps
from renoscope_lib.views.isn import IsnAudit
from renoscope_lib.views.losses import Losses
from renoscope_lib.views.pace import Pace
from renoscope_lib.views.rounds import Rounds
from renoscope_lib.views.sentences import TimeWaits
from renoscope_lib.views.states import States
from renoscope_lib.views.windows import Windows
from renoscope_lib.views.windows_text import as_text as windows_as_text

from . import support
from .explain_scene import ISN, MSS, PEER_ISN, Case, Life
from .support import ACK, SECOND, Scene, feed, number_of

FIRST, SECOND_ONE, THIRD = "10.77.0.2:6000", "10.77.0.2:6001", "10.77.0.2:6002"
REMOTES = [FIRST, SECOND_ONE, THIRD]


class OneOfMany(Life):
    """One of a socket's connections, with numbers and ends of its own."""

    def __init__(self, scene: Scene, number: int, port: int) -> None:
        super().__init__(scene, port=40000 + number)
        self.own = {"remote_port": port, "snd_isn": ISN + number,
                    "rcv_isn": PEER_ISN + number}
        self.snd_una = self.snd_nxt = ISN + number + 1
        self.rcv_nxt = PEER_ISN + number + 1

    def event(self, kind: str, at_s: float, state: str = "ESTABLISHED", ca: str = "Open",
              **values: Any) -> Event:
        """One event, with these."""
        return super().event(kind, at_s, state, ca, **self.own | values)


class Socket:
    """One socket's connections, one after another, each dissolved by its program."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.lives: list[Life] = []

    def connects(self, at_s: float, port: int) -> tuple[Life, list[Event]]:
        """Another one, from a port of its own; connect() does not know that port yet."""
        number = len(self.lives)
        before = self.lives[-1].port if self.lives else 0
        life = OneOfMany(self.scene, number, port)
        self.lives.append(life)
        begun = life.connects(at_s, local_port=before, snd_isn=0, snd_una=0, snd_nxt=0)
        return life, [begun, life.change(at_s + 0.04, "SYN-SENT", "ESTABLISHED")]

    def sends(self, at_s: float, port: int, size: int, *more: str) -> list[Event]:
        """It connects, sends so much, loses some of it if told so, and is dissolved."""
        life, events = self.connects(at_s, port)
        for word in more:
            events += {"lost": [life.timeout(at_s + 0.1, 0.2),
                                life.again(at_s + 0.11, "rto", "Loss", seg_len=MSS)],
                       "round": [life.event("reno_round", at_s + 0.12, cwnd=port)],
                       "closed": [life.window(at_s + 0.13, "closed"),
                                  life.window(at_s + 0.14, "opened")]}[word]
        events += [life.acked(at_s + 0.2, size), life.acked(at_s + 0.25, 0),
                   life.change(at_s + 0.3, "ESTABLISHED", "CLOSED")]
        return events


class Stage(Case):
    """One socket: the second of its three connections had all the trouble."""

    def setUp(self) -> None:
        super().setUp()
        socket = Socket(self.scene)
        self.events = [*socket.sends(0, 6000, 1000, "round"),
                       *socket.sends(1, 6001, 5000, "lost", "round", "closed"),
                       *socket.sends(2, 6002, 3000, "round")]

    def fed(self, view: Any) -> Any:
        """The view, fed."""
        return feed(view, *self.events)


class Views(Stage):
    def test_losses(self) -> None:
        flows = list(self.fed(Losses(support.schema())).flows())
        self.assertEqual([(flow.remote, flow.sent_again) for flow in flows],
                         [(FIRST, 0), (SECOND_ONE, 1), (THIRD, 0)])
        self.assertEqual([flow.local[-5:] for flow in flows], ["40000", "40001", "40002"])

    def test_each_is_found_by_its_port_and_all_by_their_id(self) -> None:
        view = self.fed(Losses(support.schema()))
        self.assertEqual([flow.remote for flow in view.flows(Filter(port=6001))],
                         [SECOND_ONE])
        self.assertEqual([flow.remote for flow in view.flows(Filter(cookie=5))], REMOTES)

    def test_windows(self) -> None:
        flows = list(self.fed(Windows(support.schema())).flows())
        self.assertEqual([(flow.remote, flow.episodes_seen["peer"]) for flow in flows],
                         [(FIRST, 0), (SECOND_ONE, 1), (THIRD, 0)])

    def test_a_table_without_ends_says_which_one_it_is(self) -> None:
        view = self.fed(Windows(support.schema()))
        text = "\n".join(windows_as_text(view, None))
        for row in ("sk:5 ", "sk:5 (connection 2) ", "sk:5 (connection 3) "):
            self.assertIn(f"\n{row} ", text)

    def test_cwnd(self) -> None:
        view = self.fed(Cwnd(support.schema()))
        self.assertEqual([(one.remote, one.bytes_acked) for one in view.series()],
                         [(SECOND_ONE, 5000), (THIRD, 3000), (FIRST, 1000)])
        self.assertEqual([[each.cwnd for each in one.rounds.rounds]
                          for one in view.series()], [[6001], [6002], [6000]])

    def test_cwnd_of_those_whose_beginning_was_not_seen(self) -> None:
        """Two that nothing tells apart by their key are two all the same."""
        self.events = [e for e in self.events if e["state"] != support.SYN_SENT]
        self.assertEqual(sorted(one.bytes_acked for one in
                                self.fed(Cwnd(support.schema())).series()),
                         [1000, 3000, 5000])

    def test_rounds(self) -> None:
        flows = self.fed(Rounds(support.schema())).flows()
        self.assertEqual([(flow.remote, flow.rounds_seen) for flow in flows],
                         [(remote, 1) for remote in REMOTES])

    def test_pace(self) -> None:
        gaps = Gaps(support.schema(), ())
        view = self.fed(Pace(support.schema(), gaps))
        self.assertEqual([flow.sent_bytes for flow in view.kept], [1000, 5000, 3000])

    def test_isn(self) -> None:
        """Its own is one that was drawn, the others follow from it."""
        view = self.fed(IsnAudit(support.schema()))
        self.assertEqual({host.whose: len(host.samples) for host, _ in view.audits()},
                         {"own": 1, "peer": 3})

    def test_talkers(self) -> None:
        view = self.fed(Talkers(support.schema()))
        self.assertEqual([(talk.remote, talk.sent) for talk in view.kept],
                         list(zip(REMOTES, (1000, 5000, 3000))))

    def test_report(self) -> None:
        told = Told(self.fed(AllViews(support.schema())), "x", meta=support.META, done={},
                    end_ns=self.scene.start_ns + 3 * SECOND, command="renoscope report",
                    limit=9)
        self.assertEqual([(line.life.remote, line.sent_again, line.bytes)
                          for line in lines(told)],
                         [(FIRST, 0, (1000, 0)), (SECOND_ONE, 1, (5000, 0)),
                          (THIRD, 0, (3000, 0))])

    def test_explain(self) -> None:
        blamed = {report.subject.remote for report in self.reports(*self.events, end_s=9)
                  for finding in report.findings if finding.rule == "timeouts"}
        self.assertEqual(blamed, {SECOND_ONE})

    def test_arrivals(self) -> None:
        """What the first did not get is not what the second waits for."""
        socket = Socket(self.scene)
        one, self.events = socket.connects(0, 6000)
        self.events += [one.event("segment", 1, seg_flags=ACK, seg_seq=PEER_ISN + 1,
                                  seg_len=9),
                        one.change(2, "ESTABLISHED", "CLOSED")]
        other, more = socket.connects(3, 6001)
        self.events += [*more, other.event("segment", 4, seg_flags=ACK, seg_len=7,
                                           seg_seq=other.rcv_nxt), other.gets(4.1, 7)]
        view = self.fed(Arrivals(support.schema(), Gaps(support.schema(), ())))
        self.assertEqual([len(reached.waiting) for reached in view.kept], [1, 0])


class InTop(Stage):
    def rows(self, *events: Event) -> list[tuple[str, str, str, int, int]]:
        """What a whole interval shows."""
        top = Top(support.schema())
        for event in events:
            top.take(support.pack(**event.values | {"kind": event.kind}))
        frame = top.end_interval(self.scene.start_ns + 3 * SECOND)
        return [(row.local[-5:], row.remote, row.state, row.acked, row.again_now)
                for row in frame.connections]

    def test_each_has_its_row_and_its_bytes(self) -> None:
        self.assertEqual(self.rows(*self.events), [
            ("40000", FIRST, "CLOSED", 1000, 0),
            ("40001", SECOND_ONE, "CLOSED", 5000, 1),
            ("40002", THIRD, "CLOSED", 3000, 0)])

    def test_a_small_sock_of_an_earlier_one_keeps_its_row(self) -> None:
        events, _ = in_time_wait(self.scene)
        self.assertEqual([row[:3] for row in self.rows(*events)], [
            ("40000", FIRST, "CLOSED"), ("40001", SECOND_ONE, "ESTABLISHED")])


def in_time_wait(scene: Scene) -> tuple[list[Event], list[int]]:
    """The second begins while the first is in TIME-WAIT; and the turn of each event."""
    socket = Socket(scene)
    one, events = socket.connects(0, 6000)
    events += one.closes(1)
    events.append(one.change(1.05, "FIN-WAIT-2", "CLOSED"))
    turns = [0] * len(events)
    other, more = socket.connects(2, 6001)
    bare = {"snd_isn": 0, "rcv_isn": 0, "cwnd": 0}
    segment = number_of("time_wait_step", "segment")
    events += [more[0], one.event("time_wait", 2.01, "TIME-WAIT", time_wait_step=segment,
                                  **bare),
               more[1], other.acked(2.5),
               one.event("time_wait_end", 61, "TIME-WAIT", **bare), other.acked(62)]
    return events, turns + [1, 0, 1, 1, 0, 1]


class OfEvents(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.life = Life(self.scene)

    def turns(self, *events: Event) -> list[int]:
        joiner = Joiner(support.schema())
        joined = [done for event in events for done in joiner.feed(event)]
        return [event.turn for event in (*joined, *joiner.flush())]

    def test_a_first_one_is_0_whether_its_beginning_was_seen_or_not(self) -> None:
        self.assertEqual(self.turns(*self.life.opens(), self.life.acked(1)), [0, 0, 0])
        self.assertEqual(self.turns(self.life.acked(1)), [0])

    def test_one_more_begins_with_connect_or_listen(self) -> None:
        listens = self.life.change(3, "CLOSED", "LISTEN", remote_port=0)
        self.assertEqual(self.turns(self.life.acked(1), self.life.connects(2), listens),
                         [0, 1, 2])

    def test_an_attempt_that_never_got_a_port_is_one(self) -> None:
        failed = [self.life.connects(0, local_port=0),
                  self.life.change(0, "SYN-SENT", "CLOSED", local_port=0)]
        self.assertEqual(self.turns(*failed, *self.life.opens(1)), [0, 0, 1, 1])

    def test_a_small_sock_is_known_by_its_ends(self) -> None:
        events, turns = in_time_wait(self.scene)
        self.assertEqual(self.turns(*events), turns)

    def test_the_same_ends_again_are_of_the_later_one(self) -> None:
        """Even once its full socket is gone: the earlier one was aborted."""
        bare = {"snd_isn": 0, "rcv_isn": 0}
        self.assertEqual(self.turns(
            *self.life.opens(), self.life.change(1, "ESTABLISHED", "CLOSED"),
            *self.life.opens(2), *self.life.closes(3), self.life.event(
                "destroy", 4, "CLOSED", local_port=0),
            self.life.event("time_wait_end", 64, "TIME-WAIT", **bare)),
            [0, 0, 0, 1, 1, 1, 1, 1, 1, 1])

    def test_an_earlier_ones_ends_are_not_taken_for_this_ones(self) -> None:
        """The kernel takes the port away before it tells of CLOSED."""
        events, _ = in_time_wait(self.scene)
        joiner = Joiner(support.schema())
        closed = self.life.change(63, "ESTABLISHED", "CLOSED", local_port=0,
                                  remote_port=6001)
        joined = [done for event in (*events, closed) for done in joiner.feed(event)]
        self.assertEqual(joined[-1]["local_port"], 40001)

    def test_a_child_is_none_of_its_listeners(self) -> None:
        """Whatever number the listener has come to."""
        self.assertEqual(self.turns(
            self.life.acked(0), self.life.change(1, "CLOSED", "LISTEN", remote_port=0),
            self.life.change(2, "LISTEN", "SYN-RECEIVED", remote_port=0),
            self.life.change(2, "SYN-RECEIVED", "ESTABLISHED", cookie=9)), [0, 1, 0, 0])

    def test_how_long_each_was_in_time_wait(self) -> None:
        events, _ = in_time_wait(self.scene)
        others = {"local_port": 40001, "remote_port": 6001}
        events.insert(-2, self.life.event("time_wait", 60, "TIME-WAIT", **others))
        events.append(self.life.event("time_wait_end", 120, "TIME-WAIT", **others))
        joiner, waits, told = Joiner(support.schema()), TimeWaits(), []
        for event in (done for each in events for done in joiner.feed(each)):
            if event.kind == "time_wait":
                waits.enter(event)
            elif event.kind == "time_wait_end":
                told.append(waits.leave(event))
        self.assertEqual(told, [59_959_000, 60_000_000])

    def test_its_states_go_on_with_the_first(self) -> None:
        """And end there."""
        events, _ = in_time_wait(self.scene)
        states = feed(States(support.schema()), *events)
        self.assertEqual([(life.remote, life.now.state) for life in states.kept],
                         [(FIRST, "CLOSED"), (SECOND_ONE, "ESTABLISHED")])
