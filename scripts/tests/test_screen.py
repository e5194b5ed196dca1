# SPDX-License-Identifier: GPL-2.0
"""`top` on a real terminal, a pty, fed through a FIFO by a recording that grows."""

import contextlib
import os
import signal
import sys
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import support
from .support import MS, Scene
from .terminal import Terminal
from .test_top import HEAD

ENTER, LEAVE = b"\033[?1049h", b"\033[?1049l"
COMMAND = [sys.executable, str(support.SCRIPTS / "renoscope"), "top"]

# A command that draws once, and then fails in a way that nobody foresaw.
FAILS = """
import sys
sys.path.insert(0, sys.argv[1])
from renoscope_lib.output.screen import Line, Screen
with Screen() as screen:
    screen.draw([Line("about to fail")])
    raise ZeroDivisionError("on purpose")
"""


class Stage(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.fifo = str(Path(folder.name, "fifo"))
        os.mkfifo(self.fifo)
        self.scene = Scene()

    def acks(self, *at_ms: float, **values: Any) -> bytes:
        return b"".join(self.scene.pack("ack", round(at * MS), **HEAD | values)
                        for at in at_ms)

    @contextlib.contextmanager
    def top(self, *arguments: str, columns: int = 80, rows: int = 24,
            records: bytes | None = None, **environment: str,
            ) -> Iterator[tuple[Terminal, Any]]:
        """The command, and the pipe it reads, where a recording has begun."""
        records = self.acks(0, 900) if records is None else records
        data = support.recording(records)
        self.rest = data[data.rindex(b"STAT"):]
        with Terminal([*COMMAND, self.fifo, *arguments], columns, rows,
                      **environment) as terminal, \
                open(self.fifo, "wb", buffering=0) as pipe:
            pipe.write(data[:-len(self.rest)])
            yield terminal, pipe

    def assert_given_back(self, terminal: Terminal) -> None:
        terminal.look()
        self.assertEqual(terminal.modes(), terminal.modes_before)
        self.assertFalse(terminal.picture.is_alternate)
        self.assertTrue(terminal.picture.cursor_shown)
        self.assertEqual(terminal.sent.count(ENTER), terminal.sent.count(LEAVE))


class OnATerminal(Stage):
    def test_q_ends_it(self) -> None:
        with self.top() as (terminal, _):
            lines = terminal.wait_for("ESTAB")
            self.assertTrue(terminal.picture.is_alternate)
            self.assertFalse(terminal.picture.cursor_shown)
            self.assertNotEqual(terminal.modes(), terminal.modes_before)
            self.assertTrue(lines[0].startswith("renoscope top"), lines)
            self.assertTrue(any("10.77.0.2:5000" in line for line in lines), lines)
            terminal.type("q")
            self.assertEqual(terminal.end(), (0, ""))
            self.assert_given_back(terminal)

    def test_ctrl_c_ends_it(self) -> None:
        with self.top() as (terminal, _):
            terminal.wait_for("ESTAB")
            terminal.type("\x03")
            self.assertEqual(terminal.end(), (0, ""))
            self.assert_given_back(terminal)

    def test_signals_end_it(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number), self.top() as (terminal, _):
                terminal.wait_for("ESTAB")
                terminal.signal(number)
                self.assertEqual(terminal.end(), (0, ""))
                self.assert_given_back(terminal)

    def test_an_exception_is_seen_on_the_terminal_given_back(self) -> None:
        with Terminal([sys.executable, "-c", FAILS, str(support.SCRIPTS)]) as terminal:
            code, complaint = terminal.end()
            self.assertEqual(code, 1)
            self.assertIn("ZeroDivisionError", complaint)
            self.assertIn(b"about to fail", terminal.sent)
            self.assert_given_back(terminal)

    def test_damage_is_told_on_the_terminal_given_back(self) -> None:
        with self.top() as (terminal, pipe):
            terminal.wait_for("ESTAB")
            pipe.write(b"nonsense" * 10 + self.rest)
            pipe.close()
            code, complaint = terminal.end()
            self.assertEqual(code, 2)
            self.assertIn("renoscope: ", complaint)
            self.assertIn("damaged recording", complaint)
            self.assertEqual(complaint.count("\n"), 1)
            self.assert_given_back(terminal)

    def test_at_the_recordings_end_the_last_table_stays(self) -> None:
        with self.top() as (terminal, pipe):
            terminal.wait_for("ESTAB")
            pipe.write(self.rest)
            pipe.close()
            self.assertEqual(terminal.end(), (0, ""))
            self.assert_given_back(terminal)
            self.assertIn("ESTAB", terminal.picture.normal, "the last table stays")
            self.assertIn("The recording has ended.", terminal.picture.normal)

    def test_a_recording_cut_off_is_told(self) -> None:
        with self.top() as (terminal, pipe):
            terminal.wait_for("ESTAB")
            pipe.write(self.rest[:20])
            pipe.close()
            code, complaint = terminal.end()
            self.assertEqual(code, 2)
            self.assertIn("cut off after 2 whole records", complaint)
            self.assert_given_back(terminal)

    def test_stopped_it_gives_the_terminal_back_and_continued_takes_it(self) -> None:
        """Ctrl-Z gives the terminal back to the shell, until fg."""
        data = support.recording(self.acks(0, 900))
        with Terminal(["bash", "--norc", "--noediting", "-i"],
                      complains_here=True, PS1="$ ") as terminal:
            terminal.wait("the shell", lambda shown: "$ " in shown.normal)
            terminal.type(f"{' '.join(COMMAND)} {self.fifo}\n")
            with open(self.fifo, "wb", buffering=0) as pipe:
                pipe.write(data[:data.rindex(b"STAT")])
                terminal.wait_for("ESTAB")
                terminal.type("\x1a")
                terminal.wait("the shell", lambda shown: "Stopped" in shown.normal)
                self.assert_given_back(terminal)
                terminal.type("fg\n")
                terminal.wait_for("ESTAB")
                self.assertEqual(terminal.picture.times_entered, 2)
                terminal.type("q")
                terminal.wait("the shell", lambda shown: not shown.is_alternate)
                terminal.type("exit $?\n")
                self.assertEqual(terminal.end()[0], 0)
                self.assert_given_back(terminal)

    def test_what_grows_is_seen(self) -> None:
        with self.top("--interval", "1") as (terminal, pipe):
            terminal.wait_for("ESTAB")
            later = support.recording(self.scene.pack(
                "retransmit", 1500 * MS, retransmit_segs=3, total_retrans=3,
                **HEAD) + self.acks(4000))
            begins = later.index(b"RECS")
            pipe.write(later[begins:later.rindex(b"STAT")])
            terminal.wait("3 retransmissions", lambda shown: any(
                line.split()[3:5] == [".", "3"] or line.split()[3:5] == ["3", "3"]
                for line in shown.lines() if line.startswith("ESTAB")))
            terminal.type("q")
            self.assertEqual(terminal.end(), (0, ""))

    def test_it_is_drawn_anew_in_the_new_size(self) -> None:
        with self.top(columns=100, rows=30) as (terminal, _):
            terminal.wait_for("by retransmits")
            self.assertIn("by retransmits", terminal.picture.lines()[29])
            terminal.resize(40, 10)
            terminal.wait("the smaller picture", lambda shown:
                          shown.lines()[-1].startswith("by retransmits"))
            terminal.resize(120, 15)
            terminal.wait("the larger picture", lambda shown:
                          shown.lines()[-1].startswith("by retransmits")
                          and any("acked" in line for line in shown.lines()))
            terminal.type("q")
            self.assertEqual(terminal.end(), (0, ""))

    def test_keys_choose_what_is_shown(self) -> None:
        with self.top() as (terminal, _):
            terminal.wait_for("by retransmits")
            terminal.type("t")
            terminal.wait_for("by RTT")
            terminal.type("t")
            terminal.wait_for("by RTT, least first")
            terminal.type("\033[A")
            terminal.type("l")
            terminal.wait_for("by half-open")
            terminal.wait_for("No listener was heard of")
            terminal.type("?")
            terminal.wait_for("SYN-ACKs sent again")
            terminal.type("x ")
            terminal.wait_for("PAUSED")
            terminal.type("q")
            self.assertEqual(terminal.end(), (0, ""))

    def test_no_colours_if_not_wanted(self) -> None:
        with self.top(NO_COLOR="1") as (terminal, _):
            terminal.wait_for("ESTAB")
            terminal.type("q")
            terminal.end()
            self.assertNotIn(b"\033[1m", terminal.sent)
            self.assertNotIn(b"\033[7m", terminal.sent)

    def test_losses_stand_out(self) -> None:
        records = self.acks(0) + self.scene.pack("lost", MS, lost_events=12)
        with self.top(records=records) as (terminal, _):
            terminal.wait_for("*** 12 events LOST")
            self.assertIn(b"\033[1;37;41m*** 12 events LOST", terminal.sent)
            terminal.type("q")
            terminal.end()


class Elsewhere(Stage):
    def test_a_dumb_terminal_gets_blocks(self) -> None:
        with self.top(TERM="dumb") as (terminal, pipe):
            terminal.wait("a block", lambda shown: "ESTAB" in shown.normal)
            pipe.write(self.rest)
            pipe.close()
            self.assertEqual(terminal.end(), (0, ""))
            self.assertNotIn(b"\033", terminal.sent)

    def test_once_and_json_draw_nothing(self) -> None:
        for argument in ("--once", "--json"):
            with self.subTest(argument), self.top(argument) as (terminal, pipe):
                pipe.write(self.rest)
                pipe.close()
                self.assertEqual(terminal.end(), (0, ""))
                self.assertNotIn(b"\033", terminal.sent)
                self.assertIn(b"ESTAB", terminal.sent)

    def test_keys_if_the_recording_is_standard_input(self) -> None:
        """As in `ssh host renoscope record - | renoscope top -`."""
        shell = f"exec {' '.join(COMMAND)} - < {self.fifo}"
        data = support.recording(self.acks(0, 900))
        with Terminal(["sh", "-c", shell]) as terminal, \
                open(self.fifo, "wb", buffering=0) as pipe:
            pipe.write(data[:data.rindex(b"STAT")])
            terminal.wait_for("ESTAB")
            terminal.type("q")
            self.assertEqual(terminal.end(), (0, ""))
            self.assert_given_back(terminal)


if __name__ == "__main__":
    unittest.main()
