# SPDX-License-Identifier: GPL-2.0
"""The tables of Documentation/performance.rst, from what was measured."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from parts import Part

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "shared"))

import generated  # noqa: E402  (found through the line above)
from generated import table  # noqa: E402

BEGINS = ".. generated begins: scripts/bench/run"

NOTHING = "\\-"
GROUPS = ("ours", "kernel", "bpf", "bcc")
# In the order of the tables: ours first, then what it is compared with.
IN_MEMORY = ("unloaded", "renoscope-none", "renoscope-ack", "renoscope-default",
             "renoscope-all", "ftrace", "bpftrace-count", "libbpf-tcprtt", "bcc-count",
             "bcc-tcprtt")
SAVED = ("renoscope-ack-saved", "renoscope-default-saved", "renoscope-all-saved",
         "renoscope-ack-cat", "renoscope-ack-read", "trace-cmd", "perf", "tcpdump",
         "bpftrace-printf", "bcc-trace")
READINGS = {"record": "``renoscope record``, the program's part",
            "columns": "columns of numpy, for ``report`` and ``cwnd --draw``"}


# ---- cells ----------------------------------------------------------------


def number(value: float) -> str:
    """Whole, with a blank between thousands; a minus sign where it has one."""
    return f"{round(value) + 0:,}".replace(",", " ")


def more(spread: Mapping[str, float]) -> str:
    """The median with its sign, and the quartiles."""
    low, high = number(spread["low"]), number(spread["high"])
    middle = number(spread["median"])
    sign = "" if middle.startswith("-") else "+"
    return f"{sign}{middle}" + (f" ({low} to {high})" if low != high else "")


def ratio(spread: Mapping[str, float]) -> str:
    """The same of a ratio."""
    return f"{spread['median']:.2f} ({spread['low']:.2f} to {spread['high']:.2f})"


def plain(text: str) -> str:
    """What others wrote, with nothing in it that reStructuredText would take for markup."""
    return re.sub(r"([\\`*_|])", r"\\\1", text)


def heading(text: str) -> list[str]:
    """A section's title."""
    return [text, "-" * len(text), ""]


# ---- one message ----------------------------------------------------------


def _rows_of(kept: Mapping[str, Part], kind: str) -> dict[str, dict[str, Any]]:
    """All rows of one measurement, by name."""
    return {row["name"]: row for group in GROUPS if f"{kind}-{group}" in kept
            for row in kept[f"{kind}-{group}"].result["rows"]}


def recorded(row: Mapping[str, Any]) -> str:
    """What of the messages the tool has, by its own output."""
    got = row["recorded"]
    if not got:
        return NOTHING
    an_event = f"; {got['file_bytes'] / got['events']:.0f} bytes each" if (
        got["file_bytes"] and got["events"]) else ""
    missing = row["messages"] - got["events"]
    if not got["events"]:
        return NOTHING
    if got["lost"] or missing > row["messages"] // 1000:
        gone = max(got["lost"], missing)
        return f"{gone / (got['events'] + gone):.1%} lost{an_event}"
    many = got["events"] / row["messages"]
    return ("all" if many < 1.01 else f"all, {many:.1f} events each") + an_event


def _message_row(instructions: Mapping[str, Any] | None,
                 seconds: Mapping[str, Any] | None) -> list[str]:
    row = instructions or seconds
    assert row is not None
    if "unavailable" in row:
        return [row["title"], "not measured", "", plain(row["unavailable"])]
    return [row["title"], more(instructions["more"]) if instructions else "",
            ratio(seconds["ratio"]) if seconds and "ratio" in seconds else "",
            recorded(row)]


def _message_table(kept: Mapping[str, Part], names: Sequence[str],
                   first: Sequence[Sequence[str]] = ()) -> list[str]:
    counted, clocked = _rows_of(kept, "messages"), _rows_of(kept, "seconds")
    rows = [_message_row(counted.get(name), clocked.get(name)) for name in names
            if name in counted or name in clocked]
    if not rows and not first:
        return []
    head = ("with", "more instructions", "times as long", "of the messages it has")
    shown = [place for place in range(4) if place != 2 or clocked]
    return table([head[place] for place in shown],
                 [[row[place] for place in shown] for row in (*first, *rows)],
                 [(44, 22, 18, 26)[place] for place in shown])


def _base(kept: Mapping[str, Part]) -> list[str]:
    bases = [row["off"]["median"] for row in _rows_of(kept, "messages").values()
             if "off" in row]
    if not bases:
        return []
    return [f"Without any of it, a message costs {number(min(bases))} to "
            f"{number(max(bases))} instructions, the program's own included.", ""]


def messages(kept: Mapping[str, Part]) -> list[str]:
    """The tables for a reader in a hurry."""
    limit = []
    if "limit" in kept:
        told = kept["limit"].result
        limit = [[f"the physical limit: the clock read, {told['record_bytes']} bytes "
                  "stored", f"+{number(told['clock_and_stores'])}", "", NOTHING]]
    lines = []
    if _rows_of(kept, "messages") and not _rows_of(kept, "seconds"):
        lines += ["Seconds were not measured, so no table says ``times as long``.", ""]
    if in_memory := _message_table(kept, IN_MEMORY, limit):
        lines += [*heading("A message on loopback: recording only"), *_base(kept), *in_memory]
    if saved := _message_table(kept, SAVED):
        lines += [*heading("A message on loopback: saved to a file"), *saved]
    return lines


# ---- what was aimed at ----------------------------------------------------


TARGETS = (("0 when unloaded", "unloaded", 25),
           ("under 10 with events off", "renoscope-none", 10),
           ("at most 300 recording only, ``ack`` alone", "renoscope-ack", 300),
           ("at most 300 recording only, the default kinds", "renoscope-default", 300),
           ("at most 450 with the recording saved, ``ack`` alone", "renoscope-ack-saved",
            450),
           ("at most 450 with the recording saved, the default kinds",
            "renoscope-default-saved", 450))


def verdict(spread: Mapping[str, float], most: float) -> str:
    """Whether a target is met."""
    return "met" if spread["median"] <= most else "missed"


def targets(kept: Mapping[str, Part]) -> list[str]:
    """What was aimed at, in instructions a message, and what came of it."""
    counted = _rows_of(kept, "messages")
    rows = [(words, more(counted[name]["more"]), verdict(counted[name]["more"], most))
            for words, name, most in TARGETS if "more" in counted.get(name, {})]
    if not rows:
        return []
    return heading("What was aimed at") + table(
        ("instructions more for a message", "measured", ""), rows, (60, 30, 10))


# ---- an event -------------------------------------------------------------


def event(kept: Mapping[str, Part]) -> list[str]:
    """One event, and one that is turned away."""
    rows = [(row["title"], number(row["median"])) for row in kept["event"].result]
    return heading("One event") + table(("an ``ack`` event", "instructions"), rows, (70, 20))


# ---- where it grows -------------------------------------------------------


def _flat(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    costs = [row["event"]["median"] for row in rows]
    apart = (max(costs) - min(costs)) / min(costs)
    return ["What an ``ack`` event costs while so many connections are open, each carrying "
            f"messages in its turn; from least to most {apart:.1%}:", "",
            *table(("connections open", "instructions an event", "a message without"),
                   [(number(row["open"]), number(row["event"]["median"]),
                     number(row["message"])) for row in rows], (30, 30, 30))]


def _connections(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    base = rows[0]["off"]["median"]
    cells = [("without", number(base), number(1e9 / base), "")]
    for row in rows:
        cost = row["off"]["median"] + row["more"]["median"]
        got = row["recorded"]
        told = "" if not got or not got["events"] else (
            f"{got['events'] / row['connections']:.1f} events each, {got['lost']} lost")
        cells.append((row["title"], more(row["more"]), number(1e9 / cost), told))
    return ["A connection opened, used for one message and closed at both ends; a second "
            "of the guest has 1 000 million instructions:", "",
            *table(("with", "instructions", "connections a second", "recorded"),
                   cells, (40, 25, 20, 25))]


def _sustained(told: Mapping[str, Any]) -> list[str]:
    rate = told["events"] / told["seconds"]
    return [f"The default kinds, saved by ``renoscope record`` on the same processor: "
            f"{number(rate)} events a second, {told['lost']} lost. These are all the "
            f"messages there could be ({number(told['messages'])} as fast as they can, in "
            f"{told['seconds']:.1f} s). A second of the guest has 1 000 million "
            "instructions.", ""]


def _reading(kept: Mapping[str, Part]) -> list[str]:
    """What saving one event takes: what is more with a reader, and not without."""
    rows = _rows_of(kept, "messages")
    if not all("more" in rows.get(name, {}) for name in
               ("renoscope-ack", "renoscope-ack-saved")):
        return []
    each = (rows["renoscope-ack-saved"]["more"]["median"]
            - rows["renoscope-ack"]["more"]["median"])
    return [f"To read an event and save it takes {number(each)} instructions: so one "
            f"processor that does nothing else saves {number(1e9 / each)} a second, if it "
            "executes 1 000 million instructions a second.", ""]


def _memory(told: Mapping[str, Any]) -> list[str]:
    rows = [(number(row["ring_records"]), number(row["module_bytes"] / 1024),
             *(number(row["more_kib"][name]) for name in ("VmallocUsed", "Percpu", "Slab")))
            for row in told["loads"]]
    grown = told["more_kib_with_connections"]
    return ["What a load takes, on one processor, in KiB. The ring is taken once for each "
            "processor, when it comes up; all else once:", "",
            *table(("``ring_records``", "module, text and data", "vmalloc, that included",
                    "per-CPU", "slab"), rows, (18, 22, 24, 14, 14)),
            f"With {number(told['connections'])} connections open, all of them recorded: "
            f"{number(grown['VmallocUsed'])} KiB more of vmalloc, {number(grown['Percpu'])} "
            "KiB more per-CPU. Nothing is kept for a connection.", ""]


def capacity(kept: Mapping[str, Part]) -> list[str]:
    """Memory, connections, events a second."""
    told = kept["capacity"].result
    return [*heading("As it grows"), *_sustained(told["sustained"]), *_reading(kept),
            *_connections(told["connections"]), *_flat(told["flat"]),
            *_memory(told["memory"])]


# ---- congestion control and reading ---------------------------------------


def congestion(kept: Mapping[str, Part]) -> list[str]:
    """Each algorithm beside reno, a column a mode."""
    told = kept["congestion"].result
    modes = list(dict.fromkeys(row["mode"] for row in told))
    bases = {row["mode"]: row["reno"]["median"] for row in told}
    rows = [["``reno``", *(number(bases[mode]) for mode in modes)]]
    for name in dict.fromkeys(row["algorithm"] for row in told):
        by_mode = {row["mode"]: row["more"] for row in told if row["algorithm"] == name}
        rows.append([f"``{name}``", *(more(by_mode[mode]) for mode in modes)])
    return [*heading("Congestion control"), "Instructions for an ACK, programs and both "
            "hosts' kernels included; below ``reno``, what is more:", "",
            *table(("algorithm", *modes), rows, (20, *(20 for _ in modes)))]


def reader(kept: Mapping[str, Part]) -> list[str]:
    """How fast recordings are saved and read, on this machine and not in a guest."""
    rows = [(READINGS.get(row["what"], f"``export --format {row['what']}``"),
             number(row["records"] / row["processor_s"]),
             f"{row['records'] * 192 / row['processor_s'] / 1e6:.0f}",
             f"{row['memory_mib']:.0f}") for row in kept["reader"].result]
    return [*heading("Saving and reading"), "On the machine itself, a second of the "
            f"processor, {number(kept['reader'].result[0]['records'])} records:", "",
            *table(("what", "records a second", "MB a second", "MiB of memory"), rows,
                   (46, 20, 16, 18))]


# ---- all of it ------------------------------------------------------------


def origins(kept: Mapping[str, Part]) -> list[str]:
    """What was measured on what, and when: parts alike share a line."""
    parts: dict[str, list[str]] = {}
    for name, part in kept.items():
        parts.setdefault(part.origin, []).append(name)
    return [*heading("Measured on"),
            *(f"- {origin}: {', '.join(names)}" for origin, names in parts.items()), ""]


SECTIONS: Sequence[tuple[str, Callable[[Mapping[str, Part]], list[str]]]] = (
    ("event", event), ("capacity", capacity), ("congestion", congestion),
    ("reader", reader))


def tables(kept: Mapping[str, Part]) -> str:
    """Every table whose parts were measured."""
    lines = ["", *messages(kept), *targets(kept)]
    for name, section in SECTIONS:
        if name in kept:
            lines += section(kept)
    return "\n".join([*lines, *origins(kept)]) + "\n"


def alone(made: str, missing: Sequence[str]) -> str:
    """A page of nothing but these tables, for out/bench."""
    title = "What it costs, measured here"
    lacking = [f"Not measured: {', '.join(missing)}.", ""] if missing else []
    return "\n".join([".. SPDX-License-Identifier: GPL-2.0", "", "=" * len(title), title,
                      "=" * len(title), "", *lacking, made.lstrip("\n")])


def updated(text: str, made: str) -> str:
    """The page with its generated part replaced."""
    try:
        return generated.updated(text, BEGINS, made)
    except ValueError as problem:
        raise SystemExit(f"bench: performance.rst has {problem}") from None
