"""`--format table`: for a person at a terminal, or in a file as plain text."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

from rich.console import Console

from hammer.listing.issue import ListedIssue, Listing, ListingSource
from hammer.terminal import Cell, Column, Row, console, print_line, show_table
from library.documents.text import counted
from library.issues.issue import Status
from library.issues.reachability import Severity
from library.issues.times import shown_day
from library.security_groups.exposure import rule_text

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
    text += f": {len(listing.open_issues):,} with issues"
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
