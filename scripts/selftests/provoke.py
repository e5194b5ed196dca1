# SPDX-License-Identifier: GPL-2.0
"""Programs on the two hosts whose traffic provokes one kind of event or another.

A function that takes a Recorder waits for the event it is about; so whoever
calls it knows that it has happened.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import sessions
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from recorder import Recorder, wait_until
from renoscope_lib.ring.schema import Event

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
    hosts.most_segments_a_packet(1)
    address = ADDRESSES[SERVER][0]
    sink = hosts.start_ready(SERVER, "python3", "-c", _SINK, address)
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


def lose_third_segment(it: Recorder, hosts: TwoHosts, retransmits: int, ipv6: bool = False,
                       tell: Callable[[int], object] = lambda number: None) -> list[Event]:
    """A handshake whose last ACK is lost until so many SYN-ACKs went again; their events.

    `tell` is told the number of each.
    """
    before = len(it.events("synack_retransmit"))
    hosts.drop(SERVER, "tcp dport 5000 tcp flags & syn == 0")
    server = sessions.start_server(hosts, ipv6)
    client = sessions.start_client(hosts, "--wait", ipv6=ipv6)
    for number in range(1, retransmits + 1):
        wait_until(f"SYN-ACK retransmit {number}", lambda count=before + number: len(
            it.events("synack_retransmit")) >= count)
        tell(number)
    hosts.stop_dropping(SERVER)
    sessions.finish(client, "\n")
    sessions.finish(server)
    return it.events("synack_retransmit")[before:]


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
    sink = hosts.start_ready(SERVER, "python3", "-c", _SINK, address)
    client = hosts.start_ready(CLIENT, "python3", "-c", _CONNECT_AND_WAIT, address)
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
    server = hosts.start_ready(SERVER, "python3", "-c", _LISTEN, address, str(backlog))
    crowd_ = hosts.start_ready(CLIENT, "python3", "-c", _CROWD, address, str(clients))
    wait_until("a full half-open queue", lambda: it.events("refused"))
    hosts.stop_dropping(SERVER)
    wait_until("full handshakes", lambda: len(it.events("completed")) > backlog)
    for process in (crowd_, server):
        process.communicate("\n", timeout=60)
