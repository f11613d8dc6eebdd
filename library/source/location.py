"""The values of the stage: where something is defined, how sure that is, and what is to be changed there. Pure.

Everything in `where`, `evidence`, `note`, `diff` and `commands` may come from a template, a file or a tag, and is
untrusted: whoever shows it escapes it for the channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from library.network.addresses import parse_network
from library.network.ports import protocol_name
from library.security_groups.exposure import Exposure

if TYPE_CHECKING:
    from library.source.text_edit import Patch


class Kind(StrEnum):
    """What defines a group or a rule."""

    CLOUDFORMATION = "cloudformation"
    TERRAFORM = "terraform"
    SERVICE = "service"  # a controller or an AWS service
    OTHER = "other"  # CDK, SAM, Pulumi
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """How sure a place is."""

    EXACT = "exact"  # AWS or a tag says so
    LIKELY = "likely"  # names and ports agree in one place alone
    HINT = "hint"  # one sign


class Edit(StrEnum):
    """What becomes of a rule's source in its place."""

    PATCH = "patch"  # it is in the diff
    PARAMETER = "parameter"  # it is in the commands
    POINTER = "pointer"  # a person changes it: the note says where, and what decides it
    NONE = "none"


class Returns(StrEnum):
    """When a place opens again what was closed in EC2 alone."""

    APPLY = "at the next apply"
    TEMPLATE = "when the resource changes in the template"
    CONTROLLER = "within minutes"
    UNKNOWN = "unknown"


Traffic = tuple[str, int | None, int | None]
"""Protocol, first and last port of a rule."""


def is_same_traffic(this: Traffic | None, other: Traffic | None) -> bool:
    """Whether two rules carry the same, whether they name the protocol or its number; False where one is not known."""
    if this is None or other is None:
        return False
    return (protocol_name(this[0]), *this[1:]) == (protocol_name(other[0]), *other[1:])


def admits(source: str, replacement: str) -> bool:
    """Whether a source admits a replacement: the same list, or a block that the other lies in."""
    if source.startswith("pl-") or replacement.startswith("pl-"):
        return source == replacement
    try:
        return parse_network(source).covers(parse_network(replacement))
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Location:
    """Where a group or a rule is defined.

    Attributes:
        where: the stack's name with the resource's logical id, `path:line`, the service or the construct path; empty:
            nobody knows.
        evidence: what shows it, one sentence each.
    """

    kind: Kind = Kind.UNKNOWN
    confidence: Confidence = Confidence.HINT
    where: str = ""
    evidence: tuple[str, ...] = ()

    def to_item(self) -> dict[str, Any]:
        """The map that `hammer source --format json` prints."""
        return {
            "kind": str(self.kind),
            "confidence": str(self.confidence),
            "where": self.where,
            "evidence": list(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class RuleLocation:
    """One exposing rule and source, its place, and what is to be done there.

    `note`: what decides the source, what a person has to know before the change; empty: nothing.
    """

    exposure: Exposure
    location: Location
    edit: Edit = Edit.NONE
    note: str = ""

    def to_item(self) -> dict[str, Any]:
        """The map that `hammer source --format json` prints."""
        rule = self.exposure
        return {
            "protocol": rule.protocol,
            "from_port": rule.from_port,
            "to_port": rule.to_port,
            "cidr": rule.cidr,
            **self.location.to_item(),
            "edit": str(self.edit),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class SourceReport:
    """All that is known of where one group comes from.

    Attributes:
        diff: a unified diff that `git apply` takes; empty: there is nothing to patch.
        commands: of the AWS command line, one string each.
        before_diff: what has to be said before the diff, such as that its place makes several groups.
        problems: what could not be read, one sentence each.
    """

    account_id: str
    region: str
    group_id: str
    group: Location
    rules: tuple[RuleLocation, ...]
    returns: Returns
    diff: str = ""
    commands: tuple[str, ...] = ()
    before_diff: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every exposing rule has a place."""
        return all(rule.location.kind is not Kind.UNKNOWN for rule in self.rules)

    def to_item(self) -> dict[str, Any]:
        """The map that `hammer source --format json` prints."""
        return {
            "account_id": self.account_id,
            "region": self.region,
            "group_id": self.group_id,
            "group": self.group.to_item(),
            "rules": [rule.to_item() for rule in self.rules],
            "diff": self.diff,
            "commands": list(self.commands),
            "returns": str(self.returns),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What one place of definitions (a template, a Terraform tree) says of a group's exposures.

    Attributes:
        group: the place of the group; None: it is not defined there.
        rules: the places of those exposures that are defined there.
        patches: the changed texts, by path.
        returns: None: as the kind of the group's place has it.
        fallback: where the others may be made, by what the definitions do not show: it counts if no other place has
            them.
    """

    group: Location | None = None
    rules: Mapping[Exposure, RuleLocation] = field(default_factory=dict)
    patches: Mapping[str, Patch] = field(default_factory=dict)
    commands: Sequence[str] = ()
    before_diff: Sequence[str] = ()
    returns: Returns | None = None
    fallback: Mapping[Exposure, RuleLocation] = field(default_factory=dict)
