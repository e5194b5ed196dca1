# SPDX-License-Identifier: GPL-2.0
"""Loading, unloading, and naming who holds the module."""

import unittest
from unittest import mock
from typing import Any

from renoscope_lib.errors import BAD_INPUT, NOT_PERMITTED, NOT_SO, NOT_THERE, OK, Problem
from renoscope_lib.machine import load_parameters, loading, module_log
from renoscope_lib.place import MODULE_SOURCE
from renoscope_lib.ring.schema_source import kind_names, read_source

from . import support
from .fake_host import RELEASE, STATS, OnFakeHost, loaded, module_file

# What the kernel takes for a bool.
YES = ("1", "y", "Y", "on", "ON", "true")
NO = ("0", "n", "N", "off", "Off", "false")


class Load(OnFakeHost):
    def load(self, *words: str) -> tuple[int, str]:
        return self.printed(lambda: loading.load(words, self.host, self.built))

    def load_refused(self, code: int, words: str, *arguments: str) -> None:
        self.refused(code, words, lambda: loading.load(arguments, self.host, self.built))

    def test_the_one_beside_the_scripts_is_loaded_first(self) -> None:
        self.built.write_bytes(module_file())
        self.host.answers["insmod"] = (0, "", "")
        self.host.put("/proc/mounts", "none /sys/kernel/debug debugfs rw 0 0\n")
        code, out = self.load("events=state,ack")
        self.assertEqual(code, OK)
        self.assertEqual(self.host.ran,
                         ["dmesg", f"insmod {self.built} events=state,ack"])
        self.assertIn("events are in /sys/kernel/debug/renoscope", out)

    def test_without_debugfs_its_mount_is_proposed_not_done(self) -> None:
        self.built.write_bytes(module_file())
        self.host.answers["insmod"] = (0, "", "")
        self.assertIn("mount it with: sudo mount -t debugfs", self.load()[1])
        self.assertFalse([c for c in self.host.ran if c.startswith("mount")])

    def test_the_one_given_comes_before_the_one_beside(self) -> None:
        given = self.folder / "other.ko"
        given.write_bytes(module_file())
        self.host.answers["insmod"] = (0, "", "")
        self.load(str(given))
        self.assertEqual(self.host.ran, ["dmesg", f"insmod {given}"])

    def test_without_one_beside_the_installed_is_loaded(self) -> None:
        self.host.answers |= {"modinfo": (0, "/lib/modules/x.ko\n", ""),
                              "modprobe": (0, "", "")}
        self.load("ring_records=64")
        self.assertEqual(self.host.ran[-1],
                         "modprobe tcp_renoscope ring_records=64")

    def test_one_beside_the_scripts_that_may_not_be_seen(self) -> None:
        """Nobody says that there is none."""
        self.folder.chmod(0o755)
        closed = self.folder / "module"
        closed.mkdir(mode=0)
        self.addCleanup(closed.chmod, 0o700)
        built = closed / "tcp_renoscope.ko"
        with support.powerless():
            self.refused(BAD_INPUT, f"cannot read {built}: Permission denied",
                         lambda: loading.load((), self.host, built))

    def test_an_unknown_parameter_is_refused_before_the_kernel_ignores_it(self) -> None:
        self.built.write_bytes(module_file())
        self.load_refused(BAD_INPUT, "no parameter 'event'; there are: events "
                          "ring_records", "event=state")
        self.assertEqual(self.host.ran, [])

    def test_refused_parameter_is_told_in_the_modules_words(self) -> None:
        """Those of this attempt, though the log had like ones, and turned."""
        self.built.write_bytes(module_file())
        older = "[1.0] tcp_renoscope: events: 'older'\n[1.1] other\n"
        self.host.answers["insmod"] = (
            1, "", "insmod: ERROR: could not insert module x.ko: "
            "Invalid parameters\n")
        logs = iter([
            "[0.1] gone\n" + older,
            older + "[1.9] tcp_renoscope: loading out-of-tree module taints "
            "kernel.\n[2.0] tcp_renoscope: ring_records: '1000' is no power\n"
            "[2.0] tcp_renoscope: `1000' invalid for parameter "
            "`ring_records'\n[2.1] other\n"])
        answer = self.host.run

        def run(argv: Any) -> Any:
            if argv == ["dmesg"]:
                self.host.answers["dmesg"] = (0, next(logs), "")
            return answer(argv)

        with mock.patch.object(self.host, "run", run), \
                self.assertRaises(Problem) as caught:
            self.load("ring_records=1000")
        self.assertEqual(caught.exception.exit_code, NOT_SO)
        self.assertEqual(str(caught.exception), "could not insert module x.ko: "
                         "Invalid parameters: ring_records: '1000' is no power")

    def refused_saying(self, said: str, parameter: str) -> str:
        """What load says when the module logs this and is refused."""
        self.built.write_bytes(module_file())
        self.host.answers["insmod"] = (1, "", "Invalid parameters\n")
        logs = iter([[], [f"[2.0] tcp_renoscope: {said}"]])
        with mock.patch.object(module_log, "lines", lambda _: next(logs)), \
                self.assertRaises(Problem) as caught:
            self.load(parameter)
        return str(caught.exception)

    def test_refused_kinds_are_listed(self) -> None:
        """The module's own list went with it."""
        for name in ("event_sources.c", "event_freeze.c"):
            self.assertIn(module_log.KINDS_ARE_IN, (MODULE_SOURCE / name).read_text())
        said = "no kind of event; cat schema in debugfs lists them"
        told = self.refused_saying(f"events: 'foo' is {said}", "events=foo")
        self.assertIn("'foo' is no kind of event; there are: state ack ", told)
        self.assertNotRegex(told, "schema| lost| mark")
        with mock.patch.object(load_parameters, "kind_names", side_effect=OSError):
            self.assertIn(said, self.refused_saying(said, "events=foo"))

    def test_kinds_read_without_a_compiler_are_the_same(self) -> None:
        self.assertEqual(kind_names(), [name for name, _ in read_source().kinds])

    def test_words_of_an_earlier_attempt_are_not_told(self) -> None:
        self.built.write_bytes(module_file())
        self.host.answers |= {
            "insmod": (1, "", "Invalid parameters\n"),
            "dmesg": (0, "[1.0] tcp_renoscope: events: 'older'\n", "")}
        self.load_refused(NOT_SO, "a parameter was refused; see: sudo dmesg",
                          "ring_records=1000")

    def ready(self, **parameters: str) -> None:
        """A kernel that takes the module and has these parameters then."""
        self.built.write_bytes(module_file().replace(
            b"parm=ring_records", b"parm=filter:x\0parm=freeze_on:x\0"
            b"parm=freeze_after:x\0parm=reno_hystart:x\0parm=ring_records"))
        self.host.answers["insmod"] = (0, "", "")
        for name, value in parameters.items():
            self.host.put(f"/sys/module/tcp_renoscope/parameters/{name}",
                          value + "\n")

    def test_blanks_are_quoted(self) -> None:
        for given in ("filter=port=5000,443 addr=10.0.0.0/8",
                      'filter="port=5000,443 addr=10.0.0.0/8"'):
            self.ready(filter="port=5000,443 addr=10.0.0.0/8")
            code, _ = self.load(given, "ring_records=64")
            self.assertEqual(code, OK)
            self.assertIn(f'insmod {self.built} filter="port=5000,443 '
                          'addr=10.0.0.0/8" ring_records=64', self.host.ran)
        self.load_refused(BAD_INPUT, "no double quote", 'filter=port=1" x')

    def test_parameters_are_read_back(self) -> None:
        self.ready(filter="port=5000,443")
        self.load_refused(NOT_SO, "loaded, but filter is 'port=5000,443' and "
                          "not 'port=5000,443 addr=10.0.0.0/8'; set it with: "
                          "echo 'port=5000,443 addr=10.0.0.0/8' | sudo tee "
                          "/sys/module/tcp_renoscope/parameters/filter, or",
                          "filter=port=5000,443 addr=10.0.0.0/8")
        for asked, now, same in (
                ("filter=none", "none", True), ("filter=", "none", True),
                ("filter=port=7 port=8", "port=7,8", True),
                ("filter=port=7", "none", False),
                ("ring_records=0x40", "64", True),
                ("ring_records=64", "128", False),
                ("events=+segment -ack", "state,segment", True),
                ("events=+segment -ack", "state,segment,ack", False),
                ("events=default", "state,ack", True),
                ("freeze_on=rto=3 error", "error,rto=3", True),
                ("freeze_on=rto=3 error", "rto=3", False),
                *((f"reno_hystart={yes}", "Y", True) for yes in YES),
                *((f"reno_hystart={no}", "N", True) for no in NO),
                ("reno_hystart=1", "N", False), ("reno_hystart=0", "Y", False),
                ("reno_hystart=off", "Y", False), ("reno_hystart=2", "Y", False)):
            with self.subTest(asked, now=now):
                name = asked.partition("=")[0]
                self.ready(**{name: now})
                if same:
                    self.assertEqual(self.load(asked)[0], OK)
                else:
                    self.load_refused(NOT_SO, f"loaded, but {name} is", asked)

    def test_no_module_anywhere(self) -> None:
        self.load_refused(NOT_THERE, "there is no tcp_renoscope to load")

    def test_a_kernel_without_modules(self) -> None:
        """No module would help, whether there is one or none."""
        self.host.put(f"/boot/config-{RELEASE}", "# CONFIG_MODULES is not set\n")
        told = ("cannot be loaded: this kernel takes no modules; mend: sudo apt-get install "
                "linux-image-amd64, then reboot; scripts/renoscope doctor says more")
        self.load_refused(NOT_THERE, told)
        self.built.write_bytes(module_file())
        self.load_refused(NOT_THERE, told)
        self.assertEqual(self.host.ran, [])
        self.host.put(f"/boot/config-{RELEASE}", "CONFIG_MODULES=y\n")
        self.host.answers["insmod"] = (0, "", "")
        self.assertEqual(self.load()[0], OK)

    def test_one_built_for_another_kernel_is_refused(self) -> None:
        self.built.write_bytes(module_file("6.1.0-other"))
        self.load_refused(NOT_SO, f"was built for kernel 6.1.0-other, and this "
                          f"is {RELEASE}")
        self.assertEqual(self.host.ran, [])

    def test_root_is_asked_for_before_anything_is_run(self) -> None:
        self.built.write_bytes(module_file())
        self.host.euid = 1000
        self.load_refused(NOT_PERMITTED, "needs root; run it with sudo")
        self.assertEqual(self.host.ran, [])

    def test_already_loaded_with_other_parameters_is_refused(self) -> None:
        loaded(self.host, STATS)
        for name, text in (("events", "ack,state\n"), ("filter", "port=5000\n"),
                           ("ring_records", "8192\n"), ("modern_ecn", "Y\n")):
            self.host.put(f"/sys/module/tcp_renoscope/parameters/{name}", text)
        self.assertEqual(self.load(), (OK, "tcp_renoscope is already loaded\n"))
        self.assertEqual(
            self.load("events=state,ack", "filter=port=5000", "ring_records=0x2000",
                      "modern_ecn=1"),
            (OK, "tcp_renoscope is already loaded, with these parameters\n"))
        echo = "echo {} | sudo tee /sys/module/tcp_renoscope/parameters/{}"
        for words, *arguments in (
                ("events is 'ack,state'; mend: " + echo.format("ack", "events"),
                 "events=ack"),
                ("filter is 'port=5000' and modern_ecn is 'Y'; mend: "
                 + echo.format("port=443", "filter") + " && "
                 + echo.format("0", "modern_ecn"),
                 "events=ack,state", "filter=port=443", "modern_ecn=0"),
                ("ring_records is '8192'; unloading loses what the ring holds, which "
                 "`record --all` saves; mend: sudo scripts/renoscope unload && sudo "
                 "scripts/renoscope load events=ack,state ring_records=16",
                 "events=ack,state", "ring_records=16")):
            self.load_refused(NOT_SO, f"tcp_renoscope is already loaded, and {words}",
                              *arguments)
        for records in ("1000", "8", "0x200000", "-16", "many", ""):
            self.load_refused(BAD_INPUT, f"load: ring_records: {records!r} is not a power of "
                              "two from 16 to 1048576", f"ring_records={records}")
        for asked in (["dance=1"], ["ring_records=16", "dance=1"]):
            self.load_refused(BAD_INPUT, "there is no parameter 'dance'; there are: events ",
                              *asked)
        self.assertEqual(self.host.ran, [])

    def test_already_loaded_and_asked_for_what_is_no_kind(self) -> None:
        """The kernel would refuse what is proposed."""
        loaded(self.host, STATS)
        for name in ("events", "freeze_on"):
            self.host.put(f"/sys/module/tcp_renoscope/parameters/{name}", "state\n")
        for kinds in ("state ack ", "state flying "):     # of the sources, of the module
            for asked, told in (
                    ("events=foo", "events: 'foo' is no kind of event; there are: " + kinds),
                    ("events=", "events: no kind is named"),
                    ("events=+segment,-foo", "events: '-foo' is no kind of event"),
                    ("events=state,mark", "events: 'mark' is no kind of event"),
                    ("freeze_on=rto=256", "freeze_on: 'rto=256' is no trigger; there are: "
                     "rto=K with K from 1 to 255, " + kinds),
                    ("freeze_on=state all", "freeze_on: 'all' is no trigger")):
                self.load_refused(BAD_INPUT, "load: " + told, asked)
            self.host.put("/sys/kernel/debug/renoscope/schema",
                          "version 1\nkind 1 state x\nkind 2 flying x\nkind 3 mark x\n"
                          "kind 4 segment y\nfield serial u64\n")
        for asked in ("events=all", "events=default,segment", "events=+flying", "events=none",
                      "freeze_on=none", "freeze_on=rto=255 flying"):
            self.load_refused(NOT_SO, "mend: echo ", asked)

    def test_a_module_that_is_still_coming_up_is_not_loaded(self) -> None:
        self.host.put("/sys/module/tcp_renoscope/initstate", "coming\n")
        self.assertFalse(self.host.module_loaded())

    def test_what_the_kernel_says_is_explained(self) -> None:
        self.built.write_bytes(module_file())
        for message, meaning in (
                ("Key was rejected by service", "signed with a key it knows"),
                ("Invalid parameters", "see: sudo dmesg"),
                ("Something new", "Something new; see: sudo dmesg")):
            self.host.answers["insmod"] = (
                1, "", f"insmod: ERROR: could not insert module x: {message}\n")
            self.load_refused(NOT_SO, meaning)

    def test_words_that_are_neither_file_nor_parameter_are_refused(self) -> None:
        self.load_refused(BAD_INPUT, "more than one module", "a", "b")
        self.load_refused(BAD_INPUT, "'=3' is not PARAM=VALUE", "=3")
        self.load_refused(BAD_INPUT, "cannot read /nix", "/nix")


class Unload(OnFakeHost):
    def unload(self) -> tuple[int, str]:
        return self.printed(lambda: loading.unload(self.host))

    def test_it_is_taken_out(self) -> None:
        loaded(self.host, STATS)
        self.host.answers["rmmod"] = (0, "", "")
        self.assertEqual(self.unload(), (OK, "unloaded tcp_renoscope\n"))

    def test_what_is_not_loaded_is_no_fault(self) -> None:
        self.assertEqual(self.unload(), (OK, "tcp_renoscope is not loaded\n"))
        self.assertEqual(self.host.ran, [])

    def test_another_failure_is_told_as_it_is(self) -> None:
        loaded(self.host, STATS)
        self.host.answers["rmmod"] = (
            1, "", "rmmod: ERROR: could not remove: Operation not permitted\n")
        self.refused(NOT_SO, "Operation not permitted",
                     lambda: loading.unload(self.host))

    def test_in_use_its_holders_are_named(self) -> None:
        loaded(self.host, STATS)
        self.host.answers["rmmod"] = (
            1, "", "rmmod: ERROR: Module tcp_renoscope is in use\n")
        self.host.put("/sys/module/tcp_renoscope/refcnt", "2\n")
        code, out = self.unload()
        self.assertEqual(code, NOT_SO)
        self.assertIn("tcp_renoscope is in use:\n  its count of references is 2, but none", out)


if __name__ == "__main__":
    unittest.main()
