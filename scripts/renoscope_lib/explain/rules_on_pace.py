# SPDX-License-Identifier: GPL-2.0
"""Rules on what set a sender's pace: pace.py has measured it."""

from __future__ import annotations

from collections.abc import Iterator

from ..tcp.life import US
from ..tcp.sequence import is_as_large_as_can_be
from ..views.pace import (CWND, GROWN_FACTOR, MISSED, OWN_CLOSED, RECEIVER, RECOVERING, ROOMY,
                          SILENT, STOPPED, UNKNOWN, UNSENT, Sender)
from ..words import connection, often, share
from .finding import (FINE, LET_OUT, NO_SCALING, NOTEWORTHY, SCALE, SCALING_GIST, TROUBLE,
                      Clock, Finding, Subject, brief, look)

# A queue on the path: round trips stood so long above what is normal, and so far.
GROWN_FOR_NS = 500_000_000
MUCH_GROWN_FACTOR = 10

# A round trip that no distance on Earth explains: half of it through fibre is
# 20000 km in 100 ms.
LONG_RTT_US = 300_000

# A SYN goes again after a second (TCP_TIMEOUT_INIT): from then on its answer may be
# to either.
SYN_TIMEOUT_US = 1_000_000

# Less than this is not worth a word on what held it back.
WORTH_NS = 500_000_000
MOSTLY = 0.5
NEARLY_ALL = 0.8
REPAIRS_WORTH = 0.1

# What tells those apart that may hold a sender back with room in both windows.
ROOMY_LOOK = ("on this host, while it lasts: ss -ti. sndbuf_limited is the time that its send "
              "buffer was too small; app_limited without that: its program; delivery_rate near "
              "pacing_rate: pacing; busy far less than the connection's age: its program again; "
              "else Nagle (TCP_NODELAY)")

# What stays here so long is felt.
LONG_UNSENT_NS = 1_000_000_000


def findings(flow: Sender, knows_acks: bool, subject: Subject,
             clock: Clock) -> Iterator[Finding]:
    """What set its pace; without ACKs it is known at too few moments."""
    yield from _bufferbloat(flow, subject, clock)
    yield from _long_path(flow, subject)
    yield from _unsent(flow, subject, clock)
    if knows_acks:
        yield from _missed(flow, subject, clock)
        yield from _held_back(flow, subject)


def _bufferbloat(flow: Sender, subject: Subject,
                 clock: Clock) -> Iterator[Finding]:
    if flow.grown_ns < GROWN_FOR_NS:
        return
    much = flow.grown_rtt_us >= MUCH_GROWN_FACTOR * flow.grown_min_us
    yield Finding(
        "bufferbloat", TROUBLE if much else NOTEWORTHY, subject,
        f"round trips grew from {brief(flow.grown_min_us)} to "
        f"{brief(flow.grown_rtt_us)} while {flow.grown_segments} segments were "
        "on their way: these wait in a queue on the path (bufferbloat), the "
        "path has become longer, or the peer is late with its ACKs",
        "a queue on the path, or late ACKs",
        (f"{clock.at(flow.grown_at_ns)} srtt {brief(flow.grown_rtt_us)}, min RTT "
         f"{brief(flow.grown_min_us)}, {flow.grown_segments} segments on their "
         "way",
         f"srtt stood above {GROWN_FACTOR} times min RTT for "
         f"{brief(flow.grown_ns // 1000)}"),
        "at the bottleneck: tc qdisc replace dev DEV root fq_codel (or cake)\n"
        + look("losses", subject, "-v"),
        flow.grown_at_ns)


def _long_path(flow: Sender, subject: Subject) -> Iterator[Finding]:
    """A handshake alone may tell of more than its path.

    Of a passive one the time until the last ACK is taken: that may have been lost, or
    TCP_DEFER_ACCEPT may have waited for data. And so may the only ACK after it have been.
    """
    opening_tells = subject.opened_by == US and flow.min_rtt_us < SYN_TIMEOUT_US
    if flow.min_rtt_us >= LONG_RTT_US and (opening_tells or flow.measured_after_opening):
        why = ("the path is long, or the peer's host is slow to answer"
               if opening_tells or flow.srtts > 2 else
               "the path is long, the peer's host is slow to answer, or an ACK was lost: "
               "only one was measured since the handshake")
        yield Finding(
            "long-path", NOTEWORTHY, subject,
            f"no round trip was shorter than {brief(flow.min_rtt_us)}: {why}", "",
            (f"min RTT {brief(flow.min_rtt_us)}",),
            "ping the peer: does the path itself take so long?")


def _unsent(flow: Sender, subject: Subject, clock: Clock) -> Iterator[Finding]:
    if not flow.tries_failed:
        return
    unsent_ns = flow.held_ns[UNSENT]
    yield Finding(
        "unsent", TROUBLE if unsent_ns >= LONG_UNSENT_NS else NOTEWORTHY, subject,
        f"what was to be sent did not leave this host for {brief(unsent_ns // 1000)} at "
        f"least: the persist timer tried {often(flow.tries_failed)} in vain, with room in "
        "the peer's window. Most likely the output firewall dropped it, a queue was "
        "full, or there was no route",
        "most likely the output firewall, a full queue, or no route",
        (f"{clock.at(flow.unsent_at_ns)} the persist timer tries to send, and nothing "
         "goes",), f"{LET_OUT}\n{look('show', subject)}", flow.unsent_at_ns,
        unsent_ns // 1000)


def _missed(flow: Sender, subject: Subject, clock: Clock) -> Iterator[Finding]:
    missed_ns = flow.held_ns[MISSED]
    if missed_ns < WORTH_NS:
        return
    peer = connection(flow.peer_cookie)
    yield Finding(
        "not-arrived", NOTEWORTHY, subject,
        f"nothing new came for {brief(missed_ns // 1000)} while the peer sent again, or "
        f"tried to ({peer}, its end, is recorded, too): that was lost or late",
        "",
        (f"{clock.at(flow.missed_at_ns)} {peer} sends again, and nothing comes",
         *_shares(flow)),
        f"renoscope explain FILE --connection {flow.peer_cookie:x}",
        flow.missed_at_ns, missed_ns // 1000)


def _shares(flow: Sender) -> tuple[str, ...]:
    """How the time divides, as far as it is known."""
    names = {CWND: "cwnd was full, or nearly", RECEIVER: "the peer's window was full",
             STOPPED: "the peer's window was zero",
             OWN_CLOSED: "our window was zero",
             UNSENT: "what was to be sent did not leave this host",
             SILENT: "silence: nothing of ours on its way, nothing new came",
             MISSED: "nothing new came while the peer's end sent again",
             RECOVERING: "repairing losses",
             ROOMY: "both windows had room, with something of ours on its way",
             UNKNOWN: "pauses too short to be silence"}
    return tuple(
        f"{brief(flow.held_ns[name] // 1000):>8} "
        f"({share(flow.held_ns[name], flow.known_ns)}) {words}"
        for name, words in names.items() if flow.held_ns[name])


def _repairs(flow: Sender) -> str:
    """What it cost to make good for losses, where that is much."""
    repaired_ns = flow.held_ns[RECOVERING]
    if repaired_ns < REPAIRS_WORTH * flow.known_ns:
        return ""
    return (f"; losses kept it small, and {brief(repaired_ns // 1000)} "
            f"({share(repaired_ns, flow.known_ns)}) went into repairing them")


def _held_back(flow: Sender, subject: Subject) -> Iterator[Finding]:
    known, held = flow.known_ns, flow.held_ns
    if known < WORTH_NS:
        return
    busy = known - held[SILENT] - held[MISSED]
    if held[RECEIVER] >= max(MOSTLY * busy, WORTH_NS / 2):
        yield _receiver_limited(flow, subject)
    elif held[CWND] >= max(MOSTLY * busy, WORTH_NS / 2):
        yield Finding(
            "cwnd-limited", FINE, subject,
            f"its pace was set by cwnd for {brief(held[CWND] // 1000)} "
            f"({share(held[CWND], known)} of the time): as fast as congestion "
            f"control lets it, with cwnd up to {flow.cwnd_most} segments meanwhile"
            f"{_repairs(flow)}", "", _shares(flow),
            look("cwnd", subject))
    elif held[SILENT] >= max(NEARLY_ALL * known, WORTH_NS):
        yield Finding(
            "silent", FINE, subject,
            f"silent for {brief(held[SILENT] // 1000)} at least "
            f"({share(held[SILENT], known)} of the time): nothing of ours was on its "
            "way, no window was closed, nothing new came. The peer sent nothing, or it "
            "did not arrive", "",
            (*_shares(flow), "longest silence: "
             f"{brief(flow.silence_ns // 1000)}"),
            look("show", subject))
    elif held[ROOMY] >= max(MOSTLY * known, WORTH_NS):
        yield _application_limited(flow, subject)


def _application_limited(flow: Sender, subject: Subject) -> Finding:
    """What RFC 7661 calls so, and tcpi_rate_app_limited: less is sent than cwnd allows."""
    held = flow.held_ns[ROOMY]
    return Finding(
        "application-limited", FINE, subject,
        f"less was sent than cwnd and the peer's window allowed for {brief(held // 1000)} "
        f"({share(held, flow.known_ns)} of the time): {flow.roomy_out} of {flow.roomy_cwnd} "
        "segments on their way at the most. No window and no loss held it back: its program "
        "gave too little to send, or its send buffer (SO_SNDBUF), pacing or Nagle did",
        "neither window nor losses held it back", _shares(flow), ROOMY_LOOK)


def _receiver_limited(flow: Sender, subject: Subject) -> Finding:
    held = flow.held_ns[RECEIVER]
    windows = (f"{flow.rwnd_least}" if flow.rwnd_least == flow.rwnd_most
               else f"{flow.rwnd_least} to {flow.rwnd_most}")
    why, gist, next_step = (
        (f"; {NO_SCALING}", SCALING_GIST, SCALE)
        if is_as_large_as_can_be(flow.rwnd_most, flow.scales) else
        (", too few for this path, or its program reads slowly",
         "the peer's receive window is full",
         "on the peer: raise net.ipv4.tcp_rmem, or SO_RCVBUF if its program sets it"))
    return Finding(
        "receiver-limited", NOTEWORTHY, subject,
        f"held back by the peer's receive window for {brief(held // 1000)} "
        f"({share(held, flow.known_ns)} of the time): it advertises {windows} "
        f"bytes{why}", gist, _shares(flow), f"{next_step}\n{look('windows', subject)}",
        cost_us=held // 1000)
