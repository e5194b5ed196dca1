# SPDX-License-Identifier: GPL-2.0
"""Half an hour of connections of every sort, all of it recorded; then the laws.

Six workers (churn.py) open and close, over a wire that delays and reorders and
through rules that lose. Now and then comes a flood of forged SYNs. `record` saves
everything; `watch` waits, all the time, for what does not happen before the end.
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
from pathlib import Path

import churn
import counters
import endpoints
import lives
import loopback
import memory
import recorder
import sockets
from hosts import CLIENT, SERVER, TwoHosts
from ktap_output import comment
from measure import part
from programs import program
from recorder import Recorder, wait_until
from saved import Recording, Saved

SECONDS = 1800
WORKERS = 6
FLOODS = 6
FLOOD_SYNS = 2000
FORGED = "10.128.0.0"
FILE = Path("/tmp/soak.renoscope")
KEPT = Path("/tmp/soak.watch")
ROOM = "ring_records=65536"
LOOKS = 30
ENDING_S = 600
GROWTH_OF_A_PROCESS = 8 << 20
GROWTH_OF_THE_KERNEL = 96 << 20
WIRE = {CLIENT: "delay 5ms reorder 20% 50% limit 10000", SERVER: "delay 5ms limit 10000"}


@contextmanager
def _stage() -> Iterator[TwoHosts]:
    """The wire and its losses."""
    Path("/proc/sys/net/core/netdev_max_backlog").write_text("1000000")
    with TwoHosts() as hosts:
        hosts.most_segments_a_packet(1)
        for host, netem in WIRE.items():
            hosts.netem(host, netem)
            hosts.sysctl(host, "net.ipv4.tcp_synack_retries=2")
            hosts.sysctl(host, "net.ipv4.tcp_orphan_retries=2")
            hosts.sysctl(host, "net.ipv4.tcp_retries2=8")
        for first, rule in churn.LOSSES.items():
            hosts.drop(SERVER, f"tcp dport {first}-{first + churn.PORTS_OF_A_WORKER} {rule}")
        hosts.route_to_nobody(f"{FORGED}/12")
        yield hosts


def _flood(hosts: TwoHosts) -> None:
    """Forged SYNs at a listener of their own."""
    with endpoints.listen(SERVER, False, port=churn.CLOSED + 50):
        hosts.run(CLIENT, program("forged_syns"), FORGED,
                  endpoints.address_of(SERVER, False), str(churn.CLOSED + 50),
                  str(FLOOD_SYNS))


class Watch:
    """`renoscope watch` for what does not happen; and then it does."""

    def __enter__(self) -> Watch:
        KEPT.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, str(recorder.COMMAND), "watch", str(KEPT), "--on",
             "bad_checksum", "--after", "1", "--rest", "1"],
            text=True, stderr=subprocess.PIPE)
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        assert "watching for bad_checksum" in first, first
        return self

    def __exit__(self, *_unused: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=ENDING_S)

    def resident_bytes(self) -> int:
        """Memory of its process."""
        return memory.of_process(self.process.pid)

    def check(self) -> None:
        """Nothing was kept so far; what is watched for is, once it comes."""
        assert not list(KEPT.iterdir()), "a freeze without its cause"
        loopback.send_bad_checksum()
        loopback.refuse()               # the event after it
        wait_until("the freeze to be kept", lambda: [
            file for file in KEPT.glob("*.renoscope") if file.stat().st_size], ENDING_S)
        file, = KEPT.glob("*.renoscope")
        assert Recording(file).kinds()["bad_checksum"] == 1


class Memory:
    """Looked at now and then: it must not grow."""

    def __init__(self, *processes: Saved | Watch) -> None:
        self.processes = processes
        self.of_module = memory.check()
        self.looks: list[list[int]] = []

    def look(self) -> None:
        """How much it is now."""
        assert memory.check() == self.of_module
        self.looks.append([memory.of_the_kernel("SUnreclaim"),
                           *(process.resident_bytes() for process in self.processes)])

    def check(self) -> str:
        """From the first quarter to the last; in words."""
        quarter = max(1, len(self.looks) // 4)
        words = []
        for name, most, early, late in zip(
                ("kernel", "record", "watch"),
                (GROWTH_OF_THE_KERNEL, GROWTH_OF_A_PROCESS, GROWTH_OF_A_PROCESS),
                _most(self.looks[:quarter]), _most(self.looks[-quarter:])):
            assert late <= early + most, (name, early, late)
            words.append(f"{name} {early >> 10} KiB at first, {late >> 10} KiB at last")
        return f"module {self.of_module >> 10} KiB throughout; {'; '.join(words)}"


def _most(looks: list[list[int]]) -> list[int]:
    return [max(column) for column in zip(*looks)]


def _start_workers() -> list[subprocess.Popen[str]]:
    workers = [subprocess.Popen([sys.executable, churn.__file__, str(seed)], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
               for seed in range(1, WORKERS + 1)]
    for worker in workers:
        assert worker.stdout is not None
        assert "runs" in worker.stdout.readline()
    return workers


def _churn(hosts: TwoHosts, held: Memory, saved: Saved) -> Counter[str]:
    """All the time there is; how many connections of each sort there were."""
    workers = _start_workers()
    began = time.monotonic()
    floods = 0
    try:
        while (elapsed := time.monotonic() - began) < part(SECONDS):
            assert saved.is_alive(), "the recorder ended"
            assert all(worker.poll() is None for worker in workers), "a worker ended"
            if elapsed * FLOODS >= floods * part(SECONDS):
                _flood(hosts)
                floods += 1
            held.look()
            time.sleep(part(SECONDS) / LOOKS)
        done: Counter[str] = Counter()
        for worker in workers:
            done.update(json.loads(worker.communicate("", timeout=ENDING_S)[0]))
        return done
    finally:
        for worker in workers:
            worker.kill()


def test_soak() -> None:
    """Half an hour of churn, losses and floods: nothing lost, all that begins ends, nstat agrees"""
    with ExitStack() as stack:
        it = stack.enter_context(Recorder(ROOM))
        hosts = stack.enter_context(_stage())
        watch = stack.enter_context(Watch())
        with Saved(FILE) as saved:
            held = Memory(saved, watch)
            done = _churn(hosts, held, saved)
            sockets.wait_for_none(patience_s=ENDING_S)
            held.look()
            witnesses = {host: counters.steady_witness(hosts, host)
                         for host in (CLIENT, SERVER)}
        comment(", ".join(f"{number} {sort}" for sort, number in sorted(done.items())))
        comment(f"{saved.read} events, {saved.lost} lost, {FILE.stat().st_size >> 20} MiB, "
                f"{saved.missed} calls of probes skipped by the kernel")
        assert saved.read and not saved.lost, saved.said
        comment(held.check())
        watch.check()
        _check_laws(it, hosts, witnesses, saved.missed)


def _check_laws(it: Recorder, hosts: TwoHosts,
                witnesses: dict[str, dict[str, int]], missed: int) -> None:
    """What was recorded against nstat, and against itself."""
    sums = counters.compare(it.schema, Recording(FILE).events(*counters.KINDS), hosts,
                            witnesses, missed)
    comment(f"nstat agrees: {counters.in_words(sums)}")
    seen = lives.Lives(it.schema)
    inodes = {hosts.inode(host) for host in (CLIENT, SERVER)}
    for event in Recording(FILE).events(*lives.KINDS):
        if event["netns"] in inodes:
            seen.add(event)
    comment(f"each with its end: {seen.check(missed)}")
