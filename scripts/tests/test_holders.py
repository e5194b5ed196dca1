# SPDX-License-Identifier: GPL-2.0
"""Who holds the module, and the safe step that lets go."""

import os
import unittest
from unittest import mock

from renoscope_lib.machine.holders import find_holders, namespaces

from .fake_host import STATS, OnFakeHost, loaded

SS = """\
LISTEN 0 128 10.0.0.1:5000 0.0.0.0:* users:(("server",pid=42,fd=3)) ino:7 sk:1
\t renoscope cwnd:10
ESTAB 0 0 10.0.0.1:5000 10.0.0.2:40112 users:(("server",pid=42,fd=4)) sk:2
\t ts sack cubic wscale:7,7 rto:204
FIN-WAIT-1 0 1 10.0.0.1:5000 10.0.0.2:40113 ino:0 sk:3
\t ts sack reno_textbook wscale:7,7 rto:204
"""


class Holders(OnFakeHost):
    def setUp(self) -> None:
        super().setUp()
        loaded(self.host, STATS)
        self.host.put("/proc/self/ns/net")
        self.host.put("/proc/sys/net/ipv4/tcp_available_congestion_control",
                      "reno cubic renoscope")

    def holders(self) -> list[tuple[str, str]]:
        return [(h.what, h.step) for h in find_holders(self.host)]

    def test_who_has_our_files_open_is_named_once(self) -> None:
        self.host.put("/proc/77/comm", "cat\n")
        for fd, target in (("3", "/sys/kernel/debug/renoscope/trace_pipe"),
                           ("4", "/sys/kernel/debug/renoscope/trace_pipe"),
                           ("5", "/etc/passwd")):
            self.host.link(f"/proc/77/fd/{fd}", target)
        self.host.link("/proc/78/fd/0", "/sys/kernel/debug/renoscopes/x")
        self.assertEqual(self.holders(), [
            ("process 77 (cat) reads /sys/kernel/debug/renoscope/trace_pipe",
             "end it: sudo kill 77")])

    def test_sockets_that_use_ours_are_named(self) -> None:
        self.host.answers["ss"] = (0, SS, "")
        listener, closing = self.holders()
        self.assertEqual(listener, (
            "this network namespace: LISTEN socket 10.0.0.1:5000 -> 0.0.0.0:* "
            "uses renoscope, fd 3 of process 42 (server)",
            "end that process or let it close the socket: sudo kill 42"))
        self.assertIn("FIN-WAIT-1 socket 10.0.0.1:5000 -> 10.0.0.2:40113 uses "
                      "reno_textbook", closing[0])
        self.assertIn("wait", closing[1])

    def held_by(self, *users: tuple[bytes, int]) -> tuple[str, str]:
        """What is told of a socket that processes of these names have."""
        named = ",".join(f'("{name.decode()}",pid={pid},fd=3)' for name, pid in users)
        self.host.answers["ss"] = (
            0, f"ESTAB 0 0 10.0.0.1:1 10.0.0.2:2 users:({named}) sk:2\n\t renoscope\n",
            "")
        [holder] = self.holders()
        return holder

    def test_names_that_mean_mischief(self) -> None:
        """Nothing in a name reaches the terminal, or makes another process guilty."""
        for name, told in (
                (b"a\x1b[2Jb", "a?[2Jb"), (b"a\nb", "a?b"), (b"a\x85b", "a?b"),
                (b'x",pid=1,fd=3)', 'x",pid=1,fd=3)'),
                (b'",pid=1,fd=3),(', '",pid=1,fd=3),('), (b"", "?")):
            with self.subTest(name=name):
                name = name.decode("latin-1").encode()
                self.host.put("/proc/66/comm", name + b"\n")
                what, step = self.held_by((name, 66))
                self.assertTrue(what.endswith(f"fd 3 of process 66 ({told})"), what)
                self.assertIn("kill 66", step)
        self.host.put("/proc/66/comm", b"\xff\x07\n")
        self.host.link("/proc/66/fd/3", "anon_inode:[perf_event]")
        self.host.answers = {}
        self.assertIn("process 66 (\ufffd?) has perf", self.holders()[0][0])

    def test_a_name_like_ours_is_no_use_of_ours(self) -> None:
        for name in ("a renoscope b", "reno_modern 1", " renoscope "):
            self.host.answers["ss"] = (
                0, f'ESTAB 0 0 10.0.0.1:1 10.0.0.2:2 users:(("{name}",pid=66,fd=3)) sk:2\n'
                "\t cubic\n", "")
            self.assertIn("none of sockets", self.holders()[0][0])

    def test_files_and_interfaces_that_mean_mischief(self) -> None:
        """Whoever has namespaces of his own gives them any name."""
        self.host.put("/proc/66/comm", "cat\n")
        self.host.link("/proc/66/fd/3", "/sys/kernel/debug/renoscope/a\x1b[2J\n\udcffb")
        self.host.answers["ss"] = (
            0, "LISTEN 0 0 10.0.0.1%a\x1b[2J:1 0.0.0.0:* sk:2\n\t renoscope\n", "")
        self.assertEqual([what for what, _step in self.holders()], [
            "process 66 (cat) reads /sys/kernel/debug/renoscope/a?[2J??b",
            "this network namespace: LISTEN socket 10.0.0.1%a?[2J:1 -> 0.0.0.0:* "
            "uses renoscope"])

    def test_the_first_of_many_has_it(self) -> None:
        self.assertIn("of process 8 (a)", self.held_by((b"a", 8), (b"b", 9))[0])

    def test_a_process_that_has_ended_meanwhile(self) -> None:
        """The name that ss gave it; of one without a name, a question mark."""
        self.assertIn("fd 3 of process 66 (cat)", self.held_by((b"cat", 66))[0])
        self.host.answers = {}
        self.host.link("/proc/67/fd/3", "anon_inode:[perf_event]")
        with mock.patch.object(self.host, "read_bytes", lambda _: None):
            self.assertIn("process 67 (?) has perf", self.holders()[0][0])
        with mock.patch("os.listdir", side_effect=ProcessLookupError), \
                mock.patch("os.stat", side_effect=ProcessLookupError):
            self.assertIn("none of sockets", self.holders()[0][0])

    def test_each_namespace_is_looked_into_once(self) -> None:
        """Ours, a named one, a process's own; each only once."""
        self.host.put("/run/netns/blue")
        self.host.put("/proc/5/ns/net")
        self.host.put("/proc/5/comm", "containerd\n")
        os.makedirs(self.host.path("/proc/6/ns"))
        os.link(self.host.path("/run/netns/blue"),
                self.host.path("/proc/6/ns/net"))
        os.makedirs(self.host.path("/proc/7/ns"))
        os.link(self.host.path("/proc/self/ns/net"),
                self.host.path("/proc/7/ns/net"))
        self.assertEqual([(n.name, n.path) for n in namespaces(self.host)], [
            ("this network namespace", ""),
            ("netns blue", "/run/netns/blue"),
            ("the network namespace of process 5 (containerd)", "/proc/5/ns/net")])

    def test_namespaces_whose_default_is_ours_are_named(self) -> None:
        self.host.put("/run/netns/blue")
        default = "/proc/sys/net/ipv4/tcp_congestion_control"
        self.host.answers[f"cat {default}"] = (0, "reno_modern\n", "")
        self.host.answers[f"nsenter --net=/run/netns/blue cat {default}"] = (
            0, "renoscope\n", "")
        self.assertEqual(self.holders(), [
            ("this network namespace: the default is reno_modern",
             "run: sudo sysctl -w net.ipv4.tcp_congestion_control=cubic"),
            ("netns blue: the default is renoscope",
             "run: sudo nsenter --net=/run/netns/blue sysctl -w "
             "net.ipv4.tcp_congestion_control=cubic")])

    def test_a_default_of_the_kernels_own_holds_nothing(self) -> None:
        self.host.answers["cat"] = (0, "cubic\n", "")
        self.assertIn("none of sockets", self.holders()[0][0])

    def test_ftrace_on_our_events_is_named(self) -> None:
        self.host.put("/sys/kernel/tracing/events/renoscope/enable", "X\n")
        self.assertEqual(self.holders(), [
            ("ftrace records the events of renoscope",
             "run: echo 0 | sudo tee /sys/kernel/tracing/events/renoscope/enable")])

    def test_so_is_ftrace_in_an_instance(self) -> None:
        self.host.put("/sys/kernel/tracing/events/renoscope/enable", "0\n")
        for name, state in (("a", "0\n"), ("b", "1\n")):
            self.host.put(f"/sys/kernel/tracing/instances/{name}"
                          "/events/renoscope/enable", state)
        self.assertEqual([step for _what, step in self.holders()], [
            "run: echo 0 | sudo tee "
            "/sys/kernel/tracing/instances/b/events/renoscope/enable"])

    def test_who_has_perf_events_open_is_named(self) -> None:
        self.host.put("/proc/77/comm", "bpftrace\n")
        self.host.link("/proc/77/fd/3", "anon_inode:bpf-map")
        self.host.link("/proc/77/fd/4", "anon_inode:[perf_event]")
        self.host.link("/proc/77/fd/5", "anon_inode:[perf_event]")
        self.host.link("/proc/78/fd/0", "anon_inode:bpf-prog")
        self.assertEqual(self.holders(), [
            ("process 77 (bpftrace) has perf events open, perhaps on ours",
             "if it traces renoscope, end it: sudo kill 77")])


if __name__ == "__main__":
    unittest.main()
