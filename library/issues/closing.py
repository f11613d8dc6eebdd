"""When remediation may close an issue: after the retention period, or at once where immediate mode says so.

Pure. Everything that tells, shows or uses this time asks here: reporting, remediation, `explain`, `status` and the
listings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from library.issues.reachability import Severity, severity
from library.issues.times import format_time, parse_time

if TYPE_CHECKING:
    from library.issues.issue import Issue
    from library.security_groups.exposure import OpenStatus


@dataclass(frozen=True, slots=True)
class ClosingNotice:
    """That people were told that remediation closes an issue at its next run, in every enabled channel.

    Attributes:
        at: when the last channel was told, in UTC.
        occurrence: of which occurrence of the issue.
        withdrawn: whether people are told a later date since. It still tells that a change was begun after a notice.
    """

    at: datetime
    occurrence: int
    withdrawn: bool = False

    def to_item(self) -> dict[str, Any]:
        """The map `closing_notice` of the table."""
        return {"at": format_time(self.at), "occurrence": self.occurrence, "withdrawn": self.withdrawn}

    @classmethod
    def from_item(cls, item: object) -> ClosingNotice | None:
        """The other way round. None where there is none, or a map that is none: people are told again."""
        if not isinstance(item, Mapping):
            return None
        try:
            at = parse_time(item["at"])
            return cls(at, int(item["occurrence"]), bool(item.get("withdrawn"))) if at else None
        except (KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class ClosingTerms:
    """When remediation closes the issues of one account.

    Attributes:
        retention: how long after the report.
        immediate: the severities that it closes at its next run after a notice that says so.
        reaches_people: whether JIRA or Slack is enabled, so that what only the console told counts no longer.
    """

    retention: timedelta
    immediate: frozenset[Severity] = frozenset()
    reaches_people: bool = False

    def is_immediate(self, issue: Issue) -> bool:
        """Whether immediate mode is on for an issue, by its severity when it was last looked at."""
        return issue.details.severity in self.immediate

    def due(self, issue: Issue, *, begun: bool = False) -> datetime | None:
        """From which moment on an issue is due; None: it was not reported yet, or to nobody.

        Args:
            issue: the issue.
            begun: whether a change of its group was begun, so that a notice counts whatever has become of the severity.
        """
        reported, notice = issue.timestamps.reported, issue.closing_notice
        if reported is None or (self.reaches_people and on_console_only(issue)):
            return None
        counts = begun or (self.is_immediate(issue) and has_notice(issue))
        if not counts or notice is None or notice.occurrence != issue.occurrence:
            return reported + self.retention
        return min(reported + self.retention, max(notice.at, reported))

    def due_by_retention(self, issue: Issue) -> datetime | None:
        """Whole days of 24 hours after an issue was reported; None: it was not reported yet."""
        return issue.timestamps.reported + self.retention if issue.timestamps.reported else None

    def is_immediate_as(self, issue: Issue, status: OpenStatus) -> bool:
        """Whether immediate mode is on for an issue whose group has another status now.

        Who can connect is known from the last look only. A group that is open in part lets nobody's all addresses in,
        so it is not as severe as one that is open completely.

        Args:
            issue: the issue.
            status: of its group now.
        """
        reachability = issue.details.reachability
        if reachability is None:
            return severity(None, None, status) in self.immediate
        sources = reachability.sources.at_most(status) if reachability.sources else None
        return severity(reachability.verdict, sources, status) in self.immediate


def has_notice(issue: Issue) -> bool:
    """Whether the last that people were told of this occurrence is that it is closed at the next run."""
    notice = issue.closing_notice
    return notice is not None and notice.occurrence == issue.occurrence and not notice.withdrawn


def on_console_only(issue: Issue) -> bool:
    """Whether the item says that this occurrence was reported on the console and nowhere else.

    That counts as a report only while neither JIRA nor Slack is enabled. The first that is enabled later reports the
    issue anew, and until it has, nobody knows of it. An item that does not say who was told, as other tooling writes
    it, is taken as reported.
    """
    kept, slack = issue.jira_details, issue.slack_details
    in_slack = "digest" in slack and slack.get("occurrence") in (None, issue.occurrence)
    # Hammer 0.1 left on the console what a ticket leaves, without a ticket.
    on_console = kept.get("console") == issue.occurrence or ("digest" in kept and not kept.get("ticket"))
    return on_console and not in_slack
