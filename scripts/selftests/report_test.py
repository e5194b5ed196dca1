# SPDX-License-Identifier: GPL-2.0
"""`renoscope report` of the live ring: what happened stands on the page, and what is lost.

The events themselves are the witness: the page must count as they do.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import endpoints
import recorder
import troubles
from endpoints import FAMILIES, connected, say
from hosts import CLIENT, SERVER, TwoHosts
from inside import cookie_of
from recorder import Recorder
from renoscope_lib.report.sent_again import CAUSE_NAMES
from renoscope_lib.words import connection
from tests.html_page import Page

SMALL_RING = 16


@contextlib.contextmanager
def _stage(*parameters: str) -> Iterator[tuple[Recorder, TwoHosts]]:
    """The module, and two hosts that alone are recorded."""
    with Recorder(*parameters) as it, TwoHosts() as hosts:
        (recorder.PARAMETERS / "filter").write_text(
            f"netns={hosts.inode(CLIENT)},{hosts.inode(SERVER)}")
        yield it, hosts


def _page() -> Page:
    """The page of what the ring holds now."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ring.html"
        done = recorder.renoscope("report", "-o", str(file))
        assert done.returncode == 0 and f"{file}: " in done.stdout, done
        page = Page(file.read_text(encoding="utf-8"))
    assert not page.wrong, page.wrong
    return page


def _trouble(it: Recorder, hosts: TwoHosts) -> list[int]:
    """Losses, a refusal and aborted connections; then both ends of a sound one."""
    hosts.most_segments_a_packet(1)
    for ipv6 in FAMILIES:
        troubles.lossy_life(it, hosts, ipv6)
        troubles.refused(ipv6)
        troubles.aborted(it, ipv6)
    with connected(False) as pair:
        say(*pair)
        cookies = [cookie_of(sock) for sock in pair]
    endpoints.quiet(hosts)
    return cookies


def test_live_ring() -> None:
    """report of the ring: each connection, losses by cause, verdicts, and that none is lost"""
    with _stage() as (it, hosts):
        sound = _trouble(it, hosts)
        before = len(endpoints.whole(it))
        page = _page()
        after = len(it.events())
        assert any(f"{number:,} events were recorded and none is lost." in page.text
                   for number in range(before, after + 1)), (before, after, page.text)
        assert page.of("h1") == ["the ring, live"], page.of("h1")
        _check_connections(it, page, sound)
        _check_causes(it, page)
        for said in ("What went wrong", "could not connect", "refused by a RST",
                     "ended by a RST", "the retransmission timer fired",
                     "ring_records 8192, filter netns="):
            assert said in page.text, (said, page.text)


def _check_connections(it: Recorder, page: Page, sound: list[int]) -> None:
    """All that became established; the sound one is not among the troubled."""
    seen = {event["cookie"] for event in it.events("state")
            if it.state_name(event["state"]) == "ESTABLISHED"}
    assert seen >= set(sound)
    cells = page.tables["Connections, in order of time"]
    told = {word for row in cells for word in " ".join(row).split()}
    assert {connection(cookie) for cookie in seen} <= told, (seen, cells)
    again = {row[0] for row in page.tables["Losses by connection"][1:]}
    assert {event["cookie"] for event in it.events("retransmit")} == {
        int(name.removeprefix("sk:"), 16) for name in again}, again
    assert not again & {connection(cookie) for cookie in sound}


def _check_causes(it: Recorder, page: Page) -> None:
    segments: Counter[str] = Counter()
    for event in it.events("retransmit"):
        cause = endpoints.word(it, event, "retransmit_cause")
        segments[CAUSE_NAMES[cause][0]] += event["retransmit_segs"]
    told = {row[0]: int(row[1].replace(",", ""))
            for row in page.tables["Segments sent again, by cause"][1:]}
    assert segments["timeout"] and told == segments, (told, segments)


def test_lost_events() -> None:
    """report of a ring that is too small: how many events are lost, of how many"""
    with _stage(f"ring_records={SMALL_RING}") as (it, hosts):
        for _ in range(20):
            with connected(False) as pair:
                say(*pair)
        endpoints.quiet(hosts)
        page = _page()
        counts = recorder.stats().values()
        written = sum(count["written"] for count in counts)
        read = sum(event.kind != "lost" for event in it.events())
        assert f"Of {written:,} events, {written - read:,} are lost (" in page.text, (
            written, read, page.text)
        assert "what is said here may lack a part" in page.text
        assert "none is lost" not in page.text
        told = page.tables["Events by processor"]
        assert all(row[-1] in ("adds up", "") for row in told[1:]), told
