"""An issue: the tracked record of one exposure, such as a security group's, as a value and as a DynamoDB item.

Pure. Who writes which part of an item, so that no job overwrites another's work:

- identification: `status`, `issue_details`, `used_by`, `opened_by`, `looked_up`, `revision`, `occurrence`,
  `open_region`, and of `timestamps` `identified`, `updated` and `resolved`; a new occurrence sets all of `timestamps`
  anew.
- reporting: `jira_details`, `slack_details`, `closing_notice`, `timestamps.reported`, `timestamps.closed`, and `status`
  from `resolved` to `closed`.
- the job `usage`: `use`.
- remediation and restore: `remediation_details`, `timestamps.remediated`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, get_args

from library.issues.closing import ClosingNotice
from library.issues.details import IssueDetails
from library.issues.flapping import PastOccurrence, history_from_item
from library.issues.kinds import IssueKind, kind_of
from library.issues.opened_by import OpenedBy
from library.issues.times import format_time, parse_time
from library.issues.use import Use
from library.network.addresses import parse_network
from library.security_groups.exposure import OpenStatus
from library.security_groups.usage import Usage

OTHER_JOBS_ATTRIBUTES = frozenset({"slack_details", "closing_notice", "remediation_details"})
"""What only reporting and remediation write: deployment/policies forbid it to the role of identification.

`jira_details` is not among them: every issue has it from the beginning, so identification makes it, empty.
"""

_OPEN_STATUSES = frozenset(get_args(OpenStatus))


class Status(StrEnum):
    """Where an issue is in its life."""

    OPEN = "open"
    WHITELISTED = "whitelisted"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def is_exposed(self) -> bool:
        """Whether the group was exposed, exempt or not, when it was last looked at."""
        return self in (Status.OPEN, Status.WHITELISTED)


@dataclass(frozen=True, slots=True)
class Timestamps:
    """When each thing last happened in this occurrence, in UTC; None: not yet."""

    identified: datetime | None = None
    updated: datetime | None = None
    reported: datetime | None = None
    remediated: datetime | None = None
    resolved: datetime | None = None
    closed: datetime | None = None

    def to_item(self) -> dict[str, str | None]:
        """The `timestamps` map of the table."""
        return {name: format_time(getattr(self, name)) for name in self.__slots__}

    @classmethod
    def from_item(cls, item: Mapping[str, str | None]) -> Timestamps:
        """The other way round. Raises ValueError on what is not ISO 8601."""
        return cls(**{name: parse_time(item.get(name)) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Issue:
    """One item of the issue table.

    Attributes:
        issue_id: the group's id, or another by whose prefix `kinds` knows what the issue is about.
        revision: counts identification's and reporting's changes of `status` and `issue_details`; a write names the
            revision it was decided on, so that it fails when somebody else was first.
        occurrence: counts how often the group was found anew; whoever adds to an issue names the occurrence it
            means, so that nothing decided about the last one lands in the next.
        jira_details: reporting's: the ticket and what it was last told.
        slack_details: reporting's: what Slack was last told.
        remediation_details: remediation's: its journal, the backup, and whether somebody restored the group.
        opened_by: who opened the group, where an event told it; None: nobody knows.
        usage: what uses the group, as identification last read it; None: it did not.
        history: the last occurrences that are over, the oldest first.
        closing_notice: that people were told that remediation closes it at its next run; None: they were not.
        looked_up: the occurrence about which CloudTrail's event history was asked who opened the group; None: it was
            not asked.
        use: what flow logs showed of this occurrence; None: they were not read.
        resolving: the ticket of a look that is about to resolve the issue (`library.aws.looks`); None: none is. Only
            read here.
    """

    account_id: str
    issue_id: str
    status: Status
    details: IssueDetails
    timestamps: Timestamps
    revision: int = 1
    occurrence: int = 1
    jira_details: Mapping[str, Any] = field(default_factory=dict)
    slack_details: Mapping[str, Any] = field(default_factory=dict)
    remediation_details: Mapping[str, Any] = field(default_factory=dict)
    opened_by: OpenedBy | None = None
    usage: Usage | None = None
    history: tuple[PastOccurrence, ...] = ()
    closing_notice: ClosingNotice | None = None
    looked_up: int | None = None
    resolving: int | None = field(default=None, compare=False)
    use: Use | None = field(default=None, compare=False)

    @property
    def kind(self) -> IssueKind:
        """What the issue is about. Raises ValueError where its id has no known prefix."""
        return kind_of(self.issue_id)

    @property
    def place(self) -> str:
        """The group, its account and region in a few words, for one line of many. Ids only, so it prints as it is."""
        return f"{self.issue_id} in {self.account_id}, {self.details.region}"

    def to_item(self) -> dict[str, Any]:
        """The whole item."""
        item = {
            "account_id": self.account_id,
            "issue_id": self.issue_id,
            "status": str(self.status),
            "issue_details": self.details.to_item(),
            "timestamps": self.timestamps.to_item(),
            "revision": self.revision,
            "occurrence": self.occurrence,
            "jira_details": dict(self.jira_details),
            "slack_details": dict(self.slack_details),
            "remediation_details": dict(self.remediation_details),
            **({"used_by": self.usage.to_item()} if self.usage else {}),
            **({"opened_by": self.opened_by.to_item()} if self.opened_by else {}),
            **({"history": [past.to_item() for past in self.history]} if self.history else {}),
            **({"closing_notice": self.closing_notice.to_item()} if self.closing_notice else {}),
            **({} if self.looked_up is None else {"looked_up": self.looked_up}),
            **({"use": self.use.to_item()} if self.use else {}),
        }
        if self.status.is_exposed:
            # The key of a sparse index: closed and resolved issues are not in it.
            item["open_region"] = self.kind.open_region(self.details.region)
        return item

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Issue:
        """Read an item. What other tooling left out counts as nothing done yet.

        Raises:
            KeyError: a part that the contract promises is missing.
            ValueError: the kind is unknown, or a status or a time is none.
        """
        return cls(
            account_id=item["account_id"],
            issue_id=item["issue_id"],
            status=Status(item["status"]),
            details=kind_of(item["issue_id"]).details.from_item(item["issue_details"]),
            timestamps=Timestamps.from_item(item["timestamps"]),
            revision=int(item.get("revision", 0)),
            occurrence=int(item.get("occurrence", 0)),
            jira_details=item.get("jira_details") or {},
            slack_details=item.get("slack_details") or {},
            remediation_details=item.get("remediation_details") or {},
            opened_by=OpenedBy.from_item(item.get("opened_by")),
            usage=Usage.from_item(item.get("used_by")),
            history=history_from_item(item.get("history")),
            closing_notice=ClosingNotice.from_item(item.get("closing_notice")),
            looked_up=_number(item.get("looked_up")),
            resolving=_number(item.get("resolving")),
            use=Use.from_item(item.get("use")),
        )

    def check(self) -> None:
        """Raise ValueError, saying what is wrong, if a part is not what the contract promises it to be."""
        details = self.details
        texts: dict[str, object] = {"name": details.name, "region": details.region, "vpc_id": details.vpc_id}
        maps: dict[str, object] = {
            "issue_details.tags": details.tags,
            "jira_details": self.jira_details,
            "slack_details": self.slack_details,
            "remediation_details": self.remediation_details,
        }
        wrong = [f"issue_details.{name} is no text" for name, value in texts.items() if not isinstance(value, str)]
        wrong += [f"{name} is no map" for name, value in maps.items() if not isinstance(value, Mapping)]
        if wrong:
            raise ValueError(wrong[0])
        if not all(isinstance(value, str) for value in details.tags.values()):
            raise ValueError("a tag is no text")
        for perm in details.perms:
            if not isinstance(perm.protocol, str):
                raise ValueError(f"the protocol {perm.protocol!r} of issue_details.perms is no text")  # noqa: TRY004
            if not isinstance(perm.cidr, str):
                raise ValueError(f"the cidr {perm.cidr!r} of issue_details.perms is no text")  # noqa: TRY004
            parse_network(perm.cidr)
        if {details.status, *(perm.status for perm in details.perms)} - _OPEN_STATUSES:
            raise ValueError("a status is neither open_completely nor open_partly")


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, Decimal)) else None
