# SPDX-License-Identifier: GPL-2.0
"""Scenes: a trouble each, as the pages of Documentation tell of it.

A scene is real traffic between two hosts, some seconds of it, and ends by itself.
`make demo SCENE=name` plays one and leaves the recording behind; pages_test.py
plays it too and compares what the page shows with what its commands print then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import flooding
import provoke
import sessions
from endpoints import PORT
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from recorder import PARAMETERS, Recorder, wait_until

DELAY_MS = 20
BACKLOG = 4
CLIENTS = 12
FORGED_SYNS = 250
FLOOD_PAUSE_S = "0.03"  # with all of them it lasts until the first requests are given up
TRANSFER_BYTES = 1_500_000

# So `flow` shows which were lost, and Wireshark reads them. In a long transfer they would
# slow an emulated kernel down until its timers fire for nothing.
EVERY_SEGMENT, NOTHING_MORE = "+segment", ""

_BUSY_SERVER = """
import socket, sys
with socket.create_server((sys.argv[1], 5000), backlog=int(sys.argv[2])) as listener:
    print("listens", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[3])):
        listener.accept()[0].close()
"""
_CLIENTS = """
import socket, sys, threading
def connect(connected):
    with socket.create_connection((sys.argv[1], 5000), 120) as connection:
        connected.set()
        connection.recv(1)
threads = []
for number in range(int(sys.argv[2])):
    connected = threading.Event()
    threads.append(threading.Thread(target=connect, args=(connected,)))
    threads[-1].start()
    connected.wait(0.5)
for thread in threads:
    thread.join()
"""


def handshake(it: Recorder, hosts: TwoHosts) -> None:
    """A session of the sample program, every segment of it."""
    server = sessions.start_server(hosts)
    client = sessions.start_client(hosts, "--name", "Ann", "--wait-to-close")
    # One that closes at once acknowledges the server's FIN with its own: no FIN-WAIT-2.
    wait_until("the server's FIN-WAIT-2", lambda: "FIN-WAIT-2" in (
        it.state_name(event["state"]) for event in it.events("state")))
    sessions.finish(client, "\n")
    sessions.finish(server)


def slow_connect(it: Recorder, hosts: TwoHosts) -> None:
    """The way back loses SYN-ACKs until the server has sent three of them again."""
    hosts.drop(CLIENT, f"tcp sport {PORT} tcp flags & (syn | ack) == syn | ack")
    server = sessions.start_server(hosts)
    client = sessions.start_client(hosts, "--name", "Ann")
    wait_until("three SYN-ACKs sent again",
               lambda: len(it.events("synack_retransmit")) >= 3)
    hosts.stop_dropping(CLIENT)
    for process in (client, server):
        sessions.finish(process)


def full_backlog(it: Recorder, hosts: TwoHosts) -> None:
    """More clients than the accept queue holds, and a server that is busy."""
    address = ADDRESSES[SERVER][0]
    server = hosts.start_ready(SERVER, sys.executable, "-c", _BUSY_SERVER, address,
                               str(BACKLOG), str(CLIENTS))
    clients = hosts.start(CLIENT, sys.executable, "-c", _CLIENTS, address, str(CLIENTS))
    wait_until("SYNs that are dropped twice",
               lambda: len(it.events("refused")) >= 2 * (CLIENTS - BACKLOG - 1))
    provoke.finish([server, clients])


def collapsing_window(it: Recorder, hosts: TwoHosts) -> None:
    """Some loss in a transfer, then everything lost until the timer fired twice."""
    hosts.drop(SERVER, provoke.EVERY_HUNDREDTH)
    hosts.drop(SERVER, f"tcp dport {PORT} quota over {TRANSFER_BYTES // 2} bytes")
    ends = provoke.start_transfer(hosts, TRANSFER_BYTES)
    wait_until("two timeouts", lambda: len(it.events("rto")) >= 2)
    hosts.stop_dropping(SERVER)
    provoke.finish(ends)


def syn_flood(it: Recorder, hosts: TwoHosts) -> ExitStack:
    """SYNs of forged addresses, and three real clients among them."""
    listening = ExitStack()
    listening.enter_context(flooding.server(hosts))
    with flooding.ready_client(hosts, 3) as clients:
        flood = flooding.start_flood(hosts, FORGED_SYNS, FLOOD_PAUSE_S)
        # A SYN cookie is sent while the queue is full. It stays so for 7 s: then those go
        # who had two more SYN-ACKs.
        wait_until("a full queue", lambda: any(
            it.schema.name_of("synack_type", event["synack_type"]) == "cookie"
            for event in it.events("synack")))
        provoke.finish([clients])
    wait_until("a request that is given up", lambda: it.events("request_end"))
    provoke.finish([flood])
    return listening


class Scene(NamedTuple):
    """What is played, on what stage.

    `play` returns what is to be closed when the recording is over, or None if the
    recording shall show how it all ends.
    """

    play: Callable[[Recorder, TwoHosts], ExitStack | None]
    views: tuple[str, str]      # after explain; FILE is its recording
    algorithm: str = "cubic"
    events: str = EVERY_SEGMENT


SCENES = {
    "handshake": Scene(handshake, ("flow FILE", "states FILE")),
    "slow-connect": Scene(slow_connect, ("handshakes FILE", "flow FILE")),
    "full-backlog": Scene(full_backlog, ("handshakes FILE", "show FILE --kind refused")),
    "collapsing-window": Scene(collapsing_window, ("cwnd FILE", "losses FILE -v"),
                               algorithm="renoscope", events=NOTHING_MORE),
    "syn-flood": Scene(syn_flood, ("synflood FILE", "handshakes FILE")),
}


@contextmanager
def setting(algorithm: str, events: str = EVERY_SEGMENT) -> Iterator[tuple[Recorder, TwoHosts]]:
    """The module loaded, and two hosts, for the time of a with block."""
    with Recorder() as it, TwoHosts(DELAY_MS) as hosts:
        if events:
            (PARAMETERS / "events").write_text(events)
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, f"net.ipv4.tcp_congestion_control={algorithm}")
        yield it, hosts
