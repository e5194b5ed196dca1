# SPDX-License-Identifier: GPL-2.0
"""The command as a person runs it: one line on stderr, the right exit code."""

import contextlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from renoscope_lib import cli, command_table, commands
from renoscope_lib.errors import EXIT_CODES_HELP, Problem
from renoscope_lib.options import complain

from . import support
from .support import (CLOSED, ESTABLISHED, ISN_A, ISN_B, LISTEN, MS, SECOND, SYN_SENT,
                      Scene)

RENOSCOPE = support.SCRIPTS / "renoscope"
LOADED = Path("/sys/module/tcp_renoscope").exists()


def run(*arguments: str, stdin: bytes = b"",
        **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([RENOSCOPE, *arguments], input=stdin, timeout=60,
                          capture_output=True, check=False, **options)


def session() -> bytes:
    """The records of a connection's beginning, and a loss."""
    scene = Scene()
    numbers = {"snd_isn": ISN_A, "rcv_isn": ISN_B}
    return b"".join([
        scene.pack("state", 0, old_state=CLOSED, state=SYN_SENT, local_port=0),
        scene.pack("state", 36 * MS, old_state=SYN_SENT, state=ESTABLISHED,
                   snd_una=ISN_A + 1, snd_nxt=ISN_A + 1, rcv_nxt=ISN_B + 1,
                   **numbers),
        scene.pack("ack", 40 * MS, seg_seq=ISN_B + 1, seg_ack=ISN_A + 1,
                   seg_len=8, seg_flags=0x18, seg_window=511, snd_wscale=8,
                   **numbers),
        scene.pack("lost", 50 * MS, serial=4, lost_events=3),
        scene.pack("ack", 60 * MS, serial=7, cookie=6, local_port=80),
    ])


# They tell times of day, if asked to, and programs in any case.
DATED = ("explain", "handshakes", "states", "losses")


class Modules(unittest.TestCase):
    """A file for each command, read when that command is wanted."""

    def test_each_file_is_in_the_help(self) -> None:
        files = {path.stem for path in Path(commands.__file__).parent.glob("[a-z]*.py")}
        self.assertEqual(sorted(commands.NAMES), sorted(files))

    def test_each_adds_the_command_of_its_name(self) -> None:
        self.assertEqual(tuple(command.name for command in command_table.commands()),
                         commands.NAMES)

    def test_no_other_command_is_read(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c",
             "import atexit, sys; atexit.register(lambda: print(*sys.modules));"
             "from renoscope_lib import cli; cli.main(['show', '--help'])"],
            cwd=support.SCRIPTS, capture_output=True, text=True, check=True)
        read = done.stdout.splitlines()[-1].split()
        self.assertEqual([name for name in read if ".commands." in name],
                         ["renoscope_lib.commands.show"])
        self.assertNotIn("renoscope_lib.report", read)


class Errors(unittest.TestCase):
    def complains(self, code: int, words: str, *arguments: str,
                  stdin: bytes = b"") -> None:
        result = run(*arguments, stdin=stdin)
        complaint = result.stderr.decode()
        self.assertEqual(result.returncode, code, complaint)
        self.assertEqual(complaint.count("\n"), 1, complaint)
        self.assertTrue(complaint.startswith("renoscope: "), complaint)
        self.assertIn(words, complaint)
        self.assertNotIn("Traceback", complaint)

    def test_usage(self) -> None:
        for words, arguments in (
                ("COMMAND", []),
                ("invalid choice: 'dance'", ["dance"]),
                ("unrecognized arguments: --x", ["show", "--x"]),
                ("show: unrecognized arguments: --x (see: scripts/renoscope "
                 "show --help)", ["show", "--x"]),
                ("--count: must be 1 or more", ["record", "x", "--count=0"]),
                ("--count: 'x' is not a whole number",
                 ["record", "x", "--count=x"]),
                ("--limit: must be 0 or more", ["handshakes", "--limit=-1"]),
                ("show: argument --port: invalid port", ["show", "--port=0"]),
                ("--port", ["show", "--port", "65536"]),
                ("cannot read a?b?[31mred: ", ["show", "a\nb\033[31mred"]),
                ("--connection", ["show", "--connection", "xyz"]),
                ("FILE", ["record"]),
                ("--duration", ["record", "x", "--duration", "-1"]),
                ("--duration", ["record", "x", "--duration", "nan"]),
                ("--count", ["record", "x", "--count", "0"]),
                ("unrecognized arguments: --port", ["metrics", "--port", "5"]),
                ("unrecognized arguments", ["doctor", "x"])):
            with self.subTest(arguments):
                self.complains(2, words, *arguments)

    def test_numbers_without_bounds(self) -> None:
        """No command waits for ever for them, or fails when it uses them."""
        huge = {"a whole number": ["1e300", "inf", "nan", "9" * 5000],
                "must be 1000000000000 or less": ["1000000000001", str(10 ** 30)],
                "must be": ["-1", str(-10 ** 30)]}
        long = {"must be more than 0 and at most 31622400 (a year)":
                ["1e300", "1e8", "inf", "nan", "-1", "0", "-inf", str(10 ** 30), "9" * 5000],
                "invalid number of seconds value: 'x'": ["x"]}
        values = {"--limit": huge, "--count": huge, "--keep-mb": huge, "--ports": huge,
                  "--after": huge, "--duration": long, "--rest": long}
        seen = set()
        for command in command_table.commands():
            for option in command.options:
                name = option.spellings[-1]
                seen.add(name)
                for words, texts in values.get(name, {}).items():
                    for text in texts:
                        with self.subTest(command.name, option=name, text=text[:40]), \
                                self.assertRaises(Problem) as raised:
                            cli.build_parser().parse_known_args(
                                [command.name, f"{name}={text}"])
                        said = str(raised.exception)
                        self.assertIn(f"{command.name}: argument {name}: ", said)
                        self.assertIn(words, said)
                        self.assertLess(len(said), 200)
                        self.assertEqual(raised.exception.exit_code, 2)
        self.assertLessEqual(values.keys(), seen)

    def test_so_is_a_command_told(self) -> None:
        for option in ("--duration=1e300", "--duration=inf", "--count=" + "1" * 31):
            self.complains(2, "must be", "record", "/dev/null", option)

    def test_bad_recordings(self) -> None:
        self.complains(2, "cannot read /nix: No such file", "show", "/nix")
        self.complains(2, "standard input: not a recording", "show", "-",
                       stdin=b"hello")
        self.complains(2, "standard input: not a recording: it is empty",
                       "handshakes", "-")
        self.complains(2, "there is no kind 'nix'; there are: lost state",
                       "show", "-", "--kind", "ack,nix",
                       stdin=support.recording())
        self.complains(2, "is not a kernel module", "load", "/etc/passwd")
        self.complains(2, "more than one module", "load", "a.ko", "b.ko")
        self.complains(2, "is not PARAM=VALUE", "load", "--", "-x=1")

    @unittest.skipIf(LOADED, "the module is loaded here")
    def test_without_the_module(self) -> None:
        for arguments in (["show"], ["show", "--once"], ["handshakes"],
                          ["record", "/dev/null"]):
            with self.subTest(arguments):
                self.complains(4, "the module is not loaded; load it with",
                               *arguments)

    @unittest.skipIf(LOADED, "the module is loaded here")
    def test_unloading_what_is_not_loaded(self) -> None:
        result = run("unload")
        self.assertEqual((result.returncode, result.stdout),
                         (0, b"tcp_renoscope is not loaded\n"))

    @unittest.skipIf(LOADED, "the module is loaded here")
    def test_failed_recording_leaves_the_old_file(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"precious")
            file.flush()
            run("record", file.name)
            self.assertEqual(Path(file.name).read_bytes(), b"precious")


class Complaints(unittest.TestCase):
    def test_a_terminal_that_is_gone_ends_nothing(self) -> None:
        master, slave = os.openpty()
        os.close(master)
        with open(slave, "w", encoding="utf-8") as gone, \
                mock.patch("sys.stderr", gone):
            complain("saved")
            with self.assertRaises(OSError):
                gone.flush()
            with open(os.devnull, "w", encoding="utf-8") as null:
                os.dup2(null.fileno(), slave)   # for what it still holds

    def said_of(self, error: OSError) -> str:
        """What a command ends with that nobody saw coming."""
        def add(commands: Any) -> None:
            commands.add_parser("reckon").set_defaults(run=mock.Mock(side_effect=error))

        with mock.patch.object(cli, "modules", lambda _: [mock.Mock(add=add)]), \
                mock.patch.object(cli, "_forget_stdout"), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(cli.main(["reckon"]), 1)
        return said.getvalue()

    def test_the_file_is_named(self) -> None:
        for error, told in (
                (PermissionError(13, "Permission denied", "/a/\033x"),
                 "/a/?x: Permission denied"),
                (PermissionError(13, "Permission denied", b"/a"), "/a: Permission denied"),
                (OSError(28, "No space left on device"), "No space left on device"),
                (OSError(5, "Input/output error", 0), "Input/output error"),
                (OSError("of no number"), "of no number")):
            self.assertEqual(self.said_of(error), f"renoscope: {told}\n")


class Numbers(unittest.TestCase):
    """What no recorder writes is judged where it is read."""

    def test_a_bug_is_seen_as_one(self) -> None:
        def add(commands: Any) -> None:
            command = commands.add_parser("reckon")
            command.add_argument("file")
            command.set_defaults(run=lambda _: struct.pack("B", 256), parser=command)

        with mock.patch.object(cli, "modules", lambda _: [mock.Mock(add=add)]), \
                self.assertRaises(struct.error):
            cli.main(["reckon", "x.renoscope"])

    def test_clocks_that_none_has(self) -> None:
        for ns in (1 << 63, -1, 10 ** 30, 1.5):
            meta = support.META | {"clocks": {"monotonic_ns": 0, "realtime_ns": ns}}
            with mock.patch.object(support, "META", meta):
                recording = support.recording(Scene().pack("ack"))
            with self.subTest(ns):
                done = run("show", "-", "--absolute", stdin=recording)
                self.assertEqual((done.returncode, done.stderr), (
                    2, b"renoscope: show: the recording does not tell the wall clock\n"))
                for view in DATED:
                    done = run(view, "-", "--absolute", stdin=recording)
                    self.assertEqual((done.returncode, done.stdout, done.stderr.decode()), (
                        2, b"", f"renoscope: {view}: the recording does not tell the wall "
                        "clock\n"))
                self.assertEqual(run("report", "-", "-o", "-", stdin=recording).stderr, b"")

    def test_times_of_day_when_the_clock_moved(self) -> None:
        begun = support.META["clocks"]
        for moved_ns, told in ((10 ** 7, ""), (90_250 * 10 ** 6, "90.25 s forward"),
                               (-10 ** 9, "1 s back")):
            words = f"the wall clock went {told} meanwhile"
            recording = support.recording(
                Scene().pack("ack"), ended_monotonic_ns=begun["monotonic_ns"],
                ended_realtime_ns=begun["realtime_ns"] + moved_ns)
            for told_by in (*((view, "-", option) for view in ("show", *DATED)
                              for option in ("--absolute", "--json")),
                            ("export", "-", "--format", "csv")):
                done = run(*told_by, stdin=recording)
                self.assertEqual(done.returncode, 0)
                self.assertEqual(f"renoscope: {words}" in done.stderr.decode(), bool(told))
            for told_by in (("report", "-", "-o", "-"), ("top", "-", "--once")):
                said = run(*told_by, stdin=recording).stdout.decode()
                self.assertEqual(words in said, bool(told), told_by)
            self.assertEqual(run("show", "-", stdin=recording).stderr, b"")

    def test_depths_that_no_recorder_writes(self) -> None:
        whole = support.recording()
        at = whole.index(b"META") + 4
        size, = struct.unpack_from("<I", whole, at)
        deep = b'{"a":' + b"[" * 99_999 + b"]" * 99_999 + b"}"
        done = run("show", "-", stdin=whole[:at] + struct.pack("<I", len(deep)) + deep
                   + whole[at + 4 + size:])
        self.assertEqual((done.returncode, done.stderr), (
            2, b"renoscope: standard input: damaged recording: its META chunk is "
            b"nested too deep\n"))


class Help(unittest.TestCase):
    def test_every_command_has_an_example_and_the_codes(self) -> None:
        for command in commands.NAMES:
            with self.subTest(command):
                text = self.help_of(command)
                self.assertRegex(text, "example:\\n  (sudo )?scripts/renoscope "
                                 f"{command}")
                self.assertIn(EXIT_CODES_HELP, text)
                self.assertLess(max(map(len, text.splitlines())), 81)
        self.assertIn(EXIT_CODES_HELP, run("--help").stdout.decode())

    @staticmethod
    def help_of(command: str) -> str:
        with (mock.patch.dict(os.environ, COLUMNS="80"), contextlib.suppress(SystemExit),
              contextlib.redirect_stdout(io.StringIO()) as out):
            cli.main([command, "--help"])
        return out.getvalue()

    def test_an_option_is_the_same_in_every_command(self) -> None:
        """Its value has one name, but for the sort of file that it is."""
        values: dict[str, set[str]] = {}
        for command in command_table.commands():
            for option in command.options:
                values.setdefault(option.spellings[0], set()).add(
                    re.sub(r"^OUT(?=FILE)|\..*", "", option.value))
        self.assertEqual({name: value for name, value in values.items()
                          if len(value) > 1}, {})

    def test_options_stand_in_one_order(self) -> None:
        """Whom to tell of stands together; how much, and for whom, comes last."""
        for command in command_table.commands():
            names = [option.spellings[-1] for option in command.options]
            with self.subTest(command.name):
                if "--connection" in names:
                    self.assertEqual(names.index("--connection"), names.index("--port") + 1)
                last = [name for name in names if name in ("--limit", "--json")]
                self.assertEqual(names[len(names) - len(last):], last)
                self.assertEqual(last, sorted(last, reverse=True))

    def test_options_between_file_and_connection(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "x.renoscope")
            Path(file).write_bytes(support.recording(session()))
            usual, between, before = (
                run("flow", *words) for words in (
                    [file, "sk:5", "--json"], [file, "--json", "sk:5"],
                    ["--json", file, "sk:5"]))
        self.assertEqual(usual.returncode, 0, usual.stderr)
        self.assertIn(b'"sk:5"', usual.stdout)
        self.assertEqual(between.stdout, usual.stdout)
        self.assertEqual(before.stdout, usual.stdout)

    def test_closed_standard_streams(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "x.renoscope")
            Path(file).write_bytes(support.recording(session()))
            page = os.path.join(folder, "x.html")
            for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
                for words in (["explain", file], ["show", file],
                              ["report", file, "-o", page],
                              ["export", file, "--format", "jsonl"]):
                    with self.subTest(f"{words[0]} {closed}"):
                        done = subprocess.run(
                            ["sh", "-c", f'"$0" "$@" {closed}', RENOSCOPE, *words],
                            capture_output=True, timeout=60, check=False)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.assertNotIn(b"Traceback", done.stderr)
            self.assertTrue(Path(page).read_text().startswith("<!DOCTYPE"))

    def test_through_a_link(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / "rs"
            link.symlink_to(RENOSCOPE)
            result = subprocess.run([link, "--help"], capture_output=True,
                                    check=False, cwd="/")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_interrupted_while_it_starts(self) -> None:
        """Before the command can answer for it: while its modules are loaded."""
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "renoscope_lib"
            library.mkdir()
            (library / "cli.py").write_text("raise KeyboardInterrupt\n")
            command = shutil.copy(RENOSCOPE, folder)
            result = subprocess.run([command], capture_output=True, check=False)
        self.assertEqual((result.returncode, result.stdout + result.stderr),
                         (130, b""))


class Show(unittest.TestCase):
    def show(self, *arguments: str, data: bytes | None = None,
             code: int = 0) -> list[str]:
        data = support.recording(session()) if data is None else data
        result = run("show", "-", *arguments, stdin=data)
        self.assertEqual(bool(result.stderr), bool(code), result.stderr)
        self.assertEqual(result.returncode, code)
        return result.stdout.decode().splitlines()

    def test_lines(self) -> None:
        heading, *lines = self.show()
        self.assertTrue(heading.startswith("#"))
        self.assertEqual(len(lines), 5)
        self.assertRegex(lines[0], r"^ +0\.000000 cpu0 +sk:5 +10\.77\.0\.1:40112"
                         r" +- 10\.77\.0\.2:5000 +CLOSED -> SYN-SENT, ISN "
                         r"2712239078$")
        self.assertRegex(lines[1], r"^ +0\.036000 .* SYN-SENT -> ESTABLISHED "
                         r"+\| una=1 nxt=1 rcv=1$")
        self.assertIn("received [PSH,ACK] seq=1 ack=1 len=8 next=9 win=130816",
                      lines[2])
        self.assertTrue(lines[3].startswith("*** 3 events LOST on cpu0"))

    def test_no_colour_into_a_pipe(self) -> None:
        self.assertNotIn("\033", "\n".join(self.show()))

    def test_filters(self) -> None:
        self.assertEqual(len(self.show("--kind", "state")), 1 + 2 + 1)
        self.assertEqual(len(self.show("--port", "80")), 1 + 1 + 1)
        self.assertEqual(len(self.show("--port", "40112")), 1 + 3 + 1,
                         "the early event is found by the port filled in")
        for name in ("6", "sk:6", "0x6"):
            self.assertEqual(len(self.show("--connection", name)), 1 + 1 + 1)

    def test_none_that_was_asked_for(self) -> None:
        """Said once, on standard error; a kind that is not there is no connection."""
        for option, value in (("--connection", "99"), ("--port", "1")):
            lines = self.show(option, value, code=1)
            self.assertEqual(len(lines), 1 + 1)
            self.assertIn("3 events LOST", lines[-1])
            self.assertEqual(len(self.show(option, value, "--json", code=1)), 1)
        self.assertEqual(len(self.show("--port", "80", "--kind", "rto")), 1 + 1)

    def test_the_exit_code_tells_as_well(self) -> None:
        """And the complaint names those that are there, if they are few.

        No listener's id, but its port before the others.
        """
        scene = Scene()
        few = session() + scene.pack("accepted", SECOND, cookie=7, state=LISTEN,
                                     local_port=5000)
        many = b"".join(scene.pack("ack", n, cookie=n, local_port=1000 + n)
                        for n in range(1, 11))
        for view in ("handshakes", "states", "losses", "windows", "rounds", "explain",
                     "cwnd", "show"):
            for data, option, value, told in (
                    (few, "--connection", "99", "sk:99 was not seen; these were: "
                     "sk:5, sk:6"),
                    (few, "--port", "1", "port 1 was not seen; these were: "
                     "5000, 80, 40112"),
                    (many, "--port", "1", "port 1 was not seen; these were: "
                     "1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008 and 3 more"),
                    (many, "--connection", "99", "sk:99 was not seen; 10 "
                     "other ids were"),
                    (few, "--connection", "5", "")):
                with self.subTest(view, option=option, value=value):
                    done = run(view, "-", option, value,
                               stdin=support.recording(data))
                    self.assertEqual(
                        (done.returncode, done.stderr.decode()),
                        (1, f"renoscope: {view}: {told}\n") if told else (0, ""))
                    if told:
                        self.assertRegex(done.stdout, rb"\A(#.*\n)?(\*\*\*.*\n)?\Z")
            done = run(view, "-", "--port", "1", stdin=support.recording(few)[:-30])
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, rb"\Arenoscope: \w+: port 1 was not seen; these were: "
                             rb"5000, 80, 40112; standard input: recording cut off .*\n\Z")

    def test_raw_and_absolute(self) -> None:
        lines = self.show("--raw-seq", "--absolute")
        self.assertIn(f"una={ISN_A + 1}", lines[2])
        self.assertTrue(lines[1].startswith("2023-11-14T22:13:20.000000Z"))

    def test_json(self) -> None:
        objects = [json.loads(line) for line in self.show("--json")]
        self.assertEqual([o["kind"] for o in objects],
                         ["state", "state", "ack", "lost", "ack"])
        self.assertEqual(objects[2]["relative"]["seg_ack"], 1)

    def test_cut_off(self) -> None:
        """What is there is shown, then it is said that more is missing."""
        data = support.recording(session())
        result = run("show", "-", stdin=data[:data.index(b"RECS") + 8 + 400])
        self.assertEqual(result.returncode, 2)
        self.assertEqual(len(result.stdout.splitlines()), 1 + 2)
        self.assertEqual(result.stderr, b"renoscope: standard input: recording "
                         b"cut off after 2 whole records, 16 bytes left over\n")

    def test_damage_after_good_records(self) -> None:
        result = run("show", "-", stdin=support.recording(session()) + b"x")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(len(result.stdout.splitlines()), 1 + 5)
        self.assertIn(b"damaged recording", result.stderr)

    def test_what_was_held_back_is_shown_before_the_damage(self) -> None:
        early = Scene().pack("state", old_state=CLOSED, state=SYN_SENT,
                             local_port=0)
        result = run("show", "-", stdin=support.recording(early) + b"x")
        self.assertIn(b"CLOSED -> SYN-SENT", result.stdout)

    def test_reader_that_goes_away(self) -> None:
        scene = Scene()
        data = support.recording(*[scene.pack("ack") * 500 for _ in range(40)])
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            result = subprocess.run(
                f"{RENOSCOPE} show {file.name} | head -1", shell=True,
                capture_output=True, check=False)
        self.assertEqual(result.stderr, b"")

    def test_output_with_no_room(self) -> None:
        with open("/dev/full", "wb") as full:
            result = subprocess.run([RENOSCOPE, "show", "-"], stdout=full,
                                    input=support.recording(session()),
                                    stderr=subprocess.PIPE, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr,
                         b"renoscope: No space left on device\n")

    def test_terminal_that_knows_little(self) -> None:
        """Nothing that is printed may be refused by the encoding."""
        environment = os.environ | {"PYTHONIOENCODING": "ascii"}
        result = run("doctor", env=environment)
        self.assertNotIn(b"Traceback", result.stderr)
        self.assertIn(b"mend: ", result.stdout)


class Terminal(unittest.TestCase):
    def shown(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit code and what a terminal shows, stdout and stderr."""
        try:
            ours, theirs = os.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminal here: {error.strerror}")
        with os.fdopen(theirs, "wb") as terminal:
            result = subprocess.run(
                [RENOSCOPE, *arguments], stdout=terminal, stderr=terminal,
                input=support.recording(Scene().pack("retransmit")),
                env=os.environ | environment, check=False)
        text = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(ours, 4096):
                text += chunk
        os.close(ours)
        return result.returncode, text.decode()

    def test_colour(self) -> None:
        self.assertIn("\033[33m", self.shown("show", "-", NO_COLOR="")[1])

    def test_no_color(self) -> None:
        self.assertNotIn("\033", self.shown("show", "-", NO_COLOR="1")[1])

    def test_no_recording_into_a_terminal(self) -> None:
        code, text = self.shown("record", "-")
        self.assertEqual(code, 2)
        self.assertIn("not for a terminal", text)


class HandshakesCommand(unittest.TestCase):
    def test_tables(self) -> None:
        result = run("handshakes", "-", stdin=support.recording(session()))
        text = result.stdout.decode()
        self.assertEqual(result.returncode, 0)
        self.assertIn("No SYN-ACK was sent again.", text)
        self.assertRegex(text, r"sk:5 +10.77.0.1:40112 +10.77.0.2:5000 +us +"
                         r"established +36 ms +SYN")
        self.assertIn("3 events LOST", text)

    def test_json(self) -> None:
        result = run("handshakes", "-", "--json",
                     stdin=support.recording(session()))
        tables = json.loads(result.stdout)
        self.assertEqual(tables["handshakes"][0]["took_us"], 36000)
        self.assertEqual(tables["synack_retransmits"], [])
        self.assertEqual(tables["lost_events"], 3)


if __name__ == "__main__":
    unittest.main()
