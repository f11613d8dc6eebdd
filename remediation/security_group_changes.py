"""Changes of security groups' ingress rules, and the look at a group right before one.

The only code that changes anything in EC2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from library.aws.ec2 import security_group_pages
from library.aws.failures import AWS_ERRORS
from library.network.addresses import parse_network
from library.network.ports import protocol_name
from library.security_groups.group import (
    IngressRule,
    SecurityGroup,
    ShapeError,
    parse_permission,
    parse_rule,
    parse_security_group,
)
from remediation.rule_sets import RuleKey, rule_key

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import IpPermissionTypeDef

_LOOKS = 4
RULE_QUOTA = ("vpc", "L-0EA8095F")  # Service Quotas: "Inbound or outbound rules per security group"


class UnsteadyError(Exception):
    """A group's rules keep changing while they are read."""


@dataclass(frozen=True, slots=True)
class LiveGroup:
    """A group as it is now.

    Attributes:
        raw: what DescribeSecurityGroups gave.
        raw_rules: what DescribeSecurityGroupRules gave, egress among it.
        group: the same, its ingress rules with their ids.
    """

    raw: Mapping[str, Any]
    raw_rules: Sequence[Mapping[str, Any]]
    group: SecurityGroup


def describe_live(client: EC2Client, group_id: str) -> LiveGroup | None:
    """A group with the ids of its rules; None: there is no such group.

    EC2 tells the ids in another answer than the group. Both must say the same.

    Raises:
        ShapeError: EC2's answer is not understood.
        UnsteadyError: the two answers differ, time and again.
        ClientError, BotoCoreError: it could not be read.
    """
    for _ in range(_LOOKS):
        found = [raw for page in security_group_pages(client, [group_id]) for raw in page]
        if not found:
            return None
        group = parse_security_group(found[0])
        pages = client.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": [group_id]}]
        )
        raw_rules: list[Mapping[str, Any]] = [rule for page in pages for rule in page["SecurityGroupRules"]]
        if group.unreadable:
            return LiveGroup(found[0], raw_rules, group)
        ids: dict[RuleKey, list[str]] = {}
        for rule in (parse_rule(raw) for raw in raw_rules if not raw["IsEgress"]):
            ids.setdefault(rule_key(rule), []).append(rule.rule_id)
        if Counter({key: len(numbers) for key, numbers in ids.items()}) == Counter(map(rule_key, group.ingress)):
            rules = tuple(rule._replace(rule_id=ids[rule_key(rule)].pop(0)) for rule in group.ingress)
            return LiveGroup(found[0], raw_rules, replace(group, ingress=rules))
    raise UnsteadyError(f"the rules of {group_id} keep changing while they are read")


def authorize(client: EC2Client, group_id: str, permissions: Sequence[IpPermissionTypeDef]) -> None:
    """Add rules, each as `permission_of` or `single_permissions` gives it."""
    client.authorize_security_group_ingress(GroupId=group_id, IpPermissions=permissions)


def revoke(client: EC2Client, group_id: str, rule_ids: Sequence[str]) -> None:
    """Revoke exactly these rules."""
    client.revoke_security_group_ingress(GroupId=group_id, SecurityGroupRuleIds=rule_ids)


def set_descriptions(client: EC2Client, group_id: str, permissions: Sequence[IpPermissionTypeDef]) -> None:
    """Give existing rules the descriptions that these permissions have, or none: see `with_description`."""
    client.update_security_group_rule_descriptions_ingress(GroupId=group_id, IpPermissions=permissions)


def with_description(permission: Any, description: str) -> IpPermissionTypeDef:
    """The permission of a single rule with another description; an empty one takes it away."""
    return {  # type: ignore[return-value]
        key: [{**value[0], "Description": description}] if key in _SOURCES else value
        for key, value in permission.items()
    }


def permission_of(rule: IngressRule) -> IpPermissionTypeDef:
    """A rule with a CIDR or a prefix list as AuthorizeSecurityGroupIngress takes it."""
    if rule.prefix_list_id:
        kind, source = "PrefixListIds", {"PrefixListId": rule.prefix_list_id}
    elif parse_network(rule.cidr).version == 4:
        kind, source = "IpRanges", {"CidrIp": rule.cidr}
    else:
        kind, source = "Ipv6Ranges", {"CidrIpv6": rule.cidr}
    if rule.description:
        source["Description"] = rule.description
    permission: Any = {"IpProtocol": rule.protocol, kind: [source]}
    if protocol_name(rule.protocol) != "-1":
        # A protocol without ports: EC2 takes -1 for all of it as well as none at all.
        permission |= {
            "FromPort": -1 if rule.from_port is None else rule.from_port,
            "ToPort": -1 if rule.to_port is None else rule.to_port,
        }
    return permission  # type: ignore[no-any-return]


_SOURCES = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
# What DescribeSecurityGroups tells of a referenced group, but AuthorizeSecurityGroupIngress does not take.
_ONLY_DESCRIBED = {"PeeringStatus"}


def single_permissions(permissions: Iterable[Mapping[str, Any]]) -> Iterator[tuple[IngressRule, IpPermissionTypeDef]]:
    """Described permissions taken apart: each rule with what would add it again exactly.

    Raises:
        ShapeError: a permission is not understood.
    """
    for permission in permissions:
        for kind in _SOURCES:
            for source in permission.get(kind, ()):
                single: Any = {
                    "IpProtocol": permission.get("IpProtocol"),
                    **{key: permission[key] for key in ("FromPort", "ToPort") if permission.get(key) is not None},
                    kind: [{key: value for key, value in source.items() if key not in _ONLY_DESCRIBED}],
                }
                (rule,) = parse_permission({**single, kind: [source]})
                yield rule, single


def by_key(rules: Iterable[IngressRule]) -> dict[RuleKey, IngressRule]:
    """Rules by what makes them the same to EC2."""
    return {rule_key(rule): rule for rule in rules}


def prefix_list_weights(client: EC2Client, prefix_list_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The family (4 or 6) of prefix lists and how many rules each counts as; those that do not say are left out."""
    ids = sorted(set(prefix_list_ids))
    if not ids:
        return {}
    pages = client.get_paginator("describe_managed_prefix_lists").paginate(
        Filters=[{"Name": "prefix-list-id", "Values": ids}]
    )
    return {
        listed["PrefixListId"]: (6 if listed.get("AddressFamily") == "IPv6" else 4, listed["MaxEntries"])
        for page in pages
        for listed in page["PrefixLists"]
        if listed.get("MaxEntries")
    }


def rule_quota(client: Any, default: int) -> int:
    """How many ingress rules a group may have in the account and region of a client for Service Quotas.

    The default is the answer where AWS does not tell.
    """
    service, quota = RULE_QUOTA
    try:
        answer = client.get_service_quota(ServiceCode=service, QuotaCode=quota)
    except AWS_ERRORS:
        # Not permitted, not reachable from this network, not known to an emulator: EC2 itself holds the quota anyway.
        return default
    return int(answer["Quota"]["Value"])


__all__ = [
    "LiveGroup",
    "ShapeError",
    "UnsteadyError",
    "authorize",
    "by_key",
    "describe_live",
    "permission_of",
    "prefix_list_weights",
    "revoke",
    "rule_quota",
    "single_permissions",
]
