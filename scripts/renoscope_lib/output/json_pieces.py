# SPDX-License-Identifier: GPL-2.0
"""One JSON object, written piece by piece where it is too large to be whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


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


def _items(values: Iterator[Any]) -> Iterator[str]:
    between = "["
    for value in values:
        yield f"{between}\n  {_indented(value, 2)}"
        between = ","
    yield "[]" if between == "[" else "\n ]"


def _indented(value: Any, depth: int) -> str:
    """Every line but the first stands this deep."""
    return json.dumps(value, indent=1).replace("\n", "\n" + " " * depth)
