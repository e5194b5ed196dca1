# SPDX-License-Identifier: GPL-2.0
"""Traffic that provokes one kind of event or another, each in its own way.

A function that takes a Recorder waits for the event it is about; so whoever
calls it knows that it has happened.
"""

from __future__ import annotations

import socket
import struct
import subprocess

import sessions
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts, run
from recorder import Recorder, wait_until

LOOPBACK = ("127.0.0.1", 0)
# A rule for TwoHosts.drop(): of the segments that transfer() makes, always the same.
EVERY_HUNDREDTH = "tcp dport 5000 meta length > 1000 numgen inc mod 100 == 99"

_SINK = """
import socket, sys
with socket.create_server((sys.argv[1], 5000)) as listener:
    print("listens", flush=True)
    connection, _peer = listener.accept()
    while connection.recv(1 << 16):
        pass
    connection.close()
"""

_SOURCE = """
import socket, sys
with socket.create_connection((sys.argv[1], 5000)) as connection:
    connection.sendall(bytes(int(sys.argv[2])))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
"""

_CONNECT_AND_WAIT = """
import socket, struct, sys
connection = socket.create_connection((sys.argv[1], 5000))
print("connected", flush=True)
sys.stdin.readline()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
connection.close()
"""

_LISTEN = """
import socket, sys
with socket.create_server((sys.argv[1], 5000), backlog=int(sys.argv[2])):
    print("listens", flush=True)
    sys.stdin.readline()
"""

_CROWD = """
import socket, sys
clients = [socket.socket() for _ in range(int(sys.argv[2]))]
for client in clients:
    client.setblocking(False)
    client.connect_ex((sys.argv[1], 5000))
print("connecting", flush=True)
sys.stdin.readline()
"""


def start_transfer(hosts: TwoHosts, size: int) -> list[subprocess.Popen[str]]:
    """Bytes from client to server, in segments of their own; source and sink."""
    for host in (CLIENT, SERVER):
        run("ip", "-n", host, "link", "set", "wire", "gso_max_segs", "1")
    address = ADDRESSES[SERVER][0]
    sink = hosts.start(SERVER, "python3", "-c", _SINK, address)
    assert sink.stdout is not None and sink.stdout.readline()
    source = hosts.start(CLIENT, "python3", "-c", _SOURCE, address, str(size))
    return [source, sink]


def finish(processes: list[subprocess.Popen[str]]) -> None:
    """Let them come to their end, which must be a good one."""
    for process in processes:
        process.communicate("\n", timeout=120)
        if process.returncode:
            raise RuntimeError(f"a side of the traffic ended with {process.returncode}")


def transfer(hosts: TwoHosts, size: int) -> None:
    """The same, to its end."""
    finish(start_transfer(hosts, size))


def lose_third_segment(it: Recorder, hosts: TwoHosts, retransmits: int) -> None:
    """A handshake whose last ACK is lost until so many SYN-ACKs went again."""
    before = len(it.events("synack_retransmit"))
    hosts.drop(SERVER, "tcp dport 5000 tcp flags & syn == 0")
    server = sessions.start_server(hosts)
    client = sessions.start_client(hosts, "--wait")
    wait_until(f"{retransmits} SYN-ACK retransmits",
               lambda: len(it.events("synack_retransmit"))
               >= before + retransmits)
    hosts.stop_dropping(SERVER)
    sessions.finish(client, "\n")
    sessions.finish(server)


def lose_data(it: Recorder, hosts: TwoHosts) -> None:
    """A session whose first data is lost until it was sent three times."""
    before = len(it.events("retransmit"))
    server = sessions.start_server(hosts)
    client = sessions.start_client(hosts, "--wait", "--name", "Bartholomew")
    hosts.drop(SERVER, "tcp dport 5000 tcp flags & psh == psh")
    assert client.stdin is not None
    client.stdin.write("\n")
    client.stdin.flush()
    wait_until("two retransmissions",
               lambda: len(it.events("retransmit")) >= before + 2)
    hosts.stop_dropping(SERVER)
    sessions.finish(client)
    sessions.finish(server)


def reset_half_open(it: Recorder, hosts: TwoHosts) -> None:
    """A client that gives up with a RST before its last ACK arrives."""
    hosts.drop(SERVER, "tcp dport 5000 tcp flags & (syn | rst) == 0")
    address = ADDRESSES[SERVER][0]
    sink = hosts.start(SERVER, "python3", "-c", _SINK, address)
    assert sink.stdout is not None and sink.stdout.readline()
    client = hosts.start(CLIENT, "python3", "-c", _CONNECT_AND_WAIT, address)
    assert client.stdout is not None and client.stdout.readline()
    client.communicate("\n", timeout=60)
    wait_until("the request's end", lambda: it.events("request_end"))
    hosts.stop_dropping(SERVER)
    sink.kill()
    sink.communicate(timeout=60)


def crowd(it: Recorder, hosts: TwoHosts, backlog: int, clients: int) -> None:
    """More clients at once than a listener has room for, without SYN cookies."""
    hosts.sysctl(SERVER, "net.ipv4.tcp_syncookies=0")
    hosts.drop(SERVER, "tcp dport 5000 tcp flags & syn == 0")
    address = ADDRESSES[SERVER][0]
    server = hosts.start(SERVER, "python3", "-c", _LISTEN, address, str(backlog))
    assert server.stdout is not None and server.stdout.readline()
    crowd_ = hosts.start(CLIENT, "python3", "-c", _CROWD, address, str(clients))
    assert crowd_.stdout is not None and crowd_.stdout.readline()
    wait_until("a full half-open queue", lambda: it.events("refused"))
    hosts.stop_dropping(SERVER)
    wait_until("full handshakes", lambda: len(it.events("completed")) > backlog)
    for process in (crowd_, server):
        process.communicate("\n", timeout=60)


def refuse() -> None:
    """A connection to a port where nobody listens, on loopback."""
    with socket.socket() as s:
        if not s.connect_ex(("127.0.0.1", 9)):
            raise RuntimeError("something listens on port 9")


def overflow_accept_queue(it: Recorder) -> None:
    """Three connections to a listener with room for one, on loopback."""
    with socket.create_server(LOOPBACK, backlog=0) as listener:
        clients = [socket.socket() for _ in range(3)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        wait_until("a refused SYN", lambda: it.events("refused"))
        for client in clients:
            client.close()


def _pair(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = socket.create_connection(listener.getsockname())
    return client, listener.accept()[0]


def reuse_port_in_time_wait(it: Recorder) -> None:
    """The server closes first; the client's port comes again, on loopback."""
    with socket.create_server(LOOPBACK) as listener:
        client, server = _pair(listener)
        port = client.getsockname()
        server.close()
        client.recv(1)
        client.close()
        wait_until("TIME-WAIT", lambda: any(
            it.state_name(e["state"]) == "TIME-WAIT" for e in it.events("time_wait")))
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(port)
            again.connect(listener.getsockname())
            wait_until("the end of TIME-WAIT", lambda: it.events("time_wait_end"))


def fill_window(it: Recorder) -> None:
    """A receiver that does not read, until it is probed; on loopback."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(LOOPBACK)
        listener.listen()
        client, server = _pair(listener)
        client.setblocking(False)
        try:
            while client.send(bytes(4096)):
                pass
        except BlockingIOError:
            pass
        wait_until("a probe", lambda: it.events("probe"))
        server.setblocking(False)
        client.setblocking(True)
        client.close()
        wait_until("all to be read", lambda: _drained(server))
        server.close()


def _drained(end: socket.socket) -> bool:
    """Read what is there; whether the stream is over."""
    try:
        while end.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    return True


def answer_with_cookie(it: Recorder) -> None:
    """A connection made of a SYN cookie, on loopback."""
    before = run("sysctl", "-n", "net.ipv4.tcp_syncookies").strip()
    run("sysctl", "-qw", "net.ipv4.tcp_syncookies=2")
    try:
        with socket.create_server(LOOPBACK) as listener:
            for end in _pair(listener):
                end.close()
        wait_until("the cookie's check", lambda: it.events("cookie_checked"))
    finally:
        run("sysctl", "-qw", f"net.ipv4.tcp_syncookies={before}")


def spoil_checksum(it: Recorder) -> None:
    """A segment with a wrong checksum, to loopback."""
    head = struct.pack("!HHIIBBHHH", 4444, 9, 111, 222, 0x50, 0x10, 1000, 0xbad, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.sendto(head, ("127.0.0.1", 0))
    wait_until("the bad checksum", lambda: it.events("bad_checksum"))


def provoke_on_loopback(it: Recorder) -> None:
    """All of the above that needs no second host, one after the other."""
    refuse()
    overflow_accept_queue(it)
    reuse_port_in_time_wait(it)
    fill_window(it)
    answer_with_cookie(it)
    spoil_checksum(it)
