# SPDX-License-Identifier: GPL-2.0
"""The commands, each in a module of its own name that adds it with add().

A run loads the module of its own command and what that uses: all together take
some five times as long, which is seconds where the processor is emulated.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

# In the order of the help.
NAMES = ("doctor", "load", "unload", "record", "show", "top", "explain", "flow",
         "cwnd", "report", "handshakes", "states", "losses", "rounds", "windows",
         "synflood", "isn", "export", "metrics", "watch")


def modules(word: str = "") -> Iterator[Any]:
    """That of the command with this name, or those of all if there is none."""
    for name in [word] if word in NAMES else NAMES:
        yield import_module(f".{name}", __name__)
