"""Tables that keep every character, however narrow the terminal is."""

import re
from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# Where a text may go on in the next line: at a space that is not within a time, and at a dot of a name.
FOLDS: Final = re.compile(r"(?<=\s)(?=\S)(?<!\d{4}-\d\d-\d\d )|(?<=[A-Za-z]\.)(?=[A-Za-z])")
LINES: Final = 4  # that a text is to take at most
LEGIBLE: Final = 30  # columns in which a text of any length can be read


def counted(count: int, what: str) -> str:
    """Return how many there are, in words: "1 row", "1,000 rows"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class Rows:
    """Rows of texts: a table where the width has room for it, else each row as a block of a line for each column."""

    def __init__(self, columns: Sequence[str], title: str | None = None, *, header: bool = True) -> None:
        self._columns, self._title, self._header = columns, title, header
        self._rows: list[Sequence[str]] = []

    def add_row(self, *texts: str) -> None:
        """Add a row, a text for each column."""
        self._rows.append(texts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._title is not None:
            yield Text(self._title, style="italic")
        lines = [self._columns, *self._rows] if self._header else self._rows
        columns = list(zip(*lines, strict=True))
        wanted = [max(map(_width, texts)) for texts in columns]
        least = [max(map(_least, texts)) for texts in columns]
        room = options.max_width - 3 * len(columns) - 1  # borders and spaces beside each column
        if sum(least) <= room:
            yield self._table(_shared(wanted, least, room))
        elif self._header:
            yield self._blocks(options.max_width)
        else:  # the first column names, the last says: a word of it that is too long is divided
            yield self._table([*least[:-1], max(1, room - sum(least[:-1]))])

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, options.max_width)

    def _table(self, widths: Sequence[int]) -> Table:
        table = Table(show_header=self._header)
        for name, width in zip(self._columns, widths, strict=True):
            table.add_column(_folded(name, width), width=width, overflow="fold")
        for row in self._rows:
            table.add_row(*(_folded(text, width) for text, width in zip(row, widths, strict=True)))
        return table

    def _blocks(self, width: int) -> Table:
        names = max(map(_width, self._columns))
        room = max(1, width - names - 3)
        table = Table(show_header=False, show_edge=False, pad_edge=False)
        table.add_column(width=names, overflow="fold", style="bold")
        table.add_column(width=room, overflow="fold")
        for row in self._rows:
            for name, text in zip(self._columns, row, strict=True):
                if text:
                    table.add_row(name, _folded(text, room))
            table.add_section()
        return table


def _width(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)


def _least(text: str) -> int:
    """Return the width that a text needs: none of its words is divided, and it is no thread of many short lines."""
    pieces = (cell_len(piece.rstrip()) for piece in FOLDS.split(text))
    return max(*pieces, min(-(-_width(text) // LINES), LEGIBLE))


def _shared(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Return a width for each column: what is left above the least goes to those first that want the fewest more."""
    widths = list(least)
    rest = room - sum(least)
    order = sorted(range(len(wanted)), key=lambda column: wanted[column] - least[column])
    for done, column in enumerate(order):
        more = min(wanted[column] - least[column], rest // (len(order) - done))
        widths[column] += more
        rest -= more
    return widths


def _folded(text: str, width: int) -> Text:
    lines = [""]
    for piece in FOLDS.split(text):
        if lines[-1] and cell_len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return Text("\n".join(map(str.rstrip, lines)))
