"""A security group and its ingress rules, as values, read from what EC2 answers.

Pure. One rule has one protocol, one port range and one source: a permission that EC2 lists with five CIDRs is five
rules here, so that a change can take one and leave its neighbours.

What cannot be understood is not passed over: it stays with the group as a reason in `SecurityGroup.unreadable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from library.errors import HammerError
from library.network.addresses import parse_network
from library.network.ports import HIGHEST_PORT, protocol_name

if TYPE_CHECKING:
    from library.security_groups.exposure import Exposure

EVENTUAL_CONSISTENCY = timedelta(minutes=5)
"""How long EC2 may need to show a change of a group. Afterwards the change counts as shown.

Amazon EC2 Developer Guide, "Eventual consistency in the Amazon EC2 API": repeat a describe after a change, with waits
that grow up to five minutes.
"""


class IngressRule(NamedTuple):
    """One ingress rule: exactly one of `cidr`, `prefix_list_id` and `group_id` is not empty.

    Attributes:
        protocol: as EC2 names it: `"tcp"`, `"-1"`, or a number such as `"50"`.
        from_port: the first port; None where the protocol has no ports.
        to_port: the last port, included; None where the protocol has no ports.
        cidr: the source, as EC2 writes it.
        prefix_list_id: the source is a managed prefix list.
        group_id: the source is another security group.
        description: untrusted input, or empty.
        rule_id: `sgr-…` where EC2 was asked for rules rather than groups, else empty.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr: str = ""
    prefix_list_id: str = ""
    group_id: str = ""
    description: str = ""
    rule_id: str = ""


class RuleKey(NamedTuple):
    """What makes two rules the same to EC2: everything but description and id.

    Attributes:
        source: a CIDR in its shortest form, or the id of a prefix list or of a security group.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    source: str

    @classmethod
    def of(cls, protocol: str, from_port: int | None, to_port: int | None, source: str) -> RuleKey:
        """The key of a rule by its parts, however they are written. A source that is no CIDR stays as it is.

        >>> RuleKey.of("6", 22, 22, "10.1.2.3/8")
        RuleKey(protocol='tcp', from_port=22, to_port=22, source='10.0.0.0/8')
        >>> RuleKey.of("icmp", None, None, "::/0") == RuleKey.of("1", -1, -1, "::/0")  # all types, all codes
        True
        """
        with suppress(ValueError):
            source = str(parse_network(source))
        name = protocol_name(protocol)
        if name in _ICMP and (from_port, to_port) == (-1, -1):
            from_port = to_port = None
        return cls(name, from_port, to_port, source)


_ICMP = ("icmp", "icmpv6")


def is_prefix_list(source: str) -> bool:
    """Whether a source is the id of a managed prefix list. Else it is a CIDR."""
    return source.startswith("pl-")


@lru_cache(maxsize=8192)
def rule_key(rule: IngressRule | Exposure) -> RuleKey:
    """The key of a rule, or of the rule that an exposure is of."""
    group_id = rule.group_id if isinstance(rule, IngressRule) else ""
    return RuleKey.of(rule.protocol, rule.from_port, rule.to_port, rule.prefix_list_id or group_id or rule.cidr)


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """One security group. Name, description and tags are untrusted input.

    Attributes:
        unreadable: why a rule could not be understood, one reason each. A group that has any may expose more
            than its rules tell, and must never count as fixed.
        owner_id: the account that owns the group; empty where EC2 does not tell.
    """

    group_id: str
    name: str
    vpc_id: str
    description: str
    tags: Mapping[str, str]
    ingress: tuple[IngressRule, ...]
    unreadable: tuple[str, ...] = ()
    owner_id: str = ""


class GroupPage(NamedTuple):
    """One page of DescribeSecurityGroups.

    Attributes:
        groups: those that have an id.
        without_id: of those that came without an id, the reasons. Each could be any group.
    """

    groups: tuple[SecurityGroup, ...]
    without_id: tuple[str, ...] = ()


class ShapeError(HammerError, ValueError):
    """EC2 answered something that this version of Hammer does not understand."""


def parse_page(described: Iterable[Mapping[str, Any]]) -> GroupPage:
    """Read `SecurityGroups` of DescribeSecurityGroups' answer."""
    groups: list[SecurityGroup] = []
    without_id: list[str] = []
    for raw in described:
        try:
            groups.append(parse_security_group(raw))
        except ShapeError as error:
            without_id.append(str(error))
    return GroupPage(tuple(groups), tuple(without_id))


def parse_security_group(raw: Mapping[str, Any]) -> SecurityGroup:
    """Read one element of `SecurityGroups` in DescribeSecurityGroups' answer.

    Raises:
        ShapeError: it is not even a group with an id. A rule of an unknown shape does not raise: see
            `SecurityGroup.unreadable`.
    """
    if not isinstance(raw.get("GroupId"), str) or not raw["GroupId"]:
        raise ShapeError(f"a security group without an id, named {raw.get('GroupName')!r}")
    rules: list[IngressRule] = []
    unreadable: list[str] = []
    texts: dict[str, str] = {}
    for key in ("GroupName", "VpcId", "Description", "OwnerId"):
        texts[key] = raw.get(key, "")
        if not isinstance(texts[key], str):
            unreadable.append(f"a {key} of another shape: {texts[key]!r:.200}")
            texts[key] = ""
    tags: dict[str, str] = {}
    try:
        tags = {tag["Key"]: tag.get("Value", "") for tag in raw.get("Tags", ())}
        "".join([*tags, *tags.values()])  # refuses what is no text
    except (AttributeError, KeyError, TypeError):
        tags = {}
        unreadable.append(f"tags of another shape: {raw['Tags']!r:.200}")
    permissions = raw.get("IpPermissions", ())
    if not isinstance(permissions, (list, tuple)):
        unreadable.append(f"rules of another shape: {permissions!r:.200}")
        permissions = ()
    for permission in permissions:
        try:
            # One at a time: what was understood stays when a later part is not.
            for rule in parse_permission(permission):
                rules.append(rule)
        except ShapeError as error:
            unreadable.append(str(error))
        except (AttributeError, TypeError):
            unreadable.append(f"a rule of another shape: {permission!r:.200}")
    return SecurityGroup(
        group_id=raw["GroupId"],
        name=texts["GroupName"],
        vpc_id=texts["VpcId"],
        description=texts["Description"],
        tags=tags,
        ingress=tuple(rules),
        unreadable=tuple(unreadable),
        owner_id=texts["OwnerId"],
    )


# The kinds of source: the list, the key and the attribute of a rule that are the source, and all that is known in one.
_SOURCES = (
    ("IpRanges", "CidrIp", "cidr", {"CidrIp", "Description"}),
    ("Ipv6Ranges", "CidrIpv6", "cidr", {"CidrIpv6", "Description"}),
    ("PrefixListIds", "PrefixListId", "prefix_list_id", {"PrefixListId", "Description"}),
    (
        "UserIdGroupPairs",
        "GroupId",
        "group_id",
        {"Description", "UserId", "GroupName", "GroupId", "VpcId", "VpcPeeringConnectionId", "PeeringStatus"},
    ),
)
_KNOWN_KEYS = {"IpProtocol", "FromPort", "ToPort"} | {source[0] for source in _SOURCES}


def parse_permission(raw: Mapping[str, Any]) -> Iterator[IngressRule]:
    """The rules of one element of `IpPermissions` (EC2's IpPermission), one for each source.

    Raises:
        ShapeError: a part is missing or not understood, or there is no source at all: that is what a permission
            with a kind of source newer than the installed SDK looks like. Raised after the rules that were understood.
    """
    protocol = raw.get("IpProtocol")
    if not isinstance(protocol, str) or not protocol:
        raise ShapeError(f"a rule without a protocol: {dict(raw)!r:.200}")
    from_port, to_port = checked_ports(protocol, raw.get("FromPort"), raw.get("ToPort"))
    unknown = [f"a {protocol} rule with an unknown part: {part!r:.200}" for part in sorted(raw.keys() - _KNOWN_KEYS)]
    found = False
    for listed, key, field, known in _SOURCES:
        for source in raw.get(listed, ()):
            if not isinstance(source, Mapping):
                unknown.append(f"a {protocol} rule with an unknown source: {source!r:.200}")
                continue
            # Another account's group may come without its id.
            location = source.get(key) or (source.get("GroupName") if field == "group_id" else None)
            description = source.get("Description", "")
            if not isinstance(location, str) or not location or not isinstance(description, str):
                unknown.append(f"a {protocol} rule with an unknown source: {dict(source)!r:.200}")
                continue
            found = True
            yield IngressRule(protocol, from_port, to_port, description=description, **{field: location})
            if not source.keys() <= known:
                parts = ", ".join(sorted(source.keys() - known))
                unknown.append(f"a {protocol} rule with source {location} that has an unknown part: {parts:.200}")
    if not found and not unknown:
        unknown.append(f"a {protocol} rule without a source that this version knows")
    if unknown:
        raise ShapeError("; ".join(unknown))


def checked_ports(protocol: str, first: Any, last: Any) -> tuple[int | None, int | None]:
    """The ports of a permission: all of them where a protocol that has ports names none, None where it has none.

    Raises:
        ShapeError: these are no ports.
    """
    name = protocol_name(protocol)
    if name in _ICMP and all(number is None or type(number) is int for number in (first, last)):
        return first, last  # a type and a code
    if name not in ("tcp", "udp", *_ICMP):
        return None, None
    if (first is None and last is None) or (first == -1 and last == -1):
        return 0, HIGHEST_PORT
    # A range that ends before it begins holds no port. EC2 refuses such rules; emulators and templates have them.
    if all(type(port) is int and 0 <= port <= HIGHEST_PORT for port in (first, last)):
        return first, last
    raise ShapeError(f"a {protocol} rule with ports {first!r} to {last!r}")


def parse_rule(raw: Mapping[str, Any]) -> IngressRule:
    """Read one element of `SecurityGroupRules` in DescribeSecurityGroupRules' answer, with its id.

    Raises:
        ShapeError: a part is missing or not understood.
    """
    protocol = raw.get("IpProtocol")
    if not isinstance(protocol, str) or not protocol or not raw.get("SecurityGroupRuleId"):
        raise ShapeError(f"a rule without a protocol or an id: {dict(raw)!r:.200}")
    from_port, to_port = checked_ports(protocol, raw.get("FromPort"), raw.get("ToPort"))
    rule = IngressRule(
        protocol,
        from_port,
        to_port,
        cidr=raw.get("CidrIpv4") or raw.get("CidrIpv6") or "",
        prefix_list_id=raw.get("PrefixListId") or "",
        group_id=(raw.get("ReferencedGroupInfo") or {}).get("GroupId") or "",
        description=raw.get("Description") or "",
        rule_id=raw["SecurityGroupRuleId"],
    )
    if not (rule.cidr or rule.prefix_list_id or rule.group_id):
        raise ShapeError(f"rule {rule.rule_id} without a source that this version knows")
    return rule
