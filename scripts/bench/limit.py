# SPDX-License-Identifier: GPL-2.0
"""The least that recording can cost: the clock read and a record's bytes stored.

For a guest booted with --icount. Loads store_limit.ko (limit/store_limit.c), which
measures it in loops, and tells instructions a record.

    python3 scripts/bench/limit.py out/bench/store_limit/store_limit.ko --output FILE
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "selftests"))

from hosts import run  # noqa: E402  (found through the lines above)

PARAMETERS = Path("/sys/module/store_limit/parameters")


def per_record(told: Mapping[str, int]) -> dict[str, float]:
    """Instructions for a record, the loop itself taken off."""
    def each(name: str) -> float:
        return (told[name] - told["empty_ns"]) / told["rounds"]
    return {"record_bytes": told["record_bytes"], "clock": each("clock_ns"),
            "clock_and_stores": each("clock_and_stores_ns")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Load, read, unload."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", type=Path, help="store_limit.ko")
    parser.add_argument("--output", type=Path, help="where the results go, as JSON")
    options = parser.parse_args(arguments)
    run("insmod", str(options.module))
    told = {file.name: int(file.read_text()) for file in PARAMETERS.iterdir()}
    run("rmmod", "store_limit")
    result = per_record(told)
    print(json.dumps(result))
    if options.output:
        options.output.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
