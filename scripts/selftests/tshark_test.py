# SPDX-License-Identifier: GPL-2.0
"""The `segment` kind against a witness: what tshark saw on the same wire.

The client's segments are compared. Between its netfilter hooks and its wire,
where tcpdump listens, there is nothing that loses, repeats or reorders: all that
happens at the server or on its way out. So both must have seen the same.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from capture import MARKER_PORT, Capture, need_witness
from disturbed_traffic import disturb, exchange
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from ktap_output import comment
from recorder import Recorder
from renoscope_lib.ring.schema import Event

BYTES = 1_500_000
RING_RECORDS = 65536
SHOWN_ROWS = 12

OUTGOING = 0x01
MSS, WSCALE, TIMESTAMPS = 0x02, 0x04, 0x10


class Row(NamedTuple):
    """One segment, raw numbers, as both can tell it; None: no such option."""

    outgoing: bool
    ports: tuple[int, int]
    seq: int
    ack: int
    flags: int
    length: int
    window: int
    header: int
    urgent: int
    mss: int | None
    wscale: int | None
    sack: tuple[tuple[int, int], ...]
    timestamps: tuple[int, int] | None


def _blocks(event: Event) -> tuple[tuple[int, int], ...]:
    """The SACK blocks; the fourth lies in the timestamps' place."""
    names = [f"sack{i}" for i in (1, 2, 3)]
    blocks = [(event[f"{n}_left"], event[f"{n}_right"]) for n in names]
    blocks.append((event["tsval"], event["tsecr"]))
    return tuple(blocks[:event["sack_blocks"]])


def _row_of_event(event: Event) -> Row:
    flags = event["segment_flags"]
    outgoing = bool(flags & OUTGOING)
    ends = (event["local_port"], event["remote_port"])
    return Row(
        outgoing, ends if outgoing else ends[::-1], event["seg_seq"],
        event["seg_ack"], event["seg_flags"], event["seg_len"],
        event["seg_window"], event["header_words"] * 4, event["urgent_pointer"],
        event["option_mss"] if flags & MSS else None,
        event["option_wscale"] if flags & WSCALE else None,
        _blocks(event),
        (event["tsval"], event["tsecr"]) if flags & TIMESTAMPS else None)


def _number(text: str) -> int | None:
    return int(text, 0) if text else None


def _list(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word]


def _row_of_tshark(row: dict[str, str]) -> Row:
    def number(name: str) -> int:
        return int(row[name], 0)

    stamps = row["tcp.options.timestamp.tsval"], row["tcp.options.timestamp.tsecr"]
    return Row(
        (row["ip.src"] or row["ipv6.src"]) in ADDRESSES[CLIENT],
        (number("tcp.srcport"), number("tcp.dstport")), number("tcp.seq"),
        number("tcp.ack"), number("tcp.flags") & 0xff, number("tcp.len"),
        number("tcp.window_size_value"), number("tcp.hdr_len"),
        number("tcp.urgent_pointer"),
        _number(row["tcp.options.mss_val"]),
        _number(row["tcp.options.wscale.shift"]),
        tuple(zip(_list(row["tcp.options.sack_le"]), _list(row["tcp.options.sack_re"]))),
        (int(stamps[0]), int(stamps[1])) if stamps[0] else None)


# ---- both views -------------------------------------------------------------

def _both_views(ipv6: bool, count: int, offload: bool,
                timestamps: bool = True) -> tuple[list[Row], list[Row]]:
    """What renoscope and what tshark saw of one exchange."""
    need_witness()
    with Recorder("events=segment", f"ring_records={RING_RECORDS}") as it:
        with TwoHosts() as hosts:
            hosts.set_offloads(offload)
            if not timestamps:
                hosts.sysctl(CLIENT, "net.ipv4.tcp_timestamps=0")
            if not offload:
                disturb(hosts)
            with Capture(hosts, CLIENT) as capture:
                exchange(hosts, ipv6, count)
                hosts.run(SERVER, "nft", "flush ruleset")
                capture.end()
                seen = [_row_of_tshark(row) for row in capture.rows()]
            events = it.events()
            assert not any(e.kind == "lost" for e in events), "the ring was too small"
            here = TwoHosts.inode(CLIENT)
            mine = [_row_of_event(e) for e in events if e["netns"] == here
                    and MARKER_PORT not in (e["local_port"], e["remote_port"])]
        return mine, seen


def _differences(mine: list[Row], seen: list[Row]) -> str:
    """The rows that only one of them has, for the report of a failure."""
    lines = []
    for name, rows in (("renoscope", Counter(mine) - Counter(seen)),
                       ("tshark", Counter(seen) - Counter(mine))):
        lines.append(f"only {name} has {sum(rows.values())} of these:")
        lines += [f"    {row} x{n}" for row, n in list(rows.items())[:SHOWN_ROWS]]
    return "\n".join(lines)


def _disturbed(ipv6: bool, timestamps: bool = True) -> list[Row]:
    mine, seen = _both_views(ipv6, BYTES, offload=False, timestamps=timestamps)
    assert Counter(mine) == Counter(seen), _differences(mine, seen)
    assert len(mine) > 2000, len(mine)
    for outgoing in (True, False):
        data = [row for row in mine if row.outgoing == outgoing and row.length]
        assert len(data) > 1000, "data went both ways"
        assert len({row.seq for row in data}) < len(data), "nothing was sent twice"
        assert any(row.sack for row in mine if row.outgoing == outgoing), "no SACK"
    comment(f"{len(mine)} segments agree, {sum(1 for r in mine if r.sack)} with "
            f"SACK, {sum(1 for r in mine if len(r.sack) == 4)} with four blocks")
    return mine


# ---- the tests ----------------------------------------------------------------

def test_disturbed_ipv4() -> None:
    """IPv4, loss, reordering, duplicates: every segment as tshark saw it"""
    rows = _disturbed(ipv6=False)
    assert all(row.timestamps for row in rows if not row.flags & 0x04)


def test_disturbed_ipv6() -> None:
    """IPv6, loss, reordering, duplicates: every segment as tshark saw it"""
    _disturbed(ipv6=True)


def test_disturbed_without_timestamps() -> None:
    """Without timestamps, where four SACK blocks fit: every segment as tshark saw it"""
    rows = _disturbed(ipv6=False, timestamps=False)
    assert not any(row.timestamps for row in rows)
    assert any(len(row.sack) == 4 for row in rows), "no segment has four SACK blocks"


def test_with_offloads() -> None:
    """Offloads on, both families: super-segments, and each way all its bytes"""
    for ipv6 in (False, True):
        mine, seen = _both_views(ipv6, BYTES, offload=True)
        for outgoing in (True, False):
            lengths = [row.length for row in mine if row.outgoing == outgoing]
            witness = [row.length for row in seen if row.outgoing == outgoing]
            assert sum(lengths) == sum(witness) >= BYTES, (
                ipv6, outgoing, sum(lengths), sum(witness))
            assert max(lengths) > 1448, "no super-segment"
            comment(f"{sum(lengths)} bytes, {len(lengths)} segments here, "
                    f"{len(witness)} in tshark")
