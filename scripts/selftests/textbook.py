# SPDX-License-Identifier: GPL-2.0
"""The textbook's Reno, live: a sender that only cwnd holds back, over 100 ms.

The kernel's TCP is wiser than the textbook in many ways. What the figure does not
have is switched off, on these hosts alone:

	tcp_recovery=0		RACK, which tells losses by time and not by counting
	tcp_early_retrans=0	tail loss probes
	tcp_frto=0		F-RTO, which suspects timeouts
	tcp_sack=0		so that duplicate ACKs are all the sender is told
	tcp_timestamps=0	by which the kernel sees that a loss was none
	quickack		every segment is acknowledged, at once
	rto_min			far above what an emulated machine may stand still
	gso_max_segs 1		a segment is a packet: no batches, here or there

All data lies in the sender's queue from the beginning, and the receiver reads
nothing and has room for everything: neither of the two programs takes part.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import endpoints
from endpoints import PORT, SO_RCVBUFFORCE, SO_SNDBUFFORCE, Pair, await_records, records
from hosts import CLIENT, SERVER, TwoHosts, run
from inside import abort
from recorder import PATIENCE_S, Recorder
from renoscope_lib.ring.schema import Event

NAME = b"reno_textbook"
DELAY_MS = 50                   # each way
SEGMENT_BYTES = 1000
SEGMENTS = 400                  # more than either figure needs
ROOM_BYTES = 4 << 20
RTO_MIN_S = 5
DATA = f"tcp dport {PORT} meta length > {SEGMENT_BYTES}"

INITIAL_SSTHRESH = 16
LOSS_AT = 24
# cwnd by round trip, up to the loss.
CLIMB = [1, 2, 4, 8, *range(INITIAL_SSTHRESH, LOSS_AT + 1)]
SENT_BEFORE = sum(CLIMB[:-1])   # segments sent before the round at LOSS_AT

WHOLE_WINDOW = range(SENT_BEFORE, SENT_BEFORE + LOSS_AT)
# The window's first segment gets through, so that its round is seen to begin.
ONE_SEGMENT = range(SENT_BEFORE + 1, SENT_BEFORE + 2)

SETTINGS = ("tcp_recovery=0", "tcp_early_retrans=0", "tcp_frto=0", "tcp_sack=0",
            "tcp_timestamps=0", "tcp_ecn=0", "tcp_no_metrics_save=1",
            "tcp_wmem=4096 16384 8388608", "tcp_rmem=4096 131072 8388608")


@contextmanager
def bare_hosts() -> Iterator[TwoHosts]:
    """Two hosts, 100 ms apart, that do no more than the textbook."""
    with TwoHosts(DELAY_MS) as hosts:
        hosts.set_offloads(False)
        for host in (CLIENT, SERVER):
            run("ip", "-n", host, "route", "change", "10.77.0.0/24", "dev", "wire",
                "rto_min", f"{RTO_MIN_S}s", "quickack", "1")
            for setting in SETTINGS:
                hosts.sysctl(host, f"net.ipv4.{setting}")
        yield hosts


@contextmanager
def sending(hosts: TwoHosts, lost: range, algorithm: bytes = NAME) -> Iterator[Pair]:
    """A connection that sends; of its segments, counted from 0, some are lost.

    Its window opens while the test looks on; leaving ends it with a RST.
    """
    hosts.drop(SERVER, f"{DATA} numgen inc mod 1000000 {lost[0]}-{lost[-1]}")
    sender = ((socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES),
              (socket.SOL_SOCKET, SO_SNDBUFFORCE, ROOM_BYTES))
    receiver = ((socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM_BYTES),)
    with ExitStack() as stack:
        listener = stack.enter_context(endpoints.listen(SERVER, False, *receiver))
        client = stack.enter_context(endpoints.tcp_socket(CLIENT, False, *sender))
        client.setsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, algorithm)
        client.settimeout(PATIENCE_S)
        client.connect(listener.getsockname())
        server = stack.enter_context(listener.accept()[0])
        client.sendall(bytes(SEGMENTS * SEGMENT_BYTES))
        yield Pair(client, server)
        abort(client)


def play(it: Recorder, hosts: TwoHosts, lost: range, rounds: int) -> list[Event]:
    """The sender's events, until so many round trips have begun."""
    with sending(hosts, lost) as pair:
        last = await_records(it, pair.client, "reno_round", rounds)[rounds - 1]
        return [event for event in records(it, pair.client)
                if event["time_ns"] <= last["time_ns"]]
