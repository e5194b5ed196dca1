# SPDX-License-Identifier: GPL-2.0
"""Record the textbook's two figures, a timeout and fast recovery, for drawing.

In a guest, with a folder that it may write to:

    K=$(scripts/qemu/fetch-kernel 6.12)
    B=$(scripts/build-module "$K"); mkdir -p out/textbook
    scripts/qemu/boot --kernel "$K" --root host --share out/textbook -- env \\
        RENOSCOPE_MODULE="$B/module/tcp_renoscope.ko" \\
        python3 scripts/bench/record_textbook.py out/textbook
    for figure in timeout fast-recovery; do
        /usr/bin/python3 scripts/renoscope rounds out/textbook/$figure.renoscope \\
            --draw out/textbook/$figure.png --draw out/textbook/$figure.svg
    done
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "selftests"))

import recorder  # noqa: E402  (found through the lines above)
import textbook  # noqa: E402

# How many rounds each shows: the climb, the loss, and what follows.
FIGURES = {"timeout": (textbook.WHOLE_WINDOW, 19),
           "fast-recovery": (textbook.ONE_SEGMENT, 18)}


def _folder(arguments: Sequence[str] | None) -> Path:
    """Where to; what cannot be ends the run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the recordings go")
    folder: Path = parser.parse_args(arguments).folder
    if not folder.is_dir():
        parser.error(f"no such folder: {folder}")
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Play and record both."""
    folder = _folder(arguments)
    for name, (lost, rounds) in FIGURES.items():
        with recorder.Recorder() as it, textbook.bare_hosts() as hosts:
            textbook.play(it, hosts, lost, rounds)
            done = recorder.renoscope(
                "record", str(folder / f"{name}.renoscope"), "--all",
                "--duration", "0.1")
            print(done.stderr, end="")
            if done.returncode:
                raise SystemExit(f"textbook: record ended with {done.returncode}")


if __name__ == "__main__":
    main()
