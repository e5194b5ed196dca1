# SPDX-License-Identifier: GPL-2.0
"""Every source attached and detached 1000 times beside somebody else's probes.

A tracepoint's probes stand in one list, and ours come and go in it. bpftrace, which
stands there too, must miss nothing of connections that go on all the time: what it
counts is compared with the counters of the network namespaces. What we record must
be whole while a kind is on, and nothing while it is off; every tenth time that is
looked at with connections of its own, on another port.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import bpftrace
import counters
import endpoints
from endpoints import PORT
from hosts import CLIENT, SERVER, TwoHosts, run
from inside import cookie_of
from ktap_output import comment
from measure import part
from programs import need
from recorder import FOLDER, PARAMETERS, Reader, Recorder, sources, statuses, wait_until
from renoscope_lib.ring.schema import Event, Schema

ROUNDS = 1000
CHECKED_EVERY = 10
BESIDE = PORT + 1
PACE_S = 0.1
MESSAGES, MESSAGE_BYTES = 4, 100
EVENTS = PARAMETERS / "events"
OUTPUT = Path("/tmp/attach.bpftrace")
COUNTS_MISSES = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 7)
SYN_SENT, SYN_RECV = 2, 3

PATHS = {
    "client": ["SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSED"],
    "server": ["ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED"],
}
# The least that a connection's end leaves when every kind is on.
KINDS = {
    "client": {"state", "ack", "segment", "time_wait", "destroy"},
    "server": {"request", "synack", "completed", "accepted", "state", "ack", "segment",
               "destroy"},
}
PROGRAM = """
BEGIN { printf("ready\\n"); }
tracepoint:sock:inet_sock_set_state
/args->protocol == 6 && (args->dport == PORT || args->dport == BESIDE)/ { @state[args->newstate] = count(); }
tracepoint:sock:inet_sock_set_state
/args->protocol == 6 && (args->sport == PORT || args->sport == BESIDE)/ { @state[args->newstate] = count(); }
tracepoint:tcp:tcp_probe /args->data_len == BYTES/ { @data = count(); }
tracepoint:tcp:tcp_destroy_sock { @destroyed = count(); }
"""


class Witness:
    """bpftrace's counts for the time of a with block, and what the kernel kept from it."""

    def __enter__(self) -> Witness:
        program = PROGRAM
        need("bpftrace")
        for word, number in (("PORT", PORT), ("BESIDE", BESIDE), ("BYTES", MESSAGE_BYTES)):
            program = program.replace(word, str(number))
        with OUTPUT.open("w") as output:
            self.process = subprocess.Popen(
                ["bpftrace", "-f", "json", "-B", "line", "-e", program], text=True,
                stdout=output, stderr=subprocess.PIPE)
        wait_until("bpftrace to begin", lambda: "ready" in OUTPUT.read_text()
                   or self.process.poll() is not None, bpftrace.ATTACHING_S)
        if self.process.poll() is not None:
            raise RuntimeError(f"bpftrace ended: {self.process.communicate()[1]}")
        return self

    def __exit__(self, *_unused: object) -> None:
        self.missed = self._missed()
        bpftrace.interrupt(self.process, bpftrace.ENDING_S)
        self.maps = {}
        for line in OUTPUT.read_text().splitlines():
            message = json.loads(line) if line.startswith("{") else {}
            if message.get("type") == "map":
                self.maps.update(message["data"])

    def _missed(self) -> int:
        """Calls that the kernel kept from its programs, as one ran on that CPU already."""
        files = [file.read_text() for file in
                 Path(f"/proc/{self.process.pid}/fdinfo").iterdir()]
        return sum(map(int, re.findall(r"^recursion_misses:\s+(\d+)", "".join(files),
                                       re.MULTILINE)))

    def entered(self, state: int) -> int:
        """How often a socket was to enter a state."""
        return int(self.maps["@state"].get(str(state), 0))


def _talk(ipv6: bool, port: int = PORT) -> tuple[int, int]:
    """One short connection, closed by the client; the cookies of its ends."""
    with endpoints.connected(ipv6, port=port) as pair:
        cookies = cookie_of(pair.client), cookie_of(pair.server)
        for _ in range(MESSAGES):
            endpoints.say(*pair, size=MESSAGE_BYTES)
            endpoints.say(*pair[::-1], size=MESSAGE_BYTES)
        pair.client.close()
        assert not pair.server.recv(1)
    return cookies


class Talker:
    """One such connection after the other, on a thread, for the time of a with block."""

    def __init__(self) -> None:
        self.talks = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> Talker:
        self.thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        alive = self.thread.is_alive()
        self.over.set()
        self.thread.join()
        assert alive, "the traffic beside ended"

    def _run(self) -> None:
        while not self.over.wait(PACE_S):
            _talk(bool(self.talks % 2), BESIDE)
            self.talks += 1


def _path(schema: Schema, events: list[Event]) -> list[str]:
    states = [schema.name_of("state", e["state"]) for e in events if e.kind == "state"]
    return [state for state in states if state != "LISTEN"]


class Log:
    """What a reader got so far, by cookie; every serial must be there."""

    def __init__(self, it: Recorder, hosts: TwoHosts) -> None:
        self.it = it
        self.inodes = {hosts.inode(host) for host in (CLIENT, SERVER)}
        self.reader: Reader = it.reader()
        self.last: dict[int, int] = {}
        self.read = 0

    def close(self) -> None:
        """Read no more."""
        self.reader.close()

    def new(self) -> list[Event]:
        """What came since."""
        events = self.reader.read()
        for event in events:
            assert event.kind != "lost", "the ring was too small"
            assert event["serial"] == self.last.get(event["cpu"], 0) + 1, event.values
            self.last[event["cpu"]] = event["serial"]
        self.read += len(events)
        return events

    def of_port(self) -> set[str]:
        """The kinds that came since of our own connections, not of those beside."""
        return {event.kind for event in self.new() if event["netns"] in self.inodes
                and PORT in (event["local_port"], event["remote_port"])}

    def wait_for(self, cookie: int, kind: str) -> list[Event]:
        """What came up to that event, and perhaps a little more."""
        events: list[Event] = []

        def is_there() -> bool:
            events.extend(self.new())
            return any(e.kind == kind and e["cookie"] == cookie for e in events)
        wait_until(f"{kind} of {cookie:x}", is_there)
        return events


def _check_whole(log: Log, kinds: list[str], ipv6: bool) -> None:
    """With every kind on, a connection is recorded from its first SYN to its end."""
    client, server = _talk(ipv6)
    events = log.wait_for(client, "time_wait")
    if not any(e.kind == "destroy" and e["cookie"] == server for e in events):
        events += log.wait_for(server, "destroy")
    for end, cookie in (("client", client), ("server", server)):
        mine = [event for event in events if event["cookie"] == cookie]
        assert _path(log.it.schema, mine) == PATHS[end], (end, [e.kind for e in mine])
        missing = KINDS[end] & set(kinds) - {event.kind for event in mine}
        assert not missing, (end, missing)
        data = [e for e in mine if e.kind == "ack" and e["seg_len"] == MESSAGE_BYTES]
        assert len(data) >= MESSAGES, (end, len(data))


def _set(words: str) -> None:
    EVENTS.write_text(words)


def _round(log: Log, number: int, kinds: list[str], choose: random.Random) -> int:
    """Everything off, some on, everything on; how many connections looked at that."""
    ipv6 = bool(number % 2)
    checked = number % CHECKED_EVERY == 0
    some = choose.sample(kinds, choose.randrange(1, len(kinds)))
    for asked in (["none"], some):
        _set(",".join(asked))
        log.of_port()
        if checked:
            _talk(ipv6)
            others = log.of_port() - set(asked)
            assert not others, f"recorded though not asked for: {others}"
    _set("all")
    if checked:
        _check_whole(log, kinds, ipv6)
    return 3 * checked


def _compare(hosts: TwoHosts, witness: Witness, talks: int) -> None:
    """bpftrace against nstat, and against what was said."""
    sums = {name: sum(counters.steady_witness(hosts, host)[name]
                      for host in (CLIENT, SERVER))
            for name in ("TcpActiveOpens", "TcpPassiveOpens", "TcpRetransSegs",
                         "TcpExtTCPSynRetrans")}
    seen = {"TcpActiveOpens": witness.entered(SYN_SENT),
            "TcpPassiveOpens": witness.entered(SYN_RECV)}
    messages = talks * 2 * MESSAGES
    comment(f"bpftrace: {seen}, data {witness.maps['@data']} of {messages}, "
            f"{witness.missed} kept from it; nstat: {sums}")
    assert messages and all(sums[name] for name in seen), (messages, sums)
    states = sum(sums[name] - count for name, count in seen.items())
    data = messages - witness.maps["@data"]
    # This machine may stand still for longer than a timer runs. What then goes again is a
    # SYN, which no count has twice, a FIN, or data, which bpftrace counts twice if it comes.
    again = sums["TcpRetransSegs"] - sums["TcpExtTCPSynRetrans"]
    assert again <= messages / 1000, f"{again} segments were sent again: nothing can be told"
    assert states >= 0 and data >= -again, (states, data, again)
    missed = witness.missed if COUNTS_MISSES else 0
    assert states + data <= missed, (states, data, missed)


def test_attach_and_detach() -> None:
    """Every source on and off 1000 times: a bpftrace beside it misses nothing, our events are whole"""
    choose = random.Random(8)
    with (Recorder("ring_records=65536", "events=none") as it, TwoHosts() as hosts,
          closing(Log(it, hosts)) as log):
        _calm(hosts)
        there, kinds = _there(log)
        with Witness() as witness:
            with Talker() as beside:
                talks = sum(_round(log, number, kinds, choose)
                            for number in range(part(ROUNDS)))
            endpoints.quiet(hosts)
        assert beside.talks, "no traffic beside"
        assert statuses() == there, sources()
        _compare(hosts, witness, talks + beside.talks)
        comment(f"{part(ROUNDS)} rounds, {log.read} events read, none lost")


def _there(log: Log) -> tuple[dict[str, str], list[str]]:
    """Each source's status with everything on, and the kinds that they make whole."""
    _set("all")
    there = statuses()
    _set("none")
    comment("; ".join(f"{place}: {status}" for place, status in there.items()
                      if status != "attached") or "all sources attached")
    lacking = {kind for line in (FOLDER / "stats").read_text().splitlines()
               if line.startswith("source ") and there[line.split()[2]] != "attached"
               for kind in line.split()[1].split(",")}
    return there, [kind for kind in log.it.schema.kinds.values()
                   if kind not in {"lost", "mark", *lacking}]


def _calm(hosts: TwoHosts) -> None:
    """Nothing is sent again because the machine is slow."""
    for host in (CLIENT, SERVER):
        hosts.sysctl(host, "net.ipv4.tcp_early_retrans=0")
        for network in ("10.77.0.0/24", "fd77::/64 metric 256"):
            run("ip", "-n", host, "route", "change", *network.split(), "dev", "wire",
                "rto_min", "10s")
