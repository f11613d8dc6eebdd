"""What a run reads before it plans and writes: the issues of an account, and what uses the groups of new ones.

Only reads. What could not be read is named in the summary, and the rest goes on. The state that reporting keeps in an
issue's item is checked before it is used: other tooling may write there, too.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from library.aws.ec2 import read_group_users
from library.aws.failures import AWS_ERRORS, explain
from library.issues.issue import Issue, Status
from library.issues.times import parse_time
from library.notifications.broadcast import Sent, issue_key
from library.security_groups.users import GroupUsers
from reporting.plan import DOUBTED

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable, UnreadableIssueError
    from library.aws.session import Sessions
    from library.jobs.command_line import Selection

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ReportSummary:
    """What a run did.

    Attributes:
        notified: how many issues each kind of news was reported of, by what is new to the ticket, else to Slack.
        unchanged: issues of which there was nothing to report.
        notes: what was done otherwise than asked, one line each.
        problems: what could not be done, one line each.
    """

    notified: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The run in one line; of a dry run, what it would tell."""
        nothing = "nothing could be reported" if self.problems else "nothing new"
        notified = ", ".join(f"{count} {notification}" for notification, count in self.notified.items()) or nothing
        number = len(self.problems)
        problems = f"; {number} problem{'s' if number > 1 else ''}" if number else ""
        return f"{notified}; {self.unchanged} unchanged{problems}"

    def count(self, notification: str) -> None:
        """Count one issue that was reported."""
        self.notified[notification] = self.notified.get(notification, 0) + 1

    def problem(self, *texts: str) -> None:
        """Name what could not be done, each once, here and in the log."""
        for text in texts:
            if text not in self.problems:
                self.problems.append(text)
                _log.error("%s", text)

    def add(self, sent: Sent) -> None:
        """Take over what came of messages."""
        self.notes += sent.notes
        self.problem(*sent.problems)


def check_memory(issue: Issue) -> None:
    """Raise ValueError, naming the part, if what reporting keeps of a channel is not as reporting writes it."""
    for details, kept, parts in (
        ("jira_details", issue.jira_details, _JIRA),
        ("slack_details", issue.slack_details, _SLACK),
        ("webhook_details", issue.webhook_details, _WEBHOOK),
    ):
        for name, value in kept.items():
            if value is not None and name in parts and not parts[name](value):
                raise ValueError(f"{details}.{name} is not as it should be")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool) and value == int(value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(text, str) for text in value)


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and parse_time(value) is not None
    except ValueError:
        return False


def _maps_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in (*value, *value.values()))


def _is_intent(value: object) -> bool:
    if not isinstance(value, Mapping) or not _are_texts(value.get("markers", ())):
        return False
    return all(value.get(name) is None or _is_time(value[name]) for name in ("since", "unknown"))


def _is_delivered(value: object) -> bool:
    return isinstance(value, Mapping) and _are_texts(value.get("by", ()))


_NOTIFIED: Mapping[str, Callable[[Any], bool]] = {
    "occurrence": _is_number,
    "digest": _is_text,
    "severity": _is_text,
    "exemption_told": _is_text,
    "at_once": _is_flag,
    "exempt": _is_flag,
}
_JIRA = {
    **_NOTIFIED,
    "console": _is_number,
    "ticket": _is_text,
    "intent": _is_intent,
    "told": _are_texts,
    "change": _is_text,
    "still": _maps_texts,
}
_SLACK = {**_NOTIFIED, "heard": _is_delivered, "destinations": _are_texts, "reminded": _is_number}
_WEBHOOK = {
    **_NOTIFIED,
    "reminded": _is_number,
    "sent": _is_number,
    "reported": _is_number,
    DOUBTED: lambda value: isinstance(value, Mapping),
}


_ACCOUNTS_AT_ONCE = 10  # of the sixteen connections that a client keeps (docs/performance.md)


class AccountIssues(NamedTuple):
    """The issues of one account that are not closed.

    Attributes:
        with_updates: those of which there may be something to report.
        unchanged: how many others there are.
        problems: what could not be read, one line each.
    """

    with_updates: list[Issue]
    unchanged: int
    problems: list[str]


def read_accounts(
    table: IssueTable,
    account_ids: Iterable[str],
    selection: Selection,
    has_updates: Callable[[Issue], bool],
    summary: ReportSummary,
) -> Iterator[AccountIssues]:
    """The selected issues of each account that may have something to report, in the order of the accounts.

    `has_updates` is called in several threads. What could not be read is named in the summary.

    Closed ones are not read, and of the others as much as tells whether there is news. A few accounts are read at the
    same time: most of it is waiting.
    """
    wanted = [account_id for account_id in account_ids if not selection.accounts or account_id in selection.accounts]
    with ThreadPoolExecutor(_ACCOUNTS_AT_ONCE) as pool:
        reads = deque(pool.submit(_read_account, table, account_id, selection, has_updates) for account_id in wanted)
        while reads:
            issues = reads.popleft().result()
            summary.problem(*issues.problems)
            yield issues


def _read_account(
    table: IssueTable, account_id: str, selection: Selection, has_updates: Callable[[Issue], bool]
) -> AccountIssues:
    found = AccountIssues([], 0, [])
    try:
        wanted, unchanged = _with_updates(table, account_id, selection, has_updates)
        found = found._replace(unchanged=unchanged)
        if wanted:
            _read_whole(table, account_id, wanted, selection, found)
    except AWS_ERRORS as error:
        reason = f"account {account_id}: its issues could not be read: {explain(error)}"
        return AccountIssues([], 0, [*found.problems, reason])
    return found


def _with_updates(
    table: IssueTable, account_id: str, selection: Selection, has_updates: Callable[[Issue], bool]
) -> tuple[list[str], int]:
    """The ids of the issues that have news, or of which that cannot be told, and how many have none."""
    wanted: list[str] = []
    unchanged = 0
    for issue in table.not_closed(account_id, lambda item: wanted.append(item.issue_id), in_brief=True):
        if not selection.takes(account_id, issue.details.region, issue.issue_id):
            continue
        try:
            check_memory(issue)
            is_new = has_updates(issue)
        except ValueError:
            is_new = True  # what is wrong is said when it is read as a whole
        if is_new:
            wanted.append(issue.issue_id)
        else:
            unchanged += 1
    return wanted, unchanged


def _read_whole(
    table: IssueTable, account_id: str, issue_ids: Iterable[str], selection: Selection, found: AccountIssues
) -> None:
    """Add these issues, as they are now."""

    def unreadable(item: UnreadableIssueError) -> None:
        if selection.takes(account_id, item.region, item.issue_id):
            found.problems.append(str(item))

    whole = table.get_many(account_id, issue_ids, unreadable=unreadable)
    for issue_id in issue_ids:
        issue = whole.get(issue_id)
        if issue is None or issue.status is Status.CLOSED:
            continue
        if selection.takes(account_id, issue.details.region, issue_id):
            try:
                check_memory(issue)
            except ValueError as error:
                found.problems.append(f"{issue.location}: its item in the issue table is not as it should be: {error}")
            else:
                found.with_updates.append(issue)


def read_users(
    sessions: Sessions, issues: Iterable[Issue], renew: Callable[[], None], summary: ReportSummary
) -> dict[str, GroupUsers]:
    """What uses the groups of issues, by `issue_key`.

    Identification stores it with the issue. EC2 is asked only for issues without it, in one sweep for each account and
    region.
    """
    wanted: dict[tuple[str, str], list[Issue]] = {}
    found: dict[str, GroupUsers] = {}
    for issue in issues:
        if issue.used_by is not None:
            found[issue_key(issue)] = issue.used_by
        else:
            wanted.setdefault((issue.account_id, issue.details.region), []).append(issue)
    for (account_id, region), of_region in wanted.items():
        renew()
        try:
            client = sessions.client("ec2", account_id, region)
            used = read_group_users(client, [issue.issue_id for issue in of_region])
        except AWS_ERRORS as error:
            reason = explain(error, sessions.role_arn(account_id))
            summary.problem(f"account {account_id}, {region}: what uses the groups could not be read: {reason}")
            used = {issue.issue_id: GroupUsers(unknown=reason) for issue in of_region}
        found |= {issue_key(issue): used[issue.issue_id] for issue in of_region}
    return found
