# SPDX-License-Identifier: GPL-2.0
"""A witness: tcpdump captures on a host's wire, tshark says what it saw."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from ktap_output import Skip
from recorder import wait_until

# Nothing listens there; the RST that answers marks the end of what to compare.
MARKER_PORT = 9
SNAP_BYTES = 160      # IPv6, the longest TCP header, and more
BUFFER_KIB = 16384

FIELDS = (
    "ip.src", "ipv6.src", "tcp.srcport", "tcp.dstport", "tcp.seq", "tcp.ack",
    "tcp.flags", "tcp.len", "tcp.window_size_value", "tcp.hdr_len",
    "tcp.urgent_pointer", "tcp.options.mss_val", "tcp.options.wscale.shift",
    "tcp.options.sack_le", "tcp.options.sack_re",
    "tcp.options.timestamp.tsval", "tcp.options.timestamp.tsecr",
)

# Numbers as they are on the wire, and no more analysis than that takes.
PREFERENCES = ("tcp.relative_sequence_numbers:false",
               "tcp.analyze_sequence_numbers:false",
               "tcp.desegment_tcp_streams:false",
               "tcp.try_heuristic_first:false")
# Relative ones take some.
RELATIVE = ("tcp.relative_sequence_numbers:true", "tcp.analyze_sequence_numbers:true",
            *PREFERENCES[2:])


def need_witness() -> None:
    """Skip the test where the programs are not installed."""
    for program in ("tcpdump", "tshark", "ethtool"):
        if not shutil.which(program):
            raise Skip(f"no {program} here: scripts/install-deps test")


class Capture:
    """tcpdump on the wire of one host, for the time of a with block."""

    def __init__(self, hosts: TwoHosts, host: str) -> None:
        self.hosts = hosts
        self.host = host
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "wire.pcap"
        self.process: subprocess.Popen[str]

    def __enter__(self) -> Capture:
        self.process = subprocess.Popen(
            self.hosts.command(self.host, "tcpdump", "-i", "wire", "-n", "-U",
                               "--immediate-mode", "-B", str(BUFFER_KIB),
                               "-s", str(SNAP_BYTES), "-Z", "root",
                               "-w", str(self.file), "tcp"),
            stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if "listening on" in line:
                return self
        raise RuntimeError(f"tcpdump does not start: exit {self.process.wait()}")

    def __exit__(self, kind: type[BaseException] | None,
                 value: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def end(self) -> None:
        """Wait until all that passed is in the file, and stop."""
        self._send_marker()
        wait_until("the marker to be captured", self._has_marker)
        self.process.send_signal(signal.SIGINT)
        _out, told = self.process.communicate(timeout=60)
        dropped = re.findall(r"(\d+) packets? dropped by kernel", told)
        if dropped != ["0"]:
            raise RuntimeError(f"tcpdump is no witness, it lost packets: {told}")

    def _send_marker(self) -> None:
        """A SYN to a port where nobody listens, in IPv4; a RST comes back."""
        other = SERVER if self.host == CLIENT else CLIENT
        self.hosts.run(self.host, "bash", "-c",
                       f"! (: </dev/tcp/{ADDRESSES[other][0]}/{MARKER_PORT})")

    def _has_marker(self) -> bool:
        """Whether the file's end has a segment from the marker's port.

        The file is written packet by packet, and the RST is the last of all.
        """
        data = self.file.read_bytes()
        segment = b"\x06"      # the protocol; then checksum and addresses
        here, there = (socket.inet_aton(ADDRESSES[host][0]) for host in (
            self.host, SERVER if self.host == CLIENT else CLIENT))
        ends = there + here + struct.pack("!H", MARKER_PORT)
        found = data.rfind(ends)
        return found > 3 and data[found - 3:found - 2] == segment

    def rows(self, fields: tuple[str, ...] = FIELDS,
             preferences: tuple[str, ...] = PREFERENCES) -> list[dict[str, str]]:
        """What tshark makes of it."""
        return rows_of(self.file, fields, preferences)


def tshark(file: Path, *arguments: str) -> list[str]:
    """The lines that tshark prints of a file."""
    done = subprocess.run(["tshark", "-n", "-r", str(file), *arguments], text=True,
                          capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"tshark: exit {done.returncode}: {done.stderr}")
    return done.stdout.splitlines()


def rows_of(file: Path, fields: tuple[str, ...] = FIELDS,
            preferences: tuple[str, ...] = PREFERENCES) -> list[dict[str, str]]:
    """What tshark makes of a file: one dictionary of fields a segment."""
    words = ["-T", "fields", "-E", "separator=/t", "-E", "aggregator=,",
             "-Y", f"tcp and not tcp.port == {MARKER_PORT}"]
    words += [word for preference in preferences for word in ("-o", preference)]
    words += [word for field in fields for word in ("-e", field)]
    return [dict(zip(fields, line.split("	"))) for line in tshark(file, *words)]
