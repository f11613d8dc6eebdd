"""A region's network as a value: what reachability depends on of what EC2 and Elastic Load Balancing answered.

Pure. `answers` and `balancers` read it. What is not in the answers is not in the value either: `verdict` then does not
know, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from library.network.addresses import AddressSet, Network
from library.network.intervals import IntervalSet
from library.security_groups.resources import BalancerRef


class PublicAddress(NamedTuple):
    """An address that the Internet can send to; `version` is 4 or 6."""

    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface.

    Attributes:
        resource: what it belongs to. Hostile text.
        known_as: how a target group names it: private addresses, and the instance whose first interface it is.
    """

    interface_id: str
    vpc_id: str
    subnet_id: str
    resource: str
    groups: frozenset[str]
    attached: bool
    addresses: tuple[PublicAddress, ...]
    known_as: frozenset[str]
    balancer: BalancerRef | None
    is_accelerator: bool


class Route(NamedTuple):
    """A route.

    Attributes:
        destinations: None: a prefix list that could not be read.
        rank: of routes with equal prefixes, the lowest counts: static, then a list's, then propagated.
        gateway: the internet gateway that it leads to; empty: it leads elsewhere, or nowhere.
        is_local: it leads to the VPC itself.
        target: where it leads, for people.
    """

    destinations: tuple[Network, ...] | None
    rank: int
    gateway: str
    is_local: bool
    target: str


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
        place: the target's port on the axis.
    """

    listener: int | None
    target: str
    place: int


@dataclass(frozen=True, slots=True)
class Balancer:
    """A load balancer.

    Attributes:
        listeners: the ports of its listeners on the axis; None: they could not be read.
        forwards: of an internet-facing network load balancer; None: they could not be read.
    """

    listeners: IntervalSet | None
    forwards: tuple[Forward, ...] | None = ()


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
        """Why something is not in the answers, as a sentence.

        Args:
            what: `network interfaces`, `subnets`, `load balancers` and so on, as `unread` names them.
            which: the one that was needed.
        """
        if reason := self.unread.get(what):
            return f"The {what} of the region could not be read: {reason}."
        return f"{which} is not among the {what} that AWS lists for this account (is it shared?)."
