# SPDX-License-Identifier: GPL-2.0
"""Whether a folder is our own: nobody else, but root, can change what there is in it.

Whoever may write in a folder can put there, under the names that another is about to
use, links, folders and recordings of his own, and take away what he likes; the sticky
bit forbids him no more than the last.  Of the folders above, whoever may write in one
can put another folder in the place of this one, unless that bit is set.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

ACL = "system.posix_acl_access"


def _user(uid: int) -> str:
    with suppress(KeyError):
        return f"user {pwd.getpwuid(uid).pw_name}"
    return f"user {uid}"


def _group(gid: int) -> str:
    with suppress(KeyError):
        return f"group {grp.getgrgid(gid).gr_name}"
    return f"group {gid}"


def _has_acl(folder: Path) -> bool:
    """Then the group's bits of its mode are those of all whom the list names."""
    with suppress(OSError):
        os.getxattr(folder, ACL)
        return True
    return False


def _others(folder: Path, mode: int, gid: int) -> str:
    """Who, besides its owner, may write in it; "" if nobody but root."""
    if mode & stat.S_IWOTH:
        return "everybody"
    if mode & stat.S_IWGRP and gid:
        return _group(gid)
    if mode & stat.S_IWGRP and _has_acl(folder):
        return "whoever its access list names"
    return ""


def _who_else(found: os.stat_result, folder: Path, is_above: bool) -> str:
    """Who, besides root and us, may change which folder or file has a name in it."""
    if found.st_uid not in (0, os.geteuid()):
        return _user(found.st_uid)
    if is_above and found.st_mode & stat.S_ISVTX:
        return ""
    return _others(folder, found.st_mode, found.st_gid)


def why_not_own(folder: Path) -> str:
    """Who else may write where, of a folder that no link leads to; "" if nobody."""
    for place in (folder, *folder.parents):
        found = place.stat()
        if who := _who_else(found, place, is_above=place != folder):
            return f"{who} may write in {place} (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""
