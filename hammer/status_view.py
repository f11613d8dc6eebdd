"""What `hammer status` says, as lines and rows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hammer.listing.issue import ListedIssue
from hammer.listing.selection import SEVERITIES
from library.documents.text import counted, printable
from library.issues.flapping import is_flapping
from library.issues.history import Day
from library.issues.issue import Issue, Status
from library.issues.scan_coverage import Outcome, ScanCoverage
from library.issues.times import shown_time
from library.issues.use import unknown_use

_STALE = timedelta(hours=3)  # scans are hourly: one may be late, not two
_EXPIRES_SOON = timedelta(days=30)
_SHOWN = 10
_BY_HAND = frozenset({"restore"})  # whoever ran it was told how it ended
_AGES = ((1, "< 1 day"), (7, "< 7 days"), (30, "< 30 days"))
_OLDER = "older"
AGE_HEADINGS = (*(name for _, name in _AGES), _OLDER)


@dataclass(frozen=True, slots=True)
class JobState:
    """The last run of a job, as `library.aws.job_records.JobRun` has it."""

    job: str
    started: datetime
    ended: datetime | None
    outcome: str
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is told.

    Attributes:
        issues: all issues, with what the table knows of each.
        unreadable: items of the table that could not be read, one line each.
        jobs: the last run of each job that ever ran.
        dead_letters: how many messages are in each queue of what failed; None: that could not be read.
        days: the history, the oldest first.
        heard: the last event of each account and region that ever sent one: account, region, time and call.
        unfinished: places of groups at which a run was interrupted.
        now: the time in UTC.
    """

    now: datetime
    scans: Sequence[ScanCoverage] = ()
    issues: Sequence[tuple[Issue, ListedIssue]] = ()
    unreadable: Sequence[str] = ()
    jobs: Sequence[JobState] = ()
    dead_letters: dict[str, int] | None = field(default_factory=dict)
    days: Sequence[Day] = ()
    unfinished: Sequence[str] = ()
    heard: Sequence[tuple[str, str, datetime, str]] = ()


def attention(facts: Facts) -> Iterator[str]:
    """What is wrong now, the worst first, a line each; nothing: all is well."""
    yield from (printable(line) for line in facts.unreadable)
    for scan in facts.scans:
        place = f"{scan.account_id} {scan.region}"
        if scan.outcome in (Outcome.FAILED, Outcome.PARTIAL):
            since = shown_time(scan.last_complete) or "never"
            yield f"not seen whole: {place}, last complete scan {since}: {printable(scan.reason)}"
        elif scan.outcome is Outcome.COMPLETE and facts.now - scan.started > _STALE:
            yield f"not looked at since {shown_time(scan.started)}: {place}"
    if not facts.scans:
        yield "nothing was scanned yet: does the schedule run, and has SNS_ARN the topic?"
    for queue, messages in sorted((facts.dead_letters or {}).items()):
        if messages:
            yield f"dead letters: {counted(messages, 'message')} in {queue}"
    if facts.dead_letters is None:
        yield "dead letters: the queues could not be read"
    for job in facts.jobs:
        if job.outcome not in ("done", "running") and job.job not in _BY_HAND:
            why = printable("; ".join(job.problems))
            yield f"hammer {job.job} ended {job.outcome} at {shown_time(job.ended or job.started)}: {why}"
    for place in facts.unfinished:
        yield f"interrupted, the next remediation run finishes it: {place}"


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


def age_rows(facts: Facts) -> Iterator[tuple[str, ...]]:
    """A row for each severity: how many open issues there are, by age."""
    ages: dict[str, Counter[str]] = {str(severity): Counter() for severity in SEVERITIES}
    for issue, listed in facts.issues:
        if issue.status is Status.OPEN:
            days = listed.age(facts.now)
            group = _OLDER if days is None else next((name for limit, name in _AGES if days < limit), _OLDER)
            ages[str(listed.severity)][group] += 1
    for severity, counts in ages.items():
        yield severity, str(counts.total()), *(str(counts[name]) for name in AGE_HEADINGS)


def due_rows(facts: Facts) -> list[tuple[str, ...]]:
    """The issues that remediation may close next, the first first."""
    due = sorted(
        ((listed.due, issue, listed) for issue, listed in facts.issues if listed.due is not None),
        key=lambda row: (row[0], row[1].account_id, row[1].issue_id),
    )
    return [
        (
            "now" if when <= facts.now else shown_time(when),
            str(listed.severity),
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
        place = f"{issue.issue_id} in {issue.account_id}, {issue.details.region}"
        if flag := issue.remediation_details.get("restored"):
            who, when = printable(str(flag.get("by"))), printable(str(flag.get("at")))
            yield f"restored, waits for a decision: {place}, by {who} at {when} (hammer restore --release)"
        if listed.whitelisted:
            yield _exempt(listed, place, facts.now)
        if issue.status is Status.OPEN and is_flapping(issue.history, facts.now):
            yield f"flapping, found {issue.occurrence} times: {place}"


def event_rows(facts: Facts) -> list[tuple[str, ...]]:
    """A row for each account and region: when an event last came from there, and the call that it was about.

    Where none ever came, a trail, a rule or a permission is missing, and only scans see changes. There are no rows
    where none came from anywhere: `event_lines` has a line for that.
    """
    if not facts.heard:
        return []
    heard: list[tuple[str, ...]] = [
        (account_id, region, shown_time(when), printable(call))
        for account_id, region, when, call in sorted(facts.heard)
    ]
    return heard + [(scan.account_id, scan.region, "never", "") for scan in _silent(facts)]


def event_lines(facts: Facts) -> Iterator[str]:
    """When an event was last heard of, or that none ever was; which regions are silent, `event_rows` shows."""
    if facts.heard:
        account_id, region, when, call = max(facts.heard, key=lambda event: event[2])
        yield f"last event heard: {printable(call)} in {account_id}, {region}, at {shown_time(when)}"
    elif silent := _silent(facts):
        yield f"no event was ever heard from {len(silent):,} of {counted(len(facts.scans), 'scanned region')}"


def _silent(facts: Facts) -> list[ScanCoverage]:
    """The scanned regions from which no event ever came."""
    sent = {(account_id, region) for account_id, region, _, _ in facts.heard}
    return [
        scan
        for scan in facts.scans
        if scan.outcome is not Outcome.REGION_OFF and (scan.account_id, scan.region) not in sent
    ]


def trend(days: Iterable[Day]) -> str:
    """The history on one line; empty: there is none."""
    shown = list(days)[-14:]
    if not shown:
        return ""
    resolved = sum(day.resolved for day in shown)
    hours = [day.hours_to_fix for day in shown if day.hours_to_fix is not None]
    text = f"open since {shown[0].day}: {' '.join(str(day.open_total) for day in shown)}"
    text += f"; {resolved:,} resolved, {sum(day.remediated for day in shown):,} remediated, "
    text += f"{sum(day.restored for day in shown):,} restored"
    return text + (f"; {round(sum(hours) / len(hours)):,} hours from found to fixed" if hours else "")


def _exempt(listed: ListedIssue, place: str, now: datetime) -> str:
    until, reason = listed.exempt_until, printable(listed.exempt_reason)
    soon = until is not None and until - now.date() <= _EXPIRES_SOON
    text = f"exempt {f'until {until}' if until else 'without end'}{', soon' if soon else ''}: {place}"
    return f"{text} ({reason})" if reason else text
