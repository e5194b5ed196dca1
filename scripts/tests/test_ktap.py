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

# As 6.12 prints a suite with a parameterised case, loaded as a module.
KUNIT_LOG = """\
[    1.500000] some_driver: loaded
[    2.000000]     KTAP version 1
[    2.000001]     # Subtest: ring
[    2.000002]     # module: ring_test
[    2.000003]     1..3
[    2.000004]     ok 1 wraps
[    2.000005]         KTAP version 1
[    2.000006]         # Subtest: sizes
[    2.000007]         ok 1 8 slots
[    2.000008]         ok 2 16 slots
[    2.000009]     # sizes: pass:2 fail:0 skip:0 total:2
[    2.000010]     ok 2 sizes
[    2.000011]     ok 3 needs_smp # SKIP one processor
[    2.000012] # ring: pass:2 fail:0 skip:1 total:3
[    2.000013] # Totals: pass:3 fail:0 skip:1 total:4
[    2.000014] ok 1 ring
"""


def parse(text: str, kernel_log: bool = False) -> ktap.Report:
    return ktap.parse(textwrap.dedent(text), kernel_log)


class PassingText(unittest.TestCase):
    def test_selftest(self) -> None:
        report = parse(SELFTEST)
        self.assertEqual(report.failures(), [])
        self.assertTrue(report.passed)
        self.assertEqual([name for name, _ in report.leaves()], ["handshake", "close", "cookies"])
        skipped = report.tests[2]
        self.assertEqual(
            (skipped.status, skipped.reason), (Status.SKIPPED, "no SYN cookies in this kernel")
        )

    def test_kernel_log_with_nested_results(self) -> None:
        report = parse(KUNIT_LOG, kernel_log=True)
        self.assertEqual(report.failures(), [])
        names = [name for name, _ in report.leaves()]
        self.assertEqual(
            names, ["ring.wraps", "ring.sizes.8 slots", "ring.sizes.16 slots", "ring.needs_smp"]
        )
        self.assertEqual(report.count(Status.PASSED), 3)
        self.assertEqual(report.count(Status.SKIPPED), 1)

    def test_two_modules_in_one_log_may_both_be_number_one(self) -> None:
        report = parse(KUNIT_LOG + KUNIT_LOG.replace("ring", "filter"), kernel_log=True)
        self.assertEqual(report.failures(), [])
        self.assertEqual(len(report.tests), 2)

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
        self.assertTrue(report.passed)

    def test_boot_time_header_of_a_kernel_without_suites(self) -> None:
        report = parse("KTAP version 1\n1..0\n" + KUNIT_LOG, kernel_log=True)
        self.assertTrue(report.passed, report.failures())

    def test_caller_field_and_level_before_a_line(self) -> None:
        text = "<6>[    1.0][  T123] KTAP version 1\n[    1.1][    C0] 1..1\n[ 1.2] ok 1 a\n"
        self.assertTrue(parse(text).passed)

    def test_plan_may_come_last(self) -> None:
        self.assertTrue(parse("KTAP version 1\nok 1 a\n1..1\n").passed)

    def test_whole_run_skipped(self) -> None:
        report = parse("KTAP version 1\n1..0 # SKIP no QEMU\n")
        self.assertEqual(report.skip_reason, "no QEMU")
        self.assertTrue(report.skipped)
        self.assertFalse(report.passed)

    def test_hash_in_a_name_is_no_directive(self) -> None:
        report = parse("KTAP version 1\n1..1\nok 1 flow #3 skips nothing\n")
        self.assertEqual(report.tests[0].status, Status.PASSED)
        self.assertEqual(report.tests[0].name, "flow #3 skips nothing")


class FailingText(unittest.TestCase):
    def assert_failure(self, text: str, expected: str, kernel_log: bool = False) -> None:
        report = parse(text, kernel_log)
        self.assertFalse(report.passed)
        self.assertFalse(report.skipped)
        self.assertIn(expected, "\n".join(report.failures()))

    def test_planted_failure(self) -> None:
        self.assert_failure(SELFTEST.replace("ok 2", "not ok 2"), "not ok: close")

    def test_failure_that_also_claims_to_be_skipped(self) -> None:
        self.assert_failure(SELFTEST.replace("ok 3", "not ok 3"), "not ok: cookies")

    def test_missing_plan(self) -> None:
        self.assert_failure(SELFTEST.replace("1..3\n", ""), "the results: no plan")

    def test_missing_plan_of_a_suite(self) -> None:
        text = KUNIT_LOG.replace("[    2.000003]     1..3\n", "")
        self.assert_failure(text, "subtest ring: no plan", kernel_log=True)

    def test_stops_half_way(self) -> None:
        self.assert_failure(SELFTEST.partition("ok 3")[0], "3 tests planned, 2 reported")

    def test_more_than_planned(self) -> None:
        self.assert_failure(SELFTEST + "ok 4 extra\n", "3 tests planned, 4 reported")

    def test_suite_stops_half_way(self) -> None:
        text = KUNIT_LOG.replace("[    2.000011]     ok 3 needs_smp # SKIP one processor\n", "")
        self.assert_failure(text, "subtest ring: 3 tests planned, 2 reported", kernel_log=True)

    def test_suite_without_its_result_line(self) -> None:
        text = KUNIT_LOG.partition("[    2.000014]")[0]
        self.assert_failure(text, "subtest ring: no result line sums it up", kernel_log=True)

    def test_parameter_lost(self) -> None:
        text = KUNIT_LOG.replace("[    2.000008]         ok 2 16 slots\n", "")
        self.assert_failure(text, "sizes: 2 results announced, 1 seen", kernel_log=True)

    def test_duplicate_number(self) -> None:
        self.assert_failure(SELFTEST.replace("ok 3", "ok 2"), "cookies has number 2, not 3")

    def test_order(self) -> None:
        text = "KTAP version 1\n1..2\nok 2 b\nok 1 a\n"
        self.assert_failure(text, "b has number 2, not 1")

    def test_number_missing(self) -> None:
        self.assert_failure("KTAP version 1\n1..1\nok a\n", "a has no number, not 1")

    def test_parent_hides_a_failed_child(self) -> None:
        text = KUNIT_LOG.replace("ok 1 wraps", "not ok 1 wraps")
        self.assert_failure(text, "ring says ok, but wraps failed", kernel_log=True)

    def test_parent_fails_though_its_children_pass(self) -> None:
        text = KUNIT_LOG.replace("ok 1 ring", "not ok 1 ring")
        self.assert_failure(text, "ring is not ok, though nothing in it failed", kernel_log=True)

    def test_failed_parameter(self) -> None:
        text = KUNIT_LOG.replace("ok 2 16 slots", "not ok 2 16 slots")
        text = text.replace("ok 2 sizes", "not ok 2 sizes").replace("ok 1 ring", "not ok 1 ring")
        self.assert_failure(text, "not ok: ring.sizes.16 slots", kernel_log=True)

    def test_nothing_at_all(self) -> None:
        self.assert_failure("", "no test results at all")
        self.assert_failure("[    1.0] all is well\n", "no test results at all", kernel_log=True)

    def test_kunit_switched_off(self) -> None:
        text = "KTAP version 1\n1..0\n[    1.0] kunit: disabled\n"
        self.assert_failure(text, "no test results at all", kernel_log=True)

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
