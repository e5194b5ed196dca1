# SPDX-License-Identifier: GPL-2.0
"""Words that stand in commands: bash reads the file's name back, and a terminal obeys nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from renoscope_lib.words import file_word, shell_word

from . import support
from .support import number_of

HOSTILE = b"a\x1b]0;mine\a 'b' \\x41 $(c) \xff\n\x90-\xc3\xa9.rec"


def as_bash_reads(word: str) -> bytes:
    return subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True,
                          check=True).stdout


class Files(unittest.TestCase):
    def test_bash_reads_the_same(self) -> None:
        for name in ("plain.rec", "two words", "-x", "é'\"$(x)`", "\\'", "",
                     "tab\t", os.fsdecode(HOSTILE)):
            word = shell_word(name)
            self.assertTrue(word.isprintable(), word)
            self.assertEqual(as_bash_reads(word), os.fsencode(name))

    def test_each_byte(self) -> None:
        for byte in range(1, 256):
            name = os.fsdecode(bytes([byte]) + b"f")
            self.assertEqual(as_bash_reads(shell_word(name)), os.fsencode(name))

    def test_a_file_is_no_option(self) -> None:
        for name, word in (("-y", "./-y"), ("--help x", "'./--help x'"), ("-", "-")):
            self.assertEqual(file_word(name), word)


class Commands(unittest.TestCase):
    def two_connections(self) -> bytes:
        """Each was slow to open, so that there is something to look at next."""
        scene = support.Scene()
        return support.recording(*(
            scene.pack("state", time_ns, cookie=cookie, local_port=port,
                       old_state=number_of("state", old), state=number_of("state", new),
                       snd_isn=7, rcv_isn=9)
            for cookie, port in ((5, 1000), (6, 2000))
            for time_ns, old, new in ((0, "CLOSED", "SYN-SENT"),
                                      (10**9, "SYN-SENT", "ESTABLISHED"))))

    def test_what_is_proposed_can_be_pasted_and_is_harmless(self) -> None:
        """Of explain what to look at next, of flow which connection to choose."""
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(os.fsencode(folder), HOSTILE)
            Path(os.fsdecode(file)).write_bytes(self.two_connections())
            for command in ("explain", "flow"):
                done = subprocess.run([sys.executable, support.SCRIPTS / "renoscope",
                                       command, file], capture_output=True, check=False)
                said = done.stdout + done.stderr
                word = file_word(os.fsdecode(file)).encode()
                self.assertIn(word, said, command)
                self.assertNotRegex(said, b"[\x00-\x09\x0b-\x1f\x7f-\x9f]", command)


if __name__ == "__main__":
    unittest.main()
