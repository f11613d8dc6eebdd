"""What an issue is about: typed details for each kind, as values and as the map `issue_details` of the table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from library.issues.reachability import Reachability, Severity, severity
from library.security_groups.exposure import Exposure, OpenStatus


@dataclass(frozen=True, slots=True)
class IssueDetails:
    """The exposed thing and its exposures: a security group's, and the part that every kind shares.

    Name and tags are hostile text.

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
            "tags": dict(self.tags),
            "perms": [_perm_item(perm) for perm in self.perms],
            **({"perms_total": self.perms_total} if self.perms_total else {}),
            **({"reachability": self.reachability.to_item()} if self.reachability else {}),
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """The other way round."""
        return cls(**cls._fields(item))

    @classmethod
    def _fields(cls, item: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": item["name"],
            "region": item["region"],
            "vpc_id": item["vpc_id"],
            "status": item["status"],
            "tags": item["tags"],
            "perms": tuple(_perm(perm) for perm in item["perms"]),
            "reachability": Reachability.from_item(item.get("reachability")),
            "perms_total": int(item.get("perms_total") or 0),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingDetails(IssueDetails):
    """An Amazon Inspector finding. Texts are hostile.

    Attributes:
        arn: the finding's.
        server_id: the instance's id.
        inspector_severity: the severity that Inspector gives it, such as `HIGH`.
        title: Inspector's.
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
        """The other way round. Raises ValueError on a finding's part that is no text or list of texts."""
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
        protocol=item["protocol"],
        from_port=None if item["from_port"] is None else int(item["from_port"]),
        to_port=None if item["to_port"] is None else int(item["to_port"]),
        cidr=item["cidr"],
        status=cast("OpenStatus", item["status"]),
        prefix_list_id=item.get("prefix_list_id", ""),
    )
