#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The bench tested itself: each planted fault must come out as the right failure.

A harness that passes everything looks just like a healthy project.  So real
guests are booted here in which something is really wrong.  It needs QEMU and a
stock kernel, and takes a minute or two:

    python3 scripts/tests/guest/test_boot.py
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "qemu"
sys.path.insert(0, str(BENCH))

import ktap  # noqa: E402
from host_tsc import tsc_khz  # noqa: E402

SERIES = os.environ.get("RENOSCOPE_KERNEL", "6.12")
LIMIT_S = 120

KERNEL: str
SCRATCH: Path
TROUBLE: str

# A module whose loading does to the kernel what its parameter says.
TROUBLE_C = """\
// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

static char *make;
module_param(make, charp, 0);

static int __init trouble_init(void)
{
	if (!strcmp(make, "warning"))
		WARN(1, "planted\\n");
	if (!strcmp(make, "oops"))
		WRITE_ONCE(*(int *)8, 1);
	return 0;
}

static void __exit trouble_exit(void)
{
}

module_init(trouble_init);
module_exit(trouble_exit);
MODULE_DESCRIPTION("Planted trouble");
MODULE_LICENSE("GPL");
"""


def setUpModule() -> None:
    """Fetch the kernel and build the module once for all cases."""
    global KERNEL, SCRATCH, TROUBLE
    found = subprocess.run([BENCH / "fetch-kernel", SERIES], stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        raise unittest.SkipTest(f"no {SERIES} kernel can be had")
    KERNEL = found.stdout.strip()
    scratch = tempfile.TemporaryDirectory(prefix="renoscope-test-boot-")
    unittest.addModuleCleanup(scratch.cleanup)
    SCRATCH = Path(scratch.name)
    (SCRATCH / "trouble.c").write_text(TROUBLE_C)
    (SCRATCH / "Kbuild").write_text("obj-m := trouble.o\n")
    subprocess.run(
        ["make", "-s", "-C", f"{KERNEL}/build", f"M={SCRATCH}"],
        check=True,
        capture_output=True,
    )
    TROUBLE = f"{SCRATCH}/trouble.ko"


def boot(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the bench as its users do."""
    command = [str(BENCH / "boot"), "--kernel", KERNEL, "--timeout", str(LIMIT_S)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True)
    if done.returncode == 4:
        raise unittest.SkipTest(done.stderr.strip())
    return done


def guests_of(pid: int) -> list[str]:
    """The processes that a running bench has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return children.read_text().split() if children.exists() else []


def command_line(pid: str) -> bytes:
    """A process' command line; empty if it is gone or only waits to be reaped."""
    file = Path(f"/proc/{pid}/cmdline")
    return file.read_bytes() if file.exists() else b""


class Passing(unittest.TestCase):
    maxDiff = None  # what a guest complained of is wanted whole

    def assert_passed(self, done: subprocess.CompletedProcess[str]) -> None:
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_initramfs(self) -> None:
        done = boot("--", "id -u; cat /proc/sys/kernel/hostname")
        self.assert_passed(done)
        self.assertEqual(done.stdout, "0\nrenoscope\n")

    def test_the_clock_has_the_hosts_rate(self) -> None:
        """Also where the guest could not find it out, as QEMU has to wait for a processor."""
        log = SCRATCH / "clock.log"
        self.assert_passed(boot("--log", str(log), "--", "true"))
        told = re.search(r"tsc: Detected ([0-9.]+) MHz processor", log.read_text())
        rate_khz = tsc_khz()
        assert told and rate_khz
        self.assertAlmostEqual(float(told[1]) * 1000 / rate_khz, 1, delta=0.001)

    def test_host_root(self) -> None:
        script = "import os; print(os.getcwd(), os.getuid())"
        done = boot("--root", "host", "--", sys.executable, "-c", script)
        self.assert_passed(done)
        self.assertEqual(done.stdout, f"{os.getcwd()} 0\n")

    def test_host_root_is_not_changed(self) -> None:
        witness = BENCH / "changed-by-the-guest"
        done = boot("--root", "host", "--", f"echo x >'{witness}' && cat '{witness}'")
        self.assert_passed(done)
        self.assertEqual(done.stdout, "x\n")
        self.assertFalse(witness.exists())

    def test_share_is_written_through(self) -> None:
        for root in ("initramfs", "host"):
            with self.subTest(root):
                shared = SCRATCH / f"shared by {root}"
                shared.mkdir()
                done = boot(
                    *("--root", root, "--share", str(shared)),
                    *("--", f"echo result >'{shared}/file'"),
                )
                self.assert_passed(done)
                self.assertEqual((shared / "file").read_text(), "result\n")

    def test_module_loads_on_both_roots(self) -> None:
        for root in ("initramfs", "host"):
            with self.subTest(root):
                done = boot(
                    *("--root", root, "--file", f"{TROUBLE}:/lib/t.ko"),
                    *("--", "insmod /lib/t.ko make=nothing && grep -c ^trouble /proc/modules"),
                )
                self.assert_passed(done)
                self.assertEqual(done.stdout, "1\n")

    def test_stock_module_and_loopback(self) -> None:
        done = boot("--module", "veth", "--",
                    "ip link add name a type veth && ping -c1 -q 127.0.0.1")
        self.assert_passed(done)
        self.assertIn("1 packets received", done.stdout)

    def test_modprobe_on_host_root(self) -> None:
        done = boot("--root", "host", "--", "modprobe sch_netem && grep -c netem /proc/modules")
        self.assert_passed(done)

    def test_every_byte_arrives(self) -> None:
        done = boot("--", "seq 1 20000")
        self.assert_passed(done)
        self.assertEqual(done.stdout.split(), [str(number) for number in range(1, 20001)])

    def test_arguments_reach_the_command_unchanged(self) -> None:
        odd = ["two words", "$HOME", "it's", "", "a\\b"]
        done = boot("--", "printf", "<%s>\n", *odd)
        self.assert_passed(done)
        self.assertEqual(done.stdout, "".join(f"<{word}>\n" for word in odd))

    def test_counting_instructions(self) -> None:
        self.assert_passed(boot("--icount", "--", "true"))


class Failing(unittest.TestCase):
    def test_command_fails(self) -> None:
        done = boot("--", "echo before; exit 7")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "before\n")
        self.assertIn("exit code 7", done.stderr)

    def test_kernel_warns_though_the_command_succeeds(self) -> None:
        done = boot("--file", TROUBLE, "--", "insmod /trouble.ko make=warning")
        self.assertEqual(done.returncode, 3)
        self.assertIn("planted", done.stderr)
        self.assertIn("unexpected W", done.stderr)

    def test_kernel_oopses(self) -> None:
        done = boot("--file", TROUBLE, "--", "insmod /trouble.ko make=oops")
        self.assertEqual(done.returncode, 5)
        self.assertIn("NULL pointer dereference", done.stderr)

    def test_guest_hangs(self) -> None:
        started = time.monotonic()
        done = boot("--timeout", "30", "--", "echo waiting; sleep 1000")
        self.assertEqual(done.returncode, 124)
        self.assertEqual(done.stdout, "waiting\n")
        self.assertIn("no end after 30 s", done.stderr)
        self.assertIn("Run /init", done.stderr)
        self.assertLess(time.monotonic() - started, 120)

    def test_guest_babbles_for_ever(self) -> None:
        done = boot("--timeout", "6", "--", "while :; do echo x; done")
        self.assertEqual(done.returncode, 124)

    def test_guest_powers_off_without_reporting(self) -> None:
        done = boot("--", "echo almost; poweroff -f")
        self.assertEqual(done.returncode, 5)
        self.assertEqual(done.stdout, "almost\n")
        self.assertIn("without reporting", done.stderr)

    def test_forged_report_does_not_count(self) -> None:
        done = boot("--", "printf '\\0360000 0 0\\n'; poweroff -f")
        self.assertEqual(done.returncode, 5)

    def test_module_missing(self) -> None:
        done = boot("--file", TROUBLE, "--", "insmod /absent.ko")
        self.assertEqual(done.returncode, 1)

    def test_no_kernel_there(self) -> None:
        command = [str(BENCH / "boot"), "--kernel", "/nonexistent", "--", "true"]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 4)
        self.assertIn("fetch-kernel", done.stderr)

    def test_usage(self) -> None:
        self.assertEqual(boot("--root", "moon", "--", "true").returncode, 2)

    def test_signal_leaves_no_guest_behind(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            with self.subTest(number.name):
                bench = subprocess.Popen(
                    [BENCH / "boot", "--kernel", KERNEL, "--", "echo up; sleep 1000"],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    # What SIGKILL gives no chance to remove goes with our own.
                    env={**os.environ, "TMPDIR": str(SCRATCH)},
                    # A shell starts what is in the background deaf to SIGINT.
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                )
                with bench:
                    assert bench.stdout
                    self.assertEqual(bench.stdout.readline(), b"up\n")
                    guests = guests_of(bench.pid)
                    self.assertEqual(len(guests), 1)
                    bench.send_signal(number)
                    self.assertNotEqual(bench.wait(30), 0)
                time.sleep(0.5)
                self.assertEqual(command_line(guests[0]), b"")


class Results(unittest.TestCase):
    """What a guest prints as KTAP, through the whole way."""

    def results(self, text: str) -> ktap.Report:
        source = SCRATCH / "results"
        source.write_text(text)
        done = boot("--file", f"{source}:/results", "--", "cat /results")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout, text)
        return ktap.parse(done.stdout)

    def test_good(self) -> None:
        report = self.results("KTAP version 1\n1..2\nok 1 a\nok 2 b\n")
        self.assertEqual((len(report.leaves()), report.failures()), (2, []))

    def test_planted_failing_test(self) -> None:
        report = self.results("KTAP version 1\n1..2\nok 1 a\nnot ok 2 b\n")
        self.assertEqual(report.failures(), ["not ok: b"])

    def test_missing_plan(self) -> None:
        report = self.results("KTAP version 1\nok 1 a\nok 2 b\n")
        self.assertEqual(report.failures(), ["the results: no plan"])


if __name__ == "__main__":
    unittest.main()
