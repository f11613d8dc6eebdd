"""Which issues of a list are wanted, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from hammer.listing.controls import ports_of
from hammer.listing.issue import ListedIssue
from library.issues.issue import Status
from library.issues.reachability import Severity
from library.network.ports import PortSet

SEVERITIES = tuple(Severity)
"""The worst first."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class Sort(StrEnum):
    """By what a list is sorted."""

    SEVERITY = "severity"
    AGE = "age"
    DUE = "due"
    ACCOUNT = "account"
    OWNER = "owner"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which issues are wanted; what is empty leaves out none.

    Attributes:
        ports: issues that expose one of these.
        owners: of these owners, in any case.
    """

    severities: frozenset[Severity] = frozenset()
    ports: PortSet = field(default_factory=PortSet)
    owners: frozenset[str] = frozenset()
    statuses: frozenset[Status] = frozenset()

    def takes(self, issue: ListedIssue) -> bool:
        """Whether an issue is wanted."""
        return (
            (not self.severities or issue.severity in self.severities)
            and (not self.ports or exposes(issue, self.ports))
            and (not self.owners or issue.owner.casefold() in {owner.casefold() for owner in self.owners})
            and (not self.statuses or issue.status in self.statuses)
        )


def exposes(issue: ListedIssue, ports: PortSet) -> bool:
    """Whether a rule of an issue lets one of these ports in."""
    return any(ports_of(perm) & ports for perm in issue.details.perms)


def chosen(issues: Iterable[ListedIssue], wanted: Wanted, sort: Sort) -> tuple[ListedIssue, ...]:
    """The wanted issues, sorted; those that are alike by account, region and group."""
    return tuple(sorted((issue for issue in issues if wanted.takes(issue)), key=lambda i: (_KEYS[sort](i), *_place(i))))


def at_least(issue: ListedIssue, severity: Severity) -> bool:
    """Whether an issue matters at least so much."""
    return SEVERITIES.index(issue.severity) <= SEVERITIES.index(severity)


def _place(issue: ListedIssue) -> tuple[str, str, str]:
    return issue.account_id, issue.details.region, issue.group_id


_KEYS: dict[Sort, Callable[[ListedIssue], tuple[object, ...]]] = {
    Sort.SEVERITY: lambda issue: (issue.status is not Status.OPEN, SEVERITIES.index(issue.severity)),
    Sort.AGE: lambda issue: (issue.timestamps.identified or _NEVER,),
    Sort.DUE: lambda issue: (issue.due or _NEVER,),
    Sort.ACCOUNT: lambda _: (),
    Sort.OWNER: lambda issue: (not issue.owner, issue.owner.casefold()),
    Sort.NAME: lambda issue: (issue.details.name.casefold(),),
}
