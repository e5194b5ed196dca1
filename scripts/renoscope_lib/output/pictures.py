# SPDX-License-Identifier: GPL-2.0
"""Pictures with matplotlib, which nothing else here needs.

So it is asked for when a picture is drawn and not before. No state of matplotlib's is
changed for good, and the same picture is the same bytes: no date, no random ids. Words
are plain text: those of a schema from elsewhere are no formulas.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..errors import BAD_INPUT, NOT_THERE, Problem
from ..place import COMMAND
from ..words import connection
from .whole_file import WholeFile

FORMATS = (".png", ".svg")
DOTS_PER_INCH = 150

# Ids told to somebody who must choose one.
FEW_IDS = 8


class Numbered(Protocol):
    """A connection as a view keeps it."""

    @property
    def cookie(self) -> int:
        """Its id."""


T = TypeVar("T", bound=Numbered)


def format_of(path: str, command: str) -> str:
    """The format that a file's name asks for."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise Problem(f"{command}: {path}: a picture's name ends with "
                      + " or ".join(FORMATS), BAD_INPUT)
    return suffix[1:]


def of_one(command: str, found: Iterable[T], what_they_did: str) -> T:
    """The only connection that there is to draw."""
    first = list(islice(found, FEW_IDS + 1))
    if len(first) == 1:
        return first[0]
    here = f"{command}: a picture is of one connection, here"
    if not first:
        raise Problem(f"{here} no connection {what_they_did}", BAD_INPUT)
    ids = [connection(one.cookie) for one in first[:FEW_IDS]]
    others = ", ..." if len(first) > FEW_IDS else ""
    raise Problem(f"{here} more than one {what_they_did}: choose with --connection: "
                  f"{', '.join(ids)}{others}", BAD_INPUT)


@contextmanager
def style(command: str, **settings: Any) -> Iterator[None]:
    """Settings of matplotlib's that hold while a picture is made; and it is there."""
    try:
        import matplotlib
    except ImportError:
        raise Problem(f"{command}: a picture needs matplotlib: apt-get install "
                      f"python3-matplotlib, and run {COMMAND} with "
                      "/usr/bin/python3", NOT_THERE) from None
    with matplotlib.rc_context({"svg.hashsalt": "renoscope",
                                "text.parse_math": False, **settings}):
        yield


def empty(width_inches: float, height_inches: float, **more: Any) -> Any:
    """A figure that is drawn into memory, whatever the screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure(figsize=(width_inches, height_inches), **more)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Any, path: str, form: str) -> None:
    """Write a figure to a file."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=DOTS_PER_INCH, bbox_inches="tight", format=form,
                   metadata={"Date": None} if form == "svg" else None)
    with WholeFile(path) as file:
        file.write(picture.getvalue())
