# SPDX-License-Identifier: GPL-2.0
"""Charts of text."""

import unittest

from renoscope_lib.tcp.steps import Step
from renoscope_lib.views.sparkline import ASCII, UNICODE, Column, Scale, chart, columns


def flat(*values: int) -> list[Column]:
    return [Column(value, value) for value in values]


class Charts(unittest.TestCase):
    def test_one_row(self) -> None:
        self.assertEqual(chart(flat(0, 1, 2, 4, 8), 8, 1, UNICODE), [" ▁▂▄█"])
        self.assertEqual(chart(flat(0, 1, 2, 4, 8), 8, 1, ASCII), [" ..:#"])

    def test_what_is_small_is_seen(self) -> None:
        self.assertEqual(chart(flat(1, 1_000_000), 1_000_000, 1, UNICODE), ["▁█"])

    def test_rows(self) -> None:
        self.assertEqual(chart(flat(4, 8, 12, 16), 16, 2, UNICODE), ["  ▄█", "▄███"])

    def test_a_range_is_full_below_and_shaded_above(self) -> None:
        self.assertEqual(chart([Column(4, 16)], 16, 2, UNICODE), ["░", "▄"])
        self.assertEqual(chart([Column(8, 16)], 16, 2, UNICODE), ["░", "█"])
        self.assertEqual(chart([Column(0, 4)], 16, 2, UNICODE), [" ", "░"])
        self.assertEqual(chart([Column(8, 16)], 16, 2, ASCII), ["|", "#"])

    def test_what_is_not_known_is_empty(self) -> None:
        self.assertEqual(chart([None, Column(8, 8)], 8, 1, UNICODE), [" █"])


class Columns(unittest.TestCase):
    def test_a_column_has_all_that_was_in_it(self) -> None:
        steps = [Step(0, 10, 5), Step(10, 11, 90), Step(11, 20, 7), Step(20, 40, None),
                 Step(40, 50, 3)]
        self.assertEqual(columns(steps, Scale(0, 50, 5)), [
            Column(5, 5), Column(7, 90), None, None, Column(3, 3)])

    def test_the_end_of_a_step_is_the_next_ones(self) -> None:
        self.assertEqual(columns([Step(0, 25, 1), Step(25, 50, 2)], Scale(0, 50, 2)),
                         [Column(1, 1), Column(2, 2)])

    def test_a_moment_only(self) -> None:
        self.assertEqual(columns([Step(5, 5, 1)], Scale(5, 5, 3)),
                         [Column(1, 1), None, None])
