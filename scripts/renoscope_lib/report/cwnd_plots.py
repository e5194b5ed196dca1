# SPDX-License-Identifier: GPL-2.0
"""cwnd over time and by round trip, of the connections where most happened.

The pictures stand in the page as images, one for each colour scheme, since
cwnd_figure.py styles them in a way that the page's own policy would forbid.  Without
matplotlib there are none, and the page says what is missing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import islice

from ..errors import Problem
from ..views.cwnd import Series
from ..views.cwnd_figure import svg
from ..views.palettes import DARK, LIGHT, Palette
from ..words import connection
from .markup import Html, tag
from .parts import Section, and_more, quiet, section
from .told import Told
from .values import code

# A page is to be mailed: so many pictures, and as long as they are no larger.
FIGURES = 4
MOST_BYTES = 4_000_000


def _address(series: Series, palette: Palette) -> Html:
    picture = svg(series, palette)
    encoded = base64.b64encode(picture.encode()).decode()
    return Html(f"data:image/svg+xml;base64,{encoded}")


def _figure(series: Series) -> Html:
    ends = f"{series.local} – {series.remote}"
    said = "; ".join(series.facts())
    return tag(
        "figure",
        tag("div", tag("picture", tag("source", srcset=_address(series, DARK),
                                      media="screen and (prefers-color-scheme: dark)"),
                       tag("img", src=_address(series, LIGHT),
                           alt=f"cwnd over time and by round trip of {ends}: {said}")),
            class_="plot", tabindex="0", role="region",
            aria_label=f"cwnd of {connection(series.cookie)}"),
        tag("figcaption", " ".join((series.how_rounds, *series.notes)), class_="note"))


def _figures(told: Told) -> Iterator[Html]:
    left = MOST_BYTES
    for series in islice(told.views.cwnd.series(), FIGURES):
        figure = _figure(series)
        left -= len(figure)
        if left < 0:
            return
        yield figure


def _senders(told: Told) -> int:
    return sum(1 for track in told.views.cwnd.kept if track.sent_data)


def show(told: Told) -> Section:
    """The section."""
    title = "cwnd"
    senders = _senders(told)
    if not senders:
        return quiet("cwnd", title, "No connection was seen to send data.")
    try:
        figures = list(_figures(told))
    except Problem as problem:
        return section("cwnd", title, tag(
            "p", f"No pictures here: {problem}. The numbers are in ",
            code(told.other("cwnd")), "."))
    return section("cwnd", title, tag(
        "p", "The congestion window is what a sender may have on its way; ssthresh is "
        "where slow start ends. Connections with most losses come first, then those "
        "with most data."), figures,
        and_more(senders - len(figures), told.other("cwnd"), "connection"))
