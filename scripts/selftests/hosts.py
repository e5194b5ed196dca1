# SPDX-License-Identifier: GPL-2.0
"""Two hosts joined by a wire, each in a network namespace of its own.

      namespace client                    namespace server
    +-------------------+               +-------------------+
    | 10.77.0.1/24      |     veth      |      10.77.0.2/24 |
    | fd77::1/64   wire +---------------+ wire   fd77::2/64 |
    +-------------------+  delay each   +-------------------+
                           way: netem

Everything is undone on leaving, whatever happened inside.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from types import TracebackType

CLIENT = "client"
SERVER = "server"
VRF = "red"
CLOSING_S = 20
ADDRESSES = {CLIENT: ("10.77.0.1", "fd77::1"), SERVER: ("10.77.0.2", "fd77::2")}


def run(*command: str, check: bool = True) -> str:
    """Run a command and return what it printed; its failure is ours."""
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: "
                           f"{done.stdout.strip()}")
    return done.stdout


class TwoHosts:
    """The topology above, as a context manager."""

    def __init__(self, delay_ms: int = 0) -> None:
        self.delay_ms = delay_ms

    def __enter__(self) -> TwoHosts:
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._remove()

    def _build(self) -> None:
        for host in (CLIENT, SERVER):
            run("ip", "netns", "add", host)
        run("ip", "link", "add", "wire", "netns", CLIENT, "type", "veth",
            "peer", "name", "wire", "netns", SERVER)
        for host in (CLIENT, SERVER):
            self._configure(host)

    def _configure(self, host: str) -> None:
        ipv4, ipv6 = ADDRESSES[host]
        run("ip", "-n", host, "addr", "add", f"{ipv4}/24", "dev", "wire")
        run("ip", "-n", host, "addr", "add", f"{ipv6}/64", "dev", "wire", "nodad")
        for link in ("lo", "wire"):
            run("ip", "-n", host, "link", "set", link, "up")
        if self.delay_ms:
            self.netem(host, f"delay {self.delay_ms}ms limit 10000")

    def _remove(self) -> None:
        """Let connections end first: an orphan whose peer is gone would hold
        its namespace, and its congestion control, for minutes."""
        hosts = [host for host in (CLIENT, SERVER)
                 if os.path.exists(f"/run/netns/{host}")]
        for host in hosts:
            self.run(host, "nft", "flush", "ruleset")
            for pid in run("ip", "netns", "pids", host).split():
                run("kill", "-KILL", pid, check=False)
        deadline = time.monotonic() + CLOSING_S
        while any(map(self.is_busy, hosts)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for host in hosts:
            run("ip", "netns", "del", host)

    def is_busy(self, host: str) -> bool:
        """Whether a host still has a TCP socket, TIME-WAIT not counted."""
        lines = self.run(host, "ss", "-tanH").splitlines()
        return any(not line.startswith("TIME-WAIT") for line in lines)

    @staticmethod
    def inode(host: str) -> int:
        """The namespace's inode, which records carry as netns."""
        return os.stat(f"/run/netns/{host}").st_ino

    @staticmethod
    def command(host: str, *command: str) -> list[str]:
        """The command line that runs a command on a host."""
        return ["ip", "netns", "exec", host, *command]

    def run(self, host: str, *command: str) -> str:
        """Run a command on a host and return what it printed."""
        return run(*self.command(host, *command))

    def start(self, host: str, *command: str) -> subprocess.Popen[str]:
        """Start a command on a host, with pipes to its input and output."""
        return subprocess.Popen(self.command(host, *command), text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def start_ready(self, host: str, *command: str) -> subprocess.Popen[str]:
        """The same of a command that says a line when it is ready; that line is read."""
        process = self.start(host, *command)
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"{' '.join(command)}: it ended with {process.wait()} "
                               "before it was ready")
        return process

    def sysctl(self, host: str, setting: str) -> None:
        """Set name=value on a host."""
        self.run(host, "sysctl", "-qw", setting)

    @staticmethod
    def netem(host: str, words: str) -> None:
        """What the host sends goes through this netem from now on."""
        run("tc", "-n", host, "qdisc", "replace", "dev", "wire", "root", "netem",
            *words.split())

    @staticmethod
    def most_segments_a_packet(most: int) -> None:
        """How many segments travel as one; with one, a fault does not hit a whole batch.

        TCP makes super-segments even for a device without TSO and GSO, and has them
        cut before the driver, below our hooks: only gso_max_segs ends that.
        """
        for host in (CLIENT, SERVER):
            run("ip", "-n", host, "link", "set", "wire", "gso_max_segs", str(most))

    def set_offloads(self, on: bool) -> None:
        """Switch segmentation and reassembly by the device on or off."""
        state = "on" if on else "off"
        for host in (CLIENT, SERVER):
            self.run(host, "ethtool", "-K", "wire", "tso", state, "gso", state,
                     "gro", state)
        if not on:
            self.most_segments_a_packet(1)

    def on_arrival(self, host: str, rule: str) -> None:
        """An nft rule for what arrives on the host's wire."""
        self.run(host, "nft", "add table inet fault; "
                 "add chain inet fault in { type filter hook prerouting priority -300; }; "
                 f"add rule inet fault in iifname wire {rule}")

    def drop(self, host: str, rule: str) -> None:
        """Drop what arrives on the host's wire and matches an nft rule."""
        self.on_arrival(host, f"{rule} counter drop")

    def stop_dropping(self, host: str) -> None:
        """Take back every drop() and on_arrival() on a host."""
        self.run(host, "nft", "delete table inet fault")

    def wall(self, host: str, rule: str) -> None:
        """The host's own firewall drops what its TCP was to get and matches an nft rule."""
        self.run(host, "nft", "add table inet wall; add chain inet wall in "
                 "{ type filter hook input priority 0; }; "
                 f"add rule inet wall in {rule} counter drop")

    def walled(self, host: str) -> int:
        """How many segments that was."""
        found = re.search(r"counter packets (\d+)", self.run(
            host, "nft", "list", "table", "inet", "wall"))
        assert found, "there is no wall"
        return int(found[1])

    def put_into_vrf(self, host: str, qdisc: str = "") -> None:
        """The host's wire belongs to the VRF `red`; listeners need not know of it.

        With a queueing discipline of its own the VRF's device sends what goes out;
        without one it only looks on.
        """
        run("ip", "-n", host, "link", "add", VRF, "type", "vrf", "table", "10")
        run("ip", "-n", host, "link", "set", VRF, "up")
        run("ip", "-n", host, "link", "set", "wire", "master", VRF)
        run("ip", "-n", host, "addr", "replace", f"{ADDRESSES[host][1]}/64",
            "dev", "wire", "nodad")     # taken from a device that changes its master
        if qdisc:
            run("tc", "-n", host, "qdisc", "replace", "dev", VRF, "root", qdisc)
        for setting in ("ipv4.tcp_l3mdev_accept", "ipv4.ip_nonlocal_bind",
                        "ipv6.ip_nonlocal_bind"):
            self.sysctl(host, f"net.{setting}=1")

    def route_to_nobody(self, network: str) -> None:
        """The server takes a network to be behind the client, which has no way to it."""
        self.run(SERVER, "ip", "route", "replace", network, "via",
                 ADDRESSES[CLIENT][":" in network])
        # Or the client would tell, by ICMP, that nobody is there.
        self.run(CLIENT, "ip", "route", "replace", "blackhole", network)
