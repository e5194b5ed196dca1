# SPDX-License-Identifier: GPL-2.0
"""Lines, spans and marks in bounded room: what stays, and that holes do."""

import pickle
import random
import unittest

from renoscope_lib.tcp.steps import (MOST_MARKS, MOST_POINTS, MOST_SPANS, Line, Mark, Marks, Span,
                                     Spans, Step)


def line_of(*points: tuple[int, int | None]) -> Line:
    line = Line()
    for time_ns, value in points:
        if value is None:
            line.break_off(time_ns)
        else:
            line.add(time_ns, value)
    return line


class Lines(unittest.TestCase):
    def test_a_value_holds_until_the_next(self) -> None:
        line = line_of((5, 10), (7, 10), (9, 11))
        self.assertEqual(list(line.steps(20)), [Step(5, 9, 10), Step(9, 20, 11)])

    def test_a_hole_has_no_value(self) -> None:
        line = line_of((5, 10), (7, None), (9, 10))
        self.assertEqual(list(line.steps(20)), [
            Step(5, 7, 10), Step(7, 9, None), Step(9, 20, 10)])

    def test_a_hole_before_anything_is_none(self) -> None:
        self.assertEqual(list(line_of((5, None), (9, 1)).steps(9)), [Step(9, 9, 1)])

    def test_time_that_runs_backwards_stands_still(self) -> None:
        line = line_of((9, 1), (5, 2))
        self.assertEqual(list(line.steps(3)), [Step(9, 9, 1), Step(9, 9, 2)])

    def test_thinning_keeps_peaks_and_falls(self) -> None:
        """A peak of one event among a hundred thousand, and a fall; both ends."""
        rolled = random.Random(1)
        line, values = Line(), {}
        for at in range(100_000):
            values[at] = {30_000: 5000, 60_000: 1}.get(at, rolled.randrange(100, 200))
            line.add(at * 1000, values[at])
        self.assertLessEqual(len(line.times), MOST_POINTS)
        line.settle()
        kept = [step.value or 0 for step in line.steps(0)]
        self.assertEqual((max(kept), min(kept)), (5000, 1))
        self.assertEqual((line.times[0], line.times[-1]), (0, 99_999_000))
        for at, value in zip(line.times, line.values):
            self.assertEqual(value, values[at // 1000])

    def test_each_bucket_keeps_its_extremes(self) -> None:
        rolled = random.Random(2)
        line, values = Line(), []
        for at in range(20_000):
            values.append(rolled.randrange(1_000_000))
            line.add(at, values[-1])
        line.settle()
        width = line.bucket_ns
        self.assertGreater(width, 0)
        for first in range(0, 20_000, width):
            bucket = values[first:first + width]
            kept = [value for at, value in zip(line.times, line.values)
                    if first <= at < first + width]
            self.assertEqual((min(kept), max(kept), kept[0], kept[-1]),
                             (min(bucket), max(bucket), bucket[0], bucket[-1]))

    def test_thinning_keeps_a_hole(self) -> None:
        line = Line()
        for at in range(50_000):
            if at == 20_000:
                line.break_off(at * 10 - 9)
            line.add(at * 10, at % 7)
        line.settle()
        holes = [step for step in line.steps(0) if step.value is None]
        self.assertEqual(len(holes), 1)
        self.assertLessEqual(holes[0].began_ns, 200_000)

    def test_nothing_is_thinned_before_it_must(self) -> None:
        line = line_of(*((at, at) for at in range(MOST_POINTS)))
        self.assertEqual((line.bucket_ns, len(line.times)), (0, MOST_POINTS))

    def test_it_is_packed_and_comes_back(self) -> None:
        line = line_of((5, 10), (7, None), (9, 12))
        self.assertEqual(pickle.loads(pickle.dumps(line)), line)


class PhaseSpans(unittest.TestCase):
    def test_spans(self) -> None:
        spans = Spans()
        for at, word in ((1, "a"), (3, "a"), (5, "b")):
            spans.add(at, word)
        spans.break_off(8)
        spans.add(9, "b")
        self.assertEqual(list(spans.spans(12)), [
            Span(1, 5, "a"), Span(5, 8, "b"), Span(8, 9, ""), Span(9, 12, "b")])

    def test_the_shortest_go_first(self) -> None:
        spans = Spans()
        for turn in range(MOST_SPANS):
            spans.add(turn * 1000, "long")
            spans.add(turn * 1000 + 990, "short")
        self.assertLessEqual(len(spans.changes), MOST_SPANS)
        self.assertGreater(spans.shortest_ns, 0)
        first = next(spans.spans(10**9))
        self.assertEqual((first.began_ns, first.word), (0, "long"))

    def test_all_at_once_is_bounded_too(self) -> None:
        spans = Spans()
        for turn in range(3 * MOST_SPANS):
            spans.add(7, "ab"[turn % 2])
        self.assertLessEqual(len(spans.changes), MOST_SPANS)


class LossMarks(unittest.TestCase):
    def test_marks_that_are_joined_are_counted(self) -> None:
        marks = Marks()
        for at in range(10 * MOST_MARKS):
            marks.add(at * 100, "abc"[at % 3])
        marks.settle()
        self.assertLessEqual(len(marks.all), MOST_MARKS)
        for what, count in (("a", 3334), ("b", 3333), ("c", 3333)):
            self.assertEqual(sum(mark.count for mark in marks.all
                                 if mark.what == what), count)

    def test_few_stay_as_they_are(self) -> None:
        marks = Marks()
        marks.add(5, "a")
        marks.add(5, "a")
        marks.settle()
        self.assertEqual(marks.all, [Mark(5, "a"), Mark(5, "a")])
