# SPDX-License-Identifier: GPL-2.0
"""What `renoscope export` makes, read by the programs it is for.

The capture is compared with a real one of the same segments: tshark must see the
same in both, numbers relative as it reckons them itself.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import demo
import loopback
from capture import FIELDS, RELATIVE, Capture, need_witness, rows_of
from disturbed_traffic import disturb, exchange
from endpoints import PORT
from hosts import CLIENT, SERVER, TwoHosts
from ktap_output import comment
from recorder import COMMAND, Recorder, renoscope, wait_until

BYTES = 500_000
RING_RECORDS = 65536
SHOWN_ROWS = 8
# A tail loss probe and the end of a connection say `sent again`, too.
AGAIN = re.compile(r"sent again (?:\d+ segments together, )?\[[A-Z,]+\] "
                   r"seq=(?P<seq>\d+) [^()]*\((?P<why>[^)]+)\)")
# Of each packet whether tshark can read it, and what it thinks of its checksums.
JUDGED = ("_ws.malformed", "tcp.checksum.status", "ip.checksum.status")
JUDGING = (*RELATIVE, "tcp.check_checksum:true", "ip.check_checksum:true")
RIGHT, WRONG = "1", "0"


def _export(*words: str) -> str:
    """Run the command on the ring; what it said besides."""
    done = renoscope("export", *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


def _same_segments(rows: list[dict[str, str]]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(row[name] for name in FIELDS) for row in rows)


def _compare(rows: list[dict[str, str]], seen: list[dict[str, str]]) -> None:
    mine, theirs = _same_segments(rows), _same_segments(seen)
    lines = [f"only {who} has {row} x{n}" for who, rows in (
        ("the export", mine - theirs), ("the capture", theirs - mine))
        for row, n in list(rows.items())[:SHOWN_ROWS]]
    assert mine == theirs, "\n".join(lines)
    for row in rows:
        assert not row["_ws.malformed"] and row["tcp.checksum.status"] != WRONG, row
        assert row["ip.checksum.status"] == (RIGHT if row["ip.src"] else ""), row
    assert any(row["tcp.checksum.status"] == RIGHT for row in rows), "none was judged"


def _check_reasons(rows: list[dict[str, str]], it: Recorder) -> None:
    """Each retransmission stands with its segment, and says which that is."""
    told = [(row, again) for row in rows
            for again in AGAIN.finditer(row["frame.comment"])]
    here = TwoHosts.inode(CLIENT)
    # The witness has a connection of its own, which is not in its capture.
    events = [e for e in it.events("retransmit")
              if e["netns"] == here and PORT in (e["local_port"], e["remote_port"])]
    assert len(told) == len(events) > 0, (
        sorted(again["seq"] for _, again in told),
        [(e["seg_seq"] - e["snd_una"], e["seg_len"], e.values) for e in events])
    for row, again in told:
        assert again["seq"] == row["tcp.seq"] and again["why"], row
        assert "cwnd=" in row["frame.comment"] and "ca=" in row["frame.comment"], row


def _capture_of(ipv6: bool) -> None:
    need_witness()
    with tempfile.TemporaryDirectory() as folder, \
            Recorder("events=all", f"ring_records={RING_RECORDS}") as it, \
            TwoHosts() as hosts:
        hosts.set_offloads(False)
        disturb(hosts)
        with Capture(hosts, CLIENT) as capture:
            exchange(hosts, ipv6, BYTES)
            hosts.run(SERVER, "nft", "flush ruleset")
            capture.end()
            seen = capture.rows(preferences=RELATIVE)
        file = Path(folder) / "mine.pcapng"
        _export("--format", "pcapng", "-o", str(file),
                "--netns", str(TwoHosts.inode(CLIENT)))
        assert not it.events("lost"), "the ring was too small"
        rows = rows_of(file, (*FIELDS, *JUDGED, "frame.comment"), JUDGING)
        _compare(rows, seen)
        _check_reasons(rows, it)
        sacks = sum(1 for row in seen if row["tcp.options.sack_le"])
        assert sacks, "no SACK"
        comment(f"{len(seen)} segments agree, {sacks} with SACK")


def test_capture_ipv4() -> None:
    """pcapng, IPv4 with loss: tshark sees what it sees in a real capture"""
    _capture_of(ipv6=False)


def test_capture_ipv6() -> None:
    """pcapng, IPv6 with loss: tshark sees what it sees in a real capture"""
    _capture_of(ipv6=True)


def test_lines_follow() -> None:
    """jsonl --follow gives each event while it happens; csv and perfetto the ring's"""
    with tempfile.TemporaryDirectory() as folder, Recorder("events=all") as it, \
            TwoHosts() as hosts:
        followed = Path(folder) / "followed.jsonl"
        with followed.open("wb") as out, subprocess.Popen(
                [sys.executable, str(COMMAND), "export", "--format", "jsonl",
                 "--follow"], stdout=out) as process:
            try:
                exchange(hosts, False, 20_000)
                count = len(it.events())
                wait_until("all lines to come",
                           lambda: followed.read_bytes().count(b"\n") >= count)
            finally:
                process.terminate()
        lines = [json.loads(line) for line in followed.read_text().splitlines()[:count]]
        assert [(e["cpu"], e["serial"], e["time_ns"], e["kind"]) for e in lines] == [
            (e["cpu"], e["serial"], e["time_ns"], e.kind) for e in it.events()[:count]]
        ports = {e["local_port"] for e in lines if e["kind"] == "state"}
        assert PORT in ports and len(ports) > 1, ports
        table = Path(folder) / "ring.csv"
        _export("--format", "csv", "-o", str(table))
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [(row["kind"], row["serial"]) for row in rows[:count]] == [
            (e["kind"], str(e["serial"])) for e in lines]
        trace = Path(folder) / "trace.json"
        _export("--format", "perfetto", "-o", str(trace))
        told = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
        names = {e["name"] for e in told if e["ph"] == "X"}
        assert {"SYN-SENT", "ESTABLISHED", "FIN-WAIT-1"} <= names, names


FORWARD_S = 3600


def test_times_of_day_when_the_clock_is_set() -> None:
    """The clock goes an hour forward meanwhile: times of day stay, and it is said"""
    with Recorder(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clock.renoscope"
        with ExitStack() as behind, demo.Recording(file):
            loopback.refuse()
            _move_clock(FORWARD_S)
            behind.callback(_move_clock, -FORWARD_S)
            loopback.refuse()
        done = renoscope("export", "--format", "jsonl", str(file))
        assert done.returncode == 0, done.stderr
        moved = re.search(r"the wall clock went ([\d.]+) s forward meanwhile", done.stderr)
        assert moved and abs(float(moved[1]) - FORWARD_S) < 1, done.stderr
        times = [datetime.fromisoformat(json.loads(line)["time_utc"].removesuffix("Z"))
                 for line in done.stdout.splitlines()]
        assert (max(times) - min(times)).total_seconds() < FORWARD_S / 2, times
        assert "wall clock" not in renoscope("show", str(file)).stderr


def _move_clock(seconds: float) -> None:
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
