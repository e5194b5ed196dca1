# SPDX-License-Identifier: GPL-2.0
"""The picture of cwnd: as a file, and for a page that has many."""

import functools
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path
from unittest import mock

from renoscope_lib.errors import Problem
from renoscope_lib.output import pictures
from renoscope_lib.ring.schema import Event
from renoscope_lib.views.palettes import PALETTES

from . import support
from .support import CLOSED, MS, READABLE, contrast
from .test_cwnd import Sender, timeout_figure
from .test_rounds import RENOSCOPE, with_matplotlib

BOTH = ("light", "dark")
SVG = "{http://www.w3.org/2000/svg}"

# Reads a recording; each connection's picture on each of these papers, and one again.
PICTURES = """
import sys
sys.path.insert(0, sys.argv[1])
from renoscope_lib.views import cwnd_figure
from renoscope_lib.views.cwnd import Cwnd
from renoscope_lib.recording.inputs import RecordingInput
from renoscope_lib.views.palettes import PALETTES
from renoscope_lib.views.telling import joined
source = RecordingInput("-")
view = Cwnd(source.schema)
for event in joined(source):
    view.feed(event)
print("<page>")
for palette in sys.argv[2:]:
    for series in view.series():
        print(cwnd_figure.svg(series, PALETTES[palette]))
print(cwnd_figure.svg(next(view.series()), prefix="again-"))
print("</page>")
"""

# Runs the command where there is no matplotlib, whatever is installed.
WITHOUT = """
import sys
sys.modules["matplotlib"] = None
sys.path.insert(0, sys.argv[1])
from renoscope_lib.cli import main
sys.exit(main(sys.argv[2:]))
"""


def recording_of(*events: Event) -> bytes:
    """Their records, packed again."""
    return support.recording(*(support.pack(event.kind, **{
        name: value for name, value in event.values.items()
        if name not in ("kind", "local_addr", "remote_addr")} | {
            "local_addr": support.CLIENT, "remote_addr": support.SERVER})
        for event in events))


def two_connections() -> list[Event]:
    """One with a timeout, and one with a hole in it and in recovery."""
    other = Sender(cookie=9)
    other.rounds(4)
    other.ca = "Recovery"
    other.tell("ca_state", old_ca_state=0, sacked_out=3)
    other.rounds(3)
    events = sorted([*timeout_figure().events, *other.events],
                    key=lambda event: event["time_ns"])
    lost = other.scene.event("lost", 250 * MS, lost_events=4)
    return [*events[:40], lost, *events[40:]]


class Palettes(unittest.TestCase):
    def test_words_can_be_read_on_the_paper_and_on_each_phase(self) -> None:
        for palette in PALETTES.values():
            for name in ("text", "ink", "threshold", "trouble"):
                for behind in (palette.paper, *palette.phases.values()):
                    with self.subTest(palette.name, word=name, behind=behind):
                        self.assertGreaterEqual(
                            contrast(getattr(palette, name), behind), READABLE)


class Needing(unittest.TestCase):
    def setUp(self) -> None:
        self.python = with_matplotlib() or self.skipTest(
            "no matplotlib: apt-get install python3-matplotlib")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


@functools.cache
def page_of(python: str, recording: bytes, *palettes: str) -> str:
    """A page with all pictures of a recording."""
    return subprocess.run([python, "-c", PICTURES, support.SCRIPTS, *palettes],
                          check=True, input=recording, capture_output=True
                          ).stdout.decode()


class InPages(Needing):
    def page(self, *events: Event, palettes: tuple[str, ...] = ("light",)) -> str:
        return page_of(self.python, recording_of(*events), *palettes)

    def test_many_in_one_page(self) -> None:
        """Well-formed; no id twice; each reference stays in its own picture."""
        page = ET.fromstring(self.page(*two_connections(), palettes=BOTH))
        pictures = page.findall(f"{SVG}svg")
        self.assertEqual(len(pictures), 5)
        seen: set[str] = set()
        for picture in pictures:
            ids = [element.get("id") for element in picture.iter() if element.get("id")]
            self.assertEqual(len(ids), len(set(ids)))
            self.assertFalse(seen.intersection(ids))
            seen.update(ids)
            text = ET.tostring(picture, encoding="unicode")
            references = re.findall(r'(?:href="|url\()#([^")]+)', text)
            self.assertTrue(references)
            self.assertLessEqual(set(references), set(ids))

    def test_text_is_text_and_the_size_the_containers(self) -> None:
        """And the same picture again is the same but for its ids."""
        page = self.page(*two_connections(), palettes=BOTH)
        first, *_, again = re.findall("<svg.*?</svg>", page, re.DOTALL)
        self.assertEqual(again, first.replace("cwnd-5-light-", "again-"))
        first = ET.fromstring(first)
        words = ["".join(text.itertext()) for text in first.iter(f"{SVG}text")]
        for word in ("slow start", "congestion avoidance", "slow start in Loss", "cwnd",
                     "ssthresh", "RTO", "timeout", "23", "srtt (ms)",
                     "sk:5, 10.77.0.1:40112 - 10.77.0.2:5000",
                     "round trip, derived from sequence numbers"):
            self.assertIn(word, words)
        self.assertIsNone(first.find(f".//{SVG}style"))
        self.assertIsNone(first.get("width"))
        self.assertIsNone(first.get("height"))
        self.assertRegex(first.get("viewBox"), r"^0 0 \d")

    def test_nothing_is_drawn_across_a_hole(self) -> None:
        """The curve comes in two pieces, in the picture over time too."""
        whole, holey = Sender(), Sender()
        for sender in (whole, holey):
            sender.rounds(4)
            if sender is holey:
                sender.events.append(sender.scene.event("lost", 400 * MS, lost_events=4))
            sender.at_ms += 1000
            sender.rounds(4)
        curves = []
        for sender in (whole, holey):
            svg = ET.fromstring(self.page(*sender.events)).find(f"{SVG}svg")
            curves.append(sum("#1f3b5c" in (path.get("style") or "")
                              and (path.get("d") or "").count("L") > 1
                              for path in svg.iter(f"{SVG}path")))
            words = ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]
            self.assertEqual("not known" in words, sender is holey)
        self.assertEqual(curves[1], curves[0] + 1)

    def test_the_shortest_connections_can_be_drawn(self) -> None:
        """One ACK, one round; a timeout and no ACK at all; all in one moment."""
        one, none, moment = (Sender(cookie=number) for number in (1, 2, 3))
        one.rounds(1)
        none.tell("rto")
        moment.send()
        moment.ack()
        moment.tell("state", state=CLOSED, old_state=1)
        page = ET.fromstring(self.page(*one.events, *none.events, *moment.events))
        self.assertEqual(len(page.findall(f"{SVG}svg")), 3 + 1)


class Files(Needing):
    def draw(self, *files: str, events: list[Event], more: tuple[str, ...] = (),
             ) -> subprocess.CompletedProcess[bytes]:
        asked = [word for file in files for word in ("--draw", str(self.folder / file))]
        return subprocess.run([self.python, RENOSCOPE, "cwnd", "-", *asked, *more],
                              check=False, input=recording_of(*events),
                              capture_output=True)

    def test_a_file_is_png_or_svg_by_its_name(self) -> None:
        done = self.draw("a.png", "A.SVG", events=timeout_figure().events,
                         more=("--palette", "dark"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((self.folder / "a.png").read_bytes().startswith(b"\x89PNG"))
        text = (self.folder / "A.SVG").read_text()
        ET.fromstring(text)
        self.assertIn("#16191d", text)
        self.assertIn(">slow start in Loss<", text)

    def test_of_more_than_one_connection_one_must_be_chosen(self) -> None:
        done = self.draw("a.png", events=two_connections())
        self.assertEqual((done.returncode, done.stderr.decode()), (
            2, "renoscope: cwnd: a picture is of one connection, here more than one "
            "sent data: choose with --connection: sk:5, sk:9\n"))
        done = self.draw("a.png", events=two_connections(), more=("--connection", "sk:9"))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_who_can_be_chosen_is_named(self) -> None:
        """As far as anybody reads."""
        flows = [mock.Mock(cookie=n) for n in range(1, 10)]
        for few, told in ((flows[:2], "sk:1, sk:2"), (
                flows, "sk:1, sk:2, sk:3, sk:4, sk:5, sk:6, sk:7, sk:8, ...")):
            with self.assertRaises(Problem) as caught:
                pictures.of_one("rounds", few, "has rounds")
            self.assertTrue(str(caught.exception).endswith(f"--connection: {told}"))

    def test_what_cannot_be_drawn_is_told_in_one_line(self) -> None:
        for file, events, code, words in (
                ("a.gif", timeout_figure().events, 2, "ends with .png or .svg"),
                ("a.png", [], 2, "here no connection sent data"),
                ("nowhere/a.png", timeout_figure().events, 1,
                 "a.png: No such file or directory")):
            done = self.draw(file, events=events)
            self.assertEqual(done.returncode, code)
            self.assertIn(words, done.stderr.decode())
            self.assertEqual(done.stderr.count(b"\n"), 1)


class Without(unittest.TestCase):
    def test_without_matplotlib_charts_come_and_a_picture_is_refused(self) -> None:
        records = recording_of(*timeout_figure().events)
        plain, drawing = (subprocess.run(
            [sys.executable, "-c", WITHOUT, support.SCRIPTS, "cwnd", "-", *more],
            check=False, input=records, capture_output=True)
            for more in ((), ("--draw", "/nowhere/a.svg")))
        self.assertEqual((plain.returncode, plain.stderr), (0, b""))
        self.assertIn("max 24", plain.stdout.decode())
        self.assertEqual(drawing.returncode, 4)
        self.assertEqual(
            drawing.stderr.decode(),
            "renoscope: cwnd: a picture needs matplotlib: apt-get install "
            "python3-matplotlib, and run scripts/renoscope with /usr/bin/python3\n")
        self.assertEqual(drawing.stdout, plain.stdout)
