"""What a run reads before it plans and writes: the issues of an account, and what uses the groups of new ones.

Only reads. What could not be read is named in the summary, and the rest goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from library.aws.failures import AWS_ERRORS, explain
from library.aws.group_usage import read_usage
from library.issues.issue import Issue
from library.notifications.broadcast import issue_key
from library.security_groups.usage import Usage
from reporting.memory import check_memory

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable, UnreadableIssueError
    from library.aws.session import Sessions
    from library.jobs.command_line import Selection
    from reporting.summary import ReportSummary

_ACCOUNTS_AT_ONCE = 10  # as many connections as a client of boto3 keeps


def read_accounts(
    table: IssueTable, account_ids: Iterable[str], selection: Selection, summary: ReportSummary
) -> Iterator[list[Issue]]:
    """The selected issues of each account that may have something to report, in the order of the accounts.

    Closed ones are not read. A few accounts are read at the same time: most of it is waiting.

    Args:
        table: the issue table.
        account_ids: the accounts.
        selection: the issues that are wanted.
        summary: gets what could not be read.
    """
    wanted = [account_id for account_id in account_ids if not selection.accounts or account_id in selection.accounts]
    with ThreadPoolExecutor(_ACCOUNTS_AT_ONCE) as pool:
        reads = deque(pool.submit(_read_account, table, account_id, selection) for account_id in wanted)
        while reads:
            issues, problems = reads.popleft().result()
            for problem in problems:
                summary.problem(problem)
            yield issues


def _read_account(table: IssueTable, account_id: str, selection: Selection) -> tuple[list[Issue], list[str]]:
    """An account's issues, and what could not be read."""
    issues: list[Issue] = []
    problems: list[str] = []

    def unreadable(item: UnreadableIssueError) -> None:
        if selection.takes(account_id, item.region, item.issue_id):
            problems.append(str(item))

    try:
        for issue in table.not_closed(account_id, unreadable):
            if selection.takes(account_id, issue.details.region, issue.issue_id):
                try:
                    check_memory(issue)
                except ValueError as error:
                    problems.append(f"{issue.place}: its item in the issue table is not as it should be: {error}")
                else:
                    issues.append(issue)
    except AWS_ERRORS as error:
        return [], [*problems, f"account {account_id}: its issues could not be read: {explain(error)}"]
    return issues, problems


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
