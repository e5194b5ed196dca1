# SPDX-License-Identifier: GPL-2.0
"""A recording as a trace: valid, each connection a thread, nothing made up."""

import json
import subprocess
import unittest
from collections import defaultdict
from typing import Any

from renoscope_lib.export.perfetto_file import PerfettoFile
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.wanted import Filter

from . import support
from .support import (CLOSED, ESTABLISHED, ISN_A, ISN_B, LISTEN, LOSS, MS, OPEN,
                      SECOND, SYN_SENT, Scene, number_of)
from .test_export import many

RENOSCOPE = support.SCRIPTS / "renoscope"
FIN_WAIT_1, FIN_WAIT_2 = (number_of("state", f"FIN-WAIT-{n}") for n in (1, 2))
NUMBERS = {"snd_isn": ISN_A, "rcv_isn": ISN_B, "snd_una": ISN_A + 1,
           "snd_nxt": ISN_A + 1, "rcv_nxt": ISN_B + 1}


def trace(*events: Event, wanted: Filter = Filter(),
          end_ns: int | None = None) -> list[dict[str, Any]]:
    """The events of the trace that is made of these."""
    written = bytearray()
    file = PerfettoFile(support.schema(), wanted, written.extend)
    file.begin(support.META)
    for event in events:
        file.feed(event)
    file.finish(end_ns)
    return check(json.loads(written))


def check(whole: dict[str, Any]) -> list[dict[str, Any]]:
    """What the format asks for; each thread's slices in a row."""
    events = whole["traceEvents"]
    slices, named = defaultdict(list), {}
    for event in events:
        assert {"ph", "pid", "tid", "name", "ts", "args"} <= event.keys(), event
        assert event["ph"] in "MXiC" and event["ts"] >= 0, event
        if event["ph"] == "X":
            slices[event["pid"], event["tid"]].append(
                (event["ts"], event["ts"] + event["dur"]))
        elif event["ph"] == "i":
            assert event["s"] in "tg", event
        elif event["ph"] == "C":
            assert all(isinstance(n, int) for n in event["args"].values()), event
        elif event["ph"] == "M":
            named[event["name"], event["pid"], event["tid"]] = event["args"]["name"]
    for (process, thread), places in slices.items():
        assert ("thread_name", process, thread) in named, (process, thread)
        places.sort()
        for one, two in zip(places, places[1:]):
            assert one[1] <= two[0] + 0.001, (one, two)
    assert {e["pid"] for e in events} == {p for what, p, _ in named
                                          if what == "process_name"}
    return events


def slices_of(events: list[dict[str, Any]], thread: str) -> list[tuple[str, float]]:
    """Names and durations in ms on a thread, by the beginning of its name."""
    number = next(e["tid"] for e in events if e["name"] == "thread_name"
                  and e["args"]["name"].startswith(thread))
    return [(e["name"], e["dur"] / 1000) for e in events
            if e["ph"] == "X" and e["tid"] == number]


class Traces(unittest.TestCase):
    def setUp(self) -> None:
        scene = Scene()
        self.event = scene.event
        self.opening = [
            scene.event("state", 0, old_state=CLOSED, state=SYN_SENT),
            scene.event("state", 36 * MS, old_state=SYN_SENT, state=ESTABLISHED,
                        cwnd=10, ssthresh=0x7FFFFFFF, srtt_us=36020, **NUMBERS)]

    def ack(self, at_ms: int, **values: int) -> Event:
        return self.event("ack", at_ms * MS, **{
            "state": ESTABLISHED, "cwnd": 10, "ssthresh": 0x7FFFFFFF,
            "srtt_us": 36020, **NUMBERS} | values)

    def test_states_are_slices_as_long_as_they_lasted(self) -> None:
        events = trace(*self.opening, self.event(
            "state", 40 * MS, old_state=ESTABLISHED, state=FIN_WAIT_1), self.event(
            "state", 50 * MS, old_state=FIN_WAIT_1, state=FIN_WAIT_2),
            end_ns=1000 * SECOND + 60 * MS)
        self.assertEqual(slices_of(events, "sk:5 10.77.0.1:40112 - 10.77.0.2:5000"), [
            ("SYN-SENT", 36), ("ESTABLISHED", 4), ("FIN-WAIT-1", 10), ("FIN-WAIT-2", 10)])
        last = [e for e in events if e["name"] == "FIN-WAIT-2"][0]
        self.assertEqual(last["args"], {"end": "not seen"})
        self.assertEqual(last["ts"], 1000 * 10**6 + 50_000)

    def test_a_beginning_that_was_not_seen_is_told(self) -> None:
        events = trace(self.ack(0), self.ack(5), end_ns=1000 * SECOND + 7 * MS)
        only = [e for e in events if e["ph"] == "X"][0]
        self.assertEqual((only["name"], only["dur"]), ("ESTABLISHED", 7000))
        self.assertEqual(only["args"], {"beginning": "not seen", "end": "not seen"})

    def test_congestion_states_but_open_are_slices(self) -> None:
        ca = {"state": ESTABLISHED, "cwnd": 20, "ssthresh": 10}
        events = trace(*self.opening,
                       self.event("ca_state", 40 * MS, old_ca_state=OPEN, ca_state=LOSS, **ca),
                       self.event("ca_state", 70 * MS, old_ca_state=LOSS, ca_state=OPEN, **ca),
                       self.event("ca_state", 90 * MS, old_ca_state=OPEN, ca_state=3, **ca),
                       end_ns=1000 * SECOND + 95 * MS)
        self.assertEqual(slices_of(events, "sk:5 congestion state"),
                         [("Loss", 30), ("Recovery", 5)])

    def test_counters_are_told_when_they_change(self) -> None:
        events = trace(*self.opening, self.ack(40), self.ack(41, cwnd=11),
                       self.ack(42, cwnd=11, ssthresh=7, packets_out=2),
                       self.ack(43, cwnd=11, ssthresh=7))
        told = [(e["name"], *e["args"].values(), e["ts"] - 10**9) for e in events
                if e["ph"] == "C"]
        self.assertEqual(told, [
            ("sk:5 cwnd (segments)", 10, 36000), ("sk:5 srtt (us)", 36020, 36000),
            ("sk:5 cwnd (segments)", 11, 41000), ("sk:5 ssthresh (segments)", 7, 42000),
            ("sk:5 packets out (segments)", 2, 42000),
            ("sk:5 packets out (segments)", 0, 43000)])

    def test_an_ssthresh_that_is_none_again_is_told(self) -> None:
        """Undone; or its counter would stand where it was to the end."""
        events = trace(*self.opening, self.ack(40, ssthresh=7), self.ack(41))
        self.assertEqual([e["args"]["ssthresh"] for e in events if e["ph"] == "C"
                          and "ssthresh" in e["name"]], [7, 0x7FFFFFFF])

    def test_a_listener_has_no_counters(self) -> None:
        events = trace(self.event("state", 0, old_state=CLOSED, state=LISTEN, cwnd=10,
                                  snd_una=5))
        self.assertFalse([e for e in events if e["ph"] == "C"])

    def test_instants_say_what_happened(self) -> None:
        events = trace(*self.opening, self.event("rto", 40 * MS, rto_us=236000),
                       self.event("reset_received", 41 * MS, state=ESTABLISHED),
                       self.event("lost", 42 * MS, lost_events=3))
        instants = [(e["name"], e["s"], e["pid"] == 0, e["args"].get("what"))
                    for e in events if e["ph"] == "i"]
        self.assertEqual(instants[:2], [
            ("RTO", "t", False, "RTO of 236 ms fired"),
            ("RST received", "t", False, "RST received in ESTABLISHED")])
        self.assertIn("3 events LOST", instants[2][0])
        self.assertEqual(instants[2][1:3], ("g", True))

    def test_only_the_chosen_connection_is_there(self) -> None:
        other = self.ack(5, cookie=6, local_port=7)
        for wanted, names in ((Filter(cookie=6), {"sk:6"}), (Filter(port=40112), {"sk:5"}),
                              (Filter(), {"sk:5", "sk:6"})):
            events = trace(*self.opening, other, wanted=wanted)
            self.assertEqual({e["args"]["name"].split()[0] for e in events
                              if e["name"] == "thread_name"}, names)
            self.assertEqual({e["name"].split()[0] for e in events
                              if e["ph"] == "C"}, names)

    def test_any_records_make_a_trace(self) -> None:
        for recording, code in ((support.recording(many(7, 1500)), 0),
                                (support.recording(many(8, 300))[:-50], 2)):
            done = subprocess.run([RENOSCOPE, "export", "-", "--format", "perfetto"],
                                  input=recording, capture_output=True, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            whole = json.loads(done.stdout)
            self.assertGreater(len(whole["traceEvents"]), 100)
            for event in whole["traceEvents"]:
                self.assertIn(event["ph"], "MXiC")


if __name__ == "__main__":
    unittest.main()
