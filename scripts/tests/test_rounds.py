# SPDX-License-Identifier: GPL-2.0
"""cwnd by round trip, and the picture of it."""

import functools
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.kept import Kept
from renoscope_lib.tcp.phases import RECOVERY, REDUCTION
from renoscope_lib.tcp.reno_words import AVOIDANCE, CSS, SLOW_START
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.views.rounds import KEPT, Flow, Rounds, as_json, as_text
from renoscope_lib.views.rounds_figure import Span, spans
from renoscope_lib.words import INFINITE_SSTHRESH

from . import support
from .support import ESTABLISHED, MS, Scene, number_of

CA = {name: number_of("ca_state", name)
      for name in ("Open", "CWR", "Recovery", "Loss")}
SACK = 1 << number_of("sock_flags", "sack")
RENOSCOPE = support.SCRIPTS / "renoscope"
DOCUMENTATION = support.SCRIPTS.parent / "Documentation"
# One of them has matplotlib, if any has.
PYTHONS = (sys.executable, "/usr/bin/python3")


class Stage(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def event(self, kind: str, at_ms: float, cwnd: int, ssthresh: int = 16,
              ca: str = "Open", **values: Any) -> Event:
        return self.scene.event(kind, round(at_ms * MS), **{
            "state": ESTABLISHED, "ca_state": CA[ca], "cwnd": cwnd,
            "ssthresh": ssthresh} | values)

    def round(self, at_ms: float, cwnd: int, **values: Any) -> Event:
        return self.event("reno_round", at_ms, cwnd, **values)

    def reduction(self, at_ms: float, cause: str, **values: Any) -> Event:
        return self.event("reno_reduction", at_ms, 24, reno_cause=number_of(
            "reno_cause", cause), **values)

    def phase(self, at_ms: float, name: str, cause: str = "begin", **values: Any) -> Event:
        return self.event("reno_phase", at_ms, 4,
                          phase=number_of("reno_phase", name),
                          reno_cause=number_of("reno_cause", cause), **values)


def watch(*events: Event) -> Rounds:
    rounds = Rounds(support.schema())
    for event in events:
        rounds.feed(event)
    return rounds


def one(*events: Event) -> Flow:
    flow, = watch(*events).flows()
    return flow


def happened(*events: Event) -> str:
    """The words for what happened in the only round of a connection."""
    only, = one(*events).rounds
    return only.happened_words


def told(flow: Flow) -> list[tuple[int, str, str]]:
    return [(r.cwnd, r.phase, r.happened) for r in flow.rounds]


class Reading(Stage):
    def test_phases(self) -> None:
        flow = one(self.round(1, 8), self.round(2, 16), self.round(3, 17),
                   self.round(4, 12, ssthresh=12, ca="Recovery"),
                   self.round(5, 1, ssthresh=12, ca="Loss"),
                   self.round(6, 14, ssthresh=12, ca="CWR"))
        self.assertEqual([r.phase for r in flow.rounds], [
            SLOW_START, AVOIDANCE, AVOIDANCE, RECOVERY, SLOW_START, REDUCTION])
        self.assertEqual([r.phase_name for r in flow.rounds], [
            "slow start", "congestion avoidance", "congestion avoidance",
            "fast recovery", "slow start", "cwnd reduction"])

    def test_conservative_slow_start_is_what_the_algorithm_says(self) -> None:
        flow = one(self.round(1, 4), self.phase(2, "css"), self.round(3, 5),
                   self.phase(4, "slow_start"), self.round(5, 6))
        self.assertEqual([r.phase for r in flow.rounds],
                         [SLOW_START, CSS, SLOW_START])

    def test_a_round_that_is_lost_whole_is_the_timers(self) -> None:
        flow = one(self.round(1, 23, snd_una=900, snd_nxt=1000),
                   self.event("rto", 9, 24, snd_una=1000),
                   self.round(10, 1, ssthresh=12, ca="Loss", snd_nxt=1024))
        self.assertEqual(told(flow), [(23, AVOIDANCE, ""), (24, AVOIDANCE, "timeout"),
                                      (1, SLOW_START, "")])

    def test_the_first_flight_may_be_lost_whole(self) -> None:
        flow = one(self.phase(0, "slow_start", snd_una=1, snd_nxt=1),
                   self.event("rto", 9, 10, snd_una=1),
                   self.event("rto", 18, 1, snd_una=1),
                   self.round(20, 1, ssthresh=5, ca="Loss", snd_nxt=24))
        self.assertEqual(told(flow), [(10, SLOW_START, "timeout"), (1, SLOW_START, "")])

    def test_another_algorithms_timeout_is_not_told(self) -> None:
        flow = one(self.round(1, 24, snd_una=900, snd_nxt=2**32 - 10),
                   self.event("rto", 9, 24, snd_una=1))
        self.assertEqual(told(flow), [(24, AVOIDANCE, "")])

    def test_a_timeout_amid_a_round_is_no_round_of_its_own(self) -> None:
        flow = one(self.round(1, 24, snd_una=900, snd_nxt=1000),
                   self.event("rto", 9, 24, snd_una=950),
                   self.event("rto", 10, 1, snd_una=950))
        self.assertEqual(told(flow), [(24, AVOIDANCE, "timeout")])

    def test_a_second_timeout_adds_nothing(self) -> None:
        flow = one(self.round(1, 24, snd_una=900, snd_nxt=1000),
                   self.event("rto", 9, 24, snd_una=1000),
                   self.event("rto", 10, 1, snd_una=1000))
        self.assertEqual([r.cwnd for r in flow.rounds], [24, 24])

    def test_what_ended_the_growth(self) -> None:
        for cause, words in (("ecn", "ECN mark"), ("css_rounds", "delay stayed"),
                             ("other", "local drop"), ("rto", "")):
            self.assertEqual(happened(self.round(1, 24), self.reduction(2, cause)),
                             words)

    def test_duplicate_acks_are_counted_only_without_sack(self) -> None:
        for flags, count, words in ((0, 3, "3 duplicate ACKs"), (0, 0, "loss"),
                                    (SACK, 3, "loss (3 segments SACKed)"),
                                    (SACK, 1, "loss (1 segment SACKed)"),
                                    (SACK, 0, "loss")):
            with self.subTest(words):
                self.assertEqual(happened(self.round(1, 24), self.reduction(
                    2, "loss", sacked_out=count, sock_flags=flags)), words)

    def test_a_tail_loss_probe_made_good_for_a_loss(self) -> None:
        begin, loss = self.round(1, 24), self.reduction(4, "loss", sock_flags=SACK)
        again, new_data = (self.event("loss_probe", 2, 24, probe_retransmits=number)
                           for number in (1, 0))
        probed = "loss (tail loss probe)"
        self.assertEqual(happened(begin, again, loss), probed)
        for events in ((begin, new_data, loss), (begin, again, new_data, loss),
                       (begin, again, self.event("rto", 3, 24, snd_una=9), loss),
                       (begin, again, self.reduction(3, "ecn"), loss),
                       (begin, again, self.reduction(3, "loss", lost_out=1))):
            self.assertEqual(happened(*events), "loss")

    def test_hystart(self) -> None:
        for name, cause, words in (("css", "delay", "delay grew"),
                                   ("css", "ack_train", "ACK train"),
                                   ("slow_start", "jitter", "false alarm"),
                                   ("avoidance", "ssthresh", "")):
            self.assertEqual(happened(self.round(1, 24), self.phase(2, name, cause)),
                             words)

    def test_rest_and_undo(self) -> None:
        begin, loss = self.round(1, 24), self.reduction(2, "loss", sacked_out=3)
        undo = self.event("reno_undo", 3, 24)
        self.assertEqual(happened(begin, loss, undo), "undone: nothing was lost")
        self.assertEqual(happened(begin, self.event("reno_restart", 3, 10)), "rest")

    def test_a_cause_of_a_newer_module_shows_as_it_is(self) -> None:
        newer = self.event("reno_reduction", 2, 24, reno_cause=200)
        self.assertEqual(happened(self.round(1, 24), newer), "unknown(200)")

    def test_other_algorithms_are_not_kept(self) -> None:
        rounds = watch(self.event("rto", 1, 24), self.event("loss_probe", 2, 24))
        self.assertEqual(len(rounds.kept), 0)

    def test_connections_are_kept_apart(self) -> None:
        rounds = watch(self.round(1, 1), self.round(2, 7, cookie=9, local_port=80))
        self.assertEqual([flow.cookie for flow in rounds.flows()], [5, 9])
        self.assertEqual([flow.cookie for flow in rounds.flows(Filter(port=80))], [9])

    def test_connections_put_away_come_back(self) -> None:
        rounds = Rounds(support.schema())
        rounds.kept = Kept(lambda _flow: False, most=3, unpacked=1)
        for at, cookie in enumerate((1, 2, 1, 2, 3, 1, 4)):
            rounds.feed(self.round(at, at, cookie=cookie))
        self.assertEqual([(flow.cookie, len(flow.rounds)) for flow in rounds.flows()],
                         [(2, 2), (3, 1), (4, 1)])
        self.assertIn("1 earlier connection left out", list(as_text(rounds, Filter()))[0])

    def test_memory_has_a_bound(self) -> None:
        flow = one(*(self.round(n, n) for n in range(1, KEPT + 3)))
        self.assertEqual((len(flow.rounds), flow.first_number), (KEPT, 3))
        self.assertEqual(flow.rounds[0].cwnd, 3)


class Words(Stage):
    def test_table(self) -> None:
        rounds = watch(self.round(0, 8, ssthresh=INFINITE_SSTHRESH),
                       self.round(100, 16), self.reduction(101, "ecn"))
        self.assertEqual(list(as_text(rounds, Filter()))[:4], [
            "sk:5  10.77.0.1:40112 - 10.77.0.2:5000",
            "  round   seconds  cwnd  ssthresh  phase                 happened",
            "      1  0.000000     8       inf  slow start",
            "      2  0.100000    16        16  congestion avoidance  ECN mark"])

    def test_a_limit_is_of_connections(self) -> None:
        rounds = watch(*(self.round(n, 8, cookie=n) for n in range(5, 8)))
        text = list(as_text(rounds, Filter(), limit=1))
        self.assertIn("... and 2 more: --limit 0 shows all, --json too", text)
        self.assertNotIn("sk:6", "\n".join(text))
        self.assertNotIn("more:", "\n".join(as_text(rounds, Filter(), limit=3)))

    def test_the_legend_says_whose_time_a_line_has(self) -> None:
        text = " ".join(as_text(watch(self.round(0, 8)), Filter()))
        for words in ("seconds is when the first ACK for the window's segments came, one "
                      "round trip after they were sent",
                      "for a window that is lost whole, when the timer fired",
                      "came then or later, before the next line"):
            self.assertIn(words, text)

    def test_nothing_of_that_connection(self) -> None:
        text = as_text(watch(self.round(0, 8)), Filter(cookie=6))
        self.assertEqual(list(text)[0], "No connection that tells rounds with the id "
                         "sk:6 was seen; 1 other was.")

    def test_nothing_at_all_says_who_tells_rounds(self) -> None:
        first, *rest = as_text(watch(self.event("rto", 1, 24)), Filter())
        self.assertEqual(first, "No connection that tells rounds was seen.")
        for words in (" tell rounds. For connections to come", "ip netns exec NAME",
                      "sysctl net.ipv4.tcp_congestion_control=renoscope"):
            self.assertIn(words, " ".join(rest))

    def test_kinds_that_were_off_are_named(self) -> None:
        parameters = {"events": "reno_round,reno_phase,reno_reduction,rto,loss_probe"}
        rounds = Rounds(support.schema())
        rounds.gaps.begin(parameters)
        rounds.feed(self.round(0, 8))
        self.assertEqual(rounds.gaps.remarks(), [
            "note: not recorded here, so nothing is known of it: reno_undo, "
            "reno_restart"])

    def test_json(self) -> None:
        first = self.round(1, 8, ssthresh=INFINITE_SSTHRESH)
        end_ns = first["time_ns"] + 9 * MS
        shown = as_json(watch(first, self.round(3, 16)), end_ns, Filter())
        only, = shown.pop("connections")
        self.assertEqual(shown, {"first_ns": first["time_ns"], "end_ns": end_ns,
                                 "lost_events": 0, "forgotten": 0, "notes": []})
        self.assertEqual((only["connection"], only["first_round"]), ("sk:5", 1))
        self.assertEqual([(r["cwnd"], r["ssthresh"]) for r in only["rounds"]],
                         [(8, None), (16, 16)])
        json.dumps(only)

    def test_json_has_the_schemas_words_and_the_numbers_apart(self) -> None:
        loss = self.reduction(2, "loss", sacked_out=3)
        with_sack = self.reduction(4, "loss", sacked_out=4, sock_flags=SACK)
        shown = as_json(watch(self.round(1, 8), loss, self.round(3, 24, ca="CWR"),
                              with_sack, self.round(5, 17), self.reduction(6, "other"),
                              self.round(7, 9, ca="Recovery")), None, Filter())
        only, = shown["connections"]
        self.assertEqual(
            [[r[name] for name in ("phase", "happened", "duplicate_acks", "sacked")]
             for r in only["rounds"]],
            [["slow_start", "duplicate_acks", 3, None], ["reduction", "loss", None, 4],
             ["avoidance", "local_drop", None, None], ["recovery", None, None, None]])


@functools.cache
def with_matplotlib() -> str | None:
    for python in PYTHONS:
        if not subprocess.run([python, "-c", "import matplotlib"], check=False,
                              capture_output=True).returncode:
            return python
    return None


def words_in(picture: Path) -> list[str]:
    """The words of an SVG, each as often as it is drawn."""
    return re.findall(r"<!-- (.*?) -->", picture.read_text())


class Drawing(Stage):
    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.at_ms = 0

    def record(self, kind: str, cwnd: int, ssthresh: int = 16, ca: str = "Open",
               **values: int) -> bytes:
        """The next record, a round trip after the one before."""
        self.at_ms += 100
        return self.scene.pack(kind, self.at_ms * MS, **{
            "state": ESTABLISHED, "ca_state": CA[ca], "cwnd": cwnd,
            "ssthresh": ssthresh} | values)

    def rounds(self, *cwnds: int, **values: int) -> list[bytes]:
        return [self.record("reno_round", cwnd, **values) for cwnd in cwnds]

    def loss(self, flags: int = SACK) -> bytes:
        return self.record("reno_reduction", 24, sock_flags=flags, sacked_out=3,
                           reno_cause=number_of("reno_cause", "loss"))

    def draw(self, python: str, file: str, records: list[bytes],
             ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [python, RENOSCOPE, "rounds", "-", "--draw", str(self.folder / file)],
            check=False, input=support.recording(*records), capture_output=True)

    def drawn(self, file: str, records: list[bytes]) -> Path:
        """The picture; or the test is skipped."""
        python = with_matplotlib()
        if python is None:
            self.skipTest("no matplotlib: apt-get install python3-matplotlib")
        done = self.draw(python, file, records)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.folder / file

    def test_a_word_of_the_schema_is_no_formula(self) -> None:
        python = with_matplotlib() or self.skipTest("no matplotlib")
        file = support.recording(*self.rounds(1, 2), self.record(
            "reno_reduction", 24, reno_cause=number_of("reno_cause", "ecn")),
            *self.rounds(1, 2))
        number = number_of("reno_cause", "ecn")
        hostile = file.replace(b"value reno_cause %d ecn" % number,
                               b"value reno_cause %d $^$" % number)
        self.assertEqual(len(hostile), len(file))
        done = subprocess.run(
            [python, RENOSCOPE, "rounds", "-", "--draw", str(self.folder / "a.svg")],
            check=False, input=hostile, capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_spans(self) -> None:
        self.assertEqual(list(spans("aabcc")), [Span(0, 1), Span(2, 2), Span(3, 4)])

    def test_picture(self) -> None:
        for name, begins in (("a.png", b"\x89PNG"), ("A.SVG", b"<?xml")):
            file = self.drawn(name, self.rounds(1, 2, 4, 8, 16, 17))
            self.assertTrue(file.read_bytes().startswith(begins))

    def textbooks(self) -> dict[str, list[bytes]]:
        """The two figures' records."""
        climb = self.rounds(1, 2, 4, 8, *range(16, 24))
        return {
            "timeout": [*climb, self.record("rto", 24),
                        *self.rounds(1, 2, 4, 8, 12, 13, 14, ssthresh=12)],
            "fast-recovery": [*climb, *self.rounds(24), self.loss(0),
                              *self.rounds(12, ssthresh=12, ca="Recovery"),
                              *self.rounds(12, 13, 14, 15, ssthresh=12)]}

    def test_the_textbooks_pictures_are_as_documented(self) -> None:
        for name, records in self.textbooks().items():
            documented = DOCUMENTATION / f"textbook-{name}.svg"
            now = self.drawn("a.svg", records)
            title, = re.findall("<dc:title>.*?<", documented.read_text())
            if title not in now.read_text():
                self.skipTest(f"the documented picture is another's: {title}")
            self.assertEqual(now.read_text(), documented.read_text())

    def test_many_rounds_have_a_legend(self) -> None:
        records = []
        for _ in range(9):
            records += [*self.rounds(*range(2, 30), ssthresh=15), self.loss()]
        words = words_in(self.drawn("a.svg", records))
        self.assertEqual(words.count("congestion avoidance"), 1)
        self.assertEqual(words.count("slow start"), 1)
        self.assertEqual(words.count("loss"), 9)

    def test_a_name_without_room_makes_a_legend(self) -> None:
        """It would lie over the curve, which is at the top there."""
        records = [*self.rounds(2, 2, 24, 24),
                   *self.rounds(24, ssthresh=12, ca="Recovery"), *self.rounds(2, 2, 2)]
        words = words_in(self.drawn("a.svg", records))
        self.assertIn("fast recovery", words)
        self.assertEqual(words.count("congestion avoidance"), 1)

    def test_a_line_through_a_name_makes_a_legend(self) -> None:
        for records, is_legend in (([*self.rounds(16, 17), self.loss()], False),
                                   ([*self.rounds(16, 17), self.loss(),
                                     *self.rounds(18, 19)], True)):
            words = words_in(self.drawn("a.svg", records))
            self.assertEqual("congestion avoidance" in words, is_legend)

    def test_words_do_not_lie_over_each_other(self) -> None:
        """Where each round has its line and its threshold there is no room.

        Nor between the axis and the first line.
        """
        records = []
        for number in range(200):
            records += [*self.rounds(40, ssthresh=20 + number % 2), self.loss()]
        words = words_in(self.drawn("a.svg", records))
        self.assertEqual(words.count("loss"), 0)
        self.assertLess(sum(word.startswith("ssthresh") for word in words), 2)

    def test_what_cannot_be_drawn(self) -> None:
        other = self.scene.pack("reno_round", 9, cwnd=1, cookie=6)
        for file, records, words in (
                ("a.gif", self.rounds(1), "ends with .png or .svg"),
                ("a.png", [*self.rounds(1), other], "here more than one has rounds"),
                ("a.png", [], "here no connection has rounds")):
            done = self.draw(sys.executable, file, records)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr.decode())
            self.assertEqual(done.stderr.count(b"\n"), 1)

    def test_a_name_that_is_no_pictures_is_refused_at_once(self) -> None:
        self.assertEqual(self.draw(sys.executable, "a.gif", self.rounds(1)).stdout, b"")

    def test_a_file_that_cannot_be_written_is_named(self) -> None:
        python = with_matplotlib() or self.skipTest("no matplotlib")
        done = self.draw(python, "nowhere/a.png", self.rounds(1, 2))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            done.stderr.decode(), f"renoscope: cannot write {self.folder}"
            "/nowhere/a.png: No such file or directory\n")
