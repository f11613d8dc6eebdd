"""What a run reads before it plans and writes: the issues of an account, and what uses the groups of new ones.

Only reads. What could not be read is named in the summary, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from library.aws.failures import AWS_ERRORS, explain
from library.aws.group_usage import read_usage
from library.issues.issue import Issue, Status
from library.notifications.broadcast import issue_key
from library.security_groups.usage import Usage
from reporting.memory import check_memory

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable, UnreadableIssueError
    from library.aws.session import Sessions
    from library.jobs.command_line import Selection
    from reporting.summary import ReportSummary

_REPORTED = (Status.OPEN, Status.WHITELISTED, Status.RESOLVED)


def read_issues(table: IssueTable, account_id: str, selection: Selection, summary: ReportSummary) -> list[Issue]:
    """The selected issues of an account that may have something to report. Closed ones are not read."""
    if selection.accounts and account_id not in selection.accounts:
        return []

    def unreadable(item: UnreadableIssueError) -> None:
        if selection.takes(account_id, item.region, item.issue_id):
            summary.problem(str(item))

    issues = []
    try:
        for issue in table.with_status(account_id, *_REPORTED, unreadable=unreadable):
            if selection.takes(account_id, issue.details.region, issue.issue_id):
                try:
                    check_memory(issue)
                except ValueError as error:
                    summary.problem(f"{issue.place}: its item in the issue table is not as it should be: {error}")
                else:
                    issues.append(issue)
    except AWS_ERRORS as error:
        summary.problem(f"account {account_id}: its issues could not be read: {explain(error)}")
        return []
    return issues


def read_users(
    sessions: Sessions, issues: Iterable[Issue], renew: Callable[[], None], summary: ReportSummary
) -> dict[str, Usage]:
    """What uses the groups of issues, by `issue_key`.

    Identification stores it with the issue. EC2 is asked only for issues without it, in one sweep for each account and
    region.

    Args:
        sessions: give the clients.
        issues: about groups.
        renew: keeps the lock; raises LockedError.
        summary: gets what could not be read.
    """
    wanted: dict[tuple[str, str], list[Issue]] = {}
    found: dict[str, Usage] = {}
    for issue in issues:
        if issue.usage is not None:
            found[issue_key(issue)] = issue.usage
        else:
            wanted.setdefault((issue.account_id, issue.details.region), []).append(issue)
    for (account_id, region), of_region in wanted.items():
        renew()
        try:
            client = sessions.client("ec2", account_id, region)
            used = read_usage(client, [issue.issue_id for issue in of_region])
        except AWS_ERRORS as error:
            reason = explain(error, sessions.role_arn(account_id))
            summary.problem(f"account {account_id}, {region}: what uses the groups could not be read: {reason}")
            used = {issue.issue_id: Usage(unknown=reason) for issue in of_region}
        sessions.forget(account_id, region)
        found |= {issue_key(issue): used[issue.issue_id] for issue in of_region}
    return found
