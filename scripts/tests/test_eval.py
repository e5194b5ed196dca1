# SPDX-License-Identifier: GPL-2.0
"""The arithmetic of `make eval`."""

import contextlib
import io
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

from . import support

EVAL = support.SCRIPTS / "eval"
sys.path[:0] = [str(EVAL), str(support.SCRIPTS / "qemu")]

from arithmetic import convergence_s, jain, percentile  # noqa: E402
from bottleneck import loss_rules  # noqa: E402
from results import Result, summarize  # noqa: E402
from scenarios import (AGAIN, RFC9406, SCENARIOS, algorithm_of, by_name,  # noqa: E402
                       subjects_of)
from tables import table, targets, text  # noqa: E402
from tally import path_from  # noqa: E402


class Arithmetic(unittest.TestCase):
    def test_jain(self) -> None:
        """RFC 5166, section 2.3: 1 for equal shares, 1/n where one has all."""
        self.assertEqual(jain([5, 5, 5]), 1)
        self.assertAlmostEqual(jain([9, 0, 0]), 1 / 3)
        self.assertAlmostEqual(jain([1, 3]), 0.8)
        self.assertEqual(jain([0, 0]), 0)

    def test_percentile(self) -> None:
        """The nearest rank."""
        values = [5, 1, 4, 2, 3, 6, 7, 8, 9, 10]
        self.assertEqual([percentile(values, p) for p in (0, 10, 50, 95, 100)],
                         [1, 1, 5, 10, 10])
        self.assertEqual(percentile([], 50), 0)

    def test_convergence(self) -> None:
        """Fair, and fair for a while."""
        times = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        self.assertEqual(convergence_s(times, [.5, .95, .5, .95, .95, .95], for_s=2), 4)
        self.assertIsNone(convergence_s(times, [.5, .95, .5, .95, .95, .5], for_s=2))
        self.assertEqual(convergence_s(times, [1, 1, 1, 0, 0, 0], for_s=2), 1)
        self.assertIsNone(convergence_s(times, [.5, 1, 1, 1, 1, 1]))
        self.assertEqual(convergence_s(times, [1, 1, 1, 1, 1, 1]), 1)


def transfer(flow: int, mbit: float, seconds: int, began: float = 0.0) -> dict[str, object]:
    """A flow at an even rate, sampled each second."""
    return {"flow": flow, "algorithm": "x", "began_s": began, "ended_s": None,
            "total_bytes": 0, "retrans_bytes": 1000 * flow,
            "acked": [(at, int((at - began) * mbit * 125e3)) for at in range(seconds + 1)
                      if at >= began], "rtt_us": [40_000] * 9 + [90_000]}


class Results(unittest.TestCase):
    def test_shares_are_of_the_subjects_own_flow(self) -> None:
        result = summarize({"scenario": "share-reno-1bdp", "subject": "cubic",
                            "timeouts": 3, "transfers": [transfer(0, 5, 40),
                                                         transfer(1, 15, 40, began=5)]})
        self.assertAlmostEqual(result.jain or 0, jain([5, 15]), 3)
        self.assertAlmostEqual(result.subject_mbit, 15, 1)
        self.assertEqual((result.retrans_bytes, result.timeouts), (1000, 3),
                         "of the subject's own flow alone")
        self.assertEqual((result.rtt_p50_ms, result.rtt_p95_ms), (40, 90))
        self.assertIsNone(result.convergence_s)

    def test_a_transfer_has_a_time_and_no_share(self) -> None:
        done = {**transfer(0, 8, 3), "total_bytes": 3_000_000, "ended_s": 3.0}
        result = summarize({"scenario": "start-10M-50ms-1bdp", "subject": "reno",
                            "timeouts": 0, "transfers": [done]})
        self.assertEqual(result.completion_s, (3.0,))
        self.assertIsNone(result.jain)


def start(subject: str, sent_again: int, seconds: float, depth: str = "1") -> Result:
    """One transfer."""
    flow = {**transfer(0, 8, 3), "total_bytes": 3_000_000, "ended_s": seconds,
            "retrans_bytes": sent_again}
    return summarize({"scenario": f"start-10M-50ms-{depth}bdp", "subject": subject,
                      "timeouts": 0, "transfers": [flow]})


class Targets(unittest.TestCase):
    def told(self, *modern: Result) -> str:
        return targets([start("reno", 1000, 2.0), start("reno", 9, 2.0, "4"), *modern])

    def test_a_target_that_is_met(self) -> None:
        told = self.told(start("reno_modern", 500, 2.04))
        self.assertIn("at most half sent again: in 1 of 1", told)
        self.assertIn("at most 2 % longer: in 1 of 1", told)
        self.assertIn("reno_modern, one transfer, 1 BDP     "
                      "0.500 to 0.500, median 0.500   0.500  1.020 to 1.020", told)

    def test_a_target_that_is_just_missed(self) -> None:
        told = self.told(start("reno_modern", 501, 2.041))
        self.assertIn("at most half sent again: in 0 of 1", told)
        self.assertIn("at most 2 % longer: in 0 of 1", told)

    def test_unfinished_is_no_gain(self) -> None:
        done = {**transfer(0, 8, 3), "total_bytes": 3_000_000, "retrans_bytes": 9000}
        never = summarize({"scenario": "start-10M-50ms-1bdp", "subject": "reno_modern",
                           "timeouts": 0, "transfers": [done]})
        told = targets([start("reno", 0, 2.0), start("reno", 9000, 2.0, "4"), never])
        self.assertIn("30.000 to 30.000, median 30.000", told)
        self.assertIn("unfinished", table("start", [never]))

    def test_nothing_sent_again_by_reno_still_counts_in_all(self) -> None:
        results = [start("reno", 0, 2.0), start("reno_modern", 500, 2.0)]
        for rate, subject, sent in ((30, "reno", 1000), (30, "reno_modern", 500)):
            flow = {**transfer(0, 8, 3), "total_bytes": 1, "ended_s": 2.0,
                    "retrans_bytes": sent}
            results.append(summarize({"scenario": f"start-{rate}M-50ms-1bdp",
                                      "subject": subject, "timeouts": 0,
                                      "transfers": [flow]}))
        self.assertIn("0.500 to 0.500, median 0.500   1.000", targets(results))

    def test_other_buffers_do_not_count(self) -> None:
        told = self.told(start("reno_modern", 9, 9.0, "4"))
        self.assertIn("at most half sent again: not measured", told)

    def test_fairness_is_judged_by_each_depth(self) -> None:
        shares = [summarize({"scenario": f"share-reno-{depth}bdp", "subject": "reno_modern",
                             "timeouts": 0, "transfers": [
                                 transfer(0, 10, 40), transfer(1, mbit, 40, began=5)]})
                  for depth, mbit in (("1", 10), ("4", 30))]
        self.assertIn("at least 0.95: in 1 of 2 1.000 0.800", targets(shares))

    def test_algorithms_stand_side_by_side(self) -> None:
        told = text([start("reno", 1, 2.0)] + [summarize({
            "scenario": "long-1bdp", "subject": subject, "timeouts": 0,
            "transfers": [transfer(0, mbit, 20)]})
            for subject, mbit in (("reno", 8), ("cubic", 12))])
        self.assertIn("one long flow, Mbit/s  reno  cubic\n"
                      "long-1bdp              8.00  12.00\n", told)

    def test_each_algorithm_has_a_line(self) -> None:
        lines = table("start", [start("reno", 1000, 2.0),
                                start("reno_modern", 5000, 2.1)]).splitlines()
        self.assertEqual([line.split()[:4] for line in lines[1:]],
                         [["start-10M-50ms-1bdp", "reno", "2.000", "1"],
                          ["reno_modern", "2.100", "5", "0"]])


def the_command() -> types.ModuleType:
    """scripts/eval/run."""
    return support.load_script(EVAL / "run")


class Command(unittest.TestCase):
    def test_without_matplotlib_it_says_which_python_has_it(self) -> None:
        command, said = the_command(), io.StringIO()
        missing = ModuleNotFoundError(name="matplotlib")
        with mock.patch.object(command.plots, "draw", side_effect=missing), \
                contextlib.redirect_stderr(said):
            command._draw([])
        self.assertIn("matplotlib is missing: apt-get install python3-matplotlib, and "
                      "run it again with /usr/bin/python3 scripts/eval/run",
                      said.getvalue())


class Playing(unittest.TestCase):
    def test_a_guest_that_fails_loses_no_others_runs(self) -> None:
        command, said = the_command(), io.StringIO()

        def play(_build: object, words: list[str]) -> list[dict[str, str]]:
            if "c" in words:
                raise RuntimeError("the guest ended with 1")
            return [{"scenario": word, "subject": "reno"} for word in words]

        with (tempfile.TemporaryDirectory() as folder,
              mock.patch.multiple(command, _play=play, PER_GUEST=2),
              contextlib.redirect_stdout(said)):
            file = Path(folder) / "runs.jsonl"
            command._play_all(None, "of now", list("abcdef"), file)
            kept = command._read(file, "of now")
        self.assertEqual(sorted(kept), ["a:reno", "b:reno", "e:reno", "f:reno"])
        self.assertIn("the guest ended with 1", said.getvalue())

    def test_what_cannot_be_built_ends_it_in_one_line(self) -> None:
        command, said = the_command(), io.StringIO()
        with (tempfile.TemporaryDirectory() as folder,
              mock.patch.multiple(command, OUT=Path(folder),
                                  path_from=lambda *_: path_from("false")),
              mock.patch.object(sys, "argv", ["run"]), contextlib.redirect_stderr(said)):
            self.assertEqual(command.main(), 1)
        self.assertEqual(said.getvalue(), "eval: false failed; it says above why\n")

    def test_what_a_guest_lost_of_a_line_fails_its_run(self) -> None:
        """Whether it failed, or the console mixed it with the kernel's."""
        command = the_command()
        build = command.Build("kernel", "module")
        for code, shown in ((1, 'eval {"scen'), (0, 'eval {"scen[   1.2] kernel words')):
            done = subprocess.CompletedProcess([], code, f"before\n{shown}\n")
            with mock.patch.object(command.subprocess, "run", return_value=done), \
                    self.assertRaisesRegex(RuntimeError, f"a:x: the guest ended with {code}"):
                command._play(build, ["a:x"])


class Scenarios(unittest.TestCase):
    def test_some_subjects_play_single_transfers_alone(self) -> None:
        self.assertEqual([algorithm_of(subject) for subject in subjects_of("start")],
                         ["reno", "reno", "renoscope", "renoscope", "reno_modern",
                          "cubic", "bbr"])
        self.assertFalse({AGAIN, RFC9406} & set(subjects_of("long")))

    def test_names_are_their_own(self) -> None:
        names = [scenario.name for scenario in SCENARIOS]
        self.assertEqual(len(set(names)), len(names))
        self.assertIs(by_name(names[3]), SCENARIOS[3])

    def test_nft_takes_the_rules_that_lose(self) -> None:
        done = subprocess.run(["unshare", "-rn", "nft", "--check", loss_rules(1000)],
                              text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_buffer_is_a_share_of_the_path(self) -> None:
        path = by_name("start-30M-50ms-0.25bdp").path
        self.assertEqual((path.bdp_bytes, path.buffer_bytes), (187_500, 46_875))


if __name__ == "__main__":
    unittest.main()
