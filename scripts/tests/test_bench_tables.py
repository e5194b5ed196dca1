# SPDX-License-Identifier: GPL-2.0
"""make bench: its arithmetic, what it reads of others' output, and its tables."""

import contextlib
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from .support import SCRIPTS, load_script

sys.path.insert(0, str(SCRIPTS / "bench"))
sys.path.insert(0, str(SCRIPTS / "qemu"))
sys.path.insert(0, str(SCRIPTS / "shared"))
sys.path.insert(0, str(SCRIPTS / "selftests"))

import beside  # noqa: E402  (found through the lines above)
import busy  # noqa: E402
import commits  # noqa: E402
import generated  # noqa: E402
import limit  # noqa: E402
import messages  # noqa: E402
import needs  # noqa: E402
import page  # noqa: E402
import peers  # noqa: E402
import reno_cost  # noqa: E402
import parts  # noqa: E402
import turns  # noqa: E402


def spread(median: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"median": median, "low": median if low is None else low,
            "high": median if high is None else high, "mean": median, "count": 9}


class Turns(unittest.TestCase):
    def test_drift_cancels(self) -> None:
        """Everything grows by 10 with each turn; to be on costs 7 more."""
        clock = iter(range(1000, 2000, 10))
        without, with_it = turns.alternate(4, lambda: next(clock), lambda: next(clock) + 7)
        self.assertEqual((len(without), len(with_it)), (5, 4))
        self.assertEqual(turns.differences(without, with_it), [7, 7, 7, 7])

    def test_ratios(self) -> None:
        self.assertEqual(turns.ratios([10, 30, 10], [40, 10]), [2, 0.5])

    def test_turns_must_alternate(self) -> None:
        with self.assertRaises(ValueError):
            turns.differences([1, 2], [1, 2])

    def test_spread(self) -> None:
        told = turns.spread([9, 1, 2, 3, 100])
        self.assertEqual((told.low, told.median, told.high, told.count), (2, 3, 9, 5))
        self.assertEqual(told.mean, 23)
        self.assertEqual(turns.spread([4]), turns.Spread(4, 4, 4, 4, 1))


class Reading(unittest.TestCase):
    """What the kernel and the tools print."""

    def test_idle(self) -> None:
        text = ("cpu: 0\n  .nohz_mode      : 2\n  .idle_sleeptime : 12345 nsecs\n"
                "  .iowait_sleeptime : 99 nsecs\n")
        self.assertEqual(busy.idle_of(text), 12345)
        with self.assertRaisesRegex(ValueError, "2 processors"):
            busy.idle_of(text * 2)

    def test_instructions_are_not_those_of_rest(self) -> None:
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(busy, "TIMER_LIST", Path(folder, "timers")), \
                mock.patch("time.monotonic_ns", lambda: 1000):
            busy.TIMER_LIST.write_text(".idle_sleeptime : 400 nsecs\n")
            self.assertEqual(busy.instructions(), 600)

    def test_histogram(self) -> None:
        self.assertEqual(peers.histogram_total(
            "All Addresses = ******\n"
            "     usecs               : count    distribution\n"
            "         0 -> 1          : 7        |**   |\n"
            "      1024 -> 2047       : 1200     |*****|\n"), 1207)

    def test_why_a_tool_failed(self) -> None:
        self.assertEqual(needs.reason_in(
            "warning: x\n  bpf.h:4:9: error: no such struct\nerror: more\nException: y\n"),
            "bpf.h:4:9: error: no such struct")
        self.assertEqual(needs.reason_in("first\nlast\n\n"), "last")
        self.assertEqual(needs.reason_in(""), "it said nothing")

    def test_capture(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(24) + b"".join(
                struct.pack("=IIII", 1, 2, size, 500) + bytes(size) for size in (0, 96, 5)))
            file.flush()
            self.assertEqual(peers.packets_in(Path(file.name)), 3)

    def test_acks(self) -> None:
        self.assertEqual(reno_cost.acks_in(
            "TcpExt: SyncookiesSent TCPPureAcks TCPHPAcks\nTcpExt: 5 20 3\n"
            "IpExt: InNoRoutes\nIpExt: 0\n"), 23)

    def test_limit(self) -> None:
        self.assertEqual(limit.per_record(
            {"rounds": 10, "empty_ns": 20, "clock_ns": 480, "clock_and_stores_ns": 720,
             "record_bytes": 192}),
            {"record_bytes": 192, "clock": 46, "clock_and_stores": 70})

    def test_processor(self) -> None:
        self.assertEqual(parts.processor_of("model name\t: Some  CPU\nx: y\n" * 2),
                         "2 x Some CPU")
        self.assertEqual(parts.processor_of(""), "unknown processor")


class Measuring(unittest.TestCase):
    def test_a_tool_beside_nothing(self) -> None:
        """It costs 5, is on in each turn alone, and is ended."""
        log: list[str] = []

        class Tool(peers.Peer):
            def on(self) -> None:
                log.append("on")

            def off(self) -> None:
                log.append("off")

            def recorded(self) -> peers.Recorded:
                return peers.Recorded(3, 1, 30)

            def end(self) -> None:
                log.append("end")

        meter = mock.Mock(side_effect=lambda: 100 + 5 * (log[-1:] == ["on"]), messages=50)
        row = messages.measure(Tool(Path()), meter, 2)
        self.assertEqual(log, ["on", "off", "on", "off", "end"])
        self.assertEqual((row["more"]["median"], row["ratio"]["median"]), (5, 1.05))
        self.assertEqual(row["messages"], 2 * (50 + messages.WARM_UP))
        self.assertEqual(row["recorded"], {"events": 3, "lost": 1, "file_bytes": 30})

    def test_who_waits(self) -> None:
        """A process whose threads and children sleep; not one of which a child runs."""
        sleeps = "import time; print(flush=True); time.sleep(99)"
        for child, waits in ((sleeps, True), ("print(flush=True)\nwhile True: pass", False)):
            with subprocess.Popen(
                    [sys.executable, "-c", "import subprocess, sys, threading; "
                     "threading.Thread(target=lambda: subprocess.run("
                     "[sys.executable, '-c', sys.argv[1]])).start()", child],
                    stdout=subprocess.PIPE, process_group=0) as process:
                assert process.stdout is not None
                process.stdout.readline()
                try:
                    deadline = time.monotonic() + 20
                    while ((beside._time_if_waiting(process.pid) > 0) != waits
                           and time.monotonic() < deadline):
                        time.sleep(0.01)
                    looks = [beside._time_if_waiting(process.pid) for _ in range(20)]
                    self.assertEqual([look > 0 for look in looks], [waits] * 20, looks)
                finally:
                    os.killpg(process.pid, signal.SIGKILL)
        self.assertEqual(beside._time_if_waiting(2**22 + 1), -1, "who is not there")

    def test_a_tool_that_is_not_there(self) -> None:
        with self.assertRaisesRegex(needs.Unavailable, "Debian's some-package is not"):
            needs.need("no-such-program", "some-package")


def part(result: Any, **origin: str) -> parts.Part:
    about = {"kernel": "6.12", "machine": "QEMU", "date": "2026-01-02", "commit": "abc"}
    return parts.Part(result, **(about | origin))


def row(name: str, more: float, **values: Any) -> dict[str, Any]:
    return {"name": name, "title": f"the {name}", "off": spread(13000),
            "more": spread(more, more - 2, more + 3), "ratio": spread(1.5, 1.25, 1.75),
            "messages": 10_000, "saves": False,
            "recorded": {"events": 10_002, "lost": 0, "file_bytes": 0}} | values


class Tables(unittest.TestCase):
    def one(self, made: dict[str, Any]) -> str:
        kept = {"messages-ours": part({"wall": False, "rows": [made]})}
        return "\n".join(page.messages(kept))

    def test_numbers(self) -> None:
        self.assertEqual(page.number(13199.6), "13 200")
        self.assertEqual(page.number(-0.4), "0")
        self.assertEqual(page.more(spread(4.4, 3, 5)), "+4 (3 to 5)")
        self.assertEqual(page.more(spread(-1200)), "-1 200")

    def test_what_a_tool_recorded(self) -> None:
        def told(events: int, lost: int = 0, size: int = 0) -> str:
            return page.recorded({"messages": 10_000, "recorded": {
                "events": events, "lost": lost, "file_bytes": size}})
        self.assertEqual(told(10_002), "all")
        self.assertEqual(told(30_000, size=5_760_000), "all, 3.0 events each; 192 bytes each")
        self.assertEqual(told(9000), "10.0% lost")
        self.assertEqual(told(7500, 2500, 750_000), "25.0% lost; 100 bytes each")
        self.assertEqual(told(12_000, 3000), "20.0% lost", "of three events a message")
        self.assertEqual(told(0), "\\-")
        self.assertEqual(page.recorded({"messages": 5, "recorded": None}), "\\-")

    def test_a_row(self) -> None:
        made = self.one(row("ftrace", 700))
        self.assertIn("   * - the ftrace\n     - +700 (698 to 703)\n     - all\n", made)
        self.assertIn("costs 13 000 to 13 000 instructions", made)

    def test_a_tool_that_was_not_measured_says_why(self) -> None:
        made = self.one({"name": "perf", "title": "perf", "unavailable": "no perf: ..."})
        self.assertIn("   * - perf\n     - not measured\n     - no perf: ...\n", made)

    def test_what_a_tool_says_is_no_markup(self) -> None:
        self.assertEqual(page.plain("a `b` *c* __d__ |e|"),
                         "a \\`b\\` \\*c\\* \\_\\_d\\_\\_ \\|e\\|")

    def test_both_ways_of_measuring_are_side_by_side_in_the_table_s_order(self) -> None:
        kept = {"messages-kernel": part({"rows": [row("tcpdump", 3000), row("ftrace", 700)]}),
                "seconds-kernel": part({"rows": [row("ftrace", 9)]}),
                "limit": part({"record_bytes": 192, "clock": 53, "clock_and_stores": 76.0})}
        made = "\n".join(page.messages(kept))
        self.assertIn("   * - the tcpdump\n     - +3 000 (2 998 to 3 003)\n     -\n", made)
        self.assertIn("     - +700 (698 to 703)\n     - 1.50 (1.25 to 1.75)\n", made)
        self.assertLess(made.index("192 bytes stored\n     - +76"), made.index("the ftrace"))
        self.assertLess(made.index("the ftrace"), made.index("the tcpdump"))

    def test_every_tool_has_its_place(self) -> None:
        self.assertEqual(sorted(page.IN_MEMORY + page.SAVED), sorted(peers.makers()))

    def test_targets(self) -> None:
        kept = {"messages-ours": part({"rows": [
            row("renoscope-none", 4), row("renoscope-ack", 301),
            {"name": "unloaded", "title": "", "unavailable": "because"}]})}
        made = "\n".join(page.targets(kept))
        self.assertIn("with events off\n     - +4 (2 to 7)\n     - met\n", made)
        self.assertIn("``ack`` alone\n     - +301 (299 to 304)\n     - missed\n", made)
        self.assertEqual(made.count("met") + made.count("missed"), 2)

    def test_only_what_was_measured(self) -> None:
        made = page.tables({"reader": part([
            {"what": "csv", "records": 10, "processor_s": 1, "memory_mib": 1}])})
        headings = [line for line, under in zip(made.split("\n"), made.split("\n")[1:])
                    if under.startswith("---")]
        self.assertEqual(headings, ["Saving and reading", "Measured on"])
        self.assertRegex(made, "\n- 2026-01-02, Linux 6.12, QEMU, commit abc.*: reader\n\n$")

    def test_each_part_alone_has_a_table(self) -> None:
        limit_alone = page.tables({"limit": part(LIMIT)})
        self.assertIn("192 bytes stored\n     - +76\n", limit_alone)
        self.assertNotIn("saved to a file", limit_alone)
        seconds = page.tables({"seconds-kernel": part({"rows": [row("tcpdump", 9)]})})
        self.assertIn("   * - the tcpdump\n     -\n     - 1.50 (1.25 to 1.75)\n", seconds)
        self.assertNotIn("recording only", seconds)

    def test_growth(self) -> None:
        made = "\n".join(page.capacity({"capacity": part({
            "memory": {"loads": [{"ring_records": 8192, "module_bytes": 446464, "more_kib": {
                "VmallocUsed": 2016, "Percpu": 0, "Slab": 120}}], "connections": 10_000,
                "more_kib_with_connections": {"VmallocUsed": 0, "Percpu": 0}},
            "flat": [{"open": 1, "event": spread(400), "message": 13000},
                     {"open": 10_000, "event": spread(410), "message": 13100}],
            "connections": [row("renoscope-none", 0, off=spread(1e6), connections=100,
                                recorded=None),
                            row("renoscope-default", 1e6, off=spread(1e6), connections=100,
                                recorded={"events": 1500, "lost": 2, "file_bytes": 0})],
            "sustained": {"messages": 100, "seconds": 0.5, "events": 101, "lost": 0,
                          "file_bytes": 1}})}))
        for words in ("from least to most 2.5%", ": 202 events a second, 0 lost",
                      "   * - without\n     - 1 000 000\n     - 1 000\n",
                      "     - 500\n     - 15.0 events each, 2 lost\n",
                      "   * - 8 192\n     - 436\n     - 2 016\n     - 0\n     - 120\n",
                      "With 10 000 connections open, all of them recorded: 0 KiB"):
            self.assertIn(words, made)

    def test_what_saving_takes(self) -> None:
        kept = {"messages-ours": part({"rows": [row("renoscope-ack", 420),
                                                row("renoscope-ack-saved", 1420)]})}
        self.assertEqual(
            page._reading(kept)[0], "To read an event and save it takes 1 000 instructions: so "
            "one processor that does nothing else saves 1 000 000 a second, if it executes "
            "1 000 million instructions a second.")
        self.assertEqual(page._reading({}), [])

    def test_the_documentation_has_these_words(self) -> None:
        """Its tables are of another day, but made by the same program."""
        def without_numbers(text: str) -> str:
            return re.sub(r"[-\d. ]+", "#", text)
        kept = {"messages-ours": part({"rows": [row("renoscope-ack", 420),
                                                row("renoscope-ack-saved", 1420)]})}
        shown = without_numbers((SCRIPTS.parent / "Documentation/performance.rst").read_text())
        for made in (page._reading(kept), page._sustained(
                {"messages": 9, "seconds": 0.5, "events": 9, "lost": 0})):
            self.assertIn(without_numbers(made[0]), shown)

    def test_what_was_not_measured_in_seconds_says_so(self) -> None:
        kept = {"messages-ours": part({"rows": [row("renoscope-ack", 420)]})}
        words = "Seconds were not measured, so no table says ``times as long``."
        self.assertIn(words, page.messages(kept))
        kept["seconds-ours"] = part({"rows": [row("renoscope-ack", 0)]})
        made = page.messages(kept)
        self.assertNotIn(words, made)
        self.assertIn("     - times as long", made)

    def test_congestion(self) -> None:
        told = [{"mode": mode, "algorithm": name, "reno": spread(base), "more": spread(more)}
                for mode, base in (("slow start", 20_000), ("bulk", 30_000))
                for name, more in (("cubic", 100), ("bbr", 4000))]
        made = "\n".join(page.congestion({"congestion": part(told)}))
        self.assertIn("   * - algorithm\n     - slow start\n     - bulk\n"
                      "   * - ``reno``\n     - 20 000\n     - 30 000\n"
                      "   * - ``cubic``\n     - +100\n     - +100\n"
                      "   * - ``bbr``\n     - +4 000\n     - +4 000\n", made)

    def test_reader(self) -> None:
        made = "\n".join(page.reader({"reader": part([
            {"what": "jsonl", "records": 1_000_000, "seconds": 99, "processor_s": 8,
             "memory_mib": 33.2}])}))
        self.assertIn("   * - ``export --format jsonl``\n     - 125 000\n     - 24\n"
                      "     - 33\n", made)


LIMIT = {"record_bytes": 192, "clock": 53, "clock_and_stores": 76.0}


class Commits(unittest.TestCase):
    """In a repository of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.git("init", "-q", "-b", "main")
        (self.root / "module").mkdir()
        self.first = self.commit("one")

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@y", *words], cwd=self.root,
            text=True, capture_output=True, check=True).stdout.strip()

    def commit(self, text: str) -> str:
        (self.root / "module" / "file").write_text(text)
        self.git("add", ".")
        self.git("commit", "-qm", text)
        return self.git("rev-parse", "--short", "HEAD")

    def test_a_commit_of_this_branch(self) -> None:
        self.commit("two")
        self.assertEqual(commits.told(self.first, self.root), self.first)

    def test_one_that_is_not(self) -> None:
        self.git("checkout", "-qb", "other")
        other = self.commit("two")
        self.assertEqual(commits.told(other, self.root), other)
        self.git("checkout", "-q", "main")
        for name in (other, "8fe6372"):
            self.assertEqual(commits.told(name, self.root), f"{name}, not on this branch")

    def test_changes(self) -> None:
        (self.root / "out").write_text("of no matter")
        self.assertEqual(commits.current(self.root), self.first)
        (self.root / "module" / "new").write_text("matters")
        self.assertEqual(commits.current(self.root), f"{self.first}+")
        self.assertFalse(commits.is_clean(f"{self.first}+"))
        self.assertEqual(commits.told(f"{self.first}+", self.root),
                         f"{self.first}, with changes that are not committed")

    def test_without_git(self) -> None:
        with mock.patch.dict(os.environ, {"PATH": ""}):
            self.assertEqual(commits.current(self.root), "unknown")
            self.assertEqual(commits.told("unknown", self.root), "unknown")
            self.assertEqual(commits.told(self.first, self.root), self.first)

    def test_the_tables_tell(self) -> None:
        with mock.patch.object(commits, "told", lambda commit: f"<{commit}>"):
            made = page.origins({"limit": part(LIMIT, commit="abc1234+")})
        self.assertIn("commit <abc1234+>: limit", made[3])


class Run(unittest.TestCase):
    """scripts/bench/run, with nothing measured in earnest."""

    def setUp(self) -> None:
        self.run_ = load_script(SCRIPTS / "bench" / "run")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out, self.page = Path(folder.name, "bench"), Path(folder.name, "page.rst")
        self.page.write_text(f"above\n{page.BEGINS}\nold tables\n{generated.ENDS}\nbelow\n")
        for of, name, value in ((self.run_, "OUT", self.out), (self.run_, "PAGE", self.page),
                                (parts, "machine", lambda: "QEMU"),
                                (commits, "current", lambda: "abc")):
            patched = mock.patch.object(of, name, value)
            patched.start()
            self.addCleanup(patched.stop)

    def bench(self, *arguments: str, fails: Sequence[str] = ()) -> tuple[int, str, str]:
        """Exit code and what is said; what is measured succeeds, but for these."""
        def measure(names: Sequence[str]) -> list[str]:
            for name in names:
                if name not in fails:
                    self.keep(name)
            return [name for name in names if name in fails]
        out, errors = io.StringIO(), io.StringIO()
        with mock.patch.object(self.run_, "measure_all", measure), \
                mock.patch.object(sys, "argv", ["run", *arguments]), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            try:
                code = self.run_.main()
            except SystemExit as end:
                code = end.code
        return code, out.getvalue(), errors.getvalue()

    def keep(self, name: str) -> None:
        """A part's result, as simple as can be."""
        result: Any = {"limit": LIMIT, "event": [], "reader": [
            {"what": "csv", "records": 10, "processor_s": 1, "memory_mib": 1}]}.get(
                name, {"rows": []})
        self.out.mkdir(exist_ok=True)
        parts.keep(self.out / f"{name}.json", result, "6.12")

    def only(self, *names: str) -> None:
        """As if there were no other parts."""
        patched = mock.patch.object(self.run_, "PARTS",
                                    {name: self.run_.PARTS[name] for name in names})
        patched.start()
        self.addCleanup(patched.stop)

    def test_nothing_was_measured(self) -> None:
        self.assertEqual(self.bench("--tables"),
                         (1, "", "bench: nothing was measured here yet\n"))

    def test_one_part_leaves_the_documentation_as_it_is(self) -> None:
        before = self.page.read_text()
        code, out, errors = self.bench("limit")
        self.assertEqual((code, errors, self.page.read_text()), (0, "", before))
        self.assertIn("192 bytes stored\n     - +76\n", out)
        local = (self.out / "performance.rst").read_text()
        self.assertIn("     - +76\n", local)
        self.assertIn("Not measured: event, messages-ours,", local)
        self.assertEqual(self.bench("reader")[1].count("+76"), 0, "not measured now")
        self.assertIn("     - +76\n", (self.out / "performance.rst").read_text())

    def test_the_page_is_refused_while_a_part_is_missing(self) -> None:
        before = self.page.read_text()
        self.only("limit", "event", "reader")
        self.keep("limit")
        for arguments, missing in ((("--tables",), "event reader"), (("event",), "reader")):
            code, _out, errors = self.bench("--write-page", *arguments)
            self.assertEqual(code, 2)
            self.assertIn(f"--write-page: not measured: {missing}\n", errors)
            self.assertFalse((self.out / "event.json").exists(), "refused in time")
        code, _out, errors = self.bench("--write-page", fails=["event"])
        self.assertEqual(code, 1)
        self.assertIn("would lose what is not measured: event\n", errors)
        self.assertEqual(self.page.read_text(), before)

    def test_the_page_of_all_parts(self) -> None:
        self.only("limit", "reader")
        code, _out, errors = self.bench("--write-page")
        self.assertEqual((code, errors), (0, ""))
        written = self.page.read_text()
        for words in ("above\n", "     - +76\n", "``export --format csv``", "below\n"):
            self.assertIn(words, written)
        self.assertNotIn("old tables", written)

    def test_help_explains_each_part(self) -> None:
        _, said, _ = self.bench("--help")
        for name in self.run_.PARTS:
            self.assertRegex(said, rf"(?m)^  {name} +\w.{{20,}}$")
        for words in ("out/bench/PART.json", "out/bench/performance.rst",
                      "Documentation/performance.rst"):
            self.assertIn(words, said)

    def test_make_writes_the_page_of_everything_only(self) -> None:
        for words, command in (((), "scripts/bench/run --write-page"),
                               (("PARTS=limit reader",), "scripts/bench/run limit reader")):
            said = subprocess.run(["make", "--no-print-directory", "-n", "bench", *words],
                                  cwd=SCRIPTS.parent, text=True, capture_output=True,
                                  check=True).stdout
            self.assertEqual(said.splitlines()[-1], command)


class Page(unittest.TestCase):
    def test_only_the_generated_part_changes(self) -> None:
        text = f"above\n{page.BEGINS}\nold\n{generated.ENDS}\nbelow\n"
        new = page.updated(text, "\nnew\n")
        self.assertEqual(new, f"above\n{page.BEGINS}\n\nnew\n{generated.ENDS}\nbelow\n")
        self.assertEqual(page.updated(new, "\nnew\n"), new)
        with self.assertRaisesRegex(SystemExit, "no lines"):
            page.updated("nothing of it", "")

    def test_results_are_kept_with_their_origin(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            parts.keep(Path(folder, "limit.json"), {"a": 1}, "6.12.1")
            kept = parts.load(Path(folder), ["limit", "event"])
        self.assertEqual(list(kept), ["limit"])
        self.assertEqual((kept["limit"].result, kept["limit"].kernel), ({"a": 1}, "6.12.1"))
        self.assertRegex(kept["limit"].origin, r"^20\d\d-\d\d-\d\d, Linux 6.12.1, QEMU")

    def test_command_line(self) -> None:
        for script, asked, words in (
                ("run", "nonsense", "no such part: nonsense; there are: limit, event"),
                ("messages.py", "nonsense", "no such name: nonsense; there are: unloaded")):
            done = subprocess.run([sys.executable, SCRIPTS / "bench" / script, asked],
                                  text=True, capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn(words, done.stderr)

    def test_every_tool_is_in_one_group(self) -> None:
        told = subprocess.run(
            [sys.executable, "-c", "import runpy, json; made = runpy.run_path('run', "
             "run_name='bench'); print(json.dumps(sum(map(list, made['GROUPS'].values()), [])))"],
            cwd=SCRIPTS / "bench", text=True, capture_output=True, check=True).stdout
        self.assertEqual(sorted(json.loads(told)), sorted(peers.makers()))


if __name__ == "__main__":
    unittest.main()
