"""An issue as it is listed, from a scan or from the table, and the whole of a list. Pure.

Names, tags, descriptions and whatever CloudTrail told are hostile text: each format makes them harmless in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from hammer.listing.controls import Control
from library.issues.details import IssueDetails
from library.issues.flapping import PastOccurrence
from library.issues.issue import Status, Timestamps
from library.issues.kinds import SECURITY_GROUP, kind_of
from library.issues.opened_by import OpenedBy
from library.issues.reachability import Severity
from library.issues.times import format_time
from library.issues.use import Use


class ListingSource(StrEnum):
    """Where a list comes from."""

    SCAN = "scan"  # AWS, just now
    TABLE = "issue table"


@dataclass(frozen=True, slots=True)
class ListedIssue:
    """One issue.

    Attributes:
        account_name: the account's name, or its id again.
        group_id: the group's id; of an Inspector finding, the issue's id.
        status: in a scan `open` or `whitelisted`.
        owner: whom the group's tags name, else whom the configuration names; empty: nobody.
        ports: the restricted ports that it exposes, as `tcp/22`; `all` for traffic without ports.
        controls: what it breaks.
        timestamps: of the table; empty in a scan.
        ticket: the key of its JIRA ticket, or empty.
        due: when remediation may close it, in UTC; None: it does not, or nobody knows.
        restored: who restored it and when, on one line; empty: nobody did.
        exempt_until: the day on which its exemption ends; None: it has none, or one without end.
        exempt_reason: why it is exempt and who wrote that, or empty.
        use: what flow logs showed; None: they were not read.
        history: the times before that the group was exposed, the oldest first.
    """

    account_id: str
    account_name: str
    group_id: str
    details: IssueDetails
    status: Status
    owner: str = ""
    ports: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    timestamps: Timestamps = field(default_factory=Timestamps)
    opened_by: OpenedBy | None = None
    ticket: str = ""
    due: datetime | None = None
    restored: str = ""
    exempt_until: date | None = None
    exempt_reason: str = ""
    history: tuple[PastOccurrence, ...] = ()
    use: Use | None = None

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return self.details.severity

    @property
    def verdict(self) -> str:
        """Whether somebody can connect now; empty: that was not judged."""
        return str(self.details.reachability.verdict) if self.details.reachability else ""

    @property
    def is_group(self) -> bool:
        """Whether it is about a security group rather than an Inspector finding."""
        return kind_of(self.group_id) is SECURITY_GROUP

    @property
    def whitelisted(self) -> bool:
        """Whether it is exempt."""
        return self.status is Status.WHITELISTED

    def age(self, now: datetime) -> int | None:
        """Whole days since it was identified; None: nobody knows."""
        since = self.timestamps.identified
        return max((now - since).days, 0) if since else None

    def scan_item(self) -> dict[str, Any]:
        """The map that `scan --format json` prints."""
        return {
            "account_id": self.account_id,
            "group_id": self.group_id,
            "whitelisted": self.whitelisted,
            **self.details.to_item(),
        }

    def item(self) -> dict[str, Any]:
        """All that is known of it: what a scan prints, and what goes beyond."""
        return {
            **self.scan_item(),
            "account_name": self.account_name,
            "issue_status": str(self.status),
            "severity": str(self.severity),
            "owner": self.owner,
            "exposed_ports": list(self.ports),
            "controls": [control.name for control in self.controls],
            "timestamps": self.timestamps.to_item(),
            "opened_by": self.opened_by.to_item() if self.opened_by else None,
            "ticket": self.ticket,
            "due": format_time(self.due),
            "restored": self.restored,
            "exempt_until": self.exempt_until.isoformat() if self.exempt_until else None,
            "exempt_reason": self.exempt_reason,
            "use": self.use.to_json() if self.use else None,
        }


@dataclass(frozen=True, slots=True)
class Scanned:
    """One account and region that was looked at.

    Attributes:
        groups: how many groups were read.
        whitelisted: how many of them are exempt.
        when: when it was last seen whole, in UTC; None: never, as far as is known.
    """

    account_id: str
    account_name: str
    region: str
    groups: int
    whitelisted: int
    when: datetime | None = None

    def item(self) -> dict[str, Any]:
        """The map that `scan --format json` prints."""
        return {
            "account_id": self.account_id,
            "region": self.region,
            "groups": self.groups,
            "whitelisted": self.whitelisted,
        }


@dataclass(frozen=True, slots=True)
class Failed:
    """One account and region, or one item of the table, that could not be read, and why. The reason is hostile text."""

    account_id: str
    region: str
    reason: str

    def item(self) -> dict[str, str]:
        """The map that `scan --format json` prints."""
        return {"account_id": self.account_id, "region": self.region, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class ChangeSince:
    """What changed since an earlier day of the history.

    Attributes:
        since: that day.
        open_then: how many issues were open then.
        new: how many of those open now were found since then.
        resolved: how many were resolved since then.
    """

    since: date
    open_then: int
    new: int
    resolved: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A whole list.

    Attributes:
        generated: when it was made, in UTC.
        whitelisted: how many exempt issues there are, listed or not.
        unjudged: where it is not known of some issues who can connect, and why. Every group was read all the same.
        change: what changed since an earlier day; None: there is no history, as in a scan.
        trend: how many issues were open on each day of the history, the oldest first.
    """

    source: ListingSource
    generated: datetime
    issues: tuple[ListedIssue, ...]
    scanned: tuple[Scanned, ...] = ()
    failed: tuple[Failed, ...] = ()
    whitelisted: int = 0
    unjudged: tuple[Failed, ...] = ()
    change: ChangeSince | None = None
    trend: tuple[tuple[date, int], ...] = ()

    @property
    def open_issues(self) -> tuple[ListedIssue, ...]:
        """Those that are open, without the exempt ones."""
        return tuple(issue for issue in self.issues if issue.status is Status.OPEN)
