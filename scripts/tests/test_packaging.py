# SPDX-License-Identifier: GPL-2.0
"""What the package says in several places is the same in all of them."""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from renoscope_lib import VERSION
from renoscope_lib.doctor.doctor import NEEDED_CONFIG, NEWEST_KERNEL, OLDEST_KERNEL
from renoscope_lib.ring.schema_source import kind_names, parameter_names

from .support import SCRIPTS

ROOT = SCRIPTS.parent
SYSTEM = SCRIPTS / "system"
UNIT = SYSTEM / "renoscope-recorder.service"


def found(path: str, pattern: str) -> str:
    """The first group of a pattern in a file of the tree."""
    match = re.search(pattern, (ROOT / path).read_text(), re.MULTILINE)
    assert match, f"{path} has no {pattern}"
    return match[1]


class Version(unittest.TestCase):
    """VERSION in renoscope_lib is the one; where it must stand again, it is the same."""

    def test_everywhere(self) -> None:
        for path, pattern in (
                ("module/main.c", r'^MODULE_VERSION\("(.*)"\);'),
                ("dkms.conf", r'^PACKAGE_VERSION="(.*)"'),
                ("debian/changelog", r"\Arenoscope \((.*?)(?:-\d+)?\) "),
                ("Documentation/man/renoscope.8", r'^\.TH .* "renoscope (.*?)"'),
                ("Documentation/man/renoscope.5", r'^\.TH .* "renoscope (.*?)"'),
                ("Documentation/man/renoscope.8", r"/usr/src/tcp_renoscope\\-(.*)/"),
        ):
            with self.subTest(path):
                self.assertEqual(found(path, pattern), VERSION)


class Dkms(unittest.TestCase):
    def test_asks_for_what_doctor_asks_for(self) -> None:
        self.assertEqual(found("dkms.conf", '^BUILD_EXCLUSIVE_CONFIG="(.*)"'),
                         " ".join(f"CONFIG_{name}" for name in NEEDED_CONFIG))

    def test_asks_for_what_the_module_calls(self) -> None:
        """Without the first and the last it does not even build."""
        sources = "".join(path.read_text() for path in (ROOT / "module").glob("*.c"))
        for name, call in (("NETFILTER", "nf_register_net_hooks"),
                           ("TRACEPOINTS", "tracepoint_probe_register"),
                           ("KPROBES", "register_kprobe"),
                           ("KRETPROBES", "register_kretprobe"),
                           ("DEBUG_FS", "debugfs_create_file"),
                           ("HAVE_FUNCTION_ARG_ACCESS_API",
                            "regs_get_kernel_argument")):
            with self.subTest(name):
                self.assertRegex(sources, rf"\b{call}\w*\(")
                self.assertIn(name, NEEDED_CONFIG)

    def test_kernels(self) -> None:
        pattern = found("dkms.conf", '^BUILD_EXCLUSIVE_KERNEL="(.*)"')
        self.assertEqual((OLDEST_KERNEL, NEWEST_KERNEL), ((6, 1), (6, 15)))
        for release, fits in (("6.1.0-56-amd64", True), ("6.12.117+deb12-amd64", True),
                              ("6.0.19", False), ("5.10.0-30-amd64", False),
                              ("6.15.11", True), ("6.16.3-amd64", False), ("7.0-rc1", False),
                              ("4.19.0", False)):
            # as DKMS does it
            done = subprocess.run(["bash", "-c", '[[ $1 =~ $2 ]]', "bash", release,
                                   pattern], check=False)
            self.assertEqual(done.returncode == 0, fits, release)


class Examples(unittest.TestCase):
    def test_what_the_pages_lead_to_is_packed(self) -> None:
        lines = (ROOT / "debian/renoscope.examples").read_text().splitlines()
        packed = {line for line in lines if not line.startswith("#")}
        for folder in packed:
            self.assertTrue((ROOT / folder).is_dir(), folder)
        named = set(re.findall(r"scripts/(?:prometheus|clickhouse)\b",
                               (ROOT / "Documentation/fleet.rst").read_text()))
        self.assertEqual(len(named), 2)
        self.assertLessEqual(named, packed)

    def test_nothing_of_them_is_active(self) -> None:
        for name in ("modprobe.d", "sysctl.d"):
            text = (SYSTEM / name / "renoscope.conf").read_text()
            active = [line for line in text.splitlines()
                      if line and not line.startswith("#")]
            self.assertEqual(active, [], name)

    def test_what_is_commented_out_is_right(self) -> None:
        text = (SYSTEM / "modprobe.d/renoscope.conf").read_text()
        options = re.findall(r"^#options tcp_renoscope (.*)", text, re.MULTILINE)
        self.assertTrue(options)
        for line in options:
            for name in re.findall(r"(\w+)=", re.sub('"[^"]*"|=rto=3', "", line)):
                self.assertIn(name, parameter_names())
        text = (SYSTEM / "sysctl.d/renoscope.conf").read_text()
        for name in re.findall(r"^#(net\.\S+) =", text, re.MULTILINE):
            path = Path("/proc/sys", name.replace(".", "/"))
            self.assertTrue(path.exists(), name)


class Unit(unittest.TestCase):
    def test_its_command_line(self) -> None:
        """watch takes what the unit gives it, and the kinds exist."""
        text = UNIT.read_text().replace("\\\n", " ")
        settings = dict(re.findall(r'"?\b(RENOSCOPE_\w+)=([^"\n]*?)(?="| RENOSCOPE|\n)',
                                   "\n".join(re.findall(r"^Environment=(.*)", text,
                                                        re.MULTILINE)) + "\n"))
        for kind in settings["RENOSCOPE_ON"].split(","):
            self.assertIn(kind.partition("=")[0], kind_names())
        for word in settings["RENOSCOPE_LOAD"].split():
            self.assertIn(word.partition("=")[0], parameter_names())
        # Whoever has set another filter since has meant it.
        self.assertIn("\nExecStartPre=-+/usr/bin/renoscope load $RENOSCOPE_LOAD\n", text)
        start = re.search(r"^ExecStart=/usr/bin/renoscope (.*)", text, re.MULTILINE)[1]
        words = re.sub(r"\$\{(\w+)\}", lambda name: settings[name[1]], start).split()
        # It gets as far as asking for the module, so it understood its options.
        done = subprocess.run([SCRIPTS / "renoscope", *words], text=True,
                              capture_output=True, check=False)
        self.assertNotEqual(done.returncode, 2, done.stderr)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd here")
    def test_systemd_has_no_complaint(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / UNIT.name
            # The command and its page are not installed here.
            text = re.sub(r"/usr/bin/renoscope\b", "/bin/true", UNIT.read_text())
            copy.write_text(re.sub("^Documentation=.*\n", "", text, flags=re.MULTILINE))
            done = subprocess.run(["systemd-analyze", "verify", copy], text=True,
                                  capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_it_is_not_enabled(self) -> None:
        self.assertIn("dh_installsystemd --no-enable\n",
                      (ROOT / "debian/rules").read_text())


if __name__ == "__main__":
    unittest.main()
