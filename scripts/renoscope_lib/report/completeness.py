# SPDX-License-Identifier: GPL-2.0
"""Is anything missing?  The proof, and what nobody could have seen.

Serials run without gaps on each processor.  So what was read and what the reader
was told it lost are added up here from the records themselves, and must come to
what the recorder says was written.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ring.ledger import Account, CpuLedger, Ledger
from .markup import Child, Html, tag
from .parts import Column, Section, and_more, number, section, table
from .told import Told
from .values import count, counted, share

# A damaged file can have a note for each of its places.
MOST_NOTES = 40

MOST_SERIAL = (1 << 64) - 1  # a u64 of the record


@dataclass(frozen=True)
class Proof:
    """Each processor's sum, and whether it was the recorder that said the end."""

    accounts: list[Account]
    has_end: bool

    @property
    def read(self) -> int:
        """On all of them."""
        return sum(account.read for account in self.accounts)

    @property
    def lost(self) -> int:
        """On all of them."""
        return sum(account.lost for account in self.accounts)

    @property
    def holds(self) -> bool:
        """Whether every serial is accounted for."""
        return all(account.holds for account in self.accounts)

    @property
    def is_whole(self) -> bool:
        """Whether that is all there was to see."""
        return self.holds and self.has_end and not self.lost


def _serial(told: object, otherwise: int) -> int:
    """A number that a recording tells; it may tell anything."""
    is_one = isinstance(told, int) and 0 <= told <= MOST_SERIAL
    return told if is_one else otherwise  # type: ignore[return-value]


def _ended_at(told: Told) -> dict[int, tuple[int, int]]:
    """Where each processor's serials began and ended, as the recorder says."""
    cpus = told.done.get("cpus")
    found = {}
    for cpu, sums in (cpus.items() if isinstance(cpus, dict) else ()):
        if isinstance(sums, dict) and cpu.isdecimal() and len(cpu) < 6:
            found[int(cpu)] = (_serial(sums.get("start"), 0),
                               _serial(sums.get("written"), 0))
    return found


def prove(told: Told) -> Proof:
    """Add it up."""
    ended = _ended_at(told)
    ledger = Ledger(dict(told.views.ledger.cpus))
    for cpu, seen in ledger.cpus.items():
        start = ended.get(cpu, (None, 0))[0]
        seen.start_low = 0 if start is None else start
        seen.start_high = MOST_SERIAL if start is None else start
    for cpu, (start, _) in ended.items():
        ledger.cpus.setdefault(cpu, CpuLedger(start, start))
    marks = {cpu: written for cpu, (_, written) in ended.items()}
    return Proof(ledger.accounts(marks), bool(ended) or told.name is None)


# ---- in words

def sentence(told: Told, proof: Proof) -> Html:
    """The whole statement in one sentence."""
    events = counted(proof.read, "event")
    if told.cut_off:
        is_so = "is damaged" if "damaged" in told.cut_off else "was cut off"
        return tag("span", f"The recording {is_so}: ", tag("strong", events),
                   " can be read, and what else there was is unknown",
                   _and_lost(proof), ".", class_="bad")
    if proof.lost:
        whole = proof.read + proof.lost
        return tag("span", "Of ", tag("strong", counted(whole, "event")), ", ",
                   tag("strong", f"{count(proof.lost)} are lost", class_="bad"),
                   f" ({share(proof.lost, whole)}): what is said "
                   "here may lack a part.")
    if not proof.holds:
        return tag("span", "The serials of ", events, " do not add up: some are "
                   "missing, and nobody told how many.", class_="bad")
    if not proof.has_end:
        return tag("span", tag("strong", events), " were read, without a gap; how "
                   "many there were at the end the recording does not tell.")
    return tag("span", tag("strong", events), " were recorded and ",
               tag("strong", "none is lost"), ".")


def _law(proof: Proof) -> str | None:
    return (" Each event has a serial on its processor: all of them are here, from "
            "the first to the last." if proof.is_whole else None)


def _and_lost(proof: Proof) -> Child:
    return f"; {count(proof.lost)} are lost besides" if proof.lost else None


def _rows(accounts: list[Account]) -> list[tuple[Child, ...]]:
    return [(f"cpu{account.cpu}", count(account.read),
             tag("strong", count(account.lost), class_="bad") if account.lost else "0",
             count(account.due), _verdict(account))
            for account in accounts]


def _verdict(account: Account) -> Child:
    if account.holds:
        return "adds up"
    missing = account.due - account.read - account.lost
    said = [f"{missing:,} not accounted for" if missing > 0 else
            f"{-missing:,} more than written" if missing else "",
            f"{counted(account.disorder, 'time')} out of order" if account.disorder else ""]
    return tag("span", ", ".join(filter(None, said)), class_="bad")


def _notes(told: Told) -> list[str]:
    """What nobody could have seen, without repeating the loss."""
    notes = told.views.whole.notes()
    shown = [note.removeprefix("note: ") for note in notes[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        shown.append(f"and {len(notes) - MOST_NOTES} notes more")
    return [f"{note[0].upper()}{note[1:]}." for note in shown if note]


def _forgotten(told: Told) -> list[str]:
    """Connections, listeners and closed ports too many to keep."""
    return [f"{line}." for line in told.views.left_out()]


def show(told: Told, proof: Proof) -> Section:
    """The section."""
    accounts = proof.accounts
    shown = accounts[:told.limit or None]
    notes = [*_forgotten(told), *_notes(told)]
    return section(
        "complete", "Completeness", tag("p", sentence(told, proof), _law(proof)),
        table("Events by processor",
              (Column("processor"), number("read"), number("lost"),
               number("written"), Column("read + lost = written")),
              _rows(shown),
              more=and_more(len(accounts) - len(shown),
                            told.other("show --json"), "processor"),
              total=("all", count(proof.read), count(proof.lost), count(sum(
                  account.due for account in accounts)), "")
              if len(accounts) > 1 else ()),
        tag("ul", [tag("li", note) for note in notes]) if notes else
        tag("p", "Every kind of event that this page needs was recorded all the "
            "time, of every connection: no filter, no sampling."))
