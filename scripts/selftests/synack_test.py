# SPDX-License-Identifier: GPL-2.0
"""SYN-ACK retransmission: the waits, their number, who sent them."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import counters
import sessions
from hosts import CLIENT, SERVER, TwoHosts
from inside import inside
from provoke import lose_third_segment
from recorder import Recorder, told, wait_until
from renoscope_lib.ring.schema import Event

# The kernel's timers run in jiffies of 4 ms, an emulated CPU adds its own
# delays; a wrong doubling would be off by a factor of two.
FACTOR = 1.5


def _about(seen_us: float, expected_us: float) -> bool:
    return expected_us * 0.9 <= seen_us <= expected_us * FACTOR


def _check_waits(events: list[Event]) -> None:
    first, second = events[:2]
    assert [e["num_retrans"] for e in events[:2]] == [0, 1]
    assert all(e["by_timer"] for e in events[:2])
    assert first["synack_timeout_us"] == 1_000_000
    assert [e["rto_us"] for e in events[:2]] == [2_000_000, 4_000_000]
    assert _about(first["since_synack_us"], 1_000_000), first.values
    waited = (second["time_ns"] - first["time_ns"]) / 1000
    assert _about(waited, 2_000_000), waited
    assert len({(e["cookie"], e["snd_isn"], e["rcv_isn"]) for e in events}) == 1
    for event in events:
        assert event["half_open"] == 1 and event["accept_queue"] == 0
        assert event["max_retries"] == 5


def test_backoff_ipv4() -> None:
    """Third segment lost, IPv4: waits of 1 s, 2 s, 4 s, attempts 1 and 2"""
    with Recorder() as it, TwoHosts() as hosts:
        _check_waits(lose_third_segment(it, hosts, 2))


def test_backoff_ipv6() -> None:
    """Third segment lost, IPv6: waits of 1 s, 2 s, 4 s, attempts 1 and 2"""
    with Recorder() as it, TwoHosts() as hosts:
        _check_waits(lose_third_segment(it, hosts, 2, ipv6=True))


def test_one_id_from_request_to_end() -> None:
    """The request's id is the connection's, until it is destroyed"""
    with Recorder() as it, TwoHosts() as hosts:
        request = lose_third_segment(it, hosts, 1)[0]
        wait_until("the end", lambda: any(
            e["cookie"] == request["cookie"] for e in it.events("destroy")))
        path = it.path(request["cookie"])
        assert path[0] == "ESTABLISHED" and path[-1] == "CLOSED", path


def test_duplicate_syn() -> None:
    """SYN-ACK lost: the client's second SYN gets one that is not the timer's"""
    with Recorder() as it, TwoHosts() as hosts:
        hosts.drop(CLIENT, "tcp sport 5000 tcp flags & syn == syn")
        server = sessions.start_server(hosts)
        client = sessions.start_client(hosts)
        wait_until("a SYN-ACK for a duplicate SYN", lambda: any(
            not e["by_timer"] for e in it.events("synack_retransmit")))
        hosts.stop_dropping(CLIENT)
        sessions.finish(client)
        sessions.finish(server)
        for event in it.events("synack_retransmit"):
            doublings = event["num_timeout"] + event["by_timer"]
            assert event["rto_us"] == 1_000_000 << doublings, event.values


def test_deferred_accept() -> None:
    """TCP_DEFER_ACCEPT, a silent client: the timer fires once without sending, so the wait is of 1 s + 2 s, and told to be the last ACK's"""
    with Recorder() as it, TwoHosts() as hosts, ExitStack() as opened:
        with inside(SERVER):
            listener = opened.enter_context(socket.socket())
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 3)
        listener.bind((sessions.address_of_server(False), sessions.PORT))
        listener.listen(8)
        with inside(CLIENT):
            client = opened.enter_context(socket.socket())
        client.connect(listener.getsockname())
        wait_until("the SYN-ACK sent again", lambda: bool(it.events("synack_retransmit")))
        wait_until("the connection", lambda: bool(it.events("completed")))
        again = it.events("synack_retransmit")[0]
        assert (again["num_retrans"], again["num_timeout"]) == (0, 1), again.values
        assert counters.nstat(hosts, SERVER)["TcpExtTCPDeferAcceptDrop"] >= 1
        seen = told("handshakes")
        wait = seen["synack_retransmits"][0]
        assert wait["predicted_us"] == 3_000_000, wait
        assert _about(wait["waited_us"], 3_000_000), wait
        why, = (row["why"] for row in seen["handshakes"] if row["opened_by"] == "peer")
        assert "the last ACK came, and TCP_DEFER_ACCEPT waited for data" in why, why


def test_handshakes_view() -> None:
    """`renoscope handshakes`: of each SYN-ACK sent again the wait predicted, and the wait seen"""
    with Recorder() as it, TwoHosts() as hosts:
        again = lose_third_segment(it, hosts, 2)
        rows = told("handshakes")["synack_retransmits"]
        assert [(row["attempt"], row["by"]) for row in rows] == [
            (number, "timer") for number in range(1, len(again) + 1)], rows
        for row, predicted_us in zip(rows, (1_000_000, 2_000_000)):
            assert row["predicted_us"] == predicted_us, rows
            assert _about(row["waited_us"], predicted_us), rows
