# SPDX-License-Identifier: GPL-2.0
"""Whole connections through `states`, `losses` and `windows`, live from the ring."""

from __future__ import annotations

import subprocess
from typing import Any

import sessions
from endpoints import quiet
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from recorder import Recorder, told, wait_until

Connection = dict[str, Any]

SERVER_IP = ADDRESSES[SERVER][0]

# What follows is a program in Python, given to either host.
LISTEN = f"""
import socket, struct, sys
listener = socket.create_server(("{SERVER_IP}", 5000))
print("listening", flush=True)
connection, _peer = listener.accept()
"""
CONNECT = f"""
import socket, sys
connection = socket.create_connection(("{SERVER_IP}", 5000))
print("connected", flush=True)
"""
READ_ALL = "\nwhile connection.recv(65536): pass\n"
GO = "\nsys.stdin.readline()\n"
ABORTING = 'struct.pack("ii", 1, 0)'


def _view(*arguments: str) -> list[Connection]:
    connections: list[Connection] = told(*arguments)["connections"]
    return connections


def _on(host: str, connections: list[Connection]) -> Connection:
    """The one connection of a host; its listeners are none."""
    found = [c for c in connections if c["netns"] == TwoHosts.inode(host)
             and not c["remote"].startswith("*")]
    assert len(found) == 1, found
    return found[0]


def _path(connection: Connection) -> list[str]:
    return [stay["state"] for stay in connection["path"]]


def _took_us(connection: Connection, state: str) -> int:
    return next(stay["took_us"] for stay in connection["path"]
                if stay["state"] == state)


def _start(hosts: TwoHosts, host: str, program: str) -> subprocess.Popen[str]:
    return hosts.start_ready(host, "python3", "-c", program)


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _pair(hosts: TwoHosts, at_server: str,
          at_client: str) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
    return (_start(hosts, SERVER, LISTEN + at_server),
            _start(hosts, CLIENT, CONNECT + at_client))


def _end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.communicate(timeout=120)


def _check_session(ipv6: bool) -> None:
    """Delays of 30 ms: a SYN-ACK and its ACK take 60 ms together."""
    with Recorder(), TwoHosts(delay_ms=30) as hosts:
        sessions.greet(hosts, ipv6=ipv6)
        quiet(hosts)
        seen = _view("states", "--port", str(sessions.PORT))
        client, server = _on(CLIENT, seen), _on(SERVER, seen)
        assert _path(client) == ["SYN-SENT", "ESTABLISHED", "CLOSE-WAIT",
                                 "LAST-ACK", "CLOSED"], client
        assert _path(server)[:3] == ["SYN-RECEIVED", "ESTABLISHED",
                                     "FIN-WAIT-1"], server
        assert _path(server)[-1] == "TIME-WAIT", server
        assert _took_us(server, "SYN-RECEIVED") >= 60_000, server
        assert _took_us(client, "SYN-SENT") >= 60_000, client
        assert (client["opened_by"], server["opened_by"]) == ("us", "peer")
        assert {c["closed_first_by"] for c in (client, server)} == {"us", "peer"}
        assert not client["not_seen"] and not server["not_seen"]


def test_states_ipv4() -> None:
    """`states`, IPv4: a session's states at both ends, with the time in each"""
    _check_session(ipv6=False)


def test_states_ipv6() -> None:
    """`states`, IPv6: a session's states at both ends, with the time in each"""
    _check_session(ipv6=True)


SIMULTANEOUS = """
import socket, sys
here, there = (sys.argv[1], int(sys.argv[2])), (sys.argv[3], int(sys.argv[4]))
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
connection.bind(here)
print("bound", flush=True)
sys.stdin.readline()
connection.connect(there)
print("connected", flush=True)
sys.stdin.readline()
"""


def test_simultaneous_open_and_close() -> None:
    """`states`: SYNs that cross, and FINs that cross, half a second on the way"""
    ends = ((ADDRESSES[CLIENT][0], "6001"), (SERVER_IP, "6002"))
    with Recorder(), TwoHosts(delay_ms=500) as hosts:
        both = []
        for host, here, there in ((CLIENT, ends[0], ends[1]),
                                  (SERVER, ends[1], ends[0])):
            both.append(hosts.start(host, "python3", "-c", SIMULTANEOUS,
                                    *here, *there))
        for _step in ("connect", "close"):
            for process in both:
                assert process.stdout is not None and process.stdout.readline()
            for process in both:
                _go(process)
        _end(*both)
        quiet(hosts)
        seen = _view("states")
        for host in (CLIENT, SERVER):
            connection = _on(host, seen)
            assert _path(connection) == [
                "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
                "CLOSING", "TIME-WAIT"], connection
            assert connection["closed_first_by"] == "both"


def test_half_close() -> None:
    """`states`: a half-closed connection stays in FIN-WAIT-2 and CLOSE-WAIT"""
    with Recorder(), TwoHosts() as hosts:
        server, client = _pair(
            hosts, READ_ALL + "print('read', flush=True)" + GO,
            "connection.shutdown(socket.SHUT_WR)" + READ_ALL)
        assert server.stdout is not None and server.stdout.readline()
        wait_until("half-close", lambda: "FIN-WAIT-2" in hosts.run(
            CLIENT, "ss", "-tanH"))
        seen = _view("states")
        assert _path(_on(CLIENT, seen))[-1] == "FIN-WAIT-2"
        assert _path(_on(SERVER, seen))[-1] == "CLOSE-WAIT"
        counts = told("states", "--counts")["counts"]
        assert counts == {"LISTEN": 1, "FIN-WAIT-2": 1, "CLOSE-WAIT": 1}, counts
        _go(server)
        _end(client, server)


def test_time_wait_is_reused() -> None:
    """`states`: a connect() from the same port ends TIME-WAIT before its time"""
    serve = LISTEN + READ_ALL + "connection.close()\n" \
        "connection, _peer = listener.accept()" + READ_ALL
    again = f"""
import socket, sys
def once():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", 7001))
    s.connect(("{SERVER_IP}", 5000))
    s.close()
once()
print("closed", flush=True)
sys.stdin.readline()
once()
"""
    with Recorder(), TwoHosts() as hosts:
        server = _start(hosts, SERVER, serve)
        client = _start(hosts, CLIENT, again)
        wait_until("TIME-WAIT", lambda: "TIME-WAIT" in hosts.run(
            CLIENT, "ss", "-tanH"))
        # The kernel lends a port from TIME-WAIT after a second at the earliest.
        wait_until("a second in it", lambda: any(
            c["small_sock"] and c["state"] == "TIME-WAIT"
            and _standing_ns(c) > 2_000_000_000 for c in _view("states")))
        _go(client)
        _end(client, server)
        first = next(c for c in _view("states", "--port", "7001")
                     if c["netns"] == TwoHosts.inode(CLIENT))
        assert _path(first)[-2:] == ["TIME-WAIT", "CLOSED"], first
        assert "connect()" in first["ending"]["reason"], first
        assert 1_000_000 < _took_us(first, "TIME-WAIT") < 60_000_000


def _standing_ns(connection: Connection) -> int:
    return int(told("states")["end_ns"]) - connection["path"][-1]["began_ns"]


def _aborted(at_server: str) -> tuple[Connection, Connection]:
    """A connection that the server aborts, as either end tells of it."""
    with Recorder(), TwoHosts() as hosts:
        server, client = _pair(hosts, GO + at_server,
                               "connection.send(b'unread')" + GO)
        wait_until("data to arrive", lambda: hosts.run(
            SERVER, "ss", "-tnH").split()[1:2] == ["6"])
        _go(server)
        wait_until("the reset", lambda: not hosts.run(CLIENT, "ss", "-tnH")
                   .strip())
        _go(client)
        _end(server, client)
        seen = _view("states")
        return _on(SERVER, seen), _on(CLIENT, seen)


def test_who_sent_the_reset() -> None:
    """`states`: closed with unread data: a RST by the one, told as such by both"""
    ours, peers = _aborted("connection.close()")
    assert ours["ending"]["how"] == "reset" and ours["ending"]["by"] == "us", ours
    assert "unread data" in ours["ending"]["reason"], ours
    assert (peers["ending"]["how"], peers["ending"]["by"]) == ("reset", "peer")


def test_linger_reset() -> None:
    """`states`: SO_LINGER 0 is told from unread data"""
    ours, _peers = _aborted(
        "connection.recv(99); connection.setsockopt(socket.SOL_SOCKET, "
        f"socket.SO_LINGER, {ABORTING}); connection.close()")
    assert ours["ending"]["by"] == "us", ours
    assert "SO_LINGER" in ours["ending"]["reason"], ours


def test_losses_with_timeouts() -> None:
    """`losses`: each timeout with its doubled wait; the sum is the kernel's own"""
    with Recorder() as it, TwoHosts() as hosts:
        server, client = _pair(hosts, READ_ALL,
                               GO + "connection.sendall(b'x' * 20000)")
        hosts.drop(SERVER, "tcp dport 5000")
        _go(client)
        wait_until("three timeouts", lambda: len(it.events("rto")) >= 3)
        hosts.stop_dropping(SERVER)
        _end(client, server)
        wait_until("the end", lambda: not hosts.is_busy(CLIENT))
        seen = _on(CLIENT, _view("losses"))
        timeouts = next(e for e in seen["episodes"] if e["timeouts"])["timeouts"]
        assert [t["backoff"] for t in timeouts[:3]] == [0, 1, 2], timeouts
        first_us = timeouts[0]["rto_us"]
        assert [t["rto_us"] for t in timeouts[:3]] == [
            first_us, 2 * first_us, 4 * first_us], timeouts
        assert {t["seq"] for t in timeouts[:3]} == {1}
        total, = [e["retrans_segs"] for e in it.events("destroy")
                  if f"sk:{e['cookie']:x}" == seen["connection"]]
        assert seen["segments_sent_again"] == total, (seen, total)
        assert seen["stood_us"]["Loss"] >= 6 * first_us, seen["stood_us"]


SERVE_TWO_PORTS = f"""
import socket
listeners = [socket.create_server(("{SERVER_IP}", port)) for port in (5000, 5001)]
print("listening", flush=True)
for listener in (*listeners, listeners[0]):
    connection, _peer = listener.accept()
    try:
        while connection.recv(65536): pass
    except ConnectionResetError:
        pass
    connection.close()
"""
CONNECT_AGAIN = f"""
import array, ctypes, fcntl, socket, sys, termios, time
libc = ctypes.CDLL(None)
connection = socket.socket()
for port, size in ((5000, 100), (5001, 2000), (5000, 300)):
    connection.connect(("{SERVER_IP}", port))
    print("connected", flush=True)
    sys.stdin.readline()
    connection.sendall(bytes(size))
    unsent = array.array("i", [1])
    while unsent[0]:
        fcntl.ioctl(connection, termios.TIOCOUTQ, unsent)
        time.sleep(0.01)
    if size != 300:
        assert not libc.connect(connection.fileno(), bytes(16), 16)  # AF_UNSPEC
connection.close()
"""
OF_EACH = [(f"{SERVER_IP}:5000", 100), (f"{SERVER_IP}:5001", 2000),
           (f"{SERVER_IP}:5000", 300)]


def _of_client(view: str) -> list[Connection]:
    """Those of one socket, told apart by their ports."""
    found = [c for c in _view(view) if c["netns"] == TwoHosts.inode(CLIENT)]
    assert len({c["connection"] for c in found}) == 1, found
    assert len({c["local"] for c in found}) == len(found), found
    return found


def test_one_socket_with_three_connections() -> None:
    """every view tells a socket's connections apart: its losses are the second's"""
    with Recorder() as it, TwoHosts() as hosts:
        server = _start(hosts, SERVER, SERVE_TWO_PORTS)
        client = _start(hosts, CLIENT, CONNECT_AGAIN)
        assert client.stdout is not None
        _go(client)
        assert client.stdout.readline(), "the second did not connect"
        hosts.drop(SERVER, "tcp dport 5001")
        _go(client)
        wait_until("two timeouts", lambda: len(it.events("rto")) >= 2)
        hosts.stop_dropping(SERVER)
        assert client.stdout.readline(), "the third did not connect"
        _go(client)
        _end(client, server)
        wait_until("the end", lambda: not hosts.is_busy(CLIENT))
        again = sum(e["retransmit_segs"] for e in it.events("retransmit"))
        lost = _of_client("losses")
        assert [(c["remote"], c["segments_sent_again"]) for c in lost] == [
            (remote, again if size == 2000 else 0) for remote, size in OF_EACH], lost
        grown = _of_client("cwnd")
        assert sorted((c["remote"], c["bytes_acked"]) for c in grown) == sorted(OF_EACH), grown
        assert [c["remote"] for c in _of_client("windows")] == [
            remote for remote, _size in OF_EACH]
        blamed = {f["remote"] for r in told("explain")["reports"] for f in r["findings"]
                  if "timeout" in f["rule"]}
        assert blamed == {f"{SERVER_IP}:5001"}, blamed


def test_zero_window_and_its_probes() -> None:
    """`windows`: a slow reader stops the sender; probes; the update that ends it"""
    small = "listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)\n"
    with Recorder() as it, TwoHosts() as hosts:
        listen = LISTEN.replace("print(", small + "print(")
        server = _start(hosts, SERVER, listen + GO + READ_ALL)
        client = _start(hosts, CLIENT,
                        CONNECT + "connection.sendall(b'x' * 100000)")
        wait_until("three probes", lambda: len(it.events("probe")) >= 3)
        _go(server)
        _end(client, server)
        seen = _view("windows")
        held, holds = _on(CLIENT, seen), _on(SERVER, seen)
        assert held["zero_windows"]["peer"] >= 1, held
        assert holds["zero_windows"]["own"] >= 1, holds
        episode = held["episodes"][0]
        assert episode["ended_by"] == "opened" and episode["update"]["bytes"]
        probes = episode["probes"]
        assert [p["backoff"] for p in probes[:3]] == [0, 1, 2], probes
        for before, after in zip(probes, probes[1:3]):
            assert after["waited_us"] >= 0.9 * before["next_wait_us"], probes
        assert held["stalled_us"]["peer"] >= sum(
            p["waited_us"] for p in probes[1:]), held
