# SPDX-License-Identifier: GPL-2.0
"""`top` on a terminal: what stands on the screen, and what the keys do."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

from ..output.screen import ALARM, BOLD, REVERSE, Line
from ..words import plural
from .frame import Frame
from .table import (CONNECTIONS, HOW_TO_READ, LISTENERS, ORDERS, Choice, clock_words, events_rate,
                    forgotten_line, loss_line, nothing_line, span_words, states_line, suffers,
                    table)

# Below so many lines the keys' line makes place for one more row.
ROOM_FOR_KEYS = 8

# Text is not wrapped to less; what is behind is cut off.
LEAST_COLUMNS = 20

# Told from so many seconds on: the reader cannot keep up.
BEHIND_S = 1.0


@dataclass
class TopView:
    """The state of the view: the last frame, and what the user chose."""

    choice: Choice
    wall_offset_ns: int | None = None
    frame: Frame | None = None
    behind_ns: int = 0
    is_paused: bool = False
    shows_help: bool = False
    wants_to_quit: bool = False
    _chosen_orders: dict[str, str] = field(default_factory=dict)

    def see(self, frame: Frame, behind_ns: int) -> bool:
        """An interval has ended; whether there is something new to draw."""
        if self.is_paused and self.frame is not None:
            return False
        self.frame, self.behind_ns = frame, behind_ns
        return True

    # ---- keys

    def press(self, keys: str) -> bool:
        """What was typed; whether there is something new to draw."""
        return any([self._press(key) for key in keys])

    def _press(self, key: str) -> bool:
        if key in "qQ":
            self.wants_to_quit = True
        elif self.shows_help:
            self.shows_help = False
        elif key == "?":
            self.shows_help = True
        elif key == " ":
            self.is_paused = not self.is_paused
        elif key == "l":
            self._other_table()
        else:
            return self._sort(key)
        return True

    def _other_table(self) -> None:
        choice = self.choice
        self._chosen_orders[choice.by] = choice.order
        choice.by = LISTENERS if choice.by == CONNECTIONS else CONNECTIONS
        choice.order = self._chosen_orders.get(choice.by, next(iter(ORDERS[choice.by])))
        choice.is_reversed = False

    def _sort(self, key: str) -> bool:
        """The same key again turns the order round."""
        for name, order in ORDERS[self.choice.by].items():
            if order.key == key:
                again = name == self.choice.order
                self.choice.is_reversed = again and not self.choice.is_reversed
                self.choice.order = name
                return True
        return False

    # ---- the picture

    def picture(self, columns: int, lines: int) -> list[Line]:
        """All lines, for a terminal of this size."""
        if self.shows_help:
            return self._help(columns)
        if self.frame is None:
            return [Line("renoscope top: reading what is there already")]
        head = self._head(self.frame, columns)
        foot = [self._keys_line()] if lines >= ROOM_FOR_KEYS else []
        room = max(lines - len(head) - len(foot) - 1, 0)
        shown = table(self.frame, self.choice, columns, room)
        if not shown.rows and not shown.left_out:
            body = [Line(nothing_line(self.frame, self.choice))]
        else:
            body = [Line(shown.heading.ljust(columns), REVERSE)]
            body += [Line(text, BOLD if suffers(row) else "")
                     for text, row in zip(shown.lines, shown.rows)]
        body += [Line("")] * (room + 1 - len(body))
        return head + body[:room + 1] + foot

    def _head(self, frame: Frame, columns: int) -> list[Line]:
        words = ["renoscope top", clock_words(frame, self.wall_offset_ns),
                 span_words(frame), f"{events_rate(frame)} events/s"]
        first = "  ".join(word for word in words if word)
        if self.behind_ns > BEHIND_S * 1e9:
            first += f"  BEHIND by {self.behind_ns / 1e9:.1f} s"
        if self.is_paused:
            first = f"PAUSED  {first}"
        lines = [Line(first, BOLD), Line(states_line(frame))]
        loss = loss_line(frame)
        if loss:
            lines.append(Line(loss[:columns].ljust(columns), ALARM))
        if forgotten_line(frame):
            lines.append(Line(forgotten_line(frame), BOLD))
        if frame.notes:
            more = len(frame.notes) - 1
            lines.append(Line(frame.notes[0] + (f" (+{plural(more, 'note')}: ?)"
                                                if more else "")))
        return lines

    def _keys_line(self) -> Line:
        order = self.choice.sorting.title
        turned = ", least first" if self.choice.is_reversed else ""
        other = "listeners" if self.choice.by == CONNECTIONS else "connections"
        return Line(f"by {order}{turned}   q quit  ? keys  l {other}  space pause")

    def _help(self, columns: int) -> list[Line]:
        lines = ["q       quit", "l       connections, or listeners",
                 "space   pause: the table stands still, events are still counted",
                 "        (any key leaves this page)"]
        lines += [f"{order.key}       sort by {order.title}"
                  for order in ORDERS[self.choice.by].values()]
        lines.append("        the same key again: least first")
        notes = self.frame.notes if self.frame is not None else []
        wrapped = [part for text in (*HOW_TO_READ[self.choice.by], *notes)
                   for part in textwrap.wrap(text, max(columns, LEAST_COLUMNS))]
        return [Line("renoscope top: keys", BOLD), *map(Line, lines), Line(""),
                *map(Line, wrapped)]
