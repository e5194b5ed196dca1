# SPDX-License-Identifier: GPL-2.0
"""Parameters for the module: as a person writes them, and as the kernel takes them.

The kernel refuses little of what is wrong: it only logs a parameter that there is not,
and of a value with blanks it takes the first word.  So what was asked for is compared
with what the module says of itself, which reads differently.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import BAD_INPUT, NOT_SO, Problem
from ..place import COMMAND
from ..ring.live_ring import LiveRing
from ..ring.schema import OWN_KINDS
from ..ring.schema_source import kind_names
from .host import MODULE, Host, set_command

SETS_OF_KINDS = ("all", "default", "none")
TIMEOUTS = re.compile(r"rto=0*([1-9]\d?|1\d\d|2[0-4]\d|25[0-5])")
OF_KINDS = ("events", "freeze_on")

# How the kernel shows the two values of a bool, and what it takes for them: 1 and 0,
# and words by their first letters (kstrtobool()).
SHOWN_BOOLS = ("N", "Y")
BOOL = re.compile(r"(?P<Y>1|y|t|on)|(?P<N>0|n|f|of)", re.IGNORECASE)

# What cannot be written while the module is loaded.
ONLY_AT_LOAD = ("ring_records",)

# What ring_records may be, as in module/event_ring.h: a power of two in between.
LEAST_RECORDS, MOST_RECORDS = 16, 1 << 20

A_PARAMETER = re.compile(r"([a-z][a-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Parameter:
    """One of them; the value without the quotes that may have stood around it."""

    name: str
    value: str

    def __str__(self) -> str:
        """As the kernel wants it: insmod only joins parameters by blanks."""
        value = f'"{self.value}"' if re.search(r"\s", self.value) else self.value
        return f"{self.name}={value}"

    def check(self) -> None:
        """Problem if the kernel cannot be given it."""
        if '"' in self.value:
            raise Problem(f"load: {self.name}: the kernel takes no double quote in a "
                          "value", BAD_INPUT)

    def set_command(self) -> str:
        """What sets it while the module is loaded."""
        return set_command(shlex.quote(self.value), self.name)


def parsed(word: str) -> Parameter:
    """NAME=VALUE as it was typed."""
    found = A_PARAMETER.fullmatch(word)
    if found is None:
        raise Problem(f"load: {word!r} is not PARAM=VALUE", BAD_INPUT)
    name, value = found.groups()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return Parameter(name, value)


def check_names(parameters: Iterable[Parameter], known: Sequence[str]) -> None:
    """Problem if one is not among those that there are."""
    for parameter in parameters:
        if parameter.name not in known:
            raise Problem(f"load: there is no parameter {parameter.name!r}; there are: "
                          f"{' '.join(known)}", BAD_INPUT)


# ---- kinds of event

def kinds_of_sources() -> list[str]:
    """Those that can be asked for; none where there are no sources."""
    try:
        return [kind for kind in kind_names() if kind not in OWN_KINDS]
    except OSError:
        return []


def _kinds_of_loaded(host: Host) -> list[str]:
    """Those of the module that is loaded, if it lets us see them; else of the sources.

    It may be of another version, whose schema need not be one that we can parse.
    """
    try:
        schema = LiveRing(host.renoscope_dir()).schema_text()
    except Problem:
        return kinds_of_sources()
    return [kind for kind in re.findall(r"^kind \d+ (\w+)", schema, re.MULTILINE)
            if kind not in OWN_KINDS]


def _check_kinds(parameter: Parameter, host: Host) -> None:
    """Problem if a word is no kind of event: the kernel would refuse what is proposed."""
    name, words, kinds = parameter.name, _words(parameter.value), _kinds_of_loaded(host)
    if name == "events" and not words:
        raise Problem("load: events: no kind is named; to record nothing write none", BAD_INPUT)
    for word in words if kinds else ():
        if name == "events" and re.sub(r"^[+-]", "", word) not in (*kinds, *SETS_OF_KINDS):
            raise Problem(f"load: events: {word!r} is no kind of event; there are: "
                          f"{' '.join(kinds)}", BAD_INPUT)
        if name == "freeze_on" and word not in (*kinds, "none") and not TIMEOUTS.fullmatch(word):
            raise Problem(f"load: freeze_on: {word!r} is no trigger; there are: rto=K with K "
                          f"from 1 to 255, {' '.join(kinds)}", BAD_INPUT)


# ---- whether the module says what was asked for

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
               for kind in wanted.keys() - set(SETS_OF_KINDS))


def _number(text: str) -> int | str:
    try:
        return int(text, 8 if re.fullmatch(r"0[0-7]+", text) else 0)
    except ValueError:
        return text


def _is_same_value(asked: str, now: str) -> bool:
    """Of a bool or a number, however they were asked for."""
    if now in SHOWN_BOOLS:
        taken = BOOL.match(asked.strip())
        return taken is not None and taken.lastgroup == now
    return _number(asked.strip()) == _number(now)


def _as_asked(parameter: Parameter, now: str) -> bool:
    """Whether it reads as asked; some read back in another form."""
    if parameter.name == "filter":
        return _values(now) >= _values(parameter.value)
    if parameter.name in OF_KINDS:
        return _kinds_as_asked(parameter.value, now)
    return _is_same_value(parameter.value, now)


def check_taken(parameters: Iterable[Parameter], host: Host) -> None:
    """Problem if one is not what was asked for: a part was lost."""
    now = host.parameters()
    for parameter in parameters:
        name = parameter.name
        if name in now and not _as_asked(parameter, now[name]):
            raise Problem(
                f"loaded, but {name} is {now[name]!r} and not {parameter.value!r}; "
                f"set it with: {parameter.set_command()}, or "
                "unload and load again", NOT_SO)


def _reads_as(parameter: Parameter, now: str) -> bool:
    """Whether it is just this, where nobody has set it to it now."""
    asked = parameter.value
    if parameter.name in OF_KINDS:
        return sorted(_words(asked)) == sorted(_words(now))
    return asked.split() == now.split() or _is_same_value(asked, now)


def _check_records(parameter: Parameter) -> None:
    """Before anybody unloads the module for a ring that it will not make."""
    if parameter.name != "ring_records":
        return
    try:
        records = int(parameter.value, 0)
    except ValueError:
        records = 0
    if not LEAST_RECORDS <= records <= MOST_RECORDS or records & (records - 1):
        raise Problem(f"load: ring_records: {parameter.value!r} is not a power of two from "
                      f"{LEAST_RECORDS} to {MOST_RECORDS}", BAD_INPUT)


def check_already(parameters: Sequence[Parameter], host: Host) -> None:
    """Problem if the module that is loaded would have to change for them."""
    now = host.parameters()
    check_names(parameters, list(now))
    different = [one for one in parameters if not _reads_as(one, now[one.name])]
    for parameter in different:
        _check_kinds(parameter, host)
        _check_records(parameter)
    mends = [parameter.set_command() for parameter in different]
    warning = ""
    if any(parameter.name in ONLY_AT_LOAD for parameter in different):
        warning = "unloading loses what the ring holds, which `record --all` saves; "
        mends = [f"sudo {COMMAND} unload && sudo {COMMAND} load "
                 + shlex.join(f"{one.name}={one.value}" for one in parameters)]
    if different:
        differ = " and ".join(f"{one.name} is {now[one.name]!r}" for one in different)
        raise Problem(f"{MODULE} is already loaded, and {differ}; {warning}"
                      f"mend: {' && '.join(mends)}", NOT_SO)
