# SPDX-License-Identifier: GPL-2.0
"""The command lines of what is run by hand in a guest; nothing is played here."""

import subprocess
import sys
import unittest

from .support import SCRIPTS

PARITY, TEXTBOOK, COST = (f"bench/{name}.py"
                          for name in ("parity", "record_textbook", "reno_cost"))
PLAY = "eval/play"


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPTS / script, *arguments], text=True,
                          check=False, capture_output=True)


class CommandLines(unittest.TestCase):
    def refused(self, words: str, script: str, *arguments: str) -> str:
        done = run(script, *arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertIn(words, done.stderr)
        return done.stderr

    def test_help_shows_the_whole_command(self) -> None:
        for script in (PARITY, TEXTBOOK, COST, PLAY):
            done = run(script, "--help")
            self.assertEqual(done.returncode, 0, done.stderr)
            for words in ("K=$(scripts/qemu/fetch-kernel 6.12)",
                          'B=$(scripts/build-module "$K")',
                          'scripts/qemu/boot --kernel "$K" --root host', script):
                self.assertIn(words, done.stdout)

    def test_parity(self) -> None:
        self.refused("no scenario begins with 'losses'; there are: 'no loss', "
                     "'loss 1 in 1000',", PARITY, "loss 1 in 20", "losses")

    def test_textbook(self) -> None:
        self.refused("arguments are required: folder", TEXTBOOK)
        self.refused("no such folder: nowhere", TEXTBOOK, "nowhere")

    def test_cost(self) -> None:
        self.refused("unrecognized arguments: reno", COST, "reno")

    def test_play(self) -> None:
        self.refused("arguments are required: SCENARIO:ALGORITHM", PLAY)
        self.refused("no such scenario: 'long'; there are: start-10M-10ms-0.25bdp ",
                     PLAY, "long-1bdp:reno", "long:reno")
        for asked, subject in (("long-1bdp:rfc9406", "rfc9406"), ("long-1bdp", "")):
            self.refused(f"long-1bdp: no such algorithm: {subject!r}; there are: reno "
                         "renoscope reno_modern cubic bbr", PLAY, asked)


if __name__ == "__main__":
    unittest.main()
