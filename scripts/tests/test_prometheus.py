# SPDX-License-Identifier: GPL-2.0
"""A real Prometheus scrapes a real node exporter that reads what we write."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from renoscope_lib.prometheus.metrics import Metrics
from renoscope_lib.prometheus.textfile import TextFile
from renoscope_lib.ring.schema import Event
from renoscope_lib.ring.stats import parse_stats

from . import handshake_scene as handshake
from . import servers, support
from .handshake_scene import ListenerScene
from .support import feed, number_of

RULES = support.SCRIPTS / "prometheus" / "renoscope.rules.yml"
PAGE = support.SCRIPTS.parent / "Documentation" / "fleet.rst"
NOT_HERE = servers.missing(servers.PROMETHEUS, servers.NODE_EXPORTER,
                           servers.PROMTOOL)

Series = dict[tuple[tuple[str, str], ...], float]


def trouble() -> list[Event]:
    """A crowded listener, and a client that loses segments."""
    listener = ListenerScene(limit=1)
    events = [*listener.queued(0, 1, 11), listener.again(1, 1, 11, 0, 0),
              listener.again(3, 1, 11, 1, 1), listener.completed(4, 1, 11),
              *listener.queued(5, 2, 12), listener.completed(6, 2, 12)]
    events += [listener.refused(7 + n, 3 + n, handshake.ACCEPT_FULL)
               for n in range(3)]
    scene = listener.scene
    events += [scene.event("retransmit", 20 * support.SECOND,
                           retransmit_cause=number_of("retransmit_cause", cause),
                           retransmit_segs=2)
               for cause in ("rto", "fast_retransmit", "fast_retransmit")]
    events += [scene.event("rto", 20 * support.SECOND, snd_isn=5, state=support.ESTABLISHED),
               scene.event("reset_sent", reset_reason=support.NO_SOCKET),
               scene.event("lost", 21 * support.SECOND, lost_events=17)]
    return events


def labelled(name: str, **labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"__name__": f"renoscope_{name}", **labels}.items()))


def in_file(text: str) -> Series:
    """What a textfile says, as a query of Prometheus would tell it."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(
                r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = re.findall(r'(\w+)="([^"]*)"', labels or "")
            found[tuple(sorted([("__name__", name), *pairs]))] = float(value)
    return found


def promql_of_the_page() -> list[str]:
    """The queries that the documentation shows."""
    blocks = re.findall(r"^\.\. code-block:: promql\n\n((?:    .*\n|\n)+)",
                        PAGE.read_text(), re.MULTILINE)
    return [query.strip() for block in blocks
            for query in re.split(r"\n\n+", block) if query.strip()]


@unittest.skipIf(NOT_HERE, NOT_HERE)
class Rules(unittest.TestCase):
    def test_promtool_finds_nothing(self) -> None:
        text = "\n".join(feed(Metrics(support.schema()), *trouble()).text()) + "\n"
        for command, stdin in ((["check", "rules", str(RULES)], ""),
                               (["check", "metrics"], text)):
            done = subprocess.run([servers.PROMTOOL, *command], input=stdin,
                                  text=True, capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def rings(self, alert: str, series: dict[str, str], step: str,
              expected: dict[str, bool]) -> None:
        """After which times an alert rings, of values that came a step apart."""
        firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
        test = {"rule_files": [str(RULES)], "evaluation_interval": step, "tests": [{
            "interval": step,
            "input_series": [{"series": f"renoscope_{name}", "values": values}
                             for name, values in series.items()],
            "promql_expr_test": [{
                "expr": firing, "eval_time": after,
                "exp_samples": [{"labels": "{}", "value": 1}] if does else []}
                for after, does in expected.items()]}]}
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump(test, file)       # which is YAML as well
            file.flush()
            done = subprocess.run([servers.PROMTOOL, "test", "rules", file.name],
                                  text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_slow_connects_of_both_ways_to_write_a_bound(self) -> None:
        """Prometheus 3 keeps 1 as 1.0; while it is being upgraded both are there."""
        count, bucket = ('state_seconds_count{state="SYN-SENT"}',
                         'state_seconds_bucket{state="SYN-SENT",le="%s"}')
        for within, slow in (("0+60x30", False), ("0+30x30", True)):
            for series in ({bucket % "1": within}, {bucket % "1.0": within},
                           {bucket % "1": within.replace("x30", "x10 stale"),
                            bucket % "1.0": "_x11 " + within}):
                with self.subTest(series):
                    self.rings("TcpConnectsSlow", series | {
                        count: "0+60x30", bucket % "10": "0+60x30"}, "1m",
                        {"3m": False, "25m": slow})

    def test_cookies_of_a_queue_with_room_ring_nothing(self) -> None:
        """tcp_syncookies=2 sends nothing else."""
        for queue, rings in (("full", True), ("room", False)):
            self.rings("TcpHalfOpenQueueFull", {
                f'syn_cookies_sent_total{{queue="{queue}",instance="a"}}': "0+9x30"},
                "1m", {"10m": rings})

    def test_timeouts_are_set_against_connections(self) -> None:
        """And dead peers, whose SYNs time out, are no connections."""
        for state, a_minute, connections, rings in (
                ("ESTABLISHED", 120, 60, True), ("ESTABLISHED", 120, 0, True),
                ("ESTABLISHED", 120, 6000, False), ("ESTABLISHED", 600, 6000, True),
                ("ESTABLISHED", 30, 60, False), ("SYN-SENT", 120, 60, False),
                ("FIN-WAIT-1", 120, 60, True)):
            with self.subTest(state=state, a_minute=a_minute, connections=connections):
                self.rings("TcpTimeouts", {
                    f'rtos_total{{state="{state}"}}': f"0+{a_minute}x30",
                    'state_seconds_count{state="ESTABLISHED"}': f"0+{connections}x30"},
                    "1m", {"20m": rings})

    def test_gone_rings_for_a_week(self) -> None:
        """And not only until the range has forgotten it."""
        self.rings("RenoscopeGone", {'lost_events_total{instance="a"}': "0x10 stale",
                                     'lost_events_total{instance="b"}': "0x99999"},
                   "10m", {"1h": False, "3h": True, "6d": True, "8d": False})


@unittest.skipIf(NOT_HERE, NOT_HERE)
class Scraped(unittest.TestCase):
    """One node exporter and one Prometheus for all that is asked."""

    file: Path
    textfile: TextFile
    prometheus: servers.Prometheus

    @classmethod
    def setUpClass(cls) -> None:
        enter = cls.enterClassContext
        folder: Path = enter(servers.folder_for_servers())
        textfiles = folder / "textfiles"
        textfiles.mkdir()
        cls.file = textfiles / "renoscope.prom"
        cls.textfile = TextFile(str(cls.file))
        exporter = enter(servers.node_exporter(folder, textfiles))
        cls.prometheus = enter(servers.Prometheus(folder, exporter.port, RULES))

    def write(self, metrics: Metrics) -> Series:
        """Let the file be scraped; what Prometheus has then."""
        self.textfile.write("".join(f"{line}\n" for line in metrics.text()))
        expected = in_file(self.file.read_text())
        servers.wait_until("the file to be scraped", lambda: self.prometheus.query(
            '{__name__=~"renoscope_.*"}') == expected)
        return expected

    def test_in_the_order_of_a_life(self) -> None:
        metrics = Metrics(support.schema())
        metrics.see_stats([parse_stats(support.stats_text("kinds_off ack,segment"))])
        self.write(metrics)
        self.assertEqual(self.prometheus.alerts(), {})
        feed(metrics, *trouble())
        scraped = self.write(metrics)
        with self.subTest("each value is what the events say"):
            self.says_what_the_events_say(scraped)
        with self.subTest("alerts"):
            self.rings()
        with self.subTest("queries of the documentation"):
            self.answers()
        with self.subTest("a file that is gone"):
            self.file.unlink()
            servers.wait_until("the series to end", lambda: not (
                self.prometheus.query('{__name__=~"renoscope_.*"}')))
            servers.wait_until("the alert that it is gone", lambda: (
                "RenoscopeGone" in self.prometheus.alerts()))
            self.assertEqual(self.prometheus.query("up"),
                             {(("__name__", "up"),): 1})

    def says_what_the_events_say(self, scraped: Series) -> None:
        port = {"port": "5000"}
        for labels, value in (
                (labelled("retransmits_total", cause="fast_retransmit"), 4),
                (labelled("retransmits_total", cause="rto"), 2),
                (labelled("retransmits_total", cause="tail_loss_probe"), 0),
                (labelled("rtos_total", state="ESTABLISHED"), 1),
                (labelled("synack_retransmits_total", number="1", by="timer"), 1),
                (labelled("synack_retransmits_total", number="2", by="timer"), 1),
                (labelled("synack_retransmits_total", number="3", by="timer"), 0),
                (labelled("refused_total", reason="accept_queue_full",
                          segment="syn"), 3),
                (labelled("accept_queue", **port), 2),
                (labelled("half_open", **port), 0),
                (labelled("queue_limit", **port), 1),
                (labelled("accept_queue_fill_ratio", **port), 1),
                (labelled("listener_syns_total", **port), 2),
                (labelled("lost_events_total"), 17)):
            with self.subTest(labels):
                self.assertEqual(scraped[labels], value)
        self.assertEqual(self.prometheus.query(
            "node_textfile_scrape_error"), {
                (("__name__", "node_textfile_scrape_error"),): 0})

    def rings(self) -> None:
        """What is wrong here, and nothing else."""
        expected = {"TcpAcceptQueueOverflows", "TcpSynAcksUnanswered",
                    "RenoscopeLosesEvents"}
        servers.wait_until("the alerts", lambda: expected.issubset(
            self.prometheus.alerts()))
        self.assertEqual(self.prometheus.alerts().keys(), expected)
        self.assertEqual(self.prometheus.alerts()["TcpAcceptQueueOverflows"],
                         "firing")

    def answers(self) -> None:
        queries = promql_of_the_page()
        self.assertGreater(len(queries), 4)
        for query in queries:
            with self.subTest(query):
                self.assertTrue(self.prometheus.query(query))
