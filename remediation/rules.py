"""Ingress rules compared with each other, and in the shape that EC2's calls take and give them in.

Pure. Which rules let in all that another does, and which EC2 would not refuse as duplicates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from library.network.addresses import parse_network
from library.network.ports import protocol_name
from library.security_groups.group import IngressRule, RuleKey, ShapeError, parse_permission, rule_key

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import IpPermissionTypeDef


def with_description(ip_permission: Any, description: str) -> IpPermissionTypeDef:
    """The permission of a single rule with another description; an empty one takes it away."""
    return {  # type: ignore[return-value]
        key: [{**value[0], "Description": description}] if key in _SOURCES else value
        for key, value in ip_permission.items()
    }


def ip_permission_of(rule: IngressRule) -> IpPermissionTypeDef:
    """A rule with a CIDR or a prefix list as AuthorizeSecurityGroupIngress takes it."""
    if rule.prefix_list_id:
        kind, source = "PrefixListIds", {"PrefixListId": rule.prefix_list_id}
    elif parse_network(rule.cidr).version == 4:
        kind, source = "IpRanges", {"CidrIp": rule.cidr}
    else:
        kind, source = "Ipv6Ranges", {"CidrIpv6": rule.cidr}
    if rule.description:
        source["Description"] = rule.description
    ip_permission: Any = {"IpProtocol": rule.protocol, kind: [source]}
    if protocol_name(rule.protocol) != "-1":
        # A protocol without ports: EC2 takes -1 for all of it as well as none at all.
        ip_permission |= {
            "FromPort": -1 if rule.from_port is None else rule.from_port,
            "ToPort": -1 if rule.to_port is None else rule.to_port,
        }
    return ip_permission  # type: ignore[no-any-return]


WrittenRange = tuple[int, int]
WrittenPorts = Mapping[RuleKey, WrittenRange]

_SOURCES = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
# What DescribeSecurityGroups tells of a referenced group, but AuthorizeSecurityGroupIngress does not take. It takes no
# name beside the id either.
_ONLY_DESCRIBED = {"PeeringStatus"}


def single_permissions(permissions: object) -> Iterator[tuple[IngressRule, IpPermissionTypeDef]]:
    """Described permissions taken apart: each rule with what would add it again exactly.

    `permissions` are `IpPermissions` as DescribeSecurityGroups gives them, or what somebody stored as such.

    Raises:
        ShapeError: a permission is not understood.
    """
    if not isinstance(permissions, (list, tuple)):
        raise ShapeError(f"rules of another shape: {permissions!r:.200}")
    for ip_permission in permissions:
        _check(ip_permission)
        for kind in _SOURCES:
            for source in ip_permission.get(kind, ()):
                single: Any = {
                    "IpProtocol": ip_permission.get("IpProtocol"),
                    **{key: ip_permission[key] for key in ("FromPort", "ToPort") if ip_permission.get(key) is not None},
                    kind: [_as_taken(source)],
                }
                (rule,) = parse_permission({**single, kind: [source]})
                yield rule, single


def _as_taken(source: Mapping[str, Any]) -> dict[str, Any]:
    left_out = _ONLY_DESCRIBED | ({"GroupName"} if source.get("GroupId") else set())
    return {key: value for key, value in source.items() if key not in left_out}


def _check(ip_permission: object) -> None:
    """Raise ShapeError unless all parts of a permission are understood and of the types that EC2 takes."""
    if not isinstance(ip_permission, Mapping) or not all(
        isinstance(ip_permission.get(kind, []), (list, tuple)) for kind in _SOURCES
    ):
        raise ShapeError(f"a rule of another shape: {ip_permission!r:.200}")
    for _ in parse_permission(ip_permission):
        pass  # raises for the permission as a whole: also where it has no source at all
    ports = [ip_permission.get(key) for key in ("FromPort", "ToPort")]
    sources = [source for kind in _SOURCES for source in ip_permission.get(kind, ())]
    if any(port is not None and type(port) is not int for port in ports) or not all(
        isinstance(value, str) for source in sources for value in source.values()
    ):
        raise ShapeError(f"a rule of another shape: {ip_permission!r:.200}")


def merged(singles: Iterable[IpPermissionTypeDef]) -> IpPermissionTypeDef:
    """Permissions of single rules of one protocol and port range as one permission."""
    whole: dict[str, Any] = {}
    for single in singles:
        for name, value in single.items():
            whole[name] = [*whole.get(name, ()), *value] if name in _SOURCES else value  # type: ignore[misc]
    return whole  # type: ignore[return-value]


def without_reserved(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that somebody may set: those that begin with `aws:` are AWS's (EC2 User Guide, "Tag restrictions")."""
    return {key: value for key, value in tags.items() if not key.lower().startswith("aws:")}


def purposes_from_item(items: Iterable[Mapping[str, Any]]) -> dict[RuleKey, tuple[str, ...]]:
    """What rules stand in for, as a backup has it: the ids of the replaced rules, by rule.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is not as Hammer writes it.
    """
    found = {}
    for item in items:
        first, last = (None if item[name] is None else int(item[name]) for name in ("from_port", "to_port"))
        key = RuleKey(str(item["protocol"]), first, last, str(item["source"]))
        found[key] = tuple(map(str, item["rules"]))
    return found


def by_ports(rules: Iterable[IngressRule], written: WrittenPorts) -> list[list[IngressRule]]:
    """Rules by protocol and port range: each part is one permission, which EC2 takes as a whole."""
    parts: dict[tuple[str, int | None, int | None, WrittenRange | None], list[IngressRule]] = {}
    for rule in rules:
        ports = (rule.protocol, rule.from_port, rule.to_port, written.get(rule_key(rule)))
        parts.setdefault(ports, []).append(rule)
    return list(parts.values())


def ports_as_written(permissions: object) -> dict[RuleKey, WrittenRange]:
    """The ports of rules with a CIDR or a prefix list that are written otherwise than `ip_permission_of` writes them.

    A protocol without ports may have some all the same, and all ports may be -1: an emulator keeps and compares these.
    `permissions` and what it raises: as of `single_permissions`.
    """
    found = {}
    for rule, single in single_permissions(permissions):
        if (rule.cidr or rule.prefix_list_id) and "FromPort" in single and "ToPort" in single:
            ports, usual = (single["FromPort"], single["ToPort"]), ip_permission_of(rule)
            if ports != (usual.get("FromPort"), usual.get("ToPort")):
                found[rule_key(rule)] = ports
    return found


def with_ports(ip_permission: IpPermissionTypeDef, ports: WrittenRange | None) -> IpPermissionTypeDef:
    """A permission with its ports written so; None: as it is."""
    return {**ip_permission, "FromPort": ports[0], "ToPort": ports[1]} if ports else ip_permission


def lets_in_all_of(wide: IngressRule, narrow: IngressRule) -> bool:
    """Whether one rule alone lets in all traffic that another does."""
    return key_lets_in(rule_key(wide), rule_key(narrow))


def key_lets_in(wide: RuleKey, narrow: RuleKey) -> bool:
    """Whether a rule with one key lets in all traffic that a rule with another does."""
    if wide.protocol != "-1":
        if wide.protocol != narrow.protocol:
            return False
        if wide[1:3] != narrow[1:3]:
            if wide.protocol not in ("tcp", "udp"):
                return False
            if not ((wide.from_port or 0) <= (narrow.from_port or 0) and (narrow.to_port or 0) <= (wide.to_port or 0)):
                return False
    if wide.source == narrow.source:
        return True
    if not ("/" in wide.source and "/" in narrow.source):  # one of them is no CIDR
        return False
    return parse_network(wide.source).covers(parse_network(narrow.source))


def missing_rules(wanted: Iterable[IngressRule], there: Iterable[IngressRule]) -> tuple[IngressRule, ...]:
    """Those wanted rules that EC2 would not refuse as duplicates of what is there, each once, in their order."""
    distinct: dict[RuleKey, IngressRule] = {}
    for rule in wanted:
        distinct.setdefault(rule_key(rule), rule)
    known = set(map(rule_key, there))
    return tuple(rule for key, rule in distinct.items() if key not in known)


def without_contained_in(rules: Iterable[IngressRule], others: Iterable[IngressRule]) -> tuple[IngressRule, ...]:
    """Those rules that none of the others contains, in their order."""
    containers = tuple(others)
    return tuple(rule for rule in rules if not any(lets_in_all_of(other, rule) for other in containers))


def without_contained(rules: Iterable[IngressRule]) -> tuple[IngressRule, ...]:
    """The fewest of these rules that let in the same, in their order."""
    chosen: list[IngressRule] = []
    for rule in rules:
        if not any(lets_in_all_of(other, rule) for other in chosen):
            chosen = [*(other for other in chosen if not lets_in_all_of(rule, other)), rule]
    return tuple(chosen)
