# SPDX-License-Identifier: GPL-2.0
"""The page as people see it: in a browser, wide and narrow, light and dark."""

import importlib.util
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any


from . import browser, support
from .handshake_scene import ListenerScene
from .support import ACK, CLOSED, ESTABLISHED, MS, RST, SYN_SENT, Scene, number_of
from .test_report import EVIL
from renoscope_lib.words import INFINITE_SSTHRESH

HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None

WIDE, NARROW = 1280, 390
LOOKS = [(width, scheme) for width in (WIDE, NARROW) for scheme in ("light", "dark")]

# WCAG 2: contrast between text and what is behind it, 4.5 for AA.
CONTRAST = """
(() => {
  const channels = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const part = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = channels(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3]) return light(colour);
    }
    return 1;
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || node.closest("script, style")) continue;
    const style = getComputedStyle(node);
    const colour = node.closest("svg") ? style.fill : style.color;
    const [low, high] = [light(channels(colour)), behind(node)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5)
      weak.push(`${walker.currentNode.data} ${colour}`);
  }
  return weak;
})()"""


def events() -> bytes:
    """Something for every section."""
    scene = Scene()
    stage = ListenerScene(scene=scene, limit=4)
    records = []

    def add(kind: str, at_ms: float, **values: Any) -> None:
        records.append(scene.pack(kind, round(at_ms * MS), **{
            "state": ESTABLISHED, "cwnd": 10, "ssthresh": INFINITE_SSTHRESH,
            "snd_isn": 99, "rcv_isn": 7, "rcv_nxt": 8, "srtt_us": 40_000,
            "rto_us": 240_000} | values))

    def handshake(kind: str, at_ms: float, **values: Any) -> None:
        add(kind, at_ms, **{
            "local_addr": stage.local, "local_port": 5000, "remote_port": 4000,
            "remote_addr": support.CLIENT, "cookie": 0x101, "state": 12, "listener": 1,
            "accept_limit": 4, "synack_timeout_us": 1_000_000, "max_retries": 5}
            | values)

    for n in range(60):
        of = {"cookie": 0x1000 + n, "local_port": 40000 + n, "snd_una": 100,
              "snd_nxt": 100}
        add("state", n, old_state=CLOSED, **of | {"state": SYN_SENT})
        add("state", n + 36, old_state=SYN_SENT, **of)
        for step in range(8):
            add("ack", n + 40 + step, seg_flags=ACK, **of | {
                "cwnd": 10 + step, "snd_una": 100 + 1448 * step,
                "snd_nxt": 100 + 1448 * (step + 9)})
        add("rto", n + 300, **of)
        add("retransmit", n + 300, retransmit_cause=number_of("retransmit_cause", "rto"),
            retransmit_segs=1, seg_flags=ACK, **of)
        add("zero_window", n + 310, seg_flags=ACK, window_side=number_of(
            "window_side", "peer"), window_change=number_of("window_change", "closed"),
            **of)
        add("reset_received", n + 900, seg_flags=RST, **of)
        add("state", n + 900, old_state=ESTABLISHED, **of | {"state": CLOSED})
    handshake("syn", 1000, cookie=0, seg_flags=2, seg_seq=7)
    handshake("request", 1000)
    handshake("synack", 1000)
    for attempt, after_ms in enumerate((1020, 3040, 7140)):
        handshake("synack_retransmit", 1000 + after_ms, num_retrans=attempt,
                  num_timeout=attempt, by_timer=1, half_open=1,
                  since_synack_us=after_ms * 1000, rto_us=2_000_000 << attempt)
    return b"".join(records)


@unittest.skipIf(browser.CHROMIUM is None, "no browser: apt-get install chromium")
class InABrowser(unittest.TestCase):
    tab: browser.Tab
    url: str
    evil_url: str

    @classmethod
    def setUpClass(cls) -> None:
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.tab = cls.enterClassContext(browser.browser())
        records = events()
        count = len(records) // support.source().record_bytes
        cls.url = cls.page_of(Path(folder, "x"), support.recording(
            records, cpus={"0": {"start": 0, "written": count}}))
        cls.evil_url = cls.page_of(Path(folder, "evil"), support.recording(
            records, parameters={"filter": EVIL}, boot=EVIL))

    @staticmethod
    def page_of(path: Path, recording: bytes) -> str:
        path.write_bytes(recording)
        page = path.with_suffix(".html")
        # this very Python, which has matplotlib or not
        subprocess.run([sys.executable, str(support.SCRIPTS / "renoscope"), "report",
                        str(path), "-o", str(page)], check=True, capture_output=True)
        return page.as_uri()

    def open(self, width: int, scheme: str, url: str | None = None) -> None:
        self.tab.forget()
        self.tab.look_like(width, 900, scheme)
        self.tab.open(url or self.url)

    def each_look(self, check: Callable[[int, str], None]) -> None:
        for width, scheme in LOOKS:
            with self.subTest(width=width, scheme=scheme):
                self.open(width, scheme)
                check(width, scheme)

    def test_it_complains_of_nothing_and_asks_nobody(self) -> None:
        def check(_width: int, _scheme: str) -> None:
            self.assertEqual(self.tab.complaints, [])
            self.assertEqual([url[:99] for url in self.tab.requests
                              if url != self.url and not url.startswith("data:")], [])
        self.each_look(check)

    def test_nothing_is_wider_than_the_window(self) -> None:
        def check(width: int, _scheme: str) -> None:
            self.assertEqual(self.tab.run("innerWidth"), width)
            self.assertLessEqual(
                self.tab.run("document.scrollingElement.scrollWidth"), width)
        self.each_look(check)

    def test_wide_tables_scroll_in_their_box(self) -> None:
        self.open(NARROW, "light")
        self.assertTrue(self.tab.run(
            "[...document.querySelectorAll('.scroll')].some("
            "box => box.scrollWidth > box.clientWidth)"))

    def test_text_can_be_read(self) -> None:
        self.each_look(lambda _width, _scheme: self.assertEqual(
            self.tab.run(CONTRAST), []))

    def test_it_is_dark_for_who_likes_it_dark(self) -> None:
        papers = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 22, 26)"}
        self.each_look(lambda _width, scheme: self.assertEqual(
            self.tab.run("getComputedStyle(document.body).backgroundColor"),
            papers[scheme]))

    def test_figures_are_there(self) -> None:
        def check(_width: int, _scheme: str) -> None:
            self.assertEqual(self.tab.run(
                "document.querySelectorAll('.backoff circle').length"), 8)
            self.assertGreater(self.tab.run(
                "Math.min(...[...document.querySelectorAll('.states rect')]"
                ".map(bar => bar.getBoundingClientRect().width))"), 0.5)
        self.each_look(check)

    @unittest.skipUnless(HAS_MATPLOTLIB, "no python3-matplotlib for this python3")
    def test_pictures_of_cwnd_are_those_of_the_scheme(self) -> None:
        sources = {}

        def check(width: int, scheme: str) -> None:
            self.assertEqual(self.tab.run(
                "Promise.all([...document.images].map(image => image.decode().then("
                "() => image.naturalWidth > 0)))"), [True] * 4)
            sources[width, scheme] = self.tab.run("document.images[0].currentSrc")
        self.each_look(check)
        self.assertEqual(sources[WIDE, "dark"], sources[NARROW, "dark"])
        self.assertNotEqual(sources[WIDE, "dark"], sources[WIDE, "light"])

    def test_a_click_sorts(self) -> None:
        self.open(WIDE, "light")
        column = ("[...document.querySelectorAll('#connections tbody tr')].map("
                  "row => parseFloat(row.cells[3].dataset.key))")
        button = "document.querySelectorAll('#connections thead button')[3]"
        before = self.tab.run(column)
        self.tab.run(f"{button}.click()")
        self.assertEqual(self.tab.run(column), sorted(before, reverse=True))
        self.tab.run(f"{button}.click()")
        self.assertEqual(self.tab.run(column), sorted(before))
        self.assertEqual(self.tab.run(f"{button}.closest('th').ariaSort"), "ascending")

    def test_what_a_hostile_recording_says_is_only_text(self) -> None:
        self.open(WIDE, "light", self.evil_url)
        self.assertEqual((self.tab.complaints, self.tab.dialogs), ([], []))
        self.assertIn("<script>alert('1')</script>",
                      self.tab.run("document.body.innerText"))

    def test_a_script_that_slips_in_does_not_run(self) -> None:
        """And the browser complains of it, so that these tests would notice."""
        self.open(WIDE, "light")
        self.tab.run("document.body.insertAdjacentHTML('beforeend', "
                     "'<img src=x onerror=document.title=1>')")
        self.tab.run("new Promise(done => setTimeout(done, 0))")
        self.assertNotEqual(self.tab.run("document.title"), "1")
        self.assertIn("Content Security Policy", " ".join(self.tab.complaints))


if __name__ == "__main__":
    unittest.main()
