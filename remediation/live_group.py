"""One look at a security group right before a change.

EC2 tells the ids of rules in another answer than the group, and each of the two may be old (`remediation.settlement`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from library.aws.ec2 import security_group_pages
from library.errors import HammerError
from library.security_groups.group import IngressRule, SecurityGroup, parse_rule, parse_security_group
from remediation.rule_sets import RuleKey, rule_key
from remediation.settlement import differing_keys

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

    from remediation.journal_entry import JournalEntry


class UnsteadyError(HammerError):
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


def describe_live(client: EC2Client, group_id: str, entry: JournalEntry | None = None) -> LiveGroup | None:
    """A group with the ids of its rules; None: there is no such group.

    Args:
        client: for the group's account and region.
        group_id: the group.
        entry: what Hammer changed itself: there the two answers may differ, as it is known better.

    Raises:
        ShapeError: EC2's answer is not understood.
        UnsteadyError: the two answers differ.
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
            raise UnsteadyError(f"EC2 shows rules of {group_id}, and not the group")
        return None
    group = parse_security_group(found[0])
    if group.unreadable:
        return LiveGroup(found[0], raw_rules, group)
    listed = [parse_rule(raw) for raw in raw_rules if not raw["IsEgress"]]
    if differing := differing_keys(group.ingress, listed, entry):
        text = ", ".join(f"{_text(key)} only in {call}" for key, call in sorted(differing.items(), key=str))
        raise UnsteadyError(f"EC2's answers about {group_id} differ, so one of them is old: {text}")
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
