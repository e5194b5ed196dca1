# SPDX-License-Identifier: GPL-2.0
"""Memory that a read may not leave: what is beyond the buffer is seen, or faults."""

from __future__ import annotations

import ctypes
import os
import random
import sys
import unittest

from .support import SCRIPTS

sys.path[:0] = [str(SCRIPTS / "stress"), str(SCRIPTS / "selftests")]

import any_call  # noqa: E402  (found through the line above)
import guarded  # noqa: E402

SEEDS = 200


class EndlessFile(any_call.File):
    """/dev/zero: there is always more to write than there is room."""

    def __init__(self) -> None:
        self.path = "zero"
        self.fd = os.open("/dev/zero", os.O_RDONLY)
        self.raw = False


class MemoryBetweenGuards(unittest.TestCase):
    def setUp(self) -> None:
        self.file = EndlessFile()
        self.addCleanup(os.close, self.file.fd)

    def test_a_read_of_any_size_ends_at_the_guard(self) -> None:
        with guarded.Pages(1 << 16) as pages:
            got = any_call.read_to(self.file.fd, pages.address, 2**31 - 1)
            self.assertEqual(got, pages.size)

    def test_nothing_fits_before_it(self) -> None:
        with guarded.Pages(1) as pages:
            got = any_call.read_to(self.file.fd, pages.address - 1, 100)
            self.assertLess(got, 0)

    def test_the_last_bytes_end_where_the_pages_do(self) -> None:
        with guarded.Pages(1) as pages:
            self.assertEqual(any_call.read_to(self.file.fd, pages.last(192), 4096), 192)

    def test_one_byte_too_many_is_seen_on_each_side(self) -> None:
        for size in (0, 1, 192, guarded.PAGE, guarded.PAGE + 1):
            for place in (-1, size):
                with self.subTest(size=size, place=place), guarded.Buffer(size) as buffer:
                    buffer.check()
                    ctypes.memset(buffer.address + place, 0, 1)
                    self.assertRaises(guarded.Overrun, buffer.check)

    def test_the_buffer_itself_is_free_to_be_written(self) -> None:
        with guarded.Buffer(1000) as buffer:
            self.assertEqual(any_call.read_to(self.file.fd, buffer.address, 1000), 1000)
            buffer.check()

    def test_it_is_unmapped_at_the_end(self) -> None:
        with guarded.Pages(1 << 20) as pages:
            self.assertEqual(guarded.mapped([pages.address], 1), [pages.address])
        self.assertEqual(guarded.mapped([pages.address], 1), [])


class BadReads(unittest.TestCase):
    def test_bad_addresses_are_nobodys(self) -> None:
        self.assertEqual(guarded.mapped(any_call.ADDRESSES, max(any_call.SIZES)), [])

    def test_an_address_of_ours_is_found_out(self) -> None:
        mine = ctypes.create_string_buffer(10)
        at = ctypes.addressof(mine)
        self.assertEqual(guarded.mapped([1, at - 5], 10), [at - 5])

    def test_reads_that_have_much_to_write_leave_us_alone(self) -> None:
        """In a process of its own: if not, it does not live to tell."""
        pid = os.fork()
        if not pid:
            code = 1
            try:
                file = EndlessFile()
                for seed in range(SEEDS):
                    any_call.read_badly(random.Random(seed), file)
                code = 0
            finally:
                os._exit(code)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)


if __name__ == "__main__":
    unittest.main()
