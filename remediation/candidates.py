"""The groups that a run is about: the due ones, and those that an earlier run left incomplete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from library.aws.failures import AWS_ERRORS, explain
from library.aws.issue_table import UnreadableIssueError
from library.issues.issue import Issue, Status
from remediation.due import Policy, Refusal, Why, policy_of, why_not_due
from remediation.journal import is_unfinished
from remediation.journal_entry import RemediationDetails

if TYPE_CHECKING:
    from library.config import Configuration
    from library.jobs.command_line import Selection
    from remediation.context import RemediationContext


@dataclass(slots=True)
class Candidates:
    """What a run found.

    Attributes:
        issues: the open and exempt issues of selected groups, by account, region and group.
        unfinished: the issues of selected groups, in whatever status, that an earlier run left incomplete.
        untouchable: the same of groups that are not selected, or not remediated by this configuration, each with why.
        problems: what could not be read, one line each.
    """

    issues: list[Issue] = field(default_factory=list)
    unfinished: list[Issue] = field(default_factory=list)
    untouchable: list[tuple[Issue, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find(context: RemediationContext, config: Configuration, selection: Selection) -> Candidates:
    """Read the issues of the accounts that are remediated. A row that cannot be read is named, and left out."""
    found = Candidates()

    def unreadable(item: UnreadableIssueError) -> None:
        if selection.takes(item.account_id, item.region, item.issue_id):
            found.problems.append(str(item))

    for account_id in config.remediation_accounts():
        if selection.accounts and account_id not in selection.accounts:
            continue
        try:
            issues = [
                issue
                for issue in context.table.with_status(
                    account_id, Status.OPEN, Status.WHITELISTED, unreadable=unreadable
                )
                if issue.kind.is_remediated and selection.takes(account_id, issue.details.region, issue.issue_id)
            ]
        except AWS_ERRORS as error:
            found.problems.append(f"account {account_id}: its issues could not be read: {explain(error)}")
            continue
        for issue in issues:
            if problem := RemediationDetails.of(issue.remediation_details).problem:
                found.problems.append(f"{issue.place}: {problem}")
            else:
                found.issues.append(issue)
    found.issues.sort(key=_order)
    return found


def find_unfinished(
    context: RemediationContext, config: Configuration, selection: Selection, found: Candidates
) -> None:
    """Add the groups that an earlier run left incomplete: those found, and those that the lock names."""
    found.unfinished = [issue for issue in found.issues if is_unfinished(issue)]
    known = {(issue.account_id, issue.details.region, issue.issue_id): issue for issue in found.issues}
    marked = context.lock.read().unfinished
    for place in sorted(marked & known.keys()):
        if not is_unfinished(known[place]):
            context.mark_finished(*place)
    for account_id, region, group_id in sorted(marked - known.keys()):
        text = f"{group_id} in {account_id}, {region}"
        try:
            issue = context.table.get(account_id, group_id)
        except (*AWS_ERRORS, UnreadableIssueError) as error:
            found.problems.append(f"{text}: an earlier run left it incomplete: {explain(error)}")
            continue
        details = RemediationDetails.of(issue.remediation_details) if issue else RemediationDetails()
        if issue is None or not (details.is_unfinished or details.problem):
            context.mark_finished(account_id, region, group_id)
        elif details.problem:
            problem = f"{text}: {details.problem}"
            found.problems += [problem] if problem not in found.problems else []
        elif account_id not in config.remediation_accounts():
            found.untouchable.append((issue, f"account {account_id} is not one of remediation_accounts"))
        elif not selection.takes(account_id, region, group_id):
            found.untouchable.append((issue, "it is not among the groups that --account, --region and --group select"))
        else:
            found.unfinished.append(issue)
    found.unfinished.sort(key=_order)


def due(issues: Iterable[Issue], config: Configuration, now: datetime) -> list[Issue]:
    """Those that automatic remediation may change now."""
    return [
        issue
        for issue, refusal in _judged(issues, config, now)
        if refusal is None and issue.account_id in config.remediation_accounts()
    ]


def not_due(issues: Iterable[Issue], config: Configuration, now: datetime) -> Counter[Why]:
    """How many issues automatic remediation leaves alone now, by why. Those that a run left incomplete do not count."""
    waiting = (issue for issue in issues if not is_unfinished(issue))
    return Counter(refusal.why for _, refusal in _judged(waiting, config, now) if refusal)


def _judged(issues: Iterable[Issue], config: Configuration, now: datetime) -> Iterator[tuple[Issue, Refusal | None]]:
    """Issues, each with why it is not due; None: it is."""
    policies: dict[str, Policy] = {}
    for issue in issues:
        if issue.account_id not in policies:
            policies[issue.account_id] = policy_of(config, issue.account_id)
        yield issue, why_not_due(issue, policies[issue.account_id], now)


def _order(issue: Issue) -> tuple[str, str, str]:
    return issue.account_id, issue.details.region, issue.issue_id
