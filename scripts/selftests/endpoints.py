# SPDX-License-Identifier: GPL-2.0
"""Sockets of the test's own process on the two hosts, and what is recorded of them.

The test holds both ends of a connection in its own hands (inside.py), and everything
happens in the order it is written in.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import sessions
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from inside import cookie_of, inside
from recorder import PATIENCE_S, Recorder, wait_until
from renoscope_lib.ring.schema import Event

PORT = sessions.PORT
FAMILIES = (False, True)                # is it IPv6?

SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
TCP_CONGESTION = 13     # socket's own is not known to the type checker
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
REPAIR_ON, REPAIR_OFF, SEND_QUEUE = 1, -1, 2

Option = tuple[int, int, int]


def family_of(ipv6: bool) -> socket.AddressFamily:
    """The address family."""
    return socket.AF_INET6 if ipv6 else socket.AF_INET


def address_of(host: str, ipv6: bool) -> str:
    """A host's address of one family."""
    return ADDRESSES[host][1 if ipv6 else 0]


def tcp_socket(host: str, ipv6: bool, *options: Option) -> socket.socket:
    """A TCP socket on a host, with options set."""
    with inside(host):
        made = socket.socket(family_of(ipv6), socket.SOCK_STREAM)
    for option in options:
        made.setsockopt(*option)
    return made


def listen(host: str, ipv6: bool, *options: Option, port: int = PORT,
           backlog: int = 16) -> socket.socket:
    """A listener on a host."""
    listener = tcp_socket(host, ipv6, (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
                          *options)
    listener.settimeout(PATIENCE_S)
    listener.bind((address_of(host, ipv6), port))
    listener.listen(backlog)
    return listener


def choose_isn(sock: socket.socket, isn: int) -> None:
    """Let a socket that is not connected yet begin with this number."""
    set_option = sock.setsockopt
    set_option(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_ON)
    set_option(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
    set_option(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack("I", isn))
    set_option(socket.IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF)


def unacknowledged(sock: socket.socket) -> int:
    """Bytes that are in its queue or on the way."""
    answer = fcntl.ioctl(sock, termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


def tcp_info(sock: socket.socket, offset: int) -> int:
    """The four bytes there of struct tcp_info."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, offset + 4)
    return int(struct.unpack_from("I", info, offset)[0])


class Pair(NamedTuple):
    """Both ends of a connection."""

    client: socket.socket
    server: socket.socket

    def of(self, host: str) -> socket.socket:
        """The end on a host."""
        return self.client if host == CLIENT else self.server


@contextmanager
def connected(ipv6: bool, *, client: tuple[Option, ...] = (),
              server: tuple[Option, ...] = (), isn: int | None = None,
              port: int = PORT) -> Iterator[Pair]:
    """A connection, its ends with options that were set before it was opened.

    Small writes go out at once, each as a segment of its own.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(listen(SERVER, ipv6, *server, port=port))
        opener = stack.enter_context(tcp_socket(CLIENT, ipv6, *client))
        if isn is not None:
            choose_isn(opener, isn)
        opener.settimeout(PATIENCE_S)
        opener.connect((address_of(SERVER, ipv6), port))
        accepted = stack.enter_context(listener.accept()[0])
        listener.close()
        for sock in (opener, accepted):
            sock.settimeout(PATIENCE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Pair(opener, accepted)


@contextmanager
def both_families(**options: Any) -> Iterator[list[Pair]]:
    """Two connections at the same time, one over IPv4 and one over IPv6."""
    with ExitStack() as stack:
        yield [stack.enter_context(connected(ipv6, **options)) for ipv6 in FAMILIES]


def receive(sock: socket.socket, count: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionError(f"end of file after {len(data)} of {count} bytes")
        data += more
    return data


def say(sender: socket.socket, receiver: socket.socket, size: int = 1) -> None:
    """Send and receive some bytes."""
    sender.sendall(bytes(size))
    receive(receiver, size)


def send_segments(sock: socket.socket, count: int, size: int) -> None:
    """So many segments of one size, as the windows permit."""
    for number in range(count):
        sock.sendall(bytes([number % 256]) * size)


# ---- records -------------------------------------------------------------


def whole(it: Recorder) -> list[Event]:
    """All events since the module was loaded; fails if any is gone."""
    events = it.events()
    serials: dict[int, list[int]] = {}
    for event in events:
        serials.setdefault(event["cpu"], []).append(event["serial"])
    for seen in serials.values():
        assert seen == list(range(1, len(seen) + 1)), "the ring was too small"
    return events


def seen_on(host: str, events: list[Event]) -> list[Event]:
    """Those that a host has seen."""
    return [event for event in events if event["netns"] == TwoHosts.inode(host)]


def records(it: Recorder, sock_or_cookie: socket.socket | int,
            *kinds: str) -> list[Event]:
    """The events of one connection at one end, of some kinds or all."""
    wanted = (sock_or_cookie if isinstance(sock_or_cookie, int)
              else cookie_of(sock_or_cookie))
    return [event for event in it.events() if event["cookie"] == wanted
            and (not kinds or event.kind in kinds)]


def await_records(it: Recorder, sock: socket.socket, kind: str,
                  count: int = 1) -> list[Event]:
    """The events of one kind at one end, once there are so many."""
    wait_until(f"{count} {kind} events", lambda: len(records(it, sock, kind)) >= count)
    return records(it, sock, kind)


def sent_isn(it: Recorder, sock: socket.socket) -> int:
    """The initial sequence number of one end."""
    return next(event["snd_isn"] for event in records(it, sock) if event["snd_isn"])


def relative(number: int, isn: int) -> int:
    """A sequence number as Wireshark shows it."""
    return (number - isn) % 2**32


def word(it: Recorder, event: Event, field: str) -> str:
    """The word that a field's number stands for."""
    unit = it.schema.field_named(field).unit
    return it.schema.name_of(unit, event[field])


def quiet(hosts: TwoHosts) -> None:
    """Wait until every connection is over."""
    wait_until("both hosts to close",
               lambda: not hosts.is_busy(CLIENT) and not hosts.is_busy(SERVER))
