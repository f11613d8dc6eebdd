"""`--format table`: for a person at a terminal, or in a file as plain text.

On a terminal no id, CIDR or port is cut, and elsewhere no cell at all. Where a table does not fit the terminal, each
row is printed as a block of lines instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import IO, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hammer.listing.issue import ListedIssue, Listing, ListingSource
from library.documents.text import counted, printable
from library.issues.issue import Status
from library.issues.reachability import Severity
from library.issues.times import shown_day
from library.security_groups.exposure import rule_text

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
    widths = [_least_width(column, [row[position] for row in cells]) for position, column in enumerate(columns)]
    if sum(widths) + 3 * (len(columns) - 1) > to.width:
        _show_blocks(to, columns, cells)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            column.heading, justify=column.justify, no_wrap=not column.wraps, overflow="fold", min_width=width
        )
    for row in cells:
        table.add_row(*(cell.shown() for cell in row))
    to.print(table)


def print_line(to: Console, line: str, style: str = "") -> None:
    """Print one line of text as it is: a terminal wraps it where it must, between words if it can."""
    to.print(Text(line, style=style), soft_wrap=not to.is_terminal)


def _least_width(column: Column, cells: Iterable[Cell]) -> int:
    """How wide a column is at least: as its widest line, or a word where it wraps."""
    lines = (line for cell in cells for line in cell.shown().plain.split("\n"))
    widest = max([len(column.heading), *(Text(line).cell_len for line in lines)])
    return min(_WORD, widest) if column.wraps else widest


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


SEVERITY_STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "",
}
_SCAN_COLUMNS = (
    Column("severity"),
    Column("account"),
    Column("region"),
    Column("group"),
    Column("name", wraps=True),
    Column("exposed"),
    Column("status"),
)
_TABLE_COLUMNS = (
    *_SCAN_COLUMNS,
    Column("owner", wraps=True),
    Column("identified"),
    Column("due"),
    Column("ticket"),
)


def show(to: Console, listing: Listing) -> None:
    """Print the issues, and a line that counts what was seen."""
    from_table = listing.source is ListingSource.TABLE
    shown = listing.issues if from_table else listing.open_issues
    if shown:
        show_table(to, _TABLE_COLUMNS if from_table else _SCAN_COLUMNS, [_row(issue, from_table) for issue in shown])
    print_line(to, summary(listing))


def pieces(listing: Listing) -> Iterator[str]:
    """The same as one text, as wide as it is, for a file."""
    text = StringIO()
    show(console(text), listing)
    yield text.getvalue()


def summary(listing: Listing) -> str:
    """What was seen, on one line."""
    if listing.source is ListingSource.TABLE:
        return f"{counted(len(listing.issues), 'issue')} listed"
    groups = sum(row.groups for row in listing.scanned)
    regions = {row.region for row in listing.scanned}
    accounts = {row.account_id for row in listing.scanned}
    text = counted(groups, "group")
    if accounts != {""}:  # a plan or template has none
        text += f" in {counted(len(regions), 'region')} of {counted(len(accounts), 'account')}"
    text += f": {len(listing.open_issues):,} with issues{' that were asked for' if listing.filtered else ''}"
    if listing.whitelisted:
        text += f", {listing.whitelisted:,} more {'is' if listing.whitelisted == 1 else 'are'} exempt"
    return text


def severity_cell(severity: str) -> Cell:
    """A severity in its colour."""
    return Cell(severity, SEVERITY_STYLES[Severity(severity)])


def _row(issue: ListedIssue, from_table: bool) -> Row:
    details = issue.details
    cells = [
        severity_cell(str(issue.severity)),
        Cell(issue.account_id),
        Cell(details.region),
        Cell(issue.group_id),
        Cell(details.name),
        Cell("\n".join(rule_text(perm) for perm in details.perms)),
        Cell("\n".join(_status(issue, from_table))),
    ]
    if from_table:
        cells += [
            Cell(issue.owner),
            Cell(shown_day(issue.timestamps.identified)),
            Cell(shown_day(issue.due)),
            Cell(issue.ticket),
        ]
    return cells


def _status(issue: ListedIssue, from_table: bool) -> Iterator[str]:
    if from_table and issue.status is not Status.OPEN:
        yield str(issue.status)
    yield issue.details.status
    if issue.verdict:
        yield issue.verdict
