# SPDX-License-Identifier: GPL-2.0
"""Being on a host of hosts.py: sockets and settings there, of this process.

A socket belongs for good to the network namespace in which it was made.  So one
process can hold both ends of a connection, and do to each what a test needs in
the order that it needs, with no second program to talk to.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNET = 0x40000000
SO_COOKIE = 57
_LIBC = ctypes.CDLL(None, use_errno=True)


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


@contextlib.contextmanager
def inside(host: str) -> Iterator[None]:
    """This thread is on a host for the time of a with block."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        theirs = os.open(f"/run/netns/{host}", os.O_RDONLY)
        try:
            _enter(theirs)
        finally:
            os.close(theirs)
        try:
            yield
        finally:
            _enter(own)
    finally:
        os.close(own)


def sysctl(host: str, name: str, value: int | str) -> None:
    """Set net.ipv4.NAME on a host."""
    with inside(host):
        Path("/proc/sys/net/ipv4", name).write_text(f"{value}\n")


def abort_on_close(sock: socket.socket) -> None:
    """Let close() send a RST, and keep nothing."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def abort(sock: socket.socket) -> None:
    """Close with a RST."""
    abort_on_close(sock)
    sock.close()


def cookie_of(sock: socket.socket) -> int:
    """The connection's id, as the kernel tells the process itself."""
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8),
                          "little")
