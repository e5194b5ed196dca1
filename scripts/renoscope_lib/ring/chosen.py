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

    NOW = "now set"
    WHEN_RECORDING_BEGAN = "set when recording began"

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
    def is_now(self) -> bool:
        """Whether they are those of this moment, as of the live ring."""
        return self.when == self.NOW

    @property
    def frozen(self) -> bool:
        """Whether nothing was recorded then."""
        return self._text("frozen") in ("1", "Y")

    @property
    def filter(self) -> str:
        """What is let in; empty if everything is."""
        text = self._text("filter")
        return "" if text in NO_FILTER else text

    def samples(self, what: str) -> bool:
        """Whether it is only one in some; `what` is `flow` or `ack`."""
        return self._text(f"{what}_sample") not in NO_SAMPLE

    def choice(self) -> list[str]:
        """The filter and sampling in words; none if everything is let in."""
        words = [f"the filter {self.filter!r}"] if self.filter else []
        for what, noun in (("flow", "connections"), ("ack", "plain acks")):
            if self.samples(what):
                words.append(f"1 in {_number(self._text(f'{what}_sample'))} {noun}")
        return words


def _number(text: str) -> str:
    """A number as it is; anything else is quoted, it may come from elsewhere."""
    return text if text.isascii() and text.isdigit() else repr(text)
