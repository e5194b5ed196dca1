# SPDX-License-Identifier: GPL-2.0
"""The folders of renoscope_lib: each uses only those before it, as its head says."""

from __future__ import annotations

import ast
import unittest
from collections.abc import Iterator
from pathlib import Path

from . import support

LIBRARY = support.SCRIPTS / "renoscope_lib"
LAYERS = ("ring", "output", "machine", "doctor", "recording", "tcp", "views", "explain",
          "ladder", "top", "export", "prometheus", "report", "commands")
# What stands in no folder: the first are known to all, the others to commands only.
COMMON = {"errors", "words", "place", "stopping"}
BEGINNING = {"cli", "options", "command_table"}


def imported(file: Path) -> Iterator[str]:
    """The part of the library, a folder or a file beside them, of each import."""
    here = file.relative_to(LIBRARY).parts[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[:len(here) - node.level + 1]
            path = [*base, *(node.module.split(".") if node.module else [])]
            yield from [path[0]] if path else (name.name for name in node.names)


class Layers(unittest.TestCase):
    def test_all_folders_and_files_are_known(self) -> None:
        self.assertEqual({path.name for path in LIBRARY.iterdir()
                          if path.is_dir() and path.name != "__pycache__"}, set(LAYERS))
        self.assertEqual({path.stem for path in LIBRARY.glob("*.py")},
                         {"__init__", *COMMON, *BEGINNING})

    def test_each_uses_only_those_before_it(self) -> None:
        seen = set()
        for file in sorted(LIBRARY.rglob("*/*.py")):
            own = file.relative_to(LIBRARY).parts[0]
            allowed = {*LAYERS[:LAYERS.index(own) + 1], *COMMON}
            if own == "commands":
                allowed |= BEGINNING
            parts = set(imported(file)) - {"VERSION"}
            self.assertEqual(parts - allowed, set(), file)
            seen |= parts
        self.assertGreaterEqual(seen, {"ring", "tcp", "views", "words"})

    def test_what_all_know_knows_only_the_record(self) -> None:
        for name in COMMON:
            parts = set(imported(LIBRARY / f"{name}.py")) - {"VERSION"}
            self.assertLessEqual(parts, {*COMMON, "ring"}, name)


if __name__ == "__main__":
    unittest.main()
