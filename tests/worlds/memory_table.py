"""An issue table and a lock in memory, with what the real ones promise: conditional writes, consistent reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from library.aws.issue_table import UnreadableIssueError
from library.aws.lock import LockedError, LockState
from library.errors import ConflictError
from library.issues.decision_record import EXEMPTION_PREFIX, DecidedExemption
from library.issues.issue import Issue, Status
from tests.worlds.memory_items import clone, holds, set_and_remove

MOST_BYTES = 400 * 1024
"""Of an item with its copies in indexes (DynamoDB Developer Guide, "Quotas": 400 KB)."""


def size_of(item: Any) -> int:
    """How much an attribute counts (Developer Guide, "DynamoDB Item sizes and formats"), with the names in a map."""
    match item:
        case str():
            return len(item.encode())
        case Mapping():
            return 3 + sum(1 + len(name.encode()) + size_of(value) for name, value in item.items())
        case list() | tuple():
            return 3 + sum(1 + size_of(value) for value in item)
        case bool() | None:
            return 1
    return 2 + len(str(item)) // 2


class MemoryTable:
    """Issues by account and id. What is too large for DynamoDB is refused."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    def _check(self, issue_id: str, item: Mapping[str, Any]) -> None:
        copies = 3 if issue_id.startswith("sg-") else 1  # an issue is in two indexes as well
        if (size := size_of(item)) * copies > MOST_BYTES:
            error: Any = {
                "Code": "ValidationException",
                "Message": f"Item size has exceeded the maximum: {size} x {copies}",
            }
            raise ClientError({"Error": error}, "UpdateItem")

    def put(self, issue: Issue) -> None:
        """Have this issue."""
        self.items[issue.account_id, issue.issue_id] = clone(issue.to_item())

    def get(self, account_id: str, group_id: str) -> Issue | None:
        item = self.items.get((account_id, group_id))
        return _issue(item) if item else None

    def with_status(
        self,
        account_id: str,
        *statuses: Status,
        unreadable: Callable[[UnreadableIssueError], None] | None = None,
    ) -> Iterator[Issue]:
        for (account, issue_id), item in list(self.items.items()):
            if not issue_id.startswith("sg-"):
                continue
            is_odd = unreadable is not None and item["status"] not in set(Status)
            if account == account_id and (is_odd or item["status"] in statuses):
                try:
                    issue = _issue(item)
                except UnreadableIssueError as error:
                    if unreadable is None:
                        raise
                    unreadable(error)
                else:
                    yield issue

    def decided_exemptions(self, account_id: str) -> list[DecidedExemption]:
        return [
            DecidedExemption.from_item(clone(item))
            for (account, name), item in self.items.items()
            if account == account_id and name.startswith(EXEMPTION_PREFIX)
        ]

    def update(
        self,
        issue: Issue,
        sets: Mapping[str, Any],
        removes: Iterable[str] = (),
        *,
        only_if: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> None:
        item = self.items.get((issue.account_id, issue.issue_id))
        if item is None or item["occurrence"] != issue.occurrence:
            raise ConflictError(issue.issue_id)
        if only_if and not holds(only_if, item, values or {}):
            raise ConflictError(issue.issue_id)
        set_and_remove(item, sets, removes)
        self._check(issue.issue_id, item)

    def journal(self, account_id: str, group_id: str) -> dict[str, Any]:
        item = self.items.get((account_id, f"journal#{group_id}"), {})
        return clone(item.get("remediation_details", {}))

    def write_journal(
        self,
        account_id: str,
        group_id: str,
        details: Mapping[str, Any],
        *,
        only_if: str = "",
        values: Mapping[str, Any] | None = None,
    ) -> None:
        item = {"remediation_details": clone(dict(details))}
        self._check(f"journal#{group_id}", item)
        if only_if and not holds(only_if, self.items.get((account_id, f"journal#{group_id}"), {}), values or {}):
            raise ConflictError(group_id)
        self.items[account_id, f"journal#{group_id}"] = item

    def write(self, change: Any) -> None:
        self.put(change.issue)

    def set_status(self, account_id: str, group_id: str, status: Status) -> None:
        """What a scan writes."""
        issue = self.get(account_id, group_id)
        assert issue is not None
        self.put(replace(issue, status=status, revision=issue.revision + 1))


def _issue(item: Mapping[str, Any]) -> Issue:
    try:
        issue = Issue.from_item(clone(dict(item)))
        issue.check()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableIssueError(item, error) from error
    return issue


class MemoryLock:
    """The lock; `taken_over` after so many renewals."""

    def __init__(self) -> None:
        self.unfinished: set[tuple[str, str, str]] = set()
        self.renewals = 0
        self.taken_over_after = -1

    def renew(self) -> None:
        self.renewals += 1
        if 0 <= self.taken_over_after < self.renewals:
            raise LockedError("the lock was taken over by another run: this one stops here")

    def mark_unfinished(self, account_id: str, region: str, group_id: str) -> None:
        self.renew()
        self.unfinished.add((account_id, region, group_id))

    def mark_finished(self, account_id: str, region: str, group_id: str) -> None:
        self.renew()
        self.unfinished.discard((account_id, region, group_id))

    def read(self) -> LockState:
        return LockState("", None, frozenset(self.unfinished))
