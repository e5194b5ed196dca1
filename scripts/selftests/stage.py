# SPDX-License-Identifier: GPL-2.0
"""The stage of a scenario: two hosts, a recorder, and this process on both.

Everything a test opens here is closed at the end, abortively, so that nothing
lingers on the hosts.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from socket import socket as Socket     # a method of Stage is called socket
from typing import Any

from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from inside import abort_on_close, cookie_of, inside, sysctl
from raw_tcp import Ghost, Segment, Wire, route_to_ghosts
from recorder import PATIENCE_S, Recorder, wait_until
from renoscope_lib.ring.schema import Event
from story import Story

FAMILIES = (4, 6)
DOMAINS = {4: socket.AF_INET, 6: socket.AF_INET6}


def address_of(host: str, family: int) -> str:
    """A host's address."""
    return ADDRESSES[host][0 if family == 4 else 1]


def ends_of_client(client: Socket) -> dict[str, Any]:
    """What the server's records of a client say; its port alone may come again."""
    addr, port = client.getsockname()[:2]
    return {"remote_addr": addr, "remote_port": port,
            "local_port": client.getpeername()[1]}


class Stage:
    """Where a scenario is played."""

    def __init__(self, *parameters: str) -> None:
        self._parameters = parameters
        self._sockets: list[Socket] = []
        self._stack = contextlib.ExitStack()
        self._hosts = contextlib.ExitStack()
        self._plugged: set[str] = set()
        self.it: Recorder
        self.hosts: TwoHosts
        self.story: Story
        self.wire: Wire
        self.wires: dict[str, Wire]

    def __enter__(self) -> Stage:
        with contextlib.ExitStack() as stack:
            self.it = stack.enter_context(Recorder(*self._parameters))
            self.story = Story(self.it)
            stack.callback(self.story.close)
            stack.callback(self.take_down)
            self._build()
            self._stack = stack.pop_all()
        return self

    def _build(self) -> None:
        self.hosts = self._hosts.enter_context(TwoHosts())
        route_to_ghosts(self.hosts)
        self.wires = {host: Wire(host) for host in (CLIENT, SERVER)}
        self.wire = self.wires[CLIENT]
        for wire in self.wires.values():
            self._hosts.callback(wire.close)
        self._hosts.callback(self._close_sockets)

    def take_down(self) -> None:
        """Let both hosts end; the story goes on."""
        self._hosts.close()

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def _close_sockets(self) -> None:
        for sock in reversed(self._sockets):
            if sock.fileno() >= 0 and sock.type == socket.SOCK_STREAM:
                with contextlib.suppress(OSError):
                    abort_on_close(sock)
            sock.close()

    def closing(self, wire: Wire) -> None:
        """Have a wire closed at the end."""
        self._hosts.callback(wire.close)

    def set(self, name: str, value: int | str) -> None:
        """Set net.ipv4.NAME on both hosts."""
        for host in (CLIENT, SERVER):
            sysctl(host, name, value)

    def keep(self, sock: Socket) -> Socket:
        """Have a socket closed at the end."""
        sock.settimeout(PATIENCE_S)
        self._sockets.append(sock)
        return sock

    def socket(self, host: str, family: int, port: int = 0) -> Socket:
        """A TCP socket on a host, bound to its address."""
        with inside(host):
            sock = self.keep(socket.socket(DOMAINS[family], socket.SOCK_STREAM))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address_of(host, family), port))
        return sock

    def listener(self, family: int, backlog: int = 128, port: int = 0,
                 host: str = SERVER) -> Socket:
        """A listening socket."""
        sock = self.socket(host, family, port)
        sock.listen(backlog)
        return sock

    def accept(self, listener: Socket) -> Socket:
        """The next connection of a listener."""
        return self.keep(listener.accept()[0])

    def connect(self, listener: Socket, family: int,
                host: str = CLIENT) -> Socket:
        """A client's socket, connected."""
        sock = self.socket(host, family)
        sock.connect(listener.getsockname()[:2])
        return sock

    def pair(self, listener: Socket,
             family: int) -> tuple[Socket, Socket]:
        """A connection: its socket on the client, its socket on the server."""
        client = self.connect(listener, family)
        return client, self.accept(listener)

    def start_connecting(self, host: str, family: int, peer: tuple[str, int],
                         port: int = 0) -> Socket:
        """A socket that has sent its SYN and waits for nothing."""
        sock = self.socket(host, family, port)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(peer)
        sock.settimeout(PATIENCE_S)
        return sock

    def ghost(self, listener: Socket, isn: int | None = None,
              port: int = 4000) -> Ghost:
        """A client of a listener, made of raw segments."""
        return Ghost(self.wire, listener.getsockname()[:2], isn=isn, port=port)

    @contextlib.contextmanager
    def held(self, *hosts: str) -> Iterator[None]:
        """Hosts' interfaces send nothing until the with block's end, then all."""
        for host in hosts:
            self._plug(host, *(["change", "block"] if host in self._plugged
                               else ["add"]))
            self._plugged.add(host)
        yield
        for host in hosts:
            self._plug(host, "change", "release_indefinite")

    def _plug(self, host: str, verb: str, *what: str) -> None:
        self.hosts.run(host, "tc", "qdisc", verb, "dev", "wire", "root", "plug",
                       *what)

    def first_three(self, client: Socket) -> list[Segment]:
        """The segments of a client's handshake on the wire."""
        ends = client.getsockname()[:2], client.getpeername()[:2]
        wait_until("three segments", lambda: len(self.wire.between(*ends)) >= 3)
        return self.wire.between(*ends)[:3]

    def life_of(self, sock: Socket) -> list[str]:
        """The states that a socket's connection went through."""
        return self.story.life(cookie_of(sock))

    def events_of(self, sock: Socket) -> list[Event]:
        """Everything recorded of a socket's connection."""
        return self.story.of_connection(cookie_of(sock))


def for_each_family(check: Callable[..., None]) -> None:
    """Run a check over IPv4, then IPv6; a failure says over which."""
    for family in FAMILIES:
        try:
            check(family)
        except BaseException as error:
            error.add_note(f"over IPv{family}")
            raise
