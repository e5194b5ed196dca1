# SPDX-License-Identifier: GPL-2.0
"""What the kernel's timers will wait."""

import unittest

from renoscope_lib.tcp.kernel_timers import persist_wait_us, synack_give_up_us


class Waits(unittest.TestCase):
    def test_a_probe_s_wait_has_a_floor_and_a_ceiling(self) -> None:
        self.assertEqual(persist_wait_us(4000, 0), 400_000)
        self.assertEqual(persist_wait_us(240_000, 19), 120_000_000)

    def test_a_hostile_count_of_doublings_changes_nothing(self) -> None:
        self.assertEqual(persist_wait_us(240_000, 1 << 30), 120_000_000)

    def test_a_request_is_given_up_after_all_its_waits(self) -> None:
        """Documentation/networking/ip-sysctl.rst: 5 retries are 63 s."""
        self.assertEqual([synack_give_up_us(n) for n in (0, 1, 2, 5)],
                         [1_000_000, 3_000_000, 7_000_000, 63_000_000])
