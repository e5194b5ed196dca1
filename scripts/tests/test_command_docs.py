# SPDX-License-Identifier: GPL-2.0
"""The man pages and bash's completion: nothing forgotten, nothing broken."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from renoscope_lib.command_table import commands
from renoscope_lib.errors import EXIT_CODES_HELP
from renoscope_lib.recording import recording_file
from renoscope_lib.ring.schema_source import kind_names, parameter_names, switch_names

from .support import SCRIPTS

PAGES = sorted((SCRIPTS.parent / "Documentation" / "man").glob("*.[58]"))
COMMANDS_PAGE = SCRIPTS.parent / "Documentation" / "commands.rst"
COMPLETION = SCRIPTS / "system" / "bash-completion" / "renoscope"


def page(section: int) -> str:
    """A page's words as a person reads them, one blank between two."""
    found = next(path for path in PAGES if path.suffix == f".{section}")
    text = found.read_text()
    for escape, plain in ((r"\-", "-"), (r"\(aq", "'"), (r"\(ha", "^"),
                          (r"\(ti", "~"), (r"\e", "\\"), (r"\&", "")):
        text = text.replace(escape, plain)
    return " ".join(re.sub(r"\\f[BIR]", "", text).split())


class ManPages(unittest.TestCase):
    def test_generated_parts_are_current(self) -> None:
        done = subprocess.run([sys.executable, SCRIPTS / "generate-command-docs"],
                              text=True, capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_every_option_stands_in_its_section(self) -> None:
        """Found in the page by other means than those that wrote it."""
        text = page(8)
        sections = dict(zip(*[iter(re.split(r" \.SS (\w+) ", text)[1:])] * 2))
        self.assertEqual(list(sections), [c.name for c in commands()])
        for command in commands():
            for option in command.options:
                for word in set(option.spellings) - {"-h", "--help"}:
                    self.assertRegex(sections[command.name], rf"\.TP .*{word}\b")

    def test_every_command_stands_in_the_readme(self) -> None:
        text = (SCRIPTS.parent / "README.md").read_text()
        for command in commands():
            self.assertTrue(re.search(rf"`(renoscope )?{command.name}\b", text),
                            f"README.md does not name {command.name}")

    def test_every_view_stands_in_its_page(self) -> None:
        text = (SCRIPTS.parent / "Documentation" / "commands.rst").read_text()
        for command in commands():
            if command.name not in ("doctor", "load", "unload"):
                self.assertTrue(re.search(rf"(renoscope |``){command.name}\b", text),
                                f"Documentation/commands.rst does not name {command.name}")

    def test_exit_codes(self) -> None:
        """The man page and the page on the commands say what --help does."""
        table = " ".join(COMMANDS_PAGE.read_text().replace("``", "").split())
        for text in (page(8).replace(".TP .B ", ""), table):
            for code, meaning in re.findall(r"^  (\d+) +((?:.|\n {7})+)",
                                            EXIT_CODES_HELP, re.MULTILINE):
                self.assertIn(f"{code} {' '.join(meaning.split())}", text)

    def test_every_parameter(self) -> None:
        for name in parameter_names():
            if not name.startswith("reno_"):
                self.assertIn(f".I {name} ", page(8))

    def test_the_format(self) -> None:
        text = page(5)
        for word in (recording_file.MAGIC, recording_file.META, recording_file.SCHEMA,
                     recording_file.STATS, recording_file.RECORDS, recording_file.DONE):
            self.assertIn(word.decode(), text)
        self.assertIn(str(recording_file.MAX_CHUNK_BYTES), text)

    def rendered(self, *command: str) -> None:
        for path in PAGES:
            with self.subTest(path.name):
                done = subprocess.run([*command, path], text=True, check=False,
                                      capture_output=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                if command[0] == "mandoc":
                    self.assertEqual(done.stdout, "")

    @unittest.skipUnless(shutil.which("groff"), "no groff here")
    def test_groff_has_no_complaint(self) -> None:
        self.rendered("groff", "-ww", "-man", "-Tutf8")

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc here")
    def test_mandoc_has_no_complaint(self) -> None:
        self.rendered("mandoc", "-Tlint", "-Wwarning")


class Completion(unittest.TestCase):
    """A real bash, with the words as readline would hand them over."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in ("a b.renoscope", "notes.txt", "tcp_renoscope.ko"):
            (self.folder / name).touch()
        (self.folder / "kept").mkdir()

    def offers(self, *words: str) -> set[str]:
        """What is offered for the last word."""
        done = subprocess.run(
            ["bash", "--norc", "-uc", 'source "$1"; shift; COMP_WORDS=("$@")\n'
             "COMP_CWORD=$(($# - 1)); _renoscope\n"
             'printf "%s\\n" "${COMPREPLY[@]}"', "bash", COMPLETION, "renoscope",
             *words], text=True, cwd=self.folder, capture_output=True, check=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.splitlines()) - {""}

    def test_commands(self) -> None:
        names = {command.name for command in commands()}
        self.assertEqual(self.offers(""), names | {"--help", "--version"})
        self.assertEqual(self.offers("sho"), {"show"})

    def test_options(self) -> None:
        for command in commands():
            self.assertEqual(self.offers(command.name, "-"), {
                word for option in command.options for word in option.spellings})

    def test_recordings(self) -> None:
        self.assertEqual(self.offers("show", ""), {"a b.renoscope", "kept"})
        self.assertEqual(self.offers("show", "--once", "a"), {"a b.renoscope"})

    def test_folders(self) -> None:
        self.assertEqual(self.offers("watch", ""), {"kept"})

    def test_any_file(self) -> None:
        self.assertEqual(self.offers("rounds", "--draw", "n"), {"notes.txt"})
        self.assertEqual(self.offers("rounds", "--draw", "=", "n"), {"notes.txt"})

    def test_any_file_that_is_written(self) -> None:
        for command in commands():
            for option in command.options:
                for word in set(option.spellings) & {"-o", "--output", "--textfile",
                                                     "--svg", "--draw"}:
                    with self.subTest(f"{command.name} {word}"):
                        self.assertEqual(self.offers(command.name, word, "n"),
                                         {"notes.txt"})

    def test_a_number_is_not_offered(self) -> None:
        self.assertEqual(self.offers("show", "--port", ""), set())

    def test_kinds(self) -> None:
        kinds = set(kind_names()) - {"lost", "mark"}
        self.assertEqual(self.offers("show", "--kind", ""), kinds)
        self.assertEqual(self.offers("show", "--kind", "state,reset_"),
                         {"state,reset_sent", "state,reset_received"})

    def test_module(self) -> None:
        self.assertEqual(self.offers("load", ""), {
            "tcp_renoscope.ko", "kept", *(f"{name}=" for name in parameter_names())})
        self.assertEqual(self.offers("load", "events", "=", "+seg"), {"+segment"})
        self.assertEqual(self.offers("load", "events", "="),
                         {"all", "default", "none", *kind_names()}
                         - {"lost", "mark"})
        self.assertEqual(self.offers("load", "freeze_on", "=", "rto,refu"),
                         {"rto,refused"})
        for switch in ("frozen", "reno_abe", *switch_names()):
            self.assertEqual(self.offers("load", switch, "="), {"0", "1"})
        self.assertEqual(self.offers("load", "filter", "="), set())


if __name__ == "__main__":
    unittest.main()
