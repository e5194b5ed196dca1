# SPDX-License-Identifier: GPL-2.0
"""`renoscope top` over live traffic, with ss and nstat as witnesses, and on a pty.

A record is made before a segment changes anything. So ss looks at a connection at
rest, then a byte comes, and what top says from then on must be what ss said.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import endpoints
import provoke
import recorder
import troubles
from counters import nstat
from endpoints import FAMILIES, PORT, Pair, address_of, connected, listen
from hosts import CLIENT, SERVER, TwoHosts
from inside import cookie_of
from recorder import COMMAND, Recorder, steady, wait_until, written
from renoscope_lib.words import connection
from tests.terminal import Terminal

BACKLOG = 2
CLIENTS = 8
TOP = [sys.executable, str(COMMAND), "top"]
OF_CLOCKS = re.compile(r"last|timer|busy|rwnd_limited|delivery_rate|pacing")


def _top(*arguments: str) -> dict[str, Any]:
    """One interval, as a program gets it."""
    frame: dict[str, Any] = recorder.told("top", "--once", *arguments)
    assert frame["lost_events"] == 0, frame
    return frame


def _ss(hosts: TwoHosts, host: str, *what: str) -> list[str]:
    return [line for line in hosts.run(host, "ss", "-HO", *what).splitlines() if line]


def _connection_by_ss(hosts: TwoHosts, sock: socket.socket) -> dict[str, str]:
    """What ss says of it at rest, as words."""
    def look() -> dict[str, str]:
        lines = [line for line in _ss(hosts, CLIENT, "-tine")
                 if connection(cookie_of(sock)) in line.split()]
        assert len(lines) == 1, lines
        words = dict(word.split(":", 1) for word in lines[0].split() if ":" in word)
        return {name: value for name, value in words.items()
                if not OF_CLOCKS.match(name)}
    return steady("a connection", look)


def _us(milliseconds: str) -> int:
    return round(float(milliseconds) * 1000)


def _expected(shown: dict[str, str]) -> dict[str, Any]:
    """The numbers of ss under top's names."""
    srtt, rttvar = map(_us, shown["rtt"].split("/"))
    return {"cwnd": int(shown["cwnd"]), "srtt_us": srtt, "rttvar_us": rttvar,
            "min_rtt_us": _us(shown["minrtt"]), "rto_us": _us(shown["rto"]),
            "ssthresh": int(shown["ssthresh"]), "unacked": int(shown.get("unacked", 0)),
            "lost": int(shown.get("lost", 0)), "backoff": int(shown.get("backoff", 0)),
            "segments_sent_again_total": int(shown["retrans"].split("/")[1])}


def _lose_and_rest(it: Recorder, hosts: TwoHosts, pair: Pair) -> None:
    """A transfer that loses every fortieth segment."""
    hosts.drop(SERVER, f"tcp dport {PORT} meta length > 1000 numgen inc mod 40 == 39")
    troubles.transfer(pair, 300_000)
    hosts.stop_dropping(SERVER)
    assert endpoints.records(it, pair.client, "retransmit")


def _come(it: Recorder, pair: Pair) -> None:
    """One byte to the client, and its record."""
    before = len(endpoints.records(it, pair.client, "ack"))
    pair.server.send(b"!")
    endpoints.await_records(it, pair.client, "ack", before + 1)
    endpoints.receive(pair.client, 1)


def test_connection_as_ss_tells_it() -> None:
    """top: cwnd, rtt, rto, ssthresh, retransmissions are those of ss, both families"""
    with Recorder() as it, TwoHosts(delay_ms=5) as hosts:
        hosts.most_segments_a_packet(1)
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, "net.ipv4.tcp_slow_start_after_idle=0")
        for ipv6 in FAMILIES:
            with connected(ipv6) as pair:
                _lose_and_rest(it, hosts, pair)
                shown = _connection_by_ss(hosts, pair.client)
                _come(it, pair)
                name = connection(cookie_of(pair.client))
                row, = _top("--connection", name)["connections"]
                expected = _expected(shown)
                assert {key: row[key] for key in expected} == expected, (row, shown)
                assert row["state"] == "ESTABLISHED" and row["segments_sent_again"] > 0
                assert row["bytes_acked_seen"] >= 300_000
                address, port = pair.client.getsockname()[:2]
                assert row["local"] == (f"[{address}]:{port}" if ipv6
                                        else f"{address}:{port}"), row
                _check_plain(name, row)


def _check_plain(name: str, row: dict[str, Any]) -> None:
    """The same for people: one line of the table."""
    done = recorder.renoscope("top", "--once", "--connection", name)
    assert done.returncode == 0 and "\033" not in done.stdout, done
    heading, line = [text.split() for text in done.stdout.splitlines()
                     if text.startswith(("State", "ESTAB"))]
    # "Local Address:Port" and "Peer Address:Port" are two words each
    cell = dict(zip([word for word in heading if word not in ("Local", "Peer")], line))
    assert (cell["cwnd"], cell["retr"], cell["total"], cell["ssthresh"]) == (
        str(row["cwnd"]), str(row["segments_sent_again"]),
        str(row["segments_sent_again_total"]), str(row["ssthresh"])), (heading, line)
    assert line[1:4] == [row["local"], row["remote"], name], line
    assert abs(float(cell["rtt/var"].split("/")[0]) - row["srtt_us"] / 1000) < 1, line


@contextlib.contextmanager
def _crowd(ipv6: bool) -> Iterator[socket.socket]:
    """More clients than a listener has room for; nobody accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(SERVER, ipv6, backlog=BACKLOG))
        for _ in range(CLIENTS):
            client = stack.enter_context(endpoints.tcp_socket(CLIENT, ipv6))
            client.setblocking(False)
            client.connect_ex((address_of(SERVER, ipv6), PORT))
        yield listener


def _drops(hosts: TwoHosts) -> int:
    return nstat(hosts, SERVER)["TcpExtListenDrops"]


def test_listener_as_ss_and_nstat_tell_it() -> None:
    """top: a full accept queue, its limit and refusals are those of ss and nstat"""
    with Recorder() as it, TwoHosts() as hosts:
        for ipv6 in FAMILIES:
            before = _drops(hosts)
            with _crowd(ipv6) as listener:
                wait_until("a refused SYN", lambda: any(
                    e["listener"] == cookie_of(listener)
                    for e in it.events("refused")))
                hosts.drop(SERVER, f"tcp dport {PORT}")     # from here on all is still
                _check_full(hosts, listener, before)
                hosts.stop_dropping(SERVER)
            endpoints.quiet(hosts)


def _check_full(hosts: TwoHosts, listener: socket.socket, drops_before: int) -> None:
    line, = _ss(hosts, SERVER, "-tln")
    waiting, limit = map(int, line.split()[1:3])
    frame = _top("--by", "listener", "--sort", "refused")
    row = next(row for row in frame["listeners"]
               if row["listener"] == connection(cookie_of(listener)))
    assert row["accept_queue"] == {"now": waiting, "peak": waiting, "limit": limit}, row
    assert waiting == BACKLOG + 1 and limit == BACKLOG
    drops = _drops(hosts) - drops_before
    assert row["seen"]["refused"] == drops > 0, (row, drops)
    assert set(row["refused_by_reason_seen"]) == {"accept_queue_full"}


def test_half_open_queue_as_ss_tells_it() -> None:
    """top: half-open requests are ss's SYN-RECV, of the listener and as connections"""
    with Recorder() as it, TwoHosts() as hosts:
        hosts.sysctl(SERVER, "net.ipv4.tcp_syncookies=1")
        for ipv6 in FAMILIES:
            with contextlib.ExitStack() as stack:
                listener = stack.enter_context(listen(SERVER, ipv6, backlog=64))
                hosts.drop(SERVER, f"tcp dport {PORT} tcp flags & syn == 0")
                for _ in range(5):
                    client = stack.enter_context(endpoints.tcp_socket(CLIENT, ipv6))
                    client.setblocking(False)
                    client.connect_ex((address_of(SERVER, ipv6), PORT))
                mine = cookie_of(listener)
                wait_until("a SYN-ACK sent again for each", lambda c=mine: len(
                    {e["cookie"] for e in it.events("synack_retransmit")
                     if e["listener"] == c}) == 5)
                _check_half_open(hosts, mine)
                hosts.stop_dropping(SERVER)
            endpoints.quiet(hosts)


def _check_half_open(hosts: TwoHosts, listener: int) -> None:
    requests = _ss(hosts, SERVER, "-tn", "state", "syn-recv")
    frame = _top("--by", "listener")
    row = next(row for row in frame["listeners"]
               if row["listener"] == connection(listener))
    assert row["half_open"]["now"] == len(requests) == 5, (row, requests)
    assert row["half_open"]["limit"] == 64 and row["seen"]["synacks_sent_again"] >= 5, row
    frame = _top("--sort", "half-open", "--port", str(PORT))
    rows = [row for row in frame["connections"] if row["state"] == "SYN-RECEIVED"]
    assert rows == frame["connections"][:5], frame
    peers = {re.sub(r"^\[::ffff:([0-9.]+)\]", r"\1", line.split()[-1])
             for line in requests}
    assert {row["remote"] for row in rows} == peers, (rows, peers)
    assert all(row["segments_sent_again"] and row["last_cause"] == "synack" for row in rows), rows


def test_plain_blocks_add_up() -> None:
    """top: all intervals' events are all that was written; SIGINT is exit 0"""
    with Recorder("ring_records=65536"), TwoHosts() as hosts:
        with subprocess.Popen([*TOP, "--json", "--interval", "0.5"], text=True,
                              stdout=subprocess.PIPE) as watching:
            assert watching.stdout is not None
            first = json.loads(watching.stdout.readline())
            assert first["is_history"], first
            provoke.transfer(hosts, 2_000_000)
            frames = [first]
            while not (len(frames) > 2 and _sum_of(frames) == written()):
                frames.append(json.loads(watching.stdout.readline()))
                assert len(frames) < 200, (_sum_of(frames), written())
            watching.send_signal(signal.SIGINT)
            assert watching.wait(timeout=60) == 0
        assert not any(frame["is_history"] for frame in frames[1:])
        assert all(frames[i]["until_ns"] == frames[i + 1]["from_ns"]
                   for i in range(len(frames) - 1))
        seen = max((row for frame in frames for row in frame["connections"]),
                   key=lambda row: row["bytes_acked_seen"])
        assert seen["bytes_acked_seen"] in (2_000_000, 2_000_001), seen


def _sum_of(frames: list[dict[str, Any]]) -> int:
    """Events, lost ones, and the one mark that the load leaves."""
    return sum(frame["events"] + frame["lost_events_in_interval"]
               for frame in frames) + 1


def test_on_a_terminal() -> None:
    """top: on a terminal: connections, listeners, resize; q gives it back"""
    with Recorder() as it, TwoHosts(delay_ms=5) as hosts, \
            listen(SERVER, False, port=PORT + 1) as listener, \
            connected(False) as pair, \
            Terminal([*TOP, "--interval", "0.5"], 100, 20) as terminal:
        hosts.most_segments_a_packet(1)
        terminal.wait_for("renoscope top")
        assert terminal.picture.is_alternate
        _lose_and_rest(it, hosts, pair)
        port = pair.client.getsockname()[1]
        terminal.wait("retransmissions of the client", lambda shown: any(
            re.search(rf"^ESTAB .*:{port} .* [1-9]\d* +(fast|recov|RTO|TLP)", line)
            for line in shown.lines()))
        assert recorder.run_rmmod(), "unloaded under a reader"
        terminal.resize(40, 10)
        terminal.wait("a smaller picture", lambda shown:
                      shown.lines()[-1].startswith("by retransmits"))
        with endpoints.tcp_socket(CLIENT, False) as client:
            client.connect(listener.getsockname())
            terminal.type("l")
            terminal.wait_for(f"{address_of(SERVER, False)}:{PORT + 1}")
            terminal.wait_for("1/16")
        terminal.type("q")
        assert terminal.end() == (0, "")
        assert terminal.modes() == terminal.modes_before
        assert not terminal.picture.is_alternate and terminal.picture.cursor_shown
