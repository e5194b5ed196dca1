# SPDX-License-Identifier: GPL-2.0
"""The connections that a view keeps: in little room, and not without end.

Those last heard of are kept as they are.  The others are packed into bytes, a
tenth of the room, until an event or the output asks for them again.  If there are
too many even so, the earliest go: first those that are over, then those of which
nothing was heard lately.
"""

from __future__ import annotations

import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ..words import plural

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

# Connections kept at the most, and as many of these as they are.
MOST = 200_000
UNPACKED = 4096

# Too many go together with this share of the rest, as a search for them takes time.
ROOM_MADE = 20

# A key (Event.key) is a u64 and a turn.
KEY_BITS = 128


def remember(known: dict[K, V], key: K, value: V, most: int) -> None:
    """So many at the most: the one that was first remembered goes."""
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]


class Packable:
    """A dataclass with slots that is pickled by its values, without their names."""

    __slots__ = ()
    __match_args__: tuple[str, ...]

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), tuple(getattr(self, name)
                                 for name in self.__match_args__)


class Lasting(Packable):
    """One that has a beginning and an end; None where one of them was not seen."""

    __slots__ = ()
    began_ns: int | None
    ended_ns: int | None

    @property
    def took_us(self) -> int | None:
        """How long it lasted, where both ends were seen."""
        if self.began_ns is None or self.ended_ns is None:
            return None
        return (self.ended_ns - self.began_ns) // 1000


class Kept(Generic[T]):
    """Connections by their keys, in the order they were added.

    What get() and add() give may be changed until another one is got or added.
    """

    def __init__(self, is_over: Callable[[T], bool],
                 most: int = MOST, unpacked: int = UNPACKED) -> None:
        self._is_over = is_over
        self._most = most
        self._unpacked_most = unpacked
        self._all: dict[int, T | bytes] = {}
        self._unpacked: OrderedDict[int, None] = OrderedDict()
        self._again: dict[int, int] = {}
        self._pattern = b""
        self.forgotten = 0
        self.forgotten_open = 0

    def __iter__(self) -> Iterator[T]:
        for value in self._all.values():
            yield self._unpack(value) if isinstance(value, bytes) else value

    def __len__(self) -> int:
        return len(self._all)

    def places(self) -> Iterator[tuple[int, T]]:
        """Each, and the place where at() finds it."""
        return zip(list(self._all), self)

    def at(self, place: int) -> T | None:
        """The one at that place, if it is still kept."""
        value = self._all.get(place)
        if isinstance(value, bytes):
            return self._hold(place, self._unpack(value))
        if value is not None:
            self._unpacked.move_to_end(place)
        return value

    def _place(self, key: int) -> int:
        return key | self._again.get(key, 0) << KEY_BITS

    def get(self, key: int) -> T | None:
        """The latest that was added with this key, if it is still kept."""
        return self.at(self._place(key))

    def add(self, key: int, item: T) -> T:
        """One more; another one with this key stays, but is not found any more.

        That is one whose next beginning was not seen.
        """
        if self._place(key) in self._all:
            self._again[key] = self._again.get(key, 0) + 1
        self._hold(self._place(key), item)
        if len(self._all) > self._most:
            self._make_room()
        return item

    def drop(self, key: int) -> None:
        """All that were added with this key; whoever drops needs them no more."""
        for again in range(self._again.pop(key, 0) + 1):
            place = key | again << KEY_BITS
            if place in self._all:
                del self._all[place]
            self._unpacked.pop(place, None)

    def _hold(self, place: int, item: T) -> T:
        self._all[place] = item
        self._unpacked[place] = None
        if len(self._unpacked) > self._unpacked_most:
            idle, _ = self._unpacked.popitem(last=False)
            self._put_away(idle)
        return item

    def _put_away(self, place: int) -> None:
        value = self._all[place]
        if not isinstance(value, bytes):
            self._all[place] = self._pack(value)

    # ---- packed: whether it is over, then what it is, told as it differs from one

    def _pack(self, item: T) -> bytes:
        plain = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        self._pattern = self._pattern or plain
        packer = zlib.compressobj(1, zdict=self._pattern)
        return (bytes((self._is_over(item),)) + packer.compress(plain)
                + packer.flush())

    def _unpack(self, packed: bytes) -> T:
        unpacker = zlib.decompressobj(zdict=self._pattern)
        item: T = pickle.loads(unpacker.decompress(memoryview(packed)[1:]))
        return item

    # ---- too many

    def _make_room(self) -> None:
        surplus = len(self._all) - self._most + self._most // ROOM_MADE
        for may_go in (self._was_over, self._is_packed):
            places = [place for place, value in self._all.items() if may_go(value)]
            for place in places[:surplus]:
                self._forget(place)
            surplus -= len(places[:surplus])

    def _was_over(self, value: T | bytes) -> bool:
        return (bool(value[0]) if isinstance(value, bytes)
                else self._is_over(value))

    @staticmethod
    def _is_packed(value: T | bytes) -> bool:
        return isinstance(value, bytes)

    def _forget(self, place: int) -> None:
        self._unpacked.pop(place, None)
        self.forgotten += 1
        self.forgotten_open += not self._was_over(self._all.pop(place))

    def left_out(self) -> list[str]:
        """A line on those that are not kept any more; none if all are."""
        if not self.forgotten:
            return []
        still = (f", {self.forgotten_open} of them not over by then"
                 if self.forgotten_open else "")
        return [f"{plural(self.forgotten, 'earlier connection')} left out{still}: "
                f"too many to keep (at most {self._most})"]
