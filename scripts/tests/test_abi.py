# SPDX-License-Identifier: GPL-2.0
"""What Documentation/ABI promises is what the sources do, and cannot change unnoticed.

How a file behaves when it is read, polled and sought, and what a parameter refuses,
needs a kernel: the selftests reader_test, module_test and filter_test ask that.  Here
are the names, versions, forms of lines, bounds and defaults.
"""

import re
import unittest

from renoscope_lib.machine.load_parameters import LEAST_RECORDS, MOST_RECORDS
from renoscope_lib.place import MODULE_SOURCE
from renoscope_lib.ring import schema_parser, stats
from renoscope_lib.ring.schema_source import SIZES, kind_names, parameter_names, switch_names
from renoscope_lib.ring.stats import parse_stats

from . import support

PAGE = support.SCRIPTS.parent / "Documentation/ABI/debugfs-renoscope"
DEBUGFS = "/sys/kernel/debug/renoscope/"
PARAMETERS = "/sys/module/tcp_renoscope/parameters/"

# Of version 1, in the numbers that records and recordings have: more may come behind
# them.  Whoever must change these raises the version.
KINDS_1 = (
    "lost state ack retransmit synack_retransmit ca_state reset_sent reset_received "
    "destroy syn request synack refused completed accepted request_end cookie_checked "
    "time_wait time_wait_end rto loss_probe probe zero_window error bad_checksum segment "
    "mark reno_phase reno_round reno_reduction reno_undo reno_restart").split()

# The same of fields, each with its unit: a reader finds by name where and how large one
# is, and by unit what it says.
FIELDS_1 = """
serial:number time_ns:ns cookie:cookie netns:number kind:kind family:number state:state
ca_state:ca_state local_port:port remote_port:port local_addr:address
remote_addr:address snd_una:sequence snd_nxt:sequence rcv_nxt:sequence
snd_isn:sequence rcv_isn:sequence seg_seq:sequence seg_ack:sequence seg_len:bytes
seg_flags:tcp_flags seg_window:window cwnd:segments ssthresh:segments srtt_us:us
rttvar_us:us min_rtt_us:us rto_us:us backoff:number retransmits:number
snd_wnd:bytes rcv_wnd:bytes snd_wscale:shift rcv_wscale:shift mss:bytes
packets_out:segments lost_out:segments retrans_out:segments sacked_out:segments
sock_flags:sock_flags cpu:number
accept_limit:number accept_queue:number by_timer:number bytes_acked:bytes
bytes_received:bytes cookie_verdict:cookie_verdict half_open:number
header_words:number kinds_on:kinds listener:cookie lost_events:number
mark_cause:mark_cause max_retries:number new_cwnd:segments new_ssthresh:segments
num_retrans:number num_timeout:number old_ca_state:ca_state old_cwnd:segments
old_phase:reno_phase old_state:state option_mss:bytes option_wscale:shift
phase:reno_phase probe_carries_data:number probe_cause:probe_cause
probe_retransmits:number probes_out:number reno_cause:reno_cause refusal:refusal
request_ending:request_ending reset_reason:reset_reason retrans_segs:segments
retransmit_cause:retransmit_cause retransmit_segs:segments round_acked:segments
round_rtt_us:us sack1_left:sequence sack1_right:sequence sack2_left:sequence
sack2_right:sequence sack3_left:sequence sack3_right:sequence sack_blocks:number
segment_flags:segment_flags segs_in:segments segs_out:segments since_synack_us:us
sk_error:errno syn_backlog:number synack_timeout_us:us synack_type:synack_type
time_wait_ending:time_wait_ending time_wait_step:time_wait_step time_wait_us:us
total_retrans:segments tsecr:number tsval:number urgent_pointer:number
window_change:window_change window_side:window_side""".split()


def source(name: str) -> str:
    """A file of the module."""
    return (MODULE_SOURCE / name).read_text()


def define(file: str, name: str) -> int:
    """A macro's number."""
    found = re.search(rf"^#define {name}\s+(?:BIT\((\d+)\)|(\d+))", source(file),
                      re.MULTILINE)
    assert found is not None, name
    return 1 << int(found[1]) if found[1] else int(found[2])


def printed(file: str, function: str) -> list[str]:
    """The lines that a function prints into a file, X for what stands for something."""
    body = re.search(rf"^\w.*\b{function}\(.*?^}}", source(file), re.MULTILINE | re.DOTALL)
    assert body is not None, function
    return [re.sub(r"%\w+", "X", line).removesuffix(r"\n") for line in re.findall(
        r'seq_printf\(file, "([^"]*)"', body[0])]


class Page(unittest.TestCase):
    def setUp(self) -> None:
        self.text = PAGE.read_text()

    def of(self, name: str) -> str:
        """What is said of one file or parameter, on one line."""
        found = re.search(rf"^What:\t+\S*/{re.escape(name)}\n(.*?)(?=^What:.*\nDesc|\Z)",
                          self.text, re.MULTILINE | re.DOTALL)
        assert found is not None, name
        return " ".join(found[1].split())

    def forms(self, name: str) -> list[str]:
        """The lines that a file has, as in `printed`."""
        found = re.search(rf"^What:\t+\S*/{name}\n.*?^\t\t(version N\n.*?)\n\n", self.text,
                          re.MULTILINE | re.DOTALL)
        assert found is not None, name
        return [re.sub(r"\S*[A-Z|]\S*", "X", line.strip())
                for line in found[1].splitlines()]

    def named(self, folder: str) -> list[str]:
        """All that stand there of a folder."""
        return re.findall(rf"^What:\t+{folder}(\S+)$", self.text, re.MULTILINE)


class Names(Page):
    def test_every_file(self) -> None:
        """Each is there by this name, and none is not told of."""
        made = re.findall(r'create_file\("(\w+)"', source("debugfs_files.c"))
        self.assertIn('"per_cpu/cpu%u/trace_raw"', source("debugfs_files.c"))
        self.assertEqual(sorted(self.named(DEBUGFS)),
                         sorted([*made, "per_cpu/cpuN/trace_raw"]))

    def test_every_parameter(self) -> None:
        self.assertEqual(sorted(self.named(PARAMETERS)), parameter_names())

    def test_who_may_write_what(self) -> None:
        """Files are for root to read; of parameters ring_records alone is fixed."""
        self.assertEqual(re.findall(r"debugfs_create_file\([^,]*, (\d+)",
                                    source("debugfs_files.c")), ["0400"])
        self.assertIn("mode 0400", self.text)
        modes = dict(re.findall(
            r"^module_param_cb\((\w+), [^;]*?(0\d+)\);", "".join(
                path.read_text() for path in sorted(MODULE_SOURCE.glob("*.c"))),
            re.MULTILINE))
        self.assertEqual(modes, {name: "0444" if name == "ring_records" else "0644"
                                 for name in parameter_names()})
        self.assertIn("Given at load", self.of("ring_records"))


class Versions(Page):
    def test_one_number_everywhere(self) -> None:
        schema = define("event_schema.h", "EVENT_SCHEMA_VERSION")
        told = define("debugfs_files.c", "STATS_VERSION")
        self.assertIn(f"schema version {schema} and stats version {told}.", self.text)
        self.assertEqual((schema_parser.SUPPORTED_VERSION, stats.SUPPORTED_VERSION),
                         (schema, str(told)))

    def test_nothing_of_version_1_is_gone(self) -> None:
        self.assertEqual(define("event_schema.h", "EVENT_SCHEMA_VERSION"), 1)
        self.assertEqual(kind_names()[:len(KINDS_1)], KINDS_1)
        now = {f"{field.name}:{field.unit}" for field in support.schema().fields}
        self.assertEqual(sorted(set(FIELDS_1) - now), [])


class Lines(Page):
    def test_of_schema(self) -> None:
        text = source("event_schema.c")
        formats = {re.sub(r"%\w+", "X", line) for line in re.findall(
            r'seq_printf\(file, "([^"]*)\\n"', text)}
        formats.add(re.sub(r"%\w+", "X", "value %s %u %s"))
        self.assertEqual(set(self.forms("schema")),
                         formats - {"value reset_reason X X"})
        self.assertEqual(re.findall(r"^# (\w+ [A-Z ]+[A-Z])", "\n".join(
            re.findall(r'"(# .*?)\\n"', text)), re.MULTILINE),
            [line for line in re.findall(r"^\t\t(\w+ [A-Z ]+[A-Z])$", self.text, re.MULTILINE)
             if line.split()[0] in ("kind", "field", "value")])

    def test_of_stats(self) -> None:
        """Those that the file begins with, in their order; then the sources."""
        *forms, last = self.forms("stats")
        self.assertEqual(forms, printed("debugfs_files.c", "stats_show")
                         + printed("event_controls.c", "event_controls_show"))
        self.assertEqual(last, "source X X X")

    def test_statuses(self) -> None:
        text = "".join(source(name) for name in (
            "source_status.c", "gap_probes.c", "tracepoint_probes.c", "segment_hooks.c"))
        for words, printed_as in (
                ('"attached"', '"attached"'), ('"off"', '"off"'),
                ('"missing: REASON"', '"missing: '),
                (", but not in N namespaces", ", but not in %d namespaces"),
                (", missed N calls", ", missed %lu calls")):
            with self.subTest(words):
                self.assertIn(words, self.of("stats"))
                self.assertIn(printed_as, text)

    def test_a_reader_skips_words_it_does_not_know(self) -> None:
        self.assertIn("Readers skip lines whose first word they do not know",
                      self.of("stats"))
        text = support.stats_text(cpu0=2)
        self.assertEqual(parse_stats(f"{text}weather fine 3\n"), parse_stats(text))

    def test_types(self) -> None:
        self.assertEqual(re.findall(r"\w+", " ".join(re.findall(
            r"TYPE is ([^(]*) \(16 bytes", self.of("schema")))),
            [*list(SIZES)[:-1], "or", list(SIZES)[-1]])
        self.assertEqual({field.type for field in support.schema().fields} - set(SIZES),
                         set())


class Bounds(Page):
    def says(self, name: str, *words: str) -> None:
        for one in words:
            self.assertIn(one, self.of(name))

    def test_of_sampling_and_freeze(self) -> None:
        most = define("event_controls.c", "SAMPLE_MAX")
        for name in ("flow_sample", "ack_sample"):
            self.says(name, f"1 to {most}, default 1.")
        self.says("freeze_after",
                  f"0 to {define('event_controls.c', 'FREEZE_AFTER_MAX')}, default 0.")
        self.says("freeze_on",
                  f"rto=K, K from 1 to {define('event_freeze.c', 'TIMEOUTS_MAX')},")

    def test_of_the_filter(self) -> None:
        keys = re.search(r"keys are ([a-z, ]+)", source("event_filter.c"))
        assert keys is not None
        self.says("filter", f"KEY one of {keys[1]},",
                  f"at most {define('event_filter.h', 'FILTER_TERMS_MAX')} values")

    def test_of_the_ring(self) -> None:
        self.assertEqual((LEAST_RECORDS, MOST_RECORDS), tuple(
            define("event_ring.h", f"RING_RECORDS_{which}") for which in ("MIN", "MAX")))
        self.says("ring_records", *(f"{before}{define('event_ring.h', f'RING_RECORDS_{which}')}"
                                    for before, which in (
                                        ("from ", "MIN"), ("to ", "MAX"),
                                        ("default ", "DEFAULT"))),
                  f"{support.schema().record_bytes} bytes each")

    def test_of_the_congestion_control(self) -> None:
        least, most, of_ecn = (define("reno_rules.c", f"BETA_{which}") for which in (
            "PERCENT_MIN", "PERCENT_MAX", "ECN_PERCENT"))
        usual = define("reno_rules.h", "RENO_BETA_PERCENT")
        self.says("reno_validate",
                  f"percent, {least} to {most}, defaults {usual} and {of_ecn};",
                  f"segments, 0 to {define('reno_rules.c', 'ABC_LIMIT_MAX')}, default 0;",
                  "the others: 0 or 1, default 0, and read back as N or Y.")
        self.assertRegex(source("reno_rules.c"),
                         r"switch_ops = \{[^}]*\.get = param_get_bool,")
        self.assertEqual(switch_names(), sorted(
            name for name in self.named(PARAMETERS) if name.startswith("reno_") and name
            not in ("reno_beta", "reno_beta_ecn", "reno_abc_limit")))
        self.assertEqual(re.findall(r"^static bool \w+( =.*)?;", source("reno_rules.c"),
                                    re.MULTILINE), [""] * len(switch_names()))

    def test_of_the_kinds(self) -> None:
        self.says("events", '"default" (all but segment)')
        self.assertRegex(source("event_sources.c"), r"#define DEFAULT_KINDS\t"
                         r"\(EVENT_KINDS_PROBED & ~EVENT_KIND_BIT\(segment\)\)")
        self.assertIn("wanted_kinds = DEFAULT_KINDS;", source("event_sources.c"))


if __name__ == "__main__":
    unittest.main()
