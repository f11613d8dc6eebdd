"""`hammer issues`: the issues of the table, in the formats and with the filters of `hammer scan`. Reads only."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from hammer.formats import Format
from hammer.listing.issue import Listing
from hammer.output import (
    FormatOption,
    OutputOption,
    OwnerOption,
    PortOption,
    SeverityOption,
    SortOption,
    check_output,
    chosen_format,
    order,
    wanted,
    write,
)
from hammer.security_hub import import_findings
from hammer.table_listing import (
    change_since,
    list_issues,
    open_tables,
    read_history,
    read_issues,
)
from library.documents.text import counted, printable
from library.issues.history import summarize_day
from library.issues.issue import Status
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    Exit,
    GroupOption,
    RegionOption,
    TableAccess,
    WrongUsageError,
    read_configuration,
    select,
)

StatusOption = Annotated[
    list[Status] | None,
    typer.Option(
        "--status",
        metavar=f"<{'|'.join(Status)}>",
        help="Only issues in this status. Repeatable. By default open and whitelisted.",
    ),
]
SecurityHubOption = Annotated[
    bool,
    typer.Option(
        "--to-security-hub",
        help="Import the issues into Security Hub of their accounts and regions instead of listing them.",
    ),
]
_EXPOSED = (Status.OPEN, Status.WHITELISTED)


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    severity: SeverityOption = None,
    port: PortOption = None,
    owner: OwnerOption = None,
    status: StatusOption = None,
    sort: SortOption = None,
    asked_format: FormatOption = None,
    output: OutputOption = None,
    to_security_hub: SecurityHubOption = False,
) -> None:
    """List the issues of the table, with the formats and filters of `hammer scan`.

    Exits with 1 when an item of the table could not be read, or a region was not seen whole, 0 otherwise.
    """
    if to_security_hub and (status or output or asked_format not in (None, Format.TABLE)):
        raise WrongUsageError("--to-security-hub sends every status and prints no list: leave the others out")
    # A group that is named is wanted whatever became of it.
    statuses = status or (tuple(Status) if group or to_security_hub else _EXPOSED)
    output_format = chosen_format(asked_format, output)
    take, sort = wanted(severity, port, owner, statuses), order(sort, output_format)
    check_output(output)
    tables = open_tables(read_configuration(config))
    selection = select(tables, account, region, group)
    now = datetime.now(UTC)
    # The report tells what changed, for which all statuses are read. Of a part of the table the history knows nothing.
    whole = output_format is Format.HTML and not (account or region or group)
    found = read_issues(tables, selection, Status if whole else statuses)
    listing = list_issues(tables, selection, found, take, sort, now)
    if whole:
        days = read_history(tables, now)
        trend = tuple((day.day, day.open_total) for day in (*days, summarize_day(found.issues, now.date())))
        listing = replace(listing, change=change_since(days, found.issues), trend=trend)
    if to_security_hub:
        problems = _send(tables, listing)
    else:
        problems = []
        write(listing, output_format, output, lambda: tables.sessions.client("s3"))
    for row in listing.failed:
        # An item that cannot be read may not tell its region.
        location = printable(f"{row.account_id} {row.region}").rstrip()
        print(f"hammer: {location}: {printable(row.reason)}", file=sys.stderr)
    for problem in problems:
        print(f"hammer: {printable(problem)}", file=sys.stderr)
    raise typer.Exit(Exit.INCOMPLETE if listing.failed or problems else Exit.DONE)


def _send(tables: TableAccess, listing: Listing) -> list[str]:
    """Import the issues into Security Hub. Returns what it did not take, one line each."""
    sent = import_findings(
        listing.issues,
        lambda account_id, region: tables.sessions.client("securityhub", account_id, region),
        listing.generated,
    )
    print(f"{counted(sent.active, 'active finding')} and {sent.archived:,} archived imported into Security Hub")
    return sent.problems
