# SPDX-License-Identifier: GPL-2.0
"""Connections with loss, one after the other, for as long as they are wanted.

Every fourth one asks for the congestion control `renoscope` and goes without where
the module is not loaded. Each lasts for a moment, so the module is held by a
connection often, and never for long.
"""

from __future__ import annotations

import subprocess
from types import TracebackType

from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts

# Of the segments with data that arrive.
EVERY_FIFTIETH = "tcp dport 5000 meta length > 1000 numgen inc mod 50 == 49"
BYTES = 200_000

_SERVER = """
import socket, sys
with socket.create_server((sys.argv[1], 5000)) as listener:
    print("listens", flush=True)
    while True:
        connection, _peer = listener.accept()
        try:
            while connection.recv(1 << 16):
                pass
        except ConnectionError:
            pass
        connection.close()
"""

_CLIENT = """
import contextlib, pathlib, select, socket, sys
available = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
done = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    with socket.socket() as connection:
        # To ask for it where it is not there would start modprobe.
        if done % 4 == 3 and "renoscope" in available.read_text():
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"renoscope")
        connection.connect((sys.argv[1], 5000))
        connection.sendall(bytes(int(sys.argv[2])))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    done += 1
print(done, flush=True)
"""


class SteadyTraffic:
    """The connections, for the time of a with block; then how many there were."""

    def __init__(self, hosts: TwoHosts) -> None:
        self.hosts = hosts
        self.connections = 0

    def __enter__(self) -> SteadyTraffic:
        self.hosts.most_segments_a_packet(1)
        self.hosts.drop(SERVER, EVERY_FIFTIETH)
        address = ADDRESSES[SERVER][0]
        self.server = self.hosts.start_ready(SERVER, "python3", "-c", _SERVER, address)
        self.client = self.hosts.start(CLIENT, "python3", "-c", _CLIENT, address, str(BYTES))
        return self

    def is_alive(self) -> bool:
        """Whether both sides still run."""
        return self.client.poll() is None and self.server.poll() is None

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            said, _ = self.client.communicate("\n", timeout=120)
            if self.client.returncode:
                raise RuntimeError(f"the client ended with {self.client.returncode}")
            self.connections = int(said)
        except subprocess.TimeoutExpired:
            self.client.kill()
            self.client.communicate()
            raise
        finally:
            self.server.kill()
            self.server.communicate()
