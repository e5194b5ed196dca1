# SPDX-License-Identifier: GPL-2.0
"""The laws that stress scenarios judge by: lives that begin and end, and counters."""

from __future__ import annotations

import sys
import unittest
from typing import Any

from . import support
from .support import CLOSED, ESTABLISHED, SCRIPTS, SYN_SENT

sys.path[:0] = [str(SCRIPTS / "stress"), str(SCRIPTS / "selftests")]

import counters  # noqa: E402  (found through the line above)
from lives import Lives  # noqa: E402

FIN_WAIT_2 = 5


def event(kind: str, **values: Any) -> Any:
    """A decoded record; words become their numbers."""
    numbers = {name: _number(name, value) if isinstance(value, str) else value
               for name, value in values.items()}
    return support.schema().decode(support.pack(kind, **numbers))


def _number(field: str, word: str) -> int:
    unit = support.schema().field_named(field).unit
    return next(n for n, name in support.schema().values[unit].items() if name == word)


def _state(cookie: int, old: int, new: int) -> Any:
    return event("state", cookie=cookie, old_state=old, state=new)


WHOLE = [
    event("request", cookie=1),
    event("completed", cookie=1),
    _state(1, ESTABLISHED, CLOSED),
    _state(2, CLOSED, SYN_SENT),
    _state(2, SYN_SENT, ESTABLISHED),
    event("time_wait", cookie=2, time_wait_step="started"),
    _state(2, FIN_WAIT_2, CLOSED),
    event("time_wait_end", cookie=2),
    event("request", cookie=3),
    event("request_end", cookie=3),
]


def _lives(events: list[Any]) -> Lives:
    lives = Lives(support.schema())
    for one in events:
        lives.add(one)
    return lives


class EverythingEnds(unittest.TestCase):
    def test_whole_lives(self) -> None:
        self.assertEqual(_lives(WHOLE).check(), "2 request, 2 socket, 1 time_wait")

    def test_a_cookies_connection_had_no_request(self) -> None:
        self.assertEqual(_lives(WHOLE[1:3]).check(), "1 socket")

    def test_each_end_is_missed(self) -> None:
        for place in (2, 6, 7, 9):
            with self.assertRaisesRegex(AssertionError, "without an end"):
                _lives(WHOLE[:place] + WHOLE[place + 1:]).check()

    def test_each_beginning_is_missed(self) -> None:
        for place in (1, 3, 5, 8):
            with self.assertRaisesRegex(AssertionError, "without"):
                _lives(WHOLE[:place] + WHOLE[place + 1:]).check()

    def test_as_many_may_lack_as_the_kernel_skipped(self) -> None:
        for place in (1, 2, 3, 5, 6, 7, 8, 9):
            self.assertTrue(_lives(WHOLE[:place] + WHOLE[place + 1:]).check(missed=1))
        with self.assertRaisesRegex(AssertionError, "3 without an end.*1 calls of probes"):
            _lives([WHOLE[0], WHOLE[5], WHOLE[8]]).check(missed=1)

    def test_nothing_ends_twice(self) -> None:
        with self.assertRaisesRegex(AssertionError, "without having begun"):
            _lives([*WHOLE, WHOLE[-1]]).check()


class CountersOfANamespace(unittest.TestCase):
    def counted(self, name: str, *events: Any) -> int:
        counts = counters.Counts(support.schema())
        for one in events:
            counts.add(one)
        return counters.COUNTERS[name](counts)

    def test_words_choose_events(self) -> None:
        events = [event("refused", refusal="accept_queue_full"),
                  event("refused", refusal="half_open_queue_full"),
                  event("refused", refusal="half_open_queue_full")]
        self.assertEqual(self.counted("TcpExtListenDrops", *events), 3)
        self.assertEqual(self.counted("TcpExtListenOverflows", *events), 1)
        self.assertEqual(self.counted("TcpExtTCPReqQFullDrop", *events), 2)

    def test_a_retransmission_stands_for_its_segments(self) -> None:
        events = [event("retransmit", retransmit_cause="fast_retransmit",
                        retransmit_segs=2),
                  event("retransmit", retransmit_cause="syn", retransmit_segs=1),
                  event("synack_retransmit", by_timer=1)]
        self.assertEqual(self.counted("TcpRetransSegs", *events), 4)
        self.assertEqual(self.counted("TcpExtTCPSynRetrans", *events), 2)
        self.assertEqual(self.counted("TcpExtTCPFastRetrans", *events), 2)

    def test_a_failed_open_is_one_with_an_error(self) -> None:
        events = [_state(5, SYN_SENT, CLOSED), _state(6, SYN_SENT, CLOSED),
                  event("error", cookie=6, sk_error=111)]
        self.assertEqual(self.counted("TcpAttemptFails", *events), 1)

    def test_time_wait_by_its_length(self) -> None:
        events = [event("time_wait", time_wait_step="started", time_wait_us=us)
                  for us in (60_000_000, 4_000_000)]
        self.assertEqual(self.counted("TcpExtTW", *events), 1)
        self.assertEqual(self.counted("TcpExtTWKilled", *events), 1)


if __name__ == "__main__":
    unittest.main()
