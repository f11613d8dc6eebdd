"""Read the issue table into a list: issues, what was last seen of each account and region, and what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hammer.listing.issue import (
    ChangeSince,
    Failed,
    ListedIssue,
    Listing,
    ListingSource,
    Scanned,
    Sort,
    Wanted,
    chosen,
    context_of,
    listed_issue,
)
from library.aws.issue_table import UnreadableIssueError
from library.aws.records import CoverageRecords, JobRecords
from library.config import Configuration
from library.config.decided_exemptions import with_decided_exemptions
from library.issues.issue import Issue, Status
from library.issues.scan_coverage import Outcome, ScanCoverage
from library.issues.trends import Day
from library.jobs.command_line import Selection, TableAccess, accounts_of, open_table

_HISTORY_SHOWN = timedelta(days=90)


@dataclass(slots=True)
class Found:
    """What the table has.

    Attributes:
        issues: the issues, in the order of the table.
        failed: its items that could not be read.
    """

    issues: list[Issue] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def open_tables(config: Configuration) -> TableAccess:
    """The table, with the role of reporting, and a configuration with what people exempted.

    Raises:
        ClientError, BotoCoreError: the organization or the table could not be read.
    """
    access = open_table(config, config.aws.role_name_reporting)
    return replace(access, config=with_decided_exemptions(access.config, access.table))


def read_issues(tables: TableAccess, selection: Selection, statuses: Iterable[Status]) -> Found:
    """The selected issues in these statuses.

    Raises:
        ClientError, BotoCoreError: the table could not be read.
    """
    found = Found()

    def unreadable(item: UnreadableIssueError) -> None:
        if selection.takes(item.account_id, item.region, item.issue_id):
            name = tables.config.account_name(item.account_id)
            found.failed.append(Failed(item.account_id, item.region, str(item), name, is_item=True))

    wanted = sorted(set(statuses))
    for account_id in accounts_of(tables, selection):
        found.issues += [
            issue
            for issue in tables.table.with_status(account_id, *wanted, unreadable=unreadable)
            if selection.takes(account_id, issue.details.region, issue.issue_id)
        ]
    return found


def list_issues(
    tables: TableAccess, selection: Selection, found: Found, take: Wanted, sort: Sort, now: datetime
) -> Listing:
    """The wanted ones among the issues that were read, and what was last seen of their accounts and regions.

    Raises:
        ClientError, BotoCoreError: the coverage could not be read.
    """
    known = context_of(tables.config, now.date())
    issues: list[ListedIssue] = [listed_issue(issue, known) for issue in found.issues]
    exempt = Counter((issue.account_id, issue.details.region) for issue in issues if issue.whitelisted)
    scanned, failed, never = _coverage(tables, selection, exempt)
    return Listing(
        source=ListingSource.TABLE,
        generated=now,
        issues=chosen(issues, take, sort),
        scanned=tuple(scanned),
        failed=(*found.failed, *failed),
        never_scanned=tuple(never),
        whitelisted=exempt.total(),
        filtered=take.leaves_out_open or bool(selection.groups),
    )


def with_history(tables: TableAccess, listing: Listing, issues: Iterable[Issue], today: Day) -> Listing:
    """A list with what changed since the day before, and the trend to today. `issues` are all, in every status.

    Raises:
        ClientError, BotoCoreError: the table could not be read.
    """
    records, now = JobRecords(tables.table.items, tables.config.aws.main_account_id), listing.generated
    days = [day for day in records.days((now - _HISTORY_SHOWN).date()) if day.day < now.date()]  # the oldest first
    trend = tuple((day.day, day.open_total) for day in (*days, today))
    return replace(listing, change=change_since(days, issues), trend=trend)


def change_since(days: Sequence[Day], issues: Iterable[Issue]) -> ChangeSince | None:
    """What changed since the newest day before today; None: there is none.

    `days` are the days before today, the oldest first; `issues` are all, in every status.
    """
    if not days:
        return None
    since, new, resolved, open_now = days[-1].day, 0, 0, 0
    for issue in issues:
        times, is_open = issue.timestamps, issue.status is Status.OPEN
        ended = not issue.status.is_exposed and times.resolved is not None and times.resolved.date() > since
        found_since = times.identified is not None and times.identified.date() > since
        # What was found and resolved since counts as both, so that the numbers add up.
        new += found_since and (is_open or ended)
        resolved += ended
        open_now += is_open
    return ChangeSince(since, days[-1].open_total, new, resolved, open_now)


def unseen(
    config: Configuration, accounts: Iterable[str], selection: Selection, scans: Iterable[ScanCoverage]
) -> list[tuple[str, str]]:
    """The accounts and regions that are to be scanned and have no record of a scan.

    Where every region that is enabled is scanned, which these are only a scan's beginning asks. Then it is an account
    without any record, with an empty region.
    """
    if not config.secgrp_unrestricted_access.enabled:
        return []
    known = {(scan.account_id, scan.region) for scan in scans}
    found: list[tuple[str, str]] = []
    for account_id in (each for each in accounts if each in config.scanned_accounts()):
        regions = config.aws.regions_of(account_id)
        if regions is None:
            is_seen = bool(selection.regions) or any(seen == account_id for seen, _ in known)
            found += [] if is_seen else [(account_id, "")]
            continue
        wanted = (region for region in regions if not selection.regions or region in selection.regions)
        found += [(account_id, region) for region in wanted if (account_id, region) not in known]
    return found


def _coverage(
    tables: TableAccess, selection: Selection, exempt: Counter[tuple[str, str]]
) -> tuple[list[Scanned], list[Failed], list[Failed]]:
    """What was last seen of each account and region, what was not seen whole, and what was never scanned."""
    scanned: list[Scanned] = []
    failed: list[Failed] = []
    config, accounts = tables.config, accounts_of(tables, selection)
    scans = [scan for account_id in accounts for scan in CoverageRecords(tables.table.items).of_account(account_id)]
    for scan in scans:
        if scan.outcome.is_closed or (selection.regions and scan.region not in selection.regions):
            continue
        if scan.outcome is not Outcome.COMPLETE and not config.watches(scan.account_id, scan.region):
            continue  # no scan of it will come that could be complete
        account_id, name = scan.account_id, config.account_name(scan.account_id)
        location = (account_id, scan.region)
        scanned.append(Scanned(account_id, name, scan.region, scan.groups, exempt[location], scan.last_complete))
        if scan.outcome is not Outcome.COMPLETE:
            reason = f"its last scan: {scan.outcome}: {scan.reason}"
            partial = scan.outcome is Outcome.PARTIAL
            failed.append(Failed(account_id, scan.region, reason, name, is_partial=partial))
    never = [
        Failed(account_id, region, "not scanned yet", config.account_name(account_id))
        for account_id, region in unseen(config, accounts, selection, scans)
    ]
    return scanned, failed, never
