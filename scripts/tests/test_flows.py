# SPDX-License-Identifier: GPL-2.0
"""Joining: events that come before the kernel has named their connection."""

import unittest
from unittest import mock
from typing import Any

from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.flows import Joiner

from . import support
from .support import (ANY, CLIENT, CLOSED, ESTABLISHED, ISN_A, ISN_B, LISTEN,
                      MS, SECOND, SERVER, SYN_RECEIVED, SYN_SENT, Scene)

LISTENER, CHILD, OTHER = 3, 9, 11


def join(events: list[Event], hold_ns: int | None = None) -> list[Event]:
    joiner = Joiner(support.schema(), hold_ns)
    return [done for event in events for done in joiner.feed(event)] \
        + list(joiner.flush())


class Connecting(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.early = self.scene.event("state", 0, old_state=CLOSED,
                                      state=SYN_SENT, local_addr=ANY,
                                      local_port=0)
        self.other = self.scene.event("ack", MS, cookie=OTHER)
        self.later = self.scene.event(
            "state", 2 * MS, old_state=SYN_SENT, state=ESTABLISHED,
            snd_isn=ISN_A, rcv_isn=ISN_B)

    def test_port_address_and_isn_are_filled_in(self) -> None:
        first, second, third = join([self.early, self.other, self.later])
        self.assertEqual(first["local_port"], 40112)
        self.assertEqual(first["local_addr"], support.ip(CLIENT))
        self.assertEqual(first["snd_isn"], ISN_A)
        self.assertEqual(first.filled,
                         {"local_port", "local_addr", "snd_isn"})
        self.assertEqual(first["rcv_isn"], 0, "not known when it happened")
        self.assertEqual((second, third), (self.other, self.later))

    def test_other_connections_do_not_fill(self) -> None:
        first = join([self.early, self.other])[0]
        self.assertEqual(first["local_port"], 0)
        self.assertFalse(first.filled)

    def test_order_is_kept(self) -> None:
        joiner = Joiner(support.schema())
        self.assertEqual(list(joiner.feed(self.early)), [])
        self.assertEqual(list(joiner.feed(self.other)), [],
                         "nothing may overtake")
        self.assertEqual([e["serial"] for e in joiner.feed(self.later)],
                         [1, 2, 3])

    def test_holding_ends(self) -> None:
        """A live view goes on without the missing part."""
        joiner = Joiner(support.schema(), hold_ns=200 * MS)
        self.assertEqual(list(joiner.feed(self.early)), [])
        late = self.scene.event("ack", SECOND, cookie=OTHER)
        self.assertEqual([e["serial"] for e in joiner.feed(late)], [1, 4])
        late = self.scene.event("retransmit", SECOND, snd_isn=ISN_A)
        self.assertEqual(list(joiner.feed(late)), [late])

    def test_ending_to_hold_one_asks_nothing_of_the_others(self) -> None:
        """There may be as many as a scan of a network leaves unanswered."""
        class Unsearched(dict[int, object]):
            def items(self) -> Any:
                raise AssertionError("searched")
            values = keys = __iter__ = items

        joiner = Joiner(support.schema(), hold_ns=200 * MS)
        joiner._connecting = Unsearched()  # type: ignore[assignment]
        for number in range(100):
            list(joiner.feed(self.scene.event(
                "state", number * MS, cookie=100 + number, old_state=CLOSED,
                state=SYN_SENT, local_addr=ANY, local_port=0)))
        self.assertEqual(len(list(joiner.feed(self.scene.event(
            "state", SECOND, cookie=7, old_state=CLOSED, state=SYN_SENT)))), 100)
        self.assertEqual(len(joiner._connecting), 1)

    def test_what_the_later_event_does_not_know_is_not_taken(self) -> None:
        """A refused connection's port is gone again when it is CLOSED."""
        early = self.scene.event("state", 0, old_state=CLOSED, state=SYN_SENT,
                                 local_port=0)
        closed = self.scene.event("state", MS, old_state=SYN_SENT,
                                  state=CLOSED, snd_isn=ISN_A, local_port=0,
                                  local_addr=ANY)
        first = join([early, closed])[0]
        self.assertEqual(first.filled, {"snd_isn"})
        self.assertEqual(first["local_addr"], support.ip(CLIENT))

    def test_connecting_again_takes_the_new_numbers(self) -> None:
        failed = self.scene.event("state", 3 * MS, old_state=SYN_SENT,
                                  state=CLOSED, snd_isn=ISN_A)
        again = self.scene.event("state", 4 * MS, old_state=CLOSED,
                                 state=SYN_SENT, local_port=0)
        done = self.scene.event("state", 5 * MS, old_state=SYN_SENT,
                                state=ESTABLISHED, local_port=40113,
                                snd_isn=77)
        joined = join([self.early, failed, again, done])
        self.assertEqual([e["local_port"] for e in joined],
                         [40112, 40112, 40113, 40113])
        self.assertEqual(joined[2]["snd_isn"], 77)


class Closed(unittest.TestCase):
    """The kernel takes the port away before it tells of CLOSED."""

    def setUp(self) -> None:
        self.scene = Scene()

    def closed(self, **values: Any) -> Event:
        return self.scene.event("state", **{
            "old_state": 9, "state": CLOSED, "local_port": 0} | values)

    def test_ends_are_remembered(self) -> None:
        _, closed, destroyed = join([
            self.scene.event("ack"), self.closed(),
            self.scene.event("destroy", local_addr=ANY, remote_addr=ANY,
                             local_port=0, remote_port=0)])
        self.assertEqual(closed["local_port"], 40112)
        self.assertEqual(closed.filled, {"local_port"})
        self.assertEqual(
            [destroyed[name] for name in ("local_addr", "local_port",
                                          "remote_addr", "remote_port")],
            [support.ip(CLIENT), 40112, support.ip(SERVER), 5000])

    def test_only_by_the_same_connection(self) -> None:
        _, closed, nameless = join([self.scene.event("ack"),
                                    self.closed(cookie=OTHER),
                                    self.closed(cookie=0)])
        self.assertEqual((closed["local_port"], nameless["local_port"]), (0, 0))

    def test_forgotten_when_destroyed(self) -> None:
        *_, closed = join([self.scene.event("ack"),
                           self.scene.event("destroy"), self.closed()])
        self.assertEqual(closed["local_port"], 0)

    def test_connecting_again_does_not_take_the_old_port(self) -> None:
        *_, again, failed = join([
            self.scene.event("ack"),
            self.scene.event("state", old_state=CLOSED, state=SYN_SENT,
                             local_port=0),
            self.closed(old_state=SYN_SENT)])
        self.assertEqual((again["local_port"], failed["local_port"]), (0, 0))

    def test_memory_is_bounded(self) -> None:
        with mock.patch("renoscope_lib.tcp.flows.REMEMBERED", 2):
            acks = [self.scene.event("ack", cookie=c) for c in (1, 2, 3)]
            *_, first, last = join(acks + [self.closed(cookie=1),
                                           self.closed(cookie=3)])
        self.assertEqual((first["local_port"], last["local_port"]), (0, 40112))


class Newborn(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def birth(self, cpu: int = 0, **values: Any) -> Event:
        return self.scene.event("state", 0, cpu, **{
            "old_state": LISTEN, "state": SYN_RECEIVED, "cookie": LISTENER,
            "local_addr": ANY, "local_port": 5000, "remote_addr": ANY,
            "remote_port": 0} | values)

    def grown(self, cpu: int = 0, **values: Any) -> Event:
        return self.scene.event("state", 0, cpu, **{
            "old_state": SYN_RECEIVED, "state": ESTABLISHED, "cookie": CHILD,
            "local_addr": SERVER, "local_port": 5000, "remote_addr": CLIENT,
            "remote_port": 40112, "snd_isn": ISN_B, "rcv_isn": ISN_A}
            | values)

    def test_given_to_the_child(self) -> None:
        first, _ = join([self.birth(), self.grown()])
        self.assertEqual(first["cookie"], CHILD)
        self.assertEqual(first.listener, LISTENER)
        self.assertEqual(first["remote_addr"], support.ip(CLIENT))
        self.assertEqual(first["remote_port"], 40112)
        self.assertEqual(first["local_addr"], support.ip(SERVER))

    def test_its_congestion_state_names_it_first(self) -> None:
        """Fast Open children live on in SYN-RECEIVED, one beside the other."""
        def named(cookie: int) -> Event:
            return self.scene.event("ca_state", 0, 0, state=SYN_RECEIVED,
                                    cookie=cookie, local_addr=SERVER,
                                    local_port=5000, remote_addr=CLIENT)
        joined = join([self.birth(), named(CHILD), self.birth(), named(OTHER),
                       self.grown(), self.grown(cookie=OTHER)])
        self.assertEqual([e["cookie"] for e in joined],
                         [CHILD, CHILD, OTHER, OTHER, CHILD, OTHER])

    def test_other_cpus_children_are_others(self) -> None:
        """Two children born at once, told apart by their CPUs."""
        joined = join([self.birth(cpu=0), self.birth(cpu=1),
                       self.grown(cpu=1, cookie=OTHER, remote_port=2),
                       self.grown(cpu=0)])
        self.assertEqual([e["cookie"] for e in joined],
                         [CHILD, OTHER, OTHER, CHILD])

    def test_other_ports_and_namespaces_do_not_match(self) -> None:
        for changed in ({"local_port": 80}, {"netns": 1}):
            with self.subTest(changed):
                first = join([self.birth(), self.grown(**changed)])[0]
                self.assertEqual(first["cookie"], LISTENER)
                self.assertIsNone(first.listener)

    def test_listener_on_another_address_does_not_match(self) -> None:
        first = join([self.birth(local_addr="10.0.0.9"), self.grown()])[0]
        self.assertEqual(first["cookie"], LISTENER)

    def test_child_that_dies_at_once(self) -> None:
        first = join([self.birth(), self.grown(state=CLOSED)])[0]
        self.assertEqual(first["cookie"], CHILD)

    def test_a_newer_birth_ends_the_waiting(self) -> None:
        """A Fast Open child stays in SYN-RECEIVED; the next one is not it."""
        joiner = Joiner(support.schema())
        joined = [done for event in (self.birth(), self.birth(), self.grown())
                  for done in joiner.feed(event)]
        self.assertEqual([e["cookie"] for e in joined],
                         [LISTENER, CHILD, CHILD])

    def test_a_loss_on_that_cpu_ends_the_waiting(self) -> None:
        lost = self.scene.event("lost", cpu=0, lost_events=4)
        joiner = Joiner(support.schema())
        joined = [done for event in (self.birth(), lost, self.grown())
                  for done in joiner.feed(event)]
        self.assertEqual(len(joined), 3, "nothing is held for it any longer")
        self.assertEqual(joined[0]["cookie"], LISTENER)

    def test_a_loss_elsewhere_does_not(self) -> None:
        lost = self.scene.event("lost", cpu=1, lost_events=4)
        joined = join([self.birth(), lost, self.grown()])
        self.assertEqual(joined[0]["cookie"], CHILD)

    def test_wildcard_of_ipv6(self) -> None:
        first = join([self.birth(local_addr="::", family=6), self.grown()])[0]
        self.assertEqual(first["cookie"], CHILD)
        self.assertEqual(first["family"], 4)


if __name__ == "__main__":
    unittest.main()
