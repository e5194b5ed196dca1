# SPDX-License-Identifier: GPL-2.0
"""What the loaded module records, what it leaves out and why, and who may use its
congestion controls."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Problem
from ..machine.host import CONGESTION_CONTROLS, Host, set_command, write_command
from ..place import COMMAND
from ..ring.live_ring import LiveRing
from ..ring.schema import EXTRA_KIND
from ..ring.stats import ATTACHED, Source, Stats, parse_stats
from .doctor_check import FAIL, GOOD, WARN, Check

# Both switches: where ftrace is off, kprobes are silent, too.
PROBES_MEND = (write_command("1", "/sys/kernel/debug/kprobes/enabled")
               + " && sudo sysctl -w kernel.ftrace_enabled=1")

LOOK_INTO_THE_LOG = "sudo dmesg | grep renoscope"


def sources(host: Host) -> Iterator[Check]:
    """Where events come from, or why none do."""
    try:
        stats = parse_stats(LiveRing(host.renoscope_dir()).stats_text())
    except Problem as problem:
        yield Check(FAIL, f"the event sources are not known: {problem}",
                    LOOK_INTO_THE_LOG if host.euid == 0 else f"sudo {COMMAND} doctor")
        return
    attached = [source for source in stats.sources if source.status == ATTACHED]
    yield Check(GOOD, "places in the kernel that events come from: "
                f"{len(attached)} attached")
    nothing_asked = host.parameters().get("events") == "none"
    if nothing_asked:
        yield Check(WARN, "events=none: nothing is recorded",
                    set_command("default", "events"))
    yield from _limits(stats)
    yield from _switched_off(stats)
    for source in stats.sources:
        if not (source.switched_off or source.is_off and nothing_asked):
            yield from _source(source)


def _limits(stats: Stats) -> Iterator[Check]:
    """What keeps events out of the ring, and how to let them in."""
    if stats.frozen:
        yield Check(WARN, "recording is frozen: nothing is recorded",
                    set_command("0", "frozen"))
    if stats.filter:
        yield Check(WARN, "a filter is set, only this is recorded: "
                    f"{stats.filter}", set_command("none", "filter"))
    for name, sample in (("flow_sample", stats.flow_sample),
                         ("ack_sample", stats.ack_sample)):
        if sample > 1:
            yield Check(WARN, f"{name}: only one in {sample} is recorded",
                        set_command("1", name))


def _switched_off(stats: Stats) -> Iterator[Check]:
    """One line for all places that share this cause."""
    silent = [source for source in stats.sources if source.switched_off]
    if silent:
        what = " and ".join(sorted({source.switched_off for source in silent}))
        yield Check(FAIL, f"{len(silent)} of these places are silent; switched off on "
                    f"this machine: {what}", PROBES_MEND)


def _source(source: Source) -> Iterator[Check]:
    name = f"source {source.kinds} ({source.place})"
    if source.is_off:
        if source.kinds != EXTRA_KIND:
            yield Check(WARN, f"{name}: switched off by the events parameter",
                        set_command("default", "events"))
    elif source.status != ATTACHED:
        yield Check(FAIL, f"{name}: {source.status}", LOOK_INTO_THE_LOG)


def congestion_controls(host: Host, is_loaded: bool) -> Iterator[Check]:
    """Whether they are registered, and who may choose them."""
    folder = "/proc/sys/net/ipv4"
    available, allowed, default = (
        (host.read(f"{folder}/tcp_{name}congestion_control")
         or "").split()
        for name in ("available_", "allowed_", ""))
    ours = [name for name in CONGESTION_CONTROLS if name in available]
    if not ours:
        if is_loaded:
            yield Check(FAIL, "no congestion control of ours is registered",
                        LOOK_INTO_THE_LOG)
        return
    yield Check(GOOD, f"congestion control registered: {' '.join(ours)}")
    barred = [name for name in ours if name not in allowed]
    if barred:
        wanted = " ".join(allowed + barred)
        yield Check(WARN, f"only root may choose {' '.join(barred)}",
                    "sudo sysctl -w net.ipv4.tcp_allowed_congestion_control="
                    f'"{wanted}"')
    else:
        yield Check(GOOD, "everybody may choose it")
    name = default[0] if default else "not known"
    yield Check(GOOD, f"the default congestion control is {name}")
