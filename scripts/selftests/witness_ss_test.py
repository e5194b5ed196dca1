# SPDX-License-Identifier: GPL-2.0
"""ss as witness: what it says of a connection at rest is what the next record says.

Records are made before a segment, or a timer, changes anything. So ss looks at a
connection at rest, then something happens to it, and the first record of that must
say what ss said.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import endpoints
from endpoints import FAMILIES, PORT, Pair, connected, receive, relative, send_segments
from hosts import CLIENT, SERVER, TwoHosts
from recorder import Recorder, steady
from renoscope_lib.ring.schema import Event

UNREAD = 700
OF_CLOCKS = re.compile(r"last|timer|busy|rwnd_limited|delivery_rate")


def _look(hosts: TwoHosts, host: str) -> dict[str, str]:
    """ss -tine of the host's only established connection, as words."""
    lines = hosts.run(host, "ss", "-tineHO", "state", "established").splitlines()
    found = [line for line in lines if "sk:" in line]   # beside ss's own complaints
    assert len(found) == 1, lines
    shown = found[0]
    queues = shown.split()[:2]
    words = dict(word.split(":", 1) for word in shown.split() if ":" in word)
    flags = {word: "" for word in shown.split() if word in ("ts", "sack", "ecn")}
    return {**words, **flags, "recv_q": queues[0], "send_q": queues[1]}


def _steady_look(hosts: TwoHosts, host: str) -> dict[str, str]:
    """The same at rest; what counts time since something goes on counting."""
    def look() -> dict[str, str]:
        return {name: value for name, value in _look(hosts, host).items()
                if not OF_CLOCKS.match(name)}
    return steady(f"the {host}'s connection", look)


def _us(milliseconds: str) -> int:
    return round(float(milliseconds) * 1000)


def _part(name: str, number: int, convert: Callable[[str], int] = int,
          default: str = "0") -> Callable[[dict[str, str]], int]:
    """A part of a word like rtt:20.1/10.2 or wscale:7,7."""
    def part(shown: dict[str, str]) -> int:
        if name not in shown:
            return convert(default)
        return convert(re.split(r"[/,]", shown[name])[number])
    return part


def _bytes_acked(event: Event) -> int:
    """As the kernel counts them: our SYN is one, if we opened."""
    passive = event["sock_flags"] & 1
    return relative(event["snd_una"], event["snd_isn"]) - passive


# What ss says, and where it stands in a record.
SAME: dict[str, tuple[Callable[[dict[str, str]], int], Callable[[Event], int]]] = {
    "cookie": (lambda s: int(s["sk"], 16), lambda e: e["cookie"]),
    "cwnd": (_part("cwnd", 0), lambda e: e["cwnd"]),
    "ssthresh": (_part("ssthresh", 0, default=str(2**31 - 1)), lambda e: e["ssthresh"]),
    "srtt": (_part("rtt", 0, _us), lambda e: e["srtt_us"]),
    "rttvar": (_part("rtt", 1, _us), lambda e: e["rttvar_us"]),
    "minrtt": (_part("minrtt", 0, _us), lambda e: e["min_rtt_us"]),
    "rto": (_part("rto", 0, _us), lambda e: e["rto_us"]),
    "backoff": (_part("backoff", 0), lambda e: e["backoff"]),
    "mss": (_part("mss", 0), lambda e: e["mss"]),
    "snd_wscale": (_part("wscale", 0), lambda e: e["snd_wscale"]),
    "rcv_wscale": (_part("wscale", 1), lambda e: e["rcv_wscale"]),
    "snd_wnd": (_part("snd_wnd", 0), lambda e: e["snd_wnd"]),
    "bytes_acked": (_part("bytes_acked", 0), _bytes_acked),
    "bytes_received": (_part("bytes_received", 0),
                       lambda e: relative(e["rcv_nxt"], e["rcv_isn"]) - 1),
    "unacked": (_part("unacked", 0), lambda e: e["packets_out"]),
    "lost": (_part("lost", 0), lambda e: e["lost_out"]),
    "sacked": (_part("sacked", 0), lambda e: e["sacked_out"]),
    "retrans": (_part("retrans", 0), lambda e: e["retrans_out"]),
    "send queue": (_part("send_q", 0),
                   lambda e: relative(e["snd_nxt"], e["snd_una"])),
    "timestamps": (lambda s: int("ts" in s), lambda e: e["sock_flags"] >> 2 & 1),
    "SACK": (lambda s: int("sack" in s), lambda e: e["sock_flags"] >> 1 & 1),
    "ECN": (lambda s: int("ecn" in s), lambda e: e["sock_flags"] >> 4 & 1),
}


def _check_same(shown: dict[str, str], event: Event) -> None:
    differences = [f"{name}: ss {theirs(shown)}, record {ours(event)}"
                   for name, (theirs, ours) in SAME.items()
                   if theirs(shown) != ours(event)]
    assert not differences, f"{differences} {shown}"


def _next_record(it: Recorder, sock: socket.socket, kind: str,
                 happen: Callable[[], object]) -> Event:
    """The first record of a kind since something was made to happen."""
    before = len(endpoints.records(it, sock, kind))
    happen()
    return endpoints.await_records(it, sock, kind, before + 1)[before]


def _check_idle(it: Recorder, hosts: TwoHosts, pair: Pair, host: str) -> dict[str, str]:
    """One end, at rest; the other then sends a byte."""
    mine, other = pair.of(host), pair.of(SERVER if host == CLIENT else CLIENT)
    shown = _steady_look(hosts, host)
    _check_same(shown, _next_record(it, mine, "ack", lambda: other.send(b"!")))
    receive(mine, 1)
    return shown


def _use(pair: Pair) -> None:
    """Some traffic both ways, so that there is something to tell."""
    for sender, receiver in (pair, pair[::-1]):
        for _ in range(5):
            send_segments(sender, 4, 1000)
            receive(receiver, 4000)


def test_idle_connection() -> None:
    """ss: of an idle connection, each number it shows is the record's, both ends, both families"""
    with Recorder() as it, TwoHosts(delay_ms=10) as hosts:
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, "net.ipv4.tcp_slow_start_after_idle=0")
            hosts.sysctl(host, "net.ipv4.tcp_ecn=1")
        for ipv6 in FAMILIES:
            with connected(ipv6) as pair:
                _use(pair)
                for host in (SERVER, CLIENT):
                    shown = _check_idle(it, hosts, pair, host)
                    assert int(shown["cwnd"]) > 10 and float(
                        shown["minrtt"]) >= 20, shown


def test_receive_queue() -> None:
    """ss: bytes that no process has read are what rcv_nxt has beyond them"""
    with Recorder() as it, TwoHosts() as hosts, connected(False) as pair:
        pair.client.sendall(bytes(UNREAD))
        endpoints.await_records(it, pair.server, "ack", 1)
        shown = _steady_look(hosts, SERVER)
        event = _next_record(it, pair.server, "ack", lambda: pair.client.send(b"!"))
        assert int(shown["recv_q"]) == UNREAD == relative(
            event["rcv_nxt"], event["rcv_isn"]) - 1


def test_connection_in_trouble() -> None:
    """ss: of a connection that waits for its timer: lost, unacked, retrans, backoff, cwnd 1"""
    with Recorder() as it, TwoHosts(delay_ms=10) as hosts:
        for ipv6 in FAMILIES:
            with connected(ipv6) as pair:
                _use(pair)
                hosts.drop(SERVER, f"tcp dport {PORT}")
                send_segments(pair.client, 5, 1000)
                count = len(endpoints.await_records(it, pair.client, "rto", 3))
                shown = _look(hosts, CLIENT)
                assert len(endpoints.records(it, pair.client, "rto")) == count
                event = endpoints.await_records(it, pair.client, "rto", count + 1)[count]
                _check_same(shown, event)
                assert int(shown["backoff"]) == count == event["retransmits"]
                assert shown["cwnd"] == "1" and shown["lost"] != "0", shown
                hosts.stop_dropping(SERVER)
                receive(pair.server, 5000)
