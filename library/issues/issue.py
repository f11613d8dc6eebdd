"""An issue: the tracked record of what one security group, or one finding, exposes, as a value and a DynamoDB item.

Pure. From the top: the details of each kind (the map `issue_details`), the kinds and all in which they differ, the
issue itself. `library.issues.schedule` says when remediation acts on it. The prefix of an issue's id tells its kind;
docs/adding-an-issue-type.md says how to add one.

Who writes which part of an item, so that no job overwrites another's work:

- identification: `status`, `issue_details`, `used_by`, `opened_by`, `looked_up`, `last_seen`, `revision`, `occurrence`,
  `history`, `open_at_report`, `open_region`, and of `timestamps` `identified`, `updated` and `resolved`. It makes
  `jira_details`, empty. A new occurrence sets all of `timestamps` anew and removes `use`; that of a group that was
  changed it keeps as `use_before`.
- reporting: `jira_details`, `slack_details`, `webhook_details`, `closing_notice`, `exposures_told`, `source`,
  `timestamps.reported`. It closes issues, with `status`, `timestamps.closed` and `revision`: those that are resolved,
  and those whose account or region is not watched any more, whatever their status. Of the latter it removes
  `open_region`.
- the job `usage`: `use`, which it removes when an issue has been over for long, and `use_before`, which it removes once
  it has kept it for after-care.
- remediation and restore: `remediation_details`, `timestamps.remediated`, and `change_news`, in which reporting notes
  whom it told. A restore makes the issue, closed, if a group has none.
- people's decisions, and whoever notifies of them: `decisions`, `decision_state`, `decision_version`
  (`library.issues.decision_record`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self, cast, get_args

from library.issues.change_notifications import ChangeNotification, notifications_from_item
from library.issues.decision_record import DecisionState
from library.issues.history import PastOccurrence, history_from_item
from library.issues.names import check_name, whole_number
from library.issues.notified_exposures import NotifiedExposures
from library.issues.opening_calls import OpenedBy
from library.issues.reachability import Reachability, Severity, severity
from library.issues.times import format_time, parse_time
from library.issues.use import Use
from library.network.addresses import parse_network
from library.network.ports import HIGHEST_PORT
from library.security_groups.exposure import Exposure, OpenStatus
from library.security_groups.users import GroupUsers

USE_BEFORE = "use_before"
"""The attribute with the use of an issue from before a change, where it was found again. The job `usage` moves it."""

OTHER_JOBS_ATTRIBUTES = frozenset(
    {
        *("slack_details", "webhook_details", "closing_notice", "exposures_told", "change_news"),
        *("remediation_details", "source"),
    }
)
"""What only reporting and remediation write: deployment/policies forbid it to the role of identification.

`jira_details` is not among them: every issue has it from the beginning, so identification makes it, empty.
"""


@dataclass(frozen=True, slots=True)
class IssueDetails:
    """The exposed thing and its exposures: a security group's, and the part that every kind shares.

    Name and tags are untrusted input.

    Attributes:
        status: the worst status of `perms`.
        perms: one for each rule and source, sorted.
        reachability: who can connect through the exposures; None: it was not judged.
        perms_total: how many exposures there are, where the table had no room for all; 0: `perms` are all.
    """

    name: str
    region: str
    vpc_id: str
    status: OpenStatus
    tags: Mapping[str, str]
    perms: tuple[Exposure, ...]
    reachability: Reachability | None = None
    perms_total: int = 0

    @property
    def severity(self) -> Severity:
        """How much it matters, by who can connect, or by the status alone where that was not judged."""
        return self.reachability.severity if self.reachability else severity(None, None, self.status)

    def to_item(self) -> dict[str, Any]:
        """The `issue_details` map of the table, which is also what `hammer scan` prints."""
        return {
            "name": self.name,
            "region": self.region,
            "vpc_id": self.vpc_id,
            "status": self.status,
            "tags": _map(self.tags),
            "perms": [_perm_item(perm) for perm in self.perms],
            **({"perms_total": self.perms_total} if self.perms_total else {}),
            **({"reachability": self.reachability.to_item()} if self.reachability else {}),
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Read what `to_item` wrote."""
        return cls(**cls._fields(item))

    @classmethod
    def _fields(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": item["name"],
            "region": item["region"],
            "vpc_id": "" if item["vpc_id"] is None else item["vpc_id"],
            "status": item["status"],
            "tags": _tags(item["tags"]),
            "perms": tuple(_perm(perm) for perm in item["perms"]),
            "reachability": Reachability.from_item(item.get("reachability")),
            "perms_total": int(item.get("perms_total") or 0),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingDetails(IssueDetails):
    """An Amazon Inspector finding. Texts are untrusted input.

    Attributes:
        server_id: the instance's id.
        inspector_severity: the severity that Inspector gives it, such as `HIGH`.
        path: the ids of what a packet passes, from outside to the instance.
        held_back: the expected ports that were taken out, each with the reason.
        notes: what else a reader should know.
    """

    arn: str
    server_id: str
    inspector_severity: str
    title: str
    path: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_item(self) -> dict[str, Any]:
        """The `issue_details` map of the table, with what only findings have in `finding`."""
        # Not super(): a dataclass with slots is another class than the one that this method was defined in.
        item = IssueDetails.to_item(self)
        item["finding"] = {
            "arn": self.arn,
            "server_id": self.server_id,
            "severity": self.inspector_severity,
            "title": self.title,
            "path": list(self.path),
            "held_back": list(self.held_back),
            "notes": list(self.notes),
        }
        return item

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Read what `to_item` wrote. Raises ValueError on a finding's part that is no text or list of texts."""
        finding: Mapping[str, Any] = item["finding"]
        texts: dict[str, Any] = {
            "arn": finding["arn"],
            "server_id": finding["server_id"],
            "inspector_severity": finding["severity"],
            "title": finding["title"],
        }
        lists: dict[str, Any] = {name: tuple(finding[name]) for name in ("path", "held_back", "notes")}
        if not all(isinstance(text, str) for text in (*texts.values(), *sum(lists.values(), ()))):
            raise ValueError("issue_details.finding holds something that is no text")
        return cls(**cls._fields(item), **texts, **lists)


def _perm_item(perm: Exposure) -> dict[str, Any]:
    item = perm._asdict()
    if not perm.prefix_list_id:
        del item["prefix_list_id"]
    return item


def _perm(item: Mapping[str, Any]) -> Exposure:
    return Exposure(
        protocol=_hashable(item["protocol"]),
        from_port=None if item["from_port"] is None else int(item["from_port"]),
        to_port=None if item["to_port"] is None else int(item["to_port"]),
        cidr=_hashable(item["cidr"]),
        status=cast("OpenStatus", _hashable(item["status"])),
        prefix_list_id=_hashable(item.get("prefix_list_id", "")),
    )


def _tags(value: Any) -> Any:
    """Tags as they are, an empty value as an empty text.

    DynamoDB did not take empty texts before 2020. The Dow Jones Hammer wrote null in their place, and for the VPC of a
    group that was in none.
    """
    if not isinstance(value, Mapping):
        return value
    return {key: "" if text is None else text for key, text in value.items()}


def _map(value: object) -> dict[str, Any]:
    """A map as it is stored; empty for what is none, which somebody else wrote: identification writes it anew."""
    return dict(value) if isinstance(value, Mapping) else {}


_SOURCE_SHAPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("rules", "commands", "before_diff"), (list, tuple)),
    **dict.fromkeys(("diff", "made_by"), str),
    "group": Mapping,
    "diff_lines": (int, Decimal),
}


def _source(value: object) -> Mapping[str, Any]:
    """The map `source`; empty for one that reporting did not write: it reads the source anew."""
    if not isinstance(value, Mapping):
        return {}
    shapes = _SOURCE_SHAPES.items()
    if any(value.get(name) is not None and not isinstance(value[name], shape) for name, shape in shapes):
        return {}
    numbers = (int, Decimal, type(None))
    for rule in value.get("rules") or ():
        if not isinstance(rule, Mapping) or not isinstance(rule.get("from_port"), numbers):
            return {}
        if not isinstance(rule.get("to_port"), numbers) or (rule.get("from_port") is None) != (
            rule.get("to_port") is None
        ):
            return {}
    return value


def _hashable(value: Any) -> Any:
    """A value as it is, but for a list or map: exposures are compared in sets, also those that `check` will refuse."""
    return repr(value) if isinstance(value, (list, dict, set)) else value


_OPEN_STATUSES = frozenset(get_args(OpenStatus))


@dataclass(frozen=True, slots=True)
class IssueKind:
    """One kind of issue.

    Attributes:
        name: what an issue of this kind is about.
        id_prefix: what its `issue_id` begins with.
        details: the type of its details.
        index_prefix: what `open_region` has before the region. A scan of a region resolves what is indexed under the
            region alone: only issues about groups, which scans find, have no prefix.
        has_users: whether network interfaces use it, whose owners a ticket names.
        is_remediated: whether remediation closes it.
    """

    name: str
    id_prefix: str
    details: type[IssueDetails]
    index_prefix: str = ""
    has_users: bool = False
    is_remediated: bool = False

    def open_region(self, region: str) -> str:
        """The value of `open_region`, the key of the index of exposed issues."""
        return self.index_prefix + region


SECURITY_GROUP = IssueKind("security group", "sg-", IssueDetails, has_users=True, is_remediated=True)
INSPECTOR_FINDING = IssueKind("Amazon Inspector finding", "finding-", FindingDetails, index_prefix="inspector ")

KINDS = (SECURITY_GROUP, INSPECTOR_FINDING)
ISSUE_ID_PREFIXES = tuple(kind.id_prefix for kind in KINDS)
"""Records of the table under other ids are no issues."""


def kind_of(issue_id: str) -> IssueKind:
    """The kind of an issue.

    Raises:
        ValueError: no kind has such ids.
    """
    for kind in KINDS:
        if issue_id.startswith(kind.id_prefix):
            return kind
    raise ValueError(f"{issue_id} is not the id of an issue")


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
        """Read what `to_item` wrote. Raises ValueError on what is not ISO 8601."""
        return cls(**{name: parse_time(item.get(name)) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Issue:
    """One item of the issue table.

    Attributes:
        issue_id: the group's id, or another by whose prefix `kind_of` knows what the issue is about.
        revision: counts identification's and reporting's changes of `status` and `issue_details`; a write names the
            revision it was decided on, so that it fails when somebody else was first.
        occurrence: counts how often the group was found anew; whoever adds to an issue names the occurrence it
            means, so that nothing decided about the last one lands in the next.
        jira_details: reporting's: the ticket and what it was last told.
        slack_details: reporting's: what Slack was last told.
        webhook_details: reporting's: what the webhook was last told.
        remediation_details: remediation's: its journal, the backup, and whether somebody restored the group.
        opened_by: who opened the group, where an event told it; None: nobody knows.
        used_by: what uses the group, as identification last read it; None: it did not.
        history: the last occurrences that are over, the oldest first.
        closing_notice: that people were told that remediation closes it at its next run; None: they were not.
        notified_exposures: reporting's: which exposures people were told of, and when; None: that was not recorded.
        open_at_report: what was open when the issue was reported, as `exposure_text` writes it, where a scan found
            something else before reporting recorded that; None: `details` still say it, or `exposures_told` does.
        change_notifications: what remediation did, or could not do, the oldest first.
        source: reporting's: where what is open is defined (`library.source.location`).
        decided: what people decided about it, and what follows.
        opener_sought: the occurrence about which CloudTrail's event history was asked who opened the group; None: it
            was not asked.
        use: what flow logs showed of this occurrence, as far as it holds for what is open; None: they were not read.
        last_seen: when the last scan that saw the group exposed began; None: not known. A scan of a whole region that
            leaves the issue as it is does not write it: it has its begin in the region's coverage record. Written by
            `IssueTable.write`, not with the rest of the issue.
        stored_last_seen: what the item has as `last_seen`, for conditions: other tooling may have written the same time
            otherwise, or nothing; empty: the item has no such attribute.
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
    used_by: GroupUsers | None = None
    history: tuple[PastOccurrence, ...] = ()
    closing_notice: ClosingNotice | None = None
    notified_exposures: NotifiedExposures | None = None
    open_at_report: tuple[str, ...] | None = None
    change_notifications: tuple[ChangeNotification, ...] = ()
    opener_sought: int | None = None
    use: Use | None = field(default=None, compare=False)
    last_seen: datetime | None = field(default=None, compare=False)
    stored_last_seen: tuple[object, ...] = field(default=(), compare=False)
    source: Mapping[str, Any] = field(default_factory=dict)
    decided: DecisionState = field(default_factory=DecisionState)
    webhook_details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> IssueKind:
        """What the issue is about. Raises ValueError where its id has no known prefix."""
        return kind_of(self.issue_id)

    @property
    def location(self) -> str:
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
            "jira_details": _map(self.jira_details),
            "slack_details": _map(self.slack_details),
            "remediation_details": _map(self.remediation_details),
            **({"used_by": self.used_by.to_item()} if self.used_by else {}),
            **({"opened_by": self.opened_by.to_item()} if self.opened_by else {}),
            **({"history": [past.to_item() for past in self.history]} if self.history else {}),
            **({"closing_notice": self.closing_notice.to_item()} if self.closing_notice else {}),
            **({"exposures_told": self.notified_exposures.to_item()} if self.notified_exposures else {}),
            **({} if self.open_at_report is None else {"open_at_report": list(self.open_at_report)}),
            **(
                {
                    "change_news": {
                        notification.key: notification.to_item() for notification in self.change_notifications
                    }
                }
                if self.change_notifications
                else {}
            ),
            **({} if self.opener_sought is None else {"looked_up": self.opener_sought}),
            **({"use": self.use.to_item()} if self.use else {}),
            **({"source": dict(self.source)} if self.source else {}),
            **({"webhook_details": dict(self.webhook_details)} if self.webhook_details else {}),
            **(self.decided.to_item() if self.decided.version else {}),
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
            ValueError: the kind is unknown, or a status, a time or a count is none.
        """
        details = kind_of(item["issue_id"]).details.from_item(item["issue_details"])
        use = Use.from_item(item.get("use"))
        return cls(
            account_id=item["account_id"],
            issue_id=item["issue_id"],
            status=Status(item["status"]),
            details=details,
            timestamps=Timestamps.from_item(item["timestamps"]),
            revision=whole_number("revision", item.get("revision", 0)),
            occurrence=whole_number("occurrence", item.get("occurrence", 0)),
            jira_details=item.get("jira_details") or {},
            slack_details=item.get("slack_details") or {},
            remediation_details=item.get("remediation_details") or {},
            opened_by=OpenedBy.from_item(item.get("opened_by")),
            used_by=GroupUsers.from_item(item.get("used_by")),
            history=history_from_item(item.get("history")),
            closing_notice=ClosingNotice.from_item(item.get("closing_notice")),
            notified_exposures=NotifiedExposures.from_item(item.get("exposures_told")),
            open_at_report=_texts(item.get("open_at_report")),
            change_notifications=notifications_from_item(item.get("change_news")),
            opener_sought=_number(item.get("looked_up")),
            use=use.of_what_is_open(details.perms) if use else None,
            last_seen=parse_time(item.get("last_seen")),
            stored_last_seen=(item["last_seen"],) if "last_seen" in item else (),
            source=_source(item.get("source")),
            decided=DecisionState.from_item(item),
            webhook_details=item.get("webhook_details") or {},
        )

    def check(self) -> None:
        """Raise ValueError, saying what is wrong, if a part is not what the contract promises it to be.

        Ids, regions, protocols and ticket keys are held to `library.issues.names`: commands, addresses of JIRA and keys
        of backups are made of them.
        """
        details = self.details
        texts: dict[str, object] = {"name": details.name, "region": details.region, "vpc_id": details.vpc_id}
        maps: dict[str, object] = {
            "issue_details.tags": details.tags,
            "jira_details": self.jira_details,
            "slack_details": self.slack_details,
            "webhook_details": self.webhook_details,
            "remediation_details": self.remediation_details,
        }
        wrong = [f"issue_details.{name} is no text" for name, value in texts.items() if not isinstance(value, str)]
        wrong += [f"{name} is no map" for name, value in maps.items() if not isinstance(value, Mapping)]
        if wrong:
            raise ValueError(wrong[0])
        if not all(isinstance(value, str) for value in details.tags.values()):
            raise ValueError("a tag is no text")
        self._check_names()
        for perm in details.perms:
            if not isinstance(perm.protocol, str):
                raise ValueError(f"the protocol {perm.protocol!r} of issue_details.perms is no text")  # noqa: TRY004
            if not isinstance(perm.cidr, str):
                raise ValueError(f"the cidr {perm.cidr!r} of issue_details.perms is no text")  # noqa: TRY004
            parse_network(perm.cidr)
            check_name("protocol", perm.protocol, "the protocol of issue_details.perms")
            check_name("prefix_list_id", perm.prefix_list_id, "the prefix_list_id of issue_details.perms")
            if not all(port is None or -1 <= port <= HIGHEST_PORT for port in (perm.from_port, perm.to_port)):
                raise ValueError(f"the ports {perm.from_port}-{perm.to_port} of issue_details.perms are no ports")
        if {details.status, *(perm.status for perm in details.perms)} - _OPEN_STATUSES:
            raise ValueError("a status is neither open_completely nor open_partly")

    def _check_names(self) -> None:
        check_name("account_id", self.account_id)
        check_name("issue_id", self.issue_id)
        check_name("vpc_id", self.details.vpc_id, "issue_details.vpc_id")
        # Inspector does not always say in which region a server is.
        if self.details.region or self.kind is not INSPECTOR_FINDING:
            check_name("region", self.details.region, "issue_details.region")
        if ticket := self.jira_details.get("ticket"):
            check_name("ticket", ticket, "jira_details.ticket")


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, Decimal)) else None


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, (list, tuple)) else None


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
        """Read what `to_item` wrote. None where there is none, or a map that is none: people are told again."""
        if not isinstance(item, Mapping):
            return None
        try:
            at = parse_time(item["at"])
            return cls(at, int(item["occurrence"]), bool(item.get("withdrawn"))) if at else None
        except (KeyError, TypeError, ValueError):
            return None
