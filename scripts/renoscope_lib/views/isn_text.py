# SPDX-License-Identifier: GPL-2.0
"""How predictable initial sequence numbers are, for a terminal and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..output.tables import aligned, note
from ..words import plural
from .isn import COOKIES, OWN, PEER, Host, IsnAudit
from .isn_audit import MIN_CONNECTIONS, Audit


def as_json(view: IsnAudit, end_ns: int | None) -> dict[str, Any]:
    """Everything, as plain data."""
    return {"hosts": [{"address": h.address, "netns": h.netns,
                       "whose": h.whose, "left_out": h.left_out} | asdict(audit)
                      for h, audit in view.audits()],
            "isns_left_out": view.left_out, **view.gaps.as_json(end_ns)}


def _bits(bits: float | None) -> str:
    return "-" if bits is None else f"{bits:.1f}"


def _big(number: float | None) -> str:
    return "-" if number is None else f"{number:.0f}"


HELP = (
    "How to read it: a step is what one ISN lies above the one before in time, "
    "modulo 2^32 = 4294967296, each between other ports. Random ISNs have "
    "steps of every size, with a median near 2147483648. `per ms` is how much "
    "they grow by: a bare clock of 64 ns shows as 15625. `bits` is the least "
    "of several estimates of what a stranger does not know (32 at most; see "
    "Documentation/commands.rst); all are upper limits. `vouch` is how many "
    "bits so small a sample can show by not repeating.")


def as_text(view: IsnAudit) -> list[str]:
    """The same for people."""
    audits = view.audits()
    if not audits:
        return ["No initial sequence number was seen: record connections that "
                "open."]
    audits = [(h, a) for h, a in audits if a.count >= MIN_CONNECTIONS] or audits[:1]
    few = view.host_count() - len(audits)
    heading = ("host", "whose", "ISNs", "distinct", "least step", "median",
               "most", "per ms", "bits", "vouch")
    lines = aligned([heading] + [
        (h.address, h.whose, str(a.count), str(a.distinct), _big(a.step_min),
         _big(a.step_median), _big(a.step_max), _big(a.steps_per_ms),
         _bits(a.bits), _bits(a.sample_limit_bits)) for h, a in audits],
        frozenset(range(2, 10)))
    lines += note(HELP, "  ")
    for host, audit in audits:
        lines += ["", *_verdict_lines(host, audit)]
    if few:
        lines += ["", f"{few} more with fewer than {MIN_CONNECTIONS} ISNs: too "
                  "few connections to say anything; --json has them."]
    if view.left_out:
        lines += ["", f"{plural(view.left_out, 'ISN')} of further hosts left out: too many "
                  "to keep."]
    return lines


def _verdict_lines(host: Host, audit: Audit) -> list[str]:
    whose = {OWN: "its own", PEER: "a peer's, as they arrived",
             COOKIES: "its SYN cookies"}[host.whose]
    lines = [f"{host.address} ({whose}, netns {host.netns}): {audit.verdict}",
             *note(f"{audit.why}.", "    ")]
    if audit.same_addresses_bits is not None:
        lines += note("Between the same two addresses and other ports the "
                      "steps spread over "
                      f"{audit.same_addresses_bits:.1f} bits.", "    ")
    if audit.repeats:
        lines += note(audit.repeats + ".", "    ")
    if host.left_out:
        lines.append(f"    {host.left_out} more were left out: too many to "
                     "keep.")
    return lines
