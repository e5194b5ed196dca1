# SPDX-License-Identifier: GPL-2.0
"""What Prometheus is told: the format, the counts, the queues, the times, the file."""

import os
import re
import subprocess
import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from renoscope_lib.errors import Problem
from renoscope_lib.prometheus import listening_ports
from renoscope_lib.prometheus.exposition import COUNTER, Family, Histogram, Sample, exposition
from renoscope_lib.prometheus.metrics import Metrics
from renoscope_lib.prometheus.textfile import TextFile, keep_true
from renoscope_lib.ring.schema import Event
from renoscope_lib.ring.stats import parse_stats
from renoscope_lib.stopping import Stop

from . import handshake_scene as handshake
from . import support
from .handshake_scene import ListenerScene
from .support import MS, RST, Scene, feed, number_of
from .test_states import Stage

RENOSCOPE = support.SCRIPTS / "renoscope"
SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")


def samples(lines: Iterator[str]) -> dict[str, float]:
    """Every series as it is written, with its value."""
    found = {}
    for line in lines:
        if not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            assert series not in found, f"{series} twice"
            found[series] = float(value)
    return found


def told(*events: Event, **options: int) -> dict[str, float]:
    """The metrics of events; `renoscope_` is left out."""
    metrics: Metrics = feed(Metrics(support.schema(), **options), *events)
    return {series.removeprefix("renoscope_"): value
            for series, value in samples(metrics.text()).items()}


def not_zero(series: dict[str, float], name: str) -> dict[str, float]:
    """Of one metric, by its labels."""
    return {match[2]: value for key, value in series.items() if value
            and (match := re.fullmatch(r"(\w+)\{(.*)\}", key)) and match[1] == name}


class Format(unittest.TestCase):
    def test_what_has_a_meaning_is_escaped(self) -> None:
        lines = list(exposition(
            [Family("x_total", COUNTER, "a\\b\nc \"d\"",
                    [Sample({"l": "\"\\\n"}, 1.0)])], ["one\ntwo"]))
        self.assertEqual(lines, [
            '# HELP x_total a\\\\b\\nc "d"', "# TYPE x_total counter",
            'x_total{l="\\"\\\\\\n"} 1', "## one\\ntwo"])

    def test_a_family_without_samples_is_left_out(self) -> None:
        self.assertEqual(list(exposition([Family("x", COUNTER, "y", [])])), [])

    def test_buckets_hold_what_is_in_the_ones_before(self) -> None:
        histogram = Histogram((0.5, 2.0))
        for value in (0.5, 0.6, 2.0, 7.25):
            histogram.observe(value)
        text = list(exposition([Family("h", "histogram", "-",
                                       list(histogram.samples({})))]))[2:]
        self.assertEqual(text, ['h_bucket{le="0.5"} 1', 'h_bucket{le="2"} 3',
                                'h_bucket{le="+Inf"} 4', "h_sum 10.35",
                                "h_count 4"])


class Counts(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def test_retransmits_by_cause_count_segments(self) -> None:
        causes = (("fast_retransmit", 3), ("fast_retransmit", 1), ("rto", 1))
        series = told(*(self.scene.event(
            "retransmit", retransmit_cause=number_of("retransmit_cause", cause),
            retransmit_segs=segments) for cause, segments in causes))
        self.assertEqual(not_zero(series, "retransmits_total"), {
            'cause="fast_retransmit"': 4, 'cause="rto"': 1})
        self.assertEqual(not_zero(series, "events_total"), {
            'kind="retransmit"': 3})

    def test_words_are_there_before_they_are_counted(self) -> None:
        series = told()
        for name in ('retransmits_total{cause="tail_loss_probe"}', 'rtos_total{state="SYN-SENT"}',
                     'syn_cookies_sent_total{queue="full"}',
                     'refused_total{reason="accept_queue_full",segment="syn"}',
                     'resets_total{direction="sent",reason="NO_SOCKET"}',
                     'synack_retransmits_total{number="5",by="timer"}',
                     'zero_windows_total{side="peer"}',
                     'events_total{kind="bad_checksum"}', "lost_events_total"):
            self.assertEqual(series.get(name), 0, name)

    def test_numbers_without_a_word_are_one_label(self) -> None:
        series = told(*(self.scene.event("retransmit", retransmit_cause=number,
                                         retransmit_segs=1)
                        for number in range(100, 150)))
        self.assertEqual(not_zero(series, "retransmits_total"),
                         {'cause="unknown"': 50})

    def test_each_timeout_counts(self) -> None:
        """Those of SYNs apart: their peers may be gone."""
        series = told(*(self.scene.event("rto", state=state) for state in (
            support.SYN_SENT, support.ESTABLISHED, support.ESTABLISHED)))
        self.assertEqual(not_zero(series, "rtos_total"), {
            'state="SYN-SENT"': 1, 'state="ESTABLISHED"': 2})

    def test_resets_sent_have_their_reasons(self) -> None:
        """A reset_received of a segment without RST is data that came too late."""
        series = told(
            self.scene.event("reset_sent", reset_reason=support.NO_SOCKET),
            self.scene.event("reset_sent"),
            self.scene.event("reset_received", seg_flags=RST),
            self.scene.event("reset_received"),
            self.scene.event("reset_received", seg_flags=support.ACK))
        self.assertEqual(not_zero(series, "resets_total"), {
            'direction="sent",reason="NO_SOCKET"': 1,
            'direction="sent",reason="not_told"': 1,
            'direction="received",reason="not_told"': 2})

    def test_zero_windows_count_as_they_close(self) -> None:
        side = number_of("window_side", "own")
        series = told(*(self.scene.event(
            "zero_window", window_side=side,
            window_change=number_of("window_change", change))
            for change in ("closed", "opened", "closed")))
        self.assertEqual(not_zero(series, "zero_windows_total"),
                         {'side="own"': 2})

    def test_errors_have_names_and_0_is_none(self) -> None:
        series = told(self.scene.event("error", sk_error=110),
                      self.scene.event("error", sk_error=0),
                      self.scene.event("error", sk_error=4_000_000_000))
        self.assertEqual(not_zero(series, "errors_total"), {
            'error="ETIMEDOUT"': 1, 'error="unknown"': 1})

    def test_a_loss_makes_counters_lower_bounds(self) -> None:
        metrics = feed(Metrics(support.schema()),
                       self.scene.event("rto"),
                       self.scene.event("lost", lost_events=7),
                       self.scene.event("mark"))
        lines = list(metrics.text())
        self.assertIn("renoscope_lost_events_total 7", lines)
        self.assertIn('renoscope_events_total{kind="mark"} 1', lines)
        self.assertIn("## *** 7 events LOST: every counter here is a lower "
                      "bound ***", lines)

    def test_synacks_count_by_number_and_by_what_made_them_go(self) -> None:
        listener = ListenerScene()
        series = told(*listener.queued(0, 1, 9), *(
            listener.again(2 ** n, 1, 9, retrans=n, timeouts=n) for n in range(9)),
            listener.again(600, 1, 9, retrans=9, timeouts=9, by_timer=False))
        numbers = not_zero(series, "synack_retransmits_total")
        self.assertEqual(numbers, {
            **{f'number="{n}",by="timer"': 1 for n in range(1, 8)},
            'number="8+",by="timer"': 2, 'number="8+",by="duplicate SYN"': 1})

    def test_cookies_and_requests_that_ended_count(self) -> None:
        listener = ListenerScene()
        series = told(
            *listener.queued(0, 1, 9), listener.request_end(63, 1, 9,
                                                            handshake.EXPIRED),
            *listener.cookie_sent(64, 2),
            listener.cookie_checked(65, 2, handshake.INVALID))
        self.assertEqual(not_zero(series, "syn_cookies_sent_total"), {'queue="room"': 1})
        for more, queue in ((0, "room"), (1, "full")):
            listener.half_open = listener.limit + more
            self.assertEqual(not_zero(told(*listener.cookie_sent(66, 3)),
                                      "syn_cookies_sent_total"), {f'queue="{queue}"': 1})
        self.assertEqual(not_zero(series, "requests_ended_total"),
                         {'reason="expired"': 1})
        self.assertEqual(not_zero(series, "syn_cookies_checked_total"),
                         {'verdict="invalid"': 1})


class Queues(unittest.TestCase):
    def crowd(self, listener: ListenerScene, accepted: int = 0) -> list[Event]:
        """Five SYNs for a backlog of 3: two complete, one of them is taken."""
        events = [e for port in (1, 2, 3, 4)
                  for e in listener.queued(port, port, port)]
        events += [listener.completed(5, 1, 1), listener.completed(5, 2, 2)]
        events += [listener.accepted(6, port, port)
                   for port in range(1, accepted + 1)]
        return [*events, listener.refused(7, 5, handshake.ACCEPT_FULL)]

    def test_a_listener(self) -> None:
        series = told(*self.crowd(ListenerScene(limit=3), accepted=1))
        for name, value in (("half_open", 2), ("accept_queue", 1),
                            ("queue_limit", 3), ("half_open_fill_ratio", 2 / 4),
                            ("accept_queue_fill_ratio", 1 / 4),
                            ("listener_syns_total", 4),
                            ("listener_accepted_total", 1),
                            ("listener_refused_total", 1)):
            self.assertAlmostEqual(series[f'{name}{{port="5000"}}'], value,
                                   msg=name)
        self.assertEqual(not_zero(series, "refused_total"), {
            'reason="accept_queue_full",segment="syn"': 1})

    def test_a_half_open_queue_is_full_with_one_more_than_its_limit(self) -> None:
        listener = ListenerScene(limit=3)
        series = told(*(e for n in range(1, 5) for e in listener.queued(n, n, n)))
        self.assertEqual(series['half_open{port="5000"}'], 4)
        self.assertEqual(series['half_open_fill_ratio{port="5000"}'], 1)

    def test_a_last_ack_dropped(self) -> None:
        listener = ListenerScene()
        series = told(*listener.queued(0, 1, 9),
                      listener.last_ack_refused(1, 1, 9))
        self.assertEqual(not_zero(series, "refused_total"), {
            'reason="accept_queue_full",segment="ack"': 1})

    def test_listeners_of_a_port_are_summed_up_and_the_fullest_shows(self) -> None:
        scene = Scene()
        full = ListenerScene(limit=3, listener=1, scene=scene)
        empty = ListenerScene(limit=9, listener=2, scene=scene, netns=7)
        events = [*self.crowd(full), *empty.queued(8, 50, 50)]
        series = told(*events)
        self.assertEqual(series['half_open{port="5000"}'], 3)
        self.assertEqual(series['accept_queue{port="5000"}'], 2)
        self.assertEqual(series['queue_limit{port="5000"}'], 12)
        self.assertEqual(series['half_open_fill_ratio{port="5000"}'], 2 / 4)
        self.assertEqual(series['accept_queue_fill_ratio{port="5000"}'], 2 / 4)

    def test_a_closed_listener_has_no_queues(self) -> None:
        listener = ListenerScene()
        closed = listener.scene.event(
            "state", 9 * 10 ** 9, cookie=1, remote_port=0, local_port=5000,
            old_state=support.LISTEN, state=support.CLOSED)
        series = told(*self.crowd(listener), closed)
        self.assertNotIn('half_open{port="5000"}', series)
        self.assertEqual(series['listener_refused_total{port="5000"}'], 1,
                         "a counter stays")

    def test_ports_without_a_label_share_one(self) -> None:
        scene = Scene()
        events = []
        for number in range(5):
            listener = ListenerScene(listener=number + 1, scene=scene)
            events += [listener.syn(number, 40_000, local_port=80 + number),
                       listener.refused(number, 40_000, handshake.OTHER,
                                        local_port=80 + number)]
        series = told(*events, ports=2)
        self.assertEqual(not_zero(series, "listener_refused_total"), {
            'port="80"': 1, 'port="81"': 1, 'port="other"': 3})
        self.assertEqual(series['queue_limit{port="other"}'], 3 * 128)

    def test_listeners_without_end_are_given_up(self) -> None:
        scene = Scene()
        events = [ListenerScene(listener=number, scene=scene).syn(number, 40_000)
                  for number in range(1, 20)]
        with mock.patch.object(listening_ports, "MOST", 8):
            series = told(*events)
        self.assertEqual(series['queue_limit{port="5000"}'], 128 * 8)
        self.assertEqual(series['listener_syns_total{port="5000"}'], 19)


class Times(Stage):
    def seconds(self, *events: Event) -> dict[str, tuple[float, float]]:
        """By state: how many, and how long together."""
        series = told(*events)
        return {state: (count, series[f'state_seconds_sum{{state="{state}"}}'])
                for state in ("SYN-SENT", "ESTABLISHED", "FIN-WAIT-1",
                              "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "TIME-WAIT")
                if (count := series[f'state_seconds_count{{state="{state}"}}'])}

    def test_counted_when_left(self) -> None:
        self.assertEqual(self.seconds(*self.path(
            0, "CLOSED", "SYN-SENT", "ESTABLISHED", step_ms=40)),
            {"SYN-SENT": (1, 0.04)})

    def test_of_a_request_only_the_end_was_heard(self) -> None:
        """It tells since when its SYN-ACK waits; `states` has the same."""
        series = told(ListenerScene().request_end(
            63, 1, 9, handshake.EXPIRED, since_synack_us=63_000_000))
        self.assertEqual(series['state_seconds_sum{state="SYN-RECEIVED"}'], 63)

    def test_a_whole_life_once(self) -> None:
        life = self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED", "CLOSE-WAIT",
                         "LAST-ACK", "CLOSED", step_ms=40)
        self.assertEqual(self.seconds(*life, self.event("destroy", 300, "CLOSED")), {
            "SYN-SENT": (1, 0.04), "ESTABLISHED": (1, 0.04),
            "CLOSE-WAIT": (1, 0.04), "LAST-ACK": (1, 0.04)})

    def test_what_the_view_puts_right_counts_as_put_right(self) -> None:
        """FIN-WAIT-2 that one segment enters and leaves is none."""
        self.assertEqual(self.seconds(
            self.change(0, "CLOSED", "SYN-SENT", snd_isn=0),
            self.change(40, "SYN-SENT", "ESTABLISHED"),
            self.change(100, "ESTABLISHED", "FIN-WAIT-1"),
            self.event("ack", 150, "FIN-WAIT-1", seg_seq=9, seg_ack=20, snd_nxt=20,
                       seg_flags=support.FIN | support.ACK),
            self.change(150, "FIN-WAIT-1", "FIN-WAIT-2"),
            self.small(150, "started", wait_us=60_000_000),
            self.change(150, "FIN-WAIT-2", "CLOSED"),
            self.small_end(60_150, "timer")), {
                "SYN-SENT": (1, 0.04), "ESTABLISHED": (1, 0.06),
                "FIN-WAIT-1": (1, 0.05), "TIME-WAIT": (1, 60.0)})

    def test_reset_in_fin_wait_2(self) -> None:
        """Closed there, it may live on as a small sock, until the RST tells."""
        life = self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED", "FIN-WAIT-1",
                         "FIN-WAIT-2", "CLOSED", step_ms=40)
        whole = {"SYN-SENT": (1, 0.04), "ESTABLISHED": (1, 0.04), "FIN-WAIT-1": (1, 0.04)}
        reset = self.event("reset_sent", 161, "CLOSED")
        gone = self.event("destroy", 162, "CLOSED")
        self.assertEqual(self.seconds(*life, reset), whole | {"FIN-WAIT-2": (1, 0.04)})
        self.assertEqual(self.seconds(*life, reset, gone), whole | {"FIN-WAIT-2": (1, 0.04)})
        self.assertEqual(self.seconds(*life, gone), whole, "what came then was not seen")
        metrics = feed(Metrics(support.schema()), *life, gone)
        self.assertEqual(len(metrics._states.kept), 0)

    def test_a_socket_that_connects_again_after_a_loss(self) -> None:
        """Its CLOSED was lost: when it left ESTABLISHED is not known."""
        self.assertEqual(self.seconds(
            *self.path(0, "CLOSED", "SYN-SENT", "ESTABLISHED", step_ms=40),
            support.Scene().event("lost", 1_000_000_000, lost_events=3),
            *self.path(2000, "CLOSED", "SYN-SENT", "ESTABLISHED", "CLOSE-WAIT",
                       step_ms=100)),
            {"SYN-SENT": (2, 0.14), "ESTABLISHED": (1, 0.1)})

    def test_what_was_not_seen_is_not_counted(self) -> None:
        self.assertEqual(self.seconds(
            self.change(0, "CLOSE-WAIT", "LAST-ACK"),
            self.change(40, "LAST-ACK", "CLOSED")), {"LAST-ACK": (1, 0.04)})

    def test_nothing_is_kept_of_a_connection_that_is_over(self) -> None:
        metrics = Metrics(support.schema())
        for number in range(1, 50):
            self.ends["cookie"] = number
            feed(metrics, *self.path(number, "CLOSED", "SYN-SENT", "CLOSED"))
        self.assertEqual(len(metrics._states.kept), 0)


class Trust(unittest.TestCase):
    def series(self, *lines: str, first: tuple[str, ...] = ()) -> dict[str, float]:
        metrics = Metrics(support.schema())
        metrics.see_stats([parse_stats(support.stats_text(*text, cpu0=1))
                           for text in (first, lines)])
        return samples(metrics.text())

    def test_all_is_well(self) -> None:
        series = self.series("kinds_off none", "filter none", "freeze frozen 0")
        self.assertEqual(series['renoscope_kind_recorded{kind="rto"}'], 1)
        for name in ("frozen", "filtered", "missed_calls_total"):
            self.assertEqual(series[f"renoscope_{name}"], 0, name)

    def test_what_is_left_out(self) -> None:
        series = self.series("kinds_off rto,segment", "filter port=80",
                             "freeze frozen 1", "source accepted x missing: why")
        for name in ("frozen", "filtered"):
            self.assertEqual(series[f"renoscope_{name}"], 1, name)
        for kind, on in (("rto", 0), ("accepted", 0), ("retransmit", 1)):
            self.assertEqual(
                series[f'renoscope_kind_recorded{{kind="{kind}"}}'], on, kind)

    def test_sampling_is_a_filter(self) -> None:
        self.assertEqual(self.series("sample flow 8 ack 1")["renoscope_filtered"], 1)
        self.assertEqual(self.series("sample flow 1 ack 8")["renoscope_filtered"], 0)

    def test_calls_missed_since_the_beginning(self) -> None:
        place = "source accepted kprobe:inet_csk_accept attached, missed {} calls"
        self.assertEqual(self.series(place.format(9), first=(place.format(4),))[
            "renoscope_missed_calls_total"], 5)


class FakeSource:
    """A ring whose batches are given."""

    follows = True

    def __init__(self, *batches: list[Event]) -> None:
        self.schema = support.schema()
        self._batches = batches

    def batches(self) -> Iterator[list[Event]]:
        yield from self._batches

    def parameters(self) -> dict[str, str]:
        return {}

    def parameters_read(self) -> tuple[int, str]:
        return 0, "now set"

    def stats(self) -> list[object]:
        return [parse_stats(support.stats_text(cpu0=1))]


class File(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "renoscope.prom"

    @contextmanager
    def kept(self, *batches: list[Event]) -> Iterator[list[str]]:
        """What stood in the file after each batch but the last."""
        texts: list[str] = []

        def looking() -> Iterator[list[Event]]:
            for batch in batches:
                yield batch
                texts.append(self.path.read_text())
            stop.ask()
            yield []
        stop = Stop()
        source = FakeSource()
        source.batches = looking  # type: ignore[assignment]
        with TextFile(str(self.path)) as textfile:
            keep_true(source, textfile, 1e-9, 64, stop)  # type: ignore[arg-type]
            yield texts

    def test_the_file_grows_with_the_events(self) -> None:
        scene = Scene()
        one, two, three = (scene.event("rto", state=support.ESTABLISHED) for _ in range(3))
        with self.kept([], [one], [two, three]) as texts:
            self.assertEqual([re.findall(r'^renoscope_rtos_total{state="E.*"} (\d+)', text,
                                         re.MULTILINE) for text in texts],
                             [["0"], ["1"], ["3"]])
            self.assertIn("renoscope_start_time_seconds", texts[0])

    def test_anybody_may_read_it_and_nothing_else_is_left(self) -> None:
        with self.kept([]):
            self.assertEqual(self.path.stat().st_mode & 0o777, 0o644)
            self.assertEqual(os.listdir(self.path.parent), [self.path.name])
        self.assertEqual(os.listdir(self.path.parent), [])

    def test_what_an_earlier_run_left_goes(self) -> None:
        self.path.write_text("renoscope_rtos_total 5\n")
        with TextFile(str(self.path)):
            self.assertFalse(self.path.exists())

    def test_links_are_not_followed(self) -> None:
        """The folder may belong to somebody who wants root to write elsewhere."""
        precious = self.path.with_name("precious")
        precious.write_text("gold")
        for name in (f".{self.path.name}.new", self.path.name):
            self.path.with_name(name).symlink_to(precious)
        textfile = TextFile(str(self.path))
        textfile.write("x 1\n")
        self.assertEqual(precious.read_text(), "gold")
        self.assertFalse(self.path.is_symlink())

    def test_a_ring_that_ends(self) -> None:
        with self.assertRaisesRegex(Problem, "the ring has ended: the module was unloaded"), \
                TextFile(str(self.path)) as textfile:
            keep_true(FakeSource([], []), textfile,  # type: ignore[arg-type]
                      1e-9, 64, Stop())
        self.assertFalse(self.path.exists())

    def test_no_room_or_no_folder(self) -> None:
        missing = TextFile(str(self.path.parent / "nix" / "x.prom"))
        with self.assertRaisesRegex(Problem, "cannot write .*nix/x.prom: No such"):
            missing.write("x 1\n")


class Command(unittest.TestCase):
    def run_it(self, *arguments: str,
               stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([RENOSCOPE, "metrics", *arguments], input=stdin,
                              timeout=60, capture_output=True, check=False)

    def test_a_recording(self) -> None:
        scene = Scene()
        done = self.run_it("-", stdin=support.recording(
            *(scene.pack("rto", at * MS, state=support.ESTABLISHED) for at in (0, 5))))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(samples(iter(done.stdout.decode().splitlines()))[
            'renoscope_rtos_total{state="ESTABLISHED"}'], 2)

    def test_one_that_was_cut_off(self) -> None:
        data = support.recording(Scene().pack("rto", state=support.ESTABLISHED))
        done = self.run_it("-", stdin=data[:-9])
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"cut off", done.stderr)
        self.assertIn(b'renoscope_rtos_total{state="ESTABLISHED"} 1', done.stdout)

    def test_wrong_usage_is_told(self) -> None:
        for words, arguments in (
                ("names end in .prom", ["--textfile", "/etc/passwd"]),
                ("names end in .prom", ["--textfile", "/tmp/.prom"]),
                ("--textfile follows the ring", ["x", "--textfile", "y.prom"]),
                ("--ports", ["--ports", "0"]), ("--interval", ["--interval", "0"])):
            with self.subTest(arguments):
                done = self.run_it(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn(words, done.stderr.decode())
                self.assertEqual(done.stderr.count(b"\n"), 1)

    @unittest.skipIf(Path("/sys/module/tcp_renoscope").exists(), "it is loaded here")
    def test_without_the_module_the_old_file_goes(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "renoscope.prom"
            path.write_text("renoscope_rtos_total 5\n")
            done = self.run_it("--textfile", str(path))
            self.assertEqual(done.returncode, 4)
            self.assertFalse(path.exists())
