# SPDX-License-Identifier: GPL-2.0
"""The congestion control as people choose it."""

from __future__ import annotations

import itertools
import os
import socket
import tempfile
from contextlib import ExitStack

import endpoints
from endpoints import (PORT, Pair, await_records, both_families, connected, receive,
                       records, say, word)
from hosts import CLIENT, SERVER, TwoHosts, run
from inside import cookie_of
from ktap_output import Skip
from recorder import PATIENCE_S, Recorder, wait_until
from renoscope_lib.machine.host import CONGESTION_CONTROLS as OURS
from renoscope_lib.ring.schema import Event

NAME = b"renoscope"
NOBODY = 65534

ALL = (*OURS, "reno", "cubic")
NO_THRESHOLD = 2**31 - 1
DELAY_MS = 50
TCPI_UNACKED = 24               # where tcpi_unacked is in struct tcp_info
# cwnd and ssthresh of a connection that has sent nothing yet.
INITIAL = {name: (10, NO_THRESHOLD) for name in ALL} | {"reno_textbook": (1, 16)}

# What a process without privileges does: connect and choose.
CHOOSE = """
import socket
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"renoscope")
print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16))
"""


def test_sysctl_and_ss() -> None:
    """Chosen by sysctl, new connections use it and ss -ti says so"""
    with Recorder(), TwoHosts() as hosts:
        allowed = run("sysctl", "-n", "net.ipv4.tcp_allowed_congestion_control")
        assert "renoscope" in allowed.split(), allowed
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, "net.ipv4.tcp_congestion_control=renoscope")
        server = hosts.start_ready(SERVER, "python3", "-c", _ONE_CONNECTION_SERVER)
        client = hosts.start_ready(CLIENT, "python3", "-c", _CLIENT)
        for host in (CLIENT, SERVER):
            shown = hosts.run(host, "ss", "-tinH", "state", "established")
            assert "renoscope" in shown, shown
        client.communicate("\n")
        server.communicate()


_ONE_CONNECTION_SERVER = """
import socket
listener = socket.create_server(("10.77.0.2", 5000))
print("listening", flush=True)
connection, peer = listener.accept()
connection.recv(1)
"""

_CLIENT = """
import socket, sys
s = socket.create_connection(("10.77.0.2", 5000))
print("connected", flush=True)
sys.stdin.readline()
s.close()
"""


def test_setsockopt() -> None:
    """setsockopt(TCP_CONGESTION) chooses it for one socket"""
    with Recorder(), socket.socket() as one, socket.socket() as other:
        one.setsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, NAME)
        chosen = one.getsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, 16)
        assert chosen.rstrip(b"\0") == NAME, chosen
        rest = other.getsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, 16)
        assert rest.rstrip(b"\0") != NAME, rest


def test_ordinary_user_in_child_namespace() -> None:
    """An ordinary user may choose it, in a network namespace of a child too"""
    with Recorder(), TwoHosts() as hosts:
        shown = hosts.run(CLIENT, "setpriv", f"--reuid={NOBODY}",
                          f"--regid={NOBODY}", "--clear-groups",
                          "python3", "-c", CHOOSE)
        assert "renoscope" in shown, shown


def test_user_namespace_sysctl() -> None:
    """An ordinary user's own network namespace may make it its default"""
    switch = "/proc/sys/kernel/unprivileged_userns_clone"
    if os.path.exists(switch) and open(switch).read().strip() != "1":
        raise Skip("user namespaces are switched off (kernel.unprivileged_userns_clone)")
    with Recorder():
        shown = run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                    "--clear-groups", "unshare", "--user", "--map-root-user",
                    "--net", "sh", "-c",
                    "echo renoscope > /proc/sys/net/ipv4/tcp_congestion_control"
                    " && cat /proc/sys/net/ipv4/tcp_congestion_control")
        assert shown.strip() == "renoscope", shown


# ---- switching -------------------------------------------------------------


def _choose(sock: socket.socket, name: str) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, name.encode())
    _check_name(sock, name)


def _check_name(sock: socket.socket, name: str) -> None:
    chosen = sock.getsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, 16)
    assert chosen.rstrip(b"\0").decode() == name, (chosen, name)


def _begins(it: Recorder, sock: socket.socket) -> list[Event]:
    """Where an algorithm of ours began for a socket."""
    return [e for e in records(it, sock, "reno_phase")
            if word(it, e, "reno_cause") == "begin"]


def _window(event: Event) -> tuple[int, int]:
    return event["cwnd"], event["ssthresh"]


def _check_begin(it: Recorder, sock: socket.socket, name: str) -> None:
    """One beginning, of ours alone, in slow start and with the right window."""
    begins = _begins(it, sock)
    assert len(begins) == (name in OURS), (name, begins)
    for event in begins:
        assert word(it, event, "phase") == "slow_start"
        assert word(it, event, "old_phase") == "none"
        assert _window(event) == INITIAL[name], (name, event.values)


def test_switch_live() -> None:
    """On a live socket, from each algorithm to each: cwnd stays, traffic goes on"""
    with Recorder() as it, TwoHosts(), both_families() as pairs:
        for pair in pairs:
            say(*pair, 5000)
            begins = 0
            for name in [name for two in itertools.permutations(ALL, 2) for name in two]:
                before = records(it, pair.client, "ack")[-1]
                _choose(pair.client, name)
                begins += name in OURS
                begun = _begins(it, pair.client)
                assert len(begun) == begins, (name, begun)
                if name in OURS:        # all was acknowledged, and cwnd not full
                    assert _window(begun[-1]) == _window(before), (name, begun[-1].values)
                say(*pair)
                say(*pair[::-1])


def test_switch_in_flight() -> None:
    """With data in flight, and then lost: what was sent stays sent and is sent again"""
    with Recorder() as it, TwoHosts() as hosts:
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, "net.ipv4.tcp_congestion_control=cubic")
        for name in ALL:
            with connected(False) as pair:
                say(*pair, 100)
                hosts.drop(SERVER, f"tcp dport {PORT}")
                endpoints.send_segments(pair.client, 5, 1000)
                # the kernel holds one back while those before it are in a queue (TSQ)
                wait_until("five segments on the way",
                           lambda sock=pair.client: endpoints.tcp_info(sock, TCPI_UNACKED) == 5)
                _choose(pair.client, name)
                await_records(it, pair.client, "rto", 2)
                _check_switch_in_loss(it, pair, name)
                hosts.stop_dropping(SERVER)
                receive(pair.server, 5000)
                say(*pair[::-1])
                _check_name(pair.client, name)


def _check_switch_in_loss(it: Recorder, pair: Pair, name: str) -> None:
    """Begun with five segments out; and once more when they are taken for lost."""
    _choose(pair.client, "reno" if name in OURS else "renoscope")
    _choose(pair.client, name)
    if name not in OURS:
        return
    begin, again = _begins(it, pair.client)
    assert begin["packets_out"] == 5 and begin["cwnd"] >= 10, begin.values
    assert word(it, again, "ca_state") == "Loss", again.values
    assert word(it, again, "phase") == "slow_start"
    assert _window(again) == (1, 5), again.values


def test_switch_before_connect() -> None:
    """Before connect(), as often as one likes: the last choice holds, from the start"""
    with Recorder() as it, TwoHosts():
        for name in ALL:
            with (endpoints.listen(SERVER, False) as listener,
                  endpoints.tcp_socket(CLIENT, False) as client):
                for choice in (*ALL, name):
                    _choose(client, choice)
                assert not _begins(it, client)
                client.connect(listener.getsockname())
                with listener.accept()[0] as server:
                    _check_name(client, name)
                    say(client, server, 50_000)
                    say(server, client)
                    _check_begin(it, client, name)
                    first = _data_acks(it, client)[0]
                    assert first["packets_out"] == INITIAL[name][0], first.values


def test_switch_in_syn_sent() -> None:
    """In SYN-SENT, or before a SYN that is lost: the window is right from the first packet on"""
    with Recorder() as it, TwoHosts() as hosts, ExitStack() as stack:
        hosts.most_segments_a_packet(1)    # a batch that is made up already goes whole
        listener = stack.enter_context(endpoints.listen(SERVER, False))
        hosts.drop(SERVER, f"tcp dport {PORT}")
        clients = []
        for name, late in itertools.product(ALL, (False, True)):
            client = stack.enter_context(endpoints.tcp_socket(CLIENT, False))
            clients.append((client, name))
            client.setblocking(False)
            if not late:
                _choose(client, name)
            client.connect_ex(listener.getsockname())
            for choice in ("reno_textbook", "cubic", name) if late else ():
                _choose(client, choice)
        hosts.stop_dropping(SERVER)
        for client, name in clients:
            _check_opened_late(it, client, name)


def _data_acks(it: Recorder, sock: socket.socket) -> list[Event]:
    """The ACKs of what it sent, but for the SYN."""
    return [e for e in records(it, sock, "ack")
            if it.state_name(e["state"]) == "ESTABLISHED" and e["packets_out"]]


def _check_opened_late(it: Recorder, client: socket.socket, name: str) -> None:
    wait_until("the connection", lambda: "ESTABLISHED" in it.path(cookie_of(client)))
    assert not records(it, client, "reno_reduction", "reno_undo")   # none of ours
    if name != "cubic":
        assert records(it, client, "ca_state")[0]["ssthresh"] == 5, name
    client.settimeout(PATIENCE_S)
    _check_name(client, name)
    client.sendall(bytes(50_000))
    wait_until("an ACK", lambda: _data_acks(it, client))
    first = _data_acks(it, client)[0]
    assert first["packets_out"] == INITIAL[name][0], (name, first.values)
    assert _window(first) == INITIAL[name], (name, first.values)


def test_switch_listener() -> None:
    """On a listener, before listen() and after: children inherit what held then"""
    with Recorder() as it, TwoHosts(), ExitStack() as stack:
        listener = stack.enter_context(endpoints.tcp_socket(SERVER, False))
        listener.settimeout(PATIENCE_S)
        _choose(listener, ALL[-1])
        listener.bind((endpoints.address_of(SERVER, False), PORT))
        listener.listen()
        children = []
        for name in (ALL[-1], *ALL):
            _choose(listener, name)
            client = stack.enter_context(endpoints.tcp_socket(CLIENT, False))
            client.connect(listener.getsockname())
            child = stack.enter_context(listener.accept()[0])
            children.append((child, name))
            say(child, client, 50_000)
            _check_begin(it, child, name)
        for child, name in children:
            _check_name(child, name)
        assert not _begins(it, listener)


def _fast_open(it: Recorder, listener: socket.socket, name: str, late: bool) -> None:
    """Data goes with the SYN; the algorithm is chosen before that, or just after."""
    _choose(listener, name)
    with endpoints.tcp_socket(CLIENT, False) as client:
        if not late:
            _choose(client, name)
        client.setblocking(False)
        client.sendto(b"x", socket.MSG_FASTOPEN, listener.getsockname())
        if late:
            _choose(client, name)
        client.settimeout(PATIENCE_S)
        with listener.accept()[0] as child:
            receive(child, 1)
            say(child, client, 50_000)
            say(client, child, 50_000)
            for sock in (client, child):
                _check_name(sock, name)
            _check_begin(it, child, name)
            first = _data_acks(it, client)[0]
            assert it.schema.bit_names("sock_flags", first["sock_flags"])[-1] == "fastopen"
            assert first["ssthresh"] == NO_THRESHOLD and first["cwnd"] >= 10, first.values
            assert len(_begins(it, client)) == (name in OURS)


def _fetch_cookie(listener: socket.socket) -> None:
    with endpoints.tcp_socket(CLIENT, False) as client:
        client.sendto(b"x", socket.MSG_FASTOPEN, listener.getsockname())
        listener.accept()[0].close()


def test_switch_fast_open() -> None:
    """TCP Fast Open: the listener's child begins anew; who sent with the SYN keeps its window"""
    with Recorder() as it, TwoHosts(DELAY_MS) as hosts:
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, "net.ipv4.tcp_fastopen=3")
        with endpoints.listen(SERVER, False, (
                socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)) as listener:
            _fetch_cookie(listener)
            for name in ALL:
                for late in (False, True):
                    _fast_open(it, listener, name, late)


def test_switch_while_looked_at() -> None:
    """Switched all the time while ss looks on: no harm, and the names are seen"""
    with (Recorder(), TwoHosts() as hosts, connected(False) as pair,
          tempfile.NamedTemporaryFile("r") as shown):
        hosts.start(CLIENT, "sh", "-c", f"while :; do ss -tinH; done > {shown.name}")
        last = itertools.cycle(ALL)

        def all_seen() -> bool:
            for name in (*ALL, next(last)):
                _choose(pair.client, name)
                say(*pair)
            shown.seek(0)
            return set(ALL) <= set(shown.read().split())
        wait_until("ss to show each name", all_seen)
