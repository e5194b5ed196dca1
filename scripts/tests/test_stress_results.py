# SPDX-License-Identifier: GPL-2.0
"""What stress runs came to is kept, and the page has the last whole ones."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from .support import SCRIPTS, load_script

sys.path[:0] = [str(SCRIPTS / folder) for folder in ("stress", "qemu", "shared", "selftests")]

import commits  # noqa: E402  (found through the line above)
import generated  # noqa: E402
import guests  # noqa: E402
import last_runs  # noqa: E402
import plan  # noqa: E402
import seeds  # noqa: E402
import tally  # noqa: E402

PLAN = [("ring", "stock-6.1"), ("ring", "debug-6.12"), ("readers", "host")]
A_RUN = last_runs.Result(
    "ring", "stock-6.1", "6.1.0-9-amd64", 1.0, "", 12, 0, 0, 823.4, "abc",
    True, "2026-01-02")
ROW = ("   * - ring\n     - stock-6.1\n     - 6.1.0-9-amd64\n     - 12 passed, 0 failed\n"
       "     - 14 min\n     - 2026-01-02\n     - abc\n")
PAGE = f"above\n\n{last_runs.BEGINS}\n\nnothing yet\n\n{generated.ENDS}\n\nbelow\n"


def as_it_is(commit: str) -> str:
    """A commit, wherever it is."""
    return commit


@mock.patch.object(commits, "told", as_it_is)
class Table(unittest.TestCase):
    def test_a_row(self) -> None:
        made = last_runs.table(last_runs.rows([A_RUN]), PLAN)
        self.assertIn(ROW, made)
        self.assertIn("no result of a whole run:\n\n- ring: debug-6.12\n- readers: host\n",
                      made)
        changed = replace(A_RUN, clean=False, skipped=2, failed=1, seconds=99.4)
        self.assertEqual(changed.row()[3:], ("12 passed, 1 failed, 2 skipped", "99 s",
                                             "2026-01-02", "abc+"))

    def test_nothing_was_run(self) -> None:
        self.assertEqual(last_runs.table({}, PLAN), f"\n{last_runs.NO_RUN}\n\n")

    def test_the_newest_whole_run(self) -> None:
        runs = [replace(A_RUN, date="2025-12-30"), A_RUN,
                replace(A_RUN, date="2026-01-03", part=0.05),
                replace(A_RUN, date="2026-01-04", seed="filters/7:1"),
                replace(A_RUN, date="2026-01-05", passed=0, skipped=1)]
        self.assertEqual(last_runs.rows(runs), {A_RUN.place: A_RUN.row()})
        of_a_series = replace(A_RUN, seed="77")
        self.assertEqual(last_runs.rows([A_RUN, of_a_series])[A_RUN.place], of_a_series.row())

    def test_lines_are_added(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "results.jsonl")
            self.assertEqual(last_runs.load(file), [])
            last_runs.keep(file, A_RUN)
            last_runs.keep(file, replace(A_RUN, failed=1))
            self.assertEqual(last_runs.load(file), [A_RUN, replace(A_RUN, failed=1)])

    def test_the_page_keeps_what_was_not_run_now(self) -> None:
        page = last_runs.updated(PAGE, [A_RUN], PLAN)
        self.assertIn(ROW, page)
        self.assertTrue(page.startswith("above\n") and page.endswith("below\n"), page)
        readers = replace(A_RUN, scenario="readers", kernel="host", release="")
        both = last_runs.updated(page, [readers], PLAN)
        self.assertIn(ROW, both)
        self.assertLess(both.index(ROW), both.index("   * - readers\n     - host\n     -\n"))
        self.assertEqual(last_runs.updated(both, [], PLAN), both)
        later = last_runs.updated(both, [replace(A_RUN, date="2026-02-01")], PLAN)
        self.assertNotIn(ROW, later)
        self.assertIn("     - 2026-02-01\n", later)
        self.assertEqual(last_runs.updated(both, [], PLAN[:2]), page.replace(
            "- readers: host\n", ""), "no scenario any more")
        with self.assertRaises(ValueError):
            last_runs.updated("nothing of it", [], PLAN)

    def test_the_documentation_has_a_place_for_it(self) -> None:
        page = (SCRIPTS.parent / "Documentation" / "stress.rst").read_text(encoding="utf-8")
        places = [(scenario.name, kernel) for scenario, kernel in plan.chosen((), ())]
        self.assertEqual(last_runs.updated(page, [], places), page)


class Run(unittest.TestCase):
    """scripts/stress/run with guests that come to something at once."""

    def setUp(self) -> None:
        self.run_ = load_script(SCRIPTS / "stress" / "run")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)
        (self.out / "release").write_text("6.12.9-test\n")
        self.page = self.out / "page.rst"
        self.page.write_text(PAGE)
        self.tree = "abc"
        for of, name, value in (
                (self.run_, "OUT", self.out), (guests, "OUT", self.out),
                (self.run_, "PAGE", self.page),
                (self.run_, "RESULTS", self.out / "results.jsonl"),
                (guests, "kernel_path", lambda _name: str(self.out)),
                (guests, "path_from", lambda *_command: "built"),
                (commits, "current", lambda: self.tree), (commits, "told", as_it_is)):
            patched = mock.patch.object(of, name, value)
            patched.start()
            self.addCleanup(patched.stop)

    def stress(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what is said."""
        def quickly(guest: tally.Guest) -> tuple[int, str, float]:
            status = "not ok" if guest.name == "ring-debug-6.12" else "ok"
            return 0, f"KTAP version 1\n1..2\nok 1 a\n{status} 2 b\n", 120.04
        out = io.StringIO()
        with mock.patch.object(tally, "run_quietly", quickly), \
                mock.patch.object(sys, "argv", ["run", *arguments]), \
                contextlib.redirect_stdout(out):
            return self.run_.main(), out.getvalue()

    def test_a_line_for_each(self) -> None:
        code, out = self.stress("ring", "readers", "--part", "0.5")
        self.assertEqual(code, 1)
        self.assertEqual(out.splitlines()[-1], "11 passed, 1 failed")
        self.assertIn("    2 min  ring on debug-6.12: 1 passed, 1 failed\n", out)
        kept = {result.place: result for result in last_runs.load(self.out / "results.jsonl")}
        self.assertEqual(len(kept), 6)
        ring = kept["ring", "debug-6.12"]
        self.assertRegex(ring.date, r"^20\d\d-\d\d-\d\d$")
        self.assertEqual(ring, last_runs.Result(
            "ring", "debug-6.12", "6.12.9-test", 0.5, "", 1, 1, 0, 120.0, "abc", True, ring.date))
        self.assertEqual(kept["readers", "host"].release, "-")
        self.assertEqual(self.stress("--table")[1], f"\n{last_runs.NO_RUN}\n\n")

    def test_a_tree_with_changes(self) -> None:
        self.tree = "abc+"
        self.stress("readers")
        self.tree = "abc"
        begun = self.run_.Kept(1)
        self.tree = "def"
        begun.ended(tally.Guest("readers-host", "", self.out, []), tally.Tally(), 1)
        self.assertEqual([(result.commit, result.clean)
                          for result in last_runs.load(self.out / "results.jsonl")],
                         [("abc", False)] * 2)

    def test_the_page(self) -> None:
        before = self.page.read_text()
        self.stress("ring", "--kernel", "stock-6.1")
        self.assertEqual(self.page.read_text(), before)
        self.assertIn("     - 2 passed, 0 failed\n", self.stress("--table")[1])
        self.assertEqual(self.page.read_text(), before)
        self.stress("--table", "--write-page")
        self.assertIn("   * - ring\n     - stock-6.1\n", self.page.read_text())
        self.stress("readers", "--write-page")
        self.assertIn("   * - ring\n     - stock-6.1\n", self.page.read_text())
        self.assertIn("   * - readers\n     - host\n", self.page.read_text())
        with mock.patch.object(seeds, "GIVEN", ""):
            self.page.write_text("no marks")
            with self.assertRaisesRegex(SystemExit, "no lines"):
                self.stress("--table", "--write-page")


if __name__ == "__main__":
    unittest.main()
