# SPDX-License-Identifier: GPL-2.0
"""Seeds of the stress: a failure can be repeated, and what tries nothing fails."""

from __future__ import annotations

import contextlib
import io
import random
import re
import sys
import time
import unittest
from collections.abc import Callable
from unittest import mock

from .support import SCRIPTS, load_script

STRESS = SCRIPTS / "stress"
sys.path[:0] = [str(STRESS), str(SCRIPTS / "selftests")]

import seeds  # noqa: E402  (found through the line above)
from ktap_output import Skip  # noqa: E402

# Enough for many tries, in seconds.
A_TIME = 0.1


def tried(name: str, given: str,
          one: Callable[[random.Random], None] | None = None) -> list[int]:
    """The first number that each try drew."""
    drawn: list[int] = []

    def draw(random_: random.Random) -> None:
        drawn.append(random_.randrange(2**64))
        if one:
            one(random_)

    with (mock.patch.object(seeds, "GIVEN", given),
          mock.patch.object(seeds, "part", lambda _seconds: A_TIME),
          contextlib.redirect_stdout(io.StringIO())):
        seeds.check_each(name, draw)
    return drawn


def fails(_random: random.Random) -> None:
    """A try that finds something."""
    raise ValueError("wrong")


class Given(unittest.TestCase):
    def test_a_failure_names_what_repeats_it(self) -> None:
        with self.assertRaisesRegex(AssertionError, r"SEED=load/77:0: wrong") as first:
            tried("load", "77", fails)
        seed = re.search(r"SEED=(\S+): ", str(first.exception))
        assert seed
        self.assertEqual(len(tried("load", seed[1])), 1)
        self.assertEqual(tried("load", seed[1]), tried("load", seed[1]))
        with self.assertRaisesRegex(AssertionError, seed[1]):
            tried("load", seed[1], fails)

    def test_a_series_is_the_same_again(self) -> None:
        length = 5
        self.assertEqual(tried("load", "5")[:length], tried("load", "5")[:length])
        self.assertNotEqual(tried("load", "5")[:length], tried("load", "6")[:length])

    def test_another_test_of_the_scenario_skips_with_a_reason(self) -> None:
        with self.assertRaisesRegex(Skip, "the seed is one of parameters"):
            tried("load", "parameters/1:2")

    def test_a_test_that_is_not_there_fails(self) -> None:
        for given in ("filters/1:2", "nothing/1:2", "parameter/1:2"):
            for name in seeds.TESTS["parameters"]:
                with self.subTest(given), self.assertRaisesRegex(seeds.NoSuchTest, given):
                    tried(name, given)

    def test_what_is_no_seed_fails(self) -> None:
        for given in ("load/1", "load:2", "load", "1:2", "load/x:2", "load/1:2:3", " 1", "-1"):
            with self.subTest(given), self.assertRaisesRegex(seeds.NoSuchTest, "neither"):
                tried("load", given)


class Tries(unittest.TestCase):
    def test_no_time_for_a_single_one_fails(self) -> None:
        # The clock runs on by a minute each time that it is looked at.
        with mock.patch.object(time, "monotonic", side_effect=range(0, 6000, 60)):
            with self.assertRaisesRegex(AssertionError, "load: nothing was tried in 0.1 s"):
                tried("load", "")

    def test_each_has_a_seed_of_its_own(self) -> None:
        drawn = tried("load", "")
        self.assertEqual(len(drawn), len(set(drawn)))


class Table(unittest.TestCase):
    def test_it_says_what_the_files_say(self) -> None:
        said = {}
        for path in sorted(STRESS.glob("*_test.py")):
            names = re.findall(r'\b(?:check_each|tries)\(\s*"(\w+)"', path.read_text())
            if names:
                said[path.stem.removesuffix("_test")] = sorted(names)
        self.assertEqual({scenario: sorted(tests) for scenario, tests in seeds.TESTS.items()},
                         said)


class Run(unittest.TestCase):
    def refused(self, given: str, *arguments: str) -> str:
        """What it says; that it begins with anything is a failure."""
        command = load_script(STRESS / "run")
        with (mock.patch.object(seeds, "GIVEN", given),
              mock.patch.object(sys, "argv", ["run", *arguments]),
              mock.patch.object(command, "guest_of", side_effect=AssertionError("it begins")),
              contextlib.redirect_stderr(io.StringIO()) as said,
              self.assertRaises(SystemExit) as ended):
            command.main()
        self.assertEqual(ended.exception.code, 2)
        return said.getvalue()

    def test_a_seed_of_nothing_that_runs_is_refused_before_anything_runs(self) -> None:
        self.assertIn("names no test of readers", self.refused("filters/1:2", "readers"))
        self.assertIn("names no test of readers",
                      self.refused("filters/1:2", "filters", "readers"))
        self.assertIn("names no test of what is to run", self.refused("filters/1:2", "ring"))
        self.assertIn("is neither", self.refused("filters/1", "filters"))

    def test_a_seed_that_fits(self) -> None:
        for scenarios in (["filters"], ["filters", "ring"]):
            seeds.check_fits("filters/1:2", scenarios)
        for given in ("", "17"):
            seeds.check_fits(given, ["ring", "filters", "readers"])

    def test_a_scenario_that_runs_on_none_of_the_kernels_is_refused(self) -> None:
        for names in (["planted"], ["ring", "planted"]):
            self.assertIn("planted: not on stock-6.1",
                          self.refused("", *names, "--kernel", "stock-6.1"))


if __name__ == "__main__":
    unittest.main()
