"""One small record a day: how many issues there were, and what happened to them. It feeds trends.

Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from library.issues.issue import Issue, Status
from library.issues.times import stored_time

ITEM_PREFIX = "history#"


@dataclass(frozen=True, slots=True)
class Day:
    """The issues of one day, in UTC.

    Attributes:
        open: how many were open at its last record, by account and severity.
        whitelisted: how many were exempt then, by account.
        remediated: how many groups Hammer changed on it.
        restored: how many groups somebody restored on it.
        hours_to_fix: from found to resolved, the mean of those resolved on it; None: none was.
    """

    day: date
    open: Mapping[str, Mapping[str, int]]
    whitelisted: Mapping[str, int]
    found: int = 0
    resolved: int = 0
    remediated: int = 0
    restored: int = 0
    hours_to_fix: int | None = None

    @property
    def open_total(self) -> int:
        """How many were open in all accounts."""
        return sum(number for severities in self.open.values() for number in severities.values())

    def to_item(self) -> dict[str, Any]:
        """The item of the issue table, but for its keys."""
        return {
            "day": self.day.isoformat(),
            "open": {account: dict(severities) for account, severities in self.open.items()},
            "whitelisted": dict(self.whitelisted),
            "found": self.found,
            "resolved": self.resolved,
            "remediated": self.remediated,
            "restored": self.restored,
            "hours_to_fix": self.hours_to_fix,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Day:
        """Read what `to_item` wrote. Raises KeyError or ValueError on an item that is none."""
        hours = item["hours_to_fix"]
        return cls(
            day=date.fromisoformat(item["day"]),
            open={
                account: {severity: int(number) for severity, number in severities.items()}
                for account, severities in item["open"].items()
            },
            whitelisted={account: int(number) for account, number in item["whitelisted"].items()},
            found=int(item["found"]),
            resolved=int(item["resolved"]),
            remediated=int(item["remediated"]),
            restored=int(item["restored"]),
            hours_to_fix=None if hours is None else int(hours),
        )


def summarize_day(issues: Iterable[Issue], day: date) -> Day:
    """The record of a day in UTC, of all issues of the table, in every status."""
    open_: dict[str, Counter[str]] = {}
    whitelisted: Counter[str] = Counter()
    happened: Counter[str] = Counter()
    hours: list[float] = []
    for issue in issues:
        times = issue.timestamps
        if issue.status is Status.OPEN:
            open_.setdefault(issue.account_id, Counter())[str(issue.details.severity)] += 1
        elif issue.status is Status.WHITELISTED:
            whitelisted[issue.account_id] += 1
        elif times.resolved and times.resolved.date() == day:
            happened["resolved"] += 1
            if times.identified:
                hours.append((times.resolved - times.identified).total_seconds() / 3600)
        happened["found"] += _is_on(times.identified, day)
        happened["remediated"] += _is_on(times.remediated, day)
        happened["restored"] += _is_on(restored_at(issue), day)
    return Day(
        day=day,
        open=open_,
        whitelisted=whitelisted,
        found=happened["found"],
        resolved=happened["resolved"],
        remediated=happened["remediated"],
        restored=happened["restored"],
        hours_to_fix=round(sum(hours) / len(hours)) if hours else None,
    )


def _is_on(time: datetime | None, day: date) -> bool:
    return time is not None and time.date() == day


def restored_at(issue: Issue) -> datetime | None:
    """When somebody restored the group, in UTC; None: nobody did, or nobody knows when."""
    flag = issue.remediation_details.get("restored")
    return stored_time(flag.get("at")) if isinstance(flag, Mapping) else None
