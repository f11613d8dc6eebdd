"""Rules in the shape that EC2's calls take and give them in.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from library.network.addresses import parse_network
from library.network.ports import protocol_name
from library.security_groups.group import IngressRule, ShapeError, parse_permission

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import IpPermissionTypeDef


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


def single_permissions(permissions: object) -> Iterator[tuple[IngressRule, IpPermissionTypeDef]]:
    """Described permissions taken apart: each rule with what would add it again exactly.

    Args:
        permissions: `IpPermissions` as DescribeSecurityGroups gives it, or what somebody stored as such.

    Raises:
        ShapeError: a permission is not understood.
    """
    if not isinstance(permissions, (list, tuple)):
        raise ShapeError(f"rules of another shape: {permissions!r:.200}")
    for permission in permissions:
        _check(permission)
        for kind in _SOURCES:
            for source in permission.get(kind, ()):
                single: Any = {
                    "IpProtocol": permission.get("IpProtocol"),
                    **{key: permission[key] for key in ("FromPort", "ToPort") if permission.get(key) is not None},
                    kind: [{key: value for key, value in source.items() if key not in _ONLY_DESCRIBED}],
                }
                (rule,) = parse_permission({**single, kind: [source]})
                yield rule, single


def _check(permission: object) -> None:
    """Raise ShapeError unless all parts of a permission are understood and of the types that EC2 takes."""
    if not isinstance(permission, Mapping) or not all(
        isinstance(permission.get(kind, []), (list, tuple)) for kind in _SOURCES
    ):
        raise ShapeError(f"a rule of another shape: {permission!r:.200}")
    for _ in parse_permission(permission):
        pass  # raises for the permission as a whole: also where it has no source at all
    ports = [permission.get(key) for key in ("FromPort", "ToPort")]
    sources = [source for kind in _SOURCES for source in permission.get(kind, ())]
    if any(port is not None and type(port) is not int for port in ports) or not all(
        isinstance(value, str) for source in sources for value in source.values()
    ):
        raise ShapeError(f"a rule of another shape: {permission!r:.200}")


def merged(singles: Iterable[IpPermissionTypeDef]) -> IpPermissionTypeDef:
    """Permissions of single rules of one protocol and port range as one permission."""
    whole: dict[str, Any] = {}
    for single in singles:
        for name, value in single.items():
            whole[name] = [*whole.get(name, ()), *value] if name in _SOURCES else value  # type: ignore[misc]
    return whole  # type: ignore[return-value]
