# SPDX-License-Identifier: GPL-2.0
"""Whom the user asked for, with --port and --connection, and whether they are there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from ..ring.schema import MARK, Event, Schema
from ..words import connection
from .flows import is_lost, is_of_recording
from .tcp_states import LISTEN

# Ids, or ports, told to somebody who has named none of them.
FEW = 8


class Ends(Protocol):
    """A connection as a view keeps it: its id, and both ends in words."""

    @property
    def cookie(self) -> int:
        """Its id."""

    @property
    def local(self) -> str:
        """Our end."""

    @property
    def remote(self) -> str:
        """The peer's."""


@dataclass(frozen=True)
class Filter:
    """What the user asked to see.

    A connection id finds a listener's handshakes, too.  A loss is always shown, and a
    mark unless other kinds were asked for: what is missing behind it is missing of
    every connection.
    """

    kinds: frozenset[str] | None = None
    port: int | None = None
    cookie: int | None = None

    def wants(self, event: Event) -> bool:
        """Whether the event is to be shown."""
        if is_lost(event):
            return True
        if self.kinds is not None and event.kind not in self.kinds:
            return False
        return event.kind == MARK or self.chooses(event)

    def chooses(self, event: Event) -> bool:
        """Whether the event is of a connection that was asked for."""
        if self.cookie is not None and self.cookie not in (
                event["cookie"], event.values.get("listener")):
            return False
        return self.port is None or self.port in (event["local_port"],
                                                  event["remote_port"])

    def includes(self, one: Ends) -> bool:
        """Whether a connection that a view keeps was asked for."""
        if self.cookie is not None and one.cookie != self.cookie:
            return False
        ports = (end.rpartition(":")[2] for end in (one.local, one.remote))
        return self.port is None or str(self.port) in ports

    @property
    def takes_all(self) -> bool:
        """Whether no connection was named."""
        return self.port is None and self.cookie is None

    def none_seen(self, others: int, what: str = "connection") -> str:
        """What to say instead of an empty table: nothing there, or not that one."""
        if not others or self.takes_all:
            return f"No {what} was seen."
        asked = [] if self.cookie is None else [f"with the id {connection(self.cookie)}"]
        if self.port is not None:
            asked.append(f"with port {self.port}")
        were = "other was" if others == 1 else "others were"
        return f"No {what} {' and '.join(asked)} was seen; {others} {were}."


class ChoiceSeen:
    """Whether a connection that was asked for was seen, or how many others."""

    def __init__(self, wanted: Filter, schema: Schema | None = None) -> None:
        self._wanted = wanted
        self._listening = schema.numbers_of("state", LISTEN) if schema else []
        self._found = wanted.takes_all
        self._others: set[int] = set()
        self._ports: set[int] = set()
        self._services: set[int] = set()

    def see(self, event: Event) -> None:
        """The next event, shown or not."""
        if self._found or is_of_recording(event):
            return
        if self._wanted.chooses(event):
            self._found = True
            self._others.clear()
            return
        self._ports.update((event["local_port"], event["remote_port"]))
        if event["state"] in self._listening:
            self._services.add(event["local_port"])
        elif event["cookie"]:
            self._others.add(event["cookie"])

    def not_there(self) -> str:
        """What to say if there was none, and whom one could name; empty if there was one."""
        if self._found:
            return ""
        cookie, port = self._wanted.cookie, self._wanted.port
        if cookie is None:
            return (f"port {port} was not seen"
                    f"{which_ports(self._ports, self._services)}")
        also = "" if port is None else f" port {port}"
        return f"{connection(cookie)}{also} was not seen{who_was(self._others)}"


def who_was(cookies: Collection[int]) -> str:
    """Goes on from `was not seen`."""
    if not cookies:
        return ", nor was any connection"
    if len(cookies) > FEW:
        return f"; {len(cookies)} other ids were"
    return f"; these were: {', '.join(map(connection, sorted(cookies)))}"


def which_ports(ports: Collection[int], services: Collection[int] = ()) -> str:
    """The same of a port: those that somebody listens on come first."""
    every = sorted(filter(None, ports), key=lambda port: (port not in services, port))
    if not every:
        return ", nor was any connection"
    more = f" and {len(every) - FEW} more" if len(every) > FEW else ""
    return f"; these were: {', '.join(map(str, every[:FEW]))}{more}"
