"""Scan coverage: what Hammer last saw of one account and region, and whether it saw it whole.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from library.issues.names import check_name, required_text
from library.issues.times import format_time, parse_time

ITEM_PREFIX = "scan-coverage#"

STALE_INTERVALS = 3
"""After how many intervals without a scan a region is stale: one scan may be late."""

_MINUTE = timedelta(minutes=1)


class Outcome(StrEnum):
    """How a scan ended."""

    COMPLETE = "complete"
    PARTIAL = "partial"  # some groups could not be understood; the others were judged
    REGION_OFF = "region off"
    DENIED_BY_POLICY = "denied by policy"  # a service control policy of the organization closes the region
    FAILED = "failed"

    @property
    def is_closed(self) -> bool:
        """Whether nothing is to be seen there because the account, or its organization, does not use the region."""
        return self in (Outcome.REGION_OFF, Outcome.DENIED_BY_POLICY)


@dataclass(frozen=True, slots=True)
class ScanCoverage:
    """One scan of one account and region.

    Attributes:
        started: when it began, in UTC.
        reason: why it is not complete, or what it does not know of who can connect to the groups that it read, in words
            that an operator can act on; else empty.
        last_complete: when the newest complete scan began, in UTC; None: there was none.
        interval: how often the region is scanned; None: the scan was not told.
    """

    account_id: str
    region: str
    outcome: Outcome
    started: datetime
    seconds: float
    groups: int
    reason: str = ""
    last_complete: datetime | None = None
    interval: timedelta | None = None

    @property
    def last_scan(self) -> datetime | None:
        """When this account and region were last scanned, as far as is known; None: no scan succeeded."""
        return self.last_complete if self.outcome is Outcome.FAILED else self.started

    def to_item(self) -> dict[str, Any]:
        """The item of the issue table, but for its keys and the time of the last complete scan.

        A scan that was not told the interval leaves the stored one as it is.
        """
        return {
            "region": self.region,
            "outcome": str(self.outcome),
            "started": format_time(self.started),
            "milliseconds": round(self.seconds * 1000),
            "groups": self.groups,
            "reason": self.reason,
            **({} if self.interval is None else {"interval_minutes": self.interval // _MINUTE}),
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> ScanCoverage:
        """Read an item. Raises KeyError, TypeError or ValueError on one that is none."""
        started = parse_time(item["started"])
        if started is None:
            raise ValueError(f"scan coverage of {item['account_id']} {item['region']} has no start")
        check_name("region", item["region"])
        return cls(
            account_id=item["account_id"],
            region=item["region"],
            outcome=Outcome(str(item["outcome"])),
            started=started,
            seconds=int(item["milliseconds"]) / 1000,
            groups=int(item["groups"]),
            reason=required_text(item["reason"]),
            last_complete=parse_time(item.get("last_complete")),
            interval=int(item["interval_minutes"]) * _MINUTE if "interval_minutes" in item else None,
        )
