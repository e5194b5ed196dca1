# SPDX-License-Identifier: GPL-2.0
"""Events that need no second host: each is provoked on loopback, by this process.

A function that takes a Recorder waits for the event it is about; so whoever
calls it knows that it has happened.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hosts import run
from raw_tcp import ACK, Segment
from recorder import Recorder, wait_until
from troubles import CLOSED_PORT, fill

ADDRESS = "127.0.0.1"


@contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """What passes loopback stays on the CPU of whoever sends it: on this one."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)


def refuse(address: str = ADDRESS) -> None:
    """A connection to a port where nobody listens."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        if s.connect_ex((address, CLOSED_PORT)) != errno.ECONNREFUSED:
            raise RuntimeError(f"something listens on port {CLOSED_PORT}")


def overflow_accept_queue(until: Callable[[], object]) -> None:
    """Three connections to a listener with room for one."""
    with socket.create_server((ADDRESS, 0), backlog=0) as listener:
        clients = [socket.socket() for _ in range(3)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        wait_until("a refused SYN", until)
        for client in clients:
            client.close()


def _pair(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = socket.create_connection(listener.getsockname())
    return client, listener.accept()[0]


def reuse_port_in_time_wait(it: Recorder) -> None:
    """The server closes first; the client's port comes again."""
    with socket.create_server((ADDRESS, 0)) as listener:
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
    """A receiver that does not read, until it is probed."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind((ADDRESS, 0))
        listener.listen()
        client, server = _pair(listener)
        fill(client)
        wait_until("a probe", lambda: it.events("probe"))
        server.setblocking(False)
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
    """A connection made of a SYN cookie."""
    before = run("sysctl", "-n", "net.ipv4.tcp_syncookies").strip()
    run("sysctl", "-qw", "net.ipv4.tcp_syncookies=2")
    try:
        with socket.create_server((ADDRESS, 0)) as listener:
            for end in _pair(listener):
                end.close()
        wait_until("the cookie's check", lambda: it.events("cookie_checked"))
    finally:
        run("sysctl", "-qw", f"net.ipv4.tcp_syncookies={before}")


def send_bad_checksum() -> None:
    """A segment with a wrong checksum."""
    segment = Segment(ADDRESS, 4444, ADDRESS, CLOSED_PORT, seq=111, ack=222, flags=ACK)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.sendto(segment.tcp(spoil=True), (ADDRESS, 0))


def spoil_checksum(it: Recorder) -> None:
    """The same, until it is told of."""
    send_bad_checksum()
    wait_until("the bad checksum", lambda: it.events("bad_checksum"))


def provoke_everything(it: Recorder) -> None:
    """All of the above, one after the other."""
    refuse()
    overflow_accept_queue(lambda: it.events("refused"))
    reuse_port_in_time_wait(it)
    fill_window(it)
    answer_with_cookie(it)
    spoil_checksum(it)
