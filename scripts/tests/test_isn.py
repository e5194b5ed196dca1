# SPDX-License-Identifier: GPL-2.0
"""The audit of initial sequence numbers, on generators whose weakness is known."""

import json
import random
import subprocess
import unittest
from collections.abc import Callable
from unittest import mock

from renoscope_lib.ring.schema import Event
from renoscope_lib.tcp.sequence import MODULUS
from renoscope_lib.views import isn, isn_audit, isn_text
from renoscope_lib.views.isn import IsnAudit
from renoscope_lib.views.isn_audit import Audit, Sample, audit_of

from . import support
from .handshake_scene import VALID, ListenerScene
from .support import CLOSED, ESTABLISHED, MS, SECOND, SYN_SENT, Scene, feed

RANDOM = "looks random at this sample size"


def ends(port: int, peer: int = 1) -> tuple[object, ...]:
    return (1, b"us", port, peer, 5000)


def made(count: int, number: Callable[[int, int], int], seed: int = 3,
         same_ports: bool = False) -> list[Sample]:
    """ISNs at random moments; number() gets the count and the time in ns."""
    rng = random.Random(seed)
    samples, now = [], 0
    for n in range(count):
        now += rng.randrange(1 * MS, 2 * SECOND)
        samples.append(Sample(now, number(n, now) % MODULUS,
                              ends(40000 if same_ports else 40000 + n)))
    return samples


def hashed(seed: int = 5) -> Callable[[int, int], int]:
    """RFC 6528 as Linux does it: a random number for each port, and a clock."""
    rng = random.Random(seed)
    return lambda n, now: rng.randrange(MODULUS) + now // 64


class Verdicts(unittest.TestCase):
    def verdict(self, samples: list[Sample], words: str) -> Audit:
        audit = audit_of(samples)
        self.assertEqual(audit.verdict, words, audit.why)
        return audit

    def test_a_constant_increment_is_predictable(self) -> None:
        """Old BSD: 64000 more for each connection, through the wrap."""
        audit = self.verdict(
            made(40, lambda n, _: MODULUS - 700_000 + 64000 * n),
            "predictable: constant step")
        self.assertIn("exactly 64000", audit.why)
        self.assertEqual((audit.step_min, audit.step_max), (64000, 64000))
        self.assertEqual(audit.bits, 0)

    def test_multiples_of_an_increment_are_predictable(self) -> None:
        """Other connections lie in between."""
        rng = random.Random(1)
        steps = [rng.randrange(1, 9) for _ in range(60)]
        audit = self.verdict(
            made(60, lambda n, _: 64000 * sum(steps[:n])),
            "predictable: constant step")
        self.assertIn("multiple of 64000", audit.why)

    def test_always_the_same_is_predictable(self) -> None:
        self.verdict(made(20, lambda n, _: 4711), "predictable: always the same")

    def test_a_clock_alone_is_predictable_and_its_tick_told(self) -> None:
        for step_ns, words in ((64, "64 ns"), (4000, "4 us"), (1000, "1 us")):
            with self.subTest(words):
                audit = self.verdict(
                    made(40, lambda n, now, ns=step_ns: now // ns + 12345),
                    "predictable: time-driven only")
                self.assertIn(words, audit.why)

    def test_a_clock_of_any_tick_is_found_though_read_late(self) -> None:
        """Read with a delay of up to a millisecond, as a recorder would."""
        rng = random.Random(2)
        audit = self.verdict(
            made(40, lambda n, now: (now + rng.randrange(MS)) * 77 // 100_000),
            "predictable: time-driven only")
        self.assertIn("769", audit.why.replace("770", "769"))

    def test_a_linear_recurrence_is_predictable(self) -> None:
        """It looks random by every count, but three values tell the next."""
        def lcg(n: int, _: int) -> int:
            value = 99
            for _ in range(n):
                value = (value * 1664525 + 1013904223) % MODULUS
            return value
        audit = self.verdict(made(40, lcg), "predictable: linear recurrence")
        self.assertIn("times 1664525 plus 1013904223", audit.why)

    def test_a_random_part_of_16_bits_is_weak(self) -> None:
        """A random part of 16 bits on top of a step."""
        rng = random.Random(4)
        value = [0]

        def next_one(_: int, __: int) -> int:
            value[0] += 128_000 + rng.randrange(1 << 16)
            return value[0]
        audit = self.verdict(made(60, next_one), "weak: less than random")
        self.assertAlmostEqual(audit.bits or 0, 16, delta=1)

    def test_stuck_low_bits_are_weak(self) -> None:
        rng = random.Random(4)
        audit = self.verdict(made(60, lambda n, _: rng.randrange(1 << 16) << 16),
                             "weak: less than random")
        self.assertAlmostEqual(audit.bits or 0, 16, delta=1)

    def test_few_values_are_weak(self) -> None:
        """256 values in random order repeat soon."""
        rng = random.Random(4)
        values = [rng.randrange(MODULUS) for _ in range(256)]
        audit = self.verdict(made(300, lambda n, _: rng.choice(values)),
                             "weak: less than random")
        self.assertAlmostEqual(audit.bits or 0, 8, delta=1)

    def test_random_numbers_are_taken_for_random(self) -> None:
        for count in (8, 12, 30, 300, 3000):
            for seed in range(20):
                audit = audit_of(made(count, hashed(seed), seed))
                self.assertEqual(audit.verdict, RANDOM, (count, seed, audit))

    def test_sample_size_limits_what_is_said(self) -> None:
        audit = audit_of(made(64, hashed()))
        self.assertEqual(audit.sample_limit_bits, 11)
        self.assertIn("64 ISNs", audit.why)

    def test_of_too_few_there_is_no_verdict(self) -> None:
        for count in (0, 1, 2, 7):
            self.verdict(made(count, hashed()), "too few connections")

    def test_all_at_the_same_moment_may_be_random(self) -> None:
        rng = random.Random(9)
        samples = [Sample(5, rng.randrange(MODULUS), ends(n))
                   for n in range(20)]
        self.verdict(samples, RANDOM)

    def test_what_a_cookie_carries_stands_where_linux_puts_it(self) -> None:
        """secure_tcp_syn_cookie(): count << COOKIEBITS, and data below."""
        why = audit_of(made(60, hashed()), cookies=True).why
        self.assertIn("the MSS, in its low 24 bits, and a count of minutes, in its high 8", why)


class SamePorts(unittest.TestCase):
    """Between the same ports an ISN has to grow; that is no weakness."""

    def test_growth_with_the_clock_of_rfc_6528_is_counted(self) -> None:
        """300 s and more apart: the number wraps on the way."""
        samples = made(400, lambda n, now: 77 + now // 64, same_ports=True)
        audit = audit_of(samples)
        self.assertEqual(audit.verdict, "too few connections")
        self.assertIn("same ports", audit.why)
        self.assertIn("Of 399 repeats between the same ports, 399 grew",
                      audit.repeats)

    def test_a_step_over_time_wait_is_counted(self) -> None:
        """A SYN that meets TIME-WAIT: the old numbers go on."""
        audit = audit_of(made(12, lambda n, now: 77 + 65539 * n,
                              same_ports=True))
        self.assertIn("11 by 65537", audit.repeats)

    def test_what_grew_in_neither_way_is_counted(self) -> None:
        audit = audit_of(made(12, hashed(), same_ports=True))
        self.assertIn("11 in neither way", audit.repeats)

    def test_repeats_do_not_spoil_the_sample(self) -> None:
        random_ones = made(40, hashed())
        again = [Sample(s.time_ns + SECOND, (s.isn + SECOND // 64) % MODULUS,
                        s.ends) for s in random_ones]
        audit = audit_of(random_ones + again)
        self.assertEqual((audit.verdict, audit.count, audit.end_pairs),
                         (RANDOM, 80, 40))

    def test_a_counter_between_two_addresses_is_found_among_others(self) -> None:
        """One pair of addresses has a counter, hidden among others."""
        bad = [Sample(s.time_ns, 64000 * n % MODULUS, s.ends)
               for n, s in enumerate(made(30, hashed()))]
        rng = random.Random(8)
        good = [Sample(s.time_ns + 1, rng.randrange(MODULUS), ends(n, n + 9))
                for n, s in enumerate(bad)]
        audit = audit_of(bad + good)
        self.assertEqual(audit.same_addresses_bits, 0)
        self.assertEqual(audit.verdict, "weak: less than random")
        self.assertIn("between the same two addresses", audit.why)


class Parts(unittest.TestCase):
    def test_the_arc_is_the_shortest_that_holds_all(self) -> None:
        self.assertEqual(isn_audit.arc([5]), 0)
        self.assertEqual(isn_audit.arc([10, 20, 15]), 10)
        self.assertEqual(isn_audit.arc([MODULUS - 10, 10]), 20)
        self.assertEqual(isn_audit.arc([0, MODULUS // 2]), MODULUS // 2)

    def test_steps_wrap(self) -> None:
        self.assertEqual(isn_audit.steps_of([Sample(0, MODULUS - 1), Sample(1, 4)]),
                         [5])

    def test_collision_bits_tell_only_of_values_that_came_again(self) -> None:
        self.assertIsNone(isn_audit.collision_bits([1, 2, 3]))
        self.assertEqual(isn_audit.collision_bits([1, 1, 1]), 0)
        self.assertEqual(isn_audit.collision_bits([1, 1, 2, 2]),
                         isn_audit.collision_bits([3, 3, 4, 4]))

    def test_recurrence_needs_every_value(self) -> None:
        self.assertIsNone(isn_audit.recurrence([1, 2, 3, 4]))
        values = [7]
        for _ in range(9):
            values.append(values[-1] * 5 % MODULUS + 3)
        self.assertEqual(isn_audit.recurrence(values), (5, 3))
        values[5] += 1
        self.assertIsNone(isn_audit.recurrence(values))


class Collecting(unittest.TestCase):
    def hosts(self, *events: Event) -> dict[tuple[str, str], isn.Host]:
        view = feed(IsnAudit(support.schema()), *events)
        return {(h.address, h.whose): h for h, _ in view.audits()}

    def test_a_request_and_its_child_are_one(self) -> None:
        at = ListenerScene()
        hosts = self.hosts(*at.queued(0, 40, 9, isn=70, snd_isn=90),
                           at.again(1, 40, 9, 0, 0, rcv_isn=70, snd_isn=90),
                           at.completed(1.1, 40, 9, rcv_isn=70, snd_isn=90),
                           at.accepted(1.2, 40, 9, rcv_isn=70, snd_isn=91))
        self.assertEqual(
            {who: [s.isn for s in host.samples] for who, host in hosts.items()},
            {("10.77.0.2", "own"): [90], ("10.77.0.1", "peer"): [70]})

    def test_the_time_is_that_of_the_syn(self) -> None:
        at = ListenerScene()
        hosts = self.hosts(*at.queued(3, 40, 9),
                           at.completed(5, 40, 9))
        for host in hosts.values():
            self.assertEqual(host.samples[0].time_ns,
                             at.scene.start_ns + 3 * SECOND)

    def test_an_isn_chosen_after_the_state_event_is_known(self) -> None:
        """The ISN chosen after the state event is known from the next one."""
        scene = Scene()
        hosts = self.hosts(
            scene.event("state", 0, old_state=CLOSED, state=SYN_SENT,
                        local_port=0),
            scene.event("state", MS, old_state=SYN_SENT, state=ESTABLISHED,
                        snd_isn=7, rcv_isn=8))
        own = hosts["10.77.0.1", "own"].samples[0]
        self.assertEqual((own.isn, own.time_ns), (7, scene.start_ns))
        self.assertEqual(hosts["10.77.0.2", "peer"].samples[0].isn, 8)

    def test_cookies_are_a_host_of_their_own(self) -> None:
        at = ListenerScene()
        hosts = self.hosts(
            *at.cookie_sent(0, 40, snd_isn=555),
            at.completed(0.1, 40, 9, by_cookie=True, snd_isn=555),
            at.cookie_checked(0.1, 40, VALID, cookie=9, snd_isn=555))
        self.assertEqual(set(hosts), {("10.77.0.2", "own cookies"),
                                      ("10.77.0.1", "peer")})

    def test_one_address_in_two_namespaces_is_two_hosts(self) -> None:
        at = ListenerScene(local="fd77::2")
        other = ListenerScene(scene=at.scene, local="fd77::2", netns=9)
        view = feed(IsnAudit(support.schema()),
                    *at.queued(0, 40, 9, peer="fd77::1"),
                    *other.queued(0, 40, 10, peer="fd77::1"))
        self.assertEqual([(h.address, h.netns) for h, _ in view.audits()
                          if h.whose == isn.OWN],
                         [("fd77::2", 4026531840), ("fd77::2", 9)])

    def test_after_a_loss_a_later_event_tells_the_isn(self) -> None:
        at = ListenerScene()
        hosts = self.hosts(at.scene.event("lost", lost_events=3),
                           at.accepted(1, 40, 9, snd_isn=90))
        self.assertEqual(hosts["10.77.0.2", "own"].samples[0].isn, 90)

    def test_listeners_have_none(self) -> None:
        """A listener's own event names a number that no connection has."""
        self.assertEqual(self.hosts(Scene().event(
            "reset_sent", state=support.LISTEN, snd_isn=9)), {})


class Shown(unittest.TestCase):
    def view(self, connections: int, peers: int = 1) -> IsnAudit:
        at, rng = ListenerScene(), random.Random(2)
        events: list[Event] = []
        for n in range(connections):
            events += at.queued(n, 1024 + n, 0x300 + n,
                                isn=rng.randrange(1, MODULUS),
                                snd_isn=rng.randrange(1, MODULUS),
                                peer=f"10.0.0.{1 + n % peers}")
        return feed(IsnAudit(support.schema()), *events)

    def test_the_text_fits_the_page_and_has_the_verdict(self) -> None:
        lines = isn_text.as_text(self.view(60))
        self.assertLessEqual(max(map(len, lines)), 100)
        self.assertIn(RANDOM, "\n".join(lines))

    def test_hosts_with_too_few_are_only_counted(self) -> None:
        """A flood's sources do not fill the page."""
        lines = isn_text.as_text(self.view(60, peers=60))
        self.assertLess(len(lines), 20)
        self.assertIn("60 more with fewer than 8 ISNs", lines[-1])

    def test_hosts_beyond_those_kept_are_told(self) -> None:
        with mock.patch.object(isn, "MOST_HOSTS", 3):
            view = self.view(20, peers=20)
        self.assertEqual((view.host_count(), view.left_out), (3, 18))
        self.assertIn("18 ISNs of further hosts left out", isn_text.as_text(view)[-1])
        self.assertEqual(isn_text.as_json(view, None)["isns_left_out"], 18)

    def test_json_has_the_counts_of_each_host(self) -> None:
        own = isn_text.as_json(self.view(60), None)["hosts"][0]
        self.assertEqual((own["count"], own["distinct"]), (60, 60))

    def test_without_an_isn_it_says_so(self) -> None:
        self.assertIn("No initial sequence number",
                      isn_text.as_text(self.view(0))[0])

    def test_what_was_not_recorded_is_noted(self) -> None:
        view = self.view(0)
        view.gaps.begin({"events": "none", "filter": "port=1"})
        notes = isn_text.as_json(view, None)["notes"]
        self.assertIn("note: not recorded here", notes[0])
        self.assertIn("filter 'port=1'", notes[1])
        self.assertEqual(notes, view.gaps.remarks())


class Commands(unittest.TestCase):
    """isn and synflood, as a person runs them."""

    def run_command(self, *arguments: str, stdin: bytes = b""
                    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([support.SCRIPTS / "renoscope", *arguments],
                              input=stdin, capture_output=True, check=False)

    def recording(self) -> bytes:
        scene = Scene()
        return support.recording(
            scene.pack("syn", local_port=5000, cookie=0, seg_seq=7, listener=1),
            scene.pack("lost", serial=2, lost_events=3))

    def test_each_help_has_an_example_and_its_exit_codes(self) -> None:
        for command in ("isn", "synflood", "handshakes"):
            text = self.run_command(command, "--help").stdout.decode()
            self.assertRegex(text, "example:\\n  (sudo )?scripts/renoscope "
                             f"{command}")
            self.assertIn("exit codes:", text)
            self.assertLess(max(map(len, text.splitlines())), 81)

    def test_a_loss_is_told_in_text_and_json(self) -> None:
        for command, word in (("isn", "too few"), ("synflood", "no flood")):
            done = self.run_command(command, "-", stdin=self.recording())
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertIn(word, done.stdout.decode())
            self.assertIn("3 events LOST", done.stdout.decode())
            done = self.run_command(command, "--json", "-",
                                    stdin=self.recording())
            self.assertEqual(json.loads(done.stdout)["lost_events"], 3)

    def test_what_there_is_of_a_cut_recording_is_shown(self) -> None:
        """What is there is shown, then it is said that more is missing."""
        for command in ("isn", "synflood"):
            done = self.run_command(command, "-", stdin=self.recording()[:-30])
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"10.77.0.", done.stdout)
            self.assertIn(b"renoscope: standard input: ", done.stderr)

    def test_bad_input_is_refused_in_one_line(self) -> None:
        for arguments in (["isn", "/nix"], ["synflood", "/nix"],
                          ["handshakes", "--limit", "-1"]):
            done = self.run_command(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr.count(b"\n"), 1)


if __name__ == "__main__":
    unittest.main()
