# SPDX-License-Identifier: GPL-2.0
"""`explain`, live from the ring: each fault is named, and nobody without it is accused.

Every test has a connection with the fault and one without on the same recording. An
emulated machine stands still now and then, which is slow as well: so the verdicts are
checked against the events themselves, not against times.  It takes seconds to start a
command, too: so one run tells of everybody, where nothing changes meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from typing import Any

import endpoints
import troubles
from endpoints import FAMILIES, PORT, Pair, await_records, connected, records, say
from hosts import CLIENT, SERVER, TwoHosts
from inside import cookie_of
from raw_tcp import ACK, RST, SYN, Ghost, Wire, route_to_ghosts
from recorder import Recorder, renoscope, told, wait_until
from renoscope_lib.explain.finding import brief, spelled
from renoscope_lib.words import connection

Finding = dict[str, Any]

DELAY_MS = 20
BACKLOG = 2
WALLED_BYTES = 100_000
LONG_BYTES = 10_000
QUEUED_BYTES = 100_000
SMALL_BUFFER = (socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
SYN_LINEAR = "/proc/sys/net/ipv4/tcp_syn_linear_timeouts"
SLOW_NS = 250_000_000         # less than any rule calls slow

# Kinds that tell of trouble, whatever the rules make of them.
TROUBLED = ("retransmit", "synack_retransmit", "rto", "loss_probe", "refused",
            "reset_sent", "reset_received", "zero_window")


def _findings(*options: str) -> list[Finding]:
    return [finding for report in told("explain", *options)["reports"]
            for finding in report["findings"]]


def _of(findings: list[Finding], sock: socket.socket | int) -> dict[str, Finding]:
    """What is found of one end of a connection, by rule."""
    cookie = sock if isinstance(sock, int) else cookie_of(sock)
    return {f["rule"]: f for f in findings if f["connection"] == connection(cookie)}


def _text() -> str:
    done = renoscope("explain")
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


@contextlib.contextmanager
def _stage() -> Iterator[tuple[Recorder, TwoHosts]]:
    with Recorder() as it, TwoHosts(DELAY_MS) as hosts:
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, "net.ipv4.tcp_early_retrans=0")
        yield it, hosts


# ---- connect

def test_lost_synacks() -> None:
    """explain: a connect that waited for lost SYN-ACKs is slow for these, seen from both ends"""
    with _stage() as (it, hosts), contextlib.ExitStack() as stack:
        if os.path.exists(SYN_LINEAR):
            hosts.sysctl(CLIENT, "net.ipv4.tcp_syn_linear_timeouts=0")
        hosts.drop(CLIENT, f"tcp sport {PORT} tcp flags & (syn | ack) == syn | ack")
        opened = []
        for ipv6 in FAMILIES:
            listener = stack.enter_context(endpoints.listen(SERVER, ipv6))
            opener = stack.enter_context(endpoints.tcp_socket(CLIENT, ipv6))
            opener.setblocking(False)
            opener.connect_ex((endpoints.address_of(SERVER, ipv6), PORT))
            opened.append((listener, opener))
        for _, opener in opened:
            await_records(it, opener, "retransmit", 2)
        waiting = _of(_findings(), opened[0][1])["connect-waiting"]
        assert "no answer to" in waiting["sentence"], waiting
        hosts.stop_dropping(CLIENT)
        ends = [(opener, stack.enter_context(listener.accept()[0]))
                for listener, opener in opened]
        findings = _findings()
        for opener, accepted in ends:
            _check_lost_synacks(it, findings, opener, accepted)


def _check_lost_synacks(it: Recorder, findings: list[Finding],
                        opener: socket.socket, accepted: socket.socket) -> None:
    again = len([e for e in records(it, opener, "retransmit")
                 if e["seg_flags"] & 0x02])
    answers = len(records(it, accepted, "synack_retransmit"))
    slow = _of(findings, opener)["connect-slow"]
    assert slow["gist"] in [f"{spelled(lost, 'SYN-ACK')} lost"
                            for lost in range(again, answers + 1)], slow
    assert slow["severity"] == "trouble" and slow["cost_us"] > 3_000_000, slow
    assert "every SYN came to the listener" in slow["sentence"], slow
    assert _of(findings, accepted)["connect-slow"]["severity"] == "trouble"


def test_answers_that_do_not_fit() -> None:
    """explain: SYNs that were answered for an older connection did not go unanswered"""
    with _stage() as (it, hosts), contextlib.ExitStack() as stack:
        route_to_ghosts(hosts)
        wire = stack.enter_context(contextlib.closing(Wire(CLIENT)))
        for ipv6 in FAMILIES:
            opener = stack.enter_context(endpoints.tcp_socket(SERVER, ipv6))
            opener.bind((endpoints.address_of(SERVER, ipv6), 0))
            ghost = Ghost(wire, opener.getsockname()[:2], port=80)
            opener.setblocking(False)
            opener.connect_ex((ghost.address, ghost.port))
            for _ in range(2):
                syn = ghost.expect(SYN)
                ghost.send(ACK, seq=555_555, ack=syn.seq - 1000)
                ghost.expect(RST)
            ghost.answer()
            await_records(it, opener, "retransmit", 2)
            slow = _of(_findings(), opener)["connect-slow"]
            assert slow["gist"] == "the peer still had an older connection (implied)", slow
            assert "2 answers were to an older connection" in slow["sentence"], slow


def test_refused() -> None:
    """explain: a closed port refuses; a connection to an open one is not accused of it"""
    with _stage():
        for ipv6 in FAMILIES:
            troubles.refused(ipv6)
            with connected(ipv6) as pair:
                say(*pair)
                _check_refused(ipv6, pair)


def _check_refused(ipv6: bool, pair: Pair) -> None:
    findings = _findings()
    end = f":{troubles.CLOSED_PORT}"
    failed = [f for f in findings if f["rule"] == "connect-failed"]
    families = sorted(f["remote"].startswith("[") for f in failed)
    assert families == [False, True][:1 + ipv6], failed
    for finding in failed:
        assert finding["remote"].endswith(end), finding
        assert (finding["gist"], finding["severity"]) == (
            "refused by RST", "trouble"), finding
    closed = {f["local"] for f in findings if f["rule"] == "closed-port"}
    assert closed and all(local.endswith(end) for local in closed), closed
    assert not {"connect-failed", "reset-by-peer"} & _of(findings, pair.client).keys()


def test_accept_queue() -> None:
    """explain: a full accept queue is counted, blamed for slow connects, and nobody else's"""
    with _stage() as (it, _hosts), contextlib.ExitStack() as stack:
        listener = stack.enter_context(endpoints.listen(SERVER, False, backlog=BACKLOG))
        roomy = stack.enter_context(endpoints.listen(SERVER, False, port=PORT + 1))
        clients = [stack.enter_context(endpoints.tcp_socket(CLIENT, False))
                   for _ in range(BACKLOG + 3)]
        # The first fill it, as the queue takes one more than its limit; only then
        # come the others, else there might be cookies and ACKs that nobody repeats.
        for number, client in enumerate(clients):
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            if number <= BACKLOG:
                wait_until("a full queue", lambda count=number + 1: (
                    len(it.events("completed")) == count))
        wait_until("refusals", lambda: len(it.events("refused")) >= 4)
        for _ in clients:
            stack.enter_context(listener.accept()[0])
        wait_until("all to be open", lambda: all(
            it.path(cookie_of(client))[-1:] == ["ESTABLISHED"]
            for client in clients))
        well = stack.enter_context(endpoints.tcp_socket(CLIENT, False))
        well.connect(roomy.getsockname())
        stack.enter_context(roomy.accept()[0])
        _check_accept_queue(it, listener, roomy, clients)


def _check_accept_queue(it: Recorder, listener: socket.socket, roomy: socket.socket,
                        clients: list[socket.socket]) -> None:
    refused = [e for e in it.events("refused")
               if endpoints.word(it, e, "refusal") == "accept_queue_full"]
    findings = _findings()
    full = [f for f in findings if f["rule"] == "accept-queue-full"]
    assert [f["connection"] for f in full] == [
        f"sk:{cookie_of(listener):x}"], full
    dropped = re.findall(r"(\d+) (?:SYN|last ACK)", full[0]["sentence"])
    assert sum(map(int, dropped)) == len(refused), full
    assert "accept-queue-full" not in _of(findings, roomy)
    ports = {e["remote_port"] for e in refused if e["seg_flags"] & 0x02}
    assert ports == {client.getsockname()[1] for client in clients[BACKLOG + 1:]}, ports
    for client in clients:
        slow = _of(findings, client).get("connect-slow", {"gist": ""})
        blamed = slow["gist"] == "the listener's accept queue was full"
        assert blamed == (client.getsockname()[1] in ports), (slow, ports)


# ---- under way

def test_zero_window() -> None:
    """explain: who stood still on whose zero window; and who did not"""
    with _stage() as (it, _hosts):
        with connected(False) as well, connected(
                True, server=(SMALL_BUFFER,), port=PORT + 1) as pair:
            say(*well)
            sent = troubles.fill(pair.client)
            await_records(it, pair.client, "probe", 3)
            assert "still zero when watching ended" in (
                _of(_findings(), pair.client)["stood-still"]["sentence"])
            endpoints.receive(pair.server, sent)
            wait_until("the window to open", lambda: endpoints.word(
                it, records(it, pair.client, "zero_window")[-1],
                "window_change") == "opened")
            findings = _findings()
            stood = _of(findings, pair.client)["stood-still"]
            made = _of(findings, pair.server)["made-peer-wait"]
            for found, end in ((stood, pair.client), (made, pair.server)):
                _check_standstill(it, found, end)
            probes = [e for e in records(it, pair.client, "probe")
                      if endpoints.word(it, e, "probe_cause") == "zero_window"]
            assert "asked for it" in stood["sentence"] and len(probes) >= 3, stood
            assert "made-peer-wait" not in _of(findings, pair.client)
            assert not {"stood-still", "made-peer-wait"} & (
                _of(findings, well.client).keys())


def _check_standstill(it: Recorder, found: Finding, sock: socket.socket) -> None:
    """As long as from each closing to its opening."""
    side = "peer" if found["rule"] == "stood-still" else "own"
    turns = [e for e in records(it, sock, "zero_window")
             if endpoints.word(it, e, "window_side") == side]
    stood_us = sum((after["time_ns"] - before["time_ns"]) // 1000
                   for before, after in zip(turns[::2], turns[1::2]))
    assert abs(found["cost_us"] - stood_us) <= len(turns), (found, stood_us)
    assert brief(found["cost_us"]) in found["sentence"], found


def test_black_hole() -> None:
    """explain: timeouts in a path that swallows everything, counted, with their waits"""
    with _stage() as (it, hosts):
        with connected(False) as pair:
            with connected(False, port=PORT + 1) as well:
                say(*well)
                say(*pair)
                hosts.drop(SERVER, f"tcp dport {PORT}")
                endpoints.send_segments(pair.client, 4, 1000)
                await_records(it, pair.client, "rto", 4)
                hosts.stop_dropping(SERVER)
                endpoints.receive(pair.server, 4000)
                wait_until("all to be repaired", lambda: [
                    e for e in records(it, pair.client, "ca_state")
                    if endpoints.word(it, e, "ca_state") == "Open"])
                findings = _findings()
                _check_timeouts(it, findings, pair)
                quiet = not records(it, well.client, "rto")
                assert quiet == ("timeouts" not in _of(findings, well.client))
                _check_choice(findings, pair.client)


def _check_choice(findings: list[Finding], sock: socket.socket) -> None:
    """The same of it where nobody else was asked for."""
    chosen = _findings("--connection", f"{cookie_of(sock):x}")
    assert {f["connection"] for f in chosen} == {connection(cookie_of(sock))}
    assert {f["rule"] for f in chosen} == _of(findings, sock).keys(), chosen


def _check_timeouts(it: Recorder, findings: list[Finding], pair: Pair) -> None:
    timeouts = [e for e in records(it, pair.client, "rto")
                if it.state_name(e["state"]) == "ESTABLISHED"]
    found = _of(findings, pair.client)["timeouts"]
    assert found["cost_us"] == sum(e["rto_us"] for e in timeouts), found
    assert found["sentence"].startswith(
        spelled(len(timeouts), "retransmission timeout")), found
    longest_us = max(e["rto_us"] for e in timeouts)
    assert f"backoff up to {brief(longest_us)}" in found["sentence"], found
    assert found["severity"] == "trouble", found


def test_path_for_small_segments_only() -> None:
    """explain: only full segments are lost, and smaller ones come through: the path's MTU"""
    with _stage() as (it, hosts):
        hosts.set_offloads(False)
        hosts.sysctl(CLIENT, "net.ipv4.tcp_mtu_probing=1")
        with connected(False) as pair, connected(False, port=PORT + 1) as well:
            hosts.drop(SERVER, f"tcp dport {PORT} meta length > 1300")
            for ends in (pair, well):
                say(*ends, size=LONG_BYTES)
            size = max(e["seg_len"] for e in records(it, pair.client, "retransmit"))
            findings = _findings()
            found = _of(findings, pair.client)["mtu-black-hole"]
            assert f"of {size} bytes again in vain" in found["sentence"], found
            assert f"the MSS fell from {size} to " in found["sentence"], found
            assert "mtu-black-hole" not in _of(findings, well.client)


def test_own_queue() -> None:
    """explain: a queue of this host's own that overflows is blamed, where tc counts its drops"""
    with _stage() as (it, hosts):
        hosts.set_offloads(False)
        with connected(False) as pair:
            hosts.netem(CLIENT, "delay 5ms rate 20mbit limit 20")
            for _ in range(4):
                say(*pair, size=QUEUED_BYTES)
            dropped = re.search(r"dropped (\d+)", hosts.run(
                CLIENT, "tc", "-s", "qdisc", "show", "dev", "wire"))
            assert dropped and int(dropped[1]), "the queue had room"
            findings = _findings()
            assert "local-drops" in _of(findings, pair.client), _of(findings, pair.client)
            assert "local-drops" not in _of(findings, pair.server)


def test_own_firewall() -> None:
    """explain: what the host's own firewall drops on arrival is counted as nft does; no one else's"""
    with Recorder("events=all"), TwoHosts(DELAY_MS) as hosts:
        hosts.set_offloads(False)
        hosts.wall(SERVER, f"tcp dport {PORT} meta length > 1000 numgen inc mod 10 == 5")
        with connected(False) as pair, connected(False, port=PORT + 1) as well:
            for ends in (pair, well):
                say(*ends, size=WALLED_BYTES)
            client, server, *others = map(cookie_of, (*pair, *well))
            dropped = hosts.walled(SERVER)
        endpoints.quiet(hosts)
        assert dropped, "the firewall had nothing to drop"
        # What came last may be on its way to its connection for a while.
        words = f"{spelled(dropped, 'segment')} came to this host and never reached "
        wait_until(f"explain to say: {words}", lambda: _on_arrival(server).startswith(words))
        assert not any(map(_on_arrival, (client, *others)))


def _on_arrival(cookie: int) -> str:
    """What is said of segments that were dropped here."""
    found = _of(_findings(), cookie).get("dropped-on-arrival")
    return found["sentence"] if found else ""


# ---- the end

def test_reset_in_close_wait() -> None:
    """explain: the peer had closed and we wrote on: reset in CLOSE-WAIT; and a close in order"""
    with _stage() as (it, _hosts):
        reset = [_write_to_who_has_closed(it, ipv6) for ipv6 in FAMILIES]
        in_order = [_close_in_order(it, ipv6) for ipv6 in FAMILIES]
        findings = _findings()
        for client, server in reset:
            found = _of(findings, client)["reset-by-peer"]
            assert "reset by the peer in CLOSE-WAIT: the peer had closed" in (
                found["sentence"]), found
            assert "data came after we had closed" in (
                _of(findings, server)["reset-by-us"]["sentence"])
        for ends in in_order:
            for cookie in ends:
                assert not {"reset-by-peer", "reset-by-us"} & (
                    _of(findings, cookie).keys())


def _write_to_who_has_closed(it: Recorder, ipv6: bool) -> list[int]:
    with connected(ipv6) as pair:
        cookies = [cookie_of(sock) for sock in pair]
        pair.server.close()
        wait_until("the peer's FIN",
                   lambda: it.path(cookies[0])[-1:] == ["CLOSE-WAIT"])
        pair.client.sendall(b"more")
        await_records(it, pair.client, "reset_received")
    return cookies


def _close_in_order(it: Recorder, ipv6: bool) -> list[int]:
    with connected(ipv6) as pair:
        cookies = [cookie_of(sock) for sock in pair]
        pair.server.close()
        wait_until("the peer's FIN",
                   lambda: it.path(cookies[0])[-1:] == ["CLOSE-WAIT"])
        pair.client.close()
        wait_until("the end", lambda: it.path(cookies[0])[-1:] == ["CLOSED"])
    return cookies


# ---- nothing at all

def _is_undisturbed(it: Recorder, cookie: int) -> bool:
    """By its own events: nothing sent again, no timer, no wait of a crowded emulator."""
    own = records(it, cookie)
    if any(e.kind in TROUBLED for e in own):
        return False
    times = [e["time_ns"] for e in own if e.kind in ("state", "completed", "accepted",
                                                     "request")]
    return all(after - before < SLOW_NS for before, after in zip(times, times[1:]))


def test_nothing_wrong() -> None:
    """explain: sessions that go well have nothing wrong, and that is all that is said"""
    with _stage() as (it, hosts):
        cookies: list[int] = []
        for ipv6 in FAMILIES * 3:
            with connected(ipv6) as pair:
                cookies += [cookie_of(sock) for sock in pair]
                say(*pair)
                say(*pair[::-1])
                pair.server.close()
                wait_until("the peer's FIN", lambda c=cookies[-2]: (
                    it.path(c)[-1:] == ["CLOSE-WAIT"]))
        endpoints.quiet(hosts)
        undisturbed = [c for c in cookies if _is_undisturbed(it, c)]
        assert undisturbed, "not one session without a disturbance"
        findings = _findings()
        for cookie in undisturbed:
            found = _of(findings, cookie)
            assert set(found) <= {"healthy", "silent", "application-limited",
                                  "cwnd-limited"}, found
            assert found["healthy"]["sentence"].startswith("nothing wrong: "), found
        assert "nothing wrong" in _text()
