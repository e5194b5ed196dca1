# SPDX-License-Identifier: GPL-2.0
"""cwnd over time and derived round trips, of real transfers by several algorithms.

The hosts are the textbook's: 100 ms apart, and nothing happens by chance. So `reno`
and `renoscope` do the same with the same losses, and the rounds that are derived for
the one must be those that the other tells.
"""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import endpoints
from endpoints import records, tcp_info, unacknowledged, word
from hosts import SERVER, TwoHosts, run
from ktap_output import Skip
from recorder import COMMAND, Recorder, renoscope, wait_until
from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.flows import Joiner
from renoscope_lib.tcp.phases import LOSS, RECOVERY, UNTOLD
from renoscope_lib.tcp.reno_words import AVOIDANCE, RENO_KINDS, SLOW_START
from renoscope_lib.views.cwnd import FAST, RTO, Cwnd, Series
from textbook import SEGMENT_BYTES, SEGMENTS, bare_hosts, sending

# Of the rounds of 10, 20, 40 and 80 segments the fourth; one of it, or all.
BEFORE = 10 + 20 + 40
ONE_SEGMENT = range(BEFORE + 1, BEFORE + 2)
WHOLE_WINDOW = range(BEFORE, BEFORE + 80)
LOSSES = {"one segment": ONE_SEGMENT, "a whole window": WHOLE_WINDOW}

TCPI_CWND = 80                  # where tcpi_snd_cwnd is in struct tcp_info
HYSTART = Path("/sys/module/tcp_cubic/parameters/hystart")
PYTHON = "/usr/bin/python3"     # Debian's, which has Debian's matplotlib
FIND_MATPLOTLIB = ("from importlib.util import find_spec; "
                   "print(find_spec('matplotlib') and 'here')")


@contextmanager
def _plain_cubic() -> Iterator[None]:
    """Its slow start ends with a loss, and not when an emulated machine is slow."""
    before = HYSTART.read_text()
    HYSTART.write_text("0")
    try:
        yield
    finally:
        HYSTART.write_text(before)


def _transfer(it: Recorder, hosts: TwoHosts, algorithm: str,
              lost: range) -> tuple[list[Event], int]:
    """The sender's events of a whole transfer, and cwnd behind the last ACK."""
    with sending(hosts, lost, algorithm.encode()) as pair:
        wait_until("all to be acknowledged", lambda: not unacknowledged(pair.client))
        hosts.stop_dropping(SERVER)
        cwnd = tcp_info(pair.client, TCPI_CWND)
        pair.client.sendall(bytes(SEGMENT_BYTES))    # its ACK shows cwnd once more
        wait_until("the last one", lambda: not unacknowledged(pair.client))
        endpoints.whole(it)
        return records(it, pair.client), cwnd


def _series(it: Recorder, events: list[Event], but: tuple[str, ...] = ()) -> Series:
    view, joiner = Cwnd(it.schema), Joiner(it.schema)
    for event in events:
        if event.kind not in but:
            for joined in joiner.feed(event):
                view.feed(joined)
    for joined in joiner.flush():
        view.feed(joined)
    series, = view.series()
    return series


def _told(series: Series) -> list[tuple[int, int, str, str]]:
    return [(r.cwnd, r.ssthresh, r.phase, r.happened_words) for r in series.rounds.rounds]


def _phases(series: Series) -> list[str]:
    return [span.word for span in series.phases]


def _check_against_records(it: Recorder, series: Series, events: list[Event],
                           cwnd: int) -> None:
    """Nothing invented and nothing left out, and the kernel's own word at the end."""
    shown = [step.value for step in series.cwnd]
    recorded = {e["cwnd"] for e in events if word(it, e, "state") == "ESTABLISHED"}
    assert set(shown) <= recorded, (shown, recorded)
    assert max(value or 0 for value in shown) == max(e["cwnd"] for e in events), shown
    assert shown[-1] == cwnd, (shown[-5:], cwnd)
    assert not series.holes and not series.notes, series.notes
    assert series.bytes_acked == (SEGMENTS + 1) * SEGMENT_BYTES, series.bytes_acked
    sent_again = [e for e in events if e.kind == "retransmit"]
    assert series.sent_again == sum(e["retransmit_segs"] for e in sent_again)


def _check_marks(it: Recorder, series: Series, events: list[Event]) -> None:
    """As many as the kernel told, at the same moments."""
    marked = {what: [m.time_ns for m in series.marks if m.what == what]
              for what in (FAST, RTO)}
    assert marked[RTO] == [e["time_ns"] for e in events if e.kind == "rto"]
    assert marked[FAST] == [e["time_ns"] for e in events if e.kind == "ca_state"
                            and word(it, e, "ca_state") == "Recovery"
                            and e["old_ca_state"] != e["ca_state"]]


def test_cubic() -> None:
    """cubic: cwnd, ssthresh, phases and losses over time are the kernel's"""
    with Recorder() as it, bare_hosts() as hosts, _plain_cubic():
        for words, lost in LOSSES.items():
            events, cwnd = _transfer(it, hosts, "cubic", lost)
            series = _series(it, events)
            _check_against_records(it, series, events, cwnd)
            _check_marks(it, series, events)
            assert series.derived and "none of" in series.algorithm
            rounds = _told(series)
            assert [r[0] for r in rounds[:4]] == [10, 20, 40, 80], (words, rounds)
            troubled = RECOVERY if lost == ONE_SEGMENT else LOSS
            phases = _phases(series)
            assert phases[:2] == [SLOW_START, troubled], phases
            assert phases[-1] == AVOIDANCE, phases
            # cubic lowers to 717/1024
            assert rounds[-1][1] < 80 and rounds[-1][1] > 40, rounds


def _check_agree(told: Series, derived: Series) -> None:
    assert not told.derived and derived.derived
    assert _told(told) == _told(derived), (_told(told), _told(derived))
    assert _phases(told) == _phases(derived), (_phases(told), _phases(derived))


def test_derived_rounds() -> None:
    """reno's derived rounds are those that renoscope tells with the same losses"""
    with Recorder() as it, bare_hosts() as hosts:
        for words, lost in LOSSES.items():
            ours, cwnd = _transfer(it, hosts, "renoscope", lost)
            told = _series(it, ours)
            _check_against_records(it, told, ours, cwnd)
            _check_marks(it, told, ours)
            assert [r[0] for r in _told(told)[:4]] == [10, 20, 40, 80], (words, _told(told))
            _check_agree(told, _series(it, ours, RENO_KINDS))
            kernels, _ = _transfer(it, hosts, "reno", lost)
            _check_agree(told, _series(it, kernels))


def test_bbr() -> None:
    """bbr sets no ssthresh: its phases are said not to be told by it"""
    run("modprobe", "tcp_bbr", check=False)
    if "bbr" not in Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text():
        raise Skip("the kernel has no bbr")
    with Recorder() as it, bare_hosts() as hosts:
        events, cwnd = _transfer(it, hosts, "bbr", ONE_SEGMENT)
        series = _series(it, events)
        assert RECOVERY in _phases(series), _phases(series)
        assert UNTOLD in _phases(series) and SLOW_START not in _phases(series)
        assert not [step for step in series.ssthresh if step.value != 2**31 - 1]
        assert "as with bbr" in " ".join(series.notes)
        assert cwnd in {e["cwnd"] for e in events}


def test_command() -> None:
    """renoscope cwnd: charts of the live ring, and pictures that name the phases"""
    with Recorder() as it, bare_hosts() as hosts, _plain_cubic():
        _transfer(it, hosts, "cubic", WHOLE_WINDOW)
        shown = renoscope("cwnd", "--port", str(endpoints.PORT))
        assert shown.returncode == 0 and not shown.stderr, shown
        text = " ".join(shown.stdout.split())
        for words in ("10.77.0.2:5000", "max 80", "R RTO", "slow start in Loss",
                      "derived from sequence numbers", f"{SEGMENTS + 1}000 bytes"):
            assert words in text, (words, shown.stdout)
        if "here" not in run(PYTHON, "-c", FIND_MATPLOTLIB):
            raise Skip("no matplotlib: apt-get install python3-matplotlib")
        with tempfile.TemporaryDirectory() as folder:
            svg, png = Path(folder, "cwnd.svg"), Path(folder, "cwnd.png")
            run(PYTHON, str(COMMAND), "cwnd", "--draw", str(svg), "--draw", str(png),
                "--palette", "dark")
            assert png.read_bytes().startswith(b"\x89PNG")
            root = ET.fromstring(svg.read_text())
            texts = {"".join(text.itertext())
                     for text in root.iter("{http://www.w3.org/2000/svg}text")}
            assert {"slow start", "congestion avoidance", "slow start in Loss",
                    "RTO"} <= texts, texts
