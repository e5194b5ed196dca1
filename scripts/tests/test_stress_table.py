# SPDX-License-Identifier: GPL-2.0
"""The table of stress scenarios: on what machine each runs."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types
import unittest

from .support import SCRIPTS

STRESS = SCRIPTS / "stress"


def _table() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("stress_run", str(STRESS / "run"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module       # where dataclasses look for their module
    write_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = write_bytecode
    return module


class Table(unittest.TestCase):
    def setUp(self) -> None:
        self.run_ = _table()

    def test_every_scenario_has_its_file(self) -> None:
        named = {scenario.name for scenario in self.run_.PLAN}
        files = {path.name.removesuffix("_test.py") for path in STRESS.glob("*_test.py")}
        self.assertEqual(files | {"suspend"}, named)

    def test_parallel_processors_meet_no_patched_text(self) -> None:
        """Not with static keys, and where kprobes stay what they were made."""
        for scenario in self.run_.PLAN:
            with self.subTest(scenario=scenario.name, kernels=scenario.kernels):
                machine = self.run_.machine_of(scenario)
                self.assertEqual("--parallel" in machine, scenario.parallel)
                append = machine[machine.index("--append") + 1].split()
                self.assertEqual("sysctl.debug.kprobes-optimization=0" in append,
                                 scenario.parallel)
                if scenario.parallel:
                    self.assertFalse(set(scenario.kernels) & {*self.run_.STOCK, self.run_.HOST})

    def test_documented_as_parallel(self) -> None:
        text = (SCRIPTS.parent / "Documentation" / "stress.rst").read_text(encoding="utf-8")
        told = text.partition("parallel processors")[0].rpartition("\n\n")[2]
        names = {scenario.name for scenario in self.run_.PLAN if scenario.parallel}
        self.assertEqual({name for name in {s.name for s in self.run_.PLAN}
                          if f"``{name}``" in told}, names)


if __name__ == "__main__":
    unittest.main()
