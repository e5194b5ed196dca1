# SPDX-License-Identifier: GPL-2.0
"""Find in a kernel's log what must not be there.

A test that passes while the kernel complains has not passed.  The patterns
below are what the kernel's own checkers and oops paths print; they are chosen
so that an untroubled boot of a stock kernel under QEMU matches none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import kcsan_report

# What each kind of trouble looks like.  Case matters: KASAN announces itself
# at boot as "kasan:", and shouts only when it finds something.
TROUBLE = (
    ("bug", r"\bBUG\b"),
    ("warning", r"\bWARNING: "),
    ("oops", r"\bOops\b|\bgeneral protection\b|\b[Uu]nable to handle\b|\binvalid opcode:"),
    ("oops", r"\bdivide error:|\bdouble fault\b|\bstack segment:"),
    # The head of any other oops: "int3: 0000 [#1] SMP".
    ("oops", r": [0-9a-f]{4} \[#\d+\]|\bThread overran stack\b|\bstack guard page\b"),
    ("panic", r"\bKernel panic - "),
    ("trace", r"\bCall [Tt]race:"),
    ("kasan", r"\bKASAN\b|\bKCSAN\b|\bKMSAN\b|\bKFENCE\b"),
    ("ubsan", r"\bUBSAN\b"),
    ("kmemleak", r"kmemleak: [1-9]\d* new suspected|\bunreferenced object\b"),
    # After these it is off; that it is off it says of `kmemleak=off`, too.
    ("kmemleak", r"kmemleak: Cannot (allocate a kmemleak_object|insert)\b"),
    ("lockdep", r"\bpossible (circular|recursive|irq|deadlock)|\binconsistent lock state\b"),
    ("lockdep", r"\bbad unlock balance\b|\bDEBUG_LOCKS_WARN_ON\b|\bheld lock freed\b"),
    ("lockdep", r"\blocks? (still )?held\b|\bnon-static key\b|\bInvalid wait context\b"),
    ("lockdep", r"\blockdep is turned off\b|\bturning off the locking correctness validator\b"),
    ("rcu", r"\brcu: INFO: |\bkthread (starved|timer wakeup didn't happen) for\b"),
    ("rcu", r"\bsuspicious RCU usage\b|\bdetected (expedited )?stalls?\b|\bRCU used illegally\b"),
    ("hang", r"\bblocked for more than\b|\b(soft|hard) (lockup|LOCKUP)\b|\bworkqueue lockup\b"),
    ("sleep", r"\bscheduling while atomic\b|\bsleeping function called\b"),
    ("sleep", r"\bhuh, entered softirq\b"),
    ("refcount", r"\brefcount_t\b|\bunregister_netdevice: waiting\b"),
    ("memory", r"\blist_(add|del) corruption\b|\bBad page (state|map)\b|\bOut of memory\b"),
    ("memory", r"\binvoked oom-killer\b|\bKilled process \d"),
    ("memory", r"\bpage allocation failure\b|\bObjects remaining in\b|\bRedzone\b|\bPoison\b"),
    ("objects", r"\bODEBUG: |\balready present!|\bAttempt to release TCP socket\b"),
    ("tracing", r"\btcp_renoscope: .*cannot attach\b"),
    ("tracing", r"\bftrace (bug|failed)\b|\bFailed to arm kprobe\b"),
)
_ANY = [(kind, re.compile(pattern)) for kind, pattern in TROUBLE]

# Taint that the bench itself brings about: an out-of-tree module (O), not
# signed by the distribution (E), and KUnit (N).
TAINT_LETTERS = "PFSRMBUDAWCIOELKXTN"
ALLOWED_TAINT = "ENO"

_POWER_DOWN = re.compile(r"\breboot: Power down$")
# Another processor may still have a word to say.
POWER_DOWN_WITHIN = 50

CONTEXT_BEFORE = 3
CONTEXT_AFTER = 15


@dataclass(frozen=True)
class Finding:
    """One troubling line, and the lines around it."""

    line_number: int
    kind: str
    line: str
    context: tuple[str, ...]


def clean_lines(text: str) -> list[str]:
    """The log's lines as the kernel wrote them, without the console's returns."""
    return [line.rstrip("\r") for line in text.split("\n")]


def kind_of(line: str) -> str | None:
    """The kind of trouble that a line tells of, or None."""
    return next((kind for kind, pattern in _ANY if pattern.search(line)), None)


def scan(text: str) -> list[Finding]:
    """All trouble in a log; lines within one report's context are not repeated.

    Data races between the kernel and itself are no trouble of a test's.
    """
    lines = clean_lines(text)
    findings: list[Finding] = []
    not_ours = kcsan_report.of_the_kernel(lines)
    covered = 0
    for index, line in enumerate(lines):
        kind = kind_of(line)
        if kind is None or index < covered or index in not_ours:
            continue
        covered = index + CONTEXT_AFTER + 1
        context = tuple(lines[max(0, index - CONTEXT_BEFORE) : covered])
        findings.append(Finding(index + 1, kind, line, context))
    return findings


def powered_off(text: str) -> bool:
    """Whether the kernel said so, last of all: one that is reset says nothing."""
    return any(_POWER_DOWN.search(line) for line in last_lines(text, POWER_DOWN_WITHIN))


def unexpected_taint(mask: int, allowed: str = ALLOWED_TAINT) -> str:
    """The letters of the taint bits that must not be set, or an empty string."""
    bits = range(mask.bit_length())
    letters = [_taint_letter(bit) for bit in bits if mask >> bit & 1]
    return "".join(letter for letter in letters if letter not in allowed)


def _taint_letter(bit: int) -> str:
    return TAINT_LETTERS[bit] if bit < len(TAINT_LETTERS) else "?"


def last_lines(text: str, count: int) -> Sequence[str]:
    """The end of a log, for a guest that stopped without saying why."""
    return [line for line in clean_lines(text) if line][-count:]
