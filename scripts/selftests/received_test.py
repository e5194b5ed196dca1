# SPDX-License-Identifier: GPL-2.0
"""`explain` on what came: with gaps, in vain, in somebody else's name, or not at all.

Ghosts (raw_tcp.py) send what no kernel would.  Each fault has a connection beside it
that does not have it, and the kernel's own counters, or a firewall's, are the witness.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import counters
import endpoints
from endpoints import FAMILIES, PORT, await_records, connected, receive, records, say
from hosts import CLIENT, SERVER, TwoHosts
from inside import abort, cookie_of
from raw_tcp import ACK, FIN, PSH, RST, SYN, Ghost, Segment, Wire, route_to_ghosts
from recorder import PATIENCE_S, Recorder, told, wait_until
from renoscope_lib.words import connection

Finding = dict[str, Any]

DELAY_MS = 20
STANDS_S = 0.2
SMALL_BUFFER = (socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
LONG_BYTES = 150_000
GREETINGS = 10
FORGED = 5


class Guest(NamedTuple):
    """A ghost, and the socket on the server that it is connected to."""

    ghost: Ghost
    sock: socket.socket

    def says(self, text: bytes, **odd: Any) -> None:
        """Send data; at an odd seq, or with an odd ack, it does not count as sent."""
        self.ghost.send(PSH | ACK, text, **odd)


class Scene(NamedTuple):
    """Who takes part."""

    it: Recorder
    hosts: TwoHosts
    stack: contextlib.ExitStack
    wire: Wire

    def guest(self, ipv6: bool) -> Guest:
        """A ghost that has been accepted."""
        with endpoints.listen(SERVER, ipv6) as listener:
            ghost = Ghost(self.wire, (endpoints.address_of(SERVER, ipv6), PORT))
            ghost.open()
            sock = self.stack.enter_context(listener.accept()[0])
        sock.settimeout(PATIENCE_S)
        return Guest(ghost, sock)


@contextlib.contextmanager
def _scene(delay_ms: int = 0) -> Iterator[Scene]:
    with Recorder("events=default,segment") as it, TwoHosts(delay_ms) as hosts, \
            contextlib.ExitStack() as stack:
        route_to_ghosts(hosts)
        yield Scene(it, hosts, stack, stack.enter_context(contextlib.closing(Wire(CLIENT))))


def _findings() -> list[Finding]:
    return [finding for report in told("explain")["reports"] for finding in report["findings"]]


def _of(findings: list[Finding], sock: socket.socket) -> dict[str, Finding]:
    own = connection(cookie_of(sock))
    return {f["rule"]: f for f in findings if f["connection"] == own}


def _of_faulty(fault: Callable[[Scene, Guest], None], rule: str) -> list[Finding]:
    """What a rule says of ghosts with a fault; of those without it says nothing."""
    with _scene() as scene:
        faulty, sound = ([scene.guest(ipv6) for ipv6 in FAMILIES] for _ in range(2))
        for guest in faulty:
            fault(scene, guest)
        for guest in (*faulty, *sound):
            guest.says(b"the end")
            assert receive(guest.sock, 7) == b"the end"
        findings = _findings()
        assert not any(rule in _of(findings, guest.sock) for guest in sound), findings
        return [_of(findings, guest.sock)[rule] for guest in faulty]


# ---- data

def _leave_gap(scene: Scene, guest: Guest) -> None:
    """What is behind the gap comes first, and stands still."""
    seen = len(records(scene.it, guest.sock, "ack"))
    guest.says(b"behind", seq=guest.ghost.snd_nxt + 100)
    await_records(scene.it, guest.sock, "ack", seen + 1)
    time.sleep(STANDS_S)    # this is what is told
    guest.says(bytes(100))
    guest.ghost.snd_nxt += len(b"behind")
    receive(guest.sock, 106)


def test_gaps() -> None:
    """explain: a receiver is told of the gap that came, its bytes and how long it lasted"""
    for finding in _of_faulty(_leave_gap, "came-with-gaps"):
        assert "with 1 gap (100 bytes)" in finding["sentence"], finding
        assert STANDS_S * 1e6 <= finding["cost_us"], finding
        assert "seq=1 has not come" in finding["evidence"][0], finding


def _acknowledge_too_much(scene: Scene, guest: Guest) -> None:
    """Data that is due, with an ACK of what was never sent: TCP throws it away."""
    seen = len(records(scene.it, guest.sock, "ack"))
    guest.says(b"again", seq=guest.ghost.snd_nxt, ack=guest.ghost.rcv_nxt + 100_000)
    await_records(scene.it, guest.sock, "ack", seen + 1)
    guest.says(b"again")
    receive(guest.sock, 5)


def test_data_that_is_not_taken() -> None:
    """explain: data that was due, and that TCP threw away, is told"""
    for finding in _of_faulty(_acknowledge_too_much, "arrived-not-taken"):
        assert finding["sentence"].startswith("one segment with the data that was due"), finding


def test_our_window_limits_the_peer() -> None:
    """explain: a small receive buffer holds the peer back, and both ends are told so"""
    with _scene(DELAY_MS), connected(False, server=(SMALL_BUFFER,)) as small, \
            connected(False, port=PORT + 1) as roomy:
        for pair in (small, roomy):
            for _ in range(GREETINGS):  # who only receives knows no round trip but the first
                say(*pair[::-1])
            for _ in range(LONG_BYTES // 10_000):
                say(*pair, size=10_000)
        findings = _findings()
        assert "we-limit-the-peer" in _of(findings, small.server), findings
        assert "receiver-limited" in _of(findings, small.client), findings
        for sock in roomy:
            assert not {"we-limit-the-peer", "receiver-limited"} & _of(findings, sock).keys()


# ---- RSTs

def _guess_resets(scene: Scene, guest: Guest) -> None:
    seen = len(records(scene.it, guest.sock, "ack"))
    for number in range(FORGED):
        guest.ghost.send(RST, seq=guest.ghost.snd_nxt + 1 + number)
    await_records(scene.it, guest.sock, "ack", seen + FORGED)
    assert counters.nstat(scene.hosts, SERVER)["TcpExtTCPChallengeACK"], "none is challenged"


def test_resets_that_do_not_fit() -> None:
    """explain: RSTs that were guessed, and are answered with challenge ACKs, are counted"""
    for finding in _of_faulty(_guess_resets, "challenged"):
        assert finding["sentence"].startswith(f"{FORGED} RSTs came for it"), finding
        assert "+1 to +5 off" in finding["evidence"][0], finding


def test_a_reset_in_the_clients_name() -> None:
    """explain: a RST that the other end, recorded too, did not send is something between's"""
    with _scene() as scene, connected(False) as forged, connected(False, port=PORT + 1) as real:
        for pair in (forged, real):
            say(*pair)
        (host, port), (peer, service) = forged.client.getsockname(), forged.server.getsockname()
        last = [segment for segment in scene.wire.between((host, port), (peer, service))
                if segment.source == host][-1]
        scene.wire.forge(Segment(host, port, peer, service, last.seq + last.length, 0, RST))
        await_records(scene.it, forged.server, "reset_received", 1)
        server, client = cookie_of(real.server), cookie_of(forged.client)
        abort(real.client)
        await_records(scene.it, real.server, "reset_received", 1)
        findings = _findings()
        finding = _of(findings, forged.server)["reset-by-neither"]
        assert f"its end, {connection(client)}, did not send" in finding["sentence"], finding
        rules = {f["rule"] for f in findings if f["connection"] == connection(server)}
        assert "reset-by-peer" in rules and "reset-by-neither" not in rules, rules


# ---- SYNs

def test_syns_behind_a_firewall() -> None:
    """explain: SYNs that the input chain drops are counted as nft does, and no other port's"""
    with _scene() as scene, connected(False, port=PORT + 1) as pair:
        scene.hosts.wall(SERVER, f"tcp dport {PORT}")
        scene.stack.enter_context(endpoints.listen(SERVER, False))
        opener = scene.stack.enter_context(endpoints.tcp_socket(CLIENT, False))
        opener.setblocking(False)
        opener.connect_ex((endpoints.address_of(SERVER, False), PORT))
        await_records(scene.it, opener, "retransmit", 1)
        say(*pair)
        said: list[Finding] = []

        def are_all_told() -> bool:
            said[:] = [f for f in _findings() if f["rule"] == "syns-unheard"]
            return any(f["sentence"].startswith(f"{scene.hosts.walled(SERVER)} SYNs")
                       for f in said)
        wait_until("each SYN that the wall dropped to be told", are_all_told)
        assert [f["local"].rpartition(":")[2] for f in said] == [str(PORT)], said


def test_syns_that_time_wait_kept_out() -> None:
    """explain: a SYN with an ISN of before meets TIME-WAIT and is not taken; a newer one is"""
    with _scene() as scene, endpoints.listen(SERVER, False) as listener:
        cookies = {}
        for step in (-100_000, 100_000):
            ghost = Ghost(scene.wire, (endpoints.address_of(SERVER, False), PORT))
            ghost.open()
            with listener.accept()[0] as sock:
                cookies[step] = cookie_of(sock)
                sock.shutdown(socket.SHUT_WR)
                ghost.expect(FIN | ACK)
                ghost.send(FIN | ACK)
                ghost.expect(ACK)
            again = Ghost(scene.wire, ghost.peer, address=ghost.address,
                          isn=(ghost.snd_nxt + step) % 2**32)
            again.knock()
            again.expect(ACK if step < 0 else SYN | ACK)
        findings = _findings()
        rules = {step: {f["rule"]: f for f in findings if f["connection"] == connection(cookie)}
                 for step, cookie in cookies.items()}
        kept = rules[-100_000]["time-wait-kept-syn"]
        assert kept["sentence"].startswith("one SYN of a new connection from"), kept
        assert "neither the ISN nor a timestamp is newer" in kept["sentence"], kept
        assert "time-wait-kept-syn" not in rules[100_000], rules
