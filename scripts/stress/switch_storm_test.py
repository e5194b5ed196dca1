# SPDX-License-Identifier: GPL-2.0
"""Congestion control switched by eight threads on connections that are at work.

switch_storm.c does it, on both families at once, over a wire that delays and loses.
Meanwhile `ss -ti` asks for what the algorithms tell, and somebody tries to unload
the module, past rmmod, which would look at the reference count first.
"""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import endpoints
import module_calls
from endpoints import FAMILIES, PORT
from hosts import CLIENT, SERVER, TwoHosts
from ktap_output import comment
from measure import part
from programs import program
from recorder import Recorder, wait_until
from renoscope_lib.machine.host import CONGESTION_CONTROLS as OURS
from saved import Saved

SECONDS = 60
THREADS = 8
ALGORITHMS = (*OURS, "reno", "cubic")
UNLOAD_EVERY_S = 0.02
FINISHING_S = 600
LOSS = f"tcp dport {PORT} meta length > 1000 numgen inc mod 50 == 49"


def _check_unload_refused() -> None:
    """Past rmmod, by the kernel itself."""
    try:
        module_calls.unload()
    except OSError as error:
        assert error.errno == errno.EAGAIN, error
    else:
        raise AssertionError("unloaded in the midst of it")


@contextmanager
def _server(hosts: TwoHosts, ipv6: bool) -> Iterator[subprocess.Popen[str]]:
    server = hosts.start_ready(SERVER, program("switch_storm"), "serve",
                               endpoints.address_of(SERVER, ipv6), str(PORT))
    try:
        yield server
    finally:
        server.kill()
        server.communicate()


def _held(ipv6: bool, stack: ExitStack) -> None:
    """A connection of ours that stays: so the module is always in use."""
    pair = stack.enter_context(endpoints.connected(ipv6, port=PORT + 1))
    pair.client.setsockopt(socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, b"renoscope")


def _busy(hosts: TwoHosts) -> list[str]:
    """Connections of the storm that are not over, on both hosts."""
    which = f"( sport = :{PORT} or dport = :{PORT} )"
    lines = [line for host in (CLIENT, SERVER)
             for line in hosts.run(host, "ss", "-tanH", which).splitlines()]
    return [line for line in lines if not line.startswith(("LISTEN", "TIME-WAIT"))]


def _ask(hosts: TwoHosts) -> set[str]:
    """The algorithms that `ss` knows of. On a slow kernel it takes seconds to begin,
    so asking and unloading do not wait for each other."""
    return {*ALGORITHMS} & set(hosts.run(CLIENT, "ss", "-tiH").split())


def _watch(hosts: TwoHosts, storms: list[subprocess.Popen[str]]) -> None:
    """Ask, and try to unload, until the storms are over."""
    tried = asked = 0
    seen: set[str] = set()
    with ThreadPoolExecutor(max_workers=1) as pool:
        asking = pool.submit(_ask, hosts)
        while any(storm.poll() is None for storm in storms):
            _check_unload_refused()
            tried += 1
            if asking.done():
                seen |= asking.result()
                asked += 1
                asking = pool.submit(_ask, hosts)
            time.sleep(UNLOAD_EVERY_S)
        seen |= asking.result()
    assert tried, "the storms were over at once"
    assert "renoscope" in seen, seen        # the connections that stay
    comment(f"ss -ti {asked + 1} times, saw {', '.join(sorted(seen))}; "
            f"{tried} times tried to unload")


def _storm(hosts: TwoHosts) -> list[dict[str, int]]:
    """On both families; what each of the two storms did."""
    results = []
    with ExitStack() as stack:
        for ipv6 in FAMILIES:
            _held(ipv6, stack)
        servers = [stack.enter_context(_server(hosts, ipv6)) for ipv6 in FAMILIES]
        storms = [hosts.start(CLIENT, program("switch_storm"), "storm",
                              endpoints.address_of(SERVER, ipv6), str(PORT),
                              str(THREADS // len(FAMILIES)), str(part(SECONDS)))
                  for ipv6 in FAMILIES]
        _watch(hosts, storms)
        for storm, server in zip(storms, servers):
            done = json.loads(storm.communicate(timeout=FINISHING_S)[0])
            assert not done["failed"] and not storm.returncode, done
            wait_until("the server to have read all", lambda: not _busy(hosts))
            results.append({**done, "received": int(server.communicate("")[0])})
    return results


def test_switch_storm() -> None:
    """Eight threads switch algorithms of live connections: all answers are right, nothing is lost"""
    with Recorder() as it, TwoHosts(delay_ms=5) as hosts:
        hosts.most_segments_a_packet(1)
        hosts.drop(SERVER, LOSS)
        with Saved() as saved:
            for done in _storm(hosts):
                comment(", ".join(f"{name} {number}" for name, number in done.items()))
                assert done["received"] == done["bytes"] > 0, done
                assert done["set"], done
        comment(f"law: {saved.read} read + {saved.lost} lost")
        for name in OURS:
            _is_as_before(it, name)


def _is_as_before(it: Recorder, name: str) -> None:
    """The algorithm still works, and tells of it."""
    option = (socket.IPPROTO_TCP, endpoints.TCP_CONGESTION, name.encode())
    with endpoints.connected(False) as pair:
        pair.client.setsockopt(*option)
        endpoints.say(*pair, size=50_000)
        assert pair.client.getsockopt(*option[:2], 16).rstrip(b"\0") == name.encode()
        endpoints.await_records(it, pair.client, "reno_round")
