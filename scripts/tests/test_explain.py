# SPDX-License-Identifier: GPL-2.0
"""The whole of explain: summary, choice, what is unknown, text and JSON."""

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any

from renoscope_lib.explain import (
    explain, rules_on_challenges, rules_on_ends, rules_on_losses, rules_on_opening,
    rules_on_pace, rules_on_receiving, rules_on_windows)
from renoscope_lib.explain.explain_text import Typed, as_json, as_text, coloured
from renoscope_lib.explain.finding import FINE, NUMBERS, RULES, Subject, added, brief, spelled
from renoscope_lib.output.json_pieces import json_pieces
from renoscope_lib.ring.schema import Event
from renoscope_lib.ring.stats import parse_stats
from renoscope_lib.tcp.wanted import Filter
from renoscope_lib.views import handshakes_text, outcomes, own_limit, pace
from renoscope_lib.views.handshakes import Handshakes
from renoscope_lib.words import share

from . import support
from .explain_scene import Case, Life, findings
from .handshake_scene import ListenerScene
from .support import SCRIPTS, SECOND, feed, number_of


class Words(unittest.TestCase):
    def test_durations_are_rounded_to_what_one_remembers(self) -> None:
        for us, words in ((0, "0 us"), (999, "999 us"), (1500, "1.5 ms"),
                          (40_000, "40 ms"), (320_000, "320 ms"),
                          (999_900, "1 s"), (1_000_000, "1 s"),
                          (25_400_000, "25.4 s"), (127_000_000, "127 s")):
            self.assertEqual(brief(us), words)

    def test_many_waits_leave_out_the_middle(self) -> None:
        self.assertEqual(added([1_006_000, 2_016_000]), "1 s + 2 s")
        self.assertEqual(added([1_000_000 << n for n in range(8)]),
                         "1 s + 2 s + 4 s + ... + 128 s")

    def test_numbers_up_to_twelve_are_words(self) -> None:
        self.assertEqual(spelled(1, "SYN"), "one SYN")
        self.assertEqual(spelled(2, "SYN"), "two SYNs")
        self.assertEqual(spelled(13, "SYN"), "13 SYNs")

    def test_a_share_never_rounds_to_none_or_all(self) -> None:
        self.assertEqual([share(part, 1000) for part in
                          (0, 0.01, 2.6, 11, 110, 991, 999.99, 1000)],
                         ["0%", "under 0.01%", "0.26%", "1.1%", "11%", "99.1%", "99.9%",
                          "100%"])
        self.assertEqual(share(1, 0), "0%")


class Summary(Case):
    def slow(self, n: int, second_wait_s: float = 2) -> list[Event]:
        life = Life(self.scene, 0x100 + n, 41000 + n)
        at_s = n / 100
        return [life.connects(at_s), life.syn_again(at_s + 1, 1),
                life.syn_again(at_s + 1 + second_wait_s, 2),
                life.change(at_s + 1.04 + second_wait_s, "SYN-SENT",
                            "ESTABLISHED")]

    def text(self, *events: Event, end_s: float | None = None, **more: Any) -> str:
        return "\n".join(as_text(self.explained(
            *sorted(events, key=lambda e: e["time_ns"])),
            self.end_ns(end_s), **more))

    def test_what_several_share_comes_first(self) -> None:
        text = self.text(*(e for n in range(12) for e in self.slow(n)),
                         *self.life.opens(20))
        first, second, third, *_ = text.splitlines()
        self.assertEqual(
            f"{first} {second.strip()}",
            "TROUBLE     slow to connect: 12 connections to 10.77.0.2:5000, 3 s "
            "each: two SYNs without an answer")
        self.assertEqual(third, "fine        nothing wrong with 1 connection")

    def test_costs_that_differ_are_a_range_and_a_sum(self) -> None:
        text = " ".join(self.text(*self.slow(0), *self.slow(1, 5)).split())
        self.assertIn("2 connections to 10.77.0.2:5000, 3 s to 6 s, 9.1 s in all:",
                      text)

    def test_a_group_tells_how_many_are_of_each_severity(self) -> None:
        events = []
        for cookie, wait_s in ((0x20, 0.3), (0x21, 1.0), (0x22, 1.0)):
            life = Life(self.scene, cookie)
            events += [life.connects(), life.syn_again(wait_s, wait_s),
                       life.change(wait_s + 0.04, "SYN-SENT", "ESTABLISHED")]
        self.assertIn("TROUBLE     slow to connect: 3 connections (2 TROUBLE, 1 "
                      "noteworthy) to 10.77.0.2:5000,",
                      re.sub(r"\n +", " ", self.text(*events)))
        data = as_json(self.explained(*sorted(events, key=lambda e: e["time_ns"])), None)
        list(data["reports"])
        group = next(iter(data["summary"]))
        self.assertEqual(group["by_severity"], {"trouble": 2, "noteworthy": 1})

    def test_the_worst_is_told_first(self) -> None:
        life = self.life
        text = self.text(*self.slow(0), *self.slow(1, 7), life.connects(),
                         life.change(0.6, "SYN-SENT", "ESTABLISHED"))
        order = [line.split()[0] for line in text.splitlines()
                 if line.startswith("sk:")]
        self.assertEqual(order, ["sk:101", "sk:100", "sk:5"])

    def test_more_than_the_limit_is_counted(self) -> None:
        events = [e for n in range(12) for e in self.slow(n)]
        self.assertEqual(self.text(*events, limit=3).count("\nsk:"), 3)
        self.assertIn("... and 9 more: --limit 0 shows all",
                      self.text(*events, limit=3))
        self.assertEqual(self.text(*events, limit=0).count("\nsk:"), 12)

    def test_both_ends_of_one_connection_are_said_to_be_that(self) -> None:
        """Whether they have trouble, or both are fine."""
        def far(events: list[Event]) -> list[Event]:
            return [replace(event, values=event.values | {
                "cookie": 1 + event["cookie"], "netns": 9} | {
                f"{end}_{what}": event[f"{other}_{what}"] for what in ("addr", "port")
                for end, other in (("local", "remote"), ("remote", "local"))} | {
                "snd_isn": event["rcv_isn"], "rcv_isn": event["snd_isn"]})
                for event in events]
        fine = Life(self.scene, 0x300, 42000).opens(5)
        slow = [*self.slow(0), *self.slow(2)]
        sides = (": `to` lines are of the one that connected, `at` lines of the one that "
                 "accepted")
        for events, words in (
                ([*slow, *fine], ""),
                ([*slow, *fine, *far(fine)], f"1 connection (sk:300 and sk:301){sides}"),
                ([*fine, *far(fine)], "1 connection (sk:300 and sk:301)"),
                ([*fine, *far([replace(event, values=event.values | {"snd_isn": 77})
                               for event in fine])], ""),   # the same ports, later
                ([*slow, *far(slow)], "2 connections (sk:100 and sk:101, sk:102 and sk:103)"
                 + sides),
                ([e for n in range(5) for e in (*self.slow(2 * n), *far(self.slow(2 * n)))],
                 "5 connections (sk:100 and sk:101, sk:102 and sk:103, sk:104 and sk:105, "
                 f"sk:106 and sk:107 and 1 more){sides}")):
            text = self.text(*events).replace("\n", " ")
            said = re.findall(r"Both ends of (.*?\)), and each end is counted(.*?)\.", text)
            self.assertEqual(["".join(one).replace(" were recorded", "") for one in said],
                             [words] if words else [])

    def test_beside_trouble_many_fine_ones_are_only_counted(self) -> None:
        fine = [e for n in range(3) for e in Life(self.scene, 0x300 + n, 42000 + n).opens(n)]
        hint = " (-v tells of each)"
        for events, words, shown in (
                (self.slow(0) + fine, f"wrong with 3 connections{hint}\n", ["sk:100"]),
                (self.slow(0) + fine[:4], "wrong with 2 connections\n",
                 ["sk:100", "sk:300", "sk:301"]),
                (fine, "wrong with 3 connections\n", ["sk:300", "sk:301", "sk:302"])):
            text = self.text(*events)
            self.assertIn(words, text)
            self.assertEqual(re.findall(r"(?m)^sk:\w+", text), shown)
        for told in ({"verbose": True}, {"limit": 0}):
            text = self.text(*self.slow(0), *fine, **told)
            self.assertEqual(len(re.findall(r"(?m)^sk:\w+", text)), 4)
            self.assertNotIn(hint, text)
        text = self.text(*self.slow(0), *self.slow(1), *fine, limit=1)
        self.assertIn("... and 1 more: --limit 0", text)

    def test_text_fits_eighty_columns(self) -> None:
        for line in self.text(*self.slow(0), verbose=True,
                              typed=Typed(file="a.renoscope")).splitlines():
            self.assertLess(len(line), 80)

    def test_a_number_stays_with_its_unit(self) -> None:
        for n in range(12):
            text = self.text(*self.slow(0, 2 + 10**n / 1e6), verbose=True)
            self.assertNotRegex(text, r"\d\n +(us|ms|s)\b")

    def test_evidence_is_cut_but_for_v(self) -> None:
        life = self.life
        events = [life.connects(),
                  *(life.syn_again(n, 1) for n in range(1, 7)),
                  life.change(7, "SYN-SENT", "ESTABLISHED")]
        self.assertIn("(4 more: -v)", self.text(*events))
        self.assertIn("attempt 6", self.text(*events, verbose=True))
        self.assertNotIn("attempt 6", self.text(*events))

    def test_next_step_can_be_pasted(self) -> None:
        for file, words in (("two words", "'two words' "), (None, ""), ("-", "FILE ")):
            self.assertIn(
                f"next: ../renoscope handshakes {words}--connection 100 --steps\n",
                self.text(*self.slow(0), typed=Typed("../renoscope", file)))

    def test_every_command_has_a_line_of_its_own(self) -> None:
        """Whole, and with nothing before or behind it."""
        life = self.life
        shown = self.text(*life.opens(), life.reset_received(1),
                          life.change(1, "ESTABLISHED", "CLOSED"),
                          typed=Typed(file="of a very long name indeed.renoscope"))
        line = next(line for line in shown.splitlines() if "renoscope show" in line
                    and "Times count" not in line)
        self.assertEqual(line.split(maxsplit=1)[0], "renoscope")
        self.assertTrue(line.endswith(
            "renoscope show 'of a very long name indeed.renoscope' --connection 5"))
        self.assertIn("next: did the peer's program end it (its log), or", shown)

    def test_colours_change_no_word(self) -> None:
        plain = self.text(*self.slow(0), *self.life.opens(20)).splitlines()
        lines = list(coloured(plain))
        self.assertEqual([line for line, before in zip(lines, plain)
                          if line == before and "TROUBLE  " in before], [])
        self.assertEqual(re.sub(r"\033\[[0-9;]*m", "", "\n".join(lines)),
                         "\n".join(plain))

    def test_only_who_was_asked_for_is_told(self) -> None:
        events = [*self.slow(0), *self.slow(1)]
        text = self.text(*events, wanted=Filter(cookie=0x101))
        self.assertNotIn("sk:100 ", text)
        self.assertIn("sk:101 ", text)
        self.assertIn("sk:100 ", self.text(*events, wanted=Filter(port=41000)))
        self.assertIn("No connection with port 7 was seen; 2 others were",
                      self.text(*events, wanted=Filter(port=7)))
        self.assertEqual(self.text().splitlines(), ["No connection was seen."])


class Unknown(Case):
    """Nothing is claimed that was not looked at."""

    def test_kinds_that_were_off_are_not_judged(self) -> None:
        life = self.life
        view = self.explained(*life.opens(), events="state ack")
        told, = findings(view)
        self.assertTrue(told.sentence.startswith(
            "nothing wrong in what was recorded: connected in 40 ms, still"),
            told.sentence)
        self.assertIn("not recorded (rto), so not known: retransmission timeouts",
                      view.unknown())

    def test_with_all_kinds_on_nothing_is_unknown(self) -> None:
        life = self.life
        view = self.explained(*life.opens())
        told, = findings(view)
        self.assertEqual(told.sentence, (
            "nothing wrong: connected in 40 ms, nothing sent again, no window "
            "closed, still ESTABLISHED"))
        self.assertEqual(view.unknown(), [])

    def test_a_loss_is_said(self) -> None:
        life = self.life
        view = self.explained(*life.opens(),
                              self.scene.event("lost", lost_events=7))
        told, = findings(view)
        self.assertIn("nothing wrong in what was recorded (7 events lost)",
                      told.sentence)
        self.assertIn("7 events LOST", view.gaps.remarks()[0])

    def test_a_time_that_was_not_recorded_is_not_judged(self) -> None:
        """An hour that nobody saw may have hidden something; not from later ones."""
        def marks(*causes: str) -> list[Event]:
            return [self.scene.event(
                "mark", at_s * SECOND, cookie=0, kinds_on=2**64 - 1,
                mark_cause=number_of("mark_cause", cause))
                for at_s, cause in zip((2, 3600), causes)]
        for gap in (marks("frozen", "thawed"), marks("filter")):
            told, = findings(self.explained(*self.life.opens(), *gap,
                                            *self.life.closes(3601)))
            self.assertTrue(told.sentence.startswith(
                "nothing wrong in what was recorded: connected"), told.sentence)
        told, = findings(self.explained(*marks("frozen", "thawed"),
                                        *self.life.opens(7200)))
        self.assertTrue(told.sentence.startswith("nothing wrong: "), told.sentence)

    def test_calls_that_a_probe_missed_are_not_judged(self) -> None:
        view = self.explained(*self.life.opens())
        view.gaps.see_sources([parse_stats(support.stats_text(
            "source accepted inet_csk_accept attached, missed 12 calls"))])
        told, = findings(view)
        self.assertIn("nothing wrong in what was recorded: ", told.sentence)

    def test_without_its_beginning_that_is_said(self) -> None:
        told, = findings(self.explained(self.life.acked(1)))
        self.assertIn("as far as it was seen (its beginning was not seen)",
                      told.sentence)

    def test_frozen_is_the_end(self) -> None:
        """Nobody stands in CLOSE-WAIT for what nobody watched."""
        life = self.life
        events = [*life.opens(), life.change(1, "ESTABLISHED", "CLOSE-WAIT"),
                  self.scene.event("mark", 2 * SECOND, cookie=0, mark_cause=(
                      number_of("mark_cause", "frozen")), kinds_on=2**64 - 1)]
        self.assertNotIn("close-wait-long", self.found(*events, end_s=100))

    def test_openings_know_of_kinds_switched_on_later(self) -> None:
        """Views that are not fed every event count marks all the same."""
        life = self.life
        off = 2**64 - 1 & ~(1 << next(
            n for n, kind in support.schema().kinds.items()
            if kind == "retransmit"))
        view = self.explained(
            life.acked(0.1),
            self.scene.event("mark", SECOND, cookie=0, kinds_on=off,
                             mark_cause=number_of("mark_cause", "events")),
            *life.opens(2, took_s=0.8))
        slow, = (f for f in findings(view) if f.rule == "connect-slow")
        self.assertIn("retransmit was not recorded", slow.sentence)


class Programs(Case):
    def test_json_has_the_finding_its_group_and_the_loss(self) -> None:
        life = self.life
        view = self.explained(life.connects(), life.syn_again(1, 1),
                              life.change(1.04, "SYN-SENT", "ESTABLISHED"))
        whole = json.loads("".join(json_pieces(as_json(view, None))))
        report, = whole["reports"]
        finding, = report["findings"]
        self.assertEqual(
            (finding["rule"], finding["severity"], finding["connection"],
             finding["cost_us"], finding["opened_by"], finding["began_ns"]),
            ("connect-slow", "trouble", "sk:5", 1_040_000, "us",
             self.scene.start_ns))
        group, = whole["summary"]
        self.assertEqual((group["rule"], group["count"], group["total_us"]),
                         ("connect-slow", 1, 1_040_000))
        self.assertEqual(whole["lost_events"], 0)

    def test_fine_is_in_json_too(self) -> None:
        view = self.explained(*self.life.opens())
        whole = json.loads("".join(json_pieces(as_json(view, None))))
        self.assertEqual(whole["reports"][0]["findings"][0]["severity"], FINE)

    def test_a_service_is_the_side_that_did_not_open(self) -> None:
        ends = 5, 1, "10.0.0.1:4000", "10.0.0.2:443"
        self.assertEqual([Subject(*ends, by).service for by in
                          ("us", "peer", None)],
                         ["to 10.0.0.2:443", "at 10.0.0.1:4000",
                          "with 10.0.0.2"])


class Command(unittest.TestCase):
    def run_it(self, file: bytes, *options: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "it.renoscope")
            path.write_bytes(file)
            return subprocess.run(
                [sys.executable, str(SCRIPTS / "renoscope"), "explain",
                 str(path), *options], capture_output=True, text=True,
                check=False)

    def records(self) -> bytes:
        scene = support.Scene()
        whole = {"snd_isn": 7, "rcv_isn": 9}
        return b"".join((
            scene.pack("state", 0, state=number_of("state", "SYN-SENT"),
                       old_state=number_of("state", "CLOSED"), **whole),
            scene.pack("state", SECOND, state=number_of("state", "ESTABLISHED"),
                       old_state=number_of("state", "SYN-SENT"), **whole)))

    def test_text_and_json_come_from_a_recording(self) -> None:
        file = support.recording(self.records())
        done = self.run_it(file)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("connect() took 1 s", done.stdout)
        done = self.run_it(file, "--json", "--connection", "5")
        self.assertEqual(len(json.loads(done.stdout)["reports"]), 1)

    def pasted(self, typed: str, folder: Path, path: str) -> tuple[str, str]:
        """What it proposes, and what that prints where it is pasted."""
        def shell(command: str) -> str:
            return subprocess.run(
                ["sh", "-c", command], cwd=folder, capture_output=True, text=True,
                env={"PATH": path}, check=True).stdout
        step = next(line for line in shell(typed).splitlines() if "next: " in line)
        command = step.partition("next: ")[2]
        return command, shell(command)

    def test_a_next_step_works_as_the_command_was_run(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "here")
            folder.mkdir()
            (folder.parent / "my files").mkdir()
            (folder.parent / "my files/it.renoscope").write_bytes(
                support.recording(self.records()))
            (folder / "bin").mkdir()
            (folder / "bin/renoscope").symlink_to(SCRIPTS / "renoscope")
            for command, path in (("bin/renoscope", ""), ("../here/bin/renoscope", ""),
                                  ("renoscope", f"{folder}/bin:")):
                with self.subTest(command):
                    step, printed = self.pasted(
                        f"{command} explain '../my files/it.renoscope'",
                        folder, path + os.environ["PATH"])
                    self.assertEqual(
                        step, f"{command} handshakes '../my files/it.renoscope' "
                        "--connection 5 --steps")
                    self.assertIn("sk:5", printed)

    def test_what_there_is_of_a_cut_recording_is_told(self) -> None:
        """What there is is told, and that it is not all."""
        done = self.run_it(support.recording(self.records())[:-10])
        self.assertEqual(done.returncode, 2)
        self.assertIn("connect() took 1 s", done.stdout)
        self.assertTrue(done.stderr.startswith("renoscope: "))

    def test_hostile_numbers_end_in_words(self) -> None:
        """Values that no kernel writes end in words, not in a traceback."""
        scene = support.Scene()
        most = {"u8": 255, "u16": 65535, "u32": 2**32 - 1, "u64": 2**64 - 1}
        blob = b""
        for kind, _ in support.source().kinds:
            places = {f.name: most[f.type] for f in support.source().fields
                      if f.scope in ("all", kind) and f.type in most
                      and f.name not in ("kind", "serial", "lost_events")}
            if kind != "lost":
                for at_ns in (0, -10**12, 5):
                    blob += scene.pack(kind, **{
                        **places, "time_ns": scene.start_ns + at_ns,
                        "cpu": 0, "state": 1})
        done = self.run_it(support.recording(blob))
        self.assertNotIn("Traceback", done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)


def documented_thresholds() -> dict[str, tuple[str, ...]]:
    """What the table says each rule takes, in its words."""
    def seconds(us: float) -> str:
        return f"{us / 1e6:g} s"

    parts = {1 / 10: "10%", 1 / 2: "half of the", 4 / 5: "four fifths",
             3: "a third", 4: "a quarter", 8: "an eighth"}
    losses, challenges = rules_on_losses, rules_on_challenges
    opening, receiving, ends = rules_on_opening, rules_on_receiving, rules_on_ends
    sender, windows = rules_on_pace, rules_on_windows
    slow = seconds(outcomes.SLOW_US)
    very_slow = f"TROUBLE from {seconds(opening.TROUBLE_US)} on"
    stood = f"TROUBLE from {seconds(windows.LONG_US)} on"
    hangs = seconds(ends.HANGS_US)
    known = f"where {seconds(sender.WORTH_NS / 1000)} are known"
    return {
        "connect-slow": (slow, very_slow),
        "connect-waiting": (very_slow,),
        "accept-slow": (slow, very_slow),
        "timeouts": (f"TROUBLE from {seconds(losses.LONG_WAIT_US)}",
                     f"from {NUMBERS[losses.MANY_TIMEOUTS]} timeouts on"),
        "losses": (f"TROUBLE from {losses.HIGH_RATE:.0%} on, if "
                   f"{NUMBERS[losses.ENOUGH_LOST]} segments or more were",),
        "cwnd-collapsed": (f"from {NUMBERS[losses.WAS_A_WINDOW]} segments",
                           parts[losses.DEEP_FALL]),
        "dropped-on-arrival": (f"TROUBLE from {NUMBERS[losses.MANY_DROPPED]} on",),
        "mtu-black-hole": (f"{NUMBERS[losses.MANY_TIMEOUTS]} timeouts or more",),
        "came-with-gaps": (f"{seconds(receiving.WORTH_NS / 1000)} in all",
                           f"TROUBLE from {seconds(receiving.LONG_NS / 1000)} on"),
        "arrived-not-taken": (f"TROUBLE from {NUMBERS[receiving.SEVERAL]} on",),
        "we-limit-the-peer": (
            f"{parts[receiving.MOSTLY]} round trips",
            f"for {seconds(receiving.HELD_NS / 1000)} at least",
            f"{NUMBERS[own_limit.SEGMENTS_LEFT]} segments", parts[own_limit.PART_LEFT]),
        "stood-still": (stood,),
        "made-peer-wait": (stood,),
        "receiver-limited": (f"{parts[sender.MOSTLY]} time", known,
                             f"and {seconds(sender.WORTH_NS / 2000)} at least"),
        "cwnd-limited": (parts[pace.TSO_WAITS_BELOW],
                         f"from {parts[sender.REPAIRS_WORTH]} of the time on"),
        "silent": (parts[sender.NEARLY_ALL],
                   f"{seconds(sender.WORTH_NS / 1000)} at least"),
        "application-limited": (f"{parts[sender.MOSTLY]} time",
                                f"{seconds(sender.WORTH_NS / 1000)} at least"),
        "bufferbloat": (
            f"srtt {NUMBERS[pace.GROWN_FACTOR]} times", f"{pace.GROWN_US // 1000} ms more",
            f"{pace.GROWN_SEGMENTS} segments", f"for {seconds(sender.GROWN_FOR_NS / 1000)}",
            f"TROUBLE from {NUMBERS[sender.MUCH_GROWN_FACTOR]} times on"),
        "long-path": (f"under {seconds(sender.LONG_RTT_US)}",
                      f"under {seconds(sender.SYN_TIMEOUT_US)}"),
        "unsent": (f"TROUBLE from {seconds(sender.LONG_UNSENT_NS / 1000)} on",),
        "challenged": (f"{NUMBERS[challenges.FEW + 1]} or more",),
        "close-wait-long": (f"{hangs} in CLOSE-WAIT",
                            f"after {({60: 'a minute'})[ends.FORGOTTEN_US // 10**6]}"),
        "fin-wait-2-long": (f"{hangs} in FIN-WAIT-2",),
        "fin-unanswered": (f"waited {seconds(ends.FIN_WAITS_US)} or longer",),
    }


class Rules(unittest.TestCase):
    def emitted(self) -> set[str]:
        """The first argument of every Finding() of the rules."""
        names = set()
        for path in Path(explain.__file__).parent.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(
                        node.func, "id", "") == "Finding":
                    names |= {part.value for part in ast.walk(node.args[0])
                              if isinstance(part, ast.Constant)
                              and part.value in RULES}
        return names

    def test_each_has_its_code(self) -> None:
        self.assertEqual(self.emitted(), set(RULES))

    def test_each_is_documented(self) -> None:
        page = (SCRIPTS.parent / "Documentation" / "commands.rst").read_text()
        self.assertEqual([name for name in RULES if f"``{name}``" not in page], [])

    def test_each_threshold_is_documented(self) -> None:
        page = (SCRIPTS.parent / "Documentation" / "commands.rst").read_text()
        rows = dict(re.findall(r"(?m)^``([a-z0-9-]+)`` +((?:.*\n)(?: {4,}.*\n)*)",
                               page.partition("rule (``--json``)")[2].split("\n====")[1]))
        for rule, thresholds in documented_thresholds().items():
            for words in thresholds:
                with self.subTest(rule, words=words):
                    self.assertIn(words, " ".join(rows[rule].split()))

    def test_each_needs_kinds_that_exist(self) -> None:
        kinds = set(support.schema().kind_meanings)
        self.assertEqual([(name, rule.needs) for name, rule in RULES.items()
                          if not kinds.issuperset(rule.needs)], [])


class Fed(Case):
    def test_what_openings_are_not_fed_is_nothing_to_them(self) -> None:
        """Handshakes says the same if it gets every event."""
        at, life = ListenerScene(scene=self.scene), self.life
        events = [life.acked(0.1), *at.queued(1, 3000, 0x200),
                  life.acked(1.01), life.window(1.02, "closed"),
                  at.completed(1.04, 3000, 0x200), life.timeout(1.1, 0.2),
                  at.accepted(2, 3000, 0x200), life.event("destroy", 3, "CLOSED"),
                  *Life(self.scene, 0x300).opens(4), life.acked(9)]
        view = self.explained(*events)
        list(view.reports())
        whole = feed(Handshakes(support.schema()), *events)
        self.assertEqual(handshakes_text.as_json(view._handshakes, None),
                         handshakes_text.as_json(whole, None))
