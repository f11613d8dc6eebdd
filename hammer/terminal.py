"""Tables for people: on a terminal no id, CIDR or port is cut, and elsewhere no cell at all.

Where a table does not fit the terminal, each row is printed as a block of lines instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from library.documents.text import printable

_WIDTH_OF_A_FILE = 10_000  # more than any row: what goes into a file or a pipe is not wrapped
_WORD = 12  # a column of words may be as narrow as this


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        wraps: whether its cells may be wrapped between words: names and reasons may, ids and CIDRs may not.
    """

    heading: str
    wraps: bool = False
    justify: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Cell:
    """Untrusted or other text, and its colour; empty: none."""

    text: str
    style: str = ""

    def shown(self) -> Text:
        """Safe to print: lines stay lines, everything else that does not print is spelled out."""
        return Text("\n".join(printable(line) for line in self.text.split("\n")), style=self.style)


Row = Sequence[Cell | str]


def console(file: IO[str] | None = None) -> Console:
    """Where people read: as wide as the terminal, or, where that is none, as wide as needed."""
    stream = file or sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_A_FILE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def show_table(to: Console, columns: Sequence[Column], rows: Iterable[Row], title: str = "") -> None:
    """Print a table, or blocks of lines where the terminal is too narrow for one."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    if title:
        to.print(Text(title, style="bold"))
    if _least_width(columns, cells) > to.width:
        _show_blocks(to, columns, cells)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            column.heading,
            justify=column.justify,
            no_wrap=not column.wraps,
            overflow="fold",
            min_width=min(_WORD, _widest(column, cells, columns)) if column.wraps else _widest(column, cells, columns),
        )
    for row in cells:
        table.add_row(*(cell.shown() for cell in row))
    to.print(table)


def print_line(to: Console, line: str, style: str = "") -> None:
    """Print one line of text as it is: a terminal wraps it where it must, between words if it can."""
    to.print(Text(line, style=style), soft_wrap=not to.is_terminal)


def _widest(column: Column, rows: Sequence[Sequence[Cell]], columns: Sequence[Column]) -> int:
    location = list(columns).index(column)
    lines = (line for row in rows for line in row[location].shown().plain.split("\n"))
    return max([len(column.heading), *(Text(line).cell_len for line in lines)])


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    widths = (
        min(_WORD, _widest(column, rows, columns)) if column.wraps else _widest(column, rows, columns)
        for column in columns
    )
    return sum(widths) + 3 * (len(columns) - 1)


def _show_blocks(to: Console, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    label = max(len(column.heading) for column in columns)
    for row in rows:
        to.print()
        for column, cell in zip(columns, row, strict=True):
            for number, line in enumerate(cell.shown().split("\n")):
                if line.plain:
                    heading = column.heading if number == 0 else ""
                    # Soft: the terminal itself breaks a line that is too long, so that what is copied is whole.
                    to.print(Text(f"{heading:{label}}  ") + line, soft_wrap=True)
    to.print()
