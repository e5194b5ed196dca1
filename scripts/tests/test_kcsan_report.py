# SPDX-License-Identifier: GPL-2.0
"""Data races: a module's are trouble, the kernel's own are not."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "qemu"))

import kcsan_report  # noqa: E402
import kernel_log  # noqa: E402

EDGE = "=" * 66


def report(title: str, one: list[str], other: list[str]) -> str:
    """A report as KCSAN prints it, on a console with times."""
    lines = [
        EDGE,
        f"BUG: KCSAN: data-race in {title}",
        "",
        "write to 0xffffffffc0402000 of 8 bytes by task 71 on cpu 0:",
        *(f" {frame}" for frame in one),
        "",
        "read to 0xffffffffc0402000 of 8 bytes by interrupt on cpu 1:",
        *(f" {frame}" for frame in other),
        "",
        "value changed: 0x0000000000000001 -> 0x0000000000000002",
        "",
        "Reported by Kernel Concurrency Sanitizer on:",
        "CPU: 1 UID: 0 PID: 72 Comm: reader Tainted: G           O       6.12.117 #1",
        EDGE,
    ]
    return "".join(f"[    9.000000] {line}\r\n" for line in lines)


OF_THE_KERNEL = report(
    "tick_do_update_jiffies64 / tick_nohz_stop_tick",
    ["tick_do_update_jiffies64+0x11/0x90", "asm_sysvec_apic_timer_interrupt+0x1a/0x20"],
    ["tick_nohz_stop_tick+0x22/0x80", "do_idle+0x99/0xa0"],
)
OF_A_MODULE = report(
    "event_ring_claim [tcp_renoscope] / peek [tcp_renoscope]",
    ["event_ring_claim+0x33/0x70 [tcp_renoscope]", "tcp_ack+0x1/0x2"],
    ["peek+0x10/0x20 [tcp_renoscope]", "ring_reader_next+0x5/0x8 [tcp_renoscope]"],
)
CALLED_BY_A_MODULE = report(
    "__list_add_valid / __list_add_valid",
    ["__list_add_valid+0x33/0x70", "attach+0x1/0x2 [tcp_renoscope]"],
    ["__list_add_valid+0x33/0x70", "kthread+0x5/0x8"],
)
BESIDE_A_MODULE = report(
    "run_timer_softirq / enqueue_timer",
    [
        "run_timer_softirq+0x33/0x70",
        "handle_softirqs+0x80/0x200",
        "irq_exit_rcu+0x5/0x8",
        "asm_sysvec_apic_timer_interrupt+0x1a/0x20",
        "event_ring_claim+0x33/0x70 [tcp_renoscope]",
    ],
    ["enqueue_timer+0x33/0x70", "kthread+0x5/0x8"],
)
MEANT = report(
    "ktime_get_mono_fast_ns / timekeeping_update",
    ["timekeeping_update+0x1ad/0x490", "timekeeping_advance+0x6b6/0xb30"],
    ["ktime_get_mono_fast_ns+0x90/0x110", "event_ring_claim+0x99/0x160 [tcp_renoscope]"],
)


class Reports(unittest.TestCase):
    def kinds(self, text: str) -> list[str]:
        return [finding.line for finding in kernel_log.scan(text)]

    def test_a_race_of_the_kernel_with_itself_is_no_trouble(self) -> None:
        self.assertEqual(self.kinds(OF_THE_KERNEL), [])

    def test_a_race_of_a_module_is(self) -> None:
        (line,) = self.kinds(OF_THE_KERNEL + OF_A_MODULE + OF_THE_KERNEL)
        self.assertIn("event_ring_claim", line)

    def test_a_race_in_what_a_module_calls_is(self) -> None:
        self.assertEqual(len(self.kinds(CALLED_BY_A_MODULE)), 1)

    def test_an_interrupt_that_found_a_module_running_is_not_its_own(self) -> None:
        self.assertEqual(self.kinds(BESIDE_A_MODULE), [])

    def test_the_clock_that_is_read_while_it_is_set_is_meant_so(self) -> None:
        self.assertEqual(self.kinds(MEANT), [])

    def test_other_trouble_is_found_behind_the_kernel_s_own_races(self) -> None:
        text = OF_THE_KERNEL + "WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2\r\n"
        self.assertEqual(len(self.kinds(text)), 1)

    def test_other_trouble_within_the_kernel_s_own_race_is_found(self) -> None:
        lines = OF_THE_KERNEL.splitlines(keepends=True)
        self.assertEqual(len(self.kinds("".join([*lines[:4], "BUG: x\r\n", *lines[4:]]))), 1)

    def test_other_trouble_behind_one_whose_end_was_lost_is_found(self) -> None:
        broken_off = "".join(OF_THE_KERNEL.splitlines(keepends=True)[:-1])
        text = broken_off + "harmless\r\n" * 50 + "BUG: x\r\n"
        self.assertEqual(self.kinds(text), ["BUG: x"])

    def test_a_report_that_breaks_off_is_read_to_the_end(self) -> None:
        lines = OF_A_MODULE.splitlines()[:-3]
        (found,) = kcsan_report.reports(lines)
        self.assertTrue(kcsan_report.is_of_a_module(lines[found.start : found.stop]))


if __name__ == "__main__":
    unittest.main()
