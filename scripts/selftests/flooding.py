# SPDX-License-Identifier: GPL-2.0
"""A server with a queue that can be filled, clients for it, and SYNs that nobody follows up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import provoke
import sessions
from hosts import CLIENT, SERVER, TwoHosts

RAW_SYN = str(Path(__file__).resolve().parent / "raw_syn.py")
FORGED = "10.128.0.0/12"
BACKLOG = 32

# The server prints a line for each connection it accepts, at most one at a time
# for as long as it reads nothing from its input.
_SERVER = """
import socket, sys
listener = socket.create_server((sys.argv[1], 5000), backlog=int(sys.argv[2]),
    family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("listens", flush=True)
if sys.argv[3] == "late":
    sys.stdin.readline()
while True:
    listener.accept()[0].close()
"""
_CLIENT = """
import socket, sys
if sys.argv[4:]:
    print("is ready", flush=True)
    sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 60).close()
    except OSError as error:
        print(error.errno)
"""


@contextmanager
def server(hosts: TwoHosts, backlog: int = BACKLOG, accepts: str = "at once",
           ipv6: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A server on port 5000."""
    process = hosts.start_ready(SERVER, sys.executable, "-c", _SERVER,
                                sessions.address_of_server(ipv6), str(backlog), accepts)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def let_accept(late: subprocess.Popen[str]) -> None:
    """From now on a server that accepts late does so."""
    assert late.stdin is not None
    late.stdin.write("go on\n")
    late.stdin.flush()


def start_client(hosts: TwoHosts) -> subprocess.Popen[str]:
    """One connection to that server, for as long as it takes."""
    return hosts.start(CLIENT, sys.executable, "-c", _CLIENT,
                       sessions.address_of_server(False), str(sessions.PORT), "1")


@contextmanager
def ready_client(hosts: TwoHosts, count: int) -> Iterator[subprocess.Popen[str]]:
    """Connects so often as soon as it reads a line: its start would take seconds."""
    with hosts.start_ready(CLIENT, sys.executable, "-c", _CLIENT,
                           sessions.address_of_server(False), str(sessions.PORT),
                           str(count), "when told") as process:
        yield process


def connect(hosts: TwoHosts, count: int, port: int = 5000,
            ipv6: bool = False) -> None:
    """So many connections, one after the other."""
    hosts.run(CLIENT, sys.executable, "-c", _CLIENT,
              sessions.address_of_server(ipv6), str(port), str(count))


def start_flood(hosts: TwoHosts, count: int, *pause_s: str) -> subprocess.Popen[str]:
    """SYNs of forged addresses; their SYN-ACKs end in the client."""
    hosts.route_to_nobody(FORGED)
    return hosts.start(CLIENT, sys.executable, RAW_SYN, FORGED, "10.77.0.2", "5000",
                       str(count), *pause_s)


def flood(hosts: TwoHosts, count: int) -> None:
    """The same, until all are sent."""
    provoke.finish([start_flood(hosts, count)])
