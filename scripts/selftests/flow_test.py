# SPDX-License-Identifier: GPL-2.0
"""Row M16 and M14: the ladder of a session, live, and beside it what tshark says.

The capture is on the client's wire. Delay and loss are at the server, so between
the client's hooks and its wire nothing happens to a segment: each way both must
have the same segments in the same order.
"""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import endpoints
import sessions
from capture import RELATIVE, Capture, need_witness
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from ktap_output import comment
from recorder import PARAMETERS, Recorder, renoscope, told, wait_until

PORT = sessions.PORT
NAME = "Ann"
GREETING, ANSWER, END = "Welcome!", f"Hello, {NAME}!", "exit"
SIZE, COUNT, LOST_PLACE = 1000, 30, 12
DELAY_MS = 20

FIELDS = (
    "frame.number", "ip.src", "ipv6.src", "tcp.seq", "tcp.ack",
    "tcp.flags", "tcp.len", "tcp.window_size_value", "tcp.window_size",
    "tcp.options.mss_val", "tcp.options.wscale.shift", "tcp.options.sack_le",
    "tcp.options.sack_re", "tcp.analysis.acks_frame", "tcp.analysis.ack_rtt",
    "tcp.analysis.duplicate_ack_num", "tcp.analysis.retransmission",
    "tcp.analysis.out_of_order", "tcp.analysis.window_update",
    "tcp.completeness", "_ws.col.Info",
)
FLAG_BITS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")

Rungs = list[dict[str, Any]]
Rows = list[dict[str, str]]


# ---- both views -----------------------------------------------------------

@contextmanager
def _recorded(*drops: str) -> Iterator[tuple[Recorder, TwoHosts, Capture]]:
    need_witness()
    with Recorder("ring_records=16384") as it, TwoHosts() as hosts:
        (PARAMETERS / "events").write_text("+segment")
        hosts.most_segments_a_packet(1)
        hosts.netem(SERVER, f"delay {DELAY_MS}ms limit 10000")
        for drop in drops:
            hosts.drop(SERVER, drop)
        with Capture(hosts, CLIENT) as capture:
            yield it, hosts, capture


def _over(it: Recorder, hosts: TwoHosts) -> None:
    """Wait until both ends have told that they are over."""
    endpoints.quiet(hosts)
    wait_until("both ends to close", lambda: sum(
        1 for event in it.events("destroy")
        if PORT in (event["local_port"], event["remote_port"])
        and event["snd_isn"]) == 2)
    endpoints.whole(it)


def _ladder() -> dict[str, Any]:
    """What `renoscope flow` says of the one connection in the ring."""
    ladder: dict[str, Any] = told("flow", "--port", str(PORT))
    assert not ladder["lost_events"] and not ladder["missing"], ladder["notes"]
    assert all(end["recorded"] and end["every_segment"] for end in ladder["ends"])
    return ladder


def _client(ladder: dict[str, Any]) -> int:
    """Which end is the client's."""
    ipv4, ipv6 = ADDRESSES[CLIENT]
    ends = [end["address"].startswith((f"{ipv4}:", f"[{ipv6}]:"))
            for end in ladder["ends"]]
    return ends.index(True)


def _at_client(ladder: dict[str, Any], outgoing: bool) -> Rungs:
    """What one way passed the client, in the order in which it did."""
    client = _client(ladder)
    if outgoing:
        return sorted((r for r in ladder["rungs"] if r["from_end"] == client),
                      key=lambda r: int(r["sent_ns"]))
    return sorted((r for r in ladder["rungs"] if r["to_end"] == client
                   and r["received_ns"] is not None),
                  key=lambda r: int(r["received_ns"]))


def _flag_bits(rung: dict[str, Any]) -> int:
    return sum(1 << FLAG_BITS.index(name) for name in rung["flags"])


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word]


def _compare(ladder: dict[str, Any], rows: Rows) -> None:
    """Every segment that passed the client, as both saw it."""
    frames: dict[int, int] = {}
    pairs = []
    for outgoing in (True, False):
        mine = _at_client(ladder, outgoing)
        theirs = [row for row in rows if outgoing == (
            (row["ip.src"] or row["ipv6.src"]) in ADDRESSES[CLIENT])]
        assert len(mine) == len(theirs), (outgoing, [r["text"] for r in mine],
                                          [r["_ws.col.Info"] for r in theirs])
        for rung, row in zip(mine, theirs):
            _compare_header(rung, row)
            frames[int(row["frame.number"])] = rung["number"]
            pairs.append((rung, row))
    first_sent_as = {r["number"]: r["first_sent_as"] for r in ladder["rungs"]}
    client = _client(ladder)
    compared = sum(_compare_analysis(rung, row, frames, first_sent_as,
                                     rung["from_end"] == client)
                   for rung, row in pairs)
    comment(f"{len(pairs)} segments agree with tshark, {compared} of them "
            "acknowledge the same ones")
    assert compared
    completeness = {row["tcp.completeness"] for row in rows}
    assert str(ladder["completeness"]) in completeness, completeness


def _compare_header(rung: dict[str, Any], row: dict[str, str]) -> None:
    both = (rung["text"], row["_ws.col.Info"])
    assert rung["seq"] == int(row["tcp.seq"]), both
    assert (rung["ack"] or 0) == int(row["tcp.ack"] or 0), both
    assert _flag_bits(rung) == int(row["tcp.flags"], 0) & 0xff, both
    assert rung["len"] == int(row["tcp.len"]), both
    assert rung["raw"]["window"] == int(row["tcp.window_size_value"]), both
    assert rung["window"] == int(row["tcp.window_size"]), both
    options = rung["options"]
    for name, shown in (("mss", "mss_val"), ("wscale", "wscale.shift")):
        told = [] if options[name] is None else [options[name]]
        assert told == _numbers(row[f"tcp.options.{shown}"]), both
    assert options["sack"] == [list(block) for block in zip(
        _numbers(row["tcp.options.sack_le"]),
        _numbers(row["tcp.options.sack_re"]))], both


def _compare_analysis(rung: dict[str, Any], row: dict[str, str],
                      frames: dict[int, int],
                      first_sent_as: dict[int, int | None],
                      outgoing: bool) -> bool:
    """What is said of the segment; whether it acknowledges one.

    The ladder numbers duplicates as they are sent, tshark as they come: no ACK is
    lost here, so these are the same.  What is sent again soon tshark takes for
    reordered; the recorder knows.
    """
    both = (rung["text"], rung["notes"], row)
    number = row["tcp.analysis.duplicate_ack_num"]
    repeats = [note for note in rung["notes"] if note.startswith("duplicate ACK")]
    assert repeats == ([f"duplicate ACK #{number}"] if number else []), both
    assert ("window_update" in rung["marks"]) == bool(
        row["tcp.analysis.window_update"]), both
    if outgoing:
        assert rung["sent_again"] == bool(
            row["tcp.analysis.retransmission"]
            or row["tcp.analysis.out_of_order"]), both
    acked = row["tcp.analysis.acks_frame"]
    if not acked:
        return False
    assert frames[int(acked)] in (rung["acknowledges"],
                                  first_sent_as.get(rung["acknowledges"])), both
    if rung["rtt_us"] is not None and not outgoing:
        # our hooks lie on either side of the wire
        theirs_us = float(row["tcp.analysis.ack_rtt"]) * 1e6
        assert rung["rtt_us"] >= theirs_us - 1000, both
    return True


# ---- M16: the sample program ----------------------------------------------

def _states(ladder: dict[str, Any], end: int) -> list[str]:
    return [step["state"] for step in ladder["states"] if step["end"] == end]


def _check_handshake(rungs: Rungs, client: int) -> None:
    """SYN seq=x; SYN+ACK seq=y ack=x+1; ACK seq=x+1 ack=y+1."""
    syn, synack, ack = rungs[:3]
    assert [r["flags"] for r in (syn, synack, ack)] == [
        ["SYN"], ["SYN", "ACK"], ["ACK"]]
    assert [r["from_end"] for r in (syn, synack, ack)] == [client, 1 - client, client]
    x, y = syn["raw"]["seq"], synack["raw"]["seq"]
    assert synack["raw"]["ack"] == (x + 1) % 2**32
    assert (ack["raw"]["seq"], ack["raw"]["ack"]) == ((x + 1) % 2**32, (y + 1) % 2**32)
    assert [(r["seq"], r["ack"]) for r in (syn, synack, ack)] == [
        (0, None), (0, 1), (1, 1)]
    assert (synack["acknowledges"], ack["acknowledges"]) == (1, 2)
    for rung in (syn, synack):
        assert rung["options"]["mss"] and rung["options"]["sack_permitted"]


def _check_words(rungs: Rungs, client: int) -> None:
    """The four messages, then both FINs, with the numbers they must have."""
    takes = [r for r in rungs[3:] if r["len"] or "FIN" in r["flags"]]
    mine, yours = len(NAME) + len(END), len(GREETING) + len(ANSWER)
    expected = [
        (1 - client, 1, len(GREETING), 1 + len(GREETING)),
        (client, 1, len(NAME), 1 + len(NAME)),
        (1 - client, 1 + len(GREETING), len(ANSWER), 1 + yours),
        (client, 1 + len(NAME), len(END), 1 + mine),
        (1 - client, 1 + yours, 0, 2 + yours),
        (client, 1 + mine, 0, 2 + mine)]
    assert [(r["from_end"], r["seq"], r["len"], r["next"])
            for r in takes] == expected, [r["text"] for r in takes]
    assert ["FIN" in r["flags"] for r in takes] == [False] * 4 + [True] * 2
    for rung in takes:
        assert [r for r in rungs if r["from_end"] != rung["from_end"]
                and r["ack"] is not None and r["ack"] >= rung["next"]
                and r["sent_ns"] >= rung["received_ns"]], rung["text"]


def _check_each(rungs: Rungs) -> None:
    """Each segment by the rules: its number is the next, its ACK what has come."""
    following = {0: 0, 1: 0}
    for rung in rungs:
        end = rung["from_end"]
        assert rung["seq"] == following[end], rung["text"]
        following[end] = rung["next"]
        assert rung["fate"] is None and not rung["sent_again"], rung["notes"]
        assert rung["delay_us"] is not None
        if rung["to_end"] != rung["from_end"] and rung["ack"] is not None:
            came = max((r["next"] for r in rungs if r["to_end"] == end
                        and r["received_ns"] <= rung["sent_ns"]), default=0)
            assert rung["ack"] <= came, rung["text"]


def _session(ipv6: bool) -> None:
    with _recorded() as (it, hosts, capture):
        sessions.greet(hosts, NAME, ipv6)
        _over(it, hosts)
        capture.end()
        ladder = _ladder()
        client = _client(ladder)
        rungs = sorted(ladder["rungs"], key=lambda r: int(r["sent_ns"]))
        _check_handshake(rungs, client)
        _check_words(rungs, client)
        _check_each(rungs)
        assert ladder["opened_by_end"] == client
        assert ladder["completeness"] == 31
        assert ladder["initial_rtt_us"] >= DELAY_MS * 1000
        assert _states(ladder, client) == [
            "SYN-SENT", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED"]
        server = [state for state in _states(ladder, 1 - client)
                  if state != "FIN-WAIT-2"]
        ended = server[4:]      # on a slow machine TIME-WAIT may be over by now
        assert server[:4] == ["SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
                              "TIME-WAIT"] and ended in ([], ["CLOSED"]), server
        facts = {fact["kind"] for fact in ladder["facts"]}
        assert {"request", "synack", "completed", "accepted", "cwnd"} <= facts
        _compare(ladder, capture.rows(FIELDS, RELATIVE))
        _check_text(rungs)


def test_m16_sample_session() -> None:
    """M16: the sample program's session, segment by segment, and tshark agrees"""
    _session(ipv6=False)


def test_m16_sample_session_ipv6() -> None:
    """M16: the sample program's session over IPv6, segment by segment, and tshark agrees"""
    _session(ipv6=True)


def _check_text(rungs: Rungs) -> None:
    """The terminal's ladder and the picture have every segment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ladder.svg"
        done = renoscope("flow", "--port", str(PORT), "--svg", str(path))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        picture = "".join(ET.parse(path).getroot().itertext())
    comment(done.stdout)
    for rung in rungs:
        header = rung["text"].split(" MSS=")[0].split(" -> ")[1].split(" ", 1)[1]
        assert header in done.stdout, (header, done.stdout)
        assert header in picture, (header, picture)


# ---- a loss -----------------------------------------------------------------

def test_m14_a_lost_segment() -> None:
    """M14: a lost segment, its duplicate ACKs and its repetition; tshark agrees"""
    drop = f"tcp dport {PORT} meta length > {SIZE} numgen inc mod 1000 == {LOST_PLACE}"
    with _recorded(drop) as (it, hosts, capture):
        with endpoints.connected(ipv6=False) as pair:
            endpoints.send_segments(pair.client, COUNT, SIZE)
            endpoints.receive(pair.server, COUNT * SIZE)
            pair.client.close()
            assert not pair.server.recv(1)
            pair.server.close()
            _over(it, hosts)
        capture.end()
        ladder = _ladder()
        lost = [r for r in ladder["rungs"] if r["fate"] == "lost"]
        assert len(lost) == ladder["segments_lost"] == 1, [r["text"] for r in lost]
        again = [r for r in ladder["rungs"] if r["sent_again"]]
        assert lost[0]["number"] in [r["first_sent_as"] for r in again]
        first = next(r for r in again
                     if r["first_sent_as"] == lost[0]["number"])
        assert (first["seq"], first["fate"]) == (lost[0]["seq"], None)
        assert first["cause"] in ("fast retransmit", "tail loss probe", "RTO"), first
        assert len(again) == sum(1 for e in it.events("retransmit")
                                 if e["remote_port"] == PORT)
        _compare(ladder, capture.rows(FIELDS, RELATIVE))
