# SPDX-License-Identifier: GPL-2.0
"""Everything that can hold the module: unload is refused and names it, and works after.

What trace events and bpftrace alone do to it is in the selftests; here is the rest,
and all at once.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import loopback
import recorder
from bpftrace import Bpftrace
from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from programs import need
from recorder import FOLDER, Recorder, renoscope, wait_until

# Patterns of what `unload` says; they may stand in any order.
Said = tuple[str, ...]

DEFAULT = "/proc/sys/net/ipv4/tcp_congestion_control"

_SOCKET = """
import socket, sys
with socket.socket() as held:
    held.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, sys.argv[1].encode())
    if sys.argv[2] == "listens":
        held.bind((sys.argv[3], 5000))
        held.listen()
    else:
        held.connect((sys.argv[3], 5000))
    print("holds", flush=True)
    sys.stdin.readline()
"""

# Told to close, it closes what it accepted at once, and else when it ends.
_ACCEPTS = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as listener:
    print("listens", flush=True)
    connection, _peer = listener.accept()
    if "closes" in sys.argv:
        connection.close()
    sys.stdin.readline()
"""

# What it does with its connection before it ends, and nobody has it any more.
_ORPHAN = """
import socket, sys
with socket.socket() as held:
    held.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno_modern")
    held.connect((sys.argv[1], int(sys.argv[2])))
    if sys.argv[3] == "LAST-ACK":
        held.recv(1)
    print("connected", flush=True)
    sys.stdin.readline()
    if sys.argv[3] == "FIN-WAIT-1":
        held.sendall(bytes(50000))
"""

_SETS_DEFAULT = f"""
import sys
open({DEFAULT!r}, "w").write("reno_modern")
print("set", flush=True)
sys.stdin.readline()
open({DEFAULT!r}, "w").write("reno")
"""

_OPENS = """
import os, sys
held = [os.open(path, os.O_RDONLY) for path in sys.argv[1:]]
print("opened", flush=True)
sys.stdin.readline()
"""

# One thread is in read(), one in poll(): whatever comes, each asks for the next.
_BLOCKS = """
import os, select, sys, threading
def wait_with(wait, path):
    fd = os.open(path, os.O_RDONLY)
    while True:
        os.lseek(fd, 0, os.SEEK_END)
        wait(fd)
def poll(fd):
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll()
for wait, path in ((lambda fd: os.read(fd, 4096), sys.argv[1]), (poll, sys.argv[2])):
    threading.Thread(target=wait_with, args=(wait, path), daemon=True).start()
print("waits", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def _program(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A program that has said that it is ready, and goes on until the block ends."""
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline(), f"it said nothing: {command}"
            yield process
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate("\n", timeout=60)
            process.kill()


@contextlib.contextmanager
def _on(hosts: TwoHosts, host: str, code: str, *arguments: str) -> Iterator[int]:
    """A Python program on a host; its process's id (ip netns exec becomes it)."""
    with _program(*hosts.command(host, sys.executable, "-c", code, *arguments)) as process:
        yield process.pid


@contextlib.contextmanager
def _socket(hosts: TwoHosts) -> Iterator[Said]:
    """A connection of ours and a listener, each of a process on the client."""
    server, client = ADDRESSES[SERVER][0], ADDRESSES[CLIENT][0]
    with (_on(hosts, SERVER, _ACCEPTS, server, "5000"),
          _on(hosts, CLIENT, _SOCKET, "reno_textbook", "connects", server) as connected,
          _on(hosts, CLIENT, _SOCKET, "renoscope", "listens", client) as listening):
        yield (rf"netns client: ESTAB socket {client}:\d+ -> {server}:5000 uses reno_textbook, "
               rf"fd \d+ of process {connected} \(python3\)\n.*sudo kill {connected}\n",
               rf"netns client: LISTEN socket {client}:5000 -> \S+ uses renoscope, "
               rf"fd \d+ of process {listening} \(python3\)\n.*sudo kill {listening}\n")


# Data that nobody acknowledges; a FIN that nobody does, sent after the peer's; a FIN
# that is acknowledged, where the peer does not close.
ORPHANS = {"FIN-WAIT-1": 5002, "LAST-ACK": 5003, "FIN-WAIT-2": 5004}


def _states(hosts: TwoHosts, port: int) -> list[str]:
    return [line.split()[0] for line in
            hosts.run(CLIENT, "ss", "-tanH", "dport", "=", f":{port}").splitlines()]


@contextlib.contextmanager
def _orphan_in(hosts: TwoHosts, state: str) -> Iterator[str]:
    """A connection that its process has left, in that state; what is said of it."""
    server, port = ADDRESSES[SERVER][0], ORPHANS[state]
    closes = ["closes"] if state == "LAST-ACK" else []
    with _on(hosts, SERVER, _ACCEPTS, server, str(port), *closes):
        with _on(hosts, CLIENT, _ORPHAN, server, str(port), state):
            if state != "FIN-WAIT-2":
                hosts.drop(SERVER, f"tcp dport {port}")
        try:
            wait_until(f"an orphan in {state}", lambda: _states(hosts, port) == [state])
            yield (rf"netns client: {state} socket \S+ -> {server}:{port} uses reno_modern\n"
                   r".*no process has it")
        finally:
            # Left alone it would go when its timer fires again, and that backs off.
            hosts.run(CLIENT, "ss", "-K", "dport", "=", f":{port}")


@contextlib.contextmanager
def _orphan(hosts: TwoHosts) -> Iterator[Said]:
    """Connections that their processes have left, in each state in which they keep ours."""
    hosts.sysctl(CLIENT, "net.ipv4.tcp_orphan_retries=100")
    # Up to a minute it would become a TIME-WAIT, which has no congestion control.
    hosts.sysctl(CLIENT, "net.ipv4.tcp_fin_timeout=600")
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(_orphan_in(hosts, state)) for state in ORPHANS)
    hosts.stop_dropping(SERVER)


@contextlib.contextmanager
def _default(hosts: TwoHosts) -> Iterator[Said]:
    """The default of a namespace with a name, and of one that only a process has."""
    with (_on(hosts, SERVER, _SETS_DEFAULT),
          _program("unshare", "--net", sys.executable, "-c", _SETS_DEFAULT) as nameless):
        yield (r"netns server: the default is reno_modern\n"
               r".*nsenter --net=/run/netns/server sysctl -w \S+=(cubic|reno)\n",
               rf"the network namespace of process {nameless.pid} \(.*\): "
               r"the default is reno_modern\n"
               rf".*nsenter --net=/proc/{nameless.pid}/ns/net sysctl")


@contextlib.contextmanager
def _open_files(_hosts: TwoHosts) -> Iterator[Said]:
    """Every file, open in one process."""
    files = list(map(str, recorder.files()))
    with _program(sys.executable, "-c", _OPENS, *files) as process:
        yield (rf"process {process.pid} \(python3\) reads {re.escape(', '.join(files))}\n"
               rf".*sudo kill {process.pid}\n",)


def _is_blocked(pid: int) -> bool:
    """Whether threads of it sleep in the kernel: in our read(), and in poll()."""
    places = " ".join(Path(task, "wchan").read_text()
                      for task in Path(f"/proc/{pid}/task").iterdir())
    return "ring_reader_wait" in places and "poll" in places


@contextlib.contextmanager
def _blocked(_hosts: TwoHosts) -> Iterator[Said]:
    """One thread blocked in read(), another in poll()."""
    paths = [str(FOLDER / name) for name in ("trace_pipe", "trace_raw")]
    with _program(sys.executable, "-c", _BLOCKS, *paths) as process:
        wait_until("both to be blocked", lambda: _is_blocked(process.pid))
        yield (rf"process {process.pid} \(python3\) reads {re.escape(', '.join(paths))}\n",)


@contextlib.contextmanager
def _bpftrace(_hosts: TwoHosts) -> Iterator[Said]:
    """bpftrace on two of our trace events."""
    need("bpftrace")
    program = Path("/tmp/holds.bt")
    program.write_text("tracepoint:renoscope:ack { @acks = count(); }\n"
                       "tracepoint:renoscope:state { @states = count(); }\n")
    with Bpftrace(program) as it:
        yield (rf"process {it.process.pid} \(bpftrace\) has perf events open",)


# Each holds the module for the time of a with block, and gives what `unload` must
# say of it.
HOLDERS = (_socket, _orphan, _default, _open_files, _blocked, _bpftrace)


def _check_refused(said: Said) -> None:
    """Neither rmmod nor `unload` has its way, and `unload` says why."""
    assert "in use" in recorder.run_rmmod(), said
    done = renoscope("unload")
    assert done.returncode == 1 and not done.stderr, done
    for pattern in said:
        assert re.search(pattern, done.stdout), f"{pattern}\nnot in\n{done.stdout}"


def _names_any(said: Said) -> bool:
    """Whether `unload` still tells of one of them."""
    told = renoscope("unload").stdout
    return any(re.search(pattern, told) for pattern in said)


def _check_works(it: Recorder) -> None:
    """It records and can be read, whatever was refused."""
    before = len(it.events("reset_sent"))
    loopback.refuse()
    assert len(it.events("reset_sent")) == before + 1


def _check_lets_go() -> None:
    """`unload` works as soon as nobody holds the module any more."""
    wait_until("the module to be free", lambda: renoscope("unload").returncode == 0)
    assert not recorder.is_loaded() and not FOLDER.exists()


def test_each_holder_alone() -> None:
    """Socket, orphan, default, open file, blocked reader, bpftrace: refused, named, free"""
    for holder in HOLDERS:
        with Recorder() as it, TwoHosts() as hosts:
            try:
                with holder(hosts) as said:
                    _check_refused(said)
                    _check_works(it)
                    _check_refused(said)
                _check_lets_go()
            except AssertionError as error:
                raise AssertionError(f"{holder.__name__}: {error}") from error


def test_all_holders_at_once() -> None:
    """All of them together are all named; each that goes is named no more"""
    with Recorder() as it, TwoHosts() as hosts:
        with contextlib.ExitStack() as stack:
            held: list[tuple[contextlib.ExitStack, Said]] = []
            for holder in HOLDERS:
                mine = stack.enter_context(contextlib.ExitStack())
                held.append((mine, mine.enter_context(holder(hosts))))
            while held:
                _check_refused(tuple(pattern for _, said in held for pattern in said))
                _check_works(it)
                gone, was_said = held.pop()
                gone.close()
                # An orphan goes when the kernel has let it go.
                wait_until("the holder to be gone",
                           lambda said=was_said: not _names_any(said))
        _check_lets_go()
