# SPDX-License-Identifier: GPL-2.0
"""The documents' numbers: sequence, acknowledgment, window, wrap-around."""

from __future__ import annotations

import unittest

from renoscope_lib.tcp import sequence
from renoscope_lib.tcp.sequence import FIN, SYN

CLIENT_ISN = 2712239078
SERVER_ISN = 1288781508

# (what, sequence number, payload, flags, the number that acknowledges it)
ACKNOWLEDGED = (
    ("the client's SYN", CLIENT_ISN, 0, SYN, 2712239079),
    ("the server's SYN+ACK", SERVER_ISN, 0, SYN | 0x10, 1288781509),
    ("960 bytes of data", 2712239079, 960, 0x18, 2712240039),
    ("the server's FIN", 1288781777, 0, FIN | 0x10, 1288781778),
    ("a pure ACK takes no number", 2712239079, 0, 0x10, 2712239079),
    ("data with FIN", 100, 5, FIN | 0x18, 106),
    ("SYN with data, as Fast Open has it", 100, 5, SYN, 106),
    ("a SYN at the end of the numbers", 2**32 - 1, 0, SYN, 0),
    ("data up to the end of the numbers", 2**32 - 1448, 1448, 0x10, 0),
    ("data across the end of the numbers", 2**32 - 100, 1448, 0x10, 1348),
    ("a FIN across the end of the numbers", 2**32 - 1, 0, FIN | 0x10, 0),
)

# (what, relative sequence number, payload, flags, relative acknowledgment)
RELATIVE = (
    ("Welcome!", 1, len("Welcome!"), 0x18, 9),
    ("725 bytes", 1, 725, 0x18, 726),
    ("one full segment", 1, 1448, 0x10, 1449),
    ("FIN 3343", 3343, 0, FIN | 0x10, 3344),
    ("FIN 4478", 4478, 0, FIN | 0x10, 4479),
)

# (raw window, scale as a shift, flags, bytes)
WINDOWS = (
    (511, 8, 0x10, 130816),
    (294, 7, 0x10, 37632),
    (64240, 7, SYN, 64240),
    (65160, 7, SYN | 0x10, 65160),
    (65535, 14, 0x10, 65535 * 16384),
    (0, 14, 0x10, 0),
    (502, 0, 0x10, 502),
)


class AcknowledgmentTest(unittest.TestCase):
    """What acknowledges a segment."""

    def test_raw_numbers(self) -> None:
        for what, seq, payload, flags, ack in ACKNOWLEDGED:
            with self.subTest(what):
                self.assertEqual(sequence.following(seq, payload, flags), ack)

    def test_relative_numbers_from_any_isn(self) -> None:
        for isn in (0, CLIENT_ISN, SERVER_ISN, 2**32 - 1, 2**32 - 700):
            for what, seq, payload, flags, ack in RELATIVE:
                with self.subTest(what, isn=isn):
                    raw = (isn + seq) % 2**32
                    self.assertEqual(sequence.relative(raw, isn), seq)
                    self.assertEqual(sequence.relative(
                        sequence.following(raw, payload, flags), isn), ack)

    def test_an_acknowledgment_passes_a_number_once(self) -> None:
        for at in (1000, sequence.MODULUS - 2):     # the second wraps
            number, beyond, further = at, (at + 4) % sequence.MODULUS, (at + 8) % sequence.MODULUS
            self.assertTrue(sequence.passes(number, at - 4, beyond))
            self.assertTrue(sequence.passes(number, number, beyond))
            self.assertFalse(sequence.passes(number, at - 4, number))
            self.assertFalse(sequence.passes(number, beyond, further))

    def test_the_handshake_in_relative_numbers(self) -> None:
        x, y = CLIENT_ISN, SERVER_ISN
        self.assertEqual(sequence.relative(x, x), 0)
        self.assertEqual(sequence.relative(sequence.following(x, 0, SYN), x), 1)
        self.assertEqual(sequence.relative(sequence.following(y, 0, SYN), y), 1)


class WindowTest(unittest.TestCase):
    """How many bytes a window field stands for."""

    def test_scale(self) -> None:
        for raw, shift, flags, expected in WINDOWS:
            with self.subTest(raw=raw, shift=shift):
                self.assertEqual(sequence.scaled_window(raw, shift, flags), expected)


if __name__ == "__main__":
    unittest.main()
