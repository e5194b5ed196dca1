# SPDX-License-Identifier: GPL-2.0
"""The congestion control as people choose it."""

from __future__ import annotations

import os
import socket

from hosts import CLIENT, SERVER, TwoHosts, run
from ktap_output import Skip
from recorder import Recorder

NAME = b"renoscope"
NOBODY = 65534

# What a process without privileges does: connect and choose.
CHOOSE = """
import socket
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"renoscope")
print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16))
"""


def test_sysctl_and_ss() -> None:
    """Chosen by sysctl, new connections use it and ss -ti says so"""
    with Recorder(), TwoHosts() as hosts:
        allowed = run("sysctl", "-n", "net.ipv4.tcp_allowed_congestion_control")
        assert "renoscope" in allowed.split(), allowed
        for host in (CLIENT, SERVER):
            hosts.sysctl(host, "net.ipv4.tcp_congestion_control=renoscope")
        server = hosts.start(SERVER, "python3", "-c", _ONE_CONNECTION_SERVER)
        assert server.stdout is not None and server.stdout.readline()
        client = hosts.start(CLIENT, "python3", "-c", _CLIENT)
        assert client.stdout is not None and client.stdout.readline()
        for host in (CLIENT, SERVER):
            shown = hosts.run(host, "ss", "-tinH", "state", "established")
            assert "renoscope" in shown, shown
        client.communicate("\n")
        server.communicate()


_ONE_CONNECTION_SERVER = """
import socket
listener = socket.create_server(("10.77.0.2", 5000))
print("listening", flush=True)
connection, peer = listener.accept()
connection.recv(1)
"""

_CLIENT = """
import socket, sys
s = socket.create_connection(("10.77.0.2", 5000))
print("connected", flush=True)
sys.stdin.readline()
s.close()
"""


def test_setsockopt() -> None:
    """setsockopt(TCP_CONGESTION) chooses it for one socket"""
    with Recorder(), socket.socket() as one, socket.socket() as other:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, NAME)
        chosen = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
        assert chosen.rstrip(b"\0") == NAME, chosen
        rest = other.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
        assert rest.rstrip(b"\0") != NAME, rest


def test_ordinary_user_in_child_namespace() -> None:
    """An ordinary user may choose it, in a network namespace of a child too"""
    with Recorder(), TwoHosts() as hosts:
        shown = hosts.run(CLIENT, "setpriv", f"--reuid={NOBODY}",
                          f"--regid={NOBODY}", "--clear-groups",
                          "python3", "-c", CHOOSE)
        assert "renoscope" in shown, shown


def test_user_namespace_sysctl() -> None:
    """An ordinary user's own network namespace may make it its default"""
    switch = "/proc/sys/kernel/unprivileged_userns_clone"
    if os.path.exists(switch) and open(switch).read().strip() != "1":
        raise Skip("user namespaces are switched off (kernel.unprivileged_userns_clone)")
    with Recorder():
        shown = run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                    "--clear-groups", "unshare", "--user", "--map-root-user",
                    "--net", "sh", "-c",
                    "echo renoscope > /proc/sys/net/ipv4/tcp_congestion_control"
                    " && cat /proc/sys/net/ipv4/tcp_congestion_control")
        assert shown.strip() == "renoscope", shown
