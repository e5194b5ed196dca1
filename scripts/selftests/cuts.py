#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Whether all views agree on recordings that lack a part, as most recordings do.

Few people record a connection from its first segment to its last, with every kind on and
nothing lost. So copies of recordings are cut (cut_copy.py), and the views of each copy are
held against each other (agreement.py). A difference names the recording and the cut:
`--cut` makes the same one again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import agreement  # noqa: E402  (what it uses is found through the line above)
from all_told import Told  # noqa: E402
from cut_copy import Cut, Whole, cut_copy  # noqa: E402
from missing import Missing  # noqa: E402
from renoscope_lib.ring.schema import OWN_KINDS  # noqa: E402

# For each cut wanted: one may come twice, and a short recording has few.
TRIES = 20


# ---- choosing

class Chooser:
    """Chooses cuts, the same ones for the same seed."""

    def __init__(self, whole: Whole, seed: int, most_records: int | None = None) -> None:
        self._whole, self._random, self._most = whole, random.Random(seed), most_records
        self._by_kind: dict[str, list[int]] = {}
        for place, event in enumerate(whole.events):
            if event.kind not in OWN_KINDS:
                self._by_kind.setdefault(event.kind, []).append(place)

    def cuts(self, count: int) -> list[Cut]:
        """So many, all of them different; fewer, if there are no more."""
        found: dict[Cut, None] = {}
        makers = (self._suffix, self._prefix, self._lose, self._off)
        for turn in range(count * TRIES if self._by_kind else 0):
            cut = makers[turn % len(makers)]()
            if cut is not None:
                found.setdefault(cut)
            if len(found) == count:
                break
        return list(found)

    def _record(self, within: range) -> int | None:
        """One of any kind: of a rare kind as often as of a frequent one."""
        kinds = {kind: places for kind, all_places in self._by_kind.items()
                 if (places := [place for place in all_places if place in within])}
        return self._random.choice(kinds[self._random.choice(list(kinds))]) if kinds else None

    def _edge(self, within: range) -> int | None:
        """Just before or just behind one."""
        place = self._record(within)
        return None if place is None else min(place + self._random.randrange(2), within[-1])

    def _suffix(self) -> Cut | None:
        first = self._edge(self._whole.may_begin)
        if first is None:
            return None
        return Cut(first, self._end_of(first))

    def _end_of(self, first: int) -> int | None:
        if self._most is None or first + self._most >= len(self._whole.records):
            return None
        return first + self._most

    def _prefix(self) -> Cut | None:
        end = self._edge(self._whole.may_end)
        if end is None:
            return None
        if self._most is None or end <= self._most:
            return Cut(end=end)
        return Cut(end - self._most, end) if end - self._most in self._whole.may_begin else None

    def _window(self) -> Cut | None:
        if self._most is None or len(self._whole.records) <= self._most:
            return Cut()
        return self._suffix()

    def _lose(self) -> Cut | None:
        window = self._window()
        if window is None:
            return None
        place = self._record(range(window.first, self._whole.end_of(window)))
        return None if place is None else window._replace(lost=place)

    def _off(self) -> Cut | None:
        window = self._window()
        if window is None:
            return None
        place = self._record(range(window.first, self._whole.end_of(window)))
        return None if place is None else window._replace(off=self._whole.events[place].kind)


# ---- comparing

class Found(NamedTuple):
    """What comes of comparing the views of cuts."""

    cuts: int
    compared: int
    differences: list[str]


def missing_in(whole: Whole, cut: Cut) -> Missing:
    """What a cut lacks, and what the recording lacked before it was cut."""
    lost = () if cut.lost is None else (whole.events[cut.lost],)
    off = whole.off_between(cut.first, whole.end_of(cut))
    return Missing(off.union([cut.off] if cut.off else []), lost)


def verdict_on(whole: Whole, cut: Cut) -> agreement.Verdict:
    """What comes of comparing the views of one cut; what cannot be told is a difference, too."""
    with tempfile.NamedTemporaryFile(suffix=".renoscope") as file:
        file.write(cut_copy(whole, cut))
        file.flush()
        try:
            return agreement.compare(Told(Path(file.name), missing=missing_in(whole, cut)))
        except Exception as error:  # whatever a view or a comparison raises
            where = traceback.extract_tb(error.__traceback__)[-1]
            return agreement.Verdict({}, [
                f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"])


def compare_cuts(name: str, whole: Whole, cuts: Iterable[Cut]) -> Found:
    """Of one recording; each difference with the cut that shows it."""
    count = compared = 0
    differences = []
    for cut in cuts:
        verdict = verdict_on(whole, cut)
        count += 1
        compared += sum(verdict.compared.values())
        differences += [f"scripts/selftests/cuts.py {name} --cut {cut}: {said}"
                        for said in verdict.disagreements]
    return Found(count, compared, differences)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", nargs="+", type=Path)
    parser.add_argument("--cuts", type=int, default=25, metavar="NUMBER",
                        help="how many of each recording (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (default: %(default)s)")
    parser.add_argument("--records", type=int, metavar="NUMBER",
                        help="cuts of at most so many records, which take less time")
    parser.add_argument("--cut", type=Cut.parse, help="only this one, as a difference names it")
    parser.add_argument("--save", type=Path, metavar="FILE", help="where a copy of it goes")
    return parser.parse_args()


def main() -> int:
    """Compare; the exit code says whether all agree."""
    options = _options()
    if options.save and not options.cut:
        raise SystemExit("cuts.py: --save is for one cut: name it with --cut")
    differences = 0
    for file in options.recording:
        began_s = time.monotonic()
        whole = Whole(file.read_bytes())
        if options.save:
            options.save.write_bytes(cut_copy(whole, options.cut))
        cuts = [options.cut] if options.cut else Chooser(
            whole, options.seed, options.records).cuts(options.cuts)
        found = compare_cuts(str(file), whole, cuts)
        print("\n".join(found.differences + [
            f"{file}: {found.cuts} cuts, compared {found.compared} times, "
            f"{len(found.differences)} differences, {time.monotonic() - began_s:.0f} s"]),
            flush=True)
        differences += len(found.differences)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
