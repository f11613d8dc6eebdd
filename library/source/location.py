"""The values of the stage: where something is defined, how sure that is, and what is to be changed there. Pure.

Everything in `where`, `evidence`, `note`, `diff` and `commands` may come from a template, a file or a tag, and is
untrusted: whoever shows it escapes it for the channel.

What an issue keeps of its source is here too (`stored_source`), and what that says: the map in the table, the dispute,
the text for people. The map never holds a parameter's value that is hidden, nor more of a template than its diff
shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from library.issues.decision_rules import exposure_digest
from library.issues.history import PastOccurrence
from library.issues.issue import Issue
from library.issues.times import format_time, shown_time, stored_time
from library.network.addresses import parse_network
from library.network.ports import ports_text, protocol_name
from library.security_groups.exposure import Exposure
from library.security_groups.group import is_prefix_list

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


def normalized(traffic: Traffic | None) -> Traffic | None:
    """The same traffic with the protocol's name, as EC2 stores it, where a rule has the number."""
    return traffic and (protocol_name(traffic[0]), *traffic[1:])


def is_same_traffic(this: Traffic | None, other: Traffic | None) -> bool:
    """Whether two rules carry the same, whether they name the protocol or its number; False where one is not known."""
    return this is not None and normalized(this) == normalized(other)


def admits(source: str, replacement: str) -> bool:
    """Whether a source admits a replacement: the same list, or a block that the other lies in."""
    if is_prefix_list(source) or is_prefix_list(replacement):
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


KEPT_FOR = timedelta(days=1)
"""How long a source that was read counts: each issue's is read once a day at most."""

DIFF_LINES = 40
"""Lines of a diff that an issue keeps and a ticket shows."""

_RULES = 20
_TEXT = 500
_LINE = re.compile(r":[0-9]+$")


def stored_source(report: SourceReport, issue: Issue, now: datetime) -> dict[str, Any]:
    """The map that an issue keeps as `source`: what was found, and when it was read."""
    lines = report.diff.split("\n")
    return {
        "at": format_time(now),
        "occurrence": issue.occurrence,
        "exposures": exposure_digest(issue),
        "made_by": made_by(report.group, report.rules),
        "group": _cut(report.group.to_item()),
        "rules": [_cut(rule.to_item()) for rule in report.rules[:_RULES]],
        "diff": "\n".join(lines[:DIFF_LINES]),
        "diff_lines": len(lines) - 1 if report.diff else 0,
        "before_diff": list(report.before_diff),
        "commands": [command for command in report.commands if len(command) <= 4 * _TEXT],
        "returns": str(report.returns),
    }


def _cut(item: dict[str, Any]) -> dict[str, Any]:
    """A place without what would make an item of the table too large."""
    cut: dict[str, Any] = {key: value[:_TEXT] if isinstance(value, str) else value for key, value in item.items()}
    cut["evidence"] = [sentence[:_TEXT] for sentence in item.get("evidence", ())[:5]]
    return cut


def made_by(group: Location, rules: Sequence[RuleLocation]) -> str:
    """What opens a group, to compare one occurrence with another: kind and place; empty: nobody knows.

    It is the group's place where a rule is of the same file or stack. The group's place alone opens nothing: a person
    may have added the rules. Of Pulumi and its like nothing but the group's place is known.
    """
    opening = [rule.location for rule in rules if rule.location.kind is not Kind.UNKNOWN]
    own = [each for each in opening if each.kind is group.kind is Kind.OTHER or _made_in(each) == _made_in(group)]
    known = group if own or (not opening and group.kind is Kind.OTHER) else next(iter(opening), None)
    return f"{known.kind} {known.where}"[:_TEXT] if known else ""


def _made_in(location: Location) -> str:
    return _file_or_stack(f"{location.kind} {location.where}")


def _file_or_stack(source: str) -> str:
    """Kind and file, or stack: the line of a resource changes with what is above it."""
    kind, _, where = source.partition(" ")
    if kind == Kind.TERRAFORM:
        where = _LINE.sub("", where)
    if kind == Kind.CLOUDFORMATION:
        where = where.rpartition("/")[0] or where
    return f"{kind} {where}"


def is_fresh(issue: Issue, now: datetime) -> bool:
    """Whether what an issue keeps of its source still counts."""
    source = issue.source
    at = stored_time(source.get("at"))
    return (
        at is not None
        and now - at < KEPT_FOR
        and source.get("occurrence") == issue.occurrence
        and source.get("exposures") == exposure_digest(issue)
    )


@dataclass(frozen=True, slots=True)
class Dispute:
    """That one source opened a group again after Hammer had closed it.

    Attributes:
        source: kind and place; untrusted text.
        times: when Hammer closed it and when it was open again, in UTC, the oldest first.
    """

    source: str
    times: tuple[tuple[datetime, datetime | None], ...]

    @property
    def text(self) -> str:
        """One sentence for people."""
        listed = ", ".join(
            f"closed {shown_time(closed)}" + (f", open again {shown_time(opened)}" if opened else "")
            for closed, opened in self.times
        )
        count = "once" if len(self.times) == 1 else f"{len(self.times)} times"
        return f"In dispute: {self.source} opened this group again {count} after Hammer had closed it ({listed})."


def dispute_of(issue: Issue) -> Dispute | None:
    """The dispute about a group; None: there is none, or nobody knows its source."""
    source = str(issue.source.get("made_by") or "")
    if not source:
        return None
    history: list[PastOccurrence] = list(issue.history)
    opened = [*(past.identified for past in history), issue.timestamps.identified][1:]
    times = tuple(
        (past.remediated, again)
        for past, again in zip(history, opened, strict=True)
        if past.remediated is not None and _file_or_stack(past.source) == _file_or_stack(source)
    )
    return Dispute(source, times) if times else None


def source_lines(issue: Issue) -> tuple[str, ...]:
    """Where a group is defined and whether it comes back, a sentence each; none: nobody knows. Untrusted text.

    A map that somebody else damaged is nobody's knowledge.
    """
    try:
        return _lines(issue.source)
    except (AttributeError, ArithmeticError, KeyError, TypeError, ValueError):
        return ()


def known_locations(issue: Issue) -> tuple[tuple[tuple[Kind, str], ...], bool]:
    """Where a group's open rules are defined, or else the group, and whether some of the rules have no known place.

    A hint counts for nothing. The texts are untrusted; a map that somebody else damaged is nobody's knowledge.
    """
    try:
        group: Mapping[str, Any] = issue.source.get("group") or {}
        found = [_location_of(rule) for rule in issue.source.get("rules") or ()]
        of_group = _location_of(group)
    except (AttributeError, TypeError, ValueError):
        return (), False
    rules = tuple(dict.fromkeys(location for location in found if location is not None))
    if rules:
        return rules, None in found
    return ((of_group,), bool(found)) if of_group is not None else ((), False)


def _location_of(item: Mapping[str, Any]) -> tuple[Kind, str] | None:
    kind, where = Kind(item.get("kind") or Kind.UNKNOWN), str(item.get("where") or "")
    is_sure = item.get("confidence") in (str(Confidence.EXACT), str(Confidence.LIKELY))
    return (kind, where) if is_sure and where and kind is not Kind.UNKNOWN else None


def diff_lines(issue: Issue) -> tuple[str, ...]:
    """The first lines of the change that belongs there, as they are in the diff; none: there is none. Untrusted."""
    diff = issue.source.get("diff")
    return tuple(diff.split("\n")[:DIFF_LINES]) if isinstance(diff, str) and diff else ()


def _lines(source: Mapping[str, Any]) -> tuple[str, ...]:
    group: Mapping[str, Any] = source.get("group") or {}
    lines: list[str] = []
    if group.get("kind") not in (None, str(Kind.UNKNOWN)):
        lines.append(f"The group: {group['kind']}, {group.get('where')} ({group.get('confidence')}).")
    for rule in source.get("rules") or ():
        if rule.get("kind") in (None, str(Kind.UNKNOWN)):
            continue
        note = f": {rule['note']}" if rule.get("note") else ""
        ports = "all ports"
        if rule.get("from_port") is not None:
            ports = f"port {ports_text(int(rule['from_port']), int(rule['to_port']))}"
        lines.append(f"{ports} from {rule.get('cidr')}: {rule['kind']}, {rule.get('where')}; {rule.get('edit')}{note}.")
    if lines:
        lines.append(f"What is closed in EC2 alone comes back: {source.get('returns')}.")
    return tuple(lines)
