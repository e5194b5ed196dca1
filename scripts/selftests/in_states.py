# SPDX-License-Identifier: GPL-2.0
"""Real sockets brought into each state, by a ghost that does what no kernel would."""

from __future__ import annotations

import socket

from hosts import CLIENT, SERVER
from inside import cookie_of
from raw_tcp import ACK, FIN, RST, SYN, Ghost, Segment
from recorder import wait_until
from renoscope_lib.words import address
from stage import Stage, address_of

# What a life is made of.
OPENED = ["SYN-SENT", "ESTABLISHED"]
ACCEPTED = ["SYN-RECEIVED", "ESTABLISHED"]
ACTIVE_CLOSE = ["FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"]
PASSIVE_CLOSE = ["CLOSE-WAIT", "LAST-ACK", "CLOSED"]


def wait_for_state(stage: Stage, cookie: int, state: str) -> None:
    """Until it is the connection's last."""
    wait_until(f"state {state} of sk:{cookie:x}",
               lambda: stage.story.life(cookie)[-1:] == [state])


def kill_time_wait(stage: Stage, cookie: int, host: str = CLIENT) -> None:
    """End a connection's TIME-WAIT by a RST that fits it, from its peer."""
    story = stage.story
    wait_until("TIME-WAIT", lambda: story.life(cookie)[-1:] == ["TIME-WAIT"])
    last = story.of("time_wait", cookie=cookie, state="TIME-WAIT")[-1]
    stage.wires[SERVER if host == CLIENT else CLIENT].forge(Segment(
        address(last["remote_addr"]), last["remote_port"],
        address(last["local_addr"]), last["local_port"],
        last["rcv_nxt"], last["snd_nxt"], RST | ACK))
    wait_for_state(stage, cookie, "CLOSED")


def stay(steps: list[tuple[str, int]], state: str) -> tuple[int, int]:
    """When a state was entered and when it was left."""
    number = [name for name, _time in steps].index(state)
    return steps[number][1], steps[number + 1][1]


def _connecting(stage: Stage, family: int) -> tuple[Ghost, socket.socket]:
    """A ghost and a socket that connects to it."""
    ghost = Ghost(stage.wire, (address_of(SERVER, family), 0), 4000)
    sock = stage.start_connecting(SERVER, family, (ghost.address, ghost.port))
    ghost.peer = sock.getsockname()[:2]
    ghost.expect(SYN)
    return ghost, sock


def _to_established(stage: Stage, family: int) -> tuple[Ghost, socket.socket]:
    with stage.listener(family) as listener:
        ghost = stage.ghost(listener)
        ghost.open()
        return ghost, stage.accept(listener)


def in_state(stage: Stage, family: int, state: str) -> tuple[Ghost, socket.socket]:
    """A real socket on the server in the state asked for, and its ghost."""
    if state in ("SYN-SENT", "SYN-RECEIVED"):
        ghost, sock = _connecting(stage, family)
        if state == "SYN-RECEIVED":
            ghost.knock()
            ghost.expect(SYN | ACK)
        wait_for_state(stage, cookie_of(sock), state)
        return ghost, sock
    ghost, sock = _to_established(stage, family)
    if state in ("CLOSE-WAIT", "LAST-ACK"):
        ghost.send(FIN | ACK)
        ghost.expect(ACK)
    if state not in ("ESTABLISHED", "CLOSE-WAIT"):
        sock.shutdown(socket.SHUT_WR)
        ghost.expect(FIN | ACK)
    if state == "CLOSING":
        ghost.send(FIN | ACK, ack=ghost.rcv_nxt - 1)
    elif state in ("FIN-WAIT-2", "TIME-WAIT"):
        ghost.send(ACK)
    if state == "TIME-WAIT":
        ghost.send(FIN | ACK)
    wait_for_state(stage, cookie_of(sock), state)
    return ghost, sock
