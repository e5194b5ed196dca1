# SPDX-License-Identifier: GPL-2.0
"""A connection as views keep it: which one it is, and how that is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from ..ring.schema import Event, key_of
from ..words import connection, local_endpoint, remote_endpoint
from .kept import Packable
from .wanted import Ends


@dataclass(slots=True)
class Connection(Packable):
    """Its id, its network namespace, both ends in words, and which of its id's it is."""

    cookie: int
    netns: int
    family: int
    local: str
    remote: str
    turn: int

    @property
    def key(self) -> int:
        """The same as its events'."""
        return key_of(self.cookie, self.turn)

    @property
    def has_wildcard(self) -> bool:
        """Whether an address or a port was not known when it was first heard of."""
        return "*" in self.local or "*" in self.remote


@dataclass(slots=True)
class PartlySeen(Connection):
    """One of which a view says what it did not see."""

    partly: list[str] = field(default_factory=list)

    def note_once(self, what: str) -> None:
        """Something that was not seen."""
        if what not in self.partly:
            self.partly.append(what)


class Known(Ends, Protocol):
    """What tells a connection to programs."""

    @property
    def netns(self) -> int:
        """Its network namespace."""

    @property
    def family(self) -> int:
        """4 or 6."""


def identity_of(event: Event) -> tuple[int, int, int, str, str, int]:
    """What a Connection begins with."""
    return (event["cookie"], event["netns"], event["family"],
            local_endpoint(event), remote_endpoint(event), event.turn)


def name_of(one: Connection) -> str:
    """Its id where its ends are not told; `sk:2 (connection 2)` if that had others."""
    if not one.turn:
        return connection(one.cookie)
    return f"{connection(one.cookie)} (connection {one.turn + 1})"


def both_ends(one: Ends) -> str:
    """`10.0.0.1:40112 - 10.0.0.2:80`."""
    return f"{one.local} - {one.remote}"


def heading(one: Ends) -> str:
    """The line above what a person is told of it."""
    return f"{connection(one.cookie)}  {both_ends(one)}"


def identity_json(one: Known) -> dict[str, Any]:
    """What every view's JSON tells of it first."""
    return {"connection": connection(one.cookie), "netns": one.netns,
            "family": one.family, "local": one.local, "remote": one.remote}
