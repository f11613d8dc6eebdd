"""The journal: what is being done to one group, kept in its issue's item, written before each step.

`remediation_details` of an issue is a map with

- `journal`: the newest change of the group: `kind` (`remediation` | `restore`), `step`, `run`, `by`, `started`,
  `changed` (when the step was written), `backup` (its key), `add`, `revoke` and `describe` (lists of rules; the last
  get another description), `restored_from` (the key of the backup that a restore goes back to), `problem`;
- `backup`: the key of the newest backup;
- `restored`: a map with `at`, `by` and `backup` while a restored group waits for somebody to decide, else null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from library.aws.items import ConflictError
from library.issues.issue import Issue
from library.issues.times import format_time
from library.security_groups.group import IngressRule

if TYPE_CHECKING:
    from library.aws.issue_table import IssueTable

_ATTEMPTS = 3


class Kind(StrEnum):
    """What a change is for."""

    REMEDIATION = "remediation"
    RESTORE = "restore"


class Step(StrEnum):
    """How far a change is. Each is written before what it names is done."""

    ADDING = "adding"
    REVOKING = "revoking"
    VERIFYING = "verifying"
    UNDOING = "undoing"
    DONE = "done"
    UNDONE = "undone"

    @property
    def is_finished(self) -> bool:
        """Whether the group is whole."""
        return self in (Step.DONE, Step.UNDONE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of a group, as the journal has it."""

    kind: Kind
    step: Step
    backup: str
    add: tuple[IngressRule, ...]
    revoke: tuple[IngressRule, ...]
    describe: tuple[IngressRule, ...] = ()
    restored_from: str = ""
    run: str = ""
    by: str = ""
    started: str = ""
    changed: str = ""
    problem: str = ""

    def to_item(self) -> dict[str, Any]:
        """The map `journal`."""
        return {
            "kind": str(self.kind),
            "step": str(self.step),
            "backup": self.backup,
            "add": rules_to_item(self.add),
            "revoke": rules_to_item(self.revoke),
            "describe": rules_to_item(self.describe),
            "restored_from": self.restored_from,
            "run": self.run,
            "by": self.by,
            "started": self.started,
            "changed": self.changed,
            "problem": self.problem,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Entry:
        """The other way round. Raises KeyError or ValueError on what is none."""
        return cls(
            kind=Kind(item["kind"]),
            step=Step(item["step"]),
            backup=item["backup"],
            add=rules_from_item(item["add"]),
            revoke=rules_from_item(item["revoke"]),
            describe=rules_from_item(item["describe"]),
            **{name: item[name] for name in ("restored_from", "run", "by", "started", "changed", "problem")},
        )


def rules_to_item(rules: Iterable[IngressRule]) -> list[dict[str, Any]]:
    """Rules as maps that DynamoDB and JSON can hold."""
    return [rule._asdict() for rule in rules]


def rules_from_item(items: Iterable[Mapping[str, Any]]) -> tuple[IngressRule, ...]:
    """The other way round: DynamoDB makes every number a Decimal."""
    return tuple(
        IngressRule(
            **{
                **item,
                **{name: None if item[name] is None else int(item[name]) for name in ("from_port", "to_port")},
            }
        )
        for item in items
    )


def entry_of(issue: Issue) -> Entry | None:
    """The newest change of an issue's group; None: there was none."""
    item = issue.remediation_details.get("journal")
    return Entry.from_item(item) if item else None


def is_unfinished(issue: Issue) -> bool:
    """Whether a change of the group was begun, and it is not known to be whole."""
    entry = entry_of(issue)
    return entry is not None and not entry.step.is_finished


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
        self.issue = issue
        """The issue as it was read last, with what was written since."""
        self.details: dict[str, Any] = dict(issue.remediation_details)

    def write(self, entry: Entry, *, remediated: bool = False, **details: Any) -> Entry:
        """Write a step.

        Args:
            entry: the change and its step.
            remediated: the group was found remediated: say so in `timestamps`, unless the issue is a new
                occurrence by now.
            details: further keys of `remediation_details`.

        Returns:
            The entry as written, with the time.

        Raises:
            ConflictError: the issue is gone, or new occurrences of it keep coming.
            ClientError, BotoCoreError: it could not be written.
        """
        now = format_time(self._now()) or ""
        entry = replace(entry, changed=now, started=entry.started or now)
        self._write({**details, "journal": entry.to_item()}, remediated=now if remediated else "")
        return entry

    def note(self, **details: Any) -> None:
        """Write keys of `remediation_details` beside the journal. Raises as `write` does."""
        self._write(details)

    def _write(self, details: Mapping[str, Any], remediated: str = "") -> None:
        self.details = {**self.details, **details}
        occurrence = self.issue.occurrence
        for attempt in range(_ATTEMPTS):
            sets: dict[str, Any] = {"remediation_details": self.details}
            if remediated and self.issue.occurrence == occurrence:
                sets["timestamps.remediated"] = remediated
            try:
                self._table.update(self.issue, sets)
            except ConflictError:
                fresh = self._table.get(self.issue.account_id, self.issue.issue_id)
                if fresh is None or attempt == _ATTEMPTS - 1:
                    raise
                self.issue = fresh
            else:
                self.issue = replace(self.issue, remediation_details=self.details)
                return
