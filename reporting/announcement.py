"""What automatic remediation will do with an issue, as far as reporting announces it.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from library.config.models import closing_terms
from library.issues.issue import ClosingTerms, Issue, Status, has_notice
from library.issues.reachability import Severity

if TYPE_CHECKING:
    from library.config import Configuration


@dataclass(frozen=True, slots=True)
class Remediation:
    """What automatic remediation will do.

    Attributes:
        accounts: the accounts in which it changes groups; none: it is off.
        scope: the statuses that it changes.
        retention: from the report to the change.
        strategy: how it changes them.
        reminder_days: how many days before to remind, the most first.
        wait_in_use: how much longer it waits while flow logs show somebody at work.
        immediate: by account, the severities that it closes at its next run after a notice.
    """

    accounts: frozenset[str]
    scope: frozenset[str]
    retention: timedelta
    strategy: str
    reminder_days: tuple[int, ...] = ()
    immediate: Mapping[str, frozenset[Severity]] = field(default_factory=dict)
    wait_in_use: timedelta = timedelta()

    def closes_at(self, issue: Issue, now: datetime, *, anew: bool = False) -> datetime | None:
        """When it would close an issue that is reported now, if it was not before; None: it will not.

        Args:
            issue: the issue.
            now: the time, in UTC.
            anew: whether it is reported now even if it was before.
        """
        if not self._closes(issue):
            return None
        terms, reported = self._terms(issue), None if anew else issue.timestamps.reported
        if terms.is_immediate(issue) and (reported is None or not has_notice(issue)):
            return now if reported is None else min(now, reported + self.retention)
        return (terms.due(issue) if reported else None) or now + terms.period(issue)

    def closes_last(self, issue: Issue, now: datetime, *, anew: bool = False) -> datetime | None:
        """When it would close an issue at the latest, if flow logs show somebody at work; None: it does not wait."""
        terms, reported = self._terms(issue), None if anew else issue.timestamps.reported
        if not self._closes(issue) or not terms.may_wait(issue):
            return None
        return (reported or now) + terms.longest_period(issue)

    def closes_at_once(self, issue: Issue) -> bool:
        """Whether it closes an issue at its next run, once people are told so (immediate mode)."""
        return self._closes(issue) and self._terms(issue).is_immediate(issue)

    def is_due_anyway(self, issue: Issue, now: datetime) -> bool:
        """Whether the retention period is over, so that immediate mode changes nothing."""
        due = self._terms(issue).due_by_retention(issue)
        return due is not None and due <= now

    def _terms(self, issue: Issue) -> ClosingTerms:
        immediate = self.immediate.get(issue.account_id, frozenset())
        return ClosingTerms(self.retention, immediate, wait_in_use=self.wait_in_use)

    def _closes(self, issue: Issue) -> bool:
        if issue.account_id not in self.accounts or issue.status is not Status.OPEN:
            return False
        if not issue.kind.is_remediated or issue.remediation_details.get("restored"):
            return False
        return bool(self.scope & {perm.status for perm in issue.details.perms})


def announced(config: Configuration) -> Remediation:
    """What automatic remediation will do by this configuration."""
    section = config.secgrp_unrestricted_access
    accounts = frozenset(config.remediation_accounts() if section.remediation else ())
    return Remediation(
        accounts=accounts,
        scope=frozenset(section.remediation_scope),
        retention=timedelta(days=section.remediation_retention_period),
        strategy=section.remediation_strategy,
        wait_in_use=timedelta(days=section.remediation_wait_in_use_days),
        reminder_days=tuple(sorted(config.slack.reminder_days, reverse=True)),
        immediate={account_id: closing_terms(config, account_id).immediate for account_id in accounts},
    )
