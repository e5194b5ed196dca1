# SPDX-License-Identifier: GPL-2.0
"""Every check, on machines with one thing wrong at a time."""

import gzip
import tempfile
import unittest
from pathlib import Path
from typing import Any

from renoscope_lib import VERSION
from renoscope_lib.doctor.doctor import Doctor
from renoscope_lib.doctor.doctor_check import FAIL, GOOD, WARN
from renoscope_lib.doctor.doctor_trust import LOCKDOWN, SECURE_BOOT, SIG_ENFORCE

from . import support
from .fake_host import RELEASE, STATS, FakeHost, fake_host, loaded, module_file

CONFIG = "".join(f"CONFIG_{name}=y\n" for name in
                 ("MODULES", "INET", "NETFILTER", "TRACEPOINTS", "KPROBES",
                  "KRETPROBES", "HAVE_FUNCTION_ARG_ACCESS_API", "DEBUG_FS",
                  "64BIT"))


class Machine(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.built = self.folder / "built.ko"
        self.host = self.good()

    def good(self, **changes: Any) -> FakeHost:
        """A machine on which all is well."""
        host = fake_host(self.folder / "root", **changes)
        host.put(f"/lib/modules/{RELEASE}/build/Makefile")
        host.put(f"/boot/config-{RELEASE}", CONFIG)
        for name, words in (("available_", "reno cubic renoscope"),
                            ("allowed_", "reno cubic renoscope"),
                            ("", "cubic")):
            host.put(f"/proc/sys/net/ipv4/tcp_{name}congestion_control", words)
        loaded(host, STATS)
        return host

    def unload(self) -> None:
        self.host.path("/sys/module/tcp_renoscope/initstate").unlink()

    def lines(self) -> list[str]:
        return [str(c) for c in Doctor(self.host, self.built).checks()]

    def finds(self, level: str, *words: str) -> None:
        """One line of this level has all the words."""
        lines = self.lines()
        self.assertTrue(any(line.startswith(level) and
                            all(word in line for word in words)
                            for line in lines), "\n".join(lines))

    def test_all_is_well(self) -> None:
        self.assertEqual({line.split()[0] for line in self.lines()}, {GOOD},
                         "\n".join(self.lines()))
        self.finds(GOOD, "events come from: 1 attached")
        self.finds(GOOD, "default congestion control is cubic")

    def test_a_fault_stands_beside_its_mend(self) -> None:
        self.host.path("/proc/mounts").write_text("")
        self.assertIn("FAIL  debugfs is not mounted  — mend: sudo mount -t debugfs "
                      "none /sys/kernel/debug", self.lines())

    def test_debugfs_is_told_once(self) -> None:
        """The second mend would be to ask the doctor again."""
        self.host.put("/proc/mounts", "")
        failed = [line for line in self.lines() if line.startswith(FAIL)]
        self.assertEqual(failed, ["FAIL  debugfs is not mounted  — mend: sudo "
                                  "mount -t debugfs none /sys/kernel/debug"])

    def test_no_mend_is_what_one_just_did(self) -> None:
        self.host.path("/sys/kernel/debug/renoscope/stats").unlink()
        for euid, mend in ((0, "sudo dmesg | grep renoscope"),
                           (1000, "sudo scripts/renoscope doctor")):
            self.host.euid = euid
            self.finds(FAIL, "sources are not known", f"mend: {mend}")

    def test_who_is_not_root_is_sent_for_sudo(self) -> None:
        self.host.euid = 1000
        self.finds(FAIL, "not running as root", "mend: sudo")

    def test_kernels_older_than_6_1_or_of_32_bit_fail(self) -> None:
        for release, level in (("6.1.0", GOOD), ("6.15.2", GOOD), ("6.16.1", WARN),
                               ("7.0-rc1", WARN), ("6.0.19", FAIL), ("5.19.0", FAIL)):
            self.host.release = release
            self.finds(level, f"kernel {release}")
        self.host.machine = "i686"
        self.finds(FAIL, "i686 is not a 64-bit kernel")

    def test_headers_fail_only_where_a_module_must_be_built(self) -> None:
        self.host.path(f"/lib/modules/{RELEASE}/build/Makefile").unlink()
        mend = f"mend: sudo apt-get install linux-headers-{RELEASE}"
        self.finds(WARN, "no kernel headers", mend)
        self.unload()
        self.finds(FAIL, "no kernel headers", mend)

    def closed(self, name: str) -> None:
        """A folder that none but its owner may look into."""
        self.folder.chmod(0o755)
        folder = self.host.path(name)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0)
        self.addCleanup(folder.chmod, 0o700)

    def test_headers_where_one_may_not_look(self) -> None:
        self.unload()
        self.closed(f"/lib/modules/{RELEASE}/build")
        for euid, mend in ((1000, "sudo scripts/renoscope doctor"),
                           (0, f"ls -ld $(readlink -f /lib/modules/{RELEASE}/build)")):
            self.host.euid = euid
            with support.powerless():
                self.finds(WARN, "/build may not be looked into", f"mend: {mend}")

    def test_a_certificate_where_one_may_not_look(self) -> None:
        """DKMS' settings say that it is there."""
        self.unload()
        self.host.put(SECURE_BOOT, b"\6\0\0\0\1")
        self.host.put("/etc/dkms/framework.conf", "mok_certificate=/root/own.der\n")
        self.host.put("/etc/dkms/framework.conf.d/own.conf", "")
        self.closed("/root")
        with support.powerless():
            self.finds(WARN, "must be signed once it is built", "--import /root/own.der")
        self.host.path("/etc/dkms").chmod(0)
        self.addCleanup(self.host.path("/etc/dkms").chmod, 0o700)
        with support.powerless():
            self.finds(WARN, "must be signed once it is built")

    def test_an_efi_where_one_may_not_look_may_be_a_secure_one(self) -> None:
        self.unload()
        self.host.put(SIG_ENFORCE, "Y\n")
        self.closed("/sys/firmware")
        with support.powerless():
            self.finds(WARN, "must be signed once it is built")

    def test_a_kernel_that_no_package_has(self) -> None:
        self.host.release = "6.12.95"
        self.host.put("/boot/config-6.12.95", CONFIG)
        self.finds(WARN, "no kernel headers", "mend: sudo ln -s THE-FOLDER-IT-WAS-BUILT-IN "
                   "/lib/modules/6.12.95/build")
        self.host.path("/boot/config-6.12.95").unlink()
        self.finds(WARN, "configuration cannot be read", "mend: sudo cp "
                   "THE-FOLDER-IT-WAS-BUILT-IN/.config /boot/config-6.12.95")
        self.assertNotIn("6.12.95", " ".join(
            line.partition("apt-get")[2] for line in self.lines()))

    def test_a_kernel_without_modules(self) -> None:
        """Nothing is proposed that cannot help."""
        self.unload()
        self.host.path(f"/lib/modules/{RELEASE}/build/Makefile").unlink()
        self.host.put(f"/boot/config-{RELEASE}", CONFIG.replace("CONFIG_MODULES=y\n", ""))
        image = "mend: sudo apt-get install linux-image-amd64, then reboot"
        self.finds(FAIL, "without CONFIG_MODULES", image)
        self.finds(FAIL, "cannot be: this kernel takes no modules", image)
        self.assertEqual({line.partition("mend: ")[2] for line in self.lines()
                          if line.startswith(FAIL)}, {image.removeprefix("mend: ")})

    def test_what_the_kernel_was_built_without_is_named(self) -> None:
        path = f"/boot/config-{RELEASE}"
        self.host.put(path, CONFIG.replace("CONFIG_DEBUG_FS=y",
                                           "# CONFIG_DEBUG_FS is not set"))
        self.finds(FAIL, "without CONFIG_DEBUG_FS", "mend: sudo apt-get install")
        self.host.put("/proc/config.gz", gzip.compress(CONFIG.encode()))
        self.finds(GOOD, "CONFIG_DEBUG_FS")
        self.host.path("/proc/config.gz").unlink()
        self.host.path(path).unlink()
        self.finds(WARN, "configuration cannot be read", "mend: sudo apt-get install")
        self.host.euid = 1000
        self.finds(WARN, "configuration cannot be read", "mend: sudo scripts/renoscope doctor")

    def test_debugfs_may_be_mounted_elsewhere(self) -> None:
        self.host.put("/proc/mounts", "x /mnt/d debugfs rw 0 0\n")
        self.host.put("/mnt/d/renoscope/stats", STATS)
        self.finds(GOOD, "debugfs is mounted at /mnt/d")
        self.finds(GOOD, "places in the kernel")

    def test_a_locked_down_kernel_asks_for_a_signature_once(self) -> None:
        self.host.put(LOCKDOWN, "[none] integrity confidentiality\n")
        self.finds(GOOD, "lockdown: none")
        self.host.put(LOCKDOWN, "none [integrity] confidentiality\n")
        self.finds(GOOD, "lockdown: integrity; the files can be read")
        self.finds(GOOD, "module signature: good, as the module is loaded")
        self.unload()
        self.built.write_bytes(module_file())
        self.host.put(SECURE_BOOT, b"\6\0\0\0\1")
        self.finds(WARN, "module signature:", "is not signed", "sign-file")
        self.assertEqual(sum("module signature" in line for line in self.lines()), 1)

    def test_secure_boot_that_locks_nothing_down(self) -> None:
        """Shim was told to validate nothing, and the kernel goes by that."""
        self.unload()
        self.built.write_bytes(module_file())
        self.host.put(SECURE_BOOT, b"\6\0\0\0\1")
        self.host.put(LOCKDOWN, "[none] integrity confidentiality\n")
        self.finds(GOOD, "Secure Boot: on, and the kernel is not locked down")
        self.assertNotIn("module signature", "".join(self.lines()))

    def test_signatures_enforced_without_lockdown(self) -> None:
        self.unload()
        self.built.write_bytes(module_file())
        self.host.put(LOCKDOWN, "[none] integrity confidentiality\n")
        self.host.put(SECURE_BOOT, b"\6\0\0\0\1")
        self.host.put(SIG_ENFORCE, "N\n")
        self.assertNotIn("signature", "".join(self.lines()))
        self.host.put(SIG_ENFORCE, "Y\n")
        self.finds(GOOD, "module.sig_enforce: on")
        self.finds(WARN, "module signature:", "is not signed", "sign-file")

    def test_no_enrolled_key_counts_without_secure_boot(self) -> None:
        """The kernel passes over the owner's keys then: no mokutil helps."""
        self.unload()
        self.built.write_bytes(module_file())
        self.host.put(SIG_ENFORCE, "Y\n")
        self.finds(WARN, "with Secure Boot off the kernel takes no enrolled key",
                   "mend: switch Secure Boot on")
        self.host.path("/sys/firmware/efi").mkdir(parents=True)
        self.finds(WARN, "is not signed")       # what cannot be read may be on
        self.host.put(SECURE_BOOT, b"\6\0\0\0\0")
        self.finds(WARN, "with Secure Boot off")
        self.assertNotIn("mokutil", "".join(self.lines()))

    def signed_by(self, signer: str) -> None:
        self.host.answers["modinfo -F signer"] = (0, f"{signer}\n", "")

    def test_an_unsigned_module_is_told_how_to_be_signed(self) -> None:
        self.host.put(SECURE_BOOT, b"\6\0\0\0\1")
        self.finds(GOOD, "Secure Boot: on")
        self.unload()
        self.built.write_bytes(module_file())
        self.finds(WARN, f"module signature: {self.built} is not signed",
                   "openssl req", f"sign-file sha256 MOK.priv MOK.der {self.built} && "
                   "sudo mokutil --import MOK.der (asks", "Enroll MOK")
        self.host.put("/var/lib/dkms/mok.pub")
        self.finds(WARN, "sign-file sha256 /var/lib/dkms/mok.key "
                   f"/var/lib/dkms/mok.pub {self.built}; once",
                   "--import /var/lib/dkms/mok.pub")
        self.signed_by("me")
        self.finds(GOOD, "module signature: the module is signed by 'me'",
                   "mokutil --list-enrolled")
        self.host.put(SECURE_BOOT, b"\6\0\0\0\0")
        self.finds(GOOD, "Secure Boot: off")
        self.assertNotIn("module signature", "".join(self.lines()))

    def test_of_what_dkms_signs_the_key_must_be_enrolled(self) -> None:
        self.unload()
        self.host.put(SECURE_BOOT, b"\6\0\0\0\1")
        self.host.answers["modinfo -k"] = (
            0, f"/lib/modules/{RELEASE}/updates/dkms/tcp_renoscope.ko.xz\n", "")
        self.finds(WARN, "updates/dkms/tcp_renoscope.ko.xz is not signed: sign-file or "
                   "openssl was missing", "sudo apt-get install openssl "
                   f"linux-headers-{RELEASE} && sudo dkms unbuild tcp_renoscope/")
        self.signed_by("DKMS module signing key")
        self.finds(WARN, "cannot be told without mokutil",
                   "sudo apt-get install mokutil")
        for said, level, words in (
                ("/x is not enrolled\n", WARN,
                 ("a key that is not enrolled", "mend: sudo mokutil --import "
                  "/var/lib/dkms/mok.pub (asks for a new password), then reboot")),
                ("/x is already in the enrollment request\n", WARN,
                 ("waits to be enrolled", "mend: reboot; ", "Enroll MOK")),
                ("EFI variables are not supported on this system\n", WARN,
                 ("; whether that key is enrolled cannot be told, mokutil says: EFI "
                  "variables are not supported on this system",)),
                ("", WARN, ("cannot be told, mokutil says: exit code 1",)),
                ("/x is already enrolled\n", GOOD, ("a key that is enrolled",)),
                ("/x is already in the built-in trusted keyring\n", GOOD,
                 ("a key that is enrolled",))):
            with self.subTest(said):
                self.host.answers["mokutil --test-key"] = (1, said, "")
                self.finds(level, "signed by 'DKMS module signing key'", *words)
                if "cannot be told" in words[0]:
                    self.assertNotIn("mokutil --import", "".join(self.lines()))
        self.assertIn("mokutil --test-key /var/lib/dkms/mok.pub", self.host.ran)

    def test_dkms_signs_with_another_key(self) -> None:
        self.unload()
        self.host.put(SECURE_BOOT, b"\6\0\0\0\1")
        self.host.put("/etc/dkms/framework.conf", "# mok_certificate=/no\n"
                      "mok_certificate=/first\nmok_signing_key=/k\n")
        self.host.put("/etc/dkms/framework.conf.d/own.conf",
                      'mok_certificate="/root/own.der"\n')
        self.host.answers["modinfo -k"] = (
            0, f"/lib/modules/{RELEASE}/updates/dkms/tcp_renoscope.ko\n", "")
        self.signed_by("own")
        self.host.answers["mokutil"] = (0, "/root/own.der is not enrolled\n", "")
        self.finds(WARN, "signed by 'own'", "--import /root/own.der")

    def test_before_there_is_a_module_dkms_key_is_proposed(self) -> None:
        self.unload()
        self.host.put(SECURE_BOOT, b"\6\0\0\0\1")
        self.finds(WARN, "must be signed once it is built; DKMS does that")
        self.host.put("/var/lib/dkms/mok.pub")
        self.finds(WARN, "once it is built", "--import /var/lib/dkms/mok.pub")

    def test_an_older_module_is_loaded(self) -> None:
        self.host.put("/sys/module/tcp_renoscope/version", f"{VERSION}\n")
        self.finds(GOOD, "tcp_renoscope is loaded")
        self.host.put("/sys/module/tcp_renoscope/version", "0.0.9\n")
        self.finds(WARN, "is loaded in version 0.0.9, and this command is",
                   "mend: sudo scripts/renoscope unload && ")

    def test_the_next_step_to_a_loaded_module_is_told(self) -> None:
        self.unload()
        self.finds(FAIL, "not loaded, and there is no tcp_renoscope.ko")
        self.built.write_bytes(module_file("6.1.0-other"))
        self.finds(FAIL, "was built for 6.1.0-other", "mend: make && ")
        self.built.write_bytes(module_file())
        self.finds(FAIL, "is not loaded", "mend: sudo scripts/renoscope load")
        self.built.unlink()
        self.host.answers["modinfo"] = (0, "/lib/modules/x.ko\n", "")
        self.finds(FAIL, "is not loaded", "mend: sudo scripts/renoscope load")

    def test_each_place_that_nothing_comes_from_is_told(self) -> None:
        loaded(self.host, STATS + "source ack tcp:tcp_probe off\n"
               "source segment netfilter:ipv4-in off\n"
               "source syn kprobe:tcp_conn_request off, missed 2 calls\n"
               "source ca_state tcp:tcp_cong_state_set missing: no such "
               "tracepoint in this kernel\n")
        mend = ("mend: echo default | sudo tee "
                "/sys/module/tcp_renoscope/parameters/events")
        self.finds(WARN, "source ack (tcp:tcp_probe): switched off", mend)
        self.finds(WARN, "source syn (kprobe:tcp_conn_request): switched off", mend)
        self.finds(FAIL, "source ca_state", "missing: no such tracepoint in "
                   "this kernel")

    def test_kprobes_switched_off_are_told_once(self) -> None:
        """One line for all of them, with a mend that is no look into the log."""
        off = "missing: kprobes are switched off on this machine\n"
        loaded(self.host, STATS + "source syn kprobe:tcp_conn_request " + off
               + "source rto kprobe:tcp_write_err " + off
               + "source zero_window ftrace:__tcp_select_window attached\n")
        self.finds(FAIL, "2 of these places are silent; switched off on this machine: "
                   "kprobes", "/sys/kernel/debug/kprobes/enabled",
                   "kernel.ftrace_enabled=1")
        self.assertNotIn("dmesg", "".join(self.lines()))

    def test_ftrace_switched_off_is_told_with_kprobes(self) -> None:
        """And kprobes with it."""
        off = "switched off on this machine\n"
        loaded(self.host, STATS
               + "source syn kprobe:tcp_conn_request missing: kprobes are " + off
               + "source zero_window ftrace:__tcp_select_window missing: ftrace is " + off)
        self.finds(FAIL, "2 of these places are silent; switched off on this machine: "
                   "ftrace and kprobes", "kernel.ftrace_enabled=1")

    def test_events_none_is_told_once(self) -> None:
        """One line for all of them."""
        loaded(self.host, STATS.replace("attached", "off"))
        self.host.put("/sys/module/tcp_renoscope/parameters/events", "none\n")
        self.assertEqual(
            [line for line in self.lines() if not line.startswith(GOOD)],
            ["warn  events=none: nothing is recorded  — mend: echo default | "
             "sudo tee /sys/module/tcp_renoscope/parameters/events"])

    def test_each_that_keeps_events_out_has_its_mend(self) -> None:
        mend = "mend: echo {} | sudo tee /sys/module/tcp_renoscope/parameters/{}"
        for stats, said, value, name in (
                ("freeze frozen 1 after 0 on rto", "recording is frozen", 0,
                 "frozen"),
                ("filter port=5000 addr=10.0.0.0/8",
                 "recorded: port=5000 addr=10.0.0.0/8 ", "none", "filter"),
                ("sample flow 10 ack 1", "flow_sample: only one in 10", 1,
                 "flow_sample"),
                ("sample flow 1 ack 8", "ack_sample: only one in 8", 1,
                 "ack_sample")):
            with self.subTest(stats):
                loaded(self.host, STATS + stats + "\n")
                self.finds(WARN, said, mend.format(value, name))
                self.assertEqual(sum(line.startswith(WARN)
                                     for line in self.lines()), 1)
        loaded(self.host, STATS + "filter none\nsample flow 1 ack 1\n"
               "freeze frozen 0 after 0 on rto\n")
        self.test_all_is_well()

    def test_stats_of_another_version_are_a_fault(self) -> None:
        loaded(self.host, "version 9\n")
        self.finds(FAIL, "version 9 is not supported")

    def test_who_may_choose_the_congestion_control_is_told(self) -> None:
        folder = "/proc/sys/net/ipv4"
        self.host.put(f"{folder}/tcp_allowed_congestion_control", "reno cubic")
        self.finds(WARN, "only root may choose renoscope", "mend: sudo sysctl -w net"
                   '.ipv4.tcp_allowed_congestion_control="reno cubic renoscope"')
        self.host.put(f"{folder}/tcp_available_congestion_control", "reno")
        self.finds(FAIL, "no congestion control of ours")


if __name__ == "__main__":
    unittest.main()
