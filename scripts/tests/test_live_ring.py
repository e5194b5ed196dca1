# SPDX-License-Identifier: GPL-2.0
"""Reading the ring: whole records, and waiting for them."""

import os
import random
import tempfile
import unittest
from pathlib import Path

from renoscope_lib.errors import Problem
from renoscope_lib.ring import live_ring
from renoscope_lib.ring.live_ring import LiveReader


class Live(unittest.TestCase):
    """LiveReader on a FIFO, which blocks and polls as trace_raw does."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "trace_raw"
        os.mkfifo(self.path)
        self.reader = LiveReader(self.path, 192)
        self.addCleanup(self.reader.close)
        self.writer = os.open(self.path, os.O_WRONLY)

    def test_it_gives_whole_records_only(self) -> None:
        self.assertIsNone(self.reader.read(), "nothing there yet")
        os.write(self.writer, b"a" * 192 + b"b" * 100)
        self.reader.wait(5)
        self.assertEqual(self.reader.read(), b"a" * 192)
        os.write(self.writer, b"b" * 92)
        self.assertEqual(self.reader.read(), b"b" * 192)
        os.close(self.writer)
        self.assertEqual(self.reader.read(), b"")

    def test_it_gathers_what_many_writes_gave(self) -> None:
        live_ring.BATCH_BYTES, usual = 2000, live_ring.BATCH_BYTES
        self.addCleanup(setattr, live_ring, "BATCH_BYTES", usual)
        reader = LiveReader(self.path, 192)
        self.addCleanup(reader.close)
        sent = random.Random(1).randbytes(192 * 25)
        os.write(self.writer, sent[:1000])
        os.write(self.writer, sent[1000:])
        self.assertEqual(reader.read(), sent[:1920], "no more than it may")
        self.assertEqual(reader.read(), sent[1920:3840])
        self.assertEqual(reader.read(), sent[3840:])
        self.assertIsNone(reader.read())

    def test_an_end_amid_a_record_is_an_end(self) -> None:
        os.write(self.writer, b"a" * 192 + b"b" * 100)
        os.close(self.writer)
        self.assertEqual(self.reader.read(), b"a" * 192)
        self.assertEqual(self.reader.read(), b"")

    def test_it_wakes_for_another_fd(self) -> None:
        read, write = os.pipe()
        os.write(write, b"x")
        self.reader.wait(30, read)
        for fd in (read, write, self.writer):
            os.close(fd)

    def test_a_time_longer_than_poll_can_take_is_taken(self) -> None:
        os.write(self.writer, b"x")
        for seconds in (1e7, 1e300, float("inf")):
            self.reader.wait(seconds)

    def test_a_missing_file_is_told(self) -> None:
        with self.assertRaisesRegex(Problem, "No such file"):
            LiveReader(self.path.parent / "nix", 192)


if __name__ == "__main__":
    unittest.main()
