# SPDX-License-Identifier: GPL-2.0
"""Connections off the common path, each small and quick, most played by both ends' sockets.

Each is over, or stands still, when its player returns. A player whose connection the kernel
gives up later returns its id; these come last and are waited for together.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from endpoints import TCP_CONGESTION, Option, receive, unacknowledged
from hosts import CLIENT, SERVER
from in_states import wait_for_state
from inside import abort, abort_on_close, cookie_of, inside, sysctl
from raw_tcp import ACK
from recorder import wait_until
from stage import Stage, address_of
from troubles import ONCE

IPV4 = 4
TCP_USER_TIMEOUT = 18
TCP_FASTOPEN_CONNECT = 30
FAST_OPEN_QUEUE = (socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
SYNACK = "tcp flags & (syn|ack) == (syn|ack)"
BARE_SYN = "tcp flags & (syn|ack) == syn"
BARE_ACK = "tcp flags & (syn|ack|fin|rst) == ack"

# Some forty segments: a loss after twenty is told by duplicate ACKs.
ENOUGH = 60_000

Pair = tuple[socket.socket, socket.socket]


def _option(sock: socket.socket, name: int, value: int) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, name, value)


def _arrived(sock: socket.socket) -> bool:
    return not unacknowledged(sock)


def _say(sender: socket.socket, receiver: socket.socket, size: int = 5) -> None:
    sender.sendall(bytes(size))
    receive(receiver, size)


def _close(stage: Stage, first: socket.socket, second: socket.socket) -> None:
    """One closes, and then the other."""
    cookies = cookie_of(first), cookie_of(second)
    first.close()
    assert second.recv(1) == b""
    second.close()
    wait_for_state(stage, cookies[0], "TIME-WAIT")
    wait_for_state(stage, cookies[1], "CLOSED")


def _pair(stage: Stage, *options: Option, algorithm: str = "") -> Pair:
    """The listener that they came from is closed."""
    with stage.listener(IPV4) as listener:
        client = stage.socket(CLIENT, IPV4)
        for option in options:
            client.setsockopt(*option)
        if algorithm:
            client.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, algorithm.encode())
        client.connect(listener.getsockname())
        return client, stage.accept(listener)


def _port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


# ---- opening

def plain(stage: Stage) -> None:
    """As it should be."""
    client, server = _pair(stage)
    _say(client, server)
    _say(server, client)
    _close(stage, client, server)


def _fast_open(stage: Stage, listener: socket.socket, lost: str = "") -> None:
    """Data on the SYN, once the client has a cookie; the first asks for it."""
    with inside(CLIENT):
        client = stage.keep(socket.socket())
    _option(client, TCP_FASTOPEN_CONNECT, 1)
    if lost:
        stage.hosts.drop(CLIENT, lost)
    client.connect(listener.getsockname())
    client.sendall(b"early")
    server = stage.accept(listener)
    receive(server, 5)
    _say(server, client)
    if lost:
        stage.hosts.stop_dropping(CLIENT)
    _close(stage, client, server)


def fast_open(stage: Stage) -> None:
    """One that asks for the cookie, one with data on its SYN, one whose SYN-ACK is lost."""
    stage.set("tcp_fastopen", 3)
    with stage.listener(IPV4) as listener:
        listener.setsockopt(*FAST_OPEN_QUEUE)
        _fast_open(stage, listener)
        _fast_open(stage, listener)
        _fast_open(stage, listener, f"tcp sport {_port_of(listener)} {SYNACK} {ONCE}")


def _opens_though_dropped(stage: Stage, flags: str) -> None:
    """The first segment with these flags does not reach the server."""
    with stage.listener(IPV4) as listener:
        stage.hosts.drop(SERVER, f"tcp dport {_port_of(listener)} {flags} {ONCE}")
        client, server = stage.pair(listener, IPV4)
        stage.hosts.stop_dropping(SERVER)
        _close(stage, client, server)


def syn_lost(stage: Stage) -> None:
    """It goes again after a second."""
    _opens_though_dropped(stage, BARE_SYN)


def last_ack_lost(stage: Stage) -> None:
    """The SYN-ACK goes again; the client knew nothing of it."""
    _opens_though_dropped(stage, BARE_ACK)


def refused_port(stage: Stage) -> None:
    """Nobody listens."""
    client = stage.socket(CLIENT, IPV4)
    with contextlib.suppress(ConnectionRefusedError):
        client.connect((address_of(SERVER, IPV4), 9))
        raise AssertionError("somebody listens on a closed port")
    client.close()


def cookie(stage: Stage) -> None:
    """A SYN cookie, though there is room."""
    sysctl(SERVER, "tcp_syncookies", 2)
    client, server = _pair(stage)
    sysctl(SERVER, "tcp_syncookies", 1)
    _say(client, server)
    _close(stage, client, server)


def full_accept_queue(stage: Stage) -> None:
    """A SYN is dropped, and goes again when there is room."""
    with stage.listener(IPV4, backlog=0) as listener:
        first = stage.connect(listener, IPV4)
        late = stage.start_connecting(CLIENT, IPV4, listener.getsockname())
        stage.story.wait("refused", remote_port=_port_of(late))
        _close(stage, first, stage.accept(listener))
        _close(stage, late, stage.accept(listener))


def overflow_reset(stage: Stage) -> None:
    """Its last ACK meets a full queue, and tcp_abort_on_overflow."""
    sysctl(SERVER, "tcp_abort_on_overflow", 1)
    with stage.listener(IPV4, backlog=2) as listener:
        ghosts = [stage.ghost(listener, port=4500 + number) for number in range(4)]
        for ghost in ghosts[:2]:
            ghost.open()
        stage.story.wait("completed", 2, local_port=_port_of(listener))
        for ghost in ghosts[2:]:
            ghost.half_open()
        for ghost in ghosts[2:]:
            ghost.send(ACK)
        stage.story.wait("request_end", remote_port=4503)
    sysctl(SERVER, "tcp_abort_on_overflow", 0)


def never_accepted(stage: Stage) -> None:
    """Its listener is closed while it waits."""
    with stage.listener(IPV4) as listener:
        client = stage.connect(listener, IPV4)
        stage.story.wait("completed", remote_port=_port_of(client))
    wait_for_state(stage, cookie_of(client), "CLOSED")


def _opened_at_once(stage: Stage) -> Pair:
    """SYNs that cross."""
    with stage.held(CLIENT, SERVER):
        one = stage.start_connecting(CLIENT, IPV4, (address_of(SERVER, IPV4), 7002), 7001)
        other = stage.start_connecting(SERVER, IPV4, (address_of(CLIENT, IPV4), 7001), 7002)
    for sock in (one, other):
        wait_for_state(stage, cookie_of(sock), "ESTABLISHED")
    return one, other


def all_at_once(stage: Stage) -> None:
    """SYNs that cross, and FINs that cross."""
    both = _opened_at_once(stage)
    with stage.held(CLIENT, SERVER):
        for sock in both:
            sock.shutdown(socket.SHUT_WR)
    for sock in both:
        wait_for_state(stage, cookie_of(sock), "TIME-WAIT")


# ---- coming back

def _from_port(stage: Stage, listener: socket.socket, port: int) -> Pair:
    client = stage.socket(CLIENT, IPV4, port)
    client.connect(listener.getsockname())
    return client, stage.accept(listener)


def back_in_time_wait(stage: Stage) -> None:
    """The server closed first; the client comes back on its port."""
    with stage.listener(IPV4) as listener:
        client, server = _from_port(stage, listener, 7200)
        _close(stage, server, client)
        client, server = _from_port(stage, listener, 7200)
        _say(client, server)
        _close(stage, client, server)


def back_while_held(stage: Stage) -> None:
    """The server knows nothing of the first one's end, and challenges the second's SYN."""
    with stage.listener(IPV4) as listener:
        client, server = _from_port(stage, listener, 7300)
        _say(client, server)
        stage.hosts.drop(SERVER, f"tcp dport {_port_of(listener)} tcp flags & rst == rst {ONCE}")
        abort(client)
        client, second = _from_port(stage, listener, 7300)
        stage.hosts.stop_dropping(SERVER)
        _say(client, second)
        _close(stage, client, second)
        server.close()


# ---- closing

def half_close(stage: Stage) -> None:
    """The one that closed reads on."""
    client, server = _pair(stage)
    client.shutdown(socket.SHUT_WR)
    wait_for_state(stage, cookie_of(client), "FIN-WAIT-2")
    _say(server, client, 3000)
    server.close()
    wait_for_state(stage, cookie_of(client), "TIME-WAIT")


def linger(stage: Stage) -> None:
    """SO_LINGER 0."""
    client, server = _pair(stage)
    abort(client)
    wait_for_state(stage, cookie_of(server), "CLOSED")


def unread(stage: Stage) -> None:
    """Closed with data that nobody read."""
    client, server = _pair(stage)
    client.sendall(b"unread")
    wait_until("an ACK", lambda: _arrived(client))
    server.close()
    wait_for_state(stage, cookie_of(client), "CLOSED")


def reset_in_close_wait(stage: Stage) -> None:
    """The peer had closed its direction, and then resets."""
    client, server = _pair(stage)
    client.shutdown(socket.SHUT_WR)
    wait_for_state(stage, cookie_of(client), "FIN-WAIT-2")
    abort(client)
    wait_for_state(stage, cookie_of(server), "CLOSED")


def data_after_close(stage: Stage) -> None:
    """More comes for who has closed."""
    client, server = _pair(stage)
    server.close()
    assert client.recv(1) == b""
    client.sendall(b"late")
    wait_for_state(stage, cookie_of(client), "CLOSED")


def no_room_for_time_wait(stage: Stage) -> None:
    """So it is closed at once."""
    stage.set("tcp_max_tw_buckets", 0)
    client, server = _pair(stage)
    cookies = cookie_of(client), cookie_of(server)
    client.close()
    assert server.recv(1) == b""
    server.close()
    for one in cookies:
        wait_for_state(stage, one, "CLOSED")
    stage.set("tcp_max_tw_buckets", 4096)


# ---- sending

def _transfer(client: socket.socket, server: socket.socket, size: int) -> None:
    receiver = threading.Thread(target=receive, args=(server, size))
    receiver.start()
    client.sendall(bytes(size))
    receiver.join()


def _loses_one(stage: Stage, client: socket.socket, server: socket.socket) -> None:
    stage.hosts.drop(SERVER, f"tcp dport {_port_of(server)} meta length > 1000 "
                     "numgen inc mod 1000 == 20")
    _transfer(client, server, ENOUGH)
    stage.hosts.stop_dropping(SERVER)


def _lose_until(stage: Stage, client: socket.socket, server: socket.socket, kind: str,
                count: int) -> None:
    """The next data do not arrive until the sender has done something about it."""
    cookie_ = cookie_of(client)
    before = len(stage.story.of(kind, cookie=cookie_))
    stage.hosts.drop(SERVER, f"tcp dport {_port_of(server)}")
    client.sendall(bytes(2000))
    stage.story.wait(kind, before + count, cookie=cookie_)
    stage.hosts.stop_dropping(SERVER)
    receive(server, 2000)
    wait_until("all to arrive", lambda: _arrived(client))


def losses(stage: Stage) -> None:
    """One lost in between, then the last, then all for a while, under our own algorithm."""
    client, server = _pair(stage, algorithm="renoscope")
    _loses_one(stage, client, server)
    for kind, count in (("loss_probe", 1), ("rto", 2)):
        _lose_until(stage, client, server, kind, count)
    _close(stage, client, server)


def loss(stage: Stage) -> None:
    """One lost in between, under another's."""
    client, server = _pair(stage, algorithm="cubic")
    _loses_one(stage, client, server)
    _close(stage, client, server)


def acks_held(stage: Stage) -> None:
    """A timeout for nothing, which the kernel takes back as the ACKs come."""
    client, server = _pair(stage)
    _say(client, server, 1000)
    wait_until("its ACK", lambda: _arrived(client))
    with stage.held(SERVER):
        client.sendall(bytes(1000))
        stage.story.wait("rto", cookie=cookie_of(client))
    wait_until("an ACK", lambda: _arrived(client))
    receive(server, 1000)
    _close(stage, client, server)


def marks(stage: Stage) -> None:
    """A router marks congestion."""
    stage.set("tcp_ecn", 1)
    client, server = _pair(stage)
    stage.hosts.on_arrival(SERVER, f"tcp dport {_port_of(server)} ip ecn != not-ect "
                           "numgen inc mod 1000 == 15 ip ecn set ce")
    _transfer(client, server, ENOUGH)
    stage.hosts.stop_dropping(SERVER)
    stage.set("tcp_ecn", 2)
    _close(stage, client, server)


def zero_window(stage: Stage) -> None:
    """A reader that sleeps; probes; and then it reads."""
    size = 30_000
    with stage.listener(IPV4) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8000)
        client, server = stage.pair(listener, IPV4)
    sender = threading.Thread(target=client.sendall, args=(bytes(size),))
    sender.start()
    stage.story.wait("probe", 2, cookie=cookie_of(client))
    receive(server, size)
    sender.join()
    _close(stage, client, server)


# ---- given up

def user_timeout(stage: Stage) -> int:
    """No answer within TCP_USER_TIMEOUT."""
    client, server = _pair(stage, (socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 700))
    abort_on_close(server)
    stage.hosts.drop(SERVER, f"tcp dport {_port_of(server)}")
    client.sendall(b"anybody?")
    return cookie_of(client)


def orphan(stage: Stage) -> int:
    """Closed by both, but the last FIN is not acknowledged."""
    stage.set("tcp_orphan_retries", 1)
    client, server = _pair(stage)
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    wait_for_state(stage, cookie_of(client), "FIN-WAIT-2")
    stage.hosts.drop(CLIENT, f"tcp sport {_port_of(server)}")
    found = cookie_of(server)
    server.close()
    return found


def keepalive(stage: Stage) -> int:
    """A peer that does not answer any more."""
    client, server = _pair(stage)
    stage.hosts.drop(SERVER, f"tcp dport {_port_of(server)}")
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                          (socket.TCP_KEEPCNT, 1)):
        _option(client, option, value)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return cookie_of(client)


Player = Callable[[Stage], int | None]
OPENING: tuple[Player, ...] = (
    plain, fast_open, syn_lost, last_ack_lost, refused_port, cookie, full_accept_queue,
    overflow_reset, never_accepted, all_at_once)
CLOSING: tuple[Player, ...] = (
    back_in_time_wait, back_while_held, half_close, linger, unread, reset_in_close_wait,
    data_after_close, no_room_for_time_wait, user_timeout, orphan, keepalive)
SENDING: tuple[Player, ...] = (acks_held, zero_window, marks, losses, loss)


def play(stage: Stage, players: tuple[Player, ...]) -> None:
    """All of them, each one named if it fails."""
    given_up = []
    for player in players:
        try:
            given_up.append(player(stage))
        except BaseException as error:
            error.add_note(f"while {player.__name__} was played")
            raise
    for cookie_ in given_up:
        if cookie_ is not None:
            wait_for_state(stage, cookie_, "CLOSED")
