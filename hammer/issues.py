"""`hammer issues`: the issues of the table, in the formats and with the filters of `hammer scan`. Reads only."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from hammer.formats import Format
from hammer.list_options import (
    FormatOption,
    OutputOption,
    OwnerOption,
    PortOption,
    SeverityOption,
    SortOption,
    order,
    wanted,
)
from hammer.listing.build import knowledge_of, listed_issue
from hammer.listing.issue import Failed, ListedIssue, Listing, Scanned, Source
from hammer.listing.selection import Sort, Wanted, chosen
from hammer.output import check_output, write
from hammer.security_hub import import_findings
from library.aws.coverage_records import CoverageRecords
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.session import Sessions
from library.config import Configuration
from library.config.organization import with_organization
from library.documents.text import counted, printable
from library.issues.issue import Status
from library.issues.scan_coverage import Outcome
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    Exit,
    GroupOption,
    RegionOption,
    Selection,
    application,
    read_configuration,
    refuse_unknown_accounts,
    run,
)
from library.jobs.selection import refuse_unknown_groups, refuse_unknown_regions

StatusOption = Annotated[
    list[Status] | None,
    typer.Option("--status", help="Only issues in this status. Repeatable. By default open and whitelisted."),
]
SecurityHubOption = Annotated[
    bool,
    typer.Option(
        "--to-security-hub",
        help="Import the issues into Security Hub of their accounts and regions instead of listing them.",
    ),
]
_EXPOSED = (Status.OPEN, Status.WHITELISTED)


@dataclass(frozen=True, slots=True)
class Tables:
    """What the command reads from."""

    config: Configuration
    sessions: Sessions
    table: IssueTable


def open_tables(config: Configuration) -> Tables:
    """Clients for a configuration, and its accounts, those of the organization if it asks for them."""
    aws = config.aws
    sessions = Sessions(aws.main_account_id, aws.region, aws.role_name_reporting, aws.external_id)
    config = with_organization(config, sessions)
    return Tables(
        config, sessions, IssueTable(sessions.client("dynamodb"), config.secgrp_unrestricted_access.table_name)
    )


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
    output_format: FormatOption = Format.TABLE,
    output: OutputOption = None,
    to_security_hub: SecurityHubOption = False,
) -> None:
    """List the issues of the table, with the formats and filters of `hammer scan`.

    Exits with 1 when an item of the table could not be read, or a region was not seen whole, 0 otherwise.
    """
    if to_security_hub and (status or output or output_format is not Format.TABLE):
        raise typer.BadParameter("--to-security-hub sends every status and prints no list: leave the others out")
    # A group that is named is wanted whatever became of it.
    statuses = status or (tuple(Status) if group or to_security_hub else _EXPOSED)
    take, sort = wanted(severity, port, owner, statuses), order(sort, output_format)
    check_output(output)
    tables = open_tables(read_configuration(config))
    refuse_unknown_accounts(account, tables.config.scanned_accounts())
    refuse_unknown_regions(region, tables.config.aws.regions)
    selection = Selection.of(account, region, group)
    refuse_unknown_groups(group, accounts_of(tables, selection), tables.table)
    listing = read_listing(tables, selection, take, sort, datetime.now(UTC))
    if to_security_hub:
        problems = _send(tables, listing)
    else:
        problems = []
        write(listing, output_format, output, lambda: tables.sessions.client("s3"))
    for row in listing.failed:
        print(f"hammer: {row.account_id} {row.region}: {printable(row.reason)}", file=sys.stderr)
    for problem in problems:
        print(f"hammer: {printable(problem)}", file=sys.stderr)
    raise typer.Exit(Exit.INCOMPLETE if listing.failed or problems else Exit.DONE)


def _send(tables: Tables, listing: Listing) -> list[str]:
    """Import the issues into Security Hub. Returns what it did not take, one line each."""
    sent = import_findings(
        listing.issues,
        lambda account_id, region: tables.sessions.client("securityhub", account_id, region),
        listing.generated,
    )
    print(f"{counted(sent.active, 'active finding')} and {sent.archived:,} archived imported into Security Hub")
    return sent.problems


def accounts_of(tables: Tables, selection: Selection) -> list[str]:
    """The accounts that are selected."""
    return [name for name in tables.config.scanned_accounts() if not selection.accounts or name in selection.accounts]


def read_listing(tables: Tables, selection: Selection, take: Wanted, sort: Sort, now: datetime) -> Listing:
    """The issues that are selected and wanted, and what was last seen of their accounts and regions.

    Raises:
        ClientError, BotoCoreError: the table could not be read.
    """
    known = knowledge_of(tables.config, now.date())
    issues: list[ListedIssue] = []
    failed: list[Failed] = []

    def unreadable(item: UnreadableIssueError) -> None:
        if selection.takes(item.account_id, item.region, item.issue_id):
            failed.append(Failed(item.account_id, item.region, str(item)))

    statuses: Sequence[Status] = sorted(take.statuses or set(Status))
    for account_id in accounts_of(tables, selection):
        issues += [
            listed_issue(issue, known)
            for issue in tables.table.with_status(account_id, *statuses, unreadable=unreadable)
            if selection.takes(account_id, issue.details.region, issue.issue_id)
        ]
    exempt = Counter((i.account_id, i.details.region) for i in issues if i.whitelisted)
    scanned, unseen = _coverage(tables, selection, exempt)
    return Listing(
        source=Source.TABLE,
        generated=now,
        issues=chosen(issues, take, sort),
        scanned=tuple(scanned),
        failed=(*failed, *unseen),
        whitelisted=exempt.total(),
    )


def _coverage(
    tables: Tables, selection: Selection, exempt: Counter[tuple[str, str]]
) -> tuple[list[Scanned], list[Failed]]:
    """What was last seen of each account and region, and what was not seen whole."""
    scanned: list[Scanned] = []
    failed: list[Failed] = []
    for account_id in accounts_of(tables, selection):
        name = tables.config.account_name(account_id)
        for scan in CoverageRecords(tables.table.items).of_account(account_id):
            if scan.outcome is Outcome.REGION_OFF or (selection.regions and scan.region not in selection.regions):
                continue
            place = (account_id, scan.region)
            scanned.append(Scanned(account_id, name, scan.region, scan.groups, exempt[place], scan.last_complete))
            if scan.outcome is not Outcome.COMPLETE:
                failed.append(Failed(account_id, scan.region, f"its last scan: {scan.outcome}: {scan.reason}"))
    return scanned, failed


app = application(command)


if __name__ == "__main__":
    run(app)
