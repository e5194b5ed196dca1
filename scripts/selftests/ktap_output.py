# SPDX-License-Identifier: GPL-2.0
"""Runs test functions and prints their results as KTAP.

A test is a function whose name begins with test_; its first docstring line is
its title. It passes by returning, skips by raising Skip, fails by raising
anything else. What KTAP is: Documentation/dev-tools/ktap.rst in the kernel.
"""

from __future__ import annotations

import time
import traceback
import types
from collections.abc import Callable


class Skip(Exception):
    """The test cannot be run here; the message says why."""


def comment(text: str) -> None:
    """Say something beside the results, such as what was counted."""
    for line in text.rstrip().splitlines():
        print(f"    # {line}", flush=True)


def _run_one(number: int, test: Callable[[], None]) -> bool:
    title = (test.__doc__ or test.__name__).strip().splitlines()[0].rstrip(".")
    title = title.replace("#", "No. ")
    began = time.monotonic()
    try:
        test()
    except Skip as reason:
        print(f"    ok {number} {title} # SKIP {reason}", flush=True)
        return True
    except Exception:  # whatever a test raises is its failure
        comment(traceback.format_exc())
        print(f"    not ok {number} {title}", flush=True)
        return False
    comment(f"{time.monotonic() - began:.1f} s")
    print(f"    ok {number} {title}", flush=True)
    return True


def _tests_of(module: types.ModuleType) -> list[Callable[[], None]]:
    return [value for name, value in vars(module).items()
            if name.startswith("test_") and callable(value)]


def run_modules(modules: list[types.ModuleType]) -> bool:
    """Run every test of every module; one KTAP subtest block a module."""
    all_passed = True
    print(f"KTAP version 1\n1..{len(modules)}", flush=True)
    for number, module in enumerate(modules, 1):
        name = module.__name__.removesuffix("_test")
        tests = _tests_of(module)
        print(f"    KTAP version 1\n    # Subtest: {name}\n    1..{len(tests)}",
              flush=True)
        results = [_run_one(i, test) for i, test in enumerate(tests, 1)]
        passed = bool(results) and all(results)
        print(f"{'ok' if passed else 'not ok'} {number} {name}", flush=True)
        all_passed &= passed
    return all_passed
