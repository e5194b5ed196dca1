# SPDX-License-Identifier: GPL-2.0
"""Prometheus and ClickHouse, the real ones, tell of live traffic what the ring holds.

The servers run on the guest's own loopback; a filter lets only the two hosts' events
into the ring, so that the servers' own traffic is not in it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

import endpoints
import provoke
import recorder
import troubles
from hosts import CLIENT, SERVER, TwoHosts
from ktap_output import Skip, comment
from recorder import COMMAND, PARAMETERS, Recorder
from renoscope_lib.prometheus.state_times import SETTLED_ONCE_LEFT
from renoscope_lib.ring.schema import Event
from tests import servers
from tests.fleet_figures import BY_HAND
from tests.servers import wait_until

SCRIPTS = COMMAND.parent
RULES = SCRIPTS / "prometheus" / "renoscope.rules.yml"
SQL = SCRIPTS / "clickhouse"
CROWDED_PORT = 4000


def _need(*commands: str) -> None:
    missing = servers.missing(*commands)
    if missing:
        raise Skip(f"{missing}: scripts/install-deps test")


@contextmanager
def _stage() -> Iterator[tuple[Recorder, TwoHosts, Path, ExitStack]]:
    """The module, two hosts that alone are recorded, a folder, and what ends."""
    with Recorder() as it, TwoHosts(5) as hosts, servers.folder_for_servers() as folder, \
            ExitStack() as stack:
        (PARAMETERS / "filter").write_text(
            f"netns={hosts.inode(CLIENT)},{hosts.inode(SERVER)}")
        hosts.most_segments_a_packet(1)
        yield it, hosts, folder, stack


def _overflow(it: Recorder) -> None:
    """Three connections to a listener that accepts none and has room for two."""
    listener = endpoints.listen(SERVER, False, port=CROWDED_PORT, backlog=1)
    clients = [endpoints.tcp_socket(CLIENT, False) for _ in range(3)]
    for client in clients[:2]:
        client.connect(listener.getsockname())
    clients[2].setblocking(False)
    clients[2].connect_ex(listener.getsockname())
    wait_until("a refusal", lambda: any(
        endpoints.word(it, event, "refusal") == "accept_queue_full"
        for event in it.events("refused")))
    for sock in (*clients, listener):
        sock.close()


def _trouble(it: Recorder, hosts: TwoHosts) -> None:
    """A crowd, an overflow, aborted connections; lost SYNs, data, last ACKs."""
    provoke.crowd(it, hosts, 2, 8)
    _overflow(it)
    for ipv6 in endpoints.FAMILIES:
        troubles.lossy_life(it, hosts, ipv6)
        troubles.aborted(it, ipv6)
    provoke.lose_third_segment(it, hosts, 2)


def _events(it: Recorder) -> list[Event]:
    """What the ring holds of the two hosts."""
    return [event for event in it.events() if event.kind not in ("mark", "lost")]


# ---- Prometheus


@contextmanager
def _counting(file: Path) -> Iterator[subprocess.Popen[str]]:
    """`renoscope metrics`, once its file is there."""
    process = subprocess.Popen([sys.executable, str(COMMAND), "metrics", "--textfile",
                                str(file), "--interval", "0.5"], text=True,
                               stderr=subprocess.PIPE)
    try:
        wait_until("the textfile", file.exists)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _by_label(prometheus: servers.Prometheus, promql: str,
              *labels: str) -> dict[tuple[str, ...], float]:
    """The series of a query that are not 0, by these labels."""
    return {tuple(dict(series)[label] for label in labels): value
            for series, value in prometheus.query(promql).items() if value}


def _counted(it: Recorder) -> dict[str, Counter[tuple[str, ...]]]:
    """The same figures from the ring's events, by the metric's name."""
    events = _events(it)

    def words(kind: str, *fields: str) -> Iterator[tuple[str, ...]]:
        for event in events:
            if event.kind == kind:
                yield tuple(endpoints.word(it, event, field) for field in fields)
    retransmits: Counter[tuple[str, ...]] = Counter()
    for event in events:
        if event.kind == "retransmit":
            cause = endpoints.word(it, event, "retransmit_cause")
            retransmits[cause,] += event["retransmit_segs"]
    return {
        "events_total": Counter((event.kind,) for event in events),
        "retransmits_total": retransmits,
        "synack_retransmits_total": Counter(
            (str(event["num_retrans"] + 1),) for event in events
            if event.kind == "synack_retransmit"),
        "refused_total": Counter(words("refused", "refusal")),
        "requests_ended_total": Counter(words("request_end", "request_ending")),
        "rtos_total": Counter(words("rto", "state")),
    }


LABELS = {"events_total": ("kind",), "retransmits_total": ("cause",),
          "synack_retransmits_total": ("number",), "refused_total": ("reason",),
          "requests_ended_total": ("reason",), "rtos_total": ("state",)}


def _scraped(prometheus: servers.Prometheus) -> dict[str, dict[tuple[str, ...], float]]:
    return {name: _by_label(
        prometheus, f"sum by ({','.join(labels)}) (renoscope_{name}"
        '{kind!="mark"})', *labels) for name, labels in LABELS.items()}


def _same_counts(it: Recorder, prometheus: servers.Prometheus) -> None:
    def are_same() -> bool:
        return _scraped(prometheus) == _counted(it)
    try:
        wait_until("Prometheus to have the ring's counts", are_same)
    except TimeoutError as error:
        error.add_note(f"{_scraped(prometheus)}\n{_counted(it)}")
        raise
    comment(f"scraped: {_counted(it)}")


def _same_times(prometheus: servers.Prometheus) -> None:
    """Against the view of states, which reads the whole ring."""
    def are_same() -> bool:
        times: dict[tuple[str], tuple[int, float]] = {}
        paths = (life["path"] for life in recorder.told("states")["connections"])
        for stay in chain.from_iterable(paths):
            if stay["state"] in SETTLED_ONCE_LEFT and stay["took_us"] is not None:
                count, total = times.get((stay["state"],), (0, 0.0))
                times[stay["state"],] = (count + 1, total + stay["took_us"] / 1e6)
        scraped = [_by_label(prometheus, f"renoscope_state_seconds_{part}", "state")
                   for part in ("count", "sum")]
        return bool(times) and all(
            scraped[0].get(state) == count and abs(scraped[1].get(state, 0) - total) < 1e-6
            for state, (count, total) in times.items())
    wait_until("Prometheus to have the times in state", are_same)


def _queue_fills_and_empties(prometheus: servers.Prometheus) -> None:
    """A gauge goes up while a server does not accept, and down when it does."""
    def told(name: str) -> float | None:
        return _by_label(prometheus, f"renoscope_{name}", "port").get(
            (str(endpoints.PORT),))
    listener = endpoints.listen(SERVER, False, backlog=1)
    clients = [endpoints.tcp_socket(CLIENT, False) for _ in range(2)]
    for client in clients:
        client.connect(listener.getsockname())
    wait_until("a full accept queue", lambda: told("accept_queue") == 2)
    assert (told("queue_limit"), told("accept_queue_fill_ratio")) == (1, 1)
    for server in [listener.accept()[0] for _ in clients]:
        server.close()
    wait_until("an empty accept queue", lambda: told("accept_queue") is None)
    for sock in (*clients, listener):
        sock.close()
    wait_until("the listener to be gone", lambda: not prometheus.query(
        f'renoscope_queue_limit{{port="{endpoints.PORT}"}}'))


def test_prometheus() -> None:
    """Prometheus scrapes counts, queues and times as the ring has them, until SIGTERM"""
    _need(servers.PROMETHEUS, servers.NODE_EXPORTER)
    with _stage() as (it, hosts, folder, stack):
        textfiles = folder / "textfiles"
        textfiles.mkdir()
        began = time.monotonic()
        exporter = stack.enter_context(servers.node_exporter(folder, textfiles))
        prometheus = stack.enter_context(
            servers.Prometheus(folder, exporter.port, RULES))
        comment(f"both servers answer after {time.monotonic() - began:.1f} s")
        file = textfiles / "renoscope.prom"
        with _counting(file) as metrics:
            _trouble(it, hosts)
            _same_counts(it, prometheus)
            _same_times(prometheus)
            _queue_fills_and_empties(prometheus)
            assert list(prometheus.query("renoscope_filtered").values()) == [1]
            wait_until("the alert on the overflow", lambda: (
                prometheus.alerts().get("TcpAcceptQueueOverflows") == "firing"))
            metrics.send_signal(signal.SIGTERM)
            _, complaint = metrics.communicate(timeout=60)
            assert (metrics.returncode, complaint) == (0, ""), complaint
        assert not list(textfiles.iterdir())
        wait_until("the series to end", lambda: not prometheus.query(
            '{__name__=~"renoscope_.*"}'))


# ---- ClickHouse


def test_clickhouse() -> None:
    """ClickHouse takes events as they happen, and answers each query as by hand"""
    _need(servers.CLICKHOUSE, servers.CLICKHOUSE_CLIENT)
    with _stage() as (it, hosts, folder, stack):
        began = time.monotonic()
        server = stack.enter_context(servers.ClickHouse(folder))
        comment(f"the server answers after {time.monotonic() - began:.1f} s")
        server.run((SQL / "schema.sql").read_text())
        lines = folder / "lines.jsonl"
        export = subprocess.Popen(
            [sys.executable, str(COMMAND), "export", "--format", "jsonl", "--follow"],
            stdout=subprocess.PIPE)
        insert = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", f"tee {lines} | " + server.insertion(
                "here", "--max_insert_block_size=100", "--min_insert_block_size_rows=0",
                "--min_insert_block_size_bytes=0")], stdin=export.stdout)
        try:
            _trouble(it, hosts)
            wait_until("rows while the stream goes on", lambda: server.rows(
                "SELECT count() AS n FROM renoscope.events")[0]["n"])
            wait_until("all of the ring to be exported", lambda: len(
                lines.read_text().splitlines()) >= len(it.events()))
        finally:
            export.send_signal(signal.SIGINT)
            export.wait(timeout=60)
            assert export.stdout is not None
            export.stdout.close()
        assert (export.returncode, insert.wait(timeout=60)) == (0, 0)
        events = [json.loads(line) | {"host": "here"}
                  for line in lines.read_text().splitlines()]
        rows = server.rows("SELECT count() AS n FROM renoscope.events FINAL")
        assert rows == [{"n": len(events)}], (rows, len(events))
        for name, by_hand in BY_HAND.items():
            answer = server.rows((SQL / "queries" / f"{name}.sql").read_text())
            assert answer and answer == by_hand(events), (
                name, answer, by_hand(events))
        comment(f"{len(events)} events, {len(BY_HAND)} queries")
