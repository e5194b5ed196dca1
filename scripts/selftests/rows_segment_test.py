# SPDX-License-Identifier: GPL-2.0
"""Rows M3, M13 and M14: numbers of segments, their header and options, the analyst's view."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

import endpoints
from capture import MARKER_PORT, RELATIVE, Capture, need_witness
from crafted import CraftedPeer, Segment
from endpoints import (FAMILIES, PORT, Pair, await_records, both_families, connected,
                       quiet, receive, records, relative, say, send_segments)
from hosts import CLIENT, SERVER, TwoHosts
from inside import cookie_of
from raw_tcp import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG
from recorder import Recorder, wait_until
from renoscope_lib.ring.schema import Event
from troubles import ONCE

WRAP = 2**32
SIZE = 1000
COUNT = 10
TEXTBOOK_ISN = 2712239078
TEXTBOOK_BYTES = 960
CRAFTED_PORT = 4000
DELAY_MS = 40


# ---- M3 ------------------------------------------------------------------


def _arrivals(it: Recorder, sock: socket.socket) -> list[Event]:
    """The data segments that reached one end."""
    return [e for e in records(it, sock, "ack") if e["seg_len"]]


def _places(events: list[Event]) -> list[int]:
    """Relative sequence numbers, counted in segments of SIZE."""
    return [relative(e["seg_seq"], e["rcv_isn"]) // SIZE for e in events]


def _expected_places(events: list[Event]) -> list[int]:
    """Which segment would have been the next, at each arrival."""
    return [relative(e["rcv_nxt"], e["rcv_isn"]) // SIZE for e in events]


def _check_gap(it: Recorder, pair: Pair, lost: int) -> None:
    """The lost segment leaves a gap, it comes last and fills it."""
    arrivals = _arrivals(it, pair.server)
    others = [place for place in range(COUNT) if place != lost]
    assert _places(arrivals) == [*others, lost], _places(arrivals)
    assert _expected_places(arrivals) == [min(place, lost) for place in others] + [lost]
    again, = records(it, pair.client, "retransmit")
    assert relative(again["seg_seq"], again["snd_isn"]) == 1 + lost * SIZE
    for sock, field, at_rest in ((pair.client, "snd_isn", "SYN-SENT"),
                                 (pair.server, "rcv_isn", "SYN-RECEIVED")):
        numbers = {e[field] for e in records(it, sock)
                   if it.state_name(e["state"]) != at_rest and e[field]}
        assert len(numbers) == 1, (field, numbers)


def test_m3_wrap_around() -> None:
    """M3: numbers that pass 2^32: relative ones go on, the gap of a lost segment is seen"""
    isn = WRAP - 1 - 3 * SIZE - SIZE // 2   # so the segment in place 3 lies across
    lost = 3
    with Recorder() as it, TwoHosts(DELAY_MS) as hosts:
        hosts.sysctl(CLIENT, "net.ipv4.tcp_early_retrans=0")
        hosts.drop(SERVER, f"tcp dport {PORT} ip version 4 tcp sequence "
                   f"{isn + 1 + lost * SIZE} {ONCE}")
        hosts.drop(SERVER, f"tcp dport {PORT} ip6 version 6 tcp sequence "
                   f"{isn + 1 + lost * SIZE} {ONCE}")
        with both_families(isn=isn) as pairs:
            for pair in pairs:
                send_segments(pair.client, COUNT, SIZE)
            for pair in pairs:
                receive(pair.server, COUNT * SIZE)
                say(*pair[::-1])
                last = records(it, pair.client, "ack")[-1]
                assert last["snd_isn"] == isn and last["snd_una"] < isn
                assert relative(last["snd_una"], isn) == 1 + COUNT * SIZE
                _check_gap(it, pair, lost)


def test_m3_textbook_numbers() -> None:
    """M3: ISN 2712239078: then 2712239079; 960 bytes make it 2712240039; a FIN one more"""
    first, end = TEXTBOOK_ISN + 1, TEXTBOOK_ISN + 1 + TEXTBOOK_BYTES
    with Recorder() as it, TwoHosts() as hosts, both_families(isn=TEXTBOOK_ISN) as pairs:
        for pair in pairs:
            client, server = (cookie_of(sock) for sock in pair)
            say(*pair, TEXTBOOK_BYTES)
            pair.client.close()
            assert not pair.server.recv(1)
            pair.server.close()
            wait_until("the end", lambda c=client: records(it, c, "time_wait"))
            at_server = records(it, server, "ack")
            assert (at_server[0]["seg_seq"], at_server[0]["seg_ack"]) == (
                first, (at_server[0]["snd_isn"] + 1) % WRAP)
            assert [e["seg_seq"] for e in at_server if e["seg_len"]] == [first]
            assert [e["seg_seq"] for e in at_server
                    if e["seg_flags"] & FIN] == [end]
            acknowledged = {e["seg_ack"] for e in records(it, client, "ack")}
            assert {end, end + 1} <= acknowledged, acknowledged
        quiet(hosts)


def test_m3_reordering() -> None:
    """M3: every fifth segment overtakes: it is seen ahead of its turn, and nothing sent again"""
    with Recorder() as it, TwoHosts() as hosts:
        hosts.most_segments_a_packet(1)
        # Patience: three that overtook would look like a loss.
        for setting in ("tcp_early_retrans=0", "tcp_recovery=0",
                        "tcp_reordering=200"):
            hosts.sysctl(CLIENT, f"net.ipv4.{setting}")
        hosts.netem(CLIENT, f"delay {DELAY_MS}ms reorder 100% gap 5")
        with both_families() as pairs:
            for pair in pairs:
                send_segments(pair.client, COUNT, SIZE)
                receive(pair.server, COUNT * SIZE)
                arrivals = _arrivals(it, pair.server)
                places = _places(arrivals)
                assert sorted(places) == list(range(COUNT)), places
                ahead = [place for place, expected in zip(
                    places, _expected_places(arrivals)) if place > expected]
                assert len(places) > len(ahead) > 0, places
                assert not records(it, pair.client, "retransmit", "rto")


# ---- M13 -----------------------------------------------------------------

END, NOP = b"\x00", b"\x01"
SACK_PERMITTED = bytes([4, 2])
UNKNOWN = bytes([253, 4, 0xf9, 0x89])   # for experiments, RFC 4727


def _mss(size: int) -> bytes:
    return struct.pack("!BBH", 2, 4, size)


def _wscale(shift: int) -> bytes:
    return bytes([3, 3, shift])


def _timestamps(value: int, echo: int) -> bytes:
    return struct.pack("!BBII", 8, 10, value, echo)


def _sack(*edges: int) -> bytes:
    return struct.pack(f"!BB{len(edges)}I", 5, 2 + 4 * len(edges), *edges)


class Options(NamedTuple):
    """What the options of a segment say, as a record can tell it."""

    flags: tuple[str, ...] = ()
    mss: int = 0
    wscale: int = 0
    stamps: tuple[int, int] = (0, 0)
    sack: tuple[int, ...] = ()


def _options(it: Recorder, event: Event) -> Options:
    names = it.schema.bit_names("segment_flags", event["segment_flags"])
    edges = [event[f"sack{n}_{side}"] for n in (1, 2, 3) for side in ("left", "right")]
    stamps = event["tsval"], event["tsecr"]
    blocks = event["sack_blocks"]
    if blocks == 4:                     # the fourth lies where timestamps would
        edges, stamps = [*edges, *stamps], (0, 0)
    return Options(tuple(n for n in names if n not in ("outgoing", "unverified")),
                   event["option_mss"], event["option_wscale"], stamps,
                   tuple(edges[:2 * blocks]))


def _session(seq: int, ack: int) -> list[tuple[Segment, Options]]:
    """Segments behind the handshake that have every flag and every option."""
    nops = NOP * 2
    right = seq + 100                   # nothing is sent between: a gap stays
    return [
        (Segment(seq, ack, ACK | PSH | URG, 511,
                 nops + _timestamps(1001, 0), b"urgent", urgent=5),
         Options(("timestamps",), stamps=(1001, 0))),
        (Segment(seq + 6, ack, ACK | ECE | CWR, 512,
                 nops + _timestamps(1002, 0) + UNKNOWN + END, b"marked"),
         Options(("timestamps", "other"), stamps=(1002, 0))),
        (Segment(right, ack, ACK, 513,
                 nops + _timestamps(1003, 0) + nops + _sack(1, 2, 3, 4, 5, 6), b"ahead"),
         Options(("timestamps",), stamps=(1003, 0), sack=(1, 2, 3, 4, 5, 6))),
        (Segment(seq + 12, ack, ACK, 514,
                 nops + _sack(1, 2, 3, 4, 5, 6, 7, 8)),
         Options((), sack=(1, 2, 3, 4, 5, 6, 7, 8))),
        (Segment(seq + 12, ack, ACK | FIN, 515,
                 nops + _timestamps(1004, 0)),
         Options(("timestamps",), stamps=(1004, 0))),
        (Segment(seq + 13, ack, RST, 0), Options()),
    ]


def _same_header(event: Event, sent: Segment) -> None:
    """Every field of the header."""
    words = 5 + (len(sent.options) + 3) // 4
    seen = (event["seg_seq"], event["seg_ack"], event["seg_flags"], event["seg_window"],
            event["urgent_pointer"], event["seg_len"], event["header_words"])
    assert seen == (sent.seq % WRAP, sent.ack % WRAP, sent.flags, sent.window,
                    sent.urgent, len(sent.data), words), (seen, sent)


def _crafted_session(it: Recorder, ipv6: bool, wscale: int) -> None:
    isn = 0xfffffff0                    # the session passes 2^32
    opening = _mss(1400) + SACK_PERMITTED + _timestamps(1000, 0) + NOP + _wscale(wscale)
    syn = Segment(isn, 0, SYN | ECE | CWR, 65535, opening)
    with (endpoints.listen(SERVER, ipv6) as listener,
          CraftedPeer(ipv6, CRAFTED_PORT, PORT) as peer):
        peer.send(syn)
        answer = peer.hear(SYN | ACK)
        third = Segment(isn + 1, answer.seq + 1, ACK, 510,
                        NOP * 2 + _timestamps(1000, 0))
        peer.send(third)
        with listener.accept()[0] as sock:
            rest = _session(isn + 1, answer.seq + 1)
            for segment, _said in rest:
                peer.send(segment)
            await_records(it, sock, "reset_received")
            expected = [
                (syn, Options(("mss", "wscale", "sack_permitted", "timestamps"),
                              1400, wscale, (1000, 0))),
                (third, Options(("timestamps",), stamps=(1000, 0))), *rest]
            _check_session(it, sock, ipv6, answer, expected)


def _check_session(it: Recorder, sock: socket.socket, ipv6: bool, answer: Segment,
                   expected: list[tuple[Segment, Options]]) -> None:
    mine = [e for e in it.events("segment") if e["netns"] == TwoHosts.inode(SERVER)
            and e["family"] == (6 if ipv6 else 4)]
    assert {(e["local_port"], e["remote_port"]) for e in mine} == {(PORT, CRAFTED_PORT)}
    outgoing = [e for e in mine if "outgoing" in it.schema.bit_names(
        "segment_flags", e["segment_flags"])]
    incoming = [e for e in mine if e not in outgoing]
    assert len(incoming) == len(expected), [e.values for e in incoming]
    for event, (segment, said) in zip(incoming, expected):
        _same_header(event, segment)
        assert _options(it, event) == said, (event.values, said)
    _same_header(outgoing[0], answer)
    assert answer.flags == SYN | ACK | ECE, "ECN is agreed on"
    assert "ecn" in it.schema.bit_names("sock_flags", incoming[-1]["sock_flags"])
    windows = {e["snd_wnd"] for e in records(it, sock, "ack")}
    assert 511 << incoming[0]["option_wscale"] in windows, windows


def test_m13_every_field_and_option() -> None:
    """M13: a session by hand: each field and option of each segment is what was sent"""
    with Recorder("events=segment,ack,reset_received") as it, TwoHosts() as hosts:
        hosts.sysctl(SERVER, "net.ipv4.tcp_ecn=1")
        hosts.drop(CLIENT, f"tcp sport {PORT}")
        _crafted_session(it, False, 8)  # a raw window of 511 is then 130816
        _crafted_session(it, True, 14)


def test_m13_checksum() -> None:
    """M13: a wrong checksum: the segment is seen, not verified yet, and then refused"""
    with Recorder("events=segment,bad_checksum") as it, TwoHosts():
        for ipv6 in FAMILIES:
            with CraftedPeer(ipv6, CRAFTED_PORT, PORT) as peer:
                peer.send(Segment(77, flags=SYN), spoil=True)
                wait_until("the wrong checksum", lambda v=ipv6: any(
                    (e["family"] == 6) == v for e in it.events("bad_checksum")))
        refused = it.events("bad_checksum")
        seen = [e for e in it.events("segment")
                if e["netns"] == TwoHosts.inode(SERVER)]
        assert len(refused) == len(seen) == len(FAMILIES), (refused, seen)
        for event, verdict in zip(seen, refused):
            assert "unverified" in it.schema.bit_names(
                "segment_flags", event["segment_flags"])
            assert event["seg_seq"] == verdict["seg_seq"] == 77
            assert event["time_ns"] < verdict["time_ns"]


# ---- M14 -----------------------------------------------------------------

ANALYSIS = ("frame.number", "ipv6.version", "tcp.srcport", "tcp.seq", "tcp.ack", "tcp.len", "tcp.nxtseq",
            "tcp.window_size", "tcp.analysis.acks_frame", "tcp.analysis.ack_rtt",
            "tcp.analysis.initial_rtt")


class Analysed(NamedTuple):
    """A segment with what an analyst adds; times in seconds."""

    source_port: int
    seq: int
    ack: int
    length: int
    next_seq: int
    window: int
    acknowledges: int | None            # the place of a segment in the list
    ack_rtt_s: float | None


def _next_number(event: Event) -> int:
    """What follows a segment: SYN and FIN take one number each."""
    taken = sum(1 for flag in (SYN, FIN) if event["seg_flags"] & flag)
    return (event["seg_seq"] + event["seg_len"] + taken) % WRAP


def _window(it: Recorder, event: Event, outgoing: bool) -> int:
    """The window with its scale, which a SYN's does not have yet."""
    if event["seg_flags"] & SYN:
        return event["seg_window"]
    return event["seg_window"] << event["rcv_wscale" if outgoing else "snd_wscale"]


def _analyse(it: Recorder, events: list[Event]) -> list[Analysed]:
    """One connection's segments at the client, as Wireshark looks at them."""
    waiting: tuple[dict[int, int], dict[int, int]] = ({}, {})
    isns = {True: events[0]["seg_seq"], False: events[1]["seg_seq"]}
    analysed = []
    for place, event in enumerate(events):
        outgoing = bool(event["segment_flags"] & 1)
        acknowledges = waiting[not outgoing].pop(event["seg_ack"], None)
        if _next_number(event) != event["seg_seq"]:
            waiting[outgoing][_next_number(event)] = place
        ack = relative(event["seg_ack"], isns[not outgoing]) if place else 0
        analysed.append(Analysed(
            event["local_port" if outgoing else "remote_port"],
            relative(event["seg_seq"], isns[outgoing]), ack, event["seg_len"],
            relative(_next_number(event), isns[outgoing]),
            _window(it, event, outgoing), acknowledges,
            None if acknowledges is None else
            (event["time_ns"] - events[acknowledges]["time_ns"]) / 1e9))
    return analysed


def _of_tshark(rows: list[dict[str, str]]) -> list[Analysed]:
    places = {row["frame.number"]: place for place, row in enumerate(rows)}
    return [Analysed(
        *(int(row[name] or 0) for name in (     # type: ignore[call-arg]  # six of them
            "tcp.srcport", "tcp.seq", "tcp.ack", "tcp.len", "tcp.nxtseq",
            "tcp.window_size")),
        places.get(row["tcp.analysis.acks_frame"]),
        float(row["tcp.analysis.ack_rtt"]) if row["tcp.analysis.ack_rtt"] else None)
        for row in rows]


def _about(seen: float, expected: float) -> bool:
    """The wire is a little further away than our hooks."""
    return expected / 2 < seen < expected * 2


def _check_rtts(mine: list[Analysed], theirs: list[Analysed]) -> None:
    compared = [(m.ack_rtt_s, t.ack_rtt_s) for m, t in zip(mine, theirs)
                if m.ack_rtt_s and t.ack_rtt_s and t.ack_rtt_s > DELAY_MS / 1000]
    assert compared and all(_about(*pair) for pair in compared), compared


def _check_initial_rtt(events: list[Event], rows: list[dict[str, str]]) -> None:
    """From the SYN to the third segment."""
    told = {float(row["tcp.analysis.initial_rtt"]) for row in rows
            if row["tcp.analysis.initial_rtt"]}
    assert len(told) == 1, told
    mine = (events[2]["time_ns"] - events[0]["time_ns"]) / 1e9
    assert _about(mine, told.pop()) and mine > DELAY_MS / 1000


def _conversation(pair: Pair) -> None:
    """One segment after the other, now and then two before an answer."""
    say(*pair, 8)
    say(*pair[::-1], 725)
    say(*pair, 1448 * 2)
    say(*pair[::-1])


def test_m14_analysts_view() -> None:
    """M14: next number, window, segment acknowledged, its RTT and the first: as tshark says"""
    need_witness()
    with TwoHosts() as hosts:
        hosts.most_segments_a_packet(1)
        hosts.netem(SERVER, f"delay {DELAY_MS}ms")  # beyond tcpdump, which is behind netem
        _converse()                     # a SYN would wait for the neighbour's address
        quiet(hosts)
        with Recorder("events=segment") as it:
            _compare_views(it, hosts)


def _converse() -> None:
    """A whole conversation of each family."""
    for ipv6 in FAMILIES:
        with connected(ipv6) as pair:
            _conversation(pair)
            pair.client.close()
            assert not pair.server.recv(1)


def _compare_views(it: Recorder, hosts: TwoHosts) -> None:
    with Capture(hosts, CLIENT) as capture:
        _converse()
        quiet(hosts)
        capture.end()
        rows = capture.rows(ANALYSIS, RELATIVE)
    for ipv6 in FAMILIES:
        events = [e for e in it.events("segment")
                  if e["netns"] == hosts.inode(CLIENT)
                  and MARKER_PORT not in (e["local_port"], e["remote_port"])
                  and (e["family"] == 6) == ipv6]
        said = [row for row in rows if bool(row["ipv6.version"]) == ipv6]
        _check_view(it, events, said)


def _check_view(it: Recorder, events: list[Event], rows: list[dict[str, str]]) -> None:
    mine, theirs = _analyse(it, events), _of_tshark(rows)
    assert [m[:-1] for m in mine] == [t[:-1] for t in theirs], [
        (m, t) for m, t in zip(mine, theirs) if m[:-1] != t[:-1]][:4]
    assert len(mine) > 12
    _check_rtts(mine, theirs)
    _check_initial_rtt(events, rows)
