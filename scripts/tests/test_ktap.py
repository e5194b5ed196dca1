# SPDX-License-Identifier: GPL-2.0
"""The KTAP reader: what KUnit and the selftests print, and every way to fall short."""

from __future__ import annotations

import sys
import textwrap
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "qemu"))

import ktap  # noqa: E402
from ktap import Status  # noqa: E402

SELFTEST = """\
KTAP version 1
1..3
# a remark
ok 1 handshake
ok 2 - close
ok 3 cookies # SKIP no SYN cookies in this kernel
"""

# As run-kunit prints a suite of 6.12 with a parameterised case.
KUNIT = """\
KTAP version 1
1..1
    KTAP version 1
    # Subtest: ring
    # module: ring_test
    1..3
    ok 1 wraps
        KTAP version 1
        # Subtest: sizes
        ok 1 8 slots
        ok 2 16 slots
    # sizes: pass:2 fail:0 skip:0 total:2
    ok 2 sizes
    ok 3 needs_smp # SKIP one processor
# ring: pass:2 fail:0 skip:1 total:3
# Totals: pass:3 fail:0 skip:1 total:4
ok 1 ring
"""


def parse(text: str) -> ktap.Report:
    return ktap.parse(textwrap.dedent(text))


class PassingText(unittest.TestCase):
    def test_selftest(self) -> None:
        report = parse(SELFTEST)
        self.assertEqual(report.failures(), [])
        self.assertEqual([name for name, _ in report.leaves()], ["handshake", "close", "cookies"])
        skipped = report.tests[2]
        self.assertEqual(
            (skipped.status, skipped.reason), (Status.SKIPPED, "no SYN cookies in this kernel")
        )

    def test_nested_results(self) -> None:
        report = parse(KUNIT)
        self.assertEqual(report.failures(), [])
        names = [name for name, _ in report.leaves()]
        self.assertEqual(
            names, ["ring.wraps", "ring.sizes.8 slots", "ring.sizes.16 slots", "ring.needs_smp"]
        )
        self.assertEqual([test.status for _, test in report.leaves()],
                         [Status.PASSED] * 3 + [Status.SKIPPED])

    def test_debugfs_results_are_complete_ktap(self) -> None:
        report = parse(
            """\
            KTAP version 1
            1..1
                KTAP version 1
                # Subtest: ring
                1..1
                ok 1 wraps
            ok 1 ring
            """
        )
        self.assertEqual((len(report.leaves()), report.failures()), (1, []))

    def test_plan_may_come_last(self) -> None:
        report = parse("KTAP version 1\nok 1 a\n1..1\n")
        self.assertEqual((len(report.leaves()), report.failures()), (1, []))

    def test_whole_run_skipped(self) -> None:
        report = parse("KTAP version 1\n1..0 # SKIP no QEMU\n")
        self.assertEqual((report.skip_reason, report.leaves(), report.failures()),
                         ("no QEMU", [], []))

    def test_hash_in_a_name_is_no_directive(self) -> None:
        report = parse("KTAP version 1\n1..1\nok 1 flow #3 skips nothing\n")
        self.assertEqual(report.tests[0].status, Status.PASSED)
        self.assertEqual(report.tests[0].name, "flow #3 skips nothing")


class FailingText(unittest.TestCase):
    def assert_failure(self, text: str, expected: str) -> None:
        report = parse(text)
        self.assertIn(expected, "\n".join(report.failures()))

    def test_planted_failure(self) -> None:
        self.assert_failure(SELFTEST.replace("ok 2", "not ok 2"), "not ok: close")

    def test_failure_that_also_claims_to_be_skipped(self) -> None:
        self.assert_failure(SELFTEST.replace("ok 3", "not ok 3"), "not ok: cookies")

    def test_missing_plan(self) -> None:
        self.assert_failure(SELFTEST.replace("1..3\n", ""), "the results: no plan")

    def test_missing_plan_of_a_suite(self) -> None:
        text = KUNIT.replace("    1..3\n", "")
        self.assert_failure(text, "subtest ring: no plan")

    def test_stops_half_way(self) -> None:
        self.assert_failure(SELFTEST.partition("ok 3")[0], "3 tests planned, 2 reported")

    def test_more_than_planned(self) -> None:
        self.assert_failure(SELFTEST + "ok 4 extra\n", "3 tests planned, 4 reported")

    def test_suite_stops_half_way(self) -> None:
        text = KUNIT.replace("    ok 3 needs_smp # SKIP one processor\n", "")
        self.assert_failure(text, "subtest ring: 3 tests planned, 2 reported")

    def test_suite_without_its_result_line(self) -> None:
        text = KUNIT.partition("ok 1 ring")[0]
        self.assert_failure(text, "subtest ring: no result line sums it up")

    def test_parameter_lost(self) -> None:
        text = KUNIT.replace("        ok 2 16 slots\n", "")
        self.assert_failure(text, "sizes: 2 results announced, 1 seen")

    def test_duplicate_number(self) -> None:
        self.assert_failure(SELFTEST.replace("ok 3", "ok 2"), "cookies has number 2, not 3")

    def test_order(self) -> None:
        text = "KTAP version 1\n1..2\nok 2 b\nok 1 a\n"
        self.assert_failure(text, "b has number 2, not 1")

    def test_number_missing(self) -> None:
        self.assert_failure("KTAP version 1\n1..1\nok a\n", "a has no number, not 1")

    def test_parent_hides_a_failed_child(self) -> None:
        text = KUNIT.replace("ok 1 wraps", "not ok 1 wraps")
        self.assert_failure(text, "ring says ok, but wraps failed")

    def test_parent_fails_though_its_children_pass(self) -> None:
        text = KUNIT.replace("ok 1 ring", "not ok 1 ring")
        self.assert_failure(text, "ring is not ok, though nothing in it failed")

    def test_failed_parameter(self) -> None:
        text = KUNIT.replace("ok 2 16 slots", "not ok 2 16 slots")
        text = text.replace("ok 2 sizes", "not ok 2 sizes").replace("ok 1 ring", "not ok 1 ring")
        self.assert_failure(text, "not ok: ring.sizes.16 slots")

    def test_nothing_at_all(self) -> None:
        self.assert_failure("", "no test results at all")
        self.assert_failure("all is well\n", "no test results at all")

    def test_empty_plan_without_reason(self) -> None:
        self.assert_failure("KTAP version 1\n1..0\n", "an empty plan without a reason")

    def test_missing_version_line(self) -> None:
        self.assert_failure("1..1\nok 1 a\n", "no KTAP version line")

    def test_bail_out(self) -> None:
        self.assert_failure(SELFTEST + "Bail out! no namespace\n", "bailed out: no namespace")

    def test_second_document_is_checked_too(self) -> None:
        second = "KTAP version 1\n1..2\nok 1 a\n"
        self.assert_failure(SELFTEST + second, "2 tests planned, 1 reported")


if __name__ == "__main__":
    unittest.main()
