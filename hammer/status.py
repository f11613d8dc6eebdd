"""`hammer status`: what Hammer last saw, what it knows, and what waits for somebody. Reads the issue table only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from library.aws.coverage_records import CoverageRecords
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.lock import Lock, LockState, this_process
from library.aws.session import Sessions
from library.config import Configuration
from library.config.organization import with_organization
from library.documents.text import printable
from library.issues.issue import Issue, Status
from library.issues.scan_coverage import ScanCoverage
from library.issues.times import shown_time
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    RegionOption,
    application,
    read_configuration,
    refuse_unknown_accounts,
    run,
)
from library.jobs.selection import refuse_unknown_regions
from remediation.journal import is_unfinished


def command(config: ConfigOption = None, account: AccountOption = None, region: RegionOption = None) -> None:
    """Show when each account and region was scanned, the issues by status, and what waits for a decision."""
    configuration = read_configuration(config)
    aws, table_name = configuration.aws, configuration.secgrp_unrestricted_access.table_name
    sessions = Sessions(aws.main_account_id, aws.region, role_name="")
    configuration = with_organization(configuration, sessions)
    refuse_unknown_accounts(account, configuration.scanned_accounts())
    refuse_unknown_regions(region, aws.regions)
    dynamodb = sessions.client("dynamodb")
    table = IssueTable(dynamodb, table_name)
    accounts = [name for name in configuration.scanned_accounts() if not account or name in account]

    def chosen(place: str) -> bool:
        return not region or place in region

    console = Console(highlight=False)
    scans = [scan for name in accounts for scan in CoverageRecords(table.items).of_account(name) if chosen(scan.region)]
    console.print(scan_table(scans, configuration))
    # A restored group that is not exposed any more still is left alone when it opens again.
    unreadable: list[UnreadableIssueError] = []
    issues = [
        issue
        for name in accounts
        for issue in table.with_status(name, *Status, unreadable=unreadable.append)
        if chosen(issue.details.region)
    ]
    console.print(issue_table(issues, configuration))
    lock = Lock(dynamodb, table_name, aws.main_account_id, this_process(), lambda: datetime.now(UTC)).read()
    broken = [printable(str(item)) for item in unreadable if chosen(item.region)]
    for line in (*broken, *waiting(issues), lock_line(lock, datetime.now(UTC))):
        console.print(line, markup=False, soft_wrap=True)


def scan_table(scans: Sequence[ScanCoverage], config: Configuration) -> Table:
    """What was scanned last."""
    table = Table(title="Last scans", title_justify="left")
    for column in ("account", "region", "outcome", "when", "seconds", "groups", "last complete", "reason"):
        table.add_column(column)
    for scan in scans:
        cells = (
            config.account_name(scan.account_id),
            scan.region,
            scan.outcome,
            shown_time(scan.started),
            f"{scan.seconds:.1f}",
            str(scan.groups),
            shown_time(scan.last_complete) or "never",
            scan.reason,
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def issue_table(issues: Sequence[Issue], config: Configuration) -> Table:
    """How many issues there are of each account, by status."""
    table = Table(title="Issues", title_justify="left")
    for column in ("account", *Status):
        table.add_column(str(column))
    counted = Counter((issue.account_id, issue.status) for issue in issues)
    for account_id in sorted({issue.account_id for issue in issues}):
        counts = (str(counted[account_id, status]) for status in Status)
        table.add_row(Text(printable(config.account_name(account_id))), *counts)
    return table


def waiting(issues: Sequence[Issue]) -> Iterator[str]:
    """The groups that automatic remediation leaves alone, and those that a run left half done; a line each."""
    for issue in issues:
        place = issue.place
        if flag := issue.remediation_details.get("restored"):
            who, when = printable(str(flag.get("by"))), printable(str(flag.get("at")))
            yield f"restored, waits for a decision: {place}, by {who} at {when} (hammer restore --release)"
        if is_unfinished(issue):
            yield f"interrupted, the next remediation run finishes it: {place}"


def lock_line(lock: LockState, now: datetime) -> str:
    """Who changes groups now."""
    if lock.holder is None:
        return "nobody is changing groups"
    over = " (its lease has ended)" if lock.until and lock.until <= now else ""
    return f"groups are being changed by {printable(lock.holder.who)}, lease until {shown_time(lock.until)}{over}"


app = application(command)


def main() -> None:
    """Run the command."""
    run(app)


if __name__ == "__main__":
    main()
