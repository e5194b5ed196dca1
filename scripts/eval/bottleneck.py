# SPDX-License-Identifier: GPL-2.0
"""A bottleneck between two hosts, in network namespaces of its own.

    sender --- veth --- router --- veth --- receiver
                             \\ rate, queue: tbf over a plain queue or fq_codel
    half of the delay on each side of the router, in netem, away from the queue

What is lost on the way is chosen by count (nft numgen), so each run loses the same.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
from types import TracebackType

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "selftests"))

from hosts import run  # noqa: E402  (found through the line above)
from scenarios import PACKET, Path  # noqa: E402

SENDER, ROUTER, RECEIVER = "sender", "router", "receiver"
SENDER_ADDRESS, RECEIVER_ADDRESS = "10.78.1.1", "10.78.2.1"
_HOSTS = (SENDER, ROUTER, RECEIVER)
# Offloads off: a queue that counts super-segments is no bottleneck queue.
_OFFLOADS = ("tso", "gso", "gro")


def loss_rules(every: int) -> str:
    """For nft: what has data and goes to the receiver is lost once in so many."""
    return ("table inet loss { chain forward { type filter hook forward priority 0; "
            f"oifname \"right\" meta length > 1000 numgen inc mod {every} {every - 1} "
            "drop; }; }")


class Bottleneck:
    """The path above, as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Bottleneck:
        for host in _HOSTS:
            run("ip", "netns", "add", host)
        self._join(SENDER, f"{SENDER_ADDRESS}/24", "left", "10.78.1.2/24")
        self._join(RECEIVER, f"{RECEIVER_ADDRESS}/24", "right", "10.78.2.2/24")
        run("ip", "-n", SENDER, "route", "add", "default", "via", "10.78.1.2")
        run("ip", "-n", RECEIVER, "route", "add", "default", "via", "10.78.2.2")
        run("ip", "netns", "exec", ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._delay()
        self._bottleneck()
        if self.path.loss_every:
            self._lose()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        for host in _HOSTS:
            subprocess.run(["ip", "netns", "del", host], check=False,
                           stderr=subprocess.DEVNULL)

    @staticmethod
    def _join(host: str, address: str, router_link: str, router_address: str) -> None:
        run("ip", "link", "add", "wire", "netns", host, "type", "veth",
            "peer", "name", router_link, "netns", ROUTER)
        for namespace, link, own in ((host, "wire", address),
                                     (ROUTER, router_link, router_address)):
            run("ip", "-n", namespace, "addr", "add", own, "dev", link)
            run("ip", "-n", namespace, "link", "set", link, "up")
            for offload in _OFFLOADS:
                run("ip", "netns", "exec", namespace, "ethtool", "-K", link, offload,
                    "off")

    def _delay(self) -> None:
        half_us = self.path.rtt_ms * 500
        for host in (SENDER, RECEIVER):
            run("tc", "-n", host, "qdisc", "add", "dev", "wire", "root", "netem",
                "delay", f"{half_us}us", "limit", "1000000")

    def _bottleneck(self) -> None:
        rate = f"{int(self.path.rate_mbit * 1e6)}bit"
        run("tc", "-n", ROUTER, "qdisc", "add", "dev", "right", "root", "handle", "1:",
            "tbf", "rate", rate, "burst", str(2 * PACKET), "limit", "1000000000")
        queue = (("fq_codel", "ecn", "limit", "10240") if self.path.ecn
                 else ("bfifo", "limit", str(self.path.buffer_bytes)))
        run("tc", "-n", ROUTER, "qdisc", "add", "dev", "right", "parent", "1:1", *queue)

    def _lose(self) -> None:
        run("ip", "netns", "exec", ROUTER, "nft", loss_rules(self.path.loss_every))
