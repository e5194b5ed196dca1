# SPDX-License-Identifier: GPL-2.0
"""One JSON object, written piece by piece where it is too large to be whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..words import wall_clock

# The keys of a row's own moment.
MOMENTS = ("began_ns", "time_ns")


def json_pieces(content: dict[str, Any]) -> Iterator[str]:
    """What json.dumps() makes with an indent of 1; iterators become lists."""
    between = "{"
    for key, value in content.items():
        yield f"{between}\n {json.dumps(key)}: "
        if isinstance(value, Iterator):
            yield from _items(value)
        else:
            yield _indented(value, 1)
        between = ","
    yield "{}" if between == "{" else "\n}"


def with_utc(content: dict[str, Any], wall_offset_ns: int | None) -> dict[str, Any]:
    """The same, in which a row that has a moment has it by the wall clock, too."""
    return {key: part for name, value in content.items()
            for key, part in ((name, _dated(value, wall_offset_ns)),
                              *_utc(name, value, wall_offset_ns))}


def _utc(name: str, time_ns: Any, wall_offset_ns: int | None
         ) -> Iterator[tuple[str, str | None]]:
    """`time_utc`, behind a moment; None where either is not known."""
    if name in MOMENTS:
        is_known = time_ns is not None and wall_offset_ns is not None
        yield "time_utc", wall_clock(time_ns + wall_offset_ns) if is_known else None


def _dated(value: Any, wall_offset_ns: int | None) -> Any:
    if isinstance(value, dict):
        return with_utc(value, wall_offset_ns)
    if isinstance(value, list):
        return [_dated(one, wall_offset_ns) for one in value]
    if isinstance(value, Iterator):
        return (_dated(one, wall_offset_ns) for one in value)
    return value


def _items(values: Iterator[Any]) -> Iterator[str]:
    between = "["
    for value in values:
        yield f"{between}\n  {_indented(value, 2)}"
        between = ","
    yield "[]" if between == "[" else "\n ]"


def _indented(value: Any, depth: int) -> str:
    """Every line but the first stands this deep."""
    return json.dumps(value, indent=1).replace("\n", "\n" + " " * depth)
