"""The journal: what is being done to one group, kept in its issue's item and written before each step.

`remediation_details` of an issue is a map with

- `journal`: the newest change of the group (`remediation.journal_entry`);
- `backup`: the key of the backup that a restore goes back to unless another one is named: the
  first one of the newest remediation of which EC2 has acknowledged something;
- `added`: the rules that Hammer added in finished changes and that are there still, with their ids;
- `restored`: a map with `at`, `by` and `backup` while a restored group waits for somebody to decide, else null;
- `told`: what the issue's ticket was told last of what every run may find again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from library.aws.conditional_writes import ConflictError
from library.issues.issue import Issue
from library.issues.times import format_time
from remediation.journal_entry import ChangeKind, JournalEntry, RemediationDetails

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable

_ATTEMPTS = 3


def entry_of(issue: Issue) -> JournalEntry | None:
    """The newest change of an issue's group; None: there was none, or it cannot be read."""
    return RemediationDetails.of(issue.remediation_details).entry


def is_unfinished(issue: Issue) -> bool:
    """Whether a change of the group was begun and is not known to be complete."""
    return RemediationDetails.of(issue.remediation_details).is_unfinished


def unfinished_remediation(issue: Issue) -> JournalEntry | None:
    """The remediation of an issue's group that was begun and is not known to be complete; None: there is none."""
    details = RemediationDetails.of(issue.remediation_details)
    is_it = details.is_unfinished and details.entry and details.entry.kind is ChangeKind.REMEDIATION
    return details.entry if is_it else None


class Journal:
    """Writes one issue's `remediation_details`.

    Args:
        table: the issue table.
        issue: as it was read.
        now: tells the time in UTC.
    """

    def __init__(self, table: IssueTable, issue: Issue, now: Callable[[], datetime]) -> None:
        self._table = table
        self._now = now
        self._occurrence = issue.occurrence
        self.issue = issue
        """The issue as it was read last, with what was written since."""

    @property
    def details(self) -> RemediationDetails:
        """What `remediation_details` says now."""
        return RemediationDetails.of(self.issue.remediation_details)

    def write(self, entry: JournalEntry, *, remediated: bool = False, **details: Any) -> JournalEntry:
        """Write an entry.

        Args:
            entry: the change and its step.
            remediated: the group was found remediated: say so in `timestamps`, unless the issue is a new
                occurrence by now.
            details: further keys of `remediation_details`.

        Returns:
            The entry as written, with the time.

        Raises:
            ConflictError: the issue is gone, or new occurrences of it keep coming.
            UnreadableIssueError: it has become unreadable meanwhile.
            ClientError, BotoCoreError: it could not be written.
        """
        now = format_time(self._now()) or ""
        entry = replace(entry, changed=now, started=entry.started or now)
        if entry.kind is ChangeKind.REMEDIATION and entry.is_acknowledged:
            details = {"backup": entry.backup, **details}
        self._write({**details, "journal": entry.to_item()}, remediated=now if remediated else "")
        return entry

    def note(self, **details: Any) -> None:
        """Write keys of `remediation_details` beside the journal. Raises as `write` does."""
        self._write(details)

    def _write(self, details: Mapping[str, Any], remediated: str = "") -> None:
        for attempt in range(_ATTEMPTS):
            before = self.issue.remediation_details
            sets: dict[str, Any] = {"remediation_details": dict(details)}
            if before:  # only these keys: others are other writers', such as what the ticket was told
                sets = {f"remediation_details.{name}": value for name, value in details.items()}
            if remediated and self.issue.occurrence == self._occurrence:
                sets["timestamps.remediated"] = remediated
            try:
                self._table.update(self.issue, sets)
            except ConflictError as error:
                fresh = self._table.get(self.issue.account_id, self.issue.issue_id)
                if fresh is None:
                    raise ConflictError(f"the issue of {self.issue.place} is gone from the issue table") from error
                if attempt == _ATTEMPTS - 1:
                    raise ConflictError(f"the issue of {self.issue.place} keeps changing in the issue table") from error
                self.issue = fresh
            else:
                self.issue = replace(self.issue, remediation_details={**before, **details})
                return
