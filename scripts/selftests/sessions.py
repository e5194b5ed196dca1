# SPDX-License-Identifier: GPL-2.0
"""Real sessions of the sample program between the two hosts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from hosts import ADDRESSES, CLIENT, SERVER, TwoHosts
from recorder import Recorder, wait_until

PROGRAM = str(Path(__file__).resolve().parent / "sample_program.py")
PORT = 5000


def address_of_server(ipv6: bool) -> str:
    """The server's address of one family."""
    return ADDRESSES[SERVER][1 if ipv6 else 0]


def start_server(hosts: TwoHosts, ipv6: bool = False) -> subprocess.Popen[str]:
    """Start the server and wait until it listens."""
    server = hosts.start(SERVER, "python3", PROGRAM, "server",
                         address_of_server(ipv6))
    assert server.stdout is not None
    first = server.stdout.readline()
    if "listens" not in first:
        raise RuntimeError(f"the server does not listen: {first}")
    server.first_line = first  # type: ignore[attr-defined]
    return server


def start_client(hosts: TwoHosts, *arguments: str,
                 ipv6: bool = False) -> subprocess.Popen[str]:
    """Start the client."""
    return hosts.start(CLIENT, "python3", PROGRAM, "client",
                       address_of_server(ipv6), *arguments)


def finish(process: subprocess.Popen[str], word: str = "") -> list[dict[str, Any]]:
    """Let a side come to its end; its transcript."""
    text, _ = process.communicate(word, timeout=120)
    if process.returncode:
        raise RuntimeError(f"the sample program ended with {process.returncode}")
    text = getattr(process, "first_line", "") + text
    return [json.loads(line) for line in text.splitlines()]


def await_end(it: Recorder) -> None:
    """Wait until both ends of the only session are gone, but for TIME-WAIT."""
    wait_until("both ends to close", lambda: sum(
        1 for event in it.events("destroy") if event["snd_isn"]) == 2)


def greet(hosts: TwoHosts, name: str = "Ann",
          ipv6: bool = False) -> list[dict[str, Any]]:
    """One whole session; what both sides did, in order of time."""
    server = start_server(hosts, ipv6)
    client = start_client(hosts, "--name", name, ipv6=ipv6)
    lines = finish(client) + finish(server)
    return sorted(lines, key=lambda line: line["time_ns"])
