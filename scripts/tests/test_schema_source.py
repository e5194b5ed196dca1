# SPDX-License-Identifier: GPL-2.0
"""The schema read from the headers, against what a C compiler makes of them."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from renoscope_lib.errors import Problem
from renoscope_lib.place import MODULE_SOURCE
from renoscope_lib.ring import schema_source

from . import support

# The structure of event_schema.h with user-space types.
PROGRAM = r"""
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "event_kinds.h"
#include "event_fields.h"
typedef uint8_t u8; typedef uint16_t u16;
typedef uint32_t u32; typedef uint64_t u64;
typedef struct { u8 bytes[16]; } addr;
typedef struct { char text[16]; } text;
#define MEMBER(type, name, unit, meaning) type name;
#define MEMBERS(FIELDS) struct { FIELDS(MEMBER) };
struct tcp_event {
	EVENT_COMMON_FIELDS(MEMBER)
	union {
		EVENT_DETAIL_LAYOUTS(MEMBERS)
		u8 detail[EVENT_DETAIL_BYTES];
	};
};
#define SHOW(type, name, unit, meaning) printf("%s %zu %s %s\n", #name, \
	offsetof(struct tcp_event, name), #unit, meaning);
#define SHOW_DETAIL(kind, FIELDS) FIELDS(SHOW)
#define SHOW_KIND(name, meaning) printf("%d %s %s\n", EVENT_KIND_##name, \
	#name, meaning);
#define SHOW_SOCK(name, bit, meaning) printf("sock_flags %d %s %s\n", \
	EVENT_SOCK_##name, #name, meaning);
#define SHOW_SEGMENT(name, bit, meaning) printf("segment_flags %d %s %s\n", \
	EVENT_SEGMENT_##name, #name, meaning);
#define SHOW_WORD(unit, word, meaning) printf("%s %d %s %s\n", #unit, \
	EVENT_##unit##_##word, #word, meaning);
#define SHOW_WORDS(unit, WORDS) WORDS(SHOW_WORD)
int main(void)
{
	printf("%zu\n", sizeof(struct tcp_event));
	EVENT_KINDS(SHOW_KIND)
	EVENT_COMMON_FIELDS(SHOW)
	EVENT_DETAILS(SHOW_DETAIL)
	EVENT_SOCK_FLAGS(SHOW_SOCK)
	EVENT_SEGMENT_FLAGS(SHOW_SEGMENT)
	EVENT_WORD_LISTS(SHOW_WORDS)
	return 0;
}
"""


class Compiler(unittest.TestCase):
    def test_one_with_its_version_in_its_name_will_do(self) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        assert compiler
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.dict(os.environ, {"PATH": folder}):
            self.assertIsNone(schema_source.find_compiler())
            with support.powerless(), mock.patch.dict(os.environ, {"PATH": f"{folder}/bin"}):
                self.assertIsNone(schema_source.find_compiler())
            with self.assertRaisesRegex(Problem, "no C compiler: sudo apt-get install gcc"):
                schema_source.read_source()
            for name in ("gcc-ar-12", "gcc-9", "gcc-12"):
                program = Path(folder, name)
                program.write_text(f'#!/bin/sh\nPATH={os.path.dirname(compiler)}\n'
                                   f'exec {compiler} "$@"\n')
                program.chmod(0o755)
            self.assertEqual(schema_source.find_compiler(), "gcc-12")
            self.assertEqual(schema_source.read_source(), support.source())


class AgainstTheCompiler(unittest.TestCase):
    def test_kinds_offsets_flags_and_words(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "layout"
            subprocess.run(["cc", "-x", "c", "-I", MODULE_SOURCE,
                            "-o", program, "-"], input=PROGRAM, text=True,
                           check=True)
            compiled = subprocess.run([program], text=True, check=True,
                                      capture_output=True).stdout
        source = support.source()
        lines = [str(source.record_bytes)]
        lines += [f"{number} {name} {meaning}" for number, (name, meaning)
                  in enumerate(source.kinds, 1)]
        lines += [f"{f.name} {f.offset} {f.unit} {f.meaning}"
                  for f in source.fields]
        lines += [f"{unit} {1 << flag.bit} {flag.name} {flag.meaning}"
                  for unit, flags in source.flags.items() for flag in flags]
        lines += [f"{unit} {word.number} {word.name} {word.meaning}"
                  for unit, words in source.words.items() for word in words]
        self.assertEqual(lines, compiled.splitlines())


class Tables(unittest.TestCase):
    def test_all_eleven_states(self) -> None:
        names = set(support.source().state_names.values())
        self.assertEqual(names, {
            "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
            "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT",
            "CLOSED"})

    def test_flags_in_header_order(self) -> None:
        self.assertEqual(support.source().tcp_flag_names, [
            "FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"])

    def test_words_are_values_of_the_schema(self) -> None:
        values = support.schema().values
        self.assertEqual(values["refusal"][1], "accept_queue_full")
        self.assertEqual(values["segment_flags"][0], "outgoing")
        self.assertEqual(values["mark_cause"], {
            0: "events", 1: "filter", 2: "frozen", 3: "thawed",
            4: "begun"})


class Document(unittest.TestCase):
    text = ""

    @classmethod
    def setUpClass(cls) -> None:
        cls.text = subprocess.run([support.SCRIPTS / "generate-events-doc"],
                                  text=True, check=True,
                                  capture_output=True).stdout

    def test_everything_has_its_row(self) -> None:
        source = support.source()
        names = [f.name for f in source.fields]
        names += [name for name, _ in source.kinds]
        names += [flag.name for flags in source.flags.values()
                  for flag in flags]
        names += [word.name for words in source.words.values()
                  for word in words]
        rows = set(self.text.splitlines())
        for name in names:
            self.assertTrue(f"   * - ``{name}``" in rows, name)

    def test_when_each_kind_is_taken(self) -> None:
        page = (support.SCRIPTS.parent / "Documentation" / "events.rst").read_text()
        told = re.findall(r"^([\w, ]+)\n    \S", page.partition(".. generated")[0],
                          re.MULTILINE)
        words = ", ".join(told).split(", ")
        for name, _ in support.source().kinds:
            self.assertTrue(name in words, "Documentation/events.rst does not say when "
                                           f"{name} is taken")

    def test_a_row_says_all_of_a_field(self) -> None:
        self.assertIn("   * - ``cwnd``\n     - u32\n     - 112\n     - 4\n"
                      "     - segments\n     - congestion window\n", self.text)

    def test_a_word_has_its_number_and_meaning(self) -> None:
        self.assertIn("   * - ``accept_queue_full``\n     - 1\n"
                      "     - the accept queue is full\n", self.text)

    def test_fields_that_kinds_share_stand_there_once(self) -> None:
        self.assertEqual(self.text.count("   * - ``half_open``\n"), 1)
        self.assertIn("Of ``time_wait`` and ``time_wait_end``:", self.text)
        self.assertRegex(self.text, r"Of ``synack_retransmit``, ``syn``,"
                                    r"[^:]*``cookie_checked``:")


if __name__ == "__main__":
    unittest.main()
