# SPDX-License-Identifier: GPL-2.0
"""The serial port's bytes: output passes untouched, the last line never shows."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "qemu"))

from result_stream import Ending, ResultStream  # noqa: E402

TOKEN = "0123abcd"
LAST_LINE = b"\x1e0123abcd 3 4096\n"


def feed_all(stream: ResultStream, data: bytes, size: int) -> bytes:
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(stream.feed(chunk) for chunk in chunks)


class Splitting(unittest.TestCase):
    def test_any_chunking_gives_the_same(self) -> None:
        output = b"no newline at the end"
        for size in range(1, 60):
            with self.subTest(size):
                stream = ResultStream(TOKEN)
                self.assertEqual(feed_all(stream, output + LAST_LINE, size), output)
                self.assertEqual(stream.ending, Ending(exit_code=3, taint=4096))

    def test_output_is_shown_at_once(self) -> None:
        stream = ResultStream(TOKEN)
        self.assertEqual(stream.feed(b"half a li"), b"half a li")

    def test_bytes_are_not_changed(self) -> None:
        output = bytes(range(256)) + b"\r\n\x1e\x1e\x1e0123ab no\n"
        stream = ResultStream(TOKEN)
        shown = feed_all(stream, output, 7) + stream.rest()
        self.assertEqual(shown, output)
        self.assertIsNone(stream.ending)

    def test_another_token_is_output(self) -> None:
        forged = b"\x1edeadbeef 0 0\n"
        stream = ResultStream(TOKEN)
        self.assertEqual(feed_all(stream, forged, 5) + stream.rest(), forged)
        self.assertIsNone(stream.ending)

    def test_cut_off_last_line_is_no_ending(self) -> None:
        stream = ResultStream(TOKEN)
        stream.feed(LAST_LINE[:-1])
        self.assertIsNone(stream.ending)

    def test_nothing_is_shown_after_the_end(self) -> None:
        stream = ResultStream(TOKEN)
        self.assertEqual(stream.feed(LAST_LINE + b"a daemon's last words"), b"")
        self.assertEqual(stream.feed(b"more"), b"")


if __name__ == "__main__":
    unittest.main()
