# SPDX-License-Identifier: GPL-2.0
"""How far the law has been followed."""

import unittest

from renoscope_lib.ring.heads import Head
from renoscope_lib.ring.ledger import Ledger


class Ledgers(unittest.TestCase):
    def test_a_mark_is_reached_when_every_cpu_is(self) -> None:
        ledger = Ledger.between({0: 5}, {0: 5})
        self.assertTrue(ledger.reached({0: 5}))
        self.assertFalse(ledger.reached({0: 6}))
        ledger.add(Head(6, 0, 0))
        self.assertTrue(ledger.reached({0: 6}))
        self.assertFalse(ledger.reached({0: 6, 1: 1}))


if __name__ == "__main__":
    unittest.main()
