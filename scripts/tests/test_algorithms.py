# SPDX-License-Identifier: GPL-2.0
"""The congestion control's names: wherever one is looked for, all of them stand."""

import re
import unittest

from renoscope_lib.machine.host import CONGESTION_CONTROLS
from renoscope_lib.place import MODULE_SOURCE
from renoscope_lib.words import listed

from .support import SCRIPTS

# Where they are written by hand.
PLACES = ("README.md", "Documentation/congestion-control.rst",
          "Documentation/man/renoscope.8", "scripts/stress/switch_storm.c",
          "scripts/system/sysctl.d/renoscope.conf")


def algorithm_names() -> list[str]:
    """Those of the module's sources, in their order."""
    return re.findall(r"^\tRENO_PROFILE\(\w+, (\w+)\)",
                      (MODULE_SOURCE / "reno_rules.h").read_text(), re.MULTILINE)


class Names(unittest.TestCase):
    def test_scripts_know_those_of_the_module(self) -> None:
        self.assertEqual(list(CONGESTION_CONTROLS), algorithm_names())

    def test_every_name_stands_where_people_look(self) -> None:
        for place in PLACES:
            text = (SCRIPTS.parent / place).read_text()
            for name in algorithm_names():
                with self.subTest(place, name=name):
                    self.assertTrue(name in text, f"{place} does not name {name}")

    def test_in_a_sentence(self) -> None:
        self.assertEqual([listed("abc"[:n], "or") for n in (1, 2, 3)],
                         ["a", "a or b", "a, b or c"])


if __name__ == "__main__":
    unittest.main()
