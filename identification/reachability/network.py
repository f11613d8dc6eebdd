"""A region's network as a value: what reachability depends on of what EC2 and Elastic Load Balancing answered.

Pure. The values first, then how each answer is read into them. What is not in the answers is not in the value either:
`verdict` then does not know, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from library.network.addresses import PUBLIC, AddressSet, Network, parse_network
from library.network.intervals import IntervalSet
from library.network.ports import EVERYTHING, UDP, traffic_of
from library.security_groups.exposure import PrefixLists
from library.security_groups.group import SecurityGroup
from library.security_groups.users import BalancerRef, balancer_of, instance_id_of, is_attached, resource_of


class PublicAddress(NamedTuple):
    """An address that the Internet can send to, or an IPv6 prefix of such addresses; `version` is 4 or 6."""

    version: int
    text: str


@dataclass(frozen=True, slots=True)
class TargetNames:
    """How target groups name interfaces; the name of a target is `in` it.

    Attributes:
        names: private addresses, in EC2's shortest form, and the instances whose first interface it is.
        prefixes: the addresses of prefixes that are delegated to interfaces. EC2 lists none of them by itself.
    """

    names: frozenset[str] = frozenset()
    prefixes: AddressSet = field(default_factory=AddressSet)

    @classmethod
    def union(cls, interfaces: Iterable[TargetNames]) -> TargetNames:
        """How any of these interfaces is named."""
        listed = list(interfaces)
        names = frozenset(name for each in listed for name in each.names)
        return cls(names, AddressSet.union(each.prefixes for each in listed if each.prefixes))

    def __contains__(self, name: str) -> bool:
        if name in self.names:
            return True
        is_ipv6 = ":" in name  # a target group may write one in another form
        address = _address(name) if is_ipv6 or self.prefixes else None
        if address is None:
            return False
        if is_ipv6 and str(address).partition("/")[0] in self.names:
            return True
        return self.prefixes.family(address.version).meets(address.first, address.last)


# Every target of a balancer is looked for in every interface behind it: 0.4 instead of 12 microseconds for an instance.
@lru_cache(maxsize=1 << 16)
def _address(name: str) -> Network | None:
    """The address that a target has for a name; None: it has an instance's, or a load balancer's."""
    try:
        return parse_network(name)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface.

    Attributes:
        resource: what it belongs to. Untrusted input.
        addresses: the public ones; of a delegated prefix, the prefix stands for all of its addresses.
        known_as: how a target group names it.
        is_understood: False: no more is known of it than its id, its VPC and its groups.
    """

    interface_id: str
    vpc_id: str
    subnet_id: str
    resource: str
    groups: frozenset[str]
    attached: bool
    addresses: tuple[PublicAddress, ...]
    known_as: TargetNames
    balancer: BalancerRef | None
    is_accelerator: bool
    is_understood: bool = True


class Route(NamedTuple):
    """A route.

    Attributes:
        destinations: None: a prefix list that could not be read.
        rank: of routes with equal prefixes, the lowest counts: static, then a list's, then propagated.
        gateway: the internet gateway that it leads to; empty: it leads elsewhere, or nowhere.
        is_local: it leads to the VPC itself.
    """

    destinations: tuple[Network, ...] | None
    rank: int
    gateway: str
    is_local: bool


@dataclass(frozen=True, slots=True)
class RouteTable:
    """A route table."""

    route_table_id: str
    routes: tuple[Route, ...]


class AclEntry(NamedTuple):
    """An entry of a network ACL, with its traffic on the axis."""

    number: int
    egress: bool
    allows: bool
    network: Network
    traffic: IntervalSet


@dataclass(frozen=True, slots=True)
class Acl:
    """A network ACL, with its entries in the order in which they are evaluated."""

    acl_id: str
    entries: tuple[AclEntry, ...]


class Forward(NamedTuple):
    """A listener of a network load balancer that sends to a target and keeps the client's address.

    Attributes:
        listener: the listener's port on the axis; None: the target group has no listener.
        target: an instance or an address.
        position: the target's port on the axis.
    """

    listener: int | None
    target: str
    position: int


@dataclass(frozen=True, slots=True)
class Balancer:
    """A load balancer.

    Attributes:
        listeners: the ports of its listeners on the axis; None: they could not be read.
        forwards: of an internet-facing network load balancer, those that could be read.
        has_unread_forwards: whether there may be more of them.
    """

    listeners: IntervalSet | None
    forwards: tuple[Forward, ...] = ()
    has_unread_forwards: bool = False


class Admission(NamedTuple):
    """What a rule of a security group admits; `networks` None: a prefix list that could not be read."""

    traffic: IntervalSet
    networks: tuple[Network, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionNetwork:
    """The network of an account and region.

    Attributes:
        interfaces: None: they could not be read.
        subnets: the Block Public Access mode that each subnet tells, empty where it tells none.
        vpcs: the same of each VPC.
        tables: the route table of each subnet that has one of its own.
        main_tables: the main route table of each VPC.
        local: the addresses in local routes of each VPC.
        acls: the network ACL of each subnet.
        inspected_gateways: internet gateways with a route table of their own.
        balancers: load balancers by `BalancerRef.key`, as far as they were needed.
        groups: what the groups of network load balancers admit.
        unread: why something could not be read: `subnets`, `route tables` and so on, and the reason.
    """

    interfaces: tuple[Interface, ...] | None = ()
    subnets: Mapping[str, str] = field(default_factory=dict)
    vpcs: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, RouteTable] = field(default_factory=dict)
    main_tables: Mapping[str, RouteTable] = field(default_factory=dict)
    local: Mapping[str, AddressSet] = field(default_factory=dict)
    acls: Mapping[str, Acl] = field(default_factory=dict)
    inspected_gateways: frozenset[str] = frozenset()
    balancers: Mapping[str, Balancer] = field(default_factory=dict)
    groups: Mapping[str, tuple[Admission, ...]] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    def table(self, interface: Interface) -> RouteTable | None:
        """The route table of an interface's subnet, its own or else its VPC's main one; None: not in the answers."""
        return self.tables.get(interface.subnet_id) or self.main_tables.get(interface.vpc_id)

    def why_missing(self, what: str, which: str = "") -> str:
        """Why `which` is not among the answers, as a sentence; `what` it is, as `unread` names it."""
        if reason := self.unread.get(what):
            return f"The {what} of the region could not be read: {reason}."
        return f"{which} is not among the {what} that AWS lists for this account (is it shared?)."


Raw = Mapping[str, Any]

_STATIC, _LISTED, _PROPAGATED = range(3)  # of equal prefixes, the first counts
_PROPAGATING = frozenset({"EnableVgwRoutePropagation", "Advertisement"})  # Origin; the second: of a VPC Route Server
_ACCELERATOR = "global_accelerator_managed"  # InterfaceType
_NOT_ASSOCIATED = frozenset({"disassociated", "failed"})


def region_network(
    *,
    interfaces: Iterable[Interface] | None,
    subnets: Iterable[Raw],
    vpcs: Iterable[Raw],
    route_tables: Iterable[Raw],
    acls: Iterable[Raw],
    prefix_lists: PrefixLists,
    balancers: Mapping[str, Balancer],
    groups: Iterable[SecurityGroup],
    unread: Mapping[str, str],
) -> RegionNetwork:
    """The network of a region, from the elements of EC2's answers; `interfaces` is None if they could not be read.

    `balancers` are those that matter, `groups` those of network load balancers, `prefix_lists` those of routes and of
    `groups` that could be read.
    """
    return RegionNetwork(
        interfaces=None if interfaces is None else tuple(interfaces),
        subnets={raw["SubnetId"]: block_mode(raw) for raw in subnets},
        vpcs={raw["VpcId"]: block_mode(raw) for raw in vpcs},
        acls=parse_acls(acls),
        balancers=balancers,
        groups={group.group_id: parse_admissions(group, prefix_lists) for group in groups},
        unread=unread,
        **parse_route_tables(route_tables, prefix_lists)._asdict(),
    )


def parse_interface(raw: Raw) -> Interface:
    """Read one element of DescribeNetworkInterfaces' answer."""
    attachment = raw.get("Attachment") or {}
    private = raw.get("PrivateIpAddresses", ())
    known_as = {address.get("PrivateIpAddress", "") for address in (raw, *private)}
    known_as |= {address["Ipv6Address"] for address in raw.get("Ipv6Addresses", ())}
    prefixes = AddressSet.parse(*(each["Ipv4Prefix"] for each in raw.get("Ipv4Prefixes", ())), *_ipv6_prefixes(raw))
    if attachment.get("DeviceIndex", 0) == 0:  # Network Load Balancers, "Target groups": the primary interface
        known_as.add(instance_id_of(raw))
    return Interface(
        interface_id=raw["NetworkInterfaceId"],
        vpc_id=raw.get("VpcId", ""),
        subnet_id=raw.get("SubnetId", ""),
        resource=str(resource_of(raw)),
        groups=frozenset(group["GroupId"] for group in raw.get("Groups", ())),
        attached=is_attached(raw),
        addresses=tuple(dict.fromkeys(_public_addresses(raw))),
        known_as=TargetNames(frozenset(known_as - {""}), prefixes),
        balancer=balancer_of(raw),
        is_accelerator=raw.get("InterfaceType") == _ACCELERATOR,
    )


def parse_odd_interface(raw: Raw) -> Interface:
    """What is sure of an interface that `parse_interface` does not understand. It counts as attached.

    Raises:
        KeyError, TypeError, ValueError: it may be of any group, or lead to other interfaces.
    """
    balancer = balancer_of(raw)
    if (balancer and balancer.is_network) or raw.get("InterfaceType") == _ACCELERATOR:
        raise ValueError("an interface that may lead anywhere")
    return Interface(
        interface_id=raw["NetworkInterfaceId"],
        vpc_id=raw.get("VpcId", ""),
        subnet_id=raw.get("SubnetId", ""),
        resource="",
        groups=frozenset(group["GroupId"] for group in raw["Groups"]),
        attached=True,
        addresses=(),
        known_as=TargetNames(),
        balancer=None,
        is_accelerator=False,
        is_understood=False,
    )


def _public_addresses(raw: Raw) -> Iterator[PublicAddress]:
    for mapped in (raw, *raw.get("PrivateIpAddresses", ())):
        association = mapped.get("Association") or {}
        address = association.get("PublicIp")
        if address and address not in (association.get("CarrierIp"), association.get("CustomerOwnedIp")):
            yield PublicAddress(4, address)
    if not raw.get("DenyAllIgwTraffic"):
        # From a prefix of its own a load balancer calls its targets ("Source NAT" of Network Load Balancers).
        delegated = () if balancer_of(raw) else _ipv6_prefixes(raw)
        for assigned in (*(each["Ipv6Address"] for each in raw.get("Ipv6Addresses", ())), *delegated):
            if PUBLIC.covers(AddressSet.parse(assigned)):
                yield PublicAddress(6, assigned)


def _ipv6_prefixes(raw: Raw) -> list[str]:
    """The IPv6 prefixes that are delegated to an interface (EC2 User Guide, "Prefix delegation")."""
    return [each["Ipv6Prefix"] for each in raw.get("Ipv6Prefixes", ())]


def block_mode(raw: Raw) -> str:
    """The Block Public Access mode that a subnet or VPC tells; empty: it tells none."""
    return str((raw.get("BlockPublicAccessStates") or {}).get("InternetGatewayBlockMode") or "")


def parse_route_table(raw: Raw, prefix_lists: PrefixLists) -> RouteTable:
    """Read one element of DescribeRouteTables' answer, given the prefix lists that could be read."""
    return RouteTable(raw["RouteTableId"], tuple(_route(route, prefix_lists) for route in raw.get("Routes", ())))


def _route(raw: Raw, prefix_lists: PrefixLists) -> Route:
    cidr = raw.get("DestinationCidrBlock") or raw.get("DestinationIpv6CidrBlock")
    gateway = str(raw.get("GatewayId") or "")  # an id, or `local`; other kinds of targets have their own members
    rank = _PROPAGATED if raw.get("Origin") in _PROPAGATING else _STATIC if cidr else _LISTED
    return Route(
        destinations=(parse_network(cidr),) if cidr else prefix_lists.get(raw.get("DestinationPrefixListId", "")),
        rank=rank,
        gateway=gateway if gateway.startswith("igw-") and raw.get("State") == "active" else "",
        is_local=gateway == "local",
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


# Where on the axis of all traffic the ports of a protocol begin.
_TRANSPORTS: dict[str, tuple[int, ...]] = {"HTTP": (0,), "HTTPS": (0,), "TCP": (0,), "TLS": (0,), "SSL": (0,)}
_TRANSPORTS |= {"UDP": (UDP,), "QUIC": (UDP,), "TCP_UDP": (0, UDP), "TCP_QUIC": (0, UDP)}
_KEEPS_CLIENT_ADDRESSES = "preserve_client_ip.enabled"
_HOLDS_ADDRESSES = frozenset({"instance", "ip"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ElbAnswers:
    """What version 2 of the service answered. What is missing from a map could not be read.

    Attributes:
        listeners: by the load balancer's ARN.
        target_groups: None: they could not be read.
        targets: by the target group's ARN.
        attributes: by the target group's ARN, as far as one of its targets is among `wanted`.
        wanted: has the names of the targets that matter: `Interface.known_as` of what an exposed group is on.
    """

    load_balancers: Sequence[Raw] = ()
    listeners: Mapping[str, Sequence[Raw]] = field(default_factory=dict)
    target_groups: Sequence[Raw] | None = ()
    targets: Mapping[str, Sequence[Raw]] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    wanted: TargetNames = field(default_factory=TargetNames)


def parse_balancers(answers: ElbAnswers) -> dict[str, Balancer]:
    """Application, network and gateway load balancers by `BalancerRef.key`."""
    found = {}
    for raw in answers.load_balancers:
        listeners = answers.listeners.get(raw["LoadBalancerArn"])
        ports = None if listeners is None else _on_axis((each["Protocol"], each["Port"]) for each in listeners)
        found[key_of(raw)] = Balancer(ports, *_forwards(raw, listeners, answers))
    return found


def parse_classic(raws: Iterable[Raw]) -> dict[str, Balancer]:
    """Classic load balancers by name."""
    return {
        raw["LoadBalancerName"]: Balancer(
            _on_axis(
                (described["Listener"]["Protocol"], described["Listener"]["LoadBalancerPort"])
                for described in raw.get("ListenerDescriptions", ())
            )
        )
        for raw in raws
    }


def key_of(raw: Raw) -> str:
    """`name/id`, as the descriptions of the balancer's interfaces have it."""
    return "/".join(raw["LoadBalancerArn"].split("/")[-2:])


def is_entrance(raw: Raw) -> bool:
    """Whether it is a network load balancer that the Internet can send to."""
    return raw.get("Type") == "network" and raw.get("Scheme") != "internal"


def groups_of(raw: Raw, listeners: Sequence[Raw], target_groups: Iterable[Raw]) -> Iterator[tuple[Raw, list[Raw]]]:
    """The target groups of a load balancer that hold instances or addresses, and the listeners that send to each."""
    for group in target_groups:
        sending = [listener for listener in listeners if group["TargetGroupArn"] in _sends_to(listener)]
        belongs = sending or raw["LoadBalancerArn"] in group.get("LoadBalancerArns", ())
        if belongs and group.get("TargetType", "instance") in _HOLDS_ADDRESSES:
            yield group, sending


def not_listed(listeners: Iterable[Raw], target_groups: Iterable[Raw]) -> list[str]:
    """The target groups that listeners send to and that are not listed: one of the two answers is older."""
    sent = {arn for listener in listeners for arn in _sends_to(listener)}
    return sorted(sent - {group["TargetGroupArn"] for group in target_groups})


def _sends_to(listener: Raw) -> set[str]:
    arns = set()
    for action in listener.get("DefaultActions", ()):
        weighted = (action.get("ForwardConfig") or {}).get("TargetGroups", ())
        arns |= {each["TargetGroupArn"] for each in (action, *weighted) if each.get("TargetGroupArn")}
    return arns


def _forwards(raw: Raw, listeners: Sequence[Raw] | None, answers: ElbAnswers) -> tuple[tuple[Forward, ...], bool]:
    """What a load balancer sends on, as far as that could be read, and whether there may be more."""
    if not is_entrance(raw):
        return (), False
    if listeners is None or answers.target_groups is None:
        return (), True
    forwards: list[Forward] = []
    has_unread = bool(not_listed(listeners, answers.target_groups))
    for group, sending in groups_of(raw, listeners, answers.target_groups):
        arn = group["TargetGroupArn"]
        targets = answers.targets.get(arn)
        wanted = [target for target in targets or () if target["Id"] in answers.wanted]
        attributes = answers.attributes.get(arn)
        if targets is None or (wanted and attributes is None):
            has_unread = True
        elif wanted and attributes is not None and _keeps_client_addresses(group, attributes):
            forwards += _to_targets(group, sending, wanted)
    return tuple(forwards), has_unread


def _keeps_client_addresses(group: Raw, attributes: Mapping[str, str]) -> bool:
    if setting := attributes.get(_KEEPS_CLIENT_ADDRESSES):
        return setting.lower() == "true"
    is_udp = UDP in _TRANSPORTS.get(group.get("Protocol", ""), ())
    return group.get("TargetType", "instance") == "instance" or is_udp


def _to_targets(group: Raw, sending: Sequence[Raw], targets: Iterable[Raw]) -> Iterator[Forward]:
    for target in targets:
        port = int(target.get("Port") or group.get("Port") or 0)
        if not sending:
            yield Forward(None, target["Id"], port)
        for listener in sending:
            for start in _TRANSPORTS.get(listener["Protocol"], ()):
                yield Forward(start + int(listener["Port"]), target["Id"], start + port)


def _on_axis(ports: Iterable[tuple[str, int]]) -> IntervalSet:
    positions = [start + int(port) for protocol, port in ports for start in _TRANSPORTS.get(protocol.upper(), ())]
    return IntervalSet.of((position, position) for position in positions)
