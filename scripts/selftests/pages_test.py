# SPDX-License-Identifier: GPL-2.0
"""Each page for a task: its scene is played, its commands print what it shows."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import demo
import pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "Documentation"
DEMO_FOLDER = "out/demo"


def _run(command: str, place: Path) -> str:
    """What a command of a page prints."""
    done = subprocess.run(
        ["sh", "-c", command], cwd=place, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, f"{command}: exit {done.returncode}: {done.stdout}"
    return done.stdout


def _check(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)    # like the tree, but for its recordings
        (place / "scripts").symlink_to(ROOT / "scripts")
        (place / DEMO_FOLDER).mkdir(parents=True)
        demo.play(name, place / DEMO_FOLDER)
        assert "scripts/renoscope explain" in demo.ending(name, place / DEMO_FOLDER)
        shown = list(pages.shown_in(PAGES / f"{name}.rst"))
        assert any(DEMO_FOLDER in one.command for one in shown), "the page shows no command"
        for one in shown:
            if not one.command.startswith("make "):
                printed = _run(one.command, place)
                line = pages.missing(one, printed)
                assert line is None, f"{one.command}\nshown: {line}\nprinted:\n{printed}"


def test_handshake() -> None:
    """The page on the handshake shows what its commands print"""
    _check("handshake")


def test_slow_connect() -> None:
    """The page on a slow connect shows what its commands print"""
    _check("slow-connect")


def test_full_backlog() -> None:
    """The page on a full backlog shows what its commands print"""
    _check("full-backlog")


def test_collapsing_window() -> None:
    """The page on a collapsing window shows what its commands print"""
    _check("collapsing-window")


def test_syn_flood() -> None:
    """The page on a SYN flood shows what its commands print"""
    _check("syn-flood")
