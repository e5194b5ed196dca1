# SPDX-License-Identifier: GPL-2.0
"""A shelf of the cache with what Debian's packages hold: the newest of each series.

What is new to apt is fetched and takes the place of what there was. Where apt offers
nothing or cannot be reached, the newest on the shelf will do.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cache
import debian_packages as debian
from debian_packages import PackageError, say

# Of Debian's kernels, and of their sources.
SERIES = ("6.1", "6.12")


@dataclass(frozen=True)
class Ware:
    """What is wanted, and how it is had; names are those of its folders on the shelf."""

    what: str
    newest: Callable[[], str]           # the name that apt offers, or ''
    fetch: Callable[[Path], None]       # into the folder of that name
    is_one: Callable[[str], bool]       # whether a name is one of this ware


def kept(shelf: Path, ware: Ware) -> Sequence[Path]:
    """What of it is complete on the shelf, newest last."""
    if not shelf.is_dir():
        return []
    found = [path for path in shelf.iterdir() if ware.is_one(path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def _fetch_with_fresh_lists(shelf: Path, ware: Ware, name: str) -> Path:
    """Fetch it; where apt's lists turn out to be old, renew them once."""
    try:
        ware.fetch(shelf / name)
    except PackageError as error:
        say(f"{error}; perhaps apt's lists are old")
        debian.update_lists()
        name = ware.newest() or name
        ware.fetch(shelf / name)
    return shelf / name


def _up_to_date(shelf: Path, ware: Ware) -> Path:
    """What apt offers, from the shelf or fetched."""
    if debian.lists_are_absent():
        debian.update_lists()
    name = ware.newest()
    if not name:
        raise PackageError(
            f"apt offers no {ware.what}: add Debian's main, updates and security suites to "
            "its sources, then run 'apt-get update' as root"
        )
    return shelf / name if (shelf / name).is_dir() else _fetch_with_fresh_lists(
        shelf, ware, name)


def newest(shelf_name: str, ware: Ware) -> Path:
    """Its folder on that shelf; older ones are gone then."""
    shelf = cache.cache_root() / shelf_name
    with cache.one_at_a_time(shelf):
        try:
            current = _up_to_date(shelf, ware)
        except PackageError as error:
            have = kept(shelf, ware)
            if not have:
                raise
            say(f"{error}; using {have[-1].name} from the cache")
            return have[-1]
        for old in kept(shelf, ware):
            if old != current:
                say(f"removing {old.name}, which {current.name} replaces")
                shutil.rmtree(old)
        return current
