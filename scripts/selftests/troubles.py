# SPDX-License-Identifier: GPL-2.0
"""Troubles of connections, each provoked the way it comes about in life.

Whoever calls one of these knows that it has happened: they wait for its events.
"""

from __future__ import annotations

import socket
import threading

import endpoints
from endpoints import PORT, connected, send_segments
from hosts import CLIENT, SERVER, TwoHosts
from inside import abort
from recorder import Recorder

CLOSED_PORT = 9
ONCE = "numgen inc mod 1000000 < 1"     # an nft rule with it matches one segment


def transfer(pair: endpoints.Pair, size: int) -> None:
    """From client to server, while somebody receives."""
    receiver = threading.Thread(target=endpoints.receive, args=(pair.server, size))
    receiver.start()
    pair.client.sendall(bytes(size))
    receiver.join()


def lossy_life(it: Recorder, hosts: TwoHosts, ipv6: bool) -> None:
    """A lost SYN, some lost data, and then everything lost for a while."""
    hosts.drop(SERVER, f"tcp dport {PORT} tcp flags syn {ONCE}")
    with connected(ipv6) as pair:
        hosts.stop_dropping(SERVER)
        hosts.drop(SERVER, f"tcp dport {PORT} numgen inc mod 40 == 39")
        transfer(pair, 150_000)
        hosts.stop_dropping(SERVER)
        hosts.drop(SERVER, f"tcp dport {PORT}")
        send_segments(pair.client, 4, 1000)
        before = len(endpoints.records(it, pair.client, "rto"))
        endpoints.await_records(it, pair.client, "rto", before + 2)
        hosts.stop_dropping(SERVER)
        endpoints.receive(pair.server, 4000)


def fill(sender: socket.socket) -> int:
    """Send until nothing more is taken; how much was."""
    sender.setblocking(False)
    sent = 0
    try:
        while True:
            sent += sender.send(bytes(4096))
    except BlockingIOError:
        return sent
    finally:
        sender.settimeout(60)


def refused(ipv6: bool) -> None:
    """A connect() to a port where nobody listens."""
    with endpoints.tcp_socket(CLIENT, ipv6) as sock:
        try:
            sock.connect((endpoints.address_of(SERVER, ipv6), CLOSED_PORT))
        except ConnectionRefusedError:
            return
        raise AssertionError("something listens on a closed port")


def aborted(it: Recorder, ipv6: bool) -> None:
    """By SO_LINGER, and by closing with data unread."""
    with connected(ipv6) as pair:
        abort(pair.client)
        endpoints.await_records(it, pair.server, "reset_received")
    with connected(ipv6) as pair:
        pair.client.sendall(b"unread")
        endpoints.await_records(it, pair.server, "ack")
        pair.server.close()
        endpoints.await_records(it, pair.client, "reset_received")
