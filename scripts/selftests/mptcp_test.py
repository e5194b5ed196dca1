# SPDX-License-Identifier: GPL-2.0
"""MPTCP: its subflows are TCP connections, but for what MPTCP keeps to itself.

Subflows share one window, which MPTCP puts into their headers in place of their own;
and accept() hands over MPTCP's socket, so that nothing tells when a subflow was accepted.
What cannot be known must not be told.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from endpoints import PORT, address_of, receive
from hosts import CLIENT, SERVER, TwoHosts
from inside import inside
from recorder import PATIENCE_S, Recorder, renoscope, told, wait_until
from renoscope_lib.ring.schema import Event
from renoscope_lib.words import connection

BYTES = 300_000
ROUNDS = 20
Pair = tuple[socket.socket, socket.socket]


def _mptcp_socket(host: str) -> socket.socket:
    with inside(host):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
    sock.settimeout(PATIENCE_S)
    return sock


@contextmanager
def _connected() -> Iterator[Pair]:
    """Both ends of MPTCP; the listener is closed while they live."""
    with ExitStack() as stack:
        listener = stack.enter_context(_mptcp_socket(SERVER))
        listener.bind((address_of(SERVER, False), PORT))
        listener.listen()
        client = stack.enter_context(_mptcp_socket(CLIENT))
        client.connect((address_of(SERVER, False), PORT))
        server = stack.enter_context(listener.accept()[0])
        server.settimeout(PATIENCE_S)
        yield client, server
        listener.close()


def _exchange(pair: Pair) -> None:
    """Much one way, then words to and fro."""
    client, server = pair
    sending = threading.Thread(target=client.sendall, args=(bytes(BYTES),))
    sending.start()
    assert receive(server, BYTES) == bytes(BYTES)
    sending.join()
    for _ in range(ROUNDS):
        server.sendall(b"x" * 100)
        receive(client, 100)
        client.sendall(b"y" * 100)
        receive(server, 100)


def _is_mptcp(it: Recorder, event: Event) -> bool:
    return "mptcp" in it.schema.bit_names("sock_flags", event["sock_flags"])


def test_subflows() -> None:
    """Acks, states and the end of subflows are told; no windows that were not on the wire"""
    with Recorder() as it, TwoHosts(delay_ms=5):
        with _connected() as pair:
            _exchange(pair)
        wait_until("both ends to be destroyed", lambda: len(
            [e for e in it.events("destroy") if PORT in (e["local_port"], e["remote_port"])
             and e["remote_port"]]) == 2)
        ours = [e for e in it.events() if PORT in (
            e.values.get("local_port"), e.values.get("remote_port"))]
        acks = [e for e in ours if e.kind == "ack"]
        assert acks and all(_is_mptcp(it, e) for e in acks), [
            e.values for e in acks if not _is_mptcp(it, e)][:3]
        assert len({e["cookie"] for e in acks}) == 2
        assert not [e.values for e in ours if e.kind == "zero_window"]
        completed = [e for e in ours if e.kind == "completed"]
        assert len(completed) == 1 and not [e for e in ours if e.kind == "accepted"]
        said = renoscope("explain").stdout
        assert "never accepted" not in said and "window was zero" not in said, said
        row, = (row for row in told("handshakes")["handshakes"] if row["opened_by"] == "peer")
        assert row["outcome"] == "established" and row["never_accepted"] is False, row


def test_further_subflow() -> None:
    """A client joins with a second address: its request becomes a subflow, and nobody reset it"""
    second, limits = "10.77.0.3", ("limits", "set", "subflows", "4", "add_addr_accepted", "4")
    with Recorder("events=default") as it, TwoHosts(delay_ms=5) as hosts:
        hosts.run(CLIENT, "ip", "addr", "add", f"{second}/24", "dev", "wire")
        for host in (CLIENT, SERVER):
            hosts.run(host, "ip", "mptcp", *limits)
        hosts.run(CLIENT, "ip", "mptcp", "endpoint", "add", second, "dev", "wire", "subflow")
        with _connected() as pair:
            _exchange(pair)
            wait_until("the request to join", lambda: it.events("request_end"))
            end, = it.events("request_end")
            assert it.schema.name_of("request_ending", end["request_ending"]) == "joined", end
            wait_until("the subflow", lambda: [
                e for e in it.events("state") if e["cookie"] == end["cookie"]
                and it.state_name(e["state"]) == "ESTABLISHED"])
            rows = {row["connection"]: row for row in told("handshakes")["handshakes"]}
            assert rows[connection(end["cookie"])]["outcome"] == "established", rows
            assert not it.events("reset_sent"), it.events("reset_sent")
            said = renoscope("explain").stdout
            assert "reset" not in said, said


def test_error_of_a_subflow() -> None:
    """connect() to a closed port: ECONNREFUSED is the subflow's, though MPTCP has taken it"""
    for kinds in ("default", "error"):
        # The RST comes when connect() has let go of MPTCP's socket.
        with Recorder(f"events={kinds}") as it, TwoHosts(delay_ms=50):
            with _mptcp_socket(CLIENT) as client:
                code = client.connect_ex((address_of(SERVER, False), PORT))
            assert code == errno.ECONNREFUSED, code
            wait_until("the error", lambda i=it: i.events("error"))
            errors = it.events("error")
            assert [e["sk_error"] for e in errors] == [errno.ECONNREFUSED], errors
            assert _is_mptcp(it, errors[0])
            assert {e.kind for e in it.events()} <= {"error", "mark"} or kinds == "default"
