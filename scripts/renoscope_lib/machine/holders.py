# SPDX-License-Identifier: GPL-2.0
"""Who keeps the module in the kernel, and the safe way to let go.

These take a reference: each socket that uses one of our congestion controls
(listeners too), each network namespace whose default is one of them, each open
file in our debugfs folder, and each tracer on our trace events.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..words import harmless
from .host import CONGESTION_CONTROLS, DEBUGFS_DIR, MODULE, Host, write_command

DEFAULT_KEY = "net.ipv4.tcp_congestion_control"
DEFAULT_FILE = "/proc/sys/net/ipv4/tcp_congestion_control"
AVAILABLE_FILE = "/proc/sys/net/ipv4/tcp_available_congestion_control"
TRACING_DIRS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
PERF_EVENT = "anon_inode:[perf_event]"

# As ss prints it.  A name has at most 15 bytes, which may be anything, `",pid=1` too.
USERS = re.compile(r'\("(.{1,15}?|)",pid=(\d+),fd=(\d+)\)(?=,\("|\))')
SOCKET = re.compile(r"[A-Z][A-Z0-9-]* +\d+ +\d+ ")


@dataclass(frozen=True)
class Holder:
    """Something that holds the module, and how to end that."""

    what: str
    step: str


@dataclass(frozen=True)
class Namespace:
    """A network namespace and a way into it."""

    inode: int
    path: str
    name: str

    def enter(self, command: list[str]) -> list[str]:
        """The command, run inside; commands here need no entering."""
        if not self.path:
            return command
        return ["nsenter", f"--net={self.path}", *command]


def _inode(host: Host, path: str) -> int | None:
    try:
        return os.stat(host.path(path)).st_ino
    except OSError:
        return None


def _pids(host: Host) -> list[int]:
    try:
        names = os.listdir(host.path("/proc"))
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isdigit())


def _who(host: Host, pid: int, known_as: str = "") -> str:
    """`process ID (NAME)`; `known_as` is its name if it has ended meanwhile."""
    name = (host.read(f"/proc/{pid}/comm") or "").removesuffix("\n") or known_as or "?"
    return f"process {pid} ({harmless(name)})"


def namespaces(host: Host) -> list[Namespace]:
    """Ours, those with a name, and those that some process lives in."""
    found: dict[int, Namespace] = {}
    here = _inode(host, "/proc/self/ns/net")
    if here is not None:
        found[here] = Namespace(here, "", "this network namespace")
    try:
        named = sorted(os.listdir(host.path("/run/netns")))
    except OSError:
        named = []
    for name in named:
        path = f"/run/netns/{name}"
        inode = _inode(host, path)
        if inode is not None:
            found.setdefault(
                inode, Namespace(inode, path, f"netns {harmless(name)}"))
    for pid in _pids(host):
        path = f"/proc/{pid}/ns/net"
        inode = _inode(host, path)
        if inode is not None and inode not in found:
            found[inode] = Namespace(
                inode, path, f"the network namespace of {_who(host, pid)}")
    return list(found.values())


def _output(host: Host, command: list[str]) -> str:
    result = host.run(command)
    return result.stdout if result is not None and result.returncode == 0 else ""


def _replacement(host: Host) -> str:
    """A congestion control of the kernel's own."""
    available = (host.read(AVAILABLE_FILE) or "").split()
    return "cubic" if "cubic" in available else "reno"


def default_holder(host: Host, namespace: Namespace) -> Holder | None:
    """The namespace, if new sockets in it get one of ours."""
    name = _output(host, namespace.enter(["cat", DEFAULT_FILE])).strip()
    if name not in CONGESTION_CONTROLS:
        return None
    command = namespace.enter(
        ["sysctl", "-w", f"{DEFAULT_KEY}={_replacement(host)}"])
    return Holder(f"{namespace.name}: the default is {name}",
                  f"run: sudo {' '.join(command)}")


def _sockets(text: str) -> Iterator[str]:
    """One string per socket; a name of a process in it may have line ends."""
    current = ""
    for line in text.splitlines():
        if current and not SOCKET.match(line):
            current += line
            continue
        if current:
            yield current
        current = line
    if current:
        yield current


def _socket_holder(host: Host, namespace: Namespace, line: str) -> Holder | None:
    users = USERS.findall(line)
    words = USERS.sub("", line).split()
    name = next((w for w in words if w in CONGESTION_CONTROLS), None)
    if name is None or len(words) < 5:
        return None
    # In an address may be the name of an interface, which is anything but blanks.
    what = (f"{namespace.name}: {words[0]} socket {harmless(words[3])} -> "
            f"{harmless(words[4])} uses {name}")
    if not users:
        return Holder(what, "no process has it: wait, it closes by itself")
    process, pid, fd = users[0]
    return Holder(f"{what}, fd {fd} of {_who(host, int(pid), process)}",
                  f"end that process or let it close the socket: sudo kill {pid}")


def socket_holders(host: Host, namespace: Namespace) -> list[Holder]:
    """The namespace's sockets that use one of ours."""
    text = _output(host, namespace.enter(["ss", "-taipnH"]))
    found = (_socket_holder(host, namespace, line) for line in _sockets(text))
    return [holder for holder in found if holder is not None]


def _open_files(host: Host, pid: int) -> Iterator[str]:
    folder = host.path(f"/proc/{pid}/fd")
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(folder / name)
        except OSError:
            continue


def _processes(host: Host) -> Iterator[tuple[int, str, set[str]]]:
    """Each one's id, `process ID (NAME)`, and the files it has open."""
    for pid in _pids(host):
        yield pid, _who(host, pid), set(_open_files(host, pid))


def file_holders(host: Host) -> list[Holder]:
    """Processes that have our debugfs files open."""
    mount = host.debugfs_mount()
    if mount is None:
        return []
    prefix = f"{mount}/{DEBUGFS_DIR}/"
    holders = []
    for pid, who, files in _processes(host):
        ours = sorted(f for f in files if f.startswith(prefix))
        if ours:
            # In a mount namespace of its own anything may lie there.
            holders.append(Holder(f"{who} reads {harmless(', '.join(ours))}",
                                  f"end it: sudo kill {pid}"))
    return holders


def _ftrace_switches(host: Host) -> list[str]:
    """What switches our events on: the main buffer's, and each instance's."""
    for folder in TRACING_DIRS:
        if not os.path.isdir(host.path(f"{folder}/events")):
            continue
        try:
            instances = sorted(os.listdir(host.path(f"{folder}/instances")))
        except OSError:
            instances = []
        return [f"{buffer}/events/renoscope/enable" for buffer in (
            folder, *(f"{folder}/instances/{name}" for name in instances))]
    return []


def ftrace_holders(host: Host) -> list[Holder]:
    """Buffers of ftrace in which events of ours are switched on."""
    return [Holder("ftrace records the events of renoscope",
                   f"run: {write_command('0', switch)}")
            for switch in _ftrace_switches(host)
            if (host.read(switch) or "0").strip() != "0"]


def perf_holders(host: Host) -> list[Holder]:
    """Processes with perf events open: perf, bpftrace. Of which, nobody says."""
    return [Holder(f"{who} has perf events open, perhaps on ours",
                   f"if it traces renoscope, end it: sudo kill {pid}")
            for pid, who, files in _processes(host) if PERF_EVENT in files]


def find_holders(host: Host) -> list[Holder]:
    """Everything that was found, and a word on what was not."""
    holders = file_holders(host) + ftrace_holders(host) + perf_holders(host)
    for namespace in namespaces(host):
        default = default_holder(host, namespace)
        if default is not None:
            holders.append(default)
        holders += socket_holders(host, namespace)
    if not holders:
        count = (host.read(f"/sys/module/{MODULE}/refcnt") or "?").strip()
        holders.append(Holder(
            f"its count of references is {count}, but none of sockets, namespaces or files "
            "was found",
            "look for sockets that were never bound, and for BPF programs on "
            "its raw tracepoints (sudo bpftool link); then try again"))
    return holders
