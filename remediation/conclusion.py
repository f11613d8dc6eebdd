"""What a run says when it has done with a group: to the person who runs it, to the ticket and to the owners."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from remediation import message
from remediation.due import Why
from remediation.journal_entry import ChangeKind
from remediation.message import ChangeMessage
from remediation.notifier import notify
from remediation.remediator import GroupResult, ResultKind

if TYPE_CHECKING:
    from remediation.context import RemediationContext
    from remediation.host import Person

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RemediationSummary:
    """What a run came to.

    Attributes:
        remediated: how many groups.
        left: how many of those it looked at needed nothing, or were not agreed to.
        not_due: how many issues it did not look at, by why they are not due.
        problems: what could not be done, one line each.
    """

    remediated: int = 0
    left: int = 0
    not_due: Counter[Why] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The run in one line."""
        waiting = ", ".join(f"{number} {why}" for why, number in sorted(self.not_due.items()))
        skipped = f"; not looked at: {waiting}" if waiting else ""
        return f"{self.remediated} remediated, {self.left} left as they are{skipped}"


def conclude(context: RemediationContext, result: GroupResult, summary: RemediationSummary, person: Person) -> None:
    """Say what became of a group to everybody whom it concerns."""
    issue = result.issue
    news = _news(context, result)
    undelivered = ""
    if news is not None:
        undelivered = notify(context.notifier, context.table, issue, news, repeated=not result.is_done)
    backup = f"; backup {result.backup}" if result.backup else ""
    person.say(f"{issue.place}: {result.kind}: {result.text}{backup}")
    if result.kind is ResultKind.REMEDIATED:
        summary.remediated += 1
    elif result.is_done:
        summary.left += 1
    else:
        summary.problems.append(f"{issue.place}: {_problem(result)}")
    if undelivered:
        summary.problems.append(undelivered)


def _news(context: RemediationContext, result: GroupResult) -> ChangeMessage | None:
    """What people are told; None: nothing."""
    issue, bucket = result.issue, context.backups.bucket
    if result.kind is ResultKind.REMEDIATED and result.entry:
        return message.remediated(issue, bucket, result.backup, result.entry.added, result.entry.closed)
    if result.kind is ResultKind.SETTLED:
        return message.settled(result.text) if result.entry and result.entry.withdrawn else None
    if result.is_done:
        return None
    if result.kind is ResultKind.INCOMPLETE and result.entry and result.entry.kind is ChangeKind.RESTORE:
        return message.restore_interrupted(issue, bucket, result.entry)
    if result.kind is ResultKind.INCOMPLETE and result.entry:
        return message.incomplete(issue, bucket, result.entry, result.text)
    return message.failed(result.text)


def _problem(result: GroupResult) -> str:
    return f"not complete yet: {result.text}" if result.kind is ResultKind.INCOMPLETE else result.text


def stop_at_limit(context: RemediationContext, summary: RemediationSummary, text: str) -> None:
    """Say, also to those who run Hammer, that more groups would be changed than `remediation_limit_per_run`."""
    text = f"stopped: {text}. Look at them with --dry-run, then raise the limit, or choose with --group"
    summary.problems.append(text)
    _log.warning(text, extra={"stopped_at_limit": True})  # deployment's alarm counts these
    context.notifier.alert_operators("Remediation stopped", text)
