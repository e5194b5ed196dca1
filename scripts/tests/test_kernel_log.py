# SPDX-License-Identifier: GPL-2.0
"""The kernel log's scan: it must see every kind of trouble and no healthy boot."""

from __future__ import annotations

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "qemu"))

import kernel_log  # noqa: E402

# Lines of untroubled boots, and of our own module's life, that come close.
HARMLESS = """\
PCI: Using host bridge windows from ACPI; if necessary, use "pci=nocrs" and report a bug
AMD-Vi: AMD IOMMUv2 functionality not available on this system - This is not a bug.
tsc: Unable to calibrate against PIT
acpi PNP0A03:00: fail to add MMCONFIG information, can't access extended configuration space
RAS: Correctable Errors collector initialized.
kasan: KernelAddressSanitizer initialized
rcu: RCU lockdep checking is enabled.
rcu: \tRCU callback double-/use-after-free debug is enabled.
rcu: \tRCU CPU stall warnings timeout set to 60 (rcu_cpu_stall_timeout).
rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.
Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
kmemleak: Kernel memory leak detector initialized (mem pool available: 15660)
kfence: initialized - using 2097152 bytes for 255 objects at 0x(____ptrval____)
tcp_renoscope: loading out-of-tree module taints kernel.
tcp_renoscope: module verification failed: signature and/or required key missing - tainting kernel
TCP: request_sock_TCP: Possible SYN flooding on port 5000. Sending cookies.
Warning: unable to open an initial console.
kmemleak: Kernel memory leak detector disabled
kmemleak: Cannot allocate a scan area, scanning the full object
rcu: \tTasks-RCU CPU stall warnings timeout set to 600000 (rcu_task_stall_timeout).
workqueue: blk_mq_run_work_fn hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND
pci 0000:00:01.0: [1234:1111] type 00 class 0x030000
reboot: Power down
    # ring_test: pass:2 fail:0 skip:0 total:2
""".splitlines()

# One line of each kind, as the kernels 6.1 and 6.12 print them.
TROUBLE = """\
BUG: KASAN: slab-use-after-free in tcp_event_fill+0x1c/0x90 [tcp_renoscope]
BUG: unable to handle page fault for address: ffffffffc0402000
BUG: kernel NULL pointer dereference, address: 0000000000000008
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585
BUG: scheduling while atomic: insmod/71/0x00000002
watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [insmod:71]
NMI watchdog: Watchdog detected hard LOCKUP on cpu 0
BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 31s!
kernel BUG at net/ipv4/tcp_input.c:3421!
WARNING: CPU: 0 PID: 71 at module/main.c:12 init_module+0x10/0x1000 [tcp_renoscope]
WARNING: possible circular locking dependency detected
WARNING: possible recursive locking detected
WARNING: inconsistent lock state
WARNING: suspicious RCU usage
WARNING: bad unlock balance detected!
WARNING: lock held when returning to user space!
DEBUG_LOCKS_WARN_ON(lock->magic != lock)
INFO: trying to register non-static key.
[ BUG: Invalid wait context ]
Oops: 0000 [#1] PREEMPT SMP NOPTI
Oops: general protection fault, probably for non-canonical address 0xdead000000000100
invalid opcode: 0000 [#1] PREEMPT SMP NOPTI
divide error: 0000 [#1] PREEMPT SMP NOPTI
Kernel panic - not syncing: Fatal exception in interrupt
Call Trace:
UBSAN: shift-out-of-bounds in module/reno_congestion.c:80:12
kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
rcu: INFO: rcu_preempt self-detected stall on CPU
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks: { 1-... }
INFO: task rmmod:99 blocked for more than 120 seconds.
refcount_t: underflow; use-after-free.
unregister_netdevice: waiting for lo to become free. Usage count = 2
list_del corruption. prev->next should be ffff88800, but was dead000000000122
Out of memory: Killed process 71 (python3) total-vm:1234kB
page allocation failure: order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP)
Oops: 0002 [#1] PREEMPT SMP KASAN NOPTI
Oops: Oops: 0002 [#1] PREEMPT SMP KASAN NOPTI
general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP
traps: PANIC: double fault, error_code: 0x0
stack segment: 0000 [#1] PREEMPT SMP NOPTI
int3: 0000 [#1] PREEMPT SMP NOPTI
Oops: int3: 0000 [#1] PREEMPT SMP NOPTI
Oops: alignment check: 0000 [#1] SMP NOPTI
BUG: TASK stack guard page was hit at 00000000c4b4e5b5 (stack is 000000004c7a5a5e..00000000)
Thread overran stack, or stack corrupted
---[ end Kernel panic - not syncing: Fatal exception ]---
BUG: KFENCE: use-after-free read in test_use_after_free_read+0xb2/0x143
kmemleak: Cannot allocate a kmemleak_object structure
kmemleak: Cannot insert 0xffff88800a1b2c00 into the object search tree (overlaps existing)
unreferenced object 0xffff88800a1b2c00 (size 192):
WARNING: possible irq lock inversion dependency detected
WARNING: held lock freed!
possible deadlock in a lock
rmmod/99: lock held when returning to user space
INFO: lockdep is turned off.
turning off the locking correctness validator.
Invalid wait context
RCU used illegally from idle CPU!
rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 1-... } 21010 jiffies s: 9
rcu: INFO: rcu_preempt detected stall, but suppressed full report due to a stuck CSD-lock.
rcu: rcu_preempt kthread starved for 5250 jiffies! g2925 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x0
rcu: rcu_preempt kthread timer wakeup didn't happen for 5249 jiffies! g2925 f0x0 ->state=0x402
INFO: rcu_tasks detected stalls on tasks:
watchdog: Watchdog detected hard LOCKUP on cpu 0
softirq: huh, entered softirq 3 NET_RX 00000000ab with preempt_count 00000100, exited with 00000101?
list_add corruption. next->prev should be prev (ffff88800), but was dead000000000122.
BUG: Bad page state in process python3  pfn:0a1b2
BUG kmalloc-192 (Tainted: G           O): Poison overwritten
Redzone  ffff88800a1b2c00: cc cc cc cc cc cc cc cc
BUG tcp_renoscope (Not tainted): Objects remaining in tcp_renoscope on __kmem_cache_shutdown()
python3 invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0
Memory cgroup out of memory: Killed process 71 (python3) total-vm:1234kB
ODEBUG: free active (active state 0) object: 00000000 object type: timer_list hint: f+0x0/0x10
ODEBUG: Out of memory. ODEBUG disabled
debugfs: Directory 'renoscope' with parent '/' already present!
TCP: Attempt to release TCP socket in state 1 00000000c4b4e5b5
tcp_renoscope: accept: cannot attach (error -22)
ftrace failed to modify
kprobes: Failed to arm kprobe-ftrace at tcp_conn_request+0x0/0xa00 (error -16)
""".splitlines()


class Scan(unittest.TestCase):
    def test_healthy_boot_is_clean(self) -> None:
        for line in HARMLESS:
            with self.subTest(line):
                self.assertEqual(kernel_log.scan(f"[    1.000000] {line}\r\n"), [])

    def test_every_trouble_is_found(self) -> None:
        for line in TROUBLE:
            with self.subTest(line):
                self.assertEqual(len(kernel_log.scan(f"[    1.000000] {line}\r\n")), 1)

    def test_every_pattern_has_a_line(self) -> None:
        for kind, pattern in kernel_log.TROUBLE:
            with self.subTest(pattern):
                self.assertTrue(any(re.search(pattern, line) for line in TROUBLE), kind)

    def test_context_and_line_number(self) -> None:
        lines = [f"line {number}" for number in range(1, 101)]
        lines[49] = "WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2"
        (finding,) = kernel_log.scan("\r\n".join(lines))
        self.assertEqual(finding.line_number, 50)
        self.assertEqual(finding.kind, "warning")
        self.assertEqual(finding.context[0], "line 47")
        self.assertIn("line 65", finding.context)

    def test_one_report_is_one_finding(self) -> None:
        text = "BUG: x\nWARNING: y\nCall Trace:\n" + "quiet\n" * 30 + "BUG: z\n"
        self.assertEqual([f.line for f in kernel_log.scan(text)], ["BUG: x", "BUG: z"])

    def test_last_lines_skip_blanks(self) -> None:
        self.assertEqual(list(kernel_log.last_lines("a\r\n\r\nb\r\nc\r\n", 2)), ["b", "c"])


class Taint(unittest.TestCase):
    OUT_OF_TREE, UNSIGNED, TEST = 1 << 12, 1 << 13, 1 << 18
    PROPRIETARY, WARNED, DIED = 1 << 0, 1 << 9, 1 << 7

    def test_what_the_bench_itself_causes_is_allowed(self) -> None:
        mask = self.OUT_OF_TREE | self.UNSIGNED | self.TEST
        self.assertEqual(kernel_log.unexpected_taint(mask), "")
        self.assertEqual(kernel_log.unexpected_taint(0), "")

    def test_the_rest_is_not(self) -> None:
        mask = self.OUT_OF_TREE | self.PROPRIETARY | self.WARNED | self.DIED
        self.assertEqual(kernel_log.unexpected_taint(mask), "PDW")

    def test_a_bit_of_a_future_kernel_is_not_overlooked(self) -> None:
        self.assertEqual(kernel_log.unexpected_taint(1 << 30), "?")


if __name__ == "__main__":
    unittest.main()
