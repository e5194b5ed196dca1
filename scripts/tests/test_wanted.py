# SPDX-License-Identifier: GPL-2.0
"""Whom one may ask for: by port, id, address and namespace."""

import json
import unittest
from typing import Any

from renoscope_lib.options import cookie, network
from renoscope_lib.tcp.wanted import ChoiceSeen, Filter, Network
from renoscope_lib.views.handshakes import Handshakes
from renoscope_lib.views.losses import Losses
from renoscope_lib.views.synflood import FloodWatch

from . import support
from .handshake_scene import ListenerScene
from .support import ANY, CLIENT, SERVER, Scene, feed, number_of
from .test_cli import run
from .test_dated import told
from .test_json_keys import Kept, events

NETNS = 4026531840


def near(text: str) -> Filter:
    return Filter(network=Network.of(text))


class Addresses(unittest.TestCase):
    def test_an_address_and_those_that_begin_alike(self) -> None:
        event = Scene().event("ack")
        for text, is_there in (
                ("10.77.0.1", True), ("10.77.0.2", True), ("10.77.0.3", False),
                ("10.77.0.0/24", True), ("10.77.0.99/24", True), ("10.78.0.0/16", False),
                ("0.0.0.0/0", True), ("::/0", True), ("2001:db8::/32", False),
                ("::ffff:10.77.0.0/112", True), ("::/96", False)):
            with self.subTest(text):
                self.assertEqual(near(text).chooses(event), is_there)

    def test_both_ends_of_ipv6(self) -> None:
        ends = {"family": 6, "local_addr": bytes.fromhex("20010db8") + bytes(11) + b"\1",
                "remote_addr": bytes.fromhex("20010db8") + bytes(11) + b"\2"}
        event = Scene().event("retransmit", **ends)
        self.assertTrue(near("2001:db8::2").chooses(event))
        self.assertFalse(near("2001:db8::3").chooses(event))
        view = feed(Losses(support.schema()), event)
        self.assertEqual(len(list(view.flows(near("2001:db8::2")))), 1)
        self.assertEqual(len(list(view.flows(near("2001:db8::3")))), 0)

    def test_what_is_none_is_refused_in_one_line(self) -> None:
        self.assertEqual(network("10.0.0.0/8"), Network.of("10.0.0.0/8"))
        for text in ("10.0.0.0/33", "example.org", ""):
            done = run("show", "-", "--addr", text, stdin=support.recording())
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(b"invalid address, with or without /LEN value", done.stderr)

    def test_an_id_is_taken_as_it_is_printed(self) -> None:
        self.assertEqual((cookie("1f"), cookie("sk:1f")), (0x1f, 0x1f))


class Views(unittest.TestCase):
    """Each way in which a view asks: its events, what it keeps, its listeners."""

    def setUp(self) -> None:
        scene = Scene()
        other = {"cookie": 6, "netns": 77, "remote_addr": CLIENT}
        self.events = [
            scene.event(kind, at_ns, **values)
            for at_ns, values in enumerate(({"cookie": 5}, other))
            for kind in ("ack", "retransmit")]

    def chosen(self, wanted: Filter) -> list[int]:
        losses = feed(Losses(support.schema()), *self.events)
        kept = [flow.cookie for flow in losses.flows(wanted)]
        self.assertEqual(kept, list(dict.fromkeys(
            event["cookie"] for event in self.events if wanted.chooses(event))))
        return kept

    def test_events_and_what_is_kept_agree(self) -> None:
        for wanted, cookies in (
                (Filter(), [5, 6]), (near("10.77.0.2"), [5]), (near("10.77.0.0/16"), [5, 6]),
                (near("10.1.0.0/16"), []), (Filter(netns=77), [6]), (Filter(netns=NETNS), [5]),
                (Filter(port=5000, netns=77), [6]), (Filter(port=1, netns=77), []),
                (Filter(cookie=5, netns=77), [])):
            with self.subTest(wanted):
                self.assertEqual(self.chosen(wanted), cookies)

    def listeners(self, wanted: Filter) -> list[int]:
        """Of handshakes and of synflood, which say the same."""
        at = ListenerScene()
        events = [*at.queued(0, 40, 9), *at.queued(0, 41, 10)]
        return [len(feed(Handshakes(support.schema(), wanted), *events).listeners()),
                len(feed(FloodWatch(support.schema(), wanted), *events).pressures())]

    def test_listeners_are_chosen_by_their_own_place(self) -> None:
        for wanted, count in (
                (Filter(), 1), (Filter(netns=NETNS), 1), (Filter(netns=77), 0),
                (Filter(port=5000), 1), (Filter(port=80), 0)):
            with self.subTest(wanted):
                self.assertEqual(self.listeners(wanted), [count] * 2)

    def test_one_at_every_address_is_at_the_one_asked_for(self) -> None:
        class At:
            netns, port, cookie, remote = 5, 80, 1, "*:*"

            def __init__(self, address: str) -> None:
                self.address = self.local = address

        for address, is_there in (("*:80", True), ("10.0.0.1:80", True), ("[::1]:80", False),
                                  ("10.1.0.1:80", False)):
            with self.subTest(address):
                wanted = near("10.0.0.0/16")
                self.assertEqual(wanted.includes_listener(At(address)), is_there)
                self.assertEqual(wanted.includes(At(address)), is_there)
        self.assertFalse(near("10.0.0.1").includes(At("*:*")), "nothing is known of it")

    def test_who_was_not_there_is_told(self) -> None:
        for wanted, words in (
                (near("10.9.0.0/16"), "address 10.9.0.0/16 was not seen; these were: "
                 "10.77.0.1, 10.77.0.2"),
                (Filter(netns=9), f"network namespace 9 was not seen; these were: 77, {NETNS}"),
                (Filter(port=80, netns=77), "port 80 network namespace 77 was not seen; these "
                 f"were: 77, {NETNS}"),
                (Filter(cookie=9, netns=77), "sk:9 network namespace 77 was not seen; these "
                 "were: sk:5, sk:6"), (Filter(netns=77), "")):
            with self.subTest(words):
                seen = ChoiceSeen(wanted, support.schema())
                for event in self.events:
                    seen.see(event)
                self.assertEqual(seen.not_there(), words)
        self.assertEqual(near("10.9.0.0/16").none_seen(2), (
            "No connection with an address of 10.9.0.0/16 was seen; 2 others were."))
        self.assertEqual(Filter(netns=9).none_seen(2), (
            "No connection in the network namespace 9 was seen; 2 others were."))

    def not_there(self, wanted: Filter, *others: dict[str, Any]) -> str:
        scene, seen = Scene(), ChoiceSeen(wanted, support.schema())
        for other in others:
            seen.see(scene.event("state", **other))
        return seen.not_there()

    def test_of_many_that_were_there_a_few_are_named(self) -> None:
        """The ports of services first; an address that is not set is none."""
        many = [{"cookie": n + 1, "local_port": 100 + n, "remote_port": 8080,
                 "local_addr": f"10.77.0.{n}"} for n in range(9)]
        listener = {"local_port": 8080, "remote_port": 0, "local_addr": ANY, "remote_addr": ANY,
                    "state": number_of("state", "LISTEN")}
        self.assertEqual(self.not_there(Filter(cookie=99), *many, listener),
                         "sk:63 was not seen; 9 other ids were")
        self.assertEqual(self.not_there(Filter(port=99), *many, listener), (
            "port 99 was not seen; these were: 8080, 100, 101, 102, 103, 104, 105, 106 and 2 "
            "more"))
        self.assertEqual(self.not_there(near("10.9.0.0/16"), *many[:3], listener), (
            "address 10.9.0.0/16 was not seen; these were: 10.77.0.0, 10.77.0.1, 10.77.0.2"))
        self.assertEqual(self.not_there(near("10.9.0.0/16"), listener), (
            "address 10.9.0.0/16 was not seen, nor was any connection"))


class Twice(Kept):
    """All of it happens to two: ids, ports, addresses and namespace are the second one's."""

    def pack(self, kind: str, at_ns: int = 0, cpu: int = 0, **values: Any) -> bytes:
        record = super().pack(kind, at_ns, cpu, **values)
        event = support.schema().decode(record)
        super().pack(kind, at_ns, cpu, **values | {"netns": 77} | {
            name: event[name] + 0x1000 for name in ("cookie", "listener")
            if event.values.get(name)} | {
            name: event[name] + 1 for name in ("local_port", "remote_port")} | {
            name: event[name][:14] + bytes((1, event[name][15]))
            for name in ("local_addr", "remote_addr")})
        return record


class Rows(unittest.TestCase):
    """To people and to programs a command tells of those who were asked for alone."""

    def setUp(self) -> None:
        scene = Twice()
        events(scene)
        self.data = support.recording(b"".join(scene.records))

    def rows(self, command: str, *words: str) -> list[dict[str, Any]]:
        whole = json.loads(told(command, "--json", *words, recording=self.data))
        rows: list[dict[str, Any]] = whole[
            {"handshakes": "handshakes", "synflood": "listeners"}.get(command, "connections")]
        return rows

    def assert_tells(self, command: str, asked: str, rows: list[dict[str, Any]]) -> None:
        self.assertTrue(rows)
        self.assertEqual(self.rows(command, asked), rows)
        text = told(command, asked, recording=self.data)
        self.assertIn("10.77.1.", text)
        self.assertNotIn("10.77.0.", text)

    def test_are_of_those_who_were_asked_for(self) -> None:
        for command in ("cwnd", "handshakes", "losses", "rounds", "states", "synflood",
                        "windows"):
            every = [row for row in self.rows(command) if row["netns"] == 77]
            for asked in ("--port=5001", "--addr=10.77.1.0/24", "--netns=77"):
                with self.subTest(command, asked=asked):
                    self.assert_tells(command, asked, every)
            if command != "synflood":
                with self.subTest(command):
                    self.assert_tells(command, "--connection=1005", [
                        row for row in every if row["connection"] == "sk:1005"])

    def test_counts_are_of_those_who_were_asked_for(self) -> None:
        def counts(*words: str) -> dict[str, int]:
            whole = json.loads(told("states", "--counts", "--json", *words, recording=self.data))
            found: dict[str, int] = whole["counts"]
            return found

        whole = counts()
        self.assertTrue(whole)
        for asked in ("--port=5001", "--addr=10.77.1.0/24", "--netns=77"):
            with self.subTest(asked):
                self.assertEqual({state: 2 * count for state, count in counts(asked).items()},
                                 whole)
                text = told("states", "--counts", asked, recording=self.data)
                self.assertRegex(text, rf"\n +total +{sum(whole.values()) // 2}\n")
        self.assertEqual(counts("--connection=1005"), {"TIME-WAIT": 1})


class Commands(unittest.TestCase):
    def setUp(self) -> None:
        scene, established = Scene(), number_of("state", "ESTABLISHED")
        self.data = support.recording(b"".join(
            scene.pack("ack", n, state=established, **values)
            for n, values in enumerate((
                {"cookie": 5, "local_port": 40001},
                {"cookie": 6, "local_port": 40002, "netns": 77, "local_addr": SERVER,
                 "remote_addr": bytes(10) + b"\xff\xff\x0a\x4d\x00\x09"}))))

    def ask(self, command: str, *words: str) -> Any:
        done = run(command, "-", *words, stdin=self.data)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def test_every_command_takes_them(self) -> None:
        for command, *more in (
                ("states", "--json"), ("explain", "--json"), ("show", "--once", "--json"),
                ("windows", "--json"), ("flow", "--json"), ("top", "--json"),
                ("export", "--format", "jsonl")):
            for asked in ("--addr=10.77.0.9", "--netns=77"):
                with self.subTest(command, asked=asked):
                    text = self.ask(command, asked, *more)
                    self.assertIn('"sk:6"', text)
                    self.assertNotIn('"sk:5"', text)

    def test_who_is_not_there_is_told_by_the_exit_code(self) -> None:
        for command in ("states", "flow"):
            done = run(command, "-", "--addr", "10.1.1.1", stdin=self.data)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"address 10.1.1.1 was not seen; these were: ", done.stderr)
