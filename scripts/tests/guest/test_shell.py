#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A shell in a guest, as a person on a terminal has it, and as a pipe has it.

It needs QEMU and a stock kernel, and takes two minutes or so:

    python3 scripts/tests/guest/test_shell.py
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest
from pathlib import Path
from types import TracebackType

SCRIPTS = Path(__file__).resolve().parents[2]
SERIES = os.environ.get("RENOSCOPE_KERNEL", "6.12")
PATIENCE_S = 300
COLUMNS, ROWS = 101, 31
CONTROL = re.compile(r"\033\[[?0-9;]*[A-Za-z]|\r")
PROMPT = "guest:"
KERNEL: str

ENVIRONMENT = {**os.environ, "DEPS": "no", "TERM": "xterm"}


def setUpModule() -> None:
    """Fetch the kernel once for all cases."""
    global KERNEL
    found = subprocess.run([SCRIPTS / "qemu" / "fetch-kernel", SERIES],
                           stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        raise unittest.SkipTest(f"no {SERIES} kernel can be had")
    KERNEL = found.stdout.strip()


def bare_guest(command: str) -> list[str]:
    """A guest without the host's files, which is up soon."""
    return [str(SCRIPTS / "qemu" / "boot"), "--kernel", KERNEL, "--interactive", "--", command]


class OnTerminal:
    """A command on a terminal, and what was shown there since one looked last."""

    def __init__(self, *argv: str, **environment: str) -> None:
        self._argv = argv
        self._environment = environment
        self.shown = ""

    def __enter__(self) -> OnTerminal:
        self.controller, self.terminal = pty.openpty()
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.modes_before = self.modes()
        self.process = subprocess.Popen(
            self._argv, stdin=self.terminal, stdout=self.terminal, stderr=self.terminal,
            env={**ENVIRONMENT, **self._environment}, start_new_session=True,
            preexec_fn=self._control_it)
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.go_away()
        os.close(self.terminal)

    @staticmethod
    def _control_it() -> None:
        """Its end is a signal, also where these tests run under nohup."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def go_away(self) -> None:
        """As a window that is closed."""
        if self.controller >= 0:
            os.close(self.controller)
        self.controller = -1

    def modes(self) -> list[object]:
        """As whoever looks finds them."""
        return termios.tcgetattr(self.terminal)

    def type(self, keys: str) -> None:
        """On its keyboard."""
        os.write(self.controller, keys.encode())

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Until that is shown; what came before it is forgotten."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, CONTROL.sub("", self.shown), re.MULTILINE)):
            if not self._look() and (self.process.poll() is not None
                                     or time.monotonic() > deadline):
                raise AssertionError(f"waited for {pattern!r}; shown: {self.shown!r}; "
                                     f"exit code {self.process.poll()}")
        self.shown = CONTROL.sub("", self.shown)[found.end():]
        return found

    def _look(self) -> bool:
        if not select.select([self.controller], [], [], 0.1)[0]:
            return False
        self.shown += os.read(self.controller, 1 << 16).decode(errors="replace")
        return True

    def end(self) -> int:
        """The command's exit code, once it has ended; what it says then is shown."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            self._look()
        code = self.process.wait(timeout=1)
        while self._look():
            pass
        return code


class Person(unittest.TestCase):
    maxDiff = None

    def test_a_visit(self) -> None:
        """Commands, the terminal's size, Ctrl-C, a full screen, and the way out."""
        with OnTerminal(str(SCRIPTS / "guest"), SERIES) as user:
            user.wait_for("tcp_renoscope loaded")
            user.wait_for(PROMPT)
            user.type("stty size; echo $TERM $((6 * 7))\n")
            user.wait_for(f"^{ROWS} {COLUMNS}$")
            user.wait_for("^xterm 42$")
            user.type("chatter &\n")
            user.wait_for(PROMPT)
            user.type("renoscope show\n")
            user.wait_for("received .*seq=")
            user.type("\x03")
            user.wait_for(PROMPT)
            user.type("echo $?; renoscope top\n")
            user.wait_for("^130$|^0$")
            user.wait_for(r"10\.77\.0\.2:5000")
            user.type("q")
            user.wait_for(PROMPT)
            self.assertNotEqual(user.modes(), user.modes_before)
            user.type("exit\n")
            self.assertEqual(user.end(), 0, user.shown)
            self.assertEqual(user.modes(), user.modes_before)

    def test_a_guest_that_dies_gives_the_terminal_back(self) -> None:
        with OnTerminal(*bare_guest("printf '\\033[?1049hup\\n'; read x; poweroff -f")) as user:
            user.wait_for("up")
            user.type("\n")
            self.assertEqual(user.end(), 5, user.shown)
            self.assertEqual(user.modes(), user.modes_before)
            self.assertIn("\033[?1049l", user.shown)

    def test_the_leaving_key_ends_a_guest_that_hangs(self) -> None:
        with OnTerminal(*bare_guest("trap '' INT; echo up; sleep 1000")) as user:
            user.wait_for("up")
            user.type("\x03\x1d")
            self.assertEqual(user.end(), 130, user.shown)
            self.assertEqual(user.modes(), user.modes_before)
            self.assertIn("ended from the keyboard", user.shown)

    def test_a_terminal_that_goes_away_takes_the_guest_with_it(self) -> None:
        with (tempfile.TemporaryDirectory() as scratch,
              OnTerminal(*bare_guest("echo up; sleep 1000"), TMPDIR=scratch) as user):
            user.wait_for("up")
            guest, = Path(f"/proc/{user.process.pid}/task/{user.process.pid}/children"
                          ).read_text().split()
            user.go_away()
            user.process.wait(PATIENCE_S)
            self.assertFalse(Path("/proc", guest).exists())
            self.assertEqual(os.listdir(scratch), [])

    def test_nothing_of_a_long_output_is_lost_at_the_end(self) -> None:
        with OnTerminal(*bare_guest("seq 1 3000")) as user:
            self.assertEqual(user.end(), 0)
            self.assertEqual(user.shown.split(), [str(number) for number in range(1, 3001)])


class Pipe(unittest.TestCase):
    maxDiff = None

    def run_guest(self, commands: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([SCRIPTS / "guest", SERIES], input=commands, text=True,
                              capture_output=True, env=ENVIRONMENT, timeout=PATIENCE_S)

    def test_commands_are_run_to_the_last(self) -> None:
        """The whole machine is in order, and no colours where nobody sees them."""
        done = self.run_guest("renoscope doctor\necho \"doctor $?\"; chatter &\n"
                              "renoscope unload; renoscope load\n"
                              "bpftrace -e 'tracepoint:renoscope:ack { "
                              "printf(\"cwnd %d\\n\", args->cwnd); exit(); }'\n"
                              "cat; test -t 1 || echo no terminal; exit 3")
        self.assertNotRegex(done.stdout, "(?m)^(FAIL|warn)|\033")
        self.assertRegex(done.stdout, "(?m)^doctor 0$")
        self.assertRegex(done.stdout, "(?m)^unloaded.*\n^loaded: ")
        self.assertRegex(done.stdout, "(?m)^cwnd [1-9]")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("exit code 3", done.stderr)

    def test_every_byte_arrives(self) -> None:
        text = "".join(f"{number}\n" for number in range(30000)) + "\x03\x04 no newline"
        done = subprocess.run(bare_guest("cat"), input=text, text=True, capture_output=True,
                              env=ENVIRONMENT, timeout=PATIENCE_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout == text)


if __name__ == "__main__":
    unittest.main()
