# SPDX-License-Identifier: GPL-2.0
"""The table of stress scenarios: on what machine each runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from .support import SCRIPTS

STRESS = SCRIPTS / "stress"
sys.path[:0] = [str(STRESS), str(SCRIPTS / "qemu"), str(SCRIPTS / "selftests")]

import guests  # noqa: E402  (found through the line above)
import plan  # noqa: E402


class Table(unittest.TestCase):
    def test_every_scenario_has_its_file(self) -> None:
        named = {scenario.name for scenario in plan.PLAN}
        files = {path.name.removesuffix("_test.py") for path in STRESS.glob("*_test.py")}
        self.assertEqual(files | {"suspend"}, named)

    def test_help_explains_each_scenario(self) -> None:
        said = subprocess.run([STRESS / "run", "--help"], text=True, check=True,
                              capture_output=True).stdout
        for name in {scenario.name for scenario in plan.PLAN}:
            self.assertRegex(said, rf"(?m)^  {name} +[A-Z\d].{{20,}}\.$")
        for words in ("out/stress/results.jsonl", "Documentation/stress.rst"):
            self.assertIn(words, said)

    def test_what_is_needed_is_named(self) -> None:
        """What a scenario builds, asks for and runs stands in the table."""
        signs = {'program("': plan.CC, "samples": plan.CC,
                 'need("bpftrace")': "bpftrace", 'run("nm"': "nm", 'run("strip"': "strip",
                 'run("openssl"': "openssl"}
        trials, calls = "fault_trials.py", "faults.py"
        beside = {"load_faults": (trials, calls), "attach_faults": (trials, calls),
                  "unload_faults": (trials,), "file_faults": (trials,)}
        for scenario in plan.PLAN:
            if scenario.in_busybox:
                continue
            files = [f"{scenario.name}_test.py", *beside.get(scenario.name, ())]
            text = "".join((STRESS / name).read_text() for name in files)
            with self.subTest(scenario.name):
                self.assertEqual({need for sign, need in signs.items() if sign in text},
                                 set(scenario.needs))

    def test_what_is_missing_is_told_in_one_line_before_anything_begins(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            def told(*arguments: str) -> str:
                done = subprocess.run(
                    [sys.executable, STRESS / "run", *arguments], text=True, check=False,
                    capture_output=True, env=os.environ | {"PATH": folder})
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                return done.stderr
            self.assertEqual(
                told("readers", "--part", "0.01"),
                "stress: not here: a C compiler (for readers); install with: "
                "scripts/install-deps stress\n")
            for name in ("bpftrace", "gcc-12"):
                program = Path(folder, name)
                program.write_text("#!/bin/sh\n")
                program.chmod(0o755)
            self.assertEqual(
                told("holders", "lockdown"), "stress: not here: openssl (for lockdown); "
                "install with: scripts/install-deps stress\n")

    def test_parallel_processors_meet_no_patched_text(self) -> None:
        """Not with static keys, and where kprobes stay what they were made."""
        for scenario in plan.PLAN:
            with self.subTest(scenario=scenario.name, kernels=scenario.kernels):
                machine = guests.machine_of(scenario)
                self.assertEqual("--parallel" in machine, scenario.parallel)
                append = machine[machine.index("--append") + 1].split()
                self.assertEqual("sysctl.debug.kprobes-optimization=0" in append,
                                 scenario.parallel)
                if scenario.parallel:
                    self.assertFalse(set(scenario.kernels) & {*plan.STOCK, plan.HOST})

    def test_documented_as_parallel(self) -> None:
        text = (SCRIPTS.parent / "Documentation" / "stress.rst").read_text(encoding="utf-8")
        told = text.partition("parallel processors")[0].rpartition("\n\n")[2]
        names = {scenario.name for scenario in plan.PLAN if scenario.parallel}
        self.assertEqual({name for name in {s.name for s in plan.PLAN}
                          if f"``{name}``" in told}, names)


if __name__ == "__main__":
    unittest.main()
