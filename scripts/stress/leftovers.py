# SPDX-License-Identifier: GPL-2.0
"""What the module has registered in the kernel, and whether all of it is gone.

Where the kernel lists what is registered, its lists are compared. Where it does not
(tracepoints, netfilter's hooks, namespaces), connections are made and a namespace: a
call into a module that is gone would end the guest.
"""

from __future__ import annotations

import socket
from pathlib import Path

import loopback
from hosts import run
from recorder import FOLDER, NAME

AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
KPROBES = Path("/sys/kernel/debug/kprobes/list")
HOOKS = Path("/sys/kernel/tracing/enabled_functions")     # where the kernel traces functions
HOTPLUG = Path("/sys/devices/system/cpu/hotplug/states")
OUR_EVENTS = Path("/sys/kernel/tracing/events/renoscope")


def registered() -> set[str]:
    """Every name in the lists of what modules register."""
    probes = {f"kprobe {line.split(maxsplit=1)[1]}"
              for line in KPROBES.read_text().splitlines()}
    hooks = {f"ftrace {line}" for line in (
        HOOKS.read_text().splitlines() if HOOKS.exists() else ())}
    names = {f"congestion control {name}" for name in AVAILABLE.read_text().split()}
    # The number of a state is whatever was free.
    states = {f"hotplug {line.partition(': ')[2]}" for line in HOTPLUG.read_text().splitlines()}
    modules = {f"module {line.split()[0]}"
               for line in Path("/proc/modules").read_text().splitlines()}
    folders = {str(path) for path in (FOLDER, OUR_EVENTS, Path("/sys/module", NAME))
               if path.exists()}
    return probes | hooks | names | states | modules | folders


def make_connections() -> None:
    """A connection on loopback, opened and closed, and one that is refused."""
    with (socket.create_server(("127.0.0.1", 0)) as listener,
          socket.create_connection(listener.getsockname()) as client):
        with listener.accept()[0] as server:
            client.sendall(b"renoscope")
            assert server.recv(16) == b"renoscope"
    loopback.refuse()


def make_namespace() -> None:
    """A network namespace comes and goes, and with it all that belongs to each."""
    run("ip", "netns", "add", "leftovers")
    run("ip", "netns", "del", "leftovers")


class Before:
    """The kernel without the module."""

    def __init__(self) -> None:
        self.registered = registered()

    def check(self) -> None:
        """It is as it was."""
        left = registered() ^ self.registered
        assert not left, f"left behind or gone: {sorted(left)}"
        make_connections()
