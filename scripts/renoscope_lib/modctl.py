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
from .host import DEBUGFS_DIR, MODULE, MOUNT_DEBUGFS, Host, set_command
from .kernel_config import another_kernel, takes_modules
from .place import (BUILD_AGAIN, BUILT, COMMAND, IS_IN_SOURCES,
                    build_command)
from .schema import OWN_KINDS
from .schema_source import kind_names

# What the kernel itself says of a module: of its origin, and parse_args() of
# a parameter that the module refused.
KERNELS_REMARK = re.compile(
    r"`.*' invalid for parameter `.*'|loading out-of-tree module .*"
    r"|module verification failed: .*", re.DOTALL)

# Where the module's messages send for the kinds, which is true once it is loaded.
KINDS_ARE_IN = "cat schema in debugfs lists them"
SETS_OF_KINDS = ("all", "default", "none")
TIMEOUTS = re.compile(r"rto=0*([1-9]\d?|1\d\d|2[0-4]\d|25[0-5])")

# How the kernel shows the two values of a bool, and what it takes for them: 1 and 0,
# and words by their first letters (kstrtobool()).
SHOWN_BOOLS = ("N", "Y")
BOOL = re.compile(r"(?P<Y>1|y|t|on)|(?P<N>0|n|f|of)", re.IGNORECASE)

# What cannot be written while the module is loaded.
ONLY_AT_LOAD = ("ring_records",)

PARAMETER = re.compile(r"[a-z][a-z0-9_]*=.*", re.DOTALL)

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
            f"{host.release}: {BUILD_AGAIN}, or boot {release}",
            NOT_SO)


def _check_names(data: bytes, given: Sequence[str]) -> None:
    """The kernel only logs an unknown parameter, and loads all the same."""
    known = kmod.parameters(data)
    for parameter in given:
        name = parameter.partition("=")[0]
        if known and name not in known:
            raise Problem(f"load: there is no parameter {name!r}; there are: "
                          f"{' '.join(known)}", BAD_INPUT)


def _log(host: Host) -> list[str]:
    """The kernel's log; nothing where it cannot be read."""
    result = host.run(["dmesg"])
    return result.stdout.splitlines() if result is not None else []


def _added(before: list[str], after: list[str]) -> list[str]:
    """The lines that came since, although the oldest may have gone."""
    for gone in range(len(before)):
        kept = before[gone:]
        if after[:len(kept)] == kept:
            return after[len(kept):]
    return after


def _said(lines: Sequence[str]) -> str:
    """The module's own words among the log's; these tell a cause best.

    The kernel's remark on a parameter that the module refused says less.
    """
    said = [line.partition(f"{MODULE}: ")[2] for line in lines
            if f"{MODULE}: " in line]
    return _with_kinds("; ".join([text for text in said
                                  if not KERNELS_REMARK.fullmatch(text)][-3:]))


def _with_kinds(said: str) -> str:
    """A module that was refused has no files in debugfs; its sources have a list."""
    kinds = _kinds_of_sources()
    return said.replace(KINDS_ARE_IN, f"there are: {' '.join(kinds)}") if kinds else said


def _kinds_of_sources() -> list[str]:
    """Those that can be asked for; none where there are no sources."""
    try:
        return [kind for kind in kind_names() if kind not in OWN_KINDS]
    except OSError:
        return []


def _kinds_of_loaded(host: Host) -> list[str]:
    """Those of the module that is loaded, if it lets us see them; else of the sources."""
    try:
        schema = (host.renoscope_dir() / "schema").read_text()
    except (Problem, OSError):
        return _kinds_of_sources()
    return [kind for kind in re.findall(r"^kind \d+ (\w+)", schema, re.MULTILINE)
            if kind not in OWN_KINDS]


def _quoted(parameter: str) -> str:
    """As the kernel wants it: insmod only joins parameters by blanks."""
    name, _, value = parameter.partition("=")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if '"' in value:
        raise Problem(f"load: {name}: the kernel takes no double quote in a "
                      "value", BAD_INPUT)
    return f'{name}="{value}"' if re.search(r"\s", value) else f"{name}={value}"


# ---- whether the parameters are as they were asked for

def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]


def _values(text: str) -> int:
    """How many values a filter has, however it is written."""
    return 0 if text.strip() == "none" else len(_words(text))


def _kinds_as_asked(asked: str, now: str) -> bool:
    """Every kind that is named stands there; every one taken away does not."""
    on = set(_words(now))
    wanted = {word.lstrip("+-"): not word.startswith("-")
              for word in _words(asked)}
    return all((kind in on) == wanted[kind]
               for kind in wanted.keys() - {"all", "default", "none"})


def _number(text: str) -> int | str:
    try:
        return int(text, 8 if re.fullmatch(r"0[0-7]+", text) else 0)
    except ValueError:
        return text


def _shown_bool(text: str) -> str | None:
    """As the kernel shows it, however it was asked for; None if it is no bool."""
    taken = BOOL.match(text.strip())
    return taken.lastgroup if taken else None


def _as_asked(name: str, asked: str, now: str) -> bool:
    """Whether a parameter reads as asked; some read back in another form."""
    if name == "filter":
        return _values(now) >= _values(asked)
    if name in ("events", "freeze_on"):
        return _kinds_as_asked(asked, now)
    if now in SHOWN_BOOLS:
        return _shown_bool(asked) == now
    return _number(asked.strip()) == _number(now)


def _check_taken(parameters: Sequence[str], host: Host) -> None:
    """Problem if a parameter is not what was asked for: a part was lost."""
    now = host.parameters()
    for parameter in parameters:
        name, _, asked = parameter.partition("=")
        asked = asked.strip('"')
        if name in now and not _as_asked(name, asked, now[name]):
            raise Problem(
                f"loaded, but {name} is {now[name]!r} and not {asked!r}; "
                f"set it with: {set_command(shlex.quote(asked), name)}, or "
                "unload and load again", NOT_SO)


def _reads_as(name: str, asked: str, now: str) -> bool:
    """Whether a parameter is just this, where nobody has set it to it now."""
    if name in ("events", "freeze_on"):
        return sorted(_words(asked)) == sorted(_words(now))
    if now in SHOWN_BOOLS:
        return _shown_bool(asked) == now
    return asked.split() == now.split() or _number(asked.strip()) == _number(now)


def _check_kinds(name: str, asked: str, host: Host) -> None:
    """Problem if a word is no kind of event: the kernel would refuse what is proposed."""
    kinds = _kinds_of_loaded(host)
    if name == "events" and not _words(asked):
        raise Problem("load: events: no kind is named; to record nothing write none", BAD_INPUT)
    for word in _words(asked) if kinds else ():
        if name == "events" and re.sub(r"^[+-]", "", word) not in (*kinds, *SETS_OF_KINDS):
            raise Problem(f"load: events: {word!r} is no kind of event; there are: "
                          f"{' '.join(kinds)}", BAD_INPUT)
        if name == "freeze_on" and word not in (*kinds, "none") and not TIMEOUTS.fullmatch(word):
            raise Problem(f"load: freeze_on: {word!r} is no trigger; there are: rto=K with K "
                          f"from 1 to 255, {' '.join(kinds)}", BAD_INPUT)


def _check_already(parameters: Sequence[str], host: Host) -> None:
    """Problem if the module that is loaded would have to change for them."""
    now = host.parameters()
    differ, mends = [], []
    for parameter in parameters:
        name, _, asked = parameter.partition("=")
        asked = asked.strip('"')
        if name not in now:
            raise Problem(f"load: there is no parameter {name!r}; there are: "
                          f"{' '.join(now)}", BAD_INPUT)
        if not _reads_as(name, asked, now[name]):
            _check_kinds(name, asked, host)
            differ.append(f"{name} is {now[name]!r}")
            mends.append(set_command(shlex.quote(asked), name))
            if name in ONLY_AT_LOAD:
                mends = [f"sudo {COMMAND} unload && sudo {COMMAND} load "
                         + shlex.join(parameters)]
                break
    if differ:
        raise Problem(f"{MODULE} is already loaded, and {' and '.join(differ)}; "
                      f"mend: {' && '.join(mends)}", NOT_SO)


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
        beside = f"neither {built} nor one" if IS_IN_SOURCES else "none is"
        raise Problem(f"there is no {MODULE} to load: {beside} installed for "
                      f"{host.release}; build it with: "
                      f"{build_command(host.release)}", NOT_THERE)
    return ["modprobe", MODULE]


def _check_takes_modules(host: Host) -> None:
    if not takes_modules(host):
        raise Problem(f"{MODULE} cannot be loaded: this kernel takes no modules; mend: "
                      f"{another_kernel(host)}; {COMMAND} doctor says more", NOT_THERE)


def load(words: Sequence[str], host: Host, built: Path = BUILT) -> int:
    """The subcommand: prints what was done."""
    path, parameters = _split(words)
    if host.module_loaded():
        _check_already(parameters, host)
        print(f"{MODULE} is already loaded" + (", with these parameters" if parameters
                                               else ""))
        return OK
    if not path:
        _check_takes_modules(host)
    parameters = [_quoted(parameter) for parameter in parameters]
    command = _choose(path, host, built, parameters) + parameters
    _check_takes_modules(host)
    host.need_root("loading a module")
    log = _log(host)
    result = host.run(command)
    if result is None:
        raise Problem(f"there is no {command[0]} on this machine "
                      "(package kmod)", NOT_THERE)
    if result.returncode != 0:
        message = _reason(result.stderr)
        said = _said(_added(log, _log(host)))
        raise Problem(f"{message}: {said}" if said else _hint(message), NOT_SO)
    _check_taken(parameters, host)
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
