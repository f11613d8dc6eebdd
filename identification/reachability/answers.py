"""What EC2 answers, read into the values of `network`.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from identification.reachability.network import (
    Acl,
    AclEntry,
    Admission,
    Balancer,
    Interface,
    PublicAddress,
    RegionNetwork,
    Route,
    RouteTable,
)
from library.network.addresses import PUBLIC, AddressSet, parse_network
from library.network.traffic import EVERYTHING, traffic_of
from library.security_groups.exposure import PrefixLists
from library.security_groups.group import SecurityGroup
from library.security_groups.resources import balancer_of, instance_id_of, resource_of

Raw = Mapping[str, Any]

_STATIC, _LISTED, _PROPAGATED = range(3)  # of equal prefixes, the first counts
_NOT_ASSOCIATED = frozenset({"disassociated", "failed"})
_ROUTE_TARGETS = (
    "GatewayId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "NetworkInterfaceId", "InstanceId",
    "EgressOnlyInternetGatewayId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn",
)  # fmt: skip


def region_network(
    *,
    interfaces: Iterable[Interface] | None = (),
    subnets: Iterable[Raw] = (),
    vpcs: Iterable[Raw] = (),
    route_tables: Iterable[Raw] = (),
    acls: Iterable[Raw] = (),
    prefix_lists: PrefixLists | None = None,
    balancers: Mapping[str, Balancer] | None = None,
    groups: Iterable[SecurityGroup] = (),
    unread: Mapping[str, str] | None = None,
) -> RegionNetwork:
    """The network of a region.

    Args:
        interfaces: None: they could not be read.
        subnets: elements of DescribeSubnets' answer, and so on.
        vpcs: the same.
        route_tables: the same.
        acls: the same.
        prefix_lists: those of routes and of `groups` that could be read.
        balancers: those that matter.
        groups: those of network load balancers.
        unread: why something could not be read, as `RegionNetwork` has it.
    """
    lists = prefix_lists or {}
    return RegionNetwork(
        interfaces=None if interfaces is None else tuple(interfaces),
        subnets={raw["SubnetId"]: block_mode(raw) for raw in subnets},
        vpcs={raw["VpcId"]: block_mode(raw) for raw in vpcs},
        acls=parse_acls(acls),
        balancers=balancers or {},
        groups={group.group_id: parse_admissions(group, lists) for group in groups},
        unread=unread or {},
        **parse_route_tables(route_tables, lists)._asdict(),
    )


def parse_interface(raw: Raw) -> Interface:
    """Read one element of DescribeNetworkInterfaces' answer."""
    attachment, kind = raw.get("Attachment") or {}, raw.get("InterfaceType", "")
    private = raw.get("PrivateIpAddresses", ())
    known_as = {address.get("PrivateIpAddress", "") for address in (raw, *private)}
    known_as |= {address["Ipv6Address"] for address in raw.get("Ipv6Addresses", ())}
    if attachment.get("DeviceIndex", 0) == 0:  # Network Load Balancers, "Target groups": the primary interface
        known_as.add(instance_id_of(raw))
    return Interface(
        interface_id=raw["NetworkInterfaceId"],
        vpc_id=raw.get("VpcId", ""),
        subnet_id=raw.get("SubnetId", ""),
        resource=str(resource_of(raw)),
        groups=frozenset(group["GroupId"] for group in raw.get("Groups", ())),
        # An interface of a task or pod (a branch) can be in use without an attachment of its own.
        attached=attachment.get("Status") != "detached" if attachment else raw.get("Status") == "in-use",
        addresses=tuple(dict.fromkeys(_public_addresses(raw))),
        known_as=frozenset(known_as - {""}),
        balancer=balancer_of(raw),
        is_accelerator=kind == "global_accelerator_managed",
    )


def _public_addresses(raw: Raw) -> Iterator[PublicAddress]:
    for mapped in (raw, *raw.get("PrivateIpAddresses", ())):
        association = mapped.get("Association") or {}
        address = association.get("PublicIp")
        if address and address not in (association.get("CarrierIp"), association.get("CustomerOwnedIp")):
            yield PublicAddress(4, address)
    if not raw.get("DenyAllIgwTraffic"):
        for assigned in raw.get("Ipv6Addresses", ()):
            if PUBLIC.covers(AddressSet.parse(assigned["Ipv6Address"])):
                yield PublicAddress(6, assigned["Ipv6Address"])


def block_mode(raw: Raw) -> str:
    """The Block Public Access mode that a subnet or VPC tells; empty: it tells none."""
    return str((raw.get("BlockPublicAccessStates") or {}).get("InternetGatewayBlockMode") or "")


def parse_route_table(raw: Raw, prefix_lists: PrefixLists) -> RouteTable:
    """Read one element of DescribeRouteTables' answer, given the prefix lists that could be read."""
    return RouteTable(raw["RouteTableId"], tuple(_route(route, prefix_lists) for route in raw.get("Routes", ())))


def _route(raw: Raw, prefix_lists: PrefixLists) -> Route:
    cidr = raw.get("DestinationCidrBlock") or raw.get("DestinationIpv6CidrBlock")
    target = next((str(raw[name]) for name in _ROUTE_TARGETS if raw.get(name)), "")
    rank = _PROPAGATED if raw.get("Origin") == "EnableVgwRoutePropagation" else _STATIC if cidr else _LISTED
    return Route(
        destinations=(parse_network(cidr),) if cidr else prefix_lists.get(raw.get("DestinationPrefixListId", "")),
        rank=rank,
        gateway=target if target.startswith("igw-") and raw.get("State") == "active" else "",
        is_local=target == "local",
        target=target,
    )


class RouteTables(NamedTuple):
    """What the route tables of a region say, as `RegionNetwork` has it."""

    tables: Mapping[str, RouteTable]
    main_tables: Mapping[str, RouteTable]
    local: Mapping[str, AddressSet]
    inspected_gateways: frozenset[str]


def parse_route_tables(raws: Iterable[Raw], prefix_lists: PrefixLists) -> RouteTables:
    """Read DescribeRouteTables' answers, given the prefix lists that could be read."""
    tables: dict[str, RouteTable] = {}
    main_tables: dict[str, RouteTable] = {}
    local: dict[str, AddressSet] = {}
    gateways: set[str] = set()
    for raw in raws:
        table, vpc_id = parse_route_table(raw, prefix_lists), raw.get("VpcId", "")
        inside = AddressSet.of(each for route in table.routes if route.is_local for each in route.destinations or ())
        local[vpc_id] = local.get(vpc_id, AddressSet()) | inside
        for association in raw.get("Associations", ()):
            if (association.get("AssociationState") or {}).get("State") in _NOT_ASSOCIATED:
                continue
            if association.get("Main"):
                main_tables[vpc_id] = table
            if subnet_id := association.get("SubnetId"):
                tables[subnet_id] = table
            if (gateway := association.get("GatewayId", "")).startswith("igw-"):
                gateways.add(gateway)
    return RouteTables(tables, main_tables, local, frozenset(gateways))


def parse_acls(raws: Iterable[Raw]) -> dict[str, Acl]:
    """Read DescribeNetworkAcls' answers: the ACL of each subnet."""
    acls: dict[str, Acl] = {}
    for raw in raws:
        acl = Acl(raw["NetworkAclId"], tuple(sorted(map(_acl_entry, raw.get("Entries", ())), key=lambda e: e.number)))
        acls |= {association["SubnetId"]: acl for association in raw.get("Associations", ())}
    return acls


def _acl_entry(raw: Raw) -> AclEntry:
    ports = raw.get("PortRange") or {}
    return AclEntry(
        number=int(raw["RuleNumber"]),
        egress=bool(raw["Egress"]),
        allows=raw["RuleAction"] == "allow",
        network=parse_network(raw.get("CidrBlock") or raw["Ipv6CidrBlock"]),
        traffic=traffic_of(str(raw["Protocol"]), ports.get("From"), ports.get("To")),
    )


def parse_admissions(group: SecurityGroup, prefix_lists: PrefixLists) -> tuple[Admission, ...]:
    """What a group admits from outside, given the prefix lists that could be read."""
    unread = [Admission(EVERYTHING, None)] if group.unreadable else []
    return (
        *unread,
        *(
            Admission(
                traffic_of(rule.protocol, rule.from_port, rule.to_port),
                (parse_network(rule.cidr),) if rule.cidr else prefix_lists.get(rule.prefix_list_id),
            )
            for rule in group.ingress
            if not rule.group_id
        ),
    )
