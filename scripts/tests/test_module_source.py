# SPDX-License-Identifier: GPL-2.0
"""What no build of ours shows of the module's source."""

import re
import unittest

from .support import SCRIPTS

MODULE = SCRIPTS.parent / "module"
# With CONFIG_NET_NS=n __net_init is __init, and modpost lets tables named *_ops refer
# to such functions.
THROWN_AWAY = r"\b__(?:init|exit|initdata|initconst|net_init|net_exit|net_initdata)\b"


class Sections(unittest.TestCase):
    def test_only_load_and_unload_are_thrown_away(self) -> None:
        """The kernel frees these when the module is loaded; all else is called later."""
        found = {(path.name, mark) for path in sorted(MODULE.glob("*.[ch]"))
                 for mark in re.findall(THROWN_AWAY, path.read_text())}
        self.assertEqual(found, {("main.c", "__init"), ("main.c", "__exit")})


if __name__ == "__main__":
    unittest.main()
