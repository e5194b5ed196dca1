# SPDX-License-Identifier: GPL-2.0
"""The schema read from the headers, against what a C compiler makes of them."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from renoscope_lib import schema_source

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
#define MEMBER(type, name, unit, meaning) type name;
#define MEMBERS(kind, FIELDS) struct { FIELDS(MEMBER) };
struct tcp_event {
	EVENT_COMMON_FIELDS(MEMBER)
	union {
		EVENT_DETAILS(MEMBERS)
		u8 detail[EVENT_DETAIL_BYTES];
	};
};
#define SHOW(type, name, unit, meaning) printf("%s %zu %s %s\n", #name, \
	offsetof(struct tcp_event, name), unit_of(#unit), meaning);
#define SHOW_DETAIL(kind, FIELDS) FIELDS(SHOW)
#define SHOW_KIND(name, meaning) printf("%d %s %s\n", EVENT_KIND_##name, \
	#name, meaning);
static const char *unit_of(const char *unit) { return unit; }
int main(void)
{
	printf("%zu\n", sizeof(struct tcp_event));
	EVENT_KINDS(SHOW_KIND)
	EVENT_COMMON_FIELDS(SHOW)
	EVENT_DETAILS(SHOW_DETAIL)
	return 0;
}
"""


class AgainstTheCompiler(unittest.TestCase):
    def test_kinds_and_offsets(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "layout"
            subprocess.run(["cc", "-x", "c", "-I", schema_source.MODULE_DIR,
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

    def test_document(self) -> None:
        result = subprocess.run([support.SCRIPTS / "generate-events-doc"],
                                text=True, check=True, capture_output=True)
        source = support.source()
        for name in [f.name for f in source.fields] \
                + [name for name, _ in source.kinds] \
                + [flag.name for flag in source.sock_flags]:
            self.assertIn(f"   * - ``{name}``\n", result.stdout)
        self.assertIn("   * - ``cwnd``\n     - u32\n     - 112\n     - 4\n"
                      "     - segments\n     - all\n", result.stdout)


if __name__ == "__main__":
    unittest.main()
