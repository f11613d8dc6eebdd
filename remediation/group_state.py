"""The state of one group, read before each step: as EC2 shows it now, and its journal in the issue table.

EC2 tells the ids and tags of rules in another answer than the group, and each of the two may be old. The journal is
written before each step: first its own item, which has the rules, then what the issue's item tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from library.aws.conditional_writes import ConflictError
from library.aws.ec2 import security_group_pages
from library.errors import HammerError
from library.issues.issue import Issue
from library.issues.times import format_time
from library.security_groups.group import IngressRule, SecurityGroup, parse_rule, parse_security_group
from remediation.journal import CHANGE_TAG, ChangeKind, JournalEntry, RemediationDetails, differing_keys
from remediation.rules import RuleKey, rule_key

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from library.aws.issue_table import IssueTable

_ATTEMPTS = 3


class InconsistentReadError(HammerError):
    """EC2's two answers about a group differ, so at least one of them is old. To look again later may help."""


@dataclass(frozen=True, slots=True)
class LiveGroup:
    """A group as EC2 shows it.

    Attributes:
        raw: what DescribeSecurityGroups gave.
        raw_rules: what DescribeSecurityGroupRules gave, egress among it.
        group: the same, its ingress rules with their ids.
    """

    raw: Mapping[str, Any]
    raw_rules: Sequence[Mapping[str, Any]]
    group: SecurityGroup

    @property
    def tags(self) -> dict[str, dict[str, str]]:
        """The tags of the rules, by the rules' ids."""
        return {rule["SecurityGroupRuleId"]: tags_of(rule) for rule in self.raw_rules}

    @property
    def changes(self) -> dict[str, str]:
        """Which change of Hammer's added a rule, by the rules' ids, as far as their tags tell."""
        return {rule_id: tags[CHANGE_TAG] for rule_id, tags in self.tags.items() if tags.get(CHANGE_TAG)}


def tags_of(raw_rule: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a rule that DescribeSecurityGroupRules gave. What is none is left out."""
    tags = raw_rule.get("Tags") or ()
    return {tag["Key"]: str(tag.get("Value") or "") for tag in tags if isinstance(tag, Mapping) and tag.get("Key")}


def describe_live(client: EC2Client, group_id: str, entry: JournalEntry | None = None) -> LiveGroup | None:
    """A group with the ids of its rules; None: there is no such group.

    Args:
        client: for the group's account and region.
        group_id: the group.
        entry: what Hammer changed itself: there the two answers may differ, as it is known better.

    Raises:
        ShapeError: EC2's answer is not understood.
        InconsistentReadError: the two answers differ.
        ClientError, BotoCoreError: it could not be read.
    """
    # The group comes first: rules that are gone by the second call are known to be gone.
    found = [raw for page in security_group_pages(client, [group_id]) for raw in page if raw["GroupId"] == group_id]
    pages = client.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group_id]}]
    )
    raw_rules: list[Mapping[str, Any]] = [
        rule for page in pages for rule in page["SecurityGroupRules"] if rule.get("GroupId", group_id) == group_id
    ]
    if not found:
        if raw_rules:
            raise InconsistentReadError(f"EC2 shows rules of {group_id}, and not the group")
        return None
    group = parse_security_group(found[0])
    if group.unreadable:
        return LiveGroup(found[0], raw_rules, group)
    listed = [parse_rule(raw) for raw in raw_rules if not raw["IsEgress"]]
    if differing := differing_keys(group.ingress, listed, entry):
        text = ", ".join(f"{_text(key)} only in {call}" for key, call in sorted(differing.items(), key=str))
        raise InconsistentReadError(f"EC2's answers about {group_id} differ, so one of them is old: {text}")
    descriptions = {rule_key(rule): rule.description for rule in group.ingress}
    rules = tuple(
        rule._replace(description=rule.description or descriptions.get(rule_key(rule), "")) for rule in listed
    )
    return LiveGroup(found[0], raw_rules, replace(group, ingress=rules))


def _text(key: RuleKey) -> str:
    ports = "" if key.from_port is None else f"/{key.from_port}-{key.to_port}"
    return f"{key.protocol}{ports} from {key.source}"


def by_key(rules: Sequence[IngressRule]) -> dict[RuleKey, IngressRule]:
    """Rules by what makes them the same to EC2."""
    return {rule_key(rule): rule for rule in rules}


def read_details(table: IssueTable, issue: Issue) -> RemediationDetails:
    """What `remediation_details` of an issue says, the journal with its rules.

    Raises:
        ClientError, BotoCoreError: the journal's item could not be read.
    """
    details = RemediationDetails.of(issue.remediation_details)
    if details.entry is None:
        return details
    own_item = table.journal(issue.account_id, issue.issue_id)
    return RemediationDetails.of(issue.remediation_details, own_item)


class Journal:
    """Writes the journal of one issue's group, and its `remediation_details`.

    Args:
        table: the issue table.
        issue: as it was read.
        now: tells the time in UTC.
    """

    def __init__(self, table: IssueTable, issue: Issue, now: Callable[[], datetime]) -> None:
        self._table = table
        self._now = now
        self._occurrence = issue.occurrence
        self.issue = issue
        """The issue as it was read last, with what was written since."""

    @property
    def summary(self) -> RemediationDetails:
        """What the issue's item says, without the journal's rules."""
        return RemediationDetails.of(self.issue.remediation_details)

    def write(self, entry: JournalEntry, *, remediated: bool = False, **details: Any) -> JournalEntry:
        """Write an entry.

        Args:
            entry: the change and its step.
            remediated: the group was found remediated: say so in `timestamps`, unless the issue is a new
                occurrence by now.
            details: further keys of `remediation_details`.

        Returns:
            The entry as written, with the time.

        Raises:
            ConflictError: the issue is gone, or new occurrences of it keep coming.
            UnreadableIssueError: it has become unreadable meanwhile.
            ClientError, BotoCoreError: it could not be written.
        """
        now = format_time(self._now()) or ""
        entry = replace(entry, changed=now, started=entry.started or now)
        if entry.kind is ChangeKind.REMEDIATION and entry.is_acknowledged:
            details = {"backup": entry.backup, **details}
        self._table.write_journal(self.issue.account_id, self.issue.issue_id, {"journal": entry.to_item()})
        self._write({**details, "journal": entry.summary()}, remediated=now if remediated else "")
        return entry

    def note(self, **details: Any) -> None:
        """Write keys of `remediation_details` beside the journal. Raises as `write` does."""
        self._write(details)

    def _write(self, details: Mapping[str, Any], remediated: str = "") -> None:
        for attempt in range(_ATTEMPTS):
            before = self.issue.remediation_details
            sets: dict[str, Any] = {"remediation_details": dict(details)}
            if before:  # only these keys: others are other writers', such as what the ticket was told
                sets = {f"remediation_details.{name}": value for name, value in details.items()}
            if remediated and self.issue.occurrence == self._occurrence:
                sets["timestamps.remediated"] = remediated
            try:
                self._table.update(self.issue, sets)
            except ConflictError as error:
                fresh = self._table.get(self.issue.account_id, self.issue.issue_id)
                if fresh is None:
                    raise ConflictError(f"the issue of {self.issue.location} is gone from the issue table") from error
                if attempt == _ATTEMPTS - 1:
                    raise ConflictError(
                        f"the issue of {self.issue.location} keeps changing in the issue table"
                    ) from error
                self.issue = fresh
            else:
                self.issue = replace(self.issue, remediation_details={**before, **details})
                return
