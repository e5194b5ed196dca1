# SPDX-License-Identifier: GPL-2.0
"""The user's terminal, lent to a guest: what it gets back, whatever happened there."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "qemu"))

import machine  # noqa: E402
from result_stream import Ending  # noqa: E402
from keyboard import PLAIN, Keyboard, Left, ScreenModes  # noqa: E402
from machine import Machine  # noqa: E402

OFLAG, LFLAG = 1, 3
LIMIT_S = 30


class Modes(unittest.TestCase):
    def undone(self, *pieces: bytes) -> bytes:
        screen = ScreenModes()
        for piece in pieces:
            screen.feed(piece)
        return screen.undo()

    def test_nothing_changed_nothing_sent(self) -> None:
        self.assertEqual(self.undone(b"text \033[1;31mred\033[0m"), b"")
        self.assertEqual(self.undone(b"\033[?1049h\033[?25l..\033[?25h\033[?1049l"), b"")

    def test_what_was_left_on_goes_off_and_the_cursor_comes_back(self) -> None:
        self.assertEqual(self.undone(b"\033[?1049h\033[?25lpicture"),
                         PLAIN + b"\033[?1049l\033[?25h")
        self.assertEqual(self.undone(b"\033[?1000;2004h"), PLAIN + b"\033[?1000l\033[?2004l")

    def test_a_sequence_that_comes_in_pieces(self) -> None:
        whole = b"a\033[?1049hb"
        for at in range(1, len(whole)):
            with self.subTest(at):
                self.assertEqual(self.undone(whole[:at], whole[at:]), PLAIN + b"\033[?1049l")

    def test_it_is_undone_once(self) -> None:
        screen = ScreenModes()
        screen.feed(b"\033[?25l")
        self.assertTrue(screen.undo())
        self.assertEqual(screen.undo(), b"")


class OnPty(unittest.TestCase):
    """A keyboard on a terminal of its own."""

    def setUp(self) -> None:
        self.controller, self.terminal = pty.openpty()
        self.addCleanup(os.close, self.terminal)
        self.keyboard = Keyboard(self.terminal, self.terminal)
        self.before = termios.tcgetattr(self.terminal)

    def tearDown(self) -> None:
        if self.controller >= 0:
            os.close(self.controller)


class Lending(OnPty):
    def test_raw_while_it_is_lent_only(self) -> None:
        with self.keyboard:
            self.assertEqual(termios.tcgetattr(self.terminal), self.before)
            self.keyboard.lend()
            modes = termios.tcgetattr(self.terminal)
            self.assertFalse(modes[LFLAG] & (termios.ISIG | termios.ECHO | termios.ICANON))
            self.assertFalse(modes[OFLAG] & termios.OPOST)
        self.assertEqual(termios.tcgetattr(self.terminal), self.before)

    def test_given_back_after_a_failure(self) -> None:
        with self.assertRaises(ValueError), self.keyboard:
            self.keyboard.lend()
            self.keyboard.saw(b"\033[?25l")
            raise ValueError
        self.assertEqual(termios.tcgetattr(self.terminal), self.before)
        self.assertIn(b"\033[?25h", os.read(self.controller, 100))

    def test_keys_are_the_guests_but_for_one(self) -> None:
        with self.keyboard:
            self.keyboard.lend()
            os.write(self.controller, b"ls\r\x03\x1a\x04")
            self.assertEqual(self.keyboard.typed(), b"ls\r\x03\x1a\x04")
            os.write(self.controller, b"\x1d")
            with self.assertRaises(Left):
                self.keyboard.typed()

    def test_a_terminal_that_is_gone(self) -> None:
        with self.keyboard:
            self.keyboard.lend()
            os.close(self.controller)
            self.controller = -1
            with self.assertRaises(Left):
                self.keyboard.typed()


class Relay(OnPty):
    """machine.run() with a shell in QEMU's place."""

    def play(self, script: str) -> machine.Outcome:
        class Stand(Machine):
            def command_line(self) -> list[str]:
                return ["sh", "-c", script]

        self.shown = b""
        self.lent_when_shown: list[bool] = []

        def show(data: bytes) -> None:
            self.shown += data
            if data:
                self.lent_when_shown.append(self.keyboard.is_lent)

        hardware = Stand(Path(), Path(), Path(), "", [], 1, 1, "", False, False)
        with self.keyboard:
            outcome = machine.run(hardware, "TOKEN", LIMIT_S, show, self.keyboard)
            self.lent_until_qemu_ended = self.keyboard.is_lent
            return outcome

    def test_keys_arrive_and_the_end_gives_the_terminal_back(self) -> None:
        os.write(self.controller, b"typed before\n")
        outcome = self.play("echo ready; read line; echo \"got $line\"; "
                            "printf '\\036TOKEN 0 0\\n'")
        self.assertFalse(outcome.timed_out)
        self.assertEqual(self.shown, b"ready\ngot typed before\n")
        self.assertEqual(outcome.ending, Ending(0, 0))
        self.assertFalse(self.lent_until_qemu_ended)
        self.assertEqual(termios.tcgetattr(self.terminal), self.before)

    def test_who_answers_the_first_output_answers_the_guest(self) -> None:
        os.write(self.controller, b"\n")
        self.play("echo ready; read line; printf '\\036TOKEN 0 0\\n'")
        self.assertEqual(self.lent_when_shown, [True])

    def test_a_guest_that_dies(self) -> None:
        outcome = self.play("printf '\\033[?1049hready'; kill -9 $$")
        self.assertIsNone(outcome.ending)
        self.assertFalse(outcome.timed_out)
        self.assertEqual(termios.tcgetattr(self.terminal), self.before)
        self.assertIn(b"\033[?1049l", os.read(self.controller, 100))

    def test_a_guest_that_takes_no_keys_does_not_hold_us(self) -> None:
        many = b"x" * 4000
        typist = subprocess.Popen(
            [sys.executable, "-c", "import os, sys\n"
             f"for _ in range(50): os.write({self.controller}, {many!r})\n"
             f"os.write({self.controller}, b'\\x1d')"], pass_fds=[self.controller])
        with typist, self.assertRaises(Left):
            self.play("echo ready; exec sleep 1000")
        self.assertEqual(termios.tcgetattr(self.terminal), self.before)


if __name__ == "__main__":
    unittest.main()
