# SPDX-License-Identifier: GPL-2.0
"""What the module was told to record, as its parameters said at some moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# How a parameter that chooses nothing reads.
NO_FILTER = ("", "(null)", "none")
NO_SAMPLE = ("", "0", "1")
NO_TRIGGER = ("", "(null)", "none")


@dataclass(frozen=True)
class Chosen:
    """The parameters, and when they were read.

    read_ns is CLOCK_MONOTONIC; `when` says it in words.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    read_ns: int = 0
    when: str = ""

    def _text(self, name: str) -> str:
        return self.parameters.get(name, "").strip()

    def kinds_on(self) -> list[str] | None:
        """The kinds that are recorded, None if it is not known."""
        if "events" not in self.parameters:
            return None
        return self._text("events").replace(",", " ").split()

    @property
    def frozen(self) -> bool:
        """Whether nothing was recorded then."""
        return self._text("frozen") in ("1", "Y")

    def choice(self) -> list[str]:
        """The filter and sampling in words; none if everything is let in."""
        words = []
        if self._text("filter") not in NO_FILTER:
            words.append(f"the filter {self._text('filter')!r}")
        for name, what in (("flow_sample", "connections"),
                           ("ack_sample", "plain acks")):
            if self._text(name) not in NO_SAMPLE:
                words.append(f"1 in {_number(self._text(name))} {what}")
        return words


def _number(text: str) -> str:
    """A number as it is; anything else is quoted, it may come from elsewhere."""
    return text if text.isascii() and text.isdigit() else repr(text)
