# SPDX-License-Identifier: GPL-2.0
"""What the module says of itself in the kernel's log: why it refuses, above all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .host import MODULE, Host
from .load_parameters import kinds_of_sources

# Where the module's messages send for the kinds, which is true once it is loaded.
KINDS_ARE_IN = "cat schema in debugfs lists them"

# What the kernel itself says of a module: of its origin, and parse_args() of
# a parameter that the module refused.
KERNELS_REMARK = re.compile(
    r"`.*' invalid for parameter `.*'|loading out-of-tree module .*"
    r"|module verification failed: .*", re.DOTALL)


def lines(host: Host) -> list[str]:
    """The kernel's log; nothing where it cannot be read."""
    result = host.run(["dmesg"])
    return result.stdout.splitlines() if result is not None else []


def added(before: list[str], after: list[str]) -> list[str]:
    """The lines that came since, although the oldest may have gone."""
    for gone in range(len(before)):
        kept = before[gone:]
        if after[:len(kept)] == kept:
            return after[len(kept):]
    return after


def said(log: Sequence[str]) -> str:
    """The module's own words among the log's; these tell a cause best.

    The kernel's remark on a parameter that the module refused says less.
    """
    words = [line.partition(f"{MODULE}: ")[2] for line in log
             if f"{MODULE}: " in line]
    return _with_kinds("; ".join([text for text in words
                                  if not KERNELS_REMARK.fullmatch(text)][-3:]))


def refusal(log: Sequence[str], parameter: str) -> str:
    """Why it refused a parameter that was just written; "" if it did not say."""
    own = [line for line in log if f"{MODULE}: {parameter}: " in line]
    return said(own[-1:])


def _with_kinds(text: str) -> str:
    """A module that was refused has no files in debugfs; its sources have a list."""
    kinds = kinds_of_sources()
    return text.replace(KINDS_ARE_IN, f"there are: {' '.join(kinds)}") if kinds else text
