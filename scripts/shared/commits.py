# SPDX-License-Identifier: GPL-2.0
"""Of which commit a result is, and what keeps others from measuring it again.

A plus sign behind a commit: with changes to what is measured that were not committed.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNKNOWN = "unknown"
MEASURED = ("module", "scripts")


def _git(root: Path, *words: str) -> str | None:
    """What git says; None if it fails, or is not there."""
    try:
        done = subprocess.run(["git", *words], cwd=root, text=True, check=False,
                              capture_output=True)
    except OSError:
        return None
    return None if done.returncode else done.stdout.strip()


def current(root: Path = ROOT) -> str:
    """The commit that is checked out."""
    name = _git(root, "rev-parse", "--short", "HEAD")
    if name is None:
        return UNKNOWN
    return name + "+" * bool(_git(root, "status", "--porcelain", *MEASURED))


def is_clean(commit: str) -> bool:
    """Whether all that was measured stands in the commit."""
    return commit != UNKNOWN and not commit.endswith("+")


def told(commit: str, root: Path = ROOT) -> str:
    """In words; where there is no git nobody can say whether it is on this branch."""
    name = commit.rstrip("+")
    remarks = [name]
    if name != commit:
        remarks.append("with changes that are not committed")
    if (name != UNKNOWN and _git(root, "rev-parse", "HEAD") is not None
            and _git(root, "merge-base", "--is-ancestor", name, "HEAD") is None):
        remarks.append("not on this branch")
    return ", ".join(remarks)
