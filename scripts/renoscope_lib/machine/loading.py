# SPDX-License-Identifier: GPL-2.0
"""Loading and unloading the module, and saying plainly why it will not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from ..errors import BAD_INPUT, NOT_SO, NOT_THERE, OK, Problem
from ..place import BUILD_AGAIN, BUILT, COMMAND, IS_IN_SOURCES, build_command
from . import kmod, module_log
from .holders import find_holders
from .host import DEBUGFS_DIR, MODULE, MOUNT_DEBUGFS, Host, is_there
from .kernel_config import another_kernel, takes_modules
from .load_parameters import Parameter, check_already, check_names, check_taken, parsed

# What insmod prints, and what it means here.
LOAD_HINTS = (
    ("Key was rejected", "the kernel takes only modules signed with a key it "
     f"knows; see: sudo {COMMAND} doctor"),
    ("Required key not available", "the kernel takes only signed modules; "
     f"see: sudo {COMMAND} doctor"),
    ("Operation not permitted", "kernel lockdown or a missing capability "
     f"forbids it; see: sudo {COMMAND} doctor"),
    ("Invalid module format", "it was built for another kernel or "
     f"configuration: {BUILD_AGAIN}"),
    ("Exec format error", "it was built for another kernel or configuration: "
     f"{BUILD_AGAIN}"),
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


def _split(words: Sequence[str]) -> tuple[str | None, list[Parameter]]:
    """MODULE.ko, if given, and the parameters."""
    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise Problem(f"load: more than one module: {' '.join(files)}",
                      BAD_INPUT)
    return (files[0] if files else None), [parsed(word) for word in words if "=" in word]


def _check_built_for(path: str, data: bytes, host: Host) -> None:
    if not kmod.is_module(data):
        raise Problem(f"{path} is not a kernel module", BAD_INPUT)
    release = kmod.built_for(data)
    if release != host.release:
        raise Problem(
            f"{path} was built for kernel {release}, and this is "
            f"{host.release}: {BUILD_AGAIN}, or boot {release}",
            NOT_SO)


def _choose(path: str | None, host: Host, built: Path,
            parameters: Sequence[Parameter]) -> list[str]:
    """The command that loads the module."""
    if path is None and is_there(built) is not False:
        path = str(built)
    if path is not None:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise Problem(f"cannot read {path}: {error.strerror}",
                          BAD_INPUT) from None
        _check_built_for(path, data, host)
        # The kernel only logs one that there is not, and loads all the same.
        if known := kmod.parameters(data):
            check_names(parameters, known)
        return ["insmod", path]
    if kmod.installed(host) is None:
        beside = f"neither {built} nor one" if IS_IN_SOURCES else "none is"
        raise Problem(f"there is no {MODULE} to load: {beside} installed for "
                      f"{host.release}; build it with: "
                      f"{build_command(host.release)}", NOT_THERE)
    return ["modprobe", MODULE]


def _check_takes_modules(host: Host) -> None:
    if not takes_modules(host):
        raise Problem(f"{MODULE} cannot be loaded: this kernel takes no modules; mend: "
                      f"{another_kernel(host)}; {COMMAND} doctor says more", NOT_THERE)


def _run(command: Sequence[str], host: Host) -> None:
    """Problem with the module's reason if it was refused."""
    before = module_log.lines(host)
    result = host.run(command)
    if result is None:
        raise Problem(f"there is no {command[0]} on this machine "
                      "(package kmod)", NOT_THERE)
    if result.returncode != 0:
        message = _reason(result.stderr)
        said = module_log.said(module_log.added(before, module_log.lines(host)))
        raise Problem(f"{message}: {said}" if said else _hint(message), NOT_SO)


def load(words: Sequence[str], host: Host, built: Path = BUILT) -> int:
    """The subcommand: prints what was done."""
    path, parameters = _split(words)
    if host.module_loaded():
        check_already(parameters, host)
        print(f"{MODULE} is already loaded" + (", with these parameters" if parameters
                                               else ""))
        return OK
    if not path:
        _check_takes_modules(host)
    for parameter in parameters:
        parameter.check()
    command = _choose(path, host, built, parameters) + list(map(str, parameters))
    _check_takes_modules(host)
    host.need_root("loading a module")
    _run(command, host)
    check_taken(parameters, host)
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
