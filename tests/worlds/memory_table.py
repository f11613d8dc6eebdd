"""An issue table and a lock in memory, with what the real ones promise: conditional writes, consistent reads."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from library.aws.conditional_writes import ConflictError
from library.aws.issue_table import UnreadableIssueError
from library.aws.lock import LockedError, LockState
from library.issues.issue import Issue, Status


class MemoryTable:
    """Issues by account and id."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    def put(self, issue: Issue) -> None:
        """Have this issue."""
        self.items[issue.account_id, issue.issue_id] = copy.deepcopy(issue.to_item())

    def get(self, account_id: str, group_id: str) -> Issue | None:
        item = self.items.get((account_id, group_id))
        return _issue(item) if item else None

    def with_status(
        self,
        account_id: str,
        *statuses: Status,
        unreadable: Callable[[UnreadableIssueError], None] | None = None,
    ) -> Iterator[Issue]:
        for (account, _), item in list(self.items.items()):
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

    def update(self, issue: Issue, sets: Mapping[str, Any], removes: Iterable[str] = ()) -> None:
        item = self.items.get((issue.account_id, issue.issue_id))
        if item is None or item["occurrence"] != issue.occurrence:
            raise ConflictError(issue.issue_id)
        for path, value in sets.items():
            *parents, name = path.split(".")
            place = item
            for parent in parents:
                place = place[parent]
            place[name] = copy.deepcopy(value)
        for path in removes:
            name, _, key = path.partition(".")
            item.get(name, {}).pop(key, None)

    def write(self, change: Any) -> None:
        self.put(change.issue)

    def set_status(self, account_id: str, group_id: str, status: Status) -> None:
        """What a scan writes."""
        issue = self.get(account_id, group_id)
        assert issue is not None
        self.put(replace(issue, status=status, revision=issue.revision + 1))


def _issue(item: Mapping[str, Any]) -> Issue:
    try:
        issue = Issue.from_item(copy.deepcopy(dict(item)))
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
