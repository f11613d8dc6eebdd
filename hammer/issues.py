"""`hammer issues`: the issues of the table, in the formats and with the filters of `hammer scan`. Reads only.

With `--to-security-hub` the issues are imported into AWS Security Hub CSPM as findings instead. A finding belongs to
the account and region of its group, and Security Hub takes it from that account alone (BatchImportFindings, "default
product ARN"): the reporting role is assumed in each. A finding that is sent again replaces the older one of the same
id.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from hammer.formats import Format
from hammer.formats.asff_format import finding
from hammer.listing.issue import ListedIssue, Listing
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
from hammer.table_listing import list_issues, open_tables, read_issues, with_history
from library.aws.failures import AWS_ERRORS, chunks, error_code, explain
from library.documents.text import counted, printable
from library.issues.issue import Status
from library.issues.trends import summarize_day
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    Exit,
    GroupOption,
    RegionOption,
    TableAccess,
    WrongUsageError,
    name_problems,
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
    # Exempt issues are counted, listed or not.
    found = read_issues(tables, selection, Status if whole else {*statuses, Status.WHITELISTED})
    listing = list_issues(tables, selection, found, take, sort, now)
    if whole:
        listing = with_history(tables, listing, found.issues, summarize_day(found.issues, now.date()))
    if to_security_hub:
        problems = _send(tables, listing)
    else:
        problems = []
        write(listing, output_format, output, lambda: tables.sessions.client("s3"))
    for row in listing.failed:
        # An item that cannot be read may not tell its region.
        location = printable(f"{row.account_id} {row.region}").rstrip()
        print(f"hammer: {location}: {printable(row.reason)}", file=sys.stderr)
    name_problems(problems)
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


_FINDINGS_A_CALL = 100  # BatchImportFindings
# Security Hub deletes an archived finding after 30 days: an issue that ended before is not sent again.
_ENDED_SINCE = timedelta(days=30)
_NOT_ENABLED = "InvalidAccessException"


@dataclass(slots=True)
class Imported:
    """What became of the findings.

    Attributes:
        active: how many were imported as active.
        archived: how many were imported as archived: exempt, resolved or closed issues.
        problems: what Security Hub did not take, one line each.
    """

    active: int = 0
    archived: int = 0
    problems: list[str] = field(default_factory=list)


def import_findings(issues: Iterable[ListedIssue], client: Callable[[str, str], Any], now: datetime) -> Imported:
    """Send issues to Security Hub, each to its own account and region.

    Findings of Inspector, which Security Hub has already, are left out, and issues that ended long ago.
    """
    targets: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for issue in issues:
        if issue.is_group and not _ended_long_ago(issue, now):
            targets.setdefault((issue.account_id, issue.details.region), []).append(finding(issue, now))
    result = Imported()
    for (account_id, region), findings in sorted(targets.items()):
        for batch in chunks(findings, _FINDINGS_A_CALL):
            if not _import(result, client(account_id, region), f"{account_id} {region}", batch):
                break
    return result


def _import(result: Imported, hub: Any, location: str, batch: Sequence[dict[str, Any]]) -> bool:
    """Send one batch. Returns whether it makes sense to send the next one to the same place."""
    try:
        answer = hub.batch_import_findings(Findings=list(batch))
    except AWS_ERRORS as error:
        reason = "Security Hub is not enabled there" if error_code(error) == _NOT_ENABLED else explain(error)
        result.problems.append(f"{location}: findings not imported: {reason}")
        return False
    refused = {failed["Id"]: failed for failed in answer.get("FailedFindings", ())}
    for failed in refused.values():
        result.problems.append(f"{location}: {failed['Id']}: {failed['ErrorCode']}: {failed['ErrorMessage']}")
    for sent in batch:
        if sent["Id"] not in refused:
            active = sent["RecordState"] == "ACTIVE"
            result.active += active
            result.archived += not active
    return True


def _ended_long_ago(issue: ListedIssue, now: datetime) -> bool:
    ended = issue.timestamps.closed or issue.timestamps.resolved
    return not issue.status.is_exposed and ended is not None and now - ended > _ENDED_SINCE
