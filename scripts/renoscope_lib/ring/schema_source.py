# SPDX-License-Identifier: GPL-2.0
"""The schema, read from the module's C headers instead of a running kernel.

For tests and for the generated tables in Documentation/events.rst.  The C
preprocessor expands the lists in event_kinds.h and event_fields.h between
markers; offsets are sums of sizes, because the record has no padding
(event_schema.c asserts that).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from ..errors import NOT_THERE, Problem
from ..place import MODULE_SOURCE
from .schema import SCOPE_ALL, Field

SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "addr": 16, "text": 16}

MARKERS = """
#include "event_kinds.h"
#include "event_fields.h"
#define KIND(name, meaning)			@@kind name meaning
#define FIELD(type, name, unit, meaning)	@@field type name unit meaning
#define DETAIL(kind, FIELDS)			@@detail kind FIELDS(FIELD)
#define SOCK_FLAG(name, bit, meaning)		@@sock_flag name bit meaning
#define SEGMENT_FLAG(name, bit, meaning)	@@segment_flag name bit meaning
#define WORD(unit, name, meaning)		@@word unit name meaning
#define WORD_LIST(unit, WORDS)			WORDS(WORD)
EVENT_KINDS(KIND)
@@detail all EVENT_COMMON_FIELDS(FIELD)
@@detail_bytes EVENT_DETAIL_BYTES
EVENT_DETAILS(DETAIL)
EVENT_SOCK_FLAGS(SOCK_FLAG)
EVENT_SEGMENT_FLAGS(SEGMENT_FLAG)
EVENT_WORD_LISTS(WORD_LIST)
"""

STRINGS = re.compile(r'"((?:[^"\\]|\\.)*)"')

# Numbers of enums in include/net/tcp_states.h and include/uapi/linux/tcp.h.
STATES = {
    "TCP_ESTABLISHED": 1, "TCP_SYN_SENT": 2, "TCP_SYN_RECV": 3,
    "TCP_FIN_WAIT1": 4, "TCP_FIN_WAIT2": 5, "TCP_TIME_WAIT": 6,
    "TCP_CLOSE": 7, "TCP_CLOSE_WAIT": 8, "TCP_LAST_ACK": 9, "TCP_LISTEN": 10,
    "TCP_CLOSING": 11,
}
CA_STATES = {
    "TCP_CA_Open": 0, "TCP_CA_Disorder": 1, "TCP_CA_CWR": 2,
    "TCP_CA_Recovery": 3, "TCP_CA_Loss": 4,
}


@dataclass(frozen=True)
class Flag:
    """One bit of a field of flags."""

    name: str
    bit: int
    meaning: str


@dataclass(frozen=True)
class Word:
    """What one number of a unit stands for."""

    name: str
    number: int
    meaning: str


@dataclass(frozen=True)
class Source:
    """What the headers say."""

    version: int
    record_bytes: int
    kinds: list[tuple[str, str]]
    fields: list[Field]
    flags: dict[str, list[Flag]]
    words: dict[str, list[Word]]
    state_names: dict[int, str]
    ca_state_names: dict[int, str]
    tcp_flag_names: list[str]


def kind_names(module: Path = MODULE_SOURCE) -> list[str]:
    """The kinds of event, in their order; without a compiler."""
    return re.findall(r"^\tEVENT_KIND\((\w+),",
                      (module / "event_kinds.h").read_text(), re.MULTILINE)


def parameter_names(module: Path = MODULE_SOURCE) -> list[str]:
    """The module's parameters, as modinfo -p would list them."""
    return sorted({name for path in module.glob("*.c") for name in re.findall(
        r"^MODULE_PARM_DESC\((\w+),", path.read_text(), re.MULTILINE)})


def switch_names(module: Path = MODULE_SOURCE) -> list[str]:
    """Those of them that are on or off, and nothing else."""
    return sorted({name for path in module.glob("*.c") for name in re.findall(
        r"^module_param_cb\((\w+), &switch_ops,", path.read_text(), re.MULTILINE)})


def find_compiler() -> str | None:
    """A C compiler; also one that has its version in its name, as Debian's gcc-12 has."""
    versions = {int(name[4:]) for folder in os.get_exec_path()
                for name in glob("gcc-*", root_dir=folder) if name[4:].isdecimal()}
    names = ["cc", "gcc", *(f"gcc-{version}" for version in sorted(versions, reverse=True))]
    return next(filter(shutil.which, names), None)


def _preprocess(module: Path) -> str:
    compiler = find_compiler()
    if compiler is None:
        raise Problem("there is no C compiler: sudo apt-get install gcc", NOT_THERE)
    result = subprocess.run(
        [compiler, "-E", "-P", "-x", "c", "-I", str(module), "-"],
        input=MARKERS, text=True, capture_output=True, check=False)
    if result.returncode != 0:
        raise Problem("the headers cannot be preprocessed: "
                      f"{result.stderr.strip()}", NOT_THERE)
    return result.stdout


def _text(literals: str) -> str:
    """Adjacent C string literals as one string."""
    return "".join(STRINGS.findall(literals)).replace('\\"', '"')


class _Fields:
    """Places fields one behind the other, each detail at the same offset."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self._scope = SCOPE_ALL
        self._offset = 0
        self._detail_offset = 0

    def begin(self, scope: str) -> None:
        if self._scope == SCOPE_ALL:
            self._detail_offset = self._offset
        self._scope = scope
        self._offset = 0 if scope == SCOPE_ALL else self._detail_offset

    def add(self, type_: str, name: str, unit: str, meaning: str) -> None:
        self.fields.append(Field(name, type_, self._offset, SIZES[type_], unit,
                                 self._scope, meaning))
        self._offset += SIZES[type_]


def _match(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise Problem(f"the sources have no {pattern!r}", NOT_THERE)
    return found[1]


def _names(numbers: Mapping[str, int], code: str) -> dict[int, str]:
    """The names event_schema.c gives to the numbers of an enum."""
    pairs = re.findall(r"\[(TCP_\w+)\]\s*=\s*\"([^\"]+)\"", code)
    return {numbers[enum]: name for enum, name in pairs if enum in numbers}


def read_source(module: Path = MODULE_SOURCE) -> Source:
    """Read the headers and the name tables beside them."""
    kinds: list[tuple[str, str]] = []
    flags: dict[str, list[Flag]] = {"sock_flags": [], "segment_flags": []}
    lists: dict[str, list[Word]] = {}
    fields = _Fields()
    for item in _preprocess(module).split("@@")[1:]:
        word, *words = item.split('"')[0].split()
        meaning = _text(item)
        if word == "kind":
            kinds.append((words[0], meaning))
        elif word == "detail":
            fields.begin(words[0])
        elif word == "field":
            type_, name, unit = words
            fields.add(type_, name, unit, meaning)
        elif f"{word}s" in flags:
            flags[f"{word}s"].append(Flag(words[0], int(words[1]), meaning))
        elif word == "word":
            entries = lists.setdefault(words[0], [])
            entries.append(Word(words[1], len(entries), meaning))
    code = (module / "event_schema.c").read_text()
    header = (module / "event_schema.h").read_text()
    tcp_flags = _match(r"tcp_flag_names\[\] = \{([^}]*)\}", code)
    return Source(
        version=int(_match(r"^#define EVENT_SCHEMA_VERSION\s+(\d+)", header)),
        record_bytes=int(_match(r"^#define RECORD_BYTES\s+(\d+)", code)),
        kinds=kinds, fields=fields.fields, flags=flags, words=lists,
        state_names=_names(STATES, code),
        ca_state_names=_names(CA_STATES, code),
        tcp_flag_names=STRINGS.findall(tcp_flags))


def schema_text(source: Source,
                reset_reasons: Mapping[int, str] | None = None) -> str:
    """What event_schema_show() prints on this machine."""
    lines = [
        "# kind NUMBER NAME MEANING",
        "# field NAME TYPE OFFSET SIZE UNIT KIND MEANING "
        "(KIND: all, or one that has it)",
        "# value UNIT NUMBER NAME "
        "(of tcp_flags, sock_flags and segment_flags: NUMBER is the bit)",
        f"version {source.version}",
        f"record_bytes {source.record_bytes}",
        f"byte_order {sys.byteorder}",
    ]
    lines += [f"kind {number} {name} {meaning}"
              for number, (name, meaning) in enumerate(source.kinds, 1)]
    lines += [f"field {f.name} {f.type} {f.offset} {f.size} {f.unit} "
              f"{f.scope} {f.meaning}" for f in source.fields]
    tables: list[tuple[str, dict[int, str]]] = [
        ("state", dict(sorted(source.state_names.items()))),
        ("ca_state", dict(sorted(source.ca_state_names.items()))),
        ("tcp_flags", dict(enumerate(source.tcp_flag_names))),
        *((unit, {flag.bit: flag.name for flag in flags})
          for unit, flags in source.flags.items()),
        *((unit, {word.number: word.name for word in words})
          for unit, words in source.words.items()),
        ("reset_reason", dict(reset_reasons or {})),
    ]
    lines += [f"value {unit} {number} {name}"
              for unit, names in tables for number, name in names.items()]
    return "\n".join(lines) + "\n"
