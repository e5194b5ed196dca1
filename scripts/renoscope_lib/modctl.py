# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading the module, and saying plainly why it will not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from . import kmod
from .errors import BAD_INPUT, NOT_SO, NOT_THERE, OK, Problem
from .holders import find_holders
from .host import DEBUGFS_DIR, MODULE, MOUNT_DEBUGFS, Host

PARAMETER = re.compile(r"[a-z][a-z0-9_]*=.*", re.DOTALL)

# What insmod prints, and what it means here.
LOAD_HINTS = (
    ("Key was rejected", "the kernel takes only modules signed with a key it "
     "knows; see: sudo scripts/renoscope doctor"),
    ("Required key not available", "the kernel takes only signed modules; "
     "see: sudo scripts/renoscope doctor"),
    ("Operation not permitted", "kernel lockdown or a missing capability "
     "forbids it; see: sudo scripts/renoscope doctor"),
    ("Invalid module format", "it was built for another kernel or "
     "configuration: build it again with make"),
    ("Exec format error", "it was built for another kernel or configuration: "
     "build it again with make"),
    ("Unknown symbol", "the kernel lacks something; see: sudo dmesg"),
    ("Invalid parameters", "a parameter was refused; see: sudo dmesg"),
    ("Invalid argument", "a parameter was refused; see: sudo dmesg"),
)


def _hint(message: str) -> str:
    for sign, meaning in LOAD_HINTS:
        if sign in message:
            return f"{message}: {meaning}"
    return f"{message}; see: sudo dmesg"


def _reason(message: str) -> str:
    """The last line of a tool's complaint, without its ornaments."""
    lines = [line for line in message.strip().splitlines() if line]
    last = lines[-1] if lines else "no reason given"
    return re.sub(r"^(insmod|modprobe|rmmod): (ERROR|FATAL): ", "", last)


def _split(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """MODULE.ko, if given, and the parameters."""
    parameters = [word for word in words if "=" in word]
    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise Problem(f"load: more than one module: {' '.join(files)}",
                      BAD_INPUT)
    for parameter in parameters:
        if not PARAMETER.fullmatch(parameter):
            raise Problem(f"load: {parameter!r} is not PARAM=VALUE", BAD_INPUT)
    return (files[0] if files else None), parameters


def _check_built_for(path: str, data: bytes, host: Host) -> None:
    if not kmod.is_module(data):
        raise Problem(f"{path} is not a kernel module", BAD_INPUT)
    release = kmod.built_for(data)
    if release != host.release:
        raise Problem(
            f"{path} was built for kernel {release}, and this is "
            f"{host.release}: build it again with make, or boot {release}",
            NOT_SO)


def _check_names(data: bytes, given: Sequence[str]) -> None:
    """The kernel only logs an unknown parameter, and loads all the same."""
    known = kmod.parameters(data)
    for parameter in given:
        name = parameter.partition("=")[0]
        if known and name not in known:
            raise Problem(f"load: there is no parameter {name!r}; there are: "
                          f"{' '.join(known)}", BAD_INPUT)


def _logged(host: Host) -> str:
    """The module's last word in the kernel's log, which tells a cause best."""
    result = host.run(["dmesg"])
    lines = result.stdout.splitlines() if result is not None else []
    said = [line for line in lines[-20:] if f"{MODULE}: " in line]
    return said[-1].partition(f"{MODULE}: ")[2] if said else ""


def _choose(path: str | None, host: Host, built: Path,
            parameters: Sequence[str]) -> list[str]:
    """The command that loads the module."""
    if path is None and built.exists():
        path = str(built)
    if path is not None:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise Problem(f"cannot read {path}: {error.strerror}",
                          BAD_INPUT) from None
        _check_built_for(path, data, host)
        _check_names(data, parameters)
        return ["insmod", path]
    if kmod.installed(host) is None:
        raise Problem(f"there is no {MODULE} to load: neither {built} nor one "
                      f"installed for {host.release}; build it with make",
                      NOT_THERE)
    return ["modprobe", MODULE]


def load(words: Sequence[str], host: Host, built: Path = kmod.BUILT) -> int:
    """The subcommand: prints what was done."""
    path, parameters = _split(words)
    if host.module_loaded():
        print(f"{MODULE} is already loaded")
        if parameters:
            print("its parameters stay as they are; all but ring_records can "
                  f"be changed in /sys/module/{MODULE}/parameters")
        return OK
    command = _choose(path, host, built, parameters) + parameters
    host.need_root("loading a module")
    result = host.run(command)
    if result is None:
        raise Problem(f"there is no {command[0]} on this machine "
                      "(package kmod)", NOT_THERE)
    if result.returncode != 0:
        message = _reason(result.stderr)
        logged = _logged(host) if "parameter was refused" in _hint(message) else ""
        raise Problem(f"{message}: {logged}" if logged else _hint(message), NOT_SO)
    print(f"loaded: {shlex.join(command)}")
    mount = host.debugfs_mount()
    if mount is None:
        print(f"debugfs is not mounted; mount it with: {MOUNT_DEBUGFS}")
    else:
        print(f"events are in {mount}/{DEBUGFS_DIR}")
    return OK


def unload(host: Host) -> int:
    """The subcommand: prints what was done, or who stands in the way."""
    if not host.module_loaded():
        print(f"{MODULE} is not loaded")
        return OK
    host.need_root("unloading a module")
    result = host.run(["rmmod", MODULE])
    if result is None:
        raise Problem("there is no rmmod on this machine (package kmod)",
                      NOT_THERE)
    if result.returncode == 0:
        print(f"unloaded {MODULE}")
        return OK
    in_use = "in use" in result.stderr or "Resource temporarily" in result.stderr
    if not in_use:
        raise Problem(_reason(result.stderr), NOT_SO)
    print(f"{MODULE} is in use:")
    for holder in find_holders(host):
        print(f"  {holder.what}\n      {holder.step}")
    return NOT_SO
