"""`hammer status`: what one looks at first: what is wrong, what Hammer last saw and did, and what waits for somebody.

Reads the issue table, and how many messages are in the dead-letter queues; then the lines and rows that say it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from botocore.exceptions import ClientError
from rich.console import Console

from hammer.check_config import exemption_warnings
from hammer.formats.table_format import Column, Row, console, print_line, severity_cell, show_table
from hammer.listing.issue import SEVERITIES, ListedIssue, at_least, context_of, listed_issue, severity_counts
from hammer.table_listing import unseen
from library.aws.failures import ACCESS_DENIED, AWS_ERRORS, error_code, explain
from library.aws.issue_table import IssueTable, UnreadableIssueError
from library.aws.lock import Lock, LockState, this_process
from library.aws.records import CoverageRecords, EventRecords, JobRecords, JobRun, ListenerRecords
from library.aws.session import Sessions
from library.config import Configuration
from library.config.decided_exemptions import with_decided_exemptions
from library.documents.text import and_more, counted, printable
from library.issues.change_notifications import not_done
from library.issues.history import is_flapping
from library.issues.issue import SECURITY_GROUP, Issue, Status
from library.issues.names import location_options
from library.issues.reachability import Severity
from library.issues.scan_coverage import STALE_INTERVALS, Outcome, ScanCoverage
from library.issues.times import parse_time, shown_time
from library.issues.trends import Day
from library.issues.use import unknown_use
from library.jobs.command_line import (
    AccountOption,
    ConfigOption,
    GroupOption,
    RegionOption,
    Selection,
    accounts_of,
    open_table,
    read_configuration,
    select,
)
from library.security_groups.exemptions import Exemption, review
from remediation.journal import is_unfinished
from remediation.planning import next_try

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

Page = Callable[[Console], None]
"""Prints what was read."""

_WATCH_S = 30
_USUAL_INTERVAL = timedelta(hours=1)  # as `scan_interval_minutes` of deployment/terraform has it
_DUE_SOON = timedelta(days=7)
_EXPIRES_SOON = timedelta(days=30)
_LONGEST_RUN = timedelta(hours=6)  # what deployment/systemd_timers.py allows a job
_SHOWN = 10
_BY_HAND = frozenset({"restore"})  # whoever ran it was told how it ended
_AGES = ((1, "< 1 day"), (7, "< 7 days"), (30, "< 30 days"))
_OLDER = "older"
AGE_HEADINGS = (*(name for _, name in _AGES), _OLDER)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is told.

    Attributes:
        issues: all issues, with what the table knows of each.
        unreadable: items of the table that could not be read, one line each.
        jobs: the last run of each job that ever ran.
        dead_letters: how many messages are in each queue of what failed; None: that could not be read.
        days: the history, the oldest first.
        events: the last event of each account and region that ever sent one: account, region, time and call.
        unfinished: places of groups at which a run was interrupted.
        abandoned: account, region and group of changes that are not complete, where nothing is watched any more.
        left: accounts, and regions of accounts, that left the configuration, each with its open issues.
        unseen: accounts and regions that are to be scanned and never were; an empty region: none of the account's was.
        disconnected_reason: that nobody takes decisions from Slack, one sentence; empty: somebody does, or nobody is
            expected to.
        selection: what was asked for. What was seen of the rest is unknown.
        now: the time in UTC.
    """

    now: datetime
    scans: Sequence[ScanCoverage] = ()
    issues: Sequence[tuple[Issue, ListedIssue]] = ()
    unreadable: Sequence[str] = ()
    jobs: Sequence[JobRun] = ()
    dead_letters: dict[str, int] | None = field(default_factory=dict)
    days: Sequence[Day] = ()
    unfinished: Sequence[str] = ()
    unseen: Sequence[tuple[str, str]] = ()
    disconnected_reason: str = ""
    events: Sequence[tuple[str, str, datetime, str]] = ()
    left: Sequence[tuple[str, int]] = ()
    abandoned: Sequence[tuple[str, str, str]] = ()
    selection: Selection = field(default_factory=Selection)


def headline(facts: Facts) -> tuple[str, str]:
    """The first line, what is open and what of it is due, and its colour."""
    open_issues = [listed for issue, listed in facts.issues if issue.status is Status.OPEN]
    found = severity_counts(open_issues)
    none = "no open issue is known" + ("" if facts.selection == Selection() else " among those that were asked for")
    text = f"open: {found}" if found else none
    now = sum(issue.is_due(facts.now) for issue in open_issues)
    due_soon = sum(issue.is_due(facts.now + _DUE_SOON) for issue in open_issues) - now
    text += f"; {now:,} due now" if now else ""
    text += f"; {due_soon:,} due within {_DUE_SOON.days} days" if due_soon else ""
    urgent = now or any(at_least(issue, Severity.HIGH) for issue in open_issues)
    # Without a whole scan, that nothing is open is no good news.
    return text, "bold red" if urgent else "yellow" if open_issues or not facts.scans else "green"


def attention(facts: Facts) -> Iterator[str]:
    """What is wrong with Hammer itself, the worst first, a line each; nothing: it works."""
    yield from (printable(line) for line in facts.unreadable)
    for scan in facts.scans:
        location = printable(f"{scan.account_id} {scan.region}")
        if scan.outcome in (Outcome.FAILED, Outcome.PARTIAL):
            since = shown_time(scan.last_complete) or "never"
            yield f"not seen whole: {location}, last complete scan {since}: {printable(scan.reason)}"
        elif scan.outcome is Outcome.COMPLETE and _is_stale(scan, facts.now):
            yield f"not looked at since {shown_time(scan.started)}: {location}"
    if not facts.scans:
        yield "nothing was scanned yet: does the schedule run, and has SNS_ARN the topic?"
    elif facts.unseen:
        yield f"never scanned: {and_more([' '.join(filter(None, location)) for location in facts.unseen], _SHOWN)}"
    if facts.disconnected_reason:
        yield printable(facts.disconnected_reason)
    for queue, messages in sorted((facts.dead_letters or {}).items()):
        if messages:
            yield f"dead letters: {counted(messages, 'message')} in {queue}"
    if facts.dead_letters is None:
        yield "dead letters: the queues could not be read"
    for job in facts.jobs:
        if job.outcome == "running" and facts.now - job.started > _LONGEST_RUN:
            begun = printable(f"hammer {job.job} began at {shown_time(job.started)}")
            yield f"{begun} and has not ended: it was killed, or stands still"
        if job.outcome not in ("done", "running") and job.job not in _BY_HAND:
            cause = printable("; ".join(job.problems))
            ended = printable(f"hammer {job.job} ended {job.outcome}")
            yield f"{ended} at {shown_time(job.ended or job.started)}: {cause}"
    yield from _left_behind(facts)


def _is_stale(scan: ScanCoverage, now: datetime) -> bool:
    """Whether the scans that should have followed this one did not come."""
    return now - scan.started > STALE_INTERVALS * (scan.interval or _USUAL_INTERVAL)


def _left_behind(facts: Facts) -> Iterator[str]:
    """Changes that are not complete, and places that left the configuration."""
    for location, number in facts.left:
        yield f"not watched any more: {location}, {counted(number, 'open issue')}; the next reporting run ends them"
    for location in facts.unfinished:
        yield f"interrupted, the next remediation run finishes it: {location}"
    for account_id, region, group_id in facts.abandoned:
        yield (
            f"interrupted, and not watched any more: {group_id} in {account_id}, {region}. To leave it as it is: "
            f"hammer restore --give-up {location_options(account_id, region, group_id)}"
        )


def use_lines(facts: Facts, *, enabled: bool) -> Iterator[str]:
    """Where it is unknown who uses the rules of open issues, and why, a line for each account and region."""
    issues = [
        (issue.account_id, issue.details.region, issue.use)
        for issue, listed in facts.issues
        if enabled and issue.status is Status.OPEN and listed.is_group
    ]
    for account_id, region, text in unknown_use(issues):
        yield printable(f"{account_id} {region}: {text}")


def job_rows(facts: Facts) -> Iterator[tuple[str, ...]]:
    """A row for each job: its name, when it last ran, how long it took and how it ended."""
    for job in facts.jobs:
        took = f"{(job.ended - job.started).total_seconds():.0f} s" if job.ended else ""
        yield job.job, shown_time(job.started), took, job.outcome


def age_rows(facts: Facts) -> Iterator[Row]:
    """A row for each severity: how many open issues there are, by age."""
    ages: dict[str, Counter[str]] = {str(severity): Counter() for severity in SEVERITIES}
    for issue, listed in facts.issues:
        if issue.status is Status.OPEN:
            days = listed.age(facts.now)
            group = _OLDER if days is None else next((name for limit, name in _AGES if days < limit), _OLDER)
            ages[str(listed.severity)][group] += 1
    for severity, counts in ages.items():
        yield severity_cell(severity), str(counts.total()), *(str(counts[name]) for name in AGE_HEADINGS)


def due_rows(facts: Facts) -> list[Row]:
    """The issues that remediation may close next, the first first, and of those that are due alike the worst."""
    due = sorted(
        ((listed.due, issue, listed) for issue, listed in facts.issues if listed.due is not None),
        key=lambda row: (
            max(row[0], facts.now),
            SEVERITIES.index(row[2].severity),
            row[1].account_id,
            row[1].issue_id,
        ),
    )
    return [
        (
            ("now" if when <= facts.now else shown_time(when)) + (", a part later" if listed.waiting else ""),
            severity_cell(str(listed.severity)),
            issue.account_id,
            issue.details.region,
            issue.issue_id,
            issue.details.name,
        )
        for when, issue, listed in due[:_SHOWN]
    ]


def waiting(facts: Facts) -> Iterator[str]:
    """What waits for somebody's decision, a line each: restored groups, exemptions that end, groups that flap."""
    for issue, listed in facts.issues:
        location = issue.location
        if isinstance(flag := issue.remediation_details.get("restored"), Mapping):
            who, when = printable(str(flag.get("by"))), _day_and_time(flag.get("at"))
            yield f"restored, waits for a decision: {location}, by {who} at {when} (hammer restore --release)"
        if listed.whitelisted:
            yield _exempt(listed, location, facts.now)
        if issue.status is Status.OPEN and (
            notification := not_done(issue.change_notifications, issue.occurrence, issue.timestamps.remediated)
        ):
            again = next_try(issue.remediation_details, facts.now)
            since = shown_time(notification.at)
            yield f"not remediated, since {since}: {location}: {printable(notification.text)}{again}"
        if issue.status is Status.OPEN and is_flapping(issue.history, facts.now):
            yield f"flapping, found {issue.occurrence} times: {location}"


def _day_and_time(at: object) -> str:
    """A time that remediation recorded, as times are shown; what is none, as it is."""
    try:
        return shown_time(parse_time(str(at))) or "unknown"
    except ValueError:
        return printable(str(at))


def event_rows(facts: Facts) -> list[tuple[str, ...]]:
    """A row for each account and region: when an event last came from there, and the call that it was about.

    Where none ever came, a trail, a rule or a permission is missing, and only scans see changes. There are no rows
    where none came from anywhere: `event_lines` has a line for that.
    """
    if not facts.events:
        return []
    events: list[tuple[str, ...]] = [
        (account_id, region, shown_time(when), printable(call))
        for account_id, region, when, call in sorted(facts.events)
    ]
    return events + [(scan.account_id, scan.region, "never", "") for scan in _silent(facts)]


def event_lines(facts: Facts) -> Iterator[str]:
    """When an event was last heard of, or that none ever was; which regions are silent, `event_rows` shows."""
    if facts.events:
        account_id, region, when, call = max(facts.events, key=lambda event: event[2])
        yield f"last event: {printable(call)} in {account_id}, {printable(region)}, at {shown_time(when)}"
    elif silent := _silent(facts):
        yield f"no event ever came from {len(silent):,} of {counted(len(facts.scans), 'scanned region')}"


def _silent(facts: Facts) -> list[ScanCoverage]:
    """The scanned regions from which no event ever came."""
    sent = {(account_id, region) for account_id, region, _, _ in facts.events}
    return [scan for scan in facts.scans if not scan.outcome.is_closed and (scan.account_id, scan.region) not in sent]


def trend(days: Iterable[Day]) -> str:
    """The history on one line; empty: there is none."""
    shown = list(days)[-14:]
    if not shown:
        return ""
    resolved = sum(day.resolved for day in shown)
    hours = [day.hours_to_fix for day in shown if day.hours_to_fix is not None]
    text = f"open each day since {shown[0].day}: {' '.join(str(day.open_total) for day in shown)}"
    text += f"; {resolved:,} resolved, {sum(day.remediated for day in shown):,} remediated, "
    text += f"{sum(day.restored for day in shown):,} restored"
    return text + (f"; {round(sum(hours) / len(hours)):,} hours on average from found to fixed" if hours else "")


def _exempt(listed: ListedIssue, location: str, now: datetime) -> str:
    until, reason = listed.exempt_until, printable(listed.exempt_reason)
    due_soon = until is not None and until - now.date() <= _EXPIRES_SOON
    text = f"exempt {f'until {until}' if until else 'without end'}{', soon' if due_soon else ''}: {location}"
    return f"{text} ({reason})" if reason else text


_HISTORY_SHOWN = timedelta(days=14)
_QUEUES_A_PAGE = 1000  # ListQueues, MaxResults
# By the names of the functions and of immediate mode's queue after Terraform's prefix, which the configuration does not
# know.
_DEAD_LETTERS = tuple(
    f"-{of}-dead-letters"
    for of in (
        "initiate-security-groups",
        "describe-security-groups",
        "receive-security-group-events",
        "filter-inspector-findings",
        "immediate-remediation",
    )
)


def command(
    config: ConfigOption = None,
    account: AccountOption = None,
    region: RegionOption = None,
    group: GroupOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="At a terminal: show it anew every 30 s, until Ctrl-C.")
    ] = False,
) -> None:
    """Show what is wrong, what was scanned and done last, the issues, and what waits for a decision."""
    to = console()
    page = read_page(config, account, region, group)
    page(to)
    if watch and to.is_terminal:
        with suppress(KeyboardInterrupt):
            watch_page(to, page, lambda: read_page(config, account, region, group))


def watch_page(
    to: Console, page: Page, read: Callable[[], Page], sleep: Callable[[float], None] = time.sleep
) -> NoReturn:
    """Show a page anew, in the same place, until somebody interrupts."""
    problem = ""
    while True:
        print_line(to, problem or f"shown anew every {_WATCH_S} s, Ctrl-C ends", "red" if problem else "dim")
        sleep(_WATCH_S)
        try:
            page, problem = read(), ""
        except AWS_ERRORS as error:
            problem = f"{shown_time(datetime.now(UTC))}: could not be read, and is shown as it was: {explain(error)}"
        to.clear()
        page(to)


def read_page(config: str | None, account: list[str] | None, region: list[str] | None, group: list[str] | None) -> Page:
    """Read everything that is shown. Returns what prints it."""
    configuration = read_configuration(config)
    access = open_table(configuration)
    selection = select(access, account, region, group)
    accounts = accounts_of(access, selection)
    now = datetime.now(UTC)
    sessions, table = access.sessions, access.table
    configuration = with_decided_exemptions(access.config, table)
    facts = read_facts(configuration, sessions, table, accounts, selection, now)
    lock = Lock(
        sessions.client("dynamodb"),
        configuration.secgrp_unrestricted_access.table_name,
        configuration.aws.main_account_id,
        this_process(),
        lambda: now,
    ).read()
    facts = replace(facts, abandoned=abandoned(configuration, lock, selection), selection=selection)
    # The other groups are unknown where only some, or some regions, were asked for.
    complete = not (region or group)
    ends = list(exemption_lines(configuration, accounts, facts, complete=complete))

    def page(to: Console) -> None:
        show(to, facts, configuration, lock)
        for line in ends:
            print_line(to, line)

    return page


def abandoned(config: Configuration, lock: LockState, selection: Selection) -> list[tuple[str, str, str]]:
    """The groups whose change is not complete and that no run may complete: they are not watched any more."""
    return [
        location
        for location in sorted(lock.unfinished)
        if selection.takes(*location) and not config.watches(location[0], location[1])
    ]


def read_facts(
    config: Configuration,
    sessions: Sessions,
    table: IssueTable,
    accounts: Sequence[str],
    selection: Selection,
    now: datetime,
) -> Facts:
    """Read everything that is told of these accounts, as far as it is selected.

    Raises:
        ClientError, BotoCoreError: the table could not be read.
    """

    def chosen(account_id: str, region: str) -> bool:
        """Whether it is asked for, and still scanned: what was seen of other regions is history."""
        scanned = config.aws.regions_of(account_id)
        return (scanned is None or region in scanned) and (not selection.regions or region in selection.regions)

    known = context_of(config, now.date())
    coverage = CoverageRecords(table.items)
    records = JobRecords(table.items, config.aws.main_account_id)
    # A restored group that is not exposed any more still is left alone when it opens again.
    unreadable: list[UnreadableIssueError] = []
    issues = [
        issue
        for name in accounts
        for issue in table.with_status(name, *Status, unreadable=unreadable.append)
        if selection.takes(name, issue.details.region, issue.issue_id)
    ]
    left = Counter(
        f"account {issue.account_id}, {issue.details.region}"
        for issue in (*issues, *_of_left_accounts(config, table, records, accounts, unreadable.append))
        if issue.kind is SECURITY_GROUP
        and issue.status.is_exposed
        and selection.takes(issue.account_id, issue.details.region, issue.issue_id)
        and not config.watches(issue.account_id, issue.details.region)
    )
    listener = ListenerRecords(table.items, config.aws.main_account_id, lambda: now).read()
    is_expected = config.decisions.enabled and config.slack.enabled and (listener.connected or listener.expected)
    scans = [scan for name in accounts for scan in coverage.of_account(name) if chosen(name, scan.region)]
    return Facts(
        now=now,
        unseen=unseen(config, accounts, selection, scans),
        left=sorted(left.items()),
        disconnected_reason=listener.disconnected_reason(now) if is_expected else "",
        scans=scans,
        issues=[(issue, listed_issue(issue, known)) for issue in issues],
        unreadable=[str(item) for item in unreadable if selection.takes(item.account_id, item.region, item.issue_id)],
        jobs=list(records.runs()),
        dead_letters=count_dead_letters(sessions.client("sqs")),
        days=list(records.days((now - _HISTORY_SHOWN).date())),
        unfinished=_unfinished(config, issues),
        events=[
            (event.account_id, event.region, event.at, event.name)
            for name in accounts
            for event in EventRecords(table.items).of_account(name)
            if chosen(name, event.region)
        ],
    )


def _unfinished(config: Configuration, issues: Iterable[Issue]) -> list[str]:
    """The groups whose change the next remediation run completes."""
    watched = (issue for issue in issues if config.watches(issue.account_id, issue.details.region))
    return [issue.location for issue in watched if is_unfinished(issue)]


def _of_left_accounts(
    config: Configuration,
    table: IssueTable,
    records: JobRecords,
    accounts: Sequence[str],
    unreadable: Callable[[UnreadableIssueError], None],
) -> Iterator[Issue]:
    """The issues of accounts that left the configuration, but for those that are among the accounts already."""
    for account_id in sorted(records.watched_accounts() - config.scanned_accounts().keys() - set(accounts)):
        yield from table.with_status(account_id, Status.OPEN, Status.WHITELISTED, unreadable=unreadable)


def show(to: Console, facts: Facts, config: Configuration, lock: LockState) -> None:
    """Print it: what is open and due, then whether Hammer itself works, then the rest."""
    print_line(to, *headline(facts))
    wrong = list(attention(facts))
    for line in wrong:
        print_line(to, line, "bold red")
    if not wrong:
        asked = " that was asked for" if facts.selection.accounts or facts.selection.regions else ""
        text = f"Hammer itself works: every region{asked} was seen whole, no job failed, no message is left"
        print_line(to, text, "green")
    _show_scans(to, facts, config)
    if facts.jobs:
        columns = (Column("job"), Column("last run"), Column("took", justify="right"), Column("outcome"))
        show_table(to, columns, job_rows(facts), "Jobs")
    _show_issues(to, [issue for issue, _ in facts.issues], config)
    if events := event_rows(facts):
        named = [(config.account_name(account_id), *row) for account_id, *row in events]
        show_table(to, [Column(name) for name in ("account", "region", "when", "call")], named, "Last events")
    numbers = [Column(name, justify="right") for name in ("open", *AGE_HEADINGS)]
    show_table(to, (Column("severity"), *numbers), age_rows(facts), "Open issues by age")
    if due := due_rows(facts):
        headings = [Column(name) for name in ("due", "severity", "account", "region", "group")]
        show_table(to, (*headings, Column("name", wraps=True)), due, "Due next")
    for line in use_lines(facts, enabled=config.usage.enabled):
        print_line(to, line)
    for line in (*event_lines(facts), *waiting(facts), trend(facts.days), lock_line(lock, facts.now)):
        if line:
            print_line(to, line)


def exemption_lines(config: Configuration, accounts: Iterable[str], facts: Facts, *, complete: bool) -> Iterator[str]:
    """The exemptions that end soon, have ended, never end, or name no group of the table; a line each.

    What `waiting` says of an exempt group already, is not said again: that its exemption ends then, or never. No
    exemption is said to name no group where not all issues were read (`complete`).
    """
    for account in accounts:
        own = [(issue, listed) for issue, listed in facts.issues if issue.account_id == account]
        known = [_names(issue) for issue, _ in own] if complete else None
        reviewed = review(config.exemptions(account), facts.now.date(), known)
        exempt = [(_names(issue), listed.exempt_until) for issue, listed in own if listed.whitelisted]
        yield from exemption_warnings(
            account,
            replace(
                reviewed, expiring=_unlisted(reviewed.expiring, exempt), endless=_unlisted(reviewed.endless, exempt)
            ),
        )


def _names(issue: Issue) -> tuple[str, str, str]:
    """What an exemption can name a group by: its id, its VPC's id and its name."""
    return issue.issue_id, issue.details.vpc_id, issue.details.name


def _unlisted(
    exemptions: Iterable[Exemption], exempt: Sequence[tuple[tuple[str, str, str], date | None]]
) -> tuple[Exemption, ...]:
    """The exemptions whose end, or that they have none, no exempt group's line tells."""
    return tuple(
        exemption
        for exemption in exemptions
        if not any(exemption.names(*names) and until == exemption.expires for names, until in exempt)
    )


def lock_line(lock: LockState, now: datetime) -> str:
    """Who changes groups now."""
    if not lock.holder:
        return "nobody is changing groups"
    over = " (its lease has ended)" if lock.until and lock.until <= now else ""
    return f"groups are being changed by {printable(lock.holder)}, lease until {shown_time(lock.until)}{over}"


def _show_scans(to: Console, facts: Facts, config: Configuration) -> None:
    headings = ("account", "region", "outcome", "when", "seconds", "groups", "last complete")
    rows = [
        (
            config.account_name(scan.account_id),
            scan.region,
            str(scan.outcome),
            shown_time(scan.started),
            f"{scan.seconds:.1f}",
            str(scan.groups),
            shown_time(scan.last_complete) or "never",
            scan.reason,
        )
        for scan in facts.scans
    ]
    rows += [
        (config.account_name(account_id), region or "every one", "none yet", "", "", "", "never", "")
        for account_id, region in facts.unseen
    ]
    show_table(to, (*(Column(name) for name in headings), Column("reason", wraps=True)), rows, "Last scans")


def _show_issues(to: Console, issues: Sequence[Issue], config: Configuration) -> None:
    counted = Counter((issue.account_id, issue.status) for issue in issues)
    rows = [
        (config.account_name(account_id), *(str(counted[account_id, status]) for status in Status))
        for account_id in sorted({issue.account_id for issue in issues})
    ]
    show_table(to, (Column("account"), *(Column(str(status), justify="right") for status in Status)), rows, "Issues")


def count_dead_letters(client: SQSClient) -> dict[str, int] | None:
    """How many messages are in each dead-letter queue of Hammer's; None: they could not be read.

    The host's role reads the queues of its own deployment. Where the account has another one, the queues of that one
    are refused, and left out.
    """
    found: dict[str, int] = {}
    refused = False
    try:
        # SQS gives a token for the next page only to who names a size (API Reference, ListQueues).
        pages = client.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": _QUEUES_A_PAGE})
        for url in (url for page in pages for url in page.get("QueueUrls", ())):
            name = url.rpartition("/")[2]
            if not name.endswith(_DEAD_LETTERS):
                continue
            try:
                answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            except client.exceptions.QueueDoesNotExist:  # deleted since it was listed
                continue
            except ClientError as error:
                if error_code(error) not in ACCESS_DENIED:
                    raise
                refused = True
            else:
                found[name] = int(answer["Attributes"]["ApproximateNumberOfMessages"])
    except AWS_ERRORS:
        return None
    return None if refused and not found else found
