# SPDX-License-Identifier: GPL-2.0
"""Connections on loopback that go on and on, in processes of their own.

For scenarios that need traffic beside what they do, whatever it is. Each process
opens a connection, says a few words both ways, closes it, and soon begins again; it
can be kept on one CPU, where all of its events are then written.
"""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType

CODE = """
import os, socket, sys, time
if sys.argv[1:]:
    os.sched_setaffinity(0, {int(sys.argv[1])})
family, address = (socket.AF_INET6, "::1") if os.getpid() % 2 else (
    socket.AF_INET, "127.0.0.1")
listener = socket.create_server((address, 0), family=family)
print("listens", flush=True)
while True:
    client = socket.socket(family)
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    for sender, receiver in ((client, server), (server, client)) * 5:
        sender.sendall(bytes(1000))
        receiver.recv(1000, socket.MSG_WAITALL)
    for end in (client, server):
        end.close()
    time.sleep(0.02)
"""


class Chatter:
    """So many of these processes, or one kept on a CPU, for the time of a with block."""

    def __init__(self, count: int = 1, cpu: int | None = None) -> None:
        self.count = count
        self.arguments = [] if cpu is None else [str(cpu)]
        self.processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Chatter:
        for _ in range(self.count):
            process = subprocess.Popen([sys.executable, "-c", CODE, *self.arguments],
                                       text=True, stdout=subprocess.PIPE)
            self.processes.append(process)
            assert process.stdout is not None
            assert process.stdout.readline(), "no traffic"
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        alive = [process.poll() is None for process in self.processes]
        for process in self.processes:
            process.kill()
            process.communicate()
        assert kind or all(alive), "a process of the traffic ended"
